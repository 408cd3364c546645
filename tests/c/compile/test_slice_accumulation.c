/* Additions to several parts of one array: together where they fit each other, and always the same bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "support/plans.h"

static uint32_t input(int dtype, int ndim, const int64_t *shape)
{
    uint32_t node = add_input(dtype, ndim, shape, false);
    graph.argument_count = graph.input_count;
    return node;
}

static void result(uint32_t node, uint32_t number)
{
    must(pyad_graph_add_output(&graph, (pyad_goutput){.kind = PYAD_G_RESULT, .node = node, .number = number}));
}

/* How many additions the program does together, of all that it has; it is run, too. */
static uint32_t run_checked(fixture *f)
{
    program p;
    uint32_t together = 0;
    open_program(&p, f, &graph);
    void **values = run_graph(f, &graph);
    for (size_t a = 0; a < p.plan.action_count; a++)
        together += p.replay[0].bound[a].slices != NULL ? p.replay[0].bound[a].count : 0;
    for (int run = 0; run < 3; run++) {
        if (run_program(&p, 0, run % SETS) != PYAD_OK || !gave(&p, run % SETS, &graph, values, TEST_EXACT)) {
            print_plan(&p);
            fail_msg("another result");
        }
    }
    free_values(&graph, values);
    close_program(&p);
    pyad_graph_finish(&graph);
    return together;
}

/* Something of the arena, or that keeps something there. */
static uint32_t twice(uint32_t x)
{
    return ADD(x, x);
}

/* A part of an array of (rows, pitch): `length` elements of each of `count` rows, from (row, column) on. */
typedef struct place {
    int64_t row;
    int64_t column;
    int64_t count;
    int64_t length;
} place;

static uint32_t add_to(uint32_t x, uint32_t value, int64_t pitch, place at)
{
    return ADD_SLICE(x, value, at.row * pitch + at.column, 2, at.count, at.length, pitch, 1);
}

/* `many` random additions to a matrix; the values are inputs, or made. */
static uint32_t check_many(fixture *f, int dtype, int64_t pitch, int many)
{
    int64_t length = pitch - 4;
    int64_t count = 1 + test_random(20);
    pyad_graph_init(&graph, &f->mem, &f->arena);
    uint32_t x = input(dtype, 2, LIST(count + 7, pitch));
    uint32_t value[3];
    for (int k = 0; k < 2; k++)
        value[k] = input(dtype, 2, LIST(count, length));
    value[2] = NEG(value[0]);
    x = twice(x);
    for (int k = 0; k < many; k++) {
        place at = {test_random(8), test_random(5), count, length};
        x = add_to(x, value[test_random(3)], pitch, at);
    }
    result(twice(x), 0);
    return run_checked(f);
}

static void test_matrices(void **state)
{
    static const int64_t pitches[] = {5, 20, 27, 28, 29, 40, 64, 66, 131, 300};
    fixture *f = *state;
    for (int round = 0; round < 300; round++) {
        pyad_arena_mark mark = pyad_arena_position(&f->arena);
        int64_t pitch = pitches[round % 10];
        int many = 1 + (int)test_random(20);
        uint32_t together = check_many(f, round % 2 == 0 ? PYAD_F64 : PYAD_F32, pitch, many);
        if (pitch < 28 || many == 1)
            assert_int_equal(together, 0);
        if (pitch >= 64 && many != 1) /* eight at a time; a single one that is left is done by itself */
            assert_int_equal(together, many % 8 == 1 ? many - 1 : many);
        pyad_arena_cut(&f->arena, mark);
    }
}

static void test_lines_of_numbers(void **state)
{
    fixture *f = *state;
    for (int64_t n = 24; n < 200; n += 11) {
        pyad_graph_init(&graph, &f->mem, &f->arena);
        uint32_t x = twice(input(PYAD_F64, 1, LIST(n + 2)));
        uint32_t value = input(PYAD_F64, 1, LIST(n));
        for (int k = 0; k < 3; k++)
            x = ADD_SLICE(x, value, k, 1, n, 1);
        result(twice(x), 0);
        assert_int_equal(run_checked(f), 3);
    }
}

/* What comes between, is of another shape, lies apart, is broadcast or not in one run, is complex, or is kept. */
static void test_what_does_not_fit(void **state)
{
    fixture *f = *state;
    for (int way = 0; way < 8; way++) {
        int dtype = way == 0 ? PYAD_C128 : PYAD_F64;
        pyad_graph_init(&graph, &f->mem, &f->arena);
        uint32_t x = input(dtype, 2, LIST(10, 64));
        uint32_t value = input(dtype, 2, LIST(5, 40));
        uint32_t other = value;
        if (way == 1)
            other = BROADCAST(input(dtype, 1, LIST(40)), 5, 40);
        if (way == 2)
            other = TRANSPOSE(input(dtype, 2, LIST(40, 5)), 1, 0);
        x = add_to(twice(x), value, 64, (place){1, 2, 5, 40});
        if (way == 3)
            result(twice(x), 0);
        if (way == 4)
            result(x, 0);
        if (way == 5)
            x = add_to(x, other, 64, (place){1, 12, 5, 40});
        else if (way == 6)
            x = ADD_SLICE(x, other, 3, 2, 5, 40, 40, 1);
        else if (way == 7)
            x = add_to(x, SLICE(x, 0, 1, 5, 1, 1, 40), 64, (place){1, 3, 5, 40});
        else
            x = add_to(x, other, 64, (place){1, 3, 5, 40});
        result(twice(x), way == 3 || way == 4);
        assert_int_equal(run_checked(f), 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_matrices),
        TEST(test_lines_of_numbers),
        TEST(test_what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
