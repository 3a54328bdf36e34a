"""The command run_example.py, and the common parts of all commands.

These are runs in processes of their own, the verdict and the exit code.
"""
import json
import os
import tempfile

from . import interpreter, options, usage
from .errors import EXIT_CAPACITY, EXIT_USAGE, Error, Stopped, described, where_raised
from .log import keep_standard_descriptors, log
from .places import places
from .supervise import Supervisor
from .table import FILES, RUN_EXAMPLE


def main(argv):
    """Run the command line `argv` of run_example.py (without the program's name); returns the exit code."""
    keep_standard_descriptors()
    log.start("info")
    says_help = False

    def work():
        nonlocal says_help
        chosen = options.parse(argv, os.environ)
        if chosen.help is not None or chosen.version:
            say_help(RUN_EXAMPLE, "run_example.py", chosen.help)
            says_help = True
            return 0
        return run_chosen(chosen)
    exit_code = guarded(work)
    return exit_code if says_help else verdict(exit_code)


def say_help(command, program, topic):
    """Print the screen of `topic`, True: of the command itself; None: the version. Returns 0."""
    if topic is None:
        return say([f"tilegraph {places().version}"])
    return say(usage.of_command(command, program) if topic is True else usage.of_topic(command, topic))


def say(lines):
    """Print lines of text; returns 0."""
    log.result("\n".join(lines) + "\n")
    return 0


def run_chosen(chosen, name="run_example.py", work=None, examples=None):
    """Run what the options (options.for_run) name, and print it as JSON if they say so; returns the exit code.

    `name` is the command's; `work`, what to do with one example: default, one(). `examples`, a list, receives a dict of
    each example that was run: name, exit_code, error, cases.
    """
    to_stdout = any(getattr(chosen, each) == options.STANDARD for each in FILES)
    if to_stdout and chosen.json:
        raise Error("command line: --json and a file named - would both write standard output", "name the file")
    log.start(chosen.log_level, chosen.log_file, chosen.color, to_stdout or chosen.json, chosen.quiet)
    interpreter.ensure_numpy()
    examples = [] if examples is None else examples
    exit_code = guarded(lambda: _run_examples(chosen, examples, work or one))
    if chosen.json:
        from . import document
        log.document(document.of_run(name, chosen, examples, exit_code))
    return exit_code


def _run_examples(chosen, examples, work):
    """Run one example, or all; tells of each in `examples`, dicts of name, exit_code, error and cases."""
    if chosen.all is not None:
        from . import many
        return many.run(chosen, examples)
    with open_outcome(chosen) as outcome:
        with Supervisor() as supervisor:
            supervisor.start(lambda: guarded(lambda: work(chosen)))
            child = supervisor.wait()
        if child.why:
            log.error("%s", child.why)
        examples.append({"name": example_name(chosen), "exit_code": child.exit_code, "error": child.why or None,
                         "cases": read_outcome(outcome)})
    return child.exit_code


def example_name(chosen):
    """The name of the example in messages and files."""
    return chosen.label or os.path.basename(os.path.dirname(os.path.abspath(chosen.golden)))


def open_outcome(chosen):
    """The file without a name into which a child writes the results of its cases; its process may end at any point."""
    chosen.outcome = tempfile.TemporaryFile("w+", encoding="utf-8")
    return chosen.outcome


def read_outcome(file):
    """The results that are there, complete lines only."""
    file.seek(0)
    return [json.loads(line) for line in file.read().split("\n")[:-1]]


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
