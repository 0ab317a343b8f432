"""Options and arguments that several commands have."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from privcredit.federation.key_files import Passphrase

NodeDirectory = Annotated[Path, typer.Argument(metavar="NODE_DIR", help="The node's directory.")]
OperatorDirectory = Annotated[Path, typer.Argument(metavar="DIR", help="The federation operator's directory.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        metavar="FILE",
        help="First line: the passphrase of the key files. Default: the variable PRIVCREDIT_PASSPHRASE, else none.",
    ),
]


def passphrase(file: Path | None) -> "Passphrase | None":
    """Return the passphrase of the file, or of the environment, or None."""
    from privcredit.federation.key_files import Passphrase

    return Passphrase.find(os.environ, file)
