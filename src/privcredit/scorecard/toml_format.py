"""The native scorecard format: TOML with conditions in words, as `docs/scorecards.md` shows it."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from privcredit.errors import UsageError
from privcredit.messages.codec import Message
from privcredit.scorecard.expressions import ExpressionError, parse_expression
from privcredit.scorecard.fields import Field, Interval, Kind, Treatment, parse
from privcredit.scorecard.model import (
    UNNAMED_HOLDER,
    Attribute,
    Characteristic,
    ReasonCodeAlgorithm,
    Scorecard,
    choose_scale,
)
from privcredit.scorecard.predicates import Value

SCORECARD_FORMAT = "privcredit-scorecard/1"

_RANGE = re.compile(r"\s*([\[(])\s*([^,\s]*)\s*,\s*([^,\s]*)\s*([\])])\s*")


class FieldTable(Message, frozen=True, kw_only=True):
    """`[fields]`: a bare type, or a table with what is valid, what is missing, and what becomes of either."""

    type: Kind
    valid: tuple[Value, ...] = ()
    invalid: tuple[Value, ...] = ()
    missing: tuple[Value, ...] = ()
    ranges: tuple[str, ...] = ()
    missing_as: Value | None = None
    invalid_as: Literal["refuse", "missing", "keep", "replace"] = "refuse"
    replace_by: Value | None = None
    required: bool = False


class AttributeTable(Message, frozen=True, kw_only=True):
    """One bin: a condition in words and its score."""

    when: str
    score: float
    reason_code: str | None = None


class CharacteristicTable(Message, frozen=True, kw_only=True):
    """`[[characteristics]]`: attributes in the order in which they are tried."""

    name: str
    attributes: tuple[AttributeTable, ...]
    holder: str = UNNAMED_HOLDER
    reason_code: str | None = None
    baseline: float | None = None


class ReasonTable(Message, frozen=True, kw_only=True):
    """`[reason_codes]`: present if the scorecard ranks reasons."""

    algorithm: ReasonCodeAlgorithm = "pointsBelow"
    baseline: float | None = None
    baseline_method: str = "other"


class ScorecardTable(Message, frozen=True, kw_only=True):
    """The whole file."""

    format: Literal["privcredit-scorecard/1"]
    name: str
    version: str
    fields: dict[str, Kind | FieldTable]
    characteristics: tuple[CharacteristicTable, ...]
    initial_score: float = 0.0
    scale: int | None = None
    reason_codes: ReasonTable | None = None


def read_toml(path: Path) -> Scorecard:
    """Return the scorecard in a native file. Raises UsageError: one sentence that names file and line or key."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text; save it as UTF-8.") from error
    return parse_toml(text, str(path))


def parse_toml(text: str, where: str) -> Scorecard:
    """Return the scorecard in native text; `where` names it in refusals. Raises UsageError."""
    try:
        table = msgspec.convert(tomllib.loads(text), ScorecardTable)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{where} is not valid TOML: {error}.") from error
    except msgspec.ValidationError as error:
        raise UsageError(f"{where} is not a scorecard: {error}; correct that key.") from error
    try:
        return _scorecard(table)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error


def _scorecard(table: ScorecardTable) -> Scorecard:
    fields = {name: _field(name, written) for name, written in table.fields.items()}
    characteristics = tuple(
        _characteristic(f"characteristics[{position}]", one, fields)
        for position, one in enumerate(table.characteristics)
    )
    reasons = table.reason_codes or ReasonTable()
    scores = [table.initial_score, *(attribute.score for one in characteristics for attribute in one.attributes)]
    return Scorecard(
        name=table.name,
        version=table.version,
        fields=tuple(fields.values()),
        characteristics=characteristics,
        initial_score=table.initial_score,
        scale=choose_scale(scores) if table.scale is None else table.scale,
        use_reason_codes=table.reason_codes is not None,
        reason_code_algorithm=reasons.algorithm,
        baseline=reasons.baseline,
        baseline_method=reasons.baseline_method,
    )


def _characteristic(key: str, table: CharacteristicTable, fields: Mapping[str, Field]) -> Characteristic:
    attributes = tuple(
        _attribute(f"{key}.attributes[{position}]", one, fields) for position, one in enumerate(table.attributes)
    )
    return Characteristic(table.name, table.holder, attributes, table.reason_code, table.baseline)


def _attribute(key: str, table: AttributeTable, fields: Mapping[str, Field]) -> Attribute:
    try:
        return Attribute(parse_expression(table.when, fields), table.score, table.reason_code)
    except ExpressionError as error:
        raise UsageError(f"{key}.when: {error}.") from error


def _field(name: str, written: Kind | FieldTable) -> Field:
    if not isinstance(written, FieldTable):
        return Field(name, written)
    key, kind = f"fields.{name}", written.type
    treatment: Treatment = written.invalid_as
    if (treatment == "replace") is not (written.replace_by is not None):
        raise UsageError(f'{key}: invalid_as = "replace" and replace_by belong together; give both or neither.')
    return Field(
        name=name,
        kind=kind,
        missing=tuple(_marker(kind, value) for value in written.missing),
        valid=tuple(_value(f"{key}.valid", kind, value) for value in written.valid),
        invalid=tuple(_value(f"{key}.invalid", kind, value) for value in written.invalid),
        intervals=tuple(_interval(f"{key}.ranges", text) for text in written.ranges),
        replacement=None if written.missing_as is None else _value(f"{key}.missing_as", kind, written.missing_as),
        treatment=treatment,
        substitute=None if written.replace_by is None else _value(f"{key}.replace_by", kind, written.replace_by),
        refuse_missing=written.required,
    )


def _value(key: str, kind: Kind, written: Value) -> Value:
    value = parse(kind, written) if isinstance(written, str) == (kind in {"string", "boolean"}) else None
    if value is None:
        raise UsageError(f"{key} holds {written!r}, which is not of type {kind}; correct it.")
    return value


def _marker(kind: Kind, written: Value) -> Value:
    """A missing marker may be of another type than the field, such as "NA" in a column of numbers."""
    value = parse(kind, written)
    return written if value is None else value


def _interval(key: str, text: str) -> Interval:
    match = _RANGE.fullmatch(text)
    ends = [parse("double", end) if end else None for end in (match[2], match[3])] if match else []
    if match is None or any(end is None and match[place] for end, place in zip(ends, (2, 3), strict=True)):
        raise UsageError(f'{key} holds {text!r}; write a range as "[0, 120]", "(0, 120)" or "[0, )".')
    low, high = (None if end is None else float(end) for end in ends)
    return Interval(low, high, match[1] == "[", match[4] == "]")
