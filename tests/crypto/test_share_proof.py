"""Share proofs: what they accept, what they refuse, and each attack that works once its guard is taken away."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import gmpy2
import pytest
from gmpy2 import mpz

from privcredit.crypto import share_proof
from privcredit.crypto.paillier import Ciphertext, Encryptor
from privcredit.crypto.share_proof import (
    PreparedCiphertext,
    ShareProof,
    ShareProver,
    ShareVerifier,
    check_share,
    exponent_bits,
    mask_bits,
    prepare_verification,
    prove_share,
    response_bound,
    response_bytes,
    verify_share,
)
from privcredit.crypto.threshold import DELTA, KeyShare, PartialDecryption, combine, lagrange, partial_decrypt
from privcredit.errors import InvalidProofError, UsageError
from support import naive_threshold as naive
from support.keys import dealing_2048, toy_dealing
from support.seeded import SeededRandomness, StuckRandomness

DEALING = toy_dealing(128)
KEY = DEALING.threshold_key
SHARE = DEALING.shares[0]
N, SQUARE = KEY.key.n, KEY.key.n_squared
CONTEXT = b"query 1"
CULPRIT = "authority 1"


def ciphertexts(*messages: int) -> list[Ciphertext]:
    encryptor = Encryptor(KEY.key, SeededRandomness("ciphertexts"), table=False)
    return [encryptor.encrypt(message) for message in messages]


C = ciphertexts(23)[0]
PARTIAL = partial_decrypt(SHARE, C)
MANY = ciphertexts(10, 20, 30, 40)
PARTIALS = [partial_decrypt(SHARE, ciphertext) for ciphertext in MANY]


def proof_by(share: KeyShare, many: Any, parts: Any, context: bytes = CONTEXT, seed: str = "proof") -> ShareProof:
    return prove_share(KEY, share, many, parts, context, SeededRandomness(seed))


PROOF = proof_by(SHARE, C, PARTIAL)


def refused(many: Any, parts: Any, proof: ShareProof, context: bytes = CONTEXT) -> None:
    """Every way of verifying refuses and names the culprit."""
    with pytest.raises(InvalidProofError) as caught:
        verify_share(KEY, many, parts, proof, context, CULPRIT)
    assert caught.value.culprit == CULPRIT
    with pytest.raises(InvalidProofError):
        ShareVerifier(KEY).verify(many, parts, proof, context, CULPRIT)
    if isinstance(many, Ciphertext):
        with pytest.raises(InvalidProofError):
            ShareVerifier(KEY).verify(many, parts, proof, context, CULPRIT, prepare_verification(many))


def shifted(partial: PartialDecryption, exponent: int = 7) -> PartialDecryption:
    return PartialDecryption(partial.index, int(partial.value * (1 + exponent * N) % SQUARE))


def str_of(number: int) -> str:
    """A test's name: Python writes no decimal of a million bits."""
    return f"{number.bit_length()}-bits"


# --- what is accepted ---


@pytest.mark.parametrize("bits", [11, 16, 64, 128])
@pytest.mark.parametrize("index", [1, 2, 3])
def test_honest_proofs_verify(bits: int, index: int) -> None:
    dealing = toy_dealing(bits)
    key, share = dealing.threshold_key, dealing.shares[index - 1]
    encryptor = Encryptor(key.key, SeededRandomness("honest"), table=False)
    prover, verifier = ShareProver(key, share, SeededRandomness("honest")), ShareVerifier(key)
    for message in range(20):
        ciphertext = encryptor.encrypt(message)
        partial, proof = prover.open(ciphertext, CONTEXT)
        read = ShareProof.from_bytes(proof.to_bytes(key.key), key.key, CULPRIT)
        verify_share(key, ciphertext, partial, read, CONTEXT, CULPRIT)
        verifier.verify(ciphertext, partial, read, CONTEXT, CULPRIT, prepare_verification(ciphertext))
        values = [int(value) for value in key.verification]
        statement = (int(key.key.n), values, index, [int(ciphertext.value)], [int(partial.value)])
        assert naive.proof_right(*statement, proof.to_bytes(key.key), CONTEXT)


@pytest.mark.parametrize("count", [1, 2, 3, 40])
def test_honest_batches_verify(count: int) -> None:
    many = ciphertexts(*range(count))
    parts = [partial_decrypt(SHARE, ciphertext) for ciphertext in many]
    proof = proof_by(SHARE, many, parts)
    verify_share(KEY, many, parts, proof, CONTEXT, CULPRIT)
    ShareVerifier(KEY).verify(many, parts, proof, CONTEXT, CULPRIT)


def test_threads_change_nothing() -> None:
    plain = ShareProver(KEY, SHARE, SeededRandomness("threads")).open(C, CONTEXT)
    with ThreadPoolExecutor(1) as pool:
        threaded = ShareProver(KEY, SHARE, SeededRandomness("threads")).open(C, CONTEXT, pool)
    assert (plain[0].value, plain[1]) == (threaded[0].value, threaded[1])


def test_stock_changes_nothing() -> None:
    prover = ShareProver(KEY, SHARE, SeededRandomness("proof"))
    prover.refill(3)
    assert prover.stock == 3
    assert prover.prove(C, PARTIAL, CONTEXT) == PROOF
    assert prover.stock == 2


def test_preparation_changes_nothing() -> None:
    verifier = ShareVerifier(KEY)
    for prepared in (None, prepare_verification(C), prepare_verification(MANY[0])):
        verifier.verify(C, PARTIAL, PROOF, CONTEXT, CULPRIT, prepared)


def test_real_length() -> None:
    dealing = dealing_2048()
    key = dealing.threshold_key
    ciphertext = Encryptor(key.key, SeededRandomness("2048"), table=False).encrypt(5)
    partial, proof = ShareProver(key, dealing.shares[2], SeededRandomness("2048")).open(ciphertext, CONTEXT)
    verify_share(key, ciphertext, partial, proof, CONTEXT, CULPRIT)
    assert len(proof.to_bytes(key.key)) == 561
    bad = PartialDecryption(3, int(partial.value * (1 + key.key.n) % key.key.n_squared))
    with pytest.raises(InvalidProofError):
        verify_share(key, ciphertext, bad, proof, CONTEXT, CULPRIT)


def test_negated_partial_is_harmless() -> None:
    """-c_i has the same square; it is provable and opens the same plaintext."""
    negated = PartialDecryption(1, int(SQUARE - PARTIAL.value))
    verify_share(KEY, C, negated, proof_by(SHARE, C, negated), CONTEXT, CULPRIT)
    assert combine(KEY, {1: negated, 2: partial_decrypt(DEALING.shares[1], C)}) == 23


def test_bounds_are_those_of_the_specification() -> None:
    for bits in (11, 64, 128):
        dealing = toy_dealing(bits)
        key = dealing.threshold_key.key
        assert exponent_bits(key) == 2 * key.bits + 1
        assert all(DELTA * share.secret < 1 << exponent_bits(key) for share in dealing.shares)
        largest = (1 << mask_bits(key)) - 1 + ((1 << 128) - 1) * ((1 << exponent_bits(key)) - 1)
        assert largest < response_bound(key) == 2 ** (exponent_bits(key) + 256) + 2 ** (exponent_bits(key) + 128)


# --- A1: a partial decryption that is not c^(2 Delta s_i) ---


@pytest.mark.parametrize("exponent", [1, 7, int(N) - 1])
def test_a1_share_times_one_plus_n(exponent: int) -> None:
    bad = shifted(PARTIAL, exponent)
    refused(C, bad, PROOF)
    refused(C, bad, proof_by(SHARE, C, bad))


def test_a1_other_wrong_values() -> None:
    wrong = [1, 2, int(C.value), int(PARTIAL.value) ** 2 % int(SQUARE), int(gmpy2.invert(PARTIAL.value, SQUARE))]
    wrong.append(int(partial_decrypt(DEALING.shares[1], C).value))
    for value in wrong:
        bad = PartialDecryption(1, value)
        refused(C, bad, PROOF)
        refused(C, bad, proof_by(SHARE, C, bad))


def test_a1_one_wrong_member_of_a_batch() -> None:
    for position in range(len(MANY)):
        parts = [shifted(part) if j == position else part for j, part in enumerate(PARTIALS)]
        refused(MANY, parts, proof_by(SHARE, MANY, parts))
        refused(MANY, parts, proof_by(SHARE, MANY, PARTIALS))


def test_a1_batch_errors_that_cancel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Factors (1+n)^e and (1+n)^-e pass under constant coefficients, and both plaintexts are then wrong."""
    parts = [shifted(PARTIALS[0], 9), shifted(PARTIALS[1], -9), *PARTIALS[2:]]
    refused(MANY, parts, proof_by(SHARE, MANY, parts))
    monkeypatch.setattr(share_proof._Statement, "coefficients", property(lambda self: [1] * len(self._values)))
    verify_share(KEY, MANY, parts, proof_by(SHARE, MANY, parts), CONTEXT, CULPRIT)
    assert combine(KEY, {1: parts[0], 2: partial_decrypt(DEALING.shares[1], MANY[0])}) != 10


def test_a1_coefficients_fixed_before_the_partials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the coefficients known before the partials are fixed, errors could be balanced against them."""
    known = [3, 5, 7, 11]
    parts = [shifted(PARTIALS[0], 5), shifted(PARTIALS[1], -3), *PARTIALS[2:]]
    refused(MANY, parts, proof_by(SHARE, MANY, parts))
    monkeypatch.setattr(share_proof._Statement, "coefficients", property(lambda _self: known))
    verify_share(KEY, MANY, parts, proof_by(SHARE, MANY, parts), CONTEXT, CULPRIT)


def test_batch_coefficients_depend_on_every_partial() -> None:
    plain = share_proof._Statement(KEY, 1, MANY, PARTIALS, CONTEXT).coefficients
    assert len(set(plain)) == len(MANY)
    assert all(0 < coefficient < 1 << 128 for coefficient in plain)
    for position in range(len(MANY)):
        parts = [shifted(part) if j == position else part for j, part in enumerate(PARTIALS)]
        changed = share_proof._Statement(KEY, 1, MANY, parts, CONTEXT).coefficients
        assert not set(plain) & set(changed)


def test_low_order_elements_need_squares() -> None:
    """The same protocol over c and c_i instead of c^4 and c_i^2 accepts -c_i whenever the challenge is even."""
    negated = SQUARE - gmpy2.powmod(C.value, DELTA * SHARE.secret, SQUARE)
    mask = 1 << 500
    commitment = gmpy2.powmod(C.value, mask, SQUARE)
    for drawn, accepted in ((2, True), (3, False), (10, True), (11, False)):
        response = mask + drawn * DELTA * SHARE.secret
        raised = gmpy2.powmod(C.value, response, SQUARE) * gmpy2.powmod(negated, -drawn, SQUARE) % SQUARE
        assert (raised == commitment) is accepted


# --- A2, W2: what the message may not choose ---


def test_a2_own_verification_value(monkeypatch: pytest.MonkeyPatch) -> None:
    own = KeyShare(1, SHARE.key_fingerprint, SHARE.secret + 5)
    partial = partial_decrypt(own, C)
    forged = forge_with(own, partial)
    refused(C, partial, forged)
    monkeypatch.setattr(share_proof, "_Statement", with_value(own))
    verify_share(KEY, C, partial, forged, CONTEXT, CULPRIT)  # what a verifier that believes the message would accept


def with_value(share: KeyShare) -> type:
    class Believing(share_proof._Statement):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            self.v_i = gmpy2.powmod(self.v, DELTA * share.secret, SQUARE)

    return Believing


def forge_with(share: KeyShare, partial: PartialDecryption) -> ShareProof:
    """The proof that the owner of another share can make for its own verification value."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(share_proof, "_Statement", with_value(share))
        return proof_by(share, C, partial)


def test_w2_challenge_from_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a challenge that is believed, any z fits any partial decryption."""
    bad = shifted(PARTIAL)
    forged = ShareProof(12345, 67890)
    refused(C, bad, forged)
    monkeypatch.setattr(share_proof._Statement, "challenge", lambda *_: 12345)
    verify_share(KEY, C, bad, forged, CONTEXT, CULPRIT)


def test_w2_challenge_that_leaves_out_the_commitments(monkeypatch: pytest.MonkeyPatch) -> None:
    """A weak transcript: e known before the commitments, so z first, commitments after."""
    bad, response = shifted(PARTIAL), 67890
    monkeypatch.setattr(share_proof._Statement, "challenge", lambda self, *_: len(self._fields))
    weak = share_proof._Statement(KEY, 1, [C], [bad], CONTEXT).challenge(0, 0)
    verify_share(KEY, C, bad, ShareProof(weak, response), CONTEXT, CULPRIT)
    monkeypatch.undo()
    refused(C, bad, ShareProof(weak, response))


@pytest.mark.parametrize(
    "change",
    [
        lambda proof: replace(proof, challenge=proof.challenge ^ 1),
        lambda proof: replace(proof, response=proof.response + 1),
        lambda proof: replace(proof, response=proof.response ^ (1 << 300)),
        lambda proof: ShareProof(proof.response % 2**128, proof.challenge),
        lambda _: ShareProof(0, 0),
    ],
)
def test_w2_altered_proof(change: Any) -> None:
    refused(C, PARTIAL, change(PROOF))


@pytest.mark.parametrize("response", [-1, response_bound(KEY.key), 1 << 1_000_000, -(1 << 1_000_000)], ids=str_of)
def test_w5_response_out_of_bounds_before_any_power(response: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("powmod_public", "powmod_secret"):
        monkeypatch.setattr(share_proof, name, never)
    monkeypatch.setattr(share_proof.FixedBase, "power", never)
    with pytest.raises(InvalidProofError, match="out of range"):
        verify_share(KEY, C, PARTIAL, ShareProof(PROOF.challenge, response), CONTEXT, CULPRIT)


def test_w5_without_the_bound_a_long_response_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adding a multiple of the order keeps the equation, so only the bound stops a response of any length."""
    p, q = (int(prime) for prime in toy_primes_of_key())
    order = p * q * (p // 2) * (q // 2)
    long = replace(PROOF, response=PROOF.response + (order << 100_000))
    refused_at_once(long)
    monkeypatch.setattr(share_proof, "check_bounds", lambda *_: None)
    verify_share(KEY, C, PARTIAL, long, CONTEXT, CULPRIT)


def toy_primes_of_key() -> tuple[int, int]:
    from support.keys import toy_primes

    return toy_primes(128)


def refused_at_once(proof: ShareProof) -> None:
    with pytest.raises(InvalidProofError, match="out of range"):
        verify_share(KEY, C, PARTIAL, proof, CONTEXT, CULPRIT)


@pytest.mark.parametrize("challenge", [-1, 1 << 128, 1 << 1_000_000], ids=str_of)
def test_w5_challenge_out_of_bounds(challenge: int) -> None:
    refused_at_once(replace(PROOF, challenge=challenge))


@pytest.mark.parametrize("value", [True, 1.0, None, "1", b"1"])
def test_w1_proof_of_another_type(value: object) -> None:
    for changed in (replace(PROOF, challenge=value), replace(PROOF, response=value)):
        with pytest.raises(InvalidProofError, match="integers"):
            verify_share(KEY, C, PARTIAL, changed, CONTEXT, CULPRIT)


@pytest.mark.parametrize("data", [b"", b"\0", bytes(10**6), None, 5, True, bytearray(PROOF.to_bytes(KEY.key))])
def test_w2_proof_bytes_of_another_length_or_type(data: Any) -> None:
    with pytest.raises(InvalidProofError, match="length"):
        ShareProof.from_bytes(data, KEY.key, CULPRIT)


def test_w2_proof_bytes_one_too_few_or_many() -> None:
    data = PROOF.to_bytes(KEY.key)
    assert len(data) == 16 + response_bytes(KEY.key)
    for changed in (data[:-1], data + b"\0", b"\0" + data):
        with pytest.raises(InvalidProofError, match="length"):
            ShareProof.from_bytes(changed, KEY.key, CULPRIT)
    with pytest.raises(InvalidProofError, match="out of range"):
        ShareProof.from_bytes(data[:16] + b"\xff" * response_bytes(KEY.key), KEY.key, CULPRIT)


def never(*_: object) -> None:
    raise AssertionError


@pytest.mark.parametrize("value", [0, -1, int(N), int(SQUARE), int(SQUARE) + int(PARTIAL.value)])
def test_w1_invalid_partial_is_refused_before_any_power(value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share_proof, "powmod_public", never)
    with pytest.raises(InvalidProofError, match="no unit"):
        verify_share(KEY, C, PartialDecryption(1, value), PROOF, CONTEXT, CULPRIT)


def test_w2_uneven_or_empty_batches() -> None:
    for many, parts in (([], []), (MANY, PARTIALS[:-1]), (MANY[:-1], PARTIALS), ([], PARTIALS), (MANY, [])):
        with pytest.raises(UsageError, match="one partial decryption each"):
            verify_share(KEY, many, parts, PROOF, CONTEXT, CULPRIT)
    proof = proof_by(SHARE, MANY, PARTIALS)
    refused(MANY[:-1], PARTIALS[:-1], proof)
    refused([*MANY, C], [*PARTIALS, PARTIAL], proof)
    refused(MANY[::-1], PARTIALS[::-1], proof)
    refused(MANY, [PARTIALS[1], PARTIALS[0], *PARTIALS[2:]], proof)


def test_batch_over_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share_proof, "MAX_BATCH", 3)
    with pytest.raises(UsageError, match="1 to 3"):
        verify_share(KEY, MANY, PARTIALS, PROOF, CONTEXT, CULPRIT)


def test_batch_of_two_authorities() -> None:
    mixed = [*PARTIALS[:-1], partial_decrypt(DEALING.shares[1], MANY[-1])]
    with pytest.raises(UsageError, match="one authority"):
        verify_share(KEY, MANY, mixed, PROOF, CONTEXT, CULPRIT)


def test_a10_ciphertext_under_another_key() -> None:
    other = toy_dealing(64).threshold_key.key
    foreign = Ciphertext(other, mpz(5))
    with pytest.raises(UsageError, match="own key"):
        verify_share(KEY, foreign, PARTIAL, PROOF, CONTEXT, CULPRIT)
    with pytest.raises(UsageError, match="another key"):
        ShareProver(KEY, SHARE, SeededRandomness(0)).open(foreign, CONTEXT)


def test_preparation_for_another_ciphertext_is_not_used() -> None:
    """A preparation that lies about its ciphertext is the caller's own; one for another ciphertext is ignored."""
    poisoned = PreparedCiphertext(MANY[0].value, prepare_verification(MANY[1]).powers)
    ShareVerifier(KEY).verify(C, PARTIAL, PROOF, CONTEXT, CULPRIT, poisoned)


# --- W3, W4: the transcript ---


def test_w3_every_field_changes_the_challenge() -> None:
    given = {"threshold_key": KEY, "index": 1, "ciphertexts": MANY, "partials": PARTIALS, "context": CONTEXT}
    other_line = toy_line(128, "another line")
    altered: list[dict[str, Any]] = [
        {"threshold_key": other_line},
        {"index": 2},
        {"ciphertexts": [*MANY[:-1], C]},
        {"ciphertexts": [MANY[1], MANY[0], *MANY[2:]]},
        {"partials": [*PARTIALS[:-1], PARTIAL]},
        {"ciphertexts": MANY[:-1], "partials": PARTIALS[:-1]},
        {"context": b""},
        {"context": CONTEXT + b"\0"},
        {"context": CONTEXT[:-1]},
        {"context": CONTEXT[:-1] + bytes([CONTEXT[-1] ^ 1])},
    ]
    statements = [share_proof._Statement(**(given | change)) for change in ({}, *altered)]
    drawn = [statement.challenge(mpz(5), mpz(6)) for statement in statements]
    drawn += [statements[0].challenge(mpz(6), mpz(5)), statements[0].challenge(mpz(5), mpz(7))]
    assert len(set(drawn)) == len(altered) + 3


def toy_line(bits: int, seed: str) -> Any:
    from privcredit.crypto.ceremony import deal_from_primes
    from support.keys import TOY_MINIMUM_BITS, toy_primes

    p, q = toy_primes(bits)
    return deal_from_primes(p, q, SeededRandomness(seed), minimum_bits=TOY_MINIMUM_BITS).threshold_key


def test_w3_bytes_moved_across_a_border() -> None:
    """The context and the numbers after it are framed: no two statements have the same bytes."""
    size = KEY.key.ciphertext_bytes
    n_bytes = int(N).to_bytes(size, "big")
    plain = share_proof._Statement(KEY, 1, [C], [PARTIAL], CONTEXT)._fields
    moved = [CONTEXT + n_bytes[:1], n_bytes[1:], *plain[2:]]
    assert b"".join(plain) == b"".join(moved)
    encode = share_proof.challenge
    assert encode("d", *plain) != encode("d", *moved)


@pytest.mark.parametrize("context", [b"", b"query 2", b"query 1 ", b"query", b"epoch 2, query 1"])
def test_w4_replay_in_another_context(context: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(C, PARTIAL, PROOF, context)
    monkeypatch.setattr(share_proof._Statement, "_transcript", lambda *_: [b"no context"])
    careless = proof_by(SHARE, C, PARTIAL)
    verify_share(KEY, C, PARTIAL, careless, context, CULPRIT)  # the replay that a transcript without context allows


def test_w4_replay_as_another_authority() -> None:
    refused(C, PartialDecryption(2, int(PARTIAL.value)), PROOF)


# --- masks ---


def test_h3_a_mask_used_twice_gives_the_share_away() -> None:
    first = proof_by(SHARE, C, PARTIAL, b"one", seed="same")
    second = proof_by(SHARE, C, PARTIAL, b"two", seed="same")
    found = (first.response - second.response) // ((first.challenge - second.challenge) * DELTA)
    assert found == SHARE.secret


def test_h3_one_prover_never_reuses_a_mask() -> None:
    prover = ShareProver(KEY, SHARE, SeededRandomness("fresh"))
    prover.refill(3)
    proofs = [prover.prove(C, PARTIAL, bytes([number])) for number in range(6)]
    masks = {proof.response - proof.challenge * DELTA * int(SHARE.secret) for proof in proofs}
    assert len(masks) == 6
    assert prover.stock == 0


@pytest.mark.parametrize("byte", [0, 0x55, 0xFF])
def test_h3_stuck_generator(byte: int) -> None:
    prover = ShareProver(KEY, SHARE, StuckRandomness(byte))
    with pytest.raises(UsageError, match="generator"):
        prover.refill(2)
    with pytest.raises(UsageError, match="generator"):
        ShareProver(KEY, SHARE, StuckRandomness(0)).prove(C, PARTIAL, CONTEXT)


def test_masks_fill_their_range() -> None:
    width = mask_bits(KEY.key)
    prover = ShareProver(KEY, SHARE, SeededRandomness("range"))
    lengths = [prover._mask()[0].bit_length() for _ in range(60)]
    assert max(lengths) == width
    assert min(lengths) > width - 12


# --- the share itself ---


def test_a6_share_against_its_verification_value() -> None:
    for share in DEALING.shares:
        check_share(KEY, share)
    for wrong in (
        KeyShare(1, SHARE.key_fingerprint, SHARE.secret + 1),
        KeyShare(2, SHARE.key_fingerprint, SHARE.secret),
        KeyShare(1, SHARE.key_fingerprint, 1),
    ):
        with pytest.raises(InvalidProofError) as caught:
            check_share(KEY, wrong)
        assert caught.value.culprit == "dealer"


def test_a1_two_honest_authorities_outvote_nothing() -> None:
    """A liar among three is caught by its proof, and the two others open the sum."""
    bad = shifted(PARTIAL)
    refused(C, bad, proof_by(SHARE, C, bad))
    others = {index: partial_decrypt(DEALING.shares[index - 1], C) for index in (2, 3)}
    assert combine(KEY, others) == 23
    shift = combine(KEY, {1: bad, 2: others[2]}) - 23
    assert shift % N == 7 * 2 * lagrange(1, (1, 2)) * gmpy2.invert(4 * DELTA**2, N) % N
