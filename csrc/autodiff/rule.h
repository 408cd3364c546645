/* Rules: derivatives as data, which are rule programs.
 *
 * A rule is written in Python with pyad's own operations. It is recorded once, on placeholders, on a tape that keeps
 * layouts only; that tape becomes a rule program: a sequence of instructions over registers. Registers are the inputs,
 * then the constants, then one per instruction. The inputs of a rule's program are the operation's operands, its
 * result, and the seed: the cotangent of the result (or, going forward, the tangent of one operand). Output k is the
 * contribution to operand k (or of it). What the wanted outputs read is all that the tape must keep. */
#ifndef PYAD_RULE_H
#define PYAD_RULE_H

#include "kernels/elementwise.h"
#include "tape/tape.h"

typedef struct pyad_instr {
    uint16_t op;
    uint16_t nargs;
    uint32_t shared;       /* more than one output is this result */
    uint32_t first;        /* where its registers begin in the program's args */
    uint32_t last_use;     /* the last instruction that reads the result; UINT32_MAX when an output is */
    uint64_t wanted_by;    /* the outputs that need it, as bits (the 64th and later share one) */
    const int64_t *params;
} pyad_instr;

typedef struct pyad_rule_program {
    int input_count;
    int const_count;
    int instr_count;
    int output_count;
    const pyad_value *consts;
    const pyad_instr *instrs;
    const uint32_t *args;
    const int32_t *outputs;  /* register, or -1 where there is no derivative */
    const uint64_t *reads;   /* per input: the outputs that read its value */
    const pyad_elementwise_step *steps;  /* for an element-wise program, else NULL */
} pyad_rule_program;

static inline uint64_t pyad_output_bit(int output)
{
    return (uint64_t)1 << (output < 63 ? output : 63);
}

enum { PYAD_OWN_FORWARD_MOST = 3 };

typedef struct pyad_rule {
    const pyad_rule_program *backward;  /* NULL: only Python can run this rule */
    const pyad_rule_program
        *own_forward[PYAD_OWN_FORWARD_MOST]; /* one per operand, whose output of that number it gives */
    pyad_forward forward;
    const int64_t *key; /* NULL for an element-wise rule */
    uint64_t hash;
} pyad_rule;

/* All rules that a thread has met. Element-wise ones are found by loop and dtype, others by operation, parameters and
 * the avals of the operands. */
typedef struct pyad_rules {
    pyad_mem *mem;
    pyad_arena arena;
    pyad_rule *items; /* rule id r is items[r - PYAD_RULE_FIRST] */
    size_t count;
    size_t capacity;
    uint32_t loops[PYAD_LOOP_COUNT][PYAD_INEXACT_COUNT];
    uint32_t *table; /* open addressing over ids, 0 is empty */
    size_t table_size;
    int64_t *key; /* scratch */
    size_t key_capacity;
} pyad_rules;

void pyad_rules_init(pyad_rules *rules, pyad_mem *mem);
void pyad_rules_finish(pyad_rules *rules);

/* Finds the rule of an operation on these operands, PYAD_RULE_UNRESOLVED when there is none yet. */
pyad_status pyad_rules_find(pyad_rules *rules, int op, const int64_t *params, int nargs,
                            const pyad_value *const *operands, uint32_t *rule);
/* Looks again for the rule of a node that had none when it was recorded. */
pyad_status pyad_rules_resolve(pyad_rules *rules, pyad_tape *tape, uint32_t node);
/* Adds a rule for node `node` of `tape` (its op, params and operands are the key) and gives it to the node. */
pyad_status pyad_rules_add(pyad_rules *rules, pyad_tape *tape, uint32_t node, pyad_rule rule);

static inline const pyad_rule *pyad_rules_get(const pyad_rules *rules, uint32_t rule)
{
    return &rules->items[rule - PYAD_RULE_FIRST];
}

/* What recording a rule has given: nodes of an abstract tape. */
typedef struct pyad_rule_recording {
    const pyad_tape *tape;
    int input_count; /* the first nodes of the tape */
    int output_count;
    const int64_t *outputs; /* node, or -1 */
} pyad_rule_recording;

/* Builds the program of a recording in the rules' arena. *out is NULL when the recording holds a node only Python can
 * run. */
pyad_status pyad_rule_program_build(pyad_rules *rules, const pyad_rule_recording *recording,
                                    const pyad_rule_program **out);

/* Notes on the tape what the rule of `node`, if it is known, can read in a sweep; everything if it is not. */
void pyad_rules_save(const pyad_rules *rules, pyad_tape *tape, uint32_t node);

#endif
