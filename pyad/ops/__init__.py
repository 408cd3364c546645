"""The op definitions, one record each, in files by family. To add one, see docs/adding-an-op.md."""

from pyad.ops import assign, create, elementwise, index, linalg, mutate, operators, protocol, reduce, shape, window

__all__ = [
    "assign",
    "create",
    "elementwise",
    "index",
    "linalg",
    "mutate",
    "operators",
    "protocol",
    "reduce",
    "shape",
    "window",
]
