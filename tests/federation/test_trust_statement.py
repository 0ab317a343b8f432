from msgspec.structs import replace

from privcredit.federation.config import load_registry
from privcredit.federation.publish import PolicySource, publish_registry
from privcredit.federation.trust import TrustStatement, markdown, trust_statement
from privcredit.roles.registry import TrustedRegistry
from support.small_federation import NOW, POLICY, SmallFederation, card

ONE_HOST = "run on one host (127.0.0.1): whoever controls it"


def statement(small: SmallFederation) -> TrustStatement:
    return trust_statement(load_registry(small.node("bank")))


def test_c9_the_excluded_coalitions_are_named(ready: SmallFederation) -> None:
    powers = {power.who: power for power in statement(ready).powers}
    two = powers["any two authorities"]
    assert two.coalitions == (
        ("authority-1", "authority-2"),
        ("authority-1", "authority-3"),
        ("authority-2", "authority-3"),
    )
    assert two.can.startswith("Decrypt every contribution")
    assert powers["a verifier with a holder"].coalitions == (("shop", "bank"),)
    assert powers["an authority with the verifier"].coalitions[0] == ("authority-1", "shop")
    assert powers["an authority with the verifier"].can.startswith("Forge a receipt")
    assert "Choose another threshold" in powers["the authority that makes the mask (evaluator 1; the role rotates)"].can
    assert (
        "other values than bits"
        in powers["the authority that opens the masked sum (evaluator 2; the role rotates)"].can
    )
    assert powers["the registrar"].coalitions == (("bank",),)
    assert "holders of one live question" not in powers  # there is one holder only


def test_numbers_come_from_the_policies(ready: SmallFederation) -> None:
    made = statement(ready)
    by_who = {power.who: power for power in made.powers}
    assert "bank 18" in by_who["a holder, alone or with the verifier"].limit
    assert "3 in 30 days (group town)" in by_who["verifiers together"].limit
    assert made.policies[0].answers == "eligible from 105; a subject known everywhere has 95 to 113 points"
    assert (made.serial, made.key_bits, made.scheme) == (1, 2048, "town")


def test_what_weakens_this_configuration(ready: SmallFederation) -> None:
    findings = statement(ready).findings
    assert findings == (
        "The key has 2048 bits, less than 128-bit security; make one of 3072 bits.",
        f"authority-1, authority-2, authority-3 {ONE_HOST} can decrypt every contribution.",
        f"authority-1, shop, authority-2, authority-3 {ONE_HOST} can forge receipts.",
        f"bank, shop {ONE_HOST} can know which record a customer is.",
        "Policy deposit-free has one holder, bank: each answer is about its points alone.",
    )


def test_parties_apart_raise_no_finding(ready: SmallFederation) -> None:
    registry = load_registry(ready.node("bank"))
    parties = tuple(replace(party, address=f"https://{party.name}.example:443") for party in registry.document.parties)
    apart = TrustedRegistry(
        replace(registry.document, parties=parties),
        {party.name: party for party in parties},
        registry.threshold_key,
        registry.dgk_keys,
        registry.policies,
    )
    assert not [finding for finding in trust_statement(apart).findings if "one host" in finding]


def test_a_threshold_that_everybody_reaches(small: SmallFederation) -> None:
    policy = PolicySource(POLICY.replace("threshold = 105", "threshold = 95"), card())
    publish_registry(small.operator, small.publication(policies=[policy]), NOW)
    findings = trust_statement(load_registry(small.root / "operator")).findings
    assert any("that every known subject reaches" in finding for finding in findings)


def test_it_is_a_markdown_table(ready: SmallFederation) -> None:
    text = markdown(statement(ready))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) > 15
    assert all(row.count(" | ") in {2, 3, 5} for row in rows)
    assert "| any two authorities: authority-1 + authority-2; " in text
    assert "{" not in text
