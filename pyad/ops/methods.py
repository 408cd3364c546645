"""What a traced array has of an ndarray besides operators: attributes and methods, and NumPy's functions that only ask
what an array is. Each works, or says why it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pyad.array import Array, View, is_traced
from pyad.errors import ConcretizationError, UnsupportedError
from pyad.ops import assign, build, contract, mutate, rearrange, select
from pyad.ops import shape as sh
from pyad.ops.operators import method_with_out
from pyad.ops.protocol import constant_in, implements
from pyad.ops.rearrange import layout
from pyad.ops.shape import asarray

# ---- functions that ask ----


@implements(np.shape)
def shape(a: Any) -> tuple[int, ...]:
    """The lengths of the axes."""
    return asarray(a).shape


@implements(np.ndim)
def ndim(a: Any) -> int:
    """How many axes."""
    return asarray(a).ndim


@implements(np.size)
def size(a: Any, axis: Any = None) -> int:
    """How many elements, altogether or along axes."""
    a = asarray(a)
    return np.size(np.broadcast_to(0.0, a.shape), axis)


def _types(x: Any) -> Any:
    """An argument of a function of dtypes, with a traced array's dtype for it."""
    return x.dtype if is_traced(x) else x


@implements(np.result_type)
def result_type(*arrays_and_dtypes: Any) -> np.dtype:
    """The dtype that results from combining these."""
    return np.result_type(*map(_types, arrays_and_dtypes))


@implements(np.can_cast)
def can_cast(from_: Any, to: Any, casting: str = "safe") -> bool:
    """Whether a cast is allowed."""
    return np.can_cast(_types(from_), _types(to), casting)


@implements(np.common_type)
def common_type(*arrays: Any) -> Any:
    """The floating type that holds all of these."""
    return np.common_type(*(np.empty(0, x.dtype) if is_traced(x) else x for x in arrays))


@implements(np.min_scalar_type)
def min_scalar_type(a: Any) -> np.dtype:
    """An array's dtype; of a number, which may change, the dtype too."""
    return asarray(a).dtype


@implements(np.iscomplexobj)
def iscomplexobj(x: Any) -> bool:
    """Whether the dtype is complex."""
    return asarray(x).dtype.kind == "c"


@implements(np.isrealobj)
def isrealobj(x: Any) -> bool:
    """Whether the dtype is not complex."""
    return not iscomplexobj(x)


def _span(x: Any) -> tuple[int, int]:
    """The first and the last byte of an array's memory."""
    if not is_traced(x):
        return np.lib.array_utils.byte_bounds(x)
    from pyad import _engine

    info = _engine.look(x._h)
    start = int(_engine.ffi.cast("intptr_t", info.data))
    lengths, strides = layout(x)
    reach = [(n - 1) * s * x.itemsize for n, s in zip(lengths, strides, strict=True) if n]
    return start + sum(r for r in reach if r < 0), start + sum(r for r in reach if r > 0) + x.itemsize


@implements(np.may_share_memory, np.shares_memory)
def may_share_memory(a: Any, b: Any, /, max_work: int | None = None) -> bool:
    """Whether the memory of two arrays may overlap."""
    a, b = asarray(a), asarray(b)
    if not a.size or not b.size:
        return False
    (low_a, high_a), (low_b, high_b) = _span(a), _span(b)
    return low_a < high_b and low_b < high_a


constant_in(
    np.ix_,
    np.tril_indices_from,
    np.triu_indices_from,
    np.diag_indices_from,
    np.iscomplex,
    np.isreal,
    np.isfortran,
    np.einsum_path,
)

# ---- attributes ----


class FlatView:
    """The elements of a traced array in C order, as `ndarray.flat`: an iterator with a length, which can be indexed."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, base: Array) -> None:
        self.base = base
        self.index = 0

    @property
    def coords(self) -> tuple[int, ...]:
        """The place of the element that comes next."""
        return tuple(int(k) for k in np.unravel_index(self.index, self.base.shape)) if self.base.ndim else ()

    def __len__(self) -> int:
        return self.base.size

    def __iter__(self) -> Iterator[Any]:
        self.index = 0
        return self

    def __next__(self) -> Any:
        if self.index >= self.base.size:
            raise StopIteration
        self.index += 1
        return sh.ravel(self.base)[self.index - 1]

    def __getitem__(self, key: Any) -> Any:
        return +sh.ravel(self.base)[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        mutate.set_flat(self.base, key, value)

    def copy(self) -> Any:
        """The elements in one dimension."""
        return sh.ravel(self.base).copy()


def _strides(self: Array) -> tuple[int, ...]:
    return tuple(s * self.itemsize for s in layout(self)[1])


def _flags(self: Array) -> Any:
    """Those of a NumPy array laid out like this."""
    lengths, _ = layout(self)
    return np.lib.stride_tricks.as_strided(np.empty(1, self.dtype), lengths, self.strides).flags


def _attribute_refusal(name: str, advice: str) -> property:
    def get(self: Array) -> Any:
        raise AttributeError(f"ndarray.{name} is not there for a traced value: {advice}")

    return property(get)


# ---- methods ----


def _value_refusal(name: str) -> Callable[..., Any]:
    def method(self: Array, *args: Any, **keywords: Any) -> Any:
        raise ConcretizationError(
            f"{name}() of a traced {self._text()} value would drop its derivative; write pyad.stop_gradient(x) first "
            "if that is what you want"
        )

    method.__name__ = name
    return method


def _refusal(name: str, advice: str) -> Callable[..., Any]:
    def method(self: Array, *args: Any, **keywords: Any) -> Any:
        raise UnsupportedError(f"ndarray.{name} is not supported for traced values: {advice}")

    method.__name__ = name
    return method


def _reshape_method(self: Array, *shape: Any, order: str = "C", copy: bool | None = None) -> Any:
    return rearrange.reshape(self, shape[0] if len(shape) == 1 else shape, order, copy=copy)


def _compress_method(self: Array, condition: Any, axis: int | None = None) -> Any:
    return select.compress(condition, self, axis)


def _transpose_method(self: Array, *axes: Any) -> Any:
    if len(axes) == 1:
        axes = (axes[0],) if isinstance(axes[0], int) else axes[0]
    return sh.transpose(self, axes if axes is None or len(axes) else None)


def _flatten(self: Array, order: str = "C") -> Any:
    return rearrange.ravel(self, order).copy()


def _view(self: Array, dtype: Any = None, type: Any = None) -> Any:
    if type not in (None, np.ndarray) or (dtype is not None and np.dtype(dtype) != self.dtype):
        raise UnsupportedError(
            "ndarray.view of a traced value as another dtype or type would read its bits, which has no derivative; "
            "use x.astype(dtype)"
        )
    return self[...]


def _to_device(self: Array, device: str, /, *, stream: Any = None) -> Any:
    if device != "cpu":
        raise ValueError(f'Unsupported device: {device!r}. Only "cpu" is accepted.')
    return self


def _provide(name: str, value: Any) -> None:
    """Define an attribute, unless another family has: theirs does more than answer or refuse."""
    there = vars(Array).get(name)
    if there is None or getattr(getattr(there, "fget", None), "__qualname__", "").startswith("_missing_method"):
        setattr(Array, name, value)


def _install() -> None:
    for function in (build.diagonal, rearrange.ravel, rearrange.repeat):
        setattr(Array, function.__name__, function)
    for function in (build.trace, contract.dot, select.take):
        setattr(Array, function.__name__, method_with_out(function.__name__, function))
    Array.swapaxes, Array.squeeze = sh.swapaxes, rearrange.squeeze
    Array.reshape, Array.transpose, Array.flatten = _reshape_method, _transpose_method, _flatten
    Array.mT = property(rearrange.matrix_transpose)
    Array.astype = rearrange.astype
    Array.compress = method_with_out("compress", _compress_method)
    Array.flat = property(FlatView, assign.assign_all)
    _provide("view", _view)
    _provide("strides", property(_strides))
    _provide("flags", property(_flags))
    _provide("base", property(lambda self: self._root if type(self) is View else None))
    _provide("device", property(lambda self: "cpu"))
    _provide("to_device", _to_device)
    _provide("__array_namespace__", lambda self, *, api_version=None: np)
    for name in ("tobytes", "tofile", "dump", "dumps"):
        _provide(name, _value_refusal(name))
    for name in ("data", "ctypes"):
        advice = "it would hand out its memory, past the derivative; use pyad.stop_gradient(x)"
        _provide(name, _attribute_refusal(name, advice))
    for name, advice in _ADVICE.items():
        _provide(name, _refusal(name, advice))


_ADVICE = {
    "choose": "the indices must be integers; use np.choose(x.astype(int), choices)",
    "byteswap": "it changes bits, not numbers",
    "getfield": "there are no fields; use x.astype(dtype)",
    "setfield": "there are no fields; use x[...] = values",
    "setflags": "its flags cannot be set",
    "resize": "it would change the size in place; use np.resize(x, shape)",
}


_install()
