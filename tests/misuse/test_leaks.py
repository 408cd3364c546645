"""Traced values outside their transform or thread, made plain, or given to what has no derivative."""

import copy
import inspect
import math
import pickle

import numpy as np
import pytest
from support.wrong_use import ENDED, X, fails, in_grad, leaked, on_thread

import pyad
import pyad.numpy as pnp
from pyad import nn
from pyad.errors import ConcretizationError, DTypeError, LeakError, UnsupportedError

# ---- leaks ----


@pytest.mark.parametrize(
    "use",
    [
        lambda x: x + 1.0,
        lambda x: 1.0 - x,
        lambda x: X * x,
        lambda x: x**2,
        lambda x: np.exp(x),
        lambda x: pnp.exp(x),
        lambda x: np.sum(x),
        lambda x: x @ x,
        lambda x: pyad._ops.linalg.matmul.affine(np.ones((2, 3)), x, x),
        lambda x: x[0],
        lambda x: x[np.array([0, 1])],
        lambda x: np.where(X > 1, x, 0.0),
        lambda x: np.concatenate([x, x]),
        lambda x: x.reshape(3, 1),
        lambda x: x > 0,
        lambda x: x.shape,
        lambda x: x.dtype,
        lambda x: len(x),
        lambda x: list(x),
        lambda x: float(x),
        lambda x: bool(x),
        lambda x: np.asarray(x),
        lambda x: pyad.stop_gradient(x),
        lambda x: pyad.grad(np.sum)(x),
        lambda x: pyad.vjp(np.sin, x),
        lambda x: pyad.jvp(np.sin, (X,), (x,)),
        lambda x: pyad.grad(lambda y: np.sum(x * y))(X),
        lambda x: pyad.grad(lambda y: x)(X),
        lambda x: pyad.grad(lambda y: (np.sum(y), x), has_aux=True)(X),
        lambda x: nn.mse(x, X),
    ],
)
def test_a_value_that_leaked(use):
    value = leaked()
    fails(LeakError, ENDED, lambda: use(value))


class Momentum:
    def __init__(self):
        self.m = np.zeros(3)

    def step(self, x):
        self.m = 0.9 * self.m + x  # left here
        return np.sum(self.m)


class Slots:
    __slots__ = ("hidden",)

    def step(self, x):
        self.hidden = x[1:]  # left here
        return np.sum(x)


hidden = None
history: list = []
by_name: dict = {}


def into_global(x):
    global hidden
    hidden = np.tanh(x)  # left here
    return np.sum(x)


def into_list(x):
    history.append(x * 2.0)  # left here
    return np.sum(x)


def into_dict(x):
    by_name["x"] = x * 2.0  # left here
    return np.sum(x)


def into_closure():
    last = None

    def step(x):
        nonlocal last
        last = x * 2.0  # left here
        return np.sum(x)

    return step, lambda: last


@pytest.mark.parametrize("place", ["attribute", "slot", "global", "list", "dict", "closure"])
def test_the_place_and_the_line_of_a_leak_are_named(place):
    momentum, slots, (closed, last) = Momentum(), Slots(), into_closure()
    step, read, words = {
        "attribute": (momentum.step, lambda: momentum.m, "the attribute `Momentum.m`"),
        "slot": (slots.step, lambda: slots.hidden, "the attribute `Slots.hidden`"),
        "global": (into_global, lambda: hidden, f"the global `hidden` of {__name__}"),
        "list": (into_list, lambda: history[-1], f"a list, the global `history` of {__name__}"),
        "dict": (into_dict, lambda: by_name["x"], f"a dict, the global `by_name` of {__name__}"),
        "closure": (closed, last, "the variable `last` of a closure"),
    }[place]
    code = step.__code__
    lines, first = inspect.getsourcelines(code)
    line = first + next(k for k, text in enumerate(lines) if "# left here" in text)
    for transform in (pyad.grad, pyad.value_and_grad, pyad.jacobian):
        transform(step)(X)
        said = [*ENDED, f"It was left in {words} (line {line} of {code.co_filename})"]
        fails(LeakError, said, lambda: read() + 1.0)
        fails(LeakError, said, lambda: pyad.grad(lambda x: np.sum(x * np.sum(read())))(X))
        if place == "attribute":
            momentum.m = np.zeros(3)


def test_a_leak_into_a_list_of_a_function_is_named():
    box = []
    pyad.grad(lambda x: (box.append(x * 2.0), np.sum(x))[1])(X)
    fails(LeakError, ["It was left in a list, the variable `box`"], lambda: box[0] + 1.0)


def test_objects_in_any_state_do_not_hide_a_leak():
    class Hostile:
        def __getattribute__(self, name):
            raise RuntimeError(name)

    hostile, kept = Hostile(), []
    object.__setattr__(hostile, "kept", kept)
    pyad.grad(lambda x: (kept.append(x), np.sum(x))[1])(X)
    fails(LeakError, ENDED, lambda: kept[0] + 1.0)


def test_a_leaked_value_can_be_printed():
    assert "has ended" in repr(leaked())
    assert "has ended" in str(leaked())


def test_a_leak_through_an_attribute():
    class Model:
        pass

    model = Model()

    def loss(x):
        model.hidden = np.exp(x)
        return np.sum(model.hidden)

    pyad.grad(loss)(X)
    fails(LeakError, ENDED, lambda: model.hidden * 2.0)


def test_a_leak_from_an_inner_transform():
    def outer(x, use):
        inside = []
        inner = pyad.grad(lambda y: (inside.append(y * x[0]), np.sum(y * x))[1])(X)
        return np.sum(use(inside[0]) * inner)

    fails(LeakError, ENDED, lambda: pyad.grad(outer)(X, lambda v: v))
    pyad.grad(outer)(X, lambda v: 1.0)  # and without the leak it is right to go on

    kept = []

    def keep(x):
        kept.append(pyad.grad(lambda y: np.sum(y * y * x))(x))
        return np.sum(kept[0])

    # What the inner transform returned lives as long as the outer one.
    np.testing.assert_array_equal(pyad.grad(keep)(X), 4 * X)
    fails(LeakError, ENDED, lambda: kept[0] + 1.0)


def test_a_leak_from_every_transform():
    seen = []

    def function(x):
        seen.append(x * 1.0)
        return np.sum(x * x)

    pyad.jvp(function, (X,), (X,))
    pyad.hvp(function, (X,), (X,))
    pyad.hessian(function)(X)
    pyad.value_and_grad(function)(X)
    _, pullback = pyad.vjp(function, X)
    pullback(1.0)
    assert len(seen) == 5
    for value in seen[:4]:
        fails(LeakError, ENDED, lambda value=value: value + 1.0)
    with pytest.raises(LeakError):
        seen[4] + 1.0


OTHER_THREAD = ["on another thread", "call the transform (grad, vjp, ...) on the thread that runs the function"]


@pytest.mark.parametrize(
    "use",
    [
        lambda x: np.sum(x * x),
        lambda x: np.exp(x)[0],
        lambda x: x[0],
        lambda x: float(x),
        lambda x: (x > 0)[0],
        lambda x: x.shape[0],
        lambda x: np.concatenate([x, x])[0],
        lambda x: pyad.grad(lambda y: np.sum(x * y))(X)[0],
    ],
)
def test_a_value_used_on_another_thread(use):
    in_grad(LeakError, OTHER_THREAD, lambda x: on_thread(lambda: use(x)), X)


def test_threads_have_tapes_of_their_own():
    def function(x):
        inner = on_thread(lambda: pyad.grad(lambda y: np.sum(y * y))(X))
        return np.sum(x * inner)

    np.testing.assert_array_equal(pyad.grad(function)(X), 2 * X)


def test_a_pullback_called_on_another_thread():
    _, pullback = pyad.vjp(lambda x: x * x, X)
    words = ["pullback", "another thread", "call vjp on the thread that calls the pullback"]
    fails(LeakError, words, lambda: on_thread(lambda: pullback(np.ones(3))))
    np.testing.assert_array_equal(pullback(np.ones(3))[0], 2 * X)
    _, elsewhere = on_thread(lambda: pyad.vjp(lambda x: x * x, X))
    fails(LeakError, words, lambda: elsewhere(np.ones(3)))


# ---- values turned into plain ones ----


@pytest.mark.parametrize(
    ("convert", "words"),
    [
        (float, ["float()", "stop_gradient"]),
        (int, ["int()", "stop_gradient"]),
        (complex, ["complex()", "stop_gradient"]),
        (math.exp, ["math.exp takes plain numbers", "np.exp", "stop_gradient"]),
        (range, ["index", "stop_gradient"]),
        (lambda a: [1.0, 2.0][a], ["index", "stop_gradient"]),
        (bool, ["truth", "compare it instead", "x != 0", "stop_gradient"]),
        (lambda a: a.item(), ["item()", "stop_gradient"]),
        (lambda a: a.tolist(), ["tolist()", "stop_gradient"]),
        (pickle.dumps, "cannot be pickled"),
        (np.asarray, ["plain NumPy array", "stop_gradient"]),
        (np.array, ["plain NumPy array", "pyad.numpy.array"]),
        (lambda a: np.array([a, 1.0]), ["np.array([x, ...])", "pyad.numpy.array", "np.stack"]),
        (lambda a: np.array([[a, 1.0], [2.0, 3.0]]), ["np.array([x, ...])", "pyad.numpy.array"]),
        (lambda a: np.full(3, a), ["np.full", "take the function from pyad.numpy"]),
        (lambda a: np.random.default_rng(0).normal(a), "plain NumPy array"),
    ],
)
def test_values_made_plain(convert, words):
    in_grad(ConcretizationError, words, lambda a: convert(a * 1.0) and 0.0, 2.0)


def test_what_asks_for_no_plain_value_is_allowed():
    def function(a):
        assert copy.copy(a) is a  # a number
        assert copy.deepcopy(a) is a
        assert f"{a:.2f}" == "2.00"
        assert "float64" in repr(a)
        assert (a > 1) is np.True_
        if a > 1:
            return a * a
        return a

    assert pyad.grad(function)(2.0) == 4.0


def test_assignment_into_a_plain_array():
    def element(x):
        a = np.zeros(3)
        a[0] = x[0]
        return np.sum(a)

    def piece(x):
        a = np.zeros(3)
        a[:] = x
        return np.sum(a)

    def fill(x):
        np.zeros(3).fill(x[0])
        return x[0]

    for function in (element, piece, fill):
        words = ["a[i] = x", "plain NumPy", "pyad.numpy.array", "np.stack", "stop_gradient"]
        in_grad(ConcretizationError, words, function, X)
    for transform in (lambda f: pyad.vjp(f, X), lambda f: pyad.jvp(f, (X,), (X,))):
        fails(ConcretizationError, "a[i] = x", lambda t=transform: t(element))


def test_a_value_error_of_the_users_own_is_left_alone():
    def function(x):
        raise ValueError("a sequence of my own")

    assert in_grad(ValueError, "a sequence of my own", function, X) == "a sequence of my own"


def test_in_place_operators():
    def plain(x):
        a = np.zeros(3)
        a += x
        return np.sum(a)

    in_grad(UnsupportedError, ["numpy.add", "out=", "use the returned array"], plain, X)

    def traced(x):
        y = x
        y *= 2.0
        return np.sum(x * y)

    # As with NumPy's arrays, y is x.
    np.testing.assert_array_equal(pyad.grad(traced)(X), 8 * X)


# ---- functions without a derivative ----


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("np.histogram2d", lambda x: np.histogram2d(x, x)[0]),
    ],
)
def test_unsupported_functions_are_named(name, call):
    words = [f"{name} has no derivative", "custom_vjp", "stop_gradient"]
    in_grad(UnsupportedError, words, lambda x: np.sum(call(x)), X)


def test_unsupported_scipy_functions_are_named():
    special = pytest.importorskip("scipy.special")
    in_grad(
        UnsupportedError,
        "special.struve (scipy.special.struve) has no derivative",
        lambda x: special.struve(1, x[0]),
        X,
    )


def test_unsupported_methods_are_named():
    in_grad(AttributeError, ["ndarray.data", "past the derivative"], lambda x: x.data, X)
    in_grad(AttributeError, "'Array' object has no attribute 'nonsense'", lambda x: x.nonsense, X)
    assert not pyad.grad(lambda x: np.sum(x) * hasattr(x, "data"))(X).any()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: np.exp(x, out=np.zeros(3)), ["numpy.exp", "out="]),
        (lambda x: np.exp(x, np.zeros(3)), ["numpy.exp", "out="]),
        (lambda x: np.add(x, 1.0, out=np.zeros(3)), ["numpy.add", "out="]),
        (lambda x: np.matmul(x, x, out=np.zeros(())), ["numpy.matmul", "out="]),
        (lambda x: np.sum(x, out=np.zeros(())), ["numpy.sum", "out="]),
        (lambda x: np.concatenate([x, x], out=np.zeros(6)), ["numpy.concatenate", "out="]),
        (lambda x: np.exp(x, where=X > 1), ["numpy.exp", "where= leaves", "np.where(mask"]),
    ],
)
def test_out_and_where_are_refused(call, words):
    in_grad(UnsupportedError, words, lambda x: np.sum(call(x)), X)


def test_dtype_arguments_that_are_not_supported():
    in_grad(DTypeError, ["numpy.exp", "float16"], lambda x: np.sum(np.exp(x, dtype=np.float16)), X)
    in_grad(DTypeError, ["astype", str(np.dtype(np.clongdouble))], lambda x: np.sum(x.astype(np.clongdouble)), X)
