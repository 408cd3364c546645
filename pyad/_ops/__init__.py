"""The operations, one record each, in files by family. They know the traced array and the op record, and nothing of
NumPy's protocols or of transforms. To add one, see docs/developer/adding-an-op.md."""

# Importing a family enters its records and functions in the tables of `_registry`.
from pyad._ops import (  # noqa: F401
    arithmetic,
    assignment,
    complex_parts,
    convolve_interp,
    differences,
    explog_trig,
    indexing,
    join_split,
    linalg,
    losses,
    pad,
    polynomial,
    quantiles,
    rearrange,
    reductions,
    scans,
    scimath,
    selection,
    sets_histograms,
    shape,
    sorting,
    statistics,
    strided_slices,
    triangles_grids,
)
