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


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> Any:
        real = _real_name(name)
        if real is None:
            return None
        try:
            found = importlib.util.find_spec(real)
        except ModuleNotFoundError:  # its parent is a module without submodules
            return None
        return importlib.machinery.ModuleSpec(name, self) if found is not None else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = importlib.import_module(_real_name(spec.name) or "")
        # The import system writes its own account of the module over this one.
        self.account = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.account


sys.meta_path.insert(0, _Finder())
