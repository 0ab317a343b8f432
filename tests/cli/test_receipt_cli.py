"""`privcredit receipt verify`: what it proves, and one sentence for each way a receipt can be wrong."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from privcredit.crypto.signing import SigningKey, public_jwk
from privcredit.federation.files import write_document
from privcredit.messages.codec import encode_json
from privcredit.protocols.eligibility.messages import NamedShare, Receipt
from privcredit.protocols.eligibility.steps import open_output_share, sign_output_share, sign_request
from privcredit.roles.registry import REGISTRY_SIGNER, open_registry
from support.cli import run
from support.federation import REGISTRY_KEY, Town, make_policy, party_keys
from support.place import Place
from support.seeded import SeededRandomness

pytestmark = pytest.mark.xdist_group("cli")


def receipt_of(town: Town) -> Receipt:
    """A genuine receipt; asked about once, then answered from the cache."""
    return town.ask("anna").receipt


def resigned(receipt: Receipt, position: int, **changes: object) -> Receipt:
    """The receipt with one share changed and signed anew by its own authority."""
    named = receipt.shares[position]
    keys = party_keys(named.authority)
    share = open_output_share(named.share, named.authority, keys.signing.public_bytes)
    forged = NamedShare(authority=named.authority, share=sign_output_share(replace(share, **changes), keys.signing))
    shares = list(receipt.shares)
    shares[position] = forged
    return replace(receipt, shares=tuple(shares))


def flipped(text: str) -> str:
    """A JWS with another first character in its signature."""
    head, _, signature = text.rpartition(".")
    return f"{head}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


def test_a_valid_receipt_says_what_it_proves(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "receipt.json"
    write_document(path, receipt_of(place.town))
    done = run("receipt", "verify", path, *place.registry_options)
    assert done.code == 0
    assert done.out.startswith("valid: shop asked at 20")
    assert "Eligible for a deposit-free rental? Answer: eligible. Signed by authority-" in done.out
    plain = json.loads(run("receipt", "verify", path, *place.registry_options, "--json").out)
    assert plain["valid"] is True
    assert plain["eligible"] is True
    assert plain["policy"] == "deposit-free"


Wrong = Callable[[Town, Receipt], Receipt]

WAYS: dict[str, tuple[Wrong, str]] = {
    "version": (lambda _t, r: replace(r, version=2), "The receipt has version 2; this program reads 1."),
    "policy": (lambda _t, r: replace(r, policy_hash=bytes(32)), "is in the registry. Use the registry that was valid"),
    "verifier unknown": (lambda _t, r: replace(r, verifier="stranger"), "stranger is not a verifier in the registry"),
    "v5 verifier": (lambda _t, r: replace(r, verifier="hotel"), "the part of hotel fails at"),
    "request altered": (lambda _t, r: replace(r, request=flipped(r.request)), "the part of shop fails at"),
    "v5 other request": (
        lambda t, r: replace(r, request=t.verifiers["shop"].request("deposit-free").jws),
        "the share is bound to another request",
    ),
    "share altered": (
        lambda _t, r: replace(r, shares=(replace(r.shares[0], share=flipped(r.shares[0].share)), r.shares[1])),
        "fails at",
    ),
    "share of another": (
        lambda _t, r: replace(r, shares=(replace(r.shares[0], authority=r.shares[1].authority), r.shares[1])),
        "fails at",
    ),
    "share of no authority": (
        lambda _t, r: replace(r, shares=(replace(r.shares[0], authority="bank"), r.shares[1])),
        "bank is not a authority in the registry",
    ),
    "one authority twice": (
        lambda _t, r: replace(r, shares=(r.shares[0], r.shares[0])),
        "both shares come from the same authority",
    ),
    "two runs": (lambda _t, r: resigned(r, 0, run=bytes(32)), "the two shares belong to different runs"),
    "v5 expiry": (lambda _t, r: resigned(r, 1, expires=5), "the share is bound to another request"),
    "no bit": (lambda _t, r: resigned(r, 1, bits=(2,)), "fails at `open output share`"),
    "two bits": (lambda _t, r: resigned(r, 1, bits=(1, 1)), "the share does not hold one bit for each tier"),
}


@pytest.mark.parametrize("way", WAYS)
def test_v5_each_way_to_be_wrong_has_its_sentence(place: Place, tmp_path: Path, way: str) -> None:
    change, sentence = WAYS[way]
    path = tmp_path / "receipt.json"
    write_document(path, change(place.town, receipt_of(place.town)))
    done = run("receipt", "verify", path, *place.registry_options)
    assert done.code == 1
    assert done.out == ""
    assert sentence in done.sentence
    assert done.sentence.startswith(f"error: {path} proves nothing: ")
    answer = run("receipt", "verify", path, *place.registry_options, "--json")
    assert (answer.code, json.loads(answer.out)["valid"]) == (1, False)


def test_v5_a_request_for_another_policy(place: Place, tmp_path: Path) -> None:
    other = make_policy(id="other")
    registry = place.write_registry(make_policy(), other, serial=2)
    trusted = open_registry(registry.read_text(), REGISTRY_KEY.public_bytes)
    request = place.town.verifiers["shop"].request("deposit-free").request
    forged = sign_request(replace(request, policy_hash=trusted.policy_named("other")[0]), party_keys("shop").signing)
    path = tmp_path / "receipt.json"
    write_document(path, replace(receipt_of(place.town), request=forged))
    done = run("receipt", "verify", path, "--registry", registry, "--registry-key", place.directory / "registry.pub")
    assert "the request in the receipt is for another policy" in done.sentence


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"version": 1}', "not json", '{"a": 1, "a": 2}'])
def test_a_file_that_is_no_receipt(place: Place, tmp_path: Path, content: str) -> None:
    path = tmp_path / "receipt.json"
    path.write_text(content)
    done = run("receipt", "verify", path, *place.registry_options)
    assert done.code == 2
    assert done.sentence.startswith(f"error: {path} is not a receipt: ")


def test_missing_files_are_named(place: Place, tmp_path: Path) -> None:
    done = run("receipt", "verify", tmp_path / "none.json", *place.registry_options)
    assert (done.code, "none.json cannot be read: No such file" in done.sentence) == (2, True)
    done = run("receipt", "verify", tmp_path / "none.json", "--registry", "x.jws", "--registry-key", "y.pub")
    assert (done.code, "cannot be read" in done.sentence) == (2, True)


def test_a_registry_under_another_key_is_not_believed(place: Place, tmp_path: Path) -> None:
    receipt, key = tmp_path / "receipt.json", tmp_path / "other.pub"
    write_document(receipt, receipt_of(place.town))
    other = SigningKey.generate(SeededRandomness("another registry"))
    key.write_bytes(encode_json(public_jwk(other.public_bytes, REGISTRY_SIGNER)))
    done = run("receipt", "verify", receipt, "--registry", place.directory / "registry.jws", "--registry-key", key)
    assert done.code == 5
    assert done.out == ""
