"""Watching a function while it is recorded: which Python functions run, and which functions of C that give other things
at every call. What may not be recorded is refused by name, and so is what stays behind."""

from __future__ import annotations

import gc
import itertools
import sys
import types
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from pyad._compile.captured_state import GONE, attribute
from pyad._compile.discovery import Discovery
from pyad._compile.kinds import contents, is_python_class, namespace_of, package_of, slots_of
from pyad._trace.array import is_traced
from pyad._trace.traced_integer import TracedInteger
from pyad.errors import LeakError

__all__ = ["Observer", "is_core", "left_words", "traced_inside"]

# Modules whose functions read clocks and files for purposes of their own.
_OWN_PURPOSES = {"logging", "importlib", "warnings", "linecache", "traceback", "threading", "tokenize", "_pytest"}
# Functions that run again whenever the program does.
_RUN_AGAIN = {("pyad._trace.numpy_op", "call"), ("pyad._trace.recorded_call", "run")}

# Functions of C by module (or type) and name.
_CLOCKS = {
    *(("time", x) for x in ("time", "time_ns", "perf_counter", "perf_counter_ns", "monotonic", "monotonic_ns")),
    *(("time", x) for x in ("process_time", "process_time_ns", "thread_time", "thread_time_ns", "clock_gettime")),
    *(("time", x) for x in ("clock_gettime_ns", "localtime", "gmtime", "ctime", "strftime", "asctime")),
    *(("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"), ("posix", "times")),
}
_DRAWS = {
    *(("Random", "random"), ("Random", "getrandbits"), ("posix", "urandom"), ("posix", "getrandom"), ("nt", "urandom")),
    *(("_uuid", "generate_time_safe"), ("SystemRandom", "random"), ("SystemRandom", "getrandbits")),
}
_FILES = {
    *(("_io", "open"), ("io", "open"), ("builtins", "input"), ("posix", "open"), ("posix", "stat"), ("posix", "read")),
    *(("posix", "listdir"), ("posix", "scandir"), ("TextIOWrapper", "read"), ("TextIOWrapper", "readline")),
    *(("TextIOWrapper", "readlines"), ("BufferedReader", "read"), ("StringIO", "read"), ("BytesIO", "read")),
    ("socket", "recv"),
}
_THREADS = {"start_new_thread", "start_joinable_thread"}
_SUSPECT = {name for _, name in _CLOCKS | _DRAWS | _FILES} | _THREADS


class Observer:
    """What a function does while it is recorded. To be entered around the call of the function."""

    def __init__(self, discovery: Discovery) -> None:
        self.discovery = discovery
        self.refused: str | None = None
        self._seen: set[types.CodeType] = set()
        self._before: Any = None

    def __enter__(self) -> Observer:
        self._before = sys.getprofile()
        sys.setprofile(self._hook())
        return self

    def __exit__(self, *_: object) -> None:
        before, self._before = self._before, None
        enable = getattr(before, "enable", None)  # that of cProfile is no function
        sys.setprofile(None if enable is not None else before)
        if enable is not None:
            enable()

    def _hook(self) -> Callable[[types.FrameType, str, Any], None]:
        """The profile function. It is called some ten times for each operation, and mostly has nothing to do."""
        seen, suspect = self._seen, _SUSPECT

        def hook(frame: types.FrameType, event: str, what: Any) -> None:
            if event == "call":
                if frame.f_code not in seen:
                    self._runs(frame)
            elif event == "c_call" and what.__name__ in suspect:
                self._called(frame, what)

        return hook

    def _runs(self, frame: types.FrameType) -> None:
        """A Python function runs for the first time."""
        if is_core(frame.f_globals.get("__name__")):
            self._seen.add(frame.f_code)
        elif not _is_excused(frame):
            self._seen.add(frame.f_code)
            self.discovery.code(frame.f_code, frame.f_globals)

    def _called(self, frame: types.FrameType, what: Any) -> None:
        owner = getattr(what, "__self__", None)
        if isinstance(owner, types.ModuleType):
            places = [owner.__name__]
        else:
            kind = owner if isinstance(owner, type) else type(owner)
            places = [c.__name__ for c in kind.__mro__]
        name = what.__name__
        for problems, words in (
            (_CLOCKS, "the function read a clock ({})"),
            (_DRAWS, "the function drew random numbers ({})"),
        ):
            if any((place, name) in problems for place in places) and not _is_excused(frame):
                self.refused = self.refused or words.format(f"{places[0]}.{name}")
        if name in _THREADS or (any((place, name) in _FILES for place in places) and not _is_excused(frame)):
            # What it gives is a constant of the program.
            self.discovery.unwatched.setdefault(f"what {places[0]}.{name} gives", "files, threads or connections")

    # ---- what stays behind ----

    def left_behind(self) -> str | None:
        """Where the function has left a traced value, if it has, as one would write it. What can be put back is."""
        return self._left_in_names() or self._left_in_attributes() or self._left_in_containers()

    def _left_in_names(self) -> str | None:
        found = None
        for mapping, key, value, path in self.discovery.state.names:
            if _is_left(mapping.get(key, GONE), value):
                found = found or path
                _put_back(mapping, key, value)
        for variables, used in self.discovery.modules.values():
            for name in used:
                if (id(variables), name) not in self.discovery.watched and _is_left(variables.get(name, GONE)):
                    found = found or name
                    del variables[name]
        return found

    def _left_in_attributes(self) -> str | None:
        found = None
        for of, name, value, path in self.discovery.state.attributes:
            now = attribute(of, name)
            if name != "__dict__" and _is_left(now, value):
                found = found or path
                if value is not GONE:
                    setattr(of, name, value)
        for x in self.discovery.objects.values():
            if isinstance(x.of, types.ModuleType) or x.namespace is None:
                continue
            for name, value in list(x.namespace.items()):
                if (id(x.namespace), name) not in self.discovery.watched and _is_left(value):
                    found = found or f"{x.label}.{name}"
                    del x.namespace[name]
        for c in {c for x in self.discovery.objects.values() for c in x.classes}:
            for name, value in list(vars(c).items()):
                if _is_left(value) and not isinstance(value, types.FunctionType):
                    found = found or f"{c.__name__}.{name}"
                    delattr(c, name)
        return found

    def _left_in_containers(self) -> str | None:
        found = None
        state = self.discovery.state
        for items, before, path in state.lists:
            if any(_is_left(now, old) for now, old in itertools.zip_longest(items, before, fillvalue=GONE)):
                found = found or path
                items[:] = before
        for mapping, keys, values, path in state.dicts:
            old = dict(zip(keys, values, strict=True))
            for key, value in list(mapping.items()):
                if _is_left(value, old.get(key, GONE)):
                    found = found or (path.removesuffix(".__dict__") + _written(path, key))
                    _put_back(mapping, key, old.get(key, GONE))
        for read, of, before, path in state.others:
            were = {id(x) for x in before}
            if any(id(x) not in were and _is_left(x) for x in read(of)):
                found = found or path
        return found


def _is_left(now: Any, before: Any = GONE) -> bool:
    """Whether something has become a traced value, or has one in it."""
    return now is not before and traced_inside(now) is not None


def _written(path: str, key: Any) -> str:
    return f".{key}" if path.endswith(".__dict__") else f"[{key!r}]"


def _put_back(mapping: dict[Any, Any], key: Any, value: Any) -> None:
    if value is GONE:
        del mapping[key]
    else:
        mapping[key] = value


def is_core(module: Any) -> bool:
    """Whether it is pyad itself that runs, and none of its parts that are programs as a user's are."""
    name = str(module)
    return package_of(name) == "pyad" and not name.startswith(("pyad.nn", "pyad.scipy", "pyad.autograd"))


def _is_excused(frame: types.FrameType | None) -> bool:
    """Whether a function was called for purposes of a library, by what runs again whenever the program does, or by what
    the collector of garbage calls, which may be at any moment."""
    collecting = {getattr(callback, "__code__", None) for callback in gc.callbacks}
    while frame is not None:
        if frame.f_code in collecting:
            return True
        module = str(frame.f_globals.get("__name__", ""))
        if package_of(module).lstrip("_") in _OWN_PURPOSES or (module, frame.f_code.co_name) in _RUN_AGAIN:
            return True
        if package_of(module) == "pyad" and frame.f_code.co_name == "_run":
            return False
        frame = frame.f_back
    return False


# How many objects are looked at for traced values that a function leaves behind.
_MOST = 100_000


def traced_inside(x: Any) -> str | None:
    """Where in an object a traced value is, as one would write it; None where there is none."""
    waiting = [(x, "")]
    seen: dict[int, Any] = {}
    while waiting and len(seen) < _MOST:
        item, path = waiting.pop()
        kind = type(item)
        if is_traced(item) or kind is TracedInteger:
            return path
        if id(item) in seen or issubclass(kind, type | types.ModuleType | np.ndarray | str | bytes | float | int):
            continue
        seen[id(item)] = item
        waiting.extend(_inside(item, kind, path))
    return None


def _inside(item: Any, kind: type, path: str) -> Iterable[tuple[Any, str]]:
    if issubclass(kind, dict):
        return [(value, f"{path}[{key!r}]") for key, value in list(dict.items(item))]
    if issubclass(kind, list | tuple | set | frozenset) or kind.__name__ == "deque":
        return [(value, f"{path}[{k}]") for k, value in enumerate(contents(item))]
    if kind is types.FunctionType:
        cells = zip(item.__code__.co_freevars, item.__closure__ or (), strict=True)
        return [(attribute(cell, "cell_contents"), f"{path} (variable {name})") for name, cell in cells]
    if kind is types.GeneratorType and item.gi_frame is not None:
        return [(value, f"{path} (variable {name})") for name, value in item.gi_frame.f_locals.items()]
    if is_python_class(kind) and package_of(kind.__module__) != "pyad":
        namespace = namespace_of(item) or {}
        slots = [name for c in kind.__mro__ for name in slots_of(c)]
        found = [*namespace.items(), *((name, attribute(item, name)) for name in slots)]
        return [(value, f"{path}.{name}") for name, value in found]
    return []


def left_words(place: str) -> LeakError:
    """The error for a traced value that stays behind."""
    return LeakError(
        f"compile: the function leaves a value that depends on its arguments in {place}, where a replay would not put "
        "it anew; return it and assign it after the call, or pass the array there as an argument and write into it "
        "(a[...] = x)"
    )
