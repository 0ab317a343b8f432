"""A wallet's directory on its owner's machine: the secret, what it pins of the federation, what it remembers.

```
keys/wallet.key  registry.jws  registry.pub  ca.pem  wallet.db
```
The key file is encrypted when a passphrase is given. Losing it means to enrol anew, with new codes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from privcredit.crypto.randomness import Randomness
from privcredit.errors import UsageError
from privcredit.federation.config import (
    CA_FILE,
    REGISTRY_FILE,
    REGISTRY_KEY_FILE,
    load_registry,
    load_registry_key,
)
from privcredit.federation.files import make_directory, read_bytes, read_text, write_public
from privcredit.federation.key_files import Passphrase, key_path, read_key, write_key
from privcredit.http.tls import ClientTls, client_context
from privcredit.http.wallet_client import WalletClient
from privcredit.protocols.consent.steps import WalletSecret, read_credential
from privcredit.roles.identity import Clock
from privcredit.roles.registry import TrustedRegistry, open_registry
from privcredit.roles.wallet import Wallet
from privcredit.scorecard.policy import Policy
from privcredit.storage.wallet import WalletStore

DATABASE_FILE: Final = "wallet.db"


@dataclass(frozen=True, slots=True)
class Pins:
    """The files that a federation publishes for wallets, byte for byte: signed registry, its key, the CA."""

    registry: bytes
    registry_key: bytes
    ca: bytes

    @classmethod
    def read(cls, registry: Path, registry_key: Path, ca: Path) -> "Pins":
        """Return the three files after verifying every signature. Raises UsageError, InvalidProofError."""
        open_registry(read_text(registry).strip(), load_registry_key(registry_key))
        client_context(ClientTls(ca))
        return cls(read_bytes(registry), read_bytes(registry_key), read_bytes(ca))

    @property
    def by_name(self) -> Mapping[str, bytes]:
        """The files under the names that they have in a wallet's directory."""
        return {REGISTRY_KEY_FILE: self.registry_key, REGISTRY_FILE: self.registry, CA_FILE: self.ca}


@dataclass(frozen=True, slots=True)
class BudgetLine:
    """How much of a policy's budget is used now. asked_by: who asked, in order; until: when it is whole again."""

    policy: Policy
    used: int
    asked_by: tuple[str, ...]
    until: int


@dataclass(frozen=True, slots=True)
class OpenWallet:
    """An opened wallet directory; leaving the `with` block closes its database."""

    directory: Path
    registry: TrustedRegistry
    wallet: Wallet
    store: WalletStore
    clock: Clock

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.store.close()

    @property
    def client(self) -> WalletClient:
        """The wallet's calls to holders."""
        return WalletClient(self.wallet, self.registry, ClientTls(self.directory / CA_FILE))

    @property
    def identity(self) -> str | None:
        """Whom the registrar's credential names; None before the registration."""
        registrar = self.registry.party(self.registry.document.registrar, "holder")
        with self.store.transaction() as records:
            credential = records.credential(registrar.name)
        return read_credential(credential, registrar.name, registrar.signing_key).identity if credential else None

    def budget(self, policy: Policy) -> BudgetLine:
        """Return how much of a policy's budget is used in the epoch that a request made now falls into."""
        epoch = self.clock() // policy.epoch_seconds
        with self.store.transaction() as records:
            used = records.used(policy.budget_group, epoch)
        return BudgetLine(
            policy, len(used), tuple(use.verifier for use in used), until=(epoch + 1) * policy.epoch_seconds
        )


def init_wallet(directory: Path, pins: Pins, randomness: Randomness, passphrase: Passphrase | None = None) -> None:
    """Make a wallet with a fresh secret. Run by the subject, on the subject's own machine.

    Raises UsageError if there is a wallet already: a second secret would know none of the first one's enrolments.
    """
    if key_path(directory, "wallet").exists():
        raise UsageError(f"{directory} holds a wallet already; use it, or choose another directory.")
    save_wallet(directory, pins, WalletSecret.generate(randomness), randomness, passphrase)


def save_wallet(
    directory: Path, pins: Pins, secret: WalletSecret, randomness: Randomness, passphrase: Passphrase | None = None
) -> None:
    """Write a wallet's files, the key last: until it is there the directory holds no wallet. Raises UsageError."""
    _check_private(make_directory(directory))
    make_directory(directory / "keys")
    for name, data in pins.by_name.items():
        write_public(directory / name, data)
    write_key(key_path(directory, "wallet"), "wallet", secret.to_file_bytes(), passphrase, randomness)


def open_wallet(
    directory: Path, randomness: Randomness, clock: Clock, passphrase: Passphrase | None = None
) -> OpenWallet:
    """Return the wallet in `directory`, its registry verified anew.

    Raises UsageError naming the file that is missing, readable by others, damaged or locked by a passphrase.
    """
    path = key_path(directory, "wallet")
    if not path.exists():
        raise UsageError(f"{directory} holds no wallet; make one with: privcredit wallet init {directory}")
    _check_private(directory)
    secret = _secret(path, passphrase)
    registry = load_registry(directory)
    store = WalletStore(database_url(directory))
    return OpenWallet(directory, registry, Wallet(secret, registry, store, randomness, clock), store, clock)


def database_url(directory: Path) -> str:
    """Return the URL of a wallet's database."""
    return f"sqlite:///{(directory / DATABASE_FILE).absolute()}"


def install_newer_registry(directory: Path, registry_file: Path) -> TrustedRegistry:
    """Pin a newer registry under the same key, after verifying it. Installing the same one again is harmless.

    Raises UsageError if it is older or of another scheme, InvalidProofError if another key signed it.
    """
    pinned = load_registry(directory)
    jws = read_text(registry_file).strip()
    newer = open_registry(jws, load_registry_key(directory / REGISTRY_KEY_FILE))
    if newer.scheme != pinned.scheme:
        raise UsageError(f"{registry_file} is the registry of {newer.scheme}; this wallet is of {pinned.scheme}.")
    if newer.document.serial <= pinned.document.serial and jws != read_text(directory / REGISTRY_FILE).strip():
        raise UsageError(
            f"{registry_file} has serial {newer.document.serial}, and {pinned.document.serial} is pinned; "
            "an older registry is never installed, so get the newest."
        )
    write_public(directory / REGISTRY_FILE, jws.encode() + b"\n")
    return newer


def _secret(path: Path, passphrase: Passphrase | None) -> WalletSecret:
    try:
        return WalletSecret.from_file_bytes(read_key(path, "wallet", passphrase))
    except UsageError as error:
        if str(path) in str(error):
            raise
        raise UsageError(f"{path}: {error}") from error


def _check_private(directory: Path) -> None:
    """The database beside the key tells who asked about its owner."""
    if directory.stat().st_mode & 0o077:
        raise UsageError(f"The wallet {directory} can be entered by others; run: chmod 700 {directory}")
