/* What instructions refuse: every refusal with its status and its words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "primitives/exec.h"
#include "primitives/info.h"
#include "support/arrays.h"

#define LIST(...) ((const int64_t[]){__VA_ARGS__})
#define PARAMS(...) ((const int64_t[]){sizeof(LIST(__VA_ARGS__)) / 8, __VA_ARGS__})

typedef struct operand {
    int dtype;
    int ndim;
    int64_t shape[4];
} operand;

#define F64(...)                                              \
    {                                                         \
        PYAD_F64, sizeof((const int64_t[]){__VA_ARGS__}) / 8, \
        {                                                     \
            __VA_ARGS__                                       \
        }                                                     \
    }
#define OF(name, ...)                                            \
    {                                                            \
        PYAD_##name, sizeof((const int64_t[]){__VA_ARGS__}) / 8, \
        {                                                        \
            __VA_ARGS__                                          \
        }                                                        \
    }

typedef struct refusal {
    int kernel;
    const int64_t *params;
    int nargs;
    operand in[3];
    pyad_status status;
    const char *words;
} refusal;

static const refusal refusals[] = {
    {PYAD_LOOP_ADD,
     NULL,
     2,
     {F64(2), OF(F32, 2)},
     PYAD_ERR_DTYPE,
     "add: operands have dtypes float64 and float32, expected float32 or float64, the same for all"},
    {PYAD_LOOP_EXP,
     NULL,
     1,
     {OF(I32, 2)},
     PYAD_ERR_DTYPE,
     "exp: operands have dtypes int32, expected float32 or float64, the same for all"},
    {PYAD_LOOP_AND,
     NULL,
     2,
     {OF(BOOL, 2), F64(2)},
     PYAD_ERR_DTYPE,
     "and: operands have dtypes bool and float64, expected bool"},
    {PYAD_LOOP_AND,
     NULL,
     2,
     {F64(2), F64(2)},
     PYAD_ERR_DTYPE,
     "and: operands have dtypes float64 and float64, expected bool"},
    {PYAD_LOOP_WHERE,
     NULL,
     3,
     {F64(2), F64(2), F64(2)},
     PYAD_ERR_DTYPE,
     "where: operands have dtypes float64 and float64 and float64, expected float32 or float64, the same for all"},
    {PYAD_LOOP_WHERE,
     NULL,
     3,
     {OF(BOOL, 2), F64(2), OF(F32, 2)},
     PYAD_ERR_DTYPE,
     "where: operands have dtypes bool and float64 and float32, expected float32 or float64, the same for all"},
    {PYAD_LOOP_ADD,
     NULL,
     2,
     {F64(2, 3), F64(2)},
     PYAD_ERR_SHAPE,
     "add: operands with shapes (2, 3) and (2,) do not broadcast; lengths must be equal or 1, counted from the last "
     "axis"},
    {PYAD_LOOP_WHERE,
     NULL,
     3,
     {OF(BOOL, 2), F64(3), F64(1)},
     PYAD_ERR_SHAPE,
     "where: operands with shapes (2,) and (3,) and (1,) do not broadcast; lengths must be equal or 1, counted from "
     "the last axis"},
    {PYAD_KERNEL_RESHAPE,
     PARAMS(4),
     1,
     {F64(2, 3)},
     PYAD_ERR_SHAPE,
     "reshape: array of shape (2, 3) (6 elements) does not fill shape (4,)"},
    {PYAD_KERNEL_RESHAPE,
     PARAMS(-6),
     1,
     {F64(2, 3)},
     PYAD_ERR_VALUE,
     "reshape: a shape has up to 32 lengths, none below zero"},
    {PYAD_KERNEL_RESHAPE,
     (const int64_t[40]){33},
     1,
     {F64(2, 3)},
     PYAD_ERR_VALUE,
     "reshape: a shape has up to 32 lengths, none below zero"},
    {PYAD_KERNEL_RESHAPE, PARAMS(INT64_MAX, 4), 1, {F64(2, 3)}, PYAD_ERR_MEMORY, NULL},
    {PYAD_KERNEL_TRANSPOSE,
     PARAMS(0, 0),
     1,
     {F64(2, 3)},
     PYAD_ERR_VALUE,
     "transpose: axes are no permutation of 2 dimensions"},
    {PYAD_KERNEL_TRANSPOSE,
     PARAMS(0, 2),
     1,
     {F64(2, 3)},
     PYAD_ERR_VALUE,
     "transpose: axes are no permutation of 2 dimensions"},
    {PYAD_KERNEL_TRANSPOSE,
     PARAMS(0),
     1,
     {F64(2, 3)},
     PYAD_ERR_VALUE,
     "transpose: axes are no permutation of 2 dimensions"},
    {PYAD_KERNEL_BROADCAST,
     PARAMS(2),
     1,
     {F64(3)},
     PYAD_ERR_SHAPE,
     "broadcast_to: shape (3,) does not broadcast to (2,)"},
    {PYAD_KERNEL_BROADCAST,
     PARAMS(3),
     1,
     {F64(2, 3)},
     PYAD_ERR_SHAPE,
     "broadcast_to: shape (2, 3) does not broadcast to (3,)"},
    {PYAD_KERNEL_BROADCAST,
     PARAMS(1),
     1,
     {F64(3)},
     PYAD_ERR_SHAPE,
     "broadcast_to: shape (3,) does not broadcast to (1,)"},
    {PYAD_KERNEL_BROADCAST,
     PARAMS(-1),
     1,
     {F64(3)},
     PYAD_ERR_VALUE,
     "broadcast_to: a shape has up to 32 lengths, none below zero"},
    {PYAD_KERNEL_SLICE, PARAMS(0, 1, 4), 1, {F64(3)}, PYAD_ERR_VALUE, "slice: index is out of range for shape (3,)"},
    {PYAD_KERNEL_SLICE, PARAMS(-1, 1, 1), 1, {F64(3)}, PYAD_ERR_VALUE, "slice: index is out of range for shape (3,)"},
    {PYAD_KERNEL_SLICE, PARAMS(1, -1, 3), 1, {F64(3)}, PYAD_ERR_VALUE, "slice: index is out of range for shape (3,)"},
    {PYAD_KERNEL_SLICE, PARAMS(3, 1, -1), 1, {F64(3)}, PYAD_ERR_VALUE, "slice: index is out of range for shape (3,)"},
    {PYAD_KERNEL_SLICE, PARAMS(0, 1, -2), 1, {F64(3)}, PYAD_ERR_VALUE, "slice: index is out of range for shape (3,)"},
    {PYAD_KERNEL_SLICE, PARAMS(0, 1), 1, {F64(3)}, PYAD_ERR_VALUE, "slice: index is out of range for shape (3,)"},
    {PYAD_KERNEL_UNSLICE,
     PARAMS(1, 5, 0, 1, 3),
     1,
     {F64(2)},
     PYAD_ERR_SHAPE,
     "unslice: operand does not have the shape of the slice"},
    {PYAD_KERNEL_UNSLICE,
     PARAMS(1, 5, 4, 1, 3),
     1,
     {F64(3)},
     PYAD_ERR_SHAPE,
     "unslice: operand does not have the shape of the slice"},
    {PYAD_KERNEL_UNSLICE,
     PARAMS(1, -5, 0, 1, 3),
     1,
     {F64(3)},
     PYAD_ERR_VALUE,
     "unslice: a shape has up to 32 lengths, none below zero"},
    {PYAD_KERNEL_UNSLICE, PARAMS(2, 5), 1, {F64(3)}, PYAD_ERR_VALUE, "unslice: static parameters are missing"},
    {PYAD_KERNEL_CAST, PARAMS(77), 1, {F64(3)}, PYAD_ERR_DTYPE, "astype: there is no dtype 77"},
    {PYAD_KERNEL_SUM,
     PARAMS(1, 0),
     1,
     {OF(I64, 3)},
     PYAD_ERR_DTYPE,
     "sum: operand has dtype int64, expected float32 or float64"},
    {PYAD_KERNEL_MAX,
     PARAMS(1, 0),
     1,
     {F64(0, 3)},
     PYAD_ERR_VALUE,
     "max: axis 0 of shape (0, 3) is empty, and nothing has no max"},
    {PYAD_KERNEL_MIN,
     PARAMS(2, 0),
     1,
     {F64(3, 0)},
     PYAD_ERR_VALUE,
     "min: axis 1 of shape (3, 0) is empty, and nothing has no min"},
    {PYAD_KERNEL_LOGSUMEXP,
     PARAMS(0, 0),
     1,
     {F64(0)},
     PYAD_ERR_VALUE,
     "logsumexp: axis 0 of shape (0,) is empty, and nothing has no logsumexp"},
    {PYAD_KERNEL_LOGSUMEXP,
     PARAMS(2, 0),
     1,
     {F64(2, 2)},
     PYAD_ERR_VALUE,
     "logsumexp: axis 2 is out of range for 2 dimensions"},
    {PYAD_KERNEL_SOFTMAX,
     PARAMS(-1),
     1,
     {F64(2, 2)},
     PYAD_ERR_VALUE,
     "softmax: axis -1 is out of range for 2 dimensions"},
    {PYAD_KERNEL_CUMSUM,
     PARAMS(2, 0),
     1,
     {F64(2, 3)},
     PYAD_ERR_VALUE,
     "cumsum: axis 2 is out of range for 2 dimensions"},
    {PYAD_KERNEL_CUMPROD, PARAMS(0), 1, {F64(2)}, PYAD_ERR_VALUE, "cumprod: static parameters are missing"},
    {PYAD_KERNEL_CUMPROD,
     PARAMS(0, 0),
     1,
     {OF(BOOL, 2)},
     PYAD_ERR_DTYPE,
     "cumprod: operand has dtype bool, expected float32 or float64"},
    {PYAD_KERNEL_RECUR,
     PARAMS(0, 0),
     2,
     {F64(2), OF(F32, 2)},
     PYAD_ERR_DTYPE,
     "recur: terms have dtype float64 and factors float32, expected the same"},
    {PYAD_KERNEL_RECUR,
     PARAMS(0, 0),
     2,
     {F64(2), F64(3)},
     PYAD_ERR_SHAPE,
     "recur: terms have shape (2,) and factors (3,), expected the same"},
    {PYAD_KERNEL_LOG_SOFTMAX,
     PARAMS(0),
     1,
     {OF(BOOL, 2)},
     PYAD_ERR_DTYPE,
     "log_softmax: operand has dtype bool, expected float32 or float64"},
    {PYAD_KERNEL_TAKE, NULL, 2, {F64(3), OF(I32, 2)}, PYAD_ERR_DTYPE, "take: index has dtype int32, expected int64"},
    {PYAD_KERNEL_TAKE,
     NULL,
     2,
     {{PYAD_F64, 0, {0}}, OF(I64, 2)},
     PYAD_ERR_SHAPE,
     "take: operand has too few dimensions"},
    {PYAD_KERNEL_PUT, PARAMS(4), 2, {F64(3), OF(I64, 3, 1)}, PYAD_ERR_SHAPE, "put: operand has too few dimensions"},
    {PYAD_KERNEL_PUT,
     PARAMS(4),
     2,
     {OF(BOOL, 3), OF(I64, 3)},
     PYAD_ERR_DTYPE,
     "put: operand has dtype bool, expected float32 or float64"},
    {PYAD_KERNEL_PUT,
     PARAMS(4),
     2,
     {F64(3, 2), OF(I64, 2)},
     PYAD_ERR_SHAPE,
     "put: operand does not begin with the shape of the index"},
    {PYAD_KERNEL_PUT,
     PARAMS(-4),
     2,
     {F64(3, 2), OF(I64, 3)},
     PYAD_ERR_VALUE,
     "put: a shape has up to 32 lengths, none below zero"},
    {PYAD_KERNEL_CONCATENATE,
     PARAMS(1),
     2,
     {F64(3), F64(3)},
     PYAD_ERR_VALUE,
     "concatenate: axis 1 is out of range for 1 dimensions"},
    {PYAD_KERNEL_CONCATENATE,
     PARAMS(0),
     2,
     {F64(3, 2), F64(3, 1)},
     PYAD_ERR_SHAPE,
     "concatenate: operand 1 has shape (3, 1) (float64), operand 0 has (3, 2) (float64); all but axis 0 must be equal"},
    {PYAD_KERNEL_CONCATENATE,
     PARAMS(0),
     2,
     {F64(3), OF(F32, 3)},
     PYAD_ERR_SHAPE,
     "concatenate: operand 1 has shape (3,) (float32), operand 0 has (3,) (float64); all but axis 0 must be equal"},
    {PYAD_KERNEL_CONCATENATE,
     PARAMS(0),
     2,
     {F64(3), F64(3, 1)},
     PYAD_ERR_SHAPE,
     "concatenate: operand 1 has shape (3, 1) (float64), operand 0 has (3,) (float64); all but axis 0 must be equal"},
    {PYAD_KERNEL_MATMUL,
     NULL,
     2,
     {F64(3), F64(3, 2)},
     PYAD_ERR_SHAPE,
     "matmul: shapes (3,) and (3, 2) need at least two dimensions each"},
    {PYAD_KERNEL_MATMUL,
     NULL,
     2,
     {OF(I32, 3, 3), F64(3, 2)},
     PYAD_ERR_DTYPE,
     "matmul: operand has dtype int32, expected float32 or float64"},
    {PYAD_KERNEL_MATMUL,
     NULL,
     2,
     {F64(3, 3), OF(F32, 3, 2)},
     PYAD_ERR_DTYPE,
     "matmul: dtypes float64 and float32 differ"},
    {PYAD_KERNEL_MATMUL,
     NULL,
     2,
     {F64(3, 4), F64(3, 2)},
     PYAD_ERR_SHAPE,
     "matmul: shapes (3, 4) and (3, 2) do not contract: the last axis of the first must equal the last but one of the "
     "second"},
    {PYAD_KERNEL_MATMUL,
     NULL,
     2,
     {F64(2, 3, 4), F64(5, 4, 2)},
     PYAD_ERR_SHAPE,
     "matmul: shapes (2, 3, 4) and (5, 4, 2) have batch dimensions that do not broadcast"},
    {PYAD_KERNEL_AFFINE,
     NULL,
     3,
     {F64(3, 4), F64(4, 2), F64(3)},
     PYAD_ERR_SHAPE,
     "affine: shapes (3,) and (3, 2) (bias and product) do not broadcast"},
    {PYAD_KERNEL_AFFINE,
     NULL,
     3,
     {F64(3, 4), F64(4, 2), F64(1, 3, 2)},
     PYAD_ERR_SHAPE,
     "affine: shapes (1, 3, 2) and (3, 2) (bias and product) do not broadcast"},
    {PYAD_KERNEL_AFFINE,
     NULL,
     3,
     {F64(3, 4), F64(4, 2), OF(F32, 2)},
     PYAD_ERR_DTYPE,
     "affine: bias has dtype float32, product float64"},
    {PYAD_KERNEL_AFFINE,
     NULL,
     3,
     {F64(2, 3, 4), F64(4, 2), F64(2)},
     PYAD_ERR_SHAPE,
     "affine: shapes (2, 3, 4) and (4, 2) must both have two dimensions"},
    {PYAD_LOOP_ADD, NULL, 1, {F64(2)}, PYAD_ERR_VALUE, "add: called with 1 operands, takes 2"},
    {PYAD_KERNEL_CONCATENATE,
     PARAMS(0),
     0,
     {F64(2)},
     PYAD_ERR_VALUE,
     "concatenate: called with 0 operands, takes 1 to 65535"},
    {PYAD_KERNEL_SUM, NULL, 1, {F64(2)}, PYAD_ERR_VALUE, "sum: static parameters are missing"},
    {PYAD_KERNEL_SUM, PARAMS(1), 1, {F64(2)}, PYAD_ERR_VALUE, "sum: static parameters are missing"},
    {PYAD_KERNEL_RESHAPE, NULL, 1, {F64(2)}, PYAD_ERR_VALUE, "reshape: static parameters are missing"},
    {PYAD_KERNEL_COUNT, NULL, 1, {F64(2)}, PYAD_ERR_VALUE, NULL},
    {-1, NULL, 1, {F64(2)}, PYAD_ERR_VALUE, "kernel -1 does not exist"},
};

static void check_refusal(pyad_mem *mem, pyad_arena *arena, const refusal *r)
{
    pyad_message message = {""};
    const pyad_env env = {mem, arena, &message};
    test_array arrays[3];
    pyad_value in[3];
    pyad_value out;
    for (int k = 0; k < 3; k++) {
        test_array_make(&arrays[k], r->in[k].dtype, r->in[k].ndim, r->in[k].shape, TEST_CONTIGUOUS);
        in[k] = (pyad_value){&arrays[k].layout.layout, arrays[k].data, NULL};
    }
    pyad_status status = pyad_kernel_check(&message, r->kernel, r->params, r->nargs);
    if (status == PYAD_OK)
        status = pyad_exec(&env, r->kernel, r->params, r->nargs, in, &out);
    if (status != r->status || (r->words != NULL && strcmp(message.text, r->words) != 0))
        fail_msg("%s: status %d, \"%s\"", pyad_kernel_name(r->kernel), (int)status, message.text);
    for (int k = 0; k < 3; k++)
        test_array_free(&arrays[k]);
}

static void test_refusals(void **state)
{
    (void)state;
    pyad_mem mem;
    pyad_arena arena;
    pyad_mem_init(&mem, pyad_hook_default);
    pyad_arena_init(&arena, &mem);
    for (size_t k = 0; k < sizeof refusals / sizeof refusals[0]; k++)
        check_refusal(&mem, &arena, &refusals[k]);
    assert_int_equal(mem.live_buffers, 0);
    pyad_arena_finish(&arena);
    pyad_mem_finish(&mem);
}

/* Indices are looked at when the instruction runs; what was made by then is given back. */
static void test_index_range(void **state)
{
    (void)state;
    pyad_mem mem;
    pyad_arena arena;
    pyad_message message;
    pyad_mem_init(&mem, pyad_hook_default);
    pyad_arena_init(&arena, &mem);
    const pyad_env env = {&mem, &arena, &message};
    test_array rows;
    test_array_make(&rows, PYAD_F64, 2, LIST(2, 200), TEST_CONTIGUOUS);
    int64_t numbers[2] = {1, 2};
    pyad_layout_any any;
    pyad_layout_fill(&any, PYAD_I64, 1, LIST(2));
    const pyad_value in[2] = {{&rows.layout.layout, rows.data, NULL}, {&any.layout, numbers, NULL}};
    pyad_value out;
    assert_int_equal(pyad_exec(&env, PYAD_KERNEL_TAKE, NULL, 2, in, &out), PYAD_ERR_VALUE);
    assert_string_equal(message.text, "take: index 2 is out of range for 2 rows");
    numbers[1] = -1;
    assert_int_equal(pyad_exec(&env, PYAD_KERNEL_TAKE, NULL, 2, in, &out), PYAD_ERR_VALUE);
    assert_string_equal(message.text, "take: index -1 is out of range for 2 rows");
    assert_int_equal(pyad_exec(&env, PYAD_KERNEL_PUT, PARAMS(5), 2, in, &out), PYAD_ERR_VALUE);
    assert_string_equal(message.text, "put: index -1 is out of range for 5 rows");
    assert_int_equal(mem.live_buffers, 0);
    test_array_free(&rows);
    pyad_arena_finish(&arena);
    pyad_mem_finish(&mem);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(pyad_kernel_name(PYAD_LOOP_ADD), "add");
    assert_string_equal(pyad_kernel_name(PYAD_KERNEL_AFFINE), "affine");
    assert_null(pyad_kernel_name(-1));
    assert_null(pyad_kernel_name(PYAD_KERNEL_COUNT));
    assert_int_equal(pyad_kernel_nargs(PYAD_KERNEL_CONCATENATE), -1);
    assert_int_equal(pyad_kernel_nargs(PYAD_LOOP_WHERE), 3);
    assert_true(pyad_kernel_is_view(PYAD_KERNEL_SLICE));
    assert_false(pyad_kernel_is_view(PYAD_KERNEL_UNSLICE));
    assert_false(pyad_kernel_is_view(PYAD_LOOP_ADD));
    assert_false(pyad_kernel_is_view(PYAD_KERNEL_COUNT));
    assert_true(pyad_kernel_is_constant(PYAD_LOOP_EQ));
    assert_false(pyad_kernel_is_constant(PYAD_KERNEL_SUM));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_index_range),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
