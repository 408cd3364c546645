"""SciPy's names over pyad's ops: the submodules are imported when they are used."""

import importlib

__all__ = ["special", "stats"]


def __getattr__(name: str) -> object:
    if name in __all__:
        return importlib.import_module(f"pyad.scipy.{name}")
    raise AttributeError(f"module 'pyad.scipy' has no attribute {name!r}; there are {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
