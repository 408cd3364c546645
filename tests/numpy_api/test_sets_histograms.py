"""Set operations, histograms, roots of polynomials and `numpy.emath`: values of NumPy, and their derivatives."""

import numpy as np
import pytest

import pyad
import pyad.numpy as pnp
from pyad.testing import check_grads

V = np.array([0.7, -0.4, 1.3, 0.2])
W = np.array([1.5, 0.5, -1.0, 2.0])
EDGES = np.array([-0.5, 0.3, 1.0, 2.0])


def same(found, expected):
    assert np.asarray(found).dtype == np.asarray(expected).dtype
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def check(function, *arguments, order=2):
    """The function of a module like numpy, of plain and of traced arguments."""
    expected = function(np, *arguments)
    found, _ = pyad.vjp(lambda *xs: function(np, *xs), *arguments)
    same(found, expected)
    same(function(pnp, *arguments), expected)
    check_grads(lambda *xs: function(pnp, *xs), arguments, order=order)


# ---- sets ----

SETS = {
    "union1d": (lambda m, x: m.union1d(x, x[:2]), V),
    "union1d with plain elements": (lambda m, x: m.union1d([0.0, 5.0], x), V),
    "union1d of matrices": (lambda m, x: m.union1d(x.reshape(2, 2), x[1:]), V),
    "intersect1d": (lambda m, x: m.intersect1d(x[1:], x), V),
    "intersect1d, unique": (lambda m, x: m.intersect1d(x[1:], x, assume_unique=True), V),
    "setdiff1d": (lambda m, x: m.setdiff1d(x, x[2:]), V),
    "setdiff1d, in their order": (lambda m, x: m.setdiff1d(x, x[2:], assume_unique=True), V),
    "setdiff1d of repeated elements": (lambda m, x: m.setdiff1d(m.concatenate([x, x]), x[2:]), V),
    "setxor1d": (lambda m, x: m.setxor1d(x[:3], x[1:]), V),
    "setxor1d, unique": (lambda m, x: m.setxor1d(x[:3], x[1:], assume_unique=True), V),
    "setxor1d of nothing": (lambda m, x: m.setxor1d(x, np.zeros(0)), V),
}


@pytest.mark.parametrize(("function", "x"), SETS.values(), ids=SETS)
def test_sets_have_the_derivatives_of_their_elements(function, x):
    check(function, x)


def test_intersect1d_gives_the_places_as_plain_integers():
    def of(x):
        values, first, second = np.intersect1d(x, [0.2, 0.7], return_indices=True)
        assert first.tolist() == [3, 0]
        assert second.tolist() == [0, 1]
        return np.sum(values * np.array([2.0, 3.0]))

    assert pyad.grad(of)(V).tolist() == [3.0, 0.0, 0.0, 2.0]


def test_sort_complex_gives_complex_numbers():
    found, pullback = pyad.vjp(np.sort_complex, V)
    same(found, np.sort_complex(V))
    assert pullback(np.arange(4) + 0j)[0].tolist() == [2.0, 0.0, 3.0, 1.0]
    single, _ = pyad.vjp(np.sort_complex, V.astype(np.float32))
    assert single.dtype == np.complex128


# ---- histograms ----

HISTOGRAMS = {
    "counts by weights": (lambda m, w: m.histogram(V, EDGES, weights=w)[0], W),
    "of a number of bins": (lambda m, w: m.histogram(V, 3, weights=w)[0], W),
    "within a range": (lambda m, w: m.histogram(V, 2, (0.0, 1.0), weights=w)[0], W),
    "densities by weights": (lambda m, w: m.histogram(V, EDGES, density=True, weights=w)[0], W),
    "edges": (lambda m, x: m.histogram(x, 3)[1], V),
    "edges by a rule": (lambda m, x: m.histogram_bin_edges(x, "sturges"), V),
    "edges of equal elements": (lambda m, x: m.histogram_bin_edges(x[:1], 2), V),
    "edges of a range": (lambda m, x: m.histogram_bin_edges(V, 2, (x[1], x[2])), V),
    "densities by the elements": (lambda m, x: m.histogram(x, 3, density=True)[0], V),
    "densities by the edges": (lambda m, e: m.histogram(V, e, density=True)[0], EDGES),
}


@pytest.mark.parametrize(("function", "x"), HISTOGRAMS.values(), ids=HISTOGRAMS)
def test_histograms_are_differentiable_in_weights_and_edges(function, x):
    check(function, x)


def test_counts_are_plain_integers_and_elements_on_edges_are_counted_as_numpy_does():
    x = np.array([0.0, 1.0, 1.0, 2.0, 3.0, -1.0])
    seen = []
    pyad.vjp(lambda x: seen.append(np.histogram(x, [0.0, 1.0, 2.0])[0]) or x, x)
    assert seen[0].dtype == np.int64
    assert seen[0].tolist() == np.histogram(x, [0.0, 1.0, 2.0])[0].tolist()
    check(lambda m, w: m.histogram(x, [0.0, 1.0, 2.0], weights=w)[0], np.arange(6.0))
    with pytest.raises(ValueError, match=r"histogram: weights of shape \(2,\) for an array of shape \(6,\)"):
        pyad.grad(lambda w: np.sum(np.histogram(x, 2, weights=w)[0]))(np.ones(2))


# ---- roots ----

ROOTS = {
    "two real ones": np.array([1.0, -3.0, 2.0]),
    "a complex pair": np.array([1.0, 2.0, 5.0, 3.0]),
    "complex coefficients": np.array([1.0 + 0.5j, -2.0, 0.3j]),
    "zero": np.array([2.0, 1.0, 0.0]),
    "one": np.array([2.0, -1.0]),
}


@pytest.mark.parametrize("p", ROOTS.values(), ids=ROOTS)
def test_roots_move_as_their_polynomials_say(p):
    def parts(p):
        r = np.roots(p)
        return np.real(r), np.imag(r)

    found, _ = pyad.vjp(np.roots, p)
    same(found, np.roots(p))
    check_grads(parts, (p,), order=2)


def test_leading_zeros_are_constant_and_few_coefficients_have_no_roots():
    gradient = pyad.grad(lambda p: np.sum(np.roots(p)))(np.array([0.0, 1.0, -3.0, 2.0]))
    assert gradient.tolist() == pytest.approx([0.0, -3.0, -1.0, 0.0])
    assert pyad.vjp(lambda p: np.roots(p) + p[:0], np.array([2.0]))[0].shape == (0,)
    with pytest.raises(ValueError, match="roots: the coefficients must be one row"):
        pyad.vjp(np.roots, np.eye(2))


# ---- emath ----

BELOW = np.array([-0.5, 2.0])
INSIDE = np.array([0.5, 0.3])
EMATH = {
    **dict.fromkeys(("sqrt", "log", "log2", "log10"), (BELOW, INSIDE)),
    **dict.fromkeys(("arccos", "arcsin", "arctanh"), (BELOW * 3, INSIDE)),
}


@pytest.mark.parametrize("name", EMATH)
def test_emath_becomes_complex_where_it_must(name):
    function = getattr(np.emath, name)
    for x in EMATH[name]:
        found, _ = pyad.vjp(function, x)
        same(found, function(x))
        check_grads(lambda x: (np.real(function(x)), np.imag(function(x)) + 0 * x), (x,), order=2)
    single, _ = pyad.vjp(function, BELOW.astype(np.float32) * 3)
    assert single.dtype == function(BELOW.astype(np.float32) * 3).dtype


def test_logn_and_power_of_emath():
    for function in (lambda x: np.emath.logn(x, 3.0), lambda x: np.emath.logn(2, x), lambda x: np.emath.power(x, 1.5)):
        found, _ = pyad.vjp(function, BELOW)
        same(found, function(BELOW))
        check_grads(lambda x: (np.real(function(x)), np.imag(function(x))), (BELOW,), order=2)  # noqa: B023
    found, _ = pyad.vjp(lambda x: np.emath.power(x, 3), INSIDE)
    assert found.dtype == np.float64
