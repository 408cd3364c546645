/* Marks, saved tapes, and getting back to one of them.
 *
 * The caller may be stopped between any two of its calls and never come to the one that ends what it began. So what
 * is under way lies on one stack: marks, sweeps, the rule that is being recorded, and saved tapes that have been
 * entered. A mark is ended by its generation and a sweep by its number, and all that began later ends with it. */
#include "engine/unwind.h"

void pyad_reset(void)
{
    pyad_engine *engine = pyad_engine_here();
    if (engine == NULL)
        return;
    pyad_engine_return(engine, 0);
    pyad_tape_clear(&engine->tape);
}

/* ---- marks ---- */

int pyad_mark_open(int64_t generation, int keep_all)
{
    pyad_engine *engine = pyad_engine_here();
    if (engine == NULL)
        return PYAD_ERR_STALE;
    /* Outside of all marks nothing can be under way, and nothing on the tape can be of use. */
    if (engine->tape.mark_count == 0 && engine->entered == NULL)
        pyad_reset();
    pyad_status status = pyad_tape_mark(&engine->tape, generation, keep_all != 0);
    if (status != PYAD_OK)
        return status == PYAD_ERR_MEMORY ? (int)pyad_fail(&engine->message, status, "out of memory") : (int)status;
    engine->tape.marks[engine->tape.mark_count - 1].sweeps = engine->sweep_count;
    return PYAD_OK;
}

/* Cuts the tape back to one of its marks. */
static void cut_back(pyad_engine *engine, size_t mark)
{
    pyad_engine_pop_sweeps(engine, engine->tape.marks[mark].sweeps);
    while (engine->tape.mark_count > mark)
        pyad_tape_cut(&engine->tape);
}

void pyad_mark_cut(void)
{
    pyad_engine *engine = pyad_engine_here();
    if (engine == NULL)
        return;
    /* The only mark of a rule's tape is none of the caller's. */
    if (pyad_engine_rule_is_innermost(engine) && engine->tape.mark_count <= 1)
        pyad_engine_abort_rule(engine);
    if (engine->tape.mark_count > 0)
        cut_back(engine, engine->tape.mark_count - 1);
}

/* Says whether the mark is on a tape that the engine is going to come back to. */
static bool is_open_outside(const pyad_engine *engine, int64_t generation)
{
    size_t mark;
    if (engine->in_rule && pyad_tape_find_mark(&engine->rule_tape, generation, &mark))
        return true;
    for (const pyad_saved_tape *saved = engine->entered; saved != NULL; saved = saved->below) {
        if (pyad_tape_find_mark(&saved->tape, generation, &mark))
            return true;
    }
    return false;
}

/* Comes back to the tape of a mark; false where it is not open, and nothing has happened then. */
static bool return_to(pyad_engine *engine, int64_t generation, size_t *mark)
{
    while (!pyad_tape_find_mark(&engine->tape, generation, mark)) {
        if (!is_open_outside(engine, generation))
            return false;
        if (pyad_engine_rule_is_innermost(engine))
            pyad_engine_abort_rule(engine);
        else
            pyad_engine_leave_tape(engine);
    }
    return true;
}

int pyad_mark_close(int64_t generation)
{
    pyad_engine *engine = pyad_engine_here();
    size_t mark;
    if (engine == NULL || !return_to(engine, generation, &mark))
        return PYAD_ERR_STALE;
    cut_back(engine, mark);
    return PYAD_OK;
}

int pyad_mark_seal(int64_t generation, int count, int64_t *kept)
{
    pyad_engine *engine = pyad_engine_here();
    const uint32_t *nodes;
    size_t mark;
    if (engine == NULL || !return_to(engine, generation, &mark))
        return (int)pyad_fail(engine != NULL ? &engine->message : NULL, PYAD_ERR_STALE, "the mark is not open");
    PYAD_TRY(pyad_engine_nodes(engine, count, kept, &nodes));
    pyad_engine_pop_sweeps(engine, engine->tape.marks[mark].sweeps);
    engine->tape.mark_count = mark + 1; /* what is left over of later marks becomes this one's */
    pyad_tape_seal(&engine->tape, count, nodes);
    for (int k = 0; k < count; k++)
        kept[k] = pyad_tape_handle(&engine->tape, nodes[k]);
    return PYAD_OK;
}

int pyad_depth(void)
{
    pyad_engine *engine = pyad_engine_here();
    return engine != NULL ? (int)engine->tape.mark_count : 0;
}

/* ---- saved tapes ---- */

int pyad_tape_take(pyad_saved_tape **cell)
{
    pyad_engine *engine = pyad_engine_here();
    if (engine == NULL)
        return PYAD_ERR_STALE;
    pyad_saved_tape *saved = pyad_mem_calloc(&engine->mem, sizeof *saved);
    if (saved == NULL)
        return (int)pyad_fail(&engine->message, PYAD_ERR_MEMORY, "out of memory while saving a tape");
    saved->engine = engine;
    saved->tape = engine->tape;
    saved->marks = engine->tape.mark_count;
    saved->generation = saved->marks > 0 ? saved->tape.marks[saved->marks - 1].generation : 0;
    saved->next = engine->saved;
    if (saved->next != NULL)
        saved->next->previous = saved;
    engine->saved = saved;
    pyad_tape_init(&engine->tape, &engine->mem);
    *cell = saved;
    return PYAD_OK;
}

int pyad_tape_enter(pyad_saved_tape *saved, int64_t generation)
{
    pyad_engine *engine = saved->engine;
    pyad_tape_leave(saved); /* where it is entered already, nobody came to leave it */
    if (pyad_tape_mark(&saved->tape, generation, false) != PYAD_OK)
        return (int)pyad_fail(&engine->message, PYAD_ERR_MEMORY, "out of memory");
    saved->tape.marks[saved->marks].sweeps = engine->sweep_count;
    saved->sweeps = engine->sweep_count;
    saved->is_entered = true;
    saved->below = engine->entered;
    engine->entered = saved;
    pyad_engine_swap_tapes(saved);
    return PYAD_OK;
}

void pyad_tape_leave(pyad_saved_tape *saved)
{
    pyad_engine *engine = saved->engine;
    while (saved->is_entered) {
        if (pyad_engine_rule_is_innermost(engine))
            pyad_engine_abort_rule(engine);
        else
            pyad_engine_leave_tape(engine);
    }
}

int64_t pyad_saved_tape_generation(const pyad_saved_tape *saved)
{
    return saved->generation;
}

int pyad_tape_is_innermost(const pyad_saved_tape *saved)
{
    return saved->engine->entered == saved;
}

void pyad_saved_tape_free(pyad_saved_tape **cell)
{
    pyad_saved_tape *saved = *cell;
    if (saved == NULL)
        return;
    *cell = NULL;
    pyad_tape_leave(saved);
    pyad_engine *engine = saved->engine;
    if (saved->next != NULL)
        saved->next->previous = saved->previous;
    if (saved->previous != NULL)
        saved->previous->next = saved->next;
    else
        engine->saved = saved->next;
    pyad_tape_finish(&saved->tape);
    pyad_mem_free(&engine->mem, saved, sizeof *saved);
}
