/* Lines on several threads: the same bits for any number of them, whatever the layout, the sums and the size. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/thread_pool.h"
#include "kernels/fused_loop.h"
#include "kernels/kernels.h"

enum { MOST_BYTES = 1 << 21, STEPS = 7, COSTLY = 20000, CALLERS = 3 };

/* How the second operand lies: as the first; one row for all, one number a row; transposed. */
typedef enum layout { FLAT, ROW, COLUMN, TURNED } layout;

typedef struct setting {
    int64_t rows;
    int64_t cols;
    layout second;
    int64_t summed; /* of the sum over an axis; 0 for none */
    int64_t inner;
    bool wide;
    uint16_t cost;
} setting;

/* exp(x * y) + c as one result, whether that is less than c as another; the sum of the product and of the exponential;
 * the sum of the exponential over an axis. */
typedef struct work {
    pyad_fused_loop fused;
    pyad_fused_loop_step steps[STEPS];
    pyad_fused_loop_input inputs[5]; /* three operands, two results */
    int64_t shape[2];
    int64_t strides[2];
    char *scratch;
    size_t outcome_bytes;
    char *outcome; /* the results, one behind the other */
} work;

static char *numbers; /* of either dtype, read by all */

static size_t aligned(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static pyad_fused_loop_step step_of(const setting *s, int loop, int arity, int32_t a, int32_t b, int32_t to)
{
    pyad_fused_loop_step step = {.arity = (uint8_t)arity, .wide = s->wide, .cost = s->cost, .in = {a, b}, .to = to};
    step.loop = loop < PYAD_LOOP_COUNT ? pyad_isa()->loop[loop][s->wide] : NULL;
    step.bytes = loop == PYAD_LOOP_LT ? 1 : s->wide ? 8 : 4;
    return step;
}

static void set_inputs(work *w, const setting *s)
{
    uint8_t bytes = s->wide ? 8 : 4;
    int64_t across[] = {[ROW] = bytes, [COLUMN] = 0, [TURNED] = s->rows * bytes};
    int64_t down[] = {[ROW] = 0, [COLUMN] = bytes, [TURNED] = bytes};
    char *mine = numbers + (s->wide ? MOST_BYTES : 0);
    w->shape[0] = s->rows;
    w->shape[1] = s->cols;
    w->inputs[0] = (pyad_fused_loop_input){.kind = PYAD_OPERAND_FLAT, .bytes = bytes, .data = mine};
    w->inputs[1] = (pyad_fused_loop_input){.kind = PYAD_OPERAND_FLAT, .bytes = bytes, .data = mine + 64};
    w->inputs[2] = (pyad_fused_loop_input){.kind = PYAD_OPERAND_ONE, .bytes = bytes, .data = mine + 128};
    if (s->second != FLAT) {
        w->strides[0] = down[s->second];
        w->strides[1] = across[s->second];
        w->inputs[1].kind = PYAD_OPERAND_LOADED;
        w->inputs[1].reg = 2;
        w->inputs[1].ndim = 2;
        w->inputs[1].shape = w->shape;
        w->inputs[1].strides = w->strides;
    }
}

static void set_outputs(work *w)
{
    size_t sizes[STEPS] = {0};
    w->outcome_bytes = 0;
    for (int k = 0; k < w->fused.step_count; k++) {
        const pyad_fused_loop_step *step = &w->steps[k];
        if (step->loop != NULL && step->to >= 0)
            continue;
        int64_t count = w->fused.size;
        if (step->loop == NULL)
            count = step->summed > 0 ? count / step->summed : 1;
        sizes[k] = aligned((size_t)count * step->bytes);
        w->outcome_bytes += sizes[k];
    }
    w->outcome = calloc(1, w->outcome_bytes);
    size_t at = 0;
    for (int k = 0; k < w->fused.step_count; k++) {
        pyad_fused_loop_step *step = &w->steps[k];
        step->out = w->outcome + at;
        if (step->loop != NULL && step->to < 0)
            w->inputs[-1 - step->to] =
                (pyad_fused_loop_input){.kind = PYAD_OPERAND_FLAT, .bytes = step->bytes, .data = step->out};
        at += sizes[k];
    }
}

static void work_start(work *w, const setting *s)
{
    memset(w, 0, sizeof *w);
    w->steps[0] = step_of(s, PYAD_LOOP_MUL, 2, -1, -2, 0);
    w->steps[1] = step_of(s, PYAD_LOOP_EXP, 1, 0, 0, 1);
    w->steps[2] = step_of(s, PYAD_LOOP_ADD, 2, 1, -3, -4);
    w->steps[3] = step_of(s, PYAD_LOOP_LT, 2, -4, -3, -5);
    w->steps[4] = step_of(s, PYAD_LOOP_COUNT, 1, 0, 0, 0);
    w->steps[5] = step_of(s, PYAD_LOOP_COUNT, 1, 1, 0, 0);
    w->steps[6] = step_of(s, PYAD_LOOP_COUNT, 1, 1, 0, 0);
    w->steps[6].summed = s->summed;
    w->steps[6].inner = s->inner;
    w->steps[2].scalars = w->steps[3].scalars = 2;
    w->fused = (pyad_fused_loop){.size = s->rows * s->cols, .steps = w->steps, .inputs = w->inputs};
    w->fused.step_count = s->summed > 0 ? STEPS : STEPS - 1;
    w->fused.input_count = 5;
    w->fused.register_count = s->second == FLAT ? 2 : 3;
    w->fused.sum_count = 2;
    set_inputs(w, s);
    set_outputs(w);
    pyad_fused_loop_choose_tiling(&w->fused);
    if (w->fused.by_rows && s->second == COLUMN)
        w->steps[0].scalars = 2;
    w->scratch = aligned_alloc(64, aligned(pyad_fused_loop_scratch(&w->fused)));
}

static void work_finish(work *w)
{
    free(w->scratch);
    free(w->outcome);
}

/* The outcome with so many threads; to be freed. */
static char *run_with(work *w, int threads)
{
    assert_int_equal(pyad_thread_pool_resize(threads), PYAD_OK);
    memset(w->outcome, 0xff, w->outcome_bytes);
    pyad_fused_loop_run(&w->fused, w->scratch);
    char *copy = malloc(w->outcome_bytes);
    memcpy(copy, w->outcome, w->outcome_bytes);
    return copy;
}

/* The same bits for all numbers of threads, and single elements as a loop has them that is not cut. */
static void check(const setting *s)
{
    static const int counts[] = {2, 3, 8};
    setting uncut = *s;
    work w;
    work plain;
    uncut.cost = 0;
    assert_int_equal(pyad_thread_pool_resize(8), PYAD_OK);
    work_start(&w, s);
    work_start(&plain, &uncut);
    assert_int_equal(plain.fused.chunk, plain.fused.size);
    char *alone = run_with(&w, 1);
    char *whole = run_with(&plain, 1);
    size_t single = (size_t)((char *)w.steps[4].out - w.outcome);
    assert_memory_equal(alone, whole, single);
    for (int k = 0; k < 3; k++) {
        char *shared = run_with(&w, counts[k]);
        assert_memory_equal(shared, alone, w.outcome_bytes);
        free(shared);
    }
    free(alone);
    free(whole);
    work_finish(&w);
    work_finish(&plain);
}

static double number_at(const setting *s, const void *data, int64_t k)
{
    return s->wide ? ((const double *)data)[k] : (double)((const float *)data)[k];
}

/* The sums, against a plain loop: what they are of is the first result without c. */
static void check_sums(const setting *s)
{
    work w;
    assert_int_equal(pyad_thread_pool_resize(8), PYAD_OK);
    work_start(&w, s);
    assert_true(w.fused.chunk < w.fused.size);
    free(run_with(&w, 3));
    double c = number_at(s, w.inputs[2].data, 0);
    double total = 0;
    for (int64_t k = 0; k < w.fused.size; k++)
        total += number_at(s, w.steps[2].out, k) - c;
    double tolerance = s->wide ? 1e-9 : 1e-3;
    assert_true(number_at(s, w.steps[5].out, 0) > total * (1 - tolerance));
    assert_true(number_at(s, w.steps[5].out, 0) < total * (1 + tolerance));
    for (int64_t k = 0; s->summed > 0 && k < w.fused.size / s->summed; k++) {
        double part = 0;
        int64_t first = k / s->inner * s->summed * s->inner + k % s->inner;
        for (int64_t i = 0; i < s->summed; i++)
            part += number_at(s, w.steps[2].out, first + i * s->inner) - c;
        assert_true(number_at(s, w.steps[6].out, k) > part * (1 - tolerance));
        assert_true(number_at(s, w.steps[6].out, k) < part * (1 + tolerance));
    }
    work_finish(&w);
}

static setting sized(int64_t rows, int64_t cols, layout second, bool wide)
{
    return (setting){.rows = rows, .cols = cols, .second = second, .wide = wide, .cost = COSTLY};
}

static int start(void **state)
{
    (void)state;
    numbers = aligned_alloc(64, 2 * MOST_BYTES);
    for (int k = 0; k < MOST_BYTES / 4; k++)
        ((float *)(void *)numbers)[k] = (float)(k % 2003 * 7 % 2003 - 1001) / 1009.0F;
    for (int k = 0; k < MOST_BYTES / 8; k++)
        ((double *)(void *)(numbers + MOST_BYTES))[k] = (double)(k % 2003 * 7 % 2003 - 1001) / 1009.0;
    return 0;
}

static int finish(void **state)
{
    (void)state;
    free(numbers);
    return pyad_thread_pool_resize(0);
}

/* ---- tests ---- */

static void test_sizes_around_chunks(void **state)
{
    (void)state;
    work w;
    for (int wide = 0; wide < 2; wide++) {
        setting s = sized(1, 100000, FLAT, wide);
        work_start(&w, &s);
        int64_t chunk = w.fused.chunk;
        assert_true(chunk < 10000 && chunk % w.fused.block == 0);
        work_finish(&w);
        for (int64_t chunks = 1; chunks < 12; chunks += 3) {
            for (int64_t more = -1; more <= 1; more++) {
                s.cols = chunks * chunk + more;
                check(&s);
            }
        }
    }
}

static void test_layouts(void **state)
{
    static const int64_t shapes[][2] = {{200, 100}, {3000, 5}, {7, 2048}, {31, 1000}, {8, 2500}, {24, 513}};
    (void)state;
    for (int k = 0; k < 6; k++) {
        for (int second = FLAT; second <= TURNED; second++) {
            for (int wide = 0; wide < 2; wide++) {
                setting s = sized(shapes[k][0], shapes[k][1], (layout)second, wide);
                check(&s);
                check_sums(&s);
            }
        }
    }
}

/* Over the last axis, over one in the middle, over the first. */
static void test_sums_over_axes(void **state)
{
    static const int64_t axes[][4] = {
        {200, 100, 100, 1}, {200, 100, 10, 10}, {3000, 7, 7, 1},  {3000, 7, 30, 7},
        {10, 1200, 24, 50}, {10, 1200, 10, 5},  {12000, 2, 2, 1}, {5, 2400, 1200, 2},
    };
    (void)state;
    for (int k = 0; k < 8; k++) {
        for (int second = FLAT; second <= TURNED; second++) {
            for (int wide = 0; wide < 2; wide++) {
                setting s = sized(axes[k][0], axes[k][1], (layout)second, wide);
                s.summed = axes[k][2];
                s.inner = axes[k][3];
                check(&s);
                check_sums(&s);
            }
        }
    }
}

static void test_a_sum_over_the_first_axis_is_not_divided(void **state)
{
    (void)state;
    work w;
    setting s = sized(200, 100, ROW, true);
    s.summed = 200;
    s.inner = 100;
    work_start(&w, &s);
    assert_int_equal(w.fused.chunk, w.fused.size);
    assert_int_equal(w.fused.lanes, 1);
    work_finish(&w);
    check(&s);
}

static void test_little_work_is_not_divided(void **state)
{
    (void)state;
    work w;
    setting s = sized(1, 10000, FLAT, true);
    s.cost = 80;
    work_start(&w, &s);
    assert_int_equal(w.fused.chunk, w.fused.size);
    work_finish(&w);
}

/* The threads there are when a loop is made are those it is made for; there may be more and fewer later. */
static void test_lanes(void **state)
{
    static const int made_for[] = {1, 2, 8, 100};
    static const int lanes[] = {1, 2, PYAD_FUSED_LOOP_MOST_LANES, PYAD_FUSED_LOOP_MOST_LANES};
    (void)state;
    for (int k = 0; k < 4; k++) {
        work w;
        setting s = sized(1, 20000, FLAT, true);
        pyad_thread_pool_resize(made_for[k]);
        work_start(&w, &s);
        assert_int_equal(w.fused.lanes, lanes[k]);
        char *alone = run_with(&w, 1);
        char *many = run_with(&w, 12);
        assert_memory_equal(alone, many, w.outcome_bytes);
        free(alone);
        free(many);
        work_finish(&w);
    }
}

static void *run_often(void *result)
{
    work w;
    setting s = sized(150, 100, ROW, true);
    s.summed = 100;
    s.inner = 1;
    work_start(&w, &s);
    bool fine = true;
    memset(w.outcome, 0xff, w.outcome_bytes);
    pyad_fused_loop_run(&w.fused, w.scratch);
    char *first = malloc(w.outcome_bytes);
    memcpy(first, w.outcome, w.outcome_bytes);
    for (int k = 0; k < 100; k++) {
        memset(w.outcome, 0xff, w.outcome_bytes);
        pyad_fused_loop_run(&w.fused, w.scratch);
        fine = fine && memcmp(first, w.outcome, w.outcome_bytes) == 0;
    }
    free(first);
    work_finish(&w);
    *(bool *)result = fine;
    return NULL;
}

static void test_several_threads_run_lines_at_once(void **state)
{
    (void)state;
    pthread_t callers[CALLERS];
    bool fine[CALLERS] = {false};
    pyad_thread_pool_resize(3);
    for (int k = 0; k < CALLERS; k++)
        assert_int_equal(pthread_create(&callers[k], NULL, run_often, &fine[k]), 0);
    for (int k = 0; k < CALLERS; k++)
        pthread_join(callers[k], NULL);
    for (int k = 0; k < CALLERS; k++)
        assert_true(fine[k]);
}

static void test_costs(void **state)
{
    (void)state;
    for (int loop = 0; loop <= PYAD_LOOP_COUNT; loop++) {
        for (int wide = 0; wide < 2; wide++)
            assert_in_range(pyad_fused_loop_step_cost(loop, wide), 10, 10000);
    }
    assert_true(pyad_fused_loop_step_cost(PYAD_LOOP_POW, true) > pyad_fused_loop_step_cost(PYAD_LOOP_EXP, true));
    assert_true(pyad_fused_loop_step_cost(PYAD_LOOP_EXP, true) > pyad_fused_loop_step_cost(PYAD_LOOP_DIV, true));
    assert_true(pyad_fused_loop_step_cost(PYAD_LOOP_DIV, true) > pyad_fused_loop_step_cost(PYAD_LOOP_ADD, true));
    assert_true(pyad_fused_loop_step_cost(PYAD_LOOP_ADD, true) > pyad_fused_loop_step_cost(PYAD_LOOP_ADD, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_around_chunks),
        cmocka_unit_test(test_layouts),
        cmocka_unit_test(test_sums_over_axes),
        cmocka_unit_test(test_a_sum_over_the_first_axis_is_not_divided),
        cmocka_unit_test(test_little_work_is_not_divided),
        cmocka_unit_test(test_lanes),
        cmocka_unit_test(test_several_threads_run_lines_at_once),
        cmocka_unit_test(test_costs),
    };
    return cmocka_run_group_tests(tests, start, finish);
}
