"""Every example below a folder: each in a process of its own, as many at a time as there are processors."""
import copy
import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from .command import guarded, one, open_outcome, read_outcome
from .compile import processors
from .errors import EXIT_SIGNAL, ExampleError
from .log import log
from .supervise import Supervisor
from .table import EXIT_CODES

_VERDICTS = {code: text.partition(":")[0] for code, text in EXIT_CODES}


@dataclass
class _Example:
    folder: Path
    name: str              # the folder, seen from where the search began
    output: object = None  # a file without a name: what it prints
    started: float = 0.0
    seconds: float = 0.0
    exit_code: int = None  # None: it was not run to its end
    why: str = ""          # what happened to its process
    outcome: object = None  # the file of its results
    cases: list = field(default_factory=list)


def find(folder):
    """The folders below `folder`, itself included, that have golden.py and kernels/kernel_config.py; sorted."""
    root = Path(folder)
    if not root.is_dir():
        raise ExampleError(f"--all: there is no folder {folder}")
    found = sorted(Path(place) for place, _, files in os.walk(root)
                   if "golden.py" in files and (Path(place) / "kernels" / "kernel_config.py").exists())
    if not found:
        raise ExampleError(f"--all: no folder below {folder} has golden.py and kernels/kernel_config.py")
    return found


def run(options, told):
    """Run them all; prints a table, and appends each result to `told`.

    Returns 0, or the exit code of the first one in the table that failed.
    """
    examples = [_Example(folder, str(folder.relative_to(options.all))) for folder in find(options.all)]
    waiting, running = list(reversed(examples)), {}
    with Supervisor() as supervisor:
        while running or (waiting and not supervisor.stopped_by):
            while waiting and len(running) < (options.jobs or processors()) and not supervisor.stopped_by:
                each = waiting.pop()
                running[_start(supervisor, each, options)] = each
            child = supervisor.wait()
            _end(running.pop(child), child)
        stopped_by = supervisor.stopped_by
    _print_table(examples)
    told += [{"name": each.name, "exit_code": each.exit_code, "error": each.why or None, "cases": each.cases}
             for each in examples]
    if stopped_by:
        return EXIT_SIGNAL + stopped_by
    return next((each.exit_code for each in examples if each.exit_code != 0), 0)


def _start(supervisor, each, options):
    chosen = copy.copy(options)
    chosen.kernels, chosen.golden = str(each.folder / "kernels"), str(each.folder / "golden.py")
    chosen.label = each.name if each.name != "." else each.folder.resolve().name
    each.outcome = open_outcome(chosen)
    each.output = tempfile.TemporaryFile(buffering=0)
    each.started = time.monotonic()
    return supervisor.start(lambda: guarded(lambda: one(chosen)), each.output.fileno())


def _end(each, child):
    """Say what it has printed: together, however many run at a time."""
    each.seconds = time.monotonic() - each.started
    each.exit_code, each.why = child.exit_code, child.why
    each.cases = read_outcome(each.outcome)
    each.outcome.close()
    each.output.seek(0)
    printed = each.output.read().decode("utf-8", "replace")
    each.output.close()
    log.info("%s: %s in %.2f s", each.name, _verdict(each), each.seconds)
    log.plain(printed)
    if child.why:
        log.error("%s: %s", each.name, child.why)


def _verdict(each):
    if each.exit_code is None:
        return "not run"
    return _VERDICTS.get(each.exit_code, f"ended by signal {each.exit_code - EXIT_SIGNAL}")


def _print_table(examples):
    width = max(len(each.name) for each in examples)
    rows = [f"{each.name:{width}}  {'-' if each.exit_code is None else each.exit_code:>4}  {each.seconds:7.2f} s  "
            f"{_verdict(each)}\n" for each in examples]
    n_passed = sum(each.exit_code == 0 for each in examples)
    log.result(f"{'example':{width}}  exit       time\n{''.join(rows)}{n_passed} of {len(examples)} examples passed\n")
