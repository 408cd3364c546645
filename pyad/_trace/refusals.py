"""Errors for what would drop the derivative of a traced value, or freeze it into a program."""

from __future__ import annotations

import sys
from typing import Any

from pyad.errors import ConcretizationError


def in_sparse_product(frame: Any) -> bool:
    """Whether SciPy asks on behalf of a sparse matrix that stands left of @. Where it is answered with an object that
    is no array of numbers, it leaves the product to the right operand. It has no other test: neither a priority nor
    __array_ufunc__ matters to it, and it asks in the same way as everybody else, so only the caller tells.
    """
    return frame.f_code.co_name == "_matmul_dispatch" and frame.f_globals.get("__name__", "").startswith("scipy.sparse")


def function_of_scipy(frame: Any) -> str:
    """The function of SciPy that the user called, as one writes it, where it is SciPy that asks; else nothing."""
    name = ""
    while frame is not None and (frame.f_globals.get("__name__") or "").startswith("scipy."):
        parts = frame.f_globals["__name__"].split(".")
        if "_lib" in parts:
            name = name or "a function of SciPy"
        else:
            name = ".".join([*(part for part in parts if not part.startswith("_")), frame.f_code.co_name])
        frame = frame.f_back
    return name


def namespace_for(name: str) -> str:
    """The module that stands for that of a function of SciPy."""
    parts = name.split(".")
    return f"pyad.{'.'.join(parts[:2])}" if len(parts) > 2 else "pyad.scipy"


def frozen(what: str, x: Any) -> ConcretizationError:
    """The error for what would put a value of this one call into a compiled program."""
    return ConcretizationError(
        f"{what} of a {x._text()} value while a program is being compiled{_user_line()}: the number would be the same "
        "at every later call. Leave it an array, compare it (as in `if x > 0`), or pass what it is for as a Python "
        "int, str or tuple, which belong to the program"
    )


def _user_line() -> str:
    """Where the user's code is, as words for a message."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in ("pyad", "numpy", "scipy"):
        frame = frame.f_back
    return f" (line {frame.f_lineno} of {frame.f_code.co_filename})" if frame is not None else ""


def dropped(what: str, x: Any) -> ConcretizationError:
    """The error for what would make a plain value of a traced one."""
    return ConcretizationError(
        f"{what} of a traced {x._text()} value would drop its derivative; leave it an array (of a floating dtype), or "
        f"write pyad.stop_gradient(x) first if that is what you want"
    )
