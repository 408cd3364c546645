"""Wrong shapes, axes, indices, dtypes, outputs and arguments: each error by class and message."""

import cmath
import math
import re
import warnings
from math import sqrt as square_root

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
    in_grad(ConcretizationError, ["numpy.ma.MaskedArray", ".filled"], lambda x: np.sum(masked * x), X)


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


# ---- what was meant ----


def test_an_argument_in_the_place_of_argnums():
    for transform in (pyad.grad, pyad.value_and_grad, pyad.jacobian, pyad.hessian):
        name = transform.__name__
        words = [name, "argnums must be", f"write {name}(f)(x)"]
        for given in (X, 2.0, (0.5, 1.0), {"w": X}, [X]):
            fails(TypeError, words, lambda t=transform, g=given: t(np.sum, g))
    assert pyad.grad(lambda x, y: x * y, np.array([0, 1]))(2.0, 3.0) == (3.0, 2.0)


@pytest.mark.parametrize(
    ("tree", "argnums", "words"),
    [
        ({"layers": [{"n": 1, "w": X}]}, 0, ["got int at ['layers'][0]['n']", "another argument"]),
        ([X, np.arange(3)], 0, ["got int64 at [1]"]),
        ({"on": True, "w": X}, 0, ["got bool at ['on']"]),
        ({"kind": "relu", "w": X}, 0, ["type str", "at ['kind']"]),
        ((X, np.ma.masked_array([1.0])), 0, ["MaskedArray", "at [1]", "plain ndarray"]),
        (3, 0, ["got int; convert"]),
        (3, (1, 0), ["got int at argument 0", "leave it out of argnums"]),
        ({"a": {"b": 3}}, (1, 0), ["got int at argument 0, at ['a']['b']"]),
    ],
)
def test_inputs_are_named_by_their_place_in_the_tree(tree, argnums, words):
    in_grad = pyad.grad(lambda a, b: b, argnums)
    fails(DTypeError, ["grad", *words], lambda: in_grad(tree, 1.0))


def test_inputs_of_other_transforms_are_named_by_their_place():
    tree = {"w": X, "n": 3}
    for what in ("vjp", "jvp"):
        run = {"vjp": lambda: pyad.vjp(lambda p: p["w"], tree), "jvp": lambda: pyad.jvp(lambda p: p, (tree,), (tree,))}
        fails(DTypeError, [what, "got int at primals[0]['n']"], run[what])
    fails(DTypeError, ["jacobian", "got int at ['n']"], lambda: pyad.jacobian(lambda p: p["w"])(tree))


def test_nothing_to_differentiate():
    for transform in (pyad.grad, pyad.value_and_grad, pyad.jacobian):
        words = [transform.__name__, "argument 0 is None", "nothing to differentiate"]
        fails(TypeError, words, lambda t=transform: t(lambda p: 1.0)(None))
    fails(TypeError, ["argument 1 is None"], lambda: pyad.grad(lambda x, y: x, argnums=1)(1.0, None))
    # A tree without numbers is one.
    assert pyad.grad(lambda p: 1.0)({}) == {}
    assert pyad.grad(lambda p: 1.0)([None, ()]) == [None, ()]


def test_a_list_of_numbers_is_a_tree():
    for function in (np.mean, np.sum, lambda p: np.exp(p)[0], lambda p: np.linalg.norm(np.asarray(p))):
        with pytest.raises((TypeError, ValueError)) as caught:
            pyad.grad(function)([1.0, 2.0])
        said = "".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
        for word in ("argument 0 is a list of numbers", "which is a tree", "np.array([1.0, 2.0])"):
            assert word in said
    with pytest.raises(TypeError, match="unsupported operand") as caught:
        pyad.grad(lambda p: np.sum(p**2))((1.0, 2.0))
    assert "argument 0 is a tuple of numbers" in caught.value.__notes__[0]
    assert pyad.grad(lambda p: np.sum(np.stack(p) ** 2))([1.0, 2.0]) == [2.0, 4.0]


class Frame:
    """Stands for a DataFrame of pandas."""

    def to_numpy(self):
        return X


def test_a_frame_is_asked_for_its_array():
    fails(DTypeError, ["grad", "type Frame", ".to_numpy()"], lambda: pyad.grad(np.sum)(Frame()))
    fails(DTypeError, ["type Frame", "at ['x']", ".to_numpy()"], lambda: pyad.grad(np.sum)({"x": Frame()}))
    # pandas itself need not be installed: what asks is known by the name of its module.
    series = {"__name__": "pandas.core.ops"}
    exec("import numpy\ndef multiply(x): return numpy.asarray(x)", series)
    words = ["pandas was given a traced float64[3]", ".to_numpy()"]
    in_grad(ConcretizationError, words, lambda x: series["multiply"](x).sum(), X)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: math.exp(x), ["math.exp", "write np.exp"]),
        (lambda x: math.pow(x, 2.0), ["math.pow", "write np.power"]),
        (lambda x: math.erf(x), ["math.erf", "write pyad.scipy.special.erf"]),
        (lambda x: square_root(x), ["math.sqrt", "write np.sqrt"]),
        (lambda x: cmath.exp(x).real, ["cmath.exp", "write np.exp"]),
        (lambda x: float(x), ["float() of a traced", "would drop its derivative", "functions are those of NumPy"]),
    ],
)
def test_functions_of_math(function, words):
    in_grad(ConcretizationError, words, function, 0.5)


def test_names_of_other_libraries():
    for name, words in {
        "jit": "pyad.compile",
        "vmap": "one more axis",
        "lax": "for, while and if",
        "jacfwd": "pyad.jacobian",
        "jacrev": "pyad.jacobian",
        "tree_map": "pyad.tree.map",
        "no_grad": "pyad.stop_gradient",
        "elementwise_grad": "pyad.autograd",
    }.items():
        fails(AttributeError, [f"'pyad' has no attribute '{name}'", words], lambda name=name: getattr(pyad, name))
    assert not hasattr(pyad, "something")
    # What is said to be there is there.
    for words in pyad._ELSEWHERE.values():
        for path in re.findall(r"pyad\.([\w.]+\w)", words):
            found = pyad
            for part in path.split("."):
                found = getattr(found, part)
        assert not any(hasattr(pyad, name) for name in pyad._ELSEWHERE)


# ---- functions without a derivative ----


def _of_numpy():
    polynomial = np.polynomial
    return [
        (lambda x: np.lib.stride_tricks.as_strided(x, (2, 2), (8, 8)), ["as_strided", "sliding_window_view"]),
        (
            lambda x: polynomial.Polynomial(x)(0.5),
            ["polynomial.Polynomial (numpy.polynomial.", "np.polyval"],
        ),
        (lambda x: polynomial.Polynomial(X)(x), ["numpy.polynomial.Polynomial has no", "np.polyval"]),
        (lambda x: polynomial.polynomial.polyval(0.5, x), ["polynomial.polynomial.polyval", "np.vander"]),
        (lambda x: polynomial.chebyshev.chebval(0.5, x), ["polynomial.chebyshev.chebval", "np.polyval"]),
        (lambda x: np.kaiser(3, x[0]), ["np.kaiser has no derivative"]),
    ]


def _of_scipy():
    interpolate = pytest.importorskip("scipy.interpolate")
    ndimage, stats, signal = (pytest.importorskip(f"scipy.{name}") for name in ("ndimage", "stats", "signal"))
    sparse, distance = pytest.importorskip("scipy.sparse"), pytest.importorskip("scipy.spatial.distance")
    places = (np.arange(3), np.arange(3))
    return [
        (lambda x: interpolate.CubicSpline(X, x)(1.5), ["interpolate.CubicSpline (scipy.", "B @ values"]),
        (lambda x: interpolate.CubicSpline(X, X)(x), ["scipy.interpolate.CubicSpline has no derivative"]),
        (lambda x: ndimage.gaussian_filter(x, 1.0), ["ndimage.gaussian_filter", "pyad.scipy.signal.convolve"]),
        (lambda x: stats.levy.logpdf(x), ["stats.levy.logpdf (scipy.stats.levy.logpdf)", "pyad.scipy.stats.__all__"]),
        (lambda x: stats.ttest_ind(x, X)[0], ["stats.ttest_ind (scipy.stats.ttest_ind)"]),
        (lambda x: signal.hilbert(x), ["signal.hilbert", "of pyad.scipy.signal these do: convolve"]),
        (lambda x: distance.cdist(x[None], X[None]), ["distance.cdist", "np.linalg.norm"]),
        (lambda x: sparse.csr_array((x, places)) @ X, ["sparse.csr_array", "coo_solve"]),
        (lambda x: pytest.importorskip("scipy.special").ellipkm1(x), ["scipy.special.ellipkm1", "__all__"]),
    ]


@pytest.mark.parametrize("cases", [_of_numpy, _of_scipy])
def test_functions_without_a_derivative(cases):
    for function, words in cases():
        words = ["has no derivative in pyad", "traced", "pyad.custom_vjp", "pyad.stop_gradient(x)", *words]
        in_grad((ConcretizationError, UnsupportedError), words, lambda x, f=function: np.sum(f(x)), X)


def test_functions_that_have_a_derivative_elsewhere():
    stats, optimize = pytest.importorskip("scipy.stats"), pytest.importorskip("scipy.optimize")
    for function, words in [
        (lambda x: stats.norm.logpdf(x), ["stats.norm.logpdf", "from pyad.scipy.stats, where it has"]),
        (lambda x: optimize.least_squares(lambda p: p - x, X).x, ["least_squares", "from pyad.scipy.optimize"]),
        (lambda x: np.mean([x, x]), ["np.mean", "from pyad.numpy, where it has a derivative"]),
        (lambda x: np.vectorize(lambda t: t * t)(x), ["numpy.vectorize", "from pyad.numpy"]),
    ]:
        in_grad(ConcretizationError, ["was given a traced", *words], lambda x, f=function: np.sum(f(x)), X)


def test_what_comes_nearest_is_right():
    interpolate = pytest.importorskip("scipy.interpolate")
    knots, points, values = np.linspace(0.0, 1.0, 5), np.array([0.2, 0.7]), np.array([1.0, -1.0, 2.0, 0.5, 0.0])
    basis = interpolate.CubicSpline(knots, np.eye(len(knots)))(points)
    np.testing.assert_allclose(basis @ values, interpolate.CubicSpline(knots, values)(points), rtol=1e-12)
    gradient = pyad.grad(lambda v: np.sum(basis @ v))(values)
    np.testing.assert_allclose(gradient, basis.sum(axis=0), rtol=1e-12)
