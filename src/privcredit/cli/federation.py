"""`privcredit federation ...`: the operator's commands, and a whole federation on one machine."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from privcredit.cli.options import AsJson, OperatorDirectory, PassphraseFile, passphrase
from privcredit.cli.output import INTERRUPTED_EXIT, json_text, note, progress_display, table
from privcredit.errors import UsageError

if TYPE_CHECKING:
    from privcredit.crypto.randomness import Randomness
    from privcredit.federation.local import LocalFederation, LocalPlan
    from privcredit.federation.publish import PolicySource

federation_app = typer.Typer(
    help="Set up a federation: its operator, or all of it on one machine.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add the group `federation` to the program."""
    app.add_typer(federation_app, name="federation")


@federation_app.command("create")
def create(
    directory: OperatorDirectory,
    scheme: Annotated[str, typer.Option("--scheme", help="The scheme's name: a-z, 0-9, hyphens.")],
    passphrase_file: PassphraseFile = None,
) -> None:
    """Operator, first step: make the certificate authority and the registry key."""
    from privcredit.crypto.randomness import SystemRandomness
    from privcredit.federation.documents import key_fingerprint
    from privcredit.federation.operator import create_federation

    operator = create_federation(directory, scheme, int(time.time()), SystemRandomness(), passphrase(passphrase_file))
    typer.echo(f"registry key: {key_fingerprint(operator.registry_key.public_bytes)}")
    note(f"Tell every party this fingerprint; admit them with: privcredit federation admit {directory} join.json ...")


@federation_app.command("admit")
def admit_parties(
    directory: OperatorDirectory,
    joins: Annotated[list[Path], typer.Argument(metavar="JOIN.json...", help="Join requests of parties.")],
    passphrase_file: PassphraseFile = None,
) -> None:
    """Operator: admit parties; writes a welcome file with a certificate for each."""
    from privcredit.federation.documents import key_fingerprint, read_join
    from privcredit.federation.operator import admit, load_operator

    operator = load_operator(directory, passphrase(passphrase_file))
    rows = []
    for path in joins:
        party = read_join(path).party
        welcome = admit(operator, path, int(time.time()))
        rows.append((party.name, party.role, key_fingerprint(party.signing_key), str(welcome)))
    typer.echo(table(("party", "role", "signing key", "welcome file"), rows))
    note("Compare each fingerprint with its party by telephone before you hand out the welcome file.")


@federation_app.command("publish")
def publish(
    directory: OperatorDirectory,
    policies: Annotated[list[Path], typer.Option("--policy", metavar="POLICY.toml", help="May be repeated.")],
    scorecards: Annotated[
        list[Path],
        typer.Option("--scorecard", metavar="FILE", help="One for all policies, or one for each in the same order."),
    ],
    statements: Annotated[
        list[Path], typer.Option("--statement", metavar="STATEMENT.jws", help="Of each authority: three times.")
    ],
    threshold_key: Annotated[
        Path, typer.Option("--threshold-key", metavar="threshold-key.json", help="What the ceremony made public.")
    ],
    registrar: Annotated[str, typer.Option("--registrar", help="The holder that checks identities.")],
    passphrase_file: PassphraseFile = None,
) -> None:
    """Operator: sign policies and the registry of all admitted parties; replaces what was published before."""
    from privcredit.federation.operator import load_operator
    from privcredit.federation.publish import Publication, publish_registry

    publication = Publication(
        threshold_key_file=threshold_key,
        statement_files=statements,
        registrar=registrar,
        policies=_policy_sources(policies, scorecards),
    )
    path = publish_registry(load_operator(directory, passphrase(passphrase_file)), publication, int(time.time()))
    typer.echo(str(path))
    note("Every party installs it with: privcredit node install-registry NODE_DIR registry.jws")


def _policy_sources(policies: list[Path], scorecards: list[Path]) -> "list[PolicySource]":
    from privcredit.federation.publish import PolicySource
    from privcredit.scorecard.load import load_scorecard

    if len(scorecards) not in {1, len(policies)}:
        raise UsageError(
            f"There are {len(policies)} policies and {len(scorecards)} scorecards; give one for all or one each."
        )
    cards = [load_scorecard(path) for path in scorecards]
    paired = cards if len(cards) > 1 else cards * len(policies)
    return [PolicySource(policy, card) for policy, card in zip(policies, paired, strict=True)]


@federation_app.command("init")
def init(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="A new directory, or one left by an interrupted run.")
    ],
    bits: Annotated[int, typer.Option("--bits", help="Key size; 2048 is for comparison with others only.")] = 3072,
    scheme: Annotated[str, typer.Option("--scheme", help="Which scheme to set up.")] = "german-credit",
    base_port: Annotated[int, typer.Option("--base-port", help="First of 27 consecutive ports; 0: free ones.")] = 0,
    json: AsJson = False,
) -> None:
    """Make a whole federation on this machine, by the very steps that its parties would take on theirs."""
    from privcredit.crypto.randomness import SystemRandomness
    from privcredit.federation.local import make_local

    randomness, started = SystemRandomness(), time.monotonic()
    plan = _local_plan(scheme, randomness)
    try:
        with progress_display() as progress:
            made = make_local(out, plan, bits, randomness, int(time.time()), base_port=base_port, progress=progress)
    except KeyboardInterrupt:
        note(f"Interrupted: run the same command again to go on, or delete {out}.")
        raise typer.Exit(INTERRUPTED_EXIT) from None
    note(f"Made in {time.monotonic() - started:.0f} s. All keys lie on this machine: for trials only.")
    typer.echo(json_text(_summary(made)) if json else _node_table(made))


def _local_plan(scheme: str, randomness: "Randomness") -> "LocalPlan":
    from privcredit.research import german_credit
    from privcredit.research.demo.setting import german_credit_plan

    if scheme != german_credit.SCHEME:
        raise UsageError(f"There is no scheme {scheme!r} to set up here; the one there is: {german_credit.SCHEME}.")
    return german_credit_plan(randomness).plan


def _summary(made: "LocalFederation") -> dict[str, object]:
    return {
        "directory": str(made.directory),
        "scheme": made.scheme,
        "bits": made.bits,
        "nodes": [
            {
                "name": node.name,
                "role": node.role,
                "directory": str(node.directory),
                "federation": node.federation.url,
                "public": node.public.url if node.public else None,
                "observability": f"http://{node.observability}",
            }
            for node in made.nodes.values()
        ],
    }


def _node_table(made: "LocalFederation") -> str:
    rows = [
        (
            node.name,
            node.role,
            str(node.federation),
            str(node.public or "-"),
            str(node.observability),
            str(node.directory),
        )
        for node in made.nodes.values()
    ]
    return table(("node", "role", "federation", "public", "observability", "directory"), rows)
