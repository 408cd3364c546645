"""One training step of a multilayer perceptron, float32: loss, gradients and the update by gradient descent.

The two small networks have tanh in the hidden layers, the two large ones relu. One output means mean squared error,
ten mean cross-entropy from logits. Weights are (inputs, outputs); PyTorch has them the other way round, as its `linear`
wants them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from harness import Case, Goal, Probe, timer

from cases.common import BY_HAND, PRODUCTS, PYAD, PYTORCH, agreement, import_torch

LEARNING_RATE = 1e-4


@dataclass(frozen=True)
class Setting:
    """Batch, layer sizes and hidden activation of one network."""

    name: str
    batch: int
    sizes: tuple[int, ...]
    activation: str

    @property
    def title(self) -> str:
        return f"({self.batch}, {list(self.sizes)})"

    @property
    def regression(self) -> bool:
        return self.sizes[-1] == 1

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (batch, inputs) and targets: (batch, 1) numbers or (batch,) classes. The same on every call."""
        rng = np.random.default_rng(7)
        x = rng.standard_normal((self.batch, self.sizes[0]), dtype=np.float32)
        if self.regression:
            return x, rng.standard_normal((self.batch, 1), dtype=np.float32)
        return x, rng.integers(0, self.sizes[-1], self.batch)

    def parameters(self) -> list[dict[str, np.ndarray]]:
        """One {"w", "b"} per layer. The same on every call, and new arrays, since a step writes into them."""
        rng = np.random.default_rng(11)
        layers = []
        for inputs, outputs in zip(self.sizes[:-1], self.sizes[1:], strict=True):
            scale = np.float32((2.0 / (inputs + outputs)) ** 0.5)
            w = rng.standard_normal((inputs, outputs), dtype=np.float32) * scale
            b = rng.standard_normal(outputs, dtype=np.float32) * np.float32(0.1)
            layers.append({"w": w, "b": b})
        return layers


SETTINGS = [
    Setting("mlp-tiny", 32, (8, 16, 16, 1), "tanh"),
    Setting("mlp-small", 64, (64, 128, 128, 10), "tanh"),
    Setting("mlp-medium", 128, (784, 512, 512, 10), "relu"),
    Setting("mlp-large", 512, (1024, 2048, 2048, 10), "relu"),
]


@dataclass(frozen=True)
class Contestant:
    """`step` trains once, in place; `gradients` gives w, b, w, b, ... at the present parameters without training."""

    step: Callable[[], Any]
    gradients: Callable[[], list[Any]] | None = None


def pyad_step(setting: Setting) -> Contestant:
    import pyad
    from pyad import nn

    params = setting.parameters()
    x, y = setting.data()
    error = nn.mse if setting.regression else nn.softmax_cross_entropy

    def loss(params: Any, x: Any, y: Any) -> Any:
        return error(nn.mlp(params, x, setting.activation), y)

    value_and_grad = pyad.value_and_grad(loss)
    optimiser = nn.SGD(LEARNING_RATE)
    state = optimiser.init(params)

    def step() -> Any:
        value, grads = value_and_grad(params, x, y)
        optimiser.update(params, grads, state)
        return value

    def gradients() -> list[Any]:
        _, grads = value_and_grad(params, x, y)
        return [layer[key] for layer in grads for key in ("w", "b")]

    return Contestant(step, gradients)


def pytorch_step(setting: Setting) -> Contestant:
    torch = import_torch()
    functional = torch.nn.functional
    # Copies, so that a tensor does not lean on memory that NumPy aligned.
    weights = [torch.tensor(layer["w"].T.copy(), requires_grad=True) for layer in setting.parameters()]
    biases = [torch.tensor(layer["b"], requires_grad=True) for layer in setting.parameters()]
    x, y = (torch.tensor(array) for array in setting.data())
    params = [tensor for pair in zip(weights, biases, strict=True) for tensor in pair]
    activation = getattr(torch, setting.activation)
    error = functional.mse_loss if setting.regression else functional.cross_entropy

    def gradients_at() -> tuple[Any, Any]:
        h = x
        for w, b in zip(weights[:-1], biases[:-1], strict=True):
            h = activation(functional.linear(h, w, b))
        value = error(functional.linear(h, weights[-1], biases[-1]), y)
        return value, torch.autograd.grad(value, params)

    def step() -> Any:
        value, grads = gradients_at()
        with torch.no_grad():
            for param, grad in zip(params, grads, strict=True):
                param.sub_(grad, alpha=LEARNING_RATE)
        return value.detach()

    def gradients() -> list[Any]:
        return [grad.T if grad.ndim == 2 else grad for grad in gradients_at()[1]]

    return Contestant(step, gradients)


def numpy_step(setting: Setting) -> Contestant:
    """By hand: the intermediates a backward pass needs and no others, in place wherever nothing is lost."""
    params = [(layer["w"], layer["b"]) for layer in setting.parameters()]
    x, y = setting.data()
    rows = np.arange(setting.batch)
    tanh = setting.activation == "tanh"

    def squared(out: np.ndarray) -> tuple[Any, np.ndarray]:
        out -= y
        value = np.mean(out * out)
        out *= np.float32(2.0 / out.size)
        return value, out

    def cross_entropy(out: np.ndarray) -> tuple[Any, np.ndarray]:
        out -= out.max(axis=1, keepdims=True)
        picked = out[rows, y]
        np.exp(out, out=out)
        total = out.sum(axis=1, keepdims=True)
        value = np.mean(np.log(total[:, 0]) - picked)
        out /= total
        out[rows, y] -= np.float32(1.0)
        out *= np.float32(1.0 / setting.batch)
        return value, out

    error = squared if setting.regression else cross_entropy

    def forward() -> list[np.ndarray]:
        layers = [x]
        for w, b in params[:-1]:
            h = layers[-1] @ w
            h += b
            if tanh:
                np.tanh(h, out=h)
            else:
                np.maximum(h, 0, out=h)
            layers.append(h)
        w, b = params[-1]
        out = layers[-1] @ w
        out += b
        layers.append(out)
        return layers

    def gradients_at() -> tuple[Any, list[np.ndarray]]:
        *layers, out = forward()
        value, bar = error(out)
        grads = []
        for index in reversed(range(len(params))):
            h = layers[index]
            grads += [bar.sum(axis=0), h.T @ bar]
            if index == 0:
                break
            bar = bar @ params[index][0].T
            if tanh:
                h *= h
                np.subtract(1, h, out=h)
                bar *= h
            else:
                bar *= h > 0
        grads.reverse()
        return value, grads

    def step() -> Any:
        value, grads = gradients_at()
        for (w, b), w_bar, b_bar in zip(params, grads[::2], grads[1::2], strict=True):
            w_bar *= np.float32(LEARNING_RATE)
            w -= w_bar
            b_bar *= np.float32(LEARNING_RATE)
            b -= b_bar
        return value

    return Contestant(step, lambda: gradients_at()[1])


def numpy_products(setting: Setting) -> Contestant:
    """The matrix products of the step by hand and nothing else, each into an array that is there already."""
    weights = [layer["w"] for layer in setting.parameters()]
    x, _ = setting.data()
    calls = []
    h = x
    for index, w in enumerate(weights):
        out = h @ w
        calls.append((h, w, out))
        calls.append((h.T, out, np.empty_like(w)))
        if index > 0:
            calls.append((out, w.T, np.empty_like(h)))
        h = out

    def step() -> None:
        for left, right, out in calls:
            np.matmul(left, right, out=out)

    return Contestant(step)


def torch_products(setting: Setting) -> None:
    """The largest products of a step by PyTorch's BLAS, once; only to have it make its work space."""
    torch = import_torch()
    x, _ = setting.data()
    h = torch.tensor(x)
    for inputs, outputs in zip(setting.sizes[:-1], setting.sizes[1:], strict=True):
        w = torch.ones((outputs, inputs))
        out = torch.nn.functional.linear(h, w)
        torch.mm(out, w)
        torch.mm(out.T, h)
        h = out


CONTESTANTS: dict[str, Callable[[Setting], Contestant]] = {
    PYAD: pyad_step,
    PYTORCH: pytorch_step,
    BY_HAND: numpy_step,
    PRODUCTS: numpy_products,
}


def _case(setting: Setting, goals: list[Goal]) -> Case:
    def probe(make: Callable[[Setting], Contestant]) -> Probe:
        return timer(make(setting).step)

    def gradients(make: Callable[[Setting], Contestant]) -> list[Any]:
        return make(setting).gradients()

    contestants = {key: functools.partial(probe, make) for key, make in CONTESTANTS.items()}
    compared = {key: functools.partial(gradients, CONTESTANTS[key]) for key in (BY_HAND, PYTORCH, PYAD)}
    title = f"training step {setting.title}"
    return Case(setting.name, title, contestants, goals=goals, check=agreement(compared, 1e-4))


def cases() -> list[Case]:
    """The training step at four sizes."""
    faster = Goal(BY_HAND, 1)
    near_products = Goal(PRODUCTS, 1 / 1.1)
    tiny, small, medium, large = SETTINGS
    return [
        _case(tiny, [faster]),
        _case(small, [faster]),
        _case(medium, [faster, near_products]),
        _case(large, [faster, near_products]),
    ]
