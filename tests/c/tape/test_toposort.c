/* Topological order between asked outputs and inputs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/arrays.h"
#include "support/hook.h"
#include "tape/toposort.h"

typedef struct fixture {
    test_hook hook;
    pyad_mem mem;
    pyad_tape tape;
    pyad_toposort order;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    pyad_mem_init(&f->mem, test_hook_use(&f->hook));
    pyad_tape_init(&f->tape, &f->mem);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    pyad_toposort_finish(&f->order, &f->mem);
    pyad_tape_finish(&f->tape);
    pyad_mem_finish(&f->mem);
    int left = f->hook.blocks != 0 || f->hook.bytes != 0;
    free(f);
    return left;
}

static double nothing;

static uint32_t push_flagged(pyad_tape *tape, uint8_t flags, int nargs, const uint32_t *args)
{
    assert_int_equal(pyad_tape_reserve(tape, (size_t)nargs), PYAD_OK);
    pyad_value value = {pyad_layout_scalar(PYAD_F64), &nothing, NULL};
    return pyad_tape_push(tape, PYAD_LOOP_ADD, flags, nargs, args, NULL, value);
}

#define PUSH(tape, ...) \
    push_flagged(tape, 0, (int)(sizeof((const uint32_t[]){__VA_ARGS__}) / 4), (const uint32_t[]){__VA_ARGS__})

static uint32_t leaf(pyad_tape *tape)
{
    return push_flagged(tape, PYAD_NODE_LEAF, 0, NULL);
}

#define BUILD(f, outputs, inputs) build(f, sizeof(outputs) / 4, outputs, sizeof(inputs) / 4, inputs)

static void build(fixture *f, size_t output_count, const uint32_t *outputs, size_t input_count, const uint32_t *inputs)
{
    assert_int_equal(pyad_toposort_build(&f->order, &f->tape, (int)output_count, outputs, (int)input_count, inputs),
                     PYAD_OK);
    for (size_t k = 0; k < f->order.count; k++)
        assert_int_equal(f->tape.position[f->order.nodes[k]], k);
}

static bool has(const fixture *f, uint32_t node)
{
    return pyad_toposort_has(&f->tape, f->tape.epochs, node);
}

/* Operands in the order stand before their users, unless the user is an input. */
static void check_sorted(const fixture *f, size_t input_count)
{
    for (size_t k = input_count; k < f->order.count; k++) {
        uint32_t node = f->order.nodes[k];
        bool active = false;
        for (int arg = 0; arg < f->tape.nargs[node]; arg++) {
            uint32_t below = pyad_tape_args(&f->tape, node)[arg];
            if (!has(f, below) || (f->tape.flags[below] & PYAD_NODE_CONST))
                continue;
            active = true;
            assert_true(f->tape.position[below] < k);
        }
        assert_true(active);
    }
}

static void test_diamond(void **state)
{
    fixture *f = *state;
    pyad_tape *t = &f->tape;
    uint32_t x = leaf(t);
    uint32_t a = PUSH(t, x);
    uint32_t b = PUSH(t, x);
    uint32_t c = PUSH(t, a, b);
    uint32_t d = PUSH(t, c, c);
    const uint32_t output[1] = {d};
    const uint32_t input[1] = {x};
    BUILD(f, output, input);
    assert_int_equal(f->order.count, 5);
    assert_int_equal(f->order.nodes[0], x);
    assert_int_equal(f->order.nodes[4], d);
    check_sorted(f, 1);
    /* Only half of it. */
    const uint32_t middle[1] = {b};
    BUILD(f, output, middle);
    assert_int_equal(f->order.count, 3);
    assert_false(has(f, x));
    assert_false(has(f, a));
    check_sorted(f, 1);
}

static void test_dead_branches(void **state)
{
    fixture *f = *state;
    pyad_tape *t = &f->tape;
    uint32_t before = leaf(t);
    uint32_t dead = PUSH(t, before);
    for (int k = 0; k < 1000; k++)
        dead = PUSH(t, dead);
    uint32_t x = leaf(t);
    uint32_t y = leaf(t);
    uint32_t other = PUSH(t, y);
    uint32_t a = PUSH(t, dead, x, other);
    uint32_t unused = PUSH(t, a);
    uint32_t out = PUSH(t, a);
    const uint32_t output[1] = {out};
    const uint32_t input[1] = {x};
    BUILD(f, output, input);
    assert_int_equal(f->order.count, 3);
    assert_true(has(f, a) && has(f, x) && has(f, out));
    assert_false(has(f, unused) || has(f, other) || has(f, y));
    /* What was recorded before the first input is not even looked at. */
    assert_int_equal(t->epoch[dead], 0);
    assert_int_equal(t->epoch[other], t->epochs);
}

static void test_several(void **state)
{
    fixture *f = *state;
    pyad_tape *t = &f->tape;
    uint32_t x = leaf(t);
    uint32_t y = leaf(t);
    uint32_t z = leaf(t);
    uint32_t a = PUSH(t, x, y);
    uint32_t b = PUSH(t, y, z);
    uint32_t c = PUSH(t, a, b);
    const uint32_t outputs[4] = {a, c, b, c};
    const uint32_t inputs[4] = {y, x, y, z};
    BUILD(f, outputs, inputs);
    assert_int_equal(f->order.count, 6);
    check_sorted(f, 3);
    /* An input that is an output, one that nothing leads to, an output that depends on nothing asked. */
    const uint32_t odd_outputs[2] = {y, a};
    const uint32_t odd_inputs[2] = {y, z};
    BUILD(f, odd_outputs, odd_inputs);
    assert_int_equal(f->order.count, 3);
    assert_true(has(f, y) && has(f, z) && has(f, a));
    const uint32_t early[1] = {x};
    const uint32_t late[1] = {b};
    BUILD(f, early, late);
    assert_int_equal(f->order.count, 1);
    assert_int_equal(pyad_toposort_build(&f->order, t, 0, NULL, 0, NULL), PYAD_OK);
    assert_int_equal(f->order.count, 0);
    /* Without inputs nothing can be reached. */
    assert_int_equal(pyad_toposort_build(&f->order, t, 1, &c, 0, NULL), PYAD_OK);
    assert_int_equal(f->order.count, 0);
}

/* The walk does not go past an input, though it depends on another one. */
static void test_interior_inputs(void **state)
{
    fixture *f = *state;
    pyad_tape *t = &f->tape;
    uint32_t x = leaf(t);
    uint32_t hidden = PUSH(t, x);
    uint32_t a = PUSH(t, hidden);
    uint32_t b = PUSH(t, a, x);
    const uint32_t output[1] = {b};
    const uint32_t inputs[2] = {a, x};
    BUILD(f, output, inputs);
    assert_int_equal(f->order.count, 3);
    assert_false(has(f, hidden));
    assert_true(has(f, a) && has(f, x) && has(f, b));
}

static void test_constants(void **state)
{
    fixture *f = *state;
    pyad_tape *t = &f->tape;
    uint32_t x = leaf(t);
    uint32_t c = push_flagged(t, PYAD_NODE_CONST | PYAD_NODE_LEAF, 0, NULL);
    uint32_t blocked = push_flagged(t, PYAD_NODE_CONST, 1, &x);
    uint32_t a = PUSH(t, c, x, blocked);
    uint32_t b = PUSH(t, blocked);
    const uint32_t outputs[3] = {a, b, blocked};
    const uint32_t input[1] = {x};
    BUILD(f, outputs, input);
    assert_int_equal(f->order.count, 2);
    assert_true(has(f, x) && has(f, a));
    assert_false(has(f, c) || has(f, b) || has(f, blocked));
    /* A constant that is asked for is there and leads nowhere. */
    const uint32_t asked[1] = {c};
    BUILD(f, outputs, asked);
    assert_int_equal(f->order.count, 1);
}

static size_t million(void)
{
    return getenv("PYAD_VALGRIND") != NULL ? 20000 : 1000000;
}

static void test_chain(void **state)
{
    fixture *f = *state;
    size_t length = million();
    uint32_t x = leaf(&f->tape);
    uint32_t node = x;
    for (size_t k = 0; k < length; k++)
        node = PUSH(&f->tape, node, node);
    assert_int_equal(pyad_toposort_build(&f->order, &f->tape, 1, &node, 1, &x), PYAD_OK);
    assert_int_equal(f->order.count, length + 1);
    for (size_t k = 0; k <= length; k++)
        assert_int_equal(f->order.nodes[k], k);
}

static void test_fan_out(void **state)
{
    fixture *f = *state;
    enum { FAN = 5000 };
    uint32_t x = leaf(&f->tape);
    uint32_t users[FAN];
    for (int k = 0; k < FAN; k++)
        users[k] = PUSH(&f->tape, x, x);
    uint32_t sum = push_flagged(&f->tape, 0, FAN, users);
    assert_int_equal(pyad_toposort_build(&f->order, &f->tape, 1, &sum, 1, &x), PYAD_OK);
    assert_int_equal(f->order.count, FAN + 2);
    check_sorted(f, 1);
    assert_int_equal(f->order.nodes[FAN + 1], sum);
}

/* Every node of a ladder has 2^n paths to it; the order has each once. */
static void test_linear(void **state)
{
    fixture *f = *state;
    enum { RUNGS = 200 };
    uint32_t x = leaf(&f->tape);
    uint32_t left = x;
    uint32_t right = x;
    for (int k = 0; k < RUNGS; k++) {
        uint32_t next = PUSH(&f->tape, left, right);
        right = PUSH(&f->tape, right, left);
        left = next;
    }
    const uint32_t outputs[2] = {left, right};
    assert_int_equal(pyad_toposort_build(&f->order, &f->tape, 2, outputs, 1, &x), PYAD_OK);
    assert_int_equal(f->order.count, 2 * RUNGS + 1);
    check_sorted(f, 1);
    /* Each frame of the stack is one node deep in one walk, never more than there are nodes. */
    assert_true(f->order.stack_capacity <= 4 * RUNGS);
}

static void test_random_graphs(void **state)
{
    fixture *f = *state;
    enum { NODES = 60 };
    for (int round = 0; round < 200; round++) {
        assert_int_equal(pyad_tape_mark(&f->tape, round + 1, false), PYAD_OK);
        bool below[NODES] = {false};
        uint32_t nodes[NODES];
        uint32_t inputs[3];
        for (int k = 0; k < NODES; k++) {
            uint32_t args[3];
            int nargs = k < 5 ? 0 : (int)test_random(4);
            for (int arg = 0; arg < nargs; arg++)
                args[arg] = nodes[test_random(k)];
            nodes[k] = push_flagged(&f->tape, test_random(10) == 0 ? PYAD_NODE_CONST : 0, nargs, args);
        }
        for (int k = 0; k < 3; k++)
            inputs[k] = nodes[test_random(NODES / 2)];
        uint32_t base = nodes[0];
        uint32_t output = nodes[NODES / 2 + test_random(NODES / 2)];
        build(f, 1, &output, 3, inputs);
        /* Backwards from the output, then forwards from the inputs: the order is what both reach. */
        for (uint32_t node = 0; node < NODES; node++) {
            const pyad_tape *t = &f->tape;
            bool input = base + node == inputs[0] || base + node == inputs[1] || base + node == inputs[2];
            below[node] = input;
            for (int arg = 0; arg < t->nargs[base + node] && !input; arg++) {
                uint32_t to = pyad_tape_args(t, base + node)[arg];
                below[node] = below[node] || (below[to - base] && !(t->flags[to] & PYAD_NODE_CONST));
            }
        }
        bool reached[NODES] = {false};
        reached[output - base] = !(f->tape.flags[output] & PYAD_NODE_CONST);
        for (uint32_t node = NODES; node-- > 0;) {
            const pyad_tape *t = &f->tape;
            bool input = base + node == inputs[0] || base + node == inputs[1] || base + node == inputs[2];
            for (int arg = 0; arg < t->nargs[base + node] && reached[node] && !input; arg++) {
                uint32_t to = pyad_tape_args(t, base + node)[arg];
                reached[to - base] = reached[to - base] || !(t->flags[to] & PYAD_NODE_CONST);
            }
            assert_int_equal(has(f, base + node), input || (reached[node] && below[node]));
        }
        pyad_tape_cut(&f->tape);
    }
}

/* Sweeps are told apart also when their count comes round. */
static void test_epochs_wrap(void **state)
{
    fixture *f = *state;
    uint32_t x = leaf(&f->tape);
    uint32_t a = PUSH(&f->tape, x);
    f->tape.epochs = UINT32_MAX;
    f->tape.epoch[a] = 1;
    f->tape.position[a] = PYAD_POSITION_NONE;
    assert_int_equal(pyad_toposort_build(&f->order, &f->tape, 1, &a, 1, &x), PYAD_OK);
    assert_int_equal(f->order.count, 2);
    assert_int_equal(f->tape.epochs, 1);
}

static void test_failure(void **state)
{
    fixture *f = *state;
    uint32_t x = leaf(&f->tape);
    uint32_t node = x;
    for (int k = 0; k < 300; k++)
        node = PUSH(&f->tape, node);
    pyad_status status = PYAD_ERR_MEMORY;
    for (int64_t after = 0; status != PYAD_OK; after++) {
        assert_true(after < 100);
        test_hook_fail_after(&f->hook, after);
        status = pyad_toposort_build(&f->order, &f->tape, 1, &node, 1, &x);
        test_hook_never_fail(&f->hook);
        assert_true(status == PYAD_OK || status == PYAD_ERR_MEMORY);
    }
    assert_int_equal(f->order.count, 301);
    assert_true(f->hook.failures > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_diamond, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dead_branches, setup, teardown),
        cmocka_unit_test_setup_teardown(test_several, setup, teardown),
        cmocka_unit_test_setup_teardown(test_interior_inputs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_constants, setup, teardown),
        cmocka_unit_test_setup_teardown(test_chain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fan_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_linear, setup, teardown),
        cmocka_unit_test_setup_teardown(test_random_graphs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_epochs_wrap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failure, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
