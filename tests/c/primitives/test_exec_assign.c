/* Parts of arrays: the kernels that read and replace them and add to them, against loops over indices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "array/subview.h"
#include "primitives/exec.h"
#include "primitives/exec_assign.h"
#include "primitives/info.h"
#include "support/run.h"

enum { ROUNDS = 1500 };

/* A random strided view of an array of `size` elements; returns the number of dimensions. */
static int random_part(int64_t size, int64_t *params)
{
    int64_t shape[3];
    int64_t strides[3];
    int ndim = (int)test_random(4);
    int64_t low = 0;
    int64_t high = 0;
    for (int d = 0; d < ndim; d++) {
        int64_t room = size - 1 - (high - low);
        strides[d] = test_random(2 * size + 1) - size;
        int64_t step = strides[d] < 0 ? -strides[d] : strides[d];
        int64_t most = step == 0 ? 3 : 1 + room / step;
        shape[d] = test_random(20) == 0 ? 0 : 1 + test_random(most < 4 ? most : 4);
        int64_t reach = (shape[d] > 0 ? shape[d] - 1 : 0) * strides[d];
        low += reach < 0 ? reach : 0;
        high += reach > 0 ? reach : 0;
    }
    params[0] = 2 + 2 * ndim;
    params[1] = -low + test_random(size - (high - low));
    params[2] = ndim;
    memcpy(params + 3, shape, (size_t)ndim * sizeof *shape);
    memcpy(params + 3 + ndim, strides, (size_t)ndim * sizeof *strides);
    return ndim;
}

static double flat_get(const pyad_value *value, int64_t place)
{
    int64_t index[PYAD_MAX_NDIM];
    for (int d = value->layout->ndim - 1; d >= 0; d--) {
        index[d] = place % pyad_shape(value->layout)[d];
        place /= pyad_shape(value->layout)[d];
    }
    return get(value, value->layout->ndim, index);
}

static int64_t place_of(const int64_t *params, const int64_t *index)
{
    int64_t place = params[1];
    for (int d = 0; d < params[2]; d++)
        place += index[d] * params[3 + params[2] + d];
    return place;
}

static void test_window(void **state)
{
    fixture *f = *state;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t shape[3];
        int64_t params[9];
        int ndim = test_random_shape(3, 5, shape);
        int dtype = test_random_float();
        test_array x;
        test_array_random(&x, dtype, ndim, shape, test_random_style());
        pyad_value in = value_of(&x);
        if (in.layout->size > 0) {
            int part = random_part(in.layout->size, params);
            pyad_value out = run(f, PYAD_KERNEL_STRIDED_VIEW, params, 1, &in);
            check_shape(&out, dtype, part, params + 3);
            int64_t index[3] = {0};
            if (out.layout->size > 0) {
                do {
                    assert_true(get(&out, part, index) == flat_get(&in, place_of(params, index)));
                } while (test_next(part, params + 3, index));
            }
            drop(f, &out);
        }
        test_array_free(&x);
    }
}

/* A part of the array without places that repeat, whether or not it is inside. */
static int random_places(int64_t size, int64_t *params)
{
    int part = random_part(size, params);
    for (int d = 0; d < part; d++)
        params[3 + part + d] = params[3 + part + d] == 0 ? 1 : params[3 + part + d];
    return part;
}

static void test_assign(void **state)
{
    fixture *f = *state;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t shape[3];
        int64_t narrow[3];
        int64_t params[9];
        int ndim = test_random_shape(3, 5, shape);
        int dtype = test_random_float();
        test_array old;
        test_array_random(&old, dtype, ndim, shape, test_random_style());
        pyad_value in[2] = {value_of(&old)};
        int64_t size = in[0].layout->size;
        if (size > 0) {
            int part = random_places(size, params); /* what repeats would be written twice */
            params[1] = 0;
            pyad_layout_any layout;
            int64_t offset;
            int thin = test_random_narrower(part, params + 3, narrow);
            test_array x;
            test_array_random(&x, dtype, thin, narrow, test_random_style());
            in[1] = value_of(&x);
            pyad_status inside = pyad_strided_view_layout(in[0].layout, params + 1, &layout, &offset);
            if (inside == PYAD_OK) {
                double want[125];
                for (int64_t k = 0; k < size; k++)
                    want[k] = flat_get(&in[0], k);
                int64_t index[3] = {0};
                bool more = layout.layout.size > 0;
                /* In C order, as a copy goes; where parts overlap themselves, NumPy does not say who is last. */
                int64_t written[125] = {0};
                bool overlaps = false;
                for (; more; more = test_next(part, params + 3, index)) {
                    want[place_of(params, index)] = test_get(&x, part, index);
                    overlaps = overlaps || written[place_of(params, index)]++ > 0;
                }
                pyad_value out = run(f, PYAD_KERNEL_ASSIGN, params, 2, in);
                check_shape(&out, dtype, ndim, shape);
                for (int64_t k = 0; k < size && !overlaps; k++)
                    assert_true(flat_get(&out, k) == want[k]);
                drop(f, &out);
            } else {
                assert_int_equal(pyad_exec(&f->env, PYAD_KERNEL_ASSIGN, params, 2, in, &in[0]), PYAD_ERR_VALUE);
            }
            test_array_free(&x);
        }
        test_array_free(&old);
    }
}

static void test_assign_at(void **state)
{
    fixture *f = *state;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t shape[3];
        int dtype = test_random_float();
        int ndim = test_random_shape(3, 5, shape);
        test_array arrays[3];
        test_array_random(&arrays[0], dtype, ndim, shape, test_random_style());
        pyad_value in[3] = {value_of(&arrays[0])};
        int64_t size = in[0].layout->size;
        int64_t count[2] = {size < 2 ? size : size / 2, 2};
        int dims = size >= 2 ? 2 : 1;
        bool one = test_random(3) == 0;
        test_array_random(&arrays[1], dtype, one ? 0 : dims, count, test_random_style());
        test_array_make(&arrays[2], PYAD_I64, dims, count, test_random_style());
        double want[125];
        for (int64_t k = 0; k < size; k++)
            want[k] = flat_get(&in[0], k);
        int64_t index[2] = {0};
        int64_t start = size > 0 ? test_random(size) : 0;
        for (int64_t k = 0; k < size / 2 * 2 || (size == 1 && k < 1); k++) {
            int64_t place = (start + k) % size;
            test_set(&arrays[2], dims, index, (double)place);
            want[place] = test_get(&arrays[1], dims, index);
            test_next(dims, count, index);
        }
        in[1] = value_of(&arrays[1]);
        in[2] = value_of(&arrays[2]);
        pyad_value out = run(f, PYAD_KERNEL_ASSIGN_AT, NULL, 3, in);
        check_shape(&out, dtype, ndim, shape);
        for (int64_t k = 0; k < size; k++)
            assert_true(flat_get(&out, k) == want[k]);
        drop(f, &out);
        for (int k = 0; k < 3; k++)
            test_array_free(&arrays[k]);
    }
}

static void test_add_part(void **state)
{
    fixture *f = *state;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t shape[3];
        int64_t narrow[3];
        int64_t params[9];
        int64_t offset;
        pyad_layout_any part;
        int ndim = test_random_shape(3, 5, shape);
        int dtype = test_random_float();
        test_array arrays[2];
        test_array_random(&arrays[0], dtype, ndim, shape, test_random_style());
        pyad_value in[2] = {value_of(&arrays[0])};
        int64_t size = in[0].layout->size;
        int dims = random_places(size > 0 ? size : 1, params);
        int thin = test_random_narrower(dims, params + 3, narrow);
        test_array_random(&arrays[1], dtype, thin, narrow, test_random_style());
        in[1] = value_of(&arrays[1]);
        if (pyad_strided_view_layout(in[0].layout, params + 1, &part, &offset) == PYAD_OK) {
            double want[125];
            int64_t index[3] = {0};
            for (int64_t k = 0; k < size; k++)
                want[k] = flat_get(&in[0], k);
            for (bool more = part.layout.size > 0; more; more = test_next(dims, params + 3, index))
                want[place_of(params, index)] += test_get(&arrays[1], dims, index);
            pyad_value out = run(f, PYAD_KERNEL_ADD_SLICE, params, 2, in);
            check_shape(&out, dtype, ndim, shape);
            for (int64_t k = 0; k < size; k++)
                assert_true(flat_get(&out, k) == want[k]);
            drop(f, &out);
        } else {
            assert_int_equal(pyad_exec(&f->env, PYAD_KERNEL_ADD_SLICE, params, 2, in, &in[0]), PYAD_ERR_VALUE);
        }
        test_array_free(&arrays[0]);
        test_array_free(&arrays[1]);
    }
}

static void test_add_rows(void **state)
{
    fixture *f = *state;
    for (int round = 0; round < ROUNDS; round++) {
        /* An index of one or two dimensions, and rows of none or one. */
        int64_t shape[2] = {1 + test_random(4), 1 + test_random(3)};
        int64_t count[3] = {test_random(4), 1 + test_random(3)};
        int ndim = 1 + (int)test_random(2);
        int dims = 1 + (int)test_random(2);
        int dtype = test_random_float();
        test_array arrays[3];
        test_array_random(&arrays[0], dtype, ndim, shape, test_random_style());
        test_array_make(&arrays[2], PYAD_I64, dims, count, test_random_style());
        test_array_fill(&arrays[2], 0, shape[0]);
        count[dims] = shape[1];
        test_array_random(&arrays[1], dtype, dims + ndim - 1, count, test_random_style());
        const pyad_value in[3] = {value_of(&arrays[0]), value_of(&arrays[1]), value_of(&arrays[2])};
        double want[4][3];
        int64_t index[3] = {0};
        for (int64_t k = 0; k < in[0].layout->size; k++)
            want[ndim == 1 ? k : k / shape[1]][ndim == 1 ? 0 : k % shape[1]] = flat_get(&in[0], k);
        bool more = in[1].layout->size > 0;
        for (; more; more = test_next(dims + ndim - 1, count, index))
            want[(int)test_get(&arrays[2], dims, index)][ndim == 1 ? 0 : index[dims]] +=
                test_get(&arrays[1], dims + ndim - 1, index);
        pyad_value out = run(f, PYAD_KERNEL_ADD_ROWS, NULL, 3, in);
        check_shape(&out, dtype, ndim, shape);
        for (int64_t k = 0; k < in[0].layout->size; k++)
            assert_true(flat_get(&out, k) == want[ndim == 1 ? k : k / shape[1]][ndim == 1 ? 0 : k % shape[1]]);
        drop(f, &out);
        for (int k = 0; k < 3; k++)
            test_array_free(&arrays[k]);
    }
}

static void must_add(fixture *f, int kernel, const int64_t *values, const pyad_value *in)
{
    assert_int_equal(pyad_exec_assign(&f->env, kernel, values, in, pyad_value_view(&in[0])), PYAD_OK);
}

/* Complex numbers, in the memory of operand 0. */
static void test_add_in_place(void **state)
{
    fixture *f = *state;
    test_array arrays[3];
    test_array_random(&arrays[0], PYAD_C128, 2, LIST(2, 3), TEST_CONTIGUOUS);
    test_array_random(&arrays[1], PYAD_C128, 1, LIST(2), TEST_CONTIGUOUS);
    test_array_make(&arrays[2], PYAD_I64, 1, LIST(2), TEST_CONTIGUOUS);
    const pyad_value in[3] = {value_of(&arrays[0]), value_of(&arrays[1]), value_of(&arrays[2])};
    double *whole = in[0].data;
    double *part = in[1].data;
    memset(whole, 0, 12 * sizeof *whole);
    for (int k = 0; k < 4; k++)
        part[k] = k + 1;
    /* Elements 5 and 2, the last column from below, twice. */
    for (int times = 1; times <= 2; times++) {
        must_add(f, PYAD_KERNEL_ADD_SLICE, LIST(5, 1, 2, -3), in);
        assert_true(whole[10] == times && whole[11] == 2 * times && whole[4] == 3 * times && whole[5] == 4 * times);
    }
    pyad_layout_any line;
    assert_int_equal(pyad_layout_fill(&line, PYAD_C128, 1, LIST(6)), PYAD_OK);
    must_add(f, PYAD_KERNEL_ADD_ROWS, NULL, (const pyad_value[]){{&line.layout, in[0].data, NULL}, in[1], in[2]});
    assert_true(whole[0] == 4 && whole[1] == 6);
    for (int k = 0; k < 3; k++)
        test_array_free(&arrays[k]);
}

static void refused(fixture *f, int kernel, const int64_t *params, int nargs, const pyad_value *in, pyad_status code,
                    const char *words)
{
    pyad_value out;
    pyad_status status = pyad_kernel_check(&f->message, kernel, params, nargs);
    if (status == PYAD_OK)
        status = pyad_exec(&f->env, kernel, params, nargs, in, &out);
    assert_int_equal(status, code);
    if (strstr(f->message.text, words) == NULL)
        fail_msg("'%s' is not in '%s'", words, f->message.text);
}

static void test_refused(void **state)
{
    fixture *f = *state;
    test_array arrays[4];
    test_array_random(&arrays[0], PYAD_F64, 2, LIST(2, 3), TEST_CONTIGUOUS);
    test_array_random(&arrays[1], PYAD_F64, 1, LIST(2), TEST_CONTIGUOUS);
    test_array_random(&arrays[2], PYAD_F32, 1, LIST(2), TEST_CONTIGUOUS);
    test_array_random(&arrays[3], PYAD_I64, 1, LIST(2), TEST_CONTIGUOUS);
    const pyad_value in[3] = {value_of(&arrays[0]), value_of(&arrays[1]), value_of(&arrays[3])};
    const pyad_value mixed[3] = {in[0], value_of(&arrays[2]), in[2]};
    const pyad_value wrong[3] = {in[0], in[1], in[1]};
    int64_t *places = (int64_t *)(void *)arrays[3].data;
    const struct {
        const int64_t *params;
        pyad_status code;
        const char *words;
    } parts[] = {
        {PARAMS(6, 0), PYAD_ERR_VALUE, "not inside an array of shape (2, 3)"},
        {PARAMS(-1, 0), PYAD_ERR_VALUE, "not inside"},
        {PARAMS(0, 1, 3, 3), PYAD_ERR_VALUE, "not inside"},
        {PARAMS(2, 1, 4, -1), PYAD_ERR_VALUE, "not inside"},
        {PARAMS(0, 1, 2, INT64_MAX), PYAD_ERR_VALUE, "not inside"},
        {PARAMS(1, 1, 3, INT64_MAX / 2), PYAD_ERR_VALUE, "not inside"},
        {PARAMS(INT64_MAX, 2, 2, 2, INT64_MAX, 1), PYAD_ERR_VALUE, "not inside"},
        {PARAMS(0, 33), PYAD_ERR_VALUE, "missing"},
        {PARAMS(0, -1), PYAD_ERR_VALUE, "missing"},
        {PARAMS(0, 1, 2), PYAD_ERR_VALUE, "missing"},
        {PARAMS(0), PYAD_ERR_VALUE, "missing"},
        {NULL, PYAD_ERR_VALUE, "missing"},
    };
    for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++) {
        refused(f, PYAD_KERNEL_STRIDED_VIEW, parts[k].params, 1, in, parts[k].code, parts[k].words);
        refused(f, PYAD_KERNEL_ASSIGN, parts[k].params, 2, in, parts[k].code, parts[k].words);
        refused(f, PYAD_KERNEL_ADD_SLICE, parts[k].params, 2, in, parts[k].code, parts[k].words);
    }
    pyad_value out;
    assert_int_equal(pyad_exec(&f->env, PYAD_KERNEL_STRIDED_VIEW, PARAMS(0, 1, -2, 1), 1, in, &out), PYAD_ERR_VALUE);
    refused(f, PYAD_KERNEL_ASSIGN, PARAMS(0, 1, 3, 1), 2, in, PYAD_ERR_SHAPE,
            "a value of shape (2,) (float64) into a view of shape (3,)");
    refused(f, PYAD_KERNEL_ASSIGN, PARAMS(0, 0), 2, in, PYAD_ERR_SHAPE, "could not broadcast");
    refused(f, PYAD_KERNEL_ASSIGN, PARAMS(0, 1, 2, 1), 2, mixed, PYAD_ERR_DTYPE, "(float32)");
    for (int64_t bad = -1; bad <= 6; bad += 7) {
        places[0] = 0;
        places[1] = bad;
        refused(f, PYAD_KERNEL_ASSIGN_AT, NULL, 3, in, PYAD_ERR_VALUE, "out of range for 6 elements");
    }
    refused(f, PYAD_KERNEL_ASSIGN_AT, NULL, 3, mixed, PYAD_ERR_DTYPE, "(float32)");
    refused(f, PYAD_KERNEL_ASSIGN_AT, NULL, 3, wrong, PYAD_ERR_DTYPE, "expected int64");
    const pyad_value shapes[3] = {in[1], in[0], in[2]};
    refused(f, PYAD_KERNEL_ASSIGN_AT, NULL, 3, shapes, PYAD_ERR_SHAPE, "could not broadcast");
    for (int k = 0; k < 4; k++)
        test_array_free(&arrays[k]);
}

static void test_additions_refused(void **state)
{
    fixture *f = *state;
    test_array arrays[6];
    test_array_random(&arrays[0], PYAD_F64, 2, LIST(2, 3), TEST_CONTIGUOUS);
    test_array_random(&arrays[1], PYAD_F64, 2, LIST(2, 3), TEST_CONTIGUOUS);
    test_array_random(&arrays[5], PYAD_F64, 2, LIST(2, 2), TEST_CONTIGUOUS);
    test_array_make(&arrays[2], PYAD_I64, 1, LIST(2), TEST_CONTIGUOUS);
    test_array_random(&arrays[3], PYAD_F32, 2, LIST(2, 3), TEST_CONTIGUOUS);
    test_array_random(&arrays[4], PYAD_F64, 0, LIST(0), TEST_CONTIGUOUS);
    const pyad_value x = value_of(&arrays[0]);
    const pyad_value s = value_of(&arrays[1]);
    const pyad_value index = value_of(&arrays[2]);
    const pyad_value narrow = value_of(&arrays[3]);
    const pyad_value one = value_of(&arrays[4]);
    const pyad_value square = value_of(&arrays[5]);
#define ROWS(a, b, c) ((const pyad_value[]){a, b, c})
    refused(f, PYAD_KERNEL_ADD_SLICE, PARAMS(0, 1, 3, 0), 2, ROWS(x, one, one), PYAD_ERR_VALUE, "a stride of 0");
    refused(f, PYAD_KERNEL_ADD_SLICE, PARAMS(0, 1, 3, 1), 2, ROWS(x, s, one), PYAD_ERR_SHAPE,
            "add_slice: could not broadcast a value of shape (2, 3)");
    refused(f, PYAD_KERNEL_ADD_SLICE, PARAMS(0, 0), 2, ROWS(x, narrow, one), PYAD_ERR_DTYPE, "add_slice: could not");
    refused(f, PYAD_KERNEL_ADD_SLICE, PARAMS(0, 0), 2, ROWS(index, index, one), PYAD_ERR_DTYPE, "dtype int64");
    refused(f, PYAD_KERNEL_ADD_ROWS, NULL, 3, ROWS(x, s, s), PYAD_ERR_DTYPE, "index has dtype float64");
    refused(f, PYAD_KERNEL_ADD_ROWS, NULL, 3, ROWS(x, narrow, index), PYAD_ERR_DTYPE, "rows float32");
    refused(f, PYAD_KERNEL_ADD_ROWS, NULL, 3, ROWS(index, index, index), PYAD_ERR_DTYPE, "dtype int64");
    refused(f, PYAD_KERNEL_ADD_ROWS, NULL, 3, ROWS(x, one, index), PYAD_ERR_SHAPE,
            "rows of shape () at an index of shape (2,) do not fit into (2, 3)");
    refused(f, PYAD_KERNEL_ADD_ROWS, NULL, 3, ROWS(x, square, index), PYAD_ERR_SHAPE, "do not fit into (2, 3)");
    refused(f, PYAD_KERNEL_ADD_ROWS, NULL, 3, ROWS(one, one, index), PYAD_ERR_SHAPE, "do not fit into ()");
    for (int64_t bad = -1; bad <= 2; bad += 3) {
        ((int64_t *)(void *)arrays[2].data)[1] = bad;
        refused(f, PYAD_KERNEL_ADD_ROWS, NULL, 3, ROWS(x, s, index), PYAD_ERR_VALUE, "out of range for 2 rows");
    }
#undef ROWS
    /* A length that is not stepped along may have any stride. */
    pyad_value out = run(f, PYAD_KERNEL_ADD_SLICE, PARAMS(0, 1, 1, 0), 2, (const pyad_value[]){x, one});
    assert_true(flat_get(&out, 0) == flat_get(&x, 0) + flat_get(&one, 0));
    drop(f, &out);
    for (int k = 0; k < 6; k++)
        test_array_free(&arrays[k]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_window, setup, teardown),
        cmocka_unit_test_setup_teardown(test_assign, setup, teardown),
        cmocka_unit_test_setup_teardown(test_assign_at, setup, teardown),
        cmocka_unit_test_setup_teardown(test_add_part, setup, teardown),
        cmocka_unit_test_setup_teardown(test_add_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_add_in_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_additions_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
