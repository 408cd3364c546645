"""The multivariate normal, Dirichlet and multinomial distributions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyad._ops import comparison, reductions
from pyad._ops._nested import operand
from pyad._ops.explog_trig import exp
from pyad._ops.linalg.matmul import matmul
from pyad._ops.shape import concatenate, reshape
from pyad._trace.array import is_traced
from pyad._trace.numpy_op import numpy_op
from pyad._trace.recorded_call import computed
from pyad.errors import ShapeError
from pyad.scipy import special as sp
from pyad.scipy.stats._distribution import Frozen

_LOG_TWO_PI = math.log(2.0 * math.pi)


def _flipped(x: Any) -> Any:
    return x.T


# ---- what a density needs of its covariance ----


def _threshold(eigenvalues: np.ndarray) -> float:
    """Below it an eigenvalue counts as zero: SciPy's."""
    factor = 1e3 if eigenvalues.dtype == np.float32 else 1e6
    return float(factor * np.finfo(eigenvalues.dtype).eps * np.max(np.abs(eigenvalues)))


def _inverse_and_log_determinant(cov: Any, singular: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Those of the symmetric part of the matrix on the space where it is positive, by its eigenvalues."""
    values, vectors = np.linalg.eigh(0.5 * (cov + cov.T))
    kept = values > _threshold(values)
    scaled = vectors[:, kept] / np.sqrt(values[kept])
    return scaled @ scaled.T, np.sum(np.log(values[kept]), dtype=values.dtype)


# The pseudo-inverse P of a matrix C of constant rank, N = I - C P being the projection on its null space: dP = -P dC P
# + N dC P P + P P dC N (Golub and Pereyra, The differentiation of pseudo-inverses and nonlinear least squares problems
# whose variables separate, 1973), which is its own transpose; and d log det C = tr(P dC).


def _inverse_slope(p: Any, cov: Any, change: Any, singular: bool) -> Any:
    change = 0.5 * (change + _flipped(change))
    out = -matmul(matmul(p, change), p)
    if singular:
        null = np.eye(len(p), dtype=p.dtype) - matmul(0.5 * (cov + _flipped(cov)), p)
        side = matmul(matmul(null, change), matmul(p, p))
        out = out + side + _flipped(side)
    return out


_spectral = numpy_op(
    "multivariate_normal",
    _inverse_and_log_determinant,
    lambda s, y, cov, singular: (_inverse_slope(y[0], cov, s[0], singular) + s[1] * y[0],),
    lambda tangents, y, cov, singular: (
        _inverse_slope(y[0], cov, tangents[0], singular),
        reductions.sum(y[0] * (0.5 * (tangents[0] + _flipped(tangents[0])))),
    ),
)


class _Covariance:
    """A covariance that has been checked, with what is needed of it."""

    def __init__(self, cov: Any, allow_singular: bool) -> None:
        # How many of its directions it has.
        self.rank = computed(_rank, cov)
        self.singular = self.rank < cov.shape[0]
        if self.singular and not allow_singular:
            raise np.linalg.LinAlgError(
                "multivariate_normal: the covariance must be positive definite; for a singular one, give "
                "allow_singular=True"
            )
        if is_traced(cov):
            self.inverse, self.log_determinant = _spectral(cov, singular=self.singular)
        else:
            self.inverse, self.log_determinant = _inverse_and_log_determinant(cov)


def _rank(cov: Any) -> int:
    values = np.linalg.eigvalsh(0.5 * (cov + cov.T))
    eps = _threshold(values)
    if np.min(values) < -eps:
        raise ValueError("multivariate_normal: the covariance must be symmetric positive semidefinite")
    return int(np.count_nonzero(values > eps))


def _is_outside(off: Any, cov: Any) -> Any:
    """Where a distance has a part in the directions that a singular covariance has not."""
    values, vectors = np.linalg.eigh(0.5 * (cov + cov.T))
    eps = _threshold(values)
    return np.linalg.norm(off @ vectors[:, values <= eps], axis=-1) >= 1e3 * eps


def _normal_parameters(mean: Any, cov: Any) -> tuple[Any, Any, int]:
    """The mean as a vector and the covariance as a matrix, with SciPy's defaults."""
    where = "multivariate_normal"
    mean = None if mean is None else operand(where, mean)
    cov = 1.0 if cov is None else operand(where, cov)
    shape = np.shape(cov)
    if len(shape) > 2:
        raise ShapeError(f"{where}: the covariance must have at most 2 axes, got shape {shape}")
    dim = int(np.prod(np.shape(mean), dtype=int)) if mean is not None else shape[0] if shape else 1
    mean = np.zeros(dim) if mean is None else mean
    mean = reshape(mean, (dim,)) if is_traced(mean) else np.reshape(np.asarray(mean), dim)
    eye = np.eye(dim, dtype=cov.dtype if is_traced(cov) else float)
    if len(shape) < 2:
        # A scalar, or the diagonal.
        cov = cov * eye
    if cov.shape != (dim, dim):
        raise ShapeError(f"{where}: mean of length {dim} and covariance of shape {shape} do not fit")
    if not is_traced(cov):
        cov = np.asarray(cov)
        cov = cov if cov.dtype.kind == "f" else cov.astype(float)
    return mean, cov, dim


def _squeezed(out: Any) -> Any:
    shape = tuple(n for n in out.shape if n != 1)
    return reshape(out, shape) if is_traced(out) else np.reshape(out, shape)[()]


class MultivariateNormal:
    """`scipy.stats.multivariate_normal`, differentiable in x, mean and cov.

    Its methods pdf, logpdf and entropy take x, whose last axis has the n components, and the parameters. What else
    SciPy's object has is SciPy's, for plain arguments. Called with parameters, it is a distribution that has these.
    Derivative of a singular covariance: Golub and Pereyra 1973.

    Args:
        mean: Vector, (n,); zeros by default.
        cov: Matrix, (n, n), or its diagonal, or one number; 1 by default.
        allow_singular: Whether cov may be singular.

    Returns:
        The distribution with these parameters, whose methods take x alone.

    Raises:
        numpy.linalg.LinAlgError: (by the methods) cov is singular, and allow_singular is not set.
        ValueError: (by the methods) cov has a negative eigenvalue, or the shapes do not fit.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy import stats
    >>> pyad.grad(lambda mean: stats.multivariate_normal.logpdf(np.ones(2), mean, 2.0))(np.zeros(2))
    array([0.5, 0.5])
    """

    _methods = ("pdf", "logpdf", "entropy")

    def __call__(self, *args: Any, **keywords: Any) -> Frozen:
        """The distribution with mean, cov and allow_singular given."""
        return Frozen(self, args, keywords)

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return getattr(self._theirs(), attribute)

    def _theirs(self) -> Any:
        import scipy.stats

        return scipy.stats.multivariate_normal

    def logpdf(self, x: Any, mean: Any = None, cov: Any = 1, allow_singular: bool = False) -> Any:
        """The logarithm of the density; the last axis of x has the components.

        Raises:
            numpy.linalg.LinAlgError: cov is singular, and allow_singular is not set.
            ValueError: cov has a negative eigenvalue, or the shapes do not fit.
        """
        mean, cov, dim = _normal_parameters(mean, cov)
        x = operand("multivariate_normal", x)
        x = x if is_traced(x) else np.asarray(x)
        if x.ndim == 0:
            x = reshape(x, (1, 1)) if is_traced(x) else np.reshape(x, (1, 1))
        elif x.ndim == 1:
            shape = (x.shape[0], 1) if dim == 1 else (1, x.shape[0])
            x = reshape(x, shape) if is_traced(x) else np.reshape(x, shape)
        if x.shape[-1] != dim:
            raise ShapeError(f"multivariate_normal: x of shape {x.shape} and mean of length {dim} do not fit")
        known = _Covariance(cov, allow_singular)
        off = x - mean
        distance = reductions.sum(matmul(off, known.inverse) * off, -1)
        out = -0.5 * (distance + known.log_determinant + known.rank * _LOG_TWO_PI)
        if known.singular:
            outside = computed(_is_outside, off, cov)
            out = comparison.where(outside, -np.inf, out)
        return _squeezed(out)

    def pdf(self, x: Any, mean: Any = None, cov: Any = 1, allow_singular: bool = False) -> Any:
        """The density."""
        return exp(self.logpdf(x, mean, cov, allow_singular))

    def entropy(self, mean: Any = None, cov: Any = 1) -> Any:
        """The differential entropy."""
        _, cov, _ = _normal_parameters(mean, cov)
        known = _Covariance(cov, True)
        return 0.5 * (known.rank * (_LOG_TWO_PI + 1.0) + known.log_determinant)


class Dirichlet:
    """`scipy.stats.dirichlet`, differentiable in x and alpha.

    Its methods pdf, logpdf and entropy take x, whose first axis has the n components, of which the last may be left
    out, and alpha. What else SciPy's object has is SciPy's, for plain arguments.

    Args:
        alpha: Vector of positive numbers, (n,).

    Returns:
        The distribution with this parameter, whose methods take x alone.

    Raises:
        ValueError: (by the methods) alpha is no vector of positive numbers, or x is not in the simplex.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy import stats
    >>> pyad.grad(lambda alpha: stats.dirichlet.logpdf([0.5, 0.5], alpha))(np.ones(2)).round(6)
    array([0.306853, 0.306853])
    """

    _methods = ("pdf", "logpdf", "entropy")

    __call__ = MultivariateNormal.__call__
    __getattr__ = MultivariateNormal.__getattr__

    def _theirs(self) -> Any:
        import scipy.stats

        return scipy.stats.dirichlet

    def logpdf(self, x: Any, alpha: Any) -> Any:
        """The logarithm of the density. The first axis of x has the components, of which the last may be left out.

        Raises:
            ValueError: alpha is no vector of positive numbers, or x is not in the simplex.
        """
        alpha = _concentration(alpha)
        x = operand("dirichlet", x)
        x = x if is_traced(x) else np.asarray(x)
        count = alpha.shape[0]
        if x.ndim == 0 or x.shape[0] not in (count - 1, count):
            raise ShapeError(
                f"dirichlet: x of shape {x.shape} must have {count} or {count - 1} components, as alpha has"
            )
        if x.shape[0] == count - 1:
            x = concatenate([x, 1.0 - reductions.sum(x, 0, keepdims=True)])
        alpha = reshape(alpha, (count,) + (1,) * (x.ndim - 1))
        computed(_check_simplex, x, alpha)
        with np.errstate(all="ignore"):
            out = reductions.sum(sp.xlogy(alpha - 1.0, x), 0) - _log_beta(reshape(alpha, (count,)))
        return _squeezed(out if is_traced(out) else np.asarray(out))

    def pdf(self, x: Any, alpha: Any) -> Any:
        """The density."""
        return exp(self.logpdf(x, alpha))

    def entropy(self, alpha: Any) -> Any:
        """The differential entropy."""
        alpha = _concentration(alpha)
        total = reductions.sum(alpha)
        excess = (total - alpha.shape[0]) * sp.digamma(total)
        return _log_beta(alpha) + excess - reductions.sum((alpha - 1.0) * sp.digamma(alpha))


def _concentration(alpha: Any) -> Any:
    alpha = operand("dirichlet", alpha)
    alpha = alpha if is_traced(alpha) else np.asarray(alpha, np.result_type(np.asarray(alpha), np.float32))
    if alpha.ndim != 1 or not computed(lambda alpha: bool(np.all(alpha > 0)), alpha):
        raise ValueError(f"dirichlet: alpha must be a vector of positive numbers, got shape {alpha.shape}")
    return alpha


def _log_beta(alpha: Any) -> Any:
    return reductions.sum(sp.gammaln(alpha)) - sp.gammaln(reductions.sum(alpha))


def _check_simplex(x: Any, alpha: Any) -> bool:
    """True, which makes it a decision of the program."""
    if x.size == 0:
        return True
    if np.min(x) < 0 or np.max(x) > 1:
        raise ValueError("dirichlet: the entries of x must lie between 0 and 1")
    if np.any((x == 0) & (alpha < 1)):
        raise ValueError("dirichlet: an entry of x must be positive where its alpha is less than 1")
    # In float32 a sum of 1 is rounded more coarsely.
    if np.any(np.abs(np.sum(x, 0, dtype=float) - 1.0) > max(1e-9, 8 * float(np.finfo(x.dtype).eps))):
        raise ValueError("dirichlet: the components of x must sum to 1")
    return True


def _counted(x: Any, n: Any, p: Any) -> tuple[Any, ...]:
    """Where the parameters are valid, and where the counts are possible; these, and the logarithms of the ways to have
    them."""
    x, n, p = map(np.asarray, (x, n, p))
    tolerance = 1e-9 if p.dtype != np.float32 else 1e-5
    valid = (n >= 0) & (n == np.floor(n)) & np.all((p >= 0) & (p <= 1), -1)
    valid = valid & (np.abs(np.sum(p, -1) - 1.0) < tolerance)
    possible = np.all((x >= 0) & (x == np.floor(x)), -1) & (np.sum(x, -1) == n)
    counts = np.where(possible[..., None], x, 0)
    with np.errstate(all="ignore"):
        ways = sp.gammaln(np.where(valid, n, 0) + 1.0) - np.sum(sp.gammaln(counts + 1.0), -1)
    return valid, possible, counts, ways


class Multinomial:
    """`scipy.stats.multinomial`, differentiable in p; the counts are constant.

    Its methods pmf and logpmf take x, whose last axis has the n counts, and the parameters. What else SciPy's object
    has is SciPy's, for plain arguments. p is taken as it is given, and its gradient as if its entries were free.

    Args:
        n: Number of trials.
        p: Probabilities on the last axis.

    Returns:
        The distribution with these parameters, whose methods take x alone.

    Raises:
        ShapeError: (by the methods) x and p differ in the last length.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy import stats
    >>> pyad.grad(lambda p: stats.multinomial.logpmf([2, 1], 3, p))(np.array([0.5, 0.5]))
    array([4., 2.])
    """

    _methods = ("pmf", "logpmf")

    __call__ = MultivariateNormal.__call__
    __getattr__ = MultivariateNormal.__getattr__

    def _theirs(self) -> Any:
        import scipy.stats

        return scipy.stats.multinomial

    def logpmf(self, x: Any, n: Any, p: Any) -> Any:
        """The logarithm of the probability of the counts on the last axis of x, in n trials: -inf where they are
        impossible, NaN where n or p are. p is taken as it is given, and its gradient as if its entries were free."""
        p = operand("multinomial", p)
        x, n = (operand("multinomial", counts) for counts in (x, n))
        if np.ndim(x) == 0 or np.shape(x)[-1] != np.shape(p)[-1]:
            raise ShapeError(
                f"multinomial: x of shape {np.shape(x)} and p of shape {np.shape(p)} differ in the last length"
            )
        valid, possible, counts, ways = computed(_counted, x, n, p)
        narrow = p.dtype if is_traced(p) else float
        with np.errstate(all="ignore"):
            out = reductions.sum(sp.xlogy(counts.astype(narrow), p), -1) + ways.astype(narrow)
        out = comparison.where(possible, out, -np.inf)
        out = comparison.where(valid, out, np.nan)
        return out if is_traced(out) else np.asarray(out)[()]

    def pmf(self, x: Any, n: Any, p: Any) -> Any:
        """The probability of the counts."""
        return exp(self.logpmf(x, n, p))


multinomial = Multinomial()
multivariate_normal = MultivariateNormal()
dirichlet = Dirichlet()
