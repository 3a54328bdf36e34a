"""The comparison: what agrees, what does not, what is reported."""
import numpy as np
import pytest
from tilegraph.compare import compare

NAN, INF = np.nan, np.inf


def f32(*values):
    return np.array(values, np.float32)


def test_equal_arrays_agree():
    found = compare(f32(1, -2, 0), f32(1, -2, 0), 0, 0)
    assert found.good and (found.n_elements, found.max_abs_err, found.max_rel_err) == (3, 0.0, 0.0)


def test_tolerance_is_absolute_plus_relative_to_the_golden():
    golden = np.array([100.0, 0.0])
    assert compare(golden + [1.0, 0.5], golden, 0.005, 0.5).good
    assert not compare(golden + [1.01, 0.5], golden, 0.005, 0.5).good
    assert not compare(golden + [1.0, 0.51], golden, 0.005, 0.5).good


def test_errors_and_first_elements_are_reported():
    golden = np.ones((2, 10))
    output = golden.copy()
    output[1] += np.arange(10) * 0.1
    found = compare(output, golden, 1e-3, 1e-3)
    assert (found.n_bad, found.n_elements, len(found.shown)) == (9, 20, 5)
    assert found.max_abs_err == pytest.approx(0.9) and found.max_rel_err == pytest.approx(0.9)
    assert found.shown[0].startswith("[1, 1] is 1.1, expected 1.0")


@pytest.mark.parametrize("output, golden, good", [
    (NAN, 1.0, False), (1.0, NAN, False), (NAN, NAN, True), (INF, INF, True), (INF, -INF, False), (INF, 1.0, False),
    (1.0, INF, False), (NAN, INF, False),
])
def test_numbers_that_are_not_finite(output, golden, good):
    assert compare(f32(output), f32(golden), 1e30, 1e30).good == good


def test_errors_leave_out_what_is_not_finite():
    found = compare(f32(NAN, 1.5, INF), f32(1, 1, 1), 1, 1)
    assert found.n_bad == 2 and found.max_abs_err == 0.5


def test_integers_must_be_equal():
    big = np.array([2**62], np.int64)
    assert compare(big, big, 1, 1).good
    assert not compare(big + 1, big, 1, 1).good
    assert not compare(np.array([True]), np.array([False]), 1, 1).good


def test_scalars_and_fp16():
    assert not compare(np.array(2.0), np.array(1.0), 0, 0).good
    assert compare(np.array([65504], np.float16), np.array([65504], np.float16), 0, 0).good
