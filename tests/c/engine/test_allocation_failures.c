/* Every allocation of a whole session fails in turn: the failure is reported, nothing leaks, and the same engine then
 * gives the right results. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/lists.h"
#include "support/rules.h"

/* 12 numbers stay in arenas; 200 take buffers, and copies where a view cannot be read in runs. */
enum { SMALL = 12, LARGE = 200, STEPS = 9 };

typedef struct results {
    double number[STEPS];
    double gradient[STEPS][LARGE];
} results;

typedef struct job {
    int64_t n;
    double *x;
    int status; /* the first that was not 0 */
    results *to;
} job;

static int64_t keep(job *j, int64_t handle)
{
    if (j->status != 0 || test_status(handle) == 0)
        return handle;
    j->status = test_status(handle);
    assert_string_equal(pyad_last_message(), "out of memory");
    return handle;
}

static void done(job *j, int status)
{
    if (j->status == 0)
        j->status = status;
}

static int64_t op1(job *j, int op, int64_t a)
{
    return keep(j, pyad_op1(op, a));
}

static int64_t op2(job *j, int op, int64_t a, int64_t b)
{
    return keep(j, pyad_op2(op, a, b));
}

static int64_t op(job *j, int kernel, int64_t a, int count, const int64_t *params)
{
    return keep(j, test_op(kernel, a, count, params));
}

/* Writes: the first into a copy, the others in place, one more into a copy since the value is read. */
static int64_t written(job *j, int64_t x)
{
    static int64_t index[2] = {5, 2};
    int64_t n = j->n;
    int64_t places = keep(j, test_leaf(PYAD_LEND_CONST, 4, 1, LIST(2), index));
    int64_t a = op1(j, PYAD_LOOP_SIN, x);
    a = keep(j, pyad_set_item(a, 1, 0, 0, keep(j, pyad_item(x, 1, 3, 0))));
    a = keep(j,
             pyad_assign(a, op(j, PYAD_KERNEL_STRIDED_VIEW, x, 4, LIST(1, 1, n / 2, 1)), 4, LIST(n - 1, 1, n / 2, -1)));
    a = keep(j, pyad_assign_at(a, op(j, PYAD_KERNEL_SLICE, x, 3, LIST(4, 1, 2)), places));
    int64_t read = op1(j, PYAD_LOOP_SQUARE, a);
    a = keep(j, pyad_set_number(a, 1, 1, 0, 0.5));
    int64_t most = op(j, PYAD_KERNEL_STRIDED_VIEW, a, 6, LIST(0, 2, n - 1, 2, 1, 1));
    a = keep(j, pyad_assign(a, keep(j, pyad_item(a, 1, 2, 0)), 4, LIST(0, 1, 4, 1)));
    int64_t sums[3] = {keep(j, test_sum(op2(j, PYAD_LOOP_MUL, a, x))), keep(j, test_sum(read)),
                       keep(j, test_sum(op1(j, PYAD_LOOP_SIN, most)))};
    return op2(j, PYAD_LOOP_ADD, sums[0], op2(j, PYAD_LOOP_MUL, sums[1], sums[2]));
}

/* Some twenty operations of all kinds. */
static int64_t record(job *j, int64_t x)
{
    static int64_t index[5] = {1, 0, 3, 1, 1};
    int64_t n = j->n;
    int64_t a = op(j, PYAD_KERNEL_RESHAPE, op1(j, PYAD_LOOP_SIN, x), 2, LIST(4, n / 4));
    int64_t turned = op(j, PYAD_KERNEL_TRANSPOSE, a, 2, LIST(1, 0));
    int64_t b = op2(j, PYAD_KERNEL_MATMUL, a, turned);
    int64_t rows[2] = {a, keep(j, test_leaf(PYAD_LEND_CONST, 4, 1, LIST(5), index))};
    int64_t taken = keep(j, pyad_op(PYAD_KERNEL_TAKE, 2, rows, 0, NULL));
    int64_t mixed = op2(j, PYAD_KERNEL_MATMUL, keep(j, pyad_op1(PYAD_LOOP_TANH, b)), a);
    int64_t both[9] = {taken, mixed, a, a, a, a, a, a, a};
    int64_t joined = keep(j, pyad_op(PYAD_KERNEL_CONCATENATE, 9, both, 1, LIST(0)));
    int64_t part = op(j, PYAD_KERNEL_SLICE, joined, 6, LIST(7, -2, 4, 0, 1, n / 4));
    int64_t soft = op(j, PYAD_KERNEL_LOGSUMEXP, part, 2, LIST(1, 1));
    int64_t most = op(j, PYAD_KERNEL_MAX, part, 2, LIST(1, 0));
    int64_t y = op2(j, PYAD_LOOP_MUL, op2(j, PYAD_LOOP_SUB, part, soft), op2(j, PYAD_LOOP_ADD, most, a));
    int64_t strided = op2(j, PYAD_LOOP_MUL, turned, op(j, PYAD_KERNEL_TRANSPOSE, y, 2, LIST(1, 0)));
    int64_t wide = op(j, PYAD_KERNEL_BROADCAST, keep(j, pyad_op2n(PYAD_LOOP_MUL, x, 0.5)), 2, LIST(3, n));
    int64_t put = op(j, PYAD_KERNEL_UNSLICE, x, 5, LIST(1, 2 * n, 1, 2, n));
    int64_t choice[3] = {keep(j, pyad_op2n(PYAD_LOOP_GT, x, 0.1)), x, op1(j, PYAD_LOOP_EXP, x)};
    int64_t chosen = keep(j, pyad_op(PYAD_LOOP_WHERE, 3, choice, -1, NULL));
    int64_t sums[4] = {keep(j, test_sum(op2(j, PYAD_LOOP_MUL, wide, chosen))), keep(j, test_sum(strided)),
                       keep(j, test_sum(op1(j, PYAD_LOOP_SQUARE, put))), keep(j, test_sum(soft))};
    int64_t total = op2(j, PYAD_LOOP_ADD, sums[0], sums[1]);
    total = op2(j, PYAD_LOOP_ADD, total, op2(j, PYAD_LOOP_ADD, sums[2], sums[3]));
    pyad_drop(mixed);
    pyad_drop(wide);
    return op2(j, PYAD_LOOP_ADD, total, written(j, x));
}

static void backward(job *j, int flags, int64_t y, int64_t x, int step)
{
    if (j->status == 0)
        j->status = test_gradient(flags, y, x, j->to->gradient[step]);
}

static void forward(job *j, int flags, int64_t y, int64_t x, int step)
{
    if (j->status != 0)
        return;
    j->status = pyad_sweep_start(PYAD_SWEEP_FORWARD | flags, 1, &y, 1, &x);
    if (j->status != 0)
        return;
    done(j, pyad_sweep_seed(x, x));
    if (j->status == 0)
        done(j, test_go());
    if (j->status == 0)
        done(j, pyad_sweep_copy(y, &j->to->number[step]));
    pyad_sweep_stop();
}

/* The gradient as a node. */
static int64_t gradient_node(job *j, int64_t y, int64_t x)
{
    int64_t node = 0;
    if (j->status == 0)
        j->status = pyad_sweep_start(PYAD_SWEEP_RECORDED, 1, &y, 1, &x);
    if (j->status != 0)
        return 0;
    done(j, pyad_sweep_seed_ones(y));
    if (j->status == 0)
        done(j, test_go());
    if (j->status == 0)
        node = keep(j, pyad_sweep_value(x));
    pyad_sweep_stop();
    return node;
}

/* A node of the caller's own, y = 2 x, in both directions. */
static void python_sweep(job *j, int64_t x, double *doubled, int flags, int step)
{
    int64_t node = 0;
    int64_t shape[1] = {j->n};
    for (int64_t i = 0; i < j->n; i++)
        doubled[i] = 2 * j->x[i];
    int64_t y = keep(j, pyad_op_ran(1000, 1, &x, 0, PYAD_F64, 1, shape, doubled));
    int64_t end = keep(j, test_sum(op2(j, PYAD_LOOP_MUL, y, x)));
    if (j->status == 0)
        j->status = pyad_sweep_start(flags, 1, &end, 1, &x);
    if (j->status != 0)
        return;
    done(j, flags & PYAD_SWEEP_FORWARD ? pyad_sweep_seed(x, x) : pyad_sweep_seed_ones(end));
    while (j->status == 0) {
        int status = test_go();
        if (status != PYAD_CALL_PYTHON) {
            done(j, status);
            break;
        }
        int call = pyad_sweep_wants(&node);
        int64_t seed = keep(j, pyad_sweep_value(call == 2 ? node : x));
        int64_t part = j->status == 0 ? keep(j, pyad_op2n(PYAD_LOOP_MUL, seed, 2.0)) : 0;
        if (j->status == 0)
            done(j, pyad_sweep_give(call == 2 ? x : node, part));
    }
    if (j->status == 0)
        done(j, pyad_sweep_copy(flags & PYAD_SWEEP_FORWARD ? end : x, j->to->gradient[step]));
    pyad_sweep_stop();
}

static void sealed_inner(job *j, int64_t x, int step)
{
    int64_t generation = test_generation++;
    done(j, pyad_mark_open(generation, 0));
    if (j->status != 0)
        return;
    int64_t inner = keep(j, pyad_alias(x));
    int64_t y = op2(j, PYAD_LOOP_MUL, op1(j, PYAD_LOOP_EXP, inner), x);
    int64_t slope = gradient_node(j, keep(j, test_sum(y)), inner);
    if (j->status == 0)
        done(j, pyad_mark_seal(generation, 1, &slope));
    if (j->status != 0) {
        pyad_mark_cut();
        return;
    }
    backward(j, 0, keep(j, test_sum(op1(j, PYAD_LOOP_SQUARE, slope))), x, step);
}

/* The whole session. Whatever fails, everything is closed again. */
static int run(job *j)
{
    double doubled[LARGE];
    j->status = pyad_mark_open(test_generation++, 1);
    if (j->status != 0)
        return j->status;
    int64_t x = keep(j, test_leaf(0, PYAD_F64, 1, &j->n, j->x));
    int64_t y = record(j, x);
    if (j->status == 0)
        done(j, pyad_copy_out(y, &j->to->number[0]));
    backward(j, PYAD_SWEEP_RETAIN, y, x, 0);
    forward(j, 0, y, x, 1);
    forward(j, PYAD_SWEEP_RECORDED, y, x, 2);
    int64_t slope = gradient_node(j, y, x);
    if (j->status == 0)
        backward(j, 0, keep(j, test_sum(op2(j, PYAD_LOOP_MUL, slope, x))), x, 1);
    if (j->status == 0)
        sealed_inner(j, x, 2);
    for (int flags = 0; flags < 4 && j->status == 0; flags++)
        python_sweep(j, x, doubled, flags, 3 + flags);
    pyad_saved_tape *saved = NULL;
    if (j->status == 0)
        done(j, pyad_tape_take(&saved));
    if (j->status == 0)
        done(j, pyad_tape_enter(saved, test_generation++));
    pyad_saved_tape_free(&saved);
    while (pyad_depth() > 0)
        pyad_mark_cut();
    return j->status;
}

static bool same(const results *a, const results *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static double data[LARGE];

static void fill_data(void)
{
    for (int i = 0; i < LARGE; i++)
        data[i] = sin(0.37 * i) * 0.4;
}

/* Fails all allocations from number 0, 1, 2, ... on, in a new engine or in one that knows all rules (`warm`). Returns
 * how many there were. */
static int64_t fail_each(int64_t n, bool warm)
{
    static results right;
    static results got;
    job j = {.n = n, .x = data};
    memset(&right, 0, sizeof right);
    j.to = &right;
    pyad_engine *engine = pyad_engine_new();
    pyad_engine_enter(engine);
    assert_int_equal(run(&j), 0);
    j.to = &got;
    int64_t after = 0;
    for (int status = PYAD_ERR_MEMORY; status != 0; after++) {
        if (!warm) {
            pyad_engine_free(engine);
            engine = pyad_engine_new();
            pyad_engine_enter(engine);
        }
        pyad_fail_after(after);
        memset(&got, 0, sizeof got);
        status = run(&j);
        pyad_fail_after(-1);
        if (status != 0)
            assert_int_equal(status, PYAD_ERR_MEMORY);
        pyad_counters counters;
        pyad_count(&counters);
        assert_int_equal(counters.live_bytes, 0);
        assert_int_equal(counters.nodes, 0);
        if (status == 0)
            assert_true(same(&got, &right));
        /* Under valgrind every fifth time is enough. */
        if (getenv("PYAD_VALGRIND") != NULL && after % 5 != 0 && status != 0)
            continue;
        memset(&got, 0, sizeof got);
        int again = run(&j);
        if (again != 0)
            fail_msg("after %lld: %d %s", (long long)after, again, pyad_last_message());
        assert_true(same(&got, &right));
    }
    pyad_engine_free(engine);
    return after;
}

static void test_new_engine(void **state)
{
    (void)state;
    fill_data();
    assert_true(fail_each(SMALL, false) > 20);
    assert_true(fail_each(LARGE, false) > 60);
}

static void test_same_engine(void **state)
{
    (void)state;
    fill_data();
    assert_true(fail_each(SMALL, true) > 3);
    assert_true(fail_each(LARGE, true) > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_engine),
        cmocka_unit_test(test_same_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
