"""Shared objects of kernels and orchestration: out of the cache, or compiled at the same time."""
import functools
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections import deque
from pathlib import Path

from . import supervise
from .cache import Cache
from .errors import EXIT_LOAD, ExampleError
from .log import log
from .places import part

FLAGS = ("-O2", "-g", "-fPIC")
C_COMPILERS = ("gcc", "cc", "clang")
CXX_COMPILERS = ("g++", "c++", "clang++")
ORCHESTRATION = "orchestration"  # beside "aic" and "aiv": what a source is compiled for


def module_flags():
    """The lines of module_flags.txt: the flags (a list) of each kind of source. Folders are absolute."""
    path, include = part("flags"), part("include")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ExampleError(f"cannot read {path}: {error.strerror}", exit_code=EXIT_LOAD) from error
    kinds = (line.partition(":") for line in lines if line and not line.startswith("#"))
    return {kind: [f"-I{include.parent / flag[2:]}" if flag.startswith("-I") else flag for flag in flags.split()]
            for kind, _, flags in kinds}


def compiler(source, target, environ):
    """The compiler's command (a list) for a source file that is compiled for `target`: aic, aiv or orchestration.

    .c: CC. Others: CXX, for an orchestration PTO_AICPU_CXX before it. A variable may hold options too. Where none is
    set, the first usual compiler that is installed. Raises ExampleError if there is none.
    """
    if source.suffix == ".c":
        variables, usual = ("CC",), C_COMPILERS
    else:
        variables, usual = (("PTO_AICPU_CXX", "CXX") if target == ORCHESTRATION else ("CXX",)), CXX_COMPILERS
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


# Programs whose name says what they are; others, as a script or ccache, may call any compiler.
_COMPILER_NAME = re.compile(r"(.*-)?(gcc|g\+\+|cpp|clang|clang\+\+)(-[0-9.]+)?$")


def _is_compiler_itself(path):
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF" and bool(_COMPILER_NAME.match(os.path.basename(os.path.realpath(path))))


@functools.lru_cache
def version(words):
    """What a compiler, a tuple of words, says of itself, or its file's name where that is enough; "": nothing."""
    path = shutil.which(words[0])
    try:
        if path and _is_compiler_itself(path):
            return os.path.basename(os.path.realpath(path))
        told = subprocess.run([*words, "--version"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, check=False)
    except OSError:
        return ""
    return told.stdout.decode("latin-1") if told.returncode == 0 else ""


def commands(source, target, checked, output, environ):
    """The commands (lists) that compile `source` to `output`.o and link that to the shared object `output`."""
    words, flags = compiler(source, target, environ), module_flags()
    language = "c" if source.suffix == ".c" else "c++"
    # A plugin in C++ exports its entry function as its authors wrote it; one in C says so, as orchestration.h does.
    hidden = [] if language == "c++" and target == ORCHESTRATION else ["-fvisibility=hidden"]
    core = flags.get(f"{language} {target}", [])
    seen = flags["checked"] if checked else []
    maker = "clang" if "clang" in version(tuple(words)) else "gcc"
    by_maker = flags.get(f"{language} {maker}", []) + (flags.get(f"checked {maker}", []) if checked else [])
    options = [*flags[language], *FLAGS, *hidden, *core, *seen, *by_maker]
    return [[*words, *options, "-c", "-o", f"{output}.o", str(source)],
            [*words, "-shared", "-o", str(output), f"{output}.o"]]


# ---- what an object is made from -------------------------------------------------------------------------------------

# Variables that change what a compiler reads or writes.
_COMPILER_VARIABLES = ("CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH", "COMPILER_PATH",
                       "GCC_EXEC_PREFIX", "SOURCE_DATE_EPOCH", "CCC_OVERRIDE_OPTIONS", "LC_ALL", "LANG")
# Options of a compiler's variable of which the object depends by the words alone and by files that -MD names.
_PLAIN_OPTION = re.compile(r"-([ODUWwg]|I|std=|m(?!.*native)|f(?!plugin|profile|auto-profile)|Wl,-O)")
# Text that makes an object of more than its sources' content.
_OTHER_SOURCES = re.compile(rb"__DATE__|__TIME__|__TIMESTAMP__|\.incbin|#\s*embed")


class _Files:
    """Digests of files and of folders' names, each read once a command."""

    def __init__(self):
        self._digests = {}

    def digest(self, path):
        """Of a file's bytes, of a folder's names; None: it cannot be read, or its text means more than it says."""
        if path not in self._digests:
            self._digests[path] = self._read(path)
        return self._digests[path]

    @staticmethod
    def _read(path):
        try:
            if os.path.isdir(path):
                names = sorted(name for name in os.listdir(path) if name != "__pycache__")
                return hashlib.sha256("\0".join(names).encode("utf-8", "surrogateescape")).hexdigest()
            with open(path, "rb") as file:
                text = file.read()
        except OSError:
            return None
        return None if _OTHER_SOURCES.search(text) else hashlib.sha256(text).hexdigest()


def _identity(words):
    """Which compiler a command is, by what it says of itself and by its files: a list for JSON. None: what its options
    read or write is not known."""
    options = [word for word in words[1:] if word.startswith("-")]
    if any(not _PLAIN_OPTION.match(word) for word in options) or len(words) - len(options) > 2:
        return None  # two words without -: "ccache gcc"
    files = [shutil.which(word) for word in [*words[:1], *(w for w in words[1:2] if w not in options), "as", "ld"]]
    told = version(tuple(words))
    if None in files or not told:
        return None
    return [told, [(os.path.realpath(path), os.stat(path).st_size, os.stat(path).st_mtime_ns) for path in files]]


def _read_dependencies(path):
    """The files that a rule of -MD names; None: it is not one that can be read."""
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    _, colon, names = text.replace("\\\n", " ").partition(": ")
    unescape = re.compile(r"\\([ #\\])|\$(\$)")
    return [unescape.sub(lambda match: match[1] or match[2], name)
            for name in re.findall(r"(?:\\.|[^\s\\])+", names)] if colon else None


class _Job:
    """One source on its way to a shared object."""

    def __init__(self, source, target, checked):
        self.source, self.target, self.checked = source, target, checked
        self.name = None     # of its entry in the cache; None: what the object depends on is not known
        self.said = ""       # by the compiler
        self.failure = None  # an ExampleError
        self.code = None     # the shared object's bytes
        self._words = compiler(source, target, os.environ)
        self._dependencies = None
        self._commands = []
        self._compile_words = []
        self._started_ns = 0

    def recall(self, cache, files):
        """Take the object out of the cache, if everything that it was made from is as it was."""
        compiled_by, content = _identity(self._words), files.digest(str(self.source))
        if compiled_by is None or content is None:
            return
        placeless = commands(self.source, self.target, self.checked, "X", os.environ)
        made_of = [placeless, compiled_by, content, os.getcwd() if len(self._words) > 1 else "",
                   [os.environ.get(name) for name in _COMPILER_VARIABLES]]
        self.name = "object-" + hashlib.sha256(json.dumps(made_of).encode()).hexdigest()
        content = cache.read(self.name)
        if content is None:
            return
        head, _, code = content.partition(b"\n")
        told = json.loads(head)
        if all(files.digest(path) == digest for path, digest in told["made_of"]):
            self.said, self.code = told["said"], code

    def keep(self, cache, files):
        """Put the object into the cache, unless a file that it was made from has changed meanwhile."""
        paths = _read_dependencies(self._dependencies) if self.name else None
        if not paths:
            return
        # A file that appears in one of these folders may be read in the place of another.
        folders = {str(self.source.parent), *(os.path.dirname(path) for path in paths)}
        folders |= {word[2:] for word in self._compile_words if word.startswith("-I")}
        own = {folder for folder in folders if not folder.startswith("/usr/")}
        made_of = [(path, files.digest(path)) for path in sorted({*paths, *own})]
        try:
            changed = any(max(info.st_mtime_ns, info.st_ctime_ns) >= self._started_ns
                          for info in (os.stat(path) for path in paths))
        except OSError:
            return
        if not changed and all(digest for _, digest in made_of):
            cache.write(self.name, json.dumps({"made_of": made_of, "said": self.said}).encode() + b"\n" + self.code)

    def begin(self, scratch, number):
        """Compile into the folder `scratch`, where no other job has that number."""
        output = scratch / f"{number}-{self.target}.so"
        self._dependencies = Path(f"{output}.d")
        self._commands = commands(self.source, self.target, self.checked, output, os.environ)
        self._commands[0] += ["-MD", "-MF", str(self._dependencies)]
        self._compile_words = self._commands[0]
        self._started_ns = time.time_ns() - 20_000_000  # clocks of file systems are coarse by less

    def next_command(self):
        """The words of the next command to run; None: there is no more, or one has failed."""
        return self._commands[0] if self._commands and not self.failure else None

    def command_ended(self, exit_code, said):
        words = self._commands.pop(0)
        made = Path(words[words.index("-o", len(self._words)) + 1])
        self.said += said
        if exit_code != 0 or not made.is_file():
            self.failure = ExampleError(f"{self.source} does not compile (exit {exit_code}):\n{self.said.rstrip()}\n"
                                        f"  command: {self._reproduced(words)}", exit_code=EXIT_LOAD)
        elif not self._commands:
            self.code = made.read_bytes()

    def _reproduced(self, words):
        """What to type to see the same: into the folder where one is, the scratch folder is gone by then."""
        named = commands(self.source, self.target, self.checked, self.source.stem + ".so", os.environ)
        needed = named if words[len(self._words)] == "-shared" else named[:1]
        return " && ".join(shlex.join(command) for command in needed)


# ---- compiling -------------------------------------------------------------------------------------------------------

def processors():
    """How many this process may use."""
    return len(os.sched_getaffinity(0))


def _start(words, scratch):
    # A group of its own: when the command is stopped, so is all that a compiler has started. Its temporary files, which
    # it then leaves, go with the scratch folder.
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            start_new_session=True, env={**os.environ, "TMPDIR": str(scratch)})


def _run_all(jobs, scratch):
    """Run the commands of each job in order, and as many jobs at a time as there are processors."""
    import selectors
    waiting, running = deque(jobs), {}
    limit = processors()
    with selectors.DefaultSelector() as selector:
        try:
            while waiting or running:
                while waiting and len(running) < limit:
                    job = waiting.popleft()
                    words = job.next_command()
                    if words is None:
                        continue
                    try:
                        process = _start(words, scratch)
                    except OSError as error:
                        job.failure = ExampleError(f"cannot start {words[0]}: {error.strerror}", exit_code=EXIT_LOAD)
                        continue
                    running[process.stdout] = (job, process, bytearray())
                    selector.register(process.stdout, selectors.EVENT_READ)
                for key, _ in selector.select() if running else ():
                    job, process, said = running[key.fileobj]
                    piece = os.read(key.fd, 1 << 16)
                    said += piece
                    if piece:
                        continue
                    selector.unregister(key.fileobj)
                    del running[key.fileobj]
                    process.stdout.close()
                    job.command_ended(process.wait(), said.decode("utf-8", "replace"))
                    waiting.appendleft(job)  # its next command
        except BaseException:
            for _, process, _ in running.values():
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            raise


def compile_example(kernels, orchestration, checked):
    """The shared objects of `kernels` (with a .source and a .core_type each) and of the orchestration (a path).

    `checked`: they can tell a checked run of their plain accesses, which costs them some time.
    Returns ([bytes of each kernel], bytes of the orchestration). Raises ExampleError with what the compiler said of
    every source that does not compile. Nothing but the cache stays on disk.
    """
    start = time.monotonic()
    supervise.phase("compiling", EXIT_LOAD)
    jobs = [_Job(kernel.source, kernel.core_type, checked) for kernel in kernels]
    jobs.append(_Job(orchestration, ORCHESTRATION, checked))
    cache, files = Cache.open(os.environ), _Files()
    if cache:
        for job in jobs:
            job.recall(cache, files)
    missing = [job for job in jobs if job.code is None]
    if missing:
        _compile(missing, cache, files)
    for job in jobs:
        if job.code is not None and job.said.strip():
            log.warning("%s\n%s", job.source.name, job.said.rstrip())
    failures = [job.failure for job in jobs if job.failure]
    if failures:
        raise ExampleError("\n".join(str(failure) for failure in failures), exit_code=EXIT_LOAD)
    log.info("%d kernels and the orchestration: %d compiled, %d from the cache, in %.2f s", len(kernels), len(missing),
             len(jobs) - len(missing), time.monotonic() - start)
    return [job.code for job in jobs[:-1]], jobs[-1].code


def _compile(jobs, cache, files):
    """Compile in a folder that is removed however this ends."""
    import tempfile  # here: most commands find all objects in the cache
    try:
        scratch = Path(tempfile.gettempdir()) / f"{supervise.SCRATCH_PREFIX}{os.getpid()}-{os.urandom(8).hex()}"
        supervise.scratch(str(scratch))  # first: whenever this process ends, somebody knows the folder
        scratch.mkdir(mode=0o700)
    except OSError as error:
        raise ExampleError(f"no folder for compiling: {error}", "set TMPDIR to a folder that can be written",
                           EXIT_LOAD) from error
    try:
        for number, job in enumerate(jobs):
            job.begin(scratch, number)
        _run_all(jobs, scratch)
        for job in jobs:
            if cache and job.code is not None:
                job.keep(cache, files)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        supervise.scratch("")
