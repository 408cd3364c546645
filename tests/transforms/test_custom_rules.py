"""Rules of one's own: `custom_vjp` and `custom_jvp` in every place an op may stand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.oracles import assert_tree_equal

import pyad
import pyad.numpy as pnp
from pyad.errors import ShapeError
from pyad.testing import check_grads

X = np.array([0.3, -0.7, 1.2])


def cube_vjp():
    @pyad.custom_vjp
    def cube(x):
        return x**3

    cube.defvjp(lambda x: (x**3, x), lambda x, s: (3 * x**2 * s,))
    return cube


def cube_jvp():
    @pyad.custom_jvp
    def cube(x):
        return x**3

    cube.defjvp(lambda primals, tangents: (primals[0] ** 3, 3 * primals[0] ** 2 * tangents[0]))
    return cube


@pytest.mark.parametrize("make", [cube_vjp, cube_jvp])
def test_derivatives_of_any_order_follow_from_a_rule(make):
    cube = make()
    assert cube(2.0) == 8.0
    np.testing.assert_array_equal(cube(X), X**3)
    assert pyad.value_and_grad(cube)(2.0) == (8.0, 12.0)
    assert pyad.grad(pyad.grad(cube))(2.0) == 12.0
    assert pyad.grad(pyad.grad(pyad.grad(cube)))(2.0) == 6.0
    np.testing.assert_allclose(pyad.jacobian(cube)(X), np.diag(3 * X**2))
    np.testing.assert_allclose(pyad.hessian(lambda x: np.sum(cube(x)))(X), np.diag(6 * X), atol=1e-15)
    got = pyad.grad(lambda x: np.sum(np.sin(cube(x * 2)) * x))(X)
    np.testing.assert_allclose(got, pyad.grad(lambda x: np.sum(np.sin((x * 2) ** 3) * x))(X), rtol=1e-13)
    modes = ("rev",) if make is cube_vjp else ("fwd", "rev")
    check_grads(lambda x: np.sin(cube(x) + x), (X,), order=2, modes=modes)


@pytest.mark.parametrize("make", [cube_vjp, cube_jvp])
def test_hvp_goes_through_the_rule(make):
    if make is cube_vjp:
        with pytest.raises(TypeError, match="forward"):
            pyad.jvp(make(), (X,), (X,))
        return
    cube = make()
    np.testing.assert_allclose(pyad.jvp(cube, (X,), (X,))[1], 3 * X**3)
    np.testing.assert_allclose(pyad.hvp(lambda x: np.sum(cube(x)), (X,), (X,)), 6 * X**2)
    got = pyad.jvp(lambda x: pyad.jvp(cube, (x,), (np.ones(3),))[1], (X,), (np.ones(3),))[1]
    np.testing.assert_allclose(got, 6 * X)


def cube_calling_itself():
    """As JAX's documentation writes it: the forward rule calls the function for its output, and for a residual."""

    @pyad.custom_vjp
    def cube(x):
        return pyad.stop_gradient(x) ** 3

    cube.defvjp(lambda x: (cube(x), (cube(x), x)), lambda r, s: (3 * r[0] / r[1] * s,))
    return cube


@pytest.mark.parametrize("make", [cube_vjp, cube_jvp, cube_calling_itself])
def test_calls_are_differentiated_again_after_the_transform_that_made_them_has_ended(make):
    cube = make()
    fourth = [
        lambda x: pyad.value_and_grad(lambda y: cube(y) * x)(x)[0],
        lambda x: pyad.vjp(lambda y: cube(y) * x, x)[0],
        lambda x: pyad.value_and_grad(lambda y: pyad.value_and_grad(lambda z: cube(z) * y)(y)[0])(x)[0],
        lambda x: pyad.grad(lambda y: y * cube(y))(x) * x / 4,
    ]
    for f in fourth:
        np.testing.assert_allclose(pyad.value_and_grad(f)(2.0), (16.0, 32.0))
        np.testing.assert_allclose(pyad.grad(pyad.grad(f))(2.0), 48.0)
        np.testing.assert_allclose(pyad.vjp(pyad.grad(f), 2.0)[1](1.0), [48.0])
        np.testing.assert_allclose(pyad.grad(pyad.grad(pyad.grad(f)))(2.0), 48.0)
        if make is cube_jvp:
            np.testing.assert_allclose(pyad.jvp(f, (2.0,), (1.0,)), (16.0, 32.0))
            np.testing.assert_allclose(pyad.jvp(pyad.grad(f), (2.0,), (1.0,)), (32.0, 48.0))


@pytest.mark.parametrize("make", [cube_vjp, cube_jvp])
def test_rules_in_loops_and_thousands_of_times(make):
    cube = make()

    def f(x):
        for _ in range(500):
            x = cube(x) * 0.5 + x * 0.1
        return np.sum(x)

    def plain(x):
        for _ in range(500):
            x = x**3 * 0.5 + x * 0.1
        return np.sum(x)

    np.testing.assert_allclose(pyad.grad(f)(X), pyad.grad(plain)(X), rtol=1e-10)
    total = pyad.grad(lambda x: sum(np.sum(cube(x)) for _ in range(300)))(X)
    np.testing.assert_allclose(total, 900 * X**2, rtol=1e-12)


def test_the_rule_is_used_and_not_the_function():
    @pyad.custom_vjp
    def f(x):
        return x

    f.defvjp(lambda x: (x, None), lambda _, s: (10.0 * s,))
    assert pyad.grad(f)(1.0) == 10.0

    @pyad.custom_jvp
    def g(x):
        return x

    @g.defjvp
    def rule(primals, tangents):
        return primals[0], 7.0 * tangents[0]

    assert pyad.grad(g)(1.0) == 7.0
    assert pyad.jvp(g, (1.0,), (1.0,))[1] == 7.0
    assert pyad.grad(lambda x: g(f(x)) * f(g(x)))(1.0) == 140.0


def test_several_arguments_and_outputs_in_containers():
    @pyad.custom_vjp
    def f(p, y):
        return {"product": p["a"] * y, "sums": (np.sum(p["a"]), p["b"] + y[0])}

    def fwd(p, y):
        return f(p, y), (p["a"], y)

    def bwd(residuals, s):
        a, y = residuals
        d_a = s["product"] * y + s["sums"][0]
        d_y = s["product"] * a + s["sums"][1] * np.array([1.0, 0.0, 0.0])
        return {"a": d_a, "b": s["sums"][1]}, d_y

    f.defvjp(fwd, bwd)

    def use(f, np):
        def loss(p, y):
            out = f(p, y)
            return np.sum(np.sin(out["product"])) * out["sums"][0] + out["sums"][1] ** 2

        return loss

    def plain(p, y):
        return {"product": p["a"] * y, "sums": (jnp.sum(p["a"]), p["b"] + y[0])}

    p, y = {"a": X, "b": 0.5}, X[::-1].copy()
    got = pyad.value_and_grad(use(f, np), (0, 1))(p, y)
    want = jax.value_and_grad(use(plain, jnp), (0, 1))(p, y)
    assert_tree_equal(got, want)
    got = pyad.hessian(use(f, np), (0, 1))(p, y)
    assert_tree_equal(got, jax.hessian(use(plain, jnp), (0, 1))(p, y), rtol=1e-11, atol=1e-13)


def test_a_jvp_rule_of_several_arguments_and_outputs():
    @pyad.custom_jvp
    def f(x, y):
        return x * y, np.sum(y)

    @f.defjvp
    def rule(primals, tangents):
        x, y = primals
        dx, dy = tangents
        return f(x, y), (dx * y + x * dy, np.sum(dy))

    def loss(x, y):
        a, b = f(x, y)
        return np.sum(a**2) * b

    y = X + 2.0
    check_grads(loss, (X, y), order=2)
    check_grads(lambda x: loss(x, y), (X,), order=2)
    check_grads(lambda y: loss(X, y), (y,), order=2)
    check_grads(f, (X, y), order=2)


def test_none_stands_for_no_cotangent():
    @pyad.custom_vjp
    def f(x, y):
        return x * y

    f.defvjp(lambda x, y: (x * y, y), lambda y, s: (s * y, None))
    assert pyad.grad(f, (0, 1))(2.0, 3.0) == (3.0, 0.0)


def test_arguments_that_are_not_differentiated():
    seen = []

    @pyad.custom_vjp
    def plain(x, n):
        return x**n

    plain.defvjp(lambda x, n: (x**n, (x, n)), lambda r, s: (r[1] * r[0] ** (r[1] - 1) * s, None))
    assert pyad.grad(plain)(2.0, 3) == 12.0

    def power(n, x, name):
        return x**n

    op = pyad.custom_vjp(power, nondiff_argnums=(0, 2))

    def bwd(n, name, x, s):
        seen.append((n, name))
        return (n * x ** (n - 1) * s,)

    op.defvjp(lambda n, x, name: (x**n, x), bwd)
    assert pyad.grad(lambda x: op(3, x, "name"))(2.0) == 12.0
    assert seen == [(3, "name")]
    assert pyad.grad(pyad.grad(lambda x: op(3, x, "name")))(2.0) == 12.0
    jop = pyad.custom_jvp(power, nondiff_argnums=(0, 2))
    jop.defjvp(lambda n, name, p, t: (p[0] ** n, n * p[0] ** (n - 1) * t[0]))
    assert pyad.grad(lambda x: jop(3, x, "name"))(2.0) == 12.0
    assert pyad.jvp(lambda x: jop(3, x, "name"), (2.0,), (1.0,))[1] == 12.0


def test_dtypes_and_shapes_stay():
    for make in (cube_vjp, cube_jvp):
        cube = make()
        for x in (np.float32(2.0), X.astype(np.float32), np.ones((2, 0)), np.array(1.5)):
            value, pullback = pyad.vjp(cube, x)
            assert value.dtype == x.dtype
            assert value.shape == np.shape(x)
            (got,) = pullback(np.ones(np.shape(x), x.dtype))
            assert got.dtype == x.dtype
            np.testing.assert_allclose(got, 3 * x**2)


def test_functions_that_call_other_transforms_and_plain_numpy():
    """A root found by iterating outside the tape, with the derivative of the implicit function theorem."""

    @pyad.custom_vjp
    def root(a):
        x = 1.0
        for _ in range(50):
            x = x - (x * x - a) / (2 * x)
        return x

    root.defvjp(lambda a: (lambda r: (r, r))(root(pyad.stop_gradient(a))), lambda r, s: (s / (2 * r),))
    assert pyad.grad(root)(4.0) == 0.25

    @pyad.custom_jvp
    def slope(x):
        return pyad.grad(np.sin)(x)

    slope.defjvp(lambda p, t: (np.cos(p[0]), -np.sin(p[0]) * t[0]))
    np.testing.assert_allclose(pyad.grad(slope)(0.5), -np.sin(0.5))
    np.testing.assert_allclose(pyad.grad(pyad.grad(slope))(0.5), -np.cos(0.5))


def test_closures_and_residuals_carry_outer_derivatives():
    def f(k):
        @pyad.custom_vjp
        def g(x):
            return x * x

        g.defvjp(lambda x: (x * x, x), lambda x, s: (2 * x * s,))
        return pyad.grad(lambda x: g(x * k))(3.0)  # 2 * 3 k * k

    assert f(2.0) == 24.0
    assert pyad.grad(f)(2.0) == 24.0


def test_wrong_rules_say_what_is_wrong():
    @pyad.custom_vjp
    def f(x):
        return x

    with pytest.raises(AttributeError, match=r"f has no rule yet; call f\.defvjp"):
        pyad.grad(f)(1.0)
    assert f(1.0) == 1.0
    f.defvjp(lambda x: x, lambda r, s: (s,))
    with pytest.raises(TypeError, match="f: fwd must return a pair"):
        pyad.grad(f)(1.0)
    f.defvjp(lambda x: (x, None), lambda r, s: s)
    with pytest.raises(TypeError, match="f: bwd must return a tuple of 1"):
        pyad.grad(f)(1.0)
    f.defvjp(lambda x: (x, None), lambda r, s: (s, s))
    with pytest.raises(TypeError, match=r"f: bwd must return a tuple of 1.* of 2"):
        pyad.grad(f)(1.0)
    f.defvjp(lambda x: (x, None), lambda r, s: (np.ones(2),))
    with pytest.raises(ShapeError, match=r"f: bwd returned a cotangent of shape \(2,\) for an argument of \(\)"):
        pyad.grad(f)(1.0)
    f.defvjp(lambda x: (x, None), lambda r, s: ((s, s),))
    with pytest.raises(TypeError, match="f: bwd returned"):
        pyad.grad(f)(1.0)

    @pyad.custom_jvp
    def g(x):
        return x

    with pytest.raises(AttributeError, match=r"g has no rule yet; call g\.defjvp"):
        pyad.grad(g)(1.0)
    g.defjvp(lambda p, t: t[0])
    with pytest.raises(TypeError, match="g: the rule must return a pair"):
        pyad.jvp(g, (1.0,), (1.0,))
    g.defjvp(lambda p, t: (p[0], (t[0], t[0])))
    with pytest.raises(TypeError, match="g: the rule gave a tangent"):
        pyad.jvp(g, (1.0,), (1.0,))
    g.defjvp(lambda p, t: (p[0], np.ones(2)))
    with pytest.raises(ShapeError, match=r"g: the rule gave a tangent of shape \(2,\)"):
        pyad.jvp(g, (1.0,), (1.0,))


def test_an_exception_in_a_rule_comes_through_and_leaves_a_clean_tape():
    class Mine(Exception):
        pass

    def refuse(*_):
        raise Mine

    @pyad.custom_vjp
    def f(x):
        return x

    f.defvjp(lambda x: (x, None), refuse)
    g = pyad.custom_jvp(lambda x: x)
    g.defjvp(refuse)
    for op in (f, g):
        for call in (
            lambda op=op: pyad.grad(op)(1.0),
            lambda op=op: pyad.grad(pyad.grad(lambda x: op(x * x)))(1.0),
            lambda op=op: pyad.vjp(op, 1.0)[1](1.0),
        ):
            with pytest.raises(Mine):
                call()
            assert pyad.grad(np.sin)(0.0) == 1.0


def test_pnp_functions_and_arrays_inside_rules():
    @pyad.custom_vjp
    def f(x):
        return pnp.sum(x**2)

    f.defvjp(lambda x: (pnp.sum(x**2), x), lambda x, s: (pnp.array([2 * v * s for v in x]),))
    np.testing.assert_allclose(pyad.grad(f)(X), 2 * X)
    np.testing.assert_allclose(pyad.hessian(f)(X), 2 * np.eye(3))
