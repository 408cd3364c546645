/* What is left open when the caller never came to close it: marks, sweeps, rules, saved tapes. Whoever closes what
 * encloses them closes them too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/engine.h"

enum { OWN_OP = 60000, N = 200 };

static double x_data[N];

static int64_t leaf(void)
{
    int64_t n = N;
    for (int i = 0; i < N; i++)
        x_data[i] = 0.01 * i;
    return ok(test_leaf(0, PYAD_F64, 1, &n, x_data));
}

static int64_t open_mark(void)
{
    int64_t generation = test_generation++;
    OK(pyad_mark_open(generation, 0));
    return generation;
}

/* A sweep that waits for its first rule to be recorded. */
static void ask_for_rule(int64_t x)
{
    int64_t y = ok(test_sum(ok(pyad_op1(PYAD_LOOP_SIN, ok(pyad_op1(PYAD_LOOP_EXP, x))))));
    int status = pyad_sweep_gradient(0, y, 1, &x);
    assert_int_equal(status, PYAD_CALL_PYTHON);
}

/* A sweep that waits for the caller to run the rule of its only node. */
static int64_t ask_for_run(void)
{
    int64_t number = ok(pyad_leaf_number(0, 2.0, PYAD_F64));
    int64_t y = ok(pyad_op_ran_node(OWN_OP, 1, &number, 0, ok(pyad_op1(PYAD_LOOP_SQUARE, number))));
    int status = pyad_sweep_gradient(0, y, 1, &number);
    assert_int_equal(status, PYAD_CALL_PYTHON);
    return number;
}

static void nothing_is_left(void)
{
    pyad_counters counters;
    pyad_count(&counters);
    assert_int_equal(counters.nodes + counters.live_bytes, 0);
    assert_int_equal(pyad_depth() + pyad_sweep_level() + pyad_in_rule(), 0);
    int64_t generation = open_mark();
    double got[N];
    int64_t x = leaf();
    OK(test_gradient(0, ok(test_sum(ok(pyad_op2(PYAD_LOOP_MUL, x, x)))), x, got));
    assert_true(got[3] == 2 * x_data[3]);
    OK(pyad_mark_close(generation));
    pyad_count(&counters);
    assert_int_equal(counters.nodes + counters.live_bytes, 0);
}

/* Sweeps in sweeps in marks in a rule: cutting, closing and a reset each end all of it. */
static void leave_all_open(void)
{
    int64_t x = leaf();
    ask_for_run();
    open_mark();
    open_mark();
    ask_for_rule(x);
    OK(pyad_rule_begin(test_generation++));
    ok(pyad_rule_input(PYAD_F64, 0, NULL));
    open_mark();
    assert_int_equal(pyad_sweep_level(), 2);
    assert_int_equal(pyad_in_rule(), 1);
}

static void test_close(void **state)
{
    (void)state;
    leave_all_open();
    OK(pyad_mark_close(test_outermost));
    nothing_is_left();
    assert_int_equal(pyad_mark_close(test_outermost), PYAD_ERR_STALE);
}

static void test_cut(void **state)
{
    (void)state;
    leave_all_open();
    pyad_mark_cut(); /* that in the rule */
    assert_int_equal(pyad_in_rule(), 1);
    pyad_mark_cut(); /* the rule, the sweep that asked for it, and the mark that it was in */
    assert_int_equal(pyad_in_rule(), 0);
    assert_int_equal(pyad_sweep_level(), 1);
    assert_int_equal(pyad_depth(), 2);
    pyad_mark_cut();
    assert_int_equal(pyad_sweep_level(), 1);
    pyad_mark_cut();
    nothing_is_left();
    pyad_mark_cut();
}

static void test_reset(void **state)
{
    (void)state;
    leave_all_open();
    pyad_reset();
    nothing_is_left();
}

/* A mark that is not open, or not any more, leaves everything as it is. */
static void test_close_unknown(void **state)
{
    (void)state;
    int64_t inner = open_mark();
    leave_all_open();
    assert_int_equal(pyad_mark_close(test_generation + 5), PYAD_ERR_STALE);
    assert_int_equal(pyad_mark_seal(test_generation + 5, 0, NULL), PYAD_ERR_STALE);
    assert_int_equal(pyad_in_rule(), 1);
    OK(pyad_mark_close(inner));
    assert_int_equal(pyad_mark_close(inner), PYAD_ERR_STALE);
    assert_int_equal(pyad_depth(), 1);
    OK(pyad_mark_close(test_outermost));
    nothing_is_left();
}

/* Nodes recorded under a mark that was left open belong to the one that encloses it when that is sealed. */
static void test_seal(void **state)
{
    (void)state;
    pyad_info info;
    double got;
    int64_t x = ok(pyad_leaf_number(0, 3.0, PYAD_F64));
    int64_t inner = open_mark();
    open_mark();
    int64_t y = ok(pyad_op1(PYAD_LOOP_SQUARE, x));
    int64_t other = ok(pyad_op1(PYAD_LOOP_EXP, x));
    int64_t kept = y;
    OK(pyad_mark_seal(inner, 1, &kept));
    assert_int_equal(pyad_depth(), 1);
    assert_int_equal(pyad_look(other, &info), PYAD_ERR_STALE);
    assert_int_equal(pyad_look(y, &info), PYAD_ERR_STALE);
    OK(test_gradient(0, kept, x, &got));
    assert_true(got == 6);
}

/* A sweep goes on after one that was left over within its rule. */
static void test_return(void **state)
{
    (void)state;
    int64_t x = ask_for_run();
    int level = pyad_sweep_level();
    int64_t node;
    assert_int_equal(pyad_sweep_wants(&node), PYAD_CALL_BACKWARD);
    open_mark();
    ask_for_rule(leaf());
    OK(pyad_rule_begin(test_generation++));
    pyad_sweep_return(level);
    assert_int_equal(pyad_sweep_level(), level);
    assert_int_equal(pyad_in_rule(), 0);
    OK(pyad_sweep_give(x, ok(pyad_const_number(7.0, PYAD_F64))));
    OK(pyad_sweep_go());
    assert_true(pyad_sweep_number(x) == 7);
    pyad_sweep_stop_at(level + 1); /* never begun */
    assert_int_equal(pyad_sweep_level(), level);
    pyad_sweep_stop_at(level);
    assert_int_equal(pyad_sweep_level(), level - 1);
    OK(pyad_mark_close(test_outermost));
    nothing_is_left();
}

/* A saved tape that was entered and not left, in the middle of a rule on it. */
static void test_entered(void **state)
{
    (void)state;
    pyad_info info;
    pyad_saved_tape *saved = NULL;
    int64_t x = leaf();
    OK(pyad_tape_take(&saved));
    assert_int_equal(pyad_saved_tape_generation(saved), test_outermost);
    int64_t generation = open_mark();
    int64_t other = ok(pyad_leaf_number(0, 1.0, PYAD_F64));
    for (int round = 0; round < 2; round++) {
        OK(pyad_tape_enter(saved, test_generation++));
        ask_for_rule(x);
        OK(pyad_rule_begin(test_generation++));
        assert_int_equal(pyad_in_rule(), 1);
    }
    assert_int_equal(pyad_sweep_level(), 1); /* entered anew: what had begun within it is over */
    assert_int_equal(pyad_look(other, &info), PYAD_ERR_STALE);
    assert_int_equal(pyad_mark_close(test_generation + 1), PYAD_ERR_STALE);
    assert_true(pyad_tape_is_innermost(saved));
    OK(pyad_mark_close(generation));
    assert_false(pyad_tape_is_innermost(saved));
    assert_int_equal(pyad_sweep_level() + pyad_in_rule() + pyad_depth(), 0);
    pyad_tape_leave(saved); /* left already */
    /* It is as it was. */
    OK(pyad_tape_enter(saved, test_generation++));
    assert_int_equal(pyad_depth(), 2);
    assert_int_equal(pyad_node_count(), 1);
    pyad_saved_tape_free(&saved);
    assert_int_equal(pyad_depth(), 0);
    nothing_is_left();
}

/* The caller's rule asks for a saved tape, and nobody leaves it. */
static void test_entered_in_rule(void **state)
{
    (void)state;
    pyad_saved_tape *saved = NULL;
    int64_t node;
    OK(pyad_tape_take(&saved));
    int64_t generation = open_mark();
    int64_t x = ask_for_run();
    assert_int_equal(pyad_sweep_wants(&node), PYAD_CALL_BACKWARD);
    OK(pyad_tape_enter(saved, test_generation++));
    assert_int_equal(pyad_sweep_wants(&node), PYAD_CALL_NONE);
    assert_int_equal(pyad_sweep_go(), PYAD_ERR_STATE);
    assert_int_equal(pyad_sweep_give(x, x), PYAD_ERR_STATE);
    assert_int_equal(pyad_rule_begin(test_generation++), PYAD_ERR_STATE);
    pyad_sweep_return(1);
    assert_false(pyad_tape_is_innermost(saved));
    OK(pyad_sweep_give(x, ok(pyad_const_number(7.0, PYAD_F64))));
    OK(pyad_sweep_go());
    OK(pyad_tape_enter(saved, test_generation++));
    OK(pyad_mark_close(generation));
    assert_false(pyad_tape_is_innermost(saved));
    nothing_is_left();
    /* The tape is freed with its engine. */
    OK(pyad_tape_enter(saved, test_generation++));
}

/* What a caller gives to a recorded sweep stays, also when the caller lets go of it at once. */
static void test_given(void **state)
{
    (void)state;
    int64_t n = N;
    double got[N];
    int64_t x = leaf();
    int64_t square = ok(pyad_op2(PYAD_LOOP_MUL, x, x));
    int64_t y = ok(test_sum(ok(pyad_op_ran(OWN_OP, 1, &square, 0, PYAD_F64, 1, &n, x_data))));
    /* The rule of the sum of two is known then, which reads nothing. */
    OK(test_gradient(0, ok(test_sum(ok(pyad_op2(PYAD_LOOP_ADD, x, x)))), x, got));
    OK(pyad_sweep_start(PYAD_SWEEP_RECORDED, 1, &y, 1, &x));
    OK(pyad_sweep_seed_ones(y));
    int status;
    int64_t node;
    while ((status = pyad_sweep_go()) == PYAD_CALL_PYTHON) {
        if (pyad_sweep_wants(&node) == PYAD_CALL_RULE) {
            OK(test_supply_rule(node));
            continue;
        }
        int64_t s = ok(pyad_sweep_value(node));
        int64_t given = ok(pyad_op2(PYAD_LOOP_ADD, s, s));
        OK(pyad_sweep_give(square, given));
        pyad_drop(given);
    }
    OK(status);
    OK(pyad_copy_out(ok(pyad_sweep_value(x)), got));
    assert_true(got[5] == 4 * x_data[5]);
    pyad_sweep_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_close, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_cut, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_reset, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_close_unknown, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_seal, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_return, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_entered, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_entered_in_rule, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_given, setup_engine, teardown_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
