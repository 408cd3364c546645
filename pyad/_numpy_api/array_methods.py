"""What a traced array has of an ndarray besides operators: attributes and methods, and NumPy's functions that only ask
what an array is. Each works, or says why it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pyad._binding import memory
from pyad._numpy_api import inplace_functions
from pyad._numpy_api.protocols import unsupported, written
from pyad._ops import assignment, rearrange, reductions, scans, selection, statistics, triangles_grids
from pyad._ops._registry import implements
from pyad._ops.arithmetic import conjugate
from pyad._ops.complex_parts import imag, real
from pyad._ops.extrema import clip
from pyad._ops.linalg import tensordot
from pyad._ops.rearrange import layout
from pyad._ops.shape import asarray, ravel, swapaxes, transpose
from pyad._trace import strided_view
from pyad._trace.array import Array, View, copy_of, is_traced
from pyad._trace.promotion import is_complex
from pyad._trace.recorded_call import computed
from pyad.errors import ConcretizationError, UnsupportedError

# ---- functions that ask ----


@implements(np.shape)
def shape(a: Any) -> tuple[int, ...]:
    """The lengths of the axes.

    >>> pyad.grad(lambda x: x[0] * np.shape(x)[0])(np.ones(3))
    array([3., 0., 0.])
    """
    return asarray(a).shape


@implements(np.ndim)
def ndim(a: Any) -> int:
    """How many axes.

    >>> pyad.grad(lambda x: x[0] * np.ndim(x))(np.ones(3))
    array([1., 0., 0.])
    """
    return asarray(a).ndim


@implements(np.size)
def size(a: Any, axis: Any = None) -> int:
    """How many elements, altogether or along axes.

    >>> pyad.grad(lambda x: x[0] * np.size(x))(np.ones(3))
    array([3., 0., 0.])
    """
    a = asarray(a)
    return np.size(np.broadcast_to(0.0, a.shape), axis)


def _types(x: Any) -> Any:
    """An argument of a function of dtypes, with a traced array's dtype for it."""
    return x.dtype if is_traced(x) else x


@implements(np.result_type)
def result_type(*arrays_and_dtypes: Any) -> np.dtype:
    """The dtype that results from combining these.

    >>> pyad.jvp(lambda x: np.zeros(1, np.result_type(x, 'f4')), (1.0,), (1.0,))[0]
    array([0.])
    """
    return np.result_type(*map(_types, arrays_and_dtypes))


@implements(np.can_cast)
def can_cast(from_: Any, to: Any, casting: str = "safe") -> bool:
    """Whether a cast is allowed.

    >>> pyad.grad(lambda x: x * np.can_cast(x.dtype, 'f4'))(1.0)
    np.float64(0.0)
    """
    return np.can_cast(_types(from_), _types(to), casting)


@implements(np.common_type)
def common_type(*arrays: Any) -> Any:
    """The floating type that holds all of these.

    >>> pyad.grad(lambda x: x[0] * (np.common_type(x) is np.float64))(np.ones(1))
    array([1.])
    """
    return np.common_type(*(np.empty(0, x.dtype) if is_traced(x) else x for x in arrays))


@implements(np.min_scalar_type)
def min_scalar_type(a: Any) -> np.dtype:
    """An array's dtype; of a number, which may change, the dtype too.

    >>> pyad.grad(lambda x: x * np.min_scalar_type(x).itemsize)(1.0)
    np.float64(8.0)
    """
    return asarray(a).dtype


@implements(np.iscomplexobj)
def iscomplexobj(x: Any) -> bool:
    """Whether the dtype is complex.

    >>> pyad.grad(lambda x: x * np.iscomplexobj(x))(1.0)
    np.float64(0.0)
    """
    return asarray(x).dtype.kind == "c"


@implements(np.isrealobj)
def isrealobj(x: Any) -> bool:
    """Whether the dtype is not complex.

    >>> pyad.grad(lambda x: x * np.isrealobj(x))(1.0)
    np.float64(1.0)
    """
    return not iscomplexobj(x)


def _span(x: Any) -> tuple[int, int]:
    """The first and the last byte of an array's memory."""
    if not is_traced(x):
        return np.lib.array_utils.byte_bounds(x)
    from pyad._binding import engine

    info = memory.node_info(x._h)
    start = int(engine.ffi.cast("intptr_t", info.data))
    lengths, strides = layout(x)
    reach = [(n - 1) * s * x.itemsize for n, s in zip(lengths, strides, strict=True) if n]
    return start + sum(r for r in reach if r < 0), start + sum(r for r in reach if r > 0) + x.itemsize


@implements(np.may_share_memory, np.shares_memory)
def may_share_memory(a: Any, b: Any, /, max_work: int | None = None) -> bool:
    """Whether the memory of two arrays may overlap.

    >>> pyad.grad(lambda x: x[0] * np.may_share_memory(x, x[:2]))(np.ones(2))
    array([1., 0.])
    """
    a, b = asarray(a), asarray(b)
    if not a.size or not b.size:
        return False
    (low_a, high_a), (low_b, high_b) = _span(a), _span(b)
    return low_a < high_b and low_b < high_a


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
        return ravel(self.base)[self.index - 1]

    def __getitem__(self, key: Any) -> Any:
        return +ravel(self.base)[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        inplace_functions.set_flat(self.base, key, value)

    def copy(self) -> Any:
        """The elements in one dimension."""
        return ravel(self.base).copy()


def _strides(self: Array) -> tuple[int, ...]:
    return tuple(s * self.itemsize for s in layout(self)[1])


def _flags(self: Array) -> Any:
    """Those of a NumPy array laid out like this."""
    lengths, _ = layout(self)
    return np.lib.stride_tricks.as_strided(np.empty(1, self.dtype), lengths, self.strides).flags


def _refuse_shape(self: Array, shape: Any) -> None:
    raise AttributeError("the shape of a traced array cannot be set; write x = x.reshape(shape)")


def _set_component(which: int) -> Callable[[Array, Any], None]:
    def write(self: Array, value: Any) -> None:
        if which == strided_view.REAL:
            return assignment.assign_all(real(self), value)
        if not is_complex(self):
            raise TypeError("a real array has no imaginary part to be set")
        return assignment.assign_all(imag(self), value)

    return write


# ---- methods ----


def _conjugate(self: Array) -> Array:
    return conjugate(self) if is_complex(self) else self


def _with_out(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The method that is a function with out=, which is written when the value is there."""

    def method(self: Array, *args: Any, **keywords: Any) -> Any:
        if keywords:
            out = keywords.pop("out", None)
            if out is not None:
                widen = name == "clip"  # which is a ufunc
                return written(name, out, function(self, *args, **keywords), True, widen)
        return function(self, *args, **keywords)

    method.__name__ = name
    method.__doc__ = function.__doc__
    return method


def _on_values(name: str) -> Callable[..., Any]:
    """The method that is constant for derivatives, as ndarray has it."""

    def method(self: Array, *args: Any, **keywords: Any) -> Any:
        return computed(lambda x, *a, **k: getattr(np.asarray(x), name)(*a, **k), self, *args, **keywords)

    method.__name__ = name
    return method


# Three ways to refuse: what drops the derivative, what cannot be done, and what is not there, also for hasattr.


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


def _absent(message: str) -> property:
    def get(self: Array) -> Any:
        raise AttributeError(message)

    return property(get)


def _reshape_method(self: Array, *shape: Any, order: str = "C", copy: bool | None = None) -> Any:
    return rearrange.reshape(self, shape[0] if len(shape) == 1 else shape, order, copy=copy)


def _clip_method(self: Array, min: Any = None, max: Any = None, out: Any = None, **rest: Any) -> Any:
    return clip(self, min, max, out, **rest)


def _compress_method(self: Array, condition: Any, axis: int | None = None) -> Any:
    return selection.compress(condition, self, axis)


def _transpose_method(self: Array, *axes: Any) -> Any:
    if len(axes) == 1:
        axes = (axes[0],) if isinstance(axes[0], int) else axes[0]
    return transpose(self, axes if axes is None or len(axes) else None)


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


_CONSTANT = ("argmax", "argmin", "argsort", "argpartition", "searchsorted", "all", "any", "nonzero", "round")
_WITH_OUT = {
    "sum": reductions.sum,
    "mean": reductions.mean,
    "max": reductions.max,
    "min": reductions.min,
    "var": statistics.var,
    "std": statistics.std,
    "prod": statistics.prod,
    "cumsum": scans.cumsum,
    "cumprod": scans.cumprod,
    "trace": triangles_grids.trace,
    "dot": tensordot.dot,
    "take": selection.take,
    "clip": _clip_method,
    "compress": _compress_method,
}
_METHODS = {
    "astype": rearrange.astype,
    "conj": _conjugate,
    "conjugate": _conjugate,
    "copy": lambda self, order="C": copy_of(self),
    "diagonal": triangles_grids.diagonal,
    "fill": assignment.assign_all,
    "flatten": _flatten,
    "partition": inplace_functions.partition_method,
    "put": inplace_functions.put,
    "ravel": rearrange.ravel,
    "repeat": rearrange.repeat,
    "reshape": _reshape_method,
    "sort": inplace_functions.sort_method,
    "squeeze": rearrange.squeeze,
    "swapaxes": swapaxes,
    "to_device": _to_device,
    "transpose": _transpose_method,
    "view": _view,
    "__array_namespace__": lambda self, *, api_version=None: np,
}
_PROPERTIES = {
    "T": property(transpose),
    "mT": property(rearrange.matrix_transpose),
    "real": property(real, _set_component(strided_view.REAL)),
    "imag": property(imag, _set_component(strided_view.IMAG)),
    "shape": Array.shape.setter(_refuse_shape),
    "flat": property(FlatView, assignment.assign_all),
    "strides": property(_strides),
    "flags": property(_flags),
    "base": property(lambda self: self._root if type(self) is View else None),
    "device": property(lambda self: "cpu"),
}
_DROPPING = ("tobytes", "tofile", "dump", "dumps")
_REFUSED = {
    "choose": "the indices must be integers; use np.choose(x.astype(int), choices)",
    "byteswap": "it changes bits, not numbers",
    "getfield": "there are no fields; use x.astype(dtype)",
    "setfield": "there are no fields; use x[...] = values",
    "setflags": "its flags cannot be set",
    "resize": "it would change the size in place; use np.resize(x, shape)",
}
_ABSENT = {
    "data": "it would hand out its memory, past the derivative; use pyad.stop_gradient(x)",
    "ctypes": "it would hand out its memory, past the derivative; use pyad.stop_gradient(x)",
}


def _install() -> None:
    table = {
        **{name: _with_out(name, function) for name, function in _WITH_OUT.items()},
        **{name: _on_values(name) for name in _CONSTANT},
        **_METHODS,
        **_PROPERTIES,
        **{name: _value_refusal(name) for name in _DROPPING},
        **{name: _refusal(name, advice) for name, advice in _REFUSED.items()},
    }
    for name, advice in _ABSENT.items():
        table[name] = _absent(f"ndarray.{name} is not there for a traced value: {advice}")
    for name in dir(np.ndarray):
        # What this version of NumPy has besides.
        if not name.startswith("_") and name not in table and not hasattr(Array, name):
            table[name] = _absent(str(unsupported(f"ndarray.{name}", is_called=False)))
    for name, value in table.items():
        setattr(Array, name, value)
    View.shape = View.shape.setter(_refuse_shape)


_install()
