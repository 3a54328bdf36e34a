"""One example: read its files, compile, open a device, and for each entry of PARAMS_LIST run and compare."""
import json
import os
import re
import shlex
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from . import arrays, binding, compile, example, kernel_golden, library, supervise, tensors
from .errors import EXIT_FAULT, EXIT_FINDING, EXIT_MISMATCH, Error, ExampleError, StatusError, described
from .log import log
from .nearest import unknown
from .options import STANDARD
from .table import FILES

LINES_MAX = 20  # of kernels, in JSON
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


@dataclass
class CaseResult:
    """What the run of one entry of PARAMS_LIST came to, as schemas/run.v1.json has it. Times are ns."""
    name: str
    exit_code: int = 0
    error: str = None  # with its hint
    n_tasks: int = 0
    n_edges: int = 0
    n_aic: int = 0
    n_aiv: int = 0
    device_ns: int = 0
    first_start_ns: int = None  # None: no task started
    last_publish_ns: int = 0
    host_ns: int = 0
    findings: list = field(default_factory=list)  # of dicts: code, count, what, where, mend
    lines: list = field(default_factory=list)     # of kernels with most time: dicts; [] without a record
    files: list = field(default_factory=list)     # that were written

    def take(self, lib, run):
        """Take the figures and the findings of a run that has ended."""
        result = lib.result(run)
        for name in ("n_tasks", "n_edges", "n_aic", "n_aiv", "device_ns", "first_start_ns", "last_publish_ns",
                     "host_ns"):
            setattr(self, name, getattr(result, name))
        if self.first_start_ns == binding.NEVER:
            self.first_start_ns = None
        keys = ("code", "count", "what", "where", "mend")
        self.findings = [dict(zip(keys, row)) for row in lib.list_findings(run)]
        self.lines = lib.list_lines(run, LINES_MAX)


def run(options):
    """Run the example as the options (options.for_run) say.

    Returns a CaseResult for each run when all have passed; else raises.
    """
    with opened(options) as session:
        return _run_all(session)


@contextmanager
def opened(options):
    """The program of an example, loaded on a device: a Session."""
    config = example.load_kernel_config(options.kernels)
    with example.environment(config.environment):
        golden = example.load_golden(options.golden)
        if options.case is not None:
            golden = example.only_case(golden, options.case)
        _refuse_several_on_standard_output(options, golden)
        lib = binding.Library(library.find(os.environ))
        supervise.phase("opening the device", EXIT_FAULT)
        with lib.device(options.platform) as device:
            runtime = lib.runtime_by_name(config.runtime)
            recorded = options.enable_profiling or options.summary or any(getattr(options, name) for name in FILES)
            run_config = lib.run_config(
                runtime=runtime, build_mode=build_mode(os.environ, runtime), block_dim=config.block_dim,
                aicpu_thread_num=config.aicpu_thread_num, record=recorded, check=options.check,
                schedules=options.schedules, schedule_seed=options.schedule_seed, pipe_order=options.pipe_order)
            with lib.program(device) as program:
                _load(lib, program, config, options.check)
                log.info("%s, device %d, runtime %s", options.platform, options.device, config.runtime)
                workers = lib.workers(device)
                if workers:
                    log.info("%d workers: aicpu_thread_num %d and block_dim %d of kernel_config.py are not applicable",
                             workers, config.aicpu_thread_num, config.block_dim)
                yield Session(lib, program, run_config, golden, options, _kept(config, golden, options))


def _kept(config, golden, options):
    """The tasks whose arrays are wanted: those of --dump, and those of kernels that have a golden."""
    kernels = kernel_golden.names(golden, config)
    known = [kernel.name for kernel in config.kernels]
    for task in options.dump.split(",") if options.dump is not None else ():
        if task not in known and not (task.isascii() and task.isdigit()):
            raise ExampleError(f"--dump: {unknown('kernel', task, known)}",
                               "name tasks by number or by kernel, separated by commas")
    if kernels and options.pipe_order != binding.TG_PIPE_ORDER_PROGRAM:
        log.warning("kernel_golden is not applicable with --pipes late or early: stores land after their kernel")
        kernels = []
    return ",".join([options.dump] * (options.dump is not None) + kernels)


def _load(lib, program, config, checked):
    kernels, orchestration = compile.compile_example(config.kernels, config.orchestration, checked)
    supervise.phase("loading the program", EXIT_FAULT)
    for kernel, code in zip(config.kernels, kernels):
        lib.add_kernel(program, kernel.func_id, kernel.core_type, kernel.name, code)
    lib.set_orchestration(program, orchestration, config.function_name)


@dataclass(frozen=True)
class Session:
    """What the runs of one example share."""
    lib: binding.Library
    program: object
    run_config: binding.RunConfig
    golden: example.Golden
    options: object
    kept: str  # tasks whose arrays are kept, as tg_run_keep_arrays takes them; ""


def _run_all(session):
    """A run for each entry of PARAMS_LIST. One that fails does not keep the others from running."""
    params_list = session.golden.params_list
    exit_codes, results = {}, []
    for index, params in enumerate(params_list):
        result = CaseResult(example.case_name(params, index))
        results.append(result)
        try:
            _run_case(session, result, params)
        except Error as error:
            failure = ExampleError(f"{result.name}: {error}", error.hint, error.exit_code)
            result.exit_code, result.error = error.exit_code, described(error)
            if len(params_list) == 1:
                raise failure from error
            log.error("%s", described(failure))
            exit_codes[result.name] = error.exit_code
        finally:
            if session.options.outcome is not None:
                session.options.outcome.write(json.dumps(asdict(result)) + "\n")
                session.options.outcome.flush()
    if exit_codes:
        raise ExampleError(f"{len(exit_codes)} of {len(params_list)} runs failed: {', '.join(exit_codes)}",
                           exit_code=next(iter(exit_codes.values())))
    return results


@dataclass(frozen=True)
class _Attempt:
    """A run that has ended, or that its checks have ended, and what is to be said of it."""
    outcome: CaseResult
    arrays: list     # of tensors.for_device
    error: object    # the Error with which the example fails, or None
    news: object     # the Error of outputs that differ in a run that fails for its findings, or None
    said: tuple      # functions that say what the user gets to see, in order


def _run_case(session, result, params):
    start = time.monotonic()
    made = tensors.generate(session.golden, dict(params))
    log.info("%s: inputs %.2f s", result.name, time.monotonic() - start)
    case = _Case(session, result, params, made)
    attempt = case.attempt(session.golden.inouts)
    read = _read_before_written(case, attempt) - session.golden.inouts
    if read:
        attempt = _with_initial_values(case, attempt, session.golden.inouts | read)
        vars(result).update(vars(attempt.outcome))
    for say in attempt.said:
        say()
    if attempt.news is not None:
        log.error("%s: %s", result.name, described(attempt.news))
    if attempt.error is not None:
        raise attempt.error


class _Case:
    """An entry of PARAMS_LIST, which may be run more than once. Its golden is computed when it is first asked for."""

    def __init__(self, session, result, params, made):
        self.session, self.result, self.params, self.made = session, result, params, made
        self._computed = None

    def attempt(self, inouts):
        """Run and compare once. Raises Error if the run gives no outputs."""
        name, golden = self.result.name, self.session.golden
        given = tensors.for_device(self.made, initial_values(self.made, inouts))
        supervise.phase(f"{name}: the run", EXIT_FAULT)
        start = time.monotonic()
        outcome = self.result if self._computed is None else CaseResult(name)
        findings, said = _launch(self.session, outcome, given, inouts)
        tensors.check_inputs(self.made, given)
        launched = time.monotonic()
        differs = None
        try:
            if self._computed is None:
                self._computed = tensors.compute(golden, self.made, self.params)
            log.info("%s: run %.2f s, golden %.2f s", name, launched - start, time.monotonic() - launched)
            tensors.verdict(golden, self.made, self._computed, name, self.params, given)
        except Error as error:
            differs = error
        if findings is None:
            return _Attempt(outcome, given, differs, None, said)
        return _Attempt(outcome, given, findings, differs, said)

    def agrees(self, name, array):
        return tensors.agrees(self.session.golden, self.made, self._computed, name, array)

    def run_from(self, before, inouts):
        """The tensors after a run that started with `before` (arrays by name). Raises Error."""
        given = tensors.for_device(self.made, before)
        _launch(self.session, CaseResult(self.result.name), given, inouts)
        return given


def initial_values(made, inouts):
    """What generate_inputs gave for the outputs `inouts`, by name."""
    return {name: made.arrays[name] for name in inouts}


# ---- outputs that the program reads before it writes them ------------------------------------------------------------

def _read_before_written(case, attempt):
    """The outputs whose initial values a failed attempt may have missed: they differ, and have come out as poison or
    have been computed from it."""
    differs = attempt.error if attempt.news is None else attempt.news
    if differs is None or differs.exit_code != EXIT_MISMATCH:
        return frozenset()
    return frozenset(name for name, array, is_output in attempt.arrays
                     if is_output and (array.dtype.kind != "f" or tensors.has_nan(array))
                     and not case.agrees(name, array))


def _with_initial_values(case, first, inouts):
    """A program of the family may read an output, which then holds what generate_inputs gave: a sum that grows, for
    example. So the run is repeated with these values. The repetition counts if it is right in everything, and if the
    program leaves no element alone; otherwise `first` does, and its hint names __inouts__."""
    try:
        again = case.attempt(inouts)
        if again.error is not None:
            return first
        if _leaves_alone(case, first, again, inouts):
            first.error.hint = ("the run is right if outputs start with what generate_inputs gave; if the program "
                                "reads them before it writes them, say so in golden.py: __inouts__ = "
                                f"{sorted(inouts)}")
            return first
    except Error:
        return first
    log.warning("%s: the program reads what outputs held before the run, which is what generate_inputs gave; "
                "__inouts__ = %s in golden.py saves the second run", case.result.name, sorted(inouts))
    return again


def _leaves_alone(case, first, again, inouts):
    """Is there an element that the program does not write? It is poison in one run and what generate_inputs gave in the
    other. Adding 0 looks the same; then a third run starts with numbers that arithmetic changes in any case."""
    given = initial_values(case.made, inouts)
    poison = {name: tensors.poisoned(array) for name, array in given.items()}
    after_poison, after_given = tensors.left_alone(poison, first.arrays), tensors.left_alone(given, again.arrays)
    alone = {name: after_poison[name] & after_given[name] for name in inouts}
    suspects = {name for name in inouts if alone[name].any()}
    if not suspects:
        return False
    before = {name: tensors.signalling(array) if name in suspects else array for name, array in given.items()}
    after = tensors.left_alone(before, case.run_from(before, inouts))
    return any((after[name] & alone[name]).any() for name in suspects)


# ---- the run ---------------------------------------------------------------------------------------------------------

def launch(session, outcome, given):
    """Run once and say what there is to say. Returns None, or the Error of checks that have found something in a run
    that has outputs. Writes the figures and the findings of the run into `outcome`, a CaseResult."""
    findings, said = _launch(session, outcome, given, session.golden.inouts)
    for say in said:
        say()
    return findings


def _launch(session, outcome, given, inouts):
    """Run once. Returns (None or the Error of checks, as launch; the functions that say what there is to say)."""
    lib, options, name = session.lib, session.options, outcome.name
    failure = None
    with lib.run(session.program, session.run_config, rows_of(given, inouts)) as run:
        if session.kept:
            lib.keep_arrays(run, session.kept)
        try:
            lib.wait(run)
        except Error as error:
            failure = error
        outcome.take(lib, run)
        said = _findings(lib, run, options)
        if failure is not None:
            _files_of_failed_run(session, outcome, run)
            _blame_kernel(session, name, run)
            if failure.exit_code != EXIT_FINDING or not lib.result(run).has_outputs:
                for say in said:
                    say()
                raise failure
            return failure, said
        _write_files(session, outcome, run)
        if options.summary:
            said += (_text(log.result, lib.summary(run)),)
        if options.proof:
            said += (_text(log.result, lib.proof(run)),)
        result = lib.result(run)
        try:
            _check_kernels(session, name, run)
        except Error:
            for say in said:
                say()
            raise
    said += (lambda: _report(session, name, result),)
    if result.n_tasks == 0:
        for say in said:
            say()
        raise ExampleError("the orchestration added no task", "add and publish tasks in its entry function",
                           EXIT_MISMATCH)
    return None, said


def _text(say, text):
    return lambda: say(text)


def _findings(lib, run, options):
    """Findings always; what is proven is news, unless it is asked for by itself."""
    said = (_text(log.plain, lib.findings(run)),)
    if log.wants("info") and not options.proof:
        said += (_text(log.plain, lib.proof(run)),)
    return said


def rows_of(given, inouts):
    """Tensors (a list of tensors.for_device) as the library takes them; the outputs `inouts` start with what they
    hold."""
    def direction(name, is_output):
        return binding.TG_IN if not is_output else binding.TG_INOUT if name in inouts else binding.TG_OUT

    return [(name, arrays.view(name, array), direction(name, is_output)) for name, array, is_output in given]


def _safe(name):
    """A name as a part of a file's name."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)


def trace_path(label, name):
    """Where --enable-profiling writes the trace of a run of the example `label`: outputs/ of the current folder."""
    return Path.cwd() / "outputs" / f"{_safe(f'{label}_{name}')[:200]}.trace.json"


def _refuse_several_on_standard_output(options, golden):
    n_cases = len(golden.params_list)
    for kind in FILES:
        if getattr(options, kind) == STANDARD and n_cases > 1:
            raise ExampleError(f"--{kind} -: {golden.path.name} has {n_cases} cases, standard output takes one file",
                               f"choose one: --case {example.case_name(golden.params_list[0], 0)}; "
                               "or name a file: each case has its own then")


def path_of_case(path, name, n_cases):
    """Where a file that the command line names is written; of several runs each has its own, with the run's name."""
    path = Path(path)
    if n_cases == 1:
        return path
    return path.with_name(f"{path.stem}.{_safe(name)[:100]}{path.suffix}")


def _report_head(options, name):
    """What the head of a report says of the run of the case `name`."""
    program = Path(options.golden).resolve().parent.name
    return {"program": f"{options.label or program}, {name}", "platform": options.platform,
            "date": time.strftime("%Y-%m-%d %H:%M %Z"), "command": shlex.join(sys.argv)}


def _write_files(session, outcome, run):
    """Write what the options name; tells in `outcome`, a CaseResult, which files there are."""
    lib, options, name = session.lib, session.options, outcome.name
    write = {"trace": lib.write_trace, "graph": lib.write_graph,
             "report": partial(lib.write_report, **_report_head(options, outcome.name))}
    for kind in FILES:
        chosen = getattr(options, kind)
        if chosen == STANDARD:
            with tempfile.NamedTemporaryFile(prefix=supervise.SCRATCH_PREFIX) as file:
                write[kind](run, file.name)
                log.result_of(file.name)
        elif chosen is not None:
            path = path_of_case(chosen, name, len(session.golden.params_list))
            write[kind](run, path)
            outcome.files.append(str(path))
    if options.dump is not None:
        _write_dump(session, outcome, run)
    if options.enable_profiling:
        path = trace_path(options.label or session.golden.path.parent.name, name)
        try:
            path.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise ExampleError(f"--enable-profiling: cannot make the folder {path.parent}: {error.strerror}") from error
        lib.write_trace(run, path)
        outcome.files.append(str(path))
        log.result(f"trace: {path}\n")


def _write_dump(session, outcome, run):
    """Write what --dump names. Each of several cases has a folder of its own in that of --dump-to."""
    options, name = session.options, outcome.name
    folder = Path(options.dump_to)
    try:
        if len(session.golden.params_list) > 1:
            folder.mkdir(exist_ok=True)
            folder /= _safe(name)[:100]
        session.lib.write_arrays(run, options.dump, folder)
    except OSError as error:
        raise ExampleError(f"--dump-to: cannot make the folder {folder}: {error.strerror}") from error
    except StatusError as error:
        raise ExampleError(f"--dump {options.dump}: {error}", exit_code=error.exit_code) from error
    outcome.files.append(str(folder))
    log.info("%s: arrays of tasks %s are in %s", name, options.dump, folder)


def _files_of_failed_run(session, outcome, run):
    """The files of a run that failed are wanted most; but the run's own error is the one to report."""
    try:
        _write_files(session, outcome, run)
    except Error as error:
        log.warning("not written: %s", error)


def _check_kernels(session, name, run):
    if session.golden.kernel_golden and session.run_config.pipe_order == binding.TG_PIPE_ORDER_PROGRAM:
        kernel_golden.check(session.golden, session.lib, run, name)


def _blame_kernel(session, name, run):
    """Say which task of a failed run deviates from the golden of its kernel; the run's own error is reported, too."""
    try:
        _check_kernels(session, name, run)
    except Error as error:
        log.error("%s: %s", name, described(error))


def _counted(n, word):
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def _report(session, name, result):
    config = session.run_config
    log.info("%s: %s, %s, %d AIC and %d AIV cores used, device time %.3f us", name, _counted(result.n_tasks, "task"),
             _counted(result.n_edges, "edge"), result.n_aic, result.n_aiv, result.device_ns / 1e3)
    if result.first_start_ns == binding.NEVER:
        return
    if config.runtime == binding.TG_HOST_BUILD_GRAPH:
        log.info("%s: first task started at %.3f us, the graph was built before the launch", name,
                 result.first_start_ns / 1e3)
    else:
        log.info("%s: first task started at %.3f us, last task published at %.3f us", name,
                 result.first_start_ns / 1e3, result.last_publish_ns / 1e3)
