"""Your own derivative rules: `custom_vjp` and `custom_jvp`, with JAX's meaning.

A call with traced arguments becomes one node of the tape that only Python can run. The node's value is what your
function gave; several outputs are packed into one vector, of which each output is then a slice.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import numpy as np

from pyad import tree
from pyad._binding import engine
from pyad._binding.engine import F64, ffi, lib
from pyad._ops.shape import reshape
from pyad._trace.array import constant, is_traced, numpy_value, wrap
from pyad._trace.discrete import is_staged, peek, without_derivative
from pyad._trace.numpy_op import Packing
from pyad._trace.op import Op, python_op
from pyad.errors import ConcretizationError, DTypeError, ShapeError

__all__ = ["custom_jvp", "custom_vjp"]

_INDEX = (1 << engine.INDEX_BITS) - 1

# Stands for residuals that have not been asked for yet.
_LATER = object()


class _Outputs(Packing):
    """How the outputs of a function lie in one vector, and in which containers they were; a single one stays itself."""

    __slots__ = ("single", "structure")

    def __init__(self, name: str, leaves: list[Any], structure: Any) -> None:
        if not leaves:
            raise TypeError(f"{name}: the function must return an array or a container of arrays, got {structure}")
        for x in leaves:
            _check_numbers(name, "returned", x)
        super().__init__([x.shape if is_traced(x) else np.shape(x) for x in leaves], [_float_dtype(x) for x in leaves])
        self.single = len(leaves) == 1
        self.structure = structure

    def pack(self, arrays: Sequence[Any]) -> Any:
        """One traced or plain array of all outputs."""
        return arrays[0] if self.single else super().pack(arrays)

    def unpack(self, packed: Any) -> Any:
        """The outputs in their containers."""
        return self.structure.unflatten([packed] if self.single else super().unpack(packed))


def _check_numbers(name: str, did: str, x: Any) -> None:
    """Raise where a value that a user's function or rule gave is no number or array of numbers."""
    if is_traced(x):
        return
    dtype = np.asarray(x).dtype
    if dtype.kind not in "fiubc":
        raise DTypeError(f"{name}: {did} a value of dtype {dtype}, expected numbers or arrays of numbers")


def _check_nondiff(name: str, nondiff: tuple[int, ...], args: tuple[Any, ...]) -> None:
    for k in nondiff:
        if k >= len(args):
            raise ValueError(
                f"{name}: nondiff_argnums {k} is out of range, the function was called with {len(args)} arguments"
            )
        if tree.any_traced(args[k]):
            raise ConcretizationError(
                f"{name}: argument {k} is in nondiff_argnums and was given a traced value, whose derivative would be "
                "lost; "
                "take it out of nondiff_argnums, or pass pyad.stop_gradient(x)"
            )


def _check_definition(kind: str, function: Any, nondiff: Sequence[int]) -> tuple[int, ...]:
    if not callable(function):
        raise TypeError(f"{kind}: the first argument must be a function, got {type(function).__name__}")
    numbers = tuple(nondiff)
    if not all(isinstance(n, int) and n >= 0 for n in numbers):
        raise TypeError(f"{kind}: nondiff_argnums must be a sequence of integers from 0 on, got {nondiff!r}")
    return numbers


def _check_rules(name: str, *rules: Any) -> None:
    for rule in rules:
        if not callable(rule):
            raise TypeError(f"{name}: a rule must be a function, got {type(rule).__name__}")


def _float_dtype(x: Any) -> np.dtype:
    dtype = x.dtype if is_traced(x) else np.asarray(x).dtype
    return dtype if dtype in engine.INEXACT else F64


class _Call:
    """One call of a user's function, as the tape keeps it: what the rule is given besides the operands."""

    __slots__ = ("args", "function", "outputs", "places", "residuals", "structure")

    def __init__(self, function: Any, args: tuple[Any, ...], outputs: _Outputs, residuals: Any = None) -> None:
        self.function = function
        self.outputs = outputs
        self.residuals = residuals
        self.args, self.structure = tree.flatten(args)
        self.places = [k for k, x in enumerate(self.args) if is_traced(x)]

    @property
    def operands(self) -> list[int]:
        return [self.args[k]._h for k in self.places]

    def read_later(self) -> list[int]:
        """Handles of what the rule will read besides the operands, so that the engine sees to it that it "
        "stays as it is."""
        leaves = [x for x in tree.leaves(self.residuals) if is_traced(x) or _can_lend(x)]
        leaves += [x for k, x in enumerate(self.args) if k not in self.places and _can_lend(x)]
        return [x._h if is_traced(x) else engine.lend(x, 1) for x in leaves]

    def saved(self, operands: Sequence[Any]) -> Any:
        """The residuals as a rule is to see them, traced or plain. The node's operands have them after the arguments:
        a traced residual itself is of no use once the transform that recorded it has ended.
        """
        leaves, structure = tree.flatten(self.residuals)
        read = iter(operands[len(self.places) :])
        for k, x in enumerate(leaves):
            if is_traced(x):
                leaves[k] = next(read)
            elif _can_lend(x):
                next(read)
        return structure.unflatten(leaves)

    @property
    def count(self) -> int:
        """How many arguments the function was called with, those in nondiff_argnums aside."""
        return len(self.structure.unflatten(self.args))

    def zeros(self) -> list[Any]:
        """No tangent, for each leaf of the arguments that is not traced; None in the places of the others."""
        places = set(self.places)
        return [None if k in places else _zeros(x) for k, x in enumerate(self.args)]

    def arguments(self, operands: Sequence[Any]) -> tuple[Any, ...]:
        """The call's arguments with `operands` in the places of the traced ones."""
        leaves = list(self.args)
        for k, x in zip(self.places, operands, strict=True):
            leaves[k] = x
        return self.structure.unflatten(leaves)


def _can_lend(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype in engine.CODES


def _record(op: Op, call: _Call, value: Any, reads: bool = True) -> Any:
    """Put the call on the tape with the (packed) value it gave; answers the outputs. `reads`: the rule reads values."""
    keep = engine.current().keep
    index = len(keep)
    keep.append(call)
    node = value._h if is_traced(value) else constant(value, _float_dtype(value))
    operands = call.operands + (call.read_later() if reads else [])
    handles = ffi.new("int64_t[]", operands)
    record = lib.pyad_op_traced if is_traced(value) else lib.pyad_op_ran_node
    return call.outputs.unpack(wrap(record(op.number, len(operands), handles, index, node)))


def _find(params: tuple[int, ...]) -> _Call:
    return engine.current().keep[params[0]]


def _plain_values(tree_of: Any) -> Any:
    value = without_derivative if is_staged() else numpy_value
    return tree.map(lambda x: value(x) if is_traced(x) else x, tree_of)


def _name_of(params: tuple[int, ...]) -> str:
    return _find(params).function._name()


def _check_closure(name: str, outputs: list[Any], operands: list[int], floor: int) -> None:
    """Raise where an output depends on a traced value that is no argument: the rule says nothing of its derivative.

    Goes through what was recorded since `floor`, from the outputs down to the arguments.
    """
    known = set(operands)
    waiting = [x._h for x in outputs if is_traced(x)]
    while waiting:
        handle = waiting.pop()
        if handle in known:
            continue
        known.add(handle)
        info = engine.look(handle)
        if info.is_const:
            continue
        if handle & _INDEX < floor:
            raise ConcretizationError(
                f"{name} uses a traced value from outside (a {engine.DTYPES[info.dtype]} of shape "
                f"{engine.shape_of(info)}), and its rule says nothing of that value's derivative; make it an "
                "argument, or "
                "take pyad.stop_gradient of it"
            )
        waiting += [lib.pyad_operand(handle, k) for k in range(info.nargs)]


def _is_run_by(outer: FrameType, frame: FrameType | None) -> bool:
    """Whether `outer` is (still) being run, and has called `frame`."""
    while frame is not None and frame is not outer:
        frame = frame.f_back
    return frame is not None


# ---- custom_vjp ----


class custom_vjp:
    """A function with a reverse rule of your own.

    `defvjp(fwd, bwd)`: `fwd(*args)` returns (output, residuals); `bwd(residuals, cotangent)` returns a tuple with one
    cotangent per argument, None for zero. Arguments named in `nondiff_argnums` are not differentiated; `bwd` gets them
    first. Forward mode through the function raises TypeError, as in JAX.

    >>> import numpy as np
    >>> import pyad
    >>> @pyad.custom_vjp
    ... def clipped(x):
    ...     return x
    >>> clipped.defvjp(lambda x: (x, None), lambda _, g: (np.clip(g, -1.0, 1.0),))
    >>> pyad.grad(lambda x: 5.0 * clipped(x))(2.0)
    np.float64(1.0)
    """

    def __init__(self, function: Callable[..., Any], nondiff_argnums: Sequence[int] = ()) -> None:
        self.nondiff = _check_definition("custom_vjp", function, nondiff_argnums)
        functools.update_wrapper(self, function)
        self.function = function
        self.fwd: Callable[..., Any] | None = None
        self.bwd: Callable[..., Any] | None = None
        self.running: dict[int, FrameType] = {}  # where fwd is under way, by thread

    def defvjp(self, fwd: Callable[..., Any], bwd: Callable[..., Any]) -> None:
        """Set the forward and backward functions."""
        _check_rules(self._name(), fwd, bwd)
        self.fwd = fwd
        self.bwd = bwd

    def __call__(self, *args: Any) -> Any:
        diff = tuple(x for k, x in enumerate(args) if k not in self.nondiff)
        if not tree.any_traced(diff):
            return self.function(*args)
        if self.fwd is None:
            raise AttributeError(f"{self._name()} has no rule yet; call {self._name()}.defvjp(fwd, bwd) first")
        _check_nondiff(self._name(), self.nondiff, args)
        floor = lib.pyad_node_count()
        output, residuals = self._run(args)
        leaves, structure = tree.flatten(output)
        outputs = _Outputs(self._name(), leaves, structure)
        static = tuple(args[k] for k in self.nondiff)
        call = _Call(self, diff, outputs, (static, residuals))
        _check_closure(self._name(), leaves, call.operands, floor)
        return _record(_VJP, call, outputs.pack(leaves))

    def _run(self, args: tuple[Any, ...]) -> tuple[Any, Any]:
        """Output and residuals. Where fwd itself calls the function, the residuals are left for when bwd needs them."""
        thread = threading.get_ident()
        frame = sys._getframe()
        if thread in self.running and _is_run_by(self.running[thread], frame):
            return self.function(*_plain_values(args)), _LATER
        try:
            self.running[thread] = frame
            pair = self.fwd(*args)  # type: ignore[misc]
        finally:
            self.running.pop(thread, None)
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise TypeError(f"{self._name()}: fwd must return a pair (output, residuals), got {type(pair).__name__}")
        return pair

    def _name(self) -> str:
        return getattr(self, "__name__", "custom_vjp function")

    def pull(self, call: _Call, s: Any, operands: Sequence[Any]) -> tuple[Any, ...]:
        static, residuals = call.saved(operands)
        if residuals is _LATER:
            given = list(call.arguments(operands[: len(call.places)]))
            for k, x in sorted(zip(self.nondiff, static, strict=True)):
                given.insert(k, x)
            _, residuals = self._run(tuple(given))
        cotangents = self.bwd(*static, residuals, call.outputs.unpack(s))  # type: ignore[misc]
        count = call.count
        if not isinstance(cotangents, tuple | list) or len(cotangents) != count:
            raise TypeError(
                f"{self._name()}: bwd must return a tuple of {count} cotangents, one per argument, got "
                f"{type(cotangents).__name__}" + (f" of {len(cotangents)}" if isinstance(cotangents, tuple) else "")
            )
        return self._match(call, tuple(cotangents), operands[: len(call.places)])

    def _match(self, call: _Call, cotangents: tuple[Any, ...], operands: Sequence[Any]) -> tuple[Any, ...]:
        """One cotangent per traced leaf of the arguments, with its shape checked."""
        found: list[Any] = []
        for argument, cotangent in zip(call.structure.unflatten(call.args), cotangents, strict=True):
            leaves, structure = tree.flatten(argument)
            if cotangent is None:
                found += [None] * len(leaves)
                continue
            given, given_structure = tree.flatten(cotangent)
            if given_structure != structure:
                raise TypeError(f"{self._name()}: bwd returned {given_structure} for an argument of {structure}")
            found += given
        out = [found[k] for k in call.places]
        for ct in out:
            if ct is not None:
                _check_numbers(self._name(), "bwd returned", ct)
        for x, ct in zip(operands, out, strict=True):
            shape = x.shape if is_traced(x) else np.shape(x)
            given = shape if ct is None else ct.shape if is_traced(ct) else np.shape(ct)
            if given != shape:
                raise ShapeError(
                    f"{self._name()}: bwd returned a cotangent of shape {given} for an argument of {shape}"
                )
        return tuple(out)


def _vjp_backward(s: Any, y: Any, *rest: Any) -> tuple[Any, ...]:
    *operands, params = rest
    call = _find(params)
    return _padded(call, call.function.pull(call, s, operands), operands)


def _padded(call: _Call, cotangents: tuple[Any, ...], operands: list[Any]) -> tuple[Any, ...]:
    """No cotangents for what is an operand only because the rule reads it."""
    return (*cotangents, *[None] * (len(operands) - len(call.places)))


def _vjp_forward(tangents: list[Any], y: Any, *rest: Any) -> Any:
    raise TypeError(
        f"{_name_of(rest[-1])} was defined by custom_vjp, which has no forward mode (jvp, hvp); define it by custom_jvp"
    )


_VJP = python_op("custom_vjp", lambda *_: None, _vjp_backward, _vjp_forward, label=_name_of)


# ---- custom_jvp ----


class custom_jvp:
    """A function with a forward rule of your own; the reverse rule follows by transposing it.

    `defjvp(rule)`: `rule(primals, tangents)` returns (output, output tangent), linear in the tangents. Arguments
    named in `nondiff_argnums` are not differentiated; the rule gets them first.

    >>> import numpy as np
    >>> import pyad
    >>> @pyad.custom_jvp
    ... def softabs(x):
    ...     return np.sqrt(x * x)
    >>> _ = softabs.defjvp(lambda x, t: (softabs(x[0]), t[0] * np.tanh(x[0])))
    >>> pyad.grad(softabs)(0.0)
    np.float64(0.0)
    """

    def __init__(self, function: Callable[..., Any], nondiff_argnums: Sequence[int] = ()) -> None:
        self.nondiff = _check_definition("custom_jvp", function, nondiff_argnums)
        functools.update_wrapper(self, function)
        self.function = function
        self.rule: Callable[..., Any] | None = None

    def defjvp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Set the rule; returns it, so that it can be used as a decorator."""
        _check_rules(self._name(), rule)
        self.rule = rule
        return rule

    def __call__(self, *args: Any) -> Any:
        diff = tuple(x for k, x in enumerate(args) if k not in self.nondiff)
        if not tree.any_traced(diff):
            return self.function(*args)
        if self.rule is None:
            raise AttributeError(f"{self._name()} has no rule yet; call {self._name()}.defjvp(rule) first")
        _check_nondiff(self._name(), self.nondiff, args)
        floor = lib.pyad_node_count()
        leaves, structure = tree.flatten(self.function(*args))
        outputs = _Outputs(self._name(), leaves, structure)
        static = tuple(args[k] for k in self.nondiff)
        call = _Call(self, diff, outputs, static)
        _check_closure(self._name(), leaves, call.operands, floor)
        return _record(_JVP, call, outputs.pack(leaves))

    def _name(self) -> str:
        return getattr(self, "__name__", "custom_jvp function")

    def push(self, call: _Call, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        """The (packed) tangent of the outputs for tangents of the traced leaves."""
        dots = call.zeros()
        for k, t in zip(call.places, tangents, strict=True):
            dots[k] = t
        dots = call.structure.unflatten(dots)
        pair = self.rule(*call.residuals, call.arguments(primals), dots)  # type: ignore[misc]
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError(
                f"{self._name()}: the rule must return a pair (output, tangent of the output), got "
                f"{type(pair).__name__}"
            )
        leaves, structure = tree.flatten(pair[1])
        if structure != call.outputs.structure:
            raise TypeError(
                f"{self._name()}: the rule gave a tangent of {structure} for an output of {call.outputs.structure}"
            )
        for x, shape in zip(leaves, call.outputs.shapes, strict=True):
            _check_numbers(self._name(), "the rule gave", x)
            given = x.shape if is_traced(x) else np.shape(x)
            if given != shape:
                raise ShapeError(
                    f"{self._name()}: the rule gave a tangent of shape {given} for an output of shape {shape}"
                )
        return call.outputs.pack(leaves)


def _zeros(x: Any) -> Any:
    shape = x.shape if is_traced(x) else np.shape(x)
    return np.zeros(shape, _float_dtype(x))[()]


def _jvp_forward(tangents: list[Any], y: Any, *rest: Any) -> Any:
    *operands, params = rest
    call = _find(params)
    count = len(call.places)
    full = [_zeros(x) if t is None else t for x, t in zip(operands[:count], tangents[:count], strict=True)]
    return call.function.push(call, operands[:count], full)


def _jvp_backward(s: Any, y: Any, *rest: Any) -> tuple[Any, ...]:
    from pyad._transforms.grad import vjp

    *operands, params = rest
    call = _find(params)
    primals = operands[: len(call.places)]
    zeros = [_zeros(x) for x in primals]
    value, pullback = vjp(lambda *t: call.function.push(call, primals, t), *zeros)
    # A linear map takes zero to zero; NaN may stand where a factor is infinite.
    if np.any(np.abs(numpy_value(value)) > 0):
        raise ValueError(
            f"{call.function._name()}: the rule's tangent is not linear in the tangents: it is not zero where they are"
        )
    shape = value.shape if is_traced(value) else np.shape(value)
    return _padded(call, pullback(reshape(s, shape) if is_traced(s) else np.reshape(s, shape)[()]), operands)


_JVP = python_op("custom_jvp", lambda *_: None, _jvp_backward, _jvp_forward, label=_name_of)


# ---- a linear map that was recorded on another tape ----


class _LinearMap:
    """A linear map between lists of arrays, with its transpose."""

    __slots__ = ("run", "run_transposed")

    def __init__(self, run: Callable[..., list[Any]], run_transposed: Callable[..., list[Any]]) -> None:
        self.run = run
        self.run_transposed = run_transposed

    @property
    def transposed(self) -> _LinearMap:
        return _LinearMap(self.run_transposed, self.run)

    def __call__(self, leaves: list[Any]) -> list[Any]:
        value = peek if is_staged() else numpy_value
        plain = self.run([value(x) if is_traced(x) else x for x in leaves])
        if not any(is_traced(x) for x in leaves):
            return plain
        outputs = _Outputs("pullback", plain, tree.flatten(plain)[1])
        return _record(_LINEAR, _Call(self, tuple(leaves), outputs), outputs.pack(plain), reads=False)


def _linear_backward(s: Any, y: Any, *rest: Any) -> tuple[Any, ...]:
    call = _find(rest[-1])
    found = call.function.transposed(list(call.outputs.unpack(s)))
    return tuple(found[k] for k in call.places)


def _linear_forward(tangents: list[Any], y: Any, *rest: Any) -> Any:
    *operands, params = rest
    call = _find(params)
    leaves = call.zeros()
    for k, x, t in zip(call.places, operands, tangents, strict=True):
        leaves[k] = _zeros(x) if t is None else t
    return call.outputs.pack(list(call.function(leaves)))


def _linear_again(call: _Call, operands: list[Any]) -> Any:
    leaves = list(call.args)
    for k, x in zip(call.places, operands, strict=True):
        leaves[k] = x
    return call.outputs.pack(call.function.run(leaves))


_LINEAR = python_op("pullback", lambda *_: None, _linear_backward, _linear_forward, rerun=_linear_again)


def apply_linear(pullback: Any, cotangents: list[Any]) -> list[Any]:
    """A pullback from outside the transforms under way, applied to traced cotangents."""
    return _LinearMap(pullback.pull, pullback.push)(cotangents)
