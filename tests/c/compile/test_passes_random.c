/* Passes over random graphs, whose results stay the same, and passes that find no memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "support/graphs_random.h"

static int rounds(int many)
{
    return getenv("PYAD_VALGRIND") != NULL ? many / 10 : many;
}

static void check_random(fixture *f, pass run_pass, bool tame, test_precision precision)
{
    for (int round = 0; round < rounds(1000); round++) {
        pyad_arena_mark mark = pyad_arena_position(&f->arena);
        begin(f, !tame);
        grow_graph(30, tame);
        pyad_graph made = after(run_pass, &graph);
        if (!same_results(f, &graph, &made, precision)) {
            print_graph(&graph);
            print_graph(&made);
            fail_msg("round %d has another value", round);
        }
        pyad_graph_finish(&made);
        pyad_graph_finish(&graph);
        pyad_arena_cut(&f->arena, mark);
    }
}

static void test_random_dead(void **state)
{
    check_random(*state, pyad_pass_dce, false, TEST_EXACT);
}

static void test_random_fold(void **state)
{
    check_random(*state, pyad_pass_constant_fold, false, TEST_EXACT);
}

static void test_random_common(void **state)
{
    check_random(*state, pyad_pass_cse, false, TEST_EXACT);
}

static void test_random_algebra(void **state)
{
    check_random(*state, pyad_pass_simplify, false, TEST_EXACT);
}

static void test_random_products(void **state)
{
    check_random(*state, pyad_pass_gemm_epilogue, true, TEST_ROUNDED);
}

static void test_random_parts(void **state)
{
    check_random(*state, pyad_pass_slice_accumulation, true, TEST_ROUNDED);
}

static pyad_status all_passes(const pyad_graph *old, pyad_graph *made)
{
    *made = after(pyad_pass_dce, old);
    return pyad_passes_run(made, NULL);
}

static void test_random_passes(void **state)
{
    check_random(*state, all_passes, true, TEST_ROUNDED);
}

/* ---- memory ---- */

static const pass all[] = {pyad_pass_dce,      pyad_pass_constant_fold, pyad_pass_cse,
                           pyad_pass_simplify, pyad_pass_gemm_epilogue, pyad_pass_slice_accumulation};

/* The pass with `room` bytes left in the arena's chunk, and `count` allocations before there is no memory. */
static pyad_status run_without_memory(fixture *f, pass run_pass, size_t room, int64_t count)
{
    pyad_arena arena;
    pyad_graph made;
    pyad_arena_init(&arena, &f->mem);
    assert_non_null(pyad_arena_alloc(&arena, 16));
    size_t left = (size_t)(arena.end - arena.at);
    assert_non_null(pyad_arena_alloc(&arena, left > room ? left - room : 16));
    pyad_mem_trim(&f->mem);
    pyad_graph_init(&made, &f->mem, &arena);
    int64_t failures = f->hook.failures;
    test_hook_fail_after(&f->hook, count);
    pyad_status status = run_pass(&graph, &made);
    test_hook_never_fail(&f->hook);
    assert_int_equal(status, f->hook.failures == failures ? PYAD_OK : PYAD_ERR_MEMORY);
    pyad_graph_finish(&made);
    pyad_arena_finish(&arena);
    return status;
}

static void test_no_memory(void **state)
{
    fixture *f = *state;
    begin(f, true);
    add_output(PYAD_G_RESULT, ADD(DIV(A, number(4)), BROADCAST(BROADCAST(ROW, 1, 3), 2, 3)));
    add_output(PYAD_G_RESULT, RESHAPE(RESHAPE(NEG(ADD(number(1), number(2))), 1), 1, 1));
    add_output(PYAD_G_RESULT, TRANSPOSE(TRANSPOSE(RESHAPE(A, 1, 2, 3), 1, 2, 0), 1, 0, 2));
    add_output(PYAD_G_RESULT, STRIDED_VIEW(ASSIGN(A, ONE, 3, 1, 3, 1), 3, 1, 3, 1));
    add_output(PYAD_G_RESULT, SUB(A, MUL(MATMUL(COLUMN, TRANSPOSE(TRANSPOSE(LINE, 1, 0), 1, 0)), number(3))));
    add_output(PYAD_G_RESULT, SUB(A, MATMUL(COLUMN, MUL(ONE, LINE))));
    add_output(PYAD_G_RESULT, ADD(ONE, UNSLICE(ROW, 2, 2, 3, 1, 1, -1, 0, 1, 3)));
    add_output(PYAD_G_RESULT, ADD(A, PUT(BROADCAST(ROW, 3, 3), INDEX, 2)));
    add_output(PYAD_G_RESULT, EXP(BROADCAST(number(1), 200))); /* folded in a buffer of its own */
    for (size_t k = 0; k < sizeof all / sizeof all[0]; k++) {
        int64_t failures = 0;
        for (size_t room = 0; room < 4096; room += getenv("PYAD_VALGRIND") != NULL ? 320 : room < 1024 ? 16 : 512) {
            int64_t blocks = f->hook.blocks;
            int64_t count = 0;
            for (; run_without_memory(f, all[k], room, count) != PYAD_OK; count++)
                failures++;
            pyad_mem_trim(&f->mem);
            assert_true(count > 0 && f->hook.blocks <= blocks);
        }
        assert_true(failures > 64);
    }
    pyad_graph_finish(&graph);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_random_dead),     TEST(test_random_fold),  TEST(test_random_common), TEST(test_random_algebra),
        TEST(test_random_products), TEST(test_random_parts), TEST(test_random_passes), TEST(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
