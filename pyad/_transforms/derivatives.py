"""Derivatives of vectors and of second order, made of the two modes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pyad import tree
from pyad._trace.array import is_traced
from pyad._transforms.argnums import ArgNums, ChosenArguments, check_function
from pyad._transforms.grad import grad, pull_back
from pyad._transforms.jvp import check_sequences, jvp
from pyad._transforms.leaves import input_avals
from pyad._transforms.outputs import check_holomorphic, check_output_kind
from pyad._transforms.pullback import Pullback
from pyad._transforms.transformed import TransformedFunction


def jacobian(
    function: Callable[..., Any], argnums: ArgNums = 0, has_aux: bool = False, holomorphic: bool = False
) -> Callable[..., Any]:
    """A function that gives the Jacobian of `function`, row by row in reverse mode over one recording.

    Args:
        function: Returns a real number or array, or containers of them.
        argnums: By which positional arguments to differentiate: an integer, or a sequence of several.
        has_aux: Whether it returns a pair of a value and anything else.
        holomorphic: Whether inputs and outputs are complex, as in `value_and_grad`.

    Returns:
        A function of the same arguments that returns the Jacobian, with `has_aux` (Jacobian, aux). For an output of
        shape s and an input of shape t it has shape s + t. Containers nest: the output's outside, the chosen argument's
        inside.

    Raises:
        TypeError, DTypeError, ValueError: As `value_and_grad`.

    >>> import numpy as np
    >>> import pyad
    >>> pyad.jacobian(lambda x: x ** 2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """

    check_function("jacobian", function, argnums)

    def jacobian_of(*args: Any, **keywords: Any) -> Any:
        select = ChosenArguments("jacobian", args, argnums)
        if holomorphic:
            check_holomorphic("jacobian", select.leaves)

        def chosen(leaves: list[Any]) -> Any:
            return function(*select.call_args(leaves), **keywords)

        y, pullback, *aux = pull_back("jacobian", chosen, (select.leaves,), select.place, has_aux)
        y_leaves, y_structure = tree.flatten(y)
        for x in y_leaves:
            check_output_kind("jacobian", x.dtype if is_traced(x) else np.asarray(x).dtype, holomorphic)
        rows = [_jacobian_rows(pullback, y_leaves, k, select) for k in range(len(y_leaves))]
        out = y_structure.unflatten(rows)
        return (out, aux[0]) if has_aux else out

    return TransformedFunction.of(jacobian_of, jacobian, function, argnums, has_aux, holomorphic)


def _jacobian_rows(pullback: Pullback, y_leaves: list[Any], which: int, select: ChosenArguments) -> Any:
    """The Jacobian of one output leaf, in the structure of the chosen arguments."""
    zeros = [np.zeros(np.shape(x) if not is_traced(x) else x.shape) for x in y_leaves]
    shape = zeros[which].shape
    pulled = []
    for place in np.ndindex(shape):
        seed = [z.copy() for z in zeros]
        seed[which][place] = 1.0
        pulled.append(pullback(pullback.y_structure.unflatten(seed))[0])
    columns = []
    for k, x in enumerate(select.leaves):
        inner = () if isinstance(x, float | complex) else x.shape
        parts = [row[k] for row in pulled]
        columns.append(_stack_rows(parts, (*shape, *inner), input_avals([x])[0][1]))
    return select.structure.unflatten(columns)


def _stack_rows(parts: list[Any], shape: tuple[int, ...], dtype: np.dtype) -> Any:
    from pyad._ops.shape import reshape, stack

    if not parts:
        return np.zeros(shape, dtype)
    return reshape(stack(parts), shape) if shape else parts[0]


def hessian(
    function: Callable[..., Any], argnums: ArgNums = 0, has_aux: bool = False, holomorphic: bool = False
) -> Callable[..., Any]:
    """A function that gives the Hessian of a scalar function: the Jacobian of its gradient.

    Args:
        function: A function with a real scalar for value.
        argnums: By which positional arguments to differentiate: an integer, or a sequence of several.
        has_aux: Whether it returns a pair of a scalar and anything else.
        holomorphic: Whether inputs and output are complex. Of complex arguments only a holomorphic function has a
            Hessian; write others as a function of real and imaginary parts.

    Returns:
        A function of the same arguments that returns the Hessian, with `has_aux` (Hessian, aux). For an argument of
        shape t it has shape t + t; containers nest as in `jacobian`.

    Raises:
        TypeError, DTypeError, ShapeError, ValueError: As `value_and_grad`.

    >>> import numpy as np
    >>> import pyad
    >>> pyad.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    check_function("hessian", function, argnums)
    return jacobian(grad(function, argnums, has_aux, holomorphic), argnums, has_aux, holomorphic)


def hvp(function: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    """The Hessian of a scalar function times a vector, at about the cost of two gradients.

    Forward over reverse: B. A. Pearlmutter, "Fast exact multiplication by the Hessian", 1994.

    Args:
        function: A function with a real scalar for value.
        primals: Tuple of its arguments: float or complex numbers and arrays, or containers of them.
        tangents: Tuple of the same structure and shapes, the vector.
        has_aux: Whether it returns a pair of a scalar and anything else.

    Returns:
        The product, with `has_aux` (product, aux). It has the structure of the primal, or is a tuple of such where
        there are several primals (the Hessian is then that of all of them together).

    Raises:
        TypeError, DTypeError, ShapeError: As `jvp` and `value_and_grad`.

    >>> import numpy as np
    >>> import pyad
    >>> pyad.hvp(lambda x: np.sum(x ** 3), (np.array([1.0, 2.0]),), (np.array([1.0, 0.0]),))
    array([6., 0.])
    """
    check_function("hvp", function)
    check_sequences("hvp", primals, tangents)
    primals = tuple(primals)
    argnums: ArgNums = 0 if len(primals) == 1 else tuple(range(len(primals)))
    _, product, *aux = jvp(grad(function, argnums, has_aux), primals, tuple(tangents), has_aux)
    return (product, aux[0]) if has_aux else product
