"""What a function sees while a compiled program is being recorded, where it would see plain values otherwise.

Nothing is differentiated through integers and booleans, so a transform hands them out as plain NumPy values. In a
program they depend on its arguments, and have to be computed again whenever it runs. So they are `Discrete` here: they
compute what NumPy does, by nodes that the program runs. Where Python needs one as a number, to branch, to index or to
count, its value becomes a guard: the program is right for as long as the value is the same.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pyad import _engine
from pyad._engine import CODES, DTYPES, FAILED, LARGE, ffi, lib
from pyad.array import Array, Cell, Weak, _Held, is_traced, rebind, wrap
from pyad.errors import ConcretizationError, ShapeError
from pyad.op import handle_of, python_op

__all__ = [
    "Discrete",
    "call",
    "compare",
    "guarded",
    "is_staged",
    "keep_weak",
    "make_writable",
    "peek",
    "without_derivative",
]

_new = Array.__new__


class Discrete:
    """Integers or booleans that depend on the arguments of the program that is being recorded."""

    __slots__ = ("_h", "_keep", "_own")
    __hash__ = None  # type: ignore[assignment]
    __array_priority__ = 1001.0

    def __init__(self, handle: int) -> None:
        if handle >= FAILED:
            raise _engine.error(handle)
        if handle >= LARGE:
            handle -= LARGE
            self._keep = _Held(handle)
        self._h = handle
        self._own = False  # nothing else shares the memory that it stands for, so that it can be written into

    @property
    def shape(self) -> tuple[int, ...]:
        return _engine.shape_of(_engine.look(self._h))

    @property
    def dtype(self) -> np.dtype:
        return DTYPES[_engine.look(self._h).dtype]

    @property
    def ndim(self) -> int:
        return _engine.look(self._h).ndim

    @property
    def size(self) -> int:
        return _engine.look(self._h).size

    def __len__(self) -> int:
        shape = self.shape
        if not shape:
            raise TypeError("len() of unsized object")
        return shape[0]

    def __repr__(self) -> str:
        return f"<{self.dtype}{list(self.shape)} of a program that is being recorded: {peek(self)}>"

    # ---- as a value that decides what is recorded ----

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(guarded(self), dtype)

    def __str__(self) -> str:
        return str(guarded(self))

    def __format__(self, spec: str) -> str:
        return format(guarded(self), spec)

    def __bool__(self) -> bool:
        return bool(guarded(self))

    def __int__(self) -> int:
        return int(guarded(self))

    def __float__(self) -> float:
        return float(guarded(self))

    def __index__(self) -> int:
        return operator.index(guarded(self))

    def item(self, *place: int) -> Any:
        return np.asarray(guarded(self)).item(*place)

    def tolist(self) -> Any:
        return guarded(self).tolist()

    def __iter__(self) -> Iterator[Any]:
        return iter([self[k] for k in range(len(self))])

    def __contains__(self, x: Any) -> bool:
        return bool((self == x).any())

    # ---- as an array ----

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        if _meets_traced(inputs, keywords):
            return Array.__array_ufunc__(_first_traced(inputs, keywords), ufunc, method, *inputs, **keywords)
        return call(getattr(ufunc, method), inputs, keywords)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, keywords: Any) -> Any:
        if _meets_traced(args, keywords):
            return Array.__array_function__(_first_traced(args, keywords), function, types, args, keywords)
        return call(function, args, keywords)

    def __getitem__(self, index: Any) -> Any:
        return call(operator.getitem, (self, index), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        self._write(call(_with_items, (self, index, value), {}))

    def _write(self, result: Any) -> Discrete:
        """Give the array other elements, where it is sure who sees them."""
        if not self._own:
            raise ConcretizationError(
                "a write into an array of integers or booleans that depends on the arguments of a compiled program and "
                "may be a view of another, or have one; write into a copy (x + 0) that nothing was taken from, or "
                "build it with np.where or np.concatenate"
            )
        if is_traced(result) or not np.can_cast(result.dtype, self.dtype, "same_kind"):
            raise _engine.errors.DTypeError(
                f"an array of dtype {result.dtype} cannot be written into one of {self.dtype}"
            )
        if result.shape != self.shape:
            raise ShapeError(f"an array of shape {result.shape} cannot be written into one of {self.shape}")
        if type(result) is not Discrete or result.dtype != self.dtype:
            result = call(np.full_like, (self, result), {})
        self._h = result._h
        if hasattr(result, "_keep"):
            self._keep = result._keep
        self._own = True
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or not hasattr(np.ndarray, name):
            raise AttributeError(f"'numpy.ndarray' object has no attribute {name!r}")
        if callable(getattr(np.ndarray, name)):
            return lambda *args, **keywords: call(getattr(np.ndarray, name), (self, *args), keywords)
        return call(getattr, (self, name), {})

    def as_array(self) -> Array:
        """The same value as a traced array, for operations with floats."""
        array = _new(Array)
        array._h = self._h
        if hasattr(self, "_keep"):
            array._keep = self._keep
        return array

    @classmethod
    def of(cls, array: Array) -> Discrete:
        """A traced array of integers or booleans, as what it is to the function."""
        made = cls(array._h)
        if hasattr(array, "_keep"):
            made._keep = array._keep
        return made


def _operators() -> None:
    def binary(function: Callable[[Any, Any], Any], swapped: bool) -> Callable[[Any, Any], Any]:
        def method(self: Discrete, other: Any) -> Any:
            pair = (other, self) if swapped else (self, other)
            if is_traced(other):
                return function(other, self.as_array()) if swapped else function(self.as_array(), other)
            native = _NATIVE.get(function)
            if native is not None and type(other) is Discrete and self.dtype == other.dtype == np.bool_:
                return _owned(Discrete(lib.pyad_op2(native, pair[0]._h, pair[1]._h)))
            return call(function, pair, {})

        return method

    def augmented(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def method(self: Discrete, other: Any) -> Any:
            result = function(self, other)
            # A 0-d value is a number, unless it is an array among the arguments.
            return self._write(result) if self.shape or self._own else result

        return method

    def unary(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def method(self: Discrete) -> Any:
            if function is operator.invert and self.dtype == np.bool_:
                return _owned(Discrete(lib.pyad_op1(_engine.kernel("not"), self._h)))
            return call(function, (self,), {})

        return method

    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor", "lshift", "rshift"):
        function = getattr(operator, name + "_" if name in ("and", "or") else name)
        setattr(Discrete, f"__{name}__", binary(function, False))
        setattr(Discrete, f"__r{name}__", binary(function, True))
        setattr(Discrete, f"__i{name}__", augmented(function))
    Discrete.__matmul__ = binary(operator.matmul, False)
    Discrete.__rmatmul__ = binary(operator.matmul, True)
    for name in ("eq", "ne", "lt", "le", "gt", "ge"):
        setattr(Discrete, f"__{name}__", binary(getattr(operator, name), False))
    for name in ("neg", "pos", "abs", "invert"):
        setattr(Discrete, f"__{name}__", unary(getattr(operator, name)))


def _owned(made: Discrete) -> Discrete:
    """What an operation has just made."""
    made._own = bool(made.shape)
    return made


def _with_items(a: np.ndarray, index: Any, value: Any) -> np.ndarray:
    a = a.copy()
    a[index] = value
    return a


_NATIVE = {operator.and_: _engine.kernel("and"), operator.or_: _engine.kernel("or")}
_operators()


def _is_value(x: Any) -> bool:
    return is_traced(x) or type(x) is Discrete


def _meets_traced(args: Any, keywords: Any) -> bool:
    return _first_traced(args, keywords) is not None


def _first_traced(*given: Any) -> Any:
    """The first traced array in arguments, also inside lists, tuples and dicts; None where there is none."""
    stack = list(given)
    while stack:
        x = stack.pop()
        if is_traced(x):
            return x
        if type(x) in (list, tuple):
            stack.extend(x)
        elif type(x) is dict:
            stack.extend(x.values())
    return None


# ---- guards ----


def is_staged() -> bool:
    """Whether this thread is recording a program."""
    return _engine.staging_threads > 0 and _engine.current().staging


def peek(x: Any) -> Any:
    """The value of a traced array or Discrete, only to compute other values of the program with."""
    value = _engine.materialize(x._h, share=False)
    return float(value) if type(x) is Weak else value


def guarded(x: Any) -> Any:
    """The value, on which what is recorded from here on may depend."""
    if lib.pyad_is_staged(x._h):
        status = lib.pyad_guard(x._h)
        if status:
            raise _engine.error(status, (x._h,))
    return peek(x)


def without_derivative(x: Array) -> Any:
    """A value through which nothing is differentiated, which still depends on the program's arguments."""
    return _as_value(lib.pyad_without_derivative(x._h))


def _as_value(handle: int) -> Any:
    if handle >= FAILED:
        raise _engine.error(handle)
    if lib.pyad_dtype_of(handle & (LARGE - 1)) < _engine.CODE_F32:
        return Discrete(handle)
    return wrap(handle)


# ---- calls of NumPy's functions ----


class _Hole:
    """The place of a value in the arguments of a call."""

    __slots__ = ("is_weak", "number")

    def __init__(self, number: int, is_weak: bool) -> None:
        self.number = number
        self.is_weak = is_weak  # a Python float


def _take_out(x: Any, values: list[Any]) -> Any:
    """The arguments with holes for values, which are appended to the list."""
    if _is_value(x):
        values.append(x)
        return _Hole(len(values) - 1, type(x) is Weak)
    if type(x) in (list, tuple):
        return type(x)([_take_out(item, values) for item in x])
    if type(x) is dict:
        return {key: _take_out(item, values) for key, item in x.items()}
    if type(x) is slice:
        return slice(*(_take_out(item, values) for item in (x.start, x.stop, x.step)))
    return x


def _put_in(x: Any, plain: list[Any]) -> Any:
    if type(x) is _Hole:
        return float(plain[x.number]) if x.is_weak else plain[x.number]
    if type(x) in (list, tuple):
        return type(x)([_put_in(item, plain) for item in x])
    if type(x) is dict:
        return {key: _put_in(item, plain) for key, item in x.items()}
    if type(x) is slice:
        return slice(*(_put_in(item, plain) for item in (x.start, x.stop, x.step)))
    return x


class _Call:
    """A call of a function that is run whenever the program is, and which of its results a node is."""

    __slots__ = ("args", "function", "keywords", "place")

    def __init__(self, function: Callable[..., Any], args: Any, keywords: Any, place: int | None) -> None:
        self.function = function
        self.args = args
        self.keywords = keywords
        self.place = place

    def run(self, plain: list[Any]) -> Any:
        result = self.function(*_put_in(self.args, plain), **_put_in(self.keywords, plain))
        return result if self.place is None else result[self.place]


def _refuse(*_: Any) -> Any:
    raise ConcretizationError("nothing is differentiated through a function of NumPy that is constant")


_CALLED = python_op(
    "numpy",
    _refuse,
    _refuse,
    _refuse,
    label=lambda params: getattr(_engine.current().keep[params[0]].function, "__name__", "a function of NumPy"),
    rerun=lambda entry, plain: entry.run(plain),
)


def call(function: Callable[..., Any], args: Any, keywords: dict[str, Any]) -> Any:
    """A function of NumPy through which nothing is differentiated, on values of the program: computed now, and again
    whenever the program runs. Numbers that are no arrays become guards."""
    values: list[Any] = []
    args, keywords = _take_out(args, values), _take_out(keywords, values)
    fresh = (
        function in _FRESH
        or isinstance(function, np.ufunc)
        or isinstance(getattr(function, "__self__", None), np.ufunc)
    )
    for x in values:
        if type(x) is Discrete and not fresh:
            x._own = False  # what is given may be a view of it
    plain = [peek(x) for x in values]
    try:
        result = _Call(function, args, keywords, None).run(plain)
    except Exception:
        for x in values:
            guarded(x)  # that it fails may decide what is recorded, if it is caught
        raise
    handles = [x._h for x in values]
    if type(result) in (list, tuple) or (isinstance(result, tuple) and hasattr(result, "_make")):
        parts = [_recorded(_Call(function, args, keywords, k), handles, part, fresh) for k, part in enumerate(result)]
        return type(result)(parts) if type(result) in (list, tuple) else type(result)._make(parts)
    return _recorded(_Call(function, args, keywords, None), handles, result, fresh)


# What gives arrays that share no memory with their operands, of shapes that follow from those of the operands.
_FRESH = {getattr(operator, name) for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and_", "or_")}
_FRESH |= {getattr(operator, name) for name in ("xor", "lshift", "rshift", "neg", "abs", "invert", "matmul")}
_FRESH |= {operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge, _with_items, np.full_like}
_FRESH |= {np.argsort, np.argmax, np.argmin, np.count_nonzero, np.searchsorted, np.isclose}


def _recorded(entry: _Call, handles: list[int], value: Any, fresh: bool) -> Any:
    """A node for a value; what is no number or array of numbers is handed out as it is."""
    if not handles or not isinstance(value, bool | int | float | complex | np.ndarray | np.generic):
        return value
    array = np.ascontiguousarray(value).reshape(np.shape(value))
    code = CODES.get(array.dtype)
    if code is None:
        return value
    keep = _engine.current().keep
    keep += (array, entry)
    data = ffi.from_buffer(array)
    ran = lib.pyad_op_ran(_CALLED.number, len(handles), handles, len(keep) - 1, code, array.ndim, array.shape, data)
    if ran >= FAILED:
        raise _engine.error(ran, tuple(handles))
    made = _as_value(lib.pyad_without_derivative(ran & (LARGE - 1)))
    if type(made) is Discrete:
        made._own = fresh and array.ndim > 0
    if not fresh and array.ndim:
        _guard_shape(made)
    return made if isinstance(value, np.ndarray | np.generic) else type(value)(guarded(made).item())


def _guard_shape(x: Any) -> None:
    """The shape may depend on values, and what is recorded may depend on it. A node whose shape is another when it is
    run again ends the program; here it is seen to that it is run: nothing of it is compared."""
    nothing = lib.pyad_op(_SLICE, 1, [x._h], 3, (0, 1, 0))
    if nothing >= FAILED:
        raise _engine.error(nothing, (x._h,))
    status = lib.pyad_guard(nothing & (LARGE - 1))
    if status:
        raise _engine.error(status)


_SLICE = _engine.kernel("slice")


# ---- comparisons ----


def compare(op: Any, function: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    """A comparison, by the engine's kernel where both sides are real, else by NumPy."""
    sides = [x.as_array() if type(x) is Discrete else x for x in (a, b)]
    if all(_is_real(x) for x in sides):
        return _owned(Discrete.of(op(*sides)))
    return call(function, (a, b), {})


def _is_real(x: Any) -> bool:
    if is_traced(x):
        return lib.pyad_dtype_of(x._h) in (_engine.CODE_F32, _engine.CODE_F64)
    return type(x) in (float, int) or (isinstance(x, np.ndarray | np.generic) and x.dtype.kind == "f")


# ---- Python floats ----


def keep_weak() -> None:
    """What a Python float and a Python number give is as weak in NumPy's promotion as they are."""

    def keeping(base: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def method(self: Weak, other: Any) -> Any:
            result = base(self, other)
            if type(other) in (int, float, bool, Weak) and type(result) is Array:
                result.__class__ = Weak
            return result

        return method

    for name in ("add", "sub", "mul", "truediv", "pow", "mod", "floordiv"):
        for side in ("", "r"):
            method = keeping(getattr(Array, f"__{side}{name}__"))
            setattr(Weak, f"__{side}{name}__", method)
            if not side:
                setattr(Weak, f"__i{name}__", method)  # it is a number, and no array that could be written into
    for name in ("neg", "abs"):
        base = getattr(Array, f"__{name}__")

        def unary(self: Weak, base: Callable[[Any], Any] = base) -> Any:
            result = base(self)
            result.__class__ = Weak
            return result

        setattr(Weak, f"__{name}__", unary)


# ---- 0-d arrays ----


def make_writable() -> None:
    """Operators such as +=, and assignments, of 0-d arrays among the arguments."""

    def set_to(x: Cell, value: Any) -> Cell:
        dtype = x.dtype
        value = value.as_array() if type(value) is Discrete else value
        shape = value.shape if is_traced(value) else np.shape(value)
        if any(n != 1 for n in shape):
            raise ShapeError(f"an array of shape {shape} does not fit into a 0-d array")
        # The dtype is what NumPy's own casting makes of it, or its error.
        np.empty((), dtype)[...] = np.zeros((), value.dtype if is_traced(value) else np.asarray(value).dtype)
        value = np.reshape(value, ()) if shape else value
        rebind(x, lib.pyad_same(handle_of(value, dtype)))
        return x

    def setitem(x: Cell, index: Any, value: Any) -> None:
        if index is not Ellipsis and index != ():
            raise IndexError("too many indices for array: array is 0-dimensional")
        set_to(x, value)

    def in_place(name: str) -> Callable[[Cell, Any], Cell]:
        function = getattr(Array, f"__{name}__")

        def method(self: Cell, other: Any) -> Cell:
            result = function(self, other)
            if not np.can_cast(result.dtype, self.dtype, "same_kind"):
                raise _engine.errors.DTypeError(
                    f"the result of {name} has dtype {result.dtype} and does not fit into an array of {self.dtype}"
                )
            return set_to(self, result)

        return method

    for name in ("add", "sub", "mul", "truediv", "pow", "mod", "floordiv"):
        setattr(Cell, f"__i{name}__", in_place(name))
    Cell.__setitem__ = setitem  # type: ignore[method-assign]
