"""The arguments to differentiate by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyad import tree

ArgNums = int | Sequence[int]


class ChosenArguments:
    """The arguments to differentiate by: `argnums` as given, the leaves in them, and the call with other leaves."""

    __slots__ = ("args", "leaves", "numbers", "single", "structure")

    def __init__(self, name: str, args: tuple[Any, ...], argnums: ArgNums) -> None:
        self.args = args
        self.single = type(argnums) is int or isinstance(argnums, np.integer)
        given = (argnums,) if self.single else _several(name, argnums)
        for n in given:
            if not -len(args) <= n < len(args):
                raise ValueError(
                    f"{name}: argnums {n} is out of range, the function was called with {len(args)} positional "
                    f"argument{'' if len(args) == 1 else 's'}"
                )
        self.numbers = [int(n) % len(args) for n in given]
        if len(set(self.numbers)) != len(self.numbers):
            raise ValueError(f"{name}: argnums {argnums} names an argument twice")
        chosen = args[self.numbers[0]] if self.single else tuple(args[n] for n in self.numbers)
        self.leaves, self.structure = tree.flatten(chosen)
        if not self.leaves:
            self.refuse_nothing(name)

    def place(self, which: int) -> str:
        """How a leaf is reached, as words for a message; empty where it is the argument itself."""
        path = self.structure.paths()[which]
        if self.single:
            return path
        number, _, rest = path.removeprefix("[").partition("]")
        return f"argument {self.numbers[int(number)]}{', at ' + rest if rest else ''}"

    def refuse_nothing(self, name: str) -> None:
        """Raise where there is nothing to differentiate by."""
        for n in self.numbers:
            if self.args[n] is None:
                raise TypeError(
                    f"{name}: argument {n} is None, so there is nothing to differentiate; argnums says by which "
                    "arguments, the first one where it is not given"
                )

    def call_args(self, leaves: list[Any]) -> list[Any]:
        """The positional arguments with `leaves` in place of the chosen ones'."""
        chosen = self.structure.unflatten(leaves)
        args = list(self.args)
        if self.single:
            args[self.numbers[0]] = chosen
        else:
            for n, part in zip(self.numbers, chosen, strict=True):
                args[n] = part
        return args


def _several(name: str, argnums: Any) -> tuple[int, ...]:
    """Several argnums, none of them a bool or anything else that is no position."""
    given = tuple(argnums) if isinstance(argnums, Sequence | np.ndarray) else (argnums,)
    if not given or not all(isinstance(n, int | np.integer) and type(n) is not bool for n in given):
        raise TypeError(f"{name}: argnums must be an integer or a sequence of integers, got {argnums!r}")
    return given


def _check_argnums(name: str, argnums: Any) -> None:
    """Raise where what stands in the place of argnums is an argument for the function."""
    if isinstance(argnums, int | np.integer) and type(argnums) is not bool:
        return
    try:
        _several(name, argnums)
    except TypeError:
        given = f"an array of {argnums.dtype}" if isinstance(argnums, np.ndarray) else repr(argnums)
        raise TypeError(
            f"{name}: argnums must be an integer or a sequence of integers, got {given}; where that is an argument of "
            f"the function, write {name}(f)(x)"
        ) from None


def check_function(name: str, function: Any, argnums: Any = 0) -> None:
    """Raise for what a transform is given in the places of a function and of argnums."""
    if not callable(function):
        raise TypeError(f"{name}: the first argument must be a function, got {type(function).__name__}")
    if type(argnums) is not int:
        _check_argnums(name, argnums)


def tangents_for(name: str, structure: Any, tangents: Any) -> list[Any]:
    """The leaves of the tangents, whose containers must be the primals'."""
    try:
        return structure.leaves_of(tangents, "the tuple of tangents")
    except tree.TreeError as problem:
        raise TypeError(f"{name}: {problem}") from None
