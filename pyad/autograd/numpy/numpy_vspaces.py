"""The vector spaces of arrays, which one class describes."""

from pyad.autograd._vspace import VSpace as ArrayVSpace
from pyad.autograd._vspace import VSpace as ComplexArrayVSpace

__all__ = ["ArrayVSpace", "ComplexArrayVSpace"]
