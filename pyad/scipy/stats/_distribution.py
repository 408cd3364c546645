"""What the distributions have in common: their arguments, their support, location and scale.

A distribution is given by functions of the standardised variable z = (x - loc) / scale and of its shape parameters.
They are called with values inside the support and valid parameters only: elsewhere a harmless point stands in, and the
result is replaced, so that no NaN reaches a gradient from a branch that is not taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyad._ops import comparison
from pyad._ops._docstrings import example
from pyad._ops._nested import operand
from pyad._ops.explog_trig import exp, log, log1p
from pyad._ops.shape import asarray
from pyad._trace.array import is_traced
from pyad._trace.recorded_call import detached, may_hold
from pyad._trace.traced_integer import TracedInteger
from pyad.errors import UnsupportedError

__all__ = ["Continuous", "Discrete", "Distribution", "Frozen", "positive"]

Function = Callable[..., Any]


def positive(*shapes: Any) -> Any:
    """Where all parameters are positive."""
    valid: Any = True
    for shape in shapes:
        valid = valid & (shape > 0)
    return valid


_WORDS = """`scipy.stats.{name}`, {source}.

Its methods {methods} take x and the parameters. What else SciPy's object
has is SciPy's, for plain arguments. Called with parameters, it is a distribution that has these.

Args:
{parameters}

Returns:
    The distribution with these parameters, whose methods take x alone. They give arrays of the broadcast shape,
    with NaN where a parameter is not valid.

Raises:
    TypeError: A parameter is missing, unknown or given twice.
    UnsupportedError: A method that has no formula here is given a traced value.

>>> import pyad
>>> from pyad.scipy import stats
{example}"""


class Distribution:
    """The arguments of a distribution's methods, and what pyad leaves to SciPy.

    Args:
        name: Its name in scipy.stats.
        shown: For the docstring, arguments of logpdf or logpmf and its derivatives there: "0.5, 2.0 -> 1.0, -1.5".
        shapes: The names of the shape parameters.
        formulas: Functions of (z, *shapes) by the methods' names, such as `logpdf` and `cdf`.
        support: Its ends, numbers or functions of the shape parameters (plain arrays).
        open_below: The density is 0 at the lower end, where its formula has no value.
        inner: A point inside the support, or a function of the shapes.
        valid: Where the (plain) shape parameters are valid.
        harmless: Valid shape parameters, to stand in for others; 1/2 each where there are none.
    """

    # The names of the parameters that come after the shapes, with their defaults.
    _common: tuple[tuple[str, float], ...] = (("loc", 0.0), ("scale", 1.0))
    _methods: tuple[str, ...] = ()
    _source = ""

    def __init__(
        self,
        name: str,
        shown: str,
        shapes: tuple[str, ...] = (),
        *,
        support: tuple[Any, Any] = (-np.inf, np.inf),
        open_below: bool = False,
        inner: Any = 0.5,
        valid: Function = positive,
        harmless: tuple[float, ...] = (),
        **formulas: Function,
    ) -> None:
        self.name = name
        self.shapes = shapes
        self._support = support
        self._open_below = open_below
        self._inner = inner
        self._valid = valid
        self._harmless = harmless or (0.5,) * len(shapes)
        self._formulas = formulas
        self.__doc__ = self._words(shown)

    def _words(self, shown: str) -> str:
        parameters = [*self.shapes, *(name for name, _ in self._common)]
        methods = ", ".join(self._methods)
        return _WORDS.format(
            name=self.name,
            source=self._source,
            methods=methods,
            parameters="\n".join(f"    {name}: Number or array, which broadcasts with x." for name in parameters),
            example=example(f"stats.{self.name}.{self._methods[1]}", shown),
        )

    def __repr__(self) -> str:
        return f"<distribution {self.name} of pyad.scipy.stats>"

    def __call__(self, *args: Any, **keywords: Any) -> Frozen:
        return Frozen(self, args, keywords)

    def __getattr__(self, attribute: str) -> Any:
        """SciPy's, for what is not here."""
        if attribute.startswith("__"):
            raise AttributeError(f"{self!r} has no attribute {attribute!r}")
        return getattr(self._theirs(), attribute)

    def _theirs(self) -> Any:
        import scipy.stats

        return getattr(scipy.stats, self.name)

    def _parameters(self, method: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> list[Any]:
        """The shapes and the common parameters, in order."""
        where = f"{self.name}.{method}"
        names = [*self.shapes, *(name for name, _ in self._common)]
        if len(args) > len(names):
            raise TypeError(f"{where} takes the parameters ({', '.join(names)}), got {len(args)} positional ones")
        given = dict(self._common)
        for name, value in zip(names, args, strict=False):
            if name in keywords:
                raise TypeError(f"{where}: the parameter {name} is given twice")
            given[name] = value
        unknown = sorted(set(keywords) - set(names))
        if unknown:
            raise TypeError(f"{where} takes the parameters ({', '.join(names)}), not {', '.join(unknown)}")
        given.update(keywords)
        missing = [name for name in self.shapes if name not in given]
        if missing:
            raise TypeError(f"{where}: the parameter {missing[0]} is missing; it takes ({', '.join(names)})")
        return [operand(where, given[name]) for name in names]

    def _end(self, which: int, shapes: list[Any]) -> Any:
        end = self._support[which]
        return end(*shapes) if callable(end) else end

    def _formula(self, method: str) -> Function | None:
        """The formula of a method, given or derived from another's."""
        found = self._formulas.get(method)
        if found is not None:
            return found
        sources, change = _DERIVED.get(method, ((), None))
        inner = [self._formula(source) for source in sources]
        if change is None or None in inner:
            return None
        return lambda z, *shapes: change(*inner, z, *shapes)

    def _missing(self, method: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """A method that has no formula: SciPy's for plain arguments."""
        if any(is_traced(x) for x in (*args, *keywords.values())):
            raise UnsupportedError(
                f"{self.name}.{method} has no derivative in pyad and was given a traced value; "
                f"take pyad.stop_gradient of it, or define the function with pyad.custom_jvp"
            )
        return getattr(self._theirs(), method)(*args, **keywords)


def _log_of(share: Function, rest: Function, z: Any, *shapes: Any) -> Any:
    """The logarithm of a probability, by its complement where it is nearly 1."""
    part, other = share(z, *shapes), rest(z, *shapes)
    large = detached(part) > 0.5
    return comparison.where(large, log1p(-comparison.where(large, other, 0.0)), log(comparison.where(large, 1.0, part)))


# method -> the methods whose formulas it follows from, and how.
_DERIVED: dict[str, tuple[tuple[str, ...], Function]] = {
    "sf": (("cdf",), lambda cdf, z, *shapes: 1.0 - cdf(z, *shapes)),
    "logcdf": (("cdf", "sf"), _log_of),
    "logsf": (("sf", "cdf"), _log_of),
    "isf": (("ppf",), lambda ppf, q, *shapes: ppf(1.0 - q, *shapes)),
}

# What the functions of distribution are below the support and above it.
_ENDS = {"cdf": (0.0, 1.0), "sf": (1.0, 0.0), "logcdf": (-np.inf, 0.0), "logsf": (0.0, -np.inf)}


# Also of Python's booleans, of which ~ is a number.
_not = np.logical_not


def _chosen(mask: Any, x: Any, other: Any) -> Any:
    """where(), which is skipped where nothing is to be replaced."""
    return comparison.where(mask, x, other) if type(mask) is TracedInteger or not np.all(mask) else x


def _replaced(out: Any, *cases: tuple[Any, float]) -> Any:
    """The result with a constant wherever a mask holds; the last case has the last word."""
    for mask, value in cases:
        if may_hold(mask):
            out = comparison.where(mask, value, out)
    return out if is_traced(out) else np.asarray(out)[()]


class Continuous(Distribution):
    """A distribution with a density, of location and scale."""

    _methods = ("pdf", "logpdf", "cdf", "logcdf", "sf", "logsf", "ppf", "isf", "entropy")
    _source = "differentiable in x and all parameters (formulas: Johnson, Kotz and Balakrishnan 1994, 1995)"

    def logpdf(self, x: Any, *args: Any, **keywords: Any) -> Any:
        """The logarithm of the density: -inf outside the support, where the gradient is zero."""
        with np.errstate(all="ignore"):
            x = operand(f"{self.name}.logpdf", x)
            *shapes, loc, scale = self._parameters("logpdf", args, keywords)
            valid, shapes, scale = self._checked(shapes, scale)
            z = (x - loc) / scale
            inside = self._inside(z, shapes)
            z = _chosen(inside & valid, z, self._inner_point(shapes))
            out = self._formulas["logpdf"](z, *shapes) - log(scale)
            return _replaced(out, (_not(inside), -np.inf), (_not(valid) | np.isnan(detached(x)), np.nan))

    def pdf(self, x: Any, *args: Any, **keywords: Any) -> Any:
        """The density; 0 outside the support, where the gradient is zero."""
        return exp(self.logpdf(x, *args, **keywords))

    def _checked(self, shapes: list[Any], scale: Any) -> tuple[Any, list[Any], Any]:
        """Where the parameters are valid, and these with harmless ones in the other places."""
        good = detached(scale) > 0
        plain = [detached(s) for s in shapes]
        valid = self._valid(*plain) if plain else True
        shapes = [_chosen(valid, s, value) for s, value in zip(shapes, self._harmless, strict=True)]
        return asarray(valid & good), shapes, _chosen(good, scale, 1.0)

    def _inside(self, z: Any, shapes: list[Any]) -> Any:
        plain = [detached(s) for s in shapes]
        z = detached(z)
        lower = z > self._end(0, plain) if self._open_below else z >= self._end(0, plain)
        # At infinity every density is zero.
        return asarray(lower & (z <= self._end(1, plain)) & _not(np.isinf(z)))

    def _inner_point(self, shapes: list[Any]) -> Any:
        return self._inner(*(detached(s) for s in shapes)) if callable(self._inner) else self._inner

    def _cumulative(self, method: str, x: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        formula = self._formula(method)
        if formula is None:
            return self._missing(method, (x, *args), keywords)
        with np.errstate(all="ignore"):
            x = operand(f"{self.name}.{method}", x)
            *shapes, loc, scale = self._parameters(method, args, keywords)
            valid, shapes, scale = self._checked(shapes, scale)
            z = (x - loc) / scale
            plain = [detached(s) for s in shapes]
            below = detached(z) <= self._end(0, plain)
            above = detached(z) >= self._end(1, plain)
            z = _chosen(valid & _not(below) & _not(above) & _not(np.isnan(detached(z))), z, self._inner_point(shapes))
            left, right = _ENDS[method]
            nan = _not(valid) | np.isnan(detached(x))
            return _replaced(formula(z, *shapes), (below, left), (above, right), (nan, np.nan))

    def _quantile(self, method: str, q: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        formula = self._formula(method)
        if formula is None:
            return self._missing(method, (q, *args), keywords)
        with np.errstate(all="ignore"):
            q = operand(f"{self.name}.{method}", q)
            *shapes, loc, scale = self._parameters(method, args, keywords)
            valid, shapes, scale = self._checked(shapes, scale)
            plain = [detached(s) for s in shapes]
            level = detached(q)
            z = formula(_chosen((level > 0) & (level < 1), q, 0.5), *shapes)
            first, last = (0, 1) if method == "ppf" else (1, 0)
            for at, which in ((0.0, first), (1.0, last)):
                if may_hold(level == at):
                    z = comparison.where(level == at, self._end(which, plain), z)
            return _replaced(z * scale + loc, (_not(valid) | _not((level >= 0) & (level <= 1)), np.nan))

    def cdf(self, x: Any, *args: Any, **keywords: Any) -> Any:
        """The distribution function."""
        return self._cumulative("cdf", x, args, keywords)

    def sf(self, x: Any, *args: Any, **keywords: Any) -> Any:
        """1 - cdf, accurate also where that is small."""
        return self._cumulative("sf", x, args, keywords)

    def logcdf(self, x: Any, *args: Any, **keywords: Any) -> Any:
        """The logarithm of the distribution function."""
        return self._cumulative("logcdf", x, args, keywords)

    def logsf(self, x: Any, *args: Any, **keywords: Any) -> Any:
        """The logarithm of 1 - cdf."""
        return self._cumulative("logsf", x, args, keywords)

    def ppf(self, q: Any, *args: Any, **keywords: Any) -> Any:
        """The inverse of cdf."""
        return self._quantile("ppf", q, args, keywords)

    def isf(self, q: Any, *args: Any, **keywords: Any) -> Any:
        """The inverse of sf."""
        return self._quantile("isf", q, args, keywords)

    def entropy(self, *args: Any, **keywords: Any) -> Any:
        """The differential entropy."""
        formula = self._formulas.get("entropy")
        if formula is None:
            return self._missing("entropy", args, keywords)
        with np.errstate(all="ignore"):
            *shapes, _, scale = self._parameters("entropy", args, keywords)
            valid, shapes, scale = self._checked(shapes, scale)
            return _replaced(formula(*shapes) + log(scale), (_not(valid), np.nan))


class Discrete(Distribution):
    """A distribution of integers. The integers and the location are constant, the other parameters differentiable."""

    _common = (("loc", 0.0),)
    _methods = ("pmf", "logpmf", "cdf", "logcdf", "sf", "logsf")
    _source = "differentiable in parameters that are no integers (formulas: Johnson, Kemp and Kotz 2005)"

    def logpmf(self, k: Any, *args: Any, **keywords: Any) -> Any:
        """The logarithm of the probability of k: -inf where that is 0, with zero gradient."""
        with np.errstate(all="ignore"):
            k, shapes, valid = self._arguments("logpmf", k, args, keywords)
            plain = [detached(s) for s in shapes]
            inside = (k >= self._end(0, plain)) & (k <= self._end(1, plain)) & (k == np.floor(k)) & _not(np.isinf(k))
            out = self._formulas["logpmf"](_chosen(inside & valid, k, self._inner), *shapes)
            return _replaced(out, (_not(inside), -np.inf), (_not(valid) | np.isnan(k), np.nan))

    def pmf(self, k: Any, *args: Any, **keywords: Any) -> Any:
        """The probability of k."""
        return exp(self.logpmf(k, *args, **keywords))

    def _arguments(
        self, method: str, k: Any, args: tuple[Any, ...], keywords: dict[str, Any]
    ) -> tuple[Any, list[Any], Any]:
        *shapes, loc = self._parameters(method, args, keywords)
        k = asarray(detached(operand(f"{self.name}.{method}", k)) - detached(loc))
        valid = asarray(self._valid(*(detached(s) for s in shapes)))
        shapes = [_chosen(valid, s, value) for s, value in zip(shapes, self._harmless, strict=True)]
        narrow = [s.dtype for s in shapes if is_traced(s) and s.dtype.kind == "f"]
        # Integers are exact in float32 where it matters, and do not widen the parameters.
        return k.astype(narrow[0] if narrow else float), shapes, valid

    def _cumulative(self, method: str, k: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        formula = self._formula(method)
        if formula is None:
            return self._missing(method, (k, *args), keywords)
        with np.errstate(all="ignore"):
            k, shapes, valid = self._arguments(method, k, args, keywords)
            plain = [detached(s) for s in shapes]
            nan = _not(valid) | np.isnan(k)
            k = np.floor(k)
            below = k < self._end(0, plain)
            above = k >= self._end(1, plain)
            k = _chosen(valid & _not(below) & _not(above) & _not(nan), k, self._inner)
            left, right = _ENDS[method]
            return _replaced(formula(k, *shapes), (below, left), (above, right), (nan, np.nan))

    cdf = Continuous.cdf
    sf = Continuous.sf
    logcdf = Continuous.logcdf
    logsf = Continuous.logsf


class Frozen:
    """A distribution with its parameters given."""

    def __init__(self, distribution: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        self.dist = distribution
        self.args = args
        self.kwds = keywords

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(f"a frozen distribution has no attribute {attribute!r}")
        if attribute not in self.dist._methods:
            return getattr(self.dist._theirs()(*self.args, **self.kwds), attribute)
        method = getattr(self.dist, attribute)
        return lambda *x, **keywords: method(*x, *self.args, **self.kwds, **keywords)
