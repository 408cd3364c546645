"""The pullback that `vjp` returns, and the tape it keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyad import _engine, tree
from pyad._engine import DTYPES, ffi, lib
from pyad.array import constant, is_traced
from pyad.errors import DTypeError, ShapeError
from pyad.op import handle_of
from pyad.scope import FORWARD, RECORDED, RETAIN, input_avals, sweep


class SavedTape:
    """A tape that left its thread's engine, to be swept again; freed by that thread."""

    __slots__ = ("engine", "generation", "keep", "pointer", "staging")

    def __init__(self, engine: _engine.Engine, opened: tuple[int, int]) -> None:
        self.pointer = None
        pointer = lib.pyad_tape_take()
        if pointer == ffi.NULL:
            raise MemoryError("out of memory while saving a tape")
        self.pointer = pointer
        self.engine = engine
        self.generation = opened[0]
        self.keep = engine.keep
        self.staging = False  # what is computed on this tape belongs to no program
        engine.keep = []
        engine.depth = 0

    def __enter__(self) -> None:
        if _engine.current() is not self.engine:
            from pyad.errors import LeakError

            raise LeakError(
                "a pullback was called on another thread than the one that made it with pyad.vjp; call vjp on the "
                "thread "
                "that calls the pullback"
            )
        self._swap()

    def __exit__(self, *_: Any) -> None:
        self._swap()

    def _swap(self) -> None:
        lib.pyad_tape_swap(self.pointer)
        self.keep, self.engine.keep = self.engine.keep, self.keep
        self.staging, self.engine.staging = self.engine.staging, self.staging

    def __del__(self) -> None:
        if self.pointer is None:
            return
        _engine._open.pop(self.generation, None)
        self.engine.dead.append(self.pointer)


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
            from pyad.custom import apply_linear

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
        with self.saved:  # type: ignore[union-attr]
            return self._within_mark(lambda: self._run(RETAIN, cotangents))

    def push(self, tangents: list[Any]) -> list[Any]:
        """The transposed map: plain tangents of the inputs to tangents of the outputs."""
        with self.saved:  # type: ignore[union-attr]
            return self._within_mark(lambda: self._run_forward(tangents))

    def _within_mark(self, run: Callable[[], list[Any]]) -> list[Any]:
        """What a sweep puts on the saved tape is cut away again."""
        engine = _engine.current()
        opened = engine.open()
        try:
            return run()
        finally:
            engine.close(opened)

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
    info = _engine.look(node)
    dtype = DTYPES[info.dtype]
    shape = _engine.shape_of(info)
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
