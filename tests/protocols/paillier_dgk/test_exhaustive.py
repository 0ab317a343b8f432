"""C8: every score against every threshold, at toy size, through the whole programs; zero wrong answers."""

from itertools import product
from typing import Any

import pytest

from privcredit.crypto.packing import Layout
from privcredit.crypto.paillier import aggregate
from privcredit.protocols.paillier_dgk import masks, steps
from support.dgk import toy_bench, toy_dgk
from support.seeded import SeededRandomness

SIGMA = 6


def layout(score_bits: int, slots: int) -> Any:
    return Layout(40, score_bits, slots, sigma=SIGMA, minimum_sigma=SIGMA)


def extreme_masks(shape: Any) -> Any:
    """0, all ones, alternating bits, a lone bit at the border of the first slot, and three drawn ones."""
    width = shape.mask_bits
    alternating = sum(1 << place for place in range(0, width, 2))
    drawn = [shape.draw_mask(SeededRandomness(f"mask {number}")) for number in range(2)]
    return [0, (1 << width) - 1, alternating, 1 << shape.slot_bits - 1, *drawn]


@pytest.mark.parametrize("score_bits", [1, 2, 3])
def test_c8_every_sum_every_threshold_every_kind_of_mask(score_bits: int) -> None:
    bench, shape = toy_bench(), layout(score_bits, 1)
    top = 1 << score_bits
    for total, threshold, mask in product(range(top), range(top + 1), extreme_masks(shape)):
        parts = [bench.encrypt(shape, [part]) for part in (total // 2, total - total // 2, 0)]
        answer = bench.compare(
            bench.session(shape, [threshold]), aggregate(parts), bench.mask(shape, mask), [total & 1]
        )
        assert answer == [int(total >= threshold)], (total, threshold, mask)


@pytest.mark.parametrize("slots", [2, 3])
def test_c8_slots_do_not_disturb_each_other(slots: int) -> None:
    """Carries run from slot to slot; all pairs of neighbouring scores meet all thresholds."""
    bench, shape = toy_bench(), layout(2, slots)
    thresholds = list(range(5))
    for scores in product(range(4), repeat=2):
        row = [scores[slot % 2] for slot in range(slots)]
        for threshold, mask in product(thresholds, extreme_masks(shape)):
            bounds = [(threshold + slot) % 5 for slot in range(slots)]
            answer = bench.compare(
                bench.session(shape, bounds), bench.encrypt(shape, row), bench.mask(shape, mask), [0, 1, 0][:slots]
            )
            assert answer == [int(score >= bound) for score, bound in zip(row, bounds, strict=True)]


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_c8_every_alpha_beta_and_delta(width: int) -> None:
    """The DGK steps alone: delta_A ^ delta_B = [beta >= alpha], and at most one value is zero."""
    private = toy_dgk(width)
    owner = private.encryptor(SeededRandomness("owner"))
    peer, randomness = private.public.encryptor(SeededRandomness("peer")), SeededRandomness("steps")
    for alpha, beta, delta in product(range(1 << width), range(1 << width), (0, 1)):
        bits = steps.encrypt_bits(owner, steps.Operand(beta, width))
        values = steps.blind_differences(bits, steps.Operand(alpha, width), delta, peer, randomness)
        assert len(values) == width + 1
        assert sum(private.is_zero(value) for value in values) <= 1
        assert delta ^ steps.contains_zero(private, values) == int(beta >= alpha)


@pytest.mark.parametrize("fixed", [0, 1])
def test_the_answer_does_not_depend_on_the_fixed_share(fixed: int) -> None:
    bench, shape = toy_bench(), layout(3, 1)
    for total, threshold in product(range(8), range(9)):
        session = bench.session(shape, [threshold])
        outcomes = bench.settle(session, bench.encrypt(shape, [total]), bench.mask(shape), [fixed])
        one, two = (outcome.result().shares.bits[0] for outcome in outcomes.values())
        assert one == fixed
        assert one ^ two == int(total >= threshold)


def test_every_pair_of_authorities_can_compare() -> None:
    shape = layout(3, 1)
    for indices in [(1, 2), (2, 1), (1, 3), (3, 1), (2, 3), (3, 2)]:
        bench = toy_bench()
        bench = type(bench)(bench.dealing, bench.dgk, indices=indices)
        for total in range(8):
            answer = bench.compare(
                bench.session(shape, [5]), bench.encrypt(shape, [total]), bench.mask(shape), [total & 1]
            )
            assert answer == [int(total >= 5)]


def test_masks_cover_their_whole_range() -> None:
    shape = layout(1, 1)
    bench = toy_bench()
    drawn = {masks.prepare_mask(bench.encryptor, shape, "a", bench.randomness).consume() for _ in range(3000)}
    assert drawn == set(range(1 << shape.mask_bits))
