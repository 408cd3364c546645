"""Arrays that a compiled function finds outside its arguments: the right value after any change."""

import array
import warnings

import numpy as np
import pytest

import pyad
from tests.support.changes import Cases, check

CASES = Cases()


# ---- arrays ----


@CASES.add
def array_that_plain_numpy_reads_too():
    w = np.array([1.0, 2.0, 3.0])
    return lambda x: x * w / np.linalg.norm(w), lambda: w.__setitem__(0, 7.0), lambda: w.fill(2.0)


@CASES.add
def mask_as_an_index_and_as_an_operand():
    m = np.array([True, False, True])
    return lambda x: np.sum(x[m]) + np.where(m, x, 0.0), lambda: m.__setitem__(1, True), lambda: m.fill(False)


@CASES.add
def work_array_filled_in_a_loop():
    work = np.zeros(3)

    def f(x):
        total = 0.0
        for k in range(3):
            work[:] = k + 1
            total = total + np.sum(x * work)
        return total

    return f, lambda: work.fill(9.0)


@CASES.add
def work_array_filled_by_a_function_of_numpy():
    work = np.ones(3)

    def f(x):
        y = x * work
        np.multiply(work, 3.0, out=work)
        y = y + x * work
        work.fill(1.0)
        return y

    return f, lambda: None


@CASES.add
def views_of_one_array():
    base = np.arange(6.0)
    part, other = base[::2], base.reshape(2, 3)[1]
    return lambda x: x * part + other, lambda: base.__setitem__(2, 9.0), lambda: other.fill(3.0)


@CASES.add
def transposed_array():
    a = np.arange(9.0).reshape(3, 3).T
    return lambda x: a @ x + a[0], lambda: a.__setitem__((1, 2), 9.0)


@CASES.add
def array_of_another_shape():
    a = np.arange(3.0)

    def resize():
        a.resize(6, refcheck=False)
        a[3:] = 5.0

    return lambda x: np.sum(a) * x + len(a), resize, lambda: setattr(a, "shape", (2, 3))


@CASES.add
def array_of_another_dtype():
    a = np.arange(3.0)
    return lambda x: x * a.astype(float), lambda: setattr(a, "dtype", np.int64)


@CASES.add
def array_of_objects():
    a = np.array([1.0, [2.0]], dtype=object)
    return lambda x: x * a[0] + a[1][0], lambda: a.__setitem__(0, 3.0), lambda: a[1].__setitem__(0, 5.0)


@CASES.add
def array_of_dates():
    a = np.array(["2020-01-01", "2021-01-01"], dtype="datetime64[D]")
    return lambda x: x * (a[1] - a[0]).astype(float), lambda: a.__setitem__(1, np.datetime64("2022-01-01"))


@CASES.add
def structured_array():
    a = np.zeros(3, dtype=[("k", float), ("n", int)])
    return lambda x: x + a["k"] + a["n"], lambda: a["k"].fill(2.0), lambda: a["n"].fill(3)


@CASES.add
def zero_dimensional_array():
    a = np.array(2.0)
    return lambda x: x * a, lambda: a.fill(3.0), lambda: a.__setitem__((), 4.0)


@CASES.add
def matrix_from_outside():
    a = np.array([[1.0, 2.0, 3.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        m = np.matrix(a)
    return lambda x: x * np.asarray(m)[0], lambda: m.__setitem__((0, 1), 9.0)


@CASES.add
def masked_array_from_outside():
    m = np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False])
    return lambda x: x * m.filled(0.0), lambda: m.__setitem__(0, 9.0), lambda: m.__setitem__(2, np.ma.masked)


@CASES.add
def subclass_of_array_with_attributes():
    class Unit(np.ndarray):
        scale = 1.0

    a = np.arange(3.0).view(Unit)
    a.scale = 2.0
    return lambda x: x * np.asarray(a) * a.scale, lambda: setattr(a, "scale", 3.0), lambda: a.fill(1.0)


@CASES.add
def array_that_is_differentiated_by():
    w = np.array([1.0, 2.0, 3.0])
    return lambda x: x * pyad.grad(lambda w: np.sum(w**3))(w), lambda: w.fill(2.0)


@CASES.add
def array_that_numpy_solves_with():
    a = np.eye(3) * 2.0
    return lambda x: np.linalg.solve(a, x), lambda: a.__setitem__((0, 0), 5.0), lambda: a.__setitem__((0, 1), 1.0)


@CASES.add
def array_used_many_times():
    a = np.eye(3) * 0.5

    def f(x):
        for _ in range(20):
            x = np.tanh(a.T @ x) + a[0]
        return x

    return f, lambda: a.__setitem__((0, 1), 1.0)


@CASES.add
def bytearray_memoryview_and_array():
    b, c = bytearray(b"abc"), array.array("d", [1.0, 2.0])
    v = memoryview(c)
    return lambda x: x * b[0] + c[1] + v[0], lambda: b.__setitem__(0, 1), lambda: c.__setitem__(1, 9.0)


@pytest.mark.parametrize("name", CASES)
def test_changes_outside_are_seen(name):
    f, *changes = CASES[name]()
    check(f, *changes)
