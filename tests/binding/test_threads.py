"""The number of threads: what may be set, what the environment says, and the pool beside forks and Python threads.

The pool itself is tested in C (tests/c/base/test_thread_pool.c), and so is what runs on it
(tests/c/kernels/test_fused_loop_threads.c and test_parallel_for.c). Here it is used through the one call
that only tests make, and by compiled functions.
"""

import os
import signal
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest

import pyad
import pyad.scipy.special as special
from pyad._binding import engine, threads

HAS_THREADS = sys.platform not in ("win32", "emscripten")
HAS_FORK = hasattr(os, "fork")
needs_threads = pytest.mark.skipif(not HAS_THREADS, reason="the pool is compiled without threads here")


@pytest.fixture(autouse=True)
def _restored():
    """The number of threads belongs to the process."""
    before = pyad.get_num_threads()
    yield
    pyad.set_num_threads(before)


def count_tasks(count):
    """How often each of so many tasks ran."""
    times = np.zeros(count, np.int64)
    assert engine.lib.pyad_count_tasks(count, engine.ffi.from_buffer("int64_t[]", times)) == 0
    return times


def usable_cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


# ---- setting ----


@needs_threads
@pytest.mark.parametrize("n", [1, 2, 5, np.int32(3), np.array(4), 256])
def test_what_was_set_is_what_is_used(n):
    assert pyad.set_num_threads(n) is None
    assert pyad.get_num_threads() == int(n)
    assert isinstance(pyad.get_num_threads(), int)
    assert (count_tasks(1000) == 1).all()


@needs_threads
@pytest.mark.parametrize("n", [257, 10**6, 2**63, 10**30])
def test_more_threads_than_are_of_use_are_not_used(n):
    pyad.set_num_threads(n)
    assert pyad.get_num_threads() == 256


@pytest.mark.parametrize("n", [1.0, "2", None, [1], np.float64(2), np.array([1, 2])])
def test_what_is_no_integer_is_a_type_error(n):
    before = pyad.get_num_threads()
    with pytest.raises(TypeError, match=r"set_num_threads: n must be an integer, got .* of type"):
        pyad.set_num_threads(n)
    assert pyad.get_num_threads() == before


@pytest.mark.parametrize("n", [0, -1, -(10**30), np.int64(-5), False])
def test_less_than_one_thread_is_a_value_error(n):
    before = pyad.get_num_threads()
    with pytest.raises(ValueError, match=r"set_num_threads: n must be at least 1, got .*; 1 turns threads off"):
        pyad.set_num_threads(n)
    assert pyad.get_num_threads() == before


def test_the_engine_itself_refuses_a_negative_number():
    assert engine.lib.pyad_set_num_threads(-1) == 4
    assert engine.lib.pyad_set_num_threads(0) == 0
    assert 1 <= pyad.get_num_threads() <= usable_cores()


# ---- the environment ----


def number_in_a_fresh_process(**environment):
    """The number of threads after the import, and what was written to the standard error."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYAD_NUM_THREADS", "OMP_NUM_THREADS")}
    command = [sys.executable, "-P", "-c", "import pyad; print(pyad.get_num_threads())"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=kept | environment, check=True)
    return int(done.stdout), done.stderr


@needs_threads
def test_the_environment_is_followed_at_import():
    without, _ = number_in_a_fresh_process()
    assert 1 <= without <= usable_cores()
    assert number_in_a_fresh_process(PYAD_NUM_THREADS="7", OMP_NUM_THREADS="1") == (7, "")
    number, words = number_in_a_fresh_process(PYAD_NUM_THREADS="many")
    assert number == without
    assert "RuntimeWarning: PYAD_NUM_THREADS='many' is not followed: an integer of at least 1 is expected" in words


@needs_threads
@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, 6),
        ({"PYAD_NUM_THREADS": ""}, 6),
        ({"PYAD_NUM_THREADS": "3"}, 3),
        ({"PYAD_NUM_THREADS": " 12 "}, 12),
        ({"PYAD_NUM_THREADS": "8", "OMP_NUM_THREADS": "2"}, 8),
        # A bound, not a wish; other programs' variable, so no words about what is wrong with it.
        ({"OMP_NUM_THREADS": "2"}, 2),
        ({"OMP_NUM_THREADS": "64"}, 6),
        ({"OMP_NUM_THREADS": "4,2"}, 4),
        ({"OMP_NUM_THREADS": "0"}, 6),
        ({"OMP_NUM_THREADS": "x"}, 6),
    ],
)
def test_what_the_environment_can_say(environment, expected):
    pyad.set_num_threads(6)
    threads._follow_environment(environment)
    assert pyad.get_num_threads() == expected


@pytest.mark.parametrize("text", ["0", "-2", "2.5", "two", "1,2"])
def test_a_wrong_number_in_the_environment_is_a_warning(text):
    pyad.set_num_threads(1)
    with pytest.warns(RuntimeWarning, match=r"PYAD_NUM_THREADS=.* is not followed"):
        threads._follow_environment({"PYAD_NUM_THREADS": text, "OMP_NUM_THREADS": "1"})
    assert pyad.get_num_threads() == 1


# ---- Python threads, forks, signals, the end ----


def test_several_python_threads_use_the_pool_at_once():
    pyad.set_num_threads(3)
    wrong = []

    def run():
        for _ in range(50):
            if not (count_tasks(500) == 1).all():
                wrong.append(threading.get_ident())

    users = [threading.Thread(target=run) for _ in range(4)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert not wrong


# Ends with the sum of what was counted in the child, or hangs, which the timeout finds.
FORK = """
import os, sys, threading, warnings
import numpy as np
import pyad
from pyad._binding import engine

def count_tasks(count):
    times = np.zeros(count, np.int64)
    assert engine.lib.pyad_count_tasks(count, engine.ffi.from_buffer("int64_t[]", times)) == 0
    return bool((times == 1).all())

pyad.set_num_threads(3)
assert count_tasks(1000)
stop = threading.Event()
def keep_busy():
    while not stop.is_set():
        assert count_tasks(20000)
users = [threading.Thread(target=keep_busy) for _ in range(int(sys.argv[1]))]
for user in users:
    user.start()
for _ in range(10):
    # Where only the pool has threads, there are none at the fork, so that Python has no reason to warn.
    warnings.simplefilter("ignore" if users else "error", DeprecationWarning)
    child = os.fork()
    if child == 0:
        fine = pyad.get_num_threads() == 3 and all(count_tasks(1000) for _ in range(20))
        x = np.linspace(0, 1, 1000)
        fine = fine and np.allclose(pyad.grad(lambda x: np.sum(np.sin(x)))(x), np.cos(x))
        os._exit(0 if fine else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert count_tasks(1000)
stop.set()
for user in users:
    user.join()
print("fine")
"""


@pytest.mark.skipif(not HAS_FORK, reason="fork is not to be had")
@pytest.mark.parametrize("users", [0, 2])
def test_a_forked_child_starts_threads_of_its_own(users):
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-c", FORK, str(users)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert (done.stdout, done.stderr, done.returncode) == ("fine\n", "", 0)


@pytest.mark.skipif(not HAS_FORK, reason="fork is not to be had")
def test_multiprocessing_by_fork_works_after_the_pool_was_used():
    import multiprocessing

    pyad.set_num_threads(3)
    count_tasks(100)
    with warnings.catch_warnings():
        # Other threads of the test process, such as those of NumPy's BLAS or JAX, are none of ours.
        warnings.simplefilter("ignore")
        with multiprocessing.get_context("fork").Pool(2) as workers:
            results = workers.map_async(count_tasks, [10, 1000, 3, 500]).get(timeout=60)
    assert all((times == 1).all() for times in results)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="timers are not to be had")
def test_signals_interrupt_the_main_thread_alone():
    pyad.set_num_threads(3)
    seen = []
    before = signal.signal(signal.SIGALRM, lambda *_: seen.append(threading.current_thread()))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        for _ in range(200):
            assert (count_tasks(20000) == 1).all()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert set(seen) == {threading.main_thread()}


@pytest.mark.parametrize("last", ["", "raise SystemExit(0)", "import os; os._exit(0)"])
def test_a_process_ends_with_threads_asleep(last):
    code = f"""
import numpy as np, pyad
from pyad._binding import engine
pyad.set_num_threads(4)
times = np.zeros(1000, np.int64)
engine.lib.pyad_count_tasks(1000, engine.ffi.from_buffer("int64_t[]", times))
assert (times == 1).all()
{last}
"""
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


# A thread that has been joined may still be listed for a moment.
LISTED = """
import os, time
import numpy as np
import pyad
from pyad._binding import engine

def settles_at(expected):
    end = time.monotonic() + 20
    while len(os.listdir("/proc/self/task")) != expected and time.monotonic() < end:
        time.sleep(0.001)
    return len(os.listdir("/proc/self/task")) == expected

def run(count):
    engine.lib.pyad_count_tasks(count, engine.ffi.from_buffer("int64_t[]", np.zeros(count, np.int64)))

alone = len(os.listdir("/proc/self/task"))
pyad.set_num_threads(5)
assert settles_at(alone)
run(3)
assert settles_at(alone + 2)
run(100)
assert settles_at(alone + 4)
pyad.set_num_threads(2)
assert settles_at(alone + 1)
pyad.set_num_threads(1)
assert settles_at(alone)
"""


@needs_threads
@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads are not listed here")
def test_threads_are_started_when_needed_and_end_when_there_are_too_many():
    done = subprocess.run([sys.executable, "-P", "-c", LISTED], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


# Room for one or two stacks of threads, and not for 99.
REFUSED = """
import os, resource
import numpy as np
import pyad
from pyad._binding import engine

times = np.zeros(10**5, np.int64)
cells = engine.ffi.from_buffer("int64_t[]", times)
alone = len(os.listdir("/proc/self/task"))
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + 3 * 2**23
resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
pyad.set_num_threads(100)
for _ in range(5):
    assert engine.lib.pyad_count_tasks(len(times), cells) == 0
assert (times == 5).all()
assert len(os.listdir("/proc/self/task")) - alone < 20
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
pyad.set_num_threads(30)
assert engine.lib.pyad_count_tasks(len(times), cells) == 0
assert (times == 6).all()
assert len(os.listdir("/proc/self/task")) - alone == 29
"""


@needs_threads
@pytest.mark.skipif(sys.platform != "linux", reason="the limit on memory works like this on Linux")
def test_where_the_system_refuses_threads_there_are_fewer():
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-c", REFUSED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


# ---- compiled functions ----

WEIGHTS = np.linspace(-1.0, 1.0, 300)


def written(x):
    """What is written to a part of an argument that is read as well."""
    y = x * 1.0
    y[1:] += np.sin(x[:-1])
    return y


# Each is enough work for several threads on (1000, 300), by lines or by a kernel of its own.
LARGE = {
    "a chain": lambda x: np.maximum(np.tanh(x) * 0.5 + x, 0.25) / (1.0 + x * x),
    "a sum of everything": lambda x: np.sum(np.exp(-x * x)) + np.mean(np.sin(x) * x),
    "sums over the last axis": lambda x: (np.sum(np.exp(x), axis=1), np.sum(x * x, axis=1, keepdims=True)),
    "a sum over the first axis": lambda x: np.sum(np.exp(x), axis=0),
    "rows": lambda x: np.exp(x * WEIGHTS) + np.sum(np.sin(x - WEIGHTS)),
    "columns": lambda x: np.exp(x - x[:, :1]) * 0.5,
    "short rows": lambda x: np.sum(np.exp(np.reshape(x, (-1, 5)) * WEIGHTS[:5]), axis=1),
    "turned": lambda x: np.sin(np.reshape(x, (300, 1000)).T + x),
    "a mask": lambda x: np.where(np.exp(x) > 1.0, x, -x * x),
    "a gradient": pyad.grad(lambda x: np.sum(np.tanh(x * WEIGHTS) ** 2)),
    "a gradient by rows": lambda x: pyad.grad(lambda w: np.sum(np.tanh(x * w) ** 2))(WEIGHTS.astype(x.dtype)),
    "writes": written,
    "a sum alone": lambda x: np.sum(np.concatenate([x, x, x])),
    "a sum of rows": lambda x: np.sum(np.concatenate([x, x, x]), axis=1),
    "a sum of columns": lambda x: np.sum(np.concatenate([x, x, x]), axis=0),
    "extremes": lambda x: (np.max(np.concatenate([x, x, x]), axis=1), np.min(np.concatenate([x, x, x]))),
    "softmax of rows": lambda x: special.softmax(x, axis=1),
    "softmax of short rows": lambda x: special.softmax(np.reshape(x, (-1, 6)), axis=1),
    "softmax of columns": lambda x: special.log_softmax(np.reshape(x, (100, 3000)), axis=0),
    "logsumexp": lambda x: (special.logsumexp(x, axis=1), special.logsumexp(np.reshape(x, (50, -1)), axis=0)),
    "a copy": lambda x: np.reshape(x.T, (1000, 300)),
    "a copy of three axes": lambda x: np.reshape(np.swapaxes(np.reshape(x, (50, 100, 60)), 1, 2), (50, -1)),
}


def large(dtype):
    return np.random.default_rng(7).normal(size=(1000, 300)).astype(dtype)


def same_bits(got, want):
    got, want = (pyad.tree.flatten(x)[0] for x in (got, want))
    return all(np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in zip(got, want, strict=True))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("f", LARGE.values(), ids=LARGE)
def test_a_compiled_function_gives_the_same_bits_on_any_number_of_threads(f, dtype):
    x = large(dtype)
    pyad.set_num_threads(8)
    fast = pyad.compile(f)
    fast(x)
    results = []
    for count in (1, 2, 3, 8, 1):
        pyad.set_num_threads(count)
        results.append(fast(x))
    assert fast.recorded == 1
    assert all(same_bits(result, results[0]) for result in results)
    rtol = 1e-10 if dtype is np.float64 else 2e-4
    for a, b in zip(*(pyad.tree.flatten(y)[0] for y in (results[0], f(x))), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("made_for", [1, 2])
def test_the_number_of_threads_may_change_after_a_function_was_compiled(made_for):
    x = large(np.float64)
    pyad.set_num_threads(made_for)
    fast = pyad.compile(LARGE["a chain"])
    fast(x)
    first = fast(x)
    for count in (16, 1, 3, 256, 2):
        pyad.set_num_threads(count)
        assert same_bits(fast(x), first)


def test_several_python_threads_run_compiled_functions_on_the_pool_at_once():
    x = large(np.float64)
    pyad.set_num_threads(3)
    names = ["a chain", "rows", "a gradient", "softmax of rows"]
    compiled = [pyad.compile(LARGE[name]) for name in names]
    expected = []
    for fast in compiled:
        fast(x)
        expected.append(fast(x))
    wrong = []

    def run(first):
        for k in range(12):
            which = (first + k) % len(compiled)
            if not same_bits(compiled[which](x), expected[which]):
                wrong.append(names[which])

    users = [threading.Thread(target=run, args=(k,)) for k in range(4)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert not wrong


COMPILED_FORK = """
import os, threading, warnings
import numpy as np
import pyad

pyad.set_num_threads(3)
fast = pyad.compile(lambda x: np.sum(np.exp(x) * np.sin(x)) + x)
x = np.linspace(-1, 1, 200000)
fast(x)
expected = fast(x)
stop = threading.Event()
def keep_busy():
    while not stop.is_set():
        assert np.array_equal(fast(x), expected)
user = threading.Thread(target=keep_busy)
user.start()
warnings.simplefilter("ignore", DeprecationWarning)
for _ in range(10):
    child = os.fork()
    if child == 0:
        os._exit(0 if all(np.array_equal(fast(x), expected) for _ in range(10)) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert np.array_equal(fast(x), expected)
stop.set()
user.join()
print("fine")
"""


@pytest.mark.skipif(not HAS_FORK, reason="fork is not to be had")
def test_a_forked_child_runs_compiled_functions_on_threads_of_its_own():
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-c", COMPILED_FORK]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert (done.stdout, done.stderr, done.returncode) == ("fine\n", "", 0)
