from collections.abc import Callable
from pathlib import Path

import pytest

from privcredit.federation.node_setup import install_registry
from privcredit.federation.publish import publish_registry
from support.small_federation import NOW, ROLES, SmallFederation


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> SmallFederation:
    return SmallFederation(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="session")
def pinned(built: SmallFederation, tmp_path_factory: pytest.TempPathFactory) -> SmallFederation:
    copy = built.copied(tmp_path_factory.mktemp("pinned") / "federation")
    path = publish_registry(copy.operator, copy.publication(), NOW)
    for name in ROLES:
        install_registry(copy.node(name), path)
    return copy


@pytest.fixture
def small(built: SmallFederation, tmp_path: Path) -> SmallFederation:
    """Up to the authorities' statements; a copy that a test may change."""
    return built.copied(tmp_path / "small")


@pytest.fixture
def ready(pinned: SmallFederation, tmp_path: Path) -> SmallFederation:
    """Published once and pinned everywhere; a copy that a test may change."""
    return pinned.copied(tmp_path / "ready")


@pytest.fixture
def edit() -> Callable[[Path, str, str], None]:
    """Replace text in a file, once."""

    def edited(path: Path, old: str, new: str) -> None:
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return edited
