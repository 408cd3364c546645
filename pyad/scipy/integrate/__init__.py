"""`scipy.integrate` over pyad's ops: SciPy's functions for plain arguments, pyad's where one is traced.

What is not defined here is SciPy's own and takes plain arrays only.
"""

from pyad.scipy._namespace import fallback as _fallback
from pyad.scipy._namespace import listing as _listing
from pyad.scipy._namespace import load as _load
from pyad.scipy.integrate._ode import odeint, solve_ivp
from pyad.scipy.integrate._quadrature import cumulative_trapezoid, quad, simpson, trapezoid

__all__ = ["cumulative_trapezoid", "odeint", "quad", "simpson", "solve_ivp", "trapezoid"]

_theirs = _load("scipy.integrate")
__getattr__ = _fallback(_theirs)
__dir__ = _listing(_theirs, __all__)
