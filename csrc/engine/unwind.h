/* Ending what is under way. The files of the API that begin something end it through this one, which knows none of
 * them. */
#ifndef PYAD_UNWIND_H
#define PYAD_UNWIND_H

#include "engine/engine.h"

/* Keeps one ended sweep, unless it grew large, for the next. */
void pyad_engine_give_sweep(pyad_engine *engine, pyad_sweep *sweep);
/* Ends the innermost sweeps until `level` are left. */
void pyad_engine_pop_sweeps(pyad_engine *engine, int level);

/* Begins or ends the recording of a rule: its tape takes the place of the engine's, or gives it back. */
void pyad_engine_exchange_tapes(pyad_engine *engine);
void pyad_engine_clear_rule_tape(pyad_engine *engine);
/* Ends the recording of a rule, if there is one. */
void pyad_engine_abort_rule(pyad_engine *engine);
/* Says whether the recording of a rule began later than the last saved tape was entered. */
bool pyad_engine_rule_is_innermost(const pyad_engine *engine);

/* Exchanges a saved tape and the engine's. */
void pyad_engine_swap_tapes(pyad_saved_tape *saved);
/* Leaves the saved tape that was entered last, as it was then. */
void pyad_engine_leave_tape(pyad_engine *engine);

/* Comes back into sweep number `level` (0: out of all): what began while it was under way ends. */
void pyad_engine_return(pyad_engine *engine, int level);

#endif
