"""Finding what a recording reads outside its arguments, while it runs.

Whenever a Python function runs for the first time, and before it has read anything, its code says which variables of
its module and which names of attributes it uses. Variables lead to objects, objects to the attributes that any code so
far has named, containers to everything in them. What can be changed by name is found before the code runs that changes
it, so what is noted is how everything was before.

What has its state where Python cannot look is noted too, to be warned of by name.
"""

from __future__ import annotations

import array as array_module
import collections
import contextvars
import dis
import functools
import gc
import operator
import sys
import types
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from pyad._compile.captured_state import GONE, CapturedState, attribute
from pyad._compile.draws import state_of
from pyad._trace.array import is_traced
from pyad._trace.traced_integer import TracedInteger

__all__ = ["Discovery", "contents", "generator_types", "is_python_class", "namespace_of", "package_of", "slots_of"]

# Arrays and containers from this size on are warned of: to compare them takes a noticeable part of a millisecond.
_LARGE_BYTES = 4 << 20
_LARGE_LENGTH = 100_000

# Their modules' variables and functions are taken to be always the same.
_LIBRARIES = {"pyad", "numpy", "scipy", "jax", "jaxlib", *sys.stdlib_module_names} - {"__main__"}
# Where libraries are installed: they read attributes by computed names all the time, and mostly their own.
_INSTALLED = ("site-packages", "dist-packages")
# Modules of Python that read attributes whose names are in no code, on behalf of their callers.
_READERS = {"copy", "copyreg", "dataclasses", "inspect", "operator", "pickle", "reprlib"}
# Names in a user's code by which it reads attributes, or variables, whose names are not in it.
_COMPUTED = {
    *("getattr", "hasattr", "vars", "dir", "attrgetter", "methodcaller", "getmembers", "AttributeError"),
    *("__dict__", "__getattribute__", "__getattr__", "__getstate__", "__reduce_ex__", "asdict", "astuple"),
}
_COMPUTED_VARIABLES = {"globals", "eval", "exec", "locals"}

_CONSTANT = (
    *(bool, int, float, complex, str, bytes, type(None), type(Ellipsis), type(NotImplemented)),
    *(range, slice, np.generic, np.dtype, np.ufunc, types.CodeType, types.GetSetDescriptorType),
    *(types.MemberDescriptorType, types.WrapperDescriptorType, types.MethodDescriptorType),
    *(types.ClassMethodDescriptorType, types.GenericAlias, types.UnionType),
    type(collections.namedtuple("Pair", "x").x),  # type: ignore[attr-defined]
)
# Objects of these modules never change, or nothing is computed from what they hold.
_HARMLESS = {
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
_MAPPINGS = (dict, types.MappingProxyType)
_CONTAINERS = (list, tuple, dict, set, frozenset, collections.deque, types.MappingProxyType)
# Types of C whose attributes are in a namespace that can be looked at, or that have nothing but their items.
_KNOWN_BASES = {
    *(object, list, tuple, dict, set, frozenset, collections.deque, collections.OrderedDict, collections.defaultdict),
    *(types.SimpleNamespace, types.ModuleType, type, int, float, complex, str, bytes, np.ndarray, property),
    *(BaseException, Exception, functools.partial),
}


class _Object:
    """Something with attributes: where they are, and what it is called."""

    __slots__ = ("classes", "label", "namespace", "of", "slots", "whole")

    def __init__(self, of: Any, namespace: dict[str, Any] | None, classes: list[type], label: str) -> None:
        self.of = of
        self.namespace = namespace
        self.classes = classes
        self.label = label
        self.slots: frozenset[str] = frozenset()  # of classes that are not looked at
        self.whole = False  # all of its namespace is watched


class Discovery:
    """What a recording reads. `code` is called for each Python function that runs, before it does."""

    def __init__(self, constants: Iterable[Any]) -> None:
        self.state = CapturedState()
        self.unwatched: dict[str, str] = {}  # what cannot be watched: what it is called, and what it is
        self.large: list[str] = []
        self.generators: list[tuple[Any, str, Any]] = []  # of random numbers, with their states
        self.iterators: list[tuple[Any, str]] = []
        self.objects: dict[int, _Object] = {}
        self.modules: dict[int, tuple[dict[str, Any], set[str]]] = {}  # variables, and which of them are used
        self._constants = {id(x) for x in constants}
        self._names = {"__call__"}
        self._computed = False
        self._globals: set[int] = set()
        self._codes: set[types.CodeType] = set()
        self._inner: set[types.CodeType] = set()  # functions that are made by those that ran
        self._functions: dict[types.CodeType, list[tuple[types.FunctionType, str]]] = {}
        self._seen: dict[int, Any] = {}
        self.watched: set[tuple[int, Any]] = set()
        self._waiting: list[tuple[Any, str]] = []

    # ---- where it begins ----

    def root(self, x: Any, path: str) -> None:
        """Something that is given from outside."""
        self._find(x, path)
        self._follow()

    def code(self, code: types.CodeType, variables: dict[str, Any]) -> None:
        """A function begins to run, of this code, in a module with these variables."""
        if code in self._codes:
            return
        self._codes.add(code)
        self._inner.update(x for x in code.co_consts if isinstance(x, types.CodeType))
        loaded, named = _names_in(code)
        module = str(variables.get("__name__", ""))
        package = module.partition(".")[0]
        if package not in _LIBRARIES and self._is_outside(variables):
            self._variables(variables, loaded)
        for function, path in self._functions.get(code, ()):
            self._enter(function, path)
        # Special methods run without being named.
        self._name(named | {code.co_name}, computes=_is_users(variables) or module in _READERS)
        self._follow()
        if code.co_freevars and code not in self._functions and code not in self._inner and package not in _LIBRARIES:
            self.unwatched.setdefault(f"the variables of {code.co_qualname}", "a function that C code holds")

    def _is_outside(self, variables: dict[str, Any]) -> bool:
        """Whether they are the variables of a module, or of a function from outside: code can be run with others."""
        module = sys.modules.get(variables.get("__name__", ""))
        return id(variables) in self._globals or (module is not None and vars(module) is variables)

    def _variables(self, variables: dict[str, Any], names: Iterable[str]) -> None:
        used = self.modules.setdefault(id(variables), (variables, set()))[1]
        used.update(names)
        if not _COMPUTED_VARIABLES.isdisjoint(names):
            names = [name for name in variables if not name.startswith("__")]
        for name in names:
            if name in variables:
                self._entry(variables, name, name)

    def _name(self, named: frozenset[str], computes: bool) -> None:
        """Some code names these attributes."""
        if computes and not self._computed and not _COMPUTED.isdisjoint(named):
            self._computed = True
            for x in list(self.objects.values()):
                self._whole(x)
        fresh = named - self._names
        if fresh:
            self._names |= fresh
            for x in list(self.objects.values()):
                self._attributes(x, fresh)

    # ---- what there is ----

    def _find(self, x: Any, path: str) -> None:
        """Something is reached by this name."""
        if issubclass(type(x), _CONSTANT) or id(x) in self._seen or id(x) in self._constants:
            return
        self._seen[id(x)] = x  # held, so that nothing else takes its address meanwhile
        self._waiting.append((x, path))

    def _follow(self) -> None:
        while self._waiting:
            x, path = self._waiting.pop()
            self._look(x, path)

    def _look(self, x: Any, path: str) -> None:
        kind = type(x)
        if issubclass(kind, np.ndarray):
            self._array(x, path)
        elif issubclass(kind, generator_types()):
            self.generators.append((x, path, state_of(x)))
        elif kind is types.FunctionType:
            self._function(x, path)
        elif issubclass(kind, _CONTAINERS):
            self._container(x, path)
        elif issubclass(kind, types.ModuleType):
            self._object(_Object(x, vars(x), [], x.__name__))
        elif issubclass(kind, type):
            self._class(x)
        elif is_traced(x) or kind is TracedInteger:
            pass
        elif package_of(kind.__module__) == "pyad" and not kind.__module__.startswith(("pyad.nn", "pyad.autograd")):
            self._wrapper(x, path)
        elif hasattr(kind, "__next__") and not is_python_class(kind):
            if package_of(kind.__module__) not in _HARMLESS:
                self.iterators.append((x, path))
        else:
            self._other(x, kind, path)

    def _other(self, x: Any, kind: type, path: str) -> None:
        """Functions of other kinds, descriptors, and objects."""
        if kind is type(_CACHED):
            # Its result may have been kept before: it is as if it ran now.
            self._find(x.__wrapped__, path)
            if type(x.__wrapped__) is types.FunctionType:
                self.code(x.__wrapped__.__code__, x.__wrapped__.__globals__)
            self._read(_misses_of, x, path)
            return
        if kind in _GETTERS:
            self._name(frozenset({"getattr"}), computes=True)
        for known, parts in _PARTS.items():
            if issubclass(kind, known):
                for part in parts(x):
                    self._find(part, path)
                if kind is known:
                    return
        if issubclass(kind, contextvars.ContextVar):
            self._read(_value_of_variable, x, path)
        elif issubclass(kind, bytearray | memoryview | array_module.array):
            self._read(_bytes_of, x, path)
        elif package_of(kind.__module__) in _HARMLESS:
            pass
        elif _is_open(kind):
            self._instance(x, kind)
        elif not _is_library_function(x, kind):
            self.unwatched.setdefault(path, kind.__qualname__)

    def _array(self, x: np.ndarray, path: str) -> None:
        plain = np.ndarray.view(x, np.ndarray)
        if plain.nbytes >= _LARGE_BYTES:
            self.large.append(path)
        if plain.dtype.hasobject:
            self._read(_objects_of, x, path)
        else:
            self.state.add_array(x, path)
        if type(x) is not np.ndarray:
            self._instance(x, type(x))

    def _container(self, x: Any, path: str) -> None:
        if len(x) >= _LARGE_LENGTH:
            self.large.append(path)
        kind = type(x)
        if kind is list:
            self.state.lists.append((x, tuple(x), path))
        elif kind is dict:
            self.state.dicts.append((x, tuple(x), tuple(x.values()), path))
        elif kind is not tuple:
            self.state.others.append((contents, x, contents(x), path))
        if issubclass(kind, _MAPPINGS):
            for key in list(x):
                self._find(key, f"a key of {path}")
                self._find(_item(x, key), f"{path}[{_shown(key)}]")
        else:
            for k, item in enumerate(list(x)):
                if not issubclass(type(item), _CONSTANT):
                    self._find(item, f"{path}[{k}]")
        if kind not in _KNOWN_BASES and kind is not types.MappingProxyType:
            self._instance(x, kind)

    def _read(self, read: Callable[[Any], tuple[Any, ...]], x: Any, path: str) -> None:
        now = read(x)
        self.state.others.append((read, x, now, path))
        for item in now:
            self._find(item, path)

    def _wrapper(self, x: Any, path: str) -> None:
        """An object of pyad's own, which has functions of the user in it."""
        for part in (namespace_of(x) or {}).values():
            if callable(part):
                self._find(part, path)

    # ---- functions ----

    def _function(self, x: types.FunctionType, path: str) -> None:
        self._functions.setdefault(x.__code__, []).append((x, path))
        self._globals.add(id(x.__globals__))
        if x.__code__ in self._codes or package_of(x.__globals__.get("__name__", "")) in _LIBRARIES:
            self._enter(x, path)
        if x.__dict__ or package_of(x.__globals__.get("__name__", "")) not in _LIBRARIES:
            self._object(_Object(x, x.__dict__, [], path))

    def _enter(self, x: types.FunctionType, path: str) -> None:
        """A function that runs: what belongs to it."""
        if not self._is_new(x, "__closure__"):
            return
        for name, cell in zip(x.__code__.co_freevars, x.__closure__ or (), strict=True):
            self._attribute(cell, "cell_contents", name)
        if package_of(x.__globals__.get("__name__", "")) in _LIBRARIES:
            for default in (*(x.__defaults__ or ()), *(x.__kwdefaults__ or {}).values()):
                self._find(default, f"a default of {x.__qualname__}")
            return
        for name in ("__code__", "__defaults__", "__kwdefaults__"):
            if attribute(x, name) is not None:
                self._attribute(x, name, f"a default of {x.__qualname__}" if "defaults" in name else path)

    # ---- objects ----

    def _class(self, x: type) -> None:
        classes = [c for c in (*x.__mro__, *type(x).__mro__) if _has_state(c)]
        if classes:
            self._object(_Object(x, None, classes, x.__name__))

    def _instance(self, x: Any, kind: type) -> None:
        namespace = namespace_of(x)
        made = _Object(x, namespace, [c for c in kind.__mro__ if _has_state(c)], kind.__name__)
        made.slots = frozenset(name for c in kind.__mro__ if is_python_class(c) for name in slots_of(c))
        if namespace is not None:
            self._attribute(x, "__dict__", f"{kind.__name__}.__dict__")
        self._object(made)
        if package_of(kind.__module__) in ("numpy", "scipy"):
            self._whole(made)  # what C code reads of it has no name

    def _object(self, x: _Object) -> None:
        self.objects[id(x.of)] = x
        for c in x.classes:
            for value in list(vars(c).values()):
                if type(value) is types.FunctionType:  # which may run without being named, and is known then
                    self._find(value, f"{c.__name__}.{value.__name__}")
        self._attributes(x, self._names)
        if self._computed:
            self._whole(x)

    def _attributes(self, x: _Object, names: set[str] | frozenset[str]) -> None:
        """The attributes of these names."""
        if x.namespace is not None:
            for name in names.intersection(x.namespace):
                if isinstance(x.of, types.ModuleType) and _stays(x.of, x.namespace[name]):
                    continue
                self._entry(x.namespace, name, f"{x.label}.{name}")
        for name in x.slots & names:
            self._attribute(x.of, name, f"{x.label}.{name}")
        for place, c in enumerate(x.classes):
            for name in names.intersection(vars(c)):
                self._of_class(x, place, name)

    def _of_class(self, x: _Object, place: int, name: str) -> None:
        """An attribute that is found in a class, where nothing that comes before has it."""
        c = x.classes[place]
        value = vars(c)[name]
        label = f"{c.__name__}.{name}"
        if isinstance(value, types.MemberDescriptorType):
            return
        for earlier in x.classes[:place]:
            if name not in vars(earlier):
                self._entry(_variables_of(earlier), name, label)
        if x.namespace is not None and name not in x.namespace and not hasattr(type(value), "__set__"):
            self._entry(x.namespace, name, f"{x.label}.{name}")
        self._entry(_variables_of(c), name, label)

    def _whole(self, x: _Object) -> None:
        """All attributes of an object."""
        if x.whole or (isinstance(x.of, types.ModuleType) and not _is_users(vars(x.of))):
            return
        x.whole = True
        names = {name for c in x.classes for name in vars(c) if not name.startswith("__")} | x.slots
        if x.namespace is not None and isinstance(x.of, types.ModuleType):
            names.update(name for name in x.namespace if not name.startswith("__"))
        elif x.namespace is not None:
            self._seen[id(x.namespace)] = x.namespace
            values = tuple(x.namespace.values())
            self.state.dicts.append((x.namespace, tuple(x.namespace), values, f"{x.label}.__dict__"))
            for name, value in list(x.namespace.items()):
                self._find(value, f"{x.label}.{name}")
        self._attributes(x, frozenset(names))

    # ---- entries ----

    def _entry(self, mapping: dict[str, Any], name: str, path: str) -> None:
        """A variable of a module, or an attribute in a namespace, which may not be there."""
        value = mapping.get(name, GONE)
        if isinstance(value, types.ModuleType) and package_of(value.__name__) in _LIBRARIES:
            # What is in them stays the same, but for objects of Python's own modules, such as os.environ.
            if package_of(value.__name__) in sys.stdlib_module_names and self._is_new(mapping, name):
                self._find(value, value.__name__)
            return
        if self._is_new(mapping, name):
            self.state.names.append((mapping, name, value, path))
            if value is not GONE:
                self._find(value, path)

    def _attribute(self, of: Any, name: str, path: str) -> None:
        if self._is_new(of, name):
            value = attribute(of, name)
            self.state.attributes.append((of, name, value, path))
            if value is not GONE and name != "__dict__":
                self._find(value, path)

    def _is_new(self, owner: Any, name: str) -> bool:
        key = (id(owner), name)
        if key in self.watched:
            return False
        self.watched.add(key)
        return True


# ---- kinds of objects ----


_CACHED = functools.lru_cache(lambda: 0)
# They read attributes of any name.
_GETTERS = (operator.attrgetter, operator.methodcaller)
# What other objects consist of. A subclass may have attributes besides.
_PARTS: dict[type, Callable[[Any], tuple[Any, ...]]] = {
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


def package_of(module: Any) -> str:
    """The package of a module, by name."""
    return str(module).partition(".")[0]


def _is_users(variables: dict[str, Any]) -> bool:
    """Whether a module is the user's own, and no library that has been installed."""
    file = str(variables.get("__file__", ""))
    return package_of(variables.get("__name__", "")) not in _LIBRARIES and not any(x in file for x in _INSTALLED)


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


def _has_state(c: type) -> bool:
    """Whether attributes of a class are looked at: those of the user's classes."""
    return is_python_class(c) and package_of(c.__module__) not in _LIBRARIES


def _is_open(kind: type) -> bool:
    """Whether all state of an object is where Python can look at it."""
    return all(c in _KNOWN_BASES or is_python_class(c) for c in kind.__mro__)


def _variables_of(c: type) -> dict[str, Any]:
    """The dict behind the read-only view that a class gives of its attributes."""
    return gc.get_referents(c.__dict__)[0]


def slots_of(c: type) -> list[str]:
    """The names of the attributes that a class keeps outside of a namespace."""
    return [name for name, x in vars(c).items() if isinstance(x, types.MemberDescriptorType)]


def _stays(module: types.ModuleType, value: Any) -> bool:
    """Whether a variable of a module is taken to be always the same: functions and constants of Python's own."""
    if package_of(module.__name__) not in _LIBRARIES:
        return False
    return callable(value) or isinstance(value, (*_CONSTANT, types.ModuleType, frozenset))


def _is_library_function(x: Any, kind: type) -> bool:
    """Whether it is one of the kinds of functions that NumPy and SciPy have."""
    return "function" in kind.__name__.lower() and package_of(getattr(x, "__module__", None)) in _LIBRARIES


def contents(x: Any) -> tuple[Any, ...]:
    """All that a container holds, in its order."""
    if issubclass(type(x), _MAPPINGS):
        return (*x.keys(), *x.values())
    return tuple(x)


def _item(mapping: Any, key: Any) -> Any:
    # A defaultdict would make one, and a subclass may do anything.
    return dict.get(mapping, key) if isinstance(mapping, dict) else mapping.get(key)


def _shown(key: Any) -> str:
    return repr(key) if isinstance(key, str | int | float) else f"a {type(key).__name__}"


def _objects_of(x: np.ndarray) -> tuple[Any, ...]:
    plain = np.ndarray.view(x, np.ndarray)
    return (plain.shape, str(plain.dtype), *plain.ravel().tolist())


def _bytes_of(x: Any) -> tuple[Any, ...]:
    return (bytes(x), memoryview(x).format, memoryview(x).shape)


def _value_of_variable(x: contextvars.ContextVar[Any]) -> tuple[Any, ...]:
    return (x.get(GONE),)


def _misses_of(x: Any) -> tuple[Any, ...]:
    return (x.cache_info().misses,)


@functools.lru_cache(maxsize=4096)
def _names_in(code: types.CodeType) -> tuple[frozenset[str], frozenset[str]]:
    """The names of variables of the module that code uses, and all names in it."""
    variables = {x.argval for x in dis.get_instructions(code) if x.opname.endswith(("_GLOBAL", "_NAME"))}
    return frozenset(variables), frozenset(code.co_names)
