"""Straight-line functions that take the containers of one structure apart and put them together.

Parameters are taken apart and put together at every step of a training, where the general way costs about as much as
the derivatives of a small network. This knows the tokens of a structure (see `pyad.tree`), and nothing of trees.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

# The kinds of containers, which are tokens too where the type says all.
LEAF, NONE, SEQUENCE, DICT = range(4)

Take = Callable[[Any], list | None]
Build = Callable[[Sequence], Any]


def make_functions(tokens: tuple, kinds: dict[type, int]) -> tuple[Take, Build]:
    """The functions from a tree to its leaves (None where its structure is another), and from leaves to the tree."""
    names: dict[str, Any] = {"kinds": kinds}
    take, leaves = _take_source(tokens, names)
    exec(f"{take}\n{_build_source(tokens, leaves, names)}", names)
    return names["take"], names["build"]


def _take_source(tokens: tuple, names: dict[str, Any]) -> tuple[str, list[str]]:
    """Source of a function from a tree to its leaves, or to None if its structure is another; names of the leaves."""
    lines = []
    leaves: list[str] = []
    stack = ["x"]
    for number, token in enumerate(tokens):
        node = stack.pop()
        if token is LEAF:
            lines.append(f"if kinds[type({node})]: return None")
            leaves.append(node)
            continue
        if token is NONE:
            lines.append(f"if {node} is not None: return None")
            continue
        cls, keys, arity, flat = token
        names[f"cls{number}"], names[f"keys{number}"] = cls, keys
        lines.append(f"if type({node}) is not cls{number} or len({node}) != {arity}: return None")
        children = [f"x{number}_{child}" for child in range(arity)]
        if children:
            lines.append(f"{', '.join(children)}, = {node}")
        # Going through a dict gives its keys, which must be the same in the same order.
        for place, key in enumerate(keys or ()):
            child, constant = children[place], _constant(key, f"keys{number}[{place}]")
            lines.append(f"if {child} != {constant}: return None")
            lines.append(f"{child} = {node}[{constant}]")
        if flat:
            lines += [f"if kinds[type({child})]: return None" for child in children]
            leaves += children
        else:
            stack += reversed(children)
    lines.append(f"return [{', '.join(leaves)}]")
    return "def take(x):\n    " + "\n    ".join(lines), leaves


def _constant(key: Any, otherwise: str) -> str:
    """How generated source writes a key: as itself if it is a string, as the expression `otherwise` if not."""
    return repr(key) if type(key) is str else otherwise


def _build_source(tokens: tuple, leaves: list[str], names: dict[str, Any]) -> str:
    """Source of a function from the leaves to the tree; goes backwards as `Structure.unflatten` does."""
    rest = list(leaves)
    built: list[str] = []
    for number, token in reversed(list(enumerate(tokens))):
        if token is LEAF:
            built.append(rest.pop())
            continue
        if token is NONE:
            built.append("None")
            continue
        cls, keys, arity, flat = token
        source = rest if flat else built
        children = source[len(source) - arity :]
        del source[len(source) - arity :]
        if not flat:
            children.reverse()
        inside = "".join(f"{child}, " for child in children)
        if cls is dict:
            literals = [_constant(key, f"keys{number}[{place}]") for place, key in enumerate(keys)]
            inside = ", ".join(f"{key}: {child}" for key, child in zip(literals, children, strict=True))
            built.append(f"{{{inside}}}")
        elif cls is list:
            built.append(f"[{inside}]")
        else:
            built.append(f"({inside})" if cls is tuple else f"cls{number}._make(({inside}))")
    unpack = f"    {', '.join(leaves)}, = leaves\n" if leaves else ""
    return f"def build(leaves):\n{unpack}    return {built[0]}"
