"""autograd's optimisers: functions of a gradient and a start, with its formulas and defaults.

The gradient is called as grad(x, i), and a callback as callback(x, i, gradient) before each step. x may be any nesting
of tuples, lists and dicts of arrays. Nothing is changed in place, so the result can be differentiated. `pyad.nn` has
optimisers that are faster and update in place.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from pyad.autograd.misc.flatten import flatten

__all__ = ["adam", "rmsprop", "sgd", "unflatten_optimizer"]


def unflatten_optimizer(optimize: Callable[..., Any]) -> Callable[..., Any]:
    """An optimiser of vectors made one of containers of arrays."""

    @functools.wraps(optimize)
    def optimize_tree(grad: Any, x0: Any, callback: Any = None, *args: Any, **keywords: Any) -> Any:
        start, unflatten = flatten(x0)

        def flat_grad(x: Any, i: int) -> Any:
            return flatten(grad(unflatten(x), i))[0]

        def flat_callback(x: Any, i: int, g: Any) -> Any:
            return callback(unflatten(x), i, unflatten(g))

        return unflatten(optimize(flat_grad, start, flat_callback if callback else None, *args, **keywords))

    return optimize_tree


def _descend(grad: Any, x: Any, callback: Any, num_iters: int, step: Callable[..., Any], *state: Any) -> Any:
    """x after num_iters steps; step(i, g, *state) gives what is added to x and the next state."""
    for i in range(num_iters):
        g = grad(x, i)
        if callback:
            callback(x, i, g)
        change, *state = step(i, g, *state)
        x = x + change
    return x


@unflatten_optimizer
def sgd(
    grad: Any, x: Any, callback: Any = None, num_iters: int = 200, step_size: float = 0.1, mass: float = 0.9
) -> Any:
    """Gradient descent whose velocity is a running mean of the gradients, of which it keeps the share `mass`."""

    def step(i: int, g: Any, velocity: Any) -> Any:
        velocity = mass * velocity - (1.0 - mass) * g
        return step_size * velocity, velocity

    return _descend(grad, x, callback, num_iters, step, np.zeros(len(x)))


@unflatten_optimizer
def rmsprop(
    grad: Any,
    x: Any,
    callback: Any = None,
    num_iters: int = 100,
    step_size: float = 0.1,
    gamma: float = 0.9,
    eps: float = 1e-8,
) -> Any:
    """Steps divided by the root of the running mean of squared gradients, which begins at one."""

    def step(i: int, g: Any, squares: Any) -> Any:
        squares = gamma * squares + (1.0 - gamma) * g**2
        return -step_size * g / (np.sqrt(squares) + eps), squares

    return _descend(grad, x, callback, num_iters, step, np.ones(len(x)))


@unflatten_optimizer
def adam(
    grad: Any,
    x: Any,
    callback: Any = None,
    num_iters: int = 100,
    step_size: float = 0.001,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
) -> Any:
    """Kingma and Ba, Adam: a method for stochastic optimization, 2015."""

    def step(i: int, g: Any, m: Any, v: Any) -> Any:
        m = b1 * m + (1.0 - b1) * g
        v = b2 * v + (1.0 - b2) * g**2
        scaled = m / (1.0 - b1 ** (i + 1))
        return -step_size * scaled / (np.sqrt(v / (1.0 - b2 ** (i + 1))) + eps), m, v

    return _descend(grad, x, callback, num_iters, step, np.zeros(len(x)), np.zeros(len(x)))
