"""Your own derivative rules: `custom_vjp` and `custom_jvp`, with JAX's meaning.

A call with traced arguments becomes one node of the tape that only Python can run. The node's value is what your
function gave; several outputs are packed into one vector, of which each output is then a slice.
"""

from __future__ import annotations

import copyreg
import functools
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import numpy as np

from pyad import tree
from pyad._binding import dtypes, engine, memory
from pyad._binding.engine import lib
from pyad._ops.shape import reshape
from pyad._trace.array import is_traced, numpy_value
from pyad._trace.op import kept_entry, python_op
from pyad._trace.recorded_call import detached
from pyad._transforms.python_call import (
    Outputs,
    PythonCall,
    check_numbers,
    name_of,
    padded,
    record_call,
    zeros_like,
)
from pyad._transforms.transformed import name_in_module
from pyad.errors import ConcretizationError, ShapeError

__all__ = ["custom_jvp", "custom_vjp"]

_INDEX = (1 << engine.INDEX_BITS) - 1

# Stands for residuals that have not been asked for yet.
_LATER = object()


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


def _check_captured(name: str, outputs: list[Any], operands: list[int], floor: int) -> None:
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
        info = memory.node_info(handle)
        if info.is_const:
            continue
        if handle & _INDEX < floor:
            raise ConcretizationError(
                f"{name} uses a traced value from outside (a {dtypes.DTYPES[info.dtype]} of shape "
                f"{memory.shape_of(info)}), and its rule says nothing of that value's derivative; make it an "
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
    """A function with a reverse rule of your own, which `defvjp` sets.

    Forward mode through the function raises TypeError, as in JAX.

    Args:
        function: The function, of positional arguments.
        nondiff_argnums: Which of these are not differentiated.

    Raises:
        TypeError: `function` is no function, or `nondiff_argnums` are no integers.
        AttributeError: (when called) there is no rule yet.

    >>> import numpy as np
    >>> import pyad
    >>> @pyad.custom_vjp
    ... def clipped(x):
    ...     return x
    ...
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

    def __reduce__(self) -> Any:
        return name_in_module(self) or (copyreg.__newobj__, (type(self),), vars(self))  # type: ignore[attr-defined]

    def defvjp(self, fwd: Callable[..., Any], bwd: Callable[..., Any]) -> None:
        """Set the forward and backward functions.

        Args:
            fwd: `fwd(*args)` returns (output, residuals).
            bwd: `bwd(residuals, cotangent)` returns a tuple with one cotangent per argument, None for zero. Arguments
                named in `nondiff_argnums` come first: `bwd(*these, residuals, cotangent)`.

        Raises:
            TypeError: A rule is no function, or (when called) returns something else.
        """
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
        outputs = Outputs(self._name(), leaves, structure)
        static = tuple(args[k] for k in self.nondiff)
        call = PythonCall(self, diff, outputs, (static, residuals))
        _check_captured(self._name(), leaves, call.operands, floor)
        return record_call(_VJP, call, outputs.pack(leaves))

    def _run(self, args: tuple[Any, ...]) -> tuple[Any, Any]:
        """Output and residuals. Where fwd itself calls the function, the residuals are left for when bwd needs them."""
        thread = threading.get_ident()
        frame = sys._getframe()
        if thread in self.running and _is_run_by(self.running[thread], frame):
            return self.function(*tree.map(detached, args)), _LATER
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

    def _pull(self, call: PythonCall, s: Any, operands: Sequence[Any]) -> tuple[Any, ...]:
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

    def _match(self, call: PythonCall, cotangents: tuple[Any, ...], operands: Sequence[Any]) -> tuple[Any, ...]:
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
                check_numbers(self._name(), "bwd returned", ct)
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
    call = kept_entry(params)
    return padded(call, call.function._pull(call, s, operands), operands)


def _vjp_forward(tangents: list[Any], y: Any, *rest: Any) -> Any:
    raise TypeError(
        f"{name_of(rest[-1])} was defined by custom_vjp, which has no forward mode (jvp, hvp); define it by custom_jvp"
    )


_VJP = python_op("custom_vjp", lambda *_: None, _vjp_backward, _vjp_forward, label=name_of)


# ---- custom_jvp ----


class custom_jvp:
    """A function with a forward rule of your own, which `defjvp` sets; the reverse rule follows by transposing it.

    Args:
        function: The function, of positional arguments.
        nondiff_argnums: Which of these are not differentiated.

    Raises:
        TypeError: `function` is no function, or `nondiff_argnums` are no integers.
        AttributeError: (when called) there is no rule yet.

    >>> import numpy as np
    >>> import pyad
    >>> @pyad.custom_jvp
    ... def softabs(x):
    ...     return np.sqrt(x * x)
    ...
    >>> _ = softabs.defjvp(lambda x, t: (softabs(x[0]), t[0] * np.tanh(x[0])))
    >>> pyad.grad(softabs)(0.0)
    np.float64(0.0)
    """

    def __init__(self, function: Callable[..., Any], nondiff_argnums: Sequence[int] = ()) -> None:
        self.nondiff = _check_definition("custom_jvp", function, nondiff_argnums)
        functools.update_wrapper(self, function)
        self.function = function
        self.rule: Callable[..., Any] | None = None

    def __reduce__(self) -> Any:
        return name_in_module(self) or (copyreg.__newobj__, (type(self),), vars(self))  # type: ignore[attr-defined]

    def defjvp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Set the rule.

        Args:
            rule: `rule(primals, tangents)` returns (output, output tangent), linear in the tangents. Arguments named in
                `nondiff_argnums` come first: `rule(*these, primals, tangents)`.

        Returns:
            The rule, so that this can be used as a decorator.

        Raises:
            TypeError: The rule is no function, or (when called) returns something else.
        """
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
        outputs = Outputs(self._name(), leaves, structure)
        static = tuple(args[k] for k in self.nondiff)
        call = PythonCall(self, diff, outputs, static)
        _check_captured(self._name(), leaves, call.operands, floor)
        return record_call(_JVP, call, outputs.pack(leaves))

    def _name(self) -> str:
        return getattr(self, "__name__", "custom_jvp function")

    def _push(self, call: PythonCall, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
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
            check_numbers(self._name(), "the rule gave", x)
            given = x.shape if is_traced(x) else np.shape(x)
            if given != shape:
                raise ShapeError(
                    f"{self._name()}: the rule gave a tangent of shape {given} for an output of shape {shape}"
                )
        return call.outputs.pack(leaves)


def _jvp_forward(tangents: list[Any], y: Any, *rest: Any) -> Any:
    *operands, params = rest
    call = kept_entry(params)
    count = len(call.places)
    full = [zeros_like(x) if t is None else t for x, t in zip(operands[:count], tangents[:count], strict=True)]
    return call.function._push(call, operands[:count], full)


def _jvp_backward(s: Any, y: Any, *rest: Any) -> tuple[Any, ...]:
    from pyad._transforms.grad import vjp

    *operands, params = rest
    call = kept_entry(params)
    primals = operands[: len(call.places)]
    zeros = [zeros_like(x) for x in primals]
    value, pullback = vjp(lambda *t: call.function._push(call, primals, t), *zeros)
    # A linear map takes zero to zero; NaN may stand where a factor is infinite.
    if np.any(np.abs(numpy_value(value)) > 0):
        raise ValueError(
            f"{call.function._name()}: the rule's tangent is not linear in the tangents: it is not zero where they are"
        )
    shape = value.shape if is_traced(value) else np.shape(value)
    return padded(call, pullback(reshape(s, shape) if is_traced(s) else np.reshape(s, shape)[()]), operands)


_JVP = python_op("custom_jvp", lambda *_: None, _jvp_backward, _jvp_forward, label=name_of)
