"""Functions that choose by conditions and places, and arrays built from values, against NumPy."""

import numpy as np
import pytest
from support.calls import agree, check_call

import pyad
import pyad.numpy as pnp

A = np.array([[0.3, -1.2, 2.1], [1.7, 0.4, -0.8]])
WHICH = np.array([[0, 1, 1], [1, 0, 1]])

CALLS = {
    # By places.
    "take": lambda x: np.take(x, [1, 5, -1]),
    "take axis": lambda x: np.take(x, [0, 2, 2], axis=1),
    "take number": lambda x: np.take(x, 1, axis=-1),
    "take 2-d": lambda x: np.take(x, [[0, 1], [1, 0]], axis=0),
    "take 2-d, last": lambda x: np.take(x, [[0, 1], [1, 2]], axis=1),
    "take nothing": lambda x: np.take(x, [], axis=1),
    "take wrap": lambda x: np.take(x, [7, -8], mode="wrap"),
    "take clip": lambda x: np.take(x, [7, -8], axis=1, mode="clip"),
    "take method": lambda x: x.take([0, 1], axis=1, mode="raise"),
    "take_along_axis": lambda x: np.take_along_axis(x, WHICH, 1),
    "take_along_axis first": lambda x: np.take_along_axis(x, WHICH[:1], axis=0),
    "take_along_axis flat": lambda x: np.take_along_axis(x, np.array([5, 0]), None),
    "take_along_axis of sort": lambda x: np.take_along_axis(x, np.argsort(x, axis=0), axis=0),
    "compress": lambda x: np.compress([True, False, True], x),
    "compress axis": lambda x: np.compress([False, True, True], x, axis=1),
    "compress short": lambda x: np.compress([0, 1], x, axis=1),
    "compress method": lambda x: x.compress([True, False], axis=0),
    "extract": lambda x: np.extract(x > 1.0, x),
    "extract by array": lambda x: np.extract(WHICH, x),
    "bincount": lambda x: np.bincount([3, 0, 3], weights=x[0]),
    "bincount minlength": lambda x: np.bincount(np.array([1, 0, 1], np.int8), x[1], minlength=6),
    # By conditions.
    "where": lambda x: np.where(x > 1.0, x, 2 * x),
    "where, number": lambda x: np.where(x > 1.0, x, 3.0),
    "select": lambda x: np.select([x > 2.0, x > 1.0], [x, 2 * x]),
    "select default": lambda x: np.select([x > 2.0, x < 0.5], [x, 4.0], default=7.0),
    "select broadcast": lambda x: np.select([x[0] > 1.0, x > 1.0], [x[:, :1], 2 * x], x[0, 0]),
    "choose": lambda x: np.choose(WHICH, [x, 2 * x]),
    "choose broadcast": lambda x: np.choose(WHICH, (x[0], x[0, 0])),
    "choose from an array": lambda x: np.choose([1, 0, 1], x),
    "choose wrap": lambda x: np.choose(WHICH + 2, [x, 2 * x], mode="wrap"),
    "choose clip": lambda x: np.choose(WHICH - 5, [x, 2 * x], mode="clip"),
    "piecewise": lambda x: np.piecewise(x, [x < 1.0, x >= 3.0], [lambda v: v**3, lambda v: 2 * v]),
    "piecewise else": lambda x: np.piecewise(x, [x < 1.0], [lambda v: v**3, -1.0]),
    "piecewise values": lambda x: np.piecewise(x, [x < 1.0, x > 2.0], [5.0, x[0, 0], lambda v: v * v]),
    "piecewise arguments": lambda x: np.piecewise(x, [x < 1.0], [lambda v, a, b: a * v + b, 0.0], 2.0, b=3.0),
    "piecewise one condition": lambda x: np.piecewise(x[0], x[0] < 1.0, [np.sin, np.cos]),
    "piecewise 0-d": lambda x: np.piecewise(x[0, 0], [x[0, 0] < 1.0], [np.sin, np.cos]),
    "piecewise overlap": lambda x: np.piecewise(x, [x < 3.0, x < 1.0], [np.sin, np.cos]),
    # Diagonals and triangles.
    "diag": lambda x: np.diag(x),
    "diag offset": lambda x: np.diag(x, 1),
    "diag below": lambda x: np.diag(x, k=-1),
    "diag far": lambda x: np.diag(x, 5),
    "diag of a vector": lambda x: np.diag(x[0]),
    "diag of a vector, above": lambda x: np.diag(x[0], 2),
    "diag of a vector, below": lambda x: np.diag(x[0], -1),
    "diagflat": lambda x: np.diagflat(x, 1),
    "diagonal": lambda x: np.diagonal(x),
    "diagonal offset": lambda x: np.diagonal(x, offset=2),
    "diagonal below": lambda x: np.diagonal(x, -1),
    "diagonal of a stack": lambda x: np.diagonal(np.stack([x, 2 * x]), 1, axis1=-1, axis2=0),
    "diagonal method": lambda x: x.diagonal(1),
    "trace": lambda x: np.trace(x),
    "trace offset": lambda x: np.trace(x, 1),
    "trace of a stack": lambda x: np.trace(np.stack([x, 2 * x]), 0, 1, 2),
    "trace dtype": lambda x: np.trace(x, dtype=np.float64),
    "trace method": lambda x: x.trace(offset=-1),
    "tril": lambda x: np.tril(x),
    "tril k": lambda x: np.tril(x, 1),
    "triu": lambda x: np.triu(x, k=-1),
    "triu of a stack": lambda x: np.triu(np.stack([x, 2 * x])),
    "tril of a vector": lambda x: np.tril(x[0]),
    "vander": lambda x: np.vander(x[0]),
    "vander N": lambda x: np.vander(x[1], 2),
    "vander increasing": lambda x: np.vander(x[0], N=4, increasing=True),
    # Grids and sequences.
    "meshgrid": lambda x: np.meshgrid(x[0], x[1, :2]),
    "meshgrid ij": lambda x: np.meshgrid(x[0], x[1, :2], [1.0, 2.0], indexing="ij"),
    "meshgrid sparse": lambda x: np.meshgrid(x[0], x[1, :2], sparse=True, copy=False),
    "meshgrid one": lambda x: np.meshgrid(x[0]),
    "linspace": lambda x: np.linspace(x[0, 0], x[1, 1], 5),
    "linspace of arrays": lambda x: np.linspace(x[0], x[1], 4, axis=-1),
    "linspace open": lambda x: np.linspace(0.0, x[0], num=3, endpoint=False),
    "linspace one": lambda x: np.linspace(x[0, 0], 4.0, 1),
    "linspace none": lambda x: np.linspace(x[0, 0], 4.0, 0),
    "linspace step": lambda x: np.linspace(x[0, 0], x[1, 0], 3, retstep=True),
    "logspace": lambda x: np.logspace(x[0, 0], x[1, 1], 4),
    "logspace base": lambda x: np.logspace(x[0, 0], 1.0, 3, base=x[1, 0]),
    "logspace bases": lambda x: np.logspace(x[0, 0], x[0, 1], 3, base=x[1], axis=1),
    "geomspace": lambda x: np.geomspace(x[0, 0], x[1, 0], 4),
    "geomspace below zero": lambda x: np.geomspace(-x[0], -x[1], 3, endpoint=False),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_has_numpys_value_and_derivatives_to_second_order(name):
    check_call(CALLS[name], A, rtol=2e-12)


def test_places_and_conditions_may_be_traced_where_they_are_constant():
    assert [p.tolist() for p in pyad.vjp(lambda x: (np.where(x > 1), x)[0], A)[0]] == [
        p.tolist() for p in np.where(A > 1)
    ]
    check_call(lambda x: np.compress(x[0], x, axis=1), A)
    check_call(lambda x: np.extract(x - 2.0, x), A)
    check_call(lambda x: np.take(x, x[0].astype(int)), A)
    check_call(lambda x: np.where(x[0], x, 0.0), A)


def test_a_function_is_not_called_where_its_derivative_would_be_nan():
    x = np.array([-1.0, 4.0])
    got = pyad.grad(lambda x: np.sum(np.piecewise(x, [x > 0], [np.sqrt, 0.0])))(x)
    np.testing.assert_array_equal(got, [0.0, 0.25])


def test_piecewise_calls_each_function_on_its_own_elements_only():
    seen = []

    def note(v):
        seen.append(v.shape)
        return v

    pyad.grad(lambda x: np.sum(np.piecewise(x, [x > 1.0, x < -9.0], [note, note, note])))(A)
    assert seen == [(2,), (4,)]


def test_slopes_of_powers_at_zero_are_finite():
    got = pyad.jacobian(lambda x: np.vander(x, 4, increasing=True))(np.array([0.0, 2.0]))
    np.testing.assert_array_equal(got[0, :, 0], [0.0, 1.0, 0.0, 0.0])
    np.testing.assert_allclose(got[1, :, 1], [0.0, 1.0, 4.0, 12.0])


def test_sequences_end_exactly_where_they_should():
    for n in (2, 3, 7, 50):
        for make in (np.linspace, np.geomspace):
            value = pyad.vjp(lambda a, b, make=make, n=n: make(a, b, n), 0.1, 0.7)[0]
            assert value[0] == 0.1
            assert value[-1] == 0.7
            slopes = pyad.jacobian(lambda b, make=make, n=n: make(0.1, b, n))(0.7)
            assert slopes[0] == 0.0
            assert slopes[-1] == 1.0


def test_sequences_of_integers_are_constant():
    agree(pyad.vjp(lambda x: np.linspace(x, 9.0, 4, dtype=int), 0.5)[0], np.linspace(0.5, 9.0, 4, dtype=int))


def test_dtypes_of_sequences_are_numpys():
    x = np.float32(0.5)
    for call in (
        lambda x: np.linspace(x, np.float32(2.0), 3),
        lambda x: np.linspace(x, 2.0, 3),
        lambda x: np.linspace(x, 2, 3),
        lambda x: np.linspace(x, np.float32(2.0), 3, dtype=np.float64),
        lambda x: np.logspace(x, np.float32(2.0), 3),
        lambda x: np.geomspace(x, np.float32(2.0), 3),
    ):
        agree(pyad.vjp(call, x)[0], call(x), 1e-6)


def test_arange_of_a_traced_value_says_what_it_would_lose():
    with pytest.raises(TypeError, match=r"traced.*(derivative|stop_gradient)"):
        pyad.grad(lambda x: np.sum(np.arange(x)))(3.0)
    with pytest.raises(TypeError, match=r"traced.*(derivative|stop_gradient)"):
        pyad.grad(lambda x: np.sum(np.arange(0.0, x, 0.5)))(3.0)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda x: np.take(x, 6), IndexError),
        (lambda x: np.bincount([0, -1, 2], x[0]), ValueError),
        (lambda x: np.bincount([0, 1], x[0]), ValueError),
        (lambda x: np.bincount(np.array([0.5, 1.0, 2.0]), x[0]), TypeError),
        (lambda x: np.bincount(x[0]), TypeError),
        (lambda x: np.take(x, [0, 3], axis=1), IndexError),
        (lambda x: np.take(x, 0, axis=2), np.exceptions.AxisError),
        (lambda x: np.take(x, np.array([0.5])), TypeError),
        (lambda x: np.take(x, [0], mode="mirror"), ValueError),
        (lambda x: np.take(x[:, :0], [0], axis=1), IndexError),
        (lambda x: np.take_along_axis(x, WHICH + 3, 1), IndexError),
        (lambda x: np.take_along_axis(x, np.array([0, 1]), 1), ValueError),
        (lambda x: np.take_along_axis(x, WHICH * 1.0, 1), IndexError),
        (lambda x: np.take(x[:0], [1], axis=0), IndexError),
        (lambda x: np.compress([[True]], x), ValueError),
        (lambda x: np.compress([True] * 4, x, axis=1), IndexError),
        (lambda x: np.choose(WHICH + 1, [x, x]), ValueError),
        (lambda x: np.select([x > 0], [x, x]), ValueError),
        (lambda x: np.select([WHICH], [x]), TypeError),
        (lambda x: np.piecewise(x, [x > 0], [x[0, 0], 1.0, 2.0]), ValueError),
        (lambda x: np.where(x > 0, x), ValueError),
        (lambda x: np.diagonal(x[0]), ValueError),
        (lambda x: np.diagonal(x, axis1=1, axis2=-1), ValueError),
        (lambda x: np.diagonal(x, axis1=2), np.exceptions.AxisError),
        (lambda x: np.diag(x[None]), ValueError),
        (lambda x: np.vander(x), ValueError),
        (lambda x: np.meshgrid(x[0], indexing="yx"), ValueError),
        (lambda x: np.linspace(x[0, 0], 1.0, -1), ValueError),
        (lambda x: np.linspace(x[0, 0], 1.0, 2.5), TypeError),
        (lambda x: np.geomspace(x[0, 0], 0.0), ValueError),
    ],
)
def test_what_numpy_refuses_is_refused_with_its_class_of_error(call, error):
    with pytest.raises(error):
        call(A)
    with pytest.raises(error):
        pyad.vjp(call, A)


def test_empty_arrays_come_through():
    x = np.ones((0, 3))
    for call in (
        lambda x: np.diag(x),
        lambda x: np.diag(x[:, 0]),
        lambda x: np.diag(x[:, 0], 2),
        lambda x: np.trace(x),
        lambda x: np.tril(x),
        lambda x: np.vander(x[:, 0]),
        lambda x: np.take(x, [0, 2], axis=1),
        lambda x: np.take(x, [], axis=0),
        lambda x: np.compress([], x, axis=0),
        lambda x: np.select([x > 0], [x]),
        lambda x: np.piecewise(x, [x > 0], [np.sin]),
        lambda x: np.meshgrid(x[:, 0], np.ones(2))[0],
    ):
        agree(pyad.vjp(call, x)[0], call(x))
        assert pyad.grad(lambda x, call=call: np.sum(call(x)))(x).shape == x.shape


def test_our_namespace_takes_lists_that_hold_traced_values():
    def f(x):
        return (
            pnp.select([np.array([True, False])], [[x, 2.0]], [3.0, x])
            + pnp.diag(pnp.diag([x, 2.0 * x]))
            + pnp.take([x, 1.0], [0, 0])
            + pnp.linspace(0.0, x, 2)
        )

    np.testing.assert_allclose(pyad.jacobian(f)(0.5), [3.0, 5.0])
    np.testing.assert_allclose(pyad.vjp(f, 0.5)[0], [0.5 + 0.5 + 0.5 + 0.0, 0.5 + 1.0 + 0.5 + 0.5])
