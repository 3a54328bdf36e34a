"""Which of the problems of lists.py the operator can express: by really opening it, and planning the batch."""
import collections
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))

import numpy as np  # noqa: E402
import tilegraph  # noqa: E402

from lists import BITS, PEERS, combinations  # noqa: E402

_OPERATORS_MOST = 256


class Planner:
    """Opens operators, and plans. Problems that differ in their numbers alone are planned once."""

    def __init__(self, device):
        self._device = device
        self._operators = {}
        self._verdicts = {}
        self._tables = {}

    def reason(self, problem):
        """Why the operator refuses the problem; "" if it plans it."""
        key = (problem.heads, problem.dims, problem.block, problem.types, problem.lens, problem.causal, problem.window,
               problem.soft_cap, problem.rotary, problem.positions)
        if key not in self._verdicts:
            self._verdicts[key] = self._ask(problem)
        return self._verdicts[key]

    def _ask(self, p):
        if any(kind not in BITS for kind in p.types):
            return "elements of 4 bits"
        try:
            self._operator(p).plan([c for _, c in p.lens], self._table(p), [q for q, _ in p.lens], rotary_rows(p))
        except tilegraph.Error as error:
            return _short(str(error))
        return ""

    def _operator(self, p):
        # An operator takes some 10 ms to open. Those that differ in these numbers alone share one.
        key = (p.heads, p.dims, p.block, p.types, p.rotary, p.rotary[0] and _n_positions(p),
               p.window == (-1, -1) and p.soft_cap == 0)
        if key not in self._operators:
            if len(self._operators) >= _OPERATORS_MOST:
                for operator in self._operators.values():
                    operator.close()
                self._operators.clear()
            self._operators[key] = tilegraph.Attention(self._device, **config(p), **self._tables_of(p))
        return self._operators[key]

    def _tables_of(self, p):
        rotated, interleaved = p.rotary
        if not rotated:
            return {}
        table = np.ones((_n_positions(p), rotated // 2), np.float32)
        return {"rotary_cos": table, "rotary_sin": table, "rotary_interleaved": interleaved}

    def _table(self, p):
        columns = max(-(-c // p.block) for _, c in p.lens)
        key = (len(p.lens), columns)
        if key not in self._tables:
            self._tables[key] = np.arange(len(p.lens) * columns, dtype=np.int32).reshape(key)
        return self._tables[key]


def _n_positions(p):
    """Of rotary tables, one of few numbers."""
    longest = max(c for _, c in p.lens)
    return next(n for n in (4097, 32769, 131200) if n > longest)


def config(p):
    """The arguments of tilegraph.Attention for a problem, without rotary tables.

    Dims are rounded up to multiples of 8, as tilegraph.attention does it by zeros behind the elements; so the scale is
    that of the problem.
    """
    query, kv, out = (BITS[kind] for kind in p.types)
    return {"heads": p.heads[0], "kv_heads": p.heads[1], "key_dim": -(-p.dims[0] // 8) * 8,
            "value_dim": -(-p.dims[1] // 8) * 8,
            "block_tokens": p.block, "query_dtype": query, "kv_dtype": kv, "out_dtype": out, "causal": p.causal,
            "window_left": p.window[0], "window_right": p.window[1], "soft_cap": p.soft_cap,
            "scale": p.scale or p.dims[0] ** -0.5}


def rotary_rows(p):
    """The positions of the query tokens, where they are not those of the last keys."""
    if not p.positions:
        return None
    step = 0 if p.positions == "same" else 1
    return [max(0, c - q) + step * i for q, c in p.lens for i in range(q)]


def _short(message):
    """A message without its numbers, so that equal reasons count together."""
    text = message.splitlines()[0].split("out of its range: ")[-1]
    return "".join("#" if c.isdigit() else c for c in text).replace("##", "#").replace("##", "#").replace("##", "#")


def count(planner, tests, out=sys.stdout):
    """Plan all combinations of the tests. Returns (combinations, those expressible, Counter of reasons)."""
    total = good = 0
    reasons = collections.Counter()
    for test in tests:
        n = skipped = expressible = 0
        for combination in combinations(test):
            problems = test.problems(combination)
            if problems is None:
                skipped += 1
                continue
            n += 1
            found = {reason for reason in map(planner.reason, problems) if reason}
            expressible += not found
            reasons.update(found)
        print(f"  {test.name:28} {n:8,} {expressible:8,} {100 * expressible / n:6.1f} %   ({skipped:,} skipped by the "
              "peer)", file=out)
        total += n
        good += expressible
    return total, good, reasons


def main():
    start = time.monotonic()
    with tilegraph.open("cpu", workers=1, pin=False) as device:
        planner, sums, reasons = Planner(device), [], collections.Counter()
        print(f"  {'test':28} {'combin.':>8} {'planned':>8}  share")
        for peer, tests in PEERS.items():
            print(peer)
            total, good, why = count(planner, tests)
            sums.append((peer, total, good))
            reasons.update(why)
        print(f"\n{'peer':16} {'combinations':>12} {'planned':>10}  share")
        sums.append(("all", sum(row[1] for row in sums), sum(row[2] for row in sums)))
        for peer, total, good in sums:
            print(f"{peer:16} {total:12,} {good:10,} {100 * good / total:6.1f} %")
        print("\nRefused, by reason:")
        for reason, n in reasons.most_common():
            print(f"{n:8,}  {reason}")
        print(f"\n{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
