"""A secret that is 0 costs the same work as any other (threats.md H4): no multiplication by 1, no skipped power.

Python's timing is too noisy for a quick test; what takes the time, the length of the factors, is exact.
"""

from itertools import product
from typing import Any

import gmpy2
import pytest

from privcredit.crypto import integer_commitment
from privcredit.crypto.fixed_base import FixedBase
from privcredit.crypto.knowledge import prove_knowledge, verify_knowledge
from privcredit.crypto.paillier import Encryptor
from privcredit.crypto.paillier_encryption import plaintext_factor
from support.dgk import toy_dgk
from support.keys import toy_private_key
from support.seeded import SeededRandomness

WIDTH = 12


def sender(*, table: bool = True) -> Encryptor:
    return Encryptor(toy_private_key(128).key, SeededRandomness("constant work"), window=4, table=table)


def test_h4_a_digit_0_multiplies_by_a_number_as_long_as_any_other() -> None:
    modulus = gmpy2.mpz((1 << 512) - 569)
    rows = FixedBase(gmpy2.powmod(7, 1 << 300, modulus), modulus, 64, 4)._rows
    lengths = [entry.bit_length() for row in rows for entry in row]
    assert min(lengths) > 512 - 64
    assert all(row[0] % modulus == 1 for row in rows)


def test_h4_the_constant_0_of_a_comparison_is_as_long_as_the_modulus() -> None:
    public = toy_dgk(3).public
    assert public.small_powers[0].bit_length() == public.bits
    assert public.small_powers[0] % public.n == 1


@pytest.mark.parametrize("message", [0, 1, 2, 1000])
def test_h4_the_factor_of_a_plaintext_is_as_long_for_0_as_for_others(message: int) -> None:
    key = toy_private_key(128).key
    factor = plaintext_factor(key, gmpy2.mpz(message))
    assert factor.bit_length() == (key.n_squared + 1).bit_length()
    assert factor % key.n_squared == 1 + message * key.n


@pytest.mark.parametrize("table", [True, False])
def test_concealing_is_committing(table: bool) -> None:
    commitments = sender(table=table).commitments
    for message, blinder in product((0, 1, 2, 77, (1 << WIDTH) - 1), (0, 1, 12345)):
        assert commitments.conceal(message, WIDTH, blinder) == commitments.commit(message, blinder)


@pytest.mark.parametrize("message", [0, 1, 77, (1 << WIDTH) - 1])
def test_a9_h4_a_score_is_committed_to_by_a_silent_power_of_one_length(
    monkeypatch: pytest.MonkeyPatch, message: int
) -> None:
    """A score recurs, so it must not index a table; and GMP's silent power takes as long as its exponent is."""
    encryptor, silent, tabled = sender(), [], []
    power, secret = FixedBase.power, integer_commitment.powmod_secret

    def spy_secret(base: Any, exponent: Any, modulus: Any) -> Any:
        silent.append(int(exponent).bit_length())
        return secret(base, exponent, modulus)

    def spy_table(self: FixedBase, exponent: int) -> Any:
        tabled.append(exponent)
        return power(self, exponent)

    ciphertext, opening = encryptor.encrypt_with_opening(message)
    _ = encryptor.commitments
    monkeypatch.setattr(integer_commitment, "powmod_secret", spy_secret)
    monkeypatch.setattr(FixedBase, "power", spy_table)
    proof = prove_knowledge(encryptor, ciphertext, opening, b"context", SeededRandomness("proof"), WIDTH)
    assert WIDTH + 1 in silent
    assert min(tabled) > 1 << 64
    monkeypatch.undo()
    verify_knowledge(encryptor, ciphertext, proof, b"context", WIDTH, "holder")
