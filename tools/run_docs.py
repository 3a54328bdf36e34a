#!/usr/bin/env python3
"""run_docs.py [--write] BUILD_DIR PAGE...: run the commands and the code in documents, from top to bottom.

Each page gets a folder of its own, which looks like the source tree with BUILD_DIR as its build/. A marker, an HTML
comment right above a fenced block, says what the block is:

    bash        run by bash, under `set -eu`; variables and the current folder last until the end of the page
    c, cpp      compiled with warnings as errors, and only if it includes something
    python      run
    other       not run: a drawing, or what a program prints

    <!-- file: PATH -->            the block is written to PATH
    <!-- exit: N -->               the commands end with exit code N
    <!-- output -->                what the bash block before prints, on both streams. `...` stands for any text, a line
                                   `...` for any lines. `output, measured: WORDS, WORDS`: numbers are not compared in
                                   lines that have one of the WORDS
    <!-- body of: DECLARATION -->  C statements in this function
    <!-- part of: PATH -->         lines of this file, comments apart; paths are relative to the page
    <!-- run by: PATH -->          this test runs the block
    <!-- not run: REASON -->       nobody runs it

`make TARGET` only looks whether the Makefile has the target, as BUILD_DIR is built already; `make install` installs it.
--write puts what the commands print into the blocks of output. Exit code 1: something is wrong, 2: usage.
"""
import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MARKER = re.compile(r"<!-- (file|exit|output|body of|part of|run by|not run)(?:[:,] (.*?))? -->$")
CODE = ("bash", "c", "cpp", "python", "cmake")
# First words of what would be run or printed: a block without a language that has them needs a marker.
PRINTED = re.compile(r"(\$ |build/bin/|make |cc |python |tilegraph |check: |\[\w+\] |TG_ERR_|[\w.]+: TG_ERR_)")
HEADERS = "".join(f"#include <tilegraph/{name}.h>\n"
                  for name in ("tile", "orchestration", "tilegraph", "kv_cache", "attention"))
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]


@dataclass
class Block:
    page: Path
    line: int      # of the opening fence
    language: str
    rows: list
    markers: dict = field(default_factory=dict)

    @property
    def text(self):
        return "".join(row + "\n" for row in self.rows)

    @property
    def where(self):
        return f"{os.path.relpath(self.page, ROOT)}:{self.line}"


class Wrong(Exception):
    """A block that is not what its page says."""


def blocks_of(page):
    """The fenced blocks of a page, each with the markers right above it."""
    found, markers, block = [], {}, None
    for number, row in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = re.match(r"( *)```(\w*)$", row)
        if block and fence:
            found.append(block)
            block = None
        elif block:
            block.rows.append(row)
        elif fence:
            block = Block(page, number, fence[2], [], markers)
            markers = {}
        elif match := MARKER.match(row.strip()):
            markers[match[1]] = match[2] or ""
        elif row.strip():
            markers = {}
    return found


class Reader:
    """Does what a reader of one page would do, in a folder of its own."""

    def __init__(self, build, folder):
        self.folder, self.printed, self.state = folder, None, folder / ".state"
        for entry in ROOT.iterdir():
            if entry.name not in (".git", "build"):
                (folder / entry.name).symlink_to(entry)
        (folder / "build").symlink_to(build)
        tools = folder / ".bin"
        for made in (tools, folder / ".home"):
            made.mkdir()
        python = subprocess.run([ROOT / "tools" / "find_python.sh", "numpy"], stdout=subprocess.PIPE, text=True,
                                check=True).stdout.strip()
        self.script(tools / "make", f'''case $1 in
            install) cmake --install {build} --prefix "${{2#PREFIX=}}" >/dev/null ;;
            *) {shutil.which("make")} --no-print-directory -C {ROOT} -n "$@" >/dev/null ;;
        esac''')
        for name in ("python", "python3"):
            self.script(tools / name, f'exec {python} "$@"')
        self.script(tools / "cc", f'exec {os.environ.get("CC") or "/usr/bin/cc"} "$@"')
        self.environment = {name: value for name, value in os.environ.items()
                            if not name.startswith(("PA_", "PTO_", "TG_", "TILE"))}
        self.environment.update(
            PATH=f"{tools}:{build}/bin:{os.environ['PATH']}", HOME=str(folder / ".home"), NO_COLOR="1",
            XDG_CACHE_HOME=str(folder / ".cache"), PYTHONPATH=str(ROOT / "python"), PYTHONUNBUFFERED="1",
            PYTHONDONTWRITEBYTECODE="1")

    @staticmethod
    def script(path, text):
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def bash(self, text, expected=0):
        """Run lines of bash; what they print stays for a block of output."""
        restore = f". {self.state}" if self.state.exists() else f"cd {self.folder}"
        keep = f'trap \'{{ declare -px; printf "cd %q\\n" "$PWD"; }} >{self.state}\' EXIT'
        done = subprocess.run(["bash", "-euc", f"{restore}\n{keep}\n{text}"], env=self.environment, cwd=self.folder,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", check=False)
        self.printed = done.stdout
        if done.returncode != expected:
            raise Wrong(f"ends with exit code {done.returncode}, expected {expected}:\n{done.stdout}")

    def compile(self, text, language, *options):
        """Look through C or C++ without making anything of it."""
        compiler, standard = ("CC", "c11") if language == "c" else ("CXX", "c++17")
        command = [os.environ.get(compiler) or {"CC": "cc", "CXX": "c++"}[compiler], f"-std={standard}", *WARNINGS,
                   *options, f"-I{ROOT / 'include'}", "-fsyntax-only", "-x", {"c": "c", "cpp": "c++"}[language], "-"]
        done = subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        if done.returncode:
            raise Wrong(f"does not compile:\n{done.stdout}")

    def write(self, name, text):
        here = self.folder
        if self.state.exists():
            here = Path(subprocess.run(["bash", "-c", f". {self.state}; pwd"], stdout=subprocess.PIPE, text=True,
                                       check=True).stdout.strip())
        path = here / name
        if not path.parent.exists():
            raise Wrong(f"there is no folder for {name}")
        path.write_text(text)

    def run(self, block):
        """Do what the block says. Raises Wrong."""
        language, markers = block.language, block.markers
        if "not run" in markers:
            if not markers["not run"]:
                raise Wrong("'not run' gives no reason")
        elif "run by" in markers:
            if not (block.page.parent / markers["run by"]).is_file():
                raise Wrong(f"there is no {markers['run by']}")
        elif "part of" in markers:
            if without_comments(block.text) not in without_comments(
                    (block.page.parent / markers["part of"]).read_text(encoding="utf-8")):
                raise Wrong(f"these lines are not in {markers['part of']}")
        elif "output" in markers:
            self.compare(block)
        elif language == "bash":
            self.bash(block.text, int(markers.get("exit", 0)))
        elif language == "python" and "file" not in markers:
            self.write(".snippet.py", block.text)
            self.bash("python .snippet.py", int(markers.get("exit", 0)))
        elif language in ("c", "cpp"):
            if "body of" in markers:
                self.compile(f"{HEADERS}{markers['body of']};\n{markers['body of']}\n{{\n{block.text}}}\n", language,
                             "-Wno-unused-variable", "-Wno-unused-but-set-variable")
            elif "#include <" in block.text:
                self.compile(block.text, language)
            else:
                raise Wrong("this code includes nothing: mark it with 'body of' or 'part of'")
        elif language in CODE and "file" not in markers:
            raise Wrong(f"{language} is not run here: mark the block with 'run by' or 'not run'")
        elif not language and "file" not in markers and PRINTED.match(block.text):
            raise Wrong("commands need the language bash; what they print needs a marker")
        if "file" in markers:
            self.write(markers["file"], block.text)

    def compare(self, block):
        if self.printed is None:
            raise Wrong("nothing was run before this output")
        if matches(block, self.printed):
            return
        changes = difflib.unified_diff(block.rows, self.printed.rstrip("\n").split("\n"), "the page", "printed",
                                       lineterm="", n=1)
        raise Wrong("the output differs:\n" + "\n".join(changes))


def without_comments(text):
    rows = [row.rstrip() for row in re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.S).split("\n")]
    return "\n".join(row for row in rows if row)


def masked(row, measured):
    row = row.rstrip()
    return re.sub(r"\d[\d.]*(e[+-]\d+)?", "#", row) if any(word in row for word in measured) else row


def measured_words(block):
    match = re.match(r"measured: (.*)", block.markers["output"])
    return match[1].split(", ") if match else []


def row_pattern(row):
    return re.escape(row).replace(re.escape("..."), ".*") + "\n"


def matches(block, printed):
    measured = measured_words(block)
    wanted = [masked(row, measured) for row in block.rows]
    pattern = "".join(r"(?:.*\n)*?" if row == "..." else row_pattern(row) for row in wanted)
    text = "".join(masked(row, measured) + "\n" for row in printed.rstrip("\n").split("\n"))
    return re.fullmatch(pattern, text) is not None


def rewritten(block, printed):
    """The rows of a block of output, up to date; rows that still fit stay as they are."""
    if "..." in block.rows:
        raise Wrong("a line '...' stands for lines that --write does not know: write this block by hand")
    measured, rows = measured_words(block), []
    for row in printed.rstrip("\n").split("\n"):
        text = masked(row, measured)
        rows.append(next((old for old in block.rows
                          if re.fullmatch(row_pattern(masked(old, measured)), text + "\n")), row.rstrip()))
    return rows


def update(block, printed):
    rows = block.page.read_text(encoding="utf-8").splitlines()
    rows[block.line:block.line + len(block.rows)] = rewritten(block, printed)
    block.page.write_text("\n".join(rows) + "\n", encoding="utf-8")


def read(page, build, write):
    """(blocks, failures) of a page."""
    n_wrong, blocks = 0, blocks_of(page)
    with tempfile.TemporaryDirectory(prefix="tilegraph-docs-") as name:
        reader = Reader(build, Path(name))
        moved = 0  # lines that --write has added above
        for block in blocks:
            block.line += moved
            try:
                if write and "output" in block.markers and reader.printed and not matches(block, reader.printed):
                    update(block, reader.printed)
                    moved += len(rewritten(block, reader.printed)) - len(block.rows)
                else:
                    reader.run(block)
            except Wrong as wrong:
                print(f"{block.where}: {wrong}", file=sys.stderr)
                n_wrong += 1
    return len(blocks), n_wrong


def main():
    arguments = sys.argv[1:]
    write = "--write" in arguments
    if write:
        arguments.remove("--write")
    if len(arguments) < 2 or not Path(arguments[0], "bin").is_dir():
        print("usage: run_docs.py [--write] BUILD_DIR PAGE...", file=sys.stderr)
        return 2
    counts = [read(Path(page).resolve(), Path(arguments[0]).resolve(), write) for page in arguments[1:]]
    n_wrong = sum(wrong for _, wrong in counts)
    print(f"{sum(blocks for blocks, _ in counts)} blocks, {n_wrong} wrong")
    return 1 if n_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
