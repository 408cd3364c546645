/* Arrays: dtypes, layouts, broadcasting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "array/array.h"
#include "support/hook.h"

#define SHAPE(...) ((const int64_t[]){__VA_ARGS__})

static void fill(pyad_layout_any *out, int ndim, const int64_t *shape)
{
    assert_int_equal(pyad_layout_fill(out, PYAD_F64, ndim, shape), PYAD_OK);
}

static void assert_lengths(const int64_t *lengths, int count, const int64_t *expected)
{
    for (int k = 0; k < count; k++)
        assert_true(lengths[k] == expected[k]);
}

static void test_dtypes(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 1, 2, 4, 8, 1, 2, 4, 8, 4, 8, 8, 16};
    assert_int_equal(sizeof sizes / sizeof sizes[0], PYAD_DTYPE_COUNT);
    for (int dtype = 0; dtype < PYAD_DTYPE_COUNT; dtype++) {
        assert_int_equal(pyad_dtype_size(dtype), sizes[dtype]);
        assert_int_equal(pyad_dtype_is_float(dtype), dtype == PYAD_F32 || dtype == PYAD_F64);
        assert_int_equal(pyad_dtype_is_complex(dtype), dtype == PYAD_C64 || dtype == PYAD_C128);
        assert_int_equal(pyad_dtype_align(dtype), sizes[dtype] / (pyad_dtype_is_complex(dtype) ? 2 : 1));
    }
    assert_string_equal(pyad_dtype_name(PYAD_BOOL), "bool");
    assert_string_equal(pyad_dtype_name(PYAD_U16), "uint16");
    assert_string_equal(pyad_dtype_name(PYAD_F32), "float32");
    assert_string_equal(pyad_dtype_name(PYAD_F64), "float64");
    assert_string_equal(pyad_dtype_name(PYAD_C128), "complex128");
    assert_int_equal(pyad_dtype_real(PYAD_C64), PYAD_F32);
    assert_int_equal(pyad_dtype_real(PYAD_C128), PYAD_F64);
    assert_int_equal(pyad_dtype_real(PYAD_I8), PYAD_I8);
    assert_int_equal(pyad_dtype_size(-1), 0);
    assert_int_equal(pyad_dtype_size(PYAD_DTYPE_COUNT), 0);
    assert_string_equal(pyad_dtype_name(PYAD_DTYPE_COUNT), "?");
}

static void test_fill(void **state)
{
    (void)state;
    pyad_layout_any any;
    assert_int_equal(pyad_layout_fill(&any, PYAD_F32, 3, SHAPE(2, 3, 4)), PYAD_OK);
    const pyad_layout *layout = &any.layout;
    assert_int_equal(layout->size, 24);
    assert_int_equal(layout->dtype, PYAD_F32);
    assert_int_equal(layout->ndim, 3);
    assert_int_equal(layout->contiguous, 1);
    assert_lengths(pyad_shape(layout), 3, SHAPE(2, 3, 4));
    assert_lengths(pyad_strides(layout), 3, SHAPE(12, 4, 1));
    assert_int_equal(pyad_layout_bytes(layout), 96);

    fill(&any, 0, NULL);
    assert_int_equal(any.layout.size, 1);
    fill(&any, 3, SHAPE(2, 0, 4));
    assert_int_equal(any.layout.size, 0);
    assert_int_equal(any.layout.contiguous, 1);

    int64_t ones[PYAD_MAX_NDIM];
    for (int k = 0; k < PYAD_MAX_NDIM; k++)
        ones[k] = 1;
    fill(&any, PYAD_MAX_NDIM, ones);
    assert_int_equal(any.layout.size, 1);
}

static void test_fill_refuses(void **state)
{
    (void)state;
    const int64_t big = INT64_C(1) << 31;
    int64_t many[PYAD_MAX_NDIM + 1] = {0};
    pyad_layout_any any;
    fill(&any, 1, SHAPE(7));
    assert_int_equal(pyad_layout_fill(&any, PYAD_F64, 2, SHAPE(3, -1)), PYAD_ERR_VALUE);
    assert_int_equal(pyad_layout_fill(&any, PYAD_F64, -1, many), PYAD_ERR_VALUE);
    assert_int_equal(pyad_layout_fill(&any, PYAD_F64, PYAD_MAX_NDIM + 1, many), PYAD_ERR_VALUE);
    assert_int_equal(pyad_layout_fill(&any, PYAD_DTYPE_COUNT, 1, many), PYAD_ERR_DTYPE);
    assert_int_equal(pyad_layout_fill(&any, -1, 1, many), PYAD_ERR_DTYPE);
    assert_int_equal(pyad_layout_fill(&any, PYAD_F64, 2, SHAPE(big, big)), PYAD_ERR_MEMORY);
    assert_int_equal(pyad_layout_fill(&any, PYAD_F64, 3, SHAPE(big, big, big)), PYAD_ERR_MEMORY);
    assert_int_equal(pyad_layout_fill(&any, PYAD_F64, 3, SHAPE(big, 0, big)), PYAD_ERR_MEMORY);
    assert_int_equal(pyad_layout_fill(&any, PYAD_I8, 1, SHAPE(INT64_MAX)), PYAD_OK);
    assert_int_equal(pyad_layout_fill(&any, PYAD_I16, 1, SHAPE(INT64_MAX)), PYAD_ERR_MEMORY);
    assert_int_equal(pyad_layout_fill_strided(&any, PYAD_F64, 2, SHAPE(big, big), SHAPE(0, 0)), PYAD_ERR_MEMORY);
}

static int strided_is_contiguous(int ndim, const int64_t *shape, const int64_t *strides)
{
    pyad_layout_any any;
    assert_int_equal(pyad_layout_fill_strided(&any, PYAD_F64, ndim, shape, strides), PYAD_OK);
    assert_lengths(pyad_shape(&any.layout), ndim, shape);
    assert_lengths(pyad_strides(&any.layout), ndim, strides);
    return any.layout.contiguous;
}

static void test_contiguity(void **state)
{
    (void)state;
    assert_true(strided_is_contiguous(0, NULL, NULL));
    assert_true(strided_is_contiguous(2, SHAPE(3, 4), SHAPE(4, 1)));
    assert_false(strided_is_contiguous(2, SHAPE(4, 3), SHAPE(1, 4)));
    assert_false(strided_is_contiguous(2, SHAPE(3, 4), SHAPE(8, 1)));
    assert_false(strided_is_contiguous(1, SHAPE(4), SHAPE(-1)));
    assert_false(strided_is_contiguous(2, SHAPE(3, 4), SHAPE(0, 1)));
    assert_true(strided_is_contiguous(3, SHAPE(1, 3, 1), SHAPE(99, 1, -7)));
    assert_true(strided_is_contiguous(2, SHAPE(0, 4), SHAPE(5, 9)));
}

static void test_keep(void **state)
{
    (void)state;
    test_hook hook = {0};
    pyad_mem mem;
    pyad_arena arena;
    pyad_mem_init(&mem, test_hook_use(&hook));
    pyad_arena_init(&arena, &mem);
    pyad_layout_any any;
    fill(&any, 2, SHAPE(5, 6));
    const pyad_layout *kept = pyad_layout_keep(&arena, &any.layout);
    fill(&any, 2, SHAPE(1, 1));
    assert_lengths(pyad_shape(kept), 2, SHAPE(5, 6));
    assert_lengths(pyad_strides(kept), 2, SHAPE(6, 1));
    assert_int_equal(kept->size, 30);

    fill(&any, 0, NULL);
    assert_ptr_equal(pyad_layout_keep(&arena, &any.layout), pyad_layout_scalar(PYAD_F64));
    for (int dtype = 0; dtype < PYAD_DTYPE_COUNT; dtype++) {
        const pyad_layout *scalar = pyad_layout_scalar(dtype);
        assert_int_equal(scalar->dtype, dtype);
        assert_int_equal(scalar->size, 1);
        assert_int_equal(scalar->ndim, 0);
        assert_int_equal(scalar->contiguous, 1);
    }
    assert_null(pyad_layout_scalar(PYAD_DTYPE_COUNT));

    pyad_arena_finish(&arena);
    pyad_mem_trim(&mem);
    test_hook_fail_after(&hook, 0);
    fill(&any, 1, SHAPE(3));
    assert_null(pyad_layout_keep(&arena, &any.layout));
    pyad_mem_finish(&mem);
    assert_int_equal(hook.blocks, 0);
}

static void test_same(void **state)
{
    (void)state;
    pyad_layout_any a;
    pyad_layout_any b;
    fill(&a, 2, SHAPE(3, 4));
    fill(&b, 2, SHAPE(3, 4));
    assert_true(pyad_same_shape(&a.layout, &a.layout));
    assert_true(pyad_same_shape(&a.layout, &b.layout));
    assert_true(pyad_same_layout(&a.layout, &b.layout));

    pyad_layout_fill(&b, PYAD_F32, 2, SHAPE(3, 4));
    assert_true(pyad_same_shape(&a.layout, &b.layout));
    assert_false(pyad_same_layout(&a.layout, &b.layout));
    pyad_layout_fill_strided(&b, PYAD_F64, 2, SHAPE(3, 4), SHAPE(1, 3));
    assert_true(pyad_same_shape(&a.layout, &b.layout));
    assert_false(pyad_same_layout(&a.layout, &b.layout));

    fill(&b, 2, SHAPE(4, 3));
    assert_false(pyad_same_shape(&a.layout, &b.layout));
    fill(&b, 3, SHAPE(3, 4, 1));
    assert_false(pyad_same_shape(&a.layout, &b.layout));
    fill(&b, 1, SHAPE(3));
    assert_false(pyad_same_shape(&a.layout, &b.layout));
}

static bool broadcast(int count, const pyad_layout_any *layouts, int64_t *shape, int *ndim)
{
    const pyad_layout *pointers[3];
    for (int k = 0; k < count; k++)
        pointers[k] = &layouts[k].layout;
    return pyad_broadcast_shapes(count, pointers, shape, ndim);
}

static void test_broadcast_shapes(void **state)
{
    (void)state;
    pyad_layout_any layouts[3];
    int64_t shape[PYAD_MAX_NDIM];
    int ndim = -1;
    fill(&layouts[0], 3, SHAPE(2, 1, 4));
    fill(&layouts[1], 2, SHAPE(3, 1));
    fill(&layouts[2], 0, NULL);
    assert_true(broadcast(3, layouts, shape, &ndim));
    assert_int_equal(ndim, 3);
    assert_lengths(shape, 3, SHAPE(2, 3, 4));

    /* The order does not matter. */
    fill(&layouts[0], 0, NULL);
    fill(&layouts[1], 2, SHAPE(3, 1));
    fill(&layouts[2], 3, SHAPE(2, 1, 4));
    assert_true(broadcast(3, layouts, shape, &ndim));
    assert_lengths(shape, 3, SHAPE(2, 3, 4));

    assert_true(broadcast(1, layouts, shape, &ndim));
    assert_int_equal(ndim, 0);
    assert_true(broadcast(0, layouts, shape, &ndim));
    assert_int_equal(ndim, 0);

    /* A length of zero broadcasts as any other. */
    fill(&layouts[0], 1, SHAPE(0));
    fill(&layouts[1], 2, SHAPE(3, 1));
    assert_true(broadcast(2, layouts, shape, &ndim));
    assert_lengths(shape, 2, SHAPE(3, 0));

    fill(&layouts[1], 1, SHAPE(2));
    assert_false(broadcast(2, layouts, shape, &ndim));
    fill(&layouts[0], 2, SHAPE(3, 4));
    fill(&layouts[1], 1, SHAPE(3));
    assert_false(broadcast(2, layouts, shape, &ndim));
}

static void test_broadcast_strides(void **state)
{
    (void)state;
    pyad_layout_any any;
    int64_t strides[4];
    fill(&any, 2, SHAPE(3, 1));
    pyad_broadcast_strides(&any.layout, 3, SHAPE(2, 3, 4), strides);
    assert_lengths(strides, 3, SHAPE(0, 1, 0));

    pyad_layout_fill_strided(&any, PYAD_F64, 2, SHAPE(3, 4), SHAPE(-4, 2));
    pyad_broadcast_strides(&any.layout, 4, SHAPE(5, 1, 3, 4), strides);
    assert_lengths(strides, 4, SHAPE(0, 0, -4, 2));

    pyad_broadcast_strides(pyad_layout_scalar(PYAD_F32), 2, SHAPE(3, 4), strides);
    assert_lengths(strides, 2, SHAPE(0, 0));
}

static void test_shape_text(void **state)
{
    (void)state;
    char text[64];
    pyad_layout_any any;
    fill(&any, 2, SHAPE(3, 4));
    assert_string_equal(pyad_shape_text(&any.layout, text, sizeof text), "(3, 4)");
    fill(&any, 1, SHAPE(3));
    assert_string_equal(pyad_shape_text(&any.layout, text, sizeof text), "(3,)");
    fill(&any, 0, NULL);
    assert_string_equal(pyad_shape_text(&any.layout, text, sizeof text), "()");

    /* What does not fit is cut off, and nothing is written past the end. */
    fill(&any, 2, SHAPE(123, 456));
    memset(text, 'x', sizeof text);
    assert_string_equal(pyad_shape_text(&any.layout, text, 8), "(123, 4");
    assert_int_equal(text[8], 'x');
    pyad_shape_text(&any.layout, text, 0);
    assert_int_equal(text[0], '(');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dtypes),
        cmocka_unit_test(test_fill),
        cmocka_unit_test(test_fill_refuses),
        cmocka_unit_test(test_contiguity),
        cmocka_unit_test(test_keep),
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_broadcast_shapes),
        cmocka_unit_test(test_broadcast_strides),
        cmocka_unit_test(test_shape_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
