"""Writes docs/reference/coverage.md: for every function that pyad implements, what was found to work by trying it.

    python docs/tools/coverage.py            writes the page
    python docs/tools/coverage.py --check    says what is not as on the page

A derivative counts as there where it equals differences. The calls that are tried are in coverage_samples.py.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from coverage_samples import NOT_TRIED, NOTES, SAMPLES, Sample, sample_for

import pyad
import pyad.scipy
from pyad import tree
from pyad._binding import memory
from pyad._binding.engine import lib
from pyad._ops._registry import CONSTANT_FUNCTIONS, CONSTANT_UFUNCS
from pyad._trace.array import is_traced
from pyad._trace.op import REGISTRY
from pyad.testing import check_grads

PAGE = Path(__file__).parents[1] / "reference" / "coverage.md"

TEXT = """# What can be differentiated

Written by [coverage.py](../tools/coverage.py), which calls every function that is implemented, on traced values, and
looks at what comes out. The columns:

- **value**: it is NumPy's or SciPy's value.
- **forward**, **reverse**: the derivative in that mode equals differences; **second**: so do the derivatives of second
  order, in all four combinations of the modes, along random directions. Orders of Bessel functions, counts and the
  like are held constant. Where a function has derivatives by some of its other arguments only, these are named by
  their position.
- **complex**: the same with complex arguments: the value, the forward derivative along complex directions, and the
  reverse one, which must fit it. A dash where NumPy or SciPy does not take complex numbers.
- **runs in**: C, where all that the engine records for it are kernels of its own; NumPy, where NumPy or SciPy computes
  a part of it. A dash where nothing is recorded, since the result is the argument.

Operators, indexing, and the methods of arrays go through the same operations. The functions of `numpy.emath` are there
too: those of `numpy`, with complex values where the real ones are not defined.
"""


@dataclass(frozen=True)
class Row:
    """What was found for one function."""

    names: tuple[str, ...]
    value: bool
    forward: bool
    reverse: bool
    second: bool
    complex: bool | None
    runs_in: str
    by: str = ""  # the arguments by which there are derivatives, where not by all

    def text(self) -> str:
        flags = [self.value, self.forward, self.reverse, self.second, self.complex]
        marks = ["–" if flag is None else "yes" if flag else "no" for flag in flags]
        names = ", ".join(f"`{name}`" for name in self.names)
        return f"| {names}{self.by} | {' | '.join([*marks, self.runs_in])} |"


# ---- what is implemented ----


def functions(module_name: str) -> Iterator[tuple[str, Callable[..., Any], Callable[..., Any]]]:
    """Name, pyad's function and the function it stands for."""
    theirs = importlib.import_module(module_name)
    ours = importlib.import_module(f"pyad.{module_name}")
    for name in ours.__all__:
        # What SciPy has not is pyad's own.
        if hasattr(theirs, name):
            yield from _methods(name, getattr(ours, name), getattr(theirs, name))


def _methods(name: str, ours: Any, theirs: Any) -> Iterator[tuple[str, Any, Any]]:
    """The function of this name, or the functions of the distribution of this name."""
    if inspect.isroutine(ours) or isinstance(ours, np.ufunc):
        yield name, ours, theirs
        return
    if isinstance(theirs, ModuleType):
        return
    listed = getattr(ours, "__all__", None) or [n for n in dir(ours) if not n.startswith("_")]
    for method in listed:
        # What a distribution has no formula for, SciPy computes, and only from plain values.
        formula = getattr(ours, "_formula", None)
        if formula is not None and formula(method) is None:
            continue
        if callable(getattr(ours, method)) and hasattr(theirs, method):
            yield f"{name}.{method}", getattr(ours, method), getattr(theirs, method)


def modules() -> list[str]:
    """The modules of NumPy and SciPy that pyad has."""
    names = [f"scipy.{m.name}" for m in pkgutil.iter_modules(pyad.scipy.__path__) if not m.name.startswith("_")]
    return ["numpy", "numpy.linalg", "numpy.fft", *(name for name in names if importlib.util.find_spec(name))]


# ---- trying ----


def _real_parts(value: Any) -> list[Any]:
    """The floating point leaves of a value, complex ones as two."""
    found = []
    for x in tree.leaves(_plain_containers(value)):
        kind = np.result_type(x).kind
        if kind == "c":
            found += [np.real(x), np.imag(x)]
        elif kind == "f":
            found.append(x)
    return found


def _plain_containers(value: Any) -> Any:
    """Named tuples of NumPy as tuples."""
    return tuple(value) if isinstance(value, tuple) else value


def _works(attempt: Callable[[], Any]) -> bool:
    """Whether an attempt succeeds. Whatever a function raises means that it does not support what was tried."""
    try:
        return attempt() is not False
    except Exception:
        return False


def _close(one: Any, other: Any, rtol: float = 1e-9, atol: float = 1e-10) -> bool:
    ones, others = tree.leaves(_plain_containers(one)), tree.leaves(_plain_containers(other))
    pairs = zip(ones, others, strict=True)
    return all(np.allclose(pyad.stop_gradient(a), b, rtol=rtol, atol=atol) for a, b in pairs)


def _value_fits(ours: Callable[..., Any], theirs: Callable[..., Any], sample: Sample, rtol: float) -> bool:
    call, arrays = sample
    seen = []

    def look(*xs: Any) -> Any:
        y = call(ours, *xs)
        seen.append(_close(y, call(theirs, *arrays), rtol))
        return _real_parts(y)

    pyad.vjp(look, *arrays)
    return seen[0]


def _complex_fits(ours: Callable[..., Any], theirs: Callable[..., Any], sample: Sample) -> bool:
    """Value and derivatives at complex arguments; the reverse derivative is compared with the forward one."""
    call, arrays = sample
    rng = np.random.default_rng(0)
    points = [x * np.exp(0.3j * rng.standard_normal(x.shape)) for x in arrays]
    ways = [np.exp(1j * rng.standard_normal(x.shape)) for x in arrays]
    value, slope = pyad.jvp(lambda *zs: call(ours, *zs), tuple(points), tuple(ways))
    step = 1e-6
    sides = [call(theirs, *(z + sign * step * w for z, w in zip(points, ways, strict=True))) for sign in (1, -1)]
    high, low = (tree.leaves(_plain_containers(side)) for side in sides)
    differences = [(a - b) / (2 * step) for a, b in zip(high, low, strict=True)]
    if not (_close(value, call(theirs, *points)) and _close(slope, differences, 1e-5, 1e-8)):
        return False
    leaves = tree.leaves(_plain_containers(value))
    cotangents = [rng.standard_normal(np.shape(y)) + 0 * y for y in leaves]
    _, pullback = pyad.vjp(lambda *zs: tree.leaves(_plain_containers(call(ours, *zs))), *points)
    pulled = pullback(cotangents)
    slopes = tree.leaves(_plain_containers(slope))
    forward = sum(np.sum(c * s).real for c, s in zip(cotangents, slopes, strict=True))
    backward = [np.sum(c * w) for c, w in zip(pulled, ways, strict=True)]
    return bool(np.isclose(forward, np.sum(backward).real, rtol=1e-6))


def _takes_complex(theirs: Callable[..., Any], sample: Sample) -> bool:
    call, arrays = sample
    return _works(lambda: call(theirs, *(x * np.exp(0.2j) for x in arrays)))


def _runs_in(ours: Callable[..., Any], sample: Sample) -> str:
    call, arrays = sample
    found: set[str] = set()

    def look(*xs: Any) -> Any:
        y = call(ours, *xs)
        found.update(*(_recorded(part) for part in tree.leaves(_plain_containers(y)) if is_traced(part)))
        return _real_parts(y)

    if not _works(lambda: pyad.vjp(look, *arrays)) or not found:
        return "–"
    return "NumPy" if "NumPy" in found else "C"


def _recorded(y: Any) -> set[str]:
    """Where what a value was computed with runs."""
    seen: set[int] = set()
    found: set[str] = set()
    waiting = [y._h]
    while waiting:
        handle = waiting.pop()
        if handle in seen:
            continue
        seen.add(handle)
        info = memory.node_info(handle)
        op = REGISTRY.get(info.op)  # none for a copy, for which nothing is computed
        if info.nargs and op is not None:
            found.add("NumPy" if op.in_python else "C")
        waiting += [lib.pyad_operand(handle, k) for k in range(info.nargs)]
    return found


def try_function(name: str, ours: Callable[..., Any], theirs: Callable[..., Any]) -> Row | None:
    """What works of a function; `name` is its full name. None where its results are no numbers to differentiate."""
    if name in NOT_TRIED:
        return None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        sample = sample_for(name, theirs)
        try:
            if not _real_parts(sample[0](theirs, *sample[1])):
                return None
        except (TypeError, ValueError, IndexError) as problem:
            raise ValueError(f"coverage_samples.py has no right call of {name}: {problem}") from problem
        row = _try_sample(name, ours, theirs, sample)
        if (row.forward or row.reverse) or len(sample[1]) == 1:
            return row
        return _by_single_arguments(name, ours, theirs, sample) or row


def _by_single_arguments(name: str, ours: Any, theirs: Any, sample: Sample) -> Row | None:
    """The row of a function that has derivatives by some of the arguments of the sample only."""
    rows = [_try_sample(name, ours, theirs, _only(k, sample)) for k in range(len(sample[1]))]
    places = [k for k, row in enumerate(rows) if row.forward or row.reverse]
    if not places:
        return None
    flags = {field: all(getattr(rows[k], field) for k in places) for field in ("value", "forward", "reverse", "second")}
    complex_flags = [rows[k].complex for k in places]
    fits = None if None in complex_flags else all(complex_flags)
    runs_in = "NumPy" if any(rows[k].runs_in == "NumPy" for k in places) else "C"
    by = ", ".join(str(k + 1) for k in places)
    return Row((name,), **flags, complex=fits, runs_in=runs_in, by=f" by argument {by}")


def _only(k: int, sample: Sample) -> Sample:
    """The sample with all arrays but one held constant."""
    call, arrays = sample
    return (lambda f, x: call(f, *arrays[:k], x, *arrays[k + 1 :])), (arrays[k],)


def _along_a_line(parts: Callable[..., Any], arrays: Sequence[np.ndarray], seed: int) -> Callable[[Any], Any]:
    """A mixture of all results, as a function of how far one goes in a random direction from the arrays."""
    rng = np.random.default_rng(seed)
    ways = [rng.standard_normal(x.shape) for x in arrays]

    def line(t: Any) -> Any:
        results = parts(*(x + t * way for x, way in zip(arrays, ways, strict=True)))
        return sum(np.sum(y * np.cos(1.0 + seed + np.arange(np.size(y))).reshape(np.shape(y))) for y in results)

    return line


def _try_sample(name: str, ours: Any, theirs: Any, sample: Sample) -> Row:
    call, arrays = sample

    def parts(*xs: Any) -> Any:
        return _real_parts(call(ours, *xs))

    def derivative_fits(order: int, *modes: str) -> bool:
        return _works(lambda: check_grads(parts, arrays, order=order, modes=modes))

    iterates = name.startswith(("scipy.integrate.", "scipy.optimize."))
    # Some methods of distributions happen to take complex numbers, and mean nothing by it.
    real_only = iterates or name.startswith("scipy.stats.")
    takes_complex = not real_only and _takes_complex(theirs, sample)
    forward, reverse = (derivative_fits(1, mode) for mode in ("fwd", "rev"))
    lines = [_along_a_line(parts, arrays, seed) for seed in range(2)]
    second = forward and reverse and all(_works(lambda line=line: check_grads(line, (0.0,), order=2)) for line in lines)
    return Row(
        names=(name,),
        value=_works(lambda: _value_fits(ours, theirs, sample, 1e-6 if iterates else 1e-9)),
        forward=forward,
        reverse=reverse,
        second=second,
        complex=_works(lambda: _complex_fits(ours, theirs, sample)) if takes_complex else None,
        runs_in=_runs_in(ours, sample),
    )


# ---- the page ----


def rows(module_name: str, every: int = 1) -> list[Row]:
    """The rows of a module (or one of so many of them); names of the same function share one."""
    groups: dict[Any, list[tuple[str, Any, Any]]] = {}
    for name, ours, theirs in functions(module_name):
        same = "." not in name and (isinstance(theirs, np.ufunc) or inspect.isroutine(theirs))
        groups.setdefault(theirs if same else name, []).append((name, ours, theirs))
    found = []
    for group in list(groups.values())[::every]:
        names = sorted(name for name, _, _ in group)
        _, ours, theirs = group[0]
        # Whichever of its names there is a sample for.
        sampled = next((name for name in names if f"{module_name}.{name}" in SAMPLES), names[0])
        row = try_function(f"{module_name}.{sampled}", ours, theirs)
        if row is not None:
            found.append(replace(row, names=tuple(names)))
    return sorted(found, key=lambda row: row.names)


def notes(module_name: str) -> list[str]:
    """What is to be said of functions of a module, as a list."""
    prefix = f"{module_name}."
    found = [(key.removeprefix(prefix), text) for key, text in sorted(NOTES.items()) if key.startswith(prefix)]
    return [textwrap.fill(f"- `{name}`: {text}", 120, subsequent_indent="  ") for name, text in found]


def methods() -> tuple[list[str], list[str]]:
    """What a traced array has of an ndarray's public attributes, and what it refuses."""
    there, refused = [], []

    def look(x: Any) -> Any:
        for name in dir(np.ndarray):
            if not name.startswith("_"):
                (refused if _refuses(x, name) else there).append(name)
        return x

    pyad.vjp(look, np.eye(2))
    return there, refused


def _refuses(x: Any, name: str) -> bool:
    try:
        attribute = getattr(x, name)
        if callable(attribute) and not is_traced(attribute):
            attribute()
    except (pyad.errors.ConcretizationError, pyad.errors.UnsupportedError, AttributeError):
        return True
    except (TypeError, ValueError):
        # It asks for arguments.
        return False
    return False


def constants() -> list[str]:
    """Names of NumPy's functions that are constant wherever they are differentiable."""
    table = CONSTANT_UFUNCS | CONSTANT_FUNCTIONS
    return sorted(name for name, f in vars(np).items() if _hashable(f) and f in table and name[0] != "_")


def _hashable(x: Any) -> bool:
    return getattr(type(x), "__hash__", None) is not None and callable(x)


def _names(names: list[str]) -> str:
    listed = ", ".join(f"`{name}`" for name in names) + "."
    return textwrap.fill(listed, 120, break_long_words=False, break_on_hyphens=False)


def page() -> str:
    """The whole page."""
    lines = [TEXT]
    for name in modules():
        found = rows(name)
        if not found:
            continue
        lines.append(f"\n## {name}\n")
        lines.append("| function | value | forward | reverse | second | complex | runs in |")
        lines.append("|---|---|---|---|---|---|---|")
        lines += [row.text() for row in found]
        lines += ["", *notes(name)]
    there, refused = methods()
    lines.append("\n## Methods of arrays\n")
    lines.append("A traced array has these attributes and methods of an `ndarray`:")
    lines.append(_names(there))
    lines.append("\nThese, which would lose the derivative or write into memory, raise an error that says so:")
    lines.append(_names(refused))
    lines.append("\n## Constant\n")
    lines.append("These run on the values and give plain results, since their derivative is zero wherever it exists:")
    lines.append(_names(constants()))
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def table_rows(text: str) -> dict[tuple[str, str], str]:
    """The rows of a page by section and names."""
    found = {}
    section = ""
    for line in text.splitlines():
        if line.startswith("## "):
            section = line[3:]
        elif line.startswith("| `"):
            found[section, line.split(" | ")[0][2:]] = line
    return found


def main() -> int:
    text = page()
    if "--check" not in sys.argv:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    written = table_rows(PAGE.read_text(encoding="utf-8"))
    found = table_rows(text)
    differing = [key for key in {**written, **found} if written.get(key) != found.get(key)]
    for key in differing:
        print(f"{key[0]}: {found.get(key, 'gone: ' + key[1])}")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
