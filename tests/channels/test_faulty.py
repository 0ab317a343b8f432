"""Each fault does what it says, and scripts come from a seed."""

from typing import Any

import pytest

from channels.test_in_process import Number, to
from privcredit.channels.faulty import Fault, FaultyChannel, Trouble, Wire, flip_bit, random_script
from privcredit.channels.in_process import InProcessNetwork
from privcredit.errors import PeerError, UnavailableError
from privcredit.messages.codec import encode
from support.seeded import SeededRandomness


def deliver(script: Any, sent: list[int], expected: int) -> Any:
    network, wire = InProcessNetwork(), Wire()

    async def sender(channel: Any) -> None:
        for value in sent:
            await channel.send(to("b"), Number(value=value))

    async def receiver(channel: Any) -> Any:
        return [(await channel.receive("a", Number)).value for _ in range(expected)]

    outcomes = network.settle(
        {
            "a": sender(FaultyChannel(network.channel("a"), "a", wire, script)),
            "b": receiver(FaultyChannel(network.channel("b"), "b", wire, {})),
        }
    )
    return outcomes["b"].result()


@pytest.mark.parametrize(
    ("fault", "arrives"),
    [
        (None, [1, 2, 3]),
        (Fault.DROP, [1, 3]),
        (Fault.DUPLICATE, [1, 2, 2, 3]),
        (Fault.REORDER, [1, 3, 2]),
    ],
)
def test_what_arrives(fault: Fault | None, arrives: list[int]) -> None:
    script = {1: Trouble(fault)} if fault else {}
    assert deliver(script, [1, 2, 3], len(arrives)) == arrives
    with pytest.raises(UnavailableError):
        deliver(script, [1, 2, 3], len(arrives) + 1)


def test_reordering_the_last_message_loses_it() -> None:
    with pytest.raises(UnavailableError):
        deliver({2: Trouble(Fault.REORDER)}, [1, 2, 3], 3)


def test_corruption_flips_one_bit_of_the_encoded_message() -> None:
    data = encode(Number(value=5))
    assert deliver({0: Trouble(Fault.CORRUPT, bit=8 * (len(data) - 1))}, [5], 1) == [4]
    with pytest.raises(PeerError, match="cannot be read"):
        deliver({0: Trouble(Fault.CORRUPT, bit=0)}, [5], 1)


def test_flip_bit_changes_exactly_one_bit() -> None:
    for bit in range(24):
        changed = int.from_bytes(flip_bit(b"abc", bit), "big") ^ int.from_bytes(b"abc", "big")
        assert changed.bit_count() == 1
    assert flip_bit(b"abc", 24) == flip_bit(b"abc", 0)


def test_scripts_are_reproducible() -> None:
    assert random_script(SeededRandomness(1), 4, 2) == random_script(SeededRandomness(1), 4, 2)
    assert random_script(SeededRandomness(1), 4, 2) != random_script(SeededRandomness(2), 4, 2)
