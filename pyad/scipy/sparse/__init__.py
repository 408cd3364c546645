"""`scipy.sparse` with traced arrays: sparse matrices are constant, and multiply and solve for traced dense arrays.

For a sparse matrix or array `a` of any format, `a @ x`, `x @ a`, `a.dot(x)` and `a.T @ x` take traced vectors and
matrices. Where the entries of the matrix are differentiated, `coo_matmul` and `linalg.coo_solve` take them as a vector.
Everything else is SciPy's own.
"""

import importlib as _importlib
from typing import Any

from pyad.scipy._namespace import listing as _listing
from pyad.scipy._namespace import load as _load
from pyad.scipy.sparse._products import coo_matmul, matmul

__all__ = ["coo_matmul", "linalg", "matmul"]

_theirs = _load("scipy.sparse")
__dir__ = _listing(_theirs, __all__)


def __getattr__(name: str) -> Any:
    if name == "linalg":
        return _importlib.import_module("pyad.scipy.sparse.linalg")
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(_theirs, name)
