"""The vector files: our programs against them, and an independent check of what they say."""

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from privcredit.errors import PeerError
from support.dgk_vectors import read_parts, replay, scripted

FILES = sorted((Path(__file__).parents[3] / "protocols" / "paillier-dgk" / "vectors").glob("*.json"))
VECTORS: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_text()) for path in FILES}
ACCEPTED = [name for name, vector in VECTORS.items() if vector["expect"] == "accept"]
REJECTED = [name for name, vector in VECTORS.items() if vector["expect"] == "reject"]


def test_about_half_of_the_vectors_are_rejections() -> None:
    assert len(REJECTED) >= len(ACCEPTED) >= 8


@pytest.mark.parametrize("evaluator", [1, 2])
@pytest.mark.parametrize("name", ACCEPTED)
def test_our_programs_send_and_conclude_what_the_vector_says(name: str, evaluator: int) -> None:
    vector = VECTORS[name]
    channel = scripted([message for message in vector["messages"] if message["sender"] != evaluator])
    outcome = replay(read_parts(vector), evaluator, channel)
    sent = [{"sender": evaluator, **message} for message in channel.sent]
    assert sent == [message for message in vector["messages"] if message["sender"] == evaluator]
    assert list(outcome.shares.bits) == vector["output"][f"bits_{evaluator}"]
    assert outcome.transcript.hex() == vector["output"]["transcript"]
    assert outcome.sealed_share.hex() == vector["sealed_share"]


@pytest.mark.parametrize("name", REJECTED)
def test_w1_w2_w3_w4_rejections_name_the_culprit_and_the_step(name: str) -> None:
    vector = VECTORS[name]
    with pytest.raises(PeerError) as caught:
        replay(read_parts(vector), vector["evaluator"], scripted(vector["incoming"]))
    assert {"culprit": caught.value.culprit, "step": caught.value.step} == vector["error"]


# Independent of the package: Python's integers, pow and hashlib, and a msgpack reader without types.


def digest(domain: bytes, *fields: bytes) -> bytes:
    framed = (b"privcredit v1", b"digest", domain, *fields)
    return hashlib.sha256(b"".join(len(field).to_bytes(8, "big") + field for field in framed)).digest()


@pytest.mark.parametrize("name", ACCEPTED)
def test_an_independent_reader_finds_the_answers(name: str) -> None:
    vector = VECTORS[name]
    keys, given = vector["keys"], vector["session"]
    n, (p, q) = int(keys["n"], 16), (int(prime, 16) for prime in keys["primes"])
    dgk = {key: int(value, 16) for key, value in keys["dgk"].items() if isinstance(value, str)}
    mask, bits, differences = (
        msgspec.msgpack.decode(bytes.fromhex(vector["messages"][place]["data"])) for place in (0, 2, 3)
    )
    masked = int(vector["product"], 16) * int.from_bytes(mask["ciphertext"], "big") % n**2
    order = (p - 1) * (q - 1)
    z = (pow(masked, order, n**2) - 1) // n * pow(order, -1, n) % n
    assert z == int(vector["mask"], 16) + sum(
        s << (given["score_bits"] + 1) * j for j, s in enumerate(vector["scores"])
    )
    for slot, (score, threshold) in enumerate(zip(vector["scores"], given["thresholds"], strict=True)):
        u = (2 * z >> (given["score_bits"] + 1) * slot) % 2 ** (given["score_bits"] + 2)
        nonzero = [
            [pow(int.from_bytes(c, "big"), dgk["v_p"], dgk["p"]) != 1 for c in m["slots"][slot]]
            for m in (bits, differences)
        ]
        assert nonzero[0] == [bool(u >> place & 1) for place in range(given["score_bits"] + 1)]
        share_2 = u >> given["score_bits"] + 1 ^ (not all(nonzero[1]))
        assert share_2 == vector["output"]["bits_2"][slot]
        assert share_2 ^ given["fixed_bits"][slot] == int(score >= threshold) == vector["output"]["answers"][slot]


def fields(items: list[bytes]) -> bytes:
    return b"".join(len(item).to_bytes(8, "big") + item for item in items)


@pytest.mark.parametrize("name", ACCEPTED)
def test_an_independent_hash_finds_the_transcripts(name: str) -> None:
    vector = VECTORS[name]
    keys, given = vector["keys"], vector["session"]
    n = int(keys["n"], 16)
    size = len(vector["product"]) // 2
    messages = [msgspec.msgpack.decode(bytes.fromhex(message["data"])) for message in vector["messages"]]
    dgk = keys["dgk"]
    length = (int(dgk["n"], 16).bit_length() + 7) // 8
    public = b"".join(number.to_bytes(4, "big") for number in (dgk["u"], dgk["subgroup_bits"], length))
    public += b"".join(int(dgk[name], 16).to_bytes(length, "big") for name in ("n", "g", "h"))
    width = (given["score_bits"] + 1) * len(given["thresholds"]) + given["sigma"]
    numbers = [given["score_bits"], len(given["thresholds"]), width, *given["thresholds"]]
    value = digest(
        b"privcredit paillier-dgk session",
        b"paillier-dgk/1",
        bytes.fromhex(given["context"]),
        read_parts(vector).session.threshold_key.fingerprint,  # checked by the vectors of threshold-paillier
        digest(b"privcredit dgk key", public),
        bytes.fromhex(vector["product"]),
        fields([number.to_bytes(16, "big") for number in numbers]),
        *(fields([who.encode(), bytes([index])]) for who, index in zip(given["names"], given["indices"], strict=True)),
    )
    assert size == (2 * n.bit_length() + 7) // 8
    step = b"privcredit paillier-dgk step"
    value = digest(step, value, b"mask announcement", messages[0]["ciphertext"], messages[0]["proof"])
    assert value == messages[0]["transcript"]
    value = digest(step, value, b"opening share", messages[1]["partial"], messages[1]["proof"])
    assert value == messages[1]["transcript"]
    value = digest(step, value, b"encrypted bits", *(fields(slot) for slot in messages[2]["slots"]))
    assert value == messages[2]["transcript"]
    value = digest(step, value, b"blinded differences", *(fields(slot) for slot in messages[3]["slots"]))
    assert value.hex() == vector["output"]["transcript"]
    assert digest(step, value, b"sealed share", messages[3]["sealed_share"]) == messages[3]["transcript"]


def residue(n: int, domain: bytes) -> int:
    """Hash to Z_n, as `paillier/spec.md` 0 says."""
    length = (n.bit_length() + 7) // 8
    prefix = fields([b"privcredit v1", b"expand", domain, n.to_bytes(length, "big")])
    blocks = (hashlib.sha512(prefix + i.to_bytes(8, "big")).digest() for i in range(length // 64 + 2))
    return int.from_bytes(b"".join(blocks)[: length + 32], "big") % n


@pytest.mark.parametrize("name", ACCEPTED)
def test_an_independent_verifier_accepts_the_proof_of_the_mask(name: str) -> None:
    """`paillier/spec.md` 6.3 with the context of 2.1, by Python's integers."""
    vector = VECTORS[name]
    n, given = int(vector["keys"]["n"], 16), vector["session"]
    length, slots = (n.bit_length() + 7) // 8, len(given["thresholds"])
    width = (given["score_bits"] + 1) * slots + given["sigma"]
    announcement = msgspec.msgpack.decode(bytes.fromhex(vector["messages"][0]["data"]))
    ciphertext, proof = announcement["ciphertext"], announcement["proof"]
    assert proof.hex() == vector["mask_proof"]
    randomiser = max((n.bit_length() + 1) // 2, 128)
    numbers = []
    for size in (2, length, 16, *((bits + 193 + 7) // 8 for bits in (width, randomiser, randomiser))):
        numbers.append(int.from_bytes(proof[:size], "big"))
        proof = proof[size:]
    b, commitment, e, z_m, z_r, z_t = numbers
    assert (b, proof) == (width, b"")
    hs = pow(-(residue(n, b"privcredit paillier base") ** 2) % n, n, n**2)
    base, blinder = (residue(n, b"privcredit integer commitment " + letter) ** 2 % n for letter in (b"G", b"H"))
    a = (1 + z_m * n) * pow(hs, z_r, n**2) * pow(int.from_bytes(ciphertext, "big"), -e, n**2) % n**2
    d = pow(base, z_m, n) * pow(blinder, z_t, n) * pow(commitment, -e, n) % n
    fingerprint = digest(b"privcredit paillier key", n.to_bytes(length, "big"))
    packing = fields([number.to_bytes(16, "big") for number in (given["score_bits"], slots, width)])
    maker = given["names"][0].encode()
    context = digest(b"privcredit paillier-dgk mask proof", b"paillier-dgk/1", fingerprint, packing, maker)
    hashed = [b"privcredit v1", b"challenge", b"privcredit plaintext knowledge", fingerprint, context]
    hashed += [b.to_bytes(2, "big"), ciphertext, commitment.to_bytes(length, "big")]
    hashed += [a.to_bytes(len(ciphertext), "big"), d.to_bytes(length, "big")]
    assert hashlib.sha512(fields(hashed)).digest()[:16] == e.to_bytes(16, "big")


def test_a_rerun_gives_the_same_output_bits_from_other_messages() -> None:
    first, second = VECTORS["rerun-first"], VECTORS["rerun-second"]
    assert [first["output"][name] for name in ("bits_1", "bits_2")] == [
        second["output"][name] for name in ("bits_1", "bits_2")
    ]
    assert not {m["data"] for m in first["messages"]} & {m["data"] for m in second["messages"]}
