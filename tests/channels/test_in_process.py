"""The in-process channel: scheduling, exact accounts, and typed failure."""

import asyncio
from typing import Any, Never

import pytest

from privcredit.channels.in_process import DeadlockError, InProcessNetwork, Outcome
from privcredit.channels.interface import Address
from privcredit.errors import PeerError, RefusedError, UnavailableError, UsageError
from privcredit.messages.codec import Message, encode


class Number(Message, frozen=True, kw_only=True):
    value: int


class Text(Message, frozen=True, kw_only=True):
    value: str


def to(name: str) -> Address[Message]:
    return Address(name, Message)


async def doubler(channel: Any, peer: Any, count: int) -> str:
    for _ in range(count):
        number = await channel.receive(peer, Number)
        await channel.send(to(peer), Number(value=2 * number.value))
    return "done"


async def asker(channel: Any, peer: Any, numbers: list[int]) -> Any:
    answers = []
    for number in numbers:
        await channel.send(to(peer), Number(value=number))
        answers.append((await channel.receive(peer, Number)).value)
    return answers


def test_programs_run_without_an_event_loop() -> None:
    network = InProcessNetwork()
    results = network.run(
        {"b": doubler(network.channel("b"), "a", 3), "a": asker(network.channel("a"), "b", [1, 2, 300])}
    )
    assert results == {"a": [2, 4, 600], "b": "done"}
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


def test_accounts_are_the_codecs_bytes() -> None:
    network = InProcessNetwork()
    network.run({"a": asker(network.channel("a"), "b", [1, 300]), "b": doubler(network.channel("b"), "a", 2)})
    there = sum(len(encode(Number(value=value))) for value in (1, 300))
    back = sum(len(encode(Number(value=value))) for value in (2, 600))
    a, b = network.accounts["a"], network.accounts["b"]
    assert (a.messages_sent, a.messages_received, a.bytes_sent, a.bytes_received) == (2, 2, there, back)
    assert (b.messages_sent, b.messages_received, b.bytes_sent, b.bytes_received) == (2, 2, back, there)
    assert network.rounds == 4


def test_rounds_count_the_longest_causal_chain() -> None:
    """Three parties send at once (round 1); one answers both (round 2); messages sent in a row share a round."""
    network = InProcessNetwork()

    async def leaf(channel: Any) -> Any:
        await channel.send(to("hub"), Number(value=1))
        await channel.send(to("hub"), Number(value=2))
        return (await channel.receive("hub", Number)).value

    async def hub(channel: Any) -> None:
        total = 0
        for peer in ("x", "y"):
            for _ in range(2):
                total += (await channel.receive(peer, Number)).value
        for peer in ("x", "y"):
            await channel.send(to(peer), Number(value=total))

    programs = {party: leaf(network.channel(party)) for party in ("x", "y")}
    results = network.run({**programs, "hub": hub(network.channel("hub"))})
    assert (results["x"], results["y"], network.rounds) == (6, 6, 2)


def test_messages_arrive_in_order_and_as_new_objects() -> None:
    network = InProcessNetwork()
    sent = [Number(value=value) for value in range(5)]

    async def sender(channel: Any) -> None:
        for message in sent:
            await channel.send(to("b"), message)

    async def receiver(channel: Any) -> Any:
        return [await channel.receive("a", Number) for _ in sent]

    received = network.run({"a": sender(network.channel("a")), "b": receiver(network.channel("b"))})["b"]
    assert received == sent
    assert not any(one is other for one, other in zip(received, sent, strict=True))


def test_a_value_that_does_not_survive_the_codec_is_refused_on_receipt() -> None:
    network = InProcessNetwork()

    async def sender(channel: Any) -> None:
        await channel.send(to("b"), Number(value="seven"))

    async def receiver(channel: Any) -> None:
        await channel.receive("a", Number)

    outcomes = network.settle({"a": sender(network.channel("a")), "b": receiver(network.channel("b"))})
    assert isinstance(outcomes["b"].error, PeerError)
    assert (outcomes["b"].error.culprit, outcomes["b"].error.step) == ("a", "receive")


def test_another_type_than_expected_names_the_sender() -> None:
    network = InProcessNetwork()

    async def sender(channel: Any) -> None:
        await channel.send(to("b"), Text(value="7"))

    async def receiver(channel: Any) -> None:
        await channel.receive("a", Number)

    with pytest.raises(PeerError, match="a: it sent a Text where a Number was due"):
        network.run({"a": sender(network.channel("a")), "b": receiver(network.channel("b"))})


def test_deadlock_names_who_waits_for_whom() -> None:
    network = InProcessNetwork()

    async def waiter(channel: Any, peer: Any) -> None:
        await channel.receive(peer, Number)

    programs = {"a": waiter(network.channel("a"), "b"), "b": waiter(network.channel("b"), "a")}
    with pytest.raises(DeadlockError, match="a waits for a Number from b, b waits for a Number from a"):
        network.run(programs)


def test_the_cause_is_raised_rather_than_who_waited_for_it() -> None:
    network = InProcessNetwork()

    async def refuser(channel: Any) -> Never:
        await channel.receive("a", Number)
        raise RefusedError("budget-spent", "The budget is spent.")

    programs = {"a": asker(network.channel("a"), "b", [1]), "b": refuser(network.channel("b"))}
    with pytest.raises(RefusedError, match="The budget is spent"):
        network.run(programs)


def test_settle_tells_how_each_ended() -> None:
    network = InProcessNetwork()

    async def done(_channel: Any) -> int:
        return 5

    async def failing(_channel: Any) -> Never:
        raise UnavailableError("The database does not answer.")

    outcomes = network.settle({"a": done(network.channel("a")), "b": failing(network.channel("b"))})
    assert outcomes["a"] == Outcome(value=5)
    with pytest.raises(UnavailableError):
        outcomes["b"].result()


def test_a_bug_surfaces_and_the_other_programs_are_closed() -> None:
    network = InProcessNetwork()
    closed = []

    async def waiting(channel: Any) -> None:
        try:
            await channel.receive("b", Number)
        finally:
            closed.append("a")

    async def buggy(_channel: Any) -> Never:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        network.run({"a": waiting(network.channel("a")), "b": buggy(network.channel("b"))})
    assert closed == ["a"]


def test_awaiting_anything_but_the_channel_is_refused() -> None:
    network = InProcessNetwork()

    async def sleeper(_channel: Any) -> None:
        await asyncio.sleep(0)

    with pytest.raises(UsageError, match="awaits something other than its channel"):
        network.run({"a": sleeper(network.channel("a"))})


def test_processor_time_comes_from_the_given_clock() -> None:
    ticks = iter(range(100))
    network = InProcessNetwork(clock=lambda: float(next(ticks)))
    network.run({"a": asker(network.channel("a"), "b", [1]), "b": doubler(network.channel("b"), "a", 1)})
    assert network.accounts["a"].seconds == 2  # until it waits, then to its end
    assert network.accounts["b"].seconds >= 1
