"""`privcredit wallet ...` without other parties: files, refusals, what the subject reads, and the loopback API."""

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpcore
import pytest

from privcredit.cli.consent import printable
from privcredit.crypto.randomness import SystemRandomness
from privcredit.errors import RefusedError, UsageError
from privcredit.federation.files import write_document
from privcredit.federation.wallet_directory import open_wallet
from privcredit.http import wallet_app
from privcredit.http.loopback import host_of, is_loopback
from privcredit.http.server import Listener, background
from privcredit.http.verifier_app import RequestView, _view
from privcredit.http.wallet_access import ask_wallet
from privcredit.http.wallet_app import loopback_app
from privcredit.messages.codec import encode_json
from privcredit.protocols.consent.messages import Presentation
from support.cli import done, run
from support.federation import make_policy
from support.place import Place

pytestmark = pytest.mark.xdist_group("cli")


def request_file(place: Place, directory: Path, verifier: str = "shop") -> Path:
    path = directory / "request.json"
    write_document(path, _view(place.town.verifiers[verifier].request("deposit-free")))
    return path


@pytest.fixture
def fresh(place: Place, tmp_path: Path) -> Path:
    """A wallet that is registered nowhere."""
    done("wallet", "init", tmp_path / "wallet", *place.registry_options, "--ca", place.ca)
    return tmp_path / "wallet"


# --- init ----------------------------------------------------------------------------------------------------------


def test_init_makes_a_private_wallet_and_names_the_key_to_compare(place: Place, tmp_path: Path) -> None:
    result = done("wallet", "init", tmp_path / "w", *place.registry_options, "--ca", place.ca)
    assert result.out.startswith("registry key: ")
    assert "Compare this fingerprint" in result.err
    assert "not encrypted" in result.err
    key = tmp_path / "w" / "keys" / "wallet.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "w").stat().st_mode) == 0o700
    assert {path.name for path in (tmp_path / "w").iterdir()} == {"keys", "registry.jws", "registry.pub", "ca.pem"}


def test_init_twice_is_refused_and_changes_nothing(place: Place, fresh: Path) -> None:
    before = (fresh / "keys" / "wallet.key").read_bytes()
    result = run("wallet", "init", fresh, *place.registry_options, "--ca", place.ca)
    assert (result.code, result.sentence) == (
        2, f"error: {fresh} holds a wallet already; use it, or choose another directory.",
    )  # fmt: skip
    assert (fresh / "keys" / "wallet.key").read_bytes() == before


def test_a8_a_passphrase_encrypts_the_secret(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from privcredit.federation import key_files

    monkeypatch.setattr(key_files, "MEMORY", 1 << 13)
    monkeypatch.setattr(key_files, "OPERATIONS", 1)
    secret, wrong = tmp_path / "secret", tmp_path / "wrong"
    secret.write_text("correct horse\n")
    wrong.write_text("incorrect horse\n")
    options = (*place.registry_options, "--ca", place.ca, "--passphrase-file", secret)
    assert "not encrypted" not in done("wallet", "init", tmp_path / "w", *options).err
    assert b"pcwallt1" not in (tmp_path / "w" / "keys" / "wallet.key").read_bytes()
    done("wallet", "show", tmp_path / "w", "--passphrase-file", secret)
    assert "is encrypted; set PRIVCREDIT_PASSPHRASE" in run("wallet", "show", tmp_path / "w").sentence
    refused = run("wallet", "show", tmp_path / "w", "--passphrase-file", wrong)
    assert (refused.code, "does not open with this passphrase" in refused.sentence) == (2, True)


@pytest.mark.parametrize("missing", ["registry.jws", "registry.pub", "ca.pem"])
def test_init_names_the_file_that_is_missing_or_wrong(place: Place, tmp_path: Path, missing: str) -> None:
    files = {name: place.directory / name for name in ("registry.jws", "registry.pub", "ca.pem")}
    for wrong in (tmp_path / "absent", tmp_path / "junk"):
        if wrong.name == "junk":
            wrong.write_text("junk")
        chosen = files | {missing: wrong}
        result = run(
            "wallet", "init", tmp_path / "w", "--registry", chosen["registry.jws"], "--registry-key",
            chosen["registry.pub"], "--ca", chosen["ca.pem"],
        )  # fmt: skip
        assert result.code in {2, 5}
        assert str(wrong) in result.sentence or "registry" in result.sentence
        assert not (tmp_path / "w" / "keys" / "wallet.key").exists()


@pytest.mark.parametrize("damage", ["gone", "readable", "open directory", "truncated", "other kind", "flipped"])
def test_a10_a_damaged_or_open_wallet_is_refused_by_name(fresh: Path, damage: str) -> None:
    key = fresh / "keys" / "wallet.key"
    sentence = {
        "gone": "holds no wallet; make one with: privcredit wallet init",
        "readable": "can be read by others; run: chmod 600",
        "open directory": "can be entered by others; run: chmod 700",
        "truncated": "This is not a wallet secret of version 1",
        "other kind": "is no wallet key file of this program",
        "flipped": "restore a backup",
    }[damage]
    data = key.read_bytes()
    if damage == "gone":
        key.unlink()
    elif damage == "readable":
        key.chmod(0o640)
    elif damage == "open directory":
        fresh.chmod(0o755)
    else:
        content = {
            "truncated": data[:-1],
            "other kind": data.replace(b"v1 wallet", b"v1 signing"),
            "flipped": data[:-1] + bytes([data[-1] ^ 1]),
        }
        key.write_bytes(content[damage])
    result = run("wallet", "show", fresh)
    assert result.code == 2
    assert sentence in result.sentence
    assert str(fresh) in result.sentence


def test_a_newer_registry_is_installed_and_an_older_one_never(place: Place, fresh: Path) -> None:
    newer = place.write_registry(make_policy(), make_policy(id="second"), serial=7)
    assert done("wallet", "install-registry", fresh, newer).out == "pinned registry 7 of town\n"
    done("wallet", "install-registry", fresh, newer)
    older = run("wallet", "install-registry", fresh, place.directory / "registry.jws")
    assert (older.code, "has serial 1, and 7 is pinned" in older.sentence) == (2, True)
    assert "second" in done("wallet", "show", fresh).out


# --- show and present ----------------------------------------------------------------------------------------------


def test_show_before_anything(fresh: Path) -> None:
    text = done("wallet", "show", fresh).out
    assert "not registered at bank yet" in text
    plain = json.loads(done("wallet", "show", fresh, "--json").out)
    assert plain["identity"] is None
    assert (plain["enrolled"], plain["not_enrolled"]) == ([], ["bank", "court", "charity"])
    assert [(line["policy"], line["used"], line["budget"]) for line in plain["budget"]] == [("deposit-free", 0, 2)]


def test_the_subject_reads_who_asks_what_for_and_with_which_consequence(place: Place, tmp_path: Path) -> None:
    wallet = place.wallet("ben#2", ("bank", "charity"))
    shown = run("wallet", "present", wallet, request_file(place, tmp_path), typed="n\n").err
    for part in (
        "shop asks about you: Eligible for a deposit-free rental?",
        "purpose      rental",
        "consequence  ordinary terms",
        "it learns    eligible, or not eligible; never your score",
        "bank: required\n",
        "court: required; this wallet is not enrolled there, so the answer will be: not eligible",
        "charity: optional: can only add points\n",
        "You can be evaluated 2 times until ",
        "; 0 used so far.",
        "Do you consent?",
    ):
        assert part in shown


def test_s1_without_consent_nothing_is_made_and_no_budget_is_used(place: Place, fresh: Path, tmp_path: Path) -> None:
    request, out = request_file(place, tmp_path), tmp_path / "p.json"
    refused = run("wallet", "present", fresh, request, "--out", out, typed="n\n")
    assert (refused.code, "You did not consent" in refused.sentence) == (3, True)
    nobody = run("wallet", "present", fresh, request, "--out", out)
    assert (nobody.code, "Nobody is there to consent" in nobody.sentence) == (2, True)
    assert not out.exists()
    assert "0 of 2" in done("wallet", "show", fresh).out


def test_consent_makes_a_presentation_and_uses_the_budget_once(place: Place, fresh: Path, tmp_path: Path) -> None:
    request, out = request_file(place, tmp_path), tmp_path / "p.json"
    done("wallet", "present", fresh, request, "--out", out, typed="y\n")
    printed = done("wallet", "present", fresh, request, "--yes").out
    assert out.read_text().startswith("{")
    assert set(json.loads(printed)) == set(json.loads(out.read_text())) == {"header", "consents"}
    shown = done("wallet", "show", fresh)
    assert "1 of 2" in shown.out
    assert "shop" in shown.out
    again = run("wallet", "present", fresh, request, typed="n\n").err
    assert "1 used so far. The same question again is answered from the first time." in again
    done("wallet", "present", fresh, request, "--yes", "--anew")
    spent = run("wallet", "present", fresh, request, "--yes", "--anew")
    assert (spent.code, "You have been evaluated 2 times" in spent.sentence) == (3, True)


@pytest.mark.parametrize(
    ("change", "code", "sentence"),
    [
        ({"verifier": "hotel"}, 5, "hotel"),
        ({"verifier": "stranger"}, 3, "stranger is not a verifier in the registry"),
        ({"request": "x.y.z"}, 5, "shop"),
    ],
)
def test_s1_a_forged_request_is_refused(
    place: Place, fresh: Path, tmp_path: Path, change: dict[str, str], code: int, sentence: str
) -> None:
    path = request_file(place, tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    result = run("wallet", "present", fresh, path, "--yes")
    assert (result.code, sentence in result.sentence, result.out) == (code, True, "")


def test_s1_an_expired_request_is_refused(place: Place, fresh: Path, tmp_path: Path) -> None:
    place.town.time.now -= 3600
    try:
        path = request_file(place, tmp_path)
    finally:
        place.town.time.now += 3600
    result = run("wallet", "present", fresh, path, "--yes")
    assert (result.code, result.sentence) == (3, "error: The request has expired; make a new one.")


@pytest.mark.parametrize("content", ["", "[]", '{"id": "x"}', "{" * 100])
def test_w6_a_file_that_is_no_request(fresh: Path, tmp_path: Path, content: str) -> None:
    path = tmp_path / "request.json"
    path.write_text(content)
    result = run("wallet", "present", fresh, path, "--yes")
    assert (result.code, f"{path} is not a verifier's request" in result.sentence) == (2, True)


def test_enrolment_needs_a_registration_first(fresh: Path) -> None:
    result = run("wallet", "enrol", fresh, "court", "CODE")
    assert result.sentence == "error: This wallet has no credential yet; register it first at bank."
    unknown = run("wallet", "opt-out", fresh, "cort")
    assert (unknown.code, "cort is not a holder in the registry" in unknown.sentence) == (3, True)


def test_the_terminal_is_not_controlled_by_others_texts() -> None:
    assert printable("a\x1b[2Jb\u202ec\n") == "a?[2Jb?c?"


# --- the loopback API ------------------------------------------------------------------------------------------------


@contextmanager
def served(wallet: Path, **options: object) -> Iterator[int]:
    with (
        open_wallet(wallet, SystemRandomness(), SystemClock()) as opened,
        background([Listener(loopback_app(opened.wallet, **options), "127.0.0.1", 0)]) as (port,),
    ):
        yield port


class SystemClock:
    def __call__(self) -> int:
        import time

        return int(time.time())


def asked(place: Place) -> RequestView:
    return _view(place.town.verifiers["shop"].request("deposit-free"))


def post(port: int, body: bytes, **headers: str) -> tuple[int, dict[str, object]]:
    sent = {"host": f"127.0.0.1:{port}", "content-type": "application/json"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    reply = httpcore.request(
        "POST", f"http://127.0.0.1:{port}/v1/presentations",
        headers=[(name, value) for name, value in sent.items() if value], content=body,
    )  # fmt: skip
    return reply.status, json.loads(reply.content)


def test_a_program_gets_a_presentation_and_the_subject_sees_it(place: Place, fresh: Path) -> None:
    seen: list[RequestView] = []
    with served(fresh, presented=seen.append) as port:
        presentation = ask_wallet(f"http://127.0.0.1:{port}", asked(place))
        assert isinstance(presentation, Presentation)
        assert ask_wallet(f"http://localhost:{port}/", asked(place)).header.verifier == "shop"
        forged = RequestView(
            **{name: getattr(asked(place), name) for name in RequestView.__struct_fields__ if name != "verifier"},
            verifier="nobody",
        )
        with pytest.raises(RefusedError, match="nobody is not a verifier"):
            ask_wallet(f"http://127.0.0.1:{port}", forged)
    assert [view.verifier for view in seen] == ["shop", "shop"]


BROWSERS = {
    "a page of another site": ({"origin": "https://evil.example"}, "from-a-browser"),
    "a sandboxed page": ({"origin": "null"}, "from-a-browser"),
    "a page without Origin": ({"sec_fetch_site": "cross-site"}, "from-a-browser"),
    "a page under the wallet's own name": ({"origin": "http://127.0.0.1"}, "from-a-browser"),
    "a rebound name": ({"host": "evil.example:7410"}, "wrong-host"),
    "a name that only looks like this machine": ({"host": "127.0.0.1.evil.example"}, "wrong-host"),
    "a public address": ({"host": "192.0.2.1:7410"}, "wrong-host"),
    "a form": ({"content_type": "text/plain"}, "wrong-content-type"),
    "a blob without type": ({"content_type": ""}, "wrong-content-type"),
}


@pytest.mark.parametrize("name", BROWSERS)
def test_a_browser_cannot_speak_for_the_wallet(place: Place, fresh: Path, name: str) -> None:
    headers, reason = BROWSERS[name]
    body = encode_json({"request": asked(place)})
    with served(fresh) as port:
        status, problem = post(port, body, **headers)
        assert (status, problem["type"]) == (403, f"urn:privcredit:refused:{reason}")
        assert "0 of 2" in done("wallet", "show", fresh).out
        assert post(port, body)[0] == 200


@pytest.mark.parametrize("name", [name for name, (_, reason) in BROWSERS.items() if reason != "wrong-content-type"])
def test_the_attack_works_without_the_guard(
    place: Place, fresh: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(wallet_app, "refuse_browsers", lambda _connection, _handler: None)
    with served(fresh) as port:
        assert post(port, encode_json({"request": asked(place)}), **BROWSERS[name][0])[0] == 200


def test_a_simple_request_without_a_type_would_be_read_without_the_guard(
    place: Place, fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wallet_app, "refuse_browsers", lambda _connection, _handler: None)
    with served(fresh) as port:
        assert post(port, encode_json({"request": asked(place)}), content_type="")[0] == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org", ""])  # noqa: S104 - refused, that is the point
def test_serve_refuses_every_address_but_loopback(fresh: Path, host: str) -> None:
    result = run("wallet", "serve", fresh, "--port", 0, "--host", host)
    assert (result.code, "listens on loopback only" in result.sentence) == (2, True)


def test_loopback_names() -> None:
    assert all(is_loopback(host) for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost", "LOCALHOST"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "10.0.0.1", "localhost.evil", "", "::", "127.1", "0x7f.1"))  # noqa: S104
    hosts = {"[::1]:7410": "::1", "localhost:1": "localhost", "127.0.0.1": "127.0.0.1", "": "", "[::1": "::1"}
    assert {authority: host_of(authority) for authority in hosts} == hosts


def test_serve_answers_until_it_is_stopped(place: Place, fresh: Path) -> None:
    command = [sys.executable, "-m", "privcredit", "wallet", "serve", str(fresh), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            address = json.loads(process.stdout.readline())["wallet"]
            assert ask_wallet(address, asked(place)).header.verifier == "shop"
        finally:
            os.kill(process.pid, signal.SIGINT)
        assert "consented: shop, deposit-free" in process.communicate(timeout=20)[1]
    assert process.returncode == 0


@pytest.mark.parametrize(
    "address",
    [
        "https://127.0.0.1:1",
        "http://example.org:1",
        "http://127.0.0.1:1/path",
        "127.0.0.1:1",
        "http://127.0.0.1:x",
        "http://ü",
    ],
)
def test_only_a_wallet_on_this_machine_is_asked(place: Place, address: str) -> None:
    with pytest.raises(UsageError, match=r"must look like http://127\.0\.0\.1:PORT"):
        ask_wallet(address, asked(place))
