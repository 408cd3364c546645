"""What every transform is made of: fresh leaves, the arguments that are chosen, one sweep, and a mark on the tape
that is closed on every way out.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pyad import tree
from pyad._binding import engine as _engine
from pyad._binding.engine import CALL_PYTHON, CODES, F64, FAILED, ffi, lib
from pyad._trace.array import Array, is_traced, wrap
from pyad._trace.discrete import Discrete
from pyad._trace.op import run_rule, supply_rule
from pyad.errors import ConcretizationError, DTypeError

FORWARD = lib.PYAD_SWEEP_FORWARD
RECORDED = lib.PYAD_SWEEP_RECORDED
RETAIN = lib.PYAD_SWEEP_RETAIN

ArgNums = int | Sequence[int]


# ---- leaves ----


def make_leaf(name: str, x: Any) -> Array:
    """A fresh leaf over an input: an alias of an outer traced value, the memory of an array, or a number."""
    kind = type(x)
    if is_traced(x):
        return wrap(lib.pyad_alias(x._h))
    if kind is float:
        return wrap(lib.pyad_leaf_number(0, x, _engine.CODE_F64))
    if not isinstance(x, np.ndarray | np.generic):
        if kind is complex:
            return wrap(_engine.lend(np.array(x), 0))
        if isinstance(x, bool | int):
            raise _not_float(name, type(x).__name__)
        raise DTypeError(
            f"{name}: an input of type {kind.__name__} cannot be differentiated; expected floats, float arrays, or "
            "tuples, lists and dicts of them"
        )
    code = CODES.get(x.dtype, -1)
    if code < _engine.CODE_F32:
        raise _not_float(name, str(x.dtype))
    if isinstance(x, np.generic) or x.ndim == 0:
        if code > _engine.CODE_F64:
            return wrap(_engine.lend(np.array(x), 0))
        return wrap(lib.pyad_leaf_number(0, float(x), code))
    if type(x) is not np.ndarray:
        if isinstance(x, np.ma.MaskedArray | np.matrix):
            raise DTypeError(f"{name}: a {type(x).__name__} is not supported; pass a plain ndarray")
        x = x.view(np.ndarray)
    return wrap(_engine.lend(x, 0))


def make_leaves(name: str, xs: list[Any]) -> list[Array]:
    """Fresh leaves over the inputs, in one call where all are plain arrays."""
    for x in xs:
        if type(x) is not np.ndarray:
            break
    else:
        handles = _engine.lend_all(xs)
        if handles is not None:
            return [bare(h) for h in handles]
    return [make_leaf(name, x) for x in xs]


def bare(handle: int) -> Array:
    """The Array of a handle without a buffer of its own."""
    array = Array.__new__(Array)
    array._h = handle
    return array


def _not_float(name: str, dtype: str) -> DTypeError:
    if dtype[0] in "<>" and dtype[1] in "fc":
        return DTypeError(
            f"{name}: an input of dtype {dtype} has foreign byte order; convert with x.astype(x.dtype.type)"
        )
    if dtype.startswith(("int", "uint", "bool")):
        return DTypeError(
            f"{name}: inputs must be float32 or float64, got {dtype}; convert with x.astype(float) or float(x)"
        )
    return DTypeError(
        f"{name}: inputs must be float32 or float64, or complex64 or complex128; dtype {dtype} is not supported"
    )


_NUMBERS: dict[Any, tuple[tuple[int, ...], np.dtype]] = {float: ((), F64), complex: ((), _engine.C128)}


def input_avals(leaves: list[Any]) -> list[tuple[tuple[int, ...], np.dtype]]:
    return [_NUMBERS.get(type(x)) or (x.shape, x.dtype) for x in leaves]


def checked_avals(name: str, leaves: list[Any]) -> list[tuple[tuple[int, ...], np.dtype]]:
    try:
        return input_avals(leaves)
    except AttributeError:
        for x in leaves:
            make_leaf(name, x)
        raise


# ---- arguments ----


class Selection:
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


def check_function(name: str, function: Any) -> None:
    if not callable(function):
        raise TypeError(f"{name}: the first argument must be a function, got {type(function).__name__}")


def tangents_for(name: str, structure: Any, tangents: Any) -> list[Any]:
    """The leaves of the tangents, whose containers must be the primals'."""
    try:
        return structure.leaves_of(tangents, "the tuple of tangents")
    except tree.TreeError as problem:
        raise TypeError(f"{name}: {problem}") from None


# ---- sweeps ----


def check(status: int) -> None:
    if status:
        raise _engine.error(status)


def _drive(status: int, recorded: bool) -> None:
    """Bring the sweep under way to its end after `status`, doing for it what only Python can."""
    if status == 0:
        return
    cell = ffi.new("int64_t *")
    while status == CALL_PYTHON:
        want = lib.pyad_sweep_wants(cell)
        if want == lib.PYAD_CALL_RULE:
            supply_rule(cell[0])
        else:
            run_rule(cell[0], want == lib.PYAD_CALL_FORWARD, recorded)
        status = lib.pyad_sweep_go()
    check(status)


def _sweep_results(handles: list[int], avals: list[tuple[tuple[int, ...], np.dtype]], recorded: bool) -> list[Any]:
    """What has arrived at the given nodes: traced in a recorded sweep, else NumPy; zeros where nothing has."""
    if not recorded:
        return _engine.take_gradients(handles, avals)
    out = []
    for h, (shape, dtype) in zip(handles, avals, strict=True):
        value = lib.pyad_sweep_value(h)
        if value >= FAILED:
            raise _engine.error(value)
        # One value can be that of several inputs, and of a seed; an array that is written into has its own.
        out.append(wrap(lib.pyad_same(value)) if value else np.zeros(shape, dtype)[()])
    return out


def sweep(
    flags: int,
    outputs: list[int],
    inputs: list[int],
    seeds: list[tuple[int, int]],
    results: list[int],
    avals: list[tuple[tuple[int, ...], np.dtype]],
) -> list[Any]:
    """One sweep from seeds (pairs of node and value) to results."""
    level = lib.pyad_sweep_level() + 1
    try:
        check(lib.pyad_sweep_start(flags, len(outputs), outputs, len(inputs), inputs))
        for node, value in seeds:
            check(lib.pyad_sweep_seed(node, value))
        recorded = bool(flags & RECORDED)
        _drive(lib.pyad_sweep_go(), recorded)
        return _sweep_results(results, avals, recorded)
    finally:
        lib.pyad_sweep_stop_at(level)


def sweep_gradient(
    flags: int, output: int, inputs: list[int], avals: list[tuple[tuple[int, ...], np.dtype]]
) -> list[Any]:
    """One backward sweep from a 0-d output, seeded with one, to the inputs, within a mark of the caller's."""
    status = lib.pyad_sweep_gradient(flags, output, len(inputs), inputs)
    if status not in (0, CALL_PYTHON):
        raise _engine.error(status)
    try:
        recorded = bool(flags & RECORDED)
        _drive(status, recorded)
        return _sweep_results(inputs, avals, recorded)
    finally:
        lib.pyad_sweep_stop()


# ---- the end of a transform ----


class Scope:
    """A mark on the tape. Results that depend on an enclosing transform stay on the tape.

    `open` is the first thing in a `try` whose `finally` has `close`, in a function that `holds_mark`. Where an
    interrupt comes in `close` or before it, the next transform finds that the mark is nobody's (`Engine.is_idle`), or
    the enclosing one closes it together with its own.
    """

    __slots__ = ("engine", "floor", "generation", "keep", "kept", "nested")

    def __init__(self) -> None:
        self.engine = _engine.current()
        self.generation = _engine.next_generation()

    def is_nested(self, frame: Any) -> bool:
        """Whether another transform is under way where `frame` is run."""
        return bool(_engine._open or lib.pyad_depth()) and not self.engine.is_idle(frame)

    def open(self, keep_all: bool = False, nested: bool | None = None) -> None:
        """Open the mark. `nested`: what `is_nested` says of the caller's caller, where that is known."""
        engine = self.engine
        if nested is None:
            nested = bool(_engine._open or lib.pyad_depth()) and not engine.is_idle(sys._getframe(2))
        self.nested = nested
        keep = engine.keep
        if nested:
            self.floor = lib.pyad_node_count()
        else:
            if engine.dead:
                engine.bury()
            if keep:
                keep = engine.keep = []
        self.keep = keep
        self.kept = len(keep)
        status = lib.pyad_mark_open(self.generation, keep_all)
        if status:
            raise _engine.error(status)
        _engine._open[self.generation] = threading.get_ident()

    def close(self) -> None:
        """Everything recorded since `open` is gone, unless the mark is closed already."""
        _engine._open.pop(self.generation, None)
        if _engine.staging_threads and self.nested and self.engine.staging:
            # What the transform found out may have decided what was recorded, so it belongs to the program.
            lib.pyad_mark_seal(self.generation, 0, ffi.NULL)
            self._restore()
            return
        if lib.pyad_mark_close(self.generation):
            return
        self._restore()
        del self.keep[self.kept :]

    def _restore(self) -> None:
        """What is Python's of the state at `open`, where an interrupt has left it otherwise."""
        engine = self.engine
        if engine.keep is not self.keep:
            engine.keep = self.keep
        if engine.abstract:
            engine.abstract = bool(lib.pyad_in_rule())

    def is_outer(self, x: Any) -> bool:
        return self.nested and is_traced(x) and bool(lib.pyad_is_outer(x._h, self.floor))

    def finish(self, results: list[Any], share: bool = True) -> list[Any]:
        """Traced results become NumPy values, or stay traced, and the mark is closed, where they depend on an
        enclosing transform."""
        if not self.nested:
            return [_engine.materialize(x._h, share) if is_traced(x) else x for x in results]
        kept = [k for k, x in enumerate(results) if self.is_outer(x) or type(x) is Discrete]
        out = list(results)
        for k, x in enumerate(results):
            if is_traced(x) and k not in kept:
                out[k] = _engine.materialize(x._h, share)
        if kept:
            handles = self._seal([out[k]._h for k in kept])
            renewed: dict[int, Array] = {}
            for k, handle in zip(kept, handles, strict=True):
                # What was one array before is one array afterwards.
                out[k] = renewed.setdefault(id(results[k]), _renewed(results[k], handle))
        return out

    def _seal(self, handles: list[int]) -> list[int]:
        """Close, but keep what was recorded; answers the new handles of what is handed out."""
        cells = ffi.new("int64_t[]", handles)
        status = lib.pyad_mark_seal(self.generation, len(handles), cells)
        if status:
            raise _engine.error(status, tuple(handles))
        self._restore()
        return list(cells)


def _renewed(x: Array, handle: int) -> Array:
    """The same value under its new handle."""
    array = Discrete(handle) if type(x) is Discrete else bare(handle)
    keep = getattr(x, "_keep", None)
    if keep is not None:
        keep.handle = handle
        array._keep = keep
    return array


@_engine.holds_mark
def call_user(
    function: Callable[..., Any], args: list[Any], keywords: dict[str, Any], has_aux: bool
) -> tuple[Any, Any]:
    try:
        result = function(*args, **keywords)
    except ValueError as problem:
        _explain_assignment(problem)
        raise
    if not has_aux:
        return result, None
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError(
            f"has_aux=True: the function must return a pair (output, aux), got {type(result).__name__}"
            + (f" of length {len(result)}" if isinstance(result, tuple) else "")
        )
    return result


def _explain_assignment(problem: ValueError) -> None:
    """NumPy reports `a[i] = x` for a traced x as a sequence in the place of a number; say what it was."""
    if isinstance(problem.__cause__, ConcretizationError) and "sequence" in str(problem):
        raise ConcretizationError(
            "a traced value was assigned into an array of plain NumPy (a[i] = x), where its derivative would be lost; "
            "make the array inside the function with pyad.numpy.array, zeros, empty, ..., of a floating dtype, build "
            "it with np.stack or np.concatenate, or assign pyad.stop_gradient(x) if it is constant"
        ).with_traceback(problem.__traceback__) from None
