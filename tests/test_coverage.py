"""The table of what can be differentiated is what trying it gives, and has all that HIPS autograd has."""

import importlib
import importlib.util
import re
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import pyad
from pyad import tree
from pyad.array import is_traced
from pyad.host import host
from pyad.ops.protocol import CONSTANT_FUNCTIONS, CONSTANT_UFUNCS, implementation

DOCS = Path(__file__).resolve().parent.parent / "docs"


def names_in(places: dict[str, str]) -> set[str]:
    return {f"{place}.{name}" for place, listed in places.items() for name in listed.split()}


# What autograd differentiates and pyad does not yet; the test fails when one of these has become available.
MISSING = names_in(
    {
        "numpy": (
            "acosh angle append arccosh arcsinh arctanh array_split asinh astype atanh atleast_1d atleast_2d "
            "atleast_3d clip column_stack conj conjugate cross cumsum deg2rad degrees diag diagonal diff "
            "dsplit einsum exp2 fliplr flipud fmax fmin full gradient hsplit hstack hypot imag inner kron "
            "linspace log10 log2 logaddexp logaddexp2 mod nan_to_num pad partition prod rad2deg radians real "
            "real_if_close remainder repeat roll rollaxis rot90 select sinc sort split tensordot tile trace "
            "tril triu vsplit vstack"
        ),
        "numpy.fft": "fft fft2 fftn fftshift ifft ifft2 ifftn ifftshift irfft irfft2 irfftn rfft rfft2 rfftn",
        "numpy.linalg": "cholesky det eig eigh inv pinv slogdet solve svd",
        "scipy.special": (
            "beta betainc betaln digamma erfc erfcinv erfinv gamma gammainc gammaincc gammaln gammasgn i0 i1 "
            "iv ive j0 j1 jn logit multigammaln polygamma psi rgamma y0 y1 yn"
        ),
        "scipy.stats.beta": "cdf logpdf pdf",
        "scipy.stats.chi2": "cdf logpdf pdf",
        "scipy.stats.dirichlet": "logpdf pdf",
        "scipy.stats.gamma": "cdf logpdf pdf",
        "scipy.stats.multivariate_normal": "entropy logpdf pdf",
        "scipy.stats.norm": "cdf logcdf logpdf logsf pdf sf",
        "scipy.stats.poisson": "cdf logpmf pmf",
        "scipy.stats.t": "cdf logcdf logpdf pdf",
    }
)
# What is constant in autograd and unknown in pyad.
MISSING_CONSTANTS = names_in(
    {
        "numpy": (
            "argpartition argwhere around array_equiv fix flatnonzero floor_divide iscomplex iscomplexobj isneginf "
            "isposinf isreal"
        )
    }
)


# Rows of the table that have a "no" before the column of complex numbers.
WITHOUT = names_in(
    {
        "scipy.integrate": "cumulative_trapezoid",
        "scipy.linalg": "cho_factor cholesky det eigh eigvalsh inv norm pinv qr svd svdvals",
    }
)


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


# Of these modules one row in so many is tried here, for their functions take long.
EVERY = {"scipy.integrate": 3, "scipy.linalg": 8, "scipy.optimize": 6, "scipy.stats": 12}


def page_rows(coverage) -> dict[tuple[str, str], str]:
    return coverage.table_rows(coverage.PAGE.read_text(encoding="utf-8"))


def test_the_table_is_what_trying_gives(coverage):
    written = page_rows(coverage)
    found = {}
    for module in coverage.modules():
        text = "\n".join([f"## {module}", *(row.text() for row in coverage.rows(module, EVERY.get(module, 1)))])
        found |= coverage.table_rows(text)
    differing = {key: row for key, row in found.items() if written.get(key) != row}
    assert not differing, "run python docs/coverage.py"
    # Another version of NumPy or SciPy may not have every function.
    gone = [key for key in set(written) - set(found) if key[0] not in EVERY and all_names_exist(*key)]
    assert not gone, "run python docs/coverage.py"


def all_names_exist(section: str, names: str) -> bool:
    module = importlib.import_module(section)
    return all(hasattr(module, name) for name in re.findall(r"`([^`.]+)[`.]", names))


def test_whatever_is_on_the_table_has_both_modes(coverage):
    """A function that is implemented has derivatives: a row that says no is a defect, or one that is named here."""
    without = {
        f"{section}.{names.replace('`', '')}"
        for (section, names), row in page_rows(coverage).items()
        if "no" in row.split(" | ")[1:5]
    }
    assert without == WITHOUT


def test_a_function_without_a_right_sample_is_told(coverage):
    with pytest.raises(ValueError, match=r"no right call of numpy.something"):
        coverage.try_function("numpy.something", np.reshape, np.reshape)


def test_wrong_derivatives_are_not_taken_for_right(coverage):
    wrong = host("test_wrong", np.exp, lambda s, y, x: (2.0 * s * y,), lambda tangents, y, x: y * tangents[0])
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
    missing = {name for name in names if not is_implemented(name)}
    assert not missing - MISSING, "not implemented, and not listed as missing"
    assert not MISSING - missing, "implemented by now: take them off the list of the missing"


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

    wrong, missing = [], set()
    for wrapped in nograd_functions:
        name = wrapped.__name__
        try:
            if hasattr(np, name) and not is_constant(name):
                wrong.append(name)
        except pyad.errors.UnsupportedError:
            missing.add(f"numpy.{name}")
    assert not wrong
    assert not missing - MISSING_CONSTANTS, "unknown, and not listed as missing"
    assert not MISSING_CONSTANTS - missing, "known by now: take them off the list of the missing"
