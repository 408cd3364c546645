"""Functions of complex numbers that are not holomorphic, or whose formula has another branch than they have."""

import numpy as np
import pytest
import scipy.special

import pyad
import pyad.scipy.special

RNG = np.random.default_rng(5)
Z = RNG.standard_normal(5) + 1j * RNG.standard_normal(5)
M = RNG.standard_normal((2, 4)) + 1j * RNG.standard_normal((2, 4))
WEIGHTS = np.array([0.5, 1.0, 2.0, 0.0, -1.0])


def differences(function, z, way, step=1e-6):
    return (function(z + step * way) - function(z - step * way)) / (2 * step)


def check(function, z, theirs=None):
    """Value, forward derivative along random directions, and the reverse one, which must fit it."""
    theirs = theirs or function
    for seed in range(2):
        rng = np.random.default_rng(seed)
        way = rng.standard_normal(z.shape) + 1j * rng.standard_normal(z.shape)
        value, slope = pyad.jvp(function, (z,), (way,))
        expected = theirs(z)
        assert value.dtype == expected.dtype
        np.testing.assert_allclose(value, expected, rtol=1e-12)
        np.testing.assert_allclose(slope, differences(theirs, z, way), rtol=1e-5, atol=1e-7)
        weights = rng.standard_normal(np.shape(value)) + (0.3j if np.iscomplexobj(value) else 0)
        (pulled,) = pyad.vjp(function, z)[1](weights)
        np.testing.assert_allclose(np.sum(pulled * way).real, np.sum(weights * slope).real, rtol=1e-10)
    # Second order: the derivative of a derivative along a fixed direction.
    first = lambda z: np.sum(np.abs(pyad.jvp(function, (z,), (np.ones_like(z),))[1]) ** 2)  # noqa: E731
    slope = pyad.jvp(first, (z,), (way,))[1]
    np.testing.assert_allclose(slope, differences(first, z, way), rtol=1e-4, atol=1e-6)


OF_NUMPY = {
    "cumsum": (lambda z: np.cumsum(z), Z),
    "cumsum along an axis": (lambda z: np.cumsum(z, 1), M),
    "cumprod": (lambda z: np.cumprod(z), Z),
    "cumprod along an axis": (lambda z: np.cumprod(z, 0), M),
    "prod": (lambda z: np.prod(z), Z),
    "prod with a zero": (lambda z: np.prod(z * np.array([1, 0, 1, 1, 1])), Z),
    "cov": (lambda z: np.cov(z), M),
    "cov with weights": (lambda z: np.cov(z, aweights=[1.0, 2.0, 0.5, 1.0]), M),
    "corrcoef": (lambda z: np.corrcoef(z), M),
    "median": (lambda z: np.median(z), Z),
    "nanmedian": (lambda z: np.nanmedian(z, 1), M),
    "float_power": (lambda z: np.float_power(z, 1.5), Z),
    "sinc": (lambda z: np.sinc(z), np.append(Z, [0.0, 1e-9, 3.0 + 1.0j])),
    "geomspace": (lambda z: np.geomspace(z, 2.0 + 1.0j, 4), Z),
    "polyfit": (lambda z: np.polyfit(z, np.arange(5.0), 2), Z),
    "polyfit, covariance": (lambda z: np.polyfit(z, np.arange(5.0), 1, cov="unscaled")[1], Z),
    "polyfit, residuals": (lambda z: np.polyfit(z, np.arange(5.0), 1, full=True)[1], Z),
    "histogram": (lambda z: np.histogram(WEIGHTS, 3, weights=z)[0], Z),
    "arccosh left of 0": (np.arccosh, np.array([-0.5 + 0.2j, -2.0 - 1.0j, -0.1 + 3.0j])),
    "arccos": (np.arccos, Z),
    "arcsin": (np.arcsin, Z),
}


@pytest.mark.parametrize(("function", "z"), OF_NUMPY.values(), ids=OF_NUMPY)
def test_functions_of_numpy_are_differentiable_along_complex_directions(function, z):
    check(function, z)


OF_SCIPY = {
    "jve": (lambda m, z: m.jve(1.5, z), Z),
    "yve": (lambda m, z: m.yve(1.5, z), Z),
    "ive": (lambda m, z: m.ive(1.5, z), Z),
    "erf": (lambda m, z: m.erf(z), Z),
    "lambertw": (lambda m, z: m.lambertw(z), Z),
    "another branch of lambertw": (lambda m, z: m.lambertw(z, 1), Z),
    "logsumexp": (lambda m, z: m.logsumexp(z), Z),
    "logsumexp along an axis": (lambda m, z: m.logsumexp(z, 1, keepdims=True), M),
    "logsumexp with weights": (lambda m, z: m.logsumexp(z, b=WEIGHTS), Z),
    "sign of logsumexp": (lambda m, z: m.logsumexp(z, return_sign=True)[1], Z),
    "softmax": (lambda m, z: m.softmax(z), Z),
    "softmax along an axis": (lambda m, z: m.softmax(z, 1), M),
    "log_softmax": (lambda m, z: m.log_softmax(z), Z),
}


@pytest.mark.parametrize(("function", "z"), OF_SCIPY.values(), ids=OF_SCIPY)
def test_functions_of_scipy_are_differentiable_along_complex_directions(function, z):
    check(lambda z: function(pyad.scipy.special, z), z, lambda z: function(scipy.special, z))


# Points on the branch cuts: the sign of the part that is zero says from which side the function is continued.
CUTS = {
    np.arccos: [complex(6, 0.0), complex(6, -0.0), complex(-6, 0.0), complex(-6, -0.0)],
    np.arcsin: [complex(6, 0.0), complex(6, -0.0), complex(-6, 0.0), complex(-6, -0.0)],
    np.arccosh: [complex(-6, 0.0), complex(-6, -0.0), complex(0.5, 0.0), complex(0.5, -0.0)],
    np.arctanh: [complex(6, 0.0), complex(6, -0.0), complex(-6, 0.0), complex(-6, -0.0)],
    np.sqrt: [complex(-6, 0.0), complex(-6, -0.0)],
    np.log: [complex(-6, 0.0), complex(-6, -0.0)],
}


@pytest.mark.parametrize(("function", "points"), CUTS.items(), ids=[f.__name__ for f in CUTS])
def test_on_a_branch_cut_the_derivative_is_that_of_the_side_of_the_value(function, points):
    step = 1e-6
    for point in points:
        z = np.array([point])
        slope = pyad.jvp(function, (z,), (np.ones(1, complex),))[1]
        high, low = (function(np.array([complex(point.real + t, point.imag)])) for t in (step, -step))
        np.testing.assert_allclose(slope, (high - low) / (2 * step), rtol=1e-6, atol=1e-9)


def test_large_exponents_do_not_overflow():
    large = Z + 1000.0
    for name in ("softmax", "logsumexp", "log_softmax"):
        value, _ = pyad.vjp(getattr(pyad.scipy.special, name), large)
        np.testing.assert_allclose(value, getattr(scipy.special, name)(large), rtol=1e-11)
