"""German Credit: 1,000 real applicants, split by column over four holders.

Data: Statlog (German Credit Data), Hans Hofmann, UCI Machine Learning Repository, 1994, CC BY 4.0. The scorecard, the
policy and their accuracy report lie in `schemes/german_credit/`, written by `benchmarks/fit_german_credit.py`.
"""

import csv
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TypeAlias

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from privcredit.crypto.randomness import Randomness, shuffle
from privcredit.scorecard.model import Scorecard
from privcredit.scorecard.pmml import read_pmml
from privcredit.sources.session import quote
from privcredit.sources.source import SourceConfig

SCHEME = "german-credit"
REGISTRAR = "bank"
"""The holder that checks identity, as banks do."""

FOLDER = Path(str(files("privcredit.research").joinpath("schemes", "german_credit")))

KEY_COLUMN = "applicant_id"
IDENTITY_COLUMN = "identity"
OUTCOME = "creditability"
PROTECTED = ("personal_status_and_sex", "age_in_years", "foreign_worker")
"""Used by no scorecard and written to no holder's database."""

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "bank": (
        "status_of_existing_checking_account",
        "savings_account_and_bonds",
        "credit_history",
        "number_of_existing_credits_at_this_bank",
        "telephone",
    ),
    "employer": (
        "present_employment_since",
        "job",
        "number_of_people_being_liable_to_provide_maintenance_for",
    ),
    "housing-registry": ("housing", "property", "present_residence_since"),
    "lender": (
        "duration_in_month",
        "purpose",
        "credit_amount",
        "installment_rate_in_percentage_of_disposable_income",
        "other_debtors_or_guarantors",
        "other_installment_plans",
    ),
}
"""Which holder keeps which column: payroll knows dependants, the registry homes and land, the lender its own loan."""

NUMBERS = frozenset(
    {
        "duration_in_month",
        "credit_amount",
        "installment_rate_in_percentage_of_disposable_income",
        "present_residence_since",
        "number_of_existing_credits_at_this_bank",
        "number_of_people_being_liable_to_provide_maintenance_for",
        "age_in_years",
    }
)

Cell: TypeAlias = str | int
Applicant: TypeAlias = Mapping[str, Cell]
Table: TypeAlias = Sequence[Sequence[Cell]]


@dataclass(frozen=True, slots=True)
class HolderDatabases:
    """Where each holder's records were written, and which record is whose.

    keys: holder -> identity -> record key. In reality each holder knows its own part only; the demo enrols with it.
    """

    sources: Mapping[str, SourceConfig]
    keys: Mapping[str, Mapping[str, str]]


def holders() -> tuple[str, ...]:
    """Return the names of the four holders; all of them are required."""
    return tuple(COLUMNS)


def scorecard() -> Scorecard:
    """Return the committed scorecard."""
    return read_pmml(FOLDER / "scorecard.pmml")


def applicants() -> tuple[Applicant, ...]:
    """Return the 1,000 applicants with all columns and an `identity`; numbers are integers, all else text."""
    with (FOLDER / "data.csv").open(encoding="utf-8", newline="") as file:
        return tuple(_applicant(number, row) for number, row in enumerate(csv.DictReader(file), 1))


def _applicant(number: int, row: Mapping[str, str]) -> Applicant:
    cells: dict[str, Cell] = {name: int(cell) if name in NUMBERS else cell for name, cell in row.items()}
    return {IDENTITY_COLUMN: f"applicant-{number:04d}", **cells}


def write_holder_databases(directory: Path, randomness: Randomness, count: int | None = None) -> HolderDatabases:
    """Write the first `count` applicants (all by default) into one database per holder, each of another kind.

    Each holder numbers and orders its records by a permutation of its own, so tables share no key; each also has the
    civil `identity`, since a holder knows its customers. Existing files are replaced. Returns where things are and the
    keys.
    """
    directory.mkdir(parents=True, exist_ok=True)
    people = applicants()[:count]
    keys = {holder: _numbering(holder, people, randomness) for holder in COLUMNS}
    sources = {holder: _write(directory, holder, people, keys[holder]) for holder in COLUMNS}
    return HolderDatabases(sources, keys)


def _numbering(holder: str, people: Sequence[Applicant], randomness: Randomness) -> Mapping[str, str]:
    numbers = list(range(1, len(people) + 1))
    shuffle(randomness, numbers)
    return {
        str(person[IDENTITY_COLUMN]): f"{holder}-{number:04d}" for person, number in zip(people, numbers, strict=True)
    }


def _write(directory: Path, holder: str, people: Iterable[Applicant], keys: Mapping[str, str]) -> SourceConfig:
    names = [KEY_COLUMN, IDENTITY_COLUMN, *COLUMNS[holder]]
    records = sorted((keys[str(person[IDENTITY_COLUMN])], *(person[name] for name in names[1:])) for person in people)
    return WRITERS[holder](directory, names, records)


def _fresh(path: Path) -> Path:
    path.unlink(missing_ok=True)
    return path


def _definition(names: Sequence[str]) -> str:
    types = ["TEXT PRIMARY KEY", *("INTEGER" if name in NUMBERS else "TEXT" for name in names[1:])]
    return ", ".join(f"{quote(name)} {kind}" for name, kind in zip(names, types, strict=True))


def _write_sqlite(directory: Path, names: Sequence[str], records: Table) -> SourceConfig:
    path = _fresh(directory / "bank.sqlite")
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(f"CREATE TABLE customers ({_definition(names)})")
        marks = ", ".join("?" * len(names))
        connection.executemany(f"INSERT INTO customers VALUES ({marks})", records)  # noqa: S608 - only marks
    connection.close()
    return SourceConfig(kind="sqlite", location=str(path), table="customers", key_column=KEY_COLUMN)


def _write_csv(directory: Path, names: Sequence[str], records: Table) -> SourceConfig:
    path = _fresh(directory / "employer.csv")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(records)
    return SourceConfig(kind="csv", location=str(path), key_column=KEY_COLUMN)


def _write_duckdb(directory: Path, names: Sequence[str], records: Table) -> SourceConfig:
    path = _fresh(directory / "housing-registry.duckdb")
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"CREATE TABLE residents ({_definition(names)})")
        connection.register("written", _arrow(names, records))
        connection.execute("INSERT INTO residents SELECT * FROM written")
    return SourceConfig(kind="duckdb", location=str(path), table="residents", key_column=KEY_COLUMN)


def _write_parquet(directory: Path, names: Sequence[str], records: Table) -> SourceConfig:
    path = _fresh(directory / "lender.parquet")
    pq.write_table(_arrow(names, records), path)
    return SourceConfig(kind="parquet", location=str(path), key_column=KEY_COLUMN)


def _arrow(names: Sequence[str], records: Table) -> pa.Table:
    return pa.table([pa.array(column) for column in zip(*records, strict=True)], names=list(names))


WRITERS: Mapping[str, Callable[[Path, Sequence[str], Table], SourceConfig]] = {
    "bank": _write_sqlite,
    "employer": _write_csv,
    "housing-registry": _write_duckdb,
    "lender": _write_parquet,
}
