"""The name of the traced array, for isinstance."""

from pyad.array import Array as ArrayBox

__all__ = ["ArrayBox"]
