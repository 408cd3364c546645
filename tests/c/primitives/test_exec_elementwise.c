/* Element-wise kernels, with any strides and broadcasting, against the C library. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "primitives/info.h"
#include "support/run.h"

static double loop_value(int loop, const double *in)
{
    double a = in[0];
    double b = in[1];
    switch ((pyad_loop_id)loop) {
    case PYAD_LOOP_ADD:
        return a + b;
    case PYAD_LOOP_SUB:
        return a - b;
    case PYAD_LOOP_MUL:
        return a * b;
    case PYAD_LOOP_DIV:
        return a / b;
    case PYAD_LOOP_POW:
        return pow(a, b);
    case PYAD_LOOP_MAXIMUM:
        return fmax(a, b);
    case PYAD_LOOP_MINIMUM:
        return fmin(a, b);
    case PYAD_LOOP_ARCTAN2:
        return atan2(a, b);
    case PYAD_LOOP_NEG:
        return -a;
    case PYAD_LOOP_ABS:
        return fabs(a);
    case PYAD_LOOP_SIGN:
        return a > 0 ? 1 : a < 0 ? -1 : 0;
    case PYAD_LOOP_SQUARE:
        return a * a;
    case PYAD_LOOP_RECIPROCAL:
        return 1 / a;
    case PYAD_LOOP_SQRT:
        return sqrt(a);
    case PYAD_LOOP_EXP:
        return exp(a);
    case PYAD_LOOP_EXPM1:
        return expm1(a);
    case PYAD_LOOP_LOG:
        return log(a);
    case PYAD_LOOP_LOG1P:
        return log1p(a);
    case PYAD_LOOP_SIN:
        return sin(a);
    case PYAD_LOOP_COS:
        return cos(a);
    case PYAD_LOOP_TAN:
        return tan(a);
    case PYAD_LOOP_SINH:
        return sinh(a);
    case PYAD_LOOP_COSH:
        return cosh(a);
    case PYAD_LOOP_TANH:
        return tanh(a);
    case PYAD_LOOP_ARCSIN:
        return asin(a);
    case PYAD_LOOP_ARCCOS:
        return acos(a);
    case PYAD_LOOP_ARCTAN:
        return atan(a);
    case PYAD_LOOP_SIGMOID:
        return 1 / (1 + exp(-a));
    case PYAD_LOOP_RELU:
        return a > 0 ? a : 0;
    case PYAD_LOOP_SOFTPLUS:
        return log1p(exp(a));
    case PYAD_LOOP_ERF:
        return erf(a);
    case PYAD_LOOP_FLOOR:
        return floor(a);
    case PYAD_LOOP_CEIL:
        return ceil(a);
    case PYAD_LOOP_HYPOT:
        return hypot(a, b);
    case PYAD_LOOP_LOGADDEXP:
        return log(exp(a) + exp(b));
    case PYAD_LOOP_FMOD:
        return fmod(a, b);
    case PYAD_LOOP_MOD:
        return a - b * floor(a / b);
    case PYAD_LOOP_FLOOR_DIVIDE:
        return floor(a / b);
    case PYAD_LOOP_COPYSIGN:
        return copysign(a, b);
    case PYAD_LOOP_FMAX:
        return fmax(a, b);
    case PYAD_LOOP_FMIN:
        return fmin(a, b);
    case PYAD_LOOP_EXP2:
        return exp2(a);
    case PYAD_LOOP_LOG2:
        return log2(a);
    case PYAD_LOOP_LOG10:
        return log10(a);
    case PYAD_LOOP_CBRT:
        return cbrt(a);
    case PYAD_LOOP_ARCSINH:
        return asinh(a);
    case PYAD_LOOP_ARCCOSH:
        return acosh(a);
    case PYAD_LOOP_ARCTANH:
        return atanh(a);
    case PYAD_LOOP_TRUNC:
        return trunc(a);
    case PYAD_LOOP_RINT:
        return rint(a);
    case PYAD_LOOP_EQ:
        return a == b;
    case PYAD_LOOP_NE:
        return a != b;
    case PYAD_LOOP_LT:
        return a < b;
    case PYAD_LOOP_LE:
        return a <= b;
    case PYAD_LOOP_GT:
        return a > b;
    case PYAD_LOOP_GE:
        return a >= b;
    case PYAD_LOOP_ISNAN:
        return isnan(a);
    case PYAD_LOOP_AND:
        return a != 0 && b != 0;
    case PYAD_LOOP_OR:
        return a != 0 || b != 0;
    case PYAD_LOOP_NOT:
        return a == 0;
    case PYAD_LOOP_WHERE:
        return a != 0 ? b : in[2];
    case PYAD_LOOP_COUNT:
        break;
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
            double number = truth ? (double)test_random(2) : (double)(1 + test_random(15)) / 16;
            test_set(&arrays[k], ndim - from, index, number);
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
        if (!(isnan(got) && isnan(want)) &&
            !(fabs(got - want) <= (dtype == PYAD_F32 ? 1e-6 : 1e-15) * (1 + fabs(want))))
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_loops, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
