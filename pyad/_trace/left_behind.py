"""Where a traced value was left that is used after its transform has ended, for the words of the error.

Nothing is noted while a function runs, so this costs nothing before there is an error. Then the garbage collector says
what holds the value, and the bytecode of the user's functions which line has put it there.
"""

from __future__ import annotations

import dis
import gc
import sys
from collections.abc import Iterator
from types import CellType, CodeType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

from pyad._binding import engine
from pyad._trace.array import NODES, View

_GROWING = {"add", "append", "appendleft", "extend", "insert", "setdefault", "update"}
_MOST_LINES = 3


class _Place(NamedTuple):
    words: str
    name: str  # what is assigned there
    stores: str  # by which instruction
    codes: list[list[CodeType]]  # of the functions that may have done so, in groups, the likeliest first


def left_words(handles: tuple[int, ...]) -> str:
    """Where the values of these handles are held, as the end of a sentence; empty where it cannot be told."""
    wanted = set(handles)
    try:
        for x in gc.get_objects():
            if type(x) in NODES and getattr(x, "_node" if type(x) is View else "_h", None) in wanted:
                place = _place_of(x)
                if place is not None:
                    return f". It was left in {place.words}{_lines(place)}"
    except Exception:
        # What holds the value may be in any state; the error itself must not be lost for its words.
        pass
    return ""


def _place_of(x: Any) -> _Place | None:
    """What holds an object, the user's names before containers without one."""
    containers = []
    for holder in gc.get_referrers(x):
        if isinstance(holder, list | tuple | set | dict) and not _owner(holder, x):
            containers.append(holder)
        else:
            place = _named(holder, x)
            if place is not None:
                return place
    for container in containers:
        for holder in gc.get_referrers(container):
            place = _named(holder, container)
            if place is not None:
                return place._replace(words=f"a {type(container).__name__}, {place.words}", stores="")
    return next(filter(None, map(_in_frame, containers)), None)


def _in_frame(x: Any) -> _Place | None:
    """The variable of a function under way that has an object."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if not frame.f_code.co_filename.startswith(_HERE):
            for name, value in frame.f_locals.items():
                if value is x:
                    words = f"a {type(x).__name__}, the variable `{name}`"
                    return _Place(words, name, "", [_with_inner(frame.f_code)])
        frame = frame.f_back
    return None


def _owner(holder: Any, x: Any) -> bool:
    """Whether a dict is the namespace of a module or of an object."""
    if not isinstance(holder, dict):
        return False
    return any(getattr(owner, "__dict__", None) is holder for owner in gc.get_referrers(holder))


def _named(holder: Any, x: Any) -> _Place | None:
    """The name under which a holder has an object: of a global, a variable of a closure, or an attribute."""
    if isinstance(holder, CellType):
        return _in_closure(holder)
    if isinstance(holder, FrameType | FunctionType | MethodType):
        return None
    if isinstance(holder, dict):
        for owner in gc.get_referrers(holder):
            if getattr(owner, "__dict__", None) is holder and not isinstance(owner, FrameType | FunctionType):
                return _named(owner, x)
        return None
    names = [name for name, value in _attributes(holder) if value is x]
    if not names:
        return None
    if isinstance(holder, ModuleType):
        return _Place(f"the global `{names[0]}` of {holder.__name__}", names[0], "STORE_GLOBAL", [_codes(vars(holder))])
    kind = holder if isinstance(holder, type) else type(holder)
    codes = [code for base in kind.__mro__ for code in _codes(vars(base))]
    module = sys.modules.get(kind.__module__)
    others = _codes(vars(module)) if module is not None else []
    return _Place(f"the attribute `{kind.__name__}.{names[0]}`", names[0], "STORE_ATTR", [codes, others])


def _attributes(holder: Any) -> Iterator[tuple[str, Any]]:
    yield from list(getattr(holder, "__dict__", {}).items())
    for base in type(holder).__mro__:
        slots = vars(base).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            yield name, getattr(holder, name, None)


def _in_closure(cell: CellType) -> _Place | None:
    for function in gc.get_referrers(*(holder for holder in gc.get_referrers(cell) if isinstance(holder, tuple))):
        if isinstance(function, FunctionType) and function.__closure__:
            for name, held in zip(function.__code__.co_freevars, function.__closure__, strict=True):
                if held is cell:
                    return _Place(f"the variable `{name}` of a closure", name, "STORE_DEREF", [[function.__code__]])
    return None


def _codes(namespace: Any) -> list[CodeType]:
    """The code of the functions in a namespace, with the functions inside them."""
    functions = [getattr(x, "__func__", getattr(x, "fget", None) or x) for x in list(namespace.values())]
    return [code for x in functions if isinstance(x, FunctionType) for code in _with_inner(x.__code__)]


def _with_inner(code: CodeType) -> list[CodeType]:
    """A code with those of the functions inside it."""
    codes = [code]
    for outer in codes:
        codes += [inner for inner in outer.co_consts if isinstance(inner, CodeType)]
    return codes


def _lines(place: _Place) -> str:
    """The lines that assign to a name, or that make what has the name grow. Those of `__init__` count if there are no
    others."""
    for codes in place.codes:
        found: dict[tuple[str, int], bool] = {}
        for code in codes:
            if not (code.co_filename.startswith(_HERE) or "/numpy/" in code.co_filename):
                for line in _assigning(code, place):
                    found[code.co_filename, line] = code.co_name == "__init__"
        if not all(found.values()):
            found = {at: False for at, is_first in found.items() if not is_first}
        if found:
            where = [f"line {line} of {file}" for file, line in found]
            return f" ({', '.join(where)})" if len(where) <= _MOST_LINES else ""
    return ""


_HERE = __file__.rpartition("_trace")[0]


def _assigning(code: CodeType, place: _Place) -> Iterator[int]:
    line, is_named = 0, False
    for step in dis.get_instructions(code):
        if step.starts_line and type(step.starts_line) is int:
            line, is_named = step.starts_line, False
        if place.stores:
            if step.opname == place.stores and step.argval == place.name:
                yield line
            continue
        is_named = is_named or (step.opname.startswith("LOAD") and step.argval == place.name)
        if is_named and (step.opname == "STORE_SUBSCR" or step.argval in _GROWING):
            yield line


engine.describe_leak = left_words
