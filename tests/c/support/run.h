/* Running one instruction in a test: its memory, operands and result. */
#ifndef PYAD_TESTS_RUN_H
#define PYAD_TESTS_RUN_H

#include <cmocka.h>

#include "primitives/exec.h"
#include "primitives/info.h"
#include "support/arrays.h"
#include "support/hook.h"
#include "support/lists.h"

typedef struct fixture {
    test_hook hook;
    pyad_mem mem;
    pyad_arena arena;
    pyad_message message;
    pyad_env env;
} fixture;

static inline int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    pyad_mem_init(&f->mem, test_hook_use(&f->hook));
    pyad_arena_init(&f->arena, &f->mem);
    f->env = (pyad_env){&f->mem, &f->arena, &f->message};
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    fixture *f = *state;
    int left = f->mem.live_buffers != 0;
    pyad_arena_finish(&f->arena);
    pyad_mem_finish(&f->mem);
    left = left || f->hook.blocks != 0 || f->hook.bytes != 0;
    free(f);
    return left;
}

static inline pyad_value value_of(test_array *array)
{
    return (pyad_value){&array->layout.layout, array->data, NULL};
}

static inline double get(const pyad_value *value, int ndim, const int64_t *index)
{
    test_array array = {.data = value->data};
    memcpy(&array.layout, value->layout, pyad_layout_room(value->layout->ndim));
    return test_get(&array, ndim, index);
}

static inline pyad_value run(fixture *f, int kernel, const int64_t *params, int nargs, const pyad_value *in)
{
    pyad_value out;
    pyad_status status = pyad_kernel_check(&f->message, kernel, params, nargs);
    if (status == PYAD_OK)
        status = pyad_exec(&f->env, kernel, params, nargs, in, &out);
    if (status != PYAD_OK)
        fail_msg("%s: %s", pyad_kernel_name(kernel), f->message.text);
    return out;
}

static inline void drop(fixture *f, pyad_value *value)
{
    if (value->buffer != NULL)
        pyad_buffer_release(&f->mem, value->buffer);
}

static inline void check_shape(const pyad_value *value, int dtype, int ndim, const int64_t *shape)
{
    assert_int_equal(value->layout->dtype, dtype);
    assert_int_equal(value->layout->ndim, ndim);
    for (int d = 0; d < ndim; d++)
        assert_int_equal(pyad_shape(value->layout)[d], shape[d]);
}

#endif
