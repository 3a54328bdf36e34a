"""The command tilegraph: its screens, its commands, and what it says of mistakes."""
import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time

import pytest
from conftest import PACKAGES, ROOT, clean_environment
from schema import validate
from tilegraph import usage
from tilegraph.nearest import nearest
from tilegraph.table import COMMANDS, RUN_EXAMPLE, options_of

SCHEMAS = ROOT / "schemas"


def tilegraph(*arguments, cwd=ROOT, **variables):
    return subprocess.run([sys.executable, "-m", "tilegraph", *map(str, arguments)], cwd=cwd,
                          env=clean_environment(PYTHONPATH=str(PACKAGES), **variables), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300, check=False)


def document(done):
    """The JSON that a command printed, valid by the schema that it names."""
    told = json.loads(done.stdout)
    kind, version = re.fullmatch(r"tilegraph/([a-z_]+)/([0-9]+)", told["schema"]).groups()
    schema = json.loads((SCHEMAS / f"{kind}.v{version}.json").read_text())
    validate(told, schema)
    try:
        import jsonschema
    except ImportError:
        return told
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(told, schema)
    return told


# ---- screens ---------------------------------------------------------------------------------------------------------

def screens():
    yield "overview", usage.overview()
    for command in (*COMMANDS, RUN_EXAMPLE):
        yield command.name, usage.of_command(command, f"tilegraph {command.name}")
        for topic in [topic.name for topic in command.topics] + ["environment", "exit-codes"]:
            yield f"{command.name} {topic}", usage.of_topic(command, topic)


@pytest.mark.parametrize("name, lines", screens(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_screen_of_help_fits_a_terminal(name, lines):
    assert len(lines) <= 24 and max(map(len, lines)) <= 80


def test_screens_are_what_the_command_prints():
    overview = "\n".join(usage.overview()) + "\n"
    assert tilegraph("--help").stdout == overview == tilegraph().stdout == tilegraph("help").stdout
    run = COMMANDS[0]
    assert tilegraph("run", "--help").stdout == tilegraph("help", "run").stdout
    for words in (("run", "--help", "checks"), ("run", "--help=checks"), ("help", "run", "checks")):
        assert tilegraph(*words).stdout == "\n".join(usage.of_topic(run, "checks")) + "\n"
    assert re.fullmatch(r"tilegraph [0-9.]+\n", tilegraph("--version").stdout)


@pytest.mark.parametrize("words, text", [
    (["rnu"], "unknown command 'rnu': did you mean run?"),
    (["--versoin"], "unknown option '--versoin': did you mean --version?"),
    (["run", "--versoin"], "unknown option '--versoin': did you mean --version?"),
    (["help", "exit-code"], "did you mean exit-codes?"),
    (["run", "--help", "chekcs"], "unknown topic 'chekcs': did you mean checks?"),
    (["completion", "zhs"], "unknown shell 'zhs': did you mean zsh?"),
    (["new"], "FOLDER is missing"),
    (["new", "a", "b"], "unexpected argument 'b'"),
    (["new", "a", "--language", "c+"], "did you mean c++?"),
    (["run", "nowhere"], "nowhere is no example: there is no nowhere/golden.py"),
    (["run", "examples", "--all", "examples"], "'examples' is for one example"),
    (["info", "x"], "unexpected argument 'x'"),
    (["bench", "--runs", "0", "x"], "--runs is '0'"),
])
def test_mistakes_are_named(words, text):
    done = tilegraph(*words)
    assert done.returncode == 2 and done.stdout in ("", "TEST FAILED\n")
    assert text in done.stderr, done.stderr


def names():
    for line in (ROOT / "tests" / "nearest.txt").read_text().splitlines():
        if not line.startswith("#"):
            yield line.split("\t")


@pytest.mark.parametrize("given, known, expected", names())
def test_the_nearest_name(given, known, expected):
    assert (nearest(given, known.split()) or "-") == expected


# ---- commands --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("language", ["c", "c++"])
def test_a_new_program_runs_at_once_and_checks_clean(language, tmp_path):
    made = tilegraph("new", "program", "--language", language, "--json", cwd=tmp_path)
    told = document(made)
    assert made.returncode == 0 and "golden.py" in told["files"] and told["language"] == language
    for platform in ("a2a3sim", "cpu"):
        done = tilegraph("run", "program", "-p", platform, cwd=tmp_path)
        assert done.returncode == 0 and done.stdout == "TEST PASSED\n", done.stderr
    done = tilegraph("check", "--json", cwd=tmp_path / "program")
    told = document(done)
    assert done.returncode == 0 and told["schedules"] == 8 and told["passed"], done.stderr
    assert [case["findings"] for case in told["examples"][0]["cases"]] == [[], []]
    again = tilegraph("new", "program", cwd=tmp_path)
    assert again.returncode == 2 and "not an empty folder" in again.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["program"]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "program"
    assert tilegraph("new", folder).returncode == 0
    return folder


def test_a_program_that_is_broken_says_so_in_json(program, tmp_path):
    """A missing wait is a finding; its JSON has the same texts as the terminal."""
    broken = shutil.copytree(program, tmp_path / "broken")
    kernel = broken / "kernels" / "aiv" / "aiv_exp.c"
    kernel.write_text(re.sub(r"    (set|wait)_flag\(PIPE_MTE2.*\n", "", kernel.read_text()))
    told = document(tilegraph("run", broken, "--json"))
    assert not told["passed"] and told["exit_code"] == 3
    findings = told["examples"][0]["cases"][0]["findings"]
    assert findings[0]["code"] == "PIPE_RAW" and "aiv_exp" in findings[0]["where"]
    quiet = tilegraph("run", broken, "--quiet")
    assert quiet.returncode == 3 and quiet.stdout == "TEST FAILED\n" and findings[0]["what"] in quiet.stderr


def test_json_of_an_example_that_ends_its_process(program, tmp_path):
    broken = shutil.copytree(program, tmp_path / "broken")
    (broken / "golden.py").write_text((broken / "golden.py").read_text() + "\nimport os\nos._exit(3)\n")
    told = document(tilegraph("run", broken, "--json"))
    assert told["exit_code"] == 2 and "ended its process" in told["examples"][0]["error"]
    assert told["examples"][0]["cases"] == []


def test_json_of_all_examples_below_a_folder(program):
    told = document(tilegraph("run", "--all", program.parent, "--json"))
    assert told["passed"] and [each["name"] for each in told["examples"]] == ["program"]
    assert len(told["examples"][0]["cases"]) == 2


def test_report_writes_the_page(program, tmp_path):
    done = tilegraph("report", program, "-o", tmp_path / "page.html")
    assert done.returncode == 0 and "What the" in done.stdout and "report: " in done.stdout, done.stderr
    pages = sorted(path.name for path in tmp_path.iterdir())
    assert pages == ["page.five-pieces.html", "page.one-piece.html"]
    assert all(f"{tmp_path / name}\n" in done.stdout for name in pages)


def test_a_dash_is_standard_output_and_input(program):
    """One case of the golden, read from standard input; the trace alone goes to standard output."""
    golden = (program / "golden.py").read_text().replace(', {"name": "five-pieces", "n": 4 * 4096 + 7}', "")
    command = [sys.executable, str(ROOT / "examples" / "scripts" / "run_example.py"), "-k", str(program / "kernels"),
               "-g", "-", "-p", "a2a3sim", "--trace", "-"]
    done = subprocess.run(command, input=golden, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env=clean_environment(), timeout=300, check=False)
    assert done.returncode == 0 and done.stderr.endswith("TEST PASSED\n"), done.stderr
    assert len(json.loads(done.stdout)["traceEvents"]) > 2
    for words in (("--trace", "-", "--graph", "-"), ("--trace", "-", "--json")):
        refused = tilegraph("run", program, *words)
        assert refused.returncode == 2 and "would both write" in refused.stderr


def test_quiet_says_nothing_of_a_success(program):
    done = tilegraph("run", program, "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_bench_tells_cold_and_warm(program):
    told = document(tilegraph("bench", program, "--runs", "3", "--json"))
    case = told["examples"][0]["cases"][0]
    assert told["platform"] == "cpu" and case["warm"]["runs"] == 3 and case["cold"]["device_ns"] > 0
    assert case["warm"]["device_ns"]["min"] <= case["warm"]["device_ns"]["median"] <= case["warm"]["device_ns"]["max"]
    table = tilegraph("bench", program, "--runs", "2", "-p", "a2a3sim").stdout
    assert table.startswith("case") and "five-pieces" in table


def test_info_tells_what_there_is():
    told = document(tilegraph("info", "--json"))
    assert {"a2a3sim", "cpu"} <= set(told["platforms"]) and told["instruction_sets"][0] == "portable"
    assert told["version"] in tilegraph("info").stdout
    broken = tilegraph("info", TILEGRAPH_LIB="/nowhere.so")
    assert broken.returncode == 2 and "TILEGRAPH_LIB: there is no file" in broken.stderr


@pytest.mark.parametrize("words", [["--check"], ["-p", "cpu", "--repeat", "3"], ["--batch", "0"], ["--schedules", "2"]])
def test_json_of_the_flagship(words):
    binary = os.path.join(os.environ.get("TG_BUILD_DIR", ROOT / "build"), "bin", "paged_attention")
    done = subprocess.run([binary, "--json", *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          timeout=300, check=False)
    told = document(done)
    assert told["pass"] is (done.returncode == 0) and (told["warm_best_us"] is not None) is ("--repeat" in words)


def test_the_versions_of_the_packages_agree():
    version = tilegraph("--version").stdout.split()[1]
    assert (ROOT / "debian" / "changelog").read_text().startswith(f"tilegraph ({version}) ")


# ---- terminals, manuals, completion ----------------------------------------------------------------------------------

def on_a_terminal(*words, **variables):
    """What the command writes when its stderr is a terminal."""
    ours, theirs = pty.openpty()
    environment = clean_environment(PYTHONPATH=str(PACKAGES), TERM="xterm", **variables)
    if "NO_COLOR" not in variables:
        environment.pop("NO_COLOR", None)
    subprocess.run([sys.executable, "-m", "tilegraph", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                   stderr=theirs, env=environment, timeout=60, check=False)
    os.close(theirs)
    try:
        return os.read(ours, 10000).decode()
    finally:
        os.close(ours)


def test_colours_are_for_terminals():
    assert on_a_terminal("rnu").startswith("\x1b[31m[error] \x1b[0m")
    assert on_a_terminal("rnu", NO_COLOR="1").startswith("[error] ")
    assert "\x1b" not in tilegraph("rnu").stderr


def test_man_pages_have_every_option(tmp_path):
    pages = usage.man_pages("1.2.3")
    assert set(pages) == {"tilegraph.1", *(f"tilegraph-{command.name}.1" for command in COMMANDS)}
    for command in COMMANDS:
        page = pages[f"tilegraph-{command.name}.1"].replace("\\-", "-")
        assert all(option.spelled in page for option in options_of(command).values())
    if shutil.which("man"):
        for name, text in pages.items():
            (tmp_path / name).write_text(text)
            done = subprocess.run(["man", "--warnings", "-l", str(tmp_path / name)], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, check=False,
                                  env={**os.environ, "MANPAGER": "cat", "MANWIDTH": "80", "LC_ALL": "C.UTF-8"})
            assert done.returncode == 0 and done.stderr == "" and "EXIT STATUS" in done.stdout, done.stderr


def completed(words, tmp_path):
    """What bash completes the last of `words` to."""
    script = tmp_path / "completion"
    script.write_text(usage.bash_completion())
    array = " ".join(f"'{word}'" for word in words)
    program = (f". {script}; COMP_WORDS=({array}); COMP_CWORD={len(words) - 1}; _tilegraph; "
               'printf "%s\\n" "${COMPREPLY[@]}"')
    return subprocess.run(["bash", "-c", program], cwd=tmp_path, check=True, stdout=subprocess.PIPE,
                          text=True).stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize("words, expected", [
    (["tilegraph", "r"], ["run", "report"]),
    (["tilegraph", "run", "--pip"], ["--pipes"]),
    (["tilegraph", "run", "--pipes", "l"], ["late"]),
    (["tilegraph", "run", "-p", ""], ["a2a3sim", "cpu"]),
    (["tilegraph", "new", "--language", "c"], ["c", "c++"]),
    (["tilegraph", "completion", "z"], ["zsh"]),
    (["tilegraph", "run", "comp"], ["completion"]),
    (["tilegraph", "report", "-o", "comp"], ["completion"]),
])
def test_bash_completes(words, expected, tmp_path):
    assert completed(words, tmp_path) == expected


def test_zsh_completion_has_every_option(tmp_path):
    script = usage.zsh_completion()
    assert all(option.spelled in script for command in COMMANDS for option in options_of(command).values())
    assert tilegraph("completion", "zsh").stdout == script
    if shutil.which("zsh"):
        (tmp_path / "_tilegraph").write_text(script)
        subprocess.run(["zsh", "-n", str(tmp_path / "_tilegraph")], check=True)


def typed_into_zsh(start, lines, folder):
    """What an interactive zsh makes of each line after the key Tab; `start` is run at its beginning."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execvpe("zsh", ["zsh", "-f", "-i"], {**os.environ, "TERM": "dumb", "ZDOTDIR": str(folder)})

    def until(pattern):
        said, end = "", time.monotonic() + 60
        while not re.search(pattern, said) and time.monotonic() < end:
            if select.select([terminal], [], [], 1)[0]:
                said += os.read(terminal, 10000).decode()
        found = re.search(pattern, said)
        assert found, said
        return found[1]
    try:
        os.write(terminal, f"{start}; print -r READY$((6 * 7))\n".encode())
        until("(READY42)")
        made = []
        for line in lines:  # Ctrl-A, Ctrl-E: the line is printed instead of run
            os.write(terminal, f"{line}\t\x01print -r -- '<\x05>'\n".encode())
            made.append(until(r"\n<([^>]*)>").strip())
        return made
    finally:
        os.write(terminal, b"exit\n")
        os.close(terminal)
        os.waitpid(pid, 0)


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
@pytest.mark.parametrize("start", ["fpath=({folder} $fpath); autoload -Uz compinit; compinit -u -D",
                                   "autoload -Uz compinit; compinit -u -D; . {folder}/_tilegraph"],
                         ids=["fpath", "sourced"])
def test_zsh_completes(start, tmp_path):
    (tmp_path / "_tilegraph").write_text(usage.zsh_completion())
    lines = {"tilegraph inf": "tilegraph info", "tilegraph run --pip": "tilegraph run --pipes",
             "tilegraph run --pipes l": "tilegraph run --pipes late",
             "tilegraph new --language c+": "tilegraph new --language c++",
             "tilegraph completion z": "tilegraph completion zsh", "tilegraph help exi": "tilegraph help exit-codes"}
    assert typed_into_zsh(start.format(folder=tmp_path), lines, tmp_path) == list(lines.values())


# ---- one case of several ---------------------------------------------------------------------------------------------

def test_one_case_of_several(tmp_path):
    assert tilegraph("new", "first", "-q", cwd=tmp_path).returncode == 0
    several = tilegraph("report", "first", "-o", "-", cwd=tmp_path)
    assert several.returncode == 2 and "choose one: --case one-piece" in several.stderr and not several.stdout
    page = tilegraph("report", "first", "-o", "-", "--case", "five-pieces", cwd=tmp_path)
    assert page.returncode == 0 and page.stdout.startswith("<!doctype html>"), page.stderr
    assert "first, five-pieces" in page.stdout and "one-piece" not in page.stderr
    told = document(tilegraph("run", "first", "--case", "one-piece", "--json", cwd=tmp_path))
    assert [case["name"] for case in told["examples"][0]["cases"]] == ["one-piece"]
    wrong = tilegraph("run", "first", "--case", "onepiece", cwd=tmp_path)
    assert wrong.returncode == 2 and "unknown case 'onepiece': did you mean one-piece?" in wrong.stderr


# ---- mistyped instructions -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("language, cc", [("c", "gcc"), ("c", "clang"), ("c++", "g++"), ("c++", "clang++")])
def test_a_mistyped_instruction(language, cc, tmp_path):
    if not shutil.which(cc):
        pytest.skip(f"{cc} is not installed")
    assert tilegraph("new", "first", "-q", "--language", language, cwd=tmp_path).returncode == 0
    kernel = next((tmp_path / "first" / "kernels" / "aiv").glob("aiv_exp.*"))
    kernel.write_text(kernel.read_text().replace("TEXP(", "TEXXP("))
    done = tilegraph("run", "first", cwd=tmp_path, CC=cc, CXX=cc)
    assert done.returncode == 8 and re.search(r"TEXXP.*did you mean .?TEXP\b", done.stderr), done.stderr
