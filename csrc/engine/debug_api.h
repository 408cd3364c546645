/* What tests and measurements ask of the engine, and its users have no need of. cffi reads this header too. */
#ifndef PYAD_DEBUG_API_H
#define PYAD_DEBUG_API_H

#include "pyad.h"

/* The level of the instruction set: "base", "v3" or "v4". */
const char *pyad_isa_name(void);
/* Counts the peak of memory from what is live now. */
void pyad_reset_peak(void);
/* The next `after` allocations of this engine succeed, the one after them fails; -1 for never. */
void pyad_fail_after(int64_t after);
/* Adds one to times[0] to times[count - 1], each as a task of its own of the thread pool. */
int pyad_count_tasks(int64_t count, int64_t *times);
/* Nodes whose rule the sweep under way has applied so far. */
int64_t pyad_sweep_visited(void);

#endif
