"""The functions that transforms return, which can be copied and pickled."""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable
from typing import Any

__all__ = ["TransformedFunction", "name_in_module"]


def name_in_module(x: Any) -> str | None:
    """By what name an object that stands for a function is found in the function's module; None where it is not, or
    where whoever pickles it does so by value."""
    name, module = getattr(x, "__qualname__", ""), getattr(x, "__module__", None) or ""
    # What a script defines is in no module that another process could import.
    pickler = sys._getframe(2).f_globals.get("__name__", "")
    if module == "__main__" and pickler.startswith(("cloudpickle", "joblib")):
        return None
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return name if found is x else None


class TransformedFunction(functools.partial):
    """A function that a transform has made of another one: called as it is, and pickled by its name, or else as the
    transform, the function and the options it is made of."""

    _made_of: tuple[Callable[..., Any], tuple[Any, ...]]

    @classmethod
    def of(cls, call: Callable[..., Any], transform: Callable[..., Any], *made_of: Any) -> TransformedFunction:
        """`call` as what `transform(*made_of)` returns; the first of these is the function."""
        made = cls(call)
        functools.update_wrapper(made, made_of[0], updated=())
        made._made_of = (transform, made_of)
        return made

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __repr__(self) -> str:
        transform, (function, *_) = self._made_of
        return f"<{transform.__name__} of {getattr(function, '__name__', function)}>"

    def __reduce__(self) -> Any:
        return name_in_module(self) or self._made_of

    def __copy__(self) -> TransformedFunction:
        return self
