"""What the coordinator remembers: submissions and how they ended; it can read nothing of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from privcredit.storage.database import Database
from privcredit.storage.tables import queries


@dataclass(frozen=True, slots=True)
class StoredQuery:
    """A submission (encoded), its state and its encoded status."""

    query_id: bytes
    submission: bytes
    state: str
    outcome: bytes
    received: int


class CoordinatorStore:
    """Opens transactions; all reads and writes happen inside one."""

    def __init__(self, url: str) -> None:
        self._database = Database(url, "coordinator")

    @contextmanager
    def transaction(self) -> Iterator["CoordinatorRecords"]:
        """Yield the records inside one durable write transaction."""
        with self._database.transaction() as connection:
            yield CoordinatorRecords(connection)

    def close(self) -> None:
        """Close the database."""
        self._database.close()


class CoordinatorRecords:
    """Reads and writes of one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def query(self, query_id: bytes) -> StoredQuery | None:
        """Return a query."""
        row = self._connection.execute(select(queries).where(queries.c.query_id == query_id)).first()
        return StoredQuery(**row._mapping) if row else None  # noqa: SLF001 - SQLAlchemy's public name

    def unfinished(self) -> list[StoredQuery]:
        """Return the queries that a crash interrupted."""
        rows = self._connection.execute(select(queries).where(queries.c.state == "running"))
        return [StoredQuery(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name

    def add(self, query: StoredQuery) -> None:
        """Store a new query."""
        values = {name: getattr(query, name) for name in StoredQuery.__slots__}
        self._connection.execute(queries.insert().values(values))

    def set_outcome(self, query_id: bytes, state: str, outcome: bytes) -> None:
        """Record how far a query is."""
        self._connection.execute(
            update(queries).where(queries.c.query_id == query_id).values(state=state, outcome=outcome)
        )
