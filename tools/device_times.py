#!/usr/bin/env python3
"""device_times.py [--leave-one-out] [BUILD]: published device times beside the predictions of a2a3sim, in Markdown.

BUILD is the build folder, `build` by default. A row passes if the prediction lies within 10 % of the published time, or
of the published range. Exit 1 if a row fails.

--leave-one-out: each figure of the machine that was fitted to several rows is fitted again to one of them, and the
others are predicted with it. So each row is predicted by a machine that has not seen it. Rows whose figure has no other
row are named. This takes a few minutes.
"""
import json
import math
import os
import re
import subprocess
import sys
import tempfile

ALLOWED = 0.10
STEPS = 4  # of the secant method; predictions are nearly linear in each figure

# name: least and most published us, options. Sources: hw-native-sys/simpler, commits and pull requests in the name.
ROWS = {
    "PA-1, a block a task, aicpu_build_graph (aed352609, f5afc3edf, aa1e470a4)": (30026, 32772, "--case PA-1"),
    "PA-1, 64 blocks a task, aicpu_build_graph (aed352609, aa1e470a4)":
        (1385.1, 1421.2, "--case PA-1 --blocks-per-task 64"),
    "PA-1, 64 blocks a task, 480 sequences, aicpu_build_graph (V200)":
        (2170, 2250, "--case PA-1 --batch 480 --blocks-per-task 64"),
    "PA-1, a block a task, host_build_graph (PR 1618)": (24426.2, 24426.2, "--case PA-1 --runtime host_build_graph"),
    "2 tasks, aicpu_build_graph (PR 1785)": (52, 52, "--case zero"),
    "2 tasks, host_build_graph (PR 1785)": (108, 108, "--case zero --runtime host_build_graph"),
}
# The builder's own time instead of the run's. The programs here have no buffer tasks: 581 us are the published 706.7 us
# less 256 buffer tasks of 0.49 us; 44 us are the 54.7 us of 13 tasks for 12 tasks, by a builder that takes 1/1.15 of
# the time, because it does not derive edges.
BUILDER_ROWS = {
    "builder alone, PA-1, 64 blocks a task (aa1e470a4)": (581, 581, "--case PA-1 --blocks-per-task 64"),
    "builder alone, PA-small1 (aa1e470a4)": (44, 44, "--case PA-small1"),
}
PA_1, PA_1_64, V200, PA_1_HOST, TWO, TWO_HOST = ROWS
BUILD_64, BUILD_SMALL = BUILDER_ROWS

# A fitted figure, and the rows that depend on it. With one row there is nothing to predict.
FITTED = {
    "hbm_rate": (PA_1_64, V200),
    "add_task": (PA_1, BUILD_64),
    "cold_add": (BUILD_SMALL, BUILD_64, TWO),
    "launch": (TWO,),
    "host_graph": (TWO_HOST,),
    "dispatch": (PA_1_HOST,),
}


def figures():
    text = open("machines/a2a3.txt", encoding="utf-8").read()
    return {name: float(value) for name, value in re.findall(r"^(\w+) *= *(\S+)", text, re.M)}


def predict(program, row, changed):
    """The predicted us of a row, by the built-in machine with the figures of `changed` replaced."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as machine:
        machine.write("".join(f"{name} = {value!r}\n" for name, value in changed.items()))
        machine.flush()
        options = (ROWS.get(row) or BUILDER_ROWS[row])[2].split()
        ran = subprocess.run([program, *options, "--machine", machine.name, "--json"], stdout=subprocess.PIPE,
                             check=True)
    told = json.loads(ran.stdout)
    if row in ROWS:
        return told["device_us"]
    used = {**figures(), **changed}
    return told["last_publish_us"] - 1e-3 * (used["launch"] + used["plugin_open"])


def error(row, us):
    """Relative to the published range; 0 inside."""
    least, most, _ = ROWS.get(row) or BUILDER_ROWS[row]
    return us / least - 1 if us < least else us / most - 1 if us > most else 0.0


def short(row):
    return row.split(" (")[0].replace(", aicpu_build_graph", "")


def print_row(first, row, us):
    least, most, _ = ROWS.get(row) or BUILDER_ROWS[row]
    published = f"{least:g}" if least == most else f"{least:g} to {most:g}"
    off = error(row, us)
    told = f"{100 * off:+.1f} %" if off else "in range"
    name = short(row) if first else row
    print("| " + " | ".join([*first, name, published, f"{us:.1f}", told]) + " |", flush=True)
    return off


def summary(errors):
    mean = math.exp(sum(math.log1p(abs(e)) for e in errors) / len(errors)) - 1
    print(f"\n{len(errors)} rows: geometric mean {100 * mean:.1f} %, worst {100 * max(map(abs, errors)):.1f} %")


def fit(program, name, row):
    """The value of the figure with which the row is predicted as published: the middle of its range."""
    least, most, _ = ROWS.get(row) or BUILDER_ROWS[row]
    wanted = (least + most) / 2
    x0 = figures()[name]
    x1 = 1.05 * x0
    y0, y1 = predict(program, row, {name: x0}), predict(program, row, {name: x1})
    for _ in range(STEPS):
        if y1 == y0 or abs(y1 / wanted - 1) < 0.002:
            break
        x0, x1, y0 = x1, max(0.0, x1 + (wanted - y1) * (x1 - x0) / (y1 - y0)), y1
        y1 = predict(program, row, {name: x1})
    return x1


def all_rows(program):
    print("| workload | published us | predicted us | error |\n|---|---:|---:|---:|")
    errors = [print_row([], row, predict(program, row, {})) for row in ROWS]
    summary(errors)
    return max(map(abs, errors)) <= ALLOWED


def leave_one_out(program):
    print("| figure, fitted to | value | predicted row | published us | predicted us | error |")
    print("|---|---:|---|---:|---:|---:|")
    errors = []
    for name, rows in FITTED.items():
        if len(rows) == 1:
            print(f"| {name}, {short(rows[0])} |  | no other row depends on it |  |  |  |")
        for row in rows if len(rows) > 1 else ():
            value = fit(program, name, row)
            for other in rows:
                if other != row:
                    us = predict(program, other, {name: value})
                    errors.append(print_row([f"{name}, {short(row)}", f"{value:.4g}"], other, us))
    summary(errors)
    return True


def main(arguments):
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    leave = "--leave-one-out" in arguments
    builds = [a for a in arguments if not a.startswith("--")]
    program = os.path.join(builds[0] if builds else "build", "bin/paged_attention")
    if not os.access(program, os.X_OK):
        sys.exit(f"device_times.py: no {program}; build it with 'make build'")
    passed = leave_one_out(program) if leave else all_rows(program)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
