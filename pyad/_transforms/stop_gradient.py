"""Values without their derivative."""

from __future__ import annotations

from typing import Any

from pyad import tree
from pyad._trace.array import is_traced
from pyad._trace.recorded_call import detached


def stop_gradient(x: Any) -> Any:
    """The value of x without its derivative.

    Args:
        x: A traced value, a container of such, or anything else.

    Returns:
        Plain NumPy arrays and scalars in the containers of x.

    Raises:
        TreeError: A container contains itself.

    >>> import pyad
    >>> pyad.grad(lambda x: x * pyad.stop_gradient(x))(3.0)
    np.float64(3.0)
    """
    if is_traced(x):
        return detached(x)
    leaves, structure = tree.flatten(x)
    if len(leaves) == 1 and leaves[0] is x:
        return x
    return structure.unflatten([stop_gradient(leaf) for leaf in leaves])
