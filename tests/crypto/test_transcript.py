"""Hashes of transcripts: every border and every field counts (threats.md W3)."""

import hashlib
from itertools import pairwise, product

import pytest

from privcredit.crypto.transcript import challenge, digest, encode_fields, expand, int_bytes
from privcredit.errors import UsageError

FIELDS = (b"session", b"epoch", b"", b"policy")


def every_change() -> list[tuple[bytes, ...]]:
    """One bit of each field flipped, bytes moved across each border, a field dropped, added, or swapped."""
    changes: list[tuple[bytes, ...]] = []
    for index, field in enumerate(FIELDS):
        flipped = bytes([field[0] ^ 1]) + field[1:] if field else b"\0"
        changes.append((*FIELDS[:index], flipped, *FIELDS[index + 1 :]))
        changes.append(FIELDS[:index] + FIELDS[index + 1 :])
    for index, (left, right) in enumerate(pairwise(FIELDS)):
        if right:
            changes.append((*FIELDS[:index], left + right[:1], right[1:], *FIELDS[index + 2 :]))
        changes.append((*FIELDS[:index], right, left, *FIELDS[index + 2 :]))
    changes.extend([(*FIELDS, b""), (b"", *FIELDS), (b"".join(FIELDS),), ()])
    return changes


@pytest.mark.parametrize("hashed", [challenge, digest, lambda *fields: expand(*fields, length=16)])
def test_w3_every_change_of_a_transcript_changes_its_hash(hashed) -> None:  # noqa: ANN001 - three signatures
    hashes = [hashed("a proof", *fields) for fields in [FIELDS, *every_change()]]
    assert len(set(hashes)) == len(hashes)
    assert hashed("another proof", *FIELDS) not in hashes


def test_w3_without_length_prefixes_bytes_could_move() -> None:
    assert b"".join((b"ab", b"c")) == b"".join((b"a", b"bc"))
    assert encode_fields(b"ab", b"c") != encode_fields(b"a", b"bc")


def test_encoding_of_fields_is_injective_on_all_short_sequences() -> None:
    words = [b"", b"\0", b"\1", b"\0\0"]
    sequences = [sequence for count in range(4) for sequence in product(words, repeat=count)]
    assert len({encode_fields(*sequence) for sequence in sequences}) == len(sequences)


def test_hashes_follow_the_specification() -> None:
    def framed(*fields: bytes) -> bytes:
        return b"".join(len(field).to_bytes(8, "big") + field for field in fields)

    start = (b"privcredit v1",)
    hashed = hashlib.sha512(framed(*start, b"challenge", b"p", b"x")).digest()
    assert challenge("p", b"x") == int.from_bytes(hashed[:16], "big")
    assert challenge(b"p", b"x", bits=512) == int.from_bytes(hashed, "big")
    assert digest("p", b"x") == hashlib.sha256(framed(*start, b"digest", b"p", b"x")).digest()
    stream = framed(*start, b"expand", b"p", b"x")
    blocks = [hashlib.sha512(stream + counter.to_bytes(8, "big")).digest() for counter in range(2)]
    assert expand("p", b"x", length=100) == b"".join(blocks)[:100]


@pytest.mark.parametrize("bits", [0, -1, 513])
def test_impossible_challenge_length_is_refused(bits: int) -> None:
    with pytest.raises(UsageError, match="challenge"):
        challenge("p", bits=bits)


def test_challenge_stays_below_its_bound() -> None:
    assert {challenge("p", bytes([i]), bits=3) for i in range(100)} == set(range(8))


@pytest.mark.parametrize(("number", "length"), [(256, 1), (-1, 4), (1, 0)])
def test_number_that_does_not_fit_is_refused(number: int, length: int) -> None:
    with pytest.raises(UsageError, match="does not fit"):
        int_bytes(number, length)


def test_numbers_have_fixed_length() -> None:
    assert int_bytes(1, 4) == b"\0\0\0\1"
