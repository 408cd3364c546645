"""Plain NumPy code on traced values: ufuncs, functions, operators and methods, through NumPy's own protocols."""

import copy
import pickle

import numpy as np
import pytest

import pyad
import pyad.numpy as pnp
from pyad._binding import engine
from pyad._ops._registry import CONSTANT_FUNCTIONS, CONSTANT_UFUNCS, FUNCTIONS, UFUNCS, module_of
from pyad.errors import ConcretizationError, UnsupportedError

X = np.array([[0.3, 0.7, 0.2], [0.9, 0.5, 0.4]])
Y = np.array([[0.6, 0.1, 0.8], [0.25, 0.35, 0.45]])


def traced(f, *args):
    """The value f has while its arguments are traced."""
    return pyad.vjp(f, *args)[0]


# ---- one program, two imports ----

PROGRAMS = {
    "logistic": lambda np, x, y: np.mean(np.log1p(np.exp(-x @ y.T))) + 0.1 * np.sum(x**2),
    "statistics": lambda np, x, y: np.std(x, axis=0).sum() + np.var(y) * np.max(x) - np.min(y, axis=1).mean(),
    "selection": lambda np, x, y: np.where(x > y, np.sqrt(x), np.maximum(y, 0.3)).sum(),
    "shapes": lambda np, x, y: np.sum(np.concatenate([x.T, np.stack([y[0], y[1]], axis=1)], axis=0)[1:, ::-1] ** 3),
    "methods": lambda np, x, y: ((x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)).dot(y.T).sum(),
    "trigonometry": lambda np, x, y: np.sum(np.arctan2(np.sin(x), np.cos(y)) + np.arcsin(x) * np.sinh(y)),
    "in place": lambda np, x, y: accumulate(x, y),
    "loop": lambda np, x, y: sum(a * np.tanh(b) for p, q in zip(x, y, strict=True) for a, b in zip(p, q, strict=True)),
}


def accumulate(x, y):
    total = 1.0 * x
    total += y
    total *= 2.0
    total -= x * y
    total /= 1.0 + y
    total **= 2
    return total.sum()


@pytest.mark.parametrize("name", PROGRAMS)
def test_plain_numpy_and_pyad_numpy_give_the_same(name):
    program = PROGRAMS[name]
    plain, plain_gradients = pyad.value_and_grad(lambda x, y: program(np, x, y), (0, 1))(X, Y)
    ours, our_gradients = pyad.value_and_grad(lambda x, y: program(pnp, x, y), (0, 1))(X, Y)
    np.testing.assert_allclose(plain, program(np, X.copy(), Y.copy()), rtol=1e-13)
    np.testing.assert_array_equal(plain, ours)
    np.testing.assert_array_equal(plain_gradients, our_gradients)
    step = 1e-6
    numerical = (program(np, X + step * Y, Y.copy()) - program(np, X - step * Y, Y.copy())) / (2 * step)
    np.testing.assert_allclose(np.sum(plain_gradients[0] * Y), numerical, rtol=1e-6)


def test_in_place_operators_leave_the_argument_as_it_was():
    x = X.copy()
    pyad.grad(lambda x: accumulate(x, Y))(x)
    np.testing.assert_array_equal(x, X)


def test_every_name_of_pyad_numpy_works_on_plain_arrays_and_falls_back_to_numpy():
    for name in pnp.__all__:
        assert callable(getattr(pnp, name))
        assert hasattr(np, name)
    assert pnp.pi == np.pi
    assert pnp.busday_count is np.busday_count
    assert "busday_count" in dir(pnp)
    assert "sin" in dir(pnp)
    with pytest.raises(AttributeError):
        _ = pnp.no_such_function
    np.testing.assert_array_equal(pnp.sin(X), np.sin(X))
    np.testing.assert_array_equal(pnp.sin([0.0, 1.0]), np.sin([0.0, 1.0]))
    assert pnp.add(1, 2) == 3
    assert pnp.sum([1, 2]) == 3


def test_numpy_functions_take_lists_that_hold_traced_values():
    def f(a, b):
        return np.sum(pnp.sin([a, b])) + pnp.sum([a, 2.0 * b]) + pnp.concatenate([[a], [b, 1.0]])[1]

    got = pyad.grad(f, (0, 1))(0.3, 0.4)
    np.testing.assert_allclose(got, (np.cos(0.3) + 1, np.cos(0.4) + 3))


# ---- ufuncs ----


# Several results, or operands of another kind or range: tests/numpy_api/test_ufuncs.py has them.
PARTICULAR = {np.arccosh, np.divmod, np.frexp, np.ldexp, np.modf}


OURS = sorted((u for u in set(UFUNCS) - PARTICULAR if module_of(u) == "numpy"), key=lambda u: u.__name__)


@pytest.mark.parametrize("ufunc", OURS, ids=lambda u: u.__name__)
def test_every_ufunc_reaches_its_op_with_numpys_value(ufunc):
    args = (X, Y.T if ufunc.__name__ in ("matmul", "vecmat") else Y)[: ufunc.nin]
    want = ufunc(*args)
    np.testing.assert_allclose(traced(ufunc, *args), want, rtol=1e-14)
    if ufunc.nin == 2:
        for first, second in ((args[0].tolist(), args[1]), (args[0], args[1].tolist())):
            k = 1 if isinstance(first, list) else 0
            plain = [first, second]

            def call(x, plain=plain, k=k):
                return ufunc(*(x if i == k else p for i, p in enumerate(plain)))

            np.testing.assert_allclose(traced(call, args[k]), want, rtol=1e-14)


@pytest.mark.parametrize("ufunc", sorted(CONSTANT_UFUNCS, key=lambda u: u.__name__), ids=lambda u: u.__name__)
def test_constant_ufuncs_give_plain_arrays(ufunc):
    args = (X, Y)[: ufunc.nin]

    def f(x):
        out = ufunc(x, *args[1:])
        assert isinstance(out, np.ndarray)
        np.testing.assert_array_equal(out, ufunc(*args))
        assert out.dtype == ufunc(*args).dtype
        return np.sum(x * out)

    np.testing.assert_array_equal(pyad.grad(f)(X), np.asarray(ufunc(*args), float))


def test_keywords_and_methods_of_ufuncs_are_refused_by_name():
    calls = {
        "numpy.add: out=": lambda x: np.add(x, 1.0, out=np.zeros((2, 3))),
        "numpy.exp: .*where": lambda x: np.exp(x, where=X > 0.5),
    }
    for message, call in calls.items():
        with pytest.raises(UnsupportedError, match=message):
            pyad.grad(lambda x, call=call: np.sum(call(x)))(X)
    assert traced(lambda x: np.exp(x, where=True), X).shape == X.shape
    assert traced(lambda x: np.add(x, 1.0, out=None), X).shape == X.shape
    assert traced(lambda x: np.multiply(x, 2.0, dtype=np.float32), X).dtype == np.float32


# ---- functions ----

UNSUPPORTED = {
    "histogramdd": np.histogramdd,
    "histogram2d": lambda x: np.histogram2d(x[0], x[1]),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_functions_without_a_derivative_are_named(name):
    with pytest.raises(UnsupportedError, match=rf"{name} has no derivative in pyad"):
        pyad.grad(lambda x: np.sum(UNSUPPORTED[name](x)))(X)
    assert issubclass(UnsupportedError, NotImplementedError)
    assert issubclass(UnsupportedError, TypeError)


def test_unknown_arguments_of_a_supported_function_are_named():
    with pytest.raises(UnsupportedError, match=r"numpy\.clip.*casting"):
        pyad.grad(lambda x: np.sum(np.clip(x, 0.0, 1.0, casting="no")))(X)


def test_constant_functions_give_plain_results():
    def f(x):
        assert np.argmax(x) == np.argmax(X)
        np.testing.assert_array_equal(np.argsort(x, axis=1), np.argsort(X, axis=1))
        assert bool(np.all(x > 0)) is True
        assert np.allclose(x, X)
        assert np.array_equal(x, X)
        assert type(np.zeros_like(x, dtype=int)) is np.ndarray
        # Traced, so that they can be assigned into, and constant.
        assert type(np.zeros_like(x)) is pyad.Array
        np.testing.assert_array_equal(np.ones_like(x), np.ones((2, 3)))
        assert np.full_like(x, 2.0).shape == (2, 3)
        assert np.count_nonzero(x > 0.5) == np.count_nonzero(X > 0.5)
        assert np.round(x, 1).shape == (2, 3)
        assert (np.shape(x), np.ndim(x), np.size(x), np.size(x, 1)) == ((2, 3), 2, 6, 3)
        assert np.searchsorted(np.array([0.0, 0.5]), x[0]).tolist() == [1, 2, 1]
        return np.sum(x)

    np.testing.assert_array_equal(pyad.grad(f)(X), 1.0)


def test_the_tables_do_not_overlap():
    assert not set(UFUNCS) & CONSTANT_UFUNCS
    assert not set(FUNCTIONS) & CONSTANT_FUNCTIONS


# ---- operators ----

OPERATORS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "**": lambda a, b: a**b,
}
OTHERS = {
    "float": 1.5,
    "int": 2,
    "bool": True,
    "np.float64": np.float64(1.5),
    "np.float32": np.float32(1.5),
    "np.int64": np.int64(2),
    "np.bool": np.True_,
    "0-d": np.array(1.5),
    "0-d f4": np.array(1.5, np.float32),
    "array": np.array([0.5, 1.5, 2.5]),
    "f4 array": np.array([0.5, 1.5, 2.5], np.float32),
    "int array": np.array([1, 2, 3]),
    "int8 array": np.array([1, 2, 3], np.int8),
    "uint16 array": np.array([1, 2, 3], np.uint16),
    "bool array": np.array([True, False, True]),
    "column": np.array([[1.0], [2.0]]),
    "list": [0.5, 1.5, 2.5],
    "nested list": [[1, 2, 3], [4, 5, 6]],
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("symbol", OPERATORS)
def test_operators_in_both_orders_have_numpys_dtype_and_value(symbol, other, dtype):
    """NEP 50: a Python number is weak, whatever has a dtype takes part in the promotion."""
    operate, other = OPERATORS[symbol], OTHERS[other]
    if symbol == "**" and type(other) is np.int64 and np.lib.NumpyVersion(np.__version__) < "2.2.0":
        pytest.skip("NumPy before 2.2 squares an array for an exponent of 2 of any dtype, and keeps the array's own")
    for x in (X[0].astype(dtype), dtype(0.75)):
        if isinstance(other, list) and np.ndim(x) == 0:
            # A NumPy scalar leaves a list to Python.
            continue
        for f in (lambda x: operate(x, other), lambda x: operate(other, x)):
            with np.errstate(all="ignore"):
                want = f(x)
            value, pullback = pyad.vjp(f, x)
            assert value.dtype == want.dtype
            assert np.shape(value) == np.shape(want)
            # NumPy raises a float32 array to a power by way of its own float32 routine.
            np.testing.assert_allclose(value, want, rtol=1e-6 if value.dtype == np.float32 else 1e-14)
            (gradient,) = pullback(np.ones(np.shape(value), value.dtype))
            assert gradient.dtype == dtype
            assert np.shape(gradient) == np.shape(x)
            if np.all(np.isfinite(want)):
                step = 1e-6
                moved = [np.sum(f(np.float64(x) + sign * step), dtype=float) for sign in (1, -1)]
                np.testing.assert_allclose(np.sum(gradient), (moved[0] - moved[1]) / (2 * step), rtol=2e-3, atol=1e-4)


def test_matrix_operators_in_both_orders():
    np.testing.assert_allclose(traced(lambda x: x @ Y.T, X), X @ Y.T)
    np.testing.assert_allclose(traced(lambda x: Y.T @ x, X), Y.T @ X)
    np.testing.assert_allclose(traced(lambda x: Y.T.tolist() @ x, X), Y.T @ X)


def test_unary_operators():
    np.testing.assert_array_equal(traced(lambda x: -x, X), -X)
    np.testing.assert_array_equal(traced(lambda x: +x, X), X)
    np.testing.assert_array_equal(traced(lambda x: abs(-x), X), X)


def test_comparisons_give_plain_booleans_in_both_orders():
    def f(x):
        for compare in ("__lt__", "__le__", "__gt__", "__ge__", "__eq__", "__ne__"):
            got, want = getattr(x, compare)(0.5), getattr(X, compare)(0.5)
            assert type(got) is np.ndarray
            np.testing.assert_array_equal(got, want)
        np.testing.assert_array_equal(Y <= x, Y <= X)  # noqa: SIM300 - the reflected order is what is tested
        np.testing.assert_array_equal(x == x, True)
        total = x[0, 0] * 0.0
        for row in x:
            for v in row:
                if v > 0.5:
                    total = total + v
        return total

    np.testing.assert_array_equal(pyad.grad(f)(X), X > 0.5)
    assert pyad.grad(lambda x: x if x > 1 else 2.0 * x)(3.0) == 1.0
    assert pyad.grad(lambda x: x * (0.5 in x) if x.ndim else x)(1.0) == 1.0
    assert pyad.grad(lambda x: np.sum(x) * (0.5 in x))(X).sum() == 6.0


# ---- the array itself ----


def test_attributes_and_methods_are_those_of_an_array():
    def f(x):
        assert (x.shape, x.ndim, x.size, x.dtype, len(x)) == ((2, 3), 2, 6, X.dtype, 2)
        assert (x.itemsize, x.nbytes) == (8, 48)
        assert isinstance(x, pyad.Array)
        assert x.argmax() == X.argmax()
        np.testing.assert_array_equal(x.argsort(axis=0), X.argsort(axis=0))
        np.testing.assert_array_equal(x.round(1), X.round(1))
        assert bool((x > 0).all())
        assert x.conj() is x
        assert copy.copy(x) is not x
        assert copy.deepcopy([x])[0] is not x
        assert "traced float64[2, 3]" in repr(x)
        assert str(float(X[0, 0])) in f"{x[0, 0]}"
        assert f"{x[0, 0]:.2f}" == "0.30"
        with pytest.raises(TypeError, match="unhashable"):
            hash(x)
        with pytest.raises(ConcretizationError, match="pickled"):
            pickle.dumps(x)
        return sum(x.flat) + x.T.ravel()[0] + x.copy().sum()

    want = np.full((2, 3), 2.0)
    want[0, 0] += 1
    np.testing.assert_array_equal(pyad.grad(f)(X), want)


def test_a_traced_value_is_not_mistaken_for_a_number_elsewhere():
    for use in (
        lambda x: np.array([x, 1.0]),
        lambda x: np.asarray(x),
        lambda x: np.zeros(3) + np.array(x),
        lambda x: range(x),
        lambda x: [0, 1][x],
        lambda x: int(x),
    ):
        with pytest.raises(TypeError):
            pyad.grad(use)(1.0)
    assert engine.counters()["nodes"] == 0


def test_operands_that_are_no_numbers_are_refused():
    for other in ("text", None, {}, object(), 1j, np.array([1j]), np.array(["a"]), [None]):
        for f in (lambda x, y: x + y, lambda x, y: y * x, lambda x, y: np.power(x, y)):
            with pytest.raises(TypeError):
                pyad.grad(lambda x, f=f, other=other: np.sum(f(x, other)))(X)
