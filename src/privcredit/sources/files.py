"""Records in files (CSV, Parquet, a DuckDB database), read and scored by DuckDB.

The columns that the scorecard reads are copied into DuckDB's memory when the source is opened, and again when the file
has changed (modification time, size or inode; seen at the next question). So the file stays free for its writer, and a
broken new version stops answers instead of leaving old ones. Cells are typed and checked while they are copied; nothing
is scored before a record is asked for.
"""

# ruff: noqa: S608 - names are quoted, values are parameters or quoted texts

import csv
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import duckdb
import pyarrow as pa

from privcredit.errors import UnavailableError, UsageError
from privcredit.scorecard.fields import TEXT_KINDS, Field
from privcredit.scorecard.model import HolderScorecard, Outcome
from privcredit.sources.compile import RECORD, Column, Dialect, compile_preparation
from privcredit.sources.compiled import CompiledSource
from privcredit.sources.session import (
    Cell,
    Layout,
    Row,
    boolean_cell,
    check_columns,
    quote,
    record_columns,
    text,
    text_markers,
    wrong_type,
)
from privcredit.sources.source import SourceConfig

Signature: TypeAlias = tuple[tuple[int, int, int], ...]

LOAD_ATTEMPTS = 3
"""A file that changes while it is read is read again; after three times its writer is still at work."""

MEMORY_TABLE = "records"

SKIPPED_OPTIMIZERS = "expression_rewriter,common_subexpressions,statistics_propagation,join_order"
"""They cost a third of the time of a question, which reads one row; filters still use the key's index."""

INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
FRACTIONS = ("FLOAT", "DOUBLE", "UBIGINT", "HUGEINT", "UHUGEINT")
TEXTS = ("VARCHAR", "BOOLEAN", "UUID", "DATE", "UBIGINT", "HUGEINT", "UHUGEINT", *INTEGERS)
"""Types whose text in DuckDB is the text that Python gives."""

NUMBER = r"\s*([+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)\s*"
"""A number cell of a CSV, as in `scorecard.fields`."""


class FileSource:
    """One file, kept in memory as it was last seen. Implements `source.Source`."""

    def __init__(self, config: SourceConfig, card: HolderScorecard) -> None:
        self._config = config
        self._card = card
        self._path = Path(config.location)
        self._lock = threading.Lock()
        self._seen, self._loaded = self._load()

    def points(self, record_key: str) -> int | None:
        """Return the points of one record, None if there is none; see `source.Source`."""
        return self._current().points(record_key)

    def explain(self, record_key: str) -> tuple[Outcome, ...] | None:
        """Return what each characteristic gave, None if there is no such record; see `source.Source`."""
        return self._current().explain(record_key)

    def all_points(self) -> pa.Table:
        """Return every record's key and points; see `source.Source`."""
        return self._current().all_points()

    def check(self) -> None:
        """Look at every record; see `source.Source`."""
        self._current().check()

    def close(self) -> None:
        """Free the memory."""
        self._loaded.close()

    @property
    def sql(self) -> str:
        """The query that `points` runs, for the holder to read."""
        return self._loaded.sql

    def _current(self) -> CompiledSource:
        with self._lock:
            if signature(self._path) != self._seen:
                self._seen, self._loaded = self._load()
            return self._loaded

    def _load(self) -> tuple[Signature, CompiledSource]:
        for _ in range(LOAD_ATTEMPTS):
            before = signature(self._path)
            loaded = CompiledSource(DuckdbSession(self._config, self._card.fields), self._card)
            if signature(self._path) == before:
                return before, loaded
        raise UnavailableError(f"File {self._path} changes while it is read; try again when its writer is done.")


def signature(path: Path) -> Signature:
    """Return what changes when the file, or DuckDB's log beside it, is written."""
    if not path.is_file():
        raise UsageError(f"There is no file {path}; correct the location.")
    parts = [path, path.with_name(path.name + ".wal")]
    stats = [part.stat() for part in parts if part.exists()]
    return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in stats)


class DuckdbSession:
    """A DuckDB database in memory that holds the needed columns of one file and can reach nothing else."""

    dialect: Dialect = "duckdb"

    def __init__(self, config: SourceConfig, fields: Sequence[Field]) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._connection = duckdb.connect(":memory:", config={"threads": 1})
        self._statements: dict[str, Any] = {}
        self.where = _where(config)
        cells = LOADERS[config.kind](self, config, fields)
        self._seal()
        self.layout = Layout(MEMORY_TABLE, "r.record_key", "r.record_key = $1", cells, prepared=True)

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Return all rows; a statement is parsed once."""
        with self._lock:
            if sql not in self._statements:
                self._statements[sql] = self._connection.extract_statements(sql)[0]
            try:
                return self._connection.execute(self._statements[sql], list(parameters)).fetchall()
            except duckdb.Error as error:
                raise UsageError(f"{self.where} cannot be scored: {_first_line(error)}.") from error

    def parameter(self, record_key: str) -> object:
        """Return the key: in memory every key is text."""
        return record_key

    def place(self, record_key: str) -> str:
        """Return the lines of a CSV, else the key."""
        if self._config.kind != "csv":
            return f"key {record_key!r}"
        lines = csv_lines(Path(self._config.location), self._config.key_column, record_key)
        return f"line{'s' if len(lines) > 1 else ''} {' and '.join(map(str, lines))}"

    def close(self) -> None:
        """Free the memory."""
        with self._lock:
            self._connection.close()

    def copy(self, origin: Layout, fields: Sequence[Field]) -> None:
        """Fill the table in memory: typed, checked against the fields' rules, not scored."""
        preparation = compile_preparation(fields, [cell.column for cell in origin.cells], self.dialect)
        record = f"SELECT {record_columns(origin)} FROM {origin.table} AS r"
        self.run(f"CREATE TABLE {MEMORY_TABLE} AS WITH {RECORD} AS ({record}) {preparation}")

    def run(self, sql: str) -> list[Row]:
        """Run a statement while loading, with errors in our words."""
        try:
            return self._connection.execute(sql).fetchall()
        except duckdb.IOException as error:
            if "lock" in str(error):
                raise UnavailableError(f"{self.where} is locked by its writer; try again later.") from error
            raise UsageError(f"{self.where} cannot be read: {_first_line(error)}.") from error
        except duckdb.Error as error:
            raise UsageError(f"{self.where} cannot be read: {_first_line(error)}.") from error

    def column_types(self, relation: str) -> dict[str, str]:
        """Return name and type of each column of `relation`."""
        rows = self.run(f"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM {relation})")
        return {str(name): str(kind) for name, kind in rows}

    def _seal(self) -> None:
        self.run(f"CREATE INDEX by_key ON {MEMORY_TABLE}(record_key)")
        self.run(f"SET disabled_optimizers = '{SKIPPED_OPTIMIZERS}'")
        self.run("SET enable_external_access = false")
        self.run("SET lock_configuration = true")


def _where(config: SourceConfig) -> str:
    return f"Table {config.table!r} of {config.location}" if config.kind == "duckdb" else f"File {config.location}"


def _load_csv(session: DuckdbSession, config: SourceConfig, fields: Sequence[Field]) -> tuple[Cell, ...]:
    header = csv_header(Path(config.location))
    check_columns(session.where, header, config.key_column, fields)
    columns = ", ".join(f"{text(name)}: 'VARCHAR'" for name in header)
    options = "auto_detect=false, header=true, delim=',', quote='\"', escape='\"', nullstr=''"
    cells = tuple(_csv_cell(field) for field in fields)
    relation = f"read_csv({text(config.location)}, {options}, columns={{{columns}}})"
    try:
        session.copy(Layout(relation, f"r.{quote(config.key_column)}", "", cells), fields)
    except UsageError as error:
        raise _csv_error(session.where, str(error.__cause__)) from error
    return cells


def _csv_cell(field: Field) -> Cell:
    column = f"r.{quote(field.name)}"
    if field.kind in TEXT_KINDS:
        return Cell(Column("string"), column) if field.kind == "string" else boolean_cell(column, field)
    number = f"TRY_CAST(regexp_extract({column}, {text('^' + NUMBER + '$')}, 1) AS DOUBLE)"
    markers = ", ".join(map(text, text_markers(field)))
    marked = f" AND {column} NOT IN ({markers})" if markers else ""
    foreign = f"({column} IS NOT NULL AND {number} IS NULL{marked})"
    return Cell(Column("float64", may_be_foreign=True), number, foreign)


def _csv_error(where: str, detail: str) -> UsageError:
    """DuckDB quotes the offending line, which is somebody's record: only its number and the kind of fault are kept."""
    line = re.search(r"CSV Error on Line: (\d+)", detail)
    found = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", detail)
    problem = f"{found[2]} cells where the header has {found[1]}" if found else "no regular CSV"
    if "unicode" in detail:
        problem = "bytes that are not UTF-8"
    if "unterminated quote" in detail:
        problem = "a quote that never ends"
    place = f", line {line[1]}" if line else ""
    return UsageError(f"{where}{place}: {problem}; correct it (comma-separated, UTF-8, double quotes).")


def csv_header(path: Path) -> list[str]:
    """Return the column names of a CSV; raises UsageError if it is empty or a name repeats."""
    for _line, header in _csv_records(path):
        repeated = next((name for name in header if header.count(name) > 1), None)
        if repeated is not None:
            raise UsageError(f"File {path}, line 1: the column {repeated!r} appears twice; rename one.")
        return header
    raise UsageError(f"File {path} is empty; its first line must name the columns.")


def csv_lines(path: Path, key_column: str, record_key: str) -> list[int]:
    """Return the lines (from 1) where the records with this key end."""
    records = _csv_records(path)
    _line, header = next(records)
    position = header.index(key_column)
    return [line for line, cells in records if len(cells) > position and cells[position] == record_key]


def _csv_records(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            for cells in reader:
                yield reader.line_num, cells
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"File {path} is not a UTF-8 text with comma-separated values; convert it.") from error


def _load_parquet(session: DuckdbSession, config: SourceConfig, fields: Sequence[Field]) -> tuple[Cell, ...]:
    return _load_typed(session, config, fields, f"read_parquet({text(config.location)})")


def _load_duckdb(session: DuckdbSession, config: SourceConfig, fields: Sequence[Field]) -> tuple[Cell, ...]:
    if config.table is None:
        raise UsageError(f"The source {config.location} names no table; add one.")
    session.run(f"ATTACH {text(config.location)} AS origin (READ_ONLY)")
    table = ".".join(quote(part) for part in config.table.split("."))
    qualified = f"origin.{table}" if "." in config.table else f"origin.main.{table}"
    cells = _load_typed(session, config, fields, qualified)
    session.run("DETACH origin")
    return cells


def _load_typed(
    session: DuckdbSession, config: SourceConfig, fields: Sequence[Field], relation: str
) -> tuple[Cell, ...]:
    types = session.column_types(relation)
    check_columns(session.where, list(types), config.key_column, fields)
    cells = tuple(_typed_cell(session.where, field, types[field.name]) for field in fields)
    session.copy(Layout(relation, f"CAST(r.{quote(config.key_column)} AS VARCHAR)", "", cells), fields)
    return cells


def _typed_cell(where: str, field: Field, found: str) -> Cell:
    column = f"r.{quote(field.name)}"
    if field.kind in TEXT_KINDS:
        if found not in TEXTS and not found.startswith("ENUM"):
            raise wrong_type(where, field.name, found, field)
        as_text = f"CAST({column} AS VARCHAR)"
        return Cell(Column("string"), as_text) if field.kind == "string" else boolean_cell(as_text, field)
    if found in INTEGERS:
        return Cell(Column("int64"), f"CAST({column} AS BIGINT)")
    if found.startswith("DECIMAL"):  # through text: DuckDB's direct conversion may miss the nearest double
        return Cell(Column("float64"), f"CAST(CAST({column} AS VARCHAR) AS DOUBLE)")
    if found not in FRACTIONS:
        raise wrong_type(where, field.name, found, field)
    return Cell(Column("float64"), f"CAST({column} AS DOUBLE)")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["no reason given"])[0].rstrip(".")


LOADERS: Mapping[str, Callable[[DuckdbSession, SourceConfig, Sequence[Field]], tuple[Cell, ...]]] = {
    "csv": _load_csv,
    "parquet": _load_parquet,
    "duckdb": _load_duckdb,
}
