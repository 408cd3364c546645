"""A chain of operations, add, mul, tanh and exp mixed: value and gradient, on a scalar and on arrays.

Eight operations make a link: u = exp(tanh(y)), y = 0.999 u + x, and again u = exp(tanh(y)), y = x u + 0.999. The input
takes part in every link, once in a sum and once in a product, so that its gradient gathers 250 contributions per
thousand operations. With x in [-0.9, -0.6] the values stay between -1 and 1, and a link multiplies a cotangent by
0.8 to 0.95: nothing blows up, and a thousand operations stay clear of denormal numbers.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from harness import Case, Goal, Probe, in_fresh_process, timer, timer_once

from cases import memory
from cases.common import AUTOGRAD, BY_HAND, PYAD, PYTORCH, agreement, import_torch

C = 0.999
OPERATIONS = 1000
LONG = 1_000_000

Run = Callable[[], tuple[Any, Any]]


def chain(x: Any, exp: Callable, tanh: Callable, operations: int = OPERATIONS) -> Any:
    """The chain, for whatever type of `x` the two functions take."""
    y = x
    for _ in range(operations // 8):
        y = tanh(y)
        y = exp(y)
        y = y * C
        y = y + x
        y = tanh(y)
        y = exp(y)
        y = y * x
        y = y + C
    return y


def point(size: int | None) -> Any:
    """The input: a Python float when `size` is None, else a float64 array of that many elements."""
    return -0.9 if size is None else np.linspace(-0.9, -0.6, size)


# One contestant each: size of the input and number of operations in, a call that gives (value, gradient) out.


def pyad_numpy(size: int | None, operations: int = OPERATIONS) -> Run:
    """pyad through its own namespace."""
    import pyad
    import pyad.numpy as pnp

    def loss(x: Any) -> Any:
        y = chain(x, pnp.exp, pnp.tanh, operations)
        return y if size is None else pnp.sum(y)

    return functools.partial(pyad.value_and_grad(loss), point(size))


def pyad_plain(size: int | None, operations: int = OPERATIONS) -> Run:
    """pyad on a function that knows NumPy only."""
    import pyad

    def loss(x: Any) -> Any:
        y = chain(x, np.exp, np.tanh, operations)
        return y if size is None else np.sum(y)

    return functools.partial(pyad.value_and_grad(loss), point(size))


def pytorch(size: int | None, operations: int = OPERATIONS) -> Run:
    torch = import_torch()
    x = torch.tensor(point(size), dtype=torch.float64, requires_grad=True)

    def run() -> tuple[Any, Any]:
        y = chain(x, torch.exp, torch.tanh, operations)
        if size is not None:
            y = y.sum()
        (gradient,) = torch.autograd.grad(y, x)
        return y.detach(), gradient

    return run


def hips_autograd(size: int | None, operations: int = OPERATIONS) -> Run:
    import autograd
    import autograd.numpy as anp

    def loss(x: Any) -> Any:
        y = chain(x, anp.exp, anp.tanh, operations)
        return y if size is None else anp.sum(y)

    return functools.partial(autograd.value_and_grad(loss), point(size))


def micrograd(size: int | None, operations: int = OPERATIONS) -> Run:
    """micrograd's Value, with the two functions its package leaves out, in the style of its own."""
    from micrograd.engine import Value

    def unary(x: Any, value: float, slope: float) -> Any:
        out = Value(value, (x,))

        def backward() -> None:
            x.grad += slope * out.grad

        out._backward = backward
        return out

    def exp(x: Any) -> Any:
        value = math.exp(x.data)
        return unary(x, value, value)

    def tanh(x: Any) -> Any:
        value = math.tanh(x.data)
        return unary(x, value, 1.0 - value * value)

    def run() -> tuple[Any, Any]:
        x = Value(point(None))
        y = chain(x, exp, tanh, operations)
        y.backward()
        return y.data, x.grad

    # Its sort recurses over the graph, once per operation.
    sys.setrecursionlimit(max(sys.getrecursionlimit(), 2 * operations + 1000))
    return run


def numpy_forward(size: int | None, operations: int = OPERATIONS) -> Run:
    """The value alone, without a gradient: what recording is measured against."""
    x = np.float64(point(None)) if size is None else point(size)

    def run() -> tuple[Any, Any]:
        return np.sum(chain(x, np.exp, np.tanh, operations)), None

    return run


def numpy_by_hand(size: int | None, operations: int = OPERATIONS) -> Run:
    """Forward and backward written out: keeps what the backward pass reads, works in place where nothing is lost."""
    x = point(size)

    def run() -> tuple[Any, Any]:
        kept = []
        y = x
        for _ in range(operations // 8):
            t1 = np.tanh(y)
            u1 = np.exp(t1)
            y = u1 * C
            y += x
            t2 = np.tanh(y)
            u2 = np.exp(t2)
            y = u2 * x
            y += C
            kept.append((t1, u1, t2, u2))
        y_bar = np.ones_like(x)
        x_bar = np.zeros_like(x)
        for t1, u1, t2, u2 in reversed(kept):
            x_bar += y_bar * u2
            y_bar *= x
            y_bar *= u2
            y_bar *= 1.0 - t2 * t2
            x_bar += y_bar
            y_bar *= C
            y_bar *= u1
            y_bar *= 1.0 - t1 * t1
        x_bar += y_bar
        return y.sum(), x_bar

    return run


PYAD_PLAIN = "pyad, plain NumPy code"
MICROGRAD = "micrograd"
FORWARD = "NumPy, forward alone"

SCALAR = {
    PYAD: pyad_numpy,
    PYAD_PLAIN: pyad_plain,
    PYTORCH: pytorch,
    AUTOGRAD: hips_autograd,
    MICROGRAD: micrograd,
    FORWARD: numpy_forward,
}
ARRAY = {
    PYAD: pyad_numpy,
    PYAD_PLAIN: pyad_plain,
    PYTORCH: pytorch,
    AUTOGRAD: hips_autograd,
    BY_HAND: numpy_by_hand,
    FORWARD: numpy_forward,
}


def _timed(name: str, title: str, makers: dict[str, Callable[..., Run]], size: int | None, goals: list[Goal]) -> Case:
    def probe(make: Callable[..., Run]) -> Probe:
        return timer(make(size))

    def results(make: Callable[..., Run]) -> tuple[Any, Any]:
        return make(size)()

    contestants = {key: functools.partial(probe, make) for key, make in makers.items()}
    compared = {key: functools.partial(results, make) for key, make in makers.items() if key != FORWARD}
    return Case(name, title, contestants, goals=goals, check=agreement(compared, 1e-9))


def cases() -> list[Case]:
    """The chain of a thousand operations at three sizes."""
    scalar_goals = [Goal(PYTORCH, 10), Goal(AUTOGRAD, 25), Goal(MICROGRAD, 3.5)]
    array_goals = [Goal(PYTORCH, 10), Goal(AUTOGRAD, 25)]
    return [
        _timed("chain-scalar", "1000 operations, scalar", SCALAR, None, scalar_goals),
        _timed("chain-16", "1000 operations, 16 elements", ARRAY, 16, array_goals),
        _timed("chain-1000", "1000 operations, 1000 elements", ARRAY, 1000, [Goal(BY_HAND, 1)]),
    ]


# The chain of a million operations: seconds here, bytes in a process of its own.

LONG_MAKERS = {PYAD: pyad_numpy, PYTORCH: pytorch}


def long_bytes(key: str) -> float:
    """Peak memory of one value and gradient of the long chain, in bytes per operation. Runs in a child process."""
    make = LONG_MAKERS[key]
    make(None)()  # loads and caches whatever a first call does
    return memory.peak_of(make(None, LONG)) / LONG


def _installed(make: Callable[..., Run], probe: Probe) -> Probe:
    make(None, 8)  # raises ModuleNotFoundError here rather than in the child
    return probe


def long_cases() -> list[Case]:
    """A million operations: time and memory."""

    def seconds(make: Callable[..., Run]) -> Probe:
        make(None)()  # loads and caches whatever a first call does
        return timer_once(make(None, LONG))

    def size(key: str) -> Probe:
        return _installed(LONG_MAKERS[key], functools.partial(in_fresh_process, long_bytes, key))

    timed = {key: functools.partial(seconds, make) for key, make in LONG_MAKERS.items()}
    sized = {key: functools.partial(size, key) for key in LONG_MAKERS}
    return [
        Case("long-time", "1,000,000 operations, scalar", timed, goals=[Goal(limit=1.0)], max_rounds=3),
        Case("long-bytes", "its peak memory, per operation", sized, "B", [Goal(limit=200)], max_rounds=1),
    ]
