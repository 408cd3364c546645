/* The memory that kernels take in a test program: made before its tests, and found empty behind them. */
#ifndef PYAD_TESTS_MEMORY_H
#define PYAD_TESTS_MEMORY_H

#include "support/hook.h"

#define SHAPE(...) ((const int64_t[]){__VA_ARGS__})

static pyad_mem memory;
static test_hook hook;

static inline int start(void **state)
{
    (void)state;
    pyad_mem_init(&memory, test_hook_use(&hook));
    return 0;
}

static inline int finish(void **state)
{
    (void)state;
    pyad_mem_finish(&memory);
    return hook.blocks == 0 && hook.bytes == 0 ? 0 : -1;
}

#endif
