"""The products that the engine has kernels for: of matrices, and of matrices with a bias added."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyad._binding.engine import FAILED, lib
from pyad._binding.memory import lend
from pyad._ops._nested import operand, plain
from pyad._ops._registry import product_of
from pyad._ops.linalg._matrices import transposed
from pyad._ops.shape import broadcast_to, reshape
from pyad._trace.array import is_traced, wrap
from pyad._trace.op import general, handle_of, linear
from pyad._trace.promotion import common_dtype
from pyad.errors import ShapeError

__all__ = ["affine", "matmul"]

_matmul = linear(
    "matmul", np.matmul, lambda s, y, a, b, p: (matmul(s, transposed(b)), matmul(transposed(a), s)), arity=2
)

# x @ w + b in one pass: the bias is what the product is added to.
_affine = general(
    "affine",
    lambda x, w, b: np.matmul(x, w) + b,
    lambda s, y, x, w, b, p: (matmul(s, transposed(w)), matmul(transposed(x), s), s),
    (
        lambda t, y, x, w, b, p: matmul(t, w),
        lambda t, y, x, w, b, p: matmul(x, t),
        lambda t, y, x, w, b, p: broadcast_to(t, y.shape),
    ),
)


def _shape(x: Any) -> tuple[int, ...]:
    return x.shape if is_traced(x) else np.shape(x)


def matmul(a: Any, b: Any, /) -> Any:
    """a @ b with NumPy's rules: vectors are a row or a column that is dropped again, leading dimensions are batches.

    Raises:
        ShapeError: the shapes do not contract, or an operand is 0-d.
    """
    if not is_traced(a) and not is_traced(b):
        return np.matmul(plain("matmul", a), plain("matmul", b))
    try:
        dtype = common_dtype("matmul", (operand("matmul", a), operand("matmul", b)))
    except TypeError:
        product = product_of(a, b)
        if product is None:
            raise
        return product(a, b)
    sa, sb = _shape(a), _shape(b)
    if not sa or not sb:
        raise ShapeError(f"matmul: shapes {sa} and {sb}: a 0-d operand cannot be multiplied so; use *")
    if len(sa) > 1 and len(sb) > 1:
        return _matmul.record([handle_of(operand("matmul", a), dtype), handle_of(operand("matmul", b), dtype)], None)
    if sa[-1] != sb[0 if len(sb) == 1 else -2]:
        raise ShapeError(
            f"matmul: shapes {sa} and {sb} do not contract: the last axis of the first must equal the "
            f"{'only' if len(sb) == 1 else 'last but one'} axis of the second"
        )
    left = reshape(a, (1, *sa)) if len(sa) == 1 else a
    right = reshape(b, (*sb, 1)) if len(sb) == 1 else b
    out = _matmul.record([handle_of(operand("matmul", left), dtype), handle_of(operand("matmul", right), dtype)], None)
    shape = out.shape
    keep = shape[:-2] + (() if len(sa) == 1 else shape[-2:-1]) + (() if len(sb) == 1 else shape[-1:])
    return reshape(out, keep)


def affine(x: Any, w: Any, b: Any, /) -> Any:
    """x @ w + b: x of shape (..., n), w of shape (n, m), b of shape (m,); the result is (..., m).

    One instruction of the engine, without the intermediate product.

    Raises:
        ShapeError: shapes that do not contract or a bias that does not fit.
    """
    if is_traced(w) and is_traced(b) and lib.pyad_ndim_of(w._h) >= 0:
        # The usual case in one call; whatever the engine refuses, mixed dtypes say, is looked at below. Only while the
        # weight is on the tape: nothing would drop what is lent after its transform ended.
        if is_traced(x):
            given = x._h
        else:
            given = lend(x, 1) if type(x) is np.ndarray and x.dtype.kind == "f" else -1
        handle = lib.pyad_op3(_affine.number, given, w._h, b._h)
        if handle < FAILED:
            return wrap(handle)
    elif not (is_traced(x) or is_traced(w) or is_traced(b)):
        return np.matmul(x, w) + b
    operands = tuple(operand("affine", v) for v in (x, w, b))
    shape = _shape(x)
    if len(_shape(w)) != 2 or not shape or shape[-1] != _shape(w)[0]:
        raise ShapeError(
            f"affine: x has shape {shape} and w {_shape(w)}; expected x of shape (..., n) and w of shape (n, m)"
        )
    dtype = common_dtype("affine", operands)
    rows = (
        operands[0]
        if len(shape) == 2
        else reshape(x, (-1, shape[-1]))
        if np.prod(shape)
        else reshape(x, (int(np.prod(shape[:-1])), shape[-1]))
    )
    out = _affine.record([handle_of(rows, dtype), handle_of(operands[1], dtype), handle_of(operands[2], dtype)], None)
    return out if len(shape) == 2 else reshape(out, (*shape[:-1], _shape(w)[1]))
