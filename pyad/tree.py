"""Containers: tuples, lists, dicts, named tuples and None, nested to any depth, taken apart and put together again.

A leaf is everything that is not one of these containers. Subclasses of the containers (other than named tuples) are
leaves too, since there is no general way of building one. Nothing here recurses, so depth costs memory only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from pyad._binding.dtypes import F64
from pyad._binding.engine import lib
from pyad._ops.shape import astype, concatenate, reshape
from pyad._trace.array import is_traced
from pyad._tree_codegen import DICT, LEAF, NONE, SEQUENCE, make_functions

__all__ = ["Structure", "TreeError", "flatten", "leaves", "map", "paths", "ravel", "unflatten"]


def __dir__() -> list[str]:
    return sorted(__all__)


# A structure is kept as a tuple of tokens, parents before their children: `LEAF`, `NONE`, or for another container
# its type, its keys (None but for a dict), the number of its children, and whether all of these are leaves. Such a flat
# container is one token for itself and its leaves, which makes the usual trees of parameters a few tokens long.


class _Kinds(dict):
    """Which kind of container each type is; a type seen for the first time is examined and remembered."""

    def __missing__(self, cls: type) -> int:
        # A named tuple has no base class of its own; its fields and its constructor from an iterable tell.
        kind = SEQUENCE if issubclass(cls, tuple) and hasattr(cls, "_fields") and hasattr(cls, "_make") else LEAF
        self[cls] = kind
        return kind


# What the engine calls the containers that it can take apart.
_TOKENS = {tuple: lib.PYAD_TOKEN_TUPLE, list: lib.PYAD_TOKEN_LIST, dict: lib.PYAD_TOKEN_DICT}

_KINDS = _Kinds({tuple: SEQUENCE, list: SEQUENCE, dict: DICT, type(None): NONE})


class TreeError(ValueError):
    """Two containers that had to have the same structure differ; the message says where and how.

    >>> from pyad import tree
    >>> tree.map(lambda x, y: x + y, [1], [1, 2])
    Traceback (most recent call last):
    pyad.tree.TreeError: tree 2 does not have the expected structure: at its top level there must be a list of length 1,
    ...
    """


class Structure:
    """The containers of a tree without its leaves, as `flatten` gives them.

    Structures compare and hash by container types, lengths, keys and the order of the keys, so that equal structures
    list their leaves in the same order. `num_leaves` is the number of leaves.

    >>> from pyad import tree
    >>> leaves, structure = tree.flatten([{"w": 1.0, "b": 2.0}])
    >>> structure
    Structure([{'w': *, 'b': *}])
    >>> structure.unflatten([10.0, 20.0])
    [{'w': 10.0, 'b': 20.0}]
    """

    __slots__ = ("_build", "_take", "_tokens", "_unusual", "num_leaves")

    def __init__(self, tokens: tuple, num_leaves: int) -> None:
        self._tokens = tokens
        self.num_leaves = num_leaves
        # Functions made for this one structure, see below; None as long as there are none.
        self._take: Callable[[Any], list | None] | None = None
        self._build: Callable[[Sequence], Any] | None = None
        self._unusual: list[Any] | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Structure):
            return NotImplemented
        if self is other:
            return True
        return self._tokens == other._tokens and _types(self.unusual_keys()) == _types(other.unusual_keys())

    def __hash__(self) -> int:
        return hash(self._tokens)

    def __repr__(self) -> str:
        if self.num_leaves > 50 or len(self._tokens) > 200:
            return f"<structure of {self.num_leaves} leaves>"
        return f"Structure({self.unflatten([_Star()] * self.num_leaves)!r})"

    def unflatten(self, leaves: Sequence) -> Any:
        """Build the containers around `leaves`.

        Args:
            leaves: Sequence of anything, of length `num_leaves`, in the order of `flatten`.

        Returns:
            The tree.

        Raises:
            TreeError: Another number of leaves.
        """
        if len(leaves) != self.num_leaves:
            raise TreeError(f"this structure has {self.num_leaves} leaves, but {len(leaves)} were given")
        if self._build is not None:
            return self._build(leaves)
        # Going backwards, the children of a container are on top of the stack when the container is met, first on top.
        built: list = []
        rest = self.num_leaves
        for token in reversed(self._tokens):
            if token is LEAF:
                rest -= 1
                built.append(leaves[rest])
                continue
            if token is NONE:
                built.append(None)
                continue
            cls, keys, arity, flat = token
            if flat:
                children = leaves[rest - arity : rest]
                rest -= arity
            else:
                children = built[: -arity - 1 : -1]
                del built[-arity:]
            if cls is dict:
                built.append(dict(zip(keys, children, strict=True)))
            elif cls is list or cls is tuple:
                built.append(cls(children))
            else:
                built.append(cls._make(children))
        return built[0]

    def leaves_of(self, tree: Any, what: str = "the tree") -> list:
        """The leaves of `tree` in this structure's order; the keys of a dict may be in another.

        Args:
            tree: A tree of the same structure.
            what: How the message calls `tree`.

        Returns:
            A list of `num_leaves` leaves.

        Raises:
            TreeError: The structure differs; the message names the first place where it does.

        >>> from pyad import tree
        >>> tree.flatten({"a": 1, "b": 2})[1].leaves_of({"b": 20, "a": 10})
        [10, 20]
        """
        if self._take is not None:
            found = self._take(tree)
            if found is not None:
                return found
        found, structure = flatten(tree)
        if structure == self:
            return found
        found = []
        stack = [tree]
        for position, (token, _) in enumerate(self._places()):
            node = stack.pop()
            problem, children = _compare(token, node)
            if problem:
                link = next(islice(self._places(), position, None))[1]
                path = _join(link)
                where = f"at {path}" if path else "at its top level"
                raise TreeError(
                    f"{what} does not have the expected structure: {where} there must be {problem}, "
                    f"but there is {_describe(node)}"
                )
            if token is LEAF:
                found.append(node)
            stack.extend(reversed(children))
        return found

    def tokens(self) -> tuple[list[int], tuple[tuple[Any, ...], ...]] | None:
        """The structure as numbers, and the keys of its dicts.

        Returns:
            (numbers, keys): a pyad_token of the engine and a number of children each; None where it has other
            containers than tuples, lists, dicts and None.
        """
        numbers: list[int] = []
        keys = []
        for token in self._tokens:
            if token is LEAF or token is NONE:
                numbers += (lib.PYAD_TOKEN_LEAF if token is LEAF else lib.PYAD_TOKEN_NONE, 0)
                continue
            cls, names, arity, flat = token
            if cls not in _TOKENS:
                return None
            numbers += (_TOKENS[cls], arity)
            if cls is dict:
                keys.append(tuple(names))
            if flat:
                numbers += (lib.PYAD_TOKEN_LEAF, 0) * arity
        return numbers, tuple(keys)

    def unusual_keys(self) -> list[Any]:
        """The keys of dicts that are no strings: two that are equal may still be told apart.

        Returns:
            A list of keys, in the order of the dicts.
        """
        if self._unusual is None:
            names = [key for token in self._tokens if type(token) is tuple and token[0] is dict for key in token[1]]
            self._unusual = [key for key in names if type(key) is not str]
        return self._unusual

    def paths(self) -> list[str]:
        """How each leaf is reached, as one would write it in Python, e.g. `[0]['w']`.

        Returns:
            A list of `num_leaves` strings; the path of a bare leaf is empty.
        """
        return [_join(link) for token, link in self._places() if token is LEAF]

    def _places(self) -> Iterator[tuple]:
        # Each container and leaf with the steps that lead to it, as linked pairs that are joined only where a path is
        # asked for: joining every one would be quadratic in depth.
        stack: list = [None]
        for token in self._tokens:
            link = stack.pop()
            yield token, link
            if token is LEAF or token is NONE:
                continue
            links = [(link, step) for step in _steps(token)]
            if token[3]:
                yield from ((LEAF, child) for child in links)
            else:
                stack.extend(reversed(links))


def _types(keys: list[Any]) -> list[type]:
    return [type(key) for key in keys]


class _Star:
    """Stands for a leaf in the printed form of a structure."""

    def __repr__(self) -> str:
        return "*"


def flatten(tree: Any) -> tuple[list, Structure]:
    """Take `tree` apart into the list of its leaves and its `Structure`.

    Leaves come in the order of the containers; those of a dict in the dict's own order of insertion. None has no
    leaves. `structure.unflatten(leaves)` puts the same tree together.

    Args:
        tree: Tuples, lists, dicts, named tuples and None, nested; anything else is a leaf.

    Returns:
        (leaves, structure).

    Raises:
        TreeError: A container contains itself.

    >>> from pyad import tree
    >>> tree.flatten(({"w": 1.0, "b": 2.0}, None, 3.0))
    ([1.0, 2.0, 3.0], Structure(({'w': *, 'b': *}, None, *)))
    """
    cls = type(tree)
    if _KINDS[cls] is LEAF:
        return [tree], _BARE
    # Most trees have been seen before. A wrong guess is found out at the first difference.
    guess = _GUESSES.get((cls, len(tree))) if tree is not None else None
    if guess is not None:
        found = guess._take(tree)
        if found is not None:
            return found, guess
    found, tokens = _walk(tree)
    return found, _known(tokens, len(found))


# How many tokens there may be before a container is looked for that is inside itself. Few trees are as large.
_CHECK_FOR_CYCLE = 1 << 14


def _refuse_cycle(tree: Any) -> None:
    """Raise where a container is inside itself."""
    inside: set[int] = set()  # the containers around the node
    done: set[int] = set()
    stack = [(tree, False)]
    while stack:
        node, is_leaving = stack.pop()
        kind = _KINDS[type(node)]
        if kind is not DICT and kind is not SEQUENCE:
            continue
        if is_leaving:
            inside.discard(id(node))
            done.add(id(node))
        elif id(node) in inside:
            raise TreeError(f"a {type(node).__name__} that contains itself cannot be taken apart")
        elif id(node) not in done:
            inside.add(id(node))
            stack.append((node, True))
            stack += [(child, False) for child in (node.values() if kind is DICT else node)]


def _walk(tree: Any) -> tuple[list, tuple]:
    """The leaves and the tokens of any tree."""
    kinds = _KINDS
    found: list = []
    tokens: list = []
    stack = [tree]
    check = _CHECK_FOR_CYCLE
    while stack:
        node = stack.pop()
        if len(tokens) == check:
            _refuse_cycle(tree)
            check *= 2
        cls = type(node)
        kind = kinds[cls]
        if kind is DICT:
            keys = tuple(node)
            children = node.values()
        elif kind is SEQUENCE:
            keys = None
            children = node
        else:
            tokens.append(kind)
            if kind is LEAF:
                found.append(node)
            continue
        for child in children:
            if kinds[type(child)]:
                tokens.append((cls, keys, len(children), False))
                stack += reversed(children)
                break
        else:
            tokens.append((cls, keys, len(children), True))
            found += children
    return found, tuple(tokens)


def unflatten(structure: Structure, leaves: Sequence) -> Any:
    """Build the tree of `structure` around `leaves`; the same as `structure.unflatten(leaves)`.

    Args:
        structure: What `flatten` returned.
        leaves: Sequence of `structure.num_leaves` leaves.

    Returns:
        The tree.

    Raises:
        TreeError: Another number of leaves.

    >>> from pyad import tree
    >>> tree.unflatten(tree.flatten((0, [0]))[1], [1, 2])
    (1, [2])
    """
    return structure.unflatten(leaves)


def leaves(tree: Any) -> list:
    """The leaves of `tree`, in the order of `flatten`.

    Args:
        tree: A tree, as in `flatten`.

    Returns:
        A new list.

    Raises:
        TreeError: A container contains itself.

    >>> from pyad import tree
    >>> tree.leaves({"a": [1, 2], "b": None})
    [1, 2]
    """
    return flatten(tree)[0]


def paths(tree: Any) -> list[str]:
    """How each leaf of `tree` is reached, as one would write it in Python, for use in messages.

    Args:
        tree: A tree, as in `flatten`.

    Returns:
        A list of strings in the order of `flatten`; the path of a bare leaf is empty.

    Raises:
        TreeError: A container contains itself.

    >>> from pyad import tree
    >>> tree.paths([{"w": 1.0, "b": 2.0}])
    ["[0]['w']", "[0]['b']"]
    """
    return flatten(tree)[1].paths()


def any_traced(*args: Any) -> bool:
    """Whether one of the arguments is traced or is a container of traced arrays."""
    return any(is_traced(x) for x in leaves(args))


def map(f: Callable, tree: Any, *rest: Any) -> Any:
    """Apply `f` leaf by leaf: to the leaves of `tree` and, as further arguments, those of the same place in `rest`.

    Args:
        f: A function of as many leaves as there are trees.
        tree: A tree, as in `flatten`.
        *rest: Trees of the same structure (a dict's keys may be in another order).

    Returns:
        The results in the containers of `tree`.

    Raises:
        TreeError: A tree of `rest` has another structure; the message says where.

    >>> from pyad import tree
    >>> tree.map(lambda x, y: x + y, {"a": 1, "b": [2]}, {"b": [20], "a": 10})
    {'a': 11, 'b': [22]}
    """
    first, structure = flatten(tree)
    columns = [structure.leaves_of(other, f"tree {index}") for index, other in enumerate(rest, start=2)]
    return structure.unflatten([f(*row) for row in zip(first, *columns, strict=True)])


def ravel(value: Any) -> tuple[Any, Callable[[Any], Any]]:
    """All numbers of a tree of numbers and arrays in one vector, and the function that makes the tree of such a vector.

    Both are differentiable.

    Args:
        value: A tree of numbers and arrays of any shapes.

    Returns:
        (vector, unravel). The vector, (total size,), has the common dtype of the leaves, float64 for integers;
        `unravel(vector)` is a tree whose leaves have the shapes and floating dtypes that they had.

    Raises:
        TreeError: A container contains itself.
        ValueError: A leaf is no array of numbers; (by `unravel`) the vector has another length.

    >>> import numpy as np
    >>> from pyad import tree
    >>> vector, unravel = tree.ravel({"w": np.array([[1.0, 2.0]]), "b": 3.0})
    >>> vector
    array([1., 2., 3.])
    >>> unravel(2 * vector)
    {'w': array([[2., 4.]]), 'b': np.float64(6.0)}
    """
    leaves, structure = flatten(value)
    leaves = [x if is_traced(x) else np.asarray(x) for x in leaves]
    shapes = [x.shape for x in leaves]
    dtypes = [x.dtype if x.dtype.kind in "fc" else F64 for x in leaves]
    sizes = [int(np.prod(shape, dtype=int)) for shape in shapes]
    common = np.result_type(*dtypes) if dtypes else F64

    def unravel(vector: Any) -> Any:
        if np.shape(vector) != (sum(sizes),):
            raise ValueError(f"unravel: expected a vector of {sum(sizes)} numbers, got an array of {np.shape(vector)}")
        parts = []
        start = 0
        for shape, dtype, size in zip(shapes, dtypes, sizes, strict=True):
            part = reshape(vector[start : start + size], shape)
            parts.append(astype(part, dtype) if is_traced(part) else np.asarray(part, dtype)[()])
            start += size
        return structure.unflatten(parts)

    if not leaves:
        return np.zeros(0), unravel
    flat = [
        reshape(astype(x, common) if is_traced(x) else x.astype(common), (n,))
        for x, n in zip(leaves, sizes, strict=True)
    ]
    return concatenate(flat), unravel


def _steps(token: tuple) -> list[str]:
    cls, keys, arity, _ = token
    if cls is dict:
        return [f"[{key!r}]" for key in keys]
    if cls is list or cls is tuple:
        return [f"[{index}]" for index in range(arity)]
    return [f".{field}" for field in cls._fields]


def _compare(token: Any, node: Any) -> tuple[str, list]:
    """What there should have been in place of `node`, empty if that is what it is, and the children of `node`."""
    kind = _KINDS[type(node)]
    if token is LEAF:
        return "" if kind is LEAF else "an array or number", []
    if token is NONE:
        return "" if kind is NONE else "None", []
    cls, keys, arity, _ = token
    if cls is dict:
        if kind is DICT and node.keys() == set(keys):
            return "", [node[key] for key in keys]
        return f"a dict with the keys {list(keys)}", []
    if type(node) is cls and len(node) == arity:
        return "", list(node)
    return f"a {cls.__name__} of length {arity}", []


def _join(link: Any) -> str:
    steps = []
    while link is not None:
        link, step = link
        steps.append(step)
    return "".join(reversed(steps))


def _describe(node: Any) -> str:
    kind = _KINDS[type(node)]
    if kind is NONE:
        return "None"
    name = type(node).__name__
    if kind is DICT:
        return f"a dict with the keys {list(node)}"
    if kind is not LEAF:
        return f"a {name} of length {len(node)}"
    shape = getattr(node, "shape", None)
    return f"a {name}" if shape is None else f"a {name} of shape {tuple(shape)}"


# ---- structures that come back, for which functions are made ----

_SEEN: dict[tuple, Structure] = {}  # by tokens
_GUESSES: dict[tuple[type, int], Structure] = {}  # the last one with functions, by outermost type and length
_MAX_SEEN = 512
_MAX_TOKENS = 64
_MAX_LEAVES = 256

_BARE = Structure((LEAF,), 1)


def _known(tokens: tuple, num_leaves: int) -> Structure:
    """The structure of these tokens; small ones are kept, and get their functions when they are met a second time."""
    if len(tokens) > _MAX_TOKENS or num_leaves > _MAX_LEAVES:
        return Structure(tokens, num_leaves)
    structure = _SEEN.get(tokens)
    if structure is None or structure.unusual_keys():
        structure = Structure(tokens, num_leaves)
        if structure.unusual_keys():  # of which others are equal that are not the same: 1, True and 1.0
            return structure
        if len(_SEEN) >= _MAX_SEEN:
            _SEEN.clear()
            _GUESSES.clear()
        _SEEN[tokens] = structure
        return structure
    if structure._take is None:
        structure._take, structure._build = make_functions(structure._tokens, _KINDS)
    if tokens[0] is not NONE:
        _GUESSES[tokens[0][0], tokens[0][2]] = structure
    return structure


_BARE._take, _BARE._build = make_functions(_BARE._tokens, _KINDS)
