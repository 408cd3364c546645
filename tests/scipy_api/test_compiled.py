"""Functions of SciPy inside compiled functions, called with other numbers than when they were recorded."""

import numpy as np
import pytest

import pyad

pytest.importorskip("scipy")

PLACES = (np.array([0, 1, 2, 0]), np.array([0, 1, 2, 1]))
ENTRIES = np.array([2.0, 3.0, 4.0, 1.0])


def solved(data, b):
    from pyad.scipy.sparse.linalg import coo_solve

    return coo_solve(data, PLACES, b)


SLOPES = {
    "value": solved,
    "gradient": lambda d, b: pyad.value_and_grad(lambda d, b: np.sum(solved(d, b) ** 2), (0, 1))(d, b),
    "tangent": lambda d, b: pyad.jvp(lambda d: solved(d, b), (d,), (np.ones(4),)),
    "Hessian": lambda d, b: pyad.hessian(lambda d: np.sum(solved(d, b) ** 2))(d),
}


@pytest.mark.parametrize("name", SLOPES)
def test_a_sparse_solve_is_recorded_once_for_all_entries(name):
    f = SLOPES[name]
    fast = pyad.compile(f)
    for k in range(4):
        data, b = ENTRIES + k, np.array([1.0, 2.0, 3.0]) * (k + 1.0)
        for got, want in zip(pyad.tree.leaves(fast(data, b)), pyad.tree.leaves(f(data, b)), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-12)
    assert fast.recorded == 1
    with pytest.raises(np.linalg.LinAlgError, match=r"coo_solve.*singular"):
        fast(np.zeros(4), np.ones(3))


@pytest.mark.parametrize("method", ["hybr", "lm"])
def test_a_root_is_found_again_or_refused_without_noise(method, capfd):
    from pyad.scipy.optimize import root

    def f(a):
        return root(lambda x, a: x**2 - a, np.ones(2), (a,), method).x

    fast = pyad.compile(f)
    for k in range(3):
        a = np.array([2.0, 3.0]) + k
        np.testing.assert_allclose(fast(a), np.sqrt(a), rtol=1e-9)

    def outside(a):
        return root(lambda x: x**2 - a, np.ones(2), method=method).x

    with pytest.raises(pyad.errors.ConcretizationError, match=r"pass it in args="):
        pyad.compile(outside)(np.ones(2))
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
