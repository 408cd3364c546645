"""scipy.special: values are SciPy's, derivatives in every argument are those of differences, to second order."""

import math
import subprocess
import sys

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
    ("powm1", X, BOTH),
    ("owens_t", BOTH, X),
    ("chdtri", X, UNIT),
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


# ---- parameters of the incomplete functions: reference values of 50 digits, rounded ----

GAMMA_BY_A = [
    (1e-06, 0.5, -0.5597741815347902),
    (0.01, 3.0, -0.013547187572805137),
    (0.3, 1e-05, -0.39970078700930334),
    (0.7, 0.9, -0.4570540657876727),
    (1.0, 30.0, -3.7530644505126664e-13),
    (2.5, 2.5, -0.26084496236866944),
    (40.0, 20.0, -3.866345540913452e-05),
    (1000.0, 1030.0, -0.007996539402089308),
    (100000.0, 100000.0, -0.001261567312316086),
    (100000.0, 101000.0, -8.742674516500273e-06),
    (10000000.0, 10000000.0, -0.00012615662715231323),
]
BETA_BY_A_AND_B = [
    (0.001, 2.0, 0.3, -0.5042081667841304, 0.00036894935554668767),
    (0.2, 0.3, 0.7, -1.035922883629683, 0.9062488776068032),
    (0.5, 5.0, 1e-06, -0.030124072223294277, 0.0002583369309202576),
    (2.0, 3.0, 0.4, -0.24086937608755657, 0.15634433641359877),
    (3.0, 0.01, 0.9, -0.0029931379515538217, 0.9964175371525813),
    (80.0, 10.0, 0.95, -0.0009972758455246789, 0.012138476545959582),
    (500.0, 800.0, 0.4, -0.0072108012494740345, 0.004654125159171116),
    (100000.0, 200000.0, 0.3333333333333333, -0.0010300663985695392, 0.000515032770090556),
    (1000000.0, 3.0, 0.999999, -1.8394008847587126e-07, 0.10645951558392647),
]


@pytest.mark.parametrize(("a", "x", "want"), GAMMA_BY_A)
def test_derivative_of_gammainc_by_its_parameter_is_accurate(a, x, want):
    assert pyad.grad(psp.gammainc)(a, x) == pytest.approx(want, rel=1e-11)
    assert pyad.grad(psp.gammaincc)(a, x) == pytest.approx(-want, rel=1e-11)


@pytest.mark.parametrize(("a", "b", "x", "by_a", "by_b"), BETA_BY_A_AND_B)
def test_derivatives_of_betainc_by_its_parameters_are_accurate(a, b, x, by_a, by_b):
    # At x = 0.999999 the rounding of x itself counts for 1e-10 of 1 - x.
    assert pyad.grad(psp.betainc, (0, 1))(a, b, x) == pytest.approx((by_a, by_b), rel=1e-10)


def test_derivative_of_gammainc_at_parameter_zero_is_the_exponential_integral():
    assert pyad.grad(psp.gammainc)(0.0, 2.0) == pytest.approx(-sp.exp1(2.0))


def test_third_derivatives_by_parameters_are_refused():
    third = pyad.grad(pyad.grad(pyad.grad(lambda a: psp.gammainc(a, 1.0))))
    with pytest.raises(UnsupportedError, match="gammainc, in its second derivative by a"):
        third(2.0)
    by_x = pyad.grad(pyad.grad(pyad.grad(lambda x: psp.gammainc(2.0, x))))
    # The density is x exp(-x).
    assert by_x(1.5) == pytest.approx((1.5 - 2.0) * np.exp(-1.5))


def test_parameters_broadcast_with_x():
    a = np.array([[0.5], [2.0]])
    check_grads(lambda a, x: psp.gammainc(a, x), (a, X), order=1)
    check_grads(lambda a, b, x: psp.betainc(a, b, x), (a, 1.5, UNIT), order=1)
    assert pyad.grad(lambda a: np.sum(psp.gammainc(a, np.zeros((2, 0)))))(a).tolist() == [[0.0], [0.0]]


def test_many_points_at_once_are_as_each_alone():
    x = np.linspace(0.01, 9.0, 5001)
    many = pyad.grad(lambda a: np.sum(psp.gammainc(a, x)))(np.full(5001, 2.5))
    some = [pyad.grad(psp.gammainc)(2.5, v) for v in x[[0, 2047, 2048, 5000]]]
    np.testing.assert_allclose(many[[0, 2047, 2048, 5000]], some, rtol=1e-13)


# ---- against autograd and JAX ----

WITH_AUTOGRAD = {
    "gamma": (X,),
    "gammaln": (BOTH,),
    "rgamma": (X,),
    "psi": (X,),
    "digamma": (X,),
    "beta": (X, X[::-1]),
    "betaln": (X, X[::-1]),
    "betainc": ((2.0,), (3.0,), UNIT),
    "gammainc": ((2.0,), X),
    "gammaincc": ((2.0,), X),
    "erf": (BOTH,),
    "erfc": (BOTH,),
    "erfinv": (UNIT,),
    "erfcinv": (UNIT,),
    "expit": (BOTH,),
    "logit": (UNIT,),
    "i0": (BOTH,),
    "i1": (X,),
    "iv": ((2,), X),
    "ive": ((2,), X),
    "j0": (BOTH,),
    "j1": (BOTH,),
    "jn": ((2,), X),
    "y0": (X,),
    "y1": (X,),
    "yn": ((2,), X),
}


@pytest.mark.parametrize("name", WITH_AUTOGRAD)
def test_gradients_are_those_of_autograd(name):
    call, variables = call_of(name, WITH_AUTOGRAD[name])
    for k in range(len(variables)):
        got = pyad.grad(lambda *x: np.sum(call(*x)), k)(*variables)
        want = autograd.grad(lambda *x: anp.sum(call(*x, module=asp)), k)(*variables)
        np.testing.assert_allclose(got, want, rtol=1e-9)


SPECIAL_POINTS = [0.0, 1.0, -1.0, -2.0, 0.5, 30.0, -30.0, np.inf, -np.inf, np.nan]


@pytest.mark.parametrize("name", ["erfc", "ndtr", "log_ndtr", "expit", "logit", "entr", "erfinv", "i1", "i0e", "expi"])
def test_slopes_at_special_points_are_those_of_jax(name):
    for x in SPECIAL_POINTS:
        if name == "log_ndtr" and x == -np.inf:
            continue  # inf, the limit; JAX has NaN
        want = jax.grad(getattr(jsp, name))(x)
        np.testing.assert_allclose(
            pyad.grad(getattr(psp, name))(x), want, rtol=1e-6, atol=1e-12, err_msg=f"{name}({x})"
        )


@pytest.mark.parametrize("name", ["xlogy", "xlog1py", "rel_entr", "kl_div"])
@pytest.mark.parametrize("x", [0.0, 1.0, -1.0])
@pytest.mark.parametrize("y", [0.0, 2.0, -0.5])
def test_slopes_of_entropies_at_special_points_are_those_of_jax(name, x, y):
    want = jax.grad(getattr(jsp, name), (0, 1))(x, y)
    np.testing.assert_allclose(pyad.grad(getattr(psp, name), (0, 1))(x, y), want, rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "x", "want"),
    [
        ("gammaln", 0.0, -np.inf),
        ("gammaln", -1.0, np.nan),
        ("rgamma", -2.0, 2.0),
        ("rgamma", 0.0, 1.0),
        ("ndtri", 0.0, np.inf),
        ("log_ndtr", -1e10, 1e10),
        ("log_ndtr", 100.0, 0.0),
        ("cbrt", 0.0, np.inf),
        ("j1", 0.0, 0.5),
        ("i1", 0.0, 0.5),
        ("sici", 0.0, 1.0),
        ("spence", 1.0, -1.0),
        ("ellipk", 0.0, np.pi / 8),
    ],
)
def test_slopes_at_poles_and_removable_points(name, x, want):
    f = getattr(psp, name)
    got = pyad.grad((lambda x: f(x)[0]) if name == "sici" else f)(x)
    np.testing.assert_allclose(got, want, rtol=1e-12)


# ---- logsumexp with weights and signs ----

A = np.array([[0.3, -1.2, 2.0], [1.1, 0.4, -0.7]])
WEIGHTS = np.array([[1.0, -0.5, 0.3], [0.2, 0.0, 2.0]])


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 1), ()])
def test_logsumexp_with_weights_of_any_sign(axis, keepdims):
    def both(a, b, module=psp):
        return module.logsumexp(a, axis=axis, b=b, keepdims=keepdims, return_sign=True)

    value, sign = pyad.vjp(lambda a, b: both(a, b)[0], A, WEIGHTS)[0], both(A, WEIGHTS)[1]
    np.testing.assert_allclose(value, both(A, WEIGHTS, sp)[0], rtol=1e-13)
    signs = []
    pyad.vjp(lambda a, b: (signs.append(both(a, b)[1]), both(a, b)[0])[1], A, WEIGHTS)
    np.testing.assert_array_equal(signs[0], sign)
    b = np.where(WEIGHTS == 0, 0.7, WEIGHTS)
    check_grads(lambda a, b: both(a, b)[0], (A, b), order=2)


def test_logsumexp_of_a_negative_sum_is_nan_without_a_sign():
    value = pyad.vjp(lambda a: psp.logsumexp(a, b=np.array([-1.0, 0.5])), np.zeros(2))[0]
    assert np.isnan(value)
    value, sign = psp.logsumexp(np.zeros(2), b=np.array([-1.0, 0.5]), return_sign=True)
    assert (value, sign) == (np.log(0.5), -1.0)


def test_entries_of_weight_zero_take_no_part_in_logsumexp():
    a = np.array([0.5, np.inf, np.nan])
    got = pyad.grad(lambda a: psp.logsumexp(a, b=np.array([2.0, 0.0, 0.0])))(a)
    assert got.tolist() == [1.0, 0.0, 0.0]


def test_logsumexp_of_float32_with_weights_stays_float32():
    got = pyad.grad(lambda a: psp.logsumexp(a, axis=0, b=np.float32([1.0, -0.5]), return_sign=True)[0])(
        np.float32([1, 0])
    )
    assert got.dtype == np.float32


# ---- calls ----


@pytest.mark.parametrize(
    "call",
    [
        lambda x: psp.jv(x, 2.0),
        lambda x: psp.yn(x, 2.0),
        lambda x: psp.polygamma(x, 2.0),
        lambda x: psp.zeta(x, 2.0),
        lambda x: psp.zeta(x),
        lambda x: psp.spherical_jn(x, 2.0),
        lambda x: psp.eval_jacobi(x, 1.0, 1.0, 0.5),
        lambda x: psp.pdtr(x, 2.0),
    ],
)
def test_a_traced_order_is_refused_by_name(call):
    with pytest.raises(UnsupportedError, match=r"scipy\.special\.\w+ has no derivative by \w+ in pyad"):
        pyad.grad(call)(2.0)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: sp.polygamma(1, x),
        lambda x: sp.multigammaln(x, 2),
        lambda x: sp.logsumexp(x),
        lambda x: sp.softmax(x),
        lambda x: sp.comb(x, 2.0),
    ],
)
def test_functions_of_scipy_that_take_no_foreign_arrays_say_where_to_call_them(call):
    with pytest.raises(ConcretizationError, match=r"take the function from pyad\.scipy"):
        pyad.grad(lambda x: np.sum(call(x)))(2.0)


def test_names_that_are_not_ours_are_scipys():
    assert psp.struve is sp.struve
    assert {"struve", "gamma", "erf"} <= set(dir(psp))
    with pytest.raises(AttributeError, match="nonsense"):
        psp.nonsense  # noqa: B018


def test_plain_arguments_go_to_scipy():
    assert type(psp.gamma(4.0)) is np.float64
    assert psp.gamma(np.array([1 + 1j])).dtype == complex
    np.testing.assert_array_equal(psp.logsumexp([1.0, 2.0]), sp.logsumexp([1.0, 2.0]))


def test_lists_that_hold_traced_values_are_arrays():
    got = pyad.grad(lambda x: np.sum(psp.gammaln([x, 2.0 * x])))(1.5)
    assert got == pytest.approx(sp.psi(1.5) + 2.0 * sp.psi(3.0))


def test_the_sign_of_gamma_is_constant():
    assert pyad.grad(lambda x: x * psp.gammasgn(x))(-0.5) == -1.0
    assert pyad.grad(lambda x: x * sp.gammasgn(x))(-0.5) == -1.0


def test_a_wrong_number_of_arguments_is_named():
    with pytest.raises(TypeError, match=r"scipy.special.gammainc takes 2 positional arguments \(a, x\), got 1"):
        pyad.grad(psp.gammainc)(1.0)


def test_a_plain_operand_may_be_changed_after_the_call():
    a = np.array([1.0, 2.0])

    def f(x):
        y = np.sum(psp.xlogy(a, x))
        a[:] = np.nan
        return y

    assert pyad.grad(f)(np.array([2.0, 4.0])).tolist() == [0.5, 0.5]


def test_without_scipy_the_functions_of_the_engine_work_and_others_say_what_to_install():
    code = """
import sys
sys.modules["scipy"] = None
import numpy as np
import pyad
from pyad.scipy import special
x = np.array([0.0, 1.0])
for f in (special.erf, special.expit, special.logsumexp, special.softmax, special.log_softmax):
    f(x)
    assert np.isfinite(pyad.grad(lambda x: np.sum(f(x) ** 2))(x)).all()
try:
    special.gammaln
except ModuleNotFoundError as problem:
    assert "pip install scipy" in str(problem)
else:
    raise AssertionError("gammaln without SciPy")
"""
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("k", "z"), [(0, np.array([-0.3, 0.0, 2.5])), (-1, np.array([-0.3, -0.1]))])
def test_lambertw_is_real_on_its_real_branches(k, z):
    for module in (psp, sp):
        value = pyad.vjp(lambda z, module=module: module.lambertw(z, k).real, z)[0]
        np.testing.assert_allclose(value, sp.lambertw(z, k).real, rtol=1e-14)
    check_grads(lambda z: psp.lambertw(z, k).real, (z,), order=2)
    assert np.isnan(pyad.vjp(psp.lambertw, -2.0)[0])
    assert psp.lambertw(z, k).dtype == complex


@pytest.mark.skipif(not hasattr(sp, "softplus"), reason="SciPy has no softplus yet")
def test_softplus():
    assert pyad.grad(psp.softplus)(0.5) == pytest.approx(sp.expit(0.5))


# ---- near removable singularities: derivatives of every order ----


def nth(f, order):
    for _ in range(order):
        f = pyad.grad(f)
    return f


# Functions by the coefficients of their power series.
SERIES = {
    "si": (lambda x: psp.sici(x)[0], lambda n: (-1) ** (n // 2) / (n * math.factorial(n)) if n % 2 else 0.0),
    "shi": (lambda x: psp.shichi(x)[0], lambda n: 1 / (n * math.factorial(n)) if n % 2 else 0.0),
    "exprel": (psp.exprel, lambda n: 1 / math.factorial(n + 1)),
    "spence": (lambda x: psp.spence(1.0 + x), lambda n: (-1) ** n / n**2 if n else 0.0),
    "boxcox": (lambda x: psp.boxcox(2.0, x), lambda n: math.log(2.0) ** (n + 1) / math.factorial(n + 1)),
}


@pytest.mark.parametrize("x", [0.0, 1e-9, -1e-4, 0.25, -0.5])
@pytest.mark.parametrize("name", SERIES)
def test_derivatives_up_to_the_fourth(name, x):
    f, coefficient = SERIES[name]
    for order in range(1, 5):
        terms = (coefficient(n) * math.perm(n, order) * x ** (n - order) for n in range(order, 100))
        np.testing.assert_allclose(nth(f, order)(x), math.fsum(terms), rtol=1e-8, atol=1e-12)


def test_sine_integrals_at_zero_in_both_modes():
    for which, sign in ((psp.sici, -1.0), (psp.shichi, 1.0)):
        f = lambda x, which=which: which(x)[0]  # noqa: E731
        assert [float(nth(f, k)(0.0)) for k in (1, 2, 3, 4)] == pytest.approx([1.0, 0.0, sign / 3.0, 0.0], abs=1e-15)
        forward = pyad.jvp(nth(f, 2), (0.0,), (1.0,))[1]
        assert forward == pytest.approx(sign / 3.0)
        assert nth(f, 3)(np.float32(0.0)).dtype == np.float32


@pytest.mark.parametrize("x", [3.0, -7.0, 40.0])
def test_sine_integrals_away_from_zero(x):
    si, shi = (lambda x: psp.sici(x)[0]), (lambda x: psp.shichi(x)[0])
    np.testing.assert_allclose(pyad.grad(si)(x), np.sin(x) / x, rtol=1e-14)
    np.testing.assert_allclose(nth(si, 2)(x), (x * np.cos(x) - np.sin(x)) / x**2, rtol=1e-12)
    np.testing.assert_allclose(nth(shi, 2)(x), (x * np.cosh(x) - np.sinh(x)) / x**2, rtol=1e-12)
