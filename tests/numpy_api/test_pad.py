"""np.pad in all modes against NumPy, with derivatives by the array and by what the frame is made of."""

import numpy as np
import pytest
from support.calls import agree, check_call, check_derivatives

import pyad
import pyad.numpy as pnp
from pyad.errors import UnsupportedError

V = np.array([0.7, -1.4, 2.2, 0.9])
A = np.array([[0.3, -1.2, 2.1], [1.7, 0.4, -0.8]])

MODES = {
    "default": {},
    "constant": {"mode": "constant"},
    "constant value": {"constant_values": 2.5},
    "constant pair": {"constant_values": (1.0, -2.0)},
    "constant pairs": {"constant_values": ((1.0, 2.0), (3.0, 4.0))},
    "edge": {"mode": "edge"},
    "empty": {"mode": "empty"},
    "wrap": {"mode": "wrap"},
    "linear_ramp": {"mode": "linear_ramp"},
    "linear_ramp to values": {"mode": "linear_ramp", "end_values": (3.0, -1.0)},
    "maximum": {"mode": "maximum"},
    "maximum of few": {"mode": "maximum", "stat_length": 2},
    "minimum": {"mode": "minimum"},
    "minimum of few": {"mode": "minimum", "stat_length": (1, 2)},
    "mean": {"mode": "mean"},
    "mean of few": {"mode": "mean", "stat_length": ((1, 2), (3, 1))},
    "mean of more": {"mode": "mean", "stat_length": 9},
    "median": {"mode": "median"},
    "median of few": {"mode": "median", "stat_length": 3},
    "reflect": {"mode": "reflect"},
    "reflect even": {"mode": "reflect", "reflect_type": "even"},
    "reflect odd": {"mode": "reflect", "reflect_type": "odd"},
    "symmetric": {"mode": "symmetric"},
    "symmetric odd": {"mode": "symmetric", "reflect_type": "odd"},
}
WIDTHS = [2, (1, 3), ((1, 0), (2, 3)), ((0, 0), (7, 8)), 0, np.array([[3, 1], [0, 2]])]


def for_vector(keywords):
    """The keywords for one axis: of pairs for two, the first."""
    return {
        key: value[0] if isinstance(value, tuple) and isinstance(value[0], tuple) else value
        for key, value in keywords.items()
    }


@pytest.mark.parametrize("name", MODES)
def test_a_mode_fills_the_frame_as_numpy_does(name):
    keywords = MODES[name]
    for width in WIDTHS:
        if name == "empty":
            inside = tuple(
                slice(a, a + n) for n, (a, _) in zip(A.shape, np.broadcast_to(width, (2, 2)).tolist(), strict=True)
            )
            got = pyad.vjp(lambda x, width=width: np.pad(x, width, **keywords), A)[0]
            agree(got[inside], A)
            assert got.shape == np.pad(A, width).shape
            continue
        value = pyad.vjp(lambda x, width=width: np.pad(x, width, **keywords), A)[0]
        agree(value, np.pad(A, width, **keywords), 1e-12)
    if name != "empty":
        check_call(lambda x: np.pad(x, ((1, 2), (3, 2)), **keywords), A, rtol=1e-12)
        check_call(lambda x: np.pad(x, (9, 7), **for_vector(keywords)), V, rtol=1e-12)


@pytest.mark.parametrize("reflect_type", ["even", "odd"])
@pytest.mark.parametrize("mode", ["reflect", "symmetric"])
@pytest.mark.parametrize("length", [1, 2, 3])
def test_short_arrays_are_reflected_again_and_again(mode, reflect_type, length):
    x = V[:length]
    for width in (1, (0, 5), (11, 4)):
        f = lambda x, width=width: np.pad(x, width, mode, reflect_type=reflect_type)  # noqa: E731
        agree(pyad.vjp(f, x)[0], f(x), 1e-11)
        check_derivatives(lambda x, f=f: f(x * x), x)


def test_an_infinite_element_stays_within_its_own_reflections():
    x = np.array([1.0, np.inf, 2.0, 3.0])
    f = lambda x: np.pad(x, (1, 1), "reflect", reflect_type="odd")  # noqa: E731
    agree(pyad.vjp(f, x)[0], f(x))


def test_what_the_frame_is_filled_with_may_be_traced():
    check_derivatives(lambda x, c: np.pad(x, 2, constant_values=c * c) ** 2, A, np.array(0.7))
    check_derivatives(lambda x, c: np.pad(x, 1, constant_values=(c[0], c[1])) ** 2, A, np.array([0.7, 0.3]))
    check_derivatives(lambda x, c: np.pad(x, 2, "linear_ramp", end_values=c) ** 2, A, np.array(0.7))
    check_derivatives(lambda x: np.pad(x, 1, constant_values=x[0]) ** 2, V)
    # NumPy does not look for a traced value among the keywords; our namespace does.
    for f in (
        lambda np, x: np.pad([1.0, 2.0], 1, constant_values=x),
        lambda np, x: np.pad([1.0, 2.0], (1, 2), "linear_ramp", end_values=x),
    ):
        agree(pyad.vjp(lambda x, f=f: f(pnp, x), 0.5)[0], f(np, 0.5))
        np.testing.assert_allclose(pyad.grad(lambda x, f=f: np.sum(f(pnp, x)))(0.5), np.sum(f(np, 1.0) - f(np, 0.0)))


def test_widths_may_be_given_by_axis():
    if np.lib.NumpyVersion(np.__version__) >= "2.4.0":
        check_call(lambda x: np.pad(x, {-1: (1, 2), 0: 3}), A)


def test_a_function_of_ones_own_writes_into_the_lines_or_is_told_that_it_cannot():
    def fill(vector, width, axis, keywords):
        vector[: width[0]] = keywords.get("value", 9.0)
        if width[1]:
            vector[-width[1] :] = axis

    f = lambda x: np.pad(x, ((1, 0), (2, 1)), fill, value=3.0)  # noqa: E731
    try:
        value = pyad.vjp(f, A)[0]
    except UnsupportedError as problem:
        assert "assigned" in str(problem)
    else:
        agree(value, f(A))


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda x: np.pad(x, -1), ValueError),
        (lambda x: np.pad(x, 1.5), TypeError),
        (lambda x: np.pad(x, ((1, 2), (3, 4), (5, 6))), ValueError),
        (lambda x: np.pad(x, 1, "mirror"), ValueError),
        (lambda x: np.pad(x, 1, "edge", constant_values=1.0), ValueError),
        (lambda x: np.pad(x[:, :0], 1, "edge"), ValueError),
        (lambda x: np.pad(x[:, :0], 1, "maximum"), ValueError),
        (lambda x: np.pad(x, 1, "maximum", stat_length=0), ValueError),
    ],
)
def test_what_numpy_refuses_is_refused_with_its_class_of_error(call, error):
    with pytest.raises(error):
        call(A)
    with pytest.raises(error):
        pyad.vjp(call, A)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_statistics_of_nothing_are_nan():
    for mode in ("mean", "median"):
        agree(pyad.vjp(lambda x, mode=mode: np.pad(x, 1, mode, stat_length=0), A)[0], np.pad(A, 1, mode, stat_length=0))


def test_an_empty_axis_that_gets_no_frame_does_not_matter():
    for mode in ("edge", "linear_ramp", "mean", "reflect"):
        f = lambda x, mode=mode: np.pad(x, ((1, 1), (0, 0)), mode)  # noqa: E731
        agree(pyad.vjp(f, A[:, :0])[0], f(A[:, :0]))


def test_empty_and_0_d_arrays_are_padded():
    for x in (np.ones((0, 2)), np.array(1.5)):
        for f in (lambda x: np.pad(x, 2), lambda x: np.pad(x, 1, constant_values=3.0)):
            agree(pyad.vjp(f, x)[0], np.asarray(f(x))[()])
