"""What the tests compare with: samples of every op, memory layouts, and JAX."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import pyad
from pyad._trace.array import is_traced
from pyad._trace.op import REGISTRY, Op, handle_of
from pyad._trace.promotion import constant

F32, F64 = np.dtype(np.float32), np.dtype(np.float64)

# ---- ops by their records ----


def record(op: Op, operands: tuple[Any, ...], params: tuple[int, ...] | None) -> Any:
    """Run an op of the registry on traced operands and plain ones; plain integers and booleans keep their dtype."""
    dtypes = [x.dtype for x in operands if is_traced(x)]
    dtypes += [x.dtype for x in map(np.asarray, operands_of_plain(operands)) if x.dtype.kind == "f"]
    dtype = np.result_type(*dtypes) if dtypes else F64
    handles = []
    for x in operands:
        if not is_traced(x) and np.asarray(x).dtype.kind in "bui":
            handles.append(constant(np.asarray(x), np.asarray(x).dtype))
        else:
            handles.append(handle_of(x, dtype))
    return op.record(handles, params)


def operands_of_plain(operands: tuple[Any, ...]) -> list[Any]:
    return [x for x in operands if not is_traced(x)]


class Sample(NamedTuple):
    """One way to call an op: operands (float64, or integer and boolean where the op wants those) and its params."""

    op: Op
    operands: tuple[np.ndarray, ...]
    params: tuple[int, ...]

    def floats(self) -> list[int]:
        return [k for k, x in enumerate(self.operands) if x.dtype.kind == "f"]

    def with_floats(self, floats: Any) -> tuple[Any, ...]:
        """The operands with others in the places of the float ones."""
        operands = list(self.operands)
        for k, x in zip(self.floats(), floats, strict=True):
            operands[k] = x
        return tuple(operands)

    def function(self) -> Callable[..., Any]:
        """The op as a function of its float operands, which runs NumPy's reference where none is traced."""

        def call(*floats: Any) -> Any:
            if not any(map(is_traced, floats)):
                return self.reference(*floats)
            return record(self.op, self.with_floats(floats), self.params)

        return call

    def value(self, *floats: Any) -> Any:
        """What pyad computes for plain operands."""
        return pyad.vjp(lambda *xs: record(self.op, self.with_floats(xs), self.params), *floats)[0]

    def reference(self, *floats: Any) -> Any:
        with np.errstate(all="ignore"):
            return self.op.reference(*self.with_floats(floats), *self.params)

    def with_dtype(self, dtype: Any) -> list[np.ndarray]:
        return [self.operands[k].astype(dtype) for k in self.floats()]

    def __str__(self) -> str:
        shapes = "x".join("s".join(map(str, x.shape)) or "0d" for x in self.operands)
        return f"{self.op.name}-{shapes}-{'_'.join(map(str, self.params))}"


# How many of an op's operands, from the first, are boolean.
BOOLEANS = {"where": 1, "and": 2, "or": 2, "not": 1}


def drawn(op: Op, shapes: list[tuple[int, ...]], seed: int = 0) -> tuple[np.ndarray, ...]:
    """Operands of an element-wise op from its domain."""
    rng = np.random.default_rng([seed, op.number])
    operands = []
    for k, ((low, high), shape) in enumerate(zip(op.domain, shapes, strict=True)):
        x = np.asarray(rng.uniform(low, high, shape))
        operands.append(np.asarray(x > (low + high) / 2) if k < BOOLEANS.get(op.name, 0) else x)
    return tuple(operands)


# Shapes for the operands of an element-wise op, by arity: equal, 0-d, and broadcasting in every way.
ELEMENTWISE_SHAPES: dict[int, list[list[tuple[int, ...]]]] = {
    1: [[(3, 4)], [()], [(1,)], [(0,)], [(2, 0, 3)], [(37,)], [(2, 3, 2, 2)]],
    2: [
        [(3, 4), (3, 4)],
        [(), ()],
        [(3, 4), ()],
        [(), (3, 4)],
        [(3, 4), (4,)],
        [(3, 1), (4,)],
        [(1, 4), (3, 1)],
        [(2, 1, 3), (4, 1)],
        [(0,), (1,)],
        [(2, 0), ()],
        [(3, 1), (1, 0)],
        [(37,), (37,)],
    ],
    3: [
        [(3, 4), (3, 4), (3, 4)],
        [(), (), ()],
        [(3, 1), (4,), ()],
        [(4,), (), (3, 1)],
        [(), (2, 3), (3,)],
        [(0,), (0,), (1,)],
        [(37,), (37,), (37,)],
    ],
}


def _a(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape) + 100 * len(shape)).normal(size=shape)


def _ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


# Operands and params of every op that is not element-wise. An op that is missing here fails `test_ops.py`.
STRUCTURAL: dict[str, list[tuple[tuple[np.ndarray, ...], tuple[int, ...]]]] = {
    "reshape": [((_a(2, 6),), (3, 4)), ((_a(4),), (2, 1, 2)), ((_a(),), (1, 1)), ((_a(1),), ()), ((_a(0, 3),), (0,))],
    "transpose": [((_a(2, 3),), (1, 0)), ((_a(2, 3, 4),), (2, 0, 1)), ((_a(3),), (0,)), ((_a(2, 0),), (1, 0))],
    "broadcast_to": [((_a(3),), (2, 3)), ((_a(2, 1, 3),), (2, 4, 3)), ((_a(),), (2, 2)), ((_a(1),), (0,))],
    "astype": [((_a(2, 3),), (9,)), ((_a(2, 3),), (10,))],
    "concatenate": [
        ((_a(2, 3), _a(1, 3)), (0,)),
        ((_a(2, 1), _a(2, 0), _a(2, 3)), (1,)),
        ((_a(4),), (0,)),
        ((_a(1, 2, 2), _a(1, 3, 2)), (1,)),
    ],
    "slice": [
        ((_a(5),), (1, 2, 2)),
        ((_a(5),), (4, -2, 3)),
        ((_a(5, 3),), (2, 1, -1, 0, 1, 3)),
        ((_a(4, 3),), (3, -1, 4, 1, 1, 1)),
        ((_a(4, 3),), (0, 1, 0, 0, 1, 3)),
        ((_a(3),), (2, 1, -1)),
    ],
    "unslice": [
        ((_a(2),), (1, 5, 1, 2, 2)),
        ((_a(3),), (1, 5, 4, -2, 3)),
        ((_a(3),), (2, 5, 3, 2, 1, -1, 0, 1, 3)),
        ((_a(),), (1, 4, 2, 1, -1)),
    ],
    "strided_view": [
        ((_a(5),), (1, 1, 2, 2)),
        ((_a(2, 3),), (5, 2, 3, 2, -1, -3)),
        ((_a(4, 4),), (6, 2, 2, 3, 4, -1)),
        ((_a(4, 3),), (7, 0)),
        ((_a(3),), (0, 2, 2, 3, 0, 1)),
        ((_a(2, 2),), (3, 3, 2, 1, 2, 0, 1, 0)),
        ((_a(3),), (0, 1, 0, 1)),
    ],
    "assign": [
        ((_a(5), _a(2)), (1, 1, 2, 2)),
        ((_a(2, 3), _a(3, 2)), (5, 2, 3, 2, -1, -3)),
        ((_a(2, 3), _a(1, 2)), (0, 2, 2, 2, 3, 1)),
        ((_a(4, 4), _a(2, 3)), (6, 2, 2, 3, 4, -1)),
        ((_a(4, 3), _a()), (1, 2, 4, 2, 3, 1)),
        ((_a(4, 3), _a()), (7, 0)),
        ((_a(3), _a(0)), (0, 1, 0, 1)),
    ],
    "assign_at": [
        ((_a(5), _a(3), _ints(4, 0, 2)), ()),
        ((_a(2, 3), _a(2, 2), np.array([[5, 1], [0, 2]])), ()),
        ((_a(4, 4), _a(2, 2), np.array([[15, 1], [7, 2]])), ()),
        ((_a(4, 3), _a(), _ints(11, 3)), ()),
        ((_a(3), _a(0), np.zeros(0, np.int64)), ()),
    ],
    "take": [
        ((_a(4, 3), _ints(0, 2, 2, 3)), ()),
        ((_a(4), _ints(3, 0, 3, 3)), ()),
        ((_a(3, 2), np.array([[0, 1], [2, 0]])), ()),
        ((_a(3, 2), np.zeros((0,), np.int64)), ()),
        ((_a(3, 2), np.array(1)), ()),
    ],
    "put": [
        ((_a(4, 3), _ints(0, 2, 2, 3)), (5,)),
        ((_a(4), _ints(3, 0, 3, 3)), (4,)),
        ((_a(2, 2, 3), np.array([[0, 1], [2, 0]])), (3,)),
    ],
    "pick": [
        ((_a(4, 3), _ints(0, 2, 2, 1)), ()),
        ((_a(2, 2, 3), np.array([[0, 2], [1, 1]])), ()),
        ((_a(3), np.array(2)), ()),
        ((_a(0, 3), np.zeros(0, np.int64)), ()),
    ],
    "unpick": [
        ((_a(4), _ints(0, 2, 2, 1)), (3,)),
        ((_a(2, 2), np.array([[0, 2], [1, 1]])), (4,)),
        ((_a(), np.array(2)), (3,)),
    ],
    "cross_entropy": [
        ((_a(4, 3), _ints(0, 2, 2, 1)), ()),
        ((_a(2, 2, 3), np.array([[0, 2], [1, 1]])), ()),
        ((_a(3), np.array(2)), ()),
        ((_a(40, 5), np.arange(40) % 5), ()),
    ],
    "sum_squares": [((_a(2, 3), _a(3, 2).T.copy()), (mean,)) for mean in (0, 1)]
    + [((_a(), _a()), (1,)), ((_a(0), _a(0)), (0,)), ((_a(700), _a(1, 700)[0]), (1,))],
    "matmul": [
        ((_a(2, 3), _a(3, 4)), ()),
        ((_a(1, 1), _a(1, 5)), ()),
        ((_a(2, 2, 3), _a(3, 2)), ()),
        ((_a(3, 1, 2, 3), _a(2, 3, 2)), ()),
        ((_a(2, 0), _a(0, 3)), ()),
        ((_a(0, 2), _a(2, 3)), ()),
    ],
    "affine": [((_a(2, 3), _a(3, 4), _a(4)), ()), ((_a(5, 2), _a(2, 1), _a(1)), ()), ((_a(0, 2), _a(2, 3), _a(3)), ())],
    "sum": [((_a(2, 3, 2),), p) for p in itertools.product(range(8), (0, 1))]
    + [((_a(0, 3),), (1, 0)), ((_a(),), (0, 0))],
    "max": [((_a(2, 3, 2),), p) for p in itertools.product(range(8), (0, 1))],
    "min": [((_a(2, 3, 2),), p) for p in itertools.product(range(8), (0, 1))],
    "logsumexp": [((_a(2, 3, 2),), (axis, keep)) for axis in range(3) for keep in (0, 1)] + [((_a(1),), (0, 0))],
    "cumsum": [((_a(2, 3, 2),), p) for p in itertools.product(range(3), (0, 1))] + [((_a(0, 3),), (0, 0))],
    "cumprod": [((_a(2, 3, 2),), p) for p in itertools.product(range(3), (0, 1))]
    + [((np.array([2.0, 0.0, -1.0, 0.0]),), (0, reverse)) for reverse in (0, 1)]
    + [((_a(0, 3),), (0, 0)), ((_a(2, 1),), (1, 1))],
    "recur": [((_a(2, 3, 2), _a(2, 3, 2) / 2), p) for p in itertools.product(range(3), (0, 1))]
    + [((_a(0, 3), _a(0, 3)), (0, 0)), ((_a(9), _a(9)), (0, 1))],
    "softmax": [((_a(2, 3, 2),), (axis,)) for axis in range(3)] + [((_a(1),), (0,))],
    "log_softmax": [((_a(2, 3, 2),), (axis,)) for axis in range(3)] + [((_a(1),), (0,))],
}


def native_ops() -> list[Op]:
    """The ops that the engine has a kernel for, but those between real and complex numbers (see test_complex.py)."""
    return [op for op in REGISTRY.values() if not op.in_python and op.name not in ("conj", "imag", "unimag")]


def samples(op: Op) -> list[Sample]:
    if op.is_elementwise:
        return [Sample(op, drawn(op, shapes), ()) for shapes in ELEMENTWISE_SHAPES[op.arity]]
    return [Sample(op, tuple(map(np.asarray, operands)), params) for operands, params in STRUCTURAL.get(op.name, [])]


def all_samples() -> list[Sample]:
    return [sample for op in native_ops() for sample in samples(op)]


# ---- memory layouts ----


def _unaligned(x: np.ndarray) -> np.ndarray:
    raw = np.zeros(x.nbytes + 1, np.uint8)
    view = raw[1:].view(x.dtype).reshape(x.shape)
    view[...] = x
    return view


def _spread(x: np.ndarray, step: int) -> np.ndarray:
    """Every step-th entry of a larger array, along each axis; a negative step also turns the axes around."""
    if x.ndim == 0:
        return x
    large = np.full([max(n * abs(step), 1) for n in x.shape], np.nan, x.dtype)
    view = large[tuple(slice(None, None, step) for _ in x.shape)][tuple(slice(0, n) for n in x.shape)]
    view[...] = x
    return view


def _read_only(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.flags.writeable = False
    return x


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "fortran": lambda x: np.asfortranarray(x) if x.ndim else x,
    "transposed": lambda x: np.ascontiguousarray(x.T).T if x.ndim else x,
    "strided": lambda x: _spread(x, 2),
    "reversed": lambda x: _spread(x, -1),
    "reversed-strided": lambda x: _spread(x, -3),
    "unaligned": lambda x: _unaligned(x) if x.size else x,
    "read-only": _read_only,
}

# ---- comparing ----


def assert_ulps(got: Any, want: Any, ulps: int) -> None:
    """Equal shape and dtype, and values at most `ulps` units in the last place apart; NaN equals NaN."""
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape
    assert got.dtype == want.dtype
    if got.dtype.kind != "f":
        np.testing.assert_array_equal(got, want)
        return
    finite = np.isfinite(want)
    np.testing.assert_array_equal(got[~finite], want[~finite])
    with np.errstate(all="ignore"):
        apart = np.abs(got[finite].astype(F64) - want[finite].astype(F64)) / np.spacing(np.abs(want[finite])).astype(
            F64
        )
    worst = apart.max() if apart.size else 0.0
    assert worst <= ulps, (
        f"{worst} ulp apart: {got[finite][apart.argmax()]!r}, expected {want[finite][apart.argmax()]!r}"
    )


def assert_tree_equal(got: Any, want: Any, rtol: float = 1e-12, atol: float = 1e-14) -> None:
    """The same containers, shapes and values."""
    if isinstance(want, dict):
        assert isinstance(got, dict)
        assert got.keys() == want.keys()
        for key in want:
            assert_tree_equal(got[key], want[key], rtol, atol)
    elif isinstance(want, tuple | list):
        assert type(got) is type(want)
        assert len(got) == len(want)
        for a, b in zip(got, want, strict=True):
            assert_tree_equal(a, b, rtol, atol)
    else:
        assert np.shape(got) == np.shape(want)
        np.testing.assert_allclose(np.asarray(got), np.asarray(want), rtol=rtol, atol=atol)


def subsets(axes: int) -> Iterator[Any]:
    """Every form of an axis argument for an array of that many axes."""
    yield None
    yield ()
    yield from range(-axes, axes)
    for count in range(1, axes + 1):
        for chosen in itertools.combinations(range(axes), count):
            yield chosen
            yield tuple(a - axes for a in reversed(chosen))


# ---- derivatives, one after another ----


def differentiate(kit: Any, f: Callable[..., Any], order: str | tuple[str, ...]) -> Callable[..., Any]:
    """Derivatives of a function of a number, one after another, by four ways to ask for one."""
    for way in order:
        f = {
            "r": lambda f: kit.grad(f),
            "f": lambda f: lambda x: kit.jvp(f, (x,), (1.0,))[1],
            "v": lambda f: lambda x: kit.vjp(f, x)[1](1.0)[0],
            "p": lambda f: lambda x: kit.value_and_grad(f)(x)[1],
        }[way](f)
    return f
