"""Alternating rounds, medians and the table.

A case has contestants; a contestant is a probe, a call without arguments that takes one sample and returns it as a
float in the unit of the case. Every round takes one sample from each contestant, so that whatever else the machine is
doing falls on all of them alike, and what is reported is the median over the rounds and the ratio of two medians.

Nothing here imports NumPy or a peer: `pin_threads` has to run before the first of them is loaded.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import gc
import importlib.metadata
import json
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Probe = Callable[[], float]

SUBJECT = "pyad"
BLOCK_SECONDS = 0.01
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "NUMEXPR_NUM_THREADS")
XLA_THREAD_VARIABLES = ("PJRT_NPROC", "NPROC")  # XLA makes as many threads as it finds processors, or as these say
VERSIONS_OF = ("pyad-autodiff", "numpy", "jax", "torch", "autograd", "micrograd")


class Unavailable(Exception):
    """A contestant that cannot run here; its message, short enough for a table, says why."""


@dataclasses.dataclass(frozen=True)
class Goal:
    """What pyad has to reach: `times` as fast as `peer`, or at most `limit` in the unit of the case."""

    peer: str | None = None
    times: float | None = None
    limit: float | None = None
    subject: str = SUBJECT


@dataclasses.dataclass(frozen=True)
class Case:
    """One row of work.

    `contestants` maps a name to a factory; the factory does the imports and the set-up and returns the probe.
    A factory that raises ModuleNotFoundError is left out and reported as not installed; for one that
    raises Unavailable its message is reported.
    `check` raises when the contestants do not agree; it is called with the names of those that are installed.
    """

    name: str
    title: str
    contestants: dict[str, Callable[[], Probe]]
    unit: str = "s"
    goals: Sequence[Goal] = ()
    check: Callable[[Sequence[str]], None] | None = None
    max_rounds: int | None = None


@dataclasses.dataclass
class Result:
    """Samples of one case by contestant."""

    case: Case
    samples: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    missing: dict[str, str] = dataclasses.field(default_factory=dict)

    def median(self, name: str) -> float | None:
        samples = self.samples.get(name)
        return statistics.median(samples) if samples else None

    def ratio(self, peer: str, subject: str = SUBJECT) -> float | None:
        """Median of the peer over median of the subject; None when either was not measured."""
        above = self.median(peer)
        below = self.median(subject)
        if above is None or not below or below < 0:
            return None
        return above / below

    def met(self, goal: Goal) -> bool | None:
        value = self.median(goal.subject)
        if value is None:
            return None
        if goal.limit is not None:
            return value <= goal.limit
        peer = self.median(goal.peer)
        return None if peer is None else value * goal.times <= peer


def pin_threads(count: int = 1) -> None:
    """Asks every thread pool for `count` threads. Must run before NumPy or a peer is imported; children inherit it."""
    for name in (*THREAD_VARIABLES, *XLA_THREAD_VARIABLES):
        os.environ[name] = str(count)
    os.environ["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={str(count > 1).lower()}"
    os.environ["JAX_PLATFORMS"] = "cpu"


def threads() -> int:
    """The number of threads that `pin_threads` has asked for, here or in the parent process."""
    return int(os.environ.get(THREAD_VARIABLES[0], 1))


def timer(run: Callable[[], Any], per: int = 1) -> Probe:
    """A probe that gives the seconds of one call of `run`, divided by `per`.

    Short calls are repeated within a sample until it lasts about BLOCK_SECONDS; how often is settled once, here, which
    warms the caches too. The collector stays on, as it is in a user's program, but starts every sample clean.
    """
    run()
    start = time.perf_counter()
    run()
    once = time.perf_counter() - start
    calls = max(1, round(BLOCK_SECONDS / max(once, 1e-9)))

    def probe() -> float:
        gc.collect()
        start = time.perf_counter()
        for _ in range(calls):
            run()
        return (time.perf_counter() - start) / calls / per

    return probe


def timer_once(run: Callable[[], Any]) -> Probe:
    """A probe for long calls: the seconds of one call of `run`, without the calls that settle a repeat count."""

    def probe() -> float:
        gc.collect()
        start = time.perf_counter()
        run()
        return time.perf_counter() - start

    return probe


def in_fresh_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls a module-level function in a new interpreter, not a fork, and returns its result."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


def narrowed(case: Case, names: Sequence[str]) -> Case:
    """The case with only these contestants."""
    return dataclasses.replace(case, contestants={name: case.contestants[name] for name in names})


def measure(case: Case, rounds: int) -> Result:
    """Builds the contestants, checks that they agree, and takes the samples in alternating rounds."""
    result = Result(case)
    probes: dict[str, Probe] = {}
    for name, factory in case.contestants.items():
        try:
            probes[name] = factory()
        except ModuleNotFoundError as error:
            result.missing[name] = f"{error.name or error} is not installed"
        except Unavailable as error:
            result.missing[name] = str(error)
    if case.check is not None:
        case.check(list(probes))
    gc.collect()
    gc.freeze()
    result.samples = {name: [] for name in probes}
    names = list(probes)
    for turn in range(min(rounds, case.max_rounds or rounds) if names else 0):
        # Another contestant leads each round, so that none always runs on the caches of the same neighbour.
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            result.samples[name].append(probes[name]())
    gc.unfreeze()
    return result


def quantity(value: float | None, unit: str) -> str:
    """A value with a unit that suits its size: "1.53 ms", "12.0 MB"."""
    if value is None:
        return "-"
    if unit == "s":
        steps = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
    else:
        steps = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))
    for size, name in steps:
        if abs(value) >= size:
            return f"{value / size:.3g} {name}" if abs(value) < 999.5 * size else f"{value / size:.0f} {name}"
    return f"{value / steps[-1][0]:.2g} {steps[-1][1]}"


def _goal_text(goal: Goal, unit: str) -> str:
    if goal.limit is not None:
        return f"at most {quantity(goal.limit, unit)}"
    if goal.times == 1:
        return "at least as good"
    if goal.times < 1:
        return f"within {1 / goal.times - 1:.0%}"
    return f"{goal.times:g}x"


def _goals_of(result: Result, name: str) -> list[Goal]:
    """The goals printed on the line of a contestant: limits with their subject, the others with their peer."""
    return [goal for goal in result.case.goals if (goal.subject if goal.limit is not None else goal.peer) == name]


def table_rows(results: Sequence[Result]) -> list[list[str]]:
    """One line per contestant: case, contestant, median, quartiles, ratio to pyad, goal, verdict."""
    rows = []
    for result in results:
        title = result.case.title
        unit = result.case.unit
        for name in result.case.contestants:
            median = result.median(name)
            ratio = None if name == SUBJECT else result.ratio(name)
            goals = _goals_of(result, name)
            verdicts = [{True: "yes", False: "NO", None: "-"}[result.met(goal)] for goal in goals]
            spread = "-"
            if median is not None and len(result.samples[name]) > 1:
                low, _, high = statistics.quantiles(result.samples[name], n=4, method="inclusive")
                spread = f"{quantity(low, unit)} .. {quantity(high, unit)}"
            shown = quantity(median, unit) if name in result.samples else result.missing[name]
            goal_text = ", ".join(_goal_text(goal, unit) for goal in goals)
            rows.append(
                [title, name, shown, spread, "" if ratio is None else f"{ratio:.2f}x", goal_text, ", ".join(verdicts)]
            )
            title = ""
    return rows


def render(results: Sequence[Result], style: str) -> str:
    """The table as text, in one of tabulate's formats."""
    from tabulate import tabulate

    headers = ["work", "contestant", "median", "quartiles", f"over {SUBJECT}", "goal", "met"]
    return tabulate(table_rows(results), headers, tablefmt=style, disable_numparse=True)


def environment() -> dict[str, Any]:
    """Processor, interpreter, versions and thread pools, for the head of a report. No paths."""
    versions = {}
    for name in VERSIONS_OF:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return {
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions,
        "threads": threads(),
        "pools": _pools(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else platform.processor()


def _pools() -> list[dict[str, Any]]:
    import threadpoolctl

    keys = ("user_api", "internal_api", "version", "architecture", "num_threads")
    return [{key: pool.get(key) for key in keys} for pool in threadpoolctl.threadpool_info()]


def check_threads() -> None:
    """Raises when a thread pool that is loaded by now has more threads than were asked for."""
    for pool in _pools():
        if pool["num_threads"] > threads():
            raise RuntimeError(f"{pool['internal_api']} runs {pool['num_threads']} threads, not {threads()}")


def write_markdown(path: Path, results: Sequence[Result], where: dict[str, Any], command: str) -> None:
    """The table and what it was measured on, as Markdown."""
    versions = ", ".join(f"{name} {version}" for name, version in where["versions"].items() if version)
    pools = "Single thread" if threads() == 1 else f"{threads()} threads"
    lines = [
        "# Benchmark results",
        "",
        f"Written by `{command}`. {pools}, alternating rounds; medians, and peer over pyad (above 1, pyad wins).",
        "What each row means is in [README.md](README.md).",
        "",
        f"{where['processor']}; {where['system']}; Python {where['python']}; {versions}.",
        "",
        render(results, "github"),
        "",
    ]
    path.write_text("\n".join(lines), encoding="utf-8")


def write_json(path: Path, results: Sequence[Result], where: dict[str, Any]) -> None:
    """Every sample, with medians, ratios and goals."""
    cases = []
    for result in results:
        names = list(result.samples)
        goals = [
            {"peer": goal.peer, "times": goal.times, "limit": goal.limit, "of": goal.subject, "met": result.met(goal)}
            for goal in result.case.goals
        ]
        cases.append(
            {
                "name": result.case.name,
                "title": result.case.title,
                "unit": result.case.unit,
                "best": {name: min(result.samples[name]) for name in names},
                "median": {name: result.median(name) for name in names},
                "over_pyad": {name: result.ratio(name) for name in names if name != SUBJECT},
                "goals": goals,
                "missing": result.missing,
                "samples": result.samples,
            }
        )
    path.write_text(json.dumps({"environment": where, "cases": cases}, indent=1) + "\n", encoding="utf-8")
