"""Measures the choices that docs/developer/measurements.md tells of: `python benchmarks/decisions.py`, or one section
by its title: `python benchmarks/decisions.py "NumPy ops"`."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

import pyad
from pyad._binding import engine, memory
from pyad._binding.engine import ffi, lib


def cost(function: Callable[[], object], number: int = 200, rounds: int = 15) -> float:
    """Median seconds of one call."""
    samples = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(number):
            function()
        samples.append((time.perf_counter() - start) / number)
    return median(samples)


def inside(function: Callable[[pyad.Array], None], x: np.ndarray) -> None:
    """Run `function` on a traced x, with the rules it needs known."""
    pyad.grad(lambda a: np.sum(a * 2.0))(x)

    def traced(a: pyad.Array) -> pyad.Array:
        function(a)
        return np.sum(a)

    pyad.grad(traced)(x)


def leaving() -> None:
    """A result by copy, and over the engine's memory."""
    for kib in (4, 16, 32, 64, 256, 1024):
        x = np.ones(kib * 128)

        def measure(a: pyad.Array, kib: int = kib) -> None:
            def copied() -> None:
                y = a * 2.0
                memory.read(y._h, share=False)

            def shared() -> None:
                y = a * 2.0
                memory.shared(lib.pyad_share_out, y._h, y.shape, y.dtype)

            print(f"  {kib:5d} KiB: copied {cost(copied) * 1e6:7.1f} us, shared {cost(shared) * 1e6:7.1f} us")

        inside(measure, x)


def fingerprint() -> None:
    """A constant operand that a rule reads, and one that no rule reads."""
    for mib in (0.25, 1, 8):
        c = np.ones(int(mib * (1 << 17)))

        def measure(a: pyad.Array, c: np.ndarray = c, mib: float = mib) -> None:
            read, unread = cost(lambda: a * c, 20), cost(lambda: a + c, 20)
            print(f"  {mib:5.2f} MiB: read by a rule {read * 1e6:8.1f} us, not read {unread * 1e6:8.1f} us")

        pyad.grad(lambda a, c=c: np.sum(a * c + c))(np.ones_like(c))  # the rules are known from here on
        inside(measure, np.ones_like(c))


def buffers() -> None:
    """A result of 400 kB in memory used before, and in fresh memory."""

    def fresh(a: pyad.Array) -> None:
        a * 2.0
        lib.pyad_trim()

    inside(lambda a: print(f"  used before {cost(lambda: a * 2.0) * 1e6:.1f} us"), np.ones(50000))
    inside(lambda a: print(f"  fresh       {cost(lambda: fresh(a)) * 1e6:.1f} us"), np.ones(50000))


def lists() -> None:
    """Six parameters lent one by one, and in one call."""
    arrays = [np.ones((16, 16), np.float32) for _ in range(6)]
    here = engine.current()

    def scoped(lend: Callable[[], object]) -> None:
        opened = here.open()
        lend()
        here.close(opened)

    single = cost(lambda: scoped(lambda: [memory.lend(a, 0) for a in arrays]))
    joint = cost(lambda: scoped(lambda: memory.lend_all(arrays)))
    print(f"  one by one {single * 1e6:.1f} us, one call {joint * 1e6:.1f} us")


def lock() -> None:
    """A call that keeps the interpreter's lock, and one that gives it up and takes it back."""
    kept = cost(lib.pyad_depth, 5000)
    given_up = cost(lib.pyad_trim, 5000)
    print(f"  kept {kept * 1e9:.0f} ns, given up {given_up * 1e9:.0f} ns")


MATRIX = np.array([[1.0, 0.2, -0.3], [0.4, 2.0, 0.1], [0.3, -0.2, 1.5]])
VECTOR = np.linspace(0.5, 2.0, 16)
COMPLEX = VECTOR + 1j * VECTOR[::-1]

# Operations on small arrays, which NumPy runs, but for the product and the quotient, for which there are kernels.
HOST_OPS: dict[str, tuple[Callable[[Any], Any], np.ndarray]] = {
    "inv 3x3": (np.linalg.inv, MATRIX),
    "fft 16": (np.fft.fft, VECTOR),
    "complex a * a": (lambda z: z * z, COMPLEX),
    "complex a / a": (lambda z: z / z, COMPLEX),
    "complex exp": (np.exp, COMPLEX),
}
if importlib.util.find_spec("scipy"):
    HOST_OPS["gammaln 16"] = (importlib.import_module("scipy.special").gammaln, VECTOR)


def least(function: Callable[[], object], number: int) -> float:
    """Seconds of one call, in one round."""
    start = time.perf_counter()
    for _ in range(number):
        function()
    return (time.perf_counter() - start) / number


def forward_cost(function: Callable[[Any], Any], x: np.ndarray, rounds: int = 400) -> tuple[float, float]:
    """Least seconds of a call with a traced and with a plain argument, measured in turn."""
    traced, plain = [], []

    def run(a: pyad.Array) -> pyad.Array:
        traced.append(least(lambda: function(a), 20))
        return np.real(np.sum(a))

    for _ in range(rounds):
        pyad.grad(run)(x)
        plain.append(least(lambda: function(x), 20))
    return min(traced), min(plain)


def backward_cost(function: Callable[[Any], Any], x: np.ndarray, nodes: int = 20, rounds: int = 200) -> float:
    """Least seconds that a sweep takes for one node of `function`, over a sweep that has none."""

    def total(a: pyad.Array, function: Callable[[Any], Any]) -> Any:
        parts = [np.real(np.sum(function(a))) for _ in range(nodes)]
        return sum(parts, 0.0)

    def swept(function: Callable[[Any], Any]) -> float:
        _, pullback = pyad.vjp(lambda a: total(a, function), x)
        return least(lambda: pullback(1.0), 1)

    pairs = [(swept(function), swept(lambda a: a)) for _ in range(rounds)]
    return (min(a for a, _ in pairs) - min(b for _, b in pairs)) / nodes


def host_ops() -> None:
    """What a traced argument costs over NumPy's own call, forward and backward."""
    for name, (function, x) in HOST_OPS.items():
        traced, plain = forward_cost(function, x)
        backward = backward_cost(function, x)
        print(
            f"  {name:14s} NumPy {plain * 1e6:5.2f} us, traced {traced * 1e6:5.2f} us, "
            f"more {(traced - plain) * 1e6:5.2f} us; backward {backward * 1e6:5.2f} us a node"
        )


def blas() -> None:
    """A product by NumPy's BLAS and by MKL (where it is installed), alone and each time after one of NumPy's own."""
    from threadpoolctl import threadpool_limits

    random = np.random.default_rng(0)
    a, b = (random.normal(size=shape).astype(np.float32) for shape in ((512, 1024), (1024, 2048)))

    def both(x: pyad.Array) -> None:
        np.matmul(a, b)
        x @ b

    for which in ("numpy", "mkl"):
        try:
            chosen = pyad.set_blas(which)
        except ImportError as problem:
            print(f"  {problem}")
            continue
        for threads in (1, 2):
            with threadpool_limits(threads):

                def measure(x: pyad.Array, name: str = chosen.function, threads: int = threads) -> None:
                    alone, after = cost(lambda: x @ b, 3), cost(lambda: both(x), 3)
                    print(f"  {name}, {threads} threads: {alone * 1e3:.2f} ms, with NumPy's own {after * 1e3:.2f} ms")

                inside(measure, a)
    pyad.set_blas("numpy")


def chain(x: Any, y: Any) -> Any:
    """Twenty cheap operations, which are one line."""
    for _ in range(4):
        x = np.maximum(x * 0.9 + y, -3.0) - y * 0.1
    return x


def softmax(x: Any, y: Any) -> Any:
    """Of rows of a hundred."""
    rows = np.reshape(x + y, (-1, 100))
    powers = np.exp(rows - np.max(rows, axis=1, keepdims=True))
    return powers / np.sum(powers, axis=1, keepdims=True)


# What a compiled function does with two arrays of one size.
LARGE: dict[str, Callable[[Any, Any], Any]] = {
    "20 cheap operations": chain,
    "one sum": np.add,
    "exp, sin, a sum of all": lambda x, y: np.sum(np.exp(-x * x) * np.sin(y)),
    "softmax": softmax,
    "gradient": pyad.grad(lambda x, y: np.sum(np.tanh(x * y) ** 2)),
}
THREADS = (1, 2)


def busy_for(seconds: float) -> None:
    """Python's own work, during which the engine's threads fall asleep."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def on_threads(
    function: Callable[[Any, Any], Any], size: int, rounds: int = 30, pause: float = 1e-4
) -> list[list[float]]:
    """Seconds of calls on one thread and on two, in turn, each after a pause."""
    x, y = np.random.default_rng(0).normal(size=(2, size))
    pyad.set_num_threads(max(THREADS))
    compiled = pyad.compile(function)
    compiled(x, y)
    samples: list[list[float]] = [[] for _ in THREADS]
    for _ in range(rounds):
        for threads, times in zip(THREADS, samples, strict=True):
            pyad.set_num_threads(threads)
            compiled(x, y)
            for _ in range(3):
                busy_for(pause)
                times.append(least(lambda: compiled(x, y), 1))
    return samples


def threads() -> None:
    """Compiled functions on one thread of pyad's and on two."""
    before = pyad.get_num_threads()
    for name, function in LARGE.items():
        for size in (1000, 10**4, 3 * 10**4, 10**5, 10**6, 10**7):
            one, two = on_threads(function, size, 30 if size < 10**7 else 4)
            print(
                f"  {name:22s} {size:8d}: one {median(one) * 1e6:8.1f} us, two {median(two) * 1e6:8.1f} us; "
                f"least {min(one) * 1e6:8.1f} us, {min(two) * 1e6:8.1f} us, {min(one) / min(two):.2f} times as fast"
            )
    pyad.set_num_threads(before)


CHAIN = 64


def in_turn(functions: list[Callable[[], object]], rounds: int = 60) -> list[float]:
    """Least seconds of one call of each, measured in turn."""
    samples: list[list[float]] = [[] for _ in functions]
    for _ in range(rounds):
        for function, times in zip(functions, samples, strict=True):
            times.append(least(function, 3))
    return [min(times) for times in samples]


def tanh_chain(x: Any) -> Any:
    for _ in range(CHAIN):
        x = np.tanh(x)
    return np.sum(x)


def horner_chain(x: Any) -> Any:
    y = x
    for _ in range(CHAIN // 2):
        y = y * x + x
    return np.sum(y)


def add_chain(x: Any) -> Any:
    for _ in range(4 * CHAIN):
        x = x + 1.0
    return x


def executors() -> None:
    """The executors of element-wise steps, per step: rules and eager calls by size, and replays.

    A rule on few elements is applied by csrc/autodiff/apply_small.c. What it saves shows in the figures of a build in
    which pyad_apply_values does not ask pyad_apply_is_small.
    """
    for name, function in (("tanh", tanh_chain), ("y * x + x", horner_chain)):
        for x in (0.5, np.full(3, 0.5), np.full(16, 0.5), np.full(100, 0.5), np.full(1000, 0.5)):
            pullback = pyad.vjp(function, x)[1]
            (seconds,) = in_turn([functools.partial(pullback, 1.0)])
            print(f"  the rules of {name:9s} {np.size(x):4d} elements {seconds / CHAIN * 1e9:6.0f} ns")
    for n in (1, 2, 16, 1000):
        forward, _ = forward_cost(lambda a: a + 1.0, np.full(n, 0.5), 100)
        print(f"  an eager call,         {n:4d} elements {forward * 1e9:6.0f} ns")
    calls: list[Callable[[], object]] = []
    for x in (0.5, np.full(2, 0.5), np.full(16, 0.5), np.full(1000, 0.5)):
        pair = [pyad.compile(add_chain), pyad.compile(lambda x: x + 1.0)]
        for program in pair:
            program(x)
            calls.append(functools.partial(program, x))
    times = in_turn(calls, 200)
    for k, name in enumerate(("1 number, scalars", "2, fused loop", "16, fused loop", "1000, fused loop")):
        print(f"  a replay, {name:18s} {(times[2 * k] - times[2 * k + 1]) / (4 * CHAIN - 1) * 1e9:8.2f} ns")


class _Scope:
    """As much of a tape scope as its way in and out costs."""

    __slots__ = ("is_open",)

    def open(self) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False

    def __enter__(self) -> _Scope:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def scopes() -> None:
    """A scope closed by a `finally`, by a `with`, and by a function that is given what to run."""

    def by_finally() -> None:
        scope = _Scope()
        try:
            scope.open()
        finally:
            scope.close()

    def by_with() -> None:
        with _Scope():
            pass

    def within(body: Callable[[_Scope], None]) -> None:
        scope = _Scope()
        try:
            scope.open()
            body(scope)
        finally:
            scope.close()

    value_and_grad = pyad.value_and_grad(lambda x: x)
    ways = [by_finally, by_with, lambda: within(lambda _: None), lambda: value_and_grad(1.0)]
    names = ["finally", "with", "a function", "whole value_and_grad"]
    for name, seconds in zip(
        names, in_turn([lambda way=way: [way() for _ in range(100)] for way in ways]), strict=True
    ):
        print(f"  {name:20} {seconds * 1e4:6.2f} us")


def main() -> None:
    """Print all."""
    print(f"NumPy {np.__version__}, kernels {ffi.string(lib.pyad_isa_name()).decode()}")
    sections = (
        ("results leaving", leaving),
        ("fingerprints", fingerprint),
        ("buffers", buffers),
        ("lists of arrays", lists),
        ("the interpreter's lock", lock),
        ("NumPy ops", host_ops),
        ("the BLAS", blas),
        ("threads", threads),
        ("executors", executors),
        ("tape scopes", scopes),
    )
    for title, run in sections:
        if not sys.argv[1:] or title in sys.argv[1:]:
            print(title)
            run()


if __name__ == "__main__":
    main()
