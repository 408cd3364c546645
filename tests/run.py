"""Runs all tests: the C ones plain, under valgrind where there is one, and with sanitizers; then pytest.

    python tests/run.py [arguments for pytest ...]
    python tests/run.py --only c            the C tests alone
    python tests/run.py --only python       pytest alone
    python tests/run.py --only asan         pytest on an extension module built with AddressSanitizer and
                                            UndefinedBehaviorSanitizer: the suites of compiled functions, of writes
                                            in place and of threads, or what the arguments for pytest say
    python tests/run.py --only tsan         the C tests that start threads under ThreadSanitizer
    python tests/run.py --only coverage     the C tests and pytest, counting the lines of C and Python that run; the
                                            reports are in build/coverage

pytest tests the installed package, never the folder of the checkout; `--only asan` and `--only coverage` build one of
their own in build/ and install nothing. Exits with 0 only when everything passed.
"""

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
JOBS = str(os.cpu_count() or 1)

SANITIZERS = "address,undefined"
SANITIZER_SETTINGS = {
    "ASAN_OPTIONS": "abort_on_error=0:detect_leaks=1" if sys.platform == "linux" else "abort_on_error=0",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "second_deadlock_stack=1",
}
# An interpreter never frees all that it has. Its own allocator would hide the use of objects that are gone, and a
# failed allocation is to be an error that is handled, as it is without sanitizers.
SANITIZED_PYTHON = {
    "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:handle_segv=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "PYTHONMALLOC": "malloc",
    "PYAD_TEST_SANITIZED": "1",
}
# What pytest runs on the sanitized extension module, where its arguments name no files.
SANITIZED_SUITES = ["tests/compile", "tests/inplace", "tests/binding", "tests/misuse"]
# The C tests that start threads, by name.
THREADED_C_TESTS = "thread|parallel|memory|compile|replay|engine|elementwise|gemm"

# How to install cmocka, by the package manager's command.
CMOCKA_PACKAGES = {
    "apt-get": ["install", "-y", "libcmocka-dev"],
    "dnf": ["install", "-y", "libcmocka-devel"],
    "brew": ["install", "cmocka"],
}


def main() -> int:
    """Run the parts asked for and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", choices=["c", "python", "asan", "tsan", "coverage"], help="run this part and no other"
    )
    options, pytest_arguments = parser.parse_known_args()
    add_scripts_to_path()
    failed = []
    if options.only in (None, "c"):
        require_c_tools()
        if not shutil.which("valgrind"):
            say("valgrind is not installed: the C tests run without it")
        failed += run_c_tests("plain")
        failed += run_c_tests("sanitized", {"PYAD_SANITIZE": SANITIZERS})
    if options.only in (None, "python"):
        failed += run_pytest(pytest_arguments)
    if options.only == "asan":
        failed += run_sanitized_pytest(pytest_arguments)
    if options.only == "tsan":
        require_c_tools()
        failed += run_c_tests("tsan", {"PYAD_SANITIZE": "thread"}, THREADED_C_TESTS)
    if options.only == "coverage":
        require_c_tools()
        failed += run_coverage(pytest_arguments)
    say("failed: " + ", ".join(failed) if failed else "all tests passed")
    return 1 if failed else 0


def add_scripts_to_path() -> None:
    """Let cmake and ninja be found where this interpreter's packages put them, also outside an activated venv."""
    os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])


def run_c_tests(name: str, options: dict[str, str] | None = None, only: str = "") -> list[str]:
    """Build the C tests in build/c-<name> with options of CMakeLists.txt, and run them, or those whose names match
    `only`. Return what failed."""
    folder = BUILD / f"c-{name}"
    # --fresh forgets tools of an environment that is gone; what was compiled stays.
    configure = ["cmake", "--fresh", "-S", str(ROOT), "-B", str(folder), "-DPYAD_TESTS=ON", "-DPYAD_WERROR=ON"]
    configure += ["-DCMAKE_BUILD_TYPE=RelWithDebInfo", *(f"-D{key}={value}" for key, value in (options or {}).items())]
    if shutil.which("ninja"):
        configure += ["-G", "Ninja"]
    say(f"C tests, {name}: building in {folder.relative_to(ROOT)}")
    if run(configure, quiet=True) != 0 or run(["cmake", "--build", str(folder), "--parallel", JOBS], quiet=True) != 0:
        return [f"building the C tests ({name})"]

    ctest = ["ctest", "--test-dir", str(folder), "--output-on-failure", "--parallel", JOBS, "--no-tests=error"]
    if only:
        ctest += ["--tests-regex", only]
    if options == {"PYAD_SANITIZE": "thread"}:
        ctest = [*without_random_addresses(), *ctest]
    say(f"C tests, {name}: running")
    return [] if run(ctest, env=SANITIZER_SETTINGS) == 0 else [f"C tests ({name})"]


def run_pytest(arguments: list[str]) -> list[str]:
    """Run pytest on the installed package, never on the folder of the checkout. Return what failed."""
    # -P keeps the working directory off sys.path.
    python = [sys.executable, "-P"]
    where = subprocess.run([*python, "-c", "import pyad; print(pyad.__file__)"], capture_output=True, text=True)
    if where.returncode != 0:
        say('pyad is not installed for this interpreter: pip install ".[test]"\n' + where.stderr)
        return ["importing pyad"]
    found = Path(where.stdout.strip()).resolve()
    if found.parent == ROOT / "pyad":
        say(f"import pyad finds {found}, which is the checkout and not the installed package; look at PYTHONPATH")
        return ["importing pyad"]
    say(f"pytest, on {found.parent}, {JOBS} at a time")
    # Each worker computes with one thread, or they would wait for each other.
    command = [*python, "-m", "pytest", "--numprocesses", JOBS, "--dist", "worksteal", *arguments]
    return [] if run(command, env={"OPENBLAS_NUM_THREADS": "1"}) == 0 else ["pytest"]


def without_random_addresses() -> list[str]:
    """Return what comes before a command so that its memory is where ThreadSanitizer expects it."""
    command = ["setarch", "--addr-no-randomize"]
    works = shutil.which(command[0]) and subprocess.run([*command, "true"], capture_output=True).returncode == 0
    return command if works else []


def run_sanitized_pytest(arguments: list[str]) -> list[str]:
    """Build the package with sanitizers in build/python-sanitized and run pytest on it. Return what failed."""
    if sys.platform != "linux":
        say("the extension module is tested with sanitizers on Linux only")
        return ["asan"]
    folder = build_package("sanitized", {"PYAD_SANITIZE": SANITIZERS})
    if folder is None:
        return ["building the extension module (sanitized)"]
    # The runtime has to be the first library, and the one of C++ present, for what it replaces there.
    libraries = [library_of_compiler("libasan.so"), library_of_compiler("libstdc++.so")]
    env = SANITIZED_PYTHON | {"LD_PRELOAD": " ".join(libraries), "PYTHONPATH": str(folder)}
    if not any(Path(argument.partition("::")[0]).exists() for argument in arguments):
        arguments = [*SANITIZED_SUITES, *arguments]
    say("pytest with sanitizers: " + " ".join(arguments))
    command = [sys.executable, "-P", "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    return [] if run(command, env=env | {"OPENBLAS_NUM_THREADS": "1"}) == 0 else ["pytest (sanitized)"]


def build_package(name: str, options: dict[str, str]) -> Path | None:
    """Build the package with options of CMakeLists.txt in build/python-<name>. Return the folder, None on failure."""
    folder = BUILD / f"python-{name}"
    say(f"extension module, {name}: building in {folder.relative_to(ROOT)}")
    settings = ["cmake.build-type=RelWithDebInfo", "install.strip=false", f"build-dir={folder}-objects"]
    settings += [f"cmake.define.{key}={value}" for key, value in options.items()]
    build = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target", str(folder)]
    build += [part for setting in settings for part in ("--config-settings", setting)]
    if importlib.util.find_spec("scikit_build_core"):
        build.append("--no-build-isolation")
    return folder if run([*build, "."], quiet=True) == 0 else None


def run_coverage(arguments: list[str]) -> list[str]:
    """Run the C tests and pytest on a build that counts lines, and report on both. Return what failed."""
    missing = [name for name in ("gcovr", "pytest_cov") if not importlib.util.find_spec(name)]
    if missing:
        sys.exit(f'{" and ".join(missing)} missing: pip install ".[coverage]"')
    for counters in BUILD.rglob("*.gcda"):
        counters.unlink()
    reports = BUILD / "coverage"
    reports.mkdir(parents=True, exist_ok=True)
    failed = run_c_tests("coverage", {"PYAD_COVERAGE": "ON"})
    folder = build_package("coverage", {"PYAD_COVERAGE": "ON"})
    if folder is None:
        return [*failed, "building the extension module (coverage)"]
    say("pytest, counting lines")
    command = [sys.executable, "-P", "-m", "pytest", "--numprocesses", JOBS, "--dist", "worksteal"]
    # By the folder: the name would stand for the folder of the checkout.
    command += [f"--cov={folder / 'pyad'}", "--cov-report=", "--cov-report", f"html:{reports / 'python'}", *arguments]
    env = {"PYTHONPATH": str(folder), "OPENBLAS_NUM_THREADS": "1", "COVERAGE_FILE": str(reports / ".coverage")}
    failed += [] if run(command, env=env) == 0 else ["pytest (coverage)"]
    coverage = [sys.executable, "-m", "coverage", "report", "--sort=cover", "--skip-covered"]
    gcovr = [sys.executable, "-m", "gcovr", "--root", str(ROOT), "--filter", "csrc/"]
    gcovr += ["--merge-mode-functions", "separate", "--txt", "-", "--html-details", str(reports / "c.html")]
    gcovr += ["--markdown", str(reports / "c.md"), str(BUILD / "c-coverage"), f"{folder}-objects"]
    for language, report in (("Python", coverage), ("C", gcovr)):
        say(f"coverage of {language}")
        failed += [] if run(report, env=env) == 0 else [f"report on {language}"]
    with open(reports / "python.md", "w", encoding="utf-8") as file:
        subprocess.run([*coverage, "--format=markdown"], stdout=file, cwd=ROOT, env=os.environ | env)
    return failed


def library_of_compiler(name: str) -> str:
    """Return the path of a library that comes with the C compiler."""
    compiler = os.environ.get("CC", "cc").split()
    found = subprocess.run([*compiler, f"-print-file-name={name}"], capture_output=True, text=True).stdout.strip()
    return str(Path(found).resolve())


def require_c_tools() -> None:
    """See to it that the C tests can be built, or leave with words on what to install."""
    for tool in ("cmake", "ctest"):
        if not shutil.which(tool):
            sys.exit(f'{tool} is missing: pip install ".[test]"')
    if not compiles("int main(void) { return 0; }", []):
        sys.exit("a C compiler is missing: install gcc or clang (Debian: build-essential, macOS: Xcode's tools)")
    if not has_cmocka():
        install_cmocka()
    if not has_cmocka():
        packages = ", ".join(f"{manager}: {arguments[-1]}" for manager, arguments in CMOCKA_PACKAGES.items())
        sys.exit(f"the C test framework cmocka is missing; install its development package ({packages})")


def has_cmocka() -> bool:
    """Say whether a program that uses cmocka compiles and links."""
    includes = ["stdarg", "stddef", "setjmp", "stdint", "cmocka"]
    source = "".join(f"#include <{name}.h>\n" for name in includes)
    source += "int main(void) { return cmocka_run_group_tests((const struct CMUnitTest[]){{0}}, 0, 0); }"
    prefixes = ["/opt/homebrew", "/usr/local"] if sys.platform == "darwin" else []
    flags = [flag for prefix in prefixes for flag in (f"-I{prefix}/include", f"-L{prefix}/lib")]
    return compiles(source, [*flags, "-lcmocka"])


def compiles(source: str, flags: list[str]) -> bool:
    """Say whether the C compiler makes a program of this text."""
    compiler = os.environ.get("CC", "cc").split()
    if not shutil.which(compiler[0]):
        return False
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "try.c").write_text(source, encoding="utf-8")
        command = [*compiler, "try.c", "-o", "try", *flags]
        return subprocess.run(command, cwd=folder, capture_output=True).returncode == 0


def install_cmocka() -> None:
    """Try the system's package manager, where that needs no password."""
    manager = next((name for name in CMOCKA_PACKAGES if shutil.which(name)), None)
    if manager is None:
        return
    command = [manager, *CMOCKA_PACKAGES[manager]]
    if manager != "brew" and os.geteuid() != 0:
        if not shutil.which("sudo"):
            return
        command = ["sudo", "-n", *command]
    say("cmocka is missing, trying: " + " ".join(command))
    if run(command, quiet=True) != 0 and manager == "apt-get":
        # The lists of a fresh machine are often empty or old.
        run([*command[:-3], "update"], quiet=True)
        run(command, quiet=True)


def run(command: list[str], env: dict[str, str] | None = None, quiet: bool = False) -> int:
    """Run a command from the root of the checkout and return its exit code. Quiet ones show their output on failure."""
    output = subprocess.PIPE if quiet else None
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | (env or {}), stdout=output, stderr=subprocess.STDOUT, text=True
    )
    if quiet and done.returncode != 0:
        print("$", " ".join(command))
        print(done.stdout, flush=True)
    return done.returncode


def say(words: str) -> None:
    """Print a line that can be told from the output of the tools."""
    print(f"== {words}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
