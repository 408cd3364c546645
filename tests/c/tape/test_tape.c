/* The tape: columns, marks, handles, constants, lent memory. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/arrays.h"
#include "support/hook.h"
#include "tape/tape.h"

#define SHAPE(...) ((const int64_t[]){__VA_ARGS__})

typedef struct fixture {
    test_hook hook;
    pyad_mem mem;
    pyad_tape tape;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    pyad_mem_init(&f->mem, test_hook_use(&f->hook));
    pyad_tape_init(&f->tape, &f->mem);
    *state = f;
    return 0;
}

/* Every test gives back all it took. */
static int teardown(void **state)
{
    fixture *f = *state;
    pyad_tape_finish(&f->tape);
    pyad_mem_finish(&f->mem);
    int left = f->hook.blocks != 0 || f->hook.bytes != 0;
    free(f);
    return left;
}

static pyad_value scalar(pyad_tape *tape, double number)
{
    pyad_value value = {pyad_layout_scalar(PYAD_F64), pyad_arena_alloc(&tape->arena, 8), NULL};
    memcpy(value.data, &number, sizeof number);
    return value;
}

static uint32_t push(pyad_tape *tape, uint8_t flags, int nargs, const uint32_t *args)
{
    assert_int_equal(pyad_tape_reserve(tape, (size_t)nargs), PYAD_OK);
    return pyad_tape_push(tape, PYAD_LOOP_ADD, flags, nargs, args, NULL, scalar(tape, 1.0));
}

static uint32_t push_buffer(pyad_tape *tape, uint8_t flags, pyad_buffer **buffer)
{
    pyad_layout_any any;
    assert_int_equal(pyad_layout_fill(&any, PYAD_F64, 1, SHAPE(1000)), PYAD_OK);
    assert_int_equal(pyad_buffer_new(tape->mem, 8000, buffer), PYAD_OK);
    assert_int_equal(pyad_tape_reserve(tape, 0), PYAD_OK);
    pyad_value value = {pyad_layout_keep(&tape->arena, &any.layout), (*buffer)->data, *buffer};
    return pyad_tape_push(tape, PYAD_LOOP_ADD, flags, 0, NULL, NULL, value);
}

static void test_push(void **state)
{
    pyad_tape *tape = &((fixture *)*state)->tape;
    assert_int_equal(pyad_tape_mark(tape, 7, false), PYAD_OK);
    uint32_t x = push(tape, PYAD_NODE_LEAF, 0, NULL);
    uint32_t c = push(tape, PYAD_NODE_LEAF | PYAD_NODE_CONST, 0, NULL);
    uint32_t y = push(tape, 0, 2, (const uint32_t[]){c, x});
    uint32_t z = push(tape, 0, 1, (const uint32_t[]){c});
    assert_int_equal(tape->count, 4);
    assert_int_equal(tape->nargs[y], 2);
    assert_int_equal(pyad_tape_args(tape, y)[0], c);
    assert_int_equal(pyad_tape_args(tape, y)[1], x);
    assert_int_equal(tape->oldest[y], x);
    /* A constant is no leaf to depend on. */
    assert_int_equal(tape->oldest[z], z);
    assert_int_equal(tape->rule[y], PYAD_RULE_UNRESOLVED);
    uint32_t found = 99;
    assert_true(pyad_tape_find(tape, pyad_tape_handle(tape, y), &found));
    assert_int_equal(found, y);
    assert_true(pyad_tape_find(tape, pyad_tape_handle(tape, y) | PYAD_HANDLE_LARGE, &found));
}

static void test_growth(void **state)
{
    pyad_tape *tape = &((fixture *)*state)->tape;
    enum { NODES = 5000 };
    uint32_t before = push(tape, 0, 0, NULL);
    for (uint32_t k = 1; k < NODES; k++) {
        const uint32_t args[3] = {before, k / 2, 0};
        before = push(tape, 0, 3, args);
    }
    for (uint32_t k = 1; k < NODES; k++) {
        assert_int_equal(pyad_tape_args(tape, k)[0], k - 1);
        assert_int_equal(pyad_tape_args(tape, k)[1], k / 2);
        assert_int_equal(tape->oldest[k], 0);
        assert_int_equal(tape->epoch[k], 0);
    }
    assert_int_equal(pyad_tape_reserve_slow(tape, PYAD_MAX_NODES, 0), PYAD_ERR_MEMORY);
    assert_int_equal(pyad_tape_reserve_slow(tape, 1, UINT32_MAX), PYAD_ERR_MEMORY);
    assert_int_equal(tape->count, NODES);
}

/* Whatever allocation fails: the call says so, the tape is as it was, and the next try succeeds. */
static void test_reserve_failure(void **state)
{
    fixture *f = *state;
    pyad_tape *tape = &f->tape;
    assert_int_equal(pyad_tape_mark(tape, 3, false), PYAD_OK);
    for (int round = 0; round < 2; round++) {
        while (tape->count < tape->capacity)
            push(tape, 0, 0, NULL);
        uint32_t count = tape->count;
        size_t capacity = tape->capacity;
        pyad_status status = PYAD_ERR_MEMORY;
        for (int64_t after = 0; status != PYAD_OK; after++) {
            assert_true(after < 100);
            test_hook_fail_after(&f->hook, after);
            status = pyad_tape_reserve(tape, 700);
            test_hook_never_fail(&f->hook);
            assert_int_equal(tape->count, count);
            if (tape->capacity != capacity)
                continue; /* the columns have grown, the operands have not: nothing anyone can see */
            for (uint32_t node = 0; node < count; node++)
                assert_int_equal(tape->generation[node], 3);
        }
        assert_true(tape->capacity > capacity);
        push(tape, 0, 0, NULL);
    }
}

static void test_failures_leave_tape(void **state)
{
    fixture *f = *state;
    pyad_tape *tape = &f->tape;
    double data[3] = {1, 2, 3};
    pyad_layout_any any;
    pyad_layout_fill(&any, PYAD_F64, 1, SHAPE(3));
    for (int call = 0; call < 3; call++) {
        pyad_status status = PYAD_ERR_MEMORY;
        for (int64_t after = 0; status != PYAD_OK; after++) {
            uint32_t count = tape->count;
            size_t lent = tape->lent_count;
            size_t marks = tape->mark_count;
            uint32_t node;
            assert_true(after < 100);
            test_hook_fail_after(&f->hook, after);
            if (call == 0)
                status = pyad_tape_mark(tape, 5, false);
            else if (call == 1)
                status = pyad_tape_lend(tape, 0, &any.layout, data, &node);
            else
                status = pyad_tape_number(tape, 4.25, PYAD_F64, &node);
            test_hook_never_fail(&f->hook);
            if (status == PYAD_OK)
                continue;
            assert_int_equal(status, PYAD_ERR_MEMORY);
            assert_int_equal(tape->count, count);
            assert_int_equal(tape->lent_count, lent);
            assert_int_equal(tape->mark_count, marks);
        }
    }
    assert_true(f->hook.failures > 10);
}

static void test_marks(void **state)
{
    fixture *f = *state;
    pyad_tape *tape = &f->tape;
    double data[2] = {1, 2};
    pyad_layout_any any;
    pyad_layout_fill(&any, PYAD_F64, 1, SHAPE(2));
    pyad_tape_cut(tape); /* nothing open: nothing happens */
    assert_int_equal(pyad_tape_mark(tape, 10, false), PYAD_OK);
    uint32_t x = push(tape, 0, 0, NULL);
    assert_int_equal(pyad_tape_mark(tape, 11, true), PYAD_OK);
    pyad_buffer *buffer;
    uint32_t y = push_buffer(tape, 0, &buffer);
    uint32_t lent;
    assert_int_equal(pyad_tape_lend(tape, 0, &any.layout, data, &lent), PYAD_OK);
    uint32_t z = push(tape, 0, 2, (const uint32_t[]){x, y});
    pyad_handle inner = pyad_tape_handle(tape, z);
    pyad_handle outer = pyad_tape_handle(tape, x);
    assert_int_equal(tape->oldest[z], x);
    assert_int_equal(f->mem.live_buffers, 1);
    assert_int_equal(pyad_tape_mark(tape, 12, false), PYAD_OK);
    assert_true(tape->marks[2].keep_all); /* inside one that keeps all, all is kept */
    pyad_tape_cut(tape);
    pyad_tape_cut(tape);
    assert_int_equal(tape->count, 1);
    assert_int_equal(tape->args_count, 0);
    assert_int_equal(tape->lent_count, 0);
    assert_int_equal(f->mem.live_buffers, 0);
    uint32_t found;
    assert_false(pyad_tape_find(tape, inner, &found));
    assert_true(pyad_tape_find(tape, outer, &found));
    /* The same index again, by another transform. */
    assert_int_equal(pyad_tape_mark(tape, 13, false), PYAD_OK);
    while (tape->count <= z)
        push(tape, 0, 0, NULL);
    assert_false(pyad_tape_find(tape, inner, &found));
    assert_true(pyad_tape_find(tape, pyad_tape_handle(tape, z), &found));
    assert_false(pyad_tape_find(tape, -5, &found));
    assert_false(pyad_tape_find(tape, INT64_MAX, &found));
}

static void test_seal(void **state)
{
    pyad_tape *tape = &((fixture *)*state)->tape;
    uint32_t found;
    assert_int_equal(pyad_tape_mark(tape, 20, false), PYAD_OK);
    uint32_t outer = push(tape, 0, 0, NULL);
    assert_int_equal(pyad_tape_mark(tape, 21, false), PYAD_OK);
    uint32_t gone = push(tape, 0, 1, &outer);
    assert_int_equal(pyad_tape_mark(tape, 22, false), PYAD_OK);
    uint32_t inner = push(tape, 0, 1, &gone);
    pyad_handle was = pyad_tape_handle(tape, inner);
    pyad_tape_seal(tape, 1, &inner); /* now it belongs to 21 */
    pyad_handle renewed = pyad_tape_handle(tape, inner);
    assert_false(pyad_tape_find(tape, was, &found));
    assert_true(pyad_tape_find(tape, renewed, &found));
    const uint32_t kept[2] = {inner, outer};
    pyad_handle outer_handle = pyad_tape_handle(tape, outer);
    pyad_handle gone_handle = pyad_tape_handle(tape, gone);
    pyad_tape_seal(tape, 2, kept);
    assert_int_equal(tape->count, 3);
    assert_false(pyad_tape_find(tape, renewed, &found));
    assert_false(pyad_tape_find(tape, gone_handle, &found));
    assert_true(pyad_tape_find(tape, pyad_tape_handle(tape, inner), &found));
    assert_int_equal(tape->generation[inner], 20);
    assert_true(pyad_tape_find(tape, outer_handle, &found));
    /* What the engine itself names, a rule it asks for, can be looked at. */
    assert_true(pyad_tape_handle(tape, gone) >= 0);
    assert_true(pyad_tape_find(tape, pyad_tape_handle(tape, gone), &found));
    assert_int_equal(found, gone);
    pyad_tape_cut(tape);
    assert_int_equal(tape->count, 0);
    pyad_tape_seal(tape, 0, NULL);
}

static uint32_t number(pyad_tape *tape, double value, int dtype)
{
    uint32_t node = UINT32_MAX;
    assert_int_equal(pyad_tape_number(tape, value, dtype, &node), PYAD_OK);
    assert_true(tape->flags[node] & PYAD_NODE_CONST);
    return node;
}

static void test_numbers(void **state)
{
    pyad_tape *tape = &((fixture *)*state)->tape;
    /* Outside of all marks, with another node first in the place that an empty entry names. */
    push(tape, 0, 0, NULL);
    assert_int_equal(number(tape, 0.0, PYAD_BOOL), 1);
    assert_int_equal(pyad_tape_mark(tape, 30, false), PYAD_OK);
    uint32_t zero = number(tape, 0.0, PYAD_F64);
    uint32_t minus = number(tape, -0.0, PYAD_F64);
    uint32_t nan = number(tape, NAN, PYAD_F64);
    assert_int_not_equal(zero, minus);
    assert_true(signbit(*(double *)tape->value[minus].data));
    assert_false(signbit(*(double *)tape->value[zero].data));
    assert_true(isnan(*(double *)tape->value[nan].data));
    assert_int_equal(number(tape, NAN, PYAD_F64), nan);
    uint32_t half = number(tape, 0.5, PYAD_F32);
    assert_int_equal(number(tape, 0.5, PYAD_F32), half);
    assert_int_not_equal(number(tape, 0.5, PYAD_F64), half);
    assert_true(*(float *)tape->value[half].data == 0.5f);
    uint32_t whole = number(tape, -3.0, PYAD_I16);
    assert_int_equal(*(int16_t *)tape->value[whole].data, -3);
    /* Many different ones, each right although the places are few. */
    for (int k = 0; k < 200; k++)
        assert_true(*(double *)tape->value[number(tape, k * 0.37, PYAD_F64)].data == k * 0.37);
    /* An inner mark makes its own, and takes them away. */
    uint32_t three = number(tape, 3.0, PYAD_F64);
    assert_int_equal(pyad_tape_mark(tape, 31, false), PYAD_OK);
    uint32_t inner = number(tape, 3.0, PYAD_F64);
    assert_int_not_equal(inner, three);
    assert_int_equal(number(tape, 3.0, PYAD_F64), inner);
    pyad_tape_cut(tape);
    assert_int_equal(pyad_tape_mark(tape, 32, false), PYAD_OK);
    push(tape, 0, 0, NULL);
    uint32_t again = number(tape, 3.0, PYAD_F64);
    assert_true(*(double *)tape->value[again].data == 3.0);
}

static uint32_t lend(pyad_tape *tape, test_array *array)
{
    uint32_t node;
    assert_int_equal(pyad_tape_lend(tape, 0, &array->layout.layout, array->data, &node), PYAD_OK);
    return node;
}

/* A change of any element that the view covers is seen, and of none beside it. */
static void check_fingerprint(pyad_tape *tape, int dtype, int ndim, const int64_t *shape, test_style style)
{
    test_array array;
    test_array_random(&array, dtype, ndim, shape, style);
    uint32_t node = lend(tape, &array);
    tape->epochs++;
    assert_int_equal(pyad_tape_verify(tape, node), PYAD_OK); /* nothing to compare with yet */
    pyad_tape_save(tape, node, 0);
    pyad_tape_save(tape, node, 0);
    int64_t index[PYAD_MAX_NDIM] = {0};
    assert_int_equal(pyad_tape_verify(tape, node), PYAD_OK);
    do {
        char *at = test_at(&array, ndim, index);
        size_t byte = (size_t)test_random((int64_t)pyad_dtype_size(dtype));
        if (array.layout.layout.size == 0)
            break;
        at[byte] = (char)(at[byte] ^ 4);
        tape->epochs++;
        assert_int_equal(pyad_tape_verify(tape, node), PYAD_ERR_MUTATED);
        assert_int_equal(pyad_tape_verify(tape, node), PYAD_ERR_MUTATED);
        at[byte] = (char)(at[byte] ^ 4);
        assert_int_equal(pyad_tape_verify(tape, node), PYAD_OK);
    } while (test_next(ndim, shape, index));
    test_array_free(&array);
}

static void test_fingerprints(void **state)
{
    pyad_tape *tape = &((fixture *)*state)->tape;
    check_fingerprint(tape, PYAD_F64, 0, NULL, TEST_CONTIGUOUS);
    check_fingerprint(tape, PYAD_F32, 2, SHAPE(3, 0), TEST_ANY);
    for (int round = 0; round < 60; round++) {
        int64_t shape[PYAD_MAX_NDIM];
        int ndim = test_random_shape(4, 4, shape);
        check_fingerprint(tape, (int)test_random(PYAD_DTYPE_COUNT), ndim, shape, (test_style)test_random(3));
    }
}

static void test_fingerprint_gaps(void **state)
{
    pyad_tape *tape = &((fixture *)*state)->tape;
    double data[12] = {0};
    pyad_layout_any any;
    pyad_layout_fill_strided(&any, PYAD_F64, 2, SHAPE(2, 2), SHAPE(6, 2));
    uint32_t node;
    assert_int_equal(pyad_tape_lend(tape, 0, &any.layout, data, &node), PYAD_OK);
    pyad_tape_save(tape, node, 0);
    data[1] = 1; /* between the elements */
    data[11] = 1;
    tape->epochs++;
    assert_int_equal(pyad_tape_verify(tape, node), PYAD_OK);
    data[8] = 1;
    tape->epochs++;
    assert_int_equal(pyad_tape_verify(tape, node), PYAD_ERR_MUTATED);
}

/* A view of lent memory is checked as the whole it was taken from. */
static void test_fingerprint_views(void **state)
{
    pyad_tape *tape = &((fixture *)*state)->tape;
    test_array array;
    test_array_random(&array, PYAD_F64, 1, SHAPE(6), TEST_CONTIGUOUS);
    uint32_t whole = lend(tape, &array);
    pyad_layout_any any;
    pyad_layout_fill(&any, PYAD_F64, 1, SHAPE(2));
    assert_int_equal(pyad_tape_reserve(tape, 1), PYAD_OK);
    pyad_value part = {pyad_layout_keep(&tape->arena, &any.layout), array.data + 16, NULL};
    uint32_t view = pyad_tape_push(tape, PYAD_KERNEL_SLICE, PYAD_NODE_VIEW, 1, &whole, NULL, part);
    assert_int_equal(pyad_tape_reserve(tape, 1), PYAD_OK);
    uint32_t alias = pyad_tape_push(tape, PYAD_KERNEL_ALIAS, PYAD_NODE_VIEW, 1, &view, NULL, part);
    pyad_tape_save(tape, alias, 0);
    tape->epochs++;
    assert_int_equal(pyad_tape_verify(tape, alias), PYAD_OK);
    ((double *)(void *)array.data)[2] += 1;
    tape->epochs++;
    assert_int_equal(pyad_tape_verify(tape, alias), PYAD_ERR_MUTATED);
    assert_int_equal(pyad_tape_verify(tape, view), PYAD_ERR_MUTATED);
    uint32_t own = push(tape, 0, 1, &view);
    assert_int_equal(pyad_tape_verify(tape, own), PYAD_OK);
    test_array_free(&array);
}

static void test_release(void **state)
{
    fixture *f = *state;
    pyad_tape *tape = &f->tape;
    pyad_buffer *buffer;
    uint32_t plain = push_buffer(tape, PYAD_NODE_HELD, &buffer);
    uint32_t saved = push_buffer(tape, PYAD_NODE_HELD, &buffer);
    pyad_tape_save(tape, saved, saved);
    uint32_t shared = push_buffer(tape, PYAD_NODE_HELD, &buffer);
    pyad_buffer_retain(buffer);
    assert_int_equal(f->mem.live_buffers, 3);
    pyad_tape_release(tape, plain);
    assert_int_equal(f->mem.live_buffers, 2);
    assert_true(tape->flags[plain] & PYAD_NODE_FREED);
    assert_null(tape->value[plain].data);
    pyad_tape_release(tape, plain); /* a second time changes nothing */
    pyad_tape_release(tape, saved);
    assert_false(tape->flags[saved] & (PYAD_NODE_FREED | PYAD_NODE_HELD));
    pyad_tape_release(tape, shared);
    assert_int_equal(f->mem.live_buffers, 2);
    memset(buffer->data, 1, buffer->bytes); /* still ours */
    pyad_buffer_release(&f->mem, buffer);
    assert_int_equal(f->mem.live_buffers, 1);
    /* A mark before a forward sweep makes no difference: what the sweep reads is saved. */
    assert_int_equal(pyad_tape_mark(tape, 40, true), PYAD_OK);
    uint32_t unread = push_buffer(tape, PYAD_NODE_HELD, &buffer);
    pyad_tape_release(tape, unread);
    assert_int_equal(f->mem.live_buffers, 1);
    pyad_tape_cut(tape);
    assert_int_equal(f->mem.live_buffers, 1);
}

/* What a long tape took is given back when it ends, and a short one keeps its room. */
static void test_memory_is_given_back(void **state)
{
    fixture *f = *state;
    pyad_tape *tape = &f->tape;
    for (int round = 0; round < 2; round++) {
        assert_int_equal(pyad_tape_mark(tape, 7 + round, false), PYAD_OK);
        uint32_t node = push(tape, 0, 0, NULL);
        size_t before = f->hook.bytes;
        for (int k = 0; k < PYAD_TAPE_KEPT + 1; k++)
            node = push(tape, 0, 2, (const uint32_t[]){node, node});
        assert_true(f->hook.bytes > before + PYAD_TAPE_KEPT * sizeof(pyad_value));
        pyad_tape_cut(tape);
        assert_int_equal(tape->capacity, 0);
        assert_true(f->hook.bytes <= before);
    }
    assert_int_equal(pyad_tape_mark(tape, 9, false), PYAD_OK);
    push(tape, 0, 0, NULL);
    pyad_tape_cut(tape);
    assert_true(tape->capacity > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_push, setup, teardown),
        cmocka_unit_test_setup_teardown(test_growth, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reserve_failure, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures_leave_tape, setup, teardown),
        cmocka_unit_test_setup_teardown(test_marks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_seal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fingerprints, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fingerprint_gaps, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fingerprint_views, setup, teardown),
        cmocka_unit_test_setup_teardown(test_release, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory_is_given_back, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
