"""Arguments of every wrong kind, to everything: an exception that Python uses for bad input, or what NumPy gives."""

import math
import re

import numpy as np
import pytest
from support.wrong_use import X, leaked, nodes

import pyad
import pyad.numpy as pnp
from pyad import nn

JUNK = [
    None, True, -1, 0, 1, 3, 2**62, -(2**63), 10**30, 1.5, math.nan, math.inf, 1j, "a", b"a", (), [], {}, [[]], (1, 2),
    [1, -1], slice(None), slice(0, 0, 1), Ellipsis, object(), np.float16(1), np.int8(3), np.array(2), np.zeros((0,
    3)), np.ones((1, 1, 1)), np.array([1, 2]), np.array([True, False, True]), np.array(["a"]), np.array([None]),
    np.ones(3) * 1j, np.sum, type, range(3),
]  # fmt: skip

# A shape may ask for more elements than there is memory.
ALLOWED = (TypeError, ValueError, LookupError, OverflowError, AttributeError, NotImplementedError, MemoryError)

PROBED = [
    lambda x, a: x % a,
    lambda x, a: a // x,
    lambda x, a: np.hypot(x, a),
    lambda x, a: np.heaviside(a, x),
    lambda x, a: np.clip(x, a, None),
    lambda x, a: np.prod(x, axis=a),
    lambda x, a: np.cumsum(x, a),
    lambda x, a: np.sort(x, a),
    lambda x, a: np.diff(x, axis=a),
    lambda x, a: np.quantile(x, a),
    lambda x, a: np.median(x, a),
    lambda x, a: np.gradient(x, a),
    lambda x, a: np.average(x, weights=a),
    lambda x, a: np.add.reduce(x, a),
    lambda x, a: np.add.outer(x, a),
    lambda x, a: np.add.reduceat(x, a),
    lambda x, a: np.nansum(x, a),
    lambda x, a: np.trapezoid(x, a),
    lambda x, a: np.sum(x, where=a),
    lambda x, a: np.max(x, initial=a),
    lambda x, a: x + a,
    lambda x, a: a - x,
    lambda x, a: x**a,
    lambda x, a: a**x,
    lambda x, a: x @ a,
    lambda x, a: a @ x,
    lambda x, a: x[a],
    lambda x, a: x[a, a],
    lambda x, a: x[None, a],
    lambda x, a: x.reshape(a),
    lambda x, a: np.reshape(x, (a, 1)),
    lambda x, a: x.reshape(1, 3, 1).transpose(a, 0, 2),
    lambda x, a: np.sum(x, axis=a),
    lambda x, a: np.max(x, axis=(a,)),
    lambda x, a: np.mean(x, a),
    lambda x, a: np.sum(x, axis=0, keepdims=a),
    lambda x, a: np.where(a, x, 0.0),
    lambda x, a: np.where(X > 1, x, a),
    lambda x, a: np.concatenate([x, a]),
    lambda x, a: np.concatenate(x, a),
    lambda x, a: np.concatenate([x, x], axis=a),
    lambda x, a: np.stack([x, a]),
    lambda x, a: np.stack([x, x], axis=a),
    lambda x, a: np.broadcast_to(x, a),
    lambda x, a: np.expand_dims(x, a),
    lambda x, a: np.squeeze(x, a),
    lambda x, a: np.moveaxis(x, a, a),
    lambda x, a: np.swapaxes(x, a, 0),
    lambda x, a: np.maximum(x, a),
    lambda x, a: np.dot(x, a),
    lambda x, a: np.outer(x, a),
    lambda x, a: x.astype(a),
    lambda x, a: pnp.array([x, a]),
    lambda x, a: pyad.scipy.special.logsumexp(x, a),
    lambda x, a: pyad.scipy.special.softmax(x, a),
    lambda x, a: nn.mse(x, a),
    lambda x, a: nn.softmax_cross_entropy(x, a),
    lambda x, a: pyad._ops.linalg.matmul.affine(x, a, a),
    lambda x, a: pyad.grad(lambda y: a)(x),
    lambda x, a: pyad.grad(np.sum, argnums=a)(x),
    lambda x, a: pyad.vjp(lambda y: y * 2.0, x)[1](a),
    lambda x, a: pyad.jvp(lambda y: y * 2.0, (x,), (a,)),
    lambda x, a: pyad.jvp(lambda y: y * a, (x,), (x,)),
    lambda x, a: pyad.stop_gradient(a) + x,
    lambda x, a: x == a,
    lambda x, a: x < a,
    lambda x, a: a in x,
    lambda x, a: format(x, a),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("which", range(len(PROBED)))
def test_nonsense_gives_an_exception_or_what_numpy_gives(which):
    """Nothing crashes, nothing stays on the tape, and exceptions are of the kinds that Python uses for bad input."""
    probe = PROBED[which]
    compared = 0
    for junk in JUNK:
        seen = []

        def function(x, junk=junk, seen=seen):
            seen.append(pyad.stop_gradient(probe(x, junk)))
            return np.sum(x)

        try:
            pyad.grad(function)(X)
        except ALLOWED as problem:
            assert not isinstance(problem, pyad.errors.EngineError)
            assert str(problem) or isinstance(problem, KeyError)
        assert nodes() == 0
        if not seen or which >= PROBED_AGAINST_NUMPY:
            continue
        try:
            expected = probe(X, junk)
        except Exception:
            continue
        np.testing.assert_allclose(np.asarray(seen[0], float), np.asarray(expected, float), rtol=1e-12)
        compared += 1
    assert compared > 0 or which >= PROBED_AGAINST_NUMPY


# Those before compute the same on plain arrays.
PROBED_AGAINST_NUMPY = 51


def test_messages_are_sentences_without_addresses():
    for call in (
        lambda: pyad.grad(lambda x: x)(X),
        lambda: pyad.grad(lambda x: x + np.ones(4))(X),
        lambda: leaked() + 1.0,
    ):
        with pytest.raises(Exception) as caught:
            call()
        assert not re.search(r"0x[0-9a-f]{6}", str(caught.value))
