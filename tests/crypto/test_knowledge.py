"""Proof of plaintext knowledge: an independent verifier, every replay and mutation, and the attacks it excludes."""

from collections.abc import Iterator
from dataclasses import replace

import gmpy2
import pytest

from crypto import naive_paillier
from crypto.toy_paillier import encryptor, small_key
from privcredit.crypto import fixed_base, integer_commitment, integers, knowledge
from privcredit.crypto.knowledge import (
    KnowledgeProof,
    maximum_message_bits,
    proof_bytes,
    prove_knowledge,
    verify_knowledge,
)
from privcredit.crypto.paillier import Ciphertext, Encryptor, FreshCiphertext, Opening
from privcredit.crypto.paillier_public import PublicKey
from privcredit.crypto.randomness import bits
from privcredit.errors import InvalidProofError, UsageError
from support.seeded import SeededRandomness

CONTEXT = b"bank, query 7, epoch 3, policy"
WIDTH = 12
MESSAGE = 700


def parties(seed: str = "holder") -> tuple[Encryptor, SeededRandomness]:
    return encryptor(small_key(), seed), SeededRandomness(f"{seed} proof")


def proven(message: int = MESSAGE, seed: str = "holder") -> tuple[Encryptor, FreshCiphertext, KnowledgeProof]:
    sender, randomness = parties(seed)
    ciphertext, opening = sender.encrypt_with_opening(message)
    return sender, ciphertext, prove_knowledge(sender, ciphertext, opening, CONTEXT, randomness, WIDTH)


def naive_verifier(key: PublicKey, c: int, data: bytes, context: bytes, width: int) -> bool:
    return naive_paillier.knowledge_accepted(int(key.n), c, data, context, width)


@pytest.mark.parametrize("message", [0, 1, MESSAGE, (1 << WIDTH) - 1])
def test_proof_verifies_here_and_with_the_naive_verifier(message: int) -> None:
    sender, ciphertext, proof = proven(message)
    verify_knowledge(sender, ciphertext, proof, CONTEXT, WIDTH, "bank")
    data = proof.to_bytes()
    assert len(data) == proof_bytes(sender.key, WIDTH)
    assert KnowledgeProof.from_bytes(sender.key, data, "bank") == proof
    assert naive_verifier(sender.key, int(ciphertext.value), data, CONTEXT, WIDTH)


def test_verifier_without_a_table_agrees() -> None:
    _, ciphertext, proof = proven()
    plain = Encryptor(small_key().key, SeededRandomness("x"), table=False)
    verify_knowledge(plain, ciphertext, proof, CONTEXT, WIDTH, "bank")


def test_wide_message_goes_without_the_message_table() -> None:
    sender, randomness = parties()
    ciphertext, opening = sender.encrypt_with_opening(1 << 200)
    proof = prove_knowledge(sender, ciphertext, opening, CONTEXT, randomness, 201)
    verify_knowledge(sender, ciphertext, proof, CONTEXT, 201, "bank")


# W2 to W5: what is refused


@pytest.mark.parametrize("context", [b"", CONTEXT + b"\0", CONTEXT[:-1], b"court" + CONTEXT[4:]])
def test_w4_proof_moved_to_another_context_is_refused(context: bytes) -> None:
    sender, ciphertext, proof = proven()
    with pytest.raises(InvalidProofError, match=r"bank: .*does not fit"):
        verify_knowledge(sender, ciphertext, proof, context, WIDTH, "bank")


def mutations(proof: KnowledgeProof) -> Iterator[KnowledgeProof]:
    for field in ("commitment", "challenge", "message", "exponent", "blinder"):
        for change in (1, -1, 1 << 64):
            yield replace(proof, **{field: getattr(proof, field) + change})


def test_w3_every_number_of_the_proof_counts() -> None:
    sender, ciphertext, proof = proven()
    for mutated in mutations(proof):
        with pytest.raises(InvalidProofError):
            verify_knowledge(sender, ciphertext, mutated, CONTEXT, WIDTH, "bank")


def test_w3_every_byte_of_the_encoding_counts() -> None:
    sender, ciphertext, proof = proven()
    data = proof.to_bytes()
    for position in range(0, len(data), 3):
        flipped = data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]
        with pytest.raises(InvalidProofError):
            verify_knowledge(
                sender, ciphertext, KnowledgeProof.from_bytes(sender.key, flipped, "bank"), CONTEXT, WIDTH, "bank"
            )
        assert not naive_verifier(sender.key, int(ciphertext.value), flipped, CONTEXT, WIDTH)


@pytest.mark.parametrize("cut", [lambda d: d[:0], lambda d: d[:-1], lambda d: d + b"\0", list, bytearray])
def test_w2_proof_of_another_length_is_refused(cut) -> None:  # noqa: ANN001 - mixed on purpose
    sender, _, proof = proven()
    with pytest.raises(InvalidProofError, match="wrong length"):
        KnowledgeProof.from_bytes(sender.key, cut(proof.to_bytes()), "bank")


def test_w2_proof_for_another_width_or_key_is_refused() -> None:
    sender, ciphertext, proof = proven()
    with pytest.raises(InvalidProofError, match="message width"):
        verify_knowledge(sender, ciphertext, proof, CONTEXT, WIDTH + 1, "bank")
    other = encryptor(small_key(512, 2))
    with pytest.raises(InvalidProofError, match="another key"):
        verify_knowledge(other, ciphertext, proof, CONTEXT, WIDTH, "bank")


@pytest.fixture
def _no_powers(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("an exponentiation ran before the bounds were checked")

    for module in (integers, knowledge, integer_commitment):
        for name in ("powmod_public", "powmod_secret"):
            monkeypatch.setattr(module, name, refuse, raising=False)
    monkeypatch.setattr(fixed_base.FixedBase, "power", refuse)


OUT_OF_BOUNDS = {
    "million-bit message response": {"message": 1 << 10**6},
    "million-bit exponent response": {"exponent": 1 << 10**6},
    "million-bit blinder response": {"blinder": 1 << 10**6},
    "million-bit challenge": {"challenge": 1 << 10**6},
    "negative message response": {"message": -1},
    "negative exponent response": {"exponent": -1},
    "negative challenge": {"challenge": -1},
    "message response at its bound": {"message": (1 << (WIDTH + 192)) + (1 << (WIDTH + 128))},
    "commitment zero": {"commitment": gmpy2.mpz(0)},
    "commitment n": {"commitment": small_key().key.n},
    "commitment p": {"commitment": gmpy2.mpz(small_key().primes[0])},
}


@pytest.mark.parametrize("change", OUT_OF_BOUNDS.values(), ids=OUT_OF_BOUNDS)
def test_w5_bounds_are_checked_before_any_power(change: dict[str, int], request: pytest.FixtureRequest) -> None:
    sender, ciphertext, proof = proven()
    request.getfixturevalue("_no_powers")
    with pytest.raises(InvalidProofError, match=r"bounds|unit"):
        verify_knowledge(sender, ciphertext, replace(proof, **change), CONTEXT, WIDTH, "bank")


# H1, H2: what a dishonest holder tries


def test_h2_copied_ciphertext_is_refused_under_the_copier() -> None:
    sender, ciphertext, proof = proven()
    with pytest.raises(InvalidProofError, match="court"):
        verify_knowledge(sender, ciphertext, proof, b"court" + CONTEXT[4:], WIDTH, "court")


def test_h2_inverted_or_rerandomised_ciphertext_is_refused() -> None:
    sender, ciphertext, proof = proven()
    for stolen in (ciphertext * -1, sender.rerandomise(ciphertext), ciphertext + 1, ciphertext * 2):
        with pytest.raises(InvalidProofError):
            verify_knowledge(sender, stolen, proof, CONTEXT, WIDTH, "court")


@pytest.mark.parametrize("message", [-1, 1 << WIDTH])
def test_h1_prover_refuses_a_message_outside_its_width(message: int) -> None:
    sender, randomness = parties()
    ciphertext, opening = sender.encrypt_with_opening(message)
    with pytest.raises(UsageError, match="0 to 12 bits"):
        prove_knowledge(sender, ciphertext, opening, CONTEXT, randomness, WIDTH)


def forge(message: int, *, attempts: int = 40) -> tuple[Encryptor, Ciphertext, KnowledgeProof, int]:
    """Prove as well as one can about a wrapping plaintext, answering modulo n; returns how often Paillier's part fits.

    The best known attack: m = u/v mod n is answered by the small a + e u/v whenever v divides e, by trying again.
    """
    sender, randomness = parties("forger")
    key, n = sender.key, int(sender.key.n)
    ciphertext, opening = sender.encrypt_with_opening(message)
    fitting, best = 0, None
    for _ in range(attempts):
        t, masks = bits(randomness, 256), [bits(randomness, size + 192) for size in (WIDTH, 256, 256)]
        commitment = sender.commitments.commit(message, t)
        announced = knowledge._encryption(sender, *masks[:2]), sender.commitments.commit(masks[0], masks[2])
        e = knowledge._challenge(ciphertext, commitment, announced, CONTEXT, WIDTH)
        answer = (masks[0] + e * message) % n
        proof = KnowledgeProof(key, WIDTH, commitment, e, answer, masks[1] + e * opening.exponent, masks[2] + e * t)
        small = answer < 1 << (WIDTH + 192)
        fitting += small
        best = proof if small or best is None else best
    assert best is not None
    return sender, ciphertext, best, fitting


def wrapping() -> dict[str, int]:
    n = int(small_key().key.n)
    return {"1/2": pow(2, -1, n), "n/2": n // 2, "1/3": pow(3, -1, n), "random": n // 7 * 3}


@pytest.mark.parametrize("message", wrapping().values(), ids=wrapping())
def test_h1_plaintext_that_could_wrap_is_refused(message: int) -> None:
    sender, ciphertext, proof, _ = forge(message)
    with pytest.raises(InvalidProofError, match="bank"):
        verify_knowledge(sender, ciphertext, proof, CONTEXT, WIDTH, "bank")


@pytest.mark.parametrize("name", ["1/2", "n/2", "1/3"])
def test_h1_without_the_integer_commitment_fractions_would_pass(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound on the response alone is no guard: half or a third of all challenges suit a fraction."""
    monkeypatch.setattr(integer_commitment.CommitmentKey, "commit", lambda *_: gmpy2.mpz(1))
    sender, ciphertext, proof, fitting = forge(wrapping()[name])
    assert fitting > 0
    verify_knowledge(sender, ciphertext, proof, CONTEXT, WIDTH, "bank")


def test_h1_stated_slack_a_holder_can_still_lie_within_it() -> None:
    """The proof bounds the plaintext by 2^(l + 193), not by 2^l: exact range proofs are to come."""
    sender, randomness = parties("liar")
    for message in (-1, 1 << WIDTH, 1 << (WIDTH + 60)):
        ciphertext, opening = sender.encrypt_with_opening(message)
        proof = prove_lie(sender, ciphertext, message, opening, randomness)
        verify_knowledge(sender, ciphertext, proof, CONTEXT, WIDTH, "bank")


def prove_lie(
    sender: Encryptor, ciphertext: FreshCiphertext, message: int, opening: Opening, randomness: SeededRandomness
) -> KnowledgeProof:
    t, masks = bits(randomness, 256), [bits(randomness, size + 192) for size in (WIDTH, 256, 256)]
    base, n = sender.commitments.message_base, sender.key.n
    commitment = gmpy2.powmod(base, message, n) * sender.commitments.commit(0, t) % n
    announced = knowledge._encryption(sender, *masks[:2]), sender.commitments.commit(masks[0], masks[2])
    e = knowledge._challenge(ciphertext, commitment, announced, CONTEXT, WIDTH)
    answers = (masks[0] + e * message, masks[1] + e * opening.exponent, masks[2] + e * t)
    return KnowledgeProof(sender.key, WIDTH, commitment, e, *answers)


# Zero knowledge and widths


def test_two_proofs_share_no_number() -> None:
    sender, randomness = parties()
    ciphertext, opening = sender.encrypt_with_opening(MESSAGE)
    first, second = (prove_knowledge(sender, ciphertext, opening, CONTEXT, randomness, WIDTH) for _ in range(2))
    for field in ("commitment", "challenge", "message", "exponent", "blinder"):
        assert getattr(first, field) != getattr(second, field)


def test_width_that_could_wrap_is_refused_with_production_keys() -> None:
    key = PublicKey.from_modulus((2**521 - 1) * (2**2203 - 1))
    sender = Encryptor(key, SeededRandomness("x"), table=False)
    limit = maximum_message_bits(key)
    assert limit == key.bits - 2 - 193 - 8
    with pytest.raises(UsageError, match=f"at most {limit}"):
        prove_knowledge(sender, sender.encrypt(1), Opening(1, 2), CONTEXT, SeededRandomness("y"), limit + 1)


def test_proof_repr_is_short() -> None:
    assert len(repr(proven()[2])) < 150
