"""`scipy.stats`'s distributions, differentiable in x and in their parameters.

What is not here is SciPy's own, which is imported when it is asked for.
"""

from typing import Any

from pyad.scipy.stats._continuous import (
    beta,
    cauchy,
    chi2,
    expon,
    f,
    gamma,
    gennorm,
    gumbel_l,
    gumbel_r,
    halfnorm,
    invgamma,
    laplace,
    logistic,
    lognorm,
    norm,
    pareto,
    rayleigh,
    t,
    truncnorm,
    uniform,
    vonmises,
    weibull_min,
    wrapcauchy,
)
from pyad.scipy.stats._discrete import bernoulli, betabinom, binom, geom, nbinom, poisson
from pyad.scipy.stats._multivariate import dirichlet, multinomial, multivariate_normal

__all__ = [
    "bernoulli",
    "beta",
    "betabinom",
    "binom",
    "cauchy",
    "chi2",
    "dirichlet",
    "expon",
    "f",
    "gamma",
    "gennorm",
    "geom",
    "gumbel_l",
    "gumbel_r",
    "halfnorm",
    "invgamma",
    "laplace",
    "logistic",
    "lognorm",
    "multinomial",
    "multivariate_normal",
    "nbinom",
    "norm",
    "pareto",
    "poisson",
    "rayleigh",
    "t",
    "truncnorm",
    "uniform",
    "vonmises",
    "weibull_min",
    "wrapcauchy",
]


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module 'pyad.scipy.stats' has no attribute {name!r}")
    import scipy.stats

    return getattr(scipy.stats, name)


def __dir__() -> list[str]:
    import scipy.stats

    return sorted({*dir(scipy.stats), *__all__})
