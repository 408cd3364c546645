"""Signatures: what decides which program of a compiled function is run."""

from __future__ import annotations

import types
from typing import Any

import numpy as np

from pyad._compile.captured_state import attribute, same
from pyad._compile.kinds import is_python_class, namespace_of
from pyad._trace.array import is_traced
from pyad._trace.traced_integer import TracedInteger

__all__ = ["signature_of"]


def signature_of(structure: Any, leaves: list[Any]) -> Any:
    """What decides which program is run; None where an argument is traced.

    Raises:
        TypeError: an argument that is neither a number, an array nor hashable, or is an iterator.
    """
    parts: list[Any] = []
    for x in leaves:
        kind = type(x)
        if kind is np.ndarray:
            parts.append((x.dtype, x.shape))
        elif kind is float:
            parts.append(float)
        elif kind is complex:
            parts.append(complex)
        elif is_traced(x) or kind is TracedInteger:
            return None
        elif isinstance(x, np.generic):
            parts.append((x.dtype,))
        elif isinstance(x, np.ndarray):
            plain = np.asarray(x)  # a class of its own may say anything of its shape
            parts.append((kind, plain.dtype, plain.shape))
        elif hasattr(kind, "__next__"):
            raise TypeError(
                f"compile: an argument of type {kind.__name__} is an iterator, which gives other things at every call; "
                "pass a list, a tuple or an array"
            )
        else:
            parts.append(_Static(x))
    parts += [_Static(key) for key in structure.unusual_keys()]
    key = (structure, *parts)
    try:
        hash(key)
    except TypeError:
        _refuse_unhashable(leaves)
        raise
    return key


class _Static:
    """An argument, or a key of a dict, that belongs to the signature: equal to what nothing can tell from it."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __hash__(self) -> int:
        return hash(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Static) and _is_alike(self.value, other.value)


def _is_alike(a: Any, b: Any) -> bool:
    """Whether a function cannot tell two arguments apart, but by `is`: they are of one type and equal, and so is all
    that is in them."""
    waiting = [(a, b)]
    seen = set()
    while waiting:
        a, b = waiting.pop()
        if same(a, b) or (id(a), id(b)) in seen:
            continue
        seen.add((id(a), id(b)))
        kind = type(a)
        if kind is not type(b):
            return False
        if kind is np.ndarray:
            if (a.dtype, a.shape, a.strides) != (b.dtype, b.shape, b.strides) or a.tobytes() != b.tobytes():
                return False
        elif kind in (list, tuple, frozenset, dict):
            if len(a) != len(b):
                return False
            waiting += zip(a, b, strict=True)
            if kind is dict:
                waiting += zip(a.values(), b.values(), strict=True)
        elif kind.__eq__ is object.__eq__ or not is_python_class(kind) or not bool(a == b):
            return False
        else:
            waiting += _attributes(a, b, kind)
    return True


def _attributes(a: Any, b: Any, kind: type) -> list[tuple[Any, Any]]:
    """What two objects of a class have in them, pair by pair."""
    pairs: list[tuple[Any, Any]] = [(namespace_of(a) or {}, namespace_of(b) or {})]
    for c in kind.__mro__:
        pairs += [
            (attribute(a, name), attribute(b, name))
            for name, x in vars(c).items()
            if isinstance(x, types.MemberDescriptorType)
        ]
    if issubclass(kind, tuple):
        pairs.append((tuple(a), tuple(b)))
    return pairs


def _refuse_unhashable(leaves: list[Any]) -> None:
    for x in leaves:
        if isinstance(x, np.ndarray):
            continue
        try:
            hash(x)
        except TypeError:
            raise TypeError(
                f"compile: an argument of type {type(x).__name__} is neither a number, an array nor hashable; "
                "arguments that are no arrays are part of the signature of a program"
            ) from None
