"""Fixtures for tests over real sockets."""

import time
from pathlib import Path

import pytest
from federation_files import DAY, Federation

from privcredit.http.pki import create_ca


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    now = int(time.time())
    ca = create_ca("test", now - 60 * DAY, 365)
    (tmp_path / "ca.pem").write_bytes(ca.certificate_pem)
    return Federation(tmp_path, ca, now)
