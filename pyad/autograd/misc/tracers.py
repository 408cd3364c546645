"""Graphs that are kept."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

__all__ = ["const_graph"]


def const_graph(fun: Callable[..., Any], *args: Any, **keywords: Any) -> Callable[..., Any]:
    """The function with these first arguments. It is run at each call: its graph need not be the same each time."""
    return functools.partial(fun, *args, **keywords)
