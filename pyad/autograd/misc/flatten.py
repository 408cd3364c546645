"""Containers of arrays as one vector, dicts in the order of their sorted keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyad.tree import ravel

__all__ = ["flatten", "flatten_func"]


def flatten(value: Any) -> tuple[Any, Callable[[Any], Any]]:
    """All numbers of nested tuples, lists and dicts as one vector, and the function that nests such a vector again."""
    return ravel(_sorted(value))


def _sorted(value: Any) -> Any:
    if type(value) is dict:
        return {key: _sorted(value[key]) for key in sorted(value)}
    return type(value)(map(_sorted, value)) if type(value) in (list, tuple) else value


def flatten_func(func: Callable[..., Any], example: Any) -> tuple[Any, Any, Any]:
    """A function on vectors for one on containers like `example`; with `unflatten` and the example as a vector."""
    vector, unflatten = flatten(example)
    return lambda x, *args: flatten(func(unflatten(x), *args))[0], unflatten, vector
