"""The recording wrapper keeps every message once for each party that saw it, and passes it on unchanged."""

from typing import Any

from channels.test_in_process import Number, asker, doubler
from privcredit.channels.in_process import InProcessNetwork
from privcredit.channels.recording import Line, Recording
from privcredit.messages.codec import decode, encode


def record() -> Any:
    network, recording = InProcessNetwork(), Recording()
    results = network.run(
        {
            "a": asker(recording.wrap(network.channel("a"), "a"), "b", [1, 300]),
            "b": doubler(recording.wrap(network.channel("b"), "b"), "a", 2),
        }
    )
    return results, recording, network


def test_messages_pass_unchanged_and_are_all_kept() -> None:
    results, recording, network = record()
    assert results["a"] == [2, 600]
    values = [decode(seen.data, Number).value for seen in recording.transfers()]
    assert values == [1, 2, 300, 600]
    assert sum(len(seen.data) for seen in recording.transfers()) == sum(
        account.bytes_sent for account in network.accounts.values()
    )


def test_views_are_by_party() -> None:
    _, recording, _ = record()
    assert [decode(seen.data, Number).value for seen in recording.received_by("b")] == [1, 300]
    assert len(recording.view("a")) == len(recording.view("b")) == 4
    assert recording.view("a", "b") == recording.messages
    assert recording.view("c") == []


def test_the_summary_has_sizes_and_no_content() -> None:
    _, recording, _ = record()
    assert recording.summary()[0] == Line("a", "b", "Number", len(encode(Number(value=1))))
