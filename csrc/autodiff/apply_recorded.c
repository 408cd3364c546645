/* Applying a rule on the tape, so that it can be differentiated in turn. */
#include <string.h>

#include "autodiff/apply.h"

/* Puts the program's instructions on the tape. Registers hold nodes. */
static pyad_status record_instrs(pyad_sweep *sweep, const pyad_application *a, uint32_t *nodes)
{
    const pyad_rule_program *p = a->program;
    pyad_tape *tape = sweep->recorder.tape;
    int fixed = p->input_count + p->const_count;
    for (int k = 0; k < p->input_count; k++)
        nodes[k] = pyad_apply_is_seed(a, k) ? a->seed->node : pyad_apply_input(sweep, a, k);
    for (int k = 0; k < p->const_count; k++) {
        /* The constant's memory is the rule's and stays for as long as the thread's engine. */
        PYAD_TRY(pyad_tape_reserve(tape, 0));
        nodes[p->input_count + k] =
            pyad_tape_push(tape, PYAD_KERNEL_ALIAS, PYAD_NODE_CONST | PYAD_NODE_LEAF, 0, NULL, NULL, p->consts[k]);
    }
    for (int i = 0; i < p->instr_count; i++) {
        const pyad_instr *instr = &p->instrs[i];
        if (!(instr->wanted_by & a->want))
            continue;
        uint32_t *args = nodes + fixed + p->instr_count;
        for (int k = 0; k < instr->nargs; k++)
            args[k] = nodes[p->args[instr->first + (uint32_t)k]];
        PYAD_TRY(pyad_record(&sweep->recorder, instr->op, instr->nargs, args, instr->params, &nodes[fixed + i]));
    }
    for (int k = 0; k < a->target_count; k++) {
        if (pyad_apply_wants(sweep, a, k) && p->outputs[k] >= 0)
            PYAD_TRY(pyad_sweep_add_node(sweep, a->targets[k], nodes[p->outputs[k]]));
    }
    return PYAD_OK;
}

pyad_status pyad_apply_recorded(pyad_sweep *sweep, const pyad_application *a)
{
    const pyad_rule_program *p = a->program;
    size_t widest = 0;
    for (int i = 0; i < p->instr_count; i++)
        widest = p->instrs[i].nargs > widest ? p->instrs[i].nargs : widest;
    for (int k = 0; k < p->input_count; k++) {
        if (pyad_apply_is_seed(a, k) || !(p->reads[k] & a->want))
            continue;
        PYAD_TRY(pyad_sweep_check_read(sweep, a->node, pyad_apply_input(sweep, a, k)));
    }
    size_t count = (size_t)(p->input_count + p->const_count + p->instr_count) + widest;
    PYAD_TRY(pyad_mem_grow(sweep->accum.env.mem, (void **)&sweep->nodes, &sweep->node_capacity, count,
                           sizeof *sweep->nodes));
    return record_instrs(sweep, a, sweep->nodes);
}
