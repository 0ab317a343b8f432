"""A node's database opened by role, for the commands that look at it while no node runs or beside one."""

from typing import Final, Protocol

from privcredit.errors import UsageError
from privcredit.federation.config import NodeConfig
from privcredit.storage.authority import AuthorityStore
from privcredit.storage.coordinator import CoordinatorStore
from privcredit.storage.holder import HolderStore
from privcredit.storage.verifier import VerifierStore

AUDITED_ROLES: Final = frozenset({"holder", "authority"})
"""Roles that keep an audit log; the others keep nothing that a log would protect."""


class OpenStore(Protocol):
    """What these commands need of a store."""

    def verify_log(self) -> int | None:
        """Return the rows of an intact audit log, None if the role keeps none. Raises UsageError naming a bad row."""
        ...

    def close(self) -> None:
        """Close the database."""
        ...


class _Audited:
    def __init__(self, store: HolderStore | AuthorityStore) -> None:
        self._store = store

    def verify_log(self) -> int:
        with self._store.transaction() as records:
            return records.verify_log()

    def close(self) -> None:
        self._store.close()


class _Plain:
    def __init__(self, store: CoordinatorStore | VerifierStore) -> None:
        self._store = store

    def verify_log(self) -> None:
        return None

    def close(self) -> None:
        self._store.close()


def open_store(config: NodeConfig) -> OpenStore:
    """Return the node's opened database, brought to the newest schema. Raises UsageError."""
    if config.role == "holder":
        return _Audited(HolderStore(config.database))
    if config.role == "authority":
        return _Audited(AuthorityStore(config.database))
    return _Plain(CoordinatorStore(config.database) if config.role == "coordinator" else VerifierStore(config.database))


def audit_store(config: NodeConfig) -> OpenStore:
    """Return the opened database of a role that keeps an audit log. Raises UsageError for the others."""
    if config.role not in AUDITED_ROLES:
        raise UsageError(f"{config.name} is a {config.role}, which keeps no audit log; holders and authorities do.")
    return open_store(config)
