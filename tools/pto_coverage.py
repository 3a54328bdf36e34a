#!/usr/bin/env python3
"""The share of the PTO family's kernels whose tile instructions include/pto has.

    tools/pto_coverage.py [--names]

USES counts the kernels that use an instruction, in three collections: the 20 kernels of the examples of
hw-native-sys/simpler at 3606df722, the 85 hand-written and the 402 generated ones at 6ebaf771. A kernel may lack
several of the missing instructions, so the share is at least what is printed.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KERNELS = (20, 85, 402)  # examples, hand-written, generated
USES = {
    "TASSIGN": (20, 58, 384), "TSTORE": (20, 57, 372), "TLOAD": (20, 57, 355), "TCVT": (0, 8, 165),
    "TADD": (6, 23, 142), "TMATMUL": (5, 20, 122), "TEXPANDS": (0, 1, 129), "TROWEXPANDMUL": (2, 8, 119),
    "TMULS": (2, 8, 117), "TMATMUL_ACC": (0, 3, 114), "TMUL": (5, 12, 99), "TADDS": (3, 5, 102),
    "TEXTRACT": (0, 0, 106), "TMOV": (5, 20, 76), "TCOLEXPANDMUL": (0, 0, 96), "TROWSUM": (2, 8, 75),
    "TEXP": (5, 16, 61), "TROWMAX": (2, 8, 56), "TMAX": (2, 11, 48), "TRECIP": (0, 0, 52), "TNEG": (0, 0, 46),
    "TGATHER": (0, 0, 46), "TSUB": (2, 9, 34), "TDIV": (0, 0, 43), "TROWEXPANDSUB": (2, 8, 22), "TRSQRT": (0, 0, 32),
    "TROWEXPANDDIV": (2, 8, 21), "TCI": (0, 0, 31), "TSUBS": (0, 0, 30), "TMAXS": (0, 0, 29), "TFILLPAD": (0, 0, 27),
    "TPUSH": (0, 1, 24), "TMINS": (0, 0, 25), "TCOLEXPAND": (0, 0, 25), "TSQRT": (1, 1, 22), "TABS": (0, 0, 22),
    "TNOTIFY": (0, 0, 17), "TWAIT": (0, 0, 17), "TRESHAPE": (2, 11, 0), "TLOG": (1, 1, 10), "TPUT": (0, 0, 12),
    "TTRANS": (0, 0, 11), "TFILLPAD_INPLACE": (0, 8, 0), "TCOLEXPANDADD": (0, 0, 8), "TMRGSORT": (0, 0, 6),
    "TSORT32": (0, 0, 6), "TCONCAT": (0, 0, 5), "TROWEXPAND": (0, 0, 5), "TCOLSUM": (0, 0, 1), "TCOLMAX": (0, 0, 1),
    "TCOLEXPANDEXPDIF": (0, 0, 1), "TPREFETCH_ASYNC": (0, 1, 0),
}
TOGETHER = {"TPUSH": "TPipe, TPUSH, TPOP and TFREE"}  # always used together, so counted once


def offered():
    """The names that a kernel may use: rows of the table of instructions, and functions of the headers."""
    headers = "".join(path.read_text() for path in sorted((ROOT / "include" / "pto" / "common").glob("*.hpp")))
    refused = set(re.findall(r"TG_PTO_NOT_OFFERED\((\w+),", headers))
    table = (ROOT / "include" / "tilegraph" / "instructions.h").read_text()
    return (set(re.findall(r"^    X\((T\w+),", table, flags=re.MULTILINE))
            | set(re.findall(r"\b(T[A-Z]\w*)\((?:[A-Z] &|typename|detail)", headers))) - refused


def main(arguments):
    names = offered()
    missing = [name for name in USES if name not in names]
    lost = [sum(USES[name][i] for name in missing) for i in range(len(KERNELS))]
    if "--names" in arguments:
        for name, counts in USES.items():
            print(f"{name:18} {'has' if name in names else 'LACKS':6} {' '.join(f'{n:4}' for n in counts)}")
    for what, n, less in zip(("examples", "hand-written", "generated"), KERNELS, lost):
        print(f"{what:13} {n - less:4} of {n:4}  {100 * (n - less) / n:5.1f} %")
    print(f"{'all':13} {sum(KERNELS) - sum(lost):4} of {sum(KERNELS):4}  "
          f"{100 * (sum(KERNELS) - sum(lost)) / sum(KERNELS):5.1f} %, without "
          + ("nothing" if not missing else ", ".join(TOGETHER.get(name, name) for name in missing)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
