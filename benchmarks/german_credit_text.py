"""The texts that `fit_german_credit.py` writes: the policy and the README, with every number taken from the results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from privcredit.scorecard.expressions import OTHERWISE, write_expression
from privcredit.scorecard.model import Attribute, Characteristic, Scorecard, to_points
from privcredit.scorecard.predicates import TrueP

POLICY = """\
# May this applicant rent without a deposit? Written by benchmarks/fit_german_credit.py.
format = "privcredit-policy/1"
id = "deposit-free-rental"
scheme = "german-credit"
title = "Deposit-free rental"
question = "Eligible for a deposit-free rental?"
purpose = "To waive the deposit of a rental contract that the subject has asked for."
subject_class = "natural person"
consequence = "Not eligible means ordinary terms: the rental with a deposit. It is never a sanction."

# At {threshold} points the odds of a good risk are 5 to 1: waiving the deposit of a bad risk costs five times as much
# as asking a good one for it (the cost matrix of the data set).
threshold = {threshold}
score_bits = {score_bits}

verifiers = ["rental-platform"]
budget = 3
epoch = "30 days"
request_lifetime = "10 minutes"
contribution_lifetime = "10 minutes"
valid_for = "365 days"
"""


def policy(threshold: float, score_bits: int) -> str:
    """Return the policy file; every holder of the scorecard is required."""
    return POLICY.format(threshold=int(threshold), score_bits=score_bits)


def readme(card: Scorecard, report: Mapping[str, Any]) -> str:
    """Return the README of the scheme."""
    return "\n".join([INTRODUCTION, *accuracy(report), *groups(report), *points(card)]) + "\n"


INTRODUCTION = """\
# German Credit

Written by `benchmarks/fit_german_credit.py`; do not edit. The scorecard is in `scorecard.pmml` and, equal to it,
in `scorecard.toml`; the question is in `policy.toml`; the numbers below are in `report.json`.

`data.csv`: Statlog (German Credit Data), Hans Hofmann, UCI Machine Learning Repository, 1994, licence CC BY 4.0,
https://archive.ics.uci.edu/dataset/144/statlog+german+credit+data; attribute values are spelled out.

No scorecard uses the protected attributes `personal_status_and_sex`, `age_in_years` and `foreign_worker`, and the two
values of `job` that differ in residence are one bin. Bins are merged until each holds 5% of the applicants and differs
from its neighbour; a logistic regression on their weights of evidence gives the points: 500 are odds of 5 to 1 for a
good risk, and 50 more double the odds. A missing value counts as the worst bin."""


def accuracy(report: Mapping[str, Any]) -> Iterable[str]:
    """Yield the section on accuracy."""
    data, cut, auc, cost = report["data"], report["cut_off"], report["auc"], report["cost_rule"]
    yield f"""
## Accuracy

Held-out results of {data["folds"]}-fold cross-validation on {data["applicants"]:,} applicants; each fold fits bins,
weights and points on its training part only. Cost rule: a bad risk accepted costs {cost["bad_accepted"]}, a good one
refused {cost["good_refused"]}.
"""
    yield from table(
        ("", "AUC (sd over folds)", "eligible", "cost per applicant"),
        [
            ("model, unrounded", _auc(auc["model"]), _percent(cut["eligible_by_model"]), cut["cost_by_model"]),
            ("integer points", _auc(auc["points"]), _percent(cut["eligible_by_points"]), cut["cost_by_points"]),
            ("model with protected attributes", _auc(auc["with_protected"]), "", ""),
            ("everybody accepted", "", _percent(1), cut["cost_if_all_accepted"]),
            ("everybody refused", "", _percent(0), cut["cost_if_all_refused"]),
        ],
    )
    yield f"""
At the cut-off of {cost["threshold"]} points the integer points decide as the unrounded model for
{_percent(cut["agreement"])} of the applicants; no score differs by more than {cut["largest_difference"]} points."""


def groups(report: Mapping[str, Any]) -> Iterable[str]:
    """Yield the section on protected groups."""
    yield """
## Whom it treats how

Leaving an attribute out does not make groups fare alike. Held-out decisions of the integer points:
"""
    rows = [
        (name, one["applicants"], _percent(one["good"]), _percent(one["eligible"]), _percent(one["good_but_refused"]))
        for name, one in report["groups"].items()
    ]
    yield from table(("group", "applicants", "good risks", "eligible", "good risks refused"), rows)


def points(card: Scorecard) -> Iterable[str]:
    """Yield the scorecard as a table."""
    yield f"\n## The scorecard\n\nInitial score {card.initial_score:g}, the same for all."
    for holder in card.holders:
        own = card.for_holder(holder)
        yield f"\n### {holder} (up to {own.max_points} points)\n"
        rows = [row for one in own.characteristics for row in _rows(one, card.scale)]
        yield from table(("characteristic", "if", "score", "points"), rows)


def _rows(one: Characteristic, scale: int) -> Iterable[Sequence[object]]:
    for attribute in one.attributes:
        yield (one.name, _when(attribute), f"{attribute.score:g}", to_points(attribute.score, scale))


def _when(attribute: Attribute) -> str:
    when = OTHERWISE if isinstance(attribute.predicate, TrueP) else write_expression(attribute.predicate)
    return f"`{when}`"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterable[str]:
    """Yield a Markdown table."""
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join('---' for _ in head)} |"
    for row in rows:
        yield f"| {' | '.join(str(cell) for cell in row)} |"


def _auc(one: Mapping[str, float]) -> str:
    return f"{one['mean']:.4f} ({one['sd']:.4f})"


def _percent(share: float) -> str:
    return f"{share:.1%}"
