"""Products that sum over axes: dot, inner, tensordot and their kin, by way of one matrix product each."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from operator import index
from typing import Any

import numpy as np

from pyad._ops import reductions
from pyad._ops._registry import implements, product_of
from pyad._ops.linalg.matmul import matmul as matmul_op
from pyad._ops.rearrange import one_axis
from pyad._ops.shape import asarray, moveaxis, ravel, reshape, stack, transpose
from pyad.errors import ShapeError

__all__ = ["cross", "dot", "inner", "kron", "matmul", "matvec", "outer", "tensordot", "vdot", "vecdot", "vecmat"]


def _contracted(a: Any, b: Any, axes_a: list[int], axes_b: list[int]) -> Any:
    """The sum over pairs of axes; a's other axes stand before b's."""
    free_a = [d for d in range(a.ndim) if d not in axes_a]
    free_b = [d for d in range(b.ndim) if d not in axes_b]
    sa, sb = a.shape, b.shape
    inner = math.prod(sa[d] for d in axes_a)
    out = (*(sa[d] for d in free_a), *(sb[d] for d in free_b))
    rows, columns = math.prod(sa[d] for d in free_a), math.prod(sb[d] for d in free_b)
    left = _laid_out(a, free_a + axes_a, (rows, inner))
    right = _laid_out(b, axes_b + free_b, (inner, columns))
    product = matmul_op(left, right)
    return product if out == (rows, columns) else reshape(product, out)


def _laid_out(x: Any, order: list[int], shape: tuple[int, int]) -> Any:
    if order != list(range(len(order))):
        x = transpose(x, order)
    return x if x.shape == shape else reshape(x, shape)


def _axis_list(given: Any) -> list[int]:
    return [index(d) for d in given] if hasattr(given, "__iter__") else [index(given)]


@implements(np.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """The sum of products over pairs of axes: so many last of a and first of b, or two lists of them.

    >>> pyad.grad(lambda x: np.tensordot(x, np.array([1.0, 2.0]), 1))(np.ones(2))
    array([1., 2.])
    """
    a, b = asarray(a), asarray(b)
    if not hasattr(axes, "__iter__"):
        count = index(axes)
        axes_a, axes_b = list(range(-count, 0)), list(range(count))
    else:
        first, second = axes
        axes_a, axes_b = _axis_list(first), _axis_list(second)
    fits = len(axes_a) == len(axes_b)
    fits = fits and all(-a.ndim <= d < a.ndim for d in axes_a) and all(-b.ndim <= d < b.ndim for d in axes_b)
    if not fits or any(a.shape[d] != b.shape[e] for d, e in zip(axes_a, axes_b, strict=True)):
        raise ShapeError(
            f"shape-mismatch for sum: tensordot of shapes {a.shape} and {b.shape} over the axes {axes_a} and {axes_b}; "
            "both lists must be as long, and paired axes too"
        )
    return _contracted(a, b, [d % a.ndim for d in axes_a], [d % b.ndim for d in axes_b])


@implements(np.dot)
def dot(a: Any, b: Any) -> Any:
    """NumPy's dot: a product of numbers, vectors and matrices; for more dimensions over the last and last but one.

    >>> pyad.grad(lambda x: np.dot(x, np.array([1.0, 2.0])))(np.ones(2))
    array([1., 2.])
    """
    product = product_of(a, b)
    if product is not None:
        return product(a, b)
    a, b = asarray(a), asarray(b)
    if not a.ndim or not b.ndim:
        return a * b
    over = max(b.ndim - 2, 0)
    if a.shape[-1] != b.shape[over]:
        raise ShapeError(f"dot: shapes {a.shape} and {b.shape} do not contract: {a.shape[-1]} != {b.shape[over]}")
    return matmul_op(a, b) if b.ndim <= 2 else _contracted(a, b, [a.ndim - 1], [over])


@implements(np.inner)
def inner(a: Any, b: Any, /) -> Any:
    """The sum of products over the last axes.

    >>> pyad.grad(lambda x: np.inner(x, np.array([1.0, 2.0])))(np.ones(2))
    array([1., 2.])
    """
    a, b = asarray(a), asarray(b)
    if not a.ndim or not b.ndim:
        return a * b
    if a.shape[-1] != b.shape[-1]:
        raise ShapeError(f"inner: shapes {a.shape} and {b.shape} do not contract: {a.shape[-1]} != {b.shape[-1]}")
    return _contracted(a, b, [a.ndim - 1], [b.ndim - 1])


@implements(np.vdot)
def vdot(a: Any, b: Any, /) -> Any:
    """The sum of products of all elements, those of a conjugated.

    >>> pyad.grad(lambda x: np.vdot(x, np.array([1.0, 2.0])))(np.ones(2))
    array([1., 2.])
    """
    a, b = asarray(a), asarray(b)
    if a.size != b.size:
        raise ShapeError(f"vdot: arrays of shapes {a.shape} and {b.shape} have different numbers of elements")
    return matmul_op(ravel(a.conj()), ravel(b))


@implements(np.outer)
def outer(a: Any, b: Any) -> Any:
    """The products of each element of one with each of the other.

    >>> pyad.grad(lambda x: np.sum(np.outer(x, np.array([1.0, 2.0]))))(np.ones(2))
    array([3., 3.])
    """
    a, b = asarray(a), asarray(b)
    return reshape(a, (a.size, 1)) * reshape(b, (1, b.size))


@implements(np.kron)
def kron(a: Any, b: Any) -> Any:
    """The Kronecker product: a with each element replaced by its product with b.

    >>> pyad.grad(lambda x: np.sum(np.kron(x, np.array([1.0, 2.0]))))(np.ones(2))
    array([3., 3.])
    """
    a, b = asarray(a), asarray(b)
    ndim = max(a.ndim, b.ndim)
    sa, sb = ((1,) * (ndim - x.ndim) + x.shape for x in (a, b))
    left = reshape(a, tuple(k for n in sa for k in (n, 1)))
    right = reshape(b, tuple(k for n in sb for k in (1, n)))
    return reshape(left * right, tuple(m * n for m, n in zip(sa, sb, strict=True)))


# ---- stacks of vectors and matrices, with NumPy's keywords ----


def _moved_in(x: Any, axes: tuple[int, ...]) -> Any:
    last = tuple(range(-len(axes), 0))
    return x if axes == last else moveaxis(x, axes, last)


def _axes_of(given: Any) -> tuple[int, ...]:
    return (index(given),) if np.ndim(given) == 0 else tuple(index(d) for d in given)


def _with_axes(function: Callable[[Any, Any], Any], a: Any, b: Any, axes: Any) -> Any:
    """The function over the last axes, with those named by `axes` in their place: one entry for each operand and one
    for the result."""
    axes_a, axes_b, *rest = (_axes_of(entry) for entry in axes)
    out = function(_moved_in(asarray(a), axes_a), _moved_in(asarray(b), axes_b))
    if not rest or not rest[0] or rest[0] == tuple(range(-len(rest[0]), 0)):
        return out
    return moveaxis(out, tuple(range(-len(rest[0]), 0)), rest[0])


@implements(np.matmul)
def matmul(a: Any, b: Any, /, *, axes: Any = None) -> Any:
    """a @ b; `axes` names the matrices' axes in each operand and in the result.

    >>> pyad.grad(lambda a: np.sum(np.matmul(a, np.array([1.0, 2.0]))))(np.ones((1, 2)))
    array([[1., 2.]])
    """
    return matmul_op(a, b) if axes is None else _with_axes(matmul_op, a, b, axes)


def _need_vectors(name: str, a: Any, least: tuple[int, int], b: Any, lengths: tuple[int, int]) -> None:
    """Raise where an operand has too few axes, or the summed axes differ."""
    if a.ndim < least[0] or b.ndim < least[1] or a.shape[lengths[0]] != b.shape[lengths[1]]:
        raise ShapeError(f"{name}: shapes {a.shape} and {b.shape} do not contract: the summed axes must be as long")


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1, axes: Any = None, keepdims: bool = False) -> Any:
    """The dot products of the vectors along an axis, those of x1 conjugated.

    >>> pyad.grad(lambda x: np.vecdot(x, np.array([1.0, 2.0])))(np.ones(2))
    array([1., 2.])
    """
    a, b = asarray(x1), asarray(x2)
    places = (axis, axis) if axes is None else tuple(_axes_of(entry)[0] for entry in axes[:2])
    a, b = (_moved_in(x, (d,)) if x.ndim else x for x, d in zip((a, b), places, strict=True))
    _need_vectors("vecdot", a, (1, 1), b, (-1, -1))
    out = reductions.sum(a.conj() * b, -1, keepdims=keepdims)
    return moveaxis(out, -1, axis) if keepdims and axis != -1 else out


def matvec(x1: Any, x2: Any, /, *, axes: Any = None) -> Any:
    """The products of matrices with vectors, in stacks.

    >>> pyad.grad(lambda a: np.sum(np.matvec(a, np.array([1.0, 2.0]))))(np.ones((1, 2)))
    array([[1., 2.]])
    """
    if axes is not None:
        return _with_axes(matvec, x1, x2, axes)
    a, b = asarray(x1), asarray(x2)
    _need_vectors("matvec", a, (2, 1), b, (-1, -1))
    return matmul_op(a, b[..., None])[..., 0]


def vecmat(x1: Any, x2: Any, /, *, axes: Any = None) -> Any:
    """The products of vectors, conjugated, with matrices, in stacks.

    >>> pyad.grad(lambda a: np.sum(np.vecmat(np.array([1.0, 2.0]), a)))(np.ones((2, 1)))
    array([[1.],
           [2.]])
    """
    if axes is not None:
        return _with_axes(vecmat, x1, x2, axes)
    a, b = asarray(x1), asarray(x2)
    _need_vectors("vecmat", a, (1, 2), b, (-1, -2))
    return matmul_op(a.conj()[..., None, :], b)[..., 0, :]


# NumPy 2.0 has no matvec, vecmat; vecdot came with it.
for _function in (vecdot, matvec, vecmat):
    if hasattr(np, _function.__name__):
        implements(getattr(np, _function.__name__))(_function)

# ---- the vector product ----


@implements(np.cross)
def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """The vector product of the vectors along an axis, of three or (as if in a plane) two components.

    >>> pyad.jacobian(lambda x: np.cross(x, np.array([0.0, 0.0, 1.0]))[0])(np.ones(3)) + 0.0
    array([0., 1., 0.])
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = asarray(a), asarray(b)
    if a.ndim < 1 or b.ndim < 1:
        raise ValueError("cross: at least one array has zero dimension")
    a = moveaxis(a, one_axis("cross", axisa, a.ndim), -1)
    b = moveaxis(b, one_axis("cross", axisb, b.ndim), -1)
    if a.shape[-1] not in (2, 3) or b.shape[-1] not in (2, 3):
        raise ValueError(
            f"incompatible dimensions for cross product (dimension must be 2 or 3), got shapes {a.shape} and {b.shape}"
        )
    if a.shape[-1] == b.shape[-1] == 3:
        (a0, a1, a2), (b0, b1, b2) = ([x[..., k] for k in range(3)] for x in (a, b))
        out = stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], -1)
        return moveaxis(out, -1, axisc) if axisc != -1 else out
    warnings.warn(
        "Arrays of 2-dimensional vectors are deprecated. Use arrays of 3-dimensional vectors instead.",
        DeprecationWarning,
        stacklevel=3,
    )
    plane = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    if a.shape[-1] == b.shape[-1]:
        return plane
    if a.shape[-1] == 2:
        out = stack([a[..., 1] * b[..., 2], -(a[..., 0] * b[..., 2]), plane], -1)
    else:
        out = stack([-(a[..., 2] * b[..., 1]), a[..., 2] * b[..., 0], plane], -1)
    return moveaxis(out, -1, axisc)
