"""Fit a readable scorecard: coarse bins, weight of evidence, logistic regression, points that double the odds.

Deterministic: no random numbers, ties in document order, a convex fit driven far below the printed decimals.
Source of the method: Siddiqi, Credit Risk Scorecards (2006), chapters 6 and 7.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from sklearn.linear_model import LogisticRegression

Cell = str | int
Row = Mapping[str, Cell]

MINIMUM_SHARE = 0.05
"""A bin with fewer of the rows says more about chance than about people."""

MINIMUM_GAP = 0.20
"""Neighbouring bins whose weights of evidence differ by less are one bin."""

MINIMUM_INFORMATION = 0.02
"""Information value below which a characteristic is called unpredictive and left out."""

SMOOTHING = 0.5
"""Rows added to both outcomes of a bin, so that a pure bin keeps a finite weight."""

DECIMALS = 2
"""Partial scores are written with so many; the points are whole numbers anyway."""


@dataclass(frozen=True)
class Bin:
    """One bin of a characteristic: a set of texts, or numbers in [low, high)."""

    values: tuple[str, ...] = ()
    low: float = -math.inf
    high: float = math.inf

    def holds(self, cell: Cell) -> bool:
        return cell in self.values if isinstance(cell, str) else self.low <= cell < self.high

    def join(self, other: Bin) -> Bin:
        return Bin(self.values + other.values, min(self.low, other.low), max(self.high, other.high))


@dataclass(frozen=True)
class Binned:
    """A characteristic in bins, with each bin's weight of evidence and the characteristic's information value."""

    name: str
    bins: tuple[Bin, ...]
    weights: tuple[float, ...]
    information: float

    def weight(self, row: Row) -> float:
        return next(w for one, w in zip(self.bins, self.weights, strict=True) if one.holds(row[self.name]))


@dataclass(frozen=True)
class Scaling:
    """`anchor` points are odds (good to bad) of `odds`, and `double` more points double them."""

    anchor: float
    odds: float
    double: float

    @property
    def factor(self) -> float:
        return self.double / math.log(2)

    def points(self, log_odds: float) -> float:
        return self.anchor + self.factor * (log_odds - math.log(self.odds))


@dataclass(frozen=True)
class Model:
    """Log odds of a good outcome: intercept plus coefficient times weight of evidence."""

    characteristics: tuple[Binned, ...]
    coefficients: tuple[float, ...]
    intercept: float

    def log_odds(self, row: Row) -> float:
        terms = (c * one.weight(row) for one, c in zip(self.characteristics, self.coefficients, strict=True))
        return self.intercept + math.fsum(terms)


@dataclass(frozen=True)
class Points:
    """The model as partial scores (worst bin 0, the rest in the initial score), printed with DECIMALS."""

    initial: float
    partial: tuple[tuple[float, ...], ...]


def fit(rows: Sequence[Row], good: Sequence[bool], candidates: Mapping[str, Sequence[Bin]]) -> Model:
    """Return the model over those candidates that are predictive and work in the expected direction."""
    binned = [coarse(name, bins, rows, good) for name, bins in candidates.items()]
    chosen = [one for one in binned if one.information >= MINIMUM_INFORMATION]
    while True:
        model = _regress(chosen, rows, good)
        wrong = [one for one, c in zip(chosen, model.coefficients, strict=True) if c <= 0]
        if not wrong:
            return model
        chosen.remove(min(wrong, key=lambda one: one.information))


def _regress(chosen: Sequence[Binned], rows: Sequence[Row], good: Sequence[bool]) -> Model:
    matrix = np.array([[one.weight(row) for one in chosen] for row in rows])
    regression = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12, max_iter=200)
    regression.fit(matrix, np.array(good))
    return Model(tuple(chosen), tuple(map(float, regression.coef_[0])), float(regression.intercept_[0]))


def coarse(name: str, bins: Sequence[Bin], rows: Sequence[Row], good: Sequence[bool]) -> Binned:
    """Return `bins` merged until each is large enough and differs from its neighbours.

    Numbers merge with their neighbours in value, texts with their neighbours in weight of evidence.
    """
    cells = [(row[name], outcome) for row, outcome in zip(rows, good, strict=True)]
    merged = list(bins)
    while True:
        counts = [_count(one, cells) for one in merged]
        if merged[0].values:
            order = sorted(range(len(merged)), key=lambda i: _weight(counts[i], counts))
            merged, counts = [merged[i] for i in order], [counts[i] for i in order]
        position = _next_merge(counts)
        if position is None:
            weights = tuple(_weight(count, counts) for count in counts)
            return Binned(name, tuple(merged), weights, _information(counts, weights))
        merged[position : position + 2] = [merged[position].join(merged[position + 1])]


def _count(one: Bin, cells: Sequence[tuple[Cell, bool]]) -> tuple[int, int]:
    outcomes = [outcome for cell, outcome in cells if one.holds(cell)]
    return sum(outcomes), len(outcomes) - sum(outcomes)


def _weight(count: tuple[int, int], counts: Sequence[tuple[int, int]]) -> float:
    good, bad = (sum(one[side] for one in counts) for side in (0, 1))
    return math.log((count[0] + SMOOTHING) / good) - math.log((count[1] + SMOOTHING) / bad)


def _information(counts: Sequence[tuple[int, int]], weights: Sequence[float]) -> float:
    good, bad = (sum(one[side] for one in counts) for side in (0, 1))
    return sum((g / good - b / bad) * w for (g, b), w in zip(counts, weights, strict=True))


def _next_merge(counts: Sequence[tuple[int, int]]) -> int | None:
    """The neighbours to merge: those of a bin that is too small, else the closest, if they are too close; else None."""
    if len(counts) == 1:
        return None
    total = sum(map(sum, counts))
    weights = [_weight(count, counts) for count in counts]
    gaps = [abs(high - low) for low, high in pairwise(weights)]
    small = [i for i, count in enumerate(counts) if sum(count) < MINIMUM_SHARE * total]
    if small:
        return min((i for i in (small[0] - 1, small[0]) if 0 <= i < len(gaps)), key=gaps.__getitem__)
    closest = min(range(len(gaps)), key=gaps.__getitem__)
    return closest if gaps[closest] < MINIMUM_GAP else None


def to_points(model: Model, scaling: Scaling) -> Points:
    """Return partial scores that are 0 in the worst bin of each characteristic."""
    partial, initial = [], scaling.points(model.intercept)
    for one, coefficient in zip(model.characteristics, model.coefficients, strict=True):
        scores = [scaling.factor * coefficient * weight for weight in one.weights]
        initial += min(scores)
        partial.append(tuple(round(score - min(scores), DECIMALS) + 0.0 for score in scores))
    return Points(round(initial, DECIMALS), tuple(partial))
