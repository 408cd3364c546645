"""Writes the C source of the extension module pyad._ext from the headers of the engine.

    python build_ffi.py csrc _ext.c

The headers are the only declarations there are: the engine includes them, and cffi reads them here. So they keep to
what cffi understands, which is plain declarations. Include guards and includes are taken out before cffi sees them;
any other preprocessor line is an error.

cffi gives up Python's global lock around every call, which costs more than most of ours do. So calls that are always
short keep it, calls that record an operation give it up when an operand is large, and the others always do.
"""

import re
import sys
from pathlib import Path

import cffi

PREPROCESSOR_TAKEN_OUT = re.compile(r"#\s*(include\s+[<\"].*|ifndef \w+_H|define \w+_H|endif)\s*")


# Below csrc/: what the binding calls, and what tests do.
HEADERS = ("pyad.h", "engine/debug_api.h")

# Calls that may run for long.
RELEASING = {
    "pyad_axpy",
    "pyad_blas_set",
    "pyad_copy_out",
    "pyad_compile",
    "pyad_compiled_free",
    "pyad_count_tasks",
    "pyad_engine_free",
    "pyad_instance_free",
    "pyad_instance_go",
    "pyad_instance_new",
    "pyad_instance_run",
    "pyad_mark_close",
    "pyad_mark_cut",
    "pyad_reset",
    "pyad_saved_tape_free",
    "pyad_set_num_threads",
    "pyad_sweep_copy",
    "pyad_sweep_stop_at",
    "pyad_sweep_go",
    "pyad_sweep_gradient",
    "pyad_sweep_start",
    "pyad_sweep_stop",
    "pyad_sweep_verify",
    "pyad_tape_leave",
    "pyad_trim",
}
# Calls that may run for long if this is true of their (generated) arguments.
ASKING = {
    "pyad_op1": "pyad_is_long(x1)",
    "pyad_op2": "pyad_is_long(x1) || pyad_is_long(x2)",
    "pyad_op2n": "pyad_is_long(x1)",
    "pyad_opn2": "pyad_is_long(x2)",
    "pyad_op2z": "pyad_is_long(x1)",
    "pyad_op3": "pyad_is_long(x1) || pyad_is_long(x2)",
    "pyad_op": "pyad_any_is_long(x1, x2)",
    "pyad_assign": "pyad_is_long(x1)",
    "pyad_assign_at": "pyad_is_long(x1)",
}


# csrc/python/buffers.h and csrc/python/op_calls.h, which cffi cannot read, declare these.
BRIDGE = """
int pyad_lend_list(uintptr_t list, int64_t *handles);
int pyad_sweep_copy_list(const int64_t *handles, uintptr_t list);
int pyad_axpy_lists(double a, uintptr_t x_list, uintptr_t y_list);
int pyad_make_op_calls(uintptr_t context, uintptr_t functions);
int pyad_make_compiled_call(uintptr_t context, uintptr_t list);
int pyad_make_watch(uintptr_t context, uintptr_t list);
"""


def hold_lock(source: str) -> str:
    """Return the generated source with Python's lock given up only where a call may run for long."""

    def rewrite(match: re.Match[str]) -> str:
        name, body = match["name"], match[0]
        if name in RELEASING:
            return body
        before, after = "", ""
        if name in ASKING:
            before = f"PyThreadState *released = ({ASKING[name]}) ? PyEval_SaveThread() : NULL;"
            after = "if (released != NULL) PyEval_RestoreThread(released);"
        return body.replace("Py_BEGIN_ALLOW_THREADS", before).replace("Py_END_ALLOW_THREADS", after)

    return re.sub(r"^_cffi_f_(?P<name>\w+)\(PyObject.*?^}$", rewrite, source, flags=re.DOTALL | re.MULTILINE)


def declarations(header: str) -> str:
    """Return the text of the header without its preprocessor lines.

    Raises:
        ValueError: a preprocessor line that is not part of the guard and no include.
    """
    without_comments = re.sub(r"/\*.*?\*/", lambda comment: "\n" * comment.group().count("\n"), header, flags=re.DOTALL)
    kept = []
    for number, line in enumerate(without_comments.split("\n"), start=1):
        if not line.lstrip().startswith("#"):
            kept.append(line)
            continue
        if not PREPROCESSOR_TAKEN_OUT.fullmatch(line.strip()):
            raise ValueError(f"line {number}: cffi does not understand {line.strip()!r}")
        kept.append("")
    return "\n".join(kept)


def main() -> None:
    """Read the headers below the folder named first and write the C source named second."""
    folder, output = (Path(argument) for argument in sys.argv[1:])
    ffi = cffi.FFI()
    for header in HEADERS:
        ffi.cdef(declarations((folder / header).read_text(encoding="utf-8")))
    ffi.cdef(BRIDGE)
    includes = "".join(
        f'#include "{header}"\n' for header in (*HEADERS, "python/compiled_call.h", "python/captured_state.h")
    )
    ffi.set_source("pyad._ext", includes, py_limited_api=True)
    ffi.emit_c_code(str(output))
    output.write_text(hold_lock(output.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
