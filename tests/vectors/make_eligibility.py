"""Write protocols/eligibility/vectors/*.json (`python tests/vectors/make_eligibility.py`). Deterministic, and tested.

One scenario per file, named after it; `expect` is "accept", the code of the refusal, or "culprit: step" of a peer's
fault. Bytes are hexadecimal, JWS and policies the very texts that were signed. The Paillier key is a toy key.
"""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import asdict, replace

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from privcredit.crypto.paillier import Encryptor  # noqa: E402
from privcredit.crypto.signing import SigningKey, sign_jws  # noqa: E402
from privcredit.messages.codec import encode_json  # noqa: E402
from privcredit.protocols.consent.messages import QueryHeader  # noqa: E402
from privcredit.protocols.consent.steps import WalletSecret, make_header  # noqa: E402
from privcredit.protocols.eligibility.messages import (  # noqa: E402
    CONTRIBUTION_TYPE,
    OUTPUT_SHARE_TYPE,
    REQUEST_TYPE,
    Contribution,
    OutputShare,
    Request,
)
from privcredit.protocols.eligibility.steps import encrypt_contribution, set_digest, terms_of  # noqa: E402
from privcredit.scorecard.policy import HolderTerm, Policy, Tier, contribution_value, policy_hash  # noqa: E402
from support.keys import toy_dealing  # noqa: E402 - the path must be set first when run as a script
from support.seeded import SeededRandomness  # noqa: E402

FOLDER = ROOT / "protocols" / "eligibility" / "vectors"
KEY_BITS = 128
NOW = 1_800_000_000
VERIFIER, HOLDERS, AUTHORITIES = "shop", ("bank", "court"), ("authority-1", "authority-2", "authority-3")
POINTS = {"bank": 30, "court": 5}
Case = dict[str, Any]


class World:
    """The parties, the policy and one honest question, drawn from one seed."""

    def __init__(self) -> None:
        self.randomness = SeededRandomness("eligibility vectors")
        self.keys = {name: SigningKey.generate(self.randomness) for name in (VERIFIER, "hotel", *HOLDERS, *AUTHORITIES)}
        self.encryptor = Encryptor(toy_dealing(KEY_BITS).threshold_key.key, self.randomness, table=False)
        self.policy = self._policy()
        self.payload = encode_json(self.policy)
        self.hash = policy_hash(self.payload)
        self.request = Request(
            version=1,
            scheme="town",
            policy_hash=self.hash,
            verifier=VERIFIER,
            request_id=self.randomness.bytes(32),
            issued=NOW,
            expires=NOW + 300,
        )
        self.header = self.header_for(self.request)
        self.contributions = {holder: self.contribution(holder, self.header) for holder in HOLDERS}

    def _policy(self) -> Policy:
        terms = [
            HolderTerm(holder=name, scorecard=bytes(31) + bytes([number]), required=True, offset=offset, maximum=50)
            for number, (name, offset) in enumerate((("bank", 20), ("court", 45)))
        ]
        return Policy(
            id="deposit-free",
            scheme="town",
            title="Deposit-free rental",
            question="Eligible?",
            purpose="rental",
            subject_class="person",
            consequence="ordinary terms",
            score_bits=7,
            initial_points=0,
            tiers=(Tier(name="silver", at_least=20), Tier(name="gold", at_least=35)),
            holders=tuple(terms),
            verifiers=(VERIFIER,),
            budget_group="town",
            budget=2,
            epoch_seconds=86_400,
            request_seconds=300,
            contribution_seconds=600,
            valid_from=NOW - 86_400,
            valid_until=NOW + 86_400,
            key_fingerprint=self.encryptor.key.fingerprint,
            security_sigma=40,
        )

    def header_for(self, request: Request, index: int = 0) -> QueryHeader:
        wallet = WalletSecret.generate(SeededRandomness("eligibility wallet"))
        terms = terms_of(self.policy, self.hash)
        return make_header(wallet, terms, request.verifier, request.request_id, index, request.expires, self.randomness)

    def contribution(self, holder: str, header: QueryHeader) -> Contribution:
        value = contribution_value(self.policy, holder, POINTS[holder])
        ciphertext, proof = encrypt_contribution(self.encryptor, self.policy, header, holder, value, self.randomness)
        return Contribution(
            version=1,
            holder=holder,
            header=header,
            origin_query=header.query_id,
            origin_point=header.query_point,
            issued=NOW + 1,
            ciphertext=ciphertext,
            proof=proof,
        )

    def signed(self, message: Request | Contribution | OutputShare, signer: str, typ: str) -> str:
        return sign_jws(self.keys[signer], signer, typ, encode_json(message))

    def public_keys(self, names: Sequence[str]) -> dict[str, str]:
        return {name: self.keys[name].public_bytes.hex() for name in names}


# --- requests --------------------------------------------------------------------------------------------------------


def request_cases(world: World) -> Iterator[tuple[str, Case]]:
    honest = world.request
    signed = world.signed(honest, VERIFIER, REQUEST_TYPE)

    def case(expect: str, comment: str, jws: str = signed, now: int = NOW, verifier: str = VERIFIER) -> Case:
        given = {
            "policy": world.payload.decode(),
            "verifier": verifier,
            "verifier_key": world.keys[verifier].public_bytes.hex(),
            "now": now,
            "request": jws,
        }
        return {"step": "request", "comment": comment, "expect": expect, "input": given}

    def changed(**changes: object) -> str:
        return world.signed(replace(honest, **changes), VERIFIER, REQUEST_TYPE)

    yield "request-accepted", case("accept", "The ordinary case.")
    yield "request-accepted-slow-clock", case("accept", "The receiver's clock is 60 s behind.", now=NOW - 60)
    yield "request-accepted-last-second", case("accept", "One second before it is void.", now=NOW + 299)
    yield "request-expired", case("request-expired", "At its expiry it is void.", now=NOW + 300)
    yield "request-from-future", case("request-from-future", "61 s are more than clocks may differ.", now=NOW - 61)
    yield "request-too-long", case("request-too-long", "Longer than the policy allows.", changed(expires=NOW + 301))
    yield "request-other-policy", case("wrong-policy", "Another policy's hash.", changed(policy_hash=bytes(32)))
    hotels = world.signed(replace(honest, verifier="hotel"), "hotel", REQUEST_TYPE)
    yield "request-verifier-not-allowed", case("wrong-verifier", "hotel may not ask.", hotels, verifier="hotel")
    in_name_of = world.signed(replace(honest, verifier="hotel"), VERIFIER, REQUEST_TYPE)
    yield "request-names-another", case("shop: open request", "Signed by shop, names hotel.", in_name_of)
    as_share = world.signed(honest, VERIFIER, OUTPUT_SHARE_TYPE)
    yield "request-other-purpose", case("shop: verify signature", "Signed for another purpose (A10).", as_share)


# --- contributions ---------------------------------------------------------------------------------------------------


def contribution_cases(world: World) -> Iterator[tuple[str, Case]]:
    honest = {name: world.signed(one, name, CONTRIBUTION_TYPE) for name, one in world.contributions.items()}

    def case(expect: str, comment: str, signed: Sequence[str], header: QueryHeader = world.header) -> Case:
        given = {
            "policy": world.payload.decode(),
            "n": f"{int(world.encryptor.key.n):x}",
            "header": plain(header),
            "holder_keys": world.public_keys(HOLDERS),
            "contributions": list(signed),
        }
        return {"step": "contributions", "comment": comment, "expect": expect, "input": given}

    def altered(holder: str, **changes: object) -> list[str]:
        bad = world.signed(replace(world.contributions[holder], **changes), holder, CONTRIBUTION_TYPE)
        return [bad if name == holder else honest[name] for name in HOLDERS]

    accepted = case("accept", "Both holders know the subject; 35 points.", list(honest.values()))
    opened = [world.contributions[name] for name in HOLDERS]
    yield "contributions-accepted", accepted | {"output": {"set_digest": set_digest(opened).hex(), "oldest": NOW + 1}}
    later = world.header_for(replace(world.request, request_id=bytes(range(32))))
    repeated = [replace(one, header=later) for one in opened]
    signed = [world.signed(one, one.holder, CONTRIBUTION_TYPE) for one in repeated]
    again = case("accept", "The question is repeated: same ciphertexts and proofs, new header.", signed, later)
    yield (
        "contributions-accepted-repeated",
        again | {"output": {"set_digest": set_digest(opened).hex(), "oldest": NOW + 1}},
    )
    one_short = "The court's is missing: never a lower score (H5)."
    yield "contributions-one-short", case("incomplete", one_short, [honest["bank"]])
    twice = [honest["bank"], honest["bank"]]
    yield "contributions-bank-twice", case("court: verify signature", "The bank's in the court's place (C1).", twice)
    old = "Signed for the earlier query (W4)."
    yield "contributions-other-query", case("wrong-query", old, list(honest.values()), later)
    key = world.encryptor.key
    square = key.ciphertext(world.contributions["bank"].ciphertext) * 2
    doubled = int(square.value).to_bytes(key.ciphertext_bytes, "big")
    multiplied = "The ciphertext squared, with the old proof (C2)."
    step = "bank: verify plaintext knowledge"
    yield "contributions-squared", case(step, multiplied, altered("bank", ciphertext=doubled))
    copy = world.contributions["court"]
    copied = altered("bank", ciphertext=copy.ciphertext, proof=copy.proof)
    yield "contributions-copied", case(step, "The court's ciphertext and proof (H2).", copied)
    zero = altered("bank", ciphertext=bytes(key.ciphertext_bytes))
    yield "contributions-zero", case("bank: check ciphertext", "0 is no ciphertext (W1).", zero)
    elsewhere = altered("bank", origin_query=bytes(32))
    yield "contributions-other-origin", case(step, "A proof made for another query.", elsewhere)


# --- receipts --------------------------------------------------------------------------------------------------------


def receipt_cases(world: World) -> Iterator[tuple[str, Case]]:
    request = world.signed(world.request, VERIFIER, REQUEST_TYPE)
    bits = {"authority-1": (1, 0), "authority-2": (0, 1)}
    shares = {name: output_share(world, name, bits[name]) for name in bits}

    def case(expect: str, comment: str, opened: Sequence[OutputShare], jws: str = request) -> Case:
        given = {
            "policy": world.payload.decode(),
            "verifier": VERIFIER,
            "verifier_key": world.keys[VERIFIER].public_bytes.hex(),
            "authority_keys": world.public_keys(AUTHORITIES),
            "request": jws,
            "shares": [[one.sender, world.signed(one, one.sender, OUTPUT_SHARE_TYPE)] for one in opened],
        }
        return {"step": "receipt", "comment": comment, "expect": expect, "input": given}

    first, second = shares.values()
    yield "receipt-gold", case("accept", "1 ^ 0 and 0 ^ 1: both tiers.", [first, second]) | {"output": {"tier": "gold"}}
    low = [first, replace(second, bits=(0, 0))]
    yield "receipt-silver", case("accept", "The first tier only.", low) | {"output": {"tier": "silver"}}
    none = [first, replace(second, bits=first.bits)]
    yield "receipt-not-eligible", case("accept", "No tier.", none) | {"output": {"tier": None}}
    swapped = case("accept", "The order of the shares does not matter.", [second, first])
    yield "receipt-other-order", swapped | {"output": {"tier": "gold"}}
    check, combine = "check output share", "combine output shares"
    rejected: list[tuple[str, str, str, Callable[[OutputShare], OutputShare]]] = [
        ("other-run", f"authority-2: {combine}", "Shares of two runs.", lambda s: replace(s, run=bytes(32))),
        ("other-query", f"authority-2: {combine}", "Of two queries.", lambda s: replace(s, query_id=bytes(32))),
        ("other-nonce", f"authority-2: {check}", "Another nonce (V5).", lambda s: replace(s, request_id=bytes(32))),
        ("other-expiry", f"authority-2: {check}", "Another expiry (V5).", lambda s: replace(s, expires=NOW + 301)),
        ("other-epoch", f"authority-2: {check}", "Another epoch.", lambda s: replace(s, epoch=s.epoch + 1)),
        ("one-bit-too-few", f"authority-2: {check}", "One bit for two tiers.", lambda s: replace(s, bits=(0,))),
        ("skipped-tier", "authorities: combine answer", "Gold but not silver.", lambda s: replace(s, bits=(1, 1))),
    ]
    for name, expect, comment, change in rejected:
        yield f"receipt-{name}", case(expect, comment, [first, change(second)])
    yield "receipt-one-authority", case(f"authority-1: {combine}", "One share twice.", [first, first])
    third = replace(second, sender="authority-3")
    yield "receipt-outsider", case("authority-3: open output share", "No evaluator of this run.", [first, third])
    other = world.signed(replace(world.request, request_id=bytes(32)), VERIFIER, REQUEST_TYPE)
    yield "receipt-other-request", case(f"authority-1: {check}", "Another request.", [first, second], other)


def output_share(world: World, sender: str, bits: tuple[int, ...]) -> OutputShare:
    return OutputShare(
        version=1,
        query_id=world.header.query_id,
        policy_hash=world.hash,
        verifier=VERIFIER,
        request_id=world.request.request_id,
        epoch=world.header.epoch,
        expires=world.request.expires,
        evaluator_1="authority-1",
        evaluator_2="authority-2",
        sender=sender,
        run=bytes(range(32)),
        bits=bits,
    )


def plain(header: QueryHeader) -> Case:
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in asdict(header).items()}


def vectors() -> Iterator[tuple[str, Case]]:
    """Yield (name, vector) of all scenarios."""
    world = World()
    for part in (request_cases, contribution_cases, receipt_cases):
        yield from part(world)


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for stale in FOLDER.glob("*.json"):
        stale.unlink()
    for name, vector in vectors():
        (FOLDER / f"{name}.json").write_text(json.dumps(vector, indent=2) + "\n")


if __name__ == "__main__":
    main()
