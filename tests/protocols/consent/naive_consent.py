"""The consent protocol a second time, straight from spec.md: plain Python, hashlib, no privcredit, no libsodium group.

Works on the JSON of the vectors (bytes in hexadecimal). `judge` returns "accept" or the code of the refusal.
"""

import hashlib
import json
from base64 import b64decode, urlsafe_b64decode
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, SealedBox

from support import ristretto

HEADER = [
    "version",
    "scheme",
    "policy_hash",
    "key_fingerprint",
    "verifier",
    "request_id",
    "wallet_nonce",
    "query_id",
    "epoch",
    "index",
    "expires",
    "query_point",
    "nullifier",
]
TEXTS = {"scheme", "verifier"}
NUMBERS = {"version", "epoch", "index", "expires"}
Json = dict[str, Any]
Pairs = list[tuple[bytes, bytes]]


def be8(number: int) -> bytes:
    return number.to_bytes(8, "big")


def framed(*fields: bytes) -> bytes:
    return b"".join(be8(len(field)) + field for field in fields)


def digest(domain: str, *fields: bytes) -> bytes:
    return hashlib.sha256(framed(b"privcredit v1", b"digest", domain.encode(), *fields)).digest()


def hash_to_group(domain: str, *fields: bytes) -> bytes:
    name = b"hash to group: " + domain.encode()
    uniform = hashlib.sha512(framed(b"privcredit v1", b"expand", name, *fields) + be8(0)).digest()
    return ristretto.encode(ristretto.from_uniform(uniform))


def context(purpose: str, *fields: bytes) -> bytes:
    return framed(purpose.encode(), be8(1), *fields)


def valid_point(data: bytes) -> bool:
    return data != bytes(32) and ristretto.decode(data) is not None


def proof_holds(pairs: Pairs, proof: bytes, bound: bytes) -> bool:
    c, z = int.from_bytes(proof[:32], "little"), int.from_bytes(proof[32:], "little")
    if len(proof) != 64 or not 0 < c < ristretto.L or not 0 < z < ristretto.L:
        return False
    commitments = []
    for base, image in ((ristretto.decode(base), ristretto.decode(image)) for base, image in pairs):
        difference = ristretto.subtract(ristretto.multiply(z, base), ristretto.multiply(c, image))
        commitments.append(ristretto.encode(difference))
    fields = [bound, be8(len(pairs)), *(point for pair in pairs for point in pair), *commitments]
    hashed = hashlib.sha512(framed(b"privcredit v1", b"challenge", b"equal logarithms", *fields)).digest()
    return int.from_bytes(hashed, "big") % ristretto.L == c


def verdict(pairs: Pairs, proof: str, bound: bytes, otherwise: str) -> str:
    if not all(valid_point(image) for _, image in pairs):
        return "invalid-point"
    return "accept" if proof_holds(pairs, bytes.fromhex(proof), bound) else otherwise


def query_id(policy_hash: str, verifier: str, request_id: str, wallet_nonce: str) -> bytes:
    nonces = bytes.fromhex(request_id), bytes.fromhex(wallet_nonce)
    return digest("consent: query id", bytes.fromhex(policy_hash), verifier.encode(), *nonces)


def header_digest(header: Json) -> bytes:
    fields = []
    for name in HEADER:
        value = header[name]
        fields.append(be8(value) if name in NUMBERS else value.encode() if name in TEXTS else bytes.fromhex(value))
    return digest("consent: header", *fields)


def judge_header(header: Json, terms: Json, now: int) -> str:
    named = query_id(*(header[name] for name in ("policy_hash", "verifier", "request_id", "wallet_nonce")))
    epoch = (header["expires"] - terms["request_seconds"]) // terms["epoch_seconds"]
    rules = {
        "wrong-version": header["version"] == 1,
        "wrong-scheme": header["scheme"] == terms["scheme"],
        "wrong-policy": header["policy_hash"] == terms["policy_hash"],
        "wrong-key": header["key_fingerprint"] == terms["key_fingerprint"],
        "wrong-verifier": header["verifier"] in terms["verifiers"],
        "wrong-query-id": header["query_id"] == named.hex(),
        "wrong-epoch": header["epoch"] == epoch,
        "over-budget": 0 <= header["index"] < terms["budget"],
        "consent-expired": now < header["expires"],
        "consent-from-future": header["expires"] <= now + terms["request_seconds"] + 60,
        "invalid-point": all(valid_point(bytes.fromhex(header[name])) for name in ("query_point", "nullifier")),
    }
    return next((code for code, holds in rules.items() if not holds), "accept")


def judge_consent(given: Json) -> str:
    header, consent, terms, holder = (given[name] for name in ("header", "consent", "terms", "holder"))
    first = judge_header(header, terms, given["now"])
    if first != "accept":
        return first
    if consent["holder"] != holder:
        return "wrong-holder"
    if bytes.fromhex(consent["header_digest"]) != header_digest(header):
        return "wrong-header"
    names = {name: header[name].encode() for name in ("scheme", "verifier")}
    group = terms["budget_group"].encode()
    numbers = be8(header["epoch"]), be8(header["index"])
    bases = (
        hash_to_group("holder", names["scheme"], holder.encode()),
        hash_to_group("query", bytes.fromhex(header["query_id"]), names["verifier"]),
        hash_to_group("epoch", names["scheme"], group, *numbers),
    )
    images = (bytes.fromhex(point) for point in (consent["pseudonym"], header["query_point"], header["nullifier"]))
    bound = context("consent", header_digest(header), group, holder.encode())
    return verdict(list(zip(bases, images, strict=True)), consent["proof"], bound, "consent-forged")


def judge_presentation(given: Json) -> str:
    first = judge_header(given["header"], given["terms"], given["now"])
    boxes = sorted(consent["holder"] for consent in given["consents"])
    return first if first != "accept" or boxes == sorted(given["holders"]) else "wrong-holders"


def judge_sealed(given: Json) -> str:
    seed = hashlib.sha512(bytes.fromhex(given["seed"])).digest()[:32]  # libsodium's crypto_box_seed_keypair
    try:
        opened = SealedBox(PrivateKey(seed)).decrypt(bytes.fromhex(given["box"]))
    except CryptoError:
        return "consent-unreadable"
    return judge_consent({**given, "consent": read_consent(opened)})


def read_consent(data: bytes) -> Json:
    """The msgpack of a consent, byte by byte: a map of four, short texts, bin8."""
    assert data[0] == 0x84
    fields: Json = {}
    at = 1
    for _ in range(4):
        key, at = _read(data, at)
        fields[key], at = _read(data, at)
    assert at == len(data)
    return fields


def _read(data: bytes, at: int) -> tuple[str, int]:
    if data[at] == 0xC4:
        start, length = at + 2, data[at + 1]
        return data[start : start + length].hex(), start + length
    assert data[at] & 0xE0 == 0xA0
    start, length = at + 1, data[at] & 0x1F
    return data[start : start + length].decode(), start + length


def code_digest(code: str) -> bytes:
    return digest("consent: one-time code", code.encode())


def judge_registration(given: Json) -> str:
    message = given["registration"]
    bound = context("registration", given["scheme"].encode(), given["registrar"].encode(), code_digest(given["code"]))
    pairs = [(hash_to_group("person"), bytes.fromhex(message["root_point"]))]
    return verdict(pairs, message["proof"], bound, "registration-forged")


def judge_enrolment(given: Json) -> str:
    message = given["enrolment"]
    scheme, holder = given["scheme"].encode(), given["holder"].encode()
    if message["holder"] != given["holder"]:
        return "wrong-holder"
    credential = read_credential(message["credential"], bytes.fromhex(given["registrar_key"]))
    for code, holds in (
        ("wrong-scheme", credential["scheme"] == given["scheme"]),
        ("wrong-identity", credential["identity"] == given["identity"]),
        ("wrong-root", b64decode(credential["root_point"]).hex() == message["root_point"]),
    ):
        if not holds:
            return code
    bound = context("enrolment", scheme, holder, code_digest(given["code"]), message["credential"].encode())
    bases = (hash_to_group("person"), hash_to_group("holder", scheme, holder))
    images = (bytes.fromhex(message[name]) for name in ("root_point", "pseudonym"))
    return verdict(list(zip(bases, images, strict=True)), message["proof"], bound, "enrolment-forged")


def read_credential(jws: str, key: bytes) -> Json:
    header, payload, signature = (urlsafe_b64decode(part + "==") for part in jws.split("."))
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, jws.rsplit(".", 1)[0].encode())
    except InvalidSignature:
        return {}
    assert json.loads(header) == {"alg": "Ed25519", "kid": "civil-registry", "typ": "privcredit-credential+jws"}
    return dict(json.loads(payload))


def judge_order(given: Json) -> str:
    message, now = given["order"], given["now"]
    for code, holds in (
        ("wrong-holder", message["holder"] == given["holder"]),
        ("wrong-action", message["action"] == given["action"]),
        ("order-expired", now < message["issued"] + 300),
        ("order-from-future", message["issued"] - 60 <= now),
    ):
        if not holds:
            return code
    scheme, holder, action = (text.encode() for text in (given["scheme"], given["holder"], given["action"]))
    bound = context("order", scheme, holder, action, bytes.fromhex(message["nonce"]), be8(message["issued"]))
    pairs = [(hash_to_group("holder", scheme, holder), bytes.fromhex(message["pseudonym"]))]
    return verdict(pairs, message["proof"], bound, "order-forged")


def derive(given: Json) -> Json:
    k = int.from_bytes(bytes.fromhex(given["k"]), "little")
    scheme, holder, verifier, group = (
        given[name].encode() for name in ("scheme", "holder", "verifier", "budget_group")
    )
    named = query_id(*(given[name] for name in ("policy_hash", "verifier", "request_id", "wallet_nonce")))
    bases = {
        "root_point": hash_to_group("person"),
        "pseudonym": hash_to_group("holder", scheme, holder),
        "query_point": hash_to_group("query", named, verifier),
        "nullifier": hash_to_group("epoch", scheme, group, be8(given["epoch"]), be8(given["index"])),
    }
    points = {name: ristretto.multiply(k, ristretto.decode(base)) for name, base in bases.items()}
    return {"query_id": named.hex(), **{name: ristretto.encode(point).hex() for name, point in points.items()}}


JUDGES = {
    "consent": judge_consent,
    "presentation": judge_presentation,
    "sealed": judge_sealed,
    "registration": judge_registration,
    "enrolment": judge_enrolment,
    "order": judge_order,
}


def judge(step: str, given: Json) -> str:
    return JUDGES[step](given)
