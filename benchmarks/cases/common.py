"""What the case files share: the one-thread PyTorch, and the check that contestants agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np


def import_torch() -> Any:
    """PyTorch with one thread."""
    import torch

    torch.set_num_threads(1)
    return torch


Results = Callable[[], Sequence[Any]]


def agreement(results: Mapping[str, Results], tolerance: float) -> Callable[[Sequence[str]], None]:
    """A check for `Case.check`: all results equal, entry by entry, to `tolerance` of the largest entry.

    `results` maps contestants to calls that return a list of arrays or scalars: gradients, or a value and a gradient.
    Contestants without one (a forward pass alone, products alone) are not checked.
    """

    def check(names: Sequence[str]) -> None:
        checked = [name for name in names if name in results]
        if not checked:
            return
        first, *others = checked
        wanted = [np.asarray(value, dtype=np.float64) for value in results[first]()]
        for name in others:
            got = [np.asarray(value, dtype=np.float64) for value in results[name]()]
            if len(got) != len(wanted):
                raise ValueError(f"{name} gives {len(got)} results, {first} {len(wanted)}")
            for index, (left, right) in enumerate(zip(got, wanted, strict=True)):
                _compare(f"result {index} of {name} and {first}", left, right, tolerance)

    return check


def _compare(what: str, left: np.ndarray, right: np.ndarray, tolerance: float) -> None:
    if left.shape != right.shape:
        raise ValueError(f"{what}: shapes {left.shape} and {right.shape}")
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        raise ValueError(f"{what}: not finite")
    largest = np.abs(right).max()
    if not largest > 0:
        raise ValueError(f"{what}: all zero, which would compare equal whatever is wrong")
    error = np.abs(left - right).max() / largest
    if not error <= tolerance:
        raise ValueError(f"{what}: differ by {error:.3g} of the largest entry, more than {tolerance:g}")
