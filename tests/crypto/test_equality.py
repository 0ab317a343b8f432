"""Equality proofs: exhaustive soundness at toy size, agreement with the naive implementation, one test per guard."""

import hashlib
from itertools import product

import pytest

from privcredit.crypto import equality
from privcredit.crypto.equality import EqualityProof, Pair, prove_equal_logs, verify_equal_logs
from privcredit.crypto.group import ORDER, Scalar, hash_to_group
from privcredit.errors import InvalidProofError, UsageError
from support import ristretto
from support.seeded import SeededRandomness, StuckRandomness

CONTEXT = b"context"
K = Scalar.generate(SeededRandomness("k"))
OTHER = Scalar.generate(SeededRandomness("other"))
BASES = [hash_to_group("base", bytes([i])) for i in range(3)]


def pairs_of(*secrets: Scalar) -> list[Pair]:
    return [(base, secret.times(base)) for base, secret in zip(BASES, secrets, strict=False)]


def prove(pairs: list[Pair], secret: Scalar = K, context: bytes = CONTEXT) -> EqualityProof:
    return prove_equal_logs(secret, pairs, context, SeededRandomness("proof"))


def refuse(pairs: list[Pair], proof: EqualityProof, context: bytes = CONTEXT) -> None:
    with pytest.raises(InvalidProofError) as caught:
        verify_equal_logs(pairs, proof, context, "mallory")
    assert caught.value.culprit == "mallory"


def framed(*fields: bytes) -> bytes:
    return b"".join(len(field).to_bytes(8, "big") + field for field in fields)


def naive_challenge(pairs: list[Pair], commitments: list[bytes], context: bytes) -> int:
    points = [point.data for pair in pairs for point in pair]
    head = [b"privcredit v1", b"challenge", b"equal logarithms", context, len(pairs).to_bytes(8, "big")]
    return int.from_bytes(hashlib.sha512(framed(*head, *points, *commitments)).digest(), "big") % ORDER


@pytest.mark.parametrize("count", [1, 2, 3])
def test_proofs_verify_here_and_in_plain_python(count: int) -> None:
    pairs = pairs_of(*[K] * count)
    proof = prove(pairs)
    verify_equal_logs(pairs, proof, CONTEXT, "wallet")
    assert len(proof.to_bytes()) == 64
    c, z = (int.from_bytes(half, "little") for half in (proof.challenge, proof.response))
    commitments = []
    for base, image in pairs:
        left = ristretto.multiply(z, ristretto.decode(base.data))
        right = ristretto.multiply(c, ristretto.decode(image.data))
        commitments.append(ristretto.encode(ristretto.subtract(left, right)))
    assert naive_challenge(pairs, commitments, CONTEXT) == c


def test_soundness_exhaustively_in_a_group_of_order_seven() -> None:
    """Exponents stand for points (B_1 = 1, B_2 = b): a false statement has an answer for at most one challenge."""
    order = 7
    for b, k1, k2, r1, r2 in product(range(1, order), repeat=5):
        answered = {
            c
            for c, z in product(range(order), repeat=2)
            if (z - c * k1 - r1) % order == 0 and (b * z - c * b * k2 - r2) % order == 0
        }
        honest = r2 == b * r1 % order
        assert len(answered) == (order if k1 == k2 and honest else 0 if k1 == k2 else 1)


def test_s5_two_wallets_cannot_prove_together() -> None:
    """Separate proofs would each verify: the joint challenge is the guard."""
    pooled = pairs_of(K, OTHER)
    for single, secret in zip(pooled, (K, OTHER), strict=True):
        verify_equal_logs([single], prove([single], secret), CONTEXT, "wallet")
    with pytest.raises(UsageError, match="same secret"):
        prove(pooled)
    for secret in (K, OTHER):
        refuse(pooled, forge(pooled, secret))


def forge(pairs: list[Pair], secret: Scalar) -> EqualityProof:
    """What a cheating prover's code would do: skip the check of its own statement."""
    nonce = equality._nonce(secret, pairs, CONTEXT, bytes(32))
    drawn = equality._challenge(pairs, [nonce.times(base).data for base, _ in pairs], CONTEXT)
    return EqualityProof(drawn, secret.respond(drawn, nonce))


def test_forge_helper_is_a_working_prover_for_true_statements() -> None:
    verify_equal_logs(pairs_of(K, K), forge(pairs_of(K, K), K), CONTEXT, "wallet")


def test_weak_fiat_shamir_would_be_forgeable(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the challenge left the images out, one could choose them afterwards; with them in, the same bytes fail."""

    def weak(pairs: list[Pair], commitments: list[bytes], context: bytes) -> bytes:
        number = naive_challenge([(pairs[0][0], pairs[0][0])], commitments, context)
        return number.to_bytes(32, "little")

    nonce, response = Scalar.generate(SeededRandomness("n")), 12345
    base = BASES[0]
    commitment = nonce.times(base)
    c = int.from_bytes(weak([(base, base)], [commitment.data], CONTEXT), "little")
    exponent = (response - int.from_bytes(nonce.export_secret(), "little")) * pow(c, -1, ORDER) % ORDER
    image = Scalar(exponent.to_bytes(32, "little")).times(base)
    forged = EqualityProof(c.to_bytes(32, "little"), response.to_bytes(32, "little"))
    refuse([(base, image)], forged)
    monkeypatch.setattr(equality, "_challenge", weak)
    verify_equal_logs([(base, image)], forged, CONTEXT, "wallet")


def test_w3_every_field_of_the_transcript_changes_the_challenge() -> None:
    pairs = pairs_of(K, K)
    proof = prove(pairs)
    refuse(pairs, proof, b"contexT")
    refuse(pairs, proof, b"")
    refuse(pairs[:1], proof)
    refuse(pairs[::-1], proof)
    refuse([*pairs, pairs[0]], proof)
    for at, side in product(range(2), range(2)):
        altered = [list(pair) for pair in pairs]
        altered[at][side] = BASES[2]
        refuse([(base, image) for base, image in altered], proof)


def test_w2_every_flipped_byte_of_a_proof_is_refused() -> None:
    pairs = pairs_of(K)
    data = prove(pairs).to_bytes()
    for at in range(0, 64, 3):
        flipped = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises(InvalidProofError):
            verify_equal_logs(pairs, EqualityProof.from_bytes(flipped, "mallory"), CONTEXT, "mallory")


@pytest.mark.parametrize("data", [b"", bytes(63), bytes(65), bytes(64), b"\xff" * 64, b"\x01" * 125_000])
def test_w5_length_and_bounds_come_before_any_multiplication(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equality, "combine", lambda *_: pytest.fail("multiplied"))
    with pytest.raises(InvalidProofError) as caught:
        verify_equal_logs(pairs_of(K), EqualityProof.from_bytes(data, "mallory"), CONTEXT, "mallory")
    assert caught.value.culprit == "mallory"


def test_w2_a_trailing_zero_byte_is_refused_only_by_the_length() -> None:
    data = prove(pairs_of(K)).to_bytes() + b"\x00"
    assert int.from_bytes(data[32:], "little") < ORDER
    with pytest.raises(InvalidProofError, match="64 bytes"):
        EqualityProof.from_bytes(data, "wallet")


@pytest.mark.parametrize("half", [0, 32])
@pytest.mark.parametrize("value", [0, ORDER])
def test_w2_each_scalar_out_of_range_is_refused(half: int, value: int) -> None:
    data = bytearray(prove(pairs_of(K)).to_bytes())
    data[half : half + 32] = value.to_bytes(32, "little")
    with pytest.raises(InvalidProofError, match="out of range"):
        EqualityProof.from_bytes(bytes(data), "mallory")


def test_w2_a_second_spelling_of_a_response_is_refused_only_by_the_bound() -> None:
    pairs = pairs_of(K)
    proof = prove(pairs)
    other = (int.from_bytes(proof.response, "little") + ORDER).to_bytes(32, "little")
    verify_equal_logs(pairs, EqualityProof(proof.challenge, other), CONTEXT, "wallet")
    with pytest.raises(InvalidProofError, match="out of range"):
        EqualityProof.from_bytes(proof.challenge + other, "wallet")


def test_no_pairs_prove_nothing() -> None:
    with pytest.raises(UsageError):
        verify_equal_logs([], prove(pairs_of(K)), CONTEXT, "wallet")
    with pytest.raises(UsageError):
        prove([])


def test_h3_a_stuck_generator_does_not_give_one_nonce_to_two_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the hedge, two proofs do not give the secret away; with the nonce from the generator alone, they do."""
    pairs = pairs_of(K)

    def solve() -> int:
        a, b = (prove_equal_logs(K, pairs, context, StuckRandomness(7)) for context in (b"one", b"two"))
        c1, z1, c2, z2 = (int.from_bytes(x, "little") for x in (a.challenge, a.response, b.challenge, b.response))
        return (z1 - z2) * pow(c1 - c2, -1, ORDER) % ORDER

    secret = int.from_bytes(K.export_secret(), "little")
    assert solve() != secret
    monkeypatch.setattr(equality, "_nonce", lambda _k, _p, _c, entropy: Scalar.from_wide(entropy + bytes(32)))
    assert solve() == secret


def test_proofs_differ_under_fresh_randomness_and_repeat_under_the_same() -> None:
    pairs, randomness = pairs_of(K), SeededRandomness("fresh")
    first, second = (prove_equal_logs(K, pairs, CONTEXT, randomness) for _ in range(2))
    assert first != second
    assert prove(pairs) == prove(pairs)
