/* Random graphs for plans: chains of writes with readers in between, rows long enough to be read in place, arrays that
 * were closed over with any strides, calls, and outputs of all kinds. */
#ifndef PYAD_TESTS_PLANS_RANDOM_H
#define PYAD_TESTS_PLANS_RANDOM_H

#include "primitives/info.h"
#include "support/graphs_random.h"
#include "support/plans.h"

typedef struct random_kind {
    bool odd;  /* numbers that algebra gets wrong, and operations that need not be right */
    bool sums; /* sums, products and extremes, which may be made in another order */
    bool rows; /* longer arrays */
} random_kind;

/* The array that is written again and again. */
static uint32_t chained;

/* ---- inputs ---- */

/* An array that is closed over, with any strides. */
static inline void add_closed_over(int dtype, int ndim, const int64_t *shape)
{
    test_array array;
    pyad_layout_any flat;
    uint32_t node;
    test_array_random(&array, dtype, ndim, shape, test_random(4) == 0 ? TEST_CONTIGUOUS : TEST_ANY);
    ptrdiff_t start = array.data - (char *)array.block;
    size_t bytes = 0;
    for (int d = 0; d < ndim; d++)
        bytes += (size_t)((shape[d] - 1) * llabs(pyad_strides(&array.layout.layout)[d]));
    bytes = (bytes + 1) * pyad_dtype_size(dtype);
    char *block = pyad_arena_alloc(graph.arena, bytes);
    memcpy(block, array.block, bytes);
    const pyad_layout *layout = pyad_layout_keep(graph.arena, &array.layout.layout);
    test_array_free(&array);
    must(pyad_layout_fill(&flat, dtype, ndim, shape));
    pyad_gnode added = {.kind = PYAD_G_INPUT, .number = (uint32_t)graph.input_count};
    added.layout = pyad_layout_keep(graph.arena, &flat.layout);
    must(pyad_graph_add_input(&graph, (pyad_ginput){layout, block + start}));
    must(pyad_graph_add(&graph, &added, NULL, &node));
}

/* Other numbers in all inputs. */
static inline void refill_inputs(bool odd)
{
    for (size_t k = 0; k < graph.input_count; k++) {
        const pyad_layout *layout = graph.inputs[k].layout;
        pyad_layout_any flat;
        must(pyad_layout_fill(&flat, layout->dtype, layout->ndim, pyad_shape(layout)));
        size_t item = pyad_dtype_align(layout->dtype);
        char *data = malloc(pyad_layout_bytes(layout) + 1);
        bool whole = layout->dtype == PYAD_I64 || layout->dtype == PYAD_BOOL;
        for (int64_t i = 0; i < numbers_of(layout); i++)
            test_store(pyad_dtype_real(layout->dtype), data + (size_t)i * item,
                       whole ? (double)test_random(2) : test_number(odd));
        pyad_copy((pyad_view){layout, graph.inputs[k].data}, (pyad_view){&flat.layout, data});
        free(data);
    }
}

static inline void begin_rows(fixture *f)
{
    static const int64_t lengths[] = {23, 24, 25, 37, 64, 101, 211};
    int64_t n = lengths[test_random(7)];
    int64_t m = 2 + test_random(5);
    pyad_graph_init(&graph, &f->mem, &f->arena);
    row_shapes[0] = m;
    row_shapes[1] = n;
    for (int k = 0; k < 2; k++) {
        int dtype = k == 0 ? PYAD_F64 : PYAD_F32;
        add_input(dtype, 2, LIST(m, n), false);
        add_input(dtype, 1, LIST(n), false);
        add_input(dtype, 2, LIST(m, 1), false);
        add_input(dtype, 3, LIST(2, m, n), false);
        add_input(dtype, 0, NULL, false);
    }
    add_input(PYAD_F64, 2, LIST(m, n), false);
    add_input(PYAD_F64, 2, LIST(n, m), false);
    add_input(PYAD_BOOL, 2, LIST(m, n), false);
    add_input(PYAD_I64, 1, LIST(2), false);
    graph.argument_count = graph.input_count;
    add_closed_over(PYAD_F64, 2, LIST(m, n));
    add_closed_over(PYAD_F32, 1, LIST(n));
}

static inline void begin_random(fixture *f, const random_kind *kind)
{
    memset(row_shapes, 0, sizeof row_shapes);
    if (kind->rows) {
        begin_rows(f);
        return;
    }
    begin(f, false);
    add_input(PYAD_BOOL, 0, NULL, false);
    graph.argument_count = graph.input_count;
    add_closed_over(PYAD_F64, 2, LIST(2, 3));
    add_closed_over(PYAD_F64, 2, LIST(3, 2));
    add_closed_over(PYAD_F32, 1, LIST(3));
    add_closed_over(PYAD_BOOL, 2, LIST(2, 3));
}

/* ---- nodes ---- */

static inline bool try_run(int op, const int64_t *params, int nargs, const uint32_t *args)
{
    uint32_t node;
    size_t count = graph.count;
    if (params != NULL)
        params = pyad_graph_params(&graph, (int)params[0], params + 1);
    bool fits = pyad_graph_run(&graph, op, params, nargs, args, &node) == PYAD_OK;
    graph.count = fits ? graph.count : count;
    return fits;
}

/* Whether no place is there twice. */
static inline bool are_distinct(int64_t size, const int64_t *params)
{
    int ndim = (int)params[2];
    int64_t index[PYAD_MAX_NDIM] = {0};
    bool *seen = calloc((size_t)size + 1, sizeof *seen);
    bool distinct = true;
    for (int d = 0; d < ndim; d++)
        distinct = distinct && params[3 + d] > 0;
    while (distinct) {
        int64_t at = params[1];
        for (int d = 0; d < ndim; d++)
            at += index[d] * params[3 + ndim + d];
        distinct = at >= 0 && at < size && !seen[at];
        if (distinct)
            seen[at] = true;
        if (!test_next(ndim, params + 3, index))
            break;
    }
    free(seen);
    return distinct;
}

static inline uint32_t any_index(void)
{
    uint32_t node = any_node();
    for (int tries = 0; tries < 40 && graph.nodes[node].layout->dtype != PYAD_I64; tries++)
        node = (uint32_t)test_random((int64_t)graph.count);
    return node;
}

/* Rows 0 and 1 have to be there. */
static inline bool has_rows(uint32_t node)
{
    const pyad_layout *layout = graph.nodes[node].layout;
    return layout->ndim > 0 && pyad_shape(layout)[0] > 1 && layout->size > 1;
}

static inline bool grow_write(int op)
{
    int64_t params[32] = {0};
    uint32_t whole = test_random(3) > 0 && chained < graph.count ? chained : any_node();
    const pyad_layout *layout = graph.nodes[whole].layout;
    bool fits;
    if (op == PYAD_KERNEL_ASSIGN || op == PYAD_KERNEL_ADD_SLICE) {
        params_part(layout, params);
        fits = are_distinct(layout->size, params) && try_run(op, params, 2, NODES(whole, any_operand()));
    } else {
        uint32_t index = any_index();
        fits = has_rows(whole) && graph.nodes[index].layout->dtype == PYAD_I64;
        if (fits && op == PYAD_KERNEL_TAKE)
            fits = try_run(op, NULL, 2, NODES(whole, index));
        else
            fits = fits && try_run(op, NULL, 3, NODES(whole, any_operand(), index));
    }
    if (fits && op != PYAD_KERNEL_TAKE)
        chained = (uint32_t)graph.count - 1;
    return fits;
}

/* Of what an element-wise node has made, if one is found. */
static inline bool grow_sum(void)
{
    uint32_t of = any_node();
    for (int tries = 0; tries < 10 && !(graph.nodes[of].kind == PYAD_G_RUN && pyad_kernel_is_loop(graph.nodes[of].op) &&
                                        graph.nodes[of].layout->size > 1);
         tries++)
        of = any_node();
    int64_t axes = test_random((int64_t)1 << graph.nodes[of].layout->ndim);
    return axes != 0 && try_run(PYAD_KERNEL_SUM, PARAMS(axes, test_random(2)), 1, NODES(of));
}

static inline bool grow_call(void)
{
    uint32_t of = any_node();
    uint32_t node;
    pyad_gnode call = {.kind = PYAD_G_CALL, .op = 1000, .nargs = 2, .layout = graph.nodes[of].layout};
    must(pyad_graph_add(&graph, &call, NODES(of, any_node()), &node));
    return true;
}

static inline bool grow_concatenate(void)
{
    uint32_t args[10];
    int count = 1 + (int)test_random(10);
    args[0] = any_node();
    for (int k = 1; k < count; k++)
        args[k] = any_like(args[0]);
    return graph.nodes[args[0]].layout->ndim > 0 && try_run(PYAD_KERNEL_CONCATENATE, PARAMS(0), count, args);
}

enum { A_CALL = PYAD_KERNEL_COUNT };

/* The first ones give the same bits in whatever way they are run, and no sums; then those that need odd numbers; then
 * sums, and extremes of zeros of both signs. */
static const int planned_ops[] = {PYAD_LOOP_ADD,
                                  PYAD_LOOP_ADD,
                                  PYAD_LOOP_MUL,
                                  PYAD_LOOP_SUB,
                                  PYAD_LOOP_MINIMUM,
                                  PYAD_LOOP_NEG,
                                  PYAD_LOOP_ABS,
                                  PYAD_LOOP_SQUARE,
                                  PYAD_KERNEL_CUMSUM,
                                  PYAD_KERNEL_CUMSUM,
                                  PYAD_LOOP_ADD,
                                  PYAD_LOOP_MUL,
                                  PYAD_LOOP_SUB,
                                  PYAD_LOOP_MAXIMUM,
                                  PYAD_LOOP_NEG,
                                  PYAD_LOOP_RELU,
                                  PYAD_LOOP_WHERE,
                                  PYAD_LOOP_NOT,
                                  PYAD_LOOP_AND,
                                  PYAD_KERNEL_ALIAS,
                                  PYAD_KERNEL_RESHAPE,
                                  PYAD_KERNEL_RESHAPE,
                                  PYAD_KERNEL_BROADCAST,
                                  PYAD_KERNEL_BROADCAST,
                                  PYAD_KERNEL_BROADCAST,
                                  PYAD_KERNEL_TRANSPOSE,
                                  PYAD_KERNEL_TRANSPOSE,
                                  PYAD_KERNEL_SLICE,
                                  PYAD_KERNEL_SLICE,
                                  PYAD_KERNEL_STRIDED_VIEW,
                                  PYAD_KERNEL_STRIDED_VIEW,
                                  PYAD_KERNEL_UNSLICE,
                                  PYAD_KERNEL_ASSIGN,
                                  PYAD_KERNEL_ASSIGN,
                                  PYAD_KERNEL_ASSIGN,
                                  PYAD_KERNEL_ASSIGN_AT,
                                  PYAD_KERNEL_ADD_SLICE,
                                  PYAD_KERNEL_ADD_SLICE,
                                  PYAD_KERNEL_ADD_ROWS,
                                  PYAD_KERNEL_CAST,
                                  PYAD_KERNEL_PUT,
                                  PYAD_KERNEL_TAKE,
                                  PYAD_KERNEL_CONCATENATE,
                                  A_CALL,
                                  PYAD_LOOP_DIV,
                                  PYAD_LOOP_EXP,
                                  PYAD_LOOP_LT,
                                  PYAD_LOOP_ISNAN,
                                  PYAD_LOOP_TANH,
                                  PYAD_LOOP_ARCTAN2,
                                  PYAD_LOOP_GE,
                                  PYAD_KERNEL_SUM,
                                  PYAD_KERNEL_SUM,
                                  PYAD_KERNEL_SUM,
                                  PYAD_KERNEL_SUM,
                                  PYAD_KERNEL_SUM,
                                  PYAD_KERNEL_MATMUL,
                                  PYAD_KERNEL_MATMUL,
                                  PYAD_KERNEL_AFFINE,
                                  PYAD_KERNEL_MIN,
                                  PYAD_KERNEL_MAX};

enum { PLANNED_ODD = 7, PLANNED_SUMS = 10, PLANNED_COUNT = sizeof planned_ops / sizeof planned_ops[0] };

static inline int any_op(const random_kind *kind)
{
    int64_t plain = PLANNED_COUNT - PLANNED_ODD - PLANNED_SUMS;
    int64_t k = test_random(plain + (kind->odd ? PLANNED_ODD : 0) + (kind->sums ? PLANNED_SUMS : 0));
    if (k >= plain && !kind->odd)
        k += PLANNED_ODD;
    return planned_ops[k];
}

static inline bool grow_planned(int op)
{
    switch (op) {
    case A_CALL:
        return grow_call();
    case PYAD_KERNEL_CONCATENATE:
        return grow_concatenate();
    case PYAD_KERNEL_SUM:
        return test_random(3) > 0 ? grow_sum() : grow_node(op);
    case PYAD_KERNEL_TAKE:
    case PYAD_KERNEL_ASSIGN:
    case PYAD_KERNEL_ASSIGN_AT:
    case PYAD_KERNEL_ADD_SLICE:
    case PYAD_KERNEL_ADD_ROWS:
        return grow_write(op);
    default:
        return grow_node(op);
    }
}

/* ---- outputs ---- */

/* As what a program stores: never an input itself or a part of one. */
static inline uint32_t storable(uint32_t node)
{
    uint32_t root = node;
    while (graph.nodes[root].kind == PYAD_G_RUN && pyad_kernel_is_view(graph.nodes[root].op))
        root = pyad_graph_arg(&graph, root, 0);
    return graph.nodes[root].kind == PYAD_G_INPUT ? CAST(node, graph.nodes[node].layout->dtype) : node;
}

/* Stores into some of the arguments, at times of one another. */
static inline void add_stores(void)
{
    for (uint32_t input = 0; input < graph.argument_count; input++) {
        if (test_random(4) > 0)
            continue;
        uint32_t node = any_like(input);
        for (int tries = 0; tries < 5 && !pyad_same_layout(graph.nodes[node].layout, graph.nodes[input].layout);
             tries++)
            node = any_like(input);
        if (pyad_same_layout(graph.nodes[node].layout, graph.nodes[input].layout))
            must(pyad_graph_add_output(&graph,
                                       (pyad_goutput){.kind = PYAD_G_STORE, .node = storable(node), .number = input}));
    }
}

/* Which nodes have bits that depend on how they are made. */
static inline bool *find_sums(void)
{
    bool *sums = calloc(graph.count, sizeof *sums);
    for (uint32_t node = 0; node < graph.count; node++) {
        const pyad_gnode *n = &graph.nodes[node];
        sums[node] = n->kind == PYAD_G_RUN &&
                     (n->op == PYAD_KERNEL_SUM || n->op == PYAD_KERNEL_CUMSUM || n->op == PYAD_KERNEL_MAX ||
                      n->op == PYAD_KERNEL_MIN || n->op == PYAD_KERNEL_MATMUL || n->op == PYAD_KERNEL_AFFINE);
        for (uint32_t k = 0; k < n->nargs; k++)
            sums[node] = sums[node] || sums[pyad_graph_arg(&graph, node, k)];
    }
    return sums;
}

/* The sign of a NaN depends on how it was made too: among odd numbers, only bools and whole numbers are guarded. */
static inline void add_guards(const random_kind *kind)
{
    bool *sums = find_sums();
    for (int64_t k = test_random(2) * test_random(kind->odd ? 8 : 3); k > 0; k--) {
        uint32_t node = any_node();
        bool whole = graph.nodes[node].layout->dtype == PYAD_BOOL || graph.nodes[node].layout->dtype == PYAD_I64;
        if (sums[node] || graph.nodes[node].layout->size == 0 || (kind->odd && !whole))
            continue;
        void *expected = pyad_arena_alloc(graph.arena, pyad_layout_bytes(graph.nodes[node].layout));
        must(pyad_graph_add_output(&graph, (pyad_goutput){.kind = PYAD_G_GUARD, .node = node, .expected = expected}));
    }
    free(sums);
}

static inline void add_results(void)
{
    int64_t count = 1 + test_random(6);
    for (int64_t k = 0; k < count; k++) {
        uint32_t node = test_random(6) == 0 ? (uint32_t)test_random((int64_t)graph.count) : any_node();
        must(pyad_graph_add_output(&graph, (pyad_goutput){.kind = PYAD_G_RESULT, .node = node, .number = (uint32_t)k}));
    }
}

/* Guards that hold. */
static inline void expect_guards(const pyad_graph *reference, void **values)
{
    for (size_t s = 0; s < reference->output_count; s++) {
        const pyad_goutput *output = &reference->outputs[s];
        if (output->kind == PYAD_G_GUARD)
            memcpy((void *)(uintptr_t)output->expected, values[output->node],
                   pyad_layout_bytes(reference->nodes[output->node].layout));
    }
}

static inline void grow_random(const random_kind *kind)
{
    int64_t count = 3 + test_random(40);
    last_part[0] = 0;
    few_numbers = true;
    chained = (uint32_t)test_random((int64_t)graph.count);
    for (int64_t made = 0; made < count;) {
        if (test_random(30) == 0)
            chained = any_node();
        made += grow_planned(any_op(kind));
    }
    add_guards(kind);
    add_results();
    add_stores();
}

#endif
