"""Policies as their authors write them: TOML with thresholds in the scorecard's own unit and durations in words.

`docs/scorecards.md` shows the format. Every refusal names the file and the key.
"""

import datetime as dt
import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from privcredit.errors import UsageError
from privcredit.messages.codec import Message
from privcredit.scorecard.model import Scorecard, exact
from privcredit.scorecard.policy import (
    ELIGIBLE,
    LIVE,
    MINIMUM_KEY_BITS,
    RULES_IN_POLICY,
    Policy,
    PolicyRules,
    Tier,
    build_policy,
)

POLICY_FORMAT = "privcredit-policy/1"
UNITS: Mapping[str, int] = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_DURATION = re.compile(r"([0-9]{1,9}) (second|minute|hour|day)s?")


class TierText(Message, frozen=True, kw_only=True):
    """One `[[tiers]]` table: a name and the score, in the scorecard's unit, from which it is reached."""

    name: str
    at_least: float


class PolicyText(Message, frozen=True, kw_only=True):
    """The keys of a policy file. Either `threshold` or `tiers`; either `valid_until` or `valid_for`."""

    format: str
    id: str
    scheme: str
    title: str
    question: str
    purpose: str
    subject_class: str
    consequence: str
    verifiers: tuple[str, ...]
    budget: int
    epoch: str
    request_lifetime: str
    contribution_lifetime: str
    threshold: float | None = None
    tiers: tuple[TierText, ...] = ()
    optional_holders: tuple[str, ...] = ()
    budget_group: str | None = None
    score_bits: int | None = None
    freshness: str = LIVE
    security_sigma: int = 64
    valid_from: dt.datetime | None = None
    valid_until: dt.datetime | None = None
    valid_for: str | None = None


def policy_from_toml(
    source: Path | str,
    scorecard: Scorecard,
    key_fingerprint: bytes,
    *,
    published: int | None = None,
    key_bits: int = MINIMUM_KEY_BITS,
) -> Policy:
    """Return the checked policy in a TOML file (a Path) or text (a str).

    published: unix seconds; `valid_from` where the file gives none. Raises UsageError.
    """
    where = str(source) if isinstance(source, Path) else "the policy text"
    rules = _rules(where, _read(where, source), scorecard, published)
    try:
        return build_policy(scorecard, rules, key_fingerprint, key_bits)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error


def _read(where: str, source: Path | str) -> PolicyText:
    try:
        text = source.read_text(encoding="utf-8") if isinstance(source, Path) else source
        return msgspec.convert(tomllib.loads(text), PolicyText)
    except OSError as error:
        raise UsageError(f"{where} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{where} is not UTF-8 text; save it as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where} is not valid TOML: {error}.") from error
    except msgspec.ValidationError as error:
        raise UsageError(f"{where} is not a policy: {error}.") from error


def _rules(where: str, text: PolicyText, scorecard: Scorecard, published: int | None) -> PolicyRules:
    if text.format != POLICY_FORMAT:
        raise UsageError(f"{where}: format is {text.format!r}; this program reads {POLICY_FORMAT!r}.")
    valid_from = _start(where, text, published)
    derived: dict[str, Any] = {
        "tiers": _tiers(where, text, scorecard),
        "budget_group": text.scheme if text.budget_group is None else text.budget_group,
        "epoch_seconds": duration_seconds(f"{where}: epoch", text.epoch),
        "request_seconds": duration_seconds(f"{where}: request_lifetime", text.request_lifetime),
        "contribution_seconds": duration_seconds(f"{where}: contribution_lifetime", text.contribution_lifetime),
        "valid_from": valid_from,
        "valid_until": _end(where, text, valid_from),
    }
    taken = {
        name: getattr(text, name)
        for name in (*RULES_IN_POLICY, "optional_holders", "score_bits")
        if name not in derived
    }
    return PolicyRules(**taken, **derived)


def _tiers(where: str, text: PolicyText, scorecard: Scorecard) -> tuple[Tier, ...]:
    if (text.threshold is None) is not bool(text.tiers):
        raise UsageError(f"{where}: give either `threshold` (one answer, yes or no) or `[[tiers]]`, and not both.")
    written = text.tiers or (TierText(name=ELIGIBLE, at_least=text.threshold or 0),)
    return tuple(Tier(name=tier.name, at_least=_points(where, tier, scorecard.scale)) for tier in written)


def _points(where: str, tier: TierText, scale: int) -> int:
    points = exact(tier.at_least) * scale if math.isfinite(tier.at_least) else None
    if points is None or points.denominator != 1:
        raise UsageError(
            f"{where}: tier {tier.name!r} at {tier.at_least} is no whole number of points at scale {scale}; round it."
        )
    return points.numerator


def _start(where: str, text: PolicyText, published: int | None) -> int:
    if text.valid_from is not None:
        return _timestamp(where, "valid_from", text.valid_from)
    if published is None:
        raise UsageError(f"{where}: valid_from is missing; write it as 2026-01-31T00:00:00Z.")
    return published


def _end(where: str, text: PolicyText, valid_from: int) -> int:
    if text.valid_until is not None and text.valid_for is None:
        return _timestamp(where, "valid_until", text.valid_until)
    if text.valid_for is not None and text.valid_until is None:
        return valid_from + duration_seconds(f"{where}: valid_for", text.valid_for)
    raise UsageError(
        f'{where}: give either valid_until, as 2026-01-31T00:00:00Z, or valid_for, as "365 days", and not both.'
    )


def _timestamp(where: str, key: str, moment: dt.datetime) -> int:
    if moment.tzinfo is None:
        raise UsageError(f"{where}: {key} has no time zone; end it with Z for UTC.")
    return int(moment.timestamp())


def duration_seconds(what: str, words: str) -> int:
    """Return the seconds in words such as "10 minutes". Raises UsageError naming `what`."""
    match = _DURATION.fullmatch(words)
    if match is None:
        raise UsageError(f'{what} is {words!r}; write a duration such as "10 minutes" or "30 days".')
    return int(match[1]) * UNITS[match[2]]
