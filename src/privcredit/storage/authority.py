"""What an authority remembers: which nullifier belongs to whom, and the one output share it may give out for it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, func, select, update

from privcredit.storage import audit
from privcredit.storage.database import Database
from privcredit.storage.tables import audits, notices, nullifiers


@dataclass(frozen=True, slots=True)
class Pin:
    """A nullifier's first and only use, and how far this authority got with it.

    share_bits: this authority's output share, one byte 0 or 1 a tier; fixed once.
    attempt, evaluator_1, evaluator_2: the latest run that this authority began or was told of.
    run, run_query, run_evaluator_2: the complete run that the share belongs to (transcript digest), its query, and
    with whom.
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
    run_evaluator_2: str | None
    released: bytes | None

    def __repr__(self) -> str:
        return f"Pin({self.nullifier.hex()[:8]}, attempt={self.attempt}, share=<redacted>)"


@dataclass(frozen=True, slots=True, repr=False)
class FinishedRun:
    """What a complete run leaves: this authority's share, and as evaluator 2 the encoded result that it will send."""

    nullifier: bytes
    attempt: int
    evaluator_2: str
    query: bytes
    share_bits: bytes
    run: bytes
    released: bytes | None

    def __repr__(self) -> str:
        return f"FinishedRun({self.nullifier.hex()[:8]}, attempt={self.attempt}, share=<redacted>)"


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
        """Record that a rerun began, here or at the other two; the run before can no longer be completed."""
        self._update(nullifier, attempt=attempt, evaluator_1=evaluator_1, evaluator_2=evaluator_2)

    def fix_share(self, nullifier: bytes, share_bits: bytes) -> None:
        """Fix this authority's output share before the first run starts."""
        self._update(nullifier, share_bits=share_bits)

    def complete(self, finished: FinishedRun) -> bool:
        """Persist the finished run before anything of it is sent; False if a rerun has replaced it meanwhile."""
        still_wanted = nullifiers.c.attempt == finished.attempt, nullifiers.c.released.is_(None)
        return self._update(
            finished.nullifier,
            *still_wanted,
            share_bits=finished.share_bits,
            run=finished.run,
            run_query=finished.query,
            run_evaluator_2=finished.evaluator_2,
            released=finished.released,
        )

    def _update(self, nullifier: bytes, *conditions: ColumnElement[bool], **values: object) -> bool:
        found = update(nullifiers).where(nullifiers.c.nullifier == nullifier, *conditions)
        return bool(self._connection.execute(found.values(**values)).rowcount)

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

    def queued_notices(self, recipient: str, limit: int) -> list[tuple[bytes, bytes]]:
        """Return (nullifier, notice) that wait for delivery to this authority."""
        rows = self._connection.execute(select(notices).where(notices.c.recipient == recipient).limit(limit))
        return [(row.nullifier, row.notice) for row in rows]

    def drop_notice(self, recipient: str, nullifier: bytes, notice: bytes | None = None) -> None:
        """Forget a delivered notice; if `notice` is given only this one, not a later one for the same nullifier."""
        mine = notices.c.recipient == recipient, notices.c.nullifier == nullifier
        exactly = () if notice is None else (notices.c.notice == notice,)
        self._connection.execute(delete(notices).where(*mine, *exactly))
