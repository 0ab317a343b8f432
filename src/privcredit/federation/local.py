"""A whole federation on one machine, for demonstrations and tests: the same steps as between real parties, in one go.

One process plays the operator, the dealer and every party here, so it is as private as that one machine. Nothing else
differs: `privcredit federation init` calls the very functions behind the commands of the parties.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from privcredit.crypto.ceremony import deal
from privcredit.crypto.modulus_proof import Progress
from privcredit.crypto.randomness import Randomness
from privcredit.errors import UsageError
from privcredit.federation.ceremony_files import (
    THRESHOLD_KEY_FILE,
    MakeDealing,
    hold_ceremony,
    install_share,
    share_file,
)
from privcredit.federation.config import (
    CA_FILE,
    FILE_KINDS,
    JOIN_FILE,
    PUBLIC_ROLES,
    REGISTRY_FILE,
    REGISTRY_KEY_FILE,
    STATEMENT_FILE,
    Address,
    NodeConfig,
    SourceBinding,
    default_database,
    load_node,
)
from privcredit.federation.files import make_directory, read_bytes, read_document, write_document, write_public
from privcredit.federation.key_files import key_path
from privcredit.federation.node_setup import accept_welcome, init_node, install_registry
from privcredit.federation.operator import OPERATOR_FILE, Operator, admit, create_federation, load_operator
from privcredit.federation.ports import free_ports
from privcredit.federation.publish import PolicySource, Publication, publish_registry
from privcredit.messages.codec import Message
from privcredit.sources.source import SourceConfig

LOOPBACK: Final = "127.0.0.1"
LOCAL_FILE: Final = "federation.json"
LOCAL_FORMAT: Final = "privcredit-local-federation/1"

AUTHORITY_NAMES: Final = ("authority-1", "authority-2", "authority-3")
COORDINATOR_NAME: Final = "coordinator"

PORTS_PER_NODE: Final = 3
"""For peers, for outsiders (free where a role has no such listener), for observation."""

WORKERS: Final = 2
"""Authorities that install their shares at the same time."""

WriteRecords = Callable[[Path], Mapping[str, SourceConfig]]
"""Writes every holder's records as files into the given directory; returns where each holder's are."""


@dataclass(frozen=True, slots=True)
class LocalPlan:
    """What federation to make. Its policies name only these holders and verifiers; registrar: one of the holders."""

    scheme: str
    holders: Sequence[str]
    write_records: WriteRecords
    registrar: str
    verifiers: Sequence[str]
    policies: Sequence[PolicySource]


@dataclass(frozen=True, slots=True)
class LocalNode:
    """One node of a local federation. public: None for roles without a listener for outsiders."""

    name: str
    role: str
    directory: Path
    federation: Address
    public: Address | None
    observability: Address


@dataclass(frozen=True, slots=True)
class LocalFederation:
    """A finished federation on this machine: its nodes by name, and what wallets and providers need to trust it."""

    directory: Path
    scheme: str
    bits: int
    nodes: Mapping[str, LocalNode]

    @property
    def registry_file(self) -> Path:
        """The signed registry."""
        return self.directory / REGISTRY_FILE

    @property
    def registry_key_file(self) -> Path:
        """The key under which the registry is signed."""
        return self.directory / REGISTRY_KEY_FILE

    @property
    def ca_file(self) -> Path:
        """The certificate authority of all nodes."""
        return self.directory / CA_FILE

    def with_role(self, role: str) -> tuple[LocalNode, ...]:
        """Return the nodes of one role, in the order of the plan."""
        return tuple(node for node in self.nodes.values() if node.role == role)


class _Local(Message, frozen=True, kw_only=True):
    """The marker file: what is being made, on which ports (three for each node), and whether it is finished."""

    format: str = LOCAL_FORMAT
    scheme: str
    bits: int
    roles: tuple[tuple[str, str], ...]
    base_port: int
    ports: tuple[int, ...] = ()
    finished: bool = False


@dataclass(frozen=True, slots=True)
class _Site:
    """The directories of one local federation."""

    root: Path
    marker: _Local

    @property
    def operator(self) -> Path:
        return self.root / "operator"

    @property
    def ceremony(self) -> Path:
        return self.root / "ceremony"

    def node(self, name: str) -> Path:
        return self.root / "nodes" / name


def make_local(
    directory: Path,
    plan: LocalPlan,
    bits: int,
    randomness: Randomness,
    now: int,
    *,
    base_port: int = 0,
    progress: Progress | None = None,
    make_dealing: MakeDealing = deal,
) -> LocalFederation:
    """Make the federation of `plan` in `directory`, or finish one that was interrupted there.

    base_port: first of the consecutive ports to use, 0 for free ones. Raises UsageError if the directory holds
    something else, or a federation with other settings. About ten seconds at 3072 bits on two cores.
    """
    report = progress or _silent
    site = _claim(directory, plan, bits, base_port, randomness)
    operator = _operator(site, now, randomness)
    _make_nodes(site, plan, randomness)
    _admit_all(site, operator, now)
    _deal(site, randomness, report, make_dealing)
    _install_shares(site, randomness, report)
    _publish(site, operator, plan, now)
    _finish(site)
    return load_local(directory)


def load_local(directory: Path) -> LocalFederation:
    """Return the finished federation in `directory`. Raises UsageError if there is none."""
    path = directory / LOCAL_FILE
    if not path.exists():
        raise UsageError(f"{directory} holds no local federation; run `privcredit federation init --out {directory}`.")
    marker = read_document(path, _Local, "a local federation")
    if not marker.finished:
        raise UsageError(f"The federation in {directory} is unfinished; run the same `federation init` again.")
    site = _Site(directory, marker)
    nodes = {name: _local_node(site.node(name)) for name, _ in marker.roles}
    return LocalFederation(directory, marker.scheme, marker.bits, nodes)


def _local_node(directory: Path) -> LocalNode:
    config = load_node(directory)
    return LocalNode(config.name, config.role, directory, config.federation, config.public, config.observability)


def _claim(directory: Path, plan: LocalPlan, bits: int, base_port: int, randomness: Randomness) -> _Site:
    """Take the directory for this federation, or go on with the very same one."""
    marker = _Local(scheme=plan.scheme, bits=bits, roles=_roles(plan), base_port=base_port)
    path = directory / LOCAL_FILE
    if path.exists():
        return _Site(directory, _resumed(directory, marker))
    if directory.exists() and any(directory.iterdir()):
        raise UsageError(f"{directory} is not empty; choose a new directory for the federation.")
    needed = PORTS_PER_NODE * len(marker.roles)
    ports = range(base_port, base_port + needed) if base_port else free_ports(LOOPBACK, needed, randomness)
    marker = replace(marker, ports=tuple(ports))
    write_document(make_directory(directory) / LOCAL_FILE, marker)
    return _Site(directory, marker)


def _resumed(directory: Path, wanted: _Local) -> _Local:
    found = read_document(directory / LOCAL_FILE, _Local, "a local federation")
    if found.finished:
        raise UsageError(f"{directory} holds a finished federation; use it, or delete it to make another.")
    if replace(found, ports=()) != wanted:
        raise UsageError(f"{directory} holds an unfinished federation with other settings; delete it and start anew.")
    return found


def _roles(plan: LocalPlan) -> tuple[tuple[str, str], ...]:
    return (
        *((name, "holder") for name in plan.holders),
        (COORDINATOR_NAME, "coordinator"),
        *((name, "authority") for name in AUTHORITY_NAMES),
        *((name, "verifier") for name in plan.verifiers),
    )


def _operator(site: _Site, now: int, randomness: Randomness) -> Operator:
    if (site.operator / OPERATOR_FILE).exists():
        return load_operator(site.operator)
    return create_federation(site.operator, site.marker.scheme, now, randomness)


def _make_nodes(site: _Site, plan: LocalPlan, randomness: Randomness) -> None:
    """Every party runs `node init`; those that an interrupted run made stay as they are."""
    made = {name for name, _ in site.marker.roles if key_path(site.node(name), "signing").exists()}
    records = {} if made.issuperset(plan.holders) else _records(site, plan)
    for position, (name, role) in enumerate(site.marker.roles):
        if name not in made:
            sources = (SourceBinding("", records[name]),) if role == "holder" else ()
            init_node(_config(site, position, sources), randomness)


def _records(site: _Site, plan: LocalPlan) -> dict[str, SourceConfig]:
    """Have all records written, and move each holder's file into its own node's directory."""
    together = make_directory(site.root / "records")
    sources = plan.write_records(together)
    moved = {name: _moved(source, make_directory(site.node(name))) for name, source in sources.items()}
    shutil.rmtree(together)
    return moved


def _moved(source: SourceConfig, directory: Path) -> SourceConfig:
    if source.kind not in FILE_KINDS:
        return source
    path = Path(source.location)
    path.replace(directory / path.name)
    return replace(source, location=path.name)


def _config(site: _Site, position: int, sources: tuple[SourceBinding, ...]) -> NodeConfig:
    name, role = site.marker.roles[position]
    first = PORTS_PER_NODE * position
    federation, public, observability = (
        Address(LOOPBACK, port) for port in site.marker.ports[first : first + PORTS_PER_NODE]
    )
    return NodeConfig(
        directory=site.node(name),
        name=name,
        role=role,
        scheme=site.marker.scheme,
        federation=federation,
        public=public if role in PUBLIC_ROLES else None,
        observability=observability,
        database=default_database(site.node(name)),
        sources=sources,
    )


def _admit_all(site: _Site, operator: Operator, now: int) -> None:
    for name, _ in site.marker.roles:
        node = site.node(name)
        if not (node / REGISTRY_KEY_FILE).exists():
            accept_welcome(node, admit(operator, node / JOIN_FILE, now), now)


def _deal(site: _Site, randomness: Randomness, report: Progress, make_dealing: MakeDealing) -> None:
    if not site.ceremony.exists():
        joins = [site.node(name) / JOIN_FILE for name in AUTHORITY_NAMES]
        hold_ceremony(site.ceremony, joins, site.marker.bits, randomness, report, make_dealing)


def _install_shares(site: _Site, randomness: Randomness, report: Progress) -> None:
    """All authorities install at the same time; afterwards the sealed share files are not needed any more."""
    waiting = [name for name in AUTHORITY_NAMES if not (site.node(name) / STATEMENT_FILE).exists()]
    done = count(1)
    with ThreadPoolExecutor(WORKERS) as pool:
        for _ in pool.map(lambda name: _install_share(site, name, randomness), waiting):
            report("install key shares", next(done), len(waiting))
    for name in AUTHORITY_NAMES:
        share_file(site.ceremony, name).unlink(missing_ok=True)


def _install_share(site: _Site, name: str, randomness: Randomness) -> None:
    install_share(site.node(name), share_file(site.ceremony, name), site.ceremony / THRESHOLD_KEY_FILE, randomness)


def _publish(site: _Site, operator: Operator, plan: LocalPlan, now: int) -> None:
    publication = Publication(
        threshold_key_file=site.ceremony / THRESHOLD_KEY_FILE,
        statement_files=[site.node(name) / STATEMENT_FILE for name in AUTHORITY_NAMES],
        registrar=plan.registrar,
        policies=plan.policies,
    )
    published = operator.directory / REGISTRY_FILE
    path = published if published.exists() else publish_registry(operator, publication, now)
    for name, _ in site.marker.roles:
        install_registry(site.node(name), path)


def _finish(site: _Site) -> None:
    """Put what wallets and providers need at the top, and mark the federation as finished."""
    for name in (REGISTRY_FILE, REGISTRY_KEY_FILE, CA_FILE):
        write_public(site.root / name, read_bytes(site.operator / name))
    write_document(site.root / LOCAL_FILE, replace(site.marker, finished=True))


def _silent(step: str, done: int, total: int) -> None:
    """Progress that nobody hears."""
