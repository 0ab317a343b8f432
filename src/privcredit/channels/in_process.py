"""All parties in one process: drives their programs with send(None), without an event loop, and counts exactly.

Every message is encoded when it is sent and decoded when it is received, so programs exchange what a wire would carry.
"""

from collections import defaultdict, deque
from collections.abc import Coroutine, Generator, Mapping
from dataclasses import dataclass, field
from types import coroutine
from typing import Any, Generic, TypeVar

import msgspec

from privcredit.channels.interface import Address, Clock
from privcredit.errors import PeerError, PrivcreditError, UnavailableError, UsageError
from privcredit.messages.codec import MalformedError, decode, encode

W = TypeVar("W", bound=msgspec.Struct)
T = TypeVar("T")
Program = Coroutine[Any, Any, T]


class DeadlockError(UnavailableError):
    """Every running program waits for a message that nobody will send; the sentence names who waits for whom."""


@dataclass(slots=True)
class Account:
    """What one party sent and received, in messages and in bytes as encoded by the codec, and its processor time."""

    messages_sent: int = 0
    messages_received: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Parcel:
    """One encoded message on its way. depth: length of the longest causal chain of messages that ends with it."""

    kind: str
    data: bytes
    depth: int


@dataclass(slots=True)
class Outcome(Generic[T]):
    """How one program ended: with a value, or with an error of this project."""

    value: T | None = None
    error: PrivcreditError | None = None

    def result(self) -> T:
        """Return the value, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # None is a value for programs that return nothing


@dataclass(slots=True)
class _Waiting:
    """What a program yields while the message that it needs is not there."""

    sender: str
    kind: str


@dataclass(slots=True)
class _Running(Generic[T]):
    program: Program[T]
    waiting: _Waiting | None = None
    outcome: Outcome[T] = field(default_factory=Outcome)
    done: bool = False


class InProcessNetwork:
    """Queues between named parties, a scheduler for their programs, and the accounts.

    accounts: one per party. rounds: the length of the longest causal chain of messages so far, where a message is
    caused by those its sender had received before sending it. Two messages that one party sends in a row, without
    receiving in between, belong to the same round, as do messages that cross.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.accounts: dict[str, Account] = defaultdict(Account)
        self.rounds = 0
        self._queues: dict[tuple[str, str], deque[Parcel]] = defaultdict(deque)
        self._depths: dict[str, int] = defaultdict(int)
        self._clock = clock

    def channel(self, party: str) -> "InProcessChannel":
        """Return the end that `party`'s program talks through."""
        return InProcessChannel(self, party)

    def run(self, programs: Mapping[str, Program[T]]) -> dict[str, T]:
        """Run all programs to their end and return their values by party.

        Raises the error that ended the first failing program; a party that merely waited for it is not the cause.
        """
        outcomes = self.settle(programs)
        failures = [outcome.error for outcome in outcomes.values() if outcome.error is not None]
        for error in sorted(failures, key=lambda failure: isinstance(failure, UnavailableError)):
            raise error
        return {party: outcome.result() for party, outcome in outcomes.items()}

    def settle(self, programs: Mapping[str, Program[T]]) -> dict[str, Outcome[T]]:
        """Run all programs as far as they go and return how each ended.

        A program whose message never comes gets a DeadlockError there, as a timeout would raise between machines.
        Only errors of this project are caught; anything else is a bug and surfaces at once.
        """
        running = {party: _Running(program) for party, program in programs.items()}
        try:
            while pending := {party: run for party, run in running.items() if not run.done}:
                ready = [party for party, run in pending.items() if self._is_ready(party, run)]
                for party in ready:
                    self._advance(party, running[party])
                if not ready:
                    self._break_deadlock(pending)
        finally:
            for run in running.values():
                run.program.close()
        return {party: run.outcome for party, run in running.items()}

    def put(self, sender: str, recipient: str, message: msgspec.Struct) -> None:
        """Encode and queue `message`, and book it on the sender's account."""
        parcel = Parcel(type(message).__name__, encode(message), self._depths[sender] + 1)
        self.rounds = max(self.rounds, parcel.depth)
        self.accounts[sender].messages_sent += 1
        self.accounts[sender].bytes_sent += len(parcel.data)
        self._queues[sender, recipient].append(parcel)

    def waiting(self, sender: str, recipient: str) -> bool:
        """Tell whether a message from `sender` lies ready for `recipient`."""
        return bool(self._queues[sender, recipient])

    def take(self, sender: str, recipient: str, kind: type[W]) -> W:
        """Decode the next message from `sender` as a `kind`, and book it; raises PeerError."""
        parcel = self._queues[sender, recipient].popleft()
        self._depths[recipient] = max(self._depths[recipient], parcel.depth)
        self.accounts[recipient].messages_received += 1
        self.accounts[recipient].bytes_received += len(parcel.data)
        return open_parcel(sender, parcel.kind, parcel.data, kind)

    def _is_ready(self, party: str, run: "_Running[Any]") -> bool:
        return run.waiting is None or self.waiting(run.waiting.sender, party)

    def _advance(self, party: str, run: _Running[T], error: PrivcreditError | None = None) -> None:
        """Run one program until it waits or ends; `error` is raised inside it where it waits."""
        started = self._clock() if self._clock else 0.0
        try:
            request = run.program.throw(error) if error else run.program.send(None)
            if not isinstance(request, _Waiting):
                raise UsageError(f"The program of {party} awaits something other than its channel; remove that await.")
            run.waiting = request
        except StopIteration as stop:
            run.done, run.outcome.value = True, stop.value
        except PrivcreditError as failure:
            run.done, run.outcome.error = True, failure
        if self._clock:
            self.accounts[party].seconds += self._clock() - started

    def _break_deadlock(self, pending: "Mapping[str, _Running[Any]]") -> None:
        chain = ", ".join(
            f"{party} waits for a {run.waiting.kind} from {run.waiting.sender}"
            for party, run in pending.items()
            if run.waiting
        )
        for party, run in pending.items():
            self._advance(party, run, DeadlockError(f"No program can go on: {chain}."))


class InProcessChannel:
    """One party's end of an InProcessNetwork."""

    def __init__(self, network: InProcessNetwork, party: str) -> None:
        self._network = network
        self.party = party

    async def send(self, recipient: Address[W], message: W) -> None:
        """Queue `message` for `recipient`."""
        recipient.check(message)
        self._network.put(self.party, recipient.name, message)

    async def receive(self, sender: str, kind: type[W]) -> W:
        """Return the next message from `sender`, waiting for it if need be."""
        while not self._network.waiting(sender, self.party):
            await _pause(_Waiting(sender, kind.__name__))
        return self._network.take(sender, self.party, kind)


def open_parcel(sender: str, name: str, data: bytes, kind: type[W]) -> W:
    """Return the message in `data`, announced as a `name` and expected as a `kind`; raises PeerError, never another."""
    if name != kind.__name__:
        raise PeerError(sender, "receive", f"it sent a {name} where a {kind.__name__} was due")
    try:
        return decode(data, kind)
    except MalformedError as error:
        raise PeerError(sender, "receive", str(error)) from error
    except UnicodeDecodeError as error:  # msgspec's one refusal that is no DecodeError
        raise PeerError(sender, "receive", f"its {name} holds text that is not UTF-8") from error


@coroutine
def _pause(request: _Waiting) -> Generator[_Waiting, None, None]:
    yield request
