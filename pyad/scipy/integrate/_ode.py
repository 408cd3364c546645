"""Initial value problems, with SciPy's solvers and derivatives by y0, the times and the arguments.

Both modes are initial value problems again, so that derivatives of any order follow. With y' = f(t, y, p):

- forward, the sensitivities v of y: v' = f_y v + f_p dp (Hairer, Norsett and Wanner, Solving Ordinary Differential
  Equations I, section I.14);
- backward, the adjoint equation l' = -f_y^T l, q' = -f_p^T l, run from the last time to the first, with the
  cotangent of each output added to l when its time is passed (Pontryagin et al., 1962; Chen et al., Neural ordinary
  differential equations, 2018).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pyad import tree
from pyad._ops.shape import asarray
from pyad._trace.array import is_traced, numpy_value
from pyad._trace.numpy_op import numpy_op
from pyad.errors import ShapeError
from pyad.scipy._namespace import describes, load, refuse
from pyad.scipy._user_function import Closed, guarded, packed, pull, push, split

_theirs = load("scipy.integrate")

Field = Callable[..., Any]

# ---- the flow of a field, whatever solves it ----


@dataclass(frozen=True, eq=False)
class _Solver:
    """One of SciPy's solvers with its options."""

    run: Callable[..., np.ndarray]  # run(solver, f(t, y), y0, t0, times) -> (len(times), n)
    interpolant: Callable[..., Any]  # interpolant(solver, f(t, y), y0, start, stop) -> a function y(t)
    options: dict[str, Any] = field(default_factory=dict)
    # What of the options does not hold for a system with more unknowns.
    only_first: tuple[str, ...] = ()
    is_enlarged: bool = False

    def enlarged(self) -> _Solver:
        """The same solver for a system with more unknowns."""
        options = {key: value for key, value in self.options.items() if key not in self.only_first}
        for key in ("rtol", "atol"):
            if options.get(key) is not None:
                options[key] = float(np.min(options[key]))
        return _Solver(self.run, self.interpolant, options, is_enlarged=True)


def _flow(f: Field, solver: _Solver, y0: Any, t0: Any, times: Any, operands: list[Any], value: Any = None) -> Any:
    """The solution of y' = f(t, y, *operands) from (t0, y0) at the times, as rows of an array (or its known value)."""
    if value is None:
        fixed = [numpy_value(x) for x in operands]
        value = solver.run(
            solver, lambda t, y: f(t, y, *fixed), numpy_value(y0), float(numpy_value(t0)), numpy_value(times)
        )
    timed = is_traced(t0) or is_traced(times)
    return _solution(y0, t0, times, *operands, value=value, f=f, solver=solver, timed=timed)


def _forward(tangents: list[Any], ys: Any, y0: Any, t0: Any, times: Any, *operands: Any, **p: Any) -> Any:
    f, n = p["f"], y0.shape[0]
    dy0, dt0, dtimes, *given = tangents
    dots = [dot for dot in given if dot is not None]

    def sensitivity(t: Any, z: Any, *inputs: Any) -> Any:
        moved = iter(inputs[len(operands) :])
        along = [None if dot is None else next(moved) for dot in given]
        return np.concatenate(push(lambda y, *p: f(t, y, *p), (z[:n], *inputs[: len(operands)]), (z[n:], *along)))

    start = np.zeros(n) if dy0 is None else dy0
    if dt0 is not None:
        start = start - dt0 * f(t0, y0, *operands)
    solver = p["solver"].enlarged()
    out = _flow(sensitivity, solver, np.concatenate([y0, start]), t0, times, [*operands, *dots])[:, n:]
    if dtimes is None:
        return out
    speeds = [f(times[k], ys[k], *operands) for k in range(ys.shape[0])]
    return out + np.stack(speeds) * dtimes[:, None] if speeds else out


def _backward(s: Any, ys: Any, y0: Any, t0: Any, times: Any, *operands: Any, **p: Any) -> tuple[Any, ...]:
    f = p["f"]
    count = sum(x.size for x in operands)
    if not tree.any_traced(s, ys, y0, t0, times, operands):
        costate, parts = _along_solution(s, y0, t0, times, operands, f, p["solver"])
    elif y0.shape[0] + count <= _FEW:
        costate, parts = _by_sensitivities(s, ys, y0, t0, times, operands, p)
    else:
        costate, parts = _backward_again(s, ys, y0.shape[0], t0, times, operands, f, p["solver"].enlarged())
    by_operands = split(parts, operands)
    if not p["timed"]:
        return costate, None, None, *by_operands
    speeds = [np.sum(s[k] * f(times[k], ys[k], *operands)) for k in range(ys.shape[0])]
    by_start = -np.sum(costate * f(t0, y0, *operands))
    return costate, by_start, np.stack(speeds) if speeds else None, *by_operands


# Three ways to the cotangents of y0 and of the operands (in one vector).
#
# Where all is plain, the solution is computed once more, with an interpolant, and the adjoint equation is run back
# along it. Where a further derivative will be asked for, y is run back together with the adjoint instead, which can be
# differentiated in turn, but fails where the equation is stiff: what decays forward grows backward. For few unknowns
# and operands the sensitivities are as good, and are computed forward.

_FEW = 24


def _adjoint_speed(f: Field, t: Any, y: Any, costate: Any, operands: Any) -> tuple[Any, Any]:
    """f, and the speed of the costate and of the integrals over the operands, in one vector."""
    speed, cotangents = pull(lambda y, *moved: f(t, y, *moved), (y, *operands), -costate)
    return speed, packed(cotangents)


def _along_solution(s: Any, y0: Any, t0: Any, times: Any, operands: Any, f: Field, solver: _Solver) -> tuple[Any, Any]:
    n, last = y0.shape[0], len(times) - 1
    state = np.zeros(n + sum(x.size for x in operands))
    if last >= 0 and times[last] != t0:
        y = solver.interpolant(solver, lambda t, y: f(t, y, *operands), y0, float(t0), float(times[last]))
    enlarged = solver.enlarged()
    for k in range(last, -1, -1):
        state[:n] += s[k]
        before = times[k - 1] if k else t0
        if before != times[k]:
            state = _flow(
                lambda t, z: _adjoint_speed(f, t, y(t), z[:n], operands)[1],
                enlarged,
                state,
                times[k],
                np.reshape(before, (1,)),
                [],
            )[0].copy()
    return state[:n], state[n:]


def _by_sensitivities(
    s: Any, ys: Any, y0: Any, t0: Any, times: Any, operands: Any, p: dict[str, Any]
) -> tuple[Any, Any]:
    inputs = (y0, *operands)
    entries = []
    for unit in np.eye(sum(x.size for x in inputs)):
        by_y0, *rest = split(unit, inputs)
        moved = _forward([by_y0, None, None, *rest], ys, y0, t0, times, *operands, **p)
        entries.append(np.sum(s * moved))
    out = np.stack(entries)
    return out[: y0.shape[0]], out[y0.shape[0] :]


def _backward_again(
    s: Any, ys: Any, n: int, t0: Any, times: Any, operands: Any, f: Field, solver: _Solver
) -> tuple[Any, Any]:
    def both(t: Any, z: Any, *inputs: Any) -> Any:
        return np.concatenate(_adjoint_speed(f, t, z[:n], z[n : 2 * n], inputs))

    costate, parts = np.zeros(n), np.zeros(sum(x.size for x in operands))
    for k in range(ys.shape[0] - 1, -1, -1):
        costate = costate + s[k]
        before = times[k - 1] if k else t0
        if numpy_value(before) != numpy_value(times[k]):
            z = np.concatenate([ys[k], costate, parts])
            z = _flow(both, solver, z, times[k], np.reshape(before, (1,)), list(operands))[0]
            costate, parts = z[n : 2 * n], z[2 * n :]
    return costate, parts


_solution = numpy_op("ode", lambda *operands, value, **_: value, _backward, _forward)


class _Field(Closed):
    """A user's right-hand side as f(t, y, *operands) with the shape of y."""

    __slots__ = ("time_second",)

    def __init__(self, name: str, function: Field, args: Any, time_second: bool) -> None:
        super().__init__(name, function, args)
        self.time_second = time_second

    def __call__(self, t: Any, y: Any, *operands: Any) -> Any:
        out = super().__call__(*((y, t) if self.time_second else (t, y)), *operands)
        if out.shape != y.shape:
            if out.size != y.size:
                raise ShapeError(f"{self.name}: the function returned shape {out.shape} for y of shape {y.shape}")
            out = np.reshape(out, y.shape)
        return out


def _check_real(name: str, *given: Any) -> None:
    if any(x.dtype.kind == "c" for x in given):
        raise refuse(name, "a complex y0 or argument", "take the real and the imaginary parts as unknowns of their own")


# ---- odeint ----

_FIRST_ODEINT = ("Dfun", "col_deriv", "ml", "mu", "h0")
# Further arguments in SciPy's order.
_MORE = (
    *("ml", "mu", "rtol", "atol", "tcrit", "h0", "hmax", "hmin"),
    *("ixpr", "mxstep", "mxhnil", "mxordn", "mxords", "printmessg"),
)


def _run_odeint(solver: _Solver, f: Field, y0: Any, t0: float, times: np.ndarray) -> np.ndarray:
    if not times.size:
        return np.zeros((0, y0.shape[0]))
    options, speed = solver.options, f
    if solver.is_enlarged:
        # Left to itself the method steps over the last time and interpolates, but outside of the interval the equation
        # may have no meaning.
        first, last = sorted((t0, float(times[-1])))
        options = {**options, "tcrit": [times[-1]]}
        speed = lambda t, y: f(min(max(t, first), last), y)  # noqa: E731
    return _theirs.odeint(speed, y0, np.concatenate([[t0], times]), tfirst=True, **options)[1:]


def _interpolant_odeint(solver: _Solver, f: Field, y0: Any, start: float, stop: float) -> Any:
    """By the same method, of which odeint itself gives no interpolant."""
    options = {key: 1.49012e-8 if solver.options.get(key) is None else solver.options[key] for key in ("rtol", "atol")}
    return _dense(f, (start, stop), y0, method="LSODA", **options)


def _dense(f: Field, span: tuple[float, float], y0: Any, **options: Any) -> Any:
    found = _theirs.solve_ivp(f, span, y0, dense_output=True, **options)
    if not found.success:
        raise RuntimeError(f"the solution could not be computed again for its derivative: {found.message}")
    return found.sol


@describes(_theirs.odeint)
def odeint(
    func: Callable[..., Any],
    y0: Any,
    t: Any,
    args: Any = (),
    Dfun: Any = None,
    col_deriv: int = 0,
    full_output: int = 0,
    *more: Any,
    tfirst: bool = False,
    **options: Any,
) -> Any:
    """The solution of dy/dt = func(y, t, *args), y(t[0]) = y0, at the times t; see `scipy.integrate.odeint`.

    y0 is (n,) and t is (k,); the result is (k, n). Differentiable by y0, t and the arrays in `args`, which may be
    containers, in both modes and to any order. The equations for the derivatives are solved with the tolerances
    `rtol` and `atol` as well. func is written with functions that pyad knows, and may return a list.

    Raises:
        ConcretizationError: func uses a traced value that is not among its arguments.
        ShapeError: y0 or t is no vector, or func returns another shape than y's.
        UnsupportedError: full_output with traced values.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.integrate import odeint
    >>> decay = lambda y, t, rate: -rate * y
    >>> pyad.grad(lambda rate: odeint(decay, 1.0, [0.0, 1.0], (rate,))[-1, 0])(2.0).round(5)
    np.float64(-0.13534)
    """
    options.update(zip(_MORE, more, strict=False))
    options.update(Dfun=Dfun, col_deriv=col_deriv)
    if not tree.any_traced(y0, t, args):
        run = guarded("odeint", func)
        return _theirs.odeint(run, y0, t, args, full_output=full_output, tfirst=tfirst, **options)
    if full_output:
        raise refuse("odeint", "full_output", "leave it out")
    y0, t = asarray(y0), asarray(t)
    y0 = np.reshape(y0, (1,)) if y0.ndim == 0 else y0
    if y0.ndim != 1 or t.ndim != 1 or not t.size:
        raise ShapeError(f"odeint: y0 has shape {y0.shape} and t {t.shape}, expected two vectors")
    f = _Field("odeint", func, args, not tfirst)
    _check_real("odeint", y0, *f.operands)
    if Dfun is not None:
        fixed = Closed("odeint", Dfun, args)
        values = fixed.plain_operands()
        options["Dfun"] = lambda t, y: fixed(*((t, y) if tfirst else (y, t)), *values)
    return _flow(f, _Solver(_run_odeint, _interpolant_odeint, options, _FIRST_ODEINT), y0, t[0], t, f.operands)


# ---- solve_ivp ----

_FIRST_IVP = ("jac", "jac_sparsity", "lband", "uband", "first_step")


def _run_ivp(solver: _Solver, f: Field, y0: Any, t0: float, times: np.ndarray) -> np.ndarray:
    if not times.size or (times == t0).all():
        return np.broadcast_to(y0, (times.size, y0.shape[0])).copy()
    found = _theirs.solve_ivp(f, (t0, times[-1]), y0, t_eval=times, **solver.options)
    if not found.success:
        raise RuntimeError(f"solve_ivp: the equation of a derivative could not be solved: {found.message}")
    return found.y.T


def _interpolant_ivp(solver: _Solver, f: Field, y0: Any, start: float, stop: float) -> Any:
    return _dense(f, (start, stop), y0, **solver.options)


@describes(_theirs.solve_ivp)
def solve_ivp(
    fun: Callable[..., Any],
    t_span: Any,
    y0: Any,
    method: Any = "RK45",
    t_eval: Any = None,
    dense_output: bool = False,
    events: Any = None,
    vectorized: bool = False,
    args: tuple[Any, ...] | None = None,
    **options: Any,
) -> Any:
    """The solution of dy/dt = fun(t, y, *args) with y(t_span[0]) = y0; see `scipy.integrate.solve_ivp`.

    Returns SciPy's result object, in which y, (n, number of times), is traced, and t where the times are. It is
    differentiable by y0, t_span, t_eval and the arrays in `args`, which may be containers, in both modes and to any
    order. Where t_eval is not given, the times that the solver chose are constant but for the first and the last. The
    equations for the derivatives are solved by the same method with the same `rtol` and `atol` as the equation itself,
    whose defaults are 1e-3 and 1e-6.

    Raises:
        ConcretizationError: fun uses a traced value that is not among its arguments.
        RuntimeError: the equation for a derivative could not be solved.
        ShapeError: y0 is no vector, or fun returns another shape than y's.
        UnsupportedError: events or dense_output with traced values.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.integrate import solve_ivp
    >>> def final(rate):
    ...     return solve_ivp(lambda t, y, rate: -rate * y, (0.0, 1.0), [1.0], args=(rate,), rtol=1e-8).y[0, -1]
    >>> pyad.grad(final)(2.0).round(5)
    np.float64(-0.13534)
    """
    if not tree.any_traced(t_span, y0, t_eval, args):
        run = guarded("solve_ivp", fun)
        return _theirs.solve_ivp(run, t_span, y0, method, t_eval, dense_output, events, vectorized, args, **options)
    for name, given in (("events", events), ("dense_output", dense_output)):
        if given:
            raise refuse("solve_ivp", name, "give t_eval the times you need")
    t_span, y0 = asarray(t_span), asarray(y0)
    if y0.ndim != 1 or t_span.shape != (2,):
        raise ShapeError(f"solve_ivp: t_span has shape {t_span.shape} and y0 {y0.shape}, expected (2,) and a vector")
    f = _Field("solve_ivp", fun, () if args is None else args, False)
    _check_real("solve_ivp", y0, *f.operands)
    if callable(options.get("jac")):
        jacobian = Closed("solve_ivp", options["jac"], () if args is None else args)
        values = jacobian.plain_operands()
        options["jac"] = lambda t, y: jacobian(t, y, *values)
    values = f.plain_operands()
    wanted = None if t_eval is None else asarray(t_eval)
    found = _theirs.solve_ivp(
        lambda t, y: f(t, y, *values),
        tuple(numpy_value(t_span)),
        numpy_value(y0),
        method,
        numpy_value(wanted),
        **options,
    )
    times = found.t if wanted is None else wanted[: len(found.t)]
    if wanted is None and is_traced(t_span):
        last = t_span[1:] if found.status == 0 else found.t[-1:]
        times = np.concatenate([t_span[:1], found.t[1:-1], last])
    solver = _Solver(_run_ivp, _interpolant_ivp, {"method": method, **options}, _FIRST_IVP)
    found.t = times
    found.y = np.transpose(_flow(f, solver, y0, t_span[0], times, f.operands, found.y.T))
    return found
