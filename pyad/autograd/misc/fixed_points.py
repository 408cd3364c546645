"""Fixed points with implicit derivatives."""

from pyad._transforms.fixed_point import fixed_point

__all__ = ["fixed_point"]
