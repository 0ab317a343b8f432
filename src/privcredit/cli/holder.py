"""`privcredit holder ...`: what an institution's clerk does at the counter."""

import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from privcredit.cli.options import NodeDirectory
from privcredit.cli.output import note
from privcredit.errors import UsageError

if TYPE_CHECKING:
    from privcredit.federation.config import NodeConfig
    from privcredit.roles.registry import TrustedRegistry

MAX_CODE_SECONDS: Final = 90 * 86_400
"""A code that travels by letter is used within weeks; one that lies around for years is found by someone else."""

holder_app = typer.Typer(help="At an institution's counter.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group `holder` to the program."""
    app.add_typer(holder_app, name="holder")


@holder_app.callback()
def _holder() -> None:
    """At an institution's counter."""


@holder_app.command("code")
def code(
    directory: NodeDirectory,
    *,
    record: Annotated[str, typer.Option("--record", metavar="KEY", help="The person's record, by its key.")],
    identity: Annotated[
        str, typer.Option("--identity", metavar="ID", help="The person, as the registrar names it; check a document.")
    ],
    purpose: Annotated[
        Literal["enrolment", "registration"],
        typer.Option("--for", help="Registration is the registrar's alone: it binds the person to one wallet."),
    ] = "enrolment",
    valid_for: Annotated[str, typer.Option("--valid-for", metavar="DURATION", help='As "1 hour", "14 days".')] = (
        "1 hour"
    ),
) -> None:
    """Print a one-time code for the person whose record this is; only its digest is stored.

    Whoever enters it first opens this record to a wallet, so hand it to the person alone. The node may be running.
    """
    from privcredit.federation.config import load_node, load_registry

    config = load_node(directory)
    registry = load_registry(directory)
    seconds = _checked(config, registry, purpose, identity, valid_for)
    _check_record(config, registry, record)
    expires = int(time.time()) + seconds
    typer.echo(_issue(config, record, identity, purpose, expires))
    note(_instruction(config.name, identity, purpose, expires))


def _checked(config: "NodeConfig", registry: "TrustedRegistry", purpose: str, identity: str, valid_for: str) -> int:
    """Return the code's life in seconds. Raises UsageError for whatever option cannot be meant."""
    from privcredit.scorecard.policy_toml import duration_seconds

    if config.role != "holder":
        raise UsageError(f"{config.name} is a {config.role}; only holders have records and hand out codes.")
    if purpose == "registration" and registry.document.registrar != config.name:
        raise UsageError(
            f"{config.name} is not the registrar, {registry.document.registrar} is; send the person there first."
        )
    if not identity.strip() or identity != identity.strip():
        raise UsageError("--identity is empty or has spaces around it; write it as the registrar does.")
    seconds = duration_seconds("--valid-for", valid_for)
    if not 0 < seconds <= MAX_CODE_SECONDS:
        raise UsageError(f"--valid-for is {valid_for!r}; a code lives for some time, at most 90 days.")
    return seconds


def _check_record(config: "NodeConfig", registry: "TrustedRegistry", record: str) -> None:
    """Refuse a key that none of this holder's sources has: nobody could be evaluated with it."""
    from privcredit.federation.holder_sources import resolve_sources
    from privcredit.sources.source import open_source

    resolved = resolve_sources(config, registry).values()
    if not resolved:
        note("No policy asks for this holder's records, so the key was not looked up.")
        return
    for source_config, card in resolved:
        with closing(open_source(source_config, card)) as source:
            if source.points(record) is not None:
                return
    places = sorted({f"{found.table or found.location} ({found.key_column})" for found, _ in resolved})
    raise UsageError(f"No record has the key {record!r} in {', '.join(places)}; look the person's key up there.")


def _issue(config: "NodeConfig", record: str, identity: str, purpose: str, expires: int) -> str:
    from privcredit.crypto.randomness import SystemRandomness
    from privcredit.roles.codes import issue_code
    from privcredit.storage.holder import HolderStore

    with closing(HolderStore(config.database)) as store, store.transaction() as records:
        code = issue_code(records, record, identity, purpose, expires, SystemRandomness())
        records.log(int(time.time()), "code issued", {"for": purpose, "record": record, "identity": identity})
    return code


def _instruction(holder: str, identity: str, purpose: str, expires: int) -> str:
    from privcredit.cli.consent import moment

    command = "register DIR CODE" if purpose == "registration" else f"enrol DIR {holder} CODE"
    return f"For {identity} alone, until {moment(expires)}. They enter: privcredit wallet {command}"
