"""The transforms: functions of functions that give derivatives.

Each one marks the tape, makes fresh leaves of the inputs, runs the function, sweeps between the leaves and the outputs,
and cuts the tape back, whether the function returns or raises. Derivatives are asked for by node, so nested transforms
cannot be confused with each other. Where a result depends on an enclosing transform's inputs, the sweep itself is
recorded, which is what makes derivatives of any order.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pyad import _engine, tree
from pyad._engine import CALL_PYTHON, CODES, DTYPES, F64, FAILED, LARGE, ffi, lib
from pyad.array import Array, constant, is_traced, wrap
from pyad.errors import ConcretizationError, DTypeError, ShapeError
from pyad.op import run_rule, supply_rule

__all__ = ["grad", "hessian", "hvp", "jacobian", "jvp", "stop_gradient", "value_and_grad", "vjp"]

_FORWARD = lib.PYAD_SWEEP_FORWARD
_RECORDED = lib.PYAD_SWEEP_RECORDED
_RETAIN = lib.PYAD_SWEEP_RETAIN

ArgNums = int | Sequence[int]


# ---- leaves ----


def _leaf(name: str, x: Any) -> Array:
    """A fresh leaf over an input: an alias of an outer traced value, the memory of an array, or a number."""
    kind = type(x)
    if kind is Array:
        return wrap(lib.pyad_alias(x._h))
    if kind is float:
        return wrap(lib.pyad_leaf_number(0, x, _engine.CODE_F64))
    if not isinstance(x, np.ndarray | np.generic):
        if isinstance(x, bool | int | complex):
            raise _not_float(name, type(x).__name__)
        raise DTypeError(
            f"{name}: an input of type {kind.__name__} cannot be differentiated; expected floats, float arrays, or "
            "tuples, lists and dicts of them"
        )
    code = CODES.get(x.dtype, -1)
    if code < _engine.CODE_F32:
        raise _not_float(name, str(x.dtype))
    if isinstance(x, np.generic) or x.ndim == 0:
        return wrap(lib.pyad_leaf_number(0, float(x), code))
    if type(x) is not np.ndarray:
        if isinstance(x, np.ma.MaskedArray | np.matrix):
            raise DTypeError(f"{name}: a {type(x).__name__} is not supported; pass a plain ndarray")
        x = x.view(np.ndarray)
    return wrap(_engine.lend(x, 0))


def _leaves(name: str, xs: list[Any]) -> list[Array]:
    """Fresh leaves over the inputs, in one call where all are plain arrays."""
    for x in xs:
        if type(x) is not np.ndarray:
            break
    else:
        handles = _engine.lend_all(xs)
        if handles is not None:
            return [_bare(h) for h in handles]
    return [_leaf(name, x) for x in xs]


def _bare(handle: int) -> Array:
    """The Array of a handle without a buffer of its own."""
    array = Array.__new__(Array)
    array._h = handle
    return array


def _not_float(name: str, dtype: str) -> DTypeError:
    if dtype[0] in "<>":
        return DTypeError(
            f"{name}: an input of dtype {dtype} has foreign byte order; convert with x.astype(x.dtype.type)"
        )
    if dtype.startswith(("int", "uint", "bool")):
        return DTypeError(
            f"{name}: inputs must be float32 or float64, got {dtype}; convert with x.astype(float) or float(x)"
        )
    return DTypeError(f"{name}: inputs must be float32 or float64, dtype {dtype} is not supported")


def _input_avals(leaves: list[Any]) -> list[tuple[tuple[int, ...], np.dtype]]:
    return [((), F64) if type(x) is float else (x.shape, x.dtype) for x in leaves]


# ---- arguments ----


class _Selection:
    """The arguments to differentiate by: `argnums` as given, the leaves in them, and the call with other leaves."""

    __slots__ = ("args", "leaves", "numbers", "single", "structure")

    def __init__(self, name: str, args: tuple[Any, ...], argnums: ArgNums) -> None:
        self.args = args
        self.single = type(argnums) is int or isinstance(argnums, np.integer)
        given = (argnums,) if self.single else _several(name, argnums)
        for n in given:
            if not -len(args) <= n < len(args):
                raise ValueError(
                    f"{name}: argnums {n} is out of range, the function was called with {len(args)} positional "
                    f"argument{'' if len(args) == 1 else 's'}"
                )
        self.numbers = [int(n) % len(args) for n in given]
        if len(set(self.numbers)) != len(self.numbers):
            raise ValueError(f"{name}: argnums {argnums} names an argument twice")
        chosen = args[self.numbers[0]] if self.single else tuple(args[n] for n in self.numbers)
        self.leaves, self.structure = tree.flatten(chosen)

    def call_args(self, leaves: list[Any]) -> list[Any]:
        """The positional arguments with `leaves` in place of the chosen ones'."""
        chosen = self.structure.unflatten(leaves)
        args = list(self.args)
        if self.single:
            args[self.numbers[0]] = chosen
        else:
            for n, part in zip(self.numbers, chosen, strict=True):
                args[n] = part
        return args


def _several(name: str, argnums: Any) -> tuple[int, ...]:
    """Several argnums, none of them a bool or anything else that is no position."""
    given = tuple(argnums) if isinstance(argnums, Sequence | np.ndarray) else (argnums,)
    if not given or not all(isinstance(n, int | np.integer) and type(n) is not bool for n in given):
        raise TypeError(f"{name}: argnums must be an integer or a sequence of integers, got {argnums!r}")
    return given


def _check_function(name: str, function: Any) -> None:
    if not callable(function):
        raise TypeError(f"{name}: the first argument must be a function, got {type(function).__name__}")


def _tangents_for(name: str, structure: Any, tangents: Any) -> list[Any]:
    """The leaves of the tangents, whose containers must be the primals'."""
    try:
        return structure.leaves_of(tangents, "the tuple of tangents")
    except tree.TreeError as problem:
        raise TypeError(f"{name}: {problem}") from None


# ---- sweeps ----


def _check(status: int) -> None:
    if status:
        raise _engine.error(status)


def _drive(recorded: bool) -> None:
    """Run the sweep under way, doing for it what only Python can."""
    cell = None
    while True:
        status = lib.pyad_sweep_go()
        if status == 0:
            return
        if status != CALL_PYTHON:
            raise _engine.error(status)
        if cell is None:
            cell = ffi.new("int64_t *")
        want = lib.pyad_sweep_wants(cell)
        if want == 1:
            supply_rule(cell[0])
        else:
            run_rule(cell[0], want == 3, recorded)


def _sweep_results(handles: list[int], avals: list[tuple[tuple[int, ...], np.dtype]], recorded: bool) -> list[Any]:
    """What has arrived at the given nodes: traced in a recorded sweep, else NumPy; zeros where nothing has."""
    if not recorded:
        return _engine.take_gradients(handles, avals)
    out = []
    for h, (shape, dtype) in zip(handles, avals, strict=True):
        value = lib.pyad_sweep_value(h)
        if value >= FAILED:
            raise _engine.error(value)
        out.append(wrap(value & (LARGE - 1)) if value else np.zeros(shape, dtype)[()])
    return out


def _sweep(
    flags: int,
    outputs: list[int],
    inputs: list[int],
    seeds: list[tuple[int, int]] | None,
    results: list[int],
    avals: list[tuple[tuple[int, ...], np.dtype]],
) -> list[Any]:
    """One sweep from seeds (pairs of node and value; None: one for the only output) to results."""
    _check(lib.pyad_sweep_start(flags, len(outputs), outputs, len(inputs), inputs))
    recorded = bool(flags & _RECORDED)
    try:
        if seeds is None:
            _check(lib.pyad_sweep_seed_ones(outputs[0]))
        else:
            for node, value in seeds:
                _check(lib.pyad_sweep_seed(node, value))
        _drive(recorded)
        return _sweep_results(results, avals, recorded)
    finally:
        lib.pyad_sweep_stop()


# ---- the end of a transform ----


class _Scope:
    """A mark on the tape, closed on every way out. Results that depend on an enclosing transform stay on the tape."""

    __slots__ = ("engine", "floor", "opened")

    def __init__(self, keep_all: bool = False) -> None:
        self.engine = _engine.current()
        self.floor = lib.pyad_node_count()
        self.opened: tuple[int, int] | None = self.engine.open(keep_all)

    def is_outer(self, x: Any) -> bool:
        return self.engine.depth > 1 and type(x) is Array and bool(lib.pyad_is_outer(x._h, self.floor))

    def finish(self, results: list[Any], share: bool = True) -> list[Any]:
        """Close; traced results become NumPy values, or stay traced where they depend on an enclosing transform."""
        if self.engine.depth == 1:
            out = [_engine.materialize(x._h, share) if type(x) is Array else x for x in results]
            opened, self.opened = self.opened, None
            self.engine.close(opened)  # type: ignore[arg-type]
            return out
        kept = [k for k, x in enumerate(results) if self.is_outer(x)]
        out = list(results)
        for k, x in enumerate(results):
            if type(x) is Array and k not in kept:
                out[k] = _engine.materialize(x._h, share)
        opened, self.opened = self.opened, None
        assert opened is not None
        if kept:
            handles = self.engine.seal(opened, [out[k]._h for k in kept])
            for k, handle in zip(kept, handles, strict=True):
                out[k] = _renewed(out[k], handle)
        else:
            self.engine.close(opened)
        return out

    def abandon(self) -> None:
        """Close if it is still open: the function raised."""
        if self.opened is not None:
            opened, self.opened = self.opened, None
            self.engine.close(opened)


def _renewed(x: Array, handle: int) -> Array:
    """The same value under its new handle."""
    array = _bare(handle)
    keep = getattr(x, "_keep", None)
    if keep is not None:
        keep.handle = handle
        array._keep = keep
    return array


def _call(function: Callable[..., Any], args: list[Any], keywords: dict[str, Any], has_aux: bool) -> tuple[Any, Any]:
    try:
        result = function(*args, **keywords)
    except ValueError as problem:
        _explain_assignment(problem)
        raise
    if not has_aux:
        return result, None
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError(
            f"has_aux=True: the function must return a pair (output, aux), got {type(result).__name__}"
            + (f" of length {len(result)}" if isinstance(result, tuple) else "")
        )
    return result


def _explain_assignment(problem: ValueError) -> None:
    """NumPy reports `a[i] = x` for a traced x as a sequence in the place of a number; say what it was."""
    if isinstance(problem.__cause__, ConcretizationError) and "sequence" in str(problem):
        raise ConcretizationError(
            "a traced value was assigned into an array of plain NumPy (a[i] = x), where its derivative would be lost; "
            "build the array with pyad.numpy.array, np.stack or np.concatenate, or assign pyad.stop_gradient(x) "
            "if it is "
            "constant"
        ).with_traceback(problem.__traceback__) from None


# ---- reverse mode ----


def _scalar_output(name: str, y: Any) -> None:
    if type(y) is Array:
        if y.ndim == 0:
            return
        shape: Any = y.shape
    elif isinstance(y, float | int | np.generic | np.ndarray) and np.ndim(y) == 0:
        if np.asarray(y).dtype.kind in "fiub":
            return
        raise DTypeError(f"{name}: the function must return a real number, got dtype {np.asarray(y).dtype}")
    elif isinstance(y, np.ndarray):
        shape = y.shape
    elif isinstance(y, complex):
        raise DTypeError(f"{name}: the function must return a real number, got complex")
    else:
        hint = "; with has_aux=True it may return (scalar, anything)" if type(y) is tuple and len(y) == 2 else ""
        raise TypeError(f"{name}: the function must return a scalar, got {type(y).__name__}{hint}")
    raise ShapeError(
        f"{name}: the function must return a scalar, got an array of shape {shape}; reduce it (np.sum, "
        "np.mean), or use "
        "pyad.vjp or pyad.jacobian"
    )


def _value_and_grad(
    name: str, function: Callable[..., Any], select: _Selection, keywords: dict[str, Any], has_aux: bool
) -> tuple[Any, Any, Any]:
    scope = _Scope()
    try:
        avals = _input_avals_checked(name, select.leaves)
        inputs = _leaves(name, select.leaves)
        y, aux = _call(function, select.call_args(inputs), keywords, has_aux)
        _scalar_output(name, y)
        if type(y) is Array:
            handles = [x._h for x in inputs]
            flags = _RECORDED if scope.is_outer(y) else 0
            gradients = _sweep(flags, [y._h], handles, None, handles, avals)
        else:
            gradients = [np.zeros(shape, dtype)[()] for shape, dtype in avals]
        aux_leaves, aux_structure = tree.flatten(aux) if has_aux else ([], None)
        finished = scope.finish([y, *gradients, *aux_leaves])
    finally:
        scope.abandon()
    count = 1 + len(gradients)
    gradient = select.structure.unflatten(finished[1:count])
    return finished[0], gradient, aux_structure.unflatten(finished[count:]) if has_aux else None


def _input_avals_checked(name: str, leaves: list[Any]) -> list[tuple[tuple[int, ...], np.dtype]]:
    try:
        return _input_avals(leaves)
    except AttributeError:
        for x in leaves:
            _leaf(name, x)
        raise


def value_and_grad(function: Callable[..., Any], argnums: ArgNums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that gives the value of `function` and its gradient.

    The function takes float32 or float64 numbers and arrays, or tuples, lists and dicts of them, in the arguments
    named by `argnums`, and returns a scalar; with `has_aux`, a pair of a scalar and anything.

    The gradient has the structure, shapes and dtypes of the chosen argument, or is a tuple of such for several
    `argnums`. Zeros where the value does not depend on an input. Returns (value, gradient), or
    ((value, aux), gradient).

    Raises:
        DTypeError: an input that is not float32 or float64.
        ShapeError: the value is not a scalar.
        ValueError: `argnums` out of range.

    >>> import numpy as np
    >>> import pyad
    >>> pyad.value_and_grad(lambda x: np.sum(x ** 2))(np.array([1.0, 2.0]))
    (np.float64(5.0), array([2., 4.]))
    """

    _check_function("value_and_grad", function)

    @functools.wraps(function, updated=())
    def value_and_gradient(*args: Any, **keywords: Any) -> Any:
        select = _Selection("value_and_grad", args, argnums)
        y, gradient, aux = _value_and_grad("value_and_grad", function, select, keywords, has_aux)
        return ((y, aux), gradient) if has_aux else (y, gradient)

    return value_and_gradient


def grad(function: Callable[..., Any], argnums: ArgNums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that gives the gradient of `function`; as `value_and_grad` without the value.

    With `has_aux` it returns (gradient, aux).

    >>> import numpy as np
    >>> import pyad
    >>> pyad.grad(np.sin)(0.0)
    np.float64(1.0)
    >>> pyad.grad(pyad.grad(lambda x: x ** 3))(2.0)
    np.float64(12.0)
    """

    _check_function("grad", function)

    @functools.wraps(function, updated=())
    def gradient_of(*args: Any, **keywords: Any) -> Any:
        select = _Selection("grad", args, argnums)
        _, gradient, aux = _value_and_grad("grad", function, select, keywords, has_aux)
        return (gradient, aux) if has_aux else gradient

    return gradient_of


class _SavedTape:
    """A tape that left its thread's engine, to be swept again; freed by that thread."""

    __slots__ = ("engine", "generation", "keep", "pointer")

    def __init__(self, engine: _engine.Engine, opened: tuple[int, int]) -> None:
        self.pointer = None
        pointer = lib.pyad_tape_take()
        if pointer == ffi.NULL:
            raise MemoryError("out of memory while saving a tape")
        self.pointer = pointer
        self.engine = engine
        self.generation = opened[0]
        self.keep = engine.keep
        engine.keep = []
        engine.depth = 0

    def __enter__(self) -> None:
        if _engine.current() is not self.engine:
            from pyad.errors import LeakError

            raise LeakError(
                "a pullback was called on another thread than the one that made it with pyad.vjp; call vjp on the "
                "thread "
                "that calls the pullback"
            )
        self._swap()

    def __exit__(self, *_: Any) -> None:
        self._swap()

    def _swap(self) -> None:
        lib.pyad_tape_swap(self.pointer)
        self.keep, self.engine.keep = self.engine.keep, self.keep

    def __del__(self) -> None:
        if self.pointer is None:
            return
        _engine._open.pop(self.generation, None)
        self.engine.dead.append(self.pointer)


def vjp(function: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The value of a function and its pullback, which maps a cotangent of the value to cotangents of the primals.

    The primals and the value are float numbers and arrays, or containers of them. Returns (value, pullback), with
    `has_aux` (value, pullback, aux). The pullback returns a tuple, one entry per primal, may be called any number of
    times, and is linear; its argument has the value's structure and shapes.

    Raises:
        DTypeError: an input that is not float32 or float64.
        ShapeError: (by the pullback) a cotangent whose shape is not the value's.
        MutationError: (by the pullback) an array it needs was changed in between.

    >>> import numpy as np
    >>> import pyad
    >>> y, pullback = pyad.vjp(np.sin, 0.0)
    >>> pullback(2.0)
    (np.float64(2.0),)
    """
    _check_function("vjp", function)
    engine = _engine.current()
    outermost = engine.depth == 0
    leaves, structure = tree.flatten(primals)
    floor = lib.pyad_node_count()
    opened = engine.open() if outermost else None
    try:
        avals = _input_avals_checked("vjp", leaves)
        inputs = _leaves("vjp", leaves)
        y, aux = _call(function, list(structure.unflatten(inputs)), {}, has_aux)
        y_leaves, y_structure = tree.flatten(y)
        aux_leaves, aux_structure = tree.flatten(aux) if has_aux else ([], None)
        _check_outputs("vjp", y_leaves)
        outputs = [x if type(x) is Array else _constant_leaf(x) for x in y_leaves]
        results = [*y_leaves, *aux_leaves]
        if outermost:
            results = [_engine.materialize(x._h, share=False) if type(x) is Array else x for x in results]
        pullback = _Pullback(inputs, outputs, avals, structure, y_structure, floor)
        if opened is not None:
            pullback.saved = _SavedTape(engine, opened)
            opened = None
    finally:
        if opened is not None:
            engine.close(opened)
    value = y_structure.unflatten(results[: len(y_leaves)])
    if has_aux:
        return value, pullback, aux_structure.unflatten(results[len(y_leaves) :])
    return value, pullback


def _check_outputs(name: str, leaves: list[Any]) -> None:
    for x in leaves:
        if type(x) is Array:
            continue
        if not isinstance(x, float | int | complex | np.ndarray | np.generic):
            raise TypeError(
                f"{name}: the function must return numbers, arrays or containers of them, got {type(x).__name__}"
            )
        dtype = np.asarray(x).dtype
        if dtype.kind not in "fiub":
            raise DTypeError(f"{name}: the function must return real numbers and arrays, got dtype {dtype}")


def _constant_leaf(x: Any) -> Array:
    array = np.asarray(x)
    dtype = array.dtype if array.dtype in (_engine.F32, F64) else F64
    return wrap(constant(array, dtype))


class _Pullback:
    """The linear map from cotangents of a value to cotangents of the primals. Holds the recorded tape."""

    def __init__(self, inputs: Any, outputs: Any, avals: Any, structure: Any, y_structure: Any, floor: int) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.avals = avals
        self.structure = structure
        self.y_structure = y_structure
        self.floor = floor
        self.saved: _SavedTape | None = None

    def __call__(self, cotangent: Any) -> tuple[Any, ...]:
        try:
            leaves = self.y_structure.leaves_of(cotangent, "the cotangent")
        except tree.TreeError as problem:
            raise ShapeError(f"pullback: {problem}, as in the value") from None
        if self.saved is None:
            return self._on_tape(leaves)
        if any(type(x) is Array for x in leaves):
            from pyad.custom import apply_linear

            return self.structure.unflatten(apply_linear(self, leaves))
        return self.structure.unflatten(self.pull(leaves))

    def _on_tape(self, cotangents: list[Any]) -> tuple[Any, ...]:
        """Inside another transform: on its tape, recorded where a derivative of the result may be asked for."""
        outer = any(type(x) is Array for x in cotangents)
        outer = outer or any(lib.pyad_is_outer(y._h, self.floor) for y in self.outputs)
        flags = _RETAIN | (_RECORDED if outer else 0)
        return self.structure.unflatten(self._run(flags, cotangents))

    def pull(self, cotangents: list[Any]) -> list[Any]:
        """Plain cotangents of the outputs to plain cotangents of the inputs."""
        with self.saved:  # type: ignore[union-attr]
            return self._within_mark(lambda: self._run(_RETAIN, cotangents))

    def push(self, tangents: list[Any]) -> list[Any]:
        """The transposed map: plain tangents of the inputs to tangents of the outputs."""
        with self.saved:  # type: ignore[union-attr]
            return self._within_mark(lambda: self._run_forward(tangents))

    def _within_mark(self, run: Callable[[], list[Any]]) -> list[Any]:
        """What a sweep puts on the saved tape is cut away again."""
        engine = _engine.current()
        opened = engine.open()
        try:
            return run()
        finally:
            engine.close(opened)

    def _run(self, flags: int, cotangents: list[Any]) -> list[Any]:
        outputs = [y._h for y in self.outputs]
        inputs = [x._h for x in self.inputs]
        seeds = [(y, _seed("pullback", y, ct)) for y, ct in zip(outputs, cotangents, strict=True)]
        return _sweep(flags, outputs, inputs, seeds, inputs, self.avals)

    def _run_forward(self, tangents: list[Any]) -> list[Any]:
        outputs = [y._h for y in self.outputs]
        inputs = [x._h for x in self.inputs]
        seeds = [(x, _seed("pushforward", x, t)) for x, t in zip(inputs, tangents, strict=True)]
        avals = _input_avals(self.outputs)
        return _sweep(_FORWARD | _RETAIN, outputs, inputs, seeds, outputs, avals)


def _seed(name: str, node: int, value: Any) -> int:
    """The handle of a cotangent or tangent for a node, whose shape and dtype it must have."""
    info = _engine.look(node)
    dtype = DTYPES[info.dtype]
    shape = _engine.shape_of(info)
    given = value.shape if type(value) is Array else np.shape(value)
    if given != shape:
        raise ShapeError(f"{name}: got a derivative of shape {given} for a value of shape {shape}")
    if type(value) is Array:
        if value.dtype != dtype:
            raise DTypeError(f"{name}: got a derivative of dtype {value.dtype} for a value of dtype {dtype}")
        return value._h
    kind = np.asarray(value).dtype
    if kind.kind not in "fiub":
        raise DTypeError(f"{name}: got a derivative of dtype {kind} for a value of dtype {dtype}")
    return constant(value, dtype)


# ---- forward mode ----


def jvp(
    function: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False
) -> tuple[Any, ...]:
    """The value of a function and its derivative along `tangents`.

    `primals` and `tangents` are tuples of the same structure and shapes. Returns (value, tangent of the value), with
    `has_aux` (value, tangent, aux).

    Raises:
        TypeError: primals and tangents are not tuples (or lists) of the same structure.
        DTypeError: an input that is not float32 or float64.
        ShapeError: a tangent whose shape is not its primal's.

    >>> import numpy as np
    >>> import pyad
    >>> pyad.jvp(np.sin, (0.0,), (2.0,))
    (np.float64(0.0), np.float64(2.0))
    """
    _check_function("jvp", function)
    _check_sequences("jvp", primals, tangents)
    leaves, structure = tree.flatten(tuple(primals))
    t_leaves = _tangents_for("jvp", structure, tuple(tangents))
    scope = _Scope(keep_all=True)
    try:
        _input_avals_checked("jvp", leaves)
        inputs = _leaves("jvp", leaves)
        y, aux = _call(function, list(structure.unflatten(inputs)), {}, has_aux)
        y_leaves, y_structure = tree.flatten(y)
        aux_leaves, aux_structure = tree.flatten(aux) if has_aux else ([], None)
        _check_outputs("jvp", y_leaves)
        dots = _push(scope, inputs, t_leaves, y_leaves)
        finished = scope.finish([*y_leaves, *dots, *aux_leaves])
    finally:
        scope.abandon()
    n = len(y_leaves)
    out = (y_structure.unflatten(finished[:n]), y_structure.unflatten(finished[n : 2 * n]))
    return (*out, aux_structure.unflatten(finished[2 * n :])) if has_aux else out


def _check_sequences(name: str, primals: Any, tangents: Any) -> None:
    if not isinstance(primals, tuple | list) or not isinstance(tangents, tuple | list):
        raise TypeError(
            f"{name}: primals and tangents must be tuples or lists, got {type(primals).__name__} and "
            f"{type(tangents).__name__}"
        )


def _push(scope: _Scope, inputs: list[Array], tangents: list[Any], outputs: list[Any]) -> list[Any]:
    """Tangents of the outputs; zeros for those that are not traced."""
    traced = [y for y in outputs if type(y) is Array]
    outer = any(map(scope.is_outer, [*traced, *tangents]))
    handles = [x._h for x in inputs]
    seeds = [(x, _seed("jvp", x, t)) for x, t in zip(handles, tangents, strict=True)]
    results = [y._h for y in traced]
    flags = _FORWARD | (_RECORDED if outer else 0)
    found = iter(_sweep(flags, results, handles, seeds, results, _input_avals(traced)))
    return [next(found) if type(y) is Array else _no_tangent(y) for y in outputs]


def _no_tangent(y: Any) -> Any:
    dtype = np.asarray(y).dtype
    return np.zeros(np.shape(y), dtype if dtype.kind == "f" else F64)[()]


# ---- derivatives of higher order and of vectors ----


def jacobian(function: Callable[..., Any], argnums: ArgNums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that gives the Jacobian of `function`, row by row in reverse mode over one recording.

    For an output of shape s and an input of shape t the Jacobian has shape s + t. Containers nest: the output's
    containers outside, the chosen argument's inside.

    >>> import numpy as np
    >>> import pyad
    >>> pyad.jacobian(lambda x: x ** 2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """

    _check_function("jacobian", function)

    @functools.wraps(function, updated=())
    def jacobian_of(*args: Any, **keywords: Any) -> Any:
        select = _Selection("jacobian", args, argnums)

        def chosen(leaves: list[Any]) -> Any:
            return function(*select.call_args(leaves), **keywords)

        y, pullback, *aux = vjp(chosen, select.leaves, has_aux=has_aux)
        y_leaves, y_structure = tree.flatten(y)
        rows = [_jacobian_rows(pullback, y_leaves, k, select) for k in range(len(y_leaves))]
        out = y_structure.unflatten(rows)
        return (out, aux[0]) if has_aux else out

    return jacobian_of


def _jacobian_rows(pullback: _Pullback, y_leaves: list[Any], which: int, select: _Selection) -> Any:
    """The Jacobian of one output leaf, in the structure of the chosen arguments."""
    zeros = [np.zeros(np.shape(x) if type(x) is not Array else x.shape) for x in y_leaves]
    shape = zeros[which].shape
    pulled = []
    for place in np.ndindex(shape):
        seed = [z.copy() for z in zeros]
        seed[which][place] = 1.0
        pulled.append(pullback(pullback.y_structure.unflatten(seed))[0])
    columns = []
    for k, x in enumerate(select.leaves):
        inner = () if isinstance(x, float) else x.shape
        parts = [row[k] for row in pulled]
        columns.append(_stack_rows(parts, (*shape, *inner), _input_avals([x])[0][1]))
    return select.structure.unflatten(columns)


def _stack_rows(parts: list[Any], shape: tuple[int, ...], dtype: np.dtype) -> Any:
    from pyad.ops.shape import reshape, stack

    if not parts:
        return np.zeros(shape, dtype)
    return reshape(stack(parts), shape) if shape else parts[0]


def hessian(function: Callable[..., Any], argnums: ArgNums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that gives the Hessian of a scalar function: the Jacobian of its gradient.

    For an argument of shape t the Hessian has shape t + t; containers nest as in `jacobian`.

    >>> import numpy as np
    >>> import pyad
    >>> pyad.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    _check_function("hessian", function)
    return jacobian(grad(function, argnums, has_aux), argnums, has_aux)


def hvp(function: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    """The Hessian of a scalar function times a vector, at about the cost of two gradients.

    `primals` and `tangents` are tuples of the same structure, as in `jvp`. The product has the structure of the primal,
    or is a tuple of such where there are several primals (the Hessian is then that of all of them together). With
    `has_aux`, (product, aux). Forward over reverse: Pearlmutter, Fast exact multiplication by the Hessian, 1994.

    >>> import numpy as np
    >>> import pyad
    >>> pyad.hvp(lambda x: np.sum(x ** 3), (np.array([1.0, 2.0]),), (np.array([1.0, 0.0]),))
    array([6., 0.])
    """
    _check_function("hvp", function)
    _check_sequences("hvp", primals, tangents)
    primals = tuple(primals)
    argnums: ArgNums = 0 if len(primals) == 1 else tuple(range(len(primals)))
    _, product, *aux = jvp(grad(function, argnums, has_aux), primals, tuple(tangents), has_aux)
    return (product, aux[0]) if has_aux else product


def stop_gradient(x: Any) -> Any:
    """The value of x without its derivative: a plain NumPy array or scalar. Containers are gone through.

    >>> import pyad
    >>> pyad.grad(lambda x: x * pyad.stop_gradient(x))(3.0)
    np.float64(3.0)
    """
    if is_traced(x):
        return _engine.materialize(x._h, share=False)
    leaves, structure = tree.flatten(x)
    if len(leaves) == 1 and leaves[0] is x:
        return x
    return structure.unflatten([stop_gradient(leaf) for leaf in leaves])
