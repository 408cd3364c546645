"""Helpers around derivatives: flattening, fixed points, optimisers."""

from pyad.autograd.misc.flatten import flatten
from pyad.autograd.misc.tracers import const_graph

__all__ = ["const_graph", "flatten"]
