"""Where libtilegraph is, and how it comes to be."""
import fcntl
import os
import subprocess
from pathlib import Path

from .errors import EXIT_LOAD, ExampleError
from .interpreter import PROJECT_ROOT
from .log import log
from .places import part, places

BUILT = PROJECT_ROOT / "build" / "lib" / "libtilegraph.so"
BY_HAND = f"run 'make build' in {PROJECT_ROOT}, or set TILEGRAPH_LIB to a libtilegraph.so"


def find(environ):
    """The path of libtilegraph.so: TILEGRAPH_LIB, else the installed one, or the source tree's, which is built once."""
    chosen = environ.get("TILEGRAPH_LIB")
    if chosen:
        if not Path(chosen).is_file():
            raise ExampleError(f"TILEGRAPH_LIB: there is no file {chosen}", BY_HAND)
        return Path(chosen).resolve()
    if not places().source:
        return part("library")
    if not BUILT.is_file():
        _build_once()
    return BUILT


def _build_once():
    makefile = PROJECT_ROOT / "Makefile"
    try:
        lock = open(makefile, "rb")
    except OSError as error:
        raise ExampleError(f"{BUILT} is not built and {makefile} is not there", BY_HAND, EXIT_LOAD) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two commands at once: the second finds what the first has built
        if not BUILT.is_file():
            _make()


def _make():
    log.plain(f"[tilegraph] {BUILT} is not there: running 'make build' once\n")
    try:
        # Output goes to stderr: stdout is for the verdict. Variables of an outer make are not for this one.
        inner = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
        done = subprocess.run(["make", "-C", str(PROJECT_ROOT), "build"], stdin=subprocess.DEVNULL,
                              stdout=2, env=inner, check=False)
    except OSError as error:
        raise ExampleError(f"cannot start make: {error.strerror}", BY_HAND, EXIT_LOAD) from error
    if done.returncode != 0:
        raise ExampleError(f"'make build' failed (exit {done.returncode}); its messages are above", BY_HAND, EXIT_LOAD)
    if not BUILT.is_file():
        raise ExampleError(f"'make build' succeeded, but {BUILT} is not there", BY_HAND, EXIT_LOAD)
    log.debug("built %s", BUILT)
