"""Derivatives without keeping what was computed: `checkpoint` and `fixed_point`."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pyad import tree
from pyad._binding.engine import holds_mark
from pyad._transforms.grad import jvp, vjp
from pyad._transforms.scope import Scope, check_function
from pyad.extend import defjvp_argnums, defvjp_argnums, primitive

__all__ = ["checkpoint", "fixed_point"]


# ---- one pullback or push, of which nothing stays on the tape ----


class _Restricted:
    """A function of the floating point leaves of some of its arguments."""

    def __init__(self, function: Callable[..., Any], argnums: Sequence[int], args: Sequence[Any]) -> None:
        self.function = function
        self.argnums = argnums
        self.args = list(args)
        self.leaves, self.structure = tree.flatten([args[n] for n in argnums])
        self.places = [k for k, x in enumerate(self.leaves) if _is_float(x)]
        self.primals = [self.leaves[k] for k in self.places]

    def __call__(self, *values: Any) -> Any:
        args = list(self.args)
        for n, part in zip(self.argnums, self.put(self.leaves, values), strict=True):
            args[n] = part
        return self.function(*args)

    def put(self, leaves: Sequence[Any], values: Sequence[Any]) -> Any:
        """The chosen arguments with `values` in the places of their floating point leaves."""
        filled = list(leaves)
        for k, x in zip(self.places, values, strict=True):
            filled[k] = x
        return self.structure.unflatten(filled)

    def take(self, derivatives: Any) -> list[Any]:
        leaves = self.structure.leaves_of(list(derivatives))
        return [leaves[k] for k in self.places]


def _is_float(x: Any) -> bool:
    return isinstance(x, float) or (hasattr(x, "dtype") and x.dtype.kind in "fc")


@holds_mark
def _within_scope(compute: Callable[[], Any]) -> Any:
    """The result of `compute`, of whose recording only what an enclosing transform needs is kept."""
    scope = Scope()
    try:
        scope.open()
        leaves, structure = tree.flatten(compute())
        return structure.unflatten(scope.finish(leaves))
    finally:
        scope.close()


def _pull(function: Callable[..., Any], argnums: Sequence[int], args: Sequence[Any], g: Any) -> Any:
    """Cotangents of the arguments `argnums`, recomputing the function."""
    restricted = _Restricted(function, argnums, args)
    found = _within_scope(lambda: vjp(restricted, *restricted.primals)[1](g))
    return restricted.put(restricted.leaves, found)


def _push(function: Callable[..., Any], argnums: Sequence[int], args: Sequence[Any], gs: Sequence[Any]) -> Any:
    restricted = _Restricted(function, argnums, args)
    return jvp(restricted, tuple(restricted.primals), tuple(restricted.take(gs)))[1]


# ---- checkpoint ----


def checkpoint(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, of whose intermediate values none are kept for the backward pass: it is run again there.

    A chain of n checkpointed steps keeps the arguments of each step and the intermediate values of one, for the price
    of one more forward pass. Derivatives are by positional arguments, and work in both modes to any order. Griewank and
    Walther, Algorithm 799: Revolve, 2000.

    >>> import numpy as np
    >>> import pyad
    >>> step = checkpoint(lambda x: np.sin(np.exp(x)))
    >>> pyad.grad(lambda x: step(step(x)))(0.0) == pyad.grad(lambda x: np.sin(np.exp(np.sin(np.exp(x)))))(0.0)
    np.True_
    """
    check_function("checkpoint", function)
    checkpointed = primitive(function)

    def pullback(argnums: Sequence[int], ans: Any, args: Any, keywords: Any) -> Callable[[Any], Any]:
        return lambda g: _pull(functools.partial(function, **keywords), argnums, args, g)

    def push(argnums: Sequence[int], gs: Any, ans: Any, args: Any, keywords: Any) -> Any:
        return _push(functools.partial(function, **keywords), argnums, args, gs)

    defvjp_argnums(checkpointed, pullback)
    defjvp_argnums(checkpointed, push)
    return checkpointed


# ---- fixed points ----


def _iterate(f: Any, a: Any, start: Any, distance: Callable[[Any, Any], Any], tol: float) -> Any:
    step = f(a)
    previous, x = start, step(start)
    while distance(x, previous) > tol:
        previous, x = x, step(x)
    return x


fixed_point = primitive(_iterate)
fixed_point.__name__ = fixed_point.__qualname__ = fixed_point.rules.name = "fixed_point"
fixed_point.__doc__ = """The x with x = f(a)(x), found by iterating from x0 until distance(x, previous x) <= tol.

    f maps the parameters a to the function that is iterated, so that derivatives by a follow from the fixed point
    alone, by the implicit function theorem, and no iteration is kept: the cotangent is itself a fixed point
    (Christianson, Reverse accumulation and attractive fixed points, 1994). x0 gets no derivative; a traced value that
    f takes from outside is refused.

    >>> import numpy as np
    >>> import pyad
    >>> newton = lambda a: lambda x: 0.5 * (x + a / x)
    >>> root = lambda a: fixed_point(newton, a, 1.0, lambda x, y: abs(x - y), 1e-12)
    >>> round(float(pyad.grad(root)(4.0)), 9)
    0.25
    """


def _backward_step(params: Any) -> Callable[[Any], Any]:
    """The iteration whose fixed point w has w = g + (its pullback through one step)."""
    f, a, x, g = params
    return lambda w: tree.map(operator.add, _pull(f(a), (0,), (x,), w)[0], g)


def _forward_step(params: Any) -> Callable[[Any], Any]:
    f, a, x, g = params
    return lambda w: tree.map(operator.add, _push(f(a), (0,), (x,), [w]), g)


def _zeros(x: Any) -> Any:
    return tree.map(lambda leaf: np.zeros(np.shape(leaf), leaf.dtype if hasattr(leaf, "dtype") else float)[()], x)


def _fixed_point_vjp(argnums: Sequence[int], ans: Any, args: Any, keywords: Any) -> Callable[[Any], Any]:
    f, a, _, distance, tol = args

    def pullback(g: Any) -> list[Any]:
        w = fixed_point(_backward_step, (f, a, ans, g), _zeros(ans), distance, tol)
        return [_pull(lambda a: f(a)(ans), (0,), (a,), w)[0] if n == 1 else None for n in argnums]

    return pullback


def _fixed_point_jvp(argnums: Sequence[int], gs: Any, ans: Any, args: Any, keywords: Any) -> Any:
    f, a, _, distance, tol = args
    if 1 not in argnums:
        return None
    direct = _push(lambda a: f(a)(ans), (0,), (a,), [gs[argnums.index(1)]])
    return fixed_point(_forward_step, (f, a, ans, direct), _zeros(ans), distance, tol)


defvjp_argnums(fixed_point, _fixed_point_vjp)
defjvp_argnums(fixed_point, _fixed_point_jvp)
