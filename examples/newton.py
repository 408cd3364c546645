"""Newton's method with exact Hessians on Rosenbrock's function in ten dimensions."""

import numpy as np

import pyad


def rosenbrock(x):
    """Zero at (1, ..., 1), at the end of a long curved valley."""
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


gradient = pyad.grad(rosenbrock)
hessian = pyad.hessian(rosenbrock)

x = np.zeros(10)
for step in range(50):
    g = gradient(x)
    if np.linalg.norm(g) < 1e-10:
        break
    h = hessian(x)
    # Where the function is not convex the Hessian is shifted until it is, so that the direction leads downhill.
    shift = max(0.0, 1e-3 - np.linalg.eigvalsh(h)[0])
    direction = np.linalg.solve(h + shift * np.eye(len(x)), -g)
    # Halve the step until the function falls enough: Newton's full step may overshoot far from the minimum.
    size = 1.0
    while rosenbrock(x + size * direction) > rosenbrock(x) + 1e-4 * size * (g @ direction) and size > 1e-10:
        size /= 2
    x = x + size * direction
    print(f"step {step:2}: f = {rosenbrock(x):.3e}, size {size:.3g}")

print(f"minimum at {np.round(x, 8)} after {step} steps")
