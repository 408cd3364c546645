"""Ops that NumPy runs: what the engine has no kernel for.

Such an op is called with arrays and keyword parameters of any kind. Where none of the arrays is traced, it is its
reference and nothing else. Otherwise NumPy computes the value from plain arrays, and a node is recorded that only
Python can differentiate: the sweep stops there, the rule runs on plain arrays (on traced values where a higher
derivative is asked for), and the sweep goes on. Rules are written with pyad's own functions, so they can be
differentiated in turn.

Where there are several outputs (a decomposition), the reference returns a tuple, and rules see tuples in the places of
y and of its cotangent. On the tape they are one vector, of which each output is a slice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from pyad._binding import engine, memory
from pyad._binding.dtypes import CODE_F32, CODES
from pyad._binding.memory import VIEW_BYTES, read_view
from pyad._trace.array import CALLS, Array, bare, is_traced, numpy_value
from pyad._trace.op import Op, cast, handle_of, kept_entry, python_op, record_ran
from pyad._trace.packing import Packing
from pyad._trace.promotion import common_dtype, constant
from pyad.errors import DTypeError

__all__ = ["numpy_op", "numpy_op_elementwise", "numpy_op_linear"]

_FLOATS = " or ".join(str(dtype) for dtype, code in CODES.items() if code >= CODE_F32)
NumpyOp = Callable[..., Any]
# In the place of many empty dicts.
_NONE: dict[str, Any] = {}
_values, _record = CALLS["values"], CALLS["record"]


def numpy_op(name: str, reference: Callable[..., Any], vjp: Callable[..., Any], jvp: Callable[..., Any]) -> NumpyOp:
    """Define an op that NumPy runs.

    Args:
        name: What messages call it.
        reference: `reference(*operands, **params)` returns the value, an array or a tuple of arrays, of one dtype or
            real ones beside complex ones; operands are plain, of one dtype.
        vjp: `vjp(s, y, *operands, **params)` returns a tuple of cotangents, one per operand, each of that operand's
            shape or of one that broadcasting it gives; None for no derivative. A function in the place of a cotangent
            is called to give it, only where that operand's is needed.
        jvp: `jvp(tangents, y, *operands, **params)` returns the tangent of the value; an operand's tangent is None
            where it has none.

    Returns:
        The function `(*operands, **params)` that records it, of which one operand at least must be traced.

    Raises:
        EngineError: There are 65535 ops.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.extend import numpy_op
    >>> cube = numpy_op("cube", lambda x: x**3, lambda s, y, x: (3 * s * x**2,), lambda t, y, x: 3 * t[0] * x**2)
    >>> pyad.grad(cube)(2.0)
    np.float64(12.0)
    """
    op = _define(name, reference, vjp, jvp)
    number = op.number

    def call(*operands: Any, **params: Any) -> Any:
        if engine.recording_threads:
            operands = tuple(map(memory.as_it_is, operands))
        plain = kept = _values(operands)
        if plain is None:
            if not any(map(is_traced, operands)):
                return reference(*operands, **params)
            operands, plain = _long_way(op, operands)
        try:
            value = _drawing(reference, plain, params) if engine.recording_threads else reference(*plain, **params)
        except (ValueError, TypeError) as problem:
            if engine.recording_threads:
                # That it fails may decide what is recorded, if the function catches it.
                for x in operands:
                    numpy_value(x)
            raise _named(op, problem, plain) from None
        outputs = None
        if type(value) is not np.ndarray:
            value, outputs = _as_array(value)
        if kept is None:
            kept = _kept(value, plain)
        run = (params or _NONE, outputs, value, kept)
        result = _record(number, operands, value, engine.current().keep, run)
        if type(result) is not Array:
            if result is not None:
                raise engine.error(result, tuple(x._h for x in operands if is_traced(x)))
            result = _ran(op, operands, run)
        return result if outputs is None else outputs.unpack(result)

    call.op = op  # type: ignore[attr-defined]
    call.__name__ = call.__qualname__ = name
    return call


def _drawing(reference: Callable[..., Any], plain: Sequence[Any], params: dict[str, Any]) -> Any:
    """The value where a program may be being recorded: what NumPy draws for it is drawn again at every replay."""
    draws = engine.current().draws
    if draws is None:
        return reference(*plain, **params)
    with draws.paused():
        return reference(*plain, **params)


def numpy_op_linear(
    name: str, reference: Callable[..., Any], transpose: Callable[..., Any], joint: bool = False
) -> NumpyOp:
    """Define an op that is linear in each operand, by its transpose.

    Args:
        name: What messages call it.
        reference: As in `numpy_op`.
        transpose: `transpose(s, *operands, **params)` returns a tuple of cotangents, as `vjp` of `numpy_op`.
        joint: Whether it is linear in all operands together.

    Returns:
        The function `(*operands, **params)` that records it, of which one operand at least must be traced.

    Raises:
        EngineError: There are 65535 ops.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.extend import numpy_op_linear
    >>> flipped = numpy_op_linear("flipped", lambda x: x[::-1].copy(), lambda s, x: (flipped(s),))
    >>> pyad.grad(lambda x: flipped(x)[0])(np.ones(3))
    array([0., 0., 1.])
    """

    def jvp(tangents: list[Any], y: Any, *operands: Any, **params: Any) -> Any:
        if joint:
            full = [_zeros_like(x) if t is None else t for t, x in zip(tangents, operands, strict=True)]
            return call(*full, **params)
        total = None
        for k, t in enumerate(tangents):
            if t is not None:
                part = call(*operands[:k], t, *operands[k + 1 :], **params)
                total = part if total is None else total + part
        return total

    call = numpy_op(name, reference, lambda s, y, *rest, **params: transpose(s, *rest, **params), jvp)
    return call


def numpy_op_elementwise(name: str, reference: Callable[..., Any], partials: Callable[..., Any]) -> NumpyOp:
    """Define an element-wise op by its partial derivatives.

    Args:
        name: What messages call it.
        reference: As in `numpy_op`.
        partials: `partials(s, y, *operands)` returns s times the partial derivative by each operand.

    Returns:
        The function `(*operands)` that records it, of which one operand at least must be traced.

    Raises:
        EngineError: There are 65535 ops.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.extend import numpy_op_elementwise
    >>> cube = numpy_op_elementwise("cube", lambda x: x**3, lambda s, y, x: (3 * s * x**2,))
    >>> pyad.grad(cube)(2.0)
    np.float64(12.0)
    """

    def jvp(tangents: list[Any], y: Any, *operands: Any) -> Any:
        parts = [partials(t, y, *operands)[k] for k, t in enumerate(tangents) if t is not None]
        parts = [part for part in parts if part is not None]
        total = parts[0] if parts else None
        for part in parts[1:]:
            total = total + part
        return total

    return numpy_op(name, reference, partials, jvp)


def _zeros_like(x: Any) -> np.ndarray:
    return np.zeros(x.shape, x.dtype)


# What is kept of one call: parameters, outputs, the value as it is on the tape, and the operands where they are small.
# The keep list holds it as long as the tape has the node, so a rule on plain arrays need not read these out of the
# engine.
_Run = tuple[dict[str, Any], Packing | None, np.ndarray, Sequence[Any] | None]


def _define(name: str, reference: Any, vjp: Any, jvp: Any) -> Op:
    def backward(s: Any, y: Any, *rest: Any) -> tuple[Any, ...]:
        *operands, number = rest
        params, outputs, _, _ = kept_entry(number)
        if outputs is not None:
            s, y = outputs.unpack(s), outputs.unpack(y)
        return vjp(s, y, *operands, **params)

    def forward(tangents: list[Any], y: Any, *rest: Any) -> Any:
        *operands, number = rest
        params, outputs, _, _ = kept_entry(number)
        if outputs is None:
            return jvp(tangents, y, *operands, **params)
        return outputs.pack(jvp(tangents, outputs.unpack(y), *operands, **params))

    # The same on what has been kept. They find it themselves: the calls saved are as long as some rules.

    def backward_on_kept(s: Any, number: tuple[int, ...], handles: Sequence[int]) -> tuple[Any, ...]:
        params, outputs, y, operands = engine.current().keep[number[0]]
        if operands is None:
            operands = [read_view(h) for h in handles]
        elif y.flags.writeable:
            _freeze(y, operands)
        if outputs is not None:
            s, y = outputs.unpack(s), outputs.unpack(y)
        return vjp(s, y, *operands, **params)

    def forward_on_kept(tangents: list[Any], number: tuple[int, ...], handles: Sequence[int]) -> Any:
        params, outputs, y, operands = engine.current().keep[number[0]]
        if operands is None:
            operands = [read_view(h) for h in handles]
        elif y.flags.writeable:
            _freeze(y, operands)
        if outputs is None:
            return jvp(tangents, y, *operands, **params)
        return outputs.pack(jvp(tangents, outputs.unpack(y), *operands, **params))

    on_kept = (backward_on_kept, forward_on_kept)

    def rerun(run: _Run, operands: list[Any]) -> Any:
        return _as_array(reference(*operands, **run[0]))[0]

    return python_op(name, reference, backward, forward, views=True, on_kept=on_kept, rerun=rerun)


def _long_way(op: Op, operands: tuple[Any, ...]) -> tuple[tuple[Array, ...], list[Any]]:
    """The operands as traced values of their common dtype, and their plain values; raises for what cannot be one."""
    dtype = common_dtype(op.name, operands)
    same = [x if is_traced(x) else np.asarray(x, dtype) for x in operands]
    traced = (*[_in_dtype(x, dtype) for x in same],)  # whole at once: the collector may list all tuples there are
    return traced, [read_view(t._h) if is_traced(x) else x for x, t in zip(same, traced, strict=True)]


def _in_dtype(x: Any, dtype: np.dtype) -> Array:
    """An operand as a traced value, which the engine keeps for as long as there is this Array of it."""
    if not is_traced(x):
        return bare(constant(x, dtype))
    return x if x.dtype == dtype else cast(x, dtype)


def _as_array(value: Any) -> tuple[np.ndarray, Packing | None]:
    """What a reference gave as one array: a scalar, or several outputs one behind the other."""
    if type(value) is not tuple:
        return np.asarray(value), None
    outputs = Packing([x.shape for x in value], [x.dtype for x in value])
    return np.concatenate([np.ravel(x) for x in value]), outputs


def _kept(value: np.ndarray, operands: list[Any]) -> list[Any] | None:
    """The operands to be kept: small ones, which are copies. To keep a larger one would keep the engine's memory from
    being used again."""
    for x in operands:
        if x.nbytes > VIEW_BYTES:
            _freeze(value, operands)
            return None
    return operands


def _freeze(value: np.ndarray, operands: Iterable[Any]) -> None:
    """Rules see the value and may not write it. Where it is an operand itself, it may be the user's array."""
    for x in operands:
        if x is value:
            return
    value.setflags(write=False)


def _ran(op: Op, operands: tuple[Any, ...], run: _Run) -> Array:
    """The node of a value that the engine cannot have as it lies there; raises for what cannot be traced."""
    value = run[2]
    if value.dtype not in CODES:
        raise DTypeError(f"{op.name} gave {value.dtype}, which traced values cannot be; they are {_FLOATS}")
    return record_ran(op, [handle_of(x, x.dtype) for x in operands], run, value, value.dtype)


def _named(op: Op, problem: Exception, operands: list[Any]) -> Exception:
    """NumPy's error with the name of the function and its operands in front; as it is where it is of a special form."""
    if type(problem) not in (ValueError, TypeError, np.linalg.LinAlgError):
        return problem
    given = ", ".join(f"{x.dtype}{list(x.shape)}" for x in operands)
    return type(problem)(f"{op.name} of {given}: {problem}")
