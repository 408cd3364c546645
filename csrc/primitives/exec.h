/* Execution: what one instruction gives, and giving it.
 *
 * pyad_infer says what layout an instruction's result has; pyad_exec makes the result. Both check their operands, so a
 * wrong shape or dtype is found here, whoever runs the instruction: an eager call, a sweep or a compiled program.
 *
 * Static parameters are int64 vectors that start with their length:
 *   RESHAPE, BROADCAST  shape           TRANSPOSE  permutation      CAST  dtype
 *   SUM, MAX, MIN       axes as bits, keepdims                      LOGSUMEXP  axis, keepdims
 *   SOFTMAX, LOG_SOFTMAX, CONCATENATE  axis
 *   SLICE               per dimension: start, step, count (count -1: one index, the dimension goes)
 *   UNSLICE             ndim, full shape, then as SLICE            PUT  rows
 *   UNPICK              classes           SUM_SQUARES  1 for the mean, 0 for the sum
 *   CUMSUM, CUMPROD, RECUR  axis, from the end
 *   STRIDED_VIEW, ASSIGN, ADD_SLICE  offset, ndim, shape, strides: a part of operand 0, in elements of its C order
 * RECUR's operands are the terms and the factors. ASSIGN gives operand 0 with that part replaced by operand 1, which
 * broadcasts to it. ASSIGN_AT replaces single elements: operand 2 holds their places in C order, which are distinct;
 * operand 1 is one number or one for each.
 *
 * ADD_SLICE and ADD_ROWS are made by the passes over graphs and are never on a tape. ADD_SLICE gives operand 0 with operand
 * 1, which broadcasts, added to a part that has no stride 0. ADD_ROWS adds the rows operand 1 to operand 0 at the indices
 * operand 2; those of one index add up. */
#ifndef PYAD_PRIMITIVES_EXEC_H
#define PYAD_PRIMITIVES_EXEC_H

#include "array/array.h"
#include "primitives/list.h"

/* The kernel's name, for messages and for Python to look kernels up by; NULL outside the range. */
const char *pyad_kernel_name(int kernel);
/* PYAD_ERR_VALUE where the kernel does not exist or cannot be called with so many operands and parameters. */
pyad_status pyad_kernel_check(pyad_message *message, int kernel, const int64_t *params, int nargs);
/* Number of operands; -1 when any number. */
int pyad_kernel_nargs(int kernel);
bool pyad_kernel_is_view(int kernel);
/* Reads of and writes into parts of arrays, whose rules the engine has built in (apply_assign.c). */
static inline bool pyad_kernel_is_indexing(int kernel)
{
    return kernel == PYAD_KERNEL_SLICE || kernel == PYAD_KERNEL_STRIDED_VIEW || kernel == PYAD_KERNEL_ASSIGN ||
           kernel == PYAD_KERNEL_ASSIGN_AT;
}

static inline bool pyad_kernel_is_loop(int kernel)
{
    return (unsigned)kernel < (unsigned)PYAD_LOOP_COUNT;
}

/* Kernels that give bool: nothing can be differentiated through them. */
bool pyad_kernel_is_constant(int kernel);

/* The layout of the result. For a view over memory whose strides do not allow it (a reshape), the layout is that of a
 * contiguous copy. *offset is where a view starts in the operand, in elements. */
pyad_status pyad_infer(pyad_message *message, int kernel, const int64_t *params, int nargs,
                       const pyad_layout *const *in, pyad_layout_any *out, int64_t *offset);

/* Makes the result, in memory of its own or (views) over the operand's buffer, of which it then holds a reference. */
pyad_status pyad_exec(const pyad_env *env, int kernel, const int64_t *params, int nargs, const pyad_value *in,
                      pyad_value *out);

/* The same into contiguous memory of the result's layout, which pyad_infer has said. Operand 0 of a write, and operand 2
 * of AFFINE, may be that very memory; other operands do not overlap it. */
pyad_status pyad_exec_into(const pyad_env *env, int kernel, const int64_t *params, int nargs, const pyad_value *in,
                           const pyad_value *out);

/* The common layout of element-wise operands: one of theirs when it already is C-contiguous and of that shape, else a new
 * one in the arena. */
pyad_status pyad_infer_loop(const pyad_env *env, int loop, int nargs, const pyad_value *in, const pyad_layout **out);

/* Memory for a value: small ones from the arena, others a buffer of their own. */
pyad_status pyad_exec_alloc(const pyad_env *env, const pyad_layout *layout, pyad_value *out);

/* A contiguous copy (of a view that is not, or of memory that must not be shared). */
pyad_status pyad_exec_copy(const pyad_env *env, const pyad_value *in, pyad_value *out);

/* The view that a SLICE makes: its layout and offset. `params` points at the first (start, step, count). */
pyad_status pyad_slice_layout(const pyad_layout *in, const int64_t *params, pyad_layout_any *out, int64_t *offset);

/* The same for a STRIDED_VIEW or ASSIGN; `in` is contiguous (or the layout of a contiguous copy is meant). `params` points at
 * the offset. PYAD_ERR_VALUE where the part is not inside. */
pyad_status pyad_strided_view_layout(const pyad_layout *in, const int64_t *params, pyad_layout_any *out,
                                     int64_t *offset);

/* pyad_infer of STRIDED_VIEW and of what pyad_exec_write does (infer_assign.c); `params` without their count. */
pyad_status pyad_infer_indexing(pyad_message *message, int kernel, const int64_t *params, const pyad_layout *const *in,
                                pyad_layout_any *out, int64_t *offset);

/* Whether a result with this layout lies over the operand's memory. A reshape may have to move things, and a window
 * counts elements in C order. */
bool pyad_shares_memory(int kernel, const pyad_layout *in, const pyad_layout *out);

/* exec_assign.c. What ASSIGN, ASSIGN_AT, ADD_SLICE and ADD_ROWS do to memory that already holds operand 0, contiguous, and
 * has nothing in common with the other operands. `values`: the static parameters without their count. Everything that can
 * fail is done before anything is written. */
pyad_status pyad_exec_write(const pyad_env *env, int kernel, const int64_t *values, const pyad_value *in,
                            pyad_view whole);
/* to[k] = from[index[k]], and to[index[k]] = from[k] (from[0] where `one`; zero where from is NULL). All contiguous, of
 * one dtype. */
void pyad_gather_places(pyad_view to, const void *from, pyad_view index);
void pyad_scatter_places(pyad_view to, const void *from, bool one, pyad_view index);

#endif
