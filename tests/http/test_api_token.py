"""The bearer token of the public API: who may come in, what others see, and where a node demands it."""

import json
import pickle
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from litestar import Litestar, get
from litestar.testing import TestClient

from privcredit.errors import RefusedError, UsageError
from privcredit.federation.config import Address, load_node, needs_token, node_toml
from privcredit.federation.node_setup import init_node
from privcredit.http import api_token
from privcredit.http.api_token import ApiToken, require_token
from privcredit.http.application import make_app
from privcredit.http.problems import error_of
from support.cli import done, run
from support.seeded import SeededRandomness
from support.small_federation import config

TOKEN = ApiToken.generate(SeededRandomness("token"))
SECRET = TOKEN.header[1].decode().removeprefix("Bearer ")


def guarded() -> Litestar:
    @get("/secret", sync_to_thread=False)
    def secret() -> str:
        return "inside"

    return make_app("guarded", "1", [secret], guards=[require_token(TOKEN)])


@pytest.fixture
def client() -> Iterator[TestClient[Litestar]]:
    with TestClient(guarded()) as made:
        yield made


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_token_lets_in(client: TestClient[Litestar], scheme: str) -> None:
    assert client.get("/secret", headers={"authorization": f"{scheme} {SECRET}"}).status_code == 200


WRONG = {
    "none": {},
    "empty": {"authorization": ""},
    "no scheme": {"authorization": SECRET},
    "another scheme": {"authorization": f"Basic {SECRET}"},
    "a prefix": {"authorization": f"Bearer {SECRET[:-1]}"},
    "more": {"authorization": f"Bearer {SECRET}x"},
    "another token": {"authorization": f"Bearer {'x' * len(SECRET)}"},
    "another case": {"authorization": f"Bearer {SECRET.swapcase()}"},
    "beyond ASCII": {"authorization": f"Bearer {SECRET[:-1]}é".encode("latin-1")},
}


@pytest.mark.parametrize("name", WRONG)
def test_n2_anything_else_is_401_with_a_challenge(client: TestClient[Litestar], name: str) -> None:
    reply = client.get("/secret", headers=WRONG[name])
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"] == 'Bearer realm="privcredit"'
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["type"] == "urn:privcredit:refused:unauthorized"
    assert SECRET not in reply.text
    error = error_of(401, reply.content, "shop")
    assert isinstance(error, RefusedError)
    assert error.reason == "unauthorized"


def test_the_schema_is_public_and_other_errors_have_no_challenge(client: TestClient[Litestar]) -> None:
    assert client.get("/openapi.json").status_code == 200
    assert "www-authenticate" not in client.get("/none").headers


def test_without_the_guard_everyone_comes_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ApiToken, "check", lambda _self, _header: None)
    with TestClient(guarded()) as client:
        assert client.get("/secret").status_code == 200


def test_the_comparison_takes_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    monkeypatch.setattr(api_token, "compare_digest", lambda a, b: compared.append((a, b)) or False)
    with pytest.raises(RefusedError):
        TOKEN.check(f"Bearer {SECRET}")
    assert compared == [(SECRET.encode(), SECRET.encode())]


def test_a8_a_token_shows_nowhere() -> None:
    assert SECRET not in repr(TOKEN)
    with pytest.raises(UsageError, match="cannot be pickled"):
        pickle.dumps(TOKEN)
    assert len(SECRET) == 43


# --- where a node demands it ------------------------------------------------------------------------------------------


def shop(directory: Path, host: str, **changes: object):  # noqa: ANN201 - a NodeConfig
    return config(directory, "shop", public=Address(host, 7101), **changes)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_verifier_on_loopback_needs_no_token(tmp_path: Path, host: str) -> None:
    init_node(shop(tmp_path, host), SeededRandomness(1))
    assert load_node(tmp_path).api_token_file is None
    assert not (tmp_path / "keys" / "api.token").exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "::", "shop.example"])  # noqa: S104 - what must be guarded
def test_n2_a_verifier_that_others_reach_gets_a_token(tmp_path: Path, host: str) -> None:
    init_node(shop(tmp_path, host), SeededRandomness(1))
    path = load_node(tmp_path).api_token_file
    assert path == tmp_path / "keys" / "api.token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    ApiToken.read(path)
    assert 'api_token_file = "keys/api.token"' in (tmp_path / "node.toml").read_text()


def test_node_init_tells_where_the_token_is(tmp_path: Path) -> None:
    options = ("--name", "shop", "--role", "verifier", "--scheme", "town", "--listen", "127.0.0.1:7001")
    made = done("node", "init", tmp_path / "a", *options, "--public", "192.0.2.7:7101")
    assert f"callers must show the token in {tmp_path / 'a' / 'keys' / 'api.token'}" in made.err
    assert "token" not in done("node", "init", tmp_path / "b", *options, "--public", "127.0.0.1:7101").err


def test_n2_removing_the_token_from_the_settings_is_refused(tmp_path: Path) -> None:
    init_node(shop(tmp_path, "0.0.0.0"), SeededRandomness(1))  # noqa: S104 - what must be guarded
    path = tmp_path / "node.toml"
    path.write_text(path.read_text().replace('api_token_file = "keys/api.token"\n', ""))
    with pytest.raises(UsageError, match=r"node\.toml: listen\.public 0\.0\.0\.0:7101 can be reached by others"):
        load_node(tmp_path)


def test_a_token_of_ones_own_is_kept_and_read_back(tmp_path: Path) -> None:
    for token_file in (tmp_path / "own.token", Path("/etc/privcredit/token")):
        node = shop(tmp_path, "192.0.2.7", api_token_file=token_file)
        assert not needs_token(node)
        (tmp_path / "node.toml").write_text(node_toml(node))
        assert load_node(tmp_path) == node


def test_only_verifiers_have_a_token(tmp_path: Path) -> None:
    node = replace(config(tmp_path, "bank"), api_token_file=tmp_path / "t")
    (tmp_path / "node.toml").write_text(node_toml(node))
    with pytest.raises(UsageError, match="only verifiers have an api_token_file"):
        load_node(tmp_path)


def test_doctor_finds_a_token_that_others_can_read(tmp_path: Path) -> None:
    init_node(shop(tmp_path, "192.0.2.7"), SeededRandomness(1))
    (tmp_path / "keys" / "api.token").chmod(0o644)
    findings = {line["check"]: line for line in json.loads(run("doctor", tmp_path, "--json").out)}
    assert findings["keys"]["level"] == "fail"
    assert "api.token can be read by others" in findings["keys"]["text"]
