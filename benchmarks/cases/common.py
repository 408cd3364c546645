"""What the case files share: names, peers with their threads set, calls to time, the check that contestants agree."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from harness import Case, Goal, Probe, Unavailable, threads, timer

# Names of contestants; a table has the same name wherever the same thing is meant.
PYAD = "pyad"
UNCOMPILED = "pyad, uncompiled"
JAX = "jax.jit"
PYTORCH = "PyTorch"
TORCH_COMPILE = "torch.compile"
AUTOGRAD = "autograd"
BY_HAND = "NumPy, by hand"
PRODUCTS = "NumPy, its products alone"


def import_torch() -> Any:
    """PyTorch with the threads that the run asks for."""
    import torch

    torch.set_num_threads(threads())
    return torch


def import_jax() -> Any:
    """JAX with float64. Its threads were set by the environment, and float32 arrays stay what they are."""
    import jax

    jax.config.update("jax_enable_x64", True)
    return jax


def pyad_compile() -> Callable[[Callable], Callable]:
    """`pyad.compile`; Unavailable where pyad is older than that."""
    import pyad

    if not hasattr(pyad, "compile"):
        raise Unavailable("this pyad has no compile")
    return pyad.compile


# What is timed, when it is bound to its arguments: it gives arrays or scalars, which all contestants agree on.
Run = Callable[[], Sequence[Any]]


def called(function: Callable, arguments: Sequence[Any]) -> Run:
    """A call of a function of pyad's, uncompiled."""
    return functools.partial(function, *arguments)


def replayed(function: Callable, arguments: Sequence[Any]) -> Run:
    """A call of the compiled function, which has recorded at other values: what is timed and checked is a replay."""
    fast = pyad_compile()(function)
    fast(*(argument * 0.97 for argument in arguments))
    return functools.partial(fast, *arguments)


def jitted(function: Callable, arguments: Sequence[Any]) -> Run:
    """A call of `jax.jit` of the function on arrays that are JAX's already; it waits for the result."""
    jax = import_jax()
    fast = jax.jit(function)
    placed = [jax.numpy.asarray(argument) for argument in arguments]

    def run() -> Sequence[Any]:
        result = fast(*placed)
        result[0].block_until_ready()  # all results of a call are ready at the same time
        return result

    return run


def race(
    name: str,
    title: str,
    makers: Mapping[str, Callable[[], Run]],
    goals: Sequence[Goal],
    tolerance: float = 1e-9,
) -> Case:
    """A case whose contestants are the calls that `makers` make; they are timed, and all have to agree."""
    # Made once for the probe and the check together: compiling may take seconds.
    made = {key: functools.cache(make) for key, make in makers.items()}

    def probe(make: Callable[[], Run]) -> Probe:
        return timer(make())

    def flat(make: Callable[[], Run]) -> list[Any]:
        return leaves(make()())

    contestants = {key: functools.partial(probe, make) for key, make in made.items()}
    compared = {key: functools.partial(flat, make) for key, make in made.items()}
    return Case(name, title, contestants, goals=goals, check=agreement(compared, tolerance))


def leaves(result: Any) -> list[Any]:
    """The arrays and scalars in tuples and lists of such, in order."""
    if isinstance(result, (tuple, list)):
        return [leaf for part in result for leaf in leaves(part)]
    return [result]


Results = Callable[[], Sequence[Any]]


def agreement(results: Mapping[str, Results], tolerance: float) -> Callable[[Sequence[str]], None]:
    """A check for `Case.check`: all results equal, entry by entry, to `tolerance` of the largest entry.

    `results` maps contestants to calls that return a list of arrays or scalars: gradients, or a value and a gradient.
    Contestants without one (a forward pass alone, products alone) are not checked.
    """

    def check(names: Sequence[str]) -> None:
        checked = [name for name in names if name in results]
        if not checked:
            return
        first, *others = checked
        wanted = [np.asarray(value, dtype=np.float64) for value in results[first]()]
        for name in others:
            got = [np.asarray(value, dtype=np.float64) for value in results[name]()]
            if len(got) != len(wanted):
                raise ValueError(f"{name} gives {len(got)} results, {first} {len(wanted)}")
            for index, (left, right) in enumerate(zip(got, wanted, strict=True)):
                _compare(f"result {index} of {name} and {first}", left, right, tolerance)

    return check


def _compare(what: str, left: np.ndarray, right: np.ndarray, tolerance: float) -> None:
    if left.shape != right.shape:
        raise ValueError(f"{what}: shapes {left.shape} and {right.shape}")
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        raise ValueError(f"{what}: not finite")
    largest = np.abs(right).max()
    if not largest > 0:
        raise ValueError(f"{what}: all zero, which would compare equal whatever is wrong")
    error = np.abs(left - right).max() / largest
    if not error <= tolerance:
        raise ValueError(f"{what}: differ by {error:.3g} of the largest entry, more than {tolerance:g}")
