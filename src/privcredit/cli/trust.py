"""`privcredit trust`: who with whom could learn or change what."""

from pathlib import Path
from typing import Annotated

import typer

from privcredit.cli.options import AsJson
from privcredit.cli.output import json_text


def register(app: typer.Typer) -> None:
    """Add `trust` to the program."""
    app.command("trust")(trust)


def trust(
    directory: Annotated[
        Path,
        typer.Argument(metavar="[DIR]", help="A directory with registry.jws and registry.pub: any node's will do."),
    ] = Path(),
    json: AsJson = False,
) -> None:
    """Print the trust statement of the federation: who learns what, and who with whom could do more."""
    from privcredit.federation.config import load_registry
    from privcredit.federation.trust import trust_statement

    typer.echo(json_text(trust_statement(load_registry(directory))) if json else trust_text(directory), nl=json)


def trust_text(directory: Path) -> str:
    """Return the statement of the registry in `directory` as Markdown."""
    from privcredit.federation.config import load_registry
    from privcredit.federation.trust import markdown, trust_statement

    return markdown(trust_statement(load_registry(directory)))
