"""What a compiled function may not do while it is recorded, what cannot be watched, and what is declared constant: each
is said by name."""

import contextlib
import datetime
import functools
import gc
import itertools
import os
import random
import time
import types
import warnings

import numpy as np
import pytest

import pyad
from pyad import CompileWarning
from tests.compile.test_compile import same
from tests.support.changes import X, refused, warned

# ---- what is refused ----


OWN = np.random.default_rng(0)

DRAWS = {
    "made inside": lambda x: x + np.random.default_rng().normal(),
    "seeded by the system": lambda x: x + np.random.Generator(np.random.PCG64()).normal(),
    "legacy, made inside": lambda x: x + np.random.RandomState().normal(),
    "of the module": lambda x: x + np.random.normal(),  # noqa: NPY002
    "a global": lambda x: x + OWN.normal(),
    "a bit generator": lambda x, b=OWN.bit_generator: x + float(b.random_raw() % 7),
    "a bound method": lambda x, draw=OWN.normal: x + draw(),
    "a partial": lambda x, draw=functools.partial(OWN.normal, 0.0): x + draw(),  # noqa: B008
    "mapped": lambda x: x + sum(map(OWN.normal, [0.0, 1.0])),
    "Python's": lambda x: x * random.random(),
    "Python's normal": lambda x: x * random.gauss(0.0, 1.0),
    "Python's, made inside": lambda x: x * random.Random().random(),
    "of the system": lambda x: x * random.SystemRandom().random(),
    "bytes": lambda x: x * os.urandom(1)[0],
    "shuffled": lambda x, order=[0, 1, 2]: x[random.shuffle(order) or order],
    "a choice": lambda x: x * random.choice([1.0, 2.0]),
}


@pytest.mark.parametrize("name", DRAWS)
def test_random_draws_are_refused(name):
    assert "the function drew random numbers" in refused(DRAWS[name])


def test_random_draws_are_named():
    held = {"rng": np.random.default_rng(1)}
    assert "from OWN" in refused(lambda x: x + OWN.normal())
    assert "from held['rng']" in refused(lambda x: x + held["rng"].normal())

    class Model:
        def __init__(self):
            self.rng = np.random.default_rng(2)

        def noise(self, x):
            return x + self.rng.normal()

    assert "from Model.rng" in refused(Model().noise)


def test_a_generator_of_a_given_seed_made_inside_gives_the_same_always():
    def f(x):
        return x + np.random.default_rng(3).normal(size=3)

    fast = pyad.compile(f)
    for k in (1.0, 2.0):
        same(fast(X * k), f(X * k))


CLOCKS = {
    "time.time": lambda x: x * time.time(),
    "time.perf_counter": lambda x: x * time.perf_counter(),
    "time.monotonic_ns": lambda x: x * float(time.monotonic_ns()),
    "datetime.now": lambda x: x * datetime.datetime.now().second,
    "date.today": lambda x: x * datetime.date.today().day,
    "time.localtime": lambda x: x * time.localtime().tm_sec,
}


@pytest.mark.parametrize("name", CLOCKS)
def test_clocks_are_refused(name):
    message = refused(CLOCKS[name])
    assert "the function read a clock" in message
    assert name.partition(".")[2] in message


def test_clocks_of_a_subclass_in_a_helper_of_another_function():
    class When(datetime.datetime):
        pass

    def helper():
        return next(When.now() for _ in range(1)).second

    assert "read a clock" in refused(lambda x: x * helper())


def test_a_log_entry_reads_no_clock_for_the_function():
    import logging

    log = logging.getLogger("tests.compile")

    def f(x):
        log.warning("x")
        return x * 2.0

    same(pyad.compile(f)(X), X * 2.0)


def one_by_one():
    yield from (1.0, 2.0)


class Holder:
    def __init__(self, it):
        self.it = it

    def use(self, x):
        return x * next(self.it)


ITERATORS = {
    "count": itertools.count,
    "generator": one_by_one,
    "list iterator": lambda: iter([1.0, 2.0]),
    "cycle": lambda: itertools.cycle([1.0, 2.0]),
    "zip": lambda: zip([1.0], [2.0], strict=False),
    "map": lambda: map(float, [1, 2]),
    "enumerate": lambda: enumerate([1.0]),
    "reversed": lambda: reversed([1.0, 2.0]),
    "dict iterator": lambda: iter({1.0: 1}),
    "nditer": lambda: np.nditer(np.arange(3.0)),
}


@pytest.mark.parametrize("name", ITERATORS)
def test_iterators_from_outside_are_refused(name):
    it = ITERATORS[name]()
    message = refused(lambda x: x + next(it))
    assert message.startswith("compile: it,")
    assert "is an iterator" in message
    assert "Holder.it" in refused(Holder(ITERATORS[name]()).use)
    held = {"items": [ITERATORS[name]()]}
    assert "held['items'][0]" in refused(lambda x: x + next(held["items"][0]))


def test_an_iterator_that_is_refused_has_not_moved():
    it = iter([1.0, 2.0])
    refused(lambda x: x + next(it))
    assert next(it) == 1.0


def test_an_iterator_of_a_class_in_python_is_recorded_again():
    class Count:
        n = 0

        def __iter__(self):
            return self

        def __next__(self):
            self.n += 1
            return self.n

    ours, theirs = Count(), Count()
    fast = pyad.compile(lambda x: x * next(ours))
    for _ in range(4):
        same(fast(X), X * next(theirs))


# ---- what cannot be watched ----


def test_objects_of_c_are_warned_of():
    import ctypes
    import sqlite3

    cell = ctypes.c_double(2.0)
    warned(lambda x: np.sum(x) * cell.value, "cell (c_double)")

    class Config:
        def __init__(self):
            self.cell = cell

        def scale(self, x):
            return np.sum(x) * self.cell.value

    warned(Config().scale, "Config.cell (c_double)")
    with contextlib.closing(sqlite3.connect(":memory:")) as base:
        warned(lambda x: np.sum(x) * base.execute("select 2").fetchone()[0], "base (Connection)")


def test_objects_like_data_frames_are_warned_of():
    import decimal

    class Blocks(decimal.Context):  # a class whose base has its state in C
        pass

    class Frame:
        def __init__(self):
            self.blocks = Blocks()

        def __getitem__(self, name):
            return self.blocks.prec

    frame = Frame()
    warned(lambda x: np.sum(x) * frame["a"], "Frame.blocks (")


def test_files_and_threads_are_warned_of(tmp_path):
    import threading

    path = tmp_path / "k.txt"
    path.write_text("2.0")

    def read(x):
        with open(path) as file:
            return np.sum(x) * float(file.read())

    def start(x):
        thread = threading.Thread(target=lambda: None)
        thread.start()
        thread.join()
        return np.sum(x)

    warned(read, "io.open gives")
    warned(start, "_thread.start_new_thread")


def test_variables_of_functions_that_c_holds_are_warned_of():
    def make():
        k = [2.0]
        return np.frompyfunc(lambda n: n * k[0], 1, 1)

    scale = make()
    warned(lambda x: np.sum(x) * float(scale(3.0)), "the variables of ")


def test_large_arrays_and_lists_are_warned_of_once():
    large = np.ones(1 << 20)
    items = [0.0] * 200_000
    assert "large and compared" in warned(lambda x: np.sum(x) * large[0], "large")
    assert "items" in warned(lambda x: np.sum(x) * items[0], "items")


def test_what_keeps_changing_is_named():
    w = np.ones(3)
    fast = pyad.compile(lambda x: x * w)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for k in range(20):
            w[0] = k
            same(fast(X), X * w)
    assert [x.category for x in caught] == [CompileWarning]
    assert "since w, which it finds outside its arguments, keeps changing" in str(caught[0].message)
    assert "pass it as an argument" in str(caught[0].message)


# ---- what is declared constant ----


def test_constants_are_not_watched():
    w, other, config = np.ones(3), np.ones(3), {"k": 2.0}
    fast = pyad.compile(lambda x: x * w * config["k"] + other, constants=[w, config])
    same(fast(X), X * 2.0 + 1.0)
    w[0], config["k"] = 5.0, 3.0
    same(fast(X), X * 2.0 + 1.0)
    other[:] = 2.0
    same(fast(X), X * w * 3.0 + 2.0)
    assert fast.recorded == 2


def test_nothing_is_watched_where_all_is_constant():
    w, config = np.ones(3), types.SimpleNamespace(k=2.0)
    fast = pyad.compile(lambda x: x * w * config.k, constants="all")
    same(fast(X), X * 2.0)
    w[0], config.k = 5.0, 3.0
    same(fast(X), X * 2.0)
    assert fast.program.report()["watched"] == 0
    assert "drew random numbers" in refused_with_all(lambda x: x + np.random.normal())  # noqa: NPY002


def refused_with_all(f):
    with pytest.raises(TypeError) as caught:
        pyad.compile(f, constants="all")(X)
    return str(caught.value)


def test_constants_must_be_a_list():
    with pytest.raises(TypeError, match=r"constants must be a list of objects or 'all', got ndarray"):
        pyad.compile(abs, constants=np.ones(3))
    with pytest.raises(ValueError, match=r"constants must be a list of objects or 'all', got 'some'"):
        pyad.compile(abs, constants="some")


def test_what_the_collector_calls_is_not_the_functions():
    def callback(*_):
        time.perf_counter()

    def collecting(x):
        gc.collect()
        return x * 2.0

    gc.callbacks.append(callback)
    try:
        compiled = pyad.compile(collecting)
        assert [compiled(2.0), compiled(3.0)] == [4.0, 6.0]
    finally:
        gc.callbacks.remove(callback)
