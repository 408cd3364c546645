"""Looking at a compiled program: its report, and its instructions as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pyad._binding.dtypes import DTYPES
from pyad._binding.engine import ffi, lib
from pyad._trace.op import REGISTRY

__all__ = ["listing", "report"]

# What nodes are, where their values lie, and what becomes of them.
_KINDS = {
    lib.PYAD_G_INPUT: "input",
    lib.PYAD_G_CONST: "constant",
    lib.PYAD_G_RUN: "kernel",
    lib.PYAD_G_CALL: "python",
}
_BASES = {lib.PYAD_BASE_FIXED: "constant", lib.PYAD_BASE_ARENA: "arena", lib.PYAD_BASE_NONE: "-"}
_OUTPUTS = {
    lib.PYAD_G_RESULT: "result {}",
    lib.PYAD_G_STORE: "stored in argument {}",
    lib.PYAD_G_GUARD: "guard {}",
}


def report(compiled: Any, info: Any, keep: list[Any]) -> dict[str, Any]:
    """What the optimiser did, and what a run takes."""
    nodes = ffi.new("int64_t *")
    passes = []
    for k in range(info.passes):
        name = ffi.string(lib.pyad_compiled_pass(compiled, k, nodes)).decode()
        passes.append((name, nodes[0]))
    optimised = list(_nodes(compiled, True, keep))
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


def listing(name: str, compiled: Any, keep: list[Any]) -> str:
    """The instructions of a program, as it was recorded and as it runs, and what becomes of their values."""
    lines = [f"program of {name}, as recorded"]
    lines += [_line(node) for node in _nodes(compiled, False, keep)]
    lines.append(f"program of {name}, as it runs")
    lines += [_line(node) for node in _nodes(compiled, True, keep)]
    lines += _outputs(compiled)
    return "\n".join(lines)


def _nodes(compiled: Any, optimised: bool, keep: list[Any]) -> Iterator[dict[str, Any]]:
    info = ffi.new("pyad_node_info *")
    k = 0
    while lib.pyad_compiled_node(compiled, optimised, k, info):
        yield _described(k, info, keep)
        k += 1


def _outputs(compiled: Any) -> list[str]:
    node, kind, number = ffi.new("int64_t *"), ffi.new("int *"), ffi.new("int *")
    lines = []
    k = 0
    while lib.pyad_compiled_output(compiled, k, node, kind, number):
        what = _OUTPUTS[kind[0]]
        lines.append(f"%{node[0]} is {what.format(k if kind[0] == lib.PYAD_G_GUARD else number[0])}")
        k += 1
    return lines


def _described(number: int, info: Any, keep: list[Any]) -> dict[str, Any]:
    kind = _KINDS[info.kind]
    shape = tuple(ffi.unpack(info.shape, info.ndim)) if info.ndim else ()
    dtype = DTYPES[info.dtype]
    params = tuple(ffi.unpack(info.params + 1, info.params[0])) if info.params != ffi.NULL and info.params[0] else ()
    name = kind
    if kind == "kernel":
        name = ffi.string(lib.pyad_kernel_name(info.op)).decode()
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
        "op": info.op,
        "name": name,
        "args": list(ffi.unpack(info.args, info.nargs)) if info.nargs else [],
        "params": params,
        "shape": shape,
        "dtype": dtype,
        "bytes": int(np.prod(shape, dtype=np.int64)) * dtype.itemsize,
        "action": info.action,
        "place": _BASES.get(info.base) or f"outside {info.base - lib.PYAD_BASE_OUTSIDE}",
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
    if lib.pyad_kernel_is_move(node["op"]):
        return 0
    return max(size, *(int(np.prod(nodes[k]["shape"], dtype=np.int64)) for k in node["args"]))
