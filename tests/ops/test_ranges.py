"""Slopes of huge and tiny arguments: nothing between overflows or underflows where the result does not."""

import numpy as np
import pytest

import pyad
from pyad import numpy as pnp

BIG, TINY = {np.float32: 1e20, np.float64: 1e200}, {np.float32: 1e-20, np.float64: 1e-200}
DTYPES = [np.float32, np.float64]


def slopes(f, *x):
    """The derivatives in reverse mode, which have to be those of forward mode."""
    argnums = tuple(range(len(x)))
    back = pyad.grad(f, argnums)(*x)
    for k in argnums:
        there = pyad.jvp(f, x, tuple(np.ones_like(a) if k == j else np.zeros_like(a) for j, a in enumerate(x)))[1]
        np.testing.assert_allclose(there, back[k], rtol=8 * np.finfo(np.asarray(x[0]).dtype).eps)
    return back


@pytest.mark.parametrize("function", [np.arcsinh, np.arccosh])
def test_inverse_hyperbolic_functions_of_exponentials(function):
    np.testing.assert_allclose(pyad.grad(lambda t: function(np.exp(t)))(400.0), 1.0, rtol=1e-13)
    np.testing.assert_allclose(pyad.grad(lambda t: function(np.exp(t)))(np.float32(50.0)), 1.0, rtol=1e-6)
    second = pyad.grad(pyad.grad(function))(1e100)
    np.testing.assert_allclose(second, -1e-200, rtol=1e-12)


@pytest.mark.parametrize("size", [BIG, TINY])
@pytest.mark.parametrize("dtype", DTYPES)
def test_angles_to_four_ulp(dtype, size):
    y, x = dtype(3.0 * size[dtype]), dtype(-4.0 * size[dtype])
    exact_y, exact_x = np.longdouble(y), np.longdouble(x)
    square = exact_x**2 + exact_y**2
    got = slopes(np.arctan2, y, x)
    for value, exact in zip(got, (exact_x / square, -exact_y / square), strict=True):
        assert value.dtype == dtype
        assert abs(np.longdouble(value) - exact) <= 4 * np.spacing(abs(dtype(exact)))
    dtype_of_pairs = np.result_type(dtype, np.complex64)
    z = dtype_of_pairs.type(complex(x, y))
    by_z = pyad.grad(pnp.angle)(z)
    np.testing.assert_allclose(by_z, -1j / z, rtol=8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("size", [BIG, TINY])
@pytest.mark.parametrize("dtype", DTYPES)
def test_lengths(dtype, size):
    x, y = dtype(3.0 * size[dtype]), dtype(4.0 * size[dtype])
    np.testing.assert_allclose(slopes(np.hypot, x, y), (0.6, 0.8), rtol=4 * np.finfo(dtype).eps)
    z = np.result_type(dtype, np.complex64).type(complex(x, y))
    np.testing.assert_allclose(pyad.grad(np.abs)(z), 0.6 - 0.8j, rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_quotients(dtype):
    big, one = dtype(BIG[dtype]), dtype(1.0)
    eps = 4 * np.finfo(dtype).eps
    # The slope of 1 / x is 1 / x ** 2; what comes from above it may be large or small.
    np.testing.assert_allclose(pyad.vjp(np.reciprocal, big)[1](big)[0], -one / big, rtol=eps)
    np.testing.assert_allclose(pyad.vjp(np.reciprocal, one / big)[1](one / big)[0], -big, rtol=eps)
    by_x, by_y = pyad.vjp(np.divide, big, big)[1](big)
    np.testing.assert_allclose((by_x, by_y), (1.0, -1.0), rtol=eps)
    by_x, by_y = pyad.vjp(np.divide, big, dtype(2.0))[1](one)
    np.testing.assert_allclose((by_x, by_y), (0.5, -0.25 * big), rtol=eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_of_exponentials(dtype):
    big = dtype(BIG[dtype])
    np.testing.assert_allclose(slopes(np.logaddexp, big, -big), (1.0, 0.0))
    np.testing.assert_allclose(slopes(np.logaddexp, big, big), (0.5, 0.5))


# ---- NumPy's short ways for powers ----

EDGES = np.array([-np.inf, -0.0, 0.0, 4.0, np.inf, np.nan, -2.0])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("exponent", [0.5, 2, 2.0, -1, -1.0, 1, 0, np.float64(0.5), np.int64(-1)])
def test_powers_at_the_edges_are_those_of_numpy(exponent):
    for function in (lambda x: x**exponent, lambda x: np.power(x, exponent), lambda x: pnp.power(x, exponent)):
        seen = []
        pyad.vjp(lambda x, f=function, seen=seen: seen.append(pyad.stop_gradient(f(x))) or x, EDGES)
        for got, want in zip(seen[0], EDGES**exponent, strict=True):
            np.testing.assert_array_equal(got, want)
            assert np.isnan(want) or np.signbit(got) == np.signbit(want)


def test_powers_of_numbers_are_those_of_numpys_numbers():
    for exponent in (0.5, -1, 2):
        value, _ = pyad.value_and_grad(lambda x, e=exponent: x**e)(np.float64(4.0))
        assert value == np.float64(4.0) ** exponent
    assert pyad.value_and_grad(lambda x: x**0.5)(-np.inf)[0] == np.float64(-np.inf) ** 0.5


def test_written_powers():
    def f(x):
        y = x + 0.0
        y **= 0.5
        return np.sum(y)

    np.testing.assert_allclose(pyad.grad(f)(np.array([4.0, 16.0])), [0.25, 0.125])
