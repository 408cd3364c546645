"""Rules as the engine asks for them: recorded once on placeholders, or run by Python at a node."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

import numpy as np

from pyad._binding import dtypes, engine, memory
from pyad._binding.engine import FAILED, LARGE, lib
from pyad._trace.array import CALLS, Array, bare, is_traced, wrap
from pyad._trace.op import REGISTRY, Op, Rule, handle_of, run
from pyad.errors import EngineError, NeedsPython

_value, _visit, _give_array = CALLS["value"], CALLS["visit"], CALLS["give"]


def _placeholders(infos: list[Any], scalar: bool) -> list[Array]:
    made = []
    for info in infos:
        shape = () if scalar else memory.shape_of(info)
        made.append(wrap(lib.pyad_rule_input(info.dtype, len(shape), shape)))
    return made


def _finish_program(op: Op, which: int, inputs: list[Array], outputs: tuple[Any, ...]) -> None:
    handles = []
    for k, out in enumerate(outputs):
        if out is not None and not is_traced(out):
            raise EngineError(f"op {op.name}: the rule's output {k} is {out!r}, expected a traced value or None")
        handles.append(-1 if out is None else out._h)
    status = lib.pyad_rule_finish_program(which, engine.next_generation(), len(inputs), len(handles), handles)
    if status:
        raise engine.error(status)


def _record_backward(op: Op, infos: list[Any], params: tuple[int, ...]) -> None:
    """Run the backward rule on placeholders: operands, result, and a seed like the result."""
    inputs = _placeholders([*infos, infos[-1]], op.is_elementwise)
    outputs = call_rule(op, op.backward, inputs[-1], inputs[-2], inputs[:-2], params)
    _finish_program(op, 0, inputs, outputs)


def _record_forward(op: Op, k: int, infos: list[Any], params: tuple[int, ...]) -> None:
    """The same for the forward rule from operand k, whose seed is like that operand."""
    inputs = _placeholders([*infos, infos[k]], False)
    outputs: list[Any] = [None] * (len(infos) - 1)
    if op.forward[k] is not None:
        outputs[k] = op.forward[k](inputs[-1], inputs[-2], *inputs[:-2], params)
    _finish_program(op, 1 + k, inputs, tuple(outputs))


def call_rule(op: Op, rule: Rule, s: Any, y: Any, operands: list[Any], params: tuple[int, ...]) -> tuple[Any, ...]:
    outputs = rule(s, y, *operands) if op.is_elementwise else rule(s, y, *operands, params)
    if len(outputs) != len(operands):
        raise _wrong_count(op, len(outputs), len(operands))
    return outputs


def _wrong_count(op: Op, given: int, operands: int) -> EngineError:
    return EngineError(f"op {op.name}: the rule gave {given} derivatives for {operands} operands")


def supply_rule(node: int) -> None:
    """Record the rule of a node that the sweep under way has come to."""
    info = memory.node_info(node)
    op = REGISTRY[info.op]
    if op.backward is None:
        raise EngineError(f"op {op.name} has no derivative")
    params = memory.params_of(info)
    infos = [memory.node_info(lib.pyad_operand(node, k)) for k in range(info.nargs)]
    infos.append(info)
    here = engine.current()
    keep = here.keep
    kept = len(keep)
    try:
        status = lib.pyad_rule_begin(engine.next_generation())
        if status:
            raise engine.error(status)
        here.abstract = True
        _record_backward(op, infos, params)
        if op.forward_kind == lib.PYAD_FORWARD_OWN:
            for k in range(info.nargs):
                _record_forward(op, k, infos, params)
    except NeedsPython:
        status = lib.pyad_rule_python()
    else:
        status = lib.pyad_rule_commit(op.forward_kind)
    finally:
        lib.pyad_rule_abort()  # unless it has come to its end
        here.abstract = False
        del keep[kept:]
    if status:
        raise engine.error(status)


def run_rule(node: int, forward: bool, recorded: bool) -> None:
    """Apply a rule that only Python can run, on traced values in a recorded sweep and on plain arrays otherwise."""
    found = None if recorded else _visit(node, forward)
    if found is None:
        found = _visit_slowly(node, forward)
    number, params, operands, targets, arrived = found
    op = REGISTRY[number]
    outside = bare if recorded else _seen if op.views or not op.in_python else _plain
    if forward:
        _run_forward(op, node, operands, params, [_brought(t, outside) for t in arrived], outside)
    else:
        seed = _brought(arrived, outside)
        if seed is not None:
            _run_backward(op, node, operands, params, seed, targets, outside)


# What a rule is given: the engine's number of the op, its params, the operands, the same with None for those that the
# sweep wants nothing for, and what has arrived at the node, or (forward) at each operand: nothing, a value or a handle.
_Visit = tuple[int, tuple[int, ...], Sequence[int], Sequence[int | None], Any]


def _visit_slowly(node: int, forward: bool) -> _Visit:
    """A visit with handles for all that has arrived; raises where there can be none."""
    info = memory.node_info(node)
    op = REGISTRY[info.op]
    params = memory.params_of(info)
    operands = [lib.pyad_operand(node, k) for k in range(info.nargs)]
    status = lib.pyad_sweep_verify(node, (op.name if op.label is None else op.label(params)).encode())
    if status:
        raise engine.error(status, tuple(operands))
    targets = [h if lib.pyad_sweep_needs(h) else None for h in operands]
    if not forward:
        return op.number, params, operands, targets, lib.pyad_sweep_value(node)
    return op.number, params, operands, targets, [None if h is None else lib.pyad_sweep_value(h) for h in targets]


def _plain(handle: int) -> Any:
    value = _value(handle)
    return memory.read(handle, share=False) if value is None else value


def _seen(handle: int) -> Any:
    value = _value(handle)
    return memory.read_view(handle) if value is None else value


def _brought(arrived: Any, outside: Callable[[int], Any]) -> Any:
    """The cotangent or tangent that has arrived somewhere, or None."""
    if type(arrived) is not int:
        return arrived
    if arrived >= FAILED:
        raise engine.error(arrived)
    if not arrived:
        return None
    # A rule may write into the traced array that it is given, but not into the sweep's own value.
    return wrap(lib.pyad_same(arrived)) if outside is bare else outside(arrived & (LARGE - 1))


def _give(node: int, value: Any) -> None:
    keep = engine.current().keep
    if _give_array(node, value, keep):
        return
    dtype = dtypes.DTYPES[lib.pyad_dtype_of(node)]
    if dtype.kind != "c" and not is_traced(value) and np.iscomplexobj(value):
        # A real operand of a complex operation moves it along the real axis only.
        value = np.real(value)
    if type(value) is np.ndarray and value.ndim and value.nbytes <= memory.VIEW_BYTES:
        # To lend an array with gaps takes longer than to copy a small one.
        value = np.ascontiguousarray(value)
        if _give_array(node, value, keep):
            return
    status = lib.pyad_sweep_give(node, handle_of(value, dtype))
    if status:
        raise engine.error(status)


def _run_backward(
    op: Op,
    node: int,
    operands: Sequence[int],
    params: tuple[int, ...],
    seed: Any,
    targets: Sequence[int | None],
    outside: Any,
) -> None:
    level = lib.pyad_sweep_level()
    if op.on_kept is not None and outside is _seen:
        outputs = op.on_kept[0](seed, params, operands)
        if len(outputs) != len(operands):
            raise _wrong_count(op, len(outputs), len(operands))
    else:
        rule = op.backward
        if op.selective:
            rule = functools.partial(rule, needed=[h is not None for h in targets])
        outputs = call_rule(op, rule, seed, outside(node), [outside(h) for h in operands], params)
    lib.pyad_sweep_return(level)  # the rule may have caught an interrupt of a transform of its own
    for handle, out in zip(targets, outputs, strict=True):
        # A function in the place of a cotangent is called only where it is needed.
        if out is not None and handle is not None:
            if type(out) is FunctionType:
                out = out()
                lib.pyad_sweep_return(level)
            _give(handle, out)


def _run_forward(
    op: Op, node: int, operands: Sequence[int], params: tuple[int, ...], tangents: list[Any], outside: Any
) -> None:
    if all(t is None for t in tangents):
        return
    level = lib.pyad_sweep_level()
    if op.on_kept is not None and outside is _seen:
        parts = [op.on_kept[1](tangents, params, operands)]
    else:
        y, xs = outside(node), [outside(h) for h in operands]
        parts = [op.forward(tangents, y, *xs, params)] if op.in_python else _forward_parts(op, tangents, y, xs, params)
    lib.pyad_sweep_return(level)
    for part in parts:
        if part is not None:
            _give(node, part)


def _forward_parts(op: Op, tangents: list[Any], y: Any, xs: list[Any], params: tuple[int, ...]) -> list[Any]:
    """Contributions to the tangent of a native op whose rule needs Python."""
    given = [(k, t) for k, t in enumerate(tangents) if t is not None]
    if op.forward_kind == lib.PYAD_FORWARD_SAME:
        return [op.backward(t, y, *xs)[k] for k, t in given]  # type: ignore[misc]
    if op.forward_kind == lib.PYAD_FORWARD_OWN:
        return [op.forward[k](t, y, *xs, params) for k, t in given]
    if op.forward_kind == lib.PYAD_FORWARD_LINEAR:
        return [run(op, [*xs[:k], t, *xs[k + 1 :]], params) for k, t in given]
    full = [np.zeros(np.shape(x)) if t is None else t for t, x in zip(tangents, xs, strict=True)]
    return [run(op, full, params)]
