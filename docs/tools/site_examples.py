"""A page for each example: what it says of itself, its picture, its source, and what it prints.

The examples are run when the site is built; a page is written again when its example has changed since.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "examples"
PROGRESS = re.compile(r"^.*\r", re.MULTILINE)


def run(example: Path, page: Path) -> tuple[str, list[str]]:
    """What an example prints, and the names of the pictures it saves, which are put beside the page."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-P", str(example)]
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, env=os.environ | {"MPLBACKEND": "Agg"}
        )
        if done.returncode != 0:
            raise RuntimeError(f"{example.name} failed:\n{done.stderr}")
        pictures = []
        for picture in sorted(Path(folder).glob("*.png")):
            pictures.append(f"{page.stem}_{picture.name}")
            shutil.copy(picture, page.parent / pictures[-1])
    return PROGRESS.sub("", done.stdout), pictures


def heading(words: str) -> str:
    """The heading of a page in reStructuredText."""
    return f"{words}\n{'=' * len(words)}\n"


def write_page(example: Path, page: Path) -> None:
    """Run an example and write its page."""
    words = ast.get_docstring(ast.parse(example.read_text(encoding="utf-8"))) or ""
    title = re.split(r"[:,.]", words)[0].replace("`", "")
    printed, pictures = run(example, page)
    text = [heading(title), words]
    text += [f".. image:: {picture}\n   :alt: {title}" for picture in pictures]
    text += [f".. literalinclude:: ../../examples/{example.name}\n   :caption: examples/{example.name}"]
    text += ["It prints", ".. code-block:: output\n\n" + "\n".join(f"   {line}" for line in printed.splitlines())]
    page.write_text("\n\n".join(text) + "\n", encoding="utf-8")


def write_pages(app: Sphinx, config: object) -> None:
    """Write the pages of the examples, and the one that lists them."""
    PAGES.mkdir(exist_ok=True)
    examples = sorted((ROOT / "examples").glob("*.py"))
    for example in examples:
        page = PAGES / f"{example.stem}.rst"
        if not page.exists() or page.stat().st_mtime < example.stat().st_mtime:
            write_page(example, page)
    names = "\n".join(f"   {example.stem}" for example in examples)
    index = f"{heading('Examples')}\nOne program for each idea.\n\n.. toctree::\n   :maxdepth: 1\n\n{names}\n"
    (PAGES / "index.rst").write_text(index, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Enter it into Sphinx."""
    app.connect("config-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
