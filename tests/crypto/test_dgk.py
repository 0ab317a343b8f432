"""DGK: exact arithmetic modulo u at toy size, and every refusal."""

import pickle
from typing import Any

import gmpy2
import msgspec
import pytest

from privcredit.crypto import dgk, dgk_keys
from privcredit.crypto.dgk import (
    DgkCiphertext,
    DgkEncryptor,
    DgkPublicKey,
    FreshDgkCiphertext,
    InvalidDgkCiphertextError,
    InvalidDgkKeyError,
    negate_all,
)
from privcredit.crypto.dgk_keys import DgkPrivateKey
from privcredit.errors import UsageError
from support.dgk import TOY_DGK_BITS, dgk_key, toy_dgk
from support.seeded import SeededRandomness, StuckRandomness

KEY = toy_dgk(3)
PUBLIC = KEY.public
TOY = {"minimum_bits": TOY_DGK_BITS - 1}


@pytest.fixture
def encryptors() -> Any:
    return [PUBLIC.encryptor(SeededRandomness("public")), KEY.encryptor(SeededRandomness("owner"))]


def decrypt(private: Any, ciphertext: Any) -> Any:
    """Independent of is_zero: the discrete logarithm of c^v_p to the base g^v_p, by search, with Python's pow."""
    p, v_p = int(private._p), int(private._v_p)
    target = pow(int(ciphertext.value), v_p, p)
    return next(m for m in range(private.public.u) if pow(pow(int(private.public.g), v_p, p), m, p) == target)


def test_every_plaintext_and_every_sum_and_multiple(encryptors: list[DgkEncryptor]) -> None:
    for encryptor in encryptors:
        for a in range(PUBLIC.u):
            first = encryptor.encrypt(a)
            assert decrypt(KEY, first) == a
            assert KEY.is_zero(first) == (a == 0)
            assert decrypt(KEY, -first) == -a % PUBLIC.u
            for b in range(1, PUBLIC.u):
                assert decrypt(KEY, first + encryptor.encrypt(b)) == (a + b) % PUBLIC.u
                assert decrypt(KEY, first * b) == a * b % PUBLIC.u
            for small in (-1, 0, 1, 2):
                assert decrypt(KEY, first.plus_small(small)) == (a + small) % PUBLIC.u


def test_negating_all_is_negating_each() -> None:
    encryptor = PUBLIC.encryptor(SeededRandomness("negate"))
    for count in range(5):
        values = [encryptor.encrypt(number) for number in range(count)]
        assert [value.value for value in negate_all(values)] == [(-value).value for value in values]


def test_rerandomised_has_the_plaintext_and_another_value(encryptors: list[DgkEncryptor]) -> None:
    for encryptor in encryptors:
        for a in range(PUBLIC.u):
            plain = DgkCiphertext(PUBLIC, gmpy2.powmod(PUBLIC.g, a, PUBLIC.n))
            fresh = encryptor.rerandomise(plain)
            assert type(fresh) is FreshDgkCiphertext
            assert fresh.value != plain.value
            assert decrypt(KEY, fresh) == a


def test_both_noises_lie_in_the_group_of_h(encryptors: list[DgkEncryptor]) -> None:
    order = KEY._v_p * KEY._v_q
    for encryptor in encryptors:
        drawn = {encryptor.encrypt(0).value for _ in range(50)}
        assert len(drawn) > 45
        assert all(gmpy2.powmod(value, order, PUBLIC.n) == 1 for value in drawn)


def test_generators_have_the_orders_of_the_paper() -> None:
    order = KEY._v_p * KEY._v_q
    assert gmpy2.powmod(PUBLIC.h, order, PUBLIC.n) == 1 == gmpy2.powmod(PUBLIC.g, order * PUBLIC.u, PUBLIC.n)
    for prime, v in ((KEY._p, KEY._v_p), (KEY._q, KEY._v_q)):
        assert (prime - 1) % (2 * PUBLIC.u * v) == 0
        assert gmpy2.powmod(PUBLIC.h, v, prime) == 1 == gmpy2.powmod(PUBLIC.g, v * PUBLIC.u, prime)
        assert 1 not in {PUBLIC.h % prime, gmpy2.powmod(PUBLIC.g, v, prime), gmpy2.powmod(PUBLIC.g, PUBLIC.u, prime)}


def test_the_pool_is_used_first_and_each_value_once() -> None:
    encryptor = PUBLIC.encryptor(SeededRandomness("pool"))
    encryptor.refill(3)
    ready = list(encryptor._pool)
    assert [encryptor.encrypt(0).value for _ in range(3)] == ready
    assert encryptor.pool_size == 0
    assert encryptor.encrypt(0).value not in ready


@pytest.mark.parametrize("width", range(1, 41))
def test_generated_u_is_a_prime_above_three_times_the_width(width: int) -> None:
    u = int(gmpy2.next_prime(3 * width))
    assert gmpy2.is_prime(u)
    assert (u - 1) // 3 >= width
    assert u > 3 * width


def test_production_key_has_production_sizes() -> None:
    public = dgk_key(2048).public
    assert (public.bits, public.subgroup_bits, public.randomiser_bits) == (2048, 256, 640)
    assert public.comparison_bits >= 40
    assert public.ciphertext_bytes == 256


BAD_CIPHERTEXTS = {
    "zero": (0, 0),
    "n": (int(PUBLIC.n), 0),
    "a multiple of p": (3 * int(KEY._p), 0),
    "n + c": (int(PUBLIC.n) + 5, 0),
    "one byte too many": (5, 1),
    "one byte too few": (5, -1),
}


@pytest.mark.parametrize("name", BAD_CIPHERTEXTS)
def test_w1_invalid_ciphertext(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    value, surplus = BAD_CIPHERTEXTS[name]
    monkeypatch.setattr(dgk.gmpy2, "powmod", None)
    good = (5).to_bytes(PUBLIC.ciphertext_bytes, "big")
    with pytest.raises(InvalidDgkCiphertextError, match="DGK ciphertext 1 "):
        PUBLIC.ciphertexts([good, value.to_bytes(PUBLIC.ciphertext_bytes + surplus, "big"), good])


def test_w1_valid_ciphertexts_come_back_and_cost_one_gcd(
    monkeypatch: pytest.MonkeyPatch, encryptors: list[DgkEncryptor]
) -> None:
    sent = [encryptors[0].encrypt(bit) for bit in (0, 1, 1, 0)]
    calls = []
    gcd = gmpy2.gcd
    monkeypatch.setattr(dgk.gmpy2, "gcd", lambda *args: calls.append(args) or gcd(*args))
    received = PUBLIC.ciphertexts([ciphertext.to_bytes() for ciphertext in sent])
    assert [ciphertext.value for ciphertext in received] == [ciphertext.value for ciphertext in sent]
    assert len(calls) == 1
    assert type(received[0]) is DgkCiphertext


def test_c10_only_fresh_ciphertexts_have_an_encoder(encryptors: list[DgkEncryptor]) -> None:
    fresh = encryptors[0].encrypt(1)
    for stale in (fresh + fresh, -fresh, fresh * 2, fresh.plus_small(1), PUBLIC.ciphertext(fresh.to_bytes())):
        assert not hasattr(stale, "to_bytes")


def test_a_ciphertext_of_another_key_is_not_rerandomised() -> None:
    other = toy_dgk(5).public.encryptor(SeededRandomness("other")).encrypt(1)
    with pytest.raises(UsageError, match="under the key that made it"):
        PUBLIC.encryptor(SeededRandomness("mine")).rerandomise(other)


def create(**changes: Any) -> Any:
    parts = {"n": int(PUBLIC.n), "g": int(PUBLIC.g), "h": int(PUBLIC.h), "u": PUBLIC.u, "subgroup_bits": 16}
    return DgkPublicKey.create(**(parts | changes), **TOY)


N, P, Q = int(PUBLIC.n), int(KEY._p), int(KEY._q)
ORDER_U = int(gmpy2.powmod(PUBLIC.g, KEY._v_p * KEY._v_q, PUBLIC.n))
ONE_AT_P = int(1 + P * (gmpy2.invert(P, Q) * (int(PUBLIC.h) - 1) % Q))
BAD_KEYS = {
    "too short": ({"n": 35}, "between 95 and 8192"),
    "too long": ({"n": (1 << 8193) + 1}, "has 8194 bits"),
    "subgroups longer than the primes": ({"subgroup_bits": 49}, "do not fit the modulus"),
    "exponents of a gigabit": ({"subgroup_bits": (1 << 32) - 1}, "do not fit the modulus"),
    "even": ({"n": 2 * N}, "two distinct odd primes"),
    "prime": ({"n": int(gmpy2.next_prime(N))}, "two distinct odd primes"),
    "a square": ({"n": P * P}, "two distinct odd primes"),
    "u composite": ({"u": 15}, "prime above 3"),
    "u = 3": ({"u": 3}, "prime above 3"),
    "g = 1": ({"g": 1}, "generator g is out of range"),
    "h = 0": ({"h": 0}, "generator h is out of range"),
    "h = n + h": ({"h": N + int(PUBLIC.h)}, "generator h is out of range"),
    "h shares a factor": ({"h": P}, "generator h is out of range"),
    "g of order u": ({"g": ORDER_U}, "generator g has too small an order"),
    "h is 1 modulo p": ({"h": ONE_AT_P}, "generator h has too small an order"),
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_w1_bad_public_key(name: str) -> None:
    changes, sentence = BAD_KEYS[name]
    with pytest.raises(InvalidDgkKeyError, match=sentence):
        create(**changes)


def test_the_good_public_key_passes_and_survives_its_bytes() -> None:
    assert create() == PUBLIC
    assert DgkPublicKey.from_bytes(PUBLIC.to_bytes(), **TOY) == PUBLIC
    assert create().fingerprint == PUBLIC.fingerprint != toy_dgk(5).public.fingerprint


@pytest.mark.parametrize("data", [b"", PUBLIC.to_bytes()[:-1], PUBLIC.to_bytes() + b"\0", b"\xff" * 12])
def test_w1_public_key_bytes_of_the_wrong_length(data: bytes) -> None:
    with pytest.raises(InvalidDgkKeyError):
        DgkPublicKey.from_bytes(data, **TOY)


def test_production_refuses_toy_keys() -> None:
    with pytest.raises(InvalidDgkKeyError, match="between 2048 and 8192"):
        DgkPublicKey.from_bytes(PUBLIC.to_bytes())
    with pytest.raises(InvalidDgkKeyError, match="between 2048 and 8192"):
        DgkPrivateKey.generate(1024, 10, SeededRandomness("short"))
    with pytest.raises(InvalidDgkKeyError, match="too small; use 256"):
        DgkPrivateKey.generate(2048, 10, SeededRandomness("weak"), subgroup_bits=160)
    big = dgk_key(2048).public
    with pytest.raises(InvalidDgkKeyError, match="factor below"):
        DgkPublicKey.create(int(big.n) * 3, int(big.g), int(big.h), big.u, 256)


def test_private_key_file_survives_and_a_wrong_one_is_refused() -> None:
    data = KEY.to_file_bytes()
    assert DgkPrivateKey.from_file_bytes(data, **TOY).public == PUBLIC
    with pytest.raises(InvalidDgkKeyError, match="wrong length"):
        DgkPrivateKey.from_file_bytes(data[:-1], **TOY)
    with pytest.raises(InvalidDgkKeyError):
        DgkPrivateKey.from_file_bytes(data[:-1] + b"\xff", **TOY)
    other = toy_dgk(5)
    with pytest.raises(InvalidDgkKeyError, match="do not make its modulus"):
        DgkPrivateKey(PUBLIC, other._p, other._q, other._v_p, other._v_q)
    with pytest.raises(InvalidDgkKeyError, match="do not fit its generators"):
        DgkPrivateKey(PUBLIC, KEY._p, KEY._q, KEY._v_q, KEY._v_p)


def test_h3_stuck_generator_is_refused() -> None:
    public = dgk_key(2048).public
    for byte in (0, 0x55):
        encryptor = public.encryptor(StuckRandomness(byte))
        with pytest.raises(UsageError, match="repeats itself"):
            [encryptor.encrypt(1) for _ in range(2)]


def test_a9_the_zero_test_runs_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    original = dgk_keys.powmod_secret
    monkeypatch.setattr(dgk_keys, "powmod_secret", lambda *args: calls.append(args) or original(*args))
    monkeypatch.setattr(dgk_keys.gmpy2, "powmod", None)
    assert KEY.is_zero(DgkCiphertext(PUBLIC, PUBLIC.h))
    assert [(exponent, modulus) for _, exponent, modulus in calls] == [(KEY._v_p, KEY._p)]


def test_a8_the_private_key_shows_nothing() -> None:
    assert repr(KEY) == "<DgkPrivateKey of 96 bits, redacted>"
    with pytest.raises(TypeError):
        pickle.dumps(KEY)
    with pytest.raises(TypeError):
        msgspec.msgpack.encode(KEY)
