"""Backpropagation as in "Mathematics for Machine Learning" (Deisenroth, Faisal, Ong), section 5.6."""

import itertools

import numpy as np
import pytest

import pyad
import pyad.numpy as pnp
from pyad import nn
from pyad.nn._activations import get as activation

# ---- 5.6.1: gradients in a deep network, f_i = σ_i(A_{i-1} f_{i-1} + b_{i-1}), L(θ) = ‖y - f_K(θ, x)‖²

SIGMA = {
    "identity": (lambda z: z, lambda z: np.ones_like(z)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2),
    "softplus": (lambda z: np.log1p(np.exp(z)), lambda z: 1 / (1 + np.exp(-z))),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(z.dtype)),
}

NETWORKS = [
    ([2, 3], ["identity"]),
    ([2, 3, 1], ["tanh", "identity"]),
    ([4, 5, 3, 2], ["sigmoid", "tanh", "softplus"]),
    ([3, 8, 8, 8, 8, 2], ["relu", "softplus", "tanh", "relu", "sigmoid"]),
    ([3] * 31, ["tanh"] * 30),
]


def network(sizes, dtype=np.float64):
    rng = np.random.default_rng(len(sizes))
    weights = [(rng.normal(size=(m, n)) / np.sqrt(n)).astype(dtype) for n, m in itertools.pairwise(sizes)]
    biases = [0.3 * rng.normal(size=m).astype(dtype) for m in sizes[1:]]
    x, y = rng.normal(size=sizes[0]).astype(dtype), rng.normal(size=sizes[-1]).astype(dtype)
    return weights, biases, x, y


def chain_by_hand(weights, biases, sigmas, x, y):
    """Equations 5.115 to 5.118: ∂L/∂f_K first, each later one from the one before, none computed twice."""
    inputs, sums = [x], []
    for a, b, (sigma, _) in zip(weights, biases, sigmas, strict=True):
        sums.append(a @ inputs[-1] + b)
        inputs.append(sigma(sums[-1]))
    d_f = -2 * (y - inputs[-1])
    d_a, d_b = [], []
    for a, (_, slope), z, f in zip(weights[::-1], sigmas[::-1], sums[::-1], inputs[-2::-1], strict=True):
        d_z = d_f * slope(z)
        d_a.append(np.outer(d_z, f))
        d_b.append(d_z)
        d_f = a.T @ d_z
    return np.sum((y - inputs[-1]) ** 2), d_a[::-1], d_b[::-1]


@pytest.mark.parametrize(("sizes", "names"), NETWORKS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_gradients_of_plain_numpy_code_equal_the_chain_by_hand(sizes, names, dtype):
    weights, biases, x, y = network(sizes, dtype)
    activations = [activation(name) for name in names]

    def loss(theta, x, y):
        f = x
        for a, b, sigma in zip(theta["A"], theta["b"], activations, strict=True):
            f = sigma(a @ f + b)
        return np.sum((y - f) ** 2)

    theta = {"A": weights, "b": biases}
    value, gradient = pyad.value_and_grad(loss)(theta, x, y)
    wide = [[p.astype(np.float64) for p in group] for group in (weights, biases)]
    expected, d_a, d_b = chain_by_hand(*wide, [SIGMA[name] for name in names], np.float64(x), np.float64(y))
    tolerance = {"rtol": 1e-10, "atol": 1e-12} if dtype is np.float64 else {"rtol": 1e-3, "atol": 1e-5}
    np.testing.assert_allclose(value, expected, **tolerance)
    assert len(gradient["A"]) == len(gradient["b"]) == len(names)
    for got, want in zip(gradient["A"] + gradient["b"], d_a + d_b, strict=True):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, want, **tolerance)


@pytest.mark.parametrize(("sizes", "names"), NETWORKS)
def test_the_layers_of_pyad_nn_give_the_sum_over_a_batch_of_the_chain_by_hand(sizes, names):
    weights, biases, _, _ = network(sizes)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, sizes[0])), rng.normal(size=(7, sizes[-1]))
    # pyad.nn has a row per sample and hence the transposed weights.
    params = [{"w": a.T.copy(), "b": b} for a, b in zip(weights, biases, strict=True)]

    def loss(params):
        return nn.squared_error(nn.mlp(params, x, names), y)

    value, gradient = pyad.value_and_grad(loss)(params)
    sigmas = [SIGMA[name] for name in names]
    rows = [chain_by_hand(weights, biases, sigmas, *row) for row in zip(x, y, strict=True)]
    np.testing.assert_allclose(value, sum(row[0] for row in rows), rtol=1e-11)
    for layer, got in enumerate(gradient):
        np.testing.assert_allclose(got["w"].T, sum(row[1][layer] for row in rows), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(got["b"], sum(row[2][layer] for row in rows), rtol=1e-9, atol=1e-12)


class Counted:
    """A layer tanh(a f + b) whose runs forward and backward are counted, with the ∂L/∂f_i it was given and gave."""

    def __init__(self):
        self.forward = 0
        self.given = []
        self.gave = []

        def forward(a, b, f):
            self.forward += 1
            out = np.tanh(a @ f + b)
            return out, (a, f, out)

        def backward(kept, out_bar):
            a, f, out = kept
            d_z = out_bar * (1 - out * out)
            self.given.append(np.array(out_bar))
            self.gave.append(np.array(a.T @ d_z))
            return np.outer(d_z, f), d_z, a.T @ d_z

        self.layer = pyad.custom_vjp(lambda a, b, f: np.tanh(a @ f + b))
        self.layer.defvjp(forward, backward)


def counted_run(depth):
    weights, biases, x, y = network([3] * (depth + 1))
    counted = Counted()

    def loss(theta):
        f = x
        for a, b in zip(*theta, strict=True):
            f = counted.layer(a, b, f)
        return np.sum((y - f) ** 2)

    gradient = pyad.grad(loss)((weights, biases))
    expected = chain_by_hand(weights, biases, [SIGMA["tanh"]] * depth, x, y)
    return counted, gradient, expected


@pytest.mark.parametrize("depth", [1, 2, 5, 10, 20, 40, 80, 1000])
def test_each_layer_runs_once_forward_and_once_backward_so_the_cost_is_linear_in_depth(depth):
    counted, gradient, (_, d_a, d_b) = counted_run(depth)
    assert counted.forward == depth
    assert len(counted.given) == depth
    for got, want in zip(gradient[0] + gradient[1], d_a + d_b, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)


def test_each_derivative_by_a_layer_is_the_very_one_handed_on_to_the_layer_before():
    counted, _, _ = counted_run(12)
    for gave, given in zip(counted.gave[:-1], counted.given[1:], strict=True):
        assert np.array_equal(gave, given)


def test_the_sweep_visits_a_node_once_even_where_the_paths_are_too_many_to_walk():
    # Every layer uses its input twice, so 2**200 paths lead from the end to the beginning.
    depth, calls = 200, []
    layer = pyad.custom_vjp(lambda f, scale: f * scale)
    layer.defvjp(
        lambda f, scale: (f * scale, (f, scale)), lambda kept, g: (calls.append(1), (g * kept[1], g * kept[0]))[1]
    )

    def loss(scales):
        f = np.float64(1.0)
        for i in range(depth):
            f = layer(f, scales[i]) + f
        return f

    scales = 0.1 * np.random.default_rng(0).normal(size=depth)
    gradient = pyad.grad(loss)(list(scales))
    assert len(calls) == depth
    np.testing.assert_allclose(gradient, np.prod(1 + scales) / (1 + scales), rtol=1e-12)


def test_layers_that_do_not_lead_to_the_loss_are_not_visited():
    counted = Counted()
    weights, biases, x, y = network([3, 3, 3])

    def loss(theta):
        f = counted.layer(theta[0][0], theta[1][0], x)
        counted.layer(theta[0][1], theta[1][1], f)
        return np.sum((y - f) ** 2)

    gradient = pyad.grad(loss)((weights, biases))
    assert (counted.forward, len(counted.given)) == (2, 1)
    assert not gradient[0][1].any()
    assert not gradient[1][1].any()
    assert gradient[0][0].all()


# ---- 5.6.2: automatic differentiation of f(x) = sqrt(x² + exp(x²)) + cos(x² + exp(x²)), example 5.14


def closed_form(x):
    a = x * x
    b = np.exp(a)
    c = a + b
    d = np.sqrt(c)
    e = np.cos(c)
    bar = {"d": np.ones_like(x), "e": np.ones_like(x)}
    bar["c"] = bar["d"] / (2 * np.sqrt(c)) - bar["e"] * np.sin(c)
    bar["b"] = bar["c"]
    bar["a"] = bar["b"] * np.exp(a) + bar["c"]
    bar["x"] = bar["a"] * 2 * x
    return d + e, bar


def example(x, note=lambda name, value: value):
    a = note("a", x**2)
    b = note("b", np.exp(a))
    c = note("c", a + b)
    d = note("d", np.sqrt(c))
    e = note("e", np.cos(c))
    return d + e


XS = [-1.3, -0.5, 0.1, 0.75, 1.2]


@pytest.mark.parametrize("x", [np.float64(0.6), *XS, np.float32(0.75), np.array(XS), np.array(XS, np.float32)])
def test_value_and_derivative_of_the_example(x):
    value, gradient = pyad.value_and_grad(lambda x: np.sum(example(x)))(x)
    expected, bar = closed_form(np.float64(x))
    rtol = 3e-5 if np.asarray(x).dtype == np.float32 else 1e-12
    np.testing.assert_allclose(value, expected.sum(), rtol=rtol)
    np.testing.assert_allclose(gradient, bar["x"], rtol=rtol)
    assert np.asarray(gradient).dtype == np.asarray(x).dtype


@pytest.mark.parametrize("x", [*XS, np.array(XS)])
def test_every_adjoint_of_the_example_as_derivative_by_a_shift_of_the_intermediate(x):
    shifts = {name: np.zeros_like(x, dtype=float) for name in "abcde"}

    def shifted(shifts, x):
        return np.sum(example(x, lambda name, value: value + shifts[name]))

    adjoints, by_x = pyad.grad(shifted, argnums=(0, 1))(shifts, x)
    _, bar = closed_form(np.asarray(x))
    for name in "abcde":
        np.testing.assert_allclose(adjoints[name], bar[name], rtol=1e-12, err_msg=name)
    np.testing.assert_allclose(by_x, bar["x"], rtol=1e-12)


@pytest.mark.parametrize("x", [*XS, np.array(XS)])
def test_every_adjoint_of_the_example_as_the_sweep_meets_it(x):
    met = []

    def note(name, value):
        probe = pyad.custom_vjp(lambda value: value * 1.0)

        def backward(_, out_bar):
            met.append((name, np.array(out_bar)))
            return (out_bar,)

        probe.defvjp(lambda value: (value * 1.0, None), backward)
        return probe(value)

    pyad.grad(lambda x: np.sum(example(x, note)))(x)
    names = [name for name, _ in met]
    assert sorted(names) == list("abcde"), "each intermediate is visited once"
    assert names.index("c") > max(names.index("d"), names.index("e"))
    assert names[-3:] == ["c", "b", "a"]
    _, bar = closed_form(np.asarray(x))
    for name, adjoint in met:
        np.testing.assert_allclose(adjoint, bar[name], rtol=1e-12, err_msg=name)


def test_higher_derivatives_of_the_example():
    x, step = 0.6, 1e-4
    slopes = [closed_form(np.float64(x + shift * step))[1]["x"] for shift in (-1, 0, 1)]
    second, third = pyad.grad(pyad.grad(example))(x), pyad.grad(pyad.grad(pyad.grad(example)))(x)
    assert second == pytest.approx((slopes[2] - slopes[0]) / (2 * step), rel=1e-6)
    assert third == pytest.approx((slopes[2] - 2 * slopes[1] + slopes[0]) / step**2, rel=1e-4)


# ---- gradient descent on the squared loss


def test_gradient_descent_recovers_the_parameters_of_a_linear_network():
    rng = np.random.default_rng(1)
    true = {"w": rng.normal(size=(3, 2)), "b": rng.normal(size=2)}
    x = rng.normal(size=(50, 3))
    y = nn.dense(true, x)
    params = {"w": np.zeros((3, 2)), "b": np.zeros(2)}
    gradient, optimizer = pyad.grad(lambda params: nn.squared_error(nn.dense(params, x), y)), nn.SGD(0.01)
    for _ in range(200):
        optimizer.update(params, gradient(params), None)
    np.testing.assert_allclose(params["w"], true["w"], rtol=1e-8)
    np.testing.assert_allclose(params["b"], true["b"], rtol=1e-8)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "softplus"])
def test_gradient_descent_recovers_the_parameters_of_a_small_network(activation):
    # Hidden units may trade places and signs, so descent starts near the truth to end at it and not at an equal of it.
    rng = np.random.default_rng(2)
    true = [
        {"w": np.array([[1.5, -1.0], [0.5, 2.0]]), "b": np.array([0.3, -0.4])},
        {"w": np.array([[1.2], [-0.8]]), "b": np.array([0.5])},
    ]
    x = 1.5 * rng.normal(size=(100, 2))
    y = nn.mlp(true, x, activation)
    params = [{name: p + 0.1 * rng.normal(size=p.shape) for name, p in layer.items()} for layer in true]
    start = max(np.abs(p[k] - t[k]).max() for p, t in zip(params, true, strict=True) for k in "wb")
    step = pyad.value_and_grad(lambda params: nn.squared_error(nn.mlp(params, x, activation), y))
    optimizer = nn.SGD(0.002, momentum=0.95)
    state = optimizer.init(params)
    losses = []
    for _ in range(6000):
        value, gradients = step(params)
        state = optimizer.update(params, gradients, state)
        losses.append(value)
    assert start > 0.1
    assert losses[-1] < 1e-12 * losses[0]
    for got, want in zip(params, true, strict=True):
        np.testing.assert_allclose(got["w"], want["w"], atol=1e-5)
        np.testing.assert_allclose(got["b"], want["b"], atol=1e-5)


def test_gradient_descent_written_out_in_numpy_recovers_a_network_of_the_chapter():
    rng = np.random.default_rng(3)
    true = {"A0": np.array([[1.0, -0.5], [0.25, 1.5]]), "b0": np.array([0.1, -0.2]), "A1": np.array([[1.0, 0.7]])}
    x = rng.normal(size=(2, 60))

    def f(theta, x):
        return theta["A1"] @ np.tanh(theta["A0"] @ x + theta["b0"][:, None])

    y = f(true, x)
    gradient = pyad.grad(lambda theta: np.sum((y - f(theta, x)) ** 2))
    theta = {name: p + 0.05 for name, p in true.items()}
    for _ in range(4000):
        slope = gradient(theta)
        theta = {name: p - 0.01 * slope[name] for name, p in theta.items()}
    for name, p in true.items():
        np.testing.assert_allclose(theta[name], p, atol=1e-6)
    assert float(pnp.sum((y - f(theta, x)) ** 2)) < 1e-12
