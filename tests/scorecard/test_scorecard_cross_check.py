"""Random scorecards against a second implementation, and through both file formats."""

from fractions import Fraction
from typing import Any

import naive_pmml
import pytest
import random_cards
from hypothesis import given, settings
from hypothesis import strategies as st

from privcredit.errors import UsageError
from privcredit.scorecard.fields import CellError
from privcredit.scorecard.model import NoAttributeError, exact
from privcredit.scorecard.pmml import parse_pmml
from privcredit.scorecard.pmml_write import write_pmml
from privcredit.scorecard.toml_format import parse_toml
from privcredit.scorecard.toml_write import write_toml

cards_and_rows = random_cards.scorecards().flatmap(lambda card: st.tuples(st.just(card), random_cards.rows(card)))


def naive_boolean(card: Any, cells: Any) -> Any:
    """The naive reader takes booleans as they stand; any other text is invalid, which it cannot see."""
    return any(field.kind == "boolean" and cells[field.name] not in ("true", "false", "") for field in card.fields)


@settings(max_examples=120, deadline=None)
@given(cards_and_rows)
def test_scores_and_reasons_equal_a_second_implementation(card_and_row: Any) -> None:
    card, cells = card_and_row
    if naive_boolean(card, cells):
        return
    try:
        document = write_pmml(card)
    except UsageError:
        return  # a value that PMML cannot write in a list
    try:
        expected = naive_pmml.evaluate(document, cells)
    except naive_pmml.InvalidResult:
        with pytest.raises((CellError, NoAttributeError)):
            card.score(cells)
        return
    result = card.score(cells)
    assert result.score == pytest.approx(expected[0], abs=1e-9)
    assert list(result.reason_codes) == expected[1]


@settings(max_examples=60, deadline=None)
@given(random_cards.scorecards())
def test_pmml_reads_back_as_the_same_scorecard(card: Any) -> None:
    try:
        document = write_pmml(card)
    except UsageError:
        return  # a value that PMML cannot write in a list
    assert parse_pmml(document, "card.pmml") == card


@settings(max_examples=60, deadline=None)
@given(random_cards.scorecards())
def test_toml_reads_back_as_the_same_scorecard(card: Any) -> None:
    again = parse_toml(write_toml(card), "card.toml")
    if not card.use_reason_codes:  # then the format has no place for a model-wide baseline
        assert (again.characteristics, again.fields, again.scale) == (card.characteristics, card.fields, card.scale)
    else:
        assert again == card
    assert [again.for_holder(h).digest for h in again.holders] == [card.for_holder(h).digest for h in card.holders]


@settings(max_examples=80, deadline=None)
@given(cards_and_rows)
def test_points_stay_within_the_stated_bound_and_add_up_over_holders(card_and_row: Any) -> None:
    card, cells = card_and_row
    try:
        result = card.score(cells)
    except (CellError, NoAttributeError):
        return
    outcomes = [one for holder in card.holders for one in card.for_holder(holder).explain(cells)]
    score = exact(card.initial_score) + sum(exact(one.score) for one in outcomes)
    difference = abs(Fraction(result.points, card.scale) - score)
    assert difference <= Fraction(len(card.characteristics) + 1, 2 * card.scale)
    assert difference <= Fraction(card.rounding_bound)
    if card.is_exact:
        assert result.points / card.scale == result.score
    for holder in card.holders:
        part = card.for_holder(holder)
        assert part.min_points <= part.points(cells) <= part.max_points
    assert card.initial_points + sum(card.for_holder(h).points(cells) for h in card.holders) == result.points
