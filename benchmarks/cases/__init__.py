"""The cases, one file per family; `all_cases` lists them in the order of the report."""

from __future__ import annotations

from harness import Case

from cases import (
    chain,
    compiled_chain,
    compiled_mlp,
    elements,
    footprint,
    gmm,
    memory,
    mlp,
    rosenbrock,
    sweep,
    unrolled,
)


def all_cases() -> list[Case]:
    """Every case of the report."""
    return [
        *chain.cases(),
        *sweep.cases(),
        *elements.cases(),
        *mlp.cases(),
        *compiled_chain.cases(),
        *compiled_mlp.cases(),
        *gmm.cases(),
        *rosenbrock.cases(),
        *unrolled.cases(),
        *chain.long_cases(),
        *memory.cases(),
        *footprint.cases(),
    ]
