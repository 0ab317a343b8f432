"""A node process: reads its directory, builds its role, serves its listeners."""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog
from litestar.types import ASGIApp

from privcredit import __version__
from privcredit.crypto.paillier import Encryptor
from privcredit.crypto.randomness import SystemRandomness
from privcredit.federation.config import NodeConfig, load_node, load_registry
from privcredit.federation.holder_sources import resolve_sources
from privcredit.federation.key_files import Passphrase, load_dgk, load_key_share, load_party_keys
from privcredit.federation.upkeep import Upkeep
from privcredit.http import authority_app, coordinator_app, holder_app, verifier_app
from privcredit.http.api_token import ApiToken
from privcredit.http.health import make_health_app
from privcredit.http.links import HttpAuthorityLinks, HttpCoordinatorLinks, HttpVerifierLinks, Peers
from privcredit.http.observability import Observability, configure_logging
from privcredit.http.recording import Recorder
from privcredit.http.server import Listener, run
from privcredit.http.session_channel import Inboxes
from privcredit.roles.authority import Authority
from privcredit.roles.comparison import Comparer, ComparisonKeys
from privcredit.roles.coordinator import Coordinator
from privcredit.roles.holder import Holder
from privcredit.roles.identity import PartyKeys
from privcredit.roles.registrar import Registrar
from privcredit.roles.registry import TrustedRegistry
from privcredit.roles.verifier import Verifier
from privcredit.sources.source import open_source
from privcredit.storage.authority import AuthorityStore
from privcredit.storage.coordinator import CoordinatorStore
from privcredit.storage.holder import HolderStore
from privcredit.storage.verifier import VerifierStore

RECORDING_VARIABLE = "PRIVCREDIT_RECORDING"
"""Names a file for every request and reply of this node: for demonstrations and leakage tests only."""

COORDINATOR_THREADS = 96
"""Each query under way holds up to four calls to holders and two to authorities."""

READY_RANDOMISERS = 64
"""Encryptions that a holder can do with one multiplication before it must compute randomisers again."""

log = structlog.get_logger("privcredit.node")


@dataclass(frozen=True, slots=True)
class Setting:
    """What every role is built from."""

    config: NodeConfig
    keys: PartyKeys
    registry: TrustedRegistry
    observability: Observability
    randomness: SystemRandomness
    passphrase: Passphrase | None

    def peers(self) -> Peers:
        """Return the clients of all peers."""
        return Peers(self.registry, self.config.client_tls)

    def encryptor(self) -> Encryptor:
        """Return an encryptor under the federation's key, its tables built."""
        encryptor = Encryptor(self.registry.threshold_key.key, self.randomness)
        _ = encryptor.commitments
        return encryptor


@dataclass(frozen=True, slots=True)
class Built:
    """A role's applications and what it does while idle."""

    federation: ASGIApp
    public: ASGIApp | None = None
    not_ready: Callable[[], list[str]] = list
    upkeep: Upkeep | None = None
    start: Callable[[], None] = lambda: None


def serve_node(directory: Path, passphrase: Passphrase | None = None) -> None:
    """Serve the node in `directory` until SIGTERM; prints one JSON line with its ports when ready."""
    config = load_node(directory)
    configure_logging(config.name)
    setting = Setting(
        config=config,
        keys=load_party_keys(directory, passphrase),
        registry=load_registry(directory),
        observability=Observability(config.name, config.role),
        randomness=SystemRandomness(),
        passphrase=passphrase,
    )
    built = BUILDERS[config.role](setting)
    built.start()
    if built.upkeep is not None:
        built.upkeep.start()
    run(_listeners(setting, built), lambda ports: _announce(config.name, ports))


def _announce(name: str, ports: tuple[int, ...]) -> None:
    sys.stdout.write(json.dumps({"node": name, "ports": ports}) + "\n")
    sys.stdout.flush()


def _listeners(setting: Setting, built: Built) -> list[Listener]:
    config, tap = setting.config, _tap(setting.config.name)
    federation, operators = config.federation, config.observability
    health = make_health_app(setting.observability, __version__, built.not_ready)
    listeners = [
        Listener(tap(built.federation), federation.host, federation.port, config.server_tls, True),
        Listener(health, operators.host, operators.port),
    ]
    if built.public is not None and config.public is not None:
        listeners.append(Listener(tap(built.public), config.public.host, config.public.port, config.server_tls))
    return listeners


def _tap(name: str) -> Callable[[ASGIApp], ASGIApp]:
    path = os.environ.get(RECORDING_VARIABLE)
    if not path:
        return lambda app: app
    log.warning("recording", file=path, meaning="every request and reply of this node is written to a file")
    return Recorder(Path(path), name).wrap


def clock() -> int:
    """Return unix time in whole seconds."""
    return int(time.time())


# --- roles -----------------------------------------------------------------------------------------------------------


def _holder(setting: Setting) -> Built:
    encryptor = setting.encryptor()
    store = HolderStore(setting.config.database)
    holder = Holder(
        setting.keys,
        setting.registry,
        encryptor,
        {digest: open_source(*found) for digest, found in resolve_sources(setting.config, setting.registry).items()},
        store,
        setting.randomness,
        clock,
    )
    is_registrar = setting.registry.document.registrar == setting.keys.name
    registrar = Registrar(setting.keys, setting.registry.scheme, store, clock) if is_registrar else None
    return Built(
        federation=holder_app.federation_app(holder, setting.observability),
        public=holder_app.public_app(holder, registrar, setting.observability),
        upkeep=Upkeep(lambda: _refill(encryptor), lambda: None, lambda: False),
    )


def _refill(encryptor: Encryptor) -> bool:
    if encryptor.ready >= READY_RANDOMISERS:
        return False
    encryptor.refill(encryptor.ready + 1)
    return True


def _authority(setting: Setting) -> Built:
    peers, inboxes = setting.peers(), Inboxes()
    comparer = _comparer(setting)
    authority = Authority(
        setting.keys,
        setting.registry,
        comparer,
        AuthorityStore(setting.config.database),
        HttpAuthorityLinks(setting.keys, setting.registry, peers, inboxes),
        setting.randomness,
        clock,
    )
    policies = list(setting.registry.policies.values())
    _watch_stock(setting.observability, comparer)
    return Built(
        federation=authority_app.federation_app(authority, inboxes, setting.observability),
        not_ready=authority.not_ready,
        upkeep=Upkeep(lambda: comparer.refill(policies), authority.keep_up, authority.is_busy),
    )


def _comparer(setting: Setting) -> Comparer:
    directory, registry = setting.config.directory, setting.registry
    keys = ComparisonKeys(
        setting.keys.name,
        registry.threshold_key,
        load_key_share(directory, setting.passphrase, registry.threshold_key.key),
        load_dgk(directory, setting.passphrase),
        registry.dgk_keys,
    )
    encryptor = setting.encryptor()
    executor = ThreadPoolExecutor(max(2, os.cpu_count() or 2), thread_name_prefix="exponentiation")
    return Comparer(keys, registry.authorities, encryptor, setting.randomness, executor)


def _watch_stock(observability: Observability, comparer: Comparer) -> None:
    gauge = observability.gauge("material_ready", "Pieces of single-use material made ahead.", ("kind",))
    for kind in comparer.stock():
        gauge.labels(kind).set_function(partial(_ready, comparer, kind))


def _ready(comparer: Comparer, kind: str) -> float:
    return comparer.stock()[kind]


def _coordinator(setting: Setting) -> Built:
    pool = ThreadPoolExecutor(COORDINATOR_THREADS, thread_name_prefix="call")
    links = HttpCoordinatorLinks(setting.peers())
    store = CoordinatorStore(setting.config.database)
    coordinator = Coordinator(setting.keys, setting.registry, store, links, pool, clock)
    return Built(
        federation=coordinator_app.federation_app(coordinator, setting.observability), start=coordinator.resume
    )


def _verifier(setting: Setting) -> Built:
    links = HttpVerifierLinks(setting.peers(), setting.registry.only("coordinator").name)
    store = VerifierStore(setting.config.database)
    token_file = setting.config.api_token_file
    token = None if token_file is None else ApiToken.read(token_file)
    verifier = Verifier(setting.keys, setting.registry, store, links, setting.randomness, clock)
    return Built(
        federation=verifier_app.federation_app(setting.observability),
        public=verifier_app.public_app(verifier, setting.registry, setting.observability, token),
    )


BUILDERS: Mapping[str, Callable[[Setting], Built]] = {
    "holder": _holder,
    "authority": _authority,
    "coordinator": _coordinator,
    "verifier": _verifier,
}
