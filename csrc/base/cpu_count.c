/* How many cores the process may use. */
/* sched_getaffinity is an extension. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "base/thread_pool.h"

#if defined(__linux__)

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>

/* Reads `count` (1 or 2) numbers from the start of a file; false where there is no such file, or something else in
 * it. */
static bool read_numbers(const char *path, int count, long long *numbers)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    int found = fscanf(file, count == 2 ? "%lld %lld" : "%lld", &numbers[0], &numbers[1]);
    fclose(file);
    return found == count;
}

/* A container gets `quota` microseconds of processor time in each `period`, over all cores (cgroups, version 2, or
 * else 1). Where there is no limit, version 2 has the word max for it, and version 1 has -1. */
static long long container_cores(void)
{
    long long limit[2] = {-1, -1};
    if (!read_numbers("/sys/fs/cgroup/cpu.max", 2, limit)) {
        long long quota[2];
        long long period[2];
        if (!read_numbers("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", 1, quota) ||
            !read_numbers("/sys/fs/cgroup/cpu/cpu.cfs_period_us", 1, period))
            return PYAD_THREAD_POOL_MOST;
        limit[0] = quota[0];
        limit[1] = period[0];
    }
    if (limit[0] <= 0 || limit[1] <= 0)
        return PYAD_THREAD_POOL_MOST;
    return limit[0] / limit[1] + (limit[0] % limit[1] != 0);
}

static long long machine_cores(void)
{
    /* The kernel refuses a set with less room than it has cores; one cpu_set_t has room for 1024. */
    cpu_set_t usable[8];
    if (sched_getaffinity(0, sizeof usable, usable) != 0)
        return 1;
    return CPU_COUNT_S(sizeof usable, usable);
}

#elif defined(_WIN32)

static long long container_cores(void)
{
    return PYAD_THREAD_POOL_MOST;
}

/* There are no threads of ours either. */
static long long machine_cores(void)
{
    return 1;
}

#else

#include <unistd.h>

static long long container_cores(void)
{
    return PYAD_THREAD_POOL_MOST;
}

static long long machine_cores(void)
{
    return sysconf(_SC_NPROCESSORS_ONLN);
}

#endif

int pyad_cpu_count(void)
{
    long long cores = machine_cores();
    long long container = container_cores();
    if (cores > container)
        cores = container;
    if (cores > PYAD_THREAD_POOL_MOST)
        cores = PYAD_THREAD_POOL_MOST;
    return cores < 1 ? 1 : (int)cores;
}
