"""A user's function with arguments in containers, as a function of the traced arrays among them.

What a solver calls many times must not reach for traced values by itself: its derivative would be lost, or wrong. Here
they become operands of one op, and a function that has another is refused.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pyad import tree
from pyad._ops.shape import asarray
from pyad._trace.array import Array, is_traced, numpy_value
from pyad._transforms.grad import value_and_grad
from pyad._transforms.jvp import jvp
from pyad.errors import ConcretizationError

__all__ = ["Closed", "guarded", "packed", "pull", "push", "split"]


def _refusal(name: str, x: Array) -> ConcretizationError:
    return ConcretizationError(
        f"{name}: the function uses a traced value from outside, by which it could not be differentiated; pass it in "
        f"args=, from where the function is given it, or take pyad.stop_gradient of it (the function returned {x!r})"
    )


def _outcome(name: str, out: Any, inputs: Sequence[Any]) -> Any:
    """An array of what the function returned, which may be a list; it is traced only if an input is."""
    found = asarray(out)
    if is_traced(found) and not tree.any_traced(*inputs):
        raise _refusal(name, found)
    return found


def guarded(name: str, function: Any) -> Any:
    """The function for SciPy, with plain arguments; refuses traced results."""
    if not callable(function):
        return function

    @functools.wraps(function, updated=())
    def call(*args: Any, **keywords: Any) -> Any:
        out = function(*args, **keywords)
        traced = [x for x in tree.leaves(out) if is_traced(x)]
        if traced and not tree.any_traced(args, keywords):
            raise _refusal(name, traced[0])
        return out

    return call


class Closed:
    """function(*first, *args) as a call(*first, *operands), where the operands are the traced leaves of args."""

    __slots__ = ("function", "leaves", "name", "operands", "places", "structure")

    def __init__(self, name: str, function: Callable[..., Any], args: Any) -> None:
        self.name = name
        self.function = function
        self.leaves, self.structure = tree.flatten(args if isinstance(args, tuple) else (args,))
        self.places = [k for k, x in enumerate(self.leaves) if is_traced(x)]
        self.operands = [self.leaves[k] for k in self.places]
        for k in self.places:
            # Kept for the rules, so without what belongs to the transform under way.
            self.leaves[k] = None

    def __call__(self, *inputs: Any) -> Any:
        """An array of the function's value."""
        count = len(inputs) - len(self.places)
        leaves = list(self.leaves)
        for k, x in zip(self.places, inputs[count:], strict=True):
            leaves[k] = x
        return _outcome(self.name, self.function(*inputs[:count], *self.structure.unflatten(leaves)), inputs)

    def plain_operands(self) -> list[Any]:
        """The values of the operands."""
        return [numpy_value(x) for x in self.operands]


def pull(f: Callable[..., Any], inputs: Sequence[Any], s: Any) -> tuple[Any, tuple[Any, ...]]:
    """f(*inputs) and the cotangents of the inputs for the cotangent s. As by vjp, but leaves nothing on the tape, also
    within another transform: solvers call it many times.
    """

    def weighted(*xs: Any) -> Any:
        y = f(*xs)
        # The real part, of which the gradient is the cotangent, of complex values too.
        return np.real(np.sum(s * y)), y

    (_, y), cotangents = value_and_grad(weighted, tuple(range(len(inputs))), has_aux=True)(*inputs)
    return y, cotangents


def push(f: Callable[..., Any], inputs: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """f(*inputs) and its derivative along the tangents, of which some may be None."""
    moving = [k for k, dot in enumerate(tangents) if dot is not None]

    def at(*moved: Any) -> Any:
        full = list(inputs)
        for k, x in zip(moving, moved, strict=True):
            full[k] = x
        return f(*full)

    return jvp(at, tuple(inputs[k] for k in moving), tuple(tangents[k] for k in moving))


def split(packed: Any, like: Sequence[Any]) -> list[Any]:
    """A vector cut into arrays of the shapes of others."""
    parts = []
    start = 0
    for x in like:
        parts.append(np.reshape(packed[start : start + x.size], x.shape))
        start += x.size
    return parts


def packed(parts: Sequence[Any]) -> Any:
    """All entries of some arrays, in one vector."""
    return np.concatenate([np.reshape(x, (-1,)) for x in parts])
