"""Operators on functions of one argument made operators on functions of several."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pyad import tree
from pyad.autograd.util import subvals

__all__ = ["get_doc", "get_name", "unary_to_nary", "wrap_nary_f", "wraps"]


def get_name(f: Any) -> str:
    """A function's name, for messages."""
    return getattr(f, "__name__", "[unknown name]")


def get_doc(f: Any) -> str:
    """A function's docstring, empty where it has none."""
    return getattr(f, "__doc__", None) or ""


def wraps(
    fun: Any, namestr: str = "{fun}", docstr: str = "{doc}", **words: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator that gives a function a name and a docstring made from those of another."""

    def decorate(f: Callable[..., Any]) -> Callable[..., Any]:
        f.__name__ = namestr.format(fun=get_name(fun), **words)
        f.__doc__ = docstr.format(fun=get_name(fun), doc=get_doc(fun), **words)
        return f

    return decorate


def wrap_nary_f(fun: Any, op: Any, argnum: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator that names a function after what it derives from."""
    return wraps(
        fun,
        "{op}_of_{fun}_wrt_argnum_{argnum}",
        "{op} of {fun} with respect to argument {argnum}; takes the arguments of {fun}.",
        op=get_name(op),
        argnum=argnum,
    )


def _float(x: Any) -> Any:
    return x.astype(float) if type(x) is np.ndarray and x.dtype.kind in "biu" else x


def _floats(x: Any) -> Any:
    """The same with float arrays in place of arrays of integers."""
    leaves, structure = tree.flatten(x)
    return structure.unflatten(list(map(_float, leaves)))


def unary_to_nary(unary_operator: Callable[..., Any]) -> Callable[..., Any]:
    """From operator(function of one argument, x, ...) make operator(function, argnum=0, ...)(*args, **keywords).

    `argnum` is a position, or a tuple or list of positions; x is then the tuple of those arguments.
    """

    @functools.wraps(unary_operator)
    def nary_operator(fun: Callable[..., Any], argnum: int | Sequence[int] = 0, *rest: Any, **options: Any) -> Any:
        if type(argnum) not in (int, tuple, list):
            raise TypeError(
                f"{get_name(unary_operator)}: argnum must be an int, or a tuple or list of ints, got {argnum!r}"
            )
        numbers = (argnum,) if isinstance(argnum, int) else tuple(argnum)
        single = isinstance(argnum, int)

        @wrap_nary_f(fun, unary_operator, argnum)
        def nary_f(*args: Any, **keywords: Any) -> Any:
            def unary_f(x: Any) -> Any:
                return fun(*subvals(args, zip(numbers, [x] if single else x, strict=True)), **keywords)

            chosen = tuple(args[i] for i in numbers)
            x = _floats(chosen[0] if single else chosen)
            return unary_operator(unary_f, x, *rest, **options)

        return nary_f

    # The signature is its own, not that of the unary operator.
    del nary_operator.__wrapped__
    return nary_operator
