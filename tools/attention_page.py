#!/usr/bin/env python3
"""Write the page of paged attention on this computer's processor, its picture, and the index of such pages.

    tools/attention_page.py RESULTS CONDITIONS [FOLDER]

RESULTS: a file with a JSON object of a benchmark a line, or in arrays, of bench_attention, bench_attention_op and
bench/peers/attention.py. CONDITIONS: a sentence on how it was measured. FOLDER, docs unless given: attention-on-cpu.md
is written there, the index, and into attention-on-cpu/ a page and a picture of this processor and instruction set.
Pages of other processors stay.
"""
import math
import os
import re
import sys
from pathlib import Path

from measured import ROOT, paragraph, processor, results_of

FOLDER = ROOT / "docs"
NAME = "attention-on-cpu"
# What is asked of a computer without AMX: element type, KV heads of 32 -> fraction of the limit.
ASKED = {("bf16", 32): 0.80, ("bf16", 8): 0.60, ("bf16", 2): 0.60, ("bf16", 1): 0.60, ("fp32", 32): 0.80}
SAME_BYTES = {"fp16": "bf16"}


def table(rows):
    lines = ["| type | heads | block | context | batch | workers | GB/s (least to most) | limit | bound by | fraction "
             "| asked | fused C | plain C |",
             "|---|---:|---:|---:|---:|---:|---:|---:|---|---:|---:|---:|---:|"]
    for r in rows:
        asked = ASKED.get((r["dtype"], r["kv_heads"]))
        mark = "" if asked is None else f"{asked:.2f}{'' if r['fraction'] >= asked else ', missed'}"
        lines.append(f"| {r['dtype']} | {r['heads']}/{r['kv_heads']} | {r['block_size']} | {r['context']:,} | "
                     f"{r['batch']} | {r['workers']} | {r['gb_s']:.1f} ({r['least']:.1f} to {r['most']:.1f}) | "
                     f"{r['peak']:.1f} | {r.get('bound', 'memory')} | {r['fraction']:.2f} | {mark} | "
                     f"{r['fused']:.1f} | {r['plain']:.1f} |")
    return lines


def peers(rows, peer_rows):
    """What other runtimes reach beside the graph, on the shapes that both have."""
    lines = ["| runtime | type | heads | context | batch | workers | GB/s (least to most) | graph, block 128 "
             "| fused C |",
             "|---|---|---:|---:|---:|---:|---:|---:|---:|"]
    for r in peer_rows:
        own = find(rows, {**r, "dtype": SAME_BYTES.get(r["dtype"], r["dtype"])})
        beside = f"{own['gb_s']:.1f} | {own['fused']:.1f}" if own else " | "
        lines.append(f"| {r['runtime']} {r['version']} | {r['dtype']} | {r['heads']}/{r['kv_heads']} | "
                     f"{r['context']:,} | {r['batch']} | {r['workers']} | "
                     f"{r['gb_s']:.1f} ({r['least']:.1f} to {r['most']:.1f}) | {beside} |")
    return lines


def find(rows, shape):
    keys = ("dtype", "kv_heads", "context", "batch", "workers")
    return next((r for r in rows if r["block_size"] == 128 and all(r[key] == shape[key] for key in keys)), None)


def peers_section(rows, peer_rows):
    measured = [r for r in peer_rows if "left_out" not in r]
    left_out = [f"{r['runtime']}: {r['left_out']}." for r in peer_rows if "left_out" in r]
    lines = ["## Beside other runtimes", ""]
    if measured:
        lines += [paragraph("`bench/peers/attention.py` runs the same queries and lengths on caches without blocks, "
                            "1 GiB in all, used in turn. The figures are median, minimum and maximum of 9 runs. fp16 "
                            "stands beside the graph's bf16, which has the same number of bytes."), "",
                  *peers(rows, measured), ""]
    if left_out:
        lines += ["Left out:", "", *(paragraph(f"- {reason}", subsequent_indent="  ") for reason in left_out), ""]
    return lines if measured or left_out else []


def steps(rows):
    lines = ["| step | workers | best, ms | median | what binds takes | fraction |", "|---|---:|---:|---:|---:|---:|"]
    for r in rows:
        lines.append(f"| {r['row']} | {r['workers']} | {r['best_us'] / 1000:.2f} | {r['median_us'] / 1000:.2f} | "
                     f"{r['bound_us'] / 1000:.2f} | {r['fraction']:.2f} |")
    return lines


def steps_section(rows):
    if not rows:
        return []
    return ["## Steps of the operator", "",
            paragraph("`bench_attention_op` runs steps of `attention.h`, planning and launch included. Most have 8 "
                      "sequences with contexts of 4,096. What binds is the larger of two times: to read keys and "
                      "values, or to multiply them. The fraction is that time over the best of up to 15 steps."), "",
            *steps(rows), ""]


# ---- the picture -----------------------------------------------------------------------------------------------------

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 420, 300, 46, 12, 34, 46
COLOURS = ("#1f6fb4", "#d1661f", "#3a8a3a", "#8a4fa0")


def workers_of(r):
    return f"{r['workers']} worker{'s' if r['workers'] > 1 else ''}"


def curves_by_group(rows):
    """Fractions against query heads of a KV head: one query, blocks of 128, batch 8."""
    curves = {}
    for r in rows:
        if r["dtype"] == "bf16" and r["block_size"] == 128 and r["batch"] == 8:
            curves.setdefault(workers_of(r), {})[r["heads"] // r["kv_heads"]] = r["fraction"]
    return curves


def curves_by_rows(rows):
    """Fractions against the query rows of a KV head in a step of bf16."""
    curves = {}
    for r in rows:
        if r["row"] in ("32/8 bf16", "32/8 bf16 4 queries", "32/8 bf16 prefill 512 over 4096, batch 8"):
            curves.setdefault(workers_of(r), {})[r["query"] * 32 // r["kv_heads"]] = r["fraction"]
    return curves


def plot(curves, title, label, shift):
    """A plot of fractions, 0 to 1, over powers of two."""
    xs = sorted({x for curve in curves.values() for x in curve})
    low, high = math.log2(xs[0]), max(math.log2(xs[-1]), math.log2(xs[0]) + 1)
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def place(x, y):
        across = LEFT + (right - LEFT) * (math.log2(x) - low) / (high - low)
        return f"{shift + across:.1f},{bottom - (bottom - TOP) * min(y, 1):.1f}"

    parts = [f'<text x="{shift + (LEFT + right) / 2}" y="18" text-anchor="middle" font-weight="bold">{title}</text>']
    for tenth in range(0, 11, 2):
        at = bottom - (bottom - TOP) * tenth / 10
        parts.append(f'<path d="M{shift + LEFT} {at}H{shift + right}" stroke="#ddd"/>'
                     f'<text x="{shift + LEFT - 6}" y="{at + 4}" text-anchor="end">{tenth / 10:.1f}</text>')
    for x in xs:
        across = place(x, 0).split(",")[0]
        parts.append(f'<text x="{across}" y="{bottom + 16}" text-anchor="middle">{x}</text>')
    for i, (name, curve) in enumerate(sorted(curves.items())):
        colour, points = COLOURS[i % len(COLOURS)], [place(x, curve[x]) for x in sorted(curve)]
        parts.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{p.split(",")[0]}" cy="{p.split(",")[1]}" r="3" fill="{colour}"/>' for p in points]
        parts.append(f'<text x="{shift + right - 4}" y="{TOP + 14 + 15 * i}" text-anchor="end" fill="{colour}">{name}'
                     "</text>")
    parts.append(f'<text x="{shift + (LEFT + right) / 2}" y="{HEIGHT - 10}" text-anchor="middle">{label}</text>')
    return parts


def picture(rows, op_rows):
    """The SVG, or None without a curve."""
    plots = [(curves_by_group(rows), "Decode, bf16, batch 8", "query heads of a KV head"),
             (curves_by_rows(op_rows), "Steps of the operator, bf16", "query rows of a KV head")]
    plots = [plot for plot in plots if plot[0]]
    if not plots:
        return None
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH * len(plots)} {HEIGHT}" '
             'font-family="sans-serif" font-size="12">', '<rect width="100%" height="100%" fill="white"/>']
    for i, (curves, title, label) in enumerate(plots):
        parts += plot(curves, title, label, i * WIDTH)
    return "\n".join([*parts, "</svg>", ""])


# ---- pages -----------------------------------------------------------------------------------------------------------

def isas_of(rows):
    return ", ".join(sorted({row["isa"] for row in rows}))


def slug_of(rows):
    """The name of the processor's page: of its words, and of the instruction set."""
    words = re.sub(r"\(\w+\)|\b(processor|cpu)\b", "", f"{processor()} {isas_of(rows)}", flags=re.IGNORECASE)
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def page(rows, op_rows, peer_rows, conditions, picture_name):
    shown = [f"![Fraction of the limit against query heads and rows]({picture_name})", ""] if picture_name else []
    return "\n".join([
        f"# Paged attention on {processor()}, {isas_of(rows)}",
        "",
        paragraph(f"{os.cpu_count()} processors. {conditions} [Other processors, and what the columns "
                  f"mean](../{NAME}.md)."),
        "",
        *shown,
        *table(rows),
        "",
        *steps_section(op_rows),
        *peers_section(rows, peer_rows),
    ])


def index(folder):
    """The page that leads to those of `folder`."""
    lines = []
    for path in sorted(folder.glob("*.md")):
        title = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# Paged attention on ")
        lines.append(f"- [{title}]({NAME}/{path.name})")
    return "\n".join([
        "# Paged attention on cpu, against the speed of memory",
        "",
        paragraph("Each processor and instruction set has a page. `make performance` measures and writes the page of "
                  "the computer that it runs on, by `tools/attention_page.py` from the output of `bench_attention`, "
                  "`bench_attention_op` and `bench/peers/attention.py`. Pages of other processors stay."),
        "",
        *lines,
        "",
        "## What the columns mean",
        "",
        paragraph("Each sequence has one query, head_dim 128, and 32 query heads; the second number of \"heads\" is "
                  "the number of KV heads. GB/s count K and V, each read once. They are median, minimum and maximum "
                  "of 9 runs, from the first task's start to the end. The limit is what binds: the best read "
                  "bandwidth of the same memory, or the speed of the products' instruction on registers. Both come "
                  "from the same run and the same number of threads. The cache is larger than L3."),
        "",
        paragraph("Fused C is one hand-written loop for this shape, without tasks or tiles. It computes scores, "
                  "softmax and values of 128 tokens, and then of the next. Its figure is the median of runs that "
                  "alternate with the graph's. Plain C is a loop over query heads, compiled for this computer with "
                  "-O3 -ffast-math. Both use the same number of threads."),
        "",
        paragraph("With few KV heads many query heads use each byte of the cache, and the products take the time. "
                  "There is an AMX variant, which has not been "
                  "measured ([decision 15](decisions/0015-pairs-are-made-in-registers.md)). Small blocks cost an "
                  "instruction or two each. [Decision 13](decisions/0013-loads-are-views-on-cpu.md) explains how the "
                  "tiles get to the products."),
        "",
    ])


def main(argv):
    if len(argv) not in (2, 3):
        sys.exit(__doc__)
    results, op_rows = results_of("attention", argv[0]), results_of("attention_op", argv[0])
    rows = [row for row in results if "runtime" not in row]
    if not rows:
        sys.exit(f"attention_page.py: no result of bench_attention in {argv[0]}")
    folder = Path(argv[2]) if len(argv) == 3 else FOLDER
    pages, slug = folder / NAME, slug_of(rows)
    pages.mkdir(parents=True, exist_ok=True)
    drawn = picture(rows, op_rows)
    if drawn:
        (pages / f"{slug}.svg").write_text(drawn, encoding="utf-8")
    text = page(rows, op_rows, [row for row in results if "runtime" in row], argv[1], f"{slug}.svg" if drawn else None)
    (pages / f"{slug}.md").write_text(text, encoding="utf-8")
    (folder / f"{NAME}.md").write_text(index(pages), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
