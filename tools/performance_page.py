#!/usr/bin/env python3
"""Write docs/performance.md, and the picture in it, from what the benchmarks print.

    tools/performance_page.py RESULTS CONDITIONS

RESULTS: a file with a JSON object of a benchmark a line, or in arrays. CONDITIONS: a sentence on how it was measured.
"""
import math
import os
import sys

from measured import ROOT, paragraph, processor, results_of

PAGE = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "images" / "tasks.svg"
SIZES = (1 << 14, 1 << 20)


def find(rows, **wanted):
    """The first row of a graph's run that has the values `wanted`, or None."""
    rows = (row for row in rows if not row["quantity"].startswith(("replay", "busy")))
    return next((row for row in rows if all(row[key] == value for key, value in wanted.items())), None)


def cell(row):
    if row is None:
        return ""
    if row["quantity"] == "efficiency":
        return f"{row['median']:.2f} ({row['least']:.2f} to {row['most']:.2f})"
    return f"{row['median']:.0f} ({row['least']:.0f} to {row['most']:.0f})"


def comparison(rows):
    runtimes = list(dict.fromkeys(row["runtime"] for row in rows))
    lines = ["| runtime | 1 worker, 16,384 tasks | 1,048,576 | 2 workers, 16,384 | 1,048,576 | efficiency, 500 ns "
             "| 5 us |",
             "|---|---:|---:|---:|---:|---:|---:|"]
    for runtime in runtimes:
        own = [row for row in rows if row["runtime"] == runtime]
        cells = [cell(find(own, workers=workers, tasks=tasks, task_ns=0)) for workers in (1, 2) for tasks in SIZES]
        cells += [cell(find(own, workers=2, tasks=SIZES[0], task_ns=ns)) for ns in (500, 5000)]
        lines.append(f"| {runtime} | " + " | ".join(cells) + " |")
    return lines


def sizes(rows):
    own = [row for row in rows if row["runtime"] == "tilegraph" and row["quantity"] == "ns_per_task"]
    lines = ["| workers | tasks | ns a task | graph, KiB at most | process, KiB at most so far |",
             "|---:|---:|---:|---:|---:|"]
    for row in sorted(own, key=lambda row: (row["workers"], row["tasks"])):
        lines.append(f"| {row['workers']} | {row['tasks']:,} | {cell(row)} | {row['graph_kib']:,} | "
                     f"{row['process_kib']:,} |")
    return lines


def replays(rows):
    lines = ["| workers | tasks | ns a task |", "|---:|---:|---:|"]
    for row in rows:
        if row["quantity"] == "replay_ns_per_task":
            lines.append(f"| {row['workers']} | {row['tasks']:,} | {cell(row)} |")
    return lines


def picture(rows):
    """Time of a run against its tasks, both on logarithmic axes: a straight line of slope 1 is linear."""
    width, height, left, bottom = 640, 360, 70, 40
    own = [row for row in rows if row["runtime"] == "tilegraph" and row["quantity"] == "ns_per_task" and
           row["workers"] <= 2]
    x_low, x_high, y_low, y_high = 4, 7.2, -4, 0.2  # powers of ten: tasks, seconds

    def x(tasks):
        return left + (math.log10(tasks) - x_low) / (x_high - x_low) * (width - left - 20)

    def y(seconds):
        return height - bottom - (math.log10(seconds) - y_low) / (y_high - y_low) * (height - bottom - 20)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
             'font-size="12">', f'<rect width="{width}" height="{height}" fill="white"/>']
    for power in range(4, 8):
        at = x(10 ** power)
        parts.append(f'<path d="M{at:.1f} 20V{height - bottom}" stroke="#ddd"/>'
                     f'<text x="{at:.1f}" y="{height - bottom + 16}" text-anchor="middle">{10 ** power:,}</text>')
    for power in range(-4, 1):
        at = y(10.0 ** power)
        parts.append(f'<path d="M{left} {at:.1f}H{width - 20}" stroke="#ddd"/>'
                     f'<text x="{left - 6}" y="{at + 4:.1f}" text-anchor="end">{10.0 ** power * 1e3:g} ms</text>')
    for workers, color in ((1, "#1f6feb"), (2, "#d1242f")):
        points = sorted((row["tasks"], row["tasks"] * row["median"] * 1e-9) for row in own if row["workers"] == workers)
        if not points:
            continue
        path = "L".join(f"{x(tasks):.1f} {y(seconds):.1f}" for tasks, seconds in points)
        parts.append(f'<path d="M{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts += [f'<circle cx="{x(tasks):.1f}" cy="{y(seconds):.1f}" r="3" fill="{color}"/>'
                  for tasks, seconds in points]
        parts.append(f'<text x="{left + 16}" y="{20 + 18 * workers}" fill="{color}">{workers} worker'
                     f'{"s" if workers > 1 else ""}</text>')
    parts.append(f'<text x="{(left + width) / 2}" y="{height - 6}" text-anchor="middle">tasks</text></svg>')
    return "\n".join(parts) + "\n"


def page(rows, conditions):
    return "\n".join([
        "# What a task costs",
        "",
        paragraph("`tools/performance_page.py` writes this page from the output of the benchmarks. `make "
                  "performance` measures and writes."),
        "",
        paragraph(f"{processor()}, {os.cpu_count()} processors. {conditions}"),
        "",
        paragraph("The graph is the flagship's: blocks of QK -> SF -> PV -> UP, four tasks and four edges a block. "
                  "The updates form chains of 64 blocks. If a runtime can, it builds the graph while it runs. "
                  "Kernels are empty, or a loop of 500 ns or 5 us. The figures are median, minimum and maximum of 9 "
                  "runs, for tilegraph of 25."),
        "",
        "## Beside other runtimes",
        "",
        paragraph("The first columns give ns a task with empty kernels, from the first task's start to the end. "
                  "Efficiency is the kernels' own time over workers times time, with 16,384 tasks on 2 workers. The "
                  "kernels' own time comes from plain loops on the same number of threads, before and after each "
                  "run."),
        "",
        *comparison(rows),
        "",
        "No other runtime here checks for missing edges or names the task that a graph waits for.",
        "",
        "## Against tasks and workers",
        "",
        *sizes(rows),
        "",
        "![Time of a run against its tasks](images/tasks.svg)",
        "",
        paragraph("A run's time is linear in its tasks. The graph's memory hardly grows, because pages of complete "
                  "tasks are reused. The process's memory includes the program's own tensors and the memory of "
                  "earlier rows."),
        "",
        "## A graph that is replayed",
        "",
        paragraph("The graph is built once and run again with other arguments (`tg_run_replay`). Times are from the "
                  "first task's start to the end."),
        "",
        *replays(rows),
        "",
    ])


def main(argv):
    if len(argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    rows = results_of("workers", argv[0])
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(picture(rows), encoding="utf-8")
    PAGE.write_text(page(rows, argv[1]), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
