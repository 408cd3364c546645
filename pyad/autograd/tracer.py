"""What autograd's programs ask of a value under differentiation."""

from __future__ import annotations

from typing import Any

from pyad import tree
from pyad._trace.array import Array, is_traced
from pyad._transforms.primitive import notrace_primitive, primitive, rules_of
from pyad._transforms.stop_gradient import stop_gradient

__all__ = ["Box", "getval", "isbox", "notrace_primitive", "primitive", "register_notrace"]

# For isinstance; there are no boxes here.
Box = Array


def isbox(x: Any) -> bool:
    """Whether a value, or one in a container, is under differentiation."""
    return any(map(is_traced, tree.leaves(x)))


def getval(x: Any) -> Any:
    """The plain value of what is under differentiation; anything else as it is."""
    return stop_gradient(x) if isbox(x) else x


def register_notrace(trace_type: Any, primitive_fun: Any) -> None:
    """Make a primitive constant for derivatives. `trace_type` is not looked at: this holds in both modes."""
    rules_of(primitive_fun, "register_notrace").traced = False
