"""The checks that tables of calls with complex arguments share: NumPy's value, derivatives to second order, and the
pullback of autograd or JAX."""

import warnings
from functools import partial

import numpy as np
from support.calls import leaves

import pyad
from pyad.testing import check_grads

SINGLE = {"f": np.float32, "c": np.complex64}


def agree(got, want, rtol, keeps_single=False):
    """As many arrays, of the same shapes, dtypes (`keeps_single`: or of single precision) and values."""
    for a, b in zip(map(np.asarray, leaves(got)), map(np.asarray, leaves(want)), strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype or (keeps_single and a.dtype == SINGLE[b.dtype.kind])
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


def quietly(f, *args):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
        return f(*args)


def narrow(x):
    return np.asarray(x, SINGLE[x.dtype.kind]) if isinstance(x, np.ndarray) else x


def check_values(f, args, reference=None, keeps_single=False):
    """NumPy's values and dtypes (`reference`: SciPy's) in both precisions, and cotangents of the arguments' dtypes.

    `keeps_single`: of single precision the result may be single where the reference's is double.
    """
    plain = f if reference is None else reference
    for at in (args, tuple(map(narrow, args))):
        double = at is args
        want = quietly(plain, *at)
        got, pullback = quietly(pyad.vjp, f, *at)
        agree(got, want, 1e-12 if double else 1e-4, keeps_single and not double)
        bars = pullback(cotangent_of(got))
        for bar, x in zip(bars, at, strict=True):
            assert np.asarray(bar).dtype == np.asarray(x).dtype
            assert np.shape(bar) == np.shape(x)


def cotangent_of(y):
    """Random numbers in the containers of a value."""
    if isinstance(y, list | tuple):
        parts = [cotangent_of(part) for part in y]
        return type(y)(*parts) if hasattr(y, "_fields") else type(y)(parts)
    y = np.asarray(y)
    if y.dtype.kind not in "fc":
        return y
    rng = np.random.default_rng(3)
    drawn = rng.normal(size=y.shape)
    return np.asarray(drawn + 1j * rng.normal(size=y.shape) if y.dtype.kind == "c" else drawn, y.dtype)


def check_pullback(f, theirs, args, rtol=1e-10, atol=1e-12):
    """`theirs` gives the cotangents of the arguments for a cotangent of the value."""
    y, pullback = pyad.vjp(f, *args)
    s = cotangent_of(y)
    for got, want in zip(pullback(s), theirs(s), strict=True):
        np.testing.assert_allclose(np.asarray(got), np.asarray(want), rtol=rtol, atol=atol)


def check_orders(f, args):
    quietly(partial(check_grads, order=2), f, args)
