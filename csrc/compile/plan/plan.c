/* Making plans: views, schedule, memory. */
#include "compile/plan/plan.h"

#include <string.h>

pyad_status pyad_plan_make(pyad_plan *plan, pyad_mem *mem, const pyad_graph *graph)
{
    memset(plan, 0, sizeof *plan);
    plan->graph = graph;
    plan->mem = mem;
    for (size_t k = 0; k < graph->output_count; k++)
        plan->result_count += graph->outputs[k].kind == PYAD_G_RESULT;
    plan->places = pyad_mem_calloc(mem, (graph->count + 1) * sizeof *plan->places);
    pyad_status status = plan->places != NULL ? pyad_plan_views(plan) : PYAD_ERR_MEMORY;
    if (status == PYAD_OK)
        status = pyad_plan_schedule(plan);
    if (status == PYAD_OK)
        status = pyad_plan_memory(plan);
    if (status != PYAD_OK)
        pyad_plan_finish(plan);
    return status;
}

void pyad_plan_finish(pyad_plan *plan)
{
    if (plan->graph == NULL)
        return;
    pyad_mem_free(plan->mem, plan->places, (plan->graph->count + 1) * sizeof *plan->places);
    pyad_mem_free(plan->mem, plan->actions, plan->action_capacity * sizeof *plan->actions);
    pyad_mem_free(plan->mem, plan->members, plan->member_capacity * sizeof *plan->members);
    memset(plan, 0, sizeof *plan);
}
