"""The name of the traced array, for isinstance."""

from pyad._trace.array import Array as ArrayBox

__all__ = ["ArrayBox"]
