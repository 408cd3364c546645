"""A program: what a recording became, and how it is run again."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pyad import tree
from pyad._binding import engine, memory
from pyad._binding.dtypes import CODES, DTYPES
from pyad._binding.engine import CALL_PYTHON, ffi, lib
from pyad._compile import report
from pyad._trace.op import REGISTRY

__all__ = ["DONE", "OTHER", "OVERLAP", "Program"]

# How a run ends: with a result; because the recording is of another path; because arguments share memory.
DONE, OTHER, OVERLAP = range(3)


class _Instance:
    """Memory to run a program in, and what has been worked out of its nodes that Python runs."""

    __slots__ = ("calls", "pointer")

    def __init__(self, compiled: Any) -> None:
        pointer = lib.pyad_instance_new(compiled)
        if pointer == ffi.NULL:
            raise MemoryError("out of memory while making room for a compiled program")
        self.pointer = ffi.gc(pointer, lib.pyad_instance_free)
        self.calls: dict[int, Any] = {}

    def value(self, number: int, writable: bool = False) -> np.ndarray:
        """The value of a node as an array over the program's memory."""
        info = ffi.new("pyad_info *")
        data = lib.pyad_instance_data(self.pointer, number, info)
        dtype = DTYPES[info.dtype]
        shape = memory.shape_of(info)
        if not info.size:
            return np.empty(shape, dtype)
        strides = tuple(s * dtype.itemsize for s in ffi.unpack(info.strides, info.ndim)) if info.ndim else ()
        reach = sum((n - 1) * s for n, s in zip(shape, strides, strict=True) if s > 0)
        below = sum((n - 1) * s for n, s in zip(shape, strides, strict=True) if s < 0)
        buffer = ffi.buffer(ffi.cast("char *", data) + below, reach - below + dtype.itemsize)
        array = np.ndarray(shape, dtype, buffer, -below, strides)
        array.flags.writeable = writable
        return array


_UNKNOWN = object()


class Program:
    """A recorded and optimised function. `print(program)` shows its instructions, before and after the optimiser."""

    def __init__(
        self,
        function: Callable[..., Any],
        inputs: list[tuple[int, int]],
        results: list[int],
        stores: list[tuple[int, int]],
        keep: list[Any],
    ) -> None:
        self.function = function
        self.places = [place for place, _ in inputs]
        self.stored = {self.places.index(place): place for _, place in stores}
        self.keep = keep
        what = ffi.new("pyad_interface *")
        numbers = {place: number for number, place in enumerate(self.places)}
        arrays = (
            ffi.new("int64_t[]", [handle for _, handle in inputs]),
            ffi.new("int64_t[]", results),
            ffi.new("int64_t[]", [handle for handle, _ in stores]),
            ffi.new("int64_t[]", [numbers[place] for _, place in stores]),
        )
        what.inputs, what.results, what.stores, what.stored = arrays
        what.input_count, what.result_count, what.store_count = len(inputs), len(results), len(stores)
        compiled = lib.pyad_compile(what)
        if compiled == ffi.NULL:
            raise _failure()
        self.compiled = ffi.gc(compiled, lib.pyad_compiled_free)
        self._short: dict[str, Any] = {}  # `caller`, once it has been made
        self.swallowed = 0  # exceptions in replays, after which the function itself was run
        self.swallowed_last = ""
        self.used = 0  # when it was used last, as its compiled function counts
        self.idle: list[Any] = []  # instances that nobody is running

    def finish(self, results: list[Any], structure: Any, leaves: list[Any], captured: Any) -> None:
        """Note what the results are, and what the arguments and the state outside have to be."""
        self.results = results
        self.structure = structure
        self.computed = [(r.shape, r.dtype) for r in results if r.handle is not None]
        self.dtypes = [_dtype_of(leaves[place]) for place in self.places]
        self.captured = captured
        self.outside = [array for array, *_ in captured.arrays]
        # Where all results are computed and there is one, or there are several in a tuple, no more has to be done.
        self.simple: int | None = None
        if all(r.handle is not None and not r.is_weak for r in results):
            tokens = structure.tokens()
            if tokens is not None and tokens[0] == [lib.PYAD_TOKEN_LEAF, 0]:
                self.simple = 0
            elif tokens is not None and tokens[0] == [
                lib.PYAD_TOKEN_TUPLE,
                len(results),
                *[lib.PYAD_TOKEN_LEAF, 0] * len(results),
            ]:
                self.simple = 1
        self.apart: Any = None  # addresses of arguments that are known to share no memory

    # ---- running ----

    def caller(self, structure: tree.Structure, leaves: list[Any]) -> Callable[[Any], Any] | None:
        """A function of (args, keywords) that runs the program in one call of C and returns its computed results, or
        None where it cannot; None where the arguments are such that it never could."""
        found = self._short.get("caller", _UNKNOWN)
        if found is _UNKNOWN:
            # Another thread may have come first; then all use the one that it has made.
            found = self._short.setdefault("caller", self._make_caller(structure, leaves))
        return found

    def _make_caller(self, structure: tree.Structure, leaves: list[Any]) -> Callable[[Any], Any] | None:
        tokens = structure.tokens()
        info = self._count()
        most = max(len(leaves), len(self.computed))
        if tokens is None or most > lib.PYAD_CALL_LEAVES or (self.stored and self.outside):
            return None
        numbers = {place: number for number, place in enumerate(self.places)}
        specs = ffi.new("pyad_leaf[]", len(leaves))
        outcomes = ffi.new("pyad_leaf[]", max(len(self.computed), 1))
        keep: list[Any] = [specs, outcomes]
        for k, x in enumerate(leaves):
            if k not in numbers:
                specs[k].kind = lib.PYAD_LEAF_STATIC
            elif type(x) is float:
                specs[k].kind, specs[k].input = lib.PYAD_LEAF_FLOAT, numbers[k]
            elif type(x) is np.ndarray or isinstance(x, np.generic):
                specs[k].kind = lib.PYAD_LEAF_SCALAR if isinstance(x, np.generic) else lib.PYAD_LEAF_ARRAY
                specs[k].input, specs[k].stored = numbers[k], k in self.stored.values()
                keep.append(_fill_leaf(specs[k], x.shape, x.dtype))
            else:
                return None
        for k, (shape, dtype) in enumerate(self.computed):
            keep.append(_fill_leaf(outcomes[k], shape, dtype))
        cells = len(self.places) + len(self.computed) + 1
        flat = ffi.new("int64_t[]", tokens[0])
        addresses, numbered = ffi.new("void *[]", cells), ffi.new("double[]", cells)
        instance = _Instance(self.compiled)
        caller = ffi.new("pyad_caller *")
        caller.instance, caller.work = instance.pointer, info.arena_bytes + 8 * info.optimised
        caller.tokens, caller.token_count = flat, len(tokens[0]) // 2
        caller.leaves, caller.leaf_count = specs, len(leaves)
        caller.results, caller.result_count = outcomes, len(self.computed)
        caller.input_count, caller.numbers, caller.outside = len(self.places), numbered, addresses
        context = (
            tokens[1],
            tuple(_compared_with(x, k in numbers) for k, x in enumerate(leaves)),
            tuple(shape for shape, _ in self.computed),
            tuple(dtype for _, dtype in self.computed),
            tuple(dtype.type for _, dtype in self.computed),
            np.empty,
            np.ndarray,
            int(ffi.cast("uintptr_t", caller)),
            functools.partial(self._call_or_swallow, instance),
            (caller, keep, flat, addresses, numbered),
        )
        made: list[Any] = []
        if lib.pyad_make_compiled_call(id(context), id(made)):
            return None
        return made[0]

    def results_of(self, computed: Any, leaves: Any) -> Any:
        """The results in their containers."""
        if self.simple is not None:
            return computed[0] if self.simple == 0 else computed
        return self._result(computed, leaves)

    def run(self, leaves: list[Any]) -> tuple[int, Any]:
        """DONE and the result for these arguments, or why there is none: OTHER or OVERLAP."""
        given = [_memory(leaves[place], dtype) for place, dtype in zip(self.places, self.dtypes, strict=True)]
        # Other code may run meanwhile. NumPy resizes no array that has a weak reference, so their memory stays.
        _locks = [weakref.ref(array) for array in given]
        addresses = [array.ctypes.data for array in given]
        if self.stored:
            if addresses != self.apart:
                if self.overlaps(leaves):
                    return OVERLAP, None
                if all(given[k] is leaves[place] for k, place in enumerate(self.places)):
                    self.apart = addresses
            if not all(leaves[place].flags.writeable for place in self.stored.values()):
                return OTHER, None
        out = [np.empty(shape, dtype) for shape, dtype in self.computed]
        addresses += [array.ctypes.data for array in out]
        if not self._run(ffi.new("uintptr_t[]", addresses)):
            return OTHER, None
        for number, place in self.stored.items():
            if given[number] is not leaves[place]:
                leaves[place][...] = given[number]
        return DONE, self._result(out, leaves)

    def _run(self, addresses: Any, relax: Callable[[Any], int] | None = None) -> bool:
        """Run on memory at these addresses. False where a guard does not hold, and where something fails: the function
        itself has the right words for it."""
        try:
            instance = self.idle.pop()
        except IndexError:
            instance = _Instance(self.compiled)
        pointer = instance.pointer
        try:
            status = lib.pyad_instance_run(pointer, ffi.cast("void **", addresses))
            while status == CALL_PYTHON or (status == lib.PYAD_GUARD_FAILED and relax is not None and relax(pointer)):
                if status == CALL_PYTHON and not self._call(instance):
                    return False
                status = lib.pyad_instance_go(pointer)
        except Exception as problem:
            self._swallow(problem)
            return False
        finally:
            self.idle.append(instance)
        return not status

    def relax_guards(self, leaves: list[Any]) -> None:
        """Run once on the arguments that were recorded, and on copies of what is written, to see how floats that guards
        look at are rounded here."""
        if not self._count().float_guards:
            return
        given = [np.array(leaves[place], dtype) for place, dtype in zip(self.places, self.dtypes, strict=True)]
        out = [np.empty(shape, dtype) for shape, dtype in self.computed]
        self._run(
            ffi.new("uintptr_t[]", [array.ctypes.data for array in (*given, *out)]), lib.pyad_instance_relax_guard
        )

    def overlaps(self, leaves: list[Any]) -> bool:
        """Whether an array that is written into shares memory with another one that the program reads."""
        arrays = [(place, leaves[place]) for place in self.places if isinstance(leaves[place], np.ndarray)]
        arrays += [(-1, array) for array in self.outside]
        # By where they begin, so that each is compared with those only that begin before it ends.
        spans = sorted((*_span(array), place, k) for k, (place, array) in enumerate(arrays))
        stored = set(self.stored.values())
        for n, (_, end, place, k) in enumerate(spans):
            for begin, _, other, j in spans[n + 1 :]:
                if begin >= end:
                    break
                if (place in stored or other in stored) and _share(arrays[k][1], arrays[j][1]):
                    return True
        return False

    def _result(self, out: Sequence[Any], leaves: Sequence[Any]) -> Any:
        found = iter(out)
        values = []
        for r in self.results:
            if r.handle is not None:
                values.append(r.out(next(found)))
            else:
                values.append(leaves[r.argument] if r.argument is not None else r.again())
        return self.structure.unflatten(values)

    def _swallow(self, problem: Exception) -> None:
        """A replay came to no end for this. The function itself is run, which raises it again, or does not."""
        self.swallowed += 1
        self.swallowed_last = f"{type(problem).__name__}: {problem}"

    def _call_or_swallow(self, instance: _Instance) -> bool:
        try:
            return self._call(instance)
        except Exception as problem:
            self._swallow(problem)
            return False

    def _call(self, instance: _Instance) -> bool:
        """Run the node at which the program has stopped. False where its value is of another shape than it was."""
        number = lib.pyad_instance_stopped(instance.pointer)
        call = instance.calls.get(number)
        if call is None:
            call = instance.calls[number] = self._prepared(instance, number)
        op, entry, operands, there = call
        given = [instance.value(x) if type(x) is int else x for x in operands]
        if not op.views:
            given = [x.copy() for x in given]  # the user's function, which may keep them
        value = op.reference(*given, *entry) if op.rerun is None else op.rerun(entry, given)
        if type(value) is not np.ndarray:
            value = np.asarray(value)
        if type(there) is int:
            there = instance.value(there, writable=True)
        if value.shape != there.shape or value.dtype != there.dtype:
            return False
        there[...] = value
        return True

    def _prepared(self, instance: _Instance, number: int) -> tuple[Any, Any, list[Any], Any]:
        """What is needed to run a node: the op, what Python has kept of the call (or its parameters), and the arrays
        over its operands and its value; for those that lie outside, and elsewhere at each call, their nodes."""
        node = ffi.new("pyad_node_info *")
        lib.pyad_compiled_node(self.compiled, 1, number, node)
        op = REGISTRY[node.op]
        params = tuple(ffi.unpack(node.params + 1, node.params[0])) if node.params != ffi.NULL else ()
        entry = params if op.rerun is None else self.keep[params[0]]
        there = instance.value(number, writable=True) if node.base < lib.PYAD_BASE_OUTSIDE else number
        operands: list[Any] = []
        for k in ffi.unpack(node.args, node.nargs) if node.nargs else []:
            lib.pyad_compiled_node(self.compiled, 1, k, node)
            operands.append(instance.value(k) if node.base < lib.PYAD_BASE_OUTSIDE else k)
        return op, entry, operands, there

    def _count(self) -> Any:
        info = ffi.new("pyad_compiled_info *")
        lib.pyad_compiled_count(self.compiled, info)
        return info

    # ---- looking at it ----

    def report(self) -> dict[str, Any]:
        """What the optimiser did, and what a run takes: nodes, actions, bytes of memory, floating-point operations.

        `passes` lists each pass with the nodes that it left; `python` the operations that Python runs; `watched` how
        many things outside the arguments are compared at each call, with `watched_bytes` in arrays, which took
        `watching_seconds` just now; `exceptions` how many replays ended in one, so that the function itself was run.
        """
        return {
            **report.report(self.compiled, self._count(), self.keep),
            **self.captured.report(),
            "exceptions": self.swallowed,
            "last_exception": self.swallowed_last,
        }

    def __str__(self) -> str:
        return report.listing(getattr(self.function, "__name__", "function"), self.compiled, self.keep)


def _compared_with(x: Any, is_input: bool) -> Any:
    """What an argument is compared with: itself where it is static, the class of a scalar of NumPy's."""
    if not is_input:
        return x
    return type(x) if isinstance(x, np.generic) else None


def _fill_leaf(leaf: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """Describe an array; returns what has to be kept as long as the description is."""
    lengths = ffi.new("int64_t[]", [*shape, 0])
    leaf.dtype, leaf.ndim, leaf.align, leaf.shape = CODES[dtype], len(shape), dtype.alignment, lengths
    leaf.bytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    return lengths


def _failure() -> Exception:
    words = ffi.string(lib.pyad_last_message()).decode()
    return MemoryError(words) if "out of memory" in words else engine.errors.EngineError(words)


def _dtype_of(x: Any) -> np.dtype:
    return x.dtype if isinstance(x, np.ndarray | np.generic) else np.dtype(type(x))


def _memory(x: Any, dtype: np.dtype) -> np.ndarray:
    """An argument as the program reads it: contiguous and aligned."""
    if type(x) is np.ndarray and x.flags.c_contiguous and x.flags.aligned:
        return x
    return np.array(x, dtype, order="C", copy=True)


def _span(array: np.ndarray) -> tuple[int, int]:
    return np.lib.array_utils.byte_bounds(array) if array.size else (0, 0)


def _share(a: np.ndarray, b: np.ndarray) -> bool:
    try:
        return np.shares_memory(a, b, max_work=10_000)  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return True
