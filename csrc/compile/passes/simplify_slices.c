/* Simplification of indexing: reads of what was just written, and of what writes have left alone. */
#include <stdlib.h>

#include "array/subview.h"
#include "compile/passes/simplify.h"

/* How many writes a read is taken past. */
enum { MOST_STEPS = 16 };

/* The places of a subview in C order of the whole array: dimensions from the innermost one on, without those of
 * length 1, and those that can be stepped through as one are one. Subviews that are the same places in the same order
 * are equal. */
typedef struct subview {
    int64_t size;
    int64_t offset;
    int ndim;
    int64_t length[PYAD_MAX_NDIM];
    int64_t stride[PYAD_MAX_NDIM];
} subview;

static void push_axis(subview *p, int64_t length, int64_t stride)
{
    int last = p->ndim - 1;
    if (length == 1)
        return;
    if (last >= 0 && stride == p->stride[last] * p->length[last]) {
        p->length[last] *= length;
        return;
    }
    p->length[p->ndim] = length;
    p->stride[p->ndim] = stride;
    p->ndim++;
}

/* The subview that a SLICE, STRIDED_VIEW, ASSIGN or ADD_SLICE is about, and its layout in the whole array. */
static pyad_status find_subview(int op, const int64_t *params, const pyad_layout *whole, subview *p,
                                pyad_layout_any *layout)
{
    if (op == PYAD_KERNEL_SLICE)
        PYAD_TRY(pyad_slice_layout(whole, params + 1, layout, &p->offset));
    else
        PYAD_TRY(pyad_strided_view_layout(whole, params + 1, layout, &p->offset));
    p->size = layout->layout.size;
    p->ndim = 0;
    for (int d = layout->layout.ndim - 1; p->size > 0 && d >= 0; d--)
        push_axis(p, pyad_shape(&layout->layout)[d], pyad_strides(&layout->layout)[d]);
    return PYAD_OK;
}

/* The whole array in C order. */
static bool is_whole(const subview *p, const pyad_layout *whole)
{
    bool flat = p->ndim == 0 || (p->ndim == 1 && p->stride[0] == 1);
    return p->size == whole->size && p->offset == 0 && flat;
}

static bool same_places(const subview *a, const subview *b)
{
    bool same = a->size == b->size && a->offset == b->offset && a->ndim == b->ndim;
    for (int d = 0; same && d < a->ndim; d++)
        same = a->length[d] == b->length[d] && a->stride[d] == b->stride[d];
    return same;
}

/* Says whether no place comes twice. Each step is longer than all smaller ones together reach; where not, it may
 * still be so, but is not found. */
static bool is_distinct(const subview *p)
{
    for (int d = 0; d < p->ndim; d++) {
        int64_t step = llabs(p->stride[d]);
        int64_t reach = 0;
        for (int e = 0; e < p->ndim; e++) {
            if (e != d && llabs(p->stride[e]) <= step)
                reach += (p->length[e] - 1) * llabs(p->stride[e]);
        }
        if (step <= reach)
            return false;
    }
    return true;
}

static void find_reach(const subview *p, int64_t *low, int64_t *high)
{
    *low = p->offset;
    *high = p->offset;
    for (int d = 0; d < p->ndim; d++) {
        int64_t reach = (p->length[d] - 1) * p->stride[d];
        *(reach < 0 ? low : high) += reach;
    }
}

static int64_t common_divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Says whether no place is in both, as far as is found: one ends before the other begins, or they are interleaved, as
 * two columns of a matrix are. */
static bool are_disjoint(const subview *a, const subview *b)
{
    int64_t low[2];
    int64_t high[2];
    int64_t step = 0;
    if (a->size == 0 || b->size == 0)
        return true;
    find_reach(a, &low[0], &high[0]);
    find_reach(b, &low[1], &high[1]);
    if (high[0] < low[1] || high[1] < low[0])
        return true;
    for (int d = 0; d < a->ndim; d++)
        step = common_divisor(step, llabs(a->stride[d]));
    for (int d = 0; d < b->ndim; d++)
        step = common_divisor(step, llabs(b->stride[d]));
    return step > 0 && (a->offset - b->offset) % step != 0;
}

/* What a write put into its subview, in another shape of the same size. */
static pyad_status take_written(pyad_graph *graph, uint32_t value, const pyad_layout *written, const pyad_layout *shape,
                                uint32_t *number)
{
    PYAD_TRY(pyad_graph_broadcast(graph, value, written, &value));
    return pyad_graph_reshape(graph, value, shape, number);
}

static bool is_write(const pyad_graph *graph, uint32_t node)
{
    return pyad_graph_is_run(graph, node, PYAD_KERNEL_ASSIGN) || pyad_graph_is_run(graph, node, PYAD_KERNEL_ADD_SLICE);
}

/* The earliest array out of which the subview can be read. *written is the node that wrote just this subview into it,
 * where that is the last one to write there. */
static pyad_status find_source(const pyad_graph *graph, int op, const subview *wanted, uint32_t *at, bool *written,
                               pyad_layout_any *layout)
{
    *written = false;
    for (int step = 0; step < MOST_STEPS; step++) {
        /* Windows count elements in C order, whatever the shape is. */
        if (op == PYAD_KERNEL_STRIDED_VIEW && pyad_graph_is_run(graph, *at, PYAD_KERNEL_RESHAPE)) {
            *at = pyad_graph_arg(graph, *at, 0);
            continue;
        }
        if (!is_write(graph, *at))
            return PYAD_OK;
        subview given;
        const pyad_gnode *write = &graph->nodes[*at];
        PYAD_TRY(find_subview(write->op, write->params, write->layout, &given, layout));
        if (!are_disjoint(wanted, &given)) {
            *written = write->op == PYAD_KERNEL_ASSIGN && same_places(wanted, &given) && is_distinct(&given);
            return PYAD_OK;
        }
        *at = pyad_graph_arg(graph, *at, 0);
    }
    return PYAD_OK;
}

static pyad_status rewrite_read(pyad_graph *graph, const pyad_gnode *node, const uint32_t *args, uint32_t *number)
{
    subview wanted;
    pyad_layout_any layout;
    bool written;
    uint32_t at = args[0];
    const pyad_layout *whole = graph->nodes[at].layout;
    PYAD_TRY(find_subview(node->op, node->params, whole, &wanted, &layout));
    if (is_whole(&wanted, whole))
        return pyad_graph_reshape(graph, at, node->layout, number);
    PYAD_TRY(find_source(graph, node->op, &wanted, &at, &written, &layout));
    if (written)
        return take_written(graph, pyad_graph_arg(graph, at, 1), &layout.layout, node->layout, number);
    return pyad_graph_add(graph, node, &at, number);
}

static pyad_status rewrite_write(pyad_graph *graph, const pyad_gnode *node, const uint32_t *args, uint32_t *number)
{
    subview given;
    pyad_layout_any layout;
    PYAD_TRY(find_subview(node->op, node->params, node->layout, &given, &layout));
    if (given.size == 0) {
        *number = args[0];
        return PYAD_OK;
    }
    if (node->op == PYAD_KERNEL_ASSIGN && is_whole(&given, node->layout))
        return take_written(graph, args[1], &layout.layout, node->layout, number);
    return pyad_graph_add(graph, node, args, number);
}

pyad_status pyad_simplify_slices(pyad_graph *graph, const pyad_gnode *node, const uint32_t *args, uint32_t *number)
{
    switch (node->op) {
    case PYAD_KERNEL_SLICE:
    case PYAD_KERNEL_STRIDED_VIEW:
        return rewrite_read(graph, node, args, number);
    case PYAD_KERNEL_ASSIGN:
    case PYAD_KERNEL_ADD_SLICE:
        return rewrite_write(graph, node, args, number);
    default:
        return pyad_graph_add(graph, node, args, number);
    }
}
