"""The command: options, a Python with numpy, the run, and its verdict as last line and exit code."""
import os
import sys

from . import interpreter, log, options
from .errors import EXIT_CAPACITY, EXIT_INTERRUPTED, ExampleError, described


def main(argv):
    """Run the command line `argv` (without the program's name); returns the exit code."""
    try:
        log.start("info", None)
        chosen = options.parse(argv, os.environ)
        log.start(chosen.log_level, chosen.log_file)
        interpreter.ensure_numpy()
        from . import runner  # needs numpy
        runner.run(chosen)
    except ExampleError as error:
        return _failed(described(error), error.exit_code)
    except MemoryError:
        return _failed("out of host memory: use a smaller problem", EXIT_CAPACITY)
    except KeyboardInterrupt:
        return _failed("interrupted", EXIT_INTERRUPTED)
    print("TEST PASSED", flush=True)
    return 0


def _failed(message, exit_code):
    log.log.error("%s", message)
    sys.stderr.flush()
    print("TEST FAILED", flush=True)
    return exit_code
