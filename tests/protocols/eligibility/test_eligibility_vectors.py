"""The eligibility vectors against the steps, and against a second implementation made from the specification."""

import base64
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from privcredit.crypto.paillier import Encryptor, PublicKey
from privcredit.errors import PeerError, RefusedError
from privcredit.messages.codec import decode_json
from privcredit.protocols.consent.messages import QueryHeader
from privcredit.protocols.eligibility.steps import (
    check_contributions,
    check_request,
    combine_output_shares,
    open_output_share,
    open_request,
)
from privcredit.scorecard.policy import Policy, answer_tier, policy_hash
from support.keys import TOY_MINIMUM_BITS, toy_private_key
from support.seeded import SeededRandomness

sys.path.append(str(Path(__file__).parent))
import naive_eligibility

ROOT = Path(__file__).parents[3]
VECTORS = {
    path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "protocols/eligibility/vectors").glob("*"))
}
Case = dict[str, Any]


def judge(vector: Case) -> Case:
    given = vector["input"]
    payload = given["policy"].encode()
    policy = decode_json(payload, Policy)
    return {"request": on_request, "contributions": on_contributions, "receipt": on_receipt}[vector["step"]](
        given, policy, policy_hash(payload)
    )


def on_request(given: Case, policy: Policy, hashed: bytes) -> Case:
    request = open_request(given["request"], given["verifier"], bytes.fromhex(given["verifier_key"]))
    check_request(request, hashed, policy, given["now"])
    return {}


def on_contributions(given: Case, policy: Policy, _: bytes) -> Case:
    key = PublicKey.from_modulus(int(given["n"], 16), minimum_bits=TOY_MINIMUM_BITS)
    encryptor = Encryptor(key, SeededRandomness("judge"), table=False)
    fields = {
        name: base64.b64encode(bytes.fromhex(value)).decode() if name in naive_eligibility.HEADER_BYTES else value
        for name, value in given["header"].items()
    }
    header = decode_json(json.dumps(fields).encode(), QueryHeader)
    keys = {name: bytes.fromhex(key) for name, key in given["holder_keys"].items()}
    found = check_contributions(given["contributions"], header, policy, encryptor, keys)
    return {"set_digest": found.set_digest.hex(), "oldest": found.oldest, "product": int(found.product.value)}


def on_receipt(given: Case, policy: Policy, _: bytes) -> Case:
    request = open_request(given["request"], given["verifier"], bytes.fromhex(given["verifier_key"]))
    shares = [
        open_output_share(jws, sender, bytes.fromhex(given["authority_keys"][sender]))
        for sender, jws in given["shares"]
    ]
    return {"tier": answer_tier(policy, combine_output_shares(*shares, request, policy))}


@pytest.mark.parametrize("name", VECTORS)
def test_vectors_are_judged_as_they_expect(name: str) -> None:
    vector = VECTORS[name]
    if vector["expect"] == "accept":
        output = judge(vector)
        assert {**output, **vector.get("output", {})} == output
        return
    with pytest.raises((RefusedError, PeerError)) as caught:
        judge(vector)
    error = caught.value
    said = error.reason if isinstance(error, RefusedError) else f"{error.culprit}: {error.step}"
    assert said == vector["expect"]


NEEDS_A_PROOF = {name for name, vector in VECTORS.items() if vector["expect"].endswith("verify plaintext knowledge")}


@pytest.mark.parametrize("name", sorted(VECTORS.keys() - NEEDS_A_PROOF))
def test_a_second_implementation_judges_the_vectors_alike(name: str) -> None:
    vector = VECTORS[name]
    if vector["expect"] != "accept":
        with pytest.raises(naive_eligibility.RefusedError):
            naive_eligibility.judge(vector)
        return
    assert naive_eligibility.judge(vector) == judge(vector)


def test_the_accepted_contributions_add_up_to_the_lifted_points() -> None:
    """Points 30 and 5, offsets 20 and 45, two lifts of 2^7, the same in both tiers' slots of 10 bits."""
    total = toy_private_key(128).decrypt
    key = PublicKey.from_modulus(
        int(VECTORS["contributions-accepted"]["input"]["n"], 16), minimum_bits=TOY_MINIMUM_BITS
    )
    product = judge(VECTORS["contributions-accepted"])["product"]
    score = 30 + 20 + 5 + 45 + 2 * 128
    assert total(key.ciphertext(product.to_bytes(key.ciphertext_bytes, "big"))) == score + (score << 10)


def test_the_generator_writes_these_very_files() -> None:
    sys.path.append(str(ROOT / "tests/vectors"))
    import make_eligibility

    assert dict(make_eligibility.vectors()) == VECTORS


def test_about_half_of_the_vectors_are_rejections() -> None:
    rejected = sum(vector["expect"] != "accept" for vector in VECTORS.values())
    assert len(VECTORS) // 2 <= rejected < len(VECTORS)
