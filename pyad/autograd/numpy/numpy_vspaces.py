"""The vector spaces of arrays."""

from pyad.autograd._vspace import VSpace as ArrayVSpace

__all__ = ["ArrayVSpace"]
