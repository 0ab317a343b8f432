"""The German Credit scheme: what is committed is what the fit gives, and the four databases score as the scorecard."""

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from privcredit.research import german_credit
from privcredit.research.german_credit import COLUMNS, FOLDER, KEY_COLUMN, OUTCOME, PROTECTED, applicants
from privcredit.scorecard.load import load_scorecard
from privcredit.scorecard.policy import answer_tier, check_policy, contribution_value, slot_thresholds
from privcredit.scorecard.policy_toml import policy_from_toml
from privcredit.scorecard.toml_format import read_toml
from privcredit.sources.source import Source, open_source
from support.seeded import SeededRandomness

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PUBLISHED = 1_700_000_000


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    sys.path.insert(0, str(BENCHMARKS))
    import fit_german_credit

    yield fit_german_credit
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def refitted(script: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("refitted")
    script.write_all(directory)
    return directory


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> german_credit.HolderDatabases:
    return german_credit.write_holder_databases(tmp_path_factory.mktemp("holders"), SeededRandomness(1))


@pytest.fixture(scope="module")
def sources(databases: german_credit.HolderDatabases) -> dict[str, Source]:
    card = german_credit.scorecard()
    return {name: open_source(config, card.for_holder(name)) for name, config in databases.sources.items()}


@pytest.mark.parametrize("name", ["scorecard.pmml", "scorecard.toml", "policy.toml", "README.md"])
def test_the_fit_gives_the_committed_files_byte_for_byte(refitted: Path, name: str) -> None:
    assert (refitted / name).read_bytes() == (FOLDER / name).read_bytes()


def test_the_fit_gives_the_committed_accuracy(refitted: Path) -> None:
    again, committed = (json.loads((folder / "report.json").read_text()) for folder in (refitted, FOLDER))
    del again["environment"], committed["environment"]  # versions may differ, results must not
    assert again == committed


def test_pmml_and_toml_are_one_scorecard() -> None:
    pmml, toml = load_scorecard(FOLDER / "scorecard.pmml"), read_toml(FOLDER / "scorecard.toml")
    assert [pmml.for_holder(h).digest for h in pmml.holders] == [toml.for_holder(h).digest for h in toml.holders]
    for row in applicants():
        assert pmml.score(row) == toml.score(row)


def test_points_equal_the_unrounded_model_but_for_rounding(script: ModuleType) -> None:
    rows = applicants()
    model = script.fit(rows, script.outcomes(rows), script.candidates(rows))
    card = german_credit.scorecard()
    for row in rows:
        unrounded = script.SCALING.points(model.log_odds(row))
        assert abs(card.score(row).points - unrounded) <= card.rounding_bound + 0.01 * (len(card.characteristics) + 1)


def test_500_points_are_odds_of_five_to_one(script: ModuleType) -> None:
    assert script.SCALING.points(math.log(5)) == 500
    assert script.SCALING.points(math.log(10)) == pytest.approx(550)


def test_no_protected_attribute_is_used_or_handed_to_a_holder(databases: german_credit.HolderDatabases) -> None:
    card = german_credit.scorecard()
    columns = [name for names in COLUMNS.values() for name in names]
    assert not {field.name for field in card.fields} & {*PROTECTED, OUTCOME}
    assert not set(columns) & {*PROTECTED, OUTCOME}
    assert sorted([*columns, *PROTECTED, OUTCOME, "identity"]) == sorted(applicants()[0])
    assert len(columns) == len(set(columns))
    header = Path(databases.sources["employer"].location).read_text().splitlines()[0]
    assert not any(name in header for name in (*PROTECTED, OUTCOME))


def test_the_scorecard_is_readable_and_every_holder_has_a_part() -> None:
    card = german_credit.scorecard()
    assert 8 <= len(card.characteristics) <= 14
    assert set(card.holders) == set(german_credit.holders())
    assert sum(card.for_holder(holder).max_points for holder in card.holders) < 2**10
    for one in card.characteristics:
        assert set(one.fields) <= set(COLUMNS[one.holder])


def test_holders_share_no_key_and_each_is_of_another_kind(databases: german_credit.HolderDatabases) -> None:
    assert {config.kind for config in databases.sources.values()} == {"sqlite", "csv", "duckdb", "parquet"}
    all_keys = [key for keys in databases.keys.values() for key in keys.values()]
    assert len(set(all_keys)) == len(all_keys) == 4000
    orders = {tuple(key.rsplit("-")[-1] for key in keys.values()) for keys in databases.keys.values()}
    assert len(orders) == 4


def test_the_same_seed_gives_the_same_keys(tmp_path: Path) -> None:
    first, second, other = (
        german_credit.write_holder_databases(tmp_path / str(n), SeededRandomness(seed), 20).keys
        for n, seed in enumerate([7, 7, 8])
    )
    assert first == second
    assert first != other


def test_databases_can_be_written_again(tmp_path: Path) -> None:
    for count in (30, 10):
        written = german_credit.write_holder_databases(tmp_path, SeededRandomness(count), count)
    card = german_credit.scorecard()
    for holder, config in written.sources.items():
        assert open_source(config, card.for_holder(holder)).all_points().num_rows == 10


def test_all_holders_together_give_the_plain_score(
    databases: german_credit.HolderDatabases, sources: dict[str, Source]
) -> None:
    card = german_credit.scorecard()
    tables = {}
    for holder, source in sources.items():
        source.check()
        written = source.all_points()
        tables[holder] = dict(zip(written["key"].to_pylist(), written["points"].to_pylist(), strict=True))
    for person in applicants():
        points = sum(tables[holder][keys[person["identity"]]] for holder, keys in databases.keys.items())
        assert card.initial_points + points == card.score(person).points


def test_one_question_at_each_holder_answers_as_the_plain_threshold(
    databases: german_credit.HolderDatabases, sources: dict[str, Source]
) -> None:
    card = german_credit.scorecard()
    policy = policy_from_toml(FOLDER / "policy.toml", card, b"\x00" * 32, published=PUBLISHED)
    check_policy(policy)
    for person in applicants()[::50]:
        total = sum(
            contribution_value(policy, holder, source.points(databases.keys[holder][person["identity"]]))
            for holder, source in sources.items()
        )
        answer = answer_tier(policy, [total >= threshold for threshold in slot_thresholds(policy)])
        assert (answer == "eligible") == (card.score(person).points >= 500)


def test_the_policy_says_what_the_demo_asks() -> None:
    policy = policy_from_toml(FOLDER / "policy.toml", german_credit.scorecard(), b"\x00" * 32, published=PUBLISHED)
    assert policy.id == "deposit-free-rental"
    assert policy.question == "Eligible for a deposit-free rental?"
    assert policy.verifiers == ("rental-platform",)
    assert (policy.budget, policy.epoch_seconds) == (3, 30 * 86400)
    assert policy.score_bits == 10
    assert [term.required for term in policy.holders] == [True] * 4


def test_explanations_name_reasons(databases: german_credit.HolderDatabases, sources: dict[str, Source]) -> None:
    person = applicants()[0]
    for holder, source in sources.items():
        outcomes = source.explain(databases.keys[holder][person["identity"]])
        assert outcomes == german_credit.scorecard().for_holder(holder).explain(person)
        assert all(outcome.reason_code for outcome in outcomes)


def test_key_column_is_named(databases: german_credit.HolderDatabases) -> None:
    assert {config.key_column for config in databases.sources.values()} == {KEY_COLUMN}
