"""`privcredit receipt verify`: what a receipt proves, to anyone, offline."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from privcredit.cli.options import AsJson
from privcredit.cli.output import INTERNAL_EXIT, json_text
from privcredit.errors import PeerError, PrivcreditError, RefusedError

if TYPE_CHECKING:
    from privcredit.protocols.eligibility.messages import Receipt
    from privcredit.roles.registry import TrustedRegistry

receipt_app = typer.Typer(help="Receipts, which prove an answer afterwards.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group `receipt` to the program."""
    app.add_typer(receipt_app, name="receipt")


@receipt_app.callback()
def _receipt() -> None:
    """Receipts, which prove an answer afterwards."""


@receipt_app.command("verify")
def verify(
    file: Annotated[Path, typer.Argument(metavar="RECEIPT.json", help="What `query --receipt` wrote.")],
    *,
    registry: Annotated[
        Path, typer.Option("--registry", metavar="registry.jws", help="The registry that was valid then.")
    ],
    registry_key: Annotated[
        Path, typer.Option("--registry-key", metavar="registry.pub", help="The key that signs the registry.")
    ],
    json: AsJson = False,
) -> None:
    """Verify a receipt without asking anyone: prints what it proves, or says what is wrong with it (exit code 1)."""
    from privcredit.federation.config import load_registry_key
    from privcredit.federation.files import read_document, read_text
    from privcredit.protocols.eligibility.messages import Receipt
    from privcredit.roles.registry import open_registry

    trusted = open_registry(read_text(registry).strip(), load_registry_key(registry_key))
    receipt = read_document(file, Receipt, "a receipt")
    try:
        proven = _proven(receipt, trusted)
    except PrivcreditError as error:
        _refuse(file, error, json)
        raise typer.Exit(INTERNAL_EXIT) from error
    typer.echo(json_text(proven) if json else _text(proven))


def _proven(receipt: "Receipt", registry: "TrustedRegistry") -> dict[str, object]:
    from privcredit.protocols.eligibility.steps import open_request
    from privcredit.roles.verifier import verify_receipt

    answer = verify_receipt(receipt, registry)
    policy = registry.policy(receipt.policy_hash)
    request = open_request(receipt.request, receipt.verifier, registry.party(receipt.verifier, "verifier").signing_key)
    return {
        "valid": True,
        "scheme": registry.scheme,
        "policy": policy.id,
        "question": policy.question,
        "verifier": receipt.verifier,
        "asked": request.issued,
        "eligible": answer.eligible,
        "tier": answer.tier,
        "authorities": [named.authority for named in receipt.shares],
    }


def _text(proven: dict[str, object]) -> str:
    from privcredit.cli.consent import moment, printable

    verdict = "eligible" if proven["eligible"] else "not eligible"
    tier = f", {proven['tier']}" if proven["tier"] else ""
    asked = moment(proven["asked"]) if isinstance(proven["asked"], int) else ""
    authorities = proven["authorities"]
    signers = " and ".join(authorities) if isinstance(authorities, list) else ""
    return printable(
        f"valid: {proven['verifier']} asked at {asked} under policy {proven['policy']}: {proven['question']} "
        f"Answer: {verdict}{tier}. Signed by {signers}."
    )


def _refuse(file: Path, error: PrivcreditError, json: bool) -> None:
    sentence = _sentence(error)
    if json:
        typer.echo(json_text({"valid": False, "sentence": sentence}))
    else:
        typer.echo(f"error: {file} proves nothing: {sentence}", err=True)


def _sentence(error: PrivcreditError) -> str:
    if isinstance(error, PeerError):
        return f"the part of {error.culprit} fails at `{error.step}`: {error.sentence}"
    if isinstance(error, RefusedError) and error.reason == "unknown-policy":
        return f"{error} Use the registry that was valid when it was asked."
    return str(error)
