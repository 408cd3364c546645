"""What a traced array has of an ndarray: every attribute and method works, or says why not."""

import pickle

import numpy as np
import pytest
from support.calls import agree, check_call

import pyad
import pyad.numpy as pnp
from pyad.errors import ConcretizationError, UnsupportedError

A = np.array([[0.3, 1.2, 2.1], [1.7, 0.4, 0.8]])


def look(f, x=A):
    """What f answers for a traced array."""
    answers = []

    def g(x):
        answers.append(f(x))
        return 0.0 * np.sum(x)

    pyad.grad(g)(x)
    return answers[0]


# The families of functions that are defined elsewhere bring their methods with them.
PUBLIC = [name for name in dir(np.ndarray) if not name.startswith("_")]


@pytest.mark.parametrize("name", PUBLIC)
def test_every_attribute_of_an_ndarray_is_there_or_explains_itself(name):
    def touch(x):
        try:
            return getattr(x, name) is not None or name == "base"
        except AttributeError as problem:
            return str(problem)

    answer = look(touch)
    if answer is not True:
        assert f"ndarray.{name}" in answer
        assert "stop_gradient" in answer


def test_layout_and_place_are_answered_as_for_an_ndarray():
    for view in (lambda x: x, lambda x: x.T, lambda x: x[:, ::2], lambda x: x[::-1], lambda x: x[0], lambda x: x[0, 0]):
        want = np.asarray(view(A))
        assert look(lambda x, view=view: view(x).strides) == want.strides
        flags = look(lambda x, view=view: view(x).flags)
        assert (flags.c_contiguous, flags.f_contiguous) == (want.flags.c_contiguous, want.flags.f_contiguous)
    assert look(lambda x: x.base) is None
    if hasattr(A, "device"):
        assert look(lambda x: x.device) == "cpu"
        assert look(lambda x: x.to_device("cpu") is x)
        assert look(lambda x: x.__array_namespace__()) is np
        with pytest.raises(ValueError, match="cpu"):
            look(lambda x: x.to_device("gpu"))


def test_flat_is_an_iterator_that_can_be_indexed():
    assert look(lambda x: len(x.flat)) == 6
    assert look(lambda x: x.flat.coords) == (0, 0)
    assert look(lambda x: x.flat.base is x)
    check_call(lambda x: x.flat[3], A)
    check_call(lambda x: x.flat[-2:], A)
    check_call(lambda x: x.flat[[0, 5, 0]], A)
    check_call(lambda x: np.stack(list(x.T.flat)), A)
    check_call(lambda x: x.T.flat.copy(), A)
    check_call(lambda x: sum(v * k for k, v in enumerate(x.flat)), A)
    check_call(lambda x: next(x.flat) * 2, A)

    def twice(x):
        flat = x.flat
        next(flat)
        return next(flat), flat.coords, len(list(flat))

    value, coords, rest = look(lambda x: (lambda v: (float(pyad.stop_gradient(v[0])), *v[1:]))(twice(x)))
    assert (value, coords, rest) == (A[0, 1], (0, 2), 6)


REFUSED = {
    "tobytes": (lambda x: x.tobytes(), ConcretizationError),
    "tofile": (lambda x: x.tofile("never"), ConcretizationError),
    "dump": (lambda x: x.dump("never"), ConcretizationError),
    "dumps": (lambda x: x.dumps(), ConcretizationError),
    "item": (lambda x: x.item(), ConcretizationError),
    "tolist": (lambda x: x.tolist(), ConcretizationError),
    "pickled": (lambda x: pickle.dumps(x), ConcretizationError),
    "data": (lambda x: x.data, AttributeError),
    "ctypes": (lambda x: x.ctypes, AttributeError),
    "view": (lambda x: x.view(np.int64), UnsupportedError),
    "resize": (lambda x: x.resize((3, 2)), UnsupportedError),
    "byteswap": (lambda x: x.byteswap(), UnsupportedError),
    "getfield": (lambda x: x.getfield(np.int32), UnsupportedError),
    "setfield": (lambda x: x.setfield(0, np.int32), UnsupportedError),
    "setflags": (lambda x: x.setflags(write=False), UnsupportedError),
    "choose": (lambda x: x.choose([1.0, 2.0]), UnsupportedError),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_lose_the_derivative_is_refused_by_name(name):
    call, error = REFUSED[name]
    with pytest.raises(error, match=name):
        look(call)


def test_a_view_without_another_type_is_the_array():
    check_call(lambda x: x.view(), A)
    check_call(lambda x: x.view(x.dtype), A)


def test_methods_take_the_arguments_of_ndarray():
    for call in (
        lambda x: x.reshape(3, 2, order="F"),
        lambda x: x.reshape(-1),
        lambda x: x.transpose(1, 0),
        lambda x: x.transpose((1, 0)),
        lambda x: x.transpose(None),
        lambda x: x[0].transpose(0),
        lambda x: x[0, 0].transpose(),
        lambda x: x.flatten("F"),
        lambda x: x.squeeze(axis=None),
        lambda x: x.swapaxes(0, 1),
        lambda x: x.repeat([1, 2], axis=0),
        lambda x: x.take([0, 1], axis=1, mode="clip"),
        lambda x: x.compress([True, False], axis=0),
        lambda x: x.diagonal(0, 0, 1),
        lambda x: x.trace(0, axis1=1, axis2=0),
        lambda x: x.dot(x.T),
        lambda x: x[:, :, None].mT,
    ):
        check_call(call, A)


def test_an_array_of_one_dimension_has_no_matrix_transpose():
    with pytest.raises(ValueError, match="2-d"):
        look(lambda x: x[0].mT)


def test_length_iteration_unpacking_membership_and_format_are_those_of_an_ndarray():
    def f(x):
        first, second = x
        *_, last = x[0]
        assert len(x) == 2
        assert len(list(x)) == 2
        assert (0.3 in x) is True
        assert (7.0 in x) is False
        assert f"{x[0, 0]:.3f}" == "0.300"
        assert format(x[0, 1], "+.1e") == "+1.2e+00"
        with pytest.raises(TypeError, match="format"):
            f"{x:.3f}"
        with pytest.raises(TypeError, match="unhashable"):
            hash(x)
        with pytest.raises(TypeError, match="0-d"):
            iter(x[0, 0])
        with pytest.raises(TypeError, match="unsized"):
            len(x[0, 0])
        with pytest.raises(ValueError, match="unpack"):
            _, _, _ = x
        return np.sum(first * second) + last

    want = A[::-1].copy()
    want[0, 2] += 1
    np.testing.assert_allclose(pyad.grad(f)(A), want)


def test_functions_that_ask_what_an_array_is_answer():
    single = np.ones(2, np.float32)
    assert look(lambda x: (np.shape(x), np.ndim(x), np.size(x), np.size(x, 1))) == ((2, 3), 2, 6, 3)
    assert look(lambda x: (pnp.shape([x, x]), pnp.ndim([x[0]]), pnp.size([[x[0, 0], 1.0]]))) == ((2, 2, 3), 2, 2)
    assert look(lambda x: (np.iscomplexobj(x), np.isrealobj(x), np.isscalar(x))) == (False, True, False)
    assert look(lambda x: np.result_type(x, 1.0), single) == np.float32
    assert look(lambda x: np.result_type(x, np.float64), single) == np.float64
    assert look(lambda x: np.can_cast(x, np.float64), single)
    assert not look(lambda x: np.can_cast(x, np.float32))
    assert look(lambda x: np.can_cast(x, np.float32, casting="same_kind"))
    assert look(lambda x: np.common_type(x, single)) is np.float64
    assert look(lambda x: np.min_scalar_type(x)) == np.float64
    assert look(lambda x: (np.may_share_memory(x, x), np.shares_memory(x, x[:, 1:]))) == (True, True)
    assert look(lambda x: (np.may_share_memory(x, 2 * x), np.shares_memory(x, np.ones(3)))) == (False, False)
    assert look(lambda x: np.may_share_memory(x[0], x[1])) is False
    assert look(lambda x: np.may_share_memory(x[:0], x)) is False


def test_functions_that_are_constant_give_plain_results():
    for call in (
        lambda x: np.argwhere(x > 1.0),
        lambda x: np.argwhere(x),
        lambda x: np.flatnonzero(x),
        lambda x: np.round(x),
        lambda x: np.around(x, 1),
        lambda x: x.round(1),
        lambda x: np.tril_indices_from(x),
        lambda x: np.triu_indices_from(x, 1),
        lambda x: np.diag_indices_from(x[:, :2]),
        lambda x: np.array_equiv(x, A),
        lambda x: np.isin(x, [0.3, 0.4]),
        lambda x: np.digitize(x, [0.5, 1.0]),
        lambda x: np.isposinf(x),
        lambda x: np.where(x > 1.0),
        lambda x: x[0].searchsorted(1.0),
    ):
        answer = look(call)
        want = call(A)
        assert type(answer) is type(want)
        for got, expected in zip(
            answer if isinstance(want, tuple) else [answer], want if isinstance(want, tuple) else [want], strict=True
        ):
            np.testing.assert_array_equal(got, expected)


def test_an_index_that_ix_makes_of_constants_reads_as_in_numpy():
    check_call(lambda x: x[np.ix_([0, 1], [2, 0])], A)
    check_call(lambda x: x[np.ix_(x[:, 0] > 1.0, [0, 2])], A)
    agree(look(lambda x: np.ix_(np.array([True, False]))[0]), np.ix_([True, False])[0])
