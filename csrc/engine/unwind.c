/* Ending what is under way: sweeps, the recording of a rule, and saved tapes that have been entered. They lie on one
 * stack, of which each of them knows how many sweeps were below it when it began. */
#include "engine/unwind.h"

/* ---- sweeps ---- */

/* Keeps one ended sweep, unless it grew large, for the next. */
void pyad_engine_give_sweep(pyad_engine *engine, pyad_sweep *sweep)
{
    enum { LARGE = 1 << 16 };
    if (engine->spare == NULL && sweep->slot_capacity <= LARGE) {
        engine->spare = sweep;
        return;
    }
    pyad_sweep_finish(sweep, &engine->mem);
    pyad_mem_free(&engine->mem, sweep, sizeof *sweep);
}

static void pop_sweep(pyad_engine *engine)
{
    pyad_sweep *sweep = engine->sweep;
    engine->sweep = sweep->outer;
    engine->sweep_count--;
    pyad_sweep_end(sweep);
    pyad_engine_give_sweep(engine, sweep);
}

void pyad_engine_pop_sweeps(pyad_engine *engine, int level)
{
    while (engine->sweep_count > level)
        pop_sweep(engine);
}

/* ---- the tape of a rule ---- */

void pyad_engine_exchange_tapes(pyad_engine *engine)
{
    pyad_tape tape = engine->tape;
    engine->tape = engine->rule_tape;
    engine->rule_tape = tape;
    engine->in_rule = !engine->in_rule;
}

void pyad_engine_clear_rule_tape(pyad_engine *engine)
{
    while (engine->tape.mark_count > 0)
        pyad_tape_cut(&engine->tape);
}

void pyad_engine_abort_rule(pyad_engine *engine)
{
    if (!engine->in_rule)
        return;
    pyad_engine_clear_rule_tape(engine);
    pyad_engine_exchange_tapes(engine);
}

/* Says whether the recording of a rule began later than the last saved tape was entered. */
bool pyad_engine_rule_is_innermost(const pyad_engine *engine)
{
    return engine->in_rule && (engine->entered == NULL || engine->rule_level > engine->entered->sweeps);
}

/* ---- saved tapes ---- */

void pyad_engine_swap_tapes(pyad_saved_tape *saved)
{
    pyad_tape tape = saved->engine->tape;
    saved->engine->tape = saved->tape;
    saved->tape = tape;
}

/* Leaves the saved tape that was entered last, as it was then. */
void pyad_engine_leave_tape(pyad_engine *engine)
{
    pyad_saved_tape *saved = engine->entered;
    pyad_engine_pop_sweeps(engine, saved->sweeps);
    while (engine->tape.mark_count > saved->marks)
        pyad_tape_cut(&engine->tape);
    pyad_engine_swap_tapes(saved);
    engine->entered = saved->below;
    saved->is_entered = false;
}

/* ---- all of them ---- */

void pyad_engine_return(pyad_engine *engine, int level)
{
    for (;;) {
        if (pyad_engine_rule_is_innermost(engine) && engine->rule_level >= level)
            pyad_engine_abort_rule(engine);
        else if (engine->entered != NULL && engine->entered->sweeps >= level)
            pyad_engine_leave_tape(engine);
        else
            break;
    }
    pyad_engine_pop_sweeps(engine, level);
}
