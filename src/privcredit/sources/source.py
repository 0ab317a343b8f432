"""Where a holder's records live, and how its nodes read them.

The scorecard is compiled once to the SQL of the holder's own engine and runs there; only one record's points leave it.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, Protocol

from privcredit.messages.codec import Message
from privcredit.scorecard.model import HolderScorecard, Outcome

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["csv", "parquet", "sqlite", "duckdb", "postgresql"]


class SourceConfig(Message, frozen=True):
    """Where one holder's records are.

    location: a file path, or for postgresql a URL or libpq string (a password may come from libpq's own PGPASSFILE);
    table: for a database, the table or view, `schema.table` if need be; key_column: names one record.
    """

    kind: Kind
    location: str
    key_column: str
    table: str | None = None


class Source(Protocol):
    """One holder's records, seen through its scorecard. Every method may be called from any thread."""

    def points(self, record_key: str) -> int | None:
        """Return the points of one record, None if there is no such record.

        The engine evaluates the same query on exactly one row in both cases. Raises CellError or NoAttributeError as
        the plain scorecard does, UsageError if the key is there twice or the table has changed shape,
        UnavailableError if it is locked or not reachable.
        """
        ...

    def explain(self, record_key: str) -> tuple[Outcome, ...] | None:
        """Return what each characteristic gave, in the scorecard's order; None if there is no such record.

        Raises as `points`.
        """
        ...

    def all_points(self) -> "pa.Table":
        """Return a table (key: string, points: int64) of all records. Raises UsageError naming the first bad record."""
        ...

    def check(self) -> None:
        """Look at every record: empty or repeated keys, refused cells, no true attribute.

        Raises one UsageError that names the table or file, the line (CSV) or key of the record, and the column.
        It is for the holder's operator: keys are its own identifiers and belong in no log that others read.
        """
        ...

    def close(self) -> None:
        """Release connections and files."""
        ...


def open_source(config: SourceConfig, card: HolderScorecard) -> Source:
    """Return the opened source.

    Raises UsageError if the file, the table, a column or its type is wrong, UnavailableError if it is locked or away.
    """
    return OPENERS[config.kind](config, card)


def _file(config: SourceConfig, card: HolderScorecard) -> Source:
    from privcredit.sources.files import FileSource  # noqa: PLC0415 - engines load only where used

    return FileSource(config, card)


def _sqlite(config: SourceConfig, card: HolderScorecard) -> Source:
    from privcredit.sources.compiled import CompiledSource  # noqa: PLC0415 - engines load only where used
    from privcredit.sources.sqlite import SqliteSession  # noqa: PLC0415

    return CompiledSource(SqliteSession(config, card.fields), card)


def _postgresql(config: SourceConfig, card: HolderScorecard) -> Source:
    from privcredit.sources.compiled import CompiledSource  # noqa: PLC0415 - engines load only where used
    from privcredit.sources.postgresql import PostgresqlSession  # noqa: PLC0415

    return CompiledSource(PostgresqlSession(config, card.fields), card)


OPENERS: Mapping[Kind, Callable[[SourceConfig, HolderScorecard], Source]] = {
    "csv": _file,
    "parquet": _file,
    "duckdb": _file,
    "sqlite": _sqlite,
    "postgresql": _postgresql,
}
