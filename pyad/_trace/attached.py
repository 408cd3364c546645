"""What type checkers are told of traced values: the operators and attributes that the layers above attach to them.

Nothing imports this when a program runs.
"""

from __future__ import annotations

from typing import Any


class Attached:
    """The base of the traced classes, as far as type checkers are concerned."""

    def __getattr__(self, name: str) -> Any: ...

    __add__: Any
    __radd__: Any
    __iadd__: Any
    __sub__: Any
    __rsub__: Any
    __isub__: Any
    __mul__: Any
    __rmul__: Any
    __imul__: Any
    __truediv__: Any
    __rtruediv__: Any
    __itruediv__: Any
    __floordiv__: Any
    __rfloordiv__: Any
    __mod__: Any
    __rmod__: Any
    __divmod__: Any
    __rdivmod__: Any
    __pow__: Any
    __rpow__: Any
    __matmul__: Any
    __rmatmul__: Any
    __neg__: Any
    __pos__: Any
    __abs__: Any
    __round__: Any
    __lt__: Any
    __le__: Any
    __gt__: Any
    __ge__: Any
    __getitem__: Any
    __setitem__: Any
    __delitem__: Any
    __iter__: Any
    __contains__: Any
    __array_ufunc__: Any
    __array_function__: Any
