/* Losses against plain sums over indices. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernels/kernels.h"
#include "support/arrays.h"
#include "support/memory.h"

enum { ROUNDS = 200 };

static void assert_near(int dtype, double got, double want)
{
    double allowed = (dtype == PYAD_F64 ? 1e-13 : 1e-5) * (1 + fabs(want));
    if (!(fabs(got - want) <= allowed))
        fail_msg("%.17g is not %.17g", got, want);
}

static double row_loss(test_array *logits, int64_t row, int64_t classes, int64_t label)
{
    double total = 0;
    for (int64_t c = 0; c < classes; c++)
        total += exp(test_get(logits, 2, SHAPE(row, c)));
    return log(total) - test_get(logits, 2, SHAPE(row, label));
}

static void check_cross_entropy(int dtype, int64_t rows, int64_t classes)
{
    test_array logits;
    test_array labels;
    test_array loss;
    test_array_random(&logits, dtype, 2, SHAPE(rows, classes), TEST_CONTIGUOUS);
    test_array_make(&labels, PYAD_I64, 1, SHAPE(rows), TEST_CONTIGUOUS);
    test_array_make(&loss, dtype, 0, NULL, TEST_CONTIGUOUS);
    double want = 0;
    for (int64_t i = 0; i < rows; i++) {
        int64_t label = test_random(classes);
        test_set(&labels, 1, SHAPE(i), (double)label);
        want += row_loss(&logits, i, classes, label);
    }
    assert_int_equal(pyad_cross_entropy(&memory, test_view(&loss), test_view(&logits), test_view(&labels)), PYAD_OK);
    if (rows > 0)
        assert_near(dtype, test_get(&loss, 0, NULL), want / (double)rows);
    else
        assert_true(isnan(test_get(&loss, 0, NULL)));
    test_array_free(&logits);
    test_array_free(&labels);
    test_array_free(&loss);
}

static void test_cross_entropy(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++)
        check_cross_entropy(test_random_float(), test_random(60), 1 + test_random(50));
}

static void check_sum_squares(int dtype, int ndim, const int64_t *shape)
{
    test_array a;
    test_array b;
    test_array sum;
    test_array_random(&a, dtype, ndim, shape, test_random_style());
    test_array_random(&b, dtype, ndim, shape, test_random_style());
    test_array_make(&sum, dtype, 0, NULL, TEST_CONTIGUOUS);
    double want = 0;
    int64_t at[8] = {0};
    for (bool more = a.layout.layout.size > 0; more; more = test_next(ndim, shape, at)) {
        double apart = test_get(&a, ndim, at) - test_get(&b, ndim, at);
        want += apart * apart;
    }
    assert_int_equal(pyad_sum_squares(&memory, test_view(&sum), test_view(&a), test_view(&b), 0.5), PYAD_OK);
    assert_near(dtype, test_get(&sum, 0, NULL), 0.5 * want);
    test_array_free(&a);
    test_array_free(&b);
    test_array_free(&sum);
}

static void test_sum_squares(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t shape[8];
        int ndim = test_random_shape(3, 8, shape);
        check_sum_squares(test_random_float(), ndim, shape);
    }
}

static void test_out_of_memory(void **state)
{
    (void)state;
    float data[6] = {1, 2, 3, 4, 5, 6};
    int64_t labels[2] = {0, 2};
    float out = 7;
    pyad_layout_any rows;
    pyad_layout_any index;
    assert_int_equal(pyad_layout_fill(&rows, PYAD_F32, 2, SHAPE(2, 3)), PYAD_OK);
    assert_int_equal(pyad_layout_fill(&index, PYAD_I64, 1, SHAPE(2)), PYAD_OK);
    pyad_view x = {&rows.layout, data};
    pyad_view dst = {pyad_layout_scalar(PYAD_F32), &out};
    pyad_mem_trim(&memory);
    test_hook_fail_after(&hook, 0);
    assert_int_equal(pyad_cross_entropy(&memory, dst, x, (pyad_view){&index.layout, labels}), PYAD_ERR_MEMORY);
    assert_int_equal(pyad_sum_squares(&memory, dst, x, x, 1), PYAD_ERR_MEMORY);
    test_hook_never_fail(&hook);
    assert_true(out == 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cross_entropy),
        cmocka_unit_test(test_sum_squares),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, start, finish);
}
