"""NumPy's functions of complex arrays: values, derivatives to second order, and pullbacks of autograd or JAX."""

from functools import partial

import autograd.numpy as anp
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from autograd.core import make_vjp
from support.calls import check_derivatives
from support.complex_calls import check_orders, check_pullback, check_values, cotangent_of, quietly

import pyad
import pyad.numpy as pnp
from pyad.extend import defjvp, defvjp, primitive
from pyad.testing import check_grads

Z = np.array([1.3 + 0.7j, -0.5 + 0.3j, 0.2 - 0.9j])
W = np.array([0.4 - 0.2j, 1.1 + 0.6j, -0.7 + 1.5j])
X = np.array([0.5, 1.5, -0.3])
M = np.array([[1.0 + 2.0j, 0.5 - 1.0j, 0.3j], [-0.7, 0.2 + 0.4j, 1.0 - 0.5j]])
S = np.array([[1.0 + 2.0j, 0.5 - 1.0j], [-0.7 + 0.1j, 0.2 + 0.4j]])
R = np.array([[1.0, 0.5, 0.3], [-0.7, 0.2, 1.5]])
MASK = np.array([True, False, True])
ZERO = np.array([1 + 2j, 0, 2 - 1j])
TIED = np.array([1 + 2j, 1 - 1j, -0.5 + 3j])

# Each row: a name, the call for a namespace and its arguments, and the arguments. In the name, "@" stands before what
# the pullback is compared with: autograd where nothing is said, or jax, or none.
ELEMENTWISE = [
    *(
        (name, lambda np, z, name=name: getattr(np, name)(z), Z)
        for name in [
            "exp",
            "expm1",
            "log",
            "log2",
            "log10",
            "log1p",
            "sqrt",
            "square",
            "sin",
            "cos",
            "tan",
            "sinh",
            "cosh",
            "tanh",
            "arcsin",
            "arccos",
            "arctan",
            "arcsinh",
            "arctanh",
            "reciprocal",
            "negative",
            "conj",
            "conjugate",
            "absolute",
            "abs",
            "real",
            "imag",
            "angle",
        ]
    ),
    ("arccosh@", lambda np, z: np.arccosh(z), Z),  # of which autograd and JAX take the other root where re z < 0
    ("exp2@jax", lambda np, z: np.exp2(z), Z),
    ("positive@", lambda np, z: np.positive(z), Z),
    ("sign@", lambda np, z: np.sign(z), Z),
    ("sinc@", lambda np, z: np.sinc(z), Z),
    ("sinc at zero@", lambda np, z: np.sinc(z), np.array([0j, 1 + 0j, 0.5j])),
    ("add mixed", lambda np, z, x: np.add(z, x), Z, X),
    ("subtract mixed", lambda np, z, x: np.subtract(x, z), Z, X),
    ("multiply mixed", lambda np, z, x: np.multiply(z, x), Z, X),
    ("divide mixed", lambda np, z, x: np.divide(x, z), Z, X),
    ("divide by real", lambda np, z, x: np.true_divide(z, x), Z, X),
    ("power", lambda np, z, w: np.power(z, w), Z, W),
    ("power real complex@jax", lambda np, x, w: np.power(x, w), abs(X), W),
    ("power complex real@jax", lambda np, z, x: np.power(z, x), Z, X),
    ("power negative real complex@", lambda np, x, w: np.power(x + 0j, w), X, W),
    ("power number complex", lambda np, w: 2.0**w, W),
    ("power complex number", lambda np, z: z ** (1 - 2j), Z),
    ("power integer", lambda np, z: z**5, Z),
    ("power negative integer", lambda np, z: z**-3, Z),
    ("power half", lambda np, z: z**0.5, Z),
    ("power zero", lambda np, z: z**0 + z, Z),
    ("power integers", lambda np, z: z ** np.array([2, 0, -1]), Z),
    ("float_power@", lambda np, z, w: np.float_power(z, w), Z, W),
    ("maximum@", lambda np, z, w: np.maximum(z, w), Z, W),
    ("minimum mixed@", lambda np, z, x: np.minimum(z, x), Z, X),
    ("fmax@", lambda np, z, w: np.fmax(z, w), Z, W),
    ("fmin mixed@", lambda np, z, x: np.fmin(z, x), Z, X),
    ("clip@", lambda np, z: np.clip(z, -0.4, 0.5 + 1j), Z),
    ("nan_to_num@", lambda np, z: np.nan_to_num(z), Z),
    ("where mixed@jax", lambda np, z, x: np.where(MASK, z, x), Z, X),
    ("where picks real@", lambda np, z, x: np.where(~MASK, z, x) ** 2, Z, X),
    ("angle degrees@", lambda np, z: np.angle(z, deg=True), Z),
    ("angle of real@", lambda np, x: np.angle(x) + x, X),
    ("real_if_close@", lambda np, z: np.real_if_close(z), Z),
    ("real_if_close closes@", lambda np, x: np.real_if_close(x + 0j) ** 2, X),
    ("abs of real to complex@jax", lambda np, x: np.abs(x * (1 + 2j)), X),
    ("sqrt of negative", lambda np, x: np.sqrt(x + 0j), X),
    ("vdot of conj", lambda np, z, w: np.conj(z) * w, Z, W),
    ("in place operators@", lambda np, z: (z + 1j) / (2 - z) - 3j * z, Z),
    ("isclose masks@", lambda np, z: np.where(np.isclose(z, Z, atol=0.1), z, 0), Z),
    ("comparison masks@", lambda np, z: np.where((z != W) & ~(z == W), z * z, np.conj(z)), Z),
    ("order masks@", lambda np, z: np.where(z > W, z * z, np.conj(z)), Z),
    ("finite masks@", lambda np, z: np.where(np.isfinite(z) & ~np.isnan(z) & ~np.isinf(z), z, 0), Z),
    ("heaviside of magnitudes@", lambda np, z: np.heaviside(np.abs(z) - 0.9, 0.5) * z, Z),
    ("ufunc keywords@", lambda np, x: np.exp(x, dtype=complex) * 1j, X),
    ("ufunc outer@", lambda np, z, w: np.multiply.outer(z, w), Z, W),
    ("ufunc reduce@", lambda np, z: np.multiply.reduce(z), Z),
    ("ufunc add reduce@", lambda np, m: np.add.reduce(m, 1), M),
    ("ufunc accumulate@", lambda np, z: np.multiply.accumulate(z), Z),
    ("ufunc max accumulate@", lambda np, z: np.maximum.accumulate(z), Z),
    ("ufunc max reduce@", lambda np, z: np.maximum.reduce(z), Z),
    ("ufunc reduceat@", lambda np, z: np.add.reduceat(z, [0, 2]), Z),
    ("ufunc divide reduce@", lambda np, z: np.divide.reduce(z), Z),
]
REDUCTIONS = [
    ("sum", lambda np, m: np.sum(m, axis=1), M),
    ("sum dtype@", lambda np, x: np.sum(x * x, dtype=complex), X),
    ("sum where@", lambda np, z: np.sum(z, where=MASK), Z),
    ("sum initial@", lambda np, z: np.sum(z, initial=2j), Z),
    ("sum initial of real@", lambda np, x: np.sum(x), X),
    ("prod", lambda np, m: np.prod(m, axis=0), M),
    ("prod with zero@jax", lambda np, z: np.prod(z), ZERO),
    ("prod with zeros@", lambda np, z: np.prod(z), np.array([0j, 0, 2 - 1j])),
    ("mean", lambda np, m: np.mean(m, axis=1, keepdims=True), M),
    ("mean dtype@", lambda np, x: np.mean(x * x, dtype=complex), X),
    ("var@jax", lambda np, m: np.var(m, axis=1), M),
    ("var ddof@", lambda np, m: np.var(m, ddof=1), M),
    ("std@", lambda np, m: np.std(m, axis=0, ddof=1), M),
    ("std of all@jax", lambda np, z: np.std(z), Z),
    ("cumsum", lambda np, m: np.cumsum(m, axis=1), M),
    ("cumsum dtype@", lambda np, x: np.cumsum(x * x, dtype=complex), X),
    ("cumprod@jax", lambda np, m: np.cumprod(m, axis=1), M),
    ("cumprod with zero@", lambda np, z: np.cumprod(z), ZERO),
    ("cumprod dtype@", lambda np, x: np.cumprod(x, dtype=complex), X),
    ("nansum@", lambda np, z: np.nansum(np.where(MASK, z, np.nan)), Z),
    ("nanmean@", lambda np, z: np.nanmean(np.where(MASK, z, np.nan)), Z),
    ("nanprod@", lambda np, z: np.nanprod(np.where(MASK, z, np.nan)), Z),
    ("nanvar@", lambda np, z: np.nanvar(np.where(MASK, z, np.nan)), Z),
    ("nanstd@", lambda np, z: np.nanstd(np.where(MASK, z, np.nan)), Z),
    ("nancumsum@", lambda np, z: np.nancumsum(np.where(MASK, z, np.nan)), Z),
    ("nancumprod@", lambda np, z: np.nancumprod(np.where(MASK, z, np.nan)), Z),
    ("nanmax@", lambda np, z: np.nanmax(np.where(MASK, z, np.nan)), Z),
    ("nanmin@", lambda np, z: np.nanmin(np.where(MASK, z, np.nan)), Z),
    ("nanmedian@", lambda np, z: np.nanmedian(np.where(MASK, z, np.nan)), Z),
    ("max@", lambda np, m: np.max(m, axis=1), M),
    ("min@", lambda np, m: np.min(m, axis=0), M),
    ("max where@", lambda np, z: np.max(z, initial=-5 + 1j, where=MASK), Z),
    ("sort@", lambda np, m: np.sort(m, axis=1), M),
    ("sort_complex@", lambda np, z: np.sort_complex(z), Z),
    ("sort_complex of real@", lambda np, x: np.sort_complex(x), X),
    ("argsort@", lambda np, z: z[np.argsort(z)], Z),
    ("partition@", lambda np, z: np.partition(z, 1)[1], Z),
    ("median@", lambda np, z: np.median(z), Z),
    ("median of four@", lambda np, s: np.median(s), S),
    ("ptp@", lambda np, z: np.ptp(z), Z),
    ("average@", lambda np, z: np.average(z, weights=X**2), Z),
    ("average complex weights@", lambda np, x, w: np.average(x, weights=w), X, W),
    ("average axis@", lambda np, m: np.average(m, axis=1, weights=[0.2, 0.5, 1.0], returned=True), M),
    ("diff", lambda np, z: np.diff(z, 2), Z),
    ("diff append@", lambda np, z: np.diff(z, prepend=1j, append=X), Z),
    ("ediff1d@", lambda np, z: np.ediff1d(z), Z),
    ("gradient@", lambda np, z: np.gradient(z), Z),
    ("gradient spacing@", lambda np, m: np.gradient(m, [0.0, 0.5, 2.0], axis=1), M),
    ("trapezoid@jax", lambda np, z: np.trapezoid(z, dx=0.5), Z),
    ("trapezoid path@", lambda np, z, w: np.trapezoid(z, w), Z, W),
    ("cov@jax", lambda np, m: np.cov(m), M),
    ("cov of two@", lambda np, z, x: np.cov(z, x), Z, X),
    ("cov weights@", lambda np, m: np.cov(m, aweights=[0.2, 0.5, 1.0]), M),
    ("corrcoef@", lambda np, m: np.corrcoef(m), M),
    ("all any@", lambda np, z: z * np.any(z) * np.all(z), Z),
    ("argmax@", lambda np, z: z[np.argmax(z)] * z[np.argmin(z)], Z),
    ("count_nonzero@", lambda np, z: z * np.count_nonzero(z), Z),
    ("unique@", lambda np, z: np.unique(z), Z),
    ("bincount magnitudes@", lambda np, z: np.bincount(np.array([0, 1, 1]), np.abs(z)), Z),
]
SHAPES = [
    ("reshape", lambda np, m: np.reshape(m, (3, 2)), M),
    ("ravel", lambda np, m: np.ravel(m), M),
    ("transpose", lambda np, m: np.transpose(m), M),
    ("moveaxis", lambda np, m: np.moveaxis(m, 0, 1), M),
    ("swapaxes", lambda np, m: np.swapaxes(m, 0, 1), M),
    ("squeeze", lambda np, m: np.squeeze(m[:1]), M),
    ("expand_dims", lambda np, m: np.expand_dims(m, 1), M),
    ("broadcast_to@", lambda np, z: np.broadcast_to(z, (2, 3)), Z),
    ("atleast_2d", lambda np, z: np.atleast_2d(z), Z),
    ("index", lambda np, m: m[1, ::-2], M),
    ("index mask", lambda np, z: z[MASK], Z),
    ("index array", lambda np, m: m[[1, 0, 1], [2, 2, 0]], M),
    ("take@", lambda np, m: np.take(m, np.array([2, 0, 2]), axis=1), M),
    ("take_along_axis@", lambda np, m: np.take_along_axis(m, np.array([[2, 0, 1], [1, 1, 0]]), axis=1), M),
    ("compress@", lambda np, m: np.compress(MASK, m, axis=1), M),
    ("extract@", lambda np, z: np.extract(MASK, z), Z),
    ("choose@", lambda np, z, x: np.choose(np.array([0, 1, 0]), [z, x]), Z, X),
    ("select@", lambda np, z, x: np.select([MASK, ~MASK], [z, x], 2j), Z, X),
    ("select real and default complex@", lambda np, x: np.select([MASK], [x], 2j), X),
    ("piecewise@", lambda np, z: np.piecewise(z, [MASK], [np.sin, lambda z: 1j * z]), Z),
    ("pad", lambda np, m: np.pad(m, ((1, 0), (0, 2)), mode="constant"), M),
    ("pad with complex@jax", lambda np, z: np.pad(z, 1, constant_values=1j), Z),
    ("pad reflect@", lambda np, z: np.pad(z, 2, mode="reflect"), Z),
    ("pad edge@", lambda np, z: np.pad(z, 2, mode="edge"), Z),
    ("pad wrap@", lambda np, z: np.pad(z, 2, mode="wrap"), Z),
    ("pad mean@", lambda np, z: np.pad(z, 2, mode="mean"), Z),
    ("pad linear ramp@", lambda np, z: np.pad(z, 2, mode="linear_ramp", end_values=1j), Z),
    ("pad maximum@", lambda np, z: np.pad(z, 1, mode="maximum"), Z),
    ("pad median@", lambda np, z: np.pad(z, 1, mode="median"), Z),
    ("roll", lambda np, m: np.roll(m, 1, axis=1), M),
    ("rollaxis", lambda np, m: np.rollaxis(m, 1), M),
    ("repeat", lambda np, m: np.repeat(m, 2, axis=0), M),
    ("repeat counts@", lambda np, z: np.repeat(z, np.array([2, 0, 1])), Z),
    ("tile", lambda np, z: np.tile(z, (2, 2)), Z),
    ("diag", lambda np, z: np.diag(z, 1), Z),
    ("diag of matrix@", lambda np, m: np.diag(m), M),
    ("diagonal@", lambda np, m: np.diagonal(m), S),
    ("diagflat@", lambda np, z: np.diagflat(z), Z),
    ("trace", lambda np, s: np.trace(s), S),
    ("tril", lambda np, s: np.tril(s), S),
    ("triu", lambda np, s: np.triu(s, 1), S),
    ("flip@", lambda np, m: np.flip(m, 1), M),
    ("fliplr", lambda np, m: np.fliplr(m), M),
    ("flipud", lambda np, m: np.flipud(m), M),
    ("rot90", lambda np, m: np.rot90(m), M),
    ("vander@", lambda np, z: np.vander(z), Z),
    ("meshgrid@", lambda np, z, x: np.meshgrid(z, x), Z, X),
    ("broadcast_arrays@", lambda np, z, m: np.broadcast_arrays(z, m), Z, M),
    ("astype complex@", lambda np, x: x.astype(complex) * 1j, X),
    ("astype float@", lambda np, z: (z * z).astype(z.real.dtype), Z),
    ("array of lists@", lambda np, z, x: pnp.array([z[0], x[1], 1j, 2]), Z, X),
    ("array of rows@", lambda np, z, x: pnp.array([z, x]), Z, X),
    ("array dtype@", lambda np, x: pnp.array([x[0], x[1]], dtype=complex), X),
    ("concatenate@jax", lambda np, z, x: np.concatenate([x, z]), Z, X),
    ("stack@", lambda np, z, x: np.stack([x, z], axis=1), Z, X),
    ("hstack@", lambda np, z, x: np.hstack([x, z]), Z, X),
    ("vstack@", lambda np, z, x: np.vstack([x, z]), Z, X),
    ("column_stack@", lambda np, z, x: np.column_stack([x, z]), Z, X),
    ("dstack@", lambda np, z, x: np.dstack([x, z]), Z, X),
    ("block@", lambda np, s, x: np.block([[s, np.reshape(x[:2], (2, 1))]]), S, X),
    ("append@", lambda np, z, x: np.append(x, z), Z, X),
    ("insert@", lambda np, z: np.insert(z, 1, 2j), Z),
    ("insert complex into complex@", lambda np, z, w: np.insert(z, [0, 2], w[:2]), Z, W),
    ("delete@", lambda np, z: np.delete(z, 1), Z),
    ("split@", lambda np, z: np.split(z, [1]), Z),
    ("linspace@", lambda np, z: np.linspace(z[0], z[1], 4), Z),
    ("linspace real to complex@", lambda np, x, z: np.linspace(x[0], z[1], 4), X, Z),
    ("geomspace@", lambda np, z: np.geomspace(z[0], z[1], 4), Z),
    ("logspace@", lambda np, z: np.logspace(z[0], z[1], 4), Z),
    ("resize@", lambda np, z: np.resize(z, (2, 2)), Z),
    ("apply_along_axis@", lambda np, m: np.apply_along_axis(np.cumsum, 1, m), M),
    ("unwrap of angles@", lambda np, z: np.unwrap(np.angle(z)), Z),
    ("copy@", lambda np, z: np.copy(z), Z),
    ("methods@", lambda np, m: m.conj().T.reshape(2, 3).sum(0) * m.real.mean() + m.imag.max(), M),
]
CONTRACTIONS = [
    ("dot", lambda np, m, z: np.dot(m, z), M, Z),
    ("dot mixed@jax", lambda np, m, x: np.dot(m, x), M, X),
    ("dot real by complex@", lambda np, r, z: np.dot(r, z), R, Z),
    ("dot of three axes@", lambda np, z, m: np.dot(np.reshape(z, (1, 1, 3)), np.reshape(m, (1, 3, 2))), Z, M),
    ("matmul", lambda np, s, m: np.matmul(s, m), S, M),
    ("matmul mixed@", lambda np, r, z: r @ z, R, Z),
    ("matmul of stacks@", lambda np, m, s: np.stack([s, 1j * s]) @ m, M, S),
    ("inner@jax", lambda np, m, z: np.inner(m, z), M, Z),
    ("outer", lambda np, z, w: np.outer(z, w), Z, W),
    ("outer mixed@", lambda np, z, x: np.outer(x, z), Z, X),
    ("vdot@jax", lambda np, z, w: np.vdot(z, w), Z, W),
    ("vdot real and complex@jax", lambda np, x, w: np.vdot(x, w), X, W),
    ("vdot complex and real@", lambda np, x, w: np.vdot(w, x), X, W),
    ("vecdot@", lambda np, m, z: np.vecdot(m, z), M, Z),
    ("tensordot", lambda np, m, z: np.tensordot(m, z, 1), M, Z),
    ("tensordot axes@", lambda np, m, r: np.tensordot(m, r, ([0], [0])), M, R),
    ("einsum", lambda np, m, z: np.einsum("ij,j->i", m, z), M, Z),
    ("einsum of three@", lambda np, m, z, x: np.einsum("ij,j,j->i", m, z, x), M, Z, X),
    ("einsum diagonal@", lambda np, s: np.einsum("ii->i", s), S),
    ("einsum optimize@", lambda np, s, m: np.einsum("ij,jk,lk->il", s, m, np.conj(m), optimize=True), S, M),
    ("kron", lambda np, s, z: np.kron(s, z), S, Z),
    ("cross@", lambda np, z, w: np.cross(z, w), Z, W),
    ("cross mixed@", lambda np, z, x: np.cross(x, z), Z, X),
    ("convolve@", lambda np, z, w: np.convolve(z, w), Z, W),
    ("convolve same@", lambda np, z, x: np.convolve(x, z, "same"), Z, X),
    ("correlate@jax", lambda np, z, w: np.correlate(z, w, "full"), Z, W),
    ("correlate valid@", lambda np, z, x: np.correlate(x, z), Z, X),
    ("polyval@", lambda np, z, w: np.polyval(z, w), Z, W),
    ("polyval mixed@", lambda np, x, w: np.polyval(x, w), X, W),
    ("polyfit@", lambda np, x, w: np.polyfit(x, w, 1), X, W),
    ("polyfit complex@", lambda np, z, w: np.polyfit(z, w, 1), Z, W),
    ("roots@", lambda np, z: np.sort(np.roots(z)), Z),
    ("roots of real@", lambda np, x: np.sort(np.roots(x)), np.array([1.0, 1.0, 2.0])),
    ("poly@", lambda np, z: np.poly(z), Z),
    ("polyadd@", lambda np, z, x: np.polyadd(z, x), Z, X),
    ("polymul@", lambda np, z, x: np.polymul(z, x), Z, X),
    ("polyder@", lambda np, z: np.polyder(z), Z),
    ("polyint@", lambda np, z: np.polyint(z), Z),
    ("polydiv@", lambda np, z, w: np.polydiv(z, w[:2]), Z, W),
    ("interp@", lambda np, x, z: np.interp(x, [-1.0, 0.6, 2.0], z), X, Z),
    ("matrix_transpose@", lambda np, m: np.matrix_transpose(m), M),
]
TABLES = {"elementwise": ELEMENTWISE, "reductions": REDUCTIONS, "shapes": SHAPES, "contractions": CONTRACTIONS}
ROWS = {f"{table}: {row[0]}": (row[1], row[2:]) for table, rows in TABLES.items() for row in rows}
# float32 stays float32 here, and so complex64 complex64, where NumPy multiplies by integers.
KEEPS_SINGLE = {"contractions: polyder@", "contractions: polyint@"}


@pytest.mark.parametrize("row", ROWS)
def test_a_function_of_complex_numbers_has_numpys_values_and_right_derivatives(row):
    f, args = ROWS[row]
    check_values(partial(f, np), args, keeps_single=row in KEEPS_SINGLE)
    if row.startswith("elementwise"):
        check_orders(partial(f, np), args)
    else:
        quietly(check_derivatives, partial(f, np), *args)


def pullback_of_autograd(f, args):
    def by(k):
        return make_vjp(lambda x: f(anp, *args[:k], x, *args[k + 1 :]), args[k])[0]

    return lambda s: [by(k)(s[()]) for k in range(len(args))]


def pullback_of_jax(f, args):
    value, vjp = jax.vjp(lambda *args: f(jnp, *args), *args)
    return lambda s: vjp(jnp.asarray(s, value.dtype))


@pytest.mark.parametrize("row", [row for row in ROWS if "@" not in row])
def test_pullbacks_of_complex_functions_are_those_of_autograd(row):
    f, args = ROWS[row]
    check_pullback(partial(f, np), pullback_of_autograd(f, args), args)


@pytest.mark.parametrize("row", [row for row in ROWS if row.endswith("@jax")])
def test_pullbacks_of_complex_functions_are_those_of_jax(row):
    f, args = ROWS[row]
    check_pullback(partial(f, np), pullback_of_jax(f, args), args)


# ---- what differences do not show ----

# The call, and which elements of TIED it picks: their real parts are equal, so a change of these changes the order.
PICKS = {
    "max": (np.max, 0),
    "min": (np.min, 2),
    "nanmax": (np.nanmax, 0),
    "sort": (np.sort, [2, 1, 0]),
    "sort_complex": (np.sort_complex, [2, 1, 0]),
    "argmax": (lambda z: z[np.argmax(z)], 0),
    "argsort": (lambda z: z[np.argsort(z)], [2, 1, 0]),
    "median": (np.median, 1),
    "partition": (lambda z: np.partition(z, 1)[1], 1),
    "unique": (np.unique, [2, 1, 0]),
    "maximum": (lambda z: np.maximum(z, 1 + 0j)[:1], [0]),
    "trim_zeros": (lambda z: np.trim_zeros(np.concatenate([[0], z])), [0, 1, 2]),
}


@pytest.mark.parametrize("name", PICKS)
def test_what_is_picked_by_numpys_order_of_complex_numbers_gets_the_derivative(name):
    f, places = PICKS[name]
    value, pullback = pyad.vjp(f, TIED)
    np.testing.assert_array_equal(value, f(TIED))
    s = cotangent_of(value)
    want = np.zeros(3, complex)
    want[places] = s
    np.testing.assert_allclose(pullback(s)[0], want, rtol=1e-14)


CUTS = [complex(*z) for z in ((2, 0.0), (2, -0.0), (-2, 0.0), (-2, -0.0), (0.0, 2), (-0.0, 2), (0.0, -2), (-0.0, -2))]


@pytest.mark.parametrize(
    "name", ["sqrt", "log", "log2", "log10", "log1p", "arcsin", "arccos", "arctan", "arcsinh", "arccosh", "arctanh"]
)
def test_on_a_branch_cut_the_derivative_is_that_of_the_side_of_the_value(name):
    f = getattr(np, name)
    for at in CUTS:
        beside = complex(*(part or np.copysign(1e-9, part) for part in (at.real, at.imag)))
        assert abs(f(beside) - f(at)) < 1e-7
        slope, near = (pyad.grad(f, holomorphic=True)(z) for z in (at, beside))
        assert abs(slope - near) < 1e-7


REFUSED = [
    "hypot",
    "arctan2",
    "floor",
    "ceil",
    "trunc",
    "mod",
    "remainder",
    "fmod",
    "floor_divide",
    "logaddexp",
    "logaddexp2",
    "cbrt",
    "fabs",
    "copysign",
    "heaviside",
    "degrees",
    "radians",
    "rad2deg",
    "deg2rad",
    "divmod",
    "modf",
    "frexp",
    "nextafter",
    "spacing",
    "signbit",
]
COMPUTED_AS = {"divmod": "floor_divide", "degrees": "rad2deg", "radians": "deg2rad"}


@pytest.mark.parametrize("name", REFUSED)
def test_ufuncs_that_numpy_refuses_for_complex_numbers_are_refused_by_name(name):
    ufunc = getattr(np, name)
    for operands in ((Z, Z), (X, Z)) if ufunc.nin == 2 else ((Z,),):
        with pytest.raises(TypeError):
            ufunc(*operands)
        with pytest.raises(TypeError, match=COMPUTED_AS.get(name, ufunc.__name__)):
            pyad.vjp(lambda z, operands=operands: ufunc(*operands[:-1], z), Z)


@pytest.mark.parametrize(
    ("name", "call"),
    {
        "quantile": lambda z: np.quantile(z, 0.5),
        "percentile": lambda z: np.percentile(z, 50),
        "i0": np.i0,
        "trunc": np.fix,
        "remainder": np.unwrap,
        "interp": lambda z: np.interp(z, X, X),
    }.items(),
)
def test_functions_that_numpy_refuses_for_complex_numbers_are_refused_by_name(name, call):
    with pytest.raises(TypeError):
        call(Z)
    with pytest.raises(TypeError, match=name):
        pyad.vjp(call, Z)


def test_a_complex_array_made_real_warns_as_in_numpy():
    with pytest.warns(np.exceptions.ComplexWarning):
        pyad.vjp(lambda z: z.astype(float), Z)


def test_a_derivative_of_the_finite_part_of_a_number_is_left():
    value, pullback = pyad.vjp(np.nan_to_num, np.array([complex(1, np.nan), complex(np.inf, 2), 3 + 1j]))
    np.testing.assert_array_equal(value, [1, complex(np.finfo(float).max, 2), 3 + 1j])
    np.testing.assert_array_equal(pullback(np.full(3, 1 + 1j))[0], [1, 1j, 1 + 1j])


# ---- transforms ----


def test_custom_rules_of_real_and_complex_arguments():
    @pyad.custom_vjp
    def product(x, z):
        return np.sum(x * np.exp(z))

    product.defvjp(lambda x, z: (product(x, z), (x, np.exp(z))), lambda r, s: (np.real(s * r[1]), s * r[0] * r[1]))
    check_grads(product, (X, Z), order=2, modes="rev")
    pullback = pyad.vjp(product, X, Z)[1]
    for once, twice in zip(pullback(1j), pullback(2j), strict=True):
        np.testing.assert_allclose(2 * once, twice, rtol=1e-14)

    @pyad.custom_jvp
    def squared(z):
        return np.abs(z) ** 2

    squared.defjvp(lambda p, t: (squared(p[0]), 2 * np.real(np.conj(p[0]) * t[0])))
    check_grads(squared, (Z,), order=2)
    np.testing.assert_allclose(pyad.grad(lambda z: np.sum(squared(z)))(Z), 2 * np.conj(Z), rtol=1e-14)


def test_primitives_of_complex_values():
    @primitive
    def turned(x):
        return np.asarray(x) * (1 + 2j)

    defvjp(turned, lambda ans, x: lambda s: np.real(s * (1 + 2j)))
    defjvp(turned, "same")
    check_grads(lambda x: turned(x) ** 2, (X,), order=2)


def test_holomorphic_grad_of_the_autograd_module():
    from pyad.autograd import holomorphic_grad

    assert holomorphic_grad(lambda z: z**3)(1 + 2j) == 3 * (1 + 2j) ** 2
    assert holomorphic_grad(lambda a, z: a * z**3, 1)(2.0, 1j) == -6
    want = np.exp(Z) * (1 + Z)
    np.testing.assert_allclose(holomorphic_grad(lambda z: np.sum(np.exp(z) * z))(Z), want, rtol=1e-14)
    with pytest.warns(UserWarning, match="not complex"):
        assert holomorphic_grad(lambda z: z**3)(2.0) == 12.0


def test_jacobians_and_hessians_of_trees_of_complex_numbers():
    jacobian = pyad.jacobian(lambda p: p["a"] * p["b"], holomorphic=True)({"a": Z, "b": W})
    np.testing.assert_allclose(jacobian["a"], np.diag(W))
    np.testing.assert_allclose(jacobian["b"], np.diag(Z))
    hessian = pyad.hessian(lambda z: np.sum(np.cumprod(z)), holomorphic=True)(Z)
    a, b, c = Z
    np.testing.assert_allclose(hessian, [[0, 1 + c, b], [1 + c, 0, a], [b, a, 0]], rtol=1e-14)


def test_checkpoints_and_fixed_points_of_complex_numbers():
    check_grads(pyad.checkpoint(lambda z: np.exp(z) * np.conj(z)), (Z,), order=2)

    def fixed(z):
        return pyad.fixed_point(
            lambda z: lambda x: 0.3 * np.sin(x) + z, z, np.zeros(3, complex), lambda a, b: np.max(np.abs(a - b)), 1e-14
        )

    x = fixed(0.3 * Z)
    np.testing.assert_allclose(0.3 * np.sin(x) + 0.3 * Z, x, rtol=1e-13)
    check_grads(fixed, (0.3 * Z,), order=2)
