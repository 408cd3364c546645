/* Plans: what runs together, where values lie, and plans that find no memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "support/engine.h"
#include "support/plans.h"

#define CUMSUM(a) RUN(PYAD_KERNEL_CUMSUM, PARAMS(0, 0), a)
#define AFFINE(a, b, c) RUN(PYAD_KERNEL_AFFINE, NULL, a, b, c)
#define ADD_ROWS(a, b, index) RUN(PYAD_KERNEL_ADD_ROWS, NULL, a, b, index)
#define ASSIGN_AT(a, b, index) RUN(PYAD_KERNEL_ASSIGN_AT, NULL, a, b, index)
/* The second row of (2, 3). */
#define SECOND 3, 1, 3, 1

static void begin_plan(fixture *f)
{
    begin(f, false);
    graph.argument_count = graph.input_count;
}

static void result(uint32_t node)
{
    uint32_t number = 0;
    for (size_t k = 0; k < graph.output_count; k++)
        number += graph.outputs[k].kind == PYAD_G_RESULT;
    must(pyad_graph_add_output(&graph, (pyad_goutput){.kind = PYAD_G_RESULT, .node = node, .number = number}));
}

static void store(uint32_t node, uint32_t input)
{
    must(pyad_graph_add_output(&graph, (pyad_goutput){.kind = PYAD_G_STORE, .node = node, .number = input}));
}

/* A guard that holds. */
static void guard(fixture *f, uint32_t node)
{
    size_t bytes = pyad_layout_bytes(graph.nodes[node].layout);
    void *expected = pyad_arena_alloc(graph.arena, bytes);
    void **values = run_graph(f, &graph);
    memcpy(expected, values[node], bytes);
    free_values(&graph, values);
    must(pyad_graph_add_output(&graph, (pyad_goutput){.kind = PYAD_G_GUARD, .node = node, .expected = expected}));
}

static uint32_t call(uint32_t of)
{
    uint32_t node;
    pyad_gnode added = {.kind = PYAD_G_CALL, .op = 1000, .nargs = 1, .layout = graph.nodes[of].layout};
    must(pyad_graph_add(&graph, &added, NODES(of), &node));
    return node;
}

/* Plans the graph and runs it twice: its values are right. */
static void open_checked(program *p, fixture *f)
{
    open_program(p, f, &graph);
    void **values = run_graph(f, &graph);
    for (int k = 0; k < 2; k++) {
        if (run_program(p, 0, k) != PYAD_OK || !gave(p, k, &graph, values, TEST_ROUNDED)) {
            print_plan(p);
            fail_msg("run %d is wrong", k);
        }
    }
    free_values(&graph, values);
}

static void close_all(program *p)
{
    close_program(p);
    pyad_graph_finish(&graph);
}

/* "LOOPS", "RUN, COPY", ... */
static void expect_actions(const program *p, const char *wanted)
{
    static const char *const kinds[] = {"RUN", "LOOPS", "NUMBERS", "CALL", "GUARD", "COPY"};
    text t = {.used = 0};
    for (size_t a = 0; a < p->plan.action_count; a++) {
        say(&t, a > 0 ? " " : "");
        say(&t, kinds[p->plan.actions[a].kind]);
    }
    assert_string_equal(t.words, wanted);
}

static bool together(const program *p, uint32_t a, uint32_t b)
{
    const pyad_place *x = &p->plan.places[a];
    const pyad_place *y = &p->plan.places[b];
    return x->base == y->base && x->offset == y->offset;
}

static bool is_in(const program *p, uint32_t node, uint32_t input)
{
    return p->plan.places[node].base == PYAD_BASE_OUTSIDE + input;
}

/* ---- what runs together ---- */

static void test_lines_are_one_action(void **state)
{
    fixture *f = *state;
    program p;
    begin_plan(f);
    uint32_t x = EXP(ADD(A, MUL(B, ROW)));
    result(SUM(x, 3, 0));
    result(SUM(x, 1, 0));
    result(MUL(x, ONE));
    open_checked(&p, f);
    expect_actions(&p, "LOOPS");
    assert_int_equal(p.plan.actions[0].count, 6);
    assert_int_equal(p.plan.places[x].base, PYAD_BASE_NONE);
    close_all(&p);
}

static void test_numbers_are_one_action(void **state)
{
    fixture *f = *state;
    program p;
    begin_plan(f);
    uint32_t x = EXP(ONE);
    result(MUL(ADD(x, number(2)), RESHAPE(NEG(x), 1)));
    result(SUM(A, 3, 0));
    open_checked(&p, f);
    expect_actions(&p, "NUMBERS NUMBERS RUN"); /* a view is there when what it is of has been run */
    close_all(&p);
}

static void test_what_is_no_line(void **state)
{
    fixture *f = *state;
    program p;
    begin_plan(f);
    result(ADD(Z, Z));
    result(SUM(RESHAPE(EXP(RESHAPE(A, 1, 2, 3)), 6), 1, 0));                       /* a sum of a view */
    result(SUM(NEG(BROADCAST(RESHAPE(ROW, 1, 3, 1), 2, 3, 2)), 5, 0));              /* axes that are no neighbours */
    result(NEG(SLICE(A, 0, 1, 2, 0, 1, 0)));                                        /* nothing */
    open_checked(&p, f);
    expect_actions(&p, "RUN LOOPS RUN LOOPS RUN RUN");
    close_all(&p);
}

/* A line has so many steps at most. */
static void test_long_lines_are_cut(void **state)
{
    fixture *f = *state;
    program p;
    begin_plan(f);
    uint32_t x = A;
    for (int k = 0; k < 2 * PYAD_FUSED_LOOP_MOST_STEPS + 1; k++)
        x = NEG(x);
    result(x);
    open_checked(&p, f);
    expect_actions(&p, "LOOPS LOOPS LOOPS");
    assert_int_equal(p.plan.reused, 1);
    close_all(&p);
}

static void test_guards_come_as_soon_as_they_can(void **state)
{
    fixture *f = *state;
    program p;
    begin_plan(f);
    uint32_t x = CUMSUM(A);
    result(CUMSUM(CUMSUM(x)));
    guard(f, x);
    guard(f, TRANSPOSE(B, 1, 0));
    open_checked(&p, f);
    expect_actions(&p, "GUARD RUN GUARD RUN RUN");
    close_all(&p);
}

/* ---- memory ---- */

typedef uint32_t (*grow_chain)(uint32_t x);

static uint32_t chain_of_kernels(uint32_t x)
{
    return CUMSUM(x);
}

static uint32_t chain_of_lines(uint32_t x)
{
    return NEG(x);
}

static uint32_t chain_of_both(uint32_t x)
{
    return ADD(CUMSUM(NEG(x)), A);
}

static uint32_t chain_of_writes(uint32_t x)
{
    return ADD_SLICE(ASSIGN(x, SUM(x, 3, 0), 0, 1, 2, 2), RESHAPE(ROW, 3), SECOND);
}

static size_t memory_of_chain(fixture *f, grow_chain grow, int length)
{
    pyad_plan plan;
    begin_plan(f);
    uint32_t x = EXP(A);
    for (int k = 0; k < length; k++)
        x = grow(x);
    result(CUMSUM(x));
    must(make_plan(&plan, &f->mem, &graph));
    size_t bytes = plan.arena_bytes;
    pyad_plan_finish(&plan);
    pyad_graph_finish(&graph);
    return bytes;
}

static void test_memory_does_not_grow_with_chains(void **state)
{
    static const grow_chain chains[] = {chain_of_kernels, chain_of_lines, chain_of_both, chain_of_writes};
    fixture *f = *state;
    for (size_t k = 0; k < sizeof chains / sizeof chains[0]; k++) {
        size_t few = memory_of_chain(f, chains[k], 300);
        assert_int_equal(memory_of_chain(f, chains[k], 3000), few);
        assert_true(few > 0 && few <= 256);
    }
}

static void test_what_is_read_stays(void **state)
{
    fixture *f = *state;
    program p;
    begin_plan(f);
    uint32_t x = CUMSUM(A);
    uint32_t view = TRANSPOSE(TRANSPOSE(x, 1, 0), 1, 0);
    uint32_t y = CUMSUM(x);
    uint32_t z = CUMSUM(y);
    result(CUMSUM(ADD(z, view)));
    open_checked(&p, f);
    assert_false(together(&p, x, y) || together(&p, x, z) || together(&p, y, z));
    close_all(&p);
}

static void test_results_are_made_in_their_place(void **state)
{
    fixture *f = *state;
    program p;
    begin_plan(f);
    uint32_t x = CUMSUM(A);
    uint32_t y = NEG(x);
    result(x);
    result(y);
    result(y);
    result(TRANSPOSE(y, 1, 0));
    result(A);
    result(number(3));
    open_checked(&p, f);
    expect_actions(&p, "RUN LOOPS COPY COPY COPY COPY");
    assert_int_equal(p.plan.arena_bytes, 0);
    assert_int_equal(p.plan.places[x].base, pyad_plan_result_base(&p.plan, 0));
    assert_int_equal(p.plan.places[y].base, pyad_plan_result_base(&p.plan, 1));
    close_all(&p);
}

/* ---- taking over memory ---- */

static void test_writes_are_done_in_place(void **state)
{
    fixture *f = *state;
    program p;
    begin_plan(f);
    uint32_t x = CUMSUM(A);
    uint32_t a = ASSIGN(x, ROW, SECOND);
    uint32_t b = ADD_SLICE(a, ONE, 0, 1, 2, 3);
    uint32_t c = ASSIGN_AT(b, RESHAPE(ROW, 3), INDEX);
    uint32_t d = ADD_ROWS(c, BROADCAST(ROW, 3, 3), INDEX);
    uint32_t e = AFFINE(COLUMN, LINE, d);
    result(CUMSUM(e));
    open_checked(&p, f);
    assert_true(together(&p, x, a) && together(&p, x, b) && together(&p, x, c) && together(&p, x, d) &&
                together(&p, x, e));
    assert_int_equal(p.plan.reused, 5);
    close_all(&p);
}

static void test_old_states_that_are_read_stay(void **state)
{
    fixture *f = *state;
    program p;
    begin_plan(f);
    uint32_t x = CUMSUM(A);
    uint32_t w = ASSIGN(x, ROW, SECOND);
    uint32_t v = ASSIGN(w, SUM(w, 1, 0), SECOND);
    result(CUMSUM(SUB(CUMSUM(v), x)));
    uint32_t y = CUMSUM(B);
    uint32_t z = ASSIGN(y, SLICE(y, 0, 1, -1, 0, 1, 3), SECOND); /* reads what it writes to */
    result(CUMSUM(z));
    open_checked(&p, f);
    assert_true(!together(&p, x, w) && together(&p, w, v) && !together(&p, y, z));
    close_all(&p);
}

/* The written part is a whole array of its own then. */
static void test_a_part_is_not_taken_for_the_whole(void **state)
{
    fixture *f = *state;
    program p;
    begin_plan(f);
    uint32_t x = CUMSUM(FLAT);
    uint32_t w = ASSIGN(STRIDED_VIEW(x, 2, 1, 3, 1), ONE, 0, 0);
    result(CUMSUM(w));
    open_checked(&p, f);
    assert_int_equal(p.plan.reused, 0);
    close_all(&p);
}

static void test_lines_take_over(void **state)
{
    fixture *f = *state;
    program p;
    begin_plan(f);
    uint32_t x = CUMSUM(A);
    uint32_t y = MUL(EXP(x), x);
    uint32_t z = CUMSUM(y);
    uint32_t narrow = CAST(NEG(z), PYAD_F32);
    result(CUMSUM(narrow));
    uint32_t low = CUMSUM(B);
    uint32_t less = RUN(PYAD_LOOP_LT, NULL, low, A); /* of another width */
    result(RUN(PYAD_KERNEL_TRANSPOSE, PARAMS(1, 0), WHERE(less, A, B)));
    result(CUMSUM(CAST(TRANSPOSE(less, 1, 0), PYAD_F64)));
    open_checked(&p, f);
    assert_true(together(&p, x, y) && !together(&p, y, z) && !together(&p, low, less));
    close_all(&p);
}

static void test_lines_do_not_take_over_what_they_read_otherwise(void **state)
{
    fixture *f = *state;
    program p;
    begin_plan(f);
    uint32_t x = CUMSUM(SQUARE);
    uint32_t y = ADD(x, TRANSPOSE(x, 1, 0));
    result(CUMSUM(y));
    uint32_t row = CUMSUM(ROW);
    uint32_t sum = SUM(MUL(A, row), 1, 0); /* the row is read again after it was summed for the first time */
    result(CUMSUM(sum));
    uint32_t whole = CUMSUM(B);
    uint32_t early = NEG(whole);
    uint32_t late = ADD(EXP(early), whole);
    result(CUMSUM(early));
    result(CUMSUM(late));
    open_checked(&p, f);
    assert_false(together(&p, x, y) || together(&p, row, sum) || together(&p, whole, early));
    assert_true(together(&p, whole, late));
    close_all(&p);
}

/* ---- stores ---- */

static void test_stores_are_made_in_place(void **state)
{
    fixture *f = *state;
    program p;
    begin_plan(f);
    guard(f, CUMSUM(A));
    uint32_t a = ASSIGN(A, ROW, SECOND);
    uint32_t b = MUL(B, ONE);
    uint32_t flat = CUMSUM(FLAT); /* reads what it would write over */
    uint32_t f32 = RUN(PYAD_LOOP_NEG, NULL, F);
    store(a, A);
    store(b, B);
    store(flat, FLAT);
    store(f32, F);
    open_checked(&p, f);
    assert_true(is_in(&p, a, A) && is_in(&p, b, B) && is_in(&p, f32, F) && !is_in(&p, flat, FLAT));
    close_all(&p);
}

static void test_stores_come_after_guards_and_calls(void **state)
{
    fixture *f = *state;
    program p;
    for (int with_call = 0; with_call < 2; with_call++) {
        begin_plan(f);
        uint32_t x = CUMSUM(ADD(A, B));
        uint32_t y = CUMSUM(x);
        store(x, A);
        if (with_call)
            result(call(y));
        else
            guard(f, y);
        store(CUMSUM(y), B);
        open_checked(&p, f);
        assert_false(is_in(&p, x, A));
        assert_true(is_in(&p, graph.outputs[2].node, B));
        assert_int_equal(p.plan.direct_stores, 1);
        close_all(&p);
    }
}

static void test_what_is_read_later_is_not_stored_over(void **state)
{
    fixture *f = *state;
    program p;
    begin_plan(f);
    uint32_t x = CUMSUM(B);
    store(x, A);
    result(CUMSUM(SUB(CUMSUM(x), TRANSPOSE(TRANSPOSE(A, 1, 0), 1, 0))));
    uint32_t row = SUM(MUL(A, ROW), 1, 0);
    store(row, ROW);
    result(B);
    store(CUMSUM(CUMSUM(A)), B); /* a result is the old one */
    open_checked(&p, f);
    assert_int_equal(p.plan.direct_stores, 0);
    close_all(&p);
}

static void test_inputs_are_exchanged(void **state)
{
    fixture *f = *state;
    program p;
    begin_plan(f);
    result(ADD(A, B));
    store(CAST(B, PYAD_F64), A);
    store(CAST(A, PYAD_F64), B);
    uint32_t one = NEG(ROW);
    store(one, ROW);
    store(RESHAPE(one, 1, 3), LINE);
    open_checked(&p, f);
    close_all(&p);
}

/* ---- without memory ---- */

/* Something of everything, so that all tables grow. */
static void begin_large(fixture *f)
{
    begin_plan(f);
    uint32_t x = A;
    for (int k = 0; k < 60; k++) {
        x = k % 4 == 0 ? CUMSUM(x) : k % 4 == 1 ? ASSIGN(x, ROW, SECOND) : MUL(EXP(x), BROADCAST(COLUMN, 2, 3));
        if (k % 5 == 0)
            result(TRANSPOSE(x, 1, 0));
        if (k % 7 == 0)
            result(SUM(MUL(SLICE(A, 1, -1, 2, 0, 1, 3), NEG(x)), 1 + k % 3, 0));
        if (k % 9 == 0)
            result(EXP(MUL(ONE, SUM(x, 3, 0))));
        if (k % 11 == 0)
            result(MUL(BROADCAST(RESHAPE(ROW, 3, 1), 3, 100 + k), BROADCAST(ONE, 100 + k)));
    }
    store(x, A);
    guard(f, MASK);
}

/* Leaves next to nothing, so that the next request takes a new chunk. */
static void use_up(pyad_arena *arena)
{
    while (arena->end - arena->at >= 128)
        assert_non_null(pyad_arena_alloc(arena, 32));
}

/* `count` allocations before there is no memory. */
static pyad_status plan_without_memory(fixture *f, pyad_plan *plan, int64_t count)
{
    pyad_mem_trim(&f->mem);
    use_up(&f->arena);
    int64_t failures = f->hook.failures;
    test_hook_fail_after(&f->hook, count);
    pyad_status status = make_plan(plan, &f->mem, &graph);
    test_hook_never_fail(&f->hook);
    assert_int_equal(status, f->hook.failures == failures ? PYAD_OK : PYAD_ERR_MEMORY);
    return status;
}

static void test_plan_without_memory(void **state)
{
    fixture *f = *state;
    pyad_plan plan;
    int64_t count = 0;
    begin_large(f);
    pyad_mem_trim(&f->mem);
    for (;; count++) {
        pyad_arena_mark mark = pyad_arena_position(&f->arena);
        int64_t blocks = f->hook.blocks;
        pyad_status status = plan_without_memory(f, &plan, count);
        pyad_plan_finish(&plan); /* again, where it failed */
        pyad_arena_cut(&f->arena, mark);
        pyad_mem_trim(&f->mem);
        assert_int_equal(f->hook.blocks, blocks);
        if (status == PYAD_OK)
            break;
    }
    assert_true(count > 10);
    pyad_graph_finish(&graph);
}

static void test_replay_without_memory(void **state)
{
    fixture *f = *state;
    program p;
    pyad_replay replay;
    pyad_status status = PYAD_ERR_MEMORY;
    int64_t count = 0;
    begin_large(f);
    open_checked(&p, f);
    pyad_mem_trim(&f->mem);
    int64_t blocks = f->hook.blocks;
    for (; status != PYAD_OK; count++) {
        int64_t failures = f->hook.failures;
        test_hook_fail_after(&f->hook, count);
        status = pyad_replay_make(&replay, &f->mem, &p.plan);
        test_hook_never_fail(&f->hook);
        assert_int_equal(status, f->hook.failures == failures ? PYAD_OK : PYAD_ERR_MEMORY);
        pyad_replay_finish(&replay);
        pyad_mem_trim(&f->mem);
        assert_int_equal(f->hook.blocks, blocks);
    }
    assert_true(count > 10);
    close_all(&p);
}

static void test_compile_without_memory(void **state)
{
    (void)state;
    pyad_engine *engine = pyad_engine_new();
    double data[200] = {0};
    int64_t failures = 0;
    pyad_compiled *compiled = NULL;
    pyad_engine_enter(engine);
    assert_int_equal(pyad_mark_open(1, 0), 0);
    assert_int_equal(pyad_record_program(1), 0);
    int64_t x = ok(pyad_lend(PYAD_LEND_SYMBOLIC, PYAD_F64, 1, LIST(200), NULL, data));
    int64_t y = ok(pyad_op2n(PYAD_LOOP_ADD, x, 1.0));
    for (int k = 0; k < 40; k++)
        y = ok(k % 3 == 0 ? pyad_op(PYAD_KERNEL_CUMSUM, 1, &y, 2, LIST(0, 0)) : pyad_op2(PYAD_LOOP_MUL, y, x));
    int64_t sum = ok(pyad_op(PYAD_KERNEL_SUM, 1, &y, 2, LIST(1, 0)));
    assert_int_equal(pyad_guard(sum), 0);
    pyad_interface what = {1, &x, 1, &sum, 1, &y, LIST(0)};
    for (; compiled == NULL; failures++) {
        pyad_fail_after(failures);
        compiled = pyad_compile(&what);
        pyad_fail_after(-1);
        if (compiled == NULL)
            assert_string_equal(pyad_last_message(), "out of memory while compiling a program");
    }
    assert_true(failures > 30);
    pyad_instance *instance = pyad_instance_new(compiled);
    double result = -1;
    assert_non_null(instance);
    pyad_compiled_free(compiled); /* the instance has its own reference */
    assert_int_equal(pyad_instance_run(instance, (void *[]){data, &result}), 0);
    assert_true(result == 0);
    pyad_instance_free(instance);
    assert_int_equal(pyad_record_program(0), 0);
    pyad_mark_cut();
    pyad_engine_free(engine);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_lines_are_one_action),
        TEST(test_numbers_are_one_action),
        TEST(test_what_is_no_line),
        TEST(test_long_lines_are_cut),
        TEST(test_guards_come_as_soon_as_they_can),
        TEST(test_memory_does_not_grow_with_chains),
        TEST(test_what_is_read_stays),
        TEST(test_results_are_made_in_their_place),
        TEST(test_writes_are_done_in_place),
        TEST(test_old_states_that_are_read_stay),
        TEST(test_a_part_is_not_taken_for_the_whole),
        TEST(test_lines_take_over),
        TEST(test_lines_do_not_take_over_what_they_read_otherwise),
        TEST(test_stores_are_made_in_place),
        TEST(test_stores_come_after_guards_and_calls),
        TEST(test_what_is_read_later_is_not_stored_over),
        TEST(test_inputs_are_exchanged),
        TEST(test_plan_without_memory),
        TEST(test_replay_without_memory),
        TEST(test_compile_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
