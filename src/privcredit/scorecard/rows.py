"""Rows of a CSV file as records of a scorecard; every refusal names file, line and column."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from privcredit.errors import UsageError
from privcredit.scorecard.fields import CellError
from privcredit.scorecard.model import NoAttributeError, Scorecard, ScoreResult

Record = tuple[int, dict[str, str]]
"""The line on which a record ends, and its cells."""


def score_csv(card: Scorecard, path: Path) -> Iterator[ScoreResult]:
    """Yield the plaintext score of each row, in order. Raises UsageError at the first row that cannot be scored."""
    for line, cells in read_records(card, path):
        try:
            yield card.score(cells)
        except CellError as error:
            raise UsageError(f"{path}, line {line}, column {error.column!r}: {error.problem}.") from error
        except NoAttributeError as error:
            raise UsageError(f"{path}, line {line}: {error}") from error


def read_records(card: Scorecard, path: Path) -> Iterator[Record]:
    """Yield the records of a CSV file with a header line (UTF-8, comma); other columns than the card's may be there.

    A column that a condition reads must be there; an empty cell is a missing value. Raises UsageError.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = _header(card, path, next(reader, []))
            for cells in reader:
                if cells or len(header) == 1:
                    yield reader.line_num, _record(path, reader.line_num, header, cells or [""])
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text; save it as UTF-8.") from error
    except csv.Error as error:
        raise UsageError(f"{path}, line {reader.line_num}: not valid CSV ({error}); correct the quotes.") from error


def _header(card: Scorecard, path: Path, header: Sequence[str]) -> Sequence[str]:
    for name in header:
        if header.count(name) > 1:
            raise UsageError(f"{path}, line 1: the column {name!r} appears twice; keep one.")
    for name in card.used_fields:
        if name not in header:
            raise UsageError(f"{path}, line 1: the column {name!r} is missing, which the scorecard reads; add it.")
    return header


def _record(path: Path, line: int, header: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    if len(cells) != len(header):
        raise UsageError(
            f"{path}, line {line}: {len(cells)} cells, but the header has {len(header)} columns; correct it."
        )
    return dict(zip(header, cells, strict=True))
