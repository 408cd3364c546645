"""Kinds of objects that a recording may find: what they consist of, where their state is, and what never changes."""

from __future__ import annotations

import collections
import contextvars
import dis
import functools
import gc
import operator
import sys
import types
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from pyad._compile.captured_state import GONE, attribute

__all__ = [
    "CACHED",
    "COMPUTED",
    "COMPUTED_VARIABLES",
    "CONSTANT",
    "CONTAINERS",
    "GETTERS",
    "HARMLESS",
    "KNOWN_BASES",
    "LIBRARIES",
    "MAPPINGS",
    "PARTS",
    "READERS",
    "bytes_of",
    "contents",
    "generator_types",
    "has_state",
    "is_constant",
    "is_library_function",
    "is_open",
    "is_python_class",
    "is_users",
    "item_of",
    "misses_of",
    "names_in",
    "namespace_of",
    "objects_of",
    "package_of",
    "shown",
    "slots_of",
    "stays",
    "value_of_variable",
    "variables_of",
]

# Their modules' variables and functions are taken to be always the same.
LIBRARIES = {"pyad", "numpy", "scipy", "jax", "jaxlib", *sys.stdlib_module_names} - {"__main__"}
# Where libraries are installed: they read attributes by computed names all the time, and mostly their own.
_INSTALLED = ("site-packages", "dist-packages")
# Modules of Python that read attributes whose names are in no code, on behalf of their callers.
READERS = {"copy", "copyreg", "dataclasses", "inspect", "operator", "pickle", "reprlib"}
# Names in a user's code by which it reads attributes, or variables, whose names are not in it.
COMPUTED = {
    *("getattr", "hasattr", "vars", "dir", "attrgetter", "methodcaller", "getmembers", "AttributeError"),
    *("__dict__", "__getattribute__", "__getattr__", "__getstate__", "__reduce_ex__", "asdict", "astuple"),
}
COMPUTED_VARIABLES = {"globals", "eval", "exec", "locals"}

CONSTANT = (
    *(bool, int, float, complex, str, bytes, type(None), type(Ellipsis), type(NotImplemented)),
    *(range, slice, np.generic, np.dtype, np.ufunc, types.CodeType, types.GetSetDescriptorType),
    *(types.MemberDescriptorType, types.WrapperDescriptorType, types.MethodDescriptorType),
    *(types.ClassMethodDescriptorType, types.GenericAlias, types.UnionType),
    type(collections.namedtuple("Pair", "x").x),  # type: ignore[attr-defined]
)
# Objects of these modules never change, or nothing is computed from what they hold.
HARMLESS = {
    *("logging", "_io", "io", "threading", "_thread", "re", "warnings", "pathlib", "datetime", "decimal", "_decimal"),
    *(
        "fractions",
        "zoneinfo",
        "uuid",
        "typing",
        "abc",
        "_abc",
        "ipaddress",
        "concurrent",
        "unittest",
        "_pytest",
        "pytest",
        "pluggy",
    ),
}
MAPPINGS = (dict, types.MappingProxyType)
CONTAINERS = (list, tuple, dict, set, frozenset, collections.deque, types.MappingProxyType)
# Types of C whose attributes are in a namespace that can be looked at, or that have nothing but their items.
KNOWN_BASES = {
    *(object, list, tuple, dict, set, frozenset, collections.deque, collections.OrderedDict, collections.defaultdict),
    *(types.SimpleNamespace, types.ModuleType, type, int, float, complex, str, bytes, np.ndarray, property),
    *(BaseException, Exception, functools.partial),
}


CACHED = functools.lru_cache(lambda: 0)
# They read attributes of any name.
GETTERS = (operator.attrgetter, operator.methodcaller)
# What other objects consist of. A subclass may have attributes besides.
PARTS: dict[type, Callable[[Any], tuple[Any, ...]]] = {
    types.MethodType: lambda x: (x.__func__, x.__self__),
    types.BuiltinFunctionType: lambda x: (x.__self__,),
    types.MethodWrapperType: lambda x: (x.__self__,),
    functools.partial: lambda x: (x.func, x.args, x.keywords),
    property: lambda x: (x.fget, x.fset),
    staticmethod: lambda x: (x.__func__,),
    classmethod: lambda x: (x.__func__,),
    operator.attrgetter: lambda x: x.__reduce__()[1],
    operator.methodcaller: lambda x: x.__reduce__()[1],
    operator.itemgetter: lambda x: x.__reduce__()[1],
    weakref.ref: lambda x: (x(),),
    types.CellType: lambda x: (attribute(x, "cell_contents"),),
}


def is_constant(x: Any) -> bool:
    """Whether nothing in an object ever changes."""
    kind = type(x)
    return kind in CONSTANT or (issubclass(kind, CONSTANT) and namespace_of(x) is None)


def package_of(module: Any) -> str:
    """The package of a module, by name."""
    return str(module).partition(".")[0]


def is_users(variables: dict[str, Any]) -> bool:
    """Whether a module is the user's own, and no library that has been installed."""
    file = str(variables.get("__file__", ""))
    return package_of(variables.get("__name__", "")) not in LIBRARIES and not any(x in file for x in _INSTALLED)


def namespace_of(x: Any) -> dict[str, Any] | None:
    """The attributes of an object, where it has any of its own."""
    try:
        found = object.__getattribute__(x, "__dict__")
    except AttributeError:
        return None
    return found if isinstance(found, dict) else None


@functools.cache
def generator_types() -> tuple[type, ...]:
    import random  # only now: whoever imports pyad need not wait for it, nor for NumPy's

    return (np.random.Generator, np.random.RandomState, np.random.BitGenerator, random.Random)


_CLASSES: weakref.WeakKeyDictionary[type, bool] = weakref.WeakKeyDictionary()


def is_python_class(kind: type) -> bool:
    """Whether a class is one that a class statement has made: it adds nothing to its base but attributes."""
    found = _CLASSES.get(kind)
    if found is None:
        own = vars(kind)
        slots = sum(isinstance(x, types.MemberDescriptorType) for x in own.values())
        slots += ("__dict__" in own) + ("__weakref__" in own)
        base = kind.__base__
        added = kind.__basicsize__ - (base.__basicsize__ if base is not None else 0)
        heap, immutable = kind.__flags__ & (1 << 9), kind.__flags__ & (1 << 8)
        found = _CLASSES[kind] = bool(heap and not immutable and added <= slots * np.dtype(np.intp).itemsize)
    return found


def has_state(c: type) -> bool:
    """Whether attributes of a class are looked at: those of the user's classes."""
    return is_python_class(c) and package_of(c.__module__) not in LIBRARIES


def is_open(kind: type) -> bool:
    """Whether all state of an object is where Python can look at it."""
    return all(c in KNOWN_BASES or is_python_class(c) for c in kind.__mro__)


def variables_of(c: type) -> dict[str, Any]:
    """The dict behind the read-only view that a class gives of its attributes."""
    return gc.get_referents(c.__dict__)[0]


def slots_of(c: type) -> list[str]:
    """The names of the attributes that a class keeps outside of a namespace."""
    return [name for name, x in vars(c).items() if isinstance(x, types.MemberDescriptorType)]


def stays(module: types.ModuleType, value: Any) -> bool:
    """Whether a variable of a module is taken to be always the same: functions and constants of Python's own."""
    if package_of(module.__name__) not in LIBRARIES:
        return False
    return callable(value) or isinstance(value, (*CONSTANT, types.ModuleType, frozenset))


def is_library_function(x: Any, kind: type) -> bool:
    """Whether it is one of the kinds of functions that NumPy and SciPy have."""
    return "function" in kind.__name__.lower() and package_of(getattr(x, "__module__", None)) in LIBRARIES


def contents(x: Any) -> tuple[Any, ...]:
    """All that a container holds, in its order."""
    if issubclass(type(x), MAPPINGS):
        return (*x.keys(), *x.values())
    return tuple(x)


def item_of(mapping: Any, key: Any) -> Any:
    # A defaultdict would make one, and a subclass may do anything.
    return dict.get(mapping, key) if isinstance(mapping, dict) else mapping.get(key)


def shown(key: Any) -> str:
    return repr(key) if isinstance(key, str | int | float) else f"a {type(key).__name__}"


def objects_of(x: np.ndarray) -> tuple[Any, ...]:
    plain = np.ndarray.view(x, np.ndarray)
    return (plain.shape, str(plain.dtype), *plain.ravel().tolist())


def bytes_of(x: Any) -> tuple[Any, ...]:
    return (bytes(x), memoryview(x).format, memoryview(x).shape)


def value_of_variable(x: contextvars.ContextVar[Any]) -> tuple[Any, ...]:
    return (x.get(GONE),)


def misses_of(x: Any) -> tuple[Any, ...]:
    return (x.cache_info().misses,)


@functools.lru_cache(maxsize=4096)
def names_in(code: types.CodeType) -> tuple[frozenset[str], frozenset[str]]:
    """The names of variables of the module that code uses, and all names in it."""
    variables = {x.argval for x in dis.get_instructions(code) if x.opname.endswith(("_GLOBAL", "_NAME"))}
    return frozenset(variables), frozenset(code.co_names)
