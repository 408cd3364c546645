"""The calls that the other tests check derivatives of, compiled: the same values, gradients and second derivatives at
the call that records, at one that replays, and at other data.

The tests of the modules below are run with another check in the place of theirs, so a row in one of their tables is a
row here.
"""

import importlib
import inspect
import warnings

import numpy as np
import pytest
from inplace.test_random_programs import arguments, function_of
from support.compiled_calls import agree, check_compiled, outcome

import pyad
import pyad.numpy as pnp
from pyad.errors import ConcretizationError, UnsupportedError

MODULES = [
    "complex.convention",
    "complex.linalg_scipy",
    "complex.numpy",
    "inplace.creation_and_cost",
    "inplace.views",
    "inplace.writes",
    "nn.nn",
    "numpy_api.convolve_interp",
    "numpy_api.einsum_tensordot",
    "numpy_api.fft",
    "numpy_api.indexing",
    "numpy_api.linalg",
    "numpy_api.matmul",
    "numpy_api.pad",
    "numpy_api.polynomial",
    "numpy_api.reductions",
    "numpy_api.scans_averages",
    "numpy_api.sets_histograms",
    "numpy_api.sorting_quantiles",
    "numpy_api.ufuncs",
    "ops.every_op",
    "ops.numpy_op",
    "scipy_api.integrate",
    "scipy_api.linalg",
    "scipy_api.optimize",
    "scipy_api.signal",
    "scipy_api.sparse",
    "scipy_api.special",
    "scipy_api.stats",
    "transforms.custom_rules",
    "transforms.extend",
]

# So many rows of a table are tried, spread over it.
MOST_ROWS = 64

WRONG_ON_PURPOSE = {"test_check_grads_catches_wrong_complex_rules"}

# Tests whose functions are recorded again for some other data, since they look at values, and how often at most.
# Smaller numbers are better.
RECORDED_AGAIN = {
    "inplace.views.test_a_write_shows_where_numpy_shows_it_and_is_differentiated": 1,
    "inplace.views.test_a_function_of_complex_numbers_keeps_their_imaginary_part": 2,
    "complex.numpy.test_a_function_of_complex_numbers_has_numpys_values_and_right_derivatives": 6,
    "complex.linalg_scipy.test_a_function_of_numpy_has_its_values_and_right_derivatives": 20,
    "complex.linalg_scipy.test_a_function_of_scipy_has_its_values_and_right_derivatives": 8,
    "complex.linalg_scipy.test_roots_of_complex_equations_are_differentiated": 6,
    "numpy_api.linalg.test_derivatives_equal_differences_to_second_order": 24,
    "numpy_api.linalg.test_a_vector_of_a_simple_eigenvalue_has_a_derivative_beside_equal_ones": 1,
    "numpy_api.linalg.test_rank_deficient_least_squares_moves_within_matrices_of_that_rank": 1,
    "numpy_api.sorting_quantiles.test_values_are_numpys_and_derivatives_flow_to_what_is_picked": 24,
    "numpy_api.sorting_quantiles.test_every_method_of_quantile_is_numpys": 13,
    "numpy_api.sorting_quantiles.test_quantiles_are_differentiable_in_q": 26,
    "numpy_api.polynomial.test_a_call_of_two_has_numpys_value_and_derivatives_to_second_order": 7,
    "numpy_api.polynomial.test_a_call_of_one_has_numpys_value_and_derivatives_to_second_order": 6,
    "numpy_api.polynomial.test_fits_move_with_points_values_and_weights": 12,
    "numpy_api.polynomial.test_a_fit_is_checked_entry_by_entry": 1,
    "numpy_api.reductions.test_logsumexp_with_weights": 1,
    "scipy_api.integrate.test_quad": 4,
    "scipy_api.optimize.test_roots_have_scipys_values_and_derivatives_to_second_order": 19,
    "scipy_api.sparse.test_solves_have_scipys_values_and_derivatives_by_the_right_side": 6,
    "scipy_api.sparse.test_solves_to_second_order": 1,
    "scipy_api.sparse.test_entries_of_a_matrix_are_differentiated": 2,
    "scipy_api.sparse.test_entries_of_a_matrix_to_second_order": 1,
    "numpy_api.sets_histograms.test_roots_move_as_their_polynomials_say": 5,
    "numpy_api.sets_histograms.test_emath_becomes_complex_where_it_must": 14,
    "numpy_api.sets_histograms.test_logn_and_power_of_emath": 3,
    "numpy_api.convolve_interp.test_interpolation_has_numpys_value_and_derivatives_by_everything": 23,
    "numpy_api.convolve_interp.test_interpolation_is_checked_entry_by_entry": 1,
    "numpy_api.convolve_interp.test_unwrapped_phases_move_with_their_own": 5,
    "numpy_api.convolve_interp.test_vectorize_calls_the_function_with_each_element": 1,
    "scipy_api.special.test_values_are_those_of_scipy_and_derivatives_those_of_differences": 7,
    "scipy_api.special.test_logsumexp_with_weights_of_any_sign": 12,
    "scipy_api.stats.test_continuous_values_are_those_of_scipy_and_derivatives_those_of_differences": 62,
    "scipy_api.stats.test_discrete_values_are_those_of_scipy_and_derivatives_those_of_differences": 32,
    "scipy_api.stats.test_parameters_broadcast_and_may_be_named": 1,
    "scipy_api.stats.test_multivariate_normal_is_scipys_and_its_derivatives_those_of_differences": 14,
    "scipy_api.stats.test_multivariate_normal_has_scipys_defaults": 1,
    "scipy_api.stats.test_singular_covariances": 1,
    "scipy_api.stats.test_dirichlet_is_scipys_and_its_derivatives_those_of_differences": 10,
    "scipy_api.stats.test_dirichlet_checks_its_arguments_and_has_an_entropy": 1,
    "numpy_api.ufuncs.test_values_are_numpys_and_derivatives_equal_differences": 1,
    "numpy_api.ufuncs.test_methods_of_ufuncs_have_numpys_values_and_derivatives": 4,
}

# Tests with functions that cannot be compiled: they hand values to a function of SciPy that is no function of arrays,
# take what is not theirs from outside, or are differentiated in another way where nothing is traced (determinants of
# singular matrices).
REFUSED = {
    "transforms.extend.test_the_derivative_of_a_fixed_point_is_that_of_what_it_is",
    "complex.numpy.test_checkpoints_and_fixed_points_of_complex_numbers",
    "numpy_api.linalg.test_derivatives_equal_differences_to_second_order",
    "scipy_api.integrate.test_odeint_by_all_its_arguments",
    "scipy_api.integrate.test_odeint_to_second_order",
    "scipy_api.integrate.test_odeint_goes_backward_in_time_and_takes_time_first",
    "scipy_api.integrate.test_solve_ivp_by_its_times",
    "scipy_api.integrate.test_solve_ivp_to_second_order",
    "scipy_api.integrate.test_quad",
    "scipy_api.optimize.test_the_minimum_by_the_arguments_to_second_order",
    "scipy_api.optimize.test_least_squares",
    "scipy_api.optimize.test_curve_fit_by_the_data",
    "scipy_api.sparse.test_products_to_second_order",
}


def rows_of(test):
    """The arguments of each row of a test's tables; None where it takes anything else."""
    rows = [{}]
    for mark in getattr(test, "pytestmark", ()):
        if mark.name != "parametrize":
            continue
        names = mark.args[0]
        names = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
        values = [row.values if hasattr(row, "marks") else (row if len(names) > 1 else (row,)) for row in mark.args[1]]
        rows = [{**row, **dict(zip(names, given, strict=True))} for row in rows for given in values]
    return rows if set(rows[0] if rows else ()) >= set(inspect.signature(test).parameters) else None


def module_of(name):
    folder, _, name = name.partition(".")
    return importlib.import_module(f"{folder}.test_{name}")


def checked_in(name):
    module = module_of(name)
    for test, function in vars(module).items():
        if not test.startswith("test_") or not inspect.isfunction(function):
            continue
        if test in WRONG_ON_PURPOSE:
            continue
        if {"check_grads", "check_derivatives"} & set(function.__code__.co_names) and rows_of(function):
            yield f"{name}.{test}"


class Checker:
    """In the place of `check_grads` and `check_derivatives`."""

    def __init__(self):
        self.again = 0
        self.compiled = 0
        self.refused = []

    def grads(self, f, args, *_, **__):
        self.check(f, args)

    def derivatives(self, f, *args, **_):
        self.check(f, args)

    def check(self, f, args):
        try:
            again = check_compiled(f, args)
        except AssertionError:
            raise
        except Exception as problem:
            self.refused.append(problem)
            return
        if again is not None:
            self.compiled += 1
            self.again += again > 0


@pytest.mark.parametrize("test", [test for name in MODULES for test in checked_in(name)])
def test_compiled_calls_are_the_calls_themselves(test, monkeypatch):
    name, _, function = test.rpartition(".")
    module = module_of(name)
    checker = Checker()
    for there, check in (("check_grads", checker.grads), ("check_derivatives", checker.derivatives)):
        if hasattr(module, there):
            monkeypatch.setattr(module, there, check)
    rows = rows_of(getattr(module, function))
    step = -(-len(rows) // MOST_ROWS)
    for row in rows[::step]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                getattr(module, function)(**row)
        except pytest.skip.Exception:
            continue
    if test in REFUSED:
        assert checker.refused
    else:
        assert checker.refused == []
    known = RECORDED_AGAIN.get(test, 0)
    assert checker.again <= known, f"{checker.again} of {checker.compiled} functions were recorded again"


def test_the_lists_are_of_tests_that_there_are():
    there = {test for name in MODULES for test in checked_in(name)}
    assert set(RECORDED_AGAIN) <= there
    assert there >= REFUSED
    assert issubclass(ConcretizationError, TypeError)
    assert issubclass(UnsupportedError, TypeError)


# ---- large arrays: what lies in buffers of their own, and runs block by block ----

RNG = np.random.default_rng(3)
V = RNG.normal(size=3000)
A = RNG.normal(size=(60, 50))
ROWS = RNG.integers(0, 60, 200)

LARGE = {
    "a chain of element-wise functions": (lambda x: np.tanh(np.sin(x) * x + 1.0) / (1.0 + x**2), V),
    "a mask": (lambda x: np.where(x > 0, np.exp(-x), x**2), V),
    "masks that are combined": (lambda x: np.where((x > 0) & ~(x > 1.0) | (x < -1.0), x, 0.5), V),
    "a comparison that is returned": (lambda x: (x > 0.5, x == x, np.isnan(x)), V),
    "a sum of what is true": (lambda x: np.sum(x > 0) * x, V),
    "elements by mask": (lambda x: x[np.abs(x) < 3.0] * 2.0, V),
    "an order": (lambda x: np.sort(x) * np.arange(3000.0), V),
    "largest elements": (lambda x: x[np.argsort(x)[-5:]], V),
    "a clip": (lambda x: np.clip(x, -0.5, 0.5).sum() + x.max() - x.min(), V),
    "running sums": (lambda x: np.cumsum(x) * np.cumprod(1.0 + x * 1e-3), V),
    "slices": (lambda x: x[1:] - x[:-1] + x[::-1][1:], V),
    "a loop over slices": (lambda x: sum(x[k : k + 100] * k for k in range(0, 2900, 100)), V),
    "writes": (lambda x: written(x), V),
    "writes by mask": (lambda x: masked(x), V),
    "rows by index": (lambda a: a[ROWS] @ a.T, A),
    "columns": (lambda a: a[:, ::2] * a[:, 1::2], A),
    "products": (lambda a: np.tanh(a.T @ a / 60.0) @ a.T, A),
    "sums over axes": (lambda a: a.mean(0) + np.log(np.sum(np.exp(a), axis=0)) * a.std(0), A),
    "a softmax": (
        lambda a: np.exp(a - a.max(1, keepdims=True)) / np.exp(a - a.max(1, keepdims=True)).sum(1)[:, None],
        A,
    ),
    "broadcasting": (lambda a: (a[:, None, :10] - a[None, :, :10]).sum(-1) ** 2, A),
    "an einsum": (lambda a: np.einsum("ij,kj,k->i", a, a, a[:, 0]), A),
    "joined arrays": (lambda a: np.concatenate([a, a[:5] * 2.0, np.stack([a[0], a[1]])]), A),
    "solving": (lambda a: np.linalg.solve(a.T @ a + np.eye(50), a[0]), A),
    "a decomposition": (lambda a: np.linalg.cholesky(a.T @ a + np.eye(50)), A),
    "a transform": (lambda x: np.abs(np.fft.rfft(x)) ** 2, V),
    "complex numbers": (lambda x: np.real((x + 1j) ** 2 * np.exp(1j * x)), V),
    "integers": (lambda x: np.arange(3000) % 7 * x + np.floor(x), V),
    "rolled": (lambda x: np.roll(x, 7) * np.pad(x, 2, mode="wrap")[2:-2], V),
    "reshaped": (lambda x: np.transpose(x.reshape(30, 100)).ravel() * x, V),
    "interpolated": (lambda x: np.interp(x, np.linspace(-3, 3, 50), np.linspace(-3, 3, 50) ** 2), V),
}


def written(x):
    y = pnp.zeros(3000)
    y[:1000] = x[2000:]
    y[1000:2000] += y[:1000] * 2.0
    y[::3] *= x[::3]
    return y


def masked(x):
    y = x * 1.0
    y[x > 0] = 0.0
    y[x < -1] *= 2.0
    return y


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", LARGE)
def test_large_arrays(name, dtype):
    f, x = LARGE[name]
    check_compiled(f, (x.astype(dtype),), second=name != "a decomposition")


# ---- random programs that write into their arguments ----


@pytest.mark.parametrize("block", range(4))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_random_programs_give_and_write_what_numpy_does(block):
    ran = 0
    for seed in range(1000 + 25 * block, 1025 + 25 * block):
        plain, fast = (function_of(seed, np) for _ in range(2))
        fast = pyad.compile(fast)
        for data in (seed, seed, seed + 7, seed):
            want, problem, after = outcome(plain, arguments(data))
            got, refusal, after_fast = outcome(fast, arguments(data))
            assert (problem is None) == (refusal is None), (problem, refusal)
            if problem is not None:
                agree(after_fast, list(arguments(data)), "the arguments of a program that fails")
                break
            ran += 1
            agree(got, want, f"program {seed}")
            agree(after_fast, after, f"the arguments of program {seed}")
    assert ran > 50
