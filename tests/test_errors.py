"""Wrong use explains itself: each error by class and message, and everything is clean and usable afterwards."""

import copy
import gc
import math
import pickle
import re
import threading
import warnings

import numpy as np
import pytest

import pyad
import pyad.numpy as pnp
from pyad import nn
from pyad.errors import (
    ConcretizationError,
    DTypeError,
    LeakError,
    MutationError,
    ShapeError,
    UnsupportedError,
)

AxisError = np.exceptions.AxisError

X = np.arange(1.0, 4.0)
M = np.arange(6.0).reshape(2, 3)


def nodes() -> int:
    return pyad._engine.counters()["nodes"]


@pytest.fixture(autouse=True)
def clean_tape():
    """Nothing stays on the tape, whatever a test raised, and the next gradient is right."""
    assert nodes() == 0
    yield
    assert nodes() == 0
    assert pyad._engine.current().depth == 0
    np.testing.assert_allclose(pyad.grad(lambda x: np.sum(x * np.exp(x)))(X), (1 + X) * np.exp(X), rtol=1e-14)


def fails(kind, words, call):
    """The call raises exactly this class, and its message holds each of the words."""
    with pytest.raises(kind) as caught:
        call()
    assert caught.type is kind
    message = str(caught.value)
    for word in [words] if isinstance(words, str) else words:
        assert word in message, message
    return message


def in_grad(kind, words, function, *args):
    return fails(kind, words, lambda: pyad.grad(function)(*args))


def on_thread(call):
    """What the call gives or raises on another thread."""
    result = []

    def run():
        try:
            result.append((True, call()))
        except BaseException as problem:
            result.append((False, problem))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    ok, value = result[0]
    if not ok:
        raise value
    return value


# ---- classes ----


def test_exceptions_are_pythons_own_as_well():
    assert issubclass(ShapeError, ValueError)
    assert issubclass(DTypeError, TypeError)
    assert issubclass(ConcretizationError, TypeError)
    assert issubclass(UnsupportedError, NotImplementedError)
    assert issubclass(LeakError, RuntimeError)
    assert issubclass(MutationError, RuntimeError)


# ---- shapes ----


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: np.sum(x + np.ones(4)), ["add", "(3,)", "(4,)", "do not broadcast"]),
        (lambda x: np.sum(np.ones(4) - x), ["sub", "(4,)", "(3,)", "do not broadcast"]),
        (lambda x: np.sum(x[:2] * x), ["mul", "(2,)", "(3,)", "do not broadcast"]),
        (lambda x: np.sum(np.maximum(x, np.ones((2, 2)))), ["maximum", "(3,)", "(2, 2)", "do not broadcast"]),
        (lambda x: np.sum(np.where(np.ones(4) > 0, x, 0.0)), ["where", "(4,)", "(3,)", "do not broadcast"]),
        (lambda x: np.sum(np.broadcast_to(x, (2, 4))), ["broadcast_to", "(3,)", "(2, 4)"]),
        (lambda x: np.sum(np.concatenate([x, M])), ["concatenate", "(3,)", "(2, 3)", "axis 0"]),
        (lambda x: np.sum(np.stack([x, x[:2]])), ["stack", "(2,)", "(3,)", "one shape"]),
        (lambda x: np.sum(np.reshape(x, (2, 2))), ["reshape", "(3,)", "(2, 2)"]),
        (lambda x: np.sum(x.reshape(2, -1)), ["reshape", "(3,)", "(2, -1)", "-1"]),
        (lambda x: np.sum(x.reshape(-1, -1)), ["reshape", "(-1, -1)", "one length may be -1"]),
        (lambda x: np.sum(np.reshape(x, (3, 1))[np.array([0, 1]), np.array([0, 0, 0])]), ["(2,)", "(3,)", "broadcast"]),
    ],
)
def test_shapes_that_do_not_fit(function, words):
    in_grad(ShapeError, words, function, X)


@pytest.mark.parametrize(
    ("function", "argument", "words"),
    [
        (lambda m: np.sum(m @ m), M, ["matmul", "(2, 3)", "do not contract", "last but one"]),
        (lambda m: np.sum(m @ np.ones(2)), M, ["matmul", "(2, 3)", "(2,)", "do not contract"]),
        (lambda m: np.sum(np.ones(3) @ m), M, ["matmul", "(3,)", "(2, 3)", "do not contract"]),
        (lambda a: a @ a, 1.0, ["matmul", "()", "0-d", "use *"]),
        (lambda a: np.sum(a @ np.ones((4, 3, 2))), np.ones((3, 2, 3)), ["matmul", "(3, 2, 3)", "(4, 3, 2)", "batch"]),
        (lambda m: np.sum(np.dot(m, np.ones((2, 4, 2)))), M, ["dot", "(2, 3)", "(2, 4, 2)", "do not contract"]),
        (lambda m: np.sum(pyad.ops.linalg.affine(m, np.ones((4, 2)), np.ones(2))), M, ["affine", "(2, 3)", "(4, 2)"]),
    ],
)
def test_shapes_that_do_not_contract(function, argument, words):
    in_grad(ShapeError, words, function, argument)


def test_shapes_are_integers():
    in_grad(TypeError, ["reshape", "sequence of integers", "'ab'"], lambda x: np.sum(np.reshape(x, "ab")), X)
    in_grad(TypeError, ["reshape", "(3.0, 1)"], lambda x: np.sum(np.reshape(x, (3.0, 1))), X)
    in_grad(TypeError, ["reshape", "None"], lambda x: np.sum(x.reshape(None)), X)
    in_grad(TypeError, ["broadcast_to", "1.5"], lambda x: np.sum(np.broadcast_to(x, 1.5)), X)
    in_grad(ValueError, ["broadcast_to", "(-1, 3)", "negative"], lambda x: np.sum(np.broadcast_to(x, (-1, 3))), X)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda m: np.sum(m, axis=2), ["sum", "axis 2", "dimension 2"]),
        (lambda m: np.max(m, axis=-3), ["max", "axis -3", "dimension 2"]),
        (lambda m: np.mean(m, axis=(0, 4)), ["mean", "axis 4", "dimension 2"]),
        (lambda m: pyad.scipy.special.logsumexp(m, axis=5), ["logsumexp", "axis 5"]),
        (lambda m: pyad.scipy.special.softmax(m, axis=5), ["softmax", "axis 5"]),
        (lambda m: np.expand_dims(m, 7), ["expand_dims", "axis 7"]),
        (lambda m: np.squeeze(m, 4), ["squeeze", "axis 4"]),
        (lambda m: np.concatenate([m, m], axis=3), ["concatenate", "axis 3"]),
        (lambda m: np.stack([m, m], axis=7), ["stack", "axis 7", "dimension 3"]),
        (lambda m: np.swapaxes(m, 0, 9), ["swapaxes", "axis 9"]),
        (lambda m: np.moveaxis(m, 0, 9), ["moveaxis", "axis 9"]),
    ],
)
def test_axis_out_of_range(function, words):
    in_grad(AxisError, words, lambda m: np.sum(function(m)), M)


def test_other_wrong_axes():
    in_grad(ValueError, ["mean", "(0, 0)", "twice"], lambda m: np.sum(np.mean(m, axis=(0, 0))), M)
    in_grad(TypeError, ["sum", "axis 1.0", "integer"], lambda m: np.sum(np.sum(m, axis=1.0)), M)
    in_grad(TypeError, ["max", "axis 'a'", "integer"], lambda m: np.sum(np.max(m, axis="a")), M)
    in_grad(ValueError, ["transpose", "(0, 5)", "no permutation", "(2, 3)"], lambda m: np.sum(m.transpose(0, 5)), M)
    in_grad(ValueError, ["transpose", "(0,)"], lambda m: np.sum(np.transpose(m, (0,))), M)
    in_grad(ValueError, ["squeeze", "axis 0", "(2, 3)", "length 2"], lambda m: np.sum(np.squeeze(m, 0)), M)
    in_grad(ValueError, ["max", "axis 1", "(2, 0)", "empty"], lambda m: np.sum(np.max(m, axis=1)), np.zeros((2, 0)))
    in_grad(ValueError, ["concatenate", "zero-dimensional", "stack"], lambda x: np.sum(np.concatenate([x, x])), 1.0)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: x[7], ["index 7", "axis 0", "size 3"]),
        (lambda x: x[-9], ["index -9", "axis 0", "size 3"]),
        (lambda x: x[0, 0], ["too many indices", "1-dimensional", "2"]),
        (lambda x: x[1.0], ["only integers", "float64"]),
        (lambda x: x["a"], "only integers"),
        (lambda x: x[np.array([0, 9])], ["index 9", "size 3"]),
        (lambda x: x[np.array([0, -9])], ["index -9", "size 3"]),
        (lambda x: x[np.array([True, False])], ["boolean index", "(2,)", "(3,)"]),
        (lambda x: x[..., ...], "ellipsis"),
    ],
)
def test_wrong_indices(function, words):
    in_grad(IndexError, words, lambda x: np.sum(function(x)), X)


def test_a_traced_condition_is_constant():
    x = np.array([0.0, 2.0, np.nan])
    np.testing.assert_array_equal(pyad.grad(lambda x: np.sum(np.where(x, 1.0, 5.0)) + 0.0 * x[0])(x), np.zeros(3))
    seen = []
    pyad.grad(lambda x: (seen.append(np.where(x, 1.0, 5.0)), x[0])[1])(x)
    np.testing.assert_array_equal(seen[0], [5.0, 1.0, 1.0])


def test_traced_index():
    in_grad(TypeError, ["an index must be an integer", "stop_gradient(i).astype(int)"], lambda x: x[x[0]], X)


# ---- dtypes ----


@pytest.mark.parametrize("dtype", [np.float16, np.complex64, np.complex128, np.longdouble, object, "M8[s]", "m8[s]"])
def test_dtypes_that_cannot_be_differentiated(dtype):
    name = str(np.dtype(dtype))
    x = np.ones(3).astype(dtype)
    in_grad(DTypeError, ["grad", name, "float32 or float64"], lambda x: 1.0, x)
    fails(DTypeError, ["jvp", name], lambda: pyad.jvp(lambda x: 1.0, (x,), (X,)))
    fails(DTypeError, ["vjp", name], lambda: pyad.vjp(lambda x: 1.0, x))


def test_structured_and_string_inputs():
    in_grad(DTypeError, ["grad", "('a', '<f8')"], lambda x: 1.0, np.zeros(3, [("a", "f8")]))
    in_grad(DTypeError, ["grad", "<U1"], lambda x: 1.0, np.array(["a"]))
    in_grad(DTypeError, ["grad", ">f8", "byte order", "astype"], lambda x: 1.0, X.astype(">f8"))


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint8, np.bool_])
def test_integer_input(dtype):
    x = np.ones(3, dtype)
    in_grad(DTypeError, ["grad", "float32 or float64", np.dtype(dtype).name, "astype(float)"], np.sum, x)
    in_grad(DTypeError, ["grad", np.dtype(dtype).name], np.sum, x[0])
    fails(DTypeError, np.dtype(dtype).name, lambda: pyad.hessian(np.sum)(x))


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (3, ["got int", "float(x)"]),
        (True, "got bool"),
        (1j, "complex"),
        ("a", "type str"),
        ({1.0}, "type set"),
        ([1.0, 2], "got int"),
        ({"a": 1.0, "b": [None, "x"]}, "type str"),
    ],
)
def test_python_inputs_that_cannot_be_differentiated(x, words):
    in_grad(DTypeError, words, lambda x: 1.0, x)


@pytest.mark.parametrize("dtype", [np.complex128, np.longdouble, object, "M8[s]", "S1", [("a", "f8")]])
def test_operands_of_other_dtypes(dtype):
    other = np.zeros(3, dtype)
    for function in (lambda x: x * other, lambda x: other + x, lambda x: np.where(X > 1, x, other)):
        in_grad(DTypeError, ["operands of dtype", "float32 or float64", str(np.dtype(dtype))], lambda x, f=function: np.sum(f(x)), X)


def test_operands_that_are_no_numbers():
    for other, kind in [("a", "str"), (None, "NoneType"), (object(), "object"), ({}, "dict")]:
        in_grad(TypeError, ["add", f"type {kind}"], lambda x, other=other: x + other, X)
    in_grad(TypeError, ["pow", "type str"], lambda x: x ** "a", X)
    in_grad(OverflowError, "too large", lambda x: np.sum(x + 10**400), X)


def test_integers_and_small_floats_are_operands():
    for other in (np.ones(3, np.int8), np.ones(3, np.uint64), np.ones(3, bool), np.ones(3, np.float16)):
        gradient = pyad.grad(lambda x, other=other: np.sum(x * other))(X)
        assert gradient.dtype == np.float64
        np.testing.assert_array_equal(gradient, np.ones(3))


def test_masked_arrays():
    masked = np.ma.array(X, mask=[0, 1, 0])
    in_grad(DTypeError, ["MaskedArray", "plain ndarray"], np.sum, masked)
    functions = [
        lambda x: x * masked,
        lambda x: np.maximum(x, masked),
        lambda x: np.where(X > 1, x, masked),
        lambda x: np.concatenate([x, masked]),
        lambda x: x @ masked,
    ]
    for function in functions:
        in_grad(DTypeError, ["MaskedArray", "filled"], lambda x, f=function: np.sum(f(x)), X)
    # Here NumPy's own operator comes first and asks for a plain array.
    in_grad(ConcretizationError, "plain NumPy array", lambda x: np.sum(masked * x), X)


def test_matrices():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        matrix = np.matrix(np.ones((3, 3)))
    in_grad(DTypeError, ["matrix", "plain ndarray"], np.sum, matrix)
    # A matrix multiplies otherwise than an array does, so it must not be taken for one.
    for function in (lambda x: x * matrix, lambda x: matrix * x, lambda x: matrix @ x, lambda x: x + matrix):
        in_grad(DTypeError, ["matrix", "np.asarray"], lambda x, f=function: np.sum(f(x)), np.ones((3, 3)))


# ---- what a function returns ----


@pytest.mark.parametrize("transform", [pyad.grad, pyad.value_and_grad])
def test_non_scalar_output(transform):
    name = transform.__name__
    words = [name, "must return a scalar", "(3,)", "np.sum", "pyad.vjp or pyad.jacobian"]
    fails(ShapeError, words, lambda: transform(lambda x: 2 * x)(X))
    fails(ShapeError, [name, "(1,)"], lambda: transform(lambda x: x[:1])(X))
    fails(ShapeError, [name, "(2,)"], lambda: transform(lambda x: np.ones(2))(X))
    fails(ShapeError, ["must return a scalar", "(3,)"], lambda: pyad.hessian(lambda x: x)(X))


def test_outputs_that_are_no_arrays():
    for value, kind in [(None, "NoneType"), ("a", "str"), ([1.0], "list"), ({"a": 1.0}, "dict")]:
        in_grad(TypeError, ["grad", "must return a scalar", kind], lambda x, value=value: value, X)
    in_grad(TypeError, ["got tuple", "has_aux=True"], lambda x: (x[0], x[1]), X)
    in_grad(DTypeError, ["real number", "complex"], lambda x: 1j, X)
    in_grad(DTypeError, ["real number", "complex64"], lambda x: np.complex64(1), X)
    fails(TypeError, ["vjp", "got str"], lambda: pyad.vjp(lambda x: "a", X))
    fails(TypeError, ["jvp", "got str"], lambda: pyad.jvp(lambda x: {"a": "a"}, (X,), (X,)))
    fails(DTypeError, ["vjp", "complex128"], lambda: pyad.vjp(lambda x: np.ones(2) * 1j, X))
    fails(DTypeError, ["vjp", "object"], lambda: pyad.vjp(lambda x: np.array([None]), X))


def test_output_that_does_not_depend_on_the_input():
    constant = [lambda x: 1.0, lambda x: 3, lambda x: np.float32(2), lambda x: np.sum(pyad.stop_gradient(x))]
    constant += [lambda x: np.sum(np.floor(x)), lambda x: np.sum(np.sign(x)), lambda x: float(np.argmax(x))]
    for function in constant:
        for dtype in (np.float32, np.float64):
            gradient = pyad.grad(function)(X.astype(dtype))
            assert gradient.dtype == dtype
            np.testing.assert_array_equal(gradient, np.zeros(3))
    gradient = pyad.grad(lambda p: p["a"] * 2.0)({"a": 1.0, "b": X})
    assert gradient["a"] == 2.0
    np.testing.assert_array_equal(gradient["b"], np.zeros(3))
    _, pullback = pyad.vjp(lambda x: np.ones(2), X)
    np.testing.assert_array_equal(pullback(np.ones(2))[0], np.zeros(3))
    _, tangent = pyad.jvp(lambda x: np.ones(2, np.float32), (X,), (X,))
    assert tangent.dtype == np.float32
    np.testing.assert_array_equal(tangent, np.zeros(2))
    np.testing.assert_array_equal(pyad.hessian(lambda x: np.sum(x))(X), np.zeros((3, 3)))


def test_has_aux():
    expected = ["has_aux=True", "pair (output, aux)"]
    fails(TypeError, expected, lambda: pyad.grad(np.sum, has_aux=True)(X))
    fails(TypeError, [*expected, "length 3"], lambda: pyad.grad(lambda x: (np.sum(x), 1, 2), has_aux=True)(X))
    fails(TypeError, [*expected, "list"], lambda: pyad.grad(lambda x: [np.sum(x), 1], has_aux=True)(X))
    fails(TypeError, expected, lambda: pyad.vjp(lambda x: x, X, has_aux=True))
    fails(TypeError, expected, lambda: pyad.jvp(lambda x: x, (X,), (X,), has_aux=True))


# ---- arguments of the transforms ----


@pytest.mark.parametrize("transform", [pyad.grad, pyad.value_and_grad, pyad.jacobian])
def test_argnums(transform):
    name = transform.__name__

    def call(argnums):
        return lambda: transform(lambda x, y: x * y, argnums=argnums)(2.0, 3.0)

    for argnums in (2, -3, (0, 7)):
        fails(ValueError, [name, "argnums", "out of range", "2 positional arguments"], call(argnums))
    for argnums in ((0, 0), (1, -1), [0, 1, 0]):
        fails(ValueError, [name, str(argnums), "twice"], call(argnums))
    for argnums in ("a", 1.0, None, (0, 1.0), True, (), (True,)):
        fails(TypeError, [name, "integer or a sequence of integers", repr(argnums)], call(argnums))
    fails(ValueError, ["out of range", "0 positional arguments"], lambda: transform(lambda x: x)(x=1.0))
    assert pyad.grad(lambda x, y: x * y, argnums=(1, 0))(2.0, 3.0) == (2.0, 3.0)
    assert pyad.grad(lambda x, y: x * y, argnums=np.int64(-1))(2.0, 3.0) == 2.0


def test_first_argument_is_a_function():
    for transform in (pyad.grad, pyad.value_and_grad, pyad.jacobian, pyad.hessian):
        fails(TypeError, [transform.__name__, "must be a function", "ndarray"], lambda t=transform: t(X))
    fails(TypeError, ["vjp", "must be a function", "int"], lambda: pyad.vjp(3, X))
    fails(TypeError, ["jvp", "must be a function", "int"], lambda: pyad.jvp(3, (X,), (X,)))
    fails(TypeError, ["hvp", "must be a function", "int"], lambda: pyad.hvp(3, (X,), (X,)))


def test_wrong_tangents():
    def push(tangents):
        return lambda: pyad.jvp(lambda x: x, (X,), tangents)

    fails(ShapeError, ["jvp", "(2,)", "(3,)"], push((np.ones(2),)))
    fails(ShapeError, ["jvp", "()", "(3,)"], push((1.0,)))
    fails(DTypeError, ["jvp", "complex128", "float64"], push((X * 1j,)))
    fails(TypeError, ["jvp", "structure", "tuple of length 1", "tuple of length 2"], push((X, X)))
    fails(TypeError, ["jvp", "structure", "None"], push((None,)))
    fails(TypeError, ["jvp", "tuples or lists", "ndarray"], push(X))
    fails(TypeError, ["hvp", "tuples or lists", "ndarray"], lambda: pyad.hvp(lambda x: np.sum(x), X, X))
    fails(ShapeError, ["(2,)", "(3,)"], lambda: pyad.hvp(lambda x: np.sum(x**2), (X,), (np.ones(2),)))
    nested = lambda: pyad.jvp(lambda p: p["a"], ({"a": X, "b": 1.0},), ({"a": X},))  # noqa: E731
    fails(TypeError, ["jvp", "at [0]", "['a', 'b']", "['a']"], nested)


def test_wrong_cotangents():
    _, pullback = pyad.vjp(lambda x: {"u": 2 * x, "v": x[0]}, X)
    fails(ShapeError, ["pullback", "structure", "dict"], lambda: pullback(X))
    fails(ShapeError, ["pullback", "['u']", "list"], lambda: pullback({"u": [1.0, 1.0, 1.0], "v": 1.0}))
    fails(ShapeError, ["pullback", "(2,)", "(3,)"], lambda: pullback({"u": np.ones(2), "v": 1.0}))
    fails(ShapeError, ["pullback", "(3,)", "()"], lambda: pullback({"u": X, "v": X}))
    fails(DTypeError, ["pullback", "complex128"], lambda: pullback({"u": X, "v": 1j}))
    fails(DTypeError, ["pullback", "<U1"], lambda: pullback({"u": X, "v": "a"}))
    words = ["pullback", "(2,)", "(3,)"]
    in_grad(ShapeError, words, lambda z: np.sum(pullback({"u": z, "v": 1.0})[0]), np.ones(2))
    # The order of a dict's keys is no part of its structure here.
    np.testing.assert_array_equal(pullback({"v": 1.0, "u": np.ones(3)})[0], [3.0, 2.0, 2.0])


# ---- leaks ----


def leaked() -> pyad.Array:
    seen = []
    pyad.grad(lambda x: (seen.append(x), np.sum(x))[1])(X)
    return seen[0]


ENDED = ["after its transform", "had ended", "global, an attribute or a closure", "has_aux=True"]


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
        (math.exp, ["float()", "stop_gradient"]),
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
        (lambda a: np.full(3, a), ["plain NumPy array", "pyad.numpy.array"]),
        (lambda a: np.random.default_rng(0).normal(a), "plain NumPy array"),
    ],
)
def test_values_made_plain(convert, words):
    in_grad(ConcretizationError, words, lambda a: convert(a * 1.0) and 0.0, 2.0)


def test_what_asks_for_no_plain_value_is_allowed():
    def function(a):
        assert copy.copy(a) is a
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


def test_assignment_into_a_traced_array():
    def function(x):
        x[0] = 3.0
        return np.sum(x)

    in_grad(UnsupportedError, ["cannot be assigned into", "np.where", "pyad.numpy.array"], function, X)


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

    np.testing.assert_array_equal(pyad.grad(traced)(X), 4 * X)


# ---- functions without a derivative ----


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("numpy.hypot", lambda x: np.hypot(x, x)),
        ("numpy.modf", lambda x: np.modf(x)[0]),
        ("numpy.floor_divide", lambda x: np.floor_divide(x, 2.0)),
        ("numpy.sort", lambda x: np.sort(x)),
        ("numpy.linalg.norm", lambda x: np.linalg.norm(x)),
        ("numpy.linalg.det", lambda x: np.linalg.det(x * np.eye(3))),
        ("numpy.fft.fft", lambda x: np.fft.fft(x)),
        ("numpy.copyto", lambda x: np.copyto(np.zeros(3), x)),
        ("numpy.einsum", lambda x: np.einsum("i,i", x, x)),
        ("numpy.add.reduce", lambda x: np.add.reduce(x)),
        ("numpy.multiply.outer", lambda x: np.multiply.outer(x, x)),
        ("numpy.add.at", lambda x: np.add.at(np.zeros(3), [0], x[:1])),
        ("numpy.add.accumulate", lambda x: np.add.accumulate(x)),
    ],
)
def test_unsupported_functions_are_named(name, call):
    function = getattr(np, name.split(".")[1])
    if name.count(".") == 1 and function in pyad.ops.operators.FUNCTIONS:
        pytest.skip("has a derivative by now")
    words = [f"{name} has no derivative", "custom_vjp", "stop_gradient"]
    in_grad(UnsupportedError, words, lambda x: np.sum(call(x)), X)


def test_unsupported_scipy_functions_are_named():
    special = pytest.importorskip("scipy.special")
    in_grad(UnsupportedError, "scipy.special.gamma has no derivative", lambda x: special.gamma(x[0]), X)


def test_unsupported_methods_are_named():
    in_grad(AttributeError, ["ndarray.partition", "no derivative"], lambda x: x.partition(1), X)
    in_grad(AttributeError, "'Array' object has no attribute 'nonsense'", lambda x: x.nonsense, X)
    assert not pyad.grad(lambda x: np.sum(x) * hasattr(x, "byteswap"))(X).any()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: np.exp(x, out=np.zeros(3)), ["numpy.exp", "out="]),
        (lambda x: np.exp(x, np.zeros(3)), ["numpy.exp", "out="]),
        (lambda x: np.add(x, 1.0, out=np.zeros(3)), ["numpy.add", "out="]),
        (lambda x: np.matmul(x, x, out=np.zeros(())), ["numpy.matmul", "out="]),
        (lambda x: np.sum(x, out=np.zeros(())), ["numpy.sum", "out="]),
        (lambda x: np.concatenate([x, x], out=np.zeros(6)), ["numpy.concatenate", "out="]),
        (lambda x: np.exp(x, where=X > 1), ["numpy.exp", "where= is not supported"]),
        (lambda x: np.exp(x, casting="no"), ["numpy.exp", "casting= is not supported"]),
        (lambda x: np.matmul(x, x, axes=[0, 0, ()]), ["numpy.matmul", "axes= is not supported"]),
        (lambda x: np.ravel(x, order="F"), ["numpy.ravel", "order= is not supported"]),
        (lambda x: x.flatten("F"), "order='F' is not supported"),
    ],
)
def test_out_and_where_are_refused(call, words):
    in_grad(UnsupportedError, words, lambda x: np.sum(call(x)), X)


def test_dtype_arguments_that_are_not_supported():
    in_grad(DTypeError, ["astype", "float16"], lambda x: np.sum(np.exp(x, dtype=np.float16)), X)
    in_grad(DTypeError, ["astype", "complex128"], lambda x: np.sum(x.astype(complex)), X)


# ---- memory that is written to between forward and backward ----


CHANGED = ["changed after it was recorded", "pass a copy"]
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
@pytest.mark.parametrize("function", [np.exp, np.tanh, np.sum, lambda x: x + 1.0, lambda x: -2.0 * x, np.sqrt, np.cumsum])
def test_an_input_that_no_rule_needs_may_change(function, size):
    if function is np.cumsum and np.cumsum not in pyad.ops.operators.FUNCTIONS:
        pytest.skip("has no derivative yet")
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


# ---- exceptions of the user's ----


def nested(depth, raise_it):
    def level(x, left):
        if left == 0:
            np.sum(np.exp(x) @ np.ones((len(X), 2)))
            raise_it()
        return np.sum(pyad.grad(lambda y: level(y, left - 1))(x * 1.0))

    return pyad.grad(lambda x: level(x, depth))


@pytest.mark.parametrize("depth", range(5))
@pytest.mark.parametrize("kind", [KeyError, KeyboardInterrupt, MemoryError, StopIteration])
def test_an_exception_in_the_function(depth, kind):
    def raise_it():
        raise kind("mine")

    with pytest.raises(kind, match="mine"):
        nested(depth, raise_it)(X)
    assert nodes() == 0


@pytest.mark.parametrize(
    "run",
    [
        lambda f: pyad.grad(f)(X),
        lambda f: pyad.value_and_grad(f)(X),
        lambda f: pyad.vjp(f, X),
        lambda f: pyad.jvp(f, (X,), (X,)),
        lambda f: pyad.jacobian(f)(X),
        lambda f: pyad.hessian(f)(X),
        lambda f: pyad.hvp(f, (X,), (X,)),
        lambda f: pyad.grad(lambda x: pyad.vjp(f, x)[0])(X),
        lambda f: pyad.grad(lambda x: pyad.jvp(f, (x,), (x,))[0])(X),
        lambda f: pyad.jvp(lambda x: pyad.hessian(f)(x), (X,), (X,)),
    ],
)
def test_an_exception_in_every_transform(run):
    def function(x):
        np.exp(x)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        run(function)
    assert nodes() == 0


def test_an_exception_that_the_function_catches():
    def function(x):
        before = nodes()
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                pyad.grad(lambda y: np.sum(np.exp(y) * x) / 0 * (1 // 0))(x)
            with pytest.raises(ShapeError):
                x + np.ones(4)
        assert nodes() <= before + 9  # constants lent to operations that were refused
        return np.sum(x * x)

    np.testing.assert_array_equal(pyad.grad(function)(X), 2 * X)


def test_an_exception_in_a_rule():
    @pyad.custom_vjp
    def broken(x):
        return x * 1.0

    broken.defvjp(lambda x: (x * 1.0, None), lambda r, s: 1 // 0)
    in_grad(ZeroDivisionError, "zero", lambda x: np.sum(broken(x)), X)
    _, pullback = pyad.vjp(broken, X)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            pullback(np.ones(3))
    assert nodes() == 0


# ---- rules of the user's that give nonsense ----


def with_rule(fwd, bwd):
    @pyad.custom_vjp
    def mine(x):
        return x * x

    mine.defvjp(fwd, bwd)
    return lambda: pyad.grad(lambda x: np.sum(mine(x)))(X)


def right_fwd(x):
    return x * x, x


@pytest.mark.parametrize(
    ("kind", "words", "fwd", "bwd"),
    [
        (TypeError, ["mine", "fwd must return a pair"], lambda x: x, lambda r, s: (s,)),
        (TypeError, ["mine", "fwd must return a pair"], lambda x: (x, x, x), lambda r, s: (s,)),
        (TypeError, ["mine", "must return an array"], lambda x: (None, x), lambda r, s: (s,)),
        (DTypeError, ["mine", "<U1"], lambda x: ("a", x), lambda r, s: (s,)),
        (DTypeError, ["mine", "complex128"], lambda x: (np.ones(3) * 1j, x), lambda r, s: (s,)),
        (TypeError, ["mine", "tuple of 1 cotangents", "NoneType"], right_fwd, lambda r, s: None),
        (TypeError, ["mine", "tuple of 1 cotangents", "ndarray"], right_fwd, lambda r, s: s),
        (TypeError, ["mine", "tuple of 1 cotangents", "tuple of 2"], right_fwd, lambda r, s: (s, s)),
        (TypeError, ["mine", "bwd returned"], right_fwd, lambda r, s: ((s, s),)),
        (ShapeError, ["mine", "(5,)", "(3,)"], right_fwd, lambda r, s: (np.ones(5),)),
        (ShapeError, ["mine", "()", "(3,)"], right_fwd, lambda r, s: (1.0,)),
        (DTypeError, ["mine", "<U1"], right_fwd, lambda r, s: ("a",)),
        (DTypeError, ["mine", "complex128"], right_fwd, lambda r, s: (s * 1j,)),
        (DTypeError, ["mine", "object"], right_fwd, lambda r, s: (np.array([None] * 3),)),
        (DTypeError, "MaskedArray", right_fwd, lambda r, s: (np.ma.array(X, mask=[0, 1, 0]),)),
        (LeakError, ENDED, right_fwd, lambda r, s: (leaked(),)),
    ],
)
def test_custom_vjp_nonsense(kind, words, fwd, bwd):
    fails(kind, words, with_rule(fwd, bwd))


@pytest.mark.parametrize(
    ("kind", "words", "rule"),
    [
        (TypeError, ["mine", "pair", "NoneType"], lambda p, t: None),
        (TypeError, ["mine", "pair", "tuple"], lambda p, t: (1, 2, 3)),
        (TypeError, ["mine", "tangent of Structure(None)"], lambda p, t: (p[0], None)),
        (TypeError, ["mine", "tangent of Structure([*])"], lambda p, t: (p[0], [t[0]])),
        (ShapeError, ["mine", "(5,)", "(3,)"], lambda p, t: (p[0], np.ones(5))),
        (ShapeError, ["mine", "(2,)", "(3,)"], lambda p, t: (p[0], t[0][:2])),
        (DTypeError, ["mine", "<U1"], lambda p, t: (p[0], "a")),
    ],
)
def test_custom_jvp_nonsense(kind, words, rule):
    def mine(x):
        return x * x

    function = pyad.custom_jvp(mine)
    function.defjvp(rule)
    fails(kind, words, lambda: pyad.jvp(function, (X,), (X,)))
    fails(kind, words, lambda: pyad.grad(lambda x: np.sum(function(x)))(X))


def test_custom_jvp_that_is_not_linear():
    function = pyad.custom_jvp(np.square)
    function.defjvp(lambda p, t: (p[0] ** 2, t[0] + 1.0))
    in_grad(ValueError, ["square", "not linear in the tangents"], lambda x: np.sum(function(x)), X)


def test_custom_rules_in_wrong_use():
    fails(TypeError, ["custom_vjp", "must be a function", "int"], lambda: pyad.custom_vjp(3))
    fails(TypeError, ["custom_jvp", "must be a function", "int"], lambda: pyad.custom_jvp(3))
    fails(TypeError, ["nondiff_argnums", "'a'"], lambda: pyad.custom_vjp(np.sin, nondiff_argnums="a"))
    fails(TypeError, ["a rule must be a function", "int"], lambda: pyad.custom_vjp(lambda x: x).defvjp(3, 4))
    fails(TypeError, ["a rule must be a function", "int"], lambda: pyad.custom_jvp(lambda x: x).defjvp(3))
    in_grad(AttributeError, ["no rule yet", "defvjp"], lambda x: np.sum(pyad.custom_vjp(lambda x: x)(x)), X)
    in_grad(AttributeError, ["no rule yet", "defjvp"], lambda x: np.sum(pyad.custom_jvp(lambda x: x)(x)), X)

    @pyad.custom_vjp
    def mine(x):
        return x * x

    mine.defvjp(right_fwd, lambda r, s: (2 * r * s,))
    fails(TypeError, ["mine", "custom_vjp", "no forward mode", "custom_jvp"], lambda: pyad.jvp(mine, (X,), (X,)))

    @functools_partial(pyad.custom_vjp, nondiff_argnums=(0,))
    def scaled(k, x):
        return k * x

    scaled.defvjp(lambda k, x: (k * x, None), lambda k, r, s: (k * s,))
    np.testing.assert_array_equal(pyad.grad(lambda x: np.sum(scaled(2.0, x)))(X), 2 * np.ones(3))
    words = ["scaled", "argument 0", "nondiff_argnums", "stop_gradient"]
    in_grad(ConcretizationError, words, lambda x: np.sum(scaled(x[0], x)), X)
    far = pyad.custom_vjp(lambda x: x, nondiff_argnums=(7,))
    far.defvjp(right_fwd, lambda r, s: (s,))
    in_grad(ValueError, ["nondiff_argnums 7", "out of range"], lambda x: np.sum(far(x)), X)


def functools_partial(function, **keywords):
    return lambda argument: function(argument, **keywords)


def test_custom_rules_do_not_close_over_traced_values():
    def outer(x):
        @pyad.custom_vjp
        def mine(y):
            return y * x[0]

        mine.defvjp(lambda y: (y * x[0], None), lambda r, s: (s,))
        return np.sum(mine(x * 2.0))

    words = ["mine", "from outside", "make it an argument", "stop_gradient"]
    in_grad(ConcretizationError, words, outer, X)

    def outer_jvp(x):
        mine = pyad.custom_jvp(lambda y: np.sum(y * x))
        mine.defjvp(lambda p, t: (np.sum(p[0] * x), np.sum(t[0] * x)))
        return mine(np.exp(x))

    in_grad(ConcretizationError, ["from outside", "(3,)"], outer_jvp, X)


# ---- out of memory ----


PARAMS = nn.init_mlp(np.random.default_rng(0), [3, 40, 40, 2])
BATCH = np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32)
LABELS = np.random.default_rng(2).integers(0, 2, 50)


@pyad.custom_vjp
def own(x):
    return x * x


own.defvjp(right_fwd, lambda r, s: (2 * r * s,))


def network():
    return pyad.value_and_grad(lambda p: nn.softmax_cross_entropy(nn.mlp(p, BATCH, "tanh"), LABELS))(PARAMS)[0]


def small():
    return pyad.grad(lambda x: np.sum(np.exp(x) * x[::-1] * x[0]))(X)


def large():
    return pyad.grad(lambda x: np.sum(np.exp(x) * x[::-1] * 2.0))(np.ones(20_000))[:3].copy()


def second_order():
    return pyad.hessian(lambda x: np.sum(np.exp(x) * x[::-1] * x[0]))(X)


def forward():
    return pyad.hvp(lambda x: np.sum(np.exp(x) * x[::-1] * x[0]), (X,), (X,))


def pulled():
    y, pullback = pyad.vjp(lambda x: np.exp(x) * x[::-1], X)
    return y, pullback(X), pullback(X)


def gathered():
    return pyad.grad(lambda x: np.sum(x[np.array([0, 0, 1])] * np.concatenate([x, x])[:3]))(X)


def own_rule():
    return pyad.grad(lambda x: np.sum(own(x)))(X)


@pytest.mark.parametrize("work", [network, small, large, second_order, forward, pulled, gathered, own_rule])
def test_every_allocation_fails_in_turn(work):
    """On a new thread each time, whose engine has nothing yet: no rules, no cached memory, no columns."""
    lib = pyad._engine.lib
    expected = work()

    def attempt(after):
        pyad._engine.current()
        lib.pyad_fail_after(after)
        try:
            result = work()
        except MemoryError as problem:
            assert "memory" in str(problem)
            result = None
        finally:
            lib.pyad_fail_after(-1)
        counters = pyad._engine.counters()
        assert counters["nodes"] == 0
        assert pyad._engine.current().depth == 0
        # The rules that were recorded before are kept; everything else has been given back.
        gc.collect()
        pyad._engine.current().bury()
        assert pyad._engine.counters()["live_bytes"] == 0
        np.testing.assert_equal(work(), expected)
        return result

    after = 0
    while True:
        result = on_thread(lambda: attempt(after))  # noqa: B023
        if result is not None:
            break
        after += 1
    np.testing.assert_equal(result, expected)
    assert after > 20


def test_memory_stays_level():
    """Failures and exceptions leave nothing behind, however often they come."""

    def fail():
        with pytest.raises(ShapeError):
            pyad.grad(lambda x: np.sum(np.exp(x) * np.ones(7)))(np.ones(5000))
        with pytest.raises(KeyError):
            pyad.grad(lambda x: {}[np.sum(np.exp(x) * 2.0) > 0])(np.ones(5000))
        pyad.vjp(np.exp, np.ones(5000))

    def figures():
        gc.collect()
        pyad._engine.current().bury()
        return pyad._engine.counters()["live_bytes"], len(pyad._engine.current().keep), len(pyad._engine._open)

    fail()
    before = figures()
    for _ in range(20):
        fail()
    assert figures() == before


def test_a_pullback_that_outlives_its_thread():
    pullback = on_thread(lambda: pyad.vjp(np.exp, np.ones(5000)))[1]
    with pytest.raises(LeakError):
        pullback(np.ones(5000))
    del pullback
    gc.collect()


# ---- nonsense of every kind ----


JUNK = [
    None, True, -1, 0, 3, 2**62, -(2**63), 10**30, 1.5, math.nan, math.inf, 1j, "a", b"a", (), [], {}, [[]], (1, 2), [1, -1],
    slice(None), slice(0, 0, 1), Ellipsis, object(), np.float16(1), np.int8(3), np.array(2), np.zeros((0, 3)), np.ones((1, 1, 1)),
    np.array([1, 2]), np.array([True, False, True]), np.array(["a"]), np.array([None]), np.ones(3) * 1j, np.sum, type, range(3),
]  # fmt: skip

PROBED = [
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
    lambda x, a: np.reshape(x, (a, a)),
    lambda x, a: x.transpose(a),
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
    lambda x, a: pyad.ops.linalg.affine(x, a, a),
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
    """Nothing crashes, nothing stays on the tape, and the kinds of exceptions are those that Python uses for bad input."""
    # A shape may ask for more elements than there is memory.
    allowed = (TypeError, ValueError, IndexError, OverflowError, AttributeError, NotImplementedError, KeyError, MemoryError)
    probe = PROBED[which]
    compared = 0
    for junk in JUNK:
        seen = []

        def function(x, junk=junk, seen=seen):
            seen.append(pyad.stop_gradient(probe(x, junk)))
            return np.sum(x)

        try:
            pyad.grad(function)(X)
        except allowed as problem:
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
PROBED_AGAINST_NUMPY = 31


def test_messages_are_sentences_without_addresses():
    for call in (lambda: pyad.grad(lambda x: x)(X), lambda: pyad.grad(lambda x: x + np.ones(4))(X), lambda: leaked() + 1.0):
        with pytest.raises(Exception) as caught:  # noqa: PT011
            call()
        assert not re.search(r"0x[0-9a-f]{6}", str(caught.value))
