"""`privcredit query` against a real verifier role behind TLS: one step, two steps, tokens, and refusals."""

import json
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from privcredit.crypto.randomness import SystemRandomness
from privcredit.federation.wallet_directory import open_wallet
from privcredit.http.api_token import ApiToken
from privcredit.http.server import Listener, background
from privcredit.http.verifier_client import VerifierClient
from privcredit.http.wallet_app import loopback_app
from support.cli import done, run
from support.federation import plain_answer
from support.place import Place
from support.seeded import SeededRandomness

pytestmark = pytest.mark.xdist_group("cli")

POLICY = "deposit-free"
TOKEN = ApiToken.generate(SeededRandomness("token"))


@pytest.mark.parametrize("person", ["anna", "ben"])
def test_one_step_with_the_wallets_directory(place: Place, tmp_path: Path, person: str) -> None:
    receipt = tmp_path / "receipt.json"
    with place.verifier() as at:
        result = done("query", POLICY, *at, "--wallet", place.wallet(person), "--receipt", receipt)
    assert result.out == ("eligible\n" if plain_answer(person) else "not eligible\n")
    assert "shop asks about you" in result.err
    assert done("receipt", "verify", receipt, *place.registry_options).out.startswith("valid: shop")


def test_one_step_with_a_serving_wallet_and_json(place: Place) -> None:
    with place.verifier() as at, open_wallet(place.wallet("anna"), SystemRandomness(), place.town.time) as opened:
        with background([Listener(loopback_app(opened.wallet), "127.0.0.1", 0)]) as (port,):
            wallet = f"http://127.0.0.1:{port}"
            answer = json.loads(done("query", POLICY, *at, "--wallet", wallet, "--json").out)
        gone = run("query", POLICY, *at, "--wallet", wallet)
    assert (answer["eligible"], answer["policy"], answer["verifier"]) == (True, POLICY, "shop")
    assert set(answer) == {"policy", "verifier", "question", "eligible", "receipt"}
    assert (gone.code, "No wallet answers at" in gone.sentence) == (4, True)


def test_two_steps_when_the_wallet_is_elsewhere(place: Place, tmp_path: Path) -> None:
    request, presentation, receipt = (tmp_path / name for name in ("r.json", "p.json", "receipt.json"))
    with place.verifier() as at:
        assert done("query", POLICY, *at, "--request-out", request).out == f"{request}\n"
        done("wallet", "present", place.wallet("anna"), request, "--out", presentation, "--yes")
        second = ("query", *at, "--request", request, "--presentation", presentation)
        assert done(*second, "--receipt", receipt).out == "eligible\n"
        assert done(*second).out == "eligible\n"
    assert receipt.exists()


def test_a_presentation_for_another_request_is_refused_before_it_is_sent(place: Place, tmp_path: Path) -> None:
    first, second, presentation = (tmp_path / name for name in ("1.json", "2.json", "p.json"))
    with place.verifier() as at:
        for path in (first, second):
            done("query", POLICY, *at, "--request-out", path)
        done("wallet", "present", place.wallet("anna"), first, "--out", presentation, "--yes")
        mixed = run("query", *at, "--request", second, "--presentation", presentation)
        assert (mixed.code, "answers another request than" in mixed.sentence) == (2, True)
        first.write_text(first.read_text().replace('"shop"', '"hotel"'))
        other = run("query", *at, "--request", first, "--presentation", presentation)
        assert (other.code, "is a request of hotel, not of shop" in other.sentence) == (2, True)


# --- a token, where others reach the API -----------------------------------------------------------------------------


def token_file(directory: Path, token: ApiToken = TOKEN) -> Path:
    path = directory / "api.token"
    token.write(path)
    return path


def test_n2_without_the_token_nothing_is_asked(place: Place, tmp_path: Path) -> None:
    wrong = token_file(tmp_path, ApiToken.generate(SeededRandomness("another token")))
    with place.verifier(TOKEN) as at:
        for options in ((), ("--token-file", wrong)):
            refused = run("query", POLICY, *at, "--wallet", place.wallet("anna"), *options)
            assert (refused.code, "This API needs its bearer token" in refused.sentence) == (3, True)
            assert "asks about you" not in refused.err
        right = token_file(tmp_path)
        assert done("query", POLICY, *at, "--wallet", place.wallet("anna"), "--token-file", right).out == "eligible\n"


def test_a8_the_token_is_in_no_output(place: Place, tmp_path: Path) -> None:
    path = token_file(tmp_path)
    secret = path.read_text().strip()
    with place.verifier(ApiToken.generate(SeededRandomness("third"))) as at:
        refused = run("query", POLICY, *at, "--wallet", place.wallet("anna"), "--token-file", path)
    assert secret not in refused.out + refused.err + repr(TOKEN)


def test_the_python_client_takes_a_token(place: Place, tmp_path: Path) -> None:
    secret = token_file(tmp_path).read_text().strip()
    with (
        place.verifier(TOKEN) as (_, address, *_rest),
        VerifierClient(address, "shop", place.ca, token=secret) as client,
    ):
        assert client.request(POLICY).policy == POLICY


@pytest.mark.parametrize("content", ["", "short", "x" * 31, "a b" * 20, "ü" * 40, "\n" + "x" * 40])
def test_a_file_that_is_no_token(place: Place, tmp_path: Path, content: str) -> None:
    path = tmp_path / "api.token"
    path.write_text(content)
    path.chmod(0o600)
    result = run("query", POLICY, "--verifier", "https://127.0.0.1:1", "--name", "shop", "--ca", place.ca,
                 "--request-out", tmp_path / "r.json", "--token-file", path)  # fmt: skip
    assert (result.code, str(path) in result.sentence) == (2, True)


def test_a_token_that_others_can_read_is_refused(place: Place, tmp_path: Path) -> None:
    path = token_file(tmp_path)
    path.chmod(0o644)
    result = run("query", POLICY, "--verifier", "https://127.0.0.1:1", "--name", "shop", "--ca", place.ca,
                 "--request-out", tmp_path / "r.json", "--token-file", path)  # fmt: skip
    assert (result.code, "can be read by others; run: chmod 600" in result.sentence) == (2, True)


# --- wrong use, wrong parties ----------------------------------------------------------------------------------------

ANYWHERE = ("--verifier", "https://127.0.0.1:1", "--name", "shop", "--ca", "ca.pem")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((POLICY,), "Give exactly one of --wallet, --request-out"),
        ((POLICY, "--wallet", "w", "--request-out", "r"), "Give exactly one of"),
        ((POLICY, "--wallet", "w", "--presentation", "p"), "Give exactly one of"),
        (("--wallet", "w"), "Name the POLICY"),
        (("--request-out", "r"), "Name the POLICY"),
        (("--presentation", "p"), "--request and --presentation belong together"),
        ((POLICY, "--request", "r", "--presentation", "p"), "Name the POLICY"),
        ((POLICY, "--wallet", "w", "--request", "r"), "--request and --presentation belong together"),
        ((POLICY, "--request-out", "r", "--receipt", "x"), "give --receipt with the second step"),
    ],
)
def test_options_that_contradict_each_other(options: tuple[str, ...], sentence: str) -> None:
    result = run("query", *options, *ANYWHERE)
    assert (result.code, sentence in result.sentence) == (2, True)


def test_each_fault_has_its_exit_code_and_sentence(place: Place, tmp_path: Path) -> None:
    wallet = ("--wallet", place.wallet("anna"))
    with place.verifier() as at:
        unknown = run("query", "no-such-policy", *at, *wallet)
        assert (unknown.code, "the registry has: deposit-free" in unknown.sentence) == (3, True)
        other = run("query", POLICY, *at[:2], "--name", "hotel", *at[4:], *wallet)
        assert (other.code, "is not hotel" in other.sentence) == (5, True)
        missing = run("query", POLICY, *at, "--wallet", tmp_path / "none")
        assert (missing.code, "holds no wallet; make one with" in missing.sentence) == (2, True)
        address = run("query", POLICY, "--verifier", "127.0.0.1:7101", *at[2:], *wallet)
        assert (address.code, "must look like https://host:port" in address.sentence) == (2, True)
        port = run("query", POLICY, "--verifier", "https://127.0.0.1:x", *at[2:], *wallet)
        assert (port.code, "must look like https://host:port" in port.sentence) == (2, True)
        remote = run("query", POLICY, *at, "--wallet", "http://example.org:7410")
        assert (remote.code, "on this machine" in remote.sentence) == (2, True)
    closed = run("query", POLICY, *at, *wallet)
    assert (closed.code, "cannot be reached" in closed.sentence) == (4, True)


def test_h5_missing_parties_give_no_answer(place: Place) -> None:
    with down(place, "court"), place.verifier() as at:
        result = run("query", POLICY, *at, "--wallet", place.wallet("carla"))
    assert (result.code, result.out) == (4, "")


@contextmanager
def down(place: Place, *parties: str):  # noqa: ANN201 - a context
    with patch.object(place.town, "down", set(parties)):
        yield
