/* Arrays: dtype, layout (shape and strides), and a value that has memory. */
#include "array/array.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* X(NAME, name, C type): the dtypes in the order of pyad_dtype. */
#define DTYPE_LIST(X)                 \
    X(BOOL, bool, uint8_t)            \
    X(I8, int8, int8_t)               \
    X(I16, int16, int16_t)            \
    X(I32, int32, int32_t)            \
    X(I64, int64, int64_t)            \
    X(U8, uint8, uint8_t)             \
    X(U16, uint16, uint16_t)          \
    X(U32, uint32, uint32_t)          \
    X(U64, uint64, uint64_t)          \
    X(F32, float32, float)            \
    X(F64, float64, double)           \
    X(C64, complex64, float _Complex) \
    X(C128, complex128, double _Complex)

static bool is_dtype(int dtype)
{
    return dtype >= 0 && dtype < PYAD_DTYPE_COUNT;
}

size_t pyad_dtype_size(int dtype)
{
#define DTYPE_SIZE(NAME, name, type) [PYAD_##NAME] = sizeof(type),
    static const uint8_t sizes[PYAD_DTYPE_COUNT] = {DTYPE_LIST(DTYPE_SIZE)};
#undef DTYPE_SIZE
    return is_dtype(dtype) ? sizes[dtype] : 0;
}

const char *pyad_dtype_name(int dtype)
{
#define DTYPE_NAME(NAME, name, type) [PYAD_##NAME] = #name,
    static const char *const names[PYAD_DTYPE_COUNT] = {DTYPE_LIST(DTYPE_NAME)};
#undef DTYPE_NAME
    return is_dtype(dtype) ? names[dtype] : "?";
}

/* Making layouts. */

size_t pyad_layout_room(int ndim)
{
    return sizeof(pyad_layout) + 2 * (size_t)ndim * sizeof(int64_t);
}

const pyad_layout *pyad_layout_scalar(int dtype)
{
#define DTYPE_LAYOUT(NAME, name, type) \
    static const pyad_layout layout_##NAME = {.size = 1, .dtype = PYAD_##NAME, .ndim = 0, .contiguous = 1};
    DTYPE_LIST(DTYPE_LAYOUT)
#undef DTYPE_LAYOUT
#define DTYPE_LAYOUT(NAME, name, type) [PYAD_##NAME] = &layout_##NAME,
    static const pyad_layout *const layouts[PYAD_DTYPE_COUNT] = {DTYPE_LIST(DTYPE_LAYOUT)};
#undef DTYPE_LAYOUT
    return is_dtype(dtype) ? layouts[dtype] : NULL;
}

/* Everything but the strides. Lengths of zero count as one in the check, as NumPy has it, so that strides fit too. */
static pyad_status fill_shape(pyad_layout *layout, int dtype, int ndim, const int64_t *shape)
{
    if (!is_dtype(dtype))
        return PYAD_ERR_DTYPE;
    /* Complex arrays are seen as pairs of floats, which takes a dimension. */
    if (ndim < 0 || ndim > PYAD_MAX_NDIM - pyad_dtype_is_complex(dtype))
        return PYAD_ERR_VALUE;
    const int64_t most = PTRDIFF_MAX / (int64_t)pyad_dtype_size(dtype);
    int64_t extent = 1;
    bool empty = false;
    for (int axis = 0; axis < ndim; axis++) {
        if (shape[axis] < 0)
            return PYAD_ERR_VALUE;
        empty = empty || shape[axis] == 0;
        int64_t length = shape[axis] == 0 ? 1 : shape[axis];
        if (length > most / extent)
            return PYAD_ERR_MEMORY;
        extent *= length;
    }
    memset(layout, 0, sizeof *layout);
    layout->size = empty ? 0 : extent;
    layout->dtype = (uint8_t)dtype;
    layout->ndim = (uint8_t)ndim;
    for (int axis = 0; axis < ndim; axis++)
        layout->dims[axis] = shape[axis];
    return PYAD_OK;
}

pyad_status pyad_layout_fill(pyad_layout_any *out, int dtype, int ndim, const int64_t *shape)
{
    pyad_layout *layout = &out->layout;
    PYAD_TRY(fill_shape(layout, dtype, ndim, shape));
    int64_t stride = 1;
    for (int axis = ndim - 1; axis >= 0; axis--) {
        layout->dims[ndim + axis] = stride;
        stride *= shape[axis] == 0 ? 1 : shape[axis];
    }
    layout->contiguous = 1;
    return PYAD_OK;
}

/* Axes of length one are never stepped along, and an empty array has no elements to have gaps between. */
static bool is_contiguous(const pyad_layout *layout)
{
    const int64_t *shape = pyad_shape(layout);
    const int64_t *strides = pyad_strides(layout);
    int64_t expected = 1;
    if (layout->size == 0)
        return true;
    for (int axis = layout->ndim - 1; axis >= 0; axis--) {
        if (shape[axis] == 1)
            continue;
        if (strides[axis] != expected)
            return false;
        expected *= shape[axis];
    }
    return true;
}

pyad_status pyad_layout_fill_strided(pyad_layout_any *out, int dtype, int ndim, const int64_t *shape,
                                     const int64_t *strides)
{
    pyad_layout *layout = &out->layout;
    PYAD_TRY(fill_shape(layout, dtype, ndim, shape));
    for (int axis = 0; axis < ndim; axis++)
        layout->dims[ndim + axis] = strides[axis];
    layout->contiguous = is_contiguous(layout);
    return PYAD_OK;
}

void pyad_layout_pairs(const pyad_layout *layout, pyad_layout_any *out)
{
    int ndim = layout->ndim + 1;
    pyad_layout *pairs = &out->layout;
    *pairs = (pyad_layout){
        .size = 2 * layout->size,
        .dtype = (uint8_t)pyad_dtype_real(layout->dtype),
        .ndim = (uint8_t)ndim,
        .contiguous = layout->contiguous,
    };
    for (int axis = 0; axis < layout->ndim; axis++) {
        pairs->dims[axis] = pyad_shape(layout)[axis];
        pairs->dims[ndim + axis] = 2 * pyad_strides(layout)[axis];
    }
    pairs->dims[ndim - 1] = 2;
    pairs->dims[2 * ndim - 1] = 1;
}

const pyad_layout *pyad_layout_keep(pyad_arena *arena, const pyad_layout *layout)
{
    if (layout->ndim == 0)
        return pyad_layout_scalar(layout->dtype);
    size_t bytes = pyad_layout_room(layout->ndim);
    void *kept = pyad_arena_alloc(arena, bytes);
    if (kept != NULL)
        memcpy(kept, layout, bytes);
    return kept;
}

/* Comparing and broadcasting. */

static bool same_lengths(const int64_t *a, const int64_t *b, int count)
{
    for (int k = 0; k < count; k++) {
        if (a[k] != b[k])
            return false;
    }
    return true;
}

bool pyad_same_shape(const pyad_layout *a, const pyad_layout *b)
{
    return a == b || (a->ndim == b->ndim && same_lengths(a->dims, b->dims, a->ndim));
}

bool pyad_same_layout(const pyad_layout *a, const pyad_layout *b)
{
    return a == b || (a->dtype == b->dtype && a->ndim == b->ndim && same_lengths(a->dims, b->dims, 2 * a->ndim));
}

/* Broadcasts one more shape into the `ndim` lengths, which are at least as many. */
static bool broadcast_into(const pyad_layout *layout, int ndim, int64_t *shape)
{
    int64_t *aligned = shape + (ndim - layout->ndim);
    for (int axis = 0; axis < layout->ndim; axis++) {
        int64_t length = pyad_shape(layout)[axis];
        if (length == 1 || length == aligned[axis])
            continue;
        if (aligned[axis] != 1)
            return false;
        aligned[axis] = length;
    }
    return true;
}

bool pyad_broadcast_shapes(int count, const pyad_layout *const *layouts, int64_t *shape, int *ndim)
{
    int rank = 0;
    for (int k = 0; k < count; k++) {
        if (rank < layouts[k]->ndim)
            rank = layouts[k]->ndim;
    }
    for (int axis = 0; axis < rank; axis++)
        shape[axis] = 1;
    for (int k = 0; k < count; k++) {
        if (!broadcast_into(layouts[k], rank, shape))
            return false;
    }
    *ndim = rank;
    return true;
}

bool pyad_broadcasts_to(const pyad_layout *small, const pyad_layout *large)
{
    if (small->ndim > large->ndim)
        return false;
    for (int d = 1; d <= small->ndim; d++) {
        int64_t length = pyad_shape(small)[small->ndim - d];
        if (length != 1 && length != pyad_shape(large)[large->ndim - d])
            return false;
    }
    return true;
}

void pyad_broadcast_strides(const pyad_layout *layout, int ndim, const int64_t *shape, int64_t *strides)
{
    int added = ndim - layout->ndim;
    for (int axis = 0; axis < added; axis++)
        strides[axis] = 0;
    for (int axis = added; axis < ndim; axis++) {
        bool repeats = pyad_shape(layout)[axis - added] != shape[axis];
        strides[axis] = repeats ? 0 : pyad_strides(layout)[axis - added];
    }
}

/* Words. */

const char *pyad_shape_text(const pyad_layout *layout, char *text, size_t room)
{
    size_t used = 0;
    if (room == 0)
        return text;
    text[0] = '\0';
    for (int axis = 0; axis <= layout->ndim; axis++) {
        char part[32];
        if (axis < layout->ndim)
            snprintf(part, sizeof part, "%s%" PRId64, axis == 0 ? "(" : ", ", pyad_shape(layout)[axis]);
        else
            snprintf(part, sizeof part, "%s", layout->ndim == 0 ? "()" : layout->ndim == 1 ? ",)" : ")");
        int written = snprintf(text + used, room - used, "%s", part);
        if (written < 0 || (size_t)written >= room - used)
            return text;
        used += (size_t)written;
    }
    return text;
}
