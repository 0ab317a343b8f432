"""The trust statement: who with whom could learn or change what, generated from the pinned registry.

Nothing here is a promise about a particular machine; it says what the mathematics leaves open for these parties, keys
and policies. `protocols/threat-model.md` has the reasons.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Final

from privcredit.federation.documents import address_of, grouped
from privcredit.messages.codec import Message
from privcredit.roles.registry import Party, TrustedRegistry
from privcredit.scorecard.policy import Policy, plain_thresholds

RECOMMENDED_BITS: Final = 3072
"""128-bit security (NIST SP 800-57); smaller keys are for comparison with other work."""

UNITS: Final = (("days", 86_400), ("hours", 3600), ("minutes", 60), ("seconds", 1))

STATEMENT_FORMAT: Final = "privcredit-trust/1"

LEARNT: Final = {
    "holder": "Its own records; of each question about a subject of its own: that it is asked, by whom, for what, "
    "when. Not the answer, nor what other holders know.",
    "coordinator": "Which verifier asks under which policy, when, and how it ended technically. Not about whom, not "
    "the answer, no points.",
    "authority": "The same, and ciphertexts that one authority cannot open. Not about whom, not the answer, no points.",
    "verifier": "The answer to its own question. Not the points, not why, not which holder knows what.",
}
"""By role, when everybody keeps to the protocol."""


class RoleView(Message, frozen=True, kw_only=True):
    """What the parties of one role learn when everybody keeps to the protocol."""

    role: str
    parties: tuple[str, ...]
    learns: str


class Power(Message, frozen=True, kw_only=True):
    """What some parties together could do. coalitions: the concrete ones. conduct: "curious" (they keep to the protocol
    and pool what they see) or "dishonest" (they deviate). can: what they reach; "nothing" is a result too.
    """

    who: str
    coalitions: tuple[tuple[str, ...], ...]
    conduct: str
    can: str
    limit: str


class PolicyFacts(Message, frozen=True, kw_only=True):
    """What one policy allows to ask."""

    id: str
    question: str
    verifiers: tuple[str, ...]
    required: tuple[str, ...]
    optional: tuple[str, ...]
    answers: str


class TrustStatement(Message, frozen=True, kw_only=True):
    """The whole statement. findings: what in this very configuration weakens it, one sentence each."""

    format: str = STATEMENT_FORMAT
    scheme: str
    serial: int
    key_bits: int
    key_fingerprint: str
    roles: tuple[RoleView, ...]
    powers: tuple[Power, ...]
    policies: tuple[PolicyFacts, ...]
    findings: tuple[str, ...]


def trust_statement(registry: TrustedRegistry) -> TrustStatement:
    """Return the trust statement of a federation. Run by anyone who pins its registry."""
    return TrustStatement(
        scheme=registry.scheme,
        serial=registry.document.serial,
        key_bits=registry.threshold_key.key.bits,
        key_fingerprint=grouped(registry.threshold_key.fingerprint),
        roles=_roles(registry),
        powers=tuple(power for power in (*_curious(registry), *_dishonest(registry)) if power.coalitions),
        policies=tuple(_policy_facts(policy) for policy in registry.policies.values()),
        findings=tuple(_findings(registry)),
    )


def names(registry: TrustedRegistry, role: str) -> tuple[str, ...]:
    """Return the parties of a role."""
    return tuple(party.name for party in registry.document.parties if party.role == role)


def _roles(registry: TrustedRegistry) -> tuple[RoleView, ...]:
    return tuple(RoleView(role=role, parties=names(registry, role), learns=learns) for role, learns in LEARNT.items())


def _curious(registry: TrustedRegistry) -> Iterator[Power]:
    authorities, holders = names(registry, "authority"), names(registry, "holder")
    verifiers, coordinators = names(registry, "verifier"), names(registry, "coordinator")
    rest = [tuple(holder for holder in holders if holder != left_out) for left_out in holders]
    yield Power(
        who="any one authority with the coordinator, the verifiers and all but one holder of a question",
        coalitions=tuple((authority, *coordinators, *verifiers, *one) for authority in authorities for one in rest),
        conduct="curious",
        can="Nothing beyond the answer about the remaining holder's records.",
        limit="With all other holders' points known, an answer says on which side of a bound the remaining points lie.",
    )
    yield Power(
        who="any two authorities",
        coalitions=tuple(combinations(authorities, 2)),
        conduct="curious",
        can="Decrypt every contribution that they receive: each holder's points, question by question.",
        limit="They do not see about whom, unless a holder of the question or the verifier tells them.",
    )
    yield Power(
        who="holders of one live question",
        coalitions=tuple(combinations(holders, 2)),
        conduct="curious",
        can="Tell each other that it was the same subject, and so join their records about it.",
        limit="Only for subjects that are asked about; their tables share no key, and other questions stay unlinked.",
    )
    yield Power(
        who="a verifier with a holder",
        coalitions=tuple((verifier, holder) for verifier in verifiers for holder in holders),
        conduct="curious",
        can="Know which customer is which record at this holder, and the answer together with its records.",
        limit="Only for the verifier's own questions; nothing about the other holders' points beyond the answer.",
    )


def _dishonest(registry: TrustedRegistry) -> Iterator[Power]:
    authorities, verifiers = names(registry, "authority"), names(registry, "verifier")
    alone = tuple((authority,) for authority in authorities)
    yield Power(
        who="an authority with the verifier",
        coalitions=tuple((authority, verifier) for authority in authorities for verifier in verifiers),
        conduct="dishonest",
        can="Forge a receipt: the verifier shows the authority the other's output share, and it picks its own to fit.",
        limit="Only for a request that the other authority took part in. Whoever distrusts both believes no receipt.",
    )
    yield Power(
        who="the authority that makes the mask (evaluator 1; the role rotates)",
        coalitions=alone,
        conduct="dishonest",
        can="Choose another threshold than the policy's for a question that it takes part in.",
        limit=(
            "One comparison for each evaluation of a subject: one output share per nullifier, ever. It stays one of "
            "the sum over all holders: the mask's proof excludes that a holder's contribution is taken out."
        ),
    )
    yield Power(
        who="the authority that opens the masked sum (evaluator 2; the role rotates)",
        coalitions=alone,
        conduct="dishonest",
        can="Send DGK encryptions of other values than bits, and learn from the replies about the mask and the score.",
        limit="One comparison for each evaluation of a subject. A proof for each bit would prevent it; none is made.",
    )
    yield from _dishonest_sources(registry)
    yield from _dishonest_roots(registry)


def _dishonest_sources(registry: TrustedRegistry) -> Iterator[Power]:
    holders, verifiers = names(registry, "holder"), names(registry, "verifier")
    yield Power(
        who="a holder, alone or with the verifier",
        coalitions=tuple((holder,) for holder in holders),
        conduct="dishonest",
        can="Contribute other points than its records give; with the verifier, move the threshold by that much.",
        limit=f"Points in its own range and the slack of its proof of knowledge. Largest ranges: {_ranges(registry)}.",
    )
    yield Power(
        who="verifiers together",
        coalitions=(verifiers,),
        conduct="dishonest",
        can="Compare a person's answers to all their questions.",
        limit=f"Only published thresholds, and for each subject at most: {_budgets(registry)}.",
    )


def _dishonest_roots(registry: TrustedRegistry) -> Iterator[Power]:
    yield Power(
        who="the registrar",
        coalitions=((registry.document.registrar,),),
        conduct="dishonest",
        can="Vouch for two keys of one person, who can then mix two people's records or be asked more often.",
        limit="It sees no question; each holder also compares the identity in the credential with its record.",
    )
    yield Power(
        who="the dealer of the key ceremony",
        coalitions=(("dealer",),),
        conduct="dishonest",
        can="Keep the primes and decrypt everything that it gets hold of.",
        limit="It took part once, offline; the modulus and the shares are proved, that it forgot is not.",
    )
    yield Power(
        who="the federation's operator",
        coalitions=(("operator",),),
        conduct="dishonest",
        can="Admit parties of its own, publish other policies, scorecards and thresholds, issue certificates.",
        limit="Everyone sees what is published before pinning it. It reads nothing, and cannot exchange the Paillier "
        "key, which counts only with the signatures of all three authorities.",
    )


def _ranges(registry: TrustedRegistry) -> str:
    largest: dict[str, int] = {}
    for policy in registry.policies.values():
        for term in policy.holders:
            largest[term.holder] = max(term.maximum, largest.get(term.holder, 0))
    return ", ".join(f"{holder} {points}" for holder, points in largest.items())


def _budgets(registry: TrustedRegistry) -> str:
    texts = {
        f"{policy.budget} in {_duration(policy.epoch_seconds)} (group {policy.budget_group})"
        for policy in registry.policies.values()
    }
    return ", ".join(sorted(texts))


def _duration(seconds: int) -> str:
    return next(f"{seconds // unit} {name}" for name, unit in UNITS if seconds % unit == 0)


def _policy_facts(policy: Policy) -> PolicyFacts:
    lowest = policy.initial_points - sum(term.offset for term in policy.holders)
    highest = lowest + sum(term.maximum for term in policy.holders)
    tiers = ", ".join(f"{tier.name} from {tier.at_least}" for tier in policy.tiers)
    return PolicyFacts(
        id=policy.id,
        question=policy.question,
        verifiers=policy.verifiers,
        required=tuple(term.holder for term in policy.holders if term.required),
        optional=tuple(term.holder for term in policy.holders if not term.required),
        answers=f"{tiers}; a subject known everywhere has {lowest} to {highest} points",
    )


def _findings(registry: TrustedRegistry) -> Iterator[str]:
    bits = registry.threshold_key.key.bits
    if bits < RECOMMENDED_BITS:
        yield f"The key has {bits} bits, less than 128-bit security; make one of {RECOMMENDED_BITS} bits."
    yield from _shared_hosts(registry)
    for policy in registry.policies.values():
        yield from _policy_findings(policy)


def _shared_hosts(registry: TrustedRegistry) -> Iterator[str]:
    """What whoever controls a host can do because parties that should be apart share it."""
    hosts: dict[str, list[Party]] = {}
    for party in registry.document.parties:
        hosts.setdefault(_host(party), []).append(party)
    for host, parties in hosts.items():
        for first, second, danger in DANGERS:
            pairs = [pair for pair in combinations(parties, 2) if sorted(one.role for one in pair) == [first, second]]
            together = dict.fromkeys(party.name for pair in pairs for party in pair)
            if together:
                yield f"{', '.join(together)} run on one host ({host}): whoever controls it can {danger}."


def _host(party: Party) -> str:
    return address_of(party.address, party.name).host


def _policy_findings(policy: Policy) -> Iterator[str]:
    if len(policy.holders) == 1:
        yield f"Policy {policy.id} has one holder, {policy.holders[0].holder}: each answer is about its points alone."
    if any(threshold == 0 for threshold in plain_thresholds(policy)):
        yield f"Policy {policy.id} has a threshold that every known subject reaches: its answer only says who is known."


def markdown(statement: TrustStatement) -> str:
    """Return the statement as Markdown, for a terminal, a README or a page."""
    key = f"Paillier key of {statement.key_bits} bits, shared 2 of 3, fingerprint `{statement.key_fingerprint}`."
    parts = [
        f"# Trust statement: {statement.scheme}",
        f"Registry {statement.serial}. {key}",
        "## Who learns what when everybody keeps to the protocol",
        _table(
            ("role", "parties", "learns"), [(view.role, _list(view.parties), view.learns) for view in statement.roles]
        ),
        "## Who with whom could do more",
        _table(
            ("who", "conduct", "can", "limit"),
            [(_who(power), power.conduct, power.can, power.limit) for power in statement.powers],
        ),
        "## What may be asked",
        _table(
            ("policy", "question", "by", "required holders", "optional holders", "answers"),
            [
                (one.id, one.question, _list(one.verifiers), _list(one.required), _list(one.optional), one.answers)
                for one in statement.policies
            ],
        ),
        "## What weakens this very configuration",
        "\n".join(f"- {finding}" for finding in statement.findings) or "Nothing was found.",
    ]
    return "\n\n".join(parts) + "\n"


DANGERS: Final = (
    ("authority", "authority", "decrypt every contribution"),
    ("authority", "verifier", "forge receipts"),
    ("holder", "holder", "join these holders' records"),
    ("holder", "verifier", "know which record a customer is"),
)
"""Two roles that should not share a machine, and what whoever controls it could do."""

SHOWN_COALITIONS: Final = 3
"""A table names small families of coalitions in full and says how many there are of large ones."""


def _who(power: Power) -> str:
    if len(power.coalitions) > SHOWN_COALITIONS or any(len(one) > SHOWN_COALITIONS for one in power.coalitions):
        return power.who
    return f"{power.who}: " + "; ".join(" + ".join(members) for members in power.coalitions)


def _list(items: Sequence[str]) -> str:
    return ", ".join(items) or "none"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
