"""Fit a damped oscillation to noisy samples by gradient descent, the parameters being a dict."""

import matplotlib
import numpy as np

import pyad

matplotlib.use("Agg")
from matplotlib import pyplot

rng = np.random.default_rng(0)
true = {"amplitude": 2.0, "decay": 0.5, "frequency": 3.0, "offset": 0.4}
t = np.linspace(0, 4, 200)


def model(p, t):
    return p["amplitude"] * np.exp(-p["decay"] * t) * np.cos(p["frequency"] * t) + p["offset"]


samples = model(true, t) + 0.05 * rng.normal(size=t.shape)


def loss(p):
    return np.mean((model(p, t) - samples) ** 2)


step = pyad.value_and_grad(loss)
p = {"amplitude": 1.0, "decay": 0.2, "frequency": 2.7, "offset": 0.0}
velocity = dict.fromkeys(p, 0.0)
for iteration in range(1001):
    value, gradient = step(p)
    if iteration % 200 == 0:
        print(f"iteration {iteration:4}: loss {value:.6f}")
    for name in p:
        velocity[name] = 0.9 * velocity[name] - 0.02 * gradient[name]
        p[name] = p[name] + velocity[name]

for name, value in p.items():
    print(f"{name:10} true {true[name]:.2f}, found {value:.3f}")
print(f"largest error {max(abs(p[name] - true[name]) for name in p):.3f}")

figure, axes = pyplot.subplots(figsize=(7, 3), layout="constrained")
axes.plot(t, samples, ".", markersize=3, color="gray", label="samples")
axes.plot(t, model(true, t), linestyle="--", color="tab:green", label="true")
axes.plot(t, model(p, t), color="tab:blue", label="found")
axes.set(xlabel="t")
axes.legend()
figure.savefig("curve_fit.png", dpi=100)
