"""The command line and the environment variables that stand in for options."""
import argparse
import re

from .errors import ExampleError

LOG_LEVELS = ("error", "warn", "info", "debug")
DEVICE_VARIABLES = ("PTO_DEVICE_ID", "TILE_FWK_DEVICE_ID")
LAST_DEVICE = 15
PIPE_ORDERS = ("program", "late", "early")  # enum tg_pipe_order

DESCRIPTION = "Run an example on a device and compare its outputs with its golden."
EPILOG = """environment:
  PTO_DEVICE_ID, TILE_FWK_DEVICE_ID  device, when -d is not given
  PTO_LOG_LEVEL                      log level, when no option sets it
  PTO_LOG_FILE                       file that log lines are added to
  CC                                 compiler of .c sources
  CXX                                compiler of .cpp kernels
  PTO_AICPU_CXX                      compiler of a .cpp orchestration; default: CXX
  PTO_AICPU_BUILD_GRAPH_BUILD_MODE   1 or concurrent (default), 0 or sequential
  TILEGRAPH_LIB                      the library; default: build/lib/libtilegraph.so
  and what the example's own files read, as PA_CASE of paged_attention

exit codes:
  0 passed, 1 mismatch, 2 usage or input, 3 finding of --check or --schedules, 4 deadlock, 5 capacity,
  6 device or kernel fault, 7 platform not available, 8 program does not compile or load
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise ExampleError(f"command line: {message}", f"{self.format_usage().strip()}; --help says more")


def _parser():
    parser = _Parser(prog="run_example.py", description=DESCRIPTION, epilog=EPILOG, allow_abbrev=False,
                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-k", "--kernels", required=True, metavar="DIR", help="folder with kernel_config.py")
    parser.add_argument("-g", "--golden", required=True, metavar="FILE", help="golden.py of the example")
    parser.add_argument("-p", "--platform", default="a2a3", metavar="NAME",
                        help="where to run: a2a3sim, cpu, or a2a3 (default)")
    parser.add_argument("-d", "--device", metavar="N", help=f"device, 0 to {LAST_DEVICE} (default 0)")
    level = parser.add_mutually_exclusive_group()
    level.add_argument("-v", "--verbose", action="store_true", help="log level debug")
    level.add_argument("--silent", action="store_true", help="log level error")
    level.add_argument("--log-level", metavar="LEVEL", help=f"{', '.join(LOG_LEVELS)} (default info)")
    parser.add_argument("--enable-profiling", action="store_true",
                        help="write start, end and core of each task to outputs/EXAMPLE_CASE.trace.json")
    parser.add_argument("--check", action="store_true",
                        help="name hazards, races and wrong memory on stderr, and what is proven; exit code 3")
    parser.add_argument("--schedules", metavar="K", default="1",
                        help="run K schedules and compare their outputs bit by bit; exit code 3")
    parser.add_argument("--schedule-seed", metavar="N", default="0", help="seed of the first schedule (default 0)")
    parser.add_argument("--pipes", metavar="ORDER", choices=PIPE_ORDERS, default="program",
                        help="run each core's pipes in program order (default), late or early")
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
    if text not in LOG_LEVELS:
        raise ExampleError(f"{origin} is '{text}', expected one of {', '.join(LOG_LEVELS)}")
    return text


def parse(argv, environ):
    """Options from `argv` (without the program's name) and `environ`.

    Returns a namespace: kernels, golden, platform, device (int), log_level, log_file (or None), enable_profiling,
    check, schedules (int), schedule_seed (int), pipe_order (enum tg_pipe_order).
    Raises ExampleError; exits by itself only for --help.
    """
    options = _parser().parse_args(argv)
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
    options.schedules = _number(options.schedules, "--schedules", 1, 32)
    options.schedule_seed = _number(options.schedule_seed, "--schedule-seed", 0, 64)
    options.pipe_order = PIPE_ORDERS.index(options.pipes)
    options.log_file = environ.get("PTO_LOG_FILE") or None
    return options
