"""The command `tilegraph`: finds the command in the table, reads its options, does it, and ends with its exit code."""
import os
import sys

from . import command, document, options, usage
from .errors import Error
from .log import keep_standard_descriptors, log
from .nearest import unknown
from .table import COMMANDS

_BY_NAME = {each.name: each for each in COMMANDS}


def main(argv):
    """Run the command line `argv` (without the program's name); returns the exit code."""
    keep_standard_descriptors()
    log.start("info")
    return command.guarded(lambda: _main(argv))


def entry():
    """The script that pip installs."""
    sys.exit(main(sys.argv[1:]))


def _main(argv):
    if not argv or argv[0] in ("-h", "--help"):
        return _help(argv[1:])
    if argv[0] == "--version":
        return command.say_help(None, "tilegraph", None)
    if argv[0] not in _BY_NAME:
        names = ["--help", "--version"] if argv[0].startswith("-") else list(_BY_NAME)
        what = "option" if argv[0].startswith("-") else "command"
        raise Error(f"command line: {unknown(what, argv[0], names)}", "tilegraph --help lists the commands")
    chosen = _BY_NAME[argv[0]]
    words = options.Words(chosen, f"tilegraph {chosen.name}", argv[1:])
    if "help" in words.given or "version" in words.given:
        return command.say_help(chosen, words.program, words.given.get("help"))
    return _DO[chosen.name](words)


def _help(arguments):
    """`tilegraph help [COMMAND] [TOPIC]`: the screen that these name."""
    if not arguments:
        return command.say(usage.overview())
    name, topic = arguments[0], arguments[1] if len(arguments) > 1 else True
    if name in _BY_NAME:
        return command.say_help(_BY_NAME[name], f"tilegraph {name}", topic)
    if name in usage.COMMON_TOPICS:
        return command.say_help(_BY_NAME["run"], "tilegraph", name)
    raise Error(f"command line: {unknown('command or topic', name, [*_BY_NAME, *usage.COMMON_TOPICS])}")


def _one_argument(words, default=None):
    """The argument of a command that takes one."""
    words.check_arguments(1)
    if not words.arguments and default is None:
        name, meaning = words.command.arguments[0]
        words.refuse(f"{name} is missing: {meaning}")
    return words.arguments[0] if words.arguments else default


# ---- commands that run an example ------------------------------------------------------------------------------------

def _given(words, **more):
    """The options of an example's run: those of the command line, `more` where they say nothing, and its folder."""
    options.check_all(words.given)
    given = {**more, **words.given}
    if "all" not in given:
        given.update(options.of_folder(_one_argument(words, ".")))
    elif words.arguments:
        raise Error(f"command line: '{words.arguments[0]}' is for one example, --all runs many",
                    "leave one of both out")
    return given


def _run(words):
    chosen = options.for_run(_given(words), os.environ, "a2a3sim")
    return command.verdict(command.run_chosen(chosen, "run"))


def _check(words):
    chosen = options.for_run({**_given(words, schedules="8"), "check": True, "proof": True}, os.environ, "a2a3sim")
    return command.verdict(command.run_chosen(chosen, "check"))


def _report(words):
    page = words.given.get("output", "report.html")
    chosen = options.for_run({**_given(words), "report": page, "summary": True}, os.environ, "a2a3sim")
    examples = []
    exit_code = command.run_chosen(chosen, "report", examples=examples)
    for path in [path for each in examples for case in each["cases"] for path in case["files"]]:
        if not chosen.quiet:
            log.result(f"report: {path}\n")
    return command.verdict(exit_code)


def _bench(words):
    n_runs = options.number(words.given.get("runs", "20"), "--runs", 1, 20)
    chosen = options.for_run({**_given(words), "no-check": True}, os.environ, "cpu")

    def work(each):
        from . import benchmark
        return benchmark.run(each, n_runs)
    return command.run_chosen(chosen, "bench", work)


# ---- others ----------------------------------------------------------------------------------------------------------

def _new(words):
    from . import skeleton
    folder, language = _one_argument(words), words.given.get("language", "c")
    files = skeleton.make(folder, language)
    if "json" in words.given:
        log.document(document.of_new(folder, language, files))
    elif "quiet" not in words.given:
        log.result("".join(f"{folder}/{name}\n" for name in files) + f"next: tilegraph run {folder}\n")
    return 0


def _info(words):
    from . import information
    words.check_arguments(0)
    log.start("error" if "quiet" in words.given else "info", color=words.given.get("color", "auto"))
    told = information.collect()
    information.check_parts()
    if "json" in words.given:
        log.document(document.of_info(told))
    else:
        log.result(information.text(told))
    return 0


def _completion(words):
    shell = _one_argument(words)
    if shell not in usage.COMPLETIONS:
        raise Error(f"command line: {unknown('shell', shell, list(usage.COMPLETIONS))}")
    log.document(usage.COMPLETIONS[shell]())
    return 0


_DO = {"run": _run, "check": _check, "report": _report, "bench": _bench, "new": _new, "info": _info,
       "completion": _completion, "help": lambda words: _help(words.arguments)}
