"""What a long call took goes back when it has ended."""

import numpy as np

import pyad
from pyad._binding import engine


def chain(length):
    def f(x):
        for _ in range(length):
            x = x * 1.0000001
        return x

    return f


def test_a_long_tape_is_given_back():
    pyad.grad(chain(300_000))(1.0)
    kept = engine.counters()
    assert kept["tape_bytes"] < 1 << 20
    assert kept["cached_bytes"] < 1 << 20
    np.testing.assert_allclose(pyad.grad(chain(300_000))(1.0), 1.0000001**300_000, rtol=1e-9)


def test_a_short_tape_keeps_its_room():
    pyad.grad(chain(1000))(1.0)
    before = engine.counters()["tape_bytes"]
    assert before > 0
    pyad.grad(chain(1000))(1.0)
    assert engine.counters()["tape_bytes"] == before


def test_a_long_tape_inside_another_transform_stays_until_that_ends():
    def outer(x):
        return pyad.grad(chain(200_000))(x) * x

    np.testing.assert_allclose(pyad.grad(outer)(2.0), 1.0000001**200_000, rtol=1e-9)
    assert engine.counters()["tape_bytes"] < 1 << 20
