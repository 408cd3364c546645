"""Errors for what would drop the derivative of a traced value, or freeze it into a program."""

from __future__ import annotations

import importlib
import sys
from types import FrameType
from typing import Any

import numpy as np

from pyad._trace.call_site import call_site
from pyad.errors import ConcretizationError

# What comes nearest to functions that have no derivative here, by the beginning of their names.
_NEAREST = {
    "numpy.lib.stride_tricks.as_strided": "np.lib.stride_tricks.sliding_window_view, slices and reshape do",
    "numpy.ma": "ndarrays do: write masked.filled(value), and np.where for what is masked",
    "numpy.polynomial": "np.polyval(coefficients, x), from the highest power on, and np.vander(x) @ coefficients do",
    "numpy.vectorize": "pyad.numpy.vectorize does",
    "scipy.interpolate": "np.interp does, and a spline is linear in its values: with B made of plain numbers, as by "
    "B = CubicSpline(knots, np.eye(len(knots)))(points), it is B @ values",
    "scipy.ndimage": "pyad.scipy.signal.convolve and correlate do, and sums over "
    "np.lib.stride_tricks.sliding_window_view",
    "scipy.sparse": "pyad.scipy.sparse.coo_matmul and pyad.scipy.sparse.linalg.coo_solve take the entries of a "
    "matrix as a traced vector",
    "scipy.spatial.distance": "np.linalg.norm(a[:, None] - b, axis=-1) does",
    "scipy.cluster": "",
    "scipy.fft": "np.fft has",
    "scipy.fftpack": "np.fft has",
}


# More names than these are no help in a message.
_MOST_NAMES = 24


def _nearest(name: str) -> str:
    """What comes nearest to a function of NumPy or SciPy, as a part of a sentence; empty where nothing does."""
    for start, words in _NEAREST.items():
        if name == start or name.startswith(f"{start}."):
            return words
    for module, _ in _splits(name):
        ours = _namespace(f"pyad.{module}") if module.startswith("scipy.") else []
        if ours:
            if len(ours) > _MOST_NAMES:
                return f"pyad.{module}.__all__ names those that do"
            return f"of pyad.{module} these do: {', '.join(sorted(ours))}"
    return ""


def _splits(name: str) -> list[tuple[str, str]]:
    """Modules that a dotted name may begin with, and the name in them, the longest module first."""
    parts = name.split(".")
    return [(".".join(parts[:k]), parts[k]) for k in range(len(parts) - 1, 0, -1)]


def _namespace(module: str) -> list[str]:
    """The names that a module of pyad defines; none where there is no such module."""
    try:
        found = importlib.import_module(module)
    except ImportError:
        return []
    return list(getattr(found, "__all__", ()) or vars(found))


def _module_with(name: str) -> str:
    """The module of pyad that has a function of NumPy or SciPy, or nothing."""
    for module, first in _splits(name):
        names = _namespace(f"pyad.{module}")
        if names:
            return f"pyad.{module}" if first in names else ""
    return ""


def no_derivative(written: str, name: str, given: str) -> str:
    """The words for a function without a derivative that was given a traced value."""
    near = _nearest(name)
    called = written or name
    same = not written or not name or name.startswith("a function") or name in (written, f"numpy{written[2:]}")
    return (
        f"{called if same else f'{called} ({name})'} has no derivative in pyad and was given a {given}; "
        f"{near + '; or ' if near else ''}define it with pyad.custom_vjp or pyad.custom_jvp, or take "
        "pyad.stop_gradient(x) if it is constant"
    )


_SPELLED = {"numpy": "NumPy", "scipy": "SciPy"}


def not_plain(x: Any, frame: FrameType) -> ConcretizationError:
    """The error for a plain array of a traced value, for whoever asks in `frame`."""
    site = call_site(frame)
    given = f"traced {x._text()} value"
    if site.library == "pandas":
        return ConcretizationError(
            f"pandas was given a {given}, which it can only take as a plain number; compute with arrays "
            "inside the function: write .to_numpy() after the Series or DataFrame"
        )
    module = _module_with(site.name) if site.library else ""
    if module:
        return ConcretizationError(
            f"{site.written or site.name} was given a {given}, of which {_SPELLED[site.library]} knows "
            f"nothing here; take the function from {module}, where it has a derivative, or pass pyad.stop_gradient(x)"
        )
    if site.library:
        return ConcretizationError(no_derivative(site.written, site.name, given))
    return ConcretizationError(
        f"a {given} cannot be made a plain NumPy array: the derivative would be lost. "
        "Assigning into an array of plain NumPy (a[i] = x), np.array([x, ...]) and np.vectorize do this: make the "
        "array inside the function with pyad.numpy.array, zeros, empty, ..., build it with np.stack or "
        "np.concatenate, or call pyad.numpy.vectorize; use pyad.stop_gradient(x) if you want the value without its "
        "derivative"
    )


def in_sparse_product(frame: FrameType) -> bool:
    """Whether SciPy asks on behalf of a sparse matrix that stands left of @. Where an object that is no array of
    numbers is returned, it leaves the product to the right operand. It has no other test: neither a priority nor
    __array_ufunc__ matters to it, and it asks in the same way as everybody else, so only the caller tells.
    """
    return frame.f_code.co_name == "_matmul_dispatch" and frame.f_globals.get("__name__", "").startswith("scipy.sparse")


def frozen(what: str, x: Any) -> ConcretizationError:
    """The error for what would put a value of this one call into a compiled program."""
    return ConcretizationError(
        f"{what} of a {x._text()} value while a program is being compiled{call_site(sys._getframe(1)).where}: the "
        "number would be the same at every later call. Leave it an array, compare it (as in `if x > 0`), or pass what "
        "it is for as a Python int, str or tuple, which belong to the program"
    )


def dropped(what: str, x: Any) -> ConcretizationError:
    """The error for what would make a plain value of a traced one."""
    site = call_site(sys._getframe(1))
    scalar = getattr(site.found, "__module__", "") in ("math", "cmath")
    ours = (_of_numpy(site.found.__name__) if scalar else "") or "it with functions of NumPy"
    if scalar:
        return ConcretizationError(
            f"{site.found.__module__}.{site.found.__name__} takes plain numbers, and was given a traced {x._text()} "
            f"value, whose derivative would be lost; write {ours}, or pass pyad.stop_gradient(x) if it is constant"
        )
    return ConcretizationError(
        f"{what} of a traced {x._text()} value would drop its derivative; leave it an array (of a floating "
        "dtype; functions are those of NumPy, not of math), or write pyad.stop_gradient(x) first if that is what you "
        "want"
    )


# Functions of math that have another name in NumPy, or are in SciPy.
_MATH = {
    "fabs": "np.abs",
    "pow": "np.power",
    "dist": "np.linalg.norm(x - y)",
    "fsum": "np.sum",
    "gamma": "pyad.scipy.special.gamma",
    "lgamma": "pyad.scipy.special.gammaln",
    "erf": "pyad.scipy.special.erf",
    "erfc": "pyad.scipy.special.erfc",
    "fmod": "np.fmod",
    "phase": "np.angle",
}


def _of_numpy(name: str) -> str:
    return _MATH.get(name) or (f"np.{name}" if isinstance(getattr(np, name, None), np.ufunc) else "")
