"""Operations of your own, with their derivative rules: `primitive` and what defines rules for it.

A primitive is any function of numbers and arrays (and of tuples, lists and dicts of them, and of anything else beside).
It is run on plain NumPy values, whatever it does with them: loops, assignments in place, other libraries. Its rules say
how derivatives go through it, each for the arguments it is given for, and are asked for only where a derivative is
needed. Rules that are written with differentiable functions can be differentiated in turn.

The rules have the form that HIPS autograd gave them:

>>> import numpy as np
>>> import pyad
>>> @primitive
... def logsumexp(x):
...     top = np.max(x)
...     return top + np.log(np.sum(np.exp(x - top)))
>>> defvjp(logsumexp, lambda ans, x: lambda g: g * np.exp(x - ans))
>>> defjvp(logsumexp, lambda g, ans, x: np.sum(g * np.exp(x - ans)))
>>> pyad.grad(logsumexp)(np.array([0.0, 0.0]))
array([0.5, 0.5])
>>> pyad.hessian(logsumexp)(np.array([0.0, 0.0]))
array([[ 0.25, -0.25],
       [-0.25,  0.25]])
"""

from pyad._trace.numpy_op import numpy_op, numpy_op_elementwise, numpy_op_linear
from pyad._transforms.primitive import (
    def_linear,
    defjvp,
    defjvp_argnum,
    defjvp_argnums,
    defvjp,
    defvjp_argnum,
    defvjp_argnums,
    notrace_primitive,
    primitive,
)

__all__ = [
    "def_linear",
    "defjvp",
    "defjvp_argnum",
    "defjvp_argnums",
    "defvjp",
    "defvjp_argnum",
    "defvjp_argnums",
    "notrace_primitive",
    "numpy_op",
    "numpy_op_elementwise",
    "numpy_op_linear",
    "primitive",
]


def __dir__() -> list[str]:
    return sorted(__all__)
