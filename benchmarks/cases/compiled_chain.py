"""The chain of chain.py compiled: its replay at three sizes, its first call, and a chain of 100,000 operations."""

from __future__ import annotations

import cmath
import functools
import gc
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from harness import Case, Goal, Probe, timer_once

from cases import chain
from cases.common import (
    BY_HAND,
    JAX,
    PYAD,
    PYTORCH,
    UNCOMPILED,
    Run,
    agreement,
    called,
    import_jax,
    jitted,
    leaves,
    pyad_compile,
    race,
    replayed,
)

# ---- replay ----


def pyad_loss(size: int | None) -> Callable[[Any], Any]:
    """The chain in plain NumPy code. A new function on every call, which nothing can have been kept for."""

    def loss(x: Any) -> Any:
        y = chain.chain(x, np.exp, np.tanh)
        return y if size is None else np.sum(y)

    return loss


def jax_loss(size: int | None) -> Callable[[Any], Any]:
    jnp = import_jax().numpy

    def loss(x: Any) -> Any:
        y = chain.chain(x, jnp.exp, jnp.tanh)
        return y if size is None else jnp.sum(y)

    return loss


def pyad_run(bind: Callable[..., Run], size: int | None) -> Run:
    import pyad

    return bind(pyad.value_and_grad(pyad_loss(size)), (chain.point(size),))


def jax_run(size: int | None) -> Run:
    return jitted(import_jax().value_and_grad(jax_loss(size)), (chain.point(size),))


def numpy_preallocated(size: int) -> Run:
    """Forward and backward written out, without one allocation: every result goes into an array that is there."""
    x = chain.point(size)
    links = chain.OPERATIONS // 8
    kept = np.empty((links, 4, size))  # t1, u1, t2, u2 of each link
    y, y_bar, x_bar, scratch = np.empty((4, size))

    def forward() -> None:
        np.copyto(y, x)
        for t1, u1, t2, u2 in kept:
            np.tanh(y, out=t1)
            np.exp(t1, out=u1)
            np.multiply(u1, chain.C, out=y)
            np.add(y, x, out=y)
            np.tanh(y, out=t2)
            np.exp(t2, out=u2)
            np.multiply(u2, x, out=y)
            np.add(y, chain.C, out=y)

    def through_tanh(t: np.ndarray) -> None:
        np.multiply(t, t, out=scratch)
        np.subtract(1.0, scratch, out=scratch)
        np.multiply(y_bar, scratch, out=y_bar)

    def run() -> tuple[Any, Any]:
        forward()
        y_bar.fill(1.0)
        x_bar.fill(0.0)
        for t1, u1, t2, u2 in kept[::-1]:
            np.multiply(y_bar, u2, out=y_bar)
            np.add(x_bar, y_bar, out=x_bar)
            np.multiply(y_bar, x, out=y_bar)
            through_tanh(t2)
            np.add(x_bar, y_bar, out=x_bar)
            np.multiply(y_bar, chain.C, out=y_bar)
            np.multiply(y_bar, u1, out=y_bar)
            through_tanh(t1)
        np.add(x_bar, y_bar, out=x_bar)
        return np.sum(y), x_bar

    return run


def _replay(name: str, title: str, size: int | None, goals: Sequence[Goal]) -> Case:
    makers = {
        PYAD: functools.partial(pyad_run, replayed, size),
        UNCOMPILED: functools.partial(pyad_run, called, size),
        JAX: functools.partial(jax_run, size),
        PYTORCH: functools.partial(chain.pytorch, size),
    }
    if size is not None:
        makers[BY_HAND] = functools.partial(numpy_preallocated, size)
    return race(name, title, makers, goals)


# ---- first call ----


def first_call(
    compiled: Callable[[Callable], Callable], make: Callable[[], Callable], arguments: Sequence[Any]
) -> Probe:
    """The seconds of the first call of a function just compiled; each sample makes it anew. The process is warm."""
    compiled(make())(*arguments)

    def probe() -> float:
        fast = compiled(make())
        gc.collect()
        start = time.perf_counter()
        fast(*arguments)
        return time.perf_counter() - start

    return probe


def pyad_first(make: Callable[[], Callable], arguments: Sequence[Any]) -> Probe:
    return first_call(pyad_compile(), make, arguments)


def jax_first(make: Callable[[], Callable], arguments: Sequence[Any]) -> Probe:
    """JAX's first call; there is no need to wait for the result, which is a matter of microseconds."""
    jax = import_jax()
    return first_call(jax.jit, make, [jax.tree.map(jax.numpy.asarray, argument) for argument in arguments])


def _first_chain() -> Case:
    def ours() -> Callable:
        import pyad

        return pyad.value_and_grad(pyad_loss(None))

    def theirs() -> Callable:
        return import_jax().value_and_grad(jax_loss(None))

    arguments = (chain.point(None),)
    probes = {
        PYAD: functools.partial(pyad_first, ours, arguments),
        JAX: functools.partial(jax_first, theirs, arguments),
    }
    title = "1000 operations, scalar: first call"
    return Case("compiled-scalar-first", title, probes, goals=[Goal(limit=10e-3)], max_rounds=3)


# ---- 100,000 different operations ----

LONG = 100_000
LONG_POINT = -0.9
COMPLEX_STEP = "complex step, cmath"

# Functions with their inverses; between the two comes a factor, so that they do not cancel.
PAIRS = (("exp", "log"), ("sinh", "arcsinh"), ("tan", "arctan"), ("sqrt", "square"))


def long_program() -> list[tuple[str, str, float, float]]:
    """Links of five operations, as function, inverse, factor and shift; no two links have the same numbers."""
    rng = np.random.default_rng(31)
    count = LONG // 5
    pairs = rng.integers(0, len(PAIRS), count)
    factors = rng.uniform(0.99, 1.01, count).tolist()
    shifts = rng.uniform(0.005, 0.015, count).tolist()
    return [(*PAIRS[pair], factor, shift) for pair, factor, shift in zip(pairs, factors, shifts, strict=True)]


def long_chain(x: Any, functions: dict[str, Callable], program: list[tuple[str, str, float, float]]) -> Any:
    """The operations one after the other. What leaves a link stays near 1, where tan is finite and sqrt is smooth."""
    y = x + 2.0
    for there, back, factor, shift in program:
        y = functions[there](y)
        y = y * factor
        y = functions[back](y)
        y = y * 0.99
        y = y + shift
    return y


def long_loss() -> Callable[[Any], Any]:
    functions = {name: getattr(np, name) for pair in PAIRS for name in pair}
    program = long_program()
    return lambda x: long_chain(x, functions, program)


def complex_step() -> Run:
    """Value and derivative from one evaluation at x + 1e-150i, exact to rounding; no library is needed for it."""
    functions = {
        "arcsinh": cmath.asinh,
        "arctan": cmath.atan,
        "square": lambda z: z * z,
        **{name: getattr(cmath, name) for name in ("exp", "log", "sinh", "tan", "sqrt")},
    }
    program = long_program()

    def run() -> list[Any]:
        y = long_chain(complex(LONG_POINT, 1e-150), functions, program)
        return [y.real, y.imag / 1e-150]

    return run


def pyad_long() -> Run:
    """Compiling, recording and optimising, and a replay."""
    import pyad

    compiled = pyad_compile()
    loss = long_loss()

    def run() -> list[Any]:
        fast = compiled(pyad.value_and_grad(loss))
        fast(LONG_POINT * 0.97)
        return fast(LONG_POINT)

    return run


def pyad_long_uncompiled() -> Run:
    import pyad

    return functools.partial(pyad.value_and_grad(long_loss()), LONG_POINT)


def _long() -> Case:
    makers = {PYAD: pyad_long, UNCOMPILED: pyad_long_uncompiled, COMPLEX_STEP: complex_step}

    def probe(make: Callable[[], Run]) -> Probe:
        return timer_once(make())

    def result(make: Callable[[], Run]) -> list[Any]:
        return leaves(make()())

    probes = {key: functools.partial(probe, make) for key, make in makers.items()}
    compared = {key: functools.partial(result, make) for key, make in makers.items()}
    title = f"{LONG:,} different operations: recorded, optimised and replayed"
    check = agreement(compared, 1e-9)
    return Case("compiled-long", title, probes, goals=[Goal(limit=2.0)], check=check, max_rounds=3)


def cases() -> list[Case]:
    """Replays at three sizes, the first call, the long chain."""
    twice = Goal(JAX, 2)
    return [
        _replay("compiled-scalar", "compiled: 1000 operations, scalar", None, [twice]),
        _first_chain(),
        _replay("compiled-16", "compiled: 1000 operations, 16 elements", 16, [twice]),
        _replay("compiled-1000", "compiled: 1000 operations, 1000 elements", 1000, [twice, Goal(BY_HAND, 2)]),
        _long(),
    ]
