"""An interrupt at any point of pyad's code: no crash, nothing left behind, and what comes next is right.

A handler of signals may raise between any two steps of the interpreter. Here a trace function does so: it counts the
steps (opcodes) of pyad's own functions and raises at the n-th, for every n that there is.
"""

import gc
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from wrong_use import on_thread

import pyad
import pyad.numpy as pnp
from pyad import _engine, errors, nn

PYAD = str(Path(pyad.__file__).parent)
X = np.linspace(0.1, 1.0, 4)
LONG = np.linspace(0.1, 1.0, 20_000)


class Stop(KeyboardInterrupt):
    """What is raised in these tests."""


class Interrupter:
    """A context in which Stop is raised at the n-th step of pyad's functions; counts the steps."""

    def __init__(self, n):
        self.n = n
        self.steps = 0

    def __enter__(self):
        self.before = sys.gettrace()
        sys.settrace(self._on_call)
        return self

    def __exit__(self, *_):
        sys.settrace(self.before)

    def _on_call(self, frame, _event, _arg):
        if not frame.f_code.co_filename.startswith(PYAD):
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return self._on_step

    def _on_step(self, _frame, event, _arg):
        if event == "opcode":
            self.steps += 1
            if self.steps == self.n:
                sys.settrace(None)
                raise Stop
        return self._on_step


@pytest.fixture(autouse=True)
def interrupts_in_destructors(monkeypatch):
    """Python reports them and goes on. Also, what there is so far is no concern of the collector."""
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
    pyad.grad(np.sin)(1.0)


def state():
    """Everything that an interrupt could leave behind."""
    engine = _engine.current()
    engine.bury()
    counters = _engine.counters()
    under_way = [engine.depth, _engine.lib.pyad_sweep_level(), _engine.lib.pyad_in_rule(), engine.abstract]
    kept = [type(engine.keep), len(engine.keep), len(engine.dead), len(_engine._open), len(_engine._saved)]
    return counters["nodes"], counters["live_bytes"], under_way, kept


def every_step(work):
    """Interrupts `work` at every step, and checks what comes after it."""
    expected = work()
    with Interrupter(-1) as whole:
        work()
    clean = state()
    held = []
    for n in range(1, whole.steps + 1):
        try:
            with Interrupter(n):
                work()
        except Stop as stop:
            held[:] = [stop]  # as a debugger does: what was interrupted does not go away
        np.testing.assert_equal(work(), expected, err_msg=f"after step {n} of {whole.steps}")
        held.clear()
        assert state() == clean, f"step {n} of {whole.steps}"
    return whole.steps


@pyad.custom_vjp
def own(x):
    return x * x


own.defvjp(lambda x: (own(x), x), lambda x, s: (2.0 * x * s,))


def small():
    return pyad.value_and_grad(lambda x: np.sum(np.exp(x) * x))(X)


def large():
    return pyad.grad(lambda x: np.sum(np.exp(x) * x[::-1] * 2.0))(LONG)[:3].copy()


def second_order():
    return pyad.hvp(lambda x: np.sum(np.sin(x) * x), (X[:1],), (X[1:2],))


def pulled():
    y, pullback = pyad.vjp(lambda x: np.exp(x) * x, X)
    return y, pullback(X)


def in_place():
    def running(x):
        y = pnp.zeros(2)
        y[0] = x[0]
        y[1] = y[0] * x[1]
        return y[1]

    return pyad.grad(running)(X)


def by_numpy():
    return pyad.grad(lambda x: np.linalg.inv(x)[0, 1])(np.array([[2.0, 1.0], [1.0, 3.0]]))


def own_rule():
    return pyad.grad(lambda x: own(x))(0.5)


@pytest.mark.parametrize("work", [small, large, second_order, pulled, in_place, by_numpy, own_rule])
def test_every_step(work):
    assert every_step(work) > 500


def test_every_step_of_recording_a_rule():
    """On a new engine each time, which has no rules yet."""

    def work():
        return pyad.grad(lambda x: np.arctan(x) * 2.0)(0.5)

    def attempt(n):
        with Interrupter(n) as interrupter:
            try:
                work()
            except Stop:
                pass
        assert work() == 2.0 / 1.25
        assert state()[2] == [0, 0, 0, False]
        return interrupter.steps

    n = 1
    while on_thread(lambda: attempt(n)) >= n:  # noqa: B023
        n += 1
    assert n > 500


# ---- caught within a transform ----


KEPT = pyad.vjp(lambda x: np.exp(x) * x, X[:2])[1]
DERIVATIVE_OF_KEPT = np.exp(X[:2]) * (1.0 + X[:2])


INNER = {
    "grad": lambda x: np.sum(pyad.grad(lambda y: np.sum(y * y * x))(x)),
    "grad of a constant": lambda x: np.sum(x * pyad.grad(lambda y: np.sum(y * y))(X[:2])),
    "jvp": lambda x: np.sum(pyad.jvp(lambda y: y * x, (X[:2],), (x,))[1]),
    "vjp": lambda x: np.sum(pyad.vjp(lambda y: y * y * x, x)[1](x)[0]),
    "pullback": lambda x: np.sum(KEPT(x)[0]),
    "pullback of a constant": lambda x: np.sum(x * KEPT(X[:2])[0]),
    "custom": lambda x: np.sum(own(x)),
    "host": lambda x: np.sum(np.linalg.inv(np.diag(x))),
}


def within(inner, n, steps):
    """A function that goes on after an interrupt at step n of `inner`."""

    def function(x):
        y = x * x
        try:
            with Interrupter(n) as interrupter:
                inner(x)
        except Stop:
            pass
        steps.append(interrupter.steps)
        return np.sum(y) + inner(x) * 2.0

    return function


def check_within(transform, inner, stride):
    expected = transform(within(inner, -1, []))
    steps = []
    transform(within(inner, -1, steps))
    clean = state()
    refused = 0
    for n in range(1, steps[-1] + 1, stride):
        try:
            np.testing.assert_equal(transform(within(inner, n, [])), expected, err_msg=f"step {n} of {steps[-1]}")
        except (errors.LeakError, errors.EngineError):
            refused += 1
        np.testing.assert_equal(transform(within(inner, -1, [])), expected)
        assert state() == clean, f"step {n} of {steps[-1]}"
    return refused


@pytest.mark.parametrize("inner", INNER)
def test_caught_in_the_function(inner):
    refused = check_within(lambda f: pyad.value_and_grad(f)(X[:2]), INNER[inner], 1)
    assert refused <= ("pullback" in inner) * 40
