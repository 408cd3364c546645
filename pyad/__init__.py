"""Derivatives of NumPy programs on a CPU.

>>> import numpy as np
>>> import pyad
>>> pyad.grad(lambda x: np.sum(np.sin(x) ** 2))(np.array([0.0, 1.0]))
array([0.        , 0.90929743])
"""

__version__ = "0.1.0"

try:
    from pyad._ext import lib as _lib  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "pyad._ext":
        raise
    raise ImportError(
        f"{__path__[0]} is pyad's source folder, which has no compiled engine. Run `pip install .` in the checkout, "
        "and then start Python from another folder (or with -P), so that the installed package is found."
    ) from None

from pyad import _numpy_api, _ops, errors, extend, numpy  # noqa: F401 - the first two enter what NumPy's names mean
from pyad._binding.blas import get_blas, set_blas
from pyad._binding.threads import get_num_threads, set_num_threads
from pyad._compile.compiled import Compiled, CompileWarning, compile
from pyad._trace.array import Array
from pyad._transforms.checkpoint import checkpoint
from pyad._transforms.custom_rules import custom_jvp, custom_vjp
from pyad._transforms.derivatives import hessian, hvp, jacobian
from pyad._transforms.fixed_point import fixed_point
from pyad._transforms.grad import grad, value_and_grad, vjp
from pyad._transforms.jvp import jvp
from pyad._transforms.stop_gradient import stop_gradient

__all__ = [
    "Array",
    "CompileWarning",
    "Compiled",
    "autograd",
    "checkpoint",
    "compile",
    "custom_jvp",
    "custom_vjp",
    "errors",
    "extend",
    "fixed_point",
    "get_blas",
    "get_num_threads",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "nn",
    "numpy",
    "scipy",
    "set_blas",
    "set_num_threads",
    "stop_gradient",
    "testing",
    "value_and_grad",
    "vjp",
]

# Imported when first used: most programs need one of them at most.
_LAZY = {"autograd", "nn", "scipy", "testing"}


def __getattr__(name: str) -> object:
    if name in _LAZY:
        import importlib

        return importlib.import_module(f"pyad.{name}")
    raise AttributeError(f"module 'pyad' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
