#!/usr/bin/env python3
"""Say which figures of bench_attention are below what is asked. Exit 1 if there is one, 2 if there are no figures.

    tools/bench_check.py RESULTS

RESULTS: as of attention_page.py. Asked is a fraction of the limit that binds, and that blocks of 16 tokens have at
least SMALL_BLOCKS of the speed of blocks of 128.
"""
import sys

from attention_page import ASKED
from measured import results_of

SMALL_BLOCKS = 0.9
SHAPE = ("dtype", "kv_heads", "context", "batch", "workers")


def name(r):
    return (f"{r['dtype']} {r['heads']}/{r['kv_heads']} block {r['block_size']} context {r['context']} "
            f"batch {r['batch']} workers {r['workers']}")


def shortfalls(rows):
    """A line for each figure that is below its must."""
    large = {tuple(r[key] for key in SHAPE): r for r in rows if r["block_size"] == 128}
    for r in rows:
        asked = ASKED.get((r["dtype"], r["kv_heads"]))
        if asked is not None and r["fraction"] < asked:
            yield f"{name(r)}: {r['fraction']:.2f} of the limit, asked {asked:.2f}"
        other = large.get(tuple(r[key] for key in SHAPE))
        if other and r["block_size"] == 16 and r["gb_s"] < SMALL_BLOCKS * other["gb_s"]:
            yield (f"{name(r)}: {r['gb_s']:.1f} GB/s, asked {SMALL_BLOCKS:.1f} of the {other['gb_s']:.1f} GB/s of "
                   "blocks of 128")


def main(path):
    rows = [r for r in results_of("attention", path) if "runtime" not in r]
    if not rows:
        print(f"bench_check: {path}: no figures of bench_attention", file=sys.stderr)
        return 2
    below = list(shortfalls(rows))
    for line in below:
        print(line)
    print(f"{len(rows)} rows, {len(below)} figures below what is asked")
    return 1 if below else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
