"""`scipy.linalg` over pyad's ops: SciPy's functions for plain arguments, pyad's where one is traced.

What is not defined here is SciPy's own and takes plain arrays only.

>>> import numpy as np
>>> import pyad
>>> from pyad.scipy import linalg
>>> pyad.grad(lambda a: np.sum(linalg.expm(a)))(np.zeros((2, 2)))
array([[1., 1.],
       [1., 1.]])
"""

from pyad.scipy._namespace import fallback as _fallback
from pyad.scipy._namespace import listing as _listing
from pyad.scipy._namespace import load as _load
from pyad.scipy.linalg._decompositions import (
    cho_factor,
    cholesky,
    det,
    eigh,
    eigvalsh,
    inv,
    lu,
    lu_factor,
    norm,
    pinv,
    qr,
    svd,
    svdvals,
)
from pyad.scipy.linalg._matrix_functions import expm, expm_frechet, logm, sqrtm
from pyad.scipy.linalg._solve import (
    cho_solve,
    lu_solve,
    solve,
    solve_banded,
    solve_triangular,
    solveh_banded,
)
from pyad.scipy.linalg._special_matrices import block_diag, circulant, hankel, toeplitz
from pyad.scipy.linalg._sylvester import solve_continuous_lyapunov, solve_discrete_lyapunov, solve_sylvester

__all__ = [
    "block_diag",
    "cho_factor",
    "cho_solve",
    "cholesky",
    "circulant",
    "det",
    "eigh",
    "eigvalsh",
    "expm",
    "expm_frechet",
    "hankel",
    "inv",
    "logm",
    "lu",
    "lu_factor",
    "lu_solve",
    "norm",
    "pinv",
    "qr",
    "solve",
    "solve_banded",
    "solve_continuous_lyapunov",
    "solve_discrete_lyapunov",
    "solve_sylvester",
    "solve_triangular",
    "solveh_banded",
    "sqrtm",
    "svd",
    "svdvals",
    "toeplitz",
]

_theirs = _load("scipy.linalg")
__getattr__ = _fallback(_theirs)
__dir__ = _listing(_theirs, __all__)
