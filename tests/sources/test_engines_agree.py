"""Every engine gives, record by record, what the plain scorecard gives: points, explanation, or the same refusal."""

import csv
import sqlite3
from collections.abc import Callable
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings

from privcredit.errors import UsageError
from privcredit.scorecard.fields import CellError
from privcredit.scorecard.model import HolderScorecard, NoAttributeError
from privcredit.sources.session import quote
from privcredit.sources.source import Source, SourceConfig, open_source
from sources.conftest import SERVER, Server
from sources.generated import Row, cards_and_rows, cards_and_texts

EXAMPLES = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
FEW_EXAMPLES = settings(EXAMPLES, max_examples=8)
"""DuckDB plans each generated query for milliseconds, and three kinds of source share it."""

SQL_TYPES = {"string": "text", "integer": "bigint", "double": "double precision", "boolean": "boolean"}
KEY = "record"

Generated = tuple[HolderScorecard, list[Row]]


def outcome(compute: Callable[..., Any], *arguments: object) -> object:
    """A value, or the kind and place of the refusal."""
    try:
        return compute(*arguments)
    except CellError as error:
        return "refused cell", error.column
    except NoAttributeError as error:
        return "no attribute", error.characteristic


def assert_agrees(source: Source, card: HolderScorecard, rows: list[Row]) -> None:
    for number, row in enumerate(rows):
        assert outcome(source.points, f"k{number}") == outcome(card.points, row), row
        assert outcome(source.explain, f"k{number}") == outcome(card.explain, row), row
    assert source.points("nobody") is None
    assert source.explain("nobody") is None
    assert_whole_table(source, card, rows)
    source.close()


def assert_whole_table(source: Source, card: HolderScorecard, rows: list[Row]) -> None:
    expected = [outcome(card.points, row) for row in rows]
    if all(isinstance(points, int) for points in expected):
        source.check()
        table = source.all_points()
        assert dict(zip(table["key"].to_pylist(), table["points"].to_pylist(), strict=True)) == {
            f"k{number}": points for number, points in enumerate(expected)
        }
    else:
        with pytest.raises(UsageError):
            source.check()
        with pytest.raises(UsageError):
            source.all_points()


def create_table(card: HolderScorecard, table: str) -> str:
    columns = ", ".join(f"{quote(field.name)} {SQL_TYPES[field.kind]}" for field in card.fields)
    return f"CREATE TABLE {table} ({KEY} text PRIMARY KEY, {columns})"


def insert(card: HolderScorecard, table: str, mark: str) -> str:
    return f"INSERT INTO {table} VALUES ({', '.join([mark] * (len(card.fields) + 1))})"


def tuples(card: HolderScorecard, rows: list[Row]) -> list[tuple[Any, ...]]:
    return [(f"k{number}", *(row[field.name] for field in card.fields)) for number, row in enumerate(rows)]


@FEW_EXAMPLES
@given(cards_and_rows())
def test_duckdb_database(tmp_path_factory: pytest.TempPathFactory, generated: Generated) -> None:
    card, rows = generated
    path = tmp_path_factory.mktemp("duckdb") / "records.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(create_table(card, "t"))
        connection.executemany(insert(card, "t", "?"), tuples(card, rows))
    config = SourceConfig(kind="duckdb", location=str(path), table="t", key_column=KEY)
    assert_agrees(open_source(config, card), card, rows)


@FEW_EXAMPLES
@given(cards_and_rows())
def test_parquet(tmp_path_factory: pytest.TempPathFactory, generated: Generated) -> None:
    card, rows = generated
    path = tmp_path_factory.mktemp("parquet") / "records.parquet"
    with duckdb.connect() as connection:
        connection.execute(create_table(card, "t"))
        connection.executemany(insert(card, "t", "?"), tuples(card, rows))
        connection.execute(f"COPY t TO '{path}' (FORMAT parquet)")
    config = SourceConfig(kind="parquet", location=str(path), key_column=KEY)
    assert_agrees(open_source(config, card), card, rows)


@EXAMPLES
@given(cards_and_texts())
def test_csv(tmp_path_factory: pytest.TempPathFactory, generated: Generated) -> None:
    card, rows = generated
    path = tmp_path_factory.mktemp("csv") / "records.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([KEY, *(field.name for field in card.fields)])
        writer.writerows(tuples(card, rows))
    assert_agrees(open_source(SourceConfig(kind="csv", location=str(path), key_column=KEY), card), card, rows)


@EXAMPLES
@given(cards_and_rows())
def test_sqlite(tmp_path_factory: pytest.TempPathFactory, generated: Generated) -> None:
    card, rows = generated
    rows = [{name: None if cell != cell else cell for name, cell in row.items()} for row in rows]  # noqa: PLR0124 - NaN
    path = tmp_path_factory.mktemp("sqlite") / "records.sqlite"
    connection = sqlite3.connect(path)
    connection.execute(create_table(card, "t"))
    connection.executemany(insert(card, "t", "?"), tuples(card, rows))
    connection.commit()
    connection.close()
    config = SourceConfig(kind="sqlite", location=str(path), table="t", key_column=KEY)
    assert_agrees(open_source(config, card), card, rows)


@EXAMPLES
@given(cards_and_rows())
def test_postgresql(server: Server, generated: Generated) -> None:
    (connection, schema, numbers), (card, rows) = server, generated
    table = f"{schema}.t{next(numbers)}"
    connection.execute(create_table(card, table))
    with connection.cursor() as cursor:
        cursor.executemany(insert(card, table, "%s"), tuples(card, rows))
    config = SourceConfig(kind="postgresql", location=SERVER, table=table, key_column=KEY)
    assert_agrees(open_source(config, card), card, rows)
