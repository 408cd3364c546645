"""Links that hold in the repository hold on the site too.

A page links to files by their place in the repository. On the site, a link to a file that a page includes goes to that
page, and one to a file that no page shows goes to the repository. Code that names something of the reference, such as
`pyad.grad`, becomes a link to it.
"""

import posixpath
import re
from pathlib import Path, PurePosixPath

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"(^```.*?^```)", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)\s#]+)")
NAME = re.compile(r"(?:pyad|nn|errors)(?:\.\w+)+(?=\(|$)")

# What pages include: the file in the repository, and the page.
INCLUDED = {
    "README.md": "docs/index.md",
    "CHANGELOG.md": "docs/changelog.md",
    "CONTRIBUTING.md": "docs/developer/contributing.md",
    "benchmarks/README.md": "docs/developer/benchmarks.md",
}


def on_the_site(target: str, place: PurePosixPath, page: PurePosixPath, repository: str) -> str:
    """What a link in the text of the file `place`, which is shown on `page`, is on the site."""
    found = (ROOT / place.parent / target).resolve().relative_to(ROOT).as_posix()
    if (ROOT / found).is_dir() and (ROOT / found / "index.md").exists():
        found += "/index.md"
    if found.startswith("examples/"):
        found = f"docs/{found.removesuffix('.py')}.rst"
    elif found == "examples":
        found = "docs/examples/index.rst"
    found = INCLUDED.get(found, found)
    if found.startswith("docs/") and not found.endswith(".py"):
        return posixpath.relpath(found, page.parent)
    kind = "tree" if (ROOT / found).is_dir() else "blob"
    return f"{repository}/{kind}/main/{found}"


def rewritten(text: str, place: PurePosixPath, page: PurePosixPath, repository: str) -> str:
    """The text of a page with its links as they are on the site; blocks of code stay as they are."""
    parts = FENCE.split(text)
    parts[::2] = [LINK.sub(lambda m: on_the_site(m[1], place, page, repository), part) for part in parts[::2]]
    return "".join(parts)


def page_read(app: Sphinx, docname: str, source: list[str]) -> None:
    """Rewrite the links of a page."""
    page = PurePosixPath("docs", f"{docname}.md")
    if (ROOT / page).exists():
        source[0] = rewritten(source[0], page, page, app.config.repository)


def file_included(app: Sphinx, path: Path, parent: str, source: list[str]) -> None:
    """Rewrite the links of a file that a page includes."""
    place = PurePosixPath((ROOT / "docs" / path).resolve().relative_to(ROOT).as_posix())
    page = PurePosixPath("docs", f"{app.env.docname}.md")
    source[0] = rewritten(source[0], place, page, app.config.repository)


class LinkNames(SphinxTransform):
    """Code in a sentence that is a name of the reference becomes a link to it."""

    default_priority = 500

    def apply(self, **_: object) -> None:
        for code in list(self.document.findall(nodes.literal)):
            found = NAME.match(code.astext())
            if not found or isinstance(code.parent, nodes.reference | pending_xref | nodes.title):
                continue
            name = found[0] if found[0].startswith("pyad") else f"pyad.{found[0]}"
            link = pending_xref(
                "", refdomain="py", reftype="obj", reftarget=name, refdoc=self.env.docname, refwarn=False
            )
            code.replace_self(link)
            link += code


def setup(app: Sphinx) -> dict[str, bool]:
    """Enter it into Sphinx."""
    app.add_config_value("repository", "", "env")
    app.connect("source-read", page_read)
    app.connect("include-read", file_included)
    app.add_transform(LinkNames)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
