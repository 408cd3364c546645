"""Writes the C source of the extension module pyad._ext from the public header.

    python build_ffi.py pyad.h _ext.c

The header is the only declaration there is: the engine includes it, and cffi reads it here. So it keeps to what cffi
understands, which is plain declarations. Its include guard and its includes are taken out before cffi sees them; any
other preprocessor line is an error.
"""

import re
import sys
from pathlib import Path

import cffi

PREPROCESSOR_TAKEN_OUT = re.compile(r"#\s*(include\s+[<\"].*|ifndef \w+_H|define \w+_H|endif)\s*")


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
    """Read the header named first and write the C source named second."""
    header, output = (Path(argument) for argument in sys.argv[1:])
    ffi = cffi.FFI()
    ffi.cdef(declarations(header.read_text(encoding="utf-8")))
    ffi.set_source("pyad._ext", f'#include "{header.name}"', py_limited_api=True)
    ffi.emit_c_code(str(output))


if __name__ == "__main__":
    main()
