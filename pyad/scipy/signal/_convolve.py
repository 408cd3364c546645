"""Convolution in any number of dimensions, over all axes or some of them, and what is made of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyad._ops._registry import over
from pyad._ops.shape import asarray
from pyad._trace.numpy_op import numpy_op_linear
from pyad.errors import ShapeError
from pyad.scipy._namespace import load, refuse, run_by

_theirs = load("scipy.signal")

_MODES = ("full", "same", "valid")

# ---- the op ----

# `how` is the name of SciPy's function, with `method` for the one that takes it. "full" and "valid" are each other's
# transposes; "same" is a part of "full".


def _reference(x: Any, h: Any, mode: str, axes: tuple[int, ...], how: str, method: str) -> Any:
    if how == "convolve":
        return _theirs.convolve(x, h, mode, method)
    return getattr(_theirs, how)(x, h, mode, axes)


def _transpose(s: Any, x: Any, h: Any, mode: str, axes: tuple[int, ...], how: str, method: str) -> tuple[Any, ...]:
    params = {"axes": axes, "how": how, "method": method}
    if mode == "full":
        return (
            _convolve(s, _reversed(h, axes), mode="valid", **params),
            _convolve(s, _reversed(x, axes), mode="valid", **params),
        )
    return (
        _convolve(s, _reversed(h, axes), mode="full", **params),
        _convolve(_reversed(x, axes), s, mode="valid", **params),
    )


_convolve = numpy_op_linear("convolve", run_by(_reference), _transpose)


def _reversed(x: Any, axes: tuple[int, ...]) -> Any:
    return x[tuple(slice(None, None, -1) if d in axes else slice(None) for d in range(x.ndim))]


def _checked(name: str, x: Any, h: Any, mode: str) -> tuple[Any, Any]:
    if mode not in _MODES:
        raise ValueError(f"{name}: mode must be 'full', 'same' or 'valid', got {mode!r}")
    x, h = asarray(x), asarray(h)
    if x.ndim != h.ndim:
        raise ShapeError(f"{name}: shapes {x.shape} and {h.shape}; expected the same number of dimensions")
    return x, h


def _mode_of(name: str, x: Any, h: Any, mode: str, axes: tuple[int, ...], **params: Any) -> Any:
    """The convolution of two arrays of equal dimension over the axes."""
    if x.ndim == 0:
        return x * h
    if x.size == 0 or h.size == 0:
        return np.zeros(0, np.result_type(x.dtype, h.dtype))
    if mode == "valid":
        # The longer one first, as the transposes expect it.
        longer = [x.shape[d] >= h.shape[d] for d in axes]
        if not all(longer):
            if not all(h.shape[d] >= x.shape[d] for d in axes):
                raise ShapeError(f"{name}: mode 'valid' needs one of {x.shape} and {h.shape} inside the other")
            x, h = h, x
        return _convolve(x, h, mode=mode, axes=axes, **params)
    full = _convolve(x, h, mode="full", axes=axes, **params)
    if mode == "full":
        return full
    # SciPy cuts broadcast axes to the length of the first operand as well.
    return _centre(full, x.shape)


def _centre(full: Any, shape: tuple[int, ...], late: int = 0) -> Any:
    """The middle of a full convolution, of the shape of the first operand; `late` rounds its beginning up."""
    starts = [(have - want + late) // 2 for have, want in zip(full.shape, shape, strict=True)]
    return full[tuple(slice(start, start + want) for start, want in zip(starts, shape, strict=True))]


# ---- functions ----


@over(_theirs.convolve)
def _convolve_all(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
    x, h = _checked("convolve", in1, in2, mode)
    if method not in ("auto", "direct", "fft"):
        raise ValueError(f"convolve: method must be 'auto', 'direct' or 'fft', got {method!r}")
    return _mode_of("convolve", x, h, mode, tuple(range(x.ndim)), how="convolve", method=method)


def convolve(
    in1: Any, in2: Any, mode: str = "full", method: str = "auto", *, axes: Any = None, dot_axes: Any = None
) -> Any:
    """The convolution of two arrays of N dimensions.

    With `axes` and `dot_axes`, as HIPS autograd's function of that name has them, the result has the remaining axes of
    in1, then those of in2, then the convolved ones.

    Args:
        in1: First array.
        in2: Second array, of as many axes.
        mode: "full", "same" or "valid".
        method: "direct", "fft" or "auto".
        axes: A pair of lists, the axes of in1 and of in2 that are convolved with each other.
        dot_axes: Another, of axes that are multiplied and summed over.

    Returns:
        Array of the common dtype.

    Raises:
        ShapeError: Shapes that do not fit.
        ValueError: An unknown mode or method.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.signal import convolve
    >>> pyad.grad(lambda h: convolve(np.arange(3.0), h, "same")[1])(np.ones(3))
    array([2., 1., 0.])
    >>> convolve(np.ones((4, 2, 5)), np.ones((3, 2, 2)), "valid", axes=([2], [2]), dot_axes=([1], [1])).shape
    (4, 3, 4)
    """
    if axes is None and dot_axes is None:
        return _convolve_all(in1, in2, mode, method)
    x, h = asarray(in1), asarray(in2)
    dots = _axis_pair("dot_axes", ((), ()) if dot_axes is None else dot_axes, x, h)
    if axes is None:
        axes = tuple([d for d in range(a.ndim) if d not in dot] for a, dot in zip((x, h), dots, strict=True))
    return _over_axes(x, h, mode, _axis_pair("axes", axes, x, h), dots)


def _axis_pair(name: str, pair: Any, x: Any, h: Any) -> tuple[list[int], list[int]]:
    first, second = (
        [np.lib.array_utils.normalize_axis_index(int(d), a.ndim, f"convolve: {name}") for d in given]
        for a, given in zip((x, h), pair, strict=True)
    )
    if len(first) != len(second):
        raise ShapeError(f"convolve: {name} must name as many axes of in1 as of in2, got {pair!r}")
    return first, second


def _over_axes(x: Any, h: Any, mode: str, axes: Any, dots: Any) -> Any:
    """Both arrays brought to (own axes of in1, own axes of in2, summed axes, convolved axes)."""
    own = [[d for d in range(a.ndim) if d not in (*ax, *dot)] for a, ax, dot in zip((x, h), axes, dots, strict=True)]
    for dx, dh in zip(*dots, strict=True):
        if x.shape[dx] != h.shape[dh]:
            raise ShapeError(f"convolve: dot_axes {dx} and {dh} of {x.shape} and {h.shape} differ in length")
    moved = []
    for k, a in enumerate((x, h)):
        a_shape = [a.shape[d] for d in (*own[k], *dots[k], *axes[k])]
        ones = [1] * len(own[1 - k])
        place = len(own[0]) if k == 0 else 0
        moved.append(
            np.reshape(np.transpose(a, (*own[k], *dots[k], *axes[k])), (*a_shape[:place], *ones, *a_shape[place:]))
        )
    first = len(own[0]) + len(own[1])
    summed = tuple(range(first, first + len(dots[0])))
    convolved = tuple(range(first + len(dots[0]), moved[0].ndim))
    if not convolved:
        return np.sum(moved[0] * moved[1], axis=summed)
    if mode not in _MODES:
        raise ValueError(f"convolve: mode must be 'full', 'same' or 'valid', got {mode!r}")
    out = _mode_of("convolve", *moved, mode, convolved, how="fftconvolve", method="fft")
    return np.sum(out, axis=summed) if summed else out


def _some_axes(name: str, in1: Any, in2: Any, mode: str, axes: Any) -> Any:
    x, h = _checked(name, in1, in2, mode)
    given = range(x.ndim) if axes is None else np.atleast_1d(axes)
    chosen = tuple(np.lib.array_utils.normalize_axis_index(int(d), x.ndim, name) for d in given)
    for d in range(x.ndim):
        if d not in chosen and x.shape[d] != h.shape[d] and 1 not in (x.shape[d], h.shape[d]):
            raise ShapeError(f"{name}: shapes {x.shape} and {h.shape} do not broadcast in axis {d}")
    return _mode_of(name, x, h, mode, chosen, how=name, method="fft")


@over(_theirs.fftconvolve)
def fftconvolve(in1: Any, in2: Any, mode: str = "full", axes: Any = None) -> Any:
    """The convolution by FFT, over all axes or some; the others broadcast.

    Raises:
        ShapeError: Shapes that do not fit.
        ValueError: An unknown mode.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.signal import fftconvolve
    >>> pyad.grad(lambda h: fftconvolve(np.arange(3.0), h, "valid")[0])(np.ones(3)).round(6) + 0.0
    array([2., 1., 0.])
    """
    return _some_axes("fftconvolve", in1, in2, mode, axes)


@over(_theirs.oaconvolve)
def oaconvolve(in1: Any, in2: Any, mode: str = "full", axes: Any = None) -> Any:
    """As `fftconvolve`, piece by piece (overlap-add), for operands of very different lengths.

    Raises:
        ShapeError, ValueError: As `fftconvolve`.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.signal import oaconvolve
    >>> pyad.grad(lambda h: oaconvolve(np.arange(3.0), h, "valid")[0])(np.ones(3)).round(6) + 0.0
    array([2., 1., 0.])
    """
    return _some_axes("oaconvolve", in1, in2, mode, axes)


@over(_theirs.correlate)
def correlate(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
    """The cross-correlation of two arrays of N dimensions.

    Raises:
        ShapeError: Shapes that do not fit.
        ValueError: An unknown mode or method.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.signal import correlate
    >>> pyad.grad(lambda h: correlate(np.arange(3.0), h, "valid")[0])(np.ones(3))
    array([0., 1., 2.])
    """
    h = asarray(in2)
    return convolve(in1, _reversed(h, tuple(range(h.ndim))).conj(), mode, method)


# ---- two dimensions, with boundaries ----


@over(_theirs.convolve2d)
def convolve2d(in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0) -> Any:
    """The convolution of two matrices, with what lies beyond the edges of in1 filled, wrapped around or mirrored.

    Raises:
        ShapeError: No matrices, or "valid" where neither is inside the other.
        UnsupportedError: A traced fillvalue.
        ValueError: An unknown mode or boundary.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.signal import convolve2d
    >>> pyad.grad(lambda x: convolve2d(x, np.ones((1, 3)), "same", "wrap")[0, 0])(np.ones((1, 4)))
    array([[1., 1., 0., 1.]])
    """
    return _in_two("convolve2d", in1, in2, mode, boundary, fillvalue)


@over(_theirs.correlate2d)
def correlate2d(in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0) -> Any:
    """The cross-correlation of two matrices, at the edges of in1 as `convolve2d`.

    Raises:
        ShapeError, UnsupportedError, ValueError: As `convolve2d`.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.scipy.signal import correlate2d
    >>> pyad.grad(lambda x: np.sum(correlate2d(x, [[1.0, 2.0]], "valid")))(np.ones((1, 3)))
    array([[1., 3., 2.]])
    """
    h = _reversed(asarray(in2), (0, 1)).conj()
    return _in_two("correlate2d", in1, h, mode, boundary, fillvalue)


def _in_two(name: str, in1: Any, in2: Any, mode: str, boundary: str, fillvalue: Any) -> Any:
    x, h = _checked(name, in1, in2, mode)
    if x.ndim != 2:
        raise ShapeError(f"{name}: shapes {x.shape} and {h.shape}, expected two matrices")
    if boundary not in ("fill", "wrap", "symm"):
        raise ValueError(f"{name}: boundary must be 'fill', 'wrap' or 'symm', got {boundary!r}")
    padded = boundary != "fill" or type(fillvalue) not in (int, float) or fillvalue != 0
    whole = mode == "same"
    if padded and mode != "valid":
        x_all, inner = _extended(name, x, h.shape, boundary, fillvalue), "valid"
    else:
        x_all, inner = x, "full" if whole else mode
    out = _mode_of(name, x_all, h, inner, (0, 1), how="convolve", method="direct")
    # For kernels of even length, SciPy's two functions differ in what they call the middle.
    return _centre(out, x.shape, late=int(name == "correlate2d")) if whole else out


def _extended(name: str, x: Any, kernel: tuple[int, int], boundary: str, fillvalue: Any) -> Any:
    """x with as much around it as the full convolution sees."""
    if boundary == "fill" and not isinstance(fillvalue, int | float | np.generic | np.ndarray):
        raise refuse(name, "a traced fillvalue", "pad the first operand yourself")
    for axis, k in enumerate(kernel):
        n = x.shape[axis]
        if boundary == "fill":
            shape = (k - 1, x.shape[1]) if axis == 0 else (x.shape[0], k - 1)
            edge = np.full(shape, fillvalue, x.dtype)
            x = np.concatenate([edge, x, edge], axis)
        else:
            places = np.pad(np.arange(n), k - 1, mode="wrap" if boundary == "wrap" else "symmetric")
            x = x[places] if axis == 0 else x[:, places]
    return x
