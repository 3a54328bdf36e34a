"""Hold an output against its golden."""
from dataclasses import dataclass

import numpy as np

SHOWN = 5  # mismatching elements that a message shows


@dataclass(frozen=True)
class Comparison:
    """Errors are largest ones over the elements that are finite on both sides; 0.0 if there is none."""
    n_elements: int
    n_bad: int
    max_abs_err: float
    max_rel_err: float  # over elements whose golden is not 0
    shown: tuple        # a line for each of the first SHOWN mismatching elements

    @property
    def good(self):
        return self.n_bad == 0


def compare(output, golden, rtol, atol):
    """Compare two arrays of one shape.

    Floats agree where |output - golden| <= atol + rtol * |golden|, where both are the same infinity, and where both
    are NaN. Integers and booleans agree where they are equal. Works in double precision. Returns a Comparison.
    """
    exact = output.dtype.kind in "iub" and golden.dtype.kind in "iub"
    out, gold = output.astype(np.float64), golden.astype(np.float64)
    finite = np.isfinite(out) & np.isfinite(gold)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        error = np.abs(out - gold)
        if exact:
            good = output == golden
        else:
            good = np.where(finite, error <= atol + rtol * np.abs(gold),
                            (out == gold) | (np.isnan(out) & np.isnan(gold)))
        relative = error / np.abs(gold)
    bad = np.argwhere(~good)
    shown = tuple(f"[{', '.join(str(i) for i in index)}] is {output[tuple(index)]}, expected {golden[tuple(index)]}"
                  for index in bad[:SHOWN])
    return Comparison(int(out.size), len(bad), float(np.max(error, where=finite, initial=0.0)),
                      float(np.max(relative, where=finite & (gold != 0), initial=0.0)), shown)
