/* Parts of large work. */
#include "kernels/parallel_for.h"

#include "base/thread_pool.h"

enum { PICOSECONDS = 1000 * 1000 };

typedef struct cut {
    const pyad_parts *parts;
    void *dst;
    const void *src;
    int64_t each; /* positions of the outermost dimension */
} cut;

static pyad_status run_part(void *context, int64_t k)
{
    const cut *c = context;
    const pyad_parts *parts = c->parts;
    pyad_walk walk = *parts->walk;
    int64_t first = k * c->each;
    int64_t left = walk.dim[0].length - first;
    walk.dim[0].length = left < c->each ? left : c->each;
    void *dst = pyad_at(c->dst, first * walk.dim[0].stride[0], parts->dst_item);
    parts->run(parts->context, &walk, dst, pyad_at_const(c->src, first * walk.dim[0].stride[1], parts->src_item));
    return PYAD_OK;
}

void pyad_parts_run(const pyad_parts *parts, void *dst, const void *src)
{
    int64_t wanted = parts->cost / ((int64_t)PYAD_PARTS_WORK * PICOSECONDS);
    int64_t length = parts->walk->ndim > 0 ? parts->walk->dim[0].length : 1;
    if (parts->cost < (int64_t)PYAD_PARTS_LEAST_WORK * PICOSECONDS || length < 2 * parts->unit) {
        parts->run(parts->context, parts->walk, dst, src);
        return;
    }
    int64_t each = length / wanted / parts->unit * parts->unit;
    each = each < parts->unit ? parts->unit : each;
    cut c = {parts, dst, src, each};
    pyad_pool_run(run_part, &c, (length + each - 1) / each);
}
