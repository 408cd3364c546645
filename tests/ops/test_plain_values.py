"""Plain arrays: what the engine has a kernel for runs it for them too, with the bits that traced values get."""

import numpy as np
import pytest

import pyad
from pyad import nn
from pyad.scipy import special

RNG = np.random.default_rng(5)
X = RNG.normal(size=(37, 11)) * 4.0
LABELS = RNG.integers(0, 11, 37)

FUNCTIONS = {
    "softplus": nn.softplus,
    "sigmoid": nn.sigmoid,
    "relu": nn.relu,
    "expit": special.expit,
    "erf": special.erf,
    "logsumexp": lambda x: special.logsumexp(x, axis=-1),
    "logsumexp of all": special.logsumexp,
    "softmax": lambda x: special.softmax(x, axis=0),
    "log_softmax": lambda x: special.log_softmax(x, axis=-1),
    "mse": lambda x: nn.mse(x, 0.5 * x),
    "squared_error": lambda x: nn.squared_error(x, 0.5 * x),
    "cross-entropy": lambda x: nn.softmax_cross_entropy(x, LABELS[: len(x)] % x.shape[-1]),
}
LAYOUTS = {
    "C": lambda x: x,
    "F": np.asfortranarray,
    "strided": lambda x: x[::2, ::-1],
    "one row": lambda x: x[:1],
}


def traced(f, x):
    """The value that f has of a traced x."""
    seen = []
    pyad.vjp(lambda x: seen.append(pyad.stop_gradient(f(x))) or x, x)
    return np.asarray(seen[0])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_plain_arrays_have_the_bits_of_traced_ones(name, dtype, layout):
    x = LAYOUTS[layout](X.astype(dtype))
    value = FUNCTIONS[name](x)
    assert value.dtype == dtype
    np.testing.assert_array_equal(value, traced(FUNCTIONS[name], x))


@pytest.mark.parametrize("name", ["softplus", "sigmoid", "relu", "expit", "erf"])
def test_numbers_lists_and_other_dtypes(name):
    f = FUNCTIONS[name]
    assert f(0.25) == traced(f, 0.25)
    assert type(f(np.float32(0.25))) is np.float32
    assert f(np.ones((), np.float32)).dtype == np.float32
    np.testing.assert_array_equal(f([0.0, 1.5]), f(np.array([0.0, 1.5])))
    np.testing.assert_array_equal(f(np.arange(3)), f(np.arange(3.0)))
    swapped = np.arange(3.0).astype(np.dtype(float).newbyteorder())
    np.testing.assert_array_equal(f(swapped), f(np.arange(3.0)))
    packed = np.zeros(3, [("tag", "i1"), ("x", "f8")])["x"]
    np.testing.assert_array_equal(f(packed), f(np.zeros(3)))
    assert f(np.zeros((0, 3))).shape == (0, 3)
    assert name in ("expit", "erf") or f(np.ones(2, np.float16)).dtype == np.float16


def test_no_tape_is_left():
    from pyad._binding import engine

    nn.softplus(X)
    before = engine.counters()
    for _ in range(10):
        nn.softplus(X)
        nn.softmax_cross_entropy(X, LABELS)
    assert engine.counters()["nodes"] == before["nodes"]
    assert engine.counters()["tape_bytes"] == before["tape_bytes"]


def test_within_a_transform_and_on_another_thread():
    import threading

    seen = []
    pyad.grad(lambda x: seen.append(nn.sigmoid(X)) or x * x)(1.0)
    thread = threading.Thread(target=lambda: seen.append(nn.sigmoid(X)))
    thread.start()
    thread.join()
    np.testing.assert_array_equal(seen[0], seen[1])
    np.testing.assert_array_equal(seen[0], nn.sigmoid(X))


def test_a_program_runs_the_kernel_again():
    step = pyad.compile(lambda x: np.sum(x) * nn.softplus(2.0) + np.sum(nn.sigmoid(np.ones(3))))
    assert step(np.ones(2)) == step(np.ones(2)) == 2.0 * nn.softplus(2.0) + np.sum(nn.sigmoid(np.ones(3)))


def test_labels_outside_of_the_classes_are_refused():
    with pytest.raises(IndexError, match="class"):
        nn.softmax_cross_entropy(X, np.full(37, 11))
