"""Fixtures for tests over real sockets."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from federation_files import DAY, Federation

from privcredit.http.pki import create_ca


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    now = int(time.time())
    ca = create_ca("test", now - 60 * DAY, 365)
    (tmp_path / "ca.pem").write_bytes(ca.certificate_pem)
    return Federation(tmp_path, ca, now)


@pytest.fixture
def _restored_logging() -> Iterator[None]:
    """`configure_logging` is for a whole process; tests put back what they found."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()
