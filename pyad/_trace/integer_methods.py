"""Operators, methods and protocols of traced integers."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pyad._binding import engine
from pyad._binding.engine import lib
from pyad._trace.array import is_traced
from pyad._trace.recorded_call import call, decided, first_traced, with_items
from pyad._trace.traced_integer import TracedInteger, owned
from pyad.errors import ConcretizationError, DTypeError, ShapeError


def _refuse_write(*_: Any) -> Any:
    raise ConcretizationError(
        "a write into an array of integers or booleans that depends on the arguments of a compiled program; build it "
        "with np.where or np.concatenate (a = a + b instead of a += b), or make it an array of floats"
    )


# Functions that write into their first argument.
_WRITING = {np.copyto, np.put, np.place, np.putmask, np.put_along_axis, np.fill_diagonal}


def _written_now(function: Callable[..., Any], args: Any, keywords: dict[str, Any]) -> Any:
    """A write into a plain array, of values on which what is recorded then depends."""
    if type(args[0]) is TracedInteger:
        _refuse_write()
    return function(*decided(args), **decided(keywords))


def _without_out(function: Callable[..., Any], args: Any, keywords: dict[str, Any]) -> Any:
    """A call whose result is written into out= afterwards, if that is given."""
    out = keywords.pop("out", None)
    out = out[0] if type(out) is tuple and len(out) == 1 else out
    if out is None:
        return call(function, args, keywords)
    if not isinstance(out, np.ndarray):
        _refuse_write()
    np.copyto(out, decided(call(function, args, keywords)), casting="same_kind")
    return out


class _Methods:
    """What a traced integer has besides its operators; given to the class below."""

    def __iter__(self: TracedInteger) -> Iterator[Any]:
        return iter([self[k] for k in range(len(self))])

    def __contains__(self: TracedInteger, x: Any) -> bool:
        return bool((self == x).any())

    def __array_ufunc__(self: TracedInteger, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        array = first_traced(inputs, keywords)
        if array is not None:
            return array.__array_ufunc__(ufunc, method, *inputs, **keywords)
        if method == "at":
            return _written_now(ufunc.at, inputs, keywords)
        return _without_out(getattr(ufunc, method), inputs, keywords)

    def __array_function__(
        self: TracedInteger, function: Callable[..., Any], types: Any, args: Any, keywords: Any
    ) -> Any:
        array = first_traced(args, keywords)
        if array is not None:
            return array.__array_function__(function, types, args, keywords)
        if function in _WRITING:
            return _written_now(function, args, keywords)
        return _without_out(function, args, keywords)

    def __getitem__(self: TracedInteger, index: Any) -> Any:
        return call(operator.getitem, (self, index), {})

    def __setitem__(self: TracedInteger, index: Any, value: Any) -> None:
        self._write(call(with_items, (self, index, value), {}))

    def _write(self: TracedInteger, result: Any) -> TracedInteger:
        """Give the array other elements, where it is sure who sees them."""
        if not self._own:
            raise ConcretizationError(
                "a write into an array of integers or booleans that depends on the arguments of a compiled program and "
                "may be a view of another, or have one; write into a copy (x + 0) that nothing was taken from, or "
                "build it with np.where or np.concatenate"
            )
        if is_traced(result) or not np.can_cast(result.dtype, self.dtype, "same_kind"):
            raise DTypeError(f"an array of dtype {result.dtype} cannot be written into one of {self.dtype}")
        if result.shape != self.shape:
            raise ShapeError(f"an array of shape {result.shape} cannot be written into one of {self.shape}")
        if type(result) is not TracedInteger or result.dtype != self.dtype:
            result = call(np.full_like, (self, result), {})
        self._h = result._h
        if hasattr(result, "_keep"):
            self._keep = result._keep
        self._own = True
        return self

    def __getattr__(self: TracedInteger, name: str) -> Any:
        if name.startswith("__") or not hasattr(np.ndarray, name):
            raise AttributeError(f"'numpy.ndarray' object has no attribute {name!r}")
        if callable(getattr(np.ndarray, name)):
            return lambda *args, **keywords: call(getattr(np.ndarray, name), (self, *args), keywords)
        return call(getattr, (self, name), {})


for _name, _function in list(vars(_Methods).items()):
    if callable(_function):
        setattr(TracedInteger, _name, _function)


# ---- operators ----


def _operators() -> None:
    def binary(function: Callable[[Any, Any], Any], swapped: bool) -> Callable[[Any, Any], Any]:
        def method(self: TracedInteger, other: Any) -> Any:
            pair = (other, self) if swapped else (self, other)
            if is_traced(other):
                return function(other, self.as_array()) if swapped else function(self.as_array(), other)
            native = _NATIVE.get(function)
            if native is not None and type(other) is TracedInteger and self.dtype == other.dtype == np.bool_:
                return owned(TracedInteger(lib.pyad_op2(native, pair[0]._h, pair[1]._h)))
            return call(function, pair, {})

        return method

    def augmented(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def method(self: TracedInteger, other: Any) -> Any:
            result = function(self, other)
            # A 0-d value is a number, unless it is an array among the arguments.
            return self._write(result) if self.shape or self._own else result

        return method

    def unary(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def method(self: TracedInteger) -> Any:
            if function is operator.invert and self.dtype == np.bool_:
                return owned(TracedInteger(lib.pyad_op1(engine.kernel("not"), self._h)))
            return call(function, (self,), {})

        return method

    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor", "lshift", "rshift"):
        function = getattr(operator, name + "_" if name in ("and", "or") else name)
        setattr(TracedInteger, f"__{name}__", binary(function, False))
        setattr(TracedInteger, f"__r{name}__", binary(function, True))
        setattr(TracedInteger, f"__i{name}__", augmented(function))
    TracedInteger.__matmul__ = binary(operator.matmul, False)
    TracedInteger.__rmatmul__ = binary(operator.matmul, True)
    for name in ("eq", "ne", "lt", "le", "gt", "ge"):
        setattr(TracedInteger, f"__{name}__", binary(getattr(operator, name), False))
    for name in ("neg", "pos", "abs", "invert"):
        setattr(TracedInteger, f"__{name}__", unary(getattr(operator, name)))


_NATIVE = {operator.and_: engine.kernel("and"), operator.or_: engine.kernel("or")}
_operators()
