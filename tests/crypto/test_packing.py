"""Packing against plain arithmetic, exhaustively at toy size (protocols/paillier/spec.md, section 5)."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from privcredit.crypto.packing import Layout, capacity
from privcredit.errors import UsageError
from support.seeded import SeededRandomness

Formula = Callable[[Layout, int, int], int]
SHAPES = [(l, slots) for l in (1, 2, 3) for slots in (2, 3)]


def toy(score_bits: int, slots: int, sigma: int = 1) -> Layout:
    return Layout(64, score_bits, slots, sigma, minimum_sigma=0)


def every_sum(layout: Layout) -> list[list[int]]:
    return [list(sums) for sums in product(range(1 << layout.score_bits), repeat=layout.slots)]


def wrong_answers(layout: Layout, compare: Formula) -> int:
    """Count the (sums, mask, slot, threshold), of all there are, where `compare` differs from S >= T."""
    masks = np.arange(1 << layout.mask_bits)
    size, thresholds = 1 << (layout.slot_bits + 1), range((1 << layout.score_bits) + 1)
    answers = np.array(
        [[[compare(layout, u, rho + 2 * t) for t in thresholds] for rho in range(size)] for u in range(size)]
    )
    wrong = 0
    for slot in range(layout.slots):
        windows = np.array([layout.window(z, slot) for z in range(masks.size + (1 << layout.plaintext_bits))])
        for sums in every_sum(layout):
            got = answers[windows[masks + layout.pack(sums)], windows[masks]]
            wrong += int(np.sum(got != (sums[slot] >= np.array(thresholds))))
    return wrong


@pytest.mark.parametrize(("score_bits", "slots"), SHAPES)
def test_c8_comparison_formula_exhaustively(score_bits: int, slots: int) -> None:
    assert wrong_answers(toy(score_bits, slots), Layout.compare_bit) == 0


def test_comparand_is_the_window_of_the_mask_and_twice_the_threshold() -> None:
    layout = toy(2, 3)
    for mask, slot, threshold in product(range(1 << layout.mask_bits), range(3), range(5)):
        assert layout.comparand(mask, slot, threshold) == layout.window(mask, slot) + 2 * threshold


def at_most(layout: Layout, u: int, y: int) -> int:
    return 1 ^ layout.top(u) ^ layout.top(y) ^ int(layout.low(u) <= layout.low(y))


def without_top_of_comparand(layout: Layout, u: int, y: int) -> int:
    return 1 ^ layout.top(u) ^ int(layout.low(u) < layout.low(y))


def without_guard_bit(layout: Layout, u: int, y: int) -> int:
    """The window without the bit below the slot: the carry then lands in the score."""
    l = layout.score_bits
    u, y = u >> 1, y >> 1
    return 1 ^ (u >> l & 1) ^ (y >> l & 1) ^ int(u % (1 << l) < y % (1 << l))


@pytest.mark.parametrize("mutant", [at_most, without_top_of_comparand, without_guard_bit])
@pytest.mark.parametrize(("score_bits", "slots"), [(1, 2), (2, 2)])
def test_c8_mutated_formula_fails(mutant: Formula, score_bits: int, slots: int) -> None:
    assert wrong_answers(toy(score_bits, slots), mutant) > 0


def test_c8_equality_and_extreme_thresholds() -> None:
    layout = Layout(2048, 10, 3)
    mask = layout.draw_mask(SeededRandomness("extremes"))
    masked = layout.pack([0, 500, 1023]) + mask
    for slot, total in enumerate([0, 500, 1023]):
        answers = {
            threshold: layout.compare_bit(layout.window(masked, slot), layout.comparand(mask, slot, threshold))
            for threshold in (0, total, total + 1, 1024)
        }
        assert answers == {threshold: int(total >= threshold) for threshold in answers}


def test_masked_sum_never_wraps() -> None:
    for bits, score_bits in product((64, 128, 2048), (1, 10, 17)):
        slots = capacity(bits, score_bits, 40)
        layout = Layout(bits, score_bits, slots, 40) if slots else None
        if layout:
            largest = layout.repeat((1 << score_bits) - 1) + (1 << layout.mask_bits) - 1
            assert largest < 1 << (bits - 1)


def test_capacity_of_the_design() -> None:
    assert (capacity(2048, 10), capacity(3072, 10)) == (180, 273)


def test_pack_and_unpack_are_inverse() -> None:
    layout = Layout(2048, 5, 4)
    assert layout.unpack(layout.pack([0, 31, 7, 1])) == [0, 31, 7, 1]
    assert layout.repeat(9) == layout.pack([9] * 4)


def test_slots_of_a_sum_do_not_touch() -> None:
    layout = toy(2, 3)
    for first, second in product(every_sum(layout), repeat=2):
        sums = [a + b for a, b in zip(first, second, strict=True)]
        if max(sums) < 4:
            assert layout.unpack(layout.pack(first) + layout.pack(second)) == sums


def test_c6_overflowing_sum_is_refused() -> None:
    layout = Layout(2048, 2, 2)
    for packed in (layout.pack([3, 0]) + layout.pack([1, 0]), 1 << layout.plaintext_bits, -1):
        with pytest.raises(UsageError, match="overflows its slots"):
            layout.unpack(packed)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((2048, 10, 181), "use at most 180"),
        ((2048, 0, 1), "one bit of score"),
        ((2048, 10, 0), "at least one slot"),
        ((2048, 10, 1, 39), "too small"),
    ],
)
def test_c6_layout_that_does_not_fit_is_refused(arguments: tuple[int, ...], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        Layout(*arguments)


@pytest.mark.parametrize("values", [[1], [1, 2, 3], [4, 0], [-1, 0]])
def test_c6_value_outside_its_slot_is_refused(values: list[int]) -> None:
    with pytest.raises(UsageError):
        Layout(2048, 2, 2).pack(values)


@pytest.mark.parametrize("threshold", [-1, 5])
def test_threshold_outside_the_width_is_refused(threshold: int) -> None:
    with pytest.raises(UsageError, match="threshold"):
        Layout(2048, 2, 2).comparand(0, 0, threshold)


@pytest.mark.parametrize("slot", [-1, 2])
def test_missing_slot_is_refused(slot: int) -> None:
    with pytest.raises(UsageError, match="no slot"):
        Layout(2048, 2, 2).window(0, slot)
