"""The command: options, a Python with numpy, the runs in processes of their own, the verdict as last line and exit code."""
import os

from . import interpreter, options
from .errors import EXIT_CAPACITY, EXIT_USAGE, ExampleError, Stopped, described, where_raised
from .log import keep_standard_descriptors, log
from .supervise import Supervisor


def main(argv):
    """Run the command line `argv` (without the program's name); returns the exit code."""
    keep_standard_descriptors()
    log.start("info")
    return _verdict(guarded(lambda: _command(argv)))


def _command(argv):
    chosen = options.parse(argv, os.environ)
    log.start(chosen.log_level, chosen.log_file)
    interpreter.ensure_numpy()
    if chosen.all is not None:
        from . import many
        return many.run(chosen)
    with Supervisor() as supervisor:
        supervisor.start(lambda: guarded(lambda: one(chosen)))
        child = supervisor.wait()
    if child.why:
        log.error("%s", child.why)
    return child.exit_code


def one(chosen):
    """Run the example that the options name, in this process. Returns 0; raises ExampleError."""
    from . import runner  # needs numpy
    runner.run(chosen)
    return 0


def guarded(work):
    """What work() returns, an exit code; that of its error, after saying what is wrong."""
    try:
        return work()
    except ExampleError as error:
        log.error("%s", described(error))
        return error.exit_code
    except MemoryError:
        log.error("out of host memory: use a smaller problem")
        return EXIT_CAPACITY
    except (Stopped, SystemExit):  # --help exits
        raise
    except BaseException as error:
        log.error("unexpected: %s", where_raised(error, None))
        log.trace(error)
        return EXIT_USAGE


def _verdict(exit_code):
    try:
        log.result("TEST PASSED\n" if exit_code == 0 else "TEST FAILED\n")
    except ExampleError as error:
        log.error("%s", described(error))
        return exit_code or error.exit_code
    return exit_code
