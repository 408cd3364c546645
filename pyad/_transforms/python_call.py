"""Calls of functions that Python runs, as nodes: the one way in which they are recorded and found again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyad import tree
from pyad._binding import dtypes, memory
from pyad._binding.dtypes import F64
from pyad._trace.array import is_traced
from pyad._trace.op import Op, kept_entry, record_ran
from pyad._trace.packing import Packing
from pyad.errors import DTypeError


class Outputs(Packing):
    """How the outputs of a function lie in one vector, and in which containers they were; a single one stays itself."""

    __slots__ = ("single", "structure")

    def __init__(self, name: str, leaves: list[Any], structure: Any) -> None:
        if not leaves:
            raise TypeError(f"{name}: the function must return an array or a container of arrays, got {structure}")
        for x in leaves:
            check_numbers(name, "returned", x)
        super().__init__([x.shape if is_traced(x) else np.shape(x) for x in leaves], [float_dtype(x) for x in leaves])
        self.single = len(leaves) == 1
        self.structure = structure

    def pack(self, arrays: Sequence[Any]) -> Any:
        """One traced or plain array of all outputs."""
        return arrays[0] if self.single else super().pack(arrays)

    def unpack(self, packed: Any) -> Any:
        """The outputs in their containers."""
        return self.structure.unflatten([packed] if self.single else super().unpack(packed))


def check_numbers(name: str, did: str, x: Any) -> None:
    """Raise where a value that a user's function or rule gave is no number or array of numbers."""
    if is_traced(x):
        return
    dtype = np.asarray(x).dtype
    if dtype.kind not in "fiubc":
        raise DTypeError(f"{name}: {did} a value of dtype {dtype}, expected numbers or arrays of numbers")


def float_dtype(x: Any) -> np.dtype:
    dtype = x.dtype if is_traced(x) else np.asarray(x).dtype
    return dtype if dtype in dtypes.INEXACT else F64


class PythonCall:
    """One call of a user's function, as the tape keeps it: what the rule is given besides the operands."""

    __slots__ = ("args", "function", "outputs", "places", "residuals", "structure")

    def __init__(self, function: Any, args: tuple[Any, ...], outputs: Outputs, residuals: Any = None) -> None:
        self.function = function
        self.outputs = outputs
        self.residuals = residuals
        self.args, self.structure = tree.flatten(args)
        self.places = [k for k, x in enumerate(self.args) if is_traced(x)]

    @property
    def operands(self) -> list[int]:
        return [self.args[k]._h for k in self.places]

    def read_later(self) -> list[int]:
        """Handles of what the rule will read besides the operands, so that the engine sees to it that it "
        "stays as it is."""
        leaves = [x for x in tree.leaves(self.residuals) if is_traced(x) or _can_lend(x)]
        leaves += [x for k, x in enumerate(self.args) if k not in self.places and _can_lend(x)]
        return [x._h if is_traced(x) else memory.lend(x, 1) for x in leaves]

    def saved(self, operands: Sequence[Any]) -> Any:
        """The residuals as a rule is to see them, traced or plain. The node's operands have them after the arguments:
        a traced residual itself is of no use once the transform that recorded it has ended.
        """
        leaves, structure = tree.flatten(self.residuals)
        read = iter(operands[len(self.places) :])
        for k, x in enumerate(leaves):
            if is_traced(x):
                leaves[k] = next(read)
            elif _can_lend(x):
                next(read)
        return structure.unflatten(leaves)

    @property
    def count(self) -> int:
        """How many arguments the function was called with, those in nondiff_argnums aside."""
        return len(self.structure.unflatten(self.args))

    def zeros(self) -> list[Any]:
        """No tangent, for each leaf of the arguments that is not traced; None in the places of the others."""
        places = set(self.places)
        return [None if k in places else zeros_like(x) for k, x in enumerate(self.args)]

    def arguments(self, operands: Sequence[Any]) -> tuple[Any, ...]:
        """The call's arguments with `operands` in the places of the traced ones."""
        leaves = list(self.args)
        for k, x in zip(self.places, operands, strict=True):
            leaves[k] = x
        return self.structure.unflatten(leaves)


def _can_lend(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype in dtypes.CODES


def record_call(op: Op, call: PythonCall, value: Any, reads: bool = True) -> Any:
    """Put the call on the tape with the (packed) value it gave; returns the outputs. `reads`: the rule reads values."""
    operands = call.operands + (call.read_later() if reads else [])
    return call.outputs.unpack(record_ran(op, operands, call, value, float_dtype(value)))


def name_of(params: tuple[int, ...]) -> str:
    return kept_entry(params).function._name()


def padded(call: PythonCall, cotangents: tuple[Any, ...], operands: list[Any]) -> tuple[Any, ...]:
    """No cotangents for what is an operand only because the rule reads it."""
    return (*cotangents, *[None] * (len(operands) - len(call.places)))


def zeros_like(x: Any) -> Any:
    shape = x.shape if is_traced(x) else np.shape(x)
    return np.zeros(shape, float_dtype(x))[()]
