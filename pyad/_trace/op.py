"""The op record: one operation, one definition.

An op says how NumPy computes it (the reference), which kernel of the engine runs it, and its derivative. All
derivative functions have one form, `rule(s, y, *operands, params)`, and return one contribution per operand (None where
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

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pyad._binding import engine, memory
from pyad._binding.dtypes import CODE_F64, CODES
from pyad._binding.engine import FAILED, LARGE, ffi, lib
from pyad._trace.array import CALLS, Array, bare, is_traced, wrap
from pyad._trace.promotion import common_dtype, constant
from pyad.errors import EngineError

__all__ = ["REGISTRY", "Op", "elementwise", "general", "linear", "nondiff", "python_op", "run"]

Rule = Callable[..., tuple[Any, ...]]

_given, _compute = CALLS["given"], CALLS["compute"]

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
            handle = lib.pyad_op(self.number, len(handles), handles, -1, engine.ffi.NULL)
        else:
            handle = lib.pyad_op(self.number, len(handles), handles, len(params), params)
        if handle >= FAILED:
            return self.refused(handle, handles, params)
        return wrap(handle)

    def refused(self, failure: int, handles: list[int], params: tuple[int, ...] | None) -> Any:
        """What happens where the engine has refused to run the op: complex operands that it has no kernel for are
        NumPy's to compute, and anything else is an error."""
        if failure != _WRONG_DTYPE or lib.pyad_dtype_of(handles[-1]) <= CODE_F64:
            raise engine.error(failure, tuple(handles))
        form = COMPLEX_FORMS.get(self.number)
        if form is not None:
            return form(*map(bare, handles))
        return _record_given(self, handles, params)


# What stands for an op where operands are complex, by the engine's number: functions that are computed in another way
# there, or that are refused.
COMPLEX_FORMS: dict[int, Callable[..., Any]] = {}


def _record_given(op: Op, handles: list[int], params: tuple[int, ...] | None) -> Array:
    """Record a native op whose value NumPy computes; its rule is run by Python too."""
    keep = engine.current().keep
    result = _compute(op.number, op.reference, handles, params, keep)
    if type(result) is Array:
        return result
    if type(result) is not int:
        value = result
        if value is None:
            value = op.reference(*[memory.read_view(handle) for handle in handles], *(params or ()))
        value = np.asarray(value)
        result = _given(op.number, handles, params, value, keep)
    if type(result) is Array:
        return result
    if result is not None:
        raise engine.error(result, tuple(handles))
    # Booleans, or memory with gaps.
    count, given = (-1, ()) if params is None else (len(params), params)
    return wrap(lib.pyad_op_given(op.number, len(handles), handles, count, given, memory.lend(value, 1)))


_CAST = engine.kernel("astype")


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
        raise engine.error(lib.PYAD_ERR_STALE, (x._h,))
    # No Array of this value is made: where it is large, its end would give the value back before the op has run on it.
    handle = lib.pyad_op(_CAST, 1, [x._h], 1, [CODES[dtype]])
    if handle >= FAILED:
        raise engine.error(handle, (x._h,))
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
        engine.kernel(name),
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
    return _register(Op(name, engine.kernel(name), arity, reference, transpose, None, kind))


def general(name: str, reference: Callable[..., Any], vjp: Rule, jvps: tuple[Callable[..., Any] | None, ...]) -> Op:
    """Register an op by its rules, one forward rule per operand, None for one that is always constant."""
    return _register(Op(name, engine.kernel(name), len(jvps), reference, vjp, jvps))


def nondiff(name: str, reference: Callable[..., Any], arity: int) -> Op:
    """Register an op that is constant wherever it is differentiable, such as a comparison."""
    domain = ((-2.0, 2.0),) * arity
    return _register(Op(name, engine.kernel(name), arity, reference, is_elementwise=True, domain=domain))


_next_number = engine.KERNEL_COUNT


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


def run(op: Op, operands: list[Any], params: tuple[int, ...]) -> Any:
    """The op on traced or plain operands. Rules get plain ones where values are complex and NumPy computes the op."""
    return op(*operands, params=params) if any(map(is_traced, operands)) else op.reference(*operands, *params)


# ---- what Python computed ----


def record_ran(op: Op, handles: Sequence[int], entry: Any, value: Any, dtype: np.dtype) -> Array:
    """Put on the tape what Python computed of nodes, as a constant of `dtype` or, where it is traced, as what a program
    runs for it. The engine keeps `entry` as long as the node, for the op's rule (`kept_entry`)."""
    keep = engine.current().keep
    index = len(keep)
    keep.append(entry)
    is_recorded = is_traced(value)
    node = value._h if is_recorded else constant(value, dtype)
    record = lib.pyad_op_traced if is_recorded else lib.pyad_op_ran_node
    handle = record(op.number, len(handles), ffi.new("int64_t[]", handles), index, node)
    if handle >= FAILED:
        raise engine.error(handle, tuple(handles))
    return wrap(handle)


def kept_entry(params: tuple[int, ...]) -> Any:
    """What is kept for a node of an op that only Python can run."""
    return engine.current().keep[params[0]]
