"""Which program is run: arguments that a function can tell apart have programs of their own, however a call goes."""

import dataclasses
import decimal
import enum
import fractions
import functools
import timeit

import numpy as np
import pytest

import pyad
from tests.compile.test_compile import same

X = np.array([0.5, -1.5, 2.0])


def alternate(f, *calls):
    """Compare with the function itself, each call after each other one, and twice."""
    fast = pyad.compile(f)
    for _ in range(3):
        for args, keywords in calls:
            for _ in range(2):
                same(fast(*args, **keywords), f(*args, **keywords))
    assert fast.recorded <= len(calls)
    return fast


def chained(layers, x):
    return functools.reduce(lambda h, k: np.tanh(h @ layers[k]), layers, x)


def test_the_order_of_keys():
    layers = {"a": np.eye(3) * 2.0 + 1.0, "b": np.arange(9.0).reshape(3, 3), "c": np.ones((3, 3))}
    orders = [{k: layers[k] for k in order} for order in ("abc", "cba", "bac", "acb")]
    alternate(chained, *(((d, X), {}) for d in orders))
    alternate(lambda p: chained(p["layers"], X), *((({"layers": d},), {}) for d in orders))
    alternate(lambda p: [chained(d, X) for d in p], *((([d, orders[0]],), {}) for d in orders))


def test_the_order_of_keywords():
    def f(**factors):
        total = 1.0
        for k in factors:
            total = np.sin(total + factors[k])
        return total

    alternate(f, ((), {"a": X, "b": X * 2}), ((), {"b": X, "a": X * 2}), ((), {"b": 1.0, "a": 2.0}))
    alternate(f, ((), {"a": X}), ((), {"b": X}), ((), {}))


def test_keys_that_are_equal_and_yet_others():
    def f(p):
        return sum(x * (2.0 if type(k) is bool else 1.0) for k, x in p.items())

    fast = pyad.compile(f)
    for p in ({1: X}, {True: X}, {1.0: X}, {1: X}, {"1": X}):
        same(fast(p), f(p))


class Odd(int):
    pass


class Mode(enum.IntEnum):
    ONE = 1


@dataclasses.dataclass(frozen=True)
class Options:
    n: int
    note: list = dataclasses.field(default_factory=list, compare=False)


class Alike:
    """Equal to all of its kind."""

    def __init__(self, k):
        self.k = k

    def __eq__(self, other):
        return isinstance(other, Alike)

    def __hash__(self):
        return 1


STATIC = {
    "numbers": (1, True, Odd(1), Mode.ONE),
    "zeros": (0, False),
    "texts": ("a", b"a", "b"),
    "ranges": (range(0), range(1, 1), range(3), range(0, 3, 1)),
    "sets": (frozenset({1, 2}), frozenset({1.0, 2}), frozenset({True, 2})),
    "decimals": (decimal.Decimal("1.0"), decimal.Decimal("1.00"), fractions.Fraction(1)),
    "objects": (Options(1, [2.0]), Options(1, [3.0]), Options(2, [2.0])),
    "objects that are equal to all": (Alike(2.0), Alike(3.0), Alike([4.0])),
    "dtypes": (np.dtype("f4"), np.dtype("f8"), np.float32, float),
    "functions": (np.sin, np.cos, abs, Alike.__hash__),
}


def told(x, option):
    """Something that depends on all that can be told of an option."""
    parts = [type(option).__name__, repr(option), repr(getattr(option, "k", None)), repr(getattr(option, "note", None))]
    return x * float(sum(map(ord, "".join(parts).split(" at 0x")[0])))


@pytest.mark.parametrize("name", STATIC)
def test_static_arguments_that_are_equal_and_yet_others(name):
    alternate(told, *(((X, option), {}) for option in STATIC[name]))
    alternate(lambda x, held: told(x, held["o"][0]), *(((X, {"o": [option]}), {}) for option in STATIC[name]))


def test_equal_objects_that_nothing_tells_apart_share_a_program():
    fast = pyad.compile(lambda x, o: x * o.n)
    for _ in range(4):
        same(fast(X, Options(3)), X * 3.0)
    assert fast.recorded == 1


def test_a_static_argument_that_is_changed():
    option = Options(1, [2.0])
    alike = Alike(2.0)
    fast = pyad.compile(lambda x, o, a: x * o.note[0] * a.k)
    for k in (2.0, 3.0, 2.0):
        option.note[0] = k
        alike.k = k + 1.0
        for _ in range(2):
            same(fast(X, option, alike), X * k * (k + 1.0))


def test_numbers_and_arrays_of_no_dimension():
    def f(x):
        y = x
        y += 1.0
        return y * 2.0

    fast = pyad.compile(f)
    for _ in range(3):
        same(fast(np.float64(1.0)), np.float64(4.0))
        array = np.array(1.0)
        same(fast(array), np.float64(4.0))
        assert array == 2.0
        same(fast(1.0), 4.0)
        single = np.float32(1.0)
        assert fast(single).dtype == np.float32


def test_strides_byte_orders_and_alignment():
    memory = np.zeros(8 * 3 + 1, np.uint8)
    unaligned = memory[1:].view(np.float64)
    unaligned[:] = X
    calls = [X, np.repeat(X, 2)[::2], X[::-1], X.astype(">f8").astype("f8"), unaligned, np.asfortranarray(X)]
    alternate(lambda x: x * 2.0 + np.sum(x), *(((x,), {}) for x in calls))


def test_read_only_arguments():
    frozen = X.copy()
    frozen.flags.writeable = False

    def f(x):
        x *= 2.0
        return np.sum(x)

    fast = pyad.compile(f)
    same(fast(X.copy()), np.sum(X) * 2.0)
    for _ in range(2):
        with pytest.raises(ValueError, match=r"read-only"):
            fast(frozen)
    same(frozen, X)


def seconds(f, calls, number=2000):
    return min(timeit.repeat(lambda: [f(*args) for args in calls], number=number, repeat=5)) / number / len(calls)


def test_alternating_stays_on_the_fast_path():
    fast = pyad.compile(lambda x, n: x * n if n else -x)
    branching = pyad.compile(lambda x: x * 2.0 if np.sum(x) > 0.0 else x * 3.0)
    one, other = (X, 1), (np.ones(4), 2)
    up, down = (abs(X),), (-abs(X),)
    for _ in range(2):
        for f, a, b in ((fast, one, other), (branching, up, down)):
            same(f(*a), f.function(*a))
            same(f(*b), f.function(*b))
    for f, a, b in ((fast, one, other), (branching, up, down)):
        alone, both = seconds(f, [a, a]), seconds(f, [a, b])
        assert both < 4.0 * alone, (both, alone)
        assert f.recorded == 2
    assert len(fast.programs) == 2


@pytest.mark.filterwarnings("ignore::pyad.CompileWarning")
def test_programs_that_are_forgotten_are_not_called():
    fast = pyad.compile(lambda x, n: x * n, max_programs=2)
    for n in (1, 2, 3, 1, 2, 3, 4, 4, 3):
        same(fast(X, n), X * n)
        assert len(fast.programs) <= 2
        assert len(fast._fast) <= 2
    fast.clear()
    same(fast(X, 3), X * 3)
