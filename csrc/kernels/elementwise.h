/* Element-wise steps one after the other, run block by block so that what is between them stays in cache.
 *
 * Registers 0 .. inputs-1 are the operands, the following ones the steps' results in order. An operand may have any
 * strides and broadcasts to the common shape. This runs a single eager operation (one step), a derivative rule, and
 * any fused chain. */
#ifndef PYAD_KERNELS_ELEMENTWISE_H
#define PYAD_KERNELS_ELEMENTWISE_H

#include "array/array.h"
#include "simd/dispatch.h"

typedef struct pyad_elementwise_step {
    uint8_t loop;    /* a pyad_loop_id */
    uint8_t wide;    /* 1: float64 operands, 0: float32 */
    uint8_t arity;
    uint8_t bytes;   /* size of one result element */
    uint16_t in[3];  /* registers */
    uint16_t skip;   /* 1: nobody wants the result this time */
} pyad_elementwise_step;

/* Where the result of a register goes: C-contiguous memory of the common shape. */
typedef struct pyad_elementwise_output {
    uint16_t reg;
    uint8_t add;   /* added to what is there, instead of stored */
    uint8_t wide;  /* for the addition */
    void *data;
} pyad_elementwise_output;

typedef struct pyad_elementwise {
    const pyad_elementwise_step *steps;
    int step_count;
    int input_count;
    const pyad_view *inputs;
    int output_count;
    const pyad_elementwise_output *outputs;
    const pyad_layout *shape;  /* the common shape (its dtype and strides are not looked at) */
} pyad_elementwise;

enum { PYAD_ELEMENTWISE_REGISTERS = 64 };

/* Needs inputs + steps <= PYAD_ELEMENTWISE_REGISTERS. Sinks name results of steps, not inputs. PYAD_ERR_MEMORY when an
 * operand has to be copied first and cannot. */
pyad_status pyad_elementwise_run(pyad_mem *mem, const pyad_elementwise *work);

#endif
