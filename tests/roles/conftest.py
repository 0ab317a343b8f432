"""A federation for each test, and a short patience with silent peers."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest

from privcredit.http import session_channel
from privcredit.storage import database as database_module
from privcredit.storage.database import Database
from support.federation import Town
from support.inspection import postgres_schemas

PATIENCE_SECONDS = 4.0
"""An honest wait takes a tenth of a second; what hangs here is let go of after this."""


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_channel, "RECEIVE_SECONDS", PATIENCE_SECONDS)


@cache
def _schema(role: str) -> str:
    """What the migrations of a role make, as SQL."""
    database = Database("sqlite://", role)
    with database.transaction() as connection:
        return "\n".join(connection.connection.driver_connection.iterdump())


@pytest.fixture(autouse=True)
def _quick_databases(monkeypatch: pytest.MonkeyPatch) -> None:
    """A town has nine databases: their migrations, and waiting for the disk, would take most of each test's time.

    Both are tested in tests/storage; a "restart" in this directory does not lose what the operating system has.
    """
    schemas = {role: _schema(role) for role in ("holder", "authority", "coordinator", "verifier", "wallet")}
    honest, durable = Database._migrate, database_module._durable_sqlite

    def hasty(connection: sqlite3.Connection, record: object) -> None:
        durable(connection, record)
        connection.execute("PRAGMA synchronous=OFF")

    def migrate(self: Database) -> None:
        if self._engine.dialect.name != "sqlite":
            honest(self)
            return
        with closing(sqlite3.connect(self._engine.url.database)) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                connection.executescript("PRAGMA synchronous=OFF;" + schemas[self._role])

    monkeypatch.setattr(Database, "_migrate", migrate)
    monkeypatch.setattr(database_module, "_durable_sqlite", hasty)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    made = Town(tmp_path)
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def town_on(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Town]:
    """The same on both databases."""
    if request.param == "sqlite":
        made = Town(tmp_path)
        yield made
        made.close()
        return
    with postgres_schemas() as urls:
        made = Town(tmp_path, urls=lambda name: _url(name, urls, tmp_path))
        yield made
        made.close()


def _url(name: str, urls: Callable[[str], str], directory: Path) -> str:
    """Wallets are people's own; only nodes are on PostgreSQL."""
    return f"sqlite:///{directory / name}.db" if name.startswith("wallet") else urls(name)
