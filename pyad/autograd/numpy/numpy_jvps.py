"""Helpers for forward rules."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyad._ops.shape import broadcast_to
from pyad.autograd._vspace import is_complex

__all__ = ["broadcast"]


def broadcast(x: Any, target: Any) -> Any:
    """x repeated to the shape of `target`, and complex where that is."""
    x = broadcast_to(x, np.shape(target))
    return x + 0j if is_complex(target) and not is_complex(x) else x
