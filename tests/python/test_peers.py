"""The parameter lists of other projects' attention tests (tests/peers): what the operator plans, and a few that run."""
import random
import sys

import pytest
import tilegraph
from conftest import ROOT

sys.path.insert(0, str(ROOT / "tests" / "peers"))
import check  # noqa: E402
import lists  # noqa: E402
import plans  # noqa: E402

# Of a few combinations; tests/peers/plans.py counts all.
SHARES = {"vLLM": 1.0, "FlashInfer": 0.8, "flash-attention": 1.0, "ONNX Runtime": 1.0, "vllm-ascend": 1.0}


@pytest.mark.parametrize("peer", SHARES)
def test_most_combinations_are_planned(peer):
    draw, n, planned = random.Random(3), 0, 0
    with tilegraph.open("cpu", workers=1, pin=False) as device:
        planner = plans.Planner(device)
        for test in lists.PEERS[peer]:
            for _ in range(max(1, 24 // len(lists.PEERS[peer]))):
                problems = test.problems({name: draw.choice(values) for name, values in test.lists.items()})
                if problems:
                    n += 1
                    planned += not any(map(planner.reason, problems))
    assert planned >= SHARES[peer] * n, f"{planned} of {n}"


def test_what_the_operator_lacks_is_refused_by_name():
    with tilegraph.open("cpu", workers=1, pin=False) as device:
        planner = plans.Planner(device)
        good = lists.Problem((4, 2), (64, 64), 16, ("bf16",) * 3, ((1, 20),), ("close", 1e-2, 1e-2))
        assert planner.reason(good) == ""
        for change, reason in ((dict(dims=(584, 64)), "key_dim is #"), (dict(block=1025), "block_tokens is #"),
                               (dict(types=("e4m3", "e4m3", "nvfp4")), "elements of 4 bits"),
                               (dict(lens=((3, 2),), rotary=(64, False)), "sequence # has # query tokens")):
            assert planner.reason(check.dataclasses.replace(good, **change)).startswith(reason)


def test_problems_are_right_at_the_peers_tolerance():
    with tilegraph.open("cpu", workers=1, pin=False) as device:
        ran, refused, wrong = check.check(device, {}, 16, 1e7, 5)
    assert wrong == [] and ran >= 12 and ran + refused == 16


def test_small_problems_are_right_on_the_virtual_device_with_checks():
    with tilegraph.open("a2a3sim") as device:
        ran, _, wrong = check.check(device, {"check": True}, 3, 1e6, 9)
    assert wrong == [] and ran >= 2


def test_a_wrong_output_is_noticed():
    problem = lists.Problem((4, 2), (16, 16), 8, ("fp16",) * 3, ((2, 20), (1, 9)), ("close", 1e-3, 1e-3))
    data = check.Data(problem, 1)
    out = data.expected(None)
    assert data.wrong(out) == ""
    out[1, 2, 3] += 0.01
    assert data.wrong(out).startswith("1 of 192 elements differ")
