"""Compiled functions against the functions themselves: values, gradients and second derivatives, at the call that
records, at one that replays, and at other data."""

import warnings

import numpy as np

import pyad
from pyad import tree


def numbers_of(result):
    """The arrays of numbers in a result, in order."""
    found = []
    for x in tree.leaves(_as_lists(result)):
        x = np.asarray(x)
        if x.dtype.kind in "biufc":
            found.append(x)
    return found


def _as_lists(x):
    if isinstance(x, tuple | list):
        return [_as_lists(item) for item in x]
    return x


def inner(xs, ys):
    return sum(np.sum(np.real(x * y)) for x, y in zip(xs, ys, strict=True))


def drawn_like(x, rng):
    drawn = rng.normal(size=np.shape(x))
    if np.iscomplexobj(x):
        drawn = drawn + 1j * rng.normal(size=np.shape(x))
    dtype = np.asarray(x).dtype
    return drawn if dtype.kind not in "fc" else np.asarray(drawn, dtype)[()]


class Everything:
    """Of a function of arrays and numbers: its value, and of a weighted sum of it the gradient, the derivative along
    a direction, and the gradient's (`second`)."""

    def __init__(self, f, args, second=True):
        rng = np.random.default_rng(7)
        self.f = f
        self.second = second
        leaves, self.structure = tree.flatten(tuple(args))
        self.places = [k for k, x in enumerate(leaves) if is_inexact(x)]
        self.directions = [drawn_like(leaves[k], rng) for k in self.places]
        value = f(*copied(args))
        self.weights = [drawn_like(x, rng) for x in numbers_of(value)]
        self.float_outputs = [k for k, x in enumerate(numbers_of(value)) if x.dtype.kind in "fc"]

    def total(self, leaves, chosen):
        full = list(leaves)
        for k, x in zip(self.places, chosen, strict=True):
            full[k] = x
        value = tree.leaves(_as_lists(self.f(*self.structure.unflatten(full))))
        value = [x for x in value if isinstance(x, float | int | complex) or hasattr(x, "dtype")]
        if len(value) != len(self.weights):
            raise TypeError("results that are no numbers")
        return sum((np.sum(np.real(value[k] * self.weights[k])) for k in self.float_outputs), 0.0)

    def __call__(self, *args):
        leaves = tree.leaves(tuple(args))
        chosen = [leaves[k] for k in self.places]

        def total(xs):
            return self.total(leaves, xs)

        out = [self.f(*args)]
        if self.places and self.float_outputs:
            out.append(pyad.value_and_grad(total)(chosen))
            out.append(pyad.jvp(total, (chosen,), (self.directions,)))
            if self.second:
                out.append(pyad.hvp(total, (chosen,), (self.directions,)))
        return out


def is_inexact(x):
    return isinstance(x, float | complex) or (isinstance(x, np.ndarray) and x.dtype.kind in "fc")


def copied(args):
    leaves, structure = tree.flatten(tuple(args))
    return structure.unflatten([x.copy() if isinstance(x, np.ndarray) else x for x in leaves])


def others(args):
    """Arguments of the same shapes and dtypes with other numbers: those of each array the other way round, and a little
    off. Then the same numbers only a little off, for functions that want theirs in some order."""
    leaves, structure = tree.flatten(tuple(args))
    rng = np.random.default_rng(11)
    off = [1 + 0.01 * rng.random(np.shape(x)) if is_inexact(x) else 1 for x in leaves]
    for turned in (True, False):
        made = []
        for x, by in zip(leaves, off, strict=True):
            if isinstance(x, np.ndarray) and x.dtype.kind in "fc":
                made.append(np.array((x.ravel()[::-1].reshape(x.shape) if turned else x) * by, x.dtype))
            elif isinstance(x, float | complex):
                made.append(type(x)(x * by))
            else:
                made.append(x)
        yield structure.unflatten(made)


def outcome(f, args):
    """(the numbers of what f gives, None), or (None, the error); and the arguments afterwards."""
    args = copied(args)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            result = f(*args)
        except Exception as problem:
            return None, problem, numbers_of(list(args))
    return numbers_of(result), None, numbers_of(list(args))


def agree(got, want, what):
    assert len(got) == len(want), f"{what}: {len(got)} results, {len(want)} expected"
    for k, (a, b) in enumerate(zip(got, want, strict=True)):
        assert a.shape == b.shape, f"{what}: result {k} has the shape {a.shape}, expected {b.shape}"
        assert a.dtype == b.dtype, f"{what}: result {k} has the dtype {a.dtype}, expected {b.dtype}"
        if a.dtype.kind in "biu":
            assert np.array_equal(a, b), f"{what}: result {k} is {a}, expected {b}"
            continue
        single = a.dtype in (np.float32, np.complex64)
        rtol = 2e-4 if single else 1e-9
        with np.errstate(all="ignore"):
            size = np.max(np.abs(b[np.isfinite(b)]), initial=0.0)
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * min(size, 1e3) + 1e-14, err_msg=f"{what}: result {k}")


def check_compiled(f, args, second=True):
    """Check that `f` and its derivatives are the same compiled. Answers how many recordings the other data needed, or
    None where the function cannot be called so at all; raises the error of a function that cannot be compiled."""
    leaves = tree.leaves(tuple(args))
    if not all(is_inexact(x) or isinstance(x, np.ndarray | int | str | None | float) for x in leaves):
        return None
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            everything = Everything(f, args, second)
    except Exception:
        return None
    want, problem, after = outcome(everything, args)
    if problem is not None:
        if not second:
            return None
        return check_compiled(f, args, second=False)
    fast = pyad.compile(everything)
    got, problem, after_fast = outcome(fast, args)
    if problem is not None:
        raise problem
    agree(got, want, "at the call that records")
    agree(after_fast, after, "the arguments after the call that records")
    got, problem, after_fast = outcome(fast, args)
    assert problem is None, problem
    assert fast.recorded == 1, "the same data were recorded again"
    agree(got, want, "at the call that replays")
    agree(after_fast, after, "the arguments after the call that replays")
    again = 0
    for other in others(args):
        want, problem, after = outcome(everything, other)
        if problem is not None or not all(np.all(np.isfinite(x)) for x in want):
            continue
        before = fast.recorded
        got, problem, after_fast = outcome(fast, other)
        if problem is not None:
            raise problem
        again += fast.recorded - before
        agree(got, want, "at other data")
        agree(after_fast, after, "the arguments after other data")
    return again
