"""`privcredit audit ...`: a node's audit log."""

import typer

from privcredit.cli.options import NodeDirectory
from privcredit.cli.output import INTERNAL_EXIT
from privcredit.errors import UsageError

audit_app = typer.Typer(help="The audit log of a holder or authority.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group `audit` to the program."""
    app.add_typer(audit_app, name="audit")


@audit_app.callback()
def _audit() -> None:
    """The audit log of a holder or authority."""


@audit_app.command("verify")
def verify(directory: NodeDirectory) -> None:
    """Check the chain of the audit log; names the first bad row and ends with exit code 1 if there is one."""
    from privcredit.federation.config import load_node
    from privcredit.federation.stores import audit_store

    store = audit_store(load_node(directory))
    try:
        rows = store.verify_log()
    except UsageError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(INTERNAL_EXIT) from error
    finally:
        store.close()
    typer.echo(f"intact: {rows} rows")
