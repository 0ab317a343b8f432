"""What may be sent to whom: refused by the type checker, and again at run time."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from privcredit.channels.in_process import InProcessNetwork
from privcredit.channels.interface import Address, Kept
from privcredit.errors import UsageError
from privcredit.messages.codec import Message
from privcredit.protocols.paillier_dgk.messages import EncryptedBits, MaskAnnouncement, OpeningShare

SNIPPET = """
from privcredit.channels.interface import Address, Channel
from privcredit.messages.codec import Message
from privcredit.protocols.paillier_dgk.messages import EncryptedBits, MaskAnnouncement, OpeningShare
from privcredit.protocols.paillier_dgk.session import ComparisonSession, OutputShares
from privcredit.crypto.threshold import PartialDecryption


async def program(
    channel: Channel,
    session: ComparisonSession,
    coordinator: Address[Message],
    share: OpeningShare,
    mask: MaskAnnouncement,
    bits: EncryptedBits,
    output: OutputShares,
    partial: PartialDecryption,
) -> None:
    await channel.send(session.address_2, share)  # right
    await channel.send(session.address_2, mask)  # right
    await channel.send(session.address_1, bits)  # right
    await channel.send(coordinator, mask)  # right
    await channel.send(session.address_1, share)  # wrong
    await channel.send(session.address_1, mask)  # wrong
    await channel.send(coordinator, share)  # wrong
    await channel.send(session.address_2, output)  # wrong
    await channel.send(session.address_2, partial)  # wrong
"""


def test_a11_sending_an_opening_share_to_anyone_else_does_not_type_check(tmp_path: Any) -> None:
    """A partial decryption for whoever knows R, or for the coordinator, is a type error; so is any secret."""
    (tmp_path / "snippet.py").write_text(SNIPPET)
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", root / "pyproject.toml"]
    cache = ["--cache-dir", root / ".mypy_cache", "--follow-imports", "silent"]
    run = subprocess.run(
        [*command, *cache, tmp_path / "snippet.py"], cwd=root, capture_output=True, text=True, check=False
    )
    flagged = {int(line.split(":")[1]) for line in run.stdout.splitlines() if ": error:" in line}
    wrong = {number for number, line in enumerate(SNIPPET.splitlines(), 1) if line.endswith("# wrong")}
    assert flagged == wrong, run.stdout + run.stderr


SHARE = OpeningShare(partial=b"secret", proof=b"secret", transcript=bytes(32))


def run_send(address: Any, message: Any) -> Any:
    network = InProcessNetwork()

    async def program(channel: Any) -> None:
        await channel.send(address, message)

    return network.run({"a": program(network.channel("a"))}), network


@pytest.mark.parametrize(
    "address", [Address("authority-1", EncryptedBits), Address("coordinator", Message), Address("nobody")]
)
def test_a11_sending_an_opening_share_to_anyone_else_is_refused_at_run_time(address: Any) -> None:
    with pytest.raises(UsageError, match="A OpeningShare must never be sent to") as caught:
        run_send(address, SHARE)
    assert "secret" not in str(caught.value)


def test_an_address_takes_what_it_accepts() -> None:
    _, network = run_send(Address("authority-2", MaskAnnouncement, OpeningShare), SHARE)
    assert network.accounts["a"].messages_sent == 1


def test_a8_what_is_kept_has_no_encoder_no_copy_and_no_repr() -> None:
    class Secret(Kept):
        __slots__ = ("value",)

        def __init__(self, value: int) -> None:
            self.value = value

    secret = Secret(424242)
    assert "424242" not in repr(secret)
    assert "secret" not in repr(SHARE)
    with pytest.raises(TypeError):
        msgspec.msgpack.encode(secret)
    with pytest.raises(TypeError):
        pickle.dumps(secret)
