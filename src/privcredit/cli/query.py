"""`privcredit query`: a service provider asks, through its verifier node."""

import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from privcredit.cli.options import AsJson, PassphraseFile, passphrase
from privcredit.cli.output import json_text, note
from privcredit.errors import UsageError

if TYPE_CHECKING:
    from privcredit.http.verifier_app import AnswerView, RequestView
    from privcredit.http.verifier_client import VerifierClient
    from privcredit.protocols.consent.messages import Presentation


def register(app: typer.Typer) -> None:
    """Add `query` to the program."""
    app.command("query")(query)


def query(
    policy: Annotated[str | None, typer.Argument(metavar="POLICY", help="The policy's id in the registry.")] = None,
    *,
    verifier: Annotated[
        str, typer.Option("--verifier", metavar="https://HOST:PORT", help="The verifier node's public address.")
    ],
    name: Annotated[str, typer.Option("--name", metavar="VERIFIER", help="Its name in the registry; TLS checks it.")],
    ca: Annotated[Path, typer.Option("--ca", metavar="ca.pem", help="The federation's certificate authority.")],
    wallet: Annotated[
        str | None,
        typer.Option(
            "--wallet",
            metavar="DIR|http://127.0.0.1:PORT",
            help="The subject's wallet: its directory, or where `wallet serve` listens. Naming it is the consent.",
        ),
    ] = None,
    request_out: Annotated[
        Path | None,
        typer.Option("--request-out", metavar="FILE", help="Only make a request, for a wallet that is elsewhere."),
    ] = None,
    request: Annotated[
        Path | None, typer.Option("--request", metavar="FILE", help="The request that --request-out wrote.")
    ] = None,
    presentation: Annotated[
        Path | None, typer.Option("--presentation", metavar="FILE", help="The wallet's answer to that request.")
    ] = None,
    receipt: Annotated[
        Path | None, typer.Option("--receipt", metavar="FILE", help="Write the receipt here; it proves the answer.")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option("--token-file", metavar="FILE", help="The API token, where the node demands one.")
    ] = None,
    json: AsJson = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Ask whether the wallet's owner is eligible under POLICY; prints the answer.

    One step with --wallet. Two steps when the wallet is elsewhere: `query POLICY --request-out r.json`, have
    `privcredit wallet present` answer it, then `query --request r.json --presentation p.json`.
    Exit code 0: answered, whatever the answer. 3: refused. 4: parties are missing, ask again. 5: a party misbehaves.
    """
    choice = Choice(policy, wallet, request_out, request, presentation, receipt)
    choice.check()
    with closing(_client(verifier, name, ca, token_file)) as client:
        if choice.request_out is not None:
            _write_request(client, choice.policy or "", choice.request_out)
            return
        asked, presented = _prepare(client, choice, name, passphrase_file)
        answer = client.ask(asked, presented)
    _print(asked, answer, json)
    _keep_receipt(answer, choice.receipt)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of the three ways to ask the options mean."""

    policy: str | None
    wallet: str | None
    request_out: Path | None
    request: Path | None
    presentation: Path | None
    receipt: Path | None

    def check(self) -> None:
        """Raise UsageError unless the options mean exactly one way."""
        ways = [self.wallet is not None, self.request_out is not None, self.presentation is not None]
        if sum(ways) != 1:
            raise UsageError("Give exactly one of --wallet, --request-out, and --request with --presentation.")
        if (self.request is None) is not (self.presentation is None):
            raise UsageError("--request and --presentation belong together: the request and the wallet's answer to it.")
        if (self.policy is None) is not (self.request is not None):
            raise UsageError("Name the POLICY to ask under; only with --request it is left out, which has it inside.")
        if self.request_out is not None and self.receipt is not None:
            raise UsageError("--request-out asks nothing yet; give --receipt with the second step.")


def _client(verifier: str, name: str, ca: Path, token_file: Path | None) -> "VerifierClient":
    from privcredit.http.api_token import ApiToken
    from privcredit.http.verifier_client import VerifierClient

    return VerifierClient(verifier, name, ca, None if token_file is None else ApiToken.read(token_file))


def _write_request(client: "VerifierClient", policy: str, path: Path) -> None:
    from privcredit.federation.files import write_document

    write_document(path, client.request(policy))
    typer.echo(str(path))
    note(f"Hand it to the subject, whose wallet answers it: privcredit wallet present DIR {path} --out FILE")


def _prepare(
    client: "VerifierClient", choice: Choice, name: str, passphrase_file: Path | None
) -> "tuple[RequestView, Presentation]":
    if choice.request is not None and choice.presentation is not None:
        return _read_both(choice.request, choice.presentation, name)
    asked = client.request(choice.policy or "")
    return asked, _consent(choice.wallet or "", asked, passphrase_file)


def _read_both(request: Path, presentation: Path, name: str) -> "tuple[RequestView, Presentation]":
    from privcredit.federation.files import read_document
    from privcredit.http.ids import parse_id
    from privcredit.http.verifier_app import RequestView
    from privcredit.protocols.consent.messages import Presentation

    asked = read_document(request, RequestView, "a request of `query --request-out`")
    if asked.verifier != name:
        raise UsageError(f"{request} is a request of {asked.verifier}, not of {name}; ask through its own verifier.")
    presented = read_document(presentation, Presentation, "a wallet's presentation")
    if presented.header.request_id != parse_id(asked.id):
        raise UsageError(f"{presentation} answers another request than {request}; have the wallet answer this one.")
    return asked, presented


def _consent(wallet: str, asked: "RequestView", passphrase_file: Path | None) -> "Presentation":
    if wallet.startswith(("http://", "https://")):
        from privcredit.http.wallet_access import ask_wallet

        return ask_wallet(wallet, asked)
    from privcredit.cli.consent import consent_text
    from privcredit.crypto.randomness import SystemRandomness
    from privcredit.federation.wallet_directory import open_wallet

    secret = passphrase(passphrase_file)
    with open_wallet(Path(wallet), SystemRandomness(), lambda: int(time.time()), secret) as opened:
        note(consent_text(opened, asked.verifier, asked.request))
        return opened.wallet.consent(asked.verifier, asked.request)


def _print(asked: "RequestView", answer: "AnswerView", json: bool) -> None:
    if not json:
        verdict = "eligible" if answer.eligible else "not eligible"
        typer.echo(f"{verdict}: {answer.tier}" if answer.tier else verdict)
        return
    known = {"policy": asked.policy, "verifier": asked.verifier, "question": asked.id}
    tier = {} if answer.tier is None else {"tier": answer.tier}
    typer.echo(json_text(known | {"eligible": answer.eligible} | tier | {"receipt": answer.receipt}))


def _keep_receipt(answer: "AnswerView", path: Path | None) -> None:
    from privcredit.federation.files import write_document

    if path is None or answer.receipt is None:
        return
    write_document(path, answer.receipt)
    note(f"Receipt: {path}. Anyone checks it with: privcredit receipt verify {path} --registry ... --registry-key ...")
