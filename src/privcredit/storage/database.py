"""Opening a node's database: SQLite by default, PostgreSQL by URL; durable before acknowledged, one writer at a time.

One writer at a time is what the roles' rules rest on: what a transaction reads is still true when it commits. SQLite's
write lock gives it, on PostgreSQL an advisory lock. UNIQUE constraints back the rules that money or budgets hang on.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from privcredit.errors import UnavailableError, UsageError

BUSY_TIMEOUT_MS = 10_000
"""Writers of one node queue for a few milliseconds; ten seconds of waiting mean a stuck disk."""

OURS = (IntegrityError, DataError, ProgrammingError, NotSupportedError)
"""Database errors that mean a mistake in this program, not a stuck or full disk."""

POSTGRESQL_OPTIONS = f"-c synchronous_commit=on -c lock_timeout={BUSY_TIMEOUT_MS}"
"""An acknowledged write survives a crash, also where the server's default says otherwise."""

POSTGRESQL_LOCK = text(
    "SELECT pg_advisory_xact_lock(hashtextextended('privcredit ' || :role || coalesce(current_schema(), ''), 0))"
)
"""One writer at a time for a role's tables, which lie in one schema; also across processes."""


class Database:
    """A role's database. `transaction` commits durably (SQLite: WAL with synchronous=FULL) or not at all."""

    def __init__(self, url: str, role: str) -> None:
        self._engine = _engine(url)
        self._role = role
        self._turn = threading.Lock()
        self._migrate()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Yield a connection inside one write transaction; no other runs at the same time.

        Raises UnavailableError when the database does not take writes: locked for long, full, or not reachable.
        """
        try:
            with self._own_turn(), self._engine.begin() as connection:
                self._lock(connection)
                yield connection
        except OURS:
            raise
        except (DBAPIError, PoolTimeoutError) as error:
            raise UnavailableError(
                f"This node's database takes no writes now ({_reason(error)}); its operator must look at it."
            ) from error

    def close(self) -> None:
        """Close every pooled connection."""
        self._engine.dispose()

    @contextmanager
    def _own_turn(self) -> Iterator[None]:
        """Threads of this process queue here: SQLite's own waiting is a lottery, in which one thread can starve."""
        if not self._turn.acquire(timeout=BUSY_TIMEOUT_MS / 1000):
            raise UnavailableError("This node's database is busy with other questions; ask again later.")
        try:
            yield
        finally:
            self._turn.release()

    def _lock(self, connection: Connection) -> None:
        """SQLite took its write lock when the transaction began."""
        if connection.dialect.name == "postgresql":
            connection.execute(POSTGRESQL_LOCK, {"role": self._role})

    def _migrate(self) -> None:
        config = Config()
        here = files("privcredit.storage").joinpath("migrations")
        config.set_main_option("script_location", str(here))
        config.set_main_option("version_locations", str(here.joinpath("versions", self._role)))
        config.set_main_option("path_separator", "os")
        where = self._engine.url.render_as_string()
        try:
            with self._engine.begin() as connection:
                self._lock(connection)
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except CommandError as error:
            raise UsageError(
                f"The database {where} belongs to another role or a newer version of this program; check the URL."
            ) from error
        except DBAPIError as error:
            raise UsageError(f"The database {where} cannot be opened: {_first_line(error)}.") from error


def _engine(url: str) -> Engine:
    try:
        parsed = _with_driver(make_url(url))
        engine = create_engine(parsed, hide_parameters=True, connect_args=_connect_options(parsed))
    except (ArgumentError, ModuleNotFoundError) as error:
        raise UsageError(f"The database URL {_without_password(url)} cannot be used: {error}.") from error
    if engine.dialect.name == "sqlite":
        _make_parent(parsed.database)
        event.listen(engine, "connect", _durable_sqlite)
        event.listen(engine, "begin", _begin_immediate)
    return engine


def _with_driver(url: URL) -> URL:
    """PostgreSQL is reached by psycopg, also when the URL does not say so."""
    return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url


def _connect_options(url: URL) -> dict[str, str]:
    """Our settings after those of the URL (a search path, say), which they must not displace."""
    if url.get_backend_name() != "postgresql":
        return {}
    given = url.query.get("options", "")
    return {"options": f"{given if isinstance(given, str) else ' '.join(given)} {POSTGRESQL_OPTIONS}".strip()}


def _make_parent(path: str | None) -> None:
    if path and path != ":memory:":
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"The folder of the database {path} cannot be made: {error.strerror}.") from error


def _durable_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - a DBAPI connection has no type
    connection.isolation_level = None  # SQLAlchemy's begin event opens the transaction, not the driver
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _reason(error: Exception) -> str:
    """SQLite's reasons are constants; a server's may name hosts, which concern only its operator."""
    return _first_line(error) if type(getattr(error, "orig", None)).__module__ == "sqlite3" else type(error).__name__


def _first_line(error: Exception) -> str:
    return (str(getattr(error, "orig", error)).splitlines() or ["no reason given"])[0].rstrip(".")


def _without_password(url: str) -> str:
    return url.rpartition("@")[2]
