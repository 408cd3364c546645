"""Matrix products over one to four dimensions: values against NumPy, derivatives against autograd and differences."""

import itertools

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from support.oracles import LAYOUTS

import pyad
import pyad.numpy as pnp
from pyad._ops.linalg.matmul import affine
from pyad.errors import ShapeError
from pyad.testing import check_grads


def normal(*shape, dtype=np.float64):
    return np.random.default_rng([7, *shape]).normal(size=shape).astype(dtype)


def by_autograd(f, arrays, seed):
    """Autograd's pullback of each argument."""
    return [autograd.make_vjp(f, k)(*arrays)[0](seed) for k in range(len(arrays))]


SHAPES = [
    ((3,), (3,)),
    ((3,), (3, 4)),
    ((2, 3), (3,)),
    ((2, 3), (3, 4)),
    ((1, 1), (1, 1)),
    ((1, 3), (3, 1)),
    ((3, 1), (1, 4)),
    ((5, 2, 3), (3,)),
    ((3,), (5, 3, 4)),
    ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)),
    ((5, 2, 3), (5, 3, 4)),
    ((1, 2, 3), (5, 3, 4)),
    ((5, 2, 3), (1, 3, 4)),
    ((2, 1, 2, 3), (5, 3, 4)),
    ((2, 5, 2, 3), (5, 3, 4)),
    ((2, 1, 2, 3), (1, 5, 3, 4)),
    ((2, 5, 2, 3), (3,)),
    ((3,), (2, 5, 3, 4)),
    ((0, 3), (3, 2)),
    ((2, 0), (0, 3)),
    ((0,), (0,)),
    ((2, 3), (3, 0)),
    ((0, 2, 3), (3, 2)),
    ((4, 0, 2), (4, 2, 3)),
]


@pytest.mark.parametrize(("left", "right"), SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_matmul_and_its_gradients_over_all_dimensions(left, right, dtype):
    a, b = normal(*left, dtype=dtype), normal(*right, dtype=dtype)
    want = np.matmul(a, b)
    seed = normal(*want.shape, 1, dtype=dtype)[..., 0]
    expected = by_autograd(anp.matmul, (a, b), seed)
    close = {"rtol": 30 * np.finfo(dtype).eps, "atol": 30 * np.finfo(dtype).eps}
    for f in (np.matmul, pnp.matmul, lambda a, b: a @ b):
        value, pullback = pyad.vjp(f, a, b)
        assert np.asarray(value).dtype == dtype
        assert np.shape(value) == want.shape
        np.testing.assert_allclose(value, want, **close)
        for got, wanted in zip(pullback(seed), expected, strict=True):
            assert got.dtype == dtype
            assert got.shape == wanted.shape
            np.testing.assert_allclose(got, wanted, **close)


@pytest.mark.parametrize(("left", "right"), [s for s in SHAPES if np.prod(s[0]) * np.prod(s[1]) < 1000], ids=str)
def test_matmul_to_second_order(left, right):
    check_grads(np.matmul, (normal(*left), normal(*right)), order=2)


@pytest.mark.parametrize(("left", "right"), [s for s in SHAPES if len(s[0]) <= 3 and len(s[1]) <= 3], ids=str)
def test_dot_equals_numpy(left, right):
    a, b = normal(*left), normal(*right)
    try:
        want = np.dot(a, b)
    except ValueError:
        with pytest.raises(ShapeError):
            pyad.vjp(np.dot, a, b)
        return
    seed = normal(*want.shape, 1)[..., 0]
    expected = by_autograd(anp.dot, (a, b), seed)
    for f in (np.dot, pnp.dot, lambda a, b: a.dot(b)):
        value, pullback = pyad.vjp(f, a, b)
        assert np.shape(value) == np.shape(want)
        np.testing.assert_allclose(value, want, rtol=1e-13, atol=1e-14)
        for got, wanted in zip(pullback(seed), expected, strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-14)


def test_dot_of_numbers_multiplies():
    x = np.arange(3.0)
    np.testing.assert_array_equal(pyad.grad(lambda t: np.sum(np.dot(t, x)))(2.0), 3.0)
    np.testing.assert_array_equal(pyad.grad(lambda x: np.sum(np.dot(2.0, x)))(x), 2.0)


def test_outer_flattens():
    a, b = normal(2, 2), normal(3)
    np.testing.assert_array_equal(pyad.vjp(np.outer, a, b)[0], np.outer(a, b))
    check_grads(np.outer, (a, b), order=2)


@pytest.mark.parametrize(("first", "second"), list(itertools.product(["plain", *LAYOUTS], repeat=2)))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_operands_of_every_layout(first, second, dtype):
    shapes = [((3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5)), ((40, 33), (33, 35))]
    for left, right in shapes:
        a, b = normal(*left, dtype=dtype), normal(*right, dtype=dtype)
        laid_a = a if first == "plain" else LAYOUTS[first](a)
        laid_b = b if second == "plain" else LAYOUTS[second](b)
        value, pullback = pyad.vjp(np.matmul, laid_a, laid_b)
        scale = 60 * np.finfo(dtype).eps
        np.testing.assert_allclose(value, a @ b, rtol=scale, atol=scale)
        da, db = pullback(value)
        np.testing.assert_allclose(da, (a @ b) @ b.mT, rtol=4 * scale, atol=40 * scale)
        np.testing.assert_allclose(db, a.mT @ (a @ b), rtol=4 * scale, atol=40 * scale)


SIDES = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_size_around_the_tiles(dtype):
    rng = np.random.default_rng(3)
    eps = np.finfo(dtype).eps
    for _ in range(150):
        m, k, n = rng.choice(SIDES, 3)
        a, b = rng.normal(size=(m, k)).astype(dtype), rng.normal(size=(k, n)).astype(dtype)
        value, pullback = pyad.vjp(np.matmul, a, b)
        seed = rng.normal(size=(m, n)).astype(dtype)
        da, db = pullback(seed)
        wide = [x.astype(float) for x in (a, b, seed)]
        np.testing.assert_allclose(value, wide[0] @ wide[1], rtol=20 * eps, atol=20 * eps * k**0.5)
        np.testing.assert_allclose(da, wide[2] @ wide[1].T, rtol=20 * eps, atol=20 * eps * n**0.5)
        np.testing.assert_allclose(db, wide[0].T @ wide[2], rtol=20 * eps, atol=20 * eps * m**0.5)


def test_a_product_of_mixed_dtypes_gives_the_wider():
    a, b = normal(2, 3, dtype=np.float32), normal(3, 2)
    value, pullback = pyad.vjp(np.matmul, a, b)
    assert value.dtype == np.float64
    assert [g.dtype for g in pullback(value)] == [np.float32, np.float64]
    assert pyad.vjp(lambda a: a @ np.ones((3, 2), np.int8), a)[0].dtype == np.float32
    assert pyad.vjp(lambda a: np.ones((3, 2), bool) @ a, a)[0].dtype == np.float32


def test_plain_operands_on_either_side():
    a, b = normal(2, 3), normal(3, 2)
    np.testing.assert_allclose(pyad.grad(lambda b: np.sum(a @ b))(b), a.T @ np.ones((2, 2)))
    np.testing.assert_allclose(pyad.grad(lambda a: np.sum(a @ b))(a), np.ones((2, 2)) @ b.T)
    np.testing.assert_allclose(pyad.grad(lambda a: np.sum(a @ b.tolist()))(a), np.ones((2, 2)) @ b.T)
    np.testing.assert_allclose(pyad.grad(lambda b: np.sum(a.tolist() @ b))(b), a.T @ np.ones((2, 2)))


def test_a_matrix_with_itself_and_powers():
    a = normal(3, 3)
    check_grads(lambda a: a @ a.T @ a, (a,), order=2)
    check_grads(lambda a: a @ a @ a @ a, (a / 2,), order=1)
    np.testing.assert_allclose(pyad.hessian(lambda x: x @ a @ x)(np.zeros(3)), a + a.T, atol=1e-14)


def test_nan_and_infinity_reach_their_row_and_column_only():
    a, b = normal(3, 4), normal(4, 2)
    a[1, 2] = np.nan
    b[3, 0] = np.inf
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(np.isfinite(pyad.vjp(np.matmul, a, b)[0]), np.isfinite(a @ b))


# ---- affine ----


@pytest.mark.parametrize("rows", [(), (5,), (2, 5), (0,), (3, 0)], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_affine_is_a_product_and_a_bias(rows, dtype):
    x, w, b = normal(*rows, 3, dtype=dtype), normal(3, 4, dtype=dtype), normal(4, dtype=dtype)
    want = x @ w + b
    scale = 30 * np.finfo(dtype).eps
    np.testing.assert_allclose(affine(x, w, b), want, rtol=scale, atol=scale)
    value, pullback = pyad.vjp(affine, x, w, b)
    assert value.dtype == dtype
    np.testing.assert_allclose(value, want, rtol=scale, atol=scale)
    expected = by_autograd(lambda x, w, b: anp.matmul(x, w) + b, (x, w, b), value)
    for got, wanted in zip(pullback(value), expected, strict=True):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, wanted, rtol=10 * scale, atol=10 * scale)


def test_affine_to_second_order_for_any_operand_traced():
    x, w, b = normal(2, 3), normal(3, 2), normal(2)
    check_grads(affine, (x, w, b), order=2)
    check_grads(lambda x: affine(x, w, b), (x,), order=2)
    check_grads(lambda w: affine(x, w, b), (w,), order=2)
    check_grads(lambda b: affine(x, w, b), (b,), order=2)
    check_grads(lambda x, w: np.tanh(affine(x, w, b)), (x, w), order=2)


ERRORS = {
    "matmul": (lambda a: a @ np.ones((4, 2)), r"matmul.*\(2, 3\).*\(4, 2\)"),
    "matmul vector": (lambda a: a @ np.ones(2), r"matmul.*\(2, 3\).*\(2,\).*contract"),
    "matmul number": (lambda a: a @ 2.0, "0-d operand"),
    "matmul number on the left": (lambda a: np.matmul(2.0, a), "0-d operand"),
    "matmul batch": (lambda a: np.ones((3, 4, 2)) @ (a + np.zeros((2, 2, 3))), r"\(3, 4, 2\).*\(2, 2, 3\)"),
    "dot": (lambda a: np.dot(a, np.ones((2, 4, 2))), r"dot.*\(2, 3\).*\(2, 4, 2\)"),
    "affine": (lambda a: affine(a, np.ones((2, 2)), np.ones(2)), r"affine.*\(2, 3\).*\(2, 2\)"),
    "affine bias": (lambda a: affine(a, np.ones((3, 2)), np.ones(3)), r"affine"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_shapes_that_do_not_contract_are_named(name):
    f, message = ERRORS[name]
    with pytest.raises(ShapeError, match=message):
        pyad.grad(lambda a: np.sum(f(a)))(np.ones((2, 3)))
