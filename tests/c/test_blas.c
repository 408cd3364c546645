/* Matrix products with and without a BLAS. PYAD_TEST_BLAS may name a library that has one. */
#include <dlfcn.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "array.h"
#include "arrays.h"
#include "blas.h"

/* A matrix inside a larger one, in either order. */
typedef struct matrix {
    void *data;
    int64_t rows;
    int64_t cols;
    int64_t row_stride;
    int64_t col_stride;
} matrix;

static matrix random_matrix(int dtype, int64_t rows, int64_t cols, bool turned, int64_t gap)
{
    matrix m = {NULL, rows, cols, cols + gap, 1};
    if (turned) {
        m.row_stride = 1;
        m.col_stride = rows + gap;
    }
    size_t item = pyad_dtype_size(dtype);
    size_t count = (size_t)((turned ? cols : rows) * (turned ? m.col_stride : m.row_stride));
    m.data = malloc(count * item + item);
    assert_non_null(m.data);
    for (size_t i = 0; i < count; i++)
        test_store(dtype, (char *)m.data + i * item, (double)(test_random(9) - 4));
    return m;
}

static double entry(int dtype, matrix m, int64_t row, int64_t col)
{
    int64_t offset = row * m.row_stride + col * m.col_stride;
    return test_load(dtype, (const char *)m.data + offset * (int64_t)pyad_dtype_size(dtype));
}

static void check_entry(double value, double expected)
{
    if (value != expected)
        fail_msg("%.17g is not %.17g", value, expected);
}

/* Entries are small whole numbers, so any order of summation gives the same. */
static void check_gemm(int dtype, const int64_t *mnk, int beta)
{
    int64_t gap = test_random(4);
    matrix A = random_matrix(dtype, mnk[0], mnk[2], test_random(2), test_random(3));
    matrix B = random_matrix(dtype, mnk[2], mnk[1], test_random(2), test_random(3));
    matrix C = random_matrix(dtype, mnk[0], mnk[1], false, gap);
    matrix old = C;
    size_t item = pyad_dtype_size(dtype);
    size_t bytes = (size_t)(mnk[0] * C.row_stride) * item;
    old.data = malloc(bytes + item);
    assert_non_null(old.data);
    if (beta == 0 && bytes > 0)
        memset(C.data, 0xff, bytes);
    memcpy(old.data, C.data, bytes);
    pyad_gemm(dtype, mnk[0], mnk[1], mnk[2], A.data, A.row_stride, A.col_stride, B.data, B.row_stride, B.col_stride,
              beta, C.data, C.row_stride);
    for (int64_t i = 0; i < mnk[0]; i++) {
        for (int64_t j = 0; j < mnk[1]; j++) {
            double expected = beta ? entry(dtype, old, i, j) : 0;
            for (int64_t k = 0; k < mnk[2]; k++)
                expected += entry(dtype, A, i, k) * entry(dtype, B, k, j);
            check_entry(entry(dtype, C, i, j), expected);
        }
        size_t end = (size_t)(i * C.row_stride + mnk[1]) * item;
        assert_memory_equal((char *)C.data + end, (char *)old.data + end, (size_t)gap * item);
    }
    free(A.data);
    free(B.data);
    free(C.data);
    free(old.data);
}

static void check_all(void)
{
    static const int64_t shapes[][3] = {{1, 1, 1},    {0, 3, 2},    {3, 0, 2},     {3, 2, 0},
                                        {7, 5, 3},    {8, 16, 16},  {33, 65, 1},   {1, 300, 200},
                                        {300, 1, 99}, {65, 66, 67}, {40, 130, 70}, {64, 64, 64}};
    for (size_t shape = 0; shape < sizeof shapes / sizeof shapes[0]; shape++) {
        for (int round = 0; round < 8; round++)
            check_gemm(round % 2 ? PYAD_F32 : PYAD_F64, shapes[shape], round / 2 % 2);
    }
    for (int round = 0; round < 40; round++) {
        int64_t mnk[3] = {1 + test_random(80), 1 + test_random(80), 1 + test_random(80)};
        check_gemm(round % 2 ? PYAD_F32 : PYAD_F64, mnk, round / 2 % 2);
    }
}

static void test_takes(void **state)
{
    (void)state;
    assert_true(pyad_gemm_takes(3, 4, 4, 1));
    assert_true(pyad_gemm_takes(3, 4, 9, 1));
    assert_true(pyad_gemm_takes(3, 4, 1, 3));
    assert_true(pyad_gemm_takes(1, 4, -5, 7));
    assert_true(pyad_gemm_takes(4, 1, 7, -5));
    assert_true(pyad_gemm_takes(1, 1, 0, 0));
    assert_false(pyad_gemm_takes(3, 4, 3, 1));
    assert_false(pyad_gemm_takes(3, 4, 0, 1));
    assert_false(pyad_gemm_takes(3, 4, -4, 1));
    assert_false(pyad_gemm_takes(3, 4, 8, 2));
    assert_false(pyad_gemm_takes(3, 4, 1, 2));
    assert_false(pyad_gemm_takes(1, 4, 1, 0));
}

/* The kernels decide on a copy by pyad_gemm_takes alone, but no strides may give a wrong product. */
static void test_any_strides(void **state)
{
    (void)state;
    float data[400];
    float C[30 * 30];
    for (int i = 0; i < 400; i++)
        data[i] = (float)(i % 7 - 3);
    pyad_gemm(PYAD_F32, 30, 30, 30, data, 3, 2, data + 100, -2, 5, 0, C, 30);
    for (int i = 0; i < 30; i++) {
        for (int j = 0; j < 30; j++) {
            float sum = 0;
            for (int k = 0; k < 30; k++)
                sum += data[i * 3 + k * 2] * data[100 - k * 2 + j * 5];
            check_entry((double)C[i * 30 + j], (double)sum);
        }
    }
}

static void test_bind_fails(void **state)
{
    (void)state;
    assert_null(pyad_blas_bind("/nowhere/libnothing.so"));
    assert_string_equal(pyad_blas_name(), "");
    /* Loaded, but without a product in it. */
    assert_null(pyad_blas_bind("libc.so.6"));
    assert_string_equal(pyad_blas_name(), "");
    assert_null(pyad_blas_bind(NULL));
}

static void test_fallback(void **state)
{
    (void)state;
    pyad_blas_bind(NULL);
    check_all();
}

static void test_bound(void **state)
{
    (void)state;
    const char *path = getenv("PYAD_TEST_BLAS");
    if (path == NULL || path[0] == '\0')
        skip();
    /* Nothing is loaded by the binding itself. */
    assert_null(pyad_blas_bind(path));
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        fail_msg("%s", dlerror());
    const char *name = pyad_blas_bind(path);
    assert_non_null(name);
    assert_string_equal(pyad_blas_name(), name);
    check_all();
    pyad_blas_bind(NULL);
    assert_string_equal(pyad_blas_name(), "");
    dlclose(library);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes),    cmocka_unit_test(test_any_strides), cmocka_unit_test(test_bind_fails),
        cmocka_unit_test(test_fallback), cmocka_unit_test(test_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
