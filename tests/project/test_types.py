"""What type checkers make of a user's program. That the package itself is clean is one of the linters' checks."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.calls import NEW_NUMPY

# Earlier releases of NumPy describe their own functions less well.
pytestmark = pytest.mark.skipif(not NEW_NUMPY, reason="another NumPy, other stubs")

RIGHT = """
from collections.abc import Callable

import numpy as np
from typing_extensions import assert_type

import pyad
import pyad.numpy as pnp
from pyad import nn


def loss(weights: np.ndarray, rate: float = 1.0) -> float:
    return float(pnp.sum(weights) * rate)


def with_aux(weights: np.ndarray) -> tuple[float, str]:
    return loss(weights), "of the weights"


x = np.ones(3)
slope = pyad.grad(loss)(x, rate=2.0)
third = pyad.grad(pyad.grad(lambda z: z**3))(2.0)
value, gradient = pyad.value_and_grad(loss)(x)
assert_type(value, float)
(value, words), gradient = pyad.value_and_grad(with_aux, has_aux=True)(x)
assert_type(words, str)
y, pullback = pyad.vjp(loss, x)
assert_type(y, float)
(x_bar,) = pullback(1.0)
y, y_dot = pyad.jvp(loss, (x,), (x,))
assert_type(y, float)
rows = pyad.jacobian(np.tanh)(x)
square = pyad.hessian(loss)(x)
product = pyad.hvp(loss, (x,), (x,))
replayed = pyad.compile(loss)
assert_type(replayed(x, rate=0.5), float)
assert_type(replayed.recorded, int)
again: Callable[..., float] = pyad.checkpoint(loss)
norm = pnp.linalg.norm(pnp.fft.fft(x))
assert_type(pnp.random.default_rng(0), np.random.Generator)
params = nn.init_mlp(np.random.default_rng(0), [3, 4, 1])
out = pyad.nn.mlp(params, x)
pyad.testing.check_grads(loss, (x,))
leaves, structure = pyad.tree.flatten({"w": x})
expit = pyad.scipy.special.expit(x)
kind = pyad.errors.ShapeError
pyad.extend.primitive(np.sin)
"""

# Lines that are wrong, and a word of what each checker must say about them.
WRONG = {
    'pyad.grad(loss)("text")': "str|text",
    "pyad.grad(loss)(x, speed=2.0)": "speed",
    "pyad.value_and_grad(loss)(x)[0].upper()": "upper",
    "pyad.compile(loss)(x, 1.0, 2.0)": "arguments|positional",
    'pyad.compile(loss)(x, "fast")': "str|fast",
    "pyad.gradient(loss)": "gradient",
    "pyad.grad(3)": "int|Literal",
    "nn.mlpp(x)": "mlpp",
    "pnp.linalg.nrom(x)": "nrom",
    'pyad.value_and_grad(loss, argnums="w")': "str|overload",
}

CHECKERS = {
    "mypy": [sys.executable, "-m", "mypy", "--no-error-summary", "--cache-dir={folder}"],
    "pyright": [sys.executable, "-m", "basedpyright", "--level=error", f"--pythonpath={sys.executable}"],
}


def complaints(checker: str, program: str, folder: Path) -> dict[int, str]:
    """What a checker says of a program, by line."""
    path = folder / "program.py"
    path.write_text(program, encoding="utf-8")
    (folder / "pyproject.toml").write_text('[tool.basedpyright]\ntypeCheckingMode = "standard"\n', encoding="utf-8")
    command = [word.format(folder=folder) for word in CHECKERS[checker]]
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, cwd=folder)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: dict[int, str] = {}
    for line, words in re.findall(r"program\.py:(\d+)(?::\d+)?(?: -)?:? error: (.*(?:\n    .*)*)", done.stdout):
        found[int(line)] = found.get(int(line), "") + words
    assert (done.returncode == 1) == bool(found), done.stdout + done.stderr
    return found


@pytest.mark.parametrize("checker", CHECKERS)
def test_wrong_lines_are_found_and_right_ones_are_not(checker, tmp_path):
    first = RIGHT.count("\n") + 1
    found = complaints(checker, RIGHT + "\n".join(WRONG), tmp_path)
    assert sorted(found) == list(range(first, first + len(WRONG))), found
    for number, (line, words) in enumerate(WRONG.items(), start=first):
        assert re.search(words, found[number]), f"{line}: {found[number]}"
