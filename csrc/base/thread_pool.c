/* The pool of threads.
 *
 * Those who work on a region pass a gate: one number that says whether a region is open, which one, and how many
 * workers are inside. A worker may come late, or not at all, so the caller opens the gate, works until no task is
 * left, closes the gate and waits only for the workers that are inside. Nobody enters a closed gate, so then the
 * region is over.
 *
 * Workers that have nothing to do look for a region for a few microseconds, which is how often a running program
 * has one, and then sleep: a thread that keeps looking takes its core away from the threads of NumPy's BLAS. */
#include "base/thread_pool.h"

#include <stdbool.h>
#include <stddef.h>

/* The same without any other thread: the tasks up to the first that fails. */
static pyad_status run_alone(pyad_task *task, void *context, int64_t count)
{
    for (int64_t k = 0; k < count; k++)
        PYAD_TRY(task(context, k));
    return PYAD_OK;
}

#if defined(_WIN32) || (defined(__EMSCRIPTEN__) && !defined(__EMSCRIPTEN_PTHREADS__))

pyad_status pyad_thread_pool_run(pyad_task *task, void *context, int64_t count)
{
    return run_alone(task, context, count);
}

int pyad_thread_pool_size(void)
{
    return 1;
}

pyad_status pyad_thread_pool_resize(int64_t count)
{
    return count < 0 ? PYAD_ERR_VALUE : PYAD_OK;
}

#else

#include <pthread.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <time.h>

enum {
    CACHE_LINE = 64,
    WORKER_SPIN_NS = 5000, /* regions in quick succession find the workers awake */
    CALLER_SPIN_NS = 20000, /* about what sleeping and waking up costs */
    LOOKS = 16, /* between two looks at the clock */
    /* The gate: the workers inside in the lower bits, above them a number that is odd while a region is open. */
    GATE_STEP = 1 << 16,
    GATE_INSIDE = GATE_STEP - 1
};

/* The one mutable state of the library that does not hang on an engine. It cannot: cores belong to the process, and
 * with a pool to each engine, two threads that differentiate would fight over them. Whoever has set `taken` is the
 * owner, and alone reads and writes what is said to be the owner's. */
static struct {
    alignas(CACHE_LINE) _Atomic uint64_t gate;
    alignas(CACHE_LINE) _Atomic uint64_t next; /* the task to be handed out */

    /* Written by the owner while the gate is closed, read by those inside. */
    alignas(CACHE_LINE) pyad_task *task;
    void *context;
    uint64_t count;

    alignas(CACHE_LINE) atomic_bool taken;
    atomic_bool joining; /* the owner sleeps until all have left */
    atomic_bool cannot_start; /* the system has refused a thread, and is not asked again */
    atomic_int sleeping; /* workers */
    atomic_int allowed; /* workers from this number on end */
    atomic_int setting; /* the number of threads; 0 as long as nobody asked for it */
    pthread_mutex_t lock; /* for sleeping, and for the next two */
    uint64_t failed_at;
    pyad_status failed;
    pthread_cond_t wake;
    pthread_cond_t left;

    /* The owner's. */
    int workers;
    pthread_t thread[PYAD_THREAD_POOL_MOST - 1];
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .left = PTHREAD_COND_INITIALIZER};

/* ---- waiting ---- */

static void pause_a_moment(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

typedef bool condition(const void *argument);

/* Looks whether something has come true, for at most so long. */
static bool spin_until(condition *is_true, const void *argument, int64_t ns)
{
    int64_t end = now_ns() + ns;
    do {
        for (int k = 0; k < LOOKS; k++) {
            if (is_true(argument))
                return true;
            pause_a_moment();
        }
    } while (now_ns() < end);
    return false;
}

/* Waits until all who held the lock when something changed, since they were about to sleep, do sleep. */
static void pass_lock(void)
{
    pthread_mutex_lock(&pool.lock);
    pthread_mutex_unlock(&pool.lock);
}

/* ---- inside a region ---- */

static bool is_open(uint64_t gate)
{
    return (gate & GATE_STEP) != 0;
}

static void note_failure(uint64_t k, pyad_status status)
{
    pthread_mutex_lock(&pool.lock);
    if (k < pool.failed_at) {
        pool.failed_at = k;
        pool.failed = status;
    }
    pthread_mutex_unlock(&pool.lock);
    /* No more are handed out. All before k have been, and will be done, so the first failure is not missed. */
    atomic_store_explicit(&pool.next, pool.count, memory_order_relaxed);
}

/* Does tasks until none is left. */
static void work(void)
{
    for (;;) {
        uint64_t k = atomic_fetch_add_explicit(&pool.next, 1, memory_order_relaxed);
        if (k >= pool.count)
            return;
        pyad_status status = pool.task(pool.context, (int64_t)k);
        if (status != PYAD_OK)
            note_failure(k, status);
    }
}

/* ---- workers ---- */

typedef struct worker {
    int number;
    uint64_t last; /* the region it was in, by the upper bits of the gate */
} worker;

static bool is_dismissed(const worker *me)
{
    return me->number >= atomic_load(&pool.allowed);
}

/* A worker goes into each region once, so that it stays out while the last tasks of others are running. */
static bool is_needed(const void *argument)
{
    const worker *me = argument;
    uint64_t gate = atomic_load(&pool.gate);
    return (is_open(gate) && gate / GATE_STEP != me->last) || is_dismissed(me);
}

static void wait_until_needed(const worker *me)
{
    if (spin_until(is_needed, me, WORKER_SPIN_NS))
        return;
    pthread_mutex_lock(&pool.lock);
    /* The owner opens the gate and then reads this; we count up and then read the gate. One of us sees the other. */
    atomic_fetch_add(&pool.sleeping, 1);
    while (!is_needed(me))
        pthread_cond_wait(&pool.wake, &pool.lock);
    atomic_fetch_sub(&pool.sleeping, 1);
    pthread_mutex_unlock(&pool.lock);
}

static void leave_gate(void)
{
    uint64_t before = atomic_fetch_sub(&pool.gate, 1);
    if ((before & GATE_INSIDE) == 1 && atomic_load(&pool.joining)) {
        pass_lock();
        pthread_cond_signal(&pool.left);
    }
}

static void *worker_main(void *number)
{
    worker me = {.number = (int)(intptr_t)number, .last = 0};
    for (;;) {
        wait_until_needed(&me);
        if (is_dismissed(&me))
            return NULL;
        uint64_t gate = atomic_fetch_add(&pool.gate, 1);
        if (is_open(gate)) {
            me.last = gate / GATE_STEP;
            work();
        }
        leave_gate();
    }
}

/* ---- starting and ending workers: the owner's ---- */

static bool claim(void)
{
    return !atomic_load(&pool.taken) && !atomic_exchange(&pool.taken, true);
}

static void release(void)
{
    atomic_store(&pool.taken, false);
}

/* Signals are for the program's own threads, above all Python's main one. Those that a thread raises itself by a
 * fault go to it in any case, and stay as they are so that fault handlers can report them. */
static void block_signals(sigset_t *before)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
    sigset_t blocked;
    sigfillset(&blocked);
    for (size_t k = 0; k < sizeof faults / sizeof faults[0]; k++)
        sigdelset(&blocked, faults[k]);
    pthread_sigmask(SIG_SETMASK, &blocked, before);
}

/* Workers up to `count`, or as many as the system gives. */
static void start_workers(int count)
{
    if (pool.workers >= count || atomic_load(&pool.cannot_start))
        return;
    sigset_t before;
    block_signals(&before);
    atomic_store(&pool.allowed, count);
    while (pool.workers < count) {
        void *number = (void *)(intptr_t)pool.workers;
        if (pthread_create(&pool.thread[pool.workers], NULL, worker_main, number) != 0) {
            atomic_store(&pool.cannot_start, true);
            break;
        }
        pool.workers++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void end_workers(int count)
{
    if (pool.workers <= count)
        return;
    atomic_store(&pool.allowed, count);
    pass_lock();
    pthread_cond_broadcast(&pool.wake);
    while (pool.workers > count) {
        pool.workers--;
        pthread_join(pool.thread[pool.workers], NULL);
    }
}

/* ---- regions: the owner's ---- */

static void open_gate(pyad_task *task, void *context, int64_t count)
{
    pool.task = task;
    pool.context = context;
    pool.count = (uint64_t)count;
    pool.failed_at = UINT64_MAX;
    pool.failed = PYAD_OK;
    atomic_store_explicit(&pool.next, 0, memory_order_relaxed);
    atomic_fetch_add(&pool.gate, GATE_STEP);
}

static void wake_workers(int count)
{
    int sleeping = atomic_load(&pool.sleeping);
    if (sleeping == 0)
        return;
    pass_lock();
    if (sleeping <= count) {
        pthread_cond_broadcast(&pool.wake);
        return;
    }
    for (int k = 0; k < count; k++)
        pthread_cond_signal(&pool.wake);
}

static bool all_have_left(const void *unused)
{
    (void)unused;
    return (atomic_load(&pool.gate) & GATE_INSIDE) == 0;
}

static void close_gate(void)
{
    atomic_fetch_add(&pool.gate, GATE_STEP);
    if (spin_until(all_have_left, NULL, CALLER_SPIN_NS))
        return;
    pthread_mutex_lock(&pool.lock);
    atomic_store(&pool.joining, true);
    while (!all_have_left(NULL))
        pthread_cond_wait(&pool.left, &pool.lock);
    atomic_store(&pool.joining, false);
    pthread_mutex_unlock(&pool.lock);
}

pyad_status pyad_thread_pool_run(pyad_task *task, void *context, int64_t count)
{
    int helpers = pyad_thread_pool_size() - 1;
    if (helpers == 0 || count <= 1 || !claim())
        return run_alone(task, context, count);
    end_workers(helpers);
    if (helpers > count - 1)
        helpers = (int)(count - 1);
    start_workers(helpers);
    pyad_status status;
    if (pool.workers == 0) {
        status = run_alone(task, context, count);
    } else {
        open_gate(task, context, count);
        wake_workers(helpers);
        work();
        close_gate();
        status = pool.failed;
    }
    release();
    return status;
}

/* ---- the number of threads ---- */

int pyad_thread_pool_size(void)
{
    int threads = atomic_load_explicit(&pool.setting, memory_order_relaxed);
    if (threads == 0) {
        /* Two threads that come here at once find the same. If one comes from a setting between the two lines, that
         * stays. */
        int cores = pyad_cpu_count();
        if (atomic_compare_exchange_strong(&pool.setting, &threads, cores))
            threads = cores;
    }
    return threads;
}

pyad_status pyad_thread_pool_resize(int64_t count)
{
    if (count < 0)
        return PYAD_ERR_VALUE;
    int threads = count < PYAD_THREAD_POOL_MOST ? (int)count : PYAD_THREAD_POOL_MOST;
    atomic_store(&pool.setting, threads);
    atomic_store(&pool.cannot_start, false);
    if (claim()) {
        end_workers(pyad_thread_pool_size() - 1);
        release();
    }
    return PYAD_OK;
}

/* ---- the life of the process ---- */

/* A child has none of our threads, and nobody gives back what they held. So they end before a fork, unless one of
 * them is at work, and start again when needed; the processes differ by nothing then. */
static void before_fork(void)
{
    if (claim()) {
        end_workers(0);
        release();
    }
}

/* Another thread may have been in a region or on the way into one. It is not there any more. */
static void in_child(void)
{
    pthread_mutex_init(&pool.lock, NULL);
    pthread_cond_init(&pool.wake, NULL);
    pthread_cond_init(&pool.left, NULL);
    pool.workers = 0;
    atomic_store(&pool.gate, 0);
    atomic_store(&pool.sleeping, 0);
    atomic_store(&pool.joining, false);
    atomic_store(&pool.cannot_start, false);
    release();
}

/* Before any thread of ours can be there, so no fork is missed. */
__attribute__((constructor)) static void on_load(void)
{
    /* Without the handlers a child could wait for workers it does not have. */
    if (pthread_atfork(before_fork, NULL, in_child) != 0)
        atomic_store(&pool.taken, true);
}

/* The code of the workers is about to go. They end; a region that is asked for after this runs on its own thread. Where
 * another thread is in a region even now, the process is ending, and its threads with it. */
__attribute__((destructor)) static void on_unload(void)
{
    if (claim())
        end_workers(0);
}

#endif
