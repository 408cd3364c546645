/* A few threads of pyad's own, for work on large arrays that can be cut into chunks.
 *
 * A region is a number of tasks that may run at the same time. The thread that asks for it works on them too, and
 * does not wait for workers that are still waking up, so a region takes at most a little longer than its tasks one
 * after the other. Tasks are handed out in turn to whoever is free. Who runs which is up to chance, so what comes
 * out must not depend on it: every task writes to a place of its own, and the caller cuts the work into pieces by its
 * size alone, never by the number of threads. A piece is a task, or a task takes pieces until none is left. */
#ifndef PYAD_BASE_THREAD_POOL_H
#define PYAD_BASE_THREAD_POOL_H

#include <stdint.h>

#include "base/status.h"

/* More threads than this are never used: the work there is for them is bound by memory long before. */
enum { PYAD_THREAD_POOL_MOST = 256 };

/* Task k of a region. It may run regions itself (on its own thread alone), but it must not fork. */
typedef pyad_status pyad_task(void *context, int64_t k);

/* Runs the tasks 0 to count - 1 and returns when all are done. Where tasks fail, the status is that of the first one of
 * them, by number, and tasks behind it may not have been run: the same whatever the number of threads. Only one region
 * of the process is spread over the threads at a time; another one meanwhile runs on the thread that asks. */
pyad_status pyad_thread_pool_run(pyad_task *task, void *context, int64_t count);

/* How many threads, with the one that asks, work on a region: what was set, or else one to each usable core. At
 * least 1. */
int pyad_thread_pool_size(void);
/* 0: one to each usable core. Workers that are too many end now, or, where a region is running, when the next one
 * begins. PYAD_ERR_VALUE below 0. */
pyad_status pyad_thread_pool_resize(int64_t count);

/* The cores this process may use, by its affinity and by the processor time its container is given. At least 1. */
int pyad_cpu_count(void);

#endif
