"""Where randomness comes from: always an argument, never ambient.

Only `SystemRandomness` draws from the operating system; the seeded source lives with the tests.
"""

import secrets
from collections.abc import MutableSequence
from math import gcd
from typing import Protocol, TypeVar

from privcredit.errors import UsageError

MAX_DRAWS = 128
"""Rejection sampling succeeds with probability above 1/2 a draw; 128 failures mean a broken source."""

REPEAT_CHECK_BYTES = 16
"""Draws of at least this many bytes repeat with probability 2^-128 a pair: a repeat means a broken source."""

T = TypeVar("T")


class Randomness(Protocol):
    """A source of uniformly random bytes."""

    def bytes(self, count: int) -> bytes:
        """Return `count` uniformly random bytes."""
        ...


class SystemRandomness:
    """The operating system's generator, checked for the one failure that is visible: repeating itself."""

    def __init__(self) -> None:
        self._guard = RepeatGuard()

    def bytes(self, count: int) -> bytes:
        """Return `count` bytes from the operating system."""
        return self._guard.check(secrets.token_bytes(count))


class RepeatGuard:
    """Raises when two consecutive long draws are equal (a stuck generator or a cloned snapshot)."""

    def __init__(self) -> None:
        self._last = b""

    def check(self, drawn: bytes) -> bytes:
        """Return `drawn` unless it repeats the last long draw."""
        if len(drawn) >= REPEAT_CHECK_BYTES:
            if drawn == self._last:
                raise UsageError("The random generator repeats itself; stop this node and check its entropy source.")
            self._last = drawn
        return drawn


def bits(randomness: Randomness, count: int) -> int:
    """Return an integer uniform in [0, 2^count)."""
    surplus = -count % 8
    return int.from_bytes(randomness.bytes((count + 7) // 8), "big") >> surplus


def below(randomness: Randomness, bound: int) -> int:
    """Return an integer uniform in [0, bound), by rejection."""
    if bound < 1:
        raise UsageError(f"A random number below {bound} does not exist; the bound must be positive.")
    width = (bound - 1).bit_length()
    for _ in range(MAX_DRAWS):
        drawn = bits(randomness, width)
        if drawn < bound:
            return drawn
    raise UsageError("The random generator gave no usable number in 128 draws; check its entropy source.")


def unit(randomness: Randomness, modulus: int) -> int:
    """Return a uniformly random unit of Z_modulus other than 1, so a blinder always blinds."""
    for _ in range(MAX_DRAWS):
        drawn = below(randomness, modulus)
        if drawn > 1 and gcd(drawn, modulus) == 1:
            return drawn
    raise UsageError("The random generator gave no unit in 128 draws; check its entropy source.")


def shuffle(randomness: Randomness, items: MutableSequence[T]) -> None:
    """Permute `items` in place, uniformly (Fisher-Yates)."""
    for last in range(len(items) - 1, 0, -1):
        chosen = below(randomness, last + 1)
        items[last], items[chosen] = items[chosen], items[last]
