"""What a recording leaves behind: nothing traced, no profile function, no object alive, and no write that is lost."""

import collections
import copy
import dataclasses
import gc
import sys
import types
import weakref

import numpy as np
import pytest

import pyad
from pyad.errors import LeakError
from tests.compile.test_compile import same
from tests.support.changes import X

# ---- what stays behind ----


class M:
    def __init__(self):
        self.m, self.items, self.table = np.zeros(3), [], {}
        self.inner = types.SimpleNamespace(k=1.0)

    def attribute(self, g):
        self.m = 0.9 * self.m + g
        return self.m * 2.0

    def new_attribute(self, g):
        self.fresh = g * 2.0
        return self.fresh

    def appended(self, g):
        self.items.append(g * 2.0)
        return g

    def entry(self, g):
        self.table["g"] = g * 2.0
        return g

    def inside(self, g):
        self.inner.k = g * 2.0
        return g

    def by_name(self, g):
        self.m = g * 2.0
        return g

    def nested(self, g):
        self.m = {"a": [g * 2.0]}
        return g

    def discrete(self, g):
        self.m = np.argmax(g)
        return g


LEFT = {
    "attribute": "M.m",
    "new_attribute": "M.fresh",
    "appended": "M.items",
    "entry": "M.table['g']",
    "inside": "SimpleNamespace.k",
    "by_name": "M.m",
    "nested": "M.m",
    "discrete": "M.m",
}


@pytest.mark.parametrize("name", LEFT)
def test_nothing_traced_stays_behind_in_an_object(name):
    model = M()
    fast = pyad.compile(getattr(model, name))
    for _ in range(2):
        with pytest.raises(LeakError) as caught:
            fast(X)
        assert f"in {LEFT[name]}, where" in str(caught.value)
        assert "return it and assign it after the call" in str(caught.value)
        assert fast.programs == []
        same(model.m, np.zeros(3))
        assert model.items == []
        assert model.table == {}
        assert model.inner.k == 1.0
        assert not hasattr(model, "fresh")


KEPT = None
HISTORY = []


def test_nothing_traced_stays_behind_elsewhere():
    def to_global(x):
        global KEPT
        KEPT = x * 2.0
        return x

    def to_list(x):
        HISTORY.append((x, 1.0))
        return x

    last = None

    def to_variable(x):
        nonlocal last
        last = np.sum(x)
        return x

    def to_function(x):
        to_function.last = x * 2.0
        return x

    class C:
        pass

    def to_class(x):
        C.last = x * 2.0
        return x

    cache = collections.deque()

    def to_deque(x):
        cache.append(x * 2.0)
        return x

    def to_default(x, seen=[]):  # noqa: B006
        seen.append(x * 2.0)
        return x

    def to_closure(x):
        HISTORY.append(lambda: x)
        return x

    cases = {
        "KEPT": to_global,
        "HISTORY": to_list,
        "last": to_variable,
        "to_function.last": to_function,
        "C.last": to_class,
        "cache": to_deque,
        "a default of": to_default,
    }
    for place, f in (*cases.items(), ("HISTORY", to_closure)):
        with pytest.raises(LeakError) as caught:
            pyad.compile(f)(X)
        assert f"in {place}" in str(caught.value), place
    assert KEPT is None
    assert HISTORY == []
    assert last is None


def test_results_that_hide_traced_values_are_refused():
    @dataclasses.dataclass
    class Result:
        value: object
        n: int = 0

    class Slotted:
        __slots__ = ("value",)

    def slotted(x):
        made = Slotted()
        made.value = x * 2.0
        return made

    for f, place in (
        (lambda x: Result(x * 2.0), "Result.value"),
        (lambda x: [Result({"a": x})], "Result.value['a']"),
        (slotted, "Slotted.value"),
        (lambda x: {x * 1.0 for _ in range(0)} or (lambda: x), "function (variable x)"),
        (lambda x: (x * k for k in range(3)), "generator (variable x)"),
    ):
        with pytest.raises(LeakError) as caught:
            pyad.compile(f)(X)
        assert f"in {place};" in str(caught.value)
        assert "tuple, list, dict" in str(caught.value)
    same(pyad.compile(lambda x: (x, Result(1.0)))(X)[1].value, 1.0)


def test_an_exception_leaves_nothing_traced_behind():
    model = M()

    def f(x):
        model.m = x * 2.0
        raise KeyError("a")

    with pytest.raises(KeyError):
        pyad.compile(f)(X)
    same(model.m, np.zeros(3))


# ---- arguments that lie outside too ----


def test_an_argument_that_is_written_and_lies_outside_too():
    class Model:
        def __init__(self):
            self.w = np.array([1.0, 2.0, 3.0])

        def step(self, w, x):
            w -= 0.1 * x
            return w / np.linalg.norm(self.w)

    ours, theirs = Model(), Model()
    fast = pyad.compile(ours.step)
    for _ in range(4):
        same(fast(ours.w, X), theirs.step(theirs.w, X))
        same(ours.w, theirs.w)
    apart, same_there = np.ones(3), np.ones(3)
    for _ in range(3):
        same(fast(apart, X), theirs.step(same_there, X))
        same(apart, same_there)
    for _ in range(2):
        same(fast(ours.w[::-1], X), theirs.step(theirs.w[::-1], X))
        same(ours.w, theirs.w)


def test_a_write_into_an_array_outside_says_what_to_do():
    class Model:
        def __init__(self):
            self.w = np.ones(3)

        def step(self, g):
            self.w -= g
            return self.w * 1.0

    with pytest.raises(TypeError, match=r"pass .* as an argument"):
        pyad.compile(Model().step)(X)


# ---- how it looks on ----


def test_a_profile_function_of_the_users_comes_back():
    seen = []

    def profile(frame, event, arg):
        seen.append(event)

    sys.setprofile(profile)
    try:
        pyad.compile(lambda x: x * 2.0)(X)
        assert sys.getprofile() is profile
    finally:
        sys.setprofile(None)


def test_the_profiler_of_python_may_be_on():
    import cProfile

    profiler = cProfile.Profile()
    profiler.enable()
    try:
        same(pyad.compile(lambda x: x * 2.0)(X), X * 2.0)
    finally:
        profiler.disable()
    assert sys.getprofile() is None


def test_the_profile_function_is_gone_after_an_exception():
    with pytest.raises(KeyError):
        pyad.compile(lambda x: {}["a"])(X)
    assert sys.getprofile() is None


# ---- copies, and what keeps what alive ----


def test_a_compiled_method_keeps_no_object_alive():
    class Model:
        def __init__(self):
            self.w = np.ones(3)
            self.me = self

        @pyad.compile
        def step(self, x):
            return x * self.w

    model = Model()
    for k in (1.0, 2.0, 3.0):
        same(model.step(X * k), X * k)
    assert model.step.recorded == 1
    twin = copy.deepcopy(model)
    twin.w[:] = 2.0
    same(twin.step(X), X * 2.0)
    same(model.step(X), X)
    gone = [weakref.ref(model), weakref.ref(twin)]
    del model, twin
    gc.collect()
    assert [ref() for ref in gone] == [None, None]
