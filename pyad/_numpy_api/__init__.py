"""How NumPy code reaches the operations: protocols, methods, functions that create or write arrays. It defines no
operation that has a derivative of its own."""

from pyad._numpy_api import (  # noqa: F401
    apply,
    array_methods,
    constant_functions,
    creation,
    inplace_functions,
    protocols,
    ufunc_methods,
)
