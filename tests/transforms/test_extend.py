"""Operations with rules of your own, checkpoints, fixed points and vectors of trees."""

import subprocess
import sys

import numpy as np
import pytest

import pyad
from pyad._transforms.checkpoint import checkpoint
from pyad._transforms.fixed_point import fixed_point
from pyad.errors import ConcretizationError, ShapeError
from pyad.extend import def_linear, defjvp, defvjp, notrace_primitive, primitive
from pyad.testing import check_grads
from pyad.tree import ravel

X = np.array([0.5, 1.5])
Y = np.array([[1.0, -2.0], [0.3, 0.7]])


@primitive
def product(x, y, *, factor=1.0):
    assert type(x) is not pyad.Array
    return factor * x * y


defvjp(
    product,
    lambda ans, x, y, factor=1.0: lambda g: factor * g * y,
    lambda ans, x, y, factor=1.0: lambda g: factor * g * x,
)
defjvp(product, "same", lambda g, ans, x, y, factor=1.0: factor * x * g)


@primitive
def several(tree):
    return {"sum": tree["a"] + tree["b"][0], "squares": [tree["a"] ** 2]}


defvjp(
    several,
    lambda ans, tree: lambda g: {"a": g["sum"] + 2.0 * g["squares"][0] * tree["a"], "b": (g["sum"],)},
)
defjvp(
    several,
    lambda g, ans, tree: {"sum": g["a"] + g["b"][0], "squares": [2.0 * tree["a"] * g["a"]]},
)


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (product, (X, Y)),
        (lambda x, y: product(x, y, factor=3.0), (X, Y)),
        (lambda x: product(x, x), (X,)),
        (lambda x: product(product(x, Y), np.sin(x)), (X,)),
        (lambda x, y: product(2.0, y) + product(x, 3), (1.5, 0.5)),
        (several, ({"a": X, "b": (2.0 * X,)},)),
        (lambda x: several({"a": x, "b": (X,)}), (X,)),
        (lambda x: several({"b": (x[1:],), "a": x[:1]}), (X,)),
    ],
)
def test_primitives_have_derivatives_in_both_modes_to_second_order(function, args):
    check_grads(function, args, order=2)


def test_a_primitive_of_plain_values_is_the_function_itself():
    assert product(X, 2.0, factor=0.5).tolist() == X.tolist()
    assert product.__name__ == "product"
    assert product.fun(2.0, 3.0) == 6.0


def test_float32_stays_float32():
    x = X.astype(np.float32)
    assert pyad.grad(lambda x: np.sum(product(x, x)))(x).dtype == np.float32
    assert pyad.jvp(lambda x: product(x, x), (x,), (x,))[1].dtype == np.float32


def test_rules_are_asked_for_only_where_a_derivative_is_needed():
    asked = []

    @primitive
    def f(x, y):
        return x * y

    def rule(ans, x, y):
        asked.append("x")
        return lambda g: g * y

    defvjp(f, rule)
    # Both arguments are traced, and only the cotangent of the first is asked for: it is y, whose derivative is 1.
    assert pyad.grad(lambda y: pyad.grad(lambda x: f(x, y))(2.0))(3.0) == 1.0
    assert asked == ["x"]
    with pytest.raises(NotImplementedError, match="VJP of f wrt argnum 1 not defined"):
        pyad.grad(f, 1)(2.0, 3.0)


def test_a_missing_mode_is_named():
    @primitive
    def only_reverse(x):
        return 2.0 * x

    defvjp(only_reverse, lambda ans, x: lambda g: 2.0 * g)

    @primitive
    def only_forward(x):
        return 2.0 * x

    def_linear(only_forward)
    assert pyad.grad(only_reverse)(1.0) == 2.0
    assert pyad.jvp(only_forward, (1.0,), (3.0,))[1] == 6.0
    with pytest.raises(NotImplementedError, match=r"JVP of only_reverse wrt argnums \(0,\) not defined"):
        pyad.jvp(only_reverse, (1.0,), (1.0,))
    with pytest.raises(NotImplementedError, match=r"VJP of only_forward wrt argnums \(0,\) not defined"):
        pyad.grad(only_forward)(1.0)


def test_none_stands_for_no_derivative():
    @primitive
    def f(x, y):
        return x * y

    defvjp(f, lambda ans, x, y: lambda g: g * y, None)
    defjvp(f, "same", None)
    assert pyad.grad(f, (0, 1))(2.0, 3.0) == (3.0, 0.0)
    assert pyad.jvp(f, (2.0, 3.0), (1.0, 1.0))[1] == 3.0
    assert pyad.jvp(lambda y: f(2.0, y), (3.0,), (1.0,))[1] == 0.0


def test_cotangents_are_summed_where_the_argument_was_repeated_and_other_shapes_are_refused():
    @primitive
    def f(x):
        return np.broadcast_to(x, (3, 2)).copy()

    defvjp(f, lambda ans, x: lambda g: g)
    assert pyad.grad(lambda x: np.sum(f(x)))(X).tolist() == [3.0, 3.0]
    defvjp(f, lambda ans, x: lambda g: g[:, :1])
    with pytest.raises(ShapeError, match=r"VJP of f wrt argnum 0 gave a cotangent of shape \(3, 1\) .* \(2,\)"):
        pyad.grad(lambda x: np.sum(f(x)))(X)
    defjvp(f, lambda g, ans, x: g)
    assert pyad.jvp(f, (X,), (X,))[1].shape == (3, 2)
    defjvp(f, lambda g, ans, x: np.ones((4, 3, 2)))
    with pytest.raises(ShapeError, match=r"JVP of f gave a tangent of shape \(4, 3, 2\)"):
        pyad.jvp(f, (X,), (X,))


def test_a_derivative_in_other_containers_than_the_argument_is_refused():
    @primitive
    def f(pair):
        return pair[0] * pair[1]

    defvjp(f, lambda ans, pair: lambda g: g)
    with pytest.raises(TypeError, match="VJP of f wrt argnum 0"):
        pyad.grad(f)((1.0, 2.0))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: product(x, 1.0, factor=x), "keyword argument 'factor'"),
        (lambda x: primitive(lambda y: x * y)(x), "from outside its arguments"),
    ],
)
def test_traced_values_that_no_rule_would_see_are_refused(call, words):
    with pytest.raises(ConcretizationError, match=words):
        pyad.grad(call)(2.0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: primitive(3), "expected a function, got int"),
        (lambda: notrace_primitive(3), "expected a function, got int"),
        (lambda: defvjp(np.sin, lambda ans, x: lambda g: g), "sin is not a primitive"),
        (lambda: defvjp(product, 3), "defvjp of product: a rule must be a function, got 3"),
        (lambda: defjvp(product, "sane"), "a rule must be a function, got 'sane'"),
    ],
)
def test_wrong_definitions_are_told(call, words):
    with pytest.raises(TypeError, match=words):
        call()


def test_an_argument_that_changes_before_its_rule_runs_is_noticed():
    y = np.ones(300)

    def f(x):
        z = product(x, y)
        y[0] = 2.0
        return np.sum(z)

    with pytest.raises(pyad.errors.MutationError, match="product"):
        pyad.grad(f)(np.ones(300))


def test_notrace_is_constant():
    ceiling = notrace_primitive(np.ceil)
    assert pyad.grad(lambda x: x * ceiling(x))(1.5) == 2.0


# ---- checkpoint ----


def test_a_checkpoint_has_the_derivatives_of_its_function():
    step = checkpoint(lambda x, n, power=1: np.sin(np.exp(x) * n) ** power)
    check_grads(lambda x: step(step(x, 2), 3, power=2), (0.3 * X,), order=3)
    pair = checkpoint(lambda params, name: {name: params[0] * params[1]})
    check_grads(lambda p: pair(p, "out"), ((X, 2.0),), order=2)


def test_a_checkpoint_keeps_the_arguments_of_a_step_only():
    """Twenty steps with twelve intermediate values each, in a fresh process, whose peak is its own.

    Per step the argument stays, and on the way back the cotangent.
    """
    code = """
import sys
import numpy as np, pyad
from pyad._binding import engine
from pyad._transforms.checkpoint import checkpoint
half = lambda x: np.sin(np.cos(np.tanh(np.sin(np.cos(np.tanh(x))))))
step = lambda x: half(half(x))
if sys.argv[1] == "checkpoint":
    step = checkpoint(step)
def chain(x):
    for _ in range(20):
        x = step(x)
    return np.sum(x)
pyad.grad(chain)(np.ones(10000))
counters = engine.counters()
assert counters["nodes"] == 0
print(counters["peak_bytes"])
"""
    peak = {}
    for kind in ("plain", "checkpoint"):
        done = subprocess.run([sys.executable, "-P", "-c", code, kind], capture_output=True, text=True, check=True)
        peak[kind] = int(done.stdout) / 80000
    assert peak["plain"] > 230  # arrays of the size of one value
    assert peak["checkpoint"] < 20 + 20 + 15


# ---- fixed points ----


def newton(a):
    return lambda x: 0.5 * (x + a / x)


def far(x, y):
    return np.max(np.abs(x - y))


def root(a):
    return fixed_point(newton, a, np.ones(2), far, 1e-13)


def test_the_derivative_of_a_fixed_point_is_that_of_what_it_is():
    np.testing.assert_allclose(root(X), np.sqrt(X), rtol=1e-12)
    np.testing.assert_allclose(pyad.jacobian(root)(X), np.diag(0.5 / np.sqrt(X)), rtol=1e-10)
    check_grads(root, (X,), order=2)


def test_a_fixed_point_of_several_parameters_and_states():
    def f(params):
        return lambda s: (0.5 * np.cos(params["w"] * s[1]), 0.3 * np.sin(s[0]) + params["b"])

    def solve(params):
        return fixed_point(f, params, (0.0, 0.0), lambda s, t: abs(s[0] - t[0]) + abs(s[1] - t[1]), 1e-14)

    check_grads(solve, ({"w": 0.7, "b": 0.2},), order=2)


def test_what_the_iteration_takes_from_outside_is_refused():
    with pytest.raises(ConcretizationError, match="fixed_point takes a traced value from outside"):
        pyad.grad(lambda b: fixed_point(lambda a: lambda x: 0.5 * (x + b / x), b, 1.0, far, 1e-9))(2.0)


# ---- vectors ----


def test_a_tree_and_its_vector():
    value = {"w": np.ones((2, 2), np.float32), "n": [3.0, np.arange(2)]}
    vector, unravel = ravel(value)
    assert vector.tolist() == [1, 1, 1, 1, 3, 0, 1]
    again = unravel(vector)
    assert again["w"].dtype == np.float32
    assert again["w"].shape == (2, 2)
    assert again["n"][0] == 3.0
    assert ravel([])[0].size == 0
    with pytest.raises(ValueError, match="expected a vector of 7 numbers"):
        unravel(vector[1:])


def test_a_vector_of_a_tree_is_differentiable_both_ways():
    value = {"w": Y, "n": [3.0, X]}
    unravel = ravel(value)[1]
    check_grads(lambda v: ravel(v)[0] ** 2, (value,), order=2)
    check_grads(lambda v: unravel(v**2), (np.arange(7.0),), order=2)
