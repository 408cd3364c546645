"""Fixed points with implicit derivatives."""

from pyad._transforms.checkpoint import fixed_point

__all__ = ["fixed_point"]
