"""Every public function of NumPy, called with a traced array in each of its places: the outcome is NumPy's value, or an
error that names the function. And what is implemented takes all of NumPy's arguments."""

import inspect
import warnings

import numpy as np
import pytest
from support.calls import NEW_NUMPY

import pyad
from pyad import tree
from pyad._ops._registry import CONSTANT_FUNCTIONS, CONSTANT_UFUNCS, FUNCTIONS
from pyad._trace.array import is_traced
from pyad.errors import ConcretizationError, UnsupportedError

V = np.array([0.31, 0.62, 0.45])
M = np.array([[1.3, 0.2], [-0.5, 1.1]])

MODULES = {"numpy": np, "numpy.linalg": np.linalg, "numpy.fft": np.fft, "numpy.emath": np.emath}


def words(text):
    return set(text.split())


# What is no function of numbers: it prints, configures, reads files, or asks of what kind a thing is.
SKIPPED = words(
    "info printoptions set_printoptions test isscalar iterable mintypecode typename get_include show_config "
    "show_runtime save savez savez_compressed savetxt load loadtxt genfromtxt fromfile fromregex setbufsize "
    "seterr seterrcall frompyfunc bmat diag_indices empty empty_like"
)
# What NumPy lets nobody stand in for, at least in some of the arguments: the error is that of a conversion.
CONVERSIONS = words(
    "array asarray asanyarray asarray_chkfinite ascontiguousarray asfortranarray asmatrix require full full_like "
    "from_dlpack frombuffer fromstring fill_diagonal matrix_rank roll"
)
# What has results of floating point that do not depend on one of the arguments, but by steps: conditions, tolerances,
# the set that is only compared with, angles of real numbers.
BY_STEPS = words("angle compress extract heaviside imag intersect1d piecewise polydiv real_if_close setdiff1d where")

# The calls that are tried of each function, for an array a of the shape of x.
CALLS = {
    "f(x)": lambda f, x, a: f(x),
    "f(x, a)": lambda f, x, a: f(x, a),
    "f(a, x)": lambda f, x, a: f(a, x),
    "f(x, 1)": lambda f, x, a: f(x, 1),
    "f(3, x)": lambda f, x, a: f(3, x),
    "f(x, a, a)": lambda f, x, a: f(x, a, a),
}


def public_functions():
    for place, module in MODULES.items():
        for name, function in sorted(vars(module).items()):
            if callable(function) and not isinstance(function, type) and name[0] != "_" and name not in SKIPPED:
                yield pytest.param(function, place, name, id=f"{place}.{name}")


def outcome(call, *arguments):
    """(what a call gives, None), or (None, the error)."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return call(*arguments), None
    except Exception as problem:
        return None, problem


def plain(result):
    """The leaves of a result, all plain."""
    found = [pyad.stop_gradient(x) if is_traced(x) else x for x in tree.leaves(as_lists(result))]
    return [np.asarray(x) for x in found]


def as_lists(result):
    if isinstance(result, tuple | list):
        return [as_lists(x) for x in result]
    return result


def is_constant(function):
    return function in (CONSTANT_UFUNCS if isinstance(function, np.ufunc) else CONSTANT_FUNCTIONS)


def check_value(found, expected):
    assert len(plain(found)) == len(plain(expected))
    for one, other in zip(plain(found), plain(expected), strict=True):
        assert one.shape == other.shape
        assert one.dtype == other.dtype
        if other.dtype.kind in "fc":
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)
        else:
            assert np.array_equal(one, other)


def keeps_the_derivative(function, name, result):
    """Whether floating point results are traced, or constant by design."""
    leaves = tree.leaves(as_lists(result))
    if any(map(is_traced, leaves)) or is_constant(function) or name in BY_STEPS:
        return True
    return not any(np.asarray(x).dtype.kind in "fc" for x in leaves)


def check_error(name, function, problem):
    if name in CONVERSIONS:
        assert isinstance(problem, ConcretizationError | UnsupportedError | TypeError)
        return
    assert isinstance(problem, UnsupportedError | ConcretizationError | TypeError | ValueError), repr(problem)
    assert name in str(problem) or function.__name__ in str(problem), str(problem)


def within_a_transform(check, point):
    """Run a check on a traced array."""

    def of(x):
        check(x)
        return x

    pyad.vjp(of, point.copy())


@pytest.mark.parametrize(("function", "place", "name"), list(public_functions()))
@pytest.mark.parametrize("point", [V, M], ids=["vector", "matrix"])
def test_a_function_of_a_traced_array_gives_its_value_or_says_that_it_does_not(function, place, name, point):
    for call in CALLS.values():
        expected, problem = outcome(call, function, point.copy(), point.copy())
        if problem is not None:
            continue

        def check(x, call=call, expected=expected):
            found, problem = outcome(call, function, x, point.copy())
            if problem is not None:
                check_error(name, function, problem)
                return
            check_value(found, expected)
            assert keeps_the_derivative(function, name, found)

        within_a_transform(check, point)


def test_a_derivative_that_is_lost_and_an_error_without_a_name_are_noticed():
    assert not keeps_the_derivative(np.exp, "exp", np.exp(V))
    with pytest.raises(AssertionError):
        check_error("exp", np.exp, TypeError("something else"))
    with pytest.raises(AssertionError):
        check_value(V, V + 1e-9)


# ---- lists that hold traced values: plain NumPy cannot take them, pyad.numpy can ----


def functions_of_pyad():
    for name in pyad.numpy.__all__:
        theirs = getattr(np, name)
        if name not in SKIPPED | CONVERSIONS and outcome(theirs, [V, V])[1] is None:
            yield pytest.param(theirs, getattr(pyad.numpy, name), name, id=name)


@pytest.mark.parametrize(("theirs", "ours", "name"), list(functions_of_pyad()))
def test_a_function_of_pyad_takes_a_list_of_traced_arrays(theirs, ours, name):
    def check(x):
        found, problem = outcome(ours, [x, V])
        if problem is not None:
            check_error(name, theirs, problem)
        else:
            check_value(found, outcome(theirs, [V, V])[0])

    within_a_transform(check, V)


# ---- signatures ----

# Where the two differ in words only: NumPy's own placeholder, and a function of which NumPy has two forms.
OTHER_WORDS = {
    "reshape": {"shape"},
    "where": {"x", "y"},
    "may_share_memory": {"max_work"},
    "shares_memory": {"max_work"},
}


def numpy_functions():
    for theirs, ours in FUNCTIONS.items():
        if theirs.__module__.startswith("numpy"):
            yield pytest.param(theirs, ours, id=f"{theirs.__module__}.{theirs.__name__}")


@pytest.mark.skipif(not NEW_NUMPY, reason="the arguments are those of the newest NumPy")
@pytest.mark.parametrize(("theirs", "ours"), list(numpy_functions()))
def test_a_function_takes_the_arguments_of_numpys(theirs, ours):
    asked = inspect.signature(theirs).parameters
    given = inspect.signature(ours).parameters
    ignored = {"like", "out", *OTHER_WORDS.get(theirs.__name__, ())}
    positional = [name for name, p in asked.items() if p.kind is p.POSITIONAL_OR_KEYWORD and name not in ignored]
    if {p.kind for p in given.values()} == {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}:
        return  # handed on as they are
    handed_on = any(p.kind is p.VAR_KEYWORD for p in given.values())
    for name, parameter in asked.items():
        if name in ignored or parameter.kind is parameter.VAR_KEYWORD:
            continue
        if handed_on and name not in given and parameter.kind is parameter.KEYWORD_ONLY:
            continue
        assert name in given, f"{theirs.__name__} takes {name}="
        if parameter.default is not np._NoValue:
            assert repr(given[name].default) == repr(parameter.default), name
    kinds = {name: given[name].kind for name in positional}
    assert set(kinds.values()) <= {inspect.Parameter.POSITIONAL_OR_KEYWORD}
    assert [name for name in given if name in kinds] == positional
