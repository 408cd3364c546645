"""The layers of the project: every file includes or imports only what stands in its own layer or above it.

The two tables name every source file. A new file fails here until somebody has said where it belongs.
"""

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CSRC = ROOT / "csrc"
PACKAGE = ROOT / "pyad"

# From the top. A name that ends in / stands for all files below that folder, and any other for the files it was split
# into as well: exec for exec_loops.
C_LAYERS = [
    ("memory, status, threads", ["mem", "status", "pool"]),
    ("arrays", ["array"]),
    # blocks runs straight lines of element-wise loops. Like the other kernels it knows arrays, and nothing of tapes.
    ("kernels", ["kernels/", "blas", "blocks", "lines"]),
    ("tape", ["tape", "order", "accum"]),
    (
        "execution",
        [
            *("exec", "infer", "program", "rules", "record", "apply", "sweep"),
            *("graph", "pass", "passes", "plan", "replay"),
        ],
    ),
    ("binding", ["pyad", "engine", "session", "bridge"]),
]

PYTHON_LAYERS = [
    ("binding", ["pyad.errors", "pyad._ext", "pyad._engine", "pyad.blas", "pyad.threads"]),
    ("arrays and ops", ["pyad.parts", "pyad.array", "pyad.op", "pyad.host", "pyad.staged", "pyad.ops"]),
    (
        "transforms",
        [
            *("pyad.tree", "pyad.scope", "pyad.pullback", "pyad.custom", "pyad.transforms", "pyad.compile"),
            *("pyad.program", "pyad.closure", "pyad.testing", "pyad.extend", "pyad.derived"),
        ],
    ),
    ("namespaces", ["pyad.numpy", "pyad.scipy", "pyad.autograd"]),
    ("networks", ["pyad.nn"]),
    ("package", ["pyad"]),
]


def c_layer(name: str) -> int:
    """The number of the layer of a file given by its path below csrc/, without its suffix."""
    for number, (_, patterns) in enumerate(C_LAYERS):
        for pattern in patterns:
            if name == pattern or name.startswith(pattern if pattern.endswith("/") else pattern + "_"):
                return number
    raise AssertionError(f"csrc/{name} is in no layer: add it to the table of this test")


def c_files() -> list[Path]:
    return sorted(path for path in CSRC.rglob("*.[ch]"))


def c_includes(path: Path) -> list[Path]:
    """The files of the project that a C file includes."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = []
    for name in re.findall(r'^\s*#\s*include\s+"([^"]+)"', text, flags=re.MULTILINE):
        places = [path.parent / name, CSRC / name]
        included = next((place.resolve() for place in places if place.exists()), None)
        assert included is not None, f"{path.name} includes {name}, which is not in csrc/"
        found.append(included)
    return found


def below(root: Path, path: Path) -> str:
    return path.relative_to(root).with_suffix("").as_posix()


def c_violations(edges: dict[str, list[str]]) -> list[str]:
    """What breaks the rule, as words; `edges` maps a file to the files it includes."""
    return [
        f"{name} ({C_LAYERS[c_layer(name)][0]}) includes {included} ({C_LAYERS[c_layer(included)][0]})"
        for name, all_included in edges.items()
        for included in all_included
        if c_layer(included) > c_layer(name)
    ]


def test_c_files_include_only_their_own_layer_or_those_above():
    edges = {}
    for path in c_files():
        edges.setdefault(below(CSRC, path), []).extend(below(CSRC, included) for included in c_includes(path))
    assert len(edges) > 20
    assert sum(map(len, edges.values())) > 50
    assert c_violations(edges) == []


def test_c_layers_name_no_file_that_is_gone():
    names = {below(CSRC, path) for path in c_files()}
    for _, patterns in C_LAYERS:
        for pattern in patterns:
            assert any(name == pattern or name.startswith(pattern) for name in names), pattern


def test_engine_knows_no_python():
    """The bridge looks at Python objects. It is part of the extension module, and no C file includes it."""
    for path in c_files():
        if not below(CSRC, path).startswith("bridge"):
            assert "Python.h" not in path.read_text(encoding="utf-8"), path
            assert '#include "bridge' not in path.read_text(encoding="utf-8"), path


def test_only_the_memory_layer_allocates():
    calls = re.compile(r"\b(malloc|calloc|realloc|free|aligned_alloc|posix_memalign|strdup|alloca)\s*\(")
    for path in c_files():
        if below(CSRC, path) != "mem":
            text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
            assert calls.search(text) is None, path


def test_nothing_ends_the_process():
    calls = re.compile(r"\b(abort|exit|_exit|quick_exit|assert|raise|longjmp)\s*\(")
    for path in c_files():
        text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert calls.search(text) is None, path


# ---- Python ----


def python_layer(module: str) -> int:
    """The number of the layer of a module: that of the longest name in the table that it is or lies below."""
    best = -1
    best_length = -1
    for number, (_, names) in enumerate(PYTHON_LAYERS):
        for name in names:
            if (module == name or (name != "pyad" and module.startswith(name + "."))) and len(name) > best_length:
                best, best_length = number, len(name)
    assert best >= 0, f"{module} is in no layer: add it to the table of this test"
    return best


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ["pyad", *path.relative_to(PACKAGE).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def python_imports(source: str, module: str, known: set[str]) -> set[str]:
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
                found.add(inner if inner in known or inner == "pyad._ext" else node.module or "")
    return {name for name in found if name == "pyad" or name.startswith("pyad.")}


def python_edges() -> dict[str, set[str]]:
    files = modules()
    return {name: python_imports(path.read_text(encoding="utf-8"), name, set(files)) for name, path in files.items()}


def python_violations(edges: dict[str, set[str]]) -> list[str]:
    return [
        f"{name} ({PYTHON_LAYERS[python_layer(name)][0]}) imports {other} ({PYTHON_LAYERS[python_layer(other)][0]})"
        for name, imported in edges.items()
        for other in sorted(imported)
        if python_layer(other) > python_layer(name)
    ]


def test_modules_import_only_their_own_layer_or_those_above():
    edges = python_edges()
    assert len(edges) > 20
    assert python_violations(edges) == []


def test_only_the_binding_imports_the_extension_module():
    users = {name for name, imported in python_edges().items() if "pyad._ext" in imported}
    # The package looks whether it is there, to say what to run where it is not.
    assert users == {"pyad", "pyad._engine"}


def test_modules_import_nothing_else_at_the_top():
    """What pyad needs is in the standard library, besides NumPy and the binding's cffi. SciPy is for its namespace."""
    needed = set(sys.stdlib_module_names) | {"numpy", "pyad", "__future__"}
    for name, path in modules().items():
        allowed = needed | {"scipy"} if name.startswith("pyad.scipy.") else needed
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            strange = {n.split(".")[0] for n in names} - allowed
            assert not strange, f"{name} imports {strange}"


# ---- that these tests can fail ----


@pytest.mark.parametrize(
    ("name", "included"),
    [("array", "tape"), ("kernels/copy", "exec"), ("mem", "array"), ("tape", "program"), ("sweep", "engine")],
)
def test_a_c_file_that_reaches_down_is_found(name, included):
    assert c_violations({name: [included]})
    assert not c_violations({included: [name]})


def test_a_file_without_a_layer_is_found():
    with pytest.raises(AssertionError, match="is in no layer"):
        c_violations({"something_new": ["mem"]})
    with pytest.raises(AssertionError, match="is in no layer"):
        python_violations({"pyad.something_new": {"pyad.array"}})


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("pyad.array", "from pyad.transforms import grad"),
        ("pyad.ops.reduce", "def f():\n    from pyad import numpy\n"),
        ("pyad._engine", "import pyad.op"),
        ("pyad.transforms", "def f():\n    import pyad\n"),
        ("pyad.numpy", "from pyad.nn.layers import dense"),
    ],
)
def test_a_module_that_reaches_down_is_found(module, source):
    assert python_violations({module: python_imports(source, module, set(modules()))})
