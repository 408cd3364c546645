"""Random NumPy programs that write in place through views and aliases: values against NumPy, both modes against each
other, against central differences, and in second order."""

import os
import random

import numpy as np
import pytest

import pyad
import pyad.numpy as pnp
from pyad._binding import engine

MASK = np.array([True, False, True])
VECTORS, MATRICES = ["x", "y"], ["m", "k"]
ONE = ["0", "-1", "1:", "::-1", "...", "[0, 1]", "[0, 0, 1]", "MASK", "None", "::2", "(0, None)", "np.array([1, 0])"]
TWO = ["0", "-1", "1:", "::-1", "(0, 1)", "(slice(None), 0)", "[0, 0]", "([0, 1, 1], [0, 1, 1])", "(1, slice(1, None))",
       "(slice(None), [0, 2])", "([1, 0], slice(1, 3))", "(None, 0)", "(..., 1)", "(slice(None), MASK)"]  # fmt: skip
FORMULAS = ["np.sin({})", "{} * {}", "{} - {}", "np.exp(-({}) ** 2)", "{} / (1.0 + ({}) ** 2)", "({}) ** 3", "{}"]


class Writer:
    """Writes the lines of a program; what it names last is a view or copy of what was there."""

    def __init__(self, seed):
        self.pick = random.Random(seed)
        self.vectors, self.matrices = list(VECTORS), list(MATRICES)

    def vector(self):
        v, m = self.pick.choice(self.vectors), self.pick.choice(self.matrices)
        return self.pick.choice(
            [v, v, v, f"{v}[::-1]", f"{m}[-1]", f"np.sum({m}, 0)", f"np.cumsum({v})", f"{m}.T[:, 0]"]
        )

    def matrix(self):
        m = self.pick.choice(self.matrices)
        return self.pick.choice([m, m, f"{m}[::-1]", self.vector(), f"np.stack([{self.vector()}, {self.vector()}])"])

    def formula(self, operand):
        text = self.pick.choice(FORMULAS)
        return text.format(*(operand() for _ in range(text.count("{}"))))

    def new(self, names, value):
        names.append(f"v{len(self.vectors) + len(self.matrices)}")
        return f"{names[-1]} = {value}"

    def line(self):
        pick = self.pick
        is_vector = pick.random() < 0.5
        names, indices, operand = (self.vectors, ONE, self.vector) if is_vector else (self.matrices, TWO, self.matrix)
        name, index, value = pick.choice(names), pick.choice(indices), self.formula(operand)
        number = round(pick.uniform(-2.0, 2.0), 2)
        m = pick.choice(self.matrices)
        written = pick.choice(
            [f"({value})[{index}]", f"{name}[{index}] * {number}", f"{self.vector()}[1]", str(number)]
        )
        return pick.choice([
            lambda: self.new(names, pick.choice([f"{name}[...]", f"{name}[::-1]", f"{name}.copy()"])),
            lambda: self.new(self.vectors, pick.choice([f"{m}[1]", f"{m}.reshape(-1)[5:2:-1]", f"{m}.T[:, 0]"])),
            *[lambda: f"{name}[{index}] {pick.choice(['+=', '-=', '*=', '='])} {written}"] * 4,
            *[lambda: f"{name} {pick.choice(['+=', '-=', '*='])} {value}"] * 2,
            lambda: f"{name} /= 2.0 + ({value}) ** 2",
            lambda: f"{name}[1:] = {name}[:-1]",
            lambda: f"{name}[0], {name}[1] = {name}[1].copy(), {name}[0].copy()",
            lambda: f"np.add({name}, {value}, out={name})",
            lambda: f"np.sin({name}, out={name}[::-1])",
            lambda: f"np.add.at({name}, [0, 0, 1], {number})",
            lambda: f"np.cumsum({name}, axis=0, out={name})",
            lambda: f"np.copyto({name}, {value})",
            lambda: f"np.fill_diagonal({m}, {self.vector()}[:2])",
            lambda: f"{name}.sort()",
            lambda: f"{name}.partition(1)",
            lambda: f"np.einsum('ii->i', {m}[:, :2])[:] *= {number}",
        ])()  # fmt: skip


def function_of(seed, namespace):
    writer = Writer(seed)
    lines = [writer.line() for _ in range(writer.pick.randint(2, 9))]
    code = compile("\n".join(lines), "\n".join(lines), "exec")

    def f(x, y, m, k):
        scope = {"np": namespace, "MASK": MASK, "x": x, "y": y, "m": m, "k": k}
        exec(code, scope)
        names = [*writer.vectors, *writer.matrices]
        parts = [scope[name] for name in names if name in scope]
        return sum(np.sum(v * v) * (0.3 + 0.1 * j) - np.sum(v) * 0.7**j for j, v in enumerate(parts))

    return f


def arguments(seed):
    rng = np.random.default_rng(seed)
    return tuple(rng.uniform(-1.0, 1.0, shape) for shape in ((3,), (3,), (2, 3), (2, 3)))


def inner(a, b):
    return sum(np.sum(u * v) for u, v in zip(a, b, strict=True))


ALL = (0, 1, 2, 3)

# `.ci/long` asks for many more.
PROGRAMS = int(os.environ.get("PYAD_TEST_PROGRAMS", "60"))


def check(seed, namespace):
    """Whether the program is one that NumPy runs; then all must agree."""
    args, ways = arguments(seed), arguments(seed + 1)
    plain, f = function_of(seed, np), function_of(seed, namespace)
    try:
        want = plain(*(a.copy() for a in args))
    except (ValueError, IndexError, TypeError) as problem:
        with pytest.raises((ValueError, IndexError, TypeError)) as caught:
            pyad.grad(f, ALL)(*args)
        assert isinstance(caught.value, next(c for c in type(problem).__mro__ if c.__module__ == "builtins"))
        assert engine.counters()["nodes"] == 0
        return False
    if not abs(want) < 1e4:
        return False
    value, gradient = pyad.value_and_grad(f, ALL)(*args)
    forward, slope = pyad.jvp(f, args, ways)
    np.testing.assert_allclose([value, forward], want, rtol=1e-10)
    scale = 1.0 + abs(slope)
    np.testing.assert_allclose(inner(gradient, ways), slope, atol=1e-9 * scale)
    h = 1e-6
    ends = [plain(*(a + step * w for a, w in zip(args, ways, strict=True))) for step in (h, -h)]
    np.testing.assert_allclose((ends[0] - ends[1]) / (2 * h), slope, atol=1e-4 * (scale + abs(want)))
    second = pyad.jvp(pyad.grad(f, ALL), args, ways)[1]
    other = pyad.grad(lambda *a: pyad.jvp(f, a, ways)[1], ALL)(*args)
    for a, b in zip(second, other, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-8 * (1.0 + np.abs(b).max()))
    _, pullback = pyad.vjp(f, *args)
    for factor in (1.0, 2.0):
        for a, b in zip(pullback(factor), gradient, strict=True):
            np.testing.assert_allclose(a, factor * b, atol=1e-9 * (1.0 + np.abs(b).max()))
    return True


@pytest.mark.parametrize("namespace", [np, pnp], ids=["numpy", "pyad.numpy"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_random_programs_with_writes_have_numpys_values_and_consistent_derivatives(namespace):
    assert sum(check(seed, namespace) for seed in range(PROGRAMS)) > PROGRAMS // 2
