"""Derivatives of NumPy programs on a CPU.

>>> import numpy as np
>>> import pyad
>>> pyad.grad(lambda x: np.sum(np.sin(x) ** 2))(np.array([0.0, 1.0]))
array([0.        , 0.90929743])
"""

__version__ = "0.1.0"

import sys as _sys

try:
    from pyad._ext import lib as _lib  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "pyad._ext":
        raise
    raise ImportError(
        f"{__path__[0]} is pyad's source folder, which has no compiled engine. Run `pip install .` in the checkout, "
        "and then start Python from another folder (or with -P), so that the installed package is found."
    ) from None

from pyad import _numpy_api, _ops, errors, extend, numpy, tree  # noqa: F401 - the first two enter what NumPy's names mean
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
    "tree",
    "value_and_grad",
    "vjp",
]

# Imported when first used: most programs need one of them at most.
_LAZY = {"autograd", "nn", "scipy", "testing"}

# What other libraries call what has another name here, or needs none.
_JACOBIAN = "write pyad.jacobian, which goes row by row; for one column at a time there is pyad.jvp"
_RULE = "write pyad.custom_vjp"
_TREE = "write pyad.tree.map, flatten, leaves"
_ARRAYS = "arrays are NumPy's own, and inside a function NumPy's functions take traced values"
_ELSEWHERE = {
    "GradientTape": "write pyad.grad(f)(x), or pyad.vjp(f, x)",
    "Tensor": _ARRAYS,
    "Variable": _ARRAYS,
    "backward": "write pyad.grad(f)(x), or pyad.vjp(f, x) for a pullback",
    "custom_gradient": _RULE,
    "custom_jacobian_product": _RULE,
    "defjvp": "write pyad.extend.defjvp, or pyad.custom_jvp",
    "defvjp": "write pyad.extend.defvjp, or pyad.custom_vjp",
    "detach": "write pyad.stop_gradient(x)",
    "elementwise_grad": "write pyad.grad(lambda x: np.sum(f(x))), or pyad.autograd.elementwise_grad",
    "fori_loop": "write a for loop of Python's",
    "gradient": "write pyad.grad(f)(x)",
    "hessian_vector_product": "write pyad.hvp(f, (x,), (v,))",
    "jacfwd": _JACOBIAN,
    "jacrev": _JACOBIAN,
    "jit": "write pyad.compile",
    "jnp": "write np, or pyad.numpy",
    "lax": "loops and branches are Python's own: for, while and if; the rest is NumPy",
    "linearize": "write pyad.jvp(f, (x,), (v,)), or pyad.vjp(f, x) for the transposed map",
    "make_jvp": "write pyad.jvp(f, (x,), (v,)), or pyad.autograd.differential_operators.make_jvp",
    "make_vjp": "write pyad.vjp(f, x), or pyad.autograd.differential_operators.make_vjp",
    "no_grad": "write pyad.stop_gradient(x)",
    "pmap": "write pyad.compile; pyad.set_num_threads says how many threads work",
    "primitive": "write pyad.extend.primitive",
    "random": "draw with np.random outside of the function, or with pyad.numpy.random",
    "remat": "write pyad.checkpoint",
    "scan": "write a for loop of Python's",
    "tensor": _ARRAYS,
    "tree_flatten": _TREE,
    "tree_map": _TREE,
    "tree_util": _TREE,
    "value_and_gradient": "write pyad.value_and_grad",
    "vmap": "write the function for arrays with one more axis, as NumPy's functions take them; pyad.numpy.vectorize "
    "calls one for each element",
}


def __getattr__(name: str) -> object:
    if name in _LAZY:
        import importlib

        return importlib.import_module(f"pyad.{name}")
    here = _ELSEWHERE.get(name)
    hint = f"; {here}" if here else ""
    raise AttributeError(f"module 'pyad' has no attribute {name!r}{hint}", name=name, obj=_sys.modules[__name__])


def __dir__() -> list[str]:
    return sorted(__all__)
