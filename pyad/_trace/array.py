"""The traced array: what a function sees in place of a NumPy array while it is being differentiated.

It holds a handle into the tape and nothing else. This module knows how a handle becomes an array and back. Operators,
methods and NumPy's protocols are attached by `pyad._numpy_api`, which knows the operations, and the reading of views by
`view`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from pyad._binding import engine, memory
from pyad._binding.dtypes import DTYPES
from pyad._binding.engine import FAILED, LARGE, lib
from pyad._trace import strided_view
from pyad._trace.refusals import dropped, frozen, in_sparse_product, not_plain
from pyad.errors import ConcretizationError


def _stale(handle: int) -> Any:
    raise engine.error(lib.PYAD_ERR_STALE, (handle,))


def _dtype_of(handle: int) -> np.dtype:
    code = lib.pyad_dtype_of(handle)
    if code < 0:
        raise engine.error(lib.PYAD_ERR_STALE, (handle,))
    return DTYPES[code]


def _ndim_of(handle: int) -> int:
    ndim = lib.pyad_ndim_of(handle)
    return ndim if ndim >= 0 else _stale(handle)


def _size_of(handle: int) -> int:
    size = lib.pyad_size_of(handle)
    if size < 0:
        raise engine.error(lib.PYAD_ERR_STALE, (handle,))
    return size


class Held:
    """Tells the engine when the last Array of a large value is gone, so that its memory can be used again."""

    __slots__ = ("handle",)

    def __init__(self, handle: int) -> None:
        self.handle = handle

    def __del__(self, drop: Any = lib.pyad_drop) -> None:
        drop(self.handle)


class Array:
    """A value on the tape. Behaves like the `numpy.ndarray` (or NumPy scalar) it stands for.

    You never make one: `pyad.grad` and the other transforms hand them to your function. Its shape, dtype, operators,
    methods and NumPy functions are those of an ndarray.

    Raises:
        ConcretizationError: What would drop the derivative without a word, such as `float(x)`.
        LeakError: Any use after the transform has ended, or on another thread.

    >>> import numpy as np
    >>> import pyad
    >>> pyad.grad(lambda x: print(x) or np.sum(x * x.T))(np.array([1.0, 2.0]))
    <traced float64[2] [1. 2.]>
    array([2., 4.])
    """

    __slots__ = ("_h", "_keep")

    _h: int
    _keep: Held

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
            info = memory.node_info(self._h)
        except Exception:
            return "<traced array of a transform that has ended>"
        text = f"traced {DTYPES[info.dtype]}{list(memory.shape_of(info))}"
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
        if engine.recording_threads and lib.pyad_is_symbolic(self._h):
            return bool(self != 0)
        if is_constant(self):
            return bool(numpy_value(self))
        raise ConcretizationError(
            f"the truth of a traced {self._text()} value is not defined; compare it instead, as in `x != 0` "
            "(comparisons give plain booleans, with which you can branch), or take pyad.stop_gradient(x)"
        )

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        if engine.recording_threads and lib.pyad_is_symbolic(self._h):
            raise frozen("a plain NumPy array", self)
        if is_constant(self):
            return np.asarray(numpy_value(self), dtype)
        caller = sys._getframe(1)
        if in_sparse_product(caller):
            return np.array(None, dtype=object)
        raise not_plain(self, caller)

    def __dlpack__(self, **_keywords: Any) -> Any:
        raise dropped("an exchange of the memory (DLPack)", self)

    def item(self, *args: Any) -> Any:
        return np.asarray(_constant_value("item()", self)).item(*args)

    def tolist(self) -> Any:
        return np.asarray(_constant_value("tolist()", self)).tolist()

    def _text(self) -> str:
        info = memory.node_info(self._h)
        return f"{DTYPES[info.dtype]}{list(memory.shape_of(info))}"

    def __copy__(self) -> Array:
        return copy_of(self) if self.ndim else self

    def __deepcopy__(self, _memo: Any) -> Array:
        return self.__copy__()

    def __reduce__(self) -> Any:
        raise ConcretizationError("a traced value cannot be pickled: it lives only inside its transform")


new_array = Array.__new__


def bare(handle: int) -> Array:
    """The Array of a handle without a buffer of its own."""
    array = new_array(Array)
    array._h = handle
    return array


def wrap(handle: int) -> Array:
    """The Array of a handle as the engine returned it; raises where it is an error."""
    array = new_array(Array)
    if handle >= LARGE:
        if handle >= FAILED:
            raise engine.error(handle)
        handle -= LARGE
        array._keep = Held(handle)
    array._h = handle
    return array


class WeakScalar(Array):
    """A Python float among the arguments of a program that is being recorded: NumPy's promotion does not count it."""

    __slots__ = ()


class MutableScalar(Array):
    """A 0-d array among the arguments of a program that is being recorded, which can be written into. Any other traced
    0-d value stands for a number."""

    __slots__ = ()


# The classes that stand for a node.
NODES: set[type] = {Array, WeakScalar, MutableScalar}


def is_traced(x: Any) -> bool:
    """Whether `x` is a traced array."""
    kind = type(x)
    return kind is Array or kind is View or kind is WeakScalar or kind is MutableScalar


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
    if engine.recording_threads and lib.pyad_is_symbolic(x._h):
        raise frozen(what, x)
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

    __slots__ = ("_at", "_made", "_node", "_parent", "_root", "_strided")

    _node: int  # the handle, as of ...
    _at: int  # ... this handle of ...
    _root: Array  # ... the array that owns the elements
    _parent: Array  # which array this is a part of,
    _made: tuple[Any, Any]  # and which: a function of strided_view.py, and what it takes
    _strided: strided_view.StridedView  # of the root, once it has been worked out
    _read_anew: Callable[[View], None]  # attached by view.py

    @property
    def _h(self) -> int:  # type: ignore[override]
        if self._root._h is self._at:
            return self._node
        self._read_anew()
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


NODES.add(View)
# Calls of the engine that take and return objects (csrc/python/op_calls.h). Each returns None outside the common case.
CALLS = memory.object_calls(Array, View)
_value, _shape = CALLS["value"], CALLS["shape"]


def rebind(x: Array, handle: int) -> None:
    """Give an array (no view) another value: a handle as the engine returned it."""
    if handle >= LARGE:
        if handle >= FAILED:
            raise engine.error(handle, (x._h,))
        handle -= LARGE
        keep = getattr(x, "_keep", None)
        if keep is None:
            x._keep = Held(handle)
        else:
            # The old value may still be there, if it could not be written over.
            lib.pyad_drop(keep.handle)
            keep.handle = handle
    x._h = handle


def numpy_value(x: Any) -> Any:
    """The value of a traced array or integer as a NumPy array or scalar; anything else as it is."""
    if type(x) not in NODES:
        return x
    handle = x._h
    if engine.recording_threads:
        _guard(handle)
    value = _value(handle)
    value = memory.read(handle, share=False) if value is None else value
    return float(value) if type(x) is WeakScalar else value


def _guard(handle: int) -> None:
    """While a program is being recorded: what is recorded from here on is right for this value only."""
    if lib.pyad_is_symbolic(handle):
        status = lib.pyad_guard(handle)
        if status:
            raise engine.error(status, (handle,))


def plain_values(x: Any) -> Any:
    """The same with plain values for traced ones, inside lists, tuples and dicts too."""
    if type(x) in NODES:
        return numpy_value(x)
    if type(x) in (list, tuple):
        return type(x)(plain_values(item) for item in x)
    if type(x) is dict:
        return {key: plain_values(item) for key, item in x.items()}
    return x
