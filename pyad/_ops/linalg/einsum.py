"""np.einsum: a plan of pairwise products, made once for each pair of subscripts and shapes.

Two operands that share summed labels become one matrix product (over the labels that both keep, a batch of them);
others are multiplied with their axes lined up. More than two go along the path that NumPy finds.
"""

from __future__ import annotations

import functools
import math
import string
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pyad._ops import arithmetic, reductions
from pyad._ops._registry import implements
from pyad._ops.linalg.matmul import matmul
from pyad._ops.shape import asarray, astype, reshape, transpose
from pyad._ops.triangles_grids import diagonal_view
from pyad._trace.array import is_traced

__all__ = ["einsum"]

# An axis of an operand is named by a label: a number from the subscripts, or a negative one (counted from the last)
# for those that an ellipsis stands for.
Labels = tuple[int, ...]
Shape = tuple[int, ...]
Step = Callable[[Any], Any]


@implements(np.einsum)
def einsum(*operands: Any, optimize: Any = False, dtype: Any = None, order: str = "K", casting: str = "safe") -> Any:
    """Sums of products by the labels of axes, in either of NumPy's two forms.

    >>> pyad.grad(lambda x: np.einsum('i,i->', x, np.array([1.0, 2.0])))(np.ones(2))
    array([1., 2.])
    """
    terms, out, arrays = _parsed(operands)
    arrays = [asarray(x) for x in arrays]
    if dtype is not None:
        for x in arrays:
            if not np.can_cast(x.dtype, dtype, casting):
                raise TypeError(f"einsum: cannot cast an operand from {x.dtype!r} to {np.dtype(dtype)!r} ({casting})")
        arrays = [astype(x, dtype) for x in arrays]
    if isinstance(optimize, list):
        optimize = tuple(optimize)
    prepare, steps, finish = _plan(terms, out, tuple(x.shape for x in arrays), optimize)
    arrays = [x if first is None else first(x) for first, x in zip(prepare, arrays, strict=True)]
    for left, right, product in steps:
        b = arrays.pop(right)
        arrays.append(product(arrays.pop(left), b))
    return arrays[0] if finish is None else finish(arrays[0])


# ---- subscripts ----


def _parsed(operands: tuple[Any, ...]) -> tuple[tuple[Any, ...], Any, Sequence[Any]]:
    """The labels of each operand, of the result (None where they are implied), and the operands."""
    if not operands:
        raise ValueError("must specify the einstein sum subscripts string and at least one operand")
    if isinstance(operands[0], str):
        terms, out = _parsed_text(operands[0])
        if len(terms) != len(operands) - 1:
            raise ValueError(
                f"einsum: the subscripts {operands[0]!r} are for {len(terms)} operands, but {len(operands) - 1} given"
            )
        return terms, out, operands[1:]
    count = len(operands) // 2
    given = [tuple(labels) for labels in operands[1 : 2 * count : 2]]
    implied = tuple(operands[-1]) if len(operands) % 2 else None
    for labels in (*given, implied or ()):
        if not all(label is Ellipsis or isinstance(label, int | np.integer) for label in labels):
            raise TypeError(f"einsum: the labels of an axis list must be integers or Ellipsis, got {labels}")
    return tuple(given), implied, operands[: 2 * count : 2]


@functools.lru_cache(maxsize=512)
def _parsed_text(text: str) -> tuple[tuple[Any, ...], Any]:
    inputs, arrow, output = text.replace(" ", "").partition("->")
    terms = tuple(_letters(text, term) for term in inputs.split(","))
    return terms, _letters(text, output) if arrow else None


def _letters(text: str, term: str) -> tuple[Any, ...]:
    labels: list[Any] = []
    while term:
        if term.startswith("..."):
            labels.append(Ellipsis)
            term = term[3:]
        elif term[0] in string.ascii_letters:
            labels.append(ord(term[0]))
            term = term[1:]
        else:
            raise ValueError(f"einsum: invalid subscript {term[0]!r} in {text!r}, subscripts must be letters")
    if labels.count(Ellipsis) > 1:
        raise ValueError(f"einsum: more than one ellipsis in a term of {text!r}")
    return tuple(labels)


def _named(term: tuple[Any, ...], shape: Shape) -> Labels:
    """The labels with an ellipsis written out."""
    named = len(term) - (Ellipsis in term)
    dots = len(shape) - named
    if dots < 0 or (dots and Ellipsis not in term):
        raise ValueError(f"einsum: an operand of shape {shape} has {len(shape)} axes, but {named} subscripts")
    out: list[int] = []
    for label in term:
        out += range(-dots, 0) if label is Ellipsis else [label]
    return tuple(out)


def _output(terms: list[Labels], given: Any) -> Labels:
    used = [label for term in terms for label in term]
    dots = sorted({label for label in used if label < 0})
    if given is None:
        return (*dots, *sorted(label for label in set(used) if label >= 0 and used.count(label) == 1))
    out: list[int] = []
    for label in given:
        out += dots if label is Ellipsis else [label]
    if dots and Ellipsis not in given:
        raise ValueError("einsum: the output has no ellipsis, but there are axes that it would stand for")
    for label in out:
        name = chr(label) if label >= 65 else label
        if out.count(label) > 1:
            raise ValueError(f"einsum: the output includes subscript '{name}' multiple times")
        if label not in used:
            raise ValueError(f"einsum: the output includes subscript '{name}', which is in no input")
    return tuple(out)


# ---- the plan ----


@functools.lru_cache(maxsize=512)
def _plan(
    given: tuple[Any, ...], output: Any, shapes: tuple[Shape, ...], optimize: Any
) -> tuple[list[Step | None], list[tuple[int, int, Callable[[Any, Any], Any]]], Step | None]:
    """What to do with each operand, which two to multiply in turn and how, and what to do with the last."""
    terms = [_named(term, shape) for term, shape in zip(given, shapes, strict=True)]
    out = _output(terms, output)
    lengths = _lengths(terms, shapes)
    prepare: list[Step | None] = []
    for k, (term, shape) in enumerate(zip(terms, shapes, strict=True)):
        terms[k], step = _prepared(term, shape, lengths)
        prepare.append(step)
    steps = []
    for group in _path(terms, out, lengths, optimize):
        chosen = sorted(group)
        while len(chosen) > 1:
            left, right = chosen[:2]
            b = terms.pop(right)
            a = terms.pop(left)
            keep = {*out, *(label for term in terms for label in term)}
            product, labels = _product(a, b, keep, lengths)
            terms.append(labels)
            steps.append((left, right, product))
            # The product stands last, and the rest of the group has moved up by two.
            chosen = [*(k - 2 for k in chosen[2:]), len(terms) - 1] if len(chosen) > 2 else []
    return prepare, steps, _summed_and_ordered(terms[0], out)


def _lengths(terms: list[Labels], shapes: tuple[Shape, ...]) -> dict[int, int]:
    lengths: dict[int, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for label, n in zip(term, shape, strict=True):
            known = lengths.get(label, 1)
            if n != known and 1 not in (n, known):
                name = f"'{chr(label)}'" if label >= 65 else str(label) if label >= 0 else "of an ellipsis"
                raise ValueError(
                    f"einsum: operands could not be broadcast together: label {name} has lengths {known} and {n} "
                    f"(shapes {', '.join(map(str, shapes))})"
                )
            lengths[label] = n if known == 1 else known
    return lengths


def _prepared(term: Labels, shape: Shape, lengths: dict[int, int]) -> tuple[Labels, Step | None]:
    """An operand's labels after, and the step by which, labels that repeat become diagonals, and axes of length 1 that
    others broadcast are dropped."""
    labels, sizes = list(term), list(shape)
    pairs: list[tuple[int, int]] = []
    for label in dict.fromkeys(term):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            if sizes[first] != sizes[second]:
                raise ValueError(
                    f"einsum: dimensions in a single operand of shape {shape} for a repeated label don't match "
                    f"({sizes[first]} != {sizes[second]})"
                )
            pairs.append((first, second))
            for gone in (second, first):
                del labels[gone]
                length = sizes.pop(gone)
            labels.append(label)
            sizes.append(length)
    kept = [d for d, label in enumerate(labels) if sizes[d] == lengths[label]]
    final = tuple(sizes[d] for d in kept)
    if not pairs and len(kept) == len(labels):
        return tuple(labels), None

    def step(x: Any) -> Any:
        for first, second in pairs:
            # As in NumPy, a diagonal can be written into.
            x = diagonal_view(x, 0, first, second, True) if is_traced(x) else np.diagonal(x, 0, first, second)
        return reshape(x, final) if x.shape != final else x

    return tuple(labels[d] for d in kept), step


def _path(terms: list[Labels], out: Labels, lengths: dict[int, int], optimize: Any) -> list[tuple[int, ...]]:
    if len(terms) == 1:
        return []
    if isinstance(optimize, tuple) and optimize and optimize[0] == "einsum_path":
        return [tuple(group) for group in optimize[1:]]
    if len(terms) == 2 or len(lengths) > len(string.ascii_letters):
        return [(0, 1)] + [(0, len(terms) - k) for k in range(2, len(terms))]
    letters = dict(zip(lengths, string.ascii_letters, strict=False))
    texts = ["".join(letters[label] for label in term) for term in (*terms, out)]
    shapes = [np.broadcast_to(0.0, tuple(lengths[label] for label in term)) for term in terms]
    found, _ = np.einsum_path(f"{','.join(texts[:-1])}->{texts[-1]}", *shapes, optimize=optimize or "greedy")
    return found[1:]


def _arranged(term: Labels, order: list[int], lengths: dict[int, int], shape: Shape) -> Step | None:
    """The step that brings the axes into order and then into shape."""
    axes = [term.index(label) for label in order]
    is_same = axes == list(range(len(axes)))
    has_shape = tuple(lengths[label] for label in order) == shape
    if is_same and has_shape:
        return None
    if has_shape:
        return lambda x: transpose(x, axes)
    if is_same:
        return lambda x: reshape(x, shape)
    return lambda x: reshape(transpose(x, axes), shape)


def _summed_and_ordered(term: Labels, out: Labels) -> Step | None:
    """The step that sums over the labels that are not in `out` and puts the others into its order."""
    over = tuple(d for d, label in enumerate(term) if label not in out)
    rest = [label for label in term if label in out]
    axes = [rest.index(label) for label in out]
    is_same = axes == list(range(len(axes)))
    if not over:
        return None if is_same else lambda x: transpose(x, axes)
    if is_same:
        return lambda x: reductions.sum(x, over)
    return lambda x: transpose(reductions.sum(x, over), axes)


def _product(a: Labels, b: Labels, keep: set[int], lengths: dict[int, int]) -> tuple[Callable[[Any, Any], Any], Labels]:
    """How to multiply two operands and sum over what is not kept, and the labels of the result."""
    mine = tuple(label for label in a if label in b or label in keep)
    yours = tuple(label for label in b if label in a or label in keep)
    sum_a, sum_b = _summed_and_ordered(a, mine), _summed_and_ordered(b, yours)
    batch = [label for label in mine if label in yours and label in keep]
    summed = [label for label in mine if label in yours and label not in keep]
    free_a = [label for label in mine if label not in yours]
    free_b = [label for label in yours if label not in mine]

    def sizes(labels: list[int]) -> Shape:
        return tuple(lengths[label] for label in labels)

    if summed and (free_a or free_b or not batch):
        rows, inner, columns = (math.prod(sizes(labels)) for labels in (free_a, summed, free_b))
        left = _arranged(mine, batch + free_a + summed, lengths, (*sizes(batch), rows, inner))
        right = _arranged(yours, batch + summed + free_b, lengths, (*sizes(batch), inner, columns))
        multiply: Callable[[Any, Any], Any] = matmul
        shape = sizes(batch + free_a + free_b)
        finish: Step | None = None
        if shape != (*sizes(batch), rows, columns):

            def finish(x: Any) -> Any:
                return reshape(x, shape)
    else:
        common = batch + summed
        left = _arranged(mine, common + free_a, lengths, sizes(common + free_a) + (1,) * len(free_b))
        right = _arranged(yours, common + free_b, lengths, sizes(common) + (1,) * len(free_a) + sizes(free_b))
        multiply = arithmetic.multiply
        axes = tuple(range(len(batch), len(common)))
        finish = (lambda x: reductions.sum(x, axes)) if axes else None

    before = [[step for step in steps if step is not None] for steps in ((sum_a, left), (sum_b, right))]

    def product(x: Any, y: Any) -> Any:
        for step in before[0]:
            x = step(x)
        for step in before[1]:
            y = step(y)
        out = multiply(x, y)
        return out if finish is None else finish(out)

    return product, tuple(batch + free_a + free_b)
