"""A program: what a recording became, and how it is run again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyad import _engine
from pyad._engine import CALL_PYTHON, DTYPES, ffi, lib
from pyad.op import REGISTRY

__all__ = ["Program"]

_KINDS = ("input", "constant", "kernel", "python")
_BASES = ("constant", "arena", "-")


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
        self.idle: list[Any] = []  # instances that nobody is running

    def finish(self, results: list[Any], structure: Any, leaves: list[Any]) -> None:
        """Note what the results are, and what the arguments have to be."""
        self.results = results
        self.structure = structure
        self.computed = [(r.shape, r.dtype) for r in results if r.handle is not None]
        self.dtypes = [_dtype_of(leaves[place]) for place in self.places]
        self.info = ffi.new("pyad_info *")

    # ---- running ----

    def run(self, leaves: list[Any]) -> tuple[bool, Any]:
        """The result for these arguments, and True; or False where the recording is of another path."""
        try:
            instance = self.idle.pop()
        except IndexError:
            instance = self._instance()
        try:
            given = [_memory(leaves[place], dtype) for place, dtype in zip(self.places, self.dtypes, strict=True)]
            out = [np.empty(shape, dtype) for shape, dtype in self.computed]
            memory = [*map(ffi.from_buffer, given), *map(ffi.from_buffer, out)]
            outside = ffi.new("void *[]", memory)
            if self.stored and _overlap(memory[: len(given)], given, self.stored):
                return False, None
            status = lib.pyad_instance_run(instance, outside)
            while status == CALL_PYTHON:
                if not self._call(instance):
                    return False, None
                status = lib.pyad_instance_go(instance)
        finally:
            self.idle.append(instance)
        if status:
            # A guard, or an error: the function itself has the right words for it.
            return False, None
        for number, place in self.stored.items():
            if given[number] is not leaves[place]:
                leaves[place][...] = given[number]
        return True, self._result(out, leaves)

    def _result(self, out: list[Any], leaves: list[Any]) -> Any:
        found = iter(out)
        values = []
        for r in self.results:
            if r.handle is not None:
                value = next(found)
                values.append(value if value.ndim else value[()])
            else:
                values.append(leaves[r.argument] if r.argument is not None else r.again())
        return self.structure.unflatten(values)

    def _instance(self) -> Any:
        instance = lib.pyad_instance_new(self.compiled)
        if instance == ffi.NULL:
            raise MemoryError("out of memory while making room for a compiled program")
        return ffi.gc(instance, lib.pyad_instance_free)

    def _call(self, instance: Any) -> bool:
        """Run the node at which the program has stopped. False where its value is of another shape than it was."""
        number = lib.pyad_instance_stopped(instance)
        node = ffi.new("pyad_node_info *")
        lib.pyad_compiled_node(self.compiled, 1, number, node)
        op = REGISTRY[node.op]
        params = tuple(ffi.unpack(node.params + 1, node.params[0])) if node.params != ffi.NULL else ()
        operands = [self._operand(instance, node.args[k]) for k in range(node.nargs)]
        if op.rerun is None:
            value = op.reference(*operands, *params)
        else:
            value = op.rerun(self.keep[params[0]], operands)
        there = self._operand(instance, number, writable=True)
        value = np.asarray(value)
        if value.shape != there.shape or value.dtype != there.dtype:
            return False
        there[...] = value
        return True

    def _operand(self, instance: Any, number: int, writable: bool = False) -> np.ndarray:
        """The value of a node as an array over the program's memory."""
        info = self.info
        data = lib.pyad_instance_data(instance, number, info)
        dtype = DTYPES[info.dtype]
        shape = _engine.shape_of(info)
        if not info.size:
            return np.empty(shape, dtype)
        strides = tuple(s * dtype.itemsize for s in ffi.unpack(info.strides, info.ndim)) if info.ndim else ()
        reach = sum((n - 1) * s for n, s in zip(shape, strides, strict=True) if s > 0)
        below = sum((n - 1) * s for n, s in zip(shape, strides, strict=True) if s < 0)
        memory = ffi.buffer(ffi.cast("char *", data) + below, reach - below + dtype.itemsize)
        array = np.ndarray(shape, dtype, memory, -below, strides)
        array.flags.writeable = writable
        return array

    # ---- looking at it ----

    def report(self) -> dict[str, Any]:
        """What the optimiser did, and what a run takes: nodes, actions, bytes of memory, floating-point operations.

        `passes` lists each pass with the nodes that it left; `python` the operations that Python runs.
        """
        info = ffi.new("pyad_compiled_info *")
        lib.pyad_compiled_count(self.compiled, info)
        nodes = ffi.new("int64_t *")
        passes = []
        for k in range(info.passes):
            name = ffi.string(lib.pyad_compiled_pass(self.compiled, k, nodes)).decode()
            passes.append((name, nodes[0]))
        optimised = list(self._nodes(True))
        return {
            "recorded": info.recorded,
            "optimised": info.optimised,
            "actions": info.actions,
            "guards": info.guards,
            "arena_bytes": info.arena_bytes,
            "stored_in_place": info.stores,
            "memory_taken_over": info.reused,
            "flops": sum(_flops(node, optimised) for node in optimised),
            "bytes": sum(node["bytes"] for node in optimised if node["kind"] in ("kernel", "python")),
            "passes": passes,
            "python": [node["name"] for node in optimised if node["kind"] == "python"],
        }

    def __str__(self) -> str:
        name = getattr(self.function, "__name__", "function")
        lines = [f"program of {name}, as recorded"]
        lines += [_line(node) for node in self._nodes(False)]
        lines.append(f"program of {name}, as it runs")
        lines += [_line(node) for node in self._nodes(True)]
        lines += self._sinks()
        return "\n".join(lines)

    def _nodes(self, optimised: bool) -> Any:
        info = ffi.new("pyad_node_info *")
        k = 0
        while lib.pyad_compiled_node(self.compiled, optimised, k, info):
            yield _described(k, info, self.keep)
            k += 1

    def _sinks(self) -> list[str]:
        node, kind, number = ffi.new("int64_t *"), ffi.new("int *"), ffi.new("int *")
        lines = []
        k = 0
        while lib.pyad_compiled_sink(self.compiled, k, node, kind, number):
            what = ("result {}", "stored in argument {}", "guard {}")[kind[0]]
            lines.append(f"%{node[0]} is {what.format(k if kind[0] == 2 else number[0])}")
            k += 1
        return lines


def _failure() -> Exception:
    words = ffi.string(lib.pyad_last_message()).decode()
    return MemoryError(words) if "out of memory" in words else _engine.errors.EngineError(words)


def _dtype_of(x: Any) -> np.dtype:
    return x.dtype if isinstance(x, np.ndarray | np.generic) else np.dtype(type(x))


def _memory(x: Any, dtype: np.dtype) -> np.ndarray:
    """An argument as the program reads it: contiguous and aligned."""
    if type(x) is np.ndarray and x.flags.c_contiguous and x.flags.aligned:
        return x
    return np.array(x, dtype, order="C", copy=True)


def _overlap(memory: list[Any], given: list[np.ndarray], stored: dict[int, int]) -> bool:
    """Whether something that is written shares memory with another argument; then the function itself has to run."""
    parts = sorted((int(ffi.cast("intptr_t", at)), k) for k, at in enumerate(memory) if given[k].size)
    end, last_stored = 0, False
    for start, k in parts:
        is_stored = k in stored
        if start < end and (is_stored or last_stored):
            return True
        if start + given[k].nbytes > end:
            end, last_stored = start + given[k].nbytes, is_stored
    return False


def _described(number: int, info: Any, keep: list[Any]) -> dict[str, Any]:
    kind = _KINDS[info.kind]
    shape = tuple(ffi.unpack(info.shape, info.ndim)) if info.ndim else ()
    dtype = DTYPES[info.dtype]
    params = tuple(ffi.unpack(info.params + 1, info.params[0])) if info.params != ffi.NULL and info.params[0] else ()
    name = kind
    if kind == "kernel":
        name = ffi.string(lib.pyad_kernel_label(info.op)).decode()
    elif kind == "python":
        op = REGISTRY[info.op]
        name = op.name
        if op.name == "numpy":
            name = f"numpy.{getattr(keep[params[0]].function, '__name__', '?')}"
    elif kind == "input":
        name = f"input {info.number}"
    elif not shape and dtype.kind == "f":
        name = repr(ffi.cast("double *" if dtype.itemsize == 8 else "float *", info.data)[0])
    return {
        "number": number,
        "kind": kind,
        "name": name,
        "args": list(ffi.unpack(info.args, info.nargs)) if info.nargs else [],
        "params": params,
        "shape": shape,
        "dtype": dtype,
        "bytes": int(np.prod(shape, dtype=np.int64)) * dtype.itemsize,
        "action": info.action,
        "place": _BASES[info.base] if info.base < len(_BASES) else f"outside {info.base - len(_BASES)}",
    }


def _line(node: dict[str, Any]) -> str:
    args = ", ".join(f"%{k}" for k in node["args"])
    params = f" {list(node['params'])}" if node["params"] and node["kind"] == "kernel" else ""
    where = f"    # action {node['action']}, {node['place']}" if node["action"] >= 0 else ""
    return f"  %{node['number']} = {node['name']}({args}){params} {node['dtype']}{list(node['shape'])}{where}"


def _flops(node: dict[str, Any], nodes: list[dict[str, Any]]) -> int:
    """Floating-point operations: two a multiplication and addition of a product, one an element otherwise."""
    size = int(np.prod(node["shape"], dtype=np.int64))
    if node["kind"] != "kernel":
        return 0
    if node["name"] in ("matmul", "affine"):
        return 2 * size * nodes[node["args"][0]]["shape"][-1]
    if node["name"] in _MOVES:
        return 0
    return max(size, *(int(np.prod(nodes[k]["shape"], dtype=np.int64)) for k in node["args"]))


# Kernels that only move elements.
_MOVES = {
    *("alias", "reshape", "transpose", "broadcast_to", "slice", "unslice", "window", "assign", "assign_at", "astype"),
    *("take", "put", "pick", "unpick", "concatenate"),
}
