/* Large work over the dimensions of an iterator in chunks, which threads of the pool do side by side. */
#ifndef PYAD_KERNELS_PARALLEL_FOR_H
#define PYAD_KERNELS_PARALLEL_FOR_H

#include "array/strided_iter.h"

enum {
    PYAD_PARALLEL_LEAST_WORK = 100,
    PYAD_PARALLEL_CHUNK_WORK = 20
}; /* microseconds: what is cut into chunks, and about what a chunk takes */

/* Work over an iterator, some of whose outermost dimension may be left out, from these places on. What comes out for a
 * position must not depend on which others are there, and each has an output of its own. */
typedef void pyad_parallel_body(const void *context, const pyad_strided_iter *iter, void *dst, const void *src);

typedef struct pyad_parallel_for {
    pyad_parallel_body *run;
    const void *context;
    const pyad_strided_iter *iter; /* operand 0: destination, 1: source */
    size_t dst_item;
    size_t src_item;
    int64_t unit; /* a chunk has a multiple of so many positions of the outermost dimension */
    int64_t cost; /* of everything, in picoseconds */
} pyad_parallel_for;

/* Where the cuts are depends on the iterator and the cost, not on the number of threads. */
void pyad_parallel_for_run(const pyad_parallel_for *work, void *dst, const void *src);

#endif
