/* Execution: every kernel against loops over indices, what shares memory, and what is refused with which words. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arrays.h"
#include "exec.h"
#include "hook.h"

#define LIST(...) ((const int64_t[]){__VA_ARGS__})
/* Static parameters: their count, then they. */
#define PARAMS(...) ((const int64_t[]){sizeof(LIST(__VA_ARGS__)) / 8, __VA_ARGS__})

typedef struct fixture {
    test_hook hook;
    pyad_mem mem;
    pyad_arena arena;
    pyad_message message;
    pyad_env env;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    pyad_mem_init(&f->mem, test_hook_use(&f->hook));
    pyad_arena_init(&f->arena, &f->mem);
    f->env = (pyad_env){&f->mem, &f->arena, &f->message};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    int left = f->mem.live_buffers != 0;
    pyad_arena_finish(&f->arena);
    pyad_mem_finish(&f->mem);
    left = left || f->hook.blocks != 0 || f->hook.bytes != 0;
    free(f);
    return left;
}

static pyad_value value_of(test_array *array)
{
    return (pyad_value){&array->layout.layout, array->data, NULL};
}

static double get(const pyad_value *value, int ndim, const int64_t *index)
{
    test_array array = {.data = value->data};
    memcpy(&array.layout, value->layout, pyad_layout_room(value->layout->ndim));
    return test_get(&array, ndim, index);
}

static pyad_value run(fixture *f, int kernel, const int64_t *params, int nargs, const pyad_value *in)
{
    pyad_value out;
    pyad_status status = pyad_kernel_check(&f->message, kernel, params, nargs);
    if (status == PYAD_OK)
        status = pyad_exec(&f->env, kernel, params, nargs, in, &out);
    if (status != PYAD_OK)
        fail_msg("%s: %s", pyad_kernel_name(kernel), f->message.text);
    return out;
}

static void drop(fixture *f, pyad_value *value)
{
    if (value->buffer != NULL)
        pyad_buffer_release(&f->mem, value->buffer);
}

static void check_shape(const pyad_value *value, int dtype, int ndim, const int64_t *shape)
{
    assert_int_equal(value->layout->dtype, dtype);
    assert_int_equal(value->layout->ndim, ndim);
    for (int d = 0; d < ndim; d++)
        assert_int_equal(pyad_shape(value->layout)[d], shape[d]);
}

/* ---- element-wise ---- */

static double loop_value(int loop, const double *in)
{
    double a = in[0];
    double b = in[1];
    switch ((pyad_loop_id)loop) {
    case PYAD_LOOP_ADD: return a + b;
    case PYAD_LOOP_SUB: return a - b;
    case PYAD_LOOP_MUL: return a * b;
    case PYAD_LOOP_DIV: return a / b;
    case PYAD_LOOP_POW: return pow(a, b);
    case PYAD_LOOP_MAXIMUM: return fmax(a, b);
    case PYAD_LOOP_MINIMUM: return fmin(a, b);
    case PYAD_LOOP_ARCTAN2: return atan2(a, b);
    case PYAD_LOOP_NEG: return -a;
    case PYAD_LOOP_ABS: return fabs(a);
    case PYAD_LOOP_SIGN: return a > 0 ? 1 : a < 0 ? -1 : 0;
    case PYAD_LOOP_SQUARE: return a * a;
    case PYAD_LOOP_RECIPROCAL: return 1 / a;
    case PYAD_LOOP_SQRT: return sqrt(a);
    case PYAD_LOOP_EXP: return exp(a);
    case PYAD_LOOP_EXPM1: return expm1(a);
    case PYAD_LOOP_LOG: return log(a);
    case PYAD_LOOP_LOG1P: return log1p(a);
    case PYAD_LOOP_SIN: return sin(a);
    case PYAD_LOOP_COS: return cos(a);
    case PYAD_LOOP_TAN: return tan(a);
    case PYAD_LOOP_SINH: return sinh(a);
    case PYAD_LOOP_COSH: return cosh(a);
    case PYAD_LOOP_TANH: return tanh(a);
    case PYAD_LOOP_ARCSIN: return asin(a);
    case PYAD_LOOP_ARCCOS: return acos(a);
    case PYAD_LOOP_ARCTAN: return atan(a);
    case PYAD_LOOP_SIGMOID: return 1 / (1 + exp(-a));
    case PYAD_LOOP_RELU: return a > 0 ? a : 0;
    case PYAD_LOOP_SOFTPLUS: return log1p(exp(a));
    case PYAD_LOOP_ERF: return erf(a);
    case PYAD_LOOP_FLOOR: return floor(a);
    case PYAD_LOOP_CEIL: return ceil(a);
    case PYAD_LOOP_EQ: return a == b;
    case PYAD_LOOP_NE: return a != b;
    case PYAD_LOOP_LT: return a < b;
    case PYAD_LOOP_LE: return a <= b;
    case PYAD_LOOP_GT: return a > b;
    case PYAD_LOOP_GE: return a >= b;
    case PYAD_LOOP_ISNAN: return isnan(a);
    case PYAD_LOOP_AND: return a != 0 && b != 0;
    case PYAD_LOOP_OR: return a != 0 || b != 0;
    case PYAD_LOOP_NOT: return a == 0;
    case PYAD_LOOP_WHERE: return a != 0 ? b : in[2];
    case PYAD_LOOP_COUNT: break;
    }
    return NAN;
}

static void check_loop(fixture *f, int loop, int dtype)
{
    const pyad_loop_info *info = &pyad_loops[loop];
    int64_t shape[PYAD_MAX_NDIM];
    int ndim = test_random_shape(3, test_random(4) == 0 ? 12 : 4, shape);
    test_array arrays[3];
    pyad_value in[3];
    for (int k = 0; k < info->arity; k++) {
        bool truth = info->kind == PYAD_KIND_LOGIC || (info->kind == PYAD_KIND_SELECT && k == 0);
        int64_t narrow[PYAD_MAX_NDIM];
        int from = k == 0 ? 0 : (int)test_random(ndim + 1);
        for (int d = from; d < ndim; d++)
            narrow[d - from] = test_random(4) == 0 && k > 0 ? 1 : shape[d];
        test_array_make(&arrays[k], truth ? PYAD_BOOL : dtype, ndim - from, narrow, (test_style)test_random(3));
        int64_t index[PYAD_MAX_NDIM] = {0};
        do {
            if (arrays[k].layout.layout.size == 0)
                break;
            /* Within every domain, equal at times, exact in float32. */
            test_set(&arrays[k], ndim - from, index, truth ? (double)test_random(2) : (double)(1 + test_random(15)) / 16);
        } while (test_next(ndim - from, narrow, index));
        in[k] = value_of(&arrays[k]);
    }
    pyad_value out = run(f, loop, NULL, info->arity, in);
    bool to_bool = info->kind == PYAD_KIND_COMPARE || info->kind == PYAD_KIND_LOGIC;
    check_shape(&out, to_bool ? PYAD_BOOL : dtype, ndim, shape);
    assert_true(out.layout->contiguous);
    assert_int_equal(pyad_kernel_is_constant(loop), to_bool);
    int64_t index[PYAD_MAX_NDIM] = {0};
    do {
        double operands[3] = {0};
        if (out.layout->size == 0)
            break;
        for (int k = 0; k < info->arity; k++)
            operands[k] = test_get(&arrays[k], ndim, index);
        double want = loop_value(loop, operands);
        double got = get(&out, ndim, index);
        if (!(fabs(got - want) <= (dtype == PYAD_F32 ? 1e-6 : 1e-15) * (1 + fabs(want))))
            fail_msg("%s: %.17g is not %.17g", info->name, got, want);
    } while (test_next(ndim, shape, index));
    for (int k = 0; k < info->arity; k++)
        test_array_free(&arrays[k]);
    drop(f, &out);
}

static void test_loops(void **state)
{
    for (int loop = 0; loop < PYAD_LOOP_COUNT; loop++) {
        for (int round = 0; round < 12; round++)
            check_loop(*state, loop, round % 2 == 0 ? PYAD_F32 : PYAD_F64);
    }
}

/* ---- views ---- */

/* Reshapes a random view: equal elements in C order, and the operand's memory wherever strides allow it. */
static void test_reshape(void **state)
{
    fixture *f = *state;
    for (int round = 0; round < 500; round++) {
        int64_t shape[4];
        int64_t to[4] = {1, 1, 1, 1};
        test_array array;
        for (int d = 0; d < 4; d++)
            shape[d] = 1 + test_random(3);
        test_array_random(&array, PYAD_F64, 4, shape, (test_style)test_random(3));
        /* The same factors dealt anew, in their order: merges, splits, moves of ones. */
        int at = 0;
        for (int d = 0; d < 4; d++) {
            at = at < 3 ? at + (int)test_random(2) : at;
            to[at] *= shape[d];
        }
        pyad_value in = value_of(&array);
        int64_t params[5] = {4, to[0], to[1], to[2], to[3]};
        pyad_value out = run(f, PYAD_KERNEL_RESHAPE, params, 1, &in);
        check_shape(&out, PYAD_F64, 4, to);
        if (array.layout.layout.contiguous)
            assert_ptr_equal(out.data, in.data);
        int64_t from_index[4] = {0};
        int64_t to_index[4] = {0};
        do {
            assert_true(get(&out, 4, to_index) == test_get(&array, 4, from_index));
            test_next(4, shape, from_index);
        } while (test_next(4, to, to_index));
        drop(f, &out);
        test_array_free(&array);
    }
    /* Rows with gaps: splitting and merging within the row shares, across rows it copies. */
    double data[60];
    for (int k = 0; k < 60; k++)
        data[k] = k;
    pyad_layout_any gaps;
    assert_int_equal(pyad_layout_fill_strided(&gaps, PYAD_F64, 2, LIST(4, 6), LIST(12, 2)), PYAD_OK);
    pyad_value in = {&gaps.layout, data, NULL};
    pyad_value shared = run(f, PYAD_KERNEL_RESHAPE, PARAMS(2, 2, 1, 3, 2), 1, &in);
    assert_ptr_equal(shared.data, data);
    assert_true(get(&shared, 5, LIST(1, 1, 0, 2, 1)) == 46);
    assert_int_equal(pyad_layout_fill_strided(&gaps, PYAD_F64, 2, LIST(4, 6), LIST(13, 2)), PYAD_OK);
    pyad_value copied = run(f, PYAD_KERNEL_RESHAPE, PARAMS(24), 1, &in);
    assert_ptr_not_equal(copied.data, data);
    assert_true(get(&copied, 1, LIST(7)) == 15);
}

static void test_slices(void **state)
{
    fixture *f = *state;
    for (int round = 0; round < 300; round++) {
        int64_t shape[PYAD_MAX_NDIM];
        int ndim = test_random_shape(3, 6, shape);
        test_array array;
        int64_t params[10] = {3 * ndim};
        int64_t to[3];
        int to_ndim = 0;
        test_array_random(&array, PYAD_F32, ndim, shape, TEST_ANY);
        for (int d = 0; d < ndim; d++) {
            int64_t *p = params + 1 + 3 * d;
            p[0] = shape[d] > 0 ? test_random(shape[d]) : 0;
            p[1] = test_random(2) == 0 ? 1 + test_random(2) : -1 - test_random(2);
            int64_t room = p[1] > 0 ? (shape[d] - 1 - p[0]) / p[1] : p[0] / -p[1];
            p[2] = shape[d] == 0 ? 0 : test_random(4) == 0 ? -1 : test_random(room + 2);
            if (p[2] != -1)
                to[to_ndim++] = p[2];
        }
        pyad_value in = value_of(&array);
        pyad_value out = run(f, PYAD_KERNEL_SLICE, params, 1, &in);
        check_shape(&out, PYAD_F32, to_ndim, to);
        /* And the transpose: zeros but for the window. */
        int64_t back[20] = {1 + 4 * ndim, ndim};
        memcpy(back + 2, shape, (size_t)ndim * sizeof *back);
        memcpy(back + 2 + ndim, params + 1, 3 * (size_t)ndim * sizeof *back);
        pyad_value whole = run(f, PYAD_KERNEL_UNSLICE, back, 1, &out);
        check_shape(&whole, PYAD_F32, ndim, shape);
        double sums[2] = {0, 0};
        int64_t index[3] = {0};
        do {
            int64_t from[3];
            if (out.layout->size == 0)
                break;
            for (int d = 0, k = 0; d < ndim; d++) {
                const int64_t *p = params + 1 + 3 * d;
                from[d] = p[0] + (p[2] == -1 ? 0 : p[1] * index[k++]);
            }
            assert_true(get(&out, to_ndim, index) == test_get(&array, ndim, from));
            assert_true(get(&whole, ndim, from) == test_get(&array, ndim, from));
            sums[0] += fabs(test_get(&array, ndim, from));
        } while (test_next(to_ndim, to, index));
        int64_t all[3] = {0};
        do {
            sums[1] += whole.layout->size > 0 ? fabs(get(&whole, ndim, all)) : 0;
        } while (whole.layout->size > 0 && test_next(ndim, shape, all));
        assert_true(sums[0] == sums[1]);
        test_array_free(&array);
    }
}

static void test_turned_and_spread(void **state)
{
    fixture *f = *state;
    test_array array;
    test_array_random(&array, PYAD_I32, 3, LIST(2, 1, 4), TEST_ANY);
    pyad_value in = value_of(&array);
    pyad_value turned = run(f, PYAD_KERNEL_TRANSPOSE, PARAMS(2, 0, 1), 1, &in);
    check_shape(&turned, PYAD_I32, 3, LIST(4, 2, 1));
    assert_ptr_equal(turned.data, in.data);
    pyad_value wide = run(f, PYAD_KERNEL_BROADCAST, PARAMS(5, 2, 3, 4), 1, &in);
    check_shape(&wide, PYAD_I32, 4, LIST(5, 2, 3, 4));
    assert_ptr_equal(wide.data, in.data);
    pyad_value alias = run(f, PYAD_KERNEL_ALIAS, NULL, 1, &in);
    assert_true(pyad_same_layout(alias.layout, in.layout));
    pyad_value cast = run(f, PYAD_KERNEL_CAST, PARAMS(PYAD_F32), 1, &wide);
    check_shape(&cast, PYAD_F32, 4, LIST(5, 2, 3, 4));
    pyad_value flat;
    assert_int_equal(pyad_exec_copy(&f->env, &turned, &flat), PYAD_OK);
    assert_true(flat.layout->contiguous);
    int64_t index[3] = {0};
    do {
        double want = test_get(&array, 3, index);
        assert_true(get(&turned, 3, LIST(index[2], index[0], index[1])) == want);
        assert_true(get(&flat, 3, LIST(index[2], index[0], index[1])) == want);
        assert_true(get(&wide, 4, LIST(3, index[0], 2, index[2])) == want);
        assert_true(get(&cast, 4, LIST(1, index[0], 0, index[2])) == want);
    } while (test_next(3, LIST(2, 1, 4), index));
    test_array_free(&array);
}

/* A view holds the buffer it looks into. */
static void test_view_holds(void **state)
{
    fixture *f = *state;
    test_array array;
    test_array_random(&array, PYAD_F64, 2, LIST(20, 30), TEST_CONTIGUOUS);
    pyad_value in = value_of(&array);
    pyad_value own = run(f, PYAD_LOOP_NEG, NULL, 1, &in);
    assert_non_null(own.buffer);
    pyad_value part = run(f, PYAD_KERNEL_SLICE, PARAMS(3, 1, -1, 29, -1, 30), 1, &own);
    assert_ptr_equal(part.buffer, own.buffer);
    drop(f, &own);
    assert_true(get(&part, 1, LIST(0)) == -test_get(&array, 2, LIST(3, 29)));
    drop(f, &part);
    test_array_free(&array);
}

/* ---- kernels with memory of their own ---- */

static void test_reductions(void **state)
{
    fixture *f = *state;
    test_array array;
    test_array_random(&array, PYAD_F64, 3, LIST(3, 4, 5), TEST_ANY);
    pyad_value in = value_of(&array);
    for (int kernel = PYAD_KERNEL_SUM; kernel <= PYAD_KERNEL_MIN; kernel++) {
        for (int64_t keep = 0; keep < 2; keep++) {
            pyad_value out = run(f, kernel, PARAMS(1 + 4, keep), 1, &in);
            check_shape(&out, PYAD_F64, keep ? 3 : 1, keep ? LIST(1, 4, 1) : LIST(4));
            for (int64_t j = 0; j < 4; j++) {
                double want = kernel == PYAD_KERNEL_SUM ? 0 : test_get(&array, 3, LIST(0, j, 0));
                for (int64_t i = 0; i < 15; i++) {
                    double x = test_get(&array, 3, LIST(i / 5, j, i % 5));
                    want = kernel == PYAD_KERNEL_SUM ? want + x : kernel == PYAD_KERNEL_MAX ? fmax(want, x) : fmin(want, x);
                }
                assert_true(get(&out, keep ? 3 : 1, keep ? LIST(0, j, 0) : LIST(j)) == want);
            }
        }
    }
    for (int kernel = PYAD_KERNEL_LOGSUMEXP; kernel <= PYAD_KERNEL_LOG_SOFTMAX; kernel++) {
        pyad_value out = run(f, kernel, PARAMS(1, 1), 1, &in);
        double sum = 0;
        for (int64_t j = 0; j < 4; j++)
            sum += exp(test_get(&array, 3, LIST(2, j, 3)));
        double x = test_get(&array, 3, LIST(2, 1, 3));
        double want = kernel == PYAD_KERNEL_LOGSUMEXP ? log(sum) : kernel == PYAD_KERNEL_SOFTMAX ? exp(x) / sum : x - log(sum);
        assert_true(fabs(get(&out, 3, LIST(2, 1, 3)) - want) < 1e-13);
    }
    test_array_free(&array);
}

static void test_products(void **state)
{
    fixture *f = *state;
    test_array a;
    test_array b;
    test_array bias;
    test_array_random(&a, PYAD_F32, 3, LIST(2, 3, 4), TEST_ANY);
    test_array_random(&b, PYAD_F32, 2, LIST(4, 5), TEST_ANY);
    test_array_random(&bias, PYAD_F32, 1, LIST(5), TEST_CONTIGUOUS);
    pyad_value in[3] = {value_of(&a), value_of(&b), value_of(&bias)};
    pyad_value product = run(f, PYAD_KERNEL_MATMUL, NULL, 2, in);
    pyad_value affine = run(f, PYAD_KERNEL_AFFINE, NULL, 3, in);
    check_shape(&product, PYAD_F32, 3, LIST(2, 3, 5));
    int64_t index[3] = {0};
    do {
        double want = 0;
        for (int64_t k = 0; k < 4; k++)
            want += test_get(&a, 3, LIST(index[0], index[1], k)) * test_get(&b, 2, LIST(k, index[2]));
        assert_true(get(&product, 3, index) == want);
        assert_true(get(&affine, 3, index) == want + test_get(&bias, 1, index + 2));
    } while (test_next(3, LIST(2, 3, 5), index));
    test_array_free(&a);
    test_array_free(&b);
    test_array_free(&bias);
}

static void test_indexing(void **state)
{
    fixture *f = *state;
    test_array table;
    int64_t index_data[4] = {2, 0, 2, 1};
    pyad_layout_any index_layout;
    pyad_layout_fill(&index_layout, PYAD_I64, 2, LIST(2, 2));
    test_array_random(&table, PYAD_F64, 2, LIST(3, 4), TEST_ANY);
    pyad_value in[2] = {value_of(&table), {&index_layout.layout, index_data, NULL}};
    pyad_value rows = run(f, PYAD_KERNEL_TAKE, NULL, 2, in);
    check_shape(&rows, PYAD_F64, 3, LIST(2, 2, 4));
    pyad_value back_in[2] = {rows, in[1]};
    pyad_value back = run(f, PYAD_KERNEL_PUT, PARAMS(4), 2, back_in);
    check_shape(&back, PYAD_F64, 2, LIST(4, 4));
    for (int64_t k = 0; k < 16; k++) {
        assert_true(get(&rows, 3, LIST(k / 8, k / 4 % 2, k % 4)) == test_get(&table, 2, LIST(index_data[k / 4], k % 4)));
        double times = k / 4 == 2 ? 2 : k / 4 == 3 ? 0 : 1;
        assert_true(get(&back, 2, LIST(k / 4, k % 4)) == times * test_get(&table, 2, LIST(k / 4 % 3, k % 4)));
    }
    pyad_value parts[11];
    for (int k = 0; k < 11; k++)
        parts[k] = k % 2 ? in[0] : back;
    pyad_value joined = run(f, PYAD_KERNEL_CONCATENATE, PARAMS(0), 11, parts);
    check_shape(&joined, PYAD_F64, 2, LIST(39, 4));
    assert_true(get(&joined, 2, LIST(36, 1)) == get(&back, 2, LIST(1, 1)));
    assert_true(get(&joined, 2, LIST(6, 3)) == test_get(&table, 2, LIST(2, 3)));
    drop(f, &joined);
    test_array_free(&table);
}

static void test_no_elements(void **state)
{
    fixture *f = *state;
    test_array none;
    test_array_make(&none, PYAD_F64, 2, LIST(0, 3), TEST_ANY);
    pyad_value in[2] = {value_of(&none), value_of(&none)};
    pyad_value sum = run(f, PYAD_KERNEL_SUM, PARAMS(1, 0), 1, in);
    check_shape(&sum, PYAD_F64, 1, LIST(3));
    assert_true(get(&sum, 1, LIST(2)) == 0);
    pyad_value out = run(f, PYAD_KERNEL_MAX, PARAMS(2, 0), 1, in);
    check_shape(&out, PYAD_F64, 1, LIST(0));
    out = run(f, PYAD_KERNEL_SOFTMAX, PARAMS(1), 1, in);
    out = run(f, PYAD_KERNEL_SOFTMAX, PARAMS(0), 1, in);
    check_shape(&out, PYAD_F64, 2, LIST(0, 3));
    out = run(f, PYAD_KERNEL_LOGSUMEXP, PARAMS(1, 0), 1, in);
    check_shape(&out, PYAD_F64, 1, LIST(0));
    out = run(f, PYAD_LOOP_ADD, NULL, 2, in);
    out = run(f, PYAD_KERNEL_RESHAPE, PARAMS(7, 0, 2), 1, in);
    out = run(f, PYAD_KERNEL_BROADCAST, PARAMS(2, 0, 3), 1, in);
    out = run(f, PYAD_KERNEL_CONCATENATE, PARAMS(0), 2, in);
    out = run(f, PYAD_KERNEL_CAST, PARAMS(PYAD_I8), 1, in);
    in[1] = run(f, PYAD_KERNEL_TRANSPOSE, PARAMS(1, 0), 1, in);
    out = run(f, PYAD_KERNEL_MATMUL, NULL, 2, in);
    check_shape(&out, PYAD_F64, 2, LIST(0, 0));
    pyad_value turned[2] = {in[1], in[0]};
    out = run(f, PYAD_KERNEL_MATMUL, NULL, 2, turned);
    check_shape(&out, PYAD_F64, 2, LIST(3, 3));
    assert_true(get(&out, 2, LIST(1, 1)) == 0);
    test_array_free(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_loops, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reshape, setup, teardown),
        cmocka_unit_test_setup_teardown(test_slices, setup, teardown),
        cmocka_unit_test_setup_teardown(test_turned_and_spread, setup, teardown),
        cmocka_unit_test_setup_teardown(test_view_holds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reductions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_products, setup, teardown),
        cmocka_unit_test_setup_teardown(test_indexing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_elements, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
