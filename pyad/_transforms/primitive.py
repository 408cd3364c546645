"""Primitives: functions that Python runs on plain values, with rules in the form of HIPS autograd."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from pyad import tree
from pyad._binding import memory
from pyad._ops.shape import broadcast_to
from pyad._trace.array import is_traced
from pyad._trace.op import kept_entry, python_op
from pyad._trace.recorded_call import computed
from pyad._transforms.python_call import Outputs, PythonCall, name_of, record_call
from pyad.errors import ConcretizationError, ShapeError

__all__ = [
    "def_linear",
    "defjvp",
    "defjvp_argnum",
    "defjvp_argnums",
    "defvjp",
    "defvjp_argnum",
    "defvjp_argnums",
    "notrace_primitive",
    "primitive",
]

Rule = Callable[..., Any]


class _Rules:
    """What is known of a primitive besides its value."""

    __slots__ = ("function", "jvp", "name", "traced", "vjp")

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.name = getattr(function, "__name__", type(function).__name__)
        self.vjp: Rule | None = None  # (argnums, ans, args, keywords) -> g -> cotangents, one per argnum
        self.jvp: Rule | None = None  # (argnums, gs, ans, args, keywords) -> tangent of ans
        self.traced = True

    def _name(self) -> str:
        return self.name


def primitive(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function one operation: it runs on plain values, and its derivatives are what `defvjp`, `defjvp` say.

    Derivatives are by positional arguments, which may be containers. Keyword arguments are handed through to the
    function and to the rules, and are constant.

    Args:
        function: Any function of numbers, arrays, containers of them, and anything else beside.

    Returns:
        A function to be called in its place. It raises ConcretizationError where a traced value is in a keyword
        argument or in what the function takes from outside, and NotImplementedError where a derivative is needed for
        which there is no rule.

    Raises:
        TypeError: `function` cannot be called.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.extend import defvjp, primitive
    >>> cube = primitive(lambda x: x**3)
    >>> defvjp(cube, lambda ans, x: lambda g: g * 3 * x**2)
    >>> pyad.grad(cube)(2.0)
    np.float64(12.0)
    """
    if not callable(function):
        raise TypeError(f"primitive: expected a function, got {type(function).__name__}")
    rules = _Rules(function)

    @functools.wraps(function, updated=())
    def primitive_function(*args: Any, **keywords: Any) -> Any:
        return _call(rules, function, args, keywords)

    primitive_function.fun = function  # type: ignore[attr-defined]
    primitive_function.rules = rules  # type: ignore[attr-defined]
    return primitive_function


def notrace_primitive(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function constant for derivatives: it runs on plain values and gives plain results.

    Args:
        function: Any function.

    Returns:
        A function to be called in its place.

    Raises:
        TypeError: `function` cannot be called.

    >>> import numpy as np
    >>> import pyad
    >>> from pyad.extend import notrace_primitive
    >>> rounded = notrace_primitive(np.round)
    >>> pyad.grad(lambda x: x * rounded(x))(2.4)
    np.float64(2.0)
    """

    if not callable(function):
        raise TypeError(f"notrace_primitive: expected a function, got {type(function).__name__}")

    @functools.wraps(function, updated=())
    def constant_function(*args: Any, **keywords: Any) -> Any:
        return computed(function, *args, **keywords)

    return constant_function


def rules_of(fun: Any, asked: str) -> _Rules:
    """The rules of a primitive."""
    rules = getattr(fun, "rules", None)
    if not isinstance(rules, _Rules):
        raise TypeError(
            f"{asked}: {getattr(fun, '__name__', fun)!s} is not a primitive, and the rules of pyad's own functions are "
            "fixed; wrap the function with primitive first"
        )
    return rules


# ---- rules ----


def defvjp(fun: Any, *vjpmakers: Rule | None, argnums: Iterable[int] | None = None) -> None:
    """Define reverse rules, for the arguments in turn or for those in `argnums`.

    Args:
        fun: A function made by `primitive`.
        *vjpmakers: Functions `(ans, *args, **keywords) -> (g -> cotangent of the argument)`, one an argument; None
            stands for no derivative. A cotangent has the argument's shape, or one that it broadcasts to.
        argnums: Which arguments they are for; by default 0, 1, ....

    Raises:
        TypeError: `fun` is no primitive, or a rule no function.

    >>> import pyad
    >>> from pyad.extend import defvjp, primitive
    >>> product = primitive(lambda x, y: x * y)
    >>> defvjp(product, lambda ans, x, y: lambda g: g * y, lambda ans, x, y: lambda g: g * x)
    >>> pyad.grad(product, (0, 1))(2.0, 3.0)
    (np.float64(3.0), np.float64(2.0))
    """
    makers = _by_argnum("defvjp", fun, vjpmakers, argnums)
    name = rules_of(fun, "defvjp").name

    def one(argnum: int, ans: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Rule:
        if argnum not in makers:
            raise NotImplementedError(f"VJP of {name} wrt argnum {argnum} not defined")
        maker = makers[argnum]
        return _nothing if maker is None else maker(ans, *args, **keywords)

    defvjp_argnum(fun, one)


def defvjp_argnum(fun: Any, vjpmaker: Rule) -> None:
    """Define the reverse rule of any argument.

    Args:
        fun: A function made by `primitive`.
        vjpmaker: `vjpmaker(argnum, ans, args, keywords)` returns a function g -> cotangent of that argument.

    Raises:
        TypeError: `fun` is no primitive, or the rule no function.

    >>> import pyad
    >>> from pyad.extend import defvjp_argnum, primitive
    >>> product = primitive(lambda *xs: xs[0] * xs[1])
    >>> defvjp_argnum(product, lambda argnum, ans, args, keywords: lambda g: g * args[1 - argnum])
    >>> pyad.grad(product, (0, 1))(2.0, 3.0)
    (np.float64(3.0), np.float64(2.0))
    """

    def several(argnums: Sequence[int], *rest: Any) -> Rule:
        pullbacks = [vjpmaker(argnum, *rest) for argnum in argnums]
        return lambda g: [pullback(g) for pullback in pullbacks]

    defvjp_argnums(fun, several)


def defvjp_argnums(fun: Any, vjpmaker: Rule) -> None:
    """Define the reverse rule of all arguments together.

    Args:
        fun: A function made by `primitive`.
        vjpmaker: `vjpmaker(argnums, ans, args, keywords)` returns a function g -> cotangents, one for each of
            `argnums`.

    Raises:
        TypeError: `fun` is no primitive, or the rule no function.

    >>> import pyad
    >>> from pyad.extend import defvjp_argnums, primitive
    >>> product = primitive(lambda *xs: xs[0] * xs[1])
    >>> defvjp_argnums(product, lambda argnums, ans, args, keywords: lambda g: [g * args[1 - n] for n in argnums])
    >>> pyad.grad(product, (0, 1))(2.0, 3.0)
    (np.float64(3.0), np.float64(2.0))
    """
    rules_of(fun, "defvjp").vjp = _checked("defvjp", vjpmaker)


def defjvp(fun: Any, *jvpfuns: Rule | str | None, argnums: Iterable[int] | None = None) -> None:
    """Define forward rules, for the arguments in turn or for those in `argnums`.

    Args:
        fun: A function made by `primitive`.
        *jvpfuns: Functions `(g, ans, *args, **keywords) -> tangent of ans`, one an argument; or "same" where the
            function is linear in the argument, so that the tangent goes through the function itself. None stands for no
            derivative.
        argnums: Which arguments they are for; by default 0, 1, ....

    Raises:
        TypeError: `fun` is no primitive, or a rule neither a function nor "same".

    >>> import pyad
    >>> from pyad.extend import defjvp, primitive
    >>> product = primitive(lambda x, y: x * y)
    >>> defjvp(product, "same", lambda g, ans, x, y: x * g)
    >>> pyad.jvp(product, (2.0, 3.0), (1.0, 10.0))
    (np.float64(6.0), np.float64(23.0))
    """
    given = _by_argnum("defjvp", fun, jvpfuns, argnums)
    name = rules_of(fun, "defjvp").name

    def one(argnum: int, g: Any, ans: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        if argnum not in given:
            raise NotImplementedError(f"JVP of {name} wrt argnum {argnum} not defined")
        jvpfun = given[argnum]
        if jvpfun is None:
            return None
        if jvpfun == "same":
            return _same(fun, argnum, g, args, keywords)
        return jvpfun(g, ans, *args, **keywords)

    defjvp_argnum(fun, one)


def defjvp_argnum(fun: Any, jvpmaker: Rule) -> None:
    """Define the forward rule of any argument.

    Args:
        fun: A function made by `primitive`.
        jvpmaker: `jvpmaker(argnum, g, ans, args, keywords)` returns the tangent of ans for that argument's.

    Raises:
        TypeError: `fun` is no primitive, or the rule no function.

    >>> import pyad
    >>> from pyad.extend import defjvp_argnum, primitive
    >>> product = primitive(lambda *xs: xs[0] * xs[1])
    >>> defjvp_argnum(product, lambda argnum, g, ans, args, keywords: g * args[1 - argnum])
    >>> pyad.jvp(product, (2.0, 3.0), (1.0, 10.0))
    (np.float64(6.0), np.float64(23.0))
    """

    def several(argnums: Sequence[int], gs: Sequence[Any], *rest: Any) -> Any:
        parts = [jvpmaker(argnum, g, *rest) for argnum, g in zip(argnums, gs, strict=True)]
        parts = [part for part in parts if part is not None]
        return functools.reduce(functools.partial(tree.map, operator.add), parts) if parts else None

    defjvp_argnums(fun, several)


def defjvp_argnums(fun: Any, jvpmaker: Rule) -> None:
    """Define the forward rule of all arguments together.

    Args:
        fun: A function made by `primitive`.
        jvpmaker: `jvpmaker(argnums, gs, ans, args, keywords)` returns the tangent of ans for the tangents gs of the
            arguments in `argnums`.

    Raises:
        TypeError: `fun` is no primitive, or the rule no function.

    >>> import pyad
    >>> from pyad.extend import defjvp_argnums, primitive
    >>> product = primitive(lambda *xs: xs[0] * xs[1])
    >>> defjvp_argnums(product, lambda argnums, gs, ans, args, keywords: sum(
    ...     g * args[1 - n] for n, g in zip(argnums, gs)))
    >>> pyad.jvp(product, (2.0, 3.0), (1.0, 10.0))
    (np.float64(6.0), np.float64(23.0))
    """
    rules_of(fun, "defjvp").jvp = _checked("defjvp", jvpmaker)


def def_linear(fun: Any) -> None:
    """Say that a primitive is linear in each of its arguments, which gives its forward rules.

    Args:
        fun: A function made by `primitive`.

    Raises:
        TypeError: `fun` is no primitive.

    >>> import pyad
    >>> from pyad.extend import def_linear, primitive
    >>> product = primitive(lambda x, y: x * y)
    >>> def_linear(product)
    >>> pyad.jvp(product, (2.0, 3.0), (1.0, 10.0))
    (np.float64(6.0), np.float64(23.0))
    """
    defjvp_argnum(fun, lambda argnum, g, ans, args, keywords: _same(fun, argnum, g, args, keywords))


def _same(fun: Any, argnum: int, g: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    return fun(*args[:argnum], g, *args[argnum + 1 :], **keywords)


def _nothing(g: Any) -> None:
    return None


def _checked(asked: str, rule: Any) -> Rule:
    if not callable(rule):
        raise TypeError(f"{asked}: a rule must be a function, got {rule!r}")
    return rule


def _by_argnum(asked: str, fun: Any, given: Sequence[Any], argnums: Iterable[int] | None) -> dict[int, Any]:
    for rule in given:
        if rule is not None and not (asked == "defjvp" and rule == "same"):
            _checked(f"{asked} of {rules_of(fun, asked).name}", rule)
    return dict(zip(itertools.count() if argnums is None else argnums, given, strict=False))


# ---- calls ----


def _call(rules: _Rules, function: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    given, arguments = tree.flatten(args)
    if not any(map(is_traced, given)):
        return function(*args, **keywords)
    for key, value in keywords.items():
        if tree.any_traced(value):
            raise ConcretizationError(
                f"{rules.name}: the keyword argument {key!r} holds a traced value, and rules are for positional "
                "arguments only; pass it by position, or take pyad.stop_gradient of it if it is constant"
            )
    # A Python float among the arguments of a program counts in NumPy's promotion here, as it does in the rules.
    plain = [memory.read(x._h, share=False) if is_traced(x) else x for x in given]
    value = function(*arguments.unflatten(plain), **keywords)
    if not rules.traced:
        return value
    leaves, structure = tree.flatten(value)
    if any(map(is_traced, leaves)):
        raise ConcretizationError(
            f"{rules.name} takes a traced value from outside its arguments (a closure, an attribute, a global), and "
            "its rules say nothing of that value's derivative; make it an argument, or take pyad.stop_gradient of it"
        )
    outputs = Outputs(rules.name, leaves, structure)
    return record_call(_PRIMITIVE, PythonCall(rules, args, outputs, keywords), outputs.pack(leaves))


class _Arguments:
    """The arguments of a recorded call as a rule sees them, and which of their leaves are operands of the node."""

    def __init__(self, call: PythonCall, operands: Sequence[Any]) -> None:
        self.args = call.arguments(operands[: len(call.places)])
        self.keywords = call.saved(operands)
        self.parts = [tree.flatten(arg) for arg in self.args]
        starts = list(itertools.accumulate((len(leaves) for leaves, _ in self.parts), initial=0))
        # For each operand, its argument and its place among the leaves of that argument.
        self.places = []
        argnum = 0
        for place in call.places:
            while starts[argnum + 1] <= place:
                argnum += 1
            self.places.append((argnum, place - starts[argnum]))

    def argnums(self, wanted: Sequence[bool]) -> tuple[int, ...]:
        """The arguments that hold a wanted operand."""
        return tuple(sorted({argnum for (argnum, _), want in zip(self.places, wanted, strict=True) if want}))


def _backward(s: Any, y: Any, *rest: Any, needed: list[bool]) -> list[Any]:
    *operands, params = rest
    call = kept_entry(params)
    rules, outputs = call.function, call.outputs
    given = _Arguments(call, operands)
    argnums = given.argnums(needed[: len(call.places)])
    if rules.vjp is None:
        raise NotImplementedError(f"VJP of {rules.name} wrt argnums {argnums} not defined")
    pullback = rules.vjp(argnums, outputs.unpack(y), given.args, given.keywords)
    found = dict(zip(argnums, pullback(outputs.unpack(s)), strict=True))
    leaves = {
        n: _leaves(
            f"the VJP of {rules.name} wrt argnum {n}", given.parts[n][1], ct, _check_cotangent, given.parts[n][0]
        )
        for n, ct in found.items()
        if ct is not None
    }
    result = [leaves[argnum][k] if argnum in leaves else None for argnum, k in given.places]
    return result + [None] * (len(operands) - len(result))


def _forward(tangents: list[Any], y: Any, *rest: Any) -> Any:
    *operands, params = rest
    call = kept_entry(params)
    rules, outputs = call.function, call.outputs
    given = _Arguments(call, operands)
    argnums = given.argnums([t is not None for t in tangents[: len(call.places)]])
    if rules.jvp is None:
        raise NotImplementedError(f"JVP of {rules.name} wrt argnums {argnums} not defined")
    full = [[_no_tangent(x) for x in leaves] for leaves, _ in given.parts]
    for (argnum, k), t in zip(given.places, tangents, strict=False):
        if t is not None:
            full[argnum][k] = t
    gs = [given.parts[n][1].unflatten(full[n]) for n in argnums]
    ans = outputs.unpack(y)
    tangent = rules.jvp(argnums, gs, ans, given.args, given.keywords)
    if tangent is None:
        return None
    values = tree.leaves(ans)
    return outputs.pack(_leaves(f"the JVP of {rules.name}", outputs.structure, tangent, _fit_tangent, values))


def _no_tangent(x: Any) -> Any:
    """Zeros where a leaf is numbers; what is not numbers stays as it is."""
    if is_traced(x) or isinstance(x, np.ndarray | np.generic | float | int):
        dtype = x.dtype if is_traced(x) else np.result_type(x)
        return np.zeros(np.shape(x), dtype if dtype.kind in "fc" else float)[()]
    return x


def _leaves(what: str, structure: Any, derivative: Any, fit: Callable[..., Any], values: list[Any]) -> list[Any]:
    try:
        leaves = structure.leaves_of(derivative, "the derivative")
    except tree.TreeError as problem:
        raise TypeError(f"{what}: {problem}") from None
    return [fit(what, leaf, np.shape(x)) for leaf, x in zip(leaves, values, strict=True)]


def _check_cotangent(what: str, cotangent: Any, shape: tuple[int, ...]) -> Any:
    """A cotangent of the argument's shape, or of one that the argument broadcasts to, which is summed back."""
    given = np.shape(cotangent)
    if given == shape or _broadcasts(shape, given):
        return cotangent
    raise ShapeError(f"{what} gave a cotangent of shape {given} for an argument of shape {shape}")


def _fit_tangent(what: str, tangent: Any, shape: tuple[int, ...]) -> Any:
    given = np.shape(tangent)
    if given == shape:
        return tangent
    if _broadcasts(given, shape):
        return broadcast_to(tangent, shape)
    raise ShapeError(f"{what} gave a tangent of shape {given} for a value of shape {shape}")


def _broadcasts(small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(small, large) == large
    except ValueError:
        return False


def _rerun(call: PythonCall, operands: list[Any]) -> Any:
    """The value as a program computes it again: from the operands that are arguments, and the residuals behind them."""
    given = _Arguments(call, operands)
    leaves = tree.leaves(call.function.function(*given.args, **given.keywords))
    return call.outputs.pack(leaves)


_PRIMITIVE = python_op("primitive", lambda *_: None, _backward, _forward, label=name_of, selective=True, rerun=_rerun)
