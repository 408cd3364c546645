/* Writes on the tape: in place or not, and their derivatives, through the public header. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/engine.h"

enum { N = 300 };

static double x_data[N];

static int64_t leaf(int64_t n, int flags)
{
    for (int i = 0; i < N; i++)
        x_data[i] = 0.5 + 0.001 * i;
    return ok(test_leaf(flags, PYAD_F64, 1, &n, x_data));
}

static int64_t zeros(int64_t n)
{
    int64_t zero = ok(pyad_const_number(0, PYAD_F64));
    return ok(test_op(PYAD_KERNEL_BROADCAST, zero, 1, &n));
}

static int64_t set(int64_t a, int64_t i, double number)
{
    return ok(pyad_set_number(a, 1, i, 0, number));
}

static const void *memory(int64_t a)
{
    pyad_info info;
    OK(pyad_look(a, &info));
    return info.data;
}

static double element(int64_t a, int64_t i)
{
    return pyad_read_number(ok(pyad_item(a, 1, i, 0)));
}

static bool is_gone(int64_t a)
{
    return pyad_ndim_of(a) < 0;
}

/* The first write copies, the next ones do not, and what they wrote over is not there any more. */
static void test_in_place(void **state)
{
    (void)state;
    for (int64_t n = 12; n <= N; n += N - 12) {
        int64_t first = set(leaf(n, 0), 1, 7.0);
        assert_true(memory(first) != x_data);
        const void *at = memory(first);
        int64_t second = set(first, -1, 8.0);
        assert_ptr_equal(memory(second), at);
        assert_true(is_gone(first));
        assert_int_equal(test_status(pyad_op1(PYAD_LOOP_EXP, first)), PYAD_ERR_STALE);
        assert_true(isnan(pyad_read_number(first)));
        int64_t view = ok(pyad_assign(second, ok(pyad_const_number(3, PYAD_F64)), 4, LIST(2, 1, 3, 2)));
        assert_ptr_equal(memory(view), at);
        int64_t index[2] = {0, 5};
        int64_t places = ok(test_leaf(PYAD_LEND_CONST, 4, 1, LIST(2), index));
        int64_t last = ok(pyad_assign_at(view, ok(test_leaf(1, PYAD_F64, 1, LIST(2), x_data)), places));
        assert_ptr_equal(memory(last), at);
        const double want[8] = {x_data[0], 7, 3, x_data[3], 3, x_data[1], 3, x_data[7]};
        for (int i = 0; i < 8; i++)
            assert_true(element(last, i) == want[i]);
        assert_true(element(last, n - 1) == 8.0);
        pyad_counters counters;
        pyad_count(&counters);
        assert_int_equal(counters.copied_bytes, 8 * (n == 12 ? 12 : 12 + N));
    }
}

/* Whoever needs the old value keeps it. */
static void test_kept(void **state)
{
    (void)state;
    for (int64_t n = 12; n <= N; n += N - 12) {
        for (int reason = 0; reason < 6; reason++) {
            int64_t a = set(leaf(n, 0), 0, 2.0);
            int64_t other = 0;
            if (reason == 0) /* a rule reads it */
                other = ok(pyad_op2(PYAD_LOOP_MUL, a, a));
            else if (reason == 1) /* a copy of it */
                other = ok(pyad_same(a));
            else if (reason == 2) /* the leaf of a nested transform */
                other = ok(pyad_alias(a));
            else if (reason == 3) /* a view of most of it */
                other = ok(test_op(PYAD_KERNEL_SLICE, a, 3, LIST(1, 1, n - 1)));
            else if (reason == 4) /* a view of a view */
                other = ok(test_op(PYAD_KERNEL_SLICE, ok(test_op(PYAD_KERNEL_RESHAPE, a, 2, LIST(n, 1))), 6,
                                   LIST(0, 1, n - 1, 0, 1, 1)));
            else /* an operation of the caller's, whose value it is */
                other = ok(pyad_op_ran_node(1000, 1, &a, 0, a));
            const void *at = memory(a);
            int64_t b = set(a, 1, 5.0);
            assert_true(memory(b) != at);
            assert_false(is_gone(a));
            assert_true(element(a, 1) == x_data[1]);
            assert_true(element(b, 1) == 5.0);
            assert_true(pyad_ndim_of(other) >= 0);
            /* The new value is its own again. */
            at = memory(b);
            assert_ptr_equal(memory(set(b, 2, 1.0)), at);
        }
        /* Small views are copies, so they are no reason. */
        int64_t a = set(leaf(n, 0), 0, 2.0);
        int64_t view = ok(test_op(PYAD_KERNEL_SLICE, a, 3, LIST(0, 2, 3)));
        int64_t window = ok(test_op(PYAD_KERNEL_STRIDED_VIEW, a, 6, LIST(0, 2, 2, 2, 1, 1)));
        int64_t b = set(a, 0, 9.0);
        assert_true(is_gone(a));
        assert_true(element(view, 0) == 2.0);
        assert_true(pyad_read_number(ok(pyad_item(window, 2, 0, 0))) == 2.0);
        assert_true(element(b, 0) == 9.0);
        /* Written by itself: x is the array. */
        int64_t c = ok(pyad_assign(b, b, 4, LIST(0, 1, n, 1)));
        assert_true(memory(c) != memory(b));
    }
}

/* What an outer transform recorded is not written over by an inner one, which may be cut away. */
static void test_outer(void **state)
{
    (void)state;
    int64_t a = set(leaf(N, 0), 0, 2.0);
    OK(pyad_mark_open(test_generation++, 0));
    int64_t b = set(a, 0, 3.0);
    assert_true(memory(b) != memory(a));
    int64_t c = set(b, 1, 4.0);
    assert_true(is_gone(b));
    assert_true(element(c, 0) == 3.0);
    pyad_mark_cut();
    assert_true(element(a, 0) == 2.0);
    assert_true(is_gone(c));
}

static void test_items(void **state)
{
    (void)state;
    int64_t flat = leaf(12, 0);
    int64_t a = ok(test_op(PYAD_KERNEL_RESHAPE, flat, 2, LIST(3, 4)));
    int64_t turned = ok(test_op(PYAD_KERNEL_TRANSPOSE, a, 2, LIST(1, 0)));
    assert_true(pyad_read_number(ok(pyad_item(a, 2, 1, -1))) == x_data[7]);
    assert_true(pyad_read_number(ok(pyad_item(turned, 2, -1, 1))) == x_data[7]);
    int64_t row = ~pyad_item(turned, 1, 3, 0);
    assert_int_equal(pyad_ndim_of(row), 1);
    assert_true(element(row, 2) == x_data[11]);
    int64_t b = ok(pyad_set_number(turned, 2, 3, 1, 9.0));
    assert_true(pyad_read_number(ok(pyad_item(b, 2, 3, 1))) == 9.0);
    assert_true(pyad_read_number(ok(pyad_item(b, 2, 2, 1))) == x_data[6]);
    const int64_t bounds[][5] = {
        /* start, stop, step, then the first place and the count of x[start:stop:step] for 12 elements */
        {INT64_MIN, INT64_MIN, INT64_MIN, 0, 12},
        {2, INT64_MIN, 3, 2, 4},
        {-3, 100, INT64_MIN, 9, 3},
        {INT64_MIN, INT64_MIN, -1, 11, 12},
        {-2, 3, -4, 10, 2},
        {100, -100, -5, 11, 3},
        {5, 5, 1, 0, 0},
        {INT64_MAX, 0, 1, 0, 0},
        {0, 12, INT64_MAX, 0, 1},
        {0, 1, -1, 0, 0},
        {11, 0, -INT64_MAX, 11, 1},
    };
    for (size_t k = 0; k < sizeof bounds / sizeof bounds[0]; k++) {
        int64_t view = ok(pyad_slice(flat, bounds[k][0], bounds[k][1], bounds[k][2]));
        assert_int_equal(pyad_size_of(view), bounds[k][4]);
        if (bounds[k][4] > 0)
            assert_true(element(view, 0) == x_data[bounds[k][3]]);
    }
    assert_int_equal(pyad_size_of(ok(pyad_slice(turned, 1, 3, INT64_MIN))), 6);
    assert_int_equal(test_status(pyad_slice(flat, 0, 1, 0)), PYAD_ERR_VALUE);
    assert_int_equal(test_status(pyad_slice(ok(pyad_item(flat, 1, 0, 0)), 0, 1, 1)), PYAD_ERR_VALUE);
    assert_int_equal(test_status(pyad_slice((int64_t)1 << 40, 0, 1, 1)), PYAD_ERR_STALE);
    assert_int_equal(pyad_is_const(b), 0);
    assert_int_equal(pyad_is_const(ok(pyad_const_number(1, PYAD_F64))), 1);
    assert_int_equal(pyad_is_const(-1), -1);
    int64_t narrow = ok(pyad_const_number(1, PYAD_F32));
    const int64_t handles[] = {
        pyad_item(a, 1, 3, 0),
        pyad_item(a, 1, -4, 0),
        pyad_item(a, 2, 0, 4),
        pyad_item(flat, 2, 0, 0),
        pyad_item(ok(pyad_item(flat, 1, 0, 0)), 1, 0, 0),
        pyad_item(a, 3, 0, 0),
        pyad_item(a, 0, 0, 0),
        pyad_set_number(a, 1, 0, 0, 1.0),
        pyad_set_number(flat, 1, 12, 0, 1.0),
        pyad_set_item(flat, 1, 0, 0, narrow),
        pyad_set_item(flat, 1, 0, 0, flat),
        pyad_assign(flat, flat, 100, NULL),
        pyad_assign(flat, narrow, -1, NULL),
    };
    for (size_t k = 0; k < sizeof handles / sizeof handles[0]; k++)
        assert_int_equal(test_status(handles[k]), PYAD_ERR_VALUE);
    const int64_t stale = (int64_t)1 << 40;
    assert_int_equal(test_status(pyad_item(stale, 1, 0, 0)), PYAD_ERR_STALE);
    assert_int_equal(test_status(pyad_set_item(flat, 1, 0, 0, stale)), PYAD_ERR_STALE);
    assert_int_equal(test_status(pyad_set_number(stale, 1, 0, 0, 1)), PYAD_ERR_STALE);
    assert_int_equal(test_status(pyad_assign(stale, flat, 2, LIST(0, 0))), PYAD_ERR_STALE);
    assert_int_equal(test_status(pyad_assign_at(flat, flat, stale)), PYAD_ERR_STALE);
    assert_int_equal(test_status(pyad_same(stale)), PYAD_ERR_STALE);
}

/* a[0] = x[0]; a[i] = a[i - 1] * x[i]: the last element is the product. */
static int64_t products(int64_t x, int64_t n)
{
    int64_t a = zeros(n);
    a = ok(pyad_set_item(a, 1, 0, 0, ok(pyad_item(x, 1, 0, 0))));
    for (int64_t i = 1; i < n; i++) {
        int64_t left = ok(pyad_item(a, 1, i - 1, 0));
        int64_t right = ok(pyad_item(x, 1, i, 0));
        a = ok(pyad_set_item(a, 1, i, 0, ok(pyad_op2(PYAD_LOOP_MUL, left, right))));
    }
    return a;
}

static double tangent(int flags, int64_t y, int64_t x, int64_t way)
{
    double got = NAN;
    OK(pyad_sweep_start(PYAD_SWEEP_FORWARD | flags, 1, &y, 1, &x));
    int status = pyad_sweep_seed(x, way);
    if (status == 0)
        status = test_go();
    if (status == 0)
        status = pyad_sweep_copy(y, &got);
    pyad_sweep_stop();
    if (status != 0)
        fail_msg("status %d: %s", status, pyad_last_message());
    return got;
}

static void test_element_loop(void **state)
{
    (void)state;
    for (int64_t n = 12; n <= N; n += N - 12) {
        int64_t x = leaf(n, 0);
        int64_t a = products(x, n);
        int64_t y = ok(pyad_item(a, 1, -1, 0));
        double value = pyad_read_number(y);
        double gradient[N];
        for (int flags = 0; flags <= PYAD_SWEEP_RETAIN; flags += PYAD_SWEEP_RECORDED) {
            OK(test_gradient(flags | PYAD_SWEEP_RETAIN, y, x, gradient));
            for (int i = 0; i < n; i++)
                near(gradient[i], value / x_data[i], 1e-12);
        }
        near(tangent(0, y, x, x), (double)n * value, 1e-12);
        near(tangent(PYAD_SWEEP_RECORDED, y, x, x), (double)n * value, 1e-12);
    }
}

/* One slot serves all states of the array, so the sweeps need memory for one, not for each. */
static void test_sweeps_are_linear(void **state)
{
    (void)state;
    enum { MANY = 1000 };
    pyad_counters before;
    pyad_counters after;
    int64_t x = leaf(N, 0);
    int64_t a = zeros(N);
    int64_t read[MANY];
    for (int i = 0; i < MANY; i++) {
        a = ok(pyad_set_item(a, 1, i % N, 0, ok(pyad_item(x, 1, i % N, 0))));
        read[i] = ok(pyad_item(a, 1, i * 7 % N, 0));
    }
    int64_t y = read[MANY - 1];
    for (int i = MANY - 2; i >= 0; i--)
        y = ok(pyad_op2(PYAD_LOOP_ADD, read[i], y));
    double want[N] = {0};
    for (int i = 0; i < MANY; i++)
        want[i * 7 % N] += i * 7 % N <= i ? 1 : 0;
    double gradient[N];
    pyad_count(&before);
    pyad_reset_peak();
    OK(test_gradient(PYAD_SWEEP_RETAIN, y, x, gradient));
    pyad_count(&after);
    assert_true(after.peak_bytes - before.live_bytes <= 4 * N * 8);
    assert_memory_equal(gradient, want, sizeof want);
    pyad_reset_peak();
    double total = 0;
    for (int i = 0; i < N; i++)
        total += want[i] * x_data[i];
    near(tangent(0, y, x, x), total, 1e-12);
    pyad_count(&after);
    assert_true(after.peak_bytes - before.live_bytes <= 4 * N * 8);
    assert_int_equal(after.copied_bytes, 8 * N);
}

/* y = sum(w * c) for arrays that windows and places were written into; both directions against each other and by hand. */
static int64_t mixed(int64_t x, int64_t n, int64_t *index)
{
    int64_t a = ok(pyad_op1(PYAD_LOOP_SIN, x));
    int64_t view = ok(test_op(PYAD_KERNEL_STRIDED_VIEW, x, 6, LIST(n - 1, 2, 2, 3, -3, -1)));
    a = ok(pyad_assign(a, view, 6, LIST(0, 2, 2, 3, 4, 1)));
    int64_t most = ok(test_op(PYAD_KERNEL_SLICE, a, 3, LIST(1, 1, n - 1)));
    a = ok(pyad_assign(a, ok(pyad_item(x, 1, 2, 0)), 4, LIST(1, 1, 3, 3)));
    int64_t wide = ok(test_op(PYAD_KERNEL_STRIDED_VIEW, a, 6, LIST(1, 2, 2, 3, 0, 2)));
    int64_t places = ok(test_leaf(PYAD_LEND_CONST, 4, 2, LIST(2, 2), index));
    int64_t values = ok(test_op(PYAD_KERNEL_STRIDED_VIEW, x, 6, LIST(0, 2, 2, 2, 1, 3)));
    a = ok(pyad_assign_at(a, values, places));
    a = ok(pyad_assign_at(a, ok(pyad_item(x, 1, 5, 0)), ok(test_leaf(PYAD_LEND_CONST, 4, 1, LIST(1), index + 1))));
    a = ok(pyad_assign(a, ok(pyad_const_number(2, PYAD_F64)), 2, LIST(6, 0)));
    int64_t sums[3] = {test_sum(ok(pyad_op1(PYAD_LOOP_SQUARE, a))), test_sum(ok(pyad_op1(PYAD_LOOP_EXP, most))),
                       test_sum(ok(pyad_op1(PYAD_LOOP_SQUARE, wide)))};
    return ok(pyad_op2(PYAD_LOOP_ADD, sums[0], ok(pyad_op2(PYAD_LOOP_MUL, sums[1], sums[2]))));
}

static void test_mixed_views(void **state)
{
    (void)state;
    for (int64_t n = 12; n <= N; n += N - 12) {
        int64_t index[4] = {3, 11, 0, 7};
        int64_t x = leaf(n, 0);
        int64_t y = mixed(x, n, index);
        double gradient[N];
        double again[N];
        OK(test_gradient(PYAD_SWEEP_RETAIN, y, x, gradient));
        OK(test_gradient(PYAD_SWEEP_RECORDED, y, x, again));
        for (int i = 0; i < n; i++)
            near(again[i], gradient[i], 1e-12);
        for (int i = 0; i < 12; i++) {
            double way[N] = {0};
            way[i] = 1;
            int64_t w = ok(test_leaf(PYAD_LEND_CONST, PYAD_F64, 1, &n, way));
            near(tangent(0, y, x, w), gradient[i], 1e-12);
            near(tangent(PYAD_SWEEP_RECORDED, y, x, w), gradient[i], 1e-12);
            double value[2];
            double moved[N];
            for (int side = 0; side < 2; side++) {
                memcpy(moved, x_data, sizeof moved);
                moved[i] += side == 0 ? 1e-6 : -1e-6;
                OK(pyad_mark_open(test_generation++, 0));
                value[side] = pyad_read_number(mixed(ok(test_leaf(0, PYAD_F64, 1, &n, moved)), n, index));
                pyad_mark_cut();
            }
            double numerical = (value[0] - value[1]) / 2e-6;
            assert_true(fabs(numerical - gradient[i]) < 1e-5 * (1 + fabs(gradient[i])));
        }
    }
}

static void test_float32(void **state)
{
    (void)state;
    float data[3] = {1, 2, 3};
    int64_t x = ok(test_leaf(0, PYAD_F32, 1, LIST(3), data));
    int64_t a = ok(pyad_set_item(x, 1, 0, 0, ok(pyad_item(x, 1, 2, 0))));
    a = ok(pyad_set_number(a, 1, 1, 0, 0.5));
    int64_t index[1] = {2};
    int64_t places = ok(test_leaf(PYAD_LEND_CONST, 4, 1, LIST(1), index));
    a = ok(pyad_assign_at(a, ok(test_op(PYAD_KERNEL_SLICE, x, 3, LIST(1, 1, 1))), places));
    int64_t y = test_sum(ok(pyad_op1(PYAD_LOOP_SQUARE, a)));
    float gradient[3];
    OK(test_gradient(PYAD_SWEEP_RETAIN, y, x, gradient));
    assert_true(gradient[0] == 0.0f && gradient[1] == 4.0f && gradient[2] == 6.0f);
    float got;
    OK(pyad_sweep_start(PYAD_SWEEP_FORWARD, 1, &y, 1, &x));
    OK(pyad_sweep_seed(x, x));
    OK(test_go());
    OK(pyad_sweep_copy(y, &got));
    pyad_sweep_stop();
    assert_true(got == 26.0f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_in_place, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_kept, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_outer, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_items, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_element_loop, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_sweeps_are_linear, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_mixed_views, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_float32, setup_engine, teardown_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
