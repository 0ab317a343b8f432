"""Wrong TOML, CSV, maps and arguments get one sentence that names file, line or key; and the commands work."""

import json
from pathlib import Path
from typing import Any

import pmml_samples as pmml
import pytest
import typer
from typer.testing import CliRunner

from privcredit.cli.scorecard import register
from privcredit.errors import UsageError
from privcredit.scorecard.fields import Field
from privcredit.scorecard.load import load_scorecard, read_holders
from privcredit.scorecard.model import Attribute, Characteristic, Scorecard, choose_scale
from privcredit.scorecard.policy_toml import policy_from_toml
from privcredit.scorecard.predicates import Compare, Compound, TrueP
from privcredit.scorecard.rows import score_csv
from privcredit.scorecard.toml_format import parse_toml, read_toml

HEAD = 'format = "privcredit-scorecard/1"\nname = "c"\nversion = "1"\n'
AGE = '[fields]\nage = "integer"\n'
FIELDS = '[fields]\nage = "integer"\njob = "string"\n'


def card_text(when: str = "otherwise", score: Any = "1", fields: Any = FIELDS, head: Any = HEAD, more: Any = "") -> Any:
    bins = f"attributes = [{{ when = '''{when}''', score = {score} }}, {{ when = \"otherwise\", score = 0 }}]"
    return f'{head}{fields}[[characteristics]]\nname = "one"\nholder = "bank"\n{bins}\n{more}'


@pytest.mark.parametrize(
    ("when", "cells", "score"),
    [
        ("age<5", {"age": "4"}, 1),
        ("age == -5", {"age": "-5"}, 1),
        ('job in ("a","b") and age is not missing', {"job": "b", "age": "1"}, 1),
        ('job not in ("a")', {"job": ""}, 0),
        ("age > 1 or age < 0 and false", {"age": "2"}, 1),
        ("(age > 1 or age < 0) and false", {"age": "2"}, 0),
        ("age > 1 xor age > 2 xor age > 3", {"age": "4"}, 1),
        ("surrogate(age > 1, job is missing)", {"job": ""}, 1),
        (r'job == "a\"b\\c"', {"job": 'a"b\\c'}, 1),
        ("`age` >= 1.5", {"age": "2"}, 1),
        ("age in ()", {"age": "2"}, 0),
        ("true", {}, 1),
    ],
)
def test_conditions(when: str, cells: Any, score: Any) -> None:
    assert parse_toml(card_text(when), "c.toml").score(cells).score == score


@pytest.mark.parametrize(
    ("when", "sentence"),
    [
        ("age", "has 'the end' at character 4 where one of == != < <= > >=, `in`, `is missing` is expected"),
        ("age = 5", "cannot be read from character 5"),
        ("age < ", "a number"),
        ('age < "5"', "a number"),
        ("job == 5", "a text in double quotes"),
        ("job == 'a'", "cannot be read"),
        ("wage < 5", "reads 'wage', which [fields] does not declare"),
        ("age is 5", "`missing`"),
        ("age not 5", "`in`"),
        ("(age < 5", "`)`"),
        ("age < 5 age", "`and`, `or`, `xor` or the end"),
        ("and", "a field"),
        ("", "a field"),
        ("age < 5and", "cannot be read"),
        ('job < "b"', "list the values"),
        ("surrogate(age < 5)", "fewer than two"),
        ("(" * 5000 + "age < 5" + ")" * 5000, "deeper than 40"),
    ],
)
def test_wrong_conditions_name_their_key(when: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_toml(card_text(when), "c.toml")
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("c.toml: ")
    assert "characteristics[0].attributes[0].when" in str(caught.value) or "attribute 1" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (card_text() + "=", "not valid TOML"),
        (card_text(score="one"), "(at line "),
        (card_text(score='"one"'), "Expected `float`, got `str` - at `$.characteristics[0].attributes[0].score`"),
        (card_text(score="nan"), "nan"),
        (card_text(score="1e300"), "2^40"),
        (card_text(head=HEAD.replace("/1", "/2")), "`$.format`"),
        (card_text(head=HEAD + "weight = 1\n"), "unknown field `weight`"),
        (card_text(head=HEAD + "scale = 0\n"), "scale 0"),
        (card_text(head=HEAD + "scale = 10000000\n"), "1000000"),
        (card_text(head=HEAD + "initial_score = inf\n"), "inf"),
        (card_text(head=HEAD + "[reason_codes]\nalgorithm = 'odd'\n"), "reason_codes.algorithm"),
        (card_text(head=HEAD + "[reason_codes]\nbaseline = 1\n"), "no reason code for some attribute"),
        (card_text(head=HEAD + "[reason_codes]\n"), "no baseline"),
        (card_text(fields="[fields]\nage = 'date'\n"), "fields"),
        (card_text(fields="[fields]\nage = { type = 'integer', valid = [1, 'x'] }\n"), "fields.age.valid holds 'x'"),
        (card_text(fields="[fields]\nage = { type = 'integer', missing_as = 1.5 }\n"), "fields.age.missing_as"),
        (card_text(fields="[fields]\nage = { type = 'double', ranges = ['0 to 5'] }\n"), "[0, 120]"),
        (card_text(fields="[fields]\nage = { type = 'double', ranges = ['[a, 5]'] }\n"), "[0, 120]"),
        (card_text(fields="[fields]\nage = { type = 'double', invalid_as = 'replace' }\n"), "belong together"),
        (card_text(more='[[characteristics]]\nname = "one"\nattributes = []'), "'one' appears twice"),
        (card_text(more='[[characteristics]]\nname = "two"\nattributes = []'), "no attribute"),
        (HEAD + "characteristics = []\n[fields]\n", "no characteristic"),
    ],
)
def test_wrong_scorecards_name_their_key(text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_toml(text, "c.toml")
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("c.toml")
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b'name = "\xe9"')
    for path in (tmp_path / "none.toml", tmp_path / "none.pmml", tmp_path, latin):
        with pytest.raises(UsageError, match=path.name):
            load_scorecard(path)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ("age,job\n1,a\nold,b\n", "rows.csv, line 3, column 'age': the value is not a whole number"),
        ('age,job\n1,"a\nb"\nold,b\n', "rows.csv, line 4, column 'age'"),
        ("age,job\n1\n", "rows.csv, line 2: 1 cells, but the header has 2 columns"),
        ("age,job\n1,a,b\n", "rows.csv, line 2: 3 cells"),
        ("job\na\n", "rows.csv, line 1: the column 'age' is missing"),
        ("", "rows.csv, line 1: the column 'age' is missing"),
        ("age,age,job\n1,2,3\n", "rows.csv, line 1: the column 'age' appears twice"),
        ('age,job\n1,"a"b\n', "rows.csv, line 2: not valid CSV"),
        ("age,job\n7,z\n", "rows.csv, line 2: Characteristic 'hole' has no attribute that is true"),
    ],
)
def test_wrong_rows_name_line_and_column(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: Any, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text(rows, encoding="utf-8")
    hole = '[[characteristics]]\nname = "hole"\nattributes = [{ when = \'job != "z"\', score = 1 }]'
    card = parse_toml(card_text("age > 0", more=hole), "c.toml")
    with pytest.raises(UsageError) as caught:
        list(score_csv(card, (tmp_path / "rows.csv").relative_to(tmp_path)))
    assert str(caught.value).startswith(sentence)
    assert "old" not in str(caught.value)


def test_rows_with_bom_blank_lines_quotes_and_other_columns(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes('\ufeffname,job,age\r\n"Ann, B",a,5\r\n\r\nBo,,\r\n'.encode())
    card = parse_toml(card_text("age > 0 and job is not missing"), "c.toml")
    assert [result.score for result in score_csv(card, path)] == [1.0, 0.0]
    path.write_text("age\n\n5\n", encoding="utf-8")  # one column: an empty line is an empty cell
    card = parse_toml(card_text("age is missing"), "c.toml")
    assert [result.score for result in score_csv(card, path)] == [1.0, 0.0]


@pytest.mark.parametrize(
    ("scores", "scale"),
    [([1.0, -5.0], 1), ([0.5], 10), ([0.25, 1.5], 100), ([0.125], 1000), ([0.0625], 100), ([1 / 3], 100), ([], 1)],
)
def test_scale_is_the_least_that_keeps_scores_exact(scores: Any, scale: Any) -> None:
    assert choose_scale(scores) == scale


def test_digest_changes_with_everything_that_decides_points_and_with_nothing_else() -> None:
    def card(
        score: Any = 1.0,
        value: Any = 5,
        kind: Any = "double",
        holder: Any = "bank",
        scale: Any = 1,
        initial: Any = 0.0,
        reason: Any = None,
    ) -> Any:
        bins = (Attribute(Compare("x", "<", value), score, reason), Attribute(TrueP(), 0.0))
        return Scorecard("c", "1", (Field("x", kind),), (Characteristic("one", holder, bins),), initial, scale)

    def digest(**changes: Any) -> Any:
        return card(**changes).for_holder(changes.get("holder", "bank")).digest

    same = [digest(), digest(value=5.0), digest(initial=7.0)]
    other = [digest(score=2.0), digest(value=6), digest(kind="integer"), digest(holder="court"), digest(scale=10),
             digest(reason="R")]  # fmt: skip
    assert len(set(same)) == 1
    assert len({*same, *other}) == 1 + len(other)
    with pytest.raises(UsageError, match="no characteristic of holder 'police'"):
        card().for_holder("police")


def test_compounds_need_two_parts() -> None:
    alone = Attribute(Compound("and", (TrueP(),)), 1.0)
    with pytest.raises(UsageError, match="fewer than two"):
        Scorecard("c", "1", (), (Characteristic("one", "bank", (alone,)),))


POLICY = """format = "privcredit-policy/1"
id = "p"
scheme = "s"
title = "t"
question = "q"
purpose = "u"
subject_class = "person"
consequence = "c"
threshold = 1
verifiers = ["rental"]
budget = 5
epoch = "30 days"
request_lifetime = "10 minutes"
contribution_lifetime = "1 hour"
valid_from = 2026-01-01T00:00:00Z
valid_for = "365 days"
"""


def test_policy_text_in_the_scorecards_unit() -> None:
    card = parse_toml(card_text("age > 0", score="2.5", fields=AGE), "c.toml")
    policy = policy_from_toml(POLICY.replace("threshold = 1", "threshold = 1.5"), card, bytes(32))
    assert (policy.tiers[0].name, policy.tiers[0].at_least, policy.budget_group) == ("eligible", 15, "s")
    assert (policy.epoch_seconds, policy.request_seconds, policy.contribution_seconds) == (30 * 86400, 600, 3600)
    assert (policy.valid_from, policy.valid_until - policy.valid_from) == (1767225600, 365 * 86400)
    undated = POLICY.replace("valid_from = 2026-01-01T00:00:00Z\n", "")
    assert policy_from_toml(undated, card, bytes(32), published=7).valid_from == 7
    tiers = 'tiers = [{ name = "a", at_least = 0 }, { name = "b", at_least = 2.5 }]\n'
    tiered = POLICY.replace("threshold = 1\n", tiers)
    assert [tier.at_least for tier in policy_from_toml(tiered, card, bytes(32)).tiers] == [0, 25]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("policy/1", "policy/2", "format is 'privcredit-policy/2'"),
        ("threshold = 1\n", "", "either `threshold`"),
        ("threshold = 1\n", "threshold = 1\ntiers = [{ name = 'a', at_least = 1 }]\n", "not both"),
        ("threshold = 1\n", "threshold = 0.5\n", "no whole number of points at scale 1"),
        ("threshold = 1\n", "threshold = nan\n", "nan"),
        ("threshold = 1\n", "threshold = 4\n", "outside 0 to 2"),
        ("budget = 5", "budget = 'five'", "`$.budget`"),
        ("budget = 5", "budget = 5\nbudgets = 6", "unknown field `budgets`"),
        ('"30 days"', '"a month"', "epoch is 'a month'"),
        ("T00:00:00Z", "T00:00:00", "valid_from has no time zone"),
        ("valid_from = 2026-01-01T00:00:00Z\n", "", "valid_from is missing"),
        ('valid_for = "365 days"', "", "either valid_until"),
        ('title = "t"', 'title = "t', "not valid TOML"),
        ("verifiers", "optional_holders = ['court']\nverifiers", "'court'"),
    ],
)
def test_wrong_policies_name_their_key(tmp_path: Path, old: Any, new: Any, sentence: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(POLICY.replace(old, new), encoding="utf-8")
    card = parse_toml(card_text("age > 0", fields=AGE), "c.toml")
    with pytest.raises(UsageError) as caught:
        policy_from_toml(path, card, bytes(32))
    assert sentence in str(caught.value)
    assert "policy.toml" in str(caught.value)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "card.pmml").write_bytes(pmml.department_age_income("4.4"))
    (tmp_path / "rows.csv").write_text("department,age,income\nengineering,25,500\n,,\n", encoding="utf-8")
    app = typer.Typer()
    register(app)
    return lambda *arguments: CliRunner().invoke(app, arguments)


def test_score_command(run: Any) -> None:
    lines = run("score", "card.pmml", "--csv", "rows.csv", "--json").stdout.splitlines()
    assert json.loads(lines[0]) == {"score": 29.0, "points": 29, "reason_codes": ["RC2_3", "RC1"]}
    assert json.loads(lines[1]) == {"score": -5.0, "points": -5, "reason_codes": ["RC1", "RC2_1", "RC3"]}
    assert lines[0] == '{"score":29.0,"points":29,"reason_codes":["RC2_3","RC1"]}'
    table = run("score", "card.pmml", "--csv", "rows.csv").stdout.splitlines()
    assert table[0].split() == ["score", "points", "reasons"]
    assert table[1].split() == ["29", "29", "RC2_3,", "RC1"]


def test_score_command_refuses_in_one_sentence(run: Any) -> None:
    for arguments, sentence in [
        (("none.pmml", "--csv", "rows.csv"), "none.pmml cannot be read: No such file or directory.\n"),
        (("card.pmml", "--csv", "none.csv"), "none.csv cannot be read: No such file or directory.\n"),
    ]:
        result = run("score", *arguments)
        assert (result.exit_code, result.stderr) == (2, sentence)


def test_import_command(run: Any, tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text('employer = ["departmentScore"]\nbank = ["ageScore", "incomeScore"]\n')
    result = run("scorecard", "import", "card.pmml", "--out", "card.toml", "--holders", "map.toml")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    card = read_toml(tmp_path / "card.toml")
    assert card.holders == ("employer", "bank")
    assert card.score({"department": "engineering", "age": "25", "income": "500"}).reason_codes == ("RC2_3", "RC1")
    again = run("scorecard", "import", "card.pmml", "--out", "card.toml")
    assert (again.exit_code, again.stderr) == (2, "card.toml exists already; choose another name or remove it.\n")
    printed = run("scorecard", "import", "card.pmml")
    assert parse_toml(printed.stdout, "out").holders == ("",)
    assert "no holder" in printed.stderr


def test_pmml_is_recognised_without_its_suffix(tmp_path: Path) -> None:
    (tmp_path / "card").write_bytes(b"\xef\xbb\xbf \n" + pmml.weather())
    assert load_scorecard(tmp_path / "card").name == "sample"


def test_wrong_maps_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    for text, sentence in [
        ('a = ["x"]\nb = ["x"]\n', "to 'a' and 'b'"),
        ('a = "x"\n', "Expected `array`"),
        ("a = [\n", "not valid TOML"),
    ]:
        path.write_text(text)
        with pytest.raises(UsageError, match=sentence):
            read_holders(path)
    with pytest.raises(UsageError, match=r"none\.toml"):
        read_holders(tmp_path / "none.toml")


def test_show_command(run: Any) -> None:
    shown = run("scorecard", "show", "card.pmml").stdout
    for words in ("sample, version 1", "points / 1 is the score exactly", "(no holder): -15 to 63 points",
                  "departmentScore (RC1)", "-9  department is missing", "0  age > 18 and age <= 29  RC2"):  # fmt: skip
        assert words in shown
