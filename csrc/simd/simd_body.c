/* The kernels of one instruction set level.
 *
 * Compiled once per level: -DPYAD_ISA=base|v3|v4 with -march=x86-64, x86-64-v3, x86-64-v4 (base alone,
 * and no -march, on other machines), always with
 *     -O3 -fno-math-errno -fno-trapping-math -ffp-contract=off
 * -fno-math-errno lets sqrt, floor and ceil be instructions; -fno-trapping-math lets both sides of ?: be computed,
 * without which no loop here is vectorised. Contraction is off because compensated sums and exact products must stay as
 * written, and so that +, -, * and / give the same bits on every level: a fused multiply-add is asked for by name, in
 * math_common.h. Never -ffast-math: NaN, infinities and signed zeros have to come out right. */
#include "simd/dispatch.h"

#include "simd/math_f32.h"
#include "simd/math_f64.h"
#include "simd/math_pow.h"

#include "simd/loops.h"
#include "simd/row_reductions.h"
#include "simd/scalar_interpreter.h"
#include "simd/small_gemm.h"
#include "simd/superinstructions.h"

#ifndef PYAD_ISA
#error "PYAD_ISA must name the level"
#endif

#define PYAD_PASTE_(a, b) a##b
#define PYAD_PASTE(a, b) PYAD_PASTE_(a, b)
#define PYAD_TEXT_(a) #a
#define PYAD_TEXT(a) PYAD_TEXT_(a)

#define PYAD_LOOP_ROW(NAME, name, ...) [PYAD_LOOP_##NAME] = {loop_##name##_f32, loop_##name##_f64},

#define PYAD_SUPER_ROW(NAME, name, ...) {super_##name##_f32, super_##name##_f64},

extern const pyad_isa_table PYAD_PASTE(pyad_isa_table_, PYAD_ISA);
const pyad_isa_table PYAD_PASTE(pyad_isa_table_, PYAD_ISA) = {
    .name = PYAD_TEXT(PYAD_ISA),
    .loop = {PYAD_LOOP_LIST(PYAD_LOOP_ROW)},
    .superloop = {PYAD_SUPER_LIST(PYAD_SUPER_ROW)},
    .run_scalars = run_scalars,
    .scalar_has_code = scalar_has_code,
    .sum_f32 = rows_sum_f32,
    .sum_f64 = rows_sum_f64,
    .max_f32 = rows_max_f32,
    .max_f64 = rows_max_f64,
    .min_f32 = rows_min_f32,
    .min_f64 = rows_min_f64,
    .logsumexp_f32 = rows_logsumexp_f32,
    .logsumexp_f64 = rows_logsumexp_f64,
    .softmax_f32 = rows_softmax_f32,
    .softmax_f64 = rows_softmax_f64,
    .log_softmax_f32 = rows_log_softmax_f32,
    .log_softmax_f64 = rows_log_softmax_f64,
    .axpy_f32 = rows_axpy_f32,
    .axpy_f64 = rows_axpy_f64,
    .fingerprint = rows_fingerprint,
    .small_gemm_f32 = small_gemm_f32,
    .small_gemm_f64 = small_gemm_f64,
};
