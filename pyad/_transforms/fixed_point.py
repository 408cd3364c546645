"""Derivatives of fixed points by the implicit function theorem."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pyad import tree
from pyad._transforms import recompute
from pyad._transforms.primitive import defjvp_argnums, defvjp_argnums, primitive


def _iterate(f: Any, a: Any, start: Any, distance: Callable[[Any, Any], Any], tol: float) -> Any:
    step = f(a)
    previous, x = start, step(start)
    while distance(x, previous) > tol:
        previous, x = x, step(x)
    return x


fixed_point = primitive(_iterate)
fixed_point.__name__ = fixed_point.__qualname__ = fixed_point.rules.name = "fixed_point"
fixed_point.__doc__ = """The x with x = f(a)(x), found by iterating from a start until distance(x, previous x) <= tol.

    f maps the parameters a to the function that is iterated, so that derivatives by a follow from the fixed point
    alone, by the implicit function theorem, and no iteration is kept: the cotangent is itself a fixed point
    (B. Christianson, "Reverse accumulation and attractive fixed points", 1994).

    Args:
        f: A function of a that returns a function of x.
        a: Parameters: numbers and arrays, or containers of them.
        start: The first x, a number, array or container; it has no derivative.
        distance: A function of two x that returns a number.
        tol: Where the iteration ends. It does not end where this is not reached.

    Returns:
        x, in the containers of `start`.

    Raises:
        ConcretizationError: f takes a traced value from outside.

    >>> import pyad
    >>> newton = lambda a: lambda x: 0.5 * (x + a / x)
    >>> root = lambda a: pyad.fixed_point(newton, a, 1.0, lambda x, y: abs(x - y), 1e-12)
    >>> pyad.grad(root)(4.0).round(9)
    np.float64(0.25)
    """


def _backward_step(params: Any) -> Callable[[Any], Any]:
    """The iteration whose fixed point w has w = g + (its pullback through one step)."""
    f, a, x, g = params
    return lambda w: tree.map(operator.add, recompute.pull(f(a), (0,), (x,), w)[0], g)


def _forward_step(params: Any) -> Callable[[Any], Any]:
    f, a, x, g = params
    return lambda w: tree.map(operator.add, recompute.push(f(a), (0,), (x,), [w]), g)


def _zeros(x: Any) -> Any:
    return tree.map(lambda leaf: np.zeros(np.shape(leaf), leaf.dtype if hasattr(leaf, "dtype") else float)[()], x)


def _fixed_point_vjp(argnums: Sequence[int], ans: Any, args: Any, keywords: Any) -> Callable[[Any], Any]:
    f, a, _, distance, tol = args

    def pullback(g: Any) -> list[Any]:
        w = fixed_point(_backward_step, (f, a, ans, g), _zeros(ans), distance, tol)
        return [recompute.pull(lambda a: f(a)(ans), (0,), (a,), w)[0] if n == 1 else None for n in argnums]

    return pullback


def _fixed_point_jvp(argnums: Sequence[int], gs: Any, ans: Any, args: Any, keywords: Any) -> Any:
    f, a, _, distance, tol = args
    if 1 not in argnums:
        return None
    direct = recompute.push(lambda a: f(a)(ans), (0,), (a,), [gs[argnums.index(1)]])
    return fixed_point(_forward_step, (f, a, ans, direct), _zeros(ans), distance, tol)


defvjp_argnums(fixed_point, _fixed_point_vjp)
defjvp_argnums(fixed_point, _fixed_point_jvp)
