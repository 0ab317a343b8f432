"""What a holder remembers: enrolled subjects, consents used, contributions issued."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from privcredit.storage import audit
from privcredit.storage.database import Database
from privcredit.storage.tables import (
    audits,
    contributions,
    enrolment_codes,
    persons,
    seen_requests,
    subject_orders,
    subjects,
)

ENROLMENT = "enrolment"
REGISTRATION = "registration"


@dataclass(frozen=True, slots=True)
class Code:
    """A one-time code: which record it opens, for whom, for what."""

    record_key: str
    identity: str
    purpose: str
    expires: int
    used: bool


@dataclass(frozen=True, slots=True)
class Subject:
    """An enrolled person: this holder's record key behind a pseudonym."""

    record_key: str
    opted_out: bool


@dataclass(frozen=True, slots=True)
class IssuedContribution:
    """A contribution as it was first made; resent byte-identical for the same nullifier."""

    nullifier: bytes
    verifier: str
    policy_hash: bytes
    epoch: int
    origin_query: bytes
    origin_point: bytes
    issued: int
    ciphertext: bytes
    proof: bytes


class HolderStore:
    """Opens transactions; all reads and writes happen inside one."""

    def __init__(self, url: str) -> None:
        self._database = Database(url, "holder")

    @contextmanager
    def transaction(self) -> Iterator["HolderRecords"]:
        """Yield the records inside one durable write transaction."""
        with self._database.transaction() as connection:
            yield HolderRecords(connection)

    def close(self) -> None:
        """Close the database."""
        self._database.close()


class HolderRecords:
    """Reads and writes of one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def log(self, time: int, event: str, details: Mapping[str, str | int]) -> None:
        """Append an audit row."""
        audit.append(self._connection, audits["holder"], time, event, details)

    def verify_log(self) -> int:
        """Return the number of rows of an intact log; raises UsageError naming the first bad row."""
        return audit.verify(self._connection, audits["holder"])

    def add_code(self, digest: bytes, code: Code) -> None:
        """Remember a one-time code by its digest."""
        self._connection.execute(
            enrolment_codes.insert().values(
                code_digest=digest,
                record_key=code.record_key,
                identity=code.identity,
                purpose=code.purpose,
                expires=code.expires,
                used=code.used,
            )
        )

    def code(self, digest: bytes) -> Code | None:
        """Return the code with this digest."""
        row = self._connection.execute(select(enrolment_codes).where(enrolment_codes.c.code_digest == digest)).first()
        return Code(row.record_key, row.identity, row.purpose, row.expires, row.used) if row else None

    def use_code(self, digest: bytes) -> None:
        """Mark a code as used."""
        self._connection.execute(
            update(enrolment_codes).where(enrolment_codes.c.code_digest == digest).values(used=True)
        )

    def subject(self, pseudonym: bytes) -> Subject | None:
        """Return the subject enrolled under this pseudonym."""
        row = self._connection.execute(select(subjects).where(subjects.c.pseudonym == pseudonym)).first()
        return Subject(row.record_key, row.opted_out) if row else None

    def enrol(self, pseudonym: bytes, record_key: str, now: int) -> bool:
        """Enrol a subject; False if the record or the pseudonym is enrolled already.

        The wallet's root point is not kept: it would be a key that joins the tables of all holders.
        """
        values = {
            "pseudonym": pseudonym,
            "record_key": record_key,
            "enrolled": now,
            "opted_out": False,
            "ordered": 0,
        }
        return _insert(self._connection, subjects, values)

    def is_enrolled_as(self, pseudonym: bytes, record_key: str) -> bool:
        """Tell whether exactly this enrolment exists (a repeated request after a lost reply)."""
        row = self._connection.execute(select(subjects).where(subjects.c.pseudonym == pseudonym)).first()
        return bool(row and row.record_key == record_key)

    def set_opted_out(self, pseudonym: bytes, opted_out: bool, ordered: int) -> bool:
        """Opt a subject out, or back in; False if it gave a later order. Of one second's orders an opt-out counts.

        ordered: when the subject signed the order. True for unknown subjects, like any other.
        """
        mine = subjects.c.pseudonym == pseudonym
        row = self._connection.execute(select(subjects).where(mine)).first()
        if row is None:
            return True
        if ordered < row.ordered or (ordered == row.ordered and row.opted_out and not opted_out):
            return False
        self._connection.execute(update(subjects).where(mine).values(opted_out=opted_out, ordered=ordered))
        return True

    def use_order(self, nonce: bytes, now: int) -> bool:
        """Remember a subject's order by its nonce; False if it was used before."""
        return _insert(self._connection, subject_orders, {"nonce": nonce, "received": now})

    def register_person(self, identity: str, root_point: bytes, credential: str) -> bool:
        """Bind a person to a key, one to one; False if either is bound already."""
        values = {"identity": identity, "root_point": root_point, "credential": credential}
        return _insert(self._connection, persons, values)

    def person_credential(self, identity: str, root_point: bytes) -> str | None:
        """Return the credential of exactly this person and key."""
        row = self._connection.execute(select(persons).where(persons.c.identity == identity)).first()
        return row.credential if row and row.root_point == root_point else None

    def use_request(self, request_id: bytes, query_id: bytes, expires: int) -> bool:
        """Bind a verifier's nonce to one query; False if it belongs to another query."""
        values = {"request_id": request_id, "query_id": query_id, "expires": expires}
        if _insert(self._connection, seen_requests, values):
            return True
        row = self._connection.execute(
            select(seen_requests.c.query_id).where(seen_requests.c.request_id == request_id)
        ).one()
        return bool(row.query_id == query_id)

    def issued(self, nullifier: bytes) -> IssuedContribution | None:
        """Return the contribution issued under this nullifier."""
        row = self._connection.execute(select(contributions).where(contributions.c.nullifier == nullifier)).first()
        return IssuedContribution(**row._mapping) if row else None  # noqa: SLF001 - SQLAlchemy's public name

    def issue(self, contribution: IssuedContribution) -> None:
        """Store a contribution; the primary key makes the budget hold under any race."""
        values = {name: getattr(contribution, name) for name in IssuedContribution.__slots__}
        self._connection.execute(contributions.insert().values(values))


def _insert(connection: Connection, table: object, values: Mapping[str, object]) -> bool:
    """Insert unless any UNIQUE constraint objects; tell whether the row went in."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(values).on_conflict_do_nothing()
    return bool(connection.execute(statement).rowcount)
