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

#include "array/array.h"
#include "kernels/gemm.h"
#include "support/arrays.h"

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
    int part = pyad_dtype_real(dtype);
    size_t part_size = pyad_dtype_size(part);
    for (size_t i = 0; i < count * item / part_size; i++)
        test_store(part, (char *)m.data + i * part_size, (double)(test_random(9) - 4));
    return m;
}

/* A real or complex number. */
typedef struct number {
    double re;
    double im;
} number;

static number entry(int dtype, matrix m, int64_t row, int64_t col)
{
    int64_t offset = row * m.row_stride + col * m.col_stride;
    const char *at = (const char *)m.data + offset * (int64_t)pyad_dtype_size(dtype);
    int part = pyad_dtype_real(dtype);
    if (part == dtype)
        return (number){test_load(dtype, at), 0};
    return (number){test_load(part, at), test_load(part, at + pyad_dtype_size(part))};
}

static void add_product(number *sum, number a, number b)
{
    sum->re += a.re * b.re - a.im * b.im;
    sum->im += a.re * b.im + a.im * b.re;
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
            number expected = beta ? entry(dtype, old, i, j) : (number){0, 0};
            for (int64_t k = 0; k < mnk[2]; k++)
                add_product(&expected, entry(dtype, A, i, k), entry(dtype, B, k, j));
            check_entry(entry(dtype, C, i, j).re, expected.re);
            check_entry(entry(dtype, C, i, j).im, expected.im);
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
    static const int64_t shapes[][3] = {{1, 1, 1},     {0, 3, 2},    {3, 0, 2},     {3, 2, 0},    {7, 5, 3},
                                        {8, 16, 16},   {33, 65, 1},  {1, 300, 200}, {300, 1, 99}, {65, 66, 67},
                                        {40, 130, 70}, {64, 64, 64}, {4, 4, 4},     {5, 4, 4}};
    for (size_t shape = 0; shape < sizeof shapes / sizeof shapes[0]; shape++) {
        for (int round = 0; round < 16; round++)
            check_gemm(PYAD_F32 + round % 4, shapes[shape], round / 4 % 2);
    }
    for (int round = 0; round < 40; round++) {
        int64_t mnk[3] = {1 + test_random(80), 1 + test_random(80), 1 + test_random(80)};
        check_gemm(PYAD_F32 + round % 4, mnk, round / 4 % 2);
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

static void check_in_use(const char *function)
{
    assert_string_equal(pyad_blas_in_use().function, function);
}

/* Takes the fallback into use and returns what choosing the library says. */
static pyad_status choose(const char *library, bool load, pyad_message *message)
{
    message->text[0] = 0;
    assert_int_equal(pyad_blas_use(message, NULL, load), PYAD_OK);
    return pyad_blas_use(message, library, load);
}

static void test_choice_fails(void **state)
{
    (void)state;
    pyad_message message;
    for (int load = 0; load < 2; load++) {
        assert_int_equal(choose("/nowhere/libnothing.so", load, &message), PYAD_ERR_STATE);
        assert_non_null(strstr(message.text, "/nowhere/libnothing.so cannot be loaded"));
        check_in_use("");
    }
}

/* Loaded, but without a product in it. */
static void test_no_cblas(void **state)
{
    (void)state;
    pyad_message message;
    if (dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD) == NULL)
        skip();
    assert_int_equal(choose("libc.so.6", false, &message), PYAD_ERR_VALUE);
    assert_non_null(strstr(message.text, "libc.so.6 has no cblas: looked for scipy_cblas_sgemm64_, "));
    check_in_use("");
    assert_int_equal(pyad_blas_in_use().bits, 64);
    assert_string_equal(pyad_blas_in_use().file, "");
}

static void test_fallback(void **state)
{
    (void)state;
    assert_int_equal(pyad_blas_use(NULL, NULL, false), PYAD_OK);
    check_in_use("");
    check_all();
}

static void test_bound(void **state)
{
    (void)state;
    const char *path = getenv("PYAD_TEST_BLAS");
    if (path == NULL || path[0] == '\0')
        skip();
    pyad_message message;
    /* Nothing is loaded unless it is asked for. */
    assert_int_equal(choose(path, false, &message), PYAD_ERR_STATE);
    check_in_use("");
    for (int round = 0; round < 3; round++) {
        if (choose(path, round == 0, &message) != PYAD_OK)
            fail_msg("%s", message.text);
        assert_non_null(strstr(pyad_blas_in_use().function, "cblas_sgemm"));
        assert_true(pyad_blas_in_use().file[0] != '\0');
    }
    check_all();
    /* What cannot be had leaves what is in use. */
    assert_int_equal(pyad_blas_use(&message, "/nowhere/libnothing.so", true), PYAD_ERR_STATE);
    assert_non_null(strstr(pyad_blas_in_use().function, "cblas_sgemm"));
    assert_int_equal(pyad_blas_use(&message, NULL, false), PYAD_OK);
    check_in_use("");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes),    cmocka_unit_test(test_any_strides), cmocka_unit_test(test_choice_fails),
        cmocka_unit_test(test_no_cblas), cmocka_unit_test(test_fallback),    cmocka_unit_test(test_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
