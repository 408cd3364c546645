/* The kernels by number: what the lists say of each. */
#ifndef PYAD_PRIMITIVES_INFO_H
#define PYAD_PRIMITIVES_INFO_H

#include <stdbool.h>

#include "base/status.h"
#include "primitives/list.h"

/* PYAD_ERR_VALUE where the kernel does not exist or cannot be called with so many operands and parameters. */
pyad_status pyad_kernel_check(pyad_message *message, int kernel, const int64_t *params, int nargs);
/* Number of operands; -1 when any number. */
int pyad_kernel_nargs(int kernel);
bool pyad_kernel_is_view(int kernel);
/* Reads of and writes into views of arrays, whose rules the engine has built in. */
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

#endif
