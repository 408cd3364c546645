"""Checks of derivatives against differences; `pyad.testing` does the work."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from pyad import testing
from pyad.autograd.wrap_util import unary_to_nary

__all__ = ["check_grads", "combo_check"]


@unary_to_nary
def check_grads(f: Any, x: Any, modes: Sequence[str] = ("fwd", "rev"), order: int = 2) -> None:
    """check_grads(f, argnum=0, modes, order)(*args): compare derivatives with differences; AssertionError if wrong."""
    testing.check_grads(f, (x,), order=order, modes=tuple(modes))


def combo_check(fun: Callable[..., Any], *settings: Any, **options: Any) -> Callable[..., None]:
    """combo_check(f, ...)(args0, args1, ..., key=values): `check_grads` for all combinations of what is listed."""

    def check(*args: Any, **keywords: Any) -> None:
        for values in itertools.product(*args):
            for chosen in itertools.product(*keywords.values()):
                check_grads(fun, *settings, **options)(*values, **dict(zip(keywords, chosen, strict=True)))

    return check
