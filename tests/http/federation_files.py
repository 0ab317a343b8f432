"""A federation on disk for tests over real sockets: certificates for any party, also wrong ones."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from privcredit.http.pki import CaMaterial, issue
from privcredit.http.tls import ClientTls, ServerTls, server_context, write_private

DAY = 86_400


@dataclass(frozen=True)
class Federation:
    """One CA and a directory; `pair` writes a new certificate and key and returns their files."""

    directory: Path
    ca: CaMaterial
    now: int

    @property
    def ca_file(self) -> Path:
        return self.directory / "ca.pem"

    def pair(
        self, party: str, role: str, *, now: int | None = None, days: int = 30, ca: CaMaterial | None = None
    ) -> tuple[Path, Path]:
        certificate, key = issue(ca or self.ca, party, role, ["127.0.0.1"], now or self.now, days)
        return self.store(f"{party}-{role}", certificate, key)

    def store(self, name: str, certificate: bytes, key: bytes) -> tuple[Path, Path]:
        files = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        files[0].write_bytes(certificate)
        write_private(files[1], key)
        return files

    def server(self, party: str = "bank", role: str = "holder", **options: object) -> ServerTls:
        return ServerTls(self.ca_file, *self.pair(party, role, **options))

    def client(self, party: str = "hub", role: str = "coordinator", **options: object) -> ClientTls:
        return ClientTls(self.ca_file, *self.pair(party, role, **options))


Script = Callable[[ssl.SSLSocket, int], None]


@contextmanager
def scripted_server(tls: ServerTls, script: Script) -> Iterator[tuple[int, list[int]]]:
    """A misbehaving peer: runs `script(connection, number)` per connection; yields its port and the numbers seen."""
    seen: list[int] = []
    listening = socket.create_server(("127.0.0.1", 0))
    context = server_context(tls, require_client_certificate=True)

    def accept() -> None:
        while True:
            try:
                raw, _ = listening.accept()
            except OSError:
                return
            seen.append(len(seen))
            threading.Thread(target=answer, args=(raw, seen[-1]), daemon=True).start()

    def answer(raw: socket.socket, number: int) -> None:
        try:
            with context.wrap_socket(raw, server_side=True) as connection:
                script(connection, number)
        except OSError:
            raw.close()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listening.getsockname()[1], seen
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
