"""Wrong files and tables get one sentence that names the place and says what to do, and repeats no cell."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from privcredit.errors import UnavailableError, UsageError
from privcredit.scorecard.fields import CellError
from privcredit.scorecard.model import NoAttributeError
from privcredit.sources.compiled import check_constants
from privcredit.sources.source import SourceConfig, open_source
from sources.small import CARD, Make, source_of

HEADER = "id,city,debts\n"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty; its first line must name the columns"),
        (b"key,city,debts\n", "has no column 'id', which is its key; it has key, city, debts"),
        (b"id,city\n", "has no column 'debts', which the scorecard reads; it has id, city"),
        (b"id;city;debts\n", "has no column 'id', which is its key; it has id;city;debts"),
        (b"id,city,city,debts\n", "line 1: the column 'city' appears twice"),
        (HEADER.encode() + b"a,secret,1\nb,secret\n", "line 3: 2 cells where the header has 3"),
        (HEADER.encode() + b"a,secret,1\nb,secret,1,2\n", "line 3: 4 cells where the header has 3"),
        (HEADER.encode() + b"a,secret,1\nb,secret\xff,1\n", "not a UTF-8 text|line 3: bytes that are not UTF-8"),
        (HEADER.encode() + b'a,secret,1\nb,"secret,1\n', "line 3: a quote that never ends"),
    ],
)
def test_a_wrong_csv_is_refused_when_opened(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "records.csv"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=sentence) as refusal:
        open_source(SourceConfig(kind="csv", location=str(path), key_column="id"), CARD)
    assert "records.csv" in str(refusal.value)
    assert "secret" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("a,X,1\nb,Y,many\n", "line 3: Column 'debts': the value is not of the type"),
        ("a,X,1\nb,Y,-5\n", "line 3: Column 'debts': the value is not one that this scorecard knows"),
        ("a,X,1\nb,Z,1\n", "line 3: Characteristic 'city' has no attribute"),
        ("a,X,1\nb,Y,\n", "line 3: Column 'debts': the value is missing"),
        ("a,X,1\nb,Y,1\na,Y,2\n", "same key in more than one record .lines 2 and 4."),
        ("a,X,1\n,Y,1\n", "1 record.s. without a key"),
    ],
)
def test_check_names_line_and_column(tmp_path: Path, lines: str, sentence: str) -> None:
    path = tmp_path / "records.csv"
    path.write_text(HEADER + lines)
    source = open_source(SourceConfig(kind="csv", location=str(path), key_column="id"), CARD)
    with pytest.raises(UsageError, match=sentence):
        source.check()


def test_lines_count_as_an_editor_counts_them(tmp_path: Path) -> None:
    path = tmp_path / "records.csv"
    path.write_text(HEADER + 'a,"X",1\n"b","two\nlines",1\nc,Y,x\n')
    source = open_source(SourceConfig(kind="csv", location=str(path), key_column="id"), CARD)
    with pytest.raises(UsageError, match="line 4: Characteristic 'city'"):
        source.check()


def test_one_bad_record_stops_only_its_own_answer(make: Make) -> None:
    source = make([("a", "X", 1), ("b", "Y", -5), ("c", "Z", 1)])
    assert source.points("a") == 11
    with pytest.raises(CellError, match="debts"):
        source.points("b")
    with pytest.raises(NoAttributeError, match="city"):
        source.points("c")


def test_a_repeated_key_is_never_answered(make: Make) -> None:
    source = make([("a", "X", 1), ("a", "Y", 1)])
    with pytest.raises(UsageError, match="2 records with one key"):
        source.points("a")
    with pytest.raises(UsageError, match="more than one record"):
        source.check()


def test_missing_files_and_tables(tmp_path: Path) -> None:
    for kind in ("csv", "parquet", "sqlite", "duckdb"):
        with pytest.raises(UsageError, match="There is no"):
            open_source(SourceConfig(kind=kind, location=str(tmp_path / "no"), table="t", key_column="id"), CARD)
    sqlite3.connect(tmp_path / "a.sqlite").close()
    with pytest.raises(UsageError, match="no such table"):
        open_source(SourceConfig(kind="sqlite", location=str(tmp_path / "a.sqlite"), table="t", key_column="id"), CARD)
    duckdb.connect(str(tmp_path / "a.duckdb")).close()
    with pytest.raises(UsageError, match="cannot be read"):
        open_source(SourceConfig(kind="duckdb", location=str(tmp_path / "a.duckdb"), table="t", key_column="id"), CARD)
    for kind in ("sqlite", "duckdb"):
        with pytest.raises(UsageError, match="names no table"):
            open_source(SourceConfig(kind=kind, location=str(tmp_path / f"a.{kind}"), key_column="id"), CARD)


@pytest.mark.parametrize("kind", ["parquet", "sqlite", "duckdb"])
def test_files_of_another_kind(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "records"
    path.write_text(HEADER * 100)
    with pytest.raises(UsageError, match="cannot be read") as refusal:
        open_source(SourceConfig(kind=kind, location=str(path), table="t", key_column="id"), CARD)
    assert "\n" not in str(refusal.value)


def test_a_column_of_the_wrong_type(tmp_path: Path) -> None:
    path = tmp_path / "records.parquet"
    pq.write_table(pa.table({"id": ["a"], "city": ["X"], "debts": ["1"]}), path)
    with pytest.raises(UsageError, match="column 'debts' is of type VARCHAR, but the scorecard reads a integer"):
        open_source(SourceConfig(kind="parquet", location=str(path), key_column="id"), CARD)


def test_sqlite_text_in_a_number_column(tmp_path: Path) -> None:
    source = source_of("sqlite", tmp_path, [("a", "X", "many")])
    with pytest.raises(UsageError, match="key 'a': Column 'debts': the value is not of the type"):
        source.check()


def test_sqlite_a_dropped_column_is_not_taken_for_a_text(tmp_path: Path) -> None:
    source = source_of("sqlite", tmp_path, [("a", "X", 1)])
    with sqlite3.connect(tmp_path / "records.sqlite") as connection:
        connection.execute("ALTER TABLE t DROP COLUMN city")
    with pytest.raises(UsageError, match="cannot be read: no such column"):
        source.points("a")


def test_sqlite_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("privcredit.sources.sqlite.BUSY_SECONDS", 0.01)
    source = source_of("sqlite", tmp_path, [("a", "X", 1)])
    writer = sqlite3.connect(tmp_path / "records.sqlite", isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    with pytest.raises(UnavailableError, match="locked"):
        source.points("a")
    writer.execute("ROLLBACK")
    assert source.points("a") == 11


def test_duckdb_locked_by_its_writer(tmp_path: Path) -> None:
    source = source_of("duckdb", tmp_path, [("a", "X", 1)])
    program = (
        'import duckdb, sys; c = duckdb.connect(sys.argv[1]); c.execute("UPDATE t SET debts = 9"); '
        "print('ready', flush=True); sys.stdin.read()"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "records.duckdb")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout.readline() == "ready\n"
    with pytest.raises(UnavailableError, match="locked"):
        source.points("a")
    writer.communicate()
    assert source.points("a") == 10


def test_a_number_that_the_engine_reads_as_another_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fractional: Callable[..., object]
) -> None:
    source = source_of("sqlite", tmp_path, [("a", "X", 1)])
    session = source._session
    check_constants(session, fractional(0.1))
    monkeypatch.setattr(session, "query", lambda _sql: [(0.1 + 2**-56,)])
    with pytest.raises(UsageError, match=r"reads the scorecard's 0.1 as 0.1000"):
        check_constants(session, fractional(0.1))
