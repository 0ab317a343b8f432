"""`privcredit wallet ...`: the subject's own wallet."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from privcredit.cli.options import AsJson, PassphraseFile, passphrase
from privcredit.cli.output import json_text, note, table
from privcredit.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from privcredit.federation.wallet_directory import OpenWallet
    from privcredit.http.verifier_app import RequestView

DEFAULT_PORT: Final = 7410

ORDER_SECONDS: Final = 1.1
"""Orders are dated in whole seconds; after this the next one is later than any before."""

wallet_app = typer.Typer(help="A data subject's wallet: enrol, consent, opt out.", no_args_is_help=True)

WalletDirectory = Annotated[Path, typer.Argument(metavar="DIR", help="The wallet's directory.")]
HolderName = Annotated[str, typer.Argument(metavar="HOLDER", help="The institution's name in the registry.")]
Code = Annotated[
    str, typer.Argument(metavar="CODE", help="The one-time code from the institution; - reads it from standard input.")
]


def register(app: typer.Typer) -> None:
    """Add the group `wallet` to the program."""
    app.add_typer(wallet_app, name="wallet")


@wallet_app.command("init")
def init(
    directory: WalletDirectory,
    *,
    registry: Annotated[Path, typer.Option("--registry", metavar="registry.jws", help="The federation's registry.")],
    registry_key: Annotated[
        Path, typer.Option("--registry-key", metavar="registry.pub", help="The key that signs the registry.")
    ],
    ca: Annotated[Path, typer.Option("--ca", metavar="ca.pem", help="The federation's certificate authority.")],
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make a wallet: one fresh secret, and what to trust."""
    from privcredit.crypto.randomness import SystemRandomness
    from privcredit.federation.config import load_registry_key
    from privcredit.federation.documents import key_fingerprint
    from privcredit.federation.wallet_directory import Pins, init_wallet

    secret = passphrase(passphrase_file)
    init_wallet(directory, Pins.read(registry, registry_key, ca), SystemRandomness(), secret)
    typer.echo(f"registry key: {key_fingerprint(load_registry_key(registry_key))}")
    note("Compare this fingerprint with your registrar: everything that this wallet believes is signed by that key.")
    if secret is None:
        note("The wallet's key is not encrypted; protect the disk, or set PRIVCREDIT_PASSPHRASE and start anew.")


@wallet_app.command("install-registry")
def install_registry(
    directory: WalletDirectory,
    registry: Annotated[Path, typer.Argument(metavar="registry.jws", help="The registry that the operator published.")],
) -> None:
    """Verify a newer registry and pin it; an older one than the pinned is refused."""
    from privcredit.federation.wallet_directory import install_newer_registry

    pinned = install_newer_registry(directory, registry)
    typer.echo(f"pinned registry {pinned.document.serial} of {pinned.scheme}")


@wallet_app.command("register")
def register_wallet(directory: WalletDirectory, code: Code, passphrase_file: PassphraseFile = None) -> None:
    """Register at the registrar, which vouches that this wallet is yours."""
    with _open(directory, passphrase_file) as opened:
        opened.client.register(_code(code))
        typer.echo(f"registered at {opened.registry.document.registrar} as {opened.identity}")


@wallet_app.command("enrol")
def enrol(directory: WalletDirectory, holder: HolderName, code: Code, passphrase_file: PassphraseFile = None) -> None:
    """Enrol at an institution: from now on it contributes when you consent."""
    with _open(directory, passphrase_file) as opened:
        opened.client.enrol(holder, _code(code))
    typer.echo(f"enrolled at {holder}")


@wallet_app.command("show")
def show(directory: WalletDirectory, json: AsJson = False, passphrase_file: PassphraseFile = None) -> None:
    """Print where the wallet is enrolled, and who has used how much of its budget."""
    with _open(directory, passphrase_file) as opened:
        summary = _summary(opened)
        typer.echo(json_text(summary) if json else _text(opened))


@wallet_app.command("present")
def present(
    directory: WalletDirectory,
    request: Annotated[Path, typer.Argument(metavar="REQUEST.json", help="What the verifier handed you.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the presentation here, not on screen.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Consent without being asked.")] = False,
    anew: Annotated[
        bool, typer.Option("--anew", help="Spend another evaluation; only after `locked` or `contribution-expired`.")
    ] = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Show who asks what and why, and write the presentation if you consent."""
    from privcredit.cli.consent import consent_text
    from privcredit.federation.files import read_document, write_document
    from privcredit.http.verifier_app import RequestView

    asked = read_document(request, RequestView, "a verifier's request")
    with _open(directory, passphrase_file) as opened:
        note(consent_text(opened, asked.verifier, asked.request))
        if not yes:
            _ask_consent()
        presentation = opened.wallet.consent(asked.verifier, asked.request, anew=anew)
    if out is None:
        typer.echo(json_text(presentation))
    else:
        write_document(out, presentation)
        note(f"Hand {out} to {asked.verifier}.")


@wallet_app.command("opt-out")
def opt_out(directory: WalletDirectory, holder: HolderName, passphrase_file: PassphraseFile = None) -> None:
    """Forbid an institution to compute anything about you, for every later question, until you return."""
    from privcredit.roles.holder import OPT_OUT

    with _open(directory, passphrase_file) as opened:
        opened.client.order(holder, OPT_OUT)
    typer.echo(f"opted out at {holder}")
    note(
        "It computes nothing about you from now on. Where it is required, the answer is: not eligible, which means "
        "ordinary terms; nobody sees why."
    )


@wallet_app.command("return")
def return_to(directory: WalletDirectory, holder: HolderName, passphrase_file: PassphraseFile = None) -> None:
    """Undo an opt-out."""
    with _open(directory, passphrase_file) as opened:
        _return(opened, holder)
    typer.echo(f"returned to {holder}")


def _return(opened: "OpenWallet", holder: str) -> None:
    """Of two orders within one second the opt-out counts, so a return that came too soon is given once more."""
    from privcredit.roles.holder import RETURN

    try:
        opened.client.order(holder, RETURN)
    except RefusedError as error:
        if error.reason != "order-superseded":
            raise
        time.sleep(ORDER_SECONDS)
        opened.client.order(holder, RETURN)


@wallet_app.command("serve")
def serve(
    directory: WalletDirectory,
    port: Annotated[int, typer.Option("--port", help="Loopback port; 0 takes a free one.", min=0, max=65535)] = (
        DEFAULT_PORT
    ),
    host: Annotated[str, typer.Option("--host", help="A loopback address; no other is accepted.")] = "127.0.0.1",
    passphrase_file: PassphraseFile = None,
) -> None:
    """Answer requests of programs on this machine until Ctrl-C: each call of theirs is your consent."""
    from privcredit.http.loopback import is_loopback
    from privcredit.http.observability import configure_logging
    from privcredit.http.server import Listener, run
    from privcredit.http.wallet_app import loopback_app

    if not is_loopback(host):
        raise UsageError(f"--host is {host!r}; a wallet listens on loopback only, for example 127.0.0.1.")
    configure_logging("wallet")
    with _open(directory, passphrase_file) as opened:
        app = loopback_app(opened.wallet, _tell)
        run([Listener(app, host, port)], lambda ports: _announce(host, ports[0]))


def _open(directory: Path, passphrase_file: Path | None) -> "OpenWallet":
    from privcredit.crypto.randomness import SystemRandomness
    from privcredit.federation.wallet_directory import open_wallet

    return open_wallet(directory, SystemRandomness(), lambda: int(time.time()), passphrase(passphrase_file))


def _code(text: str) -> str:
    return sys.stdin.readline().strip() if text == "-" else text.strip()


def _ask_consent() -> None:
    try:
        agreed = typer.confirm("Do you consent?", default=False, err=True)
    except typer.Abort as error:
        raise UsageError("Nobody is there to consent; use a terminal, or say --yes.") from error
    if not agreed:
        raise RefusedError("no-consent", "You did not consent, so nothing was made and nothing is known.")


def _summary(opened: "OpenWallet") -> dict[str, object]:
    enrolled = opened.wallet.enrolments()
    lines = [opened.budget(policy) for policy in opened.registry.policies.values()]
    return {
        "scheme": opened.registry.scheme,
        "registry_serial": opened.registry.document.serial,
        "registrar": opened.registry.document.registrar,
        "identity": opened.identity,
        "enrolled": enrolled,
        "not_enrolled": [name for name in _holders(opened) if name not in enrolled],
        "budget": [
            {
                "policy": line.policy.id,
                "question": line.policy.question,
                "used": line.used,
                "budget": line.policy.budget,
                "until": line.until,
                "asked_by": line.asked_by,
            }
            for line in lines
        ],
    }


def _text(opened: "OpenWallet") -> str:
    from privcredit.cli.consent import moment, printable

    enrolled = opened.wallet.enrolments()
    registrar = opened.registry.document.registrar
    who = f"registered at {registrar} as {opened.identity}" if opened.identity else f"not registered at {registrar} yet"
    holders = [(name, "enrolled" if name in enrolled else "not enrolled") for name in _holders(opened)]
    lines = [opened.budget(policy) for policy in opened.registry.policies.values()]
    budget = [
        (
            line.policy.id,
            printable(line.policy.question),
            f"{line.used} of {line.policy.budget}",
            moment(line.until),
            ", ".join(line.asked_by) or "-",
        )
        for line in lines
    ]
    return "\n".join(
        [
            f"{opened.registry.scheme}, registry {opened.registry.document.serial}; {who}",
            "",
            table(("institution", "this wallet"), holders),
            "",
            table(("policy", "question", "used", "until", "asked by"), budget),
        ]
    )


def _holders(opened: "OpenWallet") -> list[str]:
    return [party.name for party in opened.registry.document.parties if party.role == "holder"]


def _tell(request: "RequestView") -> None:
    from privcredit.cli.consent import printable

    note(printable(f"consented: {request.verifier}, {request.policy}"))


def _announce(host: str, port: int) -> None:
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    typer.echo(json_text({"wallet": f"http://{address}"}).replace("\n", "").replace("  ", ""))
    sys.stdout.flush()
    note("Every program on this machine can now use the wallet; stop it with Ctrl-C when you are done.")
