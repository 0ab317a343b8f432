"""A town with real roles in this process, its files on disk, and its verifier behind TLS."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace
from structlog.testing import capture_logs

from privcredit.crypto.signing import public_jwk
from privcredit.federation.wallet_directory import Pins, open_wallet, save_wallet
from privcredit.http.api_token import ApiToken
from privcredit.http.observability import Observability
from privcredit.http.pki import create_ca, issue
from privcredit.http.server import Listener, background
from privcredit.http.tls import ServerTls, write_private
from privcredit.http.verifier_app import public_app
from privcredit.messages.codec import encode_json
from privcredit.protocols.consent.steps import WalletSecret
from privcredit.roles.registry import REGISTRY_SIGNER, sign_registry
from privcredit.scorecard.policy import Policy
from support.federation import HOLDERS, REGISTRY_KEY, Town, make_document, make_policy
from support.seeded import SeededRandomness

DAY = 86_400


@dataclass
class Place:
    """A directory with registry.jws, registry.pub and ca.pem, and the town that they describe."""

    directory: Path
    town: Town
    tls: ServerTls

    @property
    def registry_options(self) -> tuple[object, ...]:
        return ("--registry", self.directory / "registry.jws", "--registry-key", self.directory / "registry.pub")

    @property
    def ca(self) -> Path:
        return self.directory / "ca.pem"

    def write_registry(self, *policies: Policy, serial: int = 1) -> Path:
        """A registry with this serial under the same key."""
        document = replace(make_document(policies or (make_policy(),)), serial=serial)
        path = self.directory / f"registry-{serial}.jws"
        path.write_text(sign_registry(document, REGISTRY_KEY))
        return path

    def wallet(self, person: str, holders: tuple[str, ...] = HOLDERS) -> Path:
        """The wallet directory of a person who is enrolled at `holders`."""
        self.town.wallet(person, holders)
        directory = self.directory / f"wallet-{person}"
        if directory.exists():
            return directory
        pins = Pins.read(self.directory / "registry.jws", self.directory / "registry.pub", self.ca)
        randomness = SeededRandomness(f"directory {person}")
        save_wallet(directory, pins, WalletSecret.generate(SeededRandomness(f"wallet {person}")), randomness)
        with open_wallet(directory, randomness, self.town.time) as opened:
            for holder in holders:
                opened.wallet.enrolled_at(holder)
        return directory

    @contextmanager
    def verifier(self, token: ApiToken | None = None, name: str = "shop") -> Iterator[tuple[object, ...]]:
        """The running public API; yields the options that reach it."""
        app = public_app(self.town.verifiers[name], self.town.registry, Observability(name, "verifier"), token)
        with capture_logs(), background([Listener(app, "127.0.0.1", 0, self.tls)]) as (port,):
            yield ("--verifier", f"https://127.0.0.1:{port}", "--name", name, "--ca", self.ca)


def make_place(directory: Path) -> Place:
    """A new town; its clock is the machine's, since the command line reads that."""
    now = int(time.time())
    town = Town(directory)
    town.time.now = now
    ca = create_ca("town", now - DAY, 365)
    (directory / "ca.pem").write_bytes(ca.certificate_pem)
    certificate, key = issue(ca, "shop", "verifier", ["127.0.0.1"], now, 30)
    (directory / "shop.pem").write_bytes(certificate)
    write_private(directory / "shop.key", key)
    tls = ServerTls(directory / "ca.pem", directory / "shop.pem", directory / "shop.key")
    made = Place(directory, town, tls)
    made.write_registry().rename(directory / "registry.jws")
    (directory / "registry.pub").write_bytes(encode_json(public_jwk(REGISTRY_KEY.public_bytes, REGISTRY_SIGNER)))
    return made
