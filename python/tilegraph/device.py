"""Devices, programs and runs as Python objects: what `import tilegraph` offers.

    import numpy as np, tilegraph

    a, b = np.arange(100, dtype=np.float32), np.ones(100, dtype=np.float32)
    out = np.empty_like(a)
    with tilegraph.open("a2a3sim") as device:
        program = device.load("examples/aicpu_build_graph/vector_example")
        with program.run({"a": a, "b": b, "out": out}, check=True) as run:
            print(run.n_tasks, run.device_ns, run.findings)

Threads: a device and everything opened on it belong to one thread at a time.
Errors: every call raises tilegraph.Error; its `hint` says what to do. A failed call of the library is a StatusError.
"""
import os
import weakref
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from . import arrays, binding, compile, example, library
from .errors import EXIT_FINDING, Error, StatusError

_DIRECTIONS = {"in": binding.TG_IN, "out": binding.TG_OUT, "inout": binding.TG_INOUT}
_library = None


def load_library():
    """The library of this process, loaded once: TILEGRAPH_LIB, or the one that belongs to this package."""
    global _library
    if _library is None:
        _library = binding.Library(library.find(os.environ))
    return _library


@dataclass(frozen=True)
class Finding:
    """One finding of the checks; the texts say what, where, and how to mend it."""
    code: str
    count: int
    what: str
    where: str
    mend: str


class _Handle:
    """Something of the library that is open until close(), the end of its `with`, or the end of the object."""

    def __init__(self, lib, opened):
        stack = ExitStack()
        self._lib, self._raw = lib, stack.enter_context(opened)
        self._close = weakref.finalize(self, stack.close)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Release it. More than once is allowed."""
        self._close()

    @property
    def handle(self):
        """The library's pointer. Raises Error if this is closed."""
        if not self._close.alive:
            raise Error(f"this {type(self).__name__} is closed")
        return self._raw


def platforms():
    """The names of the platforms that the library offers."""
    return load_library().platforms()


def open(platform="a2a3sim", **config):
    """Open a Device. `config` are fields of struct tg_device_config: workers, pin, gm_bytes, machine_file, isa, ..."""
    lib = load_library()
    return Device(lib, lib.device(platform, **config))


class Device(_Handle):
    """An open device: a virtual Ascend A2/A3 ("a2a3sim") or this computer ("cpu")."""

    @property
    def blocks(self):
        """Blocks of 1 AIC and 2 AIV cores; 0: the device has workers instead."""
        return self._lib.blocks(self.handle)

    @property
    def workers(self):
        """Threads that run tasks; 0: the device has blocks of cores instead."""
        return self._lib.workers(self.handle)

    @property
    def isa(self):
        """The instruction set that executes tiles: "portable", "avx2", "avx512" or "amx"."""
        return self._lib.isa(self.handle)

    def program(self):
        """An empty Program."""
        return Program(self, {})

    def load(self, folder, checked=True):
        """The Program of the example in `folder`: compiles the sources that its kernel_config.py names.

        `checked`: checked runs of it see plain loads and stores, too, which costs kernels some time.
        """
        folder = Path(folder)
        config = example.load_kernel_config(folder if (folder / "kernel_config.py").exists() else folder / "kernels")
        with example.environment(config.environment):
            kernels, orchestration = compile.compile_example(config.kernels, config.orchestration, checked)
        program = Program(self, {"runtime": config.runtime, "block_dim": config.block_dim,
                                 "aicpu_thread_num": config.aicpu_thread_num})
        for kernel, code in zip(config.kernels, kernels):
            program.add_kernel(kernel.func_id, kernel.core_type, kernel.name, code)
        program.set_orchestration(orchestration, config.function_name)
        return program


class Program(_Handle):
    """Kernels and the orchestration that builds their graph."""

    def __init__(self, device, defaults):
        super().__init__(device._lib, device._lib.program(device.handle))
        self._defaults = defaults

    def add_kernel(self, func_id, core_type, name, code):
        """Register a kernel: `core_type` is "aic" or "aiv", `code` the bytes of a shared object."""
        if core_type not in example.CORE_TYPES:
            raise Error(f"core_type is '{core_type}', expected 'aic' or 'aiv'")
        self._lib.add_kernel(self.handle, func_id, core_type, name, code)

    def set_orchestration(self, code, function_name="orchestration"):
        """Embed the orchestration: the bytes of a shared object, and the name of its entry function."""
        self._lib.set_orchestration(self.handle, code, function_name)

    def run(self, tensors, outputs=None, inouts=(), **config):
        """Run the program on `tensors`, a dict of arrays by name, in the order of the orchestration's arguments.

        outputs   names that the run writes: filled with 0xFF bytes on the device, copied back at the end. Default:
                  those that begin with "out"
        inouts    names that are copied to the device and back
        config    fields of struct tg_run_config: check, record, schedules, pipe_order, block_dim, ...; `runtime` is
                  a name. Defaults are those of kernel_config.py, then the library's

        Returns a Run that has ended. Findings of the checks raise nothing: look at Run.findings. Other failures raise
        StatusError, whose `findings` has what was found until then.
        """
        outputs = tuple(name for name in tensors if name.startswith("out")) if outputs is None else tuple(outputs)
        for name in (*outputs, *inouts):
            if name not in tensors:
                raise Error(f"'{name}' is named as an output, and is not one of the tensors {', '.join(tensors)}")
        kinds = {**{name: "out" for name in outputs}, **{name: "inout" for name in inouts}}
        rows = [(name, arrays.view(name, value, writable=name in kinds), _DIRECTIONS[kinds.get(name, "in")])
                for name, value in tensors.items()]
        chosen = {**self._defaults, **config}
        if isinstance(chosen.get("runtime"), str):
            chosen["runtime"] = self._lib.runtime_by_name(chosen["runtime"])
        run = Run(self._lib, self._lib.run(self.handle, self._lib.run_config(**chosen), rows), rows)
        run._wait()
        return run


class Run(_Handle):
    """A run that has ended. The figures of struct tg_run_result are attributes: n_tasks, device_ns, n_edges, ..."""

    def __init__(self, lib, opened, rows):
        super().__init__(lib, opened)
        self._rows = rows  # keeps the tensors alive, which the library borrows

    def _wait(self):
        try:
            self._lib.wait(self.handle)
        except StatusError as error:
            if error.exit_code == EXIT_FINDING and self._lib.result(self.handle).has_outputs:
                return
            error.findings = self.findings
            self.close()
            raise

    def __getattr__(self, name):
        if name in (field for field, _ in binding.RunResult._fields_) and name != "size":
            return getattr(self._lib.result(self.handle), name)
        raise AttributeError(f"'Run' has no attribute '{name}'")

    @property
    def findings(self):
        """A list of Finding, in the order of their discovery; empty without check=True."""
        return [Finding(*row) for row in self._lib.list_findings(self.handle)]

    @property
    def proof(self):
        """What the checks prove, as text; "" without check=True."""
        return self._lib.proof(self.handle)

    @property
    def summary(self):
        """Where the time went, a page of text. Needs record=True, as the three files below."""
        return self._lib.summary(self.handle)

    def write_trace(self, path):
        """Write the swimlane as Chrome trace JSON, for ui.perfetto.dev."""
        self._lib.write_trace(self.handle, path)

    def write_graph(self, path):
        """Write the task graph as Graphviz DOT."""
        self._lib.write_graph(self.handle, path)

    def write_report(self, path):
        """Write swimlane, critical path and summary as one HTML page."""
        self._lib.write_report(self.handle, path)
