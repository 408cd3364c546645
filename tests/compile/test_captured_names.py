"""Variables and attributes that a compiled function finds outside its arguments: the right value after any change."""

import collections
import dataclasses
import enum
import functools
import operator
import types
import weakref

import numpy as np
import pytest

from tests.support.changes import Cases, check

CASES = Cases()


# ---- names and attributes ----


@CASES.add
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


@CASES.add
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


@CASES.add
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


@CASES.add
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


@CASES.add
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


@CASES.add
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


@CASES.add
def attribute_by_a_computed_name():
    class Config:
        def __init__(self):
            self.rate, self.other = 0.1, 1.0

    c, name = Config(), "ra"
    return lambda x: x * getattr(c, name + "te"), lambda: setattr(c, "rate", 0.5), lambda: setattr(c, "rate", 0.6)


@CASES.add
def attribute_that_is_not_there_yet():
    class Config:
        pass

    c = Config()
    return lambda x: x * getattr(c, "rate", 2.0), lambda: setattr(c, "rate", 0.5), lambda: delattr(c, "rate")


@CASES.add
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


@CASES.add
def vars_of_an_object():
    c = types.SimpleNamespace(k=2.0)
    return lambda x: x * vars(c)["k"] + len(c.__dict__), lambda: setattr(c, "k", 3.0), lambda: setattr(c, "n", 3.0)


@CASES.add
def attrgetter_and_methodcaller():
    class A:
        k = 1.0

        def scale(self, x):
            return x * self.k

    a = A()
    get, call = operator.attrgetter("k"), operator.methodcaller("scale", 2.0)
    return lambda x: x * get(a) + call(a), lambda: setattr(a, "k", 3.0), lambda: setattr(A, "k", 3.0)


@CASES.add
def simple_namespace():
    state = types.SimpleNamespace(k=2.0, inner=types.SimpleNamespace(k=[1.0]))
    return (
        lambda x: state.k * x + state.inner.k[0],
        lambda: setattr(state, "k", 3.0),
        lambda: state.inner.k.insert(0, 4.0),
    )


@CASES.add
def namespace_that_is_replaced():
    class A:
        pass

    a = A()
    a.k = 2.0
    return lambda x: a.k * x, lambda: setattr(a, "__dict__", {"k": 3.0})


@CASES.add
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


@CASES.add
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


@CASES.add
def cached_property():
    class A:
        n = 2.0

        @functools.cached_property
        def area(self):
            return self.n**2

    a = A()
    return lambda x: x * a.area, lambda: setattr(a, "area", 5.0), lambda: (setattr(A, "n", 3.0), delattr(a, "area"))


@CASES.add
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


@CASES.add
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


@CASES.add
def metaclass_and_class_with_call():
    class Meta(type):
        rate = 2.0

        def scaled(cls):
            return cls.rate

    class A(metaclass=Meta):
        pass

    return lambda x: x * A.scaled(), lambda: setattr(Meta, "rate", 3.0), lambda: setattr(A, "rate", 4.0)


@CASES.add
def module_of_the_user():
    module = types.ModuleType("a_module_of_the_user")
    exec("rate = 2.0\ntable = {'k': 1.0}\ndef scale(x): return x * rate", vars(module))
    return (
        lambda x: module.scale(x) * module.rate + module.table["k"],
        lambda: setattr(module, "rate", 3.0),
        lambda: module.table.update(k=5.0),
        lambda: setattr(module, "scale", lambda x: x),
    )


@CASES.add
def attributes_of_subclasses_of_numbers_and_texts():
    class Rate(float):
        pass

    class Name(str):
        pass

    rate, name = Rate(2.0), Name("a")
    rate.factor, name.factor = 1.0, [1.0]
    return (
        lambda x: x * rate * rate.factor + name.factor[0],
        lambda: setattr(rate, "factor", 3.0),
        lambda: name.factor.__setitem__(0, 4.0),
    )


GLOBAL = 1.0


@CASES.add
def variables_of_a_module_by_computed_names():
    def change(value):
        globals()["GLOBAL"] = value

    return lambda x: x * globals()["GLO" + "BAL"] + eval("GLOBAL"), lambda: change(2.0), lambda: change(1.0)


@pytest.mark.parametrize("name", CASES)
def test_changes_outside_are_seen(name):
    f, *changes = CASES[name]()
    check(f, *changes)
