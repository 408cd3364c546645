/* Large reductions, softmax and copies: the same bits for any number of threads, and the same as in one piece. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "kernels/parallel_for.h"

enum { SIZE = 1 << 20, MOST_DIMS = 3 };

static double *numbers;
static float *narrow;

typedef struct shaped {
    int ndim;
    int64_t shape[MOST_DIMS];
    int64_t strides[MOST_DIMS];
} shaped;

/* Of all sizes and both orders; the last has a step between its elements. */
static const shaped layouts[] = {
    {1, {1000000}, {1}},        {2, {1000, 1000}, {1000, 1}},   {2, {1000, 1000}, {1, 1000}},
    {2, {100000, 10}, {10, 1}}, {2, {10, 100003}, {100003, 1}}, {3, {100, 100, 100}, {100, 10000, 1}},
    {2, {700, 700}, {1400, 2}},
};
enum { LAYOUTS = sizeof layouts / sizeof layouts[0] };

static void set_layout(pyad_layout_any *any, int dtype, const shaped *s, bool contiguous)
{
    if (contiguous)
        assert_int_equal(pyad_layout_fill(any, dtype, s->ndim, s->shape), PYAD_OK);
    else
        assert_int_equal(pyad_layout_fill_strided(any, dtype, s->ndim, s->shape, s->strides), PYAD_OK);
}

typedef struct call {
    int what; /* a reduction, a softmax (from 10 on), a copy (20) and one to float32 (21) */
    uint32_t axes;
    const shaped *in;
    bool wide;
} call;

static void run(const call *c, void *out)
{
    pyad_layout_any from;
    pyad_layout_any to;
    int dtype = c->wide ? PYAD_F64 : PYAD_F32;
    shaped result = *c->in;
    set_layout(&from, dtype, c->in, false);
    bool loses = c->what < 10 || c->what == 10 + PYAD_LOGSUMEXP;
    for (int d = 0; loses && d < result.ndim; d++)
        result.shape[d] = c->axes >> d & 1 ? 1 : result.shape[d];
    set_layout(&to, c->what == 21 ? PYAD_F32 : dtype, &result, true);
    pyad_view dst = {&to.layout, out};
    pyad_view src = {&from.layout, c->wide ? (void *)numbers : (void *)narrow};
    if (c->what < 10) {
        pyad_reduce((pyad_reduction)c->what, dst, src, c->axes);
    } else if (c->what < 20) {
        pyad_mem mem;
        int axis = 0;
        while (!(c->axes >> axis & 1))
            axis++;
        pyad_mem_init(&mem, pyad_hook_default);
        assert_int_equal(pyad_softmax(&mem, (pyad_softmax_kind)(c->what - 10), dst, src, axis), PYAD_OK);
        pyad_mem_finish(&mem);
    } else {
        pyad_copy(dst, src);
    }
}

static void check(const call *c)
{
    static const int counts[] = {2, 3, 8};
    size_t bytes = SIZE * sizeof(double);
    char *alone = calloc(1, bytes);
    char *shared = calloc(1, bytes);
    assert_int_equal(pyad_thread_pool_resize(1), PYAD_OK);
    run(c, alone);
    for (int k = 0; k < 3; k++) {
        memset(shared, 0, bytes);
        assert_int_equal(pyad_thread_pool_resize(counts[k]), PYAD_OK);
        run(c, shared);
        assert_int_equal(memcmp(shared, alone, bytes), 0);
    }
    free(alone);
    free(shared);
}

static void check_all(int first, int last, bool single_axes)
{
    for (int what = first; what <= last; what++) {
        for (int l = 0; l < LAYOUTS; l++) {
            for (uint32_t axes = 1; axes < UINT32_C(1) << layouts[l].ndim; axes++) {
                bool single = (axes & (axes - 1)) == 0;
                if (single || !single_axes)
                    check(&(call){what, axes, &layouts[l], (l + what) % 2 == 0});
            }
        }
    }
}

static void test_reductions(void **state)
{
    (void)state;
    check_all(PYAD_SUM, PYAD_MIN, false);
}

static void test_softmax(void **state)
{
    (void)state;
    check_all(10 + PYAD_LOGSUMEXP, 10 + PYAD_LOG_SOFTMAX, true);
}

static void test_copies(void **state)
{
    (void)state;
    for (int l = 0; l < LAYOUTS; l++) {
        check(&(call){20, 0, &layouts[l], true});
        check(&(call){20, 0, &layouts[l], false});
        check(&(call){21, 0, &layouts[l], true});
    }
}

/* Against plain loops. */
static void test_values(void **state)
{
    (void)state;
    const int64_t n = 1000000;
    double total = 0;
    double most = numbers[0];
    double *out = calloc((size_t)n, sizeof *out);
    assert_int_equal(pyad_thread_pool_resize(3), PYAD_OK);
    for (int64_t k = 0; k < n; k++) {
        total += numbers[k];
        most = numbers[k] > most ? numbers[k] : most;
    }
    run(&(call){PYAD_SUM, 1, &layouts[0], true}, out);
    assert_true(out[0] > total - 1e-8 && out[0] < total + 1e-8);
    run(&(call){PYAD_MAX, 1, &layouts[0], true}, out);
    assert_true(out[0] == most);
    run(&(call){PYAD_SUM, 1, &layouts[1], true}, out);
    for (int64_t j = 0; j < 1000; j++) {
        double column = 0;
        for (int64_t i = 0; i < 1000; i++)
            column += numbers[i * 1000 + j];
        assert_true(out[j] > column - 1e-10 && out[j] < column + 1e-10);
    }
    run(&(call){20, 0, &layouts[2], true}, out);
    for (int64_t k = 0; k < n; k++)
        assert_true(out[k] == numbers[k % 1000 * 1000 + k / 1000]);
    free(out);
}

static void count_positions(const void *context, const pyad_strided_iter *iter, void *dst, const void *src)
{
    (void)context;
    assert_ptr_equal((char *)dst - (char *)numbers, (const char *)src - (const char *)narrow);
    for (int64_t k = 0; k < iter->dim[0].length; k++)
        ((double *)dst)[k] += 1;
}

/* Every position once, in chunks of whole units, for any cost. */
static void test_parts(void **state)
{
    (void)state;
    pyad_strided_iter iter = {.ndim = 1, .dim = {{0, {1, 2, 0}}}};
    double *before = malloc(SIZE * sizeof *before);
    memcpy(before, numbers, SIZE * sizeof *before);
    memset(numbers, 0, SIZE * sizeof *numbers);
    for (int64_t length = 1; length < 3000; length += 1 + length / 7) {
        for (int64_t unit = 1; unit < 200; unit *= 7) {
            for (int64_t microseconds = 99; microseconds < 1000000; microseconds *= 5) {
                iter.dim[0].length = length;
                pyad_parallel_for work = {count_positions, NULL, &iter, 8, 4, unit, microseconds * 1000000};
                pyad_parallel_for_run(&work, numbers, narrow);
                for (int64_t k = 0; k < length + 10; k++) {
                    assert_true(numbers[k] == (k < length));
                    numbers[k] = 0;
                }
            }
        }
    }
    memcpy(numbers, before, SIZE * sizeof *before);
    free(before);
}

static int start(void **state)
{
    (void)state;
    numbers = malloc(SIZE * sizeof *numbers);
    narrow = malloc(SIZE * sizeof *narrow);
    for (int64_t k = 0; k < SIZE; k++) {
        numbers[k] = (double)(k * 7919 % 20011 - 10005) / 10007.0;
        narrow[k] = (float)numbers[k];
    }
    return 0;
}

static int finish(void **state)
{
    (void)state;
    free(numbers);
    free(narrow);
    return pyad_thread_pool_resize(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reductions), cmocka_unit_test(test_softmax), cmocka_unit_test(test_copies),
        cmocka_unit_test(test_values),     cmocka_unit_test(test_parts),
    };
    return cmocka_run_group_tests(tests, start, finish);
}
