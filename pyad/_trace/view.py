"""Views: which part of another array a traced array is, worked out and read only where it has been written into."""

from __future__ import annotations

from typing import Any

from pyad._binding import dtypes, engine
from pyad._binding.engine import FAILED, LARGE, lib
from pyad._trace import strided_view
from pyad._trace.array import Array, Held, View, wrap
from pyad._trace.promotion import constant

_new_view = View.__new__


def view(parent: Array, handle: int, made: tuple[Any, Any]) -> View:
    """The view of a handle as the engine returned it; `made` says of which part of `parent`."""
    array = _new_view(View)
    if handle >= LARGE:
        if handle >= FAILED:
            raise engine.error(handle)
        handle -= LARGE
        array._keep = Held(handle)
    array._node = handle
    array._parent = parent
    array._made = made
    root = parent._root if type(parent) is View else parent
    array._root = root
    array._at = root._h
    return array


def view_of(x: Array, part: strided_view.StridedView) -> View:
    """The view that is this part of the root of x."""
    root = x._root if type(x) is View else x
    return view(root, read_strided_view(root, part), (_as_found, part))


def _as_found(_: strided_view.StridedView, part: strided_view.StridedView) -> strided_view.StridedView:
    return part


def is_stale(x: Array) -> bool:
    """Whether `x` is a view whose array has been written into since it was last read."""
    return type(x) is View and x._root._h is not x._at


def strided_view_of(x: Array) -> strided_view.StridedView:
    """Which part of its root an array is."""
    chain = []
    while type(x) is View:
        known = getattr(x, "_strided", None)
        if known is not None:
            break
        chain.append(x)
        x = x._parent
    part = x._strided if type(x) is View else strided_view.whole(x.shape)
    for v in reversed(chain):
        how, what = v._made
        part = v._strided = how(part, what)
        v._parent = v._root  # the views between are not needed any more
    return part


def read_strided_view(root: Array, part: strided_view.StridedView) -> int:
    """The elements of a part as they are now: a handle as the engine returns it."""
    if part.overlapping:
        # A window adds up what arrives only where strides are zero.
        flat = wrap(lib.pyad_op(_RESHAPE, 1, [root._h], 1, (root.size,)))
        handle = lib.pyad_op(_TAKE, 2, [flat._h, constant(part.places(), dtypes.INT64)], 0, ())
    else:
        params = part.params
        handle = lib.pyad_op(_WINDOW, 1, [root._h], len(params), params)
    if handle >= FAILED:
        raise engine.error(handle, (root._h,))
    return take_component(wrap(handle), part.component) if part.component else handle


def take_component(x: Array, component: int) -> int:
    """The real or the imaginary parts of a complex array: a handle as the engine returns it."""
    if component == strided_view.IMAG:
        return lib.pyad_op(_IMAG, 1, [x._h], -1, engine.ffi.NULL)
    return lib.pyad_op(_ASTYPE, 1, [x._h], 1, (lib.pyad_dtype_of(x._h) - 2,))


def _read_anew(x: View) -> None:
    """Read a view from its root, which has been written into."""
    handle = read_strided_view(x._root, strided_view_of(x))
    if handle >= LARGE:
        handle -= LARGE
        x._keep = Held(handle)
    x._node = handle
    x._at = x._root._h


_WINDOW = engine.kernel("strided_view")
_RESHAPE = engine.kernel("reshape")
_TAKE = engine.kernel("take")
_IMAG = engine.kernel("imag")
_ASTYPE = engine.kernel("astype")


View._read_anew = _read_anew
