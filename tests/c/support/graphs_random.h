/* Random graphs: kernels on random nodes, with shapes, numbers and parts that often fit together. */
#ifndef PYAD_TESTS_GRAPHS_RANDOM_H
#define PYAD_TESTS_GRAPHS_RANDOM_H

#include "primitives/info.h"
#include "support/graphs.h"

/* A part that was used, so that others are the same, overlap or do not. */
static int64_t last_part[1 + 2 + 2 * 3];
/* Where not 0: shapes are made of these two lengths, which may be long. */
static int64_t row_shapes[2];

/* Whether constants are to be picked rarely. */
static bool few_numbers;

/* Often a late one, so that graphs get deep. */
static inline uint32_t any_node(void)
{
    int64_t count = (int64_t)graph.count;
    int tries = few_numbers ? 4 : 1;
    uint32_t node = 0;
    while (tries-- > 0) {
        node = (uint32_t)(test_random(3) == 0 ? test_random(count) : count - 1 - test_random(count < 8 ? count : 8));
        if (graph.nodes[node].kind == PYAD_G_RUN)
            break;
    }
    return node;
}

/* A node that has the shape of another and its dtype, where one is found soon. */
static inline uint32_t any_like(uint32_t node)
{
    const pyad_layout *wanted = graph.nodes[node].layout;
    uint32_t found = any_node();
    for (int tries = 0; tries < 12 && !pyad_same_layout(graph.nodes[found].layout, wanted); tries++)
        found = any_node();
    return found;
}

static inline uint32_t any_number(void)
{
    static const double numbers[] = {1, -1, 0.0, -0.0, 2, 0.5, -4, 3};
    uint32_t node;
    must(pyad_graph_number(&graph, numbers[test_random(8)], test_random(4) == 0 ? PYAD_F32 : PYAD_F64, &node));
    return node;
}

/* A node, or at times a number. */
static inline uint32_t any_operand(void)
{
    return test_random(4) == 0 ? any_number() : any_node();
}

static inline int any_row_shape(int64_t *shape)
{
    int64_t m = row_shapes[0];
    int64_t n = row_shapes[1];
    const struct {
        int ndim;
        int64_t shape[3];
    } shapes[] = {{0, {0}},     {1, {n}},       {2, {1, n}},    {2, {m, n}},    {2, {m, n}},
                  {2, {m, 1}},  {3, {2, m, n}}, {3, {2, 1, n}}, {3, {2, m, 1}}, {2, {n, m}},
                  {1, {m * n}}, {3, {m, 1, n}}, {2, {0, n}},    {2, {n, 1}}};
    int64_t k = test_random(sizeof shapes / sizeof shapes[0]);
    memcpy(shape, shapes[k].shape, sizeof shapes[k].shape);
    return shapes[k].ndim;
}

static inline int any_shape(int64_t *shape)
{
    if (row_shapes[0] != 0)
        return any_row_shape(shape);
    static const struct {
        int ndim;
        int64_t shape[3];
    } shapes[] = {{0, {0}},    {1, {3}},       {2, {1, 3}}, {2, {2, 3}},    {2, {3, 2}},
                  {2, {2, 1}}, {1, {6}},       {2, {2, 2}}, {3, {2, 1, 3}}, {2, {3, 3}},
                  {2, {0, 3}}, {3, {1, 1, 1}}, {2, {3, 1}}, {1, {1}},       {2, {1, 1}}};
    int64_t k = test_random(sizeof shapes / sizeof shapes[0]);
    memcpy(shape, shapes[k].shape, sizeof shapes[k].shape);
    return shapes[k].ndim;
}

static inline void params_shape(int64_t *params)
{
    params[0] = any_shape(params + 1);
}

static inline void params_transpose(const pyad_layout *in, int64_t *params)
{
    params[0] = in->ndim;
    for (int64_t d = 0; d < in->ndim; d++) {
        int64_t at = test_random(d + 1);
        memmove(params + 2 + at, params + 1 + at, (size_t)(d - at) * sizeof *params);
        params[1 + at] = d;
    }
}

/* (start, step, count) for each dimension. */
static inline void fill_slice(int ndim, const int64_t *shape, int64_t *triples)
{
    for (int d = 0; d < ndim; d++) {
        int64_t *at = triples + 3 * d;
        bool whole = test_random(2) == 0 || shape[d] == 0;
        at[0] = whole ? 0 : test_random(shape[d]);
        at[1] = whole ? 1 : test_random(2) == 0 ? -1 : 1 + test_random(2);
        int64_t room = at[1] < 0 ? at[0] + 1 : (shape[d] - 1 - at[0]) / at[1] + 1;
        at[2] = whole ? shape[d] : test_random(3) == 0 ? -1 : test_random(room + 1);
    }
}

static inline void params_slice(const pyad_layout *in, int64_t *params)
{
    params[0] = 3 * in->ndim;
    fill_slice(in->ndim, pyad_shape(in), params + 1);
}

static inline void params_unslice(int64_t *params)
{
    params[1] = any_shape(params + 2);
    params[0] = 1 + 4 * params[1];
    fill_slice((int)params[1], params + 2, params + 2 + params[1]);
}

/* Often the last part again, or one like it at another place. */
static inline void params_part(const pyad_layout *in, int64_t *params)
{
    if (last_part[0] == 0 || test_random(3) == 0) {
        last_part[2] = test_random(3);
        last_part[0] = 2 + 2 * last_part[2];
        last_part[1] = test_random(in->size + 1);
        for (int64_t d = 0; d < last_part[2]; d++) {
            last_part[3 + d] = test_random(4);
            last_part[3 + last_part[2] + d] = test_random(6) - 1;
        }
    }
    if (test_random(2) == 0)
        last_part[1] = test_random(in->size + 1);
    if (test_random(8) == 0) {
        const int64_t whole[] = {4, 0, 1, in->size, 1};
        memcpy(last_part, whole, sizeof whole);
    }
    if (row_shapes[0] != 0 && test_random(2) == 0) {
        const int64_t n = row_shapes[1];
        const int64_t row[] = {4, test_random(in->size / n + 1) * n, 1, n, 1};
        const int64_t column[] = {4, test_random(n), 1, row_shapes[0], n};
        memcpy(last_part, test_random(2) == 0 ? row : column, sizeof row);
    }
    memcpy(params, last_part, sizeof last_part);
}

static inline const int64_t *any_params(int op, const pyad_layout *in, int64_t *params)
{
    switch (op) {
    case PYAD_KERNEL_RESHAPE:
    case PYAD_KERNEL_BROADCAST:
        params_shape(params);
        return params;
    case PYAD_KERNEL_TRANSPOSE:
        params_transpose(in, params);
        return params;
    case PYAD_KERNEL_SLICE:
        params_slice(in, params);
        return params;
    case PYAD_KERNEL_UNSLICE:
        params_unslice(params);
        return params;
    case PYAD_KERNEL_STRIDED_VIEW:
    case PYAD_KERNEL_ASSIGN:
        params_part(in, params);
        return params;
    case PYAD_KERNEL_SUM:
    case PYAD_KERNEL_MAX:
    case PYAD_KERNEL_MIN:
        params[0] = 2;
        params[1] = test_random((int64_t)1 << in->ndim);
        params[2] = test_random(2);
        return params;
    case PYAD_KERNEL_CUMSUM:
        params[0] = 2;
        params[1] = in->ndim > 0 ? test_random(in->ndim) : 0;
        params[2] = test_random(2);
        return params;
    case PYAD_KERNEL_CAST:
        params[0] = 1;
        params[1] = test_random(3) == 0 ? PYAD_F32 : in->dtype;
        return params;
    case PYAD_KERNEL_PUT:
        params[0] = 1;
        params[1] = 2 + test_random(2);
        return params;
    default:
        return NULL;
    }
}

/* Kernels of graphs with any numbers; those whose results rounding may turn upside down come last. */
static const int grown_ops[] = {
    PYAD_LOOP_ADD,
    PYAD_LOOP_ADD,
    PYAD_LOOP_SUB,
    PYAD_LOOP_MUL,
    PYAD_LOOP_MUL,
    PYAD_LOOP_NEG,
    PYAD_LOOP_NEG,
    PYAD_LOOP_WHERE,
    PYAD_KERNEL_ALIAS,
    PYAD_KERNEL_RESHAPE,
    PYAD_KERNEL_RESHAPE,
    PYAD_KERNEL_BROADCAST,
    PYAD_KERNEL_BROADCAST,
    PYAD_KERNEL_TRANSPOSE,
    PYAD_KERNEL_TRANSPOSE,
    PYAD_KERNEL_SLICE,
    PYAD_KERNEL_UNSLICE,
    PYAD_KERNEL_UNSLICE,
    PYAD_KERNEL_STRIDED_VIEW,
    PYAD_KERNEL_STRIDED_VIEW,
    PYAD_KERNEL_ASSIGN,
    PYAD_KERNEL_ASSIGN,
    PYAD_KERNEL_ASSIGN,
    PYAD_KERNEL_SUM,
    PYAD_KERNEL_MAX,
    PYAD_KERNEL_CAST,
    PYAD_KERNEL_PUT,
    PYAD_KERNEL_MATMUL,
    PYAD_KERNEL_MATMUL,
    PYAD_KERNEL_MATMUL,
    PYAD_LOOP_DIV,
    PYAD_LOOP_DIV,
    PYAD_LOOP_EXP,
    PYAD_LOOP_LT,
};

enum { GROWN_TAME = 4 };

/* One more node of kernel `op`; false where the operands do not fit. */
static inline bool grow_node(int op)
{
    uint32_t args[3];
    uint32_t node;
    int64_t params[32];
    int nargs = pyad_kernel_nargs(op);
    size_t count = graph.count;
    for (int k = 0; k < nargs; k++) {
        bool like = k > 0 && pyad_kernel_is_loop(op) && test_random(3) > 0;
        args[k] = like ? any_like(args[k - 1]) : any_operand();
    }
    if (op == PYAD_KERNEL_ASSIGN)
        args[0] = any_node();
    const int64_t *used = any_params(op, graph.nodes[args[0]].layout, params);
    if (used != NULL)
        used = pyad_graph_params(&graph, (int)used[0], used + 1);
    bool fits = pyad_graph_run(&graph, op, used, nargs, args, &node) == PYAD_OK;
    /* Whether a sum over one element keeps the sign of -0 depends on how the kernel walks. */
    if (fits && op == PYAD_KERNEL_SUM)
        fits = graph.nodes[node].layout->size != graph.nodes[args[0]].layout->size;
    if (!fits)
        graph.count = count;
    return fits;
}

/* Adds `count` nodes and makes the later ones results. */
static inline void grow_graph(int count, bool tame)
{
    int64_t ops = (int64_t)(sizeof grown_ops / sizeof grown_ops[0]) - (tame ? GROWN_TAME : 0);
    size_t start = graph.count;
    last_part[0] = 0;
    for (int made = 0; made < count;)
        made += grow_node(grown_ops[test_random(ops)]);
    for (uint32_t node = (uint32_t)start; node < graph.count; node++) {
        if (test_random(4) == 0)
            add_output(PYAD_G_RESULT, node);
    }
}

#endif
