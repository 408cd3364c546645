"""The installed package: what it holds, what importing it brings in, and what the checkout says in its place."""

import ast
import doctest
import importlib
import importlib.metadata
import inspect
import pkgutil
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import pyad

ROOT = Path(__file__).resolve().parents[2]
PLACE = Path(pyad.__file__).resolve().parent
DISTRIBUTION = "pyad-autodiff"


def python(code: str, *, cwd: Path | None = None, options: tuple[str, ...] = ("-P",)) -> subprocess.CompletedProcess:
    """A fresh interpreter, whose warnings are errors."""
    command = [sys.executable, *options, "-W", "error", "-c", code]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)


def test_the_tests_run_on_the_installed_package():
    assert PLACE != ROOT / "pyad"
    assert (PLACE.parent / "pyad").is_dir()


# ---- the checkout ----


def test_a_checkout_that_is_not_installed_says_what_to_run(tmp_path):
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT / "pyad", checkout / "pyad", ignore=shutil.ignore_patterns("__pycache__", "_ext*"))
    # Without -P the folder itself comes first, which is how a newcomer starts Python in a checkout.
    done = python("import pyad", cwd=checkout, options=())
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: ")
    assert "pip install ." in last
    assert str(checkout / "pyad") in last
    assert "from another folder" in last
    assert "Traceback" in done.stderr
    assert "During handling" not in done.stderr


def test_another_missing_module_is_not_taken_for_the_engine(tmp_path):
    checkout = tmp_path / "checkout"
    shutil.copytree(PLACE, checkout / "pyad", ignore=shutil.ignore_patterns("__pycache__", "_ext*"))
    (checkout / "pyad" / "_ext.py").write_text("import nonsense_that_is_not_there\n", encoding="utf-8")
    done = python("import pyad", cwd=checkout, options=())
    assert "ModuleNotFoundError: No module named 'nonsense_that_is_not_there'" in done.stderr
    assert "pip install" not in done.stderr


# ---- metadata and files ----


def test_version_and_metadata():
    assert importlib.metadata.version(DISTRIBUTION) == pyad.__version__
    metadata = importlib.metadata.metadata(DISTRIBUTION)
    with open(ROOT / "pyproject.toml", "rb") as file:
        project = tomllib.load(file)["project"]
    assert metadata["Name"] == project["name"] == DISTRIBUTION
    assert metadata["Summary"] == project["description"]
    assert metadata["Requires-Python"] == ">=3.11"
    assert set(metadata.get_all("Provides-Extra")) == set(project["optional-dependencies"])
    needed = [r for r in importlib.metadata.requires(DISTRIBUTION) if "extra ==" not in r]
    assert sorted(r.split(">")[0].strip() for r in needed) == ["cffi", "numpy"]


def test_the_changelog_has_this_version_or_what_comes():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{pyad.__version__}]" in text or "## [Unreleased]" in text


def test_what_is_installed():
    names = {path.relative_to(PLACE).as_posix() for path in PLACE.rglob("*") if path.is_file()}
    names = {name for name in names if "__pycache__" not in name}
    assert "py.typed" in names
    extension = [name for name in names if name.startswith("_ext.")]
    assert len(extension) == 1
    if sys.platform != "win32":
        assert "abi3" in extension[0]
    # The package's own sources and nothing else: no C, no tests, no build files.
    sources = {path.relative_to(ROOT / "pyad").as_posix() for path in (ROOT / "pyad").rglob("*.py*")}
    sources = {name for name in sources if name.endswith((".py", ".pyi")) and "__pycache__" not in name}
    assert names == sources | {"py.typed", extension[0]}
    files = importlib.metadata.files(DISTRIBUTION)
    assert any(str(file).endswith("licenses/LICENSE") for file in files)
    # What the wheel holds; the bytecode that is made of it on installation is not counted.
    held = [Path(file.locate()) for file in files if "__pycache__" not in file.parts]
    assert sum(path.stat().st_size for path in held if path.exists()) < 2_600_000


# ---- what an import brings in ----


def test_import_brings_in_numpy_and_cffi_alone():
    code = """
import sys
import numpy
before = set(sys.modules)
import pyad
new = {name.split(".")[0] for name in set(sys.modules) - before}
print(*sorted(name for name in new if name not in sys.stdlib_module_names))
"""
    done = python(code)
    assert done.returncode == 0, done.stderr
    # The extension module brings cffi's backend; the compiler of cffi is not needed.
    assert set(done.stdout.split()) <= {"pyad", "_cffi_backend"}


def test_modules_that_are_imported_when_they_are_used():
    code = """
import sys
import pyad
lazy = ["autograd", "nn", "scipy", "testing"]
assert not [name for name in lazy if f"pyad.{name}" in sys.modules]
for name in lazy:
    module = getattr(pyad, name)
    assert module is sys.modules[f"pyad.{name}"], name
    assert getattr(pyad, name) is module
for name in ("scipy", "matplotlib", "tqdm", "sklearn", "jax", "torch", "autograd"):
    assert name not in sys.modules, name
try:
    pyad.nonsense
except AttributeError as problem:
    assert "module 'pyad' has no attribute 'nonsense'" in str(problem)
else:
    raise AssertionError("an attribute that is not there")
"""
    done = python(code)
    assert done.returncode == 0, done.stderr


def test_submodules_by_import_statement():
    for statement in ("import pyad.nn", "from pyad import nn", "import pyad.numpy as np", "import pyad.scipy.special"):
        done = python(statement)
        assert done.returncode == 0, done.stderr


def test_dir():
    assert dir(pyad) == sorted(pyad.__all__)
    for name in pyad.__all__:
        assert getattr(pyad, name) is not None
    assert set(dir(pyad.numpy)) >= {"sum", "exp", "linalg", "float64", "newaxis"}


# ---- public names ----


def public_modules():
    """Modules whose path has no leading underscore anywhere, with the package itself."""
    found = [pyad]
    for info in pkgutil.walk_packages(pyad.__path__, "pyad."):
        if not any(part.startswith("_") for part in info.name.split(".")):
            found.append(importlib.import_module(info.name))
    return found


MODULES = public_modules()
# Whose names users call. The others are for those who read or extend pyad.
NAMESPACES = [m for m in MODULES if m.__name__ in ("pyad", "pyad.nn", "pyad.scipy.special", "pyad.testing")]


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_modules_have_docstrings(module):
    assert module.__doc__
    assert module.__doc__.strip()


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_all_names_what_is_there(module):
    for name in getattr(module, "__all__", []):
        assert hasattr(module, name), name


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_public_functions_and_classes_have_docstrings(module):
    missing = []
    for name in getattr(module, "__all__", []):
        value = getattr(module, name)
        if (inspect.isfunction(value) or inspect.isclass(value)) and not (value.__doc__ or "").strip():
            missing.append(name)
    assert not missing


def has_example(value) -> bool:
    return bool(doctest.DocTestParser().get_examples(value.__doc__ or ""))


@pytest.mark.parametrize("name", sorted(n for n in pyad.__all__ if inspect.isroutine(getattr(pyad, n))))
def test_every_transform_has_an_example(name):
    assert has_example(getattr(pyad, name))


def test_every_class_of_rules_has_an_example():
    for value in (pyad.custom_vjp, pyad.custom_jvp):
        assert has_example(value)


@pytest.mark.parametrize("path", sorted((ROOT / "pyad").rglob("*.py")), ids=lambda p: p.name)
def test_public_functions_have_type_hints(path):
    """Parameters and results of public functions at module level."""
    without = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
            continue
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        if node.returns is None or any(argument.annotation is None for argument in arguments):
            without.append(node.name)
    assert not without
