"""Reductions with all of NumPy's arguments, scans, averages and differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyad
import pyad.numpy as pnp
from pyad._ops.scans import recur
from pyad.errors import UnsupportedError
from pyad.testing import check_grads

NAN = np.nan
X = np.array([[0.7, -1.2, 2.1], [1.6, 0.4, -0.3]])
CUBE = np.linspace(-1.3, 1.1, 12).reshape(2, 3, 2) ** 3 + np.arange(12).reshape(2, 3, 2) % 5
MASK = np.array([[True, False, True], [False, True, True]])
HOLES = np.array([[0.7, NAN, 2.1], [1.6, 0.4, NAN]])
ZEROS = np.array([[0.0, 2.0, 3.0], [0.0, 0.0, 4.0], [1.0, 2.0, 0.0]])


def traced(f, *args):
    """The value f has while its arguments are traced."""
    return pyad.vjp(f, *args)[0]


def check(f, *args, order=2):
    """The value, shape and dtype of NumPy, for float32 too, and right derivatives."""
    want = f(*args)
    got = traced(f, *args)
    np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-15)
    assert np.shape(got) == np.shape(want)
    assert np.asarray(got).dtype == np.asarray(want).dtype
    narrow = tuple(x.astype(np.float32) for x in args)
    single = traced(f, *narrow)
    assert np.asarray(single).dtype == np.asarray(f(*narrow)).dtype
    np.testing.assert_allclose(single, f(*narrow), rtol=2e-5, atol=1e-5)
    check_grads(f, args, order=order)


AXES = [None, 0, -1, (0, 1), (-1, 0), ()]
REDUCTIONS = ["sum", "prod", "mean", "var", "std", "max", "min", "ptp", "median"]


# The deviation of one number is 0, where its root has no derivative.
FORMS = [(name, axis) for name in REDUCTIONS for axis in AXES if (name, axis) != ("std", ())]


@pytest.mark.parametrize(("name", "axis"), FORMS, ids=str)
def test_reductions_over_every_form_of_axes(name, axis):
    for keepdims in (False, True):
        check(lambda x, k=keepdims: getattr(np, name)(x, axis=axis, keepdims=k), X, order=1)
    method = getattr(X, name, None)
    if method is not None:
        np.testing.assert_allclose(traced(lambda x: getattr(x, name)(axis), X), method(axis), rtol=1e-14)


ARGUMENTS = {
    "sum initial": lambda x: np.sum(x, axis=0, initial=2.0),
    "sum where": lambda x: np.sum(x, where=MASK),
    "sum where row": lambda x: np.sum(x, 1, where=MASK[0], keepdims=True),
    "sum positional": lambda x: np.sum(x, 1, None, None, True),
    "sum method": lambda x: x.sum(1, None, None, True, 2.0, MASK),
    "sum dtype": lambda x: np.sum(x, dtype=np.float64),
    "prod initial": lambda x: np.prod(x, 1, initial=2.0),
    "prod where": lambda x: x.prod(axis=0, where=MASK, keepdims=True),
    "prod three axes": lambda x: np.prod(x[:, None, :], axis=(0, 2)),
    "mean where": lambda x: np.mean(x, axis=1, where=MASK),
    "mean dtype": lambda x: x.mean(dtype=np.float64),
    "var ddof": lambda x: np.var(x, axis=1, ddof=1),
    "var correction": lambda x: np.var(x, axis=1, correction=1),
    "var where": lambda x: np.var(x, axis=1, where=MASK, keepdims=True),
    "var mean": lambda x: np.var(x, axis=1, mean=np.mean(x, axis=1, keepdims=True)),
    "std ddof": lambda x: x.std(1, ddof=1, keepdims=True),
    "std where": lambda x: np.std(x, where=MASK, correction=1),
    "max initial": lambda x: np.max(x, axis=1, initial=1.7),
    "max where": lambda x: x.max(axis=0, initial=-1.0, where=MASK),
    "min where": lambda x: np.min(x, axis=1, initial=5.0, where=MASK, keepdims=True),
    "amax": lambda x: np.amax(x, 0),
    "amin": lambda x: np.amin(x, 0),
    "ptp": lambda x: np.ptp(x, axis=1, keepdims=True),
    "average": lambda x: np.average(x),
    "average axis": lambda x: np.average(x, axis=1, weights=np.array([1.0, 2.0, 3.0])),
    "average full": lambda x: np.average(x, axis=0, weights=X * X, keepdims=True),
    "average axes": lambda x: np.average(x[None], axis=(2, 1), weights=np.arange(1.0, 7.0).reshape(3, 2)),
    "average of weights": lambda x: np.average(X, weights=x * x),
    "cumsum": lambda x: np.cumsum(x),
    "cumsum axis": lambda x: x.cumsum(axis=-2),
    "cumprod": lambda x: np.cumprod(x),
    "cumprod axis": lambda x: x.cumprod(1, dtype=np.float64),
    "cumulative_sum": lambda x: np.cumulative_sum(x, axis=1, include_initial=True),
    "cumulative_prod": lambda x: np.cumulative_prod(x, axis=0, include_initial=True),
    "cumulative_prod row": lambda x: np.cumulative_prod(x[0]),
    "diff": lambda x: np.diff(x),
    "diff n": lambda x: np.diff(x, 2, axis=-1),
    "diff ends": lambda x: np.diff(x, axis=0, prepend=0.5, append=x[:1]),
    "diff order 0": lambda x: np.diff(x, 0),
    "ediff1d": lambda x: np.ediff1d(x, to_begin=x[0, 0], to_end=[1.0, 2.0]),
    "gradient": lambda x: np.gradient(x)[0] + np.gradient(x)[1],
    "gradient axis": lambda x: np.gradient(x, 0.5, axis=1),
    "gradient axes": lambda x: np.gradient(x, 0.5, [0.0, 1.0, 3.0])[1],
    "gradient edge": lambda x: np.gradient(x, axis=1, edge_order=2),
    "gradient uneven": lambda x: np.gradient(x, [0.0, 1.0, 3.0], axis=-1, edge_order=2),
    "gradient of spacing": lambda x: np.gradient(X[0], x[0] * x[0] + np.arange(3.0) * 9),
    "gradient of step": lambda x: np.gradient(X, x[0, 0], axis=1),
    "trapezoid": lambda x: np.trapezoid(x, dx=0.5),
    "trapezoid x": lambda x: np.trapezoid(x, [0.0, 1.0, 3.0], axis=1),
    "trapezoid axis": lambda x: np.trapezoid(x, [0.5, 2.0], axis=0),
    "trapezoid of x": lambda x: np.trapezoid(X, x),
    "cov": lambda x: np.cov(x),
    "cov columns": lambda x: np.cov(x, rowvar=False, bias=True),
    "cov y": lambda x: np.cov(x[0], x[1] ** 2, ddof=0),
    "cov weights": lambda x: np.cov(x, fweights=[1, 2, 1], aweights=[0.5, 1.5, 1.0]),
    "cov of one": lambda x: np.cov(x[0]),
    "corrcoef": lambda x: np.corrcoef(x),
    "corrcoef y": lambda x: np.corrcoef(x[0], x[1]),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_every_argument_of_numpys_signature(name):
    if not hasattr(np, "cumulative_sum") and "cumulative" in name:
        pytest.skip("NumPy 2.1 has it")
    check(ARGUMENTS[name], X)


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "max", "cumsum", "cumprod", "median", "diff"])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_arrays_of_three_dimensions(name, axis):
    check(lambda x: getattr(np, name)(x, axis=axis), CUBE, order=1)
    turned = CUBE.T
    np.testing.assert_allclose(
        traced(lambda x: getattr(np, name)(x, axis=axis), turned), getattr(np, name)(turned, axis=axis)
    )


@pytest.mark.parametrize("name", ["sum", "prod", "cumsum", "cumprod"])
def test_empty_and_0d_arrays(name):
    for x, axis in ((np.zeros((0, 3)), 0), (np.zeros((2, 0)), 1), (np.zeros((0, 3)), None), (np.array(2.5), None)):
        got, want = traced(lambda x, a=axis: getattr(np, name)(x, axis=a), x), getattr(np, name)(x, axis=axis)
        np.testing.assert_array_equal(got, want)
        assert np.shape(got) == np.shape(want)
        gradient = pyad.grad(lambda x, a=axis: np.sum(getattr(np, name)(x, axis=a)))(x)
        np.testing.assert_array_equal(gradient, np.ones(x.shape))
    with pytest.raises(ValueError, match="max"):
        traced(np.max, np.zeros((0, 3)))
    assert traced(lambda x: np.max(x, axis=0, initial=-1.0), np.zeros((0, 3))).tolist() == [-1.0] * 3


# ---- products with zeros ----


@pytest.mark.parametrize("f", [np.prod, np.cumprod, np.multiply.accumulate], ids=["prod", "cumprod", "accumulate"])
@pytest.mark.parametrize("axis", [0, 1])
def test_derivatives_of_products_are_right_where_entries_are_zero(f, axis):
    check_grads(lambda x: f(x, axis=axis), (ZEROS,), order=3)


def test_derivatives_of_products_at_zeros_are_those_of_jax():
    for ours, theirs in ((np.prod, jnp.prod), (np.cumprod, jnp.cumprod)):
        theirs = jax.jit(jax.grad(lambda x, f=theirs: jnp.sum(f(x))))
        for row in ZEROS:
            np.testing.assert_allclose(pyad.grad(lambda x, f=ours: np.sum(f(x)))(row), theirs(row), rtol=1e-14)


def test_recurrences_follow_their_definition_in_both_directions():
    for axis, reverse in ((0, False), (1, True)):

        def f(b, a, axis=axis, reverse=reverse):
            return recur(b, a, axis, reverse)

        np.testing.assert_allclose(traced(f, X, X + 1), f(X, X + 1), rtol=1e-14)
        check_grads(f, (X, X + 1), order=2)
    assert recur(np.array([1.0, 2.0, 3.0]), np.array([9.0, 10.0, 100.0])).tolist() == [1.0, 12.0, 1203.0]


def test_long_scans_equal_those_of_numpy():
    rng = np.random.default_rng(0)
    for shape, axis in (((5000,), 0), ((40, 300), 0), ((300, 40), 1), ((3, 50, 20), 1)):
        x = rng.normal(1.0, 0.05, shape)
        for f in (np.cumsum, np.cumprod):
            np.testing.assert_array_equal(traced(lambda x, f=f, a=axis: f(x, a), x), f(x, axis))
        flipped = np.flip(np.cumsum(np.ones(shape), axis), axis)
        np.testing.assert_array_equal(pyad.grad(lambda x, a=axis: np.sum(np.cumsum(x, a)))(x), flipped)


# ---- NaN passed over ----

NAN_CALLS = {
    "nansum": lambda x: np.nansum(x, axis=1),
    "nansum initial": lambda x: np.nansum(x, initial=1.0, where=MASK),
    "nanprod": lambda x: np.nanprod(x, axis=0, keepdims=True),
    "nanmean": lambda x: np.nanmean(x, axis=1),
    "nanmean where": lambda x: np.nanmean(x, where=MASK),
    "nanvar": lambda x: np.nanvar(x, axis=1, ddof=1),
    "nanstd": lambda x: np.nanstd(x, axis=1, keepdims=True),
    "nanmax": lambda x: np.nanmax(x, axis=1),
    "nanmax where": lambda x: np.nanmax(x, axis=0, where=MASK, initial=-1.0),
    "nanmin": lambda x: np.nanmin(x),
    "nanmedian": lambda x: np.nanmedian(x, axis=1),
    "nanquantile": lambda x: np.nanquantile(x, [0.25, 0.6], axis=1),
    "nanpercentile": lambda x: np.nanpercentile(x, 30.0, axis=0, keepdims=True),
    "nancumsum": lambda x: np.nancumsum(x, axis=1),
    "nancumprod": lambda x: np.nancumprod(x),
}


@pytest.mark.parametrize("name", NAN_CALLS)
def test_nan_is_passed_over_in_values_and_gets_no_derivative(name):
    f = NAN_CALLS[name]
    value, pullback = pyad.vjp(f, HOLES)
    want = f(HOLES)
    np.testing.assert_allclose(value, want, rtol=1e-14)
    assert np.shape(value) == np.shape(want)
    gradient = pullback(np.ones(np.shape(want)))[0]
    np.testing.assert_array_equal(gradient[np.isnan(HOLES)], 0.0)
    present = ~np.isnan(HOLES)

    def of_present(v):
        full = np.where(present, 0.0, NAN)
        return f(np.array([[v[0], full[0, 1], v[1]], [v[2], v[3], full[1, 2]]])) if type(v) is np.ndarray else None

    step = 1e-6
    for k, place in enumerate(np.argwhere(present)):
        v = HOLES[present]
        moved = [np.sum(of_present(v + sign * step * (np.arange(4) == k))) for sign in (1, -1)]
        np.testing.assert_allclose(gradient[tuple(place)], (moved[0] - moved[1]) / (2 * step), rtol=1e-7, atol=1e-8)
    assert traced(f, HOLES.astype(np.float32)).dtype == f(HOLES.astype(np.float32)).dtype


def test_slices_of_nan_alone_give_nan_and_no_derivative():
    x = np.array([[NAN, NAN], [1.0, NAN]])
    for f in (np.nanmean, np.nanmax, np.nanmin, np.nanmedian, np.nanvar, np.nanstd):
        value = traced(lambda x, f=f: f(x, axis=1), x)
        assert np.isnan(value).tolist() == [True, False]
    assert pyad.grad(lambda x: np.nanmax(x, axis=1)[1])(x).tolist() == [[0.0, 0.0], [1.0, 0.0]]


def test_derivatives_of_extrema_and_spread_at_ties_are_those_of_jax():
    x = np.array([3.0, 3.0, 1.0, 1.0])
    for name in ("max", "min", "ptp", "nanmax", "nanmin", "nanmean", "median", "var"):
        want = jax.grad(getattr(jnp, name))(x)
        np.testing.assert_allclose(pyad.grad(getattr(np, name))(x), want, rtol=1e-14, atol=1e-16, err_msg=name)
    with np.errstate(all="ignore"):
        assert np.isnan(pyad.grad(np.std)(np.ones(2))).all()


# ---- what is refused ----


def test_integer_dtypes_make_a_reduction_constant():
    assert type(traced(lambda x: np.sum(x, dtype=int) + 0.0 * x[0, 0], X)) is np.float64
    assert pyad.grad(lambda x: np.sum(x, dtype=int) * x[0, 0])(np.full((1, 1), 3.0)) == 3.0


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda x: np.sum(x, axis=2), np.exceptions.AxisError, "axis 2"),
        (lambda x: np.prod(x, axis=(0, 0)), ValueError, "twice"),
        (lambda x: np.cumsum(x, axis=-3), np.exceptions.AxisError, "cumsum.*axis -3"),
        (lambda x: np.sum(x, where=np.ones(2, bool)), ValueError, r"sum: where= of shape \(2,\)"),
        (lambda x: np.max(x, where=MASK), ValueError, "initial"),
        (lambda x: np.sum(x, out=np.zeros(())), UnsupportedError, "numpy.sum: out="),
        (lambda x: np.cumprod(x, out=np.zeros(6)), UnsupportedError, "numpy.cumprod: out="),
        (lambda x: np.var(x, ddof=1, correction=2), ValueError, "var.*ddof and correction"),
        (lambda x: np.average(x, weights=np.ones(3)), TypeError, "average: an axis"),
        (lambda x: np.average(x, axis=0, weights=np.ones(3)), ValueError, r"average: weights of shape \(3,\)"),
        (lambda x: np.average(x, weights=np.zeros((2, 3))), ZeroDivisionError, "average"),
        (lambda x: np.diff(x, -1), ValueError, "diff.*-1"),
        (lambda x: np.gradient(x, edge_order=2), ValueError, "gradient: edge_order 2 needs 3 points"),
        (lambda x: np.gradient(x, 1.0, 2.0, 3.0), TypeError, "gradient: 3 spacings"),
        (lambda x: np.gradient(x, [0.0, 1.0], axis=1), ValueError, "gradient: 2 coordinates"),
        (lambda x: np.cov(x, fweights=[1.5, 1, 1]), TypeError, "cov: fweights must be integers"),
        (lambda x: np.quantile(x, 1.5), ValueError, "range"),
        (lambda x: np.quantile(x, 0.5, method="guess"), ValueError, "guess"),
    ],
)
def test_bad_arguments_raise_what_numpy_raises_and_say_which(call, kind, words):
    if kind is not UnsupportedError:
        with pytest.raises(kind):
            call(X)
    with pytest.raises(kind, match=words):
        pyad.vjp(call, X)


def test_pyad_numpy_takes_lists_that_hold_traced_values():
    for name in ("sum", "prod", "mean", "var", "max", "ptp", "cumsum", "diff", "nansum", "average", "gradient"):
        f = getattr(pnp, name)
        got = traced(lambda x, f=f: f([x[0], x[1], 1.0]), X[0])
        np.testing.assert_allclose(got, f([X[0, 0], X[0, 1], 1.0]), rtol=1e-14)


def test_pyad_numpy_and_numpy_give_the_same():
    for name in ("prod", "ptp", "nanvar", "median", "cumsum", "gradient", "cov"):
        args = (X[0],)
        np.testing.assert_array_equal(traced(getattr(pnp, name), *args), traced(getattr(np, name), *args))
        np.testing.assert_array_equal(getattr(pnp, name)(*args), getattr(np, name)(*args))
