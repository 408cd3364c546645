"""The dtypes that traced values can have, in the engine's order, and the engine's codes of them."""

from __future__ import annotations

import numpy as np

from pyad._binding.engine import ffi, lib

F32 = np.dtype(np.float32)
F64 = np.dtype(np.float64)
C64 = np.dtype(np.complex64)
C128 = np.dtype(np.complex128)
INT64 = np.dtype(np.int64)

# In the engine's order.
DTYPES = tuple(np.dtype(ffi.string(lib.pyad_dtype_name(code)).decode()) for code in range(lib.PYAD_DTYPE_COUNT))
CODES = {dtype: code for code, dtype in enumerate(DTYPES)}
CODE_F32 = lib.PYAD_F32
CODE_F64 = lib.PYAD_F64
# What can be differentiated.
INEXACT = frozenset((F32, F64, C64, C128))
