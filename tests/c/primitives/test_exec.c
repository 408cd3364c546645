/* Execution: every kernel that knows shapes against loops over indices, and what shares memory. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "primitives/values.h"
#include "support/run.h"

/* ---- views ---- */

/* Reshapes a random view: equal elements in C order, and the operand's memory wherever strides allow it. */
static void test_reshape(void **state)
{
    fixture *f = *state;
    for (int round = 0; round < 500; round++) {
        int64_t shape[4];
        int64_t to[4] = {1, 1, 1, 1};
        test_array array;
        for (int d = 0; d < 4; d++)
            shape[d] = 1 + test_random(3);
        test_array_random(&array, PYAD_F64, 4, shape, (test_style)test_random(3));
        /* The same factors dealt anew, in their order: merges, splits, moves of ones. */
        int at = 0;
        for (int d = 0; d < 4; d++) {
            at = at < 3 ? at + (int)test_random(2) : at;
            to[at] *= shape[d];
        }
        pyad_value in = value_of(&array);
        int64_t params[5] = {4, to[0], to[1], to[2], to[3]};
        pyad_value out = run(f, PYAD_KERNEL_RESHAPE, params, 1, &in);
        check_shape(&out, PYAD_F64, 4, to);
        if (array.layout.layout.contiguous)
            assert_ptr_equal(out.data, in.data);
        int64_t from_index[4] = {0};
        int64_t to_index[4] = {0};
        do {
            assert_true(get(&out, 4, to_index) == test_get(&array, 4, from_index));
            test_next(4, shape, from_index);
        } while (test_next(4, to, to_index));
        drop(f, &out);
        test_array_free(&array);
    }
    /* Rows with gaps: splitting and merging within the row shares, across rows it copies. */
    double data[60];
    for (int k = 0; k < 60; k++)
        data[k] = k;
    pyad_layout_any gaps;
    assert_int_equal(pyad_layout_fill_strided(&gaps, PYAD_F64, 2, LIST(4, 6), LIST(12, 2)), PYAD_OK);
    pyad_value in = {&gaps.layout, data, NULL};
    pyad_value shared = run(f, PYAD_KERNEL_RESHAPE, PARAMS(2, 2, 1, 3, 2), 1, &in);
    assert_ptr_equal(shared.data, data);
    assert_true(get(&shared, 5, LIST(1, 1, 0, 2, 1)) == 46);
    assert_int_equal(pyad_layout_fill_strided(&gaps, PYAD_F64, 2, LIST(4, 6), LIST(13, 2)), PYAD_OK);
    pyad_value copied = run(f, PYAD_KERNEL_RESHAPE, PARAMS(24), 1, &in);
    assert_ptr_not_equal(copied.data, data);
    assert_true(get(&copied, 1, LIST(7)) == 15);
}

static void test_slices(void **state)
{
    fixture *f = *state;
    for (int round = 0; round < 300; round++) {
        int64_t shape[PYAD_MAX_NDIM];
        int ndim = test_random_shape(3, 6, shape);
        test_array array;
        int64_t params[10] = {3 * ndim};
        int64_t to[3];
        int to_ndim = 0;
        test_array_random(&array, PYAD_F32, ndim, shape, TEST_ANY);
        for (int d = 0; d < ndim; d++) {
            int64_t *p = params + 1 + 3 * d;
            p[0] = shape[d] > 0 ? test_random(shape[d]) : 0;
            p[1] = test_random(2) == 0 ? 1 + test_random(2) : -1 - test_random(2);
            int64_t room = p[1] > 0 ? (shape[d] - 1 - p[0]) / p[1] : p[0] / -p[1];
            p[2] = shape[d] == 0 ? 0 : test_random(4) == 0 ? -1 : test_random(room + 2);
            if (p[2] != -1)
                to[to_ndim++] = p[2];
        }
        pyad_value in = value_of(&array);
        pyad_value out = run(f, PYAD_KERNEL_SLICE, params, 1, &in);
        check_shape(&out, PYAD_F32, to_ndim, to);
        /* And the transpose: zeros but for the window. */
        int64_t back[20] = {1 + 4 * ndim, ndim};
        memcpy(back + 2, shape, (size_t)ndim * sizeof *back);
        memcpy(back + 2 + ndim, params + 1, 3 * (size_t)ndim * sizeof *back);
        pyad_value whole = run(f, PYAD_KERNEL_UNSLICE, back, 1, &out);
        check_shape(&whole, PYAD_F32, ndim, shape);
        double sums[2] = {0, 0};
        int64_t index[3] = {0};
        do {
            int64_t from[3];
            if (out.layout->size == 0)
                break;
            for (int d = 0, k = 0; d < ndim; d++) {
                const int64_t *p = params + 1 + 3 * d;
                from[d] = p[0] + (p[2] == -1 ? 0 : p[1] * index[k++]);
            }
            assert_true(get(&out, to_ndim, index) == test_get(&array, ndim, from));
            assert_true(get(&whole, ndim, from) == test_get(&array, ndim, from));
            sums[0] += fabs(test_get(&array, ndim, from));
        } while (test_next(to_ndim, to, index));
        int64_t all[3] = {0};
        do {
            sums[1] += whole.layout->size > 0 ? fabs(get(&whole, ndim, all)) : 0;
        } while (whole.layout->size > 0 && test_next(ndim, shape, all));
        assert_true(sums[0] == sums[1]);
        test_array_free(&array);
    }
}

static void test_turned_and_spread(void **state)
{
    fixture *f = *state;
    test_array array;
    test_array_random(&array, PYAD_I32, 3, LIST(2, 1, 4), TEST_ANY);
    pyad_value in = value_of(&array);
    pyad_value turned = run(f, PYAD_KERNEL_TRANSPOSE, PARAMS(2, 0, 1), 1, &in);
    check_shape(&turned, PYAD_I32, 3, LIST(4, 2, 1));
    assert_ptr_equal(turned.data, in.data);
    pyad_value wide = run(f, PYAD_KERNEL_BROADCAST, PARAMS(5, 2, 3, 4), 1, &in);
    check_shape(&wide, PYAD_I32, 4, LIST(5, 2, 3, 4));
    assert_ptr_equal(wide.data, in.data);
    pyad_value alias = run(f, PYAD_KERNEL_ALIAS, NULL, 1, &in);
    assert_true(pyad_same_layout(alias.layout, in.layout));
    pyad_value cast = run(f, PYAD_KERNEL_CAST, PARAMS(PYAD_F32), 1, &wide);
    check_shape(&cast, PYAD_F32, 4, LIST(5, 2, 3, 4));
    pyad_value flat;
    assert_int_equal(pyad_value_copy(&f->env, &turned, &flat), PYAD_OK);
    assert_true(flat.layout->contiguous);
    int64_t index[3] = {0};
    do {
        double want = test_get(&array, 3, index);
        assert_true(get(&turned, 3, LIST(index[2], index[0], index[1])) == want);
        assert_true(get(&flat, 3, LIST(index[2], index[0], index[1])) == want);
        assert_true(get(&wide, 4, LIST(3, index[0], 2, index[2])) == want);
        assert_true(get(&cast, 4, LIST(1, index[0], 0, index[2])) == want);
    } while (test_next(3, LIST(2, 1, 4), index));
    test_array_free(&array);
}

/* A view holds the buffer it looks into. */
static void test_view_holds(void **state)
{
    fixture *f = *state;
    test_array array;
    test_array_random(&array, PYAD_F64, 2, LIST(20, 30), TEST_CONTIGUOUS);
    pyad_value in = value_of(&array);
    pyad_value own = run(f, PYAD_LOOP_NEG, NULL, 1, &in);
    assert_non_null(own.buffer);
    pyad_value part = run(f, PYAD_KERNEL_SLICE, PARAMS(3, 1, -1, 29, -1, 30), 1, &own);
    assert_ptr_equal(part.buffer, own.buffer);
    drop(f, &own);
    assert_true(get(&part, 1, LIST(0)) == -test_get(&array, 2, LIST(3, 29)));
    drop(f, &part);
    test_array_free(&array);
}

/* ---- kernels with memory of their own ---- */

static void test_reductions(void **state)
{
    fixture *f = *state;
    test_array array;
    test_array_random(&array, PYAD_F64, 3, LIST(3, 4, 5), TEST_ANY);
    pyad_value in = value_of(&array);
    for (int kernel = PYAD_KERNEL_SUM; kernel <= PYAD_KERNEL_MIN; kernel++) {
        for (int64_t keep = 0; keep < 2; keep++) {
            pyad_value out = run(f, kernel, PARAMS(1 + 4, keep), 1, &in);
            check_shape(&out, PYAD_F64, keep ? 3 : 1, keep ? LIST(1, 4, 1) : LIST(4));
            for (int64_t j = 0; j < 4; j++) {
                double want = kernel == PYAD_KERNEL_SUM ? 0 : test_get(&array, 3, LIST(0, j, 0));
                for (int64_t i = 0; i < 15; i++) {
                    double x = test_get(&array, 3, LIST(i / 5, j, i % 5));
                    double most = kernel == PYAD_KERNEL_MAX ? fmax(want, x) : fmin(want, x);
                    want = kernel == PYAD_KERNEL_SUM ? want + x : most;
                }
                assert_true(get(&out, keep ? 3 : 1, keep ? LIST(0, j, 0) : LIST(j)) == want);
            }
        }
    }
    for (int kernel = PYAD_KERNEL_LOGSUMEXP; kernel <= PYAD_KERNEL_LOG_SOFTMAX; kernel++) {
        pyad_value out = run(f, kernel, PARAMS(1, 1), 1, &in);
        double sum = 0;
        for (int64_t j = 0; j < 4; j++)
            sum += exp(test_get(&array, 3, LIST(2, j, 3)));
        double x = test_get(&array, 3, LIST(2, 1, 3));
        double row = kernel == PYAD_KERNEL_SOFTMAX ? exp(x) / sum : x - log(sum);
        double want = kernel == PYAD_KERNEL_LOGSUMEXP ? log(sum) : row;
        assert_true(fabs(get(&out, 3, LIST(2, 1, 3)) - want) < 1e-13);
    }
    test_array_free(&array);
}

static void test_products(void **state)
{
    fixture *f = *state;
    test_array a;
    test_array b;
    test_array bias;
    test_array_random(&a, PYAD_F32, 3, LIST(2, 3, 4), TEST_ANY);
    test_array_random(&b, PYAD_F32, 2, LIST(4, 5), TEST_ANY);
    test_array_random(&bias, PYAD_F32, 1, LIST(5), TEST_CONTIGUOUS);
    pyad_value in[3] = {value_of(&a), value_of(&b), value_of(&bias)};
    pyad_value product = run(f, PYAD_KERNEL_MATMUL, NULL, 2, in);
    /* With a bias both have two dimensions. */
    pyad_value first[3] = {run(f, PYAD_KERNEL_SLICE, PARAMS(1, 1, -1, 0, 1, 3, 0, 1, 4), 1, in), in[1], in[2]};
    pyad_value affine = run(f, PYAD_KERNEL_AFFINE, NULL, 3, first);
    check_shape(&affine, PYAD_F32, 2, LIST(3, 5));
    check_shape(&product, PYAD_F32, 3, LIST(2, 3, 5));
    int64_t index[3] = {0};
    do {
        double want = 0;
        for (int64_t k = 0; k < 4; k++)
            want += test_get(&a, 3, LIST(index[0], index[1], k)) * test_get(&b, 2, LIST(k, index[2]));
        assert_true(get(&product, 3, index) == want);
        if (index[0] == 1)
            assert_true(get(&affine, 2, index + 1) == want + test_get(&bias, 1, index + 2));
    } while (test_next(3, LIST(2, 3, 5), index));
    test_array_free(&a);
    test_array_free(&b);
    test_array_free(&bias);
}

static void test_indexing(void **state)
{
    fixture *f = *state;
    test_array table;
    int64_t index_data[4] = {2, 0, 2, 1};
    pyad_layout_any index_layout;
    pyad_layout_fill(&index_layout, PYAD_I64, 2, LIST(2, 2));
    test_array_random(&table, PYAD_F64, 2, LIST(3, 4), TEST_ANY);
    pyad_value in[2] = {value_of(&table), {&index_layout.layout, index_data, NULL}};
    pyad_value rows = run(f, PYAD_KERNEL_TAKE, NULL, 2, in);
    check_shape(&rows, PYAD_F64, 3, LIST(2, 2, 4));
    pyad_value back_in[2] = {rows, in[1]};
    pyad_value back = run(f, PYAD_KERNEL_PUT, PARAMS(4), 2, back_in);
    check_shape(&back, PYAD_F64, 2, LIST(4, 4));
    for (int64_t k = 0; k < 16; k++) {
        double want = test_get(&table, 2, LIST(index_data[k / 4], k % 4));
        assert_true(get(&rows, 3, LIST(k / 8, k / 4 % 2, k % 4)) == want);
        double times = k / 4 == 2 ? 2 : k / 4 == 3 ? 0 : 1;
        assert_true(get(&back, 2, LIST(k / 4, k % 4)) == times * test_get(&table, 2, LIST(k / 4 % 3, k % 4)));
    }
    pyad_value parts[11];
    for (int k = 0; k < 11; k++)
        parts[k] = k % 2 ? in[0] : back;
    pyad_value joined = run(f, PYAD_KERNEL_CONCATENATE, PARAMS(0), 11, parts);
    check_shape(&joined, PYAD_F64, 2, LIST(39, 4));
    assert_true(get(&joined, 2, LIST(36, 1)) == get(&back, 2, LIST(1, 1)));
    assert_true(get(&joined, 2, LIST(6, 3)) == test_get(&table, 2, LIST(2, 3)));
    drop(f, &joined);
    test_array_free(&table);
}

static void test_no_elements(void **state)
{
    fixture *f = *state;
    test_array none;
    test_array_make(&none, PYAD_F64, 2, LIST(0, 3), TEST_ANY);
    pyad_value in[2] = {value_of(&none), value_of(&none)};
    pyad_value sum = run(f, PYAD_KERNEL_SUM, PARAMS(1, 0), 1, in);
    check_shape(&sum, PYAD_F64, 1, LIST(3));
    assert_true(get(&sum, 1, LIST(2)) == 0);
    pyad_value out = run(f, PYAD_KERNEL_MAX, PARAMS(2, 0), 1, in);
    check_shape(&out, PYAD_F64, 1, LIST(0));
    out = run(f, PYAD_KERNEL_SOFTMAX, PARAMS(1), 1, in);
    out = run(f, PYAD_KERNEL_SOFTMAX, PARAMS(0), 1, in);
    check_shape(&out, PYAD_F64, 2, LIST(0, 3));
    out = run(f, PYAD_KERNEL_LOGSUMEXP, PARAMS(1, 0), 1, in);
    check_shape(&out, PYAD_F64, 1, LIST(0));
    out = run(f, PYAD_LOOP_ADD, NULL, 2, in);
    out = run(f, PYAD_KERNEL_RESHAPE, PARAMS(7, 0, 2), 1, in);
    out = run(f, PYAD_KERNEL_BROADCAST, PARAMS(2, 0, 3), 1, in);
    out = run(f, PYAD_KERNEL_CONCATENATE, PARAMS(0), 2, in);
    out = run(f, PYAD_KERNEL_CAST, PARAMS(PYAD_I8), 1, in);
    in[1] = run(f, PYAD_KERNEL_TRANSPOSE, PARAMS(1, 0), 1, in);
    out = run(f, PYAD_KERNEL_MATMUL, NULL, 2, in);
    check_shape(&out, PYAD_F64, 2, LIST(0, 0));
    pyad_value turned[2] = {in[1], in[0]};
    out = run(f, PYAD_KERNEL_MATMUL, NULL, 2, turned);
    check_shape(&out, PYAD_F64, 2, LIST(3, 3));
    assert_true(get(&out, 2, LIST(1, 1)) == 0);
    test_array_free(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reshape, setup, teardown),
        cmocka_unit_test_setup_teardown(test_slices, setup, teardown),
        cmocka_unit_test_setup_teardown(test_turned_and_spread, setup, teardown),
        cmocka_unit_test_setup_teardown(test_view_holds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reductions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_products, setup, teardown),
        cmocka_unit_test_setup_teardown(test_indexing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_elements, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
