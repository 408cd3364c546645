"""Measures the choices that docs/measurements.md tells of: `python benchmarks/decisions.py`."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import numpy as np

import pyad
from pyad import _engine
from pyad._engine import ffi, lib


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
                _engine.materialize(y._h, share=False)

            def shared() -> None:
                y = a * 2.0
                _engine.array_over(lib.pyad_share_out(y._h), y.shape, y.dtype)

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
    engine = _engine.current()

    def scoped(lend: Callable[[], object]) -> None:
        opened = engine.open()
        lend()
        engine.close(opened)

    single = cost(lambda: scoped(lambda: [_engine.lend(a, 0) for a in arrays]))
    joint = cost(lambda: scoped(lambda: _engine.lend_all(arrays)))
    print(f"  one by one {single * 1e6:.1f} us, one call {joint * 1e6:.1f} us")


def lock() -> None:
    """A call that keeps the interpreter's lock, and one that gives it up and takes it back."""
    kept = cost(lib.pyad_depth, 5000)
    given_up = cost(lib.pyad_trim, 5000)
    print(f"  kept {kept * 1e9:.0f} ns, given up {given_up * 1e9:.0f} ns")


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


def main() -> None:
    """Print all."""
    print(f"NumPy {np.__version__}, kernels {ffi.string(lib.pyad_isa_name()).decode()}")
    for title, run in (
        ("results leaving", leaving),
        ("fingerprints", fingerprint),
        ("buffers", buffers),
        ("lists of arrays", lists),
        ("the interpreter's lock", lock),
        ("the BLAS", blas),
    ):
        print(title)
        run()


if __name__ == "__main__":
    main()
