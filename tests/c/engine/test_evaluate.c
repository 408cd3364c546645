/* One instruction on the caller's arrays: its result, its failures, and that no tape is touched. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/rules.h"

static int setup(void **state)
{
    *state = pyad_engine_new();
    pyad_engine_enter(*state);
    return 0;
}

static int teardown(void **state)
{
    pyad_engine_free(*state);
    return 0;
}

static void test_shape_then_values(void **state)
{
    (void)state;
    double x[6] = {0.0, 1.0, 2.0, 3.0, 4.0, 5.0};
    double y[6];
    /* The transpose of a matrix of 2 rows, by its strides. */
    pyad_array in = {.dtype = PYAD_F64, .ndim = 2, .shape = {3, 2}, .strides = {1, 3}, .data = x};
    pyad_array out = {.data = NULL};
    int exp_kernel = pyad_kernel_find("exp");
    assert_int_equal(pyad_evaluate(exp_kernel, NULL, 1, &in, &out), 0);
    assert_int_equal(out.dtype, PYAD_F64);
    assert_int_equal(out.ndim, 2);
    assert_int_equal(out.shape[0] * 10 + out.shape[1], 32);
    out.data = y;
    assert_int_equal(pyad_evaluate(exp_kernel, NULL, 1, &in, &out), 0);
    for (int row = 0; row < 3; row++) {
        for (int column = 0; column < 2; column++)
            assert_true(fabs(y[2 * row + column] - exp(x[row + 3 * column])) < 1e-12);
    }
    assert_int_equal(pyad_node_count(), 0);
}

static void test_failures_have_words(void **state)
{
    (void)state;
    double x[6] = {0.0};
    pyad_array in[9] = {{.dtype = PYAD_F64, .ndim = 1, .shape = {2}, .strides = {1}, .data = x},
                        {.dtype = PYAD_F64, .ndim = 1, .shape = {3}, .strides = {1}, .data = x}};
    pyad_array out = {.data = NULL};
    assert_int_not_equal(pyad_evaluate(pyad_kernel_find("add"), NULL, 2, in, &out), 0);
    assert_true(pyad_last_message()[0] != '\0');
    assert_int_not_equal(pyad_evaluate(pyad_kernel_find("exp"), NULL, 2, in, &out), 0);
    assert_int_not_equal(pyad_evaluate(-1, NULL, 1, in, &out), 0);
    assert_int_not_equal(pyad_evaluate(pyad_kernel_find("concatenate"), (const int64_t[]){1, 0}, 9, in, &out), 0);
    in[0].dtype = 77;
    assert_int_not_equal(pyad_evaluate(pyad_kernel_find("exp"), NULL, 1, in, &out), 0);
    pyad_engine_enter(NULL);
    assert_int_not_equal(pyad_evaluate(pyad_kernel_find("exp"), NULL, 1, in, &out), 0);
    pyad_engine_enter(*state);
}

static void test_allocation_failures(void **state)
{
    (void)state;
    /* Of a strided operand the kernel makes a copy. */
    double x[12] = {0.5};
    int64_t labels[2] = {1, 0};
    pyad_array in[2] = {{.dtype = PYAD_F64, .ndim = 2, .shape = {2, 3}, .strides = {6, 2}, .data = x},
                        {.dtype = 4, .ndim = 1, .shape = {2}, .strides = {1}, .data = labels}};
    double y = NAN;
    pyad_array out = {.data = &y};
    int status = -1;
    for (int64_t after = 0; status != 0 && after < 100; after++) {
        pyad_fail_after(after);
        status = pyad_evaluate(pyad_kernel_find("cross_entropy"), NULL, 2, in, &out);
        pyad_fail_after(-1);
        if (after == 0)
            assert_int_not_equal(status, 0);
    }
    assert_int_equal(status, 0);
    assert_true(y == y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_shape_then_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures_have_words, setup, teardown),
        cmocka_unit_test_setup_teardown(test_allocation_failures, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
