/* Simplification of element-wise loops that keeps IEEE results bit for bit, but for what NaNs carry.
 *
 * What looks as if it could be here and is not: x + 0 (-0 + 0 is 0), 0 * x (NaN, infinities, signs) and -(a - b)
 * (where a is b). */
#include "compile/passes/simplify.h"

#include <math.h>
#include <string.h>

#include "compile/passes/passes.h"
#include "primitives/info.h"

/* What a rule gives where it has nothing simpler. */
#define NONE UINT32_MAX

/* ---- numbers ---- */

/* Says whether all elements are one constant number, and which. */
static bool is_filled(const pyad_graph *graph, uint32_t node, double *value)
{
    while (pyad_graph_is_run(graph, node, PYAD_KERNEL_BROADCAST) || pyad_graph_is_run(graph, node, PYAD_KERNEL_RESHAPE))
        node = pyad_graph_arg(graph, node, 0);
    const pyad_gnode *n = &graph->nodes[node];
    if (n->kind != PYAD_G_CONST || n->layout->size == 0 || !pyad_dtype_is_float(n->layout->dtype))
        return false;
    *value = n->layout->dtype == PYAD_F64 ? *(const double *)n->data : (double)*(const float *)n->data;
    /* Each element is the one before it. */
    size_t item = pyad_dtype_size(n->layout->dtype);
    return memcmp(n->data, (const char *)n->data + item, pyad_layout_bytes(n->layout) - item) == 0;
}

static bool is_all(const pyad_graph *graph, uint32_t node, double wanted)
{
    double value;
    return is_filled(graph, node, &value) && value == wanted && signbit(value) == signbit(wanted);
}

/* Says whether x / value is x * *inverse for every x: both round the same number. */
static bool has_exact_inverse(double value, int dtype, double *inverse)
{
    int exponent;
    if (value == 0 || !isfinite(value) || fabs(frexp(value, &exponent)) != 0.5)
        return false;
    *inverse = 1 / value;
    return isfinite(*inverse) && (dtype == PYAD_F64 || (double)(float)*inverse == *inverse);
}

/* ---- rules, by loop ---- */

static pyad_status negate(pyad_graph *graph, uint32_t x, uint32_t *number)
{
    if (pyad_graph_is_run(graph, x, PYAD_LOOP_NEG)) {
        *number = pyad_graph_arg(graph, x, 0);
        return PYAD_OK;
    }
    return pyad_graph_run(graph, PYAD_LOOP_NEG, NULL, 1, &x, number);
}

static pyad_status simplify_add(pyad_graph *graph, const uint32_t *args, uint32_t *number)
{
    for (int k = 1; k >= 0; k--) {
        if (is_all(graph, args[k], -0.0)) {
            *number = args[1 - k];
            return PYAD_OK;
        }
    }
    for (int k = 1; k >= 0; k--) {
        if (pyad_graph_is_run(graph, args[k], PYAD_LOOP_NEG)) {
            const uint32_t both[2] = {args[1 - k], pyad_graph_arg(graph, args[k], 0)};
            return pyad_graph_run(graph, PYAD_LOOP_SUB, NULL, 2, both, number);
        }
    }
    return PYAD_OK;
}

static pyad_status simplify_sub(pyad_graph *graph, const uint32_t *args, uint32_t *number)
{
    if (is_all(graph, args[1], 0.0)) {
        *number = args[0];
        return PYAD_OK;
    }
    if (!pyad_graph_is_run(graph, args[1], PYAD_LOOP_NEG))
        return PYAD_OK;
    const uint32_t both[2] = {args[0], pyad_graph_arg(graph, args[1], 0)};
    return pyad_graph_run(graph, PYAD_LOOP_ADD, NULL, 2, both, number);
}

/* -x * value is x * -value. */
static pyad_status negate_factor(pyad_graph *graph, uint32_t negated, double value, uint32_t *number)
{
    uint32_t both[2] = {pyad_graph_arg(graph, negated, 0), 0};
    PYAD_TRY(pyad_graph_number(graph, -value, graph->nodes[negated].layout->dtype, &both[1]));
    return pyad_graph_run(graph, PYAD_LOOP_MUL, NULL, 2, both, number);
}

static pyad_status simplify_mul(pyad_graph *graph, const uint32_t *args, uint32_t *number)
{
    double value;
    for (int k = 1; k >= 0; k--) {
        if (is_all(graph, args[k], 1.0)) {
            *number = args[1 - k];
            return PYAD_OK;
        }
        if (is_all(graph, args[k], -1.0))
            return negate(graph, args[1 - k], number);
        if (pyad_graph_is_run(graph, args[1 - k], PYAD_LOOP_NEG) && is_filled(graph, args[k], &value))
            return negate_factor(graph, args[1 - k], value, number);
    }
    return PYAD_OK;
}

static pyad_status simplify_div(pyad_graph *graph, const uint32_t *args, uint32_t *number)
{
    double value;
    double inverse;
    int dtype = graph->nodes[args[1]].layout->dtype;
    if (!is_filled(graph, args[1], &value))
        return PYAD_OK;
    if (value == 1) {
        *number = args[0];
        return PYAD_OK;
    }
    if (value == -1)
        return negate(graph, args[0], number);
    if (!has_exact_inverse(value, dtype, &inverse))
        return PYAD_OK;
    uint32_t both[2] = {args[0], 0};
    PYAD_TRY(pyad_graph_number(graph, inverse, dtype, &both[1]));
    return pyad_graph_run(graph, PYAD_LOOP_MUL, NULL, 2, both, number);
}

/* A node whose value, broadcast, is the loop's; *number is left alone where there is none. */
static pyad_status simplify(pyad_graph *graph, int loop, const uint32_t *args, uint32_t *number)
{
    switch (loop) {
    case PYAD_LOOP_ADD:
        return simplify_add(graph, args, number);
    case PYAD_LOOP_SUB:
        return simplify_sub(graph, args, number);
    case PYAD_LOOP_MUL:
        return simplify_mul(graph, args, number);
    case PYAD_LOOP_DIV:
        return simplify_div(graph, args, number);
    case PYAD_LOOP_NEG:
        if (pyad_graph_is_run(graph, args[0], PYAD_LOOP_NEG))
            *number = pyad_graph_arg(graph, args[0], 0);
        return PYAD_OK;
    case PYAD_LOOP_WHERE:
        if (args[1] == args[2])
            *number = args[1];
        return PYAD_OK;
    default:
        return PYAD_OK;
    }
}

/* ---- operands ---- */

static bool keeps_shape(const pyad_graph *graph, const pyad_gnode *node, const uint32_t *args)
{
    const pyad_layout *layouts[3];
    int64_t shape[PYAD_MAX_NDIM] = {0};
    int ndim;
    for (uint32_t k = 0; k < node->nargs; k++)
        layouts[k] = graph->nodes[args[k]].layout;
    return pyad_broadcast_shapes((int)node->nargs, layouts, shape, &ndim) && ndim == node->layout->ndim &&
           memcmp(shape, pyad_shape(node->layout), (size_t)ndim * sizeof *shape) == 0;
}

/* A loop broadcasts by itself: broadcasts go where the other operands give the shape. */
static void strip_broadcasts(const pyad_graph *graph, const pyad_gnode *node, uint32_t *args)
{
    for (uint32_t k = 0; k < node->nargs; k++) {
        while (pyad_graph_is_run(graph, args[k], PYAD_KERNEL_BROADCAST)) {
            uint32_t wide = args[k];
            args[k] = pyad_graph_arg(graph, wide, 0);
            if (!keeps_shape(graph, node, args)) {
                args[k] = wide;
                break;
            }
        }
    }
}

static pyad_status rewrite_loop(pyad_graph *graph, const pyad_gnode *node, const uint32_t *given, uint32_t *number)
{
    uint32_t args[3];
    uint32_t simple = NONE;
    memcpy(args, given, node->nargs * sizeof *args);
    strip_broadcasts(graph, node, args);
    PYAD_TRY(simplify(graph, node->op, args, &simple));
    if (simple == NONE)
        return pyad_graph_add(graph, node, args, number);
    return pyad_graph_broadcast(graph, simple, node->layout, number);
}

/* ---- the pass ---- */

static pyad_status rewrite(void *context, const pyad_graph *old, uint32_t number, pyad_graph *graph,
                           const uint32_t *args, uint32_t *made)
{
    (void)context;
    const pyad_gnode *node = &old->nodes[number];
    if (node->kind != PYAD_G_RUN)
        return pyad_graph_copy_node(old, number, graph, args, made);
    if (pyad_kernel_is_loop(node->op))
        return rewrite_loop(graph, node, args, made);
    return pyad_simplify_views(graph, node, args, made);
}

pyad_status pyad_pass_simplify(const pyad_graph *old, pyad_graph *graph)
{
    return pyad_graph_rewrite(old, graph, rewrite, NULL);
}
