"""scipy.stats: values are SciPy's, derivatives in x and in all parameters are those of differences, to second order."""

import subprocess
import sys

import autograd
import autograd.numpy as anp
import autograd.scipy.stats as ast
import jax
import jax.scipy.stats as jst
import numpy as np
import pytest
import scipy.stats as st

import pyad
import pyad.scipy.stats as pst
from pyad.errors import ConcretizationError, ShapeError, UnsupportedError
from pyad.testing import check_grads

X = np.array([0.3, 0.9, 2.2])
Q = np.array([0.15, 0.5, 0.85])

# name -> shape parameters (arrays), points in the support of the standardised variable
CONTINUOUS = {
    "norm": ((), X - 1.0),
    "halfnorm": ((), X),
    "expon": ((), X),
    "uniform": ((), Q),
    "rayleigh": ((), X),
    "laplace": ((), X - 1.0),
    "logistic": ((), X - 1.0),
    "cauchy": ((), X - 1.0),
    "gumbel_r": ((), X - 1.0),
    "gumbel_l": ((), X - 1.0),
    "lognorm": ((X,), X[::-1]),
    "weibull_min": ((X + 0.4,), X),
    "pareto": ((X,), X + 1.0),
    "gamma": ((X,), X[::-1]),
    "chi2": ((X + 0.5,), X),
    "invgamma": ((X,), X[::-1]),
    "beta": ((X, X[::-1]), Q),
    "f": ((X + 1.0, X[::-1] + 2.0), X),
    "t": ((X + 0.5,), X - 1.0),
    "vonmises": ((X,), X - 1.0),
    "gennorm": ((X + 0.5,), X - 1.0),
    "wrapcauchy": ((Q,), X),
    "truncnorm": ((X - 2.0, X + 1.5), X - 0.9),
}
DISCRETE = {
    "poisson": ((X,), np.array([0, 1, 4])),
    "bernoulli": ((Q,), np.array([0, 1, 0])),
    "binom": ((5, Q), np.array([0, 2, 4])),
    "nbinom": ((X, Q), np.array([0, 1, 4])),
    "betabinom": ((5, X, Q), np.array([0, 2, 4])),
    "geom": ((Q,), np.array([1, 2, 4])),
}
# What has no formula here is SciPy's, for plain arguments.
WITHOUT = {(n, m) for n in ("vonmises", "wrapcauchy") for m in ("cdf", "sf", "logcdf", "logsf", "ppf", "isf")}
WITHOUT |= {(n, m) for n in ("f", "truncnorm") for m in ("ppf", "isf", "entropy")}
WITHOUT |= {("vonmises", "entropy"), ("gennorm", "ppf"), ("gennorm", "isf")}
WITHOUT |= {("betabinom", m) for m in ("cdf", "sf", "logcdf", "logsf")}
OF_X = ["pdf", "logpdf", "cdf", "logcdf", "sf", "logsf"]
ROWS = [(name, method) for name in CONTINUOUS for method in [*OF_X, "ppf", "isf", "entropy"]]
ROWS = [row for row in ROWS if row not in WITHOUT]
DISCRETE_ROWS = [(n, m) for n in DISCRETE for m in ["pmf", "logpmf", "cdf", "logcdf", "sf", "logsf"]]
DISCRETE_ROWS = [row for row in DISCRETE_ROWS if row not in WITHOUT]
LOC, SCALE = np.array([0.2, -0.4, 1.1]), np.array([0.7, 1.0, 1.6])


def arguments(name, method):
    shapes, z = CONTINUOUS[name]
    if method == "entropy":
        return (*shapes, LOC, SCALE)
    return (Q if method in ("ppf", "isf") else LOC + SCALE * z, *shapes, LOC, SCALE)


@pytest.mark.parametrize(("name", "method"), ROWS)
def test_continuous_values_are_those_of_scipy_and_derivatives_those_of_differences(name, method):
    f, args = getattr(getattr(pst, name), method), arguments(name, method)
    want = getattr(getattr(st, name), method)(*args)
    np.testing.assert_allclose(pyad.vjp(f, *args)[0], want, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(f(*args), want, rtol=1e-10, atol=1e-14)
    check_grads(f, args, order=2 if method == "logpdf" else 1, rtol=1e-4)


@pytest.mark.parametrize(("name", "method"), ROWS)
def test_continuous_float32_stays_float32(name, method):
    f = getattr(getattr(pst, name), method)
    args = tuple(a.astype(np.float32) for a in arguments(name, method))
    value, pullback = pyad.vjp(f, *args)
    assert value.dtype == np.float32
    for got, want in zip(
        pullback(np.ones_like(value)), pyad.vjp(f, *(a.astype(float) for a in args))[1](np.ones(3)), strict=True
    ):
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, want, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize(("name", "method"), DISCRETE_ROWS)
def test_discrete_values_are_those_of_scipy_and_derivatives_those_of_differences(name, method):
    shapes, k = DISCRETE[name]
    # Only the last parameters are differentiable: binom has a count before them.
    counts = tuple(s for s in shapes if isinstance(s, int))
    parameters = tuple(s for s in shapes if not isinstance(s, int))
    want = getattr(getattr(st, name), method)(k + 1, *shapes, 1)
    # log(0) is no function to take differences of.
    good = np.isfinite(want)
    k, want, parameters = k[good] + 1, want[good], tuple(p[good] for p in parameters)

    def f(*p):
        return getattr(getattr(pst, name), method)(k, *counts, *p, 1)

    np.testing.assert_allclose(pyad.vjp(f, *parameters)[0], want, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(f(*parameters), want, rtol=1e-10, atol=1e-14)
    check_grads(f, parameters, order=2 if "pmf" in method else 1, rtol=1e-4)
    value, pullback = pyad.vjp(f, *(p.astype(np.float32) for p in parameters))
    assert {x.dtype for x in (value, *pullback(np.ones_like(value)))} == {np.dtype(np.float32)}


# ---- outside the support, invalid parameters, broadcasting ----

POINTS = np.array([-np.inf, -2.0, -0.0, 0.0, 0.5, 1.0, 3.0, np.inf, np.nan])


@pytest.mark.parametrize("name", CONTINUOUS)
@pytest.mark.parametrize("method", OF_X)
def test_continuous_values_anywhere_are_those_of_scipy(name, method):
    if (name, method) in WITHOUT:
        return
    shapes = [np.float64(s[1]) for s in CONTINUOUS[name][0]]
    f = getattr(getattr(pst, name), method)
    with np.errstate(all="ignore"):
        want = getattr(getattr(st, name), method)(POINTS, *shapes)
    if "pdf" in method:
        # SciPy has NaN there for some.
        want[np.isinf(POINTS)] = -np.inf if method == "logpdf" else 0.0
    got = pyad.vjp(lambda x: f(x, *shapes), POINTS)[0]
    # SciPy takes the logarithm of a rounded probability where it is nearly 1.
    np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-15 if "log" in method else 1e-300)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_quantiles_at_the_ends_and_outside_are_those_of_scipy(name):
    q = np.array([-0.1, 0.0, 0.3, 1.0, 1.1, np.nan])
    shapes = [np.float64(s[1]) for s in CONTINUOUS[name][0]]
    for method in ("ppf", "isf"):
        if (name, method) not in WITHOUT:
            got = pyad.vjp(lambda q, method=method: getattr(getattr(pst, name), method)(q, *shapes, 0.5, 2.0), q)[0]
            np.testing.assert_allclose(got, getattr(getattr(st, name), method)(q, *shapes, 0.5, 2.0), rtol=1e-10)


@pytest.mark.parametrize("name", [n for n in CONTINUOUS if st.__dict__[n].a != -np.inf or n == "truncnorm"])
@pytest.mark.parametrize("method", OF_X)
def test_outside_the_support_the_gradient_is_zero(name, method):
    if (name, method) in WITHOUT:
        return
    shapes = [np.float64(s[1]) for s in CONTINUOUS[name][0]]
    x = np.array([-3.0, -50.0])
    gradients = pyad.grad(
        lambda x, loc, scale, *shapes: np.sum(
            np.where(x > 0, 1.0, getattr(getattr(pst, name), method)(x, *shapes, loc, scale))
        ),
        tuple(range(3 + len(shapes))),
    )(x, 0.1, 1.3, *shapes)
    for g in gradients:
        assert not np.any(g)


@pytest.mark.parametrize(("name", "method"), DISCRETE_ROWS)
def test_discrete_values_anywhere_are_those_of_scipy(name, method):
    k = np.array([-np.inf, -1.0, 0.0, 0.5, 1.0, 5.0, 7.0, np.inf, np.nan])
    shapes = [s if isinstance(s, int) else np.float64(s[1]) for s in DISCRETE[name][0]]
    with np.errstate(all="ignore"):
        want = getattr(getattr(st, name), method)(k, *shapes)
    if "pmf" in method:
        want[np.isinf(k)] = -np.inf if method == "logpmf" else 0.0
    value, pullback = pyad.vjp(lambda p: getattr(getattr(pst, name), method)(k, *shapes[:-1], p), shapes[-1])
    np.testing.assert_allclose(value, want, rtol=1e-10, atol=1e-15)
    assert not np.isnan(pullback(np.where(np.isfinite(want), 1.0, 0.0))).any()


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("norm", (0.3, 0.0, -1.0)),
        ("norm", (0.3, 0.0, np.array([0.0, 1.0]))),
        ("gamma", (0.3, -1.0)),
        ("beta", (0.3, 1.0, np.array([0.0, 2.0]))),
        ("truncnorm", (0.3, 1.0, -1.0)),
        ("t", (0.3, np.array([np.inf, 2.0, -1.0]))),
    ],
)
def test_invalid_parameters_give_nan_as_in_scipy_and_no_error(name, args):
    for method in ("pdf", "logpdf", "cdf", "sf"):
        got = pyad.vjp(lambda x, method=method: getattr(getattr(pst, name), method)(x, *args[1:]), args[0])[0]
        with np.errstate(all="ignore"):
            want = getattr(getattr(st, name), method)(*args)
        np.testing.assert_allclose(got, want, rtol=1e-10)


def test_invalid_entries_leave_the_gradient_of_the_others_alone():
    got = pyad.grad(lambda a: np.sum(np.where(a > 0, pst.gamma.logpdf(1.5, a), 0.0)))(np.array([-1.0, 2.0]))
    assert got[0] == 0.0
    assert got[1] == pytest.approx(pyad.grad(lambda a: pst.gamma.logpdf(1.5, a))(2.0))


def test_parameters_broadcast_and_may_be_named():
    a = np.array([[0.5], [2.0]])
    np.testing.assert_allclose(
        pyad.vjp(lambda x: pst.gamma.logpdf(x, a=a, scale=[1.0, 2.0, 3.0]), X)[0],
        st.gamma.logpdf(X, a=a, scale=[1.0, 2.0, 3.0]),
    )
    check_grads(lambda x, a, s: pst.gamma.cdf(x, a, scale=s), (X, a, 1.5), order=1)
    assert pst.norm.logpdf([0.0, 1.0]).shape == (2,)
    assert type(pst.norm.pdf(0)) is np.float64


# ---- against autograd and JAX ----


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("norm", (np.array([-30.0, -1.0, 0.0, 2.5]), 0.5, 1.5)),
        ("t", (X, 2.5, 0.5, 1.5)),
        ("gamma", (X, 1.7)),
        ("beta", (Q, 1.2, 2.5)),
    ],
)
def test_gradients_are_those_of_autograd(name, args):
    for method in ("logpdf", "pdf", *(("cdf", "logcdf") if name == "norm" else ())):
        for k in range(len(args)):
            got = pyad.grad(lambda *a: np.sum(getattr(getattr(pst, name), method)(*a)), k)(*args)  # noqa: B023
            want = autograd.grad(lambda *a: anp.sum(getattr(getattr(ast, name), method)(*a)), k)(*args)  # noqa: B023
            np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-14)


@pytest.mark.parametrize(("name", "args"), [("pareto", (X + 1.0, 1.5)), ("vonmises", (X, 1.5)), ("cauchy", (X,))])
def test_gradients_of_logpdf_are_those_of_jax(name, args):
    every = tuple(range(len(args)))
    got = pyad.grad(lambda *a: np.sum(getattr(pst, name).logpdf(*a)), every)(*args)
    want = jax.grad(lambda *a: getattr(jst, name).logpdf(*a).sum(), every)(*args)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_far_tails_are_accurate():
    assert pst.norm.logsf(40.0) == pytest.approx(st.norm.logsf(40.0), rel=1e-13)
    assert pyad.grad(pst.norm.logsf)(1e6) == pytest.approx(-1e6, rel=1e-9)
    assert pyad.grad(lambda a: pst.truncnorm.logpdf(30.5, a, 31.0))(30.0) == pytest.approx(30.033, rel=1e-4)
    assert pyad.grad(pst.logistic.logcdf)(-800.0) == 1.0


# ---- multivariate ----

COV = np.array([[2.0, 0.3, -0.2], [0.3, 1.0, 0.4], [-0.2, 0.4, 1.5]])
POINT = np.array([[0.5, -1.0, 2.0], [1.5, 0.2, -0.3]])
MEAN = np.array([0.1, -0.2, 0.3])


@pytest.mark.parametrize(
    "args",
    [
        (POINT, MEAN, COV),
        (POINT[0], MEAN, COV),
        (POINT[:, None], MEAN, COV),
        (POINT, MEAN, np.array([0.5, 1.0, 2.0])),
        (POINT, MEAN, 1.7),
        (X, 0.3, 1.7),
        (0.4, 0.3, 1.7),
    ],
)
def test_multivariate_normal_is_scipys_and_its_derivatives_those_of_differences(args):
    for method in ("logpdf", "pdf"):
        f = getattr(pst.multivariate_normal, method)
        want = getattr(st.multivariate_normal, method)(*args)
        value = pyad.vjp(f, *args)[0]
        assert value.shape == np.shape(want)
        np.testing.assert_allclose(value, want, rtol=1e-12)
        np.testing.assert_allclose(f(*args), want, rtol=1e-12)
        check_grads(f, args, order=2)


def test_multivariate_normal_has_scipys_defaults():
    for keywords in ({}, {"mean": MEAN}, {"cov": COV}):
        x = POINT if keywords else X
        got = pyad.vjp(lambda x, k=keywords: pst.multivariate_normal.logpdf(x, **k), x)[0]
        np.testing.assert_allclose(got, st.multivariate_normal.logpdf(x, **keywords), rtol=1e-13)
    check_grads(lambda cov: pst.multivariate_normal.entropy(MEAN, cov), (COV,), order=2)
    assert pst.multivariate_normal.entropy(MEAN, COV) == pytest.approx(st.multivariate_normal.entropy(MEAN, COV))


def test_gradients_of_multivariate_normal_are_those_of_autograd():
    for k in range(3):
        got = pyad.grad(lambda *a: np.sum(pst.multivariate_normal.logpdf(*a)), k)(POINT, MEAN, COV)
        want = autograd.grad(lambda *a: anp.sum(ast.multivariate_normal.logpdf(*a)), k)(POINT, MEAN, COV)
        np.testing.assert_allclose(got, want, rtol=1e-10)


def test_singular_covariances():
    root = np.array([[1.0, 0.5], [0.2, 1.0], [0.3, -0.4]])
    x = np.stack([root @ [0.5, -0.2], [1.0, 2.0, 3.0]])

    def f(x, root):
        return pst.multivariate_normal.logpdf(x @ root.T, None, root @ root.T, True)

    cov = root @ root.T
    got = pst.multivariate_normal.logpdf(x, None, cov, True)
    np.testing.assert_allclose(got, st.multivariate_normal.logpdf(x, None, cov, True), rtol=1e-10)
    assert got[1] == -np.inf
    # The rank stays 2, so that there is a derivative.
    check_grads(f, (np.array([[0.5, -0.2], [1.0, 0.3]]), root), order=2)
    with pytest.raises(np.linalg.LinAlgError, match="allow_singular"):
        pyad.grad(lambda c: pst.multivariate_normal.logpdf(MEAN, MEAN, c))(cov)
    with pytest.raises(ValueError, match="semidefinite"):
        pyad.grad(lambda c: pst.multivariate_normal.logpdf(MEAN, MEAN, c))(-COV)


def test_multivariate_normal_of_float32_stays_float32():
    args = [a.astype(np.float32) for a in (POINT, MEAN, COV)]
    value, pullback = pyad.vjp(pst.multivariate_normal.logpdf, *args)
    assert {x.dtype for x in (value, *pullback(np.ones_like(value)))} == {np.dtype(np.float32)}


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ShapeError, match="mean of length 3"):
        pyad.grad(lambda x: pst.multivariate_normal.logpdf(x, MEAN, COV))(np.ones(2))
    with pytest.raises(ShapeError, match=r"length 3 and covariance of shape \(2, 2\)"):
        pyad.grad(lambda x: pst.multivariate_normal.logpdf(x, MEAN, np.eye(2)))(np.ones(3))
    with pytest.raises(ShapeError, match="dirichlet"):
        pyad.grad(lambda a: pst.dirichlet.logpdf(np.ones(5) / 5, a))(np.ones(3))


SIMPLEX = np.array([[0.2, 0.5], [0.3, 0.1], [0.5, 0.4]])
ALPHA = np.array([0.7, 2.0, 1.4])


@pytest.mark.parametrize("x", [SIMPLEX, SIMPLEX[:2], SIMPLEX[:, 0], SIMPLEX[:2, 1]])
def test_dirichlet_is_scipys_and_its_derivatives_those_of_differences(x):
    for method in ("logpdf", "pdf"):
        f = getattr(pst.dirichlet, method)
        want = getattr(st.dirichlet, method)(x, ALPHA)
        np.testing.assert_allclose(pyad.vjp(f, x, ALPHA)[0], want, rtol=1e-12)
        np.testing.assert_allclose(f(x, ALPHA), want, rtol=1e-12)
        check_grads(lambda a, f=f: f(x, a), (ALPHA,), order=2)
    if len(x) == 2:
        check_grads(pst.dirichlet.logpdf, (x, ALPHA), order=2)
    got = pyad.grad(lambda x: np.sum(pst.dirichlet.logpdf(x, ALPHA)))(SIMPLEX)
    np.testing.assert_allclose(got, (ALPHA[:, None] - 1.0) / SIMPLEX)


def test_dirichlet_checks_its_arguments_and_has_an_entropy():
    check_grads(pst.dirichlet.entropy, (ALPHA,), order=2)
    assert pst.dirichlet.entropy(ALPHA) == pytest.approx(st.dirichlet.entropy(ALPHA))
    with pytest.raises(ValueError, match="sum to 1"):
        pyad.grad(lambda a: pst.dirichlet.logpdf([0.5, 0.1, 0.1], a))(ALPHA)
    with pytest.raises(ValueError, match="positive numbers"):
        pyad.grad(lambda a: pst.dirichlet.logpdf([0.5, 0.25, 0.25], a))(-ALPHA)


def test_multinomial_is_scipys_and_its_derivatives_those_of_differences():
    p = np.array([[0.2, 0.3, 0.5], [0.6, 0.1, 0.3]])
    x = np.array([[1, 2, 1], [0, 4, 0]])
    for method in ("logpmf", "pmf"):
        f = getattr(pst.multinomial, method)
        np.testing.assert_allclose(pyad.vjp(lambda p, f=f: f(x, 4, p), p)[0], getattr(st.multinomial, method)(x, 4, p))
        for points, n, q in ((x, [4, 3], p), ([-1, 4, 1], 4, p[0]), (x, 4, p[0])):
            np.testing.assert_allclose(f(points, n, q), getattr(st.multinomial, method)(points, n, q))
        assert np.isnan(f(x, 4, 0.5 * p)).all()
    got = pyad.grad(lambda p: np.sum(pst.multinomial.logpmf(x, 4, p)))(p)
    np.testing.assert_allclose(got, x / p)
    impossible = pyad.grad(lambda p: np.sum(pst.multinomial.pmf(x, 3, p)))(p)
    assert not impossible.any()
    value, pullback = pyad.vjp(lambda p: pst.multinomial.logpmf(x, 4, p), p.astype(np.float32))
    assert {value.dtype, pullback(np.ones_like(value))[0].dtype} == {np.dtype(np.float32)}


# ---- frozen distributions, SciPy's own, errors ----


def test_frozen_distributions():
    f = pyad.grad(lambda m, s: pst.norm(m, scale=s).logpdf(1.5), (0, 1))
    assert f(0.5, 2.0) == pytest.approx((0.25, -0.375))
    assert pyad.grad(lambda a: pst.gamma(a).entropy())(2.0) == pytest.approx(2.0 - np.pi**2 / 6.0)
    got = pyad.grad(lambda c: pst.multivariate_normal(MEAN, c).logpdf(POINT[0]))(COV)
    np.testing.assert_allclose(
        got, pyad.grad(lambda c: pst.multivariate_normal.logpdf(POINT[0], MEAN, c))(COV), rtol=1e-14
    )
    assert pst.norm(1.0, 2.0).std() == 2.0
    assert pst.norm.rvs(size=3, random_state=0).shape == (3,)


def test_names_that_are_not_ours_are_scipys():
    assert pst.skewnorm is st.skewnorm
    assert {"skewnorm", "norm"} <= set(dir(pst))
    assert pst.f.ppf(0.3, 2.0, 3.0) == st.f.ppf(0.3, 2.0, 3.0)
    assert pst.betabinom.cdf(2, 5, 1.5, 2.0) == st.betabinom.cdf(2, 5, 1.5, 2.0)
    assert pst.vonmises.cdf(0.3, 2.0) == st.vonmises.cdf(0.3, 2.0)
    with pytest.raises(UnsupportedError, match=r"f\.ppf has no derivative"):
        pyad.grad(lambda q: pst.f.ppf(q, 2.0, 3.0))(0.3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: pst.gamma.logpdf(x), r"gamma.logpdf: the parameter a is missing"),
        (lambda x: pst.norm.logpdf(x, 0.0, 1.0, 2.0), r"norm.logpdf takes the parameters \(loc, scale\), got 3"),
        (lambda x: pst.norm.cdf(x, sigma=2.0), r"norm.cdf takes the parameters \(loc, scale\), not sigma"),
        (lambda x: pst.norm.cdf(x, 1.0, loc=2.0), r"loc is given twice"),
    ],
)
def test_wrong_parameters_are_named(call, words):
    with pytest.raises(TypeError, match=words):
        pyad.grad(call)(1.0)


def test_importing_it_does_not_import_scipy_stats():
    code = """
import sys
import numpy as np
import pyad
from pyad.scipy import stats
pyad.grad(lambda x: stats.norm.logpdf(x))(1.0)
assert "scipy.stats" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_distributions_of_scipy_say_where_to_call_them():
    with pytest.raises(ConcretizationError, match=r"pyad\.scipy\.stats"):
        pyad.grad(st.norm.logpdf)(1.0)


@pytest.mark.parametrize("method", ["pdf", "logpdf", "cdf", "logcdf", "sf", "logsf", "ppf", "isf"])
def test_python_numbers_are_as_good_as_arrays(method):
    for name in ("norm", "expon", "uniform"):
        for x in (-0.5, 0.25, 1, 1.5):
            got = getattr(getattr(pst, name), method)(x)
            np.testing.assert_allclose(got, getattr(getattr(st, name), method)(x), rtol=1e-12)
            assert type(got) is np.float64
    assert pst.poisson.pmf(2, 1.5) == pytest.approx(st.poisson.pmf(2, 1.5))
    assert pst.poisson.cdf(-1, 1.5) == 0.0
    assert np.isnan(pst.poisson.cdf(1, -1.5))
    assert pst.norm.logpdf(np.zeros((0, 3))).shape == (0, 3)
