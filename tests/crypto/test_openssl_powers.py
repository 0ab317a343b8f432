"""OpenSSL's silent power beside Python's own, and what happens where it is absent or wrong."""

import ctypes
import sys
import threading
from collections.abc import Callable

import gmpy2
import pytest

from privcredit.crypto import integers, openssl_powers
from privcredit.crypto.integers import powmod_secret
from privcredit.crypto.openssl_powers import SMALLEST_BITS, openssl_power
from privcredit.crypto.randomness import below, bits
from privcredit.errors import UsageError
from support.seeded import SeededRandomness

RANDOM = SeededRandomness("openssl powers")
LENGTHS = [512, 513, 1024, 1536, 2048, 3072]

needs_openssl = pytest.mark.skipif(openssl_power(silent=True) is None, reason="this system has no OpenSSL 3")


def odd(length: int) -> int:
    return bits(RANDOM, length) | 1 << (length - 1) | 1


@needs_openssl
@pytest.mark.parametrize("silent", [True, False])
@pytest.mark.parametrize("length", LENGTHS)
def test_power_is_pow(length: int, silent: bool) -> None:
    modulus = odd(length)
    for base in (0, 1, 2, modulus - 1, below(RANDOM, modulus)):
        for exponent in (1, 2, 31, 32, 33, 1 << 63, (1 << 64) - 1, 1 << 64, bits(RANDOM, length + 257) | 1):
            assert openssl_power(silent=silent)(base, exponent, modulus) == pow(base, exponent, modulus)


@needs_openssl
def test_power_is_gmps_at_the_sizes_of_production() -> None:
    modulus, exponent = odd(4096), odd(4096)
    base = below(RANDOM, modulus)
    assert powmod_secret(base, exponent, modulus) == gmpy2.powmod_sec(base, exponent, modulus)


@needs_openssl
def test_bases_outside_the_residues_are_reduced_first() -> None:
    modulus = odd(SMALLEST_BITS)
    assert powmod_secret(modulus + 5, 7, modulus) == 5**7
    assert powmod_secret(-5, 3, modulus) == modulus - 125


@needs_openssl
def test_threads_share_it() -> None:
    modulus = odd(2048)
    work = [(below(RANDOM, modulus), odd(512)) for _ in range(40)]
    found: dict[int, int] = {}

    def run(start: int) -> None:
        for index in range(start, len(work), 4):
            found[index] = int(powmod_secret(*work[index], modulus))

    threads = [threading.Thread(target=run, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {index: pow(*item, modulus) for index, item in enumerate(work)}


@needs_openssl
def test_a9_long_secret_powers_take_openssls_silent_path(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []

    def watched(*, silent: bool) -> Callable[..., int]:
        return lambda *given: taken.append((silent, given)) or 1

    monkeypatch.setattr(integers, "openssl_power", watched)
    modulus = odd(SMALLEST_BITS)
    powmod_secret(3, 5, modulus)
    powmod_secret(3, 5, modulus >> 1 | 1)  # a bit too short: GMP's silent path
    assert taken == [(True, (3, 5, modulus))]


@needs_openssl
def test_long_public_powers_are_pow() -> None:
    for modulus in (odd(1024), odd(1024) - 1):
        base, exponent = below(RANDOM, modulus), odd(300)
        assert integers.powmod_public(base, exponent, modulus) == pow(base, exponent, modulus)
        assert integers.powmod_public(base, 1 << 300, modulus) == pow(base, 1 << 300, modulus)


def test_a9_without_openssl_gmps_silent_path_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    monkeypatch.setattr(integers, "openssl_power", lambda **_kind: None)
    monkeypatch.setattr(integers.gmpy2, "powmod_sec", lambda *given: taken.append(given) or 1)
    modulus = odd(SMALLEST_BITS)
    powmod_secret(3, 5, modulus)
    assert taken == [(3, 5, modulus)]


def test_other_systems_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert openssl_power.__wrapped__(silent=True) is None


def test_missing_library_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openssl_powers, "LIBRARY", "libabsent.so.3")
    assert openssl_power.__wrapped__(silent=True) is None


@needs_openssl
def test_library_that_lacks_a_function_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(openssl_powers._SIGNATURES, "BN_of_another_world", (ctypes.c_int, ()))
    assert openssl_power.__wrapped__(silent=True) is None


@needs_openssl
def test_library_that_computes_wrong_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openssl_powers._Power, "__call__", lambda *_given: gmpy2.mpz(1))
    assert openssl_power.__wrapped__(silent=True) is None


@needs_openssl
def test_failure_inside_openssl_raises() -> None:
    with pytest.raises(UsageError, match="OpenSSL could not raise"):
        openssl_power(silent=True)(3, 5, 1 << SMALLEST_BITS)  # even: OpenSSL refuses


@needs_openssl
def test_a9_secret_moduli_are_prepared_without_branches_on_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A DGK key's p is a secret modulus; OpenSSL inverts modulo it without branches only if it is flagged."""
    library, seen = openssl_powers._library(), []
    library.BN_get_flags.argtypes = (ctypes.c_void_p, ctypes.c_int)
    original = library.BN_mod_exp_mont_consttime

    def spy(result: int, base: int, exponent: int, modulus: int, *rest: int) -> int:
        seen.extend(bool(library.BN_get_flags(number, openssl_powers.CONSTANT_TIME)) for number in (exponent, modulus))
        return int(original(result, base, exponent, modulus, *rest))

    monkeypatch.setattr(library, "BN_mod_exp_mont_consttime", spy)
    modulus = odd(SMALLEST_BITS)
    assert openssl_powers._Power(library, silent=True)(3, 5, modulus) == 3**5
    assert seen == [True, True]


@needs_openssl
def test_a9_the_silent_power_is_the_constant_time_function_on_numbers_flagged_secret() -> None:
    silent, open_ = openssl_power(silent=True), openssl_power(silent=False)
    assert (silent._raise.__name__, silent._flags) == ("BN_mod_exp_mont_consttime", openssl_powers.CONSTANT_TIME)
    assert (open_._raise.__name__, open_._flags) == ("BN_mod_exp_mont", 0)
