"""Tries an installed pyad: a gradient of NumPy code, and a training step of a small network.

    python smoke.py

Meant to be run in an environment that has the wheel and nothing else, from outside the checkout.
"""

import sys
from pathlib import Path

import numpy as np

import pyad
from pyad import nn

CHECKOUT = Path(__file__).resolve().parent.parent


def try_gradient() -> None:
    """Compare the gradient of a function of an array with the closed form."""
    x = np.linspace(-1.0, 2.0, 7)
    gradient = pyad.grad(lambda x: np.sum(np.sin(x) * np.exp(x)))(x)
    expected = (np.cos(x) + np.sin(x)) * np.exp(x)
    np.testing.assert_allclose(gradient, expected, rtol=1e-13)
    if gradient.dtype != x.dtype or gradient.shape != x.shape:
        raise AssertionError(f"the gradient has dtype {gradient.dtype} and shape {gradient.shape}")


def try_training_step() -> None:
    """Take one step of gradient descent, and look whether the loss falls as much as the gradient says."""
    rng = np.random.default_rng(0)
    params = nn.init_mlp(rng, [3, 8, 1])
    x = rng.standard_normal((16, 3)).astype(np.float32)
    y = np.sum(x, axis=1, keepdims=True)

    def loss(params):
        return nn.mse(nn.mlp(params, x), y)

    before, gradients = pyad.value_and_grad(loss)(params)
    rate = 1e-3
    promised = rate * sum(float(np.sum(leaf**2)) for layer in gradients for leaf in layer.values())
    optimizer = nn.SGD(rate)
    optimizer.update(params, gradients, optimizer.init(params))
    fall = float(before) - float(loss(params))
    if not 0.8 * promised < fall < 1.2 * promised:
        raise AssertionError(f"the loss fell by {fall:.3g}, and the gradient says {promised:.3g}")


def main() -> None:
    """Run both, on the installed package."""
    place = Path(pyad.__file__).resolve().parent
    if place == CHECKOUT / "pyad":
        sys.exit(f"{place} is the checkout and not the installed package")
    try_gradient()
    try_training_step()
    print(f"pyad {pyad.__version__} works, from {place}, with NumPy {np.__version__}")


if __name__ == "__main__":
    main()
