"""Layers as functions of their parameters and input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pyad._ops.linalg import matmul
from pyad.nn import _activations

__all__ = ["dense", "mlp"]

Activation = str | Callable[..., Any]


def dense(params: dict[Any, Any], x: Any) -> Any:
    """A dense layer, `x @ w + b`.

    Args:
        params: `{"w": w, "b": b}` with `w` of shape (inputs, outputs) and `b` of shape (outputs,).
        x: Array of shape (..., inputs), usually (batch, inputs).

    Returns:
        Array of shape (..., outputs) and the common dtype.

    Raises:
        KeyError: There is no "w" or "b".
        ValueError: The shapes do not fit.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad import nn
    >>> params = {"w": np.ones((3, 2)), "b": np.zeros(2)}
    >>> nn.dense(params, np.ones((1, 3)))
    array([[3., 3.]])
    >>> pyad.grad(lambda params: np.sum(nn.dense(params, np.ones((4, 3)))))(params)["b"]
    array([4., 4.])
    """
    return matmul.affine(x, params["w"], params["b"])


def mlp(params: Sequence[dict[Any, Any]], x: Any, activations: Activation | Sequence[Activation] = "relu") -> Any:
    """A multilayer perceptron: dense layers, each followed by its activation.

    Args:
        params: The parameters of each layer, as `init_mlp` gives them; see `dense`.
        x: Array of shape (..., inputs of the first layer).
        activations: One activation for all layers but the last, which then has none; or a sequence of one for every
            layer, the last included. Each is a name ("identity", "relu", "sigmoid", "softplus", "tanh") or a function.

    Returns:
        Array of shape (..., outputs of the last layer).

    Raises:
        TypeError: An activation is neither a name nor a function.
        ValueError: The shapes do not fit, an activation is unknown, or their number is not that of the layers.

    >>> import numpy as np
    >>> from pyad import nn
    >>> params = [{"w": np.ones((2, 3)), "b": np.zeros(3)}, {"w": np.ones((3, 1)), "b": np.zeros(1)}]
    >>> nn.mlp(params, np.ones((1, 2)), "relu")
    array([[6.]])
    >>> nn.mlp(params, np.ones((1, 2)), ["identity", lambda x: -x])
    array([[-6.]])
    """
    for layer, activation in zip(params, _per_layer(activations, len(params)), strict=True):
        x = activation(matmul.affine(x, layer["w"], layer["b"]))
    return x


def _per_layer(activations: Activation | Sequence[Activation], layers: int) -> list[Callable[..., Any]]:
    if isinstance(activations, str) or callable(activations):
        return [_activations.get(activations)] * (layers - 1) + [_activations.identity] * min(layers, 1)
    if len(activations) != layers:
        raise ValueError(
            f"{len(activations)} activations were given for {layers} layers; give one for every layer, "
            "the last included, or a single one for all layers but the last"
        )
    return [_activations.get(activation) for activation in activations]
