"""Optimisers: plain objects holding settings; what changes is in the parameters and in a state that is passed along.

Parameters are updated in place, so a step allocates no new ones: keep a copy of those you want to keep.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyad import tree
from pyad._binding import engine
from pyad._trace.array import is_traced
from pyad._trace.guards import is_recording_program

__all__ = ["SGD", "Adam"]

# Numbers that fit into the cache with what is computed from them.
_BLOCK = 1 << 15


class SGD:
    """Gradient descent, with momentum if asked for.

    Without momentum p becomes p - learning_rate g. With it v becomes momentum v + g, and p becomes
    p - learning_rate v; Nesterov's variant takes momentum v + g of the new v in its place (I. Sutskever, J. Martens,
    G. Dahl and G. Hinton, "On the importance of initialization and momentum in deep learning", ICML 2013).

    Args:
        learning_rate: Size of a step, above 0.
        momentum: How much of the velocity is kept, 0 <= momentum < 1.
        nesterov: Whether to look ahead; needs momentum.

    Raises:
        TypeError: A setting that is no number.
        ValueError: A setting outside of these ranges.

    >>> import numpy as np
    >>> from pyad import nn
    >>> params = {"w": np.array([1.0, 2.0])}
    >>> opt = nn.SGD(0.1)
    >>> state = opt.update(params, {"w": np.array([10.0, 10.0])}, opt.init(params))
    >>> params["w"]
    array([0., 1.])
    """

    def __init__(self, learning_rate: float, momentum: float = 0.0, nesterov: bool = False) -> None:
        self.learning_rate = _positive("learning_rate", learning_rate)
        self.momentum = _fraction("momentum", momentum)
        if nesterov and momentum == 0:
            raise ValueError("nesterov needs a momentum above 0")
        self.nesterov = nesterov

    def __repr__(self) -> str:
        return f"SGD(learning_rate={self.learning_rate}, momentum={self.momentum}, nesterov={self.nesterov})"

    def init(self, params: Any) -> Any:
        """The state before the first update.

        Args:
            params: Tree of NumPy arrays.

        Returns:
            The velocities, zeros like `params`; None without momentum.

        Raises:
            TreeError: A container that contains itself.
        """
        if self.momentum == 0:
            return None
        return tree.map(np.zeros_like, params)

    def update(self, params: Any, grads: Any, state: Any) -> Any:
        """Take one step in place on `params` and return the state for the next one.

        Args:
            params: Tree of writeable float32 or float64 NumPy arrays.
            grads: Tree of the same structure, shapes and dtypes.
            state: What `init` or the last `update` returned; its arrays are updated in place too.

        Returns:
            The state for the next call.

        Raises:
            TypeError, ValueError: A parameter cannot be written, or a gradient does not fit it; `params` are then as
                they were.
        """
        if self.momentum == 0 and not is_recording_program():
            ps, structure = tree.flatten(params)
            gs = structure.leaves_of(grads, "the tree of gradients")
            if engine.axpy(-self.learning_rate, gs, ps):
                return state
        names, ps, gs = _matched(params, grads)
        if self.momentum == 0:
            _axpy(-self.learning_rate, gs, ps)
            return state
        vs = names.leaves_of(state, "the state of the optimiser")
        for g, v in zip(gs, vs, strict=True):
            v *= self.momentum
            v += g
        if self.nesterov:
            _axpy(-self.learning_rate, gs, ps)
            _axpy(-self.learning_rate * self.momentum, vs, ps)
        else:
            _axpy(-self.learning_rate, vs, ps)
        return state


class Adam:
    """Adam: D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1.

    Args:
        learning_rate: Size of a step, above 0; each number moves by about this much at first.
        b1: Decay of the mean of gradients, 0 <= b1 < 1.
        b2: Decay of the mean of their squares, 0 <= b2 < 1.
        eps: Added to the root of the latter, above 0.

    Raises:
        TypeError: A setting that is no number.
        ValueError: A setting outside of these ranges.

    >>> import numpy as np
    >>> from pyad import nn
    >>> params = {"w": np.array([1.0, 2.0])}
    >>> opt = nn.Adam(0.1)
    >>> state = opt.update(params, {"w": np.array([10.0, -10.0])}, opt.init(params))
    >>> params["w"].round(6)
    array([0.9, 2.1])
    """

    def __init__(self, learning_rate: float = 1e-3, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> None:
        self.learning_rate = _positive("learning_rate", learning_rate)
        self.b1 = _fraction("b1", b1)
        self.b2 = _fraction("b2", b2)
        self.eps = _positive("eps", eps)

    def __repr__(self) -> str:
        return f"Adam(learning_rate={self.learning_rate}, b1={self.b1}, b2={self.b2}, eps={self.eps})"

    def init(self, params: Any) -> dict[Any, Any]:
        """The state before the first update: `{"step": 0.0, "mean": zeros, "square": zeros}`.

        Args:
            params: Tree of NumPy arrays.

        Returns:
            The zeros are a vector for each dtype, `{"float32": ...}`, for all parameters one after another. The number
            of steps is a float64, which in a compiled step (`pyad.compile`) may change from call to call.

        Raises:
            TreeError: A container that contains itself.
        """
        sizes: dict[str, int] = {}
        for p in tree.leaves(params):
            p = np.asarray(p)
            sizes[p.dtype.name] = sizes.get(p.dtype.name, 0) + p.size
        zeros = ({name: np.zeros(size, name) for name, size in sizes.items()} for _ in range(2))
        return {"step": np.float64(0), "mean": next(zeros), "square": next(zeros)}

    def update(self, params: Any, grads: Any, state: dict[Any, Any]) -> dict[Any, Any]:
        """Take one step in place on `params` and return the state for the next one.

        Args:
            params: Tree of writeable float32 or float64 NumPy arrays.
            grads: Tree of the same structure, shapes and dtypes.
            state: What `init` or the last `update` returned; its arrays are updated in place too, so keep no older
                state.

        Returns:
            The state for the next call.

        Raises:
            TypeError, ValueError: As `SGD.update`, and where the state was made for other parameters.
        """
        _, ps, gs = _matched(params, grads)
        groups: dict[str, list[int]] = {}
        for index, p in enumerate(ps):
            groups.setdefault(p.dtype.name, []).append(index)
        if {name: sum(ps[index].size for index in group) for name, group in groups.items()} != {
            name: mean.size for name, mean in state["mean"].items()
        }:
            raise ValueError("the state of the optimiser was made for other parameters")
        step = state["step"] + 1
        for name, group in groups.items():
            # One vector for all, as most parameters are so small that a call costs more than its work.
            moves = np.concatenate([gs[index].reshape(-1) for index in group])
            mean, square = state["mean"][name], state["square"][name]
            if is_traced(mean):
                moves = self._advanced(step, moves, mean, square)
            else:
                self._advance_blocks(float(step), moves, mean, square)
            start = 0
            for p in (ps[index] for index in group):
                p += moves[start : start + p.size].reshape(p.shape)
                start += p.size
        return {"step": step, "mean": state["mean"], "square": state["square"]}

    def _advanced(self, step: Any, g: Any, mean: Any, square: Any) -> Any:
        """The same while a program is being recorded, which goes through memory once by itself."""
        correction = np.sqrt(1 - self.b2**step)
        scale = -self.learning_rate * correction / (1 - self.b1**step)
        mean[...] = self.b1 * mean + (1 - self.b1) * g
        square[...] = self.b2 * square + (1 - self.b2) * (g * g)
        # As Python's floats are, these are no reason to compute in double precision.
        eps, scale = (_weak(x, g.dtype) for x in (self.eps * correction, scale))
        return mean / (np.sqrt(square) + eps) * scale

    def _advance_blocks(self, step: float, moves: np.ndarray, mean: np.ndarray, square: np.ndarray) -> None:
        for start in range(0, moves.size, _BLOCK):
            block = slice(start, start + _BLOCK)
            self._advance(step, moves[block], mean[block], square[block])

    def _advance(self, step: float, g: np.ndarray, mean: np.ndarray, square: np.ndarray) -> None:
        """Update the means, and put into `g` by how much the parameters move."""
        # Both bias corrections are numbers, so they are folded into the size of the step and into eps.
        correction = math.sqrt(1 - self.b2**step)
        mean *= self.b1
        _axpy(1 - self.b1, [g], [mean])
        g *= g
        square *= self.b2
        _axpy(1 - self.b2, [g], [square])
        np.sqrt(square, out=g)
        g += self.eps * correction
        np.divide(mean, g, out=g)
        g *= -self.learning_rate * correction / (1 - self.b1**step)


def _weak(x: Any, dtype: np.dtype) -> Any:
    return x.astype(dtype) if is_traced(x) else dtype.type(x)


def _axpy(a: float, xs: list[np.ndarray], ys: list[np.ndarray]) -> None:
    """Add `a * x` to each `y`, in one pass over memory where all are contiguous."""
    if is_recording_program() or not engine.axpy(a, xs, ys):
        for x, y in zip(xs, ys, strict=True):
            y += a * x


def _matched(params: Any, grads: Any) -> tuple[tree.Structure, list[Any], list[Any]]:
    """The structure of the parameters, and both lists of leaves, checked before anything is written."""
    ps, structure = tree.flatten(params)
    gs = structure.leaves_of(grads, "the tree of gradients")
    for index, (p, g) in enumerate(zip(ps, gs, strict=True)):
        # One test for the usual case; what is wrong is found out in a function of its own.
        if type(p) is not np.ndarray or p.dtype.char not in "fd" or not p.flags.writeable:
            _check_parameter(_name(structure, index), p)
        if type(g) is not np.ndarray or g.dtype != p.dtype or g.shape != p.shape:
            gs[index] = _check_gradient(_name(structure, index), p, g)
    return structure, ps, gs


def _name(structure: tree.Structure, index: int) -> str:
    path = structure.paths()[index]
    return f"parameter {path}" if path else "the parameter"


def _check_parameter(name: str, p: Any) -> None:
    if is_traced(p):
        if p.ndim:
            return
        raise TypeError(f"{name} has no axes; a compiled step cannot write into it, so pass an array of shape (1,)")
    if not isinstance(p, np.ndarray):
        raise TypeError(f"{name} is a {type(p).__name__}; parameters are updated in place and must be NumPy arrays")
    if p.dtype.char not in "fd":
        raise TypeError(f"{name} has dtype {p.dtype}; parameters must be float32 or float64")
    if not p.flags.writeable:
        raise ValueError(f"{name} is read-only; parameters are updated in place, so pass a writeable copy")


def _check_gradient(name: str, p: np.ndarray, g: Any) -> np.ndarray:
    # The gradient of a parameter without axes may be a NumPy scalar.
    if not isinstance(g, np.ndarray | np.generic) and not is_traced(g):
        raise TypeError(f"the gradient of {name} is a {type(g).__name__}, not a NumPy array")
    if g.shape != p.shape:
        raise ValueError(f"{name} has shape {p.shape}, but its gradient has shape {g.shape}")
    if g.dtype != p.dtype:
        raise TypeError(f"{name} has dtype {p.dtype}, but its gradient has dtype {g.dtype}")
    return g if is_traced(g) else np.asarray(g)


def _check_number(name: str, value: Any) -> None:
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        hint = ""
        if name == "learning_rate":
            hint = "; an optimiser is made of its settings alone, as nn.Adam(1e-2): the parameters go to fit or init"
        raise TypeError(f"{name} must be a number, got a {type(value).__name__}{hint}")


def _positive(name: str, value: float) -> float:
    _check_number(name, value)
    if not value > 0 or not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number above 0, got {value!r}")
    return value


def _fraction(name: str, value: float) -> float:
    _check_number(name, value)
    if not 0 <= value < 1:
        raise ValueError(f"{name} must be at least 0 and below 1, got {value!r}")
    return value
