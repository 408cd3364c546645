"""What a compiled function finds outside its arguments: the right value after any change, or a refusal or a warning by
name, and never another number."""

import array
import collections
import contextlib
import contextvars
import copy
import dataclasses
import datetime
import enum
import functools
import gc
import itertools
import operator
import os
import random
import sys
import time
import types
import warnings
import weakref

import numpy as np
import pytest

import pyad
from pyad import CompileWarning
from pyad.errors import LeakError
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


CASES = {}


def case(make):
    """A function that makes another one and changes of what that reads."""
    CASES[make.__name__] = make
    return make


@pytest.mark.parametrize("name", CASES)
def test_changes_outside_are_seen(name):
    f, *changes = CASES[name]()
    check(f, *changes)


# ---- arrays ----


@case
def array_that_plain_numpy_reads_too():
    w = np.array([1.0, 2.0, 3.0])
    return lambda x: x * w / np.linalg.norm(w), lambda: w.__setitem__(0, 7.0), lambda: w.fill(2.0)


@case
def mask_as_an_index_and_as_an_operand():
    m = np.array([True, False, True])
    return lambda x: np.sum(x[m]) + np.where(m, x, 0.0), lambda: m.__setitem__(1, True), lambda: m.fill(False)


@case
def work_array_filled_in_a_loop():
    work = np.zeros(3)

    def f(x):
        total = 0.0
        for k in range(3):
            work[:] = k + 1
            total = total + np.sum(x * work)
        return total

    return f, lambda: work.fill(9.0)


@case
def work_array_filled_by_a_function_of_numpy():
    work = np.ones(3)

    def f(x):
        y = x * work
        np.multiply(work, 3.0, out=work)
        y = y + x * work
        work.fill(1.0)
        return y

    return f, lambda: None


@case
def views_of_one_array():
    base = np.arange(6.0)
    part, other = base[::2], base.reshape(2, 3)[1]
    return lambda x: x * part + other, lambda: base.__setitem__(2, 9.0), lambda: other.fill(3.0)


@case
def transposed_array():
    a = np.arange(9.0).reshape(3, 3).T
    return lambda x: a @ x + a[0], lambda: a.__setitem__((1, 2), 9.0)


@case
def array_of_another_shape():
    a = np.arange(3.0)

    def resize():
        a.resize(6, refcheck=False)
        a[3:] = 5.0

    return lambda x: np.sum(a) * x + len(a), resize, lambda: setattr(a, "shape", (2, 3))


@case
def array_of_another_dtype():
    a = np.arange(3.0)
    return lambda x: x * a.astype(float), lambda: setattr(a, "dtype", np.int64)


@case
def array_of_objects():
    a = np.array([1.0, [2.0]], dtype=object)
    return lambda x: x * a[0] + a[1][0], lambda: a.__setitem__(0, 3.0), lambda: a[1].__setitem__(0, 5.0)


@case
def array_of_dates():
    a = np.array(["2020-01-01", "2021-01-01"], dtype="datetime64[D]")
    return lambda x: x * (a[1] - a[0]).astype(float), lambda: a.__setitem__(1, np.datetime64("2022-01-01"))


@case
def structured_array():
    a = np.zeros(3, dtype=[("k", float), ("n", int)])
    return lambda x: x + a["k"] + a["n"], lambda: a["k"].fill(2.0), lambda: a["n"].fill(3)


@case
def zero_dimensional_array():
    a = np.array(2.0)
    return lambda x: x * a, lambda: a.fill(3.0), lambda: a.__setitem__((), 4.0)


@case
def matrix_from_outside():
    a = np.array([[1.0, 2.0, 3.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        m = np.matrix(a)
    return lambda x: x * np.asarray(m)[0], lambda: m.__setitem__((0, 1), 9.0)


@case
def masked_array_from_outside():
    m = np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False])
    return lambda x: x * m.filled(0.0), lambda: m.__setitem__(0, 9.0), lambda: m.__setitem__(2, np.ma.masked)


@case
def subclass_of_array_with_attributes():
    class Unit(np.ndarray):
        scale = 1.0

    a = np.arange(3.0).view(Unit)
    a.scale = 2.0
    return lambda x: x * np.asarray(a) * a.scale, lambda: setattr(a, "scale", 3.0), lambda: a.fill(1.0)


@case
def array_that_is_differentiated_by():
    w = np.array([1.0, 2.0, 3.0])
    return lambda x: x * pyad.grad(lambda w: np.sum(w**3))(w), lambda: w.fill(2.0)


@case
def array_that_numpy_solves_with():
    a = np.eye(3) * 2.0
    return lambda x: np.linalg.solve(a, x), lambda: a.__setitem__((0, 0), 5.0), lambda: a.__setitem__((0, 1), 1.0)


@case
def array_used_many_times():
    a = np.eye(3) * 0.5

    def f(x):
        for _ in range(20):
            x = np.tanh(a.T @ x) + a[0]
        return x

    return f, lambda: a.__setitem__((0, 1), 1.0)


@case
def bytearray_memoryview_and_array():
    b, c = bytearray(b"abc"), array.array("d", [1.0, 2.0])
    v = memoryview(c)
    return lambda x: x * b[0] + c[1] + v[0], lambda: b.__setitem__(0, 1), lambda: c.__setitem__(1, 9.0)


# ---- names and attributes ----


@case
def attribute_of_a_class():
    class Config:
        rate = 0.1
        table = np.ones(3)
        options = {"k": 1.0}  # noqa: RUF012

    return (
        lambda x: Config.rate * x + Config.table * Config.options["k"],
        lambda: setattr(Config, "rate", 0.5),
        lambda: Config.table.fill(2.0),
        lambda: Config.options.update(k=4.0),
    )


@case
def super_of_a_method():
    class A:
        k = 3.0

        def scale(self):
            return self.k

    class B(A):
        def scale(self):
            return super().scale() * 2.0

    b = B()
    return (
        lambda x: x * b.scale(),
        lambda: setattr(A, "k", 4.0),
        lambda: setattr(b, "k", 5.0),
        lambda: setattr(A, "scale", lambda self: 7.0),
        lambda: setattr(B, "scale", lambda self: 8.0),
    )


@case
def method_that_a_subclass_gets_later():
    class A:
        def scale(self):
            return 2.0

    class B(A):
        pass

    b = B()
    return (
        lambda x: x * b.scale(),
        lambda: setattr(B, "scale", lambda self: 3.0),
        lambda: setattr(b, "scale", abs(4.0).__add__ and (lambda: 5.0)),
    )


@case
def property_and_setter():
    class A:
        def __init__(self):
            self._k = 2.0

        @property
        def k(self):
            return self._k * 2.0

        @k.setter
        def k(self, value):
            self._k = value

    a = A()
    return lambda x: x * a.k, lambda: setattr(a, "k", 5.0), lambda: setattr(A, "k", property(lambda self: 1.0))


@case
def static_and_class_methods():
    table = {"k": 2.0}

    class A:
        n = 3.0

        @staticmethod
        def one():
            return table["k"]

        @classmethod
        def two(cls):
            return cls.n

    return lambda x: x * A.one() + A().two(), lambda: table.update(k=3.0), lambda: setattr(A, "n", 4.0)


@case
def special_methods():
    class Scale:
        def __init__(self):
            self.k, self.items = 2.0, [1.0, 2.0]

        def __mul__(self, x):
            return x * self.k

        def __getitem__(self, n):
            return self.items[n]

        def __len__(self):
            return len(self.items)

        def __iter__(self):
            return iter(self.items)

        def __contains__(self, x):
            return x in self.items

        def __enter__(self):
            return self.k

        def __exit__(self, *_):
            pass

        def __bool__(self):
            return self.k > 2.5

        def __call__(self, x):
            return x - self.k

    s = Scale()

    def f(x):
        with s as k:
            y = (s * x) * k
        for item in s:
            y = y + item
        return s(y) * s[0] * len(s) + (1.0 if s else 0.0) + (4.0 in s)

    return f, lambda: setattr(s, "k", 3.0), lambda: s.items.append(4.0), lambda: s.items.__setitem__(0, 6.0)


@case
def attribute_by_a_computed_name():
    class Config:
        def __init__(self):
            self.rate, self.other = 0.1, 1.0

    c, name = Config(), "ra"
    return lambda x: x * getattr(c, name + "te"), lambda: setattr(c, "rate", 0.5), lambda: setattr(c, "rate", 0.6)


@case
def attribute_that_is_not_there_yet():
    class Config:
        pass

    c = Config()
    return lambda x: x * getattr(c, "rate", 2.0), lambda: setattr(c, "rate", 0.5), lambda: delattr(c, "rate")


@case
def attribute_that_is_caught():
    class Config:
        pass

    c = Config()

    def f(x):
        try:
            return x * c.rate
        except AttributeError:
            return x

    return f, lambda: setattr(c, "rate", 0.5)


@case
def vars_of_an_object():
    c = types.SimpleNamespace(k=2.0)
    return lambda x: x * vars(c)["k"] + len(c.__dict__), lambda: setattr(c, "k", 3.0), lambda: setattr(c, "n", 3.0)


@case
def attrgetter_and_methodcaller():
    class A:
        k = 1.0

        def scale(self, x):
            return x * self.k

    a = A()
    get, call = operator.attrgetter("k"), operator.methodcaller("scale", 2.0)
    return lambda x: x * get(a) + call(a), lambda: setattr(a, "k", 3.0), lambda: setattr(A, "k", 3.0)


@case
def simple_namespace():
    state = types.SimpleNamespace(k=2.0, inner=types.SimpleNamespace(k=[1.0]))
    return (
        lambda x: state.k * x + state.inner.k[0],
        lambda: setattr(state, "k", 3.0),
        lambda: state.inner.k.insert(0, 4.0),
    )


@case
def namespace_that_is_replaced():
    class A:
        pass

    a = A()
    a.k = 2.0
    return lambda x: a.k * x, lambda: setattr(a, "__dict__", {"k": 3.0})


@case
def slots_and_descriptors():
    class Double:
        def __init__(self, factor):
            self.factor, self.values = factor, weakref.WeakKeyDictionary()

        def __get__(self, of, kind=None):
            return self.values[of] * self.factor

        def __set__(self, of, value):
            self.values[of] = value

    class A:
        k = Double(2.0)

    class S:
        __slots__ = ("n",)

    a, s = A(), S()
    a.k, s.n = 2.0, 1.0
    return (
        lambda x: x * a.k + s.n,
        lambda: setattr(a, "k", 3.0),
        lambda: setattr(s, "n", 4.0),
        lambda: setattr(vars(A)["k"], "factor", 5.0),
    )


@case
def getattr_and_getattribute_of_a_class():
    class Lazy:
        def __init__(self):
            self.table = {"k": 2.0}

        def __getattr__(self, name):
            return self.table[name]

    class Eager:
        def __init__(self):
            self.k = 1.0

        def __getattribute__(self, name):
            return object.__getattribute__(self, name) * 2.0 if name == "k" else object.__getattribute__(self, name)

    lazy, eager = Lazy(), Eager()
    return lambda x: x * lazy.k + eager.k, lambda: lazy.table.update(k=3.0), lambda: setattr(eager, "k", 4.0)


@case
def cached_property():
    class A:
        n = 2.0

        @functools.cached_property
        def area(self):
            return self.n**2

    a = A()
    return lambda x: x * a.area, lambda: setattr(a, "area", 5.0), lambda: (setattr(A, "n", 3.0), delattr(a, "area"))


@case
def dataclass_frozen_or_not():
    @dataclasses.dataclass
    class A:
        k: float = 1.0
        items: list = dataclasses.field(default_factory=lambda: [1.0])

    @dataclasses.dataclass(frozen=True)
    class B:
        inner: A

    b = B(A())
    return (
        lambda x: x * b.inner.k + sum(dataclasses.asdict(b)["inner"]["items"]),
        lambda: setattr(b.inner, "k", 2.0),
        lambda: b.inner.items.append(3.0),
    )


@case
def named_tuple_and_enum():
    Pair = collections.namedtuple("Pair", "a b")

    class Mode(enum.Enum):
        FAST = [2.0]  # noqa: RUF012
        SLOW = [3.0]  # noqa: RUF012

    p = Pair([1.0], np.ones(3))
    return (
        lambda x: x * p.a[0] + p.b * Mode.FAST.value[0],
        lambda: p.a.__setitem__(0, 2.0),
        lambda: p.b.fill(4.0),
        lambda: Mode.FAST.value.__setitem__(0, 7.0),
    )


@case
def metaclass_and_class_with_call():
    class Meta(type):
        rate = 2.0

        def scaled(cls):
            return cls.rate

    class A(metaclass=Meta):
        pass

    return lambda x: x * A.scaled(), lambda: setattr(Meta, "rate", 3.0), lambda: setattr(A, "rate", 4.0)


@case
def module_of_the_user():
    module = types.ModuleType("a_module_of_the_user")
    exec("rate = 2.0\ntable = {'k': 1.0}\ndef scale(x): return x * rate", vars(module))
    return (
        lambda x: module.scale(x) * module.rate + module.table["k"],
        lambda: setattr(module, "rate", 3.0),
        lambda: module.table.update(k=5.0),
        lambda: setattr(module, "scale", lambda x: x),
    )


GLOBAL = 1.0


@case
def variables_of_a_module_by_computed_names():
    def change(value):
        globals()["GLOBAL"] = value

    return lambda x: x * globals()["GLO" + "BAL"] + eval("GLOBAL"), lambda: change(2.0), lambda: change(1.0)


# ---- containers ----


@case
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


@case
def long_list():
    items = [0.0] * 5000
    return lambda x: x + sum(items), lambda: items.__setitem__(4321, 1.0)


@case
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


@case
def keys_in_another_order():
    weights = {"a": 2.0, "b": 3.0}

    def turn():
        first = next(iter(weights))
        weights[first] = weights.pop(first)

    return lambda x: functools.reduce(lambda h, k: np.tanh(h * weights[k]) + weights[k], weights, x), turn, turn


@case
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


@case
def numbers_that_look_the_same():
    held = [1]
    return (
        lambda x: x * (2.0 if type(held[0]) is bool else 1.0) + (3.0 if type(held[0]) is float else 0.0),
        lambda: held.__setitem__(0, True),
        lambda: held.__setitem__(0, 1.0),
        lambda: held.__setitem__(0, 1),
    )


@case
def zeros_of_either_sign_and_nan():
    held = {"k": 0.0}
    return lambda x: x * np.copysign(1.0, held["k"]), lambda: held.update(k=-0.0), lambda: held.update(k=float("nan"))


# ---- functions ----


@case
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


@case
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


@case
def defaults_that_are_changed():
    def f(x, table=[2.0], *, more={"k": 1.0}):  # noqa: B006
        return x * table[0] + more["k"]

    return (
        f,
        lambda: f.__defaults__[0].__setitem__(0, 3.0),
        lambda: f.__kwdefaults__["more"].update(k=4.0),
        lambda: setattr(f, "__defaults__", ([7.0],)),
    )


@case
def code_that_is_replaced():
    def helper(x):
        return x * 2.0

    return lambda x: helper(x), lambda: setattr(helper, "__code__", (lambda x: x * 3.0).__code__)


@case
def attributes_of_functions():
    def f(x):
        return x * f.rate

    f.rate = 2.0
    return f, lambda: setattr(f, "rate", 3.0)


@case
def functions_in_containers():
    k = [2.0]
    steps = {"a": lambda x: x * k[0], "b": [np.tanh, lambda x: x + 1.0]}

    def f(x):
        x = steps["a"](x)
        for step in steps["b"]:
            x = step(x)
        return x

    return f, lambda: k.__setitem__(0, 3.0), lambda: steps["b"].pop(), lambda: steps.update(a=np.sin)


@case
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


@case
def cached_function():
    table = {"k": 2.0}

    @functools.lru_cache
    def scale():
        return table["k"]

    scale()
    return lambda x: x * scale(), lambda: (table.update(k=3.0), scale.cache_clear())


@case
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


@case
def functions_of_c_that_call_back():
    table = {"a": 2.0, "b": 1.0}
    return (
        lambda x: sum(x * table[k] for k in sorted(table, key=lambda k: table[k])),
        lambda: table.update(a=0.5),
        lambda: table.update(c=4.0),
    )


@case
def bound_methods_that_are_held():
    class A:
        k = 2.0

        def scale(self, x):
            return x * self.k

    a = A()
    scale, get = a.scale, {"k": 3.0}.get
    return lambda x: scale(x) * get("k"), lambda: setattr(a, "k", 3.0), lambda: get.__self__.update(k=1.0)


@case
def compiled_and_gradient_functions_outside():
    table = [2.0]
    inner = pyad.compile(lambda x: np.sum(x**2) * table[0])
    slope = pyad.grad(inner)
    return lambda x: slope(x) * inner(x), lambda: table.__setitem__(0, 3.0)


@case
def context_variables_and_weak_references():
    variable = contextvars.ContextVar("rate", default=2.0)
    held = Holder(None)
    held.k = 1.0
    ref = weakref.ref(held)
    return lambda x, held=held: x * variable.get() + ref().k, lambda: variable.set(3.0), lambda: setattr(held, "k", 4.0)


@case
def environment():
    os.environ["PYAD_TEST_RATE"] = "2.0"
    return (
        lambda x: x * float(os.environ["PYAD_TEST_RATE"]),
        lambda: os.environ.__setitem__("PYAD_TEST_RATE", "3.0"),
        lambda: os.putenv("PYAD_TEST_OTHER", "1"),
    )


@case
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


@case
def objects_of_scipy():
    interpolate = pytest.importorskip("scipy.interpolate")
    spline = interpolate.CubicSpline(np.arange(4.0), np.arange(4.0) ** 2)
    return lambda x: x * spline(1.5), lambda: spline.c.__imul__(2.0)


@case
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


# ---- what is refused ----


def refused(f, *args):
    with pytest.raises(TypeError) as caught:
        pyad.compile(f)(*(args or (X,)))
    return str(caught.value)


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
