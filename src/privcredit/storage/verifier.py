"""What a verifier remembers: its requests, its questions, and the answers with their receipts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from privcredit.storage.database import Database
from privcredit.storage.tables import questions, requests


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """A request as it was signed."""

    request_id: bytes
    policy_hash: bytes
    jws: str
    expires: int


@dataclass(frozen=True, slots=True)
class StoredQuestion:
    """A question: the submission sent to the coordinator and the encoded outcome so far."""

    request_id: bytes
    query_id: bytes
    submission: bytes
    state: str
    answer: bytes


class VerifierStore:
    """Opens transactions; all reads and writes happen inside one."""

    def __init__(self, url: str) -> None:
        self._database = Database(url, "verifier")

    @contextmanager
    def transaction(self) -> Iterator["VerifierRecords"]:
        """Yield the records inside one durable write transaction."""
        with self._database.transaction() as connection:
            yield VerifierRecords(connection)

    def close(self) -> None:
        """Close the database."""
        self._database.close()


class VerifierRecords:
    """Reads and writes of one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add_request(self, request: StoredRequest) -> None:
        """Store a signed request."""
        values = {name: getattr(request, name) for name in StoredRequest.__slots__}
        self._connection.execute(requests.insert().values(values))

    def request(self, request_id: bytes) -> StoredRequest | None:
        """Return a request."""
        row = self._connection.execute(select(requests).where(requests.c.request_id == request_id)).first()
        return StoredRequest(**row._mapping) if row else None  # noqa: SLF001 - SQLAlchemy's public name

    def add_question(self, question: StoredQuestion) -> None:
        """Store a question before it is sent."""
        values = {name: getattr(question, name) for name in StoredQuestion.__slots__}
        self._connection.execute(questions.insert().values(values))

    def question(self, request_id: bytes) -> StoredQuestion | None:
        """Return a question."""
        row = self._connection.execute(select(questions).where(questions.c.request_id == request_id)).first()
        return StoredQuestion(**row._mapping) if row else None  # noqa: SLF001 - SQLAlchemy's public name

    def set_answer(self, request_id: bytes, state: str, answer: bytes) -> None:
        """Record a question's outcome."""
        self._connection.execute(
            update(questions).where(questions.c.request_id == request_id).values(state=state, answer=answer)
        )
