"""The gradient of a function that is plain NumPy: the length of a polygon's outline by its corners."""

import numpy as np

import pyad


def length(corners):
    """How long the closed line through `corners`, of shape (n, 2), is."""
    steps = corners[np.arange(1, len(corners) + 1) % len(corners)] - corners
    return np.sum(np.sqrt(np.sum(steps**2, axis=1)))


square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
value, gradient = pyad.value_and_grad(length)(square)
print(f"length {value}")
print("moving a corner outwards makes it longer at the rate of")
print(gradient)

# The line gets shorter fastest along the negative gradient, at the rate of the gradient's squared norm.
step = 1e-6
rate = (length(square) - length(square - step * gradient)) / step
print(f"rate of descent {rate:.4f}, squared norm of the gradient {np.sum(gradient**2):.4f}")
