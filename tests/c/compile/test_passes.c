/* Graphs and their passes: what each makes of expressions, which stay worth the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "support/graphs.h"

/* What the pass makes of a node of the graph, as an expression; a new graph begins. */
static void expect(fixture *f, pass run_pass, test_precision precision, uint32_t node, const char *wanted)
{
    add_output(PYAD_G_RESULT, node);
    pyad_graph made = after(run_pass, &graph);
    text t = {.used = 0};
    say_node(&t, &made, made.outputs[0].node);
    assert_string_equal(t.words, wanted);
    if (!same_results(f, &graph, &made, precision))
        fail_msg("%s has another value", wanted);
    pyad_graph_finish(&made);
    pyad_graph_finish(&graph);
    begin(f, precision == TEST_EXACT);
}

/* ---- whole nodes ---- */

static uint32_t count_kind(const pyad_graph *any, pyad_gkind kind)
{
    uint32_t count = 0;
    for (size_t k = 0; k < any->count; k++)
        count += any->nodes[k].kind == kind;
    return count;
}

static void test_dead(void **state)
{
    fixture *f = *state;
    begin(f, true);
    uint32_t used = EXP(A);
    EXP(EXP(B));
    add_output(PYAD_G_GUARD, used);
    add_output(PYAD_G_STORE, ADD(used, ROW));
    EXP(used);
    pyad_graph made = after(pyad_pass_dce, &graph);
    assert_int_equal(made.count, 4); /* two inputs and two kernels */
    assert_true(same_results(f, &graph, &made, TEST_EXACT));
    pyad_graph_finish(&made);
    pyad_graph_finish(&graph);
}

static void test_dead_of_nothing(void **state)
{
    fixture *f = *state;
    pyad_graph_init(&graph, &f->mem, &f->arena);
    for (int round = 0; round < 2; round++) {
        must(pyad_passes_run(&graph, NULL));
        assert_int_equal(graph.count, 0);
    }
    pyad_graph_finish(&graph);
}

static void test_fold(void **state)
{
    fixture *f = *state;
    begin(f, true);
    expect(f, pyad_pass_constant_fold, TEST_EXACT, MUL(number(2), ADD(number(1), number(3))), "8");
    expect(f, pyad_pass_constant_fold, TEST_EXACT, MUL(A, NEG(number(2))), "mul(x0, -2)");
    expect(f, pyad_pass_constant_fold, TEST_EXACT, TRANSPOSE(filled(2), 1, 0), "const");
    expect(f, pyad_pass_constant_fold, TEST_EXACT, SUM(SLICE(filled(2), 0, 1, 2, 1, 1, 2), 3, 0), "8");
    expect(f, pyad_pass_constant_fold, TEST_EXACT, SUM(BROADCAST(number(1), 1000), 1, 0),
           "sum<1 0>(broadcast_to<1000>(1))");
    expect(f, pyad_pass_constant_fold, TEST_EXACT, EXP(A), "exp(x0)");
    /* What fails does so when the program runs. */
    uint32_t one = number(1);
    uint32_t taken = RUN(PYAD_KERNEL_TAKE, NULL, RESHAPE(one, 1), CAST(number(5), PYAD_I64));
    pyad_graph made = after(pyad_pass_constant_fold, &graph);
    assert_true(pyad_graph_is_run(&made, (uint32_t)made.count - 1, PYAD_KERNEL_TAKE));
    assert_int_equal(made.count, taken + 1);
    pyad_graph_finish(&made);
    pyad_graph_finish(&graph);
}

static void test_common(void **state)
{
    fixture *f = *state;
    begin(f, true);
    uint32_t sums[] = {ADD(EXP(A), B), ADD(EXP(A), B), ADD(B, EXP(A)), SUM(A, 1, 0), SUM(A, 1, 1), SUM(A, 1, 0)};
    uint32_t constants[] = {number(0.0), number(-0.0), number(0.0), filled(1), filled(1)};
    for (size_t k = 0; k < sizeof sums / sizeof sums[0]; k++)
        add_output(PYAD_G_RESULT, sums[k]);
    for (size_t k = 0; k < sizeof constants / sizeof constants[0]; k++)
        add_output(PYAD_G_RESULT, constants[k]);
    pyad_graph made = after(pyad_pass_cse, &graph);
    assert_true(same_results(f, &graph, &made, TEST_EXACT));
    assert_int_equal(count_kind(&made, PYAD_G_RUN), 5);
    assert_int_equal(count_kind(&made, PYAD_G_CONST), 3);
    assert_int_equal(count_kind(&made, PYAD_G_INPUT), INPUTS);
    pyad_graph_finish(&made);
    pyad_graph_finish(&graph);
}

static void test_many_operands(void **state)
{
    fixture *f = *state;
    begin(f, true);
    uint32_t rows[20];
    for (int k = 0; k < 20; k++)
        rows[k] = k % 2 == 0 ? A : MUL(B, number(1));
    uint32_t all = add_run(PYAD_KERNEL_CONCATENATE, PARAMS(0), 20, rows);
    add_output(PYAD_G_RESULT, SUM(all, 3, 0));
    assert_int_equal(pyad_shape(graph.nodes[all].layout)[0], 40);
    must(pyad_passes_run(&graph, NULL));
    assert_int_equal(graph.count, 4);
    pyad_graph_finish(&graph);
}

/* Operations of Python's may give something else each time. */
static void test_calls_stay(void **state)
{
    fixture *f = *state;
    begin(f, true);
    for (int k = 0; k < 2; k++) {
        uint32_t node;
        pyad_gnode call = {.kind = PYAD_G_CALL, .op = 400, .nargs = 1, .layout = graph.nodes[A].layout};
        must(pyad_graph_add(&graph, &call, NODES(A), &node));
        add_output(PYAD_G_RESULT, MUL(node, number(1)));
    }
    must(pyad_passes_run(&graph, NULL));
    assert_int_equal(count_kind(&graph, PYAD_G_CALL), 2);
    assert_int_equal(count_kind(&graph, PYAD_G_RUN), 0);
    pyad_graph_finish(&graph);
}

static void test_passes_run(void **state)
{
    fixture *f = *state;
    size_t counts[PYAD_PASSES_MOST];
    begin(f, false);
    add_output(PYAD_G_RESULT, SUB(SQUARE, MUL(MATMUL(TRANSPOSE(COLUMN, 1, 0), SQUARE), number(0.5))));
    EXP(A);
    pyad_graph old = after(pyad_pass_dce, &graph);
    assert_true(pyad_passes_count() <= PYAD_PASSES_MOST);
    must(pyad_passes_run(&graph, counts));
    assert_int_equal(counts[pyad_passes_count() - 1], graph.count);
    assert_string_equal(pyad_passes_name(0), "dead code elimination");
    assert_true(same_results(f, &old, &graph, TEST_ROUNDED));
    pyad_graph_finish(&old);
    pyad_graph_finish(&graph);
}

static void test_uses_leaves_out_what_is_dead(void **state)
{
    fixture *f = *state;
    begin(f, true);
    uint32_t uses[32];
    uint32_t x = EXP(A);
    EXP(EXP(x));
    add_output(PYAD_G_RESULT, MUL(x, x));
    add_output(PYAD_G_RESULT, x);
    pyad_graph_uses(&graph, uses);
    assert_int_equal(uses[A], 1);
    assert_int_equal(uses[x], 3);
    pyad_graph_finish(&graph);
}

/* ---- algebra ---- */

#define ALGEBRA(node, wanted) expect(f, pyad_pass_simplify, TEST_EXACT, node, wanted)

static void test_algebra_of_numbers(void **state)
{
    fixture *f = *state;
    begin(f, true);
    ALGEBRA(MUL(A, number(1)), "x0");
    ALGEBRA(MUL(number(1), A), "x0");
    ALGEBRA(MUL(filled(1), A), "x0");
    ALGEBRA(MUL(filled_but(1, 2), A), "mul(const, x0)");
    ALGEBRA(MUL(ROW, filled(1)), "broadcast_to<2 3>(x2)");
    ALGEBRA(MUL(BROADCAST(number(1), 2, 3), ROW), "broadcast_to<2 3>(x2)");
    ALGEBRA(MUL(RESHAPE(filled(1), 6), FLAT), "x6");
    ALGEBRA(MUL(NEG(A), number(4)), "mul(x0, -4)");
    ALGEBRA(MUL(filled(-4), NEG(ROW)), "broadcast_to<2 3>(mul(x2, 4))");
    ALGEBRA(MUL(NEG(A), B), "mul(neg(x0), x1)");
    ALGEBRA(DIV(A, number(1)), "x0");
    ALGEBRA(DIV(number(1), A), "div(1, x0)");
    ALGEBRA(ADD(A, number(-0.0)), "x0");
    ALGEBRA(ADD(filled(-0.0), A), "x0");
    ALGEBRA(ADD(A, number(0.0)), "add(x0, 0)");
    ALGEBRA(SUB(A, number(0.0)), "x0");
    ALGEBRA(SUB(A, number(-0.0)), "sub(x0, -0)");
    ALGEBRA(SUB(number(0.0), A), "sub(0, x0)");
    ALGEBRA(MUL(A, number(0.0)), "mul(x0, 0)");
    ALGEBRA(MUL(A, number(-1)), "neg(x0)");
    ALGEBRA(MUL(number(-1), NEG(A)), "x0");
    ALGEBRA(DIV(A, number(-1)), "neg(x0)");
    ALGEBRA(DIV(A, number(4)), "mul(x0, 0.25)");
    ALGEBRA(DIV(A, number(-0.5)), "mul(x0, -2)");
    ALGEBRA(DIV(ROW, filled(2)), "broadcast_to<2 3>(mul(x2, 0.5))");
    ALGEBRA(DIV(A, number(3)), "div(x0, 3)");
    ALGEBRA(DIV(A, number(0)), "div(x0, 0)");
    ALGEBRA(DIV(A, number(INFINITY)), "div(x0, inf)");
    ALGEBRA(DIV(A, number(NAN)), "div(x0, nan)");
    ALGEBRA(DIV(A, number(0x1p-1074)), "div(x0, 4.94066e-324)");
    ALGEBRA(DIV(A, number(0x1p1023)), "mul(x0, 1.11254e-308)");
    pyad_graph_finish(&graph);
}

static uint32_t narrow(double value)
{
    uint32_t node;
    must(pyad_graph_number(&graph, value, PYAD_F32, &node));
    return node;
}

static void test_algebra_of_narrow_numbers(void **state)
{
    fixture *f = *state;
    begin(f, true);
    ALGEBRA(MUL(F, narrow(1)), "x10");
    ALGEBRA(DIV(F, narrow(8)), "mul(x10, 0.125)");
    ALGEBRA(DIV(F, narrow(0x1p127)), "mul(x10, 5.87747e-39)");
    ALGEBRA(DIV(F, narrow(0x1p-149)), "div(x10, 1.4013e-45)");
    pyad_graph_finish(&graph);
}

static void test_algebra_of_signs(void **state)
{
    fixture *f = *state;
    begin(f, true);
    ALGEBRA(NEG(NEG(A)), "x0");
    ALGEBRA(NEG(SUB(A, B)), "neg(sub(x0, x1))");
    ALGEBRA(ADD(A, NEG(B)), "sub(x0, x1)");
    ALGEBRA(ADD(NEG(A), B), "sub(x1, x0)");
    ALGEBRA(ADD(NEG(A), NEG(B)), "sub(neg(x0), x1)");
    ALGEBRA(SUB(A, NEG(B)), "add(x0, x1)");
    ALGEBRA(SUB(NEG(A), B), "sub(neg(x0), x1)");
    ALGEBRA(ADD(NEG(Z), Z), "sub(x9, x9)");
    ALGEBRA(WHERE(MASK, A, A), "x0");
    ALGEBRA(WHERE(MASK, ROW, ROW), "broadcast_to<2 3>(x2)");
    ALGEBRA(WHERE(MASK, A, B), "where(x7, x0, x1)");
    pyad_graph_finish(&graph);
}

static void test_algebra_of_shapes(void **state)
{
    fixture *f = *state;
    begin(f, true);
    ALGEBRA(ALIAS(A), "x0");
    ALGEBRA(CAST(A, PYAD_F64), "x0");
    ALGEBRA(CAST(A, PYAD_F32), "astype<9>(x0)");
    ALGEBRA(BROADCAST(A, 2, 3), "x0");
    ALGEBRA(BROADCAST(BROADCAST(ROW, 2, 3), 4, 2, 3), "broadcast_to<4 2 3>(x2)");
    ALGEBRA(RESHAPE(A, 2, 3), "x0");
    ALGEBRA(RESHAPE(RESHAPE(A, 6), 3, 2), "reshape<3 2>(x0)");
    ALGEBRA(RESHAPE(RESHAPE(A, 6), 2, 3), "x0");
    ALGEBRA(TRANSPOSE(A, 0, 1), "x0");
    ALGEBRA(TRANSPOSE(A, 1, 0), "transpose<1 0>(x0)");
    ALGEBRA(TRANSPOSE(TRANSPOSE(A, 1, 0), 1, 0), "x0");
    ALGEBRA(TRANSPOSE(TRANSPOSE(RESHAPE(A, 1, 2, 3), 1, 2, 0), 1, 0, 2), "transpose<1 0 2>(reshape<2 3 1>(x0))");
    ALGEBRA(TRANSPOSE(TRANSPOSE(RESHAPE(A, 1, 2, 3), 2, 0, 1), 1, 2, 0), "reshape<1 2 3>(x0)");
    ALGEBRA(TRANSPOSE(LINE, 1, 0), "reshape<3 1>(x4)");
    ALGEBRA(TRANSPOSE(RESHAPE(A, 1, 2, 3), 1, 0, 2), "reshape<2 1 3>(x0)");
    ALGEBRA(SUM(A, 0, 0), "x0");
    ALGEBRA(SUM(A, 1, 0), "sum<1 0>(x0)");
    ALGEBRA(SUM(LINE, 1, 0), "reshape<3>(x4)");
    ALGEBRA(SUM(LINE, 1, 1), "x4");
    ALGEBRA(SUM(LINE, 3, 0), "sum<3 0>(x4)");
    ALGEBRA(RUN(PYAD_KERNEL_MAX, PARAMS(2, 0), COLUMN), "reshape<2>(x11)");
    ALGEBRA(RUN(PYAD_KERNEL_MIN, PARAMS(1, 1), LINE), "x4");
    ALGEBRA(RUN(PYAD_KERNEL_MIN, PARAMS(2, 1), LINE), "min<2 1>(x4)");
    pyad_graph_finish(&graph);
}

static void test_algebra_of_broadcast_operands(void **state)
{
    fixture *f = *state;
    begin(f, true);
    ALGEBRA(ADD(A, BROADCAST(ROW, 2, 3)), "add(x0, x2)");
    ALGEBRA(ADD(BROADCAST(ONE, 2, 3), A), "add(x3, x0)");
    ALGEBRA(EXP(BROADCAST(ROW, 2, 3)), "exp(broadcast_to<2 3>(x2))");
    ALGEBRA(ADD(BROADCAST(ROW, 2, 3), BROADCAST(ONE, 2, 3)), "add(x2, broadcast_to<2 3>(x3))");
    ALGEBRA(ADD(BROADCAST(COLUMN, 2, 3), BROADCAST(ROW, 2, 3)), "add(x11, x2)");
    ALGEBRA(ADD(ROW, BROADCAST(ROW, 1, 3)), "add(x2, broadcast_to<1 3>(x2))");
    ALGEBRA(WHERE(MASK, BROADCAST(ROW, 2, 3), BROADCAST(ONE, 2, 3)), "where(x7, x2, x3)");
    ALGEBRA(MUL(ONE, BROADCAST(number(1), 2, 3)), "broadcast_to<2 3>(x3)");
    pyad_graph_finish(&graph);
}

static void test_algebra_of_reads(void **state)
{
    fixture *f = *state;
    begin(f, true);
    ALGEBRA(SLICE(A, 0, 1, 2, 0, 1, 3), "x0");
    ALGEBRA(SLICE(LINE, 0, 1, -1, 0, 1, 3), "reshape<3>(x4)");
    ALGEBRA(SLICE(A, 1, -1, 2, 0, 1, 3), "slice<1 -1 2 0 1 3>(x0)");
    ALGEBRA(SLICE(A, 0, 1, 2, 0, 1, 2), "slice<0 1 2 0 1 2>(x0)");
    ALGEBRA(STRIDED_VIEW(A, 0, 1, 6, 1), "reshape<6>(x0)");
    ALGEBRA(STRIDED_VIEW(A, 0, 2, 2, 3, 3, 1), "x0");
    ALGEBRA(STRIDED_VIEW(A, 0, 2, 3, 2, 1, 3), "strided_view<0 2 3 2 1 3>(x0)");
    ALGEBRA(STRIDED_VIEW(RESHAPE(A, 6), 1, 1, 2, 1), "strided_view<1 1 2 1>(x0)");
    ALGEBRA(SLICE(RESHAPE(A, 6), 1, 1, 2), "slice<1 1 2>(reshape<6>(x0))");
    pyad_graph_finish(&graph);
}

static void test_algebra_of_writes(void **state)
{
    fixture *f = *state;
    begin(f, true);
    ALGEBRA(ASSIGN(A, B, 0, 2, 2, 3, 3, 1), "x1");
    ALGEBRA(ASSIGN(A, ROW, 0, 2, 2, 3, 3, 1), "broadcast_to<2 3>(x2)");
    ALGEBRA(ASSIGN(A, ONE, 0, 1, 6, 1), "reshape<2 3>(broadcast_to<6>(x3))");
    ALGEBRA(ASSIGN(A, ONE, 0, 1, 0, 1), "x0");
    ALGEBRA(ASSIGN(A, ROW, 3, 1, 3, 1), "assign<3 1 3 1>(x0, x2)");
    ALGEBRA(ASSIGN(A, TALL, 0, 2, 3, 2, 1, 3), "assign<0 2 3 2 1 3>(x0, x5)");
    ALGEBRA(ADD_SLICE(A, ONE, 0, 1, 0, 1), "x0");
    ALGEBRA(ADD_SLICE(A, B, 0, 2, 2, 3, 3, 1), "add_slice<0 2 2 3 3 1>(x0, x1)");
    pyad_graph_finish(&graph);
}

static uint32_t row_of(uint32_t x, int64_t row)
{
    return SLICE(x, row, 1, -1, 0, 1, 3);
}

static void test_algebra_of_reads_of_writes(void **state)
{
    fixture *f = *state;
    begin(f, true);
    ALGEBRA(STRIDED_VIEW(ASSIGN(A, ROW, 3, 1, 3, 1), 3, 1, 3, 1), "x2");
    ALGEBRA(STRIDED_VIEW(ASSIGN(A, ONE, 3, 1, 3, 1), 3, 1, 3, 1), "broadcast_to<3>(x3)");
    ALGEBRA(row_of(ASSIGN(A, LINE, 3, 2, 1, 3, 3, 1), 1), "reshape<3>(x4)");
    ALGEBRA(row_of(ASSIGN(A, ROW, 3, 1, 3, 1), 0), "slice<0 1 -1 0 1 3>(x0)");
    ALGEBRA(row_of(ADD_SLICE(A, ROW, 3, 1, 3, 1), 0), "slice<0 1 -1 0 1 3>(x0)");
    ALGEBRA(row_of(ADD_SLICE(A, ROW, 3, 1, 3, 1), 1), "slice<1 1 -1 0 1 3>(add_slice<3 1 3 1>(x0, x2))");
    ALGEBRA(STRIDED_VIEW(RESHAPE(ASSIGN(A, ROW, 3, 1, 3, 1), 6), 3, 1, 3, 1), "x2");
    ALGEBRA(STRIDED_VIEW(ASSIGN(A, ROW, 3, 1, 3, 1), 2, 1, 3, 1), "strided_view<2 1 3 1>(assign<3 1 3 1>(x0, x2))");
    ALGEBRA(STRIDED_VIEW(ASSIGN(A, SQUARE, 3, 2, 2, 2, -2, -1), 3, 1, 4, -1), "reshape<4>(x13)");
    /* Read the other way round. */
    ALGEBRA(STRIDED_VIEW(ASSIGN(A, ROW, 5, 1, 3, -1), 3, 1, 2, 1), "strided_view<3 1 2 1>(assign<5 1 3 -1>(x0, x2))");
    ALGEBRA(STRIDED_VIEW(ASSIGN(A, ROW, 3, 1, 3, 1), 5, 1, 3, -1), "strided_view<5 1 3 -1>(assign<3 1 3 1>(x0, x2))");
    /* The last one to write one place is who is read. */
    ALGEBRA(STRIDED_VIEW(ASSIGN(A, ROW, 3, 1, 3, 0), 3, 1, 3, 0), "strided_view<3 1 3 0>(assign<3 1 3 0>(x0, x2))");
    ALGEBRA(STRIDED_VIEW(ASSIGN(FLAT, SQUARE, 0, 2, 2, 2, 1, 1), 0, 2, 2, 2, 1, 1),
            "strided_view<0 2 2 2 1 1>(assign<0 2 2 2 1 1>(x6, x13))");
    /* Columns are interleaved. */
    ALGEBRA(STRIDED_VIEW(ASSIGN(A, ONE, 0, 1, 2, 3), 1, 1, 2, 3), "strided_view<1 1 2 3>(x0)");
    ALGEBRA(STRIDED_VIEW(ASSIGN(A, ONE, 0, 1, 3, 2), 1, 1, 2, 4), "strided_view<1 1 2 4>(x0)");
    ALGEBRA(STRIDED_VIEW(ASSIGN(A, ONE, 0, 1, 3, 2), 1, 1, 2, 3), "strided_view<1 1 2 3>(assign<0 1 3 2>(x0, x3))");
    pyad_graph_finish(&graph);
}

/* A row of steps, each of which writes one element: reads of early ones go back, but not without end. */
static uint32_t write_elements(int count)
{
    uint32_t x = RUN(PYAD_KERNEL_BROADCAST, PARAMS(40), ONE);
    for (int64_t k = 0; k < count; k++)
        x = ASSIGN(x, number((double)k), k, 0);
    return x;
}

static void test_algebra_of_long_chains(void **state)
{
    fixture *f = *state;
    begin(f, true);
    ALGEBRA(STRIDED_VIEW(write_elements(10), 0, 0), "0");
    ALGEBRA(STRIDED_VIEW(write_elements(10), 9, 0), "9");
    ALGEBRA(STRIDED_VIEW(write_elements(16), 20, 0), "strided_view<20 0>(broadcast_to<40>(x3))");
    ALGEBRA(STRIDED_VIEW(write_elements(17), 20, 0), "strided_view<20 0>(assign<0 0>(broadcast_to<40>(x3), 0))");
    pyad_graph_finish(&graph);
}

/* ---- products ---- */

#define PRODUCTS(node, wanted) expect(f, pyad_pass_gemm_epilogue, TEST_ROUNDED, node, wanted)

static void test_products_that_add(void **state)
{
    fixture *f = *state;
    begin(f, false);
    PRODUCTS(ADD(SQUARE, MATMUL(A, TALL)), "affine(x0, x5, x13)");
    PRODUCTS(ADD(MATMUL(A, TALL), SQUARE), "affine(x0, x5, x13)");
    PRODUCTS(ADD(MATMUL(TALL, A), ROW), "affine(x5, x0, x2)");
    PRODUCTS(ADD(ONE, MATMUL(TALL, A)), "affine(x5, x0, x3)");
    uint32_t first = MATMUL(COLUMN, LINE);
    uint32_t second = MATMUL(SQUARE, A);
    PRODUCTS(ADD(second, first), "affine(x13, x0, matmul(x11, x4))");
    PRODUCTS(ADD(A, ROW), "add(x0, x2)");
    /* Two of them and a bias. */
    first = MATMUL(COLUMN, LINE);
    PRODUCTS(ADD(ADD(first, MATMUL(SQUARE, A)), ROW), "affine(x13, x0, affine(x11, x4, x2))");
    first = MATMUL(COLUMN, LINE);
    PRODUCTS(ADD(ONE, ADD(MATMUL(SQUARE, A), first)), "affine(x13, x0, affine(x11, x4, x3))");
    first = MATMUL(COLUMN, LINE);
    second = ADD(first, MATMUL(SQUARE, A));
    PRODUCTS(ADD(ADD(second, ROW), second),
             "add(add(affine(x13, x0, matmul(x11, x4)), x2), affine(x13, x0, matmul(x11, x4)))");
    first = MATMUL(COLUMN, LINE);
    second = ADD(ADD(first, MATMUL(SQUARE, A)), ROW);
    PRODUCTS(ADD(second, first), "add(add(affine(x13, x0, matmul(x11, x4)), x2), matmul(x11, x4))");
    /* The product is broadcast. */
    PRODUCTS(ADD(A, MATMUL(LINE, MATMUL(TALL, A))), "add(x0, matmul(x4, matmul(x5, x0)))");
    PRODUCTS(ADD(RESHAPE(A, 2, 1, 3), MATMUL(SQUARE, A)), "add(reshape<2 1 3>(x0), matmul(x13, x0))");
    /* More than two dimensions. */
    PRODUCTS(ADD(ONE, MATMUL(RESHAPE(A, 1, 2, 3), TALL)), "add(x3, matmul(reshape<1 2 3>(x0), x5))");
    uint32_t twice = MATMUL(SQUARE, SQUARE);
    PRODUCTS(ADD(twice, twice), "add(matmul(x13, x13), matmul(x13, x13))");
    pyad_graph_finish(&graph);
}

static void test_products_that_subtract(void **state)
{
    fixture *f = *state;
    begin(f, false);
    PRODUCTS(SUB(A, MATMUL(COLUMN, LINE)), "affine(neg(x11), x4, x0)");
    PRODUCTS(SUB(A, MATMUL(COLUMN, MUL(ONE, LINE))), "affine(x11, mul(neg(x3), x4), x0)");
    PRODUCTS(SUB(A, MATMUL(MUL(COLUMN, number(3)), LINE)), "affine(mul(x11, -3), x4, x0)");
    PRODUCTS(SUB(A, MATMUL(COLUMN, NEG(LINE))), "affine(x11, x4, x0)");
    /* Factors that are as large as the product, with and without a scale. */
    PRODUCTS(SUB(SQUARE, MATMUL(A, TALL)), "sub(x13, matmul(x0, x5))");
    PRODUCTS(SUB(SQUARE, MATMUL(A, MUL(TALL, ONE))), "affine(x0, mul(x5, neg(x3)), x13)");
    PRODUCTS(SUB(MATMUL(COLUMN, LINE), A), "sub(matmul(x11, x4), x0)");
    pyad_graph_finish(&graph);
}

static void test_products_that_are_scaled(void **state)
{
    fixture *f = *state;
    begin(f, false);
    PRODUCTS(MUL(MATMUL(COLUMN, LINE), ONE), "matmul(mul(x11, x3), x4)");
    PRODUCTS(MUL(number(3), MATMUL(COLUMN, LONG)), "matmul(mul(x11, 3), x12)");
    PRODUCTS(DIV(MATMUL(COLUMN, LINE), number(3)), "matmul(div(x11, 3), x4)");
    PRODUCTS(DIV(MATMUL(COLUMN, LINE), A), "div(matmul(x11, x4), x0)");
    PRODUCTS(DIV(number(3), MATMUL(COLUMN, LINE)), "div(3, matmul(x11, x4))");
    PRODUCTS(NEG(MATMUL(COLUMN, LINE)), "matmul(neg(x11), x4)");
    PRODUCTS(NEG(MUL(MATMUL(COLUMN, LINE), number(3))), "matmul(mul(x11, -3), x4)");
    PRODUCTS(MUL(MATMUL(A, TALL), ONE), "mul(matmul(x0, x5), x3)");
    PRODUCTS(MUL(MATMUL(COLUMN, LINE), A), "mul(matmul(x11, x4), x0)");
    uint32_t shared = MATMUL(COLUMN, LINE);
    PRODUCTS(ADD(EXP(shared), MUL(shared, ONE)), "add(exp(matmul(x11, x4)), mul(matmul(x11, x4), x3))");
    pyad_graph_finish(&graph);
}

/* w - rate (x^T s) */
static void test_a_step_of_gradient_descent_is_one_product(void **state)
{
    fixture *f = *state;
    begin(f, false);
    uint32_t gradient = MATMUL(TRANSPOSE(LINE, 1, 0), LONG);
    PRODUCTS(SUB(BROADCAST(ONE, 3, 4), MUL(number(0.5), gradient)),
             "affine(transpose<1 0>(mul(x4, -0.5)), x12, broadcast_to<3 4>(x3))");
    pyad_graph_finish(&graph);
}

/* A guard on a float is for its bits; one on a boolean is not. */
static void test_what_guards_depend_on_is_rounded_as_it_was(void **state)
{
    fixture *f = *state;
    begin(f, false);
    uint32_t sum = ADD(SQUARE, MATMUL(A, TALL));
    add_output(PYAD_G_GUARD, SUM(sum, 3, 0));
    PRODUCTS(sum, "sum<3 0>(add(x13, matmul(x0, x5)))");
    sum = ADD(A, UNSLICE(ROW, 2, 2, 3, 1, 1, -1, 0, 1, 3));
    add_output(PYAD_G_GUARD, sum);
    expect(f, pyad_pass_slice_accumulation, TEST_EXACT, sum, "add(x0, unslice<2 2 3 1 1 -1 0 1 3>(x2))");
    pyad_graph_finish(&graph);
    begin(f, false);
    sum = ADD(SQUARE, MATMUL(A, TALL));
    add_output(PYAD_G_GUARD, RUN(PYAD_LOOP_LT, NULL, sum, ONE));
    PRODUCTS(sum, "lt(affine(x0, x5, x13), x3)");
    pyad_graph_finish(&graph);
}

/* ---- parts ---- */

#define PARTS(node, wanted) expect(f, pyad_pass_slice_accumulation, TEST_ROUNDED, node, wanted)

static void test_parts_of_slices(void **state)
{
    fixture *f = *state;
    begin(f, false);
    PARTS(ADD(A, UNSLICE(ROW, 2, 2, 3, 1, 1, -1, 0, 1, 3)), "add_slice<3 1 3 1>(x0, x2)");
    PARTS(ADD(UNSLICE(ROW, 2, 2, 3, 1, 1, -1, 0, 1, 3), A), "add_slice<3 1 3 1>(x0, x2)");
    PARTS(ADD(ONE, UNSLICE(ROW, 2, 2, 3, 1, 1, -1, 2, -1, 3)), "add_slice<5 1 3 -1>(broadcast_to<2 3>(x3), x2)");
    PARTS(ADD(A, UNSLICE(COLUMN, 2, 2, 3, 0, 1, 2, 1, 5, 1)), "add_slice<1 2 2 1 3 5>(x0, x11)");
    PARTS(ADD(Z, UNSLICE(SLICE(Z, 1, 1, -1, 0, 2, 2), 2, 2, 3, 0, 1, -1, 0, 1, 2)),
          "add_slice<0 1 2 1>(x9, slice<1 1 -1 0 2 2>(x9))");
    PARTS(ADD(A, UNSLICE(STRIDED_VIEW(ROW, 0, 2, 0, 3, 3, 1), 2, 2, 3, 0, 1, 0, 0, 1, 3)),
          "add_slice<0 2 0 3 3 1>(x0, strided_view<0 2 0 3 3 1>(x2))");
    /* The sum is wider than the array with the part, or something else needs that. */
    PARTS(ADD(A, UNSLICE(ONE, 1, 3, 2, 1, -1)), "add(x0, unslice<1 3 2 1 -1>(x3))");
    uint32_t shared = UNSLICE(ONE, 1, 3, 2, 1, -1);
    PARTS(ADD(EXP(shared), ADD(ROW, shared)), "add(exp(unslice<1 3 2 1 -1>(x3)), add(x2, unslice<1 3 2 1 -1>(x3)))");
    pyad_graph_finish(&graph);
}

static void test_parts_of_both_sides(void **state)
{
    fixture *f = *state;
    begin(f, false);
    uint32_t left = UNSLICE(ONE, 1, 3, 0, 1, -1);
    uint32_t right = UNSLICE(ONE, 1, 3, 2, 1, -1);
    PARTS(ADD(left, right), "add_slice<2 0>(unslice<1 3 0 1 -1>(x3), x3)");
    left = ADD(ROW, UNSLICE(ONE, 1, 3, 0, 1, -1));
    right = UNSLICE(ONE, 1, 3, 2, 1, -1);
    PARTS(ADD(left, right), "add_slice<2 0>(add_slice<0 0>(x2, x3), x3)");
    pyad_graph_finish(&graph);
}

static void test_parts_that_make_up_the_whole(void **state)
{
    fixture *f = *state;
    begin(f, false);
    uint32_t left = UNSLICE(COLUMN, 2, 2, 3, 0, 1, 2, 0, 1, 1);
    uint32_t right = UNSLICE(SLICE(A, 0, 1, 2, 1, 1, 2), 2, 2, 3, 0, 1, 2, 1, 1, 2);
    PARTS(ADD(left, right), "concatenate<1>(x11, slice<0 1 2 1 1 2>(x0))");
    left = UNSLICE(COLUMN, 2, 2, 3, 0, 1, 2, 0, 1, 1);
    right = UNSLICE(SLICE(A, 0, 1, 2, 1, 1, 2), 2, 2, 3, 0, 1, 2, 1, 1, 2);
    PARTS(ADD(right, left), "concatenate<1>(x11, slice<0 1 2 1 1 2>(x0))");
    /* Some of it is there twice, or missing. */
    left = UNSLICE(COLUMN, 2, 2, 3, 0, 1, 2, 1, 1, 1);
    right = UNSLICE(SLICE(A, 0, 1, 2, 1, 1, 2), 2, 2, 3, 0, 1, 2, 1, 1, 2);
    PARTS(ADD(left, right), "add_slice<1 2 2 2 3 1>(unslice<2 2 3 0 1 2 1 1 1>(x11), slice<0 1 2 1 1 2>(x0))");
    pyad_graph_finish(&graph);
}

/* x[part] += y: what comes back to the part is all of what came, and so nothing need be taken out and put back. */
static void test_a_part_that_is_taken_out_and_added_again(void **state)
{
    fixture *f = *state;
    begin(f, false);
    uint32_t zero = number(0);
    uint32_t rest = ASSIGN(A, zero, 3, 1, 3, 1);
    uint32_t more = ADD(rest, UNSLICE(ROW, 2, 2, 3, 0, 1, -1, 0, 1, 3));
    PARTS(ADD(more, UNSLICE(STRIDED_VIEW(A, 3, 1, 3, 1), 2, 2, 3, 1, 1, -1, 0, 1, 3)), "add_slice<0 1 3 1>(x0, x2)");
    /* Another part comes back. */
    zero = number(0);
    rest = ASSIGN(A, zero, 3, 1, 3, 1);
    PARTS(ADD(rest, UNSLICE(STRIDED_VIEW(A, 0, 1, 3, 1), 2, 2, 3, 1, 1, -1, 0, 1, 3)),
          "add_slice<3 1 3 1>(assign<3 1 3 1>(x0, 0), strided_view<0 1 3 1>(x0))");
    pyad_graph_finish(&graph);
}

static void test_parts_of_rows(void **state)
{
    fixture *f = *state;
    begin(f, false);
    PARTS(ADD(A, PUT(BROADCAST(ROW, 3, 3), INDEX, 2)), "add_rows(x0, broadcast_to<3 3>(x2), x8)");
    PARTS(ADD(PUT(ROW, INDEX, 6), FLAT), "add_rows(x6, x2, x8)");
    PARTS(ADD(ONE, PUT(ROW, INDEX, 2)), "add_rows(broadcast_to<2>(x3), x2, x8)");
    PARTS(ADD(A, PUT(ROW, INDEX, 3)), "add(x0, put<3>(x2, x8))");
    uint32_t shared = PUT(ROW, INDEX, 3);
    PARTS(ADD(MUL(shared, ONE), ADD(ROW, shared)), "add(mul(put<3>(x2, x8), x3), add(x2, put<3>(x2, x8)))");
    pyad_graph_finish(&graph);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_dead),
        TEST(test_dead_of_nothing),
        TEST(test_fold),
        TEST(test_common),
        TEST(test_many_operands),
        TEST(test_calls_stay),
        TEST(test_passes_run),
        TEST(test_uses_leaves_out_what_is_dead),
        TEST(test_algebra_of_numbers),
        TEST(test_algebra_of_narrow_numbers),
        TEST(test_algebra_of_signs),
        TEST(test_algebra_of_shapes),
        TEST(test_algebra_of_broadcast_operands),
        TEST(test_algebra_of_reads),
        TEST(test_algebra_of_writes),
        TEST(test_algebra_of_reads_of_writes),
        TEST(test_algebra_of_long_chains),
        TEST(test_products_that_add),
        TEST(test_products_that_subtract),
        TEST(test_products_that_are_scaled),
        TEST(test_a_step_of_gradient_descent_is_one_product),
        TEST(test_what_guards_depend_on_is_rounded_as_it_was),
        TEST(test_parts_of_slices),
        TEST(test_parts_of_both_sides),
        TEST(test_parts_that_make_up_the_whole),
        TEST(test_a_part_that_is_taken_out_and_added_again),
        TEST(test_parts_of_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
