"""scipy.integrate with traced arguments: SciPy's values, derivatives by starts, times and arguments in both modes, of
integrals and of the solutions of initial value problems."""

import autograd
import autograd.numpy as anp
import autograd.scipy.integrate as autograd_integrate
import numpy as np
import pytest
import scipy.integrate

import pyad
from pyad._ops._registry import FUNCTIONS
from pyad.scipy import integrate
from pyad.testing import check_grads

TIGHT = {"rtol": 1e-10, "atol": 1e-10}
START = np.array([1.0, 0.5])
TIMES = np.array([0.0, 0.3, 0.5])


def predators(y, t, a, rest):
    u, v = y
    return [a * u - rest["b"] * u * v, rest["c"][0] * u * v - v * (1.0 + 0.1 * np.sin(t))]


def pendulum(t, y, a):
    return [a * y[1], -y[0] * t]


def decay(y, t, rate):
    return -rate * y


# ---- odeint ----


def test_odeint_by_all_its_arguments():
    def solution(y0, t, a, b, c):
        return integrate.odeint(predators, y0, t, (a, {"b": b, "c": [c]}), **TIGHT)

    args = (START, TIMES, 1.1, np.float64(0.7), 0.3)
    value, _ = pyad.vjp(solution, *args)
    expected = scipy.integrate.odeint(predators, START, TIMES, (1.1, {"b": 0.7, "c": [0.3]}), **TIGHT)
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    check_grads(solution, args, order=1)


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (lambda a: integrate.odeint(decay, START, [0.0, 0.4], (a,), **TIGHT)[-1], (1.1,)),
        (lambda t: integrate.odeint(lambda y, t: y * t, [0.5], t, **TIGHT)[-1], (np.array([0.1, 0.4]),)),
        (lambda y0: integrate.odeint(lambda y, t: y * y, y0, [0.0, 0.4], **TIGHT), (np.array([0.5]),)),
    ],
)
def test_odeint_to_second_order(function, args):
    check_grads(function, args, order=2)


def test_odeint_goes_backward_in_time_and_takes_time_first():
    def solution(a, t):
        return integrate.odeint(pendulum, START, t, (a,), tfirst=True, **TIGHT)

    check_grads(solution, (1.3, np.array([0.5, 0.2, 0.0])), order=1)


def test_odeint_with_one_time_is_the_start():
    value, pullback = pyad.vjp(lambda y0: integrate.odeint(decay, y0, [0.0], (1.0,)), START)
    np.testing.assert_array_equal(value, START[None])
    np.testing.assert_array_equal(pullback(np.ones((1, 2)))[0], np.ones(2))


def test_odeint_with_a_jacobian_of_the_field():
    """The Jacobian is for the solution itself, with arguments as plain arrays; the derivatives do without."""
    seen = []

    def jacobian(y, t, k):
        seen.append(type(k))
        return [[-k[0], 0.0], [0.0, -k[1]]]

    def total(k):
        return np.sum(integrate.odeint(lambda y, t, k: -k * y, START, TIMES, (k,), jacobian, mxordn=5, **TIGHT)[-1])

    k = np.array([1.0, 900.0])
    np.testing.assert_allclose(pyad.grad(total)(k)[0], -0.5 * np.exp(-0.5), rtol=1e-7)
    assert set(seen) == {np.ndarray}


def test_gradients_are_autograds():
    k = np.array([[-0.5, 1.0], [-1.0, -0.2]])
    got = pyad.grad(
        lambda y0, k: np.sum(integrate.odeint(lambda y, t, k: k @ y * t, y0, TIMES, (k,), **TIGHT) ** 2), (0, 1)
    )(START, k)
    theirs = autograd.grad(
        lambda y0, k: anp.sum(
            autograd_integrate.odeint(
                lambda y, t, k: anp.dot(k, y) * t, y0, TIMES, autograd.builtins.tuple((k,)), rtol=1e-10, atol=1e-10
            )
            ** 2
        ),
        (0, 1),
    )(START, k)
    for x, y in zip(got, theirs, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-6)


# ---- solve_ivp ----


@pytest.mark.parametrize("method", ["RK45", "RK23", "DOP853", "Radau", "BDF", "LSODA"])
def test_solve_ivp_by_all_its_arguments(method):
    tolerance = 1e-6 if method in ("RK23", "BDF") else 1e-9
    options = {"method": method, "rtol": tolerance, "atol": tolerance}

    def solution(module, y0, a):
        return module.solve_ivp(pendulum, (0.0, 0.5), y0, t_eval=[0.2, 0.5], args=(a,), **options).y

    value, pullback = pyad.vjp(lambda y0, a: solution(integrate, y0, a), START, 1.3)
    np.testing.assert_allclose(value, solution(scipy.integrate, START, 1.3), rtol=1e-12)
    _, exact = pyad.vjp(
        lambda y0, a: np.transpose(
            integrate.odeint(pendulum, y0, [0.0, 0.2, 0.5], (a,), tfirst=True, rtol=1e-11, atol=1e-11)[1:]
        ),
        START,
        1.3,
    )
    for x, y in zip(pullback(np.ones((2, 2))), exact(np.ones((2, 2))), strict=True):
        np.testing.assert_allclose(x, y, rtol=300 * tolerance)


def test_solve_ivp_by_its_times():
    def at(span, times):
        return integrate.solve_ivp(pendulum, span, START, "DOP853", times, args=(1.3,), **TIGHT).y

    check_grads(at, (np.array([0.1, 0.6]), np.array([0.2, 0.4])), order=1)

    def at_the_end(start, stop):
        return integrate.solve_ivp(pendulum, (start, stop), START, "DOP853", args=(1.3,), **TIGHT).y[:, -1]

    check_grads(at_the_end, (0.1, 0.4), order=1)


def test_solve_ivp_gives_the_times_of_the_solver():
    def times(stop):
        found = integrate.solve_ivp(pendulum, (0.0, stop), START, args=(1.3,))
        return found.t, found.y

    expected = scipy.integrate.solve_ivp(pendulum, (0.0, 0.5), START, args=(1.3,))
    (t, y), _ = pyad.vjp(times, 0.5)
    np.testing.assert_array_equal(t, expected.t)
    np.testing.assert_allclose(y, expected.y, rtol=1e-12)
    slope = pyad.jvp(times, (0.5,), (1.0,))[1][0]
    np.testing.assert_array_equal(slope, [0.0] * (len(t) - 1) + [1.0])


def test_solve_ivp_to_second_order():
    check_grads(
        lambda y0: integrate.solve_ivp(lambda t, y: y * y, (0.0, 0.4), y0, "DOP853", **TIGHT).y[:, -1],
        (np.array([0.5]),),
        order=2,
    )


def test_solve_ivp_of_a_stiff_problem_with_its_jacobian():
    def end(rate):
        found = integrate.solve_ivp(
            lambda t, y, k: -k * (y - np.cos(t)),
            (0.0, 1.0),
            [0.0],
            "Radau",
            [1.0],
            args=(rate,),
            jac=lambda t, y, k: [[-k]],
            rtol=1e-8,
            atol=1e-8,
        )
        return found.y[0, 0]

    k = 1000.0
    # y = (k² cos t + k sin t) / (k² + 1) but for what has died away.
    slope = (2 * k * np.cos(1.0) + np.sin(1.0)) / (k**2 + 1) - 2 * k * (k**2 * np.cos(1.0) + k * np.sin(1.0)) / (
        k**2 + 1
    ) ** 2
    np.testing.assert_allclose(pyad.grad(end)(k), slope, rtol=1e-3)
    np.testing.assert_allclose(pyad.jvp(end, (k,), (1.0,))[1], slope, rtol=1e-3)


def test_second_derivatives_by_many_arguments():
    """With many unknowns the adjoint equation itself is differentiated, and not the sensitivities."""
    w = 0.3 * np.sin(np.arange(30.0)).reshape(5, 6)
    v = np.cos(np.arange(30.0)).reshape(5, 6)

    def loss(w, t):
        out = integrate.odeint(lambda y, t, w: np.tanh(w[:, :5] @ y + t * w[:, 5]), np.ones(5), t, (w,), **TIGHT)
        return np.sum(out[1:] ** 2)

    times = np.array([0.0, 0.3, 0.7])
    product = pyad.hvp(lambda w: loss(w, times), (w,), (v,))
    h = 1e-4
    slopes = [pyad.grad(loss)(w + sign * h * v, times) for sign in (1, -1)]
    np.testing.assert_allclose(product, (slopes[0] - slopes[1]) / (2 * h), rtol=1e-4, atol=1e-6)
    both = pyad.grad(lambda w: np.sum(pyad.grad(loss)(w, times) * v))(w)
    np.testing.assert_allclose(both, product, rtol=1e-6, atol=1e-8)
    by_time = pyad.jvp(lambda t: pyad.grad(loss)(w, t), (times,), (np.ones(3),))[1]
    swapped = pyad.grad(lambda w: pyad.jvp(lambda t: loss(w, t), (times,), (np.ones(3),))[1])(w)
    np.testing.assert_allclose(by_time, swapped, rtol=1e-6, atol=1e-8)


def test_a_long_solution_leaves_nothing_on_the_tape():
    from pyad._binding import engine

    def solution(a):
        out = integrate.odeint(decay, [1.0], np.linspace(0.0, 20.0, 30), (a,))
        assert engine.counters()["nodes"] < 100
        return out[-1, 0]

    def nested(a):
        slope = pyad.grad(solution)(a)
        assert engine.counters()["nodes"] < 4000
        return slope

    np.testing.assert_allclose(pyad.grad(nested)(0.1), 400.0 * np.exp(-2.0), rtol=1e-3)


# ---- integrals ----


@pytest.mark.parametrize(
    ("function", "args", "order"),
    [
        (
            lambda m, a, b, k: m.quad(lambda x, k: np.exp(-k[0] * x) * np.sin(k[1] * x), a, b, (k,)),
            (0.2, 1.3, np.array([0.5, 2.0])),
            2,
        ),
        (lambda m, k: m.quad(lambda x, k: np.exp(-k * x * x), -np.inf, np.inf, (k,)), (0.7,), 2),
        (lambda m, a: m.quad(lambda x: np.exp(-x), a, np.inf), (0.7,), 2),
        (lambda m, k: m.quad(lambda x, k: x ** k["power"], 0.0, 1.0, ({"power": k},)), (-0.5,), 1),
        (lambda m, k: m.quad(lambda x, k: abs(x - 0.3) * k, 0.0, 1.0, k, points=[0.3]), (2.0,), 2),
    ],
)
def test_quad(function, args, order):
    value, error = function(scipy.integrate, *args)
    got, _ = pyad.vjp(lambda *args: function(integrate, *args)[0], *args)
    np.testing.assert_allclose(got, value, rtol=1e-12)
    assert function(integrate, *args)[1] == error
    check_grads(lambda *args: function(integrate, *args)[0], args, order=order)


def test_quad_may_have_a_singular_end():
    """x^k log x is not finite at 0, which is not asked for."""
    got = pyad.grad(lambda k: integrate.quad(lambda x, k: x**k, 0.0, 1.0, (k,))[0])(-0.3)
    np.testing.assert_allclose(got, -1.0 / 0.7**2, rtol=1e-7)


SAMPLES = np.array([[1.0, 0.4, -0.3, 0.8, 2.0, 0.1], [0.2, 2.5, 0.6, -1.0, 0.5, 0.7]])
PLACES = np.array([0.0, 0.5, 0.7, 1.2, 1.5, 2.1])


@pytest.mark.parametrize("name", ["trapezoid", "simpson", "cumulative_trapezoid"])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6])
def test_integrals_of_samples(name, n):
    if name == "cumulative_trapezoid" and np.cumsum not in FUNCTIONS:
        pytest.skip("numpy.cumsum is not there")
    y, x = SAMPLES[:, :n], PLACES[:n]
    for function, args in [
        (lambda m, y: getattr(m, name)(y), (y,)),
        (lambda m, y, x: getattr(m, name)(y, x), (y, x)),
        (lambda m, y, h: getattr(m, name)(y, dx=h, axis=0), (y.T, 0.3)),
        (lambda m, y, x: getattr(m, name)(y, x), (y, np.stack([x, 2.0 * x]))),
    ]:
        got, _ = pyad.vjp(lambda *args, f=function: f(integrate, *args), *args)
        np.testing.assert_allclose(got, function(scipy.integrate, *args), rtol=1e-12, atol=1e-14)
        check_grads(lambda *args, f=function: f(integrate, *args), args, order=1)


def test_samples_of_float32_stay_float32():
    for function in (integrate.trapezoid, integrate.simpson):
        value, gradient = pyad.value_and_grad(function)(SAMPLES[0].astype(np.float32))
        assert value.dtype == gradient.dtype == np.float32


# ---- what cannot be ----


def outside(a):
    """A function of one argument for each solver, which reaches for a traced value."""
    return {
        "odeint": lambda: integrate.odeint(lambda y, t: -a * y, [1.0], [0.0, 1.0]),
        "odeint, with args": lambda: integrate.odeint(lambda y, t, b: -a * b * y, [1.0], [0.0, 1.0], (a,)),
        "solve_ivp": lambda: integrate.solve_ivp(lambda t, y: -a * y, (0.0, 1.0), [1.0]),
        "solve_ivp, with args": lambda: integrate.solve_ivp(lambda t, y, b: -a * y, (0.0, 1.0), [1.0], args=(a,)),
        "quad": lambda: integrate.quad(lambda x: a * x, 0.0, 1.0),
        "quad, with args": lambda: integrate.quad(lambda x, b: a * x, 0.0, 1.0, (a,)),
    }


@pytest.mark.parametrize("name", outside(0.0))
def test_a_traced_value_from_outside_is_refused(name):
    with pytest.raises(TypeError, match=r"uses a traced value from outside.*pass it in args="):
        pyad.grad(lambda a: outside(a)[name]())(1.0)


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        (lambda y: integrate.odeint(decay, y, [0.0, 1.0], (1.0,), full_output=1), TypeError, "odeint: full_output"),
        (lambda y: integrate.odeint(decay, y[None], [0.0, 1.0], (1.0,)), ValueError, "odeint: y0 has shape"),
        (lambda y: integrate.odeint(lambda y, t: y[:1], y, [0.0, 1.0]), ValueError, r"returned shape \(1,\)"),
        (lambda y: integrate.solve_ivp(pendulum, (0, 1), y, events=np.sum), TypeError, "solve_ivp: events"),
        (lambda y: integrate.solve_ivp(pendulum, (0, 1), y, dense_output=True), TypeError, "give t_eval"),
        (lambda y: integrate.solve_ivp(pendulum, (0, 1, 2), y), ValueError, "t_span has shape"),
        (lambda y: integrate.quad(np.sin, y, 1.0), ValueError, "quad: the limits have shapes"),
        (lambda y: integrate.quad(lambda x, y: y * x, 0.0, 1.0, (y,)), ValueError, r"returned shape \(2,\)"),
        (lambda y: integrate.quad(np.sin, y[0], 1.0, weight="cos", wvar=1.0), TypeError, "quad: weight"),
        (lambda y: integrate.trapezoid(y[0]), ValueError, "trapezoid: y is 0-d"),
        (lambda y: integrate.simpson(y, [1.0, 2.0, 3.0]), ValueError, "x has 3 samples .* and y 2"),
        (lambda y: integrate.romb(y), TypeError, "was given a traced"),
    ],
)
def test_errors_say_what_is_wrong(function, error, words):
    with pytest.raises(error, match=words):
        pyad.vjp(function, START)


def test_plain_arguments_go_to_scipy():
    assert integrate.quad(np.sin, 0.0, 1.0) == scipy.integrate.quad(np.sin, 0.0, 1.0)
    found = integrate.solve_ivp(pendulum, (0.0, 1.0), START, args=(1.0,), dense_output=True)
    assert found.sol(0.5).shape == (2,)
    assert integrate.odeint(decay, 1.0, [0.0, 1.0], (1.0,), full_output=True)[1]["message"]
    assert integrate.dblquad is scipy.integrate.dblquad
    assert {"dblquad", "quad"} <= set(dir(integrate))


# ---- equations that have a meaning inside of the interval only ----


@pytest.mark.parametrize("solve", ["odeint", "solve_ivp"])
def test_the_adjoint_stays_within_the_interval(solve):
    """y' = p sqrt(t) from t = 0: a step to a time below would give NaN."""
    times = np.linspace(0.0, 1.0, 4)

    def last(p):
        if solve == "odeint":
            return np.sum(integrate.odeint(lambda y, t, p: p * np.sqrt(t), np.zeros(1), times, args=(p,))[-1])
        found = integrate.solve_ivp(lambda t, y, p: p * np.sqrt(t), (0.0, 1.0), np.zeros(1), args=(p,), rtol=1e-9)
        return found.y[0, -1]

    want = 2.0 / 3.0
    np.testing.assert_allclose(pyad.grad(last)(2.0), want, rtol=1e-5)
    np.testing.assert_allclose(pyad.jvp(last, (2.0,), (1.0,))[1], want, rtol=1e-5)
    np.testing.assert_allclose(pyad.grad(pyad.grad(lambda p: last(p) ** 2))(2.0), 2.0 * want**2, rtol=1e-4)


def test_an_adjoint_of_both_ends():
    """y' = p sqrt(t (1 - t)) has no meaning on either side."""

    def last(p):
        def speed(y, t, p):
            return p * np.sqrt(t * (1.0 - t)) * y

        # Forward it is the caller who has to say so.
        return np.sum(integrate.odeint(speed, np.ones(1), np.linspace(0.0, 1.0, 5), args=(p,), tcrit=[1.0])[-1])

    np.testing.assert_allclose(pyad.grad(last)(0.5), np.pi / 8 * np.exp(0.5 * np.pi / 8), rtol=1e-5)
