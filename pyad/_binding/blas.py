"""Choosing the BLAS: the library that matrix products are taken from."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from pyad._binding.engine import NULL, ffi, lib

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Blas", "get_blas", "set_blas"]

VARIABLE = "PYAD_BLAS"
_EXPECTED = 'expected "numpy", "mkl" or the path of a shared library that exports cblas_sgemm and cblas_dgemm'


class Blas(NamedTuple):
    """What matrix products are taken from.

    >>> import pyad
    >>> pyad.get_blas().integers in (32, 64)
    True
    """

    function: str
    """The name that single-precision products have there; empty for pyad's own loops, where NumPy brings no BLAS."""
    library: str
    """The file of the library, or empty."""
    integers: int
    """The bits of its integers, 32 or 64: how long an axis may be."""


def get_blas() -> Blas:
    """What matrix products are taken from at present.

    Returns:
        A named tuple: `library` (the path), `function` (the symbol), `integers` (32 or 64 bits).

    >>> import pyad
    >>> pyad.get_blas().integers in (32, 64)
    True
    """
    info = ffi.new("pyad_blas_info *")
    lib.pyad_blas_get(info)
    file = _text(info.file)
    return Blas(_text(info.function), file and os.path.realpath(file), info.bits)


def set_blas(which: str | os.PathLike[str]) -> Blas:
    """Take matrix products from another BLAS from now on, on all threads.

    The library is tried out on small products first. Products that are running finish where they began. Only pyad's
    products are concerned, not NumPy's. The environment variable PYAD_BLAS does the same when pyad is imported.

    Args:
        which: "numpy" for the library that NumPy has loaded, as at the start; "mkl" for Intel's, from the package index
            (`pip install mkl`) or a conda environment; or the path of any shared library that exports
            the C interface of BLAS, with 32- or 64-bit integers.

    Returns:
        What `get_blas` says from now on.

    Raises:
        TypeError: `which` is neither a string nor a path.
        ImportError: "mkl" is asked for and not installed.
        FileNotFoundError: There is no such file.
        OSError: The file is not a library that can be loaded.
        ValueError: The library has no cblas, or one that gives wrong numbers.

    >>> import pyad
    >>> pyad.set_blas("numpy") == pyad.get_blas()
    True
    """
    if not isinstance(which, str | os.PathLike):
        raise TypeError(f"set_blas: {which!r} is a {type(which).__name__}; {_EXPECTED}")
    if which == "numpy":
        _use_numpy()
    else:
        _load(_mkl() if which == "mkl" else _file(os.fspath(which)))
    return get_blas()


def _text(cdata: object) -> str:
    return os.fsdecode(ffi.string(cdata))


def _set(library: object, load: bool) -> tuple[int, str]:
    words = ffi.new("char[512]")
    status = lib.pyad_blas_set(library, load, words, len(words))
    return status, _text(words)


def _use_numpy() -> None:
    """The cblas in the core of NumPy, which is loaded; pyad's own loops where that has none."""
    import numpy._core._multiarray_umath as core

    # Not every NumPy has it in a file: it may be built into the interpreter.
    library = getattr(core, "__file__", None)
    if library is None or _set(os.fsencode(library), False)[0]:
        _set(NULL, False)


def _file(which: str | bytes) -> str:
    """The path of a library. A name without a folder is left to the system's loader, unless it is a file here."""
    path = os.fsdecode(which)
    if "\0" in path:
        raise ValueError(f"set_blas: {path!r} has a null character; {_EXPECTED}")
    if os.path.isfile(path):
        return os.path.abspath(path)
    # MKL's other libraries are looked for beside it, so where it is has to be known.
    if os.path.dirname(path) or not path or _RUNTIME.fullmatch(path):
        raise FileNotFoundError(f"set_blas: there is no file {path!r}; {_EXPECTED}")
    return path


def _load(path: str) -> None:
    if _RUNTIME.fullmatch(os.path.basename(path)):
        _choose_threads(path)
    status, words = _set(os.fsencode(path), True)
    if status == lib.PYAD_ERR_STATE and not os.path.dirname(path):
        raise FileNotFoundError(f"set_blas: {words}; {_EXPECTED}")
    if status:
        raise (OSError if status == lib.PYAD_ERR_STATE else ValueError)(f"set_blas: {words}")


# ---- MKL ----

# One library stands for all of MKL and loads the others when it is first used.
_RUNTIME = re.compile(r"libmkl_rt(\.\d+)*\.(so|dylib)(\.\d+)*")

# The constant of mkl_service.h, MKL's library of the layer, and the library with the threads. TBB comes first: it was
# measured to be faster, and Intel's OpenMP ends the process where it finds a second copy of itself.
_LAYERS = (
    (4, "mkl_tbb_thread", ("libtbb.so.12", "libtbb.12.dylib")),
    (0, "mkl_intel_thread", ("libiomp5.so", "libiomp5.dylib")),
)
_SEQUENTIAL = 1


def _mkl() -> str:
    for path in (*_installed(), *_in_prefixes()):
        if _RUNTIME.fullmatch(path.name) and path.exists():
            return str(path)
    raise ImportError(
        "set_blas: MKL is not installed. Run `pip install mkl` (the package index has it for Linux on "
        "x86-64 alone; elsewhere give the path of a BLAS)"
    )


def _installed() -> Iterable[Path]:
    """What the package mkl has put in place; nothing where it is not installed."""
    from importlib import metadata
    from pathlib import Path

    try:
        files = metadata.files("mkl") or []
    except metadata.PackageNotFoundError:
        return []
    return [Path(str(file.locate())).resolve() for file in files if "mkl_rt" in file.name]


def _in_prefixes() -> Iterable[Path]:
    """What lies where conda puts libraries."""
    from pathlib import Path

    for prefix in dict.fromkeys((sys.prefix, sys.base_prefix)):
        yield from sorted(Path(prefix, "lib").glob("libmkl_rt*"), reverse=True)


def _choose_threads(path: str) -> None:
    """Tell MKL which library of threads to use: one that is there, since MKL ends the process where it cannot load it.

    Nothing is told where the user has said it with MKL's own variable, or where MKL is at work already.
    """
    import ctypes
    from pathlib import Path

    folder = Path(path).resolve().parent
    if not any(folder.glob("*mkl_core*")):
        raise OSError(f"set_blas: {path} cannot be used: MKL's other libraries (libmkl_core, ...) are not beside it")
    layer = _SEQUENTIAL
    for number, part, threads in _LAYERS:
        if any(folder.glob(f"*{part}*")) and any(_can_load(folder / name) for name in threads):
            layer = number
            break
    # Only now, since the threads that the user names have to be in memory too.
    if "MKL_THREADING_LAYER" in os.environ:
        return
    try:
        choose = ctypes.CDLL(path).MKL_Set_Threading_Layer
    except (OSError, AttributeError):  # what is wrong with it is said by whoever loads it next
        return
    choose(layer)


def _can_load(library: Path) -> bool:
    """Load a library beside MKL's, which looks for it by its name only and finds it if it is in memory."""
    import ctypes

    try:
        ctypes.CDLL(str(library))
    except OSError:
        return False
    return True


# ---- at import ----


def _start() -> None:
    _use_numpy()
    which = os.environ.get(VARIABLE, "")
    if not which:
        return
    try:
        set_blas(which)
    except (OSError, ImportError, ValueError) as error:
        warnings.warn(f"{VARIABLE}={which!r} is not used: {error}", RuntimeWarning, stacklevel=2)


_start()
