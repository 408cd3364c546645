"""Ops that NumPy runs: what the engine has no kernel for.

A host op is called with arrays, of which at least one is traced, and keyword parameters of any kind. NumPy computes the
value from plain arrays, and a node is recorded that only Python can differentiate: the sweep stops there, the rule runs
on plain arrays (on traced values where a higher derivative is asked for), and the sweep goes on. Rules are written with
pyad's own functions, so they can be differentiated in turn.

Where there are several outputs (a decomposition), the reference returns a tuple, and rules see tuples in the places of
y and of its cotangent. On the tape they are one vector, of which each output is a slice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyad import _engine
from pyad._engine import ffi, lib
from pyad.array import Array, common_dtype, constant, is_traced, numpy_view, wrap
from pyad.op import Op, handle_of, python_op

__all__ = ["host", "host_elementwise", "host_linear"]

HostOp = Callable[..., Any]


def host(name: str, reference: Callable[..., Any], vjp: Callable[..., Any], jvp: Callable[..., Any]) -> HostOp:
    """Define an op that NumPy runs; returns the function that records it.

    reference(*operands, **params): the value, an array or a tuple of arrays, which may be complex; operands are plain,
        of one dtype.
    vjp(s, y, *operands, **params): a tuple of cotangents, one per operand, each of that operand's shape or of one that
        broadcasting it gives; None for no derivative.
    jvp(tangents, y, *operands, **params): the tangent of the value; an operand's tangent is None where it has none.
    """
    op = _define(name, reference, vjp, jvp)

    def call(*operands: Any, **params: Any) -> Any:
        dtype = common_dtype(name, operands)
        return _record(op, [x if is_traced(x) else np.asarray(x, dtype) for x in operands], dtype, params)

    call.op = op  # type: ignore[attr-defined]
    call.__name__ = call.__qualname__ = name
    return call


def host_linear(name: str, reference: Callable[..., Any], transpose: Callable[..., Any], joint: bool = False) -> HostOp:
    """Define an op that is linear in each operand (`joint`: in all of them together), by its transpose.

    transpose(s, *operands, **params): a tuple of cotangents, as `vjp` of `host`.
    """

    def jvp(tangents: list[Any], y: Any, *operands: Any, **params: Any) -> Any:
        if joint:
            full = [_zeros_like(x) if t is None else t for t, x in zip(tangents, operands, strict=True)]
            return apply(*full, **params)
        total = None
        for k, t in enumerate(tangents):
            if t is not None:
                part = apply(*operands[:k], t, *operands[k + 1 :], **params)
                total = part if total is None else total + part
        return total

    call = host(name, reference, lambda s, y, *rest, **params: transpose(s, *rest, **params), jvp)

    def apply(*operands: Any, **params: Any) -> Any:
        return call(*operands, **params) if any(map(is_traced, operands)) else reference(*operands, **params)

    return call


def host_elementwise(name: str, reference: Callable[..., Any], partials: Callable[..., Any]) -> HostOp:
    """Define an element-wise op by its partial derivatives.

    partials(s, y, *operands): s times the partial derivative by each operand, as for a native element-wise op.
    """

    def jvp(tangents: list[Any], y: Any, *operands: Any) -> Any:
        parts = [partials(t, y, *operands)[k] for k, t in enumerate(tangents) if t is not None]
        parts = [part for part in parts if part is not None]
        total = parts[0] if parts else None
        for part in parts[1:]:
            total = total + part
        return total

    return host(name, reference, partials, jvp)


def _zeros_like(x: Any) -> np.ndarray:
    return np.zeros(x.shape, x.dtype)


class _Outputs:
    """How several outputs lie in one vector."""

    __slots__ = ("dtypes", "shapes")

    def __init__(self, outputs: tuple[np.ndarray, ...]) -> None:
        self.shapes = [x.shape for x in outputs]
        self.dtypes = [x.dtype for x in outputs]

    def pack(self, outputs: tuple[Any, ...]) -> Any:
        from pyad.ops.shape import concatenate, ravel, recast

        dtype = np.result_type(*self.dtypes)
        return concatenate([recast(ravel(x), dtype) for x in outputs])

    def unpack(self, packed: Any) -> tuple[Any, ...]:
        from pyad.ops.shape import recast, reshape

        parts = []
        start = 0
        for shape, dtype in zip(self.shapes, self.dtypes, strict=True):
            size = int(np.prod(shape, dtype=int))
            parts.append(recast(reshape(packed[start : start + size], shape), dtype))
            start += size
        return tuple(parts)


def _define(name: str, reference: Any, vjp: Any, jvp: Any) -> Op:
    def backward(s: Any, y: Any, *rest: Any) -> tuple[Any, ...]:
        *operands, number = rest
        outputs, params = _find(number)
        if outputs is not None:
            s, y = outputs.unpack(s), outputs.unpack(y)
        return vjp(s, y, *operands, **params)

    def forward(tangents: list[Any], y: Any, *rest: Any) -> Any:
        *operands, number = rest
        outputs, params = _find(number)
        if outputs is None:
            return jvp(tangents, y, *operands, **params)
        return outputs.pack(jvp(tangents, outputs.unpack(y), *operands, **params))

    return python_op(name, reference, backward, forward, views=True)


def _find(number: tuple[int, ...]) -> tuple[_Outputs | None, dict[str, Any]]:
    return _engine.current().keep[number[0]]


def _record(op: Op, operands: list[Any], dtype: np.dtype, params: dict[str, Any]) -> Any:
    handles = [handle_of(x, dtype) for x in operands]
    plain = [numpy_view(_bare(h)) if is_traced(x) else x for x, h in zip(operands, handles, strict=True)]
    value = op.reference(*plain, **params)
    outputs = None
    if isinstance(value, tuple):
        outputs = _Outputs(value)
        value = np.concatenate([np.ravel(x) for x in value])
    keep = _engine.current().keep
    number = len(keep)
    keep.append((outputs, params))
    node = constant(value, value.dtype)
    result = wrap(lib.pyad_op_ran_node(op.number, len(handles), ffi.new("int64_t[]", handles), number, node))
    return result if outputs is None else outputs.unpack(result)


def _bare(handle: int) -> Array:
    array = Array.__new__(Array)
    array._h = handle
    return array
