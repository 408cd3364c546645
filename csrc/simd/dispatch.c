/* Which level's kernels to run, and what the loops are called. */
#include "simd/dispatch.h"

#include <string.h>

extern const pyad_isa_table pyad_isa_table_base;

/* PYAD_ISA_ONLY_BASE is for compilers that cannot make the other levels. */
#if defined(__x86_64__) && !defined(PYAD_ISA_ONLY_BASE)
#define PYAD_ISA_LEVELS 1
extern const pyad_isa_table pyad_isa_table_v3;
extern const pyad_isa_table pyad_isa_table_v4;
#endif

/* Nothing is stored: the compiler's run time has read the processor before main, and a query is one load and a test. So
 * threads cannot race here. */
const pyad_isa_table *pyad_isa(void)
{
#ifdef PYAD_ISA_LEVELS
    if (__builtin_cpu_supports("x86-64-v4")) {
        return &pyad_isa_table_v4;
    }
    if (__builtin_cpu_supports("x86-64-v3")) {
        return &pyad_isa_table_v3;
    }
#endif
    return &pyad_isa_table_base;
}

const pyad_isa_table *pyad_isa_level(const char *name)
{
    if (name == NULL) {
        return NULL;
    }
    if (strcmp(name, "base") == 0) {
        return &pyad_isa_table_base;
    }
#ifdef PYAD_ISA_LEVELS
    if (strcmp(name, "v3") == 0 && __builtin_cpu_supports("x86-64-v3")) {
        return &pyad_isa_table_v3;
    }
    if (strcmp(name, "v4") == 0 && __builtin_cpu_supports("x86-64-v4")) {
        return &pyad_isa_table_v4;
    }
#endif
    return NULL;
}

#define PYAD_LOOP_INFO(NAME, name, arity, kind, cost, ...) \
    [PYAD_LOOP_##NAME] = {#name, arity, PYAD_KIND_##kind, PYAD_COST_##cost},

const pyad_loop_info pyad_loops[PYAD_LOOP_COUNT] = {PYAD_LOOP_LIST(PYAD_LOOP_INFO)};

#define PYAD_SUPER_INFO(NAME, name, arity, first, second, side, scalars, result) {#name, first, second, side, scalars},

const pyad_super_info pyad_superloops[PYAD_SUPER_END - PYAD_LOOP_COUNT] = {PYAD_SUPER_LIST(PYAD_SUPER_INFO)};
