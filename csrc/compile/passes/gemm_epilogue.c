/* Products that add to something, and scales of products. Results are equal up to rounding.
 *
 * A product that is used once has no need of memory of its own where it is added to x: AFFINE adds into a copy of x, or
 * into x itself where nobody else needs it. So a step of gradient descent, w - rate (x^T s), is one product that adds
 * x^T (-rate s) to w. A factor is scaled instead of the product only where it is the smaller of the two. */
#include "compile/passes/passes.h"

typedef struct job {
    const pyad_graph *old;
    const uint32_t *uses; /* of the old nodes */
    pyad_graph *graph;
    const pyad_gnode *node;   /* the old node that is being rewritten, ... */
    const uint32_t *old_args; /* ... its operands in the old graph, ... */
    const uint32_t *args;     /* ... and in the new one */
} job;

/* Says whether operand k is a product that nothing else uses. The new node may be a product where the old one was a
 * scaled one. */
static bool is_product(const job *j, int k)
{
    return j->uses[j->old_args[k]] == 1 && pyad_graph_is_run(j->graph, j->args[k], PYAD_KERNEL_MATMUL);
}

static int64_t size_of(const pyad_graph *graph, uint32_t node)
{
    return graph->nodes[node].layout->size;
}

static bool is_single(const pyad_graph *graph, uint32_t node)
{
    return graph->nodes[node].layout->ndim == 0;
}

/* The operand of a MUL that is a 0-d value, or -1. */
static int find_scale(const pyad_graph *graph, uint32_t node)
{
    if (!pyad_graph_is_run(graph, node, PYAD_LOOP_MUL))
        return -1;
    for (int k = 0; k < 2; k++) {
        if (is_single(graph, pyad_graph_arg(graph, node, (uint32_t)k)))
            return k;
    }
    return -1;
}

static uint32_t below_transposes(const pyad_graph *graph, uint32_t node)
{
    while (pyad_graph_is_run(graph, node, PYAD_KERNEL_TRANSPOSE))
        node = pyad_graph_arg(graph, node, 0);
    return node;
}

/* Says whether the negative of a factor costs no more than the factor does. */
static bool negates_freely(const pyad_graph *graph, uint32_t factor)
{
    factor = below_transposes(graph, factor);
    return find_scale(graph, factor) >= 0 || pyad_graph_is_run(graph, factor, PYAD_LOOP_NEG);
}

/* ---- scaling a factor ---- */

/* What is done to a product or a factor: NEG, or MUL or DIV by a 0-d node. */
typedef struct change {
    int loop;
    uint32_t by;
} change;

static pyad_status run_change(pyad_graph *graph, change what, uint32_t x, uint32_t *number)
{
    const uint32_t both[2] = {x, what.by};
    return pyad_graph_run(graph, what.loop, NULL, what.loop == PYAD_LOOP_NEG ? 1 : 2, both, number);
}

static pyad_status negate_single(pyad_graph *graph, uint32_t x, uint32_t *number)
{
    double value;
    if (pyad_graph_is_number(graph, x, &value))
        return pyad_graph_number(graph, -value, graph->nodes[x].layout->dtype, number);
    return pyad_graph_run(graph, PYAD_LOOP_NEG, NULL, 1, &x, number);
}

static pyad_status negate(pyad_graph *graph, uint32_t x, uint32_t *number)
{
    int scale = find_scale(graph, x);
    if (pyad_graph_is_run(graph, x, PYAD_LOOP_NEG)) {
        *number = pyad_graph_arg(graph, x, 0);
        return PYAD_OK;
    }
    if (scale < 0)
        return pyad_graph_run(graph, PYAD_LOOP_NEG, NULL, 1, &x, number);
    uint32_t both[2] = {pyad_graph_arg(graph, x, 0), pyad_graph_arg(graph, x, 1)};
    PYAD_TRY(negate_single(graph, both[scale], &both[scale]));
    return pyad_graph_run(graph, PYAD_LOOP_MUL, NULL, 2, both, number);
}

/* Below a transpose, so that elements are read and written in the order in which they lie. */
static pyad_status change_factor(pyad_graph *graph, change what, uint32_t factor, uint32_t *number)
{
    if (pyad_graph_is_run(graph, factor, PYAD_KERNEL_TRANSPOSE)) {
        const int64_t *axes = graph->nodes[factor].params;
        PYAD_TRY(change_factor(graph, what, pyad_graph_arg(graph, factor, 0), &factor));
        return pyad_graph_run(graph, PYAD_KERNEL_TRANSPOSE, axes, 1, &factor, number);
    }
    return what.loop == PYAD_LOOP_NEG ? negate(graph, factor, number) : run_change(graph, what, factor, number);
}

/* Which factor to change instead of the product; -1 for neither. */
static int choose_factor(const pyad_graph *graph, change what, uint32_t product)
{
    const uint32_t *factors = pyad_graph_args(graph, product);
    int small = size_of(graph, factors[0]) < size_of(graph, factors[1]) ? 0 : 1;
    for (int k = 0; k < 2 && what.loop == PYAD_LOOP_NEG; k++) {
        if (negates_freely(graph, factors[k]))
            return k;
    }
    return size_of(graph, factors[small]) < size_of(graph, product) ? small : -1;
}

/* The factors of the changed product. false where the product itself is to be changed. */
static pyad_status change_product(pyad_graph *graph, change what, uint32_t product, uint32_t *factors, bool *done)
{
    int k = choose_factor(graph, what, product);
    *done = k >= 0;
    factors[0] = pyad_graph_arg(graph, product, 0);
    factors[1] = pyad_graph_arg(graph, product, 1);
    return *done ? change_factor(graph, what, factors[k], &factors[k]) : PYAD_OK;
}

/* ---- rules ---- */

/* Each sets *done where it has made the node. */
static pyad_status scale_product(const job *j, int k, change what, uint32_t *number, bool *done)
{
    uint32_t factors[2];
    *done = false;
    if (!is_product(j, k))
        return PYAD_OK;
    PYAD_TRY(change_product(j->graph, what, j->args[k], factors, done));
    return *done ? pyad_graph_run(j->graph, PYAD_KERNEL_MATMUL, NULL, 2, factors, number) : PYAD_OK;
}

/* Says whether operand k is a product that can take the other operand as what it adds to. */
static bool can_add(const job *j, int k)
{
    return is_product(j, k) && j->node->layout->ndim == 2 &&
           pyad_same_shape(j->graph->nodes[j->args[k]].layout, j->node->layout);
}

static pyad_status add_to(const job *j, int k, const uint32_t *factors, uint32_t *number)
{
    const uint32_t all[3] = {factors[0], factors[1], j->args[1 - k]};
    return pyad_graph_run(j->graph, PYAD_KERNEL_AFFINE, NULL, 3, all, number);
}

/* Says whether operand k is a sum of two products that nothing else uses, of which one adds to the other. */
static bool is_sum_of_products(const job *j, int k)
{
    uint32_t old = j->old_args[k];
    uint32_t sum = j->args[k];
    if (j->uses[old] != 1 || !pyad_graph_is_run(j->old, old, PYAD_LOOP_ADD) ||
        !pyad_graph_is_run(j->graph, sum, PYAD_KERNEL_AFFINE))
        return false;
    uint32_t first = pyad_graph_arg(j->graph, sum, 2);
    const pyad_layout *layout = j->graph->nodes[sum].layout;
    return j->uses[pyad_graph_arg(j->old, old, 0)] == 1 && j->uses[pyad_graph_arg(j->old, old, 1)] == 1 &&
           pyad_graph_is_run(j->graph, first, PYAD_KERNEL_MATMUL) && pyad_same_shape(layout, j->node->layout) &&
           pyad_same_shape(layout, j->graph->nodes[first].layout);
}

/* x @ w + h @ u + bias: the first product adds to the bias, the other one to that. */
static pyad_status add_below(const job *j, int k, uint32_t *number)
{
    const uint32_t *sum = pyad_graph_args(j->graph, j->args[k]);
    uint32_t all[3] = {sum[0], sum[1], 0};
    const uint32_t *first = pyad_graph_args(j->graph, sum[2]);
    const uint32_t below[3] = {first[0], first[1], j->args[1 - k]};
    PYAD_TRY(pyad_graph_run(j->graph, PYAD_KERNEL_AFFINE, NULL, 3, below, &all[2]));
    return pyad_graph_run(j->graph, PYAD_KERNEL_AFFINE, NULL, 3, all, number);
}

static pyad_status rewrite_add(const job *j, uint32_t *number, bool *done)
{
    /* The later product adds to the earlier one. */
    int k = can_add(j, 1) && (!can_add(j, 0) || j->args[1] > j->args[0]) ? 1 : 0;
    *done = can_add(j, k);
    for (int other = 0; other < 2 && !*done; other++) {
        if (is_sum_of_products(j, other)) {
            *done = true;
            return add_below(j, other, number);
        }
    }
    if (!*done)
        return PYAD_OK;
    const uint32_t factors[2] = {pyad_graph_arg(j->graph, j->args[k], 0), pyad_graph_arg(j->graph, j->args[k], 1)};
    return add_to(j, k, factors, number);
}

static pyad_status rewrite_sub(const job *j, uint32_t *number, bool *done)
{
    uint32_t factors[2];
    if (!can_add(j, 1))
        return PYAD_OK;
    PYAD_TRY(change_product(j->graph, (change){PYAD_LOOP_NEG, 0}, j->args[1], factors, done));
    return *done ? add_to(j, 1, factors, number) : PYAD_OK;
}

static pyad_status rewrite_mul(const job *j, uint32_t *number, bool *done)
{
    for (int k = 0; k < 2 && !*done; k++) {
        if (is_single(j->graph, j->args[1 - k]))
            PYAD_TRY(scale_product(j, k, (change){PYAD_LOOP_MUL, j->args[1 - k]}, number, done));
    }
    return PYAD_OK;
}

static pyad_status rewrite_loop(const job *j, uint32_t *number, bool *done)
{
    switch (j->node->op) {
    case PYAD_LOOP_ADD:
        return rewrite_add(j, number, done);
    case PYAD_LOOP_SUB:
        return rewrite_sub(j, number, done);
    case PYAD_LOOP_MUL:
        return rewrite_mul(j, number, done);
    case PYAD_LOOP_DIV:
        if (!is_single(j->graph, j->args[1]))
            return PYAD_OK;
        return scale_product(j, 0, (change){PYAD_LOOP_DIV, j->args[1]}, number, done);
    case PYAD_LOOP_NEG:
        return scale_product(j, 0, (change){PYAD_LOOP_NEG, 0}, number, done);
    default:
        return PYAD_OK;
    }
}

/* ---- the pass ---- */

static pyad_status rewrite(void *context, const pyad_graph *old, uint32_t node, pyad_graph *graph, const uint32_t *args,
                           uint32_t *number)
{
    const job j = {old, context, graph, &old->nodes[node], pyad_graph_args(old, node), args};
    bool done = false;
    if (j.node->kind == PYAD_G_RUN)
        PYAD_TRY(rewrite_loop(&j, number, &done));
    return done ? PYAD_OK : pyad_graph_copy_node(old, node, graph, args, number);
}

pyad_status pyad_pass_gemm_epilogue(const pyad_graph *old, pyad_graph *graph)
{
    return pyad_graph_rewrite_used(old, graph, rewrite);
}
