"""The audit log names the first row that was changed, removed, moved or inserted: threats.md N5."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from privcredit.errors import UsageError
from privcredit.storage.authority import AuthorityStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AuthorityStore]:
    made = AuthorityStore(f"sqlite:///{tmp_path}/authority.db")
    for number in range(1, 8):
        with made.transaction() as records:
            records.log(1000 + number, "refused", {"reason": "wrong-query", "number": number})
    yield made
    made.close()


def tamper(store: AuthorityStore, *statements: str) -> None:
    with store._database.transaction() as connection:
        for statement in statements:
            connection.execute(text(statement))


def verify(store: AuthorityStore) -> int:
    with store.transaction() as records:
        return records.verify_log()


CHANGES = {
    "details": "UPDATE audit SET details = replace(details, '4', '5') WHERE sequence = 4",
    "event": "UPDATE audit SET event = 'evaluated' WHERE sequence = 4",
    "time": "UPDATE audit SET time = time + 1 WHERE sequence = 4",
    "hash": "UPDATE audit SET hash = x'00' WHERE sequence = 4",
    "previous": "UPDATE audit SET previous = x'00' WHERE sequence = 4",
}


def test_an_intact_log_verifies(store: AuthorityStore) -> None:
    assert verify(store) == 7


@pytest.mark.parametrize("what", CHANGES)
def test_n5_a_changed_row_is_named(store: AuthorityStore, what: str) -> None:
    tamper(store, CHANGES[what])
    with pytest.raises(UsageError, match="Audit row 4 was changed"):
        verify(store)


def test_n5_a_removed_row_is_named(store: AuthorityStore) -> None:
    tamper(store, "DELETE FROM audit WHERE sequence = 4")
    with pytest.raises(UsageError, match="Audit row 4 is missing"):
        verify(store)


def test_n5_the_first_row_counts_too(store: AuthorityStore) -> None:
    tamper(store, "DELETE FROM audit WHERE sequence = 1")
    with pytest.raises(UsageError, match="Audit row 1 is missing"):
        verify(store)


def test_n5_rows_that_changed_places_are_named(store: AuthorityStore) -> None:
    tamper(
        store,
        "UPDATE audit SET sequence = 100 WHERE sequence = 4",
        "UPDATE audit SET sequence = 4 WHERE sequence = 5",
        "UPDATE audit SET sequence = 5 WHERE sequence = 100",
    )
    with pytest.raises(UsageError, match="Audit row 4 was changed"):
        verify(store)


def test_n5_a_removed_row_whose_followers_moved_up_is_named(store: AuthorityStore) -> None:
    tamper(store, "DELETE FROM audit WHERE sequence = 4", "UPDATE audit SET sequence = sequence - 1 WHERE sequence > 4")
    with pytest.raises(UsageError, match="Audit row 4 was changed"):
        verify(store)


def test_n5_without_the_chain_a_changed_row_verifies(store: AuthorityStore, monkeypatch: pytest.MonkeyPatch) -> None:
    from privcredit.storage import audit

    def unchained(row: object, expected: int, previous: bytes) -> None:
        assert (row.sequence, previous is None) == (expected, False)

    monkeypatch.setattr(audit, "_check_row", unchained)
    tamper(store, CHANGES["details"])
    assert verify(store) == 7


def test_fields_do_not_move_across_borders(store: AuthorityStore) -> None:
    """The same characters in other fields are another row (W3)."""
    seen: set[bytes] = set()
    watch: Callable[[Connection], None] = lambda connection: seen.update(  # noqa: E731
        row.hash for row in connection.execute(text("SELECT hash FROM audit"))
    )
    for event, details in (("ab", {"c": "d"}), ("a", {"bc": "d"}), ("abc", {"": "d"})):
        with store.transaction() as records:
            records.log(1, event, details)
    with store._database.transaction() as connection:
        watch(connection)
    assert len(seen) == 10
