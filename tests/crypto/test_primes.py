"""Safe primes: exhaustive at toy size, against trial division."""

import pytest

from privcredit.crypto import primes
from privcredit.crypto.primes import is_safe_prime, safe_prime
from privcredit.errors import UsageError
from support.seeded import SeededRandomness, StuckRandomness


def is_prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))


def test_predicate_against_trial_division() -> None:
    for number in range(7, 5000):
        assert is_safe_prime(number) == (is_prime(number) and is_prime((number - 1) // 2) and number % 2 == 1)
    assert not any(is_safe_prime(number) for number in range(-5, 7))


@pytest.mark.parametrize("bits", [6, 8, 20, 63, 64, 65, 128, 256, 512])
def test_length_top_bits_and_primality(bits: int) -> None:
    for seed in range(3):
        prime = safe_prime(bits, SeededRandomness(seed))
        assert is_safe_prime(prime)
        assert prime >> (bits - 2) == 3


def test_two_primes_make_a_modulus_of_twice_the_length() -> None:
    assert (3 << 30) ** 2 >= 1 << 63  # the smallest of 32 bits with two top bits set


def test_same_seed_same_prime_and_other_seed_other_prime() -> None:
    draws = [safe_prime(128, SeededRandomness(seed)) for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


def test_sieve_keeps_exactly_what_has_no_small_factor() -> None:
    start = 10**6 * 6 + 5
    kept = set(primes._sieved(primes.mpz(start), 1 << 10, 1 << 11))
    small = [number for number in range(2, 1 << 10) if is_prime(number)]
    for step in range(1 << 11):
        half = start + 6 * step
        free = all(half % prime and (2 * half + 1) % prime for prime in small)
        assert (half in kept) == free


def test_progress_hears_every_test() -> None:
    heard: list[int] = []
    safe_prime(128, SeededRandomness(1), heard.append)
    assert heard == list(range(1, len(heard) + 1))
    assert heard


def test_too_short_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 6"):
        safe_prime(5, SeededRandomness(1))


def test_h3_stuck_generator_ends_in_an_error() -> None:
    with pytest.raises(UsageError, match="entropy"):
        safe_prime(40, StuckRandomness(7))
