"""What docs/developer/adding-an-op.md says of a new operation is all there is to do: its lines are put into a copy of
the tree, which is built, and the tests that go over all operations are run there, on the new ones.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "developer" / "adding-an-op.md"
# Where a line goes: the file it is said to go into, and the line it goes after; None for the end.
PLACES = {
    "csrc/simd/loop_list.h": "    X(RECIPROCAL, ",
    "csrc/simd/loops.h": "    UNARY_OP(reciprocal, ",
    "pyad/_ops/arithmetic.py": None,
    "pyad/_ops/explog_trig.py": None,
}
TOOLS = ["cmake", "ninja", "cc"]
# A block of a line that goes into a file: the file is named before it in bold.
BLOCK = re.compile(r"^\*\*In `([^`]+)`[^\n]*\n(?:(?!\n```).)*?\n```\w*\n(.*?)\n```", re.DOTALL | re.MULTILINE)

# What is true of every operation that NumPy runs; those of the engine have tests/ops/test_every_op.py.
CHECKS_OF_A_NUMPY_OP = """
import numpy as np
import pyad
from pyad.testing import check_grads
from pyad._ops.explog_trig import gauss

x = np.array([-1.5, 0.0, 0.25, 2.0])
assert np.array_equal(gauss(x), np.exp(-x * x))
for dtype in (np.float32, np.float64):
    value, pullback = pyad.vjp(gauss, x.astype(dtype))
    assert value.dtype == dtype and np.array_equal(value, np.exp(-x.astype(dtype) ** 2))
    assert pullback(value)[0].dtype == dtype
check_grads(gauss, (x,), order=3)
slope = pyad.grad(lambda x: gauss(x)[1:].sum())
assert np.array_equal(pyad.compile(slope)(x), slope(x))
"""


def lines_of_the_page() -> dict[str, str]:
    """What the page says to write, by the file it goes into."""
    return dict(BLOCK.findall(PAGE.read_text(encoding="utf-8")))


def copy_of_the_tree(to: Path) -> Path:
    for folder in ("csrc", "pyad", "tests", "docs"):
        shutil.copytree(ROOT / folder, to / folder, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    for file in ("CMakeLists.txt", "pyproject.toml"):
        shutil.copy(ROOT / file, to / file)
    return to


def add(path: Path, line: str, after: str | None) -> None:
    """Write a line into a file, after the one that begins as said; in a macro it gets a backslash."""
    text = path.read_text(encoding="utf-8")
    if after is None:
        path.write_text(f"{text}\n\n{line}\n", encoding="utf-8")
        return
    before = next(found for found in text.split("\n") if found.startswith(after))
    path.write_text(text.replace(before, f"{before}\n{line.rstrip(' ').removesuffix(chr(92))} \\", 1), encoding="utf-8")


def run(command: list[str], folder: Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def build(tree: Path, name: str, target: str, *settings: str) -> Path:
    folder = tree / name
    settings = ("-DCMAKE_BUILD_TYPE=Debug", "-DPYAD_WERROR=ON", *settings)
    run(["cmake", "-S", str(tree), "-B", str(folder), "-G", "Ninja", *settings], tree)
    run(["cmake", "--build", str(folder), "--target", target], tree)
    return folder


@pytest.fixture
def scripts_of_packages(monkeypatch):
    """cmake and ninja may be packages of this interpreter, whose scripts need not be on the path."""
    monkeypatch.setenv("PATH", os.pathsep.join([os.environ["PATH"], sysconfig.get_path("scripts")]))
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"building needs {', '.join(missing)}")


def test_the_page_says_three_lines_for_a_kernel_and_one_for_what_numpy_runs():
    lines = lines_of_the_page()
    assert set(lines) == set(PLACES)
    for path in ("csrc/simd/loop_list.h", "csrc/simd/loops.h"):
        assert "\n" not in lines[path]
    for path in ("pyad/_ops/arithmetic.py", "pyad/_ops/explog_trig.py"):
        # One statement, which the formatter may have broken.
        assert len(compile(lines[path], path, "exec", flags=0x400).body) == 1  # type: ignore[attr-defined]


def test_an_op_is_added_by_the_lines_of_the_page(tmp_path, scripts_of_packages):
    tree = copy_of_the_tree(tmp_path / "tree")
    for path, line in lines_of_the_page().items():
        add(tree / path, line, PLACES[path])
    run([str(build(tree, "c", "test_loops", "-DPYAD_TESTS=ON") / "test_loops")], tree)
    settings = ("-DSKBUILD_SABI_COMPONENT=Development.SABIModule", "-DSKBUILD_SABI_VERSION=3.11")
    made = build(tree, "extension", "_ext", f"-DPython_EXECUTABLE={sys.executable}", *settings)
    module = next(made.glob("_ext*.so"))
    shutil.copy(module, tree / "pyad" / module.name)
    python = [sys.executable, "-P"]
    tests = [*python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/ops/test_every_op.py", "-k", "softsign"]
    told = run(tests, tree, PYTHONPATH=str(tree), OPENBLAS_NUM_THREADS="1")
    assert int(re.search(r"(\d+) passed", told)[1]) > 30, told
    where = run([*python, "-c", "import pyad; print(pyad.__file__)"], tree, PYTHONPATH=str(tree))
    assert str(tree) in where
    run([*python, "-c", CHECKS_OF_A_NUMPY_OP], tree, PYTHONPATH=str(tree))
