"""ctypes binding of include/tilegraph/tilegraph.h; structures and prototypes are in the header's order.

Every call that fails raises StatusError with the status's name, sentence, message, hint and exit code.
"""
import ctypes
import os
import signal
import threading
from contextlib import contextmanager
from ctypes import (POINTER, byref, c_bool, c_char_p, c_int, c_int32, c_int64, c_size_t, c_uint8, c_uint32, c_uint64,
                    c_void_p)

from . import arrays
from .errors import EXIT_LOAD, Error, StatusError
from .log import log
from .places import places
from .supervise import STOPPING

TG_AIC, TG_AIV = 0, 1
TG_BUILD_CONCURRENT, TG_BUILD_SEQUENTIAL = 0, 1
TG_AICPU_BUILD_GRAPH, TG_HOST_BUILD_GRAPH = 0, 1
TG_IN, TG_OUT, TG_INOUT = 0, 1, 2
TG_PIPE_ORDER_PROGRAM, TG_PIPE_ORDER_LATE, TG_PIPE_ORDER_EARLY = 0, 1, 2
TG_LOG_DEBUG = 4
TG_BF16 = 2
NEVER = 2**64 - 1  # first_start_ns of a run in which no task started


class DeviceConfig(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("platform", c_char_p), ("gm_bytes", c_uint64), ("machine_file", c_char_p),
                ("workers", c_uint32), ("pin", c_bool), ("catch_faults", c_bool), ("isa", c_char_p)]


class Tensor(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("data", c_void_p), ("bytes", c_uint64), ("elements", c_uint64),
                ("direction", c_uint32)]


class RunConfig(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("runtime", c_uint32), ("build_mode", c_uint32), ("aicpu_thread_num", c_uint32),
                ("block_dim", c_uint32), ("window", c_uint32), ("kernel_limit_ms", c_uint32),
                ("schedule_seed", c_uint64), ("graph_bytes", c_uint64), ("record", c_bool), ("record_pipes", c_bool),
                ("keep", c_bool), ("reproducible", c_bool), ("check", c_bool), ("pipe_order", c_uint32),
                ("schedules", c_uint32), ("declared", c_void_p), ("n_declared", c_size_t), ("declared_size", c_size_t)]


class RunResult(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("n_tasks", c_uint64), ("n_edges", c_uint64), ("n_instructions", c_uint64),
                ("n_aic", c_uint32), ("n_aiv", c_uint32), ("window", c_uint32), ("has_outputs", c_uint32),
                ("device_ns", c_uint64), ("first_start_ns", c_uint64), ("last_publish_ns", c_uint64),
                ("peak_device_bytes", c_uint64), ("peak_graph_bytes", c_uint64), ("host_ns", c_uint64),
                ("n_findings", c_uint64)]


class FindingInfo(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("code", c_int), ("count", c_uint64), ("what", c_char_p), ("where", c_char_p),
                ("mend", c_char_p)]


class LineTime(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("kernel", c_char_p), ("file", c_char_p), ("instruction", c_char_p),
                ("line", c_uint32), ("n_instructions", c_uint64), ("work_ns", c_uint64), ("wait_ns", c_uint64)]


class KeptTask(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("kernel", c_char_p), ("args", POINTER(c_int64)), ("is_address", POINTER(c_uint8)),
                ("n_args", c_uint32), ("n_arrays", c_uint32), ("task_id", c_int32), ("returned", c_uint32)]


class KeptArray(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("argument", c_int32), ("dtype", c_uint32), ("accesses", c_uint32),
                ("address", c_uint64), ("rows", c_uint64), ("cols", c_uint64), ("ld", c_uint64),
                ("before", c_void_p), ("after", c_void_p), ("access", c_void_p)]


class ReportHead(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("program", c_char_p), ("platform", c_char_p), ("date", c_char_p),
                ("command", c_char_p)]


LOG_FN = ctypes.CFUNCTYPE(None, c_void_p, c_int, c_char_p)

_PROTOTYPES = {
    "tg_version": (c_uint32, []),
    "tg_platforms": (c_char_p, []),
    "tg_status_name": (c_char_p, [c_int]),
    "tg_status_text": (c_char_p, [c_int]),
    "tg_status_hint": (c_char_p, [c_int]),
    "tg_status_exit_code": (c_int, [c_int]),
    "tg_last_message": (c_char_p, []),
    "tg_log_to": (None, [LOG_FN, c_void_p, c_int]),
    "tg_device_config_fill": (c_int, [POINTER(DeviceConfig)]),
    "tg_device_open": (c_int, [POINTER(DeviceConfig), POINTER(c_void_p)]),
    "tg_device_close": (None, [c_void_p]),
    "tg_device_blocks": (c_uint32, [c_void_p]),
    "tg_device_workers": (c_uint32, [c_void_p]),
    "tg_device_isa": (c_char_p, [c_void_p]),
    "tg_program_open": (c_int, [c_void_p, POINTER(c_void_p)]),
    "tg_program_close": (None, [c_void_p]),
    "tg_program_add_kernel": (c_int, [c_void_p, c_int, c_int, c_char_p, c_char_p, c_size_t]),
    "tg_program_set_orchestration": (c_int, [c_void_p, c_char_p, c_size_t, c_char_p]),
    "tg_runtime_by_name": (c_int, [c_char_p, POINTER(c_int)]),
    "tg_run_config_fill": (c_int, [POINTER(RunConfig)]),
    "tg_run_open_sized": (c_int, [c_void_p, POINTER(RunConfig), POINTER(Tensor), c_size_t, c_size_t,
                                   POINTER(c_void_p)]),
    "tg_run_wait": (c_int, [c_void_p]),
    "tg_run_close": (None, [c_void_p]),
    "tg_run_get_result": (c_int, [c_void_p, POINTER(RunResult)]),
    "tg_finding_name": (c_char_p, [c_int]),
    "tg_run_n_findings": (c_size_t, [c_void_p]),
    "tg_run_get_finding": (c_int, [c_void_p, c_size_t, POINTER(FindingInfo)]),
    "tg_run_print_findings": (None, [c_void_p, c_void_p]),
    "tg_run_print_proof": (None, [c_void_p, c_void_p]),
    "tg_run_keep_arrays": (c_int, [c_void_p, c_char_p]),
    "tg_run_n_kept_tasks": (c_int, [c_void_p, POINTER(c_size_t)]),
    "tg_run_get_kept_task": (c_int, [c_void_p, c_size_t, POINTER(KeptTask)]),
    "tg_run_get_kept_array": (c_int, [c_void_p, c_size_t, c_size_t, POINTER(KeptArray)]),
    "tg_run_write_arrays": (c_int, [c_void_p, c_char_p, c_char_p]),
    "tg_run_n_lines": (c_size_t, [c_void_p]),
    "tg_run_get_line": (c_int, [c_void_p, c_size_t, POINTER(LineTime)]),
    "tg_run_print_summary": (c_int, [c_void_p, c_void_p]),
    "tg_run_write_trace": (c_int, [c_void_p, c_char_p]),
    "tg_run_write_graph": (c_int, [c_void_p, c_char_p]),
    "tg_run_write_headed_report": (c_int, [c_void_p, c_char_p, POINTER(ReportHead)]),
}


# Of the C library: a stream that the library prints to.
_STREAM_PROTOTYPES = {
    "open_memstream": (c_void_p, [POINTER(c_void_p), POINTER(c_size_t)]),
    "fclose": (c_int, [c_void_p]),
    "free": (None, [c_void_p]),
}


def _text(raw):
    return raw.decode("utf-8", "replace")


def declare(lib, prototypes, origin):
    """Give the functions of `lib`, which is called `origin`, their types."""
    for name, (result, arguments) in prototypes.items():
        try:
            function = getattr(lib, name)
        except AttributeError as error:
            raise Error(f"{origin} lacks {name}", "rebuild it: make build", EXIT_LOAD) from error
        function.restype, function.argtypes = result, arguments
    return lib


def _bytes(text):
    """A string as the C library wants it. Names of files may hold bytes that are no UTF-8."""
    return text.encode("utf-8", "surrogateescape")


def set_fields(config, values):
    """Set fields of a configuration; its names are the header's."""
    fields = dict(type(config)._fields_)
    for name, value in values.items():
        if name not in fields or name.endswith("size"):
            raise Error(f"there is no field '{name}' in the configuration",
                        f"fields are {', '.join(field for field in fields if not field.endswith('size'))}")
        try:
            setattr(config, name, _bytes(os.fspath(value)) if fields[name] is c_char_p and value is not None else value)
        except TypeError as error:
            raise Error(f"'{name}' is {value!r}: {error}") from error


def _printed(function, run):
    """What function(run, stream) writes to its stream, and what it returns."""
    libc = declare(ctypes.CDLL(None), _STREAM_PROTOTYPES, "the C library")
    memory, size = c_void_p(), c_size_t()
    stream = libc.open_memstream(byref(memory), byref(size))
    if not stream:
        raise MemoryError("no memory for what the library prints")
    returned = function(run, stream)
    libc.fclose(stream)
    try:
        return _text(ctypes.string_at(memory, size.value)), returned
    finally:
        libc.free(memory)


class Library:
    """libtilegraph, loaded from the file `path`. One object a process; handles are opaque pointers (c_void_p)."""

    def __init__(self, path):
        try:
            self._c = ctypes.CDLL(os.fspath(path))
        except OSError as error:
            raise Error(f"the library does not load: {error}", "rebuild it: make build", EXIT_LOAD) from error
        declare(self._c, _PROTOTYPES, path)
        self._check_version(path)
        self._sink = LOG_FN(self._on_line)  # the library keeps the pointer: it lives as long as this object
        if log.wants("debug"):  # its errors arrive as statuses in any case
            self._c.tg_log_to(self._sink, None, TG_LOG_DEBUG)

    def _check_version(self, path):
        """Until 1.0 a minor version may change the interface; a later patch version only adds to it."""
        number = self._c.tg_version()
        major, minor, patch = (int(part) for part in places().version.split("."))
        if number // 100 == major * 100 + minor and number % 100 >= patch:
            return
        raise Error(f"{path} is version {number // 10000}.{number // 100 % 100}.{number % 100} of libtilegraph, "
                    f"this Python package is version {places().version}",
                    "use the library and the package of one version", EXIT_LOAD)

    @staticmethod
    def _on_line(_context, _level, line):
        log.debug("library: %s", _text(line))

    @property
    def functions(self):
        """The C library, for bindings of more of its headers."""
        return self._c

    def check(self, status):
        """Raise StatusError, with the message of the call that returned `status`, unless it is TG_OK."""
        if status == 0:
            return
        message = _text(self._c.tg_last_message())  # first: the next call may replace it
        name = _text(self._c.tg_status_name(status))
        sentence = f"{name}: {_text(self._c.tg_status_text(status))}"
        raise StatusError(name, f"{sentence}: {message}" if message else sentence,
                          _text(self._c.tg_status_hint(status)), self._c.tg_status_exit_code(status))

    @contextmanager
    def device(self, platform, **values):
        """An open device of the platform of that name, with the library's defaults but for `values`.

        Faults of kernels and plugins become errors.
        """
        config = DeviceConfig(size=ctypes.sizeof(DeviceConfig))
        self.check(self._c.tg_device_config_fill(byref(config)))
        set_fields(config, {"platform": platform, "catch_faults": True, **values})
        device = c_void_p()
        self.check(self._c.tg_device_open(byref(config), byref(device)))
        try:
            yield device
        finally:
            self._c.tg_device_close(device)

    def platforms(self):
        """The names of the platforms on offer."""
        return _text(self._c.tg_platforms()).split()

    def blocks(self, device):
        """Blocks of 1 AIC and 2 AIV cores; 0: the device has workers instead."""
        return self._c.tg_device_blocks(device)

    def isa(self, device):
        """The instruction set that executes the device's tiles."""
        return _text(self._c.tg_device_isa(device))

    def workers(self, device):
        """Threads that run the device's tasks; 0: it has blocks of cores instead."""
        return self._c.tg_device_workers(device)

    @contextmanager
    def program(self, device):
        """An empty program on `device`."""
        program = c_void_p()
        self.check(self._c.tg_program_open(device, byref(program)))
        try:
            yield program
        finally:
            self._c.tg_program_close(program)

    def add_kernel(self, program, func_id, core_type, name, code):
        """Register `code` (bytes of a shared object; copied) under func_id; core_type is 'aic' or 'aiv'."""
        core = {"aic": TG_AIC, "aiv": TG_AIV}[core_type]
        self.check(self._c.tg_program_add_kernel(program, func_id, core, _bytes(name), code, len(code)))

    def set_orchestration(self, program, code, function_name):
        """Embed the orchestration `code` (bytes of a shared object; copied)."""
        self.check(self._c.tg_program_set_orchestration(program, code, len(code), _bytes(function_name)))

    def runtime_by_name(self, name):
        """The number of a runtime."""
        kind = c_int()
        self.check(self._c.tg_runtime_by_name(_bytes(name), byref(kind)))
        return kind.value

    def run_config(self, **values):
        """A RunConfig with the library's defaults, but for `values`."""
        config = RunConfig(size=ctypes.sizeof(RunConfig))
        self.check(self._c.tg_run_config_fill(byref(config)))
        set_fields(config, values)
        return config

    @contextmanager
    def run(self, program, config, tensors):
        """A launch on `tensors`: a list of (name, arrays.View, TG_IN, TG_OUT or TG_INOUT). The memory is borrowed."""
        table = (Tensor * len(tensors))()
        for row, (name, view, direction) in zip(table, tensors):
            row.name, row.data = _bytes(name), view.address
            row.bytes, row.elements, row.direction = view.n_bytes, view.n_elements, direction
        run = c_void_p()
        self.check(self._c.tg_run_open_sized(program, byref(config), table, ctypes.sizeof(Tensor),
                                              len(table), byref(run)))
        try:
            yield run
        finally:
            self._c.tg_run_close(run)

    def wait(self, run):
        """Launch and wait for the end.

        Signals that stop the command end the process meanwhile: Python's handlers cannot run inside the call, and there
        is nothing to tidy up.
        """
        with _default_signals():
            status = self._c.tg_run_wait(run)
        self.check(status)

    def result(self, run):
        """What happened, a RunResult; after wait."""
        result = RunResult(size=ctypes.sizeof(RunResult))
        self.check(self._c.tg_run_get_result(run, byref(result)))
        return result

    def findings(self, run):
        """What the checks of a run found, three lines each; after wait. "" without checks."""
        return _printed(self._c.tg_run_print_findings, run)[0]

    def list_findings(self, run):
        """(code, count, what, where, mend) of each finding; after wait."""
        found = []
        for idx in range(self._c.tg_run_n_findings(run)):
            each = FindingInfo(size=ctypes.sizeof(FindingInfo))
            self.check(self._c.tg_run_get_finding(run, idx, byref(each)))
            found.append((_text(self._c.tg_finding_name(each.code)), each.count, _text(each.what), _text(each.where),
                          _text(each.mend)))
        return found

    def proof(self, run):
        """What the checks of a run prove; after wait. "" without checks."""
        return _printed(self._c.tg_run_print_proof, run)[0]

    def keep_arrays(self, run, tasks):
        """Let the run keep the arrays of `tasks`, ids and names of kernels separated by commas; before wait."""
        self.check(self._c.tg_run_keep_arrays(run, _bytes(tasks)))

    def kept_tasks(self, run):
        """(arrays.KeptTask, list of arrays.KeptArray) of each kept task, by ascending ids; after wait."""
        n, task, array = c_size_t(), KeptTask(size=ctypes.sizeof(KeptTask)), KeptArray(size=ctypes.sizeof(KeptArray))
        self.check(self._c.tg_run_n_kept_tasks(run, byref(n)))
        for idx in range(n.value):
            self.check(self._c.tg_run_get_kept_task(run, idx, byref(task)))
            kept = []
            for array_idx in range(task.n_arrays):
                self.check(self._c.tg_run_get_kept_array(run, idx, array_idx, byref(array)))
                kept.append(arrays.kept_array(array))
            yield arrays.KeptTask(task.task_id, _text(task.kernel), tuple(task.args[:task.n_args]),
                                  tuple(map(bool, task.is_address[:task.n_args])), bool(task.returned)), kept

    def write_arrays(self, run, tasks, folder):
        """Write the arrays of kept tasks as .npy files into `folder`; after wait."""
        self.check(self._c.tg_run_write_arrays(run, _bytes(tasks), _bytes(str(folder))))

    def list_lines(self, run, most):
        """The lines of kernels with most time, `most` of them: dicts as in schemas/run.v1.json; [] without a record."""
        lines = []
        for idx in range(min(most, self._c.tg_run_n_lines(run))):
            each = LineTime(size=ctypes.sizeof(LineTime))
            self.check(self._c.tg_run_get_line(run, idx, byref(each)))
            lines.append({"kernel": _text(each.kernel), "file": _text(each.file), "line": each.line,
                          "instruction": _text(each.instruction), "n_instructions": each.n_instructions,
                          "work_ns": each.work_ns, "wait_ns": each.wait_ns})
        return lines

    def summary(self, run):
        """Where the time of a run went, a page of text, if its configuration has record set."""
        text, status = _printed(self._c.tg_run_print_summary, run)
        self.check(status)
        return text

    def write_trace(self, run, path):
        """Write the Chrome trace of a run whose configuration has record set."""
        self.check(self._c.tg_run_write_trace(run, _bytes(str(path))))

    def write_graph(self, run, path):
        """Write the task graph of such a run as Graphviz DOT."""
        self.check(self._c.tg_run_write_graph(run, _bytes(str(path))))

    def write_report(self, run, path, **head):
        """Write the HTML page of such a run. `head`: program, platform, date and command, texts of its head."""
        texts = ReportHead(size=ctypes.sizeof(ReportHead), **{name: _bytes(text) for name, text in head.items()})
        self.check(self._c.tg_run_write_headed_report(run, _bytes(str(path)), byref(texts)))


@contextmanager
def _default_signals():
    """Signals that stop the command do what they do by default; those that are ignored stay ignored."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in STOPPING}
    before = {number: handler for number, handler in before.items() if callable(handler)}
    for number in before:
        signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
