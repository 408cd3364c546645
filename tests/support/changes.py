"""What a compiled function finds outside its arguments: functions, changes of what they read, and how both compare."""

import warnings

import numpy as np
import pytest

import pyad
from pyad import CompileWarning
from tests.compile.test_compile import same

X = np.array([0.5, -1.5, 2.0])


def check(f, *changes, fast=None):
    """Compare with the function itself after each change, twice each time."""
    fast = fast or pyad.compile(f)
    for change in (lambda: None, *changes):
        change()
        for k in (1.0, 2.0):
            want = f(X * k)
            same(fast(X * k), want)
    # And it is not recorded without need.
    before = fast.recorded
    fast(X * 3.0)
    assert fast.recorded == before
    return fast


def refused(f, *args):
    with pytest.raises(TypeError) as caught:
        pyad.compile(f)(*(args or (X,)))
    return str(caught.value)


def warned(f, name, **options):
    fast = pyad.compile(f, **options)
    with pytest.warns(CompileWarning) as caught:
        fast(X)
    assert len(caught) == 1
    message = str(caught[0].message)
    assert name in message
    assert "constants=" in message
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fast(X * 2.0)
        fast(np.ones(4))  # another program, but no other warning
    return message


class Cases(dict):
    """Functions by name, each of which makes a function that reads something outside, and changes of that."""

    def add(self, make):
        self[make.__name__] = make
        return make
