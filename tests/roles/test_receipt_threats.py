"""Receipts that prove nothing: threats.md V5, S2, A10."""

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from privcredit.crypto.signing import decode_base64url, encode_base64url, sign_jws
from privcredit.errors import PeerError, RefusedError, UsageError
from privcredit.messages.codec import decode_json, encode_json
from privcredit.protocols.eligibility.messages import (
    OUTPUT_SHARE_TYPE,
    REQUEST_TYPE,
    NamedShare,
    OutputShare,
    Receipt,
    Request,
)
from privcredit.protocols.eligibility.steps import sign_output_share
from privcredit.roles.verifier import verify_receipt
from privcredit.scorecard.policy import Tier
from support.federation import AUTHORITIES, NOW, Town, make_policy, party_keys
from support.inspection import opened_shares, raises


def receipt_of(town: Town, person: str = "anna") -> Receipt:
    receipt = town.ask(person).receipt
    assert receipt is not None
    return receipt


# --- V5, S2: receipts ------------------------------------------------------------------------------------------------


def forged_request(receipt: Receipt, **changes: object) -> Receipt:
    """The verifier signs another request for the same shares."""
    payload = base64.urlsafe_b64decode(receipt.request.split(".")[1] + "==")
    request = replace(decode_json(payload, Request), **changes)
    keys = party_keys(request.verifier)
    return replace(
        receipt,
        verifier=request.verifier,
        policy_hash=request.policy_hash,
        request=sign_jws(keys.signing, request.verifier, REQUEST_TYPE, encode_json(request)),
    )


@pytest.mark.parametrize(
    "change",
    [{"verifier": "hotel"}, {"request_id": bytes(32)}, {"expires": NOW + 301}, {"expires": NOW + 299}],
    ids=["another verifier", "another nonce", "a later expiry", "an earlier expiry"],
)
def test_v5_a_receipt_does_not_prove_another_request(town: Town, change: dict[str, object]) -> None:
    forged = forged_request(receipt_of(town), **change)
    error = raises(PeerError, lambda: verify_receipt(forged, town.registry))
    assert error.sentence == "the share is bound to another request"


def with_share(receipt: Receipt, place: int, share: OutputShare) -> Receipt:
    """An authority signs another share; the verifier puts it into the receipt."""
    shares = list(receipt.shares)
    shares[place] = NamedShare(authority=share.sender, share=sign_output_share(share, party_keys(share.sender).signing))
    return replace(receipt, shares=tuple(shares))


SHARES: dict[str, Callable[[OutputShare], OutputShare]] = {
    "another run": lambda share: replace(share, run=bytes(32)),
    "another query": lambda share: replace(share, query_id=bytes(32)),
    "another epoch": lambda share: replace(share, epoch=share.epoch + 1),
    "another policy": lambda share: replace(share, policy_hash=bytes(32)),
    "another version": lambda share: replace(share, version=2),
    "another evaluator 2": lambda share: replace(share, evaluator_2="authority-9"),
    "no bits": lambda share: replace(share, bits=()),
    "two bits": lambda share: replace(share, bits=(*share.bits, 0)),
    "no bit but a two": lambda share: replace(share, bits=(2,)),
}


@pytest.mark.parametrize("what", SHARES)
def test_v5_a_share_of_something_else_does_not_make_a_receipt(town: Town, what: str) -> None:
    receipt = receipt_of(town)
    forged = with_share(receipt, 0, SHARES[what](opened_shares(receipt)[0]))
    assert verify_receipt(receipt, town.registry).eligible is True
    raises(PeerError, lambda: verify_receipt(forged, town.registry))


def test_v5_one_authority_alone_makes_no_receipt(town: Town) -> None:
    receipt = receipt_of(town)
    twice = replace(receipt, shares=(receipt.shares[0], receipt.shares[0]))
    assert "same authority" in str(raises(PeerError, lambda: verify_receipt(twice, town.registry)))
    (third,) = set(AUTHORITIES) - {one.authority for one in receipt.shares}
    outsider = replace(opened_shares(receipt)[0], sender=third)
    raises(PeerError, lambda: verify_receipt(with_share(receipt, 0, outsider), town.registry))


def test_v5_a_receipt_of_another_version_is_refused(town: Town) -> None:
    raises(UsageError, lambda: verify_receipt(replace(receipt_of(town), version=2), town.registry))


def test_v5_a_receipt_that_names_no_authority_is_refused(town: Town) -> None:
    receipt = receipt_of(town)
    shares = (replace(receipt.shares[0], authority="bank"), receipt.shares[1])
    raises(RefusedError, lambda: verify_receipt(replace(receipt, shares=shares), town.registry))


ORDER_ED25519 = 2**252 + 27742317777372353535851937790883648493


def altered_signature(jws: str, change: Callable[[bytes], bytes]) -> str:
    head, _, signature = jws.rpartition(".")
    return f"{head}.{encode_base64url(change(decode_base64url(signature)))}"


SIGNATURES: dict[str, Callable[[bytes], bytes]] = {
    "S + L": lambda s: s[:32] + (int.from_bytes(s[32:], "little") + ORDER_ED25519).to_bytes(32, "little"),
    "a trailing byte": lambda s: s + b"\x00",
    "one byte less": lambda s: s[:-1],
    "R of small order": lambda s: bytes([1]) + bytes(31) + s[32:],
    "empty": lambda _: b"",
}


@pytest.mark.parametrize("what", SIGNATURES)
def test_s2_malleable_signatures_are_refused_in_receipts(town: Town, what: str) -> None:
    receipt = receipt_of(town)
    first = replace(receipt.shares[0], share=altered_signature(receipt.shares[0].share, SIGNATURES[what]))
    raises(PeerError, lambda: verify_receipt(replace(receipt, shares=(first, receipt.shares[1])), town.registry))


def test_v5_bytes_after_a_receipt_are_refused(town: Town) -> None:
    receipt = receipt_of(town)
    first = replace(receipt.shares[0], share=receipt.shares[0].share + ".AAAA")
    raises(PeerError, lambda: verify_receipt(replace(receipt, shares=(first, receipt.shares[1])), town.registry))


def test_a10_a_request_is_no_output_share_and_the_other_way_round(town: Town) -> None:
    receipt = receipt_of(town)
    share = opened_shares(receipt)[0]
    mistyped = sign_jws(party_keys(share.sender).signing, share.sender, REQUEST_TYPE, encode_json(share))
    shares = (replace(receipt.shares[0], share=mistyped), receipt.shares[1])
    raises(PeerError, lambda: verify_receipt(replace(receipt, shares=shares), town.registry))
    swapped = sign_jws(party_keys("shop").signing, "shop", OUTPUT_SHARE_TYPE, encode_json(opened_shares(receipt)[0]))
    raises(PeerError, lambda: verify_receipt(replace(receipt, request=swapped), town.registry))


def test_w2_an_answer_that_skips_a_tier_is_a_peers_fault(tmp_path: Path) -> None:
    tiers = (Tier(name="bronze", at_least=90), Tier(name="silver", at_least=130))
    town = Town(tmp_path, make_policy(tiers=tiers))
    receipt = receipt_of(town)
    share = opened_shares(receipt)[0]
    flipped = replace(share, bits=(share.bits[0] ^ 1, *share.bits[1:]))
    raises(PeerError, lambda: verify_receipt(with_share(receipt, 0, flipped), town.registry))
    town.close()
