"""The log-likelihood of a Gaussian mixture with a Wishart prior: value and gradient by weights, means and covariances.

The objective of ADBench; Srajer, Kukelova and Fitzgibbon, A benchmark of selected algorithmic differentiation tools,
2018. The inverse covariance of a component is Q^T Q with Q lower triangular: the first d of its parameters are the
logarithms of Q's diagonal, the others the entries below the diagonal, column after column.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from harness import Case, Goal

from cases.common import JAX, PYAD, PYTORCH, UNCOMPILED, Run, called, import_jax, import_torch, jitted, race, replayed

POINTS = 1000
SIZES = ((2, 5), (2, 25), (10, 5), (10, 25), (32, 5), (32, 25))  # dimensions, components
# Wishart prior: the width gamma, and the degrees of freedom beyond the dimension.
GAMMA = 1.0
FREEDOM = 0


def data(dimensions: int, components: int) -> tuple[np.ndarray, ...]:
    """alphas (K,), means (K, d), icf (K, d (d + 1) / 2) and x (N, d). The same on every call."""
    rng = np.random.default_rng(3)
    alphas = rng.standard_normal(components)
    means = rng.uniform(size=(components, dimensions))
    icf = rng.standard_normal((components, dimensions * (dimensions + 1) // 2)) * 0.5
    return alphas, means, icf, rng.standard_normal((POINTS, dimensions))


def below_diagonal(dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the entries below the diagonal, column after column."""
    columns, rows = np.triu_indices(dimensions, 1)
    return rows, columns


def constant(dimensions: int, components: int) -> float:
    """What the objective adds that depends on sizes alone: the Gaussians' factor, and the prior's."""
    freedom = dimensions + FREEDOM + 1
    halves = [math.lgamma(0.5 * (freedom - i)) for i in range(dimensions)]
    log_gamma = 0.25 * dimensions * (dimensions - 1) * math.log(math.pi) + sum(halves)
    prior = freedom * dimensions * (math.log(GAMMA) - 0.5 * math.log(2)) - log_gamma
    return -0.5 * POINTS * dimensions * math.log(2 * math.pi) - components * prior


# ---- the objective for each peer ----


def numpy_logsumexp(x: Any, axis: int) -> Any:
    top = np.max(x, axis=axis, keepdims=True)
    return np.log(np.sum(np.exp(x - top), axis=axis)) + np.squeeze(top, axis)


def numpy_objective(alphas: Any, means: Any, icf: Any, x: np.ndarray) -> Any:
    """NumPy code, one matrix product per component over all points; only the array written into is pyad's."""
    import pyad.numpy as pnp

    components, dimensions = means.shape
    rows, columns = below_diagonal(dimensions)
    diagonal = np.arange(dimensions)
    log_diagonal = icf[:, :dimensions]
    log_det = np.sum(log_diagonal, axis=1)
    q = pnp.zeros((components, dimensions, dimensions))
    q[:, diagonal, diagonal] = np.exp(log_diagonal)
    q[:, rows, columns] = icf[:, dimensions:]
    centred = x - means[:, None, :]
    scaled = centred @ np.swapaxes(q, 1, 2)
    scores = (alphas + log_det)[:, None] - 0.5 * np.sum(scaled * scaled, axis=2)
    likelihood = np.sum(numpy_logsumexp(scores, 0)) - POINTS * numpy_logsumexp(alphas, 0)
    prior = 0.5 * GAMMA**2 * np.sum(q * q) - FREEDOM * np.sum(log_det)
    return likelihood + prior + constant(dimensions, components)


def jax_objective(alphas: Any, means: Any, icf: Any, x: Any) -> Any:
    """The same with `.at[].set` and JAX's logsumexp."""
    jax = import_jax()
    jnp = jax.numpy
    components, dimensions = means.shape
    rows, columns = below_diagonal(dimensions)
    diagonal = np.arange(dimensions)
    log_diagonal = icf[:, :dimensions]
    log_det = jnp.sum(log_diagonal, axis=1)
    q = jnp.zeros((components, dimensions, dimensions))
    q = q.at[:, diagonal, diagonal].set(jnp.exp(log_diagonal))
    q = q.at[:, rows, columns].set(icf[:, dimensions:])
    centred = x - means[:, None, :]
    scaled = centred @ jnp.swapaxes(q, 1, 2)
    scores = (alphas + log_det)[:, None] - 0.5 * jnp.sum(scaled * scaled, axis=2)
    logsumexp = jax.scipy.special.logsumexp
    likelihood = jnp.sum(logsumexp(scores, axis=0)) - POINTS * logsumexp(alphas)
    prior = 0.5 * GAMMA**2 * jnp.sum(q * q) - FREEDOM * jnp.sum(log_det)
    return likelihood + prior + constant(dimensions, components)


def torch_objective(alphas: Any, means: Any, icf: Any, x: Any) -> Any:
    torch = import_torch()
    components, dimensions = means.shape
    rows, columns = (torch.from_numpy(index.copy()) for index in below_diagonal(dimensions))
    log_diagonal = icf[:, :dimensions]
    log_det = log_diagonal.sum(1)
    q = torch.diag_embed(log_diagonal.exp())
    q[:, rows, columns] = icf[:, dimensions:]
    centred = x - means[:, None, :]
    scaled = centred @ q.mT
    scores = (alphas + log_det)[:, None] - 0.5 * (scaled * scaled).sum(2)
    likelihood = torch.logsumexp(scores, 0).sum() - POINTS * torch.logsumexp(alphas, 0)
    prior = 0.5 * GAMMA**2 * (q * q).sum() - FREEDOM * log_det.sum()
    return likelihood + prior + constant(dimensions, components)


# ---- contestants ----


def pyad_run(bind: Callable[..., Run], size: tuple[int, int]) -> Run:
    import pyad

    return bind(pyad.value_and_grad(numpy_objective, (0, 1, 2)), data(*size))


def jax_run(size: tuple[int, int]) -> Run:
    return jitted(import_jax().value_and_grad(jax_objective, (0, 1, 2)), data(*size))


def torch_run(size: tuple[int, int]) -> Run:
    torch = import_torch()
    alphas, means, icf, x = (torch.tensor(array) for array in data(*size))
    params = [tensor.requires_grad_() for tensor in (alphas, means, icf)]

    def run() -> list[Any]:
        value = torch_objective(*params, x)
        return [value.detach(), *torch.autograd.grad(value, params)]

    return run


def _case(size: tuple[int, int]) -> Case:
    dimensions, components = size
    makers = {
        PYAD: functools.partial(pyad_run, replayed, size),
        UNCOMPILED: functools.partial(pyad_run, called, size),
        JAX: functools.partial(jax_run, size),
        PYTORCH: functools.partial(torch_run, size),
    }
    title = f"Gaussian mixture, {POINTS} points, d = {dimensions}, K = {components}"
    return race(f"gmm-{dimensions}-{components}", title, makers, [Goal(JAX, 1.3)])


def cases() -> list[Case]:
    """The mixture at six sizes."""
    return [_case(size) for size in SIZES]
