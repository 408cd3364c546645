"""The check that rows of a table of calls share: NumPy's value, derivatives to second order, single precision."""

import numpy as np

import pyad

# What NumPy does differently in its first releases of version 2 is compared with the newer ones.
NEW_NUMPY = np.lib.NumpyVersion(np.__version__) >= "2.4.0"


def leaves(result):
    """The arrays of a result that may be a list or tuple of them."""
    if isinstance(result, list | tuple):
        return [leaf for item in result for leaf in leaves(item)]
    return [result]


def agree(got, want, rtol=1e-13):
    """The same containers, shapes, dtypes and values."""
    if isinstance(want, list | tuple):
        assert type(got) is type(want)
        assert len(got) == len(want)
    got, want = map(np.asarray, leaves(got)), map(np.asarray, leaves(want))
    for a, b in zip(got, want, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol if a.dtype == np.float64 else 1e-6)


def inner(xs, ys):
    """A real number, of complex arrays too."""
    return sum(np.real(np.sum(x * y)) for x, y in zip(xs, ys, strict=True))


def random_like(x, rng):
    drawn = rng.normal(size=np.shape(x))
    return drawn + 1j * rng.normal(size=np.shape(x)) if np.iscomplexobj(x) else drawn


def check_derivatives(f, *args, step=1e-5, rtol=1e-6):
    """Derivatives of f along a random direction, in both modes and the four ways to second order, against differences.

    As strict as entry by entry, but for cancellation by chance, and several times as fast as `check_grads`.
    """
    rng = np.random.default_rng(0)
    numbers = tuple(range(len(args)))
    t = [random_like(x, rng) for x in args]
    weights = [random_like(leaf, rng) for leaf in leaves(f(*args))]
    ahead = [x + step * d for x, d in zip(args, t, strict=True)]
    behind = [x - step * d for x, d in zip(args, t, strict=True)]

    def total(*args):
        return inner(leaves(f(*args)), weights)

    def close(got, want):
        np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol * (1 + np.max(np.abs(want), initial=0.0)))

    gradient = pyad.grad(total, numbers)
    want = (total(*ahead) - total(*behind)) / (2 * step)
    close(pyad.jvp(total, args, t)[1], want)
    close(inner(gradient(*args), t), want)
    twice = [(a - b) / (2 * step) for a, b in zip(gradient(*ahead), gradient(*behind), strict=True)]
    routes = (
        pyad.jvp(gradient, args, t)[1],
        pyad.grad(lambda *args: inner(gradient(*args), t), numbers)(*args),
        pyad.grad(lambda *args: pyad.jvp(total, args, t)[1], numbers)(*args),
    )
    for route in routes:
        for got, part in zip(route, twice, strict=True):
            close(got, part)
    close(pyad.jvp(lambda *args: pyad.jvp(total, args, t)[1], args, t)[1], inner(twice, t))


def check_call(f, *args, squared=True, rtol=1e-13):
    """f is a call of NumPy's functions. `squared`: what it is given are squares, so that a linear f has a second
    derivative."""

    def g(*args):
        return f(*(x * x for x in args)) if squared else f(*args)

    agree(pyad.vjp(g, *args)[0], g(*args), rtol)
    check_derivatives(g, *args)
    single = [np.asarray(x, np.float32) for x in args]
    value, pullback = pyad.vjp(g, *single)
    agree(value, g(*single), 1e-5)
    seed = type(value)(map(np.zeros_like, value)) if isinstance(value, list | tuple) else np.zeros_like(value)
    assert all(part.dtype == np.float32 for part in pullback(seed))
