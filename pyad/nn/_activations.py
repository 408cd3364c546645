"""Activation functions, by name or as functions, elementwise over arrays of any shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyad._ops import activations, explog_trig

__all__ = ["get", "identity", "relu", "sigmoid", "softplus", "tanh"]


def identity(x: Any) -> Any:
    """Return `x` itself.

    Args:
        x: Anything.

    Returns:
        The same object.

    >>> from pyad import nn
    >>> nn.identity(2.0)
    2.0
    """
    return x


def relu(x: Any) -> Any:
    """`max(x, 0)`, entry by entry; its derivative at 0 is taken to be 0.

    Args:
        x: Real number or array of any shape.

    Returns:
        Array of the shape and dtype of `x`.

    Raises:
        DTypeError: `x` is complex.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad import nn
    >>> nn.relu(np.array([-2.0, 3.0]))
    array([0., 3.])
    >>> pyad.grad(lambda x: np.sum(nn.relu(x)))(np.array([-2.0, 0.0, 3.0]))
    array([0., 0., 1.])
    """
    return activations.relu(x)


def sigmoid(x: Any) -> Any:
    """The logistic function `1 / (1 + exp(-x))`, entry by entry, without overflow for any `x`.

    Args:
        x: Real number or array of any shape.

    Returns:
        Array of the shape and floating dtype of `x`; float64 for integers.

    Raises:
        DTypeError: `x` is complex.

    >>> import pyad
    >>> from pyad import nn
    >>> pyad.value_and_grad(nn.sigmoid)(0.0)
    (np.float64(0.5), np.float64(0.25))
    """
    return explog_trig.sigmoid(x)


def softplus(x: Any) -> Any:
    """`log(1 + exp(x))`, entry by entry, without overflow for any `x`; its derivative is the sigmoid.

    Args:
        x: Real number or array of any shape.

    Returns:
        Array of the shape and floating dtype of `x`; float64 for integers.

    Raises:
        DTypeError: `x` is complex.

    >>> import pyad
    >>> from pyad import nn
    >>> pyad.value_and_grad(nn.softplus)(1000.0)
    (np.float64(1000.0), np.float64(1.0))
    """
    return activations.softplus(x)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent, entry by entry.

    Args:
        x: Number or array of any shape, real or complex.

    Returns:
        Array of the shape and floating dtype of `x`; float64 for integers.

    Raises:
        TypeError: `x` is no array of numbers.

    >>> import pyad
    >>> from pyad import nn
    >>> pyad.value_and_grad(nn.tanh)(0.0)
    (np.float64(0.0), np.float64(1.0))
    """
    return explog_trig.tanh(x)


# The operations themselves, which saves the call in between.
_BY_NAME = {
    "identity": identity,
    "relu": activations.relu,
    "sigmoid": explog_trig.sigmoid,
    "softplus": activations.softplus,
    "tanh": explog_trig.tanh,
}


def get(activation: str | Callable) -> Callable:
    """The activation of a name, or the function itself where a function is given.

    Raises:
        ValueError: If there is no activation of that name.
        TypeError: If it is neither a name nor callable.

    >>> float(get("relu")(-3.0))
    0.0
    """
    if isinstance(activation, str):
        if activation not in _BY_NAME:
            raise ValueError(f"unknown activation {activation!r}; known are {', '.join(sorted(_BY_NAME))}")
        return _BY_NAME[activation]
    if not callable(activation):
        raise TypeError(f"an activation is a name or a function, got {type(activation).__name__}")
    return activation
