"""The table of the checks' cost is written between its markers, from a file of results."""
import json
import subprocess
import sys

from conftest import ROOT

ROW = {"bench": "check", "program": "a chain", "tasks": 2000, "pairs": 1999, "unchecked_s": 2.0, "checked_s": 3.0,
       "check_bytes": 200000, "repeats": 3}
BEGIN, END = "<!-- cost table: `make check-cost` writes it -->", "<!-- end of cost table -->"


def write(tmp_path, page):
    results, path = tmp_path / "results", tmp_path / "page.md"
    results.write_text("a table\n\n[\n " + json.dumps(ROW) + "\n]\n", encoding="utf-8")
    path.write_text(page, encoding="utf-8")
    done = subprocess.run([sys.executable, ROOT / "tools" / "check_cost.py", results, "Alone.", path],
                          stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    return done, path.read_text(encoding="utf-8")


def test_the_table_takes_the_place_of_the_last_one(tmp_path):
    done, page = write(tmp_path, f"before\n{BEGIN}\nold\n{END}\nbehind\n")
    assert done.returncode == 0, done.stderr
    assert "| a chain | 2,000 | 1,999 | 2.00 s | 3.00 s | 1.50 | 100 |" in page
    assert page.startswith(f"before\n{BEGIN}\nMedians of 3 ") and page.endswith(f"{END}\nbehind\n")
    assert "old" not in page and "Alone." in page


def test_a_page_without_markers_is_left_alone(tmp_path):
    done, page = write(tmp_path, "no table\n")
    assert done.returncode == 1 and "lacks the markers" in done.stderr
    assert page == "no table\n"
