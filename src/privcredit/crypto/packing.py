"""Several scores in one plaintext, with guard bits (protocols/paillier/spec.md, section 5).

A slot has w = l + 1 bits: l of score and a guard bit on top that is 0 in every sum. One mask for the whole width hides
all slots, because a carry changes only the guard bit below the next slot: the window of a slot includes that bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from privcredit.crypto.randomness import Randomness, bits
from privcredit.errors import UsageError

DEFAULT_SIGMA = 64
"""Statistical distance 2^-64 of a masked sum from one that does not depend on the scores."""

MINIMUM_SIGMA = 40
"""Below, an observer of many sums would notice; tests name a smaller one explicitly."""

HEADROOM_BITS = 2
"""P + R stays below 2^(|n| - 1) <= n, so the masked sum never wraps."""


def capacity(key_bits: int, score_bits: int, sigma: int = DEFAULT_SIGMA) -> int:
    """Return how many slots for `score_bits` fit a plaintext: floor((|n| - 2 - sigma) / (l + 1)), or 0 if none."""
    return max((key_bits - HEADROOM_BITS - sigma) // (score_bits + 1), 0)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the slots lie. key_bits: |n|. score_bits: l; every *sum* of scores is below 2^l. slots: how many.

    sigma: statistical parameter in bits. Raises UsageError if the slots do not fit or a parameter is out of range.
    """

    key_bits: int
    score_bits: int
    slots: int
    sigma: int = DEFAULT_SIGMA
    minimum_sigma: int = MINIMUM_SIGMA

    def __post_init__(self) -> None:
        if self.score_bits < 1 or self.slots < 1:
            raise UsageError("A packing needs at least one slot and one bit of score; correct the policy's score_bits.")
        if self.sigma < self.minimum_sigma:
            raise UsageError(
                f"A statistical parameter of {self.sigma} is too small; take {self.minimum_sigma} or more."
            )
        if self.slots > capacity(self.key_bits, self.score_bits, self.sigma):
            raise UsageError(
                f"{self.slots} slots of {self.slot_bits} bits do not fit a key of {self.key_bits} bits; "
                f"use at most {capacity(self.key_bits, self.score_bits, self.sigma)}, or a longer key."
            )

    @property
    def slot_bits(self) -> int:
        """Width w = l + 1 of a slot: the score and its guard bit."""
        return self.score_bits + 1

    @property
    def compare_bits(self) -> int:
        """Width l' = l + 1 of what is compared: a window without its top bit."""
        return self.score_bits + 1

    @property
    def plaintext_bits(self) -> int:
        """Width of the packed sum, w times the slots."""
        return self.slot_bits * self.slots

    @property
    def mask_bits(self) -> int:
        """Width of the mask R: the packed sum and sigma bits."""
        return self.plaintext_bits + self.sigma

    def pack(self, values: Sequence[int]) -> int:
        """Return P = sum_j values[j] 2^(w j). Raises UsageError for a wrong count or a value outside [0, 2^l)."""
        if len(values) != self.slots:
            raise UsageError(f"A packing of {self.slots} slots got {len(values)} values; give one a slot.")
        if any(not 0 <= value < 1 << self.score_bits for value in values):
            raise UsageError(f"A score does not fit {self.score_bits} bits; correct the policy's score_bits.")
        return sum(int(value) << (self.slot_bits * slot) for slot, value in enumerate(values))

    def repeat(self, value: int) -> int:
        """Return `value` in every slot: one subject against several thresholds."""
        return self.pack([value] * self.slots)

    def unpack(self, packed: int) -> list[int]:
        """Return the slots of a packed sum. Raises UsageError if a guard bit is set or a bit lies above the slots."""
        slots = [packed >> (self.slot_bits * slot) & ((1 << self.slot_bits) - 1) for slot in range(self.slots)]
        if packed < 0 or packed >> self.plaintext_bits or any(value >> self.score_bits for value in slots):
            raise UsageError("A packed sum overflows its slots; the scores were larger than the policy allows.")
        return slots

    def draw_mask(self, randomness: Randomness) -> int:
        """Return a mask R uniform in [0, 2^(w K + sigma)). Secret; to be used once, ever, also on a retry."""
        return bits(randomness, self.mask_bits)

    def window(self, number: int, slot: int) -> int:
        """Return u_j = floor(number / 2^(w j - 1)) mod 2^(w + 1): slot `slot` and the bit below it (0 for slot 0).

        number: z = P + R for the evaluator, or R for its maker (then the window is rho_j). Raises UsageError for a slot
        that is not there.
        """
        if not 0 <= slot < self.slots:
            raise UsageError(f"A packing of {self.slots} slots has no slot {slot}; count from 0.")
        return (2 * int(number) >> (self.slot_bits * slot)) & ((1 << (self.slot_bits + 1)) - 1)

    def comparand(self, mask: int, slot: int, threshold: int) -> int:
        """Return y_j = rho_j + 2 T_j, known to the mask's maker; it may be one bit longer than a window.

        threshold: 0 to 2^l inclusive; lifted thresholds count like any other. Raises UsageError outside.
        """
        if not 0 <= threshold <= 1 << self.score_bits:
            raise UsageError(f"A threshold must be from 0 to 2^{self.score_bits}; correct the policy's tiers.")
        return self.window(mask, slot) + 2 * threshold

    def compare_bit(self, window: int, comparand: int) -> int:
        """Return [S_j >= T_j] = 1 ^ u[l'] ^ y[l'] ^ [u mod 2^l' < y mod 2^l'], in the clear.

        What the comparison protocols compute on shares; here for tests and for the plaintext oracle.
        """
        below = self.low(window) < self.low(comparand)
        return 1 ^ self.top(window) ^ self.top(comparand) ^ int(below)

    def low(self, number: int) -> int:
        """Return number mod 2^l': the part of a window or comparand that is compared (alpha and beta in dgk)."""
        return number & ((1 << self.compare_bits) - 1)

    def top(self, number: int) -> int:
        """Return bit l' of a window or comparand; whatever stands above it does not count."""
        return number >> self.compare_bits & 1
