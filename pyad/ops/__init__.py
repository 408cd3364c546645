"""The op definitions, one record each, in files by family. To add one, see docs/adding-an-op.md."""

from pyad.ops import elementwise, index, linalg, operators, protocol, reduce, shape
from pyad.ops import rearrange, join, build, select, pad, contract, einsum, signal, polynomial, functional
from pyad.ops import methods

__all__ = ["elementwise", "index", "linalg", "operators", "protocol", "reduce", "shape"]
