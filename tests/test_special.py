"""scipy.special: values are SciPy's, derivatives in every argument are those of differences, to second order."""

import warnings

import autograd
import autograd.numpy as anp
import autograd.scipy.special as asp
import jax
import jax.scipy.special as jsp
import numpy as np
import pytest
import scipy.special as sp

import pyad
import pyad.scipy.special as psp
from pyad.errors import ConcretizationError, UnsupportedError
from pyad.testing import check_grads

X = np.array([0.3, 0.8, 2.6])
BOTH = np.array([-1.3, 0.4, 2.2])
UNIT = np.array([0.15, 0.5, 0.82])

# (name, arguments); a tuple of numbers stands for a constant, which is not differentiated.
TABLE = [
    ("gamma", X),
    ("gamma", BOTH - 0.3),
    ("gammaln", X),
    ("gammaln", BOTH),
    ("loggamma", X),
    ("rgamma", X),
    ("rgamma", BOTH),
    ("rgamma", np.array([0.0, -1.0, -3.0])),
    ("digamma", X),
    ("digamma", BOTH),
    ("psi", X),
    ("polygamma", (0,), X),
    ("polygamma", (1,), X),
    ("polygamma", (3,), X),
    ("polygamma", (0, 1, 2), X),
    ("zeta", (2.5,), X),
    ("multigammaln", X + 1.5, 3),
    ("poch", X, X[::-1]),
    ("beta", X, X[::-1]),
    ("betaln", X, X[::-1]),
    ("binom", X + 2.0, X),
    ("comb", X + 2.0, X),
    ("comb", np.array([1.5, 3.0]), np.array([0.4, 3.5])),
    ("factorial", X),
    ("gammainc", X, X[::-1]),
    ("gammaincc", X, X[::-1]),
    ("gammaincinv", X, UNIT),
    ("gammainccinv", X, UNIT),
    ("betainc", X, X[::-1], UNIT),
    ("betaincc", X, X[::-1], UNIT),
    ("betaincinv", X + 0.5, X[::-1] + 0.5, UNIT),
    ("betainccinv", X + 0.5, X[::-1] + 0.5, UNIT),
    ("stdtr", X, BOTH),
    ("stdtr", X, 10.0 * BOTH),
    ("stdtrit", X + 1.0, UNIT),
    ("chdtr", X, X[::-1]),
    ("chdtrc", X, X[::-1]),
    ("gdtr", X, X + 0.5, X[::-1]),
    ("gdtrc", X, X + 0.5, X[::-1]),
    ("fdtr", X, X + 0.5, X[::-1]),
    ("fdtrc", X, X + 0.5, X[::-1]),
    ("pdtr", (0, 2, 3), X),
    ("pdtrc", (0, 2, 3), X),
    ("erf", BOTH),
    ("erfc", BOTH),
    ("erfcx", BOTH),
    ("erfi", BOTH),
    ("dawsn", BOTH),
    ("erfinv", UNIT - 0.4),
    ("erfcinv", UNIT),
    ("ndtr", BOTH),
    ("ndtri", UNIT),
    ("ndtri_exp", -X),
    ("log_ndtr", BOTH),
    ("log_ndtr", 10.0 * BOTH),
    ("expit", BOTH),
    ("logit", UNIT),
    ("log_expit", BOTH),
    ("expm1", BOTH),
    ("log1p", X),
    ("exp2", BOTH),
    ("exp10", UNIT),
    ("cbrt", BOTH),
    ("cosm1", BOTH),
    ("exprel", np.array([-3.0, -0.2, 0.0, 0.3, 2.0])),
    ("xlogy", X, X[::-1]),
    ("xlog1py", X, X[::-1]),
    ("entr", X),
    ("rel_entr", X, X[::-1]),
    ("kl_div", X, X[::-1]),
    ("boxcox", X, BOTH),
    ("boxcox", X, np.array([0.0, 1e-3, -1e-3])),
    ("boxcox1p", X, BOTH),
    ("inv_boxcox", X, UNIT),
    ("inv_boxcox", X, np.array([0.0, 1e-3, 0.03])),
    ("inv_boxcox1p", X, UNIT),
    ("huber", X, BOTH),
    ("pseudo_huber", X, BOTH),
    ("spence", X),
    ("spence", np.array([0.95, 1.0, 1.04])),
    ("wrightomega", BOTH),
    ("j0", BOTH),
    ("j1", np.array([-1.0, 0.0, 3.0])),
    ("y0", X),
    ("y1", X),
    ("jn", (2,), BOTH),
    ("jv", (0, 1.5, 3), X),
    ("jve", (1.5,), X),
    ("yn", (0, 1, 2), X),
    ("yv", (1.5,), X),
    ("yve", (1.5,), X),
    ("i0", BOTH),
    ("i1", np.array([-1.0, 0.0, 3.0])),
    ("i0e", BOTH),
    ("i1e", BOTH),
    ("iv", (0.5, 2, 3), X),
    ("ive", (2,), BOTH),
    ("k0", X),
    ("k1", X),
    ("k0e", X),
    ("k1e", X),
    ("kn", (0, 1, 2), X),
    ("kv", (1.5,), X),
    ("kve", (1.5,), X),
    ("spherical_jn", (0, 1, 3), X),
    ("spherical_yn", (0, 1, 3), X),
    ("spherical_in", (0, 1, 3), X),
    ("spherical_kn", (0, 1, 3), X),
    ("airy", BOTH),
    ("expi", BOTH),
    ("exp1", X),
    ("expn", (0, 1, 3), X),
    ("sici", X),
    ("shichi", X),
    ("fresnel", BOTH),
    ("ellipk", np.array([-2.0, 0.0, 0.7])),
    ("ellipe", np.array([-2.0, 0.0, 0.7])),
    ("hyp2f1", (0.5,), (1.5,), (2.2,), UNIT),
    ("hyp1f1", (0.5,), (1.5,), BOTH),
    ("hyp0f1", (1.5,), BOTH),
    ("hyperu", (0.5,), (1.5,), X),
    ("eval_legendre", (0, 1, 4), BOTH),
    ("eval_chebyt", (0, 1, 4), BOTH),
    ("eval_chebyu", (0, 1, 4), BOTH),
    ("eval_hermite", (0, 1, 4), BOTH),
    ("eval_hermitenorm", (0, 1, 4), BOTH),
    ("eval_laguerre", (0, 1, 4), BOTH),
    ("eval_genlaguerre", (0, 1, 4), (0.5,), BOTH),
    ("eval_gegenbauer", (0, 1, 4), (0.7,), BOTH),
    ("eval_jacobi", (0, 1, 4), (0.7,), (1.2,), BOTH),
    ("eval_sh_legendre", (0, 1, 4), BOTH),
    ("eval_legendre", (1.5,), UNIT),
]
# 1e-11 where SciPy's value is that of another routine, rounded otherwise.
IDS = [f"{row[0]}-{k}" for k, row in enumerate(TABLE)]


def call_of(name, given):
    """The function of its differentiable arguments, and these."""
    fixed = [
        None if isinstance(x, np.ndarray) else x if isinstance(x, int) else x[0] if len(x) == 1 else np.array(x)
        for x in given
    ]
    variables = tuple(x for x in given if isinstance(x, np.ndarray))

    def call(*values, module=psp):
        rest = iter(values)
        return getattr(module, name)(*(next(rest) if x is None else x for x in fixed))

    return call, variables


@pytest.mark.parametrize("row", TABLE, ids=IDS)
def test_values_are_those_of_scipy_and_derivatives_those_of_differences(row):
    call, variables = call_of(row[0], row[1:])
    want = call(*variables, module=sp)
    got = pyad.vjp(call, *variables)[0]
    for a, b in zip(got, want, strict=True) if isinstance(want, tuple) else [(got, want)]:
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-300)
    check_grads(call, variables, order=2, rtol=1e-4)


@pytest.mark.parametrize("row", TABLE, ids=IDS)
def test_float32_stays_float32(row):
    call, variables = call_of(row[0], row[1:])
    narrow = tuple(x.astype(np.float32) for x in variables)
    value, pullback = pyad.vjp(call, *narrow)
    values = value if isinstance(value, tuple) else (value,)
    assert {x.dtype for x in values} == {np.dtype(np.float32)}
    ones = tuple(np.ones_like(x) for x in values)
    wide = pyad.vjp(call, *(x.astype(float) for x in narrow))[1]
    for a, b in zip(
        pullback(ones if isinstance(value, tuple) else ones[0]),
        wide(tuple(x.astype(float) for x in ones) if isinstance(value, tuple) else ones[0].astype(float)),
        strict=True,
    ):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("row", TABLE, ids=IDS)
def test_plain_scipy_calls_arrive_where_scipy_lets_them(row):
    call, variables = call_of(row[0], row[1:])
    if not isinstance(getattr(sp, row[0]), np.ufunc):
        return
    got = pyad.vjp(lambda *x: call(*x, module=sp), *variables)[0]
    np.testing.assert_array_equal(got, pyad.vjp(call, *variables)[0])
