"""The layers of the project. A folder is a layer: its files use only what stands in it or below it, and files of one
layer never use each other in a circle. The two lists have the order, from the bottom.
"""

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CSRC = ROOT / "csrc"
PACKAGE = ROOT / "pyad"

# Folders of csrc/. Those in one tuple do not know each other.
C_LAYERS = [
    ("base",),
    ("array",),
    ("simd",),
    ("kernels",),
    ("primitives",),
    ("tape",),
    ("autodiff", "compile/graph"),
    ("compile/passes",),
    ("compile/plan",),
    ("compile/replay",),
    ("compile",),
    ("engine",),
    ("python",),
]

# Modules and packages below pyad, as if a module were a folder of one file.
PYTHON_LAYERS = [
    ("errors", "_ext"),
    ("_binding",),
    ("_trace",),
    ("_ops",),
    ("_numpy_api",),
    ("_tree_codegen",),
    ("tree",),
    ("_transforms",),
    ("_compile",),
    ("numpy",),
    ("scipy", "testing", "extend"),
    ("autograd",),
    ("nn",),
    ("",),
]

Edges = dict[str, set[str]]


def layer(name: str, layers: list[tuple[str, ...]]) -> tuple[int, str]:
    """The number and the folder of the layer of a file: that of the longest folder it lies below."""
    best = (-1, "")
    for number, folders in enumerate(layers):
        for folder in folders:
            if (name == folder or name.startswith(folder + "/")) and len(folder) >= len(best[1]):
                best = number, folder
    assert best[0] >= 0, f"{name} is in no layer: put it into a folder, or the folder into the list of this test"
    return best


def reaching_up(edges: Edges, layers: list[tuple[str, ...]]) -> list[str]:
    """The uses of a layer above, or of another folder of the same layer, as words."""
    found = []
    for name, used in sorted(edges.items()):
        here, folder = layer(name, layers)
        for other in sorted(used):
            there, other_folder = layer(other, layers)
            if there > here or (there == here and folder != other_folder):
                found.append(f"{name} uses {other}")
    return found


def circles(edges: Edges) -> list[list[str]]:
    """The groups of files that reach each other, each sorted (strongly connected components, by two searches)."""

    def search(start: str, graph: Edges, seen: set[str]) -> list[str]:
        order, stack = [], [(start, iter(sorted(graph.get(start, ()))))]
        seen.add(start)
        while stack:
            name, rest = stack[-1]
            following = next((other for other in rest if other not in seen), None)
            if following is None:
                order.append(name)
                stack.pop()
            else:
                seen.add(following)
                stack.append((following, iter(sorted(graph.get(following, ())))))
        return order

    seen: set[str] = set()
    order = [done for name in sorted(edges) if name not in seen for done in search(name, edges, seen)]
    back: Edges = {}
    for name, used in edges.items():
        for other in used - {name}:
            back.setdefault(other, set()).add(name)
    seen = set()
    groups = [sorted(search(name, back, seen)) for name in reversed(order) if name not in seen]
    return sorted(group for group in groups if len(group) > 1)


# ---- C ----


def c_files() -> list[Path]:
    return sorted(path for path in CSRC.rglob("*.[ch]") if path != CSRC / "pyad.h")


def without_comments(path: Path) -> str:
    return re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)


def c_name(path: Path) -> str:
    """The path below csrc without its suffixes: a header and its source are one file here."""
    return path.relative_to(CSRC).as_posix().split(".")[0]


def c_definitions() -> dict[str, str]:
    """The file that defines each function of the project."""
    found = {}
    for path in c_files():
        if path.suffix == ".c":
            for name in re.findall(
                r"^(?!static)[\w *]*?\b(pyad_\w+)\([^;{]*\)\n\{", without_comments(path), re.MULTILINE
            ):
                found[name] = c_name(path)
    return found


def c_edges() -> tuple[Edges, Edges]:
    """What each file includes, and the files whose functions it calls."""
    included: Edges = {}
    called: Edges = {}
    definitions = c_definitions()
    for path in c_files():
        text, name = without_comments(path), c_name(path)
        includes = re.findall(r'^\s*#\s*include\s+"([^"]+)"', text, flags=re.MULTILINE)
        for other in includes:
            assert (CSRC / other).exists(), f"{name} includes {other}: paths begin below csrc/"
        included.setdefault(name, set()).update(c_name(CSRC / other) for other in includes if other != "pyad.h")
        calls = {definitions[word] for word in re.findall(r"\b(pyad_\w+)\b", text) if word in definitions}
        if path.suffix == ".c":
            called.setdefault(name, set()).update(calls - {name})
    return included, called


def test_c_layers_use_only_those_below():
    included, called = c_edges()
    assert len(included) > 60
    assert sum(map(len, called.values())) > 250
    assert reaching_up(included, C_LAYERS) == []
    assert reaching_up(called, C_LAYERS) == []


def test_no_circles_in_c():
    _, called = c_edges()
    assert circles(called) == []


def test_every_folder_of_the_lists_is_there():
    assert [f for folders in C_LAYERS for f in folders if not (CSRC / f).is_dir()] == []
    names = [f for folders in PYTHON_LAYERS for f in folders if f != "_ext"]
    assert [f for f in names if not ((PACKAGE / f).is_dir() or (PACKAGE / f).with_suffix(".py").exists())] == []


def test_the_engine_knows_no_python():
    for path in c_files():
        if not c_name(path).startswith("python/"):
            assert "Python.h" not in path.read_text(encoding="utf-8"), path


def test_only_the_memory_layer_allocates():
    calls = re.compile(r"\b(malloc|calloc|realloc|free|aligned_alloc|posix_memalign|strdup|alloca)\s*\(")
    for path in c_files():
        if c_name(path) != "base/memory":
            assert calls.search(without_comments(path)) is None, path


def test_nothing_ends_the_process():
    calls = re.compile(r"\b(abort|exit|_exit|quick_exit|assert|raise|longjmp)\s*\(")
    for path in c_files():
        assert calls.search(without_comments(path)) is None, path


# ---- Python ----


def modules() -> dict[str, Path]:
    """Every module by its path below pyad/, as _trace/array; a package by its folder, the package itself by ''."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).with_suffix("").as_posix()
        found[name.removesuffix("__init__").removesuffix("/")] = path
    return found


def imports(source: str, module: str, known: set[str]) -> set[str]:
    """The modules of the package that a source imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            # `from pyad import tree` is an import of pyad.tree, not of what pyad/__init__.py makes of it.
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                is_module = inner == "pyad._ext" or inner.removeprefix("pyad.").replace(".", "/") in known
                found.add(inner if is_module else node.module or "")
    inside = {name for name in found if name == "pyad" or name.startswith("pyad.")}
    return {name.removeprefix("pyad").removeprefix(".").replace(".", "/") for name in inside}


def python_edges() -> Edges:
    files = modules()
    return {name: imports(path.read_text(encoding="utf-8"), name, set(files)) for name, path in files.items()}


def test_modules_import_only_their_layer_or_those_below():
    edges = python_edges()
    assert len(edges) > 100
    assert reaching_up(edges, PYTHON_LAYERS) == []


def test_no_circles_in_python():
    assert circles(python_edges()) == []


def test_only_the_binding_imports_the_extension_module():
    users = {name for name, used in python_edges().items() if "_ext" in used}
    # The package looks whether it is there, to say what to run where it is not.
    assert users == {"", "_binding/engine"}


def test_modules_import_nothing_from_outside():
    """What pyad needs is in the standard library, besides NumPy and the binding's cffi. SciPy is for its namespace."""
    needed = set(sys.stdlib_module_names) | {"numpy", "pyad", "__future__"}
    for name, path in modules().items():
        allowed = needed | {"scipy"} if name.startswith("scipy/") else needed
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            strange = {n.split(".")[0] for n in names} - allowed
            assert not strange, f"{name} imports {strange}"


def test_every_layer_says_what_it_knows():
    for folders in PYTHON_LAYERS:
        for folder in folders:
            path = PACKAGE / folder / "__init__.py"
            if path.exists():
                assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


def heads(folder: str) -> list[str]:
    """The comments at the top of the folder's headers that say what the folder knows and must not know."""
    texts = [path.read_text(encoding="utf-8") for path in sorted((CSRC / folder).glob("*.h"))]
    comments = [re.sub(r"\s+\*?\s*", " ", text.split("*/")[0]) for text in texts if text.startswith("/*")]
    return [comment for comment in comments if re.search(rf"The folder {folder} .*must not know", comment)]


def test_every_c_folder_says_what_it_knows():
    assert {folder: len(heads(folder)) for folders in C_LAYERS for folder in folders if len(heads(folder)) != 1} == {}


# ---- what is written about layers ----


def test_the_page_has_the_same_layers():
    page = (ROOT / "docs/developer/engine.md").read_text(encoding="utf-8")
    table = page[page.index("| layer | knows |") :].split("\n\n")[0].splitlines()[2:]
    rows = [tuple(re.findall(r"`([^`]+)`", row.split("|")[1])) for row in table]
    want = [tuple(f"csrc/{f}" for f in folders) for folders in C_LAYERS]
    want += [tuple(f"pyad/{f}".removesuffix("/") for f in folders) for folders in PYTHON_LAYERS]
    assert rows == want


def test_every_folder_of_c_says_what_it_must_not_know():
    for folders in C_LAYERS:
        for folder in folders:
            headers = [path.read_text(encoding="utf-8") for path in sorted((CSRC / folder).glob("*.h"))]
            heads = [re.sub(r"[\s*]+", " ", text[: text.index("*/")]) for text in headers if text.startswith("/*")]
            told = [head for head in heads if re.search(rf"\bThe folder {folder} (knows|is the only)\b", head)]
            assert len(told) == 1, folder
            assert "must not know" in told[0], folder


# ---- that these tests can fail ----


@pytest.mark.parametrize(
    ("name", "used"),
    [
        ("array/array", "tape/tape"),
        ("kernels/copy", "primitives/exec"),
        ("base/memory", "array/array"),
        ("autodiff/sweep", "compile/graph/graph"),
        ("compile/graph/graph", "autodiff/sweep"),
        ("compile/plan/plan", "compile/replay/run"),
        ("compile/replay/run", "compile/compiled"),
    ],
)
def test_a_c_file_that_reaches_up_is_found(name, used):
    assert reaching_up({name: {used}}, C_LAYERS)


def test_a_file_without_a_layer_is_found():
    with pytest.raises(AssertionError, match="is in no layer"):
        reaching_up({"something_new": {"base/memory"}}, C_LAYERS)


def test_a_folder_without_a_head_is_found(tmp_path, monkeypatch):
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "memory.h").write_text("/* Memory: the one place that allocates. */\n")
    monkeypatch.setattr(sys.modules[__name__], "CSRC", tmp_path)
    assert heads("base") == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("_trace/array", "from pyad._transforms.grad import grad"),
        ("_ops/reductions", "def f():\n    from pyad import numpy\n"),
        ("_binding/engine", "import pyad._trace.op"),
        ("_transforms/grad", "def f():\n    import pyad\n"),
        ("numpy", "from pyad.nn import dense"),
        ("extend", "from pyad import scipy"),
    ],
)
def test_a_module_that_reaches_up_is_found(module, source):
    assert reaching_up({module: imports(source, module, set(modules()))}, PYTHON_LAYERS)


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]
    assert circles({"a": {"b", "a"}, "b": set()}) == []
