"""Checking derivatives against finite differences, in both modes and to any order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pyad import tree
from pyad._transforms.grad import vjp
from pyad._transforms.jvp import jvp

__all__ = ["check_grads"]

# Above these numbers of entries, random directions and a sample of the entries stand for all of them.
_MAX_INPUT_ENTRIES = 100
_MAX_OUTPUT_ENTRIES = 12
_SAMPLED_ENTRIES = 16
_RANDOM_DIRECTIONS = 4
_RANDOM_COTANGENTS = 3

# Absolute and relative tolerance by the narrowest dtype that takes part. Differences are taken in float64 wherever the
# function lets them, so float32 need only allow for its own rounding; where it does not, for that of the differences.
_TOLERANCES = {np.dtype(np.float64): (1e-6, 1e-5), np.dtype(np.float32): (1e-4, 1e-3)}
_NARROW_TOLERANCES = (1e-2, 2e-2)

_MODES = ("fwd", "rev")


def check_grads(
    f: Callable,
    args: tuple,
    order: int = 2,
    modes: Sequence[str] = _MODES,
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
    rng: np.random.Generator | int | None = None,
) -> None:
    """Check the derivatives of `f` at `args` against central differences, to `order`, in each of `modes`.

    Every entry is checked where inputs are small (up to 100 numbers), a sample and random directions otherwise. Order 2
    checks the derivatives of `jvp(f)` and of `vjp(f)` in turn, so with both modes it is forward over forward, reverse
    over forward, forward over reverse and reverse over reverse; and so on. The real and the imaginary part of a complex
    number are moved each; a cotangent g belongs to a change dz as the real part of sum(g * dz).

    Args:
        f: A function of arrays, or of tuples, lists and dicts of arrays, returning the same. It must be smooth around
            `args`, and give the same value each time.
        args: The tuple of its positional arguments. Float and complex arrays and Python floats and complex numbers are
            differentiated; anything else is held constant. Outputs that are neither are ignored.
        order: Up to which order, at least 1.
        modes: Which of "fwd" (jvp) and "rev" (vjp).
        atol: Absolute tolerance of an entry; by default fitting the narrowest dtype among arguments and outputs.
        rtol: Tolerance relative to the numerical derivative; as `atol`.
        eps: Step of the differences, relative for numbers above 1; by default the cube root of the precision.
        rng: Generator, or its seed, for the random directions; by default always the same.

    Raises:
        AssertionError: A derivative is wrong. The message names mode, order and the worst entry, with its numerical and
            computed values.
        TypeError: `args` is no tuple.
        ValueError: There is nothing that could be checked, or an unknown order or mode.

    >>> import numpy as np
    >>> from pyad.testing import check_grads
    >>> check_grads(np.tanh, (np.linspace(-1.0, 1.0, 3),), order=2)
    >>> check_grads(np.abs, (0.0,))
    Traceback (most recent call last):
    AssertionError: check_grads: mode fwd, order 1 is wrong in 1 of 1 entries; ... numerical 0, computed 1, ...
    """
    if not isinstance(args, tuple):
        raise TypeError(f"args must be a tuple of arguments, got {type(args).__name__}; did you mean (args,)?")
    if isinstance(order, bool) or not isinstance(order, int) or order < 1:
        raise ValueError(f"order must be an integer of at least 1, got {order!r}")
    modes = (modes,) if isinstance(modes, str) else tuple(modes)
    if not modes or not set(modes) <= set(_MODES):
        raise ValueError(f"modes must be made of 'fwd' and 'rev', got {modes!r}")
    rng = np.random.default_rng(0 if rng is None else rng)
    function = _first_order(f, args)
    settings = _settings(function, modes, rng, (atol, rtol, eps))
    # The functions still to be checked, each the derivative of one before it.
    waiting = [function]
    while waiting:
        function = waiting.pop()
        _check_one(function, settings)
        if len(function.trail) + 1 < order:
            waiting += [_derivative(function, mode, settings) for mode in reversed(modes)]


@dataclass
class _Function:
    """A function of floating point arrays alone, with the names by which messages call what goes in and comes out."""

    call: Callable  # of as many arrays as `values`, returning a tuple of arrays
    values: list
    names: list[str]
    out_names: list[str]
    trail: tuple[str, ...] = ()  # the modes that led from the user's function here
    outputs: list = field(default_factory=list)


@dataclass
class _Settings:
    modes: tuple[str, ...]
    rng: np.random.Generator
    atol: float
    rtol: float
    eps: float
    upcast: bool


@dataclass
class _Entry:
    """A direction in the space of the inputs or outputs, and what to call it."""

    label: str
    arrays: list


@dataclass
class _Worst:
    """The worst of the entries compared so far."""

    excess: float = 1.0
    failed: int = 0
    compared: int = 0
    text: str = ""

    def add(self, computed: Any, numerical: Any, settings: _Settings, describe: Callable[[tuple], str]) -> None:
        """Compare two arrays; `describe` gives the place of an entry from its index."""
        computed, numerical = _widened(computed), _widened(numerical)
        tolerance = settings.atol + settings.rtol * np.abs(numerical)
        with np.errstate(invalid="ignore"):
            excess = np.abs(computed - numerical) / tolerance
        excess = np.where(np.isnan(excess), np.inf, excess)
        self.compared += excess.size
        self.failed += int(np.count_nonzero(excess > 1))
        if excess.size == 0 or excess.max() <= self.excess:
            return
        index = tuple(int(i) for i in np.unravel_index(np.argmax(excess), excess.shape))
        self.excess = float(excess[index])
        got, want = computed[index].item(), numerical[index].item()
        self.text = (
            f"{describe(index)}: numerical {want:.8g}, computed {got:.8g}, "
            f"difference {abs(got - want):.3g}, allowed {float(tolerance[index]):.3g}"
        )
        if not np.isfinite(want):
            self.text += " (the function is not finite around this point: is it at the edge of its domain?)"


def _is_float(leaf: Any) -> bool:
    number = isinstance(leaf, float | complex)
    return getattr(leaf, "dtype", np.dtype(type(leaf)) if number else np.dtype(object)).kind in "fc"


def _part_dtype(x: Any) -> np.dtype:
    """The dtype of an array's real part."""
    return np.finfo(np.asarray(x).dtype).dtype


def _widened(x: Any) -> Any:
    """The same in float64 or complex128."""
    return np.asarray(x, np.complex128 if np.iscomplexobj(x) else np.float64)


def _first_order(f: Callable, args: tuple) -> _Function:
    leaves, structure = tree.flatten(args)
    where = [index for index, leaf in enumerate(leaves) if _is_float(leaf)]
    paths = structure.paths()
    if not where:
        raise ValueError("check_grads needs at least one floating point argument to differentiate, found none")
    for index in where:
        if _part_dtype(leaves[index]) not in _TOLERANCES:
            raise TypeError(
                f"check_grads works on float32 and float64, complex64 and complex128, but args{paths[index]} has dtype "
                f"{np.asarray(leaves[index]).dtype}"
            )

    def split(out: Any) -> tuple[list, list[str]]:
        found, out_structure = tree.flatten(out)
        pairs = [pair for pair in zip(found, out_structure.paths(), strict=True) if _is_float(pair[0])]
        return [leaf for leaf, _ in pairs], ["output" + path for _, path in pairs]

    def run(values: Iterable) -> tuple[list, list[str]]:
        merged = list(leaves)
        for index, value in zip(where, values, strict=True):
            merged[index] = value
        return split(f(*structure.unflatten(merged)))

    def call(*values: Any) -> tuple:
        return tuple(run(values)[0])

    values = [np.asarray(leaves[index])[()] for index in where]
    outputs, out_names = run(values)
    if not outputs:
        raise ValueError("check_grads needs at least one floating point output, but the function returned none")
    return _Function(call, values, ["args" + paths[index] for index in where], out_names, (), outputs)


def _settings(function: _Function, modes: tuple, rng: np.random.Generator, given: tuple) -> _Settings:
    """Choose where differences are taken, their step, and the tolerances that were not given."""
    dtypes = [_part_dtype(array) for array in (*function.values, *function.outputs)]
    narrowest = min(dtypes, key=lambda dtype: dtype.itemsize)
    wide = function.call(*(_widened(value)[()] for value in function.values))
    upcast = all(_part_dtype(array) == np.float64 for array in wide)
    work = np.dtype(np.float64) if upcast else narrowest
    default_atol, default_rtol = _TOLERANCES.get(narrowest, _NARROW_TOLERANCES)
    if not upcast:
        default_atol, default_rtol = _NARROW_TOLERANCES
    atol, rtol, eps = given
    return _Settings(
        modes=modes,
        rng=rng,
        atol=default_atol if atol is None else atol,
        rtol=default_rtol if rtol is None else rtol,
        eps=float(np.cbrt(np.finfo(work).eps)) if eps is None else eps,
        upcast=upcast,
    )


def _derivative(function: _Function, mode: str, settings: _Settings) -> _Function:
    """The function of which `jvp` or `vjp` of `function` is the value, also in the tangent or cotangent."""
    count = len(function.values)
    if mode == "fwd":

        def call(*values: Any) -> tuple:
            return tuple(jvp(function.call, values[:count], values[count:])[1])

        seeds, kind = function.values, "tangent"
        seed_names, out_names = function.names, function.out_names
    else:

        def call(*values: Any) -> tuple:
            return tuple(vjp(function.call, *values[:count])[1](tuple(values[count:])))

        seeds, kind = function.outputs, "cotangent"
        seed_names, out_names = function.out_names, function.names
    values = function.values + _random_like(seeds, settings.rng)
    return _Function(
        call=call,
        values=values,
        names=function.names + [f"{kind} of {name}" for name in seed_names],
        out_names=[f"{kind} of {name}" for name in out_names],
        trail=(*function.trail, mode),
        outputs=list(call(*values)),
    )


def _check_one(function: _Function, settings: _Settings) -> None:
    cotangents = _directions(function.outputs, function.out_names, settings.rng, _MAX_OUTPUT_ENTRIES)
    rows = _rows(function, cotangents) if "rev" in settings.modes else []
    worst = {mode: _Worst() for mode in settings.modes}
    for direction in _directions(function.values, function.names, settings.rng, _MAX_INPUT_ENTRIES):
        numerical = _difference(function, direction.arrays, settings)
        if "fwd" in settings.modes:
            _compare_forward(function, direction, numerical, settings, worst["fwd"])
        for cotangent, gradient in zip(cotangents, rows, strict=False):
            computed = _inner(gradient, direction.arrays)
            expected = _inner(cotangent.arrays, numerical)
            place = f"the derivative of {cotangent.label} by {direction.label}"
            worst["rev"].add(computed, expected, settings, lambda _, place=place: place)
    for mode, found in worst.items():
        if found.failed:
            raise AssertionError(
                f"{_title(function, mode)} is wrong in {found.failed} of {found.compared} entries; "
                f"the worst is {found.text}"
            )


def _rows(function: _Function, cotangents: list[_Entry]) -> list[list]:
    """The pullback of each cotangent, each of the shape and dtype of the arguments."""
    title = _title(function, "rev")
    outputs, pullback = vjp(function.call, *function.values)
    _check_like(outputs, function.outputs, function.out_names, f"{title}: the value vjp returns for")
    rows = []
    for cotangent in cotangents:
        gradient = pullback(tuple(cotangent.arrays))
        _check_like(gradient, function.values, function.names, f"{title}: the cotangent of", values=False)
        rows.append(list(gradient))
    return rows


def _compare_forward(
    function: _Function, direction: _Entry, numerical: list, settings: _Settings, worst: _Worst
) -> None:
    title = _title(function, "fwd")
    outputs, tangents = jvp(function.call, tuple(function.values), tuple(direction.arrays))
    _check_like(outputs, function.outputs, function.out_names, f"{title}: the value jvp returns for")
    _check_like(tangents, function.outputs, function.out_names, f"{title}: the tangent of", values=False)
    for name, computed, expected in zip(function.out_names, tangents, numerical, strict=True):
        worst.add(computed, expected, settings, _placer(name, direction.label))


def _difference(function: _Function, direction: list, settings: _Settings) -> list:
    """The central difference of each output along `direction`."""
    sides = []
    for sign in (1, -1):
        moved = []
        for value, way in zip(function.values, direction, strict=True):
            base = _widened(value)[()] if settings.upcast else value
            moved.append((base + sign * settings.eps * _scale(direction, function.values) * way).astype(base.dtype))
        sides.append((moved, [_widened(out) for out in function.call(*moved)]))
    (above, high), (below, low) = sides
    # What was added is known only up to rounding, so the step is measured where the direction is largest.
    leaf, index = max(
        ((k, np.unravel_index(np.argmax(np.abs(way)), way.shape)) for k, way in enumerate(direction) if way.size),
        key=lambda place: abs(direction[place[0]][place[1]]),
    )
    taken = _widened(above[leaf][index]) - _widened(below[leaf][index])
    factor = np.real(_widened(direction[leaf][index]) / taken)
    return [(a - b) * factor for a, b in zip(high, low, strict=True)]


def _scale(direction: list, values: list) -> float:
    """The largest number that the direction moves, at least 1: steps are relative to it."""
    moved = [float(np.max(np.abs(value[way != 0]), initial=1)) for value, way in zip(values, direction, strict=True)]
    return max([1.0, *moved])


def _directions(arrays: list, names: list[str], rng: np.random.Generator, limit: int) -> list[_Entry]:
    """Every unit direction of `arrays` if they are small; else some unit directions and some random ones."""
    places = [
        (k, index, unit)
        for k, array in enumerate(arrays)
        for unit in ((1, 1j) if np.iscomplexobj(array) else (1,))
        for index in np.ndindex(np.shape(array))
    ]
    dense = []
    if len(places) > limit:
        chosen = rng.choice(len(places), size=min(limit, _SAMPLED_ENTRIES), replace=False)
        places = [places[int(i)] for i in sorted(chosen)]
        count = _RANDOM_DIRECTIONS if limit == _MAX_INPUT_ENTRIES else _RANDOM_COTANGENTS
        whole = f"a random direction of {names[0]}" + (f" to {names[-1]}" if len(names) > 1 else "")
        dense = [_Entry(whole, _random_like(arrays, rng)) for _ in range(count)]
    return [_unit(arrays, names, *place) for place in places] + dense


def _unit(arrays: list, names: list[str], leaf: int, index: tuple, step: complex) -> _Entry:
    unit = [np.zeros(np.shape(array), np.asarray(array).dtype) for array in arrays]
    unit[leaf][index] = step
    return _Entry(names[leaf] + _at(index) + (" (imaginary part)" if step == 1j else ""), unit)


def _random_like(arrays: list, rng: np.random.Generator) -> list:
    return [_random(np.shape(array), np.asarray(array).dtype, rng) for array in arrays]


def _random(shape: tuple, dtype: np.dtype, rng: np.random.Generator) -> np.ndarray:
    drawn = rng.standard_normal(shape)
    if dtype.kind == "c":
        drawn = drawn + 1j * rng.standard_normal(shape)
    return np.asarray(drawn, dtype)


def _inner(left: list, right: list) -> float:
    return sum(float(np.real(np.sum(_widened(a) * _widened(b)))) for a, b in zip(left, right, strict=True))


def _check_like(got: Sequence, like: list, names: list[str], what: str, values: bool = True) -> None:
    """Check that arrays have the shapes and dtypes, and where `values` says so the values, of others."""
    for array, model, name in zip(got, like, names, strict=True):
        if np.shape(array) != np.shape(model):
            raise AssertionError(f"{what} {name} has shape {np.shape(array)}, but {np.shape(model)} is expected")
        have, want = np.asarray(array).dtype, np.asarray(model).dtype
        if have != want:
            raise AssertionError(f"{what} {name} has dtype {have}, but {want} is expected")
        if values and not np.allclose(array, model, rtol=1e3 * np.finfo(want).eps, equal_nan=True):
            raise AssertionError(f"{what} {name} is not the value of the function itself")


def _title(function: _Function, mode: str) -> str:
    trail = (*function.trail, mode)
    chain = f" ({' over '.join(reversed(trail))})" if len(trail) > 1 else ""
    return f"check_grads: mode {mode}, order {len(trail)}{chain}"


def _placer(name: str, direction: str) -> Callable[[tuple], str]:
    return lambda index: f"the derivative of {name}{_at(index)} by {direction}"


def _at(index: tuple) -> str:
    return str(list(index)) if index else ""
