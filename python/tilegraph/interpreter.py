"""Find a Python that has numpy and go on with it, when the one at hand has none.

Imports little at its beginning: an interpreter that is left at once has to be quick.
"""
import os
import sys
from importlib.machinery import PathFinder
from pathlib import Path

from .cache import Cache
from .errors import ExampleError
from .log import log

PROJECT_ROOT = Path(__file__).resolve().parents[2]

# Set for the interpreter that takes over: how it was found, for which one, and its own name, each a line. One that was
# searched for is not left again, or two that only claim to have numpy would call each other for ever. One that was
# remembered may have lost it.
MARK = "TILEGRAPH_NUMPY_SEARCHED"
_MEMORY = "python"  # the entry of the cache
PROBE = "import sys, numpy; sys.exit(sys.version_info < (3, 9))"


def candidates(environ):
    """Interpreters that may have numpy: the project's .venv, every python3 of PATH, the system's, then other names.

    Without the one that runs this: it has been tried.
    """
    import re
    python3, others = [], []
    for folder in filter(None, environ.get("PATH", "").split(os.pathsep)):
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue
        python3 += [Path(folder) / name for name in names if name == "python3"]
        others += [Path(folder) / name for name in names if re.fullmatch(r"python(3\.[0-9]+)?", name)]
    system = [Path("/usr/local/bin/python3"), Path("/usr/bin/python3")]
    found = dict.fromkeys([PROJECT_ROOT / ".venv" / "bin" / "python", *python3, *system, *others])
    return [path for path in found if os.access(path, os.X_OK) and not _is_this_one(path)]


def _is_this_one(path):
    """Whether it is the interpreter at hand under whatever name. In another folder it may be another environment."""
    here = Path(sys.executable)
    return path.parent == here.parent and path.resolve() == here.resolve()


def has_numpy(interpreter):
    """Whether this interpreter starts, is recent enough and imports numpy."""
    import subprocess
    try:
        probe = subprocess.run([str(interpreter), "-c", PROBE], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return probe.returncode == 0


def continue_with_remembered():
    """Replace this process, if it has no numpy, by the interpreter that an earlier search has found. Else return."""
    if MARK in os.environ or PathFinder.find_spec("numpy"):
        return
    cache = Cache.open(os.environ, quiet=True)
    remembered = (cache.read(_MEMORY) if cache else None) or b""
    interpreter = os.fsdecode(remembered.rpartition(b"\n")[2])
    try:
        if interpreter and remembered == _memory_of(interpreter):
            _replace_process(interpreter, "remembered")
    except OSError:
        pass  # it is gone


def ensure_numpy():
    """Return if numpy can be imported here; else replace this process by an interpreter that can, or raise."""
    how, left, here = (os.environ.pop(MARK, "") + "\n\n").split("\n")[:3]
    if how:
        log.info("%s has no numpy; going on with %s", left, here)
    try:
        import numpy  # noqa: F401
        return
    except ImportError:
        pass
    if how != "searched":
        _continue_with_found()
    raise ExampleError(f"numpy is not installed for {sys.executable}, nor for another Python that was looked at "
                       "(.venv of the project, PATH, /usr/bin)",
                       "install it: 'apt-get install python3-numpy', or 'python3 -m venv .venv && "
                       ".venv/bin/pip install numpy' in the project's folder")


def _memory_of(interpreter):
    """What is remembered: all that candidates() depends on, and the interpreter, which may have been replaced since."""
    info = os.stat(interpreter)
    known = [sys.executable, os.environ.get("PATH", ""), PROJECT_ROOT / ".venv", (PROJECT_ROOT / ".venv").exists(),
             info.st_size, info.st_mtime_ns, interpreter]
    return b"\n".join(os.fsencode(str(part)) for part in known)


def _continue_with_found():
    for interpreter in candidates(os.environ):
        if not has_numpy(interpreter):
            continue
        cache = Cache.open(os.environ)
        try:
            if cache:
                cache.write(_MEMORY, _memory_of(interpreter))
            _replace_process(interpreter, "searched")
        except OSError:
            continue


def _replace_process(interpreter, how):
    environment = {**os.environ, MARK: f"{how}\n{sys.executable}\n{interpreter}"}
    os.execve(interpreter, [str(interpreter), *sys.argv], environment)
