"""Code that changes arrays in place: values as with NumPy's arrays, and right derivatives, in time that is linear."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pyad
import pyad.numpy as pnp
from pyad import _engine
from pyad.errors import ConcretizationError, DTypeError, LeakError, ShapeError, UnsupportedError
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


# ---- arrays that are made ----


def test_creation_functions_give_plain_arrays_outside_of_transforms_and_for_integers():
    makers = [
        lambda: pnp.zeros(3),
        lambda: pnp.ones((2, 2)),
        lambda: pnp.empty(3, dtype=np.float32),
        lambda: pnp.full(3, 2.0),
        lambda: pnp.array([1.0, 2.0]),
        lambda: pnp.zeros_like(X),
        lambda: pnp.ndarray((2,)),
        lambda: pnp.asarray([1.0]),
        lambda: pnp.ascontiguousarray([1.0]),
        lambda: pnp.full_like(X, 1.0),
        lambda: pnp.copy(X),
    ]
    integers = [
        lambda: pnp.zeros(3, dtype=int),
        lambda: pnp.ones(3, bool),
        lambda: pnp.full(3, 1),
        lambda: pnp.array([1, 2]),
        lambda: pnp.zeros_like(X, dtype=np.int32),
        lambda: pnp.asarray(X),
        lambda: pnp.zeros(2, complex),
    ]
    for make in makers + integers:
        assert type(make()) is np.ndarray

    def f(x):
        for make in makers:
            made = make()
            assert isinstance(made, pyad.Array)
            assert isinstance(made, pnp.ndarray)
            assert made.dtype == make.__call__().dtype
        for make in integers:
            assert type(make()) is np.ndarray
        return x

    pyad.grad(f)(1.0)
    assert isinstance(X, pnp.ndarray)
    assert issubclass(np.ndarray, pnp.ndarray)
    assert pnp.ndarray.sum is np.ndarray.sum


def test_creation_functions_have_numpys_values_shapes_and_dtypes():
    calls = [
        lambda np_, x: np_.zeros((2, 3), np.float32),
        lambda np_, x: np_.ones(2),
        lambda np_, x: np_.full((2,), 3.5, np.float32),
        lambda np_, x: np_.full((2, 4), x),
        lambda np_, x: np_.zeros_like(x, shape=(2,)),
        lambda np_, x: np_.ones_like(x, dtype=np.float32),
        lambda np_, x: np_.full_like(x, x[0]),
        lambda np_, x: np_.full_like(x, 2.0),
        lambda np_, x: np_.full_like(X, [2.0, 1.0, 0.0, 3.0]),
        lambda np_, x: np_.array([[1.0, 2.0]], ndmin=3),
        lambda np_, x: np_.array(x, np.float32, ndmin=2),
        lambda np_, x: np_.asarray(x),
        lambda np_, x: np_.ascontiguousarray(x.T),
        lambda np_, x: np_.array(2.5),
        lambda np_, x: np_.asanyarray([0.5, 1.5]),
    ]
    for call in calls:
        want = np.asarray(call(np, X))

        def f(x, call=call, want=want):
            got = call(pnp, x)
            assert got.shape == want.shape
            assert got.dtype == want.dtype
            return got

        value, _ = pyad.vjp(f, X)
        np.testing.assert_array_equal(value, want)


def test_constants_become_plain_values_where_one_is_asked_for():
    def f(x):
        a = pnp.zeros(3)
        a[1] = 2.0
        assert float(a[1]) == 2.0
        assert int(a[1]) == 2
        assert complex(a[1]) == 2.0
        assert a[1]
        assert a[1].item() == 2.0
        assert a.tolist() == [0.0, 2.0, 0.0]
        np.testing.assert_array_equal(np.asarray(a), [0.0, 2.0, 0.0])
        plain = np.zeros(3)
        plain[0] = a[1]
        plain[1:] = a[1:]
        plain += a
        np.testing.assert_array_equal(plain, [2.0, 4.0, 0.0])
        np.testing.assert_array_equal(np.linalg.svd(a[None])[1], [2.0])  # what pyad has no derivative for, too
        a[0] = x
        with pytest.raises(ConcretizationError):
            float(a[1])
        return a[0]

    assert pyad.grad(f)(1.0) == 1.0


def test_an_array_that_is_assigned_is_copied():
    def f(x):
        buffer = np.ones(4)
        a = pnp.zeros(4)
        b = pnp.zeros(4)
        a[:] = buffer
        b += buffer
        buffer[:] = 9.0
        return np.sum(x * a * b)

    np.testing.assert_array_equal(pyad.grad(f)(X), np.ones(4))


def test_a_saved_value_is_not_written_over():
    def f(x):
        a = pnp.zeros(4)
        a[:2] = x[:2]
        y = np.exp(a)  # its rule reads its result
        z = a * a  # its rule reads a
        y[0] = 0.0
        a[0] = 1.0
        a[1:] *= y[1:]
        return y, z, a

    same_as_numpy(lambda x: np.concatenate(f(x)), X)


# ---- bad input ----


@pytest.mark.parametrize(
    ("write", "error", "message"),
    [
        (lambda a, x: a.__setitem__(slice(2), x), ShapeError, r"shape \(4,\) into shape \(2,\)"),
        (lambda a, x: a.__setitem__(0, x), ShapeError, r"shape \(4,\) into shape \(\)"),
        (lambda a, x: a.__setitem__(4, x[0]), IndexError, "index 4 is out of bounds for axis 0 with size 4"),
        (lambda a, x: a.__setitem__((0, 1), 1.0), IndexError, "too many indices"),
        (lambda a, x: a.__setitem__([0, 9], 1.0), IndexError, "index 9 is out of bounds"),
        (lambda a, x: a.__setitem__(np.ones(3, bool), 1.0), IndexError, "boolean index has shape"),
        (lambda a, x: a.__setitem__([0, 1], x), ShapeError, r"shape \(4,\) into shape \(2,\)"),
        (lambda a, x: a.__setitem__(x[0], 1.0), TypeError, "an index must be an integer"),
        (lambda a, x: a.__setitem__(0, 1j), DTypeError, "complex"),
        (lambda a, x: a.__setitem__(0, "a"), DTypeError, "cannot be assigned"),
        (lambda a, x: a[0].__setitem__((), 1.0), TypeError, "stands for a NumPy number"),
        (lambda a, x: np.broadcast_to(a, (2, 4)).__setitem__(0, 1.0), ValueError, "read-only"),
        (lambda a, x: np.broadcast_to(a, (2, 4))[1].__setitem__(0, 1.0), ValueError, "read-only"),
        (lambda a, x: np.broadcast_to(a, (2, 4)).__iadd__(1.0), ValueError, "read-only"),
        (lambda a, x: np.broadcast_to(a, (2, 4)).__setitem__([0], 1.0), ValueError, "read-only"),
        (lambda a, x: a.__iadd__(np.ones((2, 4))), ShapeError, r"\+=: the result has shape \(2, 4\)"),
        (lambda a, x: a.__imul__(np.ones(3)), ShapeError, "do not broadcast"),
        (lambda a, x: np.add(x, 1.0, out=np.zeros(4)), UnsupportedError, "plain array"),
        (lambda a, x: np.sum(x, out=np.zeros(())), UnsupportedError, "plain array"),
        (lambda a, x: np.zeros(4).__iadd__(x), UnsupportedError, r"out= \(or an operator such as \+=\)"),
        (lambda a, x: np.add(x, 1.0, out=a[:2]), ShapeError, r"numpy.add: the result has shape \(4,\), out= has"),
        (lambda a, x: np.sum(x, out=a), ShapeError, r"numpy.sum: the result has shape \(\), out= has shape \(4,\)"),
        (lambda a, x: np.zeros(4).__setitem__(0, x[0]), ConcretizationError, "inside the function with pyad.numpy.arr"),
        (lambda a, x: np.zeros(4, int).__setitem__(0, x[0]), ConcretizationError, "into an array of integers"),
        (lambda a, x: pnp.zeros(4, int).__setitem__(slice(None), x), ConcretizationError, "pyad.numpy.array"),
        (lambda a, x: np.copyto(np.zeros(4), x), ConcretizationError, "numpy.copyto: a traced value cannot be written"),
        (lambda a, x: np.put(np.zeros(4), [0], x[0]), ConcretizationError, "numpy.put:"),
        (lambda a, x: np.putmask(np.zeros(4), X > 0, x), ConcretizationError, "numpy.putmask:"),
        (lambda a, x: np.place(np.zeros(4), X > 0, x), ConcretizationError, "numpy.place:"),
        (lambda a, x: pnp.fill_diagonal(np.zeros((2, 2)), x[0]), ConcretizationError, "numpy.fill_diagonal:"),
        (
            lambda a, x: np.put_along_axis(np.zeros((2, 2)), np.zeros((2, 1), int), x[0], 1),
            ConcretizationError,
            "numpy.put_along_axis:",
        ),
        (lambda a, x: np.add.at(np.zeros(4), [0], x[0]), ConcretizationError, "numpy.add.at:"),
        (lambda a, x: np.putmask(a, np.ones(3, bool), x), ShapeError, "putmask: the mask of shape"),
        (lambda a, x: np.place(a, np.ones(4, bool), []), ValueError, "empty array"),
        (lambda a, x: np.fill_diagonal(a, 1.0), ValueError, "at least 2-d"),
        (lambda a, x: np.copyto(a, np.ones(3)), ShapeError, r"shape \(3,\) into shape \(4,\)"),
    ],
)
def test_writes_that_cannot_be_raise_the_class_of_numpy_and_change_nothing(write, error, message):
    def f(x):
        a = x * 1.0
        try:
            write(a, x)
        finally:
            np.testing.assert_array_equal(np.asarray(pyad.stop_gradient(a)), X)
        return np.sum(a)

    with pytest.raises(error, match=message):
        pyad.grad(f)(X)


def test_writes_of_constants_into_plain_arrays_are_numpys_own():
    def f(x):
        plain = np.zeros((2, 2))
        c = pnp.ones(2)
        np.copyto(plain, c)
        np.fill_diagonal(plain, c * 3.0)
        np.add.at(plain, 0, c)
        np.put(plain, [1], c[0])
        np.multiply(c, 2.0, out=plain[1])
        np.testing.assert_array_equal(plain, [[4.0, 1.0], [2.0, 2.0]])
        return x

    pyad.grad(f)(1.0)


# ---- cost ----


def elements(n):
    def f(x):
        a = pnp.zeros(n)
        a[0] = x[0]
        for i in range(1, n):
            a[i] = a[i - 1] * 0.5 + x[i]
        return a[n - 1] + a[n // 2]

    return f


@pytest.mark.parametrize("n", [1000, 20000])
def test_element_by_element_loops_copy_the_array_once_and_keep_one_of_it(n):
    x = np.ones(n)
    for run in (lambda f: pyad.grad(f)(x), lambda f: pyad.jvp(f, (x,), (x,))):
        seen = {}

        def f(x, seen=seen):
            before = _engine.counters()
            y = elements(n)(x)
            after = _engine.counters()
            seen["copied"] = after["copied_bytes"] - before["copied_bytes"]
            seen["nodes"] = after["nodes"] - before["nodes"]
            return y

        _engine.current()
        _engine.lib.pyad_reset_peak()
        live = _engine.counters()["live_bytes"]
        run(f)
        assert seen["copied"] == 8 * n  # the first write alone
        assert seen["nodes"] < 6 * n
        # The array, its cotangent (tangent), and those of the argument.
        assert _engine.counters()["peak_bytes"] - live <= 4 * 8 * n
    want = np.zeros(n)
    want[:] = 0.5 ** np.arange(n - 1, -1, -1.0)
    want[: n // 2 + 1] += 0.5 ** np.arange(n // 2, -1, -1.0)
    np.testing.assert_allclose(pyad.grad(elements(n))(x), want, rtol=1e-12, atol=1e-300)


def test_reads_of_states_that_are_not_part_of_the_last_one_are_linear_too():
    """The cotangents of all states of the array share one slot, in whatever order the results are added up."""
    n = 2000

    def f(x):
        a = pnp.zeros(n)
        seen = []
        for i in range(n):
            a[i] = x[i]
            seen.append(a[i // 2])
        total = seen[-1]
        for y in reversed(seen[:-1]):
            total = y * 1.0 + total
        return total

    x = np.ones(n)
    live = _engine.counters()["live_bytes"]
    _engine.lib.pyad_reset_peak()
    g = pyad.grad(f)(x)
    assert _engine.counters()["peak_bytes"] - live <= 6 * 8 * n
    np.testing.assert_array_equal(g, np.r_[np.full(n // 2, 2.0), np.zeros(n // 2)])
    t = pyad.jvp(f, (x,), (x,))[1]
    assert t == n


def test_writes_through_views_and_by_rows_copy_nothing_but_the_first_time():
    def f(a):
        b = pnp.zeros((50, 50))
        before = _engine.counters()["copied_bytes"]
        flat = b.reshape(-1)
        for i in range(1, 50):
            b[i] = a[i] * b[i - 1] + 1.0
            flat[50 * i] = flat[50 * i - 1] * 2.0
            b[i, 1:3] += a[i, 1:3]
            row = b[i]
            row[4] = row[3] * row[2]
        assert _engine.counters()["copied_bytes"] - before == 8 * 2500
        return np.sum(b)

    assert np.isfinite(pyad.grad(f)(np.full((50, 50), 0.5))).all()


def test_no_rule_is_recorded_for_each_place_that_is_read_or_written():
    pyad.grad(elements(10))(np.ones(10))
    before = _engine.counters()["rules"]
    pyad.grad(elements(50))(np.ones(50))
    assert _engine.counters()["rules"] == before


def test_an_allocation_that_fails_leaves_the_next_transform_right():
    def f(a):
        b = pnp.zeros((40, 40))
        for i in range(1, 5):
            b[i] = a[i] * b[i - 1] + a[0]
            b[:, i] *= b[2]
            b[[1, 2], i] = a[1, i]
        return np.sum(b)

    a = np.linspace(0.1, 1.0, 1600).reshape(40, 40)
    want = pyad.grad(f)(a)
    failures = 0
    for after in range(0, 200, 7):
        _engine.lib.pyad_fail_after(after)
        try:
            got = pyad.grad(f)(a)
        except MemoryError:
            failures += 1
        else:
            np.testing.assert_array_equal(got, want)
        finally:
            _engine.lib.pyad_fail_after(-1)
    assert failures
    np.testing.assert_array_equal(pyad.grad(f)(a), want)


# ---- random programs ----

STEPS = {
    "element": lambda a, b, i, j: a.__setitem__(i, a[j] * b[i] + 0.5),
    "number": lambda a, b, i, j: b.__setitem__(j, 0.25 * i),
    "slice": lambda a, b, i, j: a.__setitem__(slice(1, 4), a[:3] * b[1:4]),
    "backwards": lambda a, b, i, j: b.__setitem__(slice(None, None, -1), np.sin(a)),
    "scaled": lambda a, b, i, j: a.__imul__(0.5),
    "added": lambda a, b, i, j: a.__iadd__(b),
    "view": lambda a, b, i, j: a[i:].__iadd__(b[i] * 0.5),
    "view of a view": lambda a, b, i, j: a[1:][::2].__setitem__(slice(0, 1), b[j] * a[i]),
    "mask": lambda a, b, i, j: b.__setitem__(np.arange(6) % (i + 2) == 0, a[j]),
    "places": lambda a, b, i, j: a.__setitem__([i, j, i], b[:3] * a[0]),
    "out": lambda a, b, i, j: np.multiply(a, b, out=b),
    "reshaped": lambda a, b, i, j: a.reshape(2, 3).T.__setitem__(1, b[i] * b[:2]),
    "swap": lambda a, b, i, j: a.__setitem__(slice(None, 2), a[1::-1] * 1.0),
    "at": lambda a, b, i, j: np.add.at(b, [i, i, j], a[:3]),
}


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 5), st.integers(0, 5)), max_size=12))
def test_random_programs_give_numpys_values_and_derivatives_that_agree(steps):
    def program(x, views=True):
        a, b = x * 1.0, np.cos(x)
        v, w = a[2:5], b.reshape(3, 2)[1]
        for name, i, j in steps:
            STEPS[name](a, b, i, j)
            if i == j:
                v[0] = w[1] * 0.5
        return np.concatenate([a, b, v, w])

    x = np.array([0.3, -0.7, 1.1, 0.9, -0.2, 0.6])
    way = np.array([1.0, 0.5, -1.0, 0.25, 2.0, -0.5])
    want = program(x)
    value, pullback = pyad.vjp(program, x)
    np.testing.assert_allclose(value, want, rtol=1e-12, atol=1e-12)
    _, tangent = pyad.jvp(program, (x,), (way,))
    eps = 1e-6
    numerical = (program(x + eps * way) - program(x - eps * way)) / (2 * eps)
    np.testing.assert_allclose(tangent, numerical, rtol=1e-4, atol=1e-6)
    seed = np.cos(np.arange(want.size))
    np.testing.assert_allclose(pullback(seed)[0] @ way, seed @ tangent, rtol=1e-10, atol=1e-10)

    def scalar(x):
        return np.sum(seed * program(x) ** 2)

    rr = pyad.grad(lambda x: np.sum(pyad.grad(scalar)(x) * way))(x)
    fr = pyad.jvp(pyad.grad(scalar), (x,), (way,))[1]
    np.testing.assert_allclose(rr, fr, rtol=1e-9, atol=1e-9)
