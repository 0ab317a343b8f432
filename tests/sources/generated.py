"""Hypothesis strategies: small scorecards that use every feature, and records that hit their edges."""

import math
from typing import Any

from hypothesis import strategies as st

from privcredit.scorecard.fields import TEXT_KINDS, Field, Interval
from privcredit.scorecard.model import Attribute, Characteristic, HolderScorecard
from privcredit.scorecard.predicates import Compare, Compound, FalseP, InSet, IsMissing, Predicate, TrueP

Strategy = st.SearchStrategy[Any]
Draw = st.DrawFn
Row = dict[str, Any]

TEXTS = ["a", "b", "B", "it's", "ä", "100%", "$1", " a"]
INTEGERS = [-3, 0, 1, 2, 5, 2**53 - 1, -(2**53) + 1]
DOUBLES = [-1.5, 0.0, 0.1, 0.30000000000000004, 2.0, 2.5, 1e-7, 1e300]
OVERSIZED = [2**53, -(2**63), 2**62]

VALUES = {
    "string": st.sampled_from(TEXTS),
    "boolean": st.sampled_from(["true", "false"]),
    "integer": st.sampled_from(INTEGERS),
    "double": st.sampled_from(DOUBLES),
}


def some(kind: str, most: int = 2) -> Strategy:
    return st.lists(VALUES[kind], max_size=most, unique=True).map(tuple)


@st.composite
def intervals(draw: Draw, kind: str) -> tuple[Interval, ...]:
    if kind in TEXT_KINDS or not draw(st.booleans()):
        return ()
    low, high = sorted([draw(VALUES[kind]), draw(VALUES[kind])])
    one = Interval(
        draw(st.sampled_from([None, float(low)])),
        draw(st.sampled_from([None, float(high)])),
        draw(st.booleans()),
        draw(st.booleans()),
    )
    return (one, Interval(high=0.0)) if draw(st.booleans()) else (one,)


@st.composite
def fields(draw: Draw, name: str) -> Field:
    kind = draw(st.sampled_from(["string", "integer", "double", "boolean"]))
    if draw(st.booleans()):
        return Field(name, kind)
    return Field(
        name,
        kind,
        missing=draw(st.sampled_from([(), ("NA",)])) + draw(some(kind, 1)),
        valid=draw(some(kind, 4)) if draw(st.booleans()) else (),
        invalid=draw(some(kind, 1)),
        intervals=draw(intervals(kind)),
        replacement=draw(st.none() | VALUES[kind]),
        treatment=draw(st.sampled_from(["refuse", "missing", "keep", "replace"])),
        substitute=draw(st.none() | VALUES[kind]),
        refuse_missing=draw(st.booleans()),
    )


@st.composite
def leaves(draw: Draw, some_fields: tuple[Field, ...]) -> Predicate:
    field = draw(st.sampled_from(some_fields))
    which = draw(st.integers(0, 9))
    if which < 4:
        ops = ["==", "!="] if field.kind in TEXT_KINDS else ["==", "!=", "<", "<=", ">", ">="]
        return Compare(field.name, draw(st.sampled_from(ops)), draw(number_or_text(field)))
    if which < 6:
        return IsMissing(field.name, draw(st.booleans()))
    if which < 9:
        return InSet(field.name, draw(some(field.kind, 3)), draw(st.booleans()))
    return draw(st.sampled_from([TrueP(), FalseP()]))


def number_or_text(field: Field) -> Strategy:
    return VALUES[field.kind] if field.kind in TEXT_KINDS else VALUES["integer"] | VALUES["double"]


def predicates(some_fields: tuple[Field, ...]) -> Strategy:
    def joined(parts: Strategy) -> Strategy:
        op = st.sampled_from(["and", "or", "xor", "surrogate"])
        return st.builds(Compound, op, st.lists(parts, min_size=1, max_size=3).map(tuple))

    return st.recursive(leaves(some_fields), joined, max_leaves=5)


@st.composite
def characteristics(draw: Draw, name: str, some_fields: tuple[Field, ...]) -> Characteristic:
    attributes = [
        Attribute(
            draw(predicates(some_fields)), draw(st.sampled_from([-7.25, 0.0, 0.5, 1.5, 40.0, 2.0**40])), f"{name}{i}"
        )
        for i in range(draw(st.integers(1, 3)))
    ]
    if draw(st.booleans()):
        attributes.append(Attribute(TrueP(), draw(st.sampled_from([-3.0, 11.0]))))
    return Characteristic(name, "h", tuple(attributes), reason_code=name)


@st.composite
def cards(draw: Draw) -> HolderScorecard:
    some_fields = tuple(draw(fields(name)) for name in ["x", 'odd "name"', "y"][: draw(st.integers(1, 3))])
    ones = tuple(draw(characteristics(f"c{i}", some_fields)) for i in range(draw(st.integers(1, 2))))
    return HolderScorecard("generated", "1", "h", draw(st.sampled_from([1, 4, 100])), some_fields, ones)


def cells(field: Field, *, hostile: bool) -> Strategy:
    """Typed cells of a field; hostile: also what a column of that type can hold and no field accepts."""
    if field.kind == "string":
        return st.none() | st.sampled_from([*TEXTS, "NA", ""])
    if field.kind == "boolean":
        return st.none() | st.booleans()
    if field.kind == "integer":
        return st.none() | st.sampled_from(INTEGERS + (OVERSIZED if hostile else []))
    return st.none() | st.sampled_from(DOUBLES + ([math.inf, -math.inf, math.nan] if hostile else []))


@st.composite
def cards_and_rows(draw: Draw, *, hostile: bool = True) -> tuple[HolderScorecard, list[Row]]:
    card = draw(cards())
    rows = st.fixed_dictionaries({field.name: cells(field, hostile=hostile) for field in card.fields})
    return card, draw(st.lists(rows, min_size=4, max_size=8))


GARBAGE = [
    "NA",
    "x",
    " 5 ",
    "5.",
    ".5",
    "1e400",
    "-1E-3",
    "1_000",
    "nan",
    "٣",
    "5e",
    "0x10",
    "TRUE",
    " 1",
    "0",
    "False",
    "9007199254740993",
]


@st.composite
def cards_and_texts(draw: Draw) -> tuple[HolderScorecard, list[Row]]:
    """A card and rows of text, as a CSV holds them."""
    card = draw(cards())

    def texts(field: Field) -> Strategy:
        printed = cells(field, hostile=True).map(lambda value: "" if value is None else str(value))
        return printed | st.sampled_from(GARBAGE)

    rows = st.fixed_dictionaries({field.name: texts(field) for field in card.fields})
    return card, draw(st.lists(rows, min_size=4, max_size=8))
