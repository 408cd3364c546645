"""What a recording has found outside its arguments, and whether that is still as it was.

Each thing that is watched is one entry of one of a few lists, by how it is read again: an entry of a namespace, an
attribute, the items of a list or dict, the bytes of an array, or anything else by a function. Objects are compared by
identity, numbers and strings by type and value. One function of C looks at all of them before a program runs; only
where it finds another object is it looked here whether that has the same value, and what is to be said of it.

`pyad._compile.discovery` finds what there is to watch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from pyad._binding.engine import lib

__all__ = ["GONE", "CapturedState", "same"]

# In the place of what is not there.
GONE = type("Gone", (), {"__repr__": lambda _: "nothing"})()

_BY_VALUE = {int, bool, str, bytes, type(None), type(Ellipsis), type(NotImplemented)}


def same(now: Any, old: Any) -> bool:
    """Whether nothing can tell two values apart: they are one object, or constants of one type and value."""
    waiting = [(now, old)]
    while waiting:
        a, b = waiting.pop()
        if a is b:
            continue
        kind = type(a)
        if kind is not type(b):
            return False
        if kind in _BY_VALUE:
            if a != b:
                return False
        elif kind is float or kind is complex:
            if repr(a) != repr(b):  # NaN, and zeros of either sign
                return False
        elif kind is tuple or kind is frozenset:
            if len(a) != len(b):
                return False
            waiting.extend(zip(a, b, strict=True))
        elif kind is range or kind is slice:
            waiting.append(((a.start, a.stop, a.step), (b.start, b.stop, b.step)))
        elif issubclass(kind, np.generic):
            if a.dtype != b.dtype or a.dtype.hasobject or a.tobytes() != b.tobytes():
                return False
        elif issubclass(kind, np.dtype):
            if a != b:
                return False
        else:
            return False
    return True


class CapturedState:
    """What is watched, and how it was before the recording could read it."""

    __slots__ = ("arrays", "attributes", "check", "dicts", "lists", "names", "others")

    def __init__(self) -> None:
        # Each entry ends with what it is called in messages.
        self.names: list[tuple[dict[Any, Any], Any, Any, str]] = []  # a dict, a key and the value
        self.attributes: list[tuple[Any, str, Any, str]] = []  # an object, a name and the value
        self.lists: list[tuple[list[Any], tuple[Any, ...], str]] = []  # a list and its items
        self.dicts: list[tuple[dict[Any, Any], tuple[Any, ...], tuple[Any, ...], str]] = []  # keys and values
        self.arrays: list[tuple[np.ndarray, Any, bytes, str]] = []  # an array, its form, and its content
        self.others: list[tuple[Callable[[Any], tuple[Any, ...]], Any, tuple[Any, ...], str]] = []
        # A function of C without arguments, which says whether all is as it was; None where nothing is watched.
        self.check: Callable[[], bool] | None = None

    # ---- adding ----

    def add_array(self, array: np.ndarray, path: str) -> None:
        plain = _plain(array)
        self.arrays.append((array, form_of(plain), plain.tobytes(), path))

    def finish(self) -> None:
        """All is there: make the function that looks at it."""
        if not self.count():
            return
        context = (
            GONE,
            tuple(x for *entry, _ in self.names for x in entry),
            tuple(x for *entry, _ in self.attributes for x in entry),
            tuple(x for *entry, _ in self.lists for x in entry),
            tuple(x for *entry, _ in self.dicts for x in entry),
            tuple(x for array, form, data, _ in self.arrays if _is_plain(array) for x in (array, *form[:3], data)),
            self._rest_holds if self.others or not all(_is_plain(array) for array, *_ in self.arrays) else None,
        )
        made: list[Any] = []
        if lib.pyad_make_watch(id(context), id(made)):
            raise MemoryError("out of memory while a function was compiled")
        self.check = made[0]

    # ---- comparing ----

    def count(self) -> int:
        """How many things are watched."""
        return (
            len(self.names)
            + len(self.attributes)
            + len(self.lists)
            + len(self.dicts)
            + len(self.arrays)
            + len(self.others)
        )

    def holds(self) -> bool:
        """Whether everything is as it was."""
        return self.check is None or self.check() or self.changed() is None

    def changed(self) -> str | None:
        """The name of what is not as it was, or None."""
        path = self._changed()
        if path is None and self.check is not None:
            self._renew()
        return path

    def _changed(self) -> str | None:
        for mapping, key, value, path in self.names:
            if not same(mapping.get(key, GONE), value):
                return path
        for of, name, value, path in self.attributes:
            if not same(attribute(of, name), value):
                return path
        for items, before, path in self.lists:
            if not same(tuple(items), before):
                return path
        for mapping, keys, values, path in self.dicts:
            if not same((_keys(mapping), _values(mapping)), (keys, values)):
                return path
        for array, form, data, path in self.arrays:
            if not _is_unchanged(array, form, data):
                return path
        for read, of, before, path in self.others:
            if not _is_as_before(read, of, before):
                return path
        return None

    def _renew(self) -> None:
        """Everything has the same value, some of it in other objects: these are compared with from now on."""
        self.names = [(mapping, key, mapping.get(key, GONE), path) for mapping, key, _, path in self.names]
        self.attributes = [(of, name, attribute(of, name), path) for of, name, _, path in self.attributes]
        self.lists = [(items, tuple(items), path) for items, _, path in self.lists]
        self.dicts = [(mapping, _keys(mapping), _values(mapping), path) for mapping, *_, path in self.dicts]
        self.finish()

    def _rest_holds(self) -> bool:
        """Whether those are as they were which the function of C leaves to this one."""
        return all(
            _is_plain(array) or _is_unchanged(array, form, data) for array, form, data, _ in self.arrays
        ) and all(_is_as_before(read, of, before) for read, of, before, _ in self.others)

    # ---- looking at it ----

    def report(self) -> dict[str, Any]:
        """How much is watched, and what that costs a call."""
        seconds = []
        for _ in range(5 if self.check is not None else 0):
            start = time.perf_counter()
            self.holds()
            seconds.append(time.perf_counter() - start)
        return {
            "watched": self.count(),
            "watched_bytes": sum(len(data) for _, _, data, _ in self.arrays),
            "watching_seconds": min(seconds, default=0.0),
        }


def attribute(of: Any, name: str) -> Any:
    try:
        return getattr(of, name)
    except (AttributeError, ValueError):  # the latter of a cell that is empty
        return GONE


def _keys(mapping: dict[Any, Any]) -> tuple[Any, ...]:
    return tuple(dict.keys(mapping))


def _values(mapping: dict[Any, Any]) -> tuple[Any, ...]:
    return tuple(dict.values(mapping))


def form_of(array: np.ndarray) -> Any:
    """What besides the content of an array a function can tell apart."""
    try:
        code: Any = memoryview(array).format  # type: ignore[arg-type]
    except (ValueError, BufferError, NotImplementedError):
        code = None
    return code, array.shape, array.strides, array.dtype


def _plain(array: np.ndarray) -> np.ndarray:
    """The array without what a subclass makes of it."""
    return array if type(array) is np.ndarray else np.ndarray.view(array, np.ndarray)


def _is_plain(array: np.ndarray) -> bool:
    """Whether the function of C can look at it: it is contiguous, and its dtype has a name in the buffer protocol."""
    return type(array) is np.ndarray and array.flags.c_contiguous and array.dtype.kind in "biufc" and array.nbytes > 0


def _is_unchanged(array: np.ndarray, form: Any, data: bytes) -> bool:
    array = _plain(array)
    return (array.shape, array.strides, array.dtype) == form[1:] and array.tobytes() == data


def _is_as_before(read: Callable[[Any], tuple[Any, ...]], of: Any, before: tuple[Any, ...]) -> bool:
    try:
        return same(read(of), before)
    except (RuntimeError, ValueError, LookupError, TypeError):  # another thread is changing it
        return False
