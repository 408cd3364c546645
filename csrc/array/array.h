/* Arrays: dtype, layout (shape and strides), and a value that has memory.
 *
 * The folder array knows layouts, how one iterates over them, and views into them. It must not know any operation on
 * elements but the copy.
 *
 * A layout says nothing of memory, so nodes of the same shape share one: an element-wise result points at the layout of
 * its operand. Strides count elements. A view is a layout and a pointer; a value is a view that also holds the buffer
 * its memory lives in (NULL when an arena or the user holds it). */
#ifndef PYAD_ARRAY_ARRAY_H
#define PYAD_ARRAY_ARRAY_H

#include "base/memory.h"
#include "base/status.h"

typedef struct pyad_layout {
    int64_t size;        /* number of elements */
    uint8_t dtype;       /* a pyad_dtype */
    uint8_t ndim;
    uint8_t contiguous;  /* C order without gaps */
    uint8_t unused[5];
    int64_t dims[];      /* shape[ndim], then strides[ndim] */
} pyad_layout;

/* Layout with room for any number of dimensions, for the stack. */
typedef union pyad_layout_any {
    pyad_layout layout;
    int64_t room[2 + 2 * PYAD_MAX_NDIM];
} pyad_layout_any;

typedef struct pyad_view {
    const pyad_layout *layout;
    void *data;
} pyad_view;

typedef struct pyad_value {
    const pyad_layout *layout;
    void *data;
    pyad_buffer *buffer;
} pyad_value;

/* Where new values and words of failure go; one for each arena that results may go to. */
typedef struct pyad_env {
    pyad_mem *mem;
    pyad_arena *arena;  /* for small results and for layouts */
    pyad_message *message;
} pyad_env;

size_t pyad_dtype_size(int dtype);

/* float32 or float64: what the floating kernels take. */
static inline bool pyad_dtype_is_float(int dtype)
{
    return dtype == PYAD_F32 || dtype == PYAD_F64;
}

static inline bool pyad_dtype_is_complex(int dtype)
{
    return dtype == PYAD_C64 || dtype == PYAD_C128;
}

/* The dtype of the real and the imaginary part; any other dtype is its own. */
static inline int pyad_dtype_real(int dtype)
{
    return pyad_dtype_is_complex(dtype) ? dtype - PYAD_C64 + PYAD_F32 : dtype;
}

/* A place for each dtype that is differentiated, from 0 on. */
enum { PYAD_INEXACT_COUNT = PYAD_DTYPE_COUNT - PYAD_F32 };

static inline int pyad_dtype_place(int dtype)
{
    return dtype > PYAD_F32 ? dtype - PYAD_F32 : 0;
}

/* What addresses of elements are multiples of. */
static inline size_t pyad_dtype_align(int dtype)
{
    return pyad_dtype_size(pyad_dtype_real(dtype));
}

static inline const int64_t *pyad_shape(const pyad_layout *layout)
{
    return layout->dims;
}

static inline const int64_t *pyad_strides(const pyad_layout *layout)
{
    return layout->dims + layout->ndim;
}

static inline size_t pyad_layout_bytes(const pyad_layout *layout)
{
    return (size_t)layout->size * pyad_dtype_size(layout->dtype);
}

static inline pyad_view pyad_value_view(const pyad_value *value)
{
    return (pyad_view){value->layout, value->data};
}

/* Bytes of a pyad_layout of `ndim` dimensions, header included. */
size_t pyad_layout_room(int ndim);

/* The layout of a 0-d array; one constant per dtype. */
const pyad_layout *pyad_layout_scalar(int dtype);

/* Fills `out` with a C-contiguous layout. PYAD_ERR_MEMORY when the size does not fit, PYAD_ERR_VALUE for a bad rank or a
 * negative length. */
pyad_status pyad_layout_fill(pyad_layout_any *out, int dtype, int ndim, const int64_t *shape);
/* The same with strides; sets `contiguous` by looking at them. */
pyad_status pyad_layout_fill_strided(pyad_layout_any *out, int dtype, int ndim, const int64_t *shape,
                                     const int64_t *strides);
/* Of a complex layout: the same memory as floats, with one more dimension, the last, of length 2. Broadcasting, sums and
 * additions mean the same there. */
void pyad_layout_pairs(const pyad_layout *layout, pyad_layout_any *out);
/* A copy in the arena, or NULL; scalars give the shared constant. */
const pyad_layout *pyad_layout_keep(pyad_arena *arena, const pyad_layout *layout);

bool pyad_same_shape(const pyad_layout *a, const pyad_layout *b);
/* Same dtype, shape and strides. */
bool pyad_same_layout(const pyad_layout *a, const pyad_layout *b);

/* NumPy's broadcasting of shapes into `shape` and `*ndim`. false when they do not broadcast. */
bool pyad_broadcast_shapes(int count, const pyad_layout *const *layouts, int64_t *shape, int *ndim);
/* Whether the shape broadcasts to the other one as it is. */
bool pyad_broadcasts_to(const pyad_layout *small, const pyad_layout *large);
/* Strides that make `layout` look like `shape` (0 along broadcast axes). `shape` must be a result of broadcasting it. */
void pyad_broadcast_strides(const pyad_layout *layout, int ndim, const int64_t *shape, int64_t *strides);

/* "(3, 4)" for messages. Returns `text`. */
const char *pyad_shape_text(const pyad_layout *layout, char *text, size_t room);

#endif
