"""What must hold of a scorecard before anybody computes with it; each refusal is one sentence that names the place."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from privcredit.errors import UsageError
from privcredit.scorecard.fields import TEXT_KINDS, Field
from privcredit.scorecard.predicates import ORDERINGS, Compare, Compound, InSet, Predicate, Value, fields_of, leaves

if TYPE_CHECKING:
    from privcredit.scorecard.model import Characteristic, Scorecard

MAX_SCALE = 10**6
"""A larger scale makes the comparison slow and adds no meaning."""

MAX_NESTING = 40
"""People write two or three levels; a stack of thousands is an attack on the parser."""

MAX_SCORE = 2.0**40
"""Larger partial scores cannot be scored by the protocol anyway, and doubles would no longer add exactly."""


def check_scorecard(card: "Scorecard") -> None:
    """Raise UsageError unless names differ, conditions fit fields, scores are finite, reasons are complete."""
    where = f"Scorecard {card.name!r}"
    if not card.characteristics:
        raise UsageError(f"{where} has no characteristic; add at least one.")
    if not 1 <= card.scale <= MAX_SCALE:
        raise UsageError(f"{where} has scale {card.scale}; choose a whole number from 1 to {MAX_SCALE}.")
    _check_unique(f"{where}: field", [field.name for field in card.fields])
    _check_unique(f"{where}: characteristic", [one.name for one in card.characteristics])
    _check_score(f"{where}: the initial score", card.initial_score)
    if card.baseline is not None:
        _check_score(f"{where}: the baseline", card.baseline)
    fields = {field.name: field for field in card.fields}
    for one in card.characteristics:
        _check_characteristic(f"{where}, characteristic {one.name!r}", one, fields)
        if card.use_reason_codes:
            _check_reasons(f"{where}, characteristic {one.name!r}", one, card.baseline)


def _check_characteristic(where: str, one: "Characteristic", fields: Mapping[str, Field]) -> None:
    if not one.attributes:
        raise UsageError(f"{where} has no attribute; add at least one.")
    if one.baseline is not None:
        _check_score(f"{where}: the baseline", one.baseline)
    for position, attribute in enumerate(one.attributes, 1):
        _check_score(f"{where}: the score of attribute {position}", attribute.score)
        _check_shape(f"{where}, attribute {position}", attribute.predicate, MAX_NESTING)
        for leaf in leaves(attribute.predicate):
            _check_leaf(f"{where}, attribute {position}", leaf, fields)


def _check_score(what: str, score: float) -> None:
    if not math.isfinite(score) or abs(score) > MAX_SCORE:
        raise UsageError(f"{what} is {score}; it must be a finite number of at most 2^40.")


def _check_shape(where: str, predicate: Predicate, depth: int) -> None:
    if depth == 0:
        raise UsageError(f"{where} nests conditions deeper than {MAX_NESTING} levels; simplify it.")
    if isinstance(predicate, Compound):
        if len(predicate.parts) < 2:  # noqa: PLR2004 - a connective joins two
            raise UsageError(f"{where}: {predicate.op!r} joins fewer than two conditions; write the condition alone.")
        for part in predicate.parts:
            _check_shape(where, part, depth - 1)


def _check_leaf(where: str, leaf: Predicate, fields: Mapping[str, Field]) -> None:
    for name in fields_of(leaf):
        if name not in fields:
            raise UsageError(
                f"{where} reads the field {name!r}, which is not declared; declare it or correct the name."
            )
    if isinstance(leaf, Compare):
        _check_literals(where, fields[leaf.field], (leaf.value,))
        if leaf.op in ORDERINGS and fields[leaf.field].kind in TEXT_KINDS:
            raise UsageError(f"{where} orders the text field {leaf.field!r} by {leaf.op}; list the values instead.")
    if isinstance(leaf, InSet):
        _check_literals(where, fields[leaf.field], leaf.values)


def _check_literals(where: str, field: Field, values: Iterable[Value]) -> None:
    for value in values:
        if not _fits(field, value):
            raise UsageError(
                f"{where} compares the {field.kind} field {field.name!r} with {value!r}; write a {field.kind} value."
            )


def _fits(field: Field, value: Value) -> bool:
    if field.kind == "boolean":
        return value in {"true", "false"}
    return isinstance(value, str) == (field.kind == "string") and not isinstance(value, bool)


def _check_reasons(where: str, one: "Characteristic", baseline: float | None) -> None:
    if baseline is None and one.baseline is None:
        raise UsageError(f"{where} has no baseline score, which reason codes need; give it one, or the scorecard.")
    if one.reason_code is None and any(attribute.reason_code is None for attribute in one.attributes):
        raise UsageError(
            f"{where} has no reason code for some attribute; give the characteristic one, or every attribute."
        )


def _check_unique(what: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{what} {name!r} appears twice; names must differ.")
