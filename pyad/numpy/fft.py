"""`numpy.fft` over pyad's ops."""

from typing import Any

import numpy.fft as _theirs

import pyad.ops.fft
from pyad.ops.protocol import namespace as _namespace

_implemented = _namespace(_theirs)
globals().update(_implemented)

__all__ = sorted(_implemented)


def __getattr__(name: str) -> Any:
    return getattr(_theirs, name)


def __dir__() -> list[str]:
    return sorted({*dir(_theirs), *__all__})
