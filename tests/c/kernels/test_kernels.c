/* Copies, reductions, softmax, indexing and matrix products against plain loops over indices. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernels/kernels.h"
#include "support/arrays.h"
#include "support/memory.h"

enum { ROUNDS = 400, BIG_ROUNDS = 40 };

static void assert_same(double a, double b)
{
    if (a != b && !(isnan(a) && isnan(b)))
        fail_msg("%.17g is not %.17g", a, b);
}

static void assert_near(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance * (1.0 + fabs(b))) && !(isnan(a) && isnan(b)) && a != b)
        fail_msg("%.17g is not near %.17g", a, b);
}

/* --- Copies ------------------------------------------------------------------------------------------------------- */

static void check_copy(int dst_dtype, int src_dtype, int ndim, const int64_t *shape)
{
    int64_t narrower[PYAD_MAX_NDIM] = {0};
    test_array src;
    test_array dst;
    if (test_random(2) == 0)
        test_array_make(&src, src_dtype, ndim, shape, test_random(2) == 0 ? TEST_BROADCAST : test_random_style());
    else
        test_array_make(&src, src_dtype, test_random_narrower(ndim, shape, narrower), narrower, test_random_style());
    test_array_make(&dst, dst_dtype, ndim, shape, test_random_style());
    test_array_fill(&src, 0, 100);
    pyad_copy(test_view(&dst), test_view(&src));
    int64_t index[PYAD_MAX_NDIM] = {0};
    if (dst.layout.layout.size > 0) {
        do {
            double value = test_get(&src, ndim, index);
            assert_same(test_get(&dst, ndim, index), dst_dtype == PYAD_BOOL ? value != 0 : value);
        } while (test_next(ndim, shape, index));
    }
    pyad_zero(test_view(&dst));
    if (dst.layout.layout.size > 0) {
        do {
            assert_same(test_get(&dst, ndim, index), 0);
        } while (test_next(ndim, shape, index));
    }
    test_array_free(&src);
    test_array_free(&dst);
}

static void test_copy_pairs(void **state)
{
    (void)state;
    for (int src = 0; src < PYAD_DTYPE_COUNT; src++) {
        for (int dst = 0; dst < PYAD_DTYPE_COUNT; dst++) {
            for (int round = 0; round < 12; round++) {
                int64_t shape[4] = {0};
                check_copy(dst, src, test_random_shape(4, 6, shape), shape);
            }
            check_copy(dst, src, 1, SHAPE(600));
        }
    }
}

static void test_copy_big(void **state)
{
    (void)state;
    static const int dtypes[] = {PYAD_BOOL, PYAD_I16, PYAD_F32, PYAD_F64};
    for (int round = 0; round < BIG_ROUNDS; round++) {
        int dtype = dtypes[round % 4];
        int64_t shape[3] = {1 + test_random(4), 1 + test_random(70), 1 + test_random(70)};
        check_copy(dtype, dtype, 3, shape);
        check_copy(PYAD_F64, dtype, 3, shape);
    }
}

/* Gaps stay as they are, and so does what lies beside the destination. */
static void test_copy_leaves_gaps(void **state)
{
    (void)state;
    float dst[8] = {9, 9, 9, 9, 9, 9, 9, 9};
    const float expected[8] = {9, 1, 9, 2, 9, 3, 9, 9};
    float from[3] = {1, 2, 3};
    pyad_layout_any to_layout;
    pyad_layout_any from_layout;
    assert_int_equal(pyad_layout_fill_strided(&to_layout, PYAD_F32, 1, SHAPE(3), SHAPE(2)), PYAD_OK);
    assert_int_equal(pyad_layout_fill(&from_layout, PYAD_F32, 1, SHAPE(3)), PYAD_OK);
    pyad_copy((pyad_view){&to_layout.layout, dst + 1}, (pyad_view){&from_layout.layout, from});
    assert_memory_equal(dst, expected, sizeof dst);
    pyad_zero((pyad_view){&to_layout.layout, dst + 1});
    assert_true(dst[0] == 9 && dst[1] == 0 && dst[2] == 9 && dst[5] == 0 && dst[6] == 9);
}

static void convert_one(int dst_dtype, void *dst, int src_dtype, void *src)
{
    pyad_copy((pyad_view){pyad_layout_scalar(dst_dtype), dst}, (pyad_view){pyad_layout_scalar(src_dtype), src});
}

static int64_t to_i64(double value)
{
    int64_t out;
    convert_one(PYAD_I64, &out, PYAD_F64, &value);
    return out;
}

static uint64_t to_u64(double value)
{
    uint64_t out;
    convert_one(PYAD_U64, &out, PYAD_F64, &value);
    return out;
}

static void test_copy_edges(void **state)
{
    (void)state;
    assert_true(to_i64((double)NAN) == INT64_MIN && to_i64((double)INFINITY) == INT64_MIN);
    assert_true(to_i64(1e19) == INT64_MIN && to_i64(-1e19) == INT64_MIN && to_i64(-2.7) == -2);
    assert_true(to_i64(9223372036854774784.0) == INT64_C(9223372036854774784));
    assert_true(to_u64(1e19) == UINT64_C(10000000000000000000) && to_u64(-1.0) == UINT64_MAX);
    assert_true(to_u64(1e20) == UINT64_C(1) << 63);
    double big = 4294967296.0 * 3 + 7;
    int32_t low;
    convert_one(PYAD_I32, &low, PYAD_F64, &big);
    assert_int_equal(low, 7);
    float huge = 3e38f;
    int8_t tiny;
    convert_one(PYAD_I8, &tiny, PYAD_F32, &huge);
    assert_int_equal(tiny, 0);
    double nan = (double)NAN;
    uint8_t truth;
    convert_one(PYAD_BOOL, &truth, PYAD_F64, &nan);
    assert_int_equal(truth, 1);
    double half = 0.5;
    convert_one(PYAD_BOOL, &truth, PYAD_F64, &half);
    assert_int_equal(truth, 1);
    int64_t negative = -2;
    uint16_t wrapped;
    convert_one(PYAD_U16, &wrapped, PYAD_I64, &negative);
    assert_int_equal(wrapped, 65534);
    uint64_t top = UINT64_MAX;
    float real;
    convert_one(PYAD_F32, &real, PYAD_U64, &top);
    assert_same((double)real, 18446744073709551616.0);
    int32_t odd = 16777217;
    convert_one(PYAD_F32, &real, PYAD_I32, &odd);
    assert_same((double)real, 16777216.0);
}

/* --- Reductions --------------------------------------------------------------------------------------------------- */

static double reduce_step(pyad_reduction kind, double old, double x)
{
    if (kind == PYAD_SUM)
        return old + x;
    if (isnan(old) || isnan(x))
        return (double)NAN;
    return kind == PYAD_MAX ? fmax(old, x) : fmin(old, x);
}

/* dst (of src's rank, reduced axes of length 1, contiguous) by a loop over all elements. */
static void check_reduce(pyad_reduction kind, int dtype, int ndim, const int64_t *shape, uint32_t axes, bool nans)
{
    int64_t kept[PYAD_MAX_NDIM] = {0};
    test_array src;
    test_array dst;
    test_array expected;
    test_array_random(&src, dtype, ndim, shape, test_random(4) == 0 ? TEST_BROADCAST : test_random_style());
    for (int axis = 0; axis < ndim; axis++)
        kept[axis] = axes >> axis & 1u ? 1 : shape[axis];
    test_array_make(&dst, dtype, ndim, kept, TEST_CONTIGUOUS);
    test_array_make(&expected, PYAD_F64, ndim, kept, TEST_CONTIGUOUS);
    int64_t index[PYAD_MAX_NDIM] = {0};
    int64_t size = src.layout.layout.size;
    if (size > 0) {
        for (int count = 0; nans && count < 2; count++) {
            for (int axis = 0; axis < ndim; axis++)
                index[axis] = test_random(shape[axis]);
            test_set(&src, ndim, index, count == 0 ? (double)NAN : (double)INFINITY);
        }
        memset(index, 0, sizeof index);
        do {
            test_set(&expected, ndim, index, kind == PYAD_SUM ? 0 : test_get(&src, ndim, index));
        } while (test_next(ndim, shape, index));
        do {
            double old = test_get(&expected, ndim, index);
            test_set(&expected, ndim, index, reduce_step(kind, old, test_get(&src, ndim, index)));
        } while (test_next(ndim, shape, index));
    }
    if (dst.layout.layout.size > 0)
        memset(dst.block, 0x5a, pyad_layout_bytes(&dst.layout.layout));
    if (size > 0 || kind == PYAD_SUM)
        pyad_reduce(kind, test_view(&dst), test_view(&src), axes);
    if (dst.layout.layout.size > 0 && (size > 0 || kind == PYAD_SUM)) {
        memset(index, 0, sizeof index);
        do {
            assert_same(test_get(&dst, ndim, index), test_get(&expected, ndim, index));
        } while (test_next(ndim, kept, index));
    }
    test_array_free(&src);
    test_array_free(&dst);
    test_array_free(&expected);
}

static void test_reduce_random(void **state)
{
    (void)state;
    for (int round = 0; round < 4 * ROUNDS; round++) {
        int64_t shape[5] = {0};
        int ndim = test_random_shape(5, 6, shape);
        uint32_t axes = (uint32_t)test_random((int64_t)1 << ndim);
        check_reduce((pyad_reduction)(round % 3), test_random_float(), ndim, shape, axes, test_random(4) == 0);
    }
}

/* Lengths around the sizes at which the kernels change their ways. */
static void test_reduce_long(void **state)
{
    (void)state;
    static const int64_t lengths[] = {1, 2, 3, 10, 16, 31, 33, 127, 128, 129, 255, 257, 511, 513, 1030};
    int count = (int)(sizeof lengths / sizeof lengths[0]);
    for (int round = 0; round < ROUNDS; round++) {
        int64_t shape[3] = {1 + test_random(3), lengths[test_random(count)], lengths[test_random(count)]};
        if (shape[1] * shape[2] > 100000)
            shape[1] = 40;
        uint32_t axes = (uint32_t)test_random(8);
        check_reduce((pyad_reduction)(round % 3), test_random_float(), 3, shape, axes, test_random(3) == 0);
    }
    check_reduce(PYAD_SUM, PYAD_F32, 2, SHAPE(40000, 3), 1, false);
    check_reduce(PYAD_SUM, PYAD_F64, 3, SHAPE(20000, 2, 2), 5, false);
}

/* The sum of 0.1 over a long axis: adding one by one in float32 would be off by more than 1 %. */
static void test_sum_accuracy(void **state)
{
    (void)state;
    enum { LONG = 1 << 20 };
    static const int64_t strides[][2] = {{3, 1}, {1, LONG}, {6, 2}};
    float *data = malloc(6 * (size_t)LONG * sizeof *data);
    assert_non_null(data);
    for (int i = 0; i < 6 * LONG; i++)
        data[i] = 0.1f;
    for (int layout = 0; layout < 3; layout++) {
        pyad_layout_any src;
        pyad_layout_any dst;
        float sums[3] = {0};
        assert_int_equal(pyad_layout_fill_strided(&src, PYAD_F32, 2, SHAPE(LONG, 3), strides[layout]), PYAD_OK);
        assert_int_equal(pyad_layout_fill(&dst, PYAD_F32, 1, SHAPE(3)), PYAD_OK);
        pyad_reduce(PYAD_SUM, (pyad_view){&dst.layout, sums}, (pyad_view){&src.layout, data}, 1);
        for (int column = 0; column < 3; column++)
            assert_near((double)sums[column], LONG * (double)0.1f, 1e-5);
        pyad_reduce_add((pyad_view){&dst.layout, sums}, (pyad_view){&src.layout, data});
        for (int column = 0; column < 3; column++)
            assert_near((double)sums[column], 2 * LONG * (double)0.1f, 1e-5);
    }
    free(data);
}

static void check_reduce_add(int dtype, int ndim, const int64_t *shape)
{
    int64_t narrower[PYAD_MAX_NDIM] = {0};
    test_array src;
    test_array dst;
    test_array expected;
    int dst_ndim = test_random_narrower(ndim, shape, narrower);
    test_array_random(&src, dtype, ndim, shape, test_random(4) == 0 ? TEST_BROADCAST : test_random_style());
    test_array_random(&dst, dtype, dst_ndim, narrower, test_random_style());
    test_array_make(&expected, PYAD_F64, dst_ndim, narrower, TEST_CONTIGUOUS);
    pyad_copy(test_view(&expected), test_view(&dst));
    int64_t index[PYAD_MAX_NDIM] = {0};
    if (src.layout.layout.size > 0) {
        do {
            double sum = test_get(&expected, ndim, index) + test_get(&src, ndim, index);
            test_set(&expected, ndim, index, sum);
        } while (test_next(ndim, shape, index));
    }
    pyad_reduce_add(test_view(&dst), test_view(&src));
    if (dst.layout.layout.size > 0) {
        do {
            assert_same(test_get(&dst, dst_ndim, index), test_get(&expected, dst_ndim, index));
        } while (test_next(dst_ndim, narrower, index));
    }
    test_array_free(&src);
    test_array_free(&dst);
    test_array_free(&expected);
}

static void test_reduce_add(void **state)
{
    (void)state;
    for (int round = 0; round < 4 * ROUNDS; round++) {
        int64_t shape[4] = {0};
        check_reduce_add(test_random_float(), test_random_shape(4, 7, shape), shape);
    }
    for (int round = 0; round < BIG_ROUNDS; round++) {
        check_reduce_add(test_random_float(), 2, SHAPE(1 + test_random(300), 1 + test_random(600)));
        check_reduce_add(test_random_float(), 2, SHAPE(1 + test_random(900), 1 + test_random(33)));
    }
}

/* --- Softmax ------------------------------------------------------------------------------------------------------ */

static double logsumexp_at(test_array *src, int axis, const int64_t *index)
{
    int ndim = src->layout.layout.ndim;
    int64_t at[PYAD_MAX_NDIM];
    memcpy(at, index, sizeof at);
    double most = -(double)INFINITY;
    double sum = 0;
    for (at[axis] = 0; at[axis] < pyad_shape(&src->layout.layout)[axis]; at[axis]++)
        most = fmax(most, test_get(src, ndim, at));
    most = isfinite(most) ? most : 0;
    for (at[axis] = 0; at[axis] < pyad_shape(&src->layout.layout)[axis]; at[axis]++)
        sum += exp(test_get(src, ndim, at) - most);
    return most + log(sum);
}

/* Infinities and NaN in a few places, or minus infinity everywhere. */
static void spoil(test_array *array)
{
    static const float values[] = {INFINITY, -INFINITY, -INFINITY, NAN};
    const pyad_layout *layout = &array->layout.layout;
    int64_t index[PYAD_MAX_NDIM] = {0};
    if (layout->size == 0)
        return;
    int64_t rarity = 1 + test_random(20);
    int count = rarity == 1 ? 0 : 4;
    do {
        if (test_random(rarity) == 0)
            test_set(array, layout->ndim, index, (double)values[count == 0 ? 1 : test_random(count)]);
    } while (test_next(layout->ndim, pyad_shape(layout), index));
}

static void check_softmax(pyad_softmax_kind kind, int dtype, int ndim, const int64_t *shape)
{
    test_array src;
    test_array dst;
    int axis = (int)test_random(ndim);
    int64_t out[PYAD_MAX_NDIM] = {0};
    memcpy(out, shape, (size_t)ndim * sizeof *out);
    if (kind == PYAD_LOGSUMEXP)
        out[axis] = 1;
    test_array_random(&src, dtype, ndim, shape, test_random(4) == 0 ? TEST_BROADCAST : test_random_style());
    if (test_random(4) == 0)
        spoil(&src);
    test_array_make(&dst, dtype, ndim, out, TEST_CONTIGUOUS);
    assert_int_equal(pyad_softmax(&memory, kind, test_view(&dst), test_view(&src), axis), PYAD_OK);
    int64_t index[PYAD_MAX_NDIM] = {0};
    int64_t length = shape[axis];
    out[axis] = 1;
    double tolerance = dtype == PYAD_F32 ? 1e-6 : 1e-14;
    if (src.layout.layout.size > 0) {
        do {
            double total = logsumexp_at(&src, axis, index);
            for (index[axis] = 0; index[axis] < length; index[axis]++) {
                double x = test_get(&src, ndim, index);
                double expected = kind == PYAD_LOGSUMEXP ? total : kind == PYAD_SOFTMAX ? exp(x - total) : x - total;
                assert_near(test_get(&dst, ndim, index), expected, tolerance);
            }
            index[axis] = 0;
        } while (test_next(ndim, out, index));
    }
    test_array_free(&src);
    test_array_free(&dst);
}

static void test_softmax(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t shape[4] = {0};
        int ndim = test_random_shape(4, 7, shape);
        if (ndim > 0)
            check_softmax((pyad_softmax_kind)(round % 3), test_random_float(), ndim, shape);
    }
    for (int round = 0; round < 3 * BIG_ROUNDS; round++) {
        int64_t shape[2] = {1 + test_random(round % 2 ? 150 : 400), 1 + test_random(round % 2 ? 150 : 40)};
        check_softmax((pyad_softmax_kind)(round % 3), test_random_float(), 2, shape);
    }
    check_softmax(PYAD_LOG_SOFTMAX, PYAD_F32, 2, SHAPE(1, 20000));
    check_softmax(PYAD_SOFTMAX, PYAD_F64, 2, SHAPE(20000, 2));
}

static void test_softmax_out_of_memory(void **state)
{
    (void)state;
    test_array src;
    test_array dst;
    test_array_random(&src, PYAD_F32, 2, SHAPE(300, 40), TEST_CONTIGUOUS);
    test_array_make(&dst, PYAD_F32, 2, SHAPE(300, 40), TEST_CONTIGUOUS);
    pyad_mem_trim(&memory);
    test_hook_fail_after(&hook, 0);
    assert_int_equal(pyad_softmax(&memory, PYAD_SOFTMAX, test_view(&dst), test_view(&src), 0), PYAD_ERR_MEMORY);
    assert_int_equal(pyad_softmax(&memory, PYAD_SOFTMAX, test_view(&dst), test_view(&src), 1), PYAD_OK);
    test_hook_never_fail(&hook);
    assert_int_equal(pyad_softmax(&memory, PYAD_SOFTMAX, test_view(&dst), test_view(&src), 0), PYAD_OK);
    assert_int_equal(memory.live_buffers, 0);
    test_array_free(&src);
    test_array_free(&dst);
}

/* One step of a scan after another, from the definition. */
static void check_scan(pyad_scan_kind kind, int dtype, int ndim, const int64_t *shape)
{
    test_array terms;
    test_array factors;
    test_array dst;
    int axis = (int)test_random(ndim);
    bool reverse = test_random(2) == 1;
    test_array_random(&terms, dtype, ndim, shape, test_random_style());
    test_array_random(&factors, dtype, ndim, shape, test_random_style());
    test_array_make(&dst, dtype, ndim, shape, TEST_CONTIGUOUS);
    pyad_view view = test_view(&factors);
    pyad_scan(kind, test_view(&dst), test_view(&terms), kind == PYAD_RECUR ? &view : NULL, axis, reverse);
    int64_t index[PYAD_MAX_NDIM] = {0};
    int64_t lines[PYAD_MAX_NDIM] = {0};
    memcpy(lines, shape, (size_t)ndim * sizeof *lines);
    lines[axis] = 1;
    if (terms.layout.layout.size > 0) {
        do {
            double y = 0;
            for (int64_t i = 0; i < shape[axis]; i++) {
                index[axis] = reverse ? shape[axis] - 1 - i : i;
                double x = test_get(&terms, ndim, index);
                double a = test_get(&factors, ndim, index);
                double next = kind == PYAD_CUMSUM ? y + x : kind == PYAD_CUMPROD ? y * x : x + a * y;
                y = i == 0 ? x : next;
                y = dtype == PYAD_F32 ? (double)(float)y : y;
                double got = test_get(&dst, ndim, index);
                assert_true(got == y || fabs(got - y) <= (dtype == PYAD_F32 ? 1e-6 : 1e-14) * fabs(y));
                y = got;
            }
            index[axis] = 0;
        } while (test_next(ndim, lines, index));
    }
    test_array_free(&terms);
    test_array_free(&factors);
    test_array_free(&dst);
}

static void test_scan(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t shape[4] = {0};
        int ndim = test_random_shape(4, 12, shape);
        if (ndim > 0)
            check_scan((pyad_scan_kind)(round % 3), test_random_float(), ndim, shape);
    }
    for (int kind = 0; kind < 3; kind++)
        check_scan((pyad_scan_kind)kind, PYAD_F64, 2, SHAPE(5, 1100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copy_pairs),
        cmocka_unit_test(test_copy_big),
        cmocka_unit_test(test_copy_leaves_gaps),
        cmocka_unit_test(test_copy_edges),
        cmocka_unit_test(test_reduce_random),
        cmocka_unit_test(test_reduce_long),
        cmocka_unit_test(test_sum_accuracy),
        cmocka_unit_test(test_reduce_add),
        cmocka_unit_test(test_softmax),
        cmocka_unit_test(test_softmax_out_of_memory),
        cmocka_unit_test(test_scan),
    };
    return cmocka_run_group_tests(tests, start, finish);
}
