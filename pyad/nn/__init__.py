"""Small networks as functions over plain trees of NumPy arrays: layers, losses, initialisers, optimisers, training.

Parameters are tuples, lists and dicts of NumPy arrays; nothing here holds them or wraps them. A network is a function
`f(params, x)`, a loss a function `loss(params, *batch)` that returns a scalar, and `pyad.grad` differentiates either.

>>> import numpy as np
>>> import pyad
>>> from pyad import nn
>>> params = nn.init_mlp(np.random.default_rng(0), [2, 8, 1])
>>> x = np.ones((4, 2), np.float32)
>>> gradients = pyad.grad(lambda params: nn.mse(nn.mlp(params, x), np.zeros((4, 1), np.float32)))(params)
>>> gradients[0]["w"].shape
(2, 8)
"""

from pyad.nn._activations import identity, relu, sigmoid, softplus, tanh
from pyad.nn._initializers import (
    glorot_normal,
    glorot_uniform,
    he_normal,
    he_uniform,
    init_dense,
    init_mlp,
)
from pyad.nn._layers import dense, mlp
from pyad.nn._losses import accuracy, mse, softmax_cross_entropy, squared_error
from pyad.nn._optimizers import SGD, Adam
from pyad.nn._training import fit, minibatches

__all__ = [
    "SGD",
    "Adam",
    "accuracy",
    "dense",
    "fit",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "init_dense",
    "init_mlp",
    "minibatches",
    "mlp",
    "mse",
    "relu",
    "sigmoid",
    "softmax_cross_entropy",
    "softplus",
    "squared_error",
    "tanh",
]
