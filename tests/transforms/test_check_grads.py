"""`check_grads` accepts right derivatives and refuses planted wrong ones, saying where they are wrong."""

import numpy as np
import pytest

import pyad
import pyad.numpy as pnp
from pyad.testing import check_grads

POINTS = np.linspace(0.3, 1.1, 4)


def vjp_op(value, pullback):
    """An op of one argument whose reverse rule is `pullback(x, cotangent)`."""
    op = pyad.custom_vjp(value)
    op.defvjp(lambda x: (op(x), x), lambda x, out_bar: (pullback(x, out_bar),))
    return op


def jvp_op(value, push):
    """An op of one argument whose forward rule is `push(x, tangent)`."""
    op = pyad.custom_jvp(value)
    op.defjvp(lambda primals, tangents: (op(*primals), push(primals[0], tangents[0])))
    return op


def failure(f, *args, **options):
    with pytest.raises(AssertionError) as caught:
        check_grads(f, args, **options)
    return str(caught.value)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_right_derivatives_pass(dtype, order):
    check_grads(lambda x: pnp.exp(x) * pnp.tanh(x), (POINTS.astype(dtype),), order=order)


def test_containers_several_arguments_and_outputs_pass():
    rng = np.random.default_rng(1)
    params = [{"w": rng.normal(size=(3, 2)), "b": rng.normal(size=2)}]

    def f(params, x, scale):
        z = pnp.tanh(x @ params[0]["w"] + params[0]["b"])
        return {"z": z * scale, "total": [pnp.sum(z)]}

    check_grads(f, (params, rng.normal(size=(2, 3)), 1.7), order=2)


def test_arguments_and_outputs_that_are_not_floating_point_are_left_alone():
    def f(x, index, flag, label):
        assert flag is True
        assert label == "label"
        return x[index] ** 2, index

    check_grads(f, (POINTS, np.array([2, 0, 0]), True, "label"), order=2)


def test_large_arrays_pass_and_are_caught_too():
    x = np.random.default_rng(2).normal(size=(30, 30))
    check_grads(lambda x: pnp.sin(x) @ x, (x,), order=1)
    wrong = vjp_op(pnp.sin, lambda x, out_bar: pnp.cos(x) * out_bar * pnp.where(x > x.mean(), 1.0, 1.001))
    message = failure(wrong, x, modes="rev", order=1)
    assert "mode rev, order 1" in message
    assert "args[0]" in message


def test_an_empty_array_has_nothing_to_check():
    check_grads(lambda x: x * 2.0, (np.zeros((0, 3)),), order=1)


def test_the_generator_is_used_and_may_be_a_seed():
    x = np.random.default_rng(3).normal(size=200)
    check_grads(pnp.sin, (x,), order=1, rng=np.random.default_rng(5))
    check_grads(pnp.sin, (x,), order=1, rng=5)


WRONG = {
    "sign": lambda x, g: -2.0 * x * g,
    "factor": lambda x, g: x * g,
    "constant": lambda x, g: 2.0 * x * g + 0.01,
    "zero": lambda x, g: 0.0 * x * g,
    "slightly": lambda x, g: 2.0002 * x * g,
    "one entry": lambda x, g: 2.0 * x * g * np.array([1.0, 1.0, 1.5, 1.0]),
    "swapped": lambda x, g: 2.0 * x[::-1] * g,
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_reverse_rule_is_caught(kind):
    message = failure(vjp_op(lambda x: x * x, WRONG[kind]), POINTS, modes=("rev",))
    assert message.startswith("check_grads: mode rev, order 1 is wrong in ")


@pytest.mark.parametrize("kind", sorted(set(WRONG) - {"constant"}))
def test_a_wrong_forward_rule_is_caught(kind):
    message = failure(jvp_op(lambda x: x * x, WRONG[kind]), POINTS, modes=("fwd",))
    assert message.startswith("check_grads: mode fwd, order 1 is wrong in ")


def test_the_message_names_the_worst_entry_and_both_values():
    op = vjp_op(lambda x: x * x, lambda x, g: 2.0 * x * g * np.array([[1.0, 1.0, 1.1], [1.0, -1.0, 1.0]]))
    x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    message = failure(lambda pair: op(pair["p"][1]), {"p": (1, x)}, modes="rev")
    assert "is wrong in 2 of 36 entries" in message
    assert "the derivative of output[1, 1] by args[0]['p'][1][1, 1]" in message
    assert "numerical 10," in message
    assert "computed -10," in message
    assert "difference 20, allowed " in message


def test_the_message_of_the_forward_mode_names_output_and_argument():
    op = jvp_op(lambda x: x * x, lambda x, dx: x * dx)
    message = failure(lambda x, y: (x, [op(y)]), 1.0, np.array([1.0, 8.0]), modes="fwd")
    assert "the derivative of output[1][0][1] by args[1][1]: numerical 16, computed 8, difference 8" in message


def test_a_wrong_second_derivative_is_caught_behind_a_right_first_one():
    # The inner op is right in value and wrong in its rule, so the square's first derivative is right.
    inner = vjp_op(lambda x: 2.0 * x, lambda x, g: 3.0 * g)
    square = vjp_op(lambda x: x * x, lambda x, g: inner(x) * g)
    check_grads(square, (POINTS,), order=1, modes="rev")
    message = failure(square, POINTS, order=2, modes="rev")
    assert "mode rev, order 2 (rev over rev)" in message
    assert "cotangent of args[0]" in message


def test_a_wrong_second_forward_derivative_is_caught_behind_a_right_first_one():
    inner = jvp_op(lambda x: 2.0 * x, lambda x, dx: -2.0 * dx)
    square = jvp_op(lambda x: x * x, lambda x, dx: inner(x) * dx)
    check_grads(square, (POINTS,), order=1)
    message = failure(square, POINTS, order=2, modes="fwd")
    assert "mode fwd, order 2 (fwd over fwd)" in message
    assert "tangent of output" in message


def test_a_wrong_third_derivative_is_caught_only_by_the_third_order():
    inner = jvp_op(lambda x: 6.0 * x, lambda x, dx: 5.0 * dx)
    middle = jvp_op(lambda x: 3.0 * x * x, lambda x, dx: inner(x) * dx)
    cube = jvp_op(lambda x: x * x * x, lambda x, dx: middle(x) * dx)
    check_grads(cube, (POINTS,), order=2)
    assert "order 3" in failure(cube, POINTS, order=3)


def test_a_rule_that_does_not_undo_broadcasting_is_caught():
    add = pyad.custom_vjp(lambda x, y: x + y)
    add.defvjp(lambda x, y: (x + y, None), lambda _, g: (g, g))
    with pytest.raises((AssertionError, ValueError), match=r"shape"):
        check_grads(add, (np.ones((3, 2)), np.ones(2)), order=1, modes="rev")


def test_a_rule_that_changes_the_value_is_caught():
    op = pyad.custom_vjp(lambda x: x * x)
    op.defvjp(lambda x: (x * 3.0, x), lambda x, out_bar: (2.0 * x * out_bar,))
    message = failure(op, POINTS, modes="rev")
    assert "the value vjp returns for output is not the value of the function itself" in message


def test_float32_is_checked_to_its_own_precision_but_not_beyond():
    x = POINTS.astype(np.float32)
    check_grads(vjp_op(lambda x: x * x, lambda x, g: x * g * 2.00002), (x,), order=1, modes="rev")
    wrong = vjp_op(lambda x: x * x, lambda x, g: x * g * 2.02)
    assert "mode rev, order 1" in failure(wrong, x, order=1, modes="rev")


def test_tolerances_and_step_can_be_given():
    wrong = vjp_op(lambda x: x * x, lambda x, g: x * g * 2.02)
    check_grads(wrong, (POINTS,), order=1, modes="rev", rtol=0.02)
    check_grads(wrong, (POINTS,), order=1, modes="rev", atol=0.1)
    rough = failure(pnp.exp, POINTS, order=1, eps=0.1)
    assert "allowed" in rough


def test_a_point_at_the_edge_of_the_domain_explains_itself():
    with np.errstate(all="ignore"):
        message = failure(pnp.log, np.array([1.0, 1e-9]), order=1)
    assert "args[0][1]" in message
    assert "not finite around this point" in message


@pytest.mark.parametrize(
    ("args", "options", "error", "message"),
    [
        (POINTS, {}, TypeError, "tuple of arguments, got ndarray"),
        ((POINTS,), {"order": 0}, ValueError, "order must be an integer of at least 1, got 0"),
        ((POINTS,), {"order": True}, ValueError, "order must be an integer"),
        ((POINTS,), {"modes": ("forward",)}, ValueError, "'fwd' and 'rev'"),
        ((POINTS,), {"modes": ()}, ValueError, "'fwd' and 'rev'"),
        ((np.arange(3),), {}, ValueError, "at least one floating point argument"),
        (([POINTS, np.ones(2, np.float16)],), {}, TypeError, r"args\[0\]\[1\] has dtype float16"),
    ],
)
def test_bad_input_is_explained(args, options, error, message):
    with pytest.raises(error, match=message):
        check_grads(lambda x: x, args, **options)


def test_a_function_without_floating_point_output_is_refused():
    with pytest.raises(ValueError, match="at least one floating point output"):
        check_grads(lambda x: None, (POINTS,))
