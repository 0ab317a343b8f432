"""`privcredit authority ...`: the key ceremony and the installation of shares."""

from pathlib import Path
from typing import Annotated

import typer

from privcredit.cli.options import NodeDirectory, PassphraseFile, passphrase
from privcredit.cli.output import note, progress_display

authority_app = typer.Typer(help="The key ceremony, and the shares that it deals.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group `authority` to the program."""
    app.add_typer(authority_app, name="authority")


@authority_app.command("ceremony")
def ceremony(
    joins: Annotated[
        list[Path], typer.Argument(metavar="JOIN.json JOIN.json JOIN.json", help="Join requests of the authorities.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new directory for the ceremony's files.")],
    bits: Annotated[int, typer.Option("--bits", help="Key size; 2048 is for comparison with others only.")] = 3072,
) -> None:
    """Dealer, on an offline machine without swap: make the key and one sealed share file per authority.

    The primes exist in this process's memory only and end with it.
    """
    from privcredit.crypto.randomness import SystemRandomness
    from privcredit.federation.ceremony_files import hold_ceremony
    from privcredit.federation.documents import key_fingerprint, read_join

    for path in joins:
        party = read_join(path).party
        note(f"{party.name}: signing key {key_fingerprint(party.signing_key)}")
    with progress_display() as progress:
        result = hold_ceremony(out, joins, bits, SystemRandomness(), progress)
    typer.echo(f"threshold key: {result.fingerprint}")
    for path in (result.threshold_key_file, *result.share_files):
        typer.echo(str(path))
    note("Read the threshold key's fingerprint to every authority; give each the public file and its own share file.")


@authority_app.command("install")
def install(
    directory: NodeDirectory,
    share: Annotated[Path, typer.Argument(metavar="SHARE.json", help="This authority's share file.")],
    threshold_key: Annotated[Path, typer.Argument(metavar="threshold-key.json", help="The ceremony's public file.")],
    fingerprint: Annotated[
        str | None, typer.Option("--fingerprint", help="What the dealer read out; refused if the key has another.")
    ] = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Authority: check the share against the key, keep it, make the DGK key, write the signed statement."""
    from privcredit.crypto.randomness import SystemRandomness
    from privcredit.federation.ceremony_files import install_share, threshold_fingerprint

    with progress_display() as progress:
        statement = install_share(
            directory,
            share,
            threshold_key,
            SystemRandomness(),
            passphrase(passphrase_file),
            fingerprint=fingerprint,
            progress=progress,
        )
    typer.echo(f"threshold key: {threshold_fingerprint(threshold_key)}")
    typer.echo(str(statement))
    if fingerprint is None:
        note("Compare this fingerprint with the dealer's screen before you hand out the statement.")
    note(f"Hand {statement} to the federation's operator, and destroy {share}.")
