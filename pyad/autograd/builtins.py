"""Python's containers. A function under differentiation sees tuples, lists and dicts themselves, so nothing has to
stand in for them; `isinstance` and `type` look at what a traced array stands for.
"""

from __future__ import annotations

import builtins
from typing import Any

from pyad.autograd.tracer import getval

__all__ = ["dict", "isinstance", "list", "tuple", "type"]

dict = builtins.dict
list = builtins.list
tuple = builtins.tuple


def isinstance(x: Any, cls: Any) -> bool:
    """Whether x, or what it stands for where it is traced, is of a class.

    >>> from pyad import autograd
    >>> autograd.grad(lambda x: x * autograd.isinstance(x, float))(2.0)
    np.float64(1.0)
    """
    return builtins.isinstance(getval(x), cls)


def type(x: Any) -> Any:
    """The class of x, or of what it stands for where it is traced.

    >>> import numpy as np
    >>> from pyad import autograd
    >>> autograd.grad(lambda x: x * (autograd.type(x) is np.float64))(2.0)
    np.float64(1.0)
    """
    return builtins.type(getval(x))
