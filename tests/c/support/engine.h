/* An engine for each test, used through the public header: it has one mark open, and all it holds must be given back. */
#ifndef PYAD_TESTS_ENGINE_H
#define PYAD_TESTS_ENGINE_H

#include <math.h>

#include <cmocka.h>

#include "support/lists.h"
#include "support/rules.h"

#define OK(call) assert_int_equal((call), PYAD_OK)

/* The generation of the mark that was opened for the test. */
static int64_t test_outermost;

static inline int setup_engine(void **state)
{
    pyad_engine *engine = pyad_engine_new();
    pyad_engine_enter(engine);
    *state = engine;
    test_rules_asked = 0;
    test_outermost = test_generation++;
    return pyad_mark_open(test_outermost, 0);
}

static inline int64_t live_bytes(void)
{
    pyad_counters counters;
    pyad_count(&counters);
    return counters.live_bytes;
}

static inline int teardown_engine(void **state)
{
    pyad_engine_enter(*state);
    pyad_reset();
    int64_t left = live_bytes();
    pyad_engine_free(*state);
    return left != 0;
}

/* The handle that a call returned, which must not be a failure. */
static inline int64_t ok(int64_t handle)
{
    if (test_status(handle) != PYAD_OK)
        fail_msg("status %d: %s", test_status(handle), pyad_last_message());
    return handle;
}

static inline void near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance * (1 + fabs(want))))
        fail_msg("%.17g is not near %.17g", got, want);
}

#endif
