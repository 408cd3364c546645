/* Recording: an instruction is run as it is put on the tape. */
#ifndef PYAD_RECORD_H
#define PYAD_RECORD_H

#include "exec.h"
#include "program.h"

typedef struct pyad_recorder {
    pyad_tape *tape;
    pyad_rules *rules;
    pyad_message *message;
} pyad_recorder;

/* Runs the instruction and adds its node; on an abstract tape only infers its layout. `params` (length first, or NULL)
 * are copied. On failure the tape is as it was. */
pyad_status pyad_record(const pyad_recorder *recorder, int op, int nargs, const uint32_t *args, const int64_t *params,
                        uint32_t *node);
/* Adds a node with a value that is there already; takes over its buffer reference also on failure. */
pyad_status pyad_record_value(const pyad_recorder *recorder, int op, uint8_t flags, int nargs, const uint32_t *args,
                              const int64_t *params, pyad_value value, uint32_t *node);
/* A fresh leaf over the value of `of`: what a nested transform differentiates with respect to. */
pyad_status pyad_record_alias(const pyad_recorder *recorder, uint32_t of, uint32_t *node);

#endif
