/* Replays: random graphs against the interpreter, and what is done when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "plans_random.h"

static int rounds(int many)
{
    return getenv("PYAD_VALGRIND") != NULL ? many / 20 : many;
}

/* ---- random graphs ---- */

typedef pyad_status (*prepare)(const pyad_graph *old, pyad_graph *made);

static uint8_t *flip(const pyad_graph *any, uint32_t guard)
{
    const pyad_gsink *sink = &any->sinks[guard];
    return (uint8_t *)(uintptr_t)sink->expected +
           test_random((int64_t)pyad_layout_bytes(any->nodes[sink->node].layout));
}

/* One guard after another does not hold; then all do. */
static void check_guards(program *p, int instance, int set)
{
    for (uint32_t s = 0; s < p->graph->sink_count; s++) {
        if (p->graph->sinks[s].kind != PYAD_G_GUARD || test_random(2) == 0)
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
    *made = after(pyad_pass_dead, old);
    return pyad_passes_run(made, NULL);
}

/* Graphs of nodes that give the same bits however they are run. */
static void test_random_bits(void **state)
{
    check_random(*state, pyad_pass_dead, &(random_kind){.odd = true}, 1500, TEST_EXACT);
}

static void test_random_bits_of_rows(void **state)
{
    check_random(*state, pyad_pass_dead, &(random_kind){.odd = true, .rows = true}, 700, TEST_EXACT);
}

static void test_random_sums(void **state)
{
    check_random(*state, pyad_pass_dead, &(random_kind){.sums = true}, 1500, TEST_ROUNDED);
}

static void test_random_sums_of_rows(void **state)
{
    check_random(*state, pyad_pass_dead, &(random_kind){.sums = true, .rows = true}, 700, TEST_ROUNDED);
}

static void test_random_passes(void **state)
{
    check_random(*state, all_passes, &(random_kind){.sums = true}, 1000, TEST_ROUNDED);
    check_random(*state, all_passes, &(random_kind){.sums = true, .rows = true}, 500, TEST_ROUNDED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_random_bits),         TEST(test_random_bits_of_rows), TEST(test_random_sums),
        TEST(test_random_sums_of_rows), TEST(test_random_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
