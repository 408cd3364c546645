"""The op definitions, one record each, in files by family. To add one, see docs/adding-an-op.md."""

from pyad.ops import complex, elementwise, index, linalg, operators, protocol, reduce, shape

__all__ = ["complex", "elementwise", "index", "linalg", "operators", "protocol", "reduce", "shape"]
