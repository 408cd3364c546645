/* The table in which rules are found, and what a rule makes the tape keep. */
#include <string.h>

#include "autodiff/rule.h"
#include "primitives/info.h"

void pyad_rules_init(pyad_rules *rules, pyad_mem *mem)
{
    memset(rules, 0, sizeof *rules);
    rules->mem = mem;
    pyad_arena_init(&rules->arena, mem);
}

void pyad_rules_finish(pyad_rules *rules)
{
    pyad_arena_finish(&rules->arena);
    pyad_mem_free(rules->mem, rules->items, rules->capacity * sizeof *rules->items);
    pyad_mem_free(rules->mem, rules->table, rules->table_size * sizeof *rules->table);
    pyad_mem_free(rules->mem, rules->key, rules->key_capacity * sizeof *rules->key);
    memset(rules, 0, sizeof *rules);
}

/* The key [length, op, parameters, then dtype, rank and shape of each operand] in the scratch vector, and its hash. */
static pyad_status make_key(pyad_rules *rules, int op, const int64_t *params, int nargs,
                            const pyad_value *const *operands, uint64_t *hash)
{
    size_t need = 4 + (params != NULL ? (size_t)params[0] : 0);
    for (int k = 0; k < nargs; k++)
        need += 1 + operands[k]->layout->ndim;
    PYAD_TRY(pyad_mem_grow(rules->mem, (void **)&rules->key, &rules->key_capacity, need, sizeof *rules->key));
    int64_t *at = rules->key + 1;
    *at++ = op;
    *at++ = params != NULL ? params[0] : -1;
    for (int64_t k = 0; params != NULL && k < params[0]; k++)
        *at++ = params[1 + k];
    for (int k = 0; k < nargs; k++) {
        const pyad_layout *layout = operands[k]->layout;
        *at++ = layout->dtype | layout->ndim << 8;
        for (int d = 0; d < layout->ndim; d++)
            *at++ = pyad_shape(layout)[d];
    }
    rules->key[0] = at - rules->key - 1;
    uint64_t h = UINT64_C(0x9E3779B97F4A7C15);
    for (int64_t *word = rules->key; word < at; word++) {
        h = (h ^ (uint64_t)*word) * UINT64_C(0xD6E8FEB86659FD93);
        h ^= h >> 32;
    }
    *hash = h;
    return PYAD_OK;
}

static bool same_key(const int64_t *a, const int64_t *b)
{
    return memcmp(a, b, (size_t)(a[0] + 1) * sizeof *a) == 0;
}

pyad_status pyad_rules_find(pyad_rules *rules, int op, const int64_t *params, int nargs,
                            const pyad_value *const *operands, uint32_t *rule)
{
    if (pyad_kernel_is_loop(op)) {
        *rule = rules->loops[op][pyad_dtype_place(operands[nargs - 1]->layout->dtype)];
        return PYAD_OK;
    }
    *rule = op >= PYAD_KERNEL_COUNT ? PYAD_RULE_PYTHON : PYAD_RULE_UNRESOLVED;
    if (op >= PYAD_KERNEL_COUNT || op == PYAD_KERNEL_ALIAS || pyad_kernel_is_indexing(op))
        return PYAD_OK;
    uint64_t hash;
    PYAD_TRY(make_key(rules, op, params, nargs, operands, &hash));
    for (size_t at = hash; rules->table_size > 0; at++) {
        uint32_t id = rules->table[at & (rules->table_size - 1)];
        if (id == 0)
            break;
        const pyad_rule *item = pyad_rules_get(rules, id);
        if (item->hash == hash && same_key(item->key, rules->key)) {
            *rule = id;
            break;
        }
    }
    return PYAD_OK;
}

static void table_put(uint32_t *table, size_t size, uint64_t hash, uint32_t id)
{
    size_t at = hash & (size - 1);
    while (table[at] != 0)
        at = (at + 1) & (size - 1);
    table[at] = id;
}

/* Keeps the table at most half full. */
static pyad_status table_reserve(pyad_rules *rules)
{
    if (2 * (rules->count + 1) <= rules->table_size)
        return PYAD_OK;
    size_t size = rules->table_size > 0 ? 2 * rules->table_size : 64;
    uint32_t *table = pyad_mem_calloc(rules->mem, size * sizeof *table);
    if (table == NULL)
        return PYAD_ERR_MEMORY;
    for (size_t k = 0; k < rules->count; k++) {
        if (rules->items[k].key != NULL)
            table_put(table, size, rules->items[k].hash, (uint32_t)k + PYAD_RULE_FIRST);
    }
    pyad_mem_free(rules->mem, rules->table, rules->table_size * sizeof *table);
    rules->table = table;
    rules->table_size = size;
    return PYAD_OK;
}

static const pyad_value *operand_value(const pyad_tape *tape, uint32_t node, int k)
{
    return &tape->value[pyad_tape_args(tape, node)[k]];
}

/* The operands' values; the list is freed with pyad_mem_free, or NULL. */
static const pyad_value **list_operands(const pyad_rules *rules, const pyad_tape *tape, uint32_t node, size_t *bytes)
{
    int nargs = tape->nargs[node];
    *bytes = (size_t)nargs * sizeof(const pyad_value *);
    const pyad_value **operands = pyad_mem_calloc(rules->mem, *bytes);
    for (int k = 0; k < nargs && operands != NULL; k++)
        operands[k] = operand_value(tape, node, k);
    return operands;
}

pyad_status pyad_rules_resolve(pyad_rules *rules, pyad_tape *tape, uint32_t node)
{
    size_t bytes;
    const pyad_value **operands = list_operands(rules, tape, node, &bytes);
    if (operands == NULL)
        return PYAD_ERR_MEMORY;
    pyad_status status =
        pyad_rules_find(rules, tape->op[node], tape->params[node], tape->nargs[node], operands, &tape->rule[node]);
    pyad_mem_free(rules->mem, operands, bytes);
    return status;
}

/* Notes the key of `node` in the rule. */
static pyad_status keep_key(pyad_rules *rules, const pyad_tape *tape, uint32_t node, pyad_rule *rule)
{
    int nargs = tape->nargs[node];
    size_t bytes;
    const pyad_value **operands = list_operands(rules, tape, node, &bytes);
    if (operands == NULL)
        return PYAD_ERR_MEMORY;
    pyad_status status = make_key(rules, tape->op[node], tape->params[node], nargs, operands, &rule->hash);
    pyad_mem_free(rules->mem, operands, bytes);
    PYAD_TRY(status);
    size_t key_bytes = (size_t)(rules->key[0] + 1) * sizeof *rules->key;
    int64_t *key = pyad_arena_alloc(&rules->arena, key_bytes);
    if (key == NULL)
        return PYAD_ERR_MEMORY;
    memcpy(key, rules->key, key_bytes);
    rule->key = key;
    return PYAD_OK;
}

pyad_status pyad_rules_add(pyad_rules *rules, pyad_tape *tape, uint32_t node, pyad_rule rule)
{
    int op = tape->op[node];
    bool loop = pyad_kernel_is_loop(op);
    if (!loop)
        PYAD_TRY(keep_key(rules, tape, node, &rule));
    PYAD_TRY(table_reserve(rules));
    PYAD_TRY(
        pyad_mem_grow(rules->mem, (void **)&rules->items, &rules->capacity, rules->count + 1, sizeof *rules->items));
    uint32_t id = (uint32_t)rules->count + PYAD_RULE_FIRST;
    rules->items[rules->count++] = rule;
    if (loop)
        rules->loops[op][pyad_dtype_place(operand_value(tape, node, tape->nargs[node] - 1)->layout->dtype)] = id;
    else
        table_put(rules->table, rules->table_size, rule.hash, id);
    tape->rule[node] = id;
    return PYAD_OK;
}

static void save_all(pyad_tape *tape, uint32_t node)
{
    for (int k = 0; k < tape->nargs[node]; k++)
        pyad_tape_save(tape, pyad_tape_args(tape, node)[k], node);
    pyad_tape_save(tape, node, node);
}

/* The wanted operands as output bits: all that are not constant. */
static uint64_t wanted_bits(const pyad_tape *tape, uint32_t node)
{
    const uint32_t *args = pyad_tape_args(tape, node);
    uint64_t wanted = 0;
    for (int k = 0; k < tape->nargs[node]; k++) {
        if (!(tape->flags[args[k]] & PYAD_NODE_CONST))
            wanted |= pyad_output_bit(k);
    }
    return wanted;
}

static void save_reads(pyad_tape *tape, uint32_t node, const pyad_rule_program *program, uint64_t wanted)
{
    int nargs = tape->nargs[node];
    const uint32_t *args = pyad_tape_args(tape, node);
    for (int k = 0; k < nargs; k++) {
        if (program->reads[k] & wanted)
            pyad_tape_save(tape, args[k], node);
    }
    if (program->reads[nargs] & wanted)
        pyad_tape_save(tape, node, node);
}

/* What going forward reads and going backward may not. */
static void save_forward(pyad_tape *tape, uint32_t node, const pyad_rule *rule, uint64_t wanted)
{
    int nargs = tape->nargs[node];
    const uint32_t *args = pyad_tape_args(tape, node);
    for (int k = 0; k < nargs && rule->forward == PYAD_FORWARD_OWN; k++) {
        if (wanted & pyad_output_bit(k))
            save_reads(tape, node, rule->own_forward[k], pyad_output_bit(k));
    }
    /* The operation itself on the tangent of one operand reads all others. */
    for (int k = 0; k < nargs && rule->forward == PYAD_FORWARD_LINEAR; k++) {
        bool alone = (wanted & ~pyad_output_bit(k)) == 0;
        if (!alone)
            pyad_tape_save(tape, args[k], node);
    }
}

void pyad_rules_save(const pyad_rules *rules, pyad_tape *tape, uint32_t node)
{
    uint32_t id = tape->rule[node];
    bool keep_all = tape->mark_count > 0 && tape->marks[tape->mark_count - 1].keep_all;
    if (id == PYAD_RULE_NONE || tape->op[node] == PYAD_KERNEL_ALIAS)
        return;
    if (pyad_kernel_is_indexing(tape->op[node])) {
        /* Where single elements were written is all that the rules of indexing read. */
        if (tape->op[node] == PYAD_KERNEL_ASSIGN_AT)
            pyad_tape_save(tape, pyad_tape_args(tape, node)[2], node);
        return;
    }
    const pyad_rule *rule = id < PYAD_RULE_FIRST ? NULL : pyad_rules_get(rules, id);
    if (rule == NULL || rule->backward == NULL) {
        save_all(tape, node);
        return;
    }
    uint64_t wanted = wanted_bits(tape, node);
    save_reads(tape, node, rule->backward, wanted);
    if (keep_all)
        save_forward(tape, node, rule, wanted);
}
