"""scipy.linalg with traced matrices: SciPy's values, and derivatives in both modes to second order."""

import subprocess
import sys

import autograd
import autograd.numpy as anp
import autograd.scipy.linalg as autograd_linalg
import jax
import numpy as np
import pytest
import scipy.linalg

import pyad
from pyad.scipy import linalg
from pyad.testing import check_grads

A = np.array([[3.0, 0.4, -0.3], [0.2, 2.5, 0.6], [-0.5, 0.3, 2.0]])
C = np.array([[2.0, 0.3], [-0.4, 1.5]])
B = np.array([[1.0, 0.5], [-0.7, 2.0], [0.3, -1.2]])
V = B[:, 0]
SPD = A @ A.T
STACK = np.stack([A, A.T + 0.5])
BAND = np.array([[0.0, 0.0, 0.3, -0.2], [0.0, 0.5, 0.1, 0.4], [3.0, 2.5, 2.0, 3.5], [0.2, -0.6, 0.7, 0.0]])


def symmetric(x):
    return 0.5 * (x + np.swapaxes(x, -1, -2))


# name: (function of a module and the arguments, arguments, order of the derivatives to check)
CASES = {
    "solve of a vector": (lambda m, a, b: m.solve(a, b), (A, V), 2),
    "solve of a matrix": (lambda m, a, b: m.solve(a, b), (C, B[:2]), 2),
    "solve, transposed": (lambda m, a, b: m.solve(a, b, transposed=True), (C, B[:2]), 2),
    "solve of a stack": (lambda m, a, b: m.solve(a, b), (STACK, B), 1),
    "solve of a stack and a vector": (lambda m, a, b: m.solve(a, b), (STACK, V), 1),
    "solve, symmetric": (lambda m, a, b: m.solve(symmetric(a), b, assume_a="sym"), (A, V), 2),
    "solve, symmetric, lower": (lambda m, a, b: m.solve(symmetric(a), b, assume_a="sym", lower=True), (A, V), 1),
    "solve, positive definite": (lambda m, a, b: m.solve(symmetric(a), b, assume_a="pos"), (SPD, V), 2),
    "solve_triangular": (lambda m, a, b: m.solve_triangular(a, b), (A, V), 2),
    "solve_triangular, lower": (lambda m, a, b: m.solve_triangular(a, b, lower=True), (A, B), 1),
    "solve_triangular, T": (lambda m, a, b: m.solve_triangular(a, b, trans="T"), (C, V[:2]), 2),
    "solve_triangular, C": (lambda m, a, b: m.solve_triangular(a, b, trans=2, lower=True), (C, V[:2]), 1),
    "solve_triangular, unit": (lambda m, a, b: m.solve_triangular(a, b, 1, True, True), (C, V[:2]), 2),
    "solve_triangular of a stack": (lambda m, a, b: m.solve_triangular(a, b), (STACK, B), 1),
    "cho_solve, upper": (lambda m, a, b: m.cho_solve((a, False), b), (C, B[:2]), 1),
    "cho_solve, lower": (lambda m, a, b: m.cho_solve((a, True), b), (A, V), 1),
    "lu_solve": (lambda m, a, b: m.lu_solve(m.lu_factor(a), b), (A[::-1], V), 1),
    "lu_solve, T": (lambda m, a, b: m.lu_solve(m.lu_factor(a), b, 1), (A[::-1], B), 1),
    "lu_solve of a stack": (lambda m, a, b: m.lu_solve(m.lu_factor(a), b), (STACK[:, ::-1], B), 1),
    "solve_banded": (lambda m, ab, b: m.solve_banded((1, 2), ab, b), (BAND, np.array([1.0, -2.0, 0.5, 3.0])), 1),
    "solve_banded of a matrix": (lambda m, ab, b: m.solve_banded((1, 0), ab, b), (BAND[2:, :2], B[:2]), 2),
    "solveh_banded": (lambda m, ab, b: m.solveh_banded(ab, b), (BAND[:3], np.array([1.0, -2.0, 0.5, 3.0])), 1),
    "solveh_banded, lower": (lambda m, ab, b: m.solveh_banded(ab, b, lower=True), (BAND[2:, :2], B[:2]), 2),
    "solveh_banded, complex": (
        lambda m, ab, b: m.solveh_banded(ab * np.array([[0.5 + 0.2j], [0.3 - 0.4j], [1.0]]), b),
        (BAND[:3], np.array([1.0, -2.0, 0.5, 3.0])),
        1,
    ),
    "solveh_banded, complex, lower": (
        lambda m, ab, b: m.solveh_banded(ab * np.array([[1.0], [0.3 - 0.4j]]), b, lower=True),
        (BAND[2:], np.array([1.0, -2.0, 0.5, 3.0])),
        1,
    ),
    "solve_sylvester": (lambda m, a, b, q: m.solve_sylvester(a, b, q), (A, C, B), 1),
    "solve_sylvester, second order": (lambda m, a, b, q: m.solve_sylvester(a, b, q), (C, C[:1, :1], B[:2, :1]), 2),
    "continuous Lyapunov": (lambda m, a, q: m.solve_continuous_lyapunov(a, q), (C, B[:2]), 2),
    "discrete Lyapunov": (lambda m, a, q: m.solve_discrete_lyapunov(0.3 * a, q), (C, B[:2]), 2),
    "discrete Lyapunov, bilinear": (lambda m, a, q: m.solve_discrete_lyapunov(0.3 * a, q, "bilinear"), (C, B[:2]), 1),
    "expm": (lambda m, a: m.expm(a), (0.5 * C,), 2),
    "expm of a stack": (lambda m, a: m.expm(a), (STACK / 4,), 1),
    "expm of a large matrix": (lambda m, a: m.expm(a), (4.0 * C,), 1),
    "expm_frechet": (lambda m, a, e: m.expm_frechet(a, e), (C, B[:2]), 1),
    "expm_frechet alone": (lambda m, a, e: m.expm_frechet(a, e, compute_expm=False), (C, B[:2]), 1),
    "logm": (lambda m, a: m.logm(a), (C,), 2),
    "sqrtm": (lambda m, a: m.sqrtm(a), (C,), 2),
    "sqrtm of a stack": (lambda m, a: m.sqrtm(a), (STACK,), 1),
    "lu": (lambda m, a: m.lu(a), (A[::-1],), 1),
    "lu, second order": (lambda m, a: m.lu(a)[1:], (C[::-1],), 2),
    "lu of a tall matrix": (lambda m, a: m.lu(a), (B,), 2),
    "lu of a wide matrix": (lambda m, a: m.lu(a), (B.T,), 2),
    "lu with permute_l": (lambda m, a: m.lu(a, permute_l=True), (A[::-1],), 1),
    "lu of a stack": (lambda m, a: m.lu(a), (STACK[:, ::-1],), 1),
    "lu_factor": (lambda m, a: m.lu_factor(a)[0], (A[::-1],), 1),
    "block_diag": (lambda m, a, b: m.block_diag(a, [[1.0]], b), (A, V), 1),
    "toeplitz": (lambda m, c: m.toeplitz(c), (V,), 2),
    "toeplitz with a row": (lambda m, c, r: m.toeplitz(c, r), (V, B[0]), 1),
    "hankel": (lambda m, c: m.hankel(c), (V,), 1),
    "hankel with a row": (lambda m, c, r: m.hankel(c, r), (V, B[0]), 1),
    "circulant": (lambda m, c: m.circulant(c), (V,), 1),
}

# What NumPy has as well, and pyad._ops differentiates.
OF_NUMPY = {
    "cholesky": (lambda m, a: m.cholesky(symmetric(a)), (SPD,), 2),
    "cholesky, lower": (lambda m, a: m.cholesky(symmetric(a), lower=True), (SPD,), 1),
    "cho_factor": (lambda m, a, b: m.cho_solve(m.cho_factor(symmetric(a)), b), (SPD, V), 1),
    "det": (lambda m, a: m.det(a), (A,), 2),
    "inv": (lambda m, a: m.inv(a), (A,), 1),
    "inv of a symmetric matrix": (lambda m, a: m.inv(symmetric(a)), (A,), 1),
    "pinv": (lambda m, a: m.pinv(a), (B,), 1),
    "pinv with a tolerance": (lambda m, a: m.pinv(a, rtol=1e-3, return_rank=True)[0], (B,), 1),
    "norm": (lambda m, a: m.norm(a), (A,), 1),
    "norm of order 1": (lambda m, a: m.norm(a, 1), (A,), 1),
    "norm of rows": (lambda m, a: m.norm(a, axis=1, keepdims=True), (A,), 1),
    "svdvals": (lambda m, a: m.svdvals(a), (B,), 1),
    "svd": (lambda m, a: m.svd(a, full_matrices=False), (B,), 1),
    "svd without vectors": (lambda m, a: m.svd(a, compute_uv=False), (B,), 1),
    "qr, economic": (lambda m, a: m.qr(a, mode="economic"), (B,), 1),
    "qr, full": (lambda m, a: m.qr(a), (A,), 1),
    "qr, r": (lambda m, a: m.qr(a, mode="r"), (B,), 1),
    "eigh": (lambda m, a: m.eigh(symmetric(a))[0], (A,), 1),
    "eigvalsh": (lambda m, a: m.eigvalsh(symmetric(a), lower=False), (A,), 1),
    "eigvalsh of a pair": (lambda m, a, b: m.eigvalsh(symmetric(a), symmetric(b)), (C, SPD[:2, :2]), 1),
    "eigh of a pair": (lambda m, a, b: m.eigh(symmetric(a), symmetric(b), lower=False)[1] ** 2, (C, SPD[:2, :2]), 1),
}


def assert_same(got, expected):
    if not isinstance(got, tuple):
        got, expected = (got,), (expected,)
    for x, y in zip(got, expected, strict=True):
        assert np.shape(x) == np.shape(y)
        assert np.asarray(x).dtype == np.asarray(y).dtype
        np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-12)


def assert_right(function, args, order):
    expected = function(scipy.linalg, *args)
    got, _ = pyad.vjp(lambda *args: function(linalg, *args), *args)
    assert_same(got, expected)
    check_grads(lambda *args: function(linalg, *args), args, order=order)


@pytest.mark.parametrize(("function", "args", "order"), CASES.values(), ids=CASES)
def test_values_are_scipys_and_derivatives_equal_differences(function, args, order):
    assert_right(function, args, order)


@pytest.mark.parametrize(("function", "args", "order"), OF_NUMPY.values(), ids=OF_NUMPY)
def test_factorisations_that_numpy_has_too_go_there(function, args, order):
    assert_right(function, args, order)


@pytest.mark.parametrize(
    "name",
    [
        "solve of a vector",
        "solve_triangular",
        "solve_banded",
        "solve_sylvester",
        "discrete Lyapunov",
        "expm",
        "logm",
        "sqrtm",
        "lu",
        "toeplitz",
    ],
)
def test_float32_stays_float32(name):
    function, args, _ = CASES[name]
    args = tuple(x.astype(np.float32) for x in args)

    def total(*args):
        out = function(linalg, *args)
        return sum((np.sum(x) for x in out), 0.0) if isinstance(out, tuple) else np.sum(out)

    value, gradients = pyad.value_and_grad(total, tuple(range(len(args))))(*args)
    wide = pyad.grad(total, tuple(range(len(args))))(*(x.astype(float) for x in args))
    assert value.dtype == np.float32
    for x, y in zip(gradients, wide, strict=True):
        assert x.dtype == np.float32
        np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-3)


WEIGHTS = np.cos(np.arange(9.0)).reshape(3, 3)


def weighted(x):
    return x * (WEIGHTS if x.ndim == 2 else WEIGHTS[0])


@pytest.mark.parametrize(
    ("ours", "theirs", "args"),
    [
        (linalg.sqrtm, autograd_linalg.sqrtm, (A,)),
        (linalg.solve_triangular, autograd_linalg.solve_triangular, (A, A.T)),
        (linalg.solve_sylvester, autograd_linalg.solve_sylvester, (A, A.T, A @ A)),
        (
            lambda ab, b: linalg.solve_banded((1, 1), ab, b),
            lambda ab, b: autograd_linalg.solve_banded((1, 1), ab, b),
            (BAND[1:, :3], V),
        ),
    ],
)
def test_gradients_are_autograds(ours, theirs, args):
    numbers = tuple(range(len(args)))
    got = pyad.grad(lambda *a: np.sum(weighted(ours(*a))), numbers)(*args)
    expected = autograd.grad(lambda *a: anp.sum(weighted(theirs(*a))), numbers)(*args)
    for x, y in zip(got, expected, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda a: linalg.lu(a)[1], lambda a: jax.scipy.linalg.lu(a)[1]),
        (
            lambda a: linalg.solve_triangular(a, A, lower=True),
            lambda a: jax.scipy.linalg.solve_triangular(a, A, lower=True),
        ),
    ],
)
def test_gradients_are_jaxs(ours, theirs):
    got = pyad.grad(lambda a: np.sum(ours(a) * WEIGHTS))(A)
    expected = jax.grad(lambda a: jax.numpy.sum(theirs(a) * WEIGHTS))(A)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "keep"),
    [
        ("diagonal", np.eye(3, dtype=bool)),
        ("tridiagonal", np.tri(3, k=1, dtype=bool) & ~np.tri(3, k=-2, dtype=bool)),
        ("upper triangular", ~np.tri(3, k=-1, dtype=bool)),
        ("lower triangular", np.tri(3, dtype=bool)),
    ],
)
def test_the_derivative_by_a_matrix_of_some_kind_is_of_that_kind(kind, keep):
    pytest.importorskip("scipy", minversion="1.15")
    matrix = np.where(keep, A, 0.0)
    general = pyad.grad(lambda a: np.sum(linalg.solve(a, V) ** 2))(matrix)
    got = pyad.grad(lambda a: np.sum(linalg.solve(a, V, assume_a=kind) ** 2))(matrix)
    np.testing.assert_allclose(got, np.where(keep, general, 0.0), rtol=1e-10)
    transposed = pyad.grad(lambda a: np.sum(linalg.solve(a.T, V, assume_a=kind, transposed=True) ** 2))
    if kind == "tridiagonal":
        np.testing.assert_allclose(transposed(matrix), got, rtol=1e-10)


def test_the_derivative_by_a_symmetric_matrix_is_symmetric():
    got = pyad.grad(lambda a: np.sum(linalg.solve(a, V, assume_a="pos")))(SPD)
    np.testing.assert_array_equal(got, got.T)


def test_lists_that_hold_traced_values_are_matrices():
    got = pyad.grad(
        lambda t: linalg.expm([[0.0, t], [0.0, 0.0]])[0, 1] + linalg.solve([[t, 0.0], [0.0, 1.0]], [1.0, t])[0]
    )(2.0)
    np.testing.assert_allclose(got, 1.0 - 0.25)


def test_plain_arguments_go_to_scipy():
    x = np.array([[1, 2], [3, 4]])
    np.testing.assert_array_equal(linalg.expm(x), scipy.linalg.expm(x))
    assert linalg.solve(x, [1, 2], overwrite_a=True).dtype == np.float64
    assert linalg.null_space is scipy.linalg.null_space
    assert {"expm", "null_space"} <= set(dir(linalg))


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        (lambda a: linalg.solve(a[:2], V), ValueError, r"solve: a has shape \(2, 3\), expected square"),
        (lambda a: linalg.solve(a, V[:2]), ValueError, r"solve: a has shape \(3, 3\) and b \(2,\)"),
        (lambda a: linalg.solve(0.0 * a, V), np.linalg.LinAlgError, "(?i)singular"),
        (lambda a: linalg.solve_triangular(0.0 * a, V), np.linalg.LinAlgError, "(?i)singular"),
        (lambda a: linalg.solve_triangular(a, V, trans=3), ValueError, "trans must be"),
        (lambda a: linalg.solve_banded((1, 1), a, V[:2]), ValueError, "solve_banded: ab has shape"),
        (lambda a: linalg.solveh_banded(a, V[:2]), ValueError, "solveh_banded: shapes"),
        (lambda a: linalg.solve_sylvester(a, C, A), ValueError, r"q has shape \(3, 3\), expected \(3, 2\)"),
        (lambda a: linalg.solve_discrete_lyapunov(a, C), ValueError, "q has shape"),
        (lambda a: linalg.expm(a[0]), ValueError, r"expm: A has shape \(3,\), expected square"),
        (lambda a: linalg.logm(-a), TypeError, "logm: the result for this real matrix is complex"),
        (lambda a: linalg.sqrtm(-a), TypeError, "sqrtm: the result for this real matrix is complex"),
        (lambda a: linalg.lu(a[0]), ValueError, "lu: a has shape"),
        (lambda a: linalg.toeplitz(a), ValueError, "toeplitz: shape"),
        (lambda a: linalg.qr(a, pivoting=True), TypeError, "qr: pivoting=True"),
        (lambda a: linalg.qr(a, mode="some"), ValueError, "mode must be"),
        (lambda a: linalg.eigh(a, type=2), TypeError, "eigh: type=2"),
        (lambda a: linalg.eigvalsh(a, subset_by_index=[0, 1]), TypeError, "a subset of eigenvalues"),
        (lambda a: scipy.linalg.expm(a), TypeError, "scipy.linalg.expm was given a traced .* pyad.scipy"),
        (lambda x: linalg.lu_solve((x, np.arange(3)), np.ones(4)), ValueError, r"lu has shape \(3, 3\) and b \(4,\)"),
    ],
)
def test_errors_say_what_is_wrong(function, error, words):
    with pytest.raises(error, match=words):
        pyad.vjp(function, A)


def run(code):
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_importing_pyad_does_not_import_scipy():
    assert (
        run("import pyad, pyad.scipy, sys; print(sorted(m for m in sys.modules if m.startswith('scipy'))[:3])")
        == "[]\n"
    )


@pytest.mark.parametrize("name", ["linalg", "signal", "integrate", "optimize", "sparse"])
def test_without_scipy_the_error_says_how_to_get_it(name):
    said = run(f"import sys; sys.modules['scipy'] = None\nimport pyad.scipy\npyad.scipy.{name}")
    assert "ImportError: pyad.scipy." in said
    assert "needs SciPy: pip install scipy" in said


def test_the_package_falls_through_to_scipy():
    import scipy.interpolate

    import pyad.scipy

    assert pyad.scipy.interpolate is scipy.interpolate
    assert pyad.scipy.linalg is linalg
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = pyad.scipy.nothing
