"""Parts of results through which no derivative goes: signs, places, counts, whole numbers. A program computes them anew
at each call, as everything else."""

import numpy as np
import pytest

import pyad
from tests.compile.test_compile import same

rng = np.random.default_rng(0)
MATRICES = [rng.normal(size=(3, 3)) for _ in range(3)]
MATRICES += [-a for a in MATRICES] + [a[::-1].copy() for a in MATRICES]
MATRICES += [np.diag([1.0, 2.0, 0.0]), np.ones((3, 3)), MATRICES[0] @ MATRICES[0].T]


def signed_log(a):
    sign, logarithm = np.linalg.slogdet(a + 0.01 * np.eye(3))
    return sign * logarithm


FUNCTIONS = {
    "slogdet": np.linalg.slogdet,
    "its sign": lambda a: np.linalg.slogdet(a).sign * np.sum(a),
    "the sign beside a gradient": lambda a: pyad.value_and_grad(
        lambda a: (np.sum(a**2), np.linalg.slogdet(a)[0]), has_aux=True
    )(a),
    "a gradient with the sign": lambda a: pyad.grad(signed_log)(a),
    "the sign of a complex determinant": lambda a: np.linalg.slogdet(a * (1.0 + 0.5j)),
    "svd": lambda a: np.linalg.svd(a)[1],
    "eigh": lambda a: np.linalg.eigh(a + a.T)[0],
    "the rank": np.linalg.matrix_rank,
    "the rank beside a solution": lambda a: np.linalg.lstsq(a, np.ones(3), rcond=None)[2],
    "unique": lambda a: np.unique(np.round(a), return_index=True, return_inverse=True, return_counts=True),
    "divmod": lambda a: np.divmod(a, 0.7),
    "modf": np.modf,
    "frexp": np.frexp,
    "histogram": lambda a: np.histogram(a, bins=4),
    "argsort": lambda a: np.argsort(a, axis=None),
    "argmax": lambda a: (np.argmax(a), np.argmin(a, axis=0)),
    "partition": lambda a: np.partition(a, 1, axis=0),
    "sign": np.sign,
    "floor": lambda a: np.floor(a) * a,
    "round": np.round,
    "fix": lambda a: np.trunc(a) + np.fix(a),
    "nonzero": lambda a: np.nonzero(a > 0),
    "argwhere": lambda a: np.argwhere(a > 0),
    "searchsorted": lambda a: np.searchsorted(np.array([-1.0, 0.0, 1.0]), a),
    "digitize": lambda a: np.digitize(a, np.array([-1.0, 0.0, 1.0])),
    "count_nonzero": lambda a: np.count_nonzero(a > 0),
    "bincount": lambda a: np.bincount((np.abs(a).ravel() * 2).astype(int), minlength=30),
    "signbit": lambda a: (np.isfinite(a), np.signbit(a)),
    "heaviside": lambda a: np.heaviside(a, 0.5),
    "choose": lambda a: np.choose((a > 0).astype(int), [a, a * 2]),
    "select": lambda a: np.select([a > 1, a < -1], [a, a * a], 3.0),
    "piecewise": lambda a: np.piecewise(a, [a < 0, a >= 0], [lambda x: -x, lambda x: x * x]),
    "piecewise constant": lambda a: np.piecewise(a, [a < 0, a >= 0.5], [-1.0, 1.0]),
    "piecewise by one condition": lambda a: np.piecewise(a, [a < 0], [lambda x: x * 2.0, 5.0]),
    "piecewise of a number": lambda a: np.piecewise(a[0, 0], [a[0, 0] < 0], [lambda x: x * 2.0, 5.0]),
    "floor_divide": lambda a: (a // 0.5, a % 0.5),
    "astype": lambda a: a.astype(int) * 2,
    "lexsort": lambda a: np.lexsort((a[0], a[1])),
    "spacing": lambda a: np.spacing(a),
    "any": lambda a: (np.any(a > 1), np.all(a > -2)),
    "isin": lambda a: np.isin(np.round(a), [0.0, 1.0, -1.0]),
    "a gradient of steps": lambda a: pyad.grad(lambda a: np.sum(np.sign(a) * a + np.abs(a) * np.floor(a)))(a),
    "a Jacobian of steps": lambda a: pyad.jacobian(lambda a: np.floor(a[0]) * a[1])(a),
    "steps that are held": lambda a: pyad.stop_gradient(np.sign(a)) * a,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_parts_without_derivative_are_computed_at_each_call(name):
    f = FUNCTIONS[name]
    fast = pyad.compile(f)
    for a in (*MATRICES, *MATRICES[::-1]):
        with np.errstate(all="ignore"):
            got, want = pyad.tree.leaves(fast(a)), pyad.tree.leaves(f(a))
        assert len(got) == len(want)
        for x, y in zip(got, want, strict=True):
            assert np.shape(x) == np.shape(y)
            assert np.asarray(x).dtype == np.asarray(y).dtype
            np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-11)


SCIPY = {
    "lu": lambda m, a: m.linalg.lu(a),
    "pivots": lambda m, a: m.linalg.lu_factor(a + 0.1 * np.eye(3))[1],
    "logm, which draws": lambda m, a: m.linalg.logm(a @ a.T + np.eye(3)),
    "sqrtm": lambda m, a: m.linalg.sqrtm(a @ a.T + np.eye(3)),
}


@pytest.mark.parametrize("name", SCIPY)
def test_parts_without_derivative_of_functions_of_scipy(name):
    pytest.importorskip("scipy")
    import pyad.scipy.linalg

    def f(a):
        return SCIPY[name](pyad.scipy, a)

    fast = pyad.compile(f)
    for a in MATRICES[:6]:
        same(fast(a), f(a))


EMPTY = np.zeros((0, 3))
NONE = np.zeros(0, int)

EMPTY_CASES = {
    "nonzero of a mask": (lambda x, m: x[np.nonzero(m)], (EMPTY, np.array([], bool))),
    "nonzero of a comparison": (lambda x: x[np.nonzero(x[:, 0] > 0)], (EMPTY,)),
    "where": (lambda x: x[np.where(x > 0)], (EMPTY,)),
    "a mask": (lambda x: x[x > 0], (EMPTY,)),
    "columns": (lambda x, i: x[:, i], (EMPTY, np.array([1, 2]))),
    "no columns": (lambda x, i: x[:, i], (EMPTY, NONE)),
    "no rows": (lambda x, i: x[i], (EMPTY, NONE)),
    "no rows of some": (lambda x, i: x[i], (np.ones((2, 3)), NONE)),
    "pairs": (lambda x, i, j: x[i, j], (EMPTY, NONE, NONE)),
    "a new axis": (lambda x, i: x[i, None, 1:], (EMPTY, NONE)),
    "argsort": (lambda x: x[np.argsort(x[:, 0])], (EMPTY,)),
    "flatnonzero": (lambda x: np.take(x, np.flatnonzero(np.sum(x, 1) > 0), axis=0), (EMPTY,)),
    "three axes": (lambda x, i: x[:, i, 0], (np.zeros((2, 0, 4)), NONE)),
}


@pytest.mark.parametrize("name", EMPTY_CASES)
def test_indexing_of_empty_arrays(name):
    f, args = EMPTY_CASES[name]
    fast = pyad.compile(f)
    gradient = pyad.compile(lambda x, *rest: pyad.grad(lambda x: np.sum(f(x, *rest)))(x))
    for _ in range(3):
        same(fast(*args), f(*args))
        same(gradient(*args), np.zeros_like(args[0]))


def test_an_index_out_of_an_empty_array_is_an_index_error():
    fast = pyad.compile(lambda x, i: x[i, 0])
    same(fast(EMPTY, NONE), np.zeros(0))
    for _ in range(2):
        with pytest.raises(IndexError):
            fast(EMPTY, np.array([0]))
        with pytest.raises(IndexError):
            pyad.compile(lambda x, i: x[i, 0])(EMPTY, np.array([0]))


def test_exceptions_in_replays_are_counted():
    fast = pyad.compile(lambda a: np.linalg.inv(a + 0.0))
    fast(np.eye(2))
    assert fast.program.report()["exceptions"] == 0
    for _ in range(3):
        with pytest.raises(np.linalg.LinAlgError):
            fast(np.zeros((2, 2)))
    report = fast.programs[0].report()
    assert report["exceptions"] >= 3
    assert report["last_exception"] == "LinAlgError: Singular matrix"
