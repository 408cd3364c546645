"""NumPy's functions that are constant wherever they are differentiable: they run on the values and give plain
results."""

from __future__ import annotations

import numpy as np

from pyad._ops._registry import constant_in

# Comparisons and logic.
constant_in(
    np.equal,
    np.not_equal,
    np.less,
    np.less_equal,
    np.greater,
    np.greater_equal,
    np.logical_and,
    np.logical_or,
    np.logical_xor,
    np.logical_not,
    np.all,
    np.any,
    np.allclose,
    np.isclose,
    np.array_equal,
    np.array_equiv,
    np.isin,
)

# What kind of number it is, and its neighbours.
constant_in(
    np.isnan,
    np.isinf,
    np.isfinite,
    np.isposinf,
    np.isneginf,
    np.iscomplex,
    np.isreal,
    np.signbit,
    np.nextafter,
    np.spacing,
    np.round,
    np.around,
)

# Places and counts.
constant_in(
    np.argmax,
    np.argmin,
    np.nanargmax,
    np.nanargmin,
    np.argsort,
    np.argpartition,
    np.lexsort,
    np.argwhere,
    np.nonzero,
    np.flatnonzero,
    np.count_nonzero,
    np.searchsorted,
    np.digitize,
    np.ix_,
    np.tril_indices_from,
    np.triu_indices_from,
    np.diag_indices_from,
    np.linalg.matrix_rank,
)

# What an array looks like.
constant_in(
    np.isfortran,
    np.einsum_path,
    np.array2string,
    np.array_repr,
    np.array_str,
)
