"""Transforms inside transforms, in every order, against JAX; pullbacks, and derivatives of great depth."""

import gc
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.oracles import assert_tree_equal, differentiate

import pyad
from pyad.errors import ShapeError

X = np.array([0.3, -0.7, 1.2])
M = np.arange(9.0).reshape(3, 3) / 9.0

# ---- nestings ----

FUNCTIONS = {
    "polynomial": lambda np, x: x**3 + 2 * x * x,
    "composite": lambda np, x: np.tanh(np.sin(x) * np.exp(x / 2)) + x**4 / (1 + x * x),
    "linear": lambda np, x: 3.0 * x,
    "shared": lambda np, x: (lambda a: a * a + np.sin(a) / a)(x + np.exp(x)),
}
ORDERS = [order for n in (1, 2, 3) for order in itertools.product("rfvp", repeat=n)]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_nesting_gives_the_derivative_of_jax(name):
    ours = FUNCTIONS[name]
    expected = {}
    for n in (1, 2, 3):
        expected[n] = differentiate(jax, lambda x: ours(jnp, x), "r" * n)(0.7)
    for order in ORDERS:
        got = differentiate(pyad, lambda x: ours(np, x), order)(0.7)
        np.testing.assert_allclose(got, expected[len(order)], rtol=1e-11, atol=1e-12, err_msg=str(order))


def test_fifth_derivatives():
    for order in ("rrrrr", "fffff", "rfrfr", "vvvvv"):
        np.testing.assert_allclose(differentiate(pyad, np.sin, order)(0.4), np.cos(0.4), rtol=1e-12)


def test_perturbations_are_not_confused():
    """Siskind and Pearlmutter's classic: the inner derivative of x + y by y is 1, not 2."""
    for inner in ("r", "f", "v"):
        for outer in ("r", "f", "v"):
            got = differentiate(
                pyad, lambda x, inner=inner: x * differentiate(pyad, lambda y: x + y, inner)(1.0), outer
            )(1.0)
            assert got == 1.0, (inner, outer)
            got = differentiate(
                pyad, lambda x, inner=inner: x * differentiate(pyad, lambda y: x * y, inner)(2.0), outer
            )(3.0)
            assert got == 6.0, (inner, outer)
    # The inner function sees the outer variable only, or shadows it.
    both = pyad.grad(lambda x: pyad.grad(lambda x: x**2)(x) + pyad.jvp(lambda y: x * y * y, (x,), (1.0,))[1])(3.0)
    assert both == 14.0


def test_closures_over_outer_traced_values_at_three_depths():
    def kit_f(kit):
        def f(x):
            def g(y):
                def h(z):
                    return x * y**2 * z**3

                return kit.grad(h)(y) * x

            return kit.grad(g)(x)

        return f

    for n in (0, 1, 2):
        want = differentiate(jax, kit_f(jax), "r" * n)(1.3)
        np.testing.assert_allclose(differentiate(pyad, kit_f(pyad), "r" * n)(1.3), want, rtol=1e-12)


def test_hessian_of_a_function_that_differentiates_inside():
    def build(kit, np):
        def energy(x):
            inner = kit.grad(lambda y: np.sum(np.sin(y * x) ** 2))(x)
            _, dot = kit.jvp(lambda y: np.tanh(y) * x, (x,), (inner,))
            return np.sum(inner * dot)

        return energy

    ours, theirs = build(pyad, np), build(jax, jnp)
    np.testing.assert_allclose(pyad.grad(ours)(X), jax.grad(theirs)(X), rtol=1e-11)
    np.testing.assert_allclose(pyad.hessian(ours)(X), jax.hessian(theirs)(X), rtol=1e-11, atol=1e-12)
    want = jax.jvp(jax.grad(theirs), (X,), (M[1],))[1]
    np.testing.assert_allclose(pyad.hvp(ours, (X,), (M[1],)), want, rtol=1e-11, atol=1e-12)


def test_jacobians_inside_transforms_and_of_containers():
    def f(p):
        return {"u": np.sin(p["x"]) * p["t"], "v": (p["x"][0] ** 2, p["t"])}

    def g(p):
        return {"u": jnp.sin(p["x"]) * p["t"], "v": (p["x"][0] ** 2, p["t"])}

    p = {"x": X, "t": 2.0}
    assert_tree_equal(pyad.jacobian(f)(p), jax.jacobian(g)(p))
    got = pyad.grad(lambda x: np.sum(pyad.jacobian(lambda y: np.sin(y * x))(x) ** 2))(X)
    want = jax.grad(lambda x: jnp.sum(jax.jacobian(lambda y: jnp.sin(y * x))(x) ** 2))(X)
    np.testing.assert_allclose(got, want, rtol=1e-12)
    got = pyad.jvp(lambda x: np.sum(pyad.jacobian(lambda y: np.sin(y * x))(x) ** 2), (X,), (M[1],))[1]
    np.testing.assert_allclose(got, want @ M[1], rtol=1e-12)
    assert_tree_equal(
        pyad.hessian(lambda p: np.sum(p["x"] ** 2) * p["t"])(p), jax.hessian(lambda p: jnp.sum(p["x"] ** 2) * p["t"])(p)
    )


@pytest.mark.parametrize("shape", [(), (0,), (2,), (2, 3)], ids=str)
@pytest.mark.parametrize("out", [(), (0,), (3,), (1, 2)], ids=str)
def test_jacobians_have_the_shape_of_output_and_input(shape, out):
    x = np.full(shape, 0.5)
    w = np.random.default_rng(0).normal(size=(*out, *shape))
    axes = tuple(range(len(out), w.ndim))
    got = pyad.jacobian(lambda x: np.sum(w * x, axis=axes))(x)
    assert np.shape(got) == out + shape
    np.testing.assert_allclose(got, w)


def test_hvp_of_several_arguments_is_that_of_the_whole_hessian():
    def f(x, p):
        return np.sum(np.sin(x) * p["w"]) + p["t"] ** 3 * x[0]

    p, tangent = {"w": M[1], "t": 2.0}, (M[2], {"w": X, "t": 0.5})
    got = pyad.hvp(f, (X, p), tangent)
    want = jax.jvp(jax.grad(lambda x, p: jnp.sum(jnp.sin(x) * p["w"]) + p["t"] ** 3 * x[0], (0, 1)), (X, p), tangent)[1]
    assert_tree_equal(got, want)


# ---- pullbacks ----


def test_a_pullback_can_be_called_any_number_of_times_and_is_linear():
    y, pullback = pyad.vjp(lambda x: np.exp(np.sin(x)) * M, X)
    first = pullback(M)[0]
    second = pullback(M.T.copy())[0]
    for _ in range(3):
        np.testing.assert_array_equal(pullback(M)[0], first)
    np.testing.assert_allclose(pullback(2 * M + M.T)[0], 2 * first + second, rtol=1e-13)
    first[:] = np.nan
    np.testing.assert_array_equal(np.isnan(pullback(M)[0]), False)
    y[:] = np.nan
    np.testing.assert_array_equal(np.isnan(pullback(M)[0]), False)


def test_pullbacks_outlive_other_transforms_and_are_called_in_any_order():
    pullbacks = [pyad.vjp(lambda x, k=k: np.sin(k * x), X)[1] for k in range(5)]
    pyad.grad(lambda x: np.sum(x))(X)
    gc.collect()
    for k in (3, 0, 4, 1, 2, 3):
        np.testing.assert_allclose(pullbacks[k](np.ones(3))[0], k * np.cos(k * X))
    del pullbacks[1:4]
    gc.collect()
    np.testing.assert_allclose(pullbacks[1](np.ones(3))[0], 4 * np.cos(4 * X))


def test_a_pullback_of_plain_values_takes_part_in_outer_derivatives_of_its_cotangent():
    _, pullback = pyad.vjp(np.sin, X)
    got = pyad.grad(lambda s: np.sum(pullback(s * s)[0] * M[1]))(X)
    np.testing.assert_allclose(got, 2 * X * np.cos(X) * M[1])
    got = pyad.jvp(lambda s: pullback(s * s)[0], (X,), (np.ones(3),))[1]
    np.testing.assert_allclose(got, 2 * X * np.cos(X))
    got = pyad.grad(lambda s: pyad.value_and_grad(lambda s: np.sum(pullback(s * s)[0] * M[1]))(s)[0])(X)
    np.testing.assert_allclose(got, 2 * X * np.cos(X) * M[1])
    got = pyad.hvp(lambda s: np.sum(pullback(s * s)[0] * M[1]), (X,), (np.ones(3),))
    np.testing.assert_allclose(got, 2 * np.cos(X) * M[1])


@pytest.mark.parametrize("outer", ["r", "f", "v", "rr", "fr", "rf", "ff"])
def test_vjp_inside_a_transform_with_plain_and_traced_cotangents(outer):
    def build(kit, np):
        def f(t):
            _, pullback = kit.vjp(lambda y: np.sin(y * t) * y, t * t)
            plain = pullback(1.0)[0]
            traced = pullback(t)[0] + pullback(plain)[0]
            return plain * traced

        return f

    want = differentiate(jax, build(jax, jnp), outer)(0.8)
    np.testing.assert_allclose(differentiate(pyad, build(pyad, np), outer)(0.8), want, rtol=1e-11)


def test_vjp_of_vjp_with_respect_to_primal_and_cotangent():
    def build(kit, np):
        def pulled(x, s):
            return kit.vjp(lambda x: np.sin(x) * x, x)[1](s)[0]

        return lambda x, s, u: kit.vjp(pulled, x, s)[1](u)

    got = build(pyad, np)(X, M[1], M[2])
    want = build(jax, jnp)(jnp.asarray(X), jnp.asarray(M[1]), jnp.asarray(M[2]))
    assert_tree_equal(got, tuple(want))


def test_a_pullback_from_an_outer_level_called_at_an_inner_one():
    def f(x):
        _, pullback = pyad.vjp(lambda y: y**3, x)

        def g(s):
            return pullback(s)[0] * s

        return pyad.grad(g)(x)  # d/ds 3 x^2 s^2 at s = x: 6 x^3

    assert f(2.0) == 48.0
    assert pyad.grad(f)(2.0) == 72.0
    assert pyad.jvp(f, (2.0,), (1.0,))[1] == 72.0


def test_wrong_cotangents_and_tangents_say_so():
    _, pullback = pyad.vjp(lambda x: (np.sum(x), x), X)
    with pytest.raises((TypeError, ValueError), match="structure"):
        pullback(1.0)
    with pytest.raises(ShapeError, match=r"shape \(2,\).*shape \(3,\)"):
        pullback((1.0, np.ones(2)))
    with pytest.raises(TypeError, match="dtype complex128"):
        pullback((1.0, np.ones(3) * 1j))
    np.testing.assert_array_equal(pullback((1.0, np.zeros(3)))[0], 1.0)
    with pytest.raises(ShapeError, match=r"shape \(\).*shape \(3,\)"):
        pyad.jvp(np.sin, (X,), (1.0,))
    with pytest.raises(TypeError, match="structure"):
        pyad.jvp(np.sin, (X,), (X, X))
    with pytest.raises(TypeError, match="must be tuples"):
        pyad.jvp(np.sin, X, X)


# ---- depth and size ----


@pytest.mark.parametrize("way", ["r", "f", "rr", "fr", "rf"])
def test_long_chains_do_not_recurse(way):
    n = 100_000 if len(way) == 1 else 20_000

    def f(x):
        y = x
        for _ in range(n):
            y = y * 0.9999 + 0.0001
        return y * y

    a = 0.9999**n
    b = 1 - a
    want = 2 * a * (a * 0.5 + b) if len(way) == 1 else 2 * a * a
    np.testing.assert_allclose(differentiate(pyad, f, way)(0.5), want, rtol=1e-8)


def test_transforms_nest_deeply_without_limit():
    def f(x, depth):
        return x * x if depth == 0 else pyad.value_and_grad(lambda y: f(y, depth - 1))(x)[0]

    assert pyad.grad(lambda x: f(x, 30))(3.0) == 6.0
