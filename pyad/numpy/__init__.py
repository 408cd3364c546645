"""NumPy's names over pyad's ops: `import pyad.numpy as np` in place of `import numpy as np`.

A function that pyad implements goes to NumPy itself for plain arguments and to pyad where one is traced, also inside a
list. What makes an array (`array`, `zeros`, `empty_like`, ...) makes, inside a transform and of a floating dtype, one
that traced values can be assigned into. Everything else is NumPy's own.
"""

import importlib as _importlib
from typing import Any

import numpy as _numpy

from pyad._numpy_api.apply import vectorize
from pyad._numpy_api.creation import CREATORS as _CREATORS
from pyad._numpy_api.creation import MAKERS as _MAKERS
from pyad._ops._registry import namespace as _namespace

_implemented = {**_namespace(_numpy), **_CREATORS, "vectorize": vectorize}
for _name in _implemented.keys() & _MAKERS.keys():
    _MAKERS[_name].__doc__ = _implemented[_name].__doc__
globals().update(_implemented | _MAKERS)

__all__ = sorted(_implemented)


def __getattr__(name: str) -> Any:
    # Imported when they are first used.
    if name in ("fft", "linalg", "random"):
        return _importlib.import_module(f"pyad.numpy.{name}")
    return getattr(_numpy, name)


def __dir__() -> list[str]:
    return sorted({*dir(_numpy), *__all__})
