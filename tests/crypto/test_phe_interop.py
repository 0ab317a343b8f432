"""Both ways with phe itself: keys as JWK, ciphertexts of integers, refusals."""

import json

import gmpy2
import phe
import phe.command_line
import phe.util
import pytest
from click.testing import CliRunner

from crypto.toy_paillier import encryptor, small_key
from privcredit.crypto.paillier import (
    Ciphertext,
    Encryptor,
    FullRangeEncryptor,
    InvalidCiphertextError,
    InvalidKeyError,
    PrivateKey,
)
from privcredit.crypto.phe_interop import (
    from_phe,
    from_pheutil,
    private_key_from_jwk,
    private_key_to_jwk,
    public_key_from_jwk,
    public_key_to_jwk,
    to_phe,
)
from support.seeded import SeededRandomness

PLAIN = [0, 1, -1, 1023, -1023, 2**64, -(2**64)]


def phe_keys(private: PrivateKey) -> tuple[phe.PaillierPublicKey, phe.PaillierPrivateKey]:
    public = phe.PaillierPublicKey(int(private.key.n))
    return public, phe.PaillierPrivateKey(public, *private.primes)


def edges(private: PrivateKey) -> list[int]:
    third = int(private.key.n) // 3
    return [*PLAIN, third - 1, -(third - 1)]


def test_phe_decrypts_ours() -> None:
    private = small_key()
    _, theirs = phe_keys(private)
    for sender in (encryptor(private), FullRangeEncryptor(private.key, SeededRandomness("full"))):
        for number in edges(private):
            assert theirs.decrypt(to_phe(sender.encrypt(number))) == number


def test_ours_decrypts_phe() -> None:
    private = small_key()
    theirs, _ = phe_keys(private)
    for number in edges(private):
        assert private.decrypt_signed(from_phe(private.key, theirs.encrypt(number))) == number


def test_sums_and_products_of_both_kinds() -> None:
    private = small_key()
    public, theirs = phe_keys(private)
    ours = encryptor(private).encrypt(-40)
    mixed = from_phe(private.key, public.encrypt(100)) + ours
    assert private.decrypt_signed(mixed) == 60
    assert theirs.decrypt(to_phe(ours) * 3 + public.encrypt(1)) == -119
    assert private.decrypt_signed(from_phe(private.key, to_phe(ours) + public.encrypt(41))) == 1


def test_numbers_beyond_a_third_are_ours_only() -> None:
    private = small_key()
    _, theirs = phe_keys(private)
    number = int(private.key.n) // 3 + 1
    fresh = encryptor(private).encrypt(number)
    assert private.decrypt_signed(fresh) == number
    with pytest.raises(OverflowError):
        theirs.decrypt(to_phe(fresh))


def test_key_made_by_phe_works_here_although_its_primes_are_not_safe() -> None:
    public, theirs = phe.generate_paillier_keypair(n_length=512)
    private = PrivateKey(theirs.p, theirs.q, minimum_bits=512)
    fresh = FullRangeEncryptor(private.key, SeededRandomness("theirs")).encrypt(-7)
    assert theirs.decrypt(to_phe(fresh)) == -7
    assert private.decrypt_signed(from_phe(private.key, public.encrypt(-7))) == -7


# Re-randomising phe's ciphertexts


def jacobi(ciphertext: Ciphertext) -> int:
    return int(gmpy2.jacobi(ciphertext.value, ciphertext.key.n))


def of_symbol(symbol: int) -> Ciphertext:
    private = small_key()
    public, _ = phe_keys(private)
    return next(c for c in (from_phe(private.key, public.encrypt(5)) for _ in range(200)) if jacobi(c) == symbol)


@pytest.mark.parametrize("symbol", [1, -1])
def test_rerandomised_phe_ciphertext_keeps_no_jacobi_symbol(symbol: int) -> None:
    sender, incoming = encryptor(small_key()), of_symbol(symbol)
    outgoing = [sender.rerandomise(incoming) for _ in range(64)]
    assert {jacobi(c) for c in outgoing} == {1, -1}  # fails by chance once in 2^63 runs
    assert {small_key().decrypt(c) for c in outgoing} == {5}


def test_without_the_full_range_the_symbol_would_link_phe_ciphertexts() -> None:
    sender, incoming = encryptor(small_key()), of_symbol(-1)
    stripped = Ciphertext(incoming.key, incoming.value)
    assert {jacobi(sender.rerandomise(stripped)) for _ in range(64)} == {-1}


def test_sums_with_a_phe_ciphertext_stay_full_range() -> None:
    sender, incoming = encryptor(small_key()), of_symbol(-1)
    fresh = sender.encrypt(1)
    assert not fresh.full_range
    for mixed in (fresh + incoming, incoming + fresh, incoming + 1, incoming * 3, sender.rerandomise(incoming)):
        assert mixed.full_range


# Keys as JWK


def test_phe_reads_our_public_key() -> None:
    private = small_key()
    loaded = phe.command_line.load_public_key(json.loads(json.dumps(public_key_to_jwk(private.key, "ours"))))
    assert loaded.n == private.key.n


def test_pheutil_encrypts_under_and_decrypts_with_our_keys(tmp_path) -> None:  # noqa: ANN001 - pytest's
    private = small_key()
    (tmp_path / "public").write_text(json.dumps(public_key_to_jwk(private.key, "ours")))
    (tmp_path / "private").write_text(json.dumps(private_key_to_jwk(private, "ours")))
    fresh = encryptor(private).encrypt(-12)
    (tmp_path / "number").write_text(json.dumps({"v": str(int(fresh.value)), "e": 0}))
    paths = [str(tmp_path / name) for name in ("private", "number")]
    shown = CliRunner().invoke(phe.command_line.cli, ["decrypt", *paths])
    assert "-12" in shown.output


def test_keys_survive_the_way_through_jwk() -> None:
    private = small_key()
    assert public_key_from_jwk(public_key_to_jwk(private.key, "k"), minimum_bits=512) == private.key
    assert private_key_from_jwk(private_key_to_jwk(private, "k"), minimum_bits=512).primes == private.primes


def test_key_that_pheutil_wrote_is_read(tmp_path) -> None:  # noqa: ANN001 - pytest's
    path = tmp_path / "key"
    CliRunner().invoke(phe.command_line.cli, ["genpkey", "--keysize", "512", str(path)])
    written = json.loads(path.read_text())
    private = private_key_from_jwk(written, minimum_bits=500)
    assert private.key == public_key_from_jwk(written["pub"], minimum_bits=500)


GOOD_PUBLIC = public_key_to_jwk(small_key().key, "k")
GOOD_PRIVATE = private_key_to_jwk(small_key(), "k")
OTHER_PUBLIC = public_key_to_jwk(small_key(512, 2).key, "k")

BAD_PUBLIC = {
    "other type": {**GOOD_PUBLIC, "kty": "RSA"},
    "no algorithm": {name: value for name, value in GOOD_PUBLIC.items() if name != "alg"},
    "no n": {**GOOD_PUBLIC, "n": None},
    "number for n": {**GOOD_PUBLIC, "n": 15},
    "empty n": {**GOOD_PUBLIC, "n": ""},
    "not base64": {**GOOD_PUBLIC, "n": "!!!!"},
    "not ascii": {**GOOD_PUBLIC, "n": "äöü"},
    "impossible base64 length": {**GOOD_PUBLIC, "n": "A"},
    "a million characters": {**GOOD_PUBLIC, "n": "A" * 10**6},
    "even n": {**GOOD_PUBLIC, "n": phe.util.int_to_base64(int(small_key().key.n) + 1)},
}
BAD_PRIVATE = {
    "other type": {**GOOD_PRIVATE, "kty": "RSA"},
    "no public part": {name: value for name, value in GOOD_PRIVATE.items() if name != "pub"},
    "another public part": {**GOOD_PRIVATE, "pub": OTHER_PUBLIC},
    "p twice": {**GOOD_PRIVATE, "q": GOOD_PRIVATE["p"]},
    "no prime": {**GOOD_PRIVATE, "p": phe.util.int_to_base64(small_key().primes[0] + 2)},
}


@pytest.mark.parametrize("jwk", BAD_PUBLIC.values(), ids=BAD_PUBLIC)
def test_bad_public_jwk_is_refused(jwk: dict[str, object]) -> None:
    with pytest.raises(InvalidKeyError):
        public_key_from_jwk(jwk, minimum_bits=512)


@pytest.mark.parametrize("jwk", BAD_PRIVATE.values(), ids=BAD_PRIVATE)
def test_bad_private_jwk_is_refused_without_showing_it(jwk: dict[str, object]) -> None:
    with pytest.raises(InvalidKeyError) as refusal:
        private_key_from_jwk(jwk, minimum_bits=512)
    assert str(GOOD_PRIVATE["p"]) not in str(refusal.value)


def test_production_entry_refuses_a_short_key() -> None:
    with pytest.raises(InvalidKeyError, match="2048"):
        public_key_from_jwk(GOOD_PUBLIC)


# Ciphertexts that are refused


def test_float_ciphertext_is_refused() -> None:
    public, _ = phe_keys(small_key())
    with pytest.raises(InvalidCiphertextError, match="exponent"):
        from_phe(small_key().key, public.encrypt(0.5))


def test_ciphertext_under_another_key_is_refused() -> None:
    public, _ = phe_keys(small_key(512, 2))
    with pytest.raises(InvalidCiphertextError, match="another key"):
        from_phe(small_key().key, public.encrypt(1))


@pytest.mark.parametrize(
    "value", [0, -1, int(small_key().key.n), small_key().primes[0], int(small_key().key.n) ** 2 + 2]
)
def test_w1_phe_ciphertext_that_is_no_unit_is_refused(value: int) -> None:
    public, _ = phe_keys(small_key())
    with pytest.raises(InvalidCiphertextError):
        from_phe(small_key().key, phe.EncryptedNumber(public, value, 0))


def test_pheutil_ciphertext_is_read() -> None:
    public, _ = phe_keys(small_key())
    encrypted = public.encrypt(-3)
    written = {"v": str(encrypted.ciphertext()), "e": 0}
    assert small_key().decrypt_signed(from_pheutil(small_key().key, written)) == -3


@pytest.mark.parametrize(
    "written",
    [
        {},
        {"v": 5, "e": 0},
        {"v": "-5", "e": 0},
        {"v": "5", "e": -32},
        {"v": "5", "e": False},
        {"v": "5", "e": None},
        {"v": "\u0665", "e": 0},
        {"v": "1" * 10**6, "e": 0},
    ],
    ids=["empty", "number", "negative", "exponent", "bool", "no exponent", "arabic digit", "a million digits"],
)
def test_w1_bad_pheutil_ciphertext_is_refused(written: dict[str, object]) -> None:
    with pytest.raises(InvalidCiphertextError):
        from_pheutil(small_key().key, written)


def test_encryptor_without_table_agrees_with_phe_too() -> None:
    _, theirs = phe_keys(small_key())
    sender = Encryptor(small_key().key, SeededRandomness("plain"), table=False)
    assert theirs.decrypt(to_phe(sender.encrypt(5))) == 5
