"""The traced array: what a function sees in place of a NumPy array while it is being differentiated.

It holds a handle into the tape and nothing else. Operators, methods and NumPy's protocols are attached by `pyad._ops`,
which knows the operations; this module knows how a handle becomes an array and back.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from pyad._binding import engine
from pyad._binding.engine import CODES, DTYPES, F64, FAILED, LARGE, lib
from pyad._trace import strided_view as parts
from pyad.errors import ConcretizationError, DTypeError

__all__ = [
    "Array",
    "View",
    "all_constant",
    "constant",
    "contains_traced",
    "copy_of",
    "dropped",
    "dtype_of",
    "is_constant",
    "is_traced",
    "numpy_value",
    "part_of",
    "plain_values",
    "rebind",
    "view",
    "wrap",
]


def _stale(handle: int) -> Any:
    raise engine.error(5, (handle,))


def _dtype_of(handle: int) -> np.dtype:
    code = lib.pyad_dtype_of(handle)
    if code < 0:
        raise engine.error(5, (handle,))
    return DTYPES[code]


def _ndim_of(handle: int) -> int:
    ndim = lib.pyad_ndim_of(handle)
    return ndim if ndim >= 0 else _stale(handle)


def _size_of(handle: int) -> int:
    size = lib.pyad_size_of(handle)
    if size < 0:
        raise engine.error(5, (handle,))
    return size


class _Held:
    """Tells the engine when the last Array of a large value is gone, so that its memory can be used again."""

    __slots__ = ("handle",)

    def __init__(self, handle: int) -> None:
        self.handle = handle

    def __del__(self, drop: Any = lib.pyad_drop) -> None:
        drop(self.handle)


class Array:
    """A value on the tape. Behaves like the `numpy.ndarray` (or NumPy scalar) it stands for.

    You never make one: `pyad.grad` and the other transforms hand them to your function. Its shape, dtype, operators,
    methods and NumPy functions are those of an ndarray. What would drop the derivative without a word, such as
    `float(x)`, raises.
    """

    __slots__ = ("_h", "_keep")

    _h: int
    _keep: _Held

    # NumPy's own operators defer to ours, also where the NumPy operand stands on the left.
    __array_priority__ = 1000.0

    @property
    def shape(self) -> tuple[int, ...]:
        handle = self._h
        shape = _shape(handle)
        return _stale(handle) if shape is None else shape

    @property
    def dtype(self) -> np.dtype:
        return _dtype_of(self._h)

    @property
    def ndim(self) -> int:
        return _ndim_of(self._h)

    @property
    def size(self) -> int:
        return _size_of(self._h)

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self.size * self.itemsize

    def __len__(self) -> int:
        shape = self.shape
        if not shape:
            raise TypeError("len() of unsized object")
        return shape[0]

    def __repr__(self) -> str:
        try:
            info = engine.look(self._h)
        except Exception:
            return "<traced array of a transform that has ended>"
        text = f"traced {DTYPES[info.dtype]}{list(engine.shape_of(info))}"
        if info.data == engine.ffi.NULL:
            return f"<{text}>"
        return f"<{text} {np.array2string(np.asarray(numpy_value(self)), threshold=20, prefix='<' + text)}>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self) if not spec else format(numpy_value(self), spec)

    # A traced array compares by value, so it is no key; neither is an ndarray.
    __hash__ = None  # type: ignore[assignment]

    # Of a constant no derivative is lost.

    def __float__(self) -> float:
        return float(_constant_value("float()", self))

    def __int__(self) -> int:
        return int(_constant_value("int(), or assignment into an array of integers,", self))

    def __complex__(self) -> complex:
        return complex(_constant_value("complex()", self))

    def __index__(self) -> int:
        raise dropped("an index (or int())", self)

    def __bool__(self) -> bool:
        if engine.staging_threads and lib.pyad_is_symbolic(self._h):
            return bool(self != 0)
        if is_constant(self):
            return bool(numpy_value(self))
        raise ConcretizationError(
            f"the truth of a traced {self._text()} value is not defined; compare it instead, as in `x != 0` "
            "(comparisons give plain booleans, with which you can branch), or take pyad.stop_gradient(x)"
        )

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        if engine.staging_threads and lib.pyad_is_symbolic(self._h):
            raise _frozen("a plain NumPy array", self)
        if is_constant(self):
            return np.asarray(numpy_value(self), dtype)
        caller = sys._getframe(1)
        if _in_sparse_product(caller):
            return np.array(None, dtype=object)
        asked = _function_of_scipy(caller)
        if asked:
            raise ConcretizationError(
                f"{asked} was given a traced {self._text()} value, of which SciPy knows nothing; take the function "
                f"from {_ours(asked)}, where it has a derivative, or pass pyad.stop_gradient(x)"
            )
        raise ConcretizationError(
            f"a traced {self._text()} value cannot be made a plain NumPy array: the derivative would be lost. "
            "Assigning into an array of plain NumPy (a[i] = x), np.array([x, ...]) and np.vectorize do this: make the "
            "array inside the function with pyad.numpy.array, zeros, empty, ..., build it with np.stack or "
            "np.concatenate, or call pyad.numpy.vectorize; use pyad.stop_gradient(x) if you want the value without its "
            "derivative"
        )

    def __dlpack__(self, **_keywords: Any) -> Any:
        raise dropped("an exchange of the memory (DLPack)", self)

    def item(self, *args: Any) -> Any:
        return np.asarray(_constant_value("item()", self)).item(*args)

    def tolist(self) -> Any:
        return np.asarray(_constant_value("tolist()", self)).tolist()

    def _text(self) -> str:
        info = engine.look(self._h)
        return f"{DTYPES[info.dtype]}{list(engine.shape_of(info))}"

    def __copy__(self) -> Array:
        return copy_of(self) if self.ndim else self

    def __deepcopy__(self, _memo: Any) -> Array:
        return self.__copy__()

    def __reduce__(self) -> Any:
        raise ConcretizationError("a traced value cannot be pickled: it lives only inside its transform")


def _in_sparse_product(frame: Any) -> bool:
    """Whether SciPy asks on behalf of a sparse matrix that stands left of @. Where it is answered with an object that
    is no array of numbers, it leaves the product to the right operand. It has no other test: neither a priority nor
    __array_ufunc__ matters to it, and it asks in the same way as everybody else, so only the caller tells.
    """
    return frame.f_code.co_name == "_matmul_dispatch" and frame.f_globals.get("__name__", "").startswith("scipy.sparse")


def _function_of_scipy(frame: Any) -> str:
    """The function of SciPy that the user called, as one writes it, where it is SciPy that asks; else nothing."""
    name = ""
    while frame is not None and (frame.f_globals.get("__name__") or "").startswith("scipy."):
        parts = frame.f_globals["__name__"].split(".")
        if "_lib" in parts:
            name = name or "a function of SciPy"
        else:
            name = ".".join([*(part for part in parts if not part.startswith("_")), frame.f_code.co_name])
        frame = frame.f_back
    return name


def _ours(name: str) -> str:
    """The module that stands for that of a function of SciPy."""
    parts = name.split(".")
    return f"pyad.{'.'.join(parts[:2])}" if len(parts) > 2 else "pyad.scipy"


def _frozen(what: str, x: Array) -> ConcretizationError:
    """The error for what would put a value of this one call into a compiled program."""
    return ConcretizationError(
        f"{what} of a {x._text()} value while a program is being compiled{_user_line()}: the number would be the same "
        "at every later call. Leave it an array, compare it (as in `if x > 0`), or pass what it is for as a Python "
        "int, str or tuple, which belong to the program"
    )


def _user_line() -> str:
    """Where the user's code is, as words for a message."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in ("pyad", "numpy", "scipy"):
        frame = frame.f_back
    return f" (line {frame.f_lineno} of {frame.f_code.co_filename})" if frame is not None else ""


def dropped(what: str, x: Array) -> ConcretizationError:
    """The error for what would make a plain value of a traced one."""
    return ConcretizationError(
        f"{what} of a traced {x._text()} value would drop its derivative; leave it an array (of a floating dtype), or "
        f"write pyad.stop_gradient(x) first if that is what you want"
    )


_new = Array.__new__


def wrap(handle: int) -> Array:
    """The Array of a handle as the engine answered it; raises where the answer is an error."""
    array = _new(Array)
    if handle >= LARGE:
        if handle >= FAILED:
            raise engine.error(handle)
        handle -= LARGE
        array._keep = _Held(handle)
    array._h = handle
    return array


class Weak(Array):
    """A Python float among the arguments of a program that is being recorded: NumPy's promotion does not count it."""

    __slots__ = ()


class Cell(Array):
    """A 0-d array among the arguments of a program that is being recorded, which can be written into. Any other traced
    0-d value stands for a number."""

    __slots__ = ()


def is_traced(x: Any) -> bool:
    """Whether `x` is a traced array."""
    kind = type(x)
    return kind is Array or kind is View or kind is Weak or kind is Cell


def contains_traced(x: Any) -> bool:
    """Whether a (nested) list or tuple holds a traced array."""
    stack = [x]
    while stack:
        item = stack.pop()
        if is_traced(item):
            return True
        if type(item) in (list, tuple):
            stack.extend(item)
    return False


def is_constant(x: Any) -> bool:
    """Whether a traced array is constant: nothing can be differentiated through it."""
    return lib.pyad_is_const(x._h) == 1


def _constant_value(what: str, x: Array) -> Any:
    if engine.staging_threads and lib.pyad_is_symbolic(x._h):
        raise _frozen(what, x)
    if not is_constant(x):
        raise dropped(what, x)
    return numpy_value(x)


def all_constant(*given: Any) -> bool:
    """Whether no derivative is lost where all traced values in the arguments become plain ones."""
    stack: list[Any] = list(given)
    while stack:
        x = stack.pop()
        if is_traced(x):
            if not is_constant(x):
                return False
        elif type(x) in (list, tuple):
            stack.extend(x)
        elif type(x) is dict:
            stack.extend(x.values())
    return True


def copy_of(x: Array) -> Array:
    """A copy, as NumPy's: what is written into one does not show in the other. No memory is copied until then."""
    return wrap(lib.pyad_same(x._h))


# ---- views ----


class View(Array):
    """A traced array that is a view of another, as NumPy's slices are: what is written into one shows in the other.

    The handle is that of the elements when the view was made. If the array that owns them (the root) has been written
    into since, they are read from it anew.
    """

    __slots__ = ("_at", "_made", "_node", "_parent", "_part", "_root")

    _node: int  # the handle, as of ...
    _at: int  # ... this handle of ...
    _root: Array  # ... the array that owns the elements
    _parent: Array  # which array this is a part of,
    _made: tuple[Any, Any]  # and which: a function of parts.py, and what it takes
    _part: parts.Part  # of the root, once it has been worked out

    @property
    def _h(self) -> int:  # type: ignore[override]
        if self._root._h is self._at:
            return self._node
        _renew(self)
        return self._node

    # What no write changes.

    @property
    def shape(self) -> tuple[int, ...]:
        shape = _shape(self._node)
        return _stale(self._node) if shape is None else shape

    @property
    def dtype(self) -> np.dtype:
        return _dtype_of(self._node)

    @property
    def ndim(self) -> int:
        return _ndim_of(self._node)

    @property
    def size(self) -> int:
        return _size_of(self._node)


_new_view = View.__new__
# Calls of the engine that take and return objects (csrc/python/op_calls.h). Each returns None outside the common case.
CALLS = engine.object_calls(Array, View)
_value, _shape = CALLS["value"], CALLS["shape"]


def view(parent: Array, handle: int, made: tuple[Any, Any]) -> View:
    """The view of a handle as the engine answered it; `made` says of which part of `parent`."""
    array = _new_view(View)
    if handle >= LARGE:
        if handle >= FAILED:
            raise engine.error(handle)
        handle -= LARGE
        array._keep = _Held(handle)
    array._node = handle
    array._parent = parent
    array._made = made
    root = parent._root if type(parent) is View else parent
    array._root = root
    array._at = root._h
    return array


def view_of(x: Array, part: parts.Part) -> View:
    """The view that is this part of the root of x."""
    root = x._root if type(x) is View else x
    return view(root, read_part(root, part), (_as_found, part))


def _as_found(_: parts.Part, part: parts.Part) -> parts.Part:
    return part


def is_stale(x: Array) -> bool:
    """Whether `x` is a view whose array has been written into since it was last read."""
    return type(x) is View and x._root._h is not x._at


def part_of(x: Array) -> parts.Part:
    """Which part of its root an array is."""
    chain = []
    while type(x) is View:
        known = getattr(x, "_part", None)
        if known is not None:
            break
        chain.append(x)
        x = x._parent
    part = x._part if type(x) is View else parts.whole(x.shape)
    for v in reversed(chain):
        how, what = v._made
        part = v._part = how(part, what)
        v._parent = v._root  # the views between are not needed any more
    return part


def read_part(root: Array, part: parts.Part) -> int:
    """The elements of a part as they are now: a handle as the engine answers it."""
    if part.overlapping:
        # A window adds up what arrives only where strides are zero.
        flat = wrap(lib.pyad_op(_RESHAPE, 1, [root._h], 1, (root.size,)))
        handle = lib.pyad_op(_TAKE, 2, [flat._h, constant(part.places(), engine.INT64)], 0, ())
    else:
        params = part.params
        handle = lib.pyad_op(_WINDOW, 1, [root._h], len(params), params)
    if handle >= FAILED:
        raise engine.error(handle, (root._h,))
    return take_component(wrap(handle), part.component) if part.component else handle


def take_component(x: Array, component: int) -> int:
    """The real or the imaginary parts of a complex array: a handle as the engine answers it."""
    if component == parts.IMAG:
        return lib.pyad_op(_IMAG, 1, [x._h], -1, engine.ffi.NULL)
    return lib.pyad_op(_ASTYPE, 1, [x._h], 1, (lib.pyad_dtype_of(x._h) - 2,))


def _renew(x: View) -> None:
    handle = read_part(x._root, part_of(x))
    if handle >= LARGE:
        handle -= LARGE
        x._keep = _Held(handle)
    x._node = handle
    x._at = x._root._h


_WINDOW = engine.kernel("strided_view")
_RESHAPE = engine.kernel("reshape")
_TAKE = engine.kernel("take")
_IMAG = engine.kernel("imag")
_ASTYPE = engine.kernel("astype")


def rebind(x: Array, handle: int) -> None:
    """Give an array (no view) another value: a handle as the engine answered it."""
    if handle >= LARGE:
        if handle >= FAILED:
            raise engine.error(handle, (x._h,))
        handle -= LARGE
        keep = getattr(x, "_keep", None)
        if keep is None:
            x._keep = _Held(handle)
        else:
            # The old value may still be there, if it could not be written over.
            lib.pyad_drop(keep.handle)
            keep.handle = handle
    x._h = handle


# ---- operands ----


def dtype_of(x: Any) -> Any:
    """The dtype of an operand as NumPy's promotion sees it: a dtype, or the Python number itself (weak)."""
    if is_traced(x):
        return 1.0 if type(x) is Weak else x.dtype
    if type(x) in (float, int, bool, complex):
        return x
    if isinstance(x, np.generic | np.ndarray):
        return x.dtype
    dtype = getattr(x, "dtype", None)
    return dtype if isinstance(dtype, np.dtype) else np.asarray(x).dtype


def is_complex(x: Any) -> bool:
    """Whether an operand's dtype is complex."""
    return lib.pyad_dtype_of(x._h) > engine.CODE_F64 if type(x) is Array else np.iscomplexobj(x)


def refuse_subclass(name: str, x: Any) -> None:
    """Raise for ndarrays that compute otherwise than an ndarray: their mask or their products would be lost."""
    if isinstance(x, np.ma.MaskedArray | np.matrix):
        raise DTypeError(
            f"{name}: a {type(x).__name__} is not supported with traced values; pass a plain ndarray "
            "(np.asarray(x), or "
            "x.filled(value) for a masked array)"
        )


def _check_kind(kind: np.dtype, dtype: np.dtype) -> None:
    if kind.kind not in "biufc" or (kind.kind == "c" and dtype.kind != "c"):
        needed = "number or array" if dtype.kind == "c" else "real number or array"
        raise DTypeError(f"a constant of dtype {kind} was given where a {needed} is needed")


def constant(x: Any, dtype: np.dtype) -> int:
    """A handle for a plain operand, as a constant of `dtype`."""
    if type(x) is np.ndarray and x.dtype is dtype and x.shape:
        return engine.lend(x, 1)
    if type(x) is int and dtype.kind in "fc":
        x = float(x)
    if type(x) is not np.ndarray and type(x) is not float:
        refuse_subclass("a constant", x)
        kind = np.asarray(x).dtype
        _check_kind(kind, dtype)
    elif type(x) is np.ndarray:
        _check_kind(x.dtype, dtype)
    if type(x) is float or (isinstance(x, float | int | np.generic) and dtype.kind == "f"):
        handle = lib.pyad_const_number(float(x), CODES[dtype])
        if handle >= FAILED:
            raise engine.error(handle)
        return handle
    array = np.asarray(x, dtype)
    if array.ndim == 0 and dtype.kind == "f":
        return constant(float(array), dtype)
    return engine.lend(array, 1)


def numpy_value(x: Any) -> Any:
    """The value of a traced array as a NumPy array or scalar; anything else as it is."""
    if not is_traced(x):
        return x
    handle = x._h
    if engine.staging_threads:
        _guard(handle)
    value = _value(handle)
    value = engine.materialize(handle, share=False) if value is None else value
    return float(value) if type(x) is Weak else value


def _guard(handle: int) -> None:
    """While a program is being recorded: what is recorded from here on is right for this value only."""
    if lib.pyad_is_symbolic(handle):
        status = lib.pyad_guard(handle)
        if status:
            raise engine.error(status, (handle,))


def constant_call(function: Any, args: Any, keywords: dict[str, Any]) -> Any:
    """A function that is constant wherever it is differentiable, on the plain values of traced arguments."""
    if engine.staging_threads and engine.current().staging:
        from pyad._trace.discrete import call

        return call(function, args, keywords)
    return function(*plain_values(args), **plain_values(keywords))


def plain_values(x: Any) -> Any:
    """The same with plain values for traced ones, inside lists, tuples and dicts too."""
    if is_traced(x):
        return numpy_value(x)
    if type(x) in (list, tuple):
        return type(x)(plain_values(item) for item in x)
    if type(x) is dict:
        return {key: plain_values(item) for key, item in x.items()}
    return x


def _with_number(x: Any, y: Any) -> np.dtype | None:
    """The result type of a traced array and a Python int or float, which is weak: the array's; else None."""
    if is_traced(y):
        x, y = y, x
    if is_traced(x) and type(y) in (int, float):
        dtype = x.dtype
        return dtype if dtype in engine.INEXACT else None
    return None


def common_dtype(op: str, operands: tuple[Any, ...]) -> np.dtype:
    """NumPy's result type of the operands, which must be float32, float64, complex64 or complex128."""
    if len(operands) == 1 and is_traced(operands[0]):
        dtype = operands[0].dtype
        if dtype in engine.INEXACT:
            return dtype
    if len(operands) == 2:
        weak = _with_number(*operands)
        if weak is not None:
            return weak
        a, b = (x.dtype if type(x) in (Array, View, np.ndarray) else None for x in operands)
        if a is b and a in engine.INEXACT:
            return a
    try:
        dtype = np.result_type(*(dtype_of(x) for x in operands))
    except TypeError:
        raise DTypeError(
            f"{op}: operands of dtype {', '.join(str(dtype_of(x)) for x in operands)} have no common dtype; "
            "traced values are float32 or float64, complex64 or complex128"
        ) from None
    if dtype.kind in "bui":
        return F64
    if dtype not in engine.INEXACT:
        raise DTypeError(
            f"{op}: operands of dtype {', '.join(str(dtype_of(x)) for x in operands)} would give {dtype}; traced "
            "values are float32 or float64, complex64 or complex128"
        )
    return dtype
