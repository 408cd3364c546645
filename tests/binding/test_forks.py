"""A fork at any moment, while other threads call compiled functions and transforms: the child works, and does not wait
for locks of threads that it does not have."""

import os
import signal
import sys
import threading
import time

import numpy as np
import pytest

import pyad
from pyad._binding import engine

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")

ARRAYS = [np.linspace(0.1, 1.0, n) for n in range(1, 20)]


def work(stop, f):
    while not stop.is_set():
        for x in ARRAYS:
            f(x)
            pyad.grad(lambda x: np.sum(np.sin(x) * x))(x)
        f.clear()


def child(f):
    """What a child does; its exit code."""
    for x in ARRAYS[:3]:
        np.testing.assert_allclose(f(x), np.sum(np.sin(x) * x))
    np.testing.assert_allclose(pyad.grad(lambda x: np.sum(x * x))(ARRAYS[5]), 2.0 * ARRAYS[5])
    g = pyad.compile(pyad.value_and_grad(lambda x: np.sum(np.exp(x))))
    for _ in range(3):
        np.testing.assert_allclose(g(ARRAYS[4])[1], np.exp(ARRAYS[4]))
    pyad.set_blas("numpy")
    assert not engine.recording_threads


@pytest.mark.filterwarnings("ignore::pyad._compile.compiled.CompileWarning")
def test_forks_at_any_moment():
    f = pyad.compile(lambda x: np.sum(np.sin(x) * x))
    for x in ARRAYS:
        f(x)  # what is imported late is there
    stop = threading.Event()
    threads = [threading.Thread(target=work, args=(stop, f)) for _ in range(3)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    for thread in threads:
        thread.start()
    try:
        end = time.monotonic() + 4.0
        forks = 0
        while time.monotonic() < end:
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    signal.alarm(30)
                    child(f)
                    code = 0
                finally:
                    os._exit(code)
            assert os.waitpid(pid, 0)[1] == 0, f"fork {forks}"
            forks += 1
    finally:
        stop.set()
        sys.setswitchinterval(before)
        for thread in threads:
            thread.join()
    assert forks > 2
