"""An authority's book of nullifiers: one contribution set each, one output share each, at most one rerun.

All decisions fall inside one write transaction, so they hold under any race and across crashes.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from privcredit.crypto.randomness import Randomness, bits
from privcredit.errors import RefusedError, UnavailableError
from privcredit.messages.codec import decode, encode
from privcredit.protocols.eligibility.messages import PinNotice, PinPage
from privcredit.roles.identity import Clock
from privcredit.roles.links import AuthorityLinks
from privcredit.storage.authority import AuthorityRecords, AuthorityStore, Pin

LAST_ATTEMPT = 1
"""At most one rerun per nullifier (protocols.md 2a)."""

PIN_PAGE = 500
NOTICE_BATCH = 100


@dataclass(frozen=True, slots=True)
class Run:
    """A run under way in this process; `ended` is set when it is over, however it ends."""

    session: bytes
    attempt: int
    ended: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True)
class Busy:
    """The nullifier's run is under way; claim again once `ended` is set."""

    ended: threading.Event


@dataclass(frozen=True, slots=True)
class Claim:
    """What an order asks to do with a nullifier. `fresh` raises RefusedError when contributions are too old."""

    notice: PinNotice
    session: bytes
    tiers: int
    fresh: Callable[[], None]


class PinBook:
    """Decides, for each order, between running, waiting for a run, and answering again."""

    def __init__(
        self, name: str, others: tuple[str, ...], store: AuthorityStore, links: AuthorityLinks, clock: Clock
    ) -> None:
        self._name = name
        self._others = others
        self._store = store
        self._links = links
        self._clock = clock
        self._runs: dict[bytes, Run] = {}
        self._lock = threading.Lock()
        self.caught_up = False

    @property
    def busy(self) -> bool:
        """Whether a run is under way."""
        return bool(self._runs)

    # --- orders ------------------------------------------------------------------------------------------------------

    def claim(self, claim: Claim, randomness: Randomness) -> Pin | Run | Busy:
        """Return the Run that the caller must now carry out, the Pin to answer from, or Busy.

        Raises RefusedError: `nullifier-used`, `attempt-used`, `locked`, `wrong-evaluators`, `contribution-expired`.
        """
        with self._lock, self._store.transaction() as records:
            pin = records.pin(claim.notice.nullifier)
            if pin is None:
                claim.fresh()
                records.add_pin(_pin_of(claim.notice, self._first_share(claim, randomness)))
                return self._start(claim)
            _check_same_use(pin, claim.notice)
            if self._is_answered(pin, claim.notice):
                return pin
            running = self._runs.get(pin.nullifier)
            if running is not None and claim.notice.attempt <= running.attempt:
                return Busy(running.ended)
            self._begin_rerun(records, pin, claim, randomness)
            return self._start(claim)

    def _start(self, claim: Claim) -> Run:
        """Register the new run; a run that it replaces is cut off."""
        replaced = self._runs.get(claim.notice.nullifier)
        if replaced is not None:
            self._links.close(replaced.session)
        run = self._runs[claim.notice.nullifier] = Run(claim.session, claim.notice.attempt)
        return run

    def end(self, nullifier: bytes, run: Run) -> None:
        """Mark a run as over."""
        with self._lock:
            if self._runs.get(nullifier) is run:
                del self._runs[nullifier]
        run.ended.set()
        self._links.close(run.session)

    def _first_share(self, claim: Claim, randomness: Randomness) -> bytes | None:
        """Evaluator 1's output share is drawn once per nullifier, before any run, so a rerun releases the same."""
        if claim.notice.evaluator_1 != self._name:
            return None
        return bytes(bits(randomness, 1) for _ in range(claim.tiers))

    def _is_answered(self, pin: Pin, notice: PinNotice) -> bool:
        """Evaluator 2's released result is final. Evaluator 1 may rerun once, for a new evaluator 2.

        A pin of the two other authorities redirects the order to them, unless it orders the rerun with us.
        """
        if self._name not in {pin.evaluator_1, pin.evaluator_2}:
            return notice.attempt <= pin.attempt
        return pin.released is not None or (pin.run is not None and notice.attempt <= pin.attempt)

    def _begin_rerun(self, records: AuthorityRecords, pin: Pin, claim: Claim, randomness: Randomness) -> None:
        notice = claim.notice
        if pin.attempt >= LAST_ATTEMPT:
            raise RefusedError("locked", "This question failed twice; the subject must use the next budget index.")
        if notice.attempt <= pin.attempt:
            raise RefusedError("attempt-used", f"Run {pin.attempt} of this question ended early; order a rerun.")
        if pin.share_bits is not None and notice.evaluator_1 != self._name:
            raise RefusedError("wrong-evaluators", "Evaluator 1 of the first run must be evaluator 1 of the rerun.")
        claim.fresh()
        records.start_attempt(pin.nullifier, notice.attempt, notice.evaluator_1, notice.evaluator_2)
        if pin.share_bits is None and (share := self._first_share(claim, randomness)) is not None:
            records.fix_share(pin.nullifier, share)

    # --- the other authorities ---------------------------------------------------------------------------------------

    def tell_third(self, notice: PinNotice) -> None:
        """All three authorities are told before anything is opened; one that is down is told when it is back.

        Raises RefusedError if the third knows the nullifier as someone else's.
        """
        third = next(name for name in self._others if name not in {notice.evaluator_1, notice.evaluator_2})
        try:
            self._links.pin(third, notice)
        except UnavailableError:
            with self._store.transaction() as records:
                records.queue_notice(third, notice.nullifier, encode(notice))

    def accept(self, notice: PinNotice) -> None:
        """Learn from another authority that a nullifier is taken. Raises RefusedError if it is someone else's."""
        with self._store.transaction() as records:
            pin = records.pin(notice.nullifier)
            if pin is None:
                records.add_pin(_pin_of(notice))
            elif self._name not in {pin.evaluator_1, pin.evaluator_2} and notice.attempt > pin.attempt:
                _check_same_use(pin, notice)
                records.start_attempt(pin.nullifier, notice.attempt, notice.evaluator_1, notice.evaluator_2)
            else:
                _check_same_use(pin, notice)

    def page(self, after: int) -> PinPage:
        """Return a page of pins for an authority that comes back."""
        with self._store.transaction() as records:
            pins = records.pins_after(after, PIN_PAGE)
        following = pins[-1].sequence if len(pins) == PIN_PAGE else None
        return PinPage(pins=tuple(_notice_of(pin) for pin in pins), next_after=following)

    def catch_up(self) -> None:
        """Fetch the nullifiers used while this authority was away.

        Done once at least one other authority answered: with both down nothing can be evaluated anyway.
        """
        for name in self._others:
            with suppress(UnavailableError):
                self._fetch(name)
                self.caught_up = True

    def _fetch(self, authority: str) -> None:
        after: int | None = 0
        while after is not None:
            page = self._links.pins_of(authority, after)
            for notice in page.pins:
                self._accept_or_log(notice, authority)
            after = page.next_after

    def _accept_or_log(self, notice: PinNotice, authority: str) -> None:
        """A conflict can only come from a dishonest authority: the first use stands, the log says whose word it was."""
        try:
            self.accept(notice)
        except RefusedError:
            with self._store.transaction() as records:
                details = {"nullifier": notice.nullifier.hex(), "from": authority}
                records.log(self._clock(), "conflicting-pin", details)

    def deliver_queued(self) -> None:
        """Tell authorities that were down what they missed."""
        with self._store.transaction() as records:
            queued = records.queued_notices(NOTICE_BATCH)
        for recipient, nullifier, notice in queued:
            with suppress(UnavailableError):
                with suppress(RefusedError):  # the recipient has logged the conflict; it has been told
                    self._links.pin(recipient, decode(notice, PinNotice))
                with self._store.transaction() as records:
                    records.drop_notice(recipient, nullifier)


def _check_same_use(pin: Pin, notice: PinNotice) -> None:
    if (pin.verifier, pin.policy_hash, pin.set_digest) != (notice.verifier, notice.policy_hash, notice.set_digest):
        raise RefusedError("nullifier-used", "This nullifier was used for another question; use the next index.")


def _pin_of(notice: PinNotice, share_bits: bytes | None = None) -> Pin:
    known = {name: getattr(notice, name) for name in PinNotice.__struct_fields__}
    return Pin(**known, sequence=0, share_bits=share_bits, run=None, run_query=None, released=None)


def _notice_of(pin: Pin) -> PinNotice:
    return PinNotice(**{name: getattr(pin, name) for name in PinNotice.__struct_fields__})
