"""Convolution, correlation, interpolation and phases, and what calls a Python function, against NumPy and JAX."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.calls import agree, check_call, check_derivatives

import pyad
import pyad.numpy as pnp
from pyad.errors import ConcretizationError, UnsupportedError
from pyad.testing import check_grads

A = np.array([[0.3, -1.2, 2.1], [1.7, 0.4, -0.8]])
V = np.array([0.7, -1.4, 2.2, 0.9])
W = np.array([1.5, 0.6, -0.9])

# ---- convolution ----


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("function", [np.convolve, np.correlate])
def test_convolution_and_correlation_of_any_two_lengths(function, mode):
    rng = np.random.default_rng(0)
    for n, m in itertools.product(range(1, 6), repeat=2):
        a, v = rng.normal(size=n), rng.normal(size=m)
        agree(pyad.vjp(lambda a, v: function(a, v, mode), a, v)[0], function(a, v, mode))
        agree(pyad.vjp(lambda a, v=v: function(a, v, mode=mode), a)[0], function(a, v, mode))
    for a, v in ((V, W), (W, V), (V, V), (W[:1], V)):
        check_call(lambda a, v: function(a, v, mode), a, v, squared=False)
        check_derivatives(lambda a, v=v: function(a * a, v, mode), a)
        check_derivatives(lambda v, a=a: function(a, v * v, mode), v)
    check_grads(lambda a, v: function(a, v, mode), (V[:3], W[:2]), order=2)


def test_a_signal_may_be_a_number_or_a_list_and_the_mode_has_its_default():
    check_call(lambda a: np.convolve(a, 2.0), V)
    check_call(lambda a: np.correlate(a, [1.0, 2.0]), V)
    check_call(lambda a: np.convolve(a, [1, 2]), V)
    agree(pyad.vjp(lambda a: pnp.convolve([a, 1.0], [2.0, a]), 0.5)[0], np.convolve([0.5, 1.0], [2.0, 0.5]))


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.convolve(x, x[0]),
        lambda x: np.convolve(x[0], []),
        lambda x: np.correlate(x[0, :0], x[0]),
        lambda x: np.correlate(x[0, 0], x[0]),
        lambda x: np.convolve(x[0], x[0], "all"),
    ],
)
def test_signals_that_numpy_refuses_are_refused(call):
    with pytest.raises(ValueError):
        call(A)
    with pytest.raises(ValueError, match=r"convolve|correlate"):
        pyad.vjp(call, A)


# ---- interpolation ----

XP = np.array([0.0, 1.0, 2.5, 4.0])
FP = np.array([1.0, -0.5, 2.0, 0.3])
X = np.array([[0.4, 1.7], [3.1, 2.2]])
OUTSIDE = np.array([-1.0, 0.3, 5.0])

INTERPOLATIONS = {
    "all": (lambda x, xp, fp: np.interp(x, xp, fp), X, XP, FP),
    "outside": (lambda x, xp, fp: np.interp(x, xp, fp), OUTSIDE, XP, FP),
    "left and right": (
        lambda x, xp, fp: np.interp(x, xp, fp, left=-7.0, right=9.0),
        OUTSIDE,
        XP,
        FP,
    ),
    "period": (lambda x, xp, fp: np.interp(x, xp, fp, period=5.0), np.array([-1.3, 0.3, 4.7, 11.2]), XP, FP),
    "period, out of order": (
        lambda x, xp, fp: np.interp(x, xp, fp, period=360),
        np.array([-180.0, 185.0, 5.0, 265.0]) / 100,
        np.array([1.9, -1.9, 0.5, 3.5]),
        FP,
    ),
    "number": (lambda x, xp, fp: np.interp(x, xp, fp), np.array(1.7), XP, FP),
    "one point": (lambda x, xp, fp: np.interp(x, xp, fp) + 0 * x, np.array([0.5, 2.0]), XP[1:2], FP[:1]),
    "traced ends": (lambda x, fp: np.interp(x, XP, fp, left=fp[1], right=fp[2] * 2), np.array([-1.0, 9.0]), FP),
}


@pytest.mark.parametrize("name", INTERPOLATIONS)
def test_interpolation_has_numpys_value_and_derivatives_by_everything(name):
    f, *args = INTERPOLATIONS[name]
    agree(pyad.vjp(f, *args)[0], f(*args))
    check_derivatives(lambda *args: f(*args) ** 2, *args)
    for k, x in enumerate(args):
        check_derivatives(lambda x, k=k: f(*(x if j == k else a for j, a in enumerate(args))) ** 2, x)


def test_interpolation_is_checked_entry_by_entry():
    check_grads(lambda x, xp, fp: np.interp(x, xp, fp), (X[0], XP[:3], FP[:3]), order=2)


def test_slopes_at_the_points_and_outside_are_those_of_jax():
    x = np.array([-1.0, 0.0, 1.0, 2.5, 4.0, 5.0])
    got = pyad.grad(lambda *args: np.sum(np.interp(*args) * np.arange(1.0, 7.0)), (0, 1, 2))(x, XP, FP)
    want = jax.grad(lambda *args: jnp.sum(jnp.interp(*args) * jnp.arange(1.0, 7.0)), (0, 1, 2))(x, XP, FP)
    for ours, theirs in zip(got, want, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-13, atol=1e-14)
    agree(pyad.vjp(lambda x: np.interp(x, XP, FP), x)[0], np.interp(x, XP, FP), 0.0)


def test_infinite_and_missing_numbers_are_interpolated_as_in_numpy():
    x = np.array([np.inf, -np.inf, np.nan, 0.5])
    agree(pyad.vjp(lambda x, fp: np.interp(x, XP, fp), x, FP)[0], np.interp(x, XP, FP))
    slopes = pyad.grad(lambda x: np.sum(np.interp(x, XP, FP)))(x)
    np.testing.assert_array_equal(slopes, [0.0, 0.0, (FP[3] - FP[2]) / 1.5, -1.5])
    assert np.isfinite(pyad.grad(lambda fp: np.sum(np.interp(x[[0, 1, 3]], XP, fp)))(FP)).all()


def test_two_points_at_one_place_have_no_slope_between_them():
    xp, x = np.array([0.0, 1.0, 1.0]), np.array([0.5, 1.0])
    agree(pyad.vjp(lambda x, fp: np.interp(x, xp, fp), x, FP[:3])[0], np.interp(x, xp, FP[:3]))
    np.testing.assert_array_equal(pyad.grad(lambda x: np.sum(np.interp(x, xp, FP[:3])))(x), [FP[1] - FP[0], 0.0])


def test_interpolation_is_in_double_precision_as_in_numpy():
    x = np.array([0.5], np.float32)
    value, pullback = pyad.vjp(lambda x: np.interp(x, XP, FP), x)
    agree(value, np.interp(x, XP, FP))
    assert pullback(np.ones(1))[0].dtype == np.float32


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.interp(x, x, x[0]),
        lambda x: np.interp(x, x[0], x[0, :2]),
        lambda x: np.interp(x, [], []),
        lambda x: np.interp(x, x[0], x[1], period=0),
    ],
)
def test_points_that_numpy_refuses_are_refused(call):
    with pytest.raises(ValueError):
        call(A)
    with pytest.raises(ValueError):
        pyad.vjp(call, A)


def test_a_traced_period_is_refused_by_name():
    with pytest.raises(TypeError, match="period"):
        pyad.vjp(lambda p: pnp.interp(X, XP, FP, period=p), 5.0)


# ---- phases ----

PHASES = np.array([0.3, 2.8, -2.9, -0.2, 3.1, -3.0])


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.unwrap(x),
        lambda x: np.unwrap(x.reshape(2, 3), axis=0),
        lambda x: np.unwrap(x, 4.0),
        lambda x: np.unwrap(x, period=4),
        lambda x: np.unwrap(x, discont=1.0, axis=-1, period=2.5),
    ],
)
def test_unwrapped_phases_move_with_their_own(call):
    agree(pyad.vjp(call, PHASES)[0], call(PHASES))
    check_derivatives(lambda x: call(x) ** 2, PHASES)
    single = PHASES.astype(np.float32)
    agree(pyad.vjp(call, single)[0], call(single), 1e-6)


# ---- Python functions ----


def spread(v):
    return np.stack([v, 2 * v])


CALLS = {
    "along, to numbers": lambda x: np.apply_along_axis(np.sum, 0, x),
    "along the last": lambda x: np.apply_along_axis(lambda v: v[0] * v[-1], -1, x),
    "along, to vectors": lambda x: np.apply_along_axis(lambda v: v[::-1] * v[0], 1, x),
    "along, to other lengths": lambda x: np.apply_along_axis(lambda v: v[:2], 1, x),
    "along the first, to matrices": lambda x: np.apply_along_axis(spread, 0, x),
    "along the last, to matrices": lambda x: np.apply_along_axis(spread, 1, x),
    "along, with arguments": lambda x: np.apply_along_axis(lambda v, a, b=0.0: a * v + b, 0, x, 2.0, b=1.0),
    "along the middle": lambda x: np.apply_along_axis(np.sum, 1, np.stack([x, 2 * x])),
    "along a vector": lambda x: np.apply_along_axis(np.sum, 0, x[0]),
    "over": lambda x: np.apply_over_axes(np.sum, x, [0, 1]),
    "over one": lambda x: np.apply_over_axes(np.sum, x, 1),
    "over, kept": lambda x: np.apply_over_axes(lambda v, axis: np.sum(v, axis, keepdims=True), x, (0, -1)),
}


@pytest.mark.parametrize("name", CALLS)
def test_functions_of_functions_have_numpys_value_and_derivatives(name):
    check_call(CALLS[name], A)


def test_functions_of_functions_refuse_what_numpy_refuses():
    for call, error in (
        (lambda x: np.apply_along_axis(np.sum, 2, x), np.exceptions.AxisError),
        (lambda x: np.apply_along_axis(np.sum, 1, x[:0]), ValueError),
        (lambda x: np.apply_over_axes(lambda v, axis: v[0, 0] * np.ones(()), x, 0), ValueError),
    ):
        with pytest.raises(error):
            call(A)
        with pytest.raises(error):
            pyad.vjp(call, A)


def test_vectorize_calls_the_function_with_each_element():
    def branch(a, b):
        return a * b if a > b else a - b

    ours, theirs = pnp.vectorize(branch), np.vectorize(branch)
    agree(ours(A, 0.5), theirs(A, 0.5))
    agree(pyad.vjp(lambda a: ours(a, 0.5), A)[0], theirs(A, 0.5))
    agree(pyad.vjp(lambda a: ours(a, b=a[:, :1]), A)[0], theirs(A, b=A[:, :1]))
    check_derivatives(lambda a: ours(a * a, a), A)
    pair = pnp.vectorize(lambda a: (a, a * a))
    first, second = pyad.vjp(lambda a: pair(a), A)[0]
    agree((first, second), (A, A * A))
    powers = pnp.vectorize(lambda p, x: sum(c * x**k for k, c in enumerate(p)), excluded=[0])
    agree(pyad.vjp(lambda x: powers([1.0, 2.0, 3.0], x), A)[0], 1 + 2 * A + 3 * A * A)
    with pytest.raises(UnsupportedError, match="signature"):
        pyad.vjp(lambda a: pnp.vectorize(np.sum, signature="(n)->()")(a), A)
    with pytest.raises(ConcretizationError, match=r"pyad\.numpy"):
        pyad.vjp(lambda a: np.vectorize(branch)(a, 0.5), A)
