"""Where a message is about: the line of the user's code, and the call in it as it is written there.

This is looked at for the words of an error only. It reads frames and source text, and runs nothing of the user's.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import sys
from collections.abc import Callable
from itertools import islice
from types import FrameType, ModuleType
from typing import Any, NamedTuple

_LIBRARIES = ("numpy", "scipy", "pandas")


class CallSite(NamedTuple):
    """A call in the user's code on whose behalf something of pyad was asked."""

    written: str  # the function as it is written there, such as `np.polynomial.Polynomial`; empty where not known
    found: Any  # what that is, where names and modules tell; None where not known
    name: str  # the same by the names of its modules, such as `numpy.polynomial.Polynomial`; may be empty
    library: str  # which of the libraries asked; empty where the user's code did itself
    where: str  # the line, as words for a message


def call_site(frame: FrameType | None) -> CallSite:
    """The call under way in the innermost frame of the user's, seen from `frame`."""
    asked = None
    while frame is not None and (root := _root(frame)) in (*_LIBRARIES, "pyad"):
        if root in _LIBRARIES:
            asked = frame
        frame = frame.f_back
    library = "" if asked is None else _root(asked)
    if frame is None:
        return CallSite("", None, _name_of_frame(asked), library, "")
    written, found, path = _callee(frame)
    if not path and written.rpartition(".")[2] != getattr(found, "__name__", written):
        written = ""  # a name of the user's that says nothing of the function
    where = f" (line {frame.f_lineno} of {frame.f_code.co_filename})"
    return CallSite(written, found, _public(found, path, library) or _name_of_frame(asked), library, where)


_HERE = __file__.rpartition("_trace")[0]


def _root(frame: FrameType) -> str:
    """The package that a frame's code is of."""
    if frame.f_code.co_filename.startswith(_HERE):
        return "pyad"
    root = (frame.f_globals.get("__name__") or "").partition(".")[0]
    return root if root in _LIBRARIES else ""


def _callee(frame: FrameType) -> tuple[str, Any, str]:
    """The function that a frame is calling: as written, the object, and what of it the object's names do not say."""
    node = _expression(frame)
    if not isinstance(node, ast.Call):
        return "", None, ""
    names = []
    inner = node.func
    while isinstance(inner, ast.Attribute):
        names.append(inner.attr)
        inner = inner.value
    if not isinstance(inner, ast.Name):
        return "", None, ""
    found = frame.f_locals.get(inner.id, frame.f_globals.get(inner.id))
    # Attributes of modules only: those of other objects may be properties.
    while names and isinstance(found, ModuleType):
        found = vars(found).get(names[-1])
        if found is not None:
            names.pop()
    return ast.unparse(node.func), found, ".".join(reversed(names))


def _expression(frame: FrameType) -> ast.expr | None:
    """The expression that a frame is in the midst of, where its source can be had."""
    place = next(islice(frame.f_code.co_positions(), frame.f_lasti // 2, None), None)
    if place is None or None in place:
        return None
    first, last, start, end = place
    lines = [linecache.getline(frame.f_code.co_filename, k).encode() for k in range(first, last + 1)]  # type: ignore[arg-type,operator]
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][start:]
    try:
        return ast.parse(f"({b''.join(lines).decode()})", mode="eval").body
    except (SyntaxError, ValueError):
        return None


def _public(found: Any, path: str, library: str) -> str:
    """The name of an object of a library as one imports it, with a path of attributes behind it."""
    module = getattr(found, "__module__", None) or ""
    if not library or module.partition(".")[0] != library:
        return ""
    name = getattr(found, "__qualname__", "") or getattr(found, "name", "") or getattr(found, "__name__", "")
    public = _shortest(module, str(name) or type(found).__name__, lambda x: x is found)
    return f"{public}.{path}" if path else public


def _name_of_frame(frame: FrameType | None) -> str:
    """The name of the function, or of the class of the method, that a frame of a library runs."""
    if frame is None:
        return ""
    code = frame.f_code
    if code.co_argcount and code.co_varnames[0] == "self" and "self" in frame.f_locals:
        kind = type(frame.f_locals["self"])
        return _shortest(kind.__module__, kind.__qualname__, lambda x: x is kind)
    module = frame.f_globals["__name__"]
    if "<" in code.co_qualname:
        return f"a function of {'.'.join(_public_parts(module)[:2])}"
    return _shortest(module, code.co_qualname, lambda x: getattr(inspect.unwrap(x), "__code__", None) is code)


def _shortest(module: str, name: str, is_it: Callable[[Any], bool]) -> str:
    """The shortest name under which an object of a module can be imported."""
    parts = _public_parts(module)
    for k in range(1, len(parts) + 1):
        inside = vars(sys.modules.get(".".join(parts[:k]), inspect)).get(name)
        if inside is not None and is_it(inside):
            return ".".join([*parts[:k], name])
    return ".".join([*parts, name])


def _public_parts(module: str) -> list[str]:
    return [part for part in module.split(".") if not part.startswith("_")]
