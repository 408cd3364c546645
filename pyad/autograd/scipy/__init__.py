"""The modules of `pyad.scipy`, each imported when it is first used."""

import importlib as _importlib
from typing import Any


def __getattr__(name: str) -> Any:
    try:
        return _importlib.import_module(f"pyad.scipy.{name}")
    except ModuleNotFoundError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None


def __dir__() -> list[str]:
    from pyad import scipy

    return sorted(scipy.__all__)
