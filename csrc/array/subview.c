/* The layouts of views into an array. */
#include "array/subview.h"

pyad_status pyad_slice_layout(const pyad_layout *in, const int64_t *slices, pyad_layout_any *out, int64_t *offset)
{
    int64_t shape[PYAD_MAX_NDIM] = {0};
    int64_t strides[PYAD_MAX_NDIM];
    int ndim = 0;
    *offset = 0;
    for (int d = 0; d < in->ndim; d++) {
        int64_t start = slices[3 * d];
        int64_t step = slices[3 * d + 1];
        int64_t count = slices[3 * d + 2];
        int64_t length = pyad_shape(in)[d];
        int64_t last = count > 0 ? start + (count - 1) * step : start;
        bool inside = count == 0 || (start >= 0 && start < length && last >= 0 && last < length);
        if (!inside || count < -1)
            return PYAD_ERR_VALUE;
        if (count != 0)
            *offset += start * pyad_strides(in)[d];
        if (count == -1)
            continue;
        shape[ndim] = count;
        strides[ndim] = step * pyad_strides(in)[d];
        ndim++;
    }
    PYAD_TRY(pyad_layout_fill_strided(out, in->dtype, ndim, shape, strides));
    if (out->layout.size == 0)
        *offset = 0;
    return PYAD_OK;
}

/* The lowest and the highest place of a strided view; false where they do not fit into 64 bits. */
static bool view_reach(int64_t offset, int ndim, const int64_t *shape, const int64_t *strides, int64_t *low,
                       int64_t *high)
{
    *low = offset;
    *high = offset;
    for (int d = 0; d < ndim; d++) {
        int64_t reach;
        if (__builtin_mul_overflow(shape[d] - 1, strides[d], &reach))
            return false;
        if (__builtin_add_overflow(reach < 0 ? *low : *high, reach, reach < 0 ? low : high))
            return false;
    }
    return true;
}

pyad_status pyad_strided_view_layout(const pyad_layout *in, const int64_t *view, pyad_layout_any *out, int64_t *offset)
{
    int ndim = (int)view[1];
    const int64_t *shape = view + 2;
    const int64_t *strides = shape + ndim;
    int64_t low;
    int64_t high;
    *offset = 0;
    PYAD_TRY(pyad_layout_fill_strided(out, in->dtype, ndim, shape, strides));
    if (out->layout.size == 0)
        return PYAD_OK;
    if (!view_reach(view[0], ndim, shape, strides, &low, &high) || low < 0 || high >= in->size)
        return PYAD_ERR_VALUE;
    *offset = view[0];
    return PYAD_OK;
}

bool pyad_reshape_strides(const pyad_layout *in, int ndim, const int64_t *shape, int64_t *strides)
{
    const int64_t *from = pyad_shape(in);
    const int64_t *from_strides = pyad_strides(in);
    int i = 0;
    int j = 0;
    while (j < ndim) {
        /* The smallest group of old and new dimensions with the same number of elements. */
        int64_t want = shape[j];
        int j_end = j + 1;
        while (i < in->ndim && from[i] == 1)
            i++;
        int64_t have = i < in->ndim ? from[i] : 1;
        int i_end = i + 1;
        while (have != want) {
            if (have < want) {
                if (i_end >= in->ndim)
                    return false;
                /* The dimensions that merge must follow each other in memory. */
                if (from[i_end] != 1) {
                    int before = i_end - 1;
                    while (from[before] == 1)
                        before--;
                    if (from_strides[before] != from_strides[i_end] * from[i_end])
                        return false;
                }
                have *= from[i_end++];
            } else {
                if (j_end >= ndim)
                    return false;
                want *= shape[j_end++];
            }
        }
        int last = i_end - 1;
        while (last > i && last < in->ndim && from[last] == 1)
            last--;
        int64_t stride = i < in->ndim ? from_strides[last] : 1;
        if (shape[j] == 1 && j_end == j + 1) {
            strides[j] = 1; /* a length of 1 needs no memory of its own */
            j = j_end;
            continue;
        }
        for (int d = j_end - 1; d >= j; d--) {
            strides[d] = stride;
            stride *= shape[d];
        }
        i = i_end;
        j = j_end;
    }
    return true;
}
