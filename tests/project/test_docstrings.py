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

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

# Modules whose names are all described in words of their own.
OURS = ["pyad.nn"]

# Names that raise nothing, and why.
RAISES_NOTHING = {
    "pyad.nn.identity": "it returns what it is given",
}


def public(module_name):
    """The public objects of a module that are neither modules nor Python's own, by name."""
    module = importlib.import_module(module_name)
    for name in module.__all__:
        thing = getattr(module, name)
        if not inspect.ismodule(thing) and getattr(thing, "__module__", "") != "builtins":
            yield f"{module_name}.{name}", thing
            if inspect.isclass(thing):
                for method, function in vars(thing).items():
                    if inspect.isfunction(function) and not method.startswith("_"):
                        yield f"{module_name}.{name}.{method}", function


def section(doc, title):
    """The text of a section of a docstring, None where there is no such section."""
    found = re.search(rf"^{title}:\n((?:    .*\n?|\n(?=    ))+)", doc, re.MULTILINE)
    return found and inspect.cleandoc(found[1])


def parameters(thing):
    try:
        signature = inspect.signature(thing)
    except ValueError:  # an exception, which is raised and not made
        return [], True
    return [name for name in signature.parameters if name != "self"], signature.return_annotation in (None, "None")


def described(doc):
    """The parameters of which a docstring says something."""
    names = re.findall(r"^(\*{0,2}\w+(?:, \*{0,2}\w+)*):", section(doc, "Args") or "", re.MULTILINE)
    return [name.lstrip("*") for group in names for name in group.split(", ")]


def lacking(name, thing):
    """What a docstring of our own does not have."""
    doc = inspect.getdoc(thing) or ""
    names, returns_nothing = parameters(thing)
    is_class = inspect.isclass(thing)
    is_error = is_class and issubclass(thing, Exception)
    is_method = not is_class and "." in getattr(thing, "__qualname__", "").rpartition("<locals>.")[2]
    missing = []
    if not re.match(r"\S.*?\.(\n\n|$)", doc, re.DOTALL):
        missing.append("a sentence of its own at the start")
    if is_error:
        return missing
    if described(doc) != names:
        missing.append(f"Args of {names} (it has {described(doc)})")
    if not is_class and not returns_nothing and not section(doc, "Returns") and not section(doc, "Yields"):
        missing.append("Returns")
    if not section(doc, "Raises") and name not in RAISES_NOTHING:
        missing.append("Raises")
    if ">>> " not in doc and not is_method:
        missing.append("an example")
    return missing


@pytest.mark.parametrize("module", OURS)
def test_docstrings_are_whole(module):
    problems = {name: lacking(name, thing) for name, thing in public(module)}
    assert not {name: missing for name, missing in problems.items() if missing}


@pytest.mark.parametrize("module", OURS)
def test_examples_can_be_pasted(module):
    told: list[str] = []
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    for name, thing in public(module):
        test = doctest.DocTestParser().get_doctest(inspect.getdoc(thing), {}, name, None, 0)
        with np.printoptions(legacy=False):
            runner.run(test, out=told.append)
    assert not told, "".join(told)


def test_a_name_that_raises_nothing_does_not_say_that_it_does():
    everything = {name: thing for module in OURS for name, thing in public(module)}
    assert set(RAISES_NOTHING) <= set(everything)
    assert not [name for name in RAISES_NOTHING if section(inspect.getdoc(everything[name]), "Raises")]


def test_a_docstring_that_lacks_something_is_found():
    def half(x, y):
        """Return x.

        Args:
            x: A number.
        """
        return x

    assert lacking("half", half) == ["Args of ['x', 'y'] (it has ['x'])", "Returns", "Raises", "an example"]
