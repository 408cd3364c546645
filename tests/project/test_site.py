"""The documentation site builds without a warning, has every public name, and no link of it leads nowhere.

It needs what `pip install ".[docs]"` brings, and is skipped where that is missing.
"""

import fcntl
import html.parser
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import pyad

ROOT = Path(__file__).resolve().parents[2]

for needed in ("sphinx", "myst_parser", "pydata_sphinx_theme", "sphinx_copybutton", "sklearn", "matplotlib"):
    pytest.importorskip(needed)


@pytest.fixture(scope="module")
def site(tmp_path_factory, worker_id):
    """The folder of the site, built once for all workers."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "pyad-site"
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        told = folder.with_suffix(".log")
        if not told.exists():
            command = [
                sys.executable,
                "-P",
                "-m",
                "sphinx",
                "-W",
                "--keep-going",
                "-q",
                str(ROOT / "docs"),
                str(folder),
            ]
            done = subprocess.run(command, capture_output=True, text=True, cwd=base)
            told.write_text("" if done.returncode == 0 else done.stderr, encoding="utf-8")
    assert told.read_text(encoding="utf-8") == ""
    return folder


class Page(html.parser.HTMLParser):
    """What a page links to, what it shows from elsewhere, its anchors, and the words of each cell of its tables."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.cells: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.links += [given[name] for name in ("href", "src") if given.get(name)]
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "td":
            self.cells.append("")

    def handle_data(self, data):
        if self.cells:
            self.cells[-1] += data.strip()


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(path) for path in site.rglob("*.html") if "_static" not in path.parts}


def public_modules():
    found = [pyad]
    for info in pkgutil.walk_packages(pyad.__path__, "pyad."):
        if not any(part.startswith("_") for part in info.name.split(".")):
            found.append(importlib.import_module(info.name))
    # The modules of autograd are listed as a whole: their names are autograd's.
    return [module for module in found if not module.__name__.startswith("pyad.autograd.")]


@pytest.mark.parametrize("module", public_modules(), ids=lambda module: module.__name__)
def test_every_public_name_is_in_the_reference(module, site, pages):
    page = pages[site / "reference" / "api" / f"{module.__name__}.html"]
    described = {anchor.removeprefix(f"{module.__name__}.") for anchor in page.anchors} | set(page.cells)
    assert [name for name in getattr(module, "__all__", []) if name not in described] == []


def test_every_example_has_a_page_with_what_it_prints(site):
    for example in (ROOT / "examples").glob("*.py"):
        text = (site / "examples" / f"{example.stem}.html").read_text(encoding="utf-8")
        assert "highlight-output" in text
    assert (site / "_images" / "digits_learning_curve.png").exists()


def test_no_link_leads_nowhere(site, pages):
    lost = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or link.startswith("data:"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                lost.append(f"{path.relative_to(site)}: {link}")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                lost.append(f"{path.relative_to(site)}: {link} has no such place")
    assert lost == []


def test_links_to_the_repository_lead_to_files_in_it(pages):
    import tomllib

    about = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    links = {link for page in pages.values() for link in page.links if link.startswith(about["urls"]["Source"])}
    places = [re.sub(r"^/(blob|tree)/main/", "", link.removeprefix(about["urls"]["Source"])) for link in links]
    assert len(places) > 3
    assert [place for place in places if not (ROOT / place.lstrip("/")).exists()] == []


def test_the_search_knows_the_guide_and_the_reference(site):
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    assert '"guide/compile"' in index and '"pyad"' in index and "value_and_grad" in index
