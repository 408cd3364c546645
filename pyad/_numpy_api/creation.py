"""Functions that make arrays.

Inside a transform, and for float32 and float64, what they make is traced: a constant at first, which traced values can
be assigned into. Everywhere else, and for integers and booleans, they make NumPy's own arrays.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from pyad._binding import dtypes, engine
from pyad._ops import shape as shape_ops
from pyad._ops._docstrings import in_words_of
from pyad._ops._registry import holds_traced, implements
from pyad._ops.shape import astype, broadcast_to, reshape
from pyad._trace.array import Array, contains_traced, copy_of, is_traced, wrap
from pyad._trace.promotion import constant
from pyad._trace.recorded_call import call
from pyad._trace.traced_integer import TracedInteger
from pyad.errors import UnsupportedError

__all__ = ["CREATORS", "MAKERS"]

# By name, for pyad.numpy.
CREATORS: dict[str, Any] = {}
# Those that NumPy runs, with nothing of their own to be said.
MAKERS: dict[str, Any] = {}


def _inside() -> bool:
    """Whether a transform is under way on this thread."""
    here = engine._local.engine
    return here is not None and not here.abstract and not here.is_idle(sys._getframe(3))


def _made(x: Any) -> Any:
    """A new array of NumPy's, which nobody else holds, as what a creation function gives."""
    if type(x) is np.ndarray and x.dtype in dtypes.INEXACT and _inside():
        return wrap(constant(x, x.dtype))
    return x


def _creator(theirs: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: the function stands for NumPy's in pyad.numpy."""

    def register(ours: Callable[..., Any]) -> Callable[..., Any]:
        CREATORS[theirs.__name__] = ours
        ours.__doc__ = in_words_of(theirs, ours.__doc__)
        return ours

    return register


# ---- by shape ----


@_creator(np.zeros)
def zeros(shape: Any, dtype: Any = float, order: str = "C", **keywords: Any) -> Any:
    """Zeros of a shape.

    >>> import pyad.numpy as pnp
    >>> def f(x):
    ...     y = pnp.zeros(2)
    ...     y[0] = x * x
    ...     return pnp.sum(y)
    ...
    >>> pyad.grad(f)(3.0)
    np.float64(6.0)
    """
    return _made(np.zeros(shape, dtype, order, **keywords))  # type: ignore[call-overload]


@_creator(np.ones)
def ones(shape: Any, dtype: Any = None, order: str = "C", **keywords: Any) -> Any:
    """Ones of a shape.

    >>> import pyad.numpy as pnp
    >>> def f(x):
    ...     y = pnp.ones(2)
    ...     y[0] = x * x
    ...     return pnp.sum(y)
    ...
    >>> pyad.grad(f)(3.0)
    np.float64(6.0)
    """
    return _made(np.ones(shape, dtype, order, **keywords))  # type: ignore[call-overload]


@_creator(np.empty)
def empty(shape: Any, dtype: Any = float, order: str = "C", **keywords: Any) -> Any:
    """An array of a shape, to be filled.

    >>> import pyad.numpy as pnp
    >>> def f(x):
    ...     y = pnp.empty(2)
    ...     y[...] = x * x
    ...     return pnp.sum(y)
    ...
    >>> pyad.grad(f)(3.0)
    np.float64(12.0)
    """
    # Zeros cost next to nothing, and do not differ from one call to the next.
    return _made(np.zeros(shape, dtype, order, **keywords))  # type: ignore[call-overload]


@_creator(np.full)
def full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C", **keywords: Any) -> Any:
    """One value (or what broadcasts) in all places of a shape.

    >>> import pyad.numpy as pnp
    >>> pyad.grad(lambda x: pnp.sum(pnp.full((2, 2), x)))(3.0)
    np.float64(4.0)
    """
    if is_traced(fill_value) or _holds_traced(fill_value):
        value = array(fill_value, dtype)
        return shape_ops.array(_spread(value, shape))
    if type(fill_value) is TracedInteger:
        return call(np.full, (shape, fill_value, dtype), {})
    return _made(np.full(shape, fill_value, dtype, order, **keywords))  # type: ignore[call-overload]


def _holds_traced(x: Any) -> bool:
    return type(x) in (list, tuple) and contains_traced(x)


def _spread(x: Any, shape: Any) -> Any:
    return broadcast_to(x, shape)


class _NdarrayMeta(type):
    """`pyad.numpy.ndarray`: makes arrays as `numpy.ndarray` does; arrays and traced arrays are its instances."""

    def __call__(cls, shape: Any, dtype: Any = float, *args: Any, **keywords: Any) -> Any:
        if args or keywords:
            return np.ndarray(shape, dtype, *args, **keywords)
        return empty(shape, dtype)

    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, np.ndarray | Array)

    def __subclasscheck__(cls, other: type) -> bool:
        return issubclass(other, np.ndarray | Array)

    def __getattr__(cls, name: str) -> Any:
        return getattr(np.ndarray, name)


class ndarray(metaclass=_NdarrayMeta):
    __doc__ = in_words_of(
        np.ndarray,
        """As `numpy.ndarray`: makes an array of a shape. Traced arrays count as instances too.

        >>> import pyad.numpy as pnp
        >>> pyad.grad(lambda x: x * isinstance(x, pnp.ndarray))(3.0)
        np.float64(1.0)
        """,
    )


CREATORS["ndarray"] = ndarray


# ---- like another array ----


def _like(x: Any, dtype: Any, shape: Any) -> tuple[Any, Any]:
    """Shape and dtype of a new array like a traced one."""
    return (x.shape if shape is None else shape), (x.dtype if dtype is None else dtype)


def _plain_like(theirs: Callable[..., Any], x: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    # Of a list that holds traced values, only the shape and the dtype count.
    return _made(theirs(shape_ops.array(x) if _holds_traced(x) else x, *args, **keywords))


@_creator(np.zeros_like)
@implements(np.zeros_like)
def zeros_like(
    a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, **keywords: Any
) -> Any:
    """Zeros of the shape and dtype of another array.

    >>> pyad.grad(lambda x: np.sum(x + np.zeros_like(x)))(np.ones(2))
    array([1., 1.])
    """
    if is_traced(a):
        return zeros(*_like(a, dtype, shape), **keywords)
    return _plain_like(np.zeros_like, a, (dtype, order, subok, shape), keywords)


@_creator(np.ones_like)
@implements(np.ones_like)
def ones_like(
    a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, **keywords: Any
) -> Any:
    """Ones of the shape and dtype of another array.

    >>> pyad.grad(lambda x: np.sum(x * np.ones_like(x)))(np.ones(2))
    array([1., 1.])
    """
    if is_traced(a):
        return ones(*_like(a, dtype, shape), **keywords)
    return _plain_like(np.ones_like, a, (dtype, order, subok, shape), keywords)


@_creator(np.empty_like)
@implements(np.empty_like)
def empty_like(
    prototype: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, **keywords: Any
) -> Any:
    """An array like another one, to be filled.

    >>> def f(x):
    ...     y = np.empty_like(x)
    ...     y[...] = x * x
    ...     return np.sum(y)
    ...
    >>> pyad.grad(f)(np.array([1.0, 2.0]))
    array([2., 4.])
    """
    if is_traced(prototype):
        return empty(*_like(prototype, dtype, shape), **keywords)
    return _plain_like(np.zeros_like, prototype, (dtype, order, subok, shape), keywords)


@_creator(np.full_like)
@implements(np.full_like)
def full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, **keywords: Any
) -> Any:
    """One value in all places of an array like another one.

    >>> pyad.grad(lambda x: np.sum(x * np.full_like(x, 3.0)))(np.ones(2))
    array([3., 3.])
    """
    if is_traced(a):
        return full(a.shape if shape is None else shape, fill_value, a.dtype if dtype is None else dtype, **keywords)
    if is_traced(fill_value) or _holds_traced(fill_value):
        plain = np.asarray(a)
        kind = plain.dtype if dtype is None else np.dtype(dtype)
        return full(plain.shape if shape is None else shape, fill_value, kind)
    return _plain_like(np.full_like, a, (fill_value, dtype, order, subok, shape), keywords)


# ---- from values ----


@_creator(np.array)
def array(
    object: Any, dtype: Any = None, *, copy: bool | None = True, order: str = "K", subok: bool = False, ndmin: int = 0
) -> Any:
    """A new array of what is given: numbers, arrays and traced values, nested in lists and tuples.

    >>> import pyad.numpy as pnp
    >>> pyad.grad(lambda x: pnp.sum(pnp.array([[x, 2.0 * x]])))(3.0)
    np.float64(3.0)
    """
    if is_traced(object) or _holds_traced(object):
        return _at_least(_from_traced(object, dtype, copy), ndmin)
    made = np.array(object, dtype, copy=copy, order=order, subok=subok, ndmin=ndmin)  # type: ignore[call-overload]
    return made if isinstance(object, np.ndarray) and np.shares_memory(made, object) else _made(made)


def _from_traced(x: Any, dtype: Any, copy: bool | None) -> Any:
    if not is_traced(x):
        if copy is False:
            raise ValueError("Unable to avoid copy while creating an array as requested: the value is a list")
        return shape_ops.array(x, dtype)
    if copy:
        return shape_ops.array(x, dtype)
    if dtype is None or x.dtype == np.dtype(dtype):
        return x
    if copy is False:
        raise ValueError(f"Unable to avoid copy while creating an array as requested: dtype {x.dtype} is not {dtype}")
    return astype(x, dtype)


def _at_least(x: Any, ndmin: int) -> Any:
    missing = ndmin - x.ndim
    return reshape(x, (1,) * missing + x.shape) if missing > 0 else x


@_creator(np.asarray)
def asarray(a: Any, dtype: Any = None, order: Any = None, *, copy: bool | None = None, **keywords: Any) -> Any:
    """As `array`, without a copy of what is an array already.

    >>> import pyad.numpy as pnp
    >>> pyad.grad(lambda x: pnp.sum(pnp.asarray([x, 2.0 * x])))(3.0)
    np.float64(3.0)
    """
    if keywords:
        return _made(np.asarray(a, dtype, order, copy=copy, **keywords))
    return array(a, dtype, copy=copy, order=order or "K")


@_creator(np.asanyarray)
def asanyarray(a: Any, dtype: Any = None, order: Any = None, **keywords: Any) -> Any:
    """As `asarray`; subclasses of ndarray stay what they are.

    >>> import pyad.numpy as pnp
    >>> pyad.grad(lambda x: pnp.sum(pnp.asanyarray([x, 2.0 * x])))(3.0)
    np.float64(3.0)
    """
    if is_traced(a) or _holds_traced(a):
        return asarray(a, dtype, order, **keywords)
    return np.asanyarray(a, dtype, order, **keywords) if isinstance(a, np.ndarray) else asarray(a, dtype, order)


@_creator(np.ascontiguousarray)
def ascontiguousarray(a: Any, dtype: Any = None) -> Any:
    """As `asarray`, with at least one dimension.

    >>> import pyad.numpy as pnp
    >>> pyad.grad(lambda x: pnp.ascontiguousarray(x)[0])(3.0)
    np.float64(1.0)
    """
    return _at_least(asarray(a, dtype, "C"), 1)


@_creator(np.copy)
@implements(np.copy)
def copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    """A copy, which is written into independently.

    >>> pyad.grad(lambda x: np.sum(np.copy(x)))(np.ones(2))
    array([1., 1.])
    """
    if is_traced(a):
        return copy_of(a)
    return array(a, order=order, subok=subok)


# ---- by a formula ----


def _maker(theirs: Callable[..., Any]) -> None:
    """Enter a function of NumPy that makes a new array of plain arguments. Traced ones are for what implements it."""

    @functools.wraps(theirs)
    def made(*args: Any, **keywords: Any) -> Any:
        if any(map(holds_traced, args)) or any(map(holds_traced, keywords.values())):
            return theirs(*args, **keywords)
        result = theirs(*args, **keywords)
        return tuple(map(_made, result)) if type(result) is tuple else _made(result)

    MAKERS[theirs.__name__] = made


for _theirs in (
    *(np.eye, np.identity, np.tri, np.arange, np.linspace, np.logspace, np.geomspace, np.vander, np.diagflat),
    *(np.bartlett, np.blackman, np.hamming, np.hanning, np.kaiser),
    *(np.fromfunction, np.fromiter, np.fromstring, np.fromfile, np.loadtxt, np.genfromtxt),
):
    _maker(_theirs)


# ---- by their elements, in brackets ----


class _Concatenator:
    """`pyad.numpy.r_` and `c_`: as NumPy's, of traced values too."""

    def __init__(self, theirs: Any) -> None:
        self._theirs = theirs

    def __repr__(self) -> str:
        return f"<pyad.numpy.{'c_' if self._theirs is np.c_ else 'r_'}>"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._theirs, name)

    def __len__(self) -> int:
        return 0

    def __getitem__(self, key: Any) -> Any:
        items = key if type(key) is tuple else (key,)
        if not any(map(holds_traced, items)):
            return _made(self._theirs[key])
        axis, least, first = self._theirs.axis, self._theirs.ndmin, self._theirs.trans1d
        if type(items[0]) is str:
            axis, least, first = _directive(items[0])
            items = items[1:]
        arrays = [_with_axes(_item(self._theirs, item), least, first) for item in items]
        return shape_ops.concatenate(arrays, axis)


def _directive(text: str) -> tuple[int, int, int]:
    """The axis, the least number of dimensions and the place of the first one that a string of integers says."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise UnsupportedError(
            f"r_[{text!r}, ...]: a matrix of traced values is not supported; give integers, as '0,2'"
        ) from None
    return (*numbers, 1, -1)[:3] if len(numbers) == 1 else (*numbers, -1)[:3]  # type: ignore[return-value]


def _item(theirs: Any, item: Any) -> Any:
    if isinstance(item, slice):
        return np.r_[item]
    x = shape_ops.asarray(item)
    return reshape(x, (1,)) if x.ndim == 0 else x


def _with_axes(x: Any, least: int, first: int) -> Any:
    """x with as many dimensions as are asked for: `first` is where its own ones begin."""
    missing = least - x.ndim
    if missing <= 0:
        return x
    before = first if first >= 0 else first + missing + 1
    return reshape(x, (1,) * before + x.shape + (1,) * (missing - before))


MAKERS["r_"], MAKERS["c_"] = _Concatenator(np.r_), _Concatenator(np.c_)


def _isscalar(element: Any) -> bool:
    """Whether a value is a number, as traced values without axes are."""
    return element.ndim == 0 if is_traced(element) else bool(np.isscalar(element))


MAKERS["isscalar"] = _isscalar
