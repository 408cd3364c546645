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

JAX_POINTS_LAST = "jax.jit, points last"


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


def scaled_points_last(q: Any, means: Any, x: Any) -> Any:
    """Q (x - mean) for every component, dimension and point, for NumPy and JAX."""
    components, dimensions = means.shape
    return (q.reshape(-1, dimensions) @ x.T).reshape(components, dimensions, -1) - q @ means[:, :, None]


def posterior(xp: Any, logsumexp: Callable, alphas: Any, log_diagonal: Any, q: Any, squares: Any) -> Any:
    """The objective from the squared lengths (K, N) of the scaled points."""
    components, dimensions = log_diagonal.shape
    log_det = xp.sum(log_diagonal, axis=1)
    scores = (alphas + log_det)[:, None] - 0.5 * squares
    likelihood = xp.sum(logsumexp(scores, axis=0)) - POINTS * logsumexp(alphas, axis=0)
    prior = 0.5 * GAMMA**2 * xp.sum(q * q) - FREEDOM * xp.sum(log_det)
    return likelihood + prior + constant(dimensions, components)


def numpy_logsumexp(x: Any, axis: int) -> Any:
    top = np.max(x, axis=axis, keepdims=True)
    return np.log(np.sum(np.exp(x - top), axis=axis)) + np.squeeze(top, axis)


def numpy_objective(alphas: Any, means: Any, icf: Any, x: np.ndarray) -> Any:
    """NumPy code: one matrix product for all, points last, so that sums over d run along contiguous rows of points.

    Only the array that is written into is pyad's.
    """
    import pyad.numpy as pnp

    components, dimensions = means.shape
    rows, columns = below_diagonal(dimensions)
    diagonal = np.arange(dimensions)
    log_diagonal = icf[:, :dimensions]
    q = pnp.zeros((components, dimensions, dimensions))
    q[:, diagonal, diagonal] = np.exp(log_diagonal)
    q[:, rows, columns] = icf[:, dimensions:]
    scaled = scaled_points_last(q, means, x)
    return posterior(np, numpy_logsumexp, alphas, log_diagonal, q, np.sum(scaled * scaled, axis=1))


def jax_factor(icf: Any, components: int, dimensions: int) -> Any:
    """Q from its parameters, by `.at[].set`."""
    jnp = import_jax().numpy
    rows, columns = below_diagonal(dimensions)
    diagonal = np.arange(dimensions)
    q = jnp.zeros((components, dimensions, dimensions))
    q = q.at[:, diagonal, diagonal].set(jnp.exp(icf[:, :dimensions]))
    return q.at[:, rows, columns].set(icf[:, dimensions:])


def jax_objective(alphas: Any, means: Any, icf: Any, x: Any) -> Any:
    """The usual way: points first, as the data comes, components second, dimensions last."""
    jax = import_jax()
    jnp = jax.numpy
    components, dimensions = means.shape
    q = jax_factor(icf, components, dimensions)
    products = (x @ q.reshape(-1, dimensions).T).reshape(-1, components, dimensions)
    scaled = products - jnp.einsum("kij,kj->ki", q, means)
    squares = jnp.sum(scaled * scaled, axis=2).T
    return posterior(jnp, jax.scipy.special.logsumexp, alphas, icf[:, :dimensions], q, squares)


def jax_objective_points_last(alphas: Any, means: Any, icf: Any, x: Any) -> Any:
    """In the order of the NumPy code."""
    jax = import_jax()
    components, dimensions = means.shape
    q = jax_factor(icf, components, dimensions)
    scaled = scaled_points_last(q, means, x)
    squares = jax.numpy.sum(scaled * scaled, axis=1)
    return posterior(jax.numpy, jax.scipy.special.logsumexp, alphas, icf[:, :dimensions], q, squares)


def torch_objective(alphas: Any, means: Any, icf: Any, x: Any) -> Any:
    torch = import_torch()
    components, dimensions = means.shape
    rows, columns = (torch.from_numpy(index.copy()) for index in below_diagonal(dimensions))
    log_diagonal = icf[:, :dimensions]
    log_det = log_diagonal.sum(1)
    q = torch.diag_embed(log_diagonal.exp())
    q[:, rows, columns] = icf[:, dimensions:]
    scaled = scaled_points_last(q, means, x)
    scores = (alphas + log_det)[:, None] - 0.5 * (scaled * scaled).sum(1)
    likelihood = torch.logsumexp(scores, 0).sum() - POINTS * torch.logsumexp(alphas, 0)
    prior = 0.5 * GAMMA**2 * (q * q).sum() - FREEDOM * log_det.sum()
    return likelihood + prior + constant(dimensions, components)


# ---- contestants ----


def pyad_run(bind: Callable[..., Run], size: tuple[int, int]) -> Run:
    import pyad

    return bind(pyad.value_and_grad(numpy_objective, (0, 1, 2)), data(*size))


def jax_run(objective: Callable[..., Any], size: tuple[int, int]) -> Run:
    return jitted(import_jax().value_and_grad(objective, (0, 1, 2)), data(*size))


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
        JAX: functools.partial(jax_run, jax_objective, size),
        JAX_POINTS_LAST: functools.partial(jax_run, jax_objective_points_last, size),
        PYTORCH: functools.partial(torch_run, size),
    }
    title = f"Gaussian mixture, {POINTS} points, d = {dimensions}, K = {components}"
    return race(f"gmm-{dimensions}-{components}", title, makers, [Goal(JAX, 1.3)])


def cases() -> list[Case]:
    """The mixture at six sizes."""
    return [_case(size) for size in SIZES]
