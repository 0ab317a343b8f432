"""Paillier: exhaustive over a toy key, and the guards of threats.md rows W1, H3, A9."""

from collections.abc import Callable
from math import gcd, lcm

import gmpy2
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.toy_paillier import TOY_PRIMES, encryptor, small_key, toy_key
from privcredit.crypto import integers, paillier_public
from privcredit.crypto.paillier import (
    Ciphertext,
    Encryptor,
    FreshCiphertext,
    FullRangeEncryptor,
    InvalidCiphertextError,
    InvalidKeyError,
    Opening,
    PrivateKey,
    PublicKey,
    aggregate,
)
from privcredit.errors import UsageError
from support.seeded import SeededRandomness, StuckRandomness

N = TOY_PRIMES[0] * TOY_PRIMES[1]


def naive_decrypt(value: int) -> int:
    """Paillier 1999 with lambda, in plain integers."""
    exponent = lcm(TOY_PRIMES[0] - 1, TOY_PRIMES[1] - 1)
    return (pow(value, exponent, N * N) - 1) // N * pow(exponent, -1, N) % N


def received(value: int, key: PublicKey | None = None) -> bytes:
    return int(value).to_bytes((key or toy_key().key).ciphertext_bytes, "big")


# Arithmetic, against plain numbers


def test_every_plaintext_of_a_toy_key() -> None:
    private, sender = toy_key(), encryptor(toy_key())
    for message in range(N):
        fresh = sender.encrypt(message)
        assert private.decrypt(fresh) == naive_decrypt(int(fresh.value)) == message
        assert private.decrypt(sender.encrypt(-message)) == -message % N


def test_every_ciphertext_of_a_toy_key_decrypts_like_the_textbook() -> None:
    private = toy_key()
    for value in range(1, N * N, 101):
        if gcd(value, N) == 1:
            assert private.decrypt(private.key.ciphertext(received(value))) == naive_decrypt(value)


@settings(max_examples=60, deadline=None)
@given(a=st.integers(0, N - 1), b=st.integers(-N + 1, N - 1), factor=st.integers(-3 * N, 3 * N))
def test_homomorphism(a: int, b: int, factor: int) -> None:
    private, sender = toy_key(), encryptor(toy_key())
    x, y = sender.encrypt(a), sender.encrypt(b)
    assert private.decrypt(x + y) == (a + b) % N
    assert private.decrypt(x + b) == (a + b) % N
    assert private.decrypt(x * factor) == a * factor % N
    assert private.decrypt(aggregate([x, y, x])) == (2 * a + b) % N
    assert private.decrypt(sender.rerandomise(x + y)) == (a + b) % N


def test_signed_plaintexts() -> None:
    private, sender = toy_key(), encryptor(toy_key())
    for message in range(-(N // 2), N // 2 + 1):
        assert private.decrypt_signed(sender.encrypt(message)) == message


def test_production_size_key_round_trip() -> None:
    private = PrivateKey.generate(2048, SeededRandomness("production size"))
    sender = Encryptor(private.key, SeededRandomness("sender"), window=3)
    fresh = sender.encrypt(123)
    assert len(fresh.to_bytes()) == private.key.ciphertext_bytes == 512
    assert private.key.bits == 2048
    assert private.decrypt(private.key.receive_sum([fresh.to_bytes(), sender.encrypt(-23).to_bytes()])) == 100


# Encryption follows the specification


def test_encryption_is_the_documented_formula() -> None:
    private = small_key()
    sender = encryptor(private)
    fresh, opening = sender.encrypt_with_opening(77)
    n = int(private.key.n)
    assert int(fresh.value) == (1 + 77 * n) * pow(int(private.key.hs), opening.exponent, n * n) % (n * n)
    assert opening.message == 77
    assert 2 <= opening.exponent < 1 << (private.key.bits // 2)


def test_base_is_derived_from_the_modulus_and_has_the_right_order() -> None:
    private = small_key()
    p, q = private.primes
    n = p * q
    h = int(paillier_public.randomiser_root(gmpy2.mpz(n)))
    assert int(private.key.hs) == pow(h, n, n * n)
    assert int(gmpy2.jacobi(h, n)) == 1
    assert int(gmpy2.jacobi(h, p)) == -1  # -1 times a square, and p = 3 mod 4: a non-residue
    half = (p - 1) // 2 * ((q - 1) // 2)
    assert pow(h, 2 * half, n) == 1
    assert all(pow(h, 2 * half // prime, n) != 1 for prime in (2, (p - 1) // 2, (q - 1) // 2))


def test_table_and_plain_power_agree() -> None:
    key = small_key().key
    with_table, without = encryptor(small_key()), Encryptor(key, SeededRandomness("x"), table=False)
    for exponent in (0, 1, 2, (1 << with_table.exponent_bits) - 1):
        assert with_table.power(exponent) == without.power(exponent) == pow(key.hs, exponent, key.n_squared)
    for sender in (with_table, without):
        for exponent in (-1, 1 << sender.exponent_bits):
            with pytest.raises(UsageError, match="exponent"):
                sender.power(exponent)


@pytest.mark.parametrize("message", [N, -N, 10**6])
def test_message_as_large_as_the_modulus_is_refused(message: int) -> None:
    with pytest.raises(UsageError, match="smaller than the modulus"):
        encryptor(toy_key()).encrypt(message)


@pytest.mark.parametrize("message", [1.0, True, "1", None])
def test_w1_what_is_no_integer_is_not_encrypted_or_added(message: object) -> None:
    sender = encryptor(toy_key())
    fresh = sender.encrypt(1)
    for attempt in (sender.encrypt, fresh.__add__, fresh.__mul__):
        with pytest.raises(UsageError, match="takes integers"):
            attempt(message)  # type: ignore[operator]


def test_fresh_ciphertexts_of_one_message_differ() -> None:
    sender = encryptor(small_key())
    values = {int(sender.encrypt(5).value) for _ in range(50)} | {
        int(sender.rerandomise(sender.encrypt(5)).value) for _ in range(50)
    }
    assert len(values) == 100


# The pool


def test_pool_is_used_up_before_new_randomisers_are_made() -> None:
    sender = encryptor(toy_key())
    sender.refill(3)
    assert sender.ready == 3
    exponents = {sender.encrypt_with_opening(1)[1].exponent for _ in range(4)}
    assert sender.ready == 0
    assert len(exponents) == 4
    sender.refill(2)
    sender.refill(1)
    assert sender.ready == 2


def test_encryption_from_the_pool_is_one_multiplication(monkeypatch: pytest.MonkeyPatch) -> None:
    sender = encryptor(toy_key())
    sender.refill(1)
    monkeypatch.setattr(sender, "power", None)
    assert toy_key().decrypt(sender.encrypt(9)) == 9


# H3: broken generators


class Constant:
    """A generator whose exponents are all `number`."""

    def __init__(self, number: int) -> None:
        self.number = number

    def bytes(self, count: int) -> bytes:
        return self.number.to_bytes(count, "big")


@pytest.mark.parametrize("number", [0, 1])
def test_h3_trivial_randomiser_aborts(number: int) -> None:
    sender = Encryptor(small_key().key, Constant(number), window=2)
    for attempt in (lambda: sender.encrypt(5), lambda: sender.rerandomise(_ciphertext()), lambda: sender.refill(1)):
        with pytest.raises(UsageError, match=r"trivial randomiser|repeats itself"):
            attempt()


def _ciphertext() -> Ciphertext:
    return encryptor(small_key()).encrypt(5) + 0


@pytest.mark.parametrize("byte", [1, 0x55, 0xFF])
def test_h3_repeating_generator_aborts(byte: int) -> None:
    sender = Encryptor(small_key().key, StuckRandomness(byte), window=2)
    sender.encrypt(5)
    for attempt in (lambda: sender.encrypt(5), lambda: sender.rerandomise(_ciphertext()), lambda: sender.refill(1)):
        with pytest.raises(UsageError, match="repeats itself"):
            attempt()


@pytest.mark.parametrize("byte", [0, 1, 0x55, 0xFF])
def test_h3_broken_generator_aborts_full_range_encryption(byte: int) -> None:
    sender = FullRangeEncryptor(small_key().key, StuckRandomness(byte))
    with pytest.raises(UsageError, match="entropy source"):
        [sender.encrypt(5) for _ in range(2)]


def test_h3_without_the_guard_two_ciphertexts_would_be_linked(monkeypatch: pytest.MonkeyPatch) -> None:
    sender = Encryptor(small_key().key, StuckRandomness(0x55), window=2)
    monkeypatch.setattr(sender._guard, "check", lambda drawn: drawn)
    assert sender.encrypt(5).value == sender.encrypt(5).value


# W1: received ciphertexts

p, q = TOY_PRIMES
BAD_BYTES = {
    "zero": received(0),
    "n": received(N),
    "k p": received(7 * p),
    "k q": received(7 * q),
    "n^2": received(N * N),
    "n^2 + c": received(N * N + 2),
    "all ones": b"\xff" * len(received(0)),
    "empty": b"",
    "one byte short": received(2)[1:],
    "one byte more": b"\0" + received(2),
    "a million digits": b"\x01" * 415_242,
}
NO_BYTES: dict[str, object] = {"float": 2.0, "bool": True, "negative": -2, "integer": 2, "text": "\0\0\2", "none": None}


@pytest.fixture
def _no_powers(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("an exponentiation ran on unchecked input")

    for module in (integers, paillier_public):
        for name in ("powmod_public", "powmod_secret"):
            monkeypatch.setattr(module, name, refuse, raising=False)


@pytest.mark.usefixtures("_no_powers")
@pytest.mark.parametrize("data", [*BAD_BYTES.values(), *NO_BYTES.values()], ids=[*BAD_BYTES, *NO_BYTES])
def test_w1_invalid_ciphertext_is_refused_before_any_power(data: bytes) -> None:
    key, good = toy_key().key, received(2)
    with pytest.raises(InvalidCiphertextError):
        key.ciphertext(data)
    for attempt in (key.ciphertexts, key.receive_sum):
        with pytest.raises(InvalidCiphertextError, match="Received ciphertext 2 "):
            attempt([good, good, data, good])


@pytest.mark.usefixtures("_no_powers")
def test_w1_refusal_is_one_short_sentence_without_the_number() -> None:
    for data in BAD_BYTES.values():
        with pytest.raises(InvalidCiphertextError) as refusal:
            toy_key().key.ciphertext(data)
        assert len(str(refusal.value)) < 150
        assert str(refusal.value).count(".") == 1


def test_w1_acceptance_is_exactly_the_group_of_units() -> None:
    """Every value there is for a key of 8 bits, against the definition."""
    key, n = PublicKey.from_modulus(11 * 23, minimum_bits=4), 11 * 23
    for value in range(1 << 8 * key.ciphertext_bytes):
        valid = 0 < value < n * n and gcd(value, n) == 1
        try:
            key.ciphertext(received(value, key))
            accepted = True
        except InvalidCiphertextError:
            accepted = False
        assert accepted == valid


def test_w1_without_the_unit_check_a_sum_would_be_silently_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PublicKey, "_check_units", lambda *_: None)
    good = encryptor(toy_key()).encrypt(5).to_bytes()
    assert toy_key().decrypt(toy_key().key.receive_sum([good, received(7 * p)])) != 5


def test_batch_check_equals_single_checks() -> None:
    key, sender = toy_key().key, encryptor(toy_key())
    data = [sender.encrypt(message).to_bytes() for message in range(6)]
    assert key.ciphertexts(data) == [key.ciphertext(item) for item in data]
    assert key.receive_sum(data) == aggregate(key.ciphertexts(data))
    assert key.ciphertexts([]) == []


def test_sum_of_nothing_is_refused() -> None:
    for attempt in (aggregate, toy_key().key.receive_sum):
        with pytest.raises(UsageError, match="no ciphertext"):
            attempt([])


# C10: what may leave


def test_c10_only_fresh_ciphertexts_have_an_encoder() -> None:
    sender = encryptor(toy_key())
    fresh = sender.encrypt(1)
    for kept in (fresh + fresh, fresh + 1, fresh * 2, aggregate([fresh]), toy_key().key.ciphertext(fresh.to_bytes())):
        assert type(kept) is Ciphertext
        assert not hasattr(kept, "to_bytes")
    assert type(sender.rerandomise(fresh + 1)) is FreshCiphertext


@pytest.mark.parametrize("codec", [msgspec.msgpack, msgspec.json])
def test_a8_secrets_and_ciphertexts_cannot_be_encoded(codec: object) -> None:
    fresh, opening = encryptor(toy_key()).encrypt_with_opening(3)
    for kept in (fresh + 1, fresh, opening, toy_key(), encryptor(toy_key())):
        with pytest.raises(TypeError):
            codec.encode(kept)  # type: ignore[attr-defined]


def test_a8_secrets_are_redacted() -> None:
    private = small_key()
    sender = encryptor(private)
    _, opening = sender.encrypt_with_opening(123456789)
    sender.refill(1)
    secrets = [str(number) for number in (*private.primes, opening.message, opening.exponent)]
    shown = " ".join(repr(thing) + str(thing) for thing in (private, opening, sender, sender.encrypt(1)))
    assert not any(secret in shown for secret in secrets)


# Keys


def test_different_keys_do_not_mix() -> None:
    first, second = encryptor(small_key(512, 1)), encryptor(small_key(512, 2))
    x, y = first.encrypt(1), second.encrypt(1)
    attempts: list[Callable[[], object]] = [
        lambda: x + y,
        lambda: aggregate([x, y]),
        lambda: first.rerandomise(y),
        lambda: small_key(512, 1).decrypt(y),
        lambda: FullRangeEncryptor(x.key, SeededRandomness(1)).rerandomise(y),
    ]
    for attempt in attempts:
        with pytest.raises(UsageError, match="key"):
            attempt()


def test_equal_keys_made_twice_are_one_key() -> None:
    again = PublicKey.from_modulus(N, minimum_bits=8)
    assert again == toy_key().key
    assert hash(again) == hash(toy_key().key)
    assert again.fingerprint == toy_key().key.fingerprint
    assert again != N
    assert toy_key().decrypt(again.ciphertext(encryptor(toy_key()).encrypt(4).to_bytes())) == 4


P128, Q128 = 2**127 - 1, 2**89 - 1

BAD_MODULI = {
    "short": (N, 2048),
    "production bound": (P128 * Q128, 2048),
    "too long": (1 << 8193 | 1, 8),
    "even": (1 << 64, 64),
    "negative": (-N, 8),
    "zero": (0, 0),
    "prime": (P128, 64),
    "square": (P128**2, 64),
    "cube": (P128**3, 64),
    "small factor": (3 * P128, 64),
    "factor just below 2^16": (65521 * P128, 128),
}


@pytest.mark.parametrize(("modulus", "minimum"), BAD_MODULI.values(), ids=BAD_MODULI)
def test_bad_modulus_is_refused(modulus: int, minimum: int) -> None:
    with pytest.raises(InvalidKeyError):
        PublicKey.from_modulus(modulus, minimum_bits=minimum)


def test_smooth_production_modulus_is_refused() -> None:
    with pytest.raises(InvalidKeyError, match="small prime factor"):
        PublicKey.from_modulus(65521 * (1 << 2048 | 1))


@pytest.mark.parametrize(("first", "second"), [(23, 23), (23, 47), (23, 15), (1, 23)])
def test_bad_primes_are_refused(first: int, second: int) -> None:
    with pytest.raises(InvalidKeyError):
        PrivateKey(first, second, minimum_bits=4)


@pytest.mark.parametrize("bits", [1024, 2046, 2049])
def test_short_or_odd_key_is_not_made(bits: int) -> None:
    with pytest.raises(UsageError, match="not made"):
        PrivateKey.generate(bits, SeededRandomness(1))


# A9


def test_a9_decryption_raises_to_secret_exponents_by_the_silent_power_only(monkeypatch: pytest.MonkeyPatch) -> None:
    private = small_key()
    fresh = encryptor(private).encrypt(42)
    silent: list[int] = []

    class Watched:
        get_context = staticmethod(gmpy2.get_context)

        @staticmethod
        def powmod_sec(base: int, exponent: int, modulus: int) -> int:
            silent.append(int(exponent))
            return gmpy2.powmod_sec(base, exponent, modulus)

    monkeypatch.setattr(integers, "openssl_power", lambda **_kind: None)
    monkeypatch.setattr(integers, "gmpy2", Watched)  # without powmod: any other power fails
    assert private.decrypt(fresh) == 42
    assert silent == [prime - 1 for prime in private.primes]


def test_opening_keeps_message_and_exponent() -> None:
    opening = Opening(3, 4)
    assert (opening.message, opening.exponent) == (3, 4)
