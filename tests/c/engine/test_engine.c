/* Engines: none, several, each thread its own, freed in the middle of things. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/engine.h"

enum { N = 1000 };

static double x_data[N];

static int64_t leaf(void)
{
    return ok(test_leaf(0, PYAD_F64, 1, LIST(N), x_data));
}

/* Without an engine every call returns. */
static void test_no_engine(void **state)
{
    pyad_counters counters;
    int64_t node = 0;
    pyad_engine_enter(NULL);
    assert_string_equal(pyad_last_message(), "");
    assert_int_equal(pyad_mark_open(1, 0), PYAD_ERR_STALE);
    pyad_mark_cut();
    assert_int_equal(pyad_mark_seal(1, 0, NULL), PYAD_ERR_STALE);
    assert_int_equal(pyad_depth() + pyad_is_outer(5, 9) + (int)pyad_node_count(), 0);
    pyad_saved_tape *saved = NULL;
    pyad_buffer *buffer = NULL;
    assert_int_equal(pyad_tape_take(&saved), PYAD_ERR_STALE);
    assert_int_equal(pyad_mark_close(1), PYAD_ERR_STALE);
    assert_int_equal(pyad_sweep_level() + pyad_in_rule(), 0);
    pyad_reset();
    pyad_sweep_return(1);
    pyad_sweep_stop_at(1);
    assert_int_equal(test_status(pyad_lend(0, PYAD_F64, 0, NULL, NULL, &node)), PYAD_ERR_STALE);
    assert_int_equal(test_status(pyad_leaf_number(0, 1, PYAD_F64)), PYAD_ERR_STALE);
    assert_int_equal(test_status(pyad_const_number(1, PYAD_F64)), PYAD_ERR_STALE);
    assert_int_equal(test_status(pyad_alias(1)), PYAD_ERR_STALE);
    assert_int_equal(test_status(pyad_op2n(0, 1, 2)), PYAD_ERR_STALE);
    assert_int_equal(test_status(pyad_op(0, 1, &node, 0, NULL)), PYAD_ERR_STALE);
    assert_int_equal(test_status(pyad_op_ran(1000, 0, NULL, 0, PYAD_F64, 0, NULL, NULL)), PYAD_ERR_STALE);
    pyad_drop(1);
    assert_int_equal(pyad_sweep_start(0, 0, NULL, 0, NULL), PYAD_ERR_STALE);
    assert_int_equal(pyad_sweep_go(), PYAD_ERR_STALE);
    assert_int_equal(pyad_sweep_give(0, 0), PYAD_ERR_STALE);
    assert_int_equal(pyad_sweep_needs(0), 0);
    assert_int_equal(test_status(pyad_sweep_value(0)), PYAD_ERR_STALE);
    assert_false(pyad_sweep_share(0, &buffer) || pyad_share_out(0, &buffer) || pyad_borrow(0, &buffer));
    assert_int_equal(pyad_rule_begin(1), PYAD_ERR_STALE);
    assert_int_equal(pyad_rule_finish_program(0, 1, 0, 0, NULL), PYAD_ERR_STATE);
    assert_int_equal(pyad_rule_commit(0) + pyad_rule_python(), 2 * PYAD_ERR_STATE);
    assert_int_equal(pyad_dtype_of(0) + pyad_is_long(0), -1);
    assert_int_equal(test_status(pyad_op3(0, 1, 2, 3)), PYAD_ERR_STALE);
    assert_int_equal(pyad_sweep_verify(0, "a rule"), PYAD_ERR_STALE);
    pyad_rule_abort();
    pyad_sweep_stop();
    pyad_count(&counters);
    assert_int_equal(counters.nodes + counters.live_bytes, 0);
    pyad_reset_peak();
    pyad_trim();
    pyad_fail_after(3);
    pyad_engine_enter(*state);
}

/* An engine that is freed with sweeps under way, a tape saved and values alive. */
static void test_freed_in_the_middle(void **state)
{
    (void)state;
    pyad_engine *engine = pyad_engine_new();
    pyad_engine_enter(engine);
    OK(pyad_mark_open(test_generation++, 0));
    int64_t x = leaf();
    int64_t y = ok(pyad_op1(PYAD_LOOP_SIN, ok(pyad_op1(PYAD_LOOP_EXP, x))));
    for (int k = 0; k < 3; k++) {
        OK(pyad_sweep_start(0, 1, &y, 1, &x));
        OK(pyad_sweep_seed_ones(y));
    }
    assert_int_equal(pyad_sweep_go(), PYAD_CALL_PYTHON);
    OK(pyad_rule_begin(test_generation++));
    ok(pyad_rule_input(PYAD_F64, 0, NULL));
    pyad_engine_free(engine);
    pyad_engine_free(NULL);
    pyad_engine_enter(*state);
}

/* ---- threads ---- */

typedef struct work {
    pyad_buffer *shared; /* made by another thread's engine */
    double slope;
    int64_t foreign;     /* a handle of another thread's */
    int refused;
} work;

static void *run_thread(void *arg)
{
    work *w = arg;
    pyad_engine *engine = pyad_engine_new();
    pyad_info info;
    pyad_engine_enter(engine);
    if (pyad_mark_open(w->foreign + 1, 0) != 0)
        return NULL;
    /* As many nodes as make the foreign index one of ours. */
    int64_t x = pyad_leaf_number(0, 0.5, PYAD_F64);
    int64_t y = pyad_op2(PYAD_LOOP_MUL, x, pyad_op2(PYAD_LOOP_MUL, x, x));
    w->refused = pyad_look(w->foreign, &info);
    pyad_drop(w->foreign);
    pyad_buffer_drop(&w->shared, NULL);
    /* The rule is known: threads do not share the counter of the tests. */
    int64_t a = 0;
    if (pyad_sweep_start(PYAD_SWEEP_RETAIN, 1, &y, 1, &x) == 0 && pyad_sweep_seed_ones(y) == 0 &&
        pyad_sweep_go() == PYAD_CALL_PYTHON && pyad_sweep_wants(&a) == PYAD_CALL_RULE && test_supply_rule(a) == 0 &&
        pyad_sweep_go() == 0)
        pyad_sweep_copy(x, &w->slope);
    pyad_sweep_stop();
    pyad_engine_free(engine);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    int64_t x = leaf();
    int64_t y = ok(pyad_op1(PYAD_LOOP_EXP, x));
    work w = {.foreign = x};
    assert_true(pyad_share_out(y, &w.shared));
    pthread_t thread;
    OK(pthread_create(&thread, NULL, run_thread, &w));
    OK(pthread_join(thread, NULL));
    assert_int_equal(w.refused, PYAD_ERR_STALE);
    assert_true(w.slope == 0.75);
    double got[N];
    OK(pyad_copy_out(y, got));
    assert_true(got[0] == 1);
}

/* A buffer outlives the engine that made it. */
static void test_outlived(void **state)
{
    (void)state;
    pyad_engine *engine = pyad_engine_new();
    pyad_engine_enter(engine);
    OK(pyad_mark_open(test_generation++, 0));
    pyad_fail_after(1000000); /* its memory is made through the hook that counts */
    int64_t y = ok(pyad_op1(PYAD_LOOP_EXP, leaf()));
    pyad_buffer *buffer = NULL;
    assert_true(pyad_share_out(y, &buffer));
    pyad_engine_free(engine);
    pyad_engine_enter(*state);
    assert_true(*(double *)pyad_buffer_data(buffer) == 1);
    pyad_buffer_drop(&buffer, NULL);
}

/* Each of what pyad_look says by a call of its own. */
static void test_details(void **state)
{
    (void)state;
    float small[6] = {1, 2, 3, 4, 5, 6};
    static double large[5000];
    double one = 2.5;
    int64_t leaves[3];
    leaves[0] = ok(pyad_lend(0, PYAD_F32, 2, LIST(2, 3), NULL, small));
    leaves[1] = ok(pyad_lend(0, PYAD_F64, 1, LIST(5000), NULL, large));
    leaves[2] = ok(pyad_lend(0, PYAD_F64, 0, LIST(1), NULL, &one));
    assert_int_equal(pyad_dtype_of(leaves[0]), PYAD_F32);
    assert_int_equal(pyad_ndim_of(leaves[0]), 2);
    assert_int_equal(pyad_size_of(leaves[0]), 6);
    assert_int_equal(pyad_shape_of(leaves[0])[1], 3);
    assert_int_equal(pyad_size_of(leaves[1]), 5000);
    assert_int_equal(pyad_ndim_of(leaves[2]), 0);
    assert_true(pyad_read_number(leaves[2]) == 2.5);
    assert_true(isnan(pyad_read_number(leaves[1])));
    assert_int_equal(pyad_is_long(leaves[0]), 0);
    assert_int_equal(pyad_is_long(leaves[1]), 1);
    assert_int_equal(pyad_any_is_long(3, leaves), 1);
    assert_int_equal(pyad_any_is_long(1, leaves), 0);
    int64_t truth = ok(pyad_op2n(PYAD_LOOP_GT, leaves[0], 3.0));
    float got[6];
    OK(pyad_copy_out(ok(pyad_op3(PYAD_LOOP_WHERE, truth, leaves[0], ok(pyad_op1(PYAD_LOOP_NEG, leaves[0])))), got));
    assert_true(got[0] == -1 && got[5] == 6);
    assert_int_equal(test_status(pyad_lend(0, 77, 1, LIST(6), NULL, small)), 3);
    assert_int_equal(test_status(pyad_lend(0, PYAD_F32, 1, LIST(1), NULL, (char *)small + 1)), 4);
    int64_t stale = leaves[0] + ((int64_t)1 << 40);
    assert_int_equal(pyad_dtype_of(stale), -1);
    assert_int_equal(pyad_ndim_of(stale), -1);
    assert_int_equal(pyad_size_of(stale), -1);
    assert_null(pyad_shape_of(stale));
    assert_int_equal(pyad_is_long(stale), 0);
    assert_true(isnan(pyad_read_number(stale)));
    assert_int_equal(test_status(pyad_op3(PYAD_LOOP_WHERE, truth, leaves[0], stale)), PYAD_ERR_STALE);
    assert_int_equal(test_status(pyad_alias(stale)), PYAD_ERR_STALE);
    assert_int_equal(pyad_copy_out(stale, got), PYAD_ERR_STALE);
}

static void test_names(void **state)
{
    (void)state;
    for (int kernel = 0; kernel < pyad_kernel_count(); kernel++)
        assert_int_equal(pyad_kernel_find(pyad_kernel_name(kernel)), kernel);
    assert_int_equal(pyad_kernel_find("no such kernel"), -1);
    assert_true(pyad_isa_name()[0] != '\0');
    float x[3] = {1, 2, 3};
    float y[3] = {1, 1, 1};
    double u[2] = {1, 2};
    double v[2] = {0, 0};
    int64_t i[1] = {5};
    const int dtypes[3] = {PYAD_F32, PYAD_F64, 4};
    const int64_t lengths[3] = {3, 2, 1};
    const void *const from[3] = {x, u, i};
    void *const to[3] = {y, v, i};
    pyad_axpy(3, dtypes, lengths, 2, from, to);
    assert_true(y[2] == 7 && v[1] == 4 && i[0] == 5);
}

/* Start, seed and run in one call: stops where a rule is asked for, and leaves no sweep behind when it fails. */
static void test_gradient_call(void **state)
{
    (void)state;
    int64_t x = ok(pyad_leaf_number(0, 0.5, PYAD_F64));
    int64_t y = ok(pyad_op1(PYAD_LOOP_EXP, ok(pyad_op2(PYAD_LOOP_MUL, x, x))));
    int64_t node;
    int status = pyad_sweep_gradient(0, y, 1, &x);
    while (status == PYAD_CALL_PYTHON) {
        assert_int_equal(pyad_sweep_wants(&node), PYAD_CALL_RULE);
        OK(test_supply_rule(node));
        status = pyad_sweep_go();
    }
    OK(status);
    assert_true(fabs(pyad_sweep_number(x) - exp(0.25)) < 1e-15);
    pyad_sweep_stop();
    int64_t stale = x + ((int64_t)1 << 40);
    assert_int_equal(pyad_sweep_gradient(0, y, 1, &stale), PYAD_ERR_STALE);
    assert_int_equal(pyad_sweep_go(), PYAD_ERR_STATE);
    /* The rules are known now. */
    int64_t z = ok(pyad_op1(PYAD_LOOP_EXP, x));
    OK(pyad_sweep_gradient(0, z, 1, &x));
    assert_true(fabs(pyad_sweep_number(x) - exp(0.5)) < 1e-15);
    pyad_sweep_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_engine, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_freed_in_the_middle, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_threads, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_outlived, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_details, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_gradient_call, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_names, setup_engine, teardown_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
