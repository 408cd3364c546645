/* Values of operations: memory for them, and copies. */
#ifndef PYAD_PRIMITIVES_VALUES_H
#define PYAD_PRIMITIVES_VALUES_H

#include "array/array.h"

/* Memory for a value: small ones from the arena, others a buffer of their own. */
pyad_status pyad_value_alloc(const pyad_env *env, const pyad_layout *layout, pyad_value *out);
/* A contiguous copy (of a view that is not, or of memory that must not be shared). */
pyad_status pyad_value_copy(const pyad_env *env, const pyad_value *in, pyad_value *out);
/* The value as it is, without a reference to its buffer, where it is contiguous; else a copy. To be released. */
pyad_status pyad_value_contiguous(const pyad_env *env, const pyad_value *in, pyad_value *out);
/* Lets go of the value's buffer, if it has one. */
void pyad_value_release(const pyad_env *env, const pyad_value *value);

/* Copies static parameters (their count first; or NULL) into an arena. */
pyad_status pyad_params_copy(pyad_arena *arena, const int64_t *params, const int64_t **out);

#endif
