"""Views, copies and kinds of what is written, against NumPy; and values of every kind that share memory or do not."""

import warnings

import numpy as np
import pytest

import pyad
import pyad.numpy as pnp
from pyad.errors import DTypeError
from pyad.testing import check_grads
from pyad.tree import TreeError

X = np.array([1.0, 2.0, 3.0])
Z = X + 1j * np.array([0.5, -1.0, 0.25])
M = np.arange(9.0).reshape(3, 3) + 0.5

# Statements on x (real), z (complex) and m (a matrix). All three are compared afterwards, and r where it is assigned.
STATEMENTS = [
    "r = np.diagonal(m); m[0, 0] = x[1]",
    "r = np.diag(m, 1); m[0] = x",
    "r = m.T.diagonal(-1); m[0] = x",
    "r = np.einsum('ii->i', m); r[0] = x[1]; r *= 2.0",
    "np.einsum('ii->i', m)[:] = x",
    "r = np.einsum('iij->ij', np.stack([m, m, m])); r[0] = x",
    "r = np.lib.stride_tricks.sliding_window_view(x, 2); x[1] = m[0, 0]",
    "r = np.lib.stride_tricks.sliding_window_view(m, (2, 2)); m[1] *= 2.0",
    "r = np.lib.stride_tricks.sliding_window_view(m, 2, axis=0); m[1] = x",
    "r = z.real; z[0] = x[1] * 2j",
    "r = z.imag[1:]; z *= z",
    "z.real[0] = x[2]",
    "z.imag[1:] = x[1:]",
    "z.real = x[::-1]",
    "z.imag = 2.0",
    "z[1:].imag *= x[1:]",
    "z.real[[0, 2]] = x[:2]",
    "z.imag[x > 1.5] += 1.0",
    "np.add.at(z.real, [0, 0, 1], x)",
    "np.real(z)[::-1] += x",
    "x.real[1] = z[0].imag",
    "np.exp(z, out=z)",
    "np.add(x, z, out=z)",
    "z[0] = 2j",
    "z[:] = np.array([1j, 2.0, 3.0])",
    "np.add.at(z, [0, 0], 2j)",
    "x[0] = z[0]",
    "x[:] = z",
    "x[[0, 1]] = z[:2]",
    "x[0] = np.complex128(2j)",
    "r = np.nan_to_num(x, copy=False); r[0] = m[0, 0]",
    "r = np.conj(x); r[0] = 5.0",
    "r = x.conj(); r[0] = 5.0",
    "np.clip(x[:1], 0.0, 1.5, out=x)",
    "x[:1].clip(0.0, 1.5, out=x)",
    "m += m.T",
    "m[1:] = m[:-1]",
    "m[0], m[1] = m[1].copy(), m[0].copy()",
]


def run(statement, x, z, m, np):
    scope = {"np": np, "x": x, "z": z, "m": m}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
        exec(statement, scope)
    return [scope[name] for name in ("x", "z", "m", "r") if name in scope]


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("namespace", [np, pnp], ids=["numpy", "pyad.numpy"])
def test_a_write_shows_where_numpy_shows_it_and_is_differentiated(statement, namespace):
    want = run(statement, X.copy(), Z.copy(), M.copy(), np)
    got, _ = pyad.vjp(lambda x, z, m: run(statement, x, z, m, namespace), X, Z, M)
    for g, w in zip(got, want, strict=True):
        assert g.dtype == w.dtype
        np.testing.assert_allclose(g, w, rtol=1e-13)
    if namespace is np:
        check_grads(lambda x: run(statement, x * x, Z * x, M * (1.0 + x), np), (X,), order=2)


REFUSED = {
    "x += z": (DTypeError, r"\+=: .*complex128"),
    "x *= 2j": (DTypeError, r"\*="),
    "np.add(x, z, out=x)": (DTypeError, "numpy.add"),
    "np.copyto(x, z)": (DTypeError, "numpy.copyto"),
    "x[0] = 2j": (DTypeError, "complex128"),
    "np.insert(x, 0, 2j)": (DTypeError, "insert"),
    "np.interp(z, x, x)": (DTypeError, "real numbers"),
    "np.bincount([0, 1, 1], z)": (DTypeError, "real numbers"),
    "np.percentile(z, 30)": (TypeError, "real numbers"),
    "np.diagonal(m)[0] = 1.0": (ValueError, "read-only"),
    "np.diag(m)[0] = 1.0": (ValueError, "read-only"),
    "np.lib.stride_tricks.sliding_window_view(x, 2)[0] = 1.0": (ValueError, "read-only"),
    "x.imag[0] = 1.0": (ValueError, "read-only"),
    "x.imag = 1.0": (TypeError, "imaginary"),
    "del x[0]": (ValueError, "deleted"),
    "2.0 in x[0]": (TypeError, "no container"),
}


@pytest.mark.parametrize("statement", REFUSED)
def test_what_numpy_refuses_is_refused_with_its_class_of_error(statement):
    kind, words = REFUSED[statement]
    with pytest.raises((TypeError, ValueError)) as caught:
        run(statement, X.copy(), Z.copy(), M.copy(), np)
    assert issubclass(kind, (TypeError, ValueError))
    assert isinstance(caught.value, TypeError) == issubclass(kind, TypeError)
    with pytest.raises(kind, match=words):
        pyad.vjp(lambda x, z, m: run(statement, x, z, m, np), X, Z, M)


def test_a_shape_is_not_set_but_reshaped():
    def f(x):
        x.shape = (3, 1)
        return np.sum(x)

    with pytest.raises(AttributeError, match="reshape"):
        pyad.grad(f)(X)


def test_writing_complex_numbers_into_real_ones_warns_as_in_numpy():
    def f(x):
        y = x * 1.0
        y[:] = Z
        y[0] = x[0] * 1j
        return np.sum(y)

    with pytest.warns(np.exceptions.ComplexWarning):
        assert pyad.grad(f)(X).tolist() == [0.0, 0.0, 0.0]


# ---- complex operands of functions that could drop the imaginary part ----

COMPLEX = {
    "cumsum": np.cumsum,
    "cumprod": np.cumprod,
    "prod": np.prod,
    "nancumsum": np.nancumsum,
    "accumulate": np.multiply.accumulate,
    "cumsum of a real": lambda z: np.cumsum(np.real(z), dtype=complex),
    "float_power": lambda z: np.float_power(z, 2.0),
    "sinc": np.sinc,
    "median": np.median,
    "cov": lambda z: np.cov(np.stack([z, z**2])),
    "cov of one": np.cov,
    "corrcoef": lambda z: np.corrcoef(np.stack([z, z**2])),
    "interp": lambda z: np.interp([0.5, 1.5], [0.0, 1.0, 2.0], z),
}


@pytest.mark.parametrize("name", COMPLEX)
def test_a_function_of_complex_numbers_keeps_their_imaginary_part(name):
    f = COMPLEX[name]
    value, _ = pyad.vjp(f, Z)
    want = f(Z)
    assert value.dtype == want.dtype
    np.testing.assert_allclose(value, want, rtol=1e-12)
    check_grads(f, (Z,), order=2)


# ---- others ----


def test_a_number_can_be_reduced_over_its_axis_as_in_numpy():
    for axis in (0, -1, None, ()):
        for f in (np.sum, np.mean, np.max, np.min, np.prod, np.nanmax, np.add.reduce):
            assert pyad.grad(lambda x, f=f, axis=axis: f(x, axis=axis))(2.0) == 1.0
    with pytest.raises(np.exceptions.AxisError):
        pyad.grad(lambda x: np.sum(x, axis=1))(2.0)
    assert pyad.vjp(lambda x: np.prod(x, dtype=bool) * x, 2.0)[0] == 2.0
    assert pyad.grad(lambda x: x[0] * (np.prod(x, dtype=bool).dtype == bool))(X)[0] == 1.0


class Pair:
    """A class of the user's own with operators."""

    def __init__(self, a, b):
        self.a, self.b = a, b

    def __rmul__(self, factor):
        return Pair(factor * self.a, factor * self.b)

    def __rsub__(self, other):
        return Pair(other - self.a, other - self.b)


def test_operators_leave_an_operand_of_another_class_to_its_own_operator():
    assert pyad.grad(lambda x: (x * Pair(2.0, 3.0)).b + (x - Pair(1.0, x * x)).b)(1.5) == 3.0 + 1.0 - 3.0
    with pytest.raises(TypeError):
        pyad.grad(lambda x: pnp.multiply(x, Pair(1.0, 1.0)))(1.0)
    with pytest.raises(TypeError):
        pyad.grad(lambda x: x / Pair(1.0, 1.0))(1.0)


def test_a_container_inside_itself_is_refused():
    loop = [1.0]
    loop.append({"a": loop})
    with pytest.raises(TreeError, match="contains itself"):
        pyad.grad(lambda x: x[0])(loop)
    shared = [1.0, 2.0]
    many = [shared] * 20000
    assert len(pyad.tree.leaves(many)) == 40000


def test_texts_are_not_taken_for_numbers_of_foreign_byte_order():
    with pytest.raises(DTypeError, match="not supported"):
        pyad.grad(np.sum)(np.array(["a"]))
