/* Replays: random graphs against the interpreter, and what is done when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "support/plans_random.h"

static int rounds(int many)
{
    return getenv("PYAD_VALGRIND") != NULL ? many / 20 : many;
}

/* ---- random graphs ---- */

typedef pyad_status (*prepare)(const pyad_graph *old, pyad_graph *made);

static uint8_t *flip(const pyad_graph *any, uint32_t guard)
{
    const pyad_goutput *output = &any->outputs[guard];
    return (uint8_t *)(uintptr_t)output->expected +
           test_random((int64_t)pyad_layout_bytes(any->nodes[output->node].layout));
}

/* One guard after another does not hold; then all do. */
static void check_guards(program *p, int instance, int set)
{
    for (uint32_t s = 0; s < p->graph->output_count; s++) {
        if (p->graph->outputs[s].kind != PYAD_G_GUARD || test_random(2) == 0)
            continue;
        uint8_t *at = flip(p->graph, s);
        *at ^= 1;
        assert_int_equal(run_program(p, instance, set), PYAD_GUARD_FAILED);
        assert_int_equal(p->replay[instance].stopped, s);
        assert_true(inputs_untouched(p, set, true) && canaries_live(p, set));
        *at ^= 1;
    }
}

static void run_with(fixture *f, program *p, const pyad_graph *reference, bool odd, test_precision precision)
{
    int instance = (int)test_random(SETS);
    int set = (int)test_random(SETS);
    refill_inputs(odd);
    void **values = run_graph(f, reference);
    expect_guards(reference, values);
    check_guards(p, instance, set);
    pyad_status status = run_program(p, instance, set);
    bool same = status == PYAD_OK && gave(p, set, reference, values, precision);
    if (!same) {
        print_plan(p);
        fail_msg("status %d, %s", (int)status, p->replay[instance].message.text);
    }
    free_values(reference, values);
}

static void check_random(fixture *f, prepare make, const random_kind *kind, int count, test_precision precision)
{
    for (int round = 0; round < rounds(count); round++) {
        pyad_arena_mark mark = pyad_arena_position(&f->arena);
        program p;
        begin_random(f, kind);
        grow_random(kind);
        pyad_graph made = after(make, &graph);
        open_program(&p, f, &made);
        for (int k = 0; k < 4; k++)
            run_with(f, &p, &graph, kind->odd, precision);
        close_program(&p);
        pyad_graph_finish(&made);
        pyad_graph_finish(&graph);
        pyad_arena_cut(&f->arena, mark);
    }
}

static pyad_status all_passes(const pyad_graph *old, pyad_graph *made)
{
    *made = after(pyad_pass_dce, old);
    return pyad_passes_run(made, NULL);
}

/* Graphs of nodes that give the same bits however they are run. */
static void test_random_bits(void **state)
{
    check_random(*state, pyad_pass_dce, &(random_kind){.odd = true}, 2500, TEST_EXACT);
}

static void test_random_bits_of_rows(void **state)
{
    check_random(*state, pyad_pass_dce, &(random_kind){.odd = true, .rows = true}, 1400, TEST_EXACT);
}

static void test_random_sums(void **state)
{
    check_random(*state, pyad_pass_dce, &(random_kind){.sums = true}, 2500, TEST_ROUNDED);
}

static void test_random_sums_of_rows(void **state)
{
    check_random(*state, pyad_pass_dce, &(random_kind){.sums = true, .rows = true}, 1400, TEST_ROUNDED);
}

static void test_random_passes(void **state)
{
    check_random(*state, all_passes, &(random_kind){.sums = true}, 2000, TEST_ROUNDED);
    check_random(*state, all_passes, &(random_kind){.sums = true, .rows = true}, 1000, TEST_ROUNDED);
}

/* ---- calls, guards, failures ---- */

static void result(uint32_t node, uint32_t number)
{
    must(pyad_graph_add_output(&graph, (pyad_goutput){.kind = PYAD_G_RESULT, .node = node, .number = number}));
}

static void store(uint32_t node, uint32_t input)
{
    must(pyad_graph_add_output(&graph, (pyad_goutput){.kind = PYAD_G_STORE, .node = node, .number = input}));
}

static void begin_small(fixture *f)
{
    memset(row_shapes, 0, sizeof row_shapes);
    begin(f, false);
    graph.argument_count = graph.input_count;
}

static uint32_t call(uint32_t of)
{
    uint32_t node;
    pyad_gnode added = {.kind = PYAD_G_CALL, .op = 1000, .nargs = 1, .layout = graph.nodes[of].layout};
    must(pyad_graph_add(&graph, &added, NODES(of), &node));
    return node;
}

/* A run stops at each call in its order, and another may begin and end meanwhile. */
static void test_calls(void **state)
{
    fixture *f = *state;
    program p;
    begin_small(f);
    uint32_t first = call(EXP(A));
    uint32_t second = call(TRANSPOSE(first, 1, 0));
    result(MUL(TRANSPOSE(second, 1, 0), B), 0);
    store(second, TALL);
    open_program(&p, f, &graph);
    for (int k = 0; k < 3; k++) {
        refill_inputs(false);
        void **before = run_graph(f, &graph);
        fill_outside(&p, 0);
        start_program(&p, 0, 0);
        assert_int_equal(pyad_replay_go(&p.replay[0]), PYAD_CALL_PYTHON);
        assert_int_equal(p.replay[0].stopped, first);
        run_call(&p, 0);
        refill_inputs(false);
        void **values = run_graph(f, &graph);
        assert_int_equal(run_program(&p, 1, 1), PYAD_OK);
        assert_true(gave(&p, 1, &graph, values, TEST_EXACT));
        assert_int_equal(pyad_replay_go(&p.replay[0]), PYAD_CALL_PYTHON);
        assert_int_equal(p.replay[0].stopped, second);
        if (k == 1) { /* given up, and begun again */
            assert_int_equal(run_program(&p, 0, 0), PYAD_OK);
            assert_true(gave(&p, 0, &graph, values, TEST_EXACT));
        } else {
            run_call(&p, 0);
            assert_int_equal(finish_program(&p, 0, 0), PYAD_OK);
            int64_t wrong = 0;
            for (int i = 0; i < 6; i++) {
                double made = number_at(graph.nodes[A].layout, outside(&p, 0, graph.argument_count), i);
                wrong += made != number_at(graph.nodes[A].layout, before[graph.outputs[0].node], i);
            }
            assert_int_equal(wrong, 0);
        }
        free_values(&graph, before);
        free_values(&graph, values);
    }
    close_program(&p);
    pyad_graph_finish(&graph);
}

/* A guard asks for bits: of NaN the same ones, of zero the sign. */
static void test_guards_ask_for_bits(void **state)
{
    fixture *f = *state;
    program p;
    begin_small(f);
    const double expected[6] = {NAN, -0.0, 1, 2, 3, 4};
    const pyad_goutput turned = {.kind = PYAD_G_GUARD, .node = TRANSPOSE(TALL, 1, 0), .expected = expected};
    const pyad_goutput plain = {.kind = PYAD_G_GUARD, .node = A, .expected = expected};
    must(pyad_graph_add_output(&graph, turned));
    must(pyad_graph_add_output(&graph, plain));
    store(NEG(A), A);
    open_program(&p, f, &graph);
    const double columns[6] = {NAN, 2, -0.0, 3, 1, 4};
    memcpy(graph.inputs[A].data, expected, sizeof expected);
    memcpy(graph.inputs[TALL].data, columns, sizeof columns);
    assert_int_equal(run_program(&p, 0, 0), PYAD_OK);
    double *zero = (double *)graph.inputs[A].data + 1;
    *zero = 0.0;
    assert_int_equal(run_program(&p, 0, 0), PYAD_GUARD_FAILED);
    assert_int_equal(p.replay[0].stopped, 1);
    assert_true(inputs_untouched(&p, 0, true));
    *zero = -0.0;
    ((double *)graph.inputs[TALL].data)[5] = NAN;
    assert_int_equal(run_program(&p, 0, 0), PYAD_GUARD_FAILED);
    assert_int_equal(p.replay[0].stopped, 0);
    close_program(&p);
    pyad_graph_finish(&graph);
}

static void test_a_kernel_that_fails(void **state)
{
    fixture *f = *state;
    program p;
    begin_small(f);
    uint32_t rows = RUN(PYAD_KERNEL_TAKE, NULL, A, INDEX);
    store(SUM(rows, 1, 0), ROW);
    open_program(&p, f, &graph);
    ((int64_t *)graph.inputs[INDEX].data)[1] = 2;
    assert_int_equal(run_program(&p, 0, 0), PYAD_ERR_VALUE);
    assert_string_equal(p.replay[0].message.text, "take: index 2 is out of range for 2 rows");
    assert_true(inputs_untouched(&p, 0, true));
    ((int64_t *)graph.inputs[INDEX].data)[1] = 1;
    void **values = run_graph(f, &graph);
    assert_int_equal(run_program(&p, 0, 0), PYAD_OK);
    assert_true(gave(&p, 0, &graph, values, TEST_ROUNDED));
    free_values(&graph, values);
    close_program(&p);
    pyad_graph_finish(&graph);
}

/* Kernels with many operands, guards over views and products of views need memory when they run. */
static void test_runs_without_memory(void **state)
{
    fixture *f = *state;
    program p;
    begin_small(f);
    uint32_t many[12];
    for (int k = 0; k < 12; k++)
        many[k] = k % 2 == 0 ? A : B;
    result(add_run(PYAD_KERNEL_CONCATENATE, PARAMS(1), 12, many), 0);
    result(RUN(PYAD_KERNEL_SOFTMAX, PARAMS(0), BROADCAST(COLUMN, 2, 300)), 1);
    result(ADD(Z, BROADCAST(SLICE(Z, 0, 1, 1, 0, 1, 3), 2, 3)), 2);
    void *expected = pyad_arena_alloc(graph.arena, 8000);
    uint32_t wide = TRANSPOSE(BROADCAST(COLUMN, 2, 500), 1, 0);
    must(pyad_graph_add_output(&graph, (pyad_goutput){.kind = PYAD_G_GUARD, .node = wide, .expected = expected}));
    void **values = run_graph(f, &graph);
    expect_guards(&graph, values);
    open_program(&p, f, &graph);
    pyad_status status = PYAD_ERR_MEMORY;
    int64_t count = 0;
    for (; status != PYAD_OK; count++) {
        pyad_arena_finish(&p.replay[0].scratch);
        pyad_arena_init(&p.replay[0].scratch, &f->mem);
        pyad_mem_trim(&f->mem);
        int64_t failures = f->hook.failures;
        int64_t buffers = f->mem.live_buffers;
        test_hook_fail_after(&f->hook, count);
        status = run_program(&p, 0, 0);
        test_hook_never_fail(&f->hook);
        assert_int_equal(status, f->hook.failures == failures ? PYAD_OK : PYAD_ERR_MEMORY);
        assert_true(f->mem.live_buffers <= buffers + 1); /* the arena's */
    }
    assert_true(count >= 4);
    assert_true(gave(&p, 0, &graph, values, TEST_ROUNDED));
    free_values(&graph, values);
    close_program(&p);
    pyad_graph_finish(&graph);
}

/* Addresses of some only change from run to run. */
static void test_addresses_change(void **state)
{
    fixture *f = *state;
    program p;
    begin_small(f);
    uint32_t x = ADD(A, ROW);
    result(x, 0);
    result(CAST(SLICE(A, 1, -1, 2, 2, -1, 3), PYAD_F32), 1);
    result(EXP(ONE), 2);
    result(TRANSPOSE(x, 1, 0), 3);
    open_program(&p, f, &graph);
    for (int k = 0; k < 50; k++) {
        refill_inputs(false);
        for (size_t b = 0; b < p.count; b++) {
            char *block = p.blocks[0][b];
            if (test_random(3) > 0)
                continue;
            p.blocks[0][b] = p.blocks[1][b];
            p.blocks[1][b] = block;
        }
        void **values = run_graph(f, &graph);
        assert_int_equal(run_program(&p, 0, 0), PYAD_OK);
        assert_true(gave(&p, 0, &graph, values, TEST_EXACT));
        free_values(&graph, values);
    }
    close_program(&p);
    pyad_graph_finish(&graph);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_random_bits),         TEST(test_random_bits_of_rows), TEST(test_random_sums),
        TEST(test_random_sums_of_rows), TEST(test_random_passes),       TEST(test_calls),
        TEST(test_guards_ask_for_bits), TEST(test_a_kernel_that_fails), TEST(test_runs_without_memory),
        TEST(test_addresses_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
