/* Element-wise steps one after the other, against a loop over indices. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernels/elementwise.h"
#include "support/arrays.h"
#include "support/hook.h"

#define SHAPE(...) ((const int64_t[]){__VA_ARGS__})

enum { MOST = 5 };

/* A program over whole numbers, so that every result is exact: steps add, subtract, multiply, take the larger, negate,
 * compare or choose. */
typedef struct program {
    pyad_elementwise_step steps[MOST];
    int step_count;
    int input_count;
    int dtype;
} program;

static double run_step(const pyad_elementwise_step *step, const double *in)
{
    switch (step->loop) {
    case PYAD_LOOP_ADD:
        return in[0] + in[1];
    case PYAD_LOOP_SUB:
        return in[0] - in[1];
    case PYAD_LOOP_MUL:
        return in[0] * in[1];
    case PYAD_LOOP_MAXIMUM:
        return fmax(in[0], in[1]);
    case PYAD_LOOP_NEG:
        return -in[0];
    case PYAD_LOOP_LT:
        return in[0] < in[1];
    default:
        return in[0] != 0 ? in[1] : in[2];
    }
}

static bool is_bool(const program *l, int reg)
{
    return reg >= l->input_count && l->steps[reg - l->input_count].loop == PYAD_LOOP_LT;
}

static uint16_t pick(const program *l, int registers, bool truth)
{
    for (;;) {
        int reg = (int)test_random(registers);
        if (is_bool(l, reg) == truth)
            return (uint16_t)reg;
    }
}

static void make_program(program *l)
{
    static const uint8_t loops[] = {PYAD_LOOP_ADD, PYAD_LOOP_SUB,     PYAD_LOOP_MUL,
                                    PYAD_LOOP_NEG, PYAD_LOOP_MAXIMUM, PYAD_LOOP_LT};
    l->input_count = 1 + (int)test_random(4);
    l->step_count = 1 + (int)test_random(MOST);
    l->dtype = test_random(2) == 0 ? PYAD_F32 : PYAD_F64;
    bool truth = false;
    for (int s = 0; s < l->step_count; s++) {
        pyad_elementwise_step *step = &l->steps[s];
        int registers = l->input_count + s;
        memset(step, 0, sizeof *step);
        step->loop = truth && test_random(2) == 0 ? PYAD_LOOP_WHERE : loops[test_random(6)];
        step->wide = l->dtype == PYAD_F64;
        step->arity = (uint8_t)pyad_loops[step->loop].arity;
        bool compare = step->loop == PYAD_LOOP_LT;
        step->bytes = compare ? 1 : (uint8_t)pyad_dtype_size(l->dtype);
        for (int k = 0; k < step->arity; k++)
            step->in[k] = pick(l, registers, step->loop == PYAD_LOOP_WHERE && k == 0);
        truth = truth || compare;
    }
}

/* Which steps nobody wants: all that no output depends on. */
static void mark_skipped(program *l, int output_count, const pyad_elementwise_output *outputs)
{
    bool wanted[MOST + 4] = {false};
    for (int k = 0; k < output_count; k++)
        wanted[outputs[k].reg] = true;
    for (int s = l->step_count - 1; s >= 0; s--) {
        l->steps[s].skip = !wanted[l->input_count + s];
        for (int k = 0; k < l->steps[s].arity && wanted[l->input_count + s]; k++)
            wanted[l->steps[s].in[k]] = true;
    }
}

static void check_element(const program *l, test_array *inputs, int ndim, const int64_t *index, double *reg)
{
    for (int k = 0; k < l->input_count; k++)
        reg[k] = test_get(&inputs[k], ndim, index);
    for (int s = 0; s < l->step_count; s++) {
        double in[3] = {0};
        for (int k = 0; k < l->steps[s].arity; k++)
            in[k] = reg[l->steps[s].in[k]];
        reg[l->input_count + s] = run_step(&l->steps[s], in);
    }
}

/* One input has the common shape; the others may be narrower. Three outputs, of any register, some of them added to. */
static void check_program(pyad_mem *mem, int ndim, const int64_t *shape, bool strided)
{
    enum { OUTPUTS = 3 };
    program l;
    make_program(&l);
    test_array inputs[4];
    pyad_view views[4];
    for (int k = 0; k < l.input_count; k++) {
        int64_t narrow[PYAD_MAX_NDIM];
        int drop = k == 0 ? 0 : (int)test_random(ndim + 1);
        for (int d = drop; d < ndim; d++)
            narrow[d - drop] = k > 0 && test_random(3) == 0 ? 1 : shape[d];
        test_style style = strided ? (test_style)test_random(3) : TEST_CONTIGUOUS;
        test_array_make(&inputs[k], l.dtype, ndim - drop, narrow, style);
        test_array_fill(&inputs[k], -3, 6);
        views[k] = test_view(&inputs[k]);
    }
    test_array results[OUTPUTS];
    pyad_elementwise_output outputs[OUTPUTS];
    for (int k = 0; k < OUTPUTS; k++) {
        int reg = l.input_count + (int)test_random(l.step_count);
        bool truth = is_bool(&l, reg);
        outputs[k] = (pyad_elementwise_output){
            .reg = (uint16_t)reg, .add = !truth && test_random(2), .wide = l.dtype == PYAD_F64};
        test_array_make(&results[k], truth ? PYAD_BOOL : l.dtype, ndim, shape, TEST_CONTIGUOUS);
        if (!truth)
            test_array_fill(&results[k], 7, 1);
        outputs[k].data = results[k].data;
    }
    mark_skipped(&l, OUTPUTS, outputs);
    pyad_layout_any common;
    pyad_layout_fill(&common, l.dtype, ndim, shape);
    pyad_elementwise work = {l.steps, l.step_count, l.input_count, views, OUTPUTS, outputs, &common.layout};
    assert_int_equal(pyad_elementwise_run(mem, &work), PYAD_OK);
    int64_t index[PYAD_MAX_NDIM] = {0};
    do {
        double reg[MOST + 4];
        if (common.layout.size == 0)
            break;
        check_element(&l, inputs, ndim, index, reg);
        for (int k = 0; k < OUTPUTS; k++)
            assert_true(test_get(&results[k], ndim, index) == reg[outputs[k].reg] + (outputs[k].add ? 7 : 0));
    } while (test_next(ndim, shape, index));
    for (int k = 0; k < l.input_count; k++)
        test_array_free(&inputs[k]);
    for (int k = 0; k < OUTPUTS; k++)
        test_array_free(&results[k]);
}

static void test_lengths(void **state)
{
    (void)state;
    static const int64_t sizes[] = {0, 1, 2, 3, 5, 15, 16, 17, 1023, 1024, 1025, 2048, 3001};
    pyad_mem mem;
    pyad_mem_init(&mem, pyad_hook_default);
    for (int round = 0; round < 30; round++) {
        for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++)
            check_program(&mem, 1, &sizes[k], round % 2 != 0);
    }
    pyad_mem_finish(&mem);
}

static void test_shapes(void **state)
{
    (void)state;
    pyad_mem mem;
    pyad_mem_init(&mem, pyad_hook_default);
    check_program(&mem, 0, NULL, false);
    for (int round = 0; round < 1000; round++) {
        int64_t shape[PYAD_MAX_NDIM];
        int ndim = test_random_shape(4, round % 20 == 0 ? 20 : 5, shape);
        check_program(&mem, ndim, shape, round % 3 != 0);
    }
    for (int round = 0; round < 30; round++) {
        check_program(&mem, 2, SHAPE(70, 33), true); /* rows long enough to be run one by one */
        check_program(&mem, 3, SHAPE(3, 1, 1100), true);
    }
    assert_int_equal(mem.live_buffers, 0);
    pyad_mem_finish(&mem);
}

/* As many registers as there may be: a long chain of additions, blocks get short. */
static void test_most_registers(void **state)
{
    (void)state;
    enum { N = 5000, STEPS = PYAD_ELEMENTWISE_REGISTERS - 2 };
    pyad_mem mem;
    pyad_mem_init(&mem, pyad_hook_default);
    static double x[N];
    static double out[N];
    double one = 1;
    pyad_elementwise_step steps[STEPS];
    for (int s = 0; s < STEPS; s++) {
        steps[s] = (pyad_elementwise_step){.loop = PYAD_LOOP_ADD, .wide = 1, .arity = 2, .bytes = 8, .in = {0, 1, 0}};
        if (s > 0)
            steps[s].in[0] = (uint16_t)(s + 1);
    }
    for (int i = 0; i < N; i++)
        x[i] = i;
    pyad_layout_any any;
    pyad_layout_fill(&any, PYAD_F64, 1, SHAPE(N));
    pyad_view views[2] = {{&any.layout, x}, {pyad_layout_scalar(PYAD_F64), &one}};
    pyad_elementwise_output output = {.reg = PYAD_ELEMENTWISE_REGISTERS - 1, .wide = 1, .data = out};
    pyad_elementwise work = {steps, STEPS, 2, views, 1, &output, &any.layout};
    assert_int_equal(pyad_elementwise_run(&mem, &work), PYAD_OK);
    for (int i = 0; i < N; i++)
        assert_true(out[i] == i + STEPS);
    pyad_mem_finish(&mem);
}

/* All operands single elements, the result many: filled, and added. */
static void test_only_scalars(void **state)
{
    (void)state;
    pyad_mem mem;
    pyad_mem_init(&mem, pyad_hook_default);
    float a = 2;
    float b = 3;
    pyad_layout_any any;
    for (int64_t n = 1; n < 1200; n += 173) {
        float stored[1200];
        float added[1200];
        for (int i = 0; i < 1200; i++)
            added[i] = (float)i;
        pyad_layout_fill(&any, PYAD_F32, 2, SHAPE(1, n));
        pyad_view views[2] = {{pyad_layout_scalar(PYAD_F32), &a}, {pyad_layout_scalar(PYAD_F32), &b}};
        pyad_elementwise_step step = {.loop = PYAD_LOOP_MUL, .arity = 2, .bytes = 4, .in = {0, 1, 0}};
        pyad_elementwise_output outputs[2] = {{.reg = 2, .data = stored}, {.reg = 2, .add = 1, .data = added}};
        pyad_elementwise work = {&step, 1, 2, views, 2, outputs, &any.layout};
        assert_int_equal(pyad_elementwise_run(&mem, &work), PYAD_OK);
        for (int i = 0; i < n; i++)
            assert_true(stored[i] == 6 && added[i] == 6 + (float)i);
        assert_true(added[n] == (float)n);
    }
    pyad_mem_finish(&mem);
}

static void test_failure(void **state)
{
    (void)state;
    test_hook hook = {0};
    pyad_mem mem;
    pyad_mem_init(&mem, test_hook_use(&hook));
    double x[400];
    double out[400];
    pyad_layout_any turned;
    pyad_layout_any flat;
    for (int i = 0; i < 400; i++)
        x[i] = i;
    pyad_layout_fill_strided(&turned, PYAD_F64, 2, SHAPE(20, 20), SHAPE(1, 20));
    pyad_layout_fill(&flat, PYAD_F64, 2, SHAPE(20, 20));
    pyad_view views[2] = {{&turned.layout, x}, {&turned.layout, x}};
    pyad_elementwise_step step = {.loop = PYAD_LOOP_ADD, .wide = 1, .arity = 2, .bytes = 8, .in = {0, 1, 0}};
    pyad_elementwise_output output = {.reg = 2, .wide = 1, .data = out};
    pyad_elementwise work = {&step, 1, 2, views, 1, &output, &flat.layout};
    /* An operand that cannot be read in runs is copied, each in turn. */
    for (int64_t after = 0; after < 2; after++) {
        test_hook_fail_after(&hook, after);
        assert_int_equal(pyad_elementwise_run(&mem, &work), PYAD_ERR_MEMORY);
        assert_int_equal(mem.live_buffers, 0);
        pyad_mem_trim(&mem);
    }
    test_hook_never_fail(&hook);
    assert_int_equal(pyad_elementwise_run(&mem, &work), PYAD_OK);
    assert_true(out[1] == 40 && out[20] == 2);
    pyad_mem_finish(&mem);
    assert_int_equal(hook.blocks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lengths),      cmocka_unit_test(test_shapes),  cmocka_unit_test(test_most_registers),
        cmocka_unit_test(test_only_scalars), cmocka_unit_test(test_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
