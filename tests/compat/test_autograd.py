"""Programs written for HIPS autograd, run with autograd and, with the word replaced, with pyad: the results agree.

The programs are in autograd_programs.py. Below are tests of the modules themselves.
"""

import importlib
import inspect
import sys
import warnings

import numpy as np
import pytest
from compat.autograd_programs import PROGRAMS

import pyad
from pyad import tree


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_a_program_gives_what_it_gives_with_autograd(program, monkeypatch):
    # autograd asks for the backport of what the standard library has.
    monkeypatch.setitem(sys.modules, "funcsigs", inspect)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # autograd's own
        expected, structure = tree.flatten(program.run("autograd"))
    found = structure.leaves_of(program.run("pyad.autograd"))
    for one, other in zip(found, expected, strict=True):
        assert np.shape(one) == np.shape(other)
        np.testing.assert_allclose(one, other, rtol=program.rtol, atol=1e-11)


def test_there_are_enough_programs():
    assert len({program.name for program in PROGRAMS}) >= 25


# ---- the modules ----


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("numpy.linalg", "pyad.numpy.linalg"),
        ("numpy.fft", "pyad.numpy.fft"),
        ("numpy.random", "pyad.numpy.random"),
        ("scipy.special", "pyad.scipy.special"),
        ("scipy.integrate", "pyad.scipy.integrate"),
        ("scipy.linalg", "pyad.scipy.linalg"),
    ],
)
def test_modules_are_those_of_pyad(here, there):
    module = importlib.import_module(f"pyad.autograd.{here}")
    assert module is importlib.import_module(there)
    assert module.__spec__.name == there
    outer, _, name = here.partition(".")
    assert getattr(importlib.import_module(f"pyad.autograd.{outer}"), name) is module


def test_modules_that_are_nowhere_are_not_found():
    for name in ("pyad.autograd.scipy.nothing", "pyad.autograd.scipy.special.nothing", "pyad.autograd.nothing"):
        with pytest.raises(ModuleNotFoundError, match=name):
            importlib.import_module(name)
    with pytest.raises(AttributeError, match="nothing"):
        pyad.autograd.scipy.nothing  # noqa: B018
    with pytest.raises(AttributeError, match="nothing"):
        importlib.import_module("pyad.autograd.scipy.signal").nothing  # noqa: B018


def test_the_numpy_of_autograd_is_that_of_pyad():
    import pyad.autograd.numpy as theirs

    assert theirs.sin is pyad.numpy.sin
    assert theirs.pi is np.pi
    assert theirs.arange is pyad.numpy.arange
    assert theirs.argsort is pyad.numpy.argsort
    namespace = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec("from pyad.autograd.numpy import *", namespace)
    assert namespace["tanh"] is pyad.numpy.tanh
    assert set(np.__all__) - {"fft", "linalg", "random"} <= set(namespace)


# Parts of autograd's tracer and of its rules for NumPy, which have nothing that corresponds to them here.
PRIVATE = {
    "core": "Node toposort trace backward_pass primitive_vjps translate_vjp primitive_jvps translate_jvp add_outgrads "
    "sum_outgrads sparse_add SparseBox sparse_object_types identity_vjp identity_jvp deprecated_defvjp_message "
    "deprecated_defvjp deprecated_defvjp_is_zero deprecated_defgrad primitive_ primitive_with_deprecation_warnings",
    "tracer": "Node toposort trace trace_primitives_map notrace_primitives find_top_boxed_args TraceStack trace_stack "
    "box_type_mappings new_box box_types",
    "misc.tracers": "Node trace toposort ConstGraphNode const_graph_unary FullGraphNode full_graph",
    "misc.fixed_points": "fixed_point_vjp",
    "test_util": "TOL RTOL EPS scalar_close make_numerical_jvp check_vjp check_jvp check_equivalent",
    "util": "toposort deprecation_msg quick_grad_check",
}


MODULES = "core tracer extend differential_operators test_util util wrap_util misc misc.flatten misc.fixed_points"
MODULES += " misc.optimizers misc.tracers"


@pytest.mark.parametrize("name", ["", *MODULES.split()])
def test_whatever_a_module_of_autograd_defines_is_there(name):
    place = f"autograd.{name}".rstrip(".")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = importlib.import_module(place)
    ours = importlib.import_module(f"pyad.{place}")
    defined = {key for key, value in vars(theirs).items() if is_part_of(theirs, key, value)}
    missing = {key for key in defined if not hasattr(ours, key)}
    assert missing <= set(PRIVATE.get(name, "").split())


def is_part_of(module, key: str, value: object) -> bool:
    """Whether a name is one of autograd's, and not imported from elsewhere."""
    if key.startswith("_") or inspect.ismodule(value):
        return False
    home = getattr(value, "__module__", module.__name__) or ""
    return home == module.__name__ or module.__name__ in ("autograd", "autograd.extend")


def test_arrays_of_integers_become_float64():
    from pyad.autograd import grad, jacobian

    assert grad(lambda x: np.sum(x**2))(np.array([1, 2])).tolist() == [2.0, 4.0]
    assert grad(lambda p: np.sum(p[0] ** 2))([np.array([1, 2])])[0].dtype == np.float64
    assert jacobian(lambda x, y: x * y, 1)(2.0, np.arange(2)).tolist() == [[2.0, 0.0], [0.0, 2.0]]
    with pytest.raises(TypeError, match="got int"):
        grad(lambda x: x**2)(3)


def test_wrong_use_is_told():
    from pyad.autograd import deriv, elementwise_grad, grad, value_and_grad
    from pyad.autograd.extend import vspace

    for operator in (grad, value_and_grad):
        with pytest.raises(TypeError, match="only applies to real scalar-output functions"):
            operator(lambda x: 2.0 * x)(np.ones(2))
        with pytest.raises(TypeError, match="only applies to real scalar-output functions"):
            operator(lambda x: (x, x))(1.0)
    for operator in (grad, deriv, elementwise_grad):
        with pytest.raises(TypeError, match="argnum must be an int, or a tuple or list of ints, got 'x'"):
            operator(np.sin, "x")
    with pytest.raises(TypeError, match="Can't find vector space for value text"):
        vspace("text")


def test_wrong_derivatives_are_found_by_check_grads():
    from pyad.autograd.extend import defvjp, primitive
    from pyad.autograd.test_util import check_grads, combo_check

    @primitive
    def wrong(x, y):
        return x * y

    defvjp(wrong, lambda ans, x, y: lambda g: 2.0 * g * y, lambda ans, x, y: lambda g: g * x)
    check_grads(wrong, 1, modes=["rev"], order=1)(2.0, 3.0)
    with pytest.raises(AssertionError):
        check_grads(wrong, modes=["rev"], order=1)(2.0, 3.0)
    with pytest.raises(AssertionError):
        combo_check(wrong, (0, 1), modes=["rev"], order=1)([1.0, 2.0], [3.0])
    combo_check(lambda x, y, power: (x * y) ** power, (0, 1))([1.0, 2.0], [3.0], power=[1, 2])


def test_a_primitive_that_is_registered_as_constant_is_constant():
    from pyad.autograd import grad
    from pyad.autograd.extend import VJPNode, primitive, register_notrace

    floor = primitive(np.floor)
    register_notrace(VJPNode, floor)
    assert grad(lambda x: x * floor(x))(2.5) == 2.0


def test_helpers_for_rules():
    from pyad.autograd.numpy import make_diagonal
    from pyad.autograd.numpy.numpy_jvps import broadcast
    from pyad.autograd.numpy.numpy_vjps import balanced_eq, match_complex, repeat_to_match_shape, replace_zero
    from pyad.testing import check_grads

    x = np.array([[0.5, 1.5], [2.5, 0.0]])
    repeated, count = repeat_to_match_shape(x.sum(axis=1), x.shape, x.dtype, 1, False)
    assert count == 2
    assert repeated.tolist() == [[2.0, 2.0], [2.5, 2.5]]
    assert repeat_to_match_shape(3.0, (2, 2), x.dtype, None, False)[1] == 4
    assert broadcast(x[0], x).tolist() == [[0.5, 1.5]] * 2
    assert replace_zero(x, 7.0)[1].tolist() == [2.5, 7.0]
    assert balanced_eq(x, x, x.T)[0].tolist() == [0.5, 1.0]
    assert match_complex(1.0, 2.0 + 1.0j) == 2.0
    assert match_complex(1.0j, 2.0) == 2.0 + 0.0j
    assert make_diagonal(x, axis1=-1, axis2=-2).shape == (2, 2, 2)
    check_grads(lambda x: make_diagonal(x) ** 2, (x,), order=2)
    with pytest.raises(NotImplementedError):
        make_diagonal(x, offset=1)
