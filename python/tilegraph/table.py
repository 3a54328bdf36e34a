"""The table of commands, options, variables and exit codes.

Help, man pages, completion and parsing come from it alone.
"""
from dataclasses import dataclass

PIPE_ORDERS = ("program", "late", "early")  # enum tg_pipe_order
LEVELS = ("error", "warn", "info", "debug")
FILES = ("trace", "graph", "report")        # options that name a file to write
LAST_DEVICE = 15


@dataclass(frozen=True)
class Option:
    """`name` is the long name without its dashes. `value`: what the value is called; None: the option is a switch."""
    name: str
    help: str
    value: str = None
    short: str = None
    choices: tuple = ()
    offered: tuple = ()   # for completion: values among others
    excludes: tuple = ()  # options that cannot be given beside it
    file: bool = False    # the value is a file or folder, for completion

    @property
    def spelled(self):
        return f"--{self.name}"

    @property
    def both(self):
        """As messages name it: -k/--kernels."""
        return f"{self.short}/{self.spelled}" if self.short else self.spelled


@dataclass(frozen=True)
class Topic:
    """Options that belong together: a screen of help."""
    name: str
    title: str
    options: tuple


@dataclass(frozen=True)
class Command:
    name: str
    summary: str         # a line
    text: str            # what it does
    arguments: tuple     # of (name, help); one in brackets may be left out
    topics: tuple        # of Topic; the first one is on the screen of the command itself
    examples: tuple = () # of (command line, what it does)


ALL = Option("all", "run every folder below DIR that is an example", "DIR", file=True)
CASE = Option("case", "run only this one of golden.py's PARAMS_LIST", "NAME")
JOBS = Option("jobs", "with --all: examples at a time; default: processors", "N")
DEVICE = Option("device", f"device, 0 to {LAST_DEVICE} (default 0)", "N", "-d")
SUMMARY = Option("summary", "print where the device's time went")


def _platform(usual):
    """The option -p; `usual` is what its help says of names and the default. The library decides which there are."""
    return Option("platform", f"where to run: {usual}", "NAME", "-p", offered=("a2a3sim", "cpu"))


PLATFORM = _platform("a2a3sim (default) or cpu")
WHAT = Topic("what", "What runs", (CASE, ALL, JOBS, PLATFORM, DEVICE, SUMMARY))
FOLDERS = Topic("example", "The example", (
    Option("kernels", "folder with kernel_config.py", "DIR", "-k", file=True),
    Option("golden", "golden.py of the example; -: standard input", "FILE", "-g", file=True),
    Option("all", "instead of both: every folder below DIR that has them", "DIR", file=True),
    CASE, JOBS, _platform("a2a3sim, cpu, or a2a3 (default)"), DEVICE, SUMMARY))
SCHEDULES = (
    Option("schedules", "run K schedules and compare their outputs bit by bit", "K"),
    Option("schedule-seed", "seed of the first schedule (default 0)", "N"),
    Option("pipes", "of each core's pipes: program (default), late or early", "ORDER", choices=PIPE_ORDERS),
)
CHECKS = Topic("checks", "Checks", (
    Option("check", "name hazards, races, wrong memory (default on a2a3sim)", excludes=("no-check",)),
    Option("no-check", "run without checks", excludes=("check",)),
    Option("proof", "print what the checks prove"), *SCHEDULES))
FILES_TOPIC = Topic("files", "Files to write; - is standard output", (
    Option("trace", "swimlane as Chrome trace JSON, for ui.perfetto.dev", "FILE", file=True),
    Option("graph", "task graph as Graphviz DOT", "FILE", file=True),
    Option("report", "swimlane, critical path and summary as one HTML page", "FILE", file=True),
    Option("enable-profiling", "the trace, to outputs/EXAMPLE_CASE.trace.json"),
    Option("dump", "inputs and outputs of tasks as .npy: 3,aiv_add", "TASKS"),
    Option("dump-to", "folder for --dump (default: dump)", "DIR", file=True),
))
JSON = Option("json", "print the result as one JSON object (schemas/)")
QUIET = Option("quiet", "print errors and what is asked for, nothing else", short="-q",
               excludes=("verbose", "silent", "log-level"))
COLOR = Option("color", "auto (on a terminal without NO_COLOR), always, never", "WHEN",
               choices=("auto", "always", "never"))
OUTPUT = Topic("output", "Output", (
    JSON, QUIET,
    Option("verbose", "log level debug", short="-v", excludes=("quiet", "silent", "log-level")),
    Option("silent", "log level error", excludes=("quiet", "verbose", "log-level")),
    Option("log-level", f"{', '.join(LEVELS)} (default info)", "LEVEL", choices=LEVELS,
           excludes=("quiet", "verbose", "silent")),
    COLOR))
PLAIN_OUTPUT = Topic("output", "Output", (JSON, QUIET, COLOR))
GENERAL = Topic("general", "Help", (
    Option("help", "this; --help TOPIC: another screen", short="-h"),
    Option("version", "print the version"),
))

FOLDER = ("[FOLDER]", "folder with golden.py and kernels/kernel_config.py; default: .")

RUN_EXAMPLE = Command(
    "run_example.py", "run an example and compare its outputs with its golden",
    "Runs an example, or all below a folder, on a device and compares its outputs\nwith its golden.", (),
    (FOLDERS, CHECKS, FILES_TOPIC, OUTPUT, GENERAL))

COMMANDS = (
    Command("run", "run an example and compare its outputs with its golden",
            "Compiles the kernels and the orchestration of the example in FOLDER, runs them\n"
            "on a device and compares the outputs with golden.py. On a2a3sim the run is\n"
            "checked, too.",
            (FOLDER,),
            (WHAT, CHECKS, FILES_TOPIC, OUTPUT, GENERAL),
            examples=(("tilegraph run my_program", "run it on the virtual device"),
                      ("tilegraph run --all examples -p cpu", "run every example on this computer"))),
    Command("check", "run an example under all checks and 8 schedules",
            "Runs the example on the virtual device with every check and under 8 schedules,\n"
            "and prints what that proves. Exit code 3: something was found.",
            (FOLDER,),
            (Topic("what", "What runs", (CASE, ALL, JOBS, *SCHEDULES)),
             FILES_TOPIC, OUTPUT, GENERAL),
            examples=(("tilegraph check my_program", "look for missing flags, edges and races"),
                      ("tilegraph check my_program --pipes late", "the same, each result as late as allowed"))),
    Command("new", "make a program that runs at once",
            "Writes a small program into FOLDER: two kernels, an orchestration and a golden.\n"
            "It runs as it is.",
            (("FOLDER", "a folder that does not exist, or is empty"),),
            (Topic("what", "What is made", (
                Option("language", "c (default) or c++", "NAME", choices=("c", "c++")),)), PLAIN_OUTPUT, GENERAL),
            examples=(("tilegraph new my_program && tilegraph run my_program", "a first program"),)),
    Command("report", "write the HTML page of a run",
            "Runs the example, prints where the time went, and writes one HTML page with\n"
            "swimlane, critical path and tables. It needs nothing but a browser.",
            (FOLDER,),
            (Topic("what", "What runs", (
                Option("output", "the page (default report.html); -: standard output", "FILE", "-o", file=True),
                CASE, PLATFORM, DEVICE)), CHECKS, OUTPUT, GENERAL),
            examples=(("tilegraph report my_program -o page.html", "write page.html"),)),
    Command("info", "print platforms, instruction sets, memory and versions",
            "Prints what this installation and this computer offer.", (),
            (PLAIN_OUTPUT, GENERAL)),
    Command("bench", "time an example: first run and later runs",
            "Runs the example once, compares it with its golden, and then times more runs of\n"
            "the same program. The first run is cold: memory and threads are new. Later\n"
            "runs are warm. Times are the device's.",
            (FOLDER,),
            (Topic("what", "What runs", (
                CASE, Option("runs", "warm runs (default 20)", "N"),
                _platform("cpu (default) or a2a3sim"), DEVICE)),
             OUTPUT, GENERAL),
            examples=(("tilegraph bench my_program", "on the processors of this computer"),)),
    Command("help", "print a screen of help",
            "Prints the screen of a command or a topic.", (("[COMMAND] [TOPIC]", "what to explain"),), (GENERAL,)),
    Command("completion", "print a completion script for bash or zsh",
            "Prints a script that completes commands, options and values.", (("SHELL", "bash or zsh"),), (GENERAL,),
            examples=(('eval "$(tilegraph completion bash)"', "complete in this shell"),)),
)

VARIABLES = (
    ("PTO_DEVICE_ID", "device without -d; or TILE_FWK_DEVICE_ID"),
    ("PTO_LOG_LEVEL", "log level, when no option sets it"),
    ("PTO_LOG_FILE", "file that log lines are added to"),
    ("CC", "compiler of .c sources"),
    ("CXX", "compiler of .cpp kernels"),
    ("PTO_AICPU_CXX", "compiler of a .cpp orchestration; default: CXX"),
    ("PTO_AICPU_BUILD_GRAPH_BUILD_MODE", "1 or concurrent (default), 0 or sequential"),
    ("TG_ISA", "highest instruction set: portable, avx2, ..., amx"),
    ("TILEGRAPH_LIB", "the library to use"),
    ("XDG_CACHE_HOME", "where compiled objects are kept; default: ~/.cache"),
    ("NO_COLOR", "if set and not empty: no colours"),
    ("PA_CASE and others", "what the example's own files read"),
)

EXIT_CODES = (
    (0, "passed"), (1, "mismatch: an output differs from the golden"), (2, "usage or input"),
    (3, "finding of a check"), (4, "deadlock"), (5, "capacity: out of memory"), (6, "device or kernel fault"),
    (7, "platform not available"), (8, "program does not compile or load"), ("128 + N", "ended by signal N"),
)


def options_of(command):
    """Every Option of a command by its long name."""
    return {option.name: option for topic in command.topics for option in topic.options}
