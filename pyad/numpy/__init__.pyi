"""For type checkers and editors: `pyad.numpy` has the names and signatures of the NumPy that is installed."""

from numpy import *
from numpy import __version__ as __version__
from numpy import dtypes as dtypes
from numpy import exceptions as exceptions
from numpy import polynomial as polynomial
from numpy import typing as typing

from pyad.numpy import fft as fft  # type: ignore[no-redef]
from pyad.numpy import linalg as linalg  # type: ignore[no-redef]
from pyad.numpy import random as random  # type: ignore[no-redef]
