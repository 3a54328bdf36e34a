"""One example: read its files, compile, open a device, and for each entry of PARAMS_LIST run and compare."""
import os
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import binding, compile, example, library
from .compare import compare
from .errors import EXIT_MISMATCH, ExampleError, described
from .log import log

BUILD_MODE = "PTO_AICPU_BUILD_GRAPH_BUILD_MODE"
BUILD_MODES = {"1": binding.TG_BUILD_CONCURRENT, "concurrent": binding.TG_BUILD_CONCURRENT,
               "0": binding.TG_BUILD_SEQUENTIAL, "sequential": binding.TG_BUILD_SEQUENTIAL}


def build_mode(environ, runtime):
    """The build mode (enum tg_build_mode) that the environment asks for; `runtime` is enum tg_runtime_kind."""
    text = environ.get(BUILD_MODE)
    if not text:
        return binding.TG_BUILD_CONCURRENT
    if text.lower() not in BUILD_MODES:
        raise ExampleError(f"{BUILD_MODE} is '{text}', expected 1 or concurrent, 0 or sequential")
    if runtime == binding.TG_HOST_BUILD_GRAPH:
        log.warning("%s is not applicable: host_build_graph builds the graph before the launch", BUILD_MODE)
    return BUILD_MODES[text.lower()]


def run(options):
    """Do what the command line (options.parse) says. Returns when every run has passed; raises ExampleError else."""
    config = example.load_kernel_config(options.kernels)
    with example.environment(config.environment):
        golden = example.load_golden(options.golden)
        lib = binding.Library(library.find(os.environ))
        with lib.device(options.platform) as device:
            runtime = lib.runtime_by_name(config.runtime)
            run_config = lib.run_config(
                runtime=runtime, build_mode=build_mode(os.environ, runtime), block_dim=config.block_dim,
                aicpu_thread_num=config.aicpu_thread_num, record=options.enable_profiling,
                check=options.check, schedules=options.schedules, schedule_seed=options.schedule_seed,
                pipe_order=options.pipe_order)
            with lib.program(device) as program:
                _load(lib, program, config)
                log.info("%s, device %d, runtime %s", options.platform, options.device, config.runtime)
                workers = lib.workers(device)
                if workers:
                    log.info("%d workers: aicpu_thread_num %d and block_dim %d of kernel_config.py are not applicable",
                             workers, config.aicpu_thread_num, config.block_dim)
                _run_all(_Session(lib, program, run_config, golden, options.enable_profiling))


def _load(lib, program, config):
    kernels, orchestration = compile.compile_example(config.kernels, config.orchestration)
    for kernel, code in zip(config.kernels, kernels):
        lib.add_kernel(program, kernel.func_id, kernel.core_type, kernel.name, code)
    lib.set_orchestration(program, orchestration, config.function_name)


@dataclass(frozen=True)
class _Session:
    """What the runs of one example share."""
    lib: binding.Library
    program: object
    run_config: binding.RunConfig
    golden: example.Golden
    profiling: bool


def _run_all(session):
    """A run for each entry of PARAMS_LIST. One that fails does not keep the others from running."""
    params_list = session.golden.params_list
    exit_codes = {}
    for index, params in enumerate(params_list):
        name = example.case_name(params, index)
        try:
            _run_case(session, name, params)
        except ExampleError as error:
            failure = ExampleError(f"{name}: {error}", error.hint, error.exit_code)
            if len(params_list) == 1:
                raise failure from error
            log.error("%s", described(failure))
            exit_codes[name] = error.exit_code
    if exit_codes:
        raise ExampleError(f"{len(exit_codes)} of {len(params_list)} runs failed: {', '.join(exit_codes)}",
                           exit_code=next(iter(exit_codes.values())))


def _run_case(session, name, params):
    golden = session.golden
    start = time.monotonic()
    tensors = generate(golden, dict(params))
    order, outputs = arguments(golden, tensors)
    drawn = time.monotonic()
    arrays = {key: poisoned(tensors[key]) if key in outputs else tensors[key].copy(order="C") for key in order}
    _launch(session, name, [(key, arrays[key], key in outputs) for key in order])
    for key in order:
        if key not in outputs and not np.array_equal(_bits(arrays[key]), _bits(tensors[key])):
            raise ExampleError(f"the program has changed its input '{key}' in the host's memory", "write outputs only",
                               EXIT_MISMATCH)
    launched = time.monotonic()
    expected = compute(golden, tensors, outputs, dict(params))
    log.info("%s: inputs %.2f s, run %.2f s, golden %.2f s", name, drawn - start, launched - drawn,
             time.monotonic() - launched)
    _verdict(golden, name, {key: arrays[key] for key in order if key in outputs}, expected)


# ---- what the golden gives -------------------------------------------------------------------------------------------

def generate(golden, params):
    """Call generate_inputs; returns its dictionary of arrays, checked."""
    try:
        tensors = golden.generate_inputs(params)
    except (Exception, SystemExit) as error:
        raise example.raised("generate_inputs failed", error, golden.path) from error
    where = f"{golden.path}: generate_inputs"
    if not isinstance(tensors, dict) or not tensors:
        raise ExampleError(f"{where} returned {type(tensors).__name__}, expected a dict of numpy arrays by name")
    for name, array in tensors.items():
        if not isinstance(name, str) or not name or "\0" in name:
            raise ExampleError(f"{where} returned the key {name!r}, expected a tensor's name")
        _check_array(f"{where}: '{name}'", array)
    return dict(tensors)


def _check_array(where, array):
    if not isinstance(array, np.ndarray):
        raise ExampleError(f"{where} is of type {type(array).__name__}, expected a numpy array")
    if array.dtype.kind not in "biuf" or not array.dtype.isnative:
        raise ExampleError(f"{where} has the element type {array.dtype}, expected native integers, floats or booleans",
                           "bfloat16 travels as uint16")
    if array.size == 0:
        raise ExampleError(f"{where} has the shape {array.shape}: no elements")


def arguments(golden, tensors):
    """The names of the program's arguments in their order, and the set of those that are outputs."""
    order = golden.tensor_order if golden.tensor_order is not None else tuple(tensors)
    outputs = golden.outputs
    if outputs is None:
        outputs = tuple(name for name in tensors if name.startswith("out_"))
        if not outputs:
            raise ExampleError(f"{golden.path}: no outputs: no tensor's name begins with out_",
                               f"define __outputs__, a list of some of {', '.join(tensors)}")
    for attribute, names in (("TENSOR_ORDER", order), ("__outputs__", outputs)):
        for name in names:
            if name not in tensors:
                raise ExampleError(f"{golden.path}: {attribute} names '{name}', which generate_inputs did not return",
                                   f"it returned {', '.join(tensors)}")
    for name in outputs:
        if name not in order:
            raise ExampleError(f"{golden.path}: the output '{name}' is not in TENSOR_ORDER")
    for name in tensors:
        if name not in order:
            log.warning("%s: '%s' is not in TENSOR_ORDER: the program does not get it", golden.path.name, name)
    return order, frozenset(outputs)


def poisoned(array):
    """An array of that shape and type, contiguous, every byte 0xFF: NaN in every float type."""
    poison = np.empty(array.shape, array.dtype)
    poison.reshape(-1).view(np.uint8)[:] = 0xFF
    return poison


def _golden_poison(array):
    """What an output holds before compute_golden: NaN in floats; in integers not what the device has before a run, so
    that an element which neither writes does not pass."""
    if array.dtype.kind == "f":
        return poisoned(array)
    poison = np.empty(array.shape, array.dtype)
    poison.reshape(-1).view(np.uint8)[:] = 0 if array.dtype.kind == "b" else 0xA5
    return poison


def compute(golden, tensors, outputs, params):
    """Call compute_golden on copies; returns its outputs by name. It must write every element of them."""
    copies = {name: _golden_poison(array) if name in outputs else array.copy() for name, array in tensors.items()}
    try:
        golden.compute_golden(copies, params)
    except (Exception, SystemExit) as error:
        raise example.raised("compute_golden failed", error, golden.path) from error
    for name in outputs:
        where = f"{golden.path}: compute_golden: '{name}'"
        array, wanted = copies.get(name), tensors[name]
        _check_array(where, array)
        if array.shape != wanted.shape or array.dtype != wanted.dtype:
            raise ExampleError(f"{where} is {array.dtype}{list(array.shape)}, "
                               f"generate_inputs made it {wanted.dtype}{list(wanted.shape)}",
                               "fill outputs in place: tensors[name][...] = value")
        if wanted.dtype.kind == "f":
            unset = np.count_nonzero(_bits(array) == _bits(poisoned(wanted)))
            if unset:
                raise ExampleError(f"{where}: {unset} of {array.size} elements are not set",
                                   "outputs come in as NaN; set every element: tensors[name][...] = value")
    return {name: copies[name] for name in outputs}


def _bits(array):
    """The elements as unsigned integers, in one row: NaN is equal to the same NaN then. Wide floats: as bytes."""
    row = np.ascontiguousarray(array).reshape(-1)
    return row.view(f"u{row.itemsize}" if row.itemsize in (1, 2, 4, 8) else np.uint8)


# ---- the run ---------------------------------------------------------------------------------------------------------

def _launch(session, name, tensors):
    lib = session.lib
    with lib.run(session.program, session.run_config, tensors) as run:
        try:
            lib.wait(run)
        except ExampleError:
            _trace_failed_run(session, name, run)
            raise
        finally:
            print(lib.findings(run), end="", file=sys.stderr)
        if session.profiling:
            _write_trace(lib, run, trace_path(session.golden.path, name))
        result = lib.result(run)
    _report(session, name, result)
    if result.n_tasks == 0:
        raise ExampleError("the orchestration added no task", "add and publish tasks in its entry function",
                           EXIT_MISMATCH)


def trace_path(golden_path, name):
    """Where the trace of a run is written: outputs/ of the current folder."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", f"{golden_path.parent.name}_{name}")
    return Path.cwd() / "outputs" / f"{safe}.trace.json"


def _write_trace(lib, run, path):
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise ExampleError(f"--enable-profiling: cannot make the folder {path.parent}: {error.strerror}") from error
    lib.write_trace(run, path)
    print(f"trace: {path}", flush=True)


def _trace_failed_run(session, name, run):
    """The trace of a run that failed is wanted most; but the run's own error is the one to report."""
    if not session.profiling:
        return
    try:
        _write_trace(session.lib, run, trace_path(session.golden.path, name))
    except ExampleError as error:
        log.warning("no trace: %s", error)


def _report(session, name, result):
    config = session.run_config
    log.info("%s: %d tasks, %d edges, %d AIC and %d AIV cores used, device time %.3f us", name, result.n_tasks,
             result.n_edges, result.n_aic, result.n_aiv, result.device_ns / 1e3)
    if result.first_start_ns == binding.NEVER:
        return
    if config.runtime == binding.TG_HOST_BUILD_GRAPH:
        log.info("%s: first task started at %.3f us, the graph was built before the launch", name,
                 result.first_start_ns / 1e3)
    else:
        log.info("%s: first task started at %.3f us, last task published at %.3f us", name,
                 result.first_start_ns / 1e3, result.last_publish_ns / 1e3)


# ---- the verdict -----------------------------------------------------------------------------------------------------

def _comparable(golden, name, array):
    if golden.to_compare is None:
        return array
    try:
        result = np.asarray(golden.to_compare(name, array))
    except (Exception, SystemExit) as error:
        raise example.raised("to_compare failed", error, golden.path) from error
    _check_array(f"{golden.path}: to_compare('{name}')", result)
    if result.shape != array.shape:
        raise ExampleError(f"{golden.path}: to_compare('{name}') has the shape {result.shape}, expected {array.shape}")
    return result


def _verdict(golden, name, outputs, expected):
    """Compare every output; raises ExampleError with all that differ."""
    complaints = []
    for key, array in outputs.items():
        found = compare(_comparable(golden, key, array), _comparable(golden, key, expected[key]), golden.rtol,
                        golden.atol)
        errors = f"largest error {found.max_abs_err:.3g} absolute, {found.max_rel_err:.3g} relative"
        allowed = f"allowed {golden.atol:.3g} + {golden.rtol:.3g} * |golden|"
        if found.good:
            log.info("%s: '%s' agrees in %d elements: %s (%s)", name, key, found.n_elements, errors, allowed)
        else:
            lines = "".join(f"\n  {key}{line}" for line in found.shown)
            complaints.append(f"'{key}' differs from the golden in {found.n_bad} of {found.n_elements} elements: "
                              f"{errors} ({allowed}){lines}")
    if complaints:
        raise ExampleError("\n".join(complaints), exit_code=EXIT_MISMATCH)
