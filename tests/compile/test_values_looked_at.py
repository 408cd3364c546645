"""Programs of functions whose implementation looks at values: recorded once, they are right for other data of the same
shapes, values and gradients, and are not recorded again."""

import copy
import warnings

import numpy as np
import pytest
from scipy_api.test_special import TABLE as SPECIAL
from scipy_api.test_special import call_of
from scipy_api.test_stats import DISCRETE, DISCRETE_ROWS, ROWS, arguments

import pyad
import pyad.scipy.linalg as pla
import pyad.scipy.special as psp
import pyad.scipy.stats as pst
from pyad import nn, tree
from pyad.errors import ConcretizationError

V, W = np.array([0.31, 0.62, 0.45, 0.8]), np.array([0.71, 0.12, 0.55, 0.33])
M = np.array([[1.3, 0.2, 0.4], [-0.5, 1.1, 0.35], [0.1, 0.7, 2.0]])
N = np.array([[0.3, 0.9, -0.2], [0.5, 2.1, 0.25], [0.15, -0.4, 1.0]])
HOLES = np.array([0.4, np.nan, 0.3, 0.9]), np.array([np.nan, 0.2, 0.8, 0.1])
LABELS = np.array([2, 0, 1]), np.array([1, 1, 0])


def total(result):
    """A number that depends on all floating parts of a result."""
    out = 0.0
    for x in tree.leaves(as_lists(result)):
        if hasattr(x, "dtype") and x.dtype.kind in "fc":
            out = out + np.nansum(np.real(x) * (0.3 + np.arange(x.size).reshape(x.shape)))
    return out


def as_lists(result):
    return [as_lists(x) for x in result] if isinstance(result, tuple | list) else result


def same(got, want):
    got, want = tree.leaves(as_lists(got)), tree.leaves(as_lists(want))
    for a, b in zip(map(np.asarray, got), map(np.asarray, want), strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        if a.dtype.kind in "fc":
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)
        else:
            np.testing.assert_array_equal(a, b)


def check_replays(f, *sets, programs=1):
    """f, compiled, does with each set of arguments what it does by itself, to the arguments too."""
    fast = pyad.compile(f)
    for args in [*sets, sets[0]]:
        theirs, ours = copy.deepcopy(args), copy.deepcopy(args)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            same(fast(*ours), f(*theirs))
        same(ours, theirs)
    assert len(fast.programs) == programs


def check_value_and_gradient(f, *sets):
    check_replays(f, *sets)
    numbers = tuple(k for k, x in enumerate(sets[0]) if np.asarray(x).dtype.kind in "fc")
    check_replays(pyad.grad(lambda *args: total(f(*args)) + 0.0 * np.sum(args[numbers[0]]), numbers), *sets)


def masked(x, change):
    x = x * 1.0
    change(x)
    return x * x


def _double(x):
    x[x > 0.5] *= 2.0


def _cut(x):
    x[x < 0.5] = 0.0


def _rank_write(x):
    x[np.argsort(x)] = np.arange(4.0)


def _add_at(x):
    np.add.at(x, np.argsort(x)[:2], x[:2])


def _set_rows(x):
    x[np.argsort(x[0])[1:], :] = 1.5


def _put(x):
    np.put(x, np.argsort(x)[:2], x[2:])


def _put_along(x):
    np.put_along_axis(x, np.argmax(x, -1, keepdims=True), 0.5, -1)


def _copyto(x):
    np.copyto(x, 0.25, where=x < 0.5)


ROW = {
    "sort": np.sort,
    "sort_complex": np.sort_complex,
    "partition": lambda x: np.partition(x, 1),
    "argsort as an index": lambda x: x[np.argsort(x)],
    "argmax as an index": lambda x: x[np.argmax(x)] * x,
    "median": np.median,
    "quantile": lambda x: np.quantile(x, 0.3),
    "quantiles": lambda x: np.quantile(x, [0.1, 0.5, 0.7, 0.9], method="hazen"),
    "quantile of a moving q": lambda x: np.quantile(V, x),
    "percentile": lambda x: np.percentile(x, 20.0),
    "weighted quantile": lambda x: np.quantile(x, 0.4, weights=np.arange(1.0, 5.0), method="inverted_cdf"),
    "take": lambda x: np.take(x, np.argsort(x)),
    "take_along_axis": lambda x: np.take_along_axis(x, np.argsort(x), 0),
    "choose": lambda x: np.choose((x > 0.5).astype(int), [x, x * x]),
    "select": lambda x: np.select([x > 0.6, x > 0.4], [x, x * x], 0.5),
    "where": lambda x: np.where(x > 0.5, x * x, 0.0),
    "mask times": lambda x: x * (x > 0.5),
    "mask sums": lambda x: np.sum(x * (x > 0.4)) / (x > 0.4).sum() + (x > 0.2).mean(),
    "masks combined": lambda x: x * (~(x > 0.5) & (x > 0.2) | (x > 0.7)),
    "mask": lambda x: x[x > 0.5],
    "extract": lambda x: np.extract(x > 0.5, x),
    "compress": lambda x: np.compress(x > 0.5, x),
    "nonzero": lambda x: x[np.nonzero(x > 0.5)],
    "write by a mask": lambda x: masked(x, _cut),
    "double by a mask": lambda x: masked(x, _double),
    "write by ranks": lambda x: masked(x, _rank_write),
    "add.at": lambda x: masked(x, _add_at),
    "put": lambda x: masked(x, _put),
    "copyto": lambda x: masked(x, _copyto),
    "sum where": lambda x: np.sum(x, where=x > 0.5),
    "mean where": lambda x: np.mean(x, where=x > 0.5),
    "std where": lambda x: np.std(x, where=x > 0.4),
    "max where": lambda x: np.max(x, where=x < 0.6, initial=0.0),
    "maximum.accumulate": np.maximum.accumulate,
    "clip": lambda x: np.clip(x, 0.3, 0.6),
    "clip by itself": lambda x: np.clip(x, x[0], x[1]),
    "sign": lambda x: np.sign(x - 0.5) * x,
    "heaviside": lambda x: np.heaviside(x - 0.5, 0.5) * x,
    "heaviside at zero": lambda x: np.heaviside(x - 0.5, x),
    "fmod": lambda x: np.fmod(x, 0.2),
    "frexp": np.frexp,
    "nan_to_num": np.nan_to_num,
    "interp": lambda x: np.interp(x, np.array([0.1, 0.5, 0.9]), np.array([1.0, 3.0, 2.0])),
    "interp at moving points": lambda x: np.interp(0.4, np.cumsum(x), x),
    "interp with a period": lambda x: np.interp(x, np.array([0.1, 0.5, 0.9]), np.array([1.0, 3.0, 2.0]), period=0.6),
    "unwrap": lambda x: np.unwrap(10.0 * x),
    "unique": lambda x: np.unique(x, return_index=True, return_inverse=True, return_counts=True),
    "unique_all": np.unique_all,
    "union1d": lambda x: np.union1d(x, np.array([0.0, 1.0])),
    "setdiff1d": lambda x: np.setdiff1d(x, np.array([0.0, 1.0])),
    "intersect1d": lambda x: np.intersect1d(x, x),
    "histogram": lambda x: np.histogram(x, 3),
    "histogram of weights": lambda x: np.histogram(np.arange(4.0), 2, weights=x),
    "bincount": lambda x: np.bincount(np.array([0, 1, 1, 3]), x),
    "average": lambda x: np.average(x, weights=x),
    "cov": lambda x: np.cov(x, x * x, aweights=x),
    "norm": np.linalg.norm,
    "norm 3": lambda x: np.linalg.norm(x, 3),
    "roots": np.roots,
    "polydiv": lambda x: np.polydiv(x, np.array([1.0, 0.3])),
    "trim_zeros": np.trim_zeros,
    "pad by the median": lambda x: np.pad(x, 2, "median"),
    "geomspace": lambda x: np.geomspace(x, x + 1.0, 3),
    "emath": lambda x: np.emath.sqrt(x) + np.emath.log(x),
    "real_if_close": lambda x: np.real_if_close(x + 0j),
    "angle": lambda x: np.angle(x) + x,
    "astype": lambda x: (10.0 * x).astype(int) * x,
    "digits": lambda x: x * (np.floor(10.0 * x).astype(np.int64) % 2 == 0),
    "logsumexp with weights": lambda x: psp.logsumexp(x, b=x > 0.5),
    "multigammaln": lambda x: psp.multigammaln(x + 1.0, 2),
    "dirichlet": lambda x: pst.dirichlet.logpdf(x / np.sum(x), x),
    "multinomial": lambda x: pst.multinomial.logpmf(np.array([1, 2, 0, 1]), 4, x / np.sum(x)),
    "multivariate_normal": lambda x: pst.multivariate_normal.logpdf(x[:2], x[2:], np.diag(x[:2] + 0.1)),
}
MATRIX = {
    "sort": lambda x: np.sort(x, 0),
    "median": lambda x: np.median(x, 0),
    "quantile": lambda x: np.quantile(x, [0.2, 0.7], axis=1, keepdims=True),
    "columns": lambda x: x[:, np.argsort(x[0])],
    "rows and columns": lambda x: x[np.argsort(x[0]), np.argsort(x[1])],
    "largest of each row": lambda x: x[np.arange(3), np.argmax(x, 1)],
    "write rows": lambda x: masked(x, _set_rows),
    "write along an axis": lambda x: masked(x, _put_along),
    "rows by a mask": lambda x: x[x[:, 0] > 0.4],
    "take of rows": lambda x: np.take(x, np.argsort(x[:, 0]), 0),
    "norm of rows": lambda x: np.linalg.norm(x, axis=1),
    "nuclear norm": lambda x: np.linalg.norm(x, "nuc"),
    "cond": np.linalg.cond,
    "svd": np.linalg.svd,
    "eigh": lambda x: np.linalg.eigh(x + x.T)[0],
    "hermitian svd": lambda x: np.linalg.svd(x + x.T, hermitian=True)[1],
    "pinv": np.linalg.pinv,
    "lstsq": lambda x: np.linalg.lstsq(x, x[0], rcond=None)[0],
    "lu": lambda x: pla.lu(x)[1:],
    "lu_solve": lambda x: pla.lu_solve(pla.lu_factor(x), x[0]),
    "scipy's pinv": lambda x: pla.pinv(x, return_rank=True),
    "cumulated extrema": lambda x: np.minimum.accumulate(x, 1),
}
NAN = {
    "nansum": np.nansum,
    "nanmean": np.nanmean,
    "nanvar": np.nanvar,
    "nanmax": np.nanmax,
    "nanmedian": np.nanmedian,
    "nanquantile": lambda x: np.nanquantile(x, 0.3),
    "nancumsum": np.nancumsum,
    "nan_to_num": np.nan_to_num,
    "filled": lambda x: np.where(np.isnan(x), 0.0, x),
}


@pytest.mark.parametrize("name", ROW)
def test_a_function_of_a_row_replays_for_other_numbers(name):
    check_value_and_gradient(ROW[name], (V,), (W,))


@pytest.mark.parametrize("name", MATRIX)
def test_a_function_of_a_matrix_replays_for_other_numbers(name):
    check_value_and_gradient(MATRIX[name], (M,), (N,))


@pytest.mark.parametrize("name", NAN)
def test_a_function_that_passes_over_nan_replays_for_nan_in_other_places(name):
    check_value_and_gradient(NAN[name], (HOLES[0],), (HOLES[1],))


# ---- programs that must not be the same ----


def test_another_count_is_another_program():
    few, many = np.array([1.0, -2.0, 3.0]), np.array([1.0, 2.0, 3.0])
    for f in (
        lambda x: x[x > 0],
        lambda x: x / len(x[x > 0]),
        lambda x: x * np.flatnonzero(x > 0).size,
        lambda x: x * np.where(x > 0)[0].shape[0],
        lambda x: np.unique(np.sign(x)).size * x,
    ):
        check_replays(f, (few,), (few[::-1].copy(),), (many,), programs=2)


def test_a_row_that_is_picked_by_its_number_may_be_written_into():
    def f(x):
        x = x * 1.0
        row = x[np.argmax(x[:, 0])]
        row += 1.0
        return x

    check_replays(f, (M,), (M[::-1].copy(),), programs=2)


def test_a_plain_array_that_is_changed_after_its_use_is_what_it_was():
    def f(x):
        buffer = np.zeros(4)
        y = x + buffer
        buffer[:] = 2.0
        y = y * buffer
        buffer[:] = 5.0
        return y

    check_replays(f, (V,), (W,))


def test_a_plain_table_that_is_changed_after_its_use_is_what_it_was():
    def f(x):
        table = np.arange(4.0)
        found = np.take_along_axis(table, np.argsort(x), 0)
        chosen = np.where(x > 0.5, table, -table)
        between = np.interp(x, table, table)
        table[:] = 9.0
        return found * x + chosen + between + table

    check_replays(f, (V,), (W,))


def test_writes_of_integers_into_plain_arrays_are_those_of_this_call():
    def f(x):
        counts = np.zeros(4, int)
        np.add.at(counts, np.argsort(x)[:2], 1)
        order = np.zeros(4, int)
        np.copyto(order, np.argsort(x))
        np.add(order, np.argsort(x), out=order)
        return counts * x + order

    check_replays(f, (V,), (W,), programs=2)


def test_integers_that_depend_on_the_arguments_are_written_into_where_nobody_else_sees_them():
    def write(x):
        order = np.argsort(x)
        order[0] = 1
        return order

    def add(x):
        order = np.argsort(x)
        order += 1
        return order

    def view(x):
        order = np.argsort(x)
        part = order[1:]
        part += 1
        return order

    def out(x):
        order = np.argsort(x)
        return np.add(order, 1, out=order)

    for f in (write, add):
        check_replays(f, (V,), (W,))
    for f in (view, out):
        with pytest.raises(ConcretizationError, match="a write into an array of integers"):
            pyad.compile(f)(V)


def test_what_numpy_gives_in_half_precision_or_in_lists_belongs_to_this_call():
    check_replays(lambda x: np.sin(x > 0.5), (V,), (W,), programs=2)
    check_replays(lambda x: np.histogramdd(np.argsort(x)[:, None], 2), (V,), (W,))
    check_replays(lambda x: np.split(np.argsort(x), 2), (V,), (W,))


def test_integers_in_the_place_of_settings_are_decisions():
    check_replays(lambda x: np.partition(x, np.argsort(x)), (V,), (W,), programs=2)
    check_replays(lambda x: np.sum(M, axis=np.argmax(x[:2])) * x[0], (V,), (W,), programs=2)


def test_a_matrix_of_another_rank_is_another_program():
    singular = np.ones((3, 3))
    f = lambda a: np.linalg.lstsq(a, np.arange(3.0), rcond=None)  # noqa: E731
    check_replays(f, (M,), (N,), (singular,), programs=2)


def test_plain_output_arrays_hold_what_is_computed_in_this_call():
    check_replays(lambda x: np.less(x, 0.5, np.zeros(4, bool)) * 1.0, (V,), (W,), programs=2)


# ---- integers and booleans among the arguments ----

WITH_INTEGERS = {
    "x[arange, labels]": lambda x, k: x[np.arange(3), k],
    "x[labels]": lambda x, k: x[k],
    "x[:, labels]": lambda x, k: x[:, k],
    "x[labels, 0]": lambda x, k: x[k, 0],
    "one-hot": lambda x, k: x * (k[:, None] == np.arange(3)),
    "cross-entropy": nn.softmax_cross_entropy,
    "cross-entropy of int32": lambda x, k: nn.softmax_cross_entropy(x, k.astype(np.int32)),
    "take": lambda x, k: np.take(x, k, axis=1),
    "put into": lambda x, k: masked(x, lambda y: y.__setitem__((np.arange(3), k), 0.0)),
    "scatter": lambda x, k: masked(x, lambda y: np.add.at(y, (np.arange(3), k), 1.0)),
    "choose": lambda x, k: np.choose(k, [x[0], x[1], x[2]]),
    "times": lambda x, k: x * k,
    "power": lambda x, k: (x * x + 1.0) ** k,
}


@pytest.mark.parametrize("name", WITH_INTEGERS)
def test_integer_arguments_are_other_ones_at_each_call(name):
    check_value_and_gradient(WITH_INTEGERS[name], (M, LABELS[0]), (N, np.array([1, 2, 0])))


def test_labels_that_repeat_and_count_from_the_end():
    f = WITH_INTEGERS["x[arange, labels]"]
    check_replays(lambda x, k: pyad.grad(lambda x: total(f(x, k)))(x), (M, LABELS[1]), (N, LABELS[0]))
    # Those that count from the end take a program that turns them.
    check_replays(f, (M, LABELS[0]), (N, LABELS[0] - 3), (N, LABELS[1] - 3), programs=2)


def test_labels_out_of_range_raise_at_a_replay_too():
    fast = pyad.compile(nn.softmax_cross_entropy)
    fast(M, LABELS[0])
    with pytest.raises(IndexError, match="label 3 is not one of the 3 classes"):
        fast(M, np.array([0, 1, 3]))
    fast = pyad.compile(lambda x, k: x[k])
    fast(M, LABELS[0])
    with pytest.raises(IndexError, match="out of bounds"):
        fast(M, np.array([0, 1, 3]))


def test_accuracy_is_computed_anew():
    check_replays(lambda x, k: nn.accuracy(x, k) + 0.0, (M, LABELS[0]), (N, LABELS[1]), (N, LABELS[0]))


def test_boolean_arguments():
    check_value_and_gradient(lambda x, m: np.where(m, x, 0.0) + x * m, (V, V > 0.5), (W, W > 0.2))
    check_value_and_gradient(lambda x, m: np.sum(x * x, where=m), (V, V > 0.5), (W, W > 0.2))


# ---- SciPy ----


def nearby(x):
    return 0.98 * x + 0.004


@pytest.mark.parametrize(("name", "method"), ROWS)
def test_a_continuous_distribution_replays_for_other_numbers(name, method):
    args = arguments(name, method)
    check_value_and_gradient(getattr(getattr(pst, name), method), args, tuple(map(nearby, args)))


@pytest.mark.parametrize(("name", "method"), DISCRETE_ROWS)
def test_a_discrete_distribution_replays_for_other_numbers(name, method):
    shapes, k = DISCRETE[name]
    moving = [x for x in shapes if isinstance(x, np.ndarray)]

    def f(k, *moving):
        rest = iter(moving)
        return getattr(getattr(pst, name), method)(k, *(next(rest) if isinstance(x, np.ndarray) else x for x in shapes))

    other = tuple(map(nearby, moving))
    check_replays(f, (k, *moving), (k[::-1].copy(), *other))
    check_replays(lambda k, x, *rest: pyad.grad(lambda x: total(f(k, x, *rest)))(x), (k, *moving), (k, *other))


@pytest.mark.parametrize("row", SPECIAL, ids=[f"{row[0]}-{k}" for k, row in enumerate(SPECIAL)])
def test_a_special_function_replays_for_other_numbers(row):
    call, args = call_of(row[0], row[1:])
    check_value_and_gradient(call, args, tuple(map(nearby, args)))
