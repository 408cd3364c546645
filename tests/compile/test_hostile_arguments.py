"""Arguments that do something while they are looked at, and other threads that look on while a program runs.

Many of these show only under AddressSanitizer: `python tests/run.py --only asan tests/compile`.
"""

import contextlib
import gc
import sys
import threading

import numpy as np
import pytest

import pyad
from pyad._compile.program import Program


class Acting:
    """Equal to all of its kind, and does something when it is compared."""

    def __init__(self, act=lambda: None):
        self.act = act

    def __eq__(self, other):
        if not isinstance(other, Acting):
            return NotImplemented
        self.act()
        other.act()
        return True

    def __hash__(self):
        return 1


class Key(Acting):
    """The same as a key of a dict."""


def recorded(function, *args):
    """The compiled function, ready to be called the short way."""
    f = pyad.compile(function)
    for _ in range(3):
        f(*args)
    assert f.recorded == 1
    return f


def test_comparing_a_static_argument_empties_the_list_of_the_others():
    f = recorded(lambda mark, arrays, scale: arrays[0] * scale, Acting(), [np.arange(400.0)], 2.0)
    arrays = [np.arange(400.0)]
    np.testing.assert_array_equal(f(Acting(arrays.clear), arrays, 2.0), 2.0 * np.arange(400.0))
    assert arrays == []


def test_comparing_a_static_argument_empties_the_containers_around_it():
    f = recorded(lambda tree: tree["a"][1][0] + tree["b"], {"a": [Acting(), [np.ones(3)]], "b": np.ones(3)})
    tree = {"a": [None, [np.ones(3)]], "b": np.ones(3)}
    inner = tree["a"]

    def act():
        tree.clear()
        inner.clear()
        gc.collect()

    inner[0] = Acting(act)
    np.testing.assert_array_equal(f(tree), np.full(3, 2.0))


def test_comparing_a_key_empties_the_dict():
    key = Key()
    f = recorded(lambda tree: next(iter(tree.values())) * 2.0, {key: np.ones(300)})
    tree = {}
    tree[Key(tree.clear)] = np.ones(300)
    # Which of the two it sees, the array or no entry, is a matter of when; never anything else.
    with contextlib.suppress(RuntimeError, KeyError, StopIteration, ValueError):
        np.testing.assert_array_equal(f(tree), np.full(300, 2.0))


def test_comparing_a_static_argument_changes_the_size_of_an_array():
    f = recorded(lambda x, mark: x * 2.0, np.ones(1000), Acting())
    x = np.ones(1000)
    result = f(x, Acting(lambda: x.resize(100_000, refcheck=False)))
    assert result.shape in ((1000,), (100_000,))
    np.testing.assert_array_equal(result[:1000], np.full(1000, 2.0))


@pytest.mark.parametrize("act", ["clear", "call"])
def test_comparing_a_static_argument_uses_the_compiled_function(act):
    f = recorded(lambda x, mark: np.sum(x * x), np.ones(30), Acting())
    nested = []

    def use():
        if not nested:
            nested.append(None)
            f.clear() if act == "clear" else nested.append(f(np.full(30, 2.0), Acting()))

    assert f(np.ones(30), Acting(use)) == 30.0
    assert nested in ([None], [None, 120.0])


def test_an_exception_of_a_comparison_goes_on():
    def fail():
        raise OSError("looked at")

    f = recorded(lambda x, mark: x * 2.0, np.ones(3), Acting())
    with pytest.raises(OSError, match="looked at"):
        f(np.ones(3), Acting(fail))
    np.testing.assert_array_equal(f(np.ones(3), Acting()), [2.0, 2.0, 2.0])


def test_an_array_that_a_transform_reads_cannot_be_resized():
    w = np.ones(1000)

    def f(x):
        y = np.sum(x * w)
        with pytest.raises(ValueError, match="resize"):
            w.resize(100_000, refcheck=False)
        return y

    np.testing.assert_array_equal(pyad.grad(f)(np.ones(1000)), np.ones(1000))
    w.resize(10, refcheck=False)  # as before, now that nothing reads it


class Claiming(np.ndarray):
    """An array that says of itself what is not so."""

    @property
    def shape(self):
        return (10_000,)


def test_a_shape_that_is_claimed_is_not_believed():
    x, claiming = np.arange(3.0), np.arange(3.0).view(Claiming)
    np.testing.assert_array_equal(pyad.grad(lambda x: np.sum(x * x))(claiming), 2.0 * x)
    np.testing.assert_array_equal(pyad.grad(lambda x: np.sum(x * claiming))(x), x)
    np.testing.assert_array_equal(pyad.jvp(lambda x: x * x, (claiming,), (x,))[1], 2.0 * x * x)
    f = pyad.compile(lambda x: x * 2.0)
    for _ in range(3):
        np.testing.assert_array_equal(f(claiming), 2.0 * x)
        np.testing.assert_array_equal(f(np.arange(5.0).view(Claiming)), 2.0 * np.arange(5.0))
        np.testing.assert_array_equal(f(np.ones(10_000)), np.full(10_000, 2.0))


def test_threads_make_the_short_way_of_one_program_at_once(monkeypatch):
    """All come to it at the same moment; what one has made is not freed under another."""
    make = Program._make_caller
    together = threading.Barrier(2)

    def slow(self, *args):
        with contextlib.suppress(threading.BrokenBarrierError):
            together.wait(1)
        made = make(self, *args)
        with contextlib.suppress(threading.BrokenBarrierError):
            together.wait(1)
        return made

    f = pyad.compile(lambda x: (x * 2.0, np.sum(x)))
    x = np.arange(50.0)
    f(x)
    program = f.program
    structure, leaves = pyad.tree.flatten(((x,), {}))[1], [x]
    program._short.clear()
    monkeypatch.setattr(Program, "_make_caller", slow)
    found = []

    def work():
        call = program.caller(structure, leaves)
        gc.collect()
        found.append((call, call(((x,), {}))))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(call) for call, _ in found}) == 1
    # One of two that run at the same moment is told to go the long way.
    for _, computed in found:
        if computed is not None:
            np.testing.assert_array_equal(computed[0], 2.0 * x)
            assert computed[1] == np.sum(x)


# ---- others look on ----


def _look(stop, kept):
    while not stop.is_set():
        kept[:] = gc.get_objects()


def test_another_thread_has_the_collector_list_all_objects():
    """Then it holds the tuples in which results are put together."""
    f = pyad.compile(lambda x: (np.sum(x), np.sum(np.linalg.inv(x)), np.trace(x)))
    g = pyad.value_and_grad(lambda x: np.sum(np.linalg.inv(x) @ x[:, 0]))
    x = np.eye(60) + 0.01
    expected, slope = f(x), g(x)
    stop, kept = threading.Event(), []
    thread = threading.Thread(target=_look, args=(stop, kept))
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread.start()
    try:
        for _ in range(600):
            assert f(x) == expected
        for _ in range(30):
            np.testing.assert_array_equal(g(x)[1], slope[1])
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(before)


@pytest.mark.parametrize("hook", [sys.settrace, sys.setprofile])
def test_a_debugger_looks_on(hook):
    looked = []

    def look(frame, event, _arg):
        looked.append((event, len(frame.f_locals)))
        return look

    f = pyad.compile(lambda x: (np.sum(np.linalg.inv(x)), x * 2.0))
    g = pyad.value_and_grad(lambda x: np.sum(np.linalg.inv(x) * x))
    x = np.eye(3) + 0.5
    plain, slope = f(x), g(x)
    before = sys.gettrace() if hook is sys.settrace else sys.getprofile()
    hook(look)
    try:
        results = [f(x) for _ in range(3)]
        slopes = g(x)
    finally:
        hook(before)
    for total, doubled in results:
        assert total == plain[0]
        np.testing.assert_array_equal(doubled, plain[1])
    np.testing.assert_array_equal(slopes[1], slope[1])
    assert looked
