"""Random numbers that a function draws while it is recorded: they would be the same at every replay."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

__all__ = ["Draws", "state_of"]


class Draws:
    """The states of the generators that belong to NumPy and to Python, and whether they have moved."""

    def __init__(self) -> None:
        self._before = _states()
        self._drawn = False

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Around what runs again whenever the program does, and may draw."""
        self._drawn = self._drawn or _states() != self._before
        try:
            yield
        finally:
            self._before = _states()

    def refuse(self, generators: Iterable[tuple[Any, str, Any]] = ()) -> None:
        """Raise where the function has drawn, also from one of these generators, of which the state before is given."""
        if self._drawn or _states() != self._before:
            raise _drew("the generator that belongs to NumPy or to Python")
        for generator, path, before in generators:
            if state_of(generator) != before:
                raise _drew(path)


def _drew(path: str) -> TypeError:
    return TypeError(
        f"compile: the function drew random numbers from {path}, which would be the same at every later call; draw "
        "them outside and pass them as an argument"
    )


def _states() -> list[Any]:
    import random  # only now: whoever imports pyad need not wait for it, nor for NumPy's

    return [random.getstate(), state_of(np.random.mtrand._rand)]


def state_of(generator: Any) -> Any:
    """The state of a generator, to be compared."""
    if isinstance(generator, np.random.Generator):
        return _comparable(generator.bit_generator.state)
    if isinstance(generator, np.random.BitGenerator):
        return _comparable(generator.state)
    if isinstance(generator, np.random.RandomState):
        return _comparable(generator.get_state(legacy=False))
    # The generator of the system has no state; it is seen when it is called.
    return None if type(generator).__name__ == "SystemRandom" else generator.getstate()


def _comparable(state: Any) -> Any:
    if isinstance(state, dict):
        return {name: _comparable(part) for name, part in state.items()}
    return state.tobytes() if isinstance(state, np.ndarray) else state
