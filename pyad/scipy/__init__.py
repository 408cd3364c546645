"""SciPy's names over pyad's ops.

A function that pyad implements is SciPy's own for plain arguments and pyad's where one is traced. Everything else comes
from SciPy. Only `special` works without SciPy.
"""

import importlib as _importlib
from importlib.util import find_spec as _find_spec
from typing import Any

__all__ = ["integrate", "linalg", "optimize", "signal", "sparse", "special", "stats"]


def __getattr__(name: str) -> Any:
    # Imported when first used, since importing SciPy's modules takes its time.
    if not name.startswith("_") and _find_spec(f"{__name__}.{name}") is not None:
        return _importlib.import_module(f"{__name__}.{name}")
    if name.startswith("__"):
        raise AttributeError(name)
    from pyad.scipy._namespace import load

    theirs = load("scipy")
    try:
        return getattr(theirs, name)
    except AttributeError:
        raise AttributeError(f"module 'pyad.scipy' has no attribute {name!r}") from None


def __dir__() -> list[str]:
    return sorted(__all__)
