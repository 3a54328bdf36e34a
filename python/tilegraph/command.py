"""The command run_example.py, and what all commands share: runs in processes of their own, the verdict, the exit code."""
import os

from . import interpreter, options, usage
from .errors import EXIT_CAPACITY, EXIT_USAGE, Error, Stopped, described, where_raised
from .log import keep_standard_descriptors, log
from .supervise import Supervisor
from .table import RUN_EXAMPLE


def main(argv):
    """Run the command line `argv` of run_example.py (without the program's name); returns the exit code."""
    keep_standard_descriptors()
    log.start("info")
    says_help = False

    def work():
        nonlocal says_help
        chosen = options.parse(argv, os.environ)
        if chosen.help or chosen.version:
            says_help = say_help(RUN_EXAMPLE, "run_example.py", chosen) == 0
            return 0
        return run_chosen(chosen)
    exit_code = guarded(work)
    return exit_code if says_help else verdict(exit_code)


def say_help(command, program, chosen):
    """Print what --help or --version ask for; returns 0."""
    from .places import places
    if not chosen.help:
        lines = [f"tilegraph {places().version}"]
    elif chosen.help is True:
        lines = usage.of_command(command, program)
    else:
        lines = usage.of_topic(command, chosen.help)
    log.result("\n".join(lines) + "\n")
    return 0


def run_chosen(chosen):
    """Run what the options (options.for_run) name; returns the exit code."""
    log.start(chosen.log_level, chosen.log_file, chosen.color)
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
    """Run the example that the options name, in this process. Returns 0; raises Error."""
    from . import runner  # needs numpy
    runner.run(chosen)
    return 0


def guarded(work):
    """What work() returns, an exit code; that of its error, after saying what is wrong."""
    try:
        return work()
    except Error as error:
        log.error("%s", described(error))
        return error.exit_code
    except MemoryError:
        log.error("out of host memory: use a smaller problem")
        return EXIT_CAPACITY
    except Stopped:
        raise
    except BaseException as error:
        log.error("unexpected: %s", where_raised(error, None))
        log.trace(error)
        return EXIT_USAGE


def verdict(exit_code):
    """Print the last line; returns the exit code."""
    try:
        log.verdict(exit_code == 0)
    except Error as error:
        log.error("%s", described(error))
        return exit_code or error.exit_code
    return exit_code
