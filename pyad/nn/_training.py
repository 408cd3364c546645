"""Mini-batches and the training loop."""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pyad import tree
from pyad.nn._compiled_step import Steps

__all__ = ["fit", "minibatches"]


def minibatches(
    rng: np.random.Generator | None, arrays: Any, batch_size: int, drop_last: bool = False
) -> Iterator[Any]:
    """Go once through the rows of `arrays` in random order, `batch_size` rows at a time.

    Args:
        rng: Generator that shuffles the rows, the same way in all arrays; None keeps their order.
        arrays: An array, or a tree of arrays such as `(x, y)`, with the same number of rows (first axis).
        batch_size: Number of rows of a batch, at least 1.
        drop_last: Whether to leave out a last batch that is not full.

    Yields:
        Batches in the containers of `arrays`; copies, so they may be written.

    Raises:
        ValueError: The numbers of rows differ or are 0, or the batch size is not positive.

    >>> import numpy as np
    >>> from pyad import nn
    >>> x, y = np.arange(5), np.arange(5) * 10
    >>> list(nn.minibatches(None, (x, y), 3))
    [(array([0, 1, 2]), array([ 0, 10, 20])), (array([3, 4]), array([30, 40]))]
    >>> [len(xb) for xb, yb in nn.minibatches(np.random.default_rng(0), (x, y), 2)]
    [2, 2, 1]
    """
    if rng is not None:
        _check_rng("minibatches", rng)
    columns, structure = tree.flatten(arrays)
    _check_columns("arrays", columns, structure)
    rows = _rows(columns, structure)
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    return _batches(rng, columns, structure, rows, batch_size, drop_last)


def _batches(
    rng: np.random.Generator | None,
    columns: list[Any],
    structure: tree.Structure,
    rows: int,
    batch_size: int,
    drop_last: bool,
) -> Iterator[Any]:
    order = np.arange(rows) if rng is None else rng.permutation(rows)
    stop = rows - rows % batch_size if drop_last else rows
    for start in range(0, stop, batch_size):
        chosen = order[start : start + batch_size]
        yield structure.unflatten([column[chosen] for column in columns])


def fit(
    loss: Callable[..., Any],
    params: Any,
    data: tuple[Any, ...],
    optimizer: Any,
    epochs: int,
    batch_size: int,
    rng: np.random.Generator,
    validation: tuple[Any, ...] | None = None,
    callback: Callable[..., Any] | None = None,
    progress: bool | None = None,
    compile: bool = True,
) -> dict[str, list[float]]:
    """Minimise `loss` over mini-batches of `data`, updating `params` in place.

    Args:
        loss: Function `loss(params, *batch)` returning a scalar, the mean over the rows of its batch.
        params: Tree of writeable NumPy arrays; see `pyad.nn.SGD.update`.
        data: Tuple of arrays with the same number of rows, e.g. `(x, y)`; a batch has the same rows of each.
            A single array counts as a tuple of one.
        optimizer: `SGD`, `Adam`, or any object with their `init` and `update`.
        epochs: How many times to go through the data.
        batch_size: Rows of a batch; the last batch of an epoch may have fewer.
        rng: Generator that shuffles the rows anew in every epoch.
        validation: Tuple like `data`, whose loss is computed after every epoch, all rows at once.
        callback: Called as `callback(epoch, params, history)` after every epoch, counted from 0; returning True ends
            the training.
        progress: True for a progress bar, which needs tqdm; None for the bar if tqdm is installed and a line an epoch
            on stderr otherwise; False for neither.
        compile: Whether a step (loss, gradient and, of `SGD` and `Adam`, update) is compiled by `pyad.compile`. A loss
            that cannot be compiled, such as one that draws random numbers, is run as it is written; so is every loss
            for False. What the loss counts or stores by itself, it does only while it is recorded.

    Returns:
        `{"loss": [...], "validation_loss": [...]}`, one number an epoch; the second only with `validation`. The loss of
        an epoch is the mean over its rows, each with the parameters at its time.

    Raises:
        FloatingPointError: The loss of a batch or its gradient is not finite; the message names epoch, batch and
            parameter, and the parameters are those with which it was computed.
        ImportError: `progress` is True and tqdm is not installed.
        ShapeError: The loss is not a scalar.
        TypeError: `optimizer` is a class or a name, `rng` no generator, `data` no arrays, or the like.
        ValueError: `epochs` or `batch_size` is below 1, or the numbers of rows differ or are 0.

    >>> import numpy as np
    >>> from pyad import nn
    >>> x = np.linspace(-1, 1, 20)
    >>> params = {"slope": np.zeros(1)}
    >>> def loss(params, x, y):
    ...     return np.mean((params["slope"] * x - y) ** 2)
    ...
    >>> rng = np.random.default_rng(0)
    >>> history = nn.fit(loss, params, (x, 3 * x), nn.SGD(0.5), epochs=40, batch_size=5, rng=rng, progress=False)
    >>> round(float(params["slope"][0]), 3)
    3.0
    """
    _check_optimizer(optimizer)
    _check_rng("fit", rng)
    data = _arrays_of("data", data)
    validation = None if validation is None else _arrays_of("validation", validation)
    rows = _rows(*tree.flatten(data))
    if epochs < 1:
        raise ValueError(f"epochs must be at least 1, got {epochs}")
    report = _reporter(progress, epochs)
    steps = Steps(loss, optimizer, compile)
    state = optimizer.init(params)
    history: dict[str, list[float]] = {"loss": []}
    if validation is not None:
        history["validation_loss"] = []
    try:
        for epoch in range(epochs):
            total = 0.0
            for number, batch in enumerate(minibatches(rng, data, batch_size)):
                try:
                    value, state = steps(params, state, batch)
                except FloatingPointError as problem:
                    raise FloatingPointError(f"{problem}, {_place(epoch, number)}") from None
                value = _finite(value, epoch, number)
                total += value * len(tree.leaves(batch)[0])
            history["loss"].append(total / rows)
            if validation is not None:
                history["validation_loss"].append(float(loss(params, *validation)))
            report.epoch({name: values[-1] for name, values in history.items()})
            if callback is not None:
                if callback(epoch, params, history) is True:
                    break
                steps.doubt()
    finally:
        report.close()
    return history


def _check_optimizer(optimizer: Any) -> None:
    if isinstance(optimizer, type):
        name = optimizer.__name__
        raise TypeError(f"fit: optimizer is the class {name} itself; pass an object of it, as nn.{name}(1e-2)")
    if not (callable(getattr(optimizer, "init", None)) and callable(getattr(optimizer, "update", None))):
        raise TypeError(
            f"fit: optimizer must be nn.SGD(...), nn.Adam(...) or an object with methods init and update, "
            f"got {optimizer!r}"
        )


def _check_rng(name: str, rng: Any) -> None:
    if not callable(getattr(rng, "permutation", None)):
        raise TypeError(f"{name}: rng must be a numpy.random.Generator, got {rng!r}; pass np.random.default_rng(seed)")


def _arrays_of(name: str, data: Any) -> tuple[Any, ...]:
    """The data as a tuple of arrays."""
    if isinstance(data, Iterator):
        raise TypeError(
            f"fit: {name} is a {type(data).__name__}, which can be gone through once only; pass a tuple of arrays, "
            "as (x, y)"
        )
    data = tuple(data) if isinstance(data, tuple | list) else (data,)
    _check_columns(name, *tree.flatten(data))
    return data


def _check_columns(name: str, columns: list[Any], structure: tree.Structure) -> None:
    for column, path in zip(columns, structure.paths(), strict=True):
        if not isinstance(column, np.ndarray):
            way_out = "; pass its values, .to_numpy()" if hasattr(column, "to_numpy") else ""
            if not way_out and not isinstance(column, np.generic | int | float):
                way_out = "; pass an array"
            if way_out:
                raise TypeError(f"{name}{path} must be a NumPy array, got a {type(column).__name__}{way_out}")


def _rows(columns: list[Any], structure: tree.Structure) -> int:
    """The number of rows that all the arrays share."""
    if not columns:
        raise ValueError("there are no arrays to take rows of")
    shapes = [np.shape(column) for column in columns]
    if any(not shape for shape in shapes):
        raise ValueError("arrays to take rows of need at least one axis, got a scalar")
    if len({shape[0] for shape in shapes}) > 1:
        listed = ", ".join(f"{path or 'array'}: {shape}" for path, shape in zip(structure.paths(), shapes, strict=True))
        raise ValueError(f"arrays must have the same number of rows, got the shapes {listed}")
    if shapes[0][0] == 0:
        raise ValueError("the arrays have no rows")
    return shapes[0][0]


def _place(epoch: int, batch: int) -> str:
    return f"in epoch {epoch}, batch {batch} (counted from 0)"


def _finite(value: Any, epoch: int, batch: int) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise FloatingPointError(
            f"the loss is {number} {_place(epoch, batch)}; "
            "try a smaller learning rate, and look for logarithms and divisions of what may be 0"
        )
    return number


class _Silent:
    """Reports nothing."""

    def epoch(self, figures: dict[str, float]) -> None:
        pass

    def close(self) -> None:
        pass


class _Lines(_Silent):
    """Reports a line an epoch on stderr."""

    def __init__(self, epochs: int) -> None:
        self.done = 0
        self.epochs = epochs

    def epoch(self, figures: dict[str, float]) -> None:
        self.done += 1
        shown = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
        print(f"epoch {self.done}/{self.epochs}: {shown}", file=sys.stderr)


class _Bar(_Silent):
    """Reports through a tqdm bar of epochs."""

    def __init__(self, tqdm: Any, epochs: int) -> None:
        self.bar = tqdm.tqdm(total=epochs, unit="epoch")

    def epoch(self, figures: dict[str, float]) -> None:
        self.bar.set_postfix({name: f"{value:.4g}" for name, value in figures.items()}, refresh=False)
        self.bar.update()

    def close(self) -> None:
        self.bar.close()


def _reporter(progress: bool | None, epochs: int) -> _Silent:
    if progress is False:
        return _Silent()
    try:
        return _Bar(importlib.import_module("tqdm"), epochs)
    except ImportError as error:
        if progress is None:
            return _Lines(epochs)
        raise ImportError("the progress bar needs tqdm: pip install tqdm, or pass progress=None or False") from error
