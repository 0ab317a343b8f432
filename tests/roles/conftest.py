"""A federation for each test, and a short patience with silent peers."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from privcredit.http import session_channel
from support.federation import Town
from support.inspection import postgres_schemas

PATIENCE_SECONDS = 4.0
"""An honest wait takes a tenth of a second; what hangs here is let go of after this."""


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_channel, "RECEIVE_SECONDS", PATIENCE_SECONDS)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    made = Town(tmp_path)
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def town_on(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Town]:
    """The same on both databases."""
    if request.param == "sqlite":
        made = Town(tmp_path)
        yield made
        made.close()
        return
    with postgres_schemas() as urls:
        made = Town(tmp_path, urls=lambda name: _url(name, urls, tmp_path))
        yield made
        made.close()


def _url(name: str, urls: Callable[[str], str], directory: Path) -> str:
    """Wallets are people's own; only nodes are on PostgreSQL."""
    return f"sqlite:///{directory / name}.db" if name.startswith("wallet") else urls(name)
