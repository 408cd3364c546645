"""Every op in the registry against its NumPy reference, and its derivatives against differences, in both modes.

The tests go over the registry, so an op that is added is tested; one that is not element-wise needs a sample of its
operands in oracles.STRUCTURAL, and fails here without.
"""

import numpy as np
import pytest
from support.oracles import (
    BOOLEANS,
    F32,
    F64,
    LAYOUTS,
    Sample,
    all_samples,
    assert_ulps,
    drawn,
    native_ops,
    record,
    samples,
)

import pyad
from pyad._binding import engine
from pyad._trace.op import REGISTRY, elementwise, linear, nondiff
from pyad.errors import EngineError
from pyad.testing import check_grads

SAMPLES = all_samples()
# Long ones are for values; their derivatives are those of the short ones.
DIFFERENTIABLE = [s for s in SAMPLES if s.op.backward is not None and all(x.size <= 24 for x in s.operands)]
ELEMENTWISE = [op for op in native_ops() if op.is_elementwise]

# How far a kernel may be from NumPy, where both round: 2 ulp each for vector math, more for sums and products.
ULPS = 4
ROUNDING = {"matmul", "affine", "sum", "logsumexp", "softmax", "log_softmax", "put", "cross_entropy", "sum_squares"}


def largest(op):
    """A sample of at least 2 dimensions where there is one: what layouts make a difference for."""
    found = samples(op)
    if not found:
        pytest.skip("has no samples, for which another test fails")
    return max(found, key=lambda s: max((x.ndim, x.size) for x in s.operands))


# ---- the registry ----


def test_every_kernel_of_the_engine_belongs_to_an_op():
    missing = [k for k in range(engine.KERNEL_COUNT) if k not in REGISTRY]
    names = {engine.ffi.string(engine.lib.pyad_kernel_name(k)).decode() for k in missing}
    # `alias` is the engine's own: a fresh leaf over an outer value, which only transforms make. The others are made by
    # passes over graphs and are never on a tape.
    assert names <= {"alias", "add_slice", "add_rows"}


@pytest.mark.parametrize("op", native_ops(), ids=repr)
def test_every_op_is_tested_and_either_has_a_derivative_or_is_declared_without(op):
    assert samples(op), f"{op.name} is not element-wise: add operands and params to oracles.STRUCTURAL"
    if op.backward is None:
        # Only `nondiff` makes these, for results that are booleans.
        assert op.is_elementwise
        sample = samples(op)[0]
        assert np.asarray(sample.reference(*sample.with_dtype(F64))).dtype == bool
    else:
        assert callable(op.backward)
    if op.is_elementwise:
        assert len(op.domain) == op.arity
        assert all(low < high for low, high in op.domain)


def test_an_op_cannot_be_registered_twice_or_for_a_kernel_that_does_not_exist():
    before = dict(REGISTRY)
    with pytest.raises(EngineError, match=r"op add: number \d+ is taken by add"):
        nondiff("add", np.add, 2)
    with pytest.raises(EngineError, match="the engine has no kernel 'no_such_kernel'"):
        elementwise("no_such_kernel", np.sin, lambda s, y, x: (s,))
    with pytest.raises(TypeError):
        linear("add", np.add)
    assert before == REGISTRY


# ---- values ----


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
@pytest.mark.parametrize("dtype", [F32, F64], ids=str)
def test_value_shape_and_dtype_are_those_of_the_reference(sample, dtype):
    floats = sample.with_dtype(dtype)
    got, want = sample.value(*floats), sample.reference(*floats)
    if sample.op.name in ROUNDING:
        assert np.asarray(got).dtype == np.asarray(want).dtype
        np.testing.assert_allclose(got, want, rtol=64 * np.finfo(dtype).eps, atol=64 * np.finfo(dtype).eps)
        assert np.shape(got) == np.shape(want)
    else:
        assert_ulps(got, want, ULPS)


@pytest.mark.parametrize("op", [op for op in ELEMENTWISE if op.arity > 1], ids=repr)
@pytest.mark.parametrize("kinds", [(F32, F64), (F64, F32)], ids=str)
def test_mixed_float_dtypes_give_the_dtype_of_numpy(op, kinds):
    sample = Sample(op, drawn(op, [(2, 3)] * op.arity), ())
    floats = [x.astype(kind) for x, kind in zip(sample.with_dtype(F64), kinds, strict=False)]
    got, want = sample.value(*floats), sample.reference(*floats)
    assert np.asarray(got).dtype == np.asarray(want).dtype
    np.testing.assert_allclose(got, want, rtol=1e-14)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("op", native_ops(), ids=repr)
@pytest.mark.parametrize("dtype", [F32, F64], ids=str)
def test_the_memory_layout_of_operands_changes_neither_value_nor_gradient(op, layout, dtype):
    sample = largest(op)
    plain = sample.with_dtype(dtype)
    laid = [LAYOUTS[layout](x) for x in plain]
    for x, y in zip(plain, laid, strict=True):
        np.testing.assert_array_equal(x, y)
    value, pullback = pyad.vjp(sample.function(), *plain)
    got, got_pullback = pyad.vjp(sample.function(), *laid)
    close = {"rtol": 4 * np.finfo(dtype).eps, "atol": 16 * np.finfo(dtype).eps}
    np.testing.assert_allclose(got, value, **close)
    if op.backward is None:
        return
    seed = np.asarray(np.random.default_rng(1).normal(size=np.shape(value)), np.asarray(value).dtype)
    for laid_seed in (seed, LAYOUTS[layout](seed)):
        for a, b in zip(got_pullback(laid_seed), pullback(seed), strict=True):
            assert a.dtype == b.dtype == dtype
            np.testing.assert_allclose(a, b, rtol=64 * np.finfo(dtype).eps, atol=64 * np.finfo(dtype).eps)


@pytest.mark.parametrize("op", ELEMENTWISE, ids=repr)
@pytest.mark.parametrize("dtype", [F32, F64], ids=str)
def test_long_arrays_and_every_tail_length_are_right(op, dtype):
    for n in [*range(1, 20), 63, 64, 65, 127, 1000]:
        sample = Sample(op, drawn(op, [(n,)] * op.arity, seed=n), ())
        floats = sample.with_dtype(dtype)
        assert_ulps(sample.value(*floats), sample.reference(*floats), ULPS)


@pytest.mark.parametrize("op", ELEMENTWISE, ids=repr)
def test_special_values_propagate_as_in_numpy(op):
    specials = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 5e-324, -1e-310, 1e308, -1e308, 0.5, -2.5])
    grids = np.meshgrid(*[specials] * op.arity, indexing="ij")
    floats = [g.ravel() for g in grids]
    flags = BOOLEANS.get(op.name, 0)
    sample = Sample(op, tuple(x > 0 if k < flags else x for k, x in enumerate(floats)), ())
    for dtype in (F64, F32):
        with np.errstate(over="ignore"):
            values = sample.with_dtype(dtype)
        got, want = sample.value(*values), sample.reference(*values)
        if want.dtype.kind == "f":
            np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
            tiny = np.abs(want) < np.finfo(dtype).tiny
            signed = ~np.isnan(want)
            if op.name in ("maximum", "minimum", "fmax", "fmin"):
                # Of 0.0 and -0.0 NumPy takes either, depending on the length of the array.
                signed &= want != 0
            np.testing.assert_array_equal(np.signbit(got[signed]), np.signbit(want[signed]))
            np.testing.assert_allclose(got[tiny], want[tiny], rtol=0, atol=4 * np.finfo(dtype).smallest_subnormal)
            assert_ulps(got[~tiny], want[~tiny], ULPS)
        else:
            np.testing.assert_array_equal(got, want)


# ---- derivatives ----


@pytest.mark.parametrize("sample", DIFFERENTIABLE, ids=str)
def test_derivatives_to_second_order_in_both_modes_equal_differences(sample):
    floats = sample.with_dtype(F64)
    check_grads(sample.function(), tuple(floats), order=2)


@pytest.mark.parametrize("op", [op for op in native_ops() if op.backward is not None], ids=repr)
def test_derivatives_in_float32_are_float32_and_equal_those_in_float64(op):
    sample = largest(op)
    narrow, wide = sample.with_dtype(F32), [x.astype(F32).astype(F64) for x in sample.with_dtype(F64)]
    value, pullback = pyad.vjp(sample.function(), *narrow)
    _, wide_pullback = pyad.vjp(sample.function(), *wide)
    seed = np.random.default_rng(2).normal(size=np.shape(value)).astype(F32)
    dtype = np.asarray(value).dtype
    assert dtype == np.asarray(sample.reference(*narrow)).dtype
    for got, want in zip(pullback(seed), wide_pullback(seed), strict=True):
        assert got.dtype == F32
        np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-5)
    _, tangent = pyad.jvp(sample.function(), tuple(narrow), tuple(narrow))
    _, wide_tangent = pyad.jvp(sample.function(), tuple(wide), tuple(wide))
    assert np.asarray(tangent).dtype == dtype
    np.testing.assert_allclose(tangent, wide_tangent, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("op", [op for op in ELEMENTWISE if op.backward is not None], ids=repr)
@pytest.mark.parametrize("shapes", [0, 1], ids=["equal", "broadcast"])
def test_third_derivatives_and_mixed_nestings_agree(op, shapes):
    """grad of grad of grad, jvp of grad of grad, and grad of jvp of grad along one direction are one number."""
    chosen = [(2,)] * op.arity if shapes == 0 else [(2, 1), (2,), ()][: op.arity]
    sample = Sample(op, drawn(op, chosen, seed=5), ())
    floats = sample.with_dtype(F64)
    rng = np.random.default_rng(3)
    ways = [rng.normal(size=x.shape) for x in floats]

    def f(t):
        return np.sum(np.sin(sample.function()(*[x + t * w for x, w in zip(floats, ways, strict=True)])))

    def push(g):
        return lambda t: pyad.jvp(g, (t,), (1.0,))[1]

    orders = {"rrr": f, "frr": f, "rfr": f, "rrf": f, "fff": f}
    for name in orders:
        g = f
        for mode in reversed(name):
            g = pyad.grad(g) if mode == "r" else push(g)
        orders[name] = g(0.1)
    second = pyad.grad(pyad.grad(f))
    numerical = (second(0.1 + 1e-5) - second(0.1 - 1e-5)) / 2e-5
    for name, got in orders.items():
        np.testing.assert_allclose(got, numerical, rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("op", [op for op in ELEMENTWISE if op.arity > 1 and op.backward is not None], ids=repr)
def test_an_operand_used_in_every_place_gets_the_sum_of_its_derivatives(op):
    x = np.abs(drawn(op, [(3,)] * op.arity)[-1]) + 0.5
    count = len(Sample(op, drawn(op, [(3,)] * op.arity), ()).floats())
    mask = drawn(op, [(3,)] * op.arity)[: op.arity - count]

    def both(x):
        return np.sum(record(op, (*mask, *[x] * count), ()) * np.array([1.0, 2.0, 3.0]))

    def apart(*xs):
        return np.sum(record(op, (*mask, *xs), ()) * np.array([1.0, 2.0, 3.0]))

    parts = pyad.grad(apart, tuple(range(count)))(*[x] * count)
    np.testing.assert_allclose(pyad.grad(both)(x), sum(parts), rtol=1e-14)


@pytest.mark.parametrize(
    "function", [np.multiply, lambda a, b: np.concatenate([a, b])], ids=["multiply", "concatenate"]
)
def test_large_operands_of_another_dtype_live_until_the_op_has_run(function):
    """Their conversion is a value of its own, which nobody but the op holds."""
    single, double = np.arange(1000, dtype=np.float32), np.arange(1000.0)

    def run(a, b):
        return np.sum(function(2.0 * a, 3.0 * b) ** 2)

    numeric = pyad.grad(run, (0, 1))(single.astype(np.float64), double)
    gradients = pyad.grad(run, (0, 1))(single, double)
    assert [x.dtype for x in gradients] == [np.float32, np.float64]
    for got, expected in zip(gradients, numeric, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-6)
