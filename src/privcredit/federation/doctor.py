"""What is wrong with a node, one line for each thing, and what to do about it."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

import gmpy2
from cryptography import x509
from gmpy2 import mpz

from privcredit.crypto.randomness import Randomness, bits
from privcredit.errors import PrivcreditError, UsageError
from privcredit.federation.config import NodeConfig, load_node, load_registry
from privcredit.federation.files import DIRECTORY_MODE, read_bytes
from privcredit.federation.holder_sources import resolve_sources
from privcredit.federation.key_files import Passphrase, is_encrypted, key_path, load_party_keys
from privcredit.federation.network_checks import check_clock, check_ports
from privcredit.federation.node_setup import check_key_material
from privcredit.federation.stores import open_store
from privcredit.federation.trust import RECOMMENDED_BITS
from privcredit.http.api_token import ApiToken
from privcredit.http.pki import check_identity
from privcredit.http.tls import check_private
from privcredit.messages.codec import Message
from privcredit.roles.identity import check_own_entry
from privcredit.roles.registry import TrustedRegistry
from privcredit.sources.source import open_source

Level = Literal["ok", "warn", "fail"]

RENEWAL_DAYS: Final = 30
"""A month before a certificate or policy ends there is still time to act."""

DAY_SECONDS: Final = 86_400

SLOW_MILLISECONDS: Final = 105.0
"""Three times what GMP 6.3 took on a server of 2022 for a power modulo 6144 bits with an exponent of 3072."""

SLOW_BITS: Final = 6144

SPEED_RUNS: Final = 3


class Finding(Message, frozen=True, kw_only=True):
    """One line: how it is, what was looked at, what was found and what to do."""

    level: Level
    check: str
    text: str


class Warn(Exception):  # noqa: N818 - not an error: how a check says "works, but"
    """Ends a check with the level "warn"."""


@dataclass
class Patient:
    """A node's directory as the checks see it; what several need is read once."""

    directory: Path
    now: int
    randomness: Randomness
    passphrase: Passphrase | None = None

    @cached_property
    def config(self) -> NodeConfig:
        """The node's settings."""
        return load_node(self.directory)

    @cached_property
    def registry(self) -> TrustedRegistry:
        """The pinned registry."""
        return load_registry(self.directory)


def examine(patient: Patient) -> Iterator[Finding]:
    """Yield a finding for each check, in the order in which a new node gets ready. Never raises for what it finds."""
    for name, check in CHECKS.items():
        yield _finding(name, check, patient)


def _finding(name: str, check: Callable[[Patient], str], patient: Patient) -> Finding:
    try:
        return Finding(level="ok", check=name, text=check(patient))
    except Warn as warning:
        return Finding(level="warn", check=name, text=str(warning))
    except PrivcreditError as error:
        return Finding(level="fail", check=name, text=str(error))


def _configuration(patient: Patient) -> str:
    config = patient.config
    return f"{config.name}, {config.role} in {config.scheme}"


def _keys(patient: Patient) -> str:
    directory = patient.directory
    load_party_keys(directory, patient.passphrase)
    for path in sorted((directory / "keys").glob("*.key")):
        check_private(path)
    if patient.config.api_token_file is not None:
        ApiToken.read(patient.config.api_token_file)
    if directory.stat().st_mode & 0o077:
        raise Warn(f"{directory} can be entered by others; run: chmod {DIRECTORY_MODE:o} {directory}")
    if not is_encrypted(key_path(directory, "signing")):
        raise Warn("Key files are not encrypted; protect the disk, or make the node with a passphrase.")
    return "private to their owner and encrypted"


def _certificate(patient: Patient) -> str:
    config = patient.config
    files = config.server_tls
    check_private(files.key)
    pem = read_bytes(files.certificate)
    peer = check_identity(read_bytes(files.ca), pem, read_bytes(files.key), patient.now)
    if (peer.party, peer.role) != (config.name, config.role):
        raise UsageError(f"The certificate names {peer.party}, {peer.role}; accept this node's own welcome file.")
    ends = x509.load_pem_x509_certificate(pem).not_valid_after_utc
    days = (int(ends.timestamp()) - patient.now) // DAY_SECONDS
    if days < RENEWAL_DAYS:
        raise Warn(f"The certificate ends in {days} days; ask the operator to admit join.json again.")
    return f"valid for {days} days"


def _registry(patient: Patient) -> str:
    config, registry = patient.config, patient.registry
    check_own_entry(load_party_keys(config.directory, patient.passphrase), config.role, registry)
    if config.role == "authority":
        check_key_material(config, registry, patient.passphrase)
    if registry.threshold_key.key.bits < RECOMMENDED_BITS:
        raise Warn(f"The federation's key has {registry.threshold_key.key.bits} bits; real data needs 3072.")
    running = [policy for policy in registry.policies.values() if policy.valid_from <= patient.now < policy.valid_until]
    if not running:
        raise Warn("No policy is valid now, so nothing can be asked; ask the operator for a new registry.")
    soonest = min(running, key=lambda policy: policy.valid_until)
    if soonest.valid_until - patient.now < RENEWAL_DAYS * DAY_SECONDS:
        raise Warn(f"Policy {soonest.id} ends within {RENEWAL_DAYS} days; ask the operator for a new registry.")
    return f"serial {registry.document.serial}, {len(running)} valid policies, keys match"


def _database(patient: Patient) -> str:
    config = patient.config
    store = open_store(config)
    with closing(store):
        rows = store.verify_log()
    return "opens" if rows is None else f"opens, audit log intact ({rows} rows)"


def _source(patient: Patient) -> str:
    if patient.config.role != "holder":
        return "not needed by this role"
    resolved = resolve_sources(patient.config, patient.registry)
    for config, card in resolved.values():
        with closing(open_source(config, card)) as source:
            source.check()
    if not resolved:
        raise Warn("No policy asks for this holder's records; ask the operator whether that is meant.")
    return f"every record fits its scorecard ({len(resolved)} scorecards)"


def _clock(patient: Patient) -> str:
    return check_clock(patient.config, patient.registry, patient.now)


def _ports(patient: Patient) -> str:
    return check_ports(patient.config)


def _arithmetic(patient: Patient) -> str:
    """Time one power modulo n^2 with an exponent as long as n: half a partial decryption."""
    modulus_bits = 2 * patient.registry.threshold_key.key.bits
    measured = power_milliseconds(modulus_bits, patient.randomness)
    text = f"{gmpy2.mp_version()}, gmpy2 {gmpy2.version()}: a {modulus_bits}-bit power takes {measured:.0f} ms"
    limit = SLOW_MILLISECONDS * (modulus_bits / SLOW_BITS) ** 3
    if measured > limit:
        raise Warn(
            f"{text}, three times what is usual; stop other work, or install gmpy2's own wheel with a GMP for this "
            "processor: pip install --force-reinstall --only-binary :all: gmpy2"
        )
    return text


def power_milliseconds(modulus_bits: int, randomness: Randomness) -> float:
    """Return the best of three times for a modular power whose exponent is half as long as the modulus."""
    modulus = mpz(bits(randomness, modulus_bits)) | 1 << (modulus_bits - 1) | 1
    base, exponent = mpz(bits(randomness, modulus_bits - 1)), mpz(bits(randomness, modulus_bits // 2))
    return 1000 * min(_seconds(base, exponent, modulus) for _ in range(SPEED_RUNS))


def _seconds(base: mpz, exponent: mpz, modulus: mpz) -> float:
    started = time.perf_counter()
    gmpy2.powmod(base, exponent, modulus)
    return time.perf_counter() - started


CHECKS: dict[str, Callable[[Patient], str]] = {
    "configuration": _configuration,
    "keys": _keys,
    "certificate": _certificate,
    "registry": _registry,
    "database": _database,
    "source": _source,
    "clock": _clock,
    "ports": _ports,
    "arithmetic": _arithmetic,
}
