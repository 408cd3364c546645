"""What makes arrays: it can be written into with traced values; r_, c_, iterators; operands that claim ufuncs."""

import numpy as np
import pytest

import pyad
from pyad import numpy as pnp

X = np.array([0.5, 2.0])

MAKERS = {
    "eye": lambda np: np.eye(3),
    "identity": lambda np: np.identity(3),
    "tri": lambda np: np.tri(3),
    "arange": lambda np: np.arange(9.0).reshape(3, 3),
    "linspace": lambda np: np.linspace(0.0, 1.0, 9).reshape(3, 3),
    "linspace and step": lambda np: np.linspace(0.0, 1.0, 9, retstep=True)[0].reshape(3, 3),
    "logspace": lambda np: np.logspace(0.0, 1.0, 9).reshape(3, 3),
    "geomspace": lambda np: np.geomspace(1.0, 2.0, 9).reshape(3, 3),
    "vander": lambda np: np.vander([1.0, 2.0, 3.0]),
    "hanning": lambda np: np.hanning(9).reshape(3, 3),
    "kaiser": lambda np: np.kaiser(9, 2.0).reshape(3, 3),
    "fromfunction": lambda np: np.fromfunction(lambda i, j: i + 0.5 * j, (3, 3)),
    "fromiter": lambda np: np.fromiter(iter(range(9)), float).reshape(3, 3),
    "diagflat": lambda np: np.diagflat([1.0, 2.0, 3.0]),
    "r_": lambda np: np.r_[0.0:9.0].reshape(3, 3),
    "zeros": lambda np: np.zeros((3, 3)),
    "float32": lambda np: np.eye(3, dtype=np.float32),
    "complex": lambda np: np.eye(3, dtype=complex),
    "complex zeros": lambda np: np.zeros((3, 3), complex),
    "complex full": lambda np: np.full((3, 3), 1j),
    "complex like": lambda np: np.ones_like(np.zeros((3, 3), np.complex64)),
}


@pytest.mark.parametrize("name", MAKERS)
def test_makers_can_be_written_into(name):
    def f(x, np=pnp):
        a = MAKERS[name](np)
        a[0, 1:] = x
        return np.sum(np.abs(a * a))

    plain = MAKERS[name](np)
    assert type(MAKERS[name](pnp)) is np.ndarray
    value, gradient = pyad.value_and_grad(f)(X.astype(np.real(plain).dtype))
    np.testing.assert_allclose(value, f(X, np), rtol=1e-6)
    np.testing.assert_allclose(gradient, 2.0 * X, rtol=1e-6)
    assert gradient.dtype == np.real(plain).dtype


def test_complex_values_into_complex_arrays():
    def f(z):
        a = pnp.zeros(3, complex)
        a[0] = z
        a[1:] = z * z
        return pnp.sum(a * a)

    z = 0.5 + 0.25j
    np.testing.assert_allclose(pyad.vjp(f, z)[1](1.0 + 0.0j)[0], 2 * z + 8 * z**3)


def test_integers_stay_numpys():
    def f(x):
        assert type(pnp.arange(3)) is np.ndarray
        assert type(pnp.eye(2, dtype=int)) is np.ndarray
        return x * x

    pyad.grad(f)(2.0)


@pytest.mark.parametrize(
    "make",
    [
        lambda np, x: np.r_[x, x],
        lambda np, x: np.r_[x, 0.0, x[0], 1:3, [x[1], 4.0]],
        lambda np, x: np.c_[x, x],
        lambda np, x: np.c_[x, [1.0, 2.0]],
        lambda np, x: np.c_[x[:, None], x],
        lambda np, x: np.r_["0,2", x, x],
        lambda np, x: np.r_["-1", x, x],
        lambda np, x: np.r_["0,2,0", x, [1.0, 2.0]],
        lambda np, x: np.r_["1,3,1", x, x],
    ],
)
def test_r_and_c(make):
    want = make(np, X)
    got = []
    pyad.vjp(lambda x: got.append(pyad.stop_gradient(make(pnp, x))) or x, X)
    np.testing.assert_array_equal(got[0], want)
    jacobian = pyad.jacobian(lambda x: make(pnp, x))(X)
    for k, unit in enumerate(np.eye(2)):
        moved = np.asarray(make(np, X + unit)) - want
        np.testing.assert_allclose(jacobian[..., k], moved, atol=1e-15)


def test_a_matrix_by_r_is_refused():
    with pytest.raises(pyad.errors.UnsupportedError, match="matrix"):
        pyad.grad(lambda x: pnp.sum(pnp.r_["r", x, x]))(X)


def test_where_by_name():
    f = lambda x: pnp.sum(pnp.where(condition=x > 1.0, x=x * x, y=3.0 * x))  # noqa: E731
    np.testing.assert_array_equal(pyad.grad(f)(X), [3.0, 4.0])
    with pytest.raises(ValueError, match="both or neither"):
        pyad.grad(lambda x: pnp.sum(pnp.where(x > 1.0, x=x)))(X)


def test_scalars():
    seen = []
    pyad.grad(lambda x: seen.extend([pnp.isscalar(x), pnp.isscalar(pnp.ones(2) * x)]) or x)(1.0)
    assert seen == [True, False]
    assert pnp.isscalar(3.0)
    assert not pnp.isscalar(np.ones(2))
    assert pyad.grad(lambda x: x * np.int64(pnp.ones(3)[0] + 1.0))(2.0) == 2.0


@pytest.mark.parametrize("join", ["stack", "concatenate", "vstack", "hstack", "column_stack", "dstack"])
@pytest.mark.parametrize(
    "held",
    [
        lambda x: map(x.__mul__, (1.0, 2.0)),
        lambda x: (y * x for y in (1.0, 2.0)),
        lambda x: {"a": x, "b": 2.0 * x}.values(),
        lambda x: iter([x, 2.0 * x]),
        lambda x: filter(lambda y: True, [x, 2.0 * x]),
    ],
)
def test_iterators_of_arrays(join, held):
    gradient = pyad.grad(lambda x: pnp.sum(getattr(pnp, join)(held(x))))(X)
    np.testing.assert_array_equal(gradient, [3.0, 3.0])


# ---- operands with a hook of their own ----


class Labelled:
    """As xarray's arrays: converts to ndarray, but claims ufuncs and operators."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)

    def __array_ufunc__(self, ufunc, method, *inputs, **keywords):
        plain = [x.values if isinstance(x, Labelled) else x for x in inputs]
        return Labelled(getattr(ufunc, method)(*plain, **keywords))

    def __mul__(self, other):
        return np.multiply(self, other)

    def __rmul__(self, other):
        return np.multiply(other, self)

    def __rtruediv__(self, other):
        return np.divide(other, self)


@pytest.mark.parametrize(
    "f",
    [
        lambda x, a: x * a,
        lambda x, a: a * x,
        lambda x, a: np.multiply(x, a),
        lambda x, a: np.multiply(a, x),
        lambda x, a: np.exp(np.log(x) * a),
        lambda x, a: x / a,
    ],
)
def test_operands_that_claim_ufuncs(f):
    a = Labelled(np.array([3.0, 4.0]))
    assert type(f(X, a)) is Labelled

    def total(x):
        result = f(x, a)
        assert type(result) is Labelled
        return np.sum(result.values)

    value, gradient = pyad.value_and_grad(total)(X)
    np.testing.assert_allclose(value, np.sum(f(X, a).values))
    pyad.testing.check_grads(lambda x: np.sum(f(x, a).values), (X,), order=1)
    assert gradient.shape == X.shape


def test_operands_that_only_convert():
    class Holder:
        def __array__(self, dtype=None, copy=None):
            return np.array([3.0, 4.0], dtype)

    np.testing.assert_array_equal(pyad.grad(lambda x: np.sum(x * Holder()))(X), [3.0, 4.0])


# ---- memory that is not the engine's ----


def test_other_byte_orders_and_unaligned_arrays():
    swapped = X.astype(X.dtype.newbyteorder())
    unaligned = np.zeros(2, [("tag", "i1"), ("x", "f8")])["x"]
    unaligned[:] = X
    packed = np.frombuffer(b"\0" + X.tobytes(), np.float64, offset=1)
    assert not packed.flags.aligned
    for given in (swapped, unaligned, packed):
        np.testing.assert_array_equal(pyad.grad(lambda x: np.sum(x**3))(given), 3.0 * X**2)
        np.testing.assert_array_equal(pyad.grad(lambda x, c=given: np.sum(x * c))(X), X)
        np.testing.assert_array_equal(pyad.jvp(np.square, (given,), (given,))[1], 2.0 * X * X)
        np.testing.assert_array_equal(pyad.vjp(np.square, X)[1](given)[0], 2.0 * X * X)
        compiled = pyad.compile(lambda x, c=given: np.sum(x * c))
        assert compiled(X) == np.sum(X * X)
        z = (given + 0j).astype(np.dtype(complex).newbyteorder())
        np.testing.assert_array_equal(pyad.grad(lambda z: np.sum(np.real(z * z)))(z), 2.0 * X)
