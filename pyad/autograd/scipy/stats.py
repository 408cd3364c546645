"""The distributions of `pyad.scipy.stats`; autograd has a module for each, so each can be imported as one."""

import sys as _sys
from typing import Any

from pyad.scipy import stats as _stats

# autograd's own list.
_MODULES = ["beta", "chi2", "dirichlet", "gamma", "multivariate_normal", "norm", "poisson", "t"]

for _name in _MODULES:
    globals()[_name] = _sys.modules[f"{__name__}.{_name}"] = getattr(_stats, _name)


def __getattr__(name: str) -> Any:
    return getattr(_stats, name)


def __dir__() -> list[str]:
    return dir(_stats)
