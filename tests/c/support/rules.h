/* The part that Python plays, in C: serves the rule requests of a sweep by recording the derivatives of a few
 * operations, through the public header only. */
#ifndef PYAD_TESTS_RULES_H
#define PYAD_TESTS_RULES_H

#include <stdbool.h>
#include <string.h>

#include "engine/debug_api.h"
#include "primitives/list.h"
#include "pyad.h"

enum { RULE_MOST = 200 };

static int64_t test_generation = 1;
static int64_t test_rules_asked = 0;

/* The status in what a call returned: 0 for a handle. */
static inline int test_status(int64_t returned)
{
    return returned >= PYAD_FAILED ? (int)(returned - PYAD_FAILED) : 0;
}

/* What a rule is recorded from. `failed` is the first status that was not 0. */
typedef struct test_rule {
    pyad_info node;
    pyad_info operands[RULE_MOST];
    int64_t in[RULE_MOST + 2]; /* operands, result, seed */
    int64_t out[RULE_MOST];
    int nargs;
    int failed;
} test_rule;

static inline int64_t rule_kept(test_rule *r, int64_t returned)
{
    if (r->failed == 0)
        r->failed = test_status(returned);
    return returned;
}

static inline int64_t rule1(test_rule *r, int op, int64_t a)
{
    return rule_kept(r, pyad_op1(op, a));
}

static inline int64_t rule2(test_rule *r, int op, int64_t a, int64_t b)
{
    return rule_kept(r, pyad_op2(op, a, b));
}

static inline int64_t rule_params(test_rule *r, int op, int64_t a, int count, const int64_t *params)
{
    return rule_kept(r, pyad_op(op, 1, &a, count, params));
}

static inline int64_t rule_reshape(test_rule *r, int64_t a, const pyad_info *like)
{
    return rule_params(r, PYAD_KERNEL_RESHAPE, a, like->ndim, like->shape);
}

/* The shape that a reduction has when it keeps its axes. */
static inline int rule_kept_shape(const test_rule *r, uint32_t axes, int64_t *shape)
{
    const pyad_info *x = &r->operands[0];
    for (int d = 0; d < x->ndim; d++)
        shape[d] = axes >> d & 1 ? 1 : x->shape[d];
    return x->ndim;
}

/* A result or seed without the reduced axes, with them again. */
static inline int64_t rule_keep_axes(test_rule *r, uint32_t axes, int64_t a)
{
    int64_t shape[PYAD_MAX_NDIM];
    int ndim = rule_kept_shape(r, axes, shape);
    if (r->node.ndim == ndim)
        return a;
    return rule_params(r, PYAD_KERNEL_RESHAPE, a, ndim, shape);
}

/* What multiplies a tangent of an operand that is reduced by the maximum or logsumexp. */
static inline int64_t rule_weights(test_rule *r, uint32_t axes)
{
    int64_t y = rule_keep_axes(r, axes, r->in[1]);
    if (r->node.op == PYAD_KERNEL_LOGSUMEXP)
        return rule1(r, PYAD_LOOP_EXP, rule2(r, PYAD_LOOP_SUB, r->in[0], y));
    int64_t equal = rule2(r, PYAD_LOOP_EQ, r->in[0], y);
    int64_t numbers[3] = {equal, rule_kept(r, pyad_const_number(1, r->node.dtype)),
                          rule_kept(r, pyad_const_number(0, r->node.dtype))};
    return rule_kept(r, pyad_op(PYAD_LOOP_WHERE, 3, numbers, -1, NULL));
}

static inline uint32_t rule_axes(const test_rule *r)
{
    if (r->node.op == PYAD_KERNEL_LOGSUMEXP)
        return (uint32_t)1 << r->node.params[1];
    return (uint32_t)r->node.params[1];
}

static inline int rule_loop1(test_rule *r)
{
    int64_t x = r->in[0];
    int64_t y = r->in[1];
    int64_t seed = r->in[2];
    switch (r->node.op) {
    case PYAD_LOOP_NEG:
        r->out[0] = rule1(r, PYAD_LOOP_NEG, seed);
        break;
    case PYAD_LOOP_EXP:
        r->out[0] = rule2(r, PYAD_LOOP_MUL, seed, y);
        break;
    case PYAD_LOOP_LOG:
        r->out[0] = rule2(r, PYAD_LOOP_DIV, seed, x);
        break;
    case PYAD_LOOP_TANH:
        y = rule_kept(r, pyad_opn2(PYAD_LOOP_SUB, 1.0, rule1(r, PYAD_LOOP_SQUARE, y)));
        r->out[0] = rule2(r, PYAD_LOOP_MUL, seed, y);
        break;
    case PYAD_LOOP_SIN:
        r->out[0] = rule2(r, PYAD_LOOP_MUL, seed, rule1(r, PYAD_LOOP_COS, x));
        break;
    case PYAD_LOOP_COS:
        r->out[0] = rule2(r, PYAD_LOOP_MUL, seed, rule1(r, PYAD_LOOP_NEG, rule1(r, PYAD_LOOP_SIN, x)));
        break;
    case PYAD_LOOP_SQRT:
        y = rule_kept(r, pyad_opn2(PYAD_LOOP_DIV, 0.5, y));
        r->out[0] = rule2(r, PYAD_LOOP_MUL, seed, y);
        break;
    case PYAD_LOOP_SQUARE:
        x = rule_kept(r, pyad_op2n(PYAD_LOOP_MUL, x, 2.0));
        r->out[0] = rule2(r, PYAD_LOOP_MUL, seed, x);
        break;
    default:
        return -1;
    }
    return PYAD_FORWARD_SAME;
}

static inline int rule_loop2(test_rule *r)
{
    int64_t a = r->in[0];
    int64_t b = r->in[1];
    int64_t seed = r->in[3];
    switch (r->node.op) {
    case PYAD_LOOP_ADD:
        r->out[0] = seed;
        r->out[1] = seed;
        break;
    case PYAD_LOOP_SUB:
        r->out[0] = seed;
        r->out[1] = rule1(r, PYAD_LOOP_NEG, seed);
        break;
    case PYAD_LOOP_MUL:
        r->out[0] = rule2(r, PYAD_LOOP_MUL, seed, b);
        r->out[1] = rule2(r, PYAD_LOOP_MUL, seed, a);
        break;
    case PYAD_LOOP_DIV:
        r->out[0] = rule2(r, PYAD_LOOP_DIV, seed, b);
        r->out[1] = rule1(r, PYAD_LOOP_NEG, rule2(r, PYAD_LOOP_MUL, r->out[0], r->in[2]));
        break;
    default:
        return -1;
    }
    return PYAD_FORWARD_SAME;
}

static inline int rule_where(test_rule *r)
{
    int64_t zero = rule_kept(r, pyad_const_number(0, r->node.dtype));
    int64_t left[3] = {r->in[0], r->in[4], zero};
    int64_t right[3] = {r->in[0], zero, r->in[4]};
    r->out[0] = -1;
    r->out[1] = rule_kept(r, pyad_op(PYAD_LOOP_WHERE, 3, left, -1, NULL));
    r->out[2] = rule_kept(r, pyad_op(PYAD_LOOP_WHERE, 3, right, -1, NULL));
    return PYAD_FORWARD_SAME;
}

static inline int rule_transpose(test_rule *r, int64_t seed)
{
    int64_t inverse[PYAD_MAX_NDIM];
    for (int d = 0; d < r->node.ndim; d++)
        inverse[r->node.params[1 + d]] = d;
    r->out[0] = rule_params(r, PYAD_KERNEL_TRANSPOSE, seed, r->node.ndim, inverse);
    return PYAD_FORWARD_LINEAR;
}

static inline int rule_slice(test_rule *r, int64_t seed)
{
    const pyad_info *x = &r->operands[0];
    int64_t params[200] = {x->ndim};
    memcpy(params + 1, x->shape, (size_t)x->ndim * sizeof *params);
    memcpy(params + 1 + x->ndim, r->node.params + 1, 3 * (size_t)x->ndim * sizeof *params);
    r->out[0] = rule_params(r, PYAD_KERNEL_UNSLICE, seed, 1 + 4 * x->ndim, params);
    return PYAD_FORWARD_LINEAR;
}

static inline int rule_concatenate(test_rule *r, int64_t seed)
{
    int64_t axis = r->node.params[1];
    int64_t start = 0;
    for (int k = 0; k < r->nargs; k++) {
        int64_t params[96];
        for (int d = 0; d < r->node.ndim; d++) {
            params[3 * d] = d == axis ? start : 0;
            params[3 * d + 1] = 1;
            params[3 * d + 2] = r->operands[k].shape[d];
        }
        r->out[k] = rule_params(r, PYAD_KERNEL_SLICE, seed, 3 * r->node.ndim, params);
        start += r->operands[k].shape[axis];
    }
    return PYAD_FORWARD_JOINT;
}

static inline int rule_matmul(test_rule *r, int64_t seed)
{
    const int64_t turn[2] = {1, 0};
    int64_t a = rule_params(r, PYAD_KERNEL_TRANSPOSE, r->in[0], 2, turn);
    int64_t b = rule_params(r, PYAD_KERNEL_TRANSPOSE, r->in[1], 2, turn);
    r->out[0] = rule2(r, PYAD_KERNEL_MATMUL, seed, b);
    r->out[1] = rule2(r, PYAD_KERNEL_MATMUL, a, seed);
    return PYAD_FORWARD_LINEAR;
}

static inline int rule_index(test_rule *r, int64_t seed)
{
    int64_t args[2] = {seed, r->in[1]};
    bool take = r->node.op == PYAD_KERNEL_TAKE;
    r->out[0] =
        rule_kept(r, pyad_op(take ? PYAD_KERNEL_PUT : PYAD_KERNEL_TAKE, 2, args, take ? 1 : 0, r->operands[0].shape));
    r->out[1] = -1;
    return PYAD_FORWARD_LINEAR;
}

static inline int rule_sum(test_rule *r, int64_t seed)
{
    const pyad_info *x = &r->operands[0];
    r->out[0] = rule_params(r, PYAD_KERNEL_BROADCAST, rule_keep_axes(r, rule_axes(r), seed), x->ndim, x->shape);
    return PYAD_FORWARD_LINEAR;
}

/* Writes the backward outputs; returns how forward follows, or -1 for an operation it does not know. */
static inline int rule_backward(test_rule *r)
{
    int64_t seed = r->in[r->nargs + 1];
    if (r->node.op == PYAD_LOOP_WHERE)
        return rule_where(r);
    if (r->node.op < PYAD_LOOP_COUNT)
        return r->nargs == 1 ? rule_loop1(r) : rule_loop2(r);
    switch (r->node.op) {
    case PYAD_KERNEL_SUM:
        return rule_sum(r, seed);
    case PYAD_KERNEL_MAX:
    case PYAD_KERNEL_LOGSUMEXP:
        r->out[0] = rule2(r, PYAD_LOOP_MUL, rule_keep_axes(r, rule_axes(r), seed), rule_weights(r, rule_axes(r)));
        return PYAD_FORWARD_OWN;
    case PYAD_KERNEL_RESHAPE:
        r->out[0] = rule_reshape(r, seed, &r->operands[0]);
        return PYAD_FORWARD_LINEAR;
    case PYAD_KERNEL_BROADCAST:
        r->out[0] = seed;
        return PYAD_FORWARD_LINEAR;
    case PYAD_KERNEL_TRANSPOSE:
        return rule_transpose(r, seed);
    case PYAD_KERNEL_SLICE:
        return rule_slice(r, seed);
    case PYAD_KERNEL_UNSLICE:
        r->out[0] = rule_params(r, PYAD_KERNEL_SLICE, seed, 3 * r->node.ndim, r->node.params + 2 + r->node.ndim);
        return PYAD_FORWARD_LINEAR;
    case PYAD_KERNEL_CONCATENATE:
        return rule_concatenate(r, seed);
    case PYAD_KERNEL_MATMUL:
        return rule_matmul(r, seed);
    case PYAD_KERNEL_TAKE:
    case PYAD_KERNEL_PUT:
        return rule_index(r, seed);
    default:
        return -1;
    }
}

/* Forward through a maximum or logsumexp: the tangent, weighted and summed. */
static inline void rule_forward(test_rule *r)
{
    uint32_t axes = rule_axes(r);
    const int64_t params[2] = {axes, r->node.params[2]};
    int64_t weighted = rule2(r, PYAD_LOOP_MUL, r->in[2], rule_weights(r, axes));
    r->out[0] = rule_params(r, PYAD_KERNEL_SUM, weighted, 2, params);
}

/* Placeholders. Of an element-wise rule they have no shape; going forward the seed has the operand's. */
static inline void rule_inputs(test_rule *r, bool forward)
{
    bool loop = r->node.op < PYAD_LOOP_COUNT;
    for (int k = 0; k < r->nargs + 2; k++) {
        const pyad_info *like = k < r->nargs ? &r->operands[k] : forward && k > r->nargs ? &r->operands[0] : &r->node;
        r->in[k] = rule_kept(r, pyad_rule_input(like->dtype, loop ? 0 : like->ndim, like->shape));
    }
}

static inline int rule_record(test_rule *r)
{
    rule_inputs(r, false);
    int forward = rule_backward(r);
    if (r->failed != 0)
        return r->failed;
    if (forward < 0)
        return pyad_rule_python();
    int status = pyad_rule_finish_program(0, test_generation++, r->nargs + 2, r->nargs, r->out);
    if (status == 0 && forward == PYAD_FORWARD_OWN) {
        rule_inputs(r, true);
        rule_forward(r);
        status = r->failed;
        if (status == 0)
            status = pyad_rule_finish_program(1, test_generation++, r->nargs + 2, r->nargs, r->out);
    }
    return status == 0 ? pyad_rule_commit(forward) : status;
}

/* Records the rule of a node that a sweep has asked about. After a failure there is none, as before. */
static inline int test_supply_rule(int64_t node)
{
    test_rule r = {.failed = 0};
    int status = pyad_look(node, &r.node);
    r.nargs = r.node.nargs;
    for (int k = 0; k < r.nargs && status == 0; k++)
        status = pyad_look(pyad_operand(node, k), &r.operands[k]);
    if (status == 0)
        status = pyad_rule_begin(test_generation++);
    if (status != 0)
        return status;
    test_rules_asked++;
    status = rule_record(&r);
    pyad_rule_abort();
    return status;
}

/* Runs the sweep under way to its end, or to a node that only Python can run. */
static inline int test_go(void)
{
    for (;;) {
        int64_t node;
        int status = pyad_sweep_go();
        if (status != PYAD_CALL_PYTHON || pyad_sweep_wants(&node) != PYAD_CALL_RULE)
            return status;
        status = test_supply_rule(node);
        if (status != 0)
            return status;
    }
}

/* ---- recording, with fewer words ---- */

static inline int64_t test_sum(int64_t a)
{
    const int64_t all[2] = {0xFFFFFFFF, 0};
    return pyad_op(PYAD_KERNEL_SUM, 1, &a, 2, all);
}

static inline int64_t test_op(int op, int64_t a, int count, const int64_t *params)
{
    return pyad_op(op, 1, &a, count, params);
}

/* A contiguous leaf over `data`. */
static inline int64_t test_leaf(int flags, int dtype, int ndim, const int64_t *shape, void *data)
{
    int64_t strides[PYAD_MAX_NDIM];
    int64_t stride = 1;
    for (int d = ndim - 1; d >= 0; d--) {
        strides[d] = stride;
        stride *= shape[d];
    }
    return pyad_lend(flags, dtype, ndim, shape, strides, data);
}

/* The gradient of a 0-d output with respect to one input, into `to`. */
static inline int test_gradient(int flags, int64_t output, int64_t input, void *to)
{
    int status = pyad_sweep_start(flags, 1, &output, 1, &input);
    if (status != 0)
        return status;
    status = pyad_sweep_seed_ones(output);
    if (status == 0)
        status = test_go();
    if (status == 0)
        status = pyad_sweep_copy(input, to);
    pyad_sweep_stop();
    return status;
}

#endif
