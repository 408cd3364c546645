"""The exceptions pyad raises. Each is also one of Python's own, so code that expects those keeps working."""

from __future__ import annotations

__all__ = [
    "ConcretizationError",
    "DTypeError",
    "EngineError",
    "LeakError",
    "MutationError",
    "ShapeError",
    "UnsupportedError",
]


class ShapeError(ValueError):
    """Shapes that do not broadcast, contract, reshape or fit what a function returns.

    >>> import numpy as np
    >>> import pyad
    >>> pyad.grad(lambda x: np.sum(x + np.ones(2)))(np.ones(3))
    Traceback (most recent call last):
    pyad.errors.ShapeError: add: operands with shapes (3,) and (2,) do not broadcast; ...
    """


class DTypeError(TypeError):
    """A dtype that an operation or a transform cannot take.

    >>> import pyad
    >>> pyad.grad(lambda x: x * x)(3)
    Traceback (most recent call last):
    pyad.errors.DTypeError: grad: inputs must be float32 or float64, got int; ...
    """


class ConcretizationError(TypeError):
    """A traced value was turned into a plain number, bool or array, which would silently drop its derivative.

    >>> import pyad
    >>> pyad.grad(lambda x: float(x))(1.0)
    Traceback (most recent call last):
    pyad.errors.ConcretizationError: float() of a traced float64[] value would drop its derivative; ...
    """


class UnsupportedError(NotImplementedError, TypeError):
    """A NumPy or SciPy function that pyad has no derivative for was given a traced value.

    >>> import numpy as np
    >>> import pyad
    >>> pyad.grad(lambda x: np.packbits(x))(np.ones(3))
    Traceback (most recent call last):
    pyad.errors.UnsupportedError: np.packbits has no derivative in pyad and was given a traced value; ...
    """


class LeakError(RuntimeError):
    """A traced value was used after its transform had ended, or on another thread.

    >>> import pyad
    >>> kept = []
    >>> pyad.grad(lambda x: kept.append(x) or x)(1.0)
    np.float64(1.0)
    >>> kept[0] + 1
    Traceback (most recent call last):
    pyad.errors.LeakError: a traced value was used after its transform (grad, vjp, jvp, ...) had ended: ...
    """


class MutationError(RuntimeError):
    """Memory that a derivative needs was written to after it had been recorded.

    >>> import numpy as np
    >>> import pyad
    >>> a = np.ones(3)
    >>> _, pullback = pyad.vjp(lambda x: a * x, np.ones(3))
    >>> a[0] = 5.0
    >>> pullback(np.ones(3))
    Traceback (most recent call last):
    pyad.errors.MutationError: an array of shape (3,) that 'mul' needs for its derivative was changed ...
    """


class EngineError(RuntimeError):
    """The engine was called out of order; a defect of pyad if it ever reaches you."""


class NeedsPython(Exception):
    """Not for users: raised while a rule is recorded on placeholders, by an operation that needs values."""
