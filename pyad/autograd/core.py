"""The transforms of one argument that autograd makes the others from, and names that its programs import from here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyad._transforms.grad import vjp
from pyad._transforms.jvp import jvp
from pyad.autograd import extend
from pyad.autograd.extend import *  # noqa: F403
from pyad.autograd.tracer import getval, isbox
from pyad.autograd.util import func, subval

# All that operations are defined with is here too, but for the two of those that are constant.
__all__ = [
    *(name for name in extend.__all__ if name not in ("notrace_primitive", "register_notrace")),
    "func",
    "getval",
    "isbox",
    "make_jvp",
    "make_vjp",
    "subval",
]


def make_vjp(fun: Callable[[Any], Any], x: Any) -> tuple[Callable[[Any], Any], Any]:
    """The pullback of fun at x, and its value.

    >>> from pyad import autograd
    >>> autograd.make_vjp(lambda x: x**2)(3.0)[0](1.0)
    np.float64(6.0)
    """
    value, pullback = vjp(fun, x)
    return lambda g: pullback(g)[0], value


def make_jvp(fun: Callable[[Any], Any], x: Any) -> Callable[[Any], tuple[Any, Any]]:
    """The function that gives fun's value at x and its derivative along a tangent.

    >>> from pyad import autograd
    >>> autograd.make_jvp(lambda x: x**2)(3.0)(1.0)
    (np.float64(9.0), np.float64(6.0))
    """
    return lambda g: jvp(fun, (x,), (g,))
