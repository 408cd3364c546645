"""The API reference: a page for each public module, with every name in its `__all__`.

Names that pyad defines have an entry made of their docstring. Those that stand for one of NumPy or SciPy under the same
name are a table, with links to what these say of them.
"""

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from sphinx.application import Sphinx

PAGES = Path(__file__).resolve().parents[1] / "reference" / "api"

# The modules in the order in which they are listed.
MODULES = [
    "pyad",
    "pyad.nn",
    "pyad.numpy",
    "pyad.numpy.linalg",
    "pyad.numpy.fft",
    "pyad.numpy.random",
    "pyad.scipy",
    "pyad.scipy.integrate",
    "pyad.scipy.linalg",
    "pyad.scipy.optimize",
    "pyad.scipy.signal",
    "pyad.scipy.sparse",
    "pyad.scipy.sparse.linalg",
    "pyad.scipy.special",
    "pyad.scipy.stats",
    "pyad.errors",
    "pyad.testing",
    "pyad.tree",
    "pyad.extend",
    "pyad.autograd",
]
# Those whose names are NumPy's, SciPy's or autograd's, and mean the same.
TABLES = ("pyad.numpy", "pyad.scipy.special", "pyad.autograd")

# What stands for a function of NumPy or SciPy has their words beneath its own.
THEIR_WORDS = re.compile(r"^`\w+` in its own words:$")
MARKUP = re.compile(r"(?<!\\)([*|]|(?<=\w)_(?=\W|$))")


def names(module: ModuleType) -> list[str]:
    """The public names of a module."""
    return [name for name in getattr(module, "__all__", []) if not name.startswith("_")]


def summary(thing: object) -> str:
    """The first sentence of a docstring, after the line with the signature that NumPy's ufuncs begin with."""
    paragraphs = [part.replace("\n", " ") for part in (inspect.getdoc(thing) or "").split("\n\n")]
    first = next((part for part in paragraphs if not re.match(r"\w+\(", part)), "")
    # The full stop of an initial ends no sentence.
    sentence = re.match(r".*?(?<!\b[A-Z])\.(?=\s|$)", first)
    return escaped(sentence[0] if sentence else first)


def escaped(line: str) -> str:
    """A line of a docstring in which nothing but code between backticks is markup, whatever its role is."""
    parts = re.split(r"(``[^`]*``|`[^`]*`)", re.sub(r":\w+:(?=`)", "", line))
    parts[::2] = [MARKUP.sub(r"\\\1", part) for part in parts[::2]]
    return "".join(parts)


def elsewhere(module: str, name: str) -> str:
    """Where NumPy or SciPy describes the name of one of our modules; empty where they have none."""
    theirs = module.removeprefix("pyad.")
    try:
        found = getattr(importlib.import_module(theirs), name, None)
    except ModuleNotFoundError:
        return ""
    if found is None or theirs.partition(".")[0] not in ("numpy", "scipy"):
        return ""
    library = theirs.partition(".")[0]
    base = "https://numpy.org/doc/stable" if library == "numpy" else "https://docs.scipy.org/doc/scipy"
    return f"{base}/reference/generated/{theirs}.{name}.html"


# ---- pages ----


def entries(module_name: str, module: ModuleType) -> Iterator[str]:
    """The parts of the page of a module whose names are pyad's own."""
    yield ".. list-table::\n   :widths: auto\n   :class: names\n"
    described = [(name, getattr(module, name)) for name in names(module)]
    for name, thing in described:
        role = "mod" if inspect.ismodule(thing) else "obj"
        yield f"   * - :py:{role}:`{name} <{module_name}.{name}>`\n     - {summary(thing)}"
    for name, thing in described:
        full = f"{module_name}.{name}"
        if inspect.isclass(thing):
            yield f"\n.. autoclass:: {full}\n   :members:\n   :show-inheritance:"
        elif callable(thing):
            yield f"\n.. autofunction:: {full}"
        elif not inspect.ismodule(thing):
            yield f"\n.. autodata:: {full}\n   :no-value:"


def table(module_name: str, module: ModuleType) -> Iterator[str]:
    """The table of a module whose names are those of another library."""
    yield ".. list-table::\n   :widths: auto\n   :class: names\n"
    for name in names(module):
        thing = getattr(module, name)
        link = elsewhere(module_name, name)
        shown = f"`{name} <{link}>`__" if link else f"``{name}``"
        yield f"   * - {shown}\n     - {summary(thing)}"


def page(module_name: str) -> str:
    """The page of a module in reStructuredText."""
    module = importlib.import_module(module_name)
    parts = table(module_name, module) if module_name.startswith(TABLES) else entries(module_name, module)
    heading = f"{module_name}\n{'=' * len(module_name)}\n\n.. automodule:: {module_name}\n   :no-members:\n\n"
    return heading + "\n".join(parts) + "\n"


def write_pages(app: Sphinx, config: object) -> None:
    """Write the pages of all modules; one that has not changed keeps its time, so that it is not read again."""
    PAGES.mkdir(exist_ok=True)
    for name in MODULES:
        path, text = PAGES / f"{name}.rst", page(name)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def without_their_words(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Put a link in the place of what NumPy or SciPy say in a docstring."""
    for number, line in enumerate(lines):
        if THEIR_WORDS.match(line):
            module, _, last = name.rpartition(".")
            theirs = f"{module.removeprefix('pyad.')}.{last}"
            lines[number:] = [f"The arguments are those of `{theirs} <{elsewhere(module, last)}>`__.", ""]
            return


def plain_markup(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Escape what is no markup in a docstring, since it is written to be read in a terminal."""
    for number, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...", ".. ", ":")) and "`__" not in line:
            lines[number] = escaped(line)


def setup(app: Sphinx) -> dict[str, bool]:
    """Enter it into Sphinx."""
    app.connect("config-inited", write_pages)
    # Before Napoleon, which makes fields of the sections, and after it.
    app.connect("autodoc-process-docstring", without_their_words, priority=400)
    app.connect("autodoc-process-docstring", plain_markup, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
