"""Measures pyad against its peers and writes the table: `python benchmarks/run.py`.

Run it with `--list` to see the cases, with names (or parts of names) to measure only some of them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import harness

HERE = Path(__file__).resolve().parent


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", nargs="*", help="(part of) the name of a case to measure; none means all")
    parser.add_argument("--list", action="store_true", help="print the names of the cases and stop")
    parser.add_argument("--rounds", type=int, default=25, help="alternating rounds (default 25; slow cases take fewer)")
    parser.add_argument("--only", action="append", metavar="NAME", help="only this contestant; may be repeated")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads for each contestant (default 1)")
    parser.add_argument("--output", type=Path, help="where to write, without suffix (default: benchmarks/results)")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    if options.threads < 1:
        parser.error("--threads must be at least 1")
    return options


def select(cases: list[harness.Case], wanted: list[str], only: list[str] | None) -> list[harness.Case]:
    """The cases whose name contains one of `wanted`, with the contestants whose name starts with one of `only`."""
    for part in wanted:
        if not any(part in case.name for case in cases):
            raise SystemExit(f"no case is called {part!r}; --list prints the names")
    chosen = [case for case in cases if not wanted or any(part in case.name for part in wanted)]
    if not only:
        return chosen
    kept = []
    for case in chosen:
        names = [name for name in case.contestants if any(name.startswith(start) for start in only)]
        if names:
            kept.append(harness.narrowed(case, names))
    return kept


def main(arguments: list[str] | None = None) -> int:
    """Runs the chosen cases. Exit status 1 when pyad misses one of its goals."""
    options = parse_arguments(arguments)
    harness.pin_threads(options.threads)
    import cases  # only now: it loads NumPy, which reads the number of its threads once

    chosen = select(cases.all_cases(), options.case, options.only)
    if options.list:
        for case in chosen:
            print(f"{case.name:24} {case.title}")
        return 0
    results = []
    for case in chosen:
        print(f"{case.name} ...", file=sys.stderr, flush=True)
        results.append(harness.measure(case, options.rounds))
        harness.check_threads()
    print(harness.render(results, "simple"))
    # A run of some of the cases, or with other threads, must not replace the report on all of them.
    whole = not options.case and not options.only and options.threads == 1
    output = options.output or (HERE / "results" if whole else None)
    if output is not None:
        where = harness.environment()
        command = "python benchmarks/run.py" + (f" --threads {options.threads}" if options.threads > 1 else "")
        harness.write_markdown(output.with_suffix(".md"), results, where, command)
        harness.write_json(output.with_suffix(".json"), results, where)
    missed = [goal for result in results for goal in result.case.goals if result.met(goal) is False]
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
