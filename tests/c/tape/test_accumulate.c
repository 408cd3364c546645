/* Gradient accumulation: slots, broadcasting undone by the addition, memory that is never written. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/arrays.h"
#include "support/hook.h"
#include "tape/accumulate.h"

#define SHAPE(...) ((const int64_t[]){__VA_ARGS__})

typedef struct fixture {
    test_hook hook;
    pyad_mem mem;
    pyad_arena arena;
    pyad_message message;
    pyad_accum accum;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    pyad_mem_init(&f->mem, test_hook_use(&f->hook));
    pyad_arena_init(&f->arena, &f->mem);
    f->accum.env = (pyad_env){&f->mem, &f->arena, &f->message};
    f->accum.freelist.arena = &f->arena;
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

static const pyad_layout *layout_of(fixture *f, int dtype, int ndim, const int64_t *shape)
{
    pyad_layout_any any;
    assert_int_equal(pyad_layout_fill(&any, dtype, ndim, shape), PYAD_OK);
    const pyad_layout *kept = pyad_layout_keep(&f->arena, &any.layout);
    assert_non_null(kept);
    return kept;
}

/* Contiguous memory of the free list or a buffer, filled with `start`, `start + step`, ... */
static pyad_value ramp(fixture *f, const pyad_layout *layout, double start, double step)
{
    pyad_value value;
    assert_int_equal(pyad_accum_alloc(&f->accum, layout, &value), PYAD_OK);
    size_t item = pyad_dtype_size(layout->dtype);
    for (int64_t i = 0; i < layout->size; i++)
        test_store(layout->dtype, (char *)value.data + (size_t)i * item, start + step * (double)i);
    return value;
}

static void release(fixture *f, pyad_value *value)
{
    if (value->buffer != NULL)
        pyad_buffer_release(&f->mem, value->buffer);
}

static void add(fixture *f, pyad_slot *slot, const pyad_layout *layout, pyad_value part, bool fresh)
{
    assert_int_equal(pyad_accum_add(&f->accum, slot, layout, part, fresh), PYAD_OK);
    assert_int_not_equal(slot->state, PYAD_SLOT_EMPTY);
    assert_true(pyad_same_shape(slot->value.layout, layout));
}

static double at(const pyad_slot *slot, int64_t i)
{
    const pyad_layout *layout = slot->value.layout;
    int64_t offset = 0;
    for (int d = layout->ndim - 1; d >= 0; d--) {
        offset += i % pyad_shape(layout)[d] * pyad_strides(layout)[d];
        i /= pyad_shape(layout)[d];
    }
    return test_load(layout->dtype, (char *)slot->value.data + offset * (int64_t)pyad_dtype_size(layout->dtype));
}

static const int64_t lengths[] = {1, 7, 128, 129, 5000};

static void test_same_twice(void **state)
{
    fixture *f = *state;
    for (size_t n = 0; n < 5; n++) {
        for (int dtype = PYAD_F32; dtype <= PYAD_F64; dtype++) {
            const pyad_layout *layout = layout_of(f, dtype, 1, &lengths[n]);
            pyad_slot slot = {.state = PYAD_SLOT_EMPTY};
            pyad_value part = ramp(f, layout, 1, 0.5);
            /* x + x: one cotangent for both operands, which also somebody else holds. */
            add(f, &slot, layout, part, false);
            add(f, &slot, layout, part, false);
            assert_int_equal(slot.state, PYAD_SLOT_OWNED);
            for (int64_t i = 0; i < lengths[n]; i++) {
                assert_true(at(&slot, i) == 2 + (double)i);
                size_t item = pyad_dtype_size(dtype);
                assert_true(test_load(dtype, (char *)part.data + (size_t)i * item) == 1 + 0.5 * (double)i);
            }
            pyad_accum_drop(&f->accum, &slot);
            assert_int_equal(slot.state, PYAD_SLOT_EMPTY);
            pyad_accum_drop(&f->accum, &slot);
            release(f, &part);
        }
    }
}

/* A shared cotangent goes into many slots, each of which gets more: its bytes stay. */
static void test_shared_stays(void **state)
{
    fixture *f = *state;
    enum { SLOTS = 6 };
    for (size_t n = 0; n < 5; n++) {
        const pyad_layout *layout = layout_of(f, PYAD_F64, 1, &lengths[n]);
        pyad_value shared = ramp(f, layout, 1, 1);
        size_t bytes = pyad_layout_bytes(layout);
        void *copy = malloc(bytes);
        memcpy(copy, shared.data, bytes);
        pyad_slot slots[SLOTS] = {{.state = PYAD_SLOT_EMPTY}};
        for (int k = 0; k < SLOTS; k++)
            add(f, &slots[k], layout, shared, false);
        for (int round = 0; round < 3; round++) {
            for (int k = 0; k < SLOTS; k++)
                add(f, &slots[k], layout, ramp(f, layout, k, 1), true);
        }
        assert_int_equal(pyad_accum_own(&f->accum, &slots[0], layout), PYAD_OK);
        assert_memory_equal(shared.data, copy, bytes);
        for (int k = 0; k < SLOTS; k++) {
            assert_true(at(&slots[k], lengths[n] - 1) == 1 + 3 * k + 4 * (double)(lengths[n] - 1));
            pyad_accum_drop(&f->accum, &slots[k]);
        }
        assert_memory_equal(shared.data, copy, bytes);
        if (shared.buffer != NULL)
            assert_int_equal(shared.buffer->refs, 1);
        release(f, &shared);
        free(copy);
    }
}

static void test_fan_out(void **state)
{
    fixture *f = *state;
    enum { FAN = 5000 };
    for (size_t n = 1; n < 4; n++) {
        const pyad_layout *layout = layout_of(f, PYAD_F64, 1, &lengths[n]);
        pyad_slot slot = {.state = PYAD_SLOT_EMPTY};
        size_t arena = 0;
        for (int k = 0; k < FAN; k++) {
            add(f, &slot, layout, ramp(f, layout, k, 1), true);
            arena = k == 10 ? pyad_arena_bytes(&f->arena) : arena;
        }
        /* Freed memory is used again: nothing grows with the number of contributions. */
        assert_int_equal(pyad_arena_bytes(&f->arena), arena);
        assert_true(f->mem.live_buffers <= 1);
        double sum = FAN * (FAN - 1.0) / 2;
        for (int64_t i = 0; i < lengths[n]; i++)
            assert_true(at(&slot, i) == sum + (double)FAN * (double)i);
        pyad_accum_drop(&f->accum, &slot);
    }
}

static void test_moved_in(void **state)
{
    fixture *f = *state;
    const pyad_layout *layout = layout_of(f, PYAD_F32, 2, SHAPE(30, 40));
    pyad_slot slot = {.state = PYAD_SLOT_EMPTY};
    pyad_value first = ramp(f, layout, 0, 1);
    add(f, &slot, layout, first, true);
    assert_ptr_equal(slot.value.data, first.data); /* moved, not copied */
    assert_int_equal(slot.state, PYAD_SLOT_OWNED);
    add(f, &slot, layout, ramp(f, layout, 0, 1), true);
    assert_ptr_equal(slot.value.data, first.data); /* added in place */
    assert_true(at(&slot, 1199) == 2398);
    pyad_accum_drop(&f->accum, &slot);
    /* A buffer that somebody else holds too is borrowed, although the reference was handed over. */
    first = ramp(f, layout, 0, 1);
    pyad_buffer_retain(first.buffer);
    add(f, &slot, layout, first, true);
    assert_int_equal(slot.state, PYAD_SLOT_BORROWED);
    add(f, &slot, layout, ramp(f, layout, 1, 0), true);
    assert_true(((float *)first.data)[3] == 3);
    assert_true(at(&slot, 3) == 4);
    pyad_accum_drop(&f->accum, &slot);
    release(f, &first);
}

/* Shapes that a cotangent is summed back to, against a loop over all elements. */
static void test_broadcast(void **state)
{
    fixture *f = *state;
    for (int round = 0; round < 300; round++) {
        int64_t wide[PYAD_MAX_NDIM];
        int64_t narrow[PYAD_MAX_NDIM];
        int ndim = test_random_shape(4, round % 10 == 0 ? 12 : 5, wide);
        int drop = (int)test_random(ndim + 1);
        for (int d = drop; d < ndim; d++)
            narrow[d - drop] = test_random(2) == 0 ? 1 : wide[d];
        int dtype = test_random(2) == 0 ? PYAD_F32 : PYAD_F64;
        const pyad_layout *layout = layout_of(f, dtype, ndim - drop, narrow);
        test_array parts[3];
        test_array sum;
        test_array_make(&sum, PYAD_F64, ndim - drop, narrow, TEST_CONTIGUOUS);
        pyad_slot slot = {.state = PYAD_SLOT_EMPTY};
        for (int k = 0; k < 3; k++) {
            test_array_random(&parts[k], dtype, ndim, wide, (test_style)test_random(3));
            pyad_value part = {&parts[k].layout.layout, parts[k].data, NULL};
            add(f, &slot, layout, part, false);
            int64_t index[PYAD_MAX_NDIM] = {0};
            do {
                if (parts[k].layout.layout.size == 0)
                    break;
                double *to = test_at(&sum, ndim, index);
                *to += test_get(&parts[k], ndim, index);
            } while (test_next(ndim, wide, index));
        }
        for (int64_t i = 0; i < layout->size; i++)
            assert_true(at(&slot, i) == ((double *)(void *)sum.data)[i]);
        pyad_accum_drop(&f->accum, &slot);
        for (int k = 0; k < 3; k++)
            test_array_free(&parts[k]);
        test_array_free(&sum);
    }
}

/* A tangent that has not been broadcast yet is spread over the slot. */
static void test_widening(void **state)
{
    fixture *f = *state;
    for (int64_t n = 3; n < 300; n += 280) {
        const pyad_layout *layout = layout_of(f, PYAD_F64, 2, SHAPE(4, n));
        const pyad_layout *row = layout_of(f, PYAD_F64, 1, SHAPE(n));
        const pyad_layout *column = layout_of(f, PYAD_F64, 2, SHAPE(4, 1));
        pyad_slot slot = {.state = PYAD_SLOT_EMPTY};
        add(f, &slot, layout, ramp(f, row, 0, 1), true);
        add(f, &slot, layout, ramp(f, column, 0, 1000), true);
        pyad_value shared = ramp(f, pyad_layout_scalar(PYAD_F64), 0.5, 0);
        add(f, &slot, layout, shared, false);
        for (int64_t i = 0; i < 4 * n; i++)
            assert_true(at(&slot, i) == 0.5 + (double)(i % n) + 1000 * (double)(i / n));
        assert_true(*(double *)shared.data == 0.5);
        pyad_accum_drop(&f->accum, &slot);
    }
}

/* One element that stands for many stays one element until something is added. */
static void test_repeated_element(void **state)
{
    fixture *f = *state;
    const pyad_layout *layout = layout_of(f, PYAD_F64, 2, SHAPE(100, 100));
    pyad_layout_any still;
    double one = 3;
    assert_int_equal(pyad_layout_fill_strided(&still, PYAD_F64, 2, SHAPE(100, 100), SHAPE(0, 0)), PYAD_OK);
    pyad_slot slot = {.state = PYAD_SLOT_EMPTY};
    pyad_value part = {&still.layout, &one, NULL};
    add(f, &slot, layout, part, false);
    assert_int_equal(f->mem.live_buffers, 0);
    one = 99; /* what came in is no longer needed */
    memset(&still, 0x55, sizeof still);
    assert_true(at(&slot, 9999) == 3);
    add(f, &slot, layout, ramp(f, layout, 0, 1), true);
    assert_true(at(&slot, 9999) == 10002);
    assert_int_equal(slot.state, PYAD_SLOT_OWNED);
    pyad_accum_drop(&f->accum, &slot);
    /* Backwards in memory, and too large to be such a view: copied. */
    double many[200];
    for (int k = 0; k < 200; k++)
        many[k] = k;
    assert_int_equal(pyad_layout_fill_strided(&still, PYAD_F64, 1, SHAPE(200), SHAPE(-1)), PYAD_OK);
    part = (pyad_value){&still.layout, many + 199, NULL};
    const pyad_layout *line = layout_of(f, PYAD_F64, 1, SHAPE(200));
    add(f, &slot, line, part, false);
    memset(many, 0, sizeof many);
    assert_true(at(&slot, 0) == 199 && at(&slot, 199) == 0);
    pyad_accum_drop(&f->accum, &slot);
}

static void test_own(void **state)
{
    fixture *f = *state;
    for (size_t n = 0; n < 5; n++) {
        const pyad_layout *layout = layout_of(f, PYAD_F32, 1, &lengths[n]);
        pyad_slot slot = {.state = PYAD_SLOT_EMPTY};
        assert_int_equal(pyad_accum_own(&f->accum, &slot, layout), PYAD_OK);
        assert_int_equal(slot.state, PYAD_SLOT_OWNED);
        for (int64_t i = 0; i < lengths[n]; i++)
            assert_true(at(&slot, i) == 0);
        /* A slice gets its part; the rest stays. Owning again moves nothing. */
        void *data = slot.value.data;
        ((float *)data)[lengths[n] - 1] += 2;
        assert_int_equal(pyad_accum_own(&f->accum, &slot, layout), PYAD_OK);
        assert_ptr_equal(slot.value.data, data);
        add(f, &slot, layout, ramp(f, layout, 1, 0), true);
        assert_true(at(&slot, lengths[n] - 1) == 3);
        assert_true(lengths[n] == 1 || at(&slot, 0) == 1);
        pyad_accum_drop(&f->accum, &slot);
    }
    /* Of a strided operand: the slot is contiguous all the same. */
    pyad_layout_any strided;
    assert_int_equal(pyad_layout_fill_strided(&strided, PYAD_F64, 2, SHAPE(3, 4), SHAPE(1, 3)), PYAD_OK);
    pyad_slot slot = {.state = PYAD_SLOT_EMPTY};
    assert_int_equal(pyad_accum_own(&f->accum, &slot, &strided.layout), PYAD_OK);
    assert_true(slot.value.layout->contiguous);
    pyad_accum_drop(&f->accum, &slot);
    double data[12];
    for (int k = 0; k < 12; k++)
        data[k] = k;
    add(f, &slot, &strided.layout, (pyad_value){&strided.layout, data, NULL}, false);
    assert_true(at(&slot, 1) == 3);
    pyad_accum_drop(&f->accum, &slot);
}

static void test_empty_arrays(void **state)
{
    fixture *f = *state;
    const pyad_layout *layout = layout_of(f, PYAD_F64, 2, SHAPE(0, 3));
    const pyad_layout *row = layout_of(f, PYAD_F64, 1, SHAPE(3));
    pyad_slot slot = {.state = PYAD_SLOT_EMPTY};
    for (int k = 0; k < 3; k++)
        add(f, &slot, layout, ramp(f, layout, 0, 0), k != 1);
    pyad_accum_drop(&f->accum, &slot);
    /* The sum of nothing is zeros, which is not the same as no gradient. */
    add(f, &slot, row, ramp(f, layout, 0, 0), true);
    assert_int_equal(slot.state, PYAD_SLOT_OWNED);
    assert_true(at(&slot, 0) == 0 && at(&slot, 2) == 0);
    pyad_accum_drop(&f->accum, &slot);
}

/* On failure the part is still the caller's and the slot is what it was. */
static void test_failure(void **state)
{
    fixture *f = *state;
    const pyad_layout *layout = layout_of(f, PYAD_F64, 1, SHAPE(1000));
    const pyad_layout *wide = layout_of(f, PYAD_F64, 2, SHAPE(2, 1000));
    pyad_value shared = ramp(f, layout, 1, 0);
    pyad_value broad = ramp(f, wide, 1, 0);
    for (int kind = 0; kind < 3; kind++) {
        pyad_slot slot = {.state = PYAD_SLOT_EMPTY};
        if (kind > 0)
            add(f, &slot, layout, shared, false);
        pyad_status status = PYAD_ERR_MEMORY;
        for (int64_t after = 0; status != PYAD_OK; after++) {
            pyad_mem_trim(&f->mem);
            pyad_slot before = slot;
            test_hook_fail_after(&f->hook, after);
            status = pyad_accum_add(&f->accum, &slot, layout, kind == 1 ? shared : broad, false);
            test_hook_never_fail(&f->hook);
            assert_true(status == PYAD_OK || memcmp(&before, &slot, sizeof slot) == 0);
        }
        assert_true(at(&slot, 999) == (kind == 0 ? 2 : kind == 1 ? 2 : 3));
        pyad_accum_drop(&f->accum, &slot);
    }
    assert_true(f->hook.failures >= 3);
    release(f, &shared);
    release(f, &broad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_same_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shared_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fan_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_moved_in, setup, teardown),
        cmocka_unit_test_setup_teardown(test_broadcast, setup, teardown),
        cmocka_unit_test_setup_teardown(test_widening, setup, teardown),
        cmocka_unit_test_setup_teardown(test_repeated_element, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty_arrays, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failure, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
