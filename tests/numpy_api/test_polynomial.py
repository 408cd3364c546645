"""Polynomials by their coefficients, against NumPy."""

import numpy as np
import pytest
from support.calls import agree, check_call, check_derivatives

import pyad
import pyad.numpy as pnp
from pyad.testing import check_grads

P = np.array([0.7, -1.4, 2.2, 0.9])
Q = np.array([1.5, 0.6])
X = np.array([[0.3, -1.2], [1.7, 0.4]])
AT = np.array([-1.0, -0.4, 0.1, 0.8, 1.3, 2.0])
Y = np.array([0.2, 1.1, -0.3, 0.8, 0.5, -1.2])
WEIGHTS = np.array([1.0, 0.5, 2.0, 1.5, 0.7, 1.1])

CALLS = {
    "polyval": (lambda p, x: np.polyval(p, x), P, X),
    "polyval number": (lambda p, x: np.polyval(p, x), P, np.array(0.3)),
    "polyval constant": (lambda p, x: np.polyval(p, x), P[:1], X),
    "polyadd": (lambda p, q: np.polyadd(p, q), P, Q),
    "polyadd longer": (lambda p, q: np.polyadd(q, p), P, Q),
    "polysub": (lambda p, q: np.polysub(p, q), P, Q),
    "polymul": (lambda p, q: np.polymul(p, q), P, Q),
    "polydiv": (lambda p, q: np.polydiv(p, q), P, Q),
    "polydiv shorter": (lambda p, q: np.polydiv(q, p), P, Q),
    "polyfit": (lambda x, y: np.polyfit(x, y, 2), AT, Y),
    "polyfit exact": (lambda x, y: np.polyfit(x, y, 2), AT[:3], Y[:3]),
    "polyfit columns": (lambda x, y: np.polyfit(x, y, 1), AT, np.stack([Y, Y[::-1]], 1)),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_of_two_has_numpys_value_and_derivatives_to_second_order(name):
    f, a, b = CALLS[name]
    if "polyfit" not in name:
        check_call(f, a, b, squared=False, rtol=1e-12)
    agree(pyad.vjp(f, a, b)[0], f(a, b), 1e-11)
    check_derivatives(lambda b: f(a, b * b), b)
    check_derivatives(lambda a: f(a + 0.1 * a * a, b), a)


ONE = {
    "polyder": lambda p: np.polyder(p),
    "polyder 2": lambda p: np.polyder(p, m=2),
    "polyder all": lambda p: np.polyder(p, 4),
    "polyder none": lambda p: np.polyder(p, 0),
    "polyint": lambda p: np.polyint(p),
    "polyint 2": lambda p: np.polyint(p, 2, k=[1.0, 2.0]),
    "polyint one constant": lambda p: np.polyint(p, 2, k=3.0),
    "polyint traced constant": lambda p: np.polyint(p, 1, k=p[0]),
    "poly": lambda p: np.poly(p),
    "poly1d": lambda p: np.poly1d(P)(p),
    "poly1d of a traced": lambda p: np.poly1d(p)(1.5),
    "polyval of poly1d": lambda p: np.polyval(np.poly1d(P), p),
    "polyadd a number": lambda p: np.polyadd(p, 3.0),
    "polymul a list": lambda p: np.polymul([1.0, 2.0], p),
    "polymul leading zeros": lambda p: np.polymul([0.0, 1.0], np.concatenate([[0.0, 0.0], p])),
    "polyadd a poly1d": lambda p: np.polyadd(np.poly1d([1.0, 2.0]), p)(1.5),
    "polymul a poly1d": lambda p: np.polymul(p, np.poly1d([1.0, 2.0])).coeffs,
    "polysub a poly1d": lambda p: (np.poly1d([1.0, 2.0]) - np.poly1d(p)).coeffs,
    "polyder of one": lambda p: np.polyder(p[:1]),
}


@pytest.mark.parametrize("name", ONE)
def test_a_call_of_one_has_numpys_value_and_derivatives_to_second_order(name):
    f = ONE[name]
    agree(pyad.vjp(f, P)[0], f(P), 1e-12)
    check_derivatives(lambda p: f(p * p), P)


# ---- fits ----

FITS = {
    "weights": (lambda x, y, w: np.polyfit(x, y, 2, w=w)),
    "covariance": (lambda x, y, w: np.polyfit(x, y, 1, cov=True)),
    "unscaled covariance": (lambda x, y, w: np.polyfit(x, y, 1, w=w, cov="unscaled")),
    "covariance of columns": (lambda x, y, w: np.polyfit(x, np.stack([y, w], 1), 1, cov=True)),
    "full": (lambda x, y, w: np.polyfit(x, y, 2, full=True)[:2]),
    "full, exact": (lambda x, y, w: np.polyfit(x[:3], y[:3], 2, full=True)[0]),
}


@pytest.mark.parametrize("name", FITS)
def test_fits_move_with_points_values_and_weights(name):
    f = FITS[name]
    agree(pyad.vjp(f, AT, Y, WEIGHTS)[0], f(AT, Y, WEIGHTS), 1e-11)
    check_derivatives(f, AT, Y, WEIGHTS)
    check_derivatives(lambda y: f(AT, y * y, WEIGHTS), Y)
    check_derivatives(lambda x: f(x, Y, WEIGHTS), AT)


def test_a_fit_is_checked_entry_by_entry():
    check_grads(lambda x, y, w: np.polyfit(x, y, 1, w=w), (AT[:4], Y[:4], WEIGHTS[:4]), order=2)


def test_a_fit_says_rank_and_singular_values_as_numpy_does():
    got = pyad.vjp(lambda y: (y, np.polyfit(AT, y, 2, full=True)[2:])[1], Y)[0]
    want = np.polyfit(AT, Y, 2, full=True)[2:]
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b)


def test_the_line_through_points_has_the_slopes_of_the_textbook():
    slopes = pyad.jacobian(lambda y: np.polyfit(AT, y, 1))(Y)
    centred = AT - AT.mean()
    np.testing.assert_allclose(slopes[0], centred / np.sum(centred**2), atol=1e-12)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda x: np.polyfit(x, x, -1), ValueError),
        (lambda x: np.polyfit(x[:, None], x, 1), TypeError),
        (lambda x: np.polyfit(x, x[:-1], 1), TypeError),
        (lambda x: np.polyfit(x[:0], x[:0], 1), TypeError),
        (lambda x: np.polyfit(x, x, 1, w=x[:2]), TypeError),
        (lambda x: np.polyfit(x, x[:, None, None], 1), TypeError),
        (lambda x: np.polyfit(x[:2], x[:2], 1, cov=True), ValueError),
        (lambda x: np.polyval(x[0], x), TypeError),
        (lambda x: np.polymul(x[:, None], x), ValueError),
        (lambda x: np.polyder(x, -1), ValueError),
        (lambda x: np.polyint(x, -1), ValueError),
        (lambda x: np.polyint(x, 3, k=x[:2]), ValueError),
    ],
)
def test_what_numpy_refuses_is_refused_with_its_class_of_error(call, error):
    with pytest.raises(error):
        call(AT)
    with pytest.raises(error):
        pyad.vjp(call, AT)


def test_points_that_determine_no_polynomial_are_refused():
    with pytest.raises(ValueError, match=r"do not determine.*degree 2.*rank 1 of 3"):
        pyad.vjp(lambda y: np.polyfit(np.ones(4), y, 2), Y[:4])


def test_our_namespace_takes_lists_that_hold_traced_values():
    def f(a):
        return pnp.polyval([a, 1.0, a], 2.0) + pnp.polyval([1.0, 0.0], a) + np.sum(pnp.polyder([a, 1.0, 2.0]))

    np.testing.assert_allclose(pyad.grad(f)(0.5), 4 + 1 + 1 + 2)
