"""`numpy.fft`: values against NumPy, derivatives against differences, JAX and autograd."""

import warnings

import autograd.numpy as anp
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from autograd.core import make_vjp

import pyad
import pyad.numpy as pnp
from pyad.errors import UnsupportedError
from pyad.testing import check_grads

RNG = np.random.default_rng(5)
REAL = RNG.normal(size=(2, 3, 4))
COMPLEX = REAL + 1j * RNG.normal(size=(2, 3, 4))

ONE = ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"]
TWO = ["fft2", "ifft2", "rfft2", "irfft2"]
MANY = ["fftn", "ifftn", "rfftn", "irfftn"]
SHIFTS = ["fftshift", "ifftshift"]
# These take real input only.
OF_REAL = {"rfft", "rfft2", "rfftn", "ihfft"}
NORMS = [None, "backward", "ortho", "forward"]


def input_of(name, complex_too=True):
    return REAL if name in OF_REAL or not complex_too else COMPLEX


# (name, input, keywords): odd and even lengths, cut off and padded, every axis and norm.
CALLS = []
for _name in ONE:
    for _keywords in [
        {},
        {"n": 3},
        {"n": 7, "axis": 0},
        {"n": 4, "axis": 1, "norm": "ortho"},
        {"axis": -2, "norm": "forward"},
    ]:
        CALLS.append((_name, input_of(_name), _keywords))
for _name in TWO:
    for _keywords in [{}, {"s": (4, 3)}, {"axes": (0, 1), "norm": "ortho"}, {"s": (-1, 5), "axes": (2, 0)}]:
        CALLS.append((_name, input_of(_name), _keywords))
for _name in MANY:
    for _keywords in [{}, {"axes": (1,)}, {"axes": (2, 0), "norm": "forward"}, {"s": (3, 2), "axes": (0, 2)}]:
        CALLS.append((_name, input_of(_name), _keywords))
for _name in SHIFTS:
    for _keywords in [{}, {"axes": 1}, {"axes": (0, -1)}]:
        CALLS.append((_name, COMPLEX, _keywords))
# Real input where complex input is the usual one.
CALLS += [(_name, REAL, {}) for _name in ("fft", "ifft", "irfft", "hfft", "fft2", "irfftn")]
CALLS += [("irfft", COMPLEX[0, 0, :1], {"n": 1}), ("fft", COMPLEX[0, 0], {"n": 1}), ("rfft", REAL[0, 0], {"n": 2})]
IDS = [f"{name}-{x.dtype}-{keywords}" for name, x, keywords in CALLS]


def cotangent_of(y):
    rng = np.random.default_rng(3)
    drawn = rng.normal(size=y.shape)
    return drawn + 1j * rng.normal(size=y.shape) if np.iscomplexobj(y) else drawn


@pytest.mark.parametrize(("name", "x", "keywords"), CALLS, ids=IDS)
def test_values_and_dtypes_are_numpys(name, x, keywords):
    f = getattr(np.fft, name)
    for at in (x, x.astype(np.complex64 if np.iscomplexobj(x) else np.float32)):
        want = f(at, **keywords)
        got = pyad.vjp(lambda x: f(x, **keywords), at)[0]
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=1e-12 if at is x else 1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "x", "keywords"), CALLS, ids=IDS)
def test_derivatives_are_those_of_differences(name, x, keywords):
    small = x if x.ndim == 1 or name in SHIFTS or name in MANY + TWO else x[:, :2, :2]
    f = getattr(np.fft, name)
    check_grads(lambda x: f(x, **keywords), (small,), order=1)


@pytest.mark.parametrize("name", ONE + TWO + MANY + SHIFTS)
def test_second_derivatives_are_those_of_differences(name):
    f = getattr(np.fft, name)
    x = input_of(name)[:, 0, :2].copy()
    check_grads(lambda x: f(x * x) * f(x), (x,), order=2)


@pytest.mark.parametrize("name", [*ONE, "rfft2", "irfftn", "fftshift"])
def test_pullbacks_are_those_of_jax(name):
    x = input_of(name)[0]
    y, pullback = pyad.vjp(getattr(np.fft, name), x)
    s = cotangent_of(y)
    _, theirs = jax.vjp(getattr(jnp.fft, name), x)
    np.testing.assert_allclose(pullback(s)[0], theirs(s)[0], rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", ["fft", "ifft", "fft2", "ifftn", "rfft", "irfft", "rfftn"])
def test_pullbacks_are_those_of_autograd(name):
    x = input_of(name)[0]
    y, pullback = pyad.vjp(getattr(np.fft, name), x)
    s = cotangent_of(y)
    theirs, _ = make_vjp(getattr(anp.fft, name), x)
    got, want = pullback(s)[0], theirs(s)
    np.testing.assert_allclose(got, want if np.iscomplexobj(x) else np.real(want), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("norm", NORMS)
def test_round_trips_have_the_identity_for_their_derivative(norm):
    pairs = [
        (REAL, lambda x: np.fft.irfft(np.fft.rfft(x, norm=norm), norm=norm)),
        (REAL, lambda x: np.fft.irfft(np.fft.rfft(x, axis=1, norm=norm), 3, 1, norm)),
        (REAL, lambda x: np.real(np.fft.ifftn(np.fft.fftn(x, norm=norm), norm=norm))),
        (REAL, lambda x: np.fft.hfft(np.fft.ihfft(x, norm=norm), norm=norm)),
        (COMPLEX, lambda x: np.fft.ifft2(np.fft.fft2(x, norm=norm), norm=norm)),
        (COMPLEX, lambda x: np.fft.ifftshift(np.fft.fftshift(x))),
    ]
    for x, there_and_back in pairs:
        value, pullback = pyad.vjp(there_and_back, x)
        np.testing.assert_allclose(value, x, atol=1e-12)
        s = cotangent_of(x)
        np.testing.assert_allclose(pullback(s)[0], s, atol=1e-12)


def test_the_gradient_of_the_energy_is_parsevals():
    signal = REAL.ravel()
    gradient = pyad.grad(lambda x: np.sum(np.abs(np.fft.fft(x, norm="ortho")) ** 2))(signal)
    np.testing.assert_allclose(gradient, 2 * signal, atol=1e-12)
    assert gradient.dtype == np.float64


def test_a_convolution_through_transforms_is_fitted():
    kernel = np.array([1.0, -0.5, 0.25])

    def convolved(k):
        return np.fft.irfft(np.fft.rfft(REAL[0, 0], 6) * np.fft.rfft(k, 6), 6)

    target = convolved(kernel)
    np.testing.assert_allclose(target, np.convolve(REAL[0, 0], kernel), atol=1e-12)
    jacobian = pyad.jacobian(convolved)(np.zeros(3))
    np.testing.assert_allclose(np.linalg.lstsq(jacobian, target, rcond=None)[0], kernel)


def test_single_precision_stays_single():
    x = REAL.astype(np.float32)
    value, pullback = pyad.vjp(np.fft.rfft, x)
    assert value.dtype == np.complex64
    assert pullback(np.ones(value.shape, np.complex64))[0].dtype == np.float32
    value, pullback = pyad.vjp(np.fft.irfft, x.astype(np.complex64))
    assert value.dtype == np.float32
    assert pullback(np.ones(value.shape, np.float32))[0].dtype == np.complex64


def test_lists_and_the_namespace_reach_the_transforms():
    value, pullback = pyad.vjp(lambda a, b: pnp.fft.fft([a, b]), 1.0, 2.0)
    np.testing.assert_allclose(value, [3.0, -1.0])
    assert pullback(np.array([1.0, 1j])) == (1.0, 1.0)
    np.testing.assert_array_equal(pnp.fft.fft(REAL), np.fft.fft(REAL))
    np.testing.assert_array_equal(pnp.fft.fftfreq(5), np.fft.fftfreq(5))
    assert "fft" in pnp.fft.__all__


def test_arrays_of_any_layout():
    for x in (COMPLEX.T, COMPLEX[:, ::-1, ::2], np.asfortranarray(COMPLEX)):
        value, pullback = pyad.vjp(lambda x: np.fft.fft(x, 5, 0), x)
        np.testing.assert_allclose(value, np.fft.fft(x, 5, 0))
        assert pullback(value)[0].shape == x.shape
    empty = np.zeros((0, 4))
    assert pyad.grad(lambda x: np.sum(np.abs(np.fft.fft(x))))(empty).shape == (0, 4)


def test_nothing_to_transform():
    for f in (lambda x: np.fft.fftn(x, axes=()), lambda x: np.fft.fftshift(x, axes=())):
        value, pullback = pyad.vjp(f, COMPLEX)
        np.testing.assert_array_equal(value, COMPLEX)
        np.testing.assert_array_equal(pullback(COMPLEX)[0], COMPLEX)


ERRORS = {
    "axis": (lambda x: np.fft.fft(x, axis=3), IndexError, "fft: axis 3 is out of bounds"),
    "axes": (lambda x: np.fft.fft2(x, axes=(0, 5)), IndexError, "fft2: axis 5"),
    "points": (lambda x: np.fft.fft(x, n=0), ValueError, "fft: the number of points along axis -1 is 0"),
    "half of one": (lambda x: np.fft.irfft(x[..., :1]), ValueError, "irfft: the number of points"),
    "norm": (lambda x: np.fft.ifft(x, norm="orthogonal"), ValueError, "ifft: norm is 'orthogonal'"),
    "norm of hfft": (lambda x: np.fft.hfft(x, norm="no"), ValueError, "hfft: norm is 'no'"),
    "lengths": (lambda x: np.fft.fftn(x, s=(2, 2), axes=(0,)), ValueError, "Shape and axes have different lengths"),
    "complex": (lambda x: np.fft.rfft(1j * x), TypeError, "rfft"),
    "out": (lambda x: np.fft.fft(x, out=np.zeros(x.shape, complex)), UnsupportedError, "out="),
    "0-d": (lambda x: np.fft.fft(np.sum(x)), IndexError, "dimension 0"),
    "no axes": (lambda x: np.fft.rfftn(x, axes=()), IndexError, "rfftn: at least one axis"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_numpy_refuses_is_refused_in_its_class(name):
    call, error, words = ERRORS[name]
    with pytest.raises(error, match=words):
        pyad.vjp(call, REAL)
    if name not in ("out", "complex"):
        with pytest.raises(error):
            call(REAL)


def test_lengths_without_axes_are_deprecated_as_in_numpy():
    with pytest.warns(DeprecationWarning, match="axes"):
        value = pyad.vjp(lambda x: np.fft.fftn(x, s=(2, 3)), REAL)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_allclose(value, np.fft.fftn(REAL, s=(2, 3)))
