"""Products, factorisations and norms of matrices."""

from pyad._ops.linalg import decompositions, einsum, least_squares, matmul, multi_dot, norms, solve, tensordot  # noqa: F401
