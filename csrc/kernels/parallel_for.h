/* Large work over the dimensions of a walk in parts, which threads of the pool do side by side. */
#ifndef PYAD_KERNELS_PARTS_H
#define PYAD_KERNELS_PARTS_H

#include "array/strided_iter.h"

enum { PYAD_PARTS_LEAST_WORK = 100, PYAD_PARTS_WORK = 20 }; /* microseconds: what is cut, and about what a part takes */

/* Work over a walk, some of whose outermost dimension may be left out, from these places on. What comes out for a
 * position must not depend on which others are there, and each has an output of its own. */
typedef void pyad_part(const void *context, const pyad_walk *walk, void *dst, const void *src);

typedef struct pyad_parts {
    pyad_part *run;
    const void *context;
    const pyad_walk *walk; /* operand 0: destination, 1: source */
    size_t dst_item;
    size_t src_item;
    int64_t unit; /* a part has a multiple of so many positions of the outermost dimension */
    int64_t cost; /* of everything, in picoseconds */
} pyad_parts;

/* Where the cuts are depends on the walk and the cost, not on the number of threads. */
void pyad_parts_run(const pyad_parts *parts, void *dst, const void *src);

#endif
