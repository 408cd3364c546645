"""The pullback that `vjp` returns, and the tape it keeps."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from pyad import tree
from pyad._binding import engine, memory
from pyad._binding.dtypes import DTYPES
from pyad._binding.engine import ffi, lib
from pyad._trace.array import is_traced
from pyad._trace.op import handle_of
from pyad._trace.promotion import constant
from pyad._transforms.leaves import input_avals
from pyad._transforms.scope import TapeScope
from pyad._transforms.sweep import FORWARD, RECORDED, RETAIN, check, sweep
from pyad.errors import DTypeError, ShapeError

_cell = ffi.typeof("pyad_saved_tape *[1]")


class SavedTape:
    """A tape that left its thread's engine with the mark of a scope, to be swept again; freed by that thread."""

    __slots__ = ("cell", "engine", "keep", "kept")

    def __init__(self, scope: TapeScope) -> None:
        self.engine = scope.engine
        self.keep = scope.keep
        self.kept = len(scope.keep)
        cell = ffi.new(_cell)
        # Its end may come on any thread, and would be interrupted if it were a function of Python's.
        self.cell = ffi.gc(cell, self.engine.dead.append)
        check(lib.pyad_tape_take(cell))
        self.engine.keep = []
        engine._saved[scope.generation] = threading.get_ident()

    @engine.holds_mark
    def run(self, work: Callable[[], list[Any]]) -> list[Any]:
        """What `work` gives with this tape in the place of the thread's. What it puts on the tape is cut away again."""
        here = self.engine
        if engine.current() is not here:
            from pyad.errors import LeakError

            raise LeakError(
                "a pullback was called on another thread than the one that made it with pyad.vjp; call vjp on the "
                "thread "
                "that calls the pullback"
            )
        if lib.pyad_depth():
            here.is_idle(sys._getframe(1))
        outside = here.keep
        turning = _Turning(self, outside)
        try:
            here.keep = turning
            check(lib.pyad_tape_enter(self.cell[0], engine.next_generation()))
            here.keep = self.keep
            return work()
        finally:
            here.keep = turning
            lib.pyad_tape_leave(self.cell[0])
            here.keep = outside
            del self.keep[self.kept :]


class _Turning:
    """The keep list while one tape takes the place of another: at any moment that of the tape that is in place."""

    __slots__ = ("outside", "saved")

    def __init__(self, saved: SavedTape, outside: Any) -> None:
        self.saved = saved
        self.outside = outside

    def now(self) -> Any:
        return self.saved.keep if lib.pyad_tape_is_innermost(self.saved.cell[0]) else self.outside

    def append(self, x: Any) -> None:
        self.now().append(x)

    def extend(self, xs: Any) -> None:
        self.now().extend(xs)

    def __getitem__(self, index: Any) -> Any:
        return self.now()[index]

    def __delitem__(self, index: Any) -> None:
        del self.now()[index]

    def __len__(self) -> int:
        return len(self.now())

    def __bool__(self) -> bool:
        return True


class Pullback:
    """The linear map from cotangents of a value to cotangents of the primals. Holds the recorded tape."""

    def __init__(
        self, inputs: list[int], outputs: Any, avals: Any, structure: Any, y_structure: Any, floor: int
    ) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.avals = avals
        self.structure = structure
        self.y_structure = y_structure
        self.floor = floor
        self.saved: SavedTape | None = None

    def __call__(self, cotangent: Any) -> tuple[Any, ...]:
        try:
            leaves = self.y_structure.leaves_of(cotangent, "the cotangent")
        except tree.TreeError as problem:
            raise ShapeError(f"pullback: {problem}, as in the value") from None
        if self.saved is None:
            return self._on_tape(leaves)
        if any(is_traced(x) for x in leaves):
            from pyad._transforms.linear_map import apply_linear

            return self.structure.unflatten(apply_linear(self, leaves))
        return self.structure.unflatten(self.pull(leaves))

    def _on_tape(self, cotangents: list[Any]) -> tuple[Any, ...]:
        """Inside another transform: on its tape, recorded where a derivative of the result may be asked for."""
        outer = any(is_traced(x) for x in cotangents)
        outer = outer or any(lib.pyad_is_outer(y._h, self.floor) for y in self.outputs)
        flags = RETAIN | (RECORDED if outer else 0)
        return self.structure.unflatten(self._run(flags, cotangents))

    def pull(self, cotangents: list[Any]) -> list[Any]:
        """Plain cotangents of the outputs to plain cotangents of the inputs."""
        return self.saved.run(lambda: self._run(RETAIN, cotangents))  # type: ignore[union-attr]

    def push(self, tangents: list[Any]) -> list[Any]:
        """The transposed map: plain tangents of the inputs to tangents of the outputs."""
        return self.saved.run(lambda: self._run_forward(tangents))  # type: ignore[union-attr]

    def _run(self, flags: int, cotangents: list[Any]) -> list[Any]:
        outputs = [y._h for y in self.outputs]
        inputs = self.inputs
        seeds = [(y, seed_of("pullback", y, ct)) for y, ct in zip(outputs, cotangents, strict=True)]
        return sweep(flags, outputs, inputs, seeds, inputs, self.avals)

    def _run_forward(self, tangents: list[Any]) -> list[Any]:
        outputs = [y._h for y in self.outputs]
        inputs = self.inputs
        seeds = [(x, seed_of("pushforward", x, t)) for x, t in zip(inputs, tangents, strict=True)]
        avals = input_avals(self.outputs)
        return sweep(FORWARD | RETAIN, outputs, inputs, seeds, outputs, avals)


def seed_of(name: str, node: int, value: Any) -> int:
    """The handle of a cotangent or tangent for a node, whose shape and dtype it must have."""
    info = memory.node_info(node)
    dtype = DTYPES[info.dtype]
    shape = memory.shape_of(info)
    given = value.shape if is_traced(value) else np.shape(value)
    if given != shape:
        raise ShapeError(f"{name}: got a derivative of shape {given} for a value of shape {shape}")
    if is_traced(value):
        if value.dtype != dtype and np.result_type(value.dtype, np.complex64) == dtype:
            return handle_of(value, dtype)
        if value.dtype != dtype:
            raise DTypeError(f"{name}: got a derivative of dtype {value.dtype} for a value of dtype {dtype}")
        return value._h
    kind = np.asarray(value).dtype
    if kind.kind not in ("fiubc" if dtype.kind == "c" else "fiub"):
        raise DTypeError(f"{name}: got a derivative of dtype {kind} for a value of dtype {dtype}")
    return constant(value, dtype)
