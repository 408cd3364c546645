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
    """Shapes that do not broadcast, contract, reshape or fit what a function returns."""


class DTypeError(TypeError):
    """A dtype that an operation or a transform cannot take."""


class ConcretizationError(TypeError):
    """A traced value was turned into a plain number, bool or array, which would silently drop its derivative."""


class UnsupportedError(NotImplementedError, TypeError):
    """A NumPy or SciPy function that pyad has no derivative for was given a traced value."""


class LeakError(RuntimeError):
    """A traced value was used after its transform had ended, or on another thread."""


class MutationError(RuntimeError):
    """Memory that a derivative needs was written to after it had been recorded."""


class EngineError(RuntimeError):
    """The engine was called out of order; a defect of pyad if it ever reaches you."""


class NeedsPython(Exception):
    """Not for users: raised while a rule is recorded on placeholders, by an operation that needs values."""
