"""Command lines by the table, and the environment variables that stand in for options."""
import os
import re
import stat
from pathlib import Path
from types import SimpleNamespace

from .errors import Error, ExampleError
from .nearest import nearest, unknown
from .table import FILES, LAST_DEVICE, LEVELS, PIPE_ORDERS, RUN_EXAMPLE, options_of
from .usage import synopsis

DEVICE_VARIABLES = ("PTO_DEVICE_ID", "TILE_FWK_DEVICE_ID")
STANDARD = "-"  # the name of standard input and output


# ---- words -----------------------------------------------------------------------------------------------------------

class Words:
    """A command line, read by the table: `given` has the text of each option by its long name, True of a switch.

    The last one counts if an option is given twice: a script may add its own after a user's.
    """

    def __init__(self, command, program, argv):
        self.command, self.program = command, program
        self.given, self.arguments = {}, []
        self._table = options_of(command)
        self._by_word = {}
        for option in self._table.values():
            self._by_word[option.spelled] = option
            if option.short:
                self._by_word[option.short] = option
        self._read(list(argv))
        self._check_excluded()

    def refuse(self, message):
        """Raise ExampleError, with the usage of the command as its hint."""
        raise ExampleError(f"command line: {message}",
                           f"usage: {synopsis(self.command, self.program)}; --help says more")

    def _read(self, rest):
        while rest:
            word = rest.pop(0)
            if word == "--":
                self.arguments += rest
                break
            if not word.startswith("-") or word == STANDARD:
                self.arguments.append(word)
                continue
            option, value = self._find(word)
            if option.value is not None:
                if value is None and rest:
                    value = rest.pop(0)
                if not value:
                    self.refuse(f"{option.both} needs a value: {option.value}")
                if option.choices and value not in option.choices:
                    self.refuse(_not_one_of(option.choices, value, option.spelled))
            elif value is not None and option.name != "help":
                self.refuse(f"{option.both} takes no value")
            elif option.name == "help" and value is None and rest and not rest[0].startswith("-"):
                value = rest.pop(0)  # --help TOPIC
            self.given[option.name] = value if value is not None else True

    def check_arguments(self, most):
        """Refuse more arguments than `most`."""
        if len(self.arguments) > most:
            self.refuse(f"unexpected argument '{self.arguments[most]}'")

    def _find(self, word):
        name, equals, value = word.partition("=")
        if name in self._by_word:
            return self._by_word[name], value if equals else None
        short = self._by_word.get(word[:2])
        if short and short.value is not None and not word.startswith("--"):
            return short, word[2:]  # -pcpu
        self.refuse(unknown("option", name, list(self._by_word), listed=False))

    def _check_excluded(self):
        for name in self.given:
            for other in self._table[name].excludes:
                if other in self.given:
                    self.refuse(f"{self._table[name].both} is not allowed with {self._table[other].both}")


def _not_one_of(names, text, origin):
    """The sentence that refuses a value of `origin`, because it is not one of the names."""
    close = nearest(text, names)
    return f"{origin} is '{text}', expected one of {', '.join(names)}{f': did you mean {close}?' if close else ''}"


# ---- values ----------------------------------------------------------------------------------------------------------

def number(text, origin, least, bits):
    """The whole number that `text` is."""
    if not re.fullmatch(r"[0-9]{1,20}", text) or not least <= int(text) < 1 << bits:
        raise ExampleError(f"{origin} is '{text}', expected a number from {least} to {(1 << bits) - 1}")
    return int(text)


def _device(text, origin):
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) > LAST_DEVICE:
        raise ExampleError(f"{origin} is '{text}', expected a device from 0 to {LAST_DEVICE}")
    return int(text)


def _level(text, origin):
    if text not in LEVELS:
        raise ExampleError(_not_one_of(LEVELS, text, origin))
    return text


def _why_not_written(path):
    """Why a file of that name cannot be written after the run; None: it can."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        mode = stat.S_IFREG
    except (OSError, ValueError) as error:
        return f"cannot be written: {getattr(error, 'strerror', error)}"
    if stat.S_ISDIR(mode):
        return "is a folder, the name of a file is needed"
    if stat.S_ISREG(mode) and not os.access(path.parent, os.W_OK | os.X_OK):
        return f"cannot be written: no folder {path.parent} that lets you"
    return None


def check_files(chosen):
    """Whether the files can be written after the run, which has not begun; `chosen` has the paths by option."""
    places = {}
    for name, text in chosen.items():
        place = text if text == STANDARD else os.path.realpath(text)
        why = _why_not_written(Path(text)) if text != STANDARD else None
        if why:
            raise ExampleError(f"--{name}: {text} {why}")
        if place in places and (text == STANDARD or not Path(text).exists() or Path(text).is_file()):
            raise ExampleError(f"--{places[place]} and --{name} would both write {text}", "name two files")
        places[place] = name


def _check_dump(chosen, has_folder):
    """Whether the tasks of --dump can be kept, and written after the run, which has not begun."""
    if chosen.dump is None:
        if has_folder:
            raise ExampleError("command line: --dump-to names the folder of --dump, which is not given",
                               "give --dump TASKS, too")
        return
    if chosen.pipe_order != 0:
        raise ExampleError("command line: --dump keeps arrays only with --pipes program",
                           "in other orders stores land after their kernel")
    folder = Path(chosen.dump_to)
    if chosen.dump_to == STANDARD or (folder.exists() and not folder.is_dir()):
        raise ExampleError(f"--dump-to: {folder} is no folder", "name a folder; it is made if it does not exist")
    if not os.access(folder if folder.is_dir() else folder.parent, os.W_OK | os.X_OK):
        raise ExampleError(f"--dump-to: {folder} cannot be written")


# ---- options of a run ------------------------------------------------------------------------------------------------

def _log_level(given, environ):
    if "verbose" in given:
        return "debug"
    if "silent" in given or "quiet" in given:
        return "error"
    return given.get("log-level") or _level(environ.get("PTO_LOG_LEVEL") or "info", "PTO_LOG_LEVEL")


def for_run(given, environ, platform):
    """The options of a run out of `given` (Words.given) and `environ`; `platform` is the default.

    Returns a namespace: kernels, golden, all (paths or None), case (its name, or None: all), platform, device (int),
    log_level, log_file (or None), check (bool), proof, schedules (int), schedule_seed (int), pipe_order (enum
    tg_pipe_order), summary, trace, graph, report (paths, "-" or None), dump (tasks or None), dump_to (a folder),
    enable_profiling, jobs (int or None), json, quiet, color, label (of the example in the names of files; None: that of
    its folder), outcome (where results are told; None). Raises ExampleError.
    """
    chosen = SimpleNamespace(**{name: given.get(name) for name in ("kernels", "golden", "all", "case", *FILES)})
    chosen.platform = given.get("platform", platform)
    for name in ("proof", "summary", "enable-profiling", "json", "quiet"):
        setattr(chosen, name.replace("-", "_"), bool(given.get(name)))
    if "device" in given:
        chosen.device = _device(given["device"], "-d")
    else:
        name = next((name for name in DEVICE_VARIABLES if environ.get(name)), None)
        chosen.device = _device(environ[name], name) if name else 0
    chosen.log_level, chosen.log_file = _log_level(given, environ), environ.get("PTO_LOG_FILE") or None
    chosen.check = "check" in given or ("no-check" not in given and chosen.platform == "a2a3sim")
    if chosen.proof and not chosen.check:
        raise ExampleError("command line: --proof prints what the checks prove, and there are none",
                           "run on a2a3sim and leave --no-check out")
    chosen.schedules = number(given.get("schedules", "1"), "--schedules", 1, 32)
    chosen.schedule_seed = number(given.get("schedule-seed", "0"), "--schedule-seed", 0, 64)
    chosen.pipe_order = PIPE_ORDERS.index(given.get("pipes", "program"))
    chosen.jobs = number(given["jobs"], "--jobs", 1, 16) if "jobs" in given else None
    chosen.color = given.get("color", "auto")
    chosen.label = chosen.outcome = None
    chosen.dump, chosen.dump_to = given.get("dump"), given.get("dump-to", "dump")
    _check_dump(chosen, "dump-to" in given)
    check_files({name: getattr(chosen, name) for name in FILES if getattr(chosen, name) is not None})
    return chosen


def check_all(given):
    """What is for one example does not go with --all, which runs many."""
    for name in ("kernels", "golden", "case", *FILES, "dump"):
        if name in given and "all" in given:
            raise ExampleError(f"command line: --{name} is for one example, --all runs many",
                               "name the example instead of --all")
    if "jobs" in given and "all" not in given:
        raise ExampleError("command line: --jobs says how many examples --all runs at a time", "give --all DIR, too")


def parse(argv, environ):
    """The options of run_example.py, as for_run() returns them. help: the topic, or True; version: True."""
    words = Words(RUN_EXAMPLE, "run_example.py", argv)
    given = words.given
    if "help" in given or "version" in given:
        return SimpleNamespace(help=given.get("help"), version="version" in given)
    words.check_arguments(0)
    missing = [option.both for name, option in options_of(RUN_EXAMPLE).items()
               if name in ("kernels", "golden") and name not in given]
    if missing and "all" not in given:
        words.refuse(f"required: {', '.join(missing)}; or --all DIR")
    check_all(given)
    chosen = for_run(given, environ, "a2a3")
    chosen.help, chosen.version = None, False
    return chosen


def of_folder(folder):
    """The folders and files of the example in `folder`, as options. Raises Error naming what is missing."""
    folder = Path(folder)
    for name in ("golden.py", "kernels/kernel_config.py"):
        if not (folder / name).is_file():
            raise Error(f"{folder} is no example: there is no {folder / name}",
                        "an example is a folder with golden.py and kernels/kernel_config.py; "
                        "'tilegraph new FOLDER' makes one")
    return {"kernels": str(folder / "kernels"), "golden": str(folder / "golden.py")}


def for_folder(folder, platform, **chosen):
    """Options of a run of the example in `folder`; `chosen` are options by their long names, _ for -."""
    table = options_of(RUN_EXAMPLE)
    given = of_folder(folder)
    for name, value in chosen.items():
        name = name.replace("_", "-")
        if name == "check" and value is False:
            name, value = "no-check", True
        if name not in table:
            raise Error(unknown("option", name, list(table)))
        if value is None or value is False:
            continue
        given[name] = True if table[name].value is None else str(value)
    return for_run({**given, "platform": platform}, os.environ, platform)
