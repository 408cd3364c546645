"""The op definitions, one record each, in files by family. To add one, see docs/adding-an-op.md."""

from pyad.ops import elementwise, index, linalg, loss, operators, protocol, reduce, shape

__all__ = ["elementwise", "index", "linalg", "loss", "operators", "protocol", "reduce", "shape"]
