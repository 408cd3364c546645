/* Random arrays for tests: any shape and strides, element access through indices, exact memory so that a sanitizer sees
 * every step outside. */
#ifndef PYAD_TESTS_ARRAYS_H
#define PYAD_TESTS_ARRAYS_H

#include <stdlib.h>
#include <string.h>

#include "array/array.h"

typedef struct test_array {
    pyad_layout_any layout;
    void *block;
    char *data; /* the element at index 0 */
} test_array;

typedef enum test_style {
    TEST_CONTIGUOUS,
    TEST_ANY, /* permuted axes, gaps, negative steps */
    TEST_BROADCAST /* the same, and some axes with step 0; only for reading */
} test_style;

static uint64_t test_seed = 88172645463325252u;

/* xorshift: the same numbers on every machine. */
static inline int64_t test_random(int64_t limit)
{
    test_seed ^= test_seed << 13;
    test_seed ^= test_seed >> 7;
    test_seed ^= test_seed << 17;
    return (int64_t)(test_seed >> 1) % limit;
}

static inline double test_load(int dtype, const void *at)
{
    switch (dtype) {
    case PYAD_BOOL:
    case PYAD_U8:
        return *(const uint8_t *)at;
    case PYAD_I8:
        return *(const int8_t *)at;
    case PYAD_I16:
        return *(const int16_t *)at;
    case PYAD_I32:
        return *(const int32_t *)at;
    case PYAD_I64:
        return (double)*(const int64_t *)at;
    case PYAD_U16:
        return *(const uint16_t *)at;
    case PYAD_U32:
        return *(const uint32_t *)at;
    case PYAD_U64:
        return (double)*(const uint64_t *)at;
    case PYAD_F32:
    case PYAD_C64: /* the real part */
        return (double)*(const float *)at;
    default:
        return *(const double *)at;
    }
}

/* The value has to fit. */
static inline void test_store(int dtype, void *at, double value)
{
    switch (dtype) {
    case PYAD_BOOL:
        *(uint8_t *)at = value != 0;
        break;
    case PYAD_U8:
        *(uint8_t *)at = (uint8_t)value;
        break;
    case PYAD_I8:
        *(int8_t *)at = (int8_t)value;
        break;
    case PYAD_I16:
        *(int16_t *)at = (int16_t)value;
        break;
    case PYAD_I32:
        *(int32_t *)at = (int32_t)value;
        break;
    case PYAD_I64:
        *(int64_t *)at = (int64_t)value;
        break;
    case PYAD_U16:
        *(uint16_t *)at = (uint16_t)value;
        break;
    case PYAD_U32:
        *(uint32_t *)at = (uint32_t)value;
        break;
    case PYAD_U64:
        *(uint64_t *)at = (uint64_t)value;
        break;
    case PYAD_F32:
        *(float *)at = (float)value;
        break;
    case PYAD_C64:
        ((float *)at)[0] = (float)value;
        ((float *)at)[1] = 0;
        break;
    case PYAD_C128:
        ((double *)at)[0] = value;
        ((double *)at)[1] = 0;
        break;
    default:
        *(double *)at = value;
        break;
    }
}

/* Steps in random order of the axes, at times with gaps, backwards or 0. */
static inline void test_random_strides(int ndim, const int64_t *shape, test_style style, int64_t *strides)
{
    int order[PYAD_MAX_NDIM];
    for (int axis = 0; axis < ndim; axis++) {
        int at = style == TEST_CONTIGUOUS ? 0 : (int)test_random(axis + 1);
        memmove(order + at + 1, order + at, (size_t)(axis - at) * sizeof order[0]);
        order[at] = axis;
    }
    int64_t step = 1;
    for (int k = 0; k < ndim; k++) {
        int axis = order[k];
        if (style != TEST_CONTIGUOUS && test_random(4) == 0)
            step *= 2;
        strides[axis] = style != TEST_CONTIGUOUS && test_random(6) == 0 ? -step : step;
        if (style == TEST_BROADCAST && test_random(4) == 0)
            strides[axis] = 0;
        step *= shape[axis] > 0 ? shape[axis] : 1;
    }
}

static inline pyad_view test_view(test_array *array)
{
    return (pyad_view){&array->layout.layout, array->data};
}

/* An array of zero bytes. Aborts the test program by a NULL access when there is no memory. */
static inline void test_array_make(test_array *array, int dtype, int ndim, const int64_t *shape, test_style style)
{
    int64_t strides[PYAD_MAX_NDIM] = {0};
    test_random_strides(ndim, shape, style, strides);
    pyad_layout_fill_strided(&array->layout, dtype, ndim, shape, strides);
    int64_t least = 0;
    int64_t most = 0;
    for (int axis = 0; axis < ndim; axis++) {
        int64_t extent = (shape[axis] - 1) * strides[axis];
        least += extent < 0 && shape[axis] > 0 ? extent : 0;
        most += extent > 0 ? extent : 0;
    }
    size_t item = pyad_dtype_size(dtype);
    size_t bytes = array->layout.layout.size > 0 ? (size_t)(most - least + 1) * item : 0;
    array->block = malloc(bytes);
    if (bytes > 0)
        memset(array->block, 0, bytes);
    array->data = (char *)array->block - least * (int64_t)item;
}

static inline void test_array_free(test_array *array)
{
    free(array->block);
}

/* The element at `index`, which may have more axes than the array and then is aligned and broadcast as NumPy does. */
static inline void *test_at(test_array *array, int ndim, const int64_t *index)
{
    const pyad_layout *layout = &array->layout.layout;
    int64_t offset = 0;
    for (int axis = 0; axis < layout->ndim; axis++) {
        int64_t at = pyad_shape(layout)[axis] == 1 ? 0 : index[axis + ndim - layout->ndim];
        offset += at * pyad_strides(layout)[axis];
    }
    return array->data + offset * (int64_t)pyad_dtype_size(layout->dtype);
}

static inline double test_get(test_array *array, int ndim, const int64_t *index)
{
    return test_load(array->layout.layout.dtype, test_at(array, ndim, index));
}

static inline void test_set(test_array *array, int ndim, const int64_t *index, double value)
{
    test_store(array->layout.layout.dtype, test_at(array, ndim, index), value);
}

/* To the next index in C order; false after the last one. */
static inline bool test_next(int ndim, const int64_t *shape, int64_t *index)
{
    for (int axis = ndim - 1; axis >= 0; axis--) {
        if (++index[axis] < shape[axis])
            return true;
        index[axis] = 0;
    }
    return false;
}

/* Whole numbers in [low, low + range): sums of them are exact, whatever the order. */
static inline void test_array_fill(test_array *array, int64_t low, int64_t range)
{
    const pyad_layout *layout = &array->layout.layout;
    int64_t index[PYAD_MAX_NDIM] = {0};
    if (layout->size == 0)
        return;
    do {
        test_set(array, layout->ndim, index, (double)(low + test_random(range)));
    } while (test_next(layout->ndim, pyad_shape(layout), index));
}

static inline void test_array_random(test_array *array, int dtype, int ndim, const int64_t *shape, test_style style)
{
    test_array_make(array, dtype, ndim, shape, style);
    test_array_fill(array, -8, 17);
}

/* Lengths from 0 (rarely) and 1 up to `most`. */
static inline int test_random_shape(int most_ndim, int64_t most, int64_t *shape)
{
    int ndim = (int)test_random(most_ndim + 1);
    for (int axis = 0; axis < ndim; axis++)
        shape[axis] = test_random(25) == 0 ? 0 : 1 + test_random(most);
    return ndim;
}

static inline int test_random_float(void)
{
    return test_random(2) == 0 ? PYAD_F32 : PYAD_F64;
}

static inline test_style test_random_style(void)
{
    return test_random(3) == 0 ? TEST_CONTIGUOUS : TEST_ANY;
}

/* A new shape that broadcasts to `shape`: leading axes missing, others of length 1. */
static inline int test_random_narrower(int ndim, const int64_t *shape, int64_t *narrower)
{
    int drop = (int)test_random(ndim + 1);
    for (int axis = drop; axis < ndim; axis++)
        narrower[axis - drop] = test_random(3) == 0 ? 1 : shape[axis];
    return ndim - drop;
}

#endif
