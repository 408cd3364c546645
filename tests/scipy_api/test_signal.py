"""scipy.signal with traced arrays: SciPy's values, and derivatives in both modes to second order."""

import autograd
import autograd.numpy as anp
import autograd.scipy.signal as autograd_signal
import jax
import numpy as np
import pytest
import scipy.signal

import pyad
from pyad.scipy import signal
from pyad.testing import check_grads

MODES = ("full", "same", "valid")


def values(*shape, start=0.0):
    return np.sin(1.7 * np.arange(float(np.prod(shape))) + start).reshape(shape)


def assert_right(function, args, order=1):
    expected = function(scipy.signal, *args)
    got, _ = pyad.vjp(lambda *args: function(signal, *args), *args)
    pairs = zip(got, expected, strict=True) if isinstance(got, tuple) else [(got, expected)]
    for x, y in pairs:
        assert x.shape == y.shape
        assert x.dtype == y.dtype
        np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-12)
    check_grads(lambda *args: function(signal, *args), args, order=order)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["convolve", "correlate", "fftconvolve", "oaconvolve"])
@pytest.mark.parametrize("shapes", [((5,), (2,)), ((2,), (3,)), ((3, 2), (2, 2)), ((1, 2), (2, 3))])
def test_products_of_every_mode(name, mode, shapes):
    assert_right(lambda m, x, h: getattr(m, name)(x, h, mode), tuple(values(*s, start=len(s)) for s in shapes))


@pytest.mark.parametrize("mode", MODES)
def test_second_derivatives(mode):
    check_grads(lambda x, h: signal.convolve(np.sin(x), h, mode), (values(3), values(2)), order=2)


@pytest.mark.parametrize("method", ["direct", "fft"])
def test_methods(method):
    assert_right(lambda m, x, h: m.convolve(x, h, "same", method), (values(4), values(3)))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shapes", [((2, 4), (2, 3)), ((1, 4), (2, 3)), ((2, 3), (1, 2))])
@pytest.mark.parametrize("name", ["fftconvolve", "oaconvolve"])
def test_other_axes_broadcast(name, shapes, mode):
    args = tuple(values(*s) for s in shapes)
    assert_right(lambda m, x, h: getattr(m, name)(x, h, mode, axes=1), args)


@pytest.mark.parametrize("boundary", ["fill", "wrap", "symm"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["convolve2d", "correlate2d"])
def test_two_dimensions_with_boundaries(name, mode, boundary):
    for shapes in [((3, 2), (2, 2)), ((3, 4), (3, 1)), ((1, 2), (2, 3))]:
        args = tuple(values(*s) for s in shapes)
        assert_right(lambda m, x, h: getattr(m, name)(x, h, mode, boundary), args)
    assert_right(lambda m, x, h: getattr(m, name)(x, h, mode, boundary, 1.5), (values(3, 2), values(2, 2)))


@pytest.mark.parametrize("mode", ["full", "valid"])
@pytest.mark.parametrize(
    ("axes", "dot_axes", "shapes"),
    [
        (([2], [2]), ([1], [1]), ((2, 3, 5), (4, 3, 2))),
        (([0, 1], [1, 0]), ((), ()), ((4, 3, 2), (2, 3))),
        (([1], [1]), ([0], [0]), ((3, 4), (3, 2))),
        (([1], [0]), ((), ()), ((2, 4), (3,))),
    ],
)
def test_autograds_axes_mean_what_they_do_there(axes, dot_axes, shapes, mode):
    x, h = (values(*s) for s in shapes)
    got = signal.convolve(x, h, mode, axes=axes, dot_axes=dot_axes)
    expected = autograd_signal.convolve(x, h, axes=axes, dot_axes=dot_axes, mode=mode)
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)
    gradients = pyad.grad(lambda x, h: np.sum(signal.convolve(x, h, mode, axes=axes, dot_axes=dot_axes) ** 2), (0, 1))
    theirs = autograd.grad(
        lambda x, h: anp.sum(autograd_signal.convolve(x, h, axes=axes, dot_axes=dot_axes, mode=mode) ** 2), (0, 1)
    )
    for a, b in zip(gradients(x, h), theirs(x, h), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_axes_that_are_summed_alone():
    got = signal.convolve(values(3, 2), values(3), axes=((), ()), dot_axes=([0], [0]))
    np.testing.assert_allclose(got, values(3, 2).T @ values(3))


def test_gradients_are_jaxs():
    x, h, mode = values(5), values(3), "same"
    got = pyad.grad(lambda x, h: np.sum(signal.correlate(x, h, mode) ** 2), (0, 1))(x, h)
    expected = jax.grad(lambda x, h: jax.numpy.sum(jax.scipy.signal.correlate(x, h, mode) ** 2), (0, 1))(x, h)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


FILTERS = {
    "recursive": (values(2), np.array([1.5, -0.5, 0.2])),
    "without recursion": (values(3), np.array([2.0])),
    "recursion only": (np.array([0.7]), np.array([1.0, 0.4])),
}


@pytest.mark.parametrize("filter", FILTERS)
@pytest.mark.parametrize(("shape", "axis"), [((4,), -1), ((2, 3), 1), ((3, 2), 0), ((1,), 0)])
def test_lfilter(filter, shape, axis):
    assert_right(lambda m, b, a, x: m.lfilter(b, a, x, axis), (*FILTERS[filter], values(*shape)))


@pytest.mark.parametrize(("n", "b"), [(4, values(2)), (1, values(2)), (2, values(4))])
def test_lfilter_with_a_state(n, b):
    a = np.array([1.5, -0.5, 0.2])
    state = values(max(len(b), 3) - 1, start=1.0)
    assert_right(lambda m, b, a, x, z: m.lfilter(b, a, x, zi=z), (b, a, values(n), state))
    rows = np.stack([state, state])
    assert_right(lambda m, x, z: m.lfilter(b, a, x, axis=0, zi=z), (values(n, 2), rows.T))


def test_lfilter_to_second_order():
    check_grads(lambda a, x: signal.lfilter([1.0, 0.5], a, x), (np.array([1.5, -0.5]), values(3)), order=2)


@pytest.mark.parametrize(
    "options", [{}, {"axis": 0}, {"type": "constant"}, {"bp": [2]}, {"bp": 3, "axis": -1}, {"type": "c", "axis": 0}]
)
def test_detrend(options):
    assert_right(lambda m, x: m.detrend(x, **options), (values(4, 5) + np.arange(5.0),))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: signal.convolve(x, x),
        lambda x: signal.correlate(x, x, "same"),
        lambda x: signal.fftconvolve(x, x, "valid"),
        lambda x: signal.convolve2d(x[None], x[None], "same", "wrap"),
        lambda x: signal.lfilter(x[:2], x[1:], x),
        lambda x: signal.detrend(x),
    ],
)
def test_float32_stays_float32(function):
    x = np.array([0.5, 1.0, -0.3], np.float32)
    value, pullback = pyad.vjp(function, x)
    (got,) = pullback(np.ones_like(value))
    wide, pullback = pyad.vjp(function, x.astype(float))
    (expected,) = pullback(np.ones_like(wide))
    assert value.dtype == got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_empty_operands_and_numbers():
    value, pullback = pyad.vjp(lambda x: signal.convolve(x, [1.0, 2.0]), np.zeros(0))
    assert value.shape == (0,)
    assert pullback(value)[0].shape == (0,)
    assert pyad.grad(lambda x: signal.convolve(x, 3.0))(2.0) == 3.0


def test_plain_arguments_go_to_scipy():
    assert signal.convolve([1, 2], [3]).dtype.kind == "i"
    assert signal.hilbert is scipy.signal.hilbert
    assert "hilbert" in dir(signal)


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        (lambda x: signal.convolve(x, x[0]), ValueError, r"convolve: shapes \(2, 3\) and \(3,\)"),
        (lambda x: signal.convolve(x, x, "some"), ValueError, "mode must be 'full', 'same' or 'valid', got 'some'"),
        (lambda x: signal.convolve(x, x, method="some"), ValueError, "method must be"),
        (lambda x: signal.convolve(x, x.T, "valid"), ValueError, "needs one of .* inside the other"),
        (lambda x: signal.convolve(x, x, dot_axes=([0], [1])), ValueError, "differ in length"),
        (lambda x: signal.convolve(x, x, axes=([0], [0, 1])), ValueError, "as many axes"),
        (lambda x: signal.convolve(x, x, axes=([5], [0])), ValueError, "axis 5 is out of bounds"),
        (lambda x: signal.fftconvolve(x, x.T, axes=0), ValueError, "do not broadcast in axis 1"),
        (lambda x: signal.convolve2d(x[0], x[0]), ValueError, "expected two matrices"),
        (lambda x: signal.convolve2d(x, x, boundary="some"), ValueError, "boundary must be"),
        (lambda x: signal.convolve2d(x, x, fillvalue=x[0, 0]), TypeError, "a traced fillvalue"),
        (lambda x: signal.lfilter(x, [1.0], x), ValueError, "lfilter: b has shape"),
        (lambda x: signal.lfilter([1.0], [1.0, 2.0], x, zi=x), ValueError, "lfilter: zi has 3 entries"),
        (lambda x: signal.detrend(x, type="some"), ValueError, "type must be"),
        (lambda x: signal.detrend(x, bp=9), ValueError, "less than the length"),
        (
            lambda x: scipy.signal.hilbert(x),
            TypeError,
            "scipy.signal.hilbert has no derivative in pyad and was given a traced",
        ),
    ],
)
def test_errors_say_what_is_wrong(function, error, words):
    with pytest.raises(error, match=words):
        pyad.vjp(function, values(2, 3))
