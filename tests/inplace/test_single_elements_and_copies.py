"""Views of single elements, copies that alias nothing, and indices out of all ranges, as NumPy's own."""

import numpy as np
import pytest

import pyad


def both(call, x):
    """What a function that writes gives by NumPy and traced."""
    expected = call(x.copy())
    value, slope = pyad.jvp(call, (x.copy(),), (np.ones(x.shape),))
    np.testing.assert_array_equal(value, expected)
    back = pyad.vjp(call, x.copy())[1](np.ones(np.shape(expected)))[0]
    np.testing.assert_allclose(np.sum(back), np.sum(slope))


def written(make):
    def call(x):
        y = make(x)
        y[...] = -5.0
        y += 1.0
        return np.concatenate([np.ravel(x), np.ravel(y)])

    return call


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x[None, 0],
        lambda x: x[0, None],
        lambda x: x[..., 0],
        lambda x: x[0, ...],
        lambda x: x[None, -1, None],
        lambda x: x[1:][None, 0],
        lambda x: np.repeat(x[:1], 3),
        lambda x: np.repeat(x[:1], 3, 0),
        lambda x: np.tile(x[:1], 3),
        lambda x: np.tile(x[:1], (2, 1)),
        lambda x: np.repeat(x, 2),
        lambda x: np.tile(x, 2),
        lambda x: x[::2].ravel(),
        lambda x: np.ravel(x[::-1]),
        lambda x: x[1:].ravel(),
        lambda x: x[::2].reshape(-1),
        lambda x: x.reshape(3, 1).T.ravel(),
        lambda x: np.stack([x, x]).T.ravel(),
    ],
)
def test_writes_into_parts_and_copies(make):
    both(written(make), np.arange(1.0, 4.0))


@pytest.mark.parametrize(
    "make", [lambda x: x[0, 0, ...], lambda x: x[..., 1, 2], lambda x: x[None, 0, 1], lambda x: x[0, None, 1]]
)
def test_writes_into_single_elements_of_a_matrix(make):
    both(written(make), np.arange(1.0, 7.0).reshape(2, 3))


@pytest.mark.parametrize("make", [lambda x: np.repeat(x[:1], 3), lambda x: np.tile(x[:1], 3)])
def test_a_write_into_the_source_leaves_the_copy(make):
    def call(x):
        y = make(x)
        x[0] = 9.0
        return np.concatenate([x, y])

    both(call, np.arange(1.0, 4.0))


@pytest.mark.parametrize("index", [2**70, -(2**70), (2**70,), 2**63, -(2**63) - 1])
@pytest.mark.parametrize("transform", [pyad.grad, pyad.compile])
def test_an_index_out_of_all_ranges(index, transform):
    def written(x):
        y = x * 2.0
        y[index] = 1.0
        return np.sum(y)

    for f in (lambda x: np.sum(x[index]), written):
        with pytest.raises(IndexError):
            transform(f)(np.arange(3.0))
    with pytest.raises(IndexError):
        transform(lambda x: x[index, 0])(np.eye(2))
