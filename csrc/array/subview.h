/* The layouts of views into an array: slices, strided views of its elements in C order, and the same elements seen with
 * another shape. */
#ifndef PYAD_ARRAY_SUBVIEW_H
#define PYAD_ARRAY_SUBVIEW_H

#include "array/array.h"

/* A slice of each dimension: its layout and offset, in elements. `slices` points at the (start, step, count) of the first
 * one; count -1: a single index, the dimension goes. PYAD_ERR_VALUE where an index is out of range. */
pyad_status pyad_slice_layout(const pyad_layout *in, const int64_t *slices, pyad_layout_any *out, int64_t *offset);

/* A strided view: `view` points at the offset, the number of dimensions, the shape and the strides, which count elements of
 * `in` in C order. So `in` is contiguous (or the layout of a contiguous copy is meant). PYAD_ERR_VALUE where the view is not
 * inside. */
pyad_status pyad_strided_view_layout(const pyad_layout *in, const int64_t *view, pyad_layout_any *out, int64_t *offset);

/* The strides of `in` seen with another shape of the same size, without moving anything; false where that takes a copy. */
bool pyad_reshape_strides(const pyad_layout *in, int ndim, const int64_t *shape, int64_t *strides);

#endif
