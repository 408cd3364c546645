"""Fixed points with implicit derivatives."""

from pyad.derived import fixed_point

__all__ = ["fixed_point"]
