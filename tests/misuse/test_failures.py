"""Exceptions of the user's, rules that give nonsense, and out of memory: everything is clean and usable afterwards."""

import functools
import gc

import numpy as np
import pytest
from support.wrong_use import ENDED, X, fails, in_grad, leaked, nodes, on_thread

import pyad
from pyad import nn
from pyad.errors import ConcretizationError, DTypeError, LeakError, ShapeError

# ---- exceptions of the user's ----


def nested(depth, raise_it):
    def level(x, left):
        if left == 0:
            np.sum(np.exp(x) @ np.ones((len(X), 2)))
            raise_it()
        return np.sum(pyad.grad(lambda y: level(y, left - 1))(x * 1.0))

    return pyad.grad(lambda x: level(x, depth))


@pytest.mark.parametrize("depth", range(5))
@pytest.mark.parametrize("kind", [KeyError, KeyboardInterrupt, MemoryError, StopIteration])
def test_an_exception_in_the_function(depth, kind):
    def raise_it():
        raise kind("mine")

    with pytest.raises(kind, match="mine"):
        nested(depth, raise_it)(X)
    assert nodes() == 0


@pytest.mark.parametrize(
    "run",
    [
        lambda f: pyad.grad(f)(X),
        lambda f: pyad.value_and_grad(f)(X),
        lambda f: pyad.vjp(f, X),
        lambda f: pyad.jvp(f, (X,), (X,)),
        lambda f: pyad.jacobian(f)(X),
        lambda f: pyad.hessian(f)(X),
        lambda f: pyad.hvp(f, (X,), (X,)),
        lambda f: pyad.grad(lambda x: pyad.vjp(f, x)[0])(X),
        lambda f: pyad.grad(lambda x: pyad.jvp(f, (x,), (x,))[0])(X),
        lambda f: pyad.jvp(lambda x: pyad.hessian(f)(x), (X,), (X,)),
    ],
)
def test_an_exception_in_every_transform(run):
    def function(x):
        np.exp(x)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        run(function)
    assert nodes() == 0


def test_an_exception_that_the_function_catches():
    def function(x):
        before = nodes()
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                pyad.grad(lambda y: np.sum(np.exp(y) * x) / 0 * (1 // 0))(x)
            with pytest.raises(ShapeError):
                x + np.ones(4)
        assert nodes() <= before + 9  # constants lent to operations that were refused
        return np.sum(x * x)

    np.testing.assert_array_equal(pyad.grad(function)(X), 2 * X)


def test_an_exception_in_a_rule():
    @pyad.custom_vjp
    def broken(x):
        return x * 1.0

    broken.defvjp(lambda x: (x * 1.0, None), lambda r, s: 1 // 0)
    in_grad(ZeroDivisionError, "zero", lambda x: np.sum(broken(x)), X)
    _, pullback = pyad.vjp(broken, X)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            pullback(np.ones(3))
    assert nodes() == 0


# ---- rules of the user's that give nonsense ----


def with_rule(fwd, bwd):
    @pyad.custom_vjp
    def mine(x):
        return x * x

    mine.defvjp(fwd, bwd)
    return lambda: pyad.grad(lambda x: np.sum(mine(x)))(X)


def right_fwd(x):
    return x * x, x


@pytest.mark.parametrize(
    ("kind", "words", "fwd", "bwd"),
    [
        (TypeError, ["mine", "fwd must return a pair"], lambda x: x, lambda r, s: (s,)),
        (TypeError, ["mine", "fwd must return a pair"], lambda x: (x, x, x), lambda r, s: (s,)),
        (TypeError, ["mine", "must return an array"], lambda x: (None, x), lambda r, s: (s,)),
        (DTypeError, ["mine", "<U1"], lambda x: ("a", x), lambda r, s: (s,)),
        (TypeError, ["mine", "tuple of 1 cotangents", "NoneType"], right_fwd, lambda r, s: None),
        (TypeError, ["mine", "tuple of 1 cotangents", "ndarray"], right_fwd, lambda r, s: s),
        (TypeError, ["mine", "tuple of 1 cotangents", "tuple of 2"], right_fwd, lambda r, s: (s, s)),
        (TypeError, ["mine", "bwd returned"], right_fwd, lambda r, s: ((s, s),)),
        (ShapeError, ["mine", "(5,)", "(3,)"], right_fwd, lambda r, s: (np.ones(5),)),
        (ShapeError, ["mine", "()", "(3,)"], right_fwd, lambda r, s: (1.0,)),
        (DTypeError, ["mine", "<U1"], right_fwd, lambda r, s: ("a",)),
        (DTypeError, ["mine", "object"], right_fwd, lambda r, s: (np.array([None] * 3),)),
        (DTypeError, "MaskedArray", right_fwd, lambda r, s: (np.ma.array(X, mask=[0, 1, 0]),)),
        (LeakError, ENDED, right_fwd, lambda r, s: (leaked(),)),
    ],
)
def test_custom_vjp_nonsense(kind, words, fwd, bwd):
    fails(kind, words, with_rule(fwd, bwd))


@pytest.mark.parametrize(
    ("kind", "words", "rule"),
    [
        (TypeError, ["mine", "pair", "NoneType"], lambda p, t: None),
        (TypeError, ["mine", "pair", "tuple"], lambda p, t: (1, 2, 3)),
        (TypeError, ["mine", "tangent of Structure(None)"], lambda p, t: (p[0], None)),
        (TypeError, ["mine", "tangent of Structure([*])"], lambda p, t: (p[0], [t[0]])),
        (ShapeError, ["mine", "(5,)", "(3,)"], lambda p, t: (p[0], np.ones(5))),
        (ShapeError, ["mine", "(2,)", "(3,)"], lambda p, t: (p[0], t[0][:2])),
        (DTypeError, ["mine", "<U1"], lambda p, t: (p[0], "a")),
    ],
)
def test_custom_jvp_nonsense(kind, words, rule):
    def mine(x):
        return x * x

    function = pyad.custom_jvp(mine)
    function.defjvp(rule)
    fails(kind, words, lambda: pyad.jvp(function, (X,), (X,)))
    fails(kind, words, lambda: pyad.grad(lambda x: np.sum(function(x)))(X))


def test_custom_jvp_that_is_not_linear():
    function = pyad.custom_jvp(np.square)
    function.defjvp(lambda p, t: (p[0] ** 2, t[0] + 1.0))
    in_grad(ValueError, ["square", "not linear in the tangents"], lambda x: np.sum(function(x)), X)


def test_custom_rules_in_wrong_use():
    fails(TypeError, ["custom_vjp", "must be a function", "int"], lambda: pyad.custom_vjp(3))
    fails(TypeError, ["custom_jvp", "must be a function", "int"], lambda: pyad.custom_jvp(3))
    fails(TypeError, ["nondiff_argnums", "'a'"], lambda: pyad.custom_vjp(np.sin, nondiff_argnums="a"))
    fails(TypeError, ["a rule must be a function", "int"], lambda: pyad.custom_vjp(lambda x: x).defvjp(3, 4))
    fails(TypeError, ["a rule must be a function", "int"], lambda: pyad.custom_jvp(lambda x: x).defjvp(3))
    in_grad(AttributeError, ["no rule yet", "defvjp"], lambda x: np.sum(pyad.custom_vjp(lambda x: x)(x)), X)
    in_grad(AttributeError, ["no rule yet", "defjvp"], lambda x: np.sum(pyad.custom_jvp(lambda x: x)(x)), X)

    @pyad.custom_vjp
    def mine(x):
        return x * x

    mine.defvjp(right_fwd, lambda r, s: (2 * r * s,))
    fails(TypeError, ["mine", "custom_vjp", "no forward mode", "custom_jvp"], lambda: pyad.jvp(mine, (X,), (X,)))

    @functools.partial(pyad.custom_vjp, nondiff_argnums=(0,))
    def scaled(k, x):
        return k * x

    scaled.defvjp(lambda k, x: (k * x, None), lambda k, r, s: (k * s,))
    np.testing.assert_array_equal(pyad.grad(lambda x: np.sum(scaled(2.0, x)))(X), 2 * np.ones(3))
    words = ["scaled", "argument 0", "nondiff_argnums", "stop_gradient"]
    in_grad(ConcretizationError, words, lambda x: np.sum(scaled(x[0], x)), X)
    far = pyad.custom_vjp(lambda x: x, nondiff_argnums=(7,))
    far.defvjp(right_fwd, lambda r, s: (s,))
    in_grad(ValueError, ["nondiff_argnums 7", "out of range"], lambda x: np.sum(far(x)), X)


def test_custom_rules_do_not_close_over_traced_values():
    def outer(x):
        @pyad.custom_vjp
        def mine(y):
            return y * x[0]

        mine.defvjp(lambda y: (y * x[0], None), lambda r, s: (s,))
        return np.sum(mine(x * 2.0))

    words = ["mine", "from outside", "make it an argument", "stop_gradient"]
    in_grad(ConcretizationError, words, outer, X)

    def outer_jvp(x):
        mine = pyad.custom_jvp(lambda y: np.sum(y * x))
        mine.defjvp(lambda p, t: (np.sum(p[0] * x), np.sum(t[0] * x)))
        return mine(np.exp(x))

    in_grad(ConcretizationError, ["from outside", "(3,)"], outer_jvp, X)


# ---- out of memory ----


PARAMS = nn.init_mlp(np.random.default_rng(0), [3, 40, 40, 2])
BATCH = np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32)
LABELS = np.random.default_rng(2).integers(0, 2, 50)


@pyad.custom_vjp
def own(x):
    return x * x


own.defvjp(right_fwd, lambda r, s: (2 * r * s,))


def network():
    return pyad.value_and_grad(lambda p: nn.softmax_cross_entropy(nn.mlp(p, BATCH, "tanh"), LABELS))(PARAMS)[0]


def small():
    return pyad.grad(lambda x: np.sum(np.exp(x) * x[::-1] * x[0]))(X)


def large():
    return pyad.grad(lambda x: np.sum(np.exp(x) * x[::-1] * 2.0))(np.ones(20_000))[:3].copy()


def second_order():
    return pyad.hessian(lambda x: np.sum(np.exp(x) * x[::-1] * x[0]))(X)


def forward():
    return pyad.hvp(lambda x: np.sum(np.exp(x) * x[::-1] * x[0]), (X,), (X,))


def pulled():
    y, pullback = pyad.vjp(lambda x: np.exp(x) * x[::-1], X)
    return y, pullback(X), pullback(X)


def gathered():
    return pyad.grad(lambda x: np.sum(x[np.array([0, 0, 1])] * np.concatenate([x, x])[:3]))(X)


def complex_numbers():
    return pyad.grad(lambda z: np.real(np.sum(np.exp(z) * z[::-1] * 1j)))(X + 1j)


def own_rule():
    return pyad.grad(lambda x: np.sum(own(x)))(X)


def through_numpy():
    plain = np.ones((3, 3))
    value, pullback = pyad.vjp(
        lambda x: np.linalg.inv(np.outer(x, x) + np.eye(3)) @ np.linalg.solve(plain + np.eye(3), x), X
    )
    return value, pullback(X), pyad.jvp(lambda x: np.fft.ifft(np.exp(np.fft.fft(x))), (X,), (X,))


@pytest.fixture
def few_objects():
    """What there is so far is no concern of the collector, which else takes most of the time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize(
    "work", [network, small, large, second_order, forward, pulled, gathered, complex_numbers, own_rule, through_numpy]
)
@pytest.mark.usefixtures("few_objects")
def test_every_allocation_fails_in_turn(work):
    """On a new thread each time, whose engine has nothing yet: no rules, no cached memory, no columns."""
    lib = pyad._binding.engine.lib
    expected = work()

    def attempt(after):
        pyad._binding.engine.current()
        lib.pyad_fail_after(after)
        try:
            result = work()
        except MemoryError as problem:
            assert "memory" in str(problem)
            result = None
        finally:
            lib.pyad_fail_after(-1)
        counters = pyad._binding.engine.counters()
        assert counters["nodes"] == 0
        assert pyad._binding.engine.current().depth == 0
        # The rules that were recorded before are kept; everything else has been given back.
        gc.collect()
        pyad._binding.engine.current().bury()
        assert pyad._binding.engine.counters()["live_bytes"] == 0
        np.testing.assert_equal(work(), expected)
        return result

    after = 0
    while True:
        result = on_thread(lambda: attempt(after))  # noqa: B023
        if result is not None:
            break
        after += 1
    np.testing.assert_equal(result, expected)
    assert after > 20


def test_memory_stays_level():
    """Failures and exceptions leave nothing behind, however often they come."""

    def fail():
        with pytest.raises(ShapeError):
            pyad.grad(lambda x: np.sum(np.exp(x) * np.ones(7)))(np.ones(5000))
        with pytest.raises(KeyError):
            pyad.grad(lambda x: {}[np.sum(np.exp(x) * 2.0) > 0])(np.ones(5000))
        pyad.vjp(np.exp, np.ones(5000))

    def figures():
        gc.collect()
        pyad._binding.engine.current().bury()
        return (
            pyad._binding.engine.counters()["live_bytes"],
            len(pyad._binding.engine.current().keep),
            len(pyad._binding.engine._open),
        )

    fail()
    before = figures()
    for _ in range(20):
        fail()
    assert figures() == before


def test_a_pullback_that_outlives_its_thread():
    pullback = on_thread(lambda: pyad.vjp(np.exp, np.ones(5000)))[1]
    with pytest.raises(LeakError):
        pullback(np.ones(5000))
    del pullback
    gc.collect()
