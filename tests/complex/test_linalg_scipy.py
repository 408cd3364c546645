"""Linear algebra, transforms and SciPy's functions of complex arrays: values, derivatives, and pullbacks of JAX."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg as sl
import scipy.signal as ss
import scipy.special as sp
from support.calls import NEW_NUMPY, check_derivatives
from support.complex_calls import check_pullback, check_values

import pyad
import pyad.scipy.linalg as pl
import pyad.scipy.signal as ps
import pyad.scipy.special as psp
from pyad.scipy.integrate import solve_ivp
from pyad.scipy.optimize import fixed_point, newton, root, root_scalar
from pyad.scipy.special._polygamma import complex_polygamma

A = np.array([[2.0 + 1.0j, 0.5 - 0.4j], [-0.7 + 0.1j, 1.2 + 0.4j]])
B = np.array([[0.3 - 1.0j, 1.5], [0.2j, -0.7 + 0.6j]])
T = np.array([[1.0 + 1.0j, 0.5, 0.3j], [-0.7, 0.2 + 0.4j, 1.0 - 0.5j]])
R = np.array([[2.0, 0.5], [-0.7, 1.5]])
ROTATION = np.array([[0.3, 1.5], [-0.7, 0.2]])
V = np.array([0.4 - 0.2j, 1.1 + 0.6j])
X = np.array([0.5, -1.5])
Z = np.array([1.3 + 0.7j, -0.5 + 0.3j, 0.2 - 0.9j])
W = np.array([0.4 - 0.2j, 1.1 + 0.6j])


def spd(np, a):
    return a @ np.conj(a).T + 0.5 * np.eye(2)


# Rows as in test_complex_functions.py.
# The others were complex in NumPy's first releases of version 2.
CONDITIONS = (None, -2, 1, np.inf, "fro") if NEW_NUMPY else (None, -2)
LINALG = [
    ("inv", lambda np, a: np.linalg.inv(a), A),
    ("solve", lambda np, a, b: np.linalg.solve(a, b), A, B),
    ("solve mixed", lambda np, r, v: np.linalg.solve(r, v), R, V),
    ("solve complex by real", lambda np, a, x: np.linalg.solve(a, x), A, X),
    ("det", lambda np, a: np.linalg.det(a), A),
    ("det of singular", lambda np, a: np.linalg.det(a), np.array([[1j, 2], [2j, 4]])),
    ("slogdet@jax", lambda np, a: tuple(np.linalg.slogdet(a)), A),
    ("cholesky", lambda np, a: np.linalg.cholesky(spd(np, a)), A),
    ("cholesky upper", lambda np, a: np.linalg.cholesky(spd(np, a), upper=True), A),
    ("qr@jax", lambda np, t: tuple(np.linalg.qr(t)), A),
    ("qr of tall", lambda np, t: tuple(np.linalg.qr(t.T)), T),
    ("qr of wide", lambda np, t: np.linalg.qr(t)[1], T),
    ("qr r", lambda np, t: np.linalg.qr(t.T, mode="r"), T),
    ("qr complete", lambda np, t: np.linalg.qr(t.T, mode="complete")[1], T),
    ("eigvals@jax", lambda np, a: np.linalg.eigvals(a), A),
    ("eigvals of real", lambda np, r: np.linalg.eigvals(r), ROTATION),
    ("eigvals of real, real", lambda np, r: np.linalg.eigvals(r), R + R.T),
    ("eig", lambda np, a: np.abs(np.linalg.eig(a)[1]), A),
    ("eig inverse", lambda np, a: np.linalg.eig(a)[1] @ np.diag(V) @ np.linalg.inv(np.linalg.eig(a)[1]), A),
    ("eig of real", lambda np, r: np.linalg.eig(r)[1] @ np.diag(V) @ np.linalg.inv(np.linalg.eig(r)[1]), ROTATION),
    ("eigvalsh", lambda np, a: np.linalg.eigvalsh(a), spd(np, A)),
    ("eigvalsh upper", lambda np, a: np.linalg.eigvalsh(a, "U"), spd(np, A)),
    ("eigh", lambda np, a: (np.linalg.eigh(a)[0], np.abs(np.linalg.eigh(a)[1])), spd(np, A)),
    ("eigh projector", lambda np, a: np.linalg.eigh(a)[1][:, :1] @ np.conj(np.linalg.eigh(a)[1][:, :1]).T, spd(np, A)),
    ("svd", lambda np, t: np.linalg.svd(t, compute_uv=False), T),
    ("svdvals", lambda np, t: np.linalg.svdvals(t), T),
    (
        "svd product",
        lambda np, t: np.linalg.svd(t, full_matrices=False)[0] @ np.linalg.svd(t, full_matrices=False)[2],
        T,
    ),
    ("svd full", lambda np, t: np.abs(np.linalg.svd(t)[0]), T),
    ("svd full rows", lambda np, t: np.conj(np.linalg.svd(t)[2][2:]).T @ np.linalg.svd(t)[2][2:], T),
    ("svd hermitian", lambda np, a: np.linalg.svd(a, hermitian=True)[1], spd(np, A)),
    ("svdvals hermitian", lambda np, a: np.linalg.svd(a, compute_uv=False, hermitian=True), spd(np, A) - 2 * np.eye(2)),
    ("pinv@jax", lambda np, t: np.linalg.pinv(t), T),
    ("pinv hermitian", lambda np, a: np.linalg.pinv(spd(np, a), hermitian=True), A),
    ("lstsq@jax", lambda np, t, z: np.linalg.lstsq(t.T, z, rcond=None)[0], T, Z),
    ("lstsq wide", lambda np, t, v: np.linalg.lstsq(t, v, rcond=None)[0], T, V),
    ("lstsq residuals", lambda np, t, z: np.linalg.lstsq(t.T, z, rcond=None)[1], T, Z),
    ("lstsq mixed", lambda np, r, z: np.linalg.lstsq(r, z, rcond=None)[0], R, V),
    *(
        (f"norm {k!r}", lambda np, a, k=k: np.linalg.norm(a, k), A)
        for k in (None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)
    ),
    *(
        (f"vector norm {k!r}", lambda np, z, k=k: np.linalg.norm(z, k), Z)
        for k in (None, 1, 2, 3, -1, 0.5, np.inf, -np.inf)
    ),
    ("norm axis", lambda np, t: np.linalg.norm(t, axis=1, keepdims=True), T),
    ("vector_norm", lambda np, t: np.linalg.vector_norm(t, axis=1), T),
    ("matrix_norm", lambda np, t: np.linalg.matrix_norm(t), T),
    *((f"cond {k!r}", lambda np, a, k=k: np.linalg.cond(a, k), A) for k in CONDITIONS),
    ("matrix_power", lambda np, a: np.linalg.matrix_power(a, 3), A),
    ("matrix_power negative", lambda np, a: np.linalg.matrix_power(a, -2), A),
    ("multi_dot", lambda np, a, t, z: np.linalg.multi_dot([a, t, z]), A, T, Z),
    ("multi_dot mixed", lambda np, r, a, x: np.linalg.multi_dot([r, a, x]), R, A, X),
    ("tensorsolve", lambda np, a, b: np.linalg.tensorsolve(np.reshape(np.kron(a, b), (2, 2, 2, 2)), b), A, B),
    ("tensorinv", lambda np, a, b: np.linalg.tensorinv(np.reshape(np.kron(a, b), (2, 2, 2, 2))), A, B),
    ("outer", lambda np, v, z: np.linalg.outer(v, z), V, Z),
    ("trace", lambda np, a: np.linalg.trace(a), A),
    ("diagonal", lambda np, a: np.linalg.diagonal(a), A),
    ("vecdot", lambda np, v, w: np.linalg.vecdot(v, w), V, W),
    ("stacks", lambda np, a, b: np.linalg.solve(np.stack([a, b]), np.stack([b, a])), A, B),
    ("matrix_rank", lambda np, a: a * np.linalg.matrix_rank(a), A),
]
FFT = [
    ("fft", lambda np, z: np.fft.fft(z), Z),
    ("ifft", lambda np, z: np.fft.ifft(z, 4, norm="ortho"), Z),
    ("fft of real", lambda np, x: np.fft.fft(x), X),
    ("rfft@jax", lambda np, x: np.fft.rfft(x), np.array([0.5, -1.5, 0.2])),
    ("irfft@jax", lambda np, z: np.fft.irfft(z, 5), Z),
    ("hfft", lambda np, z: np.fft.hfft(z), Z),
    ("ihfft", lambda np, x: np.fft.ihfft(x), np.array([0.5, -1.5, 0.2])),
    ("fft2", lambda np, t: np.fft.fft2(t), T),
    ("ifftn", lambda np, t: np.fft.ifftn(t), T),
    ("irfft2", lambda np, t: np.fft.irfft2(t), T),
    ("fftshift", lambda np, z: np.fft.fftshift(np.fft.fft(z)), Z),
    ("spectrum", lambda np, x: np.log(np.abs(np.fft.rfft(x)) ** 2), np.array([0.5, -1.5, 0.2])),
    ("filter", lambda np, z, x: np.fft.ifft(np.fft.fft(z) * np.fft.fft(x)), V, X),
]
# name, call, SciPy's call, arguments
L = np.array([[2.0 + 1j, 5j], [0.3 - 0.2j, 1 - 1j]])
BAND = np.array([[0, 0.3 + 1j, 0.2], [2 + 1j, 3 - 1j, 1.5j], [0.1j, 0.4, 0]])
HBAND = np.array([[0, 0.3 + 1j, 0.2j], [3, 2.5, 2.0]], complex)
SCIPY_LINALG = [
    ("inv", lambda la, a: la.inv(a), A),
    ("det", lambda la, a: la.det(a), A),
    ("solve", lambda la, a, b: la.solve(a, b), A, B),
    ("solve mixed", lambda la, r, v: la.solve(r, v), R, V),
    ("solve transposed", lambda la, a, b: la.solve(a, b, transposed=True), R, X),
    ("solve sym", lambda la, a, v: la.solve(a + a.T, v, assume_a="sym"), A, V),
    ("solve her", lambda la, a, v: la.solve(spd(np, a), v, assume_a="her"), A, V),
    ("solve pos", lambda la, a, v: la.solve(spd(np, a), v, assume_a="pos"), A, V),
    ("solve pos lower", lambda la, a, v: la.solve(spd(np, a), v, assume_a="pos", lower=True), A, V),
    *(
        (
            f"solve_triangular {t} {low}",
            lambda la, a, b, t=t, low=low: la.solve_triangular(a, b, trans=t, lower=low),
            L,
            B,
        )
        for t in (0, "T", "C")
        for low in (False, True)
    ),
    ("solve_triangular unit", lambda la, a, b: la.solve_triangular(a, b, trans="C", unit_diagonal=True), L, B),
    ("solve_triangular mixed", lambda la, a, b: la.solve_triangular(a, b, trans="C"), R, V),
    ("cholesky", lambda la, a: la.cholesky(a), spd(np, A)),
    ("cholesky lower", lambda la, a: la.cholesky(a, lower=True), spd(np, A)),
    ("cho_solve", lambda la, a, v: la.cho_solve((a, False), v), np.triu(L), V),
    ("cho_solve lower", lambda la, a, v: la.cho_solve((a, True), v), np.tril(L), V),
    ("cho_factor", lambda la, a, v: la.cho_solve(la.cho_factor(a), v), spd(np, A), V),
    ("lu", lambda la, a: la.lu(a)[1:], A),
    ("lu permuted", lambda la, a: la.lu(a, permute_l=True), A),
    ("lu_solve", lambda la, a, v: la.lu_solve(la.lu_factor(a), v), A, V),
    ("lu_solve transposed", lambda la, a, v: la.lu_solve(la.lu_factor(a), v, trans=1), A, V),
    ("lu_solve adjoint", lambda la, a, v: la.lu_solve(la.lu_factor(a), v, trans=2), A, V),
    ("qr", lambda la, a: la.qr(a, mode="economic"), A),
    ("svdvals", lambda la, t: la.svdvals(t), T),
    ("pinv", lambda la, t: la.pinv(t), T),
    ("norm", lambda la, t: la.norm(t), T),
    ("eigvalsh", lambda la, a: la.eigvalsh(a), spd(np, A)),
    ("eigvalsh generalized", lambda la, a, b: la.eigvalsh(spd(np, a), spd(np, b)), A, B),
    ("eigh", lambda la, a: (la.eigh(a)[0], np.abs(la.eigh(a)[1])), spd(np, A)),
    ("expm", lambda la, a: la.expm(a), A),
    ("expm of stack", lambda la, a: la.expm(np.stack([a, 1j * a])), B),
    ("expm_frechet", lambda la, a, b: la.expm_frechet(a, b), A, B),
    ("logm", lambda la, a: la.logm(a), A),
    ("sqrtm", lambda la, a: la.sqrtm(a), A),
    ("sqrtm of real", lambda la, a: la.sqrtm(a), R),
    ("solve_sylvester", lambda la, a, b, q: la.solve_sylvester(a, b, q), A, B, A),
    ("solve_sylvester mixed", lambda la, a, b, q: la.solve_sylvester(a, b, q), A, np.triu(R), B),
    ("solve_continuous_lyapunov", lambda la, a, q: la.solve_continuous_lyapunov(a, q), A, B),
    ("solve_discrete_lyapunov", lambda la, a, q: la.solve_discrete_lyapunov(0.3 * a, q), A, B),
    (
        "solve_discrete_lyapunov bilinear",
        lambda la, a, q: la.solve_discrete_lyapunov(0.3 * a, q, method="bilinear"),
        A,
        B,
    ),
    ("solve_banded", lambda la, a, z: la.solve_banded((1, 1), a, z), BAND, Z),
    ("solve_banded mixed", lambda la, a, z: la.solve_banded((1, 1), a, z), BAND.real + np.array([[0], [1], [0]]), Z),
    ("solveh_banded", lambda la, a, z: la.solveh_banded(a, z), HBAND, Z),
    ("solveh_banded lower", lambda la, a, z: la.solveh_banded(a[::-1], z, lower=True), HBAND, Z),
    ("block_diag", lambda la, a, r: la.block_diag(a, r), A, R),
    ("toeplitz", lambda la, z: la.toeplitz(z), Z),
    ("toeplitz of two", lambda la, z, v: la.toeplitz(z, v), Z, X),
    ("hankel", lambda la, z: la.hankel(z), Z),
    ("circulant", lambda la, z: la.circulant(z), Z),
]
SIGNALS = [
    ("convolve", lambda s, z, w: s.convolve(z, w), Z, W),
    ("convolve mixed", lambda s, z, x: s.convolve(z, x, "same"), Z, X),
    ("convolve fft", lambda s, z, w: s.convolve(z, w, method="fft"), Z, W),
    ("correlate", lambda s, z, w: s.correlate(z, w), Z, W),
    ("correlate mixed", lambda s, x, z: s.correlate(x, z), X, Z),
    ("correlate valid", lambda s, z, w: s.correlate(z, w, "valid"), Z, W),
    ("convolve2d", lambda s, t, a: s.convolve2d(t, a), T, A),
    ("correlate2d", lambda s, t, a: s.correlate2d(t, a), T, A),
    ("fftconvolve", lambda s, z, w: s.fftconvolve(z, w), Z, W),
    ("fftconvolve mixed", lambda s, z, x: s.fftconvolve(z, x), Z, X),
    ("oaconvolve", lambda s, z, w: s.oaconvolve(z, w), Z, W),
    ("lfilter", lambda s, b, a, z: s.lfilter(b, a, z), W, W[::-1], Z),
    ("lfilter mixed", lambda s, b, a, z: s.lfilter(b, a, z), X, X[::-1], Z),
    ("detrend", lambda s, z: s.detrend(z), Z),
    ("detrend constant", lambda s, z: s.detrend(z, type="constant"), Z),
]
HOLOMORPHIC = [
    "gamma",
    "loggamma",
    "rgamma",
    "psi",
    "erf",
    "erfc",
    "erfcx",
    "erfi",
    "dawsn",
    "wofz",
    "expm1",
    "log1p",
    "wrightomega",
    "spence",
    "exp1",
    "expi",
]
PAIRS = ["fresnel", "sici", "shichi", "airy"]
OF_ORDER = ["jv", "jve", "yv", "yve", "iv", "ive", "kv", "kve", "hankel1", "hankel2", "hankel1e", "hankel2e"]
SPECIAL = [
    *((name, lambda s, z, name=name: getattr(s, name)(z), Z) for name in (*HOLOMORPHIC, *PAIRS)),
    *((name, lambda s, z, name=name: getattr(s, name)(1.5, z), Z) for name in OF_ORDER),
    *((f"{name} of real", lambda s, x, name=name: getattr(s, name)(1.5, x), abs(X)) for name in OF_ORDER[-4:]),
    ("wofz of real", lambda s, x: s.wofz(x), X),
    ("lambertw", lambda s, z: s.lambertw(z), Z),
    ("lambertw of branch 1", lambda s, z: s.lambertw(z, 1), Z),
    ("digamma of negative", lambda s, z: s.psi(z - 3), Z),
    ("xlogy", lambda s, z, w: s.xlogy(z, w), V, W),
    ("xlogy mixed", lambda s, x, w: s.xlogy(x, w), X, W),
    ("xlog1py", lambda s, z, w: s.xlog1py(z, w), V, W),
    *((f"spherical_{k}n", lambda s, z, k=k: getattr(s, f"spherical_{k}n")(1, z), Z) for k in "jyik"),
    ("hyp2f1", lambda s, z: s.hyp2f1(0.5, 1.2, 2.2, z), 0.3 * Z),
    ("hyp1f1", lambda s, z: s.hyp1f1(0.5, 1.2, z), Z),
    ("hyp0f1", lambda s, z: s.hyp0f1(0.5, z), Z),
    ("eval_legendre", lambda s, z: s.eval_legendre(3, z), Z),
    ("eval_legendre of broken degree", lambda s, z: s.eval_legendre(2.5, z), Z),
    ("eval_chebyt", lambda s, z: s.eval_chebyt(2.5, z), Z),
    ("ndtr", lambda s, z: s.ndtr(z), Z),
    ("log_ndtr", lambda s, z: s.log_ndtr(z), Z),
    ("sinc", lambda s, z: s.sinc(z), Z),
]
NUMPY = {"linalg": LINALG, "fft": FFT}
SCIPY = {"scipy.linalg": (SCIPY_LINALG, pl, sl), "signal": (SIGNALS, ps, ss), "special": (SPECIAL, psp, sp)}
NUMPY_ROWS = {f"{table}: {row[0]}": (row[1], row[2:]) for table, rows in NUMPY.items() for row in rows}
SCIPY_ROWS = {
    f"{table}: {row[0]}": (ours, theirs, row[1], row[2:])
    for table, (rows, ours, theirs) in SCIPY.items()
    for row in rows
}


@pytest.mark.parametrize("row", NUMPY_ROWS)
def test_a_function_of_numpy_has_its_values_and_right_derivatives(row):
    f, args = NUMPY_ROWS[row]
    check_values(partial(f, np), args)
    check_derivatives(partial(f, np), *args)


@pytest.mark.filterwarnings("ignore:logm result may be inaccurate")
@pytest.mark.parametrize("row", SCIPY_ROWS)
def test_a_function_of_scipy_has_its_values_and_right_derivatives(row):
    ours, theirs, f, args = SCIPY_ROWS[row]
    check_values(partial(f, ours), args, partial(f, theirs), keeps_single=True)
    check_derivatives(partial(f, ours), *args)


@pytest.mark.parametrize("row", [row for row in NUMPY_ROWS if row.endswith("@jax")])
def test_pullbacks_are_those_of_jax(row):
    f, args = NUMPY_ROWS[row]
    value, vjp = jax.vjp(lambda *args: f(jnp, *args), *args)

    def theirs(s):
        return vjp(jax.tree.map(lambda s, y: jnp.asarray(s, y.dtype), s, value))

    check_pullback(partial(f, np), theirs, args)


# ---- SciPy's functions that are refused, or are another function for complex numbers ----

ONE_ARGUMENT = "gammaln erfinv i0 j0 cbrt exp2 exp10 exprel logit entr ellipk expit"
REFUSED = {
    **{name: lambda z, name=name: getattr(psp, name)(z) for name in ONE_ARGUMENT.split()},
    "beta": lambda z: psp.beta(z, 1.0),
    "binom": lambda z: psp.binom(z, 2.0),
    "expn": lambda z: psp.expn(2, z),
    "betainc": lambda z: psp.betainc(1.0, 2.0, z),
    "gammainc": lambda z: psp.gammainc(1.0, z),
    "huber": lambda z: psp.huber(1.0, z),
    "boxcox": lambda z: psp.boxcox(z, 1.0),
    "polygamma": lambda z: psp.polygamma(1, z),
    "airye": psp.airye,
    "solve_ivp": lambda z: solve_ivp(lambda t, y: 1j * y, (0.0, 1.0), z),
}


@pytest.mark.parametrize("name", REFUSED)
def test_special_functions_without_a_complex_derivative_are_refused_by_name(name):
    with pytest.raises(TypeError, match=name):
        pyad.vjp(REFUSED[name], Z)


def test_derivatives_of_digamma_are_those_of_cauchys_integrals():
    circle = np.exp(2j * np.pi * np.arange(64) / 64)
    for n in (1, 2, 3):
        for z in (1.3 + 0.7j, -0.5 + 0.3j, 0.2 - 0.9j, -20.3 + 5j):
            integral = math.factorial(n) * np.mean(sp.psi(z + 0.25 * circle) / (0.25 * circle) ** n)
            np.testing.assert_allclose(complex_polygamma(n, z), integral, rtol=1e-8)
    x = np.array([0.3, 2.5, 20.0])
    np.testing.assert_allclose(
        complex_polygamma(np.array([1, 2, 3]), x + 0j).real, sp.polygamma([1, 2, 3], x), rtol=1e-13
    )
    assert complex_polygamma(1, Z.astype(np.complex64)).dtype == np.complex64


def test_the_solution_of_a_mixed_equation_of_sylvester_solves_it():
    # SciPy's own is wrong where a is complex and b is real with complex eigenvalues.
    x = pyad.vjp(lambda a: pl.solve_sylvester(a, ROTATION, B), A)[0]
    np.testing.assert_allclose(A @ x + x @ ROTATION, B, rtol=1e-12)


ROOTS = {
    "newton": lambda z: newton(lambda x, z: x**2 - z, np.full(3, 1 + 1j), lambda x, z: 2 * x, (z,)),
    "newton, not holomorphic": lambda z: newton(lambda x, z: x**2 - np.conj(z), 1 + 1j, lambda x, z: 2 * x, (z[0],)),
    "root_scalar": lambda z: root_scalar(lambda x, z: x**2 - z, (z[0],), "newton", x0=1 + 1j).root,
    "root_scalar by halley": lambda z: root_scalar(lambda x, z: x**2 - z, (z[0],), "halley", x0=1 + 1j).root,
    "fixed_point": lambda z: fixed_point(lambda x, z: 0.3 * np.sin(x) + 0.3 * z, np.zeros(3, complex), (z,)),
    "root of real numbers": lambda z: root(lambda x, z: x**3 - np.abs(z), np.ones(3), (z,)).x,
}


@pytest.mark.parametrize("name", ROOTS)
def test_roots_of_complex_equations_are_differentiated(name):
    value = pyad.vjp(ROOTS[name], Z)[0]
    assert np.iscomplexobj(value) == (name != "root of real numbers")
    check_derivatives(ROOTS[name], Z)


def test_a_hermitian_band_is_that_of_a_hermitian_matrix():
    full = np.diag(HBAND[1]) + np.diag(HBAND[0, 1:], 1) + np.diag(np.conj(HBAND[0, 1:]), -1)
    np.testing.assert_allclose(pyad.vjp(lambda b: pl.solveh_banded(b, Z), HBAND)[0], np.linalg.solve(full, Z))
