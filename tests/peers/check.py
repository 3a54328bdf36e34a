"""Problems of lists.py run by the operator, and held against a softmax over all keys in double precision.

The tolerance is the peer's own. ("close", a, r): the difference is at most a + r * |expected|. ("twice", f, a): at most
a and f times the largest error of the same attention computed in the output's type.
"""
import dataclasses
import math
import random
import sys

import numpy as np
import plans
import tilegraph
from lists import BITS, PEERS, combinations

_ARRAYS = {"fp32": np.float32, "fp16": np.float16, "bf16": np.uint16}
_MOST = {"e4m3": 448.0, "e5m2": 57344.0}
_NAN = {"bf16": 0x7FC0, "e4m3": 0x7F, "e5m2": 0x7F, "int8": 0}


def decoded(kind, stored):
    """Elements of an array as numbers in double precision."""
    if kind == "bf16":
        return (stored.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    if kind in _MOST:
        return _codes(kind)[stored]
    return stored.astype(np.float64)


def encoded(kind, numbers):
    """Numbers rounded to nearest, ties to even, as the elements of an array."""
    if kind == "bf16":
        bits = np.ascontiguousarray(numbers, np.float32).view(np.uint32)
        return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
    if kind not in _MOST:
        return numbers.astype(_ARRAYS[kind])
    codes = _codes(kind)[:128]
    codes = codes[:np.searchsorted(codes, _MOST[kind]) + 1]  # behind it: infinity and NaN
    size = np.minimum(np.abs(numbers), _MOST[kind])
    above = np.minimum(np.searchsorted(codes, size), len(codes) - 1)
    below = np.maximum(above - 1, 0)
    twice = 2 * size - codes[above] - codes[below]
    nearest = np.where((twice > 0) | (twice == 0) & (above % 2 == 0), above, below)
    return (nearest | np.where(np.signbit(numbers), 128, 0)).astype(np.uint8)


_known = {}


def _codes(kind):
    """The number of each of the 256 codes of an fp8 type."""
    if kind not in _known:
        mantissa_bits, bias = (3, 7) if kind == "e4m3" else (2, 15)
        code = np.arange(256)
        exponent, mantissa = (code & 127) >> mantissa_bits, (code & ((1 << mantissa_bits) - 1)) / 2.0 ** mantissa_bits
        size = np.where(exponent > 0, np.ldexp(1 + mantissa, exponent - bias), np.ldexp(mantissa, 1 - bias))
        nothing = code & 127 == 127 if kind == "e4m3" else exponent == 31
        _known[kind] = np.where(nothing, np.inf, np.where(code & 128, -size, size))
    return _known[kind]


class Data:
    """Arrays for a problem, and what is expected of it."""

    def __init__(self, p, seed):
        draw = np.random.default_rng(seed)
        self.p = p
        n_blocks = [-(-c // p.block) for _, c in p.lens]
        self.table = np.full((len(p.lens), max(n_blocks) + 1), -1, np.int32)
        order = draw.permutation(sum(n_blocks) + 2).astype(np.int32)
        for i, n in enumerate(n_blocks):
            self.table[i, :n] = order[sum(n_blocks[:i]):][:n]
        n_tokens = sum(q for q, _ in p.lens)
        caches = (len(order), p.block, p.heads[1])
        kinds = p.types
        scale = p.dims[0] ** -0.5 if p.numbers == "scaled" else 1e-3
        uniform = p.numbers != "normal"
        query = draw.uniform(-scale, scale, (n_tokens, p.heads[0], p.dims[0])) if uniform else \
            draw.standard_normal((n_tokens, p.heads[0], p.dims[0]))
        if p.soft_cap:
            query = query * max(1.0, p.soft_cap / 4 if p.tolerance[0] == "twice" else 1.0)
        self.query = encoded(kinds[0], query)
        self.keys, self.values = (encoded(kinds[1], draw.uniform(-scale, scale, (*caches, d)) if uniform else
                                          draw.standard_normal((*caches, d))) for d in p.dims)
        self._forget_unused(n_blocks)
        slopes = draw.standard_normal(p.heads[0]) if p.numbers == "scaled" else draw.uniform(0, 0.5, p.heads[0])
        self.slopes = slopes.astype(np.float32) if p.alibi else None
        self.sinks = {"": None, "zero": np.zeros(p.heads[0], np.float32)}.get(
            p.sinks, (draw.random(p.heads[0]) * 5).astype(np.float32))
        longest = max(c for _, c in p.lens)
        self.mask = None
        if p.mask:
            self.hidden = draw.random((n_tokens, longest)) < 0.2
            self.mask = np.packbits(~self.hidden, axis=1, bitorder="little") if p.mask == "bits" else \
                np.where(self.hidden, -np.inf, draw.standard_normal((n_tokens, longest))).astype(np.float32)
        self.cos = self.sin = self.rows = None
        if p.rotary[0]:
            self.rows = plans.rotary_rows(p)
            angles = draw.uniform(0, 2 * math.pi, (longest + 1 + max(q for q, _ in p.lens), p.rotary[0] // 2))
            self.cos, self.sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)

    def _forget_unused(self, n_blocks):
        """NaN in all token slots that no sequence has: they must not matter."""
        unused = np.ones(self.keys.shape[:2], bool)
        for i, (_, context) in enumerate(self.p.lens):
            for block in range(n_blocks[i]):
                unused[self.table[i, block], :context - block * self.p.block] = False
        for side in (self.keys, self.values):
            side[unused] = _NAN.get(self.p.types[1], np.nan)

    def attend(self, device, run):
        p = self.p
        options = {"rotary_cos": self.cos, "rotary_sin": self.sin, "rotary_interleaved": p.rotary[1]} \
            if p.rotary[0] else {}
        out = tilegraph.attention(
            self.query, self.keys, self.values, self.table, [c for _, c in p.lens], [q for q, _ in p.lens],
            dtype=BITS[p.types[0]], kv_dtype=BITS[p.types[1]], out_dtype=BITS[p.types[2]], key_scale=p.scales[0],
            value_scale=p.scales[1], device=device, causal=p.causal, window_left=p.window[0], window_right=p.window[1],
            soft_cap=p.soft_cap, scale=p.scale, slopes=self.slopes, sinks=self.sinks, mask=self.mask,
            mask_bits=p.mask == "bits", rotary_rows=self.rows, run=run, **options)
        return decoded(p.types[2], out)

    def expected(self, rounded):
        """In double precision; or, if `rounded` names a type, with scores, weights and output rounded to it."""
        outs, first = [], 0
        query = decoded(self.p.types[0], self.query)
        for i, (q, c) in enumerate(self.p.lens):
            outs.append(self._sequence(i, query[first:first + q], first, c, rounded))
            first += q
        return np.concatenate(outs)

    def _sequence(self, i, query, first, context, rounded):
        p, q = self.p, len(query)
        group = p.heads[0] // p.heads[1]
        ids = self.table[i, :-(-context // p.block)]
        keys, values = (np.repeat(decoded(p.types[1], side[ids]).reshape(-1, *side.shape[2:])[:context], group, 1)
                        * scale for side, scale in ((self.keys, p.scales[0]), (self.values, p.scales[1])))
        position = np.arange(q)[:, None] + context - q
        if self.cos is not None:
            rows = position[:, 0] if self.rows is None else np.array(self.rows[first:first + q])
            query = self._rotated(query, rows)
        scores = np.einsum("qhd,khd->hqk", query, keys) * (p.scale or p.dims[0] ** -0.5)
        scores = self._low(rounded, scores)
        if p.soft_cap:
            scores = p.soft_cap * np.tanh(scores / p.soft_cap)
        key = np.arange(context)[None, :]
        if self.slopes is not None:
            scores = scores + self.slopes[:, None, None].astype(np.float64) * (key - position)
        hidden = np.zeros((q, context), bool)
        if p.causal:
            hidden |= key > position
        if p.window[0] >= 0:
            hidden |= key < position - p.window[0]
        if p.window[1] >= 0:
            hidden |= key > position + p.window[1]
        if self.mask is not None:
            hidden |= self.hidden[first:first + q, :context]
            if p.mask == "added":
                scores = scores + np.where(hidden, 0, self.mask[first:first + q, :context])
        scores = np.where(hidden, -np.inf, scores)
        top = scores.max(2, initial=-np.inf) if self.sinks is None else \
            np.maximum(scores.max(2, initial=-np.inf), self.sinks[:, None])
        top = np.where(np.isfinite(top), top, 0)
        weights = np.exp(scores - top[:, :, None])
        total = weights.sum(2) + (0 if self.sinks is None else np.exp(self.sinks[:, None] - top))
        weights = self._low(rounded, weights / np.where(total > 0, total, 1)[:, :, None])
        return self._low(rounded, np.einsum("hqk,khd->qhd", weights, values))

    def _rotated(self, query, rows):
        n, interleaved = self.p.rotary
        cos, sin = (table[rows].astype(np.float64)[:, None] for table in (self.cos, self.sin))
        x, y = (slice(0, n, 2), slice(1, n, 2)) if interleaved else (slice(0, n // 2), slice(n // 2, n))
        out = query.copy()
        out[..., x] = query[..., x] * cos - query[..., y] * sin
        out[..., y] = query[..., y] * cos + query[..., x] * sin
        return out

    @staticmethod
    def _low(kind, numbers):
        return numbers if kind is None else decoded(kind, encoded(kind, numbers))

    def wrong(self, out):
        """What is wrong with the output; "" if nothing is."""
        expected = self.expected(None)
        kind, most, more = self.p.tolerance
        error = np.abs(out - expected)
        if not np.isfinite(out).all():
            return "the output is not finite"
        if kind == "close":
            allowed = most + more * np.abs(expected)
        else:
            allowed = most * np.abs(self.expected(self.p.types[2]) - expected).max() + more
        bad = int((error > allowed).sum())
        return f"{bad} of {out.size} elements differ, by up to {error.max():.3g}" if bad else ""


def made_small(p, most):
    """The problem with so few sequences that the work is at most `most` multiplications; None if one is too large."""
    each = p.heads[0] * sum(p.dims)
    lens, work = [], 0
    for q, c in sorted(p.lens, key=lambda pair: pair[0] * pair[1]):
        work += each * (q * c + c)
        if work > most or len(lens) == 4:
            break
        lens.append((q, c))
    return dataclasses.replace(p, lens=tuple(lens)) if lens else None


def sample(n, most, seed):
    """n problems drawn from all tests in turn, small enough to run: (name, problem)."""
    draw = random.Random(seed)
    tests = [(peer, test, list(combinations(test))) for peer, all_of_it in PEERS.items() for test in all_of_it]
    found = []
    while len(found) < n:
        peer, test, every = tests[draw.randrange(len(tests))]
        problems = test.problems(draw.choice(every))
        small = made_small(draw.choice(problems), most) if problems else None
        if small:
            found.append((f"{peer}, {test.name}", small))
    return found


def check(device, run, n, most, seed, say=lambda text: None):
    """Run n problems. Returns (the number that ran, those refused, list of what is wrong)."""
    ran = refused = 0
    wrong = []
    for i, (name, p) in enumerate(sample(n, most, seed)):
        if any(kind not in BITS for kind in p.types):
            refused += 1
            continue
        data = Data(p, seed + i)
        try:
            out = data.attend(device, run)
        except tilegraph.Error as error:
            if error.exit_code != 2 and not isinstance(error, tilegraph.StatusError) or \
                    getattr(error, "status", "") != "TG_ERR_ARGUMENT":
                raise
            refused += 1
            continue
        ran += 1
        problem = data.wrong(out)
        if problem:
            wrong.append(f"{name}: {problem}: {p}")
            say(wrong[-1])
    return ran, refused, wrong


def main(n=400, seed=1):
    with tilegraph.open("cpu", workers=2, pin=False) as cpu:
        ran, refused, wrong = check(cpu, {}, n, 3e8, seed, print)
        print(f"cpu: {ran} ran, {len(wrong)} wrong, {refused} refused")
    with tilegraph.open("a2a3sim") as virtual:
        ran, refused, wrong2 = check(virtual, {"check": True}, n // 10, 4e6, seed + 1, print)
        print(f"a2a3sim with checks: {ran} ran, {len(wrong2)} wrong, {refused} refused")
    return 1 if wrong or wrong2 else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
