"""Indexing against NumPy: values for any index NumPy takes, gradients as the scatter that undoes the read."""

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from support.oracles import LAYOUTS

import pyad
from pyad.testing import check_grads

QUIET = settings(
    max_examples=150, deadline=None, database=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)

SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


def entries(shape):
    """Distinct numbers, so that a wrong place shows."""
    return np.random.default_rng(len(shape)).permutation(np.prod(shape, dtype=int)).reshape(shape) + 0.5


def check_read(x, index):
    """Value, pullback, pushforward and second derivative of a read, against what NumPy says of it."""
    want = x[index]
    value, pullback = pyad.vjp(lambda x: x[index], x)
    assert isinstance(value, np.ndarray if want.ndim else np.float64)
    assert value.shape == want.shape
    np.testing.assert_array_equal(value, want)
    seed = np.arange(1.0, want.size + 1).reshape(want.shape)
    scattered = np.zeros_like(x)
    np.add.at(scattered, index, seed)
    (got,) = pullback(seed)
    np.testing.assert_array_equal(got, scattered)
    assert np.shape(got) == x.shape
    tangent = np.cos(x)
    np.testing.assert_array_equal(pyad.jvp(lambda x: x[index], (x,), (tangent,))[1], tangent[index])
    # d/dx sum(x[i] ** 2 * seed) = scatter(2 x[i] seed), once more along the tangent.
    got = pyad.hvp(lambda x: np.sum(x[index] ** 2 * seed), (x,), (tangent,))
    twice = np.zeros_like(x)
    np.add.at(twice, index, 2 * seed * tangent[index])
    np.testing.assert_allclose(got, twice, rtol=1e-14)


# ---- generated ----


@QUIET
@given(st.data())
def test_basic_indices_read_and_scatter_as_in_numpy(data):
    shape = data.draw(SHAPES)
    index = data.draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    check_read(entries(shape), index)


@QUIET
@given(st.data())
def test_integer_array_indices_read_and_scatter_as_in_numpy(data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4))
    index = data.draw(
        hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(min_dims=0, max_dims=2, max_side=3))
    )
    check_read(entries(shape), index)


@st.composite
def mixed_indices(draw, shape):
    """A tuple of anything that may stand in an index, in any order."""
    result = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=1, max_side=3))
    parts = []
    axis = 0
    dots = False
    while axis < len(shape):
        n = shape[axis]
        kind = draw(st.sampled_from(["int", "slice", "none", "array", "mask", "list", "dots", "stop"]))
        if kind == "stop":
            break
        if kind == "none":
            if len(parts) < 6:
                parts.append(None)
            continue
        if kind == "dots":
            if not dots:
                parts.append(Ellipsis)
                dots = True
                axis += draw(st.integers(0, len(shape) - axis))
            continue
        parts.append(draw(axis_index(kind, n, result)))
        axis += 1
    return tuple(parts)


@st.composite
def axis_index(draw, kind, n, result):
    if kind == "slice":
        return draw(st.slices(n))
    integers = st.integers(-n, n - 1)
    if kind == "int":
        return draw(st.one_of(integers, integers.map(np.int32)))
    if kind == "mask":
        mask = draw(hnp.arrays(bool, (n,)))
        mask[:] = False
        mask[draw(st.integers(0, n - 1))] = True
        return mask
    dtype = draw(st.sampled_from([np.int8, np.int32, np.int64, np.intp]))
    array = draw(hnp.arrays(dtype, draw(st.sampled_from([result, result[-1:], ()])), elements=integers))
    return array.tolist() if kind == "list" and array.ndim else array


@QUIET
@given(st.data())
def test_mixtures_of_all_kinds_read_and_scatter_as_in_numpy(data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4))
    x = entries(shape)
    index = data.draw(mixed_indices(shape))
    try:
        x[index]
    except IndexError:
        with pytest.raises((IndexError, ValueError)):
            pyad.vjp(lambda x: x[index], x)
        return
    check_read(x, index)


@QUIET
@given(st.data())
def test_masks_of_any_shape_read_and_scatter_as_in_numpy(data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
    covered = data.draw(st.integers(0, len(shape)))
    before = data.draw(st.integers(0, len(shape) - covered))
    mask = data.draw(hnp.arrays(bool, shape[before : before + covered]))
    check_read(entries(shape), (*[slice(None)] * before, mask))


# ---- by hand ----

X = np.arange(24.0).reshape(2, 3, 4) + 0.5
INDICES = [
    0,
    -1,
    np.int64(1),
    np.array(1),
    True,
    False,
    np.True_,
    None,
    Ellipsis,
    (),
    (0, 1, 2),
    (..., 0),
    (0, ..., 1),
    (None, 0, None, ..., None),
    slice(None, None, -1),
    (slice(None), slice(5, 0, -2)),
    (slice(2, 2),),
    [0, 1, 1],
    [[0, 1], [1, 0]],
    [],
    ([0, 1], [2, 2]),
    ([0, 1], slice(None), [3, 3]),
    (slice(None), [0, 2], [1, 1]),
    (0, slice(None), [1, 1]),
    (slice(None), 1, [1, 1]),
    ([[0], [1]], [0, 2], 1),
    (slice(None), None, [0, 2]),
    ([0, 1], None, [0, 2]),
    (None, [0, 1], [0, 2], None),
    (slice(1), [[0, 2]], slice(None, None, 2)),
    np.array([1, 0], np.uint8),
    X > 11,
    X[..., 0] > 5,
    (slice(None), np.array([True, False, True])),
    (np.array([True, True]), [0, 2]),
    (0, np.array([True, False, True]), slice(1, 3)),
    np.zeros((2, 3, 4), bool),
    (True, 0),
    ([True, False], 0),
    ([0, 1], 1, ..., [3, 2]),
    ([0, 1], ..., 1, [3, 2]),
]


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_every_form_of_an_index(index):
    check_read(X, index)


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_derivatives_of_a_read_equal_differences(index):
    if np.asarray(X[index]).size == 0:
        return
    check_grads(lambda x: np.sin(x[index]) * 2.0, (X / 10,), order=1)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("index", [1, (slice(None), 2), ([0, 1, 1], slice(None), [3, 0, 0]), X > 7], ids=str)
def test_arrays_of_any_layout_are_read_right(layout, index):
    check_read(LAYOUTS[layout](X), index)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes_stay(dtype):
    x = X.astype(dtype)
    for index in (0, (slice(None), 1), [0, 1], x > 3):
        value, pullback = pyad.vjp(lambda x, index=index: x[index], x)
        assert value.dtype == dtype
        assert pullback(value)[0].dtype == dtype


def test_reading_every_element_gives_every_gradient():
    x = np.linspace(0.0, 1.0, 300)

    def f(x):
        total = 0.0
        for i in range(len(x)):
            total = total + x[i] * x[-1 - i]
        return total

    np.testing.assert_allclose(pyad.grad(f)(x), 2 * x[::-1])
    np.testing.assert_allclose(pyad.hvp(f, (x,), (np.ones(300),)), 2.0)


def test_iteration_unpacking_and_zip():
    def f(x):
        a, b = x
        return sum(p * q for p, q in zip(a, b, strict=True)) + sum(v for row in x for v in row) + max(a[0], b[0])

    x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    np.testing.assert_array_equal(pyad.grad(f)(x), [[5.0, 6.0, 7.0], [3.0, 3.0, 4.0]])


def test_overlapping_and_repeated_reads_add_up():
    x = np.arange(1.0, 8.0)

    def f(x):
        return np.sum(x[1:] * x[:-1]) + np.sum(x[::2]) + 3 * x[-1] + np.sum(x[[0, 0, 6]] ** 2)

    want = np.zeros(7)
    want[:-1] += x[1:]
    want[1:] += x[:-1]
    want[::2] += 1
    want[-1] += 3
    np.add.at(want, [0, 0, 6], 2 * x[[0, 0, 6]])
    np.testing.assert_array_equal(pyad.grad(f)(x), want)
    check_grads(f, (x,), order=2)


def test_views_of_views_lead_back_to_the_array():
    x = np.arange(60.0).reshape(3, 4, 5)
    got = pyad.grad(lambda x: np.sum(x[1:][:, ::-2].T[2, 1:] ** 2))(x)
    want = np.zeros_like(x)
    want[1:][:, ::-2].T[2, 1:] = 2 * x[1:][:, ::-2].T[2, 1:]
    np.testing.assert_array_equal(got, want)


def test_an_index_array_that_changes_afterwards_does_not_change_the_gradient():
    index = np.array([0, 1, 1])
    _, pullback = pyad.vjp(lambda x: x[index], np.arange(3.0))
    index[:] = 2
    try:
        (got,) = pullback(np.ones(3))
    except pyad.errors.MutationError:
        return
    np.testing.assert_array_equal(got, [1.0, 2.0, 0.0])


def test_indices_made_of_traced_values_by_numpy_are_plain():
    x = np.array([3.0, 1.0, 2.0])
    got = pyad.grad(lambda x: np.sum(x[np.argsort(x)] * np.array([1.0, 10.0, 100.0])))(x)
    np.testing.assert_array_equal(got, [100.0, 1.0, 10.0])
    np.testing.assert_array_equal(pyad.grad(lambda x: x[x.argmax()] ** 2)(x), [6.0, 0.0, 0.0])
    np.testing.assert_array_equal(pyad.grad(lambda x: np.sum(x[x > 1.5]))(x), [1.0, 0.0, 1.0])


ERRORS = [
    (3, IndexError, r"index 3 is out of bounds for axis 0 with size 2"),
    (-3, IndexError, r"index -3 is out of bounds for axis 0 with size 2"),
    ((0, 0, 4), IndexError, r"index 4 is out of bounds for axis 2 with size 4"),
    ([0, 2], IndexError, r"index 2 is out of bounds for axis 0 with size 2"),
    ((slice(None), [-4]), IndexError, r"index -4 is out of bounds for axis 1 with size 3"),
    ((0, 0, 0, 0), IndexError, r"too many indices for array: array is 3-dimensional, but 4 were indexed"),
    ((..., ...), IndexError, r"single ellipsis"),
    (1.5, IndexError, r"only integers, slices"),
    (np.array([0.5]), IndexError, r"only integers, slices.*float64"),
    (np.array([True, False, True]), IndexError, r"boolean index.*\(3,\).*\(2,\)"),
    (([0, 1], [0, 1, 2]), IndexError, r"do not broadcast.*\(2,\).*\(3,\)"),
    ("name", IndexError, r"only integers, slices"),
]


@pytest.mark.parametrize(("index", "error", "message"), ERRORS, ids=[str(e[0]) for e in ERRORS])
def test_wrong_indices_raise_the_class_of_numpy_and_say_why(index, error, message):
    with pytest.raises(error, match=message):
        pyad.grad(lambda x: np.sum(x[index]))(X)


def test_a_traced_index_and_parts_of_a_0d_array_are_refused():
    with pytest.raises(TypeError, match="an index must be an integer"):
        pyad.grad(lambda x: x[x[0]])(np.array([0.0, 1.0]))
    with pytest.raises(IndexError, match="0-dimensional"):
        pyad.grad(lambda x: x[0])(1.0)
    with pytest.raises(TypeError, match="0-d"):
        pyad.grad(lambda x: sum(x))(1.0)
    with pytest.raises(TypeError, match="unsized"):
        pyad.grad(lambda x: len(x) * x)(1.0)
    with pytest.raises(TypeError, match="0-d value stands for a NumPy number and cannot be assigned into"):
        pyad.grad(lambda x: x.__setitem__((), 1.0))(1.0)
