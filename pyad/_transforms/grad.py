"""The transforms: functions of functions that give derivatives.

Each one marks the tape, makes fresh leaves of the inputs, runs the function, sweeps between the leaves and the outputs,
and cuts the tape back, whether the function returns or raises. Derivatives are asked for by node, so nested transforms
cannot be confused with each other. Where a result depends on an enclosing transform's inputs, the sweep itself is
recorded, which is what makes derivatives of any order.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pyad import tree
from pyad._binding import engine
from pyad._binding.engine import F64, lib
from pyad._trace.array import Array, constant, copy_of, is_traced, wrap
from pyad._trace.discrete import is_staged, without_derivative
from pyad._transforms.pullback import Pullback, SavedTape, seed_of
from pyad._transforms.scope import (
    FORWARD,
    RECORDED,
    ArgNums,
    Scope,
    Selection,
    call_user,
    check_function,
    checked_avals,
    input_avals,
    make_leaves,
    sweep,
    sweep_gradient,
    tangents_for,
)
from pyad.errors import DTypeError, ShapeError

__all__ = ["grad", "hessian", "hvp", "jacobian", "jvp", "stop_gradient", "value_and_grad", "vjp"]


# ---- reverse mode ----


def _check_output_kind(name: str, dtype: np.dtype, holomorphic: bool) -> None:
    """Raise where an output is complex and the function is not said to be holomorphic, or the other way round."""
    if holomorphic and dtype.kind != "c":
        raise DTypeError(f"{name}: with holomorphic=True the function must return complex values, got dtype {dtype}")
    if dtype.kind == "c" and not holomorphic:
        raise DTypeError(
            f"{name}: the function must return a real number, got dtype {dtype}; for a holomorphic function of complex "
            "inputs pass holomorphic=True, otherwise take np.real or np.imag of the output, or use pyad.vjp"
        )
    if dtype.kind not in "fiubc":
        raise DTypeError(f"{name}: the function must return a real number, got dtype {dtype}")


def _check_holomorphic(name: str, leaves: list[Any]) -> None:
    for x in leaves:
        dtype = x.dtype if is_traced(x) else np.asarray(x).dtype
        if dtype.kind != "c":
            raise DTypeError(f"{name}: with holomorphic=True inputs must be complex, got dtype {dtype}")


def _scalar_output(name: str, y: Any, holomorphic: bool) -> None:
    if is_traced(y):
        if y.ndim == 0:
            _check_output_kind(name, y.dtype, holomorphic)
            return
        shape: Any = y.shape
    elif isinstance(y, float | int | complex | np.generic | np.ndarray) and np.ndim(y) == 0:
        _check_output_kind(name, np.asarray(y).dtype, holomorphic)
        return
    elif isinstance(y, np.ndarray):
        shape = y.shape
    else:
        hint = "; with has_aux=True it may return (scalar, anything)" if type(y) is tuple and len(y) == 2 else ""
        raise TypeError(f"{name}: the function must return a scalar, got {type(y).__name__}{hint}")
    raise ShapeError(
        f"{name}: the function must return a scalar, got an array of shape {shape}; reduce it (np.sum, "
        "np.mean), or use "
        "pyad.vjp or pyad.jacobian"
    )


@engine.holds_mark
def _value_and_grad(
    name: str,
    function: Callable[..., Any],
    select: Selection,
    keywords: dict[str, Any],
    has_aux: bool,
    holomorphic: bool,
) -> tuple[Any, Any, Any]:
    if holomorphic:
        _check_holomorphic(name, select.leaves)
    scope = Scope()
    try:
        scope.open()
        avals = checked_avals(name, select.leaves)
        inputs = make_leaves(name, select.leaves)
        handles = [x._h for x in inputs]  # the function may write into the arrays
        y, aux = call_user(function, select.call_args(inputs), keywords, has_aux)
        _scalar_output(name, y, holomorphic)
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
    """A function that gives the value of `function` and its gradient.

    The function takes float or complex numbers and arrays, or tuples, lists and dicts of them, in the arguments named
    by `argnums`, and returns a real scalar; with `has_aux`, a pair of a scalar and anything. The gradient by a complex
    z = x + iy is du/dx - i du/dy. With `holomorphic`, inputs and output are complex, and the gradient is f'(z).

    The gradient has the structure, shapes and dtypes of the chosen argument, or is a tuple of such for several
    `argnums`. Zeros where the value does not depend on an input. Returns (value, gradient), or
    ((value, aux), gradient).

    Raises:
        DTypeError: an input that is neither float nor complex, or a complex value without `holomorphic`.
        ShapeError: the value is not a scalar.
        ValueError: `argnums` out of range.

    >>> import numpy as np
    >>> import pyad
    >>> pyad.value_and_grad(lambda x: np.sum(x ** 2))(np.array([1.0, 2.0]))
    (np.float64(5.0), array([2., 4.]))
    """

    check_function("value_and_grad", function)

    @functools.wraps(function, updated=())
    def value_and_gradient(*args: Any, **keywords: Any) -> Any:
        select = Selection("value_and_grad", args, argnums)
        y, gradient, aux = _value_and_grad("value_and_grad", function, select, keywords, has_aux, holomorphic)
        return ((y, aux), gradient) if has_aux else (y, gradient)

    return value_and_gradient


def grad(
    function: Callable[..., Any], argnums: ArgNums = 0, has_aux: bool = False, holomorphic: bool = False
) -> Callable[..., Any]:
    """A function that gives the gradient of `function`; as `value_and_grad` without the value.

    With `has_aux` it returns (gradient, aux).

    >>> import numpy as np
    >>> import pyad
    >>> pyad.grad(np.sin)(0.0)
    np.float64(1.0)
    >>> pyad.grad(pyad.grad(lambda x: x ** 3))(2.0)
    np.float64(12.0)
    """

    check_function("grad", function)

    @functools.wraps(function, updated=())
    def gradient_of(*args: Any, **keywords: Any) -> Any:
        select = Selection("grad", args, argnums)
        _, gradient, aux = _value_and_grad("grad", function, select, keywords, has_aux, holomorphic)
        return (gradient, aux) if has_aux else gradient

    return gradient_of


@engine.holds_mark
def vjp(function: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The value of a function and its pullback, which maps a cotangent of the value to cotangents of the primals.

    The primals and the value are float or complex numbers and arrays, or containers of them. Returns (value, pullback),
    with `has_aux` (value, pullback, aux). The pullback returns a tuple, one entry per primal, may be called any number
    of times, and is linear; its argument has the value's structure and shapes.

    Raises:
        DTypeError: an input that is neither float nor complex.
        ShapeError: (by the pullback) a cotangent whose shape is not the value's.
        MutationError: (by the pullback) an array it needs was changed in between.

    >>> import numpy as np
    >>> import pyad
    >>> y, pullback = pyad.vjp(np.sin, 0.0)
    >>> pullback(2.0)
    (np.float64(2.0),)
    """
    check_function("vjp", function)
    scope = Scope()
    outermost = not scope.is_nested(sys._getframe(1))
    leaves, structure = tree.flatten(primals)
    try:
        if outermost:
            scope.open(nested=False)
        floor = lib.pyad_node_count()
        avals = checked_avals("vjp", leaves)
        inputs = make_leaves("vjp", leaves)
        handles = [x._h for x in inputs]  # the function may write into the arrays
        y, aux = call_user(function, list(structure.unflatten(inputs)), {}, has_aux)
        y_leaves, y_structure = tree.flatten(y)
        aux_leaves, aux_structure = tree.flatten(aux) if has_aux else ([], None)
        _check_outputs("vjp", y_leaves)
        # Copies: the arrays themselves are the caller's, who may write into them.
        outputs = [copy_of(x) if is_traced(x) else _constant_leaf(x) for x in y_leaves]
        results = [*y_leaves, *aux_leaves]
        if outermost:
            results = [engine.materialize(x._h, share=False) if is_traced(x) else x for x in results]
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


def _check_outputs(name: str, leaves: list[Any]) -> None:
    for x in leaves:
        if is_traced(x):
            continue
        if not isinstance(x, float | int | complex | np.ndarray | np.generic):
            raise TypeError(
                f"{name}: the function must return numbers, arrays or containers of them, got {type(x).__name__}"
            )
        dtype = np.asarray(x).dtype
        if dtype.kind not in "fiubc":
            raise DTypeError(f"{name}: the function must return numbers and arrays of numbers, got dtype {dtype}")


def _constant_leaf(x: Any) -> Array:
    array = np.asarray(x)
    dtype = array.dtype if array.dtype in engine.INEXACT else F64
    return wrap(constant(array, dtype))


# ---- forward mode ----


@engine.holds_mark
def jvp(
    function: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False
) -> tuple[Any, ...]:
    """The value of a function and its derivative along `tangents`.

    `primals` and `tangents` are tuples of the same structure and shapes. Returns (value, tangent of the value), with
    `has_aux` (value, tangent, aux).

    Raises:
        TypeError: primals and tangents are not tuples (or lists) of the same structure.
        DTypeError: an input that is neither float nor complex.
        ShapeError: a tangent whose shape is not its primal's.

    >>> import numpy as np
    >>> import pyad
    >>> pyad.jvp(np.sin, (0.0,), (2.0,))
    (np.float64(0.0), np.float64(2.0))
    """
    check_function("jvp", function)
    _check_sequences("jvp", primals, tangents)
    leaves, structure = tree.flatten(tuple(primals))
    t_leaves = tangents_for("jvp", structure, tuple(tangents))
    scope = Scope()
    try:
        scope.open(keep_all=True)
        checked_avals("jvp", leaves)
        inputs = make_leaves("jvp", leaves)
        handles = [x._h for x in inputs]  # the function may write into the arrays
        y, aux = call_user(function, list(structure.unflatten(inputs)), {}, has_aux)
        y_leaves, y_structure = tree.flatten(y)
        aux_leaves, aux_structure = tree.flatten(aux) if has_aux else ([], None)
        _check_outputs("jvp", y_leaves)
        dots = _push(scope, handles, t_leaves, y_leaves)
        finished = scope.finish([*y_leaves, *dots, *aux_leaves])
    finally:
        scope.close()
    n = len(y_leaves)
    out = (y_structure.unflatten(finished[:n]), y_structure.unflatten(finished[n : 2 * n]))
    return (*out, aux_structure.unflatten(finished[2 * n :])) if has_aux else out


def _check_sequences(name: str, primals: Any, tangents: Any) -> None:
    if not isinstance(primals, tuple | list) or not isinstance(tangents, tuple | list):
        raise TypeError(
            f"{name}: primals and tangents must be tuples or lists, got {type(primals).__name__} and "
            f"{type(tangents).__name__}"
        )


def _push(scope: Scope, handles: list[int], tangents: list[Any], outputs: list[Any]) -> list[Any]:
    """Tangents of the outputs; zeros for those that are not traced."""
    traced = [y for y in outputs if is_traced(y)]
    outer = any(map(scope.is_outer, [*traced, *tangents]))
    seeds = [(x, seed_of("jvp", x, t)) for x, t in zip(handles, tangents, strict=True)]
    results = [y._h for y in traced]
    flags = FORWARD | (RECORDED if outer else 0)
    found = iter(sweep(flags, results, handles, seeds, results, input_avals(traced)))
    return [next(found) if is_traced(y) else _no_tangent(y) for y in outputs]


def _no_tangent(y: Any) -> Any:
    dtype = np.asarray(y).dtype
    return np.zeros(np.shape(y), dtype if dtype.kind in "fc" else F64)[()]


# ---- derivatives of higher order and of vectors ----


def jacobian(
    function: Callable[..., Any], argnums: ArgNums = 0, has_aux: bool = False, holomorphic: bool = False
) -> Callable[..., Any]:
    """A function that gives the Jacobian of `function`, row by row in reverse mode over one recording.

    For an output of shape s and an input of shape t the Jacobian has shape s + t. Containers nest: the output's
    containers outside, the chosen argument's inside. Complex outputs need `holomorphic`, as in `grad`.

    >>> import numpy as np
    >>> import pyad
    >>> pyad.jacobian(lambda x: x ** 2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """

    check_function("jacobian", function)

    @functools.wraps(function, updated=())
    def jacobian_of(*args: Any, **keywords: Any) -> Any:
        select = Selection("jacobian", args, argnums)
        if holomorphic:
            _check_holomorphic("jacobian", select.leaves)

        def chosen(leaves: list[Any]) -> Any:
            return function(*select.call_args(leaves), **keywords)

        y, pullback, *aux = vjp(chosen, select.leaves, has_aux=has_aux)
        y_leaves, y_structure = tree.flatten(y)
        for x in y_leaves:
            _check_output_kind("jacobian", x.dtype if is_traced(x) else np.asarray(x).dtype, holomorphic)
        rows = [_jacobian_rows(pullback, y_leaves, k, select) for k in range(len(y_leaves))]
        out = y_structure.unflatten(rows)
        return (out, aux[0]) if has_aux else out

    return jacobian_of


def _jacobian_rows(pullback: Pullback, y_leaves: list[Any], which: int, select: Selection) -> Any:
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

    For an argument of shape t the Hessian has shape t + t; containers nest as in `jacobian`. Of complex arguments only
    a function that is `holomorphic` has one; write others as a function of real and imaginary parts.

    >>> import numpy as np
    >>> import pyad
    >>> pyad.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    check_function("hessian", function)
    return jacobian(grad(function, argnums, has_aux, holomorphic), argnums, has_aux, holomorphic)


def hvp(function: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    """The Hessian of a scalar function times a vector, at about the cost of two gradients.

    `primals` and `tangents` are tuples of the same structure, as in `jvp`. The product has the structure of the primal,
    or is a tuple of such where there are several primals (the Hessian is then that of all of them together). With
    `has_aux`, (product, aux). Forward over reverse: Pearlmutter, Fast exact multiplication by the Hessian, 1994.

    >>> import numpy as np
    >>> import pyad
    >>> pyad.hvp(lambda x: np.sum(x ** 3), (np.array([1.0, 2.0]),), (np.array([1.0, 0.0]),))
    array([6., 0.])
    """
    check_function("hvp", function)
    _check_sequences("hvp", primals, tangents)
    primals = tuple(primals)
    argnums: ArgNums = 0 if len(primals) == 1 else tuple(range(len(primals)))
    _, product, *aux = jvp(grad(function, argnums, has_aux), primals, tuple(tangents), has_aux)
    return (product, aux[0]) if has_aux else product


def stop_gradient(x: Any) -> Any:
    """The value of x without its derivative: a plain NumPy array or scalar. Containers are gone through.

    >>> import pyad
    >>> pyad.grad(lambda x: x * pyad.stop_gradient(x))(3.0)
    np.float64(3.0)
    """
    if is_traced(x):
        return without_derivative(x) if is_staged() else engine.materialize(x._h, share=False)
    leaves, structure = tree.flatten(x)
    if len(leaves) == 1 and leaves[0] is x:
        return x
    return structure.unflatten([stop_gradient(leaf) for leaf in leaves])
