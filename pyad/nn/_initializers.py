"""Initial weights drawn from a `numpy.random.Generator`.

Fan-in and fan-out are the numbers of inputs and outputs of a unit: the last two axes of the shape, times the product of
the axes before them (the receptive field of a convolution). Glorot's initialisers keep the variance of activations and
of gradients level through layers that are linear around 0, such as tanh's; He's do so for the forward pass of
ReLU layers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "init_dense", "init_mlp"]


def glorot_uniform(rng: np.random.Generator, shape: Sequence[int], dtype: Any = np.float32) -> np.ndarray:
    """Weights uniform in ±sqrt(6 / (fan_in + fan_out)): X. Glorot and Y. Bengio, "Understanding the difficulty of
    training deep feedforward neural networks", AISTATS 2010, equation 16.

    Args:
        rng: Generator, e.g. `numpy.random.default_rng(0)`.
        shape: At least two axes, the last two being (inputs, outputs).
        dtype: float32 or float64.

    Returns:
        New array of that shape and dtype.

    Raises:
        TypeError: `rng` is no Generator, or the dtype another.
        ValueError: The shape has fewer than two axes, or no inputs or outputs.

    >>> import numpy as np
    >>> from pyad import nn
    >>> nn.glorot_uniform(np.random.default_rng(0), (2, 2)).round(3)
    array([[ 0.859,  0.335],
           [ 0.027, -0.564]], dtype=float32)
    """
    fan_in, fan_out = _fans(shape)
    return _uniform(rng, shape, dtype, 2 / (fan_in + fan_out))


def glorot_normal(rng: np.random.Generator, shape: Sequence[int], dtype: Any = np.float32) -> np.ndarray:
    """Normal weights of variance 2 / (fan_in + fan_out): Glorot and Bengio 2010, equation 12.

    Args:
        rng: Generator, as in `glorot_uniform`.
        shape: At least two axes, the last two being (inputs, outputs).
        dtype: float32 or float64.

    Returns:
        New array of that shape and dtype.

    Raises:
        TypeError, ValueError: As in `glorot_uniform`.

    >>> import numpy as np
    >>> from pyad import nn
    >>> nn.glorot_normal(np.random.default_rng(0), (2, 2), np.float64).round(3)
    array([[ 0.089, -0.093],
           [ 0.453,  0.074]])
    """
    fan_in, fan_out = _fans(shape)
    return _normal(rng, shape, dtype, 2 / (fan_in + fan_out))


def he_uniform(rng: np.random.Generator, shape: Sequence[int], dtype: Any = np.float32) -> np.ndarray:
    """Weights uniform in ±sqrt(6 / fan_in), which has the variance of `he_normal`.

    Args:
        rng: Generator, as in `glorot_uniform`.
        shape: At least two axes, the last two being (inputs, outputs).
        dtype: float32 or float64.

    Returns:
        New array of that shape and dtype.

    Raises:
        TypeError, ValueError: As in `glorot_uniform`.

    >>> import numpy as np
    >>> from pyad import nn
    >>> nn.he_uniform(np.random.default_rng(0), (2, 2)).round(3)
    array([[ 1.215,  0.474],
           [ 0.039, -0.797]], dtype=float32)
    """
    return _uniform(rng, shape, dtype, 2 / _fans(shape)[0])


def he_normal(rng: np.random.Generator, shape: Sequence[int], dtype: Any = np.float32) -> np.ndarray:
    """Normal weights of variance 2 / fan_in: K. He, X. Zhang, S. Ren and J. Sun, "Delving deep into rectifiers:
    surpassing human-level performance on ImageNet classification", ICCV 2015, equation 10.

    Args:
        rng: Generator, as in `glorot_uniform`.
        shape: At least two axes, the last two being (inputs, outputs).
        dtype: float32 or float64.

    Returns:
        New array of that shape and dtype.

    Raises:
        TypeError, ValueError: As in `glorot_uniform`.

    >>> import numpy as np
    >>> from pyad import nn
    >>> nn.he_normal(np.random.default_rng(0), (2, 2), np.float64).round(3)
    array([[ 0.126, -0.132],
           [ 0.64 ,  0.105]])
    """
    return _normal(rng, shape, dtype, 2 / _fans(shape)[0])


def init_dense(
    rng: np.random.Generator,
    inputs: int,
    outputs: int,
    init: Callable[..., Any] = glorot_uniform,
    dtype: Any = np.float32,
) -> dict[str, np.ndarray]:
    """Parameters of a dense layer: the weights by `init`, the bias zero.

    Args:
        rng: Generator, e.g. `numpy.random.default_rng(0)`.
        inputs: Number of inputs, at least 1.
        outputs: Number of outputs, at least 1.
        init: One of the initialisers of this module, or a function of (rng, shape, dtype).
        dtype: float32 or float64.

    Returns:
        `{"w": w, "b": b}`, of shapes (inputs, outputs) and (outputs,).

    Raises:
        TypeError, ValueError: What `init` raises; see `glorot_uniform`.

    >>> import numpy as np
    >>> from pyad import nn
    >>> layer = nn.init_dense(np.random.default_rng(0), 3, 2)
    >>> layer["w"].shape, layer["b"]
    ((3, 2), array([0., 0.], dtype=float32))
    """
    return {"w": init(rng, (inputs, outputs), dtype), "b": np.zeros(outputs, dtype)}


def init_mlp(
    rng: np.random.Generator,
    sizes: Sequence[int],
    init: Callable[..., Any] = glorot_uniform,
    dtype: Any = np.float32,
) -> list[dict[str, np.ndarray]]:
    """Parameters of a multilayer perceptron, one dense layer between each two neighbours of `sizes`.

    Args:
        rng: Generator, e.g. `numpy.random.default_rng(0)`.
        sizes: Numbers of units, from the input to the output; at least two.
        init: One of the initialisers of this module, or a function of (rng, shape, dtype).
        dtype: float32 or float64.

    Returns:
        A list of what `init_dense` returns, which `mlp` takes.

    Raises:
        ValueError: There are fewer than two sizes.
        TypeError, ValueError: What `init` raises; see `glorot_uniform`.

    >>> import numpy as np
    >>> from pyad import nn
    >>> [layer["w"].shape for layer in nn.init_mlp(np.random.default_rng(0), [64, 32, 10])]
    [(64, 32), (32, 10)]
    """
    if len(sizes) < 2:
        raise ValueError(f"sizes needs at least the number of inputs and of outputs, got {list(sizes)}")
    return [init_dense(rng, *pair, init, dtype) for pair in itertools.pairwise(sizes)]


def _fans(shape: Sequence[int]) -> tuple[int, int]:
    if len(shape) < 2:
        raise ValueError(f"fan-in and fan-out need a shape of at least two axes, got {tuple(shape)}")
    field = math.prod(shape[:-2])
    fan_in, fan_out = shape[-2] * field, shape[-1] * field
    if fan_in < 1 or fan_out < 1:
        raise ValueError(f"a layer needs at least one input and one output, got the shape {tuple(shape)}")
    return fan_in, fan_out


def _uniform(rng: np.random.Generator, shape: Sequence[int], dtype: Any, variance: float) -> np.ndarray:
    # The variance of a uniform number in ±a is a²/3.
    limit = math.sqrt(3 * variance)
    drawn = _generator(rng).random(shape, dtype=_float_dtype(dtype))
    return drawn * (2 * limit) - limit


def _normal(rng: np.random.Generator, shape: Sequence[int], dtype: Any, variance: float) -> np.ndarray:
    return _generator(rng).standard_normal(shape, dtype=_float_dtype(dtype)) * math.sqrt(variance)


def _generator(rng: np.random.Generator) -> np.random.Generator:
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng must be a numpy.random.Generator such as numpy.random.default_rng(0), got {rng!r}")
    return rng


def _float_dtype(dtype: Any) -> np.dtype:
    dtype = np.dtype(dtype)
    if dtype not in (np.float32, np.float64):
        raise TypeError(f"parameters are float32 or float64, got {dtype}")
    return dtype
