"""The table of what can be differentiated is what trying it gives, and has all that HIPS autograd has."""

import importlib
import importlib.util
import re
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from support.calls import NEW_NUMPY

import pyad
from pyad import tree
from pyad._ops._registry import CONSTANT_FUNCTIONS, CONSTANT_UFUNCS, implementation
from pyad._trace.array import is_traced
from pyad._trace.numpy_op import numpy_op

DOCS = Path(__file__).resolve().parents[2] / "docs" / "tools"


def load(name: str):
    """A script of the docs as a module."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def coverage():
    sys.modules["coverage_samples"] = load("coverage_samples")
    yield load("coverage")
    del sys.modules["coverage_samples"]


# ---- the page ----


# Of these modules one row in so many is tried here, for all of them take long.
EVERY = {
    "numpy": 2,
    "numpy.linalg": 3,
    "scipy.integrate": 3,
    "scipy.linalg": 10,
    "scipy.optimize": 6,
    "scipy.special": 4,
    "scipy.stats": 24,
}


def page_rows(coverage) -> dict[tuple[str, str], str]:
    return coverage.table_rows(coverage.PAGE.read_text(encoding="utf-8"))


def test_the_table_is_what_trying_gives(coverage):
    written = page_rows(coverage)
    found = {}
    for module in coverage.modules():
        text = "\n".join([f"## {module}", *(row.text() for row in coverage.rows(module, EVERY.get(module, 1)))])
        found |= coverage.table_rows(text)
    differing = {key: row for key, row in found.items() if written.get(key) != row}
    assert not differing, "run python docs/tools/coverage.py"


def test_whatever_is_on_the_table_is_there(coverage):
    there = {(module, name) for module in coverage.modules() for name, _, _ in coverage.functions(module)}
    listed = [(key, (key[0], name)) for key in page_rows(coverage) for name in re.findall("`([^`]+)`", key[1])]
    assert len(listed) > 500
    # Another version of NumPy or SciPy may not have every function.
    assert not [place for key, place in listed if place not in there and all_names_exist(*key)]


def all_names_exist(section: str, names: str) -> bool:
    module = importlib.import_module(section)
    return all(hasattr(module, name) for name in re.findall(r"`([^`.]+)[`.]", names))


def test_what_a_function_cannot_do_is_said_below_the_table(coverage):
    """A row that says no is a defect, or there is a note on it."""
    noted = set()
    for (section, names), row in page_rows(coverage).items():
        if "no" in row.split(" | ")[1:]:
            found = {f"{section}.{name}" for name in re.findall("`(.*?)`", names)} & set(coverage.NOTES)
            assert found, f"{row} has no note"
            noted |= found
    assert noted == set(coverage.NOTES)


@pytest.mark.skipif(not NEW_NUMPY, reason="the page is written with the newest NumPy")
def test_the_lists_of_methods_and_constants_are_those_on_the_page(coverage):
    text = " ".join(coverage.PAGE.read_text(encoding="utf-8").split())
    there, refused = coverage.methods()
    for names in (there, refused, coverage.constants()):
        assert " ".join(f"`{name}`," for name in names)[:-1] in text, "run python docs/tools/coverage.py"


def test_a_function_without_a_right_sample_is_told(coverage):
    with pytest.raises(ValueError, match=r"no right call of numpy.something"):
        coverage.try_function("numpy.something", np.reshape, np.reshape)


def test_wrong_derivatives_are_not_taken_for_right(coverage):
    wrong = numpy_op("test_wrong", np.exp, lambda s, y, x: (2.0 * s * y,), lambda tangents, y, x: y * tangents[0])
    row = coverage.try_function("numpy.exp", lambda x: wrong(x) if is_traced(x) else np.exp(x), np.exp)
    assert (row.value, row.forward, row.reverse, row.second, row.runs_in) == (True, True, False, False, "NumPy")
    assert not coverage.try_function("numpy.exp", np.sin, np.exp).value


# ---- autograd ----

# What autograd writes with functions that have rules.
COMPOSED = {"array", "append", "column_stack", "hstack", "select", "stack", "vstack"}
SUBMODULES = ("numpy", "numpy.linalg", "numpy.fft", "scipy.special", "scipy.linalg", "scipy.signal", "scipy.integrate")


@pytest.fixture(scope="module")
def autograd():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("autograd")


def thing_called(place: str):
    """A module of NumPy or SciPy, or a distribution of scipy.stats."""
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError:
        outer, _, name = place.rpartition(".")
        return getattr(importlib.import_module(outer), name)


def rule_names() -> set[str]:
    """Full names of what autograd has a reverse or forward rule for."""
    from autograd import core
    from autograd.scipy import stats

    names = {f"numpy.{name}" for name in COMPOSED}
    distributions = [f"scipy.stats.{name}" for name in vars(stats) if not name.startswith("_")]
    ruled = {*core.primitive_vjps, *core.primitive_jvps}
    for place in [*SUBMODULES, *distributions]:
        theirs = thing_called(place)
        for name, function in vars(importlib.import_module(f"autograd.{place}")).items():
            if callable(function) and function in ruled and hasattr(theirs, name):
                names.add(f"{place}.{name}")
    return names


def is_implemented(full_name: str) -> bool:
    """Whether pyad has the function of this name."""
    place, _, name = full_name.rpartition(".")
    if place.startswith("numpy"):
        theirs = getattr(importlib.import_module(place), name, None)
        known = theirs is None or implementation(theirs) is not None or constant(theirs)
        return known or name in pyad.numpy.__all__
    return name in names_of(place)


def names_of(place: str) -> list[str]:
    """What the module, or the distribution, of this name has."""
    outer, _, name = place.rpartition(".")
    try:
        found = importlib.import_module(f"pyad.autograd.{place}")
    except ModuleNotFoundError:
        try:
            found = getattr(importlib.import_module(f"pyad.autograd.{outer}"), name, None)
        except ModuleNotFoundError:
            return []
    return getattr(found, "__all__", None) or dir(found)


def constant(theirs) -> bool:
    return theirs in (CONSTANT_UFUNCS if isinstance(theirs, np.ufunc) else CONSTANT_FUNCTIONS)


def test_whatever_autograd_has_a_rule_for_is_implemented(autograd):
    names = rule_names()
    assert len(names) > 150
    # numpy.full has no protocol: what fills arrays is in pyad.numpy.
    assert {name for name in names if not is_implemented(name)} <= {"numpy.full"}


# How the functions of autograd's list without derivatives are called where one vector will not do.
TWO = {"floor_divide", "allclose", "isclose", "array_equal", "array_equiv"}
TWO |= {
    "logical_and",
    "logical_or",
    "logical_xor",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "equal",
    "not_equal",
}
CALLS = {
    "searchsorted": lambda f, x: f(x, 0.5),
    "argpartition": lambda f, x: f(x, 1),
    "full_like": lambda f, x: f(x, 2.0),
}


def is_constant(name: str) -> bool:
    """Whether a function of NumPy gives plain results, or traced ones that have no derivative."""
    function = getattr(np, name)
    call = CALLS.get(name, lambda f, x: f(x, x[::-1]) if name in TWO else f(x))

    def of(x):
        traced = [y for y in tree.leaves(call(function, x)) if is_traced(y)]
        return sum((np.sum(y) for y in traced), 0.0 * x[0])

    return not pyad.grad(of)(np.array([0.31, 0.62, 0.95])).any()


def test_what_is_constant_in_autograd_is_constant(autograd):
    from autograd.numpy.numpy_vjps import nograd_functions

    names = {wrapped.__name__ for wrapped in nograd_functions}
    assert len(names) > 40
    assert not {name for name in names if hasattr(np, name) and not is_constant(name)}
