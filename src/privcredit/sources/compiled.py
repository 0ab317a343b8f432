"""A source over one open session: the scorecard's SQL, and what its rows mean."""

# ruff: noqa: S608 - built of quoted names and compiled expressions; the key is a parameter

from collections.abc import Sequence
from typing import NoReturn, cast

import pyarrow as pa

from privcredit.errors import UsageError
from privcredit.scorecard.fields import CellError
from privcredit.scorecard.model import HolderScorecard, NoAttributeError, Outcome, to_points
from privcredit.sources.compile import (
    ACCEPTED,
    FOREIGN,
    MISSING,
    UNKNOWN_VALUE,
    compile_scorecard,
    fractions_of,
)
from privcredit.sources.session import Row, Session, all_records, empty_keys, one_record, repeated_keys

PROBLEMS = {
    MISSING: "the value is missing, which this scorecard does not allow; fill it in",
    FOREIGN: "the value is not of the type that this scorecard reads; correct the cell or leave it empty",
    UNKNOWN_VALUE: "the value is not one that this scorecard knows; correct the cell or leave it empty",
}


class CompiledSource:
    """The records of one holder in one engine, seen through one scorecard. Implements `source.Source`."""

    def __init__(self, session: Session, card: HolderScorecard) -> None:
        self._session = session
        self._card = card
        columns = [cell.column for cell in session.layout.cells]
        compiled = compile_scorecard(card, columns, session.dialect)
        self._points_sql = one_record(session.layout, compiled.preparation, compiled.points)
        self._explanation_sql = one_record(session.layout, compiled.preparation, compiled.explanation)
        self._all_sql = all_records(session.layout, compiled.preparation, compiled.points)
        self._all_explained_sql = all_records(session.layout, compiled.preparation, compiled.explanation)
        check_constants(session, card)

    @property
    def sql(self) -> str:
        """The query that `points` runs, for the holder to read."""
        return self._points_sql

    def points(self, record_key: str) -> int | None:
        """Return the points of one record, None if there is none; see `source.Source`."""
        row = self._one(self._points_sql, record_key)
        found, _key, points, *codes = row
        if found is None:
            return None
        if points is None or any(codes):
            self._refuse(self._one(self._explanation_sql, record_key))
        return int(cast("int", points))

    def explain(self, record_key: str) -> tuple[Outcome, ...] | None:
        """Return what each characteristic gave, None if there is no such record; see `source.Source`."""
        row = self._one(self._explanation_sql, record_key)
        if row[0] is None:
            return None
        matched = row[2 : 2 + len(self._card.characteristics)]
        if None in matched or any(self._codes(row)):
            self._refuse(row)
        return tuple(self._outcome(k, cast("int", position)) for k, position in enumerate(matched))

    def all_points(self) -> pa.Table:
        """Return every record's key and points; see `source.Source`."""
        self._refuse_first_bad_row()
        rows = self._session.query(f"SELECT s.record_key, s.points FROM (\n{self._all_sql}\n) AS s")
        keys, points = zip(*rows, strict=True) if rows else ((), ())
        return pa.table({"key": pa.array(keys, pa.string()), "points": pa.array(points, pa.int64())})

    def check(self) -> None:
        """Look at every record; see `source.Source`."""
        where, layout = self._session.where, self._session.layout
        ((empty,),) = self._session.query(empty_keys(layout))
        if empty:
            raise UsageError(f"{where} has {empty} record(s) without a key; give each its own key or remove them.")
        for (key,) in self._session.query(repeated_keys(layout)):
            place = self._session.place(cast("str", key))
            raise UsageError(f"{where} has the same key in more than one record ({place}); remove all but one.")
        self._refuse_first_bad_row()

    def close(self) -> None:
        """Release the connection."""
        self._session.close()

    def _one(self, sql: str, record_key: str) -> Row:
        rows = self._session.query(sql, [self._session.parameter(record_key)])
        if len(rows) != 1:
            raise UsageError(
                f"{self._session.where} has {len(rows)} records with one key; a key must name one record (run `check`)."
            )
        return rows[0]

    def _codes(self, row: Sequence[object]) -> Sequence[object]:
        return row[len(row) - len(self._card.fields) :]

    def _outcome(self, k: int, position: int) -> Outcome:
        one = self._card.characteristics[k]
        attribute = one.attributes[position]
        points = to_points(attribute.score, self._card.scale)
        return Outcome(one.name, attribute.score, points, attribute.reason_code or one.reason_code)

    def _refuse(self, row: Row) -> NoReturn:
        """Raise what the plain scorecard raises for this explained record."""
        for field, code in zip(self._card.fields, self._codes(row), strict=True):
            if code != ACCEPTED:
                raise CellError(field.name, PROBLEMS[cast("int", code)])
        unmatched = row[2 : 2 + len(self._card.characteristics)].index(None)
        raise NoAttributeError(self._card.characteristics[unmatched].name)

    def _refuse_first_bad_row(self) -> None:
        explained = f"SELECT * FROM (\n{self._all_explained_sql}\n) AS s WHERE {self._bad('attribute_')} LIMIT 1"
        for row in self._session.query(explained):
            try:
                self._refuse(row)
            except UsageError as error:
                place = self._session.place(str(row[1]))
                raise UsageError(f"{self._session.where}, {place}: {error}") from error

    def _bad(self, output: str) -> str:
        unmatched = [f"s.{output}{k} IS NULL" for k in range(len(self._card.characteristics))]
        return " OR ".join([*unmatched, *(f"s.code_{i} <> {ACCEPTED}" for i in range(len(self._card.fields)))])


def check_constants(session: Session, card: HolderScorecard) -> None:
    """Raise UsageError if this engine reads one of the scorecard's fractions as another double.

    SQLite before 3.43 rounds some decimals of 16 or 17 digits to a neighbour; a threshold must not move by that.
    """
    numbers = sorted(fractions_of(card))
    if not numbers:
        return
    name = {"sqlite": "REAL"}.get(session.dialect, "DOUBLE PRECISION")
    ((*read,),) = session.query("SELECT " + ", ".join(f"CAST('{number!r}' AS {name})" for number in numbers))
    for number, seen in zip(numbers, read, strict=True):
        if number != seen:
            raise UsageError(
                f"{session.where}: this database engine reads the scorecard's {number!r} as {seen!r}; "
                "write the number with at most 15 digits, or update the engine."
            )
