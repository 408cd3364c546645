"""Arrays read and written element by element, as loops do: time per element at two lengths, as it has to be linear."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from harness import Case, Goal, Probe, timer

from cases.common import AUTOGRAD, PYAD, PYTORCH, agreement, import_torch

READS = 1000
LENGTHS = (1000, 8000)

Gradient = Callable[[], Any]


def numbers(count: int) -> np.ndarray:
    """The same on every call."""
    return np.random.default_rng(5).standard_normal(count)


# ---- reads ----


def total(x: Any) -> Any:
    """The sum, by a loop over x[i]."""
    out = x[0]
    for i in range(1, len(x)):
        out = out + x[i]
    return out


def pyad_reads() -> Gradient:
    import pyad

    x = numbers(READS)
    gradient = pyad.grad(total)
    return lambda: gradient(x)


def pytorch_reads() -> Gradient:
    torch = import_torch()
    x = torch.tensor(numbers(READS), requires_grad=True)
    return lambda: torch.autograd.grad(total(x), x)[0]


def autograd_reads() -> Gradient:
    from autograd import grad

    x = numbers(READS)
    gradient = grad(total)
    return lambda: gradient(x)


# ---- writes ----


def recurrence(a: Any, x: Any) -> Any:
    """Fills a with a[i] = a[i - 1] / 2 + x[i]."""
    a[0] = x[0]
    for i in range(1, len(x)):
        a[i] = 0.5 * a[i - 1] + x[i]
    return a


def pyad_writes(length: int) -> Gradient:
    import pyad
    import pyad.numpy as pnp

    x = numbers(length)
    gradient = pyad.grad(lambda x: pnp.sum(recurrence(pnp.zeros(length), x) ** 2))
    return lambda: gradient(x)


def pytorch_writes(length: int) -> Gradient:
    torch = import_torch()
    x = torch.tensor(numbers(length), requires_grad=True)

    def gradient() -> Any:
        a = recurrence(torch.zeros(length, dtype=torch.float64), x)
        return torch.autograd.grad((a**2).sum(), x)[0]

    return gradient


def autograd_writes(length: int) -> Gradient:
    """Arrays cannot be assigned into there, so a list is filled and made an array."""
    import autograd.numpy as anp
    from autograd import grad

    x = numbers(length)
    gradient = grad(lambda x: anp.sum(anp.array(recurrence([0.0] * length, x)) ** 2))
    return lambda: gradient(x)


def _case(name: str, title: str, per: int, makers: dict[str, Callable[[], Gradient]], goals: list[Goal]) -> Case:
    def probe(make: Callable[[], Gradient]) -> Probe:
        return timer(make(), per=per)

    def result(make: Callable[[], Gradient]) -> list[Any]:
        return [make()()]

    contestants = {key: functools.partial(probe, make) for key, make in makers.items()}
    compared = {key: functools.partial(result, make) for key, make in makers.items()}
    return Case(name, title, contestants, goals=goals, check=agreement(compared, 1e-9), max_rounds=11)


def cases() -> list[Case]:
    """A thousand reads, and a recurrence written into an array."""
    reads = {PYAD: pyad_reads, PYTORCH: pytorch_reads, AUTOGRAD: autograd_reads}
    writers = {PYAD: pyad_writes, PYTORCH: pytorch_writes, AUTOGRAD: autograd_writes}
    found = [_case("reads", f"{READS} reads x[i] and gradient", 1, reads, [Goal(limit=1e-3)])]
    for length in LENGTHS:
        makers = {key: functools.partial(make, length) for key, make in writers.items()}
        title = f"recurrence written into an array of {length}, and gradient, per element"
        found.append(_case(f"writes-{length}", title, length, makers, []))
    return found
