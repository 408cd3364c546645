"""`scipy.optimize` over pyad: derivatives that SciPy's methods need come from pyad, and solutions are differentiable by
the arguments of the function.

What is not defined here is SciPy's own and takes plain arrays only.
"""

from pyad.scipy._namespace import fallback as _fallback
from pyad.scipy._namespace import listing as _listing
from pyad.scipy._namespace import load as _load
from pyad.scipy.optimize._minimize import curve_fit, least_squares, minimize
from pyad.scipy.optimize._roots import (
    bisect,
    brenth,
    brentq,
    fixed_point,
    newton,
    ridder,
    root,
    root_scalar,
    toms748,
)

__all__ = [
    "bisect",
    "brenth",
    "brentq",
    "curve_fit",
    "fixed_point",
    "least_squares",
    "minimize",
    "newton",
    "ridder",
    "root",
    "root_scalar",
    "toms748",
]

_theirs = _load("scipy.optimize")
__getattr__ = _fallback(_theirs)
__dir__ = _listing(_theirs, __all__)
