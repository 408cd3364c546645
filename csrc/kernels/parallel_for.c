/* Large work in chunks. */
#include "kernels/parallel_for.h"

#include "base/thread_pool.h"

enum { PICOSECONDS = 1000 * 1000 };

typedef struct chunks {
    const pyad_parallel_for *work;
    void *dst;
    const void *src;
    int64_t each; /* positions of the outermost dimension */
} chunks;

static pyad_status run_chunk(void *context, int64_t k)
{
    const chunks *c = context;
    const pyad_parallel_for *work = c->work;
    pyad_strided_iter iter = *work->iter;
    int64_t first = k * c->each;
    int64_t left = iter.dim[0].length - first;
    iter.dim[0].length = left < c->each ? left : c->each;
    void *dst = pyad_at(c->dst, first * iter.dim[0].stride[0], work->dst_item);
    work->run(work->context, &iter, dst, pyad_at_const(c->src, first * iter.dim[0].stride[1], work->src_item));
    return PYAD_OK;
}

void pyad_parallel_for_run(const pyad_parallel_for *work, void *dst, const void *src)
{
    int64_t wanted = work->cost / ((int64_t)PYAD_PARALLEL_CHUNK_WORK * PICOSECONDS);
    int64_t length = work->iter->ndim > 0 ? work->iter->dim[0].length : 1;
    if (work->cost < (int64_t)PYAD_PARALLEL_LEAST_WORK * PICOSECONDS || length < 2 * work->unit) {
        work->run(work->context, work->iter, dst, src);
        return;
    }
    int64_t each = length / wanted / work->unit * work->unit;
    each = each < work->unit ? work->unit : each;
    chunks c = {work, dst, src, each};
    pyad_thread_pool_run(run_chunk, &c, (length + each - 1) / each);
}
