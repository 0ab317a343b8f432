"""`privcredit doctor`: what is wrong with a node and what to do."""

import time
from typing import Final

import typer

from privcredit.cli.options import AsJson, NodeDirectory, PassphraseFile, passphrase
from privcredit.cli.output import INTERNAL_EXIT, json_text

STYLES: Final = {"ok": "green", "warn": "yellow", "fail": "red"}


def register(app: typer.Typer) -> None:
    """Add `doctor` to the program."""
    app.command("doctor")(doctor)


def doctor(directory: NodeDirectory, json: AsJson = False, passphrase_file: PassphraseFile = None) -> None:
    """Examine a node: one line for each check, ok, warn or fail. Exit code 1 if anything failed."""
    from privcredit.crypto.randomness import SystemRandomness
    from privcredit.federation.doctor import Patient, examine

    patient = Patient(directory, int(time.time()), SystemRandomness(), passphrase(passphrase_file))
    findings = []
    for finding in examine(patient):
        findings.append(finding)
        if not json:
            typer.echo(
                f"{typer.style(f'{finding.level:4}', fg=STYLES[finding.level])}  {finding.check}: {finding.text}"
            )
    if json:
        typer.echo(json_text(findings))
    if any(finding.level == "fail" for finding in findings):
        raise typer.Exit(INTERNAL_EXIT)
