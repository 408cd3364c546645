"""Reductions over every form of axes: values against NumPy and SciPy, derivatives against differences and autograd."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
import scipy.special as sp
from autograd.scipy.special import logsumexp as autograd_logsumexp
from support.oracles import LAYOUTS, subsets

import pyad
import pyad.numpy as pnp
import pyad.scipy.special as psp
from pyad._ops import reductions
from pyad.errors import UnsupportedError
from pyad.testing import check_grads

A = np.random.default_rng(0).normal(size=(2, 3, 4))
NAMES = ["sum", "mean", "var", "std", "max", "min"]
AXES = list(subsets(3))


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_values_and_gradients_over_every_form_of_axes(name, axis, keepdims):
    f = getattr(np, name)
    x = A
    if axis == () and name == "std":
        # The deviation of one number is 0, where its root has no derivative.
        return
    want = f(x, axis=axis, keepdims=keepdims)
    for call in (
        lambda x: f(x, axis=axis, keepdims=keepdims),
        lambda x: getattr(pnp, name)(x, axis, keepdims=keepdims),
        lambda x: getattr(x, name)(axis=axis, keepdims=keepdims),
    ):
        value, pullback = pyad.vjp(call, x)
        assert np.shape(value) == np.shape(want)
        np.testing.assert_allclose(value, want, rtol=1e-14, atol=1e-15)
    seed = np.random.default_rng(1).normal(size=np.shape(want))
    if axis == ():
        # Autograd takes this for all axes. Nothing is reduced: the derivative is 1, and that of a variance 0.
        expected = seed * (name != "var")
    else:
        theirs = getattr(anp, name)
        expected = autograd.grad(lambda x: anp.sum(theirs(x, axis=axis, keepdims=keepdims) * seed))(x)
    np.testing.assert_allclose(pullback(seed)[0], expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2)], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_derivatives_to_second_order(name, axis):
    check_grads(lambda x: getattr(np, name)(x, axis=axis), (A[:, :2, :3],), order=2)


@pytest.mark.parametrize("axis", [axis for axis in AXES if axis != ()], ids=str)
@pytest.mark.parametrize("name", ["logsumexp", "softmax", "log_softmax"])
def test_the_softmax_family_over_every_form_of_axes(name, axis):
    ours, theirs = getattr(psp, name), getattr(sp, name)
    want = theirs(A, axis=axis)
    np.testing.assert_allclose(ours(A, axis=axis), want, rtol=1e-13)
    value, pullback = pyad.vjp(lambda x: ours(x, axis=axis), A)
    np.testing.assert_allclose(value, want, rtol=1e-13)
    seed = np.random.default_rng(2).normal(size=np.shape(want))

    def theirs_by_autograd(x):
        y = autograd_logsumexp(x, axis=axis, keepdims=name != "logsumexp")
        return y if name == "logsumexp" else x - y if name == "log_softmax" else anp.exp(x - y)

    expected = autograd.grad(lambda x: anp.sum(theirs_by_autograd(x) * seed))(A)
    np.testing.assert_allclose(pullback(seed)[0], expected, rtol=1e-11, atol=1e-14)
    if name == "logsumexp":
        kept = theirs(A, axis=axis, keepdims=True)
        got, _ = pyad.vjp(lambda x: ours(x, axis=axis, keepdims=True), A)
        np.testing.assert_allclose(got, kept, rtol=1e-13)
        assert got.shape == kept.shape


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2)], ids=str)
@pytest.mark.parametrize("name", ["logsumexp", "softmax", "log_softmax"])
def test_derivatives_of_the_softmax_family_to_second_order(name, axis):
    check_grads(lambda x: getattr(psp, name)(x, axis=axis), (A[:, :2, :2],), order=2)


def test_logsumexp_with_weights():
    b = np.array([0.5, 2.0, 1.0, 3.0])
    np.testing.assert_allclose(psp.logsumexp(A, axis=-1, b=b), sp.logsumexp(A, axis=-1, b=b), rtol=1e-13)
    check_grads(lambda x, b: psp.logsumexp(x, axis=-1, b=b), (A[0], b), order=2)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", [*NAMES, "logsumexp", "softmax", "log_softmax"])
def test_layouts(name, layout):
    f = getattr(reductions, name, getattr(pnp, name, None))
    x = LAYOUTS[layout](A)
    for axis in (0, 1, -1):
        value, pullback = pyad.vjp(lambda x, axis=axis: f(x, axis), x)
        want, wanted = pyad.vjp(lambda x, axis=axis: f(x, axis), A)
        np.testing.assert_allclose(value, want, rtol=1e-14, atol=1e-15)
        np.testing.assert_allclose(pullback(want)[0], wanted(want)[0], rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("ddof", [0, 1, 2, 0.5])
@pytest.mark.parametrize("name", ["var", "std"])
def test_degrees_of_freedom(name, ddof):
    f = getattr(np, name)
    np.testing.assert_allclose(pyad.vjp(lambda x: f(x, axis=1, ddof=ddof), A)[0], f(A, axis=1, ddof=ddof), rtol=1e-14)
    check_grads(lambda x: f(x, axis=-1, ddof=ddof), (A[0],), order=2)


def test_sums_are_accurate():
    """Pairwise: a naive float32 sum of a million tenths is wrong by a per cent."""
    x = np.full(1_000_000, 0.1, np.float32)
    value = pyad.vjp(np.sum, x)[0]
    np.testing.assert_allclose(value, x.astype(float).sum(), rtol=2e-6)
    columns = pyad.vjp(lambda x: np.sum(x, axis=0), x.reshape(-1, 10))[0]
    np.testing.assert_allclose(columns, x.reshape(-1, 10).astype(float).sum(axis=0), rtol=2e-6)


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 31, 127, 128, 129, 1000, 4097])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_length_and_both_directions_of_rows(n, dtype):
    x = np.random.default_rng(n).normal(size=(3, n)).astype(dtype)
    eps = np.finfo(dtype).eps
    for name in ("sum", "max", "min", "mean"):
        for y, axis in ((x, 1), (x.T, 0), (x.T.copy(), 0), (x.T.copy(), 1), (x, None)):
            f = getattr(np, name)
            value = pyad.vjp(lambda y, f=f, axis=axis: f(y, axis=axis), y)[0]
            np.testing.assert_allclose(value, f(y.astype(float), axis=axis), rtol=8 * eps, atol=8 * eps * n**0.5)
            assert np.asarray(value).dtype == dtype


@pytest.mark.parametrize("name", ["logsumexp", "softmax", "log_softmax"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_of_every_length_of_the_softmax_family(name, dtype):
    for n in (1, 2, 5, 8, 9, 64, 1000):
        x = (10 * np.random.default_rng(n).normal(size=(2, n))).astype(dtype)
        for y, axis in ((x, 1), (x.T, 0), (x.T.copy(), 0)):
            value = pyad.vjp(lambda y, axis=axis: getattr(psp, name)(y, axis=axis), y)[0]
            want = getattr(sp, name)(y.astype(float), axis=axis)
            np.testing.assert_allclose(value, want, rtol=40 * np.finfo(dtype).eps, atol=4 * np.finfo(dtype).eps)
            assert value.dtype == dtype


def test_a_number_is_its_own_reduction():
    for name in ("sum", "mean", "max", "min"):
        value, gradient = pyad.value_and_grad(getattr(np, name))(3.0)
        assert (value, gradient) == (3.0, 1.0)
    assert pyad.value_and_grad(psp.logsumexp)(3.0) == (3.0, 1.0)


ERRORS = {
    "range": (lambda x: np.sum(x, axis=3), np.exceptions.AxisError, "sum: axis 3 is out of bounds"),
    "negative": (lambda x: np.max(x, axis=-4), np.exceptions.AxisError, "max: axis -4"),
    "twice": (lambda x: np.sum(x, axis=(0, -3)), ValueError, "sum.*twice"),
    "not an integer": (lambda x: np.sum(x, axis=1.5), TypeError, "axis 1.5 is not an integer"),
    "out": (lambda x: np.sum(x, out=np.zeros(())), UnsupportedError, "out"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_wrong_axes_and_unsupported_arguments_say_so(name):
    f, error, message = ERRORS[name]
    with pytest.raises(error, match=message):
        pyad.grad(f)(A)
