"""`privcredit registry ...`: read and verify registries."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from privcredit.cli.options import AsJson
from privcredit.cli.output import json_text, table

if TYPE_CHECKING:
    from privcredit.roles.registry import TrustedRegistry
    from privcredit.scorecard.policy import Policy

registry_app = typer.Typer(help="The signed list of parties, keys and policies.", no_args_is_help=True)

PinnedDirectory = Annotated[
    Path, typer.Argument(metavar="[DIR]", help="A directory with registry.jws and registry.pub: any node's will do.")
]


def register(app: typer.Typer) -> None:
    """Add the group `registry` to the program."""
    app.add_typer(registry_app, name="registry")


@registry_app.command("show")
def show(directory: PinnedDirectory = Path(), json: AsJson = False) -> None:
    """Verify the registry in a directory and print what it says."""
    from privcredit.federation.config import load_registry

    registry = load_registry(directory)
    typer.echo(json_text(_summary(registry)) if json else _text(registry))


@registry_app.command("verify")
def verify(
    registry_file: Annotated[Path, typer.Argument(metavar="registry.jws", help="A registry from anywhere.")],
    key: Annotated[Path, typer.Option("--key", metavar="registry.pub", help="The key that you pinned.")],
) -> None:
    """Verify every signature in a registry against a pinned key."""
    from privcredit.federation.config import load_registry_key
    from privcredit.federation.documents import grouped
    from privcredit.federation.files import read_text
    from privcredit.roles.registry import open_registry

    registry = open_registry(read_text(registry_file).strip(), load_registry_key(key))
    fingerprint = grouped(registry.threshold_key.fingerprint)
    typer.echo(f"valid: registry {registry.document.serial} of {registry.scheme}, threshold key {fingerprint}")


def _summary(registry: "TrustedRegistry") -> dict[str, object]:
    from privcredit.federation.documents import key_fingerprint

    return {
        "scheme": registry.scheme,
        "serial": registry.document.serial,
        "issued": registry.document.issued,
        "registrar": registry.document.registrar,
        "key_bits": registry.threshold_key.key.bits,
        "threshold_key_fingerprint": registry.threshold_key.fingerprint.hex(),
        "parties": [
            {
                "name": party.name,
                "role": party.role,
                "signing_key": key_fingerprint(party.signing_key),
                "address": party.address,
                "public_address": party.public_address,
            }
            for party in registry.document.parties
        ],
        "scorecards": [
            {"holder": entry.holder, "digest": entry.digest.hex()} for entry in registry.document.scorecards
        ],
        "policies": [{"hash": hashed.hex(), **_policy(policy)} for hashed, policy in registry.policies.items()],
    }


def _policy(policy: "Policy") -> dict[str, object]:
    return {
        "id": policy.id,
        "question": policy.question,
        "tiers": {tier.name: tier.at_least for tier in policy.tiers},
        "holders": {term.holder: "required" if term.required else "optional" for term in policy.holders},
        "verifiers": list(policy.verifiers),
        "budget": policy.budget,
        "epoch_seconds": policy.epoch_seconds,
        "valid_from": policy.valid_from,
        "valid_until": policy.valid_until,
    }


def _text(registry: "TrustedRegistry") -> str:
    from privcredit.federation.documents import grouped, key_fingerprint

    key = registry.threshold_key
    parties = [
        (party.name, party.role, party.address, party.public_address or "-", key_fingerprint(party.signing_key))
        for party in registry.document.parties
    ]
    policies = [
        (policy.id, policy.question, ", ".join(policy.verifiers), hashed.hex()[:16])
        for hashed, policy in registry.policies.items()
    ]
    return "\n".join(
        [
            f"{registry.scheme}, registry {registry.document.serial}, registrar {registry.document.registrar}",
            f"threshold key: {key.key.bits} bits, 2 of 3, {grouped(key.fingerprint)}",
            "",
            table(("party", "role", "address", "public address", "signing key"), parties),
            "",
            table(("policy", "question", "verifiers", "hash"), policies),
        ]
    )
