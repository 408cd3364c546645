"""Fourier transforms: `numpy.fft`.

The one-dimensional transforms are linear ops that NumPy runs; the others are made of them, as NumPy makes them. Their
transposes are plain ones, without a conjugate: the matrix of a discrete Fourier transform is symmetric, so `fft` and
`ifft` are their own transposes, up to cutting off what had been padded and padding what had been cut off.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pyad._ops._registry import implements
from pyad._ops.arithmetic import conjugate
from pyad._ops.complex_parts import real
from pyad._ops.rearrange import along
from pyad._ops.shape import array, asarray, concatenate
from pyad._trace.numpy_op import numpy_op_linear

Norm = str | None

# The norm with which the opposite transform has the same factor.
_OPPOSITE = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}


def _fit(x: Any, axis: int, length: int) -> Any:
    """x cut off, or padded with zeros, to `length` along an axis."""
    have = x.shape[axis]
    if have == length:
        return x
    if have > length:
        return x[along(axis % x.ndim, slice(0, length))]
    shape = list(x.shape)
    shape[axis] = length - have
    return concatenate([x, np.zeros(shape, x.dtype)], axis)


def _fft_transpose(s: Any, x: Any, n: int, axis: int, norm: Norm) -> tuple[Any]:
    return (_fit(_fft(s, n=n, axis=axis, norm=norm), axis, x.shape[axis]),)


def _ifft_transpose(s: Any, x: Any, n: int, axis: int, norm: Norm) -> tuple[Any]:
    return (_fit(_ifft(s, n=n, axis=axis, norm=norm), axis, x.shape[axis]),)


def _rfft_transpose(s: Any, x: Any, n: int, axis: int, norm: Norm) -> tuple[Any]:
    # The missing half of the coefficients has no cotangent: zeros, which the transform itself pads.
    return (_fit(real(_fft(s, n=n, axis=axis, norm=norm)), axis, x.shape[axis]),)


def _irfft_transpose(s: Any, x: Any, n: int, axis: int, norm: Norm) -> tuple[Any]:
    # All coefficients but the first and, of an even length, the last stand for a conjugate pair.
    count = n // 2 + 1
    weights = np.full(count, 2, s.dtype)
    weights[0] = 1
    if n % 2 == 0:
        weights[-1] = 1
    shape = [1] * s.ndim
    shape[axis] = count
    spectrum = conjugate(_rfft(s, n=n, axis=axis, norm=_OPPOSITE[norm])) * weights.reshape(shape)
    return (_fit(spectrum, axis, x.shape[axis]),)


_fft = numpy_op_linear("fft", np.fft.fft, _fft_transpose)
_ifft = numpy_op_linear("ifft", np.fft.ifft, _ifft_transpose)
_rfft = numpy_op_linear("rfft", np.fft.rfft, _rfft_transpose)
_irfft = numpy_op_linear("irfft", np.fft.irfft, _irfft_transpose)


# ---- one dimension ----


def _length(name: str, a: Any, axis: int) -> int:
    """The length of an axis.

    Raises:
        numpy.exceptions.AxisError: there is no such axis.
    """
    shape = a.shape
    if not -len(shape) <= axis < len(shape):
        raise np.exceptions.AxisError(f"{name}: axis {axis} is out of bounds for an array of dimension {len(shape)}")
    return shape[axis]


def _check_norm(name: str, norm: Norm) -> None:
    if norm not in _OPPOSITE:
        raise ValueError(f'{name}: norm is {norm!r}, expected None, "backward", "ortho" or "forward"')


def _one(name: str, run: Callable[..., Any], a: Any, n: int | None, axis: int, norm: Norm, halved: bool = False) -> Any:
    """One transform along an axis; `halved`: the array is half a spectrum, of which n is twice as long."""
    a = asarray(a)
    if norm not in _OPPOSITE:
        _check_norm(name, norm)
    length = _length(name, a, axis)
    if n is None:
        n = (length - 1) * 2 if halved else length
    if n < 1:
        raise ValueError(f"{name}: the number of points along axis {axis} is {n}, expected at least 1")
    return run(a, n=n, axis=axis, norm=norm)


@implements(np.fft.fft)
def fft(a: Any, n: int | None = None, axis: int = -1, norm: Norm = None) -> Any:
    """The discrete Fourier transform along an axis.

    >>> pyad.grad(lambda x: np.sum(np.abs(np.fft.fft(x)) ** 2))(np.ones(2)).round(9)
    array([4., 4.])
    """
    return _one("fft", _fft, a, n, axis, norm)


@implements(np.fft.ifft)
def ifft(a: Any, n: int | None = None, axis: int = -1, norm: Norm = None) -> Any:
    """The inverse of `fft`.

    >>> pyad.grad(lambda x: np.sum(np.abs(np.fft.ifft(x)) ** 2))(np.ones(2)).round(9)
    array([1., 1.])
    """
    return _one("ifft", _ifft, a, n, axis, norm)


@implements(np.fft.rfft)
def rfft(a: Any, n: int | None = None, axis: int = -1, norm: Norm = None) -> Any:
    """The half of `fft` that says all of real input.

    >>> pyad.grad(lambda x: np.sum(np.abs(np.fft.rfft(x)) ** 2))(np.ones(2)).round(9)
    array([4., 4.])
    """
    return _one("rfft", _rfft, a, n, axis, norm)


@implements(np.fft.irfft)
def irfft(a: Any, n: int | None = None, axis: int = -1, norm: Norm = None) -> Any:
    """The inverse of `rfft`, real; by default of even length.

    >>> pyad.grad(lambda x: np.sum(np.abs(np.fft.irfft(x)) ** 2))(np.ones(2)).round(9)
    array([1., 1.])
    """
    return _one("irfft", _irfft, a, n, axis, norm, halved=True)


@implements(np.fft.hfft)
def hfft(a: Any, n: int | None = None, axis: int = -1, norm: Norm = None) -> Any:
    """The transform of a signal with Hermitian symmetry, of which half is given: a real spectrum.

    >>> pyad.grad(lambda x: np.sum(np.abs(np.fft.hfft(x)) ** 2))(np.ones(2)).round(9)
    array([4., 4.])
    """
    _check_norm("hfft", norm)
    return _one("hfft", _irfft, conjugate(asarray(a)), n, axis, _OPPOSITE[norm], halved=True)


@implements(np.fft.ihfft)
def ihfft(a: Any, n: int | None = None, axis: int = -1, norm: Norm = None) -> Any:
    """The inverse of `hfft`.

    >>> pyad.grad(lambda x: np.sum(np.abs(np.fft.ihfft(x)) ** 2))(np.ones(2)).round(9)
    array([1., 1.])
    """
    _check_norm("ihfft", norm)
    return conjugate(_one("ihfft", _rfft, a, n, axis, _OPPOSITE[norm]))


# ---- several dimensions ----


def _plan(
    name: str, a: Any, s: Sequence[int] | None, axes: Sequence[int] | None, last: bool = False, halved: bool = False
) -> list[tuple[int, int]]:
    """(axis, length) of each transform, in the order of `axes`. A length of -1 is that of the axis.

    `last`: one of the axes is special, so there must be one; `halved`: it is half a spectrum.
    """
    if axes is None and s is not None:
        warnings.warn(
            f"{name}: `axes` should not be `None` if `s` is not `None`; pass axes=range(len(s))",
            DeprecationWarning,
            stacklevel=4,
        )
    if axes is None:
        axes = range(-len(s), 0) if s is not None else range(a.ndim)
    axes = [int(axis) for axis in axes]
    if last and not axes:
        raise IndexError(f"{name}: at least one axis is needed")
    lengths = [_length(name, a, axis) for axis in axes]
    if s is None:
        if halved:
            lengths[-1] = (lengths[-1] - 1) * 2
    else:
        if len(s) != len(axes):
            raise ValueError(f"{name}: Shape and axes have different lengths, {len(s)} and {len(axes)}")
        lengths = [have if n == -1 else int(n) for n, have in zip(s, lengths, strict=True)]
    return list(zip(axes, lengths, strict=True))


def _complex(name: str, run: Callable[..., Any], a: Any, s: Any, axes: Any, norm: Norm) -> Any:
    a = asarray(a)
    for axis, n in reversed(_plan(name, a, s, axes)):
        a = _one(name, run, a, n, axis, norm)
    return a


def _to_half(name: str, a: Any, s: Any, axes: Any, norm: Norm) -> Any:
    a = asarray(a)
    *others, (axis, n) = _plan(name, a, s, axes, last=True)
    a = _one(name, _rfft, a, n, axis, norm)
    for axis, n in reversed(others):
        a = _one(name, _fft, a, n, axis, norm)
    return a


def _from_half(name: str, a: Any, s: Any, axes: Any, norm: Norm) -> Any:
    a = asarray(a)
    *others, (last, count) = _plan(name, a, s, axes, last=True, halved=True)
    for axis, n in others:
        a = _one(name, _ifft, a, n, axis, norm)
    return _one(name, _irfft, a, count, last, norm)


@implements(np.fft.fftn)
def fftn(a: Any, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: Norm = None) -> Any:
    """`fft` along several axes, all by default.

    >>> pyad.grad(lambda x: np.sum(np.abs(np.fft.fftn(x)) ** 2))(np.ones(2)).round(9)
    array([4., 4.])
    """
    return _complex("fftn", _fft, a, s, axes, norm)


@implements(np.fft.ifftn)
def ifftn(a: Any, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: Norm = None) -> Any:
    """The inverse of `fftn`.

    >>> pyad.grad(lambda x: np.sum(np.abs(np.fft.ifftn(x)) ** 2))(np.ones(2)).round(9)
    array([1., 1.])
    """
    return _complex("ifftn", _ifft, a, s, axes, norm)


@implements(np.fft.rfftn)
def rfftn(a: Any, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: Norm = None) -> Any:
    """`rfft` along the last of the axes, `fft` along the others.

    >>> pyad.grad(lambda x: np.sum(np.abs(np.fft.rfftn(x)) ** 2))(np.ones(2)).round(9)
    array([4., 4.])
    """
    return _to_half("rfftn", a, s, axes, norm)


@implements(np.fft.irfftn)
def irfftn(a: Any, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: Norm = None) -> Any:
    """The inverse of `rfftn`.

    >>> pyad.grad(lambda x: np.sum(np.abs(np.fft.irfftn(x)) ** 2))(np.ones(2)).round(9)
    array([1., 1.])
    """
    return _from_half("irfftn", a, s, axes, norm)


@implements(np.fft.fft2)
def fft2(a: Any, s: Sequence[int] | None = None, axes: Sequence[int] | None = (-2, -1), norm: Norm = None) -> Any:
    """`fft` along two axes.

    >>> pyad.grad(lambda x: np.sum(np.abs(np.fft.fft2(x)) ** 2))(np.ones((2, 2))).round(9)
    array([[8., 8.],
           [8., 8.]])
    """
    return _complex("fft2", _fft, a, s, axes, norm)


@implements(np.fft.ifft2)
def ifft2(a: Any, s: Sequence[int] | None = None, axes: Sequence[int] | None = (-2, -1), norm: Norm = None) -> Any:
    """The inverse of `fft2`.

    >>> pyad.grad(lambda x: np.sum(np.abs(np.fft.ifft2(x)) ** 2))(np.ones((2, 2))).round(9)
    array([[0.5, 0.5],
           [0.5, 0.5]])
    """
    return _complex("ifft2", _ifft, a, s, axes, norm)


@implements(np.fft.rfft2)
def rfft2(a: Any, s: Sequence[int] | None = None, axes: Sequence[int] | None = (-2, -1), norm: Norm = None) -> Any:
    """`rfftn` along two axes.

    >>> pyad.grad(lambda x: np.sum(np.abs(np.fft.rfft2(x)) ** 2))(np.ones((2, 2))).round(9)
    array([[8., 8.],
           [8., 8.]])
    """
    return _to_half("rfft2", a, s, axes, norm)


@implements(np.fft.irfft2)
def irfft2(a: Any, s: Sequence[int] | None = None, axes: Sequence[int] | None = (-2, -1), norm: Norm = None) -> Any:
    """The inverse of `rfft2`.

    >>> pyad.grad(lambda x: np.sum(np.abs(np.fft.irfft2(x)) ** 2))(np.ones((2, 2))).round(9)
    array([[0.5, 0.5],
           [0.5, 0.5]])
    """
    return _from_half("irfft2", a, s, axes, norm)


# ---- order ----


def _shifted(name: str, x: Any, axes: Any, start_of: Callable[[int], int]) -> Any:
    """x turned along the axes, so that the entry at start_of(length) comes first."""
    x = array(x)
    if axes is None:
        axes = range(x.ndim)
    for axis in (axes,) if isinstance(axes, int | np.integer) else axes:
        start = start_of(_length(name, x, axis))
        parts = [x[along(axis % x.ndim, part)] for part in (slice(start, None), slice(0, start))]
        x = concatenate(parts, axis)
    return x


@implements(np.fft.fftshift)
def fftshift(x: Any, axes: int | Sequence[int] | None = None) -> Any:
    """The zero frequency in the middle.

    >>> pyad.jacobian(np.fft.fftshift)(np.ones(2))
    array([[0., 1.],
           [1., 0.]])
    """
    return _shifted("fftshift", x, axes, lambda length: (length + 1) // 2)


@implements(np.fft.ifftshift)
def ifftshift(x: Any, axes: int | Sequence[int] | None = None) -> Any:
    """The inverse of `fftshift`.

    >>> pyad.jacobian(np.fft.ifftshift)(np.ones(2))
    array([[0., 1.],
           [1., 0.]])
    """
    return _shifted("ifftshift", x, axes, lambda length: length // 2)
