"""`numpy.fft` over pyad's ops."""

from typing import Any

import numpy.fft as _theirs

import pyad._ops.fft  # noqa: F401 - enters the transforms in the tables that are read below
from pyad._ops._registry import namespace as _namespace

_implemented = _namespace(_theirs)
globals().update(_implemented)

__all__ = sorted(_implemented)


def __getattr__(name: str) -> Any:
    return getattr(_theirs, name)


def __dir__() -> list[str]:
    return sorted({*dir(_theirs), *__all__})
