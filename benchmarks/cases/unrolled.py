"""Programs of 100 steps, and their gradients: an LSTM, bodies under gravity, heat in a plate written in place.

pyad and PyTorch run plain loops, JAX has `lax.scan`. All functions give the value too, which the check compares.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from harness import Case, Goal

from cases.common import JAX, PYAD, PYTORCH, UNCOMPILED, Run, called, import_jax, import_torch, jitted, race, replayed

STEPS = 100

Arrays = tuple[np.ndarray, ...]


def torch_gradient(loss: Callable[..., Any], data: Callable[[], Arrays], wanted: int) -> Run:
    """Value and gradient by the first `wanted` arguments."""
    torch = import_torch()
    tensors = [torch.tensor(array) for array in data()]
    params = [tensor.requires_grad_() for tensor in tensors[:wanted]]

    def run() -> list[Any]:
        value = loss(*tensors)
        return [value.detach(), *torch.autograd.grad(value, params)]

    return run


def pyad_gradient(loss: Callable[..., Any], bind: Callable[..., Run], data: Callable[[], Arrays], wanted: int) -> Run:
    import pyad

    return bind(pyad.value_and_grad(loss, tuple(range(wanted))), data())


def jax_gradient(loss: Callable[..., Any], data: Callable[[], Arrays], wanted: int) -> Run:
    return jitted(import_jax().value_and_grad(loss, tuple(range(wanted))), data())


# ---- LSTM ----

BATCH = 16
HIDDEN = 32
INPUTS = 16


def lstm_data() -> Arrays:
    """Weights of the input (16, 128) and of the state (32, 128), bias (128,), inputs (100, 16, 16); float32."""
    rng = np.random.default_rng(19)
    scale = np.float32(HIDDEN**-0.5)
    w = rng.standard_normal((INPUTS, 4 * HIDDEN), dtype=np.float32) * scale
    u = rng.standard_normal((HIDDEN, 4 * HIDDEN), dtype=np.float32) * scale
    b = rng.standard_normal(4 * HIDDEN, dtype=np.float32) * scale
    return w, u, b, rng.standard_normal((STEPS, BATCH, INPUTS), dtype=np.float32)


def lstm_cell(z: Any, c: Any, sigmoid: Callable, tanh: Callable) -> tuple[Any, Any]:
    """The new h and c from the four gates' sums (batch, 128) and the old c."""
    i = sigmoid(z[:, :HIDDEN])
    f = sigmoid(z[:, HIDDEN : 2 * HIDDEN])
    g = tanh(z[:, 2 * HIDDEN : 3 * HIDDEN])
    o = sigmoid(z[:, 3 * HIDDEN :])
    c = f * c + i * g
    return o * tanh(c), c


def pyad_lstm(w: Any, u: Any, b: Any, xs: np.ndarray) -> Any:
    from pyad import nn

    h = c = np.zeros((BATCH, HIDDEN), dtype=np.float32)
    for x in xs:
        h, c = lstm_cell(x @ w + h @ u + b, c, nn.sigmoid, np.tanh)
    return np.mean(h * h)


def jax_lstm(w: Any, u: Any, b: Any, xs: Any) -> Any:
    jax = import_jax()
    jnp = jax.numpy

    def step(carry: Any, x: Any) -> tuple[Any, None]:
        h, c = carry
        return lstm_cell(x @ w + h @ u + b, c, jax.nn.sigmoid, jnp.tanh), None

    zeros = jnp.zeros((BATCH, HIDDEN), dtype=jnp.float32)
    (h, _), _ = jax.lax.scan(step, (zeros, zeros), xs)
    return jnp.mean(h * h)


def torch_lstm(w: Any, u: Any, b: Any, xs: Any) -> Any:
    torch = import_torch()
    h = c = torch.zeros((BATCH, HIDDEN))
    for x in xs:
        h, c = lstm_cell(x @ w + h @ u + b, c, torch.sigmoid, torch.tanh)
    return (h * h).mean()


# ---- bodies under gravity ----

BODIES = 8
TIME_STEP = 0.01
SOFTENING = 0.05  # keeps a near encounter finite


def bodies_data() -> Arrays:
    """Positions and velocities (8, 3), masses (8,)."""
    rng = np.random.default_rng(23)
    shape = (BODIES, 3)
    return rng.standard_normal(shape), 0.1 * rng.standard_normal(shape), rng.uniform(0.5, 1.5, BODIES)


def acceleration(positions: Any, masses: Any) -> Any:
    """By all pairs. Written with what NumPy, JAX and PyTorch share."""
    apart = positions[None, :, :] - positions[:, None, :]
    squared = (apart * apart).sum(2) + SOFTENING
    pull = masses * squared**-1.5
    return (pull[:, :, None] * apart).sum(1)


def leapfrog(positions: Any, velocities: Any, masses: Any) -> tuple[Any, Any]:
    """Half a kick, a drift, half a kick."""
    velocities = velocities + 0.5 * TIME_STEP * acceleration(positions, masses)
    positions = positions + TIME_STEP * velocities
    velocities = velocities + 0.5 * TIME_STEP * acceleration(positions, masses)
    return positions, velocities


def looped_bodies(positions: Any, velocities: Any, masses: Any) -> Any:
    """How far the bodies are from the origin at the end."""
    for _ in range(STEPS):
        positions, velocities = leapfrog(positions, velocities, masses)
    return (positions * positions).sum()


def jax_bodies(positions: Any, velocities: Any, masses: Any) -> Any:
    def step(carry: Any, _: None) -> tuple[Any, None]:
        return leapfrog(*carry, masses), None

    (positions, _), _ = import_jax().lax.scan(step, (positions, velocities), None, length=STEPS)
    return (positions * positions).sum()


# ---- heat ----

SIDE = 64
DIFFUSION = 0.2


def heat_data() -> Arrays:
    return (np.random.default_rng(29).standard_normal((SIDE, SIDE)),)


def flow(u: Any) -> Any:
    """What a step adds to the inner points, from the five-point Laplacian."""
    return DIFFUSION * (u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4.0 * u[1:-1, 1:-1])


def pyad_heat(start: Any) -> Any:
    u = start.copy()
    for _ in range(STEPS):
        u[1:-1, 1:-1] += flow(u)
    return (u * u).sum()


def torch_heat(start: Any) -> Any:
    u = start.clone()
    for _ in range(STEPS):
        u[1:-1, 1:-1] += flow(u)
    return (u * u).sum()


def jax_heat(start: Any) -> Any:
    def step(_: Any, u: Any) -> Any:
        return u.at[1:-1, 1:-1].add(flow(u))

    u = import_jax().lax.fori_loop(0, STEPS, step, start)
    return (u * u).sum()


# ---- cases ----


def _case(
    name: str,
    title: str,
    losses: tuple[Callable, Callable, Callable],
    given: Callable[[], Arrays],
    wanted: int,
    tolerance: float,
) -> Case:
    ours, theirs, torchs = losses
    makers = {
        PYAD: functools.partial(pyad_gradient, ours, replayed, given, wanted),
        UNCOMPILED: functools.partial(pyad_gradient, ours, called, given, wanted),
        JAX: functools.partial(jax_gradient, theirs, given, wanted),
        PYTORCH: functools.partial(torch_gradient, torchs, given, wanted),
    }
    return race(name, title, makers, [Goal(JAX, 2)], tolerance)


def cases() -> list[Case]:
    """The three programs."""
    lstm = (pyad_lstm, jax_lstm, torch_lstm)
    bodies = (looped_bodies, jax_bodies, looped_bodies)
    heat = (pyad_heat, jax_heat, torch_heat)
    plate = f"heat in a plate of {SIDE} x {SIDE}, {STEPS} steps in place, gradient"
    return [
        _case("lstm", f"LSTM of {HIDDEN}, batch {BATCH}, {STEPS} steps, gradient", lstm, lstm_data, 3, 1e-4),
        _case("bodies", f"{BODIES} bodies, {STEPS} steps of leapfrog, gradient", bodies, bodies_data, 2, 1e-8),
        _case("heat", plate, heat, heat_data, 1, 1e-9),
    ]
