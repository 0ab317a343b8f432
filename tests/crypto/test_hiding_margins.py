"""How wide every mask is, read off with a generator of ones: the widest mask shows its width, and must not wrap."""

import pytest

from privcredit.crypto import dgk_keys, equality
from privcredit.crypto.dgk import PublicNoise
from privcredit.crypto.equality import Pair
from privcredit.crypto.group import Scalar, hash_to_group
from privcredit.crypto.knowledge import prove_knowledge, verify_knowledge
from privcredit.crypto.packing import Layout, capacity
from privcredit.crypto.paillier import Ciphertext, Encryptor
from privcredit.crypto.share_proof import ShareProver, exponent_bits, verify_share
from privcredit.crypto.threshold import DELTA
from privcredit.errors import UsageError
from support.dgk import toy_dgk
from support.keys import toy_dealing, toy_private_key
from support.seeded import SeededRandomness

WIDTH = 12


class Ones:
    """A generator that gives ones only: every draw is the largest possible."""

    def bytes(self, count: int) -> bytes:
        return b"\xff" * count


def test_responses_of_a_knowledge_proof_hide_by_64_bits_more_than_the_challenge() -> None:
    encryptor = Encryptor(toy_private_key(128).key, SeededRandomness("margins"), window=4)
    ciphertext, opening = encryptor.encrypt_with_opening(77)
    proof = prove_knowledge(encryptor, ciphertext, opening, b"context", Ones(), WIDTH)
    length = encryptor.randomiser_bits
    assert proof.message - proof.challenge * 77 == (1 << WIDTH + 192) - 1
    assert proof.exponent - proof.challenge * opening.exponent == (1 << length + 192) - 1
    assert proof.blinder == (1 << length + 192) - 1 + proof.challenge * ((1 << length) - 1)
    verify_knowledge(encryptor, ciphertext, proof, b"context", WIDTH, "holder")


def test_response_of_a_share_proof_hides_by_128_bits_more_than_the_challenge() -> None:
    dealing = toy_dealing(40)
    key, share = dealing.threshold_key, dealing.shares[0]
    ciphertext = Encryptor(key.key, SeededRandomness("margins")).encrypt(5)
    partial, proof = ShareProver(key, share, Ones()).open(ciphertext, b"context")
    assert proof.response - proof.challenge * DELTA * share.secret == (1 << exponent_bits(key.key) + 256) - 1
    verify_share(key, ciphertext, partial, proof, b"context", "authority-1")


@pytest.mark.parametrize(("key_bits", "score_bits", "slots"), [(2048, 10, 1), (3072, 14, 3), (3072, 10, 273)])
def test_mask_of_a_sum_is_sigma_bits_wider_and_the_widest_does_not_wrap(
    key_bits: int, score_bits: int, slots: int
) -> None:
    layout = Layout(key_bits, score_bits, slots)
    largest = layout.draw_mask(Ones())
    assert largest == (1 << layout.plaintext_bits + 64) - 1
    assert slots <= capacity(key_bits, score_bits)
    assert layout.repeat((1 << score_bits) - 1) + largest < 1 << key_bits - 1


def test_dgk_noise_has_exponents_half_a_subgroup_longer_than_the_order() -> None:
    public = toy_dgk(3).public
    largest = (1 << 40) - 1
    assert public.subgroup_bits == 16
    assert PublicNoise(public, Ones()).draw() == pow(int(public.h), largest, int(public.n))


def test_nonce_of_an_equality_proof_takes_the_secret_the_generator_and_the_statement() -> None:
    """A generator that an attacker can predict does not give the nonce, and with it the secret, away."""
    one, other = (Scalar.generate(SeededRandomness(seed)) for seed in ("one", "other"))
    base = hash_to_group("base")
    pairs: list[Pair] = [(base, one.times(base))]
    inputs = [
        (one, pairs, b"context", bytes(32)),
        (other, pairs, b"context", bytes(32)),
        (one, [(base, other.times(base))], b"context", bytes(32)),
        (one, pairs, b"another", bytes(32)),
        (one, pairs, b"context", b"\1" * 32),
    ]
    assert len({equality._nonce(*each).export_secret() for each in inputs}) == len(inputs)


def test_a_dgk_prime_has_no_second_subgroup() -> None:
    """v_q must not divide p - 1, or elements of that order would exist modulo both factors."""
    randomness = SeededRandomness("dgk primes")
    primes = [int(dgk_keys._prime_above(20, 5, 11, 7, randomness)) for _ in range(60)]
    assert all((prime - 1) % 110 == 0 for prime in primes)
    assert all((prime - 1) % 7 for prime in primes)


def test_w1_a_bad_ciphertext_costs_the_prover_no_mask() -> None:
    dealing = toy_dealing(40)
    prover = ShareProver(dealing.threshold_key, dealing.shares[0], SeededRandomness("prover"))
    prover.refill(1)
    key = dealing.threshold_key.key
    for bad in (Ciphertext(key, key.n), Ciphertext(toy_private_key(128).key, key.n + 1)):
        with pytest.raises(UsageError):
            prover.open(bad, b"context")
    assert prover.stock == 1
