"""Compiled functions, derivatives and what belongs to networks can be copied and pickled, as functions are."""

import copy
import functools
import importlib
import pickle
import subprocess
import sys

import numpy as np
import pytest

import pyad
from pyad import nn

X = np.array([0.5, -1.5, 2.0])

SOURCE = """
import numpy as np
import pyad


def loss(x, k=2.0):
    return np.sum(x**2) * k


@pyad.compile
def step(x):
    return np.sum(np.tanh(x))


@pyad.grad
def slope(x):
    return np.sum(x**3)


@pyad.custom_vjp
def clipped(x):
    return np.clip(x, -1.0, 1.0)


clipped.defvjp(lambda x: (np.clip(x, -1.0, 1.0), None), lambda r, g: (g * 3.0,))
gradient = pyad.grad(loss)
both = pyad.value_and_grad(loss, argnums=(0,))
curvature = pyad.hessian(loss)
jacobian = pyad.jacobian(np.sin)
frugal = pyad.checkpoint(loss)
fast = pyad.compile(pyad.grad(loss), max_programs=3)


class Model:
    def __init__(self):
        self.w = np.array([1.0, 2.0, 3.0])

    @pyad.compile
    def step(self, x):
        return x * self.w

    @pyad.grad
    def slope(x):
        return x**2
"""
NAMES = ("step", "slope", "clipped", "gradient", "both", "curvature", "jacobian", "frugal", "fast")


@pytest.fixture
def functions(tmp_path, monkeypatch):
    (tmp_path / "functions_to_pickle.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("functions_to_pickle", None)
    yield importlib.import_module("functions_to_pickle")
    sys.modules.pop("functions_to_pickle", None)


WAYS = {
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "the first protocol": lambda x: pickle.loads(pickle.dumps(x, 0)),
    "pickle in Python": lambda x: pickle._loads(pickle._dumps(x)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "cloudpickle": lambda x: pickle.loads(pytest.importorskip("cloudpickle").dumps(x)),
    "joblib": lambda x: pytest.importorskip("joblib").hash(x) and x,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", NAMES)
def test_functions_can_be_copied(functions, name, way):
    f = getattr(functions, name)
    want = f(X)
    made = WAYS[way](f)
    for got, expected in zip(pyad.tree.leaves(made(X)), pyad.tree.leaves(want), strict=True):
        np.testing.assert_array_equal(got, expected)
    if name in ("step", "slope", "clipped"):
        assert made is f  # by its name, as functions
    assert made.__name__ == f.__name__
    assert made.__doc__ == f.__doc__
    if name == "fast":
        assert made.max_programs == 3


@pytest.mark.parametrize("way", WAYS)
def test_objects_with_compiled_methods_can_be_copied(functions, way):
    model = functions.Model()
    np.testing.assert_array_equal(model.step(X), X * model.w)
    made = WAYS[way](model)
    made.w = made.w * 2.0
    np.testing.assert_array_equal(made.step(X), X * made.w)
    np.testing.assert_array_equal(model.step(X), X * model.w)


def test_another_process_can_call_them(functions, tmp_path):
    data = pickle.dumps([functions.gradient, functions.fast, functions.step, functions.Model().step])
    code = (
        "import pickle, sys, numpy as np\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        f"for f in pickle.loads({data!r}): print(np.sum(f(np.ones(3))))"
    )
    out = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True).stdout
    expected = [12.0, 12.0, 3 * np.tanh(1.0), 6.0]
    np.testing.assert_allclose([float(line) for line in out.split()], expected)


def test_functions_of_a_script_are_pickled_by_value(tmp_path):
    pytest.importorskip("cloudpickle")
    script = tmp_path / "script.py"
    script.write_text(
        "import cloudpickle, numpy as np, pyad\n"
        "def loss(x): return np.sum(x**2)\n"
        "@pyad.compile\n"
        "def step(x): return x * 3.0\n"
        "gradient = pyad.grad(loss)\n"
        f"open({str(tmp_path / 'data')!r}, 'wb').write(cloudpickle.dumps([gradient, step, pyad.compile(gradient)]))\n"
    )
    subprocess.run([sys.executable, "-P", str(script)], check=True)
    for f, want in zip(pickle.loads((tmp_path / "data").read_bytes()), (2.0, 3.0, 2.0), strict=True):
        np.testing.assert_array_equal(f(np.ones(3)), np.full(3, want))


def test_a_derivative_can_be_a_method(functions):
    class Model:
        k = 3.0

        @functools.partial(pyad.grad, argnums=1)
        def slope(self, x):
            return self.k * x**2

    assert Model().slope(2.0) == 12.0
    assert Model.slope(Model(), 2.0) == 12.0
    assert repr(pyad.grad(functions.loss)) == "<grad of loss>"


def objects_of_networks():
    rng = np.random.default_rng(0)
    params = nn.init_mlp(rng, (3, 4, 1)) if hasattr(nn, "init_mlp") else None
    for name in ("SGD", "Adam", "AdamW", "RMSProp", "Momentum", "Adagrad"):
        if hasattr(nn, name):
            yield getattr(nn, name)(0.1)
    if params is not None:
        yield params


@pytest.mark.parametrize("way", WAYS)
def test_objects_of_networks_can_be_copied(way):
    found = list(objects_of_networks())
    assert found
    for x in found:
        made = WAYS[way](x)
        assert type(made) is type(x)
    for name in nn.__all__:
        x = getattr(nn, name)
        if callable(x):
            assert WAYS[way](x) is x
