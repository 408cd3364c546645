/* Complex numbers: loops, sums, parts, indexing, and sweeps over them. */
#include <complex.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernels/kernels.h"
#include "primitives/exec.h"
#include "primitives/info.h"
#include "support/engine.h"
#include "support/run.h"

enum { ROUNDS = 60 };

static int random_complex(void)
{
    return test_random(2) == 0 ? PYAD_C64 : PYAD_C128;
}

static double complex load(int dtype, const void *at)
{
    if (dtype == PYAD_C64) {
        const float *pair = at;
        return (double)pair[0] + (double)pair[1] * I;
    }
    const double *pair = at;
    return pair[0] + pair[1] * I;
}

static double complex get_pair(test_array *array, int ndim, const int64_t *index)
{
    return load(array->layout.layout.dtype, test_at(array, ndim, index));
}

static double complex value_pair(const pyad_value *value, int ndim, const int64_t *index)
{
    test_array array = {.data = value->data};
    memcpy(&array.layout, value->layout, pyad_layout_room(value->layout->ndim));
    return get_pair(&array, ndim, index);
}

/* Whole numbers in both parts, so that sums and products are exact. */
static void make_pairs(test_array *array, int dtype, int ndim, const int64_t *shape, test_style style)
{
    test_array_random(array, dtype, ndim, shape, style);
    int64_t index[PYAD_MAX_NDIM] = {0};
    if (array->layout.layout.size == 0)
        return;
    do {
        char *at = test_at(array, ndim, index);
        test_store(pyad_dtype_real(dtype), at + pyad_dtype_size(dtype) / 2, (double)(1 + test_random(9)));
    } while (test_next(ndim, shape, index));
}

static void assert_pair(double complex got, double complex expected, int dtype)
{
    double room = (dtype == PYAD_C64 || dtype == PYAD_F32 ? 4e-6 : 1e-14) * (1 + cabs(expected));
    if (!(cabs(got - expected) <= room))
        fail_msg("%g + %gi, expected %g + %gi", creal(got), cimag(got), creal(expected), cimag(expected));
}

/* --- Loops -------------------------------------------------------------------------------------------------------- */

static double complex reference(int loop, double complex a, double complex b)
{
    switch (loop) {
    case PYAD_LOOP_ADD:
        return a + b;
    case PYAD_LOOP_SUB:
        return a - b;
    case PYAD_LOOP_MUL:
        return a * b;
    case PYAD_LOOP_DIV:
        return a / b;
    case PYAD_LOOP_NEG:
        return -a;
    default:
        return a * a;
    }
}

static void check_loop(fixture *f, int loop, int dtype)
{
    int nargs = pyad_kernel_nargs(loop);
    int64_t shape[4] = {0};
    int64_t narrower[4] = {0};
    int ndim = test_random_shape(3, test_random(4) == 0 ? 9 : 3, shape);
    test_array a;
    test_array b;
    make_pairs(&a, dtype, ndim, shape, test_random_style());
    if (test_random(4) == 0)
        make_pairs(&b, dtype, 0, NULL, TEST_CONTIGUOUS);
    else
        make_pairs(&b, dtype, test_random_narrower(ndim, shape, narrower), narrower, test_random_style());
    bool swap = nargs == 2 && test_random(2) == 0;
    pyad_value in[2] = {value_of(swap ? &b : &a), value_of(swap ? &a : &b)};
    pyad_value out = run(f, loop, NULL, nargs, in);
    check_shape(&out, dtype, ndim, shape);
    int64_t at[4] = {0};
    if (out.layout->size > 0) {
        do {
            double complex x = get_pair(&a, ndim, at);
            double complex y = get_pair(&b, ndim, at);
            double complex expected = swap ? reference(loop, y, x) : reference(loop, x, y);
            assert_pair(value_pair(&out, ndim, at), expected, dtype);
        } while (test_next(ndim, shape, at));
    }
    drop(f, &out);
    test_array_free(&a);
    test_array_free(&b);
}

static void test_loops(void **state)
{
    static const int loops[] = {PYAD_LOOP_ADD, PYAD_LOOP_SUB, PYAD_LOOP_MUL,
                                PYAD_LOOP_DIV, PYAD_LOOP_NEG, PYAD_LOOP_SQUARE};
    for (int round = 0; round < 20 * ROUNDS; round++)
        check_loop(*state, loops[round % 6], random_complex());
}

/* Divisors near the largest and smallest numbers, and zero, as NumPy divides. */
static void test_division(void **state)
{
    fixture *f = *state;
    double pairs[] = {1, 2, 1e300, 1e300, 1, -1, 2, 6};
    double over[] = {1e300, 1e300, 2, 0, 0, 0, 0, 4};
    pyad_layout_any four;
    assert_int_equal(pyad_layout_fill(&four, PYAD_C128, 1, LIST(4)), PYAD_OK);
    pyad_value in[2] = {{&four.layout, pairs, NULL}, {&four.layout, over, NULL}};
    pyad_value out = run(f, PYAD_LOOP_DIV, NULL, 2, in);
    const double *got = out.data;
    assert_true(fabs(got[0] - 1.5e-300) < 1e-314 && fabs(got[1] - 0.5e-300) < 1e-314);
    assert_true(got[2] == 5e299 && got[3] == 5e299);
    assert_true(got[4] == INFINITY && got[5] == -INFINITY);
    assert_true(got[6] == 1.5 && got[7] == -0.5);
}

static void test_where(void **state)
{
    fixture *f = *state;
    for (int round = 0; round < ROUNDS; round++) {
        int dtype = random_complex();
        int64_t shape[4] = {0};
        int64_t narrower[4] = {0};
        int ndim = test_random_shape(3, 4, shape);
        test_array c;
        test_array x;
        test_array y;
        test_array_make(&c, PYAD_BOOL, ndim, shape, test_random_style());
        test_array_fill(&c, 0, 2);
        make_pairs(&x, dtype, ndim, shape, test_random_style());
        make_pairs(&y, dtype, test_random_narrower(ndim, shape, narrower), narrower, test_random_style());
        pyad_value in[3] = {value_of(&c), value_of(&x), value_of(&y)};
        pyad_value out = run(f, PYAD_LOOP_WHERE, NULL, 3, in);
        int64_t at[4] = {0};
        if (out.layout->size > 0) {
            do {
                double complex expected = get_pair(test_get(&c, ndim, at) != 0 ? &x : &y, ndim, at);
                assert_pair(value_pair(&out, ndim, at), expected, dtype);
            } while (test_next(ndim, shape, at));
        }
        drop(f, &out);
        test_array_free(&c);
        test_array_free(&x);
        test_array_free(&y);
    }
}

static void test_refused(void **state)
{
    fixture *f = *state;
    double pair[2] = {1, 2};
    pyad_value z = {pyad_layout_scalar(PYAD_C128), pair, NULL};
    pyad_value x = {pyad_layout_scalar(PYAD_F64), pair, NULL};
    pyad_value out;
    static const int loops[] = {PYAD_LOOP_EXP, PYAD_LOOP_ABS, PYAD_LOOP_ISNAN, PYAD_LOOP_NOT};
    for (int k = 0; k < 4; k++)
        assert_int_equal(pyad_exec(&f->env, loops[k], NULL, 1, &z, &out), PYAD_ERR_DTYPE);
    pyad_value mixed[2] = {z, x};
    assert_int_equal(pyad_exec(&f->env, PYAD_LOOP_ADD, NULL, 2, mixed, &out), PYAD_ERR_DTYPE);
    assert_string_equal(f->message.text,
                        "add: operands have dtypes complex128 and float64, expected float32 or float64, the same for "
                        "all");
    assert_int_equal(pyad_exec(&f->env, PYAD_KERNEL_MAX, PARAMS(0, 0), 1, &z, &out), PYAD_ERR_DTYPE);
    assert_int_equal(pyad_exec(&f->env, PYAD_KERNEL_CONJ, NULL, 1, &x, &out), PYAD_ERR_DTYPE);
    assert_string_equal(f->message.text, "conj: operand has dtype float64, expected complex64 or complex128");
    assert_int_equal(pyad_exec(&f->env, PYAD_KERNEL_UNIMAG, NULL, 1, &z, &out), PYAD_ERR_DTYPE);
}

/* --- Parts -------------------------------------------------------------------------------------------------------- */

static void test_parts(void **state)
{
    fixture *f = *state;
    for (int round = 0; round < 3 * ROUNDS; round++) {
        int dtype = random_complex();
        int part = pyad_dtype_real(dtype);
        int64_t shape[4] = {0};
        int ndim = test_random_shape(3, 5, shape);
        test_array z;
        make_pairs(&z, dtype, ndim, shape, test_random_style());
        pyad_value in = value_of(&z);
        pyad_value conj = run(f, PYAD_KERNEL_CONJ, NULL, 1, &in);
        pyad_value imag = run(f, PYAD_KERNEL_IMAG, NULL, 1, &in);
        pyad_value real = run(f, PYAD_KERNEL_CAST, PARAMS(part), 1, &in);
        pyad_value turned = run(f, PYAD_KERNEL_UNIMAG, NULL, 1, &real);
        pyad_value back = run(f, PYAD_KERNEL_CAST, PARAMS(dtype), 1, &imag);
        check_shape(&conj, dtype, ndim, shape);
        check_shape(&imag, part, ndim, shape);
        check_shape(&turned, dtype, ndim, shape);
        int64_t at[4] = {0};
        if (z.layout.layout.size > 0) {
            do {
                double complex value = get_pair(&z, ndim, at);
                assert_pair(value_pair(&conj, ndim, at), creal(value) - cimag(value) * I, dtype);
                assert_true(get(&imag, ndim, at) == cimag(value));
                assert_true(get(&real, ndim, at) == creal(value));
                assert_pair(value_pair(&turned, ndim, at), -creal(value) * I, dtype);
                assert_pair(value_pair(&back, ndim, at), cimag(value), dtype);
            } while (test_next(ndim, shape, at));
        }
        drop(f, &conj);
        drop(f, &imag);
        drop(f, &real);
        drop(f, &turned);
        drop(f, &back);
        test_array_free(&z);
    }
}

/* Nothing is multiplied, so an infinite part leaves the other as it is. */
static void test_infinite_parts(void **state)
{
    fixture *f = *state;
    double pair[2] = {INFINITY, 3};
    pyad_value z = {pyad_layout_scalar(PYAD_C128), pair, NULL};
    pyad_value x = {pyad_layout_scalar(PYAD_F64), pair, NULL};
    pyad_value imag = run(f, PYAD_KERNEL_IMAG, NULL, 1, &z);
    pyad_value turned = run(f, PYAD_KERNEL_UNIMAG, NULL, 1, &x);
    assert_true(*(double *)imag.data == 3);
    assert_true(((double *)turned.data)[0] == 0 && ((double *)turned.data)[1] == -INFINITY);
}

static void test_conversions(void **state)
{
    (void)state;
    double z[2] = {-2.75, 1e9};
    double zero[2] = {0, 0.5};
    pyad_view wide = {pyad_layout_scalar(PYAD_C128), z};
    float narrow[2];
    pyad_copy((pyad_view){pyad_layout_scalar(PYAD_C64), narrow}, wide);
    assert_true(narrow[0] == -2.75f && narrow[1] == 1e9f);
    int32_t whole;
    pyad_copy((pyad_view){pyad_layout_scalar(PYAD_I32), &whole}, wide);
    assert_int_equal(whole, -2);
    uint8_t truth = 7;
    pyad_copy((pyad_view){pyad_layout_scalar(PYAD_BOOL), &truth}, (pyad_view){pyad_layout_scalar(PYAD_C128), zero});
    assert_int_equal(truth, 1);
}

/* --- Sums --------------------------------------------------------------------------------------------------------- */

static void check_sum(fixture *f, int dtype, int ndim, const int64_t *shape, test_style style)
{
    uint32_t axes = (uint32_t)test_random(1 << ndim);
    int64_t kept[4];
    test_array x;
    test_array expected;
    make_pairs(&x, dtype, ndim, shape, style);
    for (int d = 0; d < ndim; d++)
        kept[d] = axes >> d & 1 ? 1 : shape[d];
    test_array_make(&expected, PYAD_C128, ndim, kept, TEST_CONTIGUOUS);
    int64_t at[4] = {0};
    if (x.layout.layout.size > 0) {
        do {
            *(double complex *)(void *)test_at(&expected, ndim, at) += get_pair(&x, ndim, at);
        } while (test_next(ndim, shape, at));
    }
    pyad_value in = value_of(&x);
    pyad_value out = run(f, PYAD_KERNEL_SUM, PARAMS(axes, 1), 1, &in);
    check_shape(&out, dtype, ndim, kept);
    test_array target;
    make_pairs(&target, dtype, ndim, kept, test_random_style());
    if (out.layout->size > 0) {
        do {
            double complex sum = get_pair(&expected, ndim, at);
            assert_pair(value_pair(&out, ndim, at), sum, dtype);
            *(double complex *)(void *)test_at(&expected, ndim, at) += get_pair(&target, ndim, at);
        } while (test_next(ndim, kept, at));
        pyad_reduce_add(test_view(&target), test_view(&x));
        do {
            assert_pair(get_pair(&target, ndim, at), get_pair(&expected, ndim, at), dtype);
        } while (test_next(ndim, kept, at));
    }
    drop(f, &out);
    test_array_free(&x);
    test_array_free(&expected);
    test_array_free(&target);
}

static void test_sums(void **state)
{
    for (int round = 0; round < 4 * ROUNDS; round++) {
        int64_t shape[4] = {0};
        int ndim = test_random_shape(4, test_random(8) == 0 ? 30 : 5, shape);
        check_sum(*state, random_complex(), ndim, shape, test_random_style());
    }
    check_sum(*state, PYAD_C64, 1, LIST(5000), TEST_CONTIGUOUS);
    check_sum(*state, PYAD_C128, 2, LIST(300, 7), TEST_ANY);
}

/* --- Indexing ----------------------------------------------------------------------------------------------------- */

static void test_rows(void **state)
{
    fixture *f = *state;
    for (int round = 0; round < 2 * ROUNDS; round++) {
        int dtype = random_complex();
        int64_t width = test_random(4);
        int ndim = test_random(2) == 0 ? 1 : 2;
        test_array table;
        test_array index;
        make_pairs(&table, dtype, ndim, LIST(6, width), test_random_style());
        test_array_make(&index, PYAD_I64, 1, LIST(9), test_random_style());
        test_array_fill(&index, 0, 6);
        pyad_value in[2] = {value_of(&table), value_of(&index)};
        pyad_value picked = run(f, PYAD_KERNEL_TAKE, NULL, 2, in);
        pyad_value back[2] = {picked, in[1]};
        pyad_value put = run(f, PYAD_KERNEL_PUT, PARAMS(6), 2, back);
        double counts[6] = {0};
        for (int64_t i = 0; i < 9; i++) {
            int64_t row = (int64_t)test_get(&index, 1, &i);
            counts[row]++;
            for (int64_t j = 0; j < (ndim == 1 ? 1 : width); j++)
                assert_pair(value_pair(&picked, ndim, LIST(i, j)), get_pair(&table, ndim, LIST(row, j)), dtype);
        }
        for (int64_t i = 0; i < 6; i++) {
            for (int64_t j = 0; j < (ndim == 1 ? 1 : width); j++)
                assert_pair(value_pair(&put, ndim, LIST(i, j)), counts[i] * get_pair(&table, ndim, LIST(i, j)), dtype);
        }
        drop(f, &picked);
        drop(f, &put);
        test_array_free(&table);
        test_array_free(&index);
    }
}

static void test_picks(void **state)
{
    fixture *f = *state;
    for (int round = 0; round < ROUNDS; round++) {
        int dtype = random_complex();
        test_array table;
        test_array index;
        make_pairs(&table, dtype, 2, LIST(5, 4), test_random_style());
        test_array_make(&index, PYAD_I64, 1, LIST(5), test_random_style());
        test_array_fill(&index, 0, 4);
        pyad_value in[2] = {value_of(&table), value_of(&index)};
        pyad_value picked = run(f, PYAD_KERNEL_PICK, NULL, 2, in);
        pyad_value back[2] = {picked, in[1]};
        pyad_value spread = run(f, PYAD_KERNEL_UNPICK, PARAMS(4), 2, back);
        for (int64_t i = 0; i < 5; i++) {
            int64_t column = (int64_t)test_get(&index, 1, &i);
            double complex expected = get_pair(&table, 2, LIST(i, column));
            assert_pair(value_pair(&picked, 1, &i), expected, dtype);
            for (int64_t j = 0; j < 4; j++)
                assert_pair(value_pair(&spread, 2, LIST(i, j)), j == column ? expected : 0, dtype);
        }
        test_array_free(&table);
        test_array_free(&index);
    }
}

/* --- Memory ------------------------------------------------------------------------------------------------------- */

static void test_rank(void **state)
{
    (void)state;
    int64_t ones[PYAD_MAX_NDIM];
    for (int d = 0; d < PYAD_MAX_NDIM; d++)
        ones[d] = 1;
    pyad_layout_any any;
    assert_int_equal(pyad_layout_fill(&any, PYAD_C128, PYAD_MAX_NDIM - 1, ones), PYAD_OK);
    pyad_layout_any pairs;
    pyad_layout_pairs(&any.layout, &pairs);
    assert_int_equal(pairs.layout.ndim, PYAD_MAX_NDIM);
    assert_true(pairs.layout.size == 2);
    assert_int_equal(pyad_layout_fill(&any, PYAD_C128, PYAD_MAX_NDIM, ones), PYAD_ERR_VALUE);
}

static void test_loop_out_of_memory(void **state)
{
    fixture *f = *state;
    test_array a;
    test_array b;
    make_pairs(&a, PYAD_C128, 2, LIST(40, 30), TEST_CONTIGUOUS);
    make_pairs(&b, PYAD_C128, 1, LIST(30), TEST_CONTIGUOUS);
    pyad_value in[2] = {value_of(&a), value_of(&b)};
    pyad_status status = PYAD_ERR_MEMORY;
    int64_t failed = 0;
    for (int64_t after = 0; status == PYAD_ERR_MEMORY; after++) {
        pyad_value out;
        pyad_mem_trim(&f->mem);
        test_hook_fail_after(&f->hook, after);
        status = pyad_exec(&f->env, PYAD_LOOP_MUL, NULL, 2, in, &out);
        test_hook_never_fail(&f->hook);
        failed += status == PYAD_ERR_MEMORY;
        if (status == PYAD_OK)
            drop(f, &out);
        assert_int_equal(f->mem.live_buffers, 0);
    }
    assert_int_equal(status, PYAD_OK);
    assert_true(failed >= 2);
    test_array_free(&a);
    test_array_free(&b);
}

/* --- Sweeps ------------------------------------------------------------------------------------------------------- */

static int setup_both_ways(void **state)
{
    int status = setup_engine(state);
    return status != 0 ? status : pyad_mark_open(test_generation++, 1);
}

enum { N = 300 };
static double z_data[2 * N];

static int64_t leaf_pairs(int64_t n)
{
    for (int64_t i = 0; i < 2 * n; i++)
        z_data[i] = 0.25 + 0.001 * (double)i;
    return ok(test_leaf(0, PYAD_C128, 1, &n, z_data));
}

static double complex z_at(int64_t i)
{
    return z_data[2 * i] + z_data[2 * i + 1] * I;
}

/* The sum of z^2 - z / (z + 2) + z[:2] summed: every way a cotangent can arrive, several times at one place. */
static int64_t record_sum(int64_t z, int64_t n)
{
    int64_t square = ok(pyad_op1(PYAD_LOOP_SQUARE, z));
    int64_t over = ok(pyad_op2(PYAD_LOOP_DIV, z, ok(pyad_op2n(PYAD_LOOP_ADD, z, 2.0))));
    int64_t both = ok(pyad_op2(PYAD_LOOP_SUB, square, over));
    const int64_t two[3] = {0, 1, n < 2 ? n : 2};
    int64_t first = ok(test_op(PYAD_KERNEL_SLICE, z, 3, two));
    return ok(pyad_op2(PYAD_LOOP_ADD, ok(test_sum(both)), ok(test_sum(first))));
}

static double complex derivative_at(int64_t i)
{
    double complex w = z_at(i) + 2;
    return 2 * z_at(i) - 2 / (w * w) + (i < 2 ? 1 : 0);
}

static void test_backward(void **state)
{
    (void)state;
    static const int64_t lengths[] = {1, 3, N};
    for (int k = 0; k < 3; k++) {
        int64_t n = lengths[k];
        int64_t z = leaf_pairs(n);
        int64_t y = record_sum(z, n);
        for (int flags = 0; flags <= PYAD_SWEEP_RECORDED; flags += PYAD_SWEEP_RECORDED) {
            double gradient[2 * N];
            assert_int_equal(test_gradient(flags | PYAD_SWEEP_RETAIN, y, z, gradient), 0);
            for (int64_t i = 0; i < n; i++)
                assert_pair(gradient[2 * i] + gradient[2 * i + 1] * I, derivative_at(i), PYAD_C128);
        }
    }
}

static void test_forward(void **state)
{
    (void)state;
    int64_t z = leaf_pairs(N);
    int64_t y = record_sum(z, N);
    double tangent[2 * N];
    double complex expected = 0;
    for (int64_t i = 0; i < N; i++) {
        tangent[2 * i] = 0.5;
        tangent[2 * i + 1] = -0.01 * (double)i;
        expected += derivative_at(i) * (0.5 - 0.01 * (double)i * I);
    }
    int64_t n = N;
    int64_t t = ok(test_leaf(1, PYAD_C128, 1, &n, tangent));
    assert_int_equal(pyad_sweep_start(PYAD_SWEEP_FORWARD, 1, &y, 1, &z), 0);
    assert_int_equal(pyad_sweep_seed(z, t), 0);
    assert_int_equal(test_go(), 0);
    double got[2];
    assert_int_equal(pyad_sweep_copy(y, got), 0);
    pyad_sweep_stop();
    assert_pair(got[0] + got[1] * I, expected, PYAD_C128);
}

/* A broadcast operand's cotangent is summed, a cast real one's cut to its real part. */
static void test_broadcast_and_cast(void **state)
{
    (void)state;
    int64_t z = leaf_pairs(N);
    double x_data = 0.75;
    int64_t x = ok(pyad_leaf_number(0, x_data, 10));
    const int64_t code = PYAD_C128;
    int64_t product = ok(pyad_op2(PYAD_LOOP_MUL, z, ok(pyad_op(PYAD_KERNEL_CAST, 1, &x, 1, &code))));
    int64_t y = ok(test_sum(product));
    double gradient[2 * N];
    assert_int_equal(test_gradient(PYAD_SWEEP_RETAIN, y, z, gradient), 0);
    assert_true(gradient[0] == 0.75 && gradient[1] == 0 && gradient[2 * N - 2] == 0.75);
}

static void test_numbers(void **state)
{
    (void)state;
    double pair[2];
    int64_t x = ok(pyad_leaf_number(0, 0.5, 9));
    int64_t z = ok(pyad_leaf_number(0, 0.5, PYAD_C64));
    int64_t wide = ok(pyad_op2z(PYAD_LOOP_SUB, x, 1.0, 2.0, 1));
    assert_int_equal(pyad_dtype_of(wide), PYAD_C64);
    float narrow[2];
    assert_int_equal(pyad_copy_out(wide, narrow), 0);
    assert_true(narrow[0] == 0.5f && narrow[1] == 2.0f);
    assert_int_equal(pyad_copy_out(ok(pyad_op2z(PYAD_LOOP_MUL, z, 0.0, 1.0, 0)), narrow), 0);
    assert_true(narrow[0] == 0.0f && narrow[1] == 0.5f);
    assert_int_equal(pyad_copy_out(ok(pyad_const_number(3.0, PYAD_C128)), pair), 0);
    assert_true(pair[0] == 3.0 && pair[1] == 0.0);
    assert_int_equal(test_status(pyad_op2z(PYAD_LOOP_EXP, z, 0.0, 1.0, 0)), PYAD_ERR_VALUE);
    double memory[5] = {0};
    const int64_t one = 1;
    ok(pyad_lend(0, PYAD_C128, 1, &one, NULL, memory + 1)); /* aligned to its parts */
    assert_int_equal(test_status(pyad_lend(0, PYAD_C128, 1, &one, NULL, (char *)memory + 4)), PYAD_ERR_VALUE);
}

/* A kernel's operation with a value from outside: its rule is asked for each time, and none is kept for it. */
static void test_given(void **state)
{
    (void)state;
    int64_t z = leaf_pairs(3);
    assert_int_equal(test_status(pyad_op1(PYAD_LOOP_EXP, z)), PYAD_ERR_DTYPE);
    double values[6];
    for (int i = 0; i < 3; i++) {
        double complex e = cexp(z_at(i));
        values[2 * i] = creal(e);
        values[2 * i + 1] = cimag(e);
    }
    int64_t n = 3;
    int64_t value = ok(test_leaf(1, PYAD_C128, 1, &n, values));
    int64_t y = ok(pyad_op_given(PYAD_LOOP_EXP, 1, &z, -1, NULL, value));
    int64_t total = ok(test_sum(y));
    for (int round = 0; round < 2; round++) {
        assert_int_equal(pyad_sweep_start(PYAD_SWEEP_RETAIN, 1, &total, 1, &z), 0);
        assert_int_equal(pyad_sweep_seed_ones(total), 0);
        assert_int_equal(test_go(), PYAD_CALL_PYTHON);
        int64_t node;
        assert_int_equal(pyad_sweep_wants(&node), PYAD_CALL_BACKWARD);
        assert_true(node == y);
        assert_int_equal(pyad_sweep_verify(node, "exp"), 0);
        assert_int_equal(pyad_sweep_give(z, value), 0);
        assert_int_equal(test_go(), 0);
        double gradient[6];
        assert_int_equal(pyad_sweep_copy(z, gradient), 0);
        assert_memory_equal(gradient, values, sizeof values);
        pyad_sweep_stop();
    }
    assert_int_equal(test_status(pyad_op_given(PYAD_KERNEL_COUNT, 1, &z, -1, NULL, value)), PYAD_ERR_VALUE);
    assert_int_equal(test_status(pyad_op_given(PYAD_KERNEL_ALIAS, 1, &z, -1, NULL, value)), PYAD_ERR_VALUE);
    assert_int_equal(test_status(pyad_op_given(PYAD_LOOP_ADD, 1, &z, -1, NULL, value)), PYAD_ERR_VALUE);
    assert_int_equal(test_status(pyad_op_given(PYAD_KERNEL_MAX, 1, &z, -1, NULL, value)), PYAD_ERR_VALUE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_loops, setup, teardown),
        cmocka_unit_test_setup_teardown(test_division, setup, teardown),
        cmocka_unit_test_setup_teardown(test_where, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_infinite_parts, setup, teardown),
        cmocka_unit_test(test_conversions),
        cmocka_unit_test_setup_teardown(test_sums, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_picks, setup, teardown),
        cmocka_unit_test(test_rank),
        cmocka_unit_test_setup_teardown(test_loop_out_of_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_backward, setup_both_ways, teardown_engine),
        cmocka_unit_test_setup_teardown(test_forward, setup_both_ways, teardown_engine),
        cmocka_unit_test_setup_teardown(test_broadcast_and_cast, setup_both_ways, teardown_engine),
        cmocka_unit_test_setup_teardown(test_numbers, setup_both_ways, teardown_engine),
        cmocka_unit_test_setup_teardown(test_given, setup_both_ways, teardown_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
