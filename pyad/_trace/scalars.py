"""Python floats and 0-d arrays among the arguments of a program that is being recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyad._binding import engine
from pyad._binding.engine import lib
from pyad._trace.array import Array, MutableScalar, WeakScalar, is_traced, rebind
from pyad._trace.op import handle_of
from pyad._trace.traced_integer import TracedInteger
from pyad.errors import ShapeError

# ---- Python floats ----


def keep_weak() -> None:
    """What a Python float and a Python number give is as weak in NumPy's promotion as they are."""

    def keeping(base: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def method(self: WeakScalar, other: Any) -> Any:
            result = base(self, other)
            if type(other) in (int, float, bool, WeakScalar) and type(result) is Array:
                result.__class__ = WeakScalar
            return result

        return method

    for name in ("add", "sub", "mul", "truediv", "pow", "mod", "floordiv"):
        for side in ("", "r"):
            method = keeping(getattr(Array, f"__{side}{name}__"))
            setattr(WeakScalar, f"__{side}{name}__", method)
            if not side:
                setattr(WeakScalar, f"__i{name}__", method)  # it is a number, and no array that could be written into
    for name in ("neg", "abs"):
        base = getattr(Array, f"__{name}__")

        def unary(self: WeakScalar, base: Callable[[Any], Any] = base) -> Any:
            result = base(self)
            result.__class__ = WeakScalar
            return result

        setattr(WeakScalar, f"__{name}__", unary)


# ---- 0-d arrays ----


def make_writable() -> None:
    """Operators such as +=, and assignments, of 0-d arrays among the arguments."""

    def set_to(x: MutableScalar, value: Any) -> MutableScalar:
        dtype = x.dtype
        value = value.as_array() if type(value) is TracedInteger else value
        shape = value.shape if is_traced(value) else np.shape(value)
        if any(n != 1 for n in shape):
            raise ShapeError(f"an array of shape {shape} does not fit into a 0-d array")
        # The dtype is what NumPy's own casting makes of it, or its error.
        np.empty((), dtype)[...] = np.zeros((), value.dtype if is_traced(value) else np.asarray(value).dtype)
        value = np.reshape(value, ()) if shape else value
        rebind(x, lib.pyad_same(handle_of(value, dtype)))
        return x

    def setitem(x: MutableScalar, index: Any, value: Any) -> None:
        if index is not Ellipsis and index != ():
            raise IndexError("too many indices for array: array is 0-dimensional")
        set_to(x, value)

    def in_place(name: str) -> Callable[[MutableScalar, Any], MutableScalar]:
        function = getattr(Array, f"__{name}__")

        def method(self: MutableScalar, other: Any) -> MutableScalar:
            result = function(self, other)
            if not np.can_cast(result.dtype, self.dtype, "same_kind"):
                raise engine.errors.DTypeError(
                    f"the result of {name} has dtype {result.dtype} and does not fit into an array of {self.dtype}"
                )
            return set_to(self, result)

        return method

    for name in ("add", "sub", "mul", "truediv", "pow", "mod", "floordiv"):
        setattr(MutableScalar, f"__i{name}__", in_place(name))
    MutableScalar.__setitem__ = setitem  # type: ignore[method-assign]
