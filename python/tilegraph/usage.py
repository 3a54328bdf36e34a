"""Screens of help, man pages and completion scripts, made from the table."""
import os
import sys

from .errors import Error
from .nearest import unknown
from .table import COMMANDS, EXIT_CODES, VARIABLES, options_of

WIDTH = 80  # columns of a screen
COMMON_TOPICS = {"environment": ("Environment", VARIABLES), "exit-codes": ("Exit codes", EXIT_CODES)}  # of all commands


# ---- screens ---------------------------------------------------------------------------------------------------------

def _rows(pairs):
    """Two columns, WIDTH at most; a left side that is too long has a line of its own."""
    pairs = [(str(left), right) for left, right in pairs]
    width = min(24, max(len(left) for left, _ in pairs))
    lines = []
    for left, right in pairs:
        if len(left) > width:
            lines.append(f"  {left}")
            left = ""
        lines.append(f"  {left:{width}}  {right}")
    return lines


def _spelled(option):
    names = f"{option.short}, {option.spelled}" if option.short else f"    {option.spelled}"
    return f"{names} {option.value}" if option.value else names


def synopsis(command, program):
    """'tilegraph run [FOLDER] [option...]'."""
    words = [name for name, _ in command.arguments]
    if command.topics:
        words.append("[option...]")
    return " ".join([program, *words])


def of_command(command, program):
    """The screen of a command, lines of text; `program` is what is typed to start it."""
    lines = [f"Usage: {synopsis(command, program)}", "", *command.text.split("\n")]
    if command.arguments:
        lines += ["", *_rows(command.arguments)]
    topic = command.topics[0]
    lines += ["", f"{topic.title}:", *_rows((_spelled(option), option.help) for option in topic.options)]
    if command.examples:
        lines += ["", "Examples:", *(f"  {line}" for line, _ in command.examples)]
    topics = [topic.name for topic in command.topics[1:]] + [*COMMON_TOPICS]
    return [*lines, "", f"More: --help TOPIC, with {', '.join(topics)}"]


def of_topic(command, name):
    """The screen of a topic of a command. Raises Error if there is no such topic."""
    if name in COMMON_TOPICS:
        title, rows = COMMON_TOPICS[name]
        return [f"{title}:", *_rows(rows)]
    for topic in command.topics:
        if topic.name == name:
            return [f"{topic.title}:", *_rows((_spelled(option), option.help) for option in topic.options)]
    names = [topic.name for topic in command.topics] + [*COMMON_TOPICS]
    raise Error(f"command line: {unknown('topic', name, names)}")


def overview():
    """The screen of `tilegraph --help`."""
    return ["Usage: tilegraph COMMAND [argument...] [option...]", "",
            "Runs graphs of tile kernels on a virtual Ascend A2/A3, or on this computer.", "",
            "Commands:", *_rows((command.name, command.summary) for command in COMMANDS), "",
            "A first program:",
            "  tilegraph new my_program", "  tilegraph run my_program", "  tilegraph report my_program", "",
            f"More: tilegraph COMMAND --help; tilegraph help {' | '.join(COMMON_TOPICS)}"]


# ---- man pages -------------------------------------------------------------------------------------------------------

def _roff(text):
    """Text as roff has it: what it would take for a request or an escape is quoted."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join("\\&" + line if line.startswith((".", "'")) else line for line in text.split("\n"))


def _man_options(command):
    lines = []
    for topic in command.topics:
        lines.append(f".SS {_roff(topic.title)}")
        for option in topic.options:
            names = ", ".join(f"\\fB{_roff(name)}\\fR" for name in (option.short, option.spelled) if name)
            value = f" \\fI{_roff(option.value)}\\fR" if option.value else ""
            lines += [".TP", names + value, _roff(option.help[0].upper() + option.help[1:]) + "."]
    return lines


def man_page(command, version):
    """The man page of a command, as text; None: that of tilegraph itself."""
    title = f"tilegraph-{command.name}" if command else "tilegraph"
    lines = [f'.TH "{title.upper()}" "1" "" "tilegraph {version}" "User Commands"', ".SH NAME",
             f"{_roff(title)} \\- {_roff(command.summary if command else 'run graphs of tile kernels')}",
             ".SH SYNOPSIS"]
    if command:
        lines += [_roff(synopsis(command, f"tilegraph {command.name}")), ".SH DESCRIPTION", _roff(command.text)]
        for name, help_text in command.arguments:
            lines += [".TP", f"\\fI{_roff(name)}\\fR", _roff(help_text)]
        lines += [".SH OPTIONS", *_man_options(command)]
        if command.examples:
            lines.append(".SH EXAMPLES")
            for line, what in command.examples:
                lines += [".TP", f"\\fB{_roff(line)}\\fR", _roff(what)]
    else:
        lines += ["tilegraph COMMAND [argument...] [option...]", ".SH DESCRIPTION",
                  "Runs graphs of tile kernels on a virtual Ascend A2/A3, or on this computer.", ".SH COMMANDS"]
        for each in COMMANDS:
            lines += [".TP", f"\\fBtilegraph\\-{_roff(each.name)}\\fR(1)", _roff(each.summary)]
    lines.append(".SH ENVIRONMENT")
    for name, what in VARIABLES:
        lines += [".TP", f"\\fB{_roff(name)}\\fR", _roff(what)]
    lines.append(".SH EXIT STATUS")
    for code, what in EXIT_CODES:
        lines += [".TP", f"\\fB{_roff(str(code))}\\fR", _roff(what)]
    others = ["tilegraph(1)"] if command else [f"tilegraph-{each.name}(1)" for each in COMMANDS]
    return "\n".join([*lines, ".SH SEE ALSO", _roff(", ".join(others))]) + "\n"


def man_pages(version):
    """Each page's file name and text."""
    pages = {"tilegraph.1": man_page(None, version)}
    pages.update({f"tilegraph-{command.name}.1": man_page(command, version) for command in COMMANDS})
    return pages


# ---- completion ------------------------------------------------------------------------------------------------------

def _words(command):
    names = [name for option in options_of(command).values() for name in (option.short, option.spelled) if name]
    if command.name == "completion":
        names += COMPLETIONS
    if command.name == "help":
        names += [*(each.name for each in COMMANDS), *COMMON_TOPICS]
    return " ".join(names)


def bash_completion():
    """The script for bash."""
    cases = "\n".join(f"        {command.name}) words={_words(command)!r} ;;" for command in COMMANDS)
    values, files = {}, set()
    for command in COMMANDS:
        for option in options_of(command).values():
            names = "|".join(name for name in (option.short, option.spelled) if name)
            if option.choices or option.offered:
                values[names] = " ".join(option.choices or option.offered)
            elif option.file:
                files.add(names)
    chosen = "\n".join(f"        {names}) COMPREPLY=($(compgen -W {words!r} -- \"$current\")); return ;;"
                       for names, words in sorted(values.items()))
    first = " ".join([*(command.name for command in COMMANDS), "--help", "--version"])
    return f"""# bash completion of tilegraph; made by `tilegraph completion bash`
_tilegraph()
{{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}} words=
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W {first!r} -- "$current"))
        return
    fi
    case $previous in
{chosen}
        {"|".join(sorted(files))}) COMPREPLY=($(compgen -f -- "$current")); return ;;
    esac
    case ${{COMP_WORDS[1]}} in
{cases}
    esac
    case $current in
        -*) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
        *)
            COMPREPLY=($(compgen -f -- "$current"))
            case ${{COMP_WORDS[1]}} in help | completion) COMPREPLY=($(compgen -W "$words" -- "$current")) ;; esac
            ;;
    esac
}}
complete -o filenames -F _tilegraph tilegraph
"""


def _zsh_quoted(text):
    return text.replace("\\", "\\\\").replace("'", "'\\''").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")


def _zsh_option(option):
    action = ""
    if option.value:
        values = " ".join(option.choices or option.offered)
        action = f":{option.value}:" + (f"({values})" if values else "_files" if option.file else "")
    names = [name for name in (option.short, option.spelled) if name]
    head = f"'({' '.join(names)})'{{{','.join(names)}}}'" if len(names) > 1 else f"'{names[0]}"
    return f"{head}[{_zsh_quoted(option.help)}]{action}'"


def zsh_completion():
    """The script for zsh."""
    commands = "\n".join(f"        '{command.name}:{_zsh_quoted(command.summary)}'" for command in COMMANDS)
    cases = []
    for command in COMMANDS:
        argument = {"completion": f"'1:shell:({' '.join(COMPLETIONS)})'", "info": "",
                    "help": f"'*:topic:({' '.join([*(each.name for each in COMMANDS), *COMMON_TOPICS])})'"}
        rows = [_zsh_option(option) for option in options_of(command).values()]
        rows.append(argument.get(command.name, "'*:folder:_files -/'"))
        arguments = " \\\n            ".join(row for row in rows if row)
        cases.append(f"        {command.name}) _arguments {arguments} ;;")
    return f"""#compdef tilegraph
# zsh completion of tilegraph; made by `tilegraph completion zsh`
_tilegraph()
{{
    local -a commands
    commands=(
{commands}
    )
    if (( CURRENT == 2 )); then
        _describe command commands
        return
    fi
    local command=$words[2]
    shift words
    (( CURRENT-- ))
    case $command in
{chr(10).join(cases)}
    esac
}}
if [ "$funcstack[1]" = _tilegraph ]; then _tilegraph "$@"; else compdef _tilegraph tilegraph; fi
"""


COMPLETIONS = {"bash": bash_completion, "zsh": zsh_completion}  # by shell


def write_all(folder, version):
    """Write man1/*.1, tilegraph (of bash) and _tilegraph (of zsh) into `folder`."""
    files = {f"man1/{name}": text for name, text in man_pages(version).items()}
    files.update({"tilegraph": bash_completion(), "_tilegraph": zsh_completion()})
    for name, text in files.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":  # of the build: python3 -m tilegraph.usage FOLDER
    from .places import places
    write_all(sys.argv[1], places().version)
