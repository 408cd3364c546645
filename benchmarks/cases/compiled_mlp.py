"""The training steps of mlp.py as functions that are compiled whole: loss, gradients, update in place.

`step(params, x, y)` writes into the parameters it is given; JAX's gives new ones and reuses the memory of the old.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from harness import Case, Goal, Probe, Unavailable, timer

from cases import mlp
from cases.common import (
    BY_HAND,
    JAX,
    PRODUCTS,
    PYAD,
    PYTORCH,
    TORCH_COMPILE,
    UNCOMPILED,
    agreement,
    import_jax,
    import_torch,
    pyad_compile,
)
from cases.compiled_chain import jax_first, pyad_first
from cases.mlp import LEARNING_RATE, SETTINGS, Setting

CHECK_RATE = 1.0  # of the steps that are compared: at the rate that is timed, float32 would hide a wrong gradient
CHECK_STEPS = 3  # the first records, the others replay


@dataclass(frozen=True)
class Trainer:
    """`step` trains once and gives the loss; `parameters` gives w, b, w, b, ... as they are now."""

    step: Callable[[], Any]
    parameters: Callable[[], list[Any]]


def flat(params: Sequence[dict[str, Any]]) -> list[Any]:
    return [layer[key] for layer in params for key in ("w", "b")]


# ---- contestants: setting and learning rate in, Trainer out ----


def pyad_function(setting: Setting, rate: float) -> Callable[..., Any]:
    """The step as a user writes it, compiled or not."""
    import pyad
    from pyad import nn

    error = nn.mse if setting.regression else nn.softmax_cross_entropy

    def loss(params: Any, x: Any, y: Any) -> Any:
        return error(nn.mlp(params, x, setting.activation), y)

    def step(params: Any, x: Any, y: Any) -> Any:
        value, grads = pyad.value_and_grad(loss)(params, x, y)
        for layer, slope in zip(params, grads, strict=True):
            for key in layer:
                param = layer[key]
                param -= rate * slope[key]
        return value

    return step


def pyad_uncompiled(setting: Setting, rate: float) -> Trainer:
    params = setting.parameters()
    return Trainer(functools.partial(pyad_function(setting, rate), params, *setting.data()), lambda: flat(params))


def pyad_compiled(setting: Setting, rate: float) -> Trainer:
    params = setting.parameters()
    fast = pyad_compile()(pyad_function(setting, rate))
    return Trainer(functools.partial(fast, params, *setting.data()), lambda: flat(params))


def jax_function(setting: Setting, rate: float) -> Callable[..., Any]:
    jax = import_jax()
    jnp = jax.numpy
    activation = jnp.tanh if setting.activation == "tanh" else jax.nn.relu

    def loss(params: Any, x: Any, y: Any) -> Any:
        for layer in params[:-1]:
            x = activation(x @ layer["w"] + layer["b"])
        out = x @ params[-1]["w"] + params[-1]["b"]
        if setting.regression:
            return jnp.mean((out - y) ** 2)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(out), y[:, None], axis=1))

    def step(params: Any, x: Any, y: Any) -> Any:
        value, grads = jax.value_and_grad(loss)(params, x, y)
        return jax.tree.map(lambda p, g: p - rate * g, params, grads), value

    return step


def jax_jit(setting: Setting, rate: float) -> Trainer:
    jax = import_jax()
    fast = jax.jit(jax_function(setting, rate), donate_argnums=0)
    # Copies, since a donated array is overwritten.
    params = jax.tree.map(lambda p: jax.numpy.array(p, copy=True), setting.parameters())
    x, y = (jax.numpy.asarray(array) for array in setting.data())

    def step() -> Any:
        nonlocal params
        params, value = fast(params, x, y)
        return value.block_until_ready()  # all results of a call are ready at the same time

    return Trainer(step, lambda: flat(params))


def torch_trainer(setting: Setting, rate: float, value_and_grads: Callable, compiled: Callable) -> Trainer:
    """`value_and_grads(loss, params, x, y)` gives the loss and the gradients, `compiled` wraps the whole step."""
    torch = import_torch()
    functional = torch.nn.functional
    # Copies, so that a tensor does not lean on memory that NumPy aligned.
    params = [
        tensor for layer in setting.parameters() for tensor in map(torch.tensor, (layer["w"].T.copy(), layer["b"]))
    ]
    x, y = (torch.tensor(array) for array in setting.data())
    activation = getattr(torch, setting.activation)
    error = functional.mse_loss if setting.regression else functional.cross_entropy

    def loss(params: Any, x: Any, y: Any) -> Any:
        for w, b in zip(params[:-2:2], params[1:-2:2], strict=True):
            x = activation(functional.linear(x, w, b))
        return error(functional.linear(x, *params[-2:]), y)

    @compiled
    def step(params: Any, x: Any, y: Any) -> Any:
        value, grads = value_and_grads(loss, params, x, y)
        with torch.no_grad():
            for param, slope in zip(params, grads, strict=True):
                param.sub_(slope, alpha=rate)
        return value

    def parameters() -> list[Any]:
        return [param.detach().numpy().T.copy() for param in params]

    return Trainer(lambda: step(params, x, y), parameters)


def torch_eager(setting: Setting, rate: float) -> Trainer:
    torch = import_torch()

    def value_and_grads(loss: Callable, params: Any, x: Any, y: Any) -> Any:
        for param in params:
            param.requires_grad_()
        value = loss(params, x, y)
        return value.detach(), torch.autograd.grad(value, params)

    return torch_trainer(setting, rate, value_and_grads, lambda step: step)


def torch_compile(setting: Setting, rate: float) -> Trainer:
    """With `torch.func`, which is compiled together with the update; `torch.autograd.grad` would break the graph.

    It needs a C++ compiler, and can fail in more ways than can be named; then it is left out and reported.
    """
    torch = import_torch()

    def value_and_grads(loss: Callable, params: Any, x: Any, y: Any) -> Any:
        grads, value = torch.func.grad_and_value(loss)(params, x, y)
        return value, grads

    try:
        torch_trainer(setting, rate, value_and_grads, torch.compile).step()
    except Exception as error:
        raise Unavailable(f"torch.compile fails: {type(error).__name__}") from error
    return torch_trainer(setting, rate, value_and_grads, torch.compile)


def numpy_preallocated(setting: Setting, rate: float) -> Trainer:
    """By hand, into arrays that are there: products, layers and gradients; only small reductions allocate."""
    params = [(layer["w"], layer["b"]) for layer in setting.parameters()]
    x, y = setting.data()
    rows = np.arange(setting.batch)
    tanh = setting.activation == "tanh"
    layers = [x] + [np.empty((setting.batch, width), np.float32) for width in setting.sizes[1:]]
    bars = [np.empty_like(layer) for layer in layers[1:-1]]
    grads = [(np.empty_like(w), np.empty_like(b)) for w, b in params]
    column = np.empty((setting.batch, 1), np.float32)

    def squared(out: np.ndarray) -> Any:
        """The loss; leaves its gradient by `out` in `out`."""
        np.subtract(out, y, out=out)
        value = np.vdot(out, out) / np.float32(out.size)
        np.multiply(out, np.float32(2.0 / out.size), out=out)
        return value

    def cross_entropy(out: np.ndarray) -> Any:
        np.max(out, axis=1, keepdims=True, out=column)
        np.subtract(out, column, out=out)
        picked = out[rows, y].sum()
        np.exp(out, out=out)
        np.sum(out, axis=1, keepdims=True, out=column)
        np.divide(out, column, out=out)
        np.log(column, out=column)
        out[rows, y] -= np.float32(1.0)
        np.multiply(out, np.float32(1.0 / setting.batch), out=out)
        return (column.sum() - picked) / np.float32(setting.batch)

    error = squared if setting.regression else cross_entropy

    def forward() -> None:
        for index, (w, b) in enumerate(params):
            h = layers[index + 1]
            np.matmul(layers[index], w, out=h)
            np.add(h, b, out=h)
            if index == len(params) - 1:
                break
            if tanh:
                np.tanh(h, out=h)
            else:
                np.maximum(h, 0, out=h)

    def through_activation(h: np.ndarray, bar: np.ndarray) -> None:
        """Multiplies `bar` by the activation's slope, in place; loses h."""
        if tanh:
            np.multiply(h, h, out=h)
            np.subtract(1, h, out=h)
        else:
            np.sign(h, out=h)  # 1 where relu let through, else 0
        np.multiply(bar, h, out=bar)

    def backward() -> None:
        bar = layers[-1]
        for index in reversed(range(len(params))):
            h = layers[index]
            w_bar, b_bar = grads[index]
            np.sum(bar, axis=0, out=b_bar)
            np.matmul(h.T, bar, out=w_bar)
            if index == 0:
                break
            np.matmul(bar, params[index][0].T, out=bars[index - 1])
            bar = bars[index - 1]
            through_activation(h, bar)

    def step() -> Any:
        forward()
        value = error(layers[-1])
        backward()
        for pair, slopes in zip(params, grads, strict=True):
            for param, slope in zip(pair, slopes, strict=True):
                np.multiply(slope, np.float32(rate), out=slope)
                np.subtract(param, slope, out=param)
        return value

    return Trainer(step, lambda: [param for pair in params for param in pair])


TRAINERS: dict[str, Callable[[Setting, float], Trainer]] = {
    PYAD: pyad_compiled,
    UNCOMPILED: pyad_uncompiled,
    JAX: jax_jit,
    TORCH_COMPILE: torch_compile,
    PYTORCH: torch_eager,
    BY_HAND: numpy_preallocated,
}


# ---- cases ----


def _trained(setting: Setting, make: Callable[[Setting, float], Trainer]) -> list[Any]:
    """The losses of some steps, and by how much each parameter has changed at the end."""
    trainer = make(setting, CHECK_RATE)
    losses = [float(trainer.step()) for _ in range(CHECK_STEPS)]
    before = flat(setting.parameters())
    changes = [np.asarray(new) - old for new, old in zip(trainer.parameters(), before, strict=True)]
    return [losses, *changes]


def _case(setting: Setting, goals: list[Goal], peers: Sequence[str]) -> Case:
    def probe(make: Callable[[Setting, float], Trainer]) -> Probe:
        return timer(make(setting, LEARNING_RATE).step)

    probes = {key: functools.partial(probe, TRAINERS[key]) for key in peers}
    probes[PRODUCTS] = lambda: timer(mlp.numpy_products(setting).step)
    compared = {key: functools.partial(_trained, setting, TRAINERS[key]) for key in peers}
    check = agreement(compared, 1e-4)
    return Case(
        f"compiled-{setting.name}", f"compiled: training step {setting.title}", probes, goals=goals, check=check
    )


def _first_step(setting: Setting) -> Case:
    arguments = (setting.parameters(), *setting.data())
    probes = {
        PYAD: lambda: pyad_first(lambda: pyad_function(setting, LEARNING_RATE), arguments),
        JAX: lambda: jax_first(lambda: jax_function(setting, LEARNING_RATE), arguments),
    }
    title = f"training step {setting.title}: first call"
    return Case(f"compiled-{setting.name}-first", title, probes, goals=[Goal(limit=5e-3)], max_rounds=5)


def cases() -> list[Case]:
    """The training step at four sizes, and the first call of the smallest."""
    tiny, small, medium, large = SETTINGS
    all_peers = tuple(TRAINERS)
    peers = tuple(key for key in TRAINERS if key != TORCH_COMPILE)  # it takes half a minute to compile
    near_products = [Goal(PRODUCTS, 1 / 1.03)]
    return [
        _case(tiny, [Goal(peer, 4) for peer in (JAX, TORCH_COMPILE, BY_HAND)], all_peers),
        _first_step(tiny),
        _case(small, [Goal(peer, 1.3) for peer in (JAX, BY_HAND)], peers),
        _case(medium, near_products, peers),
        _case(large, near_products, peers),
    ]
