"""Orthogonal polynomials, differentiable in x; degree and parameters are constant.

Derivatives: NIST Digital Library of Mathematical Functions, 18.9(iii). Each is a polynomial one degree lower.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special as sp

from pyad._ops.comparison import where
from pyad.scipy._elementwise import special


def _lower(function: Callable[..., Any]) -> Callable[..., Any]:
    """A rule by its form for a degree of at least 1: the derivative of a constant is 0."""

    def rule(y: Any, n: Any, *rest: Any) -> Any:
        n = np.asarray(n)
        degree = np.where(n == 0, 1, n)
        factor, value = function(degree, *rest)
        # A factor of float64 would widen float32.
        return where(n == 0, 0.0, np.asarray(factor, value.dtype)[()] * value)

    return rule


eval_jacobi = special(
    sp.eval_jacobi,
    "2, 1, 1, 0.5 -> 3.75; DLMF 18.9.15",
    n=None,
    alpha=None,
    beta=None,
    x=_lower(lambda n, a, b, x: (0.5 * (n + a + b + 1), eval_jacobi(n - 1, a + 1, b + 1, x))),
)
eval_legendre = special(
    sp.eval_legendre,
    "2, 0.5 -> 1.5; DLMF 18.9.15",
    n=None,
    x=_lower(lambda n, x: (0.5 * (n + 1), eval_jacobi(n - 1, 1.0, 1.0, x))),
)
eval_gegenbauer = special(
    sp.eval_gegenbauer,
    "2, 1, 0.5 -> 4.0; DLMF 18.9.19",
    n=None,
    alpha=None,
    x=_lower(lambda n, a, x: (2.0 * a, eval_gegenbauer(n - 1, a + 1, x))),
)
eval_chebyt = special(
    sp.eval_chebyt, "2, 0.5 -> 2.0; DLMF 18.9.21", n=None, x=_lower(lambda n, x: (n, eval_chebyu(n - 1, x)))
)
eval_chebyu = special(
    sp.eval_chebyu, "2, 0.5 -> 4.0; DLMF 18.9.19", n=None, x=_lower(lambda n, x: (2.0, eval_gegenbauer(n - 1, 2.0, x)))
)
eval_hermite = special(
    sp.eval_hermite, "2, 0.5 -> 4.0; DLMF 18.9.25", n=None, x=_lower(lambda n, x: (2.0 * n, eval_hermite(n - 1, x)))
)
eval_hermitenorm = special(
    sp.eval_hermitenorm, "2, 0.5 -> 1.0; DLMF 18.9.27", n=None, x=_lower(lambda n, x: (n, eval_hermitenorm(n - 1, x)))
)
eval_genlaguerre = special(
    sp.eval_genlaguerre,
    "2, 1, 0.5 -> -2.5; DLMF 18.9.23",
    n=None,
    alpha=None,
    x=_lower(lambda n, a, x: (-1.0, eval_genlaguerre(n - 1, a + 1, x))),
)
eval_laguerre = special(
    sp.eval_laguerre,
    "2, 0.5 -> -1.5; DLMF 18.9.23",
    n=None,
    x=_lower(lambda n, x: (-1.0, eval_genlaguerre(n - 1, 1.0, x))),
)
eval_sh_legendre = special(
    sp.eval_sh_legendre,
    "2, 0.25 -> -3.0; DLMF 18.9.15",
    n=None,
    x=_lower(lambda n, x: (n + 1, eval_jacobi(n - 1, 1.0, 1.0, 2.0 * x - 1.0))),
)
