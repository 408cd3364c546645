"""The op definitions, one record each, in files by family. To add one, see docs/adding-an-op.md."""

from pyad.ops import (
    differences,
    elementwise,
    elementwise_more,
    index,
    linalg,
    operators,
    order,
    protocol,
    quantile,
    reduce,
    scan,
    shape,
    statistics,
    ufunc,
)

__all__ = [
    "differences",
    "elementwise",
    "elementwise_more",
    "index",
    "linalg",
    "operators",
    "order",
    "protocol",
    "quantile",
    "reduce",
    "scan",
    "shape",
    "statistics",
    "ufunc",
]
