"""One small scorecard and its records in every kind of source."""

import csv
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb

from privcredit.scorecard.fields import Field, Interval
from privcredit.scorecard.model import Attribute, Characteristic, HolderScorecard
from privcredit.scorecard.predicates import Compare, InSet, TrueP
from privcredit.sources.source import Source, SourceConfig, open_source

CARD = HolderScorecard(
    "small",
    "1",
    "h",
    1,
    (Field("city", "string"), Field("debts", "integer", intervals=(Interval(low=0),), refuse_missing=True)),
    (
        Characteristic(
            "city", "h", (Attribute(Compare("city", "==", "X"), 10.0), Attribute(InSet("city", ("Y",)), 20.0)), "city"
        ),
        Characteristic("debts", "h", (Attribute(Compare("debts", "<", 3), 1.0), Attribute(TrueP(), 0.0)), "debts"),
    ),
)

Records = Sequence[tuple[Any, Any, Any]]
Make = Callable[[Records], Source]
FILE_KINDS = ("csv", "parquet", "sqlite", "duckdb")


def source_of(kind: str, directory: Path, records: Records) -> Any:
    return open_source(written(kind, directory, records), CARD)


def written(kind: str, directory: Path, records: Records) -> SourceConfig:
    path = directory / f"records.{kind}"
    path.unlink(missing_ok=True)
    WRITERS[kind](path, records)
    return SourceConfig(kind=kind, location=str(path), table="t", key_column="id")


def write_csv(path: Path, records: Records) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "city", "debts"), *records])


def write_sqlite(path: Path, records: Records) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (id TEXT, city TEXT COLLATE NOCASE, debts INTEGER)")
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", records)
    connection.close()


def write_duckdb(path: Path, records: Records) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE t (id TEXT, city TEXT, debts BIGINT)")
        for record in records:
            connection.execute("INSERT INTO t VALUES (?, ?, ?)", record)


def write_parquet(path: Path, records: Records) -> None:
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t (id TEXT, city TEXT, debts BIGINT)")
        for record in records:
            connection.execute("INSERT INTO t VALUES (?, ?, ?)", record)
        connection.execute(f"COPY t TO '{path}' (FORMAT parquet)")


WRITERS = {"csv": write_csv, "sqlite": write_sqlite, "duckdb": write_duckdb, "parquet": write_parquet}
