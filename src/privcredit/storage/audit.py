"""The audit log: each row's hash covers the row before, so a changed, removed or moved row shows."""

import hashlib
import json
from collections.abc import Mapping

from sqlalchemy import Connection, Row, Table, select

from privcredit.errors import UsageError

GENESIS = bytes(32)
"""What the first row names as its predecessor."""


def append(connection: Connection, audit: Table, time: int, event: str, details: Mapping[str, str | int]) -> None:
    """Append one row inside the caller's transaction. Details never hold a score, record or secret."""
    last = connection.execute(select(audit).order_by(audit.c.sequence.desc()).limit(1)).first()
    sequence, previous = (last.sequence + 1, last.hash) if last else (1, GENESIS)
    text = json.dumps(details, sort_keys=True, separators=(",", ":"))
    connection.execute(
        audit.insert().values(
            sequence=sequence,
            time=time,
            event=event,
            details=text,
            previous=previous,
            hash=_row_hash(sequence, time, event, text, previous),
        )
    )


def verify(connection: Connection, audit: Table) -> int:
    """Return the number of rows of an intact log; raise UsageError naming the first bad row."""
    expected, previous = 1, GENESIS
    for row in connection.execute(select(audit).order_by(audit.c.sequence)):
        _check_row(row, expected, previous)
        expected, previous = expected + 1, row.hash
    return expected - 1


def _check_row(row: Row[tuple[object, ...]], expected: int, previous: bytes) -> None:
    if row.sequence != expected:
        raise UsageError(f"Audit row {expected} is missing (found {row.sequence}); restore the log from a backup.")
    if row.previous != previous or row.hash != _row_hash(row.sequence, row.time, row.event, row.details, previous):
        raise UsageError(f"Audit row {expected} was changed after it was written; restore the log from a backup.")


def _row_hash(sequence: int, time: int, event: str, details: str, previous: bytes) -> bytes:
    fields = json.dumps([sequence, time, event, details, previous.hex()], separators=(",", ":"))
    return hashlib.sha256(b"privcredit audit row\x00" + fields.encode()).digest()
