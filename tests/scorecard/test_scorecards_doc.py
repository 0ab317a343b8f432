"""The examples of docs/scorecards.md, executed as they stand there."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from privcredit.cli.scorecard import register
from privcredit.scorecard.load import load_scorecard
from privcredit.scorecard.policy import slot_thresholds
from privcredit.scorecard.policy_toml import policy_from_toml

TEXT = (Path(__file__).parents[2] / "docs" / "scorecards.md").read_text(encoding="utf-8")


def example(name: str) -> Any:
    return re.search(rf"<!-- example: {re.escape(name)} -->\n```\w*\n(.*?)```\n", TEXT, re.DOTALL)[1]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    for name in ("card.toml", "rows.csv", "policy.toml"):
        (tmp_path / name).write_text(example(name), encoding="utf-8")
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_the_example_scores_as_documented() -> None:
    app = typer.Typer()
    register(app)
    result = CliRunner().invoke(app, ["score", "card.toml", "--csv", "rows.csv", "--json"])
    assert result.stdout == example("output")
    assert result.stderr == example("refusal")
    assert result.exit_code == 2


def test_the_example_policy_is_sound(folder: Any) -> None:
    card = load_scorecard(folder / "card.toml")
    policy = policy_from_toml(folder / "policy.toml", card, bytes(32))
    assert [(term.holder, term.required, term.offset, term.maximum) for term in policy.holders] == [
        ("bank", True, 8, 20), ("employer", True, 0, 15), ("housing-registry", False, 0, 10),
    ]  # fmt: skip
    assert (policy.score_bits, slot_thresholds(policy)) == (6, (40 - 20 + 8 + 2 * 64,))
