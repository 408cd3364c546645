"""The op definitions, one record each, in files by family. To add one, see docs/adding-an-op.md."""

from pyad.ops import elementwise, index, linalg, operators, protocol, reduce, shape
from pyad.ops import decompose, norm, products, solve  # isort: skip

__all__ = ["elementwise", "index", "linalg", "operators", "protocol", "reduce", "shape"]
