"""In-place code: arrays that are made to be filled, writes that cannot be, what writes cost, and random programs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pyad
import pyad.numpy as pnp
from pyad._binding import engine
from pyad.errors import ConcretizationError, DTypeError, ShapeError, UnsupportedError
from pyad.testing import check_grads

X = np.array([0.5, -1.2, 2.0, 0.3])

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
        a = np.zeros_like(x)
        a[:2] = x[:2]
        y = np.exp(a)  # its rule reads its result
        z = a * a  # its rule reads a
        y[0] = 0.0
        a[0] = 1.0
        a[1:] *= y[1:]
        return y, z, a

    want = np.concatenate(f(X.copy()))
    np.testing.assert_allclose(pyad.vjp(lambda x: np.concatenate(f(x)), X)[0], want)
    check_grads(lambda x: np.concatenate(f(+x)), (X,), order=2)


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
        (lambda a, x: np.clip(x, 0.0, 1.0, a), UnsupportedError, "numpy.clip: give the array .* by its name"),
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
        (lambda a, x: a.sort(None), TypeError, "NoneType"),
        (lambda a, x: a.partition(1, None), TypeError, "NoneType"),
        (lambda a, x: a.partition(1, axis=1), np.exceptions.AxisError, "partition: axis 1 is out of bounds"),
        (lambda a, x: a.partition(4), ValueError, r"kth\(=4\) out of bounds"),
        (lambda a, x: a.partition(1, order="f"), ValueError, "no fields"),
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
            before = engine.counters()
            y = elements(n)(x)
            after = engine.counters()
            seen["copied"] = after["copied_bytes"] - before["copied_bytes"]
            seen["nodes"] = after["nodes"] - before["nodes"]
            return y

        engine.current()
        engine.lib.pyad_reset_peak()
        live = engine.counters()["live_bytes"]
        run(f)
        assert seen["copied"] == 8 * n  # the first write alone
        assert seen["nodes"] < 6 * n
        # The array, its cotangent (tangent), and those of the argument.
        assert engine.counters()["peak_bytes"] - live <= 4 * 8 * n
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
    live = engine.counters()["live_bytes"]
    engine.lib.pyad_reset_peak()
    g = pyad.grad(f)(x)
    assert engine.counters()["peak_bytes"] - live <= 6 * 8 * n
    np.testing.assert_array_equal(g, np.r_[np.full(n // 2, 2.0), np.zeros(n // 2)])
    t = pyad.jvp(f, (x,), (x,))[1]
    assert t == n


def test_writes_through_views_and_by_rows_copy_nothing_but_the_first_time():
    def f(a):
        b = pnp.zeros((50, 50))
        before = engine.counters()["copied_bytes"]
        flat = b.reshape(-1)
        for i in range(1, 50):
            b[i] = a[i] * b[i - 1] + 1.0
            flat[50 * i] = flat[50 * i - 1] * 2.0
            b[i, 1:3] += a[i, 1:3]
            row = b[i]
            row[4] = row[3] * row[2]
        assert engine.counters()["copied_bytes"] - before == 8 * 2500
        return np.sum(b)

    assert np.isfinite(pyad.grad(f)(np.full((50, 50), 0.5))).all()


def test_no_rule_is_recorded_for_each_place_that_is_read_or_written():
    pyad.grad(elements(10))(np.ones(10))
    before = engine.counters()["rules"]
    pyad.grad(elements(50))(np.ones(50))
    assert engine.counters()["rules"] == before


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
        engine.lib.pyad_fail_after(after)
        try:
            got = pyad.grad(f)(a)
        except MemoryError:
            failures += 1
        else:
            np.testing.assert_array_equal(got, want)
        finally:
            engine.lib.pyad_fail_after(-1)
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


def test_out_may_be_given_to_functions_of_pyad_numpy_as_to_numpys():
    def written(x, np):
        out = pnp.zeros(4)
        np.clip(x, 0.0, 1.0, out=out)
        np.cumsum(out * 2.0, out=out)
        return np.sum(out)

    for name in (np, pnp):
        check_grads(lambda x, name=name: written(x, name), (np.array([0.2, 0.5, 0.7, 3.0]),))
