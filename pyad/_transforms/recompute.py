"""One pullback or push of which nothing stays on the tape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pyad import tree
from pyad._binding.engine import holds_mark
from pyad._transforms.grad import vjp
from pyad._transforms.jvp import jvp
from pyad._transforms.scope import TapeScope


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
    scope = TapeScope()
    try:
        scope.open()
        leaves, structure = tree.flatten(compute())
        return structure.unflatten(scope.finish(leaves))
    finally:
        scope.close()


def pull(function: Callable[..., Any], argnums: Sequence[int], args: Sequence[Any], g: Any) -> Any:
    """Cotangents of the arguments `argnums`, recomputing the function."""
    restricted = _Restricted(function, argnums, args)
    found = _within_scope(lambda: vjp(restricted, *restricted.primals)[1](g))
    return restricted.put(restricted.leaves, found)


def push(function: Callable[..., Any], argnums: Sequence[int], args: Sequence[Any], gs: Sequence[Any]) -> Any:
    restricted = _Restricted(function, argnums, args)
    return jvp(restricted, tuple(restricted.primals), tuple(restricted.take(gs)))[1]
