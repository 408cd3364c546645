"""Logistic regression written out in NumPy: which flowers of two overlapping kinds are which, and how surely."""

import matplotlib
import numpy as np

import pyad
import pyad.numpy as pnp
from pyad import nn

matplotlib.use("Agg")
from matplotlib import pyplot

rng = np.random.default_rng(0)
n = 500
labels = rng.integers(0, 2, size=n)
centres = np.array([[4.9, 2.8], [6.3, 3.4]])
x = centres[labels] + 0.6 * rng.normal(size=(n, 2))
x = (x - x.mean(axis=0)) / x.std(axis=0)


def loss(params):
    """The mean negative log-likelihood with a little shrinkage; softplus(-z) is log(1 + exp(-z)), safe for any z."""
    z = (2 * labels - 1) * (x @ params["w"] + params["b"])
    return pnp.mean(nn.softplus(-z)) + 1e-3 * pnp.sum(params["w"] ** 2)


step = pyad.value_and_grad(loss)
params = {"w": np.zeros(2), "b": 0.0}
for iteration in range(501):
    value, gradient = step(params)
    if iteration % 100 == 0:
        print(f"iteration {iteration:3}: loss {value:.5f}")
    params = {name: params[name] - 1.0 * gradient[name] for name in params}

right = np.mean((x @ params["w"] + params["b"] > 0) == labels)
size = np.sqrt(np.sum(step(params)[1]["w"] ** 2))
print(f"weights {np.round(params['w'], 3)}, accuracy {right:.1%}, gradient norm {size:.1e}")

figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
grid = np.stack(np.meshgrid(np.linspace(-3.2, 3.2, 100), np.linspace(-3.5, 3.5, 100)), axis=-1)
surely = 1 / (1 + np.exp(-(grid @ params["w"] + params["b"])))
shown = axes.contourf(grid[..., 0], grid[..., 1], surely, levels=np.linspace(0, 1, 11), cmap="coolwarm", alpha=0.6)
axes.scatter(x[:, 0], x[:, 1], c=labels, cmap="coolwarm", s=8, edgecolors="black", linewidths=0.3)
axes.set(xlabel="length", ylabel="width")
figure.colorbar(shown, label="probability of the second kind")
figure.savefig("logistic_regression.png", dpi=100)
