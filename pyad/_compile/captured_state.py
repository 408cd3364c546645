"""What a compiled function finds outside its arguments, and whether that is still as it was when it was recorded.

A recording has the values of closures, globals and attributes in it. They are looked up where the function's code, and
that of the Python functions it uses, mentions them: numbers, strings and other constants are compared by value,
functions and other objects by identity, lists and dicts entry by entry. An array that the recording reads in place has
to be the same array; of any other, what is in it must be the same too.
"""

from __future__ import annotations

import dis
import functools
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pyad._binding.memory import owner_of

__all__ = ["CapturedState", "random_states"]

# Bounds on how far it is looked, for functions that reach half a library.
_MOST_NAMES = 2000
_MOST_ENTRIES = 1000
_DEPTH = 8
# Arrays up to this size are kept to compare with, larger ones as a hash of 64 bits.
_SMALL_BYTES = 1 << 12

# What computes the same always, and has its state nowhere a user changes it.
_LIBRARIES = {"pyad", "numpy", "scipy", "jax", "jaxlib", *sys.stdlib_module_names} - {"__main__"}
_CONSTANTS = (
    int,
    float,
    complex,
    str,
    bytes,
    type(None),
    np.generic,
    np.dtype,
    type(Ellipsis),
    slice,
    range,
    frozenset,
)
_GONE = object()


class CapturedState:
    """The state that a function (and, as `arguments`, objects that it is called with) reaches."""

    __slots__ = ("arrays", "cells", "containers", "generators", "in_place", "names")

    def __init__(self, function: Callable[..., Any], arguments: list[Any]) -> None:
        walk = _walked(function, arguments)
        self.names = list(walk.names.values())
        self.cells = list(walk.cells.values())
        self.containers = list(walk.containers.values())
        self.arrays = [(array, _content(array)) for array in walk.arrays.values()]
        self.in_place: list[np.ndarray] = []
        self.generators = list(walk.generators.values())

    def forget_arrays(self, kept: list[Any], addresses: set[int]) -> None:
        """Leave out the arrays that a recording reads in place: what is in them may change. These are arrays that are
        kept, or share memory with such, whose address the recording has."""
        roots: dict[int, list[np.ndarray]] = {}
        for x in kept:
            if isinstance(x, np.ndarray) and x.ctypes.data in addresses:
                roots.setdefault(id(owner_of(x)), []).append(x)

        def is_lent(array: np.ndarray) -> bool:
            return any(np.may_share_memory(x, array) for x in roots.get(id(owner_of(array)), ()))

        # An array that the function itself has changed is not the same at the next call, and that is to be noticed.
        same = {id(array) for array, content in self.arrays if is_lent(array) and _is_content(array, content)}
        self.in_place = [array for array, _ in self.arrays if id(array) in same]
        self.arrays = [(array, content) for array, content in self.arrays if id(array) not in same]

    def owners(self) -> set[int]:
        """What owns the memory of the arrays, by id."""
        return {id(owner_of(array)) for array, _ in self.arrays}

    def is_trivial(self) -> bool:
        return not (self.names or self.cells or self.containers or self.arrays)

    def holds(self) -> bool:
        """Whether everything is as it was."""
        for mapping, name, value in self.names:
            now = mapping.get(name, _GONE)
            if now is not value and not _is_same(now, value):
                return False
        for cell, value in self.cells:
            now = _inside(cell)
            if now is not value and not _is_same(now, value):
                return False
        for container, entries in self.containers:
            if not _has_entries(container, entries):
                return False
        return all(_is_content(array, content) for array, content in self.arrays)


def _inside(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return _GONE


def _is_same(now: Any, value: Any) -> bool:
    """Whether two constants are of the same value and type, also inside tuples."""
    if type(now) is not type(value):
        return False
    if type(now) is tuple:
        return len(now) == len(value) and all(map(_is_same, now, value))
    if isinstance(now, float | complex | np.inexact):
        return repr(now) == repr(value)  # of NaN and of zeros of either sign too
    return now is value or (isinstance(now, _CONSTANTS) and bool(now == value))


def _entries(container: Any) -> Iterator[Any]:
    """What a list or dict holds, with the keys of a dict."""
    if isinstance(container, dict):
        for key, value in container.items():
            yield key
            yield value
    else:
        yield from container


def _has_entries(container: Any, entries: list[Any]) -> bool:
    if len(container) * (1 + isinstance(container, dict)) != len(entries):
        return False
    try:
        return all(now is old or _is_same(now, old) for now, old in zip(_entries(container), entries, strict=True))
    except (RuntimeError, ValueError):  # another thread is changing it
        return False


def _content(array: np.ndarray) -> Any:
    """What is compared of an array, small or not."""
    if array.dtype.hasobject:
        return None
    data = array.tobytes()
    return data if array.nbytes <= _SMALL_BYTES else hash(data)


def _is_content(array: np.ndarray, content: Any) -> bool:
    return content is None or _content(array) == content


class _Slots:
    """The attributes of an object that has no __dict__, as a mapping."""

    __slots__ = ("of",)

    def __init__(self, of: Any) -> None:
        self.of = of

    def __contains__(self, name: str) -> bool:
        return hasattr(self.of, name)

    def __getitem__(self, name: str) -> Any:
        return getattr(self.of, name)

    def get(self, name: str, default: Any) -> Any:
        return getattr(self.of, name, default)


def _walked(function: Callable[..., Any], arguments: list[Any]) -> _Walk:
    """A walk from a function. Attributes are looked at where any code that has been found mentions their names, so it
    is repeated until no more names turn up."""
    mentioned: frozenset[str] = frozenset()
    while True:
        walk = _Walk(mentioned)
        walk.value(function, 0)
        for x in arguments:
            walk.value(x, 1)
        if walk.found <= mentioned:
            return walk
        mentioned |= walk.found


class _Walk:
    """Looks for state, from a function down."""

    def __init__(self, mentioned: frozenset[str]) -> None:
        self.mentioned = mentioned
        self.found: set[str] = set()
        self.names: dict[Any, Any] = {}
        self.cells: dict[int, Any] = {}
        self.containers: dict[int, Any] = {}
        self.arrays: dict[int, np.ndarray] = {}
        self.generators: dict[int, Any] = {}
        self.seen: dict[int, Any] = {}

    def name(self, owner: Any, mapping: Any, name: str, depth: int) -> None:
        """A variable of a module, or an attribute of an object or class."""
        key = (id(owner), name)
        if key in self.names:
            return
        value = mapping[name]
        if not _is_library(value):
            self.names[key] = (mapping, name, value)
            self.value(value, depth)

    def value(self, x: Any, depth: int) -> None:
        """What a variable holds."""
        if isinstance(x, _CONSTANTS) or depth > _DEPTH:
            return
        if isinstance(x, np.ndarray):
            self.arrays[id(x)] = x
        elif isinstance(x, _generator_types()):
            self.generators[id(x)] = x
        elif isinstance(x, types.FunctionType):
            self.function(x, depth)
        elif isinstance(x, list | tuple | dict):
            self.container(x, depth)
        elif isinstance(x, types.ModuleType):
            if not _is_library(x):
                self.attributes(x, vars(x), depth)
        elif not isinstance(x, type | types.BuiltinFunctionType | np.ufunc) and self.once(x):
            self.object(x, depth)

    def once(self, x: Any) -> bool:
        if id(x) in self.seen or len(self.names) >= _MOST_NAMES:
            return False
        # It is held, so that its address is not taken by anything else meanwhile.
        self.seen[id(x)] = x
        return True

    def container(self, x: Any, depth: int) -> None:
        if len(x) > _MOST_ENTRIES or not self.once(x):
            return
        entries = list(_entries(x))
        # A tuple has the same entries always, but what is in them can change.
        if not isinstance(x, tuple):
            self.containers[id(x)] = (x, entries)
        for item in entries:
            self.value(item, depth + 1)

    def object(self, x: Any, depth: int) -> None:
        """A bound method, a partial function, a wrapper, or an object with attributes and methods of its own."""
        if isinstance(x, types.MethodType):
            parts = [x.__func__, x.__self__]
        elif isinstance(x, functools.partial):
            parts = [x.func, x.args, x.keywords]
        elif type(x).__module__.partition(".")[0] == "pyad":
            parts = list(getattr(x, "__dict__", {}).values())  # a function that pyad has wrapped
            parts = [part for part in parts if callable(part)]
        else:
            parts = [x.__wrapped__] if hasattr(x, "__wrapped__") else []
        for part in parts:
            self.value(part, depth + 1)
        if not parts and type(x).__module__.partition(".")[0] not in _LIBRARIES:
            self.attributes(x, getattr(x, "__dict__", None), depth)

    def attributes(self, of: Any, own: dict[str, Any] | None, depth: int) -> None:
        """The attributes that some code mentions, which lie in the object or in its class."""
        classes = [] if isinstance(of, types.ModuleType) else type(of).__mro__
        for name in (*self.mentioned, "__call__"):
            if own is not None and name in own:
                self.name(of, own, name, depth + 1)
                continue
            owner = next((c for c in classes if name in vars(c)), None)
            if owner in (None, object):
                continue
            if own is not None:
                self.names[id(of), name] = (own, name, _GONE)  # an attribute of its own would come first
            value = vars(owner)[name]
            if isinstance(value, types.MemberDescriptorType):
                if hasattr(of, name):
                    self.name(of, _Slots(of), name, depth + 1)
            elif isinstance(value, property):
                self.value(value.fget, depth + 1)
            elif isinstance(value, staticmethod | classmethod):
                self.value(value.__func__, depth + 1)
            else:
                self.name(owner, vars(owner), name, depth + 1)

    def function(self, x: types.FunctionType, depth: int) -> None:
        if not self.once(x):
            return
        variables, attributes = _names_in(x.__code__)
        self.found |= attributes
        for cell in x.__closure__ or ():
            held = _inside(cell)
            self.cells[id(cell)] = (cell, held)
            self.value(held, depth + 1)
        for default in (*(x.__defaults__ or ()), *(x.__kwdefaults__ or {}).values()):
            self.value(default, depth + 1)
        # Functions of libraries are followed to what was given to them only, as in `pyad.grad(f)`.
        if str(x.__globals__.get("__name__", "")).partition(".")[0] not in _LIBRARIES:
            for name in variables:
                if name in x.__globals__:
                    self.name(x.__globals__, x.__globals__, name, depth + 1)


def _is_library(x: Any) -> bool:
    return isinstance(x, types.ModuleType) and x.__name__.partition(".")[0] in _LIBRARIES


@functools.lru_cache(maxsize=4096)
def _names_in(code: types.CodeType) -> tuple[frozenset[str], frozenset[str]]:
    """The names of globals, and those of attributes, in a function's code and in that of the functions inside it."""
    variables: set[str] = set()
    attributes: set[str] = set()
    waiting = [code]
    while waiting:
        code = waiting.pop()
        # Of what is in co_names, attributes are most, and a global may have the same name as one.
        loaded = {x.argval for x in dis.get_instructions(code) if x.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
        variables |= loaded
        attributes.update(code.co_names)
        waiting += [x for x in code.co_consts if isinstance(x, types.CodeType)]
    return frozenset(variables), frozenset(attributes)


@functools.cache
def _generator_types() -> tuple[type, ...]:
    import random  # only now: whoever imports pyad need not wait for it, nor for NumPy's

    return (np.random.Generator, np.random.RandomState, random.Random)


def random_states(generators: list[Any]) -> list[Any]:
    """The states of generators, and of those that belong to NumPy and to Python."""
    import random

    return [random.getstate(), *map(_state_of, [np.random.mtrand._rand, *generators])]


def _state_of(generator: Any) -> Any:
    if isinstance(generator, np.random.Generator):
        return _comparable(generator.bit_generator.state)
    if isinstance(generator, np.random.RandomState):
        return _comparable(generator.get_state(legacy=False))
    return generator.getstate()


def _comparable(state: Any) -> Any:
    if isinstance(state, dict):
        return {name: _comparable(part) for name, part in state.items()}
    return state.tobytes() if isinstance(state, np.ndarray) else state
