"""Threshold decryption: every message of a toy key, every pair of shares, and what must be refused."""

import copy
import json
import pickle
from collections.abc import Callable
from itertools import permutations

import gmpy2
import msgspec
import pytest
from gmpy2 import mpz

from privcredit.crypto import ceremony, integers, modulus_proof, share_proof, threshold
from privcredit.crypto.ceremony import deal_from_primes
from privcredit.crypto.paillier import Ciphertext, Encryptor
from privcredit.crypto.share_proof import ShareProver, check_share
from privcredit.crypto.threshold import (
    DELTA,
    INDICES,
    KeyShare,
    PartialDecryption,
    ThresholdKey,
    combine,
    lagrange,
    partial_decrypt,
)
from privcredit.errors import InvalidProofError, UsageError
from support import naive_threshold as naive
from support.keys import (
    TOY_MINIMUM_BITS,
    dealing_2048,
    dealing_3072,
    fixed_private_key,
    toy_dealing,
    toy_primes,
    toy_private_key,
)
from support.seeded import SeededRandomness

TOY = toy_dealing(64)
KEY = TOY.threshold_key
N, SQUARE = KEY.key.n, KEY.key.n_squared


def encryptor(seed: str = "encryptor") -> Encryptor:
    return Encryptor(KEY.key, SeededRandomness(seed), table=False)


def opened(dealing: ceremony.Dealing, ciphertext: Ciphertext, pair: tuple[int, ...]) -> int:
    partials = {index: partial_decrypt(dealing.shares[index - 1], ciphertext) for index in pair}
    return combine(dealing.threshold_key, partials)


# --- the formulas ---


def test_lagrange_coefficients() -> None:
    table = {(1, 2): (12, -6), (1, 3): (9, -3), (2, 3): (18, -12)}
    for pair, expected in table.items():
        assert tuple(lagrange(index, pair) for index in pair) == expected


def test_lagrange_gives_delta_times_the_secret() -> None:
    for secret in range(-5, 6):
        for slope in range(-5, 6):
            for pair in permutations(INDICES, 2):
                values = {index: secret + slope * index for index in pair}
                assert sum(lagrange(index, pair) * value for index, value in values.items()) == DELTA * secret


@pytest.mark.parametrize("bits", [11, 12])
def test_a3_every_pair_opens_every_message(bits: int) -> None:
    dealing = toy_dealing(bits)
    key, randomness = dealing.threshold_key.key, SeededRandomness("messages")
    encryptor = Encryptor(key, randomness, table=False)
    for message in range(key.n):
        ciphertext = encryptor.encrypt(message)
        partials = {index: partial_decrypt(dealing.shares[index - 1], ciphertext) for index in INDICES}
        for pair in permutations(INDICES, 2):
            assert combine(dealing.threshold_key, {index: partials[index] for index in pair}) == message


@pytest.mark.parametrize("bits", [11, 16, 64, 128])
def test_sums_open_like_the_undivided_key(bits: int) -> None:
    dealing, private = toy_dealing(bits), toy_private_key(bits)
    encryptor = Encryptor(private.key, SeededRandomness("sums"), table=False)
    for left, right in ((0, 0), (3, 4), (int(private.key.n) - 1, 2)):
        total = encryptor.encrypt(left) + encryptor.encrypt(right)
        for pair in permutations(INDICES, 2):
            assert opened(dealing, total, pair) == private.decrypt(total) == (left + right) % private.key.n


def test_a3_one_share_is_independent_of_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every share value occurs exactly once over all slopes, whatever the secret: one authority learns nothing."""
    p, q = 11, 47
    n, order = mpz(p * q), mpz(p // 2 * (q // 2))
    for index in INDICES:
        seen = set()
        for slope in range(1, n * order):
            monkeypatch.setattr(ceremony.draw, "below", lambda _r, _bound, slope=slope: slope)
            monkeypatch.setattr(ceremony, "all", lambda _: True, raising=False)
            seen.add(ceremony._line(order, n, SeededRandomness(0))[index - 1])
        assert len(seen) == n * order - 1  # all values but the secret itself, which belongs to slope 0


@pytest.mark.parametrize("index", INDICES)
def test_a3_no_single_share_opens(index: int) -> None:
    partial = partial_decrypt(TOY.shares[index - 1], encryptor().encrypt(5))
    with pytest.raises(UsageError, match="exactly 2"):
        combine(KEY, {index: partial})
    # Nor does any multiple that one authority could take of its own partial reach 1 modulo n.
    assert all(pow(partial.value, factor, N) != 1 for factor in range(1, 2000))


def test_partial_decryption_against_plain_arithmetic() -> None:
    for message in (0, 1, 77, int(N) - 1):
        ciphertext = encryptor().encrypt(message)
        for share in TOY.shares:
            expected = naive.partial(int(N), int(ciphertext.value), int(share.secret))
            assert partial_decrypt(share, ciphertext).value == expected


def test_verification_base_generates_the_squares() -> None:
    for bits in (16, 64):
        p, q = toy_primes(bits)
        v, key = toy_dealing(bits).threshold_key.v, toy_dealing(bits).threshold_key.key
        order = p * q * (p // 2) * (q // 2)
        assert gmpy2.powmod(v, order, key.n_squared) == 1
        for prime in (p, q, p // 2, q // 2):
            assert gmpy2.powmod(v, order // prime, key.n_squared) != 1
        assert toy_private_key(bits).decrypt(Ciphertext(key, v)) == 1


def test_real_length_2048() -> None:
    dealing, private = dealing_2048(), fixed_private_key(2048)
    ciphertext = Encryptor(private.key, SeededRandomness("2048"), table=False).encrypt(123456789)
    for pair in permutations(INDICES, 2):
        assert opened(dealing, ciphertext, pair) == 123456789
    check_share(dealing.threshold_key, dealing.shares[1])


def test_real_length_3072() -> None:
    dealing = dealing_3072()
    ciphertext = Encryptor(dealing.threshold_key.key, SeededRandomness("3072"), table=False).encrypt(42)
    assert opened(dealing, ciphertext, (1, 3)) == 42


# --- combination ---


def test_a1_shifted_partial_opens_another_plaintext_where_nothing_is_verified() -> None:
    """The attack that makes proofs necessary: c' = 1 mod n holds, and authority 1 has added 100 to the plaintext."""
    ciphertext = encryptor().encrypt(23)
    first, second = (partial_decrypt(TOY.shares[index], ciphertext) for index in (0, 1))
    exponent = 100 * 4 * DELTA**2 * gmpy2.invert(2 * lagrange(1, (1, 2)), N) % N
    shifted = PartialDecryption(1, int(first.value * (1 + exponent * N) % SQUARE))
    assert combine(KEY, {1: first, 2: second}) == 23
    assert combine(KEY, {1: shifted, 2: second}) == 123


@pytest.mark.parametrize("index", [0, 4, -1, True, 1.0, "1", 2**64 + 1, None])
def test_a4_index_that_is_none_of_ours(index: object) -> None:
    partial = partial_decrypt(TOY.shares[1], encryptor().encrypt(1))
    with pytest.raises(UsageError):
        combine(KEY, {index: partial, 3: partial_decrypt(TOY.shares[2], encryptor().encrypt(1))})  # type: ignore[dict-item]
    with pytest.raises(UsageError):
        KeyShare(index, KEY.key.fingerprint, 5)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        PartialDecryption(index, 5)  # type: ignore[arg-type]


def test_a4_index_equal_modulo_the_field() -> None:
    p, q = toy_primes(64)
    with pytest.raises(UsageError, match="index"):
        PartialDecryption(1 + p * q * (p // 2) * (q // 2), 5)


def test_a4_duplicate() -> None:
    partial = partial_decrypt(TOY.shares[0], encryptor().encrypt(1))
    with pytest.raises(UsageError, match="another authority's index"):
        combine(KEY, {1: partial, 2: partial})


def test_combine_takes_exactly_two() -> None:
    ciphertext = encryptor().encrypt(1)
    partials = {share.index: partial_decrypt(share, ciphertext) for share in TOY.shares}
    for chosen in ({}, {1: partials[1]}, partials):
        with pytest.raises(UsageError, match="exactly 2"):
            combine(KEY, chosen)


def test_partials_of_different_ciphertexts() -> None:
    first, second = (encryptor(seed).encrypt(1) for seed in "ab")
    with pytest.raises(UsageError, match="do not open one ciphertext"):
        combine(KEY, {1: partial_decrypt(TOY.shares[0], first), 2: partial_decrypt(TOY.shares[1], second)})


# --- what comes in ---


def bad_encodings() -> dict[str, bytes]:
    size, p = KEY.key.ciphertext_bytes, toy_primes(64)[0]
    return {
        "zero": bytes(size),
        "n": int(N).to_bytes(size, "big"),
        "multiple of p": (12345 * p).to_bytes(size, "big"),
        "n squared": int(SQUARE).to_bytes(size, "big"),
        "all ones": b"\xff" * size,
        "empty": b"",
        "short": b"\x01" * (size - 1),
        "long": b"\x01" * (size + 1),
        "a million bytes": b"\x01" * 1_000_000,
    }


@pytest.mark.parametrize("name", bad_encodings())
def test_w1_invalid_partial_decryption(name: str) -> None:
    with pytest.raises(InvalidProofError) as caught:
        PartialDecryption.from_sealed_bytes(bad_encodings()[name], 2, KEY.key, "authority 2")
    assert caught.value.culprit == "authority 2"


@pytest.mark.parametrize("data", [True, 1.5, 17, None, "text", bytearray(16)])
def test_w1_partial_decryption_of_another_type(data: object) -> None:
    with pytest.raises(InvalidProofError):
        PartialDecryption.from_sealed_bytes(data, 2, KEY.key, "authority 2")  # type: ignore[arg-type]


def test_partial_decryption_travels() -> None:
    partial = partial_decrypt(TOY.shares[1], encryptor().encrypt(9))
    read = PartialDecryption.from_sealed_bytes(partial.bytes_for_sealing(KEY.key), 2, KEY.key, "authority 2")
    assert (read.index, read.value) == (2, partial.value)


@pytest.mark.parametrize("value", [0, int(N), 3 * toy_primes(64)[0], int(SQUARE), int(SQUARE) + 1, -1])
def test_w1_no_secret_exponent_for_an_invalid_ciphertext(value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threshold, "powmod_secret", never)
    with pytest.raises(UsageError, match="no unit"):
        partial_decrypt(TOY.shares[0], Ciphertext(KEY.key, mpz(value)))


def never(*_: object) -> None:
    raise AssertionError


def test_a10_share_of_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threshold, "powmod_secret", never)
    other = toy_dealing(128)
    with pytest.raises(UsageError, match="another key"):
        partial_decrypt(other.shares[0], encryptor().encrypt(1))
    with pytest.raises(UsageError, match="another key"):
        ShareProver(KEY, other.shares[0], SeededRandomness(0))
    with pytest.raises(UsageError, match="another key"):
        check_share(KEY, other.shares[0])


@pytest.mark.parametrize("secret", [0, -1, int(SQUARE) // 4 + 1, 1 << 4096])
def test_share_out_of_range(secret: int) -> None:
    with pytest.raises(UsageError, match="out of range"):
        partial_decrypt(KeyShare(1, KEY.key.fingerprint, secret), encryptor().encrypt(1))


# --- the threshold key ---


def test_threshold_key_as_dict() -> None:
    plain = json.loads(json.dumps(KEY.to_dict()))
    read = ThresholdKey.from_dict(plain, minimum_bits=TOY_MINIMUM_BITS)
    assert read == KEY
    assert read.fingerprint == KEY.fingerprint == naive.fingerprint(int(N), [int(value) for value in KEY.verification])


def spoilt(change: Callable[[dict], object]) -> dict:
    plain = copy.deepcopy(KEY.to_dict())
    change(plain)
    return plain


@pytest.mark.parametrize(
    "change",
    [
        lambda plain: plain.pop("n"),
        lambda plain: plain.update(v="00"),
        lambda plain: plain.update(n=12345),
        lambda plain: plain.update(n="xyz"),
        lambda plain: plain.update(n=plain["n"].upper()),
        lambda plain: plain.update(n=plain["n"] + " "),
        lambda plain: plain.update(verification=None),
        lambda plain: plain.update(verification="00"),
        lambda plain: plain["verification"].__setitem__(0, "00" + plain["verification"][0]),
        lambda plain: plain["verification"].__setitem__(0, 7.0),
        lambda plain: plain["verification"].__setitem__(0, True),
    ],
)
def test_w1_threshold_key_of_another_shape(change: Callable[[dict], object]) -> None:
    with pytest.raises(UsageError):
        ThresholdKey.from_dict(spoilt(change), minimum_bits=TOY_MINIMUM_BITS)


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.pop(),
        lambda values: values.append(values[0]),
        lambda values: values.reverse() or values.__setitem__(1, values[0]),
        lambda values: values.__setitem__(0, "0" * len(values[0])),
    ],
)
def test_a6_threshold_key_with_wrong_values(change: Callable[[list], object]) -> None:
    with pytest.raises(InvalidProofError) as caught:
        ThresholdKey.from_dict(spoilt(lambda plain: change(plain["verification"])), minimum_bits=TOY_MINIMUM_BITS)
    assert caught.value.culprit == "dealer"


def test_production_refuses_toy_keys() -> None:
    with pytest.raises(UsageError, match="bits"):
        ThresholdKey.from_dict(KEY.to_dict())


def test_every_part_is_in_the_fingerprint() -> None:
    p, q = toy_primes(64)
    other = deal_from_primes(p, q, SeededRandomness("another line"), minimum_bits=TOY_MINIMUM_BITS)
    assert other.threshold_key.key.fingerprint == KEY.key.fingerprint
    assert other.threshold_key.fingerprint != KEY.fingerprint


# --- share files ---


def test_share_file() -> None:
    for share in TOY.shares:
        read = KeyShare.from_file_bytes(share.to_file_bytes(KEY.key), KEY.key)
        assert (read.index, read.secret, read.key_fingerprint) == (share.index, share.secret, share.key_fingerprint)


def test_share_file_of_another_key() -> None:
    other = toy_dealing(128)
    with pytest.raises(UsageError):
        KeyShare.from_file_bytes(other.shares[0].to_file_bytes(other.threshold_key.key), KEY.key)
    with pytest.raises(UsageError, match="another key"):
        TOY.shares[0].to_file_bytes(other.threshold_key.key)


# --- secrets stay in ---


def secret_objects() -> list[tuple[object, int]]:
    share = TOY.shares[0]
    partial = partial_decrypt(share, encryptor().encrypt(1))
    prover = ShareProver(KEY, share, SeededRandomness("redaction"))
    prover.refill(2)
    return [
        (share, int(share.secret)),
        (partial, int(partial.value)),
        (prover, int(share.secret)),
        (prover, int(prover._stock[0][0])),
        (TOY, int(share.secret)),
    ]


@pytest.mark.parametrize("number", range(5))
def test_a8_redacted(number: int) -> None:
    secret, value = secret_objects()[number]
    for text in (repr(secret), str(secret), f"{secret}", repr([secret]), repr({"a": secret})):
        assert str(value) not in text
        assert f"{value:x}" not in text.lower()


@pytest.mark.parametrize("number", range(2))
def test_a8_no_encoder(number: int) -> None:
    secret, _ = secret_objects()[number]
    for encode in (msgspec.msgpack.encode, msgspec.json.encode, json.dumps):
        with pytest.raises(TypeError):
            encode(secret)
    for dump in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(UsageError):
            dump(secret)


def test_a8_errors_hold_no_secret() -> None:
    share = TOY.shares[0]
    wrong = KeyShare(2, share.key_fingerprint, share.secret)
    with pytest.raises(InvalidProofError) as caught:
        check_share(KEY, wrong)
    assert str(int(share.secret)) not in str(caught.value)
    assert f"{int(share.secret):x}" not in str(caught.value)


def test_a9_secret_exponents_use_constant_time_powers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever an authority raises with a public power is short; its long exponents all go through powmod_sec."""
    public, secret = [], []
    monkeypatch.setattr(threshold, "powmod_public", recording(public, integers.powmod_public))
    monkeypatch.setattr(share_proof, "powmod_public", recording(public, integers.powmod_public))
    monkeypatch.setattr(threshold, "powmod_secret", recording(secret, integers.powmod_secret))
    monkeypatch.setattr(share_proof, "powmod_secret", recording(secret, integers.powmod_secret))
    share, ciphertext = TOY.shares[0], encryptor().encrypt(1)
    prover = ShareProver(KEY, share, SeededRandomness("a9"))
    _, proof = prover.open(ciphertext, b"context")
    check_share(KEY, share)
    mask = proof.response - proof.challenge * DELTA * int(share.secret)
    assert secret == [mask, 2 * DELTA * share.secret, mask, DELTA * share.secret]
    assert max(public) <= 4


def test_a9_powmod_secret_is_powmod_sec(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    monkeypatch.setattr(integers.gmpy2, "powmod_sec", lambda *given: called.append(given) or 1)
    integers.powmod_secret(3, 5, 7)
    assert called == [(3, 5, 7)]


def test_a9_dealer_uses_constant_time_powers(monkeypatch: pytest.MonkeyPatch) -> None:
    public: list[int] = []
    monkeypatch.setattr(modulus_proof, "powmod_public", recording(public, integers.powmod_public))
    monkeypatch.setattr(threshold, "powmod_public", recording(public, integers.powmod_public))
    p, q = toy_primes(64)
    deal_from_primes(p, q, SeededRandomness("a9"), minimum_bits=TOY_MINIMUM_BITS)
    assert set(public) == {2 * p * q}  # y^(2n) of the verification base; n is public


def recording(into: list[int], power: Callable[[int, int, int], mpz]) -> Callable[[int, int, int], mpz]:
    def recorded(base: int, exponent: int, modulus: int) -> mpz:
        into.append(int(exponent))
        return power(base, exponent, modulus)

    return recorded
