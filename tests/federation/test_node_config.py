from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privcredit.errors import UsageError
from privcredit.federation.config import Address, SourceBinding, load_node, load_registry, load_registry_key, node_toml
from privcredit.sources.source import SourceConfig
from support.small_federation import config

GOOD = """
name = "bank"
role = "holder"
scheme = "town"

[listen]
federation = "127.0.0.1:7001"
public = "127.0.0.1:7101"
observability = "127.0.0.1:7201"
"""


def written(directory: Path, text: str) -> Path:
    (directory / "node.toml").write_text(text)
    return directory


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    sources = (
        SourceBinding("", SourceConfig(kind="csv", location=str(tmp_path / "a.csv"), key_column="id")),
        SourceBinding(
            "ab" * 32, SourceConfig(kind="postgresql", location="postgresql://h/d", key_column="k", table="t")
        ),
    )
    node = config(tmp_path, "bank", sources=sources, database="postgresql+psycopg://bank@db/bank")
    assert load_node(written(tmp_path, node_toml(node))) == node


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_text_survives(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("node")
    source = SourceBinding("", SourceConfig(kind="postgresql", location=text, key_column=text, table=text))
    node = config(directory, "bank", sources=(source,))
    assert load_node(written(directory, node_toml(node))).sources == (source,)


def test_a_relative_file_starts_at_the_node(tmp_path: Path) -> None:
    text = GOOD + '[[source]]\nkind = "csv"\nlocation = "records.csv"\nkey_column = "id"\n'
    location = load_node(written(tmp_path, text)).sources[0].config.location
    assert location == str(tmp_path / "records.csv")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('role = "holder"', 'role = "king"', "role is 'king'; choose one of holder, coordinator, authority, verifier"),
        ('name = "bank"', 'name = "The Bank"', "The party name 'The Bank' cannot stand in a certificate"),
        ('name = "bank"', "", "missing required field `name`"),
        ('scheme = "town"', 'scheme = "town"\ncolour = "red"', "unknown field `colour`"),
        ("127.0.0.1:7001", "127.0.0.1", "listen.federation is '127.0.0.1'; write host:port"),
        ("127.0.0.1:7001", "127.0.0.1:70010", "listen.federation is '127.0.0.1:70010'"),
        ("127.0.0.1:7101", "", "the role holder needs listen.public"),
        ('role = "holder"', 'role = "authority"', "the role authority has no use for listen.public"),
        ("[listen]", "[listen", "is not valid TOML"),
        ('scheme = "town"', "scheme = 3", "Expected `str`, got `int` - at `$.scheme`"),
        ("7201", "\x00", "is not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    assert old in GOOD
    with pytest.raises(UsageError) as refusal:
        load_node(written(tmp_path, GOOD.replace(old, new, 1)))
    assert sentence in str(refusal.value)
    assert "node.toml" in str(refusal.value)


def test_only_holders_have_sources(tmp_path: Path) -> None:
    text = GOOD.replace("holder", "verifier") + '[[source]]\nkind = "csv"\nlocation = "r.csv"\nkey_column = "id"\n'
    with pytest.raises(UsageError, match="only holders have"):
        load_node(written(tmp_path, text))


def test_an_empty_directory_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="run `privcredit node init`"):
        load_node(tmp_path)
    with pytest.raises(UsageError, match="run `privcredit node install-registry"):
        load_registry(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"kty":"OKP","crv":"X25519","x":"AA"}', b"x" * 5000])
def test_a_file_that_is_no_registry_key(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "registry.pub"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"registry.pub is no registry key"):
        load_registry_key(path)


def test_addresses() -> None:
    assert Address.parse("[::1]:7001", "x") == Address("::1", 7001)
    assert Address("::1", 7001).url == "https://[::1]:7001"
    assert Address.parse("bank.example:443", "x").url == "https://bank.example:443"
    for wrong in ("", ":1", "h", "h:", "h:0", "h:65536", "h:-1", "h:1x", "h:٣"):
        with pytest.raises(UsageError, match="write host:port"):
            Address.parse(wrong, "x")
