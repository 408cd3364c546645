/* The pool of threads: every task once, whoever asks, whatever the number of threads, and after a fork. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/thread_pool.h"

#if defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZER 1
#endif
#endif
#ifndef THREAD_SANITIZER
#define THREAD_SANITIZER 0
#endif

enum { MOST = 1 << 20, MANY_REGIONS = 3000, CALLERS = 4, CHILD_SECONDS = 60 };

/* How often each task ran. Not atomic: a task is run by one thread, and the caller reads after all are done, so a
 * race here is one of the pool's. */
static int runs[MOST];

static pyad_status count_run(void *context, int64_t k)
{
    ((int *)context)[k]++;
    return PYAD_OK;
}

static bool each_ran(const int *counted, int64_t count, int times)
{
    for (int64_t k = 0; k < count; k++) {
        if (counted[k] != times)
            return false;
    }
    return true;
}

static void sleep_us(long us)
{
    struct timespec span = {us / 1000000, us % 1000000 * 1000};
    nanosleep(&span, NULL);
}

static int with_three_threads(void **state)
{
    (void)state;
    memset(runs, 0, sizeof runs);
    return pyad_thread_pool_resize(3);
}

/* ---- regions ---- */

static void test_every_task_runs_once(void **state)
{
    (void)state;
    static const int64_t counts[] = {0, 1, 2, 3, 7, 64, 1000, MOST};
    for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++) {
        memset(runs, 0, sizeof runs);
        assert_int_equal(pyad_thread_pool_run(count_run, runs, counts[k]), PYAD_OK);
        assert_true(each_ran(runs, counts[k], 1));
        assert_true(each_ran(runs + counts[k], MOST - counts[k], 0));
    }
}

static void test_many_regions_in_a_row(void **state)
{
    (void)state;
    for (int k = 0; k < MANY_REGIONS; k++) {
        assert_int_equal(pyad_thread_pool_run(count_run, runs, 5), PYAD_OK);
        assert_true(each_ran(runs, 5, k + 1));
    }
}

/* Workers that have gone to sleep, and workers about to. */
static void test_regions_after_pauses(void **state)
{
    (void)state;
    for (int k = 0; k < 300; k++) {
        sleep_us(k % 4 * 10);
        assert_int_equal(pyad_thread_pool_run(count_run, runs, 3), PYAD_OK);
        assert_true(each_ran(runs, 3, k + 1));
    }
}

typedef struct meeting {
    atomic_int present;
    int expected;
} meeting;

/* Ends only when as many threads are in their task as are expected. */
static pyad_status meet(void *context, int64_t k)
{
    meeting *m = context;
    (void)k;
    atomic_fetch_add(&m->present, 1);
    while (atomic_load(&m->present) < m->expected)
        sleep_us(50);
    return PYAD_OK;
}

static void test_tasks_run_at_the_same_time(void **state)
{
    (void)state;
    for (int k = 0; k < 20; k++) {
        meeting m = {.expected = 3};
        assert_int_equal(pyad_thread_pool_run(meet, &m, 3), PYAD_OK);
        assert_int_equal(atomic_load(&m.present), 3);
    }
}

static pyad_status run_nested(void *context, int64_t k)
{
    return pyad_thread_pool_run(count_run, (int *)context + k * 10, 10);
}

static void test_a_region_in_a_task(void **state)
{
    (void)state;
    assert_int_equal(pyad_thread_pool_run(run_nested, runs, 1000), PYAD_OK);
    assert_true(each_ran(runs, 10000, 1));
}

static void *run_many(void *counted)
{
    for (int k = 0; k < MANY_REGIONS / 10; k++) {
        if (pyad_thread_pool_run(count_run, counted, 1000) != PYAD_OK || !each_ran(counted, 1000, k + 1))
            return NULL;
    }
    return counted;
}

static void test_several_callers(void **state)
{
    (void)state;
    pthread_t callers[CALLERS];
    for (int k = 0; k < CALLERS; k++)
        assert_int_equal(pthread_create(&callers[k], NULL, run_many, runs + k * 1000), 0);
    for (int k = 0; k < CALLERS; k++) {
        void *result;
        assert_int_equal(pthread_join(callers[k], &result), 0);
        assert_ptr_equal(result, runs + k * 1000);
    }
}

/* Its region ends only when another caller has ended. */
static pyad_status join_others(void *context, int64_t k)
{
    pthread_t caller;
    void *result = NULL;
    int *counted = (int *)context + k * 1000;
    if (pthread_create(&caller, NULL, run_many, counted) != 0 || pthread_join(caller, &result) != 0)
        return PYAD_ERR_STATE;
    return result == counted ? PYAD_OK : PYAD_ERR_VALUE;
}

static void test_no_caller_waits_for_the_region_of_another(void **state)
{
    (void)state;
    assert_int_equal(pyad_thread_pool_run(join_others, runs, 3), PYAD_OK);
}

/* ---- failures ---- */

typedef struct failing {
    int *counted;
    int64_t first;
    int64_t second;
} failing;

static pyad_status fail_at(void *context, int64_t k)
{
    failing *f = context;
    f->counted[k]++;
    if (k == f->first) {
        sleep_us(200);
        return PYAD_ERR_SHAPE;
    }
    return k >= f->second ? PYAD_ERR_DTYPE : PYAD_OK;
}

static void test_the_first_failure_is_what_comes_out(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 3; threads++) {
        assert_int_equal(pyad_thread_pool_resize(threads), PYAD_OK);
        for (int64_t first = 0; first < 100; first += 9) {
            memset(runs, 0, sizeof runs);
            failing f = {.counted = runs, .first = first, .second = first + 1};
            assert_int_equal(pyad_thread_pool_run(fail_at, &f, MOST), PYAD_ERR_SHAPE);
            assert_true(each_ran(runs, first + 1, 1));
            /* The rest is not even tried. */
            assert_true(each_ran(runs + first + 100000, MOST - first - 100000, 0));
        }
    }
    /* No failure is left over. */
    memset(runs, 0, sizeof runs);
    assert_int_equal(pyad_thread_pool_run(count_run, runs, 100), PYAD_OK);
    assert_true(each_ran(runs, 100, 1));
}

/* ---- the number of threads ---- */

static void test_setting(void **state)
{
    (void)state;
    assert_int_equal(pyad_thread_pool_size(), 3);
    assert_int_equal(pyad_thread_pool_resize(-1), PYAD_ERR_VALUE);
    assert_int_equal(pyad_thread_pool_resize(INT64_MIN), PYAD_ERR_VALUE);
    assert_int_equal(pyad_thread_pool_size(), 3);
    assert_int_equal(pyad_thread_pool_resize(INT64_MAX), PYAD_OK);
    assert_int_equal(pyad_thread_pool_size(), PYAD_THREAD_POOL_MOST);
    assert_int_equal(pyad_thread_pool_resize(0), PYAD_OK);
    assert_int_equal(pyad_thread_pool_size(), pyad_cpu_count());
    assert_in_range(pyad_cpu_count(), 1, PYAD_THREAD_POOL_MOST);
    assert_true(pyad_cpu_count() <= sysconf(_SC_NPROCESSORS_CONF));
}

typedef struct thread_set {
    pthread_t first;
    atomic_int others;
} thread_set;

static pyad_status note_thread(void *context, int64_t k)
{
    thread_set *set = context;
    (void)k;
    if (!pthread_equal(set->first, pthread_self()))
        atomic_fetch_add(&set->others, 1);
    return PYAD_OK;
}

static void test_one_thread_is_the_callers(void **state)
{
    (void)state;
    assert_int_equal(pyad_thread_pool_resize(1), PYAD_OK);
    thread_set set = {.first = pthread_self()};
    assert_int_equal(pyad_thread_pool_run(note_thread, &set, 1000), PYAD_OK);
    assert_int_equal(atomic_load(&set.others), 0);
}

static void test_resizing_between_regions(void **state)
{
    (void)state;
    static const int sizes[] = {2, 5, 1, 3, 8, 2, 1, 4};
    for (int k = 0; k < 40; k++) {
        int threads = sizes[k % 8];
        assert_int_equal(pyad_thread_pool_resize(threads), PYAD_OK);
        meeting m = {.expected = threads};
        assert_int_equal(pyad_thread_pool_run(meet, &m, threads), PYAD_OK);
        assert_int_equal(pyad_thread_pool_run(count_run, runs, 1000), PYAD_OK);
        assert_true(each_ran(runs, 1000, k + 1));
    }
}

static pyad_status resize(void *context, int64_t k)
{
    (void)context;
    return pyad_thread_pool_resize(1 + k % 4);
}

static void *resize_often(void *unused)
{
    for (int k = 0; k < 300; k++)
        pyad_thread_pool_resize(1 + k % 4);
    return unused;
}

static void test_resizing_during_regions(void **state)
{
    (void)state;
    assert_int_equal(pyad_thread_pool_run(resize, NULL, 1000), PYAD_OK);
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, resize_often, NULL), 0);
    for (int k = 0; k < 300; k++) {
        assert_int_equal(pyad_thread_pool_run(count_run, runs, 100), PYAD_OK);
        assert_true(each_ran(runs, 100, k + 1));
    }
    pthread_join(other, NULL);
}

/* ---- signals ---- */

static pyad_status look_at_signals(void *context, int64_t k)
{
    atomic_int *wrong = ((atomic_int **)context)[0];
    thread_set *set = ((thread_set **)context)[1];
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    bool own = pthread_equal(set->first, pthread_self());
    if (sigismember(&blocked, SIGINT) == own || sigismember(&blocked, SIGTERM) == own || sigismember(&blocked, SIGSEGV))
        atomic_fetch_add(wrong, 1);
    return note_thread(set, k);
}

/* With two tasks that wait for each other, one of them is a worker's. */
static pyad_status meet_and_look(void *context, int64_t k)
{
    meet(((void **)context)[2], k);
    return look_at_signals(context, k);
}

static void test_signals_stay_with_the_callers_threads(void **state)
{
    (void)state;
    atomic_int wrong = 0;
    thread_set set = {.first = pthread_self()};
    meeting m = {.expected = 3};
    void *context[] = {&wrong, &set, &m};
    assert_int_equal(pyad_thread_pool_run(meet_and_look, context, 3), PYAD_OK);
    assert_int_equal(atomic_load(&set.others), 2);
    assert_int_equal(atomic_load(&wrong), 0);
}

/* ---- fork ---- */

/* What the child finds: 0 when regions are spread over as many threads as here. */
static int child_runs(int threads)
{
    alarm(CHILD_SECONDS);
    if (pyad_thread_pool_size() != threads)
        return 1;
    for (int k = 0; k < 20; k++) {
        meeting m = {.expected = threads};
        if (pyad_thread_pool_run(meet, &m, threads) != PYAD_OK)
            return 2;
        memset(runs, 0, 1000 * sizeof runs[0]);
        if (pyad_thread_pool_run(count_run, runs, 1000) != PYAD_OK || !each_ran(runs, 1000, 1))
            return 3;
    }
    /* A child that ends like this leaves no thread behind, which memcheck would report. */
    return pyad_thread_pool_resize(1);
}

static void fork_and_check(int threads)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(child_runs(threads));
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_a_child_has_threads_of_its_own(void **state)
{
    (void)state;
    for (int k = 0; k < 5; k++) {
        assert_int_equal(pyad_thread_pool_run(count_run, runs, 100), PYAD_OK);
        fork_and_check(3);
    }
    assert_true(each_ran(runs, 100, 5));
}

static atomic_bool must_stop;

static void *run_until_told(void *counted)
{
    int times = 0;
    while (!atomic_load(&must_stop)) {
        times++;
        if (pyad_thread_pool_run(count_run, counted, 1000) != PYAD_OK || !each_ran(counted, 1000, times))
            return NULL;
    }
    return counted;
}

/* The child is made while another thread is anywhere in a region. */
static void test_a_fork_beside_a_region(void **state)
{
    (void)state;
    /* The child's copy of what belongs to that thread is lost, which is what memcheck reports. ThreadSanitizer does not
     * support threads in the child of a process that had several. */
    if (getenv("PYAD_VALGRIND") != NULL || THREAD_SANITIZER)
        skip();
    atomic_store(&must_stop, false);
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, run_until_told, runs + 10000), 0);
    for (int k = 0; k < 30; k++)
        fork_and_check(3);
    atomic_store(&must_stop, true);
    void *result;
    assert_int_equal(pthread_join(other, &result), 0);
    assert_ptr_equal(result, runs + 10000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, with_three_threads)
    const struct CMUnitTest tests[] = {
        TEST(test_every_task_runs_once),
        TEST(test_many_regions_in_a_row),
        TEST(test_regions_after_pauses),
        TEST(test_tasks_run_at_the_same_time),
        TEST(test_a_region_in_a_task),
        TEST(test_several_callers),
        TEST(test_no_caller_waits_for_the_region_of_another),
        TEST(test_the_first_failure_is_what_comes_out),
        TEST(test_setting),
        TEST(test_one_thread_is_the_callers),
        TEST(test_resizing_between_regions),
        TEST(test_resizing_during_regions),
        TEST(test_signals_stay_with_the_callers_threads),
        TEST(test_a_child_has_threads_of_its_own),
        TEST(test_a_fork_beside_a_region),
    };
    /* The last threads are still there when the process ends. */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
