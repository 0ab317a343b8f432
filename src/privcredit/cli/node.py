"""`privcredit node ...`: a party sets up and runs its own node."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from privcredit.cli.options import NodeDirectory, PassphraseFile, passphrase
from privcredit.cli.output import note
from privcredit.errors import UsageError

if TYPE_CHECKING:
    from privcredit.federation.config import Address, SourceBinding

PUBLIC_OFFSET: Final = 100
OBSERVABILITY_OFFSET: Final = 200
"""Default ports above the federation port, so that nodes on consecutive ports of one machine do not meet."""

SOURCE_KEYS: Final = frozenset({"kind", "location", "table", "key_column", "scorecard"})

node_app = typer.Typer(help="Set up and run a party's node.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group `node` to the program."""
    app.add_typer(node_app, name="node")


@node_app.command("init")
def init(
    directory: NodeDirectory,
    *,
    name: Annotated[str, typer.Option("--name", help="The party's name: a-z, 0-9, hyphens.")],
    role: Annotated[str, typer.Option("--role", help="holder, coordinator, authority or verifier.")],
    scheme: Annotated[str, typer.Option("--scheme", help="The scheme of the federation to join.")],
    listen: Annotated[str, typer.Option("--listen", metavar="HOST:PORT", help="Where peers connect.")],
    public: Annotated[
        str, typer.Option("--public", metavar="HOST:PORT", help="Holder, verifier: where wallets and clients connect.")
    ] = "",
    observability: Annotated[
        str, typer.Option("--observability", metavar="HOST:PORT", help="Health and metrics; keep it private.")
    ] = "",
    reach: Annotated[
        str, typer.Option("--reach", metavar="https://HOST:PORT", help="How peers reach --listen from elsewhere.")
    ] = "",
    reach_public: Annotated[
        str, typer.Option("--reach-public", metavar="https://HOST:PORT", help="How outsiders reach --public.")
    ] = "",
    database: Annotated[str, typer.Option("--database", metavar="URL", help="Default: SQLite in the directory.")] = "",
    source: Annotated[
        list[str] | None,
        typer.Option(
            "--source",
            metavar="KEY=VALUE,...",
            help="Holder: kind=csv|parquet|sqlite|duckdb|postgresql,location=...,table=...,key_column=...",
        ),
    ] = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make a node's keys and settings, and join.json for the federation's operator."""
    from privcredit.crypto.randomness import SystemRandomness
    from privcredit.federation.config import NodeConfig, check_role, default_database, load_node
    from privcredit.federation.documents import key_fingerprint
    from privcredit.federation.node_setup import Reach, init_node

    check_role(role, "--role")
    federation = _address(listen, "--listen")
    config = NodeConfig(
        directory=directory,
        name=name,
        role=role,
        scheme=scheme,
        federation=federation,
        public=_public(public, role, federation),
        observability=_observability(observability, federation),
        database=database or default_database(directory),
        sources=tuple(_source(text) for text in source or ()),
    )
    join = init_node(config, SystemRandomness(), passphrase(passphrase_file), Reach(reach, reach_public))
    typer.echo(f"signing key: {key_fingerprint(join.party.signing_key)}")
    note(f"Hand {directory / 'join.json'} to the federation's operator, and tell the fingerprint by telephone.")
    token = load_node(directory).api_token_file
    if token is not None:
        note(f"Others can reach --public, so callers must show the token in {token}: privcredit query --token-file.")


@node_app.command("accept")
def accept(
    directory: NodeDirectory,
    welcome: Annotated[Path, typer.Argument(metavar="WELCOME.json", help="What the operator sent back.")],
    passphrase_file: PassphraseFile = None,
) -> None:
    """Install the operator's welcome: certificate, TLS key, registry key."""
    from privcredit.federation.documents import key_fingerprint
    from privcredit.federation.node_setup import accept_welcome

    installed = accept_welcome(directory, welcome, int(time.time()), passphrase(passphrase_file))
    typer.echo(f"registry key: {key_fingerprint(installed.registry_key)}")
    note("Compare this fingerprint with the operator by telephone: everything that this node believes is signed by it.")


@node_app.command("install-registry")
def install(
    directory: NodeDirectory,
    registry: Annotated[Path, typer.Argument(metavar="registry.jws", help="The registry that the operator published.")],
    passphrase_file: PassphraseFile = None,
) -> None:
    """Verify a registry and pin it; an older one than the pinned is refused."""
    from privcredit.federation.node_setup import install_registry

    pinned = install_registry(directory, registry, passphrase(passphrase_file))
    typer.echo(f"pinned registry {pinned.document.serial} of {pinned.scheme}")
    note("A running node goes on with the registry it started with; restart it.")


@node_app.command("serve")
def serve(directory: NodeDirectory, passphrase_file: PassphraseFile = None) -> None:
    """Run the node until SIGTERM; prints one line of JSON with its ports when it is ready."""
    from privcredit.federation.node import serve_node

    serve_node(directory, passphrase(passphrase_file))


def _address(text: str, option: str) -> "Address":
    from privcredit.federation.config import Address

    return Address.parse(text, option)


def _public(text: str, role: str, federation: "Address") -> "Address | None":
    from privcredit.federation.config import PUBLIC_ROLES, Address

    if text:
        return Address.parse(text, "--public")
    return _beside(federation, federation.host, PUBLIC_OFFSET, "--public") if role in PUBLIC_ROLES else None


def _observability(text: str, federation: "Address") -> "Address":
    from privcredit.federation.config import Address

    if text:
        return Address.parse(text, "--observability")
    return _beside(federation, "127.0.0.1", OBSERVABILITY_OFFSET, "--observability")


def _beside(federation: "Address", host: str, offset: int, option: str) -> "Address":
    from privcredit.federation.config import Address

    default = Address(host, federation.port + offset)
    return Address.parse(str(default), f"{option}, by default {offset} above --listen,")


def _source(text: str) -> "SourceBinding":
    from typing import Any

    import msgspec

    from privcredit.federation.config import SourceBinding
    from privcredit.sources.source import SourceConfig

    values: dict[str, Any] = dict(_pair(part) for part in text.split(","))
    scorecard = values.pop("scorecard", "")
    try:
        return SourceBinding(scorecard, msgspec.convert(values, SourceConfig))
    except msgspec.ValidationError as error:
        raise UsageError(f"--source {text!r} is not complete: {error}.") from error


def _pair(part: str) -> tuple[str, str]:
    key, separator, value = part.partition("=")
    if not separator or key not in SOURCE_KEYS:
        raise UsageError(f"--source has {part!r}; write KEY=VALUE with a key of {', '.join(sorted(SOURCE_KEYS))}.")
    return key, value
