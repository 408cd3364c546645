"""scipy.optimize with pyad's derivatives: SciPy's solutions, and their derivatives by the arguments of the function."""

import numpy as np
import pytest
import scipy.optimize

import pyad
from pyad.scipy import optimize
from pyad.testing import check_grads


def equations(x, p):
    return [x[0] + 0.3 * np.sin(x[1]) - p["a"][0], x[1] ** 3 + x[1] - p["a"][1] * x[0]]


def cubic(x, c):
    return x**3 + x - c


def slope(x, c):
    return 3 * x * x + 1


def curvature(x, c):
    return 6 * x


A = np.array([0.5, 1.5])
PAIR = np.array([2.2, 1.0])

# name: (a function of the module and one argument that returns a solution, the argument)
ROOTS = {
    "root": (lambda m, a: m.root(equations, np.zeros(2), ({"a": a},), tol=1e-13).x, A),
    "root, lm": (lambda m, a: m.root(equations, np.zeros(2), ({"a": a},), "lm", tol=1e-13).x, A),
    "root, krylov": (lambda m, a: m.root(equations, np.zeros(2), ({"a": a},), "krylov", tol=1e-11).x, A),
    "root with its Jacobian": (
        lambda m, c: m.root(cubic, np.ones(2), (c,), jac=lambda x, c: np.diag(slope(x, c)), tol=1e-13).x,
        PAIR,
    ),
    "root with both at once": (
        lambda m, c: (
            m.root(
                lambda x, c: (cubic(x, c), [[slope(x[0], 0), 0.0], [0.0, slope(x[1], 0)]]),
                np.ones(2),
                (c,),
                jac=True,
                tol=1e-13,
            ).x
        ),
        PAIR,
    ),
    "bisect": (lambda m, c: m.bisect(cubic, 0.0, 4.0, (c,), 1e-13), 2.2),
    "brentq": (lambda m, c: m.brentq(cubic, 0.0, 4.0, (c,), 1e-13), 2.2),
    "brenth": (lambda m, c: m.brenth(cubic, 0.0, 4.0, args=(c,), xtol=1e-13), 2.2),
    "ridder": (lambda m, c: m.ridder(cubic, 0.0, 4.0, c, xtol=1e-13), 2.2),
    "toms748": (lambda m, c: m.toms748(cubic, 0.0, 4.0, (c,), xtol=1e-13), 2.2),
    "brentq with all output": (lambda m, c: m.brentq(cubic, 0, 4, (c,), xtol=1e-13, full_output=True)[0], 2.2),
    "newton": (lambda m, c: m.newton(cubic, 1.0, args=(c,), tol=1e-13), 2.2),
    "newton with derivatives": (lambda m, c: m.newton(cubic, 1.0, slope, (c,), 1e-13, 50, curvature), 2.2),
    "newton of an array": (lambda m, c: m.newton(cubic, np.ones(2), slope, (c,), tol=1e-13), PAIR),
    "root_scalar": (lambda m, c: m.root_scalar(cubic, (c,), None, (0.0, 4.0), xtol=1e-13).root, 2.2),
    "root_scalar, secant": (lambda m, c: m.root_scalar(cubic, (c,), x0=1.0, x1=2.0, xtol=1e-13).root, 2.2),
    "root_scalar, newton": (
        lambda m, c: m.root_scalar(cubic, (c,), "newton", fprime=slope, x0=1.0, xtol=1e-13).root,
        2.2,
    ),
    "fixed_point": (lambda m, c: m.fixed_point(lambda x, c: np.cos(c * x), A, (c,), 1e-13), 0.9),
    "fixed_point, iteration": (
        lambda m, c: m.fixed_point(lambda x, c: np.cos(c * x), 0.5, (c,), xtol=1e-13, method="iteration"),
        0.9,
    ),
}


@pytest.mark.parametrize(("function", "argument"), ROOTS.values(), ids=ROOTS)
def test_roots_have_scipys_values_and_derivatives_to_second_order(function, argument):
    value, _ = pyad.vjp(lambda a: function(optimize, a), argument)
    expected = function(scipy.optimize, argument)
    assert np.shape(value) == np.shape(expected)
    np.testing.assert_allclose(value, expected, rtol=1e-10)
    check_grads(lambda a: function(optimize, a), (argument,), order=2)


def test_pyad_gives_scalar_methods_the_derivatives_they_need():
    for method in ("newton", "halley"):
        found = optimize.root_scalar(cubic, (2.2,), method, x0=1.0)
        np.testing.assert_allclose(found.root, scipy.optimize.brentq(cubic, 0, 4, (2.2,)), rtol=1e-9)
        np.testing.assert_allclose(
            pyad.grad(lambda c, m=method: optimize.root_scalar(cubic, (c,), m, x0=1.0).root)(2.2),
            1.0 / slope(found.root, 0),
            rtol=1e-9,
        )


def test_the_solution_is_not_unrolled_and_the_start_has_no_derivative():
    calls = []

    def f(x, c):
        calls.append(1)
        return x - c * np.cos(x)

    def solution(x0, c):
        return optimize.root(f, x0, (c,)).x[0]

    x, pullback = pyad.vjp(solution, np.ones(1), 0.9)
    calls.clear()
    start, by_c = pullback(1.0)
    assert len(calls) <= 3
    assert start == [0.0]
    np.testing.assert_allclose(by_c, np.cos(x) / (1 + 0.9 * np.sin(x)), rtol=1e-9)


# ---- minima ----


def valley(x, a):
    return np.sum(a * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2) + 0.1 * np.sum(x**2)


START = np.array([0.8, 0.9])
METHODS = [
    *(None, "BFGS", "CG", "Newton-CG", "L-BFGS-B", "TNC", "SLSQP", "Nelder-Mead", "Powell"),
    *("dogleg", "trust-ncg", "trust-exact", "trust-krylov", "trust-constr"),
]


@pytest.mark.parametrize("method", METHODS)
def test_minimize_gives_each_method_its_derivatives(method):
    found = optimize.minimize(valley, START, (2.0,), method, tol=1e-8)
    exact = scipy.optimize.minimize(valley, START, (2.0,), "Nelder-Mead", tol=1e-12)
    np.testing.assert_allclose(found.x, exact.x, atol=1e-5)
    if method not in ("Nelder-Mead", "Powell"):
        assert found.nfev < 40


def test_products_with_the_hessian_come_from_pyad():
    found = optimize.minimize(valley, START, (2.0,), "trust-ncg")
    assert found.nhev > 0 and found.success


@pytest.mark.parametrize(
    ("jac", "others"),
    [
        (lambda x, a: pyad.grad(valley)(x, a), {}),
        ("2-point", {}),
        (
            lambda x, a: pyad.grad(valley)(x, a),
            {"hess": lambda x, a: pyad.hessian(valley)(x, a), "method": "trust-exact"},
        ),
        (None, {"hessp": lambda x, p, a: pyad.hvp(lambda x: valley(x, a), (x,), (p,)), "method": "trust-ncg"}),
    ],
)
def test_derivatives_that_are_given_are_used_with_plain_arguments(jac, others):
    got = pyad.grad(lambda a: optimize.minimize(valley, START, (a,), jac=jac, tol=1e-7, **others).x[1])(2.0)
    expected = pyad.grad(lambda a: optimize.minimize(valley, START, (a,), tol=1e-9).x[1])(2.0)
    np.testing.assert_allclose(got, expected, rtol=1e-3)


def test_a_function_with_its_gradient():
    both = pyad.value_and_grad(valley)
    got = pyad.grad(lambda a: optimize.minimize(lambda x, a: both(x, a), START, (a,), jac=True, tol=1e-9).fun)(2.0)
    x = optimize.minimize(valley, START, (2.0,), tol=1e-9).x
    np.testing.assert_allclose(got, (x[1] - x[0] ** 2) ** 2, rtol=1e-5)


def test_the_minimum_by_the_arguments_to_second_order():
    def minimum(a):
        found = optimize.minimize(valley, START, (a,), "trust-ncg", tol=1e-12)
        return found.x, found.fun

    check_grads(minimum, (2.0,), order=2, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bounds", [[(0.0, 0.5), (None, None)], scipy.optimize.Bounds([0.0, -np.inf], [0.5, np.inf])])
def test_entries_at_a_bound_are_constant(bounds):
    def minimum(a):
        return optimize.minimize(valley, np.array([0.4, 0.4]), (a,), bounds=bounds, tol=1e-12).x

    (x, y), slopes = pyad.jvp(minimum, (2.0,), (1.0,))
    assert x == 0.5
    assert slopes[0] == 0.0
    # y minimises a (y - x²)² + y² / 10.
    np.testing.assert_allclose(y, 2.0 * 0.25 / 2.1, rtol=1e-5)
    np.testing.assert_allclose(slopes[1], 0.25 * 0.1 / 2.1**2, rtol=1e-5)


# ---- fits ----

T = np.linspace(0.0, 1.0, 5)
Y = 2.0 * np.exp(-1.3 * T) + 0.1 * np.sin(9.0 * T)
EXACT = {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15}
# The solver ends at about half the digits where residuals remain, so differences take longer steps.
COARSE = {"order": 1, "eps": 1e-3, "rtol": 1e-3, "atol": 1e-4}


def curve(t, a, b):
    return a * np.exp(-b * t)


def residuals(p, t, y):
    return curve(t, *p) - y


@pytest.mark.parametrize("loss", ["linear", "soft_l1", "huber", "cauchy", "arctan"])
def test_least_squares(loss):
    def fit(module, y):
        options = {"args": (T,), "kwargs": {"y": y}, "loss": loss, "f_scale": 0.1}
        found = module.least_squares(residuals, [1.0, 1.0], **options, **EXACT)
        return found.x, found.cost, found.fun

    got, _ = pyad.vjp(lambda y: fit(optimize, y), Y)
    for x, y in zip(got, fit(scipy.optimize, Y), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-7)
    check_grads(lambda y: fit(optimize, y), (Y,), **COARSE)


@pytest.mark.parametrize(
    "jac", ["2-point", lambda p, t, y: np.stack([np.exp(-p[1] * t), -p[0] * t * np.exp(-p[1] * t)], -1)]
)
def test_least_squares_with_a_jacobian_of_its_own(jac):
    got = pyad.jacobian(lambda y: optimize.least_squares(residuals, [1.0, 1.0], jac, args=(T, y), **EXACT).x)(Y)
    expected = pyad.jacobian(lambda y: optimize.least_squares(residuals, [1.0, 1.0], args=(T, y), **EXACT).x)(Y)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)


def test_least_squares_at_a_bound():
    def fit(y):
        return optimize.least_squares(residuals, [1.0, 1.0], bounds=([0.0, 0.0], [3.0, 1.2]), args=(T, y), **EXACT).x

    slopes = pyad.jacobian(fit)(Y)
    np.testing.assert_array_equal(slopes[1], np.zeros(5))
    weights = np.exp(-1.2 * T)
    np.testing.assert_allclose(slopes[0], weights / np.sum(weights**2), rtol=1e-4)


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("sigma", [None, T + 1.0])
def test_curve_fit_by_the_data(sigma, absolute):
    def fit(module, t, y, sigma):
        return module.curve_fit(curve, t, y, [1, 1], sigma, absolute, ftol=1e-14, xtol=1e-14)

    got, _ = pyad.vjp(lambda y: fit(optimize, T, y, sigma), Y)
    for x, y in zip(got, fit(scipy.optimize, T, Y, sigma), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5)
    if sigma is None:
        check_grads(lambda t, y: fit(optimize, t, y, None), (T, Y), **COARSE)
    else:
        check_grads(lambda y, sigma: fit(optimize, T, y, sigma), (Y, sigma), **COARSE)


def test_plain_fits_are_scipys():
    got = optimize.curve_fit(curve, T, Y, bounds=(0, 3))
    expected = scipy.optimize.curve_fit(curve, T, Y, bounds=(0, 3))
    for x, y in zip(got, expected, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5)
    assert optimize.linprog is scipy.optimize.linprog
    assert {"linprog", "minimize"} <= set(dir(optimize))


# ---- what cannot be ----


def outside(a):
    """A call for each function, which reaches for a traced value."""
    return {
        "root": lambda: optimize.root(lambda x: x - a, np.zeros(1)),
        "root, with args": lambda: optimize.root(lambda x, b: x - a, np.zeros(1), (a,)),
        "root_scalar": lambda: optimize.root_scalar(lambda x: x - a, bracket=(0.0, 3.0)),
        "brentq": lambda: optimize.brentq(lambda x: x - a, 0.0, 3.0),
        "newton": lambda: optimize.newton(lambda x: x - a, 0.0),
        "fixed_point": lambda: optimize.fixed_point(lambda x: 0.5 * x + a, 0.0),
        "minimize": lambda: optimize.minimize(lambda x: (x[0] - a) ** 2, np.zeros(1)),
        "minimize without gradient": lambda: optimize.minimize(lambda x: (x[0] - a) ** 2, np.zeros(1), (), "Powell"),
        "least_squares": lambda: optimize.least_squares(lambda x: x - a, [0.0]),
        "curve_fit": lambda: optimize.curve_fit(lambda t, p: p * a * t, T, Y),
    }


@pytest.mark.parametrize("name", outside(0.0))
def test_a_traced_value_from_outside_is_refused(name):
    with pytest.raises(
        TypeError, match=f"{name.split(' ')[0].strip(',')}: the function uses a traced value from outside"
    ):
        pyad.vjp(lambda a: outside(a)[name](), 1.0)


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        (
            lambda a: optimize.minimize(valley, START, (a,), constraints={"type": "eq", "fun": np.sum}),
            TypeError,
            "minimize: constraints",
        ),
        (
            lambda a: optimize.least_squares(residuals, [1.0, 1.0], args=(T, a * Y), loss=lambda z: z),
            TypeError,
            "least_squares: loss=",
        ),
        (
            lambda a: optimize.curve_fit(curve, T, a * Y, bounds=(0, 3), loss="cauchy"),
            TypeError,
            "curve_fit: loss is not supported",
        ),
        (lambda a: optimize.root_scalar(cubic, (a,), fprime=True, x0=1.0), TypeError, "fprime=True"),
        (lambda a: optimize.linprog(a * Y), TypeError, "was given a traced"),
    ],
)
def test_errors_say_what_is_wrong(function, error, words):
    with pytest.raises(error, match=words):
        pyad.vjp(function, 2.0)


def test_a_singular_jacobian_is_an_error():
    solution = lambda c: optimize.root(lambda x, c: c * (x[:1] + np.zeros(2) - 1.0), np.ones(2), (c,)).x  # noqa: E731
    with pytest.raises(np.linalg.LinAlgError):
        pyad.jacobian(solution)(1.0)
