"""NumPy's ufuncs beyond the first, their keyword arguments and methods, operators of Python, and edge values."""

import math
import operator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.calls import NEW_NUMPY
from support.oracles import assert_ulps

import pyad
import pyad.numpy as pnp
from pyad.errors import ConcretizationError, UnsupportedError
from pyad.testing import check_grads

INF, NAN = np.inf, np.nan
A = np.array([0.3, -1.7, 2.4])
B = np.array([1.2, -0.6, 0.9])
P = np.array([0.4, 1.7, 2.6])
ROW = np.array([[0.55], [-1.45]])


def traced(f, *args):
    """The value f has while its arguments are traced."""
    return pyad.vjp(f, *args)[0]


# name -> operands, all differentiable
CASES = {
    "hypot": (A, B),
    "logaddexp": (A, ROW),
    "logaddexp2": (A, ROW),
    "exp2": (A,),
    "log2": (P,),
    "log10": (P,),
    "cbrt": (A,),
    "arcsinh": (A,),
    "arccosh": (P + 1.0,),
    "arctanh": (A / 3,),
    "degrees": (A,),
    "rad2deg": (A,),
    "radians": (A,),
    "deg2rad": (A,),
    "fmax": (A, B),
    "fmin": (A, ROW),
    "fmod": (7 * A, B),
    "mod": (7 * A, B),
    "remainder": (7 * A, ROW),
    "floor_divide": (7 * A, B),
    "copysign": (A, B),
    "float_power": (P, B),
    "sinc": (A,),
    "i0": (A,),
    "trunc": (A,),
    "rint": (A,),
    "fix": (A,),
    "nan_to_num": (A,),
    "real_if_close": (A,),
    "positive": (A,),
    "sign": (A,),
}


@pytest.mark.parametrize("name", CASES)
def test_values_are_numpys_and_derivatives_equal_differences(name):
    args, f = CASES[name], getattr(pnp, name)
    want = getattr(np, name)(*args)
    for call in (f, getattr(np, name)):
        got = traced(call, *args)
        np.testing.assert_allclose(got, want, rtol=1e-15, atol=1e-16)
        assert got.dtype == want.dtype
        assert got.shape == want.shape
    check_grads(f, args, order=2)


@pytest.mark.parametrize("name", [name for name in CASES if name != "float_power"])
def test_float32_stays_float32(name):
    args = tuple(x.astype(np.float32) for x in CASES[name])
    want = getattr(np, name)(*args)
    value, pullback = pyad.vjp(getattr(np, name), *args)
    assert value.dtype == want.dtype == np.float32
    np.testing.assert_allclose(value, want, rtol=4e-7)
    wide = pyad.vjp(getattr(np, name), *(x.astype(float) for x in args))[1]
    for got, expected in zip(pullback(np.ones_like(value)), wide(np.ones(value.shape)), strict=True):
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in CASES if len(CASES[name]) == 2])
def test_functions_of_two_operands_take_plain_numbers_and_arrays_on_either_side(name):
    a, b = CASES[name]
    f = getattr(np, name)
    for call, x in (
        (lambda a: f(a, b), a),
        (lambda b: f(a, b), b),
        (lambda a: f(a, 2.5), a),
        (lambda b: f(2.5, b), np.abs(b)),
        (lambda a: f(a, np.float32(2.5)), a),
        (lambda a: f(a, 2), a),
        (lambda a: f(a, np.array([1, 2, 3])), a),
    ):
        np.testing.assert_allclose(traced(call, x), call(x), rtol=1e-15)
        check_grads(call, (x,), order=1)


WIDE = np.concatenate(
    [s * np.geomspace(low, high, 60) for s in (1, -1) for low, high in ((1e-300, 1e-3), (1e-3, 1e3), (1e3, 1e300))]
)
SPREAD = ["hypot", "logaddexp", "exp2", "log2", "log10", "cbrt", "arcsinh", "arccosh", "arctanh", "fmod", "mod"]


@pytest.mark.parametrize("name", [*SPREAD, "floor_divide", "copysign", "fmax", "fmin", "trunc", "rint", "logaddexp2"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_over_the_whole_range_are_within_4_ulp_of_numpy(name, dtype):
    f = getattr(np, name)
    with np.errstate(all="ignore"):
        x = np.unique(np.concatenate([WIDE, [0.0, INF, -INF, NAN, 1 - 1e-9, 1 + 1e-9]]).astype(dtype))
        args = (x,) if f.nin == 1 else (x[:, None], x[::5])
        want = f(*args)
        got = traced(f, *args)
        if name in ("logaddexp", "logaddexp2"):
            # Where the operands and the logarithm cancel, NumPy itself is off by the rounding of the operands.
            away = np.abs(want) > 1
            got, want = got[away], want[away]
    assert_ulps(got, want, 4)


@pytest.mark.parametrize("name", ["exp2", "log2", "log10"])
def test_exact_powers_of_the_base_are_exact(name):
    base = 10 if name == "log10" else 2
    k = np.arange(-20, 20 if base == 10 else 300)
    powers = base ** k[k >= 0].astype(float)
    if name == "exp2":
        assert traced(np.exp2, k.astype(float)).tolist() == [2.0**i for i in k]
    else:
        assert traced(getattr(np, name), powers).tolist() == k[k >= 0].tolist()


# ---- edge values ----

EDGES = {
    "cbrt": [0.0, -8.0, INF],
    "exp2": [INF, -INF, 0.0, NAN],
    "log2": [0.0, -1.0, INF],
    "log10": [0.0, -1.0, INF],
    "arcsinh": [0.0, 1e200, -1e200],
    "arccosh": [1.0, 0.5, INF],
    "arctanh": [1.0, -1.0, 2.0],
    "sinc": [0.0, 1.0, 0.5],
    "i0": [0.0, -3.0],
    "nan_to_num": [NAN, INF, 1.0],
    "trunc": [1.5, 2.0],
    "fmod": [(5.0, 3.0), (-5.0, 3.0), (5.0, -3.0), (1.0, INF), (-1.0, INF)],
    "mod": [(5.0, 3.0), (-5.0, 3.0), (5.0, -3.0), (1.0, INF), (-1.0, INF), (6.0, 3.0), (3.0, 0.0)],
    "copysign": [(0.0, 1.0), (0.0, -1.0), (2.0, -0.0), (-2.0, 1.0)],
    "fmax": [(NAN, 1.0), (1.0, NAN)],
    "fmin": [(NAN, 1.0), (1.0, NAN)],
    "hypot": [(0.0, 2.0), (-3.0, 0.0)],
    "logaddexp": [(1.0, 1.0), (-INF, 1.0)],
    "heaviside": [(0.0, 0.5), (1.0, 0.5)],
}


@pytest.mark.parametrize("name", EDGES)
def test_edge_values_are_those_of_jax(name):
    for point in EDGES[name]:
        args = point if isinstance(point, tuple) else (point,)
        places = tuple(range(len(args)))
        want = jax.grad(getattr(jnp, name), places)(*args)
        with np.errstate(all="ignore"):
            got = pyad.grad(lambda *x, name=name: getattr(pnp, name)(*x) + 0.0 * x[0], places)(*args)
            if not np.isfinite(args[0]):
                got = pyad.grad(getattr(pnp, name), places)(*args)
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-13, err_msg=f"{name}{args}")


def test_the_edge_values_that_are_not_those_of_jax():
    assert pyad.grad(np.hypot, (0, 1))(0.0, 0.0) == (0.0, 0.0)
    assert pyad.grad(np.fmax, (0, 1))(1.0, 1.0) == (0.5, 0.5)
    assert pyad.grad(np.fmin, (0, 1))(1.0, 1.0) == (0.5, 0.5)
    assert pyad.grad(np.logaddexp, (0, 1))(INF, INF) == (0.5, 0.5)
    assert pyad.grad(np.logaddexp, (0, 1))(-INF, -INF) == (0.5, 0.5)
    assert pyad.grad(np.logaddexp, (0, 1))(INF, 1.0) == (1.0, 0.0)
    assert pyad.grad(pyad.grad(np.logaddexp))(0.5, 0.5) == 0.25


@pytest.mark.parametrize("x", [0.0, 1e-9, 0.3, 1.0, 7.5])
def test_sinc_and_i0_have_derivatives_of_every_order(x):
    check_grads(pnp.sinc, (x,), order=3)
    check_grads(pnp.i0, (x,), order=3)
    u = np.pi * x
    slope = -np.pi * u / 3 * (1 - u * u / 10) if x < 1e-3 else (np.cos(u) - np.sin(u) / u) / x
    np.testing.assert_allclose(pyad.grad(pnp.sinc)(x), slope, rtol=1e-13, atol=1e-300)
    np.testing.assert_allclose(pyad.grad(pnp.i0)(x), float(jax.scipy.special.i1(x)), rtol=1e-13, atol=1e-300)


# ---- parts of numbers ----


def test_functions_of_two_results_give_numpys_and_differentiable_parts():
    x = np.array([5.75, -3.5, 0.0, -0.0, INF])
    for f in (np.modf, np.frexp, lambda x: np.divmod(x, 2.0), lambda x: divmod(x, 2.0), lambda x: divmod(7.0, x)):
        finite = x[:2]
        for got, want in zip(traced(f, finite), f(finite), strict=True):
            np.testing.assert_array_equal(got, want)
            assert got.dtype == want.dtype
    np.testing.assert_array_equal(np.signbit(traced(lambda x: np.modf(x)[0], x)), np.signbit(x))
    assert pyad.grad(lambda x: np.sum(np.modf(x)[0] * x))(A).tolist() == (A + np.modf(A)[0]).tolist()
    assert pyad.grad(lambda x: np.frexp(x)[0])(3.0) == 0.25
    assert pyad.grad(lambda x: np.ldexp(x, 3))(3.0) == 8.0
    check_grads(lambda x: np.ldexp(x * x, np.array([[1], [2]])), (A,), order=2)
    check_grads(lambda x: divmod(x, 2.0)[1] * x, (A,), order=2)
    with pytest.raises(TypeError, match="ldexp: the exponents must be integers"):
        pyad.grad(lambda x: np.ldexp(1.0, x))(3.0)


def test_heaviside_is_constant_in_its_first_operand():
    x = np.array([-1.0, 0.0, 2.0, NAN])
    np.testing.assert_array_equal(traced(lambda x: np.heaviside(x, 0.5), x), np.heaviside(x, 0.5))
    np.testing.assert_array_equal(traced(lambda h: np.heaviside(x, h), 0.5), np.heaviside(x, 0.5))
    assert pyad.grad(lambda h: np.sum(np.heaviside(x[:3], h)))(0.5) == 1.0


def test_nan_to_num_takes_the_replacements():
    x = np.array([1.0, NAN, INF, -INF])
    for keywords in ({}, {"nan": 2.0}, {"posinf": 3.0, "neginf": -4.0}):
        got, pullback = pyad.vjp(lambda x, k=keywords: np.nan_to_num(x, **k), x)
        np.testing.assert_array_equal(got, np.nan_to_num(x, **keywords))
        assert pullback(np.ones(4))[0].tolist() == [1.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.clip(x, -1.0, 1.0),
        lambda x: np.clip(x, None, 1.0),
        lambda x: np.clip(x, a_min=-1.0, a_max=None),
        lambda x: np.clip(x, ROW, 2.0),
        lambda x: x.clip(-1.0, 1.0),
        lambda x: x.clip(max=1.0),
        lambda x: np.clip(0.0, x, None),
        lambda x: np.clip(B, x, x + 1.0),
    ],
)
def test_clip_takes_arrays_none_and_traced_bounds(call):
    np.testing.assert_array_equal(traced(call, A), call(A))
    check_grads(call, (A,), order=2)


def test_clip_at_its_bounds_passes_half_the_derivative_as_in_jax():
    for point in (0.0, 1.0, 0.5, 2.0, -1.0):
        want = jax.grad(lambda x: jnp.clip(x, 0.0, 1.0))(point)
        assert pyad.grad(lambda x: np.clip(x, 0.0, 1.0))(point) == want


CONSTANT = {
    "nextafter": lambda x: np.nextafter(x, 2.0),
    "spacing": np.spacing,
    "isfinite": np.isfinite,
    "isposinf": np.isposinf,
    "isneginf": np.isneginf,
    "isreal": np.isreal,
    "isclose": lambda x: np.isclose(x, 0.3),
    "logical_xor": lambda x: np.logical_xor(x > 0, x),
    "greater_equal.outer": lambda x: np.greater_equal.outer(x, B),
    "logical_and.reduce": lambda x: np.logical_and.reduce(x),
    "round": lambda x: np.round(x, 1),
}


@pytest.mark.parametrize("name", CONSTANT)
def test_what_is_constant_gives_plain_results(name):
    seen = []
    pyad.grad(lambda x: (seen.append(CONSTANT[name](x)), x[0])[1])(A)
    np.testing.assert_array_equal(seen[0], CONSTANT[name](A))
    assert not isinstance(seen[0], pyad.Array)


# ---- operators ----

OPERATORS = {
    "//": operator.floordiv,
    "%": operator.mod,
    "divmod": lambda a, b: divmod(a, b)[0] + divmod(a, b)[1],
    "**": operator.pow,
}
OTHERS = [2.5, 3, np.float32(2.5), np.int64(2), np.array([1.5, 2.5, 0.5]), np.array([1, 2, 3]), [1.5, 2.5, 0.5]]


@pytest.mark.parametrize("symbol", OPERATORS)
@pytest.mark.parametrize("other", OTHERS, ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_operators_in_both_orders_have_numpys_value_and_dtype(symbol, other, dtype):
    x = P.astype(dtype)
    for call in (lambda x: OPERATORS[symbol](x, other), lambda x: OPERATORS[symbol](other, x)):
        want = call(x)
        got = traced(call, x)
        if NEW_NUMPY or symbol != "**":  # float32 ** int64 was float32
            assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=2e-7 if np.float32 in (got.dtype, want.dtype) else 1e-15)


def test_comparisons_take_every_type():
    def f(x):
        for other in OTHERS:
            for compare in (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne):
                for left, right in ((x, other), (other, x)):
                    plain = [P if v is x else v for v in (left, right)]
                    np.testing.assert_array_equal(compare(left, right), compare(*plain))
        return x[0]

    pyad.grad(f)(P)


def test_rounding_to_python_integers_is_refused_by_name():
    for call, name in (
        (round, "round"),
        (math.floor, "math.floor"),
        (math.ceil, "math.ceil"),
        (math.trunc, "math.trunc"),
    ):
        with pytest.raises(ConcretizationError, match=rf"{name}\(\)"):
            pyad.grad(call)(1.5)
    assert traced(lambda x: x * round(x, 1), 1.26) == 1.26 * 1.3


def test_half_precision_operands_are_widened_and_complex_ones_refused():
    half = np.array([0.5, 1.5, 2.5], np.float16)
    for call in (lambda x: x + half, lambda x: np.hypot(x, half), lambda x: half % x):
        for x in (P, P.astype(np.float32)):
            assert traced(call, x).dtype == call(x).dtype
            np.testing.assert_allclose(traced(call, x), call(x), rtol=1e-6)
    with pytest.raises(TypeError, match="hypot"):
        pyad.grad(lambda x: np.sum(np.hypot(x, np.ones(3, complex))))(P)
    assert traced(lambda x: np.hypot(x, True) + (x % np.array([True])), P).dtype == np.float64


# ---- keyword arguments ----


def test_dtype_and_signature_cast_the_operands():
    x = P.astype(np.float32)
    for call in (
        lambda x: np.exp(x, dtype=np.float64),
        lambda x: np.hypot(x, x, dtype="d"),
        lambda x: np.hypot(x, 2.0, signature="dd->d"),
        lambda x: np.exp(x, signature=(np.float64, None)),
        lambda x: np.exp(x, order="F", subok=False, casting="same_kind", where=True),
    ):
        np.testing.assert_allclose(traced(call, x), call(x), rtol=2e-7)
        assert traced(call, x).dtype == call(x).dtype
        assert pyad.grad(lambda x, call=call: np.sum(call(x)))(x).dtype == np.float32
    assert traced(lambda x: np.exp(x, dtype=np.float32), P).dtype == np.float32
    np.testing.assert_array_equal(traced(lambda x: np.exp(x, where=np.ones(3, bool)), x), np.exp(x))
    # The operands are cast and not the result.
    got = traced(lambda x: np.exp(x, dtype=np.float64), x)
    np.testing.assert_allclose(got, np.exp(x.astype(float)), rtol=1e-15)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda x: np.exp(x, where=A > 0),
            r"numpy\.exp: where= leaves elements of the result undefined; write np.where",
        ),
        (lambda x: np.exp(x, dtype=int), r"numpy\.exp: dtype=int64"),
        (lambda x: np.exp(x, dtype=np.float32, casting="safe"), r"numpy\.exp: cannot cast .* float64 to float32"),
        (lambda x: np.add(x, np.ones(3, np.float32), casting="no"), r"numpy\.add: cannot cast .* float32 to float64"),
        (lambda x: np.hypot(x, x, signature="df->d"), r"numpy\.hypot: signature="),
        (lambda x: np.hypot(x, x, out=np.zeros(3)), r"numpy\.hypot: out="),
        (lambda x: np.add.reduce(x, out=np.zeros(())), r"out="),
    ],
)
def test_keywords_that_cannot_be_honoured_are_refused_by_name(call, words):
    with pytest.raises(TypeError, match=words):
        pyad.grad(lambda x: np.sum(call(x)))(A)


# ---- methods ----

M = np.array([[0.5, -1.2, 2.0], [1.5, 0.7, -0.4]])
METHODS = {
    "add.reduce": lambda np, x: np.add.reduce(x),
    "add.reduce axis": lambda np, x: np.add.reduce(x, axis=1, keepdims=True),
    "add.reduce all": lambda np, x: np.add.reduce(x, axis=None, initial=2.0),
    "add.reduce axes": lambda np, x: np.add.reduce(x, axis=(0, -1), where=M > 0),
    "multiply.reduce": lambda np, x: np.multiply.reduce(x, axis=1, initial=2.0),
    "maximum.reduce": lambda np, x: np.maximum.reduce(x, axis=-1),
    "minimum.reduce": lambda np, x: np.minimum.reduce(x, axis=0, where=M > 0, initial=3.0),
    "fmax.reduce": lambda np, x: np.fmax.reduce(x),
    "fmin.reduce": lambda np, x: np.fmin.reduce(x, axis=1, keepdims=True),
    "logaddexp.reduce": lambda np, x: np.logaddexp.reduce(x, axis=1),
    "logaddexp.reduce where": lambda np, x: np.logaddexp.reduce(x, where=M > -1, initial=0.3),
    "subtract.reduce": lambda np, x: np.subtract.reduce(x, axis=1),
    "hypot.reduce": lambda np, x: np.hypot.reduce(x, axis=1, keepdims=True, initial=1.0),
    "add.accumulate": lambda np, x: np.add.accumulate(x),
    "multiply.accumulate": lambda np, x: np.multiply.accumulate(x, axis=-1),
    "maximum.accumulate": lambda np, x: np.maximum.accumulate(x, axis=1),
    "minimum.accumulate": lambda np, x: np.minimum.accumulate(x),
    "logaddexp.accumulate": lambda np, x: np.logaddexp.accumulate(x, axis=1),
    "add.outer": lambda np, x: np.add.outer(x, A),
    "hypot.outer": lambda np, x: np.hypot.outer(A, x),
    "multiply.outer": lambda np, x: np.multiply.outer(x[0], x[:, 1], dtype=float),
    "add.reduceat": lambda np, x: np.add.reduceat(x, [0, 1, 2], axis=1),
    "add.reduceat gap": lambda np, x: np.add.reduceat(x, np.array([1, 2]), axis=1),
    "add.reduceat back": lambda np, x: np.add.reduceat(x, [2, 0, 1], axis=1),
    "multiply.reduceat": lambda np, x: np.multiply.reduceat(x, [0, 1], axis=1),
    "maximum.reduceat": lambda np, x: np.maximum.reduceat(x, [1, 0], axis=0),
}


@pytest.mark.parametrize("name", METHODS)
def test_methods_of_ufuncs_have_numpys_values_and_derivatives(name):
    f = METHODS[name]
    want = f(np, M)
    for kit in (np, pnp):
        got = traced(lambda x, kit=kit: f(kit, x), M)
        np.testing.assert_allclose(got, want, rtol=1e-14)
        assert got.shape == want.shape
    check_grads(lambda x: f(np, x), (M,), order=2)
    single = traced(lambda x: f(np, x), M.astype(np.float32))
    assert single.dtype == np.float32 or "outer" in name


def test_the_extrema_so_far_give_their_derivative_to_the_first_of_equal_elements():
    def slopes(ufunc, x):
        return pyad.grad(lambda x: np.sum(ufunc.accumulate(x)))(np.array(x)).tolist()

    assert slopes(np.maximum, [1.0, 3.0, 3.0, 2.0]) == [1.0, 3.0, 0.0, 0.0]
    assert slopes(np.minimum, [1.0, 3.0, 1.0, 2.0]) == [4.0, 0.0, 0.0, 0.0]
    x = np.array([1.0, NAN, 3.0, NAN])
    np.testing.assert_array_equal(traced(np.maximum.accumulate, x), np.maximum.accumulate(x))


def test_methods_of_ufuncs_refuse_what_numpy_refuses():
    for call, kind in (
        (lambda x: np.subtract.reduce(x, axis=(0, 1)), ValueError),
        (lambda x: np.add.reduce(x, axis=2), np.exceptions.AxisError),
        (lambda x: np.subtract.reduce(x[:, :0], axis=1), ValueError),
        (lambda x: np.maximum.reduce(x, where=M > 0), ValueError),
        (lambda x: np.add.reduceat(x, [3], axis=1), IndexError),
        (lambda x: np.exp.reduce(x), ValueError),
    ):
        with pytest.raises(kind):
            call(M)
        with pytest.raises(kind):
            pyad.vjp(call, M)
    with pytest.raises(UnsupportedError, match=r"numpy\.hypot\.reduce: where="):
        pyad.vjp(lambda x: np.hypot.reduce(x, where=M > 0), M)


def test_functions_of_pyad_numpy_have_the_attributes_of_ufuncs():
    assert pnp.add.nin == 2
    assert pnp.hypot.nout == 1
    assert pnp.add.reduce(M).tolist() == np.add.reduce(M).tolist()
    assert traced(lambda x: pnp.exp(x, dtype=np.float32), A).dtype == np.float32
    assert pyad.grad(lambda a: pnp.sum(pnp.exp([a, 2.0 * a], dtype=np.float64)))(0.0) == 3.0
    assert pnp.exp(A, out=np.zeros(3)).tolist() == np.exp(A).tolist()
