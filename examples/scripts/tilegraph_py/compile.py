"""Compile kernels and orchestration to shared objects, at the same time, and hand back their bytes."""
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .errors import EXIT_LOAD, ExampleError
from .interpreter import PROJECT_ROOT
from .log import log

FLAGS = ("-O2", "-g", "-fPIC", "-fvisibility=hidden")
# Plain loads and stores of device memory call a function of tilegraph/access.h, which tells a checked run of them.
SEEN = ("-fsanitize=thread", "-DTG_CHECKED")
CXX_FLAGS_FILE = PROJECT_ROOT / "cmake" / "cxx_program_flags.txt"
C_COMPILERS = ("gcc", "cc", "clang")
CXX_COMPILERS = ("g++", "c++", "clang++")


def compiler(source, is_orchestration, environ):
    """The compiler's command (a list) for a source file.

    .c: CC. Others: CXX, for an orchestration PTO_AICPU_CXX before it. A variable may hold options too. Where none is
    set, the first usual compiler that is installed. Raises ExampleError if there is none.
    """
    if source.suffix == ".c":
        variables, usual = ("CC",), C_COMPILERS
    else:
        variables, usual = (("PTO_AICPU_CXX", "CXX") if is_orchestration else ("CXX",)), CXX_COMPILERS
    origin = next((name for name in variables if environ.get(name)), None)
    if origin is not None:
        try:
            words = shlex.split(environ[origin])
        except ValueError as error:
            raise ExampleError(f"{origin} is '{environ[origin]}': {error}") from error
        if words and shutil.which(words[0]):
            return words
        raise ExampleError(f"{origin} is '{environ[origin]}': there is no such compiler",
                           f"set {origin} to a compiler that is installed, or unset it", EXIT_LOAD)
    found = next((name for name in usual if shutil.which(name)), None)
    if found is None:
        raise ExampleError(f"no compiler for {source.name}: none of {', '.join(usual)} is installed",
                           f"'apt-get install {usual[0]}', or set {variables[-1]}", EXIT_LOAD)
    return [found]


def language_flags(source, core_type):
    """The flags (a list) that the source's language asks for; `core_type` is that of a kernel, None for a plugin."""
    if source.suffix == ".c":
        return ["-std=c11", f"-I{PROJECT_ROOT / 'include'}"]
    rows = [line.split() for line in CXX_FLAGS_FILE.read_text().splitlines() if line and not line.startswith("#")]
    flags = [flag for who, flag in rows if who in ("all", core_type)]
    return [f"-I{PROJECT_ROOT / flag[2:]}" if flag.startswith("-I") else flag for flag in flags]


def commands(source, core_type, target, environ):
    """The commands (lists) that compile `source` and link it to the shared object `target`.

    `core_type` is that of a kernel, None for an orchestration. There are two commands, because SEEN is for the compiler
    alone: a linker would add a sanitizer's library.
    """
    words = compiler(source, core_type is None, environ)
    compiled = str(target.with_suffix(".o"))
    return [[*words, *language_flags(source, core_type), *FLAGS, *SEEN, "-c", "-o", compiled, str(source)],
            [*words, "-shared", "-o", str(target), compiled]]


def _run(source, words, target):
    """Run one command. Returns None, or an ExampleError."""
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", check=False)
    except OSError as error:
        return ExampleError(f"cannot start {words[0]}: {error.strerror}", exit_code=EXIT_LOAD)
    if done.returncode != 0 or not target.is_file():
        return ExampleError(f"{source} does not compile (exit {done.returncode}):\n{done.stdout.rstrip()}\n"
                            f"  command: {shlex.join(words)}", exit_code=EXIT_LOAD)
    if done.stdout.strip():
        log.warning("%s\n%s", source.name, done.stdout.rstrip())
    return None


def _compile(source, core_type, target):
    """Returns the shared object's bytes, or an ExampleError (not raised: each source has its say)."""
    for words in commands(source, core_type, target, os.environ):
        failure = _run(source, words, Path(words[words.index("-o") + 1]))
        if failure:
            return failure
    return target.read_bytes()


def compile_example(kernels, orchestration):
    """Compile the sources of `kernels` (with a .source each) and of the orchestration (a path).

    Returns ([bytes of each kernel], bytes of the orchestration). Raises ExampleError with what the compiler said of
    every source that does not compile. Nothing stays on disk.
    """
    sources = [(kernel.source, kernel.core_type) for kernel in kernels] + [(orchestration, None)]
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tilegraph-") as folder:
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            targets = [Path(folder) / f"{index}-{source.stem}.so" for index, (source, _) in enumerate(sources)]
            objects = list(pool.map(lambda job, target: _compile(*job, target), sources, targets))
    failures = [item for item in objects if isinstance(item, ExampleError)]
    if failures:
        raise ExampleError("\n".join(str(failure) for failure in failures), exit_code=EXIT_LOAD)
    log.info("compiled %d kernels and the orchestration in %.2f s", len(kernels), time.monotonic() - start)
    return objects[:-1], objects[-1]
