"""The transforms: functions of functions that give derivatives.

Each one marks the tape, makes fresh leaves of the inputs, runs the function, sweeps between the leaves and the outputs,
and cuts the tape back, whether the function returns or raises. Derivatives are asked for by node, so nested transforms
cannot be confused with each other. Where a result depends on an enclosing transform's inputs, the sweep itself is
recorded, which is what makes derivatives of any order.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from pyad import tree
from pyad._binding import engine, memory
from pyad._binding.engine import lib
from pyad._trace.array import copy_of, is_traced
from pyad._transforms.argnums import ArgNums, ChosenArguments, check_function
from pyad._transforms.leaves import Place, among_primals, input_avals, make_leaves
from pyad._transforms.outputs import check_holomorphic, check_outputs, constant_leaf, scalar_output
from pyad._transforms.pullback import Pullback, SavedTape
from pyad._transforms.scope import TapeScope, call_user
from pyad._transforms.sweep import RECORDED, sweep_gradient
from pyad._transforms.transformed import TransformedFunction


@engine.holds_mark
def _value_and_grad(
    name: str,
    function: Callable[..., Any],
    select: ChosenArguments,
    keywords: dict[str, Any],
    has_aux: bool,
    holomorphic: bool,
) -> tuple[Any, Any, Any]:
    if holomorphic:
        check_holomorphic(name, select.leaves)
    scope = TapeScope()
    try:
        scope.open()
        inputs = make_leaves(name, select.leaves, select.place)
        avals = input_avals(select.leaves)
        handles = [x._h for x in inputs]  # the function may write into the arrays
        y, aux = call_user(function, select.call_args(inputs), keywords, has_aux)
        scalar_output(name, y, holomorphic)
        if is_traced(y):
            flags = RECORDED if scope.is_outer(y) else 0
            gradients = sweep_gradient(flags, y._h, handles, avals)
        else:
            gradients = [np.zeros(shape, dtype)[()] for shape, dtype in avals]
        aux_leaves, aux_structure = tree.flatten(aux) if has_aux else ([], None)
        finished = scope.finish([y, *gradients, *aux_leaves])
    finally:
        scope.close()
    count = 1 + len(gradients)
    gradient = select.structure.unflatten(finished[1:count])
    return finished[0], gradient, aux_structure.unflatten(finished[count:]) if has_aux else None


def value_and_grad(
    function: Callable[..., Any], argnums: ArgNums = 0, has_aux: bool = False, holomorphic: bool = False
) -> Callable[..., Any]:
    """A function that gives the value of `function` and its gradient, in reverse mode.

    Args:
        function: Takes float or complex numbers and arrays, or tuples, lists and dicts of them, in the arguments named
            by `argnums`, anything in the others, and returns a real scalar.
        argnums: By which positional arguments to differentiate: an integer, or a sequence of several.
        has_aux: Whether it returns a pair of a scalar and anything else.
        holomorphic: Whether inputs and output are complex, and the gradient is f'(z). Otherwise the gradient by a
            complex z = x + iy is du/dx - i du/dy.

    Returns:
        A function of the same arguments that returns (value, gradient), or ((value, aux), gradient). The gradient has
        the structure, shapes and dtypes of the chosen argument, or is a tuple of such for several `argnums`; zeros
        where the value does not depend on an input.

    Raises:
        TypeError: `function` is no function, or (when called) its value is no scalar number.
        DTypeError: (when called) an input that is neither float nor complex, or a complex value without `holomorphic`.
        ShapeError: (when called) the value is an array.
        ValueError: (when called) `argnums` out of range.

    >>> import numpy as np
    >>> import pyad
    >>> pyad.value_and_grad(lambda x: np.sum(x ** 2))(np.array([1.0, 2.0]))
    (np.float64(5.0), array([2., 4.]))
    """

    check_function("value_and_grad", function, argnums)

    def value_and_gradient(*args: Any, **keywords: Any) -> Any:
        select = ChosenArguments("value_and_grad", args, argnums)
        y, gradient, aux = _value_and_grad("value_and_grad", function, select, keywords, has_aux, holomorphic)
        return ((y, aux), gradient) if has_aux else (y, gradient)

    return TransformedFunction.of(value_and_gradient, value_and_grad, function, argnums, has_aux, holomorphic)


def grad(
    function: Callable[..., Any], argnums: ArgNums = 0, has_aux: bool = False, holomorphic: bool = False
) -> Callable[..., Any]:
    """A function that gives the gradient of `function`; as `value_and_grad` without the value.

    Args:
        function: A function with a real scalar for value.
        argnums: By which positional arguments to differentiate: an integer, or a sequence of several.
        has_aux: Whether it returns a pair of a scalar and anything else.
        holomorphic: Whether inputs and output are complex, and the gradient is f'(z).

    Returns:
        A function of the same arguments that returns the gradient, with `has_aux` (gradient, aux).

    Raises:
        TypeError, DTypeError, ShapeError, ValueError: As `value_and_grad`.

    >>> import numpy as np
    >>> import pyad
    >>> pyad.grad(np.sin)(0.0)
    np.float64(1.0)
    >>> pyad.grad(pyad.grad(lambda x: x ** 3))(2.0)
    np.float64(12.0)
    >>> pyad.grad(lambda p: p["a"] * np.sum(p["b"]))({"a": 2.0, "b": np.ones(2)})
    {'a': np.float64(2.0), 'b': array([2., 2.])}
    """

    check_function("grad", function, argnums)

    def gradient_of(*args: Any, **keywords: Any) -> Any:
        select = ChosenArguments("grad", args, argnums)
        _, gradient, aux = _value_and_grad("grad", function, select, keywords, has_aux, holomorphic)
        return (gradient, aux) if has_aux else gradient

    return TransformedFunction.of(gradient_of, grad, function, argnums, has_aux, holomorphic)


def vjp(function: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The value of a function and its pullback, which maps a cotangent of the value to cotangents of the primals.

    Args:
        function: Takes the primals and returns float or complex numbers and arrays, or containers of them.
        *primals: Float or complex numbers and arrays, or containers of them.
        has_aux: Whether the function returns a pair of a value and anything else.

    Returns:
        (value, pullback), with `has_aux` (value, pullback, aux). The pullback takes a cotangent of the value's
        structure and shapes, returns a tuple, one entry per primal, may be called any number of times, and is linear.

    Raises:
        TypeError: `function` is no function, or its value is not made of numbers.
        DTypeError: An input that is neither float nor complex.
        ShapeError: (by the pullback) a cotangent whose shape is not the value's.
        MutationError: (by the pullback) an array it needs was changed in between.

    >>> import numpy as np
    >>> import pyad
    >>> y, pullback = pyad.vjp(np.sin, 0.0)
    >>> pullback(2.0)
    (np.float64(2.0),)
    """
    check_function("vjp", function)
    return pull_back("vjp", function, primals, None, has_aux)


@engine.holds_mark
def pull_back(
    name: str, function: Callable[..., Any], primals: tuple[Any, ...], place: Place | None, has_aux: bool
) -> Any:
    """As `vjp`, for a transform of this name; `place` says how the leaves are reached where they are no primals."""
    scope = TapeScope()
    outermost = not scope.is_nested(sys._getframe(1))
    leaves, structure = tree.flatten(primals)
    place = place or among_primals(structure)
    try:
        if outermost:
            scope.open(nested=False)
        floor = lib.pyad_node_count()
        inputs = make_leaves(name, leaves, place)
        avals = input_avals(leaves)
        handles = [x._h for x in inputs]  # the function may write into the arrays
        y, aux = call_user(function, list(structure.unflatten(inputs)), {}, has_aux)
        y_leaves, y_structure = tree.flatten(y)
        aux_leaves, aux_structure = tree.flatten(aux) if has_aux else ([], None)
        check_outputs(name, y_leaves)
        # Copies: the arrays themselves are the caller's, who may write into them.
        outputs = [copy_of(x) if is_traced(x) else constant_leaf(x) for x in y_leaves]
        results = [*y_leaves, *aux_leaves]
        if outermost:
            results = [memory.read(x._h, share=False) if is_traced(x) else x for x in results]
        pullback = Pullback(handles, outputs, avals, structure, y_structure, floor)
        if outermost:
            pullback.saved = SavedTape(scope)
    finally:
        if outermost:
            scope.close()
    value = y_structure.unflatten(results[: len(y_leaves)])
    if has_aux:
        return value, pullback, aux_structure.unflatten(results[len(y_leaves) :])
    return value, pullback
