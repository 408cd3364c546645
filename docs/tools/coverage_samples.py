"""For each function of the coverage table, a call of it: which arguments are differentiated, and what else it is given.

A sample is a pair of a function `(f, *arrays) -> f(...)` and the arrays. Functions that are not named here are called
with as many vectors as they have operands, for NumPy's and SciPy's ufuncs, and with one vector otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.stats

import pyad

Sample = tuple[Callable[..., Any], tuple[np.ndarray, ...]]

# Within (0, 1), where nearly everything is smooth; all different, so that no maximum is a tie.
V = np.array([0.31, 0.62, 0.45])
W = np.array([0.52, 0.27, 0.74])
U = np.array([0.83, 0.36, 0.59])
M = np.array([[1.3, 0.2], [-0.5, 1.1]])
N = np.array([[0.4, -0.7], [1.2, 0.3]])
P, Q = V[:2], W[:2]
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
    return m @ m.T + np.eye(2)


def symmetric(m: Any) -> Any:
    """A Hermitian positive definite matrix, also of complex numbers."""
    return m @ np.conj(m.T) + np.eye(2)


def projections(left: Any, right: Any) -> Any:
    """Of each pair of columns the outer product, in which what is arbitrary about singular and eigenvectors cancels."""
    return left[:, None, :] * np.conj(right)[None, :, :]


def _eigenprojections(f: Any, m: Any) -> Any:
    values, vectors = f(symmetric(m))
    return values, projections(vectors, vectors)


def _singular_projections(f: Any, m: Any) -> Any:
    left, values, right = f(m)
    return values, projections(left, np.conj(right.T))


def into(*before: Any) -> Sample:
    """A function that writes into an array: f(array, *before, x)."""

    def call(f: Any, x: Any) -> Any:
        array = pyad.numpy.zeros((3, 3))
        f(array, *before, x)
        return array

    return call, (V,)


def of_distribution(method: Any) -> Sample:
    """A method of one of SciPy's distributions, at points of its support, by shapes, location and scale."""
    distribution, name = method.__self__, method.__name__
    shapes = (_ONE + 0.7, _ONE + 2.2, _ONE + 0.4)[: distribution.numargs]
    if distribution.name == "wrapcauchy":
        shapes = (0.6 * _ONE,)  # between 0 and 1
    if isinstance(distribution, scipy.stats.rv_discrete):
        # The shapes of discrete distributions are rates and probabilities, and the counts are constant.
        counts = () if distribution.numargs == 1 else (5,)
        shapes = (0.9 * _ONE, 1.3 * _ONE)[: distribution.numargs - len(counts)]
        first = (
            ()
            if name in _OF_SHAPES
            else (_ONE if name in _OF_PROBABILITIES else distribution.ppf(0.4 * _ONE, *counts, *shapes),)
        )
        return (lambda f, *xs: f(*first, *counts, *xs)), shapes
    common = (*shapes, 1.2 * _ONE, 1.4 * _ONE)
    if name in _OF_SHAPES:
        return with_args(arrays=common)
    point = _ONE if name in _OF_PROBABILITIES else distribution.ppf(_ONE, *shapes) * common[-1] + common[-2]
    return with_args(arrays=(point, *common))


# One number is enough where numbers do not mix, and many arguments take long.
_ONE = np.array([0.47])
_OF_SHAPES = {"entropy", "mean", "var", "std", "stats", "median", "moment"}
_OF_PROBABILITIES = {"ppf", "isf"}

_VECTORS = with_args(arrays=(V, W))
_MATRIX = with_args(arrays=(M,))
_MATRICES = with_args(arrays=(M, N))
_LIST = listed(V, W)
_OVERLAPPING = ((lambda f, x: f(x, x[1:])), (V,))

_TIGHT = {"rtol": 1e-12, "atol": 1e-12}


def _decay(t: Any, rate: Any) -> Any:
    return np.exp(-rate * t)


def _slope(y: Any, t: Any, rate: Any) -> Any:
    return -rate * y


def _cubic(t: Any, constant: Any) -> Any:
    return t**3 + t - constant


def _bowl(t: Any, centre: Any) -> Any:
    return np.sum((t - centre) ** 2)


# What makes arrays, or tells of arrays, and takes no numbers to differentiate by.
NOT_TRIED = {
    *("numpy.arange", "numpy.empty", "numpy.empty_like", "numpy.eye", "numpy.fromfunction", "numpy.identity"),
    *("numpy.indices", "numpy.ones", "numpy.ones_like", "numpy.tri", "numpy.zeros", "numpy.zeros_like"),
    *("numpy.can_cast", "numpy.promote_types", "numpy.min_scalar_type", "numpy.common_type", "numpy.broadcast_shapes"),
    "numpy.result_type",
    *("numpy.ndim", "numpy.shape", "numpy.size", "numpy.shares_memory", "numpy.may_share_memory"),
}

# What is to be said of functions that do not do all.
NOTES = {}

SAMPLES: dict[str, Sample] = {
    # numpy: element by element
    "numpy.arccosh": of(lambda x: x + 1.5),
    "numpy.heaviside": with_args(arrays=(V, W)),
    "numpy.clip": with_args(0.4, 0.5),
    # NumPy gives them in any order.
    "numpy.unique_values": ((lambda f, x: np.sort(f(x))), (V,)),
    "numpy.where": ((lambda f, x, y: f(CHOICE, x, y)), (V, W)),
    "numpy.ldexp": with_args(np.array([1, 2, 0])),
    "numpy.interp": ((lambda f, x, y: f(x, np.array([0.0, 0.4, 1.0]), y)), (V, W)),
    "numpy.select": ((lambda f, x, y: f([CHOICE, ~CHOICE], [x, y])), (V, W)),
    "numpy.choose": ((lambda f, x, y: f(np.array([0, 1, 0]), [x, y])), (V, W)),
    "numpy.piecewise": (
        (lambda f, x: f(x, [np.array([True, False, True])], [lambda t: t**2, lambda t: 3.0 * t])),
        (V,),
    ),
    **{f"numpy.{name}": _VECTORS for name in ("allclose", "isclose", "array_equal", "array_equiv", "isin")},
    "numpy.searchsorted": with_args(0.5),
    "numpy.argpartition": with_args(1),
    "numpy.histogram": ((lambda f, x: f(W, 2, weights=x)[0]), (V,)),
    **{f"numpy.{name}": _OVERLAPPING for name in ("intersect1d", "setdiff1d", "setxor1d", "union1d")},
    "numpy.digitize": with_args(np.array([0.4, 0.5])),
    "numpy.bincount": ((lambda f, x: f(np.array([0, 2, 0]), x)), (V,)),
    # numpy: writing into an array
    "numpy.copyto": into(),
    "numpy.put": into([0, 4, 7]),
    "numpy.place": into(np.eye(3, dtype=bool)),
    "numpy.putmask": into(np.eye(3, dtype=bool)),
    "numpy.fill_diagonal": ((lambda f, x: into()[0](lambda a, y: f(a, y[0]), x)), (V,)),
    "numpy.put_along_axis": (
        (lambda f, x: into()[0](lambda a, y: f(a, np.array([[0], [2], [1]]), y[:, None], 1), x)),
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
    "numpy.broadcast_arrays": with_args(arrays=(P, M)),
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
    "numpy.matvec": with_args(arrays=(M, P)),
    "numpy.vecmat": with_args(arrays=(P, M)),
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
    "numpy.polydiv": ((lambda f, x, y: f(x, y[:2])), (V, W)),
    "numpy.polyfit": ((lambda f, x, y: f(x, y, 1)), (V, W)),
    # numpy.fft
    **{f"numpy.fft.{name}": _MATRIX for name in ("fft2", "ifft2", "rfft2", "irfft2", "hfft2", "ihfft2")},
    # numpy.linalg
    "numpy.linalg.solve": with_args(arrays=(M, P)),
    "numpy.linalg.lstsq": ((lambda f, m, x: f(m, x)[0]), (np.stack([V, W], axis=1), U)),
    "numpy.linalg.cholesky": of(symmetric, M),
    "numpy.linalg.eigh": (_eigenprojections, (M,)),
    "numpy.linalg.eigvalsh": of(symmetric, M),
    "numpy.linalg.eig": ((lambda f, m: f(positive(m))[0]), (M,)),
    "numpy.linalg.eigvals": of(positive, M),
    "numpy.linalg.svd": (_singular_projections, (M,)),
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
    "numpy.linalg.tensorsolve": with_args(arrays=(M, P)),
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
    # SciPy's value is complex, and real where the argument is.
    "scipy.special.lambertw": ((lambda f, x: f(x) if np.iscomplexobj(x) else np.real(f(x))), (V,)),
    "scipy.special.ndtri_exp": of(lambda x: -1.0 * x),
    "scipy.special.comb": with_args(2),
    "scipy.special.perm": with_args(2),
    "scipy.special.betainccinv": after(1.7, 0.8),
    "scipy.special.hyp0f1": after(1.3),
    "scipy.special.hyp1f1": after(1.3, 0.8),
    "scipy.special.hyperu": after(1.3, 0.8),
    "scipy.special.hyp2f1": after(1.3, 0.8, 2.1),
    "scipy.special.stdtr": after(2.5),
    "scipy.special.stdtrit": after(2.5),
    **{f"scipy.special.spherical_{name}": after(2) for name in ("jn", "yn", "in", "kn")},
    "scipy.special.eval_gegenbauer": after(3, 0.7),
    "scipy.special.eval_genlaguerre": after(3, 0.7),
    "scipy.special.eval_jacobi": after(3, 0.7, 0.4),
    "scipy.special.eval_hermitenorm": after(3),
    "scipy.special.eval_sh_legendre": after(3),
    "scipy.special.eval_legendre": after(3),
    "scipy.special.eval_chebyt": after(3),
    "scipy.special.eval_chebyu": after(3),
    "scipy.special.eval_hermite": after(3),
    "scipy.special.eval_laguerre": after(3),
    # scipy.linalg
    **{f"scipy.linalg.{name}": _MATRIX for name in ("inv", "det", "expm", "sqrtm", "logm", "qr", "lu", "pinv")},
    **{f"scipy.linalg.{name}": of(symmetric, M) for name in ("cholesky", "eigvalsh")},
    "scipy.linalg.eigh": (_eigenprojections, (M,)),
    "scipy.linalg.svd": (_singular_projections, (M,)),
    "scipy.linalg.solveh_banded": (
        (lambda f, m, x: f(np.stack([m[0], np.real(m[1])]), x)),
        (np.stack([P, P + 2.0]), P),
    ),
    **{f"scipy.linalg.{name}": with_args(arrays=(M, P)) for name in ("solve", "solve_triangular")},
    "scipy.linalg.solve_sylvester": with_args(arrays=(M, N + 3.0 * np.eye(2), N)),
    "scipy.linalg.solve_banded": ((lambda f, m, x: f((1, 1), m, x)), (np.stack([P, P + 2.0, Q]), P)),
    "scipy.linalg.cho_solve": ((lambda f, m, x: f((m, True), x)), (np.tril(M), P)),
    "scipy.linalg.block_diag": _MATRICES,
    "scipy.linalg.kron": _MATRICES,
    **{f"scipy.linalg.{name}": _MATRIX for name in ("lu_factor", "norm", "svdvals")},
    # The other triangle is left as it was.
    "scipy.linalg.cho_factor": ((lambda f, m: np.triu(f(symmetric(m))[0])), (M,)),
    "scipy.linalg.lu_solve": ((lambda f, m, x: f((m, np.array([0, 1])), x)), (M, P)),
    "scipy.linalg.expm_frechet": _MATRICES,
    "scipy.linalg.solve_continuous_lyapunov": _MATRICES,
    "scipy.linalg.solve_discrete_lyapunov": with_args(arrays=(0.4 * M, N)),
    # scipy.integrate and scipy.optimize: by the parameters of the functions that are given
    "scipy.integrate.cumulative_trapezoid": _VECTORS,
    "scipy.integrate.quad": ((lambda f, x: f(_decay, 0.0, 1.0, args=(x[0],))[0]), (V,)),
    "scipy.integrate.odeint": (
        (lambda f, y, x: f(_slope, y, np.array([0.0, 0.5, 1.0]), args=(x,), **_TIGHT)),
        (V[:1], W[:1]),
    ),
    "scipy.integrate.solve_ivp": (
        (lambda f, y, x: f(lambda t, y, x: -x * y, (0.0, 1.0), y, args=(x,), **_TIGHT).y[:, -1]),
        (V[:1], W[:1]),
    ),
    **{
        f"scipy.optimize.{name}": ((lambda f, x: f(_cubic, 0.1, 1.5, args=(x[0],))), (V,))
        for name in ("bisect", "brenth", "brentq", "ridder", "toms748")
    },
    "scipy.optimize.newton": ((lambda f, x: f(_cubic, 0.7, args=(x[0],), tol=1e-14)), (V,)),
    "scipy.optimize.fixed_point": ((lambda f, x: f(lambda t, x: 0.3 * np.cos(t * x), 0.5, args=(x[0],))), (V,)),
    "scipy.optimize.root_scalar": ((lambda f, x: f(_cubic, args=(x[0],), bracket=(0.1, 1.5), xtol=1e-14).root), (V,)),
    "scipy.optimize.root": ((lambda f, x: f(_cubic, np.ones(3), args=(x,), tol=1e-13).x), (V,)),
    "scipy.optimize.minimize": ((lambda f, x: f(_bowl, np.ones(3), args=(x,), tol=1e-12).x), (V,)),
    "scipy.optimize.least_squares": ((lambda f, x: f(_cubic, np.ones(3), args=(x,), xtol=1e-15).x), (V,)),
    "scipy.optimize.curve_fit": ((lambda f, y: f(lambda t, a, b: a * t + b, W, y)[0]), (V,)),
    # scipy.signal
    **{f"scipy.signal.{name}": _VECTORS for name in ("convolve", "fftconvolve", "correlate", "oaconvolve")},
    **{f"scipy.signal.{name}": _MATRICES for name in ("convolve2d", "correlate2d")},
    "scipy.signal.lfilter": ((lambda f, b, a, x: f(b, a, x)), (V, W, U)),
    # scipy.stats
    "scipy.stats.multivariate_normal": ((lambda f, x, mean, m: f(x, mean, positive(m))), (P, Q, M)),
    "scipy.stats.multivariate_normal.entropy": ((lambda f, m: f(np.zeros(2), positive(m))), (M,)),
    "scipy.stats.multinomial": ((lambda f, p: f([1, 2, 1], 4, p / np.sum(p))), (V,)),
    **{f"scipy.stats.dirichlet.{name}": with_args() for name in ("entropy", "mean", "var")},
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
    if name.startswith("scipy.stats."):
        return of_distribution(theirs)
    if name.startswith("numpy.linalg."):
        return _MATRIX
    operands = theirs.nin if isinstance(theirs, np.ufunc) else 1
    arrays = (V, W) if operands <= 2 else (_ONE, 0.8 * _ONE, 1.3 * _ONE, 1.1 * _ONE)
    return with_args(arrays=arrays[:operands])
