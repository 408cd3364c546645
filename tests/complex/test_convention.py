"""Complex arrays: values against NumPy, derivatives against differences, autograd and JAX, and the convention."""

import warnings

import autograd.numpy as anp
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from autograd.core import make_vjp

import pyad
import pyad.numpy as pnp
from pyad._binding import engine
from pyad._ops.linalg import matmul
from pyad.errors import ConcretizationError, DTypeError, ShapeError
from pyad.testing import check_grads

Z = np.array([1.3 + 0.7j, -0.5 + 0.3j, 0.2 - 0.9j])
W = np.array([0.4 - 0.2j, 1.1 + 0.6j, -0.7 + 1.5j])
X = np.array([0.5, 1.5, -0.3])
M = np.array([[1.0 + 2.0j, 0.5 - 1.0j, 0.3j], [-0.7, 0.2 + 0.4j, 1.0 - 0.5j]])
MASK = np.array([True, False, True])
ROWS = np.array([0, 2, 2])

# name -> (function of a namespace and the arguments, arguments): the same for NumPy (pyad), JAX and autograd.
HOLOMORPHIC = {
    "sin": lambda np, z: np.sin(z),
    "cos": lambda np, z: np.cos(z),
    "tan": lambda np, z: np.tan(z),
    "sinh": lambda np, z: np.sinh(z),
    "cosh": lambda np, z: np.cosh(z),
    "tanh": lambda np, z: np.tanh(z),
    "exp": lambda np, z: np.exp(z),
    "expm1": lambda np, z: np.expm1(z),
    "log": lambda np, z: np.log(z),
    "log1p": lambda np, z: np.log1p(z),
    "sqrt": lambda np, z: np.sqrt(z),
    "square": lambda np, z: np.square(z),
    "reciprocal": lambda np, z: np.reciprocal(z),
    "negative": lambda np, z: -z,
    "arcsin": lambda np, z: np.arcsin(z),
    "arccos": lambda np, z: np.arccos(z),
    "arctan": lambda np, z: np.arctan(z),
    "integer power": lambda np, z: z**3,
    "negative power": lambda np, z: z**-2,
    "broken power": lambda np, z: z**1.5,
    "complex power": lambda np, z: z ** (0.5 + 1j),
    "complex base": lambda np, z: (1 + 2j) ** z,
    "power of itself": lambda np, z: np.power(z, z),
    "plus number": lambda np, z: z + (1 - 2j),
    "number minus": lambda np, z: 3 - z,
    "times i": lambda np, z: 1j * z,
    "quotient": lambda np, z: (z + 1) / (z - 2j),
    "constants": lambda np, z: z * W + X / z,
    "polynomial": lambda np, z: ((z + 1j) * z - 0.5) * z,
    "sum": lambda np, z: np.sum(z * z),
    "mean": lambda np, z: np.mean(z**2),
    "matrix sum": lambda np, z: np.sum(np.outer(z, z) * 1j, axis=0),
    "vector product": lambda np, z: z @ z,
    "matrix product": lambda np, z: M @ z,
    "product with matrix": lambda np, z: np.matmul(np.outer(z, W), np.outer(X, z)),
    "dot": lambda np, z: np.dot(z, W),
    "slice": lambda np, z: z[::-1][:2] * z[1:],
    "rows": lambda np, z: z[ROWS] ** 2,
    "reshape": lambda np, z: np.transpose(np.reshape(z, (1, 3))) * z,
    "concatenate": lambda np, z: np.concatenate([z, z * z]),
    "stack": lambda np, z: np.stack([z, 1j * z], axis=1),
    "where": lambda np, z: np.where(MASK, z, 2j * z),
    "broadcast": lambda np, z: z[:, None] * z[None, :],
}
REAL_LINEAR = {
    "conj": lambda np, z: np.conj(z),
    "conjugate": lambda np, z: np.conjugate(z) * z,
    "real": lambda np, z: np.real(z * z),
    "imag": lambda np, z: np.imag(z * z),
    "abs": lambda np, z: np.abs(z),
    "absolute": lambda np, z: np.absolute(z * z) ** 2,
    "angle": lambda np, z: np.angle(z),
    "angle in degrees": lambda np, z: np.angle(z, deg=True),
    "var": lambda np, z: np.var(z),
    "std": lambda np, z: np.std(z),
    "attributes": lambda np, z: z.real * z.imag,
    "methods": lambda np, z: z.conj() * z,
    "polar": lambda np, z: np.abs(z) * np.exp(2j * np.angle(z)),
    "norm": lambda np, z: np.sqrt(np.sum(np.abs(z) ** 2)),
    "log of magnitude": lambda np, z: np.log(np.abs(np.sum(z))),
    "parts put together": lambda np, z: np.real(z) + 1j * np.imag(z) ** 2,
    "where on parts": lambda np, z: np.where(np.real(z) > 0, z, np.conj(z)),
    "max of magnitudes": lambda np, z: np.max(np.abs(z)),
}
# Of real numbers, with complex numbers on the way.
MIXED = {
    "phase": lambda np, x: np.exp(1j * x),
    "times complex": lambda np, x: x * W,
    "complex times": lambda np, x: W * x,
    "divided by complex": lambda np, x: x / W,
    "minus complex": lambda np, x: (x - W) ** 2,
    "complex number": lambda np, x: (2 - 1j) * x + 1j,
    "power of complex": lambda np, x: W**x,
    "complex power": lambda np, x: (x + 2) ** (1 + 1j),
    "magnitude": lambda np, x: np.abs(x - W),
    "matrix product": lambda np, x: M @ x,
    "joined": lambda np, x: np.concatenate([x, W]) ** 2,
    "where": lambda np, x: np.where(MASK, x, W),
    "wave": lambda np, x: np.real(np.sum(np.exp(1j * x) * W)),
    "real of real": lambda np, x: np.real(x) * np.conj(x),
}
TABLE = {
    **{f"holomorphic: {k}": (f, Z) for k, f in HOLOMORPHIC.items()},
    **{f"real-linear: {k}": (f, Z) for k, f in REAL_LINEAR.items()},
    **{f"mixed: {k}": (f, X) for k, f in MIXED.items()},
}
# autograd has no attributes and ignores degrees; where and concatenate it leaves a real operand a complex cotangent.
NOT_AUTOGRAD = {"where on parts", "attributes", "methods", "angle in degrees", "joined", "where"}


def cotangent_of(y):
    rng = np.random.default_rng(3)
    y = np.asarray(y)
    drawn = rng.normal(size=y.shape)
    return np.asarray(drawn + 1j * rng.normal(size=y.shape) if y.dtype.kind == "c" else drawn, y.dtype)


def close(got, want, **keywords):
    keywords = {"rtol": 1e-11, "atol": 1e-13, **keywords}
    np.testing.assert_allclose(np.asarray(got), np.asarray(want), **keywords)


@pytest.mark.parametrize("name", TABLE)
def test_values_are_those_of_numpy(name):
    f, x = TABLE[name]
    for at in (x, x.astype(np.complex64 if x.dtype.kind == "c" else np.float32)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
            want = f(np, at)
        got = pyad.vjp(lambda x: f(np, x), at)[0]
        assert np.asarray(got).dtype == np.asarray(want).dtype
        close(got, want, rtol=1e-5 if at.dtype.itemsize < x.dtype.itemsize else 1e-13, atol=1e-6)


@pytest.mark.parametrize("name", TABLE)
def test_derivatives_are_those_of_differences_in_both_modes(name):
    f, x = TABLE[name]
    check_grads(lambda x: f(np, x), (x,), order=2)


@pytest.mark.parametrize("name", TABLE)
def test_pullbacks_are_those_of_jax_and_autograd(name):
    f, x = TABLE[name]
    y, pullback = pyad.vjp(lambda x: f(np, x), x)
    s = cotangent_of(y)
    (got,) = pullback(s)
    assert got.dtype == x.dtype
    _, theirs = jax.vjp(lambda x: f(jnp, x), x)
    close(got, theirs(jnp.asarray(s))[0])
    if name.split(": ")[1] not in NOT_AUTOGRAD:
        close(got, make_vjp(lambda x: f(anp, x), x)[0](s[()]))


@pytest.mark.parametrize("name", HOLOMORPHIC)
def test_the_jacobian_of_a_holomorphic_function_is_complex_linear(name):
    f = HOLOMORPHIC[name]
    got = pyad.jacobian(lambda z: f(np, z), holomorphic=True)(Z)
    t = cotangent_of(Z)
    y, dy = pyad.jvp(lambda z: f(np, z), (Z,), (t,))
    assert got.shape == y.shape + Z.shape
    close(np.tensordot(got, t, 1), dy)
    close(got @ (1j * t), 1j * dy)


def test_a_real_function_of_complex_numbers_has_a_complex_jacobian():
    jacobian = pyad.jacobian(np.abs)(Z)
    close(jacobian, np.diag(np.conj(Z) / np.abs(Z)))


SECOND = {"broken power": 0.75 * Z**-0.5, "quotient": 2 * (1 + 2j) / (Z - 2j) ** 3, "exp": np.exp(Z)}


@pytest.mark.parametrize("name", SECOND)
def test_holomorphic_functions_have_a_hessian(name):
    f = HOLOMORPHIC[name]
    close(pyad.hessian(lambda z: np.sum(f(np, z)), holomorphic=True)(Z), np.diag(SECOND[name]))


# ---- the convention ----


def test_the_gradient_of_a_real_function_is_du_dx_minus_i_du_dy():
    def u(z):
        return z.real**3 * z.imag

    x, y = 1.5, -0.5
    assert pyad.grad(u)(x + 1j * y) == 3 * x**2 * y - 1j * x**3
    close(pyad.grad(lambda z: np.sum(np.abs(z) ** 2))(Z), 2 * np.conj(Z))


def test_cotangents_of_holomorphic_functions_are_multiplied_by_the_derivative_without_a_conjugate():
    s = 0.3 - 2j
    assert pyad.vjp(lambda z: z * z, 1 + 2j)[1](s) == (s * (2 + 4j),)
    assert pyad.grad(lambda z: z * z, holomorphic=True)(1 + 2j) == 2 + 4j
    assert pyad.value_and_grad(lambda z: z * z, holomorphic=True)(1 + 2j) == (-3 + 4j, 2 + 4j)


def test_parts_and_conjugates_pull_back_as_said():
    s, g = 2.0, 0.5 - 3j
    assert pyad.vjp(np.real, 1 + 2j)[1](s) == (2 + 0j,)
    assert pyad.vjp(np.imag, 1 + 2j)[1](s) == (-2j,)
    assert pyad.vjp(np.conj, 1 + 2j)[1](g) == (g.conjugate(),)


def test_a_real_operand_receives_the_real_part_and_a_complex_one_complex_numbers():
    _, pullback = pyad.vjp(lambda x, z: x * z, 2.0, 3 + 4j)
    x_bar, z_bar = pullback(1 + 1j)
    assert type(x_bar) is np.float64
    assert x_bar == ((1 + 1j) * (3 + 4j)).real
    assert type(z_bar) is np.complex128
    assert z_bar == 2 + 2j
    (z_bar,) = pyad.vjp(lambda z: np.real(z) * 2, Z)[1](X)
    assert z_bar.dtype == np.complex128


def test_tangents_of_functions_that_are_not_holomorphic_follow_the_real_differential():
    assert pyad.jvp(np.conj, (1 + 2j,), (3 + 4j,))[1] == 3 - 4j
    assert pyad.jvp(np.real, (1 + 2j,), (3 + 4j,))[1] == 3.0
    assert pyad.jvp(np.imag, (1 + 2j,), (3 + 4j,))[1] == 4.0
    close(pyad.jvp(np.abs, (3 + 4j,), (1j,))[1], 0.8)


def test_the_gradient_points_where_a_descent_goes_after_conjugation():
    target = np.array([1 + 1j, -2j])
    z = np.zeros(2, complex)
    for _ in range(60):
        z = z - 0.2 * np.conj(pyad.grad(lambda z: np.sum(np.abs(z - target) ** 2))(z))
    close(z, target, atol=1e-9)


# ---- points without a derivative ----

EDGES = {
    "abs": lambda np, z: np.abs(z),
    "angle": lambda np, z: np.angle(z),
    "log": lambda np, z: np.log(z),
    "sqrt": lambda np, z: np.sqrt(z),
    "square": lambda np, z: z**2,
    "reciprocal": lambda np, z: 1 / z,
    "exp": lambda np, z: np.exp(z),
    "conj": lambda np, z: np.conj(z),
    "std": lambda np, z: np.std(np.stack([z, z])),
    "root of power": lambda np, z: z**0.5,
    "arctan": lambda np, z: np.arctan(z),
}


@pytest.mark.parametrize("at", [0j, 1 + 0j, -1 + 0j, -2 + 0j, 1j, complex("nan")])
@pytest.mark.parametrize("name", EDGES)
def test_derivatives_at_special_points_are_those_of_jax(name, at):
    f = EDGES[name]
    with np.errstate(all="ignore"):
        y, pullback = pyad.vjp(lambda z: f(np, z), at)
        (got,) = pullback(np.ones((), np.asarray(y).dtype)[()])
    y, theirs = jax.vjp(lambda z: f(jnp, z), at)
    want = theirs(jnp.ones((), y.dtype))[0]
    # Where one part is NaN, the other is of no use: it is left alone.
    close(np.nan if np.isnan(got) else got, np.nan if np.isnan(want) else want, rtol=1e-12, atol=1e-15)


def test_the_magnitude_has_derivative_zero_at_zero_and_the_angle_none():
    assert pyad.grad(np.abs)(0j) == 0
    with np.errstate(all="ignore"):
        assert np.isnan(pyad.grad(np.angle)(0j))


def test_the_sign_of_a_complex_number_is_its_direction():
    at = 3 + 4j
    close(pyad.vjp(np.sign, at)[0], np.sign(at))
    check_grads(np.sign, (np.array([3 + 4j, -1 + 2j]),), order=2)
    assert pyad.vjp(np.sign, 0j)[0] == 0
    assert pyad.vjp(np.sign, 0j)[1](1.0) == (0j,)


def test_powers_with_exponent_zero_are_constant():
    assert pyad.vjp(lambda z: z**0.0, 0j)[1](1.0) == (0j,)
    assert pyad.vjp(lambda w: 0j**w, 2 + 0j)[1](1.0) == (0j,)


def test_ties_of_complex_numbers_go_by_numpys_order():
    z = np.array([1 + 1j, 2 + 0j, 2 + 3j, 2 + 3j])
    assert pyad.vjp(np.max, z)[0] == np.max(z)
    close(pyad.vjp(np.max, z)[1](1.0)[0], [0, 0, 0.5, 0.5])
    close(pyad.vjp(np.min, z)[1](1j)[0], [1j, 0, 0, 0])
    value, pullback = pyad.vjp(lambda z: np.maximum(z, 2 + 1j), z)
    close(value, np.maximum(z, 2 + 1j))
    close(pullback(np.ones(4))[0], [0, 0, 1, 1])


# ---- transforms ----


def test_gradients_of_trees_of_complex_and_real_parameters():
    params = {"w": M, "scale": 1.5, "bias": np.array([0.1, 0.2], np.float32), "number": 1 - 2j}

    def loss(p):
        out = p["scale"] * (p["w"] @ Z) + p["bias"] + p["number"]
        return np.sum(np.abs(out) ** 2)

    value, gradient = pyad.value_and_grad(loss)(params)
    close(value, loss(params))
    out = params["scale"] * (M @ Z) + params["bias"] + params["number"]
    close(gradient["w"], 2 * 1.5 * np.outer(np.conj(out), Z))
    close(gradient["scale"], 2 * np.sum(np.conj(out) * (M @ Z)).real)
    close(gradient["number"], 2 * np.sum(np.conj(out)))
    assert gradient["bias"].dtype == np.float32
    assert type(gradient["scale"]) is np.float64
    assert type(gradient["number"]) is np.complex128
    check_grads(loss, (params,), order=1)


def test_the_hessian_of_a_real_function_through_its_parts():
    def u(parts):
        z = parts[0] + 1j * parts[1]
        return np.real(np.exp(z) * z) + np.abs(z) ** 2

    x, y = 0.3, -0.8
    second = np.exp(x + 1j * y) * (2 + x + 1j * y)
    # By the Cauchy-Riemann equations; the second term adds twice the identity.
    want = [[second.real, -second.imag], [-second.imag, -second.real]] + 2 * np.eye(2)
    close(pyad.hessian(u)(np.array([x, y])), want)


def test_products_with_the_hessian_at_complex_points():
    def u(z):
        return np.sum(np.abs(z) ** 4) + np.real(z[0] * z[1] * z[2])

    t = cotangent_of(Z)
    step = 1e-6
    gradient = pyad.grad(u)
    want = (gradient(Z + step * t) - gradient(Z - step * t)) / (2 * step)
    close(pyad.hvp(u, (Z,), (t,)), want, rtol=1e-7)


def test_transforms_nest():
    def inner(z):
        return pyad.grad(lambda w: np.real(w * w * z))(z)

    close(pyad.grad(lambda z: np.abs(inner(z)) ** 2)(1 + 2j), 2 * np.conj(2 * (1 + 2j) ** 2) * 4 * (1 + 2j))
    second = pyad.grad(pyad.grad(lambda z: z**4, holomorphic=True), holomorphic=True)
    close(second(1 + 1j), 12 * (1 + 1j) ** 2)
    mixed = pyad.grad(lambda x: np.real(pyad.grad(lambda z: np.exp(z * x), holomorphic=True)(1j)))(0.5)
    # d/dx of Re(x exp(ix)) is cos(x) - x sin(x).
    close(mixed, np.cos(0.5) - 0.5 * np.sin(0.5))
    close(pyad.jvp(pyad.grad(lambda z: np.abs(z) ** 2), (1 + 2j,), (1j,))[1], 2 * np.conj(1j))


def test_pullbacks_can_be_called_again_and_differentiated():
    y, pullback = pyad.vjp(lambda z: np.exp(z) * np.conj(z), Z)
    s = cotangent_of(y)
    close(pullback(2 * s)[0], 2 * pullback(s)[0])
    check_grads(lambda s: pullback(s)[0], (s,), order=2)


def test_results_that_do_not_depend_on_complex_inputs_have_zeros_for_gradients():
    gradient = pyad.grad(lambda z: 1.0)(Z.astype(np.complex64))
    assert gradient.dtype == np.complex64
    assert not gradient.any()
    _, tangent = pyad.jvp(lambda z: 2j, (Z,), (Z,))
    assert tangent == 0
    assert np.iscomplexobj(tangent)
    gradient = pyad.grad(lambda z: np.sum(np.real(pyad.stop_gradient(z) * z)))(Z)
    close(gradient, Z)


def test_large_arrays_of_any_layout():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(60, 50)) + 1j * rng.normal(size=(60, 50))
    for at in (z, np.asfortranarray(z), z[::-2, 1::3], z.T, z.real + 0j):
        gradient = pyad.grad(lambda z: np.real(np.sum(np.exp(z) * z + z[::-1] * 1j)))(at)
        close(gradient, np.exp(at) * (1 + at) + 1j)
        assert gradient.shape == at.shape
    values = {"real": z.real, "imag": z.imag}
    gradient = pyad.grad(lambda p: np.sum(np.abs(p["real"] + 1j * p["imag"]) ** 2))(values)
    close(gradient["real"], 2 * z.real)
    close(gradient["imag"], 2 * z.imag)


def test_empty_and_zero_dimensional_arrays():
    empty = np.zeros((0, 3), complex)
    gradient = pyad.grad(lambda z: np.sum(np.abs(np.exp(z) * z)))(empty)
    assert gradient.shape == (0, 3)
    assert gradient.dtype == np.complex128
    for number in (1 + 2j, np.complex128(1 + 2j), np.array(1 + 2j)):
        close(pyad.grad(lambda z: np.real(z * np.exp(z)))(number), (2 + 2j) * np.exp(1 + 2j))
    assert type(pyad.grad(np.abs)(np.complex64(3 + 4j))) is np.complex64
    assert pyad.vjp(np.conj, empty)[1](empty)[0].shape == (0, 3)


def test_memory_that_changed_is_noticed():
    z = Z.copy()
    _, pullback = pyad.vjp(lambda z: np.exp(z) * z, z)
    z[0] = 0
    with pytest.raises(pyad.errors.MutationError):
        pullback(Z)


# ---- rules of one's own ----


def test_custom_rules_take_complex_numbers():
    @pyad.custom_vjp
    def twice(z):
        return 2j * z, np.real(z)

    twice.defvjp(lambda z: (twice(z), None), lambda _, s: (2j * s[0] + s[1],))
    check_grads(lambda z: twice(z)[0] * twice(z)[1], (Z,), order=1, modes="rev")

    @pyad.custom_jvp
    def square(z):
        return z * z

    square.defjvp(lambda p, t: (square(p[0]), 2 * p[0] * t[0]))
    check_grads(square, (Z,), order=2)


# ---- the array ----


def test_a_traced_array_has_the_attributes_of_a_complex_ndarray():
    seen = {}

    def f(z):
        seen["dtype"] = z.dtype
        seen["itemsize"] = z.itemsize
        seen["text"] = repr(z)
        seen["equal"] = z == Z
        seen["less"] = z < 1
        seen["isreal"] = np.isreal(z), np.iscomplex(z), np.iscomplexobj(z), np.isrealobj(z)
        seen["kinds"] = [type(v) for v in (z.real, z.imag, z.conj(), z.conjugate())]
        seen["finite"] = np.isfinite(z)
        with pytest.raises(ConcretizationError):
            complex(z[0])
        return np.real(z[0])

    pyad.grad(f)(Z)
    assert seen["dtype"] == np.complex128
    assert seen["itemsize"] == 16
    assert "complex128[3]" in seen["text"] or "complex128" in seen["text"]
    assert seen["equal"].all()
    np.testing.assert_array_equal(seen["less"], Z < 1)
    assert [np.all(x) for x in seen["isreal"]] == [False, True, True, False]
    assert seen["finite"].all()
    assert set(seen["kinds"]) == {pyad._trace.array.Array, pyad._trace.array.View}


def test_real_arrays_have_parts_too():
    def f(x):
        assert not np.iscomplexobj(x)
        np.testing.assert_array_equal(x.imag, np.zeros(3))
        np.testing.assert_array_equal(np.imag(x), np.zeros(3))
        np.testing.assert_array_equal(np.angle(x), np.angle(X))
        return np.sum(x.real * x.conj() * np.conj(x))

    close(pyad.grad(f)(X), 3 * X**2)


def test_real_if_close_gives_the_real_part_where_the_rest_is_rounding():
    z = X + 1e-17j
    value, pullback = pyad.vjp(np.real_if_close, z)
    assert value.dtype == np.float64
    close(pullback(np.ones(3))[0], np.ones(3))
    assert pyad.vjp(np.real_if_close, Z)[0].dtype == np.complex128
    assert pyad.vjp(np.real_if_close, X)[0].dtype == np.float64


def test_astype_to_complex_and_back_warns_as_numpy_does():
    value, pullback = pyad.vjp(lambda x: x.astype(complex), X)
    assert value.dtype == np.complex128
    (back,) = pullback(Z)
    assert back.dtype == np.float64
    close(back, Z.real)
    with pytest.warns(np.exceptions.ComplexWarning, match="imaginary"):
        value, pullback = pyad.vjp(lambda z: z.astype(np.float32), Z)
    assert value.dtype == np.float32
    assert pullback(np.ones(3, np.float32))[0].dtype == np.complex128
    value, pullback = pyad.vjp(lambda z: z.astype(np.complex64), Z)
    assert value.dtype == np.complex64
    assert pullback(np.ones(3, np.complex64))[0].dtype == np.complex128


def test_a_complex_dtype_argument_makes_the_loop_complex():
    x = np.array([-1.0, 4.0])
    value, pullback = pyad.vjp(lambda x: np.sqrt(x, dtype=complex), x)
    close(value, [1j, 2.0])
    close(pullback(np.array([1j, 1.0]))[0], [0.5, 0.25])


def test_layers_take_complex_weights():
    weights, bias = M.T.copy(), np.array([0.5j, 1.0])
    value, pullback = pyad.vjp(lambda w, b: matmul.affine(np.stack([Z, W]), w, b), weights, bias)
    close(value, np.stack([Z, W]) @ weights + bias)
    s = cotangent_of(value)
    close(pullback(s)[0], np.stack([Z, W]).T @ s)
    close(pullback(s)[1], s.sum(axis=0))


def test_lists_of_real_and_complex_values_become_complex_arrays():
    value, pullback = pyad.vjp(lambda x, z: pnp.array([x, z, 1.0, 2j]), 0.5, 1 + 1j)
    close(value, [0.5, 1 + 1j, 1.0, 2j])
    x_bar, z_bar = pullback(np.array([1j, 2j, 3, 4]))
    assert x_bar == 0.0
    assert z_bar == 2j


@pytest.mark.parametrize("single", [True, False])
def test_promotion_is_numpys(single):
    x = X.astype(np.float32) if single else X
    z = Z.astype(np.complex64) if single else Z
    cases = [
        lambda x, z: x * 1j,
        lambda x, z: 1j * x,
        lambda x, z: x * z,
        lambda x, z: z / x,
        lambda x, z: z * 2.0,
        lambda x, z: z + 1,
        lambda x, z: z * np.float64(2.0),
        lambda x, z: z * np.complex128(2.0),
        lambda x, z: z**2,
        lambda x, z: z**0.5,
        lambda x, z: np.abs(z),
        lambda x, z: np.where(MASK, x, z),
        lambda x, z: np.concatenate([x, z]),
        lambda x, z: z @ x,
        lambda x, z: z * np.arange(3),
        lambda x, z: np.float32(2) * z,
    ]
    for case in cases:
        want = case(x, z)
        got, pullback = pyad.vjp(case, x, z)
        assert np.asarray(got).dtype == np.asarray(want).dtype
        close(got, want, rtol=1e-6)
        x_bar, z_bar = pullback(np.ones(np.shape(got), np.asarray(got).dtype)[()])
        assert x_bar.dtype == x.dtype
        assert z_bar.dtype == z.dtype


# ---- errors ----


def test_complex_outputs_ask_for_holomorphic():
    for call in (pyad.grad, pyad.value_and_grad, pyad.jacobian):
        with pytest.raises(DTypeError, match=rf"{call.__name__}: .*complex128.*holomorphic=True"):
            call(lambda z: z * z)(1 + 2j)
        with pytest.raises(DTypeError, match="holomorphic=True inputs must be complex, got dtype float64"):
            call(lambda z: z * z, holomorphic=True)(1.0)
        with pytest.raises(DTypeError, match="holomorphic=True the function must return complex"):
            call(np.abs, holomorphic=True)(1 + 2j)
    with pytest.raises(DTypeError, match="holomorphic"):
        pyad.grad(lambda x: 1j)(1.0)
    with pytest.raises(DTypeError, match="holomorphic"):
        pyad.hessian(lambda z: np.abs(z) ** 2)(1 + 2j)
    assert issubclass(DTypeError, TypeError)


def test_functions_that_are_not_for_complex_numbers_say_so():
    named = {
        "floor": np.floor,
        "ceil": np.ceil,
        "arctan2": lambda z: np.arctan2(z, z),
        "fabs": np.fabs,
        "relu": pyad.nn.relu,
        "sigmoid": pyad.nn.sigmoid,
        "softplus": pyad.nn.softplus,
        "logsumexp": pyad._ops.reductions.logsumexp,
        "softmax": pyad._ops.reductions.softmax,
    }
    for name, function in named.items():
        with pytest.raises(TypeError, match=name):
            pyad.vjp(function, Z)


def test_shapes_and_derivatives_that_do_not_fit():
    with pytest.raises(ShapeError, match="add: operands with shapes"):
        pyad.vjp(lambda z: z + np.ones(4, complex), Z)
    with pytest.raises(ValueError, match="matmul"):
        pyad.vjp(lambda z: np.matmul(M, np.stack([z, z])), Z)
    with pytest.raises(DTypeError, match="derivative of dtype complex128 for a value of dtype float64"):
        pyad.vjp(np.abs, Z)[1](Z)
    with pytest.raises(DTypeError, match="float32 or float64, or complex64 or complex128"):
        pyad.grad(lambda z: np.sum(np.abs(z)))(Z.astype(np.clongdouble))
    with pytest.raises(ShapeError, match="at most 31"):
        pyad.vjp(lambda z: z, np.ones((1,) * 32, complex))
    assert engine.counters()["nodes"] == 0


def test_check_grads_catches_wrong_complex_rules():
    @pyad.custom_vjp
    def conjugated(z):
        return z * z

    conjugated.defvjp(lambda z: (z * z, z), lambda z, s: (s * np.conj(2 * z),))
    with pytest.raises(AssertionError, match="mode rev, order 1"):
        check_grads(conjugated, (Z,), order=1, modes="rev")

    @pyad.custom_jvp
    def swapped(z):
        return np.conj(z)

    swapped.defjvp(lambda p, t: (np.conj(p[0]), t[0]))
    with pytest.raises(AssertionError, match=r"imaginary part"):
        check_grads(swapped, (Z,), order=1, modes="fwd")


def test_check_grads_of_single_precision_and_of_mixed_arguments():
    check_grads(lambda z: np.sum(np.abs(z) ** 2), (Z.astype(np.complex64),), order=2)
    check_grads(lambda z, x: {"a": z * x, "b": (np.abs(z), 3)}, (Z, X), order=2)
    check_grads(lambda z: z * z, (1 + 2j,), order=3)


@pytest.mark.parametrize("size", [3, 100, 3000])
def test_second_derivatives_of_complex_numbers_of_any_size(size):
    # A recorded sweep reads what rules that Python ran have given it, after Python has let go of that.
    x = np.linspace(-1.0, 1.0, size)

    def f(x):
        return np.sum(np.real((x + 1j) ** 2 * np.exp(1j * x)))

    def gradient(x):
        return np.real((2 * (x + 1j) + 1j * (x + 1j) ** 2) * np.exp(1j * x))

    step = 1e-5
    got = pyad.hvp(f, (x,), (np.ones(size),))
    np.testing.assert_allclose(pyad.grad(f)(x), gradient(x), rtol=1e-12)
    np.testing.assert_allclose(got, (gradient(x + step) - gradient(x - step)) / (2 * step), rtol=1e-7, atol=1e-8)
