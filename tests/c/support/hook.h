/* A hook for tests: it counts what is taken and given back, and can be told to fail. */
#ifndef PYAD_TESTS_HOOK_H
#define PYAD_TESTS_HOOK_H

#include <stdlib.h>

#include "base/memory.h"

typedef struct test_hook {
    int64_t calls;    /* allocations asked for, growth included */
    int64_t fail_at;  /* from which call on to fail, counted from 1; 0 never */
    int64_t fail_to;  /* the last call to fail */
    int64_t failures;
    int64_t blocks;   /* not yet freed */
    size_t bytes;     /* in those blocks, as their owners stated the sizes: a wrong size at freeing shows here */
} test_hook;

static inline void *test_hook_resize(void *user, void *block, size_t old_size, size_t new_size)
{
    test_hook *hook = user;
    if (new_size == 0) {
        hook->blocks--;
        hook->bytes -= old_size;
        free(block);
        return NULL;
    }
    hook->calls += new_size > old_size;
    /* Making a block smaller does not fail. */
    if (new_size > old_size && hook->fail_at != 0 && hook->calls >= hook->fail_at && hook->calls <= hook->fail_to) {
        hook->failures++;
        return NULL;
    }
    void *resized = realloc(block, new_size);
    if (resized != NULL) {
        hook->blocks += block == NULL;
        hook->bytes += new_size - old_size;
    }
    return resized;
}

static inline pyad_hook test_hook_use(test_hook *hook)
{
    return (pyad_hook){test_hook_resize, hook};
}

/* Lets the next `count` allocations succeed and fails every one after them. Since an allocation that fails is tried
 * again once the cache is given back, failing a single one would often go unnoticed. */
static inline void test_hook_fail_after(test_hook *hook, int64_t count)
{
    hook->fail_at = hook->calls + count + 1;
    hook->fail_to = INT64_MAX;
}

/* The same for just one allocation. */
static inline void test_hook_fail_once(test_hook *hook, int64_t count)
{
    hook->fail_at = hook->calls + count + 1;
    hook->fail_to = hook->fail_at;
}

static inline void test_hook_never_fail(test_hook *hook)
{
    hook->fail_at = 0;
}

#endif
