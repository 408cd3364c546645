/* Lines: operands of every kind, blocks and rows at their bounds, sums, registers; and straight lines of numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "support/plans.h"

static void begin_lines(fixture *f)
{
    pyad_graph_init(&graph, &f->mem, &f->arena);
}

static uint32_t input(int dtype, int ndim, const int64_t *shape)
{
    uint32_t node = add_input(dtype, ndim, shape, false);
    graph.argument_count = graph.input_count;
    return node;
}

static void results(int count, const uint32_t *nodes)
{
    for (int k = 0; k < count; k++)
        must(pyad_graph_add_output(&graph,
                                   (pyad_goutput){.kind = PYAD_G_RESULT, .node = nodes[k], .number = (uint32_t)k}));
}

#define RESULTS(...) results((int)(sizeof NODES(__VA_ARGS__) / 4), NODES(__VA_ARGS__))

/* How many operands of the loop below were loaded by a table. */
static int tables;

/* The first action is a fused loop. Runs all, and returns the loop, whose memory is gone. */
static pyad_fused_loop check_run(fixture *f, test_precision precision)
{
    pyad_arena_mark mark = pyad_arena_position(&f->arena);
    program p;
    open_program(&p, f, &graph);
    void **values = run_graph(f, &graph);
    pyad_fused_loop fused = p.replay[0].bound[0].loop;
    tables = 0;
    for (int k = 0; k < fused.input_count; k++)
        tables += fused.inputs[k].table != NULL;
    bool right = run_program(&p, 0, 0) == PYAD_OK && gave(&p, 0, &graph, values, precision);
    if (!right)
        print_plan(&p);
    assert_true(right);
    assert_int_equal(p.plan.actions[0].kind, PYAD_ACTION_FUSED_LOOP);
    free_values(&graph, values);
    close_program(&p);
    pyad_graph_finish(&graph);
    pyad_arena_cut(&f->arena, mark);
    return fused;
}

static const int64_t lengths[] = {2,    3,    7,    23,   24,   25,   63,   64,   65,   127,  341,  511,  512, 513,
                                  1021, 1023, 1024, 1025, 2047, 2048, 2049, 4093, 4096, 4097, 5003, 8191, 9973};
enum { LENGTHS = sizeof lengths / sizeof lengths[0] };

/* ---- operands ---- */

static void test_flat_operands(void **state)
{
    fixture *f = *state;
    for (int k = 0; k < LENGTHS; k++) {
        for (int dtype = PYAD_F32; dtype <= PYAD_F64; dtype++) {
            begin_lines(f);
            uint32_t x = input(dtype, 1, &lengths[k]);
            uint32_t y = input(dtype, 1, &lengths[k]);
            uint32_t one = input(dtype, 0, NULL);
            RESULTS(ADD(MUL(x, one), NEG(SUB(one, y))), MUL(x, y));
            pyad_fused_loop fused = check_run(f, TEST_EXACT);
            assert_false(fused.by_rows);
            assert_true(fused.block % 8 == 0 && fused.block <= PYAD_FUSED_LOOP_MOST_BLOCK);
        }
    }
}

/* All that can be broadcast to (m, n). */
static pyad_fused_loop check_broadcast(fixture *f, int dtype, int64_t m, int64_t n, int left_out)
{
    begin_lines(f);
    uint32_t flat = input(dtype, 2, LIST(m, n));
    uint32_t row = input(dtype, 1, LIST(n));
    uint32_t column = input(dtype, 2, LIST(m, 1));
    uint32_t wide = input(dtype, 2, LIST(m, 2 * n));
    uint32_t mask = input(PYAD_BOOL, 2, LIST(m, 1));
    uint32_t turned = left_out > 0 ? column : TRANSPOSE(input(dtype, 2, LIST(n, m)), 1, 0);
    uint32_t back = left_out > 1 ? row : SLICE(wide, 0, 1, m, 2 * n - 1, -2, n);
    uint32_t part = SLICE(wide, 0, 1, m, 1, 1, n);
    uint32_t x = MUL(ADD(flat, row), SUB(column, part));
    uint32_t y = WHERE(mask, turned, MUL(x, back));
    RESULTS(x, ADD(y, flat), RUN(PYAD_LOOP_LT, NULL, x, y), WHERE(RUN(PYAD_LOOP_LE, NULL, row, column), x, row));
    return check_run(f, TEST_EXACT);
}

static void test_loaded_operands(void **state)
{
    static const int64_t rows[] = {2, 3, 17, 61};
    fixture *f = *state;
    for (int k = 0; k < LENGTHS; k++) {
        for (int r = 0; r < 4; r++) {
            int64_t n = lengths[k];
            int64_t m = n > 600 ? 3 : rows[r];
            pyad_fused_loop fused = check_broadcast(f, r % 2 == 0 ? PYAD_F64 : PYAD_F32, m, n, r % 3);
            /* Only what is read backwards or turned has to be copied. */
            assert_int_equal(fused.by_rows,
                             r % 3 == 2 && n >= PYAD_FUSED_LOOP_LEAST_ROW && n <= PYAD_FUSED_LOOP_MOST_ROW);
        }
    }
}

/* By how operands are loaded: from a table, in runs, or each row where it is. */
static void test_ways_to_load(void **state)
{
    fixture *f = *state;
    begin_lines(f);
    RESULTS(MUL(input(PYAD_F64, 2, LIST(40, 7)), input(PYAD_F64, 1, LIST(7))));
    check_run(f, TEST_EXACT);
    assert_int_equal(tables, 1);
    begin_lines(f);
    RESULTS(MUL(input(PYAD_F64, 2, LIST(1000, 7)), input(PYAD_F64, 1, LIST(7))));
    pyad_fused_loop fused = check_run(f, TEST_EXACT);
    assert_true(tables == 0 && !fused.by_rows);
    begin_lines(f);
    RESULTS(MUL(input(PYAD_F64, 2, LIST(5, 30)), input(PYAD_F64, 1, LIST(30))));
    fused = check_run(f, TEST_EXACT);
    assert_true(fused.by_rows && fused.block == 30);
    begin_lines(f); /* rows of rows */
    uint32_t deep = input(PYAD_F64, 3, LIST(4, 3, 30));
    RESULTS(MUL(MUL(deep, input(PYAD_F64, 2, LIST(3, 30))), input(PYAD_F64, 2, LIST(3, 1))));
    fused = check_run(f, TEST_EXACT);
    assert_true(fused.by_rows && fused.block == 30);
    begin_lines(f); /* rows of different lengths, the shorter of which does not divide the longer */
    deep = input(PYAD_F64, 3, LIST(25, 1, 30));
    uint32_t other = BROADCAST(input(PYAD_F64, 3, LIST(25, 40, 1)), 25, 40, 30);
    RESULTS(MUL(MUL(deep, other), input(PYAD_F64, 2, LIST(1, 30))));
    assert_true(check_run(f, TEST_EXACT).by_rows);
}

/* Operands that stay several dimensions, too many elements for a table. */
static void test_deep_operands(void **state)
{
    fixture *f = *state;
    for (int dtype = PYAD_F32; dtype <= PYAD_F64; dtype++) {
        begin_lines(f);
        uint32_t flat = input(dtype, 4, LIST(7, 5, 11, 13));
        uint32_t turned = TRANSPOSE(input(dtype, 4, LIST(13, 5, 7, 11)), 2, 1, 3, 0);
        uint32_t middle = TRANSPOSE(input(dtype, 3, LIST(11, 5, 13)), 1, 0, 2);
        uint32_t wide = input(dtype, 4, LIST(9, 10, 11, 26));
        uint32_t back = SLICE(wide, 8, -1, 7, 1, 2, 5, 10, -1, 11, 25, -2, 13);
        uint32_t spread = input(dtype, 4, LIST(7, 1, 11, 1));
        uint32_t mask = TRANSPOSE(input(PYAD_BOOL, 3, LIST(5, 13, 11)), 0, 2, 1);
        RESULTS(WHERE(mask, MUL(flat, turned), ADD(middle, back)), SUB(spread, flat), SUM(MUL(turned, spread), 6, 0));
        check_run(f, TEST_ROUNDED);
        assert_int_equal(tables, 0);
    }
}

/* Every operand of a step is the same all along a row. */
static void test_steps_of_broadcast_numbers(void **state)
{
    fixture *f = *state;
    for (int dtype = PYAD_F32; dtype <= PYAD_F64; dtype++) {
        for (int k = 0; k < LENGTHS && lengths[k] < 3000; k++) {
            int64_t n = lengths[k];
            begin_lines(f);
            uint32_t column = BROADCAST(input(dtype, 2, LIST(5, 1)), 5, n);
            uint32_t other = BROADCAST(input(dtype, 2, LIST(5, 1)), 5, n);
            uint32_t mask = BROADCAST(input(PYAD_BOOL, 2, LIST(5, 1)), 5, n);
            uint32_t one = input(dtype, 0, NULL);
            uint32_t sum = ADD(column, other);
            RESULTS(EXP(column), sum, MUL(one, column), SUB(other, one), WHERE(mask, column, other),
                    WHERE(mask, one, other), RUN(PYAD_LOOP_LT, NULL, column, one), RUN(PYAD_LOOP_NOT, NULL, mask),
                    NEG(NEG(column)), RUN(PYAD_LOOP_SIN, NULL, other), RUN(PYAD_LOOP_ARCTAN2, NULL, column, other),
                    MUL(sum, NEG(sum)));
            check_run(f, TEST_EXACT);
        }
    }
}

/* Steps that one loop does together, and steps that look like it; (m, n) with operands of every kind. */
static void check_superinstructions(fixture *f, int dtype, int64_t m, int64_t n)
{
    begin_lines(f);
    uint32_t x = input(dtype, 2, LIST(m, n));
    uint32_t y = input(dtype, 2, LIST(m, n));
    uint32_t one = input(dtype, 0, NULL);
    uint32_t column = input(dtype, 2, LIST(m, 1));
    uint32_t part = SLICE(input(dtype, 2, LIST(m, n + 2)), 0, 1, m, 1, 1, n);
    uint32_t row = input(dtype, 1, LIST(n));
    const uint32_t any[] = {x, y, one, column, part, row};
    uint32_t made[24];
    for (int k = 0; k < 24; k++) {
        uint32_t a = any[test_random(6)];
        uint32_t b = any[test_random(2) == 0 ? 0 : 4];
        uint32_t first = RUN(k % 3 == 0   ? PYAD_LOOP_ADD
                             : k % 3 == 1 ? PYAD_LOOP_MUL
                                          : PYAD_LOOP_SUB,
                             NULL, test_random(2) == 0 ? a : b, test_random(2) == 0 ? b : x);
        uint32_t c = test_random(5) == 0 ? first : any[test_random(6)];
        int second = (int[]){PYAD_LOOP_ADD, PYAD_LOOP_MUL, PYAD_LOOP_SUB}[test_random(3)];
        bool left = test_random(2) == 0;
        uint32_t both = RUN(second, NULL, left ? first : c, left ? c : first);
        made[k] = test_random(2) == 0 ? both : ADD(any[test_random(6)], both);
        if (test_random(4) == 0)
            made[k] = ADD(made[k], first); /* which is read twice, then */
    }
    results(24, made);
    check_run(f, TEST_EXACT);
}

static void test_fused_steps(void **state)
{
    fixture *f = *state;
    for (int k = 0; k < 400; k++) {
        int64_t n = lengths[test_random(14)];
        check_superinstructions(f, k % 2 == 0 ? PYAD_F64 : PYAD_F32, 1 + test_random(5), n);
    }
    begin_lines(f);
    uint32_t x = input(PYAD_F64, 1, LIST(50));
    uint32_t y = input(PYAD_F64, 1, LIST(50));
    uint32_t one = input(PYAD_F64, 0, NULL);
    RESULTS(ADD(y, ADD(ADD(x, y), x)), ADD(MUL(x, one), y), SUB(y, MUL(x, y)), SUB(one, MUL(x, x)), MUL(MUL(x, one), y),
            MUL(y, SUB(one, x)));
    assert_int_equal(check_run(f, TEST_EXACT).step_count, 6);
    begin_lines(f); /* two numbers; a number where no loop has one; both operands; a difference the other way round */
    x = input(PYAD_F64, 1, LIST(50));
    y = input(PYAD_F64, 1, LIST(50));
    one = input(PYAD_F64, 0, NULL);
    uint32_t square = MUL(x, y);
    RESULTS(ADD(MUL(x, one), one), ADD(ADD(x, one), y), MUL(square, square), SUB(MUL(x, y), y));
    assert_int_equal(check_run(f, TEST_EXACT).step_count, 8);
}

/* More operands with rows than are read where they are. */
static void test_many_loaded_operands(void **state)
{
    fixture *f = *state;
    for (int many = PYAD_FUSED_LOOP_ROW_INPUTS - 1; many <= PYAD_FUSED_LOOP_ROW_INPUTS + 1; many++) {
        begin_lines(f);
        uint32_t x = input(PYAD_F64, 2, LIST(3, 50));
        for (int k = 0; k < many; k++)
            x = ADD(x, input(PYAD_F64, k % 2 + 1, k % 2 == 0 ? LIST(50) : LIST(3, 1)));
        RESULTS(x);
        assert_int_equal(check_run(f, TEST_EXACT).by_rows, many <= PYAD_FUSED_LOOP_ROW_INPUTS);
    }
}

/* ---- sums ---- */

static void check_sums(fixture *f, int dtype, const int64_t *shape, bool rows)
{
    begin_lines(f);
    uint32_t x = input(dtype, 3, shape);
    x = MUL(x, rows ? input(dtype, 1, shape + 2) : input(dtype, 3, shape));
    uint32_t y = NEG(x);
    RESULTS(SUM(x, 7, 0), SUM(y, 7, 1), SUM(x, 1, 0), SUM(x, 2, 0), SUM(y, 4, 1), SUM(x, 3, 0), SUM(y, 6, 0), y);
    pyad_fused_loop fused = check_run(f, TEST_ROUNDED);
    assert_true(fused.sum_count >= 2);
}

static void test_sums(void **state)
{
    static const int64_t shapes[][3] = {{2, 2, 2},    {3, 5, 7},    {7, 1, 30},   {1, 11, 24},  {2, 3, 1031},
                                        {1031, 3, 2}, {2, 1031, 3}, {40, 40, 1},  {13, 17, 64}, {64, 8, 9},
                                        {1, 1, 4099}, {4099, 1, 1}, {1, 4099, 1}, {3, 3, 2100}, {5, 9, 100},
                                        {100, 9, 5},  {2, 2, 511},  {2, 2, 513}};
    fixture *f = *state;
    for (size_t k = 0; k < sizeof shapes / sizeof shapes[0]; k++) {
        check_sums(f, PYAD_F64, shapes[k], false);
        check_sums(f, PYAD_F32, shapes[k], false);
        check_sums(f, PYAD_F64, shapes[k], true);
        check_sums(f, PYAD_F32, shapes[k], true);
    }
}

/* The error does not grow with the number of elements. */
static void test_long_sums_are_exact_enough(void **state)
{
    fixture *f = *state;
    enum { MANY = 300007 };
    begin_lines(f);
    uint32_t x = input(PYAD_F32, 1, LIST(MANY));
    float *data = graph.inputs[0].data;
    double exact = 0;
    for (int k = 0; k < MANY; k++) {
        data[k] = (float)(1 + test_random(1 << 20)) * 0x1.234p-20f;
        exact += (double)data[k];
    }
    program p;
    RESULTS(SUM(RUN(PYAD_LOOP_ABS, NULL, x), 1, 0));
    open_program(&p, f, &graph);
    assert_int_equal(run_program(&p, 0, 0), PYAD_OK);
    double made = (double)*(float *)outside(&p, 0, 1);
    assert_true(fabs(made - exact) < 4e-7 * exact);
    close_program(&p);
    pyad_graph_finish(&graph);
}

/* ---- registers ---- */

static void test_registers_are_used_again(void **state)
{
    fixture *f = *state;
    begin_lines(f);
    uint32_t x = input(PYAD_F64, 1, LIST(3001));
    uint32_t y = x;
    for (int k = 0; k < 100; k++)
        y = k % 3 == 0 ? NEG(y) : RUN(k % 3 == 1 ? PYAD_LOOP_MAXIMUM : PYAD_LOOP_MINIMUM, NULL, NEG(y), x);
    RESULTS(y);
    assert_true(check_run(f, TEST_EXACT).register_count <= 2);
}

/* Bytes and floats take turns in the same registers. */
static void test_registers_of_other_widths(void **state)
{
    fixture *f = *state;
    for (int dtype = PYAD_F32; dtype <= PYAD_F64; dtype++) {
        begin_lines(f);
        uint32_t x = input(dtype, 1, LIST(1500));
        uint32_t y = input(dtype, 1, LIST(1500));
        uint32_t z = x;
        for (int k = 0; k < 25; k++) {
            uint32_t less = RUN(PYAD_LOOP_LT, NULL, NEG(z), y);
            uint32_t other = RUN(PYAD_LOOP_NOT, NULL, RUN(PYAD_LOOP_EQ, NULL, z, z));
            uint32_t either = RUN(PYAD_LOOP_OR, NULL, less, other);
            z = WHERE(either, NEG(z), ADD(WHERE(less, y, z), x));
        }
        RESULTS(z, RUN(PYAD_LOOP_GT, NULL, z, x));
        assert_true(check_run(f, TEST_EXACT).register_count <= 6);
    }
}

/* So many values at once that a block is as short as blocks get. */
static void test_many_registers(void **state)
{
    fixture *f = *state;
    uint32_t made[100];
    begin_lines(f);
    uint32_t x = input(PYAD_F64, 1, LIST(1009));
    for (int k = 0; k < 100; k++)
        made[k] = ADD(x, number(k));
    uint32_t y = made[0];
    for (int k = 1; k < 100; k++)
        y = SUB(y, made[k]);
    RESULTS(y);
    pyad_fused_loop fused = check_run(f, TEST_EXACT);
    assert_true(fused.register_count >= 100 && fused.block == 64);
}

/* ---- numbers ---- */

static const double numbers[] = {0.0, -0.0, INFINITY, -INFINITY, NAN,  1,     -1,    2,      0.5, -2.5,  3.75,
                                 0.1, -0.7, 1e-320,   1e300,     -1e9, 1e-17, 709.7, -745.2, 1e5, 20.25, -30.5};
enum { NUMBERS = sizeof numbers / sizeof numbers[0] };

static bool same_number(double a, double b)
{
    return are_close(a, b, PYAD_F64, TEST_EXACT, 0);
}

/* One step after one that makes `a` or `b` of its negative. */
static double by_code(const pyad_isa_table *isa, int loop, pyad_scalar_case which, double a, double b)
{
    double zero[2] = {0, 0};
    double given = which == PYAD_SECOND_MADE ? -b : -a;
    double made = 99;
    double out = 99;
    pyad_scalar_step steps[3] = {
        {.code = PYAD_SCALAR_CODE(PYAD_LOOP_NEG, PYAD_BOTH_READ), .out = &made, .in = {&given}},
        {.code = PYAD_SCALAR_CODE(loop, which), .out = &out, .in = {&a, &b}},
    };
    if (which != PYAD_BOTH_READ)
        steps[1].in[which == PYAD_SECOND_MADE] = zero; /* not read */
    if (which == PYAD_BOTH_READ)
        isa->run_scalars(1, steps + 1);
    else
        isa->run_scalars(2, steps);
    return out;
}

static void check_codes(const pyad_isa_table *isa, int loop)
{
    int arity = pyad_loops[loop].arity;
    for (int i = 0; i < NUMBERS; i++) {
        for (int j = 0; j < (arity == 2 ? NUMBERS : 1); j++) {
            const void *in[2] = {&numbers[i], &numbers[j]};
            double wanted;
            isa->loop[loop][1](1, &wanted, in, 0);
            for (int which = PYAD_BOTH_READ; which <= (arity == 2 ? PYAD_SECOND_MADE : PYAD_FIRST_MADE); which++) {
                double made = by_code(isa, loop, (pyad_scalar_case)which, numbers[i], numbers[j]);
                if (!same_number(made, wanted))
                    fail_msg("%s %s(%g, %g), case %d: %.17g, not %.17g", isa->name, pyad_loops[loop].name, numbers[i],
                             numbers[j], which, made, wanted);
            }
        }
    }
}

static void test_numbers_by_code(void **state)
{
    static const char *const levels[] = {"base", "v3", "v4"};
    int known = 0;
    (void)state;
    for (int level = 0; level < 3; level++) {
        const pyad_isa_table *isa = pyad_isa_level(levels[level]);
        for (int loop = 0; isa != NULL && loop < PYAD_LOOP_COUNT; loop++) {
            if (!isa->scalar_has_code(loop))
                continue;
            check_codes(isa, loop);
            known++;
        }
    }
    assert_true(known >= 19);
}

/* Every loop on numbers: of what the step before has made, of what others have, and of what is there. */
static void test_numbers_of_graphs(void **state)
{
    fixture *f = *state;
    for (int loop = 0; loop < PYAD_LOOP_COUNT; loop++) {
        for (int k = 0; k < 2 * NUMBERS; k++) {
            pyad_arena_mark mark = pyad_arena_position(&f->arena);
            int dtype = k % 2 == 0 ? PYAD_F64 : PYAD_F32;
            program p;
            begin_lines(f);
            uint32_t a = input(dtype, 0, NULL);
            uint32_t b = input(dtype, 1, LIST(1));
            test_store(dtype, graph.inputs[0].data, numbers[k / 2]);
            test_store(dtype, graph.inputs[1].data, numbers[test_random(NUMBERS)]);
            bool logic = pyad_loops[loop].kind == PYAD_KIND_LOGIC;
            uint32_t c = logic ? RUN(PYAD_LOOP_LT, NULL, a, b) : b;
            uint32_t d = logic ? RUN(PYAD_LOOP_ISNAN, NULL, a) : a;
            uint32_t last[4];
            for (int way = 0; way < 4; way++) {
                uint32_t made = logic ? RUN(PYAD_LOOP_NOT, NULL, d) : NEG(d);
                uint32_t mask = RUN(PYAD_LOOP_GE, NULL, a, b);
                made = way == 3 ? made : logic ? RUN(PYAD_LOOP_NOT, NULL, made) : NEG(made);
                const uint32_t args[4][3] = {{made, c, 0}, {c, made, 0}, {made, made, 0}, {c, d, 0}};
                if (pyad_loops[loop].arity == 3)
                    last[way] = RUN(loop, NULL, mask, args[way][0], args[way][1]);
                else
                    last[way] = add_run(loop, NULL, pyad_loops[loop].arity, args[way]);
            }
            results(4, last);
            open_program(&p, f, &graph);
            assert_int_equal(p.plan.action_count, 1);
            void **values = run_graph(f, &graph);
            assert_int_equal(run_program(&p, 0, 0), PYAD_OK);
            if (!gave(&p, 0, &graph, values, TEST_EXACT))
                fail_msg("%s", pyad_loops[loop].name);
            free_values(&graph, values);
            close_program(&p);
            pyad_graph_finish(&graph);
            pyad_arena_cut(&f->arena, mark);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_flat_operands),
        TEST(test_loaded_operands),
        TEST(test_ways_to_load),
        TEST(test_deep_operands),
        TEST(test_steps_of_broadcast_numbers),
        TEST(test_fused_steps),
        TEST(test_many_loaded_operands),
        TEST(test_sums),
        TEST(test_long_sums_are_exact_enough),
        TEST(test_registers_are_used_again),
        TEST(test_registers_of_other_widths),
        TEST(test_many_registers),
        TEST(test_numbers_by_code),
        TEST(test_numbers_of_graphs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
