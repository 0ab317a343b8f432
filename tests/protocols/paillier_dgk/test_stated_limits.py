"""What a dishonest evaluator can do, as spec.md states it (2.8 and 4): shown, so that nobody claims more."""

from typing import Any

import pytest

from privcredit.crypto.packing import Layout
from privcredit.protocols.paillier_dgk import programs
from support.dgk import Bench, toy_bench

SHAPE = Layout(40, 3, 1, sigma=6, minimum_sigma=6)
THRESHOLD = 4


def output_of_2(bench: Bench, total: int, share: int, context: bytes) -> int:
    session = bench.session(SHAPE, [THRESHOLD], context)
    outcomes = bench.settle(session, bench.encrypt(SHAPE, [total]), bench.mask(SHAPE), [share])
    return outcomes["authority-2"].result().shares.bits[0]


def moved(amount: int) -> Any:
    """An evaluator 2 that sends the bits of z + `amount`: they are bits, so no proof of that would stop it."""
    honest = programs.opened_operands
    return lambda layout, opened: honest(layout, opened + amount)


@pytest.mark.parametrize("share", [0, 1])
def test_a12_two_runs_with_one_share_and_one_evaluator_2_show_it_an_interval(
    monkeypatch: pytest.MonkeyPatch, share: int
) -> None:
    """Hence spec.md 2.8: a rerun after the blinded differences were sent has another evaluator 2."""
    bench, amount = toy_bench(), 2
    honest = [output_of_2(bench, total, share, b"second run") for total in range(8)]
    monkeypatch.setattr(programs, "opened_operands", moved(amount))
    cheating = [output_of_2(bench, total, share, b"first run") for total in range(6)]
    learnt = [one ^ other for one, other in zip(honest, cheating, strict=False)]
    assert learnt == [int(THRESHOLD - amount <= total < THRESHOLD) for total in range(6)]


def test_a12_one_run_alone_shows_evaluator_2_a_uniform_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it sends: its output bit is the answer to that, hidden by evaluator 1's uniform share."""
    bench = toy_bench()
    monkeypatch.setattr(programs, "opened_operands", moved(2))
    for total in range(6):
        assert sorted(output_of_2(bench, total, share, b"run") for share in (0, 1)) == [0, 1]


def test_evaluator_1_may_still_choose_the_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof of the mask says that it knows R, not that it compares with what the policy says."""
    bench, policy, chosen = toy_bench(), THRESHOLD, 6
    honest = programs.threshold_operands
    monkeypatch.setattr(programs, "threshold_operands", lambda layout, mask, _: honest(layout, mask, [chosen]))
    for total in range(8):
        answer = bench.compare(bench.session(SHAPE, [policy]), bench.encrypt(SHAPE, [total]), bench.mask(SHAPE), [0])
        assert answer == [int(total >= chosen)]
