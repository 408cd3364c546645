"""The rules of `numpy.linalg` on plain complex arrays, for which they hold too; see `pyad._ops.linalg._matrices`."""

import numpy as np
import pytest
from numpy import linalg as la

from pyad._ops.linalg import decompositions, least_squares, solve

RNG = np.random.default_rng(11)


def drawn(*shape):
    return RNG.normal(size=shape) + 1j * RNG.normal(size=shape)


def times_adjoint(x):
    return x @ np.conj(np.swapaxes(x, -1, -2))


A = drawn(3, 3) + 2.0 * np.eye(3)
STACK = drawn(2, 3, 3) + 2.0 * np.eye(3)
WIDE, TALL = drawn(2, 3), drawn(3, 2)
HERMITIAN = times_adjoint(A) + np.diag([1.0, 2.0, 5.0])
HERMITIANS = times_adjoint(STACK) + np.diag([1.0, 2.0, 5.0])


def turned_to(columns, like):
    """Columns times the numbers of modulus one that bring their inner products with `like` to the positive axis."""
    inner = np.sum(np.conj(columns) * like, -2, keepdims=True)
    return columns * (inner / np.abs(inner))


def eig_like(a, y):
    """The decomposition in the gauge of the rule: v^-1 dv has a real diagonal."""
    w, v = la.eig(a)
    inner = np.diagonal(la.solve(y[1], v))
    return w, v * (np.conj(inner) / np.abs(inner))


def svd_like(a, full, y):
    """The decomposition in the gauge of the rule: v' dv has a real diagonal, which is zero."""
    u, s, vh = la.svd(a, full)
    v, v0 = np.conj(vh.swapaxes(-1, -2)), np.conj(y[2].swapaxes(-1, -2))
    k = s.shape[-1]
    turned = turned_to(v[..., :k], v0[..., :k])
    phase = np.sum(np.conj(v[..., :k]) * turned, -2)
    return u[..., :k] * phase[..., None, :], s, np.conj(turned.swapaxes(-1, -2))


# name: (the value near the point, given the value at the point; its rules; arguments; keyword parameters of the rules)
RULES = {
    "inv": (lambda y, a: la.inv(a), solve._inv_vjp, solve._inv_jvp, (STACK,), {}),
    "solve": (lambda y, a, b: la.solve(a, b), solve._solve_vjp, solve._solve_jvp, (STACK, TALL[None]), {}),
    "slogdet": (lambda y, a: tuple(la.slogdet(a)), solve._slogdet_vjp, solve._slogdet_jvp, (STACK,), {}),
    "pinv wide": (lambda y, a: la.pinv(a), least_squares._pinv_vjp, least_squares._pinv_jvp, (WIDE,), {}),
    "pinv tall": (lambda y, a: la.pinv(a), least_squares._pinv_vjp, least_squares._pinv_jvp, (TALL,), {}),
    "lstsq tall": (
        lambda y, a, b: tuple(la.lstsq(a, b)[k] for k in (0, 3)),
        least_squares._lstsq_vjp,
        least_squares._lstsq_jvp,
        (TALL, drawn(3, 2)),
        {"rcond": None, "seen": [None, 2]},
    ),
    "lstsq wide": (
        lambda y, a, b: tuple(la.lstsq(a, b)[k] for k in (0, 3)),
        least_squares._lstsq_vjp,
        least_squares._lstsq_jvp,
        (WIDE, drawn(2, 2)),
        {"rcond": None, "seen": [None, 2]},
    ),
    "cholesky": (
        lambda y, a: la.cholesky(a),
        decompositions._cholesky_vjp,
        decompositions._cholesky_jvp,
        (HERMITIANS,),
        {},
    ),
    "qr": (lambda y, a: tuple(la.qr(a)), decompositions._qr_vjp, decompositions._qr_jvp, (TALL,), {"mode": "reduced"}),
    "eigh": (
        lambda y, a: (la.eigh(a)[0], turned_to(la.eigh(a)[1], y[1])),
        decompositions._eigh_vjp,
        decompositions._eigh_jvp,
        (HERMITIANS,),
        {"UPLO": "L"},
    ),
    "eigh upper": (
        lambda y, a: (la.eigh(a, "U")[0], turned_to(la.eigh(a, "U")[1], y[1])),
        decompositions._eigh_vjp,
        decompositions._eigh_jvp,
        (HERMITIAN,),
        {"UPLO": "U"},
    ),
    "eig": (
        lambda y, a: eig_like(a, y),
        decompositions._eig_vjp,
        decompositions._eig_jvp,
        (A,),
        {},
    ),
    "eig of a real matrix": (
        lambda y, a: eig_like(a, y),
        decompositions._eig_vjp,
        decompositions._eig_jvp,
        (np.array([[1.0, 2.0, 0.3], [-2.0, 1.5, 0.1], [0.2, 0.4, 3.0]]),),
        {},
    ),
    "svd": (
        lambda y, a: svd_like(a, False, y),
        decompositions._svd_vjp,
        decompositions._svd_jvp,
        (STACK,),
        {"full_matrices": False},
    ),
    "svd tall": (
        lambda y, a: svd_like(a, False, y),
        decompositions._svd_vjp,
        decompositions._svd_jvp,
        (TALL,),
        {"full_matrices": False},
    ),
    "svd wide": (
        lambda y, a: svd_like(a, False, y),
        decompositions._svd_vjp,
        decompositions._svd_jvp,
        (WIDE,),
        {"full_matrices": False},
    ),
}


def start(name):
    """The value at the point itself."""
    value, _, _, args, _ = RULES[name]
    if name.startswith("svd"):
        return tuple(la.svd(args[0], False))
    if name.startswith("eigh"):
        return tuple(la.eigh(args[0], "U" if "upper" in name else "L"))
    if name.startswith("eig"):
        return tuple(la.eig(args[0]))
    return value(None, *args)


def like(x):
    """A random direction of the same kind."""
    return drawn(*x.shape) if np.iscomplexobj(x) else drawn(*x.shape).real


def several(x):
    return list(x) if isinstance(x, tuple) else [x]


@pytest.mark.parametrize("name", RULES)
def test_rules_hold_for_complex_matrices(name):
    function, vjp, jvp, args, params = RULES[name]
    y = start(name)
    tangents = [like(x) for x in args]
    step = 1e-6
    ahead = several(function(y, *(x + step * t for x, t in zip(args, tangents, strict=True))))
    behind = several(function(y, *(x - step * t for x, t in zip(args, tangents, strict=True))))
    want = [(a - b) / (2 * step) for a, b in zip(ahead, behind, strict=True)]
    got = several(jvp(tangents, y, *args, **params))
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)
    cotangents = [like(x) for x in several(y)]
    parts = vjp(tuple(cotangents) if isinstance(y, tuple) else cotangents[0], y, *args, **params)
    parts = [part() if callable(part) else part for part in parts]
    along = sum(np.sum(part * t).real for part, t in zip(parts, tangents, strict=True))
    np.testing.assert_allclose(along, sum(np.sum(g * d).real for g, d in zip(cotangents, want, strict=True)), rtol=1e-6)
    for part, x in zip(parts, args, strict=True):
        assert np.iscomplexobj(part) == np.iscomplexobj(x)


def test_the_second_derivative_of_the_determinant_holds_for_singular_complex_matrices():
    a = np.outer(drawn(3), drawn(3))
    x = drawn(3, 3)
    step = 1e-6
    want = (solve._adjugate_value(a + step * x) - solve._adjugate_value(a - step * x)) / (2 * step)
    np.testing.assert_allclose(solve._adjugate_move_value(a, x), want, atol=1e-7)
    np.testing.assert_allclose(np.sum(solve._adjugate_value(A).T * x), la.det(A) * np.trace(la.solve(A, x)))
