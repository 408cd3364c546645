/* Recording: an instruction is put on the tape and run at once. */
#ifndef PYAD_RECORD_H
#define PYAD_RECORD_H

#include "autodiff/rule.h"
#include "primitives/list.h"

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
pyad_status pyad_record_value(const pyad_recorder *recorder, int op, uint16_t flags, int nargs, const uint32_t *args,
                              const int64_t *params, pyad_value value, uint32_t *node);
/* Adds a fresh leaf over the value of `of`: what a nested transform differentiates with respect to. */
pyad_status pyad_record_alias(const pyad_recorder *recorder, uint32_t of, uint32_t *node);
/* Adds the same value under another number, constant where `of` is: what a copy is, until one of the two is written. */
pyad_status pyad_record_same(const pyad_recorder *recorder, uint32_t of, uint32_t *node);

/* Records a write (ASSIGN or ASSIGN_AT; record_assign.c) as pyad_record does, but in the memory of operand 0 where
 * nobody else needs what is there. That operand's handles are stale then. */
pyad_status pyad_record_write(const pyad_recorder *recorder, int op, int nargs, const uint32_t *args,
                              const int64_t *params, uint32_t *node);
/* Records one element of an array of `count` dimensions (a SLICE), by its indices, which are in range. */
pyad_status pyad_record_item(const pyad_recorder *recorder, uint32_t of, int count, const int64_t *index,
                             uint32_t *node);

#endif
