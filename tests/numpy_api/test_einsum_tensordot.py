"""Products that sum over axes: einsum and its kin, in all their variants, against NumPy."""

import itertools
import warnings

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from support.calls import agree, check_call, check_derivatives

import pyad
import pyad.numpy as pnp

A = np.array([[0.3, -1.2, 2.1], [1.7, 0.4, -0.8]])
B = np.array([[0.9, 1.3, -0.6], [0.2, -0.5, 1.1]])
S = np.array([[0.9, 1.3], [-0.6, 0.2]])
T = np.array([[[0.5, -1.1], [1.6, 0.2]], [[-0.7, 1.9], [0.8, -0.4]]])
V = np.array([0.7, -1.4, 2.2])
W = np.array([1.5, 0.6, -0.9])

# ---- einsum ----

EINSUMS = {
    "trace": ("ii", S),
    "diagonal": ("ii->i", S),
    "diagonal of a stack": ("kii->ki", T),
    "threefold": ("iii->i", T),
    "transpose": ("ij->ji", A),
    "implied order": ("ba", A),
    "sum": ("ij->", A),
    "sum of rows": ("ij->i", A),
    "sum and transpose": ("ijk->kj", T),
    "spaces": (" i j -> j i ", A),
    "inner": ("i,i", V, W),
    "outer": ("i,j->ji", V, W),
    "product": ("ij,ij->ij", A, B),
    "product, transposed": ("ij,ij->ji", A, B),
    "Frobenius": ("ij,ij", A, B),
    "matrices": ("ij,kj->ik", A, B),
    "matrices, other order": ("ij,kj->ki", A, B),
    "matrices, both transposed": ("ji,kj->ik", A, S),
    "matrix and vector": ("ij,j", A, V),
    "batch": ("bij,bjk->bik", T, T),
    "batch last": ("ijb,jkb->bki", T, T),
    "batch of vectors": ("bi,bi->b", A, B),
    "two summed": ("ijk,jkl->il", T, T),
    "sums of one side": ("ij,kl->ik", A, B),
    "summed in one operand": ("ij,k->k", A, V),
    "with a number": (",ij->i", np.array(1.3), A),
    "two numbers": (",->", np.array(1.3), np.array(0.4)),
    "diagonal times": ("ii,ij->j", S, A),
    "ellipsis": ("...ij,...jk->...ik", T, T),
    "ellipsis of one": ("...ij,jk->...ik", T, S),
    "ellipsis implied": ("i...,i...", A, B),
    "ellipsis inside": ("i...j->j...", T),
    "ellipsis for nothing": ("...i->...", V),
    "ellipsis broadcast": ("...i,...i->...i", A[:1], B),
    "ellipsis summed with": ("...,i->...i", A, V[:2]),
    "length one broadcasts": ("ij,ij->ij", A, B[:1]),
    "length one broadcasts and is summed": ("ij,jk->ik", A[:, :1], B.T),
    "three": ("ij,jk,kl->il", S, A, B.T),
    "three to a number": ("i,ij,j", V[:2], A, W),
    "three over one label": ("ij,ij,ij->i", A, B, A),
    "four": ("ab,bc,cd,da->", S, S, S, S),
    "three outer": ("i,j,k->kij", V[:2], W[:2], V[1:]),
}


@pytest.mark.parametrize("name", EINSUMS)
def test_einsum_has_numpys_value_and_derivatives_to_second_order(name):
    text, *arrays = EINSUMS[name]
    squared = len(arrays) == 1
    check_call(lambda *arrays: np.einsum(text, *arrays), *arrays, squared=squared)
    fixed = arrays[1:]
    if fixed:
        check_derivatives(lambda x: np.einsum(text, x * x, *fixed), arrays[0])
        check_derivatives(lambda x: np.einsum(text, arrays[0], x * x, *fixed[1:]), fixed[0])


LISTS = {
    "trace": (lambda a, b: np.einsum(a, [0, 0], [])),
    "implied": (lambda a, b: np.einsum(a, [1, 0])),
    "product": (lambda a, b: np.einsum(a, [0, 1], b, [1, 2], [0, 2])),
    "product, implied": (lambda a, b: np.einsum(a, [0, 7], b, [7, 3])),
    "ellipsis": (lambda a, b: np.einsum(a, [..., 0], b, [..., 0], [...])),
    "tuples": (lambda a, b: np.einsum(a, (0, 1), b, (1, 0))),
}


@pytest.mark.parametrize("name", LISTS)
def test_einsum_with_lists_of_axes(name):
    check_call(LISTS[name], S, S.T @ S + 1.0)


OPTIONS = {
    "True": {"optimize": True},
    "False": {"optimize": False},
    "greedy": {"optimize": "greedy"},
    "optimal": {"optimize": "optimal"},
    "memory": {"optimize": ("greedy", 100)},
    "path": {"optimize": ["einsum_path", (0, 2), (0, 1)]},
    "path of all": {"optimize": ["einsum_path", (0, 1, 2)]},
    "order": {"order": "C", "casting": "same_kind"},
    "dtype": {"dtype": np.float64},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_einsum_takes_paths_and_other_options(name):
    check_call(lambda a, b, c: np.einsum("ij,kj,kl->il", a, b, c, **OPTIONS[name]), A, B, S, squared=False)


def test_a_path_that_numpy_found_is_followed():
    path = np.einsum_path("ij,kj,kl->il", A, B, S)[0]
    check_call(lambda a: np.einsum("ij,kj,kl->il", a, B, S, optimize=path), A)
    agree(pyad.vjp(lambda a: a * len(np.einsum_path("ij,ij->i", a, a)[0]), A)[0], 2 * A)


def test_the_method_dot_is_the_function():
    check_call(lambda a: a.dot(V), A)
    check_call(lambda a: a.dot(a.T), A)


@st.composite
def contractions(draw):
    """Operands of one to three labels each, and a result of labels of theirs, in any order."""
    lengths = {label: draw(st.integers(1, 3)) for label in "abcd"}
    terms = draw(st.lists(st.text("abcd", min_size=0, max_size=3), min_size=1, max_size=4))
    used = sorted(set("".join(terms)))
    out = draw(st.permutations(used)) if used else []
    out = out[: draw(st.integers(0, len(out)))]
    return ",".join(terms) + "->" + "".join(out), [tuple(lengths[label] for label in term) for term in terms]


QUIET = settings(
    max_examples=120, deadline=None, database=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


@QUIET
@given(contractions())
def test_any_contraction_has_numpys_value_and_the_slopes_of_its_parts(contraction):
    text, shapes = contraction
    rng = np.random.default_rng(len(text))
    arrays = [rng.normal(size=shape) for shape in shapes]
    want = np.einsum(text, *arrays)
    value, pullback = pyad.vjp(lambda *arrays: np.einsum(text, *arrays), *arrays)
    agree(value, np.asarray(want)[()], 1e-12)
    seed = rng.normal(size=np.shape(want))
    # Linear in each operand: the slope along an operand is the value with the direction in its stead.
    for k, gradient in enumerate(pullback(seed)):
        direction = rng.normal(size=shapes[k])
        moved = np.einsum(text, *(direction if j == k else x for j, x in enumerate(arrays)))
        np.testing.assert_allclose(np.sum(gradient * direction), np.sum(moved * seed), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.einsum("ij,jk", x, x),
        lambda x: np.einsum("i", x),
        lambda x: np.einsum("ijk", x),
        lambda x: np.einsum("ij,ij", x),
        lambda x: np.einsum("ij->ijk", x),
        lambda x: np.einsum("ij->ii", x),
        lambda x: np.einsum("i1->i", x),
        lambda x: np.einsum("ii", x),
        lambda x: np.einsum("...i...", x),
        lambda x: np.einsum("...j->j", x),
    ],
)
def test_subscripts_that_do_not_fit_are_refused_as_in_numpy(call):
    with pytest.raises(ValueError):
        call(A)
    with pytest.raises(ValueError, match="einsum"):
        pyad.vjp(call, A)


def test_casting_that_einsum_may_not_do_is_refused():
    for x, call in ((A, lambda x: np.einsum("ij->i", x, dtype=np.float32)), (A, lambda x: np.einsum(x, [0.5, 1]))):
        with pytest.raises(TypeError):
            call(x)
        with pytest.raises(TypeError):
            pyad.vjp(call, x)


# ---- the others ----

CALLS = {
    "tensordot": (lambda a, b: np.tensordot(a, b), T, S),
    "tensordot 0": (lambda a, b: np.tensordot(a, b, 0), V, S),
    "tensordot 1": (lambda a, b: np.tensordot(a, b, axes=1), S, A),
    "tensordot numbers": (lambda a, b: np.tensordot(a, b, 0), np.array(0.7), np.array(1.2)),
    "tensordot lists": (lambda a, b: np.tensordot(a, b, axes=([0, 1], [1, 0])), T, T),
    "tensordot negative": (lambda a, b: np.tensordot(a, b, axes=(-1, 1)), A, B),
    "tensordot mixed": (lambda a, b: np.tensordot(a, b, ((0,), 2)), T, T),
    "tensordot nothing": (lambda a, b: np.tensordot(a, b, ([], [])), V, W),
    "dot numbers": (lambda a, b: np.dot(a, b), np.array(1.2), np.array(0.3)),
    "dot number and array": (lambda a, b: np.dot(a, b), np.array(1.2), A),
    "dot vectors": (lambda a, b: np.dot(a, b), V, W),
    "dot matrices": (lambda a, b: np.dot(a, b), A, B.T),
    "dot matrix and vector": (lambda a, b: np.dot(a, b), A, V),
    "dot vector and matrix": (lambda a, b: np.dot(a, b), V, A.T),
    "dot stack and vector": (lambda a, b: np.dot(a, b), T, V[:2]),
    "dot vector and stack": (lambda a, b: np.dot(a, b), V[:2], T),
    "dot stacks": (lambda a, b: np.dot(a, b), T, T[:1]),
    "inner": (lambda a, b: np.inner(a, b), V, W),
    "inner matrices": (lambda a, b: np.inner(a, b), A, B),
    "inner with a number": (lambda a, b: np.inner(a, b), A, np.array(0.4)),
    "inner stack": (lambda a, b: np.inner(a, b), T, S[0]),
    "vdot": (lambda a, b: np.vdot(a, b), A, B),
    "vdot numbers": (lambda a, b: np.vdot(a, b), np.array(2.0), np.array(0.3)),
    "outer": (lambda a, b: np.outer(a, b), V, W),
    "outer of matrices": (lambda a, b: np.outer(a, b=b), S, A),
    "kron": (lambda a, b: np.kron(a, b), S, A),
    "kron vectors": (lambda a, b: np.kron(a, b), V, W[:2]),
    "kron mixed": (lambda a, b: np.kron(a, b), V[:2], S),
    "kron numbers": (lambda a, b: np.kron(a, b), np.array(0.5), S),
    "cross": (lambda a, b: np.cross(a, b), V, W),
    "cross rows": (lambda a, b: np.cross(a, b), A, V),
    "cross columns": (lambda a, b: np.cross(a, b, axis=0), A.T, B.T),
    "cross axes": (lambda a, b: np.cross(a, b, axisa=0, axisb=1, axisc=0), A.T, B),
    "cross plane": (lambda a, b: np.cross(a, b), V[:2], W[:2]),
    "cross plane and space": (lambda a, b: np.cross(a, b), V[:2], W),
    "cross space and plane": (lambda a, b: np.cross(a, b), A, S),
    "matmul axes": (lambda a, b: np.matmul(a, b, axes=[(0, 1), (0, 1), (1, 0)]), S, A),
    "matmul axes of a stack": (lambda a, b: np.matmul(a, b, axes=[(0, 2), (-1, -2), (0, 1)]), T, T),
    "vecdot": (lambda a, b: np.vecdot(a, b), A, V),
    "vecdot axis": (lambda a, b: np.vecdot(a, b, axis=0), A, B),
    "vecdot keepdims": (lambda a, b: np.vecdot(a, b, axis=0, keepdims=True), A, B),
    "vecdot axes": (lambda a, b: np.vecdot(a, b, axes=[0, 1, ()]), A.T, B),
}
if hasattr(np, "matvec"):
    CALLS["matvec"] = (lambda a, b: np.matvec(a, b), T, S)
    CALLS["matvec axes"] = (lambda a, b: np.matvec(a, b, axes=[(0, 1), 0, 0]), A.T, S)
    CALLS["vecmat"] = (lambda a, b: np.vecmat(a, b), S, T)
    CALLS["vecmat axes"] = (lambda a, b: np.vecmat(a, b, axes=[0, (0, 1), 0]), S, A)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.filterwarnings("ignore:Arrays of 2-dimensional vectors:DeprecationWarning")
def test_a_product_has_numpys_value_and_derivatives_to_second_order(name):
    f, a, b = CALLS[name]
    check_call(f, a, b, squared=False)
    check_derivatives(lambda x: f(x * x, b), a)
    check_derivatives(lambda x: f(a, x * x), b)


ERRORS = [
    (lambda a: np.tensordot(a, a, 1), ValueError),
    (lambda a: np.tensordot(a, a, ([0, 1], [0])), ValueError),
    (lambda a: np.dot(a, a), ValueError),
    (lambda a: np.dot(np.stack([a, a]), np.stack([a, a])), ValueError),
    (lambda a: np.inner(a, a.T), ValueError),
    (lambda a: np.vdot(a, a[0]), ValueError),
    (lambda a: np.cross(a.T, a.T[:, :1]), ValueError),
    (lambda a: np.cross(a[0, 0], a[0]), ValueError),
    (lambda a: np.vecdot(a, a[:, :1]), ValueError),
    (lambda a: np.matmul(a, a, axes=[(0, 1), (0, 1), (0, 1)]), ValueError),
]


@pytest.mark.parametrize(("call", "error"), ERRORS)
def test_shapes_that_do_not_contract_are_refused_with_numpys_class_of_error(call, error):
    with pytest.raises(error):
        call(A)
    with pytest.raises(error, match=r"\(|zero"):
        pyad.vjp(call, A)


@pytest.mark.parametrize("lengths", list(itertools.product([0, 2], repeat=3)))
def test_products_over_nothing_and_with_nothing_left_are_zeros_of_the_right_shape(lengths):
    i, j, k = lengths
    a, b = np.ones((i, j)), np.ones((j, k))
    for call in (
        np.dot,
        lambda a, b: np.tensordot(a, b, 1),
        lambda a, b: np.einsum("ij,jk->ki", a, b),
        lambda a, b: np.inner(a, b.T),
        lambda a, b: np.outer(a, b),
        lambda a, b: np.kron(a, b),
    ):
        agree(pyad.vjp(call, a, b)[0], call(a, b))
        assert pyad.grad(lambda a, call=call: np.sum(call(a, b)))(a).shape == a.shape


def test_vectors_of_a_plane_bring_numpys_warning():
    with pytest.warns(DeprecationWarning, match="2-dimensional vectors"):
        pyad.vjp(lambda a: np.cross(a, W[:2]), V[:2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pyad.vjp(lambda a: np.cross(a, W), V)


def test_the_names_of_our_namespace_take_lists_that_hold_traced_values():
    def f(a):
        return (
            pnp.dot([a[0], 2.0], [a[1], 1.0]) + pnp.einsum("i,i", [a[0], 1.0], [3.0, 4.0]) + pnp.inner([a[0]], [a[1]])
        )

    np.testing.assert_allclose(pyad.grad(f)(V), [2 * V[1] + 3.0, 2 * V[0], 0.0])
