"""Writing into traced arrays: `a[i] = x`, `a += x`, `out=`, and NumPy's functions that change an argument.

On the tape a write is an operation like any other: it gives the array with a part replaced, and the traced array takes
that as its value. The engine does it in the array's own memory where nobody else needs the old elements. A write into
a view is a write into the array that the view is of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyad._binding.engine import FAILED, error, lib
from pyad._binding.memory import lend
from pyad._ops.comparison import where as choose
from pyad._ops.complex_parts import with_component
from pyad._ops.indexing import add_rows, expand, has_values, is_array_index, place_index, places_of, select, take_rows
from pyad._ops.shape import array, broadcast_to, reshape, warn_of_imaginary_part
from pyad._trace import strided_view
from pyad._trace.array import Array, View, contains_traced, is_constant, is_traced, rebind, wrap
from pyad._trace.op import handle_of
from pyad._trace.promotion import is_complex, refuse_subclass
from pyad._trace.recorded_call import call, computed
from pyad._trace.traced_integer import TracedInteger
from pyad._trace.view import read_strided_view, strided_view_of, take_component
from pyad.errors import ConcretizationError, DTypeError, ShapeError

__all__ = [
    "assign_all",
    "augmented",
    "need_traced",
    "refuse_cast",
    "refuse_plain_target",
    "setitem",
    "ufunc_at",
    "write_out",
]

_set_item = lib.pyad_set_item
_set_number = lib.pyad_set_number


# ---- a[index] = value ----


def setitem(x: Array, index: Any, value: Any) -> None:
    """x[index] = value with NumPy's rules.

    Raises:
        ShapeError: the value does not broadcast to the part.
        ValueError: x is a read-only view (of np.broadcast_to).
        TypeError: x is 0-d: it stands for a NumPy number, which cannot be assigned into.
    """
    if type(x) is Array:
        kind = type(index)
        if kind is int:
            count, i, j = 1, index, 0
        elif kind is tuple and len(index) == 2 and type(index[0]) is int and type(index[1]) is int:
            count, (i, j) = 2, index
        else:
            return _set_part(x, index, value)
        kind = type(value)
        try:
            if kind is Array:
                handle = _set_item(x._h, count, i, j, value._h)
            elif kind is float or kind is int:
                handle = _set_number(x._h, count, i, j, value)
            else:
                return _set_part(x, index, value)
        except OverflowError:  # an index larger than 64 bits, and so out of bounds, or a value larger than all floats
            return _set_part(x, index, value)
        if handle < FAILED:
            return rebind(x, handle)
    return _set_part(x, index, value)


def _set_part(x: Array, index: Any, value: Any) -> None:
    ndim = x.ndim
    if ndim == 0 and type(x) is not View:
        raise TypeError(
            "a traced 0-d value stands for a NumPy number and cannot be assigned into; write x = value, or use an "
            "array of shape (1,)"
        )
    if has_values(index):
        return _set_by_values(x, index, value)
    part = select(x, index)
    if part is None:
        return _set_places(x, place_index(strided_view_of(x), expand(index, ndim)), value)
    if type(value) is View and value._root is _root(x) and strided_view_of(value) == part:
        return None  # as after x[index] += y, which has changed the part already
    return _write(x, part, value)


def _set_by_values(x: Array, index: Any, value: Any) -> None:
    """x[index] = value for an index that a program computes anew each time."""
    is_mask = type(index) is TracedInteger and index.dtype == np.bool_
    if is_mask and np.ndim(value) == 0 and index.ndim and index.shape == x.shape[: index.ndim]:
        mask = index.reshape(index.shape + (1,) * (x.ndim - index.ndim)) if index.ndim < x.ndim else index
        return assign_all(x, choose(mask, value, x))
    places = call(_places_named, (strided_view_of(x), index), {})
    return _set_places(x, (places, is_mask or computed(_are_distinct, places)), value)


def _places_named(part: strided_view.StridedView, index: Any) -> np.ndarray:
    """The places in the root's C order of what an index names."""
    items = expand(index, len(part.shape))
    if any(map(is_array_index, items)):
        return place_index(part, items)[0]
    return np.ascontiguousarray(part.places()[index], np.int64)


def _are_distinct(places: np.ndarray) -> bool:
    return np.unique(places).size == places.size


def _last_of_each(flat: np.ndarray) -> np.ndarray:
    """Where in `flat` each of its numbers comes last."""
    return flat.size - 1 - np.unique(flat[::-1], return_index=True)[1]


def _root(x: Array) -> Array:
    return x._root if type(x) is View else x


def _refuse_readonly(part: strided_view.StridedView) -> None:
    if not part.writable:
        raise ValueError(
            "assignment destination is read-only: a view made by np.broadcast_to, np.diagonal or sliding_window_view "
            "(or a part of it) cannot be written into; write into a copy, x.copy()"
        )


def _operand(value: Any, dtype: np.dtype) -> Any:
    """A value to be written into an array of a dtype: traced, or a plain number or array."""
    if is_traced(value):
        return value
    if type(value) is TracedInteger:
        return value.as_array()
    if type(value) in (list, tuple) and contains_traced(value):
        return array(value)
    if type(value) in (float, int):
        return value
    refuse_subclass("an assignment", value)
    given = np.asarray(value)
    if given.dtype.kind not in "biufc" or (type(value) is complex and dtype.kind != "c"):
        raise DTypeError(f"a value of dtype {given.dtype} cannot be assigned into a traced array of {dtype}")
    if given.dtype.kind == "c" and dtype.kind != "c":
        warn_of_imaginary_part()
        return given.real
    return given


def _given(value: Any, dtype: np.dtype) -> int:
    """The handle of a value to be written into an array of a dtype."""
    if is_traced(value) and dtype.kind != "c" and is_complex(value):
        warn_of_imaginary_part()
    return handle_of(value, dtype)


def refuse_cast(name: str, given: np.dtype, into: np.dtype) -> None:
    """Raise where a result is not of the kind of the array that it is to be written into."""
    if not np.can_cast(given, into, "same_kind"):
        raise DTypeError(f"{name}: a result of dtype {given} cannot be written into an array of dtype {into}")


def _fitted(value: Any, shape: tuple[int, ...]) -> Any:
    """A value that broadcasts to a shape, without the leading ones that NumPy lets a value have."""
    given = value.shape if is_traced(value) else np.shape(value)
    extra = len(given) - len(shape)
    if extra > 0 and set(given[:extra]) == {1}:
        value = reshape(value, given[extra:])
        extra = 0
        given = given[len(given) - len(shape) :]
    if extra > 0 or any(n not in (1, m) for n, m in zip(given[::-1], shape[::-1], strict=False)):
        raise ShapeError(f"could not broadcast input array from shape {given} into shape {shape}")
    return value


def _write(x: Array, part: strided_view.StridedView, value: Any) -> None:
    """Replace a part of the root of x."""
    _refuse_readonly(part)
    root = _root(x)
    if not is_traced(value) or value.shape != part.shape or part.component:
        value = _fitted(_operand(value, x.dtype), part.shape)
    if part.component:
        value = with_component(wrap(read_strided_view(root, part._replace(component=0))), part.component, value)
    given = _given(value, root.dtype)
    params = part.params
    handle = lib.pyad_assign(root._h, given, len(params), params)
    if handle >= FAILED:
        raise error(handle, (root._h, given))
    rebind(root, handle)


def _set_places(x: Array, found: tuple[Any, bool], value: Any) -> None:
    """Replace single elements of the root of x; where a place is named twice, the last value stays."""
    _refuse_readonly(strided_view_of(x))
    places, distinct = found
    value = _fitted(_operand(value, x.dtype), places.shape)
    root = _root(x)
    if np.ndim(value) if not is_traced(value) else value.ndim:
        if value.shape != places.shape:
            value = broadcast_to(value, places.shape)
        value = reshape(value, (places.size,))
    flat = places if places.ndim == 1 else places.reshape(-1)
    flat = flat if type(flat) is TracedInteger else np.ascontiguousarray(flat)
    if not distinct and flat.size > 1:
        last = computed(_last_of_each, flat)
        if last.size < flat.size:
            value = _rows(value, last)
            flat = flat[last]
    component = strided_view_of(x).component
    if component:
        value = with_component(take_rows(reshape(root, (-1,)), flat), component, value)
    given = _given(value, root.dtype)
    index = flat._h if type(flat) is TracedInteger else lend(flat, 1)
    handle = lib.pyad_assign_at(root._h, given, index)
    if handle >= FAILED:
        raise error(handle, (root._h, given, index))
    rebind(root, handle)


def _rows(value: Any, rows: Any) -> Any:
    if is_traced(value):
        return take_rows(value, rows) if value.ndim else value
    return value[rows] if np.ndim(value) else value


# ---- the whole array ----


def assign_all(x: Array, value: Any) -> None:
    """x[...] = value."""
    shape = x.shape
    if not shape:
        return setitem(x, ..., value)
    if type(x) is View:
        return _write(x, strided_view_of(x), value)
    dtype = x.dtype
    value = _fitted(_operand(value, dtype), shape)
    if not is_traced(value):
        # A copy, since the caller may go on to change the array.
        return rebind(x, lend(np.array(np.broadcast_to(value, shape), dtype), 1))
    if value.shape != shape:
        value = broadcast_to(value, shape)
    return rebind(x, lib.pyad_same(_given(value, dtype)))


def augmented(op: Callable[[Any, Any], Any], symbol: str) -> Callable[[Array, Any], Array]:
    """An operator such as +=: in place for arrays, as in NumPy; a 0-d value is a number and gets a new value."""

    def method(self: Array, other: Any) -> Array:
        result = op(self, other)
        shape = self.shape
        if not shape and type(self) is not View:
            return result
        if type(self) is View:
            _refuse_readonly(strided_view_of(self))
        given = result.shape
        if given != shape:
            raise ShapeError(
                f"{symbol}: the result has shape {given} and does not fit into the array of shape {shape}, which "
                "cannot grow"
            )
        refuse_cast(symbol, result.dtype, self.dtype)
        assign_all(self, result)
        return self

    return method


# ---- out= ----


def refuse_plain_target(name: str) -> ConcretizationError:
    """The exception for a traced value that a function called `name` was to write into an array of NumPy's own."""
    return ConcretizationError(
        f"{name}: a traced value cannot be written into an array of plain NumPy, where its derivative would be lost; "
        "make the array inside the function with pyad.numpy.array, zeros, empty, ..., of a floating dtype, or write "
        "pyad.stop_gradient(x) if it is constant"
    )


def write_out(name: str, out: Array, result: Any, where: Any = True, widen: bool = False) -> Array:
    """Put a result into a traced array given as out=. `widen`: it may be broadcast, as a ufunc's may."""
    shape = out.shape
    given = result.shape if is_traced(result) else np.shape(result)
    kind = result.dtype if is_traced(result) else np.asarray(result).dtype
    refuse_cast(name, kind, out.dtype)
    if given != shape and not (widen and _broadcasts(given, shape)):
        raise ShapeError(f"{name}: the result has shape {given}, out= has shape {shape}")
    if where is not True:
        from pyad._ops.comparison import where as choose

        result = choose(where, result, out)
    assign_all(out, result)
    return out


def _broadcasts(given: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(given, shape) == shape
    except ValueError:
        return False


# ---- ufunc.at ----


def ufunc_at(name: str, function: Callable[..., Any], x: Any, index: Any, *rest: Any) -> None:
    """ufunc.at: x[index] = function(x[index], value), one index after the other, also where they repeat.

    The k-th times that places come up are done at once, for k = 1, 2, ...
    """
    if not is_traced(x):
        raise refuse_plain_target(name)
    if x.ndim == 0:
        return setitem(x, index, 0.0)
    _refuse_readonly(strided_view_of(x))
    if has_values(index) and function in (np.add, np.subtract) and len(rest) == 1:
        return _add_by_values(x, index, function, rest[0])
    items = expand(index, x.ndim)
    if not any(map(is_array_index, items)):
        return setitem(x, index, function(x[index], *rest))
    places, distinct = place_index(strided_view_of(x), items)
    values = [_spread(value, x.dtype, places.shape) for value in rest]
    flat = places.reshape(-1)
    for rows in [slice(None)] if distinct else _rounds(flat):
        at = flat if distinct else flat[rows]
        new = function(_read_places(x, at), *(value if distinct else _rows(value, rows) for value in values))
        refuse_cast(name, new.dtype, x.dtype)
        _set_places(x, (at, True), new)
    return None


def _add_by_values(x: Array, index: Any, function: Callable[..., Any], value: Any) -> None:
    """np.add.at or np.subtract.at for an index that a program computes anew each time."""
    places = call(places_of, (x.shape, index), {})
    value = array(_spread(value, x.dtype, places.shape), x.dtype)
    if not value.ndim:
        value = broadcast_to(value, (places.size,))
    if not is_traced(value):
        total = call(_added, (value, places, x.size), {})
    else:
        total = add_rows(value, places if places.ndim == 1 else places.reshape(-1), x.size)
    assign_all(x, function(x, reshape(total, x.shape)))


def _added(value: np.ndarray, places: np.ndarray, size: int) -> np.ndarray:
    total = np.zeros(size, value.dtype)
    np.add.at(total, places.reshape(-1), value)
    return total


def _read_places(x: Array, flat: np.ndarray) -> Any:
    """The elements of x at places of its root."""
    root = _root(x)
    elements = take_rows(reshape(root, (-1,)) if root.size else root, flat)
    component = strided_view_of(x).component
    return wrap(take_component(elements, component)) if component else elements


def _spread(value: Any, dtype: np.dtype, shape: tuple[int, ...]) -> Any:
    """One value for each index, or one for all, in one dimension."""
    value = _fitted(_operand(value, dtype), shape)
    if not (value.ndim if is_traced(value) else np.ndim(value)):
        return value
    return reshape(broadcast_to(value, shape), (int(np.prod(shape, dtype=int)),))


def _rounds(flat: np.ndarray) -> list[np.ndarray]:
    """Positions of `flat` so that no place is twice in one round, each place in the order it comes up."""
    order = np.argsort(flat, kind="stable")
    ordered = flat[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    counts = np.diff(np.r_[starts, ordered.size])
    turn = np.arange(ordered.size) - np.repeat(starts, counts)
    by_turn = np.argsort(turn, kind="stable")
    if not turn.size:
        return []
    ends = np.cumsum(np.bincount(turn))
    return [order[part] for part in np.split(by_turn, ends[:-1])]


# ---- targets ----


def need_traced(name: str, target: Any, *values: Any) -> bool:
    """Whether the target is traced; where it is plain, no value that is written into it may have a derivative."""
    if is_traced(target):
        return True
    for value in values:
        if is_traced(value):
            refused = not is_constant(value)
        else:
            refused = type(value) in (list, tuple) and contains_traced(value)
        if refused:
            raise refuse_plain_target(name)
    return False


def set_flat(x: Array, places: Any, value: Any) -> None:
    """Write at places of x in C order."""
    if x.ndim == 0:
        raise TypeError("a traced 0-d value stands for a NumPy number and cannot be assigned into")
    if type(places) is TracedInteger:
        index = call(np.unravel_index, (places, x.shape), {}) if x.ndim > 1 else places
        return _set_by_values(x, index, value)
    index = np.unravel_index(places, x.shape) if x.ndim > 1 else (places,)
    return _set_places(x, place_index(strided_view_of(x), list(expand(index, x.ndim))), value)
