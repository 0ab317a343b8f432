"""Sources while they serve: unknown keys, hostile keys, threads, changing files, a restarting server."""

import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import duckdb
import psycopg
import pytest

from privcredit.errors import UnavailableError, UsageError
from privcredit.sources.source import Source, SourceConfig, open_source
from sources.conftest import SERVER, Server
from sources.small import CARD, Make, source_of, written

RECORDS = [("a", "X", 1), ("b", "Y", 7), ("C", "X", 2)]
POINTS = {"a": 11, "b": 20, "C": 11}
NewTable = Callable[..., SourceConfig]


def test_known_and_unknown(make: Make) -> None:
    source = make(RECORDS)
    assert {key: source.points(key) for key in POINTS} == POINTS
    for key in ("c", "A", "", "a ", "nobody", "a' OR '1'='1", "$1", "%s", '"', "a\x00b", "ä" * 1000):
        assert source.points(key) is None
        assert source.explain(key) is None


def session_of(source: object) -> object:
    inner = getattr(source, "_loaded", source)
    return inner._session


def test_h4_an_unknown_key_runs_the_same_query_to_the_same_row(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make(RECORDS)
    session = session_of(source)
    asked, query = [], session.query

    def recorded(sql: str, parameters: object = ()) -> object:
        rows = query(sql, parameters)
        asked.append((sql, len(rows), len(rows[0])))
        return rows

    monkeypatch.setattr(session, "query", recorded)
    source.points("a")
    source.points("nobody")
    assert len(asked) == 2
    assert asked[0] == asked[1]
    assert asked[0][1] == 1


def test_many_threads_at_once(make: Make) -> None:
    source = make(RECORDS)
    wrong: list[object] = []

    def ask() -> None:
        for _ in range(20):
            wrong.extend(key for key, points in POINTS.items() if source.points(key) != points)
            if source.points("nobody") is not None:
                wrong.append("nobody")

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_an_empty_table(make: Make) -> None:
    source = make([])
    source.check()
    assert source.points("a") is None
    assert source.all_points().num_rows == 0


def test_sqlite_and_postgresql_are_read_live(tmp_path: Path, server: Server, fresh_postgresql: NewTable) -> None:
    source = source_of("sqlite", tmp_path, RECORDS)
    with sqlite3.connect(tmp_path / "records.sqlite") as connection:
        connection.execute("UPDATE t SET debts = 7 WHERE id = 'a'")
    assert source.points("a") == 10
    config = fresh_postgresql(RECORDS)
    source = open_source(config, CARD)
    server[0].execute(f"UPDATE {config.table} SET debts = 7 WHERE id = 'a'")
    assert source.points("a") == 10


@pytest.mark.parametrize("kind", ["csv", "parquet", "duckdb"])
def test_a_changed_file_is_read_again(tmp_path: Path, kind: str) -> None:
    source = source_of(kind, tmp_path, RECORDS)
    assert source.points("a") == 11
    written(kind, tmp_path, [("a", "Y", 9)])
    assert source.points("a") == 20
    assert source.points("b") is None


def test_a_file_of_equal_size_and_time_but_another_inode_is_read_again(tmp_path: Path) -> None:
    source = source_of("csv", tmp_path, RECORDS)
    path = tmp_path / "records.csv"
    stat = path.stat()
    other = tmp_path / "other.csv"
    other.write_bytes(path.read_bytes().replace(b"a,X,1", b"a,X,7"))
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(path)
    assert source.points("a") == 10


def test_a_broken_new_version_stops_answers_until_it_is_mended(tmp_path: Path) -> None:
    source = source_of("csv", tmp_path, RECORDS)
    path = tmp_path / "records.csv"
    whole = path.read_text()
    path.write_text("id,city\na,X\n")
    for _ in range(2):
        with pytest.raises(UsageError, match="no column 'debts'"):
            source.points("a")
    path.unlink()
    with pytest.raises(UsageError, match="There is no file"):
        source.points("a")
    path.write_text(whole)
    assert source.points("a") == 11


def test_a_file_that_never_stands_still_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = source_of("csv", tmp_path, RECORDS)
    ticks = iter(range(100))
    monkeypatch.setattr("privcredit.sources.files.signature", lambda _path: ((next(ticks), 0, 0),))
    with pytest.raises(UnavailableError, match="changes while it is read"):
        source.points("a")


def test_duckdb_stays_free_for_its_writer(tmp_path: Path) -> None:
    source = source_of("duckdb", tmp_path, RECORDS)
    with duckdb.connect(str(tmp_path / "records.duckdb")) as connection:
        connection.execute("UPDATE t SET debts = 7")
        connection.execute("CREATE SCHEMA office")
        connection.execute("CREATE TABLE office.people AS SELECT * FROM t")
    assert source.points("a") == 10
    config = SourceConfig(
        kind="duckdb", location=str(tmp_path / "records.duckdb"), table="office.people", key_column="id"
    )
    assert open_source(config, CARD).points("a") == 10


def test_the_memory_of_a_file_source_reaches_nothing_else(tmp_path: Path) -> None:
    session = session_of(source_of("csv", tmp_path, RECORDS))
    with pytest.raises(UsageError, match="disabled"):
        session.query(f"SELECT * FROM read_csv('{tmp_path / 'records.csv'}')")
    with pytest.raises(UsageError, match="locked"):
        session.query("SET enable_external_access = true")


def test_sqlite_is_opened_read_only(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="readonly"):
        session_of(source_of("sqlite", tmp_path, RECORDS)).query("DELETE FROM t")


def test_sqlite_integer_keys_have_one_spelling(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "numbers.sqlite") as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, city TEXT, debts INTEGER)")
        connection.execute("INSERT INTO t VALUES (7, 'X', 1)")
    config = SourceConfig(kind="sqlite", location=str(tmp_path / "numbers.sqlite"), table="t", key_column="id")
    assert_only_seven(open_source(config, CARD))


@pytest.mark.parametrize("key_type", ["smallint", "integer", "bigint"])
def test_postgresql_integer_keys_have_one_spelling(fresh_postgresql: NewTable, key_type: str) -> None:
    assert_only_seven(open_source(fresh_postgresql([(7, "X", 1)], key_type), CARD))


def assert_only_seven(source: Source) -> None:
    assert source.points("7") == 11
    for key in ("07", " 7", "7.0", "+7", "\u0667", "x", str(2**63)):
        assert source.points(key) is None
    assert source.all_points()["key"].to_pylist() == ["7"]


def test_postgresql_uuid_keys(fresh_postgresql: NewTable) -> None:
    key = UUID("12345678-1234-5678-1234-567812345678")
    source = open_source(fresh_postgresql([(key, "X", 1)], "uuid"), CARD)
    assert source.points(str(key)) == 11
    assert source.points(key.hex) is None
    assert source.points("x") is None


def test_postgresql_connects_again_after_the_server_closed(server: Server, fresh_postgresql: NewTable) -> None:
    source = open_source(fresh_postgresql(RECORDS), CARD)
    process = source._session._connection.info.backend_pid
    server[0].execute("SELECT pg_terminate_backend(%s, 5000)", [process])
    assert source.points("a") == 11


def test_postgresql_is_opened_read_only(fresh_postgresql: NewTable) -> None:
    config = fresh_postgresql(RECORDS)
    with pytest.raises(UsageError, match="read-only transaction"):
        open_source(config, CARD)._session.query(f"DELETE FROM {config.table}")


def test_postgresql_wrong_tables_and_columns(server: Server, fresh_postgresql: NewTable) -> None:
    config = fresh_postgresql(RECORDS)
    with pytest.raises(UsageError, match="does not exist"):
        open_source(SourceConfig(kind="postgresql", location=SERVER, table="nowhere", key_column="id"), CARD)
    server[0].execute(f"ALTER TABLE {config.table} ALTER debts TYPE text")
    with pytest.raises(UsageError, match="column 'debts' is of type text, but the scorecard reads a integer"):
        open_source(config, CARD)
    server[0].execute(f"ALTER TABLE {config.table} DROP debts")
    with pytest.raises(UsageError, match="has no column 'debts'"):
        open_source(config, CARD)


def test_postgresql_away_is_unavailable_and_keeps_the_password() -> None:
    location = "postgresql://somebody:hunter2@127.0.0.1:1/x"
    with pytest.raises(UnavailableError, match="cannot connect") as refusal:
        open_source(SourceConfig(kind="postgresql", location=location, table="t", key_column="id"), CARD)
    assert "hunter2" not in str(refusal.value)
    with pytest.raises(UsageError, match="not a PostgreSQL URL") as refusal:
        open_source(SourceConfig(kind="postgresql", location="hunter2", table="t", key_column="id"), CARD)
    assert "hunter2" not in str(refusal.value)


def test_postgresql_a_locked_table_is_unavailable(fresh_postgresql: NewTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("privcredit.sources.postgresql.STATEMENT_MILLISECONDS", 50)
    config = fresh_postgresql(RECORDS)
    source = open_source(config, CARD)
    with psycopg.connect(SERVER) as writer:
        writer.execute(f"LOCK TABLE {config.table}")
        with pytest.raises(UnavailableError, match="does not answer"):
            source.points("a")
        writer.rollback()
    assert source.points("a") == 11
