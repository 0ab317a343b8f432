"""What commands share: errors as one sentence, progress on standard error, results on standard output."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn, Protocol

import typer

from privcredit.errors import PeerError, PrivcreditError, RefusedError, UnavailableError

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

INTERNAL_EXIT: Final = 1
"""A defect of this program, or something that `doctor` and `verify` found wrong."""

USAGE_EXIT: Final = 2
REFUSED_EXIT: Final = 3
UNAVAILABLE_EXIT: Final = 4
PEER_EXIT: Final = 5
INTERRUPTED_EXIT: Final = 130
"""What shells report for SIGINT."""

DEBUG_VARIABLE: Final = "PRIVCREDIT_DEBUG"
"""Set to 1, errors come with their traceback. It may show file contents, never keys: secret types are redacted."""


class Progress(Protocol):
    """Shows how far a step is: its name, how much of it is done, the total (0: unknown). Any thread may call it."""

    def __call__(self, step: str, done: int, total: int) -> None:
        """Show it."""
        ...


def exit_code(error: PrivcreditError) -> int:
    """Return the exit code that says whose fault it was."""
    if isinstance(error, RefusedError):
        return REFUSED_EXIT
    if isinstance(error, UnavailableError):
        return UNAVAILABLE_EXIT
    return PEER_EXIT if isinstance(error, PeerError) else USAGE_EXIT


def fail(error: Exception) -> NoReturn:
    """Print an error as one sentence on standard error and end with its exit code."""
    if os.environ.get(DEBUG_VARIABLE) == "1":
        raise error
    if isinstance(error, PrivcreditError):
        typer.echo(f"error: {error}", err=True)
        sys.exit(exit_code(error))
    sentence = (
        f"this is a defect of privcredit ({type(error).__name__}); set {DEBUG_VARIABLE}=1 and report what it prints."
    )
    typer.echo(f"error: {sentence}", err=True)
    sys.exit(INTERNAL_EXIT)


def note(text: str) -> None:
    """Print a line for the person at the terminal on standard error; standard output is for results."""
    typer.echo(text, err=True)


def json_text(value: object) -> str:
    """Return `value` as readable JSON; bytes become base64."""
    import msgspec

    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a plain table with aligned columns, which `grep` and `awk` can read."""
    lines = [list(header), *[list(row) for row in rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


@contextmanager
def progress_display() -> Iterator[Progress]:
    """Yield a callback that shows progress on standard error: bars on a terminal, one line a step elsewhere."""
    if not sys.stderr.isatty():
        yield _StepLines().report
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        yield _StepBars(bars).report


class _StepLines:
    """For logs: the name of each step once."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def report(self, step: str, done: int, total: int) -> None:  # noqa: ARG002 - what every display is told
        if step not in self._seen:
            self._seen.add(step)
            note(f"{step} ...")


class _StepBars:
    """One bar a step; a step of unknown length moves without end until the next one starts."""

    def __init__(self, bars: "Bars") -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def report(self, step: str, done: int, total: int) -> None:
        if step not in self._tasks:
            self._finish_earlier()
            self._tasks[step] = self._bars.add_task(step, total=total or None)
        self._bars.update(self._tasks[step], completed=done, total=total or None)

    def _finish_earlier(self) -> None:
        for task in self._bars.tasks:
            if not task.finished:
                self._bars.update(task.id, total=max(1, task.completed), completed=max(1, task.completed))
