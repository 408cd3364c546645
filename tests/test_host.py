"""Ops that NumPy runs: defined by their rules, with one output and several, and differentiated to second order."""

import numpy as np
import pytest

import pyad
from pyad.host import host, host_elementwise, host_linear
from pyad.ops.linalg import matmul
from pyad.testing import check_grads

running_sum = host_linear(
    "test_cumsum",
    lambda x, axis: np.cumsum(x, axis),
    lambda s, x, axis: (flipped(running_sum(flipped(s, axis), axis=axis), axis),),
)


def flipped(x, axis):
    return x[(slice(None),) * axis + (slice(None, None, -1),)]


inverse = host(
    "test_inv",
    np.linalg.inv,
    lambda s, y, x: (-matmul(matmul(y.T, s), y.T),),
    lambda tangents, y, x: -matmul(matmul(y, tangents[0]), y),
)
product = host_linear("test_times", np.multiply, lambda s, x, y: (s * y, s * x))
joined = host_linear("test_minus", np.subtract, lambda s, x, y: (s, -s), joint=True)
squares_and_triples = host(
    "test_pair",
    lambda x: (x * x, 3.0 * x[:2]),
    lambda s, y, x: (2.0 * x * s[0] + np.concatenate([3.0 * s[1], 0.0 * x[2:]]),),
    lambda tangents, y, x: (2.0 * x * tangents[0], 3.0 * tangents[0][:2]),
)
hypotenuse = host_elementwise("test_hypot", np.hypot, lambda s, y, a, b: (s * (a / y), s * (b / y)))

X = np.array([[1.0, 0.2, -0.3], [0.4, 2.0, 0.1], [0.3, -0.2, 1.5]])


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (lambda x: running_sum(x * x, axis=1), (X,)),
        (inverse, (X,)),
        (product, (X[0], X[1])),
        (lambda x: product(x, x), (X[0],)),
        (joined, (X[0], X[1])),
        (squares_and_triples, (X[1],)),
        (hypotenuse, (X[0], X[1])),
        (hypotenuse, (X, X[1])),
        (lambda x: np.sin(inverse(np.cos(x) + 2.0 * np.eye(3)))[0], (X,)),
    ],
)
def test_derivatives_of_host_ops_equal_differences_to_second_order(function, args):
    check_grads(function, args, order=2)


def test_large_operands_are_seen_by_rules_without_a_copy_and_cannot_be_written():
    seen = []

    def vjp(s, y, x):
        seen.extend((y, x))
        with pytest.raises(ValueError, match="read-only"):
            x[0] = 1.0
        return (2.0 * s * x,)

    square = host("test_square", np.square, vjp, lambda tangents, y, x: 2.0 * x * tangents[0])
    x = np.arange(1000.0)
    got = pyad.grad(lambda x: np.sum(square(3.0 * x)))(x)
    np.testing.assert_array_equal(got, 18.0 * x)
    assert len(seen) == 2


def test_a_cotangent_in_a_function_is_computed_only_where_it_is_needed():
    calls = []

    def by_x():
        calls.append("x")
        return np.ones(2)

    op = host("test_lazy", np.add, lambda s, y, a, b: (by_x, 2.0 * s), None)
    x = np.ones(2)
    np.testing.assert_array_equal(pyad.grad(lambda b: np.sum(op(x, b)))(x), 2.0)
    assert calls == []
    np.testing.assert_array_equal(pyad.grad(lambda a: np.sum(op(a, x)))(x), 1.0)
    assert calls == ["x"]


def test_the_value_is_read_only_for_rules_and_an_operand_stays_as_it_was():
    def vjp(s, y, a, b):
        with pytest.raises(ValueError, match="read-only"):
            y[0] = 1.0
        return s, s

    first = host("test_first", lambda a, b: a, lambda s, y, a, b: (s, None), None)
    total = host("test_total", np.add, vjp, None)
    x, plain = np.ones(3), np.arange(3.0)
    np.testing.assert_array_equal(pyad.grad(lambda b: np.sum(first(plain, b)) + np.sum(total(plain, b)))(x), 1.0)
    plain[0] = 5.0


def test_errors_of_numpy_name_the_op_and_its_operands():
    op = host("test_named", np.linalg.inv, lambda s, y, a: (s,), None)
    with pytest.raises(np.linalg.LinAlgError, match=r"test_named of float32\[2, 3\]: .*square"):
        pyad.grad(lambda x: np.sum(op(x)))(np.ones((2, 3), np.float32))


def test_operands_of_several_dtypes_are_brought_to_one():
    op = host("test_mixed", np.add, lambda s, y, a, b: (s, s), None)
    single, double = np.ones(2, np.float32), np.ones(2)
    gradients = pyad.grad(lambda a, b: np.sum(op(a, b) + op(a, 2) + op(np.int64(1), b)), (0, 1))(single, double)
    assert [x.dtype for x in gradients] == [np.float32, np.float64]
    np.testing.assert_array_equal(gradients, 2.0)
    with pytest.raises(TypeError, match="test_mixed"):
        pyad.grad(lambda a: np.sum(op(a, "text")))(double)


def test_a_rule_of_a_native_op_that_uses_a_host_op_runs_in_python():
    """Recording it on placeholders ends at the host op, which needs values."""
    from pyad._engine import kernel
    from pyad.op import REGISTRY, Op

    number = kernel("sinh")
    native = REGISTRY[number]
    cosh = host_elementwise("test_cosh", np.cosh, lambda s, y, x: (s * np.sinh(x),))
    REGISTRY[number] = Op(
        "sinh", number, 1, np.sinh, lambda s, y, x: (s * cosh(x),), lambda s, y, x: (s * cosh(x),), 0, True
    )
    x = np.array([0.1, 0.2, 0.4], np.float32)
    try:
        # No rule of this dtype has been asked for before, or it is asked for anew: both must agree.
        np.testing.assert_allclose(pyad.grad(lambda x: np.sum(np.sinh(x)))(x), np.cosh(x), rtol=1e-6)
        np.testing.assert_allclose(pyad.jvp(np.sinh, (x,), (x,))[1], x * np.cosh(x), rtol=1e-6)
    finally:
        REGISTRY[number] = native
