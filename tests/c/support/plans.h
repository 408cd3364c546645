/* Planning and replaying graphs in tests, next to the interpreter of graphs.h. */
#ifndef PYAD_TESTS_PLANS_H
#define PYAD_TESTS_PLANS_H

#include "compile/replay/replay.h"
#include "support/graphs.h"

enum { CANARY = 64, CANARY_BYTE = 0xA5, SETS = 2 };

/* A graph with its plan, instances of it, and memory for what lies outside: several sets, so that addresses change. */
typedef struct program {
    fixture *f;
    const pyad_graph *graph;
    pyad_plan plan;
    pyad_replay replay[SETS];
    size_t count; /* of what lies outside */
    char **blocks[SETS];
    size_t *bytes;
} program;

/* The inputs' memory is for the interpreter: a plan sees arguments without. */
static inline pyad_status make_plan(pyad_plan *plan, pyad_mem *mem, const pyad_graph *any)
{
    void **data = malloc((any->argument_count + 1) * sizeof *data);
    for (size_t k = 0; k < any->argument_count; k++) {
        data[k] = any->inputs[k].data;
        any->inputs[k].data = NULL;
    }
    pyad_status status = pyad_plan_make(plan, mem, any);
    for (size_t k = 0; k < any->argument_count; k++)
        any->inputs[k].data = data[k];
    free(data);
    return status;
}

static inline void *outside(const program *p, int set, size_t k)
{
    return p->blocks[set][k] + CANARY;
}

/* What a RESULT or STORE output gives. */
static inline void *output_memory(const program *p, int set, const pyad_goutput *output)
{
    return outside(p, set, (output->kind == PYAD_G_RESULT ? p->graph->argument_count : 0) + output->number);
}

static inline void open_program(program *p, fixture *f, const pyad_graph *any)
{
    *p = (program){.f = f, .graph = any};
    must(make_plan(&p->plan, &f->mem, any));
    p->count = any->argument_count + p->plan.result_count;
    p->bytes = calloc(p->count + 1, sizeof *p->bytes);
    for (size_t k = 0; k < any->argument_count; k++)
        p->bytes[k] = pyad_layout_bytes(any->inputs[k].layout);
    for (size_t s = 0; s < any->output_count; s++) {
        if (any->outputs[s].kind == PYAD_G_RESULT)
            p->bytes[any->argument_count + any->outputs[s].number] =
                pyad_layout_bytes(any->nodes[any->outputs[s].node].layout);
    }
    for (int set = 0; set < SETS; set++) {
        must(pyad_replay_make(&p->replay[set], &f->mem, &p->plan));
        p->blocks[set] = calloc(p->count + 1, sizeof *p->blocks[set]);
        for (size_t k = 0; k < p->count; k++)
            p->blocks[set][k] = malloc(p->bytes[k] + 2 * (size_t)CANARY);
    }
}

static inline void close_program(program *p)
{
    for (int set = 0; set < SETS; set++) {
        for (size_t k = 0; k < p->count; k++)
            free(p->blocks[set][k]);
        free(p->blocks[set]);
        pyad_replay_finish(&p->replay[set]);
    }
    free(p->bytes);
    pyad_plan_finish(&p->plan);
}

/* Inputs as the interpreter has them, results full of rubbish, canaries around both. */
static inline void fill_outside(const program *p, int set)
{
    for (size_t k = 0; k < p->count; k++) {
        memset(p->blocks[set][k], CANARY_BYTE, p->bytes[k] + 2 * (size_t)CANARY);
        if (k < p->graph->argument_count)
            memcpy(outside(p, set, k), p->graph->inputs[k].data, p->bytes[k]);
    }
}

static inline bool canaries_live(const program *p, int set)
{
    for (size_t k = 0; k < p->count; k++) {
        for (size_t i = 0; i < CANARY; i++) {
            if ((uint8_t)p->blocks[set][k][i] != CANARY_BYTE ||
                (uint8_t)p->blocks[set][k][CANARY + p->bytes[k] + i] != CANARY_BYTE)
                return false;
        }
    }
    return true;
}

/* Whether an input has what it had; where it is stored into, only if nothing is to be written. */
static inline bool inputs_untouched(const program *p, int set, bool also_stored)
{
    for (size_t k = 0; k < p->graph->argument_count; k++) {
        bool stored = false;
        for (size_t s = 0; s < p->graph->output_count; s++)
            stored = stored || (p->graph->outputs[s].kind == PYAD_G_STORE && p->graph->outputs[s].number == k);
        if ((also_stored || !stored) && memcmp(outside(p, set, k), p->graph->inputs[k].data, p->bytes[k]) != 0)
            return false;
    }
    return true;
}

static inline void start_program(program *p, int instance, int set)
{
    void **addresses = calloc(p->count + 1, sizeof *addresses);
    for (size_t k = 0; k < p->count; k++)
        addresses[k] = outside(p, set, k);
    pyad_replay_start(&p->replay[instance], addresses);
    free(addresses);
}

/* What Python would do: the first operand. */
static inline void run_call(program *p, int instance)
{
    pyad_replay *replay = &p->replay[instance];
    uint32_t node = replay->stopped;
    assert_int_equal(p->graph->nodes[node].kind, PYAD_G_CALL);
    pyad_copy(pyad_value_view(&replay->values[node]),
              pyad_value_view(&replay->values[pyad_graph_arg(p->graph, node, 0)]));
}

/* Runs to the end; no call comes after something was written into an input. */
static inline pyad_status finish_program(program *p, int instance, int set)
{
    pyad_status status;
    while ((status = pyad_replay_go(&p->replay[instance])) == PYAD_CALL_PYTHON) {
        assert_true(inputs_untouched(p, set, true));
        run_call(p, instance);
    }
    return status;
}

static inline pyad_status run_program(program *p, int instance, int set)
{
    fill_outside(p, set);
    start_program(p, instance, set);
    return finish_program(p, instance, set);
}

/* Whether results and stores are what the interpreter made of the outputs of `reference`, and nothing else was written. */
static inline bool gave(const program *p, int set, const pyad_graph *reference, void **values, test_precision precision)
{
    double scale = 64 * largest(reference, values); /* for sums of hundreds of elements, one after another */
    if (!canaries_live(p, set) || !inputs_untouched(p, set, false)) {
        fprintf(stderr, "written outside\n");
        return false;
    }
    for (size_t s = 0; s < reference->output_count; s++) {
        const pyad_goutput *output = &p->graph->outputs[s];
        const pyad_layout *layout = reference->nodes[reference->outputs[s].node].layout;
        for (int64_t k = 0; output->kind != PYAD_G_GUARD && k < numbers_of(layout); k++) {
            double x = number_at(layout, values[reference->outputs[s].node], k);
            double y = number_at(layout, output_memory(p, set, output), k);
            if (!are_close(x, y, layout->dtype, precision, scale)) {
                fprintf(stderr, "output %zu, node %u, element %lld: %.17g, not %.17g\n", s, output->node, (long long)k,
                        y, x);
                return false;
            }
        }
    }
    return true;
}

static inline void print_plan(const program *p)
{
    static const char *const kinds[] = {"run", "loops", "numbers", "call", "guard", "copy"};
    print_graph(p->graph);
    for (size_t a = 0; a < p->plan.action_count; a++) {
        const pyad_action *action = &p->plan.actions[a];
        fprintf(stderr, "%s", kinds[action->kind]);
        if (action->count == 0)
            fprintf(stderr, " output %u (kind %u, node %u, number %u)", action->output,
                    p->graph->outputs[action->output].kind, p->graph->outputs[action->output].node,
                    p->graph->outputs[action->output].number);
        for (uint32_t i = 0; i < action->count; i++) {
            uint32_t node = p->plan.members[action->first + i];
            const pyad_place *place = &p->plan.places[node];
            fprintf(stderr, " %u@%u+%lld", node, place->base, place->base == 0 ? 0 : (long long)place->offset);
        }
        fprintf(stderr, "\n");
    }
}

#endif
