"""Records in PostgreSQL, read live; needs the extra `privcredit[postgres]`."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from privcredit.errors import UnavailableError, UsageError
from privcredit.scorecard.fields import TEXT_KINDS, Field
from privcredit.sources.compile import Column, ColumnType, Dialect
from privcredit.sources.session import Cell, Layout, Row, boolean_cell, check_columns, quote, wrong_type
from privcredit.sources.source import SourceConfig
from privcredit.sources.sqlite import canonical_integer

try:
    import psycopg
except ImportError as error:  # pragma: no cover - the extra is part of the development set
    raise UsageError(
        "A PostgreSQL source needs psycopg; install it with `pip install 'privcredit[postgres]'`."
    ) from error

CONNECT_SECONDS = 5
STATEMENT_MILLISECONDS = 5000
"""A question is answered within seconds or not at all; a table without an index on its key shows here."""

WHOLE_TABLE_MILLISECONDS = 600_000
"""Checking and batches read every record."""

NUL = "\0"
"""The one character that PostgreSQL's texts cannot hold."""

INTEGERS = ("smallint", "integer", "bigint")
FRACTIONS = ("real", "double precision", "numeric")
TEXTS = ("text", "character varying", "character", "citext", "boolean", "uuid", "date", *INTEGERS)
"""Types whose text in SQL is the text that Python gives."""

COLUMNS = """
SELECT a.attname, format_type(a.atttypid, NULL), t.typtype
FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""


class PostgresqlSession:
    """One connection behind a lock, opened again once if the server closed it."""

    dialect: Dialect = "postgres"

    def __init__(self, config: SourceConfig, fields: Sequence[Field]) -> None:
        if config.table is None:
            raise UsageError("The PostgreSQL source names no table; add one.")
        self.where = f"PostgreSQL table {config.table!r}"
        self._location = config.location
        self._lock = threading.Lock()
        self._connection = self._connect()
        table = ".".join(quote(part) for part in config.table.split("."))
        types = self._column_types(table)
        check_columns(self.where, list(types), config.key_column, fields)
        self._key_type = types[config.key_column]
        cells = tuple(_cell(self.where, field, types[field.name]) for field in fields)
        key = f"r.{quote(config.key_column)}"
        self.layout = Layout(table, f"{key}::text", f"{key} = $1::{self._key_cast()}", cells)

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Return all rows."""
        with self._lock:
            try:
                return self._execute(sql, parameters)
            except psycopg.OperationalError as error:
                if not self._connection.closed:
                    raise UnavailableError(f"{self.where} does not answer: {_first_line(error)}.") from error
            self._connection = self._connect()
            try:
                return self._execute(sql, parameters)
            except psycopg.OperationalError as error:
                raise UnavailableError(f"{self.where} does not answer: {_first_line(error)}.") from error

    def parameter(self, record_key: str) -> object:
        """Return the key as integer, UUID or text; None, which equals nothing, if it cannot be one."""
        if self._key_type in INTEGERS:
            return canonical_integer(record_key)
        if self._key_type == "uuid":
            return _uuid(record_key)
        return None if NUL in record_key else record_key

    def place(self, record_key: str) -> str:
        """Return the key itself."""
        return f"key {record_key!r}"

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()

    def _connect(self) -> "psycopg.Connection[Any]":
        options = f"-c statement_timeout={STATEMENT_MILLISECONDS} -c default_transaction_read_only=on"
        try:
            return psycopg.connect(
                self._location,
                autocommit=True,
                cursor_factory=psycopg.RawCursor,
                connect_timeout=CONNECT_SECONDS,
                options=options,
            )
        except psycopg.OperationalError as error:
            raise UnavailableError(f"{self.where}: cannot connect: {_first_line(error)}.") from error
        except psycopg.ProgrammingError as error:
            raise UsageError(f"{self.where}: the location is not a PostgreSQL URL; correct it.") from error

    def _execute(self, sql: str, parameters: Sequence[object]) -> list[Row]:
        try:
            if parameters:
                return self._connection.execute(sql, list(parameters), prepare=True).fetchall()
            with self._connection.transaction():
                self._connection.execute(f"SET LOCAL statement_timeout = {WHOLE_TABLE_MILLISECONDS}")
                return self._connection.execute(sql).fetchall()
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            raise UsageError(f"{self.where} cannot be read: {_first_line(error)}.") from error

    def _column_types(self, table: str) -> Mapping[str, str]:
        rows = self.query(COLUMNS, [table])
        if not rows:
            raise UsageError(f"{self.where} does not exist or cannot be seen; correct its name or grant SELECT.")
        return {str(name): "text" if is_enum == "e" else str(kind) for name, kind, is_enum in rows}

    def _key_cast(self) -> str:
        return {"uuid": "uuid"}.get(self._key_type, "bigint" if self._key_type in INTEGERS else "text")


def _cell(where: str, field: Field, found: str) -> Cell:
    column = f"r.{quote(field.name)}"
    if field.kind in TEXT_KINDS:
        if found not in TEXTS:
            raise wrong_type(where, field.name, found, field)
        as_text = f"({column}::text)"
        return Cell(Column("string"), as_text) if field.kind == "string" else boolean_cell(as_text, field)
    kind: ColumnType = "int64" if found in INTEGERS else "float64"
    if found not in (*INTEGERS, *FRACTIONS):
        raise wrong_type(where, field.name, found, field)
    return Cell(Column(kind), f"{column}::{'bigint' if kind == 'int64' else 'double precision'}")


def _uuid(record_key: str) -> UUID | None:
    try:
        value = UUID(record_key)
    except ValueError:
        return None
    return value if str(value) == record_key else None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["no reason given"])[0].rstrip(".")
