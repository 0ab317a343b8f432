"""Opening a node's database: SQLite by default, PostgreSQL by URL; durable before acknowledged."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError

from privcredit.errors import UsageError

BUSY_TIMEOUT_MS = 10_000
"""Writers of one node queue for a few milliseconds; ten seconds of waiting mean a stuck disk."""


class Database:
    """A role's database. `transaction` commits durably (SQLite: WAL with synchronous=FULL) or not at all."""

    def __init__(self, url: str, role: str) -> None:
        self._engine = _engine(url)
        self._url = url
        _migrate(self._engine, role)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Yield a connection inside one write transaction; SQLite takes the write lock at once."""
        with self._engine.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close every pooled connection."""
        self._engine.dispose()


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        engine = create_engine(parsed)
    except (ArgumentError, ModuleNotFoundError) as error:
        raise UsageError(f"The database URL {_without_password(url)} cannot be used: {error}.") from error
    if engine.dialect.name == "sqlite":
        _make_parent(parsed.database)
        event.listen(engine, "connect", _durable_sqlite)
        event.listen(engine, "begin", _begin_immediate)
    return engine


def _make_parent(path: str | None) -> None:
    if path and path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)


def _durable_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - a DBAPI connection has no type
    connection.isolation_level = None  # SQLAlchemy's begin event opens the transaction, not the driver
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _migrate(engine: Engine, role: str) -> None:
    config = Config()
    here = files("privcredit.storage").joinpath("migrations")
    config.set_main_option("script_location", str(here))
    config.set_main_option("version_locations", str(here.joinpath("versions", role)))
    config.set_main_option("path_separator", "os")
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except OperationalError as error:
        raise UsageError(f"The database {engine.url.render_as_string()} cannot be opened: {error.orig}.") from error


def _without_password(url: str) -> str:
    return url.rpartition("@")[2]
