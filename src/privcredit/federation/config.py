"""A node's directory: where everything lies, and what `node.toml` says. Every node reads its settings through here.

```
node.toml  join.json  registry.jws  registry.pub  keys/*.key  tls/node.pem  tls/node.key  tls/ca.pem  node.db
```
"""

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from privcredit.crypto.signing import public_from_jwk
from privcredit.errors import UsageError
from privcredit.federation.files import read_bytes, read_text
from privcredit.http.loopback import is_loopback
from privcredit.http.pki import check_name
from privcredit.http.tls import ClientTls, ServerTls
from privcredit.messages.codec import Message, decode_json
from privcredit.roles.registry import ROLES, TrustedRegistry, open_registry
from privcredit.sources.source import Kind, SourceConfig

CONFIG_FILE: Final = "node.toml"
REGISTRY_FILE: Final = "registry.jws"
REGISTRY_KEY_FILE: Final = "registry.pub"
JOIN_FILE: Final = "join.json"
STATEMENT_FILE: Final = "statement.jws"
CA_FILE: Final = "ca.pem"
TOKEN_FILE: Final = "api.token"  # noqa: S105 - the name of a file

PUBLIC_ROLES: Final = frozenset({"holder", "verifier"})
"""Roles with a listener for people outside the federation: wallets, service providers."""

FILE_KINDS: Final = frozenset({"csv", "parquet", "sqlite", "duckdb"})
"""Sources whose location is a path; a relative one starts at the node's directory."""

MAX_PORT: Final = 65535
_PORT: Final = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class Address:
    """A host (name, IPv4 or IPv6 address) and a port."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, what: str) -> "Address":
        """Return the address written as `host:port` or `[host]:port`. Raises UsageError naming `what`."""
        host, _, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not (host and _PORT.fullmatch(port) and 0 < int(port) <= MAX_PORT):
            raise UsageError(f"{what} is {text!r}; write host:port, for example 127.0.0.1:7001.")
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The `https://` URL that peers call."""
        return f"https://{self}"


@dataclass(frozen=True, slots=True)
class SourceBinding:
    """Which records compute which scorecard.

    scorecard: a digest in hexadecimal, the path of a scorecard file, or "" for every scorecard of this holder.
    """

    scorecard: str
    config: SourceConfig


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """What a node's directory says about it. public: None for roles without a listener for outsiders.

    api_token_file: a verifier's token for its public API; None only where that listens on loopback.
    """

    directory: Path
    name: str
    role: str
    scheme: str
    federation: Address
    public: Address | None
    observability: Address
    database: str
    sources: tuple[SourceBinding, ...] = ()
    api_token_file: Path | None = None

    @property
    def server_tls(self) -> ServerTls:
        """The files of this node's listeners."""
        tls = self.directory / "tls"
        return ServerTls(tls / CA_FILE, tls / "node.pem", tls / "node.key")

    @property
    def client_tls(self) -> ClientTls:
        """The files of this node's calls to peers."""
        files = self.server_tls
        return ClientTls(files.ca, files.certificate, files.key)


class _Listen(Message, frozen=True, kw_only=True):
    federation: str
    observability: str
    public: str = ""


class _Source(Message, frozen=True, kw_only=True):
    kind: Kind
    location: str
    key_column: str
    table: str | None = None
    scorecard: str = ""


class _Node(Message, frozen=True, kw_only=True):
    name: str
    role: str
    scheme: str
    listen: _Listen
    database: str = ""
    api_token_file: str = ""
    source: tuple[_Source, ...] = ()


def load_node(directory: Path) -> NodeConfig:
    """Return what `node.toml` in `directory` says. Raises UsageError naming the file and the key."""
    path = directory / CONFIG_FILE
    if not path.exists():
        raise UsageError(f"{directory} is no node's directory: it has no {CONFIG_FILE}; run `privcredit node init`.")
    where, node = str(path), _parse(path)
    check_role(node.role, f"{where}: role")
    _check_name(node.name, where)
    if bool(node.listen.public) is not (node.role in PUBLIC_ROLES):
        rule = "needs" if node.role in PUBLIC_ROLES else "has no use for"
        raise UsageError(f"{where}: the role {node.role} {rule} listen.public; correct it.")
    if node.source and node.role != "holder":
        raise UsageError(f"{where}: only holders have [[source]] tables; remove them.")
    if node.api_token_file and node.role != "verifier":
        raise UsageError(f"{where}: only verifiers have an api_token_file; remove it.")
    config = NodeConfig(
        directory=directory,
        name=node.name,
        role=node.role,
        scheme=node.scheme,
        federation=Address.parse(node.listen.federation, f"{where}: listen.federation"),
        public=Address.parse(node.listen.public, f"{where}: listen.public") if node.listen.public else None,
        observability=Address.parse(node.listen.observability, f"{where}: listen.observability"),
        database=node.database or default_database(directory),
        sources=tuple(_binding(directory, source) for source in node.source),
        api_token_file=directory / node.api_token_file if node.api_token_file else None,
    )
    if needs_token(config):
        raise UsageError(
            f"{where}: listen.public {config.public} can be reached by others, so it needs api_token_file; "
            "make a token with `openssl rand -hex 32`, in a file with mode 600, and name the file there."
        )
    return config


def needs_token(config: NodeConfig) -> bool:
    """Say whether this is a verifier whose public API others can reach, and that has no token to keep them out."""
    reachable = config.public is not None and not is_loopback(config.public.host)
    return config.role == "verifier" and reachable and config.api_token_file is None


def _check_name(name: str, where: str) -> None:
    try:
        check_name(name, "party")
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error


def check_role(role: str, what: str) -> str:
    """Return `role` if it is one of a node's roles. Raises UsageError naming `what`."""
    if role not in ROLES:
        raise UsageError(f"{what} is {role!r}; choose one of {', '.join(ROLES)}.")
    return role


def default_database(directory: Path) -> str:
    """Return the URL of the SQLite file that a node uses unless told otherwise."""
    return f"sqlite:///{(directory / 'node.db').absolute()}"


def node_toml(config: NodeConfig) -> str:
    """Return the text of `node.toml` that `load_node` reads back as `config`."""
    lines = [
        f"name = {_text(config.name)}",
        f"role = {_text(config.role)}",
        f"scheme = {_text(config.scheme)}",
    ]
    if config.database != default_database(config.directory):
        lines.append(f"database = {_text(config.database)}")
    if config.api_token_file is not None:
        lines.append(f"api_token_file = {_text(_inside(config.directory, config.api_token_file))}")
    lines += ["", "[listen]", f"federation = {_text(str(config.federation))}"]
    if config.public is not None:
        lines.append(f"public = {_text(str(config.public))}")
    lines.append(f"observability = {_text(str(config.observability))}")
    for binding in config.sources:
        lines += ["", "[[source]]", *_source_lines(binding)]
    return "\n".join(lines) + "\n"


def load_registry(directory: Path) -> TrustedRegistry:
    """Return the registry pinned in `directory`, every signature verified anew.

    Raises UsageError for a missing or contradictory file, InvalidProofError for a wrong signature.
    """
    path = directory / REGISTRY_FILE
    if not path.exists():
        raise UsageError(f"{directory} has no registry yet; run `privcredit node install-registry {directory} FILE`.")
    return open_registry(read_text(path).strip(), load_registry_key(directory / REGISTRY_KEY_FILE))


def load_registry_key(path: Path) -> bytes:
    """Return the 32 bytes of a registry key file (a public JWK). Raises UsageError naming the file."""
    try:
        return public_from_jwk(decode_json(read_bytes(path), dict[str, str]))
    except UsageError as error:
        raise UsageError(f"{path} is no registry key: {error}") from error


def _parse(path: Path) -> _Node:
    try:
        return msgspec.convert(tomllib.loads(read_text(path)), _Node)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML: {error}.") from error
    except msgspec.ValidationError as error:
        raise UsageError(f"{path} is not a node's configuration: {error}.") from error


def _binding(directory: Path, source: _Source) -> SourceBinding:
    location = str(directory.absolute() / source.location) if source.kind in FILE_KINDS else source.location
    config = SourceConfig(kind=source.kind, location=location, key_column=source.key_column, table=source.table)
    return SourceBinding(source.scorecard, config)


def _source_lines(binding: SourceBinding) -> list[str]:
    config = binding.config
    values = {
        "scorecard": binding.scorecard or None,
        "kind": config.kind,
        "location": config.location,
        "table": config.table,
        "key_column": config.key_column,
    }
    return [f"{key} = {_text(value)}" for key, value in values.items() if value is not None]


def _inside(directory: Path, path: Path) -> str:
    """Return a path as `node.toml` writes it: relative to the node's directory if it lies there."""
    return str(path.relative_to(directory) if path.is_relative_to(directory) else path.absolute())


def _text(value: str) -> str:
    """Return a TOML basic string; JSON's escapes are all TOML escapes too, and DEL needs one besides."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
