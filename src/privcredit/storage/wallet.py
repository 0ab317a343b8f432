"""What a wallet remembers: its credential, where it is enrolled, which budget index served which question."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, func, select

from privcredit.storage.database import Database
from privcredit.storage.tables import credentials, enrolments, uses


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

    def index_for(self, group: str, epoch: int, verifier: str, policy_hash: bytes) -> int:
        """Return the budget index of this question: the one it had in this epoch, else the next free one."""
        known = self._connection.execute(
            select(uses.c.position).where(
                uses.c.budget_group == group,
                uses.c.epoch == epoch,
                uses.c.verifier == verifier,
                uses.c.policy_hash == policy_hash,
            )
        ).first()
        return known.position if known else self._take_index(group, epoch, verifier, policy_hash)

    def _take_index(self, group: str, epoch: int, verifier: str, policy_hash: bytes) -> int:
        used = select(func.count()).where(uses.c.budget_group == group, uses.c.epoch == epoch)
        position = int(self._connection.execute(used).scalar_one())
        self._connection.execute(
            uses.insert().values(
                budget_group=group, epoch=epoch, position=position, verifier=verifier, policy_hash=policy_hash
            )
        )
        return position

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
