"""The op definitions, one record each, in files by family. To add one, see docs/adding-an-op.md."""

from pyad.ops import (
    decompose,
    elementwise,
    index,
    linalg,
    norm,
    operators,
    products,
    protocol,
    reduce,
    shape,
    solve,
)

__all__ = [
    "decompose",
    "elementwise",
    "index",
    "linalg",
    "norm",
    "operators",
    "products",
    "protocol",
    "reduce",
    "shape",
    "solve",
]
