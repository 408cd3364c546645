"""The transforms: arguments, containers, types, and what happens when something goes wrong inside."""

import collections
import itertools
import os
import threading

import jax
import numpy as np
import pytest
from support.oracles import assert_tree_equal, differentiate

import pyad
from pyad._binding import engine
from pyad.errors import ConcretizationError, DTypeError, LeakError, ShapeError

X = np.array([0.3, -0.7, 1.2])
M = np.arange(9.0).reshape(3, 3) / 9.0

# ---- arguments ----


def three(x, y, z, scale=1.0, *, shift=0.0):
    return scale * (x * y * y + x * z) + shift * x


@pytest.mark.parametrize("argnums", [0, 1, 2, -1, -3, (0,), (1, 0), (0, 1, 2), (-1, 0), [2, 1]], ids=str)
def test_argnums_choose_arguments_as_in_jax(argnums):
    args = (2.0, 3.0, 5.0)
    theirs = tuple(argnums) if isinstance(argnums, list) else argnums
    for ours, jaxs in ((pyad.grad, jax.grad), (pyad.value_and_grad, jax.value_and_grad)):
        assert_tree_equal(ours(three, argnums)(*args, shift=0.5), jaxs(three, theirs)(*args, shift=0.5))
        assert_tree_equal(ours(three, argnums)(*args, 2.0), jaxs(three, theirs)(*args, 2.0))
    assert_tree_equal(pyad.jacobian(three, argnums)(*args), jax.jacobian(three, theirs)(*args))
    assert_tree_equal(pyad.hessian(three, argnums)(*args), jax.hessian(three, theirs)(*args))


def test_wrong_argnums_say_so():
    with pytest.raises(ValueError, match=r"grad: argnums 1 is out of range.*1 positional"):
        pyad.grad(np.sin, 1)(1.0)
    with pytest.raises(ValueError, match=r"value_and_grad: argnums -2 is out of range"):
        pyad.value_and_grad(np.sin, -2)(1.0)
    with pytest.raises(ValueError, match="names an argument twice"):
        pyad.grad(three, (0, -3))(1.0, 2.0, 3.0)
    with pytest.raises(TypeError, match="argnums must be an integer"):
        pyad.grad(three, "x")(1.0, 2.0, 3.0)
    with pytest.raises(TypeError, match="argnums must be an integer"):
        pyad.grad(three, 1.0)(1.0, 2.0, 3.0)


def test_has_aux_passes_anything_along():
    def f(x):
        return np.sum(x**2), {"double": 2 * x, "word": "text", "plain": np.arange(2), "none": None, "flag": x[0] > 0}

    gradient, aux = pyad.grad(f, has_aux=True)(X)
    np.testing.assert_allclose(gradient, 2 * X)
    np.testing.assert_allclose(aux["double"], 2 * X)
    assert type(aux["double"]) is np.ndarray
    assert (aux["word"], aux["none"], bool(aux["flag"])) == ("text", None, True)
    (value, aux), gradient = pyad.value_and_grad(f, has_aux=True)(X)
    np.testing.assert_allclose(value, np.sum(X**2))
    y, pullback, aux = pyad.vjp(f, X, has_aux=True)
    np.testing.assert_allclose(aux["double"], 2 * X)
    np.testing.assert_allclose(pullback(1.0)[0], 2 * X)
    y, dot, aux = pyad.jvp(f, (X,), (X,), has_aux=True)
    np.testing.assert_allclose([y, dot], [np.sum(X**2), 2 * np.sum(X**2)])
    np.testing.assert_allclose(aux["double"], 2 * X)
    rows, aux = pyad.jacobian(lambda x: (x**2, x), has_aux=True)(X)
    np.testing.assert_allclose(rows, np.diag(2 * X))
    np.testing.assert_allclose(aux, X)
    second, aux = pyad.hessian(f, has_aux=True)(X)
    np.testing.assert_allclose(second, 2 * np.eye(3))
    product, aux = pyad.hvp(f, (X,), (X,), has_aux=True)
    np.testing.assert_allclose(product, 2 * X)
    np.testing.assert_allclose(aux["double"], 2 * X)
    with pytest.raises(TypeError, match=r"has_aux=True: the function must return a pair"):
        pyad.grad(lambda x: np.sum(x), has_aux=True)(X)


def test_aux_of_an_inner_gradient_still_carries_the_outer_derivative():
    def inner(x):
        return x**2, x**3

    def outer(x):
        gradient, aux = pyad.grad(inner, has_aux=True)(x)
        return gradient * aux  # 2 x^4

    assert pyad.grad(outer)(2.0) == 64.0


# ---- containers ----

Point = collections.namedtuple("Point", "x y")


def spread(p):
    return np.sum(p["a"][0] * p["a"][1]) + p["b"].x ** 2 * p["b"].y + np.sum(p["c"]["d"] ** 3)


def test_containers_come_back_as_they_went_in():
    p = {"b": Point(2.0, 3.0), "a": [X, (M[0])], "c": {"d": M, "none": None, "empty": ()}}
    value, gradient = pyad.value_and_grad(spread)(p)
    np.testing.assert_allclose(value, spread(p))
    assert list(gradient) == list(p) or sorted(gradient) == sorted(p)
    assert type(gradient["a"]) is list
    assert type(gradient["b"]) is Point
    np.testing.assert_allclose(gradient["a"][0], M[0])
    np.testing.assert_allclose(gradient["a"][1], X)
    np.testing.assert_allclose(gradient["b"], (12.0, 4.0))
    np.testing.assert_allclose(gradient["c"]["d"], 3 * M**2)
    assert gradient["c"]["none"] is None
    assert gradient["c"]["empty"] == ()


def test_gradients_have_the_shapes_and_dtypes_of_their_arguments():
    leaves = [
        2.0,
        np.float64(2.0),
        np.float32(2.0),
        np.array(2.0),
        np.array(2.0, np.float32),
        np.ones(3, np.float32),
        np.ones((2, 0)),
        np.ones((1, 2), np.float32),
    ]
    gradient = pyad.grad(lambda leaves: sum(np.sum(x * 2) for x in leaves))(leaves)
    for x, g in zip(leaves, gradient, strict=True):
        assert g.shape == np.shape(x)
        assert g.dtype == np.asarray(x).dtype
        assert isinstance(g, np.ndarray if g.ndim else np.generic)
        np.testing.assert_array_equal(g, 2)


def test_values_are_numpy_scalars_and_arrays():
    value, gradient = pyad.value_and_grad(np.sin)(0.5)
    assert type(value) is type(gradient) is np.float64
    value, gradient = pyad.value_and_grad(np.sin)(np.float32(0.5))
    assert type(value) is type(gradient) is np.float32
    y, pullback = pyad.vjp(lambda x: (x, x[0], [np.sum(x)]), X)
    assert type(y[0]) is np.ndarray
    assert type(y[1]) is np.float64
    assert type(y[2][0]) is np.float64
    assert type(pullback(y)[0]) is np.ndarray


def test_float32_stays_float32_through_every_transform():
    x = X.astype(np.float32)

    def f(x):
        return np.sum(np.tanh(x * 2 + 1.0) ** 2 / (1 + np.exp(-x)))

    for result in (
        pyad.value_and_grad(f)(x),
        pyad.grad(lambda x: np.sum(pyad.grad(f)(x)))(x),
        pyad.hessian(f)(x),
        pyad.hvp(f, (x,), (x,)),
        pyad.jvp(f, (x,), (x,)),
        pyad.jacobian(lambda x: x * 2)(x),
        pyad.vjp(f, x)[1](np.float32(1.0))[0],
        pyad.vjp(f, x)[1](1.0)[0],
    ):
        for part in result if isinstance(result, tuple) else (result,):
            assert part.dtype == np.float32
    np.testing.assert_allclose(pyad.grad(f)(x), pyad.grad(f)(X), rtol=1e-5)


def test_outputs_that_do_not_depend_on_the_inputs_have_zero_derivatives():
    for f in (lambda x: 3.0, lambda x: np.float64(2.0), lambda x: 1, lambda x: np.sum(M), lambda x: float(M[0, 0])):
        np.testing.assert_array_equal(pyad.grad(f)(X), np.zeros(3))
        np.testing.assert_array_equal(pyad.jvp(f, (X,), (X,))[1], 0.0)
        np.testing.assert_array_equal(pyad.vjp(f, X)[1](1.0)[0], np.zeros(3))
        np.testing.assert_array_equal(pyad.hessian(f)(X), np.zeros((3, 3)))
    dx, dy = pyad.grad(lambda x, y: np.sum(x**2), (0, 1))(X, np.float32(1.0))
    np.testing.assert_allclose(dx, 2 * X)
    assert (dy, dy.dtype) == (0.0, np.float32)
    (dx,) = pyad.vjp(lambda x: (x[0], np.ones(2)), X)[1]((1.0, np.ones(2)))
    np.testing.assert_array_equal(dx, [1.0, 0.0, 0.0])
    assert pyad.grad(lambda x: pyad.grad(lambda y: 2.0 * x)(1.0))(3.0) == 0.0
    assert pyad.grad(lambda x: pyad.grad(lambda y: x)(1.0) + x)(3.0) == 1.0


def test_the_identity_and_constants_next_to_it():
    np.testing.assert_array_equal(pyad.vjp(lambda x: x, X)[1](M[0])[0], M[0])
    np.testing.assert_array_equal(pyad.jvp(lambda x: x, (X,), (M[0],))[1], M[0])
    assert pyad.value_and_grad(lambda x: x)(2.0) == (2.0, 1.0)
    np.testing.assert_array_equal(pyad.jacobian(lambda x: (x, x))(X)[1], np.eye(3))
    (got,) = pyad.vjp(lambda x: [x, x, {"k": x}], X)[1]([X, X, {"k": X}])
    np.testing.assert_allclose(got, 3 * X)


# ---- inputs and outputs that are refused ----

REFUSED = {
    "int": (1, r"must be float32 or float64, got int.*float\(x\)"),
    "bool": (True, "must be float32 or float64, got bool"),
    "int array": (np.arange(3), "must be float32 or float64, got int64"),
    "bool array": (np.ones(3, bool), "must be float32 or float64, got bool"),
    "half": (np.ones(3, np.float16), "float16 is not supported"),
    "long double": (np.ones(3, np.longdouble), "not supported"),
    "object": (np.array([1.0, None]), "object is not supported"),
    "text": ("text", "type str cannot be differentiated"),
    "masked": (np.ma.masked_array([1.0, 2.0], [True, False]), "MaskedArray is not supported"),
    "inside": ({"a": [1.0, 2]}, "must be float32 or float64, got int"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_inputs_that_cannot_be_differentiated_are_refused(name):
    x, message = REFUSED[name]
    for call in (
        lambda: pyad.grad(lambda x: 1.0)(x),
        lambda: pyad.vjp(lambda x: 1.0, x),
        lambda: pyad.jvp(lambda x: 1.0, (x,), (x,)),
        lambda: pyad.hessian(lambda x: 1.0)(x),
        lambda: pyad.grad(lambda y: pyad.grad(lambda x: y)(x))(1.0),
    ):
        with pytest.raises(DTypeError, match=message):
            call()


def test_outputs_that_are_not_scalar_or_no_numbers_are_refused():
    with pytest.raises(ShapeError, match=r"grad: the function must return a scalar, got an array of shape \(3,\)"):
        pyad.grad(np.sin)(X)
    with pytest.raises(ShapeError, match=r"shape \(1,\)"):
        pyad.grad(lambda x: x[:1])(X)
    with pytest.raises(ShapeError, match=r"shape \(2,\)"):
        pyad.grad(lambda x: np.ones(2))(X)
    for out in ((1.0, 2.0), None, "text", [1.0], {}):
        with pytest.raises(TypeError, match="must return a scalar"):
            pyad.grad(lambda x, out=out: out)(X)
    with pytest.raises(DTypeError, match="real number"):
        pyad.grad(lambda x: 1j)(X)
    with pytest.raises(TypeError, match="must return numbers"):
        pyad.vjp(lambda x: "text", X)


def test_stop_gradient_cuts_derivatives_of_values_and_containers():
    assert pyad.grad(lambda x: x * pyad.stop_gradient(x))(3.0) == 3.0
    got = pyad.grad(lambda x: sum(np.sum(a * x) for a in pyad.stop_gradient([x, {"k": x}["k"]])))(X)
    np.testing.assert_allclose(got, 2 * X)
    assert pyad.jvp(lambda x: x * pyad.stop_gradient(x), (3.0,), (1.0,))[1] == 3.0
    assert pyad.grad(pyad.grad(lambda x: x * pyad.stop_gradient(x * x)))(3.0) == 0.0
    assert pyad.stop_gradient(2.0) == 2.0
    assert pyad.stop_gradient("text") == "text"


# ---- errors inside ----


class Mine(Exception):
    pass


def fail_at(depth, ways):
    """A function that raises inside that many nested transforms."""

    def f(x):
        y = np.sin(x) * x
        if depth == 0:
            raise Mine
        return y * differentiate(pyad, fail_at(depth - 1, ways[1:]), ways[0])(y)

    return f


@pytest.mark.parametrize("ways", ["".join(w) for w in itertools.product("rfv", repeat=3)])
def test_an_exception_inside_leaves_the_tape_clean_at_every_depth(ways):
    for depth in range(3):
        with pytest.raises(Mine):
            differentiate(pyad, fail_at(depth, ways[1:]), ways[0])(0.5)
        assert engine.counters()["nodes"] == 0
        assert engine.current().depth == 0
        assert engine.current().keep == []
        np.testing.assert_allclose(pyad.grad(np.sin)(0.5), np.cos(0.5))


def test_an_inner_failure_that_is_caught_does_not_disturb_the_outer_derivative():
    def f(x):
        y = x * x
        for bad in (lambda z: z @ z, lambda z: [][1], lambda z: z.reshape(7), lambda z: np.sort(z)):
            for way in "rfv":
                with pytest.raises((TypeError, ValueError, IndexError)):
                    differentiate(pyad, lambda z, bad=bad: bad(z * y), way)(x)
        return y * x

    assert pyad.grad(f)(2.0) == 12.0
    assert pyad.jvp(f, (2.0,), (1.0,))[1] == 12.0
    assert pyad.grad(pyad.grad(f))(2.0) == 12.0


def test_leaked_values_are_refused_afterwards():
    kept = []

    def f(x):
        kept.append(x * 2)
        return x

    pyad.grad(f)(1.0)
    for use in (
        lambda x: x + 1,
        lambda x: np.sin(x),
        lambda x: pyad.grad(lambda y: y * x)(1.0),
        lambda x: x.shape,
        lambda x: pyad.grad(lambda y: y)(x),
    ):
        with pytest.raises(LeakError, match="after its transform"):
            use(kept[0])
    assert "ended" in repr(kept[0])


def test_numbers_and_truth_of_traced_values_are_refused():
    for use in (float, int, bool, complex, np.asarray, lambda x: x.item(), lambda x: x.tolist(), lambda x: [1, 2][x]):
        with pytest.raises(ConcretizationError, match="traced"):
            pyad.grad(use)(1.0)

    def assign(x):
        a = np.zeros(2)
        a[0] = x
        return np.sum(a)

    with pytest.raises(ConcretizationError, match="plain NumPy"):
        pyad.grad(assign)(1.0)


# ---- threads and processes ----


def test_many_threads_each_have_their_own_tape():
    failures = []

    def work(seed):
        rng = np.random.default_rng(seed)
        try:
            for _ in range(30):
                x = rng.normal(size=20)
                k = rng.uniform(0.5, 2.0)
                np.testing.assert_allclose(pyad.grad(lambda x, k=k: np.sum(np.sin(k * x)))(x), k * np.cos(k * x))
                got = pyad.hvp(lambda x, k=k: np.sum(np.exp(k * x)), (x,), (np.ones(20),))
                np.testing.assert_allclose(got, k * k * np.exp(k * x))
                with pytest.raises(Mine):
                    pyad.grad(fail_at(0, ""))(1.0)
            assert engine.counters()["nodes"] == 0
        except BaseException as problem:
            failures.append(problem)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_values_and_pullbacks_of_another_thread_are_refused():
    caught = []

    def on_thread(use):
        def run():
            try:
                use()
            except Exception as problem:
                caught.append(problem)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()

    def f(x):
        on_thread(lambda: x * 2)
        on_thread(lambda: np.sin(x))
        on_thread(lambda: pyad.grad(lambda y: x * y)(1.0))
        return x * x

    assert pyad.grad(f)(3.0) == 6.0
    assert len(caught) == 3
    for problem in caught:
        assert isinstance(problem, LeakError)
        assert "another thread" in str(problem)
    _, pullback = pyad.vjp(np.sin, 0.0)
    on_thread(lambda: pullback(1.0))
    assert isinstance(caught[-1], LeakError)
    assert "another thread" in str(caught[-1])
    assert pullback(1.0) == (1.0,)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_computes_too():
    pyad.grad(np.sin)(1.0)
    _, pullback = pyad.vjp(np.sin, X)
    child = os.fork()
    if child == 0:
        ok = False
        try:
            ok = pyad.grad(lambda x: pyad.grad(np.sin)(x) * x)(0.0) == 1.0
            ok = ok and np.allclose(pullback(np.ones(3))[0], np.cos(X))
            a = np.ones((64, 64))
            ok = ok and np.allclose(pyad.grad(lambda a: np.sum(a @ a))(a), 128.0)
        finally:
            os._exit(0 if ok else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
