"""The policy: who may ask what about whom, with which scorecards and threshold; and the arithmetic of its threshold.

Notation of `protocols.md` 2a and 3: `l = score_bits`, `D = 2^l`, r required holders. A holder that knows the subject
contributes `points + offset`, lifted by `D` if it is required; else 0. The sum is compared with
`T - initial + offsets + r D`, on `l + ceil(log2(r + 1))` bits. So the answer is yes iff every required holder knows the
subject and the points reach T: with one of them missing the sum is below `D + (r - 1) D`, at most the threshold.
"""

from collections.abc import Sequence
from itertools import pairwise

from privcredit.crypto.knowledge import provable_bits
from privcredit.crypto.transcript import digest
from privcredit.errors import PeerError, UsageError
from privcredit.messages.codec import Message
from privcredit.scorecard.model import UNNAMED_HOLDER, HolderScorecard, Scorecard

POLICY_VERSION = 1
DIGEST_BYTES = 32
MINIMUM_KEY_BITS = 2048
"""The smallest key that production accepts: a policy must fit it."""

MAX_SCORE_BITS = 48
"""Far above any scorecard, and points stay exact in every database engine."""

MINIMUM_SIGMA = 40
MAX_TEXT = 2000
MAX_VERIFIERS = 10_000
LIVE = "live"
ELIGIBLE = "eligible"
"""Name of the only tier of a plain threshold."""


class HolderTerm(Message, frozen=True, kw_only=True):
    """One holder's part: its scorecard's digest (32 bytes), whether it is required, and the range of its contribution.

    A known subject's contribution without the lift is `points + offset`, in [0, maximum].
    """

    holder: str
    scorecard: bytes
    required: bool
    offset: int
    maximum: int


class Tier(Message, frozen=True, kw_only=True):
    """A named answer, reached with `at_least` points of the whole scorecard (initial points included)."""

    name: str
    at_least: int


class Policy(Message, frozen=True, kw_only=True):
    """What the registry publishes as a signed JWS; see `product.md` for the words.

    tiers ascend; a plain threshold is the one tier "eligible". Times are unix seconds, durations seconds.
    """

    version: int = POLICY_VERSION
    id: str
    scheme: str
    title: str
    question: str
    purpose: str
    subject_class: str
    consequence: str
    score_bits: int
    initial_points: int
    tiers: tuple[Tier, ...]
    holders: tuple[HolderTerm, ...]
    verifiers: tuple[str, ...]
    budget_group: str
    budget: int
    epoch_seconds: int
    request_seconds: int
    contribution_seconds: int
    freshness: str = LIVE
    valid_from: int
    valid_until: int
    key_fingerprint: bytes
    security_sigma: int = 64


class PolicyRules(Message, frozen=True, kw_only=True):
    """What a policy's author decides; the rest of the policy follows from the scorecard (`build_policy`).

    optional_holders: holders that only add points; all others are required. score_bits: None for the fewest that do.
    """

    id: str
    scheme: str
    title: str
    question: str
    purpose: str
    subject_class: str
    consequence: str
    tiers: tuple[Tier, ...]
    verifiers: tuple[str, ...]
    budget_group: str
    budget: int
    epoch_seconds: int
    request_seconds: int
    contribution_seconds: int
    valid_from: int
    valid_until: int
    optional_holders: tuple[str, ...] = ()
    score_bits: int | None = None
    freshness: str = LIVE
    security_sigma: int = 64


def build_policy(
    scorecard: Scorecard, rules: PolicyRules, key_fingerprint: bytes, key_bits: int = MINIMUM_KEY_BITS
) -> Policy:
    """Return the checked policy of `scorecard` under `rules`.

    Required holders get the offset that makes their fewest points 0; optional ones must not subtract points.
    Raises UsageError, also if a characteristic has no holder.
    """
    terms = _terms(scorecard, rules.optional_holders)
    total = sum(term.maximum for term in terms)
    policy = Policy(
        holders=terms,
        initial_points=scorecard.initial_points,
        key_fingerprint=key_fingerprint,
        score_bits=max(1, total.bit_length()) if rules.score_bits is None else rules.score_bits,
        **{name: getattr(rules, name) for name in RULES_IN_POLICY},
    )
    check_policy(policy, key_bits)
    return policy


RULES_IN_POLICY = tuple(
    name for name in PolicyRules.__struct_fields__ if name not in {"optional_holders", "score_bits"}
)
"""What a policy takes from its author's rules as it is."""


def _terms(scorecard: Scorecard, optional: Sequence[str]) -> tuple[HolderTerm, ...]:
    for one in scorecard.characteristics:
        if one.holder == UNNAMED_HOLDER:
            raise UsageError(
                f"Characteristic {one.name!r} of scorecard {scorecard.name!r} has no holder; assign one to publish."
            )
    for field in scorecard.fields:
        if field.name not in scorecard.used_fields:
            raise UsageError(
                f"Field {field.name!r} of scorecard {scorecard.name!r} is read by no condition; remove it to publish."
            )
    for holder in optional:
        if holder not in scorecard.holders:
            raise UsageError(
                f"optional_holders names {holder!r}, which has no characteristic in scorecard {scorecard.name!r}."
            )
    return tuple(_term(scorecard.for_holder(holder), required=holder not in optional) for holder in scorecard.holders)


def _term(card: HolderScorecard, required: bool) -> HolderTerm:
    if not required and card.min_points < 0:
        raise UsageError(
            f"Optional holder {card.holder!r} can give {card.min_points} points, fewer than a subject it does not know "
            "has; make it required or its points non-negative."
        )
    offset = -card.min_points if required else 0
    return HolderTerm(
        holder=card.holder,
        scorecard=card.digest,
        required=required,
        offset=offset,
        maximum=card.max_points + offset,
    )


def policy_hash(payload: bytes) -> bytes:
    """Return the 32 bytes that name a policy everywhere: the hash of the exact bytes that the registry signed."""
    return digest("privcredit policy", payload)


def required_count(policy: Policy) -> int:
    """Return r, the number of required holders."""
    return sum(term.required for term in policy.holders)


def comparison_bits(policy: Policy) -> int:
    """Return `l + ceil(log2(r + 1))`, the width in bits of the sum that is compared."""
    return policy.score_bits + required_count(policy).bit_length()


def slot_thresholds(policy: Policy) -> tuple[int, ...]:
    """Return the lifted threshold of each tier's slot, in the order of the tiers."""
    lift = required_count(policy) << policy.score_bits
    return tuple(threshold + lift for threshold in plain_thresholds(policy))


def plain_thresholds(policy: Policy) -> tuple[int, ...]:
    """Return, for each tier, what the holders' contributions without lift must sum to: `T - initial + offsets`."""
    shift = sum(term.offset for term in policy.holders) - policy.initial_points
    return tuple(tier.at_least + shift for tier in policy.tiers)


def holder_term(policy: Policy, holder: str) -> HolderTerm:
    """Return the term of `holder`; raises UsageError if the policy does not have it."""
    for term in policy.holders:
        if term.holder == holder:
            return term
    raise UsageError(f"Policy {policy.id!r} has no holder {holder!r}; only its own holders may contribute.")


def contribution_value(policy: Policy, holder: str, points: int | None) -> int:
    """Return what `holder` encrypts: 0 for None (unknown or opted out), else points + offset, lifted if required.

    Run by the holder. Raises UsageError if the points leave the range that the policy states, so that no sum can wrap.
    """
    term = holder_term(policy, holder)
    if points is None:
        return 0
    value = points + term.offset
    if not 0 <= value <= term.maximum:
        raise UsageError(
            f"Holder {holder!r} computed points outside the range that policy {policy.id!r} states; "
            "its scorecard is not the one of the policy."
        )
    return value + (term.required << policy.score_bits)


def answer_tier(policy: Policy, bits: Sequence[bool | int]) -> str | None:
    """Return the highest tier whose bit is set, None for "not eligible"; `bits` has one per tier, ascending.

    Raises PeerError if a higher tier is met and a lower one is not: then an output share was wrong.
    """
    if len(bits) != len(policy.tiers):
        raise UsageError(
            f"Policy {policy.id!r} has {len(policy.tiers)} tiers and the answer {len(bits)} bits; use its own answer."
        )
    met = [bool(bit) for bit in bits]
    if met != sorted(met, reverse=True):
        raise PeerError("authorities", "combine answer", "the answer meets a higher tier but not a lower one")
    return policy.tiers[sum(met) - 1].name if met[0] else None


def check_policy(policy: Policy, key_bits: int = MINIMUM_KEY_BITS) -> None:
    """Raise UsageError unless every sum fits its slot, every slot fits the key, and every term makes sense.

    Run by whoever publishes a policy and by every party that loads one; `key_bits` is the size of the Paillier modulus.
    """
    where = f"Policy {policy.id!r}"
    for wrong, problem in _complaints(policy):
        if wrong:
            raise UsageError(f"{where}: {problem}.")
    _check_texts(where, policy)
    _check_unique(where, "holder", [term.holder for term in policy.holders])
    _check_unique(where, "verifier", policy.verifiers)
    _check_unique(where, "tier", [tier.name for tier in policy.tiers])
    for term in policy.holders:
        _check_term(where, term)
    _check_sums(where, policy)
    _check_capacity(where, policy, key_bits)


def check_own_scorecard(policy: Policy, card: HolderScorecard) -> None:
    """Raise UsageError unless `card` is the very scorecard of its holder's term and stays in the range stated there.

    Run by a holder when it loads a policy: a policy that understates a maximum could wrap.
    """
    term = holder_term(policy, card.holder)
    who = f"Policy {policy.id!r}, holder {card.holder!r}"
    if term.scorecard != card.digest:
        raise UsageError(f"{who}: the policy was made for another scorecard; install the one that it names.")
    if card.min_points + term.offset < 0 or card.max_points + term.offset > term.maximum:
        raise UsageError(
            f"{who}: the scorecard gives {card.min_points} to {card.max_points} points, outside what the policy "
            "states; build the policy anew."
        )


def slot_capacity(key_bits: int, comparison_width: int, sigma: int) -> int:
    """Return how many slots of `comparison_width + 1` bits fit under a mask that can be proved: floor((b - sigma) / w).

    b = |n| - 203: the widest message of a proof of knowledge, which every contribution and every mask comes with.
    """
    return (provable_bits(key_bits) - sigma) // (comparison_width + 1)


def _complaints(policy: Policy) -> list[tuple[bool, str]]:
    return [
        (policy.version != POLICY_VERSION, f"its version is {policy.version}; this program reads {POLICY_VERSION}"),
        (not policy.holders, "it has no holder; name at least one"),
        (not policy.tiers, "it has no tier; state `threshold` or `tiers`"),
        (not policy.verifiers, "it names no verifier; list who may ask"),
        (len(policy.verifiers) > MAX_VERIFIERS, f"it names more than {MAX_VERIFIERS} verifiers; shorten the list"),
        (not 1 <= policy.score_bits <= MAX_SCORE_BITS, f"score_bits must lie between 1 and {MAX_SCORE_BITS}"),
        (policy.budget < 1, "budget must be at least 1"),
        (policy.epoch_seconds < 1, "epoch_seconds must be positive"),
        (policy.request_seconds < 1, "request_seconds must be positive"),
        (policy.contribution_seconds < 1, "contribution_seconds must be positive"),
        (policy.freshness != LIVE, f"freshness is {policy.freshness!r}; only {LIVE!r} is supported"),
        (not 0 <= policy.valid_from < policy.valid_until, "valid_from must be earlier than valid_until"),
        (policy.security_sigma < MINIMUM_SIGMA, f"security_sigma must be at least {MINIMUM_SIGMA}"),
        (len(policy.key_fingerprint) != DIGEST_BYTES, f"key_fingerprint must have {DIGEST_BYTES} bytes"),
    ]


def _check_texts(where: str, policy: Policy) -> None:
    for name in ("id", "scheme", "title", "question", "purpose", "subject_class", "consequence", "budget_group"):
        if not 0 < len(getattr(policy, name).strip()) <= MAX_TEXT:
            raise UsageError(f"{where}: {name} must be a text of 1 to {MAX_TEXT} characters.")


def _check_unique(where: str, noun: str, names: Sequence[str]) -> None:
    for name in names:
        if not name:
            raise UsageError(f"{where}: a {noun} has no name; name it.")
        if names.count(name) > 1:
            raise UsageError(f"{where}: {noun} {name!r} appears twice; list it once.")


def _check_term(where: str, term: HolderTerm) -> None:
    who = f"{where}: holder {term.holder!r}"
    if len(term.scorecard) != DIGEST_BYTES:
        raise UsageError(f"{who} needs the SHA-256 digest of its scorecard, {DIGEST_BYTES} bytes.")
    if term.maximum < 0:
        raise UsageError(f"{who} has the negative maximum {term.maximum}; it must cover every contribution.")
    if not term.required and term.offset != 0:
        raise UsageError(
            f"{who} is optional and has offset {term.offset}; optional holders only add points, so make it required."
        )


def _check_sums(where: str, policy: Policy) -> None:
    """The sum of contributions may not reach 2^l, or it would carry into the lift; no threshold may be out of reach."""
    bound = 1 << policy.score_bits
    total = sum(term.maximum for term in policy.holders)
    if total >= bound:
        raise UsageError(
            f"{where} could wrap around: its holders' maxima sum to {total}; set score_bits to {total.bit_length()}, "
            f"not {policy.score_bits}."
        )
    thresholds = plain_thresholds(policy)
    for tier, threshold in zip(policy.tiers, thresholds, strict=True):
        if not 0 <= threshold <= bound:
            low = tier.at_least - threshold
            raise UsageError(
                f"{where}: tier {tier.name!r} asks for {tier.at_least} points, outside {low} to {low + bound}."
            )
    if any(higher <= lower for lower, higher in pairwise(thresholds)):
        raise UsageError(f"{where}: tiers must be listed by rising points, each above the one before.")


def _check_capacity(where: str, policy: Policy, key_bits: int) -> None:
    capacity = slot_capacity(key_bits, comparison_bits(policy), policy.security_sigma)
    if len(policy.tiers) > capacity:
        raise UsageError(
            f"{where} has {len(policy.tiers)} tiers, and under a {key_bits}-bit key a mask can be proved for "
            f"{capacity}; use fewer."
        )
