"""Time to import over NumPy's, and size on disk."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import statistics
import subprocess
import sys

from harness import Case, Goal, Probe

# NumPy comes first, and outside the clock: what is measured is what a program that uses NumPy anyway has to wait for.
TIMED_IMPORT = "import time, numpy; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"
REPEATS = 3


def import_seconds(module: str) -> float:
    """Seconds of one import over NumPy's, in fresh interpreters that cannot see the current directory."""
    command = [sys.executable, "-P", "-c", TIMED_IMPORT.format(module)]
    samples = []
    for _ in range(REPEATS):
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        samples.append(float(done.stdout))
    return statistics.median(samples)


def installed_bytes(distribution: str) -> float:
    """Bytes of all files a distribution installed, compiled bytecode and metadata included."""
    files = importlib.metadata.files(distribution)
    if files is None:
        raise ValueError(f"{distribution} does not record its files")
    if any(file.name == "direct_url.json" and '"editable": true' in file.read_text() for file in files):
        raise ValueError(f"{distribution} is an editable install; its size means nothing")
    paths = [file.locate() for file in files]
    return float(sum(path.stat().st_size for path in paths if path.is_file()))


def _import_probe(module: str) -> Probe:
    importlib.import_module(module)  # raises ModuleNotFoundError here rather than in the child
    import_seconds(module)
    return functools.partial(import_seconds, module)


def _size_probe(distribution: str) -> Probe:
    importlib.metadata.distribution(distribution)
    return functools.partial(installed_bytes, distribution)


def cases() -> list[Case]:
    """Import time and installed size."""
    modules = {"pyad": "pyad", "PyTorch": "torch", "autograd": "autograd"}
    distributions = {"pyad": "pyad-autodiff", "PyTorch": "torch", "autograd": "autograd"}
    imports = {key: functools.partial(_import_probe, module) for key, module in modules.items()}
    sizes = {key: functools.partial(_size_probe, name) for key, name in distributions.items()}
    return [
        Case("import", "import, over NumPy's", imports, goals=[Goal(limit=30e-3)], max_rounds=9),
        Case("size", "installed size", sizes, "B", [Goal(limit=2e6)], max_rounds=1),
    ]
