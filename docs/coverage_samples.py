"""For each function of the coverage table, a call of it: which arguments are differentiated, and what else it is given.

A sample is a pair of a function `(f, *arrays) -> f(...)` and the arrays. Functions that are not named here are called
with as many vectors as they have operands, for NumPy's and SciPy's ufuncs, and with one vector otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Sample = tuple[Callable[..., Any], tuple[np.ndarray, ...]]

# Within (0, 1), where nearly everything is smooth; all different, so that no maximum is a tie.
V = np.array([0.31, 0.62, 0.45])
W = np.array([0.52, 0.27, 0.74])
U = np.array([0.83, 0.36, 0.59])
M = np.array([[1.3, 0.2, -0.4], [0.5, 1.1, 0.3], [-0.2, 0.6, 1.7]])
N = np.array([[0.4, -0.7, 0.9], [1.2, 0.3, -0.5], [0.1, 0.8, 0.6]])
CUBE = np.linspace(0.1, 0.9, 8).reshape(2, 2, 2) ** 2
CHOICE = np.array([True, False, True])


def with_args(*extra: Any, arrays: tuple[np.ndarray, ...] = (V,), **keywords: Any) -> Sample:
    """f(*arrays, *extra)."""
    return (lambda f, *xs: f(*xs, *extra, **keywords)), arrays


def after(*first: Any, arrays: tuple[np.ndarray, ...] = (V,)) -> Sample:
    """f(*first, *arrays)."""
    return (lambda f, *xs: f(*first, *xs)), arrays


def listed(*arrays: np.ndarray) -> Sample:
    """f([*arrays])."""
    return (lambda f, *xs: f(list(xs))), arrays


def of(change: Callable[[Any], Any], *arrays: np.ndarray) -> Sample:
    """f of something made of each array."""
    return (lambda f, *xs: f(*map(change, xs))), arrays or (V,)


def positive(m: Any) -> Any:
    """A symmetric positive definite matrix."""
    return m @ m.T + np.eye(3)


_VECTORS = with_args(arrays=(V, W))
_MATRIX = with_args(arrays=(M,))
_MATRICES = with_args(arrays=(M, N))
_LIST = listed(V, W)

SAMPLES: dict[str, Sample] = {
    # numpy: element by element
    "numpy.arccosh": of(lambda x: x + 1.5),
    "numpy.heaviside": with_args(arrays=(V, W)),
    "numpy.clip": with_args(0.4, 0.5),
    "numpy.where": ((lambda f, x, y: f(CHOICE, x, y)), (V, W)),
    "numpy.ldexp": with_args(np.array([1, 2, 0])),
    "numpy.interp": ((lambda f, x, y: f(x, np.array([0.0, 0.4, 1.0]), y)), (V, W)),
    "numpy.select": ((lambda f, x, y: f([CHOICE, ~CHOICE], [x, y])), (V, W)),
    "numpy.choose": ((lambda f, x, y: f(np.array([0, 1, 0]), [x, y])), (V, W)),
    "numpy.piecewise": (
        (lambda f, x: f(x, [np.array([True, False, True])], [lambda t: t**2, lambda t: 3.0 * t])),
        (V,),
    ),
    # numpy: shapes
    "numpy.reshape": with_args((1, 3)),
    "numpy.resize": with_args((2, 3)),
    "numpy.transpose": _MATRIX,
    "numpy.permute_dims": _MATRIX,
    "numpy.matrix_transpose": _MATRIX,
    "numpy.swapaxes": with_args(0, 1, arrays=(M,)),
    "numpy.moveaxis": with_args(0, 1, arrays=(M,)),
    "numpy.rollaxis": with_args(1, arrays=(M,)),
    "numpy.broadcast_to": with_args((2, 3)),
    "numpy.broadcast_arrays": ((lambda f, x, m: f(x, m)), (V, M)),
    "numpy.expand_dims": with_args(0),
    "numpy.squeeze": of(lambda x: x, V[None]),
    "numpy.astype": with_args(np.float64),
    "numpy.concatenate": _LIST,
    "numpy.concat": _LIST,
    "numpy.stack": _LIST,
    "numpy.unstack": _MATRIX,
    "numpy.vstack": _LIST,
    "numpy.row_stack": _LIST,
    "numpy.hstack": _LIST,
    "numpy.dstack": _LIST,
    "numpy.column_stack": _LIST,
    "numpy.block": ((lambda f, x, y: f([[x, y]])), (V, W)),
    "numpy.append": _VECTORS,
    "numpy.insert": ((lambda f, x, y: f(x, 1, y[0])), (V, W)),
    "numpy.delete": with_args(1),
    "numpy.split": with_args([1]),
    "numpy.array_split": with_args(2),
    "numpy.hsplit": with_args([1]),
    "numpy.vsplit": with_args([1], arrays=(M,)),
    "numpy.dsplit": with_args(2, arrays=(CUBE,)),
    "numpy.roll": with_args(1),
    "numpy.rot90": _MATRIX,
    "numpy.fliplr": _MATRIX,
    "numpy.flipud": _MATRIX,
    "numpy.tile": with_args(2),
    "numpy.repeat": with_args(2),
    "numpy.take": with_args([0, 2]),
    "numpy.take_along_axis": with_args(np.array([2, 0]), 0),
    "numpy.compress": after(CHOICE),
    "numpy.extract": after(CHOICE),
    "numpy.pad": with_args(1),
    "numpy.meshgrid": _VECTORS,
    "numpy.full": ((lambda f, x: f((2, 3), x)), (V,)),
    "numpy.full_like": ((lambda f, x: f(np.zeros((2, 3)), x)), (V,)),
    "numpy.linspace": ((lambda f, x: f(x, 2.0, 3)), (V,)),
    "numpy.logspace": ((lambda f, x: f(x, 2.0, 3)), (V,)),
    "numpy.geomspace": ((lambda f, x: f(x, 2.0, 3)), (V,)),
    # numpy: along axes
    "numpy.partition": with_args(1),
    "numpy.percentile": with_args(30.0),
    "numpy.nanpercentile": with_args(30.0),
    "numpy.quantile": with_args(0.3),
    "numpy.nanquantile": with_args(0.3),
    "numpy.average": ((lambda f, x, y: f(x, weights=y)), (V, W)),
    "numpy.trapezoid": _VECTORS,
    "numpy.apply_along_axis": ((lambda f, m: f(lambda row: row**2, 0, m)), (M,)),
    "numpy.apply_over_axes": ((lambda f, m: f(np.sum, m, [0])), (M,)),
    "numpy.cov": _MATRIX,
    "numpy.corrcoef": _MATRIX,
    "numpy.convolve": _VECTORS,
    "numpy.correlate": _VECTORS,
    # numpy: products and matrices
    "numpy.matmul": _MATRICES,
    "numpy.matvec": with_args(arrays=(M, V)),
    "numpy.vecmat": with_args(arrays=(V, M)),
    "numpy.dot": _MATRICES,
    "numpy.vdot": _VECTORS,
    "numpy.inner": _MATRICES,
    "numpy.outer": _VECTORS,
    "numpy.kron": _MATRICES,
    "numpy.cross": _VECTORS,
    "numpy.tensordot": with_args(1, arrays=(M, N)),
    "numpy.einsum": after("ij,jk->ik", arrays=(M, N)),
    "numpy.trace": _MATRIX,
    "numpy.diagonal": _MATRIX,
    "numpy.tril": _MATRIX,
    "numpy.triu": _MATRIX,
    "numpy.polyval": _VECTORS,
    "numpy.polyadd": _VECTORS,
    "numpy.polysub": _VECTORS,
    "numpy.polymul": _VECTORS,
    # numpy.linalg
    "numpy.linalg.solve": with_args(arrays=(M, V)),
    "numpy.linalg.lstsq": ((lambda f, m, x: f(m, x)[0]), (M[:, :2], V)),
    "numpy.linalg.cholesky": of(positive, M),
    "numpy.linalg.eigh": of(positive, M),
    "numpy.linalg.eigvalsh": of(positive, M),
    "numpy.linalg.eig": ((lambda f, m: f(positive(m))[0]), (M,)),
    "numpy.linalg.eigvals": of(positive, M),
    "numpy.linalg.svd": _MATRIX,
    "numpy.linalg.matrix_power": with_args(3, arrays=(M,)),
    "numpy.linalg.multi_dot": listed(M, N, M),
    "numpy.linalg.matmul": _MATRICES,
    "numpy.linalg.outer": _VECTORS,
    "numpy.linalg.cross": _VECTORS,
    "numpy.linalg.tensordot": with_args(arrays=(M, N)),
    "numpy.linalg.vecdot": _VECTORS,
    "numpy.linalg.norm": _MATRIX,
    "numpy.linalg.vector_norm": with_args(),
    "numpy.linalg.tensorinv": with_args(1, arrays=(M,)),
    "numpy.linalg.tensorsolve": with_args(arrays=(M, V)),
    # scipy.special: orders and shapes are constant
    "scipy.special.polygamma": after(1),
    "scipy.special.multigammaln": ((lambda f, x: f(x + 2.0, 2)), (V,)),
    "scipy.special.gammainc": after(1.7),
    "scipy.special.gammaincc": after(1.7),
    "scipy.special.gammaincinv": after(1.7),
    "scipy.special.gammainccinv": after(1.7),
    "scipy.special.betainc": after(1.7, 0.8),
    "scipy.special.betaincc": after(1.7, 0.8),
    "scipy.special.betaincinv": after(1.7, 0.8),
    "scipy.special.jv": after(1.5),
    "scipy.special.jve": after(1.5),
    "scipy.special.jn": after(2),
    "scipy.special.yv": after(1.5),
    "scipy.special.yve": after(1.5),
    "scipy.special.yn": after(2),
    "scipy.special.iv": after(1.5),
    "scipy.special.ive": after(1.5),
    "scipy.special.kv": after(1.5),
    "scipy.special.kve": after(1.5),
    "scipy.special.kn": after(2),
    "scipy.special.zeta": after(2.5),
    "scipy.special.expn": after(2),
    "scipy.special.huber": after(0.5),
    "scipy.special.pseudo_huber": after(0.5),
    "scipy.special.boxcox": with_args(0.5),
    "scipy.special.boxcox1p": with_args(0.5),
    "scipy.special.inv_boxcox": with_args(0.5),
    "scipy.special.inv_boxcox1p": with_args(0.5),
    "scipy.special.eval_legendre": after(3),
    "scipy.special.eval_chebyt": after(3),
    "scipy.special.eval_chebyu": after(3),
    "scipy.special.eval_hermite": after(3),
    "scipy.special.eval_laguerre": after(3),
    # scipy.linalg
    **{f"scipy.linalg.{name}": _MATRIX for name in ("inv", "det", "expm", "sqrtm", "logm", "svd", "qr", "lu", "pinv")},
    **{f"scipy.linalg.{name}": of(positive, M) for name in ("cholesky", "eigh", "eigvalsh")},
    **{f"scipy.linalg.{name}": with_args(arrays=(M, V)) for name in ("solve", "solve_triangular")},
    "scipy.linalg.solve_sylvester": with_args(arrays=(M, N + 3.0 * np.eye(3), N)),
    "scipy.linalg.solve_banded": ((lambda f, m, x: f((1, 1), m, x)), (M + 2.0, V)),
    "scipy.linalg.cho_solve": ((lambda f, m, x: f((np.tril(M) + np.eye(3), True), x)), (M, V)),
    "scipy.linalg.block_diag": _MATRICES,
    "scipy.linalg.kron": _MATRICES,
    # scipy.signal
    **{f"scipy.signal.{name}": _VECTORS for name in ("convolve", "fftconvolve", "correlate", "oaconvolve")},
    **{f"scipy.signal.{name}": _MATRICES for name in ("convolve2d", "correlate2d")},
    "scipy.signal.lfilter": ((lambda f, b, a, x: f(b, a, x)), (V, W, U)),
    # scipy.stats: location, scale and shapes are differentiated with the value
    "scipy.stats.multivariate_normal": ((lambda f, x, mean, m: f(x, mean, positive(m))), (V, W, M)),
    "scipy.stats.dirichlet": ((lambda f, x, alpha: f(x / np.sum(x), alpha)), (V, W)),
}


def sample_for(name: str, theirs: Any) -> Sample:
    """The sample of a function by its full name; that of the longest part of the name for a method."""
    parts = name.split(".")
    for length in range(len(parts), 2, -1):
        found = SAMPLES.get(".".join(parts[:length]))
        if found is not None:
            return found
    if name in SAMPLES:
        return SAMPLES[name]
    if name.startswith("numpy.linalg."):
        return _MATRIX
    operands = theirs.nin if isinstance(theirs, np.ufunc) else 1
    return with_args(arrays=(V, W, U, V + W)[:operands])
