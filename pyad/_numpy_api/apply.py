"""NumPy's functions that call a Python function: along an axis, over axes, on each element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyad._ops._docstrings import in_words_of
from pyad._ops._registry import holds_traced, implements
from pyad._ops.rearrange import one_axis
from pyad._ops.shape import asarray, broadcast_to, expand_dims, moveaxis, ravel, reshape, stack
from pyad.errors import UnsupportedError

__all__ = ["apply_along_axis", "apply_over_axes", "vectorize"]


@implements(np.apply_along_axis)
def apply_along_axis(func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """The function of each vector along an axis; what it answers stands in the axis's stead.

    >>> pyad.grad(lambda x: np.sum(np.apply_along_axis(np.prod, 0, x)))(np.array([[2.0], [3.0]]))
    array([[3.],
           [2.]])
    """
    arr = asarray(arr)
    axis = one_axis("apply_along_axis", axis, arr.ndim)
    lines = moveaxis(arr, axis, -1)
    lead = lines.shape[:-1]
    if 0 in lead:
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    answers = [asarray(func1d(lines[place], *args, **kwargs)) for place in np.ndindex(lead)]
    out = stack(answers)
    shape = out.shape[1:]
    out = reshape(out, (*lead, *shape))
    k = len(shape)
    return moveaxis(out, tuple(range(-k, 0)), tuple(range(axis, axis + k))) if k else out


@implements(np.apply_over_axes)
def apply_over_axes(func: Callable[[Any, int], Any], a: Any, axes: Any) -> Any:
    """The function over one axis after the other; an axis that it drops stays with length 1.

    >>> pyad.grad(lambda x: np.apply_over_axes(np.sum, x, [0])[0])(np.ones(2))
    array([1., 1.])
    """
    value = asarray(a)
    ndim = value.ndim
    for axis in [axes] if np.ndim(axes) == 0 else axes:
        axis = axis + ndim if axis < 0 else axis
        out = func(value, axis)
        if out.ndim != value.ndim:
            out = expand_dims(out, axis)
        if out.ndim != value.ndim:
            raise ValueError("function is not returning an array of the correct shape")
        value = out
    return value


class vectorize(np.vectorize):
    __doc__ = in_words_of(
        np.vectorize,
        """As `numpy.vectorize`, for traced arguments too: the function is called with one element of each.

        Raises:
            UnsupportedError: (when called) there is a signature, and a traced argument.

        >>> import pyad.numpy as pnp
        >>> square = pnp.vectorize(lambda x: x * x if x > 0 else 0.0)
        >>> pyad.grad(lambda x: np.sum(square(x)))(np.array([-1.0, 3.0]))
        array([0., 6.])
        """,
    )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function of each element, the arguments broadcast against each other."""
        if not any(map(holds_traced, (*args, *kwargs.values()))):
            return super().__call__(*args, **kwargs)
        if getattr(self, "signature", None) is not None or not callable(getattr(self, "pyfunc", None)):
            raise UnsupportedError("vectorize: a signature is not supported for traced values; use np.apply_along_axis")
        return self._each(list(args), kwargs)

    def _each(self, args: list[Any], kwargs: dict[str, Any]) -> Any:
        spread = [k for k in range(len(args)) if k not in self.excluded]
        names = [name for name in kwargs if name not in self.excluded]
        arrays = [asarray(x) for x in (*(args[k] for k in spread), *(kwargs[name] for name in names))]
        shape = np.broadcast_shapes(*(x.shape for x in arrays))
        flat = [ravel(broadcast_to(x, shape)) for x in arrays]
        if not len(flat[0]):
            raise ValueError("cannot call `vectorize` on size 0 inputs unless `otypes` is set")
        answers = []
        for elements in zip(*flat, strict=True):
            for k, element in zip(spread, elements, strict=False):
                args[k] = element
            named = dict(zip(names, elements[len(spread) :], strict=True))
            answers.append(self.pyfunc(*args, **{**kwargs, **named}))
        if type(answers[0]) is tuple:
            return tuple(reshape(stack(column), shape) for column in zip(*answers, strict=True))
        return reshape(stack(answers), shape)
