"""Linear algebra, transforms and SciPy's functions of complex arrays: values, derivatives, and pullbacks of JAX."""

import numpy as np
import pytest
import scipy.linalg as sl
import scipy.signal as ss
import scipy.special as sp

import pyad
import pyad.scipy.linalg as pl
import pyad.scipy.signal as ps
import pyad.scipy.special as psp

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


def projectors(np, v):
    """What of eigenvectors does not depend on their lengths: the products with the inverse's rows."""
    return np.abs(v) ** 2


# Rows as in test_complex_functions.py.
LINALG = [
    ("inv@jax", lambda np, a: np.linalg.inv(a), A),
    ("solve@jax", lambda np, a, b: np.linalg.solve(a, b), A, B),
    ("solve mixed@jax", lambda np, r, v: np.linalg.solve(r, v), R, V),
    ("solve complex by real@jax", lambda np, a, x: np.linalg.solve(a, x), A, X),
    ("det@jax", lambda np, a: np.linalg.det(a), A),
    ("det of singular@", lambda np, a: np.linalg.det(a), np.array([[1j, 2], [2j, 4]])),
    ("slogdet@jax", lambda np, a: tuple(np.linalg.slogdet(a)), A),
    ("cholesky@", lambda np, a: np.linalg.cholesky(spd(np, a)), A),
    ("cholesky upper@", lambda np, a: np.linalg.cholesky(spd(np, a), upper=True), A),
    ("qr@jax", lambda np, t: tuple(np.linalg.qr(t)), A),
    ("qr of tall@", lambda np, t: tuple(np.linalg.qr(t.T)), T),
    ("qr of wide@", lambda np, t: np.linalg.qr(t)[1], T),
    ("qr r@", lambda np, t: np.linalg.qr(t.T, mode="r"), T),
    ("qr complete@", lambda np, t: np.linalg.qr(t.T, mode="complete")[1], T),
    ("eigvals@jax", lambda np, a: np.linalg.eigvals(a), A),
    ("eigvals of real@", lambda np, r: np.linalg.eigvals(r), ROTATION),
    ("eigvals of real, real@", lambda np, r: np.linalg.eigvals(r), R + R.T),
    ("eig@", lambda np, a: np.abs(np.linalg.eig(a)[1]), A),
    ("eig inverse@jax", lambda np, a: np.linalg.eig(a)[1] @ np.diag(V) @ np.linalg.inv(np.linalg.eig(a)[1]), A),
    ("eig of real@", lambda np, r: np.linalg.eig(r)[1] @ np.diag(V) @ np.linalg.inv(np.linalg.eig(r)[1]), ROTATION),
    ("eigvalsh@", lambda np, a: np.linalg.eigvalsh(a), spd(np, A)),
    ("eigvalsh upper@", lambda np, a: np.linalg.eigvalsh(a, "U"), spd(np, A)),
    ("eigh@", lambda np, a: (np.linalg.eigh(a)[0], np.abs(np.linalg.eigh(a)[1])), spd(np, A)),
    ("eigh projector@", lambda np, a: np.linalg.eigh(a)[1][:, :1] @ np.conj(np.linalg.eigh(a)[1][:, :1]).T, spd(np, A)),
    ("svd@", lambda np, t: np.linalg.svd(t, compute_uv=False), T),
    ("svdvals@", lambda np, t: np.linalg.svdvals(t), T),
    ("svd product@", lambda np, t: np.linalg.svd(t, full_matrices=False)[0] @ np.linalg.svd(t, full_matrices=False)[2], T),
    ("svd full@", lambda np, t: np.abs(np.linalg.svd(t)[0]), T),
    ("svd full rows@", lambda np, t: np.conj(np.linalg.svd(t)[2][2:]).T @ np.linalg.svd(t)[2][2:], T),
    ("svd hermitian@", lambda np, a: np.linalg.svd(a, hermitian=True)[1], spd(np, A)),
    ("svdvals hermitian@", lambda np, a: np.linalg.svd(a, compute_uv=False, hermitian=True), spd(np, A) - 2 * np.eye(2)),
    ("pinv@jax", lambda np, t: np.linalg.pinv(t), T),
    ("pinv hermitian@", lambda np, a: np.linalg.pinv(spd(np, a), hermitian=True), A),
    ("lstsq@jax", lambda np, t, z: np.linalg.lstsq(t.T, z, rcond=None)[0], T, Z),
    ("lstsq wide@jax", lambda np, t, v: np.linalg.lstsq(t, v, rcond=None)[0], T, V),
    ("lstsq residuals@", lambda np, t, z: np.linalg.lstsq(t.T, z, rcond=None)[1], T, Z),
    ("lstsq mixed@jax", lambda np, r, z: np.linalg.lstsq(r, z, rcond=None)[0], R, V),
    *((f"norm {k!r}@jax", lambda np, a, k=k: np.linalg.norm(a, k), A) for k in (None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)),
    *((f"vector norm {k!r}@jax", lambda np, z, k=k: np.linalg.norm(z, k), Z) for k in (None, 1, 2, 3, -1, 0.5, np.inf, -np.inf)),
    ("norm axis@jax", lambda np, t: np.linalg.norm(t, axis=1, keepdims=True), T),
    ("vector_norm@jax", lambda np, t: np.linalg.vector_norm(t, axis=1), T),
    ("matrix_norm@jax", lambda np, t: np.linalg.matrix_norm(t), T),
    *((f"cond {k!r}@", lambda np, a, k=k: np.linalg.cond(a, k), A) for k in (None, -2, 1, np.inf, "fro")),
    ("matrix_power@jax", lambda np, a: np.linalg.matrix_power(a, 3), A),
    ("matrix_power negative@jax", lambda np, a: np.linalg.matrix_power(a, -2), A),
    ("multi_dot@jax", lambda np, a, t, z: np.linalg.multi_dot([a, t, z]), A, T, Z),
    ("multi_dot mixed@", lambda np, r, a, x: np.linalg.multi_dot([r, a, x]), R, A, X),
    ("tensorsolve@", lambda np, a, b: np.linalg.tensorsolve(np.reshape(np.kron(a, b), (2, 2, 2, 2)), b), A, B),
    ("tensorinv@", lambda np, a, b: np.linalg.tensorinv(np.reshape(np.kron(a, b), (2, 2, 2, 2))), A, B),
    ("outer@", lambda np, v, z: np.linalg.outer(v, z), V, Z),
    ("trace@", lambda np, a: np.linalg.trace(a), A),
    ("diagonal@", lambda np, a: np.linalg.diagonal(a), A),
    ("vecdot@", lambda np, v, w: np.linalg.vecdot(v, w), V, W),
    ("stacks@jax", lambda np, a, b: np.linalg.solve(np.stack([a, b]), np.stack([b, a])), A, B),
    ("matrix_rank@", lambda np, a: a * np.linalg.matrix_rank(a), A),
]
FFT = [
    ("fft@jax", lambda np, z: np.fft.fft(z), Z),
    ("ifft@jax", lambda np, z: np.fft.ifft(z, 4, norm="ortho"), Z),
    ("fft of real@jax", lambda np, x: np.fft.fft(x), X),
    ("rfft@jax", lambda np, x: np.fft.rfft(x), np.array([0.5, -1.5, 0.2])),
    ("irfft@jax", lambda np, z: np.fft.irfft(z, 5), Z),
    ("hfft@", lambda np, z: np.fft.hfft(z), Z),
    ("ihfft@", lambda np, x: np.fft.ihfft(x), np.array([0.5, -1.5, 0.2])),
    ("fft2@jax", lambda np, t: np.fft.fft2(t), T),
    ("ifftn@jax", lambda np, t: np.fft.ifftn(t), T),
    ("irfft2@jax", lambda np, t: np.fft.irfft2(t), T),
    ("fftshift@jax", lambda np, z: np.fft.fftshift(np.fft.fft(z)), Z),
    ("spectrum@jax", lambda np, x: np.log(np.abs(np.fft.rfft(x)) ** 2), np.array([0.5, -1.5, 0.2])),
    ("filter@jax", lambda np, z, x: np.fft.ifft(np.fft.fft(z) * np.fft.fft(x)), V, X),
]
# name, call, SciPy's call, arguments
L = np.array([[2.0 + 1j, 5j], [0.3 - 0.2j, 1 - 1j]])
BAND = np.array([[0, 0.3 + 1j, 0.2], [2 + 1j, 3 - 1j, 1.5j], [0.1j, 0.4, 0]])
HBAND = np.array([[0, 0.3 + 1j, 0.2j], [3, 2.5, 2.0]], complex)
SCIPY_LINALG = [
    ("inv", lambda l, a: l.inv(a), A),
    ("det", lambda l, a: l.det(a), A),
    ("solve", lambda l, a, b: l.solve(a, b), A, B),
    ("solve mixed", lambda l, r, v: l.solve(r, v), R, V),
    ("solve transposed", lambda l, a, b: l.solve(a, b, transposed=True), R, X),
    ("solve sym", lambda l, a, v: l.solve(a + a.T, v, assume_a="sym"), A, V),
    ("solve her", lambda l, a, v: l.solve(spd(np, a), v, assume_a="her"), A, V),
    ("solve pos", lambda l, a, v: l.solve(spd(np, a), v, assume_a="pos"), A, V),
    ("solve pos lower", lambda l, a, v: l.solve(spd(np, a), v, assume_a="pos", lower=True), A, V),
    *((f"solve_triangular {t} {low}", lambda l, a, b, t=t, low=low: l.solve_triangular(a, b, trans=t, lower=low), L, B)
      for t in (0, "T", "C") for low in (False, True)),
    ("solve_triangular unit", lambda l, a, b: l.solve_triangular(a, b, trans="C", unit_diagonal=True), L, B),
    ("solve_triangular mixed", lambda l, a, b: l.solve_triangular(a, b, trans="C"), R, V),
    ("cholesky", lambda l, a: l.cholesky(a), spd(np, A)),
    ("cholesky lower", lambda l, a: l.cholesky(a, lower=True), spd(np, A)),
    ("cho_solve", lambda l, a, v: l.cho_solve((a, False), v), np.triu(L), V),
    ("cho_solve lower", lambda l, a, v: l.cho_solve((a, True), v), np.tril(L), V),
    ("cho_factor", lambda l, a, v: l.cho_solve(l.cho_factor(a), v), spd(np, A), V),
    ("lu", lambda l, a: l.lu(a)[1:], A),
    ("lu permuted", lambda l, a: l.lu(a, permute_l=True), A),
    ("lu_solve", lambda l, a, v: l.lu_solve(l.lu_factor(a), v), A, V),
    ("lu_solve transposed", lambda l, a, v: l.lu_solve(l.lu_factor(a), v, trans=1), A, V),
    ("lu_solve adjoint", lambda l, a, v: l.lu_solve(l.lu_factor(a), v, trans=2), A, V),
    ("qr", lambda l, a: l.qr(a, mode="economic"), A),
    ("svdvals", lambda l, t: l.svdvals(t), T),
    ("pinv", lambda l, t: l.pinv(t), T),
    ("norm", lambda l, t: l.norm(t), T),
    ("eigvalsh", lambda l, a: l.eigvalsh(a), spd(np, A)),
    ("eigvalsh generalized", lambda l, a, b: l.eigvalsh(spd(np, a), spd(np, b)), A, B),
    ("eigh", lambda l, a: (l.eigh(a)[0], np.abs(l.eigh(a)[1])), spd(np, A)),
    ("expm", lambda l, a: l.expm(a), A),
    ("expm of stack", lambda l, a: l.expm(np.stack([a, 1j * a])), B),
    ("expm_frechet", lambda l, a, b: l.expm_frechet(a, b), A, B),
    ("logm", lambda l, a: l.logm(a), A),
    ("sqrtm", lambda l, a: l.sqrtm(a), A),
    ("sqrtm of real", lambda l, a: l.sqrtm(a), R),
    ("solve_sylvester", lambda l, a, b, q: l.solve_sylvester(a, b, q), A, B, A),
    ("solve_sylvester mixed", lambda l, a, b, q: l.solve_sylvester(a, b, q), A, np.triu(R), B),
    ("solve_continuous_lyapunov", lambda l, a, q: l.solve_continuous_lyapunov(a, q), A, B),
    ("solve_discrete_lyapunov", lambda l, a, q: l.solve_discrete_lyapunov(0.3 * a, q), A, B),
    ("solve_discrete_lyapunov bilinear", lambda l, a, q: l.solve_discrete_lyapunov(0.3 * a, q, method="bilinear"), A, B),
    ("solve_banded", lambda l, a, z: l.solve_banded((1, 1), a, z), BAND, Z),
    ("solve_banded mixed", lambda l, a, z: l.solve_banded((1, 1), a, z), BAND.real + np.array([[0], [1], [0]]), Z),
    ("solveh_banded", lambda l, a, z: l.solveh_banded(a, z), HBAND, Z),
    ("solveh_banded lower", lambda l, a, z: l.solveh_banded(a[::-1], z, lower=True), HBAND, Z),
    ("block_diag", lambda l, a, r: l.block_diag(a, r), A, R),
    ("toeplitz", lambda l, z: l.toeplitz(z), Z),
    ("toeplitz of two", lambda l, z, v: l.toeplitz(z, v), Z, X),
    ("hankel", lambda l, z: l.hankel(z), Z),
    ("circulant", lambda l, z: l.circulant(z), Z),
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
SPECIAL = [
    *((name, lambda s, z, name=name: getattr(s, name)(z), Z) for name in (
        "gamma loggamma rgamma psi erf erfc erfcx erfi dawsn wofz expm1 log1p wrightomega spence exp1 expi fresnel sici "
        "shichi airy airye lambertw").split()),
    *((name, lambda s, z, name=name: getattr(s, name)(1.5, z), Z) for name in "jv jve yv yve iv ive kv kve hankel1 hankel2 hankel1e hankel2e".split()),
    ("xlogy", lambda s, z, w: s.xlogy(z, w), V, W),
    ("xlogy mixed", lambda s, z, w: s.xlogy(z, w), X, W),
    ("xlog1py", lambda s, z, w: s.xlog1py(z, w), V, W),
    ("spherical_jn", lambda s, z: s.spherical_jn(1, z), Z),
    ("spherical_yn", lambda s, z: s.spherical_yn(1, z), Z),
    ("spherical_in", lambda s, z: s.spherical_in(1, z), Z),
    ("spherical_kn", lambda s, z: s.spherical_kn(1, z), Z),
    ("logsumexp", lambda s, z: s.logsumexp(z), Z),
    ("hyp2f1", lambda s, z: s.hyp2f1(0.5, 1.2, 2.2, z), Z * 0.3),
    ("hyp1f1", lambda s, z: s.hyp1f1(0.5, 1.2, z), Z),
    ("hyp0f1", lambda s, z: s.hyp0f1(0.5, z), Z),
    ("eval_legendre", lambda s, z: s.eval_legendre(3, z), Z),
    ("eval_legendre real n", lambda s, z: s.eval_legendre(2.5, z), Z),
    ("eval_chebyt", lambda s, z: s.eval_chebyt(2.5, z), Z),
    ("log_ndtr", lambda s, z: s.log_ndtr(z), Z),
    ("ndtr", lambda s, z: s.ndtr(z), Z),
    ("expit", lambda s, z: s.expit(z), Z),
    ("softmax", lambda s, z: s.softmax(z), Z),
    ("log_softmax", lambda s, z: s.log_softmax(z), Z),
    ("gammaln", lambda s, z: s.gammaln(z), Z),
    ("beta", lambda s, z: s.beta(z, 1.0), Z),
    ("erfinv", lambda s, z: s.erfinv(z), Z),
    ("i0", lambda s, z: s.i0(z), Z),
    ("j0", lambda s, z: s.j0(z), Z),
    ("cbrt", lambda s, z: s.cbrt(z), Z),
    ("exp2", lambda s, z: s.exp2(z), Z),
    ("exp10", lambda s, z: s.exp10(z), Z),
    ("sinc", lambda s, z: s.sinc(z), Z),
    ("polygamma", lambda s, z: s.polygamma(1, z), Z),
    ("exprel", lambda s, z: s.exprel(z), Z),
    ("logit", lambda s, z: s.logit(z), Z),
    ("entr", lambda s, z: s.entr(z), Z),
    ("zeta", lambda s, z: s.zeta(2.0, z), Z),
    ("binom", lambda s, z: s.binom(z, 2.0), Z),
    ("factorial", lambda s, z: s.factorial(z), Z),
    ("comb", lambda s, z: s.comb(z, 2.0), Z),
    ("multigammaln", lambda s, z: s.multigammaln(z, 2), Z),
    ("ellipk", lambda s, z: s.ellipk(z), Z),
    ("expn", lambda s, z: s.expn(2, z), Z),
    ("betainc", lambda s, z: s.betainc(1.0, 2.0, z), Z),
    ("gammainc", lambda s, z: s.gammainc(1.0, z), Z),
    ("huber", lambda s, z: s.huber(1.0, z), Z),
    ("boxcox", lambda s, z: s.boxcox(z, 1.0), Z),
]
NUMPY = {"linalg": LINALG, "fft": FFT}
SCIPY = {"scipy.linalg": (SCIPY_LINALG, pl, sl), "signal": (SIGNALS, ps, ss), "special": (SPECIAL, psp, sp)}
ROWS = {f"{table}: {row[0]}": row[1:] for table, rows in NUMPY.items() for row in rows}
SCIPY_ROWS = {f"{table}: {row[0]}": (ours, theirs, *row[1:]) for table, (rows, ours, theirs) in SCIPY.items() for row in rows}
