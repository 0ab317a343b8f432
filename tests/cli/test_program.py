import subprocess
import sys

import pytest

from privcredit.cli import output
from privcredit.cli.main import MODULES, main
from privcredit.cli.output import table
from privcredit.errors import InvalidProofError, PeerError, PrivcreditError, RefusedError, UnavailableError, UsageError

HEAVY = ("litestar", "sqlalchemy", "gmpy2", "duckdb", "cryptography", "numpy", "ibis", "httpx", "pyarrow", "uvicorn")

ERRORS = [
    (UsageError("The file is wrong; correct it."), 2, "error: The file is wrong; correct it.\n"),
    (PrivcreditError("Something is wrong."), 2, "error: Something is wrong.\n"),
    (RefusedError("no-consent", "There is no consent."), 3, "error: There is no consent.\n"),
    (UnavailableError("authority-2 does not answer."), 4, "error: authority-2 does not answer.\n"),
    (PeerError("bank", "verify", "wrong signature"), 5, "error: bank: wrong signature (verify)\n"),
    (InvalidProofError("bank", "verify", "wrong proof"), 5, "error: bank: wrong proof (verify)\n"),
]


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code or 0


@pytest.mark.parametrize(("error", "code", "sentence"), ERRORS)
def test_every_error_has_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, code: int, sentence: str
) -> None:
    monkeypatch.delenv("PRIVCREDIT_DEBUG", raising=False)
    raise_in_trust(monkeypatch, error)
    assert run("trust", "anywhere") == code
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", sentence)


def raise_in_trust(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(_directory: object) -> None:
        raise error

    monkeypatch.setattr("privcredit.federation.config.load_registry", fail)


def test_a_defect_is_one_sentence_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("PRIVCREDIT_DEBUG", raising=False)
    raise_in_trust(monkeypatch, KeyError("secret"))
    assert run("trust") == 1
    err = capsys.readouterr().err
    assert err.startswith("error: this is a defect of privcredit (KeyError); set PRIVCREDIT_DEBUG=1")
    assert "secret" not in err
    assert "Traceback" not in err


def test_debugging_shows_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIVCREDIT_DEBUG", "1")
    raise_in_trust(monkeypatch, KeyError("detail"))
    with pytest.raises(KeyError, match="detail"):
        main(["trust"])


def test_help_loads_nothing_heavy() -> None:
    program = (
        f"import sys; from privcredit.cli.main import make_app; make_app(); print(set({HEAVY}) & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    text = capsys.readouterr().out
    for group in ("federation", "node", "authority", "registry", "trust", "doctor", "audit", "score"):
        assert group in text
    for group in ("federation", "node", "authority", "registry", "audit"):
        assert run(group, "--help") == 0
    assert MODULES


def test_version_and_wrong_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out.startswith("privcredit ")
    assert run("node", "initialise") == 2
    assert run("node", "init") == 2


def test_the_module_runs_too() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "privcredit", "--version"], capture_output=True, text=True, check=True
    )
    assert result.stdout.startswith("privcredit ")


def test_a_table_is_aligned() -> None:
    assert table(("a", "long"), [("x", "1"), ("wide", "")]) == "a     long\nx     1\nwide"


def test_progress_in_a_log_names_each_step_once(capsys: pytest.CaptureFixture[str]) -> None:
    with output.progress_display() as progress:
        for done in range(3):
            progress("find safe primes", done, 0)
        progress(step="share key", done=1, total=3)
    assert capsys.readouterr().err == "find safe primes ...\nshare key ...\n"


def test_progress_on_a_terminal_ends_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with output.progress_display() as progress:
        bars = progress.__self__._bars
        progress("find safe primes", 7, 0)
        progress("share key", 0, 3)
        progress("share key", 3, 3)
    assert [(task.description, task.finished) for task in bars.tasks] == [
        ("find safe primes", True),
        ("share key", True),
    ]
