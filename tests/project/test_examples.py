"""Every example runs as a program of its own, elsewhere than in the checkout, and prints what it is there to show."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(name, folder, *options):
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name), *options], cwd=folder, capture_output=True, text=True, timeout=300
    )


def output(name, folder, *options):
    done = run(name, folder, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def number(pattern, text):
    found = re.search(pattern, text)
    assert found, f"{pattern} not found in:\n{text}"
    return float(found.group(1))


def test_every_example_is_tested():
    source = Path(__file__).read_text()
    assert [path.name for path in EXAMPLES.glob("*.py") if f'"{path.name}"' not in source] == []


def test_digits_reaches_its_accuracy_and_saves_the_curve(tmp_path):
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    shown = output("digits.py", tmp_path)
    assert number(r"held-out accuracy ([\d.]+)%", shown) >= 97
    assert number(r"training loss ([\d.]+)", shown) < 0.1
    assert (tmp_path / "learning_curve.png").read_bytes().startswith(b"\x89PNG")


def test_digits_fails_when_the_accuracy_is_too_low(tmp_path):
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    done = run("digits.py", tmp_path, "--epochs", "1", "--learning-rate", "1e-6", "--plot", "curve.png")
    assert done.returncode == 1
    assert "the held-out accuracy is below 97%" in done.stderr
    assert (tmp_path / "curve.png").exists()


def test_own_function(tmp_path):
    shown = output("own_function.py", tmp_path)
    assert "length 4.0" in shown
    assert number(r"rate of descent ([\d.]+)", shown) == pytest.approx(8, abs=1e-3)


def test_newton(tmp_path):
    shown = output("newton.py", tmp_path)
    assert "minimum at [1. 1. 1. 1. 1. 1. 1. 1. 1. 1.]" in shown


def test_custom_rule(tmp_path):
    assert number(r"largest error ([\d.e+-]+)", output("custom_rule.py", tmp_path)) < 1e-12


def test_curve_fit(tmp_path):
    pytest.importorskip("matplotlib")
    assert number(r"largest error ([\d.]+)", output("curve_fit.py", tmp_path)) < 0.1
    assert (tmp_path / "curve_fit.png").read_bytes().startswith(b"\x89PNG")


def test_logistic_regression(tmp_path):
    pytest.importorskip("matplotlib")
    shown = output("logistic_regression.py", tmp_path)
    assert (tmp_path / "logistic_regression.png").read_bytes().startswith(b"\x89PNG")
    assert number(r"accuracy ([\d.]+)%", shown) > 90
    assert number(r"gradient norm ([\d.e+-]+)", shown) < 1e-3


def test_newton_cg(tmp_path):
    last = output("newton_cg.py", tmp_path).splitlines()[-1]
    assert number(r"gradient norm ([\d.e+-]+)", last) < 1e-8


def test_check_gradients(tmp_path):
    shown = output("check_gradients.py", tmp_path)
    assert "sin(a) * b passes" in shown
    assert "mode rev, order 1 is wrong in 3 of 9 entries" in shown
    assert "numerical 12, computed 8" in shown


def test_wave(tmp_path):
    pytest.importorskip("matplotlib")
    shown = output("wave.py", tmp_path)
    assert number(r"iteration   0: squared error ([\d.]+)", shown) == 1200
    assert number(r"iteration 100: squared error ([\d.]+)", shown) < 30
    assert "recorded once" in shown
    assert (tmp_path / "waves.png").read_bytes().startswith(b"\x89PNG")
