"""Write protocols/consent/vectors/*.json: `python tests/vectors/make_consent.py`. Deterministic; a test runs it too.

One scenario per file, named after it; `expect` is "accept" or the code of the refusal. Bytes are hexadecimal.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import asdict as fields_of
from msgspec.structs import replace as changed
from nacl.bindings import crypto_box
from nacl.encoding import RawEncoder
from nacl.hash import blake2b

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from privcredit.crypto.group import ORDER, hash_to_group  # noqa: E402
from privcredit.crypto.sealed import SealingKey  # noqa: E402
from privcredit.crypto.signing import SigningKey  # noqa: E402
from privcredit.messages.codec import encode  # noqa: E402
from privcredit.protocols.consent import steps  # noqa: E402
from privcredit.protocols.consent.messages import Consent, QueryHeader  # noqa: E402
from privcredit.protocols.consent.wallet import WalletSecret  # noqa: E402
from support.seeded import SeededRandomness  # noqa: E402 - the path must be set first when run as a script

FOLDER = ROOT / "protocols" / "consent" / "vectors"
NOW = 1_800_000_000
IDENTITY = bytes(32)
Case = dict[str, Any]
NON_CANONICAL = (2**255 - 19 + 4).to_bytes(32, "little")
"""The point that 4 encodes, spelt p + 4."""
SCHEME, HOLDER, REGISTRAR, VERIFIER, GROUP = "city", "bank", "civil-registry", "rental-agency", "city"


@dataclass
class World:
    """Everything that the scenarios share, drawn from one seed."""

    seed: str = "consent vectors"
    randomness: SeededRandomness = field(init=False)

    def __post_init__(self) -> None:
        self.randomness = SeededRandomness(self.seed)
        self.wallet = WalletSecret.generate(self.randomness)
        self.friend = WalletSecret.generate(self.randomness)
        self.registrar_key = SigningKey.generate(self.randomness)
        self.sealing_key = SealingKey.generate(self.randomness)
        self.code = steps.one_time_code(self.randomness)
        self.terms = steps.QueryTerms(
            scheme=SCHEME,
            policy_hash=self.randomness.bytes(32),
            key_fingerprint=self.randomness.bytes(32),
            verifiers=(VERIFIER, "car-sharing"),
            budget_group=GROUP,
            budget=3,
            epoch_seconds=86_400,
            request_seconds=600,
        )
        self.request_id = self.randomness.bytes(32)

    def header(
        self,
        *,
        index: int = 0,
        verifier: str = VERIFIER,
        expires: int = NOW + 600,
        terms: steps.QueryTerms | None = None,
    ) -> QueryHeader:
        return steps.make_header(
            self.wallet, terms or self.terms, verifier, self.request_id, index, expires, self.randomness
        )

    def consent(self, header: QueryHeader, *, holder: str = HOLDER) -> Consent:
        return steps.make_consent(self.wallet, header, GROUP, holder, self.randomness)


def plain(value: Any) -> Any:
    """A message, terms or bytes as JSON values."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "__struct_fields__"):
        return plain(fields_of(value))
    return plain(asdict(value)) if isinstance(value, steps.QueryTerms) else value


def consent_case(
    header: QueryHeader,
    consent: Consent,
    expect: str,
    comment: str,
    *,
    terms: steps.QueryTerms,
    now: int = NOW,
    holder: str = HOLDER,
) -> Case:
    given = {"terms": terms, "now": now, "holder": holder, "header": header, "consent": consent}
    return {"step": "consent", "comment": comment, "expect": expect, "input": plain(given)}


def accepted_consents(world: World) -> Iterator[tuple[str, Case]]:
    header = world.header()
    consent = world.consent(header)
    shown = partial(consent_case, expect="accept", terms=world.terms)
    case = shown(header, consent, comment="The ordinary case; also fixes the wire bytes.")
    case["wire"] = plain({"header": encode(header), "consent": encode(consent)})
    yield "consent-accepted", case
    court = world.consent(header, holder="court")
    comment = "Same query, another holder: same Q and E, another pseudonym."
    yield "consent-accepted-other-holder", shown(header, court, comment=comment, holder="court")
    comment = "One second before the expiry."
    yield "consent-accepted-last-second", shown(header, consent, comment=comment, now=NOW + 599)
    last = world.header(index=2)
    yield "consent-accepted-last-of-budget", shown(last, world.consent(last), comment="index = budget - 1.")
    midnight = (NOW // 86_400 + 1) * 86_400
    border = world.header(expires=midnight + 599)
    comment = "Made before midnight, read after: the old epoch."
    yield "consent-accepted-after-border", shown(border, world.consent(border), comment=comment, now=midnight)
    elsewhere = world.header(verifier="car-sharing", index=1)
    comment = "The same wallet elsewhere: other Q, other E."
    yield "consent-accepted-other-verifier", shown(elsewhere, world.consent(elsewhere), comment=comment)


def refused_headers(world: World) -> Iterator[tuple[str, Case]]:
    """Each carries a consent whose proof verifies: only the rule named by `expect` refuses it."""
    terms, header = world.terms, world.header()
    other_id = changed(header, query_id=bytes(32), query_point=steps.query_point(world.wallet, bytes(32), VERIFIER))
    strange = world.header(terms=replace(terms, verifiers=("stranger",)), verifier="stranger")
    shown = (
        ("consent-expired", header, NOW + 600, "At the second of the expiry it is void."),
        ("consent-from-future", header, NOW - 61, "Valid for longer than the policy's 600 s and 60 s of skew."),
        ("wrong-verifier", strange, NOW, "A verifier that the policy does not name."),
        ("wrong-policy", world.header(terms=replace(terms, policy_hash=bytes(32))), NOW, "Another policy."),
        ("wrong-key", world.header(terms=replace(terms, key_fingerprint=bytes(32))), NOW, "Another Paillier key."),
        ("wrong-scheme", world.header(terms=replace(terms, scheme="village")), NOW, "Another scheme."),
        ("wrong-epoch", world.header(terms=replace(terms, epoch_seconds=60)), NOW, "More epochs, more budget."),
        ("over-budget", world.header(terms=replace(terms, budget=4), index=3), NOW, "index = budget."),
        ("wrong-query-id", other_id, NOW, "An id of one's own choice."),
    )
    for expect, given, now, comment in shown:
        yield expect, consent_case(given, world.consent(given), expect, comment, terms=terms, now=now)


def refused_consents(world: World) -> Iterator[tuple[str, Case]]:
    header = world.header()
    consent, court = world.consent(header), world.consent(header, holder="court")
    later = changed(header, expires=header.expires - 1)
    twin = changed(header, nullifier=header.nullifier[:-1] + bytes([header.nullifier[-1] | 0x80]))
    friend = steps.pseudonym(world.friend, SCHEME, HOLDER)
    response = int.from_bytes(consent.proof[32:], "little")
    unreduced = consent.proof[:32] + (response + ORDER).to_bytes(32, "little")
    adapted = changed(consent, header_digest=steps.header_digest(later))
    shown = (
        ("wrong-holder", "wrong-holder", header, court, "The court's consent at the bank."),
        (
            "relabelled-holder",
            "consent-forged",
            header,
            changed(court, holder=HOLDER),
            "... with the bank's name on it.",
        ),
        ("pooled-pseudonyms", "consent-forged", header, changed(consent, pseudonym=friend), "A friend's record (S5)."),
        ("wrong-header", "wrong-header", later, consent, "Another expiry than was consented to."),
        ("altered-expiry", "consent-forged", later, adapted, "Another expiry, and the digest adapted to it."),
        ("identity-pseudonym", "invalid-point", header, changed(consent, pseudonym=IDENTITY), "It fits every k."),
        ("non-canonical", "invalid-point", header, changed(consent, pseudonym=NON_CANONICAL), "p + s for s."),
        (
            "second-spelling-of-nullifier",
            "invalid-point",
            twin,
            world.consent(header),
            "libsodium ignores the top bit.",
        ),
        ("unreduced-response", "consent-forged", header, changed(consent, proof=unreduced), "z + L for z."),
    )
    for name, expect, seen, given, comment in shown:
        yield name, consent_case(seen, given, expect, comment, terms=world.terms)


def presentation_cases(world: World) -> Iterator[tuple[str, Case]]:
    header = world.header()
    holders = ("bank", "court")
    for name, expect, boxes in (
        ("presentation-accepted", "accept", ("court", "bank")),
        ("presentation-without-court", "wrong-holders", ("bank",)),
        ("presentation-bank-twice", "wrong-holders", ("bank", "bank")),
    ):
        sealed = [{"holder": holder, "box": "00"} for holder in boxes]
        given = {"terms": world.terms, "now": NOW, "holders": holders, "header": header, "consents": sealed}
        comment = "The policy's holders are bank and court; boxes stay closed here."
        yield name, {"step": "presentation", "comment": comment, "expect": expect, "input": plain(given)}


def sealed_cases(world: World) -> Iterator[tuple[str, Case]]:
    header = world.header()
    consent = world.consent(header)
    ephemeral = SealingKey.generate(world.randomness)
    nonce = blake2b(ephemeral.public + world.sealing_key.public, digest_size=24, encoder=RawEncoder)
    cipher = crypto_box(encode(consent), nonce, world.sealing_key.public, ephemeral._secret)
    box = ephemeral.public + cipher
    given = {
        "seed": world.sealing_key.export_seed(),
        "terms": world.terms,
        "now": NOW,
        "holder": HOLDER,
        "header": header,
    }
    for name, expect, shown, comment in (
        ("sealed-consent-opens", "accept", box, "A libsodium sealed box with a known ephemeral key."),
        ("sealed-consent-altered", "consent-unreadable", box[:-1] + bytes([box[-1] ^ 1]), "One bit flipped."),
    ):
        case = {"step": "sealed", "comment": comment, "expect": expect}
        yield name, {**case, "input": plain({**given, "box": shown})}


def registration_cases(world: World) -> Iterator[tuple[str, Case]]:
    made = steps.register(world.wallet, SCHEME, REGISTRAR, world.code, world.randomness)
    second = steps.register(world.friend, SCHEME, REGISTRAR, world.code, world.randomness)
    copied = changed(made, root_point=steps.root_point(world.friend))
    for name, expect, message, code, comment in (
        ("registration-accepted", "accept", made, world.code, "The ordinary case."),
        ("registration-accepted-friend", "accept", second, world.code, "Another wallet, another root point."),
        ("registration-wrong-code", "registration-forged", made, "GUESSED", "Another one-time code."),
        ("registration-others-root", "registration-forged", copied, world.code, "A root point without its k."),
    ):
        given = {"scheme": SCHEME, "registrar": REGISTRAR, "code": code, "registration": message}
        yield name, {"step": "registration", "comment": comment, "expect": expect, "input": plain(given)}


def enrolment_cases(world: World) -> Iterator[tuple[str, Case]]:
    root = steps.root_point(world.wallet)
    credential = steps.issue_credential(SCHEME, REGISTRAR, "person-1", root, NOW, world.registrar_key)
    made = steps.enrol(world.wallet, SCHEME, HOLDER, credential, world.code, world.randomness)
    mixed = changed(made, pseudonym=steps.pseudonym(world.friend, SCHEME, HOLDER))
    foreign = changed(made, root_point=steps.root_point(world.friend))
    for name, expect, message, identity, comment in (
        ("enrolment-accepted", "accept", made, "person-1", "The ordinary case."),
        ("enrolment-other-person", "wrong-identity", made, "person-2", "The record is somebody else's (S5)."),
        ("enrolment-two-wallets", "enrolment-forged", mixed, "person-1", "N_0 of one wallet, N_h of another (S5)."),
        (
            "enrolment-foreign-root",
            "wrong-root",
            foreign,
            "person-1",
            "A root point that the credential does not name.",
        ),
    ):
        given = {"scheme": SCHEME, "holder": HOLDER, "registrar": REGISTRAR, "code": world.code, "identity": identity}
        key = {"registrar_key": world.registrar_key.public_bytes, "enrolment": message}
        yield name, {"step": "enrolment", "comment": comment, "expect": expect, "input": plain({**given, **key})}


def order_cases(world: World) -> Iterator[tuple[str, Case]]:
    made = steps.order(world.wallet, SCHEME, HOLDER, "opt-out", NOW, world.randomness)
    back = steps.order(world.wallet, SCHEME, HOLDER, "return", NOW, world.randomness)
    for name, expect, message, action, now, comment in (
        ("order-accepted", "accept", made, "opt-out", NOW, "The ordinary case."),
        ("order-accepted-slow-clock", "accept", made, "opt-out", NOW - 60, "The holder's clock is 60 s behind."),
        ("order-accepted-last-second", "accept", made, "opt-out", NOW + 299, "One second before it is void."),
        ("order-accepted-return", "accept", back, "return", NOW, "Another action, signed as such."),
        ("order-other-action", "wrong-action", made, "return", NOW, "An opt-out is no return."),
        ("order-renamed", "order-forged", changed(made, action="return"), "return", NOW, "The action rewritten."),
        ("order-expired", "order-expired", made, "opt-out", NOW + 300, "Five minutes old."),
    ):
        given = {"scheme": SCHEME, "holder": HOLDER, "action": action, "now": now, "order": message}
        yield name, {"step": "order", "comment": comment, "expect": expect, "input": plain(given)}


def derivations(world: World) -> Iterator[tuple[str, Case]]:
    k = world.wallet
    named = steps.query_id(world.terms.policy_hash, VERIFIER, world.request_id, bytes(range(32)))
    given = {"k": k.scalar.export_secret(), "scheme": SCHEME, "holder": HOLDER, "verifier": VERIFIER}
    query = {"policy_hash": world.terms.policy_hash, "request_id": world.request_id, "wallet_nonce": bytes(range(32))}
    output = {
        "root_point": steps.root_point(k),
        "pseudonym": steps.pseudonym(k, SCHEME, HOLDER),
        "query_id": named,
        "query_point": steps.query_point(k, named, VERIFIER),
        "nullifier": steps.nullifier(k, SCHEME, GROUP, 20_833, 1),
    }
    budget = {"budget_group": GROUP, "epoch": 20_833, "index": 1}
    comment = "All points of one wallet, a test's secret."
    case = {"step": "derive", "comment": comment, "expect": "accept", "input": plain({**given, **query, **budget})}
    yield "points-of-a-wallet", {**case, "output": plain(output)}
    for name, fields, comment in (
        ("hash-to-group-no-field", [], "The base of root points."),
        ("hash-to-group-border-left", [b"ab", b"c"], "The border between fields counts (W3)."),
        ("hash-to-group-border-right", [b"a", b"bc"], "Same bytes as border-left, another border, another point."),
    ):
        output = plain({"point": hash_to_group("person", *fields).data})
        given = plain({"domain": "person", "fields": fields})
        yield name, {"step": "hash", "comment": comment, "expect": "accept", "input": given, "output": output}


def vectors() -> Iterator[tuple[str, Case]]:
    """Yield (name, vector) of all scenarios."""
    world = World()
    parts = (derivations, accepted_consents, refused_headers, refused_consents, presentation_cases, sealed_cases)
    for part in (*parts, registration_cases, enrolment_cases, order_cases):
        yield from part(world)


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for stale in FOLDER.glob("*.json"):
        stale.unlink()
    for name, vector in vectors():
        (FOLDER / f"{name}.json").write_text(json.dumps(vector, indent=2) + "\n")


if __name__ == "__main__":
    main()
