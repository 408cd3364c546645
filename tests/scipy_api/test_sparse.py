"""Sparse matrices of SciPy with traced vectors and matrices: products through the operators, and solves."""

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg

import pyad
import pyad.scipy
from pyad.scipy import sparse
from pyad.scipy.sparse import linalg
from pyad.testing import check_grads

DENSE = np.array([[3.0, 0.0, -1.0], [0.5, 2.0, 0.0]])
SQUARE = np.array([[3.0, 0.0, -1.0], [0.5, 2.0, 0.0], [0.0, 0.3, 4.0]])
X = np.array([[1.0, 0.5], [-0.7, 2.0], [0.3, -1.2]])
V = X[:, 0]
FORMATS = [getattr(scipy.sparse, f"{f}_{k}") for f in ("csr", "csc", "coo", "dia", "bsr") for k in ("matrix", "array")]

PRODUCTS = {
    "A @ x": (lambda a, x: a @ x, V),
    "A @ X": (lambda a, x: a @ x, X),
    "A @ column": (lambda a, x: a @ x, X[:, :1]),
    "A.T @ x": (lambda a, x: a.T @ x, V[:2]),
    "x @ A": (lambda a, x: x @ a, V[:2]),
    "X @ A": (lambda a, x: x @ a, X[:, :2]),
    "x.dot(A)": (lambda a, x: x @ a if isinstance(x, np.ndarray) else x.dot(a), V[:2]),
    "matmul(A, x)": (sparse.matmul, V),
    "matmul(X, A)": (lambda a, x: sparse.matmul(x, a), X[:, :2]),
}


@pytest.mark.parametrize("make", FORMATS, ids=lambda make: make.__name__)
@pytest.mark.parametrize(("product", "x"), PRODUCTS.values(), ids=PRODUCTS)
def test_products(product, x, make):
    a = make(DENSE)
    value, pullback = pyad.vjp(lambda x: product(a, x), x)
    expected, dense = pyad.vjp(lambda x: dense_product(product)(DENSE, x), x)
    np.testing.assert_allclose(value, expected, rtol=1e-14)
    np.testing.assert_allclose(value, product(a, x), rtol=1e-14)
    s = np.cos(np.arange(float(value.size))).reshape(value.shape)
    np.testing.assert_allclose(pullback(s)[0], dense(s)[0], rtol=1e-14)


def dense_product(product):
    """The same of dense matrices, which sparse.matmul does not multiply."""
    if product is PRODUCTS["matmul(A, x)"][0]:
        return lambda a, x: a @ x
    return (lambda a, x: x @ a) if product is PRODUCTS["matmul(X, A)"][0] else product


def test_dot_of_a_compressed_matrix():
    a = scipy.sparse.csr_array(DENSE)
    np.testing.assert_allclose(pyad.jacobian(a.dot)(V), DENSE)


def test_products_to_second_order():
    a = scipy.sparse.csr_array(SQUARE)
    check_grads(lambda x: np.sin(a @ np.sin(x) + x @ a), (V,), order=2)


@pytest.mark.parametrize(("left", "right"), [(np.float32, np.float32), (np.float32, float), (int, np.float32)])
def test_dtypes_are_scipys(left, right):
    a = scipy.sparse.csr_array(SQUARE.astype(left))
    x = V.astype(right)
    value, pullback = pyad.vjp(lambda x: a @ x, x)
    assert value.dtype == (a @ x).dtype
    assert pullback(value)[0].dtype == right


TRIANGLE = scipy.sparse.csr_array(np.tril(SQUARE + 1.0))
SYMMETRIC = scipy.sparse.csr_array(SQUARE @ SQUARE.T)
C = scipy.sparse.csc_array(SQUARE)
SOLVES = {
    "spsolve": (lambda m, b: m.spsolve(C, b), V),
    "spsolve of a matrix": (lambda m, b: m.spsolve(C, b), X),
    "spsolve of a column": (lambda m, b: m.spsolve(C, b), X[:, :1]),
    "splu": (lambda m, b: m.splu(C).solve(b), V),
    "splu, T": (lambda m, b: m.splu(C).solve(b, "T"), X),
    "splu, H": (lambda m, b: m.splu(C).solve(b, "H"), V),
    "factorized": (lambda m, b: m.factorized(C)(b), V),
    "spsolve_triangular": (lambda m, b: m.spsolve_triangular(TRIANGLE, b), V),
    "spsolve_triangular, upper": (lambda m, b: m.spsolve_triangular(TRIANGLE.T.tocsr(), b, lower=False), X),
    "spsolve_triangular, unit": (lambda m, b: m.spsolve_triangular(TRIANGLE, b, unit_diagonal=True), V),
    "cg": (lambda m, b: m.cg(SYMMETRIC, b, rtol=1e-13)[0], V),
    "bicg": (lambda m, b: m.bicg(SYMMETRIC, b, rtol=1e-13)[0], V),
    "bicgstab": (lambda m, b: m.bicgstab(SYMMETRIC, b, rtol=1e-13)[0], V),
    "gmres": (lambda m, b: m.gmres(C, b, rtol=1e-13)[0], V),
    "minres": (lambda m, b: m.minres(SYMMETRIC, b, rtol=1e-13)[0], V),
    "cg with a start": (lambda m, b: m.cg(SYMMETRIC, b, V, rtol=1e-13)[0], V),
    "expm_multiply": (lambda m, b: m.expm_multiply(C, b), V),
    "expm_multiply of a matrix": (lambda m, b: m.expm_multiply(C, b, traceA=9.0), X),
}


@pytest.mark.parametrize(("function", "b"), SOLVES.values(), ids=SOLVES)
def test_solves_have_scipys_values_and_derivatives_by_the_right_side(function, b):
    expected = function(scipy.sparse.linalg, b)
    value, _ = pyad.vjp(lambda b: function(linalg, b), b)
    assert value.shape == expected.shape
    np.testing.assert_allclose(value, expected, rtol=1e-8)
    check_grads(lambda b: function(linalg, b), (b,), order=1)


def test_solves_to_second_order():
    check_grads(lambda b: np.sin(linalg.spsolve(C, np.sin(b))), (V,), order=2)
    check_grads(lambda b: np.sin(linalg.cg(SYMMETRIC, np.sin(b), rtol=1e-13)[0]), (V,), order=2)


def test_iterations_with_a_preconditioner_and_an_operator():
    operator = scipy.sparse.linalg.aslinearoperator(C)
    inverse = scipy.sparse.linalg.aslinearoperator(scipy.sparse.diags_array(1.0 / np.diag(SQUARE)))
    seen = []

    def solution(b):
        x, info = linalg.gmres(operator, b, rtol=1e-13, M=inverse, callback=seen.append, callback_type="x")
        assert info == 0
        return x

    np.testing.assert_allclose(pyad.jacobian(solution)(V), np.linalg.inv(SQUARE), rtol=1e-9, atol=1e-12)
    assert 0 < len(seen) <= 4


def test_an_iteration_that_fails_for_a_derivative_is_an_error():
    """From a unit vector, biconjugate gradients break down with this matrix; the solution itself is found."""
    value, pullback = pyad.vjp(lambda b: linalg.bicg(C, b, rtol=1e-13)[0], V)
    np.testing.assert_allclose(value, np.linalg.solve(SQUARE, V))
    with pytest.raises(np.linalg.LinAlgError, match="bicg: the iteration for a derivative did not converge"):
        pullback(np.array([0.0, 0.0, 1.0]))


def test_the_matrix_is_factorised_once(monkeypatch):
    counted = []
    splu = linalg._theirs.splu
    monkeypatch.setattr(linalg._theirs, "splu", lambda *a, **k: counted.append(1) or splu(*a, **k))
    pyad.jacobian(lambda b: linalg.spsolve(C, b))(V)
    assert len(counted) == 1


# Two entries are at the same place, where they add up.
ROWS, COLUMNS = np.array([0, 1, 2, 0, 2, 2]), np.array([0, 1, 2, 2, 1, 1])
DATA = np.array([3.0, 2.0, 4.0, -1.0, 0.2, 0.5])


def scattered(data):
    return np.stack(
        [
            [data[0], 0.0 * data[0], data[3]],
            [0.0 * data[0], data[1], 0.0 * data[0]],
            [0.0 * data[0], data[4] + data[5], data[2]],
        ]
    )


@pytest.mark.parametrize("b", [V, X])
def test_entries_of_a_matrix_are_differentiated(b):
    dense = scattered(DATA)
    np.testing.assert_allclose(sparse.coo_matmul(DATA, (ROWS, COLUMNS), (3, 3), b), dense @ b)
    np.testing.assert_allclose(linalg.coo_solve(DATA, (ROWS, COLUMNS), b), np.linalg.solve(dense, b))
    check_grads(lambda d, b: sparse.coo_matmul(d, (ROWS, COLUMNS), (4, 3), b), (DATA, b), order=1)
    check_grads(lambda d, b: linalg.coo_solve(d, (ROWS, COLUMNS), b), (DATA, b), order=1)


def test_entries_of_a_matrix_to_second_order():
    places = ([0, 1, 1], [0, 1, 0])
    data = np.array([2.0, 3.0, 0.5])
    check_grads(lambda d, b: linalg.coo_solve(d, places, b), (data, V[:2]), order=2)
    check_grads(lambda d, b: sparse.coo_matmul(d, places, (2, 2), b), (data, V[:2]), order=2)


def test_everything_else_is_scipys():
    assert sparse.csr_array is scipy.sparse.csr_array
    assert pyad.scipy.sparse.linalg is linalg
    assert linalg.eigsh is scipy.sparse.linalg.eigsh
    assert {"matmul", "linalg", "eye_array"} <= set(dir(sparse))
    assert linalg.splu(C).shape == (3, 3)
    np.testing.assert_allclose(linalg.spsolve(C, V), np.linalg.solve(SQUARE, V))
    assert scipy.sparse.issparse(sparse.matmul(C, C))
    np.testing.assert_allclose(sparse.matmul(C, V), SQUARE @ V)


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        (lambda x: C @ x[:2], ValueError, r"matmul: shapes \(3, 3\) and \(2,\) do not contract"),
        (lambda x: x[:2] @ C, ValueError, r"matmul: shapes \(2,\) and \(3, 3\) do not contract"),
        (lambda x: C @ x[None, None], ValueError, "do not contract"),
        (lambda x: sparse.matmul(x, x), TypeError, "expected a sparse matrix"),
        (lambda x: (1j * C) @ x, TypeError, "sparse operand of dtype complex128"),
        (
            lambda x: scipy.sparse.coo_array(SQUARE).dot(x),
            TypeError,
            "scipy.sparse.coo_array has no derivative .* was given a traced",
        ),
        (lambda x: C.multiply(x), TypeError, "multiply .* has no derivative .* was given a traced"),
        (lambda x: C + x, TypeError, "operand of type csc_array"),
        (lambda x: x @ object(), TypeError, "operand of type object"),
        (lambda x: linalg.spsolve(C, x[:2]), ValueError, "spsolve: shapes"),
        (lambda x: linalg.spsolve(0.0 * C, x), np.linalg.LinAlgError, "singular"),
        (lambda x: linalg.spsolve(x, x), TypeError, "the matrix is traced"),
        (lambda x: linalg.splu(C).solve(x, "X"), ValueError, "trans must be"),
        (lambda x: linalg.splu(C).solve(x[:2]), ValueError, "solve: b has shape"),
        (lambda x: linalg.cg(SYMMETRIC, x[:, None]), ValueError, "cg: b has shape"),
        (lambda x: sparse.coo_matmul(x, ([0, 1], [0, 1]), (3, 3), V), ValueError, "coo_matmul: data has shape"),
        (lambda x: sparse.coo_matmul(x, ([0, 1, 3], [0, 1, 2]), (3, 3), V), IndexError, "outside of the shape"),
        (lambda x: sparse.coo_matmul(x, ([0, 1, 2], [0, 1, 2]), (3, 4), V), ValueError, "coo_matmul: x has shape"),
        (lambda x: linalg.coo_solve(x, ([0, 1, -1], [0, 1, 2]), V), IndexError, "outside of the shape"),
        (lambda x: linalg.coo_solve(x, ([0, 1, 1], [0, 1, 2]), V), np.linalg.LinAlgError, "singular"),
        (lambda x: linalg.coo_solve(x, ([0, 1, 2], [0, 1, 2]), V[None, None]), ValueError, "b has shape"),
        (lambda x: linalg.expm_multiply(C, x, 0.0, 1.0), TypeError, "a range of times"),
        (lambda x: scipy.sparse.linalg.spsolve(C, x), TypeError, "traced"),
    ],
)
def test_errors_say_what_is_wrong(function, error, words):
    with pytest.raises(error, match=words):
        pyad.vjp(function, V)
