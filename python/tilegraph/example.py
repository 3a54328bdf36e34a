"""Read and check the two files of an example: kernel_config.py and golden.py."""
import math
import numbers
import os
import stat
import sys
import types
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from . import supervise
from .errors import ExampleError, Stopped, shown, where_raised
from .log import keep_standard_descriptors, log
from .nearest import nearest, unknown

SOURCE_SUFFIXES = (".c", ".cpp", ".cc", ".cxx")
CORE_TYPES = ("aic", "aiv")
MAX_FUNC_ID = 65535
# Read before kernel_config.py is: setting them there would change nothing.
START_VARIABLES = ("PTO_DEVICE_ID", "TILE_FWK_DEVICE_ID", "PTO_LOG_LEVEL", "PTO_LOG_FILE", "TILEGRAPH_LIB")

_REQUIRED = object()


@dataclass(frozen=True)
class Kernel:
    func_id: int
    source: Path
    core_type: str  # of CORE_TYPES
    name: str


@dataclass(frozen=True)
class KernelConfig:
    """What kernel_config.py says. Paths are absolute, defaults filled in."""
    kernels: tuple
    orchestration: Path
    function_name: str
    runtime: str
    aicpu_thread_num: int
    block_dim: int
    environment: dict


@dataclass(frozen=True)
class Golden:
    """What golden.py says. `outputs` is None where names that begin with out_ are meant."""
    path: Path
    generate_inputs: object
    compute_golden: object
    to_compare: object    # or None
    expects_zero: object  # or None
    params_list: tuple
    outputs: object     # tuple of names, or None
    inouts: frozenset   # outputs that the program reads before it writes them
    tensor_order: object  # tuple of names, or None: the order of generate_inputs
    rtol: float
    atol: float
    kernel_golden: dict  # functions by the names of kernels (kernel_golden.py)


def _read_source(path):
    """The bytes of a regular file. Raises ExampleError; a pipe does not hang it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise ExampleError(f"cannot read {path}: it is not a regular file")
            with open(fd, "rb", closefd=False) as file:
                return file.read()
        finally:
            os.close(fd)
    except OSError as error:
        raise ExampleError(f"cannot read {path}: {error.strerror}") from error


def execute(path, module_name, source=None):
    """Run a Python file as a module; returns the module. `source`: its bytes, if they are there already.

    Raises ExampleError naming file and line.
    """
    if source is None:
        source = _read_source(path)
    module = types.ModuleType(module_name)
    module.__file__ = str(path)
    sys.modules[module_name] = module
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    supervise.phase(str(path))
    try:
        code = compile(source, str(path), "exec")
    except SyntaxError as error:
        raise ExampleError(f"{path}, line {error.lineno}: syntax error: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:  # bytes that are no text; deep nesting
        raise ExampleError(f"{path} is no Python source: {type(error).__name__}: {error}") from error
    call(path, "does not load", exec, code, module.__dict__)
    return module


def call(path, failed, function, *arguments):
    """What `function` returns, code of the example's file `path`. Raises ExampleError whatever it raises.

    `failed` says of the file what is wrong then.
    """
    try:
        return function(*arguments)
    except (Stopped, MemoryError):
        raise
    except BaseException as error:  # SystemExit, KeyboardInterrupt, GeneratorExit: they end no run that is not theirs
        log.trace(error)
        raise ExampleError(f"{path}: {failed}: {where_raised(error, path)}") from error
    finally:
        keep_standard_descriptors()


class _Table:
    """A dictionary of an example's file, read key by key; says where a wrong value stands."""

    def __init__(self, path, where, value, keys):
        self.path, self.where, self.value = path, where, value
        if not isinstance(value, dict):
            raise ExampleError(f"{path}: {where} is {_kind(value)}, expected a dict with {', '.join(keys)}")
        for key in value:
            if key not in keys:
                close = nearest(str(key), keys)
                raise ExampleError(f"{path}: {where} has the key {shown(key)}, which is not known; "
                                   f"keys are {', '.join(keys)}{f'; did you mean {close}?' if close else ''}")

    def get(self, key, valid, expected, default=_REQUIRED):
        value = self.value.get(key, default)
        if value is _REQUIRED:
            raise ExampleError(f"{self.path}: {self.where} lacks '{key}', expected {expected}")
        if key in self.value and not valid(value):
            raise ExampleError(f"{self.path}: {self.where}['{key}'] is {shown(value)}, expected {expected}")
        return value


def _kind(value):
    return f"of type {type(value).__name__}"


def _is_int(low, high):
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def is_text(value):
    """Whether it is a string that files and C functions can hold: not empty, no NUL, no half of a character."""
    if not isinstance(value, str) or value == "" or "\0" in value:
        return False
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def _source(folder, table):
    text = table.get("source", lambda value: is_text(value) or isinstance(value, Path), "a path")
    path = (folder / text).resolve()
    where = f"{table.path}: {table.where}['source']"
    if path.suffix not in SOURCE_SUFFIXES:
        raise ExampleError(f"{where} is {path}, expected a file ending in {', '.join(SOURCE_SUFFIXES)}")
    if not path.is_file():
        raise ExampleError(f"{where}: there is no file {path}",
                           "paths are relative to the folder of kernel_config.py")
    return path


def _kernels(folder, path, value):
    if not isinstance(value, (list, tuple)) or not value:
        raise ExampleError(f"{path}: KERNELS is {_kind(value)}, expected a list with a dict for each kernel")
    kernels = []
    for index, entry in enumerate(value):
        table = _Table(path, f"KERNELS[{index}]", entry, ("func_id", "source", "core_type", "name"))
        func_id = table.get("func_id", _is_int(0, MAX_FUNC_ID), f"an integer from 0 to {MAX_FUNC_ID}")
        core_type = table.get("core_type", lambda value: value in CORE_TYPES, "'aic' or 'aiv'")
        source = _source(folder, table)
        name = table.get("name", is_text, "a string", source.stem)
        for other, kernel in enumerate(kernels):
            if kernel.func_id == func_id:
                raise ExampleError(f"{path}: KERNELS[{index}] has the func_id {func_id} of KERNELS[{other}]")
        kernels.append(Kernel(func_id, source, core_type, name))
    return tuple(kernels)


def _environment(folder, path, value):
    if not isinstance(value, dict):
        raise ExampleError(f"{path}: RUNTIME_ENV is {_kind(value)}, expected a dict of strings")
    environment = {}
    for name, text in value.items():
        if not is_text(name) or "=" in name:
            raise ExampleError(f"{path}: RUNTIME_ENV has the key {shown(name)}, expected a variable's name")
        if name in START_VARIABLES:
            raise ExampleError(f"{path}: RUNTIME_ENV['{name}'] comes too late",
                               f"{name} is read first: set it in the environment of the command")
        if not isinstance(text, (str, Path)) or "\0" in str(text):
            raise ExampleError(f"{path}: RUNTIME_ENV['{name}'] is {shown(text)}, expected a string")
        environment[name] = str((folder / text).resolve()) if name.endswith(("_DIR", "_PATH")) else str(text)
    return environment


def load_kernel_config(folder):
    """Read kernel_config.py in `folder` (a path). Returns a KernelConfig; raises ExampleError."""
    folder = Path(folder).resolve()
    if not folder.is_dir():
        raise ExampleError(f"-k: there is no folder {folder}", "-k names the folder that holds kernel_config.py")
    path = folder / "kernel_config.py"
    module = execute(path, "tilegraph_kernel_config")
    for name in ("KERNELS", "ORCHESTRATION"):
        if not hasattr(module, name):
            raise ExampleError(f"{path} does not define {name}", "docs/run_example.md shows a kernel_config.py")
    orchestration = _Table(path, "ORCHESTRATION", module.ORCHESTRATION, ("source", "function_name"))
    runtime = _Table(path, "RUNTIME_CONFIG", getattr(module, "RUNTIME_CONFIG", {}),
                     ("runtime", "aicpu_thread_num", "block_dim"))
    count = _is_int(0, 2**32 - 1)
    return KernelConfig(
        kernels=_kernels(folder, path, module.KERNELS),
        orchestration=_source(folder, orchestration),
        function_name=orchestration.get("function_name", is_text, "the name of the entry function"),
        runtime=runtime.get("runtime", is_text, "the name of a runtime", "host_build_graph"),
        aicpu_thread_num=runtime.get("aicpu_thread_num", count, "a number of threads", 3),
        block_dim=runtime.get("block_dim", count, "a number of blocks", 24),
        environment=_environment(folder, path, getattr(module, "RUNTIME_ENV", {})))


def _names(path, module, attribute):
    value = getattr(module, attribute, None)
    if value is None:
        return None
    if not isinstance(value, (list, tuple)) or not all(is_text(name) for name in value):
        raise ExampleError(f"{path}: {attribute} is {shown(value)}, expected a list of tensor names")
    if not value:
        raise ExampleError(f"{path}: {attribute} is empty, expected a list of tensor names")
    if len(set(value)) != len(value):
        raise ExampleError(f"{path}: {attribute} names a tensor twice: {shown(value)}")
    return tuple(value)


def _params_list(path, value):
    if not isinstance(value, (list, tuple)) or not value:
        raise ExampleError(f"{path}: PARAMS_LIST is {shown(value)}, expected a list with a dict for each run")
    names = []
    for index, params in enumerate(value):
        if not isinstance(params, dict):
            raise ExampleError(f"{path}: PARAMS_LIST[{index}] is {_kind(params)}, expected a dict")
        if "name" in params and not is_text(params["name"]):
            raise ExampleError(f"{path}: PARAMS_LIST[{index}]['name'] is {shown(params['name'])}, expected a string")
        name = case_name(params, index)
        if name in names:
            raise ExampleError(f"{path}: PARAMS_LIST[{index}] has the name '{name}' of "
                               f"PARAMS_LIST[{names.index(name)}]")
        names.append(name)
    return tuple(value)


def only_case(golden, name):
    """The golden with that one of its cases. Raises ExampleError with the nearest name."""
    names = [case_name(params, index) for index, params in enumerate(golden.params_list)]
    if name not in names:
        raise ExampleError(f"--case: {unknown('case', name, names)}", f"{golden.path} has the cases {', '.join(names)}")
    params = golden.params_list[names.index(name)]
    return replace(golden, params_list=({"name": name, **params},))


def case_name(params, index):
    """The name of a run: that of its PARAMS_LIST entry, else its number."""
    return params.get("name", f"run{index}")


def _tolerance(path, module, attribute):
    value = getattr(module, attribute, 1e-5)
    good = isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
    if not good:
        raise ExampleError(f"{path}: {attribute} is {shown(value)}, expected a number, 0 or more")
    return float(value)


def _kernel_golden(path, value):
    if not isinstance(value, dict):
        raise ExampleError(f"{path}: kernel_golden is {_kind(value)}, expected a dict of functions by kernel names")
    for name, function in value.items():
        if not is_text(name) or not callable(function):
            raise ExampleError(f"{path}: kernel_golden[{shown(name)}] is {_kind(function)}, expected a function")
    return dict(value)


def load_golden(path):
    """Read golden.py; "-" is standard input. Returns a Golden; raises ExampleError."""
    from_stdin = str(path) == "-"
    path = Path("standard input") if from_stdin else Path(path).resolve()
    if not from_stdin and not path.is_file():
        raise ExampleError(f"-g: there is no file {path}", "-g names the golden.py of the example")
    module = execute(path, "tilegraph_golden", sys.stdin.buffer.read() if from_stdin else None)
    for name in ("generate_inputs", "compute_golden"):
        if not callable(getattr(module, name, None)):
            raise ExampleError(f"{path} does not define the function {name}", "docs/run_example.md shows a golden.py")
    for name in ("to_compare", "expects_zero"):
        if not callable(getattr(module, name, callable)):
            raise ExampleError(f"{path}: {name} is {_kind(getattr(module, name))}, expected a function")
    return Golden(path, module.generate_inputs, module.compute_golden, getattr(module, "to_compare", None),
                  getattr(module, "expects_zero", None),
                  params_list=_params_list(path, getattr(module, "PARAMS_LIST", [{}])),
                  outputs=_names(path, module, "__outputs__"),
                  inouts=frozenset(_names(path, module, "__inouts__") or ()),
                  tensor_order=_names(path, module, "TENSOR_ORDER"),
                  rtol=_tolerance(path, module, "RTOL"), atol=_tolerance(path, module, "ATOL"),
                  kernel_golden=_kernel_golden(path, getattr(module, "kernel_golden", {})))


@contextmanager
def environment(variables):
    """Set environment variables for a while; what was there comes back."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
