"""`pyad.numpy`, and the few names that autograd's NumPy has besides NumPy's."""

from typing import Any

import numpy as _theirs

from pyad import numpy as _ours
from pyad.autograd.numpy import numpy_boxes as numpy_boxes
from pyad.autograd.numpy import numpy_jvps as numpy_jvps
from pyad.autograd.numpy import numpy_vjps as numpy_vjps
from pyad.autograd.numpy import numpy_vspaces as numpy_vspaces
from pyad.autograd.numpy import numpy_wrapper as numpy_wrapper
from pyad.autograd.numpy.numpy_wrapper import make_diagonal as make_diagonal
from pyad.autograd.numpy.numpy_wrapper import metadata as metadata
from pyad.autograd.numpy.numpy_wrapper import numpy_version as numpy_version

_names: list[str] = _ours.__all__  # type: ignore[attr-defined]
globals().update({name: getattr(_ours, name) for name in _names})
# With autograd it is NumPy's own class, which programs compare types with.
ndarray = _theirs.ndarray

# For the star import, which here as with autograd brings NumPy's names.
__all__ = sorted({*_theirs.__all__, *_names, "make_diagonal", "numpy_version"} - {"fft", "linalg", "random"})


def __getattr__(name: str) -> Any:
    return getattr(_ours, name)


def __dir__() -> list[str]:
    return sorted({*dir(_ours), *__all__})
