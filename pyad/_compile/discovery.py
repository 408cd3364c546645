"""Finding what a recording reads outside its arguments, while it runs.

Whenever a Python function runs for the first time, and before it has read anything, its code says which variables of
its module and which names of attributes it uses. Variables lead to objects, objects to the attributes that any code so
far has named, containers to everything in them. What can be changed by name is found before the code runs that changes
it, so what is noted is how everything was before.

What has its state where Python cannot look is noted too, to be warned of by name.
"""

from __future__ import annotations

import array as array_module
import contextvars
import inspect
import sys
import types
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from pyad._compile.captured_state import GONE, CapturedState, attribute
from pyad._compile.draws import state_of
from pyad._compile.kinds import (
    CACHED,
    COMPUTED,
    COMPUTED_VARIABLES,
    CONTAINERS,
    GETTERS,
    HARMLESS,
    KNOWN_BASES,
    LIBRARIES,
    MAPPINGS,
    PARTS,
    READERS,
    bytes_of,
    contents,
    generator_types,
    has_state,
    is_constant,
    is_library_function,
    is_open,
    is_python_class,
    is_users,
    item_of,
    misses_of,
    names_in,
    namespace_of,
    objects_of,
    package_of,
    shown,
    slots_of,
    stays,
    value_of_variable,
    variables_of,
)
from pyad._trace.array import is_traced
from pyad._trace.traced_integer import TracedInteger

__all__ = ["Discovery"]

# Arrays and containers from this size on are warned of: to compare them takes a noticeable part of a millisecond.
_LARGE_BYTES = 4 << 20
_LARGE_LENGTH = 100_000


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
        loaded, named = names_in(code)
        module = str(variables.get("__name__", ""))
        package = module.partition(".")[0]
        if package not in LIBRARIES and self._is_outside(variables):
            self._variables(variables, loaded)
        for function, path in self._functions.get(code, ()):
            self._enter(function, path)
        # Special methods run without being named.
        self._name(named | {code.co_name}, computes=is_users(variables) or module in READERS)
        self._follow()
        # A generator may be one that is only closed now, since nobody has it any more.
        if code.co_flags & inspect.CO_GENERATOR or package in LIBRARIES:
            return
        if code.co_freevars and code not in self._functions and code not in self._inner:
            self.unwatched.setdefault(f"the variables of {code.co_qualname}", "a function that C code holds")

    def _is_outside(self, variables: dict[str, Any]) -> bool:
        """Whether they are the variables of a module, or of a function from outside: code can be run with others."""
        module = sys.modules.get(variables.get("__name__", ""))
        return id(variables) in self._globals or (module is not None and vars(module) is variables)

    def _variables(self, variables: dict[str, Any], names: Iterable[str]) -> None:
        used = self.modules.setdefault(id(variables), (variables, set()))[1]
        used.update(names)
        if not COMPUTED_VARIABLES.isdisjoint(names):
            names = [name for name in variables if not name.startswith("__")]
        for name in names:
            if name in variables:
                self._entry(variables, name, name)

    def _name(self, named: frozenset[str], computes: bool) -> None:
        """Some code names these attributes."""
        if computes and not self._computed and not COMPUTED.isdisjoint(named):
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
        if is_constant(x) or id(x) in self._seen or id(x) in self._constants:
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
        elif issubclass(kind, CONTAINERS):
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
            if package_of(kind.__module__) not in HARMLESS:
                self.iterators.append((x, path))
        else:
            self._other(x, kind, path)

    def _other(self, x: Any, kind: type, path: str) -> None:
        """Functions of other kinds, descriptors, and objects."""
        if kind is type(CACHED):
            # Its result may have been kept before: it is as if it ran now.
            self._find(x.__wrapped__, path)
            if type(x.__wrapped__) is types.FunctionType:
                self.code(x.__wrapped__.__code__, x.__wrapped__.__globals__)
            self._read(misses_of, x, path)
            return
        if kind in GETTERS:
            self._name(frozenset({"getattr"}), computes=True)
        for known, parts in PARTS.items():
            if issubclass(kind, known):
                for part in parts(x):
                    self._find(part, path)
                if kind is known:
                    return
        if issubclass(kind, contextvars.ContextVar):
            self._read(value_of_variable, x, path)
        elif issubclass(kind, bytearray | memoryview | array_module.array):
            self._read(bytes_of, x, path)
        elif package_of(kind.__module__) in HARMLESS:
            pass
        elif is_open(kind):
            self._instance(x, kind)
        elif not is_library_function(x, kind):
            self.unwatched.setdefault(path, kind.__qualname__)

    def _array(self, x: np.ndarray, path: str) -> None:
        plain = np.ndarray.view(x, np.ndarray)
        if plain.nbytes >= _LARGE_BYTES:
            self.large.append(path)
        if plain.dtype.hasobject:
            self._read(objects_of, x, path)
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
        if issubclass(kind, MAPPINGS):
            for key in list(x):
                self._find(key, f"a key of {path}")
                self._find(item_of(x, key), f"{path}[{shown(key)}]")
        else:
            for k, item in enumerate(list(x)):
                if not is_constant(item):
                    self._find(item, f"{path}[{k}]")
        if kind not in KNOWN_BASES and kind is not types.MappingProxyType:
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
        if x.__code__ in self._codes or package_of(x.__globals__.get("__name__", "")) in LIBRARIES:
            self._enter(x, path)
        if x.__dict__ or package_of(x.__globals__.get("__name__", "")) not in LIBRARIES:
            self._object(_Object(x, x.__dict__, [], path))

    def _enter(self, x: types.FunctionType, path: str) -> None:
        """A function that runs: what belongs to it."""
        if not self._is_new(x, "__closure__"):
            return
        for name, cell in zip(x.__code__.co_freevars, x.__closure__ or (), strict=True):
            self._attribute(cell, "cell_contents", name)
        if package_of(x.__globals__.get("__name__", "")) in LIBRARIES:
            for default in (*(x.__defaults__ or ()), *(x.__kwdefaults__ or {}).values()):
                self._find(default, f"a default of {x.__qualname__}")
            return
        for name in ("__code__", "__defaults__", "__kwdefaults__"):
            if attribute(x, name) is not None:
                self._attribute(x, name, f"a default of {x.__qualname__}" if "defaults" in name else path)

    # ---- objects ----

    def _class(self, x: type) -> None:
        kind: type = type(x)
        classes = [c for c in (*x.__mro__, *kind.__mro__) if has_state(c)]
        if classes:
            self._object(_Object(x, None, classes, x.__name__))

    def _instance(self, x: Any, kind: type) -> None:
        namespace = namespace_of(x)
        made = _Object(x, namespace, [c for c in kind.__mro__ if has_state(c)], kind.__name__)
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
                if isinstance(x.of, types.ModuleType) and stays(x.of, x.namespace[name]):
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
                self._entry(variables_of(earlier), name, label)
        if x.namespace is not None and name not in x.namespace and not hasattr(type(value), "__set__"):
            self._entry(x.namespace, name, f"{x.label}.{name}")
        self._entry(variables_of(c), name, label)

    def _whole(self, x: _Object) -> None:
        """All attributes of an object."""
        if x.whole or (isinstance(x.of, types.ModuleType) and not is_users(vars(x.of))):
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
        if isinstance(value, types.ModuleType) and package_of(value.__name__) in LIBRARIES:
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
