"""The shared place of these tests."""

from collections.abc import Iterator

import pytest

from support.place import Place, make_place


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = make_place(tmp_path_factory.mktemp("place"))
    yield made
    made.town.close()
