/* Additions to several slices of one array, as the gradient of a stencil makes them, row by row of that array: each
 * row is read and written once, not once for each slice. What is added to an element comes in the order of the
 * additions. */
#include <string.h>

#include "array/strided_iter.h"
#include "compile/replay/replay.h"

enum { MOST = 8 };

/* Rows of a slice begin at `column` in the array's rows from `row` on. */
typedef struct addend {
    void *value; /* contiguous */
    int64_t row;
    int64_t column;
} addend;

struct pyad_slice_accumulation {
    void *whole;
    bool wide; /* float64 */
    int count;
    int64_t rows; /* of each slice */
    int64_t length;
    int64_t pitch; /* from row to row of the array */
    int64_t end; /* the row after the last that gets something */
    addend addends[MOST];
};

/* ---- making them ---- */

/* A window of one or two dimensions, whose rows lie in one run. */
static bool find_rows(const int64_t *params, int64_t size, pyad_slice_accumulation *p, addend *to_add)
{
    int64_t offset = params[1];
    int64_t ndim = params[2];
    const int64_t *shape = params + 3;
    const int64_t *strides = shape + ndim;
    if (ndim == 0 || ndim > 2 || strides[ndim - 1] != 1)
        return false;
    p->rows = ndim == 2 ? shape[0] : 1;
    p->length = shape[ndim - 1];
    p->pitch = ndim == 2 ? strides[0] : size;
    if (p->pitch < p->length || p->pitch <= 0)
        return false;
    to_add->row = offset / p->pitch;
    to_add->column = offset % p->pitch;
    return to_add->column + p->length <= p->pitch;
}

static bool same_place(const pyad_plan *plan, uint32_t a, uint32_t b)
{
    return plan->places[a].base == plan->places[b].base && plan->places[a].offset == plan->places[b].offset;
}

/* The addition of action `a`, if it is made in the place of what it adds to. */
static bool find_addition(const pyad_replay *r, size_t a, pyad_slice_accumulation *p, addend *to_add)
{
    const pyad_plan *plan = r->plan;
    const pyad_graph *graph = plan->graph;
    if (a >= plan->action_count || plan->actions[a].kind != PYAD_ACTION_RUN)
        return false;
    uint32_t node = plan->members[plan->actions[a].first];
    const pyad_layout *whole = plan->places[node].layout;
    if (!pyad_graph_is_run(graph, node, PYAD_KERNEL_ADD_SLICE) || !pyad_dtype_is_float(whole->dtype) ||
        !same_place(plan, node, pyad_graph_arg(graph, node, 0)))
        return false;
    p->wide = whole->dtype == PYAD_F64;
    const pyad_layout *value = plan->places[pyad_graph_arg(graph, node, 1)].layout;
    return find_rows(graph->nodes[node].params, whole->size, p, to_add) && value->contiguous &&
           value->size == p->rows * p->length;
}

static bool continues(const pyad_replay *r, size_t a, const pyad_slice_accumulation *p, addend *to_add)
{
    pyad_slice_accumulation other;
    const pyad_plan *plan = r->plan;
    if (p->count == MOST || !find_addition(r, a, &other, to_add))
        return false;
    uint32_t before = plan->members[plan->actions[a - 1].first];
    int64_t apart = to_add->column - p->addends[0].column;
    return pyad_graph_arg(plan->graph, plan->members[plan->actions[a].first], 0) == before && other.rows == p->rows &&
           other.length == p->length && other.pitch == p->pitch && apart < p->length / 8 && apart > -p->length / 8;
}

pyad_status pyad_slice_accumulation_make(pyad_replay *r, uint32_t a, pyad_bound_action *bound)
{
    pyad_slice_accumulation p;
    memset(&p, 0, sizeof p);
    bound->count = 1;
    if (!find_addition(r, a, &p, &p.addends[0]) || p.length < PYAD_FUSED_LOOP_LEAST_ROW)
        return PYAD_OK;
    for (p.count = 1; continues(r, a + (uint32_t)p.count, &p, &p.addends[p.count]);)
        p.count++;
    if (p.count == 1)
        return PYAD_OK;
    bound->slices = pyad_arena_alloc(&r->steps, sizeof p);
    if (bound->slices == NULL)
        return PYAD_ERR_MEMORY;
    for (int k = 0; k < p.count; k++)
        p.end = p.addends[k].row + p.rows > p.end ? p.addends[k].row + p.rows : p.end;
    *bound->slices = p;
    bound->count = (uint32_t)p.count;
    for (int k = 0; k < p.count; k++) {
        uint32_t node = r->plan->members[r->plan->actions[a + (uint32_t)k].first];
        PYAD_TRY(pyad_replay_bind(r, pyad_graph_arg(r->plan->graph, node, 1), &bound->slices->addends[k].value));
        if (k == 0)
            PYAD_TRY(pyad_replay_bind(r, node, &bound->slices->whole));
    }
    return PYAD_OK;
}

/* ---- running them ---- */

/* What each of some rows gets. */
typedef struct gains {
    int64_t rows;
    int count;
    const char *value[MOST];
    int64_t column[MOST];
    int64_t begin; /* the columns that any of them has: [begin, end) */
    int64_t end;
    int64_t first; /* and those that all have: [first, last) */
    int64_t last;
} gains;

/* From `row` on, as long as the same slices go on. */
static void find_gains(const pyad_slice_accumulation *p, int64_t row, gains *g)
{
    size_t item = p->wide ? sizeof(double) : sizeof(float);
    int64_t until = p->end;
    *g = (gains){.begin = p->pitch, .last = p->pitch};
    for (int k = 0; k < p->count; k++) {
        const addend *to_add = &p->addends[k];
        int64_t from = row - to_add->row;
        int64_t change = from < 0 ? to_add->row : to_add->row + p->rows;
        until = change > row && change < until ? change : until;
        if (from < 0 || from >= p->rows)
            continue;
        g->value[g->count] = pyad_at_const(to_add->value, from * p->length, item);
        g->column[g->count++] = to_add->column;
        int64_t end = to_add->column + p->length;
        g->begin = to_add->column < g->begin ? to_add->column : g->begin;
        g->first = to_add->column > g->first ? to_add->column : g->first;
        g->last = end < g->last ? end : g->last;
        g->end = end > g->end ? end : g->end;
    }
    g->rows = until - row;
}

/* The columns [from, to) that not all have. */
#define ADD_ENDS(S, T)                                                                                           \
    static void add_ends_##S(const pyad_slice_accumulation *p, const gains *g, T *row, int64_t from, int64_t to) \
    {                                                                                                            \
        for (int64_t i = from; i < to; i++) {                                                                    \
            T sum = row[i];                                                                                      \
            for (int k = 0; k < g->count; k++) {                                                                 \
                if (i >= g->column[k] && i < g->column[k] + p->length)                                           \
                    sum += ((const T *)(const void *)g->value[k])[i - g->column[k]];                             \
            }                                                                                                    \
            row[i] = sum;                                                                                        \
        }                                                                                                        \
    }

ADD_ENDS(f32, float)
ADD_ENDS(f64, double)

/* The others: up to three additions in one pass. */
static void add_middle(const pyad_slice_accumulation *p, const gains *g, void *to)
{
    const pyad_isa_table *isa = pyad_isa();
    const pyad_loop loops[] = {isa->loop[PYAD_LOOP_ADD][p->wide],
                               isa->superloop[PYAD_SUPER_ADD_ADD - PYAD_LOOP_COUNT][p->wide],
                               isa->superloop[PYAD_SUPER_ADD_ADD_ADD - PYAD_LOOP_COUNT][p->wide]};
    size_t item = p->wide ? sizeof(double) : sizeof(float);
    for (int k = 0; k < g->count;) {
        int many = g->count - k < 3 ? g->count - k : 3;
        const void *in[4] = {to};
        for (int j = 0; j < many; j++, k++)
            in[j + 1] = pyad_at_const(g->value[k], g->first - g->column[k], item);
        loops[many - 1](g->last - g->first, to, in, 0);
    }
}

static void add_row(const pyad_slice_accumulation *p, const gains *g, void *to, size_t item)
{
    if (p->wide) {
        add_ends_f64(p, g, to, g->begin, g->first);
        add_ends_f64(p, g, to, g->last, g->end);
    } else {
        add_ends_f32(p, g, to, g->begin, g->first);
        add_ends_f32(p, g, to, g->last, g->end);
    }
    add_middle(p, g, pyad_at(to, g->first, item));
}

void pyad_slice_accumulation_run(const pyad_slice_accumulation *p)
{
    size_t item = p->wide ? sizeof(double) : sizeof(float);
    char *to = p->whole;
    for (int64_t row = 0; row < p->end;) {
        gains g;
        find_gains(p, row, &g);
        for (int64_t end = row + g.rows; row < end; row++, to += p->pitch * (int64_t)item) {
            if (g.count > 0)
                add_row(p, &g, to, item);
            for (int k = 0; k < g.count; k++)
                g.value[k] += p->length * (int64_t)item;
        }
    }
}
