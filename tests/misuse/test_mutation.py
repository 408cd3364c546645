"""Memory that is written to between forward and backward: noticed where a rule needs it, and only there."""

import numpy as np
import pytest
from support.wrong_use import CHANGED, X, fails

import pyad
from pyad.errors import MutationError

# ---- memory that is written to between forward and backward ----


SIZES = [1, 3, 8, 129, 1025, 100_000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("place", [0, -1])
@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("mul", lambda x: x * x),
        ("sin", np.sin),
        ("square", np.square),
        ("log", np.log),
        ("arctan", np.arctan),
        ("matmul", lambda x: x @ x),
        ("div", lambda x: 2.0 / x),
        ("pow", lambda x: x**3.0),
        ("max", lambda x: np.max(x)),
        ("logsumexp", lambda x: pyad.scipy.special.logsumexp(x)),
    ],
)
def test_an_input_changed_before_its_pullback_is_called(name, function, place, size):
    for dtype in (np.float32, np.float64):
        x = np.linspace(1.0, 2.0, size).astype(dtype)
        y, pullback = pyad.vjp(function, x)
        cotangent = np.ones(np.shape(y), dtype)
        before = pullback(cotangent)[0]
        kept = x[place]
        x[place] = 7.0
        for _ in range(2):
            fails(MutationError, [*CHANGED, f"'{name}'", f"{size}"], lambda p=pullback, c=cotangent: p(c))
        x[place] = kept
        np.testing.assert_array_equal(pullback(cotangent)[0], before)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("function", [np.exp, np.tanh, np.sum, lambda x: x + 1.0, lambda x: -2.0 * x, np.sqrt])
def test_an_input_that_no_rule_needs_may_change(function, size):
    pyad.vjp(function, np.ones(size))[1](np.ones(np.shape(function(np.ones(size)))))  # from here on the rule is known
    x = np.linspace(1.0, 2.0, size)
    y, pullback = pyad.vjp(function, x)
    before = pullback(np.ones(np.shape(y)))[0]
    x[:] = 7.0
    np.testing.assert_array_equal(pullback(np.ones(np.shape(y)))[0], before)


VIEWS = [
    lambda c: c,
    lambda c: c[::2],
    lambda c: c[::-1],
    lambda c: c.reshape(2, -1),
    lambda c: c.reshape(-1, 2).T,
    lambda c: np.broadcast_to(c, (2, len(c))),
    lambda c: c.reshape(2, -1)[:, ::2],
    lambda c: c[:1],
]


@pytest.mark.parametrize("size", [8, 100, 5000, 50_000])
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_changed_inside_the_function(view, size, dtype):
    def gradient(change, use):
        c = np.linspace(1.0, 2.0, size).astype(dtype)
        seen = view(c)

        def function(x):
            y = use(x, seen)
            change(c)
            return np.sum(y)

        return pyad.grad(function)(np.ones(seen.shape, dtype))

    def change(c):
        c[0] = 9.0
        c[-2:] = 9.0

    fails(MutationError, [*CHANGED, "'mul'"], lambda: gradient(change, lambda x, c: x * c))
    # Through another view of the same memory, and through the bytes.
    fails(MutationError, CHANGED, lambda: gradient(lambda c: change(c[:]), lambda x, c: c * x))
    fails(MutationError, CHANGED, lambda: gradient(lambda c: change(c.view(np.uint8)), lambda x, c: x * c))
    np.testing.assert_array_equal(gradient(change, lambda x, c: x + c), np.ones_like(view(np.empty(size, dtype))))


def test_memory_between_the_elements_of_a_view_may_change():
    c = np.ones(100)

    def function(x):
        y = x * c[::2]
        c[1::2] = 5.0
        return np.sum(y)

    np.testing.assert_array_equal(pyad.grad(function)(np.ones(50)), np.ones(50))


def test_an_input_changed_inside_the_function():
    def gradient(function, x):
        return lambda: pyad.grad(lambda traced: function(traced, x))(x)

    def used(traced, x):
        y = traced * traced
        x[0] = 5.0
        return np.sum(y)

    def view_used(traced, x):
        y = np.sin(traced[1:])
        x[2] = 5.0
        return np.sum(y)

    def not_used(traced, x):
        y = np.sum(traced)
        x[0] = 5.0
        return y

    fails(MutationError, [*CHANGED, "'mul'"], gradient(used, X.copy()))
    fails(MutationError, [*CHANGED, "'sin'"], gradient(view_used, X.copy()))
    np.testing.assert_array_equal(gradient(not_used, X.copy())(), np.ones(3))


def test_each_use_has_the_values_it_read():
    c = np.ones(3)

    def function(x):
        y = x + c
        c[0] = 4.0  # nothing needs the old value
        return np.sum(y) + np.sum(x * c)

    value, gradient = pyad.value_and_grad(function)(np.ones(3))
    assert value == 12.0
    np.testing.assert_array_equal(gradient, [5.0, 2.0, 2.0])

    def twice(x):
        y = x * c
        c[0] = 8.0
        return np.sum(y) + np.sum(x * c)

    fails(MutationError, [*CHANGED, "'mul'"], lambda: pyad.grad(twice)(np.ones(3)))


@pytest.mark.parametrize(
    ("name", "make", "use"),
    [
        ("where", lambda: np.array([True, False, True]), lambda x, c: np.where(c, x, 0.0)),
        ("take", lambda: np.array([0, 1]), lambda x, c: x[c]),
        ("matmul", lambda: np.ones((3, 2)), lambda x, c: x @ c),
        ("maximum", lambda: np.ones(3), lambda x, c: np.maximum(x, c)),
    ],
)
def test_other_operands_that_change(name, make, use):
    c = make()

    def function(x):
        y = use(x, c)
        c.reshape(-1)[1] = c.reshape(-1)[1] + 1 if c.dtype != bool else True
        return np.sum(y)

    fails(MutationError, [*CHANGED, f"'{name}'"], lambda: pyad.grad(function)(X))


def test_converted_operands_are_copies():
    c = np.array([1, 2, 3])

    def function(x):
        y = x * c
        c[:] = 0
        return np.sum(y)

    np.testing.assert_array_equal(pyad.grad(function)(X), [1.0, 2.0, 3.0])


def test_changes_are_found_by_every_transform():
    def changing(x, c):
        y = x * x * c
        c[0] = c[0] + 1.0
        return y

    def scalar(x, c):
        return np.sum(changing(x, c))

    def nested(x, c):
        inner = pyad.grad(lambda y: np.sum(y * y * c) * x[0])(X)
        c[0] = c[0] + 1.0
        return np.sum(inner)

    calls = [
        lambda c: pyad.jvp(lambda x: changing(x, c), (X,), (X,)),
        lambda c: pyad.jacobian(lambda x: changing(x, c))(X),
        lambda c: pyad.hessian(lambda x: scalar(x, c))(X),
        lambda c: pyad.hvp(lambda x: scalar(x, c), (X,), (X,)),
        lambda c: pyad.grad(lambda x: nested(x, c))(X),
    ]
    for call in calls:
        fails(MutationError, [*CHANGED, "'mul'"], lambda call=call: call(np.ones(3)))


@pytest.mark.parametrize("size", [3, 5000])
def test_what_has_left_is_nobody_elses(size):
    x = np.zeros(size)
    y, pullback = pyad.vjp(np.exp, x)
    y[:] = 0.0
    first = pullback(np.ones(size))[0]
    np.testing.assert_array_equal(first, np.ones(size))
    first[:] = 5.0
    np.testing.assert_array_equal(pullback(np.ones(size))[0], np.ones(size))

    cotangent = np.ones(size)
    through = pyad.vjp(lambda x: x + 1.0, x)[1](cotangent)[0]
    through[:] = 7.0
    np.testing.assert_array_equal(cotangent, np.ones(size))

    same, _ = pyad.vjp(lambda x: x, x)
    same[:] = 7.0
    _, aux = pyad.grad(lambda x: (np.sum(x), x), has_aux=True)(x)
    aux[:] = 7.0

    def stopped(traced):
        pyad.stop_gradient(traced)[:] = 7.0
        return np.sum(traced * traced)

    assert pyad.value_and_grad(stopped)(x)[0] == 0.0
    np.testing.assert_array_equal(x, np.zeros(size))


@pytest.mark.parametrize("size", [3, 5000])
def test_changes_of_what_a_rule_of_the_users_reads(size):
    @pyad.custom_vjp
    def twice(x, c):
        return 2 * x * c

    # The residuals are the input itself, and a plain array of the user's.
    twice.defvjp(lambda x, c: (2 * x * c, (x, c)), lambda r, s: (2 * s * r[1] + 0 * r[0], None))

    @pyad.custom_jvp
    def cube(x):
        return x**3

    cube.defjvp(lambda p, t: (cube(*p), 3 * p[0] ** 2 * t[0]))
    x, c = np.ones(size), np.ones(size)
    _, pullback = pyad.vjp(lambda x: np.sum(twice(x, c)), x)
    np.testing.assert_array_equal(pullback(1.0)[0], 2 * np.ones(size))
    x[0] = 5.0
    fails(MutationError, [*CHANGED, "'twice'"], lambda: pullback(1.0))
    x[0] = 1.0
    c[0] = 5.0
    fails(MutationError, [*CHANGED, "'twice'"], lambda: pullback(1.0))
    _, pullback = pyad.vjp(lambda x: np.sum(cube(x)), x)
    np.testing.assert_array_equal(pullback(1.0)[0], 3 * np.ones(size))
    x[0] = 5.0
    fails(MutationError, [*CHANGED, "'cube'"], lambda: pullback(1.0))
