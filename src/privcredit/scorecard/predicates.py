"""Conditions on one record, with PMML's three-valued logic: true, false, unknown (a missing value).

`True`, `False` and `None` stand for true, false and unknown. A row maps field names to values that
`fields.Field.prepare` has typed; None is a missing value. Source: PMML 4.4, "Tree Models", on predicates.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Value: TypeAlias = str | int | float
"""One cell: text for string fields, a number for integer and double fields."""

Row: TypeAlias = Mapping[str, Value | None]
"""A prepared record: every field of the scorecard, None where the value is missing."""

Comparison: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">="]
Connective: TypeAlias = Literal["and", "or", "xor", "surrogate"]

COMPARISONS: Mapping[str, Callable[[Value, Value], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
ORDERINGS = frozenset({"<", "<=", ">", ">="})
CONNECTIVES: tuple[Connective, ...] = ("and", "or", "xor", "surrogate")


@dataclass(frozen=True, slots=True)
class Compare:
    """`field op value`; unknown if the field is missing (PMML SimplePredicate)."""

    field: str
    op: Comparison
    value: Value

    def holds(self, row: Row) -> bool | None:
        """Return the truth value on a prepared row."""
        cell = row[self.field]
        return None if cell is None else COMPARISONS[self.op](cell, self.value)


@dataclass(frozen=True, slots=True)
class IsMissing:
    """Whether the field is missing (`negate`: is present); never unknown."""

    field: str
    negate: bool = False

    def holds(self, row: Row) -> bool | None:
        """Return the truth value on a prepared row."""
        return (row[self.field] is None) is not self.negate


@dataclass(frozen=True, slots=True)
class InSet:
    """Whether the field is one of `values` (`negate`: none); unknown if missing (PMML SimpleSetPredicate)."""

    field: str
    values: tuple[Value, ...]
    negate: bool = False

    def holds(self, row: Row) -> bool | None:
        """Return the truth value on a prepared row."""
        cell = row[self.field]
        return None if cell is None else (cell in self.values) is not self.negate


@dataclass(frozen=True, slots=True)
class TrueP:
    """Always true."""

    def holds(self, row: Row) -> bool | None:  # noqa: ARG002 - the interface of every predicate
        """Return True."""
        return True


@dataclass(frozen=True, slots=True)
class FalseP:
    """Always false."""

    def holds(self, row: Row) -> bool | None:  # noqa: ARG002 - the interface of every predicate
        """Return False."""
        return False


@dataclass(frozen=True, slots=True)
class Compound:
    """Parts joined by one connective (PMML CompoundPredicate).

    and, or: Kleene's logic. xor: an odd number of true parts, unknown if any part is unknown.
    surrogate: the first part that is not unknown; unknown if all are.
    """

    op: Connective
    parts: "tuple[Predicate, ...]"

    def holds(self, row: Row) -> bool | None:
        """Return the truth value on a prepared row."""
        return _JOIN[self.op]([part.holds(row) for part in self.parts])


Predicate: TypeAlias = Compare | IsMissing | InSet | Compound | TrueP | FalseP


def conjunction(parts: list[bool | None]) -> bool | None:
    """Kleene's and: one false part decides."""
    if any(part is False for part in parts):
        return False
    return None if None in parts else True


def disjunction(parts: list[bool | None]) -> bool | None:
    """Kleene's or: one true part decides."""
    if any(part is True for part in parts):
        return True
    return None if None in parts else False


def parity(parts: list[bool | None]) -> bool | None:
    """Exclusive or of all parts; one unknown part makes it unknown."""
    return None if None in parts else sum(part is True for part in parts) % 2 == 1


def first_known(parts: list[bool | None]) -> bool | None:
    """PMML's surrogate: the first part that is known."""
    return next((part for part in parts if part is not None), None)


_JOIN: Mapping[str, Callable[[list[bool | None]], bool | None]] = {
    "and": conjunction,
    "or": disjunction,
    "xor": parity,
    "surrogate": first_known,
}


def leaves(predicate: Predicate) -> tuple[Predicate, ...]:
    """Return the predicates below all connectives, in document order."""
    if isinstance(predicate, Compound):
        return tuple(leaf for part in predicate.parts for leaf in leaves(part))
    return (predicate,)


def fields_of(predicate: Predicate) -> tuple[str, ...]:
    """Return the names of the fields that `predicate` reads, in order of first use."""
    named = (leaf.field for leaf in leaves(predicate) if not isinstance(leaf, TrueP | FalseP | Compound))
    return tuple(dict.fromkeys(named))
