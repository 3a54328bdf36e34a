"""The command line and the environment variables that stand in for options."""
import argparse
import os
import re
import stat
from pathlib import Path

from .errors import ExampleError
from .log import LEVELS

DEVICE_VARIABLES = ("PTO_DEVICE_ID", "TILE_FWK_DEVICE_ID")
LAST_DEVICE = 15
PIPE_ORDERS = ("program", "late", "early")  # enum tg_pipe_order
FILES = ("trace", "graph", "report")        # options that name a file to write

DESCRIPTION = "Run an example, or all below a folder, on a device and compare its outputs with its golden."
EPILOG = """environment:
  PTO_DEVICE_ID, TILE_FWK_DEVICE_ID  device, when -d is not given
  PTO_LOG_LEVEL                      log level, when no option sets it
  PTO_LOG_FILE                       file that log lines are added to
  CC                                 compiler of .c sources
  CXX                                compiler of .cpp kernels
  PTO_AICPU_CXX                      compiler of a .cpp orchestration; default: CXX
  PTO_AICPU_BUILD_GRAPH_BUILD_MODE   1 or concurrent (default), 0 or sequential
  TILEGRAPH_LIB                      the library; default: build/lib/libtilegraph.so
  XDG_CACHE_HOME                     where compiled objects are kept; default: ~/.cache
  and what the example's own files read, as PA_CASE of paged_attention

exit codes:
  0 passed, 1 mismatch, 2 usage or input, 3 finding of a check, 4 deadlock, 5 capacity, 6 device or kernel fault,
  7 platform not available, 8 program does not compile or load, 128 + N ended by signal N
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise ExampleError(f"command line: {message}", f"{self.format_usage().strip()}; --help says more")


def _parser():
    parser = _Parser(prog="run_example.py", description=DESCRIPTION, epilog=EPILOG, allow_abbrev=False,
                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-k", "--kernels", metavar="DIR", help="folder with kernel_config.py")
    parser.add_argument("-g", "--golden", metavar="FILE", help="golden.py of the example")
    parser.add_argument("--all", metavar="DIR",
                        help="instead of both: every folder below DIR that has golden.py and kernels/kernel_config.py")
    parser.add_argument("-p", "--platform", default="a2a3", metavar="NAME",
                        help="where to run: a2a3sim, cpu, or a2a3 (default)")
    parser.add_argument("-d", "--device", metavar="N", help=f"device, 0 to {LAST_DEVICE} (default 0)")
    level = parser.add_mutually_exclusive_group()
    level.add_argument("-v", "--verbose", action="store_true", help="log level debug")
    level.add_argument("--silent", action="store_true", help="log level error")
    level.add_argument("--log-level", metavar="LEVEL", help=f"{', '.join(LEVELS)} (default info)")
    check = parser.add_mutually_exclusive_group()
    check.add_argument("--check", action="store_true", default=None,
                       help="name hazards, races and wrong memory on stderr, exit code 3 (default on a2a3sim)")
    check.add_argument("--no-check", action="store_false", dest="check", help="run without checks")
    parser.add_argument("--proof", action="store_true", help="print what the checks prove")
    parser.add_argument("--schedules", metavar="K", default="1",
                        help="run K schedules and compare their outputs bit by bit; exit code 3")
    parser.add_argument("--schedule-seed", metavar="N", default="0", help="seed of the first schedule (default 0)")
    parser.add_argument("--pipes", metavar="ORDER", choices=PIPE_ORDERS, default="program",
                        help="run each core's pipes in program order (default), late or early")
    parser.add_argument("--summary", action="store_true", help="print where the device's time went")
    parser.add_argument("--trace", metavar="FILE", help="write a swimlane as Chrome trace JSON, for ui.perfetto.dev")
    parser.add_argument("--graph", metavar="FILE", help="write the task graph as Graphviz DOT")
    parser.add_argument("--report", metavar="FILE", help="write swimlane, critical path and summary as one HTML page")
    parser.add_argument("--enable-profiling", action="store_true",
                        help="write the trace to outputs/EXAMPLE_CASE.trace.json")
    parser.add_argument("--jobs", metavar="N", help="with --all: examples at a time (default: one a processor)")
    return parser


def _number(text, origin, least, bits):
    if not re.fullmatch(r"[0-9]{1,20}", text) or not least <= int(text) < 1 << bits:
        raise ExampleError(f"{origin} is '{text}', expected a number from {least} to {(1 << bits) - 1}")
    return int(text)


def _device(text, origin):
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) > LAST_DEVICE:
        raise ExampleError(f"{origin} is '{text}', expected a device from 0 to {LAST_DEVICE}")
    return int(text)


def _level(text, origin):
    if text not in LEVELS:
        raise ExampleError(f"{origin} is '{text}', expected one of {', '.join(LEVELS)}")
    return text


def _check_what_runs(options):
    """Either an example or a folder of examples."""
    if options.all is None:
        missing = [name for name in ("-k/--kernels", "-g/--golden") if getattr(options, name.split("--")[1]) is None]
        if missing:
            raise ExampleError(f"command line: required: {', '.join(missing)}; or --all DIR",
                               f"{_parser().format_usage().strip()}; --help says more")
        if options.jobs is not None:
            raise ExampleError("command line: --jobs says how many examples --all runs at a time", "give --all DIR, too")
        return
    for name in ("kernels", "golden", *FILES):
        if getattr(options, name) is not None:
            raise ExampleError(f"command line: --{name} is for one example, --all runs many",
                               "give -k and -g instead of --all")


def _check_files(options):
    """Whether what is to be written after the run can be: before the work, and without writing anything."""
    chosen = {}
    for name in FILES:
        text = getattr(options, name)
        if text is None:
            continue
        path = Path(text)
        folder = path.parent
        try:
            mode = path.stat().st_mode
            why = "is a folder, the name of a file is needed" if stat.S_ISDIR(mode) else None
        except FileNotFoundError:
            mode, why = stat.S_IFREG, None
        except (OSError, ValueError) as error:
            mode, why = 0, f"cannot be written: {getattr(error, 'strerror', error)}"
        if not why and stat.S_ISREG(mode) and not os.access(folder, os.W_OK | os.X_OK):
            why = f"cannot be written: no folder {folder} that lets you"
        if why:
            raise ExampleError(f"--{name}: {text} {why}")
        place = os.path.realpath(path)
        if place in chosen and stat.S_ISREG(mode):
            raise ExampleError(f"--{chosen[place]} and --{name} would both write {text}", "name two files")
        chosen[place] = name


def parse(argv, environ):
    """Options from `argv` (without the program's name) and `environ`.

    Returns a namespace: kernels and golden, or all; platform, device (int), log_level, log_file (or None), check (bool),
    proof, schedules (int), schedule_seed (int), pipe_order (enum tg_pipe_order), summary, trace, graph, report (paths or
    None), enable_profiling, jobs (int or None), label (of the example in the names of files; None: that of its folder).
    Raises ExampleError; exits by itself only for --help.
    """
    options = _parser().parse_args(argv)
    _check_what_runs(options)
    if options.device is not None:
        options.device = _device(options.device, "-d")
    else:
        name = next((name for name in DEVICE_VARIABLES if environ.get(name)), None)
        options.device = _device(environ[name], name) if name else 0
    if options.verbose:
        options.log_level = "debug"
    elif options.silent:
        options.log_level = "error"
    elif options.log_level is not None:
        options.log_level = _level(options.log_level, "--log-level")
    else:
        options.log_level = _level(environ.get("PTO_LOG_LEVEL") or "info", "PTO_LOG_LEVEL")
    if options.check is None:
        options.check = options.platform == "a2a3sim"
    if options.proof and not options.check:
        raise ExampleError("command line: --proof prints what the checks prove, and there are none",
                           "run on a2a3sim and leave --no-check out")
    options.schedules = _number(options.schedules, "--schedules", 1, 32)
    options.schedule_seed = _number(options.schedule_seed, "--schedule-seed", 0, 64)
    options.pipe_order = PIPE_ORDERS.index(options.pipes)
    options.jobs = _number(options.jobs, "--jobs", 1, 16) if options.jobs is not None else None
    options.label = None
    options.log_file = environ.get("PTO_LOG_FILE") or None
    _check_files(options)
    return options
