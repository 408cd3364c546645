/* Topological order of what lies between the asked outputs and the asked inputs. */
#include "tape/toposort.h"

#include <string.h>

static pyad_status append(pyad_toposort *order, pyad_tape *tape, uint32_t node)
{
    if (order->count == order->capacity) {
        PYAD_TRY(
            pyad_mem_grow(tape->mem, (void **)&order->nodes, &order->capacity, order->count + 1, sizeof *order->nodes));
    }
    tape->epoch[node] = tape->epochs;
    tape->position[node] = (uint32_t)order->count;
    order->nodes[order->count++] = node;
    order->writes |= tape->op[node] == PYAD_KERNEL_ASSIGN || tape->op[node] == PYAD_KERNEL_ASSIGN_AT;
    return PYAD_OK;
}

/* In the order of recording. */
static void sort_by_index(pyad_toposort *order, pyad_tape *tape)
{
    uint32_t first = UINT32_MAX;
    uint32_t last = 0;
    for (size_t k = 0; k < order->count; k++) {
        first = order->nodes[k] < first ? order->nodes[k] : first;
        last = order->nodes[k] > last ? order->nodes[k] : last;
    }
    size_t at = 0;
    for (uint32_t node = first; at < order->count && node <= last; node++) {
        if (!pyad_toposort_has(tape, tape->epochs, node))
            continue;
        order->nodes[at] = node;
        tape->position[node] = (uint32_t)at++;
    }
}

/* Walks everything below `root` that has not been seen in this epoch. `floor` is the first asked input. */
static pyad_status walk(pyad_toposort *order, pyad_tape *tape, uint32_t root, uint32_t floor)
{
    size_t depth = 1;
    PYAD_TRY(pyad_mem_grow(tape->mem, (void **)&order->stack, &order->stack_capacity, 1, sizeof *order->stack));
    order->stack[0] = (pyad_toposort_frame){.node = root};
    while (depth > 0) {
        pyad_toposort_frame *top = &order->stack[depth - 1];
        uint32_t node = top->node;
        if (top->next < tape->nargs[node]) {
            uint32_t below = pyad_tape_args(tape, node)[top->next++];
            if (below < floor || (tape->flags[below] & PYAD_NODE_CONST))
                continue;
            if (tape->epoch[below] == tape->epochs) {
                top->active |= tape->position[below] != PYAD_POSITION_NONE;
                continue;
            }
            if (depth == order->stack_capacity) {
                PYAD_TRY(pyad_mem_grow(tape->mem, (void **)&order->stack, &order->stack_capacity, depth + 1,
                                       sizeof *order->stack));
            }
            order->stack[depth++] = (pyad_toposort_frame){.node = below};
            continue;
        }
        bool active = top->active;
        depth--;
        if (active) {
            PYAD_TRY(append(order, tape, node));
        } else {
            tape->epoch[node] = tape->epochs;
            tape->position[node] = PYAD_POSITION_NONE;
        }
        if (active && depth > 0)
            order->stack[depth - 1].active = 1;
    }
    return PYAD_OK;
}

pyad_status pyad_toposort_build(pyad_toposort *order, pyad_tape *tape, int output_count, const uint32_t *outputs,
                                int input_count, const uint32_t *inputs)
{
    uint32_t floor = UINT32_MAX;
    order->count = 0;
    order->writes = false;
    if (++tape->epochs == 0) {
        /* The counter came round after 2^32 sweeps: no node may look as if this one had reached it. */
        memset(tape->epoch, 0, tape->count * sizeof *tape->epoch);
        tape->epochs = 1;
    }
    for (int k = 0; k < input_count; k++) {
        floor = inputs[k] < floor ? inputs[k] : floor;
        if (tape->epoch[inputs[k]] != tape->epochs)
            PYAD_TRY(append(order, tape, inputs[k]));
    }
    for (int k = 0; k < output_count; k++) {
        uint32_t root = outputs[k];
        bool known = tape->epoch[root] == tape->epochs;
        if (root >= floor && !known && !(tape->flags[root] & PYAD_NODE_CONST))
            PYAD_TRY(walk(order, tape, root, floor));
    }
    if (order->writes)
        sort_by_index(order, tape);
    return PYAD_OK;
}

void pyad_toposort_finish(pyad_toposort *order, pyad_mem *mem)
{
    pyad_mem_free(mem, order->nodes, order->capacity * sizeof *order->nodes);
    pyad_mem_free(mem, order->stack, order->stack_capacity * sizeof *order->stack);
    memset(order, 0, sizeof *order);
}
