"""A second judge of the eligibility vectors, from the specification: standard library, libsodium, plain integers."""

import base64
import hashlib
import json
from typing import Any

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

Case = dict[str, Any]
CLOCK_SKEW = 60


class RefusedError(Exception):
    """The vector must not be accepted."""


def need(holds: bool) -> None:
    if not holds:
        raise RefusedError


def fields(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)


def digest(domain: str, *parts: bytes) -> bytes:
    return hashlib.sha256(fields(b"privcredit v1", b"digest", domain.encode(), *parts)).digest()


def read(jws: str, kid: str, key: str, typ: str) -> Case:
    """Spec 2.1: exactly these three header fields, and a valid Ed25519 signature over the first two parts."""
    parts = jws.split(".")
    need(len(parts) == 3)
    header, payload, signature = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in parts)
    need(json.loads(header) == {"alg": "Ed25519", "kid": kid, "typ": typ})
    try:
        VerifyKey(bytes.fromhex(key)).verify(".".join(parts[:2]).encode(), signature)
    except BadSignatureError:
        raise RefusedError from None
    return json.loads(payload)


def raw(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def judge(vector: Case) -> Case:
    """Return the output of an accepted vector; raises RefusedError."""
    given = vector["input"]
    policy = json.loads(given["policy"])
    hashed = digest("privcredit policy", given["policy"].encode())
    return {"request": judge_request, "contributions": judge_contributions, "receipt": judge_receipt}[vector["step"]](
        given, policy, hashed
    )


def judge_request(given: Case, policy: Case, hashed: bytes) -> Case:
    request = read(given["request"], given["verifier"], given["verifier_key"], "privcredit-request+jws")
    need(request["version"] == 1)
    need(request["verifier"] == given["verifier"])
    need(request["scheme"] == policy["scheme"])
    need(raw(request["policy_hash"]) == hashed)
    need(request["verifier"] in policy["verifiers"])
    need(policy["valid_from"] <= request["issued"] < policy["valid_until"])
    need(request["issued"] <= given["now"] + CLOCK_SKEW)
    need(request["issued"] < request["expires"] <= request["issued"] + policy["request_seconds"])
    need(given["now"] < request["expires"])
    return {}


HEADER_BYTES = (
    "policy_hash", "key_fingerprint", "request_id", "wallet_nonce", "query_id", "query_point", "nullifier",
)  # fmt: skip


def judge_contributions(given: Case, policy: Case, _: bytes) -> Case:
    """Everything but the proof of plaintext knowledge, which `protocols/paillier` has its own judge for."""
    names = [term["holder"] for term in policy["holders"]]
    need(len(given["contributions"]) == len(names))
    n = int(given["n"], 16)
    parts, product, oldest = [], 1, []
    for name, jws in zip(names, given["contributions"], strict=True):
        one = read(jws, name, given["holder_keys"][name], "privcredit-contribution+jws")
        need((one["version"], one["holder"]) == (1, name))
        header = one["header"] | {field: raw(one["header"][field]).hex() for field in HEADER_BYTES}
        need(header == given["header"])
        ciphertext = raw(one["ciphertext"])
        value = int.from_bytes(ciphertext, "big")
        need(len(ciphertext) == (2 * n.bit_length() + 7) // 8)
        need(0 < value < n * n)
        parts += [name.encode(), ciphertext]
        product = product * value % (n * n)
        oldest.append(one["issued"])
    return {"set_digest": digest("contribution set", *parts).hex(), "oldest": min(oldest), "product": product}


def judge_receipt(given: Case, policy: Case, hashed: bytes) -> Case:
    request = read(given["request"], given["verifier"], given["verifier_key"], "privcredit-request+jws")
    shares = []
    for sender, jws in given["shares"]:
        share = read(jws, sender, given["authority_keys"][sender], "privcredit-output-share+jws")
        need(share["sender"] == sender)
        need(sender in (share["evaluator_1"], share["evaluator_2"]))
        need(share["version"] == 1)
        need(raw(share["policy_hash"]) == hashed)
        need(all(share[field] == request[field] for field in ("policy_hash", "verifier", "request_id", "expires")))
        need(share["epoch"] == (request["expires"] - policy["request_seconds"]) // policy["epoch_seconds"])
        need(len(share["bits"]) == len(policy["tiers"]))
        need(set(share["bits"]) <= {0, 1})
        shares.append(share)
    first, second = shares
    need(first["sender"] != second["sender"])
    need(all(first[field] == second[field] for field in ("query_id", "run", "evaluator_1", "evaluator_2")))
    bits = [a ^ b for a, b in zip(first["bits"], second["bits"], strict=True)]
    need(bits == sorted(bits, reverse=True))
    return {"tier": policy["tiers"][sum(bits) - 1]["name"] if bits[0] else None}
