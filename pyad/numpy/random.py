"""`numpy.random`: NumPy's own. What it draws is constant for derivatives."""

from typing import Any

import numpy.random as _theirs


def __getattr__(name: str) -> Any:
    return getattr(_theirs, name)


def __dir__() -> list[str]:
    return dir(_theirs)
