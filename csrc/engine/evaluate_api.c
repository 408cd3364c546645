/* One instruction on the caller's own arrays, without a tape. */
#include <string.h>

#include "engine/engine.h"
#include "primitives/exec.h"
#include "primitives/infer.h"
#include "primitives/info.h"

enum { OPERANDS = 8 };

static pyad_status run(pyad_engine *engine, int kernel, const int64_t *params, int nargs, const pyad_value *in,
                       const pyad_value *out)
{
    pyad_arena arena;
    pyad_arena_init(&arena, &engine->mem);
    pyad_env env = {&engine->mem, &arena, &engine->message};
    pyad_status status = pyad_exec_into(&env, kernel, params, nargs, in, out);
    pyad_arena_finish(&arena);
    return status;
}

int pyad_evaluate(int kernel, const int64_t *params, int nargs, const pyad_array *in, pyad_array *out)
{
    pyad_engine *engine = pyad_engine_here();
    pyad_layout_any layouts[OPERANDS];
    const pyad_layout *pointers[OPERANDS];
    pyad_value values[OPERANDS];
    pyad_layout_any result;
    int64_t offset;
    if (engine == NULL)
        return PYAD_ERR_STALE;
    if (nargs > OPERANDS)
        return pyad_fail(&engine->message, PYAD_ERR_VALUE, "an instruction without a tape has up to %d operands",
                         OPERANDS);
    for (int k = 0; k < nargs; k++) {
        pyad_status status =
            pyad_engine_layout(engine, in[k].dtype, in[k].ndim, in[k].shape, in[k].strides, &layouts[k]);
        if (status != PYAD_OK)
            return pyad_engine_explained(engine, status);
        pointers[k] = &layouts[k].layout;
        values[k] = (pyad_value){pointers[k], in[k].data, NULL};
    }
    pyad_status status = pyad_kernel_check(&engine->message, kernel, params, nargs);
    if (status == PYAD_OK)
        status = pyad_infer(&engine->message, kernel, params, nargs, pointers, &result, &offset);
    if (status != PYAD_OK)
        return pyad_engine_explained(engine, status);
    if (out->data != NULL)
        return pyad_engine_explained(
            engine, run(engine, kernel, params, nargs, values, &(pyad_value){&result.layout, out->data, NULL}));
    out->dtype = result.layout.dtype;
    out->ndim = result.layout.ndim;
    memcpy(out->shape, pyad_shape(&result.layout), (size_t)out->ndim * sizeof *out->shape);
    return PYAD_OK;
}
