"""`privcredit score` and `privcredit scorecard ...`: scorecards in plain text, on this machine, with no other party."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from privcredit.errors import PrivcreditError, UsageError
from privcredit.scorecard.expressions import OTHERWISE, write_expression, write_number
from privcredit.scorecard.load import load_scorecard, read_holders
from privcredit.scorecard.model import UNNAMED_HOLDER, Characteristic, Scorecard, ScoreResult
from privcredit.scorecard.pmml import read_pmml
from privcredit.scorecard.predicates import TrueP
from privcredit.scorecard.rows import score_csv
from privcredit.scorecard.toml_write import write_toml

USAGE_EXIT = 2
"""Exit code of a refusal, as typer's own for wrong arguments."""

scorecard_app = typer.Typer(help="Import and inspect scorecards.", no_args_is_help=True)

CardFile = Annotated[Path, typer.Argument(metavar="FILE", help="A scorecard: PMML (.pmml, .xml) or native (.toml).")]


def register(app: typer.Typer) -> None:
    """Add `score` and the group `scorecard` to the program."""
    app.command("score")(score)
    app.add_typer(scorecard_app, name="scorecard")


def score(
    card_file: CardFile,
    csv: Annotated[Path, typer.Option("--csv", metavar="ROWS.csv", help="Rows with a header line; empty is missing.")],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Score each row of a CSV file in plain text: score, points and ranked reason codes."""
    with _one_sentence():
        results = score_csv(load_scorecard(card_file), csv)
        if not json:
            typer.echo(f"{'score':>14} {'points':>10}  reasons")
        for result in results:
            typer.echo(json_line(result) if json else _table_line(result))


def json_line(result: ScoreResult) -> str:
    """Return `{"score": float, "points": int, "reason_codes": [...]}`."""
    return msgspec.json.encode(msgspec.to_builtins(result)).decode()


def _table_line(result: ScoreResult) -> str:
    return f"{result.score:>14g} {result.points:>10}  {', '.join(result.reason_codes)}".rstrip()


@scorecard_app.command("import")
def import_pmml(
    pmml: Annotated[Path, typer.Argument(metavar="FILE.pmml", help="A PMML 4.x file with one Scorecard.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE.toml", help="Write here, not on screen.")] = None,
    holders: Annotated[
        Path | None, typer.Option("--holders", metavar="MAP.toml", help='Lines such as bank = ["duration", "purpose"].')
    ] = None,
    scale: Annotated[int | None, typer.Option("--scale", help="Points per unit of score.", min=1)] = None,
) -> None:
    """Turn a PMML Scorecard into the native format."""
    with _one_sentence():
        card = read_pmml(pmml, None if holders is None else read_holders(holders), scale)
        _write(write_toml(card), out)
    for note in _notes(card):
        typer.echo(note, err=True)


def _write(text: str, out: Path | None) -> None:
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise UsageError(f"{out} exists already; choose another name or remove it.") from error
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}.") from error


def _notes(card: Scorecard) -> Iterator[str]:
    """What the importer should know before publishing."""
    if not card.is_exact:
        yield f"Note: points / {card.scale} differs from the score by at most {card.rounding_bound:g}; see --scale."
    if UNNAMED_HOLDER in card.holders:
        yield "Note: some characteristics have no holder; give them with --holders before publishing."
    unused = [field.name for field in card.fields if field.name not in card.used_fields]
    if unused:
        yield f"Note: no condition reads {', '.join(unused)}; remove them under [fields] before publishing."


@scorecard_app.command("show")
def show(card_file: CardFile) -> None:
    """Print a scorecard: characteristics by holder, conditions, points, ranges."""
    with _one_sentence():
        card = load_scorecard(card_file)
    for line in _description(card):
        typer.echo(line)


def _description(card: Scorecard) -> Iterator[str]:
    yield f"{card.name}, version {card.version}"
    yield f"initial score {write_number(card.initial_score)}, {card.scale} points per unit of score"
    yield f"points / {card.scale} is " + (
        "the score exactly" if card.is_exact else f"within {card.rounding_bound:g} of the score"
    )
    for holder in card.holders:
        own = card.for_holder(holder)
        yield f"\n{holder or '(no holder)'}: {own.min_points} to {own.max_points} points, digest {own.digest.hex()}"
        for one in own.characteristics:
            yield from _characteristic_lines(one)


def _characteristic_lines(one: Characteristic) -> Iterator[str]:
    yield f"  {one.name}" + (f" ({one.reason_code})" if one.reason_code else "")
    for attribute in one.attributes:
        when = OTHERWISE if isinstance(attribute.predicate, TrueP) else write_expression(attribute.predicate)
        reason = f"  {attribute.reason_code}" if attribute.reason_code else ""
        yield f"    {write_number(attribute.score):>8}  {when}{reason}"


@contextmanager
def _one_sentence() -> Iterator[None]:
    """Print a refusal as its one sentence and leave with USAGE_EXIT."""
    try:
        yield
    except PrivcreditError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(USAGE_EXIT) from error
