"""`numpy.linalg` over pyad's ops."""

from typing import Any

import numpy as _numpy

from pyad._ops._registry import namespace as _namespace

_implemented = _namespace(_numpy.linalg)
globals().update(_implemented)

__all__ = sorted(_implemented)


def __getattr__(name: str) -> Any:
    return getattr(_numpy.linalg, name)


def __dir__() -> list[str]:
    return sorted({*dir(_numpy.linalg), *__all__})
