"""`scipy.signal` over pyad's ops: SciPy's functions for plain arguments, pyad's where one is traced.

What is not defined here is SciPy's own and takes plain arrays only.
"""

from pyad.scipy._namespace import fallback as _fallback
from pyad.scipy._namespace import listing as _listing
from pyad.scipy._namespace import load as _load
from pyad.scipy.signal._convolve import (
    convolve,
    convolve2d,
    correlate,
    correlate2d,
    fftconvolve,
    oaconvolve,
)
from pyad.scipy.signal._filter import detrend, lfilter

__all__ = [
    "convolve",
    "convolve2d",
    "correlate",
    "correlate2d",
    "detrend",
    "fftconvolve",
    "lfilter",
    "oaconvolve",
]

_theirs = _load("scipy.signal")
__getattr__ = _fallback(_theirs)
__dir__ = _listing(_theirs, __all__)
