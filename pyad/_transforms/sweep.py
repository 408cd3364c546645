"""One sweep over the tape, with what only Python can do for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyad._binding import engine, memory
from pyad._binding.engine import CALL_PYTHON, FAILED, ffi, lib
from pyad._trace.array import wrap
from pyad._trace.rules import run_rule, supply_rule

FORWARD = lib.PYAD_SWEEP_FORWARD
RECORDED = lib.PYAD_SWEEP_RECORDED
RETAIN = lib.PYAD_SWEEP_RETAIN


def check(status: int) -> None:
    if status:
        raise engine.error(status)


def _drive(status: int, recorded: bool) -> None:
    """Bring the sweep under way to its end after `status`, doing for it what only Python can."""
    if status == 0:
        return
    cell = ffi.new("int64_t *")
    while status == CALL_PYTHON:
        want = lib.pyad_sweep_wants(cell)
        if want == lib.PYAD_CALL_RULE:
            supply_rule(cell[0])
        else:
            run_rule(cell[0], want == lib.PYAD_CALL_FORWARD, recorded)
        status = lib.pyad_sweep_go()
    check(status)


def _sweep_results(handles: list[int], avals: list[tuple[tuple[int, ...], np.dtype]], recorded: bool) -> list[Any]:
    """What has arrived at the given nodes: traced in a recorded sweep, else NumPy; zeros where nothing has."""
    if not recorded:
        return memory.take_gradients(handles, avals)
    out = []
    for h, (shape, dtype) in zip(handles, avals, strict=True):
        value = lib.pyad_sweep_value(h)
        if value >= FAILED:
            raise engine.error(value)
        # One value can be that of several inputs, and of a seed; an array that is written into has its own.
        out.append(wrap(lib.pyad_same(value)) if value else np.zeros(shape, dtype)[()])
    return out


def sweep(
    flags: int,
    outputs: list[int],
    inputs: list[int],
    seeds: list[tuple[int, int]],
    results: list[int],
    avals: list[tuple[tuple[int, ...], np.dtype]],
) -> list[Any]:
    """One sweep from seeds (pairs of node and value) to results."""
    level = lib.pyad_sweep_level() + 1
    try:
        check(lib.pyad_sweep_start(flags, len(outputs), outputs, len(inputs), inputs))
        for node, value in seeds:
            check(lib.pyad_sweep_seed(node, value))
        recorded = bool(flags & RECORDED)
        _drive(lib.pyad_sweep_go(), recorded)
        return _sweep_results(results, avals, recorded)
    finally:
        lib.pyad_sweep_stop_at(level)


def sweep_gradient(
    flags: int, output: int, inputs: list[int], avals: list[tuple[tuple[int, ...], np.dtype]]
) -> list[Any]:
    """One backward sweep from a 0-d output, seeded with one, to the inputs, within a mark of the caller's."""
    status = lib.pyad_sweep_gradient(flags, output, len(inputs), inputs)
    if status not in (0, CALL_PYTHON):
        raise engine.error(status)
    try:
        recorded = bool(flags & RECORDED)
        _drive(status, recorded)
        return _sweep_results(inputs, avals, recorded)
    finally:
        lib.pyad_sweep_stop()
