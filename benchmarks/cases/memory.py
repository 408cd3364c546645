"""Peak memory of the largest MLP step beyond its inputs and parameters, and the reading of peaks itself.

Each contestant runs in a process of its own. The peak is the kernel's: VmHWM, reset just before what is measured.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import Case, Goal, Probe, in_fresh_process

STATUS = Path("/proc/self/status")
CLEAR_REFS = Path("/proc/self/clear_refs")


def _status_bytes(field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB", STATUS.read_text(encoding="ascii"), re.MULTILINE)
    if found is None:
        raise OSError(f"{STATUS} has no {field}")
    return int(found.group(1)) * 1024


def _release() -> None:
    """Hands what the C library's allocator holds free back to the system, so that it is not counted as in use."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def peak_of(run: Callable[[], Any]) -> int:
    """Bytes by which the resident size of this process rises above its present one while `run` runs (Linux)."""
    _release()
    CLEAR_REFS.write_text("5", encoding="ascii")  # resets VmHWM to the present resident size
    before = _status_bytes("VmRSS")
    run()
    return _status_bytes("VmHWM") - before


def _touch_blas(products: Callable[[], Any]) -> None:
    """The work space of a BLAS stays for the life of the process; it is made here, before the baseline."""
    products()
    _release()


def step_peak(key: str) -> int:
    """Peak bytes of one training step at the largest size. Runs in a child process.

    Parameters, inputs and the BLAS's work space are there before; a small step has loaded the code. It is the first
    step of its size, so that memory an engine keeps between steps is in the figure and not in the baseline.
    """
    from cases import mlp

    make = mlp.CONTESTANTS[key]
    make(mlp.SETTINGS[0]).step()
    setting = mlp.SETTINGS[-1]
    if key == mlp.PYTORCH:
        _touch_blas(lambda: mlp.torch_products(setting))
    else:
        _touch_blas(mlp.numpy_products(setting).step)
    return peak_of(make(setting).step)


def cases() -> list[Case]:
    """The peak of the largest step."""
    from cases import mlp

    def size(key: str) -> Probe:
        mlp.CONTESTANTS[key](mlp.SETTINGS[0])  # raises ModuleNotFoundError here rather than in the child
        return functools.partial(in_fresh_process, step_peak, key)

    contestants = {key: functools.partial(size, key) for key in (mlp.PYAD, mlp.PYTORCH, mlp.BY_HAND)}
    title = f"peak memory of step {mlp.SETTINGS[-1].title}"
    return [Case("mlp-memory", title, contestants, "B", [Goal(mlp.PYTORCH, 1)], max_rounds=5)]
