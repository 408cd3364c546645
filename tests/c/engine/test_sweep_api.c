/* Sweeps as a caller drives them: run twice, interrupted, nested, on saved tapes, on memory that changed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/engine.h"

enum { N = 1000 };

static double x_data[N];

static int64_t leaf_of(int64_t n)
{
    for (int i = 0; i < N; i++)
        x_data[i] = 0.001 * i;
    return ok(test_leaf(0, PYAD_F64, 1, &n, x_data));
}

static int64_t leaf(void)
{
    return leaf_of(N);
}

/* An operation whose result nobody outside holds afterwards. */
static int64_t apply(int op, int64_t a)
{
    int64_t y = ok(pyad_op1(op, a));
    pyad_drop(a);
    return y;
}

static void check_twice(int64_t n)
{
    double first[N] = {0};
    double second[N] = {0};
    int64_t x = leaf_of(n);
    int64_t y = test_sum(apply(PYAD_LOOP_EXP, apply(PYAD_LOOP_SIN, apply(PYAD_LOOP_SQUARE, x))));
    int64_t before = live_bytes();
    OK(test_gradient(PYAD_SWEEP_RETAIN, y, x, first));
    assert_int_equal(live_bytes(), before);
    OK(test_gradient(PYAD_SWEEP_RETAIN, y, x, second));
    assert_memory_equal(first, second, sizeof first);
    OK(test_gradient(PYAD_SWEEP_RECORDED, y, x, second));
    assert_memory_equal(first, second, sizeof first);
    OK(test_gradient(0, y, x, second));
    assert_memory_equal(first, second, sizeof first);
    /* Now the values are gone, and that is said, not computed with. */
    for (int flags = 0; flags <= PYAD_SWEEP_RECORDED; flags += PYAD_SWEEP_RECORDED) {
        assert_int_equal(test_gradient(flags, y, x, second), PYAD_ERR_STATE);
        assert_string_equal(pyad_last_message(),
                            "the value that 'sin' needs for its derivative has been freed: a pullback that is called "
                            "more than once must be made by vjp");
    }
}

static void test_twice(void **state)
{
    (void)state;
    check_twice(N);
    check_twice(200);
}

/* The sweep frees values as it goes, and needs a bounded number of cotangents. */
static void test_memory_of_sweep(void **state)
{
    (void)state;
    enum { LINKS = 50 };
    double gradient[N];
    pyad_counters counters;
    int64_t x = leaf();
    int64_t y = x;
    for (int k = 0; k < LINKS; k++)
        y = apply(k % 2 == 0 ? PYAD_LOOP_SIN : PYAD_LOOP_TANH, y);
    int64_t end = test_sum(y);
    pyad_drop(y);
    int64_t unread = ok(pyad_op2(PYAD_LOOP_GT, x, x));
    pyad_drop(unread);
    assert_true(live_bytes() >= LINKS * N * 8);
    pyad_reset_peak();
    OK(test_gradient(0, end, x, gradient));
    pyad_count(&counters);
    assert_true(counters.peak_bytes <= (LINKS + 4) * N * 8);
    assert_true(counters.live_bytes <= N * 8);
    /* Values that no rule reads go when they are dropped. */
    y = ok(pyad_op2(PYAD_LOOP_ADD, x, x));
    OK(test_gradient(0, test_sum(y), x, gradient)); /* now the rule of add is known, which reads nothing */
    int64_t before = live_bytes();
    for (int k = 0; k < LINKS; k++) {
        int64_t next = ok(pyad_op2(PYAD_LOOP_ADD, x, x));
        pyad_drop(next);
        assert_int_equal(pyad_copy_out(next, gradient), PYAD_ERR_STATE);
    }
    assert_int_equal(live_bytes(), before);
    pyad_mark_cut();
    assert_int_equal(live_bytes(), 0);
}

static void test_mutated(void **state)
{
    (void)state;
    double gradient[N];
    for (int flags = 0; flags <= PYAD_SWEEP_RECORDED; flags += PYAD_SWEEP_RECORDED) {
        int64_t x = leaf();
        int64_t part = ok(test_op(PYAD_KERNEL_SLICE, x, 3, LIST(0, 1, 3)));
        int64_t y = ok(test_sum(ok(pyad_op1(PYAD_LOOP_SIN, part))));
        double old = x_data[1];
        x_data[1] += 1;
        assert_int_equal(test_gradient(flags | PYAD_SWEEP_RETAIN, y, x, gradient), PYAD_ERR_MUTATED);
        assert_string_equal(pyad_last_message(),
                            "an array of shape (3,) that 'sin' needs for its derivative was changed after it was "
                            "recorded; pass a copy, or change it after the derivative has been taken");
        x_data[1] = old;
        OK(test_gradient(flags | PYAD_SWEEP_RETAIN, y, x, gradient));
        assert_true(fabs(gradient[1] - cos(x_data[1])) < 1e-15);
        /* What no rule reads may change. */
        y = ok(test_sum(ok(pyad_op2(PYAD_LOOP_ADD, x, x))));
        OK(test_gradient(flags, y, x, gradient));
        int64_t z = leaf();
        y = ok(test_sum(ok(pyad_op2(PYAD_LOOP_ADD, z, z))));
        x_data[1] += 1;
        OK(test_gradient(flags, y, z, gradient));
        assert_true(gradient[1] == 2);
    }
}

/* The order of an inner transform and an outer one: d/dx of x * (d/dy of x * y^3 at 2) = 24 x. */
static void test_nested(void **state)
{
    (void)state;
    double got;
    int64_t x = ok(pyad_leaf_number(0, 5.0, PYAD_F64));
    int64_t two = ok(pyad_const_number(2.0, PYAD_F64));
    int64_t generation = test_generation++;
    OK(pyad_mark_open(generation, 0));
    int64_t floor = pyad_node_count();
    assert_int_equal(pyad_depth(), 2);
    assert_int_equal(pyad_is_outer(x, floor), 1);
    int64_t y = ok(pyad_alias(two));
    assert_int_equal(pyad_is_outer(y, floor), 0);
    int64_t cube = ok(pyad_op2(PYAD_LOOP_MUL, ok(pyad_op1(PYAD_LOOP_SQUARE, y)), y));
    assert_int_equal(pyad_is_outer(cube, floor), 0);
    int64_t f = ok(pyad_op2(PYAD_LOOP_MUL, x, cube));
    assert_int_equal(pyad_is_outer(f, floor), 1);
    OK(pyad_sweep_start(PYAD_SWEEP_RECORDED, 1, &f, 1, &y));
    OK(pyad_sweep_seed_ones(f));
    OK(test_go());
    int64_t slope = ok(pyad_sweep_value(y));
    pyad_sweep_stop();
    int64_t kept = slope;
    OK(pyad_mark_seal(generation, 1, &kept));
    assert_int_not_equal(kept, slope);
    pyad_info info;
    assert_int_equal(pyad_look(slope, &info), PYAD_ERR_STALE);
    assert_int_equal(pyad_look(f, &info), PYAD_ERR_STALE);
    assert_string_equal(pyad_last_message(), "a traced value is not on this thread's tape (any more)");
    /* The outer sweep goes through what the inner one left behind, and asks for rules of its nodes. */
    int64_t end = ok(pyad_op2(PYAD_LOOP_DIV, ok(pyad_op2(PYAD_LOOP_MUL, x, kept)), two));
    end = ok(pyad_op2(PYAD_LOOP_MUL, end, ok(pyad_const_number(2.0, PYAD_F64))));
    OK(test_gradient(0, end, x, &got));
    assert_true(got == 24 * 5);
    pyad_mark_cut();
    assert_int_equal(pyad_look(kept, &info), PYAD_ERR_STALE);
    assert_int_equal(pyad_node_count(), 0);
}

/* The inner transform is of a value that depends on the outer input: sweeps of all kinds go through the alias.
 * d/dx of (d/dy y^3 at y = sin x) = 6 sin x cos x. */
static void test_alias(void **state)
{
    (void)state;
    double got;
    int64_t x = ok(pyad_leaf_number(0, 0.5, PYAD_F64));
    int64_t a = ok(pyad_op1(PYAD_LOOP_SIN, x));
    int64_t generation = test_generation++;
    OK(pyad_mark_open(generation, 1));
    int64_t y = ok(pyad_alias(a));
    int64_t cube = ok(pyad_op2(PYAD_LOOP_MUL, ok(pyad_op1(PYAD_LOOP_SQUARE, y)), y));
    OK(pyad_sweep_start(PYAD_SWEEP_RECORDED, 1, &cube, 1, &y));
    OK(pyad_sweep_seed_ones(cube));
    OK(test_go());
    int64_t slope = ok(pyad_sweep_value(y));
    pyad_sweep_stop();
    OK(pyad_mark_seal(generation, 1, &slope));
    double want = 6 * sin(0.5) * cos(0.5);
    for (int flags = 0; flags < 4; flags++) {
        bool forward = flags & PYAD_SWEEP_FORWARD;
        OK(pyad_sweep_start(flags | PYAD_SWEEP_RETAIN, 1, &slope, 1, &x));
        assert_true(pyad_sweep_number(x) == 0);
        OK(forward ? pyad_sweep_seed(x, ok(pyad_const_number(1, PYAD_F64))) : pyad_sweep_seed_ones(slope));
        OK(test_go());
        got = pyad_sweep_number(forward ? slope : x);
        assert_true(fabs(got - want) < 1e-14);
        pyad_sweep_stop();
        assert_true(isnan(pyad_sweep_number(x)));
    }
    /* A forward sweep in which nothing moves gives nothing. */
    OK(pyad_sweep_start(PYAD_SWEEP_FORWARD, 1, &slope, 1, &x));
    OK(test_go());
    assert_int_equal(pyad_sweep_value(slope), 0);
    pyad_sweep_stop();
}

/* A rule is first asked for by the outer sweep, of a node whose own mark is sealed. */
static void test_sealed_asks(void **state)
{
    (void)state;
    double got;
    int64_t x = ok(pyad_leaf_number(0, 0.5, PYAD_F64));
    int64_t generation = test_generation++;
    OK(pyad_mark_open(generation, 0));
    int64_t y = ok(pyad_op1(PYAD_LOOP_SIN, ok(pyad_op1(PYAD_LOOP_EXP, x))));
    OK(pyad_mark_seal(generation, 1, &y));
    OK(test_gradient(0, y, x, &got));
    assert_int_equal(test_rules_asked, 2);
    assert_true(fabs(got - cos(exp(0.5)) * exp(0.5)) < 1e-15);
}

static void test_saved_tapes(void **state)
{
    (void)state;
    double gradient[N];
    int64_t x = leaf();
    int64_t y = test_sum(apply(PYAD_LOOP_SIN, x));
    pyad_saved_tape *saved = NULL;
    OK(pyad_tape_take(&saved));
    assert_non_null(saved);
    pyad_info info;
    assert_int_equal(pyad_node_count(), 0);
    assert_int_equal(pyad_depth(), 0);
    assert_int_equal(pyad_look(y, &info), PYAD_ERR_STALE);
    OK(pyad_mark_open(test_generation++, 0));
    int64_t other = ok(pyad_leaf_number(0, 2.0, PYAD_F64));
    for (int round = 0; round < 2; round++) {
        OK(pyad_tape_enter(saved, test_generation++));
        assert_true(pyad_tape_is_innermost(saved));
        assert_int_equal(pyad_look(other, &info), PYAD_ERR_STALE);
        OK(test_gradient(PYAD_SWEEP_RETAIN, y, x, gradient));
        assert_true(fabs(gradient[7] - cos(x_data[7])) < 1e-15);
        pyad_tape_leave(saved);
        assert_false(pyad_tape_is_innermost(saved));
        OK(pyad_look(other, &info));
    }
    double got;
    OK(test_gradient(0, ok(pyad_op1(PYAD_LOOP_SQUARE, other)), other, &got));
    assert_true(got == 4);
    assert_true(live_bytes() > 0);
    pyad_saved_tape_free(&saved);
    assert_null(saved);
    assert_int_equal(live_bytes(), 0);
    pyad_saved_tape_free(&saved);
}

/* ---- nodes that only Python can run ---- */

/* y = 3 x, known to the caller alone; backward it uses a sweep of its own, as a user's rule may. */
static void run_rule(int64_t node, int call)
{
    int64_t x = ok(pyad_operand(node, 0));
    int64_t from = call == 2 ? node : x;
    int64_t to = call == 2 ? x : node;
    assert_int_equal(pyad_sweep_needs(to), 1);
    OK(pyad_sweep_verify(node, "triple"));
    int64_t seed = ok(pyad_sweep_value(from));
    assert_int_not_equal(seed, 0);
    OK(pyad_mark_open(test_generation++, 0));
    int64_t inner = ok(pyad_alias(x));
    int64_t triple = ok(test_sum(ok(pyad_op2n(PYAD_LOOP_MUL, inner, 3.0))));
    double three[N];
    OK(test_gradient(0, triple, inner, three));
    pyad_mark_cut();
    /* And one over nodes of the sweep that waits. */
    OK(pyad_sweep_start(PYAD_SWEEP_RETAIN, 1, &node, 1, &x));
    pyad_sweep_stop();
    OK(pyad_sweep_give(to, ok(pyad_op2n(PYAD_LOOP_MUL, seed, three[0]))));
}

static int go_with_python(int *calls)
{
    for (;;) {
        int64_t node;
        int status = test_go();
        if (status != PYAD_CALL_PYTHON)
            return status;
        int call = pyad_sweep_wants(&node);
        assert_true(call == 2 || call == 3);
        run_rule(node, call);
        ++*calls;
    }
}

static void test_python_nodes(void **state)
{
    (void)state;
    double out[2][N];
    double got[N];
    int64_t x = leaf();
    int64_t y = ok(pyad_op1(PYAD_LOOP_SQUARE, x));
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < N; i++)
            out[k][i] = x_data[i] * x_data[i] * (k ? 9 : 3);
        y = ok(pyad_op_ran(1000, 1, &y, 77, PYAD_F64, 1, LIST(N), out[k]));
    }
    pyad_info info;
    OK(pyad_look(y, &info));
    assert_int_equal(info.op, 1000);
    assert_int_equal(info.params[0], 1);
    assert_int_equal(info.params[1], 77);
    int64_t end = ok(test_sum(ok(pyad_op2(PYAD_LOOP_ADD, y, y))));
    for (int flags = 0; flags < 4; flags++) {
        int calls = 0;
        OK(pyad_sweep_start(flags | PYAD_SWEEP_RETAIN, 1, &end, 1, &x));
        if (flags & PYAD_SWEEP_FORWARD)
            OK(pyad_sweep_seed(x, ok(test_leaf(PYAD_LEND_CONST, PYAD_F64, 1, LIST(N), x_data))));
        else
            OK(pyad_sweep_seed_ones(end));
        OK(go_with_python(&calls));
        assert_int_equal(calls, 2);
        OK(pyad_sweep_copy(flags & PYAD_SWEEP_FORWARD ? end : x, got));
        pyad_sweep_stop();
        double sum = 0;
        for (int i = 0; i < N; i++)
            sum += 36 * x_data[i] * x_data[i];
        if (flags & PYAD_SWEEP_FORWARD)
            assert_true(fabs(got[0] - sum) < 1e-9 * sum);
        else
            assert_true(fabs(got[5] - 36 * x_data[5]) < 1e-14);
    }
    /* The caller's own operation over another node's value. */
    int64_t same = ok(pyad_op_ran_node(1000, 1, &x, 0, y));
    OK(pyad_copy_out(same, got));
    assert_memory_equal(got, out[1], sizeof got);
    assert_int_equal(test_status(pyad_op_ran(PYAD_KERNEL_SUM, 1, &x, 0, PYAD_F64, 1, LIST(N), got)), PYAD_ERR_VALUE);
    assert_int_equal(test_status(pyad_op_ran_node(3, 1, &x, 0, y)), PYAD_ERR_VALUE);
}

/* What a caller's rule reads is checked when the caller asks. */
static void test_python_mutated(void **state)
{
    (void)state;
    double out[N] = {0};
    int64_t x = leaf();
    int64_t y = ok(pyad_op_ran(1000, 1, &x, 0, PYAD_F64, 1, LIST(N), out));
    x_data[N - 1] = -1;
    OK(pyad_sweep_start(0, 1, &y, 1, &x));
    assert_int_equal(pyad_sweep_verify(y, "triple"), PYAD_ERR_MUTATED);
    assert_string_equal(pyad_last_message(), "an array of shape (1000,) that 'triple' needs for its derivative was "
                                             "changed after it was recorded; pass a copy, or change it after the "
                                             "derivative has been taken");
    pyad_sweep_stop();
}

/* A rule that cannot be a program: asked for once, then run by the caller. */
static void test_python_rule(void **state)
{
    (void)state;
    int64_t x = ok(pyad_leaf_number(0, 0.3, PYAD_F64));
    int64_t y = ok(pyad_op1(PYAD_LOOP_ARCTAN, ok(pyad_op1(PYAD_LOOP_ARCTAN, x))));
    int64_t node;
    OK(pyad_sweep_start(0, 1, &y, 1, &x));
    OK(pyad_sweep_seed_ones(y));
    for (int k = 0; k < 2; k++) {
        assert_int_equal(test_go(), PYAD_CALL_PYTHON);
        assert_int_equal(pyad_sweep_wants(&node), PYAD_CALL_BACKWARD);
        OK(pyad_sweep_give(ok(pyad_operand(node, 0)), ok(pyad_const_number(0.25, PYAD_F64))));
    }
    OK(test_go());
    double got;
    OK(pyad_sweep_copy(x, &got));
    assert_true(got == 0.25);
    pyad_sweep_stop();
    assert_int_equal(test_rules_asked, 1);
}

/* ---- results and refusals ---- */

/* Where a buffer was let go of without an engine, this one's counters know nothing of it. */
static int free_engine(void **state)
{
    pyad_engine_free(*state);
    return 0;
}

static void test_share(void **state)
{
    (void)state;
    int64_t x = leaf();
    int64_t y = ok(pyad_op1(PYAD_LOOP_EXP, x));
    pyad_buffer *value = NULL;
    pyad_buffer *gradient = NULL;
    assert_true(pyad_share_out(y, &value));
    assert_non_null(value);
    assert_false(pyad_share_out(x, &gradient)); /* the caller's own memory */
    assert_false(pyad_share_out(y, &gradient)); /* held already */
    assert_false(pyad_borrow(x, &gradient));
    assert_null(gradient);
    assert_true(pyad_borrow(y, &gradient));
    assert_ptr_equal(gradient, value);
    pyad_buffer_drop(&gradient, NULL);
    assert_null(gradient);
    int64_t end = ok(test_sum(y));
    OK(pyad_sweep_start(0, 1, &end, 1, &x));
    OK(pyad_sweep_seed_ones(end));
    OK(test_go());
    assert_true(pyad_sweep_share(x, &gradient));
    pyad_sweep_stop();
    pyad_mark_cut();
    assert_non_null(gradient);
    /* Both outlive the tape. */
    assert_memory_equal(pyad_buffer_data(gradient), pyad_buffer_data(value), N * 8);
    pyad_engine_enter(NULL);
    pyad_buffer_drop(&gradient, NULL);
    pyad_buffer_drop(&gradient, NULL); /* an empty cell */
    pyad_engine_enter(*state);
    pyad_buffer_drop(&value, NULL);
}

static void test_refusals(void **state)
{
    (void)state;
    double got[N];
    int64_t node;
    int64_t x = leaf();
    int64_t y = ok(pyad_op1(PYAD_LOOP_EXP, x));
    assert_int_equal(pyad_sweep_go(), PYAD_ERR_STATE);
    assert_string_equal(pyad_last_message(), "no sweep is under way");
    assert_int_equal(pyad_sweep_seed_ones(y), PYAD_ERR_STATE);
    assert_int_equal(pyad_sweep_copy(x, got), PYAD_ERR_STATE);
    assert_int_equal(pyad_rule_begin(test_generation++), PYAD_ERR_STATE);
    assert_int_equal(pyad_sweep_wants(&node), PYAD_CALL_NONE);
    assert_int_equal(pyad_sweep_visited(), 0);
    pyad_sweep_stop();
    int64_t wrong = y + 1;
    assert_int_equal(pyad_sweep_start(0, 1, &wrong, 1, &x), PYAD_ERR_STALE);
    OK(pyad_sweep_start(0, 1, &y, 1, &x));
    assert_int_equal(pyad_sweep_seed(y, ok(test_leaf(0, PYAD_F64, 1, LIST(3), got))), PYAD_ERR_SHAPE);
    assert_string_equal(pyad_last_message(), "a derivative has shape (3,), expected (1000,)");
    assert_int_equal(pyad_sweep_seed(y, ok(test_leaf(0, PYAD_F32, 1, LIST(N), got))), PYAD_ERR_DTYPE);
    assert_string_equal(pyad_last_message(), "a derivative has dtype float32, expected float64");
    OK(pyad_sweep_seed_ones(y));
    assert_int_equal(pyad_sweep_go(), PYAD_CALL_PYTHON);
    assert_int_equal(pyad_sweep_wants(&node), PYAD_CALL_RULE);
    /* A rule with the wrong number of inputs or outputs, or of a value from elsewhere. */
    OK(pyad_rule_begin(test_generation++));
    assert_int_equal(pyad_rule_begin(test_generation++), PYAD_ERR_STATE);
    int64_t in = ok(pyad_rule_input(PYAD_F64, 0, NULL));
    assert_int_equal(test_status(pyad_rule_input(99, 0, NULL)), PYAD_ERR_DTYPE);
    assert_int_equal(pyad_rule_finish_program(0, test_generation++, 3, 1, &in), PYAD_ERR_VALUE);
    assert_int_equal(pyad_rule_finish_program(9, test_generation++, 1, 1, &in), PYAD_ERR_VALUE);
    assert_int_equal(pyad_rule_finish_program(0, test_generation++, 1, 1, &x), PYAD_ERR_STALE);
    OK(pyad_rule_finish_program(0, test_generation++, 1, 1, &in));
    assert_int_equal(pyad_rule_commit(0), PYAD_ERR_STATE);
    pyad_rule_abort();
    assert_int_equal(pyad_rule_commit(0), PYAD_ERR_STATE);
    OK(test_go());
    OK(pyad_sweep_copy(x, got));
    assert_true(fabs(got[9] - exp(x_data[9])) < 1e-14);
    pyad_sweep_stop();
    assert_int_equal(test_status(pyad_operand(y, 1)), PYAD_ERR_VALUE);
    assert_int_equal(test_status(pyad_op1(PYAD_LOOP_ADD, x)), PYAD_ERR_VALUE);
    assert_int_equal(test_status(pyad_op1(-1, x)), PYAD_ERR_VALUE);
    assert_int_equal(test_status(pyad_op2(PYAD_LOOP_ADD, x, wrong + 1000)), PYAD_ERR_STALE);
    assert_int_equal(test_status(pyad_op(PYAD_KERNEL_SUM, 1, &x, 300, LIST(0))), PYAD_ERR_VALUE);
    assert_int_equal(test_status(pyad_lend(0, PYAD_F64, 33, LIST(0), LIST(0), got)), PYAD_ERR_VALUE);
    assert_int_equal(test_status(pyad_lend(0, PYAD_F64, 0, NULL, NULL, (char *)got + 1)), PYAD_ERR_VALUE);
    assert_int_equal(test_status(pyad_lend(0, 44, 0, NULL, NULL, got)), PYAD_ERR_DTYPE);
    assert_string_equal(pyad_last_message(), "there is no dtype 44");
    assert_int_equal(test_status(pyad_const_number(1, 44)), PYAD_ERR_DTYPE);
    assert_int_equal(test_status(pyad_leaf_number(0, 1, -1)), PYAD_ERR_DTYPE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_twice, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_memory_of_sweep, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_mutated, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_nested, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_alias, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_sealed_asks, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_saved_tapes, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_python_nodes, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_python_mutated, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_python_rule, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_share, setup_engine, free_engine),
        cmocka_unit_test_setup_teardown(test_refusals, setup_engine, teardown_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
