"""The vector space of a value: of an array, or of a container of arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pyad import tree
from pyad._ops.reductions import sum as total
from pyad._ops.shape import ravel
from pyad.autograd.tracer import getval

__all__ = ["SparseObject", "VSpace", "is_complex", "vspace"]


def is_complex(x: Any) -> bool:
    """Whether an array, traced or plain, or a number is complex."""
    return np.result_type(x).kind == "c"


class VSpace:
    """What values like the given one can be: zeros, ones, a basis, sums and products with numbers.

    For an array, `shape` and `dtype` are the array's; for a container, `shape` has the vector spaces of its parts.
    """

    def __init__(self, value: Any) -> None:
        value = getval(value)
        leaves, self._structure = tree.flatten(value)
        self._shapes = [np.shape(x) for x in leaves]
        self._dtypes = [_dtype_of(x, value) for x in leaves]
        if len(leaves) == 1 and leaves[0] is value:
            self.shape = self._shapes[0]
            self.dtype = self._dtypes[0]
            self.ndim = len(self.shape)
        elif type(value) is dict:
            self.shape = {key: VSpace(part) for key, part in value.items()}
        else:
            self.shape = type(value)(map(VSpace, value)) if value is not None else None

    @property
    def size(self) -> int:
        """How many real numbers a value has."""
        pairs = zip(self._shapes, self._dtypes, strict=True)
        return sum(int(np.prod(shape, dtype=int)) * (2 if dtype.kind == "c" else 1) for shape, dtype in pairs)

    @property
    def iscomplex(self) -> bool:
        return any(dtype.kind == "c" for dtype in self._dtypes)

    def _make(self, fill: Callable[..., Any]) -> Any:
        pairs = zip(self._shapes, self._dtypes, strict=True)
        return self._structure.unflatten([fill(shape, dtype) for shape, dtype in pairs])

    def zeros(self) -> Any:
        return self._make(np.zeros)

    def ones(self) -> Any:
        """All ones; for complex numbers 1 + 1j."""
        return self._make(lambda shape, dtype: np.full(shape, 1 + 1j if dtype.kind == "c" else 1, dtype))

    def randn(self) -> Any:
        def draw(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
            # From NumPy's global generator, which is the one that autograd's programs seed.
            draws = np.random.standard_normal((2, *shape))  # noqa: NPY002
            return np.asarray(draws[0] + 1j * draws[1] if dtype.kind == "c" else draws[0], dtype)

        return self._make(draw)

    def standard_basis(self) -> Iterator[Any]:
        for k, (shape, dtype) in enumerate(zip(self._shapes, self._dtypes, strict=True)):
            for place in np.ndindex(*shape):
                for unit in (1, 1j) if dtype.kind == "c" else (1,):
                    leaves = [np.zeros(s, d) for s, d in zip(self._shapes, self._dtypes, strict=True)]
                    leaves[k][place] = unit
                    yield self._structure.unflatten(leaves)

    def add(self, x: Any, y: Any) -> Any:
        return tree.map(lambda a, b: a + b, x, y)

    mut_add = add

    def scalar_mul(self, x: Any, a: Any) -> Any:
        return tree.map(lambda leaf: leaf * a, x)

    def inner_prod(self, x: Any, y: Any) -> Any:
        products = [_dot(a, b) for a, b in zip(tree.leaves(x), self._structure.leaves_of(y), strict=True)]
        return sum(products[1:], products[0]) if products else 0.0

    def covector(self, x: Any) -> Any:
        return tree.map(np.conj, x) if self.iscomplex else x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VSpace) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash((self._structure, *self._shapes))

    def _key(self) -> tuple[Any, ...]:
        return self._structure, self._shapes, self._dtypes

    def __repr__(self) -> str:
        return f"VSpace({self._make(lambda shape, dtype: f'{dtype}{list(shape)}')})"


def _dtype_of(x: Any, value: Any) -> np.dtype:
    if isinstance(x, float | complex | np.ndarray | np.inexact):
        dtype = np.result_type(x)
        if dtype.kind in "biufc":
            return dtype
    raise TypeError(f"Can't find vector space for value {value} of type {type(value)}")


def _dot(x: Any, y: Any) -> Any:
    if is_complex(x) or is_complex(y):
        return np.real(total(np.conj(ravel(x)) * ravel(y)))
    return total(ravel(x) * ravel(y))


vspace = VSpace


class SparseObject:
    """A vector that is known by how it is added to another: `mut_add(x)` adds it to x and returns x."""

    __slots__ = ("mut_add", "vs")

    def __init__(self, vs: VSpace, mut_add: Callable[[Any], Any]) -> None:
        self.vs = vs
        self.mut_add = mut_add

    def dense(self) -> Any:
        return self.mut_add(self.vs.zeros())
