"""Roots and fixed points, differentiable by the arguments of the function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyad._trace.array import is_traced, numpy_value
from pyad._trace.promotion import is_complex
from pyad._transforms.derivatives import jacobian
from pyad._transforms.grad import grad
from pyad.scipy._implicit import implicit
from pyad.scipy._namespace import describes, load, plain, refuse
from pyad.scipy._user_function import Closed

_theirs = load("scipy.optimize")


def solution_of(f: Closed, x: Any, residual: Callable[..., Any] | None = None) -> Any:
    """The solution x of f(x, *operands) = 0 (or of another residual), traced where an operand is."""
    if not f.operands:
        return x
    shape = np.shape(x)
    equation = f if residual is None else residual

    def flat(x: Any, *operands: Any) -> Any:
        return np.reshape(equation(np.reshape(x, shape), *operands), (-1,))

    return np.reshape(implicit(flat, np.ravel(x), f.operands), shape)


def user_function(name: str, function: Any, args: Any) -> Any:
    """A further function of the user's (a derivative), for SciPy: with plain values for traced arguments."""
    if not callable(function):
        return function
    closed = Closed(name, function, args)
    values = closed.plain_operands()
    return lambda *inputs: closed(*inputs, *values)


@describes(_theirs.root)
def root(
    fun: Callable[..., Any],
    x0: Any,
    args: Any = (),
    method: str = "hybr",
    jac: Any = None,
    tol: float | None = None,
    callback: Any = None,
    options: dict[str, Any] | None = None,
) -> Any:
    """A vector x with fun(x, *args) = 0; see `scipy.optimize.root`.

    Returns SciPy's result object, in which x is traced where an array in `args`, which may be containers, is. Its
    derivative is that of the solution by the arguments; the start x0 has none. For the methods "hybr" and "lm" pyad
    computes the Jacobian of fun where `jac` is None; False leaves it to SciPy's differences.

    Raises:
        ConcretizationError: fun uses a traced value that is not among its arguments.
        numpy.linalg.LinAlgError: (by the derivative) the Jacobian at the solution is singular.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.optimize import root
    >>> def solution(c):
    ...     return root(lambda x, c: x ** 3 - c, np.ones(1), (c,)).x[0]
    >>> pyad.grad(solution)(8.0).round(6)
    np.float64(0.083333)
    """
    function = fun
    if jac is True:
        function, jac = (lambda *a: fun(*a)[0]), (lambda *a: fun(*a)[1])
    f = Closed("root", function, args)
    values = f.plain_operands()

    def at(x: Any) -> Any:
        return f(x, *values)

    slope = user_function("root", jac, args)
    if jac is None and method in ("hybr", "lm"):
        slope = _plain_jacobian(at)
    found = _theirs.root(at, plain(x0), (), method, slope, tol, callback, options)
    found.x = solution_of(f, found.x)
    return found


def _plain_jacobian(f: Callable[..., Any]) -> Callable[..., Any]:
    """The Jacobian as SciPy takes it: plain, also where a program is being recorded."""
    slopes = jacobian(lambda x: np.reshape(f(x), (-1,)))
    return lambda x: numpy_value(slopes(x))


def _slope(f: Callable[..., Any]) -> Callable[..., Any]:
    """The derivative of a function of one number; of a complex one, for which Newton's method is, the holomorphic."""
    return lambda x: grad(f, holomorphic=bool(is_complex(x)))(_number(x))


def _number(x: Any) -> Any:
    """A plain x as Python's number."""
    return x if is_traced(x) else complex(x) if np.iscomplexobj(x) else float(x)


@describes(_theirs.root_scalar)
def root_scalar(
    f: Callable[..., Any],
    args: Any = (),
    method: str | None = None,
    bracket: Any = None,
    fprime: Any = None,
    fprime2: Any = None,
    x0: Any = None,
    x1: Any = None,
    **options: Any,
) -> Any:
    """A number x with f(x, *args) = 0; see `scipy.optimize.root_scalar`, which has the options.

    Returns SciPy's result object, in which `root` is traced where an array in `args` is. The bracket and the start have
    no derivative. For the methods "newton" and "halley" pyad computes the derivatives of f that are not given.

    Raises:
        ConcretizationError: f uses a traced value that is not among its arguments.
        UnsupportedError: `fprime=True` or `fprime2=True`.
        ValueError: The values at the ends of the bracket have one sign.

    >>> import pyad
    >>> from pyad.scipy.optimize import root_scalar
    >>> def solution(c):
    ...     return root_scalar(lambda x, c: x * x - c, (c,), bracket=(0.0, 9.0)).root
    ...
    >>> pyad.grad(solution)(4.0).round(6)
    np.float64(0.25)
    """
    closed = Closed("root_scalar", f, args)
    values = closed.plain_operands()
    for name, slope in (("fprime", fprime), ("fprime2", fprime2)):
        if slope is True:
            raise refuse("root_scalar", f"{name}=True", f"give {name} as a function, or leave it out")
        options[name] = user_function("root_scalar", slope, args)
    for name, place in (("bracket", bracket), ("x0", x0), ("x1", x1)):
        options[name] = None if place is None else plain(place)

    def at(x: Any) -> Any:
        return np.reshape(closed(x, *values), np.shape(x))

    if method in ("newton", "halley") and options["fprime"] is None:
        options["fprime"] = lambda x: numpy_value(_slope(at)(x))
    if method == "halley" and options["fprime2"] is None:
        options["fprime2"] = lambda x: numpy_value(_slope(_slope(at))(x))
    found = _theirs.root_scalar(at, method=method, **options)
    found.root = solution_of(closed, found.root)
    return found


def _with_root(f: Closed, found: Any, residual: Callable[..., Any] | None = None) -> Any:
    """What SciPy returned, a root or a tuple that begins with it, with the root traced."""
    if not isinstance(found, tuple):
        return solution_of(f, found, residual)
    return (solution_of(f, found[0], residual), *found[1:])


def _bracketing(name: str, text: str) -> Callable[..., Any]:
    theirs = getattr(_theirs, name)

    def find(f: Callable[..., Any], a: Any, b: Any, args: Any = (), *more: Any, **options: Any) -> Any:
        closed = Closed(name, f, args)
        values = closed.plain_operands()
        found = theirs(lambda x: float(closed(x, *values)), numpy_value(a), numpy_value(b), (), *more, **options)
        return _with_root(closed, found)

    find.__name__ = find.__qualname__ = name
    find.__doc__ = f"""A root of f(x, *args) between a and b by {text}.

    Differentiable by the arrays in `args`, which may be containers; a and b have no derivative. Further arguments are
    SciPy's.

    Raises:
        ConcretizationError: f uses a traced value that is not among its arguments.
        RuntimeError: The iteration did not converge.
        ValueError: f(a) and f(b) have one sign.

    >>> import pyad
    >>> from pyad.scipy.optimize import {name}
    >>> pyad.grad(lambda c: {name}(lambda x, c: x * x - c, 0.0, 9.0, (c,)))(4.0).round(6)
    np.float64(0.25)
    """
    return describes(theirs)(find)


bisect = _bracketing("bisect", "bisection")
brenth = _bracketing("brenth", "Brent's method with hyperbolic extrapolation")
brentq = _bracketing("brentq", "Brent's method")
ridder = _bracketing("ridder", "Ridders' method")
toms748 = _bracketing("toms748", "algorithm 748 of the ACM")


@describes(_theirs.newton)
def newton(
    func: Callable[..., Any],
    x0: Any,
    fprime: Any = None,
    args: Any = (),
    tol: float = 1.48e-8,
    maxiter: int = 50,
    fprime2: Any = None,
    **options: Any,
) -> Any:
    """A root of func(x, *args) near x0 by Newton's method, or the secant method without `fprime`.

    x0 may be an array, of whose entries func is a function one by one. Differentiable by the arrays in `args`; x0 has
    no derivative.

    Raises:
        ConcretizationError: func uses a traced value that is not among its arguments.
        RuntimeError: The iteration did not converge.

    >>> import pyad
    >>> from pyad.scipy.optimize import newton
    >>> pyad.grad(lambda c: newton(lambda x, c: x * x - c, 1.0, args=(c,)))(4.0).round(6)
    np.float64(0.25)
    """
    f = Closed("newton", func, args)
    values = f.plain_operands()
    slopes = [user_function("newton", g, args) for g in (fprime, fprime2)]
    start = plain(x0)[()]
    found = _theirs.newton(lambda x: f(x, *values), start, slopes[0], (), tol, maxiter, slopes[1], **options)
    return _with_root(f, found)


@describes(_theirs.fixed_point)
def fixed_point(func: Callable[..., Any], x0: Any, args: Any = (), *more: Any, **options: Any) -> Any:
    """A solution of func(x, *args) = x.

    Differentiable by the arrays in `args`, which may be containers; x0 has no derivative. Further arguments are
    SciPy's.

    Returns:
        The solution, of the shape of x0.

    Raises:
        ConcretizationError: func uses a traced value that is not among its arguments.
        RuntimeError: The iteration did not converge.

    >>> import pyad
    >>> from pyad.scipy.optimize import fixed_point
    >>> pyad.grad(lambda c: fixed_point(lambda x, c: 0.5 * (x + c / x), 1.0, (c,)))(4.0).round(6)
    np.float64(0.25)
    """
    f = Closed("fixed_point", func, args)
    values = f.plain_operands()
    found = _theirs.fixed_point(lambda x: f(x, *values), plain(x0), (), *more, **options)
    return _with_root(f, found, lambda x, *operands: x - f(x, *operands))
