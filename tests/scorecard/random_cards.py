"""Hypothesis strategies: scorecards, and rows that hit their borders."""

from typing import Any

from hypothesis import strategies as st

from privcredit.scorecard.fields import Field, Interval
from privcredit.scorecard.model import Attribute, Characteristic, Scorecard, choose_scale
from privcredit.scorecard.predicates import (
    COMPARISONS,
    ORDERINGS,
    Compare,
    Compound,
    FalseP,
    InSet,
    IsMissing,
    TrueP,
)

TEXTS = ["a", "b", "two words", 'say "x"', "it's", "back\\slash", "ünï", "a,b", " pad ", "NA", "0", "true"]
NUMBERS = [-3, 0, 1, 2, 18, 29, 1000]
DOUBLES = [-0.5, 0.1, 2.25, 1e-7, 1000.0, 12345678.9]
NAMES = ["age", "credit amount", "and", "dept-no", "x`".replace("`", "'"), "größe"]

scores = st.one_of(st.integers(-60, 60).map(float), st.sampled_from([0.5, -0.25, 9.7, -2.3, 0.125, 1 / 3, -7.0000001]))
codes = st.sampled_from(["RC1", "RC2", "RC 3", "RC<4>"])


def values(kind: str) -> Any:
    if kind == "string":
        return st.sampled_from(TEXTS)
    if kind == "boolean":
        return st.sampled_from(["true", "false"])
    return st.sampled_from(NUMBERS) if kind == "integer" else st.sampled_from([*map(float, NUMBERS), *DOUBLES])


@st.composite
def intervals(draw: Any) -> Any:
    low, high = sorted(draw(st.lists(st.sampled_from([-5.0, 0.0, 2.5, 29.0]), min_size=2, max_size=2, unique=True)))
    return Interval(
        draw(st.sampled_from([None, low])),
        draw(st.sampled_from([None, high])),
        draw(st.booleans()),
        draw(st.booleans()),
    )


@st.composite
def fields(draw: Any, name: str, kind: str) -> Any:
    few = st.lists(values(kind), max_size=2, unique=True).map(tuple)
    numeric = kind in ("integer", "double")
    treatment = draw(st.sampled_from(["refuse", "missing", "keep", "replace"]))
    refuse_missing = draw(st.sampled_from([False, False, False, True]))
    return Field(
        name=name,
        kind=kind,
        missing=draw(few),
        valid=draw(few),
        invalid=draw(few),
        intervals=tuple(draw(st.lists(intervals(), max_size=2))) if numeric else (),
        replacement=None if refuse_missing else draw(st.none() | values(kind)),
        treatment=treatment,
        substitute=draw(values(kind)) if treatment == "replace" else None,
        refuse_missing=refuse_missing,
    )


def leaves(by_name: Any) -> Any:
    def of(field: Any) -> Any:
        ops = sorted(COMPARISONS) if field.kind in ("integer", "double") else sorted(set(COMPARISONS) - ORDERINGS)
        return st.one_of(
            st.builds(Compare, st.just(field.name), st.sampled_from(ops), values(field.kind)),
            st.builds(IsMissing, st.just(field.name), st.booleans()),
            st.builds(InSet, st.just(field.name), st.lists(values(field.kind), max_size=3).map(tuple), st.booleans()),
        )

    return st.one_of(st.just(TrueP()), st.just(FalseP()), *(of(field) for field in by_name))


def predicates(by_name: Any) -> Any:
    return st.recursive(
        leaves(by_name),
        lambda inner: st.builds(
            Compound,
            st.sampled_from(["and", "or", "xor", "surrogate"]),
            st.lists(inner, min_size=2, max_size=3).map(tuple),
        ),
        max_leaves=5,
    )


@st.composite
def scorecards(draw: Any, restrict: Any = True, holders: Any = ("bank", "court", "")) -> Any:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    kinds = [draw(st.sampled_from(["string", "integer", "double", "boolean"])) for _ in names]
    chosen = tuple(
        draw(fields(name, kind)) if restrict else Field(name, kind) for name, kind in zip(names, kinds, strict=True)
    )
    characteristics = []
    for number in range(draw(st.integers(1, 3))):
        bins = draw(st.lists(st.tuples(predicates(chosen), scores, st.none() | codes), min_size=0, max_size=3))
        attributes = [Attribute(*one) for one in bins] + [Attribute(TrueP(), draw(scores))]
        characteristics.append(
            Characteristic(
                f"part {number}",
                draw(st.sampled_from(holders)),
                tuple(attributes),
                draw(codes),
                draw(st.none() | scores),
            )
        )
    written = [attribute.score for one in characteristics for attribute in one.attributes]
    initial = draw(scores)
    return Scorecard(
        name=draw(st.sampled_from(["card", "a & b"])),
        version="2",
        fields=chosen,
        characteristics=tuple(characteristics),
        initial_score=initial,
        scale=draw(st.sampled_from([1, 10, 100, choose_scale([initial, *written])])),
        use_reason_codes=draw(st.booleans()),
        reason_code_algorithm=draw(st.sampled_from(["pointsBelow", "pointsAbove"])),
        baseline=draw(scores),
        baseline_method=draw(st.sampled_from(["max", "min", "mean", "neutral", "other"])),
    )


@st.composite
def rows(draw: Any, card: Scorecard) -> Any:
    """Cells as a CSV file has them: texts, some empty, some of no valid type."""
    cells = {}
    for field in card.fields:
        known = values(field.kind).map(lambda value: value if isinstance(value, str) else repr(value))
        odd = st.just("nonsense") if field.kind != "boolean" else st.just("perhaps")
        cells[field.name] = draw(st.one_of(known, known, st.just(""), odd))
    return cells
