"""How the documentation site is built: `python docs/build.py`, with `pip install ".[docs]"`."""

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs" / "tools"))

import pyad  # noqa: E402

with open(ROOT / "pyproject.toml", "rb") as file:
    about = tomllib.load(file)["project"]

project = "pyad"
author = about["authors"][0]["name"]
copyright = f"{author}, {about['license']} licence"
version = release = pyad.__version__
repository = about["urls"]["Source"]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "site_reference",
    "site_examples",
    "site_links",
]
exclude_patterns = ["_build"]
suppress_warnings = ["myst.xref_missing_never"]
nitpicky = False

# ---- pages in Markdown ----

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4

# ---- docstrings: Google's style, in which backticks are code that becomes a link where it names something ----

default_role = "py:obj"
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_numpy_docstring = False
napoleon_use_rtype = False
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True

# ---- how it looks ----

html_theme = "pydata_sphinx_theme"
html_title = "pyad"
html_static_path = ["_static"]
html_css_files = ["pyad.css"]
html_favicon = "_static/logo.svg"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "pyad", "image_light": "_static/logo.svg", "image_dark": "_static/logo.svg"},
    "navbar_align": "left",
    "navigation_depth": 2,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "icon_links": [{"name": "Source", "url": repository, "icon": "fa-solid fa-code"}],
}
