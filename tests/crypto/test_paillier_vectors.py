"""The vectors of protocols/paillier, run against the implementation and judged by a second one."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from crypto import naive_paillier as naive
from privcredit.crypto.knowledge import KnowledgeProof, verify_knowledge
from privcredit.crypto.packing import Layout
from privcredit.crypto.paillier import (
    Encryptor,
    InvalidCiphertextError,
    InvalidKeyError,
    PrivateKey,
    PublicKey,
)
from privcredit.errors import InvalidProofError, UsageError
from support.seeded import SeededRandomness
from vectors import make_paillier

VECTORS = {path.stem: json.loads(path.read_text()) for path in sorted(make_paillier.FOLDER.glob("*.json"))}
Given = dict[str, Any]


def key_of(given: Given) -> PublicKey:
    return PublicKey.from_modulus(int(given["n"], 16), minimum_bits=given["minimum_bits"])


class Fixed:
    """The randomness of one encryption, given by the vector."""

    def __init__(self, exponent: int) -> None:
        self.exponent = exponent

    def bytes(self, count: int) -> bytes:
        return self.exponent.to_bytes(count, "big")


def ours_modulus(given: Given) -> object:
    key = key_of(given)
    return {"fingerprint": key.fingerprint.hex(), "hs": f"{int(key.hs):x}"}


def ours_encrypt(given: Given) -> object:
    sender = Encryptor(key_of(given), Fixed(int(given["exponent"], 16)), table=False)
    return sender.encrypt(int(given["message"], 16)).to_bytes().hex()


def ours_decrypt(given: Given) -> object:
    private = PrivateKey(int(given["p"], 16), int(given["q"], 16), minimum_bits=given["minimum_bits"])
    return f"{private.decrypt(private.key.ciphertext(bytes.fromhex(given['ciphertext']))):x}"


def ours_receive(given: Given) -> object:
    key_of(given).ciphertext(bytes.fromhex(given["ciphertext"]))
    return None


def ours_sum(given: Given) -> object:
    key = key_of(given)
    total = key.receive_sum([bytes.fromhex(item) for item in given["ciphertexts"]])
    return int(total.value).to_bytes(key.ciphertext_bytes, "big").hex()


def ours_compare(given: Given) -> object:
    layout = Layout(given["key_bits"], given["score_bits"], given["slots"])
    mask, masked = int(given["mask"], 16), layout.pack(given["sums"]) + int(given["mask"], 16)
    return [
        [layout.compare_bit(layout.window(masked, slot), layout.comparand(mask, slot, t)) for t in thresholds]
        for slot, thresholds in enumerate(given["thresholds"])
    ]


def ours_knowledge(given: Given) -> object:
    verifier = Encryptor(key_of(given), SeededRandomness("unused"), table=False)
    proof = KnowledgeProof.from_bytes(verifier.key, bytes.fromhex(given["proof"]), "bank")
    ciphertext = verifier.key.ciphertext(bytes.fromhex(given["ciphertext"]))
    verify_knowledge(verifier, ciphertext, proof, bytes.fromhex(given["context"]), given["message_bits"], "bank")
    return None


OURS: dict[str, Callable[[Given], object]] = {
    "modulus": ours_modulus,
    "encrypt": ours_encrypt,
    "decrypt": ours_decrypt,
    "receive": ours_receive,
    "sum": ours_sum,
    "compare": ours_compare,
    "knowledge": ours_knowledge,
}

REFUSALS = {
    InvalidKeyError: "invalid-key",
    InvalidCiphertextError: "invalid-ciphertext",
    InvalidProofError: "invalid-proof",
    UsageError: "usage",
}


def naive_modulus(given: Given) -> object:
    n = int(given["n"], 16)
    if not naive.modulus_accepted(n, given["minimum_bits"]):
        return False
    return {"fingerprint": naive.fingerprint(n).hex(), "hs": f"{naive.hs(n):x}"}


def naive_encrypt(given: Given) -> object:
    n, message = int(given["n"], 16), int(given["message"], 16)
    fresh = naive.encrypt(n, message, int(given["exponent"], 16))
    return abs(message) < n and fresh.to_bytes((2 * n.bit_length() + 7) // 8, "big").hex()


def naive_decrypt(given: Given) -> object:
    return f"{naive.decrypt(int(given['p'], 16), int(given['q'], 16), int(given['ciphertext'], 16)):x}"


def naive_receive(given: Given) -> object:
    return None if naive.received(int(given["n"], 16), bytes.fromhex(given["ciphertext"])) else False


def naive_sum(given: Given) -> object:
    n, product = int(given["n"], 16), 1
    for data in given["ciphertexts"]:
        if not naive.received(n, bytes.fromhex(data)):
            return False
        product = product * int(data, 16) % (n * n)
    return bool(given["ciphertexts"]) and product.to_bytes(len(given["ciphertexts"][0]) // 2, "big").hex()


def naive_compare(given: Given) -> object:
    l, slots, mask = given["score_bits"], given["slots"], int(given["mask"], 16)
    fits = slots * (l + 1) + 64 <= given["key_bits"] - 2
    in_range = all(0 <= total < 2**l for total in given["sums"])
    if not (fits and in_range and all(0 <= t <= 2**l for row in given["thresholds"] for t in row)):
        return False
    z = int(given["masked"], 16)
    return [[naive.at_least(z, mask, l, slot, t) for t in row] for slot, row in enumerate(given["thresholds"])]


def naive_knowledge(given: Given) -> object:
    c, proof, context = (bytes.fromhex(given[name]) for name in ("ciphertext", "proof", "context"))
    n = int(given["n"], 16)
    return (
        None if naive.knowledge_accepted(n, int.from_bytes(c, "big"), proof, context, given["message_bits"]) else False
    )


NAIVE: dict[str, Callable[[Given], object]] = {
    "modulus": naive_modulus,
    "encrypt": naive_encrypt,
    "decrypt": naive_decrypt,
    "receive": naive_receive,
    "sum": naive_sum,
    "compare": naive_compare,
    "knowledge": naive_knowledge,
}


def outcome(vector: Given) -> tuple[str, object]:
    try:
        return "accept", OURS[vector["step"]](vector["input"])
    except (UsageError, InvalidProofError) as refusal:
        return REFUSALS[type(refusal)], None


@pytest.mark.parametrize("name", VECTORS)
def test_vector_gives_what_it_says(name: str) -> None:
    vector = VECTORS[name]
    assert outcome(vector) == (vector["expect"], vector["output"])


@pytest.mark.parametrize("name", VECTORS)
def test_second_implementation_agrees_with_the_vector(name: str) -> None:
    vector = VECTORS[name]
    expected = vector["output"] if vector["expect"] == "accept" else False
    assert NAIVE[vector["step"]](vector["input"]) == expected


def test_committed_vectors_are_what_the_script_writes() -> None:
    assert make_paillier.cases() == VECTORS


def test_about_half_are_rejections_and_all_are_commented() -> None:
    rejected = [vector for vector in VECTORS.values() if vector["expect"] != "accept"]
    assert 0.4 <= len(rejected) / len(VECTORS) <= 0.7
    assert all(vector["comment"].endswith(".") for vector in VECTORS.values())


def test_largest_message_of_the_vectors_is_minus_one() -> None:
    vector = VECTORS["encrypt-largest"]["input"]
    n = int(vector["n"], 16)
    assert naive.encrypt(n, -1, int(vector["exponent"], 16)) == int(VECTORS["encrypt-largest"]["output"], 16)
