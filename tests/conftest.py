"""What all tests share: the helper module beside them, JAX in float64, and a tape that must be clean afterwards."""

import os
import sys
from pathlib import Path

import pytest

# Set before anything imports JAX, so that it compares in float64 and stays off accelerators.
os.environ.setdefault("JAX_ENABLE_X64", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

# Test files are imported by path; this is for `from support import oracles` in them.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def clean_tape():
    """After every test nothing may be left on the tape, whether the functions in it returned or raised."""
    yield
    from pyad._binding import engine

    assert engine.current().depth == 0
    assert engine.counters()["nodes"] == 0
