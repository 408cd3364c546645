"""An interrupt at any point of pyad's code: no crash, nothing left behind, and what comes next is right.

A handler of signals may raise between any two steps of the interpreter. Here a trace function does so: it counts the
steps (opcodes) of pyad's own functions and raises at the n-th, for every n that there is.
"""

import contextlib
import gc
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from support.wrong_use import on_thread

import pyad
import pyad.numpy as pnp
from pyad import errors, nn
from pyad._binding import engine

PYAD = str(Path(pyad.__file__).parent)
X = np.linspace(0.1, 1.0, 4)
LONG = np.linspace(0.1, 1.0, 20_000)
STRIDE = 41


@pytest.fixture(autouse=True)
def _numpy_is_left_as_it_was():
    """An interrupt may come where NumPy has changed how it treats floating-point errors, and is to change it back."""
    with np.errstate():
        yield


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
    here = engine.current()
    here.bury()
    counters = engine.counters()
    under_way = [here.depth, engine.lib.pyad_sweep_level(), engine.lib.pyad_in_rule(), here.abstract]
    kept = [type(here.keep), len(here.keep), len(here.dead), len(engine._open), len(engine._saved)]
    return counters["nodes"], counters["live_bytes"], under_way, kept


def every_step(work, stride=1):
    """Interrupts `work` at every step (or every few), and checks what comes after it."""
    expected = work()
    with Interrupter(-1) as whole:
        work()
    clean = state()
    held = []
    for n in range(1, whole.steps + 1, stride):
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


@pyad.custom_vjp
def simple(x):
    return x * x


simple.defvjp(lambda x: (x * x, x), lambda x, s: (2.0 * x * s,))


def own_rule():
    return pyad.grad(simple)(0.5)


def own_rule_that_calls_the_function():
    return pyad.grad(own)(0.5)


@pytest.mark.parametrize("work", [small, large, second_order, pulled, in_place, by_numpy])
def test_every_step(work):
    assert every_step(work) > 500


@pytest.mark.parametrize(("work", "stride"), [(own_rule, 3), (own_rule_that_calls_the_function, 7)])
def test_steps_of_a_rule(work, stride):
    assert every_step(work, stride) > 500


def test_every_step_of_recording_a_rule():
    """On a new engine each time, which has no rules yet."""

    def work():
        return pyad.grad(lambda x: np.arctan(x) * 2.0)(0.5)

    def attempt(n):
        with Interrupter(n) as interrupter, contextlib.suppress(Stop):
            work()
        assert work() == 2.0 / 1.25
        assert state()[2] == [0, 0, 0, False]
        return interrupter.steps

    n = 1
    while on_thread(lambda: attempt(n)) >= n:  # noqa: B023
        n += 1
    assert n > 500


# ---- caught within a transform ----


# Of a tape of its own.
KEPT = pyad.vjp(lambda x: np.exp(x) * x, X[:2])[1]

INNER = {
    "grad": lambda x: np.sum(pyad.grad(lambda y: np.sum(y * y * x))(x)),
    "grad of a constant": lambda x: np.sum(x * pyad.grad(lambda y: np.sum(y * y))(X[:2])),
    "jvp": lambda x: np.sum(pyad.jvp(lambda y: y * x, (X[:2],), (x,))[1]),
    "vjp": lambda x: np.sum(pyad.vjp(lambda y: y * y * x, x)[1](x)[0]),
    "pullback": lambda x: np.sum(KEPT(x)[0]),
    "pullback of a constant": lambda x: np.sum(x * KEPT(X[:2])[0]),
    "custom": lambda x: np.sum(own(x)),
    "numpy_op": lambda x: np.sum(np.linalg.inv(np.diag(x))),
}

OUTER = {
    "grad": lambda f: pyad.value_and_grad(f)(X[:2]),
    "hvp": lambda f: pyad.hvp(f, (X[:2],), (X[2:],)),
}


def goes_on(inner, n, steps, x):
    """What `inner` gives after it was interrupted at step n."""
    try:
        with Interrupter(n) as interrupter:
            inner(x)
    except Stop:
        pass
    steps.append(interrupter.steps)
    return inner(x)


def in_function(inner, n, steps):
    return lambda x: np.sum(x * x) + goes_on(inner, n, steps, x) * 2.0


def in_rule(inner, n, steps):
    """The same in a rule, while the sweep waits for it."""

    @pyad.custom_vjp
    def squares(x):
        return np.sum(x * x)

    squares.defvjp(lambda x: (squares(x), x), lambda x, s: (2.0 * x * s + goes_on(inner, n, steps, x),))
    return lambda x: np.sum(np.exp(x)) + squares(x * 2.0) * 3.0


@pytest.mark.parametrize("outer", OUTER)
@pytest.mark.parametrize("where", [in_function, in_rule])
@pytest.mark.parametrize("inner", INNER)
def test_caught(outer, where, inner):
    """Every step takes minutes. Of these, one in a prime number, another one for each combination."""
    if (outer, where, inner) == ("hvp", in_rule, "custom"):
        return  # custom_vjp has no forward mode
    transform, inner = OUTER[outer], INNER[inner]
    steps = []
    expected = transform(where(inner, -1, steps))
    first = 7 * list(INNER.values()).index(inner) + 3 * len(outer) + len(where.__name__)
    clean = state()[:3]
    refused = 0
    for n in range(1 + first % STRIDE, steps[-1] + 1, STRIDE):
        try:
            np.testing.assert_equal(transform(where(inner, n, [])), expected, err_msg=f"step {n} of {steps[-1]}")
        except (errors.LeakError, errors.EngineError):
            refused += 1  # a pullback's tape was in place and could not be left; nothing is wrong without a word
        np.testing.assert_equal(transform(where(inner, -1, [])), expected, err_msg=f"after step {n} of {steps[-1]}")
        assert state()[:3] == clean, f"step {n} of {steps[-1]}"
    assert refused <= 4


def test_arrays_made_outside_of_transforms_are_plain():
    def work():
        pyad.grad(lambda x: np.sum(x * x))(X)

    with Interrupter(-1) as whole:
        work()
    for n in range(1, whole.steps + 1):
        try:
            with Interrupter(n):
                work()
        except Stop:
            assert type(pnp.zeros(3)) is np.ndarray


# ---- signals ----


MATRIX = np.eye(12)
PARAMS = nn.init_mlp(np.random.default_rng(0), [3, 8, 2])
BATCH = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)
LABELS = np.array([0, 1, 0, 1, 1])
KEPT_INVERSE = pyad.vjp(lambda x: np.linalg.inv(np.outer(x, x) + MATRIX) @ x, LONG[:12])[1]


def mixed(x):
    return np.sum(np.sort(x) * x) + np.linalg.norm(np.linalg.inv(np.outer(x, x) + MATRIX))


def recurrence(x):
    y = pnp.zeros(12)
    for k in range(1, 12):
        y[k] = 0.5 * y[k - 1] + x[k]
    return y[-1]


PROGRAMS = [
    lambda: pyad.hvp(mixed, (LONG[:12],), (np.ones(12),)),
    lambda: pyad.value_and_grad(mixed)(LONG[:12]),
    lambda: pyad.jacobian(lambda x: np.exp(x) * x[::-1])(X),
    lambda: pyad.grad(recurrence)(LONG[:12]),
    lambda: pyad.value_and_grad(lambda p: nn.softmax_cross_entropy(nn.mlp(p, BATCH, "tanh"), LABELS))(PARAMS),
    lambda: KEPT_INVERSE(np.ones(12)),
    lambda: pyad.hessian(lambda x: np.sum(np.sin(x) * own(x)))(X[:2]),
    lambda: pyad.grad(lambda x: np.sum(KEPT_INVERSE(x)[0]))(LONG[:12]),
]


def interrupted(program, seconds):
    """The result, or None where the signal came before it."""
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        result = program()
        signal.setitimer(signal.ITIMER_REAL, 0)
    except Stop:
        result = None
    return result


@pytest.fixture
def alarm_raises():
    def handler(*_):
        raise Stop

    before = signal.signal(signal.SIGALRM, handler)
    yield
    signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="timers are POSIX")
@pytest.mark.usefixtures("alarm_raises")
def test_signals():
    expected = [program() for program in PROGRAMS]
    times = []
    for program in PROGRAMS:
        start = time.perf_counter()
        program()
        times.append(time.perf_counter() - start)
    random = np.random.default_rng(0)
    handed_out = []
    caught = 0
    end = time.monotonic() + 3.0
    while time.monotonic() < end:
        k = random.integers(len(PROGRAMS))
        result = interrupted(PROGRAMS[k], max(1e-6, random.random() * times[k]))
        if result is None:
            caught += 1
        else:
            handed_out.append((k, result))
    for k, result in handed_out:
        np.testing.assert_equal(result, expected[k])
    for program, value in zip(PROGRAMS, expected, strict=True):
        np.testing.assert_equal(program(), value)
    del handed_out[:]
    assert caught > 100
    assert state()[2] == [0, 0, 0, False]


def test_a_rule_gives_what_nobody_else_needs():
    """A value that a rule in Python gives to a sweep that is recorded, and that no rule reads."""
    x = LONG[:30]
    product = [pyad.hvp(lambda x: np.linalg.norm(np.linalg.inv(np.outer(x, x) + np.eye(30))), (x,), (x,))]
    pyad.grad(lambda x: np.sum(-x * x))(np.ones((30, 30)))  # the rule of the negative is known from here on
    product.append(pyad.hvp(lambda x: np.linalg.norm(np.linalg.inv(np.outer(x, x) + np.eye(30))), (x,), (x,)))
    np.testing.assert_array_equal(*product)
