"""What a function sees while a compiled program is being recorded, where it would see plain values otherwise.

Nothing is differentiated through integers and booleans, so a transform hands them out as plain NumPy values. In a
program they depend on its arguments, and have to be computed again whenever it runs. So each is a `TracedInteger`
here: it computes what NumPy does, by nodes that the program runs. Where Python needs one as a number, to branch, to
index or to count, its value becomes a guard: the program is right for as long as the value is the same.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from pyad._binding import engine, memory
from pyad._binding.dtypes import DTYPES
from pyad._binding.engine import FAILED, LARGE
from pyad._trace.array import NODES, Array, Held, numpy_value
from pyad._trace.guards import unguarded

new_array = Array.__new__


class TracedInteger:
    """Integers or booleans that depend on the arguments of the program that is being recorded."""

    __slots__ = ("_h", "_keep", "_own")
    __hash__ = None  # type: ignore[assignment]
    __array_priority__ = 1001.0

    def __init__(self, handle: int) -> None:
        if handle >= FAILED:
            raise engine.error(handle)
        if handle >= LARGE:
            handle -= LARGE
            self._keep = Held(handle)
        self._h = handle
        self._own = False  # nothing else shares the memory that it stands for, so that it can be written into

    @property
    def shape(self) -> tuple[int, ...]:
        return memory.shape_of(memory.node_info(self._h))

    @property
    def dtype(self) -> np.dtype:
        return DTYPES[memory.node_info(self._h).dtype]

    @property
    def ndim(self) -> int:
        return memory.node_info(self._h).ndim

    @property
    def size(self) -> int:
        return memory.node_info(self._h).size

    def __len__(self) -> int:
        shape = self.shape
        if not shape:
            raise TypeError("len() of unsized object")
        return shape[0]

    def __repr__(self) -> str:
        return f"<{self.dtype}{list(self.shape)} of a program that is being recorded: {unguarded(self)}>"

    # ---- as a value that decides what is recorded ----

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(numpy_value(self), dtype)

    def __str__(self) -> str:
        return str(numpy_value(self))

    def __format__(self, spec: str) -> str:
        return format(numpy_value(self), spec)

    def __bool__(self) -> bool:
        return bool(numpy_value(self))

    def __int__(self) -> int:
        return int(numpy_value(self))

    def __float__(self) -> float:
        return float(numpy_value(self))

    def __index__(self) -> int:
        return operator.index(numpy_value(self))

    def item(self, *place: int) -> Any:
        return np.asarray(numpy_value(self)).item(*place)

    def tolist(self) -> Any:
        return numpy_value(self).tolist()

    # What computes with it is attached by integer_methods.py.

    def as_array(self) -> Array:
        """The same value as a traced array, for operations with floats."""
        array = new_array(Array)
        array._h = self._h
        if hasattr(self, "_keep"):
            array._keep = self._keep
        return array

    @classmethod
    def of(cls, array: Array) -> TracedInteger:
        """A traced array of integers or booleans, as what it is to the function."""
        made = cls(array._h)
        if hasattr(array, "_keep"):
            made._keep = array._keep
        return made


NODES.add(TracedInteger)


def owned(made: TracedInteger) -> TracedInteger:
    """What an operation has just made."""
    made._own = bool(made.shape)
    return made
