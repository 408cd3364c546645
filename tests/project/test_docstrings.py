"""Every public name says what it takes, gives and raises, and shows itself at work.

A docstring is in Google's style: a sentence, `Args:`, `Returns:`, `Raises:`, and an example that runs where nothing
has been imported before, as it does when it is pasted into IPython. A function that stands for one of NumPy or SciPy
says in words of its own how it differs; its arguments are described by their docstring, which follows.
"""

import doctest
import importlib
import inspect
import re

import numpy as np
import pytest

import pyad

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

# Modules whose names are all described in words of their own.
OURS = ["pyad", "pyad.nn", "pyad.testing", "pyad.tree", "pyad.extend", "pyad.errors"]
# Modules with names that stand for NumPy's and SciPy's.
NUMPY = ["pyad.numpy", "pyad.numpy.linalg", "pyad.numpy.fft"]
SCIPY = [
    f"pyad.scipy.{name}"
    for name in ("special", "stats", "linalg", "signal", "optimize", "integrate", "sparse", "sparse.linalg")
]
# HIPS autograd's names, whose arguments are described there.
COMPATIBLE = ["pyad.autograd"]
MODULES = OURS + NUMPY + SCIPY + COMPATIBLE

# Names that raise nothing, and why.
RAISES_NOTHING = {
    "pyad.Compiled.clear": "it forgets",
    "pyad.get_blas": "it only looks",
    "pyad.get_num_threads": "it only looks",
    "pyad.nn.identity": "it returns what it is given",
    "pyad.tree.Structure.paths": "it only reads",
    "pyad.tree.Structure.tokens": "it only reads",
    "pyad.tree.Structure.unusual_keys": "it only reads",
}

# Classes that pyad makes, so that a user need not know with what.
MADE_BY_PYAD = {"pyad.Array", "pyad.Compiled", "pyad.tree.Structure"}
NO_EXAMPLE = {
    "pyad.errors.EngineError": "it is a defect of pyad where it is seen",
}


def public(module_name):
    """The public objects of a module that are neither modules nor Python's own, by name."""
    module = importlib.import_module(module_name)
    for name in module.__all__:
        thing = getattr(module, name)
        if not inspect.ismodule(thing) and getattr(thing, "__module__", "") != "builtins":
            yield f"{module_name}.{name}", thing
            if inspect.isclass(thing) and thing is not pyad.Array:  # whose methods are ndarray's
                for method, function in vars(thing).items():
                    if inspect.isfunction(function) and not method.startswith("_"):
                        yield f"{module_name}.{name}.{method}", function


def own(thing):
    """The part of a docstring that is our own, and what NumPy or SciPy say of the function that it stands for."""
    ours, _, theirs = (inspect.getdoc(thing) or "").partition(" in its own words:\n")
    return (ours.rpartition("\n\n")[0], theirs) if theirs else (ours, "")


def section(doc, title):
    """The text of a section of a docstring, None where there is no such section."""
    found = re.search(rf"^{title}:\n((?:    .*\n?|\n(?=    ))+)", doc, re.MULTILINE)
    return found and inspect.cleandoc(found[1])


def parameters(thing):
    if type(thing).__module__.startswith("pyad.scipy.stats"):  # a distribution, which is called with its parameters
        shapes = getattr(thing, "shapes", None)
        return described(own(thing)[0]) if shapes is None else [*shapes, *(name for name, _ in thing._common)], False
    try:
        signature = inspect.signature(thing)
    except ValueError:  # an exception, which is raised and not made
        return [], True
    return [name for name in signature.parameters if name != "self"], signature.return_annotation in (None, "None")


def described(doc):
    """The parameters of which a docstring says something."""
    names = re.findall(r"^(\*{0,2}\w+(?:, \*{0,2}\w+)*):", section(doc, "Args") or "", re.MULTILINE)
    return [name.lstrip("*") for group in names for name in group.split(", ")]


def described_by_them(theirs):
    """The parameters of which the docstring of NumPy's or SciPy's function says something."""
    names = re.findall(r"^ *(\*{0,2}\w+(?:, \*{0,2}\w+)*)(?: ?:|$)", theirs, re.MULTILINE)
    return {name.lstrip("*") for group in names for name in group.split(", ")}


def lacking(name, thing):
    """What a docstring does not have."""
    doc, theirs = own(thing)
    names, returns_nothing = parameters(thing)
    is_class = inspect.isclass(thing)
    is_error = is_class and issubclass(thing, Exception)
    is_method = not is_class and "." in getattr(thing, "__qualname__", "").rpartition("<locals>.")[2]
    # Where the signature is theirs, too, what they say of it is taken as it is.
    is_theirs = theirs and not (getattr(inspect.unwrap(thing), "__module__", None) or "").startswith("pyad")
    missing = []
    if not re.match(r"\S.*?\.(\n\n|$)", doc, re.DOTALL):
        missing.append("a sentence of its own at the start")
    if ">>> " not in doc and not is_method and name not in NO_EXAMPLE:
        missing.append("an example")
    if is_error or name in MADE_BY_PYAD or name.startswith("pyad.autograd."):
        return missing
    if is_theirs:
        pass
    elif theirs:
        unknown = set(names) - set(described(doc)) - described_by_them(theirs) - {"args", "keywords", "more", "options"}
        if unknown:
            missing.append(f"Args of {unknown}")
    elif described(doc) != names:
        missing.append(f"Args of {names} (it has {described(doc)})")
    returns = re.search(r"^(Returns|Yields):$|^ *Returns$", doc + theirs, re.MULTILINE)
    if not is_class and not returns_nothing and not returns and not is_theirs:
        missing.append("Returns")
    if not section(doc, "Raises") and name not in RAISES_NOTHING:
        missing.append("Raises")
    return missing


@pytest.mark.parametrize("module", MODULES)
def test_docstrings_are_whole(module):
    problems = {name: lacking(name, thing) for name, thing in public(module)}
    assert not {name: missing for name, missing in problems.items() if missing}


@pytest.mark.parametrize("module", MODULES)
def test_examples_can_be_pasted(module):
    told: list[str] = []
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    for name, thing in public(module):
        test = doctest.DocTestParser().get_doctest(own(thing)[0], {}, name, None, 0)
        with np.printoptions(legacy=False):
            runner.run(test, out=told.append)
    assert not told, "".join(told)


def test_a_name_that_raises_nothing_does_not_say_that_it_does():
    everything = {name: thing for module in MODULES for name, thing in public(module)}
    assert set(RAISES_NOTHING) <= set(everything)
    assert not [name for name in RAISES_NOTHING if section(inspect.getdoc(everything[name]), "Raises")]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: np.add(x, np.ones(2)),
        lambda x: np.reshape(x, (2, 2)),
        lambda x: np.concatenate([x, np.ones((2, 2))]),
        lambda x: np.sum(x, axis=5),
        lambda x: np.einsum("ij->i", x),
        lambda x: np.take(x, [5]),
        lambda x: np.ldexp(x, 1.5),
        lambda x: np.linalg.inv(x),
        lambda x: np.polyfit(np.ones(2), x, 1),
    ],
)
def test_errors_are_of_numpys_kind_as_the_docstrings_say(wrong):
    with pytest.raises((ValueError, TypeError, IndexError)) as plain:
        wrong(np.ones(3))
    kinds = tuple(kind for kind in (ValueError, TypeError, IndexError) if issubclass(plain.type, kind))
    with pytest.raises(kinds):
        pyad.vjp(wrong, np.ones(3))


def test_a_docstring_that_lacks_something_is_found():
    def half(x, y):
        """Return x.

        Args:
            x: A number.
        """
        return x

    assert lacking("half", half) == ["an example", "Args of ['x', 'y'] (it has ['x'])", "Returns", "Raises"]
