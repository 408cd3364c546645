"""`numpy.linalg`: values and errors of NumPy, derivatives to second order, and what happens at singular matrices, equal
eigenvalues and zero vectors."""

import autograd
import autograd.numpy as anp
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy import linalg as la
from numpy.linalg import LinAlgError

import pyad
import pyad.numpy as pnp
from pyad.errors import UnsupportedError
from pyad.testing import check_grads

RNG = np.random.default_rng(7)


def drawn(*shape):
    return RNG.normal(size=shape)


SQUARE = drawn(3, 3) + 2.0 * np.eye(3)
STACK = drawn(2, 3, 3) + 2.0 * np.eye(3)
WIDE, TALL = drawn(2, 3), drawn(3, 2)
VECTOR = drawn(3)
SYMMETRIC = np.array([[2.0, 0.3, -0.4], [0.3, 0.5, 0.6], [-0.4, 0.6, -1.5]])
POSITIVE = SYMMETRIC @ SYMMETRIC + np.eye(3)
POSITIVE_STACK = np.stack([POSITIVE, np.diag([1.0, 2.0, 3.0]) + 0.1 * SYMMETRIC @ SYMMETRIC])
SINGULAR = np.outer(VECTOR, SQUARE[0])
# Eigenvalues are real: the values of a general matrix need complex arrays.
REAL_EIGEN = np.diag([1.0, 2.0, 4.0]) + 0.1 * drawn(3, 3)
ONE = np.array([[1.7]])
NEW = hasattr(la, "vector_norm")


def span(x):
    """What of a set of orthogonal columns depends on the space alone that they span."""
    return x @ np.swapaxes(x, -1, -2)


# name: (function of the namespace and of the arguments, arguments). All are smooth there.
CASES = {
    "inv": (lambda la, a: la.inv(a), (SQUARE,)),
    "inv of a stack": (lambda la, a: la.inv(a), (STACK,)),
    "inv 1x1": (lambda la, a: la.inv(a), (ONE,)),
    "solve vector": (lambda la, a, b: la.solve(a, b), (SQUARE, VECTOR)),
    "solve matrix": (lambda la, a, b: la.solve(a, b), (SQUARE, TALL)),
    "solve stacks": (lambda la, a, b: la.solve(a, b), (STACK, drawn(2, 3, 1))),
    "solve one vector for a stack": (lambda la, a, b: la.solve(a, b), (STACK, VECTOR)),
    "solve one matrix for a stack": (lambda la, a, b: la.solve(a, b), (STACK, TALL)),
    "solve a stack by one matrix": (lambda la, a, b: la.solve(a, b), (SQUARE, drawn(2, 3, 1))),
    "solve broadcast": (lambda la, a, b: la.solve(a, b), (STACK[:, None], drawn(2, 3, 1))),
    "solve for a only": (lambda la, a: la.solve(a, VECTOR), (SQUARE,)),
    "solve for b only": (lambda la, b: la.solve(SQUARE, b), (TALL,)),
    "solve 1x1": (lambda la, a, b: la.solve(a, b), (ONE, np.array([0.3]))),
    "tensorsolve": (lambda la, a, b: la.tensorsolve(a, b), (drawn(2, 2, 4), drawn(2, 2))),
    "tensorsolve axes": (lambda la, a, b: la.tensorsolve(a, b, axes=(1,)), (drawn(2, 4, 2), drawn(2, 2))),
    "tensorinv": (lambda la, a: la.tensorinv(a, ind=1), (drawn(4, 2, 2),)),
    "det": (lambda la, a: la.det(a), (SQUARE,)),
    "det of a stack": (lambda la, a: la.det(a), (STACK,)),
    "det 1x1": (lambda la, a: la.det(a), (ONE,)),
    "det of rank n-1": (lambda la, a: la.det(a), (SQUARE - np.outer(SQUARE[:, 0], [1.0, 0.0, 0.0]),)),
    "det of rank n-2": (lambda la, a: la.det(a), (SINGULAR,)),
    "det of zero": (lambda la, a: la.det(a), (np.zeros((2, 2)),)),
    "det of regular and singular": (lambda la, a: la.det(a), (np.stack([SQUARE, SINGULAR]),)),
    "slogdet": (lambda la, a: la.slogdet(a)[1], (SQUARE,)),
    "slogdet both": (lambda la, a: la.slogdet(a).sign * la.slogdet(a).logabsdet, (STACK,)),
    "pinv wide": (lambda la, a: la.pinv(a), (WIDE,)),
    "pinv tall": (lambda la, a: la.pinv(a), (TALL,)),
    "pinv stack": (lambda la, a: la.pinv(a, rcond=1e-10), (drawn(2, 3, 2),)),
    "pinv hermitian": (lambda la, a: la.pinv(a, hermitian=True), (SYMMETRIC,)),
    "lstsq tall": (lambda la, a, b: la.lstsq(a, b)[:2], (TALL, VECTOR)),
    "lstsq wide": (lambda la, a, b: la.lstsq(a, b)[0], (WIDE, drawn(2))),
    "lstsq square": (lambda la, a, b: la.lstsq(a, b)[0], (SQUARE, VECTOR)),
    "lstsq several": (lambda la, a, b: la.lstsq(a, b)[:2], (drawn(4, 2), drawn(4, 2))),
    "lstsq singular values": (lambda la, a: la.lstsq(a, VECTOR)[3], (TALL,)),
    "cholesky": (lambda la, a: la.cholesky(a), (POSITIVE,)),
    "cholesky of a stack": (lambda la, a: la.cholesky(a), (POSITIVE_STACK,)),
    "cholesky 1x1": (lambda la, a: la.cholesky(a), (ONE,)),
    "cholesky upper": (lambda la, a: la.cholesky(a, upper=True), (POSITIVE,)),
    "cholesky of a product": (lambda la, a: la.cholesky(a @ np.swapaxes(a, -1, -2)), (SQUARE,)),
    "qr": (lambda la, a: tuple(la.qr(a)), (SQUARE,)),
    "qr tall": (lambda la, a: tuple(la.qr(a)), (TALL,)),
    "qr wide": (lambda la, a: tuple(la.qr(a)), (WIDE,)),
    "qr of a stack": (lambda la, a: tuple(la.qr(a)), (drawn(2, 3, 2),)),
    "qr r": (lambda la, a: la.qr(a, mode="r"), (TALL,)),
    "qr complete": (lambda la, a: (span(la.qr(a, "complete")[0][:, 2:]), la.qr(a, "complete")[1]), (TALL,)),
    "qr complete wide": (lambda la, a: tuple(la.qr(a, "complete")), (WIDE,)),
    "eigh": (lambda la, a: tuple(la.eigh(a)), (SYMMETRIC,)),
    "eigh upper": (lambda la, a: tuple(la.eigh(a, "U")), (SYMMETRIC,)),
    "eigh of a stack": (lambda la, a: tuple(la.eigh(a)), (POSITIVE_STACK,)),
    "eigh 1x1": (lambda la, a: tuple(la.eigh(a)), (ONE,)),
    "eigvalsh": (lambda la, a: la.eigvalsh(a), (SYMMETRIC,)),
    "eigvalsh upper": (lambda la, a: la.eigvalsh(a, UPLO="U"), (SYMMETRIC,)),
    "eig": (lambda la, a: tuple(la.eig(a)), (REAL_EIGEN,)),
    "eigvals": (lambda la, a: la.eigvals(a), (REAL_EIGEN,)),
    "svd": (lambda la, a: tuple(la.svd(a)), (SQUARE,)),
    "svd tall": (lambda la, a: tuple(la.svd(a, full_matrices=False)), (TALL,)),
    "svd wide": (lambda la, a: tuple(la.svd(a, full_matrices=False)), (WIDE,)),
    "svd of a stack": (lambda la, a: tuple(la.svd(a, full_matrices=False)), (drawn(2, 2, 3),)),
    "svd full tall": (lambda la, a: (span(la.svd(a)[0][:, 2:]), *la.svd(a)[1:]), (TALL,)),
    "svd full wide": (lambda la, a: (span(np.swapaxes(la.svd(a)[2][2:], 0, 1)), *la.svd(a)[:2]), (WIDE,)),
    "svd values": (lambda la, a: la.svd(a, compute_uv=False), (TALL,)),
    "svd hermitian": (lambda la, a: tuple(la.svd(a, hermitian=True)), (SYMMETRIC,)),
    "svd hermitian stack": (lambda la, a: tuple(la.svd(a, hermitian=True)), (POSITIVE_STACK,)),
    "svd hermitian values": (lambda la, a: la.svd(a, hermitian=True, compute_uv=False), (SYMMETRIC,)),
    "norm": (lambda la, a: la.norm(a), (STACK,)),
    "norm keepdims": (lambda la, a: la.norm(a, keepdims=True), (STACK,)),
    "norm of vectors": (lambda la, a: la.norm(a, axis=-1), (STACK,)),
    "norm 2 of vectors": (lambda la, a: la.norm(a, 2, axis=1, keepdims=True), (STACK,)),
    "norm 2 of a vector": (lambda la, a: la.norm(a, 2), (VECTOR,)),
    "norm 1": (lambda la, a: la.norm(a, 1), (VECTOR,)),
    "norm inf": (lambda la, a: la.norm(a, np.inf), (VECTOR,)),
    "norm -inf": (lambda la, a: la.norm(a, -np.inf), (VECTOR,)),
    "norm 3": (lambda la, a: la.norm(a, 3, axis=0), (STACK[0],)),
    "norm 1.5": (lambda la, a: la.norm(a, 1.5), (VECTOR,)),
    "norm -2": (lambda la, a: la.norm(a, -2), (VECTOR,)),
    "matrix fro": (lambda la, a: la.norm(a, "fro", axis=(0, 2)), (STACK,)),
    "matrix none": (lambda la, a: la.norm(a, axis=(2, 1), keepdims=True), (STACK,)),
    "matrix nuc": (lambda la, a: la.norm(a, "nuc"), (WIDE,)),
    "matrix nuc axes": (lambda la, a: la.norm(a, "nuc", axis=(0, 2), keepdims=True), (STACK,)),
    "matrix 1": (lambda la, a: la.norm(a, 1), (WIDE,)),
    "matrix -1": (lambda la, a: la.norm(a, -1, axis=(1, 0)), (WIDE,)),
    "matrix inf": (lambda la, a: la.norm(a, np.inf, axis=(0, 2), keepdims=True), (STACK,)),
    "matrix -inf": (lambda la, a: la.norm(a, -np.inf), (WIDE,)),
    "matrix 2": (lambda la, a: la.norm(a, 2), (TALL,)),
    "matrix -2": (lambda la, a: la.norm(a, -2, axis=(-2, -1)), (STACK,)),
    "cond": (lambda la, a: la.cond(a), (TALL,)),
    "cond -2": (lambda la, a: la.cond(a, -2), (STACK,)),
    "cond 1": (lambda la, a: la.cond(a, 1), (STACK,)),
    "cond fro": (lambda la, a: la.cond(a, "fro"), (SQUARE,)),
    "cond inf": (lambda la, a: la.cond(a, np.inf), (SQUARE,)),
    "matrix_power 5": (lambda la, a: la.matrix_power(a, 5), (0.5 * SQUARE,)),
    "matrix_power 1": (lambda la, a: la.matrix_power(a, 1), (WIDE[:, :2],)),
    "matrix_power -2": (lambda la, a: la.matrix_power(a, -2), (STACK,)),
    "multi_dot 2": (lambda la, *x: la.multi_dot(x), (WIDE, TALL)),
    "multi_dot 3": (lambda la, *x: la.multi_dot(x), (VECTOR, SQUARE, TALL)),
    "multi_dot 4": (lambda la, *x: la.multi_dot(x), (WIDE, drawn(3, 1), drawn(1, 4), drawn(4))),
    "multi_dot vectors": (lambda la, *x: la.multi_dot(x), (VECTOR, SQUARE, VECTOR + 1.0)),
    "outer": (lambda la, a, b: la.outer(a, b), (VECTOR, drawn(2))),
}
if NEW:
    CASES |= {
        "svdvals": (lambda la, a: la.svdvals(a), (STACK,)),
        "vector_norm": (lambda la, a: la.vector_norm(a), (STACK,)),
        "vector_norm axes": (lambda la, a: la.vector_norm(a, axis=(2, 0), keepdims=True), (STACK,)),
        "vector_norm ord": (lambda la, a: la.vector_norm(a, axis=1, ord=3), (STACK,)),
        "matrix_norm": (lambda la, a: la.matrix_norm(a), (STACK,)),
        "matrix_norm nuc": (lambda la, a: la.matrix_norm(a, ord="nuc", keepdims=True), (WIDE,)),
        "linalg.matmul": (lambda la, a, b: la.matmul(a, b), (WIDE, TALL)),
    }

# What numpy.linalg hands to the main namespace, by what it calls there.
SHARED = {
    "cross": (lambda la, a, b: la.cross(a, b), (VECTOR, drawn(2, 3))),
    "cross axis": (lambda la, a, b: la.cross(a, b, axis=0), (SQUARE, drawn(3, 3))),
    "diagonal": (lambda la, a: la.diagonal(a, offset=1), (STACK,)),
    "trace": (lambda la, a: la.trace(a, offset=-1), (STACK,)),
    "matrix_transpose": (lambda la, a: la.matrix_transpose(a), (STACK,)),
    "tensordot": (lambda la, a, b: la.tensordot(a, b, axes=1), (WIDE, TALL)),
    "vecdot": (lambda la, a, b: la.vecdot(a, b), (STACK, VECTOR)),
}


def supported(name):
    from pyad._ops._registry import implementation

    main = getattr(np, name.split()[0])
    return implementation(main) is not None


if NEW:
    CASES |= {name: case for name, case in SHARED.items() if supported(name)}


def leaves(x):
    return list(x) if isinstance(x, tuple | list) else [x]


def traced_value(f, *args):
    return pyad.vjp(f, *args)[0]


# ---- values and derivatives ----


@pytest.mark.parametrize("name", CASES)
def test_values_shapes_and_dtypes_are_numpys(name):
    function, args = CASES[name]
    for dtype, rtol in ((np.float64, 1e-9), (np.float32, 2e-3)):
        given = [x.astype(dtype) for x in args]
        want = function(la, *given)
        for got in (
            traced_value(lambda *x: function(la, *x), *given),
            traced_value(lambda *x: function(pnp.linalg, *x), *given),
            function(pnp.linalg, *given),
        ):
            for a, b in zip(leaves(got), leaves(want), strict=True):
                assert np.shape(a) == np.shape(b)
                assert np.asarray(a).dtype == np.asarray(b).dtype
                np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("name", CASES)
def test_derivatives_equal_differences_to_second_order(name):
    function, args = CASES[name]
    check_grads(lambda *x: function(la, *x), args, order=2, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_gradients_of_float32_are_float32_and_near_those_of_float64(name):
    function, args = CASES[name]

    def total(*x):
        return sum(np.sum(np.sin(part)) for part in leaves(function(la, *x)))

    argnums = tuple(range(len(args)))
    want = pyad.grad(total, argnums)(*args)
    got = pyad.grad(total, argnums)(*(x.astype(np.float32) for x in args))
    for a, b in zip(got, want, strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("name", CASES)
def test_our_own_functions_take_plain_arrays_for_rules_of_others(name):
    from pyad._ops._registry import implementation

    function, args = CASES[name]

    class Ours:
        def __getattr__(self, called):
            return implementation(getattr(la, called))

    for got, want in zip(leaves(function(Ours(), *args)), leaves(function(la, *args)), strict=True):
        assert not isinstance(got, pyad.Array)
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9)


# ---- other libraries ----


def lower(x):
    """A symmetric gradient as that of the triangle that is read."""
    return np.tril(x + np.swapaxes(x, -1, -2)) - x * np.eye(x.shape[-1])


AUTOGRAD = [
    ("inv", (STACK,), None),
    ("solve", (STACK, drawn(2, 3, 2)), None),
    ("solve", (SQUARE, VECTOR), None),
    ("det", (STACK,), None),
    ("slogdet", (STACK,), None),
    ("pinv", (WIDE,), None),
    ("cholesky", (POSITIVE,), lower),
    ("eigh", (SYMMETRIC,), None),
    ("norm", (STACK,), None),
]


def weighted(kit, out, weights):
    parts = [out] if len(weights) == 1 else [out[k] for k in range(len(weights))]
    return sum(kit.sum(part * w) for part, w in zip(parts, weights, strict=True))


def weights_of(out):
    rng = np.random.default_rng(3)
    return [rng.normal(size=np.shape(x)) for x in leaves(tuple(out) if isinstance(out, tuple) else out)]


@pytest.mark.parametrize(("name", "args", "change"), AUTOGRAD, ids=lambda x: x if isinstance(x, str) else "")
def test_gradients_are_autograds(name, args, change):
    weights = weights_of(getattr(la, name)(*args))
    argnums = tuple(range(len(args)))
    got = pyad.grad(lambda *x: weighted(np, getattr(la, name)(*x), weights), argnums)(*args)
    want = autograd.grad(lambda x: weighted(anp, getattr(anp.linalg, name)(*x), weights))(tuple(args))
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b if change is None else change(b), rtol=1e-9, atol=1e-12)


JAX = [
    ("det", (np.stack([SQUARE, SINGULAR]),), {}, None),
    ("cholesky", (POSITIVE,), {}, lower),
    ("qr", (TALL,), {}, None),
    ("eigh", (SYMMETRIC,), {}, lower),
    ("svd", (WIDE,), {"full_matrices": False}, None),
    ("norm", (SQUARE,), {"ord": "nuc"}, None),
    ("norm", (SQUARE,), {"ord": 2}, None),
    ("norm", (np.array([[2.0, -3.0], [1.0, 2.0]]),), {"ord": np.inf}, None),
    ("norm", (np.array([2.0, -2.0, 1.0]),), {"ord": np.inf}, None),
    ("norm", (np.array([1.0, 0.0, -2.0]),), {"ord": 1}, None),
]


@pytest.mark.parametrize(("name", "args", "keywords", "change"), JAX, ids=lambda x: x if isinstance(x, str) else "")
def test_gradients_are_jaxs(name, args, keywords, change):
    theirs = getattr(jnp.linalg, name)
    weights = weights_of(getattr(la, name)(*args, **keywords))
    # The sign of a vector is the library's choice: products of them have none.
    if name in ("eigh", "svd", "qr"):
        weights = [np.abs(w) for w in weights]

    def f(kit, call, *x):
        out = call(*x, **keywords)
        if name in ("eigh", "svd", "qr"):
            out = [part * part for part in out]
        return weighted(kit, out, weights)

    argnums = tuple(range(len(args)))
    got = pyad.grad(lambda *x: f(np, getattr(la, name), *x), argnums)(*args)
    want = jax.grad(lambda *x: f(jnp, theirs, *x), argnums)(*args)
    for a, b in zip(got, want, strict=True):
        b = np.asarray(b)
        np.testing.assert_allclose(a, b if change is None else change(b), rtol=1e-8, atol=1e-10)


# ---- where the derivative is a choice ----


@pytest.mark.parametrize("mode", ["grad", "jvp"])
def test_the_2_norm_has_derivative_zero_at_zero(mode):
    zero = np.zeros((2, 3))
    rows = np.array([[0.0, 0.0, 0.0], [3.0, 0.0, 4.0]])
    calls = [lambda x: la.norm(x), lambda x: la.norm(x, "fro"), lambda x: np.sum(la.norm(x, axis=1))]
    if NEW:
        calls += [lambda x: la.vector_norm(x), lambda x: la.matrix_norm(x)]
    calls.append(lambda x: la.norm(np.reshape(x, (6,)), 3))
    for f in calls:
        got = pyad.grad(f)(zero) if mode == "grad" else pyad.jvp(f, (zero,), (np.ones((2, 3)),))[1]
        np.testing.assert_array_equal(got, 0.0)
    np.testing.assert_allclose(pyad.grad(lambda x: np.sum(la.norm(x, axis=1)))(rows), [[0, 0, 0], [0.6, 0, 0.8]])
    assert np.isnan(jax.grad(jnp.linalg.norm)(zero)).all()


def test_second_derivatives_of_the_norm_stay_finite_at_zero():
    assert not pyad.hessian(la.norm)(np.zeros(2)).any()


def test_the_gradient_lies_in_the_triangle_that_is_read():
    for f, matrix, unread in (
        (la.cholesky, POSITIVE, np.triu_indices(3, 1)),
        (lambda a: la.cholesky(a, upper=True), POSITIVE, np.tril_indices(3, -1)),
        (la.eigvalsh, SYMMETRIC, np.triu_indices(3, 1)),
        (lambda a: la.eigvalsh(a, "U"), SYMMETRIC, np.tril_indices(3, -1)),
        (lambda a: la.svd(a, hermitian=True)[1], SYMMETRIC, np.triu_indices(3, 1)),
    ):
        gradient = pyad.grad(lambda a, f=f: np.sum(np.sin(f(a))))(matrix)
        np.testing.assert_array_equal(gradient[unread], 0.0)
        spoiled = matrix.copy()
        spoiled[unread] = 7.0
        np.testing.assert_allclose(pyad.grad(lambda a, f=f: np.sum(np.sin(f(a))))(spoiled), gradient)


def test_functions_of_equal_eigenvalues_have_their_derivative():
    """The trace of f(a) has gradient f'(a), whichever vectors stand for a space."""
    turn = la.qr(SQUARE)[0]
    repeated = turn @ np.diag([2.0, 2.0, 5.0]) @ turn.T
    for a in (np.eye(3), np.diag([2.0, 2.0, 5.0]), repeated):
        w, v = la.eigh(a)
        want = lower(v @ np.diag(np.cos(w)) @ v.T)
        np.testing.assert_allclose(pyad.grad(lambda a: np.sum(np.sin(la.eigvalsh(a))))(a), want, atol=1e-14)
        np.testing.assert_allclose(pyad.grad(lambda a: np.sum(np.sin(la.eigh(a)[0])))(a), want, atol=1e-14)
        tangent = pyad.jvp(lambda a: np.sum(np.sin(la.eigvalsh(a))), (a,), (SYMMETRIC,))[1]
        np.testing.assert_allclose(tangent, np.sum(want * SYMMETRIC))
        values = pyad.grad(lambda a: np.sum(np.sin(la.svd(a)[1])))(a)
        np.testing.assert_allclose(values, v @ np.diag(np.cos(w)) @ v.T, atol=1e-14)


def test_a_vector_of_a_simple_eigenvalue_has_a_derivative_beside_equal_ones():
    a = np.diag([2.0, 2.0, 5.0])
    check_grads(lambda a: np.square(la.eigh(a)[1][:, 2]) @ VECTOR, (a + 0.0,), order=1)


def test_vectors_of_equal_eigenvalues_have_no_derivative():
    for f in (lambda a: la.eigh(a)[1][1, 0], lambda a: la.svd(a)[0][1, 0]):
        assert np.isnan(pyad.grad(f)(np.eye(2))).any()


def test_the_gradient_of_slogdet_of_a_singular_matrix_is_nan_and_leaves_the_others():
    stack = np.stack([np.zeros((3, 3)), SQUARE])
    got = pyad.grad(lambda a: np.sum(la.slogdet(a)[1]))(stack)
    assert np.isnan(got[0]).all()
    np.testing.assert_allclose(got[1], la.inv(SQUARE).T)


def test_cond_of_singular_matrices_is_numpys_infinity():
    stack = np.stack([SINGULAR * 0.0, SQUARE])
    for p in (1, np.inf, "fro", None):
        np.testing.assert_allclose(traced_value(lambda a, p=p: la.cond(a, p), stack), la.cond(stack, p))


def test_rank_deficient_least_squares_moves_within_matrices_of_that_rank():
    """Along a path of matrices of rank one."""
    u, v, b = drawn(3), drawn(2), drawn(3)

    def path(t):
        return la.lstsq(np.outer(np.cos(t) * u + np.sin(t) * VECTOR, v + t), b, rcond=1e-10)[0]

    check_grads(path, (0.3,), order=2)
    check_grads(lambda t: la.pinv(np.outer(u + t, v), rcond=1e-10), (0.3,), order=2)


def test_det_has_third_derivatives_where_it_is_regular():
    check_grads(la.det, (SQUARE[:2, :2],), order=3)


def test_a_zero_norm_and_a_rank_are_constants():
    def f(x):
        counted = la.norm(x[0], 0)
        rank = la.matrix_rank(x)
        assert isinstance(counted, float)
        assert counted == 3.0
        assert rank == 3
        return np.sum(x) * counted * rank

    np.testing.assert_array_equal(pyad.grad(f)(SQUARE), 9.0)
    np.testing.assert_array_equal(traced_value(lambda x: x[0, 0] * la.norm(x, 0, axis=1), SQUARE), 3.0 * SQUARE[0, 0])


# ---- empty arrays, lists, integers, layouts ----


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        (name, shape)
        for name in ("inv", "det", "eigvalsh", "eigh", "cholesky", "qr", "svd", "norm", "slogdet", "pinv")
        for shape in ((0, 0), (0, 3, 3), (2, 0, 0))
        if name != "norm" or len(shape) == 2
    ],
)
def test_empty_matrices_have_numpys_values_and_empty_gradients(name, shape):
    x = np.zeros(shape)
    function = getattr(la, name)

    def total(x):
        out = leaves(function(x))
        for got, want in zip(out, leaves(function(np.zeros(shape))), strict=True):
            assert got.shape == want.shape
        return sum(np.sum(part) for part in out)

    assert pyad.grad(total)(x).shape == shape
    assert pyad.jvp(total, (x,), (x,))[1] == 0.0
    pyad.grad(lambda x: np.sum(pyad.grad(total)(x)))(x)


def test_solving_for_nothing_is_numpys():
    for a, b in ((np.zeros((0, 0)), np.zeros(0)), (SQUARE, np.zeros((3, 0))), (STACK[:0], np.zeros((0, 3, 1)))):
        value, pullback = pyad.vjp(la.solve, a, b)
        assert value.shape == la.solve(a, b).shape
        got = pullback(np.ones(value.shape))
        assert [x.shape for x in got] == [a.shape, b.shape]
        assert not any(x.any() for x in got)


def test_lists_that_hold_traced_values_are_matrices():
    got = pyad.grad(lambda a: pnp.linalg.det([[a, 1.0], [2.0, a]]) + pnp.linalg.norm([3.0 * a, 4.0]))(1.0)
    np.testing.assert_allclose(got, 2.0 + 9.0 / 5.0)
    assert pyad.grad(lambda a: pnp.linalg.solve([[2.0, 0.0], [0.0, 4.0]], [a, 1.0])[0])(1.0) == 0.5


def test_integers_beside_a_traced_operand_count_as_float64():
    whole = np.array([[2, 1], [0, 3]], np.int8)
    single = np.array([1.0, 2.0], np.float32)
    value = traced_value(lambda b: la.solve(whole, b), single)
    assert value.dtype == la.solve(whole, single).dtype == np.float64
    np.testing.assert_allclose(value, la.solve(whole, single))
    assert pyad.grad(lambda b: np.sum(la.solve(whole, b)))(single).dtype == np.float32


def test_a_transposed_operand_and_a_strided_one_give_the_same():
    wide = np.repeat(SQUARE, 2, axis=1)[:, ::2]
    for given in (np.asfortranarray(SQUARE), wide):
        np.testing.assert_allclose(
            pyad.grad(lambda a: np.sum(np.sin(la.inv(a.T))))(given),
            pyad.grad(lambda a: np.sum(np.sin(la.inv(a.T))))(SQUARE),
        )


def test_results_are_numpys_named_tuples():
    def f(a):
        assert la.eigh(a).eigenvalues.shape == (3,)
        assert la.svd(a).Vh.shape == (3, 3)
        assert la.qr(a).Q.shape == (3, 3)
        assert la.slogdet(a).sign.shape == ()
        assert la.eig(a).eigenvectors.shape == (3, 3)
        return np.sum(a)

    pyad.grad(f)(POSITIVE)


def test_large_systems_go_through():
    n = 60
    a = np.eye(n) + 0.1 * np.random.default_rng(0).normal(size=(n, n)) / np.sqrt(n)
    b = np.random.default_rng(1).normal(size=n)
    ga, gb = pyad.grad(lambda a, b: np.sum(la.solve(a, b) ** 2), (0, 1))(a, b)
    x = la.solve(a, b)
    want = la.solve(a.T, 2 * x)
    np.testing.assert_allclose(gb, want)
    np.testing.assert_allclose(ga, -np.outer(want, x))


# ---- errors ----

REFUSED = {
    "inv of float64": (LinAlgError, lambda x: la.inv(np.zeros((2, 2)) * x)),
    r"inv of float64\[2, 3\]": (LinAlgError, lambda x: la.inv(x * WIDE)),
    "solve of": (LinAlgError, lambda x: la.solve(x * np.zeros((2, 2)), np.ones(2))),
    r"solve of .*\[3, 3\], float64\[2, 1\]": (ValueError, lambda x: la.solve(x * SQUARE, np.ones(2))),
    "cholesky of": (LinAlgError, lambda x: la.cholesky(-x * POSITIVE)),
    "cholesky": (LinAlgError, lambda x: la.cholesky(x * VECTOR)),
    "eigh": (LinAlgError, lambda x: la.eigh(x * VECTOR)),
    "eigh of": (ValueError, lambda x: la.eigh(x * SYMMETRIC, "Z")),
    "eig": (LinAlgError, lambda x: la.eig(x * WIDE)),
    "qr": (LinAlgError, lambda x: la.qr(x * VECTOR)),
    "qr.*mode": (ValueError, lambda x: la.qr(x * SQUARE, "none")),
    "qr.*raw": (UnsupportedError, lambda x: la.qr(x * SQUARE, "raw")),
    "svd": (LinAlgError, lambda x: la.svd(x * VECTOR)),
    "det of": (LinAlgError, lambda x: la.det(x * WIDE)),
    "slogdet of": (LinAlgError, lambda x: la.slogdet(x * WIDE)),
    "lstsq of": (LinAlgError, lambda x: la.lstsq(x * TALL, np.ones(2))),
    "norm.*'fro'": (ValueError, lambda x: la.norm(x * VECTOR, "fro")),
    "norm.*3": (ValueError, lambda x: la.norm(x * SQUARE, 3)),
    "norm: 3 axes": (ValueError, lambda x: la.norm(x * STACK, 2)),
    "norm.*twice": (ValueError, lambda x: la.norm(x * STACK, 2, axis=(1, -2))),
    "axis 3": (np.exceptions.AxisError, lambda x: la.norm(x * STACK, axis=3)),
    "norm: axis": (TypeError, lambda x: la.norm(x * STACK, axis="rows")),
    "cond": (LinAlgError, lambda x: la.cond(x * WIDE, 1)),
    "cond.*empty": (LinAlgError, lambda x: la.cond(x * np.zeros((0, 0)))),
    "matrix_power": (LinAlgError, lambda x: la.matrix_power(x * WIDE, 2)),
    "matrix_power.*integer": (TypeError, lambda x: la.matrix_power(x * SQUARE, 0.5)),
    "multi_dot.*two": (ValueError, lambda x: la.multi_dot([x * SQUARE])),
    r"multi_dot.*\(3, 3\) and \(2, 3\)": (ValueError, lambda x: la.multi_dot([x * SQUARE, WIDE, SQUARE])),
    "multi_dot: array 1": (LinAlgError, lambda x: la.multi_dot([x * SQUARE, STACK, SQUARE])),
    "tensorsolve": (LinAlgError, lambda x: la.tensorsolve(x * TALL, np.ones(3))),
    "tensorinv.*axes": (LinAlgError, lambda x: la.tensorinv(x * TALL, ind=1)),
    "tensorinv: ind": (ValueError, lambda x: la.tensorinv(x * SQUARE, ind=0)),
    "outer": (ValueError, lambda x: la.outer(x * SQUARE, VECTOR)),
}


@pytest.mark.parametrize("message", REFUSED)
def test_errors_are_of_numpys_class_and_name_the_function(message):
    kind, call = REFUSED[message]
    if kind is not UnsupportedError:
        with pytest.raises(kind):
            call(1.0)
    with pytest.raises(kind, match=message):
        pyad.grad(lambda x: np.sum(leaves(call(x))[0]))(1.0)


def test_a_power_of_zero_is_the_identity():
    np.testing.assert_array_equal(
        traced_value(lambda a: la.matrix_power(a, 0) + 0.0 * a, STACK), la.matrix_power(STACK, 0)
    )


def test_the_cheapest_order_of_a_chain_is_found():
    from pyad._ops.linalg.multi_dot import _cheapest_splits

    # The example of Cormen et al., "Introduction to Algorithms", figure 15.5: ((a (b c)) ((d e) f)).
    cuts = _cheapest_splits([30, 35, 15, 5, 10, 20, 25])
    assert (cuts[0, 5], cuts[0, 2], cuts[3, 5]) == (2, 0, 4)
