"""The backward sweep alone, over the scalar chain that is already recorded: time per node."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from harness import Case, Goal, Probe, timer

from cases.chain import OPERATIONS, chain, point
from cases.common import AUTOGRAD, PYAD, PYTORCH, agreement, import_torch

Pullback = Callable[[], Any]


def pyad_pullback() -> Pullback:
    """The sweep as users reach it: the pullback of `pyad.vjp`, called again and again."""
    import pyad
    import pyad.numpy as pnp

    _, pullback = pyad.vjp(lambda x: chain(x, pnp.exp, pnp.tanh), point(None))
    return lambda: pullback(1.0)[0]


def pytorch_pullback() -> Pullback:
    torch = import_torch()
    x = torch.tensor(point(None), dtype=torch.float64, requires_grad=True)
    y = chain(x, torch.exp, torch.tanh)
    return lambda: torch.autograd.grad(y, x, retain_graph=True)[0]


def autograd_pullback() -> Pullback:
    import autograd.numpy as anp
    from autograd import make_vjp

    pullback, _ = make_vjp(lambda x: chain(x, anp.exp, anp.tanh))(point(None))
    return lambda: pullback(1.0)


MAKERS = {PYAD: pyad_pullback, PYTORCH: pytorch_pullback, AUTOGRAD: autograd_pullback}


def cases() -> list[Case]:
    """The sweep over a thousand nodes, divided by their number."""

    def probe(make: Callable[[], Pullback]) -> Probe:
        return timer(make(), per=OPERATIONS)

    def result(make: Callable[[], Pullback]) -> list[Any]:
        return [make()()]

    contestants = {key: functools.partial(probe, make) for key, make in MAKERS.items()}
    compared = {key: functools.partial(result, make) for key, make in MAKERS.items()}
    title = "backward sweep alone, scalar, per node"
    return [Case("sweep", title, contestants, goals=[Goal(limit=100e-9)], check=agreement(compared, 1e-9))]
