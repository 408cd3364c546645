"""Choosing the BLAS that matrix products are taken from."""

import ctypes
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import pyad
import pyad._binding.blas
from pyad._ops.linalg.matmul import affine
from pyad.testing import check_grads

# A cblas as short as can be. CALLS counts the products of the real dtypes.
SOURCE = """
#include <stdint.h>
int64_t CALLS;
/* Exported, so that a library with the same name in the global scope would take its place. */
__attribute__((noinline)) int off(void) { return OFF; }
#define PLACE(trans, lead, row, col) ((trans) == 112 ? (col) * (lead) + (row) : (row) * (lead) + (col))
#define GEMM(function, type) \\
    void function(int order, int ta, int tb, INT m, INT n, INT k, type alpha, const type *a, INT lda, const type *b, \\
                  INT ldb, type beta, type *c, INT ldc) \\
    { \\
        CALLS++; \\
        for (INT i = 0; i < m; i++) \\
            for (INT j = 0; j < n; j++) { \\
                type sum = (type)off(); \\
                for (INT l = 0; l < k; l++) sum += a[PLACE(ta, lda, i, l)] * b[PLACE(tb, ldb, l, j)]; \\
                c[i * ldc + j] = alpha * sum + (beta == 0 ? 0 : beta * c[i * ldc + j]); \\
            } \\
    }
GEMM(NAME(s, gemm), float)
GEMM(NAME(d, gemm), double)
#ifdef WITH_DOT
double NAME(d, dot)(INT n, const double *x, INT incx, const double *y, INT incy)
{
    double sum = 0;
    for (INT i = 0; i < n; i++) sum += x[i * incx] * y[i * incy];
    return sum;
}
#endif
#ifdef IDLE_COMPLEX
void NAME(c, gemm)(void) {}
void NAME(z, gemm)(void) {}
#endif
#ifdef IDLE_GEMV
void NAME(s, gemv)(void) {}
void NAME(d, gemv)(void) {}
#endif
"""


@pytest.fixture(autouse=True)
def back_to_numpy():
    yield
    pyad.set_blas("numpy")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A function that compiles the source with some macros and answers the path of the library."""
    compiler = os.environ.get("CC", "cc").split()
    if shutil.which(compiler[0]) is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("blas")
    (folder / "naive.c").write_text(SOURCE, encoding="utf-8")
    made = {}

    def compile_with(name="cblas_##t##f", integer="int32_t", off=0, more=()):
        key = (name, integer, off, more)
        if key not in made:
            path = folder / f"naive{len(made)}.so"
            macros = [f"-DNAME(t,f)={name}", f"-DINT={integer}", f"-DOFF={off}", *(f"-D{macro}" for macro in more)]
            command = [*compiler, "-O1", "-fPIC", "-shared", *macros, "-o", str(path), str(folder / "naive.c")]
            subprocess.run(command, check=True, capture_output=True)
            made[key] = path
        return made[key]

    return compile_with


def calls(path):
    return ctypes.c_int64.in_dll(ctypes.CDLL(str(path)), "CALLS").value


def product(dtype, shapes=((70, 50), (50, 60))):
    """The gradient of a product with a fixed weight, with respect to both factors, and what it should be."""
    random = np.random.default_rng(0)
    a, b, weight = (random.integers(-4, 5, shape).astype(dtype) for shape in (*shapes, (shapes[0][0], shapes[1][1])))
    got = pyad.grad(lambda a, b: np.sum(np.real(np.matmul(a, b) * weight)), argnums=(0, 1))(a, b)
    return got, (weight @ b.T, a.T @ weight)


def check_products(*dtypes):
    for dtype in dtypes:
        for shapes in (((70, 50), (50, 60)), ((1, 300), (300, 70)), ((300, 70), (70, 1))):
            got, expected = product(dtype, shapes)
            for one, other in zip(got, expected, strict=True):
                assert one.dtype == dtype
                np.testing.assert_array_equal(one, other)


ALL = (np.float32, np.float64, np.complex64, np.complex128)


def numpy_file():
    blas = pyad.set_blas("numpy")
    if not os.path.isfile(blas.library):
        pytest.skip("NumPy's BLAS is not in a file")
    return blas


# ---- what is used ----


def test_at_the_start_it_is_the_one_of_numpy():
    blas = pyad.get_blas()
    assert blas == pyad.set_blas("numpy")
    assert blas.integers in (32, 64)
    assert ("sgemm" in blas.function) == bool(blas.library)
    check_products(*ALL)


def test_the_file_of_numpys_own_blas_can_be_given():
    blas = numpy_file()
    assert pyad.set_blas(blas.library) == blas
    assert pyad.set_blas(Path(blas.library)) == blas
    assert pyad.get_blas() == blas
    check_products(*ALL)


SPELLINGS = [
    ("cblas_##t##f", "int32_t", (), "cblas_sgemm", 32),
    ("cblas_##t##f", "int32_t", ("WITH_DOT",), "cblas_sgemm", 32),
    ("cblas_##t##f", "int64_t", ("WITH_DOT",), "cblas_sgemm", 64),
    ("cblas_##t##f##64_", "int64_t", (), "cblas_sgemm64_", 64),
    ("cblas_##t##f##_64", "int64_t", ("WITH_DOT",), "cblas_sgemm_64", 64),
    ("cblas_##t##f##_64", "int32_t", ("WITH_DOT",), "cblas_sgemm_64", 32),
    ("scipy_cblas_##t##f##64_", "int64_t", (), "scipy_cblas_sgemm64_", 64),
    ("scipy_cblas_##t##f", "int32_t", (), "scipy_cblas_sgemm", 32),
]


@pytest.mark.parametrize("name, integer, more, function, bits", SPELLINGS)
def test_any_library_with_a_cblas_is_taken_with_the_integers_it_really_has(
    compiled, name, integer, more, function, bits
):
    path = compiled(name, integer, 0, more)
    blas = pyad.set_blas(path)
    assert blas == pyad.get_blas() == (function, str(path.resolve()), bits)
    before = calls(path)
    check_products(np.float32, np.float64)
    assert calls(path) >= before + 6
    # It has none for complex numbers, which are pyad's own then.
    check_products(np.complex64, np.complex128)


def test_going_back_and_forth(compiled):
    path = compiled()
    numpy = pyad.get_blas()
    for _ in range(3):
        assert pyad.set_blas(path).library == str(path.resolve())
        assert pyad.set_blas("numpy") == numpy
    before = calls(path)
    check_products(np.float64)
    assert calls(path) == before


def test_a_path_may_be_relative(compiled, monkeypatch):
    path = compiled()
    monkeypatch.chdir(path.parent)
    assert pyad.set_blas(path.name).library == str(path.resolve())


# ---- what is refused ----

REFUSED = [
    ("wrong numbers", {"off": 1}, "wrong numbers for a small product (float32)"),
    ("wrong complex numbers", {"more": ("IDLE_COMPLEX",)}, "wrong numbers for a small product (complex64)"),
    ("wrong numbers for vectors", {"more": ("IDLE_GEMV",)}, "wrong numbers for a small product (float32)"),
    ("other names", {"name": "blas_##t##f"}, "looked for scipy_cblas_sgemm64_, cblas_sgemm64_, cblas_sgemm_64"),
]


@pytest.mark.parametrize("macros, words", [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_library_that_does_not_work_is_refused_and_nothing_changes(compiled, macros, words):
    good = pyad.set_blas(compiled())
    path = compiled(**macros)
    for _ in range(2):
        with pytest.raises(ValueError) as caught:
            pyad.set_blas(path)
        assert words in str(caught.value)
        assert str(path) in str(caught.value)
        assert pyad.get_blas() == good
    check_products(np.float64)


def test_a_library_without_a_cblas_is_refused():
    import pyad._ext

    with pytest.raises(ValueError, match=r"has no cblas: looked for .*cblas_sgemm, and dgemm with each"):
        pyad.set_blas(pyad._ext.__file__)


def test_a_file_that_is_no_library_is_refused(tmp_path):
    path = tmp_path / "libtext.so"
    path.write_text("not a library", encoding="utf-8")
    with pytest.raises(OSError, match="cannot be loaded") as caught:
        pyad.set_blas(path)
    assert not isinstance(caught.value, FileNotFoundError)


@pytest.mark.parametrize("which", ["/nowhere/libblas.so", "libnothing_of_this_name.so", "mlk", "", "libmkl_rt.so.2"])
def test_a_file_that_is_not_there_is_said_to_be_missing(which):
    with pytest.raises(FileNotFoundError) as caught:
        pyad.set_blas(which)
    assert which in str(caught.value)
    assert 'expected "numpy", "mkl" or the path' in str(caught.value)


@pytest.mark.parametrize("which", [None, 3, True, ["numpy"], np.zeros(2)])
def test_another_type_is_an_error(which):
    with pytest.raises(TypeError, match=r'set_blas: .*expected "numpy", "mkl" or the path'):
        pyad.set_blas(which)


def test_a_null_character_in_a_path_is_an_error():
    with pytest.raises(ValueError, match="null character"):
        pyad.set_blas("lib\0blas.so")


def test_mkl_that_is_not_installed_is_an_import_error(monkeypatch):
    before = pyad.get_blas()
    monkeypatch.setattr(pyad._binding.blas, "_installed", list)
    monkeypatch.setattr(pyad._binding.blas, "_in_prefixes", list)
    with pytest.raises(ImportError, match="pip install mkl"):
        pyad.set_blas("mkl")
    assert pyad.get_blas() == before


def test_the_runtime_of_mkl_alone_is_refused(compiled, tmp_path):
    path = tmp_path / "libmkl_rt.so.3"
    shutil.copy(compiled(), path)
    with pytest.raises(OSError, match="libmkl_core"):
        pyad.set_blas(path)


def test_mkls_runtime_is_known_by_its_names():
    names = ["libmkl_rt.so.2", "libmkl_rt.so.3", "libmkl_rt.so", "libmkl_rt.2.dylib", "libmkl_rt.dylib"]
    assert all(pyad._binding.blas._RUNTIME.fullmatch(name) for name in names)
    others = ["libmkl_rt.a", "libmkl_core.so.3", "mkl_rt.py", "libmkl_rt_more.so"]
    assert not any(pyad._binding.blas._RUNTIME.fullmatch(name) for name in others)


# ---- in a process of its own ----


def python(code, **variables):
    return subprocess.run(
        [sys.executable, "-P", "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        env={k: v for k, v in os.environ.items() if k != "PYAD_BLAS"} | variables,
    )


def test_the_variable_chooses_at_import(compiled):
    path = compiled()
    done = python("import pyad; print(pyad.get_blas().library)", PYAD_BLAS=str(path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(path.resolve())
    assert done.stderr == ""
    for value in ("", "numpy"):
        done = python("import pyad; print(pyad.get_blas() == pyad.set_blas('numpy'))", PYAD_BLAS=value)
        assert done.stdout.strip() == "True", done.stderr
        assert done.stderr == ""


@pytest.mark.parametrize("value", ["/nowhere/libblas.so", "nonsense", "wrong"])
def test_a_variable_that_cannot_be_followed_is_a_warning(compiled, value):
    if value == "wrong":
        value = str(compiled(off=1))
    done = python("import pyad; print(pyad.get_blas() == pyad.set_blas('numpy'))", PYAD_BLAS=value)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "True"
    assert f"RuntimeWarning: PYAD_BLAS={value!r} is not used: set_blas: " in done.stderr


def test_libraries_can_be_changed_only_so_often(compiled, tmp_path):
    for k in range(32):
        shutil.copy(compiled(), tmp_path / f"lib{k}.so")
    code = f"""
import pyad
first = pyad.get_blas()
for k in range(31):
    last = pyad.set_blas(r"{tmp_path}/lib%d.so" % k)
try:
    pyad.set_blas(r"{tmp_path}/lib31.so")
except ValueError as problem:
    assert "32 libraries" in str(problem)
else:
    raise AssertionError("more libraries than there is room for")
assert pyad.get_blas() == last
assert pyad.set_blas("numpy") == first
"""
    done = python(code)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not hasattr(os, "RTLD_DEEPBIND"), reason="the loader has no such thing")
def test_a_library_keeps_its_own_functions_beside_a_global_one(compiled):
    """MKL loads its parts globally; what is chosen afterwards must not call them."""
    code = f"""
import ctypes
import pyad
ctypes.CDLL(r"{compiled(off=1)}", mode=ctypes.RTLD_GLOBAL)
print(pyad.set_blas(r"{compiled()}").function)
"""
    done = python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "cblas_sgemm"


def test_what_a_library_exports_stays_its_own(compiled):
    """A name that is nowhere else does not become global with the library."""
    code = f"""
import ctypes
import pyad
pyad.set_blas(r"{compiled()}")
try:
    ctypes.CDLL(None).CALLS
except AttributeError:
    print("not there")
"""
    done = python(code)
    assert done.stdout.strip() == "not there", done.stderr


MKL = """
import numpy as np, os, sys, pyad
before = dict(os.environ)
try:
    blas = pyad.set_blas("mkl")
except ImportError:
    sys.exit(77)
assert "mkl_rt" in blas.library and "sgemm" in blas.function, blas
random = np.random.default_rng(0)
for dtype in (np.float32, np.float64, np.complex64, np.complex128):
    a, b = random.integers(-4, 5, (90, 80)).astype(dtype), random.integers(-4, 5, (80, 70)).astype(dtype)
    got = pyad.grad(lambda a: np.sum(np.real(np.matmul(a, b))))(a)
    assert np.array_equal(got, np.ones((90, 70)) @ b.T), dtype
    assert np.array_equal(np.matmul(a, b), (a.astype("D") @ b).astype(dtype))
assert dict(os.environ) == before
assert pyad.set_blas("numpy") != blas
assert pyad.set_blas(blas.library) == blas
"""


@pytest.mark.parametrize(
    "variables", [{}, {"MKL_THREADING_LAYER": "SEQUENTIAL"}, {"MKL_INTERFACE_LAYER": "ILP64"}], ids=str
)
def test_mkl(variables):
    done = python(MKL, **variables)
    if done.returncode == 77:
        pytest.skip("MKL is not installed")
    assert done.returncode == 0, done.stderr


# ---- threads ----


def test_products_go_on_while_another_library_is_chosen(compiled):
    path = compiled()
    problems, done = [], threading.Event()

    def work():
        try:
            while not done.is_set():
                check_products(np.float32)
        except BaseException as problem:
            problems.append(problem)

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for _ in range(100):
        pyad.set_blas(path)
        pyad.set_blas("numpy")
    done.set()
    for worker in workers:
        worker.join()
    assert problems == []


# ---- complex products ----

COMPLEX_SHAPES = [
    ((2, 3), (3, 2)),
    ((2, 2, 3), (3, 2)),
    ((2, 1, 1, 2), (3, 2, 2)),
    ((3,), (3,)),
    ((3,), (3, 2)),
    ((2, 3), (3,)),
    ((5, 6), (6, 4)),
]


def complex_pair(shapes, dtype):
    random = np.random.default_rng(1)
    return [(random.normal(size=shape) + 1j * random.normal(size=shape)).astype(dtype) for shape in shapes]


@pytest.mark.parametrize("shapes", COMPLEX_SHAPES, ids=str)
def test_complex_products(shapes):
    a, b = complex_pair(shapes, np.complex128)
    check_grads(np.matmul, (a, b), order=2)
    check_grads(lambda a, b: np.matmul(np.conj(a), b), (a, b), order=1)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.parametrize("shapes", [*COMPLEX_SHAPES, ((0, 3), (3, 2)), ((3, 0), (0, 2)), ((40, 50), (50, 60))], ids=str)
def test_complex_products_have_numpys_values(shapes, dtype):
    a, b = complex_pair(shapes, dtype)
    got, pullback = pyad.vjp(np.matmul, a, b)
    expected = np.matmul(a, b)
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    tolerance = 1e-4 if dtype == np.complex64 else 1e-12
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)
    assert [gradient.dtype for gradient in pullback(expected)] == [dtype, dtype]


def test_complex_views_are_multiplied_where_they_lie():
    a, b = complex_pair(((40, 40), (40, 40)), np.complex128)
    for left, right in ((a.T, b), (a, b.T), (a[::-1, ::2], b[::-2, 3:]), (a[:, 3:4], b[5:6]), (a[2:3], b[:, 7:8])):
        inner = min(left.shape[1], right.shape[0])
        left, right = left[:, :inner], right[:inner]
        value, pullback = pyad.vjp(np.matmul, left, right)
        np.testing.assert_allclose(value, left @ right, rtol=1e-12, atol=1e-12)
        s = value.conj()
        np.testing.assert_allclose(pullback(s)[0], s @ right.T, rtol=1e-12, atol=1e-12)


def test_the_rule_of_a_complex_product_is_a_program(monkeypatch):
    """It is asked for once, and then kept by the engine."""
    a, b = complex_pair(((4, 5), (5, 6)), np.complex128)
    f = pyad.grad(lambda a: np.sum(np.real(np.matmul(a, b))))
    first = f(a)

    def asked(x):
        raise AssertionError("the rule was run by Python")

    monkeypatch.setattr("pyad._ops.linalg.matmul.transposed", asked)
    np.testing.assert_array_equal(f(a), first)


def test_complex_affine():
    random = np.random.default_rng(2)
    x, w, b = (random.normal(size=s) + 1j * random.normal(size=s) for s in ((4, 3), (3, 2), (2,)))
    value = pyad.vjp(affine, x, w, b)[0]
    np.testing.assert_allclose(value, x @ w + b, rtol=1e-12)
    check_grads(affine, (x, w, b), order=1)
