"""The scorecard: ordered characteristics, each of one holder; the first attribute that is true gives the score.

A score is a double, as PMML says, and counts as the decimal that it prints as. The protocol adds integers, the
**points**: each partial score and the initial one times `scale`, rounded half to even in rational arithmetic.
With n characteristics `|points / scale - score| <= (n + 1) / (2 scale)`; and `points / scale == score`, double for
double, if every score times `scale` is whole.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal, TypeAlias

from privcredit.errors import UsageError
from privcredit.scorecard.canonical import scorecard_digest
from privcredit.scorecard.checks import check_scorecard
from privcredit.scorecard.fields import Field
from privcredit.scorecard.predicates import Predicate, Row, Value, fields_of

ReasonCodeAlgorithm: TypeAlias = Literal["pointsBelow", "pointsAbove"]

UNNAMED_HOLDER = ""
"""The holder of every characteristic until one is assigned: enough to score, too little to publish."""

EXACT_DECIMALS = 3
"""Scores with up to this many decimals stay exact; each bit of the scale makes the comparison dearer."""

FALLBACK_SCALE = 100
"""For longer decimals (fitted weights): off by at most half a hundredth per characteristic."""


class NoAttributeError(UsageError):
    """No attribute of a characteristic is true for a record: PMML calls the score invalid, and so do we."""

    def __init__(self, characteristic: str) -> None:
        super().__init__(
            f"Characteristic {characteristic!r} has no attribute that is true for this record; "
            "add one for the remaining values (`otherwise`), or correct the record."
        )
        self.characteristic = characteristic


@dataclass(frozen=True, slots=True)
class Attribute:
    """One bin: its condition, its partial score (PMML double), its own reason code if any."""

    predicate: Predicate
    score: float
    reason_code: str | None = None


@dataclass(frozen=True, slots=True)
class Characteristic:
    """Ordered attributes of one holder; the first that is true counts. The rest is as in PMML."""

    name: str
    holder: str
    attributes: tuple[Attribute, ...]
    reason_code: str | None = None
    baseline: float | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields that its conditions read."""
        return _distinct(name for attribute in self.attributes for name in fields_of(attribute.predicate))

    def match(self, row: Row) -> Attribute:
        """Return the first attribute that is true on a prepared row; raises NoAttributeError."""
        for attribute in self.attributes:
            if attribute.predicate.holds(row) is True:
                return attribute
        raise NoAttributeError(self.name)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one characteristic gave for one record: PMML score, points, reason code."""

    characteristic: str
    score: float
    points: int
    reason_code: str | None


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """A plaintext score: the PMML double, the protocol's integer, the ranked reason codes."""

    score: float
    points: int
    reason_codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HolderScorecard:
    """The part that one holder computes from its own records; the initial score is in none."""

    name: str
    version: str
    holder: str
    scale: int
    fields: tuple[Field, ...]
    characteristics: tuple[Characteristic, ...]

    @property
    def digest(self) -> bytes:
        """SHA-256 (32 bytes) of its canonical bytes; equal however the scorecard was written down."""
        return scorecard_digest(self)

    @property
    def min_points(self) -> int:
        """The fewest points that any record can have."""
        return sum(min(self._points_of(one)) for one in self.characteristics)

    @property
    def max_points(self) -> int:
        """The most points that any record can have."""
        return sum(max(self._points_of(one)) for one in self.characteristics)

    def points(self, row: Mapping[str, object]) -> int:
        """Return the points of a record (raw or typed cells). Raises CellError or NoAttributeError."""
        return sum(outcome.points for outcome in self.explain(row))

    def explain(self, row: Mapping[str, object]) -> tuple[Outcome, ...]:
        """Return what each characteristic gave for a record. Raises CellError or NoAttributeError."""
        prepared = prepare(self.fields, row)
        return tuple(outcome(one, prepared, self.scale) for one in self.characteristics)

    def _points_of(self, characteristic: Characteristic) -> list[int]:
        return [to_points(attribute.score, self.scale) for attribute in characteristic.attributes]


@dataclass(frozen=True, slots=True)
class Scorecard:
    """A whole scorecard: what PMML calls `Scorecard`, with a holder per characteristic and a scale.

    baseline is the model-wide one; characteristics may have their own. Checked when made: raises UsageError.
    """

    name: str
    version: str
    fields: tuple[Field, ...]
    characteristics: tuple[Characteristic, ...]
    initial_score: float = 0.0
    scale: int = 1
    use_reason_codes: bool = False
    reason_code_algorithm: ReasonCodeAlgorithm = "pointsBelow"
    baseline: float | None = None
    baseline_method: str = "other"

    def __post_init__(self) -> None:
        check_scorecard(self)

    @property
    def holders(self) -> tuple[str, ...]:
        """The names of the holders, in order of their first characteristic."""
        return _distinct(one.holder for one in self.characteristics)

    @property
    def used_fields(self) -> tuple[str, ...]:
        """The names of the fields that some condition reads, in order of first use."""
        return _distinct(name for one in self.characteristics for name in one.fields)

    @property
    def initial_points(self) -> int:
        """The initial score in points; no holder contributes it, the threshold is lowered by it instead."""
        return to_points(self.initial_score, self.scale)

    @property
    def is_exact(self) -> bool:
        """Whether `points / scale` is the score itself for every record."""
        return all((exact(score) * self.scale).denominator == 1 for score in self._all_scores())

    @property
    def rounding_bound(self) -> float:
        """The most that `points / scale` can differ from the score; 0 if exact."""
        return 0.0 if self.is_exact else (len(self.characteristics) + 1) / (2 * self.scale)

    def for_holder(self, holder: str) -> HolderScorecard:
        """Return the part that `holder` computes; raises UsageError if it has none."""
        own = tuple(one for one in self.characteristics if one.holder == holder)
        if not own:
            raise UsageError(
                f"Scorecard {self.name!r} has no characteristic of holder {holder!r}; "
                f"its holders are {', '.join(self.holders)}."
            )
        used = set(_distinct(name for one in own for name in one.fields))
        fields = tuple(field for field in self.fields if field.name in used)
        return HolderScorecard(self.name, self.version, holder, self.scale, fields, own)

    def score(self, row: Mapping[str, object]) -> ScoreResult:
        """Return the plaintext score of a raw or typed record. Raises CellError or NoAttributeError."""
        prepared = prepare(self.fields, row)
        outcomes = [outcome(one, prepared, self.scale) for one in self.characteristics]
        score = float(sum((exact(one.score) for one in outcomes), exact(self.initial_score)))
        points = self.initial_points + sum(one.points for one in outcomes)
        return ScoreResult(score, points, self._ranked(outcomes))

    def _ranked(self, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
        """Reason codes by falling distance from the baseline on the adverse side; ties in document order."""
        if not self.use_reason_codes:
            return ()
        sign = 1 if self.reason_code_algorithm == "pointsBelow" else -1
        distances: dict[str, Fraction] = {}
        for characteristic, result in zip(self.characteristics, outcomes, strict=True):
            baseline = self.baseline if characteristic.baseline is None else characteristic.baseline
            if result.reason_code is not None and baseline is not None:
                before = distances.get(result.reason_code, Fraction(0))
                distances[result.reason_code] = before + sign * (exact(baseline) - exact(result.score))
        return tuple(code for code, distance in sorted(distances.items(), key=_falling) if distance >= 0)

    def _all_scores(self) -> list[float]:
        partial = [attribute.score for one in self.characteristics for attribute in one.attributes]
        return [self.initial_score, *partial]


def prepare(fields: Iterable[Field], row: Mapping[str, object]) -> dict[str, Value | None]:
    """Return the typed record of `fields`; what the row does not have is missing. Raises CellError."""
    return {field.name: field.prepare(row.get(field.name)) for field in fields}


def outcome(characteristic: Characteristic, prepared: Row, scale: int) -> Outcome:
    """Return what `characteristic` gives for a prepared record."""
    attribute = characteristic.match(prepared)
    reason = attribute.reason_code or characteristic.reason_code
    return Outcome(characteristic.name, attribute.score, to_points(attribute.score, scale), reason)


def to_points(score: float, scale: int) -> int:
    """Return `score * scale` rounded half to even, exactly."""
    return round(exact(score) * scale)


@lru_cache(maxsize=4096)
def exact(score: float) -> Fraction:
    """Return the decimal that `score` prints as (its shortest representation), as a person wrote it.

    Raises UsageError for what is no finite number.
    """
    if not math.isfinite(score):
        raise UsageError(f"{score} is no number to calculate with; write a finite one.")
    return Fraction(repr(float(score)))


def choose_scale(scores: Iterable[float]) -> int:
    """Return the least power of ten that makes every score whole, FALLBACK_SCALE beyond EXACT_DECIMALS."""
    decimals = max((_decimals(score) for score in scores), default=0)
    return 10**decimals if decimals <= EXACT_DECIMALS else FALLBACK_SCALE


def _decimals(score: float) -> int:
    denominator = exact(score).denominator
    return next((d for d in range(EXACT_DECIMALS + 1) if 10**d % denominator == 0), EXACT_DECIMALS + 1)


def _falling(item: tuple[str, Fraction]) -> Fraction:
    return -item[1]


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
