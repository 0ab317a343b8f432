"""What the demonstration is made of: the German Credit federation on this machine, and people with wallets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from privcredit.crypto.randomness import Randomness
from privcredit.federation.config import load_registry
from privcredit.federation.local import LocalFederation, LocalPlan
from privcredit.federation.node import clock
from privcredit.federation.publish import PolicySource
from privcredit.federation.wallet_directory import Pins, database_url, save_wallet
from privcredit.http.tls import ClientTls
from privcredit.http.wallet_client import WalletClient
from privcredit.protocols.consent.steps import WalletSecret
from privcredit.research import german_credit
from privcredit.research.german_credit import Applicant, HolderDatabases
from privcredit.roles.codes import issue_code
from privcredit.roles.registry import TrustedRegistry
from privcredit.roles.wallet import Wallet
from privcredit.sources.source import SourceConfig
from privcredit.storage.holder import ENROLMENT, REGISTRATION, HolderStore
from privcredit.storage.wallet import WalletStore

VERIFIER = "rental-platform"
POLICY = "deposit-free-rental"
CODE_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class GermanCredit:
    """The plan of the federation; `databases` is filled once the records were written."""

    plan: LocalPlan
    databases: list[HolderDatabases]

    @property
    def keys(self) -> Mapping[str, Mapping[str, str]]:
        """Holder -> identity -> record key: what each holder's clerk looks up at the counter."""
        return self.databases[-1].keys


def german_credit_plan(randomness: Randomness) -> GermanCredit:
    """Return the plan of the German Credit federation: four holders, one of them registrar, one verifier."""
    written: list[HolderDatabases] = []

    def write_records(directory: Path) -> Mapping[str, SourceConfig]:
        written.append(german_credit.write_holder_databases(directory, randomness))
        return written[-1].sources

    plan = LocalPlan(
        scheme=german_credit.SCHEME,
        holders=german_credit.holders(),
        write_records=write_records,
        registrar=german_credit.REGISTRAR,
        verifiers=(VERIFIER,),
        policies=(PolicySource(german_credit.FOLDER / "policy.toml", german_credit.scorecard()),),
    )
    return GermanCredit(plan, written)


@dataclass(frozen=True, slots=True)
class Person:
    """An applicant with a wallet."""

    identity: str
    applicant: Applicant
    wallet: Wallet


def wallet_directory(federation: LocalFederation, identity: str) -> Path:
    """Return the directory of a person's wallet, which `privcredit wallet` and `query` take."""
    return federation.directory / "wallets" / identity


class Town:
    """The running federation seen by its people: enrols them with one-time codes, as counters would hand out."""

    def __init__(
        self, federation: LocalFederation, keys: Mapping[str, Mapping[str, str]], randomness: Randomness
    ) -> None:
        self.federation = federation
        self.registry: TrustedRegistry = load_registry(federation.directory)
        self._pins = Pins.read(federation.registry_file, federation.registry_key_file, federation.ca_file)
        self._keys = keys
        self._randomness = randomness
        holders = federation.with_role("holder")
        self._stores = {node.name: HolderStore(f"sqlite:///{node.directory / 'node.db'}") for node in holders}

    def close(self) -> None:
        """Close the holders' databases."""
        for store in self._stores.values():
            store.close()

    def enrol_all(self, people: Sequence[Applicant], progress: Callable[[int], None]) -> list[Person]:
        """Give every applicant a wallet, registered at the registrar and enrolled at all holders."""
        enrolled = []
        for done, applicant in enumerate(people, start=1):
            enrolled.append(self._enrol(applicant))
            progress(done)
        return enrolled

    def _enrol(self, applicant: Applicant) -> Person:
        identity = str(applicant[german_credit.IDENTITY_COLUMN])
        wallet = self._wallet(identity)
        client = WalletClient(wallet, self.registry, ClientTls(self.federation.ca_file))
        client.register(self._code(german_credit.REGISTRAR, identity, REGISTRATION))
        for holder in self._stores:
            client.enrol(holder, self._code(holder, identity, ENROLMENT))
        return Person(identity, applicant, wallet)

    def _wallet(self, identity: str) -> Wallet:
        directory = wallet_directory(self.federation, identity)
        secret = WalletSecret.generate(self._randomness)
        save_wallet(directory, self._pins, secret, self._randomness)
        store = WalletStore(database_url(directory))
        return Wallet(secret, self.registry, store, self._randomness, clock)

    def _code(self, holder: str, identity: str, purpose: str) -> str:
        with self._stores[holder].transaction() as records:
            key = self._keys[holder][identity]
            return issue_code(records, key, identity, purpose, clock() + CODE_SECONDS, self._randomness)
