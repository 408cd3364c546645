"""How NumPy code reaches the ops: Python's operators on traced arrays, and NumPy's protocols for ufuncs and functions.

Which function stands for which of NumPy's is in the tables of `pyad._ops._registry`.
"""

from __future__ import annotations

import functools
import operator
import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from pyad._binding import engine
from pyad._numpy_api import ufunc_methods
from pyad._ops import assignment, comparison, indexing
from pyad._ops._calls import binary_method, claims_ufuncs
from pyad._ops._registry import (
    CONSTANT_FUNCTIONS,
    CONSTANT_UFUNCS,
    FUNCTIONS,
    UFUNCS,
    holds_traced,
    implementation,
    module_of,
)
from pyad._ops.arithmetic import _add, _div, _mul, _sub, absolute, negative
from pyad._ops.comparison import _eq, _ge, _gt, _le, _lt, _ne
from pyad._ops.explog_trig import _pow, power
from pyad._ops.linalg import matmul
from pyad._ops.modulo_rounding import _floor_divide, _mod
from pyad._trace.array import Array, View, all_constant, copy_of, is_traced, numpy_value, plain_values
from pyad._trace.call_site import call_site
from pyad._trace.guards import is_recording_program
from pyad._trace.recorded_call import compare as recorded_comparison
from pyad._trace.recorded_call import computed
from pyad._trace.refusals import dropped, no_derivative
from pyad._trace.scalars import keep_weak, make_writable
from pyad._trace.traced_integer import TracedInteger
from pyad.errors import UnsupportedError


def unsupported(name: str, is_called: bool = True) -> UnsupportedError:
    """The error for a function of NumPy that nothing here stands for, and that is being called."""
    written = call_site(sys._getframe(1)).written if is_called else ""
    return UnsupportedError(no_derivative(written, name, "traced value"))


def _ufunc_name(ufunc: np.ufunc) -> str:
    """A ufunc as one writes it."""
    module = module_of(ufunc)
    return f"{module}.{ufunc.__name__}" if module else str(ufunc.__name__)


def _function_name(function: Callable[..., Any]) -> str:
    return f"{module_of(function)}.{getattr(function, '__name__', function)}"


_KNOWN = frozenset((Array, View, np.ndarray, float, int, bool, complex, np.float64, np.float32, list, tuple))


def array_ufunc(self: Array, theirs: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
    """NumPy's hook: a ufunc was called with a traced operand."""
    # Asked in one call: a loop of Python's would cost as much as a small operation.
    if len(inputs) > 1 and not _KNOWN.issuperset(map(type, inputs)) and any(claims_ufuncs(type(x)) for x in inputs):
        return NotImplemented  # what it is, its own hook says
    if method == "__call__" and not keywords:
        # The common case first: to find the others takes as long as a small operation.
        function = UFUNCS.get(theirs)
        if function is not None:
            return function(*inputs)
    if keywords and keywords.get("out") is not None:
        return _ufunc_into(self, theirs, method, inputs, keywords)
    if method == "at":
        return _ufunc_at(theirs, *inputs)
    if theirs in CONSTANT_UFUNCS:
        if (
            engine.recording_threads
            and method == "__call__"
            and not keywords
            and theirs in _COMPARISONS
            and is_recording_program()
        ):
            op, compare = _COMPARISONS[theirs]
            return recorded_comparison(op, compare, *inputs)
        return computed(getattr(theirs, method), *inputs, **keywords)
    if method != "__call__":
        name = _ufunc_name(theirs)
        result = ufunc_methods.call_method(name, theirs, method, inputs, keywords)
        if result is not NotImplemented:
            return result
        if all_constant(inputs, keywords):
            return computed(getattr(theirs, method), *inputs, **keywords)
        raise unsupported(f"{name}.{method}")
    function = UFUNCS.get(theirs) or implementation(theirs)
    if function is None:
        if all_constant(inputs, keywords):
            return computed(theirs, *inputs, **keywords)
        raise unsupported(_ufunc_name(theirs))
    if not keywords:
        return function(*inputs)
    name = _ufunc_name(theirs)
    keywords.pop("out", None)
    if theirs.signature is not None:
        axes = {key: keywords.pop(key) for key in ("axes", "axis", "keepdims") if key in keywords}
        function = functools.partial(function, **axes)
    return ufunc_methods.with_keywords(name, function, inputs, keywords)


def array_function(self: Array, function: Callable[..., Any], types: Any, args: Any, keywords: Any) -> Any:
    """NumPy's hook: a function was called with a traced argument."""
    if keywords and keywords.get("out") is not None:
        return _function_into(self, function, types, args, keywords)
    ours = FUNCTIONS.get(function) or implementation(function)
    if ours is not None:
        # No function of its own for this: each costs as much as a small operation.
        given = _without_defaults(keywords) if keywords else keywords
        try:
            return ours(*args, **given)
        except TypeError as problem:
            _explain(problem, function, given)
            raise
    if function in CONSTANT_FUNCTIONS or all_constant(args, keywords):
        return computed(function, *args, **keywords)
    raise unsupported(_function_name(function))


# ---- out= ----


def _ufunc_into(self: Array, ufunc: np.ufunc, method: str, inputs: Any, keywords: dict[str, Any]) -> Any:
    """A ufunc with out=: computed as without, then written."""
    outs = keywords.pop("out")
    outs = outs if type(outs) is tuple else (outs,)
    where = keywords.pop("where", True)
    name = _ufunc_name(ufunc) if method == "__call__" else f"{_ufunc_name(ufunc)}.{method}"
    if any(map(is_traced, inputs)) or any(map(is_traced, keywords.values())):
        result = array_ufunc(self, ufunc, method, *inputs, **keywords)
    else:
        result = getattr(ufunc, method)(*inputs, **keywords)
    results = result if type(result) is tuple else (result,)
    widen = method == "__call__"
    if len(outs) > 1:
        # As in NumPy all results have one shape, that of what is written into.
        shape = np.broadcast_shapes(*(o.shape for o in outs if o is not None), *(np.shape(r) for r in results))
        results = tuple(r if np.shape(r) == shape else np.broadcast_to(r, shape).copy() for r in results)
    filled = tuple(written(name, o, r, where, widen) for o, r in zip(outs, results, strict=True))
    return filled if len(filled) > 1 else filled[0]


def _function_into(self: Array, function: Callable[..., Any], types: Any, args: Any, keywords: Any) -> Any:
    """The same for a function that is no ufunc."""
    keywords = dict(keywords)
    out = keywords.pop("out")
    out = out[0] if type(out) is tuple else out
    if any(map(holds_traced, args)) or any(map(holds_traced, keywords.values())):
        result = array_function(self, function, types, args, keywords)
    else:
        result = function(*args, **keywords)
    return written(_function_name(function), out, result, True, function is np.clip)


def written(name: str, out: Any, result: Any, where: Any, widen: bool) -> Any:
    """out= after the result has been written into it; the result where there is none."""
    if out is None:
        return result
    if is_traced(out):
        return assignment.write_out(name, out, result, where, widen)
    if not all_constant(result):
        otherwise = (
            "pass the array as an argument of the compiled function, which may write into it"
            if is_recording_program()
            else "use the returned array"
        )
        raise UnsupportedError(
            f"{name}: out= (or an operator such as +=) with a traced operand would write a traced value into a plain "
            f"array; {otherwise}, or make the array inside the function with pyad.numpy.array, zeros, empty, ..., of a "
            "floating dtype"
        )
    if type(out) is TracedInteger:
        out[...] = result  # which says that it cannot be done
    plain = plain_values(result)
    np.copyto(out, plain, casting="same_kind", where=np.asarray(plain_values(where)))
    return out


def _ufunc_at(ufunc: np.ufunc, x: Any, at: Any, *rest: Any) -> None:
    name = f"{_ufunc_name(ufunc)}.at"
    if not is_traced(x) and all_constant(rest):
        return ufunc.at(x, plain_values(at), *plain_values(rest))
    if ufunc not in CONSTANT_UFUNCS and not (UFUNCS.get(ufunc) or implementation(ufunc)):
        raise unsupported(name)
    return assignment.ufunc_at(name, ufunc, x, at, *rest)


def _without_defaults(keywords: dict[str, Any]) -> dict[str, Any]:
    """NumPy's keyword arguments without those at their NumPy default, which ours need not have."""
    return {
        key: value
        for key, value in keywords.items()
        if value is not np._NoValue and not (value is None and key in ("dtype", "out"))
    }


def _explain(problem: TypeError, function: Callable[..., Any], given: dict[str, Any]) -> None:
    """Raise with other words where one of ours has been called with arguments that it does not have."""
    name = _function_name(function)
    unknown = re.search(r"unexpected keyword argument '(\w+)'", str(problem))
    if unknown and given.get(unknown[1]) is not None:
        raise UnsupportedError(f"{name}: the argument {unknown[1]}= is not supported for traced values") from None
    if unknown or "positional argument" in str(problem):
        raise UnsupportedError(f"{name}: {problem}, for traced values") from None


def _comparison(name: str) -> Callable[[Array, Any], Any]:
    compare = getattr(operator, name)
    op = getattr(comparison, f"_{name}")

    def method(self: Array, other: Any) -> Any:
        if engine.recording_threads and is_recording_program():
            return recorded_comparison(op, compare, self, other)
        return compare(numpy_value(self), plain_values(other))

    return method


# NumPy's comparisons as ops of the engine, for when a program is being recorded.
_COMPARISONS = {
    np.equal: (_eq, np.equal),
    np.not_equal: (_ne, np.not_equal),
    np.less: (_lt, np.less),
    np.less_equal: (_le, np.less_equal),
    np.greater: (_gt, np.greater),
    np.greater_equal: (_ge, np.greater_equal),
}


def _power_method(self: Array, other: Any) -> Any:
    return power(self, other)


def _round(self: Array, digits: Any = None) -> Any:
    if digits is None:
        raise dropped("round()", self)
    return computed(np.round, self, digits)


def _refused_rounding(name: str) -> Callable[[Array], Any]:
    def method(self: Array) -> Any:
        raise dropped(f"math.{name}()", self)

    return method


def _iterate(self: Array) -> Any:
    if self.ndim == 0:
        raise TypeError("iteration over a 0-d array")
    return (self[i] for i in range(len(self)))


def _contains(self: Array, item: Any) -> bool:
    if not self.ndim:
        raise TypeError("a traced 0-d value stands for a NumPy number, which is no container; compare it instead")
    return bool(np.any(self == item))


def _delete_item(self: Array, index: Any) -> None:
    raise (ValueError if self.ndim else TypeError)("elements of an array cannot be deleted; use np.delete(x, index)")


# In place, through NumPy's functions where an operator of ours may be missing.
_AUGMENTED: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "truediv": operator.truediv,
    "pow": operator.pow,
    "matmul": operator.matmul,
    "floordiv": np.floor_divide,
    "mod": np.remainder,
}
_SYMBOLS = {
    "add": "+=",
    "sub": "-=",
    "mul": "*=",
    "truediv": "/=",
    "pow": "**=",
    "matmul": "@=",
    "floordiv": "//=",
    "mod": "%=",
}


def _install() -> None:
    pairs = {
        "add": _add,
        "sub": _sub,
        "mul": _mul,
        "truediv": _div,
        "floordiv": _floor_divide,
        "mod": _mod,
    }
    for name, op in pairs.items():
        setattr(Array, f"__{name}__", binary_method(op, reflected=f"__r{name}__"))
        setattr(Array, f"__r{name}__", binary_method(op, swapped=True))
    Array.__divmod__ = lambda self, other: (self // other, self % other)
    Array.__rdivmod__ = lambda self, other: (other // self, other % self)
    Array.__pow__ = _power_method
    Array.__rpow__ = binary_method(_pow, swapped=True)
    Array.__matmul__ = matmul.matmul
    Array.__rmatmul__ = lambda self, other: matmul.matmul(other, self)
    Array.__neg__ = negative
    Array.__pos__ = copy_of
    Array.__abs__ = absolute
    for name in ("eq", "ne", "lt", "le", "gt", "ge"):
        setattr(Array, f"__{name}__", _comparison(name))
    Array.__hash__ = None  # type: ignore[assignment]
    Array.__getitem__ = indexing.getitem
    Array.__setitem__ = assignment.setitem
    for name, function in _AUGMENTED.items():
        setattr(Array, f"__i{name}__", assignment.augmented(function, _SYMBOLS[name]))
    Array.__delitem__ = _delete_item
    Array.__iter__ = _iterate
    Array.__contains__ = _contains
    Array.__round__ = _round
    for name in ("floor", "ceil", "trunc"):
        setattr(Array, f"__{name}__", _refused_rounding(name))
    Array.__array_ufunc__ = array_ufunc
    Array.__array_function__ = array_function


_install()
keep_weak()
make_writable()
