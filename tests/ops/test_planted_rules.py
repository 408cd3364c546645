"""`check_grads` on whole ops: a wrong rule planted in any op of the registry is caught, in the mode it is wrong in.

Without this, the tests that lean on check_grads could pass for the wrong reason.
"""

import numpy as np
import pytest
from support.oracles import F64, Sample, native_ops, samples

import pyad
from pyad.testing import check_grads

CONSTANT = ("floor", "ceil", "sign", "trunc", "rint", "floor_divide")
# (op, operand) by which the derivative is zero.
FLAT = {("copysign", 1)}
OPS = [op for op in native_ops() if op.backward is not None and op.name not in CONSTANT]


def planted(sample: Sample, where: int, by: float):
    """The op with the cotangent and tangent of one operand off by a factor."""
    call = sample.function()

    @pyad.custom_vjp
    def backward(*xs):
        return call(*xs)

    def bwd(xs, s):
        found = list(pyad.vjp(call, *xs)[1](s))
        found[where] = found[where] * by
        return tuple(found)

    backward.defvjp(lambda *xs: (call(*xs), xs), bwd)

    @pyad.custom_jvp
    def forward(*xs):
        return call(*xs)

    @forward.defjvp
    def rule(xs, ts):
        ts = tuple(t * by if k == where else t for k, t in enumerate(ts))
        return pyad.jvp(call, tuple(xs), ts)

    return backward, forward


@pytest.mark.parametrize("op", OPS, ids=repr)
def test_a_wrong_rule_for_any_operand_is_caught(op):
    sample = next(s for s in samples(op) if all(x.size for x in s.operands))
    floats = sample.with_dtype(F64)
    for where in range(len(floats)):
        if (op.name, where) in FLAT:
            continue
        backward, forward = planted(sample, where, 1.1)
        with pytest.raises(AssertionError, match="mode rev, order 1"):
            check_grads(backward, tuple(floats), order=1, modes="rev")
        with pytest.raises(AssertionError, match="mode fwd, order 1"):
            check_grads(forward, tuple(floats), order=1, modes="fwd")
    right, also = planted(sample, 0, 1.0)
    check_grads(right, tuple(floats), order=1, modes="rev")
    check_grads(also, tuple(floats), order=1)


def test_a_rule_that_is_right_at_first_order_and_wrong_at_second_is_caught():
    @pyad.custom_jvp
    def square(x):
        return x * x

    # The tangent's value is right; its dependence on x is cut.
    square.defjvp(lambda p, t: (p[0] * p[0], 2 * pyad.stop_gradient(p[0]) * t[0]))
    x = (np.array([0.5, 1.5]),)
    check_grads(square, x, order=1)
    with pytest.raises(AssertionError, match="order 2"):
        check_grads(square, x, order=2)


def test_a_rule_wrong_in_one_entry_is_named_by_its_place():
    @pyad.custom_vjp
    def double(x):
        return 2 * x

    spoilt = np.full((2, 3), 2.0)
    spoilt[1, 2] = 2.5
    double.defvjp(lambda x: (2 * x, None), lambda _, s: (spoilt * s,))
    with pytest.raises(AssertionError, match=r"wrong in 1 of 36 entries.*\[1, 2\]"):
        check_grads(double, (np.ones((2, 3)),), order=1, modes="rev")


def test_a_rule_of_the_wrong_dtype_or_missing_broadcast_is_caught():
    @pyad.custom_vjp
    def add(x, y):
        return x + y

    add.defvjp(lambda x, y: (x + y, None), lambda _, s: (s, s))
    with pytest.raises((AssertionError, ValueError), match="shape"):
        check_grads(add, (np.ones((2, 3)), np.ones(3)), order=1, modes="rev")


def test_a_difference_in_float32_is_caught_too():
    @pyad.custom_vjp
    def sine(x):
        return np.sin(x)

    sine.defvjp(lambda x: (np.sin(x), x), lambda x, s: (np.cos(x) * s * np.float32(1.05),))
    with pytest.raises(AssertionError, match="mode rev"):
        check_grads(sine, (np.array([0.3, 0.5], np.float32),), order=1, modes="rev")
