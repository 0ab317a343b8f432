"""ristretto255 through libsodium against RFC 9496 in plain Python, and the guards of points and scalars."""

import copy
import hashlib
import pickle

import msgspec
import pytest
import rbcl

from privcredit.crypto import group
from privcredit.crypto.group import ORDER, InvalidPointError, Point, Scalar, combine, hash_to_group
from privcredit.errors import UsageError
from support import ristretto
from support.seeded import SeededRandomness, StuckRandomness

GENERATOR = bytes.fromhex("e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76")
"""RFC 9496, appendix A.1, B[1]."""

COFFEE = b"Ristretto is traditionally a short shot of espresso coffee"
COFFEE_POINT = "3066f82a1a747d45120d1740f14358531a8f04bbffe6a819f86dfe50f44a0a46"
"""RFC 9496, appendix A.3: the point of SHA-512(COFFEE)."""


def scalar(value: int) -> Scalar:
    return Scalar(value.to_bytes(32, "little"))


def test_rfc_9496_vectors_in_both_implementations() -> None:
    uniform = hashlib.sha512(COFFEE).digest()
    assert rbcl.crypto_core_ristretto255_from_hash(uniform).hex() == COFFEE_POINT
    assert ristretto.encode(ristretto.from_uniform(uniform)).hex() == COFFEE_POINT
    assert ristretto.encode(ristretto.decode(GENERATOR)) == GENERATOR


def test_multiples_agree_with_plain_python() -> None:
    randomness = SeededRandomness("multiples")
    for number in (1, 2, 3, ORDER - 1, *(int.from_bytes(randomness.bytes(31), "big") for _ in range(10))):
        point = hash_to_group("multiples", number.to_bytes(32, "big"))
        expected = ristretto.encode(ristretto.multiply(number, ristretto.decode(point.data)))
        assert scalar(number).times(point).data == expected


def test_scalar_reduction_and_response_agree_with_integers() -> None:
    randomness = SeededRandomness("scalars")
    for _ in range(20):
        wide = [randomness.bytes(64) for _ in range(3)]
        k, r, c = (int.from_bytes(each, "little") % ORDER for each in wide)
        response = Scalar.from_wide(wide[0]).respond(c.to_bytes(32, "little"), Scalar.from_wide(wide[1]))
        assert int.from_bytes(response, "little") == (r + c * k) % ORDER


def test_combine_is_the_verifiers_commitment() -> None:
    base, k, r, c = hash_to_group("combine"), 7, 11, 13
    response = (r + c * k).to_bytes(32, "little")
    commitment = combine(response, base, c.to_bytes(32, "little"), scalar(k).times(base))
    assert commitment == scalar(r).times(base).data


def test_s5_identity_is_refused_although_libsodium_calls_it_valid() -> None:
    assert rbcl.crypto_core_ristretto255_is_valid_point(bytes(32))
    with pytest.raises(InvalidPointError, match="identity"):
        Point(bytes(32))


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_w1_points_of_another_length_are_refused(length: int) -> None:
    with pytest.raises(InvalidPointError):
        Point(bytes([4]) + bytes(length - 1) if length else b"")


def test_w1_non_canonical_points_are_refused() -> None:
    assert Point((4).to_bytes(32, "little"))
    for spelling in (ristretto.P + 4, ristretto.P - 4, 4 | 1 << 255):
        with pytest.raises(InvalidPointError, match="canonical"):
            Point(spelling.to_bytes(32, "little"))


def test_v1_libsodium_ignores_the_top_bit_and_we_do_not() -> None:
    """Without our guard each nullifier had two spellings, and so each subject twice its budget."""
    twin = (4 | 1 << 255).to_bytes(32, "little")
    assert rbcl.crypto_core_ristretto255_is_valid_point(twin)
    three = (3).to_bytes(32, "little")
    assert rbcl.crypto_scalarmult_ristretto255(three, twin) == scalar(3).times(Point((4).to_bytes(32, "little"))).data
    assert ristretto.decode(twin) is None
    with pytest.raises(InvalidPointError, match="canonical"):
        Point(twin)


def test_point_validity_agrees_with_plain_python() -> None:
    for number in range(2, 200):
        data = number.to_bytes(32, "little")
        assert rbcl.crypto_core_ristretto255_is_valid_point(data) == (ristretto.decode(data) is not None)


@pytest.mark.parametrize("value", [0, ORDER, ORDER + 1, 2**256 - 1])
def test_s5_zero_and_unreduced_secrets_are_refused(value: int) -> None:
    with pytest.raises(UsageError, match="canonical, non-zero"):
        scalar(value)


def test_h3_a_generator_stuck_at_zero_is_refused() -> None:
    with pytest.raises(UsageError):
        Scalar.generate(StuckRandomness(0))


def test_w3_borders_between_fields_and_the_domain_count() -> None:
    points = {hash_to_group(*case).data for case in (("a", b"bc"), ("a", b"b", b"c"), ("ab", b"c"), ("a", b"bc", b""))}
    assert len(points) == 4


def test_a8_a_secret_scalar_has_no_encoder_and_shows_nothing() -> None:
    secret = Scalar.generate(SeededRandomness("canary"))
    canary = secret.export_secret()
    for text in (repr(secret), str(secret), f"{secret}"):
        assert text == "Scalar(<secret>)"
        assert canary.hex() not in text
    for encoder in (msgspec.msgpack.encode, msgspec.json.encode):
        with pytest.raises(TypeError):
            encoder(secret)
    for copier in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(UsageError):
            copier(secret)


def test_hashed_points_are_cached_by_value_only() -> None:
    assert hash_to_group("cache", b"x") == hash_to_group("cache", b"x")
    assert group._from_uniform.cache_info().maxsize
