"""Functions that reorder, repeat, join and take apart, in all their variants, against NumPy."""

import numpy as np
import pytest
from support.calls import NEW_NUMPY, agree, check_call

import pyad
import pyad.numpy as pnp

NUMPY = np.lib.NumpyVersion(np.__version__)
A = np.array([[0.3, -1.2, 2.1], [1.7, 0.4, -0.8]])
B = np.array([[0.9, 1.3, -0.6]])
T = np.array([[[0.5, -1.1], [1.6, 0.2]], [[-0.7, 1.9], [0.8, -0.4]]])
V = np.array([0.7, -1.4, 2.2, 0.9])


# ---- one array ----

CALLS = {
    "reshape F": lambda x: np.reshape(x, (3, 2), order="F"),
    "reshape F, -1": lambda x: np.reshape(x, (-1,), "F"),
    "reshape F, number": lambda x: np.reshape(x, 6, "F"),
    "reshape A": lambda x: np.reshape(x, (3, 2), order="A"),
    "reshape A, transposed": lambda x: np.reshape(x.T, (2, 3), order="A"),
    "reshape copy": lambda x: np.reshape(x, (3, 2), copy=True) if NUMPY >= "2.1.0" else np.reshape(x, (3, 2)),
    "reshape method F": lambda x: x.reshape(3, 2, order="F"),
    "reshape method F, tuple": lambda x: x.reshape((3, 2), order="F"),
    "ravel F": lambda x: np.ravel(x, "F"),
    "ravel K": lambda x: np.ravel(x[:, ::-1].T, order="K"),
    "ravel A": lambda x: np.ravel(x.T, order="A"),
    "ravel method F": lambda x: x.ravel("F"),
    "flatten F": lambda x: x.flatten(order="F"),
    "flatten": lambda x: x.flatten(),
    "rollaxis": lambda x: np.rollaxis(np.stack([x, 2 * x]), 2),
    "rollaxis start": lambda x: np.rollaxis(np.stack([x, 2 * x]), 0, 2),
    "rollaxis end": lambda x: np.rollaxis(np.stack([x, 2 * x]), 0, 3),
    "rollaxis negative": lambda x: np.rollaxis(np.stack([x, 2 * x]), -1, -2),
    "permute_dims": lambda x: np.permute_dims(x, (1, 0)),
    "matrix_transpose": lambda x: np.matrix_transpose(np.stack([x, 2 * x])),
    "broadcast_arrays": lambda x: np.broadcast_arrays(x, x[0], x[:, :1], np.ones(3)),
    "atleast_1d": lambda x: np.atleast_1d(x, x[0, 0], x[0]),
    "atleast_2d": lambda x: np.atleast_2d(x, x[0, 0], x[0]),
    "atleast_3d": lambda x: np.atleast_3d(x, x[0, 0], x[0], x[None, None]),
    "atleast_2d, one": lambda x: np.atleast_2d(x[1]),
    "flip": lambda x: np.flip(x),
    "flip axis": lambda x: np.flip(x, 1),
    "flip axes": lambda x: np.flip(x, axis=(0, -1)),
    "flip 0-d": lambda x: np.flip(x[0, 0]),
    "fliplr": lambda x: np.fliplr(x),
    "flipud": lambda x: np.flipud(x),
    "rot90": lambda x: np.rot90(x),
    "rot90 0": lambda x: np.rot90(x, 0),
    "rot90 2": lambda x: np.rot90(x, 2),
    "rot90 3": lambda x: np.rot90(x, 3),
    "rot90 -1": lambda x: np.rot90(x, k=-1, axes=(1, 0)),
    "rot90 axes": lambda x: np.rot90(np.stack([x, 2 * x]), 1, axes=(-1, 0)),
    "roll": lambda x: np.roll(x, 2),
    "roll far": lambda x: np.roll(x, -8),
    "roll axis": lambda x: np.roll(x, 1, axis=1),
    "roll axes": lambda x: np.roll(x, (1, -1), axis=(0, 1)),
    "roll one shift, axes": lambda x: np.roll(x, 1, axis=(0, 1)),
    "roll shifts, one axis": lambda x: np.roll(x, (1, 1), axis=-1),
    "roll nothing": lambda x: np.roll(x, 0, axis=0),
    "tile": lambda x: np.tile(x, 2),
    "tile 2-d": lambda x: np.tile(x, (2, 3)),
    "tile more axes": lambda x: np.tile(x, (2, 1, 2)),
    "tile fewer axes": lambda x: np.tile(np.stack([x, x]), (3, 1)),
    "tile zero": lambda x: np.tile(x, (0, 2)),
    "tile number": lambda x: np.tile(x[0, 0], (2, 2)),
    "tile nothing": lambda x: np.tile(x, ()),
    "tile array reps": lambda x: np.tile(x, np.array([1, 2])),
    "repeat": lambda x: np.repeat(x, 2),
    "repeat axis": lambda x: np.repeat(x, 3, axis=0),
    "repeat last axis": lambda x: np.repeat(x, repeats=2, axis=-1),
    "repeat counts": lambda x: np.repeat(x, [2, 0, 1], axis=1),
    "repeat array": lambda x: np.repeat(x, np.array([1, 3]), axis=0),
    "repeat one count": lambda x: np.repeat(x, [2], axis=1),
    "repeat zero": lambda x: np.repeat(x, 0, axis=1),
    "repeat number": lambda x: np.repeat(x[0, 0], 2, axis=0),
    "squeeze number": lambda x: np.squeeze(x[0, 0], axis=-1),
    "insert with more axes": lambda x: np.insert(x[0], slice(None, None, 2), [[7.0]], axis=0),
    "repeat method": lambda x: x.repeat(2, axis=1),
    "resize larger": lambda x: np.resize(x, (3, 4)),
    "resize smaller": lambda x: np.resize(x, 4),
    "resize to nothing": lambda x: np.resize(x, (0, 2)),
    "trim_zeros": lambda x: np.trim_zeros(np.concatenate([[0.0], x[0], [0.0, 0.0]])),
    "trim_zeros front": lambda x: np.trim_zeros(np.concatenate([[0.0], x[0], [0.0]]), "f"),
    "trim_zeros back": lambda x: np.trim_zeros(np.concatenate([[0.0], x[0], [0.0]]), trim="B"),
    "sliding_window_view": lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, axis=1),
    "sliding_window_view 2-d": lambda x: np.lib.stride_tricks.sliding_window_view(x, (2, 2)),
    "copy": lambda x: np.copy(x),
    "astype": lambda x: np.astype(x, np.float64) if NUMPY >= "2.1.0" else x.astype(np.float64),
    "astype method": lambda x: x.astype(np.float64, order="C", casting="same_kind", copy=False),
    "names of arguments": lambda x: np.transpose(a=np.swapaxes(np.moveaxis(a=x, source=0, destination=1), 0, axis2=1)),
    "more names": lambda x: np.squeeze(
        a=np.expand_dims(a=np.broadcast_to(array=x, shape=(2, 2, 3), subok=True), axis=0)
    ),
    "swapaxes method": lambda x: x.swapaxes(-1, 0),
    # Joining.
    "concatenate dtype": lambda x: np.concatenate([x, x], axis=1, dtype=np.float64),
    "concatenate out of an array": lambda x: np.concatenate(x),
    "stack of an array": lambda x: np.stack(x, axis=1),
    "stack dtype": lambda x: np.stack([x, x], dtype=np.float64),
    "vstack": lambda x: np.vstack([x, x[0], [1.0, 2.0, 3.0]]),
    "vstack numbers": lambda x: np.vstack((x[0, 0], x[1, 1], 3.0)),
    "hstack": lambda x: np.hstack([x, x[:, :1]]),
    "hstack vectors": lambda x: np.hstack([x[0], x[0, 0], 2.0]),
    "dstack": lambda x: np.dstack([x, x]),
    "dstack vectors": lambda x: np.dstack([x[0], x[1]]),
    "column_stack": lambda x: np.column_stack([x[:, 0], x, [1.0, 2.0]]),
    "append": lambda x: np.append(x, [1.0, 2.0]),
    "append axis": lambda x: np.append(x, x[:1], axis=0),
    "append to a plain array": lambda x: np.append(np.ones((1, 3)), x, 0),
    "block": lambda x: np.block([[x, x[:, :1]], [np.ones((1, 3)), x[:1, :1]]]),
    "block row": lambda x: np.block([x[0], x[1, :1], 3.0]),
    "block one": lambda x: np.block(x),
    "block deep": lambda x: np.block([[[x[0, 0], 1.0]], [[x[1, 1], 2.0]]]),
    # Taking apart.
    "split": lambda x: np.split(x, 3, axis=1),
    "split places": lambda x: np.split(x.ravel(), [2, 3]),
    "split places, negative": lambda x: np.split(x, [-1], axis=-1),
    "split past the end": lambda x: np.split(x.ravel(), (4, 9)),
    "array_split": lambda x: np.array_split(x.ravel(), 4),
    "array_split axis": lambda x: np.array_split(x, 2, axis=1),
    "array_split more parts": lambda x: np.array_split(x, 3),
    "hsplit": lambda x: np.hsplit(x, 3),
    "hsplit vector": lambda x: np.hsplit(x[0], [1]),
    "vsplit": lambda x: np.vsplit(x, 2),
    "dsplit": lambda x: np.dsplit(x[None], [1, 2]),
    "unstack": lambda x: np.unstack(x, axis=1) if hasattr(np, "unstack") else (x[:, 0], x[:, 1], x[:, 2]),
    # Leaving out and putting in.
    "delete": lambda x: np.delete(x, 2),
    "delete axis": lambda x: np.delete(x, -1, axis=1),
    "delete list": lambda x: np.delete(x, [0, 2], 1),
    "delete slice": lambda x: np.delete(x, slice(None, None, 2), 1),
    "delete mask": lambda x: np.delete(x, [True, False, True], axis=1),
    "insert number": lambda x: np.insert(x, 1, 5.0),
    "insert row": lambda x: np.insert(x, 1, [1.0, 2.0, 3.0], axis=0),
    "insert column": lambda x: np.insert(x, 1, x[:, 0], axis=1),
    "insert by list of one": lambda x: np.insert(x, [1], x[:, :1], axis=1),
    "insert block": lambda x: np.insert(x, 3, np.ones((2, 2)), axis=1),
    "insert many": lambda x: np.insert(x, [0, 2], [[9.0, 8.0]], axis=1),
    "insert twice at one place": lambda x: np.insert(x[0], [2, 2, -1], [6.0, 7.0, 8.0]),
    "insert slice": lambda x: np.insert(x, slice(0, 3, 2), 7.0, axis=1),
    "insert slice of one": lambda x: np.insert(x, slice(1, 2), 7.0, axis=1),
    "insert into a plain array": lambda x: np.insert(np.zeros(3), [1, 2], x[0, :2]),
    "insert at the end": lambda x: np.insert(x, x.shape[0], 4.0, axis=0),
}
if NEW_NUMPY:
    CALLS["insert mask"] = lambda x: np.insert(x[0], np.array([True, False, True]), [6.0, 7.0])


@pytest.mark.parametrize("name", CALLS)
def test_a_call_has_numpys_value_and_derivatives_to_second_order(name):
    check_call(CALLS[name], A)


@pytest.mark.parametrize("name", ["matrix_transpose", "flip", "roll", "tile", "repeat", "resize", "vstack", "delete"])
def test_the_same_names_work_in_our_namespace_and_on_lists_that_hold_traced_values(name):
    extra = {"roll": (1,), "tile": (2,), "repeat": (2,), "resize": ((2, 3),), "delete": (0,)}.get(name, ())

    def f(np, x):
        rows = [[x[0, 0], 2.0], [x[1, 1], x[0, 1]]]
        return getattr(np, name)(rows if np is pnp else numpy_array(rows), *extra)

    def numpy_array(rows):
        return np.array(rows)

    want = f(np, A)
    value, pullback = pyad.vjp(lambda x: f(pnp, x), A)
    agree(value, want)
    (got,) = pullback(np.ones_like(want))
    # What each entry of x counts: as often as it stands in the result.
    for place in ((0, 0), (0, 1), (1, 1)):
        assert got[place] == np.count_nonzero(want == A[place])


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3), ()])
def test_empty_and_0_d_arrays_come_through(shape):
    x = np.full(shape, 1.5)
    calls = [
        lambda x: np.tile(x, 2),
        lambda x: np.repeat(x, 2),
        lambda x: np.roll(x, 1),
        lambda x: np.flip(x),
        lambda x: np.atleast_2d(x),
        lambda x: np.hstack([x, x]),
        lambda x: np.resize(x, (2, 2)),
        lambda x: np.append(x, x),
        lambda x: np.ravel(x, "F"),
        lambda x: np.broadcast_arrays(x, x)[0],
        lambda x: np.reshape(x, (1, *x.shape), order="F"),
    ]
    for call in calls:
        agree(pyad.vjp(call, x)[0], call(x))
        pyad.grad(lambda x, call=call: np.sum(call(x)))(x)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda x: np.reshape(x, (3, 2), order="X"), ValueError),
        (lambda x: np.ravel(x, "Q"), ValueError),
        (lambda x: np.rollaxis(x, 2), np.exceptions.AxisError),
        (lambda x: np.rollaxis(x, 0, 7), np.exceptions.AxisError),
        (lambda x: np.flip(x, 2), np.exceptions.AxisError),
        (lambda x: np.fliplr(x[0]), ValueError),
        (lambda x: np.flipud(x[0, 0]), ValueError),
        (lambda x: np.rot90(x, axes=(0, 0)), ValueError),
        (lambda x: np.rot90(x, axes=(0, 1, 2)), ValueError),
        (lambda x: np.roll(x, (1, 2, 3), axis=(0, 1)), ValueError),
        (lambda x: np.roll(x, 1, axis=5), np.exceptions.AxisError),
        (lambda x: np.repeat(x, [1, 2], axis=1), ValueError),
        (lambda x: np.repeat(x, -1), ValueError),
        (lambda x: np.resize(x, (-1, 2)), ValueError),
        (lambda x: np.broadcast_arrays(x, np.ones(2)), ValueError),
        (lambda x: np.matrix_transpose(x[0]), ValueError),
        *([(lambda x: np.trim_zeros(x[0], "q"), ValueError)] if NEW_NUMPY else []),
        (lambda x: np.split(x, 2, axis=1), ValueError),
        (lambda x: np.array_split(x, 0), ValueError),
        (lambda x: np.vsplit(x[0], 1), ValueError),
        (lambda x: np.dsplit(x, 1), ValueError),
        (lambda x: np.hsplit(x[0, 0], 1), ValueError),
        (lambda x: np.delete(x, 3, axis=1), IndexError),
        (lambda x: np.insert(x, 4, 1.0, axis=1), IndexError),
        (lambda x: np.insert(x, [0, 1], [1.0, 2.0, 3.0], axis=1), ValueError),
        (lambda x: np.block([[x], x]), ValueError),
        (lambda x: np.block([]), ValueError),
        (lambda x: np.block((x, x)), TypeError),
        (lambda x: np.concatenate([x, x], dtype=np.float32, casting="safe"), TypeError),
        (lambda x: np.stack([x, x], casting="no", dtype=np.float32), TypeError),
        (lambda x: x.astype(np.float32, casting="safe"), TypeError),
    ],
)
def test_what_numpy_refuses_is_refused_with_its_class_of_error(call, error):
    with pytest.raises(error):
        call(A)
    with pytest.raises(error):
        pyad.vjp(call, A)


def test_types_of_the_parts_are_promoted_as_numpy_does():
    x = np.ones(2, np.float32)
    for call in (
        lambda x: np.append(x, [1.0]),
        lambda x: np.hstack([x, 2.0]),
        lambda x: np.hstack([x, np.float32(2)]),
        lambda x: np.vstack([x, np.ones(2, np.int8)]),
        lambda x: np.concatenate([x, x], dtype=np.float64),
        lambda x: np.insert(x, 0, np.float64(3.0)),
        lambda x: np.block([x, x.astype(np.float64)]),
    ):
        agree(pyad.vjp(call, x)[0], call(x))


def test_a_traced_value_put_into_integers_is_truncated_as_in_numpy_and_constant():
    value = pyad.vjp(lambda x: np.insert(np.arange(3), 1, x[0, 2]), A)[0]
    agree(value, np.insert(np.arange(3), 1, A[0, 2]))
