"""What the modules over SciPy share: finding SciPy, and going to it for plain arguments."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from pyad._ops._docstrings import in_words_of
from pyad._ops.shape import asarray
from pyad._trace.array import numpy_value
from pyad.errors import UnsupportedError

__all__ = ["describes", "fallback", "listing", "load", "plain", "refuse", "run_by"]

Function = Callable[..., Any]


def load(name: str) -> ModuleType:
    """A module of SciPy, which pyad does not depend on.

    Raises:
        ImportError: SciPy is not installed; the message says how to get it.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in ("scipy", name):
            raise
        raise ImportError(f"pyad.{name} needs SciPy: pip install scipy") from None


def fallback(theirs: ModuleType) -> Function:
    """A module's __getattr__: what pyad does not define is SciPy's own."""

    def get(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(theirs, name)

    return get


def listing(theirs: ModuleType, ours: list[str]) -> Function:
    """A module's __dir__."""
    return lambda: sorted({*dir(theirs), *ours})


def describes(theirs: Function) -> Callable[[Function], Function]:
    """Decorator: the docstring is followed by SciPy's description of the arguments."""

    def decorate(ours: Function) -> Function:
        if ours.__doc__:
            ours.__doc__ = in_words_of(theirs, ours.__doc__)
        return ours

    return decorate


def run_by(function: Function) -> Function:
    """A reference whose value has the dtype of its operands: some of SciPy's functions compute in float64 only."""

    def reference(*operands: Any, **params: Any) -> Any:
        value = np.asarray(function(*operands, **params))
        dtype = np.result_type(*operands)
        return value.astype(dtype, copy=False) if dtype.kind == value.dtype.kind else value

    return reference


def plain(x: Any) -> Any:
    """The plain array of an argument that may be traced or a list of traced values."""
    return np.asarray(numpy_value(asarray(x)))


def refuse(name: str, what: str, instead: str) -> UnsupportedError:
    """The error for an option that has no derivative."""
    return UnsupportedError(f"{name}: {what} is not supported with traced values; {instead}")
