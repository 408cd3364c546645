"""Containers, functions and other objects outside a compiled function's arguments: the right value after any change."""

import collections
import contextlib
import contextvars
import functools
import os
import types
import weakref

import numpy as np
import pytest

import pyad
from tests.compile.test_compile import same
from tests.support.changes import Cases, X, check

CASES = Cases()


# ---- containers ----


@CASES.add
def containers_of_collections():
    d, s = collections.deque([1.0, 2.0]), {3.0}
    chain = collections.ChainMap({"a": 1.0}, {"b": 2.0})
    inner = {"k": 1.0}
    proxy = types.MappingProxyType(inner)
    counter, default = collections.Counter("aab"), collections.defaultdict(float, k=1.0)
    ordered = collections.OrderedDict(a=1.0, b=2.0)
    user = collections.UserDict(k=1.0)

    def f(x):
        return (
            x * d[0]
            + sum(s)
            + chain["b"]
            + proxy["k"]
            + counter["a"]
            + default["k"]
            + next(iter(ordered.values()))
            + user["k"]
        )

    return (
        f,
        lambda: d.append(4.0),
        lambda: d.appendleft(5.0),
        lambda: s.add(9.0),
        lambda: chain.maps[1].update(b=7.0),
        lambda: chain.maps.insert(0, {"b": 8.0}),
        lambda: inner.update(k=3.0),
        lambda: counter.update("a"),
        lambda: default.update(k=5.0),
        lambda: ordered.move_to_end("a"),
        lambda: user.update(k=6.0),
    )


@CASES.add
def long_list():
    items = [0.0] * 5000
    return lambda x: x + sum(items), lambda: items.__setitem__(4321, 1.0)


@CASES.add
def deep_containers():
    inner = [1.0]
    outer = inner
    for _ in range(50):
        outer = [outer]

    def f(x):
        found = outer
        while isinstance(found[0], list):
            found = found[0]
        return x * found[0]

    return f, lambda: inner.__setitem__(0, 2.0)


@CASES.add
def keys_in_another_order():
    weights = {"a": 2.0, "b": 3.0}

    def turn():
        first = next(iter(weights))
        weights[first] = weights.pop(first)

    return lambda x: functools.reduce(lambda h, k: np.tanh(h * weights[k]) + weights[k], weights, x), turn, turn


@CASES.add
def subclasses_of_containers():
    class Params(dict):
        scale = 1.0

        def __getitem__(self, key):
            return super().__getitem__(key) * self.scale

    class Items(list):
        pass

    p, items = Params(k=2.0), Items([1.0])
    items.extra = 1.0
    return (
        lambda x: x * p["k"] + items[0] + items.extra,
        lambda: p.update(k=3.0),
        lambda: setattr(p, "scale", 4.0),
        lambda: items.append(1) or items.__setitem__(0, 3.0),
        lambda: setattr(items, "extra", 3.0),
    )


@CASES.add
def numbers_that_look_the_same():
    held = [1]
    return (
        lambda x: x * (2.0 if type(held[0]) is bool else 1.0) + (3.0 if type(held[0]) is float else 0.0),
        lambda: held.__setitem__(0, True),
        lambda: held.__setitem__(0, 1.0),
        lambda: held.__setitem__(0, 1),
    )


@CASES.add
def zeros_of_either_sign_and_nan():
    held = {"k": 0.0}
    return lambda x: x * np.copysign(1.0, held["k"]), lambda: held.update(k=-0.0), lambda: held.update(k=float("nan"))


class Holder:
    def __init__(self, it):
        self.it = it


# ---- functions ----


@CASES.add
def closures_in_closures():
    k = 2.0

    def outer():
        def middle():
            def inner(x):
                return x * k

            return inner

        return middle

    def change(value):
        nonlocal k
        k = value

    made = outer()
    return lambda x: made()(x), lambda: change(3.0), lambda: change(4.0)


@CASES.add
def partials_and_decorators():
    table = [2.0]

    def scaled(x, k, extra=()):
        return x * k[0] + sum(extra)

    def decorate(f):
        calls = {"n": 1.0}

        @functools.wraps(f)
        def inner(*args):
            return f(*args) * calls["n"]

        inner.calls = calls
        return inner

    extra = [1.0]
    g = decorate(functools.partial(functools.partial(scaled, k=table), extra=extra))
    return g, lambda: table.__setitem__(0, 3.0), lambda: extra.append(2.0), lambda: g.calls.update(n=5.0)


@CASES.add
def defaults_that_are_changed():
    def f(x, table=[2.0], *, more={"k": 1.0}):  # noqa: B006
        return x * table[0] + more["k"]

    return (
        f,
        lambda: f.__defaults__[0].__setitem__(0, 3.0),
        lambda: f.__kwdefaults__["more"].update(k=4.0),
        lambda: setattr(f, "__defaults__", ([7.0],)),
    )


@CASES.add
def code_that_is_replaced():
    def helper(x):
        return x * 2.0

    return lambda x: helper(x), lambda: setattr(helper, "__code__", (lambda x: x * 3.0).__code__)


@CASES.add
def attributes_of_functions():
    def f(x):
        return x * f.rate

    f.rate = 2.0
    return f, lambda: setattr(f, "rate", 3.0)


@CASES.add
def functions_in_containers():
    k = [2.0]
    steps = {"a": lambda x: x * k[0], "b": [np.tanh, lambda x: x + 1.0]}

    def f(x):
        x = steps["a"](x)
        for step in steps["b"]:
            x = step(x)
        return x

    return f, lambda: k.__setitem__(0, 3.0), lambda: steps["b"].pop(), lambda: steps.update(a=np.sin)


@CASES.add
def dispatch_by_type():
    @functools.singledispatch
    def scale(k, x):
        return x

    scale.register(int, lambda k, x: x * 2.0)
    key = [1]
    return (
        lambda x: scale(key[0], x),
        lambda: scale.register(int, lambda k, x: x * 3.0),
        lambda: key.__setitem__(0, "a"),
    )


@CASES.add
def cached_function():
    table = {"k": 2.0}

    @functools.lru_cache
    def scale():
        return table["k"]

    scale()
    return lambda x: x * scale(), lambda: (table.update(k=3.0), scale.cache_clear())


@CASES.add
def context_manager_and_generator_made_inside():
    table = [1.0, 2.0]

    @contextlib.contextmanager
    def scaled():
        yield table[0]

    def rows():
        yield from table

    def f(x):
        with scaled() as k:
            return x * k + sum(rows()) + sum(v for v in table) + next(iter(table))

    return f, lambda: table.__setitem__(0, 3.0), lambda: table.append(2.0)


@CASES.add
def functions_of_c_that_call_back():
    table = {"a": 2.0, "b": 1.0}
    return (
        lambda x: sum(x * table[k] for k in sorted(table, key=lambda k: table[k])),
        lambda: table.update(a=0.5),
        lambda: table.update(c=4.0),
    )


@CASES.add
def bound_methods_that_are_held():
    class A:
        k = 2.0

        def scale(self, x):
            return x * self.k

    a = A()
    scale, get = a.scale, {"k": 3.0}.get
    return lambda x: scale(x) * get("k"), lambda: setattr(a, "k", 3.0), lambda: get.__self__.update(k=1.0)


@CASES.add
def compiled_and_gradient_functions_outside():
    table = [2.0]
    inner = pyad.compile(lambda x: np.sum(x**2) * table[0])
    slope = pyad.grad(inner)
    return lambda x: slope(x) * inner(x), lambda: table.__setitem__(0, 3.0)


@CASES.add
def context_variables_and_weak_references():
    variable = contextvars.ContextVar("rate", default=2.0)
    held = Holder(None)
    held.k = 1.0
    ref = weakref.ref(held)
    return lambda x, held=held: x * variable.get() + ref().k, lambda: variable.set(3.0), lambda: setattr(held, "k", 4.0)


@CASES.add
def environment():
    os.environ["PYAD_TEST_RATE"] = "2.0"
    return (
        lambda x: x * float(os.environ["PYAD_TEST_RATE"]),
        lambda: os.environ.__setitem__("PYAD_TEST_RATE", "3.0"),
        lambda: os.putenv("PYAD_TEST_OTHER", "1"),
    )


@CASES.add
def exceptions_that_are_held():
    class Stop(Exception):
        pass

    problem = Stop("a")
    problem.k = 2.0

    def f(x):
        try:
            raise problem
        except Stop as e:
            return x * e.k

    return f, lambda: setattr(problem, "k", 3.0)


@CASES.add
def objects_of_scipy():
    interpolate = pytest.importorskip("scipy.interpolate")
    spline = interpolate.CubicSpline(np.arange(4.0), np.arange(4.0) ** 2)
    return lambda x: x * spline(1.5), lambda: spline.c.__imul__(2.0)


@CASES.add
def state_that_the_function_changes_itself():
    class A:
        n = 0

        def tick(self):
            self.n += 1
            return self.n

    a, b = A(), A()
    fast = pyad.compile(lambda x: x * a.tick())
    for _k in range(1, 6):
        same(fast(X), X * b.tick())
    return lambda x: x, lambda: None


@pytest.mark.parametrize("name", CASES)
def test_changes_outside_are_seen(name):
    f, *changes = CASES[name]()
    check(f, *changes)
