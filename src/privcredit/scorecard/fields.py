"""What a field may hold, and how a raw cell becomes a typed value or a missing one.

The order is PMML's (4.4, "Mining Schema"): missing markers, then type and valid values, then the treatment of
what is invalid, then the replacement of what is missing.
"""

import math
import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from privcredit.errors import UsageError
from privcredit.scorecard.predicates import Value

Kind: TypeAlias = Literal["string", "integer", "double", "boolean"]
KINDS: tuple[Kind, ...] = ("string", "integer", "double", "boolean")
TEXT_KINDS = frozenset({"string", "boolean"})
"""Kinds whose values are texts; a boolean's are "true" and "false"."""

_BOOLEANS = {"true": "true", "1": "true", "false": "false", "0": "false"}

Treatment: TypeAlias = Literal["refuse", "missing", "keep", "replace"]
"""What to do with an invalid value: PMML's returnInvalid, asMissing, asIs, asValue."""

MAX_INTEGER = 2**53
"""Integers beyond are not exact as doubles, and database engines would disagree on comparisons."""

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)


class CellError(UsageError):
    """A cell does not fit its field `column`; the sentence never repeats the value (it is somebody's)."""

    def __init__(self, column: str, problem: str) -> None:
        super().__init__(f"Column {column!r}: {problem}.")
        self.column = column
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Interval:
    """A range of valid numbers; None is an open end; closed ends belong to it (PMML Interval)."""

    low: float | None = None
    high: float | None = None
    low_closed: bool = True
    high_closed: bool = True

    def contains(self, value: float) -> bool:
        """Whether `value` lies in the interval."""
        above = self.low is None or value > self.low or (self.low_closed and value == self.low)
        below = self.high is None or value < self.high or (self.high_closed and value == self.high)
        return above and below


@dataclass(frozen=True, slots=True)
class Field:
    """One input column.

    missing: values that stand for "missing" besides an empty cell; valid: the only valid values, if any are
    given; invalid: values that are invalid; intervals: ranges that are valid besides `valid`; replacement: what
    a missing value becomes (None: it stays missing); treatment and substitute: what an invalid value becomes;
    refuse_missing: missing is itself invalid.
    """

    name: str
    kind: Kind
    missing: tuple[Value, ...] = ()
    valid: tuple[Value, ...] = ()
    invalid: tuple[Value, ...] = ()
    intervals: tuple[Interval, ...] = ()
    replacement: Value | None = None
    treatment: Treatment = "refuse"
    substitute: Value | None = None
    refuse_missing: bool = False

    def prepare(self, raw: object) -> Value | None:
        """Return the typed value of a raw cell, None for a missing one; raises CellError for what is refused.

        raw: text as in a CSV cell, a typed database value, or None; an empty text is missing.
        """
        if raw is None or raw == "" or self._marks_missing(raw):
            return self._when_missing()
        value = parse(self.kind, raw)
        if value is not None and self.is_valid(value):
            return value
        return self._when_invalid(value)

    def is_valid(self, value: Value) -> bool:
        """Whether a typed value is among the valid ones."""
        if value in self.invalid:
            return False
        if not self.valid and not self.intervals:
            return True
        return value in self.valid or self._in_range(value)

    def _in_range(self, value: Value) -> bool:
        return not isinstance(value, str) and any(interval.contains(value) for interval in self.intervals)

    def _marks_missing(self, raw: object) -> bool:
        return raw in self.missing or parse(self.kind, raw) in self.missing

    def _when_missing(self) -> Value | None:
        if self.replacement is None and self.refuse_missing:
            raise CellError(self.name, "the value is missing, which this scorecard does not allow; fill it in")
        return self.replacement

    def _when_invalid(self, value: Value | None) -> Value | None:
        if self.treatment == "missing":
            return self._when_missing()
        if self.treatment == "replace":
            return self.substitute
        if self.treatment == "keep" and value is not None:
            return value
        raise CellError(self.name, self._complaint(value))

    def _complaint(self, value: Value | None) -> str:
        if value is None:
            return f"the value is not {_NOUN[self.kind]}; correct the cell or leave it empty"
        return "the value is not one that this scorecard knows; correct the cell or leave it empty"


_NOUN = {
    "string": "a text",
    "integer": "a whole number below 2^53",
    "double": "a finite number",
    "boolean": "true or false",
}


def parse(kind: Kind, raw: object) -> Value | None:
    """Return `raw` as a value of `kind`, or None if it is none."""
    if kind in TEXT_KINDS:
        return _text(raw) if kind == "string" else _BOOLEANS.get(_text(raw).strip().lower())
    number = _number(raw)
    if number is None or not math.isfinite(number):
        return None
    if kind == "double":
        return float(number)
    return int(number) if number == int(number) and abs(number) < MAX_INTEGER else None


def _text(raw: object) -> str:
    if isinstance(raw, bool):
        return "true" if raw else "false"
    return raw if isinstance(raw, str) else str(raw)


def _number(raw: object) -> float | None:
    if isinstance(raw, str):
        return float(raw) if _NUMBER.fullmatch(raw) else None
    if isinstance(raw, bool):
        return int(raw)
    try:
        return float(raw) if hasattr(raw, "__float__") else None  # int, float, Decimal, numpy scalars
    except (OverflowError, ValueError):
        return None
