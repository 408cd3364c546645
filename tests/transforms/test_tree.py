"""Containers: taking them apart, putting them together, comparing them, naming places in them."""

import string
from collections import OrderedDict, namedtuple

import numpy as np
import pytest

from pyad import tree

Point = namedtuple("Point", ["x", "y"])

TREES = [
    (1.5, [1.5], [""]),
    ((), [], []),
    ([], [], []),
    ({}, [], []),
    (None, [], []),
    ((1, 2), [1, 2], ["[0]", "[1]"]),
    ([1, [2, 3], 4], [1, 2, 3, 4], ["[0]", "[1][0]", "[1][1]", "[2]"]),
    ({"w": 1, "b": 2}, [1, 2], ["['w']", "['b']"]),
    ([{"w": 1, "b": 2}, {"w": 3, "b": 4}], [1, 2, 3, 4], ["[0]['w']", "[0]['b']", "[1]['w']", "[1]['b']"]),
    (Point(1, {"a": (2, None)}), [1, 2], [".x", ".y['a'][0]"]),
    ({3: [], (1, 2): None, "k": ((), 5)}, [5], ["['k'][1]"]),
    ([None, 1, None], [1], ["[1]"]),
    ((((), 1), [[], [2]], {}), [1, 2], ["[0][1]", "[1][1][0]"]),
]


@pytest.mark.parametrize(("value", "leaves", "paths"), TREES)
def test_flatten_lists_leaves_and_paths_and_unflatten_restores(value, leaves, paths):
    found, structure = tree.flatten(value)
    assert found == leaves
    assert structure.num_leaves == len(leaves)
    assert structure.paths() == paths
    assert tree.paths(value) == paths
    assert tree.leaves(value) == leaves
    restored = structure.unflatten(found)
    assert restored == value
    assert repr(restored) == repr(value), "container types and the order of keys must be kept"
    assert tree.unflatten(structure, found) == value


def test_every_kind_of_object_but_the_containers_is_a_leaf():
    class MyList(list):
        pass

    for leaf in (1, "text", b"bytes", np.ones((2, 2)), {1, 2}, range(3), MyList([1]), OrderedDict(a=1), object()):
        found, structure = tree.flatten(leaf)
        assert len(found) == 1
        assert found[0] is leaf
        assert structure.unflatten([leaf]) is leaf
        assert tree.leaves([leaf, leaf])[1] is leaf


def test_random_trees_survive_the_round_trip():
    rng = np.random.default_rng(0)

    def grow(depth):
        kind = rng.integers(0, 7) if depth else 5
        size = int(rng.integers(0, 4))
        if kind == 0:
            return tuple(grow(depth - 1) for _ in range(size))
        if kind in (1, 2):
            return [grow(depth - 1) for _ in range(size)]
        if kind == 3:
            return {string.ascii_letters[int(rng.integers(0, 52))]: grow(depth - 1) for _ in range(size)}
        if kind == 4:
            return Point(grow(depth - 1), grow(depth - 1))
        return None if rng.random() < 0.2 else int(rng.integers(0, 1000))

    for _ in range(300):
        value = [grow(4), grow(3)]
        found, structure = tree.flatten(value)
        again, same = tree.flatten(structure.unflatten(found))
        assert structure.unflatten(found) == value
        assert (again, same) == (found, structure)
        assert structure.leaves_of(value) == found
        assert len(structure.paths()) == len(found)
        for path, leaf in zip(structure.paths(), found, strict=True):
            assert eval(f"value{path}", {"value": value}) == leaf


def test_unflatten_does_not_depend_on_the_kind_of_sequence():
    _, structure = tree.flatten([(0, 0), {"a": 0}])
    assert structure.unflatten((1, 2, 3)) == [(1, 2), {"a": 3}]


def test_unflatten_refuses_another_number_of_leaves():
    _, structure = tree.flatten([1, 2])
    with pytest.raises(tree.TreeError, match="2 leaves, but 3 were given"):
        structure.unflatten([1, 2, 3])
    with pytest.raises(tree.TreeError, match="1 leaves, but 0 were given"):
        tree.flatten(1.0)[1].unflatten([])


def test_structures_compare_and_hash_by_containers_keys_and_their_order():
    def structure(value):
        return tree.flatten(value)[1]

    assert structure([1, {"a": 2}]) == structure([3, {"a": np.ones(3)}])
    assert hash(structure([1, {"a": 2}])) == hash(structure([3, {"a": 4}]))
    values = [
        1,
        None,
        (),
        [],
        {},
        (1,),
        [1],
        [1, 1],
        [None],
        [[]],
        {"a": 1},
        {"b": 1},
        {"a": 1, "b": 1},
        {"b": 1, "a": 1},
        Point(1, 1),
        (1, 1),
        [[1], 1],
        [1, [1]],
        [[1, 1]],
        (1, None),
    ]
    structures = [structure(value) for value in values]
    assert len(set(structures)) == len(values)
    assert all((a == b) == (i == j) for i, a in enumerate(structures) for j, b in enumerate(structures))
    assert structure(1) != 1


def test_structure_prints_as_the_containers():
    assert repr(tree.flatten([{"w": 1}, None])[1]) == "Structure([{'w': *}, None])"
    assert repr(tree.flatten([0] * 1000)[1]) == "<structure of 1000 leaves>"


def test_map_applies_leaf_by_leaf_whatever_the_order_of_keys():
    out = tree.map(lambda a, b, c: a + b * c, {"x": 1, "y": [2]}, {"y": [3], "x": 4}, {"x": 5, "y": [6]})
    assert out == {"x": 21, "y": [20]}
    assert list(out) == ["x", "y"]
    assert tree.map(lambda a: a, None) is None
    assert tree.map(abs, -2) == 2


MISMATCHES = [
    ((1, 2), [1, 2], "at its top level there must be a tuple of length 2, but there is a list of length 2"),
    ((1, 2), (1, 2, 3), "a tuple of length 2, but there is a tuple of length 3"),
    ([{"w": 1, "b": 2}], [{"w": 1}], r"at \[0\] there must be a dict with the keys \['w', 'b'\], but there is a dict"),
    ([{"w": 1, "b": 2}], [{"w": 1, "c": 2}], r"with the keys \['w', 'c'\]"),
    ([{"w": 1, "b": 2}], [{"w": 1, "b": [2]}], r"at \[0\]\['b'\] there must be an array or number, but"),
    ([{"w": 1, "b": [2, [3]]}], [{"b": [2, 3], "w": 1}], r"at \[0\]\['b'\]\[1\] there must be a list of length 1"),
    ([None, 1], [2, 1], r"at \[0\] there must be None, but there is a int"),
    ([1, 1], [1, None], r"at \[1\] there must be an array or number, but there is None"),
    (Point(1, [2]), Point(1, 2), r"at \.y there must be a list"),
    (Point(1, 2), (1, 2), "must be a Point of length 2"),
    ([[1], 2], [np.ones((2, 3)), 2], r"at \[0\] there must be a list of length 1, but there is a ndarray of shape"),
    (1, [1], "at its top level there must be an array or number"),
]


@pytest.mark.parametrize(("first", "second", "message"), MISMATCHES)
def test_a_mismatch_names_the_path(first, second, message):
    with pytest.raises(tree.TreeError, match="tree 2 does not have the expected structure: .*" + message):
        tree.map(lambda a, b: a, first, second)
    assert issubclass(tree.TreeError, ValueError)


def test_trees_deeper_than_the_recursion_limit():
    depth = 50_000
    deep = 1.0
    for level in range(depth):
        deep = [deep] if level % 2 else {"k": deep, "n": None}
    found, structure = tree.flatten(deep)
    assert found == [1.0]
    restored = structure.unflatten([2.0])
    assert tree.leaves(restored) == [2.0]
    assert structure.leaves_of(restored) == [2.0]
    assert tree.flatten(restored)[1] == structure
    assert tree.paths(deep)[0].count("[") == depth
    with pytest.raises(tree.TreeError, match=r"there must be a dict with the keys"):
        structure.leaves_of([3.0])


def test_a_mismatch_deep_down_is_found_too():
    deep, other = [1.0], [[1.0]]
    for _ in range(20_000):
        deep, other = [0, deep], [0, other]
    with pytest.raises(tree.TreeError, match="an array or number, but there is a list of length 1"):
        tree.flatten(deep)[1].leaves_of(other)


def test_trees_met_again_and_in_turns_are_taken_apart_as_the_first_time():
    first = [tree._walk(value) for value, _, _ in TREES]
    for _ in range(4):
        for (value, leaves, _), (found, tokens) in zip(TREES, first, strict=True):
            again, structure = tree.flatten(value)
            assert again == found == leaves
            assert structure == tree.Structure(tokens, len(leaves))
            assert repr(structure.unflatten(again)) == repr(value)
            assert structure.leaves_of(value) == leaves


@pytest.mark.parametrize(
    "other",
    [
        [{"w": 1, "b": 2}, {"b": 3, "w": 4}],
        [{"w": 1, "b": 2}, {"w": 3, "c": 4}],
        [{"w": 1, "b": 2}, {"w": 3}],
        [{"w": 1, "b": 2}, {"w": 3, "b": 4, "c": 5}],
        [{"w": 1, "b": 2}, {"w": 3, "b": (4,)}],
        [{"w": 1, "b": 2}, {"w": 3, "b": None}],
        [{"w": 1, "b": 2}, OrderedDict(w=3, b=4)],
        [{"w": 1, "b": 2}, 3],
        [{"w": 1, "b": 2}, Point(3, 4)],
        ({"w": 1, "b": 2}, {"w": 3, "b": 4}),
    ],
)
def test_a_tree_nearly_like_one_met_before_is_not_taken_for_it(other):
    known = [{"w": 1, "b": 2}, {"w": 3, "b": 4}]
    for _ in range(3):
        _, structure = tree.flatten(known)
    found, different = tree.flatten(other)
    assert (found, different._tokens) == tree._walk(other)
    assert different != structure
    assert repr(different.unflatten(found)) == repr(other)


def test_what_is_remembered_of_trees_is_bounded():
    for length in range(3 * tree._MAX_SEEN):
        value = {f"key {length}": (1, [2])}
        for _ in range(3):
            assert tree.leaves(value) == [1, 2]
    assert len(tree._SEEN) <= tree._MAX_SEEN
    assert len(tree._GUESSES) <= tree._MAX_SEEN
    big = [{str(key): key for key in range(1000)}] * 3
    for _ in range(3):
        found, structure = tree.flatten(big)
        assert structure.unflatten(found) == big


def test_keys_of_any_kind_are_kept():
    keys = ["it's", 'a "key"', "new\nline", "\ud800", "ключ", "", 1.5, (1, 2), None, frozenset({3}), True, b"b"]
    value = {key: {"inner": place} for place, key in enumerate(keys)}
    for _ in range(3):
        found, structure = tree.flatten(value)
        assert found == list(range(len(keys)))
        assert list(structure.unflatten(found)) == keys
