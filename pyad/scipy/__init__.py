"""SciPy's names over pyad's ops."""

from pyad.scipy import special

__all__ = ["special"]
