"""A holder's scorecard as SQL: an Ibis expression, compiled once for the holder's own engine.

Two expressions, because each field is read many times and prepared once:
`preparation` follows `scorecard.fields.Field.prepare`, `scoring` follows `scorecard.predicates` and `model`; both must
give what those give, value by value, three-valued logic included (tests compare them on generated scorecards).

Input relation `RECORD`, made by the engine: `found` (1, or null where a sought key has no row), `record_key` (text),
and per field i a column `value_i` (string, int64 or float64, null if absent) and, where the engine can hold cells of a
foreign type, `foreign_i` (true: the cell is not null and not of the field's kind).
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add, and_, or_
from typing import Any, Literal, TypeAlias

import ibis

from privcredit.scorecard.fields import MAX_INTEGER, TEXT_KINDS, Field, Interval
from privcredit.scorecard.model import Characteristic, HolderScorecard, to_points
from privcredit.scorecard.predicates import Compare, Compound, FalseP, InSet, IsMissing, Predicate, Value, leaves

Expression: TypeAlias = Any
"""An Ibis value expression; Ibis builds its methods at run time, so no narrower type can be checked."""

Dialect: TypeAlias = Literal["duckdb", "sqlite", "postgres"]
ColumnType: TypeAlias = Literal["string", "int64", "float64"]

RECORD = "privcredit_record"
PREPARED = "privcredit_prepared"
"""Names of the two common table expressions."""

SMALL = 2**31
"""Engines add integer literals below this as 32-bit numbers; larger totals are cast first."""

LARGEST_DOUBLE = sys.float_info.max

FALLIBLE = {("integer", "int64"), ("integer", "float64"), ("double", "float64")}
"""Kinds of field and types of column where a typed cell can still be no value of the kind."""

ACCEPTED, MISSING, FOREIGN, UNKNOWN_VALUE = range(4)
"""Codes of a prepared field: usable; or refused because missing, of a foreign type, not among the valid values."""


@dataclass(frozen=True, slots=True)
class Column:
    """How the engine delivers one field: its type, and whether a `foreign_i` column comes with it."""

    type: ColumnType
    may_be_foreign: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """If `condition` is the first that holds for a cell: its prepared value, or why it is refused."""

    condition: Expression
    value: Expression
    code: int = ACCEPTED


@dataclass(frozen=True, slots=True)
class CompiledScorecard:
    """Three SELECT statements.

    preparation: over RECORD; found, record_key, value_0, code_0, ...; code_i is why field i is refused (0: it is not).
    points: over PREPARED; found, record_key, points, code_0, ...; points is null if a characteristic has no true
    attribute. explanation: the same with attribute_0, attribute_1, ... for points: which attribute matched (from 0).
    """

    preparation: str
    points: str
    explanation: str


def compile_scorecard(card: HolderScorecard, columns: Sequence[Column], dialect: Dialect) -> CompiledScorecard:
    """Return the scorecard in `dialect`, for fields that come as `columns` (one per field of the card, in order)."""
    prepared = ibis.table(_prepared_schema(columns), name=PREPARED)
    return CompiledScorecard(
        compile_preparation(card.fields, columns, dialect),
        ibis.to_sql(scored(card, prepared), dialect=dialect),
        ibis.to_sql(explained(card, prepared), dialect=dialect),
    )


def compile_preparation(fields: Sequence[Field], columns: Sequence[Column], dialect: Dialect) -> str:
    """Return the statement over RECORD that prepares the fields."""
    statement: str = ibis.to_sql(preparation(fields, columns), dialect=dialect)
    return statement


def preparation(fields: Sequence[Field], columns: Sequence[Column]) -> Expression:
    """Return the Ibis relation PREPARED over RECORD: `found`, and `value_i`, `code_i` per field."""
    record = ibis.table(_record_schema(columns), name=RECORD)
    outputs = {"found": record.found, "record_key": record.record_key}
    for i, (field, column) in enumerate(zip(fields, columns, strict=True)):
        value = record[f"value_{i}"]
        foreign = record[f"foreign_{i}"] if column.may_be_foreign else None
        rules = list(_rules(field, column, value, foreign))
        outputs[f"value_{i}"] = _first([(r.condition, r.value) for r in rules if r.code == ACCEPTED], value)
        outputs[f"code_{i}"] = _codes(rules)
    return record.select(**outputs)


def _codes(rules: Sequence[Rule]) -> Expression:
    if all(rule.code == ACCEPTED for rule in rules):
        return ibis.literal(ACCEPTED)
    return _first([(rule.condition, rule.code) for rule in rules], ibis.literal(ACCEPTED))


def _first(branches: Sequence[tuple[Expression, Expression]], otherwise: Expression) -> Expression:
    return ibis.cases(*branches, else_=otherwise) if branches else otherwise


def _record_schema(columns: Sequence[Column]) -> dict[str, str]:
    schema = {"found": "int64", "record_key": "string"}
    for i, column in enumerate(columns):
        schema[f"value_{i}"] = column.type
        if column.may_be_foreign:
            schema[f"foreign_{i}"] = "boolean"
    return schema


def _rules(field: Field, column: Column, value: Expression, foreign: Expression | None) -> Iterable[Rule]:
    """The ordered rules of `Field.prepare`; the last, "take the value as it is", is left out."""
    if foreign is not None:
        yield _invalid_rule(field, foreign, value, FOREIGN)
    if _missing_matters(field):
        yield _missing_rule(field, value.isnull())
    if field.kind == "string":
        yield _missing_rule(field, value == "")
    markers = _of_kind(field, field.missing)
    if markers:
        yield _missing_rule(field, value.isin([literal(one) for one in markers]))
    if (field.kind, column.type) in FALLIBLE:
        yield _invalid_rule(field, _not_of_kind(field, column, value), value, FOREIGN)
    for condition in _invalid_conditions(field, value):
        yield _invalid_rule(field, condition, value, UNKNOWN_VALUE)


def _missing_matters(field: Field) -> bool:
    return field.replacement is not None or field.refuse_missing


def _missing_rule(field: Field, condition: Expression) -> Rule:
    if field.replacement is None:
        return Rule(condition, _null(field), MISSING if field.refuse_missing else ACCEPTED)
    return Rule(condition, literal(field.replacement))


def _invalid_rule(field: Field, condition: Expression, value: Expression, code: int) -> Rule:
    if field.treatment == "missing":
        return _missing_rule(field, condition)
    if field.treatment == "replace":
        return Rule(condition, _null(field) if field.substitute is None else literal(field.substitute))
    if field.treatment == "keep" and code == UNKNOWN_VALUE:
        return Rule(condition, value)
    return Rule(condition, value, code)


def _null(field: Field) -> Expression:
    return ibis.null("string" if field.kind in TEXT_KINDS else "float64" if field.kind == "double" else "int64")


def _not_of_kind(field: Field, column: Column, value: Expression) -> Expression:
    """True for what `fields.parse` refuses: too large or fractional integers, infinities; engines order NaN above them.

    No abs(): engines raise an overflow for the smallest integer.
    """
    if field.kind == "double":
        return (value > literal(LARGEST_DOUBLE)) | (value < literal(-LARGEST_DOUBLE))
    large = (value >= literal(MAX_INTEGER)) | (value <= literal(-MAX_INTEGER))
    return large | (value.floor() != value) if column.type == "float64" else large


def _invalid_conditions(field: Field, value: Expression) -> Iterable[Expression]:
    if invalid := _of_kind(field, field.invalid):
        yield value.isin([literal(one) for one in invalid])
    if field.valid or field.intervals:
        ranges = [] if field.kind in TEXT_KINDS else [_inside(interval, value) for interval in field.intervals]
        valid = _of_kind(field, field.valid)
        members = [value.isin([literal(one) for one in valid])] if valid else []
        yield ~reduce(or_, [*members, *ranges]) if members or ranges else value.notnull()


def _inside(interval: Interval, value: Expression) -> Expression:
    bounds = [value == value]  # noqa: PLR0124 - true unless null: an interval open at both ends
    if interval.low is not None:
        low = literal(interval.low)
        bounds.append(value >= low if interval.low_closed else value > low)
    if interval.high is not None:
        high = literal(interval.high)
        bounds.append(value <= high if interval.high_closed else value < high)
    return reduce(and_, bounds[1:] or bounds)


def _of_kind(field: Field, values: Iterable[Value]) -> list[Value]:
    """Only values of the field's own kind can equal a typed cell; engines would refuse to compare the others."""
    return [value for value in values if isinstance(value, str) == (field.kind in TEXT_KINDS)]


def _prepared_schema(columns: Sequence[Column]) -> dict[str, str]:
    schema = {"found": "int64", "record_key": "string"}
    for i, column in enumerate(columns):
        schema |= {f"value_{i}": column.type, f"code_{i}": "int8"}
    return schema


def scored(card: HolderScorecard, prepared: Expression) -> Expression:
    """Return the Ibis relation with the sum of the points, null if a characteristic has no true attribute."""
    cells = _cells(card, prepared)
    parts = [_choose(one, cells, lambda _, score: to_points(score, card.scale)) for one in card.characteristics]
    if sum(largest_points(card)) >= SMALL:
        parts = [part.cast("int64") for part in parts]
    return _selected(prepared, {"points": reduce(add, parts)}, len(card.fields))


def largest_points(card: HolderScorecard) -> list[int]:
    """Return the largest absolute points of each characteristic."""
    return [
        max(abs(to_points(attribute.score, card.scale)) for attribute in one.attributes) for one in card.characteristics
    ]


def explained(card: HolderScorecard, prepared: Expression) -> Expression:
    """Return the Ibis relation with the position of each characteristic's first true attribute."""
    cells = _cells(card, prepared)
    chosen = (_choose(one, cells, lambda position, _: position) for one in card.characteristics)
    return _selected(prepared, {f"attribute_{k}": position for k, position in enumerate(chosen)}, len(card.fields))


def _cells(card: HolderScorecard, prepared: Expression) -> dict[str, Expression]:
    return {field.name: prepared[f"value_{i}"] for i, field in enumerate(card.fields)}


def _selected(prepared: Expression, computed: Mapping[str, Expression], fields: int) -> Expression:
    codes = {f"code_{i}": prepared[f"code_{i}"] for i in range(fields)}
    return prepared.select(found=prepared.found, record_key=prepared.record_key, **computed, **codes)


def _choose(one: Characteristic, cells: Mapping[str, Expression], meaning: Callable[[int, float], int]) -> Expression:
    """Ordered CASE: the first attribute whose condition is true; unknown counts as not true, as in SQL."""
    branches = [
        (condition(attribute.predicate, cells), ibis.literal(meaning(position, attribute.score)))
        for position, attribute in enumerate(one.attributes)
    ]
    return ibis.cases(*branches)


def condition(predicate: Predicate, cells: Mapping[str, Expression]) -> Expression:
    """Return `predicate` as a boolean expression; null is "unknown"."""
    if isinstance(predicate, Compound):
        return _JOIN[predicate.op]([condition(part, cells) for part in predicate.parts])
    if isinstance(predicate, Compare):
        return _COMPARE[predicate.op](cells[predicate.field], literal(predicate.value))
    if isinstance(predicate, IsMissing):
        cell = cells[predicate.field]
        return cell.notnull() if predicate.negate else cell.isnull()
    if isinstance(predicate, InSet):
        return _membership(predicate, cells[predicate.field])
    return ibis.literal(not isinstance(predicate, FalseP))


def _membership(predicate: InSet, cell: Expression) -> Expression:
    if not predicate.values:
        return cell == cell if predicate.negate else cell != cell  # noqa: PLR0124 - null for a missing cell
    values = [literal(value) for value in predicate.values]
    return cell.notin(values) if predicate.negate else cell.isin(values)


def literal(value: Value) -> Expression:
    """Return a constant that an engine reads as exactly `value`; fractions go as text (see `check_constants`)."""
    if isinstance(value, str):
        return ibis.literal(value)
    if _is_whole(value):
        return ibis.literal(int(value))
    return ibis.literal(repr(float(value))).cast("float64")


def _parity(parts: Sequence[Expression]) -> Expression:
    return reduce(add, [part.cast("int32") for part in parts]) % 2 == 1


_JOIN: Mapping[str, Callable[[Sequence[Expression]], Expression]] = {
    "and": lambda parts: reduce(and_, parts),
    "or": lambda parts: reduce(or_, parts),
    "xor": _parity,
    "surrogate": lambda parts: ibis.coalesce(*parts) if len(parts) > 1 else parts[0],
}

_COMPARE: Mapping[str, Callable[[Expression, Expression], Expression]] = {
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


def fractions_of(card: HolderScorecard) -> frozenset[float]:
    """Return every number of the scorecard that travels as decimal text, for the engine to be asked how it reads it."""
    tested = (
        value
        for one in card.characteristics
        for attribute in one.attributes
        for leaf in leaves(attribute.predicate)
        for value in _values_of(leaf)
    )
    prepared = (value for field in card.fields for value in _values_of_field(field))
    return frozenset(float(v) for v in [*tested, *prepared] if not isinstance(v, str) and not _is_whole(v))


def _values_of(leaf: Predicate) -> Iterable[Value]:
    if isinstance(leaf, Compare):
        return (leaf.value,)
    return leaf.values if isinstance(leaf, InSet) else ()


def _values_of_field(field: Field) -> Iterable[Value]:
    bounds = [bound for one in field.intervals for bound in (one.low, one.high)]
    single = [field.replacement, field.substitute, *bounds]
    return [*field.missing, *field.valid, *field.invalid, *(value for value in single if value is not None)]


def _is_whole(value: float) -> bool:
    return float(value).is_integer() and abs(value) <= MAX_INTEGER
