"""The arithmetic of thresholds, exhaustively on small policies, against a plain decision."""

import itertools
from typing import Any

import msgspec
import pytest

from privcredit.crypto.knowledge import provable_bits
from privcredit.crypto.packing import Layout
from privcredit.errors import PeerError, UsageError
from privcredit.messages.codec import decode, encode
from privcredit.scorecard.fields import Field
from privcredit.scorecard.model import Attribute, Characteristic, Scorecard
from privcredit.scorecard.policy import (
    Policy,
    PolicyRules,
    Tier,
    answer_tier,
    build_policy,
    check_own_scorecard,
    check_policy,
    comparison_bits,
    contribution_value,
    holder_term,
    policy_hash,
    slot_capacity,
    slot_thresholds,
)
from privcredit.scorecard.predicates import Compare, TrueP

FINGERPRINT = bytes(range(32))
TEXTS = dict.fromkeys(
    ("id", "scheme", "title", "question", "purpose", "subject_class", "consequence", "budget_group"), "p"
)
REST = {
    "verifiers": ("rental",), "budget": 5, "epoch_seconds": 60, "request_seconds": 60, "contribution_seconds": 60,
    "valid_from": 0, "valid_until": 100,
}  # fmt: skip


def card_of(points: Any, initial: Any = 0, scale: Any = 1) -> Any:
    """One characteristic per holder; points: holder -> the scores that its attributes give."""
    characteristics = []
    for holder, scores in points.items():
        bins = [Attribute(Compare("x", "==", i), float(score)) for i, score in enumerate(scores)]
        characteristics.append(Characteristic(f"of {holder}", holder, (*bins, Attribute(TrueP(), float(scores[-1])))))
    return Scorecard("card", "1", (Field("x", "integer"),), tuple(characteristics), initial, scale)


def rules(*at_least: Any, optional: Any = (), **changes: Any) -> Any:
    tiers = tuple(Tier(name=f"tier {n}", at_least=points) for n, points in enumerate(at_least))
    return PolicyRules(**(TEXTS | REST | {"tiers": tiers, "optional_holders": optional} | changes))


def policy_of(points: Any, *at_least: Any, initial: Any = 0, optional: Any = (), **changes: Any) -> Any:
    return build_policy(card_of(points, initial), rules(*at_least, optional=optional, **changes), FINGERPRINT)


def encrypted_decision(policy: Any, known: Any) -> Any:
    """What the parties compute, with the ciphertexts left out: a sum, compared on comparison_bits."""
    total = sum(contribution_value(policy, term.holder, known[term.holder]) for term in policy.holders)
    width = comparison_bits(policy)
    assert 0 <= total < 1 << width
    assert all(0 <= threshold <= 1 << width for threshold in slot_thresholds(policy))
    return [total >= threshold for threshold in slot_thresholds(policy)]


def plain_decision(points: Any, optional: Any, initial: Any, known: Any, at_least: Any) -> Any:
    """Eligible iff every required holder knows the subject and the points, of the known ones, reach the threshold."""
    if any(known[holder] is None for holder in points if holder not in optional):
        return False
    return initial + sum(value or 0 for value in known.values()) >= at_least


CASES = [
    ({"bank": (0, 1)}, ()),
    ({"bank": (-2, 1)}, ()),
    ({"bank": (3, 5)}, ()),
    ({"bank": (0,)}, ()),
    ({"club": (0, 2)}, ("club",)),
    ({"club": (1, 2)}, ("club",)),
    ({"bank": (-2, 0, 3), "club": (0, 1, 2)}, ("club",)),
    ({"bank": (-2, 3), "court": (-4, 0)}, ()),
    ({"bank": (-1, 2), "court": (-3, 0), "club": (0, 3)}, ("club",)),
    ({"bank": (0, 1), "court": (-1, 0), "registry": (0, 2)}, ()),
    ({"bank": (1, 2), "court": (-1, 0), "registry": (0, 1), "police": (-2, -1)}, ()),
    ({"club": (0, 1), "blood": (0, 2)}, ("club", "blood")),
]


@pytest.mark.parametrize(("points", "optional"), CASES)
@pytest.mark.parametrize("initial", [0, 4, -3])
def test_c8_every_small_case_equals_the_plain_decision(points: Any, optional: Any, initial: Any) -> None:
    lowest = initial + sum(min(v) if h not in optional else 0 for h, v in points.items())
    highest = initial + sum(max(v) for v in points.values())
    bits = max(1, (highest - lowest).bit_length())
    for at_least in range(lowest, lowest + (1 << bits) + 1):  # T = 0 to T = 2^l of the shifted sum, both included
        policy = policy_of(points, at_least, initial=initial, optional=optional)
        assert policy.score_bits == bits
        for chosen in itertools.product(*[(None, *values) for values in points.values()]):
            known = dict(zip(points, chosen, strict=True))
            (answer,) = encrypted_decision(policy, known)
            assert answer == plain_decision(points, optional, initial, known, at_least)


@pytest.mark.parametrize("at_least", [-3, 7])
def test_c6_thresholds_outside_the_slot_are_refused(at_least: Any) -> None:
    with pytest.raises(UsageError, match="outside -2 to 6"):
        policy_of({"bank": (-2, 3)}, at_least)


def test_tiers_share_one_sum() -> None:
    points = {"bank": (-2, 0, 3), "club": (0, 4)}
    policy = policy_of(points, -1, 2, 6, optional=("club",))
    for bank, club in itertools.product((None, -2, 0, 3), (None, 0, 4)):
        bits = encrypted_decision(policy, {"bank": bank, "club": club})
        total = None if bank is None else bank + (club or 0)
        met = [total is not None and total >= tier for tier in (-1, 2, 6)]
        assert bits == met
        assert answer_tier(policy, bits) == [None, "tier 0", "tier 1", "tier 2"][sum(met)]


def test_answers_that_contradict_themselves_are_the_authorities_fault() -> None:
    policy = policy_of({"bank": (0, 3)}, 1, 2)
    with pytest.raises(PeerError, match="authorities"):
        answer_tier(policy, [False, True])
    with pytest.raises(UsageError, match="2 tiers"):
        answer_tier(policy, [True])


@pytest.mark.parametrize("required", range(9))
def test_width_of_the_lifted_sum_is_the_least_that_holds_it(required: Any) -> None:
    policy = policy_of({f"holder {n}": (0, 1) for n in range(required)} | {"club": (0, 1)}, 1, optional=("club",))
    top = (1 << policy.score_bits) * (required + 1)  # threshold T = 2^l, lifted
    assert comparison_bits(policy) == policy.score_bits + (required + 1 - 1).bit_length()
    assert 1 << comparison_bits(policy) >= top > 1 << (comparison_bits(policy) - 1) or required == 0


def wrapping() -> Any:
    """A hand-made policy whose optional holder's points reach into the lift of the required one."""
    policy = policy_of({"bank": (0, 1), "club": (0, 5)}, 2, optional=("club",))
    return msgspec.structs.replace(policy, score_bits=2)


def test_c6_policy_that_could_wrap_is_refused_at_load() -> None:
    with pytest.raises(UsageError, match="could wrap around: its holders' maxima sum to 6; set score_bits to 3"):
        check_policy(wrapping())


def test_c6_without_the_refusal_the_answer_would_be_wrong() -> None:
    policy = wrapping()
    value = contribution_value(policy, "club", 5) + contribution_value(policy, "bank", None)
    assert value < slot_thresholds(policy)[0]
    lower = msgspec.structs.replace(policy, tiers=(Tier(name="t", at_least=1),))
    assert contribution_value(lower, "club", 5) >= slot_thresholds(lower)[0]  # eligible, unknown to the bank: wrong


def test_c6_understated_maximum_is_found_by_the_holder() -> None:
    points = {"bank": (0, 1), "club": (0, 5)}
    policy = policy_of(points, 2, optional=("club",))
    understated = tuple(
        msgspec.structs.replace(term, maximum=2) if term.holder == "club" else term for term in policy.holders
    )
    policy = msgspec.structs.replace(policy, holders=understated, score_bits=2)
    check_policy(policy)  # looks sound from outside
    club = card_of(points).for_holder("club")
    with pytest.raises(UsageError, match="0 to 5 points, outside"):
        check_own_scorecard(policy, club)
    with pytest.raises(UsageError, match="outside the range"):
        contribution_value(policy, "club", 5)


def test_h1_points_outside_the_stated_range_are_never_contributed() -> None:
    policy = policy_of({"bank": (-2, 3)}, 0)
    assert contribution_value(policy, "bank", -2) == 8
    assert contribution_value(policy, "bank", 3) == 8 + 5
    assert contribution_value(policy, "bank", None) == 0
    for points in (-3, 4, 10**30):
        with pytest.raises(UsageError, match="outside the range"):
            contribution_value(policy, "bank", points)
    with pytest.raises(UsageError, match="no holder 'court'"):
        contribution_value(policy, "court", None)


def test_scorecard_of_another_policy_is_refused() -> None:
    policy = policy_of({"bank": (-2, 3)}, 0)
    check_own_scorecard(policy, card_of({"bank": (-2, 3)}).for_holder("bank"))
    with pytest.raises(UsageError, match="another scorecard"):
        check_own_scorecard(policy, card_of({"bank": (-2, 2)}).for_holder("bank"))


def test_optional_holder_that_subtracts_is_refused() -> None:
    with pytest.raises(UsageError, match="make it required"):
        policy_of({"bank": (-2, 3)}, 0, optional=("bank",))
    with pytest.raises(UsageError, match="'court', which has no characteristic"):
        policy_of({"bank": (-2, 3)}, 0, optional=("court",))


def test_publishing_needs_holders_and_no_unused_fields() -> None:
    with pytest.raises(UsageError, match="'of ' of scorecard 'card' has no holder"):
        policy_of({"": (0, 1)}, 0)
    card = msgspec_free_copy(card_of({"bank": (0, 1)}))
    with pytest.raises(UsageError, match="'spare' of scorecard 'card' is read by no condition"):
        build_policy(card, rules(0), FINGERPRINT)


def msgspec_free_copy(card: Scorecard) -> Any:
    fields = (*card.fields, Field("spare", "string"))
    return Scorecard(card.name, card.version, fields, card.characteristics, card.initial_score, card.scale)


SOUND = policy_of({"bank": (-2, 3), "club": (0, 2)}, 0, 2, optional=("club",))
BANK, CLUB = SOUND.holders


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"version": 2}, "version is 2"),
        ({"holders": ()}, "no holder"),
        ({"holders": (BANK, BANK)}, "'bank' appears twice"),
        ({"holders": (BANK, msgspec.structs.replace(CLUB, holder=""))}, "a holder has no name"),
        ({"holders": (BANK, msgspec.structs.replace(CLUB, offset=1))}, "optional and has offset 1"),
        ({"holders": (BANK, msgspec.structs.replace(CLUB, maximum=-1))}, "negative maximum"),
        ({"holders": (BANK, msgspec.structs.replace(CLUB, scorecard=b"x"))}, "32 bytes"),
        ({"tiers": ()}, "no tier"),
        ({"tiers": SOUND.tiers[::-1]}, "rising points"),
        ({"tiers": (SOUND.tiers[0],) * 2}, "appears twice"),
        ({"tiers": (SOUND.tiers[0], Tier(name="same", at_least=0))}, "rising points"),
        ({"verifiers": ()}, "no verifier"),
        ({"verifiers": ("a", "a")}, "'a' appears twice"),
        ({"score_bits": 0}, "score_bits"),
        ({"score_bits": 49}, "score_bits"),
        ({"score_bits": 2}, "could wrap"),
        ({"budget": 0}, "budget"),
        ({"epoch_seconds": 0}, "epoch_seconds"),
        ({"request_seconds": 0}, "request_seconds"),
        ({"contribution_seconds": -1}, "contribution_seconds"),
        ({"freshness": "1 day"}, "freshness"),
        ({"valid_until": 0}, "valid_from must be earlier"),
        ({"security_sigma": 39}, "security_sigma"),
        ({"key_fingerprint": b""}, "key_fingerprint"),
        ({"purpose": " "}, "purpose"),
        ({"title": "x" * 2001}, "title"),
        ({"initial_points": 100}, "tier 'tier 0' asks for 0 points, outside 98"),
    ],
)
def test_c6_unsound_policies_are_refused(changes: Any, sentence: str) -> None:
    check_policy(SOUND)
    with pytest.raises(UsageError, match=sentence):
        check_policy(msgspec.structs.replace(SOUND, **changes))


@pytest.mark.parametrize("score_bits", [1, 9, 48])
@pytest.mark.parametrize("key_bits", [2048, 3072])
def test_a1_the_most_slots_of_a_policy_are_those_whose_mask_can_be_proved(key_bits: int, score_bits: int) -> None:
    """Evaluator 2 refuses a mask without a proof, so a policy with more would fail at every question."""
    slots = slot_capacity(key_bits, score_bits, 64)
    assert Layout(key_bits, score_bits, slots).mask_bits <= provable_bits(key_bits)
    assert Layout(key_bits, score_bits, slots + 1).mask_bits > provable_bits(key_bits)


def test_more_tiers_than_slots_are_refused() -> None:
    points = {"bank": tuple(range(200))}
    capacity = slot_capacity(2048, 9, 64)
    assert capacity == (2048 - 203 - 64) // 10
    fits = policy_of(points, *range(capacity), score_bits=8)
    assert comparison_bits(fits) == 9
    with pytest.raises(UsageError, match=f"a mask can be proved for {capacity}; use fewer"):
        policy_of(points, *range(capacity + 1), score_bits=8)


def test_policy_travels_and_its_name_is_the_hash_of_its_bytes() -> None:
    assert decode(encode(SOUND), Policy) == SOUND
    assert len(policy_hash(encode(SOUND))) == 32
    changed = msgspec.structs.replace(SOUND, budget=6)
    assert policy_hash(encode(SOUND)) != policy_hash(encode(changed))
    assert holder_term(SOUND, "bank").offset == 2


def test_c6_a_sum_of_exactly_two_to_the_l_is_refused() -> None:
    policy = policy_of({"bank": (0, 3), "club": (0, 5)}, 2, optional=("club",))
    with pytest.raises(UsageError, match="sum to 8; set score_bits to 4, not 3"):
        check_policy(msgspec.structs.replace(policy, score_bits=3))
