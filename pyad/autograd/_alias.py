"""Makes `pyad.autograd.scipy.linalg` and the like the very modules of `pyad.scipy` and `pyad.numpy`.

They are found by name when they are first imported, so whatever those packages have is here too, once.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

_PLACES = {
    "pyad.autograd.numpy.linalg": "pyad.numpy.linalg",
    "pyad.autograd.numpy.fft": "pyad.numpy.fft",
    "pyad.autograd.numpy.random": "pyad.numpy.random",
    "pyad.autograd.scipy.": "pyad.scipy.",
}


# What autograd has in another form than SciPy.
_OWN = {"pyad.autograd.scipy.signal", "pyad.autograd.scipy.stats"}


def _real_name(name: str) -> str | None:
    if name in _OWN:
        return None
    for ours, theirs in _PLACES.items():
        if name == ours or (ours.endswith(".") and name.startswith(ours)):
            return theirs + name[len(ours) :]
    return None


def _load(real: str) -> Any:
    """The module of this name; or what a module has under its last part, such as a distribution of scipy.stats, which
    is a module with autograd."""
    if _is_module(real):
        return importlib.import_module(real)
    outer, _, name = real.rpartition(".")
    return getattr(importlib.import_module(outer), name)


def _is_module(real: str) -> bool:
    try:
        return importlib.util.find_spec(real) is not None
    except ModuleNotFoundError:  # what it would be in is a module without submodules
        return False


def _is_distribution(real: str) -> bool:
    outer, _, name = real.rpartition(".")
    return outer == "pyad.scipy.stats" and hasattr(importlib.import_module(outer), name)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    # What the import system writes on a module that it has loaded, and what must not stay on these.
    _ACCOUNT = ("__spec__", "__loader__", "__package__", "__name__")

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> Any:
        real = _real_name(name)
        if real is None or not (_is_module(real) or _is_distribution(real)):
            return None
        return importlib.machinery.ModuleSpec(name, self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> Any:
        thing = _load(_real_name(spec.name) or "")
        spec.loader_state = {key: vars(thing)[key] for key in self._ACCOUNT if key in vars(thing)}
        return thing

    def exec_module(self, module: ModuleType) -> None:
        before = module.__spec__.loader_state  # type: ignore[union-attr]
        for key in self._ACCOUNT:
            if key in before:
                setattr(module, key, before[key])
            elif key in vars(module):
                delattr(module, key)


sys.meta_path.insert(0, _Finder())
