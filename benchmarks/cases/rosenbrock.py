"""Second derivatives of the Rosenbrock function of 100 variables: the Hessian times a vector, and the whole Hessian."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from harness import Case, Goal

from cases.common import JAX, PYAD, PYTORCH, UNCOMPILED, Run, called, import_jax, import_torch, jitted, race, replayed

LENGTH = 100


def rosenbrock(x: Any) -> Any:
    """Written with operators and methods that NumPy, JAX and PyTorch share."""
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum()


def point() -> np.ndarray:
    return np.random.default_rng(13).uniform(-1.5, 1.5, LENGTH)


def direction() -> np.ndarray:
    return np.random.default_rng(17).standard_normal(LENGTH)


# ---- Hessian times vector ----


def pyad_product(bind: Callable[..., Run]) -> Run:
    import pyad

    def product(x: np.ndarray, v: np.ndarray) -> list[Any]:
        return [pyad.hvp(rosenbrock, (x,), (v,))]

    return bind(product, (point(), direction()))


def jax_product() -> Run:
    jax = import_jax()

    def product(x: Any, v: Any) -> list[Any]:
        return [jax.jvp(jax.grad(rosenbrock), (x,), (v,))[1]]

    return jitted(product, (point(), direction()))


def torch_product() -> Run:
    torch = import_torch()
    x = torch.tensor(point(), requires_grad=True)
    v = torch.tensor(direction())

    def run() -> list[Any]:
        (slope,) = torch.autograd.grad(rosenbrock(x), x, create_graph=True)
        return list(torch.autograd.grad(slope, x, v))

    return run


# ---- Hessian ----


def pyad_hessian(bind: Callable[..., Run]) -> Run:
    import pyad

    hessian = pyad.hessian(rosenbrock)
    return bind(lambda x: [hessian(x)], (point(),))


def jax_hessian() -> Run:
    hessian = import_jax().hessian(rosenbrock)
    return jitted(lambda x: [hessian(x)], (point(),))


def torch_hessian() -> Run:
    torch = import_torch()
    hessian = torch.func.hessian(rosenbrock)
    x = torch.tensor(point())
    return lambda: [hessian(x)]


def _makers(pyad: Callable[..., Run], jax: Callable[[], Run], torch: Callable[[], Run]) -> dict[str, Callable[[], Run]]:
    return {
        PYAD: functools.partial(pyad, replayed),
        UNCOMPILED: functools.partial(pyad, called),
        JAX: jax,
        PYTORCH: torch,
    }


def cases() -> list[Case]:
    """The product and the matrix."""
    products = _makers(pyad_product, jax_product, torch_product)
    hessians = _makers(pyad_hessian, jax_hessian, torch_hessian)
    return [
        race("rosenbrock-hvp", f"Rosenbrock of {LENGTH}, Hessian times vector", products, [Goal(JAX, 2)]),
        race("rosenbrock-hessian", f"Rosenbrock of {LENGTH}, Hessian", hessians, [Goal(JAX, 1)]),
    ]
