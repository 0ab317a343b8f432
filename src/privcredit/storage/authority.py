"""What an authority remembers: which nullifier belongs to whom, and the one output share it may give out for it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select, update

from privcredit.storage import audit
from privcredit.storage.database import Database
from privcredit.storage.tables import audits, notices, nullifiers


@dataclass(frozen=True, slots=True)
class Pin:
    """A nullifier's first and only use, and how far this authority got with it.

    share_bits: this authority's output share, one byte 0 or 1 a tier; fixed once.
    run, run_query: the comparison run that the share belongs to (transcript digest) and its query, once complete.
    released: the encoded result that left this authority as evaluator 2, once complete.
    """

    nullifier: bytes
    sequence: int
    verifier: str
    policy_hash: bytes
    epoch: int
    set_digest: bytes
    attempt: int
    evaluator_1: str
    evaluator_2: str
    share_bits: bytes | None
    run: bytes | None
    run_query: bytes | None
    released: bytes | None

    def __repr__(self) -> str:
        return f"Pin({self.nullifier.hex()[:8]}, attempt={self.attempt}, share=<redacted>)"


class AuthorityStore:
    """Opens transactions; all reads and writes happen inside one."""

    def __init__(self, url: str) -> None:
        self._database = Database(url, "authority")

    @contextmanager
    def transaction(self) -> Iterator["AuthorityRecords"]:
        """Yield the records inside one durable write transaction."""
        with self._database.transaction() as connection:
            yield AuthorityRecords(connection)

    def close(self) -> None:
        """Close the database."""
        self._database.close()


class AuthorityRecords:
    """Reads and writes of one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def log(self, time: int, event: str, details: Mapping[str, str | int]) -> None:
        """Append an audit row."""
        audit.append(self._connection, audits["authority"], time, event, details)

    def verify_log(self) -> int:
        """Return the number of rows of an intact log; raises UsageError naming the first bad row."""
        return audit.verify(self._connection, audits["authority"])

    def pin(self, nullifier: bytes) -> Pin | None:
        """Return what is known of this nullifier."""
        row = self._connection.execute(select(nullifiers).where(nullifiers.c.nullifier == nullifier)).first()
        return Pin(**row._mapping) if row else None  # noqa: SLF001 - SQLAlchemy's public name

    def add_pin(self, pin: Pin) -> None:
        """Store a new pin; its primary key makes the rule hold under any race."""
        values = {name: getattr(pin, name) for name in Pin.__slots__}
        values["sequence"] = self._next_sequence()
        self._connection.execute(nullifiers.insert().values(values))

    def _next_sequence(self) -> int:
        return int(self._connection.execute(select(func.coalesce(func.max(nullifiers.c.sequence), 0))).scalar_one()) + 1

    def start_attempt(self, nullifier: bytes, attempt: int, evaluator_1: str, evaluator_2: str) -> None:
        """Record that a rerun began."""
        self._update(nullifier, attempt=attempt, evaluator_1=evaluator_1, evaluator_2=evaluator_2)

    def fix_share(self, nullifier: bytes, share_bits: bytes) -> None:
        """Fix this authority's output share before the first run starts."""
        self._update(nullifier, share_bits=share_bits)

    def complete(self, nullifier: bytes, share_bits: bytes, run: bytes, query: bytes, released: bytes | None) -> None:
        """Persist the finished run before anything of it is sent."""
        self._update(nullifier, share_bits=share_bits, run=run, run_query=query, released=released)

    def _update(self, nullifier: bytes, **values: object) -> None:
        self._connection.execute(update(nullifiers).where(nullifiers.c.nullifier == nullifier).values(**values))

    def pins_after(self, sequence: int, limit: int) -> list[Pin]:
        """Return up to `limit` pins in the order in which they were made."""
        rows = self._connection.execute(
            select(nullifiers).where(nullifiers.c.sequence > sequence).order_by(nullifiers.c.sequence).limit(limit)
        )
        return [Pin(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name

    def queue_notice(self, recipient: str, nullifier: bytes, notice: bytes) -> None:
        """Keep a pin notice for an authority that is not up; a later one for the same nullifier replaces it."""
        self.drop_notice(recipient, nullifier)
        self._connection.execute(notices.insert().values(recipient=recipient, nullifier=nullifier, notice=notice))

    def queued_notices(self, limit: int) -> list[tuple[str, bytes, bytes]]:
        """Return (recipient, nullifier, notice) that wait for delivery."""
        rows = self._connection.execute(select(notices).limit(limit))
        return [(row.recipient, row.nullifier, row.notice) for row in rows]

    def drop_notice(self, recipient: str, nullifier: bytes) -> None:
        """Forget a delivered notice."""
        self._connection.execute(
            delete(notices).where(notices.c.recipient == recipient, notices.c.nullifier == nullifier)
        )
