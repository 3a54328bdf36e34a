"""Outputs that a program reads before it writes them: declared in golden.py, or found by a second run."""
import numpy as np
import pytest
from conftest import SmallExample, assert_failed, assert_passed
from tilegraph import tensors as arrays

# out_sum += a: the kernel adds its first two arguments and stores the third.
GROWS = ("const uint64_t grow[] = {addr[0], addr[2], addr[2], COUNT}; "
         "tg_publish(rt, tg_add_task(rt, grow, 4, 0, TG_AIV));")
GOLDEN = SmallExample.GOLDEN.replace('tensors["a"] + tensors["b"]', 'tensors["a"]')
SECOND_RUN = "saves the second run"


def grows(small, count=100, golden=GOLDEN, more=""):
    small.write(body=GROWS.replace("COUNT", str(count)), golden=golden + more)


@pytest.mark.parametrize("options", [[], ["--no-check"], ["-p", "cpu"]], ids=["checked", "unchecked", "cpu"])
def test_a_program_may_add_to_what_generate_inputs_gave(small, options):
    grows(small)  # a[0] is 0: adding it leaves that element as it was
    done = small.run(*options)
    assert_passed(done)
    assert SECOND_RUN in done.stderr and "GM_UNWRITTEN" not in done.stderr


def test_what_is_declared_needs_no_second_run(small):
    grows(small, more="__inouts__ = ['out_sum']\n")
    done = small.run()
    assert_passed(done)
    assert SECOND_RUN not in done.stderr


def test_the_golden_may_add_too(small):
    grows(small, golden=GOLDEN.replace('out_sum"][:] =', 'out_sum"] +=').replace("zeros_like(a)", "full_like(a, 3)"))
    assert_passed(small.run())


@pytest.mark.parametrize("options, code", [([], 3), (["--no-check"], 1)], ids=["checked", "unchecked"])
def test_an_element_that_the_program_leaves_alone_is_no_result(small, options, code):
    grows(small, 99, golden=GOLDEN + '    tensors["out_sum"][99] = 0\n')
    assert_failed(small.run(*options), code, "out_sum[0] is nan", "__inouts__ = ['out_sum']")
    small.write(body="const uint64_t sum[] = {addr[0], addr[1], addr[2], 99};"
                "tg_publish(rt, tg_add_task(rt, sum, 4, 0, TG_AIV));",
                golden=SmallExample.GOLDEN + '    tensors["out_sum"][99] = 0\n')
    assert_failed(small.run(*options), code, "in 1 of 100 elements", "out_sum[99] is nan")


def test_expected_values_in_an_output_are_no_result(small):
    """generate_inputs has computed what is expected: a program that writes nothing must not pass with it."""
    small.write(body="const uint64_t sum[] = {addr[0], addr[1], addr[1], 100};"
                "tg_publish(rt, tg_add_task(rt, sum, 4, 0, TG_AIV));",
                golden=SmallExample.GOLDEN.replace("np.zeros_like(a)", "a + a + 1"))
    assert_failed(small.run("--no-check"), 1, "out_sum[0] is nan")


def test_a_wrong_name_is_refused(small):
    grows(small, more="__inouts__ = ['a']\n")
    assert_failed(small.run(), 2, "__inouts__ names 'a', which is no output", "outputs are out_sum")


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_signalling_numbers_are_changed_by_arithmetic_alone(kind):
    start = arrays.signalling(np.zeros((2, 3), kind))
    assert start.shape == (2, 3) and np.isnan(start).all()
    assert (arrays.bits(start.copy()) == arrays.bits(start)).all()
    if kind is not np.float16:  # which numpy adds in fp32, by a conversion of its own
        with np.errstate(invalid="ignore"):
            assert (arrays.bits(start + kind(0)) != arrays.bits(start)).all()
