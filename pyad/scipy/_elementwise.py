"""How a function of SciPy gets its derivatives: one partial derivative per argument, none where it is constant."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from pyad._ops._docstrings import example
from pyad._ops._nested import operand
from pyad._ops._registry import implements
from pyad._ops.shape import astype
from pyad._trace.array import Array, View, is_traced, numpy_value
from pyad._trace.guards import is_recording_program
from pyad._trace.numpy_op import numpy_op
from pyad._trace.promotion import common_dtype
from pyad.errors import UnsupportedError

__all__ = ["behind", "by_parts", "refuse", "shown_at", "special"]

# partial(y, *arguments): the derivative of the value y by one argument, written with differentiable functions.
Partial = Callable[..., Any]


def refuse(name: str, argument: str) -> UnsupportedError:
    """The error for a traced value in the place of an argument by which there is no derivative."""
    return UnsupportedError(
        f"{name} has no derivative by {argument} in pyad, and was given a traced value for it; "
        "take pyad.stop_gradient of it if it is constant, or define the function with pyad.custom_jvp"
    )


def by_parts(name: str, reference: Callable[..., Any], **partials: Partial | None) -> Callable[..., Any]:
    """An element-wise function that runs `reference`, by its arguments' names and partial derivatives.

    An argument with None is constant: it keeps its dtype, and a traced value there is refused (while a program is being
    recorded, where everything is traced, only once its derivative is asked for). Only the partial
    derivatives of what is traced are computed. Traced float32 gives float32, where SciPy with an integer argument gives
    float64.
    """
    rules = tuple(partials.values())
    if len(rules) == 1 and rules[0] is not None:
        return _by_one(name, reference, *partials, rules[0])
    names = tuple(partials)
    has_constants = None in rules
    every = tuple(range(len(rules)))
    nothing = (None,) * len(rules)
    all_traced, all_plain = {Array, View}, {np.ndarray}

    def merged(traced: tuple[Any, ...], places: tuple[int, ...], fixed: tuple[Any, ...]) -> list[Any]:
        arguments = list(fixed)
        for k, x in zip(places, traced, strict=True):
            arguments[k] = x
        return arguments

    def value(*traced: Any, places: tuple[int, ...], fixed: tuple[Any, ...]) -> Any:
        out = reference(*(traced if places is every else merged(traced, places, fixed)))
        dtype = traced[0].dtype
        return out if type(out) is np.ndarray and out.dtype is dtype else np.asarray(out, dtype)[()]

    def refusal(argument: str) -> Callable[[], Any]:
        def raising() -> Any:
            raise refuse(name, argument)

        return raising

    def vjp(s: Any, y: Any, *traced: Any, places: tuple[int, ...], fixed: tuple[Any, ...]) -> tuple[Any, ...]:
        arguments = traced if places is every else merged(traced, places, fixed)
        with np.errstate(all="ignore"):
            return tuple(s * rules[k](y, *arguments) if rules[k] else refusal(names[k]) for k in places)

    def jvp(tangents: list[Any], y: Any, *traced: Any, places: tuple[int, ...], fixed: tuple[Any, ...]) -> Any:
        arguments = traced if places is every else merged(traced, places, fixed)
        total = None
        with np.errstate(all="ignore"):
            for k, t in zip(places, tangents, strict=True):
                if t is not None:
                    part = t * rules[k](y, *arguments) if rules[k] else refusal(names[k])()
                    total = part if total is None else total + part
        return total

    op = numpy_op(name, value, vjp, jvp)

    def function(*given: Any) -> Any:
        # The common cases first: to find the others takes as long as a small operation.
        kinds = set(map(type, given))
        if len(given) == len(every):
            if kinds <= all_traced and not has_constants:
                return op(*given, places=every, fixed=nothing)
            if kinds == all_plain:
                return reference(*given)
        if len(given) != len(names):
            raise TypeError(f"{name} takes {len(names)} positional arguments ({', '.join(names)}), got {len(given)}")
        arguments = [operand(name, x) for x in given]
        places = tuple(k for k, x in enumerate(arguments) if is_traced(x))
        if not places:
            return reference(*arguments)
        constants = [k for k in places if rules[k] is None]
        if constants and not is_recording_program():
            raise refuse(name, names[constants[0]])
        varied = tuple(x for x, rule in zip(arguments, rules, strict=True) if rule is not None)
        dtype = common_dtype(name, tuple(arguments) if len(constants) == len(places) else varied)
        if constants and dtype.kind == "c" and len(constants) < len(places):
            # They are real, and operands have one dtype.
            arguments = [numpy_value(x) if k in constants else x for k, x in enumerate(arguments)]
            places = tuple(k for k in places if k not in constants)
        # The plain ones are copied: nobody would notice if they were changed before the rule runs.
        fixed = tuple(
            None if is_traced(x) else _held(x, dtype, rule is None) for x, rule in zip(arguments, rules, strict=True)
        )
        return op(*(astype(arguments[k], dtype) for k in places), places=places, fixed=fixed)

    function.__name__ = function.__qualname__ = name.rpartition(".")[2]
    function.__doc__ = f"`{name}` of ({', '.join(names)})."
    return function


def _by_one(name: str, reference: Callable[..., Any], argument: str, partial: Partial) -> Callable[..., Any]:
    """`by_parts` for a function of one argument."""

    def value(x: Any) -> Any:
        out = reference(x)
        return out if type(out) is np.ndarray and out.dtype is x.dtype else np.asarray(out, x.dtype)[()]

    def vjp(s: Any, y: Any, x: Any) -> tuple[Any]:
        with np.errstate(all="ignore"):
            return (s * partial(y, x),)

    def jvp(tangents: list[Any], y: Any, x: Any) -> Any:
        return vjp(tangents[0], y, x)[0]

    op = numpy_op(name, reference if _keeps_dtype(reference) else value, vjp, jvp)

    def function(*given: Any) -> Any:
        if len(given) != 1:
            raise TypeError(f"{name} takes 1 positional argument ({argument}), got {len(given)}")
        x = given[0] if is_traced(given[0]) else operand(name, given[0])
        return op(x) if is_traced(x) else reference(x)

    function.__name__ = function.__qualname__ = name.rpartition(".")[2]
    function.__doc__ = f"`{name}` of ({argument})."
    return function


def _keeps_dtype(reference: Callable[..., Any]) -> bool:
    """Whether a function gives each dtype that is differentiated as it gets it, or refuses it."""
    if not isinstance(reference, np.ufunc):
        return False
    types = set(reference.types)
    of_complex = {form for form in types if form[0] in "FD"}
    return {"f->f", "d->d"} <= types and of_complex in (set(), {"F->F", "D->D"})


def behind(name: str, ours: Callable[..., Any]) -> None:
    """Register ours for the ufunc of this (private) name that a function of scipy.special is written with: it is what
    meets a traced value where SciPy's function is called itself."""
    theirs = getattr(sys.modules.get("scipy.special._ufuncs"), name, None)
    if theirs is not None:
        implements(theirs)(ours)


def _held(x: Any, dtype: np.dtype, constant: bool) -> Any:
    """A plain argument as the rules see it; a constant Python number stays weak, and integers stay integers."""
    if constant and (type(x) in (int, float) or np.asarray(x).dtype.kind != "f"):
        return x if type(x) in (int, float) else np.array(x)[()]
    # What is constant is real also beside complex numbers: an order, a degree.
    return np.array(x, np.finfo(dtype).dtype if constant else dtype)[()]


def special(theirs: np.ufunc, shown: str, **partials: Partial | None) -> Callable[..., Any]:
    """`by_parts` for a ufunc of scipy.special, which is registered as what implements it; see `shown_at`."""
    function = by_parts(f"scipy.special.{theirs.__name__}", theirs, **partials)
    return implements(theirs)(shown_at(shown, function, partials))


def shown_at(
    shown: str, function: Callable[..., Any], partials: dict[str, Partial | None], complex_valued: bool = False
) -> Callable[..., Any]:
    """The function with a docstring. `shown` is a point, the derivatives there, and where these are from:
    "2.0, 3.0 -> 12.0, 8.0; Author 1970"."""
    shown, _, source = shown.partition("; ")
    name = f"special.{function.__name__}"
    varied = _listed([argument for argument, partial in partials.items() if partial is not None])
    constant = _listed([argument for argument, partial in partials.items() if partial is None])
    function.__doc__ = "\n".join(
        [
            f"`scipy.{name}`, differentiable in {varied}"
            + (f"; {constant} constant" if constant else "")
            + (f" ({source})." if source else "."),
            "",
            "Raises:",
            "    TypeError: Another number of arguments, or one that is no array of numbers.",
            *([f"    UnsupportedError: A derivative by {constant} is asked for."] if constant else []),
            "",
            ">>> from pyad.scipy import special",
            example(f"lambda *x: {name}(*x).real" if complex_valued else name, shown),
        ]
    )
    return function


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
