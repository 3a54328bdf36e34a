"""The command `tilegraph`: finds the command in the table, reads its options, does it, and ends with its exit code."""
import os
import sys

from . import command, document, options, usage
from .errors import Error
from .log import keep_standard_descriptors, log
from .nearest import unknown
from .places import places
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
        return _say([f"tilegraph {places().version}"])
    if argv[0] not in _BY_NAME:
        names = ["--help", "--version"] if argv[0].startswith("-") else list(_BY_NAME)
        what = "option" if argv[0].startswith("-") else "command"
        raise Error(f"command line: {unknown(what, argv[0], names)}", "tilegraph --help lists the commands")
    chosen = _BY_NAME[argv[0]]
    words = options.Words(chosen, f"tilegraph {chosen.name}", argv[1:])
    if "help" in words.given:
        topic = words.given["help"]
        return _say(usage.of_topic(chosen, topic) if topic is not True else usage.of_command(chosen, words.program))
    if "version" in words.given:
        return _say([f"tilegraph {places().version}"])
    return _DO[chosen.name](words)


def _say(lines):
    log.result("\n".join(lines) + "\n")
    return 0


def _help(arguments):
    """`tilegraph help [COMMAND] [TOPIC]`: the screen that these name."""
    if not arguments:
        return _say(usage.overview())
    if arguments[0] in _BY_NAME:
        chosen = _BY_NAME[arguments[0]]
        if len(arguments) > 1:
            return _say(usage.of_topic(chosen, arguments[1]))
        return _say(usage.of_command(chosen, f"tilegraph {chosen.name}"))
    if arguments[0] in ("environment", "exit-codes"):
        return _say(usage.of_topic(_BY_NAME["run"], arguments[0]))
    raise Error(f"command line: {unknown('command or topic', arguments[0], [*_BY_NAME, 'environment', 'exit-codes'])}")


def _one_argument(words, default=None):
    """The argument of a command that takes one."""
    if len(words.arguments) > 1:
        raise Error(f"command line: unexpected argument '{words.arguments[1]}'",
                    f"usage: {usage.synopsis(words.command, words.program)}")
    if not words.arguments and default is None:
        raise Error(f"command line: {words.command.arguments[0][0]} is missing: "
                    f"{words.command.arguments[0][1]}", f"usage: {usage.synopsis(words.command, words.program)}")
    return words.arguments[0] if words.arguments else default


# ---- commands that run an example ------------------------------------------------------------------------------------

def _given(words, **more):
    """The options of an example's run: those of the command line, `more` where they say nothing, and its folder."""
    options.check_all(words.given)
    given = {**more, **words.given}
    if "all" not in given:
        given.update(options.of_folder(_one_argument(words, ".")))
    elif words.arguments:
        raise Error(f"command line: '{words.arguments[0]}' is for one example, --all runs many", "leave one of both out")
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
    if words.arguments:
        raise Error(f"command line: unexpected argument '{words.arguments[0]}'")
    log.start("error" if "quiet" in words.given else "info", color=words.given.get("color", "auto"))
    told = information.collect()
    information.check_parts()
    if "json" in words.given:
        log.document(document.of_info(told))
    else:
        log.result(information.text(told))
    return 0


def _completion(words):
    scripts = {"bash": usage.bash_completion, "zsh": usage.zsh_completion}
    shell = _one_argument(words)
    if shell not in scripts:
        raise Error(f"command line: {unknown('shell', shell, list(scripts))}")
    log.document(scripts[shell]())
    return 0


_DO = {"run": _run, "check": _check, "report": _report, "bench": _bench, "new": _new, "info": _info,
       "completion": _completion, "help": lambda words: _help(words.arguments)}
