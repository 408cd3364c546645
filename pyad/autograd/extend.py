"""autograd's names for defining operations; `pyad.extend` implements them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from pyad._transforms import primitive as _rules
from pyad._transforms.primitive import *  # noqa: F403
from pyad.autograd._vspace import SparseObject, VSpace, vspace
from pyad.autograd.tracer import Box, register_notrace

# All rules of pyad.extend, but with the `primitive` of this module.
__all__ = [*_rules.__all__, "Box", "JVPNode", "SparseObject", "VJPNode", "VSpace", "register_notrace", "vspace"]


class VJPNode:
    """Names reverse mode in `register_notrace`."""


class JVPNode:
    """Names forward mode in `register_notrace`."""


def primitive(function: Callable[..., Any]) -> Callable[..., Any]:
    """As `pyad.extend.primitive`; a `SparseObject` that the function returns becomes the array it stands for.

    >>> from pyad import autograd
    >>> from pyad.autograd.extend import defvjp
    >>> cube = autograd.primitive(lambda x: x**3)
    >>> defvjp(cube, lambda ans, x: lambda g: g * 3 * x**2)
    >>> autograd.grad(cube)(2.0)
    np.float64(12.0)
    """

    @functools.wraps(function, updated=())
    def dense_function(*args: Any, **keywords: Any) -> Any:
        value = function(*args, **keywords)
        return value.dense() if isinstance(value, SparseObject) else value

    made = _rules.primitive(dense_function)
    made.fun = function  # type: ignore[attr-defined]
    return made
