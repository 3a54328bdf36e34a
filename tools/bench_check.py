#!/usr/bin/env python3
"""Say which figures of the attention benchmarks are below what is asked. Exit 1 if there is one, 2 without figures.

    tools/bench_check.py RESULTS...

RESULTS: as of attention_page.py. Asked of bench_attention is a fraction of the limit that binds, and that blocks of 16
tokens have at least SMALL_BLOCKS of the speed of blocks of 128. Asked of bench_attention_op is a fraction, too, and
RATIOS of times.
"""
import sys

from attention_page import ASKED
from measured import results_of

SMALL_BLOCKS = 0.9
SHAPE = ("dtype", "kv_heads", "context", "batch", "workers")
# Fractions of the limit by the beginning of a row of bench_attention_op. The first that fits counts.
OP_ASKED = (("32/8 bf16 prefill", 0.55), ("32/8 fp16 prefill", 0.55), ("32/32 fp16", 0.80), ("32/8 fp16", 0.60),
            ("32/2 fp16", 0.60), ("32/1 fp16", 0.60))
# A row of bench_attention_op takes at most so many times the time of another.
RATIOS = (("32/8 bf16 4 queries", "32/8 bf16", 1.3), ("32/8 bf16 block 16", "32/8 bf16", 1.1),
          ("32/8 bf16 unequal", "32/8 bf16", 1.1), ("32/8 bf16", "32/8 bf16 in order", 1.03),
          ("32/8 bf16 plain layout", "32/8 bf16", 1 / 0.7), ("32/8 bf16 32 share 4096", "32/8 bf16 32 apart", 1 / 5),
          ("32/32 int8", "32/32 bf16", 1 / 1.3), ("32/32 fp8", "32/32 bf16", 1 / 1.3))


def name(r):
    return (f"{r['dtype']} {r['heads']}/{r['kv_heads']} block {r['block_size']} context {r['context']} "
            f"batch {r['batch']} workers {r['workers']}")


def shortfalls(rows):
    """A line for each figure of bench_attention that is below its must."""
    large = {tuple(r[key] for key in SHAPE): r for r in rows if r["block_size"] == 128}
    for r in rows:
        asked = ASKED.get((r["dtype"], r["kv_heads"]))
        if asked is not None and r["fraction"] < asked:
            yield f"{name(r)}: {r['fraction']:.2f} of the limit, asked {asked:.2f}"
        other = large.get(tuple(r[key] for key in SHAPE))
        if other and r["block_size"] == 16 and r["gb_s"] < SMALL_BLOCKS * other["gb_s"]:
            yield (f"{name(r)}: {r['gb_s']:.1f} GB/s, asked {SMALL_BLOCKS:.1f} of the {other['gb_s']:.1f} GB/s of "
                   "blocks of 128")


def op_shortfalls(rows):
    """A line for each figure of bench_attention_op that is below its must."""
    time_of = {(r["row"], r["workers"]): r["best_us"] for r in rows}
    for r in rows:
        asked = next((asked for begin, asked in OP_ASKED if r["row"].startswith(begin)), None)
        if asked is not None and r["fraction"] < asked:
            yield f"{r['row']} workers {r['workers']}: {r['fraction']:.2f} of the limit, asked {asked:.2f}"
    for row, other, most in RATIOS:
        for workers in sorted({r["workers"] for r in rows}):
            own, beside = time_of.get((row, workers)), time_of.get((other, workers))
            if own and beside and own > most * beside:
                yield f"{row} workers {workers}: {own / beside:.2f} times '{other}', asked {most:.2f}"


def main(paths):
    rows = [r for path in paths for r in results_of("attention", path) if "runtime" not in r]
    op_rows = [r for path in paths for r in results_of("attention_op", path)]
    if not rows and not op_rows:
        print(f"bench_check: {' '.join(paths)}: no figures of bench_attention or bench_attention_op", file=sys.stderr)
        return 2
    below = [*shortfalls(rows), *op_shortfalls(op_rows)]
    for line in below:
        print(line)
    print(f"{len(rows) + len(op_rows)} rows, {len(below)} figures below what is asked")
    return 1 if below else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
