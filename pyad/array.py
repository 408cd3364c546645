"""The traced array: what a function sees in place of a NumPy array while it is being differentiated.

It holds a handle into the tape and nothing else. Operators, methods and NumPy's protocols are attached by `pyad.ops`,
which knows the operations; this module knows how a handle becomes an array and back.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from pyad import _engine
from pyad._engine import CODES, DTYPES, F64, FAILED, LARGE, lib
from pyad.errors import ConcretizationError, DTypeError

__all__ = ["Array", "constant", "dtype_of", "is_traced", "numpy_value", "numpy_view", "wrap"]


def _scalar_shape(handle: int, ndim: int) -> tuple[int, ...]:
    """The shape of a 0-d value; raises where the handle is stale."""
    if ndim < 0:
        raise _engine.error(5, (handle,))
    return ()


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
        shape = _shape(self._h)
        return _scalar_shape(self._h, -1) if shape is None else shape

    @property
    def dtype(self) -> np.dtype:
        code = lib.pyad_dtype_of(self._h)
        if code < 0:
            raise _engine.error(5, (self._h,))
        return DTYPES[code]

    @property
    def ndim(self) -> int:
        ndim = lib.pyad_ndim_of(self._h)
        return ndim if ndim >= 0 else len(_scalar_shape(self._h, ndim))

    @property
    def size(self) -> int:
        size = lib.pyad_size_of(self._h)
        if size < 0:
            raise _engine.error(5, (self._h,))
        return size

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
            info = _engine.look(self._h)
        except Exception:
            return "<traced array of a transform that has ended>"
        text = f"traced {DTYPES[info.dtype]}{list(_engine.shape_of(info))}"
        if info.data == _engine.ffi.NULL:
            return f"<{text}>"
        return f"<{text} {np.array2string(np.asarray(numpy_value(self)), threshold=20, prefix='<' + text)}>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self) if not spec else format(numpy_value(self), spec)

    # A traced array compares by value, so it is no key; neither is an ndarray.
    __hash__ = None  # type: ignore[assignment]

    def __float__(self) -> float:
        raise _refusal("float()", self)

    def __int__(self) -> int:
        raise _refusal("int()", self)

    def __complex__(self) -> complex:
        raise _refusal("complex()", self)

    def __index__(self) -> int:
        raise _refusal("an index (or int())", self)

    def __bool__(self) -> bool:
        raise ConcretizationError(
            f"the truth of a traced {self._text()} value is not defined; compare it instead, as in `x != 0` "
            "(comparisons "
            "give plain booleans, with which you can branch), or take pyad.stop_gradient(x)"
        )

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        caller = sys._getframe(1)
        if _in_sparse_product(caller):
            return np.array(None, dtype=object)
        asked = _function_of_scipy(caller)
        if asked:
            raise ConcretizationError(
                f"{asked} was given a traced {self._text()} value, of which SciPy knows nothing; take the function "
                "from pyad.scipy, where it has a derivative, or pass pyad.stop_gradient(x)"
            )
        raise ConcretizationError(
            f"a traced {self._text()} value cannot be made a plain NumPy array: the derivative would be lost. "
            "Assigning into an array of plain NumPy (a[i] = x), np.array([x, ...]) and np.vectorize do this: build the "
            "array with pyad.numpy.array, np.stack or np.concatenate, or call pyad.numpy.vectorize; use "
            "pyad.stop_gradient(x) if you want the value without its derivative"
        )

    def item(self, *_args: Any) -> Any:
        raise _refusal("item()", self)

    def tolist(self) -> Any:
        raise _refusal("tolist()", self)

    def _text(self) -> str:
        info = _engine.look(self._h)
        return f"{DTYPES[info.dtype]}{list(_engine.shape_of(info))}"

    def __copy__(self) -> Array:
        return self

    def __deepcopy__(self, _memo: Any) -> Array:
        return self

    def __reduce__(self) -> Any:
        raise ConcretizationError("a traced value cannot be pickled: it lives only inside its transform")


def _in_sparse_product(frame: Any) -> bool:
    """Whether SciPy asks on behalf of a sparse matrix that stands left of @. Where it is answered with an object that
    is no array of numbers, it leaves the product to the right operand, as it does for other libraries."""
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


def _refusal(what: str, x: Array) -> ConcretizationError:
    return ConcretizationError(
        f"{what} of a traced {x._text()} value would drop its derivative; leave it an array, or write "
        f"pyad.stop_gradient(x) first if that is what you want"
    )


_new = Array.__new__
# Calls of the engine that take and answer objects; see csrc/bridge_ops.h. Each answers None in all but the common case.
CALLS = _engine.object_calls(Array)
_value, _shape = CALLS["value"], CALLS["shape"]


def wrap(handle: int) -> Array:
    """The Array of a handle as the engine answered it; raises where the answer is an error."""
    array = _new(Array)
    if handle >= LARGE:
        if handle >= FAILED:
            raise _engine.error(handle)
        handle -= LARGE
        array._keep = _Held(handle)
    array._h = handle
    return array


def is_traced(x: Any) -> bool:
    """Whether `x` is a traced array."""
    return type(x) is Array


def dtype_of(x: Any) -> Any:
    """The dtype of an operand as NumPy's promotion sees it: a dtype, or the Python number itself (weak)."""
    if type(x) is Array:
        return x.dtype
    if type(x) in (float, int, bool, complex):
        return x
    if isinstance(x, np.generic | np.ndarray):
        return x.dtype
    return np.asarray(x).dtype


def is_complex(x: Any) -> bool:
    """Whether an operand's dtype is complex."""
    return lib.pyad_dtype_of(x._h) > _engine.CODE_F64 if type(x) is Array else np.iscomplexobj(x)


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
        return _engine.lend(x, 1)
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
            raise _engine.error(handle)
        return handle
    array = np.asarray(x, dtype)
    if array.ndim == 0 and dtype.kind == "f":
        return constant(float(array), dtype)
    return _engine.lend(array, 1)


def numpy_value(x: Any) -> Any:
    """The value of a traced array as a NumPy array or scalar; anything else as it is."""
    if type(x) is not Array:
        return x
    value = _value(x._h)
    return _engine.materialize(x._h, share=False) if value is None else value


def numpy_view(x: Any) -> Any:
    """As `numpy_value`, read-only and over the engine's own memory where that can be; not to be kept."""
    return _engine.view(x._h) if type(x) is Array else x


def _with_number(x: Any, y: Any) -> np.dtype | None:
    """The result type of a traced array and a Python int or float, which is weak: the array's; else None."""
    if type(y) is Array:
        x, y = y, x
    if type(x) is Array and type(y) in (int, float):
        dtype = x.dtype
        return dtype if dtype in _engine.INEXACT else None
    return None


def common_dtype(op: str, operands: tuple[Any, ...]) -> np.dtype:
    """NumPy's result type of the operands, which must be float32, float64, complex64 or complex128."""
    if len(operands) == 1 and type(operands[0]) is Array:
        dtype = operands[0].dtype
        if dtype in _engine.INEXACT:
            return dtype
    if len(operands) == 2:
        weak = _with_number(*operands)
        if weak is not None:
            return weak
        a, b = (x.dtype if type(x) in (Array, np.ndarray) else None for x in operands)
        if a is b and a in _engine.INEXACT:
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
    if dtype not in _engine.INEXACT:
        raise DTypeError(
            f"{op}: operands of dtype {', '.join(str(dtype_of(x)) for x in operands)} would give {dtype}; traced "
            "values are float32 or float64, complex64 or complex128"
        )
    return dtype
