"""The dtypes that traced values can have, in the engine's order, and the engine's codes of them."""

from __future__ import annotations

import numpy as np

F32 = np.dtype(np.float32)
F64 = np.dtype(np.float64)
C64 = np.dtype(np.complex64)
C128 = np.dtype(np.complex128)
INT64 = np.dtype(np.int64)

# In the engine's order.
DTYPES = tuple(np.dtype(n) for n in ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8", "c8", "c16"])
CODES = {dtype: code for code, dtype in enumerate(DTYPES)}
CODE_F32 = CODES[F32]
CODE_F64 = CODES[F64]
# What can be differentiated.
INEXACT = frozenset((F32, F64, C64, C128))
