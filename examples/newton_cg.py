"""Newton's method without a Hessian: Hessian-vector products drive conjugate gradients, in 10,000 dimensions."""

import numpy as np

import pyad


def energy(x):
    """The energy of a chain of 10,000 links with stiffening springs under a load; convex, and its Hessian is huge."""
    stretch = x[1:] - x[:-1]
    return np.sum(0.5 * stretch**2 + 0.25 * stretch**4) + 0.05 * np.sum(x**2) - np.sum(load * x)


def conjugate_gradients(product, b, iterations=200):
    """Solve `A x = b` where `product(v)` is `A v`, A symmetric and positive."""
    x = np.zeros_like(b)
    residual = direction = b
    for _ in range(iterations):
        moved = product(direction)
        size = (residual @ residual) / (direction @ moved)
        x = x + size * direction
        after = residual - size * moved
        if np.linalg.norm(after) < 1e-10 * np.linalg.norm(b):
            break
        direction = after + (after @ after) / (residual @ residual) * direction
        residual = after
    return x


load = 5 * np.sin(np.linspace(0, 2000, 10_000))
gradient = pyad.grad(energy)
x = np.zeros(10_000)
for step in range(20):
    g = gradient(x)
    print(f"step {step}: energy {energy(x):.6f}, gradient norm {np.linalg.norm(g):.1e}")
    if np.linalg.norm(g) < 1e-8:
        break
    x = x - conjugate_gradients(lambda v, x=x: pyad.hvp(energy, (x,), (v,)), g)
