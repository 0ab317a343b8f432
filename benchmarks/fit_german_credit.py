"""Fit the German Credit scorecard and write it, its policy and its accuracy report.

    python benchmarks/fit_german_credit.py [--out DIRECTORY]

Reads nothing but the data set, uses no protected attribute, and gives the same files every time. What is written:
scorecard.pmml, scorecard.toml, policy.toml, report.json, README.md. Numbers in README.md come from report.json.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

import german_credit_text
from privcredit.errors import UsageError
from privcredit.research.german_credit import COLUMNS, FOLDER, NUMBERS, OUTCOME, PROTECTED, applicants
from privcredit.scorecard.fields import Field, Interval
from privcredit.scorecard.model import Attribute, Characteristic, Scorecard
from privcredit.scorecard.pmml_write import write_pmml
from privcredit.scorecard.predicates import Compare, Compound, InSet, IsMissing, Predicate, TrueP
from privcredit.scorecard.toml_write import write_toml
from woe_scorecard import Bin, Binned, Cell, Model, Points, Row, Scaling, fit, to_points

COST_BAD_ACCEPTED, COST_GOOD_REFUSED = 5, 1
"""The data set's own cost matrix (UCI): accepting a bad risk costs five times as much as refusing a good one."""

SCALING = Scaling(anchor=500, odds=COST_BAD_ACCEPTED / COST_GOOD_REFUSED, double=50)
"""At 500 points accepting and refusing cost the same in expectation, so 500 is the threshold, known before any data."""

SCORE_BITS = 10
FOLDS, SHUFFLE_SEED = 10, 0

CUTS: Mapping[str, Sequence[int]] = {
    "duration_in_month": (9, 12, 18, 24, 36, 48),
    "credit_amount": (1000, 1500, 2000, 3000, 4000, 6000, 8000),
    "age_in_years": (25, 30, 40, 50),
}
"""Round numbers that a person would choose; other numbers have so few values that each is a bin."""

ONE_BIN: Mapping[str, Sequence[tuple[str, ...]]] = {
    "job": (("unskilled - resident", "unemployed/ unskilled - non-resident"),),
}
"""Kept together from the start: residence would stand for the protected `foreign_worker`."""

REASONS = {
    "status_of_existing_checking_account": "checking-account",
    "savings_account_and_bonds": "savings",
    "credit_history": "credit-history",
    "number_of_existing_credits_at_this_bank": "number-of-credits",
    "telephone": "telephone",
    "present_employment_since": "employment",
    "job": "job",
    "number_of_people_being_liable_to_provide_maintenance_for": "dependants",
    "housing": "housing",
    "property": "property",
    "present_residence_since": "residence",
    "duration_in_month": "loan-duration",
    "purpose": "loan-purpose",
    "credit_amount": "loan-amount",
    "installment_rate_in_percentage_of_disposable_income": "installment-rate",
    "other_debtors_or_guarantors": "guarantor",
    "other_installment_plans": "other-installments",
}

PERMITTED = tuple(name for names in COLUMNS.values() for name in names)


def main() -> None:
    """Fit on all applicants, evaluate on held-out folds, write the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=FOLDER)
    write_all(parser.parse_args().out)


def write_all(directory: Path) -> None:
    """Write the five files into `directory`."""
    rows = applicants()
    card = build_scorecard(rows)
    report = evaluate(rows)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "scorecard.pmml").write_bytes(write_pmml(card))
    (directory / "scorecard.toml").write_text(write_toml(card), encoding="utf-8")
    (directory / "policy.toml").write_text(german_credit_text.policy(SCALING.anchor, SCORE_BITS), encoding="utf-8")
    (directory / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (directory / "README.md").write_text(german_credit_text.readme(card, report), encoding="utf-8")


def candidates(rows: Sequence[Row], names: Iterable[str] = PERMITTED) -> dict[str, list[Bin]]:
    """Return the finest bins of every permitted column; the fit merges them."""
    return {name: _finest(name, {row[name] for row in rows}) for name in names}


def _finest(name: str, cells: set[Cell]) -> list[Bin]:
    if name in NUMBERS:
        numbers = sorted(int(cell) for cell in cells)
        edges = [-math.inf, *CUTS.get(name, numbers[1:]), math.inf]
        return [Bin(low=low, high=high) for low, high in pairwise(edges)]
    together = {text: group for group in ONE_BIN.get(name, ()) for text in group}
    return [Bin(values=group) for group in sorted({together.get(str(cell), (str(cell),)) for cell in cells})]


def outcomes(rows: Sequence[Row]) -> list[bool]:
    """Return whether each applicant turned out good."""
    return [row[OUTCOME] == "good" for row in rows]


def build_scorecard(rows: Sequence[Row]) -> Scorecard:
    """Return the scorecard fitted on `rows`."""
    model = fit(rows, outcomes(rows), candidates(applicants()))
    return scorecard(model, to_points(model, SCALING))


def scorecard(model: Model, points: Points) -> Scorecard:
    """Return the points as a PMML-shaped scorecard, by holder."""
    holder_of = {name: holder for holder, names in COLUMNS.items() for name in names}
    parts = sorted(
        zip(model.characteristics, points.partial, strict=True), key=lambda part: PERMITTED.index(part[0].name)
    )
    card = Scorecard(
        name="german-credit",
        version="1",
        fields=tuple(_field(one) for one, _ in parts),
        characteristics=tuple(_characteristic(one, scores, holder_of[one.name]) for one, scores in parts),
        initial_score=points.initial,
        scale=1,
        use_reason_codes=True,
        reason_code_algorithm="pointsBelow",
        baseline_method="max",
    )
    _check_width(card)
    return card


def _check_width(card: Scorecard) -> None:
    total = sum(card.for_holder(holder).max_points for holder in card.holders)
    if total >= 2**SCORE_BITS:
        raise UsageError(
            f"The scorecard gives up to {total} points, which {SCORE_BITS} bits do not hold; lower `double`."
        )


def _field(one: Binned) -> Field:
    if one.name in NUMBERS:
        return Field(one.name, "integer", intervals=(Interval(low=1),))
    return Field(one.name, "string", valid=tuple(sorted(value for part in one.bins for value in part.values)))


def _characteristic(one: Binned, scores: Sequence[float], holder: str) -> Characteristic:
    """A missing value counts as the worst bin: nobody gains by hiding one."""
    attributes = [Attribute(IsMissing(one.name), 0.0)]
    for part, score in zip(one.bins, scores, strict=True):
        attributes.append(Attribute(_predicate(one.name, part), score))
    return Characteristic(one.name, holder, tuple(attributes), REASONS[one.name], max(scores))


def _predicate(name: str, part: Bin) -> Predicate:
    if part.values:
        return InSet(name, part.values)
    ends = [Compare(name, ">=", int(part.low))] if math.isfinite(part.low) else []
    ends += [Compare(name, "<", int(part.high))] if math.isfinite(part.high) else []
    if len(ends) == 2:
        return Compound("and", tuple(ends))
    return ends[0] if ends else TrueP()


def evaluate(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the accuracy on held-out folds; each fold fits all anew, on its training part only."""
    good = outcomes(rows)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SHUFFLE_SEED).split([0] * len(rows), good)
    held_out: dict[int, dict[str, float]] = {}
    measured = []
    for training, test in folds:
        predictions = _predict([rows[i] for i in training], [rows[i] for i in test])
        held_out |= dict(zip(map(int, test), predictions, strict=True))
        measured.append(_fold([good[i] for i in test], predictions))
    pooled = [held_out[i] for i in range(len(rows))]
    return {
        "data": {"applicants": len(rows), "good": sum(good), "folds": FOLDS, "shuffle_seed": SHUFFLE_SEED},
        "cost_rule": {
            "bad_accepted": COST_BAD_ACCEPTED,
            "good_refused": COST_GOOD_REFUSED,
            "threshold": SCALING.anchor,
        },
        "auc": {name: _spread([fold[name] for fold in measured]) for name in measured[0]},
        "cut_off": _cut_off(good, pooled),
        "groups": _groups(rows, good, pooled),
        "environment": {"python": platform.python_version(), "scikit-learn": version("scikit-learn")},
    }


def _predict(training: Sequence[Row], test: Sequence[Row]) -> list[dict[str, float]]:
    good = outcomes(training)
    model = fit(training, good, candidates(applicants()))
    with_protected = fit(training, good, candidates(applicants(), (*PERMITTED, *PROTECTED)))
    card = scorecard(model, to_points(model, SCALING))
    return [
        {
            "model": SCALING.points(model.log_odds(row)),
            "points": card.score(row).points,
            "with_protected": SCALING.points(with_protected.log_odds(row)),
        }
        for row in test
    ]


def _fold(good: Sequence[bool], predictions: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: roc_auc_score(good, [one[name] for one in predictions]) for name in predictions[0]}


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"mean": round(statistics.mean(values), 4), "sd": round(statistics.stdev(values), 4)}


def _cut_off(good: Sequence[bool], pooled: Sequence[Mapping[str, float]]) -> dict[str, float]:
    by_model = [one["model"] >= SCALING.anchor for one in pooled]
    by_points = [one["points"] >= SCALING.anchor for one in pooled]
    return {
        "agreement": _share(a == b for a, b in zip(by_model, by_points, strict=True)),
        "largest_difference": round(max(abs(one["model"] - one["points"]) for one in pooled), 2),
        "eligible_by_model": _share(by_model),
        "eligible_by_points": _share(by_points),
        "cost_by_model": _cost(good, by_model),
        "cost_by_points": _cost(good, by_points),
        "cost_if_all_accepted": _cost(good, [True] * len(good)),
        "cost_if_all_refused": _cost(good, [False] * len(good)),
    }


def _share(flags: Iterable[bool]) -> float:
    return round(statistics.mean(map(float, flags)), 4)


def _cost(good: Sequence[bool], accepted: Sequence[bool]) -> float:
    costs = (
        COST_BAD_ACCEPTED * (taken and not outcome) + COST_GOOD_REFUSED * (outcome and not taken)
        for outcome, taken in zip(good, accepted, strict=True)
    )
    return round(statistics.mean(costs), 4)


GROUPS: Mapping[str, Callable[[Row], bool]] = {
    "women": lambda row: str(row["personal_status_and_sex"]).startswith("female"),
    "men": lambda row: str(row["personal_status_and_sex"]).startswith("male"),
    "25 years or younger": lambda row: int(row["age_in_years"]) <= 25,
    "older than 25": lambda row: int(row["age_in_years"]) > 25,
    "foreign workers": lambda row: row["foreign_worker"] == "yes",
    "not foreign workers": lambda row: row["foreign_worker"] == "no",
}


def _groups(
    rows: Sequence[Row], good: Sequence[bool], pooled: Sequence[Mapping[str, float]]
) -> dict[str, dict[str, float]]:
    """How the blind scorecard treats the groups it cannot see."""
    eligible = [one["points"] >= SCALING.anchor for one in pooled]
    return {
        name: _group([i for i, row in enumerate(rows) if member(row)], good, eligible)
        for name, member in GROUPS.items()
    }


def _group(members: Sequence[int], good: Sequence[bool], eligible: Sequence[bool]) -> dict[str, float]:
    return {
        "applicants": len(members),
        "good": _share(good[i] for i in members),
        "eligible": _share(eligible[i] for i in members),
        "good_but_refused": _share(not eligible[i] for i in members if good[i]),
    }


if __name__ == "__main__":
    main()
