/* Building, running and printing graphs in tests. There is one graph at a time, `graph`, over a fixture's memory. */
#ifndef PYAD_TESTS_GRAPHS_H
#define PYAD_TESTS_GRAPHS_H

#include <math.h>
#include <stdio.h>

#include "compile/passes/passes.h"
#include "kernels/kernels.h"
#include "primitives/info.h"
#include "support/run.h"

static pyad_graph graph;

typedef enum test_precision { TEST_EXACT, TEST_ROUNDED } test_precision;

/* ---- building ---- */

static inline void must(pyad_status status)
{
    if (status != PYAD_OK)
        fail_msg("status %d", (int)status);
}

/* Whole numbers; at times, where `odd`, those that algebra gets wrong. */
static inline double test_number(bool odd)
{
    static const double numbers[] = {0.0, -0.0, INFINITY, -INFINITY, NAN, 0.1, 1e-320, 1.5, 1e300};
    return odd && test_random(3) == 0 ? numbers[test_random(9)] : (double)(test_random(17) - 8);
}

static inline uint32_t add_input(int dtype, int ndim, const int64_t *shape, bool odd)
{
    pyad_layout_any any;
    uint32_t node;
    must(pyad_layout_fill(&any, dtype, ndim, shape));
    const pyad_layout *layout = pyad_layout_keep(graph.arena, &any.layout);
    char *data = pyad_arena_alloc(graph.arena, pyad_layout_bytes(layout));
    int64_t parts = pyad_dtype_is_complex(dtype) ? 2 : 1;
    size_t item = pyad_dtype_align(dtype);
    for (int64_t k = 0; k < parts * layout->size; k++) {
        double value = dtype == PYAD_I64 || dtype == PYAD_BOOL ? (double)test_random(2) : test_number(odd);
        test_store(pyad_dtype_real(dtype), data + (size_t)k * item, value);
    }
    pyad_gnode added = {.kind = PYAD_G_INPUT, .number = (uint32_t)graph.input_count, .layout = layout};
    must(pyad_graph_add_input(&graph, (pyad_ginput){layout, data}));
    must(pyad_graph_add(&graph, &added, NULL, &node));
    return node;
}

static inline uint32_t add_run(int op, const int64_t *params, int nargs, const uint32_t *args)
{
    uint32_t node = 0;
    must(pyad_kernel_check(NULL, op, params, nargs));
    if (params != NULL)
        params = pyad_graph_params(&graph, (int)params[0], params + 1);
    must(pyad_graph_run(&graph, op, params, nargs, args, &node));
    return node;
}

#define NODES(...) ((const uint32_t[]){__VA_ARGS__})
/* A node of kernel `op`. */
#define RUN(op, params, ...) add_run(op, params, (int)(sizeof NODES(__VA_ARGS__) / 4), NODES(__VA_ARGS__))

static inline uint32_t number(double value)
{
    uint32_t node;
    must(pyad_graph_number(&graph, value, PYAD_F64, &node));
    return node;
}

/* A constant (2, 3) full of one number, but for the last element. */
static inline uint32_t filled_but(double value, double last)
{
    pyad_layout_any any;
    uint32_t node;
    must(pyad_layout_fill(&any, PYAD_F64, 2, LIST(2, 3)));
    double *data = pyad_arena_alloc(graph.arena, 6 * sizeof *data);
    for (int k = 0; k < 6; k++)
        data[k] = k < 5 ? value : last;
    pyad_gnode added = {.kind = PYAD_G_CONST, .layout = pyad_layout_keep(graph.arena, &any.layout), .data = data};
    must(pyad_graph_add(&graph, &added, NULL, &node));
    return node;
}

static inline uint32_t filled(double value)
{
    return filled_but(value, value);
}

static inline void add_output(pyad_goutput_kind kind, uint32_t node)
{
    must(pyad_graph_add_output(&graph, (pyad_goutput){.kind = (uint8_t)kind, .node = node}));
}

/* ---- expressions ---- */

#define ADD(a, b) RUN(PYAD_LOOP_ADD, NULL, a, b)
#define SUB(a, b) RUN(PYAD_LOOP_SUB, NULL, a, b)
#define MUL(a, b) RUN(PYAD_LOOP_MUL, NULL, a, b)
#define DIV(a, b) RUN(PYAD_LOOP_DIV, NULL, a, b)
#define NEG(a) RUN(PYAD_LOOP_NEG, NULL, a)
#define EXP(a) RUN(PYAD_LOOP_EXP, NULL, a)
#define WHERE(a, b, c) RUN(PYAD_LOOP_WHERE, NULL, a, b, c)
#define ALIAS(a) RUN(PYAD_KERNEL_ALIAS, NULL, a)
#define CAST(a, dtype) RUN(PYAD_KERNEL_CAST, PARAMS(dtype), a)
#define BROADCAST(a, ...) RUN(PYAD_KERNEL_BROADCAST, PARAMS(__VA_ARGS__), a)
#define RESHAPE(a, ...) RUN(PYAD_KERNEL_RESHAPE, PARAMS(__VA_ARGS__), a)
#define TRANSPOSE(a, ...) RUN(PYAD_KERNEL_TRANSPOSE, PARAMS(__VA_ARGS__), a)
#define SUM(a, axes, keep) RUN(PYAD_KERNEL_SUM, PARAMS(axes, keep), a)
#define SLICE(a, ...) RUN(PYAD_KERNEL_SLICE, PARAMS(__VA_ARGS__), a)
#define STRIDED_VIEW(a, ...) RUN(PYAD_KERNEL_STRIDED_VIEW, PARAMS(__VA_ARGS__), a)
#define ASSIGN(a, b, ...) RUN(PYAD_KERNEL_ASSIGN, PARAMS(__VA_ARGS__), a, b)
#define ADD_SLICE(a, b, ...) RUN(PYAD_KERNEL_ADD_SLICE, PARAMS(__VA_ARGS__), a, b)
#define UNSLICE(a, ...) RUN(PYAD_KERNEL_UNSLICE, PARAMS(__VA_ARGS__), a)
#define PUT(a, index, rows) RUN(PYAD_KERNEL_PUT, PARAMS(rows), a, index)
#define MATMUL(a, b) RUN(PYAD_KERNEL_MATMUL, NULL, a, b)

/* The inputs that every graph has, by node. */
enum { A, B, ROW, ONE, LINE, TALL, FLAT, MASK, INDEX, Z, F, COLUMN, LONG, SQUARE, INPUTS };

static inline void begin(fixture *f, bool odd)
{
    static const struct {
        int dtype;
        int ndim;
        int64_t shape[2];
    } inputs[INPUTS] = {
        [A] = {PYAD_F64, 2, {2, 3}},    [B] = {PYAD_F64, 2, {2, 3}},      [ROW] = {PYAD_F64, 1, {3}},
        [ONE] = {PYAD_F64, 0, {0}},     [LINE] = {PYAD_F64, 2, {1, 3}},   [TALL] = {PYAD_F64, 2, {3, 2}},
        [FLAT] = {PYAD_F64, 1, {6}},    [MASK] = {PYAD_BOOL, 2, {2, 3}},  [INDEX] = {PYAD_I64, 1, {3}},
        [Z] = {PYAD_C128, 2, {2, 3}},   [F] = {PYAD_F32, 2, {2, 3}},      [COLUMN] = {PYAD_F64, 2, {2, 1}},
        [LONG] = {PYAD_F64, 2, {1, 4}}, [SQUARE] = {PYAD_F64, 2, {2, 2}},
    };
    pyad_graph_init(&graph, &f->mem, &f->arena);
    for (int k = 0; k < INPUTS; k++)
        assert_int_equal(add_input(inputs[k].dtype, inputs[k].ndim, inputs[k].shape, odd), k);
}

typedef pyad_status (*pass)(const pyad_graph *old, pyad_graph *made);

static inline pyad_graph after(pass run_pass, const pyad_graph *old)
{
    pyad_graph made;
    pyad_graph_init(&made, old->mem, old->arena);
    must(run_pass(old, &made));
    return made;
}

/* ---- running ---- */

static inline void run_node(fixture *f, const pyad_graph *any, uint32_t node, void **values)
{
    const pyad_gnode *n = &any->nodes[node];
    const uint32_t *args = pyad_graph_args(any, node);
    size_t bytes = pyad_layout_bytes(n->layout);
    pyad_value in[16];
    pyad_value out;
    assert_true(n->layout->contiguous && n->nargs <= 16);
    values[node] = malloc(bytes + 1);
    for (uint32_t k = 0; k < n->nargs; k++) {
        assert_true(args[k] < node);
        in[k] = (pyad_value){any->nodes[args[k]].layout, values[args[k]], NULL};
    }
    if (n->kind == PYAD_G_INPUT) {
        const pyad_ginput *input = &any->inputs[n->number];
        pyad_copy((pyad_view){n->layout, values[node]}, (pyad_view){input->layout, input->data});
        return;
    }
    if (n->kind != PYAD_G_RUN) {
        memcpy(values[node], n->kind == PYAD_G_CALL ? in[0].data : n->data, bytes);
        return;
    }
    out = run(f, n->op, n->params, (int)n->nargs, in);
    assert_true(pyad_same_shape(out.layout, n->layout) && out.layout->dtype == n->layout->dtype);
    pyad_copy((pyad_view){n->layout, values[node]}, pyad_value_view(&out));
    drop(f, &out);
}

/* The values of all nodes, each in C order. An operation of Python's gives its first operand. */
static inline void **run_graph(fixture *f, const pyad_graph *any)
{
    void **values = calloc(any->count + 1, sizeof *values);
    for (uint32_t node = 0; node < any->count; node++)
        run_node(f, any, node, values);
    return values;
}

static inline void free_values(const pyad_graph *any, void **values)
{
    for (uint32_t node = 0; node < any->count; node++)
        free(values[node]);
    free(values);
}

static inline int64_t numbers_of(const pyad_layout *layout)
{
    return pyad_dtype_is_complex(layout->dtype) ? 2 * layout->size : layout->size;
}

static inline double number_at(const pyad_layout *layout, const void *data, int64_t k)
{
    return test_load(pyad_dtype_real(layout->dtype), (const char *)data + (size_t)k * pyad_dtype_align(layout->dtype));
}

/* The largest magnitude of any value: what rounding errors are measured by. */
static inline double largest(const pyad_graph *any, void **values)
{
    double most = 1;
    for (uint32_t node = 0; node < any->count; node++) {
        for (int64_t k = 0; k < numbers_of(any->nodes[node].layout); k++)
            most = fmax(most, fabs(number_at(any->nodes[node].layout, values[node], k)));
    }
    return most;
}

static inline bool are_close(double a, double b, int dtype, test_precision precision, double scale)
{
    if (isnan(a) || isnan(b))
        return isnan(a) && isnan(b);
    if (precision == TEST_EXACT)
        return a == b && signbit(a) == signbit(b);
    bool narrow = dtype == PYAD_F32 || dtype == PYAD_C64;
    return a == b || fabs(a - b) <= scale * (narrow ? 1e-6 : 1e-14);
}

/* Whether both graphs say the same: as many outputs, with the same values. */
static inline bool same_results(fixture *f, const pyad_graph *a, const pyad_graph *b, test_precision precision)
{
    void **left = run_graph(f, a);
    void **right = run_graph(f, b);
    double scale = largest(a, left);
    bool same = a->output_count == b->output_count && a->input_count == b->input_count;
    for (size_t s = 0; same && s < a->output_count; s++) {
        const pyad_layout *layout = a->nodes[a->outputs[s].node].layout;
        const pyad_layout *other = b->nodes[b->outputs[s].node].layout;
        same = a->outputs[s].kind == b->outputs[s].kind && pyad_same_layout(layout, other);
        for (int64_t k = 0; same && k < numbers_of(layout); k++) {
            double x = number_at(layout, left[a->outputs[s].node], k);
            double y = number_at(other, right[b->outputs[s].node], k);
            same = are_close(x, y, layout->dtype, precision, scale);
            if (!same)
                fprintf(stderr, "nodes %u and %u: %.17g and %.17g\n", a->outputs[s].node, b->outputs[s].node, x, y);
        }
    }
    free_values(a, left);
    free_values(b, right);
    return same;
}

/* ---- printing ---- */

typedef struct text {
    char words[512];
    size_t used;
} text;

static inline void say(text *t, const char *words)
{
    t->used += (size_t)snprintf(t->words + t->used, sizeof t->words - t->used, "%s", words);
    if (t->used > sizeof t->words - 1)
        t->used = sizeof t->words - 1;
}

static inline void say_params(text *t, const int64_t *params)
{
    char word[32];
    for (int64_t k = 0; params != NULL && k < params[0]; k++) {
        snprintf(word, sizeof word, "%s%lld%s", k == 0 ? "<" : " ", (long long)params[k + 1],
                 k + 1 == params[0] ? ">" : "");
        say(t, word);
    }
}

/* A node as an expression: add(x0, reshape<3 2>(x1)). */
static inline void say_node(text *t, const pyad_graph *any, uint32_t node)
{
    const pyad_gnode *n = &any->nodes[node];
    char word[32] = "call";
    double value;
    if (pyad_graph_is_number(any, node, &value))
        snprintf(word, sizeof word, "%g", value);
    else if (n->kind == PYAD_G_CONST)
        snprintf(word, sizeof word, "const");
    else if (n->kind == PYAD_G_INPUT)
        snprintf(word, sizeof word, "x%u", n->number);
    else if (n->kind == PYAD_G_RUN)
        snprintf(word, sizeof word, "%s", pyad_kernel_name(n->op));
    say(t, word);
    say_params(t, n->kind == PYAD_G_RUN ? n->params : NULL);
    for (uint32_t k = 0; k < n->nargs; k++) {
        say(t, k == 0 ? "(" : ", ");
        say_node(t, any, pyad_graph_arg(any, node, k));
    }
    say(t, n->nargs > 0 ? ")" : "");
}

static inline void print_graph(const pyad_graph *any)
{
    for (uint32_t node = 0; node < any->count; node++) {
        const pyad_gnode *n = &any->nodes[node];
        char shape[64];
        text t = {.used = 0};
        say(&t, n->kind == PYAD_G_RUN ? pyad_kernel_name(n->op) : n->kind == PYAD_G_INPUT ? "input" : "const");
        say_params(&t, n->kind == PYAD_G_RUN ? n->params : NULL);
        fprintf(stderr, "%3u %s %s", node, pyad_shape_text(n->layout, shape, sizeof shape), t.words);
        for (uint32_t k = 0; k < n->nargs; k++)
            fprintf(stderr, " %u", pyad_graph_arg(any, node, k));
        fprintf(stderr, "\n");
    }
    for (size_t s = 0; s < any->output_count; s++)
        fprintf(stderr, "output %u\n", any->outputs[s].node);
}

#endif
