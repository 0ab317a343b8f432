"""Records in a SQLite file, read live through one read-only connection."""

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

from privcredit.errors import UnavailableError, UsageError
from privcredit.scorecard.fields import TEXT_KINDS, Field
from privcredit.sources.compile import Column, Dialect
from privcredit.sources.session import Cell, Layout, Row, boolean_cell, check_columns, quote, text, text_markers
from privcredit.sources.source import SourceConfig

BUSY_SECONDS = 5.0
"""How long a read waits for a writer's lock; a holder's writer that needs longer makes the source unavailable."""


class SqliteSession:
    """One read-only connection behind a lock (a query takes microseconds).

    Cells are judged by their own type, since SQLite's columns accept any.
    """

    dialect: Dialect = "sqlite"

    def __init__(self, config: SourceConfig, fields: Sequence[Field]) -> None:
        path = Path(config.location)
        if not path.is_file():
            raise UsageError(f"There is no SQLite file {path}; correct the location.")
        if config.table is None:
            raise UsageError(f"The source {path} names no table; add one.")
        self.where = f"Table {config.table!r} of {path}"
        self._lock = threading.Lock()
        uri = f"{path.resolve().as_uri()}?mode=ro"
        self._connection = sqlite3.connect(uri, uri=True, check_same_thread=False, timeout=BUSY_SECONDS)
        types = self._column_types(config.table)
        check_columns(self.where, list(types), config.key_column, fields)
        self._integer_key = "INT" in types[config.key_column].upper()
        self.layout = _layout(config.table, config.key_column, fields)

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Return all rows."""
        try:
            with self._lock:
                return self._connection.execute(sql, tuple(parameters)).fetchall()
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                raise UnavailableError(f"{self.where} is locked by its writer; try again later.") from error
            raise UsageError(f"{self.where} cannot be read: {error}.") from error
        except sqlite3.DatabaseError as error:
            raise UsageError(f"{self.where} cannot be read: {error}.") from error

    def parameter(self, record_key: str) -> object:
        """Return an integer for an integer key column; None, which equals nothing, if the key is no such integer."""
        if not self._integer_key:
            return record_key
        return canonical_integer(record_key)

    def place(self, record_key: str) -> str:
        """Return the key itself."""
        return f"key {record_key!r}"

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()

    def _column_types(self, table: str) -> dict[str, str]:
        rows = self.query("SELECT name, type FROM pragma_table_info(?1)", [table])
        if not rows:
            raise UsageError(f"{self.where}: there is no such table; correct its name.")
        return {str(name): str(kind) for name, kind in rows}


def canonical_integer(record_key: str) -> int | None:
    """Return the 64-bit integer that is written exactly so, else None ("07" and "7" must not name one record)."""
    try:
        value = int(record_key)
    except ValueError:
        return None
    return value if str(value) == record_key and -(2**63) <= value < 2**63 else None


def _layout(table: str, key_column: str, fields: Sequence[Field]) -> Layout:
    key = f"r.{quote(key_column)}"
    return Layout(quote(table), f"CAST({key} AS TEXT)", f"{key} = ?1", tuple(_cell(field) for field in fields))


def _cell(field: Field) -> Cell:
    """Qualified names only: SQLite takes an unknown quoted name for a text. CASE drops a column's collation."""
    column = f"r.{quote(field.name)}"
    kind = f"typeof({column})"
    if field.kind in TEXT_KINDS:
        value = f"CASE {kind} WHEN 'text' THEN {column} WHEN 'integer' THEN CAST({column} AS TEXT) END"
        if field.kind == "boolean":
            return boolean_cell(f"({value})", field)
        return Cell(Column("string", may_be_foreign=True), value, f"{kind} IN ('real', 'blob')")
    absent = ", ".join(text(marker) for marker in ["", *text_markers(field)])
    foreign = f"({kind} = 'blob' OR ({kind} = 'text' AND {column} NOT IN ({absent})))"
    if field.kind == "double":
        value = f"CASE WHEN {kind} IN ('integer', 'real') THEN {column} END"
        return Cell(Column("float64", may_be_foreign=True), value, foreign)
    whole = f"{kind} = 'integer' OR ({kind} = 'real' AND {column} = CAST({column} AS INTEGER))"
    value = f"CASE WHEN {whole} THEN {column} END"
    fractional = f"({kind} = 'real' AND {column} <> CAST({column} AS INTEGER))"
    return Cell(Column("int64", may_be_foreign=True), value, f"({foreign} OR {fractional})")
