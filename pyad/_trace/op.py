"""The op record: one operation, one definition.

An op says how NumPy computes it (the reference), which kernel of the engine runs it, and its derivative. All
derivative functions have one form, `rule(s, y, *operands, params)`, and answer one contribution per operand (None where
there is no derivative):

- `partials` of an element-wise op: s times the partial derivative by each operand. s is a cotangent going backward and
  a tangent going forward, so both modes follow from it.
- `transpose` of an op that is linear in each operand: the cotangents. Going forward the op itself is run on the
  tangent.
- `vjp` of any other, and `jvps`: one function per operand that gives the result's tangent for that operand's.

Rules are written with pyad's own ops, so they can be differentiated in turn; the engine records each once, on
placeholders, and from then on runs it without Python. What a rule reads is what the tape keeps.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import numpy as np

from pyad._binding import engine as _engine
from pyad._binding.engine import CODE_F64, CODES, FAILED, LARGE, lib
from pyad._trace.array import CALLS, Array, _new, common_dtype, constant, is_traced, wrap
from pyad.errors import EngineError, NeedsPython

__all__ = ["REGISTRY", "Op", "elementwise", "general", "linear", "nondiff", "python_op", "run"]

Rule = Callable[..., tuple[Any, ...]]

_value, _given, _compute = CALLS["value"], CALLS["given"], CALLS["compute"]
_visit, _give_array = CALLS["visit"], CALLS["give"]

# By the engine's number.
REGISTRY: dict[int, Op] = {}

_WRONG_DTYPE = FAILED + lib.PYAD_ERR_DTYPE


@dataclass(frozen=True, eq=False)
class Op:
    """One operation. Made by `elementwise`, `linear`, `general`, `nondiff` or `python_op`, which check it."""

    name: str
    number: int
    arity: int  # -1: any number
    reference: Callable[..., Any]
    backward: Rule | None = None
    forward: Any = None
    forward_kind: int = lib.PYAD_FORWARD_OWN
    is_elementwise: bool = False
    in_python: bool = False
    # Its rules do not write into the plain arrays they are given and keep none of them, so they may see the engine's
    # own memory.
    views: bool = False
    # Its backward rule takes, as `needed`, for which operands a cotangent is asked.
    selective: bool = False
    # The same rules on plain arrays, as rule(s or tangents, params, handles of the operands), where Python has kept
    # what they read.
    on_kept: tuple[Rule, Rule] | None = None
    # The value again, as a program runs it: what Python has kept of the call, and plain operands.
    rerun: Callable[[Any, list[Any]], Any] | None = None
    # For messages: what a node of this op is called, by its params. The name, where there is none.
    label: Callable[[tuple[int, ...]], str] | None = None
    # For the tests: from where each operand is drawn, and the derivative order that exists there.
    domain: tuple[tuple[float, float], ...] = field(default=((-2.0, 2.0),))

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def __call__(self, *operands: Any, params: tuple[int, ...] | None = None) -> Any:
        """Run the op on operands of which at least one is traced; params are the engine's integers."""
        dtype = common_dtype(self.name, operands)
        handles = [handle_of(x, dtype) for x in operands]
        return self.record(handles, params)

    def record(self, handles: list[int], params: tuple[int, ...] | None) -> Array:
        if params is None:
            handle = lib.pyad_op(self.number, len(handles), handles, -1, _engine.ffi.NULL)
        else:
            handle = lib.pyad_op(self.number, len(handles), handles, len(params), params)
        if handle >= FAILED:
            return self.refused(handle, handles, params)
        return wrap(handle)

    def refused(self, failure: int, handles: list[int], params: tuple[int, ...] | None) -> Any:
        """What happens where the engine has refused to run the op: complex operands that it has no kernel for are
        NumPy's to compute, and anything else is an error."""
        if failure != _WRONG_DTYPE or lib.pyad_dtype_of(handles[-1]) <= CODE_F64:
            raise _engine.error(failure, tuple(handles))
        form = COMPLEX_FORMS.get(self.number)
        if form is not None:
            return form(*map(_traced, handles))
        return _record_given(self, handles, params)


# What stands for an op where operands are complex, by the engine's number: functions that are computed in another way
# there, or that are refused.
COMPLEX_FORMS: dict[int, Callable[..., Any]] = {}


def _record_given(op: Op, handles: list[int], params: tuple[int, ...] | None) -> Array:
    """Record a native op whose value NumPy computes; its rule is run by Python too."""
    keep = _engine.current().keep
    result = _compute(op.number, op.reference, handles, params, keep)
    if type(result) is Array:
        return result
    if type(result) is not int:
        value = result
        if value is None:
            value = op.reference(*[_engine.peek(handle) for handle in handles], *(params or ()))
        value = np.asarray(value)
        result = _given(op.number, handles, params, value, keep)
    if type(result) is Array:
        return result
    if result is not None:
        raise _engine.error(result, tuple(handles))
    # Booleans, or memory with gaps.
    count, given = (-1, ()) if params is None else (len(params), params)
    return wrap(lib.pyad_op_given(op.number, len(handles), handles, count, given, _engine.lend(value, 1)))


_CAST = _engine.kernel("astype")


def cast(x: Array, dtype: np.dtype) -> Array:
    """A traced array in another float dtype."""
    return wrap(lib.pyad_op(_CAST, 1, [x._h], 1, [CODES[dtype]]))


def handle_of(x: Any, dtype: np.dtype) -> int:
    """The handle of an operand in `dtype`: traced, or recorded as a constant."""
    if not is_traced(x):
        return constant(x, dtype)
    code = lib.pyad_dtype_of(x._h)
    if code == CODES[dtype]:
        return x._h
    if code < 0:
        raise _engine.error(5, (x._h,))
    # No Array of this value is made: where it is large, its end would give the value back before the op has run on it.
    handle = lib.pyad_op(_CAST, 1, [x._h], 1, [CODES[dtype]])
    if handle >= FAILED:
        raise _engine.error(handle, (x._h,))
    return handle & (LARGE - 1)


def _register(op: Op) -> Op:
    if op.number in REGISTRY:
        raise EngineError(f"op {op.name}: number {op.number} is taken by {REGISTRY[op.number].name}")
    REGISTRY[op.number] = op
    return op


def elementwise(
    name: str, reference: Callable[..., Any], partials: Rule, domain: tuple[tuple[float, float], ...] = ((-2.0, 2.0),)
) -> Op:
    """Register an op that the engine has an element-wise kernel for, under the kernel's name."""
    op = Op(
        name,
        _engine.kernel(name),
        len(domain),
        reference,
        partials,
        partials,
        lib.PYAD_FORWARD_SAME,
        True,
        domain=domain,
    )
    return _register(op)


def linear(name: str, reference: Callable[..., Any], transpose: Rule, arity: int = 1, joint: bool = False) -> Op:
    """Register an op that is linear in each operand (`joint`: in all of them together)."""
    kind = lib.PYAD_FORWARD_JOINT if joint else lib.PYAD_FORWARD_LINEAR
    return _register(Op(name, _engine.kernel(name), arity, reference, transpose, None, kind))


def general(name: str, reference: Callable[..., Any], vjp: Rule, jvps: tuple[Callable[..., Any] | None, ...]) -> Op:
    """Register an op by its rules, one forward rule per operand, None for one that is always constant."""
    return _register(Op(name, _engine.kernel(name), len(jvps), reference, vjp, jvps))


def nondiff(name: str, reference: Callable[..., Any], arity: int) -> Op:
    """Register an op that is constant wherever it is differentiable, such as a comparison."""
    domain = ((-2.0, 2.0),) * arity
    return _register(Op(name, _engine.kernel(name), arity, reference, is_elementwise=True, domain=domain))


_next_number = _engine.KERNEL_COUNT


def python_op(
    name: str,
    reference: Callable[..., Any],
    vjp: Rule,
    jvp: Rule | None,
    arity: int = -1,
    label: Callable[[tuple[int, ...]], str] | None = None,
    views: bool = False,
    selective: bool = False,
    on_kept: tuple[Rule, Rule] | None = None,
    rerun: Callable[[Any, list[Any]], Any] | None = None,
) -> Op:
    """Register an op that only Python can run."""
    global _next_number
    if _next_number >= 1 << 16:
        raise EngineError("no more than 65535 operations can be defined in one process")
    op = Op(
        name,
        _next_number,
        arity,
        reference,
        vjp,
        jvp,
        in_python=True,
        views=views,
        selective=selective,
        on_kept=on_kept,
        label=label,
        rerun=rerun,
    )
    _next_number += 1
    return _register(op)


# ---- rules, as the engine asks for them ----


def _placeholders(infos: list[Any], scalar: bool) -> list[Array]:
    made = []
    for info in infos:
        shape = () if scalar else _engine.shape_of(info)
        made.append(wrap(lib.pyad_rule_input(info.dtype, len(shape), shape)))
    return made


def _finish_program(op: Op, which: int, inputs: list[Array], outputs: tuple[Any, ...]) -> None:
    handles = []
    for k, out in enumerate(outputs):
        if out is not None and not is_traced(out):
            raise EngineError(f"op {op.name}: the rule's output {k} is {out!r}, expected a traced value or None")
        handles.append(-1 if out is None else out._h)
    status = lib.pyad_rule_finish_program(which, _engine.next_generation(), len(inputs), len(handles), handles)
    if status:
        raise _engine.error(status)


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
    info = _engine.look(node)
    op = REGISTRY[info.op]
    if op.backward is None:
        raise EngineError(f"op {op.name} has no derivative")
    params = _engine.params_of(info)
    infos = [_engine.look(lib.pyad_operand(node, k)) for k in range(info.nargs)]
    infos.append(info)
    engine = _engine.current()
    keep = engine.keep
    kept = len(keep)
    try:
        status = lib.pyad_rule_begin(_engine.next_generation())
        if status:
            raise _engine.error(status)
        engine.abstract = True
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
        engine.abstract = False
        del keep[kept:]
    if status:
        raise _engine.error(status)


def run_rule(node: int, forward: bool, recorded: bool) -> None:
    """Apply a rule that only Python can run, on traced values in a recorded sweep and on plain arrays otherwise."""
    found = None if recorded else _visit(node, forward)
    if found is None:
        found = _visit_slowly(node, forward)
    number, params, operands, targets, arrived = found
    op = REGISTRY[number]
    outside = _traced if recorded else _seen if op.views or not op.in_python else _plain
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
    info = _engine.look(node)
    op = REGISTRY[info.op]
    params = _engine.params_of(info)
    operands = [lib.pyad_operand(node, k) for k in range(info.nargs)]
    status = lib.pyad_sweep_verify(node, (op.name if op.label is None else op.label(params)).encode())
    if status:
        raise _engine.error(status, tuple(operands))
    targets = [h if lib.pyad_sweep_needs(h) else None for h in operands]
    if not forward:
        return op.number, params, operands, targets, lib.pyad_sweep_value(node)
    return op.number, params, operands, targets, [None if h is None else lib.pyad_sweep_value(h) for h in targets]


def _traced(handle: int) -> Array:
    array = _new(Array)
    array._h = handle
    return array


def _plain(handle: int) -> Any:
    value = _value(handle)
    return _engine.materialize(handle, share=False) if value is None else value


def _seen(handle: int) -> Any:
    value = _value(handle)
    return _engine.view(handle) if value is None else value


def _brought(arrived: Any, outside: Callable[[int], Any]) -> Any:
    """The cotangent or tangent that has arrived somewhere, or None."""
    if type(arrived) is not int:
        return arrived
    if arrived >= FAILED:
        raise _engine.error(arrived)
    if not arrived:
        return None
    # A rule may write into the traced array that it is given, but not into the sweep's own value.
    return wrap(lib.pyad_same(arrived)) if outside is _traced else outside(arrived & (LARGE - 1))


def _give(node: int, value: Any) -> None:
    keep = _engine.current().keep
    if _give_array(node, value, keep):
        return
    dtype = _engine.DTYPES[lib.pyad_dtype_of(node)]
    if dtype.kind != "c" and not is_traced(value) and np.iscomplexobj(value):
        # A real operand of a complex operation moves it along the real axis only.
        value = np.real(value)
    if type(value) is np.ndarray and value.ndim and value.nbytes <= _engine.VIEW_BYTES:
        # To lend an array with gaps takes longer than to copy a small one.
        value = np.ascontiguousarray(value)
        if _give_array(node, value, keep):
            return
    status = lib.pyad_sweep_give(node, handle_of(value, dtype))
    if status:
        raise _engine.error(status)


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


def run(op: Op, operands: list[Any], params: tuple[int, ...]) -> Any:
    """The op on traced or plain operands. Rules get plain ones where values are complex and NumPy computes the op."""
    return op(*operands, params=params) if any(map(is_traced, operands)) else op.reference(*operands, *params)
