/* Values of operations: memory for them, and copies. */
#include "primitives/values.h"

#include <string.h>

#include "kernels/kernels.h"

pyad_status pyad_value_alloc(const pyad_env *env, const pyad_layout *layout, pyad_value *out)
{
    size_t bytes = pyad_layout_bytes(layout);
    out->layout = layout;
    out->buffer = NULL;
    if (bytes <= PYAD_SMALL_BYTES) {
        out->data = pyad_arena_alloc(env->arena, bytes);
        return out->data != NULL ? PYAD_OK : PYAD_ERR_MEMORY;
    }
    PYAD_TRY(pyad_buffer_new(env->mem, bytes, &out->buffer));
    out->data = out->buffer->data;
    return PYAD_OK;
}

pyad_status pyad_value_copy(const pyad_env *env, const pyad_value *in, pyad_value *out)
{
    pyad_layout_any flat;
    PYAD_TRY(pyad_layout_fill(&flat, in->layout->dtype, in->layout->ndim, pyad_shape(in->layout)));
    const pyad_layout *layout = pyad_layout_keep(env->arena, &flat.layout);
    if (layout == NULL)
        return PYAD_ERR_MEMORY;
    PYAD_TRY(pyad_value_alloc(env, layout, out));
    pyad_copy(pyad_value_view(out), pyad_value_view(in));
    return PYAD_OK;
}

pyad_status pyad_value_contiguous(const pyad_env *env, const pyad_value *in, pyad_value *out)
{
    *out = (pyad_value){in->layout, in->data, NULL};
    return in->layout->contiguous ? PYAD_OK : pyad_value_copy(env, in, out);
}

void pyad_value_release(const pyad_env *env, const pyad_value *value)
{
    if (value->buffer != NULL)
        pyad_buffer_release(env->mem, value->buffer);
}

pyad_status pyad_params_copy(pyad_arena *arena, const int64_t *params, const int64_t **out)
{
    *out = NULL;
    if (params == NULL)
        return PYAD_OK;
    size_t bytes = (size_t)(params[0] + 1) * sizeof *params;
    int64_t *copy = pyad_arena_alloc(arena, bytes);
    if (copy == NULL)
        return PYAD_ERR_MEMORY;
    memcpy(copy, params, bytes);
    *out = copy;
    return PYAD_OK;
}
