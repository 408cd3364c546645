"""What a traced array can do: operators, methods, and the protocols through which plain NumPy code reaches the ops."""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from pyad import parts
from pyad.array import Array, View, _refusal, copy_of, is_complex, is_constant, is_traced, numpy_value
from pyad.errors import UnsupportedError
from pyad.ops import assign, index, linalg, mutate, reduce, scan, shape, statistics, ufunc
from pyad.ops import complex as complex_numbers
from pyad.ops import elementwise as el
from pyad.ops import elementwise_more as more
from pyad.ops.dispatch import binary_method
from pyad.ops.protocol import (
    CONSTANT_FUNCTIONS,
    CONSTANT_UFUNCS,
    FUNCTIONS,
    UFUNCS,
    constant_in,
    holds_traced,
    implementation,
    module_of,
    refuse_out,
)

# ---- NumPy's functions and ufuncs, by what implements them for traced arrays ----

UFUNCS.update(
    {
        np.add: el.add,
        np.subtract: el.subtract,
        np.multiply: el.multiply,
        np.divide: el.divide,
        np.power: el.power,
        np.negative: el.negative,
        np.positive: lambda x: copy_of(shape.asarray(x)),
        np.maximum: el.maximum,
        np.minimum: el.minimum,
        np.absolute: el.absolute,
        np.square: el.square,
        np.reciprocal: el.reciprocal,
        np.sqrt: el.sqrt,
        np.exp: el.exp,
        np.expm1: el.expm1,
        np.log: el.log,
        np.log1p: el.log1p,
        np.sin: el.sin,
        np.cos: el.cos,
        np.tan: el.tan,
        np.sinh: el.sinh,
        np.cosh: el.cosh,
        np.tanh: el.tanh,
        np.arcsin: el.arcsin,
        np.arccos: el.arccos,
        np.arctan: el.arctan,
        np.arctan2: el.arctan2,
        np.sign: el.sign,
        np.floor: el.floor,
        np.ceil: el.ceil,
    }
)

# Constant wherever they are differentiable: they run on the value and give plain arrays.
constant_in(
    np.equal,
    np.not_equal,
    np.less,
    np.less_equal,
    np.greater,
    np.greater_equal,
    np.isnan,
    np.isinf,
    np.isfinite,
    np.signbit,
    np.logical_and,
    np.logical_or,
    np.logical_xor,
    np.logical_not,
)

FUNCTIONS.update(
    {
        np.sum: reduce.sum,
        np.mean: reduce.mean,
        np.max: reduce.max,
        np.min: reduce.min,
        np.amax: reduce.max,
        np.amin: reduce.min,
    }
)

constant_in(
    np.argmax,
    np.argmin,
    np.argsort,
    np.all,
    np.any,
    np.allclose,
    np.isclose,
    np.array_equal,
    np.count_nonzero,
    np.nonzero,
    np.searchsorted,
    np.round,
    np.array2string,
    np.array_repr,
    np.array_str,
)


def _values(x: Any) -> Any:
    """The same arguments with plain values for traced ones, inside lists, tuples and dicts too."""
    if is_traced(x):
        return numpy_value(x)
    if type(x) in (list, tuple):
        return type(x)(_values(item) for item in x)
    if type(x) is dict:
        return {key: _values(item) for key, item in x.items()}
    return x


def _unsupported(name: str) -> UnsupportedError:
    return UnsupportedError(
        f"{name} has no derivative in pyad and was given a traced value; write it with supported functions, define it "
        "with pyad.custom_vjp or pyad.custom_jvp, or take pyad.stop_gradient(x) if it is constant"
    )


def _refuse_keywords(name: str, given: dict[str, Any]) -> None:
    named = {key: value for key, value in given.items() if value is not None}
    if not named:
        return
    refuse_out(name, named.get("out"))
    raise UnsupportedError(f"{name}: {_arguments(named)} not supported for traced values")


def _arguments(names: Iterable[str]) -> str:
    listed = [f"{name}=" for name in sorted(names)]
    return f"the argument {listed[0]} is" if len(listed) == 1 else f"the arguments {', '.join(listed)} are"


def _ufunc_name(ufunc: np.ufunc) -> str:
    """A ufunc as one writes it."""
    module = module_of(ufunc)
    return f"{module}.{ufunc.__name__}" if module else str(ufunc.__name__)


def _function_name(function: Callable[..., Any]) -> str:
    return f"{module_of(function)}.{getattr(function, '__name__', function)}"


def array_ufunc(self: Array, theirs: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
    """NumPy's hook: a ufunc was called with a traced operand."""
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
        return getattr(theirs, method)(*_values(inputs), **_values(keywords))
    if method != "__call__":
        name = _ufunc_name(theirs)
        result = ufunc.call_method(name, theirs, method, inputs, keywords)
        if result is not NotImplemented:
            return result
        if _all_constant(inputs, keywords):
            return getattr(theirs, method)(*_values(inputs), **_values(keywords))
        raise _unsupported(f"{name}.{method}")
    function = UFUNCS.get(theirs) or implementation(theirs)
    if function is None:
        if _all_constant(inputs, keywords):
            return theirs(*_values(inputs), **_values(keywords))
        raise _unsupported(_ufunc_name(theirs))
    if not keywords:
        return function(*inputs)
    name = _ufunc_name(theirs)
    keywords.pop("out", None)
    if theirs.signature is not None:
        axes = {key: keywords.pop(key) for key in ("axes", "axis", "keepdims") if key in keywords}
        function = functools.partial(function, **axes)
    return ufunc.with_keywords(name, theirs, function, inputs, keywords)


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
    if function in CONSTANT_FUNCTIONS or _all_constant(args, keywords):
        return function(*_values(args), **_values(keywords))
    raise _unsupported(_function_name(function))


# ---- out= ----


def _all_constant(*given: Any) -> bool:
    """Whether no derivative is lost where all traced values in the arguments become plain ones."""
    stack: list[Any] = list(given)
    while stack:
        x = stack.pop()
        if is_traced(x):
            if not is_constant(x):
                return False
        elif type(x) in (list, tuple):
            stack.extend(x)
        elif type(x) is dict:
            stack.extend(x.values())
    return True


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
    written = tuple(_written(name, o, r, where, widen) for o, r in zip(outs, results, strict=True))
    return written if len(written) > 1 else written[0]


def _function_into(self: Array, function: Callable[..., Any], types: Any, args: Any, keywords: Any) -> Any:
    """The same for a function that is no ufunc."""
    keywords = dict(keywords)
    out = keywords.pop("out")
    out = out[0] if type(out) is tuple else out
    if any(map(holds_traced, args)) or any(map(holds_traced, keywords.values())):
        result = array_function(self, function, types, args, keywords)
    else:
        result = function(*args, **keywords)
    return _written(_function_name(function), out, result, True, function is np.clip)


def _written(name: str, out: Any, result: Any, where: Any, widen: bool) -> Any:
    if out is None:
        return result
    if is_traced(out):
        return assign.write_out(name, out, result, where, widen)
    if not _all_constant(result):
        raise UnsupportedError(
            f"{name}: out= (or an operator such as +=) with a traced operand would write a traced value into a plain "
            "array; use the returned array, or make the array inside the function with pyad.numpy.array, zeros, "
            "empty, ..., of a floating dtype"
        )
    np.copyto(out, _values(result), casting="same_kind", where=_values(where))
    return out


def _ufunc_at(ufunc: np.ufunc, x: Any, at: Any, *rest: Any) -> None:
    name = f"{_ufunc_name(ufunc)}.at"
    if not is_traced(x) and _all_constant(rest):
        return ufunc.at(x, _values(at), *_values(rest))
    if ufunc not in CONSTANT_UFUNCS and not (UFUNCS.get(ufunc) or implementation(ufunc)):
        raise _unsupported(name)
    return assign.ufunc_at(name, ufunc, x, at, *rest)


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
    if unknown:
        _refuse_keywords(name, {unknown[1]: given.get(unknown[1])})
    if unknown or "positional argument" in str(problem):
        raise UnsupportedError(f"{name}: {problem}, for traced values") from None


def _comparison(compare: Callable[[Any, Any], Any]) -> Callable[[Array, Any], Any]:
    def method(self: Array, other: Any) -> Any:
        return compare(numpy_value(self), _values(other))

    return method


def _power_method(self: Array, other: Any) -> Any:
    return el.power(self, other)


def _round(self: Array, digits: Any = None) -> Any:
    if digits is None:
        raise _refusal("round()", self)
    return np.round(numpy_value(self), digits)


def _refused_rounding(name: str) -> Callable[[Array], Any]:
    def method(self: Array) -> Any:
        raise _refusal(f"math.{name}()", self)

    return method


def _iterate(self: Array) -> Any:
    if self.ndim == 0:
        raise TypeError("iteration over a 0-d array")
    return (self[i] for i in range(len(self)))


def _contains(self: Array, item: Any) -> bool:
    if not self.ndim:
        raise TypeError("a traced 0-d value stands for a NumPy number, which is no container; compare it instead")
    return bool(np.any(numpy_value(self) == _values(item)))


def _delete_item(self: Array, index: Any) -> None:
    raise (ValueError if self.ndim else TypeError)("elements of an array cannot be deleted; use np.delete(x, index)")


def _refuse_shape(self: Array, shape: Any) -> None:
    raise AttributeError("the shape of a traced array cannot be set; write x = x.reshape(shape)")


def _set_component(which: int) -> Callable[[Array, Any], None]:
    def write(self: Array, value: Any) -> None:
        if which == parts.REAL:
            return assign.assign_all(complex_numbers.real(self), value)
        if not is_complex(self):
            raise TypeError("a real array has no imaginary part to be set")
        return assign.assign_all(complex_numbers.imag(self), value)

    return write


# In place, through NumPy's functions where an operator of ours may be missing.
_AUGMENTED = {
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
        "add": el._add,
        "sub": el._sub,
        "mul": el._mul,
        "truediv": el._div,
        "floordiv": more._floor_divide,
        "mod": more._mod,
    }
    for name, op in pairs.items():
        setattr(Array, f"__{name}__", binary_method(op, reflected=f"__r{name}__"))
        setattr(Array, f"__r{name}__", binary_method(op, swapped=True))
    Array.__divmod__ = lambda self, other: (self // other, self % other)
    Array.__rdivmod__ = lambda self, other: (other // self, other % self)
    Array.__pow__ = _power_method
    Array.__rpow__ = binary_method(el._pow, swapped=True)
    Array.__matmul__ = linalg.matmul
    Array.__rmatmul__ = lambda self, other: linalg.matmul(other, self)
    Array.__neg__ = el.negative
    Array.__pos__ = copy_of
    Array.__abs__ = el.absolute
    for name in ("eq", "ne", "lt", "le", "gt", "ge"):
        setattr(Array, f"__{name}__", _comparison(getattr(operator, name)))
    Array.__hash__ = None  # type: ignore[assignment]
    Array.__getitem__ = index.getitem
    Array.__setitem__ = assign.setitem
    for name, op in _AUGMENTED.items():
        setattr(Array, f"__i{name}__", assign.augmented(op, _SYMBOLS[name]))
    Array.__delitem__ = _delete_item
    Array.__iter__ = _iterate
    Array.__contains__ = _contains
    Array.__round__ = _round
    for name in ("floor", "ceil", "trunc"):
        setattr(Array, f"__{name}__", _refused_rounding(name))
    Array.__array_ufunc__ = array_ufunc
    Array.__array_function__ = array_function
    _install_methods()


def _install_methods() -> None:
    for name, function in (
        ("sum", reduce.sum),
        ("mean", reduce.mean),
        ("max", reduce.max),
        ("min", reduce.min),
        ("var", statistics.var),
        ("std", statistics.std),
        ("prod", statistics.prod),
        ("cumsum", scan.cumsum),
        ("cumprod", scan.cumprod),
        ("clip", _clip),
    ):
        setattr(Array, name, method_with_out(name, function))
    Array.T = property(shape.transpose)
    Array.shape = Array.shape.setter(_refuse_shape)
    View.shape = View.shape.setter(_refuse_shape)
    Array.real = property(complex_numbers.real, _set_component(parts.REAL))
    Array.imag = property(complex_numbers.imag, _set_component(parts.IMAG))
    Array.conj = Array.conjugate = lambda self: complex_numbers.conjugate(self) if is_complex(self) else self
    Array.copy = lambda self, order="C": copy_of(self)
    Array.fill = assign.assign_all
    Array.put = mutate.put
    Array.sort = mutate.sort_method
    for name in ("argmax", "argmin", "argsort", "argpartition", "searchsorted", "all", "any", "nonzero", "round"):
        setattr(Array, name, _constant_method(name))
    for name in dir(np.ndarray):
        if not name.startswith("_") and not hasattr(Array, name):
            setattr(Array, name, _missing_method(name))


def _clip(self: Array, min: Any = None, max: Any = None, **rest: Any) -> Any:
    return more.clip(self, min, max, **rest)


def method_with_out(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Array, *args: Any, **keywords: Any) -> Any:
        if keywords:
            out = keywords.pop("out", None)
            if out is not None:
                widen = name == "clip"  # which is a ufunc
                return _written(name, out, function(self, *args, **keywords), True, widen)
        return function(self, *args, **keywords)

    method.__name__ = name
    method.__doc__ = function.__doc__
    return method


def _missing_method(name: str) -> property:
    """What ndarray has and a traced array has not: looking for it says so, and hasattr answers False."""

    def get(self: Array) -> Any:
        raise AttributeError(str(_unsupported(f"ndarray.{name}")))

    return property(get)


def _constant_method(name: str) -> Callable[..., Any]:
    def method(self: Array, *args: Any, **keywords: Any) -> Any:
        return getattr(np.asarray(numpy_value(self)), name)(*_values(args), **_values(keywords))

    method.__name__ = name
    return method


_install()
