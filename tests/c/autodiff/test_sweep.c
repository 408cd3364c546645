/* Sweeps through the public header: gradients and tangents against closed forms and differences. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/engine.h"

static void fill(double *x, int64_t n, double low, double high)
{
    static uint64_t seed = 12345;
    for (int64_t i = 0; i < n; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        x[i] = low + (high - low) * (double)(seed >> 11) / 9007199254740992.0;
    }
}

/* f(x) = sqrt(x^2 + exp(x^2)) + cos(x^2 + exp(x^2)): every adjoint is the closed form. */
static void test_book(void **state)
{
    (void)state;
    double x0 = 0.7;
    int64_t x = ok(pyad_leaf_number(0, x0, PYAD_F64));
    int64_t a = ok(pyad_op1(PYAD_LOOP_SQUARE, x));
    int64_t b = ok(pyad_op1(PYAD_LOOP_EXP, a));
    int64_t c = ok(pyad_op2(PYAD_LOOP_ADD, a, b));
    int64_t d = ok(pyad_op1(PYAD_LOOP_SQRT, c));
    int64_t e = ok(pyad_op1(PYAD_LOOP_COS, c));
    int64_t f = ok(pyad_op2(PYAD_LOOP_ADD, d, e));
    double vc = x0 * x0 + exp(x0 * x0);
    double bar_c = 0.5 / sqrt(vc) - sin(vc);
    double bar_a = bar_c * (1 + exp(x0 * x0));
    const int64_t nodes[7] = {f, e, d, c, b, a, x};
    const double want[7] = {1, 1, 1, bar_c, bar_c, bar_a, bar_a * 2 * x0};
    for (int k = 0; k < 7; k++) {
        double got;
        OK(test_gradient(PYAD_SWEEP_RETAIN, f, nodes[k], &got));
        near(got, want[k], 1e-15);
    }
    assert_int_equal(test_rules_asked, 5); /* square, exp, add, sqrt, cos: each once */
    /* Forward gives the same number. */
    double tangent;
    OK(pyad_sweep_start(PYAD_SWEEP_FORWARD, 1, &f, 1, &x));
    OK(pyad_sweep_seed(x, ok(pyad_const_number(1, PYAD_F64))));
    OK(test_go());
    OK(pyad_sweep_copy(f, &tangent));
    pyad_sweep_stop();
    near(tangent, want[6], 1e-15);
    assert_int_equal(test_rules_asked, 5);
}

/* A rule is asked for once, though many nodes were recorded before it was known, and each node is visited once. */
static void test_visits(void **state)
{
    (void)state;
    enum { LINKS = 1000 };
    int64_t x = ok(pyad_leaf_number(0, 0.01, PYAD_F64));
    int64_t y = x;
    for (int k = 0; k < LINKS; k++)
        y = ok(pyad_op2(PYAD_LOOP_ADD, ok(pyad_op1(PYAD_LOOP_TANH, y)), y));
    double got;
    OK(pyad_sweep_start(0, 1, &y, 1, &x));
    OK(pyad_sweep_seed_ones(y));
    OK(test_go());
    assert_int_equal(pyad_sweep_visited(), 2 * LINKS);
    assert_int_equal(test_rules_asked, 2);
    OK(pyad_sweep_copy(x, &got));
    pyad_sweep_stop();
    double value = 0.01;
    double want = 1;
    for (int k = 0; k < LINKS; k++) {
        want *= 2 - tanh(value) * tanh(value);
        value += tanh(value);
    }
    near(got, want, 1e-10);
}

static void test_long_chain(void **state)
{
    (void)state;
    int length = getenv("PYAD_VALGRIND") != NULL ? 20000 : 1000000;
    int64_t x = ok(pyad_leaf_number(0, 1.0, PYAD_F64));
    int64_t y = x;
    for (int k = 0; k < length; k++)
        y = pyad_op2n(PYAD_LOOP_MUL, y, k % 2 == 0 ? 0.5 : 2.0);
    ok(y);
    double got = 0;
    for (int flags = 0; flags <= PYAD_SWEEP_RECORDED; flags += PYAD_SWEEP_RECORDED) {
        OK(test_gradient(flags | PYAD_SWEEP_RETAIN, y, x, &got));
        assert_true(got == 1);
    }
    OK(pyad_sweep_start(PYAD_SWEEP_FORWARD, 1, &y, 1, &x));
    OK(pyad_sweep_seed(x, ok(pyad_const_number(3, PYAD_F64))));
    OK(test_go());
    OK(pyad_sweep_copy(y, &got));
    pyad_sweep_stop();
    assert_true(got == 3);
}

/* ---- programs of arrays, in both directions ---- */

enum { MOST = 6000 };

typedef int64_t (*program)(int64_t x, int64_t n);

static int64_t broadcasts(int64_t x, int64_t n)
{
    int64_t column = test_op(PYAD_KERNEL_RESHAPE, x, 2, LIST(n, 1));
    int64_t square = pyad_op2(PYAD_LOOP_MUL, column, x);
    int64_t sines = pyad_op1(PYAD_LOOP_SIN, square);
    int64_t rows = test_op(PYAD_KERNEL_SUM, sines, 2, LIST(1, 0));
    return test_sum(pyad_op2(PYAD_LOOP_DIV, rows, pyad_op1(PYAD_LOOP_EXP, x)));
}

static int64_t products(int64_t x, int64_t n)
{
    int64_t a = test_op(PYAD_KERNEL_RESHAPE, x, 2, LIST(n / 4, 4));
    int64_t turned = test_op(PYAD_KERNEL_TRANSPOSE, a, 2, LIST(1, 0));
    int64_t gram = pyad_op2(PYAD_KERNEL_MATMUL, turned, a);
    int64_t h = pyad_op1(PYAD_LOOP_TANH, pyad_op2n(PYAD_LOOP_MUL, gram, 0.1));
    return test_sum(pyad_op2(PYAD_LOOP_MUL, pyad_op2(PYAD_KERNEL_MATMUL, a, h), a));
}

static int64_t slices(int64_t x, int64_t n)
{
    int64_t odd = test_op(PYAD_KERNEL_SLICE, x, 3, LIST(1, 2, n / 2));
    int64_t back = test_op(PYAD_KERNEL_SLICE, x, 3, LIST(n - 1, -2, n / 2));
    int64_t one = test_op(PYAD_KERNEL_SLICE, x, 3, LIST(2, 1, -1));
    int64_t y = pyad_op2(PYAD_LOOP_MUL, odd, pyad_op2(PYAD_LOOP_ADD, back, one));
    int64_t put = test_op(PYAD_KERNEL_UNSLICE, y, 5, LIST(1, n, 0, 1, n / 2));
    return test_sum(pyad_op2(PYAD_LOOP_MUL, put, pyad_op1(PYAD_LOOP_SQUARE, x)));
}

static int64_t joins(int64_t x, int64_t n)
{
    int64_t parts[4] = {x, pyad_op1(PYAD_LOOP_SQUARE, x), pyad_const_number(2, PYAD_F64), x};
    parts[2] = test_op(PYAD_KERNEL_BROADCAST, parts[2], 1, LIST(3));
    int64_t joined = pyad_op(PYAD_KERNEL_CONCATENATE, 4, parts, 1, LIST(0));
    int64_t reversed = test_op(PYAD_KERNEL_SLICE, joined, 3, LIST(3 * n + 2, -1, 3 * n + 3));
    return test_sum(pyad_op2(PYAD_LOOP_MUL, joined, reversed));
}

static int64_t choices(int64_t x, int64_t n)
{
    (void)n;
    int64_t args[3] = {pyad_op2n(PYAD_LOOP_GT, x, 0.0), pyad_op1(PYAD_LOOP_EXP, x), pyad_op1(PYAD_LOOP_NEG, x)};
    int64_t y = pyad_op(PYAD_LOOP_WHERE, 3, args, -1, NULL);
    return test_sum(pyad_op2(PYAD_LOOP_MUL, y, pyad_op2(PYAD_LOOP_SUB, y, x)));
}

/* The rule of a reduction that keeps its axes is made of loops over another shape than its result's. */
static int64_t reductions(int64_t x, int64_t n)
{
    int64_t a = test_op(PYAD_KERNEL_RESHAPE, x, 2, LIST(4, n / 4));
    int64_t most = test_op(PYAD_KERNEL_MAX, a, 2, LIST(2, 1));
    int64_t soft = test_op(PYAD_KERNEL_LOGSUMEXP, a, 2, LIST(1, 1));
    int64_t flat = test_op(PYAD_KERNEL_LOGSUMEXP, a, 2, LIST(0, 0));
    int64_t total = test_op(PYAD_KERNEL_SUM, pyad_op2(PYAD_LOOP_SUB, a, soft), 2, LIST(3, 1));
    int64_t y = pyad_op2(PYAD_LOOP_MUL, pyad_op2(PYAD_LOOP_SUB, a, most), pyad_op2(PYAD_LOOP_MUL, soft, flat));
    return test_sum(pyad_op2(PYAD_LOOP_MUL, y, pyad_op1(PYAD_LOOP_SIN, total)));
}

static int64_t takes(int64_t x, int64_t n)
{
    static int64_t index[6] = {1, 0, 3, 1, 1, 2};
    int64_t a = test_op(PYAD_KERNEL_RESHAPE, x, 2, LIST(4, n / 4));
    int64_t args[2] = {a, test_leaf(PYAD_LEND_CONST, 4, 2, LIST(2, 3), index)};
    int64_t rows = pyad_op(PYAD_KERNEL_TAKE, 2, args, 0, NULL);
    int64_t put[2] = {pyad_op1(PYAD_LOOP_SQUARE, rows), args[1]};
    int64_t back = pyad_op(PYAD_KERNEL_PUT, 2, put, 1, LIST(4));
    return test_sum(pyad_op2(PYAD_LOOP_MUL, back, a));
}

static int64_t shared(int64_t x, int64_t n)
{
    (void)n;
    int64_t y = pyad_op2(PYAD_LOOP_ADD, x, x);
    int64_t z = pyad_op2(PYAD_LOOP_ADD, y, pyad_op2(PYAD_LOOP_SUB, y, x));
    z = pyad_op2(PYAD_LOOP_MUL, z, pyad_op2(PYAD_LOOP_MUL, x, x));
    for (int k = 0; k < 20; k++)
        z = pyad_op2(PYAD_LOOP_ADD, z, pyad_op2(PYAD_LOOP_MUL, x, y));
    return test_sum(z);
}

static const program programs[] = {broadcasts, products, slices, joins, choices, reductions, takes, shared};
enum { PROGRAMS = sizeof programs / sizeof programs[0] };

/* The value at x, recorded under a mark of its own and cut away. */
static double value_at(program f, double *x, int64_t n)
{
    double value;
    OK(pyad_mark_open(test_generation++, 0));
    OK(pyad_copy_out(ok(f(ok(test_leaf(0, PYAD_F64, 1, &n, x)), n)), &value));
    pyad_mark_cut();
    return value;
}

/* The derivative at x along v. */
static double difference(program f, const double *x, const double *v, int64_t n)
{
    double step = 1e-5;
    static double moved[MOST];
    double values[2];
    for (int side = 0; side < 2; side++) {
        for (int64_t i = 0; i < n; i++)
            moved[i] = x[i] + (side ? step : -step) * v[i];
        values[side] = value_at(f, moved, n);
    }
    return (values[1] - values[0]) / (2 * step);
}

static double dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static void gradient_at(program f, double *x, int64_t n, double *to)
{
    OK(pyad_mark_open(test_generation++, 0));
    int64_t leaf = ok(test_leaf(0, PYAD_F64, 1, &n, x));
    OK(test_gradient(0, ok(f(leaf, n)), leaf, to));
    pyad_mark_cut();
}

/* Small arrays live in arenas, large ones in buffers: both. */
static const int64_t sizes[] = {8, 160};

static void test_backward(void **state)
{
    (void)state;
    double x[160];
    double v[160];
    double gradient[160];
    for (int k = 0; k < PROGRAMS; k++) {
        for (int s = 0; s < 2; s++) {
            int64_t n = sizes[s];
            fill(x, n, -1, 1);
            fill(v, n, -1, 1);
            gradient_at(programs[k], x, n, gradient);
            near(dot(gradient, v, n), difference(programs[k], x, v, n), 2e-7 * (double)n);
        }
    }
}

static void test_forward(void **state)
{
    (void)state;
    double x[160];
    double v[160];
    double gradient[160];
    for (int k = 0; k < PROGRAMS; k++) {
        for (int s = 0; s < 2; s++) {
            int64_t n = sizes[s];
            double tangents[2];
            fill(x, n, -1, 1);
            fill(v, n, -1, 1);
            OK(pyad_mark_open(test_generation++, 1));
            int64_t leaf = ok(test_leaf(0, PYAD_F64, 1, &n, x));
            int64_t y = ok(programs[k](leaf, n));
            for (int flags = 0; flags <= PYAD_SWEEP_RECORDED; flags += PYAD_SWEEP_RECORDED) {
                OK(pyad_sweep_start(PYAD_SWEEP_FORWARD | flags, 1, &y, 1, &leaf));
                OK(pyad_sweep_seed(leaf, ok(test_leaf(PYAD_LEND_CONST, PYAD_F64, 1, &n, v))));
                OK(test_go());
                OK(pyad_sweep_copy(y, &tangents[flags != 0]));
                pyad_sweep_stop();
            }
            pyad_mark_cut();
            gradient_at(programs[k], x, n, gradient);
            near(tangents[0], dot(gradient, v, n), 1e-11);
            near(tangents[1], tangents[0], 1e-13);
        }
    }
}

/* The sweep is put on the tape and swept in turn: a Hessian-vector product, against the difference of gradients. */
static void test_second(void **state)
{
    (void)state;
    double x[160];
    double v[160];
    double moved[160];
    double gradients[2][160];
    double product[160];
    for (int k = 0; k < PROGRAMS; k++) {
        for (int s = 0; s < 2; s++) {
            int64_t n = sizes[s];
            fill(x, n, -1, 1);
            fill(v, n, -1, 1);
            OK(pyad_mark_open(test_generation++, 0));
            int64_t leaf = ok(test_leaf(0, PYAD_F64, 1, &n, x));
            int64_t direction = ok(test_leaf(PYAD_LEND_CONST, PYAD_F64, 1, &n, v));
            int64_t y = ok(programs[k](leaf, n));
            OK(pyad_sweep_start(PYAD_SWEEP_RECORDED, 1, &y, 1, &leaf));
            OK(pyad_sweep_seed_ones(y));
            OK(test_go());
            int64_t gradient = ok(pyad_sweep_value(leaf));
            pyad_sweep_stop();
            int64_t along = ok(test_sum(ok(pyad_op2(PYAD_LOOP_MUL, gradient, direction))));
            OK(test_gradient(0, along, leaf, product));
            pyad_mark_cut();
            double step = 1e-6;
            for (int side = 0; side < 2; side++) {
                for (int64_t i = 0; i < n; i++)
                    moved[i] = x[i] + (side ? step : -step) * v[i];
                gradient_at(programs[k], moved, n, gradients[side]);
            }
            for (int64_t i = 0; i < n; i++)
                near(product[i], (gradients[1][i] - gradients[0][i]) / (2 * step), 1e-6);
        }
    }
}

/* x^4 four times over, each sweep on the recording of the one before. */
static void test_higher(void **state)
{
    (void)state;
    int64_t x = ok(pyad_leaf_number(0, 1.5, PYAD_F64));
    int64_t y = ok(pyad_op1(PYAD_LOOP_SQUARE, ok(pyad_op1(PYAD_LOOP_SQUARE, x))));
    const double want[5] = {4 * 3.375, 12 * 2.25, 24 * 1.5, 24, 0};
    for (int order = 0; order < 5; order++) {
        double got;
        OK(pyad_sweep_start(PYAD_SWEEP_RECORDED, 1, &y, 1, &x));
        OK(pyad_sweep_seed_ones(y));
        OK(test_go());
        OK(pyad_sweep_copy(x, &got));
        y = pyad_sweep_value(x);
        pyad_sweep_stop();
        near(got, want[order], 1e-15);
        if (y == 0)
            assert_int_equal(order, 4);
    }
}

static void test_float32(void **state)
{
    (void)state;
    enum { N = 500 };
    float x[N];
    float gradient[N];
    for (int i = 0; i < N; i++)
        x[i] = (float)i / N;
    int64_t leaf = ok(test_leaf(0, PYAD_F32, 1, LIST(N), x));
    int64_t y = ok(pyad_op2(PYAD_LOOP_MUL, leaf, ok(pyad_op1(PYAD_LOOP_EXP, leaf))));
    y = ok(test_sum(ok(pyad_op2n(PYAD_LOOP_DIV, y, 4.0))));
    pyad_info info;
    OK(pyad_look(y, &info));
    assert_int_equal(info.dtype, PYAD_F32);
    OK(test_gradient(0, y, leaf, gradient));
    for (int i = 0; i < N; i++)
        near((double)gradient[i], (1 + (double)x[i]) * exp((double)x[i]) / 4, 1e-6);
}

/* Several outputs with seeds of their own, several inputs, one of which nothing leads to. */
static void test_many_ends(void **state)
{
    (void)state;
    double x[3] = {1, 2, 3};
    double seed[3] = {1, 10, 100};
    double got[3][3];
    int64_t inputs[3];
    for (int k = 0; k < 3; k++)
        inputs[k] = ok(test_leaf(0, PYAD_F64, 1, LIST(3), x));
    int64_t outputs[2] = {ok(pyad_op2(PYAD_LOOP_MUL, inputs[0], inputs[1])), ok(pyad_op1(PYAD_LOOP_SQUARE, inputs[0]))};
    OK(pyad_sweep_start(0, 2, outputs, 3, inputs));
    int64_t ones = ok(test_leaf(PYAD_LEND_CONST, PYAD_F64, 1, LIST(3), seed));
    OK(pyad_sweep_seed(outputs[0], ones));
    OK(pyad_sweep_seed(outputs[1], ones));
    OK(pyad_sweep_seed(outputs[1], ones));
    OK(pyad_sweep_seed(ones, ones)); /* not in the sweep: ignored */
    OK(test_go());
    assert_int_equal(pyad_sweep_needs(inputs[2]), 1);
    assert_int_equal(pyad_sweep_needs(ones), 0);
    assert_int_equal(pyad_sweep_value(inputs[2]), 0);
    for (int k = 0; k < 3; k++)
        OK(pyad_sweep_copy(inputs[k], got[k]));
    pyad_sweep_stop();
    for (int i = 0; i < 3; i++) {
        assert_true(got[0][i] == seed[i] * x[i] * 5);
        assert_true(got[1][i] == seed[i] * x[i]);
        assert_true(got[2][i] == 0);
    }
    assert_true(seed[2] == 100);
}

/* Five thousand users of one array, and five thousand parts joined. */
static void test_fan_out(void **state)
{
    (void)state;
    enum { FAN = 5000 };
    double x[150];
    double gradient[150];
    static int64_t parts[FAN];
    fill(x, 150, 0, 1);
    int64_t leaf = ok(test_leaf(0, PYAD_F64, 1, LIST(150), x));
    int64_t y = leaf;
    for (int k = 0; k < FAN; k++)
        y = pyad_op2(PYAD_LOOP_ADD, y, leaf);
    OK(test_gradient(0, ok(test_sum(ok(y))), leaf, gradient));
    for (int i = 0; i < 150; i++)
        assert_true(gradient[i] == FAN + 1);
    for (int k = 0; k < RULE_MOST; k++)
        parts[k] = ok(pyad_op2n(PYAD_LOOP_MUL, leaf, k));
    y = ok(pyad_op(PYAD_KERNEL_CONCATENATE, RULE_MOST, parts, 1, LIST(0)));
    for (int flags = 0; flags <= PYAD_SWEEP_RECORDED; flags += PYAD_SWEEP_RECORDED) {
        OK(test_gradient(PYAD_SWEEP_RETAIN | flags, ok(test_sum(y)), leaf, gradient));
        for (int i = 0; i < 150; i++)
            assert_true(gradient[i] == RULE_MOST * (RULE_MOST - 1) / 2);
    }
    /* More operands than a node can have are refused, not cut short. */
    int64_t *many = calloc(70000, sizeof *many);
    for (int k = 0; k < 70000; k++)
        many[k] = leaf;
    assert_int_equal(test_status(pyad_op(PYAD_KERNEL_CONCATENATE, 70000, many, 1, LIST(0))), 4);
    y = ok(pyad_op(PYAD_KERNEL_CONCATENATE, 65535, many, 1, LIST(0)));
    free(many);
    ok(y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_book, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_visits, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_long_chain, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_backward, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_forward, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_second, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_higher, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_float32, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_many_ends, setup_engine, teardown_engine),
        cmocka_unit_test_setup_teardown(test_fan_out, setup_engine, teardown_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
