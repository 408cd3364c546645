"""How many threads the engine computes with: `set_num_threads` and `get_num_threads`.

The engine has a small pool of threads of its own for large arrays. Matrix products are not among what runs there: they
use the threads of NumPy's BLAS.
"""

from __future__ import annotations

import operator
import os
import warnings
from collections.abc import Mapping

from pyad._binding.engine import lib

__all__ = ["get_num_threads", "set_num_threads"]

# What C takes as a number. How many threads are used at most is decided there, far below this.
_LARGEST = 2**63 - 1


def set_num_threads(n: int) -> None:
    """Let at most `n` threads, the calling one among them, work on one operation on large arrays.

    With 1, everything runs on the calling thread. Results do not depend on the number, to the last bit. It holds for
    the whole process, and for processes forked from it later; no more than 256 threads are used. At the start it is one
    to each core the process may use, or what the environment variable `PYAD_NUM_THREADS` says, or else at most what
    `OMP_NUM_THREADS` says.

    Args:
        n: An integer of at least 1.

    Raises:
        TypeError: `n` is not an integer.
        ValueError: `n` is less than 1.

    >>> import pyad
    >>> before = pyad.get_num_threads()
    >>> pyad.set_num_threads(1)
    >>> pyad.get_num_threads()
    1
    >>> pyad.set_num_threads(before)
    """
    try:
        count = operator.index(n)
    except TypeError:
        raise TypeError(f"set_num_threads: n must be an integer, got {n!r} of type {type(n).__name__}") from None
    if count < 1:
        raise ValueError(f"set_num_threads: n must be at least 1, got {count}; 1 turns threads off")
    lib.pyad_set_num_threads(min(count, _LARGEST))


def get_num_threads() -> int:
    """How many threads, the calling one among them, may work on one operation on large arrays.

    Returns:
        An integer of at least 1.

    >>> import pyad
    >>> pyad.get_num_threads() >= 1
    True
    """
    return lib.pyad_num_threads()


def _positive(text: str) -> int | None:
    """The number of at least 1 that the text is, if it is one."""
    try:
        number = int(text)
    except ValueError:
        return None
    return number if number >= 1 else None


def _follow_environment(environment: Mapping[str, str]) -> None:
    """Set the number of threads as the environment says; a wrong number of ours is a warning."""
    asked = environment.get("PYAD_NUM_THREADS", "")
    if asked:
        number = _positive(asked)
        if number is not None:
            set_num_threads(number)
            return
        words = f"PYAD_NUM_THREADS={asked!r} is not followed: an integer of at least 1 is expected"
        warnings.warn(words, RuntimeWarning, stacklevel=2)
    # A number for each level of nesting, of which the first is the outermost.
    bound = _positive(environment.get("OMP_NUM_THREADS", "").split(",")[0])
    if bound is not None:
        set_num_threads(min(bound, get_num_threads()))


_follow_environment(os.environ)
