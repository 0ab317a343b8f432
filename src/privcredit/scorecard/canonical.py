"""Canonical bytes of a holder's scorecard, so that two files that say the same have one digest."""

import hashlib
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from privcredit.scorecard.fields import Field
from privcredit.scorecard.predicates import Compare, Compound, InSet, IsMissing, Predicate, TrueP, Value

if TYPE_CHECKING:
    from privcredit.scorecard.model import Characteristic, HolderScorecard

Plain: TypeAlias = "str | int | float | bool | list[Plain] | None"

DIGEST_DOMAIN = "privcredit holder scorecard 1"
"""Names what is hashed and the version of the form below."""


def scorecard_digest(card: "HolderScorecard") -> bytes:
    """Return SHA-256 (32 bytes) over all that decides the holder's points and reasons."""
    return hashlib.sha256(msgspec.msgpack.encode([DIGEST_DOMAIN, plain_scorecard(card)])).digest()


def plain_scorecard(card: "HolderScorecard") -> Plain:
    """Return the scorecard as nested lists: fields by name, characteristics and attributes in order."""
    fields = [plain_field(field) for field in sorted(card.fields, key=lambda field: field.name)]
    return [
        card.name,
        card.version,
        card.holder,
        card.scale,
        fields,
        [plain_characteristic(c) for c in card.characteristics],
    ]


def plain_field(field: Field) -> Plain:
    """Return a field as a list."""
    values: list[Plain] = [
        [plain_value(value) for value in values] for values in (field.missing, field.valid, field.invalid)
    ]
    ranges: list[Plain] = [
        [plain_value(one.low), plain_value(one.high), one.low_closed, one.high_closed] for one in field.intervals
    ]
    treatment: list[Plain] = [field.treatment, plain_value(field.substitute), field.refuse_missing]
    return [field.name, field.kind, values, ranges, plain_value(field.replacement), treatment]


def plain_characteristic(one: "Characteristic") -> Plain:
    """Return a characteristic as a list."""
    attributes: list[Plain] = [
        [plain_predicate(attribute.predicate), plain_value(attribute.score), attribute.reason_code]
        for attribute in one.attributes
    ]
    return [one.name, attributes, one.reason_code, plain_value(one.baseline)]


def plain_predicate(predicate: Predicate) -> Plain:
    """Return a condition as a list whose first item names its kind."""
    if isinstance(predicate, Compound):
        return [predicate.op, [plain_predicate(part) for part in predicate.parts]]
    if isinstance(predicate, Compare):
        return [predicate.op, predicate.field, plain_value(predicate.value)]
    if isinstance(predicate, IsMissing):
        return ["present" if predicate.negate else "missing", predicate.field]
    if isinstance(predicate, InSet):
        return [
            "not in" if predicate.negate else "in",
            predicate.field,
            [plain_value(value) for value in predicate.values],
        ]
    return ["true" if isinstance(predicate, TrueP) else "false"]


def plain_value(value: Value | None) -> Plain:
    """Return a whole number as an integer (5 and 5.0 are the same value), anything else as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
