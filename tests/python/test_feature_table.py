"""The table of attention's features in README.md: each row names tests, and the tests exist."""
import re

from conftest import ROOT

SOURCES = {path.name: path for folder in ("unit", "system", "python") for path in (ROOT / "tests" / folder).iterdir()}
CTESTS = " ".join(path.read_text() for path in (ROOT / "tests").glob("*.[ct]*") if path.is_file())


def rows(text):
    """(feature, cell of tests) of each row."""
    part = text.split("## Attention in a library")[1].split("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in part.splitlines()
             if line.startswith("| ")]
    return [(row[0], row[2]) for row in cells if row[0] != "feature"]


def named(cell):
    """(file, test) for each test of a cell; the file is test_attention.c if the cell names none, the test None for all
    of a file."""
    file, found = "test_attention.c", []
    for word in re.findall(r"`\w+`|\btest_\w+(?:\.py)?\b|\[[^]]*\]\([^)]*\)", cell):
        if word.startswith("["):
            continue
        name = word.strip("`")
        if word.startswith("`") and not re.match(r"test_(ranks|hosts)$", name):
            found.append((file, name))
            continue
        if re.match(r"test_(ranks|hosts)$", name):
            found.append(("CMakeLists.txt", name))
            continue
        file = name if name.endswith(".py") else name + ".c"
        if f"{name}: `" not in cell:
            found.append((file, None))
    return found


def missing(text):
    """What is wrong with the table."""
    wrong = []
    for feature, cell in rows(text):
        tests = named(cell)
        if not tests:
            wrong.append(f"{feature}: names no test")
        for file, test in tests:
            source = CTESTS if file == "CMakeLists.txt" else SOURCES[file].read_text() if file in SOURCES else ""
            defined = rf"(?:static void|X\(|def|NAME) ?{test}\b" if test else "."
            if not re.search(defined, source):
                wrong.append(f"{feature}: {file} has no {test or 'test'}")
    return wrong


def test_every_feature_names_tests_that_exist():
    text = (ROOT / "README.md").read_text()
    assert len(rows(text)) >= 20
    assert missing(text) == []


def test_a_wrong_table_is_noticed():
    text = (ROOT / "README.md").read_text()
    assert missing(text.replace("`soft_cap`", "`soft_caps`")) == ["scores: test_attention.c has no soft_caps"]
    assert missing(text.replace("`test_ranks`", "`test_rank`")) != []
    assert missing(text.replace("test_attention_combine:", "test_attention_combines:"))
    assert missing(text.replace("`sinks` |", "|").replace("`scale_of_ones_own`, `soft_cap`, `alibi`, |", "|")) == [
        "scores: names no test"]
