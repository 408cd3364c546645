"""Minima and fits: pyad gives SciPy's methods their derivatives, and the minimiser has one by the arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyad._ops.linalg._matrices import transposed
from pyad._ops.shape import asarray
from pyad._trace.array import numpy_value
from pyad._transforms.derivatives import hessian, hvp
from pyad._transforms.grad import grad, value_and_grad
from pyad.scipy._implicit import columns
from pyad.scipy._namespace import describes, load, plain, refuse
from pyad.scipy._user_function import Closed, guarded
from pyad.scipy.linalg._solve import solve, solve_triangular
from pyad.scipy.optimize._roots import solution_of, user_function

_theirs = load("scipy.optimize")

_WITHOUT_GRADIENT = {"nelder-mead", "powell", "cobyla", "cobyqa"}
_WITH_PRODUCT = {"newton-cg", "trust-ncg", "trust-krylov", "trust-constr"}
_WITH_HESSIAN = {"dogleg", "trust-exact"}


def _scalar(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose value, a number or an array of one, is a number."""

    def number(*args: Any) -> Any:
        y = f(*args)
        return np.reshape(y, ()) if y.size == 1 else y

    return number


@describes(_theirs.minimize)
def minimize(
    fun: Callable[..., Any],
    x0: Any,
    args: Any = (),
    method: Any = None,
    jac: Any = None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    constraints: Any = (),
    tol: float | None = None,
    callback: Any = None,
    options: dict[str, Any] | None = None,
) -> Any:
    """A minimum of fun(x, *args) over vectors x; see `scipy.optimize.minimize`.

    Where `jac` is None, pyad computes the gradient for the methods that use one, and with it Hessians or their products
    with vectors for those that use these; "2-point" leaves it to SciPy's differences. Returns SciPy's result object.

    Where an array in `args`, which may be containers, is traced, so are x and fun of the result. The derivative of x is
    that of the solution of grad fun = 0; entries at a bound are constant. It is as accurate as the minimiser, so `tol`
    may have to be small. The start x0 has no derivative.

    Raises:
        ConcretizationError: fun uses a traced value that is not among its arguments.
        UnsupportedError: constraints with traced arguments.
        numpy.linalg.LinAlgError: (by the derivative) the Hessian at the minimum is singular.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.optimize import minimize
    >>> def bowl(x, centre):
    ...     return np.sum((x - centre) ** 4 + (x - centre) ** 2)
    >>> minimize(bowl, np.zeros(2), (np.ones(2),), tol=1e-9).x.round(6)
    array([1., 1.])
    >>> pyad.grad(lambda c: minimize(bowl, np.zeros(2), (c,), tol=1e-9).x[0])(np.ones(2)).round(6) + 0.0
    array([1., 0.])
    """
    function = fun
    if jac is True:
        function, jac = (lambda *a: fun(*a)[0]), (lambda *a: fun(*a)[1])
    f = Closed("minimize", function, args)
    if f.operands and not (isinstance(constraints, tuple | list) and not constraints):
        raise refuse("minimize", "constraints", "put them into fun as penalties, or solve the optimality conditions")
    values = f.plain_operands()
    at = _scalar(lambda x: f(x, *values))
    given = {
        "jac": user_function("minimize", jac, args),
        "hess": user_function("minimize", hess, args),
        "hessp": user_function("minimize", hessp, args),
    }
    target = at
    if jac is None:
        target, filled = _derivatives(at, method, hess is None and hessp is None)
        given.update(filled)
    given.update(bounds=bounds, constraints=constraints, tol=tol, callback=callback, options=options)
    found = _theirs.minimize(target, plain(x0), (), method, **given)
    if f.operands:
        found.x = solution_of(f, found.x, _stationary(_scalar(f), found.x, _at_bounds(bounds, found.x)))
        found.fun = _scalar(f)(found.x, *f.operands)
    return found


def _derivatives(at: Callable[..., Any], method: Any, second: bool) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The function and the keywords by which a method of SciPy gets the derivatives it uses."""
    name = method.lower() if isinstance(method, str) else ""
    if name in _WITHOUT_GRADIENT:
        return at, {}
    filled: dict[str, Any] = {"jac": True}
    if second and name in _WITH_PRODUCT:
        filled["hessp"] = lambda x, p: hvp(at, (x,), (p,))
    if second and name in _WITH_HESSIAN:
        filled["hess"] = hessian(at)
    return guarded("minimize", value_and_grad(at)), filled


def _at_bounds(bounds: Any, x: np.ndarray) -> np.ndarray:
    """Which entries of a solution are at one of their bounds."""
    if bounds is None:
        return np.zeros(x.shape, bool)
    if isinstance(bounds, _theirs.Bounds):
        lower, upper = bounds.lb, bounds.ub
    else:
        pairs = [(-np.inf if low is None else low, np.inf if up is None else up) for low, up in bounds]
        lower, upper = np.transpose(np.reshape(np.asarray(pairs, float), (-1, 2)))
    lower, upper = np.broadcast_to(lower, x.shape), np.broadcast_to(upper, x.shape)
    return np.isclose(x, lower, rtol=1e-8, atol=1e-8) | np.isclose(x, upper, rtol=1e-8, atol=1e-8)


def _stationary(cost: Callable[..., Any], solution: np.ndarray, held: np.ndarray) -> Callable[..., Any]:
    """The equation of a minimum: the gradient is zero, but for entries that a bound holds where they are."""

    def residual(x: Any, *operands: Any) -> Any:
        gradient = grad(lambda x: cost(x, *operands))(x)
        return np.where(held, x - solution, gradient) if held.any() else gradient

    return residual


# ---- least squares ----

_LOSSES = {
    "linear": lambda z: z,
    "soft_l1": lambda z: 2.0 * (np.sqrt(1.0 + z) - 1.0),
    "huber": lambda z: np.where(z <= 1.0, z, 2.0 * np.sqrt(np.where(z <= 1.0, 1.0, z)) - 1.0),
    "cauchy": np.log1p,
    "arctan": np.arctan,
}


@describes(_theirs.least_squares)
def least_squares(
    fun: Callable[..., Any],
    x0: Any,
    jac: Any = None,
    bounds: Any = (-np.inf, np.inf),
    method: str = "trf",
    *,
    loss: Any = "linear",
    f_scale: float = 1.0,
    args: Any = (),
    kwargs: Any = None,
    **options: Any,
) -> Any:
    """A minimum of the sum of squares of fun(x, *args, **kwargs); see `scipy.optimize.least_squares`.

    Where `jac` is None, pyad computes the Jacobian; "2-point" leaves it to SciPy's differences. Returns SciPy's result
    object, in which x, cost and fun are traced where an array in `args` or `kwargs` is; entries of x at a bound are
    constant. The derivative of x is that of the solution of grad cost = 0, with second derivatives of fun and all.

    Raises:
        ConcretizationError: fun uses a traced value that is not among its arguments.
        UnsupportedError: a loss of your own with traced arguments.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.optimize import least_squares
    >>> line = lambda p, y: p[0] + p[1] * np.arange(3.0) - y
    >>> pyad.grad(lambda y: least_squares(line, np.zeros(2), args=(y,)).x[1])(np.array([0.0, 1.0, 2.0])).round(6) + 0.0
    array([-0.5,  0. ,  0.5])
    """

    def unpacked(x: Any, args: Any, kwargs: Any) -> Any:
        return fun(x, *args, **kwargs)

    everything = (args if isinstance(args, tuple | list) else (args,), kwargs or {})
    f = Closed("least_squares", unpacked, everything)
    values = f.plain_operands()

    def at(x: Any) -> Any:
        return np.reshape(f(x, *values), (-1,))

    slope = jac
    if callable(jac):
        slope = user_function("least_squares", lambda x, args, kwargs: jac(x, *args, **kwargs), everything)
    elif jac is None:
        slope = lambda x: columns(at, x)  # noqa: E731
    if f.operands and loss not in _LOSSES:
        raise refuse("least_squares", f"loss={loss!r}", f"use one of {', '.join(_LOSSES)}")
    found = _theirs.least_squares(at, plain(x0), slope, bounds, method, loss=loss, f_scale=f_scale, **options)
    if not f.operands:
        return found
    cost = _cost(f, loss, f_scale)
    pairs = bounds if isinstance(bounds, _theirs.Bounds) else _theirs.Bounds(*bounds)
    found.x = solution_of(f, found.x, _stationary(cost, found.x, _at_bounds(pairs, found.x)))
    found.fun = np.reshape(f(found.x, *f.operands), (-1,))
    found.cost = cost(found.x, *f.operands)
    return found


def _cost(f: Callable[..., Any], loss: str = "linear", scale: float = 1.0) -> Callable[..., Any]:
    def cost(x: Any, *operands: Any) -> Any:
        z = (f(x, *operands) / scale) ** 2
        return 0.5 * scale**2 * np.sum(_LOSSES[loss](z))

    return cost


@describes(_theirs.curve_fit)
def curve_fit(
    f: Callable[..., Any],
    xdata: Any,
    ydata: Any,
    p0: Any = None,
    sigma: Any = None,
    absolute_sigma: bool = False,
    check_finite: bool | None = None,
    bounds: Any = (-np.inf, np.inf),
    method: str | None = None,
    jac: Any = None,
    **options: Any,
) -> Any:
    """Parameters p for which f(xdata, *p) is closest to ydata, and their covariance; see `scipy.optimize.curve_fit`.

    Where `jac` is None, pyad computes the Jacobian of f; "2-point" leaves it to SciPy's differences. Where xdata, ydata
    or sigma are traced, so are the parameters (those at a bound are constant) and the covariance.

    Raises:
        ConcretizationError: f uses a traced value that is not among its arguments.
        UnsupportedError: a loss with traced data.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.optimize import curve_fit
    >>> t = np.arange(4.0)
    >>> line = lambda t, a, b: a + b * t
    >>> pyad.grad(lambda y: curve_fit(line, t, y, jac=None)[0][1])(1.0 + 2.0 * t + np.sin(t)).round(6)
    array([-0.3, -0.1,  0.1,  0.3])
    """
    data = tuple(asarray(x) if isinstance(x, tuple | list) else x for x in (xdata, ydata, sigma))

    def misfit(p: Any, xdata: Any, ydata: Any, sigma: Any) -> Any:
        return _weighted(f(xdata, *p) - ydata, sigma)

    closed = Closed("curve_fit", misfit, data)
    if closed.operands and options.get("loss", "linear") != "linear":
        raise refuse("curve_fit", "loss", "use least_squares")
    options.update(check_finite=check_finite, bounds=bounds, method=method)
    fixed = [numpy_value(x) for x in data]
    slope = (lambda x, *p: columns(lambda p: f(x, *p), np.asarray(p, float))) if jac is None else jac
    run = guarded("curve_fit", f)
    found = _theirs.curve_fit(run, fixed[0], fixed[1], p0, fixed[2], absolute_sigma, jac=slope, **options)
    if not closed.operands:
        return found
    p, covariance, *rest = found
    pairs = bounds if isinstance(bounds, _theirs.Bounds) else _theirs.Bounds(*bounds)
    parameters = solution_of(closed, p, _stationary(_cost(closed), p, _at_bounds(pairs, p)))
    if np.isfinite(covariance).all():
        covariance = _covariance(closed, parameters, absolute_sigma)
    return (parameters, covariance, *rest)


def _weighted(misfit: Any, sigma: Any) -> Any:
    if sigma is None:
        return misfit
    if np.ndim(sigma) < 2:
        return misfit / sigma
    return solve_triangular(np.linalg.cholesky(sigma), misfit, lower=True)


def _covariance(f: Closed, p: Any, absolute: bool) -> Any:
    """The inverse of J^T J, times the variance of the data where sigma says only how they compare."""
    slopes = columns(lambda p: f(p, *f.operands), p)
    inverse = solve(transposed(slopes) @ slopes, np.eye(p.shape[0]))
    if absolute:
        return inverse
    rest = f(p, *f.operands)
    return inverse * (np.sum(rest**2) / (rest.size - p.shape[0]))
