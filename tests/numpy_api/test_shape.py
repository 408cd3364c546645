"""Functions that move elements: values against NumPy, gradients against the inverse move, through `np` and methods."""

import itertools

import numpy as np
import pytest
from support.oracles import LAYOUTS

import pyad
import pyad.numpy as pnp
from pyad.errors import DTypeError, ShapeError

NUMPY = np.lib.NumpyVersion(np.__version__)
A = np.random.default_rng(0).normal(size=(2, 3, 4))
V = np.arange(6.0)


def check_move(f, *arrays):
    """f only moves (and repeats) elements of its arguments: linear, so the pullback is exact arithmetic."""
    want = f(*arrays)
    value, pullback = pyad.vjp(f, *arrays)
    assert np.shape(value) == np.shape(want)
    np.testing.assert_array_equal(value, want)
    seed = np.random.default_rng(1).normal(size=np.shape(want))
    got = pullback(seed)
    # The transpose of a linear map: <f(t), s> = <t, f'(s)>, for as many t as there are entries.
    for k, x in enumerate(arrays):
        assert got[k].shape == x.shape
        for place in itertools.islice(np.ndindex(x.shape), 40):
            units = [np.zeros_like(other) for other in arrays]
            units[k][place] = 1.0
            np.testing.assert_allclose(got[k][place], np.sum(f(*units) * seed), rtol=1e-13, atol=1e-14)
    tangents = [np.cos(x) for x in arrays]
    np.testing.assert_array_equal(pyad.jvp(f, arrays, tangents)[1], f(*tangents))


MOVES = {
    "reshape": lambda x: np.reshape(x, (4, 6)),
    "reshape with -1": lambda x: np.reshape(x, (3, -1)),
    "reshape to one number": lambda x: np.reshape(x, -1),
    # NumPy has the argument by this name from 2.1 on.
    "reshape keyword": lambda x: np.reshape(x, shape=(6, 4)) if NUMPY >= "2.1.0" else np.reshape(x, (6, 4)),
    "reshape method": lambda x: x.reshape(2, 12),
    "reshape method, tuple": lambda x: x.reshape((2, 2, 6)),
    "reshape of a transpose": lambda x: x.T.reshape(3, 8),
    "reshape of a reversed": lambda x: x[::-1, :, ::-1].reshape(-1),
    "ravel": lambda x: np.ravel(x),
    "ravel method": lambda x: x.ravel(),
    "flatten": lambda x: x.swapaxes(0, 2).flatten(),
    "T": lambda x: x.T,
    "mT": lambda x: x.mT,
    "transpose": lambda x: np.transpose(x),
    "transpose axes": lambda x: np.transpose(x, (1, 2, 0)),
    "transpose negative axes": lambda x: np.transpose(x, axes=(-1, 0, -2)),
    "transpose method": lambda x: x.transpose(2, 0, 1),
    "transpose method, tuple": lambda x: x.transpose((0, 2, 1)),
    "transpose method, nothing": lambda x: x.transpose(),
    "swapaxes": lambda x: np.swapaxes(x, 0, -1),
    "moveaxis": lambda x: np.moveaxis(x, 0, -1),
    "moveaxis lists": lambda x: np.moveaxis(x, [0, -1], [-1, 0]),
    "moveaxis back": lambda x: np.moveaxis(x, (2, 0), (0, 1)),
    "broadcast_to": lambda x: np.broadcast_to(x, (5, 2, 3, 4)),
    "broadcast_to a new length": lambda x: np.broadcast_to(x[:, :1], (2, 7, 4)),
    "expand_dims": lambda x: np.expand_dims(x, 1),
    "expand_dims, many": lambda x: np.expand_dims(x, (0, -1)),
    "expand_dims, last": lambda x: np.expand_dims(x, axis=-1),
    "squeeze": lambda x: np.squeeze(x[:, None, :1]),
    "squeeze axis": lambda x: np.squeeze(x[None, :, None], axis=2),
    "squeeze axes": lambda x: np.squeeze(x[None, :, None], axis=(0, -3)),
    "squeeze method": lambda x: x[:1].squeeze(0),
    "stack with itself": lambda x: np.stack([x, x, x], axis=1),
    "concatenate with itself": lambda x: np.concatenate([x, x[:, :1], x], axis=1),
    "concatenate flat": lambda x: np.concatenate((x, x[0]), axis=None),
    "newaxis": lambda x: x[:, np.newaxis],
    "copy": lambda x: x.copy(),
    "astype": lambda x: x.astype(np.float64),
    "positive": lambda x: +x,
    "real": lambda x: x.real,
    "a chain of views": lambda x: x[1].T[::-1].reshape(2, 6)[:, 1::2],
}


@pytest.mark.parametrize("layout", ["plain", *LAYOUTS])
@pytest.mark.parametrize("name", MOVES)
def test_moves_and_their_transposes(name, layout):
    check_move(MOVES[name], LAYOUTS[layout](A) if layout != "plain" else A)


@pytest.mark.parametrize("name", MOVES)
def test_second_derivatives_through_moves(name):
    t = np.cos(A)
    got = pyad.hvp(lambda x: np.sum(MOVES[name](x) ** 3), (A,), (t,))
    want = pyad.grad(lambda x: np.sum(MOVES[name](x)))(A) * 6 * A * t
    np.testing.assert_allclose(got, want, rtol=1e-13)


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (0,), (2, 0), (0, 1, 3)])
def test_shapes_without_length(shape):
    x = np.full(shape, 2.5)
    for f in (
        lambda x: np.ravel(x),
        lambda x: np.reshape(x, (*x.shape, 1)),
        lambda x: x.T,
        lambda x: np.expand_dims(x, 0),
        lambda x: np.squeeze(np.expand_dims(x, 0), 0),
        lambda x: np.broadcast_to(x, (2, *x.shape)),
        lambda x: np.stack([x, x]),
        lambda x: np.concatenate([x, x], axis=None),
    ):
        want = np.asarray(f(x))
        value, pullback = pyad.vjp(f, x)
        assert np.shape(value) == want.shape
        np.testing.assert_array_equal(value, want)
        (got,) = pullback(np.ones(want.shape))
        assert np.shape(got) == shape
        np.testing.assert_array_equal(got, want.size / max(x.size, 1))


# ---- joining ----


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_stack_and_concatenate_along_every_axis(axis):
    b = A + 1.0
    check_move(lambda a, b: np.stack([a, b], axis), A, b)
    check_move(lambda a, b: np.concatenate([a, b, a], axis), A, b)
    check_move(lambda a, b: pnp.stack((b, a), axis=axis), A, b)
    check_move(lambda a, b: pnp.concatenate((b, a), axis=axis), A, b)


def test_joining_plain_and_traced_arrays_of_several_dtypes():
    x = np.array([1.0, 2.0], np.float32)

    def f(x):
        return np.concatenate([x, [3, 4], np.array([5.0]), np.array([6], np.int8), np.array([True])])

    value, pullback = pyad.vjp(f, x)
    np.testing.assert_array_equal(value, [1, 2, 3, 4, 5, 6, 1])
    assert value.dtype == f(x).dtype == np.float64
    (got,) = pullback(np.arange(7.0))
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, [0.0, 1.0])
    narrow, _ = pyad.vjp(lambda x: np.concatenate([x, np.ones(1, np.float32), np.ones(1, np.int8)]), x)
    assert narrow.dtype == np.float32


@pytest.mark.parametrize("count", [1, 1000, 3000])
def test_thousands_of_operands(count):
    x = np.linspace(0.0, 1.0, count)
    weights = np.arange(float(count))

    def stacked(x):
        return np.sum(np.stack([x[i] * 2.0 for i in range(count)]) * weights)

    def joined(x):
        return np.sum(np.concatenate([x[i : i + 1] ** 2 for i in range(count)]) * weights)

    np.testing.assert_allclose(pyad.grad(stacked)(x), 2 * weights)
    np.testing.assert_allclose(pyad.grad(joined)(x), 2 * x * weights)
    np.testing.assert_allclose(pyad.jvp(joined, (x,), (np.ones(count),))[1], np.sum(2 * x * weights))
    if count <= 1000:
        np.testing.assert_allclose(pyad.hvp(joined, (x,), (np.ones(count),)), 2 * weights)


def test_an_array_used_thousands_of_times_gets_one_gradient():
    x = np.arange(3.0)

    def f(x):
        return np.sum(np.stack([x] * 3000)) + sum(x[1] for _ in range(2000))

    np.testing.assert_array_equal(pyad.grad(f)(x), [3000.0, 5000.0, 3000.0])

    def fan_out(x):
        parts = [x * float(k) for k in range(2000)]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return np.sum(total)

    np.testing.assert_array_equal(pyad.grad(fan_out)(x), np.full(3, 1999.0 * 1000))
    product = pyad.hvp(lambda x: fan_out(x * x), (x,), (np.ones(3),))
    np.testing.assert_array_equal(product, np.full(3, 2 * 1999.0 * 1000))


def test_array_builds_nested_lists_of_traced_values():
    def f(x, a):
        return pnp.array([[x, 2.0, a[0]], [a[1] * x, 1, np.float64(0.5)]])

    value = f(3.0, np.array([4.0, 5.0]))
    got, pullback = pyad.vjp(f, 3.0, np.array([4.0, 5.0]))
    np.testing.assert_array_equal(got, value)
    dx, da = pullback(np.array([[1.0, 10.0, 100.0], [1000.0, 1e4, 1e5]]))
    np.testing.assert_array_equal(dx, 1.0 + 5 * 1000.0)
    np.testing.assert_array_equal(da, [100.0, 3 * 1000.0])
    rows = pyad.grad(lambda a: pnp.sum(pnp.array([a, a * 2]) * np.array([[1.0], [10.0]])))(np.ones(2))
    np.testing.assert_array_equal(rows, [21.0, 21.0])
    assert pyad.vjp(lambda x: pnp.array([x, 1.0], dtype=np.float32), 1.0)[0].dtype == np.float32
    assert pyad.vjp(lambda x: pnp.asarray(x), np.ones(2))[0].shape == (2,)
    np.testing.assert_array_equal(pnp.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]])


# ---- dtypes ----


def test_astype_passes_the_derivative_back_in_the_dtype_it_came_from():
    x = np.array([1.0, 2.0], np.float32)
    value, pullback = pyad.vjp(lambda x: x.astype(np.float64) * 2, x)
    assert value.dtype == np.float64
    assert pullback(np.ones(2))[0].dtype == np.float32
    value, pullback = pyad.vjp(lambda x: pnp.astype(x, np.float32), x.astype(float))
    assert value.dtype == np.float32
    assert pullback(np.ones(2, np.float32))[0].dtype == np.float64


def test_astype_to_integers_and_booleans_gives_constants():
    x = np.array([1.5, -2.5])

    def f(x):
        whole = x.astype(int)
        assert isinstance(whole, np.ndarray)
        assert whole.dtype == int
        assert x.astype(bool).dtype == bool
        return np.sum(x * whole)

    np.testing.assert_array_equal(pyad.grad(f)(x), [1.0, -2.0])
    for dtype in (np.clongdouble, np.float16, object):
        with pytest.raises((DTypeError, TypeError), match="float32 or float64"):
            pyad.grad(lambda x, dtype=dtype: np.sum(x.astype(dtype)))(x)


# ---- errors ----

ERRORS = {
    "reshape": (lambda x: np.reshape(x, (5, 5)), ShapeError, r"reshape.*\(2, 3, 4\).*\(5, 5\)"),
    "reshape -1": (lambda x: np.reshape(x, (5, -1)), ShapeError, r"reshape.*\(2, 3, 4\).*\(5, -1\)"),
    "reshape -1 -1": (lambda x: np.reshape(x, (-1, -1)), ShapeError, "one length may be -1"),
    "reshape -2": (lambda x: np.reshape(x, (-2, 12)), ShapeError, "one length may be -1"),
    "transpose count": (lambda x: np.transpose(x, (0, 1)), ValueError, "transpose"),
    "transpose twice": (lambda x: np.transpose(x, (0, 1, 1)), ValueError, "transpose"),
    "transpose range": (lambda x: np.transpose(x, (0, 1, 3)), ValueError, "transpose"),
    "swapaxes": (lambda x: np.swapaxes(x, 0, 3), np.exceptions.AxisError, "swapaxes: axis 3"),
    "moveaxis": (lambda x: np.moveaxis(x, 0, 3), np.exceptions.AxisError, "moveaxis.*axis 3"),
    "moveaxis count": (lambda x: np.moveaxis(x, [0, 1], [0]), ValueError, "2 source axes, 1"),
    "broadcast_to": (lambda x: np.broadcast_to(x, (2, 3, 5)), ShapeError, r"broadcast.*\(2, 3, 4\).*\(2, 3, 5\)"),
    "broadcast_to fewer": (lambda x: np.broadcast_to(x, (3, 4)), ShapeError, "broadcast"),
    "broadcast_to negative": (lambda x: np.broadcast_to(x, (-1, 3, 4)), ValueError, "negative"),
    "expand_dims": (lambda x: np.expand_dims(x, 5), np.exceptions.AxisError, "expand_dims: axis 5"),
    "squeeze": (lambda x: np.squeeze(x, 1), ValueError, r"squeeze: axis 1.*\(2, 3, 4\).*3"),
    "concatenate shapes": (lambda x: np.concatenate([x, x[:, :1]]), ShapeError, "concatenate"),
    "concatenate dims": (lambda x: np.concatenate([x, x[0]]), ShapeError, "concatenate"),
    "concatenate axis": (lambda x: np.concatenate([x, x], 3), np.exceptions.AxisError, "concatenate: axis 3"),
    "concatenate numbers": (lambda x: np.concatenate([x[0, 0, 0], x[0, 0, 1]]), ValueError, "zero-dimensional"),
    "stack": (lambda x: np.stack([x, x[0]]), ShapeError, r"stack.*\(2, 3, 4\).*\(3, 4\)|stack.*\(3, 4\).*\(2, 3, 4\)"),
    "add": (lambda x: x + np.ones((3, 3)), ShapeError, r"\(2, 3, 4\).*\(3, 3\)"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_wrong_shapes_and_axes_name_the_function_and_the_shapes(name):
    f, error, message = ERRORS[name]
    with pytest.raises(error, match=message):
        pyad.grad(lambda x: np.sum(f(x)))(A)
