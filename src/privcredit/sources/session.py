"""What a database engine must offer, and the SQL that is the same in all of them."""

# ruff: noqa: S608 - names are quoted, values are parameters

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from privcredit.errors import UsageError
from privcredit.scorecard.fields import Field
from privcredit.sources.compile import PREPARED, RECORD, Column, Dialect

Row: TypeAlias = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """One field as this engine delivers it: SQL over the table alias `r`."""

    column: Column
    value: str
    foreign: str | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the records lie: a quoted table, the key as text, the condition that a row has the sought key, cells.

    prepared: the table is already what the scorecard's preparation gives (PREPARED), with a column `found` of ones.
    """

    table: str
    key_text: str
    key_match: str
    cells: tuple[Cell, ...]
    prepared: bool = False


class Session(Protocol):
    """An open connection to a holder's records; every method may be called from any thread."""

    dialect: Dialect
    layout: Layout
    where: str
    """What error messages call it: "Table 'records' of bank.sqlite"."""

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Return all rows. Raises UsageError (wrong table or column) or UnavailableError (locked, not reachable)."""
        ...

    def parameter(self, record_key: str) -> object:
        """Return the key as the engine's type; a key that cannot be of that type becomes one that matches no row."""
        ...

    def place(self, record_key: str) -> str:
        """Return how the operator finds this record: "lines 3 and 9" or "key 'x'"."""
        ...

    def close(self) -> None:
        """Release the connection."""
        ...


def one_record(layout: Layout, preparation: str, selection: str) -> str:
    """Return the query for one key: always exactly one row out (two if the key is there twice), known or not.

    The outer join makes the engine evaluate the whole scorecard also for an unknown key, on a row of nulls.
    selection: a SELECT over PREPARED.
    """
    inner = f"{_source(layout)} WHERE {layout.key_match}"
    rows = f"SELECT r.* FROM (SELECT 1 AS one) AS q LEFT JOIN (\n{inner}\n) AS r ON TRUE"
    return _query(layout, rows, preparation, selection)


def all_records(layout: Layout, preparation: str, selection: str) -> str:
    """Return the query for every record, to be used as a subquery."""
    return _query(layout, _source(layout), preparation, selection)


def _query(layout: Layout, rows: str, preparation: str, selection: str) -> str:
    if layout.prepared:
        return f"WITH {PREPARED} AS (\n{rows}\n)\n{selection}"
    return f"WITH {RECORD} AS (\n{rows}\n),\n{PREPARED} AS (\n{preparation}\n)\n{selection}"


def _source(layout: Layout) -> str:
    return f"SELECT {'r.*' if layout.prepared else record_columns(layout)} FROM {layout.table} AS r"


def repeated_keys(layout: Layout) -> str:
    """Return the query for the first key that more than one row has."""
    return (
        f"SELECT {layout.key_text} AS record_key FROM {layout.table} AS r GROUP BY {layout.key_text} "
        "HAVING COUNT(*) > 1 ORDER BY 1 LIMIT 1"
    )


def empty_keys(layout: Layout) -> str:
    """Return the query for the number of rows without a key."""
    return f"SELECT COUNT(*) FROM {layout.table} AS r WHERE {layout.key_text} IS NULL OR {layout.key_text} = ''"


def record_columns(layout: Layout) -> str:
    """Return the columns of RECORD, as a SELECT over the table (alias r) lists them."""
    columns = [("1", "found"), (layout.key_text, "record_key")]
    for i, cell in enumerate(layout.cells):
        columns.append((cell.value, f"value_{i}"))
        if cell.foreign is not None:
            columns.append((cell.foreign, f"foreign_{i}"))
    return ", ".join(f"{expression} AS {name}" for expression, name in columns)


def quote(name: str) -> str:
    """Return a quoted identifier (standard SQL; DuckDB, SQLite and PostgreSQL agree)."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """Return a string literal (standard SQL)."""
    return "'" + value.replace("'", "''") + "'"


def check_columns(where: str, present: Sequence[str], key_column: str, fields: Sequence[Field]) -> None:
    """Raise UsageError for the first column that the key or the scorecard needs and the table lacks."""
    for name, reason in [(key_column, "is its key"), *((field.name, "the scorecard reads") for field in fields)]:
        if name not in present:
            raise UsageError(f"{where} has no column {name!r}, which {reason}; it has {', '.join(present)}.")


def wrong_type(where: str, column: str, found: str, field: Field) -> UsageError:
    """Return the error for a column whose type cannot give the field's values."""
    return UsageError(
        f"{where}: column {column!r} is of type {found}, but the scorecard reads a {field.kind}; "
        "change the column, or the field's type in the scorecard."
    )


def boolean_cell(as_text: str, field: Field) -> Cell:
    """Return a boolean field read from a column's text: true, false, 1 or 0 in any case."""
    word = f"LOWER(TRIM({as_text}))"
    value = f"CASE WHEN {word} IN ('true', '1') THEN 'true' WHEN {word} IN ('false', '0') THEN 'false' END"
    known = ", ".join(text(one) for one in ["", *text_markers(field)])
    foreign = f"({as_text} IS NOT NULL AND {value} IS NULL AND {as_text} NOT IN ({known}))"
    return Cell(Column("string", may_be_foreign=True), value, foreign)


def text_markers(field: Field) -> list[str]:
    """Return the text values that stand for "missing" in a field that is no text (a CSV's "NA")."""
    return [value for value in field.missing if isinstance(value, str)]
