"""What the docstrings and the pages say is run: every session and every block of Python.

The blocks of a page run in the order they stand, in one session of IPython, as if they were pasted there. What a block
prints must stand in the block after it, which is fenced as `output`. Blocks of other languages are left alone.
"""

import contextlib
import doctest
import importlib
import io
import itertools
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import pyad

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
FENCE = re.compile(r"^```([\w{}]*)[^\n]*\n(.*?)^```\s*$", re.DOTALL | re.MULTILINE)


@pytest.fixture(autouse=True)
def plain_printing():
    with np.printoptions(legacy=False):
        yield


def modules():
    names = ["pyad"]
    names += [i.name for i in pkgutil.walk_packages(pyad.__path__, "pyad.") if not i.name.startswith("pyad._ext")]
    return names


def run_examples(test: doctest.DocTest) -> None:
    told: list[str] = []
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    runner.run(test, out=told.append, clear_globs=False)
    assert runner.failures == 0, "".join(told)


# ---- docstrings ----


def sessions(name: str) -> list[doctest.DocTest]:
    """Those in the docstrings of a module, which may leave out the imports of NumPy and pyad (what users see has
    them)."""
    module = importlib.import_module(name)
    found = doctest.DocTestFinder().find(module, name, extraglobs={"np": np, "pyad": pyad})
    return [test for test in found if test.examples and not newer_functions(test)]


def newer_functions(test: doctest.DocTest) -> set[str]:
    """The functions in a session that this NumPy does not have yet: there, nobody sees the docstring."""
    used = {name for example in test.examples for name in re.findall(r"\bnp\.(\w+)", example.source)}
    return {name for name in used if not hasattr(np, name)}


@pytest.mark.parametrize("name", modules())
def test_docstrings(name):
    for test in sessions(name):
        run_examples(test)


def test_there_are_docstrings_with_examples():
    count = sum(len(test.examples) for name in modules() for test in sessions(name))
    assert count > 60


# ---- pages ----


def blocks(page: Path) -> list[tuple[int, str, str]]:
    """The blocks of a page: the number of the line each begins on, its language and its text."""
    text = page.read_text(encoding="utf-8")
    return [(text.count("\n", 0, match.start(2)) + 1, match[1], match[2]) for match in FENCE.finditer(text)]


def run_page(page: Path) -> None:
    """Run the blocks of a page in a new session of IPython."""
    # Without a history, which would be a file.
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}), user_ns={"__name__": "__page__"})
    shell.ast_node_interactivity = "none"
    checker = doctest.OutputChecker()
    held = blocks(page)
    for (line, language, source), (_, next_language, expected) in itertools.pairwise([*held, (0, "", "")]):
        if language != "python":
            continue
        assert ">>> " not in source, f"{page.name}:{line} has prompts, which cannot be pasted with what is printed"
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            # As many empty lines before it as make the numbers in a traceback those of the page.
            result = shell.run_cell("\n" * (line - 1) + source, store_history=False)
        result.raise_error()
        expected = expected if next_language == "output" else ""
        if not checker.check_output(expected, printed.getvalue(), FLAGS):
            pytest.fail(f"{page.name}:{line} prints\n{printed.getvalue()}and the page says\n{expected}")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_pages(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    run_page(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    for link in links:
        if not re.match(r"\w+:", link) and not link.startswith("#"):
            assert (page.parent / link.split("#")[0]).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_fence_says_what_it_holds(page):
    opening = [match[1] for match in FENCE.finditer(page.read_text(encoding="utf-8"))]
    assert all(opening), f"{page.name} has a block without a language"
    assert len(re.findall("^```", page.read_text(encoding="utf-8"), re.MULTILINE)) == 2 * len(opening)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("```python\nprint(1 + 1)\n```\n\n```output\n3\n```\n", "the page says\n3"),
        ("```python\nprint(1 + 1)\n```\n", "prints\n2"),
        ("```python\n>>> 1 + 1\n2\n```\n", "has prompts"),
        ("text\n\n```python\nx = 1\n```\n\n```python\nassert x == 2\n```\n", "^$"),
        ("```python\nif True:\nx = 1\n```\n", "expected an indented block"),
    ],
)
def test_pages_that_are_wrong_are_found(text, problem, tmp_path):
    wrong = tmp_path / "wrong.md"
    wrong.write_text(text, encoding="utf-8")
    with pytest.raises((AssertionError, SyntaxError, pytest.fail.Exception), match=problem):
        run_page(wrong)


def test_readme_has_its_two_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = dict(re.findall(r"<!-- command: (\w+) -->\s*```\w*\n(.*?)```", text, re.DOTALL))
    assert commands["main"].strip() == 'pip install ".[examples]" && python examples/digits.py'
    assert commands["test"].strip() == 'pip install ".[test]" && python tests/run.py'


def test_the_tour_is_short():
    source = next(source for _, language, source in blocks(ROOT / "README.md") if language == "python")
    assert len([line for line in source.splitlines() if line.strip()]) <= 22


def test_the_picture_of_the_tape_is_what_its_script_draws(tmp_path):
    picture = tmp_path / "tape.svg"
    command = [sys.executable, "-P", str(ROOT / "docs" / "developer" / "pictures" / "tape.py"), str(picture)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=os.environ | {"MPLBACKEND": "Agg"})
    assert done.returncode == 0, done.stderr
    assert picture.read_text(encoding="utf-8") == (ROOT / "docs" / "developer" / "pictures" / "tape.svg").read_text(
        encoding="utf-8"
    )
