"""The steps of the training loop: compiled where that can be done, else as they are written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyad import tree
from pyad._compile.compiled import Compiled
from pyad._transforms.grad import value_and_grad
from pyad.nn._optimizers import SGD, Adam

__all__ = ["Steps"]

# After so many recordings no other is made: the loss is hardly ever the one that was recorded.
_MOST_RECORDINGS = 16


class Steps:
    """`value, state = steps(params, state, batch)`: a step of gradient descent, none where the loss is not finite.

    Where the loss is finite and its gradient is not, it raises FloatingPointError before anything is changed.

    The program is compared with the function that it was made from, by the loss of its second step and of those after
    `doubt()`: it may draw random numbers, count its calls, or read what has been changed since.
    """

    def __init__(self, loss: Callable[..., Any], optimizer: Any, compiled: bool) -> None:
        self.loss = loss
        self.optimizer = optimizer
        self.gradient = value_and_grad(loss)
        # Only of these it is known that they change nothing but what they are given.
        self.whole = type(optimizer) in (SGD, Adam)
        self.trusted = False
        self.mistaken = False
        self.fast = self._compiled() if compiled else None

    def _compiled(self) -> Compiled[..., Any]:
        self.settings = dict(vars(self.optimizer)) if self.whole else None
        return Compiled(self._step if self.whole else self._value_and_gradient, 64)

    def doubt(self) -> None:
        """Other code has run, and may have changed what the loss reads, or the settings of the optimiser."""
        self.trusted = self.mistaken = False
        if self.fast is not None and self.whole and self.settings != vars(self.optimizer):
            self.fast = self._compiled()

    def __call__(self, params: Any, state: Any, batch: Any) -> tuple[Any, Any]:
        result = None if self.fast is None else self._attempt(params, state, batch)
        if result is None:
            result = self.gradient(params, *batch)
        elif self.whole:
            value, after, total = result
            if np.isfinite(total) or not np.isfinite(value):
                return value, after
            result = self.gradient(params, *batch)
        value, grads = result
        if not np.isfinite(value):
            return value, state
        _refuse_infinite(grads)
        return value, self.optimizer.update(params, grads, state)

    # ---- compiled ----

    def _value_and_gradient(self, params: Any, *batch: Any) -> tuple[Any, Any]:
        return self.gradient(params, *batch)

    def _step(self, params: Any, state: Any, *batch: Any) -> tuple[Any, Any, Any]:
        """The loss, the state, and a number that is not finite where the loss or the gradient is not. Nothing has been
        changed then."""
        value, grads = self.gradient(params, *batch)
        total = value + sum(np.sum(g) for g in tree.leaves(grads))
        if total - total == 0.0:
            state = self.optimizer.update(params, grads, state)
        return value, state, total

    def _attempt(self, params: Any, state: Any, batch: Any) -> Any:
        """What the compiled function gives; None where it cannot be had."""
        fast: Any = self.fast
        changed = (params, state) if self.whole else (params,)
        try:
            if self.trusted or not fast.recorded:
                result = fast(*changed, *batch)
            else:
                result = self._compared(fast, changed, batch)
        except Exception:
            # It may go without being compiled; if not, the error comes again, and is that of the user's code.
            self.fast = None
            return None
        if fast.recorded > _MOST_RECORDINGS:
            self.fast = None
        return result

    def _compared(self, fast: Any, changed: tuple[Any, ...], batch: Any) -> Any:
        wanted = self.loss(changed[0], *batch)
        before = [np.copy(x) for x in _arrays(changed)]
        result = fast(*changed, *batch)
        if _close(result[0], wanted):
            self.trusted = True
            return result
        for x, old in zip(_arrays(changed), before, strict=True):
            x[...] = old
        # Once it may be made anew.
        self.fast = None if self.mistaken else self._compiled()
        self.mistaken = True
        return None


def _refuse_infinite(grads: Any) -> None:
    """Raise where a gradient is not finite, by the path of its parameter."""
    leaves, structure = tree.flatten(grads)
    for index, g in enumerate(leaves):
        if not np.all(np.isfinite(g)):
            path = structure.paths()[index]
            count = np.size(g) - np.count_nonzero(np.isfinite(g))
            raise FloatingPointError(
                f"the gradient by params{path} has {count} of {np.size(g)} entries that are not finite"
            )


def _arrays(x: Any) -> list[np.ndarray]:
    return [leaf for leaf in tree.leaves(x) if isinstance(leaf, np.ndarray)]


def _close(value: Any, wanted: Any) -> bool:
    """Whether two losses differ by rounding only."""
    if not np.isfinite(wanted):
        return not np.isfinite(value)
    share = 1e-4 if np.asarray(wanted).dtype == np.float32 else 1e-9
    return abs(value - wanted) <= share * abs(wanted)
