"""The cases, one file per family; `all_cases` lists them in the order of the report."""

from __future__ import annotations

from harness import Case

from cases import chain, elements, footprint, memory, mlp, sweep


def all_cases() -> list[Case]:
    """Every case of the report."""
    return [
        *chain.cases(),
        *sweep.cases(),
        *elements.cases(),
        *mlp.cases(),
        *chain.long_cases(),
        *memory.cases(),
        *footprint.cases(),
    ]
