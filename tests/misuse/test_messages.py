"""Wrong shapes, axes, indices, dtypes, outputs and arguments: each error by class and message."""

import warnings

import numpy as np
import pytest
from support.wrong_use import M, X, fails, in_grad

import pyad
from pyad.errors import ConcretizationError, DTypeError, LeakError, MutationError, ShapeError, UnsupportedError

AxisError = np.exceptions.AxisError

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
        (
            lambda m: np.sum(pyad._ops.linalg.matmul.affine(m, np.ones((4, 2)), np.ones(2))),
            M,
            ["affine", "(2, 3)", "(4, 2)"],
        ),
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


@pytest.mark.parametrize("dtype", [np.float16, np.clongdouble, np.longdouble, object, "M8[s]", "m8[s]"])
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
        ("a", "type str"),
        ({1.0}, "type set"),
        ([1.0, 2], "got int"),
        ({"a": 1.0, "b": [None, "x"]}, "type str"),
    ],
)
def test_python_inputs_that_cannot_be_differentiated(x, words):
    in_grad(DTypeError, words, lambda x: 1.0, x)


@pytest.mark.parametrize("dtype", [np.clongdouble, np.longdouble, object, "M8[s]", "S1", [("a", "f8")]])
def test_operands_of_other_dtypes(dtype):
    other = np.zeros(3, dtype)
    for function in (lambda x: x * other, lambda x: other + x, lambda x: np.where(X > 1, x, other)):
        in_grad(
            DTypeError,
            ["operands of dtype", "float32 or float64", str(np.dtype(dtype))],
            lambda x, f=function: np.sum(f(x)),
            X,
        )


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
    in_grad(DTypeError, ["real number", "complex", "holomorphic"], lambda x: 1j, X)
    in_grad(DTypeError, ["real number", "complex64"], lambda x: np.complex64(1), X)
    fails(TypeError, ["vjp", "got str"], lambda: pyad.vjp(lambda x: "a", X))
    fails(TypeError, ["jvp", "got str"], lambda: pyad.jvp(lambda x: {"a": "a"}, (X,), (X,)))
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
