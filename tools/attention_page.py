#!/usr/bin/env python3
"""Write docs/attention-on-cpu.md from what bench_attention and bench/peers/attention.py print.

    tools/attention_page.py RESULTS CONDITIONS [PAGE]

RESULTS: a file with a JSON object of a benchmark a line, or in arrays. CONDITIONS: a sentence on how it was measured.
"""
import os
import sys
from pathlib import Path

from measured import ROOT, paragraph, processor, results_of

PAGE = ROOT / "docs" / "attention-on-cpu.md"
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


def page(rows, peer_rows, conditions):
    isas = ", ".join(sorted({row["isa"] for row in rows}))
    return "\n".join([
        "# Paged attention on cpu, against the speed of memory",
        "",
        paragraph("`tools/attention_page.py` writes this page from the output of `build/bench/bench_attention` and "
                  "`bench/peers/attention.py`. `make performance` measures and writes."),
        "",
        paragraph(f"{processor()}, {os.cpu_count()} processors, tiles on {isas}. {conditions}"),
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
        *table(rows),
        "",
        paragraph("With few KV heads many query heads use each byte of the cache, and the products take the time. "
                  "There is an AMX variant, which has not been "
                  "measured ([decision 15](decisions/0015-pairs-are-made-in-registers.md)). Small blocks cost an "
                  "instruction or two each. [Decision 13](decisions/0013-loads-are-views-on-cpu.md) explains how the "
                  "tiles get to the products."),
        "",
        *peers_section(rows, peer_rows),
    ])


def main(argv):
    if len(argv) not in (2, 3):
        sys.exit(__doc__)
    results = results_of("attention", argv[0])
    rows = [row for row in results if "runtime" not in row]
    if not rows:
        sys.exit(f"attention_page.py: no result of bench_attention in {argv[0]}")
    path = Path(argv[2]) if len(argv) == 3 else PAGE
    path.write_text(page(rows, [row for row in results if "runtime" in row], argv[1]), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
