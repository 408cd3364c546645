"""NumPy's names over pyad's ops: `import pyad.numpy as np` is `import numpy as np`, with a shorter way for
traced values.

Everything that is not listed here is NumPy's own; NumPy functions that reach a traced value find their op through
NumPy's protocols, or say that there is none.
"""

from typing import Any

import numpy as _numpy

from pyad.ops.elementwise import (
    abs,
    absolute,
    add,
    arccos,
    arcsin,
    arctan,
    arctan2,
    ceil,
    cos,
    cosh,
    divide,
    exp,
    expm1,
    fabs,
    floor,
    log,
    log1p,
    maximum,
    minimum,
    multiply,
    negative,
    power,
    reciprocal,
    sign,
    sin,
    sinh,
    sqrt,
    square,
    subtract,
    tan,
    tanh,
    true_divide,
    where,
)
from pyad.ops.linalg import dot, matmul, outer
from pyad.ops.reduce import amax, amin, max, mean, min, std, sum, var
from pyad.ops.shape import (
    array,
    asarray,
    astype,
    broadcast_to,
    concatenate,
    expand_dims,
    moveaxis,
    ravel,
    reshape,
    squeeze,
    stack,
    swapaxes,
    transpose,
)

__all__ = [
    "abs",
    "absolute",
    "add",
    "amax",
    "amin",
    "arccos",
    "arcsin",
    "arctan",
    "arctan2",
    "array",
    "asarray",
    "astype",
    "broadcast_to",
    "ceil",
    "concatenate",
    "cos",
    "cosh",
    "divide",
    "dot",
    "exp",
    "expand_dims",
    "expm1",
    "fabs",
    "floor",
    "log",
    "log1p",
    "matmul",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "moveaxis",
    "multiply",
    "negative",
    "outer",
    "power",
    "ravel",
    "reciprocal",
    "reshape",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "subtract",
    "sum",
    "swapaxes",
    "tan",
    "tanh",
    "transpose",
    "true_divide",
    "var",
    "where",
]


def __getattr__(name: str) -> Any:
    return getattr(_numpy, name)


def __dir__() -> list[str]:
    return sorted({*dir(_numpy), *__all__})
