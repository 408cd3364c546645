/* Programs: what a recording on placeholders becomes; and the table of rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "autodiff/record.h"
#include "support/arrays.h"
#include "support/hook.h"

#define LIST(...) ((const int64_t[]){__VA_ARGS__})
#define PARAMS(...) ((const int64_t[]){sizeof(LIST(__VA_ARGS__)) / 8, __VA_ARGS__})

typedef struct fixture {
    test_hook hook;
    pyad_mem mem;
    pyad_message message;
    pyad_tape tape;
    pyad_rules rules;
    pyad_recorder recorder;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    pyad_mem_init(&f->mem, test_hook_use(&f->hook));
    pyad_tape_init(&f->tape, &f->mem);
    pyad_rules_init(&f->rules, &f->mem);
    f->tape.abstract = true;
    f->recorder = (pyad_recorder){&f->tape, &f->rules, &f->message};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    pyad_tape_finish(&f->tape);
    pyad_rules_finish(&f->rules);
    pyad_mem_finish(&f->mem);
    int left = f->hook.blocks != 0 || f->hook.bytes != 0;
    free(f);
    return left;
}

static uint32_t input(fixture *f, int dtype, int ndim, const int64_t *shape)
{
    pyad_layout_any any;
    assert_int_equal(pyad_layout_fill(&any, dtype, ndim, shape), PYAD_OK);
    assert_int_equal(pyad_tape_reserve(&f->tape, 0), PYAD_OK);
    pyad_value value = {pyad_layout_keep(&f->tape.arena, &any.layout), NULL, NULL};
    return pyad_tape_push(&f->tape, PYAD_KERNEL_ALIAS, PYAD_NODE_LEAF, 0, NULL, NULL, value);
}

static uint32_t op(fixture *f, int kernel, const int64_t *params, int nargs, const uint32_t *args)
{
    uint32_t node = UINT32_MAX;
    assert_int_equal(pyad_record(&f->recorder, kernel, nargs, args, params, &node), PYAD_OK);
    assert_null(f->tape.value[node].data); /* layouts only */
    return node;
}

static uint32_t op1(fixture *f, int kernel, uint32_t a)
{
    return op(f, kernel, NULL, 1, &a);
}

static uint32_t op2(fixture *f, int kernel, uint32_t a, uint32_t b)
{
    return op(f, kernel, NULL, 2, (const uint32_t[]){a, b});
}

static uint32_t number(fixture *f, double value)
{
    uint32_t node;
    assert_int_equal(pyad_tape_number(&f->tape, value, PYAD_F64, &node), PYAD_OK);
    return node;
}

static const pyad_rule_program *build(fixture *f, int input_count, int output_count, const int64_t *outputs)
{
    const pyad_rule_program *program;
    pyad_rule_recording recording = {&f->tape, input_count, output_count, outputs};
    assert_int_equal(pyad_rule_program_build(&f->rules, &recording, &program), PYAD_OK);
    return program;
}

/* The rule of a product: two steps, each wanted by one output; each output reads the other operand and the seed. */
static void test_product(void **state)
{
    fixture *f = *state;
    for (int k = 0; k < 4; k++)
        input(f, PYAD_F64, 0, NULL);
    int64_t outputs[2] = {op2(f, PYAD_LOOP_MUL, 3, 1), op2(f, PYAD_LOOP_MUL, 3, 0)};
    const pyad_rule_program *p = build(f, 4, 2, outputs);
    assert_int_equal(p->input_count, 4);
    assert_int_equal(p->const_count, 0);
    assert_int_equal(p->instr_count, 2);
    assert_int_equal(p->outputs[0], 4);
    assert_int_equal(p->outputs[1], 5);
    assert_int_equal(p->instrs[0].wanted_by, 1);
    assert_int_equal(p->instrs[1].wanted_by, 2);
    assert_int_equal(p->reads[0], 2);
    assert_int_equal(p->reads[1], 1);
    assert_int_equal(p->reads[2], 0);
    assert_int_equal(p->reads[3], 3);
    assert_int_equal(p->args[p->instrs[1].first], 3);
    assert_int_equal(p->args[p->instrs[1].first + 1], 0);
    assert_non_null(p->steps);
    assert_int_equal(p->steps[0].in[1], 1);
    assert_true(p->steps[0].wide && p->steps[0].bytes == 8 && p->steps[0].arity == 2);
}

static void test_dead_and_shared(void **state)
{
    fixture *f = *state;
    for (int k = 0; k < 3; k++)
        input(f, PYAD_F32, 0, NULL);
    uint32_t dead = op1(f, PYAD_LOOP_EXP, 0);
    op2(f, PYAD_LOOP_ADD, dead, dead);
    number(f, 9.0);
    uint32_t common = op1(f, PYAD_LOOP_TANH, 0);
    uint32_t late = op2(f, PYAD_LOOP_MUL, common, 2);
    const int64_t outputs[4] = {late, common, -1, late};
    const pyad_rule_program *p = build(f, 3, 4, outputs);
    assert_int_equal(p->instr_count, 2);
    assert_int_equal(p->const_count, 0);
    assert_int_equal(p->outputs[2], -1);
    assert_int_equal(p->outputs[0], p->outputs[3]);
    assert_int_equal(p->instrs[0].wanted_by, 1 | 2 | 8);
    assert_int_equal(p->instrs[1].wanted_by, 1 | 8);
    /* Both are outputs and so outlive every reader; one is it twice. */
    assert_int_equal(p->instrs[0].last_use, UINT32_MAX);
    assert_int_equal(p->instrs[1].last_use, UINT32_MAX);
    assert_false(p->instrs[0].shared);
    assert_true(p->instrs[1].shared);
    assert_int_equal(p->reads[1], 0);
    assert_false(p->steps[0].wide);
    assert_int_equal(p->steps[0].bytes, 4);
}

static void test_constants(void **state)
{
    fixture *f = *state;
    double table[6] = {0, 1, 2, 3, 4, 5};
    for (int k = 0; k < 3; k++)
        input(f, PYAD_F64, 1, LIST(3));
    pyad_layout_any any;
    uint32_t lent;
    assert_int_equal(pyad_layout_fill_strided(&any, PYAD_F64, 1, LIST(3), LIST(-2)), PYAD_OK);
    assert_int_equal(pyad_tape_lend(&f->tape, PYAD_NODE_CONST, &any.layout, table + 5, &lent), PYAD_OK);
    uint32_t y = op2(f, PYAD_LOOP_MUL, 2, lent);
    uint32_t half = number(f, 0.5);
    int64_t outputs[2] = {op2(f, PYAD_LOOP_MUL, y, half), half};
    const pyad_rule_program *p = build(f, 3, 2, outputs);
    assert_int_equal(p->const_count, 2);
    /* Kept by the program, contiguous, whatever becomes of the memory. */
    memset(table, 0, sizeof table);
    assert_true(p->consts[0].layout->contiguous);
    const double *kept = p->consts[0].data;
    assert_true(kept[0] == 5 && kept[1] == 3 && kept[2] == 1);
    assert_true(*(const double *)p->consts[1].data == 0.5);
    assert_int_equal(p->outputs[0], 6);
    assert_int_equal(p->outputs[1], 4); /* a constant passed on */
    assert_int_equal(p->instrs[0].last_use, 1);
    assert_int_equal(p->args[0], 2);
    assert_int_equal(p->args[1], 3);
}

static void test_passed(void **state)
{
    fixture *f = *state;
    for (int k = 0; k < 4; k++)
        input(f, PYAD_F64, 0, NULL);
    const int64_t outputs[2] = {3, 3};
    const pyad_rule_program *p = build(f, 4, 2, outputs);
    assert_int_equal(p->instr_count, 0);
    assert_null(p->steps);
    assert_int_equal(p->outputs[0], 3);
    assert_int_equal(p->reads[3], 3);
    assert_int_equal(p->reads[0] | p->reads[1] | p->reads[2], 0);
}

/* Shapes make it a general line, and their parameters are kept. */
static void test_general(void **state)
{
    fixture *f = *state;
    input(f, PYAD_F64, 2, LIST(2, 3));
    input(f, PYAD_F64, 1, LIST(3));
    input(f, PYAD_F64, 1, LIST(3));
    int64_t shape[3] = {2, 2, 3};
    uint32_t two = 2;
    uint32_t wide = op(f, PYAD_KERNEL_BROADCAST, shape, 1, &two);
    memset(shape, 0, sizeof shape);
    const int64_t outputs[1] = {op2(f, PYAD_LOOP_MUL, wide, 0)};
    const pyad_rule_program *p = build(f, 3, 1, outputs);
    assert_null(p->steps);
    assert_int_equal(p->instrs[0].params[0], 2);
    assert_int_equal(p->instrs[0].params[2], 3);
    /* Too many registers for blocks. */
    uint32_t y = 0;
    for (int k = 0; k < PYAD_ELEMENTWISE_REGISTERS; k++)
        y = op1(f, PYAD_LOOP_NEG, y);
    const int64_t last[1] = {y};
    p = build(f, 3, 1, last);
    assert_int_equal(p->instr_count, PYAD_ELEMENTWISE_REGISTERS);
    assert_null(p->steps);
    for (int k = 0; k + 1 < p->instr_count; k++)
        assert_int_equal(p->instrs[k].last_use, k + 1);
}

/* Outputs from the 64th on share a bit: what one of them reads counts for all, never the other way round. */
static void test_many_outputs(void **state)
{
    fixture *f = *state;
    enum { MANY = 100 };
    int64_t outputs[MANY];
    for (int k = 0; k < MANY; k++)
        input(f, PYAD_F64, 0, NULL);
    for (int k = 0; k < MANY; k++)
        outputs[k] = op1(f, PYAD_LOOP_EXP, (uint32_t)k);
    const pyad_rule_program *p = build(f, MANY, MANY, outputs);
    for (int k = 0; k < MANY; k++) {
        assert_int_equal(p->reads[k], pyad_output_bit(k));
        assert_int_equal(p->instrs[k].wanted_by, (uint64_t)1 << (k < 63 ? k : 63));
    }
}

static void test_python(void **state)
{
    fixture *f = *state;
    uint32_t x = input(f, PYAD_F64, 0, NULL);
    uint32_t node;
    pyad_value value = {pyad_layout_scalar(PYAD_F64), NULL, NULL};
    pyad_status status =
        pyad_record_value(&f->recorder, PYAD_KERNEL_COUNT + 7, PYAD_NODE_PYTHON, 1, &x, NULL, value, &node);
    assert_int_equal(status, PYAD_OK);
    int64_t outputs[1] = {op1(f, PYAD_LOOP_EXP, node)};
    assert_null(build(f, 1, 1, outputs));
    outputs[0] = op1(f, PYAD_LOOP_EXP, x); /* where nobody wants it, it is in nobody's way */
    assert_non_null(build(f, 1, 1, outputs));
}

static void test_failure(void **state)
{
    fixture *f = *state;
    for (int k = 0; k < 3; k++)
        input(f, PYAD_F64, 0, NULL);
    uint32_t y = 0;
    for (int k = 0; k < 3000; k++)
        y = op2(f, PYAD_LOOP_MUL, y, number(f, k));
    const int64_t outputs[1] = {y};
    pyad_rule_recording recording = {&f->tape, 3, 1, outputs};
    const pyad_rule_program *program;
    pyad_status status = PYAD_ERR_MEMORY;
    for (int64_t after = 0; status != PYAD_OK; after++) {
        assert_true(after < 100);
        pyad_mem_trim(&f->mem);
        test_hook_fail_after(&f->hook, after);
        status = pyad_rule_program_build(&f->rules, &recording, &program);
        test_hook_never_fail(&f->hook);
        assert_true(status == PYAD_OK ? program != NULL : status == PYAD_ERR_MEMORY && program == NULL);
    }
    assert_true(f->hook.failures > 3);
    assert_int_equal(program->instr_count, 3000);
}

/* ---- the table ---- */

static uint32_t find(fixture *f, uint32_t node)
{
    const pyad_value *operands[3];
    uint32_t rule = 99;
    for (int k = 0; k < f->tape.nargs[node]; k++)
        operands[k] = &f->tape.value[pyad_tape_args(&f->tape, node)[k]];
    assert_int_equal(
        pyad_rules_find(&f->rules, f->tape.op[node], f->tape.params[node], f->tape.nargs[node], operands, &rule),
        PYAD_OK);
    return rule;
}

static void test_table(void **state)
{
    fixture *f = *state;
    enum { MANY = 400 };
    uint32_t nodes[MANY];
    uint32_t rules[MANY];
    /* Operations that differ in a parameter, or in the shape or dtype of the operand. */
    for (int k = 0; k < MANY; k++) {
        uint32_t x = input(f, k % 2 == 0 ? PYAD_F64 : PYAD_F32, 1, LIST(10 + k / 8));
        nodes[k] = op(f, PYAD_KERNEL_UNSLICE, PARAMS(1, 2 * (10 + k / 8) + 8, k / 2 % 4, 2, 10 + k / 8), 1, &x);
        assert_int_equal(find(f, nodes[k]), PYAD_RULE_UNRESOLVED);
        assert_int_equal(pyad_rules_add(&f->rules, &f->tape, nodes[k], (pyad_rule){.backward = NULL}), PYAD_OK);
        rules[k] = f->tape.rule[nodes[k]];
    }
    for (int k = 0; k < MANY; k++) {
        assert_int_equal(rules[k], PYAD_RULE_FIRST + k);
        assert_int_equal(find(f, nodes[k]), rules[k]);
        f->tape.rule[nodes[k]] = PYAD_RULE_UNRESOLVED;
        assert_int_equal(pyad_rules_resolve(&f->rules, &f->tape, nodes[k]), PYAD_OK);
        assert_int_equal(f->tape.rule[nodes[k]], rules[k]);
    }
    /* An element-wise rule is for every shape, but for one dtype. */
    uint32_t a = op1(f, PYAD_LOOP_EXP, input(f, PYAD_F32, 1, LIST(3)));
    assert_int_equal(pyad_rules_add(&f->rules, &f->tape, a, (pyad_rule){.backward = NULL}), PYAD_OK);
    assert_int_equal(find(f, op1(f, PYAD_LOOP_EXP, input(f, PYAD_F32, 2, LIST(4, 4)))), f->tape.rule[a]);
    assert_int_equal(find(f, op1(f, PYAD_LOOP_EXP, input(f, PYAD_F64, 1, LIST(3)))), PYAD_RULE_UNRESOLVED);
    /* A failure leaves the table right. */
    for (int64_t after = 0; after < 4; after++) {
        uint32_t x = input(f, PYAD_F64, 1, LIST(1000 + after));
        uint32_t node = op(f, PYAD_KERNEL_UNSLICE, PARAMS(1, 2000, 0, 1, 1000 + after), 1, &x);
        test_hook_fail_after(&f->hook, after);
        pyad_status status = pyad_rules_add(&f->rules, &f->tape, node, (pyad_rule){.backward = NULL});
        test_hook_never_fail(&f->hook);
        assert_int_equal(find(f, node), status == PYAD_OK ? f->tape.rule[node] : PYAD_RULE_UNRESOLVED);
        assert_int_equal(find(f, nodes[7]), rules[7]);
    }
}

/* What the rule reads, for the operands that are no constants, is what the tape is told to keep. */
static void test_saved(void **state)
{
    fixture *f = *state;
    for (int k = 0; k < 4; k++)
        input(f, PYAD_F64, 0, NULL);
    const int64_t outputs[2] = {op2(f, PYAD_LOOP_MUL, 3, 1), op2(f, PYAD_LOOP_MUL, 3, 0)};
    pyad_rule rule = {.backward = build(f, 4, 2, outputs)};
    double data[2][3] = {{1, 2, 3}, {4, 5, 6}};
    pyad_layout_any any;
    pyad_layout_fill(&any, PYAD_F64, 1, LIST(3));
    f->tape.abstract = false;
    for (int round = 0; round < 4; round++) {
        uint32_t args[2];
        for (int k = 0; k < 2; k++)
            assert_int_equal(
                pyad_tape_lend(&f->tape, round == 2 && k == 1 ? PYAD_NODE_CONST : 0, &any.layout, data[k], &args[k]),
                PYAD_OK);
        uint32_t node;
        if (round == 3)
            assert_int_equal(pyad_tape_mark(&f->tape, 5, true), PYAD_OK);
        assert_int_equal(pyad_record(&f->recorder, PYAD_LOOP_MUL, 2, args, NULL, &node), PYAD_OK);
        bool first = f->tape.flags[args[0]] & PYAD_NODE_SAVED;
        bool second = f->tape.flags[args[1]] & PYAD_NODE_SAVED;
        bool result = f->tape.flags[node] & PYAD_NODE_SAVED;
        /* Unknown: everything. Known: both operands. With a constant: only that one. With a forward sweep to come: what that
         * reads, which for an element-wise operation is the same. */
        assert_true(second);
        assert_int_equal(first, round != 2);
        assert_int_equal(result, round == 0);
        if (round == 0)
            assert_int_equal(pyad_rules_add(&f->rules, &f->tape, node, rule), PYAD_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_product, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dead_and_shared, setup, teardown),
        cmocka_unit_test_setup_teardown(test_constants, setup, teardown),
        cmocka_unit_test_setup_teardown(test_passed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_general, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_outputs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_python, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failure, setup, teardown),
        cmocka_unit_test_setup_teardown(test_table, setup, teardown),
        cmocka_unit_test_setup_teardown(test_saved, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
