"""Sorting, picking by order, quantiles, and what is constant in the order."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyad
import pyad.numpy as pnp
from pyad.testing import check_grads

NAN = np.nan
X = np.array([[0.7, -1.2, 2.1, 0.2], [1.6, 0.4, -0.3, 1.1], [-0.6, 0.9, 1.3, 0.1]])
V = X[0]
SPOILT = np.array([[0.7, NAN, 2.1, 0.2], [1.6, 0.4, -0.3, 1.1], [-0.6, 0.9, NAN, NAN]])


def traced(f, *args):
    """The value f has while its arguments are traced."""
    return pyad.vjp(f, *args)[0]


def check(f, *args):
    """The value, shape and dtype of NumPy, for float32 too, and right derivatives."""
    for given in (args, tuple(x.astype(np.float32) for x in args)):
        got, want = traced(f, *given), f(*given)
        np.testing.assert_allclose(got, want, rtol=1e-13 if np.asarray(want).dtype == float else 2e-6)
        assert np.shape(got) == np.shape(want)
        assert np.asarray(got).dtype == np.asarray(want).dtype
    check_grads(f, args, order=2)


CALLS = {
    "sort": lambda x: np.sort(x),
    "sort axis": lambda x: np.sort(x, axis=0),
    "sort flat": lambda x: np.sort(x, axis=None, kind="mergesort"),
    "sort stable": lambda x: np.sort(x, stable=True) ** 2,
    "sort columns of a view": lambda x: np.sort(x.T[:, ::-1], axis=0),
    "partition": lambda x: np.partition(x, 1)[:, 1],
    "partition axis": lambda x: np.partition(x, [0, 2], axis=0),
    "unique": lambda x: np.unique(x),
    "unique axis": lambda x: np.unique(x, axis=1),
    "median": lambda x: np.median(x, axis=0),
    "median even": lambda x: np.median(x, axis=1, keepdims=True),
    "median all": lambda x: np.median(x),
    "median axes": lambda x: np.median(x[None], axis=(0, 2)),
    "quantile": lambda x: np.quantile(x, 0.3),
    "quantile list": lambda x: np.quantile(x, [0.1, 0.5, 1.0], axis=1),
    "quantile matrix": lambda x: np.quantile(x, np.array([[0.1, 0.55], [0.9, 0.0]]), axis=0, keepdims=True),
    "percentile": lambda x: np.percentile(x, 30, axis=1),
    "percentile list": lambda x: np.percentile(x, [10.0, 95.0], axis=(0, 1)),
    "quantile scalar": lambda x: np.quantile(x, np.float64(0.3), axis=1),
    "percentile scalar": lambda x: np.percentile(x, np.float64(30), axis=1),
    "quantile lower": lambda x: np.quantile(x, [0.3, 0.5], axis=1, method="lower"),
    "quantile weights": lambda x: np.quantile(
        x, [0.2, 0.8], axis=1, weights=np.array([1.0, 3.0, 1.0, 2.0]), method="inverted_cdf"
    ),
    "quantile all weights": lambda x: np.quantile(x, 0.4, axis=0, weights=X * X, method="inverted_cdf"),
    "nanmedian": lambda x: np.nanmedian(x, axis=1),
    "bincount": lambda x: np.bincount([0, 2, 2, 1], x[0]),
    "bincount minlength": lambda x: np.bincount(np.array([0, 2, 2, 1]), weights=x[1], minlength=5),
}


@pytest.mark.parametrize("name", CALLS)
def test_values_are_numpys_and_derivatives_flow_to_what_is_picked(name):
    f = CALLS[name]
    if name.startswith("bincount"):
        np.testing.assert_allclose(traced(f, X), f(X))
        assert traced(f, X.astype(np.float32)).dtype == float
        check_grads(f, (X,), order=2)
    else:
        check(f, X)


METHODS = [
    "inverted_cdf",
    "averaged_inverted_cdf",
    "closest_observation",
    "interpolated_inverted_cdf",
    "hazen",
    "weibull",
    "linear",
    "median_unbiased",
    "normal_unbiased",
    "lower",
    "higher",
    "midpoint",
    "nearest",
]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_of_quantile_is_numpys(method):
    q = np.linspace(0.0, 1.0, 23)
    for n in (1, 2, 5, 6):
        x = np.sin(np.arange(3.0 * n)).reshape(3, n)
        for f in (np.quantile, np.nanquantile):
            want = f(x, q, axis=1, method=method)
            np.testing.assert_allclose(traced(lambda x, f=f: f(x, q, axis=1, method=method), x), want, rtol=1e-13)
    check_grads(lambda x: np.quantile(x, [0.13, 0.4, 0.77], axis=1, method=method), (X,), order=1)
    want = np.nanquantile(SPOILT, q, axis=1, method=method)
    np.testing.assert_allclose(traced(lambda x: np.nanquantile(x, q, axis=1, method=method), SPOILT), want, rtol=1e-13)


@pytest.mark.parametrize("method", METHODS)
def test_quantiles_are_differentiable_in_q(method):
    q = np.array([0.0301, 0.41, 0.774])
    check_grads(lambda q: np.quantile(X, q, axis=1, method=method), (q,), order=1)
    check_grads(lambda x, q: np.quantile(x, q, method=method), (X[:, :2], np.float64(0.435)), order=1)
    np.testing.assert_allclose(
        pyad.grad(lambda p: np.percentile(V, p, method=method))(42.0),
        pyad.grad(lambda q: np.quantile(V, q, method=method))(0.42) / 100,
    )


def test_quantiles_at_ties_and_in_q_are_those_of_jax():
    for q in (0.0, 0.25, 0.5, 0.9, 1.0):
        want = jax.grad(lambda q: jnp.quantile(V, q))(q) if 0 < q < 1 and q * 3 % 1 else None
        if want is not None:
            np.testing.assert_allclose(pyad.grad(lambda q: np.quantile(V, q))(q), want, rtol=1e-13)
        x = np.array([1.0, 3.0, 3.0, 3.0])
        want = jax.grad(lambda x, q=q: jnp.quantile(x, q))(x)
        np.testing.assert_allclose(pyad.grad(lambda x, q=q: np.quantile(x, q))(x), want, rtol=1e-14, atol=1e-16)


def test_equal_elements_get_their_own_derivatives_as_in_jax():
    x, w = np.array([2.0, 1.0, 2.0, 1.0]), np.array([1.0, 2.0, 3.0, 4.0])
    want = jax.grad(lambda x: jnp.sum(jnp.sort(x) * w))(x)
    np.testing.assert_array_equal(pyad.grad(lambda x: np.sum(np.sort(x) * w))(x), want)
    assert pyad.grad(lambda x: np.sum(np.unique(x)))(x).tolist() == [1.0, 1.0, 0.0, 0.0]


def test_nan_is_sorted_last_and_decides_medians_and_quantiles():
    for f in (
        np.sort,
        lambda x: np.sort(x, axis=0),
        lambda x: np.median(x, axis=1),
        lambda x: np.quantile(x, [0.2, 0.9], axis=1),
        lambda x: np.unique(x),
        lambda x: np.unique(x, equal_nan=False),
        lambda x: np.nanquantile(x, 0.3, axis=0),
    ):
        np.testing.assert_array_equal(traced(f, SPOILT), f(SPOILT))
    assert pyad.grad(lambda x: np.median(x, axis=1)[1])(SPOILT).tolist()[1] == [0.0, 0.5, 0.0, 0.5]
    infinite = np.array([np.inf, -np.inf, np.inf, 1.0, np.inf])
    assert traced(np.median, infinite) == np.inf
    assert traced(lambda x: np.nanmedian(x[2:]), infinite) == np.inf


def test_unique_gives_indices_inverse_and_counts_as_plain_arrays():
    x = np.array([[2.0, 1.0, 2.0], [1.0, 3.0, 1.0]])

    def f(x):
        values, *rest = np.unique(x, return_index=True, return_inverse=True, return_counts=True)
        for got, want in zip(
            rest, np.unique(X_ := np.array([[2.0, 1.0, 2.0], [1.0, 3.0, 1.0]]), True, True, True)[1:], strict=True
        ):
            assert type(got) is np.ndarray
            np.testing.assert_array_equal(got, want)
        assert X_.shape == x.shape
        only, counts = np.unique(x, return_counts=True)
        assert counts.tolist() == [3, 2, 1]
        return np.sum(values * only)

    assert pyad.grad(f)(x).tolist() == [[4.0, 2.0, 0.0], [0.0, 6.0, 0.0]]
    if hasattr(np, "unique_values"):
        for name in ("unique_counts", "unique_inverse", "unique_all"):
            found, want = traced(lambda x, name=name: tuple(getattr(np, name)(x)), x), getattr(np, name)(x)
            for one, other in zip(found, want, strict=True):
                np.testing.assert_array_equal(one, other)
        assert pyad.grad(lambda x: np.sum(np.unique_all(x).values))(x).tolist() == [[1, 1, 0], [0, 1, 0]]
        flat = np.array([2.0, 1.0, 2.0, NAN, NAN])
        np.testing.assert_array_equal(traced(lambda x: np.unique_values(x), flat), np.unique_values(flat))
        assert pyad.grad(lambda x: np.sum(np.unique_values(x)[:2] ** 2))(flat[:3]).tolist() == [4.0, 2.0, 0.0]


CONSTANT = {
    "argsort": lambda x: np.argsort(x, axis=0, kind="stable"),
    "argsort method": lambda x: x.argsort(axis=1),
    "argpartition": lambda x: np.sort(np.argpartition(x, 1, axis=1)[:, :2]),
    "argpartition method": lambda x: x.argpartition(0, axis=1)[:, 0],
    "argmax": lambda x: x.argmax(axis=1),
    "nanargmax": lambda x: np.nanargmax(x, axis=0),
    "nanargmin": lambda x: np.nanargmin(x),
    "lexsort": lambda x: np.lexsort((x[0], x[1])),
    "searchsorted": lambda x: np.searchsorted([0.0, 1.0], x),
    "searchsorted method": lambda x: np.sort(x[0]).searchsorted(x[1]),
    "digitize": lambda x: np.digitize(x, [0.0, 1.0]),
    "argwhere": lambda x: np.argwhere(x > 0.5),
    "flatnonzero": lambda x: np.flatnonzero(x),
    "isin": lambda x: np.isin(x, [0.7]),
    "count_nonzero": lambda x: np.count_nonzero(x, axis=1),
    "any": lambda x: np.any(x > 1.0, axis=0),
}


@pytest.mark.parametrize("name", CONSTANT)
def test_what_the_order_alone_decides_is_constant(name):
    seen = []
    pyad.grad(lambda x: (seen.append(CONSTANT[name](x)), x[0, 0])[1])(X)
    np.testing.assert_array_equal(seen[0], CONSTANT[name](X))
    assert not isinstance(seen[0], pyad.Array)


def test_empty_rows_and_rows_of_one():
    for x in (np.zeros((3, 0)), np.ones((2, 1)), np.zeros((0, 2))):
        for f in (np.sort, lambda x: np.partition(x, -1 if x.shape[1] else 0) if x.size else x + 0.0):
            np.testing.assert_array_equal(traced(f, x), f(x))
    assert traced(lambda x: pnp.sort([x, 2.0 * x, -x]), 1.0).tolist() == [-1.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda x: np.sort(x, axis=2), np.exceptions.AxisError),
        (lambda x: np.sort(x[0, 0]), np.exceptions.AxisError),
        (lambda x: np.partition(x, 9), ValueError),
        (lambda x: np.bincount(x[0]), TypeError),
        (lambda x: np.bincount([0, 1], x[0]), ValueError),
        (lambda x: np.quantile(x, -0.1), ValueError),
        (lambda x: np.quantile(x, 0.1, weights=X), ValueError),
        (lambda x: np.histogram2d(x[0], x[1]), TypeError),
    ],
)
def test_bad_arguments_raise_what_numpy_raises(call, kind):
    with pytest.raises(kind):
        pyad.vjp(call, X)


def test_pyad_numpy_takes_lists_that_hold_traced_values():
    assert pyad.grad(lambda a: pnp.sort([a, 0.0, 3.0 * a])[2])(1.0) == 3.0
    assert pyad.grad(lambda a: pnp.median([a, 0.0, 3.0 * a]))(1.0) == 1.0
    assert pyad.grad(lambda q: pnp.quantile([0.0, 1.0, 3.0], [q, 0.5])[0])(0.75) == 4.0
