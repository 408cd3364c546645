"""`scipy.sparse.linalg` with traced right sides.

What is not defined here is SciPy's own and takes plain arrays only.
"""

from pyad.scipy._namespace import fallback as _fallback
from pyad.scipy._namespace import listing as _listing
from pyad.scipy._namespace import load as _load
from pyad.scipy.sparse._solve import (
    bicg,
    bicgstab,
    cg,
    coo_solve,
    expm_multiply,
    factorized,
    gmres,
    minres,
    splu,
    spsolve,
    spsolve_triangular,
)

__all__ = [
    "bicg",
    "bicgstab",
    "cg",
    "coo_solve",
    "expm_multiply",
    "factorized",
    "gmres",
    "minres",
    "splu",
    "spsolve",
    "spsolve_triangular",
]

_theirs = _load("scipy.sparse.linalg")
__getattr__ = _fallback(_theirs)
__dir__ = _listing(_theirs, __all__)
