#!/usr/bin/env python3
"""shape.py [--check]: print the shape of the sources; --check fails where a limit is broken.

Functions    length in lines (median, 90th percentile, longest), and static functions with one caller.
Arrows       includes between rooms, rooms that include each other in a circle, includes that the table of
             check_includes.sh does not allow, and rows of that table that name a room below them (upwards).
Symbols      functions that the public headers export (TG_API).
Names        identifiers and files that the pages about the inside name and the sources do not have.
Glossary     terms of our own, and their limit.
Lines        wider than 120 columns; lines of comments that begin with * in the first column.
Sentences    longer than 30 words, in comments and documents, and sentences whose subject is "who" or "what".

Limits of --check: no circle of rooms; no include or row that points upwards; no name without a source; no more terms
than TERMS; no wide line, lost margin, long sentence or pronoun as the subject in a file
of HELD.
"""
import collections
import os
import re
import statistics
import subprocess
import sys

WIDTH = 120
WORDS = 30
TERMS = 25

# Pages that name functions and fields of the sources.
INSIDE = ("docs/inside/*.md", "docs/how-a-task-travels.md", "docs/graph.md")

# Files in which a line or sentence over its limit fails the check.
HELD = (".c", ".h", ".inc", ".hpp", ".cpp", ".md", ".py", ".sh")

RIDDLES = re.compile(
    r"(?:^|[.;:] +|, )(?:[Ww]ho|[Ww]hat|[Ww]hoever)(?:ever)? (?:is|has|was|does|can|makes|waits|holds|comes|a|the|it)\b"
    r"|\bis none\b|\bfor ever there\b|\b[Ww]hoever\b|\b[Ww]ho is\b"
)


def tracked(*patterns):
    out = subprocess.run(["git", "ls-files", "--", *patterns], capture_output=True, text=True, check=True).stdout
    return [name for name in out.splitlines() if os.path.exists(name)]


def lines_of(name):
    with open(name, encoding="utf-8") as file:
        return file.read().splitlines()


# ---- functions ----


def functions(name):
    """(name, lines, static) of each function of a clang-formatted file: the body's braces stand in column 0."""
    found, head = [], []
    start = None
    for number, line in enumerate(lines_of(name), 1):
        if start is None:
            if line == "{" and head:
                start = number
            elif line[:1].isalpha() or line[:1] == "_":
                head = [line]
            elif line.startswith(" ") and head:
                head.append(line)
            else:
                head = []
        elif line == "}":
            text = " ".join(head)
            match = re.search(r"(\w+)\s*\(", text)
            if match:
                found.append((match.group(1), number - start - 1, text.startswith("static")))
            start, head = None, []
    return found


def report_functions():
    lengths, single, n_static = [], 0, 0
    longest = []
    for name in tracked("src/*.c", "src/*.inc"):
        text = "\n".join(lines_of(name))
        for function, length, static in functions(name):
            lengths.append(length)
            longest.append((length, f"{name}: {function}"))
            if static:
                n_static += 1
                single += len(re.findall(rf"\b{function}\b", text)) == 2
    lengths.sort()
    longest.sort(reverse=True)
    print(f"functions    {len(lengths)}: median {statistics.median(lengths):.0f}, 90th percentile "
          f"{lengths[len(lengths) * 9 // 10]}, longest {lengths[-1]} lines")
    print(f"             {n_static} static, {100 * single // max(1, n_static)} % of them named once besides their "
          "definition")
    for length, where in longest[:5]:
        print(f"             {length:4} {where}")


# ---- rooms ----


def room_of(name):
    parts = name.split("/")
    if name.startswith(("src/machine/", "src/check/")) and len(parts) > 3:
        return "/".join(parts[1:3])
    return parts[1]


def circles():
    """Rooms that reach each other, as sorted lists."""
    arrows = collections.defaultdict(set)
    for name in tracked("src/*.c", "src/*.h", "src/*.inc"):
        for line in lines_of(name):
            match = re.match(r'#include "([a-z_/]+)/[^/]+"', line)
            if match and match.group(1) != room_of(name):
                arrows[room_of(name)].add(match.group(1))

    def reach(room):
        seen, todo = set(), [room]
        while todo:
            for other in arrows[todo.pop()]:
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        return seen

    rooms = {room: reach(room) for room in list(arrows)}
    found = sorted(room for room, others in rooms.items() if room in others)
    n_arrows = sum(len(others) for others in arrows.values())
    print(f"rooms        {len(rooms)}, {n_arrows} arrows, in a circle: {', '.join(found) or '0 rooms'}")
    return found


def table():
    """The rows of check_includes.sh: {room: rooms that it may include}, from the lowest room to the highest."""
    text = "\n".join(lines_of("tools/check_includes.sh"))
    rows = re.search(r"^arrows='\n(.*?)^'", text, re.S | re.M).group(1).splitlines()
    return {row.split()[0]: row.split()[1:] for row in rows}


def room_of_header(name):
    return room_of(f"src/{name}") if not name.startswith("tilegraph/") else None


def upwards():
    """Includes that the table does not allow, and rows that name a later row, as texts. The lowest room is first in the
    table, so a later row is higher."""
    allowed = table()
    order = list(allowed)
    found = [f"the table: {room} includes {other}, which is higher"
             for room, others in allowed.items() for other in others if order.index(other) > order.index(room)]
    n_includes = 0
    for name in tracked("src/*.c", "src/*.h", "src/*.inc"):
        for number, line in enumerate(lines_of(name), 1):
            match = re.match(r'#include "([a-z_0-9/]+/[^/"]+)"', line)
            if not match:
                continue
            n_includes += 1
            here, there = room_of(name), room_of_header(match.group(1))
            if there and there in allowed and here != there and there not in allowed.get(here, []):
                found.append(f"{name}:{number}: {here} includes {match.group(1)}, which the table does not allow")
    print(f"             {n_includes} includes between files of src, {len(found)} upwards or against the table")
    return found


def symbols():
    names = set()
    for name in tracked("include/tilegraph/*.h"):
        names.update(re.findall(r"^TG_API [^(]*?\b([a-z][a-z0-9_]*)\(", "\n".join(lines_of(name)), re.M))
    print(f"symbols      {len(names)} exported functions")


# ---- names in documents ----


def names_without_source():
    """Identifiers in backticks on the pages of INSIDE that no source has, as texts."""
    sources = tracked("src/*", "include/*", "tests/*.c", "tests/*.h", "tests/*.py", "tests/*.txt", "tools/*",
                      "bench/*.c", "examples/*.c", "Makefile")
    words = set()
    for name in sources:
        if not name.endswith((".md", ".png", ".svg")) and "/corpus/" not in name:
            words.update(re.findall(r"\w+", "\n".join(lines_of(name))))
    folders = {part for name in sources for part in re.split(r"[/.]", name)}
    found, n_names = [], 0
    for page in tracked(*INSIDE):
        for number, line in enumerate(lines_of(page), 1):
            for code in re.findall(r"`([^`]+)`", line):
                for word in re.findall(r"[a-z][a-z0-9]*_\w+|\w+(?=\(\))", code):
                    n_names += 1
                    if word not in words | folders:
                        found.append(f"{page}:{number}: no source has '{word}'")
    print(f"names        {n_names} in pages about the inside, {len(found)} that no source has")
    return found


def glossary():
    text = "\n".join(lines_of("docs/glossary.md"))
    own = text.partition("\n## Terms of this project\n")[2]
    n_terms = len(re.findall(r"^\| (?!term \|)", own, re.M))
    print(f"glossary     {n_terms} terms of our own, {TERMS} at most")
    return [f"docs/glossary.md: {n_terms} terms of our own: {TERMS} at most"] if not 0 < n_terms <= TERMS else []


# ---- text ----

SOURCES = ("*.c", "*.h", "*.inc", "*.hpp", "*.cpp")


def comments(name):
    """Paragraphs of the comments of a C file, each (line, text)."""
    text = "\n".join(lines_of(name))
    pattern = r'"(?:\\.|[^"\\\n])*"|/\*.*?\*/|//[^\n]*'
    run = None
    for match in re.finditer(pattern, text, re.S):
        piece = match.group(0)
        if piece.startswith('"'):
            continue
        number = text.count("\n", 0, match.start()) + 1
        body = re.sub(r"^/\*+|\*+/$|^//", "", piece)
        rows = [re.sub(r"^\s*\*? ?", "", row) for row in body.split("\n")]
        yield from paragraphs(rows, number)


def paragraphs(rows, number):
    """Paragraphs of plain prose: drawings, tables, lists and code break them and are skipped."""
    words, first = [], number
    for offset, row in enumerate(rows + [""]):
        drawing = row.startswith("    ") or "   " in row.strip() or re.search(r"[-=]{3,}|->|<-|\|", row)
        item = re.match(r"\s*(?:[-*]|\d+\.|[a-z]\.) ", row)
        if not row.strip() or drawing or item:
            if words:
                yield first, " ".join(words)
            words = []
        if row.strip() and not drawing:
            if not words:
                first = number + offset
            words.append(re.sub(r"^\s*(?:[-*]|\d+\.) ", "", row).strip())


def document(name):
    rows, code = [], False
    for row in lines_of(name):
        fence = row.strip().startswith("```")
        code ^= fence
        plain = "" if code or fence or row.startswith(("#", "|", "<!--", "    ")) else re.sub(r"\]\([^)]*\)", "]", row)
        rows.append(plain)
    yield from paragraphs(rows, 1)


def sentences(paragraph):
    text = re.sub(r"`[^`]*`", "code", paragraph)
    return [part for part in re.split(r"(?<=[.!?:])\s+", text) if part]


def report_text():
    wide, long, riddles, margins = [], [], [], []
    for name in tracked(*SOURCES, "*.md", "*.py", "*.sh"):
        if name.startswith("tests/fuzz/corpus/"):
            continue
        fence = None  # the language of the open fence; without a language it holds what a program prints
        for number, line in enumerate(lines_of(name), 1):
            if name.endswith(".md") and line.startswith("```"):
                fence = line[3:] if fence is None else None
            table = name.endswith(".md") and line.startswith("|")
            if len(line) > WIDTH and not table and fence != "" and "http" not in line:
                wide.append((name, f"{name}:{number}: {len(line)} columns"))
            if name.endswith((".c", ".h", ".inc")) and re.match(r"\*( |$)", line):
                margins.append((name, f"{name}:{number}: this line of a comment has lost its margin"))
        if name.endswith((".py", ".sh")):
            continue
        for number, paragraph in document(name) if name.endswith(".md") else comments(name):
            for sentence in sentences(paragraph):
                count = len(sentence.split())
                if count > WORDS:
                    long.append((name, f"{name}:{number}: {count} words: {sentence[:100]}"))
                if RIDDLES.search(sentence):
                    riddles.append((name, f"{name}:{number}: {sentence[:100]}"))
    print(f"lines        {len(wide)} wider than {WIDTH} columns, {len(margins)} of comments without their margin")
    print(f"sentences    {len(long)} longer than {WORDS} words, {len(riddles)} with a pronoun as the subject")
    return wide + margins, long, riddles


def main():
    check, listed = "--check" in sys.argv, "--list" in sys.argv
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    report_functions()
    found = [f"a circle of rooms: {room}" for room in circles()] + upwards()
    symbols()
    found += names_without_source() + glossary()
    wide, long, riddles = report_text()
    if listed:
        print("\n".join(found + [text for _, text in wide + long + riddles]))
    if not check:
        return 0
    broken = found + [text for name, text in wide + long + riddles if name.endswith(HELD)]
    print("\n".join(broken), file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
