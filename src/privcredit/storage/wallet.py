"""What a wallet remembers: its credential, where it is enrolled, which budget index served which question."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, select

from privcredit.storage.database import Database
from privcredit.storage.tables import credentials, enrolments, uses


@dataclass(frozen=True, slots=True)
class Use:
    """One evaluation of the budget: its index, and who asked under which policy."""

    position: int
    verifier: str
    policy_hash: bytes


class WalletStore:
    """Opens transactions; all reads and writes happen inside one."""

    def __init__(self, url: str) -> None:
        self._database = Database(url, "wallet")

    @contextmanager
    def transaction(self) -> Iterator["WalletRecords"]:
        """Yield the records inside one durable write transaction."""
        with self._database.transaction() as connection:
            yield WalletRecords(connection)

    def close(self) -> None:
        """Close the database."""
        self._database.close()


class WalletRecords:
    """Reads and writes of one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def index_for(self, group: str, epoch: int, verifier: str, policy_hash: bytes) -> int | None:
        """Return the budget index that this question had last in this epoch, None if it had none."""
        mine = uses.c.verifier == verifier, uses.c.policy_hash == policy_hash
        return self._position(_last_index(group, epoch).where(*mine))

    def take_index(self, group: str, epoch: int, verifier: str, policy_hash: bytes) -> int:
        """Give this question the next free budget index; its primary key makes sure that no other has it."""
        last = self._position(_last_index(group, epoch))
        position = 0 if last is None else last + 1
        self._connection.execute(
            uses.insert().values(
                budget_group=group, epoch=epoch, position=position, verifier=verifier, policy_hash=policy_hash
            )
        )
        return position

    def used(self, group: str, epoch: int) -> list[Use]:
        """Return the evaluations of an epoch, in the order of their indices."""
        mine = select(uses).where(uses.c.budget_group == group, uses.c.epoch == epoch).order_by(uses.c.position)
        return [Use(row.position, row.verifier, row.policy_hash) for row in self._connection.execute(mine)]

    def _position(self, query: Select[Any]) -> int | None:
        found: int | None = self._connection.execute(query).scalar_one()
        return found

    def store_credential(self, registrar: str, credential: str) -> None:
        """Keep the registrar's credential."""
        if self.credential(registrar) is None:
            self._connection.execute(credentials.insert().values(registrar=registrar, credential=credential))

    def credential(self, registrar: str) -> str | None:
        """Return the registrar's credential."""
        row = self._connection.execute(select(credentials).where(credentials.c.registrar == registrar)).first()
        return row.credential if row else None

    def store_enrolment(self, holder: str, now: int) -> None:
        """Remember an acknowledged enrolment."""
        if holder not in self.enrolled():
            self._connection.execute(enrolments.insert().values(holder=holder, enrolled=now))

    def enrolled(self) -> list[str]:
        """Return the holders at which this wallet is enrolled."""
        return [row.holder for row in self._connection.execute(select(enrolments).order_by(enrolments.c.holder))]


def _last_index(group: str, epoch: int) -> Select[Any]:
    return select(func.max(uses.c.position)).where(uses.c.budget_group == group, uses.c.epoch == epoch)
