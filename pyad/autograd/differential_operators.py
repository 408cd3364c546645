"""autograd's transforms, by its signatures: operator(fun, argnum=0)(*args, **kwargs)."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from pyad import tree
from pyad._ops.linalg.matmul import matmul
from pyad._ops.reductions import sum as total
from pyad._ops.shape import reshape
from pyad._trace.array import is_traced
from pyad._transforms import derivatives
from pyad._transforms import grad as reverse
from pyad._transforms.checkpoint import checkpoint
from pyad._transforms.jvp import jvp
from pyad.autograd import core
from pyad.autograd._vspace import is_complex, vspace
from pyad.autograd.wrap_util import unary_to_nary

__all__ = [
    "checkpoint",
    "deriv",
    "elementwise_grad",
    "grad",
    "grad_and_aux",
    "grad_named",
    "hessian",
    "hessian_tensor_product",
    "hessian_vector_product",
    "holomorphic_grad",
    "jacobian",
    "make_ggnvp",
    "make_hvp",
    "make_jvp",
    "make_jvp_reversemode",
    "make_vjp",
    "multigrad_dict",
    "tensor_jacobian_product",
    "value_and_grad",
    "vector_jacobian_product",
]

make_vjp = unary_to_nary(core.make_vjp)
make_jvp = unary_to_nary(core.make_jvp)


def _scalar(name: str, y: Any) -> Any:
    """A real value of one element as a scalar."""
    if is_traced(y) and y.ndim == 0:
        return y
    if isinstance(y, tuple | list | dict) or np.size(y) != 1 or is_complex(y):
        raise TypeError(
            f"{name} only applies to real scalar-output functions; use jacobian, elementwise_grad or holomorphic_grad"
        )
    return reshape(y, ())


@unary_to_nary
def grad(fun: Any, x: Any) -> Any:
    """The gradient of a function whose value is one real number; it has the structure of the argument.

    >>> from pyad import autograd
    >>> autograd.grad(lambda x, y: x * y, 1)(3.0, 2.0)
    np.float64(3.0)
    """
    return reverse.grad(lambda x: _scalar("grad", fun(x)))(x)


@unary_to_nary
def value_and_grad(fun: Any, x: Any) -> Any:
    """The pair of the value and the gradient of a function whose value is one real number.

    >>> from pyad import autograd
    >>> autograd.value_and_grad(lambda x: x**2)(3.0)
    (np.float64(9.0), np.float64(6.0))
    """

    def pair(x: Any) -> Any:
        y = fun(x)
        return _scalar("value_and_grad", y), y

    (_, y), gradient = reverse.value_and_grad(pair, has_aux=True)(x)
    return y, gradient


@unary_to_nary
def grad_and_aux(fun: Any, x: Any) -> Any:
    """The gradient of the first output, and the second output as it is.

    >>> from pyad import autograd
    >>> autograd.grad_and_aux(lambda x: (x**2, 'aux'))(3.0)
    (np.float64(6.0), 'aux')
    """

    def pair(x: Any) -> Any:
        y, aux = fun(x)
        return _scalar("grad_and_aux", y), aux

    return reverse.grad(pair, has_aux=True)(x)


@unary_to_nary
def elementwise_grad(fun: Any, x: Any) -> Any:
    """The sums of the columns of the Jacobian in one pass: the derivative of each element where it is diagonal.

    >>> import numpy as np
    >>> from pyad import autograd
    >>> autograd.elementwise_grad(lambda x: x**2)(np.array([1.0, 2.0]))
    array([2., 4.])
    """

    def added(x: Any) -> Any:
        leaves = tree.leaves(fun(x))
        if any(map(is_complex, leaves)):
            raise TypeError("elementwise_grad only applies to real-output functions")
        sums = [total(y) for y in leaves]
        return sum(sums[1:], sums[0])

    return reverse.grad(added)(x)


@unary_to_nary
def deriv(fun: Any, x: Any) -> Any:
    """The derivative of the value along a tangent of ones, in forward mode.

    >>> from pyad import autograd
    >>> autograd.deriv(lambda x: x**2)(3.0)
    np.float64(6.0)
    """
    return jvp(fun, (x,), (vspace(x).ones(),))[1]


@unary_to_nary
def jacobian(fun: Any, x: Any) -> Any:
    """The Jacobian: for a value of shape s and an argument of shape t, an array of shape s + t.

    >>> import numpy as np
    >>> from pyad import autograd
    >>> autograd.jacobian(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    return derivatives.jacobian(fun)(x)


@unary_to_nary
def hessian(fun: Any, x: Any) -> Any:
    """The Jacobian of the Jacobian.

    >>> import numpy as np
    >>> from pyad import autograd
    >>> autograd.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    return derivatives.jacobian(derivatives.jacobian(fun))(x)


@unary_to_nary
def holomorphic_grad(fun: Any, x: Any) -> Any:
    """The derivative of a holomorphic function of complex numbers.

    >>> from pyad import autograd
    >>> autograd.holomorphic_grad(lambda z: z**2)(1 + 2j)
    np.complex128(2+4j)
    """
    if not vspace(x).iscomplex:
        warnings.warn("Input to holomorphic_grad is not complex", stacklevel=3)
        return reverse.grad(lambda x: np.real(fun(x)))(x)
    return reverse.grad(fun, holomorphic=True)(x)  # type: ignore[call-arg]


def grad_named(fun: Callable[..., Any], argname: str) -> Callable[..., Any]:
    """The gradient with respect to the positional argument of this name.

    >>> from pyad import autograd
    >>> autograd.grad_named(lambda x, y: x * y, 'y')(3.0, 2.0)
    np.float64(3.0)
    """
    return grad(fun, list(inspect.signature(fun).parameters).index(argname))


# ---- products with Jacobians and Hessians ----


@unary_to_nary
def make_hvp(fun: Any, x: Any) -> Any:
    """The function from vectors to their product with the Hessian at a point, and the gradient there.

    >>> import numpy as np
    >>> from pyad import autograd
    >>> autograd.make_hvp(lambda x: np.sum(x**3))(np.ones(2))[0](np.array([1.0, 0.0]))
    array([6., 0.])
    """
    return core.make_vjp(grad(fun), x)


@unary_to_nary
def make_jvp_reversemode(fun: Any, x: Any) -> Any:
    """The function from vectors to their product with the Jacobian at a point, from two pullbacks.

    >>> from pyad import autograd
    >>> autograd.make_jvp_reversemode(lambda x: x**2)(3.0)(1.0)
    np.float64(6.0)
    """
    pullback, y = core.make_vjp(fun, x)
    return core.make_vjp(pullback, vspace(y).zeros())[0]


def _half_squares(x: Any) -> Any:
    return 0.5 * total(x**2, axis=-1)


def make_ggnvp(f: Callable[..., Any], g: Callable[[Any], Any] = _half_squares, f_argnum: int = 0) -> Any:
    """The function from vectors to their product with the generalised Gauss-Newton matrix of g after f at a point.

    >>> import numpy as np
    >>> from pyad import autograd
    >>> autograd.make_ggnvp(lambda x: x**2)(np.ones(2))(np.array([1.0, 0.0]))
    array([4., 0.])
    """

    @unary_to_nary
    def make(f: Any, x: Any) -> Any:
        pull, y = core.make_vjp(f, x)
        curve, slope = core.make_vjp(grad(g), y)
        push, _ = core.make_vjp(pull, vspace(slope).zeros())
        return lambda v: pull(curve(push(v)))

    return make(f, f_argnum)


def hessian_tensor_product(fun: Callable[..., Any], argnum: int = 0) -> Callable[..., Any]:
    """The function of (*args, tensor) that gives the tensor's product with the Hessian.

    >>> import numpy as np
    >>> from pyad import autograd
    >>> autograd.hessian_tensor_product(lambda x: np.sum(x**3))(np.ones(2), np.array([1.0, 0.0]))
    array([6., 0.])
    """
    gradient = grad(fun, argnum)

    def slope(*args: Any, **keywords: Any) -> Any:
        return total(gradient(*args[:-1], **keywords) * args[-1])

    return grad(slope, argnum)


hessian_vector_product = hessian_tensor_product


def tensor_jacobian_product(fun: Callable[..., Any], argnum: int = 0) -> Callable[..., Any]:
    """The function of (*args, tensor) that gives the tensor's product with the Jacobian from the left.

    >>> import numpy as np
    >>> from pyad import autograd
    >>> autograd.tensor_jacobian_product(lambda x: x**2)(np.array([1.0, 2.0]), np.ones(2))
    array([2., 4.])
    """

    def contracted(*args: Any, **keywords: Any) -> Any:
        tensor, y = args[-1], fun(*args[:-1], **keywords)
        rest = np.shape(y)[np.ndim(tensor) :]
        return reshape(matmul(reshape(tensor, (1, np.size(tensor))), reshape(y, (np.size(tensor), -1))), rest)

    return jacobian(contracted, argnum)


vector_jacobian_product = tensor_jacobian_product


def multigrad_dict(fun: Callable[..., Any]) -> Callable[..., Any]:
    """The gradients with respect to all arguments, also those at their default, as a dict by name.

    >>> from pyad import autograd
    >>> autograd.multigrad_dict(lambda x, y=2.0: x * y)(3.0)
    {'x': np.float64(2.0), 'y': np.float64(3.0)}
    """
    signature = inspect.signature(fun)

    def gradients(*args: Any, **keywords: Any) -> Any:
        bound = signature.bind(*args, **keywords)
        bound.apply_defaults()

        def of_dict(values: dict[str, Any]) -> Any:
            again = inspect.BoundArguments(signature, dict(values))
            return fun(*again.args, **again.kwargs)

        return grad(of_dict)(dict(bound.arguments))

    return gradients
