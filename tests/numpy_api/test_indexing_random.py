"""Indices of every kind that NumPy takes or refuses, in any mixture: the same value, derivative or class of error."""

import warnings

import numpy as np
import pytest

import pyad

KINDS = (
    lambda rng, n: int(rng.integers(-n - 1, n + 1)),
    lambda rng, n: np.int8(rng.integers(-n, n)) if n else np.uint64(0),
    lambda rng, n: slice(*(rng.choice([None, -9, -2, -1, 1, 2, 9]) for _ in range(3))),
    lambda rng, n: None,
    lambda rng, n: Ellipsis,
    lambda rng, n: rng.integers(-n, max(n, 1), rng.integers(3)).tolist(),
    lambda rng, n: rng.integers(-n, max(n, 1), 2),
    lambda rng, n: rng.integers(-n, max(n, 1), (rng.integers(1, 3), 2)),
    lambda rng, n: np.array(rng.integers(-n, max(n, 1))),
    lambda rng, n: [True, False, np.True_, np.False_, np.array(True), np.array(False)][rng.integers(6)],
    lambda rng, n: rng.random(n) > 0.5,
    lambda rng, n: (rng.random(n) > 0.5).tolist(),
    lambda rng, n: rng.random((n, rng.integers(1, 4))) > 0.5,
    lambda rng, n: [[0, 0], [0, 0]],
    lambda rng, n: (0, 0),
    lambda rng, n: np.zeros((0, 2), int),
    lambda rng, n: np.zeros(3, np.uint8),
    lambda rng, n: range(min(n, 2)),
    lambda rng, n: [1.0, "a", np.array([0.5]), np.array([]), [0.5], 1j, {}, object][rng.integers(8)],
)


def drawn(rng):
    shape = tuple(int(n) for n in rng.choice([0, 1, 2, 3, 3], rng.integers(5), p=[0.04, 0.24, 0.24, 0.24, 0.24]))
    items = []
    for axis in range(rng.integers(5)):
        kind = KINDS[rng.integers(len(KINDS))]
        items.append(kind(rng, shape[axis] if axis < len(shape) else 2))
    return np.arange(1.0, 1.0 + np.prod(shape, dtype=int)).reshape(shape), items[0] if len(items) == 1 else tuple(items)


@pytest.mark.parametrize("seed", range(8))
def test_any_mixture_of_indices_reads_scatters_or_is_refused_as_in_numpy(seed):
    rng = np.random.default_rng(seed)
    read = 0
    for _ in range(150):
        x, index = drawn(rng)
        try:
            want = x[index]
        except (IndexError, TypeError, ValueError) as problem:
            with pytest.raises(type(problem)):
                pyad.vjp(lambda x, index=index: x[index], x)
            continue
        read += 1
        value, pullback = pyad.vjp(lambda x, index=index: x[index], x)
        assert np.shape(value) == np.shape(want), index
        np.testing.assert_array_equal(value, want)
        seed_values = np.arange(1.0, 1.0 + want.size).reshape(want.shape)
        scattered = np.zeros_like(x)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            np.add.at(scattered, index, seed_values)
        np.testing.assert_array_equal(pullback(seed_values)[0], scattered)
    assert read > 20
