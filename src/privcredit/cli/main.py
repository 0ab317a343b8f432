"""The program `privcredit`: commands are grouped by what they are about.

Exit codes: 0 done, 1 what was examined is not in order, 2 wrong use, 3 refused, 4 unavailable, 5 a peer's fault.
"""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Final

import typer

from privcredit import __version__
from privcredit.cli.output import fail

MODULES: Final = (
    "demo",
    "query",
    "receipt",
    "wallet",
    "holder",
    "scorecard",
    "federation",
    "node",
    "authority",
    "registry",
    "trust",
    "doctor",
    "audit",
)
"""Modules with `register(app)`, in the order of the help page. They import what is heavy when a command runs."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line (default: the process's own). Errors end in one sentence, never in a traceback."""
    try:
        make_app()(args=None if arguments is None else list(arguments))
    except Exception as error:  # noqa: BLE001 - the outermost edge: whatever it is, the user gets one sentence
        fail(error)


def make_app() -> typer.Typer:
    """Return the program with all its commands."""
    app = typer.Typer(
        name="privcredit",
        help="Eligibility from encrypted partial scores: the verifier learns one answer, nobody learns the score.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_program)
    for name in MODULES:
        if find_spec(f"privcredit.cli.{name}") is not None:
            import_module(f"privcredit.cli.{name}").register(app)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"privcredit {__version__}")
        raise typer.Exit


def _program(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Eligibility from encrypted partial scores: the verifier learns one answer, nobody learns the score."""
