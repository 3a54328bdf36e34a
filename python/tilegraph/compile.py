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
from .nearest import nearest
from .places import part

FLAGS = ("-O2", "-g", "-fPIC")
C_COMPILERS = ("gcc", "cc", "clang")
CXX_COMPILERS = ("g++", "c++", "clang++")
# A name that a compiler does not know, as gcc and clang say it; and the names that programs use of the headers.
_UNKNOWN = re.compile(r"(?:[‘'](\w+)[’'] was not declared|(?:undeclared (?:identifier|function)|"
                      r"implicit declaration of function) [‘'](\w+)[’'])")
_OFFERED = re.compile(r"\b(?:T[A-Z0-9_]{2,}|tg_\w+|PIPE_\w+|EVENT_ID\d|set_flag|wait_flag|pipe_barrier)\b")
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


def _language(source):
    return "c" if source.suffix == ".c" else "c++"


def commands(source, target, checked, output, environ, access="access.o"):
    """The commands (lists) that compile `source` to `output`.o and link that to the shared object `output`; a checked
    one also with the object `access`, which access_command makes."""
    words, flags = compiler(source, target, environ), module_flags()
    language = _language(source)
    # A plugin in C++ exports its entry function as its authors wrote it; one in C says so, as orchestration.h does.
    hidden = [] if language == "c++" and target == ORCHESTRATION else ["-fvisibility=hidden"]
    core = flags.get(f"{language} {target}", [])
    seen = [*flags["checked"], "-DTG_ACCESS_ELSEWHERE"] if checked else []
    maker = "clang" if "clang" in version(tuple(words)) else "gcc"
    by_maker = flags.get(f"{language} {maker}", []) + (flags.get(f"checked {maker}", []) if checked else [])
    options = [*flags[language], *FLAGS, *hidden, *core, *seen, *by_maker]
    return [[*words, *options, "-c", "-o", f"{output}.o", str(source)],
            [*words, "-shared", "-o", str(output), f"{output}.o", *([str(access)] if checked else [])]]


def access_command(words, language, output):
    """The command (a list) of a compiler, a list, that compiles the functions of access.h to the object `output`. They
    take longer than a kernel, so each compiler does it once."""
    return [*words, "-x", language, *module_flags()[language], "-O1", "-fPIC", "-fvisibility=hidden", "-fno-lto",
            "-DTG_CHECKED", "-c", "-o", str(output), str(part("include") / "tilegraph" / "access.h")]


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


class _Object:
    """Something to compile: out of the cache, or by a command."""

    def __init__(self, source, words):
        self.source = source
        self.words = words     # of the compiler
        self.said = ""         # by the compiler
        self.failure = None    # an ExampleError
        self.code = None       # what has been made, bytes
        self._name = None      # of its entry in the cache; None: what it depends on is not known
        self._dependencies = None
        self._compile_words = []
        self._started_ns = 0

    def _compile_command(self, output):
        """The command (a list) that compiles it to the object `output`.o."""
        raise NotImplementedError

    def _placeless(self):
        """What is done to the source, the same in every folder: something for JSON."""
        raise NotImplementedError

    def recall(self, cache, files):
        """Take it out of the cache, if everything that it was made from is as it was."""
        compiled_by, content = _identity(self.words), files.digest(str(self.source))
        if compiled_by is None or content is None:
            return
        made_of = [self._placeless(), compiled_by, content, os.getcwd() if len(self.words) > 1 else "",
                   [os.environ.get(name) for name in _COMPILER_VARIABLES]]
        self._name = "object-" + hashlib.sha256(json.dumps(made_of).encode()).hexdigest()
        content = cache.read(self._name)
        if content is None:
            return
        head, _, code = content.partition(b"\n")
        told = json.loads(head)
        if all(files.digest(path) == digest for path, digest in told["made_of"]):
            self.said, self.code = told["said"], code

    def keep(self, cache, files):
        """Put it into the cache, unless a file that it was made from has changed meanwhile."""
        paths = _read_dependencies(self._dependencies) if self._name else None
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
            cache.write(self._name, json.dumps({"made_of": made_of, "said": self.said}).encode() + b"\n" + self.code)

    def begin(self, output):
        """The command that compiles it to the object `output`.o, in a folder that is there for a while."""
        self._dependencies = Path(f"{output}.d")
        self._compile_words = [*self._compile_command(output), "-MD", "-MF", str(self._dependencies)]
        self._started_ns = time.time_ns() - 20_000_000  # clocks of file systems are coarse by less
        return self._compile_words

    def ended(self, exit_code, said, made, reproduced):
        """A command has ended that should have made the file `made`; `reproduced`: what to type to see the same.
        Returns whether it has."""
        self.said += said
        if exit_code == 0 and made.is_file():
            return True
        command = " && ".join(shlex.join(words) for words in reproduced)
        self.failure = ExampleError(f"{self.source} does not compile (exit {exit_code}):\n{self.said.rstrip()}\n"
                                    f"{mistyped(self.said)}  command: {command}", exit_code=EXIT_LOAD)
        return False


def mistyped(said):
    """Lines with the nearest name of the headers for each name that the compiler does not know; "": none is near.

    gcc names a near function itself, but in C++ no near macro, and instructions are macros.
    """
    names = dict.fromkeys(found[1] or found[2] for line in said.splitlines() if "did you mean" not in line
                          for found in _UNKNOWN.finditer(line))
    if not names:
        return ""
    known = sorted({word for path in sorted(part("include").rglob("*.h*"))
                    for word in _OFFERED.findall(path.read_text(encoding="utf-8"))})
    near = ((name, nearest(name, known)) for name in names)
    return "".join(f"  '{name}' is not known: did you mean {meant}?\n" for name, meant in near if meant)


class _Access(_Object):
    """The functions of access.h by one compiler."""

    def __init__(self, words, language):
        super().__init__(part("include") / "tilegraph" / "access.h", words)
        self.language = language
        self.path = None  # of the object, while modules are linked

    def _compile_command(self, output):
        return access_command(self.words, self.language, f"{output}.o")

    def _placeless(self):
        return access_command(self.words, self.language, "X.o")

    def compiled(self, exit_code, said):
        if self.ended(exit_code, said, self.path, [access_command(self.words, self.language, "access.o")]):
            self.code = self.path.read_bytes()


class _Module(_Object):
    """One source on its way to a shared object."""

    def __init__(self, source, target, checked):
        super().__init__(source, compiler(source, target, os.environ))
        self.target, self.checked = target, checked
        self.access = None  # the _Access that it is linked with
        self.output = None  # the path of the shared object, while it is made

    def _commands(self, output):
        access = self.access.path if self.access else "access.o"
        return commands(self.source, self.target, self.checked, output, os.environ, access)

    def _compile_command(self, output):
        return self._commands(output)[0]

    def _placeless(self):
        return commands(self.source, self.target, self.checked, "X", os.environ)

    def link_command(self):
        return self._commands(self.output)[1]

    def _reproduced(self, n_commands):
        """What to type to see the same: into the folder where one is, the scratch folder is gone by then."""
        named = commands(self.source, self.target, self.checked, self.source.stem + ".so", os.environ)[:n_commands]
        if n_commands == 1 or not self.checked:
            return named
        return [access_command(self.words, _language(self.source), "access.o"), *named]

    def compiled(self, exit_code, said):
        self.ended(exit_code, said, Path(f"{self.output}.o"), self._reproduced(1))

    def linked(self, exit_code, said):
        if self.ended(exit_code, said, self.output, self._reproduced(2)):
            self.code = self.output.read_bytes()


# ---- compiling -------------------------------------------------------------------------------------------------------

def processors():
    """How many this process may use."""
    return len(os.sched_getaffinity(0))


def _start(words, scratch):
    # A group of its own: when the command is stopped, so is all that a compiler has started. Its temporary files, which
    # it then leaves, go with the scratch folder.
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            start_new_session=True, env={**os.environ, "TMPDIR": str(scratch)})


def _run_all(work, scratch):
    """Run commands, as many at a time as there are processors. `work`: for each (words, what takes its exit code and
    what it has said, the function to which a failure to start is said)."""
    import selectors
    waiting, running = deque(work), {}
    limit = processors()
    with selectors.DefaultSelector() as selector:
        try:
            while waiting or running:
                while waiting and len(running) < limit:
                    words, ended, failed = waiting.popleft()
                    try:
                        process = _start(words, scratch)
                    except OSError as error:
                        failed(ExampleError(f"cannot start {words[0]}: {error.strerror}", exit_code=EXIT_LOAD))
                        continue
                    running[process.stdout] = (ended, process, bytearray())
                    selector.register(process.stdout, selectors.EVENT_READ)
                for key, _ in selector.select() if running else ():
                    ended, process, said = running[key.fileobj]
                    piece = os.read(key.fd, 1 << 16)
                    said += piece
                    if piece:
                        continue
                    selector.unregister(key.fileobj)
                    del running[key.fileobj]
                    process.stdout.close()
                    ended(process.wait(), said.decode("utf-8", "replace"))
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
    modules = [_Module(kernel.source, kernel.core_type, checked) for kernel in kernels]
    modules.append(_Module(orchestration, ORCHESTRATION, checked))
    cache, files = Cache.open(os.environ), _Files()
    if cache:
        for module in modules:
            module.recall(cache, files)
    missing = [module for module in modules if module.code is None]
    if missing:
        _compile(missing, cache, files)
    for module in modules:
        if module.code is not None and module.said.strip():
            log.warning("%s\n%s", module.source.name, module.said.rstrip())
    failures = [module.failure for module in modules if module.failure]
    if failures:
        raise ExampleError("\n".join(str(failure) for failure in failures), exit_code=EXIT_LOAD)
    log.info("%d kernels and the orchestration: %d compiled, %d from the cache, in %.2f s", len(kernels), len(missing),
             len(modules) - len(missing), time.monotonic() - start)
    return [module.code for module in modules[:-1]], modules[-1].code


def _compile(modules, cache, files):
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
        access = _access_of(modules, scratch, cache, files)
        for number, module in enumerate(modules):
            module.output = scratch / f"{number}-{module.target}.so"
        objects = [(each, each.path.with_suffix("")) for each in access if each.code is None]
        objects += [(module, module.output) for module in modules]
        _run_all([(each.begin(output), each.compiled, _failure_of(each)) for each, output in objects], scratch)
        for module in modules:
            if module.access and module.access.failure and not module.failure:
                module.failure = module.access.failure
        _run_all([(module.link_command(), module.linked, _failure_of(module)) for module in modules
                  if not module.failure], scratch)
        for each, _ in objects:
            if cache and each.code is not None:
                each.keep(cache, files)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        supervise.scratch("")


def _failure_of(each):
    def take(failure):
        each.failure = failure

    return take


def _access_of(modules, scratch, cache, files):
    """The _Access of each compiler of checked modules; those that the cache has are in the folder `scratch`."""
    by_compiler = {}
    for module in modules:
        if not module.checked:
            continue
        language = _language(module.source)
        module.access = by_compiler.setdefault((*module.words, language), _Access(module.words, language))
    access = list(by_compiler.values())
    for number, each in enumerate(access):
        each.path = scratch / f"access-{number}.o"
        if cache:
            each.recall(cache, files)
        if each.code is not None:
            each.path.write_bytes(each.code)
    return access
