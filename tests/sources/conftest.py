"""Fixtures of the sources' tests: each kind of file, and a PostgreSQL server if one answers."""

import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from privcredit.scorecard.fields import Field
from privcredit.scorecard.model import Attribute, Characteristic, HolderScorecard
from privcredit.scorecard.predicates import Compare, TrueP
from privcredit.sources.source import Source, SourceConfig, open_source
from sources.small import CARD, FILE_KINDS, Make, Records, source_of

SERVER = os.environ.get("PRIVCREDIT_TEST_POSTGRES", "postgresql://root@127.0.0.1:5432/test")
Server = tuple["psycopg.Connection[Any]", str, "count[int]"]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A connection, a schema of our own, and numbers for its tables."""
    try:
        connection = psycopg.connect(SERVER, autocommit=True, connect_timeout=2)
    except psycopg.OperationalError:
        pytest.skip("no PostgreSQL answers; set PRIVCREDIT_TEST_POSTGRES to a server's URL")
    schema = f"privcredit_{os.getpid()}"
    connection.execute(f"CREATE SCHEMA {schema}")
    yield connection, schema, count()
    connection.execute(f"DROP SCHEMA {schema} CASCADE")
    connection.close()


def postgresql_table(server: Server, records: Records, key_type: str = "text") -> SourceConfig:
    connection, schema, numbers = server
    table = f"{schema}.s{next(numbers)}"
    connection.execute(f"CREATE TABLE {table} (id {key_type}, city text, debts integer)")
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {table} VALUES (%s, %s, %s)", records)
    return SourceConfig(kind="postgresql", location=SERVER, table=table, key_column="id")


@pytest.fixture
def fresh_postgresql(server: Server) -> Callable[..., SourceConfig]:
    return lambda records, key_type="text": postgresql_table(server, records, key_type)


@pytest.fixture(params=[*FILE_KINDS, "postgresql"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Opens a source of the small scorecard over given records; runs once per kind."""
    opened: list[Source] = []

    def open_one(records: Records) -> Source:
        if request.param == "postgresql":
            config = postgresql_table(request.getfixturevalue("server"), records)
            opened.append(open_source(config, CARD))
        else:
            opened.append(source_of(request.param, tmp_path, records))
        return opened[-1]

    yield open_one
    for source in opened:
        source.close()


@pytest.fixture
def fractional() -> Callable[[float], HolderScorecard]:
    """A scorecard with one fractional threshold."""

    def card(threshold: float) -> HolderScorecard:
        attributes = (Attribute(Compare("x", "<", threshold), 1.0), Attribute(TrueP(), 0.0))
        return HolderScorecard("f", "1", "h", 1, (Field("x", "double"),), (Characteristic("x", "h", attributes),))

    return card
