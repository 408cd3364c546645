"""Docstrings of functions that stand for NumPy's and SciPy's: what is said of ours, and the words of theirs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

__all__ = ["example", "in_words_of"]

# How far the lines of a docstring behind the first are indented.
_INDENT = re.compile(r"\n+( *)\S")
_IMPORTS = ">>> import numpy as np\n>>> import pyad\n>>> "
_RAISES = """

Raises:
    ValueError, TypeError, IndexError: As for plain arguments; for traced ones they may be ShapeError, DTypeError or
        UnsupportedError."""


def in_words_of(theirs: Callable[..., Any], ours: str | None) -> str | None:
    """The docstring of a function that stands for another: what is said of ours, whose examples may leave out the
    imports of NumPy and pyad, and what the other says of itself, but for its examples."""
    said = theirs.__doc__
    if not said or not ours:
        return said
    ours = ours.rstrip()
    indent = _INDENT.search(ours)
    if indent is not None and indent[1]:
        ours = ours.replace("\n" + indent[1], "\n")
    if ">>> import pyad\n" not in ours:
        ours = ours.replace(">>> ", _IMPORTS, 1)
    if "Raises:" not in ours:
        ours += _RAISES
    end = said.find("Examples\n")
    said = (said if end < 0 else said[:end]).strip("\n")
    return f"{ours}\n\n`{theirs.__name__}` in its own words:\n\n{said}"


def example(function: str, shown: str) -> str:
    """The gradient of a function as an example, from a point and the derivatives there: "2, 3.0 -> 12.0".

    It is by those arguments that are written as floats. One derivative is rounded to 6 places; of several each may end
    in dots.
    """
    point, slopes = shown.split(" -> ")
    argnums = tuple(k for k, argument in enumerate(point.split(", ")) if "." in argument)
    numbers = [f"np.float64({slope})" for slope in slopes.split(", ")]
    if len(numbers) > 1:
        return f">>> pyad.grad({function}, {argnums})({point})\n({', '.join(numbers)})"
    place = f", {argnums[0]}" if argnums[0] else ""
    return f">>> pyad.grad({function}{place})({point}).round(6)\n{numbers[0]}"
