"""Derivatives where they are ambiguous, infinite or undefined: JAX's, except where a docstring says otherwise."""

import itertools

import jax
import jax.numpy as jnp
import jax.scipy.special as jsp
import numpy as np
import pytest
from support.oracles import assert_tree_equal

import pyad
import pyad.numpy as pnp
import pyad.scipy.special as psp
from pyad import nn
from pyad._ops import reductions
from pyad._ops.activations import relu, softplus
from pyad._ops.reductions import log_softmax, logsumexp

INF, NAN = np.inf, np.nan
POINTS = [0.0, -0.0, 1.0, -1.0, 2.0, -3.0, 0.5, -2.5, 800.0, -800.0, 1e-300, 1e300, INF, -INF, NAN]

ONE = ["negative", "absolute", "square", "reciprocal", "sqrt", "exp", "expm1", "log", "log1p", "sin", "cos", "tan"]
ONE += ["sinh", "cosh", "tanh", "arcsin", "arccos", "arctan", "floor", "ceil", "sign"]
UNARY = {name: (getattr(pnp, name), getattr(jnp, name)) for name in ONE}
UNARY |= {
    "erf": (psp.erf, jsp.erf),
    "expit": (psp.expit, jax.nn.sigmoid),
    "relu": (relu, jax.nn.relu),
    "softplus": (softplus, jax.nn.softplus),
}
BINARY = {
    name: (getattr(pnp, name), getattr(jnp, name))
    for name in ["add", "subtract", "multiply", "divide", "maximum", "minimum", "arctan2"]
}


@pytest.fixture(autouse=True)
def quiet():
    with np.errstate(all="ignore"):
        yield


def reaches(got, want):
    """Equal numbers, signs of infinities and places of NaN."""
    assert_tree_equal(np.asarray(got, float), np.asarray(want, float), rtol=1e-12, atol=1e-300)


def of_jax(f, points):
    """Value, first and second derivative of a function of a number, at many points in one call."""
    points = jnp.asarray(points)
    return zip(*[jax.vmap(g)(points).tolist() for g in (f, jax.grad(f), jax.grad(jax.grad(f)))], strict=True)


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_number_have_the_edge_values_of_jax(name):
    ours, theirs = UNARY[name]
    for point, (value, first, second) in zip(POINTS, of_jax(theirs, POINTS), strict=True):
        reaches(pyad.value_and_grad(ours)(point), (value, first))
        reaches(pyad.jvp(ours, (point,), (2.0,)), (value, 2 * first))
        if abs(point) not in (800.0, 1e300, 1e-300):
            # There second derivatives over- and underflow, on either side according to how the terms are grouped.
            reaches(pyad.grad(pyad.grad(ours))(point), second)
            reaches(pyad.hvp(ours, (point,), (1.0,)), second)


@pytest.mark.parametrize("name", UNARY)
def test_arrays_have_the_edge_values_of_numbers(name):
    ours, _ = UNARY[name]
    x = np.array(POINTS)
    got = pyad.grad(lambda x: pnp.sum(ours(x)))(x)
    reaches(got, [pyad.grad(ours)(point) for point in POINTS])


@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_numbers_have_the_edge_values_of_jax(name):
    ours, theirs = BINARY[name]
    points = [p for p in POINTS if abs(p) not in (800.0, 1e300, 1e-300)]
    pairs = np.array(list(itertools.product(points, repeat=2)))
    batched = jax.vmap(jax.value_and_grad(theirs, (0, 1)))
    values, gradients = batched(pairs[:, 0], pairs[:, 1])
    second = [jax.vmap(jax.grad(jax.grad(theirs, i), i))(pairs[:, 0], pairs[:, 1]) for i in range(2)]
    for k, (x, y) in enumerate(pairs):
        value, gradient = pyad.value_and_grad(ours, (0, 1))(x, y)
        reaches([value, *gradient], [values[k], gradients[0][k], gradients[1][k]])
        for i in range(2):
            reaches(pyad.grad(pyad.grad(ours, i), i)(x, y), second[i][k])


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_ties_share_the_derivative(name):
    x = np.array([1.0, 0.0, -0.0, INF, -INF])
    ours = getattr(np, name)
    for mode in pyad.grad(lambda x, y: np.sum(ours(x, y)), (0, 1))(x, x.copy()):
        np.testing.assert_array_equal(mode, 0.5)
    np.testing.assert_array_equal(pyad.grad(lambda x: np.sum(ours(x, 1.0)))(x[:1]), 0.5)
    np.testing.assert_array_equal(pyad.grad(lambda x: np.sum(ours(x, x)))(x), 1.0)


# ---- powers ----

EXPONENTS = [0, 1, 2, 3, 7, -1, -2, -3, 0.5, 1.5, -0.5, 2.0, 3.0, -1.0]


BASES = [0.0, -0.0, 1.0, -2.0, 0.3, INF, -INF, NAN]


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_powers_with_a_plain_exponent_have_the_edge_values_of_jax(exponent):
    for base, (value, first, second) in zip(BASES, of_jax(lambda x: x**exponent, BASES), strict=True):
        for ours in (lambda x: x**exponent, lambda x: np.power(x, exponent), lambda x: pnp.power(x, exponent)):
            reaches(pyad.value_and_grad(ours)(base), (value, first))
            reaches(pyad.grad(pyad.grad(ours))(base), second)


@pytest.mark.parametrize("base", [0.0, -0.0, 2.0, -2.0, 0.3, INF, -INF, NAN])
def test_a_zeroth_power_is_constant_in_its_base(base):
    """JAX gives NaN for a floating zero and 0 for an integer one; `x ** 0` is 1 everywhere, so 0 is right for both."""
    for zero in (0, 0.0, -0.0, np.float64(0.0)):
        assert pyad.value_and_grad(lambda x, zero=zero: x**zero)(base) == (1.0, 0.0)
        assert pyad.grad(pyad.grad(lambda x, zero=zero: x**zero))(base) == 0.0
    assert pyad.grad(pnp.power)(base, 0.0) == 0.0
    assert pyad.grad(pyad.grad(lambda x: x**1.0))(base) == 0.0


def test_powers_by_both_operands_have_the_edge_values_of_jax():
    bases = [0.0, -0.0, 1.0, 0.3, 2.0, -2.0, INF, -INF, NAN]
    pairs = np.array(list(itertools.product(bases, [0.5, 1.0, 2.0, 3.5, -1.0, -0.5, INF, -INF, NAN])))
    values, (by_base, by_exponent) = jax.vmap(jax.value_and_grad(jnp.power, (0, 1)))(*jnp.asarray(pairs.T))
    for k, (base, exponent) in enumerate(pairs):
        value, gradient = pyad.value_and_grad(pnp.power, (0, 1))(base, exponent)
        reaches([value, *gradient], [values[k], by_base[k], by_exponent[k]])


@pytest.mark.parametrize("base", [0, 1, 2, 0.0, 0.5, 3.0, -2.0])
def test_powers_of_a_plain_base_have_the_edge_values_of_jax(base):
    exponents = [0.0, -0.0, 1.0, 2.0, -1.0, 0.5]
    theirs = of_jax(lambda y: jnp.power(float(base), y), exponents)
    for exponent, (value, first, _) in zip(exponents, theirs, strict=True):
        reaches(pyad.value_and_grad(lambda y: base**y)(exponent), (value, first))


def test_zero_to_a_positive_power_is_constant_in_the_exponent():
    assert pyad.grad(pnp.power, 1)(0.0, 3.0) == 0.0
    np.testing.assert_array_equal(pyad.grad(lambda y: pnp.sum(pnp.power(np.zeros(2), y)))(np.array([0.5, 2.0])), 0.0)


# ---- selection ----

SELECTIONS = {
    "sqrt": (lambda np, x: np.where(x > 0, np.sqrt(x), 0.0)),
    "log": (lambda np, x: np.where(x > 0, np.log(x), x)),
    "division": (lambda np, x: np.where(x == 0, 1.0, np.sin(x) / x)),
    "made safe": (lambda np, x: np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), 0.0)),
    "nested": (lambda np, x: np.where(x > 0, np.where(x > 1, x**2, x), -x)),
    "a constant NaN": (lambda np, x: np.where(x > 0, x, NAN)),
    "broadcast": (lambda np, x: np.where(np.array([[True], [False]]), x, 2.0 * x)),
    "numbers": (lambda np, x: np.where(x > 0, 1.0, 2.0) * x),
}


@pytest.mark.parametrize("name", SELECTIONS)
def test_selections_have_the_gradients_of_jax(name):
    select = SELECTIONS[name]
    x = np.array([-1.0, 0.0, 0.5, 4.0, INF, NAN])
    want = jax.grad(lambda x: jnp.sum(select(jnp, x)))(x)
    for ours in (np, pnp):
        reaches(pyad.grad(lambda x, ours=ours: ours.sum(select(ours, x)))(x), want)


def test_the_value_not_taken_gets_no_derivative_also_where_it_is_nan():
    mask = np.array([True, False])
    x, y = np.array([1.0, NAN]), np.array([NAN, 2.0])
    dx, dy = pyad.grad(lambda x, y: np.sum(np.where(mask, x, y) ** 2), (0, 1))(x, y)
    np.testing.assert_array_equal(dx, [2.0, 0.0])
    np.testing.assert_array_equal(dy, [0.0, 4.0])


# ---- reductions ----

ROWS = [
    [1.0, 2.0, 2.0],
    [0.0, -0.0, 0.0],
    [-INF, -INF, -INF],
    [-INF, 0.0, 1.0],
    [INF, 0.0, 1.0],
    [INF, INF, 0.0],
    [NAN, 1.0, 2.0],
    [1e308, 1e308, -1e308],
    [1000.0, 1000.0, 999.0],
    [-1000.0, -1001.0, -1e5],
    [3.0],
]
REDUCTIONS = {
    "max": (np.max, jnp.max),
    "min": (np.min, jnp.min),
    "logsumexp": (psp.logsumexp, jsp.logsumexp),
}
W = np.array([0.3, -0.7, 0.2])


@pytest.mark.parametrize("row", ROWS, ids=str)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_have_the_edge_values_of_jax(name, row):
    ours, theirs = REDUCTIONS[name]
    x, t = np.array(row), np.arange(1.0, len(row) + 1)
    for got, want in zip(pyad.value_and_grad(ours)(x), jax.value_and_grad(theirs)(x), strict=True):
        reaches(got, want)
    for got, want in zip(pyad.jvp(ours, (x,), (t,)), jax.jvp(theirs, (x,), (t,)), strict=True):
        reaches(got, want)
    np.testing.assert_allclose(pyad.hessian(ours)(x), jax.hessian(theirs)(x), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("row", [row for row in ROWS if INF not in row and NAN not in row], ids=str)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_of_huge_and_infinite_entries_is_that_of_jax(name, row):
    ours, theirs = getattr(reductions, name), getattr(jax.nn, name)
    x = np.array(row)
    w = W[: len(row)]
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-14, atol=1e-300)
    got = pyad.value_and_grad(lambda x: np.sum(w * ours(x)))(x)
    want = jax.value_and_grad(lambda x: jnp.sum(w * theirs(x)))(x)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(
        pyad.hessian(lambda x: np.sum(w * ours(x)))(x),
        jax.hessian(lambda x: jnp.sum(w * theirs(x)))(x),
        rtol=1e-11,
        atol=1e-15,
    )


def test_softmax_of_a_row_with_nothing_in_it_is_nan_as_in_jax():
    x = np.full(3, -INF)
    for name in ("softmax", "log_softmax"):
        ours, theirs = getattr(reductions, name), getattr(jax.nn, name)
        reaches(pyad.vjp(ours, x)[0], theirs(x))
        reaches(pyad.jacobian(ours)(x), jax.jacobian(theirs)(x))


def test_logsumexp_has_accurate_weights_where_its_value_is_rounded_coarsely():
    """At 1e4 neighbours in float32 are 1e-3 apart: weights taken from the rounded value would be wrong by as much."""
    x = (np.random.default_rng(0).normal(size=(3, 5)) + 1e4).astype(np.float32)
    got = pyad.grad(lambda x: np.sum(psp.logsumexp(x, axis=1)))(x)
    want = jax.grad(lambda x: jnp.sum(jsp.logsumexp(x, axis=1)))(x.astype(np.float64))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, rtol=1e-6)
    np.testing.assert_allclose(got.sum(axis=1), 1.0, rtol=1e-6)
    _, tangent = pyad.jvp(psp.logsumexp, (x,), (np.ones_like(x),))
    np.testing.assert_allclose(tangent, 1.0, rtol=1e-6)


def test_log_softmax_is_exact_where_all_entries_are_large():
    x = (np.random.default_rng(1).normal(size=5) + 1e4).astype(np.float32)
    want = jax.grad(lambda x: jnp.sum(W[0] * jax.nn.log_softmax(x)[1]))(x.astype(np.float64))
    got = pyad.grad(lambda x: W[0].item() * log_softmax(x)[1])(x)
    np.testing.assert_allclose(got, want, rtol=2e-6)


@pytest.mark.parametrize("shape", [(2, 0), (0, 2), (0, 2, 3), (2, 0, 3), (0,)])
@pytest.mark.parametrize("axis", [0, -1, None, "all"])
@pytest.mark.parametrize("keepdims", [False, True])
def test_logsumexp_over_nothing_is_minus_infinity_with_no_gradient(shape, axis, keepdims):
    axis = tuple(range(len(shape))) if axis == "all" else axis
    x = np.zeros(shape)
    want = np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))
    value, pullback = pyad.vjp(lambda x: logsumexp(x, axis, keepdims=keepdims), x)
    np.testing.assert_array_equal(value, want)
    np.testing.assert_array_equal(logsumexp(x, axis, keepdims=keepdims), want)
    assert np.shape(value) == np.shape(want)
    assert pullback(np.ones(np.shape(want)))[0].shape == shape


@pytest.mark.parametrize("name", ["max", "min"])
def test_an_extremum_over_nothing_raises_as_in_numpy(name):
    with pytest.raises(ValueError, match="empty"):
        pyad.grad(lambda x: getattr(np, name)(x))(np.zeros(0))
    value, pullback = pyad.vjp(lambda x: getattr(np, name)(x, axis=1), np.zeros((0, 2)))
    assert value.shape == (0,)
    assert pullback(value)[0].shape == (0, 2)


def test_ties_of_an_extremum_share_the_derivative_per_row():
    x = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0], [5.0, 0.0, 1.0]])
    got = pyad.grad(lambda x: np.sum(np.max(x, axis=1) * np.array([1.0, 3.0, 10.0])))(x)
    np.testing.assert_allclose(got, [[0.0, 0.5, 0.5], [1.0, 1.0, 1.0], [10.0, 0.0, 0.0]])


def test_mean_and_variance_of_nothing_are_nan():
    for f in (np.mean, np.var, np.std):
        value, gradient = pyad.value_and_grad(lambda x, f=f: f(x))(np.zeros(0))
        assert np.isnan(value)
        assert gradient.shape == (0,)


def test_cross_entropy_of_certain_and_impossible_classes_is_finite():
    logits = np.array([[1000.0, 0.0, -1000.0], [-1000.0, 0.0, 1000.0]])
    for label in (0, 2):
        labels = np.array([label, 2 - label])
        value, gradient = pyad.value_and_grad(lambda z, y=labels: nn.softmax_cross_entropy(z, y))(logits)
        want = jax.grad(lambda z, y=labels: -jnp.mean(jax.nn.log_softmax(z)[jnp.arange(2), y]))(logits)
        assert np.isfinite(value)
        np.testing.assert_allclose(gradient, want, atol=1e-15)
