#!/usr/bin/env python3
"""Write the cost of the checks into docs/checking-memory.md, from what bench_check prints.

    tools/check_cost.py RESULTS CONDITIONS [PAGE]

RESULTS: a file with a JSON object of a benchmark a line, or in arrays. CONDITIONS: a sentence on how it was measured.
"""
import os
import re
import sys
from pathlib import Path

from measured import ROOT, paragraph, processor, results_of

PAGE = ROOT / "docs" / "checking-memory.md"
BEGIN, END = "<!-- cost table: `make check-cost` writes it -->\n", "<!-- end of cost table -->\n"


def table(rows):
    lines = ["| program | tasks | conflicting pairs | unchecked | checked | times | memory, bytes a task |",
             "|---|---:|---:|---:|---:|---:|---:|"]
    for r in rows:
        lines.append(f"| {r['program']} | {r['tasks']:,} | {r['pairs']:,} | {r['unchecked_s']:.2f} s | "
                     f"{r['checked_s']:.2f} s | {r['checked_s'] / r['unchecked_s']:.2f} | "
                     f"{r['check_bytes'] / r['tasks']:.0f} |")
    return "\n".join(lines)


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    rows = results_of("check", sys.argv[1])
    if not rows:
        sys.exit(f"check_cost: {sys.argv[1]} has no results of bench_check")
    page = Path(sys.argv[3]) if len(sys.argv) > 3 else PAGE
    text = page.read_text(encoding="utf-8")
    where = paragraph(f"Medians of {rows[0]['repeats']} on {os.cpu_count()} cores of {processor()}. {sys.argv[2]}")
    between = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    filled, n = between.subn(lambda _: f"{BEGIN}{where}\n\n{table(rows)}\n{END}", text)
    if n != 1:
        sys.exit(f"check_cost: {page} lacks the markers of the cost table")
    page.write_text(filled, encoding="utf-8")


if __name__ == "__main__":
    main()
