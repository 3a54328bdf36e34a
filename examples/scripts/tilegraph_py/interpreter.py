"""Find a Python that has numpy and go on with it, when the one at hand has none."""
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

from .cache import Cache
from .errors import ExampleError
from .log import log

PROJECT_ROOT = Path(__file__).resolve().parents[3]

# Set for the interpreter that takes over: how it was found. One that was searched for is not left again, or two that
# only claim to have numpy would call each other for ever. One that was remembered may have lost it.
MARK = "TILEGRAPH_NUMPY_SEARCHED"
PROBE = "import sys, numpy; sys.exit(sys.version_info < (3, 9))"


def candidates(environ):
    """Interpreters that may have numpy: the project's .venv, every python3 of PATH, the system's, then other names.

    Without the one that runs this: it has been tried.
    """
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
    try:
        probe = subprocess.run([str(interpreter), "-c", PROBE], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return probe.returncode == 0


def ensure_numpy():
    """Return if numpy can be imported here; else replace this process by an interpreter that can, or raise.

    The answer of a search is kept in the cache: the next command starts it at once.
    """
    mark = os.environ.pop(MARK, None)
    try:
        import numpy  # noqa: F401
        return
    except ImportError:
        pass
    if mark is None:
        _continue_with_remembered()
    if mark != "searched":
        _continue_with_found()
    raise ExampleError(f"numpy is not installed for {sys.executable}, nor for another Python that was looked at "
                       "(.venv of the project, PATH, /usr/bin)",
                       "install it: 'apt-get install python3-numpy', or 'python3 -m venv .venv && "
                       ".venv/bin/pip install numpy' in the project's folder")


def _memory_name():
    """The entry of the cache for this interpreter and all that candidates() depends on."""
    seen = "\0".join([sys.executable, os.environ.get("PATH", ""), str(PROJECT_ROOT),
                      str((PROJECT_ROOT / ".venv").exists())])
    return "python-" + hashlib.sha256(seen.encode("utf-8", "surrogateescape")).hexdigest()


def _identity(interpreter):
    info = os.stat(interpreter)
    return f"{interpreter}\0{info.st_size}\0{info.st_mtime_ns}".encode("utf-8", "surrogateescape")


def _continue_with_remembered():
    cache = Cache.open(os.environ)
    remembered = cache.read(_memory_name()) if cache else None
    if remembered is None:
        return
    interpreter = remembered.split(b"\0")[0].decode("utf-8", "surrogateescape")
    try:
        if _identity(interpreter) == remembered:
            _replace_process(interpreter, "remembered")
    except OSError:
        return  # it is gone


def _continue_with_found():
    for interpreter in candidates(os.environ):
        if not has_numpy(interpreter):
            continue
        cache = Cache.open(os.environ)
        if cache:
            cache.write(_memory_name(), _identity(interpreter))
        try:
            _replace_process(interpreter, "searched")
        except OSError:
            continue


def _replace_process(interpreter, mark):
    log.info("%s has no numpy; going on with %s", sys.executable, interpreter)
    os.execve(interpreter, [str(interpreter), *sys.argv], {**os.environ, MARK: mark})
