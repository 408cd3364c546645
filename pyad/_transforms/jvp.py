"""Forward mode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pyad import tree
from pyad._binding import engine
from pyad._binding.dtypes import F64
from pyad._trace.array import is_traced
from pyad._transforms.argnums import check_function, tangents_for
from pyad._transforms.leaves import among_primals, input_avals, make_leaves
from pyad._transforms.outputs import check_outputs
from pyad._transforms.pullback import seed_of
from pyad._transforms.scope import TapeScope, call_user
from pyad._transforms.sweep import FORWARD, RECORDED, sweep


@engine.holds_mark
def jvp(
    function: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False
) -> tuple[Any, ...]:
    """The value of a function and its derivative along `tangents`, in forward mode.

    Args:
        function: Takes the primals and returns float or complex numbers and arrays, or containers of them.
        primals: Tuple of its arguments: float or complex numbers and arrays, or containers of them.
        tangents: Tuple of the same structure and shapes.
        has_aux: Whether the function returns a pair of a value and anything else.

    Returns:
        (value, tangent of the value), with `has_aux` (value, tangent, aux).

    Raises:
        TypeError: Primals and tangents are not tuples (or lists) of the same structure.
        DTypeError: An input that is neither float nor complex.
        ShapeError: A tangent whose shape is not its primal's.

    >>> import numpy as np
    >>> import pyad
    >>> pyad.jvp(np.sin, (0.0,), (2.0,))
    (np.float64(0.0), np.float64(2.0))
    """
    check_function("jvp", function)
    check_sequences("jvp", primals, tangents)
    leaves, structure = tree.flatten(tuple(primals))
    t_leaves = tangents_for("jvp", structure, tuple(tangents))
    place = among_primals(structure)
    scope = TapeScope()
    try:
        scope.open(keep_all=True)
        inputs = make_leaves("jvp", leaves, place)
        handles = [x._h for x in inputs]  # the function may write into the arrays
        y, aux = call_user(function, list(structure.unflatten(inputs)), {}, has_aux)
        y_leaves, y_structure = tree.flatten(y)
        aux_leaves, aux_structure = tree.flatten(aux) if has_aux else ([], None)
        check_outputs("jvp", y_leaves)
        dots = _push(scope, handles, t_leaves, y_leaves)
        finished = scope.finish([*y_leaves, *dots, *aux_leaves])
    finally:
        scope.close()
    n = len(y_leaves)
    out = (y_structure.unflatten(finished[:n]), y_structure.unflatten(finished[n : 2 * n]))
    return (*out, aux_structure.unflatten(finished[2 * n :])) if has_aux else out


def check_sequences(name: str, primals: Any, tangents: Any) -> None:
    if not isinstance(primals, tuple | list) or not isinstance(tangents, tuple | list):
        raise TypeError(
            f"{name}: primals and tangents must be tuples or lists, got {type(primals).__name__} and "
            f"{type(tangents).__name__}"
        )


def _push(scope: TapeScope, handles: list[int], tangents: list[Any], outputs: list[Any]) -> list[Any]:
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
