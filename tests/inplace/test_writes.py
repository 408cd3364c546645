"""Code that changes arrays in place: values as with NumPy's arrays, and right derivatives, in time that is linear."""

import copy

import numpy as np
import pytest

import pyad
import pyad.numpy as pnp
from pyad.errors import LeakError
from pyad.testing import check_grads

X = np.array([0.5, -1.2, 2.0, 0.3])
M = np.array([[0.5, -1.0, 2.0], [1.5, 0.7, -0.4], [0.9, 1.1, 0.2]])


def same_as_numpy(program, *args, order=2):
    """The program on traced arrays gives what it gives on NumPy's; its derivatives in both modes are right."""
    want = program(*[copy.deepcopy(a) for a in args])
    before = copy.deepcopy(args)
    value, _ = pyad.vjp(program, *args)
    np.testing.assert_allclose(value, want, rtol=1e-13)
    assert np.asarray(value).dtype == np.asarray(want).dtype
    value, _ = pyad.jvp(program, args, args)
    np.testing.assert_allclose(value, want, rtol=1e-13)
    for a, b in zip(args, before, strict=True):
        np.testing.assert_array_equal(a, b)  # the caller's memory is not written
    # check_grads calls it on plain arrays too, which it may change.
    check_grads(lambda *xs: program(*[+x if isinstance(x, pyad.Array) else np.array(x) for x in xs]), args, order=order)


# ---- programs ----


def heat(u):
    for _ in range(4):
        u[1:-1] += 0.2 * (u[2:] - 2.0 * u[1:-1] + u[:-2])
    return u * u


def heat_2d(u):
    for _ in range(2):
        u[1:-1, 1:-1] = 0.2 * (u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2]) + 0.1 * u[1:-1, 1:-1] ** 2
    return u


def forward_substitution(a, b):
    x = pnp.zeros(len(b))
    for i in range(len(b)):
        x[i] = (b[i] - a[i, :i] @ x[:i]) / (a[i, i] + 3.0)
    return x


def gauss_seidel(a, b):
    x = pnp.zeros(3)
    for _ in range(3):
        for i in range(3):
            rest = sum((a[i, j] * x[j] for j in range(3) if j != i), 0.0 * b[0])
            x[i] = (b[i] - rest) / (4.0 + a[i, i])
    return x


def recurrence(x):
    y = pnp.empty(len(x))
    y[0] = x[0]
    for i in range(1, len(x)):
        y[i] = np.sin(y[i - 1]) * x[i] + y[i - 1]
    return y


def lower(a):
    """A Cholesky factor of a aᵀ + 4, column by column."""
    a = a @ a.T + 4.0 * np.eye(3)
    for j in range(3):
        a[j, j] = np.sqrt(a[j, j])
        a[j + 1 :, j] /= a[j, j]
        for k in range(j + 1, 3):
            a[k:, k] -= a[k:, j] * a[k, j]
    return np.where(np.tri(3), a, 0.0)


def swaps(x):
    x[0], x[2] = x[2] * x[0], x[0]
    x[[1, 3]] = x[[3, 1]]
    x[::2] *= x[1::2]
    return x


def views_of_views(a):
    v = a.reshape(-1)[1:8]
    w = v[::2]
    w[1:] *= 2.0
    a[0] = a[1] * v[0]
    t = a.T
    t[0, 1] = w[2] * w[0]
    v[3] += t[1, 0]
    return np.concatenate([a.ravel(), v, w, t[0]])


def rows_of(a):
    for k, row in enumerate(a):
        row *= k + 1.0
        row[0] = row[1] * row[2]
    return a


def base_then_view(x):
    v = x[1:3]
    before = v * 1.0
    x[1] = x[0] * x[2]
    return np.concatenate([v, before, x])


def masks(x):
    x[x > 0.4] *= 2.0
    x[x < 0] = x[0] * x[2]
    x[np.array([False, True, True, False])] = x[:2]
    return x


def duplicates(x):
    y = pnp.zeros(3)
    y[[0, 1, 0]] = x[:3] * x[1]
    y[[2, 2]] += x[:2]
    return y


def fancy(a):
    a[[0, 2], 1] = a[1, :2] * a[0, 0]
    a[:, [0, 2]] *= 3.0
    a[np.array([[0], [1]]), [1, 2]] += a[2, 2]
    a[1, ..., None] = a[0][:, None]
    return a


def out_arguments(a):
    c = np.zeros_like(a)
    np.multiply(a, a[0], out=c)
    np.add(c, 1.0, c)
    np.exp(a[0], out=c[1])
    total = pnp.zeros(3)
    np.sum(c, axis=0, out=total)
    c.sum(axis=1, out=c[:, 2])
    np.sin(total, out=total, where=np.array([True, False, True]))
    np.add(total, 0.5, out=c)
    np.matmul(a, c, out=a)
    return np.concatenate([c.ravel(), total, a.ravel()])


def at_methods(x):
    y = x * 2.0
    np.add.at(y, [0, 0, 3], x[:3])
    np.multiply.at(y, [1, 1, 1, 2], x)
    np.subtract.at(y, np.array([True, False, True, False]), x[3])
    np.negative.at(y, [0, 0, 0])
    np.maximum.at(y, slice(2), 0.1)
    np.divide.at(y.reshape(2, 2), (0, [0, 1, 0]), 2.0 + x[:3])
    return y


def functions(a):
    b = np.empty_like(a)
    np.copyto(b, a[0])
    np.copyto(b, 2.0 * a, where=a > 0.6)
    np.fill_diagonal(b, a[2])
    np.put(b, [1, -1], [a[0, 0] * a[1, 1], 3.0])
    np.putmask(b, b > 1.0, a.ravel() * a[0, 1])
    np.place(b, b < 0.0, a[0])
    np.put_along_axis(b, np.array([[0], [2], [1]]), a[:, :1] * a[1, 0], axis=1)
    b.flat[3] = b.flat[4] * 2.0
    b[2].fill(a[2, 2])
    return b


def ordered(a):
    b = np.concatenate([a, a[:1] * a[1, 2]])
    b.sort(axis=0)
    b[1:].partition(1)
    b.T[0].partition([0, 2], kind="introselect")
    c = b[0].copy()
    c.partition(-1)
    return np.concatenate([b * a[0], c[None]])


def augmented(a):
    b = a.copy()
    b += a[0]
    b -= 1.0
    b *= b
    b /= 2.0
    b **= 2
    b @= a
    a += b[:, :1]
    return np.concatenate([a, b])


def whole(a):
    b = pnp.zeros((3, 3))
    b[...] = a
    b[:] = b * a[0, 0]
    a[:, :] = b[0] + 1.0
    b[0, 0] = 7.0
    return np.concatenate([a, b])


def loop_over_tuple(p):
    a, b = p, p[::-1]
    for i in range(2):
        a[i] = a[i] * b[i]
    return a


PROGRAMS = {
    heat: (np.linspace(0.1, 1.0, 7) ** 2,),
    heat_2d: (np.sin(np.arange(20.0)).reshape(4, 5),),
    forward_substitution: (M, X[:3]),
    gauss_seidel: (M, X[:3]),
    recurrence: (X,),
    lower: (M,),
    swaps: (X,),
    views_of_views: (M,),
    rows_of: (M,),
    base_then_view: (X,),
    masks: (X,),
    duplicates: (X,),
    fancy: (M,),
    out_arguments: (M,),
    at_methods: (X,),
    functions: (M,),
    ordered: (M,),
    augmented: (M,),
    whole: (M,),
    loop_over_tuple: (X,),
}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_programs_that_write_give_what_numpy_gives_and_right_derivatives(program):
    same_as_numpy(program, *PROGRAMS[program])


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_float32_stays_float32(program):
    args = [a.astype(np.float32) for a in PROGRAMS[program]]
    with np.errstate(all="ignore"):
        value, pullback = pyad.vjp(lambda *xs: program(*xs).astype(np.float32), *args)
    assert value.dtype == np.float32
    for g in pullback(np.ones_like(value)):
        assert g.dtype == np.float32


# ---- nesting ----


@pytest.mark.parametrize("program", [heat, recurrence, views_of_views, masks, whole], ids=lambda f: f.__name__)
def test_nestings_of_modes_agree(program):
    (x,) = PROGRAMS[program]

    def f(x):
        return np.sum(np.sin(program(+x)))

    way = np.cos(np.arange(x.size)).reshape(x.shape)
    hessian = pyad.hessian(f)(x)
    want = np.tensordot(hessian, way, x.ndim)
    np.testing.assert_allclose(pyad.jvp(pyad.grad(f), (x,), (way,))[1], want, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(pyad.hvp(f, (x,), (way,)), want, rtol=1e-10, atol=1e-12)
    rr = pyad.grad(lambda x: np.sum(pyad.grad(f)(x) * way))(x)
    np.testing.assert_allclose(rr, want, rtol=1e-10, atol=1e-12)
    rf = pyad.grad(lambda x: pyad.jvp(f, (x,), (way,))[1])(x)
    np.testing.assert_allclose(rf, want, rtol=1e-10, atol=1e-12)
    ff = pyad.jvp(lambda x: pyad.jvp(f, (x,), (way,))[1], (x,), (way,))[1]
    np.testing.assert_allclose(ff, np.sum(want * way), rtol=1e-10)


@pytest.mark.parametrize("program", [heat, views_of_views, fancy, at_methods], ids=lambda f: f.__name__)
def test_a_pullback_can_be_called_again(program):
    (x,) = PROGRAMS[program]
    value, pullback = pyad.vjp(program, x)
    seed = np.cos(np.arange(value.size)).reshape(value.shape)
    (first,) = pullback(seed)
    (second,) = pullback(2.0 * seed)
    np.testing.assert_allclose(second, 2.0 * first, rtol=1e-13)


def test_writing_into_the_value_of_an_inner_vjp_does_not_change_its_pullback():
    def f(x):
        y, pullback = pyad.vjp(lambda z: recurrence(z), x)
        y[1] = 0.0
        y *= 2.0
        (g,) = pullback(+y)
        g[0] = y[0]
        return g

    def functional(x):
        y, pullback = pyad.vjp(lambda z: recurrence(z), x)
        keep = np.array([1.0, 0.0, 1.0, 1.0])
        y = 2.0 * y * keep
        (g,) = pullback(y)
        return np.concatenate([y[:1], g[1:]])

    for got, want in zip(pyad.jvp(f, (X,), (X,)), pyad.jvp(functional, (X,), (X,)), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-13)
    np.testing.assert_allclose(pyad.jacobian(f)(X), pyad.jacobian(functional)(X), rtol=1e-13)


def test_gradients_of_an_inner_transform_are_written_independently():
    def f(x):
        a, b = pyad.grad(lambda u, v: np.sum((u + v) * x), argnums=(0, 1))(x, x)
        a[0] = 0.0
        b *= 3.0
        return a + b

    np.testing.assert_array_equal(pyad.jacobian(f)(X), np.diag([3.0, 4.0, 4.0, 4.0]))


def test_results_of_an_inner_transform_that_were_one_array_still_are():
    def f(x):
        _, (a, b) = pyad.grad(lambda y: (np.sum(y), (y * x,) * 2), has_aux=True)(x)
        a[0] = 0.0
        return b

    np.testing.assert_array_equal(pyad.jacobian(f)(X), np.diag([0.0, *(2 * X[1:])]))


def test_a_rule_may_write_into_the_cotangent_it_is_given():
    @pyad.custom_vjp
    def f(x):
        return x * 2.0

    def bwd(_, g):
        g[0] = 0.0
        return (g * 2.0,)

    f.defvjp(lambda x: (f(x), None), bwd)

    def loss(x):
        y = f(x)
        return np.sum(y * y) + np.sum(x * y)

    expected = 10.0 * X + 2.0 * X
    expected[0] = 2.0 * X[0]
    np.testing.assert_allclose(pyad.grad(loss)(X), expected)
    second = pyad.grad(lambda x: np.sum(pyad.grad(loss)(x)))(X)
    assert np.isfinite(second).all()


def test_an_argument_that_is_written_into_is_still_what_the_gradient_is_by():
    def f(x):
        x[0] = 5.0
        x *= x
        x += 1.0
        return np.sum(x)

    x = X.copy()
    np.testing.assert_array_equal(pyad.grad(f)(x), [0.0, *(2 * X[1:])])
    np.testing.assert_array_equal(x, X)


# ---- what is and what is not one array ----


def test_copies_are_written_independently():
    copies = [
        lambda a: a.copy(),
        lambda a: +a,
        copy.copy,
        copy.deepcopy,
        np.copy,
        np.positive,
        pnp.array,
        lambda a: a.astype(float),
        lambda a: a.flatten() if a.ndim == 1 else a.copy(),
        lambda a: a**1,
        lambda a: a.flat[:],
        lambda a: pnp.full(4, a),
    ]
    for make in copies:

        def f(x, make=make):
            y = make(x)
            y[1] = x[0] * 3.0
            x[2] = y[3]
            x *= 2.0
            y[0] += x[1]
            return np.concatenate([x, y])

        x = X
        want = np.concatenate([[2 * x[0], 2 * x[1], 2 * x[3], 2 * x[3]], [x[0] + 2 * x[1], 3 * x[0], x[2], x[3]]])
        value, pullback = pyad.vjp(f, X)
        np.testing.assert_allclose(value, want)
        np.testing.assert_allclose(pullback(np.ones(8))[0], [2 + 1 + 3, 2 + 2, 1, 2 + 2 + 1])


def test_views_and_their_array_show_each_others_writes():
    views = [
        lambda a: a[:, :],
        lambda a: a[...],
        lambda a: a.T.T,
        lambda a: a.reshape(9).reshape(3, 3),
        lambda a: a.ravel()[:].reshape(3, 3),
        lambda a: a[None][0],
        lambda a: np.squeeze(np.expand_dims(a, 1)),
        lambda a: np.swapaxes(np.moveaxis(a, 0, 1), 0, 1),
        lambda a: a[::-1][::-1],
        lambda a: a.real,
        lambda a: pnp.asarray(a),
    ]
    for make in views:

        def f(a, make=make):
            v = make(a)
            v[0, 1] = a[1, 1] * 2.0
            a[2] = v[0] * 3.0
            v[1] += v[2]
            return a, v

        want = f(M.copy())
        got, _ = pyad.vjp(f, M)
        for g, w in zip(got, want, strict=True):
            np.testing.assert_allclose(g, w)


def test_a_reshape_that_numpy_copies_is_a_copy():
    def f(a):
        v = a.T.reshape(9)
        v[0] = 100.0
        w = a[:2, :2].reshape(4)
        w += 1.0
        return a * 1.0

    same_as_numpy(f, M, order=1)


def test_zero_dimensional_values_are_numbers():
    def f(x):
        y = x[0]
        z = y
        y += x[1]
        y *= 2.0
        return y * z

    same_as_numpy(f, X)


def test_a_long_chain_of_views_works_and_dies():
    def f(x):
        v = x
        for _ in range(20000):
            v = v[1:] if len(v) > 3 else v[:]
        v[1] = v[0] * v[2]
        return np.sum(x) + v[1]

    x = np.linspace(0.5, 1.0, 5003)
    g = pyad.grad(f)(x)
    want = np.ones(5003)
    want[-3:] = [1 + 2 * x[-1], 0.0, 1 + 2 * x[-3]]
    np.testing.assert_allclose(g, want)


def test_sealed_arrays_and_stale_ones_are_told_apart():
    kept = []

    def f(x):
        a = pnp.zeros(4)
        a[0] = x[0]
        kept.append(a)
        kept.append(a[1:])
        return np.sum(a)

    pyad.grad(f)(X)
    for a in kept:
        with pytest.raises(LeakError, match="leaked out"):
            a[0] = 1.0
        with pytest.raises(LeakError, match="leaked out"):
            np.sum(a)
