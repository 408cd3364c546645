"""The transforms of one argument that autograd makes the others from, and names that its programs import from here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyad.autograd._vspace import SparseObject, VSpace, vspace
from pyad.autograd.extend import (
    Box,
    JVPNode,
    VJPNode,
    def_linear,
    defjvp,
    defjvp_argnum,
    defjvp_argnums,
    defvjp,
    defvjp_argnum,
    defvjp_argnums,
    primitive,
)
from pyad.autograd.tracer import getval, isbox
from pyad.autograd.util import func, subval
from pyad.transforms import jvp, vjp

__all__ = [
    "Box",
    "JVPNode",
    "SparseObject",
    "VJPNode",
    "VSpace",
    "def_linear",
    "defjvp",
    "defjvp_argnum",
    "defjvp_argnums",
    "defvjp",
    "defvjp_argnum",
    "defvjp_argnums",
    "func",
    "getval",
    "isbox",
    "make_jvp",
    "make_vjp",
    "primitive",
    "subval",
    "vspace",
]


def make_vjp(fun: Callable[[Any], Any], x: Any) -> tuple[Callable[[Any], Any], Any]:
    """The pullback of fun at x, and its value."""
    value, pullback = vjp(fun, x)
    return lambda g: pullback(g)[0], value


def make_jvp(fun: Callable[[Any], Any], x: Any) -> Callable[[Any], tuple[Any, Any]]:
    """The function that gives fun's value at x and its derivative along a tangent."""
    return lambda g: jvp(fun, (x,), (g,))
