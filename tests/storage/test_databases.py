"""Schemas, durability and the single writer, on SQLite and PostgreSQL: threats.md N4, V6, A8."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, text
from sqlalchemy.exc import IntegrityError

from privcredit.errors import UnavailableError, UsageError
from privcredit.storage import database as database_module
from privcredit.storage import tables
from privcredit.storage.authority import AuthorityStore
from privcredit.storage.database import Database
from privcredit.storage.holder import Code, HolderStore
from support.inspection import postgres_schemas

ROLES = ("holder", "authority", "coordinator", "verifier", "wallet")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    if request.param == "sqlite":
        yield lambda name: f"sqlite:///{tmp_path / name}.db"
        return
    with postgres_schemas() as urls:
        yield urls


@pytest.mark.parametrize("role", ROLES)
def test_migrations_make_exactly_the_tables(url: Callable[[str], str], role: str) -> None:
    database = Database(url(role), role)
    metadata: MetaData = getattr(tables, role)
    options = {"include_object": lambda _, name, *__: name != "schema_version", "compare_type": True}
    with database.transaction() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
    database.close()


def test_a_database_opens_again_and_keeps_what_it_has(url: Callable[[str], str]) -> None:
    for turn in range(2):
        store = HolderStore(url("holder"))
        with store.transaction() as records:
            records.log(turn, "turn", {"number": turn})
        store.close()
    again = HolderStore(url("holder"))
    with again.transaction() as records:
        assert records.verify_log() == 2
    again.close()


def test_a_failed_transaction_leaves_nothing(url: Callable[[str], str]) -> None:
    store = HolderStore(url("holder"))

    def fail() -> None:
        with store.transaction() as records:
            records.log(0, "lost", {})
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with store.transaction() as records:
        assert records.verify_log() == 0
    store.close()


def test_v6_there_is_one_writer_at_a_time_also_between_processes(url: Callable[[str], str]) -> None:
    """Two stores over one database stand for two processes: what the second reads is what the first has committed."""
    stores = [HolderStore(url("holder")) for _ in range(2)]

    def append(number: int) -> None:
        with stores[number % 2].transaction() as records:
            records.log(number, "counted", {"number": number})

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(append, range(60)))
    with stores[0].transaction() as records:
        assert records.verify_log() == 60
    for store in stores:
        store.close()


def test_v6_a_reader_waits_for_the_writer(url: Callable[[str], str]) -> None:
    first, second = HolderStore(url("holder")), HolderStore(url("holder"))
    entered, go_on, seen = threading.Event(), threading.Event(), []

    def write() -> None:
        with first.transaction() as records:
            records.enrol(b"p" * 32, "record", 0)
            entered.set()
            assert go_on.wait(5)

    def read() -> None:
        with second.transaction() as records:
            seen.append(records.subject(b"p" * 32))

    writer, reader = threading.Thread(target=write), threading.Thread(target=read)
    writer.start()
    assert entered.wait(5)
    reader.start()
    reader.join(0.3)
    assert seen == []
    go_on.set()
    writer.join(5)
    reader.join(5)
    assert seen[0] is not None
    first.close()
    second.close()


def commit_and_die(url: str) -> None:
    store = HolderStore(url)
    with store.transaction() as records:
        records.log(1, "acknowledged", {})
    os._exit(9)


def test_n4_what_was_acknowledged_survives_a_kill(url: Callable[[str], str]) -> None:
    process = multiprocessing.get_context("spawn").Process(target=commit_and_die, args=(url("holder"),))
    process.start()
    process.join(30)
    assert process.exitcode == 9
    store = HolderStore(url("holder"))
    with store.transaction() as records:
        assert records.verify_log() == 1
    store.close()


def test_n4_sqlite_is_synchronous_and_postgresql_too(url: Callable[[str], str]) -> None:
    database = Database(url("holder"), "holder")
    with database.transaction() as connection:
        if connection.dialect.name == "sqlite":
            assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
            assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2
        else:
            assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "on"
            assert connection.execute(text("SHOW lock_timeout")).scalar_one() == "10s"
    database.close()


def test_n4_a_full_disk_is_unavailable_and_stores_nothing(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/node.db", "holder")
    with database.transaction() as connection:
        used = connection.execute(text("PRAGMA page_count")).scalar_one()
        connection.execute(text(f"PRAGMA max_page_count={used}"))
    with pytest.raises(UnavailableError, match="full"), database.transaction() as connection:
        connection.execute(text("CREATE TABLE big AS SELECT zeroblob(1000000) AS filler"))
    database.close()


def test_a_database_that_stays_locked_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "BUSY_TIMEOUT_MS", 200)
    first, second = (Database(f"sqlite:///{tmp_path}/node.db", "holder") for _ in range(2))
    with first.transaction():
        with pytest.raises(UnavailableError, match="locked"), second.transaction():
            pass
        with pytest.raises(UnavailableError, match="busy"), first.transaction():
            pass
    first.close()
    second.close()


def test_a8_errors_of_the_database_show_no_values(url: Callable[[str], str]) -> None:
    store = HolderStore(url("holder"))
    code = Code("canary-record", "canary-identity", "enrolment", 0, used=False)
    with store.transaction() as records:
        records.add_code(b"x" * 32, code)
    with pytest.raises(IntegrityError) as caught, store.transaction() as records:
        records.add_code(b"x" * 32, code)
    assert "canary" not in str(caught.value)
    store.close()


@pytest.mark.parametrize("bad", ["nonsense", "oracle://user:secret@host/db", "mysql://user:secret@host/db", ""])
def test_a_wrong_url_is_one_clear_sentence_without_its_password(bad: str) -> None:
    with pytest.raises(UsageError) as caught:
        AuthorityStore(bad)
    assert "secret" not in str(caught.value)
    assert "database URL" in str(caught.value)


def test_a_server_that_does_not_answer_is_one_clear_sentence_without_its_password() -> None:
    with pytest.raises(UsageError, match="cannot be opened") as caught:
        AuthorityStore("postgresql://user:secret@127.0.0.1:1/db")
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    path.write_text("not a database, but long enough to be taken for one" * 20)
    with pytest.raises(UsageError, match=r"node\.db cannot be opened"):
        HolderStore(f"sqlite:///{path}")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="file/below"):
        HolderStore(f"sqlite:///{tmp_path}/file/below/node.db")


def test_a_database_of_another_role_is_refused(url: Callable[[str], str]) -> None:
    HolderStore(url("node")).close()
    with pytest.raises(UsageError, match="another role or a newer version"):
        AuthorityStore(url("node"))
