"""Derivatives without keeping what was computed: the function is run again in the backward pass."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from pyad._transforms import recompute
from pyad._transforms.argnums import check_function
from pyad._transforms.primitive import defjvp_argnums, defvjp_argnums, primitive
from pyad._transforms.transformed import TransformedFunction


def checkpoint(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, of whose intermediate values none are kept for the backward pass: it is run again there.

    A chain of n checkpointed steps keeps the arguments of each step and the intermediate values of one, for the price
    of one more forward pass (A. Griewank and A. Walther, "Algorithm 799: Revolve", 2000). Derivatives are by positional
    arguments, and work in both modes to any order.

    Args:
        function: A function that gives the same value each time it is run.

    Returns:
        A function to be called in its place. It raises ConcretizationError where the function takes a traced value from
        outside.

    Raises:
        TypeError: `function` is no function.

    >>> import numpy as np
    >>> import pyad
    >>> step = pyad.checkpoint(lambda x: np.sin(np.exp(x)))
    >>> pyad.grad(lambda x: step(step(x)))(0.0).round(6)
    np.float64(-0.853417)
    """
    check_function("checkpoint", function)
    checkpointed = primitive(function)

    def pullback(argnums: Sequence[int], ans: Any, args: Any, keywords: Any) -> Callable[[Any], Any]:
        return lambda g: recompute.pull(functools.partial(function, **keywords), argnums, args, g)

    def push(argnums: Sequence[int], gs: Any, ans: Any, args: Any, keywords: Any) -> Any:
        return recompute.push(functools.partial(function, **keywords), argnums, args, gs)

    defvjp_argnums(checkpointed, pullback)
    defjvp_argnums(checkpointed, push)
    return TransformedFunction.of(checkpointed, checkpoint, function)
